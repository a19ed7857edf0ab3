//! A frame on its way through the pipeline.

use weft_packet::offload::Offload;

/// An Ethernet frame that the engine may rewrite in place, and what its checksums and segments
/// still need.
#[derive(Debug)]
pub struct Frame<'a> {
    /// The bytes, from the destination MAC on.
    pub bytes: &'a mut [u8],
    /// What the sender left to the device.
    pub offload: Offload,
}
