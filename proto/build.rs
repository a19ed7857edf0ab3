//! Compiles the `.proto` files with protox, so that no `protoc` is needed.

use std::{error::Error, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 3] = [
    "weft/v1/types.proto",
    "weft/v1/api.proto",
    "weft/sync/v1/sync.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Served by gRPC reflection.
    std::fs::write(out.join("weft.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
