//! A cloud made at random by the real commands, the hosts that run it, and the judge beside them.

mod balancing;
mod beyond;
mod nat;
mod outside;
mod policy;
mod transit;

use std::net::{IpAddr, Ipv4Addr};

use weft_engine::Now;
use weft_model::{
    Attachment, BalancerId, Change, Destination, EgressGatewayId, ElasticAddressId, InterfaceId,
    InternetGatewayId, Label, LeaseKey, NetworkAclId, PeeringId, PrefixListId, RouteTableId,
    RouteTarget, SecurityGroupId, SubnetBlock6, SubnetId, TargetGroupId, TransitGatewayId, VpcId,
    ops::{
        OpError, Quotas, Settings, host, interface, lease, region, route_table, security_group,
        subnet, vpc, zone,
    },
};
use weft_planner::queue::{Hello, Refusal};

use crate::{
    controller::{Controller, deltas},
    judge::Judge,
    random::Random,
    theme::Theme,
    underlay::Host,
};

pub(crate) struct Town {
    pub(crate) controller: Controller,
    pub(crate) hosts: Vec<Host>,
    pub(crate) judge: Judge,
    /// What else may be so, as long as nothing that happened tells: a choice that nobody saw.
    pub(crate) others: Vec<Judge>,
    pub(crate) now: Now,
    /// Every interface there ever was, in the order they were made, so that a story's numbers stay
    /// the same whatever is left out of it.
    pub(crate) interfaces: Vec<InterfaceId>,
    pub(crate) vpcs: Vec<VpcId>,
    pub(crate) subnets: Vec<SubnetId>,
    pub(crate) groups: Vec<SecurityGroupId>,
    pub(crate) tables: Vec<RouteTableId>,
    pub(crate) acls: Vec<NetworkAclId>,
    pub(crate) lists: Vec<PrefixListId>,
    pub(crate) peerings: Vec<PeeringId>,
    pub(crate) gateways: Vec<InternetGatewayId>,
    pub(crate) egress: Vec<EgressGatewayId>,
    pub(crate) elastics: Vec<ElasticAddressId>,
    pub(crate) balancers: Vec<BalancerId>,
    pub(crate) targets: Vec<TargetGroupId>,
    pub(crate) transits: Vec<TransitGatewayId>,
    zones: usize,
    pub(crate) settings: Settings,
    /// Where ids come from.
    entropy: Random,
    devices: usize,
    workers: usize,
    /// Blocks of ports that rest, and since when.
    resting: Vec<(LeaseKey, u64)>,
    /// So many connections were live at once that engines need not have come by all that ended.
    pub(crate) crowded: bool,
}

/// What nobody in the cloud has, behind middleboxes.
pub(crate) const OUTSIDE4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

pub(crate) fn outside6() -> IpAddr {
    "2001:db8:5::7".parse().unwrap()
}

/// How much of a town there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) hosts: usize,
    pub(crate) vpcs: usize,
    pub(crate) interfaces: usize,
    /// Whether VPCs may be peered: then they have addresses of their own.
    pub(crate) peered: bool,
    /// Whether transit gateways join VPCs: then some have the addresses of others.
    pub(crate) transit: bool,
    /// Whether there is an internet, and edges to it.
    pub(crate) outside: bool,
    /// Whether there are load balancers.
    pub(crate) balancers: bool,
    /// Whether there are NAT gateways.
    pub(crate) nats: bool,
    /// Whether those may face the internet.
    pub(crate) facing: bool,
}

impl Size {
    /// Of a story: everything meets everything.
    pub(crate) fn small(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x512e);
        let theme = Theme::of(seed);
        let vpcs = theme.vpcs(&mut random);
        Self {
            hosts: random.between(1, 3),
            vpcs,
            interfaces: vpcs * theme.interfaces(&mut random),
            peered: theme.has(Theme::Peered),
            transit: theme.has(Theme::Transit),
            outside: theme.has(Theme::Outside),
            balancers: theme.has(Theme::Balanced),
            nats: theme.has(Theme::Natted),
            facing: theme.has(Theme::Facing),
        }
    }
}

