//! The ports of one address, and which of them one destination uses.

use std::{collections::VecDeque, net::Ipv4Addr, sync::Arc};

use weft_model::LeaseKey;

use crate::{
    config::BlockUse,
    mutation::{Mutation, is_awake},
};

/// Closed blocks' ports that one allocation passes over at most: a host closes a block at a time.
const PASSED_OVER: usize = 2 * LeaseKey::PORTS as usize;

/// A worker's ports of one public address, in the order in which it got them.
#[derive(Debug, Default)]
pub(super) struct Ports {
    ports: Vec<u16>,
    blocks: Vec<Option<Arc<BlockUse>>>,
}

/// What a pool must know of ports that went: of the first so many of the old list, so many stay.
#[derive(Debug)]
pub(super) struct Gone {
    stay: Vec<u32>,
    blocks: Vec<bool>,
}

impl Gone {
    pub(super) fn is_gone(&self, port: u16) -> bool {
        block(port).is_none_or(|block| self.blocks.get(block).copied().unwrap_or(true))
    }
}

fn block(port: u16) -> Option<usize> {
    let offset = port.checked_sub(LeaseKey::FIRST)?;
    Some(usize::from(offset / LeaseKey::PORTS))
}

impl Ports {
    /// Takes these blocks for all that there are. What must be forgotten, where any went.
    pub(super) fn set(
        &mut self,
        address: Ipv4Addr,
        own: &[(u8, Arc<BlockUse>)],
        is_mine: impl Fn(u16) -> bool,
    ) -> Option<Gone> {
        let mut blocks = vec![None; usize::from(LeaseKey::BLOCKS)];
        for (block, usage) in own {
            blocks[usize::from(*block)] = Some(Arc::clone(usage));
        }
        let same = |old: &Arc<BlockUse>, new: &Option<Arc<BlockUse>>| {
            new.as_ref().is_some_and(|new| Arc::ptr_eq(old, new))
        };
        let before = std::mem::replace(&mut self.blocks, blocks);
        let went: Vec<bool> = (0..self.blocks.len())
            .map(|block| {
                let old = before.get(block).and_then(Option::as_ref);
                old.is_none_or(|old| !same(old, &self.blocks[block]))
            })
            .collect();
        let any = before.iter().flatten().count()
            > before
                .iter()
                .zip(&self.blocks)
                .filter(|(old, new)| old.as_ref().is_some_and(|old| same(old, new)))
                .count();
        let gone = any.then(|| self.forget(&went));
        let new = own.iter().filter(|(block, _)| went[usize::from(*block)]);
        for key in new.filter_map(|(block, _)| LeaseKey::new(address, *block)) {
            let ports = key.ports();
            let ports = ports.first()..=ports.last();
            self.ports.extend(ports.filter(|port| is_mine(*port)));
        }
        gone
    }

    fn forget(&mut self, went: &[bool]) -> Gone {
        let mut stay = Vec::with_capacity(self.ports.len() + 1);
        let mut count = 0;
        let is_gone = |port: u16| block(port).is_none_or(|block| went[block]);
        for &port in &self.ports {
            stay.push(count);
            count += u32::from(!is_gone(port));
        }
        stay.push(count);
        self.ports.retain(|port| !is_gone(*port));
        Gone {
            stay,
            blocks: went.to_vec(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ports.len()
    }

    fn usage(&self, port: u16) -> Option<&BlockUse> {
        self.blocks.get(block(port)?)?.as_deref()
    }

    /// Whether the port's block is held.
    pub(super) fn has(&self, port: u16) -> bool {
        self.usage(port).is_some()
    }

    fn is_closed(&self, port: u16) -> bool {
        self.usage(port).is_none_or(BlockUse::is_closed)
    }

    pub(super) fn begin(&self, port: u16) {
        self.usage(port).inspect(|usage| usage.begin());
    }

    pub(super) fn end(&self, port: u16) {
        self.usage(port).inspect(|usage| usage.end());
    }
}

/// The ports that connections to one destination use. Each operation takes constant time.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// How many of the list were ever taken.
    next: u32,
    /// Those of them that came back, the longest free first.
    freed: VecDeque<u16>,
    live: usize,
}

impl Pool {
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// A port that was never taken, or else the one that is free the longest.
    pub(super) fn take(&mut self, ports: &Ports) -> Option<u16> {
        if is_awake(Mutation::NatPortShared) {
            return ports.ports.first().copied();
        }
        for _ in 0..=PASSED_OVER {
            let port = match ports.ports.get(self.next as usize) {
                Some(&port) => {
                    self.next += 1;
                    port
                }
                None => self.freed.pop_front()?,
            };
            if !ports.is_closed(port) {
                self.live += 1;
                return Some(port);
            }
            self.freed.push_back(port);
        }
        None
    }

    /// A connection ended; its port is free, if it is still held.
    pub(super) fn give_back(&mut self, port: u16, held: bool) {
        self.live = self.live.saturating_sub(1);
        if held {
            self.freed.push_back(port);
        }
    }

    /// Ports went, and whatever used them.
    pub(super) fn forget(&mut self, gone: &Gone) {
        let taken = self.next;
        self.next = gone.stay.get(taken as usize).copied().unwrap_or(0);
        self.freed.retain(|port| !gone.is_gone(*port));
        self.live = (self.next as usize).saturating_sub(self.freed.len());
    }
}
