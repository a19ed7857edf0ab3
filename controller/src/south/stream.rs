//! One stream: sends from the session, takes the host's answers, notices when the host is lost.

use std::sync::Arc;

use tokio::{
    sync::mpsc::{self, OwnedPermit},
    time::{Instant, Interval, MissedTickBehavior, interval, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::Span;
use weft_model::{HostName, state::StateKey};
use weft_planner::queue::{Refusal, Update};
use weft_proto::sync::v1::{
    self as wire, from_host::Message as FromHost, port_report, sync_server::Sync as SyncService,
    to_host::Message as ToHost,
};

use super::{
    Hub, PortTrouble,
    leases::Ask,
    session::{Ending, Link, Session},
};

/// Messages that wait for the transport: the one update in flight, and heartbeats.
const OUTBOX: usize = 4;

type Answer = Result<wire::ToHost, Status>;

/// The gRPC service that vswitches connect to.
pub struct Service {
    hub: Hub,
}

impl Service {
    pub(super) const fn new(hub: Hub) -> Self {
        Self { hub }
    }
}

#[tonic::async_trait]
impl SyncService for Service {
    type StreamStream = ReceiverStream<Answer>;

    async fn stream(
        &self,
        request: Request<Streaming<wire::FromHost>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let (out, answers) = mpsc::channel(OUTBOX);
        let hub = self.hub.clone();
        tokio::spawn(async move {
            if let Err(status) = serve(hub, request.into_inner(), out.clone()).await {
                // Nobody hears it where the host is gone already.
                let _ = out.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

/// Until the host leaves, which is no error, or the controller ends it.
async fn serve(
    hub: Hub,
    mut inbound: Streaming<wire::FromHost>,
    out: mpsc::Sender<Answer>,
) -> Result<(), Status> {
    let hello = tokio::select! {
        hello = timeout(hub.timings().hello, read_hello(&mut inbound)) => hello,
        () = hub.closed() => return Err(Ending::Closing.status()),
    };
    let late = |_| Status::deadline_exceeded("a stream begins with a hello, and none came");
    let hello = hello.map_err(late)??;
    let (host, session, link) = hub.connect(&hello)?;
    tracing::info!(
        host = hello.host,
        version = hello.version,
        held = hello.held.len(),
        "connected"
    );
    let mut stream = Stream {
        instance: hello.instance,
        beats: beats(&hub),
        host,
        sequence: 0,
        heard: Instant::now(),
        hub,
        session,
        link,
        inbound,
        out,
        in_flight: None,
    };
    let result = stream.run().await;
    tracing::info!(host = hello.host, error = ?result.as_ref().err(), "disconnected");
    result
}

async fn read_hello(inbound: &mut Streaming<wire::FromHost>) -> Result<wire::Hello, Status> {
    match inbound.message().await?.and_then(|message| message.message) {
        Some(FromHost::Hello(hello)) => Ok(hello),
        _ => Err(Status::invalid_argument("a stream begins with a hello")),
    }
}

fn beats(hub: &Hub) -> Interval {
    let mut beats = interval(hub.timings().heartbeat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats
}

struct Stream {
    /// Which process of the host.
    instance: u64,
    hub: Hub,
    host: HostName,
    session: Arc<Session>,
    link: Arc<Link>,
    inbound: Streaming<wire::FromHost>,
    out: mpsc::Sender<Answer>,
    beats: Interval,
    sequence: u64,
    heard: Instant,
    /// From an update's sending to its acknowledgement, for traces.
    in_flight: Option<Span>,
}

/// However the stream ends, the session must not wait for its answers.
impl Drop for Stream {
    fn drop(&mut self) {
        self.session.disconnect(&self.link);
        self.hub.lost(&self.host);
    }
}

/// What a stream waits for.
enum Event {
    Message(wire::FromHost),
    /// There may be something to send, or the stream is to end.
    Woken,
    Beat,
    /// Something is ready to send, and there is room for it.
    Room(OwnedPermit<Answer>),
    /// The host left, or the connection broke: it will be back.
    Gone,
}

impl Stream {
    async fn run(&mut self) -> Result<(), Status> {
        loop {
            if let Some(ending) = self.link.ending() {
                return Err(ending.status());
            }
            match self.event().await {
                Event::Message(message) => self.receive(message)?,
                Event::Woken => self.send_probes(),
                Event::Beat => self.beat()?,
                Event::Room(permit) => {
                    if let Some(update) = self.session.next_update(&self.link) {
                        self.in_flight = Some(self.span(&update));
                        permit.send(Ok(message(ToHost::Update(write_update(update)))));
                    }
                }
                Event::Gone => return Ok(()),
            }
        }
    }

    fn span(&self, update: &Update<wire::Resource>) -> Span {
        tracing::info_span!(
            "update",
            host = %self.host,
            nonce = update.nonce,
            revision = update.revision.0,
            resources = update.upserts.len(),
            removed = update.removals.len(),
        )
    }

    /// Where there is no room they are lost, and whoever asked hears that nobody answered.
    fn send_probes(&self) {
        for probe in self.link.probes.take() {
            let _ = self.out.try_send(Ok(message(ToHost::Probe(probe))));
        }
    }

    async fn event(&mut self) -> Event {
        tokio::select! {
            message = self.inbound.message() => match message {
                Ok(Some(message)) => Event::Message(message),
                Ok(None) | Err(_) => Event::Gone,
            },
            () = self.link.woken() => Event::Woken,
            _ = self.beats.tick() => Event::Beat,
            permit = self.out.clone().reserve_owned(), if self.session.is_ready(&self.link) => {
                permit.map_or(Event::Gone, Event::Room)
            }
        }
    }

    fn beat(&mut self) -> Result<(), Status> {
        let silence = self.heard.elapsed();
        if silence > self.hub.timings().silence {
            self.hub.note_silence();
            return Err(Status::deadline_exceeded(format!(
                "no word for {} s: send heartbeats",
                silence.as_secs()
            )));
        }
        self.sequence += 1;
        let beat = wire::Heartbeat {
            sequence: self.sequence,
        };
        // A full outbox says more about the host than a late heartbeat would.
        let _ = self.out.try_send(Ok(message(ToHost::Heartbeat(beat))));
        Ok(())
    }

    fn receive(&mut self, message: wire::FromHost) -> Result<(), Status> {
        self.heard = Instant::now();
        self.session.hear(self.heard);
        match message.message {
            Some(FromHost::Hello(_)) => Err(Status::invalid_argument("hello was said already")),
            Some(FromHost::Ack(ack)) => self.acknowledge(ack),
            Some(FromHost::Port(report)) => {
                self.report(report);
                Ok(())
            }
            Some(FromHost::Probe(answer)) => {
                self.link.probes.answered(answer);
                Ok(())
            }
            Some(FromHost::Meters(report)) => {
                let metering = self.hub.metering();
                metering.absorb(&self.host, self.instance, &report.used);
                Ok(())
            }
            Some(FromHost::Health(report)) => {
                self.hub.report_health(&self.host, &report);
                Ok(())
            }
            Some(FromHost::LeaseRequest(request)) => self.more_ports(&request),
            Some(FromHost::LeaseReturn(give)) => self.fewer_ports(&give),
            // Any word will do; and a newer vswitch may have words that aren't known here.
            Some(FromHost::Heartbeat(_)) | None => Ok(()),
        }
    }

    fn more_ports(&self, request: &wire::LeaseRequest) -> Result<(), Status> {
        let nat = request.nat.parse();
        let nat = nat.map_err(|error| Status::invalid_argument(format!("nat: {error}")))?;
        let blocks = usize::try_from(request.blocks).unwrap_or(usize::MAX);
        self.hub.ask(Ask::More(self.host.clone(), nat, blocks));
        Ok(())
    }

    fn fewer_ports(&self, give: &wire::LeaseReturn) -> Result<(), Status> {
        let keys = give.leases.iter().map(|key| key.parse());
        let keys = keys.collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(|error| Status::invalid_argument(format!("leases: {error}")))?;
        self.hub.ask(Ask::Less(self.host.clone(), keys));
        Ok(())
    }

    fn acknowledge(&mut self, ack: wire::Ack) -> Result<(), Status> {
        self.in_flight = None;
        let refused = ack.refused.into_iter().filter_map(read_nack).collect();
        let result = self.session.ack(&self.link, ack.nonce, refused);
        result.map_err(|error| Status::invalid_argument(error.to_string()))
    }

    fn report(&self, report: wire::PortReport) {
        let status = report.status();
        let Ok(port) = report.interface.parse() else {
            return;
        };
        let trouble = |failed| PortTrouble {
            failed,
            reason: report.reason.clone(),
        };
        match status {
            port_report::Status::Up => self.session.report(&self.link, port, None),
            port_report::Status::Pending => {
                self.session.report(&self.link, port, Some(trouble(false)));
            }
            port_report::Status::Failed => {
                self.session.report(&self.link, port, Some(trouble(true)));
            }
            port_report::Status::Unspecified => {}
        }
    }
}

/// `None` where it names nothing that could have been sent.
fn read_nack(nack: wire::Nack) -> Option<(StateKey, Refusal)> {
    let key = StateKey::try_from(&nack.key?).ok()?;
    let refusal = Refusal {
        version: nack.version,
        reason: nack.reason,
    };
    tracing::warn!(
        key = key.name(),
        reason = refusal.reason,
        "a host refused a resource"
    );
    Some((key, refusal))
}

fn write_update(update: Update<wire::Resource>) -> wire::Update {
    let upserts = update.upserts.iter();
    wire::Update {
        nonce: update.nonce,
        revision: update.revision.0,
        resources: upserts.map(|item| item.body.clone()).collect(),
        removed: update.removals.iter().map(Into::into).collect(),
        more: update.more,
    }
}

const fn message(message: ToHost) -> wire::ToHost {
    wire::ToHost {
        message: Some(message),
    }
}
