//! Why a packet that should have arrived didn't: what the vswitches on its way dropped.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use tonic::transport::Endpoint;
use weft_model::HostName;
use weft_proto::{
    host::v1::{RecentDrop, RecentDropsRequest, inspect_client::InspectClient},
    v1::Interface,
};

use super::super::up::addresses;
use crate::{
    api::{Api, ApiError, name_of},
    apply,
    runtime::dirs::LabDir,
    topology::{Check, Destination, Topology, Transport},
};

/// How long a vswitch on this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The drops of hosts, as far as they could be read.
pub(super) struct Blame {
    drops: HashMap<HostName, Vec<RecentDrop>>,
    /// Every interface, by its workload.
    known: HashMap<String, Interface>,
    /// Ids that drops are blamed on, with the names in the topology.
    names: Vec<(String, String)>,
}

impl Blame {
    /// Reads what the hosts on the way of these checks dropped not longer ago than this.
    ///
    /// # Errors
    /// When the controller can't be asked what is what.
    pub(super) async fn read<'a>(
        dir: &LabDir,
        topology: &Topology,
        checks: impl Iterator<Item = &'a Check>,
        since: Duration,
    ) -> Result<Self, ApiError> {
        let api = Api::connect(dir).await?;
        let mut drops = HashMap::new();
        for host in checks.flat_map(|check| hosts(topology, check)) {
            if drops.contains_key(&host) {
                continue;
            }
            let path = dir.run(&host).join("vswitch.sock");
            // A vswitch that doesn't answer tells nothing: the check has failed either way.
            let mut found = recent(&format!("unix://{}", path.display()))
                .await
                .unwrap_or_default();
            found.retain(|drop| u128::from(drop.age_milliseconds) <= since.as_millis());
            drops.insert(host, found);
        }
        Ok(Self {
            drops,
            known: apply::interfaces(&api).await?,
            names: names(&api).await?,
        })
    }

    /// What was dropped of this check's packets, the oldest first, each line once.
    pub(super) fn lines(&self, topology: &Topology, check: &Check) -> Vec<String> {
        let Some(pair) = Pair::of(&self.known, check) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for host in hosts(topology, check) {
            let drops = self.drops.get(&host).into_iter().flatten().rev();
            for drop in drops.filter(|drop| pair.is_of(drop)) {
                let line = named(line(&host, drop), &self.names);
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
        lines
    }
}

/// The text with names before ids. Only those that a text holds are put in: a lab has a handful.
pub(in crate::commands) fn named(text: String, names: &[(String, String)]) -> String {
    let put = |text: String, (id, name): &(String, String)| match text.contains(id) {
        true => text.replace(id, &format!("{name} ({id})")),
        false => text,
    };
    names.iter().fold(text, put)
}

/// What people call the objects that have ids.
pub(in crate::commands) async fn names(api: &Api) -> Result<Vec<(String, String)>, ApiError> {
    let interfaces = api.list_interfaces().await?.into_iter();
    let interfaces = interfaces.map(|i| (i.id, name_of(i.meta.as_ref()).to_owned()));
    let groups = api.list_security_groups().await?.into_iter();
    let tables = api.list_route_tables().await?.into_iter();
    let tables = tables.map(|table| (table.id, name_of(table.meta.as_ref()).to_owned()));
    let acls = api.list_network_acls().await?.into_iter();
    let acls = acls.map(|acl| (acl.id, name_of(acl.meta.as_ref()).to_owned()));
    let all = groups
        .map(|group| (group.id, group.group_name))
        .chain(tables)
        .chain(acls)
        .chain(interfaces);
    Ok(all.filter(|(_, name)| !name.is_empty()).collect())
}

async fn recent(socket: &str) -> Option<Vec<RecentDrop>> {
    let endpoint = Endpoint::from_shared(socket.to_owned()).ok()?;
    let channel = endpoint.timeout(PATIENCE).connect().await.ok()?;
    let request = RecentDropsRequest {
        limit: 1000,
        ..Default::default()
    };
    let answer = InspectClient::new(channel).recent_drops(request).await;
    Some(answer.ok()?.into_inner().drops)
}

/// The sender's host, and the receiver's if it is another one.
fn hosts(topology: &Topology, check: &Check) -> Vec<HostName> {
    let sender = topology.workload(&check.from);
    let receiver = match &check.to {
        Destination::Workload(name) => topology.workload(name),
        Destination::Address(_) => None,
    };
    let both = [sender, receiver].into_iter().flatten();
    let mut hosts: Vec<HostName> = both.map(|workload| workload.host.value.clone()).collect();
    hosts.dedup();
    hosts
}

/// The two ends of a check.
struct Pair<'a> {
    check: &'a Check,
    /// Tenants' addresses overlap, their interfaces don't.
    interfaces: Vec<&'a str>,
    from: Vec<IpAddr>,
    to: Vec<IpAddr>,
}

