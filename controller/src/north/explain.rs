//! What becomes of a packet, by what hosts should hold and by what they do.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use tonic::{Request, Response, Status};
use weft_engine::{
    Config,
    explain::{self, Ending, Hop, Outcome, Question, Transport, Walk},
};
use weft_model::{Cloud, Host, HostName, Interface, Mac, Mtu, Revision};
use weft_packet::build::Addresses;
use weft_proto::convert::{Fields, Reported};

use super::{North, Service, methods::read, wire};

/// What tenants get over an Ethernet underlay; the packets asked about are far smaller.
const MTU: u32 = 1450;

pub(super) struct Explain;

#[tonic::async_trait]
impl wire::explain_server::Explain for Service<Explain> {
    async fn explain(
        &self,
        request: Request<wire::ExplainRequest>,
    ) -> Result<Response<wire::ExplainResponse>, Status> {
        let asked = read(|fields| Asked::read(fields, &self.north, request.get_ref()))?;
        let intended = self.north.intended(&asked)?;
        let installed = self.north.installed(&asked).await?;
        let (installed, unreachable) = match installed {
            Ok(walk) => (Some(walk), String::new()),
            Err(reason) => (None, reason),
        };
        let differences = installed
            .as_ref()
            .map(|installed| differences(intended.hops(), installed.hops()));
        Ok(Response::new(wire::ExplainResponse {
            intended: Some(write(&asked, &intended)),
            installed: installed.as_ref().map(|walk| write(&asked, walk)),
            unreachable,
            differences: differences.unwrap_or_default(),
            revision: asked.revision.0,
        }))
    }
}

/// A question that makes sense, and the hosts.
struct Asked {
    question: Question,
    hosts: Vec<Host>,
    revision: Revision,
    /// From whom to whom, in the asker's words.
    words: String,
}

impl Asked {
    fn read(
        fields: &mut Fields,
        north: &North,
        request: &wire::ExplainRequest,
    ) -> Result<Self, Reported> {
        north.core.read(|view| {
            let cloud = &view.cloud;
            let transport = transport(fields, request);
            let question = match sender(fields, cloud, &request.from)? {
                Sender::Interface(from) => {
                    let to = receiver(fields, cloud, from, request)?;
                    question(fields, cloud, from, to, transport?)?
                }
                Sender::Internet(from) => outsider(fields, cloud, from, request, transport?)?,
            };
            Ok(Self {
                question,
                hosts: cloud.hosts().cloned().collect(),
                revision: view.revision,
                words: format!("{} to {}", request.from, request.to),
            })
        })
    }

    fn walk(&self) -> Result<Walk, Status> {
        let vteps = self.hosts.iter().map(|host| (host.name.clone(), host.vtep));
        Walk::new(&self.question, vteps).map_err(|error| Status::internal(error.to_string()))
    }
}

fn transport(fields: &mut Fields, request: &wire::ExplainRequest) -> Result<Transport, Reported> {
    let port = u16::try_from(request.port).ok().filter(|port| *port > 0);
    match (request.protocol.as_str(), port) {
        ("tcp" | "", Some(port)) => Ok(Transport::Tcp(port)),
        ("udp", Some(port)) => Ok(Transport::Udp(port)),
        ("tcp" | "udp" | "", None) => Err(fields.refuse("port", "is needed: 1 to 65535")),
        ("icmp", _) if request.port == 0 => Ok(Transport::Echo),
        ("icmp", _) => Err(fields.refuse("port", "belongs to TCP and UDP: leave it out")),
        (other, _) => {
            let reason = format!("`{}` is none of tcp, udp and icmp", other.escape_default());
            Err(fields.refuse("protocol", reason))
        }
    }
}

/// Who sends.
enum Sender<'a> {
    Interface(&'a Interface),
    /// Somebody on the internet.
    Internet(IpAddr),
}

/// An interface's id, name or address; an address that none has is the internet's.
fn sender<'a>(fields: &mut Fields, cloud: &'a Cloud, text: &str) -> Result<Sender<'a>, Reported> {
    let Ok(address) = text.parse::<IpAddr>() else {
        return interface(fields, cloud, "from", text).map(Sender::Interface);
    };
    let holders = cloud
        .vpcs()
        .filter_map(|vpc| cloud.interface_by_address(vpc.id, address));
    let mut holders = holders.take(2);
    match (holders.next(), holders.next()) {
        (Some(only), None) => Ok(Sender::Interface(only)),
        (Some(_), Some(_)) => {
            let reason = format!("{address} is somebody's in several VPCs: give an interface's id");
            Err(fields.refuse("from", reason))
        }
        (None, _) => Ok(Sender::Internet(address)),
    }
}

