//! A packet's way from host to host, and its reply's way back.

use std::{collections::BTreeMap, net::IpAddr};

use weft_model::{HostName, InterfaceId, Mac, Protocol};
use weft_packet::{
    build::{self, Addresses, Envelope, TooLong},
    headers::{Body, Headers, L4, tcp_flags},
    rewrite,
};

use super::{Input, Outcome, Output};

/// Halves on the longest way and back: six middleboxes between two hosts.
const MAX_HOPS: usize = 32;
/// The port that the question's packet comes from: in the range that systems choose from.
const SOURCE_PORT: u16 = 50_000;
/// An echo's identifier.
const IDENTIFIER: u16 = 0x5745;

/// What the packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The first segment of a connection to this port.
    Tcp(u16),
    /// A datagram to this port.
    Udp(u16),
    /// An echo request.
    Echo,
}

/// A packet that a workload would send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The sender's host.
    pub host: HostName,
    /// The sender's interface; none where the internet sends, and the host is the edge it sends to.
    pub interface: Option<InterfaceId>,
    /// The MACs: the sender's, and the one that it would send to.
    pub macs: (Mac, Mac),
    /// From which address to which.
    pub addresses: Addresses,
    /// What the packet carries.
    pub transport: Transport,
}

/// One half of the way at one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The host.
    pub host: HostName,
    /// Whether this is the reply's way.
    pub back: bool,
    /// Whether the packet leaves a port here, or comes to one.
    pub leaves: bool,
    /// What the host did.
    pub output: Output,
}

/// How a walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The packet arrived and so did the reply.
    Reached,
    /// The packet was dropped, or ended somewhere else: the last hop says where.
    Stopped,
    /// The packet arrived, the reply did not: the last hop says where it ended.
    NoWayBack,
    /// The switch of the sender's port answered itself.
    Answered,
    /// It left the cloud, and what the internet may answer comes back.
    Left,
    /// A VTEP that is no known host's.
    UnknownHost(IpAddr),
    /// The packet went round.
    TooLong,
}

/// The walk: asks what each host would do, and knows what to ask next.
#[derive(Debug)]
pub struct Walk {
    origin: Option<InterfaceId>,
    hosts: BTreeMap<IpAddr, HostName>,
    vteps: BTreeMap<HostName, IpAddr>,
    /// What each host saw so far.
    seen: BTreeMap<HostName, Vec<Input>>,
    hops: Vec<Hop>,
    back: bool,
    /// It left the cloud on the way there.
    left: bool,
    next: Result<(HostName, Input), Ending>,
}

impl Walk {
    /// Of this packet; `vteps` of all hosts.
    ///
    /// # Errors
    /// Never for the transports there are: their packets are small.
    pub fn new(
        question: &Question,
        vteps: impl IntoIterator<Item = (HostName, IpAddr)>,
    ) -> Result<Self, TooLong> {
        let vteps: BTreeMap<_, _> = vteps.into_iter().collect();
        let hosts = vteps.iter().map(|(host, vtep)| (*vtep, host.clone()));
        let frame = first(question)?;
        let input = match question.interface {
            Some(interface) => Input::FromPort { interface, frame },
            None => Input::FromOutside { frame },
        };
        Ok(Self {
            origin: question.interface,
            hosts: hosts.collect(),
            vteps,
            seen: BTreeMap::new(),
            hops: Vec::new(),
            back: false,
            left: false,
            next: Ok((question.host.clone(), input)),
        })
    }

    /// What to ask next: of which host, what it saw before, and the packet. Where there is nothing
    /// left to ask, how it ended.
    ///
    /// # Errors
    /// The ending.
    pub fn ask(&self) -> Result<(&HostName, &[Input], &Input), &Ending> {
        let (host, input) = self.next.as_ref()?;
        let before = self.seen.get(host).map_or(&[][..], Vec::as_slice);
        Ok((host, before, input))
    }

    /// The hops so far.
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// Takes the answer to what was asked.
    pub fn answer(&mut self, output: Output) {
        let Ok((host, input)) = self.next.clone() else {
            return;
        };
        let back = self.back;
        self.next = self.after(&host, &output.outcome);
        self.hops.push(Hop {
            leaves: matches!(input, Input::FromPort { .. }),
            back,
            host: host.clone(),
            output,
        });
        self.seen.entry(host).or_default().push(input);
        if self.hops.len() >= MAX_HOPS && self.next.is_ok() {
            self.next = Err(Ending::TooLong);
        }
    }

