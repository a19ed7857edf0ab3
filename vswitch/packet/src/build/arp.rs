//! ARP answers.

use crate::{
    Mac,
    headers::{Arp, ethertype},
};

/// Answers an ARP request: its target address is at `mac`. The answer goes to the asker alone.
pub fn arp_reply(out: &mut Vec<u8>, request: &Arp, mac: Mac) {
    out.clear();
    out.extend_from_slice(&request.sender_mac.octets());
    out.extend_from_slice(&mac.octets());
    out.extend_from_slice(&ethertype::ARP.to_be_bytes());
    out.extend_from_slice(&[0, 1, 8, 0, 6, 4]);
    out.extend_from_slice(&Arp::REPLY.to_be_bytes());
    out.extend_from_slice(&mac.octets());
    out.extend_from_slice(&request.target_ip.octets());
    out.extend_from_slice(&request.sender_mac.octets());
    out.extend_from_slice(&request.sender_ip.octets());
}
