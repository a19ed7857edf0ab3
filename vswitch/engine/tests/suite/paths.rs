//! The ways a packet can take: a promise holds on each of them or it doesn't hold.

use weft_engine::testing::{Eni, Family, Fate, Net, Seg, Tenant, everything, frames::Way};
use weft_model::Rule;

/// One way from a client to a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path {
    pub(crate) cross_host: bool,
    pub(crate) cross_subnet: bool,
    pub(crate) family: Family,
}

impl Path {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|bits| Self {
            cross_host: bits & 1 != 0,
            cross_subnet: bits & 2 != 0,
            family: Family::BOTH[bits >> 2],
        })
    }
}

/// A client that may send everything and get nothing, and a server with the rules of the test.
pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) path: Path,
    pub(crate) tenant: Tenant,
    pub(crate) client: Eni,
    pub(crate) server: Eni,
}

/// The groups' numbers.
pub(crate) const CLIENT: u64 = 1;
pub(crate) const SERVER: u64 = 2;

/// The connection of most tests.
pub(crate) const PORTS: (u16, u16) = (40_000, 80);
pub(crate) const BACK: (u16, u16) = (80, 40_000);

impl World {
    pub(crate) fn new(path: Path, ingress: Vec<Rule>, egress: Vec<Rule>) -> Self {
        Self::on(Net::new(2), path, ingress, egress)
    }

    pub(crate) fn on(mut net: Net, path: Path, ingress: Vec<Rule>, egress: Vec<Rule>) -> Self {
        let tenant = net.tenant(1);
        let clients = net.group(tenant, CLIENT, vec![], everything());
        let servers = net.group(tenant, SERVER, ingress, egress);
        let client = net.attach(tenant, 0, (1, 10), &[clients]);
        let subnet = if path.cross_subnet { 2 } else { 1 };
        let host = usize::from(path.cross_host);
        let server = net.attach(tenant, host, (subnet, 20), &[servers]);
        Self {
            net,
            path,
            tenant,
            client,
            server,
        }
    }

    pub(crate) fn there(&self) -> Way {
        self.net.way(&self.client, &self.server, self.path.family)
    }

    pub(crate) fn back(&self) -> Way {
        self.net.way(&self.server, &self.client, self.path.family)
    }

    /// The client sends a segment.
    pub(crate) fn ask(&mut self, seg: Seg) -> Fate {
        let frame = self.there().tcp(PORTS, seg, b"");
        self.net.send(&self.client, frame)
    }

    /// The server sends a segment of the same connection.
    pub(crate) fn answer(&mut self, seg: Seg) -> Fate {
        let frame = self.back().tcp(BACK, seg, b"");
        self.net.send(&self.server, frame)
    }

    pub(crate) fn ask_udp(&mut self, payload: &[u8]) -> Fate {
        let frame = self.there().udp(PORTS, payload);
        self.net.send(&self.client, frame)
    }

    pub(crate) fn answer_udp(&mut self, payload: &[u8]) -> Fate {
        let frame = self.back().udp(BACK, payload);
        self.net.send(&self.server, frame)
    }

    #[track_caller]
    pub(crate) fn handshake(&mut self) {
        let fate = self.ask(Seg::SYN);
        assert!(fate.reached(&self.server), "{:?} SYN: {fate:?}", self.path);
        let fate = self.answer(Seg::SYN_ACK);
        assert!(
            fate.reached(&self.client),
            "{:?} SYN-ACK: {fate:?}",
            self.path
        );
        let fate = self.ask(Seg::ACK);
        assert!(fate.reached(&self.server), "{:?} ACK: {fate:?}", self.path);
    }

    pub(crate) fn set_server_rules(&mut self, ingress: Vec<Rule>, egress: Vec<Rule>) {
        self.net.group(self.tenant, SERVER, ingress, egress);
    }

    pub(crate) fn set_client_rules(&mut self, ingress: Vec<Rule>, egress: Vec<Rule>) {
        self.net.group(self.tenant, CLIENT, ingress, egress);
    }
}
