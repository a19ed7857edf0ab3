//! What a case of the matrix takes: a sender and a receiver, the path between them, and the rules of
//! the case and no others.

use std::net::IpAddr;

use weft_engine::testing::frames::Way;
use weft_model::{
    Carried, Destination, HealthCheck, IdleTimeout, Interface, InterfaceId, Mac, Peer, Probe,
    RouteTarget, Scheme, TargetName, TargetType, Weight,
    ops::{
        balancer::{self, PlacementDraft},
        egress_gateway, elastic_address, interface, internet_gateway, listener, peering,
        public_pool,
        security_group::{self, RuleDraft},
        target_group::{self, TargetDraft},
        transit_attachment, transit_gateway,
    },
};

use super::{Case, Missing, Path};
use weft_packet::headers::{Body, Headers};

use crate::{
    judge::{fronts::publics, outside::public_of},
    random::Random,
    town::{OUTSIDE4, Town, outside6},
    underlay::{Fate, Journey},
};

/// The host that is an edge, and nothing else.
const EDGE: usize = 2;

pub(super) struct World {
    case: Case,
    town: Town,
    ends: (InterfaceId, InterfaceId),
    /// Whom the sender sends to.
    to: IpAddr,
}

impl World {
    pub(super) fn new(case: Case) -> Self {
        let mut town = Town::plain(3, 2);
        let far = usize::from(case.cross_host);
        let sender = attach(&mut town, (0, 0));
        let receiver = match case.path {
            Path::Hairpin => sender,
            Path::Peering
            | Path::PeeredBalancer
            | Path::Transit
            | Path::Public
            | Path::NatToPublic => attach(&mut town, (1, far)),
            _ => attach(&mut town, (0, far)),
        };
        let mut world = Self {
            case,
            town,
            ends: (sender, receiver),
            to: if case.six { outside6() } else { OUTSIDE4 },
        };
        world.build();
        world.allow();
        world.town.sync();
        world
    }

    pub(super) fn receiver(&self) -> InterfaceId {
        self.ends.1
    }

    fn interface(&self, id: InterfaceId) -> &Interface {
        self.town.controller.cloud.interface(id).unwrap()
    }

    fn address(&self, id: InterfaceId) -> IpAddr {
        let mut own = self.interface(id).addresses();
        own.find(|a| a.is_ipv6() == self.case.six).unwrap()
    }

    fn public(&self, id: InterfaceId) -> IpAddr {
        let own = self.address(id);
        let public = public_of(&self.town.controller.cloud, self.interface(id), own);
        public.map_or(own, IpAddr::V4)
    }

    /// The path.
    fn build(&mut self) {
        let everywhere = if self.case.six { "::/0" } else { "0.0.0.0/0" };
        match self.case.path {
            Path::Subnet | Path::Hairpin => self.to = self.address(self.ends.1),
            Path::Middlebox => {
                let update = interface::Update {
                    source_dest_check: Some(false),
                    ..interface::Update::default()
                };
                let id = self.ends.1;
                let run = self.town.run(|w, _| {
                    interface::update(&w.controller.cloud, &w.settings, id, update, None)
                });
                run.unwrap();
                self.route(0, everywhere, RouteTarget::Interface(id));
            }
            Path::Peering => self.peer(),
            Path::Transit => self.join(),
            Path::Balancer => self.balance(0, Scheme::Internal),
            Path::PeeredBalancer => {
                self.peer();
                self.balance(1, Scheme::Internal);
            }
            Path::Front => {
                self.lead_out(everywhere);
                self.balance(0, Scheme::InternetFacing);
            }
            Path::EgressOnly => {
                let draft = egress_gateway::Draft {
                    vpc: self.town.vpcs[0],
                    label: None,
                };
                let run = self
                    .town
                    .run(|w, e| egress_gateway::create(&w.controller.cloud, draft, e));
                run.unwrap();
                let gateway = *self.town.egress.last().unwrap();
                self.route(0, everywhere, RouteTarget::EgressGateway(gateway));
                self.town.set_uplink(EDGE, true);
            }
            Path::Public | Path::Outward | Path::Inward => self.lead_out(everywhere),
            Path::Nat | Path::NatToPublic => {
                self.lead_out(everywhere);
                self.put_behind_nat();
            }
        }
    }

