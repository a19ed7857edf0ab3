//! The internet: who has which public address, and what an edge makes of a packet.

use std::net::{IpAddr, Ipv4Addr};

use weft_model::{Cloud, HostName, Interface, Mac, RouteTarget, Subnet, Vni};

use super::{
    Case, Crossing, Judge, Next, Outcome, Refusal, Way,
    bytes::{Expected, ip_of, sum_ipv4},
    checks::{is_nobody, vtep},
    fronts::{Front, front_at},
    policy::{is_gateway, table_route},
    translate::{End, readdress},
};

/// The public address of an interface's private one.
pub(crate) fn public_of(cloud: &Cloud, interface: &Interface, private: IpAddr) -> Option<Ipv4Addr> {
    let pairs = cloud.public_pairs(interface.id);
    let pair = pairs.into_iter().find(|pair| private == pair.0);
    pair.map(|pair| pair.1)
}

/// Who may send to the internet: an IPv4 address with a public one.
pub(super) fn check_sender(case: &Case<'_>, way: &Way) -> Result<(), Refusal> {
    let translated = way
        .mask
        .is_some_and(|(name, mask)| name.local != mask.local.0);
    let private = matches!(way.to, Next::Internet) && case.ip.is_v4() && !translated;
    if private && public_of(case.cloud, case.at, case.ip.src).is_none() {
        return Err(Refusal::because("no_public_address", case.ip.src));
    }
    Ok(())
}

/// The frame as the internet may see it.
pub(super) fn to_public(cloud: &Cloud, from: &Interface, frame: Vec<u8>) -> Vec<u8> {
    let (_, ip) = ip_of(&frame).unwrap();
    match public_of(cloud, from, ip.src) {
        Some(public) => readdress(&frame, End::Source, public),
        None => frame,
    }
}

/// The frame as the interface knows it.
fn to_private(cloud: &Cloud, to: &Interface, frame: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let (_, ip) = ip_of(&frame).unwrap();
    if !ip.is_v4() {
        return Ok(frame);
    }
    let pairs = cloud.public_pairs(to.id);
    let pair = pairs.into_iter().find(|pair| ip.dst == pair.1);
    let pair = pair.ok_or_else(|| Refusal::because("not_public", ip.dst))?;
    Ok(readdress(&frame, End::Destination, pair.0))
}

/// Whether somebody outside may begin something: where the answer would leave by an internet
/// gateway.
pub(super) fn check_way_back(case: &Case<'_>) -> Result<(), Refusal> {
    let subnet = case.cloud.subnet(case.at.subnet).unwrap();
    check_way_back_in(case.cloud, subnet, case.ip.src)
}

/// The same, where the answer would leave that subnet.
pub(super) fn check_way_back_in(cloud: &Cloud, subnet: &Subnet, to: IpAddr) -> Result<(), Refusal> {
    let (table, found) = table_route(cloud, subnet, to);
    let (prefix, route) = found.ok_or_else(|| Refusal::because("no_way_back", table))?;
    let code = match route.target {
        target if !is_gateway(cloud, subnet.vpc, target) => "no_way_back",
        RouteTarget::EgressGateway(_) => "egress_only",
        _ => return Ok(()),
    };
    Err(Refusal::because(code, format!("{table} {prefix}")))
}

/// Nobody outside has an address of the interface's VPC.
pub(super) fn check_outsider(cloud: &Cloud, to: &Interface, src: IpAddr) -> Result<(), Refusal> {
    let vpc = cloud.vpc(to.vpc).unwrap();
    let own = match src {
        IpAddr::V4(a) => {
            let mut blocks = [vpc.primary].into_iter().chain(vpc.secondary.clone());
            blocks.any(|block| block.contains_addr(a))
        }
        IpAddr::V6(a) => vpc.ipv6.iter().any(|block| block.contains_addr(a)),
    };
    match own || is_nobody(src) {
        true => Err(Refusal::because("source_elsewhere", src)),
        false => Ok(()),
    }
}

/// The interface that a public address leads to. Two VPCs may have the same IPv6 addresses, and the
/// interface with the lowest id has them.
pub(crate) fn holder(cloud: &Cloud, address: IpAddr) -> Option<Interface> {
    let holds = |interface: &&Interface| {
        let internet = cloud.internet_gateway_of(interface.vpc).is_some();
        let egress = cloud.egress_gateway_of(interface.vpc).is_some();
        interface.attachment.is_some()
            && match address {
                IpAddr::V4(a) => {
                    let pairs = cloud.public_pairs(interface.id);
                    internet && pairs.iter().any(|pair| pair.1 == a)
                }
                IpAddr::V6(a) => (internet || egress) && interface.ipv6.contains(&a),
            }
    };
    let holders = cloud.interfaces().filter(holds);
    holders.min_by_key(|interface| interface.id).cloned()
}

