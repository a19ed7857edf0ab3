//! How the host's own routing leads to other hosts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::TryStreamExt as _;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use rtnetlink::RouteMessageBuilder;

use super::link::{LinkError, converse};

/// A device, and the neighbour on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hop {
    /// Its ifindex; 0 where there is no way.
    pub(crate) device: u32,
    pub(crate) next: IpAddr,
}

impl Hop {
    pub(crate) const NOWHERE: Self = Self {
        device: 0,
        next: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
}

/// The first hop to each address, from the calling thread's namespace.
pub(crate) fn hops_to(addresses: &[IpAddr]) -> Result<Vec<(IpAddr, Hop)>, LinkError> {
    converse(|handle| async move {
        let mut hops = Vec::with_capacity(addresses.len());
        for &address in addresses {
            let mut routes = handle.route().get(question(address)).execute();
            // What the kernel refuses has no route.
            let route = routes.try_next().await.ok().flatten();
            hops.push((address, route.map_or(Hop::NOWHERE, |r| hop(&r, address))));
        }
        Ok(hops)
    })
}

fn question(address: IpAddr) -> RouteMessage {
    match address {
        IpAddr::V4(a) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(a, 32)
            .build(),
        IpAddr::V6(a) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(a, 128)
            .build(),
    }
}

fn hop(route: &RouteMessage, to: IpAddr) -> Hop {
    let mut hop = Hop {
        device: 0,
        next: to,
    };
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(device) => hop.device = *device,
            RouteAttribute::Gateway(RouteAddress::Inet(a)) => hop.next = (*a).into(),
            RouteAttribute::Gateway(RouteAddress::Inet6(a)) => hop.next = (*a).into(),
            _ => {}
        }
    }
    hop
}
