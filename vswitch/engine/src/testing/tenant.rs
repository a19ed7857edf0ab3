//! Tenants: every one has the same addresses, so that tenants always overlap.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weft_model::{
    AclAction, AclEntry, InterfaceId, Mac, NetworkAclId, Peer, PortMatch, PortRange, Prefix,
    RouteTableId, RouteTarget, Rule, RuleId, SecurityGroupId, SubnetId, Vni, VpcId,
    state::{
        AclState, Delta, GroupState, Mapping, Port, RouteState, RouteTableState, State, StateKey,
        SubnetState, VpcState,
    },
};

use super::{frames::Family, net::Net};

/// A VPC 10.0.0.0/16 and fd00:0:0:100::/56 with subnets 10.0.s.0/24 and fd00:0:0:10s::/64; or, made
/// with an `area` a, 10.a.0.0/16 and the a-th /56 after that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenant {
    pub number: u64,
    pub vpc: VpcId,
    pub vni: Vni,
    pub area: u8,
}

/// An interface, attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eni {
    pub tenant: Tenant,
    pub host: usize,
    pub subnet: u8,
    pub last: u8,
    pub interface: InterfaceId,
    pub mac: Mac,
    pub groups: Vec<SecurityGroupId>,
    pub source_dest_check: bool,
    /// Public addresses of its private ones.
    pub public: Vec<(Ipv4Addr, Ipv4Addr)>,
}

impl Eni {
    pub fn ipv4(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.tenant.area, self.subnet, self.last)
    }

    pub fn ipv6(&self) -> Ipv6Addr {
        Ipv6Addr::from(self.tenant.subnet6(self.subnet) | u128::from(self.last))
    }

    pub fn address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.ipv4().into(),
            Family::V6 => self.ipv6().into(),
        }
    }

    /// The router's address in its subnet.
    pub fn router(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => Ipv4Addr::new(10, self.tenant.area, self.subnet, 1).into(),
            Family::V6 => Ipv6Addr::from(self.tenant.subnet6(self.subnet) | 1).into(),
        }
    }

    /// The MAC that it sends to so that a packet reaches the other.
    pub fn next_hop(&self, other: &Self) -> Mac {
        if self.tenant == other.tenant && self.subnet == other.subnet {
            other.mac
        } else {
            Mac::ROUTER
        }
    }

    pub fn subnet_id(&self) -> SubnetId {
        self.tenant.subnet(self.subnet)
    }

    fn mapping(&self, net: &Net) -> Mapping {
        Mapping {
            interface: self.interface,
            vpc: self.tenant.vpc,
            subnet: self.subnet_id(),
            host: net.host_name(self.host),
            mac: self.mac,
            addresses: vec![self.ipv4().into(), self.ipv6().into()],
            groups: self.groups.clone(),
            source_dest_check: self.source_dest_check,
            dns_label: None,
        }
    }

    fn port(&self) -> Port {
        Port {
            interface: self.interface,
            vpc: self.tenant.vpc,
            subnet: self.subnet_id(),
            mac: self.mac,
            ipv4: self.ipv4(),
            secondary_ipv4: vec![],
            ipv6: vec![self.ipv6()],
            groups: self.groups.clone(),
            source_dest_check: self.source_dest_check,
            public: self.public.clone(),
            netns: "workload".parse().unwrap(),
            device: "eth0".parse().unwrap(),
            name: None,
            options: Default::default(),
        }
    }
}

impl Tenant {
    /// Its blocks.
    pub fn blocks(&self) -> [String; 2] {
        let block6 = Ipv6Addr::from(self.subnet6(0));
        [format!("10.{}.0.0/16", self.area), format!("{block6}/56")]
    }

    fn subnet6(&self, subnet: u8) -> u128 {
        let area = u128::from(self.area) << 8;
        ((0xfd00_0000_0000_0100 + area) | u128::from(subnet)) << 64
    }

    /// Its nth security group.
    pub fn group(&self, n: u64) -> SecurityGroupId {
        SecurityGroupId::from_bits(self.number << 32 | n)
    }

    pub fn subnet(&self, subnet: u8) -> SubnetId {
        SubnetId::from_bits(self.number << 32 | u64::from(subnet))
    }

    /// The network ACL of a subnet, which has its own.
    pub fn acl(&self, subnet: u8) -> NetworkAclId {
        NetworkAclId::from_bits(self.number << 32 | u64::from(subnet))
    }

    /// The table that all its subnets use.
    pub fn table(&self) -> RouteTableId {
        RouteTableId::from_bits(self.number << 32)
    }
}

impl Net {
    /// A tenant on every host, with subnets 1 and 2 and the local routes.
    pub fn tenant(&mut self, number: u64) -> Tenant {
        self.tenant_in(number, 0)
    }

    /// The same, at addresses of its own.
    pub fn tenant_in(&mut self, number: u64, area: u8) -> Tenant {
        let tenant = Tenant {
            number,
            vpc: VpcId::from_bits(number),
            vni: Vni::try_from(100 + number as u32).unwrap(),
            area,
        };
        self.everywhere(&Delta::Upsert(State::Vpc(VpcState {
            id: tenant.vpc,
            vni: tenant.vni,
            ipv4: vec![tenant.blocks()[0].parse().unwrap()],
            ipv6: vec![tenant.blocks()[1].parse().unwrap()],
            region: "r1".parse().unwrap(),
            dns: Default::default(),
        })));
        self.routes(tenant, &[]);
        for subnet in [1, 2] {
            self.acl(tenant, subnet, pass_all(), pass_all());
            let state = self.subnet_state(tenant, subnet);
            self.everywhere(&Delta::Upsert(State::Subnet(state)));
        }
        tenant
    }

