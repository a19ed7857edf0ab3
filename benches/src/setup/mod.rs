//! What Weft is measured beside: a bare veth, the kernel's VXLAN behind bridges, without a policy and
//! with one, and Open vSwitch.

mod link;
mod nft;
mod ovs;
mod program;

use std::net::{IpAddr, Ipv4Addr};

use crate::{BenchError, Path, netns::Netns};

use link::Links;

pub use nft::conntrack;
pub use ovs::userspace;
pub use program::Daemon;

/// The underlay's MTU less VXLAN over IPv4 (RFC 7348).
const OVERLAY_MTU: u32 = 1450;
/// Any VNI will do: nobody else is in these namespaces.
const VNI: u32 = 42;

/// Addresses from TEST-NET-1 (RFC 5737), seen by nobody outside these namespaces.
const fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, last)
}

/// Underlay addresses from TEST-NET-2 (RFC 5737).
const fn vtep(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, last)
}

/// Two namespaces and one veth: the most that this machine's stack gives.
///
/// # Errors
/// When the kernel refuses a namespace or a device.
pub fn bare_veth() -> Result<Path, BenchError> {
    let (client, server) = (Netns::create()?, Netns::create()?);
    Links::inside(&client, async |links| {
        links.veth("eth0", "eth0", &server).await
    })?;
    Links::inside(&client, async |links| {
        links.configure("eth0", address(1), None).await
    })?;
    Links::inside(&server, async |links| {
        links.configure("eth0", address(2), None).await
    })?;
    Ok(Path {
        name: "bare veth",
        client,
        server,
        address: IpAddr::V4(address(2)),
        source: IpAddr::V4(address(1)),
        balancer: None,
        judges: false,
        crowd: Vec::new(),
        carriers: Vec::new(),
        between: Vec::new(),
    })
}

/// Two workloads on two hosts: each host has a bridge and a `vxlan` device, as a hand-made overlay
/// would; the hosts hang on one underlay bridge, as Weft's labs do.
///
/// # Errors
/// When the kernel refuses a namespace or a device.
pub fn kernel_vxlan() -> Result<Path, BenchError> {
    let hosts = vxlan_hosts()?;
    // Where the IP hooks see what is bridged they cost something, and here nobody uses them.
    for host in [&hosts.first, &hosts.second, &hosts.underlay] {
        plain_bridge(host);
    }
    Ok(Path {
        name: "vxlan + bridge, no policy",
        client: hosts.client,
        server: hosts.server,
        address: IpAddr::V4(address(2)),
        source: IpAddr::V4(address(1)),
        balancer: None,
        judges: false,
        crowd: Vec::new(),
        carriers: Vec::new(),
        between: vec![hosts.underlay, hosts.first, hosts.second],
    })
}

/// Keeps what is bridged from the IP hooks; a kernel without the setting has none to keep it from.
fn plain_bridge(host: &Netns) {
    let _ = host.run(|| nft::set("net/bridge/bridge-nf-call-iptables", "0"));
}

/// Two hosts, a workload on each, and what joins the hosts.
struct Hosts {
    client: Netns,
    server: Netns,
    first: Netns,
    second: Netns,
    underlay: Netns,
}

/// The hosts with nothing in them but the ends of cables: `up0` to the underlay, `tap0` to the
/// workload, whose end is `eth0`.
fn wired() -> Result<Hosts, BenchError> {
    let hosts = Hosts {
        client: Netns::create()?,
        server: Netns::create()?,
        first: Netns::create()?,
        second: Netns::create()?,
        underlay: Netns::create()?,
    };
    Links::inside(&hosts.underlay, async |links| {
        links.bridge("br0").await?;
        for (port, host) in [("host1", &hosts.first), ("host2", &hosts.second)] {
            links.veth(port, "up0", host).await?;
            links.enslave(port, "br0").await?;
        }
        Ok(())
    })?;
    for (host, workload) in [
        (&hosts.first, &hosts.client),
        (&hosts.second, &hosts.server),
    ] {
        Links::inside(host, async |links| {
            links.veth("tap0", "eth0", workload).await?;
            links.up("tap0").await?;
            links.up("up0").await
        })?;
    }
    plain_bridge(&hosts.underlay);
    Ok(hosts)
}

/// The hosts with a bridge and a `vxlan` device each, and the workloads with their addresses.
fn vxlan_hosts() -> Result<Hosts, BenchError> {
    let hosts = wired()?;
    for (number, host, workload) in [
        (1, &hosts.first, &hosts.client),
        (2, &hosts.second, &hosts.server),
    ] {
        Links::inside(host, async |links| {
            links.configure("up0", vtep(number), None).await?;
            links.bridge("br0").await?;
            links
                .vxlan("vx0", VNI, vtep(number), vtep(3 - number))
                .await?;
            links.enslave("vx0", "br0").await?;
            links.enslave("tap0", "br0").await
        })?;
        Links::inside(workload, async |links| {
            links
                .configure("eth0", address(number), Some(OVERLAY_MTU))
                .await
        })?;
    }
    Ok(hosts)
}

/// Addresses and ports of rules that nothing here matches: from TEST-NET-3's neighbourhood on.
pub(crate) fn strangers(rules: usize) -> impl Iterator<Item = (Ipv4Addr, u16)> {
    (0..rules).map(|n| {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 9, 0, 0).to_bits() + n as u32);
        (address, 7_000 + (n % 1_000) as u16)
    })
}
