//! What the router tells the sender of a packet that it can't forward.

use std::net::IpAddr;

use weft_model::Mac;
use weft_packet::build::{IcmpError, icmp_error};

use super::{Core, Packet};
use crate::{
    config::SubnetConfig, port::PortIndex, service::limit::TokenBucket, time::Now, verdict::Sink,
};

impl Core {
    /// Sends an ICMP error from the router, as often as the port's share allows.
    #[cold]
    pub(super) fn refuse(
        &mut self,
        packet: &Packet<'_>,
        bytes: &[u8],
        error: IcmpError,
        sink: &mut impl Sink,
    ) {
        let subnet = packet.view.subnet();
        let from = match packet.ip.src {
            IpAddr::V4(_) => IpAddr::V4(subnet.router4()),
            IpAddr::V6(_) => {
                let global = subnet.router6();
                IpAddr::V6(global.unwrap_or_else(SubnetConfig::router_link_local))
            }
        };
        let out = &mut self.scratch;
        if !icmp_error(out, bytes, packet.headers, Mac::ROUTER, from, error) {
            return;
        }
        if !self.may_tell(packet.now, packet.port()) {
            self.counters.icmp_errors_suppressed += 1;
            return;
        }
        self.counters.icmp_errors += 1;
        sink.to_port(packet.port(), &self.scratch);
    }

    fn may_tell(&mut self, now: Now, port: PortIndex) -> bool {
        let limits = &self.limits;
        let full = || TokenBucket::new(limits.icmp_errors_per_second, limits.icmp_error_burst);
        let slot = port.slot();
        if slot >= self.errors.len() {
            self.errors.resize(slot + 1, None);
        }
        let (holder, bucket) = self.errors[slot].get_or_insert_with(|| (port, full()));
        if *holder != port {
            (*holder, *bucket) = (port, full());
        }
        bucket.take(now)
    }
}
