//! NAT gateways, the routes to them, and the ports that hosts hold.

use weft_model::{
    Destination, ElasticAddressId, HostName, NatGatewayId, RouteTableId, RouteTarget, SubnetId,
    VpcId,
    ops::{elastic_address, internet_gateway, lease, nat_gateway, route_table, subnet},
};

use super::Town;
use crate::random::Random;

/// Seconds that a block rests before another host may have it.
const REST: u64 = 350;

/// What is outside, as routes to gateways see it.
const OUTSIDE: [&str; 2] = ["0.0.0.0/0", "198.51.100.0/24"];

/// Building.
impl Town {
    /// In most VPCs a gateway in a subnet that leads to the internet, and the other subnets behind
    /// it.
    pub(super) fn build_nats(&mut self, random: &mut Random) {
        for vpc in self.vpcs.clone() {
            if !random.percent(95) {
                continue;
            }
            self.lead_to_internet(vpc);
            let subnets = self.subnets.clone();
            let cloud = &self.controller.cloud;
            let own = |id: &SubnetId| cloud.subnet(*id).map(|subnet| subnet.vpc) == Some(vpc);
            let own: Vec<_> = subnets.into_iter().filter(own).collect();
            let home = *random.pick(&own);
            self.add_gateway_in(home, vpc);
            for n in 0..self.tables.len() {
                self.route_to_nat(random, n, 80);
            }
        }
    }

    /// A gateway in the subnet, which leads to the internet from now on.
    pub(crate) fn add_gateway_in(&mut self, home: SubnetId, vpc: VpcId) {
        self.make_public(home, vpc);
        self.add_nat(home);
    }

    fn lead_to_internet(&mut self, vpc: VpcId) {
        let draft = internet_gateway::Draft {
            vpc: Some(vpc),
            label: None,
        };
        // It may have one.
        let _ =
            self.run(|w, e| internet_gateway::create(&w.controller.cloud, &w.settings, draft, e));
    }

    /// The subnet gets a table of its own, with a route to the internet.
    fn make_public(&mut self, id: SubnetId, vpc: VpcId) {
        let Some(gateway) = self.controller.cloud.internet_gateway_of(vpc) else {
            return;
        };
        let internet = RouteTarget::InternetGateway(gateway.id);
        let draft = route_table::Draft {
            vpc,
            routes: vec![(destination("0.0.0.0/0"), internet)],
            label: None,
        };
        let _ = self.run(|w, e| route_table::create(&w.controller.cloud, &w.settings, draft, e));
        let update = subnet::Update {
            route_table: Some(self.tables.last().copied()),
            ..subnet::Update::default()
        };
        let _ = self.run(|w, _| subnet::update(&w.controller.cloud, id, update, None));
    }

    fn add_nat(&mut self, subnet: SubnetId) {
        let elastic = self.free_elastic();
        let draft = nat_gateway::Draft {
            subnet,
            elastic,
            label: None,
        };
        let made = self.run(|w, e| nat_gateway::create(&w.controller.cloud, &w.settings, draft, e));
        if made.is_ok() {
            // Its address is nobody else's for as long as it is there.
            self.elastics.retain(|id| *id != elastic);
        }
    }

    /// An address that is put on nothing: one that was, or else a new one.
    fn free_elastic(&mut self) -> ElasticAddressId {
        let cloud = &self.controller.cloud;
        let is_free = |id: &&ElasticAddressId| {
            let elastic = cloud.elastic_address(**id);
            elastic.is_some_and(|elastic| elastic.association.is_none())
        };
        if let Some(id) = self.elastics.iter().find(is_free) {
            return *id;
        }
        let draft = elastic_address::Draft {
            region: "r".parse().unwrap(),
            pool: None,
            address: None,
            label: None,
        };
        let run =
            self.run(|w, e| elastic_address::create(&w.controller.cloud, &w.settings, draft, e));
        run.unwrap();
        *self.elastics.last().unwrap()
    }

    /// The nth table leads to a gateway of its VPC, in so many cases of a hundred.
    fn route_to_nat(&mut self, random: &mut Random, table: usize, chance: usize) {
        let id = self.tables[table];
        let Some(vpc) = self.controller.cloud.route_table(id).map(|table| table.vpc) else {
            return;
        };
        let nats = self.controller.cloud.nat_gateways_in_vpc(vpc);
        let nats: Vec<_> = nats.map(|nat| (nat.id, nat.subnet)).collect();
        if nats.is_empty() {
            return;
        }
        let (nat, home) = *random.pick(&nats);
        // A gateway whose own table leads to it leads nowhere, which is rarely meant.
        if self.table_of(home) == Some(id) && !random.percent(5) {
            return;
        }
        for to in OUTSIDE {
            if random.percent(chance) {
                let _ = self.put_route(table, (destination(to), RouteTarget::Nat(nat)));
            }
        }
    }