/// Whether edges announce a prefix with the address in it.
fn is_served(cloud: &Cloud, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => {
            let mut pools = cloud.public_pools();
            pools.any(|pool| pool.blocks.iter().any(|block| block.contains_addr(a)))
        }
        IpAddr::V6(a) => cloud.vpcs().any(|vpc| {
            let internet = cloud.internet_gateway_of(vpc.id).is_some();
            let egress = cloud.egress_gateway_of(vpc.id).is_some();
            (internet || egress) && vpc.ipv6.iter().any(|block| block.contains_addr(a))
        }),
    }
}

/// Addresses that mean something on one link or host only.
fn is_nowhere(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_loopback() || a.is_link_local(),
        IpAddr::V6(a) => a.is_loopback() || a.is_unicast_link_local(),
    }
}

/// Where an edge sends on what it got.
pub(crate) enum Onward {
    Interface(Box<Interface>),
    /// The host, by the port.
    Nat((HostName, u16)),
    Front(Box<Front>),
}

impl Judge {
    fn public_holder(
        &mut self,
        cloud: &Cloud,
        edge: (IpAddr, usize),
        frame: &[u8],
    ) -> Option<Onward> {
        let (_, ip) = ip_of(frame).unwrap();
        if let Some(front) = front_at(cloud, ip.dst) {
            return Some(Onward::Front(Box::new(front)));
        }
        match holder(cloud, ip.dst) {
            Some(interface) => Some(Onward::Interface(Box::new(interface))),
            None => self.nat_holder(cloud, edge, frame).map(Onward::Nat),
        }
    }

    fn lead(
        &mut self,
        cloud: &Cloud,
        now: u64,
        (to, edges): (Onward, Vec<IpAddr>),
        frame: Vec<u8>,
        outcome: &mut Outcome,
    ) {
        match to {
            Onward::Interface(to) => self.inward(cloud, now, (&to, edges), frame, outcome),
            Onward::Nat(to) => self.inward_to_nat(cloud, now, (to, edges), frame, outcome),
            Onward::Front(to) => self.visit_front(cloud, now, (&to, edges), &frame, outcome),
        }
    }

    /// What an edge makes of a packet from a host: where it goes, if it goes back to one.
    pub(crate) fn at_edge(
        &mut self,
        cloud: &Cloud,
        (source, edge): (IpAddr, (IpAddr, usize)),
        mut frame: Vec<u8>,
        outcome: &mut Outcome,
    ) -> Option<(Onward, Vec<u8>)> {
        let (_, ip) = ip_of(&frame).unwrap();
        if !is_behind(cloud, source, &frame) {
            let refusal = Refusal::because("source_elsewhere", ip.src);
            outcome.drops.push(refusal);
            return None;
        }
        let refusal = match self.public_holder(cloud, edge, &frame) {
            Some(_) if ip.ttl <= 1 => Refusal::bare("ttl_exceeded"),
            Some(to) => {
                frame[if ip.is_v4() { ip.l3 + 8 } else { ip.l3 + 7 }] -= 1;
                sum_ipv4(&mut frame);
                return Some((to, frame));
            }
            None if is_nobody(ip.dst) || is_nowhere(ip.dst) => {
                Refusal::because("outside_denied", ip.dst)
            }
            None if is_served(cloud, ip.dst) => Refusal::because("not_public", ip.dst),
            None => {
                outcome.outside.push(Expected::Frame(frame));
                return None;
            }
        };
        outcome.drops.push(refusal);
        None
    }
}

/// Whether the host with this underlay address may send such a packet.
fn is_behind(cloud: &Cloud, source: IpAddr, frame: &[u8]) -> bool {
    let (_, ip) = ip_of(frame).unwrap();
    if let Some(holder) = holder(cloud, ip.src) {
        return vtep(cloud, &holder) == source;
    }
    if let Some(front) = front_at(cloud, ip.src) {
        return front.is_at(cloud, source);
    }
    let host = cloud.hosts().find(|host| host.vtep == source);
    host.is_some_and(|host| Judge::is_behind_nat(cloud, &host.name, frame))
}

/// From an edge to an interface.
pub(crate) fn address(frame: &mut [u8], to: &Interface) {
    frame[..6].copy_from_slice(&to.mac.octets());
    frame[6..12].copy_from_slice(&Mac::ROUTER.octets());
}

impl Judge {
    /// What an edge makes of a packet from the internet: where it goes, if it isn't the kernel's own
    /// chatter.
    pub(crate) fn brought(
        &mut self,
        cloud: &Cloud,
        edge: (IpAddr, usize),
        frame: &[u8],
    ) -> Result<Option<Onward>, Refusal> {
        let (_, ip) = ip_of(frame).unwrap();
        if is_nobody(ip.dst) {
            return Ok(None);
        }
        if is_served(cloud, ip.src) {
            return Err(Refusal::because("source_elsewhere", ip.src));
        }
        let to = self.public_holder(cloud, edge, frame);
        let nobody = || Refusal::because("not_public", ip.dst);
        to.map(Some).ok_or_else(nobody)
    }