/// Building.
impl Town {
    /// Its hosts have yet to hear of it.
    pub(crate) fn new(seed: u64, size: Size) -> Self {
        let mut random = Random::new(seed);
        let mut town = Self::empty(seed);
        town.zones = if random.percent(35) {
            size.hosts.min(2)
        } else {
            1
        };
        town.workers = random.between(1, 2);
        town.judge.workers = town.workers;
        town.build_substrate(size.hosts, seed);
        for _ in 0..random.below(3) {
            town.add_list(&mut random);
        }
        let twins = random.percent(30);
        for n in 0..size.vpcs {
            // Two that a third is joined to may be alike.
            let number = match size.peered || size.transit {
                true if twins => n.min(1),
                true => n,
                false => 0,
            };
            town.build_vpc(&mut random, number, size.interfaces / size.vpcs);
        }
        if size.peered {
            town.build_peerings(&mut random);
        }
        if size.transit {
            town.build_transit(&mut random);
        }
        if size.outside {
            town.build_outside(&mut random);
        }
        if size.nats {
            town.build_nats(&mut random);
        }
        if size.balancers {
            town.build_balancers(&mut random, size.facing);
        }
        town
    }

    /// VPCs with a subnet each, and nothing in them.
    pub(crate) fn plain(hosts: usize, vpcs: usize) -> Self {
        let mut town = Self::empty(1);
        town.build_substrate(hosts, 1);
        for n in 0..vpcs {
            let vpc = town.create_vpc(n);
            town.add_subnet(vpc, 0);
        }
        town
    }

    fn empty(seed: u64) -> Self {
        Self {
            controller: Controller::new(),
            hosts: Vec::new(),
            judge: Judge::default(),
            others: Vec::new(),
            now: Now::from_secs(1000),
            interfaces: Vec::new(),
            vpcs: Vec::new(),
            subnets: Vec::new(),
            groups: Vec::new(),
            tables: Vec::new(),
            acls: Vec::new(),
            lists: Vec::new(),
            peerings: Vec::new(),
            gateways: Vec::new(),
            egress: Vec::new(),
            elastics: Vec::new(),
            balancers: Vec::new(),
            targets: Vec::new(),
            transits: Vec::new(),
            zones: 1,
            settings: Settings {
                quotas: Quotas::UNLIMITED,
                ..Settings::default()
            },
            entropy: Random::new(seed ^ 0x1d),
            devices: 0,
            workers: 1,
            resting: Vec::new(),
            crowded: false,
        }
    }

    fn build_substrate(&mut self, hosts: usize, seed: u64) {
        let region = region::Draft {
            name: "r".parse().unwrap(),
            label: None,
        };
        self.run(|w, _| region::create(&w.controller.cloud, region))
            .unwrap();
        for n in 0..self.zones {
            let zone = zone::Draft {
                name: format!("z{n}").parse().unwrap(),
                region: "r".parse().unwrap(),
                label: None,
            };
            self.run(|w, _| zone::create(&w.controller.cloud, zone))
                .unwrap();
        }
        for n in 0..hosts {
            let vtep = IpAddr::V4(Ipv4Addr::from_bits(0xc612_0000 + n as u32 + 1));
            let draft = host::Draft {
                name: format!("h{n}").parse().unwrap(),
                zone: format!("z{}", n % self.zones).parse().unwrap(),
                vtep,
                uplink: None,
                label: None,
            };
            let name = draft.name.clone();
            self.run(|w, _| host::create(&w.controller.cloud, draft))
                .unwrap();
            self.controller.connect(&name, &Hello::default());
            self.hosts
                .push(Host::new(name, vtep, self.workers, seed ^ n as u64));
        }
    }

