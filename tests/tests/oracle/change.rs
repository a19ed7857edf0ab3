//! Changes of the cloud in the middle of a story.

use weft_model::{
    Interface,
    ops::{interface, route_table, subnet},
};

use crate::{random::Random, theme::Theme, town::Town};

/// A change: its kind, whom it is about, and where its other choices come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alter {
    pub(crate) kind: Kind,
    pub(crate) whom: usize,
    pub(crate) seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Authorize,
    Revoke,
    Regroup,
    FlipCheck,
    Move,
    Unplug,
    Readdress,
    PassAddress,
    PutRoute,
    DeleteRoute,
    Associate,
    AddInterface,
    DeleteInterface,
    AddSubnet,
    AddGroup,
    Replace,
    PutEntry,
    DeleteEntry,
    AssociateAcl,
    RefillList,
    Peer,
    Unpeer,
    Elastic,
    Gateway,
    Egress,
    Uplink,
    Lose,
    Health,
    Register,
    Deregister,
    Listen,
    CrossZone,
    Attach,
    Reassociate,
    PutTransitRoute,
    DeleteTransitRoute,
    Nat,
    Reroute,
    Leases,
}

/// The likelier ones several times.
const KINDS: [Kind; 29] = [
    Kind::RefillList,
    Kind::Replace,
    Kind::Replace,
    Kind::PutEntry,
    Kind::PutEntry,
    Kind::DeleteEntry,
    Kind::DeleteEntry,
    Kind::AssociateAcl,
    Kind::Authorize,
    Kind::Authorize,
    Kind::Authorize,
    Kind::Revoke,
    Kind::Revoke,
    Kind::Revoke,
    Kind::Regroup,
    Kind::Regroup,
    Kind::FlipCheck,
    Kind::Move,
    Kind::Move,
    Kind::Unplug,
    Kind::Readdress,
    Kind::PassAddress,
    Kind::PutRoute,
    Kind::PutRoute,
    Kind::DeleteRoute,
    Kind::Associate,
    Kind::AddInterface,
    Kind::DeleteInterface,
    Kind::AddSubnet,
];

impl Alter {
    pub(crate) fn random(random: &mut Random, theme: Theme) -> Self {
        Self {
            kind: match random.below(100) {
                0 | 1 => Kind::AddGroup,
                2..40 => theme.change(random),
                _ => *random.pick(&KINDS),
            },
            whom: random.below(64),
            seed: random.bits(),
        }
    }

    /// Does it, if it can be done; that a command refuses is fine.
    pub(crate) fn apply(self, town: &mut Town) {
        let mut random = Random::new(self.seed);
        let random = &mut random;
        match self.kind {
            Kind::Authorize => town.authorize(random, self.whom % town.groups.len()),
            Kind::Revoke => town.revoke(self.whom % town.groups.len(), random.below(8)),
            Kind::PutRoute => {
                let route = town.route(random);
                let _ = town.put_route(self.whom % town.tables.len(), route);
            }
            Kind::DeleteRoute => self.delete_route(town, random),
            Kind::Associate => self.associate(town, random),
            Kind::PutEntry => town.put_entry(random, self.whom % town.acls.len()),
            Kind::DeleteEntry => town.delete_entry(random, self.whom % town.acls.len()),
            Kind::AssociateAcl => town.associate_acl(random, self.whom % town.subnets.len()),
            Kind::RefillList if !town.lists.is_empty() => {
                town.refill_list(random, self.whom % town.lists.len());
            }
            Kind::Peer => town.add_peering(random),
            Kind::Unpeer => town.end_peering(random),
            Kind::Health | Kind::Register | Kind::Deregister | Kind::Listen | Kind::CrossZone => {
                if !town.balancers.is_empty() {
                    self.alter_balancing(town, random);
                }
            }
            Kind::Elastic | Kind::Gateway | Kind::Egress | Kind::Uplink | Kind::Lose => {
                if !town.elastics.is_empty() {
                    self.alter_outside(town, random);
                }
            }
            Kind::Attach | Kind::Reassociate | Kind::PutTransitRoute | Kind::DeleteTransitRoute => {
                if !town.transits.is_empty() {
                    self.alter_transit(town, random);
                }
            }
            Kind::Nat | Kind::Reroute | Kind::Leases => {
                if !town.gateways.is_empty() {
                    self.alter_nat(town, random);
                }
            }
            Kind::AddInterface => town.add_interface(random),
            Kind::AddSubnet => {
                let vpc = town.vpcs[self.whom % town.vpcs.len()];
                town.add_subnet(vpc, random.between(2, 3) as u8);
            }
            Kind::AddGroup => {
                let vpc = town.vpcs[self.whom % town.vpcs.len()];
                town.add_group(random, vpc, random.clone().between(4, 9));
            }
            Kind::Replace => {
                let nth = self.whom % town.interfaces.len();
                town.replace(random, nth);
            }
            Kind::DeleteInterface => {
                let id = town.interfaces[self.whom % town.interfaces.len()];
                let _ = town.run(|w, _| interface::delete(&w.controller.cloud, id, None));
            }
            _ => self.alter_interface(town, random),
        }
    }

