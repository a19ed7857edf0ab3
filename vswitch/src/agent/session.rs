//! One connection.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint, Uri},
};
use weft_engine::watch::{Meter, Reach};
use weft_model::InterfaceId;
use weft_proto::convert::sync::write_health;
use weft_proto::sync::v1::{
    self as wire, from_host::Message as FromHost, port_report::Status, sync_client::SyncClient,
    to_host::Message as ToHost,
};

use super::{Agent, SessionError, backoff::Backoff, leases, probe};
use crate::{
    health::Findings,
    ports::{Board, PortState},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How often the controller hears what interfaces used.
const METERS: Duration = Duration::from_secs(5);
/// Lines of one report: some 100 KiB.
const REPORTED: usize = 1_000;
/// A controller that says nothing for this long, neither update nor heartbeat, is lost.
const SILENCE: Duration = Duration::from_secs(8);
/// HTTP/2 pings find a dead connection sooner than the silence of a busy controller.
const KEEPALIVE: Duration = Duration::from_secs(2);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(4);
/// Messages that wait for the transport; past it this side waits too.
const OUTBOX: usize = 64;

/// Findings in one message: some hundred bytes each at most, far below what a controller takes.
const FINDINGS: usize = 1024;

pub(super) struct Session<'a> {
    agent: &'a Agent,
    controller: Uri,
    board: watch::Receiver<Board>,
    reported: BTreeMap<InterfaceId, PortState>,
    findings: watch::Receiver<Findings>,
    told: Findings,
}

impl<'a> Session<'a> {
    pub(super) fn new(agent: &'a Agent, controller: Uri) -> Self {
        let mut board = agent.host.ports.board();
        // A new connection hears of every port.
        board.mark_changed();
        let mut findings = agent.host.findings.clone();
        findings.mark_changed();
        Self {
            agent,
            controller,
            board,
            reported: BTreeMap::new(),
            findings,
            told: Findings::new(),
        }
    }

    /// Until the connection ends, in whatever way.
    pub(super) async fn run(mut self, backoff: &mut Backoff) -> Result<(), SessionError> {
        let channel = connect(&self.controller).await?;
        let (out, outbound) = mpsc::channel(OUTBOX);
        send(&out, FromHost::Hello(self.hello())).await?;
        let mut client = SyncClient::new(channel);
        let stream = client.stream(ReceiverStream::new(outbound)).await;
        let mut inbound = stream.map_err(ended)?.into_inner();
        self.serve(&mut inbound, &out, backoff).await
    }

    fn hello(&self) -> wire::Hello {
        wire::Hello {
            host: self.agent.name.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: self.agent.instance,
            held: self.agent.host.held(),
        }
    }