    /// A subnet with a gateway beside the sender's, whose routes led out and lead there now.
    fn put_behind_nat(&mut self) {
        let vpc = self.town.vpcs[0];
        self.town.add_subnet(vpc, 1);
        let home = *self.town.subnets.last().unwrap();
        self.town.add_gateway_in(home, vpc);
        let nats = self.town.controller.cloud.nat_gateways_in_vpc(vpc);
        let nat = RouteTarget::Nat(nats.map(|nat| nat.id).next().unwrap());
        self.route(0, "0.0.0.0/0", nat);
    }

    /// What answers the packet that arrived finds its way back, whatever its sender looked like.
    pub(super) fn check_answer(&mut self, fate: &Fate, nth: usize) {
        let reached = fate.delivered.iter().map(|(_, frame)| frame);
        let frame = fate.outside.iter().chain(reached).next().unwrap();
        let Ok(Headers {
            body: Body::Ip(ip), ..
        }) = Headers::parse(frame)
        else {
            panic!("no IP");
        };
        assert_ne!(ip.src, self.address(self.ends.0), "{:?}", self.case);
        if nth > 0 {
            return;
        }
        let inside = self.case.path == Path::NatToPublic;
        let way = Way {
            src_mac: match inside {
                true => self.interface(self.ends.1).mac,
                false => Mac::EDGE,
            },
            dst_mac: if inside { Mac::ROUTER } else { Mac::EDGE },
            src: ip.dst,
            dst: ip.src,
            ttl: 64,
            dont_fragment: false,
        };
        let (own, other) = (ip.ports().0, ip.ports().1);
        for frame in self.case.proto.answers(&way, (other, own)) {
            let now = self.town.now;
            let fate = match inside {
                true => {
                    let host = self.town.host_of(self.ends.1).unwrap();
                    Journey::send(&mut self.town.hosts, now, (host, self.ends.1), frame)
                }
                false => Journey::enter(&mut self.town.hosts, now, EDGE, frame),
            };
            let reached: Vec<_> = fate.delivered.iter().map(|(id, _)| *id).collect();
            assert_eq!(reached, [self.ends.0], "{:?}: {:?}", self.case, fate.drops);
        }
    }

    fn route(&mut self, vpc: usize, destination: &str, target: RouteTarget) {
        let vpc = self.town.controller.cloud.vpc(self.town.vpcs[vpc]).unwrap();
        let main = vpc.main_route_table;
        let mut tables = self.town.tables.iter();
        let table = tables.position(|table| *table == main).unwrap();
        let to = Destination::Prefix(destination.parse().unwrap());
        self.town.put_route(table, (to, target)).unwrap();
    }

    fn peer(&mut self) {
        let draft = peering::Draft {
            requester: self.town.vpcs[0],
            accepter: self.town.vpcs[1],
            label: None,
        };
        let town = &mut self.town;
        let run = town.run(|w, e| peering::create(&w.controller.cloud, &w.settings, draft, e));
        run.unwrap();
        let id = *town.peerings.last().unwrap();
        let run = town.run(|w, _| peering::accept(&w.controller.cloud, &w.settings, id, None));
        run.unwrap();
        self.route_across(RouteTarget::Peering(id));
    }

    fn join(&mut self) {
        let draft = transit_gateway::Draft {
            associate: true,
            propagate: true,
            label: None,
        };
        let town = &mut self.town;
        let run =
            town.run(|w, e| transit_gateway::create(&w.controller.cloud, &w.settings, draft, e));
        run.unwrap();
        let gateway = *town.transits.last().unwrap();
        for vpc in town.vpcs.clone() {
            let draft = transit_attachment::Draft {
                gateway,
                vpc,
                table: None,
                propagations: [].into(),
                label: None,
            };
            let run = town
                .run(|w, e| transit_attachment::create(&w.controller.cloud, &w.settings, draft, e));
            run.unwrap();
        }
        self.route_across(RouteTarget::TransitGateway(gateway));
    }

