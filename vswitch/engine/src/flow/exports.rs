//! Which halves of flows are carried on outside of the engine, and what changed about them. While
//! nobody carries any on, a packet pays one branch for it.

use crate::config::Direction;

/// Bits of a half; those of the way in stand one to the left.
const HELD: u8 = 1;
/// What is held, or not, is as it should be.
const CURRENT: u8 = 1 << 2;
/// It is among the events already.
const QUEUED: u8 = 1 << 4;

/// Something about a half changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event<T> {
    /// It is to be looked at.
    Look(usize, Direction),
    /// It ended, or is taken back; what stood there.
    Gone(usize, Direction, T),
}

/// The halves by their flows' places, and the events in order. Each half is among them once but for
/// its ends, and only what is held ends: both are bounded by the table.
#[derive(Debug)]
pub(crate) struct Exports<T> {
    on: bool,
    halves: Vec<u8>,
    events: Vec<Event<T>>,
}

impl<T> Default for Exports<T> {
    fn default() -> Self {
        Self {
            on: false,
            halves: Vec::new(),
            events: Vec::new(),
        }
    }
}

const fn of(bit: u8, direction: Direction) -> u8 {
    bit << direction as u8
}

impl<T: Copy> Exports<T> {
    /// Somebody carries halves on from now on.
    pub(crate) fn begin(&mut self) {
        self.on = true;
    }

    /// A packet of the half passed the engine.
    #[inline]
    pub(crate) fn touch(&mut self, at: usize, direction: Direction) {
        if self.on {
            self.queue(at, direction, CURRENT | QUEUED);
        }
    }

    /// What was compiled of the half may no longer be so.
    #[inline]
    pub(crate) fn change(&mut self, at: usize, direction: Direction) {
        if !self.on {
            return;
        }
        if let Some(bits) = self.halves.get_mut(at) {
            *bits &= !of(CURRENT, direction);
        }
        self.queue(at, direction, QUEUED);
    }

    #[inline(never)]
    fn queue(&mut self, at: usize, direction: Direction, unless: u8) {
        if at >= self.halves.len() {
            self.halves.resize(at + 1, 0);
        }
        let bits = &mut self.halves[at];
        let mask = of(unless & CURRENT, direction) | of(unless & QUEUED, direction);
        if *bits & mask == 0 {
            *bits |= of(QUEUED, direction);
            self.events.push(Event::Look(at, direction));
        }
    }

    /// Whether any half of the flow is held.
    #[inline]
    pub(crate) fn holds(&self, at: usize) -> bool {
        let bits = self.halves.get(at).copied().unwrap_or_default();
        bits & (of(HELD, Direction::Egress) | of(HELD, Direction::Ingress)) != 0
    }

    /// Takes back what is held of the flow in a place.
    pub(crate) fn end(&mut self, at: usize, what: T) {
        let Some(bits) = self.halves.get_mut(at) else {
            return;
        };
        let before = std::mem::take(bits);
        for direction in [Direction::Egress, Direction::Ingress] {
            if before & of(HELD, direction) != 0 {
                self.events.push(Event::Gone(at, direction, what));
            }
        }
    }

    /// What happened since this was asked last.
    pub(crate) fn take(&mut self) -> Vec<Event<T>> {
        std::mem::take(&mut self.events)
    }

    /// The half was looked at and is held or not; `None`: it is too early to say. Whether it was held
    /// before.
    pub(crate) fn settle(&mut self, at: usize, direction: Direction, held: Option<bool>) -> bool {
        let Some(bits) = self.halves.get_mut(at) else {
            return false;
        };
        let before = *bits & of(HELD, direction) != 0;
        *bits &= !(of(QUEUED, direction) | of(HELD, direction) | of(CURRENT, direction));
        match held {
            Some(true) => *bits |= of(HELD, direction) | of(CURRENT, direction),
            Some(false) => *bits |= of(CURRENT, direction),
            None => {}
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN: Direction = Direction::Ingress;
    const OUT: Direction = Direction::Egress;

    fn began() -> Exports<u8> {
        let mut exports = Exports::default();
        exports.begin();
        exports
    }

    #[test]
    fn nothing_is_noted_while_nobody_carries_anything_on() {
        let mut exports = Exports::<u8>::default();
        exports.touch(3, OUT);
        exports.change(3, OUT);
        assert_eq!(exports.take(), []);
    }

    #[test]
    fn a_half_waits_once_and_not_again_while_it_is_current() {
        let mut exports = began();
        exports.touch(3, OUT);
        exports.touch(3, OUT);
        exports.touch(3, IN);
        assert_eq!(exports.take(), [Event::Look(3, OUT), Event::Look(3, IN)]);
        assert!(!exports.settle(3, OUT, Some(true)));
        exports.settle(3, IN, None);
        exports.touch(3, OUT);
        exports.touch(3, IN);
        assert_eq!(exports.take(), [Event::Look(3, IN)]);
        exports.change(3, OUT);
        assert_eq!(exports.take(), [Event::Look(3, OUT)]);
        assert!(exports.settle(3, OUT, Some(true)));
    }

    #[test]
    fn what_is_held_is_taken_back_once() {
        let mut exports = began();
        exports.touch(3, OUT);
        exports.touch(3, IN);
        exports.take();
        exports.settle(3, OUT, Some(true));
        exports.settle(3, IN, Some(false));
        assert!(exports.holds(3));
        exports.end(3, 7);
        exports.end(3, 8);
        assert!(!exports.holds(3));
        assert_eq!(exports.take(), [Event::Gone(3, OUT, 7)]);
    }
}