/// A packet that the internet sends to an edge: the first, as all do the same.
fn outsider(
    fields: &mut Fields,
    cloud: &Cloud,
    from: IpAddr,
    request: &wire::ExplainRequest,
    transport: Transport,
) -> Result<Question, Reported> {
    let Some(edge) = cloud.hosts().find(|host| host.uplink.is_some()) else {
        let reason = format!("{from} is nobody's here, and there is no edge to the internet");
        return Err(fields.refuse("from", reason));
    };
    let to = match request.to.parse() {
        Ok(address) => address,
        Err(_) => {
            let to = interface(fields, cloud, "to", &request.to)?;
            let public = cloud.public_pairs(to.id).into_iter();
            let public = public.map(|(_, public)| IpAddr::V4(public));
            let own = to.ipv6.iter().copied().map(IpAddr::V6);
            let known = public.chain(own).find(|to| to.is_ipv4() == from.is_ipv4());
            known.ok_or_else(|| {
                let reason = format!("{} has no public address of the family of {from}", to.id);
                fields.refuse("to", reason)
            })?
        }
    };
    let Some(addresses) = Addresses::new(from, to) else {
        let reason = format!("is of another family than {to}");
        return Err(fields.refuse("from", reason));
    };
    Ok(Question {
        host: edge.name.clone(),
        interface: None,
        macs: (Mac::EDGE, Mac::EDGE),
        addresses,
        transport,
    })
}

/// The interface of this id, or of this name if only one has it.
fn interface<'a>(
    fields: &mut Fields,
    cloud: &'a Cloud,
    field: &str,
    text: &str,
) -> Result<&'a Interface, Reported> {
    let by_id = text.parse().ok().and_then(|id| cloud.interface(id));
    let named = |interface: &&Interface| {
        let name = interface.meta.name.as_ref();
        name.is_some_and(|name| name.as_str() == text)
    };
    let mut found = by_id
        .into_iter()
        .chain(cloud.interfaces().filter(named).take(2));
    let shown: String = text.escape_default().take(64).collect();
    match (found.next(), found.next()) {
        (Some(interface), None) => Ok(interface),
        (Some(_), Some(_)) => {
            let reason = format!("`{shown}` names several interfaces: give an id");
            Err(fields.refuse(field, reason))
        }
        (None, _) => {
            let reason = format!("`{shown}` is no interface's id or name");
            Err(fields.refuse(field, reason))
        }
    }
}

fn receiver(
    fields: &mut Fields,
    cloud: &Cloud,
    from: &Interface,
    request: &wire::ExplainRequest,
) -> Result<IpAddr, Reported> {
    if let Ok(address) = request.to.parse() {
        return Ok(address);
    }
    let to = interface(fields, cloud, "to", &request.to)?;
    let addresses: Vec<IpAddr> = to.addresses().collect();
    let family = |address: &&IpAddr| address.is_ipv6() == request.ipv6;
    match addresses.iter().find(family) {
        Some(address) => Ok(*address),
        None => {
            let reason = format!("{} has no IPv6 address, as {} has", to.id, from.id);
            Err(fields.refuse("to", reason))
        }
    }
}

fn question(
    fields: &mut Fields,
    cloud: &Cloud,
    from: &Interface,
    to: IpAddr,
    transport: Transport,
) -> Result<Question, Reported> {
    let own = from.addresses().find(|own| own.is_ipv4() == to.is_ipv4());
    let addresses = own.and_then(|own| Addresses::new(own, to));
    let Some(addresses) = addresses else {
        let reason = format!("{} has no address of the family of {to}", from.id);
        return Err(fields.refuse("from", reason));
    };
    let Some(place) = &from.attachment else {
        return Err(fields.refuse("from", format!("{} isn't attached to a host", from.id)));
    };
    let subnet = cloud.subnet(from.subnet);
    let near = subnet.is_some_and(|subnet| match to {
        IpAddr::V4(a) => subnet.ipv4.contains_addr(a),
        IpAddr::V6(a) => subnet.ipv6.is_some_and(|block| block.contains_addr(a)),
    });
    let neighbour = cloud.interface_by_address(from.vpc, to).filter(|_| near);
    Ok(Question {
        host: place.host.clone(),
        interface: Some(from.id),
        macs: (from.mac, neighbour.map_or(Mac::ROUTER, |other| other.mac)),
        addresses,
        transport,
    })
}

impl North {
    /// By what every host is meant to hold.
    fn intended(&self, asked: &Asked) -> Result<Walk, Status> {
        let mtu = Mtu::try_from(MTU).map_err(|error| Status::internal(error.to_string()))?;
        let mut configs: BTreeMap<HostName, Arc<Config>> = BTreeMap::new();
        let mut walk = asked.walk()?;
        while let Ok((host, before, input)) = walk.ask() {
            let config = match configs.get(host) {
                Some(config) => Arc::clone(config),
                None => {
                    let known = asked.hosts.iter().find(|known| known.name == *host);
                    let known = known.ok_or_else(|| Status::internal("a host went away"))?;
                    let config = self.hub.intended(known, mtu);
                    configs.insert(host.clone(), Arc::clone(&config));
                    config
                }
            };
            let output = explain::run(&config, before, input);
            walk.answer(output);
        }
        Ok(walk)
    }

