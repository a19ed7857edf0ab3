//! A port as the packet path sees it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use weft_model::{
    DeviceName, InterfaceId, Label, Mac, Mtu, NetnsName, PortOptions, RouteTarget, SecurityGroupId,
    SubnetId, VpcId, state::MirrorState,
};

use super::{Config, MappingEntry, Policy, SubnetConfig, VpcConfig, VpcSlot};
use crate::port::PortIndex;

/// A port: the device behind an interface, with its policy compiled.
#[derive(Debug, Clone)]
pub struct PortConfig {
    /// Its handle.
    pub index: PortIndex,
    /// The interface.
    pub interface: InterfaceId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet_id: SubnetId,
    /// The subnet: blocks, router, route table.
    pub subnet: Arc<SubnetConfig>,
    /// Its MAC.
    pub mac: Mac,
    /// The primary private IPv4 address.
    pub ipv4: Ipv4Addr,
    /// More private IPv4 addresses.
    pub secondary_ipv4: Vec<Ipv4Addr>,
    /// IPv6 addresses; the link-local one of the MAC isn't among them.
    pub ipv6: Vec<Ipv6Addr>,
    /// Its security groups, sorted.
    pub groups: Arc<[SecurityGroupId]>,
    /// Their names, in the same order; a group that isn't here (yet) has none.
    pub group_names: Arc<[Label]>,
    /// Whether it may send and receive only what is its own.
    pub source_dest_check: bool,
    /// The public addresses that stand for its private ones: (private, public). Few.
    pub public: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// The namespace that the device is put in.
    pub netns: NetnsName,
    /// The device's name there.
    pub device: DeviceName,
    /// Its name, for people.
    pub name: Option<Label>,
    /// Its limits, timeouts and metadata.
    pub options: Arc<PortOptions>,
    /// Whether its packets or new connections are counted against a limit.
    pub(crate) is_metered: bool,
    /// The sessions that mirror it, in the order of their numbers; nearly always none.
    pub mirrors: Arc<[Arc<MirrorState>]>,
    /// The largest IP packet it may send or get, in bytes.
    pub mtu: Mtu,
    /// What its groups allow; shared by ports with the same groups.
    pub policy: Arc<Policy>,
    pub(crate) vpc_slot: VpcSlot,
}

impl PortConfig {
    /// Whether the address is one of the interface's own.
    pub fn owns(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => self.ipv4 == a || self.secondary_ipv4.contains(&a),
            IpAddr::V6(a) => self.ipv6.contains(&a),
        }
    }

    /// The public address that stands for a private one.
    pub fn public_of(&self, private: Ipv4Addr) -> Option<Ipv4Addr> {
        let pair = self.public.iter().find(|pair| pair.0 == private);
        pair.map(|pair| pair.1)
    }

    /// The private address that a public one stands for.
    pub fn private_of(&self, public: Ipv4Addr) -> Option<Ipv4Addr> {
        let pair = self.public.iter().find(|pair| pair.1 == public);
        pair.map(|pair| pair.0)
    }

    /// All its IPv4 addresses, the primary first.
    pub fn addresses4(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        std::iter::once(self.ipv4).chain(self.secondary_ipv4.iter().copied())
    }
}

/// A port with the VPC around it: what a service needs to answer.
#[derive(Debug, Clone, Copy)]
pub struct PortView<'a> {
    /// The whole configuration.
    pub config: &'a Config,
    /// The port.
    pub port: &'a PortConfig,
    /// Its VPC.
    pub vpc: &'a VpcConfig,
}

impl<'a> PortView<'a> {
    /// The port's subnet.
    pub fn subnet(&self) -> &'a SubnetConfig {
        &self.port.subnet
    }

    /// The interface that holds the address, anywhere in the VPC.
    pub fn mapping(&self, address: IpAddr) -> Option<&'a MappingEntry> {
        self.vpc.mapping(address)
    }

    /// The interface that holds the address, in the VPC or one that it is peered with. Two of those
    /// may have the same addresses: then the one that the subnet's route leads to is meant.
    pub fn other_end(&self, address: IpAddr) -> Option<&'a MappingEntry> {
        let own = self.vpc.mapping(address);
        own.or_else(|| self.peered(address))
    }

    fn peered(&self, address: IpAddr) -> Option<&'a MappingEntry> {
        let mut peers = self.config.peers(self.vpc);
        let first = peers.find_map(|peer| peer.mapping(address))?;
        if self.vpc.peers.len() < 2 {
            return Some(first);
        }
        let routes = self.vpc.routes.get(&self.subnet().route_table);
        let route = routes.and_then(|routes| routes.longest(address));
        let led = route.and_then(|route| match route.target {
            RouteTarget::Peering(id) => self.config.peer(self.vpc, id)?.mapping(address),
            _ => None,
        });
        led.or(Some(first))
    }
}
