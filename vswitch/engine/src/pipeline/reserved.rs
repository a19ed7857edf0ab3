//! The addresses of a VPC's own services: DNS, metadata and time. They come before any policy, and
//! are what they are by where a packet enters, a port.

use std::net::IpAddr;

use weft_model::Mac;
use weft_packet::{
    build::{self, Addresses, Envelope},
    checksum,
    headers::{Ip, L4},
    offload::Checksum,
};

use super::{Core, Packet};
use crate::{
    config::PortView,
    drop::{Drop, DropObject, DropReason},
    frame::Frame,
    service::{
        Site,
        dns::{self, Outcome, Transport},
        endpoint::{Endpoint, Ends, Reply},
        limit::TokenBucket,
        metadata::{self, Reading, Request, Tokens},
        reserved::Reserved,
        time_server,
    },
    time::Now,
    verdict::{DnsQuestion, Sink, Verdict},
};

/// Packets per second that a port may send to its services, and at once after a pause.
const PACKETS_PER_SECOND: u32 = 1024;
/// Ports that may have a stack of their own at once.
const ENDPOINTS: usize = 4096;
const DNS: u16 = 53;
const HTTP: u16 = 80;
const NTP: u16 = 123;

impl Core {
    /// A packet to one of the services' addresses.
    pub(super) fn serve_reserved(
        &mut self,
        packet: &Packet<'_>,
        service: Reserved,
        frame: &Frame<'_>,
        sink: &mut impl Sink,
    ) -> Result<Verdict, Drop> {
        let ip = packet.ip;
        let unserved = || {
            let object = DropObject::Address(ip.dst);
            Drop::because(DropReason::RouterUnserved, object)
        };
        check_sender(&packet.view, ip)?;
        let complete = frame.offload.checksum == Checksum::Complete;
        if complete && !checksum::verify_l4(frame.bytes, ip) {
            return Err(DropReason::Malformed.into());
        }
        let full = || TokenBucket::new(PACKETS_PER_SECOND, PACKETS_PER_SECOND);
        let bucket = self.reserved.buckets.get_or(packet.port(), full);
        if !bucket.take(packet.now) {
            let object = DropObject::Interface(packet.view.port.interface);
            return Err(Drop::because(DropReason::LimitServices, object));
        }
        let site = Site::from(&packet.view);
        let on = service.is_on(&site);
        match ip.l4_kind {
            _ if !on || ip.fragment.is_some() => return Err(unserved()),
            L4::Udp { src, dst: DNS } if service == Reserved::Dns => {
                self.resolve(packet, src, frame.bytes, sink)?;
            }
            L4::Udp { src, dst: NTP } if service == Reserved::Time => {
                self.tell_time(packet, src, frame.bytes, sink)?;
            }
            L4::Tcp { dst, flags, .. } if service.tcp_port() == Some(dst) => {
                self.converse(packet, (dst, flags), frame.bytes, sink)?;
            }
            _ => return Err(unserved()),
        }
        Ok(Verdict::Consumed)
    }

    fn resolve(
        &mut self,
        packet: &Packet<'_>,
        client: u16,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), Drop> {
        let query = crate::service::payload(bytes, packet.ip);
        match dns::answer(packet.view.vpc, query, Transport::Udp) {
            Outcome::Answer(answer) => self.reply(packet, (DNS, client), &answer, sink),
            Outcome::Nothing => Err(DropReason::Malformed.into()),
            Outcome::Forward(servers) => {
                self.counters.dns_forwarded += 1;
                sink.ask(DnsQuestion {
                    port: packet.port(),
                    client: (packet.ip.src, client),
                    server: packet.ip.dst,
                    transport: Transport::Udp,
                    query: query.to_vec(),
                    servers,
                });
                Ok(())
            }
        }
    }

    /// A resolver's answer to a question, or that there is none.
    pub(crate) fn resolved(
        &mut self,
        now: Now,
        view: &PortView<'_>,
        question: &DnsQuestion,
        answer: Option<&[u8]>,
        sink: &mut impl Sink,
    ) {
        let failure = match (answer, dns::failure(&question.query)) {
            (None, Outcome::Answer(failure)) => failure,
            _ => Vec::new(),
        };
        let payload = answer.unwrap_or(&failure);
        let (address, port) = question.client;
        if question.transport == Transport::Tcp {
            if let Some(endpoint) = self.reserved.endpoints.get_mut(question.port)
                && endpoint.say(question.client, &framed(payload))
            {
                let asked = turn(endpoint, &self.reserved.tokens, view, now, None, sink);
                self.ask(asked, sink);
            }
            return;
        }
        let Some(addresses) = Addresses::new(question.server, address) else {
            return;
        };
        let envelope = Envelope {
            dst_mac: view.port.mac,
            src_mac: Mac::ROUTER,
            addresses,
            ttl: build::TTL,
        };
        if build::udp(&mut self.scratch, &envelope, DNS, port, payload).is_ok() {
            self.counters.answered += 1;
            sink.to_port(question.port, &self.scratch);
        }
    }

    fn tell_time(
        &mut self,
        packet: &Packet<'_>,
        client: u16,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), Drop> {
        let question = crate::service::payload(bytes, packet.ip);
        let clock = self.reserved.clock.as_ref();
        let answer = clock.and_then(|clock| time_server::answer(clock, packet.now, question));
        let answer = answer.ok_or_else(|| {
            let object = DropObject::Address(packet.ip.dst);
            Drop::because(DropReason::RouterUnserved, object)
        })?;
        self.reply(packet, (NTP, client), &answer, sink)
    }

