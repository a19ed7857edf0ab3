//! How long an idle flow is kept, by what it is and how far it got.

use crate::{limits::Timeouts, time::Now};

/// Time as flows keep it: units of 2^20 nanoseconds, a little over a millisecond. 32 bits of them
/// last 52 days, ten times the longest timeout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tick(u32);

impl Tick {
    #[inline]
    pub(crate) const fn of(now: Now) -> Self {
        Self((now.0 >> 20) as u32)
    }

    /// Units since `earlier`.
    #[inline]
    pub(crate) const fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Its beginning, while the clock's high bits are none.
    pub(crate) const fn begin(self) -> Now {
        Now((self.0 as u64) << 20)
    }

    /// Nanoseconds since `earlier`.
    pub(crate) const fn nanoseconds_since(self, earlier: Self) -> u64 {
        (self.since(earlier) as u64) << 20
    }
}

/// The moment of a tick that isn't over for long.
pub(crate) const fn since_tick(now: Now, tick: Tick) -> Now {
    Now(now.0.saturating_sub(Tick::of(now).nanoseconds_since(tick)))
}

/// Which timeout applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    TcpHandshake,
    TcpEstablished,
    TcpClosing,
    TcpClosed,
    UdpOneWay,
    UdpStream,
    Other,
}

impl Class {
    /// Neither beginning nor ending.
    pub(crate) const fn is_in_swing(self) -> bool {
        matches!(
            self,
            Self::TcpEstablished | Self::UdpOneWay | Self::UdpStream | Self::Other
        )
    }
}

/// The timeouts of the classes, in ticks.
#[derive(Debug, Clone)]
pub(crate) struct Timers([u32; 7]);

impl Timers {
    pub(crate) fn new(timeouts: &Timeouts) -> Self {
        let ticks = Self::ticks;
        Self([
            ticks(timeouts.tcp_handshake),
            ticks(timeouts.tcp_established),
            ticks(timeouts.tcp_closing),
            ticks(timeouts.tcp_closed),
            ticks(timeouts.udp_one_way),
            ticks(timeouts.udp_stream),
            ticks(timeouts.other),
        ])
    }

    /// At least one unit, and well under the clock's wrap.
    pub(crate) fn ticks(nanoseconds: u64) -> u32 {
        (nanoseconds >> 20).clamp(1, 1 << 31) as u32
    }

    #[inline]
    pub(crate) fn of(&self, class: Class) -> u32 {
        self.0[class as usize]
    }
}
