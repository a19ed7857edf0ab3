//! Network interfaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::{
    id::{InterfaceId, SecurityGroupId, SubnetId, VpcId},
    meta::Meta,
    name::{DeviceName, HostName, NetnsName},
    net::Mac,
    port_options::PortOptions,
};

/// Where an interface is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Attachment {
    /// The host whose vswitch makes the device.
    pub host: HostName,
    /// The namespace that the device is put in.
    pub netns: NetnsName,
    /// The device's name there.
    pub device: DeviceName,
}

/// An ENI: addresses, a MAC and security groups in a subnet; a workload attaches to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its id.
    pub id: InterfaceId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// The subnet its addresses come from.
    pub subnet: SubnetId,
    /// Its address on the wire: locally administered, stable.
    pub mac: Mac,
    /// The primary private IPv4 address; fixed for life.
    pub ipv4: Ipv4Addr,
    /// More private IPv4 addresses.
    pub secondary_ipv4: Vec<Ipv4Addr>,
    /// A public address for the primary private one, taken from a pool for life; an elastic address
    /// put on the primary one takes its place.
    #[serde(default)]
    pub public_ipv4: Option<Ipv4Addr>,
    /// IPv6 addresses.
    pub ipv6: Vec<Ipv6Addr>,
    /// Its security groups; the union of their rules holds.
    pub groups: Vec<SecurityGroupId>,
    /// Whether it may send and receive only what is its own.
    pub source_dest_check: bool,
    /// Where it is plugged in, if it is.
    pub attachment: Option<Attachment>,
    /// Its limits, timeouts and metadata.
    #[serde(default)]
    pub options: PortOptions,
    /// Bookkeeping.
    pub meta: Meta,
}

impl Interface {
    /// All its IPv4 addresses, the primary first.
    pub fn addresses4(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        std::iter::once(self.ipv4).chain(self.secondary_ipv4.iter().copied())
    }

    /// All its private addresses: IPv4, the primary first, then IPv6.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let v6 = self.ipv6.iter().copied().map(IpAddr::V6);
        self.addresses4().map(IpAddr::V4).chain(v6)
    }
}
