//! What came out of the tunnel, or from another worker: the ingress half, and what is done by its
//! verdict.

use std::sync::Arc;

use weft_engine::{Config, Engine, Frame, Now, Verdict, config::owner};
use weft_packet::{gro::Coalescer, offload::Offload, vxlan};

use super::{OWNER_AT, drops::Place, lane::Lane, ring::Origin};
use crate::underlay::{Datagram, Outbox};

/// A UDP payload from the underlay, or several that the kernel joined.
pub(super) fn take_datagram(
    (engine, lane, outbox): (&mut Engine, &mut Lane, &mut Outbox),
    config: &Arc<Config>,
    now: Now,
    datagram: Datagram<'_>,
) {
    let Datagram {
        source,
        segment,
        bytes,
    } = datagram;
    let counters = &mut lane.counters;
    counters.received += bytes.len().div_ceil(segment) as u64;
    counters.received_bytes += bytes.len() as u64;
    counters.receives += 1;
    let mut groups = Coalescer::new(segment, vxlan::HEADER);
    while let Some(group) = groups.next(bytes) {
        let range = group.compact(bytes);
        let all = (&mut *engine, &mut *lane, &mut *outbox);
        let origin = Origin::Tunnel { source };
        hand_payload(all, config, now, origin, &mut bytes[range], group.offload);
    }
}

/// A tunnel packet: it is this worker's, or of the one that its inner destination MAC names.
pub(super) fn hand_payload(
    all: (&mut Engine, &mut Lane, &mut Outbox),
    config: &Arc<Config>,
    now: Now,
    origin: Origin,
    payload: &mut [u8],
    offload: Offload,
) {
    let workers = all.1.rings.workers();
    let owner = payload.get(OWNER_AT).map(|&b| usize::from(b) % workers);
    match owner {
        Some(target) if target != all.1.rings.id() => {
            all.1.hand_over(target, origin, offload, payload);
        }
        _ => take_payload(all, config, now, origin, payload, offload),
    }
}

/// The ingress half of what came from the tunnel or from another worker.
pub(super) fn take_payload(
    (engine, lane, outbox): (&mut Engine, &mut Lane, &mut Outbox),
    config: &Arc<Config>,
    now: Now,
    origin: Origin,
    payload: &mut [u8],
    offload: Offload,
) {
    if lane.watch.is_on() {
        lane.watch.keep(now, config, None, payload);
    }
    let (verdict, skip, place, source) = match origin {
        Origin::Tunnel { source } => {
            let verdict = engine.from_tunnel(now, source, payload, offload, lane);
            (verdict, vxlan::HEADER, Place::Tunnel, Some(source))
        }
        Origin::Local { port } => {
            let frame = Frame {
                bytes: payload,
                offload,
            };
            let verdict = engine.to_port(now, port, frame, lane);
            (verdict, 0, Place::Ingress(port), None)
        }
    };
    if lane.watch.is_on() {
        let after = payload.get(skip..).unwrap_or_default();
        lane.watch.arrived(engine, (place, source), after, &verdict);
    }
    match verdict {
        Verdict::Deliver(port) => lane.write(port, &payload[skip..], offload),
        Verdict::Drop(drop) => lane.drops.note(now, config, place, payload, drop),
        Verdict::Outside => lane.write_outside(&payload[skip..], offload),
        // An edge gives it on from one host to another.
        Verdict::Encapsulate(encap) => outbox.forward(encap, &payload[skip..], offload),
        // This host picked a target of its own for a connection from the internet.
        Verdict::Local(port) if skip > 0 => {
            let whose = config
                .port(port)
                .map(|p| owner(p.mac, lane.rings.workers()));
            let origin = Origin::Local { port };
            match whose {
                Some(worker) if worker == lane.rings.id() => {
                    let inner = &mut payload[skip..];
                    let all = (&mut *engine, &mut *lane, &mut *outbox);
                    take_payload(all, config, now, origin, inner, offload);
                }
                Some(worker) => lane.hand_over(worker, origin, offload, &payload[skip..]),
                None => {}
            }
        }
        Verdict::Local(_) | Verdict::Consumed => {}
    }
    lane.send_made(outbox);
}