    fn create_vpc(&mut self, number: usize) -> VpcId {
        let draft = vpc::Draft {
            region: "r".parse().unwrap(),
            primary: format!("10.{number}.0.0/16").parse().unwrap(),
            secondary: vec![],
            ipv6: vec![format!("fd00:0:0:{}00::/56", number + 1).parse().unwrap()],
            assign_ipv6: false,
            dns: Default::default(),
            label: None,
        };
        let made = self
            .run(|w, e| vpc::create(&w.controller.cloud, &w.settings, draft, e))
            .unwrap();
        let Some(weft_model::Resource::Vpc(vpc)) = &made[0].after else {
            panic!("the VPC's change is first: {made:?}");
        };
        let (id, main, default) = (vpc.id, vpc.main_route_table, vpc.default_group);
        self.vpcs.push(id);
        self.tables.push(main);
        self.groups.push(default);
        id
    }

    fn build_vpc(&mut self, random: &mut Random, number: usize, interfaces: usize) {
        let id = self.create_vpc(number);
        for n in 0..random.between(1, 3) {
            self.add_subnet(id, n as u8);
        }
        for _ in 0..random.between(0, 1) {
            let draft = route_table::Draft {
                vpc: id,
                routes: vec![],
                label: None,
            };
            let _ =
                self.run(|w, e| route_table::create(&w.controller.cloud, &w.settings, draft, e));
        }
        for n in 0..random.between(1, 3) {
            self.add_group(random, id, n);
        }
        if random.percent(40) {
            self.add_acl(random, id);
        }
        for _ in 0..interfaces {
            self.add_interface(random);
        }
        for _ in 0..random.between(0, 2) {
            let (table, route) = (random.below(self.tables.len()), self.route(random));
            let _ = self.put_route(table, route);
        }
    }

    pub(crate) fn add_subnet(&mut self, vpc: VpcId, n: u8) {
        let home = self.controller.cloud.vpc(vpc).unwrap();
        let number = home.primary.net().network().octets()[1];
        let six = home.ipv6[0].subnets().nth(n.into());
        let draft = subnet::Draft {
            vpc,
            zone: format!("z{}", usize::from(n) % self.zones).parse().unwrap(),
            ipv4: format!("10.{number}.{n}.0/24").parse().unwrap(),
            ipv6: six.filter(|_: &SubnetBlock6| n != 2),
            assign_ipv6: false,
            route_table: None,
            map_public_ip: false,
            acl: None,
            label: None,
        };
        let _ = self.run(|w, e| subnet::create(&w.controller.cloud, &w.settings, draft, e));
    }

    pub(crate) fn add_group(&mut self, random: &mut Random, vpc: VpcId, n: usize) {
        let draft = security_group::Draft {
            vpc,
            group_name: label(&format!("g{n}")),
            description: label(""),
            ingress: vec![],
            egress: vec![],
            label: None,
        };
        let made =
            self.run(|w, e| security_group::create(&w.controller.cloud, &w.settings, draft, e));
        if made.is_err() {
            return;
        }
        let group = self.groups.len() - 1;
        // Where nobody lets anybody in, nothing happens.
        if random.percent(50) {
            self.open(random, group);
        }
        for _ in 0..random.between(0, 3) {
            self.authorize(random, group);
        }
        // Half of them lose the egress that they are made with, and get some of their own.
        if random.percent(50) {
            self.revoke(group, 0);
            for _ in 0..random.between(1, 2) {
                self.authorize(random, group);
            }
        }
    }

    /// An interface goes, and another takes its place: the lowest free addresses are likely to be
    /// those that have just become free.
    pub(crate) fn replace(&mut self, random: &mut Random, nth: usize) {
        let id = self.interfaces[nth];
        let Some(subnet) = self.controller.cloud.interface(id).map(|i| i.subnet) else {
            return;
        };
        let _ = self.run(|w, _| interface::delete(&w.controller.cloud, id, None));
        let number = self.interfaces.len();
        self.add_interface_in(random, subnet);
        if self.interfaces.len() > number {
            self.interfaces.swap_remove(nth);
        }
    }

