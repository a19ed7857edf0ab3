//! What Weft is measured beside: a bare veth, and the kernel's VXLAN behind bridges.

mod link;

use std::net::{IpAddr, Ipv4Addr};

use crate::{BenchError, Path, netns::Netns};

use link::Links;

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
    let address = IpAddr::V4(address(2));
    Ok(Path {
        name: "bare veth",
        client,
        server,
        address,
        between: Vec::new(),
    })
}

/// Two workloads on two hosts: each host has a bridge and a `vxlan` device, as a hand-made overlay
/// would; the hosts hang on one underlay bridge, as Weft's labs do.
///
/// # Errors
/// When the kernel refuses a namespace or a device.
pub fn kernel_vxlan() -> Result<Path, BenchError> {
    let underlay = Netns::create()?;
    Links::inside(&underlay, async |links| links.bridge("br0").await)?;
    let (client, first) = host(&underlay, 1)?;
    let (server, second) = host(&underlay, 2)?;
    let address = IpAddr::V4(address(2));
    let between = vec![underlay, first, second];
    Ok(Path {
        name: "kernel vxlan + bridge",
        client,
        server,
        address,
        between,
    })
}

/// One host of two and its workload: number 1 or 2.
fn host(underlay: &Netns, number: u8) -> Result<(Netns, Netns), BenchError> {
    let (host, workload) = (Netns::create()?, Netns::create()?);
    let port = format!("host{number}");
    Links::inside(underlay, async |links| {
        links.veth(&port, "up0", &host).await?;
        links.enslave(&port, "br0").await
    })?;
    Links::inside(&host, async |links| {
        links.configure("up0", vtep(number), None).await?;
        links.bridge("br0").await?;
        links
            .vxlan("vx0", VNI, vtep(number), vtep(3 - number))
            .await?;
        links.enslave("vx0", "br0").await?;
        links.veth("tap0", "eth0", &workload).await?;
        links.enslave("tap0", "br0").await
    })?;
    Links::inside(&workload, async |links| {
        links
            .configure("eth0", address(number), Some(OVERLAY_MTU))
            .await
    })?;
    Ok((workload, host))
}
