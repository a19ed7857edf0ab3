//! An engine in the middle of its work, for both measures.

use std::net::IpAddr;

use weft_engine::{
    Encap, Frame, Limits, PortIndex, Sink, Verdict,
    testing::{Eni, Family, Net, Seg, frames::Way, rule},
};
use weft_model::{Peer, PortMatch, PortRange, Rule};
use weft_packet::offload::Offload;

/// Nothing is made on the ways that are measured.
struct Nothing;

impl Sink for Nothing {
    fn to_port(&mut self, _: PortIndex, _: &[u8]) {}
    fn to_local(&mut self, _: PortIndex, _: &[u8]) {}
    fn to_tunnel(&mut self, _: Encap, _: &[u8]) {}
}

/// The half of the pipeline that is measured: the sender's or the receiver's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Egress,
    Ingress,
}

/// Bytes that differ from pass to pass: VXLAN's header, MACs, the IP header and the ports.
const REWRITTEN: usize = 64;

/// A client and a server in two subnets on two hosts, each with a thousand rules both ways.
pub(crate) struct Rig {
    net: Net,
    client: Eni,
    server: Eni,
    family: Family,
    half: Half,
    port: PortIndex,
    source: IpAddr,
    template: Vec<u8>,
    bytes: Vec<u8>,
}

/// Rules for ports 1 to 1000, each from every subnet's prefix: the connection's is the last.
fn rules() -> Vec<Rule> {
    let peers = ["10.0.0.0/16", "fd00:0:0:100::/56"].map(|p| p.parse().map(Peer::Cidr));
    let peers = peers.map(|peer| peer.expect("both are prefixes"));
    let ports = (1..=500).map(|port| PortMatch::Tcp(PortRange::one(port)));
    ports
        .flat_map(|traffic| peers.map(|peer| rule(traffic, peer)))
        .collect()
}

/// The port that the last rule is for.
const SERVICE: u16 = 500;

impl Rig {
    /// With the connection open and one packet of it of `length` bytes of IP ready.
    pub(crate) fn hit(half: Half, family: Family, length: usize) -> Self {
        let mut rig = Self::idle(half, family);
        let (there, back) = (rig.there(), rig.net.way(&rig.server, &rig.client, family));
        let (client, server) = (rig.client.clone(), rig.server.clone());
        for (from, frame) in [
            (&client, there.tcp((40_000, SERVICE), Seg::SYN, b"")),
            (&server, back.tcp((SERVICE, 40_000), Seg::SYN_ACK, b"")),
            (&client, there.tcp((40_000, SERVICE), Seg::ACK, b"")),
        ] {
            let fate = rig.net.send(from, frame);
            assert!(!fate.delivered.is_empty(), "{fate:?}");
        }
        let headers = if family == Family::V4 { 40 } else { 60 };
        let payload = vec![1; length.saturating_sub(headers)];
        rig.load(there.tcp((40_000, SERVICE), Seg::ACK, &payload));
        let verdict = rig.run();
        assert!(!matches!(verdict, Verdict::Drop(_)), "{verdict:?}");
        rig
    }

    /// With no connection, and the first packet of one ready.
    pub(crate) fn idle(half: Half, family: Family) -> Self {
        let limits = Limits {
            flows: 1 << 18,
            flows_per_port: 1 << 17,
            ..Limits::default()
        };
        let mut net = Net::with_limits(2, &limits);
        let tenant = net.tenant(1);
        let group = net.group(tenant, 1, rules(), rules());
        let client = net.attach(tenant, 0, (1, 10), &[group]);
        let server = net.attach(tenant, 1, (2, 20), &[group]);
        let port = match half {
            Half::Egress => net.port_of(&client),
            Half::Ingress => net.port_of(&server),
        };
        let source = net.vtep(0);
        let mut rig = Self {
            net,
            client,
            server,
            family,
            half,
            port,
            source,
            template: vec![],
            bytes: vec![],
        };
        let frame = rig.there().tcp((1, SERVICE), Seg::SYN, b"");
        rig.load(frame);
        rig
    }

    fn there(&self) -> Way {
        self.net.way(&self.client, &self.server, self.family)
    }

    /// Readies the frame as it enters the half: for ingress, in the wire form that egress gives it.
    fn load(&mut self, frame: Vec<u8>) {
        self.template = match self.half {
            Half::Egress => frame,
            Half::Ingress => {
                let client = self.client.clone();
                let mut fate = self.net.send(&client, frame);
                fate.wire.remove(0).payload
            }
        };
        self.bytes = self.template.clone();
    }

    /// Passes the packet once.
    #[inline(never)]
    pub(crate) fn run(&mut self) -> Verdict {
        let touched = REWRITTEN.min(self.bytes.len());
        self.bytes[..touched].copy_from_slice(&self.template[..touched]);
        let (port, source, bytes) = (self.port, self.source, &mut self.bytes);
        match self.half {
            Half::Egress => {
                let (engine, now) = self.net.engine_mut(0);
                let frame = Frame {
                    bytes,
                    offload: Offload::NONE,
                };
                engine.from_port(now, port, frame, &mut Nothing)
            }
            Half::Ingress => {
                let (engine, now) = self.net.engine_mut(1);
                engine.from_tunnel(now, source, bytes, Offload::NONE, &mut Nothing)
            }
        }
    }

    /// Makes the ready packet the first of another connection.
    pub(crate) fn another(&mut self, n: u16) {
        let headers = if self.family == Family::V4 { 34 } else { 54 };
        let start = if self.half == Half::Egress {
            headers
        } else {
            headers + 8
        };
        self.template[start..start + 2].copy_from_slice(&n.to_be_bytes());
    }
}