    async fn serve(
        &mut self,
        inbound: &mut Streaming<wire::ToHost>,
        out: &mpsc::Sender<wire::FromHost>,
        backoff: &mut Backoff,
    ) -> Result<(), SessionError> {
        let mut beats = interval(HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut meters = interval(METERS);
        meters.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = BTreeMap::new();
        let mut looks = interval(leases::LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut leases = leases::Leases::new();
        let mut sequence = 0;
        let mut lost = Instant::now() + SILENCE;
        loop {
            tokio::select! {
                message = inbound.message() => {
                    let message = message.map_err(ended)?.ok_or(SessionError::Closed)?;
                    lost = Instant::now() + SILENCE;
                    self.heard(backoff);
                    self.receive(message, out).await?;
                }
                _ = beats.tick() => {
                    sequence += 1;
                    send(out, FromHost::Heartbeat(wire::Heartbeat { sequence })).await?;
                }
                _ = meters.tick() => self.tell_meters(&mut told, out).await?,
                _ = looks.tick() => {
                    let config = self.agent.host.config();
                    for message in leases.messages(&config, Instant::now()) {
                        send(out, message).await?;
                    }
                }
                changed = self.board.changed() => {
                    changed.map_err(|_| SessionError::Closed)?;
                    self.report(out).await?;
                }
                changed = self.findings.changed() => {
                    changed.map_err(|_| SessionError::Closed)?;
                    self.tell(out).await?;
                }
                () = sleep_until(lost) => return Err(SessionError::Silent(SILENCE.as_secs())),
            }
        }
    }

    /// The first word proves that the controller knows this host.
    fn heard(&self, backoff: &mut Backoff) {
        backoff.reset();
        self.agent.host.note(|link| {
            if !link.connected {
                link.connected = true;
                link.connections += 1;
                link.last_error.clear();
                tracing::info!(controller = link.endpoint, "connected");
            }
        });
    }

    async fn receive(
        &self,
        message: wire::ToHost,
        out: &mpsc::Sender<wire::FromHost>,
    ) -> Result<(), SessionError> {
        match message.message {
            Some(ToHost::Update(update)) => {
                let ack = tokio::task::block_in_place(|| self.agent.host.apply(&update))?;
                send(out, FromHost::Ack(ack)).await
            }
            Some(ToHost::Probe(probe)) => match probe::answer(&self.agent.host.config(), &probe) {
                Some(answer) => send(out, FromHost::Probe(answer)).await,
                None => Ok(()),
            },
            // Heartbeats have done their work by coming; newer controllers may have newer words.
            Some(ToHost::Heartbeat(_)) | None => Ok(()),
        }
    }

    /// Tells the sums that grew since they were told on this connection.
    async fn tell_meters(
        &self,
        told: &mut BTreeMap<InterfaceId, Meter>,
        out: &mpsc::Sender<wire::FromHost>,
    ) -> Result<(), SessionError> {
        let mut news = Vec::new();
        for (&interface, meter) in self.agent.host.books().meters() {
            if told.insert(interface, *meter) != Some(*meter) {
                news.extend(used(interface, meter));
            }
        }
        for some in news.chunks(REPORTED) {
            let used = some.to_vec();
            send(out, FromHost::Meters(wire::MeterReport { used })).await?;
        }
        Ok(())
    }

    /// Tells what changed since the last report on this connection.
    async fn report(&mut self, out: &mpsc::Sender<wire::FromHost>) -> Result<(), SessionError> {
        let board = self.board.borrow_and_update().clone();
        for (interface, state) in &board {
            if self.reported.get(interface) != Some(state) {
                send(out, FromHost::Port(report(*interface, state))).await?;
            }
        }
        self.reported = board;
        Ok(())
    }

    /// Tells what the health checks found since they were told of on this connection.
    async fn tell(&mut self, out: &mpsc::Sender<wire::FromHost>) -> Result<(), SessionError> {
        let findings = self.findings.borrow_and_update().clone();
        let news = findings.iter().filter(|(target, finding)| {
            let told = self.told.get(*target);
            told != Some(*finding)
        });
        let news = news.map(|(target, finding)| write_health(*target, finding.as_deref()));
        let news: Vec<wire::TargetHealth> = news.collect();
        for some in news.chunks(FINDINGS) {
            let targets = some.to_vec();
            send(out, FromHost::Health(wire::HealthReport { targets })).await?;
        }
        self.told = findings;
        Ok(())
    }
}

async fn connect(controller: &Uri) -> Result<Channel, SessionError> {
    Endpoint::from(controller.clone())
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect()
        .await
        .map_err(SessionError::Connect)
}

async fn send(out: &mpsc::Sender<wire::FromHost>, message: FromHost) -> Result<(), SessionError> {
    let message = wire::FromHost {
        message: Some(message),
    };
    out.send(message).await.map_err(|_| SessionError::Closed)
}

fn ended(status: tonic::Status) -> SessionError {
    SessionError::Status(Box::new(status))
}

fn report(interface: InterfaceId, state: &PortState) -> wire::PortReport {
    let (status, reason) = match state {
        PortState::Pending(reason) => (Status::Pending, reason.clone()),
        PortState::Up => (Status::Up, String::new()),
        PortState::Failed(reason) => (Status::Failed, reason.clone()),
    };
    wire::PortReport {
        interface: interface.to_string(),
        status: status.into(),
        reason,
    }
}

fn used(interface: InterfaceId, meter: &Meter) -> impl Iterator<Item = wire::Used> {
    let meter = *meter;
    Reach::ALL.into_iter().map(move |reach| {
        let usage = meter.of(reach);
        wire::Used {
            interface: interface.to_string(),
            reach: reach.text().to_owned(),
            sent_packets: usage.egress.packets,
            sent_bytes: usage.egress.bytes,
            received_packets: usage.ingress.packets,
            received_bytes: usage.ingress.bytes,
            connections: usage.connections,
        }
    })
}