    fn reply(
        &mut self,
        packet: &Packet<'_>,
        (from, to): (u16, u16),
        payload: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), Drop> {
        let envelope = Envelope::reply(packet.headers, packet.ip);
        let envelope = envelope.ok_or(DropReason::Malformed)?;
        build::udp(&mut self.scratch, &envelope, from, to, payload)
            .map_err(|_| DropReason::Malformed)?;
        self.counters.answered += 1;
        sink.to_port(packet.port(), &self.scratch);
        Ok(())
    }

    fn converse(
        &mut self,
        packet: &Packet<'_>,
        (port, flags): (u16, u8),
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), Drop> {
        let (view, now) = (&packet.view, packet.now);
        let index = packet.port();
        let refused = || {
            let object = DropObject::Interface(view.port.interface);
            Drop::because(DropReason::LimitServices, object)
        };
        let known = self.reserved.endpoints.get_mut(index).is_some();
        if !known && self.reserved.live >= ENDPOINTS {
            return Err(refused());
        }
        let seed = self.reserved.draw();
        self.reserved.live += usize::from(!known);
        let mtu = view.port.mtu.get();
        let addresses = crate::service::reserved::addresses(view.vpc);
        let make = || Endpoint::new(now, mtu, &addresses, seed);
        let endpoint = self.reserved.endpoints.get_or(index, make);
        let hops = match port {
            HTTP => view.port.options.metadata.hop_limit.get(),
            _ => build::TTL,
        };
        if crate::flow::is_opening(flags) && !endpoint.open(now, port, hops) {
            return Err(refused());
        }
        let ip = bytes.get(packet.ip.l3..packet.ip.end);
        let asked = turn(endpoint, &self.reserved.tokens, view, now, ip, sink);
        self.ask(asked, sink);
        self.counters.answered += 1;
        Ok(())
    }

    fn ask(&mut self, questions: Vec<DnsQuestion>, sink: &mut impl Sink) {
        for question in questions {
            self.counters.dns_forwarded += 1;
            sink.ask(question);
        }
    }

    /// What the services' connections have to do in time: once in a while.
    pub(crate) fn attend(&mut self, config: &crate::Config, now: Now, sink: &mut impl Sink) {
        let tokens = &self.reserved.tokens;
        let mut asked = Vec::new();
        self.reserved.endpoints.retain(|index, endpoint| {
            let Some(view) = config.view(index) else {
                return false;
            };
            asked.extend(turn(endpoint, tokens, &view, now, None, sink));
            !endpoint.is_idle()
        });
        self.reserved.live = self.reserved.endpoints.iter_mut().count();
        self.ask(asked, sink);
    }
}

/// One turn of a port's stack; what it asks resolvers outside.
fn turn(
    endpoint: &mut Endpoint,
    tokens: &Tokens,
    view: &PortView<'_>,
    now: Now,
    packet: Option<&[u8]>,
    sink: &mut impl Sink,
) -> Vec<DnsQuestion> {
    let site = Site::from(view);
    let mut asked = Vec::new();
    let serve = |ends: &Ends, heard: &mut Vec<u8>| match ends.port {
        DNS => over_tcp(view, ends, heard, &mut asked),
        _ => http(&site, tokens, now, heard),
    };
    let mut frame = Vec::new();
    endpoint.turn(now, packet, serve, |packet| {
        let ethertype: [u8; 2] = match packet.first().map(|byte| byte >> 4) {
            Some(6) => [0x86, 0xdd],
            _ => [0x08, 0x00],
        };
        frame.clear();
        frame.extend_from_slice(&view.port.mac.octets());
        frame.extend_from_slice(&Mac::ROUTER.octets());
        frame.extend_from_slice(&ethertype);
        frame.extend_from_slice(packet);
        sink.to_port(view.port.index, &frame);
    });
    asked
}

fn http(site: &Site<'_>, tokens: &Tokens, now: Now, heard: &[u8]) -> Reply {
    match Request::read(heard) {
        Ok(request) => Reply::Finish(metadata::answer(site, tokens, now, &request)),
        Err(Reading::Partial) => Reply::Wait,
        Err(reading) => Reply::Finish(metadata::refuse(reading)),
    }
}

/// A message with its length before it (RFC 1035 section 4.2.2).
fn over_tcp(
    view: &PortView<'_>,
    ends: &Ends,
    heard: &mut Vec<u8>,
    asked: &mut Vec<DnsQuestion>,
) -> Reply {
    let Some(&[high, low]) = heard.first_chunk::<2>() else {
        return Reply::Wait;
    };
    let end = 2 + usize::from(u16::from_be_bytes([high, low]));
    // Longer than any query.
    if end > 2 + 1232 {
        return Reply::Finish(Vec::new());
    }
    if heard.len() < end {
        return Reply::Wait;
    }
    let query: Vec<u8> = heard.drain(..end).skip(2).collect();
    match dns::answer(view.vpc, &query, Transport::Tcp) {
        Outcome::Answer(answer) => Reply::Say(framed(&answer)),
        Outcome::Nothing => Reply::Finish(Vec::new()),
        Outcome::Forward(servers) => {
            asked.push(DnsQuestion {
                port: view.port.index,
                client: ends.client,
                server: ends.server,
                transport: Transport::Tcp,
                query,
                servers,
            });
            Reply::Say(Vec::new())
        }
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let message = &message[..usize::from(length)];
    [&length.to_be_bytes()[..], message].concat()
}

/// Whoever asks must be the port itself: what it forwards for has services of its own.
fn check_sender(view: &PortView<'_>, ip: &Ip) -> Result<(), Drop> {
    let site = Site::from(view);
    let own = match ip.src {
        IpAddr::V4(src) => site.owns4(src),
        IpAddr::V6(src) => site.may_speak6(src),
    };
    if own {
        return Ok(());
    }
    let object = DropObject::Address(ip.src);
    Err(Drop::because(DropReason::SpoofedAddress, object))
}