    /// Both VPCs' tables lead to the other.
    fn route_across(&mut self, target: RouteTarget) {
        let blocks = [
            ["10.1.0.0/16", "fd00:0:0:200::/56"],
            ["10.0.0.0/16", "fd00:0:0:100::/56"],
        ];
        for (table, blocks) in blocks.into_iter().enumerate() {
            for block in blocks {
                self.route(table, block, target);
            }
        }
        self.to = self.address(self.ends.1);
    }

    fn balance(&mut self, nth: usize, scheme: Scheme) {
        let (vpc, subnet) = (self.town.vpcs[nth], self.town.subnets[nth]);
        let target = TargetDraft {
            name: TargetName::Ip(self.address(self.ends.1)),
            port: None,
            weight: Weight::ONE,
        };
        let placement = PlacementDraft {
            subnet,
            ipv4: None,
            ipv6: None,
        };
        let balancer = balancer::Draft {
            placements: vec![placement],
            scheme,
            cross_zone: false,
            label: None,
        };
        let group = target_group::Draft {
            vpc,
            protocol: Carried::TcpUdp,
            port: 80,
            target_type: TargetType::Ip,
            health_check: HealthCheck::new(Probe::Tcp),
            deregistration_delay: 0,
            preserve_client_address: true,
            label: None,
        };
        let town = &mut self.town;
        let run = town.run(|w, e| balancer::create(&w.controller.cloud, &w.settings, balancer, e));
        run.unwrap();
        let run = town.run(|w, e| target_group::create(&w.controller.cloud, &w.settings, group, e));
        run.unwrap();
        let (id, group) = (town.balancers[0], town.targets[0]);
        let run = town.run(|w, _| {
            target_group::register(&w.controller.cloud, &w.settings, group, &[target], None)
        });
        run.unwrap();
        let draft = listener::Draft {
            balancer: id,
            protocol: Carried::TcpUdp,
            port: 80,
            target_group: group,
            idle_timeout: IdleTimeout::DEFAULT,
            label: None,
        };
        let run = town.run(|w, e| listener::create(&w.controller.cloud, &w.settings, draft, e));
        run.unwrap();
        let TargetName::Ip(address) = target.name else {
            panic!("it is one by address");
        };
        town.judge.health.insert((group, address, 80), true);
        let balancer = town.controller.cloud.balancer(id).unwrap();
        let mut addresses = match scheme {
            Scheme::Internal => balancer.addresses().collect(),
            Scheme::InternetFacing => publics(balancer),
        }
        .into_iter();
        self.to = addresses.find(|a| a.is_ipv6() == self.case.six).unwrap();
    }

    /// Internet gateways for both VPCs, and public addresses for both ends.
    fn lead_out(&mut self, everywhere: &str) {
        let town = &mut self.town;
        town.set_uplink(EDGE, true);
        let draft = public_pool::Draft {
            region: "r".parse().unwrap(),
            blocks: vec!["203.0.113.0/24".parse().unwrap()],
            label: None,
        };
        let run = town.run(|w, e| public_pool::create(&w.controller.cloud, draft, e));
        run.unwrap();
        for n in 0..2 {
            let draft = internet_gateway::Draft {
                vpc: Some(self.town.vpcs[n]),
                label: None,
            };
            let run = self
                .town
                .run(|w, e| internet_gateway::create(&w.controller.cloud, &w.settings, draft, e));
            run.unwrap();
            let gateway = *self.town.gateways.last().unwrap();
            self.route(n, everywhere, RouteTarget::InternetGateway(gateway));
        }
        let (sender, receiver) = self.ends;
        self.give_public(sender);
        self.give_public(receiver);
        if matches!(self.case.path, Path::Public | Path::NatToPublic) {
            self.to = self.public(receiver);
        }
    }

