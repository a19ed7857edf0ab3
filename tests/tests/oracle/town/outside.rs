//! The internet: pools, public addresses, gateways, edges.

use weft_model::{
    Destination, RouteTarget, VpcId,
    ops::{
        egress_gateway, elastic_address, host, interface, internet_gateway, public_pool, subnet,
    },
};

use super::Town;
use crate::random::Random;

/// What is outside, as routes see it.
const EVERYWHERE: [&str; 4] = ["0.0.0.0/0", "::/0", "198.51.100.0/24", "2001:db8:5::/64"];

/// Building.
impl Town {
    pub(super) fn build_outside(&mut self, random: &mut Random) {
        let draft = public_pool::Draft {
            region: "r".parse().unwrap(),
            blocks: vec!["203.0.113.0/24".parse().unwrap()],
            label: None,
        };
        let run = self.run(|w, e| public_pool::create(&w.controller.cloud, draft, e));
        run.unwrap();
        self.set_uplink(0, true);
        for host in 1..self.hosts.len() {
            self.set_uplink(host, random.percent(50));
        }
        for n in 0..self.vpcs.len() {
            let vpc = self.vpcs[n];
            self.add_gateways(random, vpc);
        }
        for _ in 0..random.between(2, 8) {
            let draft = elastic_address::Draft {
                region: "r".parse().unwrap(),
                pool: None,
                address: None,
                label: None,
            };
            let run = self
                .run(|w, e| elastic_address::create(&w.controller.cloud, &w.settings, draft, e));
            run.unwrap();
            self.put_elastic(random);
        }
        if random.percent(30) {
            let id = *random.pick(&self.subnets);
            let update = subnet::Update {
                map_public_ip: Some(true),
                ..subnet::Update::default()
            };
            let _ = self.run(|w, _| subnet::update(&w.controller.cloud, id, update, None));
        }
    }

    fn add_gateways(&mut self, random: &mut Random, vpc: VpcId) {
        let mut targets = Vec::new();
        if random.percent(85) {
            let draft = internet_gateway::Draft {
                vpc: Some(vpc),
                label: None,
            };
            let run = self
                .run(|w, e| internet_gateway::create(&w.controller.cloud, &w.settings, draft, e));
            run.unwrap();
            let internet = RouteTarget::InternetGateway(*self.gateways.last().unwrap());
            targets.extend([internet; 3]);
        }
        if random.percent(40) {
            self.add_egress(vpc);
            targets.push(RouteTarget::EgressGateway(*self.egress.last().unwrap()));
        }
        if targets.is_empty() {
            return;
        }
        for table in 0..self.tables.len() {
            for destination in EVERYWHERE {
                if random.percent(50) {
                    let to = Destination::Prefix(destination.parse().unwrap());
                    let target = *random.pick(&targets);
                    let _ = self.put_route(table, (to, target));
                }
            }
        }
    }

    fn add_egress(&mut self, vpc: VpcId) {
        let draft = egress_gateway::Draft { vpc, label: None };
        let _ = self.run(|w, e| egress_gateway::create(&w.controller.cloud, draft, e));
    }

    pub(super) fn some_gateway(&self, random: &mut Random) -> RouteTarget {
        match random.percent(70) || self.egress.is_empty() {
            true => RouteTarget::InternetGateway(*random.pick(&self.gateways)),
            false => RouteTarget::EgressGateway(*random.pick(&self.egress)),
        }
    }

    pub(crate) fn set_uplink(&mut self, nth: usize, uplink: bool) {
        let name = self.hosts[nth].name.clone();
        let update = host::Update {
            uplink: Some(uplink.then(|| "up0".parse().unwrap())),
            ..host::Update::default()
        };
        let run = self.run(|w, _| host::update(&w.controller.cloud, &name, update, None));
        run.unwrap();
    }
}

/// Changes.
impl Town {
    /// An elastic address goes somewhere else, or nowhere.
    pub(crate) fn put_elastic(&mut self, random: &mut Random) {
        let id = *random.pick(&self.elastics);
        let interface = *random.pick(&self.interfaces);
        let found = self.controller.cloud.interface(interface);
        let own: Vec<_> = found.map_or_else(Vec::new, |i| i.addresses4().collect());
        let target = elastic_address::Target {
            interface,
            private: (!own.is_empty()).then(|| *random.pick(&own)),
        };
        let update = elastic_address::Update {
            association: Some(random.percent(85).then_some(target)),
            ..elastic_address::Update::default()
        };
        let _ = self.run(|w, _| elastic_address::update(&w.controller.cloud, id, update, None));
    }

    /// An internet gateway is detached, or attached somewhere.
    pub(crate) fn flip_gateway(&mut self, random: &mut Random) {
        if self.gateways.is_empty() {
            return;
        }
        let (id, vpc) = (*random.pick(&self.gateways), *random.pick(&self.vpcs));
        let before = self.controller.cloud.internet_gateway(id).unwrap().vpc;
        if let Some(vpc) = before.filter(|_| random.percent(50)) {
            self.clear_public(vpc);
        }
        let update = internet_gateway::Update {
            vpc: Some(before.is_none().then_some(vpc)),
            ..internet_gateway::Update::default()
        };
        let _ = self.run(|w, _| internet_gateway::update(&w.controller.cloud, id, update, None));
    }

    /// Takes what keeps a gateway from being detached.
    fn clear_public(&mut self, vpc: VpcId) {
        let cloud = &self.controller.cloud;
        let mapped = cloud.interfaces_in_vpc(vpc);
        let mapped: Vec<_> = mapped
            .filter(|i| i.public_ipv4.is_some())
            .map(|i| i.id)
            .collect();
        for id in mapped {
            let _ = self.run(|w, _| interface::delete(&w.controller.cloud, id, None));
        }
        for id in self.elastics.clone() {
            let update = elastic_address::Update {
                association: Some(None),
                ..elastic_address::Update::default()
            };
            let _ = self.run(|w, _| elastic_address::update(&w.controller.cloud, id, update, None));
        }
    }

    /// An egress-only gateway goes, or comes where there is none.
    pub(crate) fn flip_egress(&mut self, random: &mut Random) {
        let vpc = *random.pick(&self.vpcs);
        match self.controller.cloud.egress_gateway_of(vpc).map(|g| g.id) {
            Some(id) => {
                let _ = self.run(|w, _| egress_gateway::delete(&w.controller.cloud, id, None));
            }
            None => self.add_egress(vpc),
        }
    }

    /// A host becomes an edge, or no longer is one.
    pub(crate) fn flip_uplink(&mut self, random: &mut Random) {
        let host = random.below(self.hosts.len());
        let name = &self.hosts[host].name;
        let is = self.controller.cloud.host(name).unwrap().uplink.is_some();
        self.set_uplink(host, !is);
    }

    /// A host's vswitch is lost, or back.
    pub(crate) fn flip_lost(&mut self, random: &mut Random) {
        let name = random.pick(&self.hosts).name.clone();
        let lost = self.judge.lost.insert(name.clone());
        if !lost {
            self.judge.lost.remove(&name);
        }
        self.controller.set_lost(&name, lost);
    }
}
