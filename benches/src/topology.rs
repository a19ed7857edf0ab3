//! The lab that Weft is measured in: two hosts and one workload on each, with the policy that every
//! judging peer has.

use std::fmt::Write as _;

use crate::{
    policy::{BALANCED, CHECKED, CROWD, SERVICE},
    setup,
};

/// The client's address.
pub(crate) const CLIENT: &str = "10.0.0.11";
/// The server's address.
pub(crate) const SERVER: &str = "10.0.0.12";
/// The balancer's address.
pub(crate) const BALANCER: &str = "10.0.0.100";
/// Live connections that one pair of workloads can have: a port's flows are bounded at 65,536.
pub(crate) const PER_PAIR: usize = 60_000;

/// What the lab is to have beside the measured pair.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    /// Rules of the server's group that nothing matches.
    pub(crate) rules: usize,
    /// Live connections.
    pub(crate) live: usize,
}

impl Size {
    /// Pairs of workloads that the live connections lie between.
    pub(crate) fn pairs(self) -> usize {
        self.live.div_ceil(PER_PAIR)
    }
}

/// The addresses of a pair's client and server.
pub(crate) fn pair(number: usize) -> [String; 2] {
    [1, 2].map(|side| format!("10.0.{side}.{}", 10 + number))
}

/// The topology file.
pub(crate) fn text(size: Size) -> String {
    let mut text = format!(
        "{HEAD}        ingress:\n\
         \x20         - {{protocol: tcp, ports: [{SERVICE}, {BALANCED}], from: 10.0.0.0/16}}\n\
         \x20         - {{protocol: udp, ports: [{SERVICE}, {}-{}], from: 10.0.0.0/16}}\n",
        CROWD.start(),
        CROWD.end()
    );
    for (address, port) in setup::strangers(size.rules) {
        let _ = writeln!(
            text,
            "          - {{protocol: tcp, ports: {port}, from: {address}/32}}"
        );
    }
    let _ = write!(
        text,
        "workloads:\n\
         \x20 client: {{host: h1, vpc: bench, subnet: one, groups: client, address: {CLIENT}}}\n\
         \x20 server: {{host: h2, vpc: bench, subnet: one, groups: server, address: {SERVER}}}\n"
    );
    for number in 0..size.pairs() {
        let [client, server] = pair(number);
        let _ = write!(
            text,
            "  from-{number}: {{host: h1, vpc: bench, subnet: two, groups: client, address: {client}}}\n\
             \x20 to-{number}: {{host: h2, vpc: bench, subnet: three, groups: server, address: {server}}}\n"
        );
    }
    let _ = write!(
        text,
        "target_groups:\n\
         \x20 servers: {{vpc: bench, port: {BALANCED}, targets: [server], check_port: {CHECKED}, interval: 5}}\n\
         load_balancers:\n\
         \x20 entry:\n\
         \x20   vpc: bench\n\
         \x20   subnets: [one]\n\
         \x20   addresses: [{BALANCER}]\n\
         \x20   listeners: [{{protocol: tcp, port: {BALANCED}, target_group: servers}}]\n"
    );
    text
}

const HEAD: &str = "\
name: bench
hosts:
  h1: {zone: a}
  h2: {zone: a}
vpcs:
  bench:
    cidr: 10.0.0.0/16
    subnets:
      one: {cidr: 10.0.0.0/24, zone: a}
      two: {cidr: 10.0.1.0/24, zone: a}
      three: {cidr: 10.0.2.0/24, zone: a}
    security_groups:
      client:
        ingress: []
      server:
";