    fn table_of(&self, subnet: SubnetId) -> Option<RouteTableId> {
        let cloud = &self.controller.cloud;
        let subnet = cloud.subnet(subnet)?;
        Some(
            subnet
                .route_table
                .unwrap_or(cloud.vpc(subnet.vpc)?.main_route_table),
        )
    }
}

fn destination(text: &str) -> Destination {
    Destination::Prefix(text.parse().unwrap())
}

/// Changes.
impl Town {
    pub(crate) fn some_nat(&self, random: &mut Random) -> Option<NatGatewayId> {
        let nats: Vec<_> = self
            .controller
            .cloud
            .nat_gateways()
            .map(|nat| nat.id)
            .collect();
        (!nats.is_empty()).then(|| *random.pick(&nats))
    }

    /// A gateway goes, or comes.
    pub(crate) fn flip_nat(&mut self, random: &mut Random) {
        let gone = self.some_nat(random).filter(|_| random.percent(60));
        if let Some(id) = gone {
            let elastic = self.controller.cloud.nat_gateway(id).map(|nat| nat.elastic);
            let done = self.run(|w, _| nat_gateway::delete(&w.controller.cloud, id, None));
            // Somebody else may have its address now.
            self.elastics.extend(elastic.filter(|_| done.is_ok()));
            return;
        }
        let subnet = *random.pick(&self.subnets);
        self.add_nat(subnet);
    }

    /// A table leads to a gateway, or what led to one leads elsewhere.
    pub(crate) fn reroute_nat(&mut self, random: &mut Random, table: usize) {
        let led = self.led_to_nats();
        if random.percent(40) || led.is_empty() {
            return self.route_to_nat(random, table, 60);
        }
        let (table, to) = *random.pick(&led);
        let id = self.tables[table];
        let cloud = &self.controller.cloud;
        let vpc = cloud.route_table(id).map(|table| table.vpc);
        let internet = vpc.and_then(|vpc| cloud.internet_gateway_of(vpc));
        let internet = internet.map(|gateway| RouteTarget::InternetGateway(gateway.id));
        match random.below(4) {
            0 => {
                let _ =
                    self.run(|w, _| route_table::delete_route(&w.controller.cloud, id, to, None));
            }
            1 => {
                let interface = RouteTarget::Interface(*random.pick(&self.interfaces));
                let _ = self.put_route(table, (to, interface));
            }
            _ => {
                let _ = internet.map(|internet| self.put_route(table, (to, internet)));
            }
        }
    }

    /// The routes to gateways, by the numbers of their tables.
    fn led_to_nats(&self) -> Vec<(usize, Destination)> {
        let tables = self.tables.iter().enumerate();
        let tables =
            tables.filter_map(|(n, id)| Some((n, self.controller.cloud.route_table(*id)?)));
        let routes = tables.flat_map(|(n, table)| table.routes.iter().map(move |route| (n, route)));
        let led = routes.filter(|(_, route)| matches!(route.target, RouteTarget::Nat(_)));
        led.map(|(n, route)| (n, route.destination)).collect()
    }

    /// Hosts get the ports that they lack, and give back those that lie idle; what has rested is
    /// free again.
    pub(crate) fn turn_leases(&mut self) {
        for n in 0..self.hosts.len() {
            let name = self.hosts[n].name.clone();
            for (nat, held) in self.hosts[n].config().lacking_nats() {
                let _ = self
                    .run(|w, _| lease::grant(&w.controller.cloud, nat, &name, held.clamp(1, 8)));
            }
            self.give_back(n, &name);
        }
        let now = self.now.0;
        let cloud = &self.controller.cloud;
        let resting = cloud.port_leases().filter(|lease| lease.host.is_none());
        let resting: Vec<_> = resting.map(|lease| lease.key).collect();
        self.resting.retain(|(key, _)| resting.contains(key));
        for key in resting {
            if !self.resting.iter().any(|(known, _)| *known == key) {
                self.resting.push((key, now));
            }
        }
        let rested = self
            .resting
            .iter()
            .filter(|(_, since)| now - since >= REST * 1_000_000_000);
        let rested: Vec<_> = rested.map(|(key, _)| *key).collect();
        let _ = self.run(|w, _| Ok(lease::free_rested(&w.controller.cloud, &rested)));
    }

    /// One look closes a block, and the next returns it.
    fn give_back(&mut self, host: usize, name: &HostName) {
        let config = self.hosts[host].config();
        let (_, idle) = (config.idle_leases(), config.idle_leases());
        let _ = self.run(|w, _| Ok(lease::give_back(&w.controller.cloud, name, &idle)));
    }
}
