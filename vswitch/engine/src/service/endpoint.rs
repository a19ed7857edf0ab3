//! TCP at a port's own services: a small stack for each port that talks to them, bounded in
//! connections and bytes, made with the first SYN and gone when nobody talks.

use std::net::IpAddr;

use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet},
    phy::{self, Checksum, Device, DeviceCapabilities, Medium},
    socket::tcp,
    time::{Duration, Instant},
    wire::{HardwareAddress, IpCidr, Ipv4Address, Ipv6Address},
};

use crate::time::Now;

/// Connections of one port at once.
const CONNECTIONS: usize = 8;
/// Bytes of a connection's buffers.
const RECEIVE: usize = 4 << 10;
const SEND: usize = 8 << 10;
/// Past this, what else there is to say to a client that doesn't listen is thrown away.
const MOST_UNSENT: usize = 64 << 10;
/// A peer that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(5);
/// Nothing that is asked here takes longer, in nanoseconds.
const LONGEST: u64 = 30 * Now::SECOND;
/// Packets that one turn may send.
const PACKETS: usize = 32;

/// What the service makes of what it heard.
#[derive(Debug)]
pub(crate) enum Reply {
    /// More has to come.
    Wait,
    /// This goes back, and the connection goes on.
    Say(Vec<u8>),
    /// This goes back, and that's all.
    Finish(Vec<u8>),
}

/// Who talks to whom in a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    /// The service's port.
    pub(crate) port: u16,
    /// The service's address.
    pub(crate) server: IpAddr,
    /// Who opened it.
    pub(crate) client: (IpAddr, u16),
}

/// A connection to one of the services.
#[derive(Debug)]
struct Connection {
    handle: SocketHandle,
    port: u16,
    opened: Now,
    heard: Vec<u8>,
    answer: Vec<u8>,
    finished: bool,
}

/// One port's stack.
pub(crate) struct Endpoint {
    wire: Wire,
    interface: Interface,
    sockets: SocketSet<'static>,
    connections: Vec<Connection>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Answers at these addresses, in packets of `mtu` bytes. Whoever knows `seed` knows sequence
    /// numbers to come.
    pub(crate) fn new(now: Now, mtu: u16, addresses: &[IpAddr], seed: u64) -> Self {
        let mut wire = Wire {
            mtu: mtu.into(),
            inbound: None,
            outbound: Vec::new(),
        };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut wire, instant(now));
        interface.update_ip_addrs(|held| {
            for &address in addresses {
                let bits = if address.is_ipv4() { 32 } else { 128 };
                // There is room for all of a VPC's services.
                let _ = held.push(IpCidr::new(address.into(), bits));
            }
        });
        let routes = interface.routes_mut();
        // All packets go to the one port, whatever their next hop is called.
        let _ = routes.add_default_ipv4_route(Ipv4Address::new(169, 254, 169, 254));
        let _ = routes.add_default_ipv6_route(Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
        Self {
            wire,
            interface,
            sockets: SocketSet::new(Vec::new()),
            connections: Vec::new(),
        }
    }

    /// Whether nobody talks.
    pub(crate) fn is_idle(&self) -> bool {
        self.connections.is_empty()
    }

    /// Makes room for a connection that a SYN asks for; false where there is none.
    pub(crate) fn open(&mut self, now: Now, port: u16, hop_limit: u8) -> bool {
        let waits = |connection: &Connection| {
            let socket = self.sockets.get::<tcp::Socket<'_>>(connection.handle);
            connection.port == port && socket.is_listening()
        };
        if self.connections.iter().any(waits) {
            return true;
        }
        if self.connections.len() >= CONNECTIONS {
            return false;
        }
        let buffer = |bytes: usize| tcp::SocketBuffer::new(vec![0; bytes]);
        let mut socket = tcp::Socket::new(buffer(RECEIVE), buffer(SEND));
        socket.set_timeout(Some(SILENCE));
        socket.set_hop_limit(Some(hop_limit));
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        if socket.listen(port).is_err() {
            return false;
        }
        self.connections.push(Connection {
            handle: self.sockets.add(socket),
            port,
            opened: now,
            heard: Vec::new(),
            answer: Vec::new(),
            finished: false,
        });
        true
    }

