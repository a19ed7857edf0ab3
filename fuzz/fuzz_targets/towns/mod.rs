//! Two tenants with the same addresses on the same two hosts, all open.

use weft_engine::{
    Limits,
    testing::{Eni, Net, everything},
};
use weft_model::InterfaceId;

/// The hosts, a sender on the first, and the interfaces of its tenant.
pub fn build() -> (Net, Eni, Vec<InterfaceId>) {
    // Small tables: they are made anew for each input, and overflow soon.
    let limits = Limits {
        flows: 64,
        flows_per_port: 16,
        fragments: 16,
        fragments_per_port: 4,
        ..Limits::default()
    };
    let mut net = Net::with_limits(2, &limits);
    let mut enis = vec![];
    for number in [1, 2] {
        let tenant = net.tenant(number);
        let group = net.group(tenant, 1, everything(), everything());
        for (host, place) in [(0, (1, 10)), (0, (2, 20)), (1, (1, 11)), (1, (2, 21))] {
            enis.push(net.attach(tenant, host, place, &[group]));
        }
    }
    let own = enis[..4].iter().map(|eni| eni.interface).collect();
    (net, enis.swap_remove(0), own)
}

/// The input as frames: each has its length before it, two bytes little-endian.
pub fn frames(mut input: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = input.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (frame, rest) = rest.split_at(length);
        input = rest;
        Some(frame)
    })
}