    /// By what the hosts hold; why not, where one doesn't say.
    async fn installed(&self, asked: &Asked) -> Result<Result<Walk, String>, Status> {
        let mut walk = asked.walk()?;
        while let Ok((host, before, input)) = walk.ask() {
            match self.hub.probe(host, before, input).await {
                Ok(output) => walk.answer(output),
                Err(error) => return Ok(Err(format!("{host}: {error}"))),
            }
        }
        Ok(Ok(walk))
    }
}

/// Where the two ways part, hop by hop.
fn differences(intended: &[Hop], installed: &[Hop]) -> Vec<String> {
    let longest = intended.len().max(installed.len());
    let mut lines = Vec::new();
    for at in 0..longest {
        match (intended.get(at), installed.get(at)) {
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) => lines.push(format!(
                "{}: {} by intent, {} in fact",
                one.host,
                told(one),
                told(other)
            )),
            (Some(one), None) => lines.push(format!("{}: {} by intent only", one.host, told(one))),
            (None, Some(one)) => lines.push(format!("{}: {} in fact only", one.host, told(one))),
            (None, None) => {}
        }
    }
    lines
}

fn told(hop: &Hop) -> String {
    let steps = hop.output.steps.iter().map(|line| line.text.clone());
    let all: Vec<_> = steps.chain([end(&hop.output.outcome).text]).collect();
    format!("\"{}\"", all.join("; "))
}

fn write(asked: &Asked, walk: &Walk) -> wire::Explanation {
    let ending = walk.ask().err();
    wire::Explanation {
        reached: matches!(
            ending,
            Some(Ending::Reached | Ending::Answered | Ending::Left)
        ),
        verdict: verdict(asked, walk, ending),
        hops: walk.hops().iter().map(hop).collect(),
    }
}

fn verdict(asked: &Asked, walk: &Walk, ending: Option<&Ending>) -> String {
    let words = &asked.words;
    let last = walk.hops().last();
    let place = || {
        last.map_or_else(String::new, |hop| {
            format!("{} on {}", end(&hop.output.outcome).text, hop.host)
        })
    };
    match ending {
        Some(Ending::Reached) => format!("{words}: reaches, and the answer comes back"),
        Some(Ending::Left) => {
            format!("{words}: leaves the cloud, and what the internet answers comes back")
        }
        Some(Ending::Answered) => format!("{words}: answered by the sender's own switch"),
        Some(Ending::NoWayBack) => format!("{words}: arrives, but the answer doesn't: {}", place()),
        Some(Ending::UnknownHost(vtep)) => format!("{words}: goes to {vtep}, no known host's VTEP"),
        Some(Ending::TooLong) => format!("{words}: goes round in circles"),
        Some(Ending::Stopped) | None => format!("{words}: blocked: {}", place()),
    }
}

fn hop(hop: &Hop) -> wire::ExplainHop {
    let half = if hop.leaves { "egress" } else { "ingress" };
    let steps = hop.output.steps.iter().map(|line| wire::ExplainStep {
        kind: line.kind.clone(),
        object: line.object.clone(),
        text: line.text.clone(),
        reason: String::new(),
    });
    wire::ExplainHop {
        host: hop.host.to_string(),
        back: hop.back,
        half: half.to_owned(),
        steps: steps.chain([end(&hop.output.outcome)]).collect(),
    }
}

/// How the packet leaves the host, as a step.
fn end(outcome: &Outcome) -> wire::ExplainStep {
    let step = |kind: &str, object: String, text: String| wire::ExplainStep {
        kind: kind.to_owned(),
        object,
        text,
        reason: String::new(),
    };
    match outcome {
        Outcome::Delivered { interface, .. } => {
            let text = format!("delivered to {interface}");
            step("deliver", interface.to_string(), text)
        }
        Outcome::Forwarder { interface, .. } => {
            let text = format!("delivered to {interface}, which is taken to forward it");
            step("deliver", interface.to_string(), text)
        }
        Outcome::Local { interface, .. } => {
            let text = format!("handed to {interface} on the same host");
            step("local", interface.to_string(), text)
        }
        Outcome::Tunnel { vtep, vni, .. } => {
            let text = format!("encapsulated to {vtep}, VNI {vni}");
            step("tunnel", vtep.to_string(), text)
        }
        Outcome::Outside { .. } => {
            let text = "leaves the cloud by this edge's uplink".to_owned();
            step("outside", String::new(), text)
        }
        Outcome::Answered => {
            let text = "answered by the port's own switch".to_owned();
            step("answer", String::new(), text)
        }
        Outcome::Dropped {
            reason,
            object,
            text,
        } => wire::ExplainStep {
            reason: reason.clone(),
            ..step("drop", object.clone(), text.clone())
        },
        Outcome::NoSuchPort(interface) => {
            let text = format!("{interface} is no port here");
            step("drop", interface.to_string(), text)
        }
    }
}
