//! Groups' rules, and ACLs' entries.

use weft_model::{
    AclAction, AclEntry, AclNumber, Peer, PortMatch, PortRange, Protocol, VpcId,
    acl::Direction,
    group::IcmpMatch,
    ops::{
        network_acl,
        security_group::{self, RuleDraft},
        subnet,
    },
    prefix_list::Family,
};

use super::{PORTS, Town};
use crate::random::Random;

/// Peers of rules.
const PREFIXES: [&str; 12] = [
    "0.0.0.0/0",
    "0.0.0.0/0",
    "::/0",
    "::/0",
    "10.0.0.0/16",
    "10.0.1.0/24",
    "10.0.0.4/32",
    "10.1.0.0/16",
    "10.1.0.0/24",
    "fd00:0:0:100::/56",
    "fd00:0:0:101::/64",
    "fd00:0:0:200::/56",
];

/// Rules of groups.
impl Town {
    pub(crate) fn authorize(&mut self, random: &mut Random, group: usize) {
        let id = self.groups[group];
        let rule = self.rule(random);
        let rules = match random.percent(50) {
            true => (vec![rule], vec![]),
            false => (vec![], vec![rule]),
        };
        let _ = self.run(|w, e| {
            security_group::authorize(&w.controller.cloud, &w.settings, id, rules, None, e)
        });
    }

    /// Lets everybody in, of one family, or with one protocol of both.
    pub(super) fn open(&mut self, random: &mut Random, group: usize) {
        let id = self.groups[group];
        let traffic = *random.pick(&[
            PortMatch::All,
            PortMatch::All,
            PortMatch::Tcp(PortRange::ALL),
            PortMatch::Udp(PortRange::ALL),
        ]);
        let rule = |prefix: &str| RuleDraft {
            traffic,
            peer: Peer::Cidr(prefix.parse().unwrap()),
            description: None,
        };
        let rules = (vec![rule("0.0.0.0/0"), rule("::/0")], vec![]);
        let _ = self.run(|w, e| {
            security_group::authorize(&w.controller.cloud, &w.settings, id, rules, None, e)
        });
    }

    pub(crate) fn revoke(&mut self, group: usize, nth: usize) {
        let id = self.groups[group];
        let found = self.controller.cloud.security_group(id);
        let rules = found.map_or(vec![], |g| g.egress.iter().chain(&g.ingress).collect());
        if rules.is_empty() {
            return;
        }
        let rule = rules[nth % rules.len()].id;
        let _ = self.run(|w, _| security_group::revoke(&w.controller.cloud, id, &[rule], None));
    }
}

/// What rules and ACLs are made of.
impl Town {
    fn rule(&self, random: &mut Random) -> RuleDraft {
        let peer = match random.below(8) {
            0 | 1 => Peer::Group(*random.pick(&self.groups)),
            2 if !self.lists.is_empty() => Peer::List(*random.pick(&self.lists)),
            _ => Peer::Cidr(random.pick(&PREFIXES).parse().unwrap()),
        };
        RuleDraft {
            traffic: traffic(random),
            peer,
            description: None,
        }
    }

    /// An ACL that lets everything pass but for what its lower entries say.
    pub(super) fn add_acl(&mut self, random: &mut Random, vpc: VpcId) {
        let all = |number: u16, prefix: &str| AclEntry {
            number: AclNumber::try_from(number).unwrap(),
            action: AclAction::Allow,
            traffic: PortMatch::All,
            prefix: prefix.parse().unwrap(),
        };
        let all = vec![all(100, "0.0.0.0/0"), all(100, "::/0")];
        let draft = network_acl::Draft {
            vpc,
            ingress: all.clone(),
            egress: all,
            label: None,
        };
        let _ = self.run(|w, e| network_acl::create(&w.controller.cloud, &w.settings, draft, e));
        let acl = self.acls.len() - 1;
        self.put_entry(random, acl);
        let subnets = self.subnets.len();
        self.associate_acl(random, subnets - 1);
    }

    pub(crate) fn put_entry(&mut self, random: &mut Random, acl: usize) {
        let entry = AclEntry {
            number: AclNumber::try_from(random.between(1, 120) as u16).unwrap(),
            action: *random.pick(&[AclAction::Deny, AclAction::Deny, AclAction::Allow]),
            traffic: traffic(random),
            prefix: random.pick(&PREFIXES).parse().unwrap(),
        };
        let (id, direction) = (self.acls[acl], direction(random));
        let _ = self.run(|w, _| {
            let place = (direction, entry);
            network_acl::put_entry(&w.controller.cloud, &w.settings, id, place, None)
        });
    }

    pub(crate) fn delete_entry(&mut self, random: &mut Random, acl: usize) {
        let (id, direction) = (self.acls[acl], direction(random));
        let found = self.controller.cloud.network_acl(id);
        let entries = found.map_or_else(Vec::new, |acl| acl.entries(direction).to_vec());
        if entries.is_empty() {
            return;
        }
        let entry = random.pick(&entries);
        let place = (direction, Family::of(entry.prefix), entry.number);
        let _ = self.run(|w, _| network_acl::delete_entry(&w.controller.cloud, id, place, None));
    }

    pub(crate) fn associate_acl(&mut self, random: &mut Random, subnet: usize) {
        let (subnet, acl) = (self.subnets[subnet], *random.pick(&self.acls));
        let update = subnet::Update {
            acl: Some(random.percent(80).then_some(acl)),
            ..subnet::Update::default()
        };
        let _ = self.run(|w, _| subnet::update(&w.controller.cloud, subnet, update, None));
    }
}

fn direction(random: &mut Random) -> Direction {
    *random.pick(&[Direction::Ingress, Direction::Egress])
}

/// What rules and entries speak of.
fn traffic(random: &mut Random) -> PortMatch {
    let range = |random: &mut Random| match random.below(5) {
        0 => PortRange::ALL,
        1 => PortRange::new(1, 1000).unwrap(),
        2 => PortRange::new(1000, 65535).unwrap(),
        _ => PortRange::one(*random.pick(&PORTS)),
    };
    let echo = Some(IcmpMatch {
        kind: *random.pick(&[8, 0, 3, 13]),
        code: *random.pick(&[None, Some(0), Some(3)]),
    });
    let echo6 = echo.map(|m| IcmpMatch {
        kind: *random.pick(&[128, 129, 1]),
        ..m
    });
    match random.below(12) {
        0 | 1 => PortMatch::All,
        2..=4 => PortMatch::Tcp(range(random)),
        5 | 6 => PortMatch::Udp(range(random)),
        7 => PortMatch::Icmp(*random.pick(&[None, echo])),
        8 => PortMatch::Icmpv6(*random.pick(&[None, echo6])),
        9 => PortMatch::Protocol(Protocol(47)),
        _ => PortMatch::Protocol(*random.pick(&[
            Protocol::TCP,
            Protocol::UDP,
            Protocol::ICMP,
            Protocol::ICMPV6,
        ])),
    }
}