    pub(crate) fn add_interface(&mut self, random: &mut Random) {
        let subnet = *random.pick(&self.subnets);
        self.add_interface_in(random, subnet);
    }

    fn add_interface_in(&mut self, random: &mut Random, subnet: SubnetId) {
        let draft = interface::Draft {
            groups: self.some_groups(random, subnet),
            source_dest_check: !random.percent(25),
            attachment: random.percent(90).then(|| self.place(random, subnet)),
            ..interface::Draft::new(subnet)
        };
        let _ = self.run(|w, e| interface::create(&w.controller.cloud, &w.settings, draft, e));
    }
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

/// What changes are made of.
impl Town {
    pub(crate) fn some_groups(
        &self,
        random: &mut Random,
        subnet: SubnetId,
    ) -> Vec<SecurityGroupId> {
        let cloud = &self.controller.cloud;
        let vpc = cloud.subnet(subnet).map(|subnet| subnet.vpc);
        let own = |id: &&SecurityGroupId| cloud.security_group(**id).map(|g| g.vpc) == vpc;
        let own: Vec<_> = self.groups.iter().filter(own).copied().collect();
        let mut groups: Vec<_> = (0..random.between(1, 2))
            .map(|_| *random.pick(&own))
            .collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// Somewhere in the subnet's zone.
    pub(crate) fn place(&mut self, random: &mut Random, subnet: SubnetId) -> Attachment {
        self.devices += 1;
        let cloud = &self.controller.cloud;
        let zone = cloud.subnet(subnet).map(|subnet| &subnet.zone);
        let there = |host: &&Host| cloud.host(&host.name).map(|host| &host.zone) == zone;
        let hosts: Vec<&Host> = self.hosts.iter().filter(there).collect();
        Attachment {
            host: random.pick(&hosts).name.clone(),
            netns: format!("n{}", self.devices).parse().unwrap(),
            device: "eth0".parse().unwrap(),
        }
    }

    pub(crate) fn destination(&self, random: &mut Random) -> Destination {
        if random.percent(20) && !self.lists.is_empty() {
            return Destination::List(*random.pick(&self.lists));
        }
        Destination::Prefix(random.pick(&DESTINATIONS).parse().unwrap())
    }

    pub(crate) fn route(&self, random: &mut Random) -> (Destination, RouteTarget) {
        let destination = self.destination(random);
        let target = match random.below(8) {
            0 => RouteTarget::Blackhole,
            1 => RouteTarget::Local,
            4 if !self.gateways.is_empty() => match self.some_nat(random) {
                Some(nat) if random.percent(40) => RouteTarget::Nat(nat),
                _ => self.some_gateway(random),
            },
            5 if !self.transits.is_empty() => {
                RouteTarget::TransitGateway(*random.pick(&self.transits))
            }
            2 | 3 if !self.peerings.is_empty() => {
                RouteTarget::Peering(*random.pick(&self.peerings))
            }
            _ => match self.interfaces.is_empty() {
                true => RouteTarget::Local,
                false => RouteTarget::Interface(*random.pick(&self.interfaces)),
            },
        };
        (destination, target)
    }

    pub(crate) fn put_route(
        &mut self,
        table: usize,
        route: (Destination, RouteTarget),
    ) -> Result<Vec<Change>, OpError> {
        let id = self.tables[table];
        self.run(|w, _| route_table::put_route(&w.controller.cloud, &w.settings, id, route, None))
    }
}

/// Ports that rules and packets share, so that they meet.
pub(crate) const PORTS: [u16; 5] = [22, 80, 443, 5353, 40_000];

/// Destinations of routes.
const DESTINATIONS: [&str; 12] = [
    "0.0.0.0/0",
    "::/0",
    "198.51.100.0/24",
    "2001:db8:5::/64",
    "10.0.0.0/16",
    "10.0.1.0/24",
    "10.0.2.0/24",
    "10.1.0.0/16",
    "10.1.1.0/24",
    "10.2.0.0/16",
    "fd00:0:0:101::/64",
    "fd00:0:0:200::/56",
];

/// Running.
impl Town {
    /// A command, and what it made committed.
    pub(crate) fn run(
        &mut self,
        command: impl FnOnce(&Self, &mut dyn weft_model::ops::Entropy) -> Result<Vec<Change>, OpError>,
    ) -> Result<Vec<Change>, OpError> {
        let mut entropy = self.entropy.clone();
        let answer = command(self, &mut || entropy.bits());
        self.entropy = entropy;
        let mut changes = answer?;
        self.note(&changes);
        let before = self.controller.cloud.clone();
        if before.nat_gateways().next().is_some() {
            let mut after = before.clone();
            after.apply(&changes);
            changes.extend(lease::follow(&after, &changes));
        }
        self.controller.commit(changes.clone());
        for judge in self.others.iter_mut().chain([&mut self.judge]) {
            judge.changed(&before, &self.controller.cloud);
        }
        Ok(changes)
    }

