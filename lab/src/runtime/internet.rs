//! The lab's internet: a namespace with servers at 198.51.100.0/24, a wire to every edge's uplink, and
//! routes to the public addresses by whichever edges are alive.
//!
//! An edge announces what is routed to its `weft-edge` device, and a dead one has no such device. Where
//! the topology asks for no routing daemon (`routing.rs`), a thread of the supervisor does its part.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsRawFd as _, OwnedFd},
    sync::Arc,
    thread,
    time::Duration,
};

use futures::TryStreamExt as _;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteNextHop};
use rtnetlink::{LinkBridge, LinkUnspec, LinkVeth, RouteMessageBuilder};

use super::{
    link::{address, index, netlink, number},
    netns,
    supervisor::{Lab, note},
};
use crate::topology::Routing;

/// An edge's device that leads here.
pub(super) const UPLINK: &str = "uplink0";
/// The edge's device that public addresses are routed to.
pub(super) const EDGE: &str = "weft-edge";
/// The wire that joins the edges.
pub(super) const WIRE: &str = "isp0";
/// How often it is looked who is alive.
const LOOK: Duration = Duration::from_millis(100);

/// The servers: every address of the IPv4 network, and one IPv6 address.
pub(super) const SERVERS4: (Ipv4Addr, u8) = (Ipv4Addr::new(198, 51, 100, 1), 24);
pub(super) const SERVER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 1);
/// The near end of the wire.
pub(super) const NEAR4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(super) const NEAR6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 1);

/// A server's address of each family.
pub(crate) fn servers() -> [IpAddr; 2] {
    [SERVERS4.0.into(), SERVER6.into()]
}

/// The addresses of an edge's uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Uplink {
    pub(super) v4: Ipv4Addr,
    pub(super) v6: Ipv6Addr,
}

impl Uplink {
    /// Of the edge with this VTEP.
    pub(super) fn of(vtep: IpAddr) -> Self {
        let number = number(vtep);
        // The wire has 254 addresses; two edges of one are refused as they are cabled.
        let low = u8::try_from(number % 240).unwrap_or(0) + 10;
        Self {
            v4: Ipv4Addr::new(192, 0, 2, low),
            v6: Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0x100 + number),
        }
    }
}

/// Furnishes the internet; called in its fresh namespace.
pub(super) fn furnish() -> io::Result<()> {
    super::link::loopback()?;
    netns::sysctl("ipv6/conf/default/accept_dad", "0");
    for family in ["ipv4", "ipv6"] {
        // Connections spread over edges, not only clients.
        netns::sysctl(&format!("{family}/fib_multipath_hash_policy"), "1");
    }
    netlink(|handle| async move {
        let bridge = LinkBridge::new(WIRE).up().build();
        handle.link().add(bridge).execute().await?;
        address(&handle, WIRE, NEAR4.into(), 24).await?;
        address(&handle, WIRE, NEAR6.into(), 64).await?;
        address(&handle, "lo", SERVERS4.0.into(), SERVERS4.1).await?;
        address(&handle, "lo", SERVER6.into(), 128).await
    })
}

/// A wire from an edge's namespace to the internet's; called in the supervisor's.
pub(super) fn cable(vtep: IpAddr, edge: &OwnedFd, internet: &OwnedFd) -> io::Result<()> {
    let number = number(vtep);
    let (here, there) = (format!("u{number}"), format!("q{number}"));
    let (near, far) = (internet.as_raw_fd(), edge.as_raw_fd());
    netlink(|handle| {
        let (here, there) = (here.clone(), there.clone());
        async move {
            let veth = LinkVeth::new(&here, &there).build();
            handle.link().add(veth).execute().await?;
            let hand = LinkUnspec::new_with_name(&here).setns_by_fd(near).build();
            handle.link().change(hand).execute().await?;
            let hand = LinkUnspec::new_with_name(&there).setns_by_fd(far).build();
            handle.link().change(hand).execute().await
        }
    })?;
    netns::inside(internet, move || {
        netlink(|handle| async move {
            let plug = LinkUnspec::new_with_name(&here)
                .controller(index(WIRE)?)
                .up()
                .build();
            handle.link().change(plug).execute().await
        })
    })?;
    netns::inside(edge, move || uplink(&there, Uplink::of(vtep)))
}

fn uplink(device: &str, uplink: Uplink) -> io::Result<()> {
    netlink(|handle| async move {
        let link = LinkUnspec::new_with_index(index(device)?)
            .name(UPLINK)
            .up()
            .build();
        handle.link().change(link).execute().await?;
        address(&handle, UPLINK, uplink.v4.into(), 24).await?;
        address(&handle, UPLINK, uplink.v6.into(), 64).await?;
        let v4 = RouteMessageBuilder::<Ipv4Addr>::new().gateway(NEAR4);
        handle.route().add(v4.build()).execute().await?;
        let v6 = RouteMessageBuilder::<Ipv6Addr>::new().gateway(NEAR6);
        handle.route().add(v6.build()).execute().await
    })
}

/// By prefix, the edges that announce it.
pub(super) type Announced = BTreeMap<IpNet, BTreeSet<Uplink>>;

/// Keeps the internet's routes to what edges announce.
pub(super) fn watch(lab: &Lab) {
    loop {
        thread::sleep(LOOK);
        look(lab);
    }
}

/// Brings the internet's routes to what edges announce now.
pub(super) fn look(lab: &Lab) {
    let mut routed = lab.announced();
    let state = lab.state();
    let routing = state.stage.as_ref().and_then(|stage| stage.internet);
    let outside = state.staged.outside();
    drop(state);
    let (Some(Routing::BuiltIn), Some((internet, edges))) = (routing, outside) else {
        return;
    };
    let wanted = wanted(&edges);
    if wanted == *routed {
        return;
    }
    match netns::inside(&internet, || follow(&routed, &wanted)) {
        Ok(()) => *routed = wanted,
        Err(error) => note(&format!("routes of the internet: {error}")),
    }
}

