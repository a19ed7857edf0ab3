//! Where a VPC's resolver asks for names that aren't its own.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{dns::DnsName, ops::Violation};

/// Resolvers outside that answer for a domain, or for everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsForward {
    /// The domain and all below it; `None` for what no other forward is for.
    pub domain: Option<DnsName>,
    /// The servers, asked in this order, on port 53.
    pub servers: Vec<IpAddr>,
}

impl DnsForward {
    /// Forwards of one VPC at most.
    pub const MOST: usize = 16;
    /// Servers of one forward at most: each is asked in its turn while the client waits.
    pub const SERVERS: usize = 3;

    /// What is wrong with a VPC's forwards; paths begin with `field`.
    pub fn check(forwards: &[Self], field: &str) -> Vec<Violation> {
        let mut found = Vec::new();
        if forwards.len() > Self::MOST {
            let reason = format!("{} forwards: at most {}", forwards.len(), Self::MOST);
            found.push(Violation::new(field.to_owned(), reason));
        }
        for (i, forward) in forwards.iter().enumerate() {
            let path = format!("{field}[{i}]");
            if forwards[..i].iter().any(|f| f.domain == forward.domain) {
                let reason = "another forward is for the same names: give one with all servers";
                found.push(Violation::new(format!("{path}.domain"), reason.to_owned()));
            }
            found.extend(forward.check_one(&path));
        }
        found
    }

    fn check_one(&self, path: &str) -> Vec<Violation> {
        let mut found = Vec::new();
        if self.domain.as_ref().is_some_and(DnsName::is_wildcard) {
            let reason = "is a wildcard: a domain stands for all below it already";
            found.push(Violation::new(format!("{path}.domain"), reason.to_owned()));
        }
        if !(1..=Self::SERVERS).contains(&self.servers.len()) {
            let reason = format!("has {} servers: use 1 to 3", self.servers.len());
            found.push(Violation::new(format!("{path}.servers"), reason));
        }
        for (i, &server) in self.servers.iter().enumerate() {
            let reason = if !is_askable(server) {
                format!("{server} is no address of one server elsewhere that hosts can ask")
            } else if self.servers[..i].contains(&server) {
                format!("{server} is listed twice")
            } else {
                continue;
            };
            found.push(Violation::new(format!("{path}.servers[{i}]"), reason));
        }
        found
    }
}

/// Whether hosts may ask there: nobody's configuration makes a host talk to itself.
fn is_askable(server: IpAddr) -> bool {
    match server {
        IpAddr::V4(a) => {
            let nowhere = a.is_unspecified() || a.is_broadcast() || a.octets()[0] >= 240;
            !(nowhere || a.is_loopback() || a.is_link_local() || a.is_multicast())
        }
        IpAddr::V6(a) => {
            let mapped = a.to_ipv4_mapped().is_some();
            let near = a.is_loopback() || a.is_unicast_link_local();
            !(mapped || near || a.is_unspecified() || a.is_multicast())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(domain: Option<&str>, servers: &[&str]) -> DnsForward {
        DnsForward {
            domain: domain.map(|domain| domain.parse().unwrap()),
            servers: servers
                .iter()
                .map(|server| server.parse().unwrap())
                .collect(),
        }
    }

    fn fields(forwards: &[DnsForward]) -> Vec<String> {
        let found = DnsForward::check(forwards, "f");
        found.into_iter().map(|v| v.field).collect()
    }

    #[test]
    fn a_forward_has_one_to_three_servers_elsewhere() {
        assert!(fields(&[forward(None, &["192.0.2.53", "2001:db8::53"])]).is_empty());
        assert_eq!(fields(&[forward(None, &[])]), ["f[0].servers"]);
        let four = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];
        assert_eq!(fields(&[forward(None, &four)]), ["f[0].servers"]);
        for wrong in [
            "127.0.0.53",
            "169.254.169.253",
            "224.0.0.1",
            "0.0.0.0",
            "::1",
            "fe80::1",
        ] {
            assert_eq!(fields(&[forward(None, &[wrong])]), ["f[0].servers[0]"]);
        }
        let twice = forward(None, &["192.0.2.1", "192.0.2.1"]);
        assert_eq!(fields(&[twice]), ["f[0].servers[1]"]);
    }

    #[test]
    fn a_domain_has_one_forward() {
        let to = |domain| forward(domain, &["192.0.2.1"]);
        let both = [to(None), to(Some("corp.example")), to(Some("corp.example"))];
        assert_eq!(fields(&both), ["f[2].domain"]);
        assert_eq!(fields(&[to(Some("*.example"))]), ["f[0].domain"]);
        assert_eq!(fields(&vec![to(None); 17])[0], "f");
    }
}
