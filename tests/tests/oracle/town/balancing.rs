//! Load balancers: listeners, targets, and how those are.

use weft_model::{
    Carried, Destination, HealthCheck, IdleTimeout, Probe, RouteTarget, Scheme, TargetName,
    TargetType, Weight,
    ops::{
        balancer::{self, PlacementDraft},
        listener, route_table, subnet,
        target_group::{self, TargetDraft},
    },
    state::TargetKey,
};

use super::{PORTS, Town};
use crate::{judge::policy::held, random::Random};

fn carried(random: &mut Random) -> Carried {
    match random.below(10) {
        0 | 1 => Carried::Tcp,
        2 | 3 => Carried::Udp,
        _ => Carried::TcpUdp,
    }
}

/// Building.
impl Town {
    pub(super) fn build_balancers(&mut self, random: &mut Random, facing: bool) {
        for _ in 0..random.between(1, 3) {
            let scheme = match facing && random.percent(75) {
                true => Scheme::InternetFacing,
                false => Scheme::Internal,
            };
            self.add_balancer(random, scheme);
        }
        if self.balancers.is_empty() {
            self.add_balancer(random, Scheme::Internal);
        }
        if facing {
            self.build_privately(random);
        }
        for _ in 0..random.between(1, 3) {
            self.add_targets(random);
        }
        for _ in 0..random.between(3, 8) {
            self.flip_listener(random);
        }
        // Most of those that are checked answer.
        for key in self.keys() {
            if random.percent(80) {
                self.judge.health.insert(key, random.percent(80));
            }
        }
    }

    /// Most balancers' subnets lead out, and some targets' don't: theirs have a table of their own.
    fn build_privately(&mut self, random: &mut Random) {
        for n in 0..self.gateways.len() {
            let gateway = self.gateways[n];
            let vpc = self.controller.cloud.internet_gateway(gateway).unwrap().vpc;
            let main = vpc.map(|vpc| self.controller.cloud.vpc(vpc).unwrap().main_route_table);
            let main = self.tables.iter().position(|table| Some(*table) == main);
            for destination in ["0.0.0.0/0", "::/0"] {
                if let Some(table) = main.filter(|_| random.percent(80)) {
                    let to = Destination::Prefix(destination.parse().unwrap());
                    let _ = self.put_route(table, (to, RouteTarget::InternetGateway(gateway)));
                }
            }
        }
        let cloud = &self.controller.cloud;
        let fronts = cloud
            .balancers()
            .flat_map(|balancer| balancer.placements.clone());
        let fronts: Vec<_> = fronts.map(|placement| placement.subnet).collect();
        let mut others = self.subnets.iter().filter(|id| !fronts.contains(id));
        let Some(&subnet) = others.next() else {
            return;
        };
        let vpc = cloud.subnet(subnet).unwrap().vpc;
        let draft = route_table::Draft {
            vpc,
            routes: vec![],
            label: None,
        };
        let run = self.run(|w, e| route_table::create(&w.controller.cloud, &w.settings, draft, e));
        run.unwrap();
        let update = subnet::Update {
            route_table: self.tables.last().copied().map(Some),
            ..subnet::Update::default()
        };
        let run = self.run(|w, _| subnet::update(&w.controller.cloud, subnet, update, None));
        run.unwrap();
    }

    fn add_balancer(&mut self, random: &mut Random, scheme: Scheme) {
        let subnet = *random.pick(&self.subnets);
        let cloud = &self.controller.cloud;
        let home = cloud.subnet(subnet).unwrap();
        // Public IPv6 addresses are nobody else's, or it is a cloud that nobody could reach.
        let blocks = &cloud.vpc(home.vpc).unwrap().ipv6;
        let twin = cloud
            .vpcs()
            .any(|vpc| vpc.id != home.vpc && vpc.ipv6 == *blocks);
        let scheme = if twin { Scheme::Internal } else { scheme };
        let mut subnets = vec![subnet];
        let mut all = cloud.subnets_in_vpc(home.vpc);
        let other = all.find(|subnet| subnet.zone != home.zone);
        subnets.extend(other.map(|subnet| subnet.id));
        drop(all);
        let placement = |subnet| PlacementDraft {
            subnet,
            ipv4: None,
            ipv6: None,
        };
        let draft = balancer::Draft {
            placements: subnets.into_iter().map(placement).collect(),
            scheme,
            cross_zone: random.percent(40),
            label: None,
        };
        let _ = self.run(|w, e| balancer::create(&w.controller.cloud, &w.settings, draft, e));
    }

    /// A group of targets in a VPC with a balancer.
    fn add_targets(&mut self, random: &mut Random) {
        let balancer = *random.pick(&self.balancers);
        let vpc = self.controller.cloud.balancer(balancer).unwrap().vpc;
        let draft = target_group::Draft {
            vpc,
            protocol: carried(random),
            port: *random.pick(&PORTS),
            target_type: *random.pick(&[TargetType::Interface, TargetType::Ip]),
            health_check: HealthCheck {
                port: Some(80),
                ..HealthCheck::new(Probe::Tcp)
            },
            deregistration_delay: *random.pick(&[0, 300]),
            preserve_client_address: true,
            label: None,
        };
        let made =
            self.run(|w, e| target_group::create(&w.controller.cloud, &w.settings, draft, e));
        made.unwrap();
        for _ in 0..random.between(2, 4) {
            self.register_in(random, self.targets.len() - 1);
        }
    }
}

