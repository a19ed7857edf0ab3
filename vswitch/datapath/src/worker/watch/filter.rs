//! What of all traffic somebody wants to see.

use weft_model::{InterfaceId, Prefix, Protocol};

use super::Point;
use crate::worker::Ends;

/// Everything that isn't `None` must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchFilter {
    /// At a port of this interface.
    pub interface: Option<InterfaceId>,
    /// Of this protocol.
    pub protocol: Option<Protocol>,
    /// From or to this port.
    pub port: Option<u16>,
    /// From or to such an address.
    pub prefix: Option<Prefix>,
    /// Dropped, or not.
    pub dropped: Option<bool>,
}

impl WatchFilter {
    pub(super) fn admits(
        &self,
        interface: Option<InterfaceId>,
        ends: Option<&Ends>,
        dropped: bool,
    ) -> bool {
        let interface = self.interface.is_none() || self.interface == interface;
        let verdict = self.dropped.is_none_or(|wanted| wanted == dropped);
        interface && verdict && self.admits_ends(ends)
    }

    fn admits_ends(&self, ends: Option<&Ends>) -> bool {
        let Some(ends) = ends else {
            return self.protocol.is_none() && self.port.is_none() && self.prefix.is_none();
        };
        let protocol = self.protocol.is_none_or(|p| ends.protocol == Some(p));
        let port = self.port.is_none_or(|wanted| {
            let ports = ends.ports;
            ports.is_some_and(|(src, dst)| src == wanted || dst == wanted)
        });
        let prefix = self.prefix.is_none_or(|prefix| {
            let net = prefix.net();
            net.contains(&ends.src) || net.contains(&ends.dst)
        });
        protocol && port && prefix
    }
}

/// At which points packets are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Points {
    /// At the workload's device.
    pub tap: bool,
    /// In the tunnel.
    pub overlay: bool,
    /// Under the tunnel.
    pub underlay: bool,
}

impl Points {
    pub(super) const fn has(self, point: &Point) -> bool {
        match point {
            Point::Tap => self.tap,
            Point::Overlay { .. } => self.overlay,
            Point::Underlay { .. } => self.underlay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> Ends {
        Ends {
            protocol: Some(Protocol::TCP),
            src: "10.0.0.1".parse().unwrap(),
            dst: "10.0.1.2".parse().unwrap(),
            ports: Some((4000, 80)),
            icmp: None,
        }
    }

    #[test]
    fn every_condition_must_hold() {
        let id = InterfaceId::from_bits(1);
        let full = WatchFilter {
            interface: Some(id),
            protocol: Some(Protocol::TCP),
            port: Some(80),
            prefix: Some("10.0.1.0/24".parse().unwrap()),
            dropped: Some(true),
        };
        assert!(full.admits(Some(id), Some(&ends()), true));
        assert!(!full.admits(Some(id), Some(&ends()), false));
        assert!(!full.admits(None, Some(&ends()), true));
        assert!(!full.admits(Some(id), None, true));
        let other = WatchFilter {
            port: Some(81),
            ..full
        };
        assert!(!other.admits(Some(id), Some(&ends()), true));
        assert!(WatchFilter::default().admits(None, None, false));
    }
}
