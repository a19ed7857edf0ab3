//! Whatever is sent, nobody panics and no tenant hears another.

use proptest::{collection::vec, prelude::*, sample::Index};
use weft_engine::testing::{Eni, Family, Fate, Net, Seg, everything, frames::arp};
use weft_packet::vxlan;

/// Two open tenants with the same addresses, each on both hosts.
struct Towns {
    net: Net,
    enis: Vec<Eni>,
}

impl Towns {
    fn new() -> Self {
        let mut net = Net::new(2);
        let mut enis = vec![];
        for number in [1, 2] {
            let tenant = net.tenant(number);
            let group = net.group(tenant, 1, everything(), everything());
            for (host, place) in [(0, (1, 10)), (1, (1, 11)), (0, (2, 10)), (1, (2, 11))] {
                enis.push(net.attach(tenant, host, place, &[group]));
            }
        }
        enis[3].source_dest_check = false;
        let forwarder = enis[3].clone();
        net.update(&forwarder);
        Self { net, enis }
    }

    /// What tenant a payload byte betrays.
    fn mark(tenant: u64) -> u8 {
        0xe0 | tenant as u8
    }

    fn frame(&self, from: &Eni, to: &Eni, template: usize) -> Vec<u8> {
        let family = Family::BOTH[template % 2];
        let way = self.net.way(from, to, family);
        let payload = vec![Self::mark(from.tenant.number); 100];
        let ports = (1000, 80);
        match template / 2 % 8 {
            0 => way.tcp(ports, Seg::SYN, &payload),
            1 => way.tcp(ports, Seg::ACK, &payload),
            2 => way.udp(ports, &payload),
            3 => way.echo_request(7, &payload),
            4 => self
                .net
                .way_out(from, from.router(family))
                .echo_request(7, &payload),
            5 => way.unreachable(&self.net.way(to, from, family).tcp(
                (80, 1000),
                Seg::ACK,
                &payload,
            )),
            6 => way
                .udp_fragments(7, ports, &payload, 48)
                .remove(template / 16 % 3),
            _ => arp(1, (from.mac, from.ipv4()), (to.mac, to.ipv4())),
        }
    }
}

/// Changes to a frame's bytes.
#[derive(Debug, Clone)]
struct Mutation {
    writes: Vec<(Index, u8)>,
    cut: Option<Index>,
}

impl Mutation {
    fn apply(&self, frame: &mut Vec<u8>) {
        for (at, value) in &self.writes {
            // Most lies are told in the first headers.
            let at = at.index(frame.len().min(80));
            frame[at] = *value;
        }
        if let Some(cut) = &self.cut {
            frame.truncate(cut.index(frame.len() + 1));
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let cut = prop_oneof![4 => Just(None), 1 => any::<Index>().prop_map(Some)];
    (vec((any::<Index>(), any::<u8>()), 0..4), cut)
        .prop_map(|(writes, cut)| Mutation { writes, cut })
}

/// One thing that somebody sends.
#[derive(Debug, Clone)]
struct Move {
    from: Index,
    to: Index,
    template: usize,
    mutation: Mutation,
    /// Through the tunnel, as if from the sender's host.
    tunnel: bool,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = (
        any::<Index>(),
        any::<Index>(),
        0..96_usize,
        mutation(),
        any::<bool>(),
    );
    let one = one.prop_map(|(from, to, template, mutation, tunnel)| Move {
        from,
        to,
        template,
        mutation,
        tunnel,
    });
    vec(one, 1..30)
}

/// Only the sender's tenant hears, and nothing of another's.
fn check(towns: &Towns, tenant: u64, fate: &Fate) -> Result<(), TestCaseError> {
    for (interface, frame) in &fate.delivered {
        let hearer = towns.enis.iter().find(|eni| eni.interface == *interface);
        prop_assert_eq!(hearer.unwrap().tenant.number, tenant);
        let foreign = [Towns::mark(3 - tenant); 8];
        prop_assert!(!frame.windows(8).any(|bytes| bytes == foreign));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_frame_panics_or_crosses_between_tenants(moves in moves()) {
        let mut towns = Towns::new();
        for step in &moves {
            let from = towns.enis[step.from.index(towns.enis.len())].clone();
            let to = towns.enis[step.to.index(towns.enis.len())].clone();
            let mut frame = towns.frame(&from, &to, step.template);
            step.mutation.apply(&mut frame);
            let fate = if step.tunnel {
                let payload = [&vxlan::emit(from.tenant.vni)[..], &frame].concat();
                let source = towns.net.vtep(from.host);
                towns.net.inject(1 - from.host, source, payload)
            } else {
                towns.net.send(&from, frame)
            };
            check(&towns, from.tenant.number, &fate)?;
            towns.net.pass(1_000_000);
        }
    }

    #[test]
    fn no_bytes_at_all_panic(frames in vec(vec(any::<u8>(), 0..200), 1..20), ours: bool) {
        let mut towns = Towns::new();
        let from = towns.enis[0].clone();
        let source = towns.net.vtep(0);
        for mut frame in frames {
            let fate = towns.net.inject(1, source, frame.clone());
            prop_assert!(fate.delivered.is_empty());
            if ours && frame.len() >= 14 {
                frame[6..12].copy_from_slice(&from.mac.octets());
            }
            let fate = towns.net.send(&from, frame);
            check(&towns, 1, &fate)?;
        }
    }
}
