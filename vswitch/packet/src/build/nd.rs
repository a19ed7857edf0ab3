//! Neighbour and router advertisements (RFC 4861, RFC 8106).

use std::net::Ipv6Addr;

use super::{Addresses, Envelope, packet};
use crate::{
    Mac,
    headers::protocol,
    nd::{kind, option},
};

/// "The Hop Limit field has a value of 255, i.e., the packet could not possibly have been forwarded".
const HOP_LIMIT: u8 = 255;
/// What one advertisement holds: more would leave no room in IPv6's least MTU.
const MAX_PREFIXES: usize = 16;
/// DNS servers that one advertisement holds: resolvers use three.
const MAX_DNS: usize = 8;

/// What a neighbour advertisement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advertisement {
    /// The address that is at [`Advertisement::mac`].
    pub target: Ipv6Addr,
    /// Where it is.
    pub mac: Mac,
    /// Whether it is a router.
    pub router: bool,
    /// Whether it was asked for; not so in an answer to a duplicate probe (RFC 4861 section 7.2.4).
    pub solicited: bool,
}

/// Says that `it.target` is at `it.mac`, to the station and address given, overriding what they
/// knew.
pub fn neighbor_advertisement(out: &mut Vec<u8>, to_mac: Mac, to: Ipv6Addr, it: Advertisement) {
    let flags = u8::from(it.router) << 7 | u8::from(it.solicited) << 6 | 1 << 5;
    let mut body = [0; 32];
    body[0] = kind::NEIGHBOR_ADVERTISEMENT;
    body[4] = flags;
    body[8..24].copy_from_slice(&it.target.octets());
    body[24..26].copy_from_slice(&[option::TARGET_LINK, 1]);
    body[26..].copy_from_slice(&it.mac.octets());
    let envelope = Envelope {
        dst_mac: to_mac,
        src_mac: it.mac,
        addresses: Addresses::V6 {
            src: it.target,
            dst: to,
        },
        ttl: HOP_LIMIT,
    };
    packet(out, &envelope, protocol::ICMPV6, &[&body]).expect("32 bytes fit");
}

/// A prefix in a router advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixInformation {
    /// The prefix; bits past its length should be zero.
    pub prefix: Ipv6Addr,
    /// Its length in bits.
    pub length: u8,
    /// Whether its addresses are on the link.
    pub on_link: bool,
    /// Whether stations make addresses in it by themselves.
    pub autonomous: bool,
    /// Lifetime in seconds.
    pub valid: u32,
    /// Lifetime of preference in seconds, at most that of validity.
    pub preferred: u32,
}

/// What a router advertisement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouterAdvertisement<'a> {
    /// The router's MAC.
    pub mac: Mac,
    /// The router's link-local address.
    pub from: Ipv6Addr,
    /// Hop limit that stations should use.
    pub hop_limit: u8,
    /// Addresses come from DHCPv6.
    pub managed: bool,
    /// Other configuration comes from DHCPv6.
    pub other: bool,
    /// Seconds that it serves as default router; 0 is "not one".
    pub lifetime: u16,
    /// MTU of the link.
    pub mtu: u32,
    /// Prefixes; the first 16 are said.
    pub prefixes: &'a [PrefixInformation],
    /// DNS servers (RFC 8106); the first 8 are said.
    pub dns: &'a [Ipv6Addr],
    /// Seconds that the DNS servers are good for.
    pub dns_lifetime: u32,
}

/// Says where the router is, to the station and address given (all-nodes, or who asked).
pub fn router_advertisement(
    out: &mut Vec<u8>,
    to_mac: Mac,
    to: Ipv6Addr,
    it: &RouterAdvertisement<'_>,
) {
    let head = head(it);
    let mut prefixes = [[0; 32]; MAX_PREFIXES];
    let count = it.prefixes.len().min(MAX_PREFIXES);
    for (slot, prefix) in prefixes.iter_mut().zip(it.prefixes) {
        *slot = prefix_option(prefix);
    }
    let mut dns = [[0; 16]; MAX_DNS];
    let servers = it.dns.len().min(MAX_DNS);
    for (slot, server) in dns.iter_mut().zip(it.dns) {
        *slot = server.octets();
    }
    let rdnss = rdnss_head(servers, it.dns_lifetime);
    let rdnss = if servers == 0 { &[][..] } else { &rdnss[..] };
    let parts = [
        &head[..],
        prefixes[..count].as_flattened(),
        rdnss,
        dns[..servers].as_flattened(),
    ];
    let envelope = Envelope {
        dst_mac: to_mac,
        src_mac: it.mac,
        addresses: Addresses::V6 {
            src: it.from,
            dst: to,
        },
        ttl: HOP_LIMIT,
    };
    packet(out, &envelope, protocol::ICMPV6, &parts).expect("under 1000 bytes fit");
}

/// The fixed part, then the options with the router's MAC and the MTU. Reachable and retransmission
/// times stay unspecified.
fn head(it: &RouterAdvertisement<'_>) -> [u8; 32] {
    let mut b = [0; 32];
    b[0] = kind::ROUTER_ADVERTISEMENT;
    b[4] = it.hop_limit;
    b[5] = u8::from(it.managed) << 7 | u8::from(it.other) << 6;
    b[6..8].copy_from_slice(&it.lifetime.to_be_bytes());
    b[16..18].copy_from_slice(&[option::SOURCE_LINK, 1]);
    b[18..24].copy_from_slice(&it.mac.octets());
    b[24..26].copy_from_slice(&[option::MTU, 1]);
    b[28..].copy_from_slice(&it.mtu.to_be_bytes());
    b
}

fn prefix_option(it: &PrefixInformation) -> [u8; 32] {
    let mut b = [0; 32];
    b[..3].copy_from_slice(&[option::PREFIX, 4, it.length]);
    b[3] = u8::from(it.on_link) << 7 | u8::from(it.autonomous) << 6;
    b[4..8].copy_from_slice(&it.valid.to_be_bytes());
    b[8..12].copy_from_slice(&it.preferred.to_be_bytes());
    b[16..].copy_from_slice(&it.prefix.octets());
    b
}

fn rdnss_head(servers: usize, lifetime: u32) -> [u8; 8] {
    let mut b = [0; 8];
    b[..2].copy_from_slice(&[option::RDNSS, 1 + 2 * servers as u8]);
    b[4..].copy_from_slice(&lifetime.to_be_bytes());
    b
}
