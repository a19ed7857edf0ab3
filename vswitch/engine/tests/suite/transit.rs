//! VPCs joined by a transit gateway.

use weft_engine::{
    DropObject, DropReason,
    testing::{Eni, Family, Fate, Net, Seg, Tenant, everything, group_peer, tcp_port},
};
use weft_model::{
    RouteInTransit, RouteTarget, TransitAttachmentId, TransitGatewayId, TransitHop, TransitTableId,
    VpcInTransit,
    state::{
        Delta, State, StateKey, TransitAttachmentState, TransitRouteState, TransitTargetState,
    },
};

use crate::paths::{BACK, PORTS};

const TGW: TransitGatewayId = TransitGatewayId::from_bits(1);

/// The table that routes the tenant's packets.
fn table(of: Tenant) -> TransitTableId {
    TransitTableId::from_bits(of.number)
}

fn attachment(of: Tenant) -> TransitAttachmentId {
    TransitAttachmentId::from_bits(of.number)
}

fn attach(net: &mut Net, tenant: Tenant, table: Option<TransitTableId>) {
    let state = TransitAttachmentState {
        id: attachment(tenant),
        gateway: TGW,
        vpc: tenant.vpc,
        table,
    };
    net.everywhere(&Delta::Upsert(State::TransitAttachment(state)));
}

fn route(of: Tenant, destination: &str) -> RouteInTransit {
    RouteInTransit {
        table: table(of),
        destination: destination.parse().unwrap(),
    }
}

/// A route of the tenant's table, to another's attachment or nowhere.
fn lead(net: &mut Net, from: Tenant, destination: &str, to: Option<Tenant>) {
    if let Some(to) = to {
        let id = VpcInTransit {
            table: table(from),
            vpc: to.vpc,
        };
        let target = TransitTargetState { id };
        net.everywhere(&Delta::Upsert(State::TransitTarget(target)));
    }
    let hop = to.map(|to| TransitHop {
        attachment: attachment(to),
        vpc: to.vpc,
    });
    let id = route(from, destination);
    let state = TransitRouteState { id, hop };
    net.everywhere(&Delta::Upsert(State::TransitRoute(state)));
}

fn lead_to_blocks(net: &mut Net, from: Tenant, to: Tenant) {
    for block in to.blocks() {
        lead(net, from, &block, Some(to));
    }
}

/// Two tenants, a client of one and a server of the other. Everything beyond a VPC goes to the gateway,
/// whose tables lead each to the other.
struct World {
    net: Net,
    family: Family,
    one: Tenant,
    two: Tenant,
    client: Eni,
    server: Eni,
}

/// Within a host and across, over both families.
fn worlds() -> impl Iterator<Item = World> {
    let each = |host| Family::BOTH.map(|family| World::new(host, family));
    [0, 1].into_iter().flat_map(each)
}

fn all_to_gateway(net: &mut Net, tenant: Tenant) {
    let to = RouteTarget::TransitGateway(TGW);
    net.routes(tenant, &[("0.0.0.0/0", to), ("::/0", to)]);
}

impl World {
    fn new(host: usize, family: Family) -> Self {
        let mut net = Net::new(2);
        let (one, two) = (net.tenant_in(1, 0), net.tenant_in(2, 5));
        for (tenant, other) in [(one, two), (two, one)] {
            attach(&mut net, tenant, Some(table(tenant)));
            lead_to_blocks(&mut net, tenant, other);
            all_to_gateway(&mut net, tenant);
        }
        let clients = net.group(one, 1, vec![], everything());
        let servers = net.group(two, 1, everything(), vec![]);
        let client = net.attach(one, 0, (1, 10), &[clients]);
        let server = net.attach(two, host, (1, 20), &[servers]);
        Self {
            net,
            family,
            one,
            two,
            client,
            server,
        }
    }

    fn ask(&mut self, flags: Seg) -> Fate {
        let way = self.net.way(&self.client, &self.server, self.family);
        let client = self.client.clone();
        self.net.send(&client, way.tcp(PORTS, flags, b""))
    }

    fn answer(&mut self, flags: Seg) -> Fate {
        let way = self.net.way(&self.server, &self.client, self.family);
        let server = self.server.clone();
        self.net.send(&server, way.tcp(BACK, flags, b""))
    }

    /// The block of a tenant that packets of this world's family go to.
    fn block(&self, of: Tenant) -> String {
        let [v4, v6] = of.blocks();
        match self.family {
            Family::V4 => v4,
            Family::V6 => v6,
        }
    }
}

