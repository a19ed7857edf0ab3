//! The kernel's VXLAN and bridges with connection tracking and a policy in nftables, and a balancer
//! made of its address translation.

use std::{fmt::Write as _, fs, net::IpAddr};

use super::{Hosts, address, link::Links, program, vxlan_hosts};
use crate::{BenchError, Pair, Path, io, netns::Netns, policy};

/// The balancer's address: the client's bridge has it.
const BALANCER: u8 = 100;
/// Seconds that an unanswered datagram's connection is kept: longer than the time between two sweeps.
const UDP_TIMEOUT: &str = "600";

/// The path, its policy with `rules` more that nothing here matches.
///
/// # Errors
/// Without nft, or when the kernel refuses.
pub fn conntrack(rules: usize) -> Result<Path, BenchError> {
    program::has("nft")?;
    let hosts = vxlan_hosts()?;
    Links::inside(&hosts.first, async |links| {
        links.configure("br0", address(BALANCER), None).await
    })?;
    hosts.first.run(|| set("net/ipv4/ip_forward", "1"))?;
    for (host, judged) in [
        (&hosts.first, outward(&address(1).to_string())),
        (&hosts.second, services(rules)),
    ] {
        load(host, &judged)?;
        host.run(|| set("net/netfilter/nf_conntrack_udp_timeout", UDP_TIMEOUT))?;
    }
    program::run(&hosts.first, &["nft", "-f", "-"], &balancer())?;
    let crowd = Pair {
        client: hosts.client.again()?,
        server: hosts.server.again()?,
        address: IpAddr::V4(address(2)),
    };
    let Hosts {
        client,
        server,
        first,
        second,
        underlay,
    } = hosts;
    Ok(Path {
        name: "vxlan + bridge + nftables",
        client,
        server,
        address: IpAddr::V4(address(2)),
        source: IpAddr::V4(address(1)),
        balancer: Some(IpAddr::V4(address(BALANCER))),
        judges: true,
        crowd: vec![crowd],
        carriers: Vec::new(),
        between: vec![underlay, first, second],
    })
}

/// Loads a policy for what the bridge forwards: into the bridge's own hook where the kernel tracks
/// connections there, else by way of the IP hooks.
fn load(host: &Netns, judged: &str) -> Result<(), BenchError> {
    if program::run(host, &["nft", "-f", "-"], &table("bridge", judged)).is_ok() {
        return Ok(());
    }
    host.run(|| set("net/bridge/bridge-nf-call-iptables", "1"))?;
    program::run(host, &["nft", "-f", "-"], &table("inet", judged)).map(drop)
}

fn table(family: &str, judged: &str) -> String {
    // ARP has no state; in the IP hooks it is never seen.
    let arp = if family == "bridge" {
        "ether type arp accept\n"
    } else {
        ""
    };
    format!(
        "table {family} judged {{\nchain forward {{\n\
         type filter hook forward priority 0; policy drop;\n\
         ct state established,related accept\n{arp}{judged}}}\n}}\n"
    )
}

/// The client's host: everything goes out, nothing new comes in.
fn outward(client: &str) -> String {
    format!("ip saddr {client} accept\n")
}

/// The server's host: three services; more rules are in a set, as one who writes thousands would.
fn services(rules: usize) -> String {
    let (service, balanced) = (policy::SERVICE, policy::BALANCED);
    let (first, last) = (policy::CROWD.start(), policy::CROWD.end());
    let mut text = format!(
        "tcp dport {service} accept\nudp dport {service} accept\ntcp dport {balanced} accept\n\
         udp dport {first}-{last} accept\n"
    );
    if rules > 0 {
        let more: Vec<String> = super::strangers(rules)
            .map(|(prefix, port)| format!("{prefix} . {port}"))
            .collect();
        let _ = writeln!(
            text,
            "ip saddr . tcp dport {{ {} }} accept",
            more.join(", ")
        );
    }
    text
}

fn balancer() -> String {
    let (balancer, server, port) = (address(BALANCER), address(2), policy::BALANCED);
    format!(
        "table ip balancer {{\n\
         chain before {{\ntype nat hook prerouting priority -100;\n\
         ip daddr {balancer} tcp dport {port} dnat to {server}\n}}\n\
         chain after {{\ntype nat hook postrouting priority 100;\n\
         ip daddr {server} ct status dnat masquerade\n}}\n}}\n"
    )
}

/// Sets what the calling thread's namespace has under `/proc/sys`.
pub(super) fn set(key: &str, value: &str) -> Result<(), BenchError> {
    fs::write(format!("/proc/sys/{key}"), value).map_err(io("set a kernel parameter"))
}
