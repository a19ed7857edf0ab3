//! Copies of packets, each with what became of it.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use weft_datapath::{CapturedFrame, Point, Points, Seen, Vtep, Watch};
use weft_proto::host::v1 as wire;

use super::{
    filter,
    observe::{ANSWERS, LOOK},
    recent,
};
use crate::host::Host;

/// Bytes of a packet that are kept unless the caller says how many: any packet but a super frame.
const USUAL: u32 = 9_216;
/// The most that are kept.
const MOST: u32 = 65_535;
/// Packets of one answer: well under the 4 MiB that a message may have.
const PACKETS: usize = 48;

pub(super) type Packets = ReceiverStream<Result<wire::CaptureResponse, Status>>;

/// Begins to copy.
pub(super) fn start(
    host: &Arc<Host>,
    own: Vtep,
    request: wire::CaptureRequest,
) -> Result<Packets, Status> {
    let filter = filter::read(request.filter.as_ref())?;
    if filter.interface.is_none() {
        return Err(filter::wrong("interface", "is required"));
    }
    let points = points(&request.points)?;
    let most = match request.most_bytes {
        0 => USUAL,
        most => most.min(MOST),
    };
    let watch = || host.datapath.capture(&filter, points, most as usize);
    let watch = tokio::task::block_in_place(watch)
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let (out, answers) = mpsc::channel(ANSWERS);
    let epoch = host.datapath.epoch();
    tokio::spawn(tell(watch, epoch, own, out));
    Ok(ReceiverStream::new(answers))
}

fn points(names: &[String]) -> Result<Points, Status> {
    let mut points = Points {
        tap: names.is_empty(),
        overlay: false,
        underlay: false,
    };
    for name in names {
        match name.as_str() {
            "tap" => points.tap = true,
            "overlay" => points.overlay = true,
            "underlay" => points.underlay = true,
            _ => {
                let reason = "has a word that is none of tap, overlay, underlay";
                return Err(filter::wrong("points", reason));
            }
        }
    }
    Ok(points)
}

/// Until the reader goes away.
async fn tell(
    watch: Watch<CapturedFrame>,
    epoch: u64,
    own: Vtep,
    out: mpsc::Sender<Result<wire::CaptureResponse, Status>>,
) {
    let mut beats = tokio::time::interval(LOOK);
    while !out.is_closed() {
        beats.tick().await;
        let mut frames = watch.take();
        // Stable: one packet's points stay in order.
        frames.sort_by_key(|frame| frame.at);
        for some in frames.chunks(PACKETS) {
            let packets = some.iter().map(|frame| packet(frame, epoch, own));
            let answer = wire::CaptureResponse {
                packets: packets.collect(),
                missed: watch.missed(),
            };
            if out.send(Ok(answer)).await.is_err() {
                return;
            }
        }
    }
}

fn packet(frame: &CapturedFrame, epoch: u64, own: Vtep) -> wire::Packet {
    let mut packet = wire::Packet {
        unix_nanoseconds: epoch + frame.at.0,
        data: frame.bytes.clone(),
        length: frame.length as u32,
        egress: frame.egress,
        comment: comment(frame),
        ..Default::default()
    };
    match frame.point {
        Point::Tap => packet.point = "tap".to_owned(),
        Point::Overlay { vni } => {
            packet.point = "overlay".to_owned();
            packet.comment += &format!("; vni {vni}");
        }
        Point::Underlay { vtep } => {
            packet.point = "underlay".to_owned();
            packet.vtep = vtep.to_string();
            packet.own_vtep = own.address.to_string();
        }
    }
    packet
}

fn comment(frame: &CapturedFrame) -> String {
    let way = if frame.egress { "egress" } else { "ingress" };
    let interface = frame.interface;
    match &frame.seen {
        Seen::Forwarded { rule: Some(rule) } => format!("forwarded {way} {interface}; rule {rule}"),
        Seen::Forwarded { rule: None } => format!("forwarded {way} {interface}"),
        Seen::Answered => format!("answered by the router {way} {interface}"),
        Seen::Dropped(drop) => {
            let (code, what) = (drop.reason.code(), recent::what(drop, &[]));
            let object = recent::text(drop.object);
            format!("dropped {way} {interface}; {code}; {object}; {what}")
        }
    }
}