#[test]
fn a_connection_crosses_a_transit_gateway_and_its_answers_come_back() {
    for mut world in worlds() {
        assert!(world.ask(Seg::SYN).reached(&world.server));
        assert!(world.answer(Seg::SYN_ACK).reached(&world.client));
        assert!(world.ask(Seg::ACK).reached(&world.server));
    }
}

#[test]
fn behind_a_transit_gateway_it_is_the_destination_s_network() {
    let mut world = World::new(1, Family::V4);
    assert_eq!(world.ask(Seg::SYN).wire[0].vni, world.two.vni);
    let answer = world.answer(Seg::SYN_ACK);
    assert_eq!(answer.wire[0].vni, world.one.vni);
}

#[test]
fn a_transit_gateway_takes_no_hop_beside_the_router_s() {
    for mut world in worlds() {
        let mut way = world.net.way(&world.client, &world.server, world.family);
        let client = world.client.clone();
        way.ttl = 1;
        let fate = world.net.send(&client, way.tcp(PORTS, Seg::SYN, b""));
        assert_eq!(fate.drops[0].reason, DropReason::TtlExceeded);
        way.ttl = 2;
        let fate = world.net.send(&client, way.tcp(PORTS, Seg::SYN, b""));
        assert!(fate.reached(&world.server));
    }
}

#[test]
fn each_direction_is_routed_by_its_own_vpc_s_tables() {
    for mut world in worlds() {
        assert!(world.ask(Seg::SYN).reached(&world.server));
        let back = route(world.two, &world.block(world.one));
        world
            .net
            .everywhere(&Delta::Remove(StateKey::TransitRoute(back)));
        let fate = world.answer(Seg::SYN_ACK);
        assert_eq!(fate.dropped(), DropReason::TransitNoRoute);
        let object = DropObject::TransitTable(table(world.two));
        assert_eq!(fate.drops[0].object, Some(object));
        assert!(
            world.ask(Seg::ACK).reached(&world.server),
            "it still goes there"
        );
    }
}

#[test]
fn the_longest_prefix_of_the_transit_table_decides_and_a_blackhole_is_one() {
    for mut world in worlds() {
        assert!(world.ask(Seg::SYN).reached(&world.server));
        let (one, length) = match world.family {
            Family::V4 => (world.server.ipv4().to_string(), 32),
            Family::V6 => (world.server.ipv6().to_string(), 128),
        };
        let destination = format!("{one}/{length}");
        lead(&mut world.net, world.one, &destination, None);
        let fate = world.ask(Seg::ACK);
        assert_eq!(fate.dropped(), DropReason::Blackhole);
        let id = route(world.one, &destination);
        assert_eq!(fate.drops[0].object, Some(DropObject::TransitRoute(id)));
        world
            .net
            .everywhere(&Delta::Remove(StateKey::TransitRoute(id)));
        assert!(world.ask(Seg::ACK).reached(&world.server));
    }
}

#[test]
fn an_attachment_without_a_table_or_none_at_all_sends_nothing() {
    for mut world in worlds() {
        let one = world.one;
        attach(&mut world.net, one, None);
        let fate = world.ask(Seg::SYN);
        assert_eq!(fate.dropped(), DropReason::TransitNoTable);
        let object = DropObject::TransitAttachment(attachment(one));
        assert_eq!(fate.drops[0].object, Some(object));
        let key = StateKey::TransitAttachment(attachment(one));
        world.net.everywhere(&Delta::Remove(key));
        assert_eq!(world.ask(Seg::SYN).dropped(), DropReason::Blackhole);
    }
}

#[test]
fn spokes_reach_what_is_shared_and_not_each_other() {
    for mut world in worlds() {
        let spoke = world.net.tenant_in(3, 9);
        attach(&mut world.net, spoke, Some(table(spoke)));
        lead_to_blocks(&mut world.net, spoke, world.two);
        lead_to_blocks(&mut world.net, world.two, spoke);
        all_to_gateway(&mut world.net, spoke);
        let groups = world.net.group(spoke, 1, everything(), everything());
        let far = world.net.attach(spoke, 1, (1, 30), &[groups]);
        for (from, to, reached) in [
            (&world.client, &world.server, true),
            (&far, &world.server, true),
            (&world.client, &far, false),
            (&far, &world.client, false),
        ] {
            let way = world.net.way(from, to, world.family);
            let fate = world.net.send(from, way.tcp(PORTS, Seg::SYN, b""));
            assert_eq!(fate.reached(to), reached, "{fate:?}");
            assert!(reached || fate.dropped() == DropReason::TransitNoRoute);
        }
    }
}