    fn give_public(&mut self, interface: InterfaceId) {
        let town = &mut self.town;
        let draft = elastic_address::Draft {
            region: "r".parse().unwrap(),
            pool: None,
            address: None,
            label: None,
        };
        let run =
            town.run(|w, e| elastic_address::create(&w.controller.cloud, &w.settings, draft, e));
        run.unwrap();
        let id = *town.elastics.last().unwrap();
        let target = elastic_address::Target {
            interface,
            private: None,
        };
        let update = elastic_address::Update {
            association: Some(Some(target)),
            ..elastic_address::Update::default()
        };
        let run = town.run(|w, _| elastic_address::update(&w.controller.cloud, id, update, None));
        run.unwrap();
    }

    /// The default groups, which both are in, with these rules instead of their own.
    fn allow(&mut self) {
        let everyone = if self.case.six { "::/0" } else { "0.0.0.0/0" };
        let rule = RuleDraft {
            traffic: self.case.proto.rule(self.case.six),
            peer: Peer::Cidr(everyone.parse().unwrap()),
            description: None,
        };
        let missing = self.case.missing;
        let ingress: Vec<_> = (missing != Missing::Ingress)
            .then(|| rule.clone())
            .into_iter()
            .collect();
        let egress: Vec<_> = (missing != Missing::Egress)
            .then_some(rule)
            .into_iter()
            .collect();
        let cloud = &self.town.controller.cloud;
        let groups: Vec<_> = cloud.vpcs().map(|vpc| vpc.default_group).collect();
        for id in groups {
            let group = self.town.controller.cloud.security_group(id).unwrap();
            let old = group.ingress.iter().chain(&group.egress);
            let old: Vec<_> = old.map(|rule| rule.id).collect();
            let run = self
                .town
                .run(|w, _| security_group::revoke(&w.controller.cloud, id, &old, None));
            run.unwrap();
            let rules = (ingress.clone(), egress.clone());
            let run = self.town.run(|w, e| {
                security_group::authorize(&w.controller.cloud, &w.settings, id, rules, None, e)
            });
            run.unwrap();
        }
    }

    pub(super) fn way(&self) -> Way {
        let (from, to) = self.ends;
        let inward = self.case.path == Path::Inward;
        let front = self.case.path == Path::Front;
        let outside = if self.case.six { outside6() } else { OUTSIDE4 };
        let direct = matches!(self.case.path, Path::Subnet | Path::Hairpin);
        Way {
            src_mac: self.interface(from).mac,
            dst_mac: match direct {
                true => self.interface(to).mac,
                false => Mac::ROUTER,
            },
            src: match inward || front {
                true => outside,
                false => self.address(from),
            },
            dst: if inward { self.public(to) } else { self.to },
            ttl: 64,
            dont_fragment: false,
        }
    }

    pub(super) fn send(&mut self, frame: Vec<u8>) -> Fate {
        let (from, now) = (self.ends.0, self.town.now);
        if matches!(self.case.path, Path::Inward | Path::Front) {
            return Journey::enter(&mut self.town.hosts, now, EDGE, frame);
        }
        let host = self.town.host_of(from).unwrap();
        Journey::send(&mut self.town.hosts, now, (host, from), frame)
    }
}

fn attach(town: &mut Town, (vpc, host): (usize, usize)) -> InterfaceId {
    let subnet = town.subnets[vpc];
    let mut place = town.place(&mut Random::new(1), subnet);
    place.host = town.hosts[host].name.clone();
    let draft = interface::Draft {
        attachment: Some(place),
        ..interface::Draft::new(subnet)
    };
    let run = town.run(|w, e| interface::create(&w.controller.cloud, &w.settings, draft, e));
    run.unwrap();
    *town.interfaces.last().unwrap()
}