    fn note(&mut self, changes: &[Change]) {
        use weft_model::Resource;
        for change in changes.iter().filter(|change| change.before.is_none()) {
            match &change.after {
                Some(Resource::Interface(i)) => self.interfaces.push(i.id),
                Some(Resource::Subnet(s)) => self.subnets.push(s.id),
                Some(Resource::SecurityGroup(g)) if !self.groups.contains(&g.id) => {
                    self.groups.push(g.id);
                }
                Some(Resource::NetworkAcl(a)) => self.acls.push(a.id),
                Some(Resource::PrefixList(l)) => self.lists.push(l.id),
                Some(Resource::Peering(p)) => self.peerings.push(p.id),
                Some(Resource::InternetGateway(g)) => self.gateways.push(g.id),
                Some(Resource::EgressGateway(g)) => self.egress.push(g.id),
                Some(Resource::ElasticAddress(e)) => self.elastics.push(e.id),
                Some(Resource::Balancer(b)) => self.balancers.push(b.id),
                Some(Resource::TargetGroup(t)) => self.targets.push(t.id),
                Some(Resource::TransitGateway(g)) => self.transits.push(g.id),
                Some(Resource::RouteTable(t)) if !self.tables.contains(&t.id) => {
                    self.tables.push(t.id);
                }
                _ => {}
            }
        }
    }

    /// Every host hears all that there is to hear.
    pub(crate) fn sync(&mut self) {
        self.report();
        for host in &mut self.hosts {
            let queue = self.controller.queue(&host.name);
            while let Some(update) = queue.next_update() {
                let refused = host.apply(deltas(&update)).into_iter();
                let refused = refused.map(|(key, reason)| (key, Refusal { version: 0, reason }));
                let refused: Vec<_> = refused.collect();
                assert!(refused.is_empty(), "{}: {refused:?}", host.name);
                queue.ack(update.nonce, refused).unwrap();
            }
        }
        for host in &self.hosts {
            assert_eq!(
                host.held,
                self.controller.desired(&host.name),
                "{}",
                host.name
            );
        }
    }

    /// Whether something ends so near to this instant that clocks may differ about it.
    pub(crate) fn is_on_edge(&self) -> bool {
        let mut judges = self.others.iter().chain([&self.judge]);
        judges.any(|judge| judge.is_on_edge(self.now.0))
    }

    /// The host's process dies and leaves nothing; another takes its place.
    pub(crate) fn crash(&mut self, host: usize) {
        let seed = self.entropy.bits();
        let old = &mut self.hosts[host];
        *old = Host::new(old.name.clone(), old.vtep, self.workers, seed);
    }

    /// The number of the host that the interface is plugged in at.
    pub(crate) fn host_of(&self, interface: InterfaceId) -> Option<usize> {
        let found = self.controller.cloud.interface(interface)?;
        let place = found.attachment.as_ref()?;
        self.hosts.iter().position(|host| host.name == place.host)
    }
}