    /// Takes a packet, if there is one, and does what is due; `emit` gets the packets to send.
    pub(crate) fn turn(
        &mut self,
        now: Now,
        packet: Option<&[u8]>,
        mut serve: impl FnMut(&Ends, &mut Vec<u8>) -> Reply,
        mut emit: impl FnMut(&[u8]),
    ) {
        self.wire.inbound = packet.map(<[u8]>::to_vec);
        let time = instant(now);
        self.interface.poll(time, &mut self.wire, &mut self.sockets);
        for connection in &mut self.connections {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.handle);
            connection.attend(now, socket, &mut serve);
        }
        self.interface.poll(time, &mut self.wire, &mut self.sockets);
        self.sweep();
        for packet in self.wire.outbound.drain(..) {
            emit(&packet);
        }
    }

    /// Goes on with what the client's connection is told, in the next turn; false where there is none,
    /// or it takes nothing more.
    pub(crate) fn say(&mut self, client: (IpAddr, u16), words: &[u8]) -> bool {
        let sockets = &self.sockets;
        let mut connections = self.connections.iter_mut();
        let found = connections.find(|connection| {
            let socket = sockets.get::<tcp::Socket<'_>>(connection.handle);
            let ends = connection.ends(socket);
            ends.is_some_and(|ends| ends.client == client)
        });
        let Some(connection) = found.filter(|c| !c.finished && c.answer.len() < MOST_UNSENT) else {
            return false;
        };
        connection.answer.extend_from_slice(words);
        true
    }

    fn sweep(&mut self) {
        let sockets = &mut self.sockets;
        self.connections.retain(|connection| {
            let socket = sockets.get::<tcp::Socket<'_>>(connection.handle);
            let over = matches!(socket.state(), tcp::State::Closed | tcp::State::TimeWait);
            if over {
                sockets.remove(connection.handle);
            }
            !over
        });
    }
}

impl Connection {
    fn attend(
        &mut self,
        now: Now,
        socket: &mut tcp::Socket<'_>,
        serve: &mut impl FnMut(&Ends, &mut Vec<u8>) -> Reply,
    ) {
        if now.since(self.opened) > LONGEST {
            socket.abort();
            return;
        }
        self.listen(socket);
        while self.answer.is_empty() && !self.finished && !self.heard.is_empty() {
            let Some(ends) = self.ends(socket) else {
                break;
            };
            match serve(&ends, &mut self.heard) {
                Reply::Wait => break,
                Reply::Say(answer) => self.answer = answer,
                Reply::Finish(answer) => (self.answer, self.finished) = (answer, true),
            }
            self.speak(socket);
        }
        self.speak(socket);
        let deaf = socket.is_active() && !socket.may_recv() && !socket.can_recv();
        let opening = matches!(socket.state(), tcp::State::Listen | tcp::State::SynReceived);
        if self.answer.is_empty() && !opening && (self.finished || deaf) {
            socket.close();
        }
    }

    fn ends(&self, socket: &tcp::Socket<'_>) -> Option<Ends> {
        let (local, remote) = (socket.local_endpoint()?, socket.remote_endpoint()?);
        Some(Ends {
            port: self.port,
            server: local.addr.into(),
            client: (remote.addr.into(), remote.port),
        })
    }

    fn listen(&mut self, socket: &mut tcp::Socket<'_>) {
        let room = RECEIVE.saturating_sub(self.heard.len());
        if !socket.can_recv() {
            return;
        }
        if self.finished {
            // What comes after the last word is thrown away, or the close would wait for it.
            let _ = socket.recv(|data| (data.len(), ()));
            return;
        }
        let heard = &mut self.heard;
        let _ = socket.recv(|data| {
            let taken = data.len().min(room);
            heard.extend_from_slice(&data[..taken]);
            (taken, ())
        });
    }

    fn speak(&mut self, socket: &mut tcp::Socket<'_>) {
        if self.answer.is_empty() || !socket.can_send() {
            return;
        }
        if let Ok(sent) = socket.send_slice(&self.answer) {
            self.answer.drain(..sent);
        }
    }
}

fn instant(now: Now) -> Instant {
    Instant::from_micros(i64::try_from(now.0 / 1000).unwrap_or(i64::MAX))
}

/// The "device": one packet in, some out.
#[derive(Debug)]
struct Wire {
    mtu: usize,
    inbound: Option<Vec<u8>>,
    outbound: Vec<Vec<u8>>,
}

struct Inbound(Vec<u8>);

impl phy::RxToken for Inbound {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

struct Outbound<'a>(&'a mut Vec<Vec<u8>>);

impl phy::TxToken for Outbound<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut packet = vec![0; length];
        let result = fill(&mut packet);
        self.0.push(packet);
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = Inbound;
    type TxToken<'a> = Outbound<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Inbound, Outbound<'_>)> {
        let packet = self.inbound.take()?;
        Some((Inbound(packet), Outbound(&mut self.outbound)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outbound<'_>> {
        (self.outbound.len() < PACKETS).then_some(Outbound(&mut self.outbound))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        // Checked before, where the sender's device has filled them in at all.
        capabilities.checksum.ipv4 = Checksum::Tx;
        capabilities.checksum.tcp = Checksum::Tx;
        capabilities
    }
}