/// Changes.
impl Town {
    fn register_in(&mut self, random: &mut Random, group: usize) {
        let id = self.targets[group];
        let cloud = &self.controller.cloud;
        let group = cloud.target_group(id).unwrap();
        let interfaces: Vec<_> = cloud.interfaces_in_vpc(group.vpc).collect();
        if interfaces.is_empty() {
            return;
        }
        let interface = random.pick(&interfaces);
        let addresses: Vec<_> = interface.addresses().collect();
        let draft = TargetDraft {
            name: match group.target_type {
                TargetType::Interface => TargetName::Interface(interface.id),
                TargetType::Ip => TargetName::Ip(*random.pick(&addresses)),
            },
            port: random.percent(30).then(|| *random.pick(&PORTS)),
            weight: Weight::try_from(random.between(1, 3) as u32).unwrap(),
        };
        let _ = self.run(|w, _| {
            target_group::register(&w.controller.cloud, &w.settings, id, &[draft], None)
        });
    }

    pub(crate) fn register(&mut self, random: &mut Random) {
        let group = random.below(self.targets.len());
        self.register_in(random, group);
    }

    /// A target is on its way out, or out.
    pub(crate) fn deregister(&mut self, random: &mut Random) {
        let id = *random.pick(&self.targets);
        let group = self.controller.cloud.target_group(id).unwrap();
        if group.targets.is_empty() {
            return;
        }
        let target = *random.pick(&group.targets);
        let key = (target.name, target.port);
        let _ = self.run(|w, _| match target.draining {
            true => target_group::drained(&w.controller.cloud, id, key),
            false => {
                let key = (key.0, Some(key.1));
                target_group::deregister(&w.controller.cloud, id, &[key], None)
            }
        });
    }

    /// A listener goes, or comes.
    pub(crate) fn flip_listener(&mut self, random: &mut Random) {
        let balancer = *random.pick(&self.balancers);
        let cloud = &self.controller.cloud;
        let listeners: Vec<_> = cloud.listeners_of(balancer).map(|l| l.id).collect();
        if listeners.len() > 1 && random.percent(40) {
            let id = *random.pick(&listeners);
            let _ = self.run(|w, _| listener::delete(&w.controller.cloud, id, None));
            return;
        }
        let vpc = cloud.balancer(balancer).unwrap().vpc;
        let groups: Vec<_> = cloud.target_groups_in_vpc(vpc).map(|g| g.id).collect();
        if groups.is_empty() {
            return;
        }
        let target_group = *random.pick(&groups);
        let draft = listener::Draft {
            balancer,
            protocol: carried(random),
            port: *random.pick(&PORTS),
            target_group,
            idle_timeout: IdleTimeout::try_from(*random.pick(&[60, 350])).unwrap(),
            label: None,
        };
        let _ = self.run(|w, e| listener::create(&w.controller.cloud, &w.settings, draft, e));
    }

    pub(crate) fn flip_cross_zone(&mut self, random: &mut Random) {
        let id = *random.pick(&self.balancers);
        let before = self.controller.cloud.balancer(id).unwrap().cross_zone;
        let update = balancer::Update {
            cross_zone: Some(!before),
            ..balancer::Update::default()
        };
        let _ = self.run(|w, _| balancer::update(&w.controller.cloud, id, update, None));
    }

    /// A target answers its checks, or no longer.
    pub(crate) fn flip_health(&mut self, random: &mut Random) {
        let mut keys = self.keys();
        // Of those that serve somebody more often than of others.
        let busy = |key: &TargetKey| self.judge.is_busy((key.1, key.2));
        if random.percent(70) && keys.iter().any(busy) {
            keys.retain(busy);
        }
        if !keys.is_empty() {
            let key = *random.pick(&keys);
            let healthy = self.judge.health.get(&key) == Some(&true);
            self.judge.health.insert(key, !healthy);
        }
    }
}

/// Health.
impl Town {
    /// What names the targets that are plugged in.
    fn keys(&self) -> Vec<TargetKey> {
        let cloud = &self.controller.cloud;
        let groups = self.targets.iter().filter_map(|id| cloud.target_group(*id));
        let keys = groups.flat_map(|group| {
            group.targets.iter().filter_map(|target| {
                let address = match target.name {
                    TargetName::Interface(id) => cloud.interface(id)?.ipv4.into(),
                    TargetName::Ip(address) => address,
                };
                held(cloud, group.vpc, address)?;
                Some((group.id, address, target.port))
            })
        });
        keys.collect()
    }

    /// Each host says what it found of its targets: a controller forgets it of those that move.
    pub(super) fn report(&mut self) {
        for key in self.keys() {
            let cloud = &self.controller.cloud;
            let vpc = cloud.target_group(key.0).unwrap().vpc;
            let place = held(cloud, vpc, key.1).and_then(|i| i.attachment);
            if let (Some(place), Some(&healthy)) = (place, self.judge.health.get(&key)) {
                self.controller.report(&place.host, key, healthy);
            }
        }
    }
}
