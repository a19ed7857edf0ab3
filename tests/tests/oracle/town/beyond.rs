//! What reaches beyond one VPC: prefix lists and peerings.

use weft_model::{
    Destination, PrefixListEntry, RouteTarget, VpcId,
    ops::{peering, prefix_list},
    prefix_list::Family,
};

use super::Town;
use crate::random::Random;

/// What lists hold.
const LISTED4: [&str; 7] = [
    "0.0.0.0/0",
    "10.0.0.0/24",
    "10.0.1.0/24",
    "10.0.0.4/32",
    "10.1.0.0/16",
    "10.1.0.0/24",
    "198.51.100.0/24",
];
const LISTED6: [&str; 4] = [
    "::/0",
    "fd00:0:0:101::/64",
    "fd00:0:0:200::/56",
    "2001:db8:5::/64",
];

fn entries(random: &mut Random, family: Family) -> Vec<PrefixListEntry> {
    let from: &[&str] = match family {
        Family::Ipv4 => &LISTED4,
        Family::Ipv6 => &LISTED6,
    };
    let number = random.below(4);
    let mut some: Vec<&str> = (0..number).map(|_| *random.pick(from)).collect();
    some.sort_unstable();
    some.dedup();
    let entry = |text: &str| PrefixListEntry {
        prefix: text.parse().unwrap(),
        description: None,
    };
    some.into_iter().map(entry).collect()
}

/// Prefix lists.
impl Town {
    pub(super) fn add_list(&mut self, random: &mut Random) {
        let family = *random.pick(&[Family::Ipv4, Family::Ipv4, Family::Ipv6]);
        let draft = prefix_list::Draft {
            region: "r".parse().unwrap(),
            family,
            max_entries: 4,
            entries: entries(random, family),
            label: None,
        };
        let run = self.run(|w, e| prefix_list::create(&w.controller.cloud, &w.settings, draft, e));
        run.unwrap();
    }

    /// Other prefixes, where what names the list can have them.
    pub(crate) fn refill_list(&mut self, random: &mut Random, nth: usize) {
        let id = self.lists[nth];
        let family = self.controller.cloud.prefix_list(id).unwrap().family;
        let update = prefix_list::Update {
            entries: Some(entries(random, family)),
            ..prefix_list::Update::default()
        };
        let _ = self
            .run(|w, _| prefix_list::update(&w.controller.cloud, &w.settings, id, update, None));
    }
}

/// Peerings.
impl Town {
    pub(super) fn build_peerings(&mut self, random: &mut Random) {
        for n in 1..self.vpcs.len() {
            for m in 0..n {
                if random.percent(70) {
                    self.peer(random, (self.vpcs[m], self.vpcs[n]));
                }
            }
        }
    }

    /// Two VPCs, peered if they can be, with most of the routes that it takes.
    fn peer(&mut self, random: &mut Random, (requester, accepter): (VpcId, VpcId)) {
        let draft = peering::Draft {
            requester,
            accepter,
            label: None,
        };
        let made = self.run(|w, e| peering::create(&w.controller.cloud, &w.settings, draft, e));
        let Some(&id) = self.peerings.last().filter(|_| made.is_ok()) else {
            return;
        };
        if random.percent(90) {
            let _ = self.run(|w, _| peering::accept(&w.controller.cloud, &w.settings, id, None));
        }
        for table in 0..self.tables.len() {
            let Some(there) = self.across(table, (requester, accepter)) else {
                continue;
            };
            let there = self.controller.cloud.vpc(there).unwrap();
            let blocks = [there.primary.into(), there.ipv6[0].into()];
            for block in blocks {
                if random.percent(80) {
                    let route = (Destination::Prefix(block), RouteTarget::Peering(id));
                    let _ = self.put_route(table, route);
                }
            }
        }
    }

    /// The VPC on the other side of the table's.
    fn across(&self, table: usize, (one, other): (VpcId, VpcId)) -> Option<VpcId> {
        let home = self.controller.cloud.route_table(self.tables[table])?.vpc;
        match home {
            _ if home == one => Some(other),
            _ if home == other => Some(one),
            _ => None,
        }
    }

    pub(crate) fn add_peering(&mut self, random: &mut Random) {
        let (one, other) = (*random.pick(&self.vpcs), *random.pick(&self.vpcs));
        self.peer(random, (one, other));
    }

    pub(crate) fn end_peering(&mut self, random: &mut Random) {
        if self.peerings.is_empty() {
            return;
        }
        let id = *random.pick(&self.peerings);
        let _ = self.run(|w, _| peering::delete(&w.controller.cloud, id, None));
    }
}
