//! Datagrams in pieces on the wire: only the first one shows whose it is.

use std::{collections::VecDeque, net::IpAddr};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use weft_packet::headers::{Ip, L4};

/// Datagrams that are remembered: the newest. The ports that get them judge how old a piece may be.
const DATAGRAMS: usize = 1 << 12;

type Datagram = (IpAddr, IpAddr, u32, u8);

/// What the first pieces said, for the others.
#[derive(Debug)]
pub(crate) struct Pieces<T> {
    said: HashMap<Datagram, T, FixedState>,
    queue: VecDeque<Datagram>,
}

impl<T: Copy> Pieces<T> {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            said: HashMap::with_hasher(FixedState::with_seed(seed)),
            queue: VecDeque::new(),
        }
    }

    /// What the first piece of the packet's datagram said.
    pub(crate) fn get(&self, ip: &Ip) -> Option<T> {
        self.said.get(&datagram(ip)?).copied()
    }

    /// A first piece came by; other packets say nothing.
    pub(crate) fn note(&mut self, ip: &Ip, said: T) {
        let first = ip.l4_kind != L4::LaterFragment;
        let Some(datagram) = datagram(ip).filter(|_| first) else {
            return;
        };
        if self.said.insert(datagram, said).is_some() {
            return;
        }
        if self.queue.len() == DATAGRAMS
            && let Some(oldest) = self.queue.pop_front()
        {
            self.said.remove(&oldest);
        }
        self.queue.push_back(datagram);
    }
}

fn datagram(ip: &Ip) -> Option<Datagram> {
    Some((ip.src, ip.dst, ip.fragment?.id, ip.protocol))
}
