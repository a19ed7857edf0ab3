//! What passes and what is dropped, as it happens.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use weft_datapath::{Ends, FlowEvent, Seen, Watch};
use weft_proto::host::v1 as wire;

use super::{filter, recent};
use crate::host::Host;

/// How often the workers' rings are looked at.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// Answers that wait for a slow reader; the rings hold what comes meanwhile.
pub(super) const ANSWERS: usize = 4;

pub(super) type Events = ReceiverStream<Result<wire::ObserveResponse, Status>>;

/// Begins to tell.
pub(super) fn start(host: &Arc<Host>, request: wire::ObserveRequest) -> Result<Events, Status> {
    let filter = filter::read(request.filter.as_ref())?;
    let watch = tokio::task::block_in_place(|| host.datapath.observe(&filter, request.packets));
    let watch = watch.map_err(|error| Status::unavailable(error.to_string()))?;
    let (out, answers) = mpsc::channel(ANSWERS);
    tokio::spawn(tell(Arc::clone(host), watch, out));
    Ok(ReceiverStream::new(answers))
}

/// Until the reader goes away.
async fn tell(
    host: Arc<Host>,
    watch: Watch<FlowEvent>,
    out: mpsc::Sender<Result<wire::ObserveResponse, Status>>,
) {
    let (epoch, name) = (host.datapath.epoch(), host.config().host().to_string());
    // It doesn't keep the host's ports from being stopped.
    drop(host);
    let mut beats = tokio::time::interval(LOOK);
    let mut missed = 0;
    while !out.is_closed() {
        beats.tick().await;
        let mut events = watch.take();
        let so_far = watch.missed();
        if events.is_empty() && so_far == missed {
            continue;
        }
        missed = so_far;
        events.sort_by_key(|event| event.at);
        let events = events.iter().map(|event| describe(event, epoch, &name));
        let answer = wire::ObserveResponse {
            events: events.collect(),
            missed,
        };
        if out.send(Ok(answer)).await.is_err() {
            return;
        }
    }
}

fn describe(event: &FlowEvent, epoch: u64, host: &str) -> wire::Event {
    let mut told = wire::Event {
        unix_nanoseconds: epoch + event.at.0,
        host: host.to_owned(),
        half: recent::half(event.half).to_owned(),
        interface: recent::text(event.interface),
        bytes: event.length as u64,
        ..Default::default()
    };
    match &event.seen {
        Seen::Forwarded { rule } => {
            told.verdict = "forwarded".to_owned();
            told.rule = recent::text(*rule);
        }
        Seen::Answered => told.verdict = "answered".to_owned(),
        Seen::Dropped(drop) => {
            told.verdict = "dropped".to_owned();
            told.reason = drop.reason.code().to_owned();
            told.object = recent::text(drop.object);
            told.what = recent::what(drop, &event.groups);
        }
    }
    if let Some(ends) = &event.ends {
        put_ends(&mut told, ends);
    }
    told
}

fn put_ends(told: &mut wire::Event, ends: &Ends) {
    let (source_port, destination_port) = ends.ports.unwrap_or_default();
    told.protocol = ends
        .protocol
        .map_or_else(|| "arp".to_owned(), |protocol| protocol.to_string());
    told.source = ends.src.to_string();
    told.source_port = source_port.into();
    told.destination = ends.dst.to_string();
    told.destination_port = destination_port.into();
    told.icmp_type = ends.icmp.map(|(kind, _)| kind.into());
    told.icmp_code = ends.icmp.map(|(_, code)| code.into());
}