    fn alter_balancing(self, town: &mut Town, random: &mut Random) {
        match self.kind {
            Kind::Health => town.flip_health(random),
            Kind::Register => town.register(random),
            Kind::Deregister => town.deregister(random),
            Kind::Listen => town.flip_listener(random),
            _ => town.flip_cross_zone(random),
        }
    }

    fn alter_transit(self, town: &mut Town, random: &mut Random) {
        match self.kind {
            Kind::Attach => town.flip_attachment(random),
            Kind::Reassociate => town.reassociate(random),
            Kind::PutTransitRoute => town.put_transit_route(random),
            _ => town.delete_transit_route(random),
        }
    }

    fn alter_outside(self, town: &mut Town, random: &mut Random) {
        match self.kind {
            Kind::Elastic => town.put_elastic(random),
            Kind::Gateway => town.flip_gateway(random),
            Kind::Egress => town.flip_egress(random),
            Kind::Uplink => town.flip_uplink(random),
            _ => town.flip_lost(random),
        }
    }

    fn alter_nat(self, town: &mut Town, random: &mut Random) {
        match self.kind {
            Kind::Nat => town.flip_nat(random),
            Kind::Reroute => town.reroute_nat(random, self.whom % town.tables.len()),
            _ => town.turn_leases(),
        }
    }

    fn delete_route(self, town: &mut Town, random: &mut Random) {
        let table = town.tables[self.whom % town.tables.len()];
        let from = town.destination(random);
        let _ = town.run(|w, _| route_table::delete_route(&w.controller.cloud, table, from, None));
    }

    fn associate(self, town: &mut Town, random: &mut Random) {
        let subnet = town.subnets[self.whom % town.subnets.len()];
        let table = *random.pick(&town.tables);
        let update = subnet::Update {
            route_table: Some(random.percent(60).then_some(table)),
            ..subnet::Update::default()
        };
        let _ = town.run(|w, _| subnet::update(&w.controller.cloud, subnet, update, None));
    }

    fn alter_interface(self, town: &mut Town, random: &mut Random) {
        let id = town.interfaces[self.whom % town.interfaces.len()];
        let Some(found) = town.controller.cloud.interface(id).cloned() else {
            return;
        };
        let mut update = interface::Update::default();
        match self.kind {
            Kind::Regroup if random.percent(10) => update.groups = Some(vec![]),
            Kind::Regroup => update.groups = Some(town.some_groups(random, found.subnet)),
            Kind::FlipCheck => update.source_dest_check = Some(!found.source_dest_check),
            Kind::Move => update.attachment = Some(Some(town.place(random, found.subnet))),
            Kind::Unplug => update.attachment = Some(None),
            Kind::Readdress => update.secondary_ipv4 = Some(some_addresses(town, &found, random)),
            Kind::PassAddress => return pass_address(town, &found, random),
            _ => return,
        }
        let _ =
            town.run(|w, _| interface::update(&w.controller.cloud, &w.settings, id, update, None));
    }
}

fn some_addresses(
    town: &Town,
    interface: &Interface,
    random: &mut Random,
) -> Vec<std::net::Ipv4Addr> {
    let subnet = town.controller.cloud.subnet(interface.subnet).unwrap();
    let network = subnet.ipv4.net().network().to_bits();
    let number = random.below(3);
    let one = |_| std::net::Ipv4Addr::from_bits(network + random.between(20, 23) as u32);
    (0..number).map(one).collect()
}

/// The interface gives an address away, and another of the subnet takes it.
fn pass_address(town: &mut Town, from: &Interface, random: &mut Random) {
    let others: Vec<_> = town
        .controller
        .cloud
        .interfaces_in_subnet(from.subnet)
        .collect();
    let heir = (*random.pick(&others)).clone();
    let address = from.secondary_ipv4.first().copied();
    if heir.id == from.id {
        return;
    }
    let (giver, id) = (from.id, heir.id);
    let (lost, taken) = match address {
        Some(address) => {
            let lost = interface::Update {
                secondary_ipv4: Some(from.secondary_ipv4[1..].to_vec()),
                ..interface::Update::default()
            };
            let mut secondary = heir.secondary_ipv4.clone();
            secondary.push(address);
            let taken = interface::Update {
                secondary_ipv4: Some(secondary),
                ..interface::Update::default()
            };
            (lost, taken)
        }
        None => {
            let lost = interface::Update {
                ipv6: Some(vec![]),
                ..interface::Update::default()
            };
            let taken = interface::Update {
                ipv6: Some([heir.ipv6.clone(), from.ipv6.clone()].concat()),
                ..interface::Update::default()
            };
            (lost, taken)
        }
    };
    for (id, update) in [(giver, lost), (id, taken)] {
        let _ =
            town.run(|w, _| interface::update(&w.controller.cloud, &w.settings, id, update, None));
    }
}