    fn after(&mut self, host: &HostName, outcome: &Outcome) -> Result<(HostName, Input), Ending> {
        match outcome {
            Outcome::Local { interface, frame } => {
                let (interface, frame) = (*interface, frame.clone());
                Ok((host.clone(), Input::ToPort { interface, frame }))
            }
            Outcome::Tunnel { vtep, payload, .. } => {
                let to = self.hosts.get(vtep).ok_or(Ending::UnknownHost(*vtep))?;
                let source = *self.vteps.get(host).ok_or(Ending::Stopped)?;
                let payload = payload.clone();
                Ok((to.clone(), Input::FromTunnel { source, payload }))
            }
            Outcome::Forwarder { interface, frame } => {
                let (interface, frame) = (*interface, forwarded(frame));
                Ok((host.clone(), Input::FromPort { interface, frame }))
            }
            Outcome::Delivered { interface, frame } if !self.back => {
                let frame = reply(frame).ok_or(Ending::Stopped)?;
                self.back = true;
                let interface = *interface;
                Ok((host.clone(), Input::FromPort { interface, frame }))
            }
            Outcome::Outside { frame } if !self.back && self.origin.is_some() => {
                let frame = reply(frame).ok_or(Ending::Stopped)?;
                (self.back, self.left) = (true, true);
                Ok((host.clone(), Input::FromOutside { frame }))
            }
            Outcome::Delivered { interface, .. } if Some(*interface) == self.origin => {
                Err(if self.left {
                    Ending::Left
                } else {
                    Ending::Reached
                })
            }
            Outcome::Outside { .. } if self.back && self.origin.is_none() => Err(Ending::Reached),
            Outcome::Answered if !self.back => Err(Ending::Answered),
            _ if self.back => Err(Ending::NoWayBack),
            _ => Err(Ending::Stopped),
        }
    }
}

fn first(question: &Question) -> Result<Vec<u8>, TooLong> {
    let mut frame = Vec::new();
    let envelope = Envelope {
        dst_mac: question.macs.1,
        src_mac: question.macs.0,
        addresses: question.addresses,
        ttl: build::TTL,
    };
    match question.transport {
        Transport::Tcp(port) => {
            build::tcp(&mut frame, &envelope, (SOURCE_PORT, port), tcp_flags::SYN)?;
        }
        Transport::Udp(port) => build::udp(&mut frame, &envelope, SOURCE_PORT, port, b"weft")?,
        Transport::Echo => build::echo_request(&mut frame, &envelope, IDENTIFIER)?,
    }
    Ok(frame)
}

/// The frame as a middlebox sends it on that forwards everything.
fn forwarded(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if let Ok(headers) = Headers::parse(&frame) {
        rewrite::macs(&mut frame, Mac::ROUTER, headers.dst);
    }
    frame
}

/// What the receiver of the frame would answer, if it serves.
fn reply(frame: &[u8]) -> Option<Vec<u8>> {
    let headers = Headers::parse(frame).ok()?;
    let Body::Ip(ip) = &headers.body else {
        return None;
    };
    let envelope = Envelope::reply(&headers, ip)?;
    let mut out = Vec::new();
    match ip.l4_kind {
        L4::Tcp { src, dst, .. } => {
            let flags = tcp_flags::SYN | tcp_flags::ACK;
            build::tcp(&mut out, &envelope, (dst, src), flags).ok()?;
        }
        L4::Udp { src, dst } => build::udp(&mut out, &envelope, dst, src, b"weft").ok()?,
        L4::Icmp { .. } if build::echo_reply(&mut out, frame, &headers, ip) => {}
        _ => return None,
    }
    Some(out)
}

impl Transport {
    /// The protocol, over IPv4 or IPv6.
    pub const fn protocol(self, v4: bool) -> Protocol {
        match self {
            Self::Tcp(_) => Protocol::TCP,
            Self::Udp(_) => Protocol::UDP,
            Self::Echo if v4 => Protocol::ICMP,
            Self::Echo => Protocol::ICMPV6,
        }
    }
}
