//! The wire forms of a Weft cloud: generated from the `.proto` files beside this crate, with
//! conversions to and from the model's types.
#![forbid(unsafe_code)]

mod json;

pub mod convert;

/// The north API: `weft.v1`.
pub mod v1 {
    #![allow(
        missing_docs,
        clippy::all,
        clippy::pedantic,
        unreachable_pub,
        unused_qualifications
    )]
    tonic::include_proto!("weft.v1");
}

/// The controller-to-vswitch stream: `weft.sync.v1`.
pub mod sync {
    /// Version 1.
    pub mod v1 {
        #![allow(
            missing_docs,
            clippy::all,
            clippy::pedantic,
            unreachable_pub,
            unused_qualifications
        )]
        tonic::include_proto!("weft.sync.v1");
    }
}

/// What a vswitch says of itself on its own socket: `weft.host.v1`.
pub mod host {
    /// Version 1.
    pub mod v1 {
        #![allow(
            missing_docs,
            clippy::all,
            clippy::pedantic,
            unreachable_pub,
            unused_qualifications
        )]
        tonic::include_proto!("weft.host.v1");
    }
}

/// The encoded descriptors of every file, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/weft.bin"));
