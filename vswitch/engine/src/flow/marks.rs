//! What was told of each flow already, so that the next look tells only what is new. It lies beside
//! the flows: their packets don't touch it but for a connection's first and last ones.

use weft_model::Mac;
use weft_packet::headers::tcp_flags::{ACK, FIN, RST, SYN};

use super::{class::Tick, entry::Flow, entry::NextHop, key::FlowKey};
use crate::{
    config::{Direction, HostSlot},
    counters::Tally,
    port::PortIndex,
};

/// Pieces of flows that ended and wait for the next look: a storm's worth between two ticks.
const MOST_ENDED: usize = 16_384;
/// Ports that are remembered for having lost some: more of them say nothing new.
const MOST_LOSERS: usize = 256;

/// What was told of a flow, and what nobody could tell from its counters.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    egress: Tally,
    ingress: Tally,
    flags: [u8; 2],
    /// Whether it began since the last look.
    fresh: bool,
}

/// What one direction carried since the last look.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Carried {
    pub(crate) tally: Tally,
    /// FIN, SYN, RST, and SYN with ACK, as flow logs write them.
    pub(crate) tcp_flags: u8,
}

/// What is new of a flow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) key: FlowKey,
    /// How it looks on the wire, where that is otherwise.
    pub(crate) outside: Option<FlowKey>,
    pub(crate) egress: Carried,
    pub(crate) ingress: Carried,
    pub(crate) created: Tick,
    pub(crate) seen: Tick,
    pub(crate) fresh: bool,
    pub(crate) next: NextHop,
    pub(crate) origin: Option<HostSlot>,
    /// Whether it is of mirrored copies.
    pub(crate) copies: bool,
}

/// The marks by the flow's place in the table.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marks: Vec<Mark>,
    ended: Vec<Piece>,
    losers: Vec<PortIndex>,
}

impl Marks {
    /// A new flow stands there.
    pub(super) fn begin(&mut self, at: usize, direction: Direction, tcp_flags: Option<u8>) {
        if at >= self.marks.len() {
            self.marks.resize(at + 1, Mark::default());
        }
        self.marks[at] = Mark {
            fresh: true,
            ..Mark::default()
        };
        self.note(at, direction, tcp_flags);
    }

    /// A segment changed how far its connection got.
    pub(super) fn note(&mut self, at: usize, direction: Direction, tcp_flags: Option<u8>) {
        if let (Some(mark), Some(flags)) = (self.marks.get_mut(at), tcp_flags) {
            mark.flags[direction as usize] |= logged_flags(flags);
        }
    }

    /// What is new of the flow, which then is told.
    pub(super) fn take(
        &mut self,
        at: usize,
        flow: &Flow,
        outside: Option<FlowKey>,
    ) -> Option<Piece> {
        let mark = self.marks.get_mut(at)?;
        let before = *mark;
        if before.egress == flow.egress && before.ingress == flow.ingress {
            return None;
        }
        *mark = Mark {
            egress: flow.egress,
            ingress: flow.ingress,
            ..Mark::default()
        };
        let carried = |now: Tally, then: Tally, direction| Carried {
            tally: Tally {
                packets: now.packets - then.packets,
                bytes: now.bytes - then.bytes,
            },
            tcp_flags: before.flags[direction as usize],
        };
        Some(Piece {
            key: flow.key,
            outside,
            egress: carried(flow.egress, before.egress, Direction::Egress),
            ingress: carried(flow.ingress, before.ingress, Direction::Ingress),
            created: flow.created,
            seen: flow.seen,
            fresh: before.fresh,
            next: flow.next(),
            origin: flow.origin().map(|(host, _)| host),
            copies: flow.origin().is_some_and(|(_, mac)| mac == Mac::MIRROR),
        })
    }

    /// The flow goes: what is new of it is kept for the next look.
    pub(super) fn end(&mut self, at: usize, flow: &Flow, outside: Option<FlowKey>) {
        let Some(piece) = self.take(at, flow, outside) else {
            return;
        };
        if self.ended.len() < MOST_ENDED {
            self.ended.push(piece);
            return;
        }
        let port = piece.key.port();
        if self.losers.len() < MOST_LOSERS && !self.losers.contains(&port) {
            self.losers.push(port);
        }
    }

    /// The pieces of flows that ended, and the ports that lost some.
    pub(super) fn ended(&mut self) -> (Vec<Piece>, Vec<PortIndex>) {
        (
            std::mem::take(&mut self.ended),
            std::mem::take(&mut self.losers),
        )
    }
}

/// A segment's flags as flow logs write them: an ACK counts with a SYN only.
pub(crate) const fn logged_flags(flags: u8) -> u8 {
    let kept = flags & (FIN | SYN | RST);
    if flags & (SYN | ACK) == SYN | ACK {
        kept | ACK
    } else {
        kept
    }
}