    /// A subnet of the tenant as it is made.
    pub fn subnet_state(&self, tenant: Tenant, subnet: u8) -> SubnetState {
        let block6 = Ipv6Addr::from(tenant.subnet6(subnet));
        let area = tenant.area;
        SubnetState {
            id: tenant.subnet(subnet),
            vpc: tenant.vpc,
            zone: "a".parse().unwrap(),
            ipv4: format!("10.{area}.{subnet}.0/24").parse().unwrap(),
            ipv6: Some(format!("{block6}/64").parse().unwrap()),
            route_table: tenant.table(),
            acl: tenant.acl(subnet),
        }
    }

    /// The tenant's routes: the local ones and these.
    pub fn routes(&mut self, tenant: Tenant, more: &[(&str, RouteTarget)]) {
        let blocks = tenant.blocks();
        let local = [&*blocks[0], &*blocks[1]].map(|block| (block, RouteTarget::Local));
        let routes = local
            .iter()
            .chain(more)
            .map(|(destination, target)| RouteState {
                destination: destination.parse().unwrap(),
                target: *target,
            });
        self.everywhere(&Delta::Upsert(State::RouteTable(RouteTableState {
            id: tenant.table(),
            vpc: tenant.vpc,
            routes: routes.collect(),
        })));
    }

    /// Sets the entries of a subnet's network ACL, on every host.
    pub fn acl(
        &mut self,
        tenant: Tenant,
        subnet: u8,
        ingress: Vec<AclEntry>,
        egress: Vec<AclEntry>,
    ) {
        self.everywhere(&Delta::Upsert(State::Acl(AclState {
            id: tenant.acl(subnet),
            vpc: tenant.vpc,
            ingress,
            egress,
        })));
    }

    /// Sets the rules of the tenant's nth group, on every host.
    pub fn group(
        &mut self,
        tenant: Tenant,
        n: u64,
        ingress: Vec<Rule>,
        egress: Vec<Rule>,
    ) -> SecurityGroupId {
        let id = tenant.group(n);
        self.everywhere(&Delta::Upsert(State::Group(GroupState {
            id,
            vpc: tenant.vpc,
            ingress,
            egress,
            name: "group".parse().unwrap(),
        })));
        id
    }

    /// An interface at 10.0.subnet.last on the host, known everywhere.
    pub fn attach(
        &mut self,
        tenant: Tenant,
        host: usize,
        (subnet, last): (u8, u8),
        groups: &[SecurityGroupId],
    ) -> Eni {
        let bits = tenant.number << 16 | u64::from(subnet) << 8 | u64::from(last);
        let eni = Eni {
            tenant,
            host,
            subnet,
            last,
            interface: InterfaceId::from_bits(bits),
            mac: Mac::local(bits),
            groups: groups.to_vec(),
            source_dest_check: true,
            public: vec![],
        };
        self.update(&eni);
        eni
    }

    /// Makes the interface known as it is now.
    pub fn update(&mut self, eni: &Eni) {
        let mapping = eni.mapping(self);
        self.everywhere(&Delta::Upsert(State::Mapping(mapping)));
        self.on(eni.host, &Delta::Upsert(State::Port(eni.port())));
    }

    /// Takes the interface away everywhere.
    pub fn detach(&mut self, eni: &Eni) {
        self.on(eni.host, &Delta::Remove(StateKey::Port(eni.interface)));
        self.everywhere(&Delta::Remove(StateKey::Mapping(eni.interface)));
    }
}

/// Entries that let everything pass.
pub fn pass_all() -> Vec<AclEntry> {
    let entry = |prefix| acl_entry(100, AclAction::Allow, PortMatch::All, prefix);
    Prefix::everywhere().map(entry).into()
}

/// A network ACL's entry.
pub fn acl_entry(number: u16, action: AclAction, traffic: PortMatch, prefix: Prefix) -> AclEntry {
    AclEntry {
        number: number.try_into().unwrap(),
        action,
        traffic,
        prefix,
    }
}

/// A rule; its id says nothing.
pub fn rule(traffic: PortMatch, peer: Peer) -> Rule {
    Rule {
        id: RuleId::from_bits(1),
        traffic,
        peer,
        description: None,
    }
}

pub fn any4() -> Peer {
    Peer::Cidr("0.0.0.0/0".parse::<Prefix>().unwrap())
}

pub fn any6() -> Peer {
    Peer::Cidr("::/0".parse::<Prefix>().unwrap())
}

pub fn group_peer(group: SecurityGroupId) -> Peer {
    Peer::Group(group)
}

/// All traffic, to or from everywhere.
pub fn everything() -> Vec<Rule> {
    vec![rule(PortMatch::All, any4()), rule(PortMatch::All, any6())]
}

/// TCP to a port, from these peers.
pub fn tcp_port(port: u16, peers: impl IntoIterator<Item = Peer>) -> Vec<Rule> {
    let traffic = PortMatch::Tcp(PortRange::one(port));
    peers.into_iter().map(|peer| rule(traffic, peer)).collect()
}
