//! What an interface may do at the most. A port without limits costs a packet one branch.

use weft_packet::headers::{L4, UDP};

use super::{Core, Packet};
use crate::{
    config::Direction,
    drop::{Drop, DropObject, DropReason},
    frame::Frame,
};

impl Core {
    /// Takes the frame's share of what its port may send or get.
    #[inline]
    pub(super) fn admit(
        &mut self,
        packet: &Packet<'_>,
        direction: Direction,
        frame: &Frame<'_>,
    ) -> Result<(), Drop> {
        if packet.view.port.is_metered {
            return self.measure(packet, direction, frame);
        }
        Ok(())
    }

    #[inline(never)]
    fn measure(
        &mut self,
        packet: &Packet<'_>,
        direction: Direction,
        frame: &Frame<'_>,
    ) -> Result<(), Drop> {
        let (bytes, packets) = on_the_wire(packet, frame);
        let meter = self.meters.get_or(packet.port(), Default::default);
        meter.set(&packet.view.port.options.limits);
        meter
            .admit(packet.now, direction, bytes, packets)
            .map_err(|reason| exceeded(packet, reason))
    }

    /// Takes a new connection's share.
    pub(super) fn admit_connection(&mut self, packet: &Packet<'_>) -> Result<(), Drop> {
        if !packet.view.port.is_metered {
            return Ok(());
        }
        let meter = self.meters.get_or(packet.port(), Default::default);
        meter.set(&packet.view.port.options.limits);
        meter
            .open(packet.now)
            .map_err(|reason| exceeded(packet, reason))
    }
}

fn exceeded(packet: &Packet<'_>, reason: DropReason) -> Drop {
    Drop::because(reason, DropObject::Interface(packet.view.port.interface))
}

/// The bytes and packets that a super frame becomes.
fn on_the_wire(packet: &Packet<'_>, frame: &Frame<'_>) -> (u64, u64) {
    let length = frame.bytes.len() as u64;
    let Some(segmentation) = frame.offload.segmentation else {
        return (length, 1);
    };
    let payload = match packet.wire.l4_kind {
        L4::Tcp { data, .. } => data,
        _ => packet.wire.l4 + UDP,
    };
    let data = packet.wire.end.saturating_sub(payload);
    let packets = data.div_ceil(usize::from(segmentation.size)).max(1) as u64;
    (length + (packets - 1) * payload as u64, packets)
}