    /// The edges that hosts use.
    pub(crate) fn edges(&self, cloud: &Cloud) -> Vec<IpAddr> {
        let edges = cloud.hosts().filter(|host| host.uplink.is_some());
        let live = edges.filter(|host| !self.lost.contains(&host.name));
        live.map(|host| host.vtep).collect()
    }

    pub(super) fn check_edge(&self, case: &Case<'_>, way: &Way) -> Result<(), Refusal> {
        if matches!(way.to, Next::Internet) && self.edges(case.cloud).is_empty() {
            return Err(Refusal::because("no_edge", case.ip.dst));
        }
        Ok(())
    }

    /// A packet, or its pieces, from a host come to an edge, whichever it is.
    pub(super) fn outward(
        &mut self,
        cloud: &Cloud,
        now: u64,
        from: &Interface,
        pieces: Vec<Vec<u8>>,
        outcome: &mut Outcome,
    ) {
        self.by_edge(cloud, now, vtep(cloud, from), pieces, outcome);
    }

    /// The host with this underlay address sends packets to an edge.
    pub(super) fn by_edge(
        &mut self,
        cloud: &Cloud,
        now: u64,
        source: IpAddr,
        pieces: Vec<Vec<u8>>,
        outcome: &mut Outcome,
    ) {
        let edges = self.edges(cloud);
        let crossing = Crossing {
            from: vec![source],
            to: edges.clone(),
            vni: Vni::OUTSIDE,
        };
        outcome
            .crossings
            .extend(pieces.iter().map(|_| crossing.clone()));
        // Which one it was matters for pieces alone, and their ways are seen.
        let edge = self.seen.as_ref().map_or(source, |(to, _)| *to);
        let engine = usize::from(Mac::EDGE.octets()[5]) % self.workers.max(1);
        let back: Vec<_> = pieces
            .into_iter()
            .filter_map(|piece| self.at_edge(cloud, (source, (edge, engine)), piece, outcome))
            .collect();
        for (to, piece) in back {
            self.lead(cloud, now, (to, edges.clone()), piece, outcome);
        }
    }

    /// Somebody in the internet sends a packet, and an edge gets it.
    pub(crate) fn enter_edge(
        &mut self,
        cloud: &Cloud,
        now: u64,
        edge: &HostName,
        frame: &[u8],
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let edge = cloud.host(edge).unwrap().vtep;
        match self.brought(cloud, (edge, 0), frame) {
            Err(refusal) => outcome.drops.push(refusal),
            Ok(None) => {}
            Ok(Some(to)) => self.lead(cloud, now, (to, vec![edge]), frame.to_vec(), &mut outcome),
        }
        outcome
    }

    /// From an edge to the interface that a public address leads to.
    fn inward(
        &mut self,
        cloud: &Cloud,
        now: u64,
        (to, edges): (&Interface, Vec<IpAddr>),
        mut frame: Vec<u8>,
        outcome: &mut Outcome,
    ) {
        address(&mut frame, to);
        let known = self.edges(cloud);
        let stranger = edges.iter().find(|edge| !known.contains(edge)).copied();
        outcome.crossings.push(Crossing {
            from: edges,
            to: vec![vtep(cloud, to)],
            vni: Vni::OUTSIDE,
        });
        match self.arrival_from_outside(cloud, now, (to, stranger), frame) {
            Ok(frame) => outcome.delivered.push((to.id, Expected::Frame(frame))),
            Err(refusal) => outcome.drops.push(refusal),
        }
    }

    /// `stranger`: the edge that brought it, if the host doesn't know it as one.
    pub(crate) fn arrival_from_outside(
        &mut self,
        cloud: &Cloud,
        now: u64,
        (to, stranger): (&Interface, Option<IpAddr>),
        frame: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        self.forget(now);
        let frame = to_private(cloud, to, frame)?;
        if let Some(edge) = stranger {
            return Err(Refusal::because("edge_unknown", edge));
        }
        let (_, ip) = ip_of(&frame).unwrap();
        check_outsider(cloud, to, ip.src)?;
        self.arrive(cloud, now, (to, true), frame)
    }

    /// Whether the packet is neither of a connection nor about one.
    pub(super) fn begins(&mut self, case: &Case<'_>) -> bool {
        let with = case.with();
        match case.name() {
            None => !self.is_about_connection(case),
            Some(_) if case.flags().is_some_and(super::connection::asks) => true,
            // One that looks otherwise on the wire has no part in it.
            Some(name) => self
                .find(&name)
                .is_none_or(|c| c.with != with || c.mask.is_some() && !case.masked),
        }
    }
}