/// Where the internet's routes should lead.
fn wanted(edges: &[(Uplink, Arc<OwnedFd>)]) -> Announced {
    let mut wanted = Announced::new();
    for (uplink, edge) in edges {
        for prefix in netns::inside(edge, announced).unwrap_or_default() {
            wanted.entry(prefix).or_default().insert(*uplink);
        }
    }
    wanted
}

/// What the internet has no way to yet, by one of the edges or at all.
pub(super) fn lacking(lab: &Lab) -> io::Result<Vec<String>> {
    look(lab);
    let outside = lab.state().staged.outside();
    let Some((internet, edges)) = outside else {
        return Ok(Vec::new());
    };
    let ways = netns::inside(&internet, ways)?;
    let missing = wanted(&edges).into_iter().filter_map(|(prefix, edges)| {
        let has = ways.get(&prefix).copied().unwrap_or(0);
        let lacks = has < edges.len();
        lacks.then(|| format!("internet: {has} of {} ways to {prefix}", edges.len()))
    });
    Ok(missing.collect())
}

/// How many ways each prefix has, in the calling thread's namespace.
fn ways() -> io::Result<BTreeMap<IpNet, usize>> {
    let routes = netlink(|handle| async move {
        let v4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let v6 = RouteMessageBuilder::<Ipv6Addr>::new().build();
        let mut all: Vec<RouteMessage> = handle.route().get(v4).execute().try_collect().await?;
        let v6: Vec<RouteMessage> = handle.route().get(v6).execute().try_collect().await?;
        all.extend(v6);
        Ok(all)
    })?;
    let mut ways = BTreeMap::new();
    for route in &routes {
        if let Some((prefix, count)) = ways_of(route) {
            *ways.entry(prefix).or_default() += count;
        }
    }
    Ok(ways)
}

fn ways_of(route: &RouteMessage) -> Option<(IpNet, usize)> {
    let mut ways = 1;
    let mut to = None;
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::MultiPath(hops) => ways = hops.len(),
            RouteAttribute::Destination(RouteAddress::Inet(v4)) => to = Some(IpAddr::V4(*v4)),
            RouteAttribute::Destination(RouteAddress::Inet6(v6)) => to = Some(IpAddr::V6(*v6)),
            _ => {}
        }
    }
    let prefix = IpNet::new(to?, route.header.destination_prefix_length).ok()?;
    Some((prefix, ways))
}

/// The prefixes routed to the edge's device, in the calling thread's namespace.
fn announced() -> io::Result<Vec<IpNet>> {
    let v4 = fs::read_to_string("/proc/thread-self/net/route")?;
    let v6 = fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap_or_default();
    Ok(v4
        .lines()
        .filter_map(route4)
        .chain(v6.lines().filter_map(route6))
        .collect())
}

/// A line of the kernel's table: device, destination, gateway, four numbers, mask.
fn route4(line: &str) -> Option<IpNet> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |at: usize| u32::from_str_radix(words.get(at)?, 16).ok();
    if words.first() != Some(&EDGE) {
        return None;
    }
    // In the order of the machine's bytes.
    let address = Ipv4Addr::from(word(1)?.to_ne_bytes());
    let length = word(7)?.count_ones() as u8;
    Ipv4Net::new(address, length).ok().map(IpNet::V4)
}

/// A line of the kernel's table: destination, its length, and the device at the end.
fn route6(line: &str) -> Option<IpNet> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.last() != Some(&EDGE) {
        return None;
    }
    let address = Ipv6Addr::from(u128::from_str_radix(words.first()?, 16).ok()?);
    let length = u8::from_str_radix(words.get(1)?, 16).ok()?;
    let own = address.is_multicast() || address.is_unicast_link_local();
    let net = Ipv6Net::new(address, length).ok().map(IpNet::V6);
    net.filter(|_| !own)
}

fn follow(routed: &Announced, wanted: &Announced) -> io::Result<()> {
    netlink(|handle| async move {
        let changed = |prefix: &IpNet| routed.get(prefix) != wanted.get(prefix);
        for (prefix, edges) in routed.iter().filter(|(prefix, _)| changed(prefix)) {
            // IPv6 replaces one way at a time, so a changed route is made anew.
            if prefix.addr().is_ipv6() || !wanted.contains_key(prefix) {
                let _ = handle.route().del(route(*prefix, edges)).execute().await;
            }
        }
        for (prefix, edges) in wanted.iter().filter(|(prefix, _)| changed(prefix)) {
            let add = handle.route().add(route(*prefix, edges)).replace();
            add.execute().await?;
        }
        Ok(())
    })
}

fn route(prefix: IpNet, edges: &BTreeSet<Uplink>) -> RouteMessage {
    let wire = index(WIRE).unwrap_or_default();
    let hop = |address| {
        let mut hop = RouteNextHop::default();
        hop.interface_index = wire;
        hop.attributes.push(RouteAttribute::Gateway(address));
        hop
    };
    match prefix {
        IpNet::V4(net) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(net.network(), net.prefix_len())
            .pref_source(SERVERS4.0)
            .multipath(
                edges
                    .iter()
                    .map(|edge| hop(RouteAddress::Inet(edge.v4)))
                    .collect(),
            )
            .build(),
        IpNet::V6(net) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(net.network(), net.prefix_len())
            .pref_source(SERVER6)
            .multipath(
                edges
                    .iter()
                    .map(|edge| hop(RouteAddress::Inet6(edge.v6)))
                    .collect(),
            )
            .build(),
    }
}
