//! What a port's services know of where it stands.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;
use weft_model::Mac;

use super::reserved::Reserved;
use crate::config::{PortConfig, PortView, VpcConfig};

/// Where DNS answers over IPv6.
pub(super) const DNS6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253);

/// A port and what is around it, in the words of the services.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) port: &'a PortConfig,
    pub(crate) vpc: &'a VpcConfig,
}

impl<'a> From<&PortView<'a>> for Site<'a> {
    fn from(view: &PortView<'a>) -> Self {
        Self {
            port: view.port,
            vpc: view.vpc,
        }
    }
}

impl Site<'_> {
    /// The subnet's IPv4 block.
    pub(super) fn block4(&self) -> Ipv4Net {
        self.port.subnet.ipv4.net()
    }

    /// The router's IPv4 address.
    pub(super) fn router4(&self) -> Ipv4Addr {
        self.port.subnet.router4()
    }

    /// Whether the address is one of the port's own.
    pub(crate) fn owns4(&self, address: Ipv4Addr) -> bool {
        self.port.owns(IpAddr::V4(address))
    }

    /// Whether the address is one of the port's own, the link-local one of its MAC included.
    pub(super) fn owns6(&self, address: Ipv6Addr) -> bool {
        self.port.owns(IpAddr::V6(address)) || address == link_local(self.port.mac)
    }

    /// Whether the address is in the subnet's IPv6 block.
    pub(super) fn on_link6(&self, address: Ipv6Addr) -> bool {
        self.port.subnet.contains(IpAddr::V6(address))
    }

    /// Whether the router answers at the address.
    pub(super) fn is_router(&self, address: IpAddr) -> bool {
        self.port.subnet.is_router(address)
    }

    /// Whether the port may speak from the address on its own link: its own addresses, and any
    /// link-local one but the router's. Hosts make those up at will (RFC 7217), and no router
    /// forwards them.
    pub(crate) fn may_speak6(&self, address: Ipv6Addr) -> bool {
        let made_up = address.is_unicast_link_local() && !self.is_router(address.into());
        self.port.owns(IpAddr::V6(address)) || made_up
    }

    /// The MAC that answers for an address on the port's link: the router's, for its own addresses
    /// and the services', or that of the other interface in the subnet that holds it.
    pub(super) fn resolve(&self, address: IpAddr) -> Option<Mac> {
        if self.is_router(address) || Reserved::at(self.vpc, address).is_some() {
            return Some(Mac::ROUTER);
        }
        // What stands for many has no MAC of its own: the router takes its packets.
        if self.vpc.balancers.is_in(self.port.subnet_id, address) {
            return Some(Mac::ROUTER);
        }
        let entry = self.vpc.mapping(address)?;
        (entry.subnet == self.port.subnet_id).then_some(entry.mac)
    }
}

/// The link-local address of a MAC: modified EUI-64 (RFC 4291 appendix A).
pub(super) fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.octets();
    let tail = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    Ipv6Addr::from(0xfe80 << 112 | u128::from(tail))
}
