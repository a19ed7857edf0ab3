//! TCP's states, as far as a timeout depends on them (RFC 9293 section 3.3.2 seen from outside).

use weft_packet::headers::tcp_flags::{ACK, FIN, RST, SYN};

use super::class::Class;

/// How far a TCP connection got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum TcpState {
    /// Not TCP.
    None,
    /// The first SYN was seen.
    SynSent,
    /// The other side's SYN too.
    SynReceived,
    /// Data flows; or the connection was met midway.
    Established,
    /// The port's side is done.
    LocalFin,
    /// The remote side is done.
    RemoteFin,
    /// Both are, or one reset it.
    Closed,
}

/// Whether a segment asks for a new connection.
#[inline]
pub(crate) const fn is_opening(flags: u8) -> bool {
    flags & (SYN | ACK | RST) == SYN
}

impl TcpState {
    /// The state of a connection whose first seen segment has these flags. One met midway (after
    /// a restart) counts as established, though unconfirmed until the other side is heard.
    pub(crate) const fn first(flags: u8) -> Self {
        match () {
            () if is_opening(flags) => Self::SynSent,
            () if flags & RST != 0 => Self::Closed,
            () => Self::Established,
        }
    }

    /// The state after a segment; `from_local`: the port sent it; `from_initiator`: whoever began.
    #[inline]
    pub(crate) const fn after(self, flags: u8, from_local: bool, from_initiator: bool) -> Self {
        if flags & RST != 0 {
            return Self::Closed;
        }
        let state = match self {
            Self::SynSent if from_initiator => Self::SynSent,
            Self::SynSent if flags & SYN != 0 => Self::SynReceived,
            Self::SynSent => Self::Established,
            Self::SynReceived if flags & SYN != 0 => Self::SynReceived,
            Self::SynReceived => Self::Established,
            other => other,
        };
        if flags & FIN == 0 {
            return state;
        }
        match (state, from_local) {
            (Self::Established, true) => Self::LocalFin,
            (Self::Established, false) => Self::RemoteFin,
            (Self::LocalFin, false) | (Self::RemoteFin, true) => Self::Closed,
            (state, _) => state,
        }
    }

    /// Whether the handshake may still be going on.
    pub(crate) const fn is_opening(self) -> bool {
        matches!(self, Self::SynSent | Self::SynReceived)
    }

    #[inline]
    pub(crate) const fn class(self, settled: bool) -> Class {
        match self {
            Self::None => Class::Other,
            Self::SynSent | Self::SynReceived => Class::TcpHandshake,
            Self::Established if settled => Class::TcpEstablished,
            Self::Established => Class::TcpHandshake,
            Self::LocalFin | Self::RemoteFin => Class::TcpClosing,
            Self::Closed => Class::TcpClosed,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Segments as (flags, sent by the port); the port begins.
    fn run(segments: &[(u8, bool)]) -> TcpState {
        let first = TcpState::first(segments[0].0);
        segments[1..].iter().fold(first, |state, &(flags, local)| {
            state.after(flags, local, local)
        })
    }

    #[test]
    fn a_handshake_establishes() {
        assert_eq!(run(&[(SYN, true)]), TcpState::SynSent);
        assert_eq!(
            run(&[(SYN, true), (SYN | ACK, false)]),
            TcpState::SynReceived
        );
        let whole = [(SYN, true), (SYN | ACK, false), (ACK, true)];
        assert_eq!(run(&whole), TcpState::Established);
    }

    #[test]
    fn a_repeated_syn_does_not_establish() {
        assert_eq!(
            run(&[(SYN, true), (SYN, true), (ACK, true)]),
            TcpState::SynSent
        );
    }

    #[test]
    fn both_fins_close_and_one_does_not() {
        let open = [(ACK, true), (ACK, false)];
        let half = [open[0], open[1], (FIN | ACK, true), (ACK, false)];
        assert_eq!(run(&half), TcpState::LocalFin);
        let both = [open[0], open[1], (FIN | ACK, true), (FIN | ACK, false)];
        assert_eq!(run(&both), TcpState::Closed);
        let twice = [open[0], open[1], (FIN | ACK, true), (FIN | ACK, true)];
        assert_eq!(run(&twice), TcpState::LocalFin);
    }

    #[test]
    fn only_a_bare_syn_opens() {
        assert!(is_opening(SYN));
        assert!(is_opening(SYN | FIN));
        assert!(!is_opening(SYN | ACK));
        assert!(!is_opening(SYN | RST));
        assert!(!is_opening(ACK));
    }

    proptest! {
        #[test]
        fn a_reset_closes_for_good(segments in prop::collection::vec((any::<u8>(), any::<bool>()), 1..20)) {
            let mut reset = segments.clone();
            reset.insert(1, (RST, false));
            prop_assert_eq!(run(&reset), TcpState::Closed);
        }

        #[test]
        fn one_side_alone_never_gets_past_its_syn(flags in prop::collection::vec(any::<u8>(), 0..20)) {
            let mut segments = vec![(SYN, true)];
            segments.extend(flags.iter().map(|f| (f & !RST, true)));
            prop_assert_eq!(run(&segments), TcpState::SynSent);
        }
    }
}