impl<'a> Pair<'a> {
    fn of(known: &'a HashMap<String, Interface>, check: &'a Check) -> Option<Self> {
        let id = |interface: &'a Interface| interface.id.as_str();
        let sender = known.get(check.from.as_str())?;
        let receiver = match &check.to {
            Destination::Workload(name) => Some(known.get(name.as_str())?),
            Destination::Address(_) => None,
        };
        let to = match (&check.to, receiver) {
            (Destination::Address(address), _) => vec![*address],
            (_, receiver) => receiver.map(addresses).unwrap_or_default(),
        };
        let both = [Some(sender), receiver].into_iter().flatten();
        Some(Self {
            check,
            interfaces: both.map(id).collect(),
            from: addresses(sender),
            to,
        })
    }

    /// Whether the dropped packet was the check's, or an answer.
    fn is_of(&self, drop: &RecentDrop) -> bool {
        let (Ok(source), Ok(destination)) = (drop.source.parse(), drop.destination.parse()) else {
            return false;
        };
        let there = self.from.contains(&source) && self.to.contains(&destination);
        let back = self.to.contains(&source) && self.from.contains(&destination);
        let port = u32::from(self.check.port);
        let transport = match self.check.transport {
            Transport::Tcp => drop.protocol == "tcp",
            Transport::Udp => drop.protocol == "udp",
            Transport::Icmp => drop.protocol.starts_with("icmp"),
        };
        transport
            && IpAddr::is_ipv6(&source) == self.check.ipv6
            && (there && drop.destination_port == port || back && drop.source_port == port)
            && (drop.interface.is_empty() || self.interfaces.contains(&drop.interface.as_str()))
    }
}

fn line(host: &HostName, drop: &RecentDrop) -> String {
    let RecentDrop {
        source,
        destination,
        what,
        ..
    } = drop;
    let way = match drop.half.as_str() {
        "egress" => "on its way out",
        "ingress" => "on its way in",
        _ => "on its way in from the tunnel",
    };
    format!("{host} dropped {source} to {destination} {way}: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(id: &str, ipv4: &str) -> Interface {
        Interface {
            id: id.to_owned(),
            ipv4: ipv4.to_owned(),
            ..Default::default()
        }
    }

    fn drop(interface: &str) -> RecentDrop {
        RecentDrop {
            interface: interface.to_owned(),
            protocol: "tcp".to_owned(),
            source: "10.0.0.1".to_owned(),
            source_port: 40_000,
            destination: "10.0.0.2".to_owned(),
            destination_port: 80,
            ..Default::default()
        }
    }

    #[test]
    fn ids_get_the_names_of_the_topology() {
        let names = [("sg-1".to_owned(), "web".to_owned())];
        let named = |text: &str| named(text.to_owned(), &names);
        assert_eq!(
            named("no ingress rule of sg-1 allows it"),
            "no ingress rule of web (sg-1) allows it"
        );
        assert_eq!(named("nothing else"), "nothing else");
    }

    #[test]
    fn only_drops_of_the_pair_and_its_port_are_blamed() {
        let known = HashMap::from([
            ("a".to_owned(), interface("eni-a", "10.0.0.1")),
            ("b".to_owned(), interface("eni-b", "10.0.0.2")),
        ]);
        let check = Check {
            from: "a".parse().unwrap(),
            to: Destination::Workload("b".parse().unwrap()),
            transport: Transport::Tcp,
            port: 80,
            ipv6: false,
            reach: true,
        };
        let pair = Pair::of(&known, &check).unwrap();
        let is_of = |drop: RecentDrop| pair.is_of(&drop);
        assert!(is_of(drop("eni-b")) && is_of(drop("eni-a")) && is_of(drop("")));
        assert!(!is_of(drop("eni-of-another-tenant")));
        let other_port = RecentDrop {
            destination_port: 81,
            ..drop("eni-b")
        };
        assert!(!is_of(other_port));
        let answer = RecentDrop {
            source: "10.0.0.2".to_owned(),
            source_port: 80,
            destination: "10.0.0.1".to_owned(),
            destination_port: 40_000,
            ..drop("eni-b")
        };
        assert!(is_of(answer));
        let elsewhere = RecentDrop {
            destination: "10.0.0.3".to_owned(),
            ..drop("eni-a")
        };
        assert!(!is_of(elsewhere));
    }
}