#[test]
fn a_host_takes_nothing_from_a_vpc_that_no_table_leads_here_from() {
    for family in Family::BOTH {
        let mut world = World::new(1, family);
        // The receiver's host has heard of the end already, the sender's has not.
        let id = VpcInTransit {
            table: table(world.one),
            vpc: world.two.vpc,
        };
        world.net.on(1, &Delta::Remove(StateKey::TransitTarget(id)));
        assert_eq!(world.ask(Seg::SYN).dropped(), DropReason::SourceElsewhere);
    }
}

#[test]
fn a_rule_that_names_a_group_says_nothing_of_what_comes_by_a_transit_gateway() {
    for mut world in worlds() {
        let members = world.one.group(1);
        let rules = tcp_port(80, [group_peer(members)]);
        world.net.group(world.two, 1, rules, vec![]);
        assert_eq!(world.ask(Seg::SYN).dropped(), DropReason::GroupIngress);
    }
}

#[test]
fn a_connection_dies_with_the_interface_behind_the_transit_gateway() {
    for mut world in worlds() {
        assert!(world.ask(Seg::SYN).reached(&world.server));
        assert!(world.answer(Seg::SYN_ACK).reached(&world.client));
        let server = world.server.clone();
        world.net.detach(&server);
        let fate = world.ask(Seg::ACK);
        assert_eq!(fate.dropped(), DropReason::TransitNoMapping);
        let object = DropObject::TransitAttachment(attachment(world.two));
        assert_eq!(fate.drops[0].object, Some(object));
    }
}

#[test]
fn what_a_forwarder_sends_on_for_others_does_not_cross_a_transit_gateway() {
    for mut world in worlds() {
        world.client.source_dest_check = false;
        let client = world.client.clone();
        world.net.update(&client);
        let mut way = world.net.way(&client, &world.server, world.family);
        way.src = match world.family {
            Family::V4 => "198.51.100.7".parse().unwrap(),
            Family::V6 => "2001:db8::7".parse().unwrap(),
        };
        let fate = world.net.send(&client, way.tcp(PORTS, Seg::SYN, b""));
        assert_eq!(fate.dropped(), DropReason::ForeignSource);
    }
}

#[test]
fn of_vpcs_with_the_same_addresses_each_gets_what_is_led_to_it() {
    for mut world in worlds() {
        // A third one at the addresses of the second, which the first is not led to.
        let twin = world.net.tenant_in(3, 5);
        attach(&mut world.net, twin, Some(table(twin)));
        lead_to_blocks(&mut world.net, twin, world.one);
        all_to_gateway(&mut world.net, twin);
        let groups = world.net.group(twin, 1, everything(), everything());
        let other = world
            .net
            .attach(twin, world.server.host, (1, 20), &[groups]);
        assert!(world.ask(Seg::SYN).reached(&world.server));
        assert!(world.answer(Seg::SYN_ACK).reached(&world.client));
        let way = world.net.way(&other, &world.client, world.family);
        let fate = world.net.send(&other, way.tcp(PORTS, Seg::SYN, b""));
        assert_eq!(fate.dropped(), DropReason::GroupIngress, "it gets there");
    }
}

#[test]
fn a_source_that_the_other_vpc_has_as_its_own_does_not_cross() {
    for family in Family::BOTH {
        let mut world = World::new(1, family);
        // It gets the sender's block beside its own.
        world
            .net
            .everywhere(&Delta::Upsert(State::Vpc(weft_model::state::VpcState {
                id: world.two.vpc,
                vni: world.two.vni,
                ipv4: [world.two, world.one]
                    .map(|t| t.blocks()[0].parse().unwrap())
                    .into(),
                ipv6: [world.two, world.one]
                    .map(|t| t.blocks()[1].parse().unwrap())
                    .into(),
                region: "r1".parse().unwrap(),
                dns: Default::default(),
            })));
        assert_eq!(world.ask(Seg::SYN).dropped(), DropReason::TransitOverlap);
    }
}

#[test]
fn a_route_back_to_the_sender_s_own_vpc_is_an_overlap_like_any_other() {
    for mut world in worlds() {
        let (one, block) = (world.one, world.block(world.two));
        lead(&mut world.net, one, &block, Some(one));
        assert_eq!(world.ask(Seg::SYN).dropped(), DropReason::TransitOverlap);
    }
}
