//! The local inspection API on a Unix socket in the run directory.

mod capture;
mod filter;
mod flow_log;
mod observe;
mod recent;

use std::{collections::BTreeMap, io, path::Path, sync::Arc, time::Instant};

use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};
use weft_datapath::{
    Vtep, WorkerSnapshot,
    kernel::{Kernel, KernelCounters},
};
use weft_engine::{
    config::{Direction, PortConfig, owner},
    counters::{DropCounts, Tally},
    flow::FlowReport,
};
use weft_model::{InterfaceId, id::IdError};
use weft_proto::host::v1::{
    self as wire,
    inspect_server::{Inspect, InspectServer},
    port::State,
};

use crate::{host::Host, ports::PortState};

/// The socket's name in the run directory.
pub(crate) const SOCKET: &str = "vswitch.sock";

/// Drops in an answer that names no limit.
const DEFAULT_DROPS: usize = 100;
/// Drops in any answer; each worker keeps a few hundred.
const MOST_DROPS: usize = 1_000;
/// Flows in an answer that names no limit.
const DEFAULT_FLOWS: usize = 1_000;
/// Flows in any answer: a worker lists them between two batches.
const MOST_FLOWS: usize = 10_000;

/// Serves until the process ends.
pub(crate) async fn serve(path: &Path, inspector: Inspector) -> io::Result<()> {
    // The run lock is held, so a socket that is there is a dead process's.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    tonic::transport::Server::builder()
        .add_service(InspectServer::new(inspector))
        .serve_with_incoming(UnixListenerStream::new(listener))
        .await
        .map_err(io::Error::other)
}

/// Answers from the host's state.
pub(crate) struct Inspector {
    pub(crate) host: Arc<Host>,
    pub(crate) vtep: Vtep,
    pub(crate) started: Instant,
}

impl Inspector {
    /// Workers answer between two batches: milliseconds.
    fn snapshots(&self) -> Result<Vec<WorkerSnapshot>, Status> {
        let take = || self.host.datapath.snapshot();
        tokio::task::block_in_place(take).map_err(|error| Status::unavailable(error.to_string()))
    }
}

#[tonic::async_trait]
impl Inspect for Inspector {
    async fn status(
        &self,
        _: Request<wire::StatusRequest>,
    ) -> Result<Response<wire::StatusResponse>, Status> {
        let config = self.host.config();
        let link = self.host.link();
        let workers = self.snapshots()?;
        let held = self.host.census().into_iter();
        Ok(Response::new(wire::StatusResponse {
            host: config.host().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            vtep: self.vtep.address.to_string(),
            vxlan_port: self.vtep.port.into(),
            mtu: config.mtu().into(),
            controller: Some(wire::Controller {
                endpoint: link.endpoint,
                connected: link.connected,
                revision: link.revision,
                connections: link.connections,
                updates: link.updates,
                resources: link.resources,
                last_error: link.last_error,
            }),
            workers: workers.iter().enumerate().map(worker).collect(),
            held: held.map(|(kind, n)| (kind.to_owned(), n)).collect(),
            uptime_seconds: self.started.elapsed().as_secs(),
            counters: totals(&self.host),
            datapath: Some(datapath(&self.host, &workers)),
        }))
    }

    async fn ports(
        &self,
        _: Request<wire::PortsRequest>,
    ) -> Result<Response<wire::PortsResponse>, Status> {
        let config = self.host.config();
        let board = self.host.ports.board().borrow().clone();
        let workers = self.snapshots()?;
        let ports = config.ports().map(|(_, port)| {
            let state = board.get(&port.interface);
            let id = owner(port.mac, workers.len());
            describe(port, state, id, workers.get(id))
        });
        Ok(Response::new(wire::PortsResponse {
            ports: ports.collect(),
        }))
    }

    async fn drops(
        &self,
        _: Request<wire::DropsRequest>,
    ) -> Result<Response<wire::DropsResponse>, Status> {
        let mut drops = BTreeMap::new();
        for worker in self.snapshots()? {
            for (reason, count) in worker.engine.drops.iter() {
                *drops.entry(reason.code().to_owned()).or_insert(0) += count;
            }
        }
        Ok(Response::new(wire::DropsResponse {
            drops: drops.into_iter().collect(),
        }))
    }

    async fn recent_drops(
        &self,
        request: Request<wire::RecentDropsRequest>,
    ) -> Result<Response<wire::RecentDropsResponse>, Status> {
        let request = request.into_inner();
        let interface = match request.interface.as_str() {
            "" => None,
            id => Some(interface(id)?),
        };
        let limit = match request.limit {
            0 => DEFAULT_DROPS,
            limit => (limit as usize).min(MOST_DROPS),
        };
        let list = || self.host.datapath.recent_drops(interface, limit);
        let recent = tokio::task::block_in_place(list)
            .map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(recent::answer(&recent)))
    }

    type ObserveStream = observe::Events;

    async fn observe(
        &self,
        request: Request<wire::ObserveRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        observe::start(&self.host, request.into_inner()).map(Response::new)
    }

    type CaptureStream = capture::Packets;

    async fn capture(
        &self,
        request: Request<wire::CaptureRequest>,
    ) -> Result<Response<Self::CaptureStream>, Status> {
        capture::start(&self.host, self.vtep, request.into_inner()).map(Response::new)
    }

    async fn read_flow_log(
        &self,
        request: Request<wire::ReadFlowLogRequest>,
    ) -> Result<Response<wire::ReadFlowLogResponse>, Status> {
        let read = || flow_log::read(&self.host, &request.into_inner());
        tokio::task::block_in_place(read).map(Response::new)
    }

    async fn flows(
        &self,
        request: Request<wire::FlowsRequest>,
    ) -> Result<Response<wire::FlowsResponse>, Status> {
        let request = request.into_inner();
        let interface = interface(&request.interface)?;
        let config = self.host.config();
        let port = config.port_of(interface).ok_or_else(|| {
            Status::not_found(format!("{interface} is no port of {}", config.host()))
        })?;
        let limit = match request.limit {
            0 => DEFAULT_FLOWS,
            limit => (limit as usize).min(MOST_FLOWS),
        };
        // One more tells whether there are more.
        let list = || self.host.datapath.flows(port.index, port.mac, limit + 1);
        let mut flows = tokio::task::block_in_place(list)
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let truncated = flows.len() > limit;
        flows.truncate(limit);
        Ok(Response::new(wire::FlowsResponse {
            flows: flows.iter().map(flow).collect(),
            truncated,
        }))
    }
}

fn interface(id: &str) -> Result<InterfaceId, Status> {
    id.parse()
        .map_err(|error: IdError| Status::invalid_argument(error.to_string()))
}

fn flow(flow: &FlowReport) -> wire::Flow {
    let milliseconds = |nanoseconds: u64| nanoseconds / 1_000_000;
    wire::Flow {
        protocol: flow.protocol.to_string(),
        local: flow.local.0.to_string(),
        local_port: flow.local.1.into(),
        remote: flow.remote.0.to_string(),
        remote_port: flow.remote.1.into(),
        began: match flow.began {
            Direction::Egress => "egress".to_owned(),
            Direction::Ingress => "ingress".to_owned(),
        },
        status: flow.status.text().to_owned(),
        tracked: flow.tracked,
        rule: flow.rule.to_string(),
        egress: Some(tally(flow.egress)),
        ingress: Some(tally(flow.ingress)),
        age_milliseconds: milliseconds(flow.age),
        idle_milliseconds: milliseconds(flow.idle),
    }
}

fn worker((id, snapshot): (usize, &WorkerSnapshot)) -> wire::Worker {
    let flows = snapshot.engine.flows;
    wire::Worker {
        id: id as u32,
        ports: snapshot.ports as u64,
        flows: Some(wire::FlowTable {
            live: flows.live,
            created: flows.created,
            expired: flows.expired,
            evicted: flows.evicted,
            refused: flows.refused,
        }),
        counters: counters(snapshot),
    }
}

/// What the kernel's programs hold and count.
fn programs(kernel: &Kernel, workers: &[WorkerSnapshot]) -> std::collections::HashMap<String, u64> {
    let counters = kernel.counters().unwrap_or_else(|error| {
        tracing::warn!(%error, "the kernel datapath's counters can't be read");
        KernelCounters::default()
    });
    let sum = |of: fn(&WorkerSnapshot) -> u64| workers.iter().map(of).sum();
    let named = [
        ("ports", kernel.ports() as u64),
        ("halves", sum(|w| w.worker.kernel_halves)),
        ("halves_refused", sum(|w| w.worker.kernel_refused)),
        ("hits_out", counters.out),
        ("hits_in", counters.into),
        ("upcalls_out", counters.upcalls_out),
        ("upcalls_in", counters.upcalls_in),
        ("no_room", counters.no_room),
    ];
    named.map(|(name, n)| (name.to_owned(), n)).into()
}

/// What forwards.
fn datapath(host: &Host, workers: &[WorkerSnapshot]) -> wire::Datapath {
    let kernel = host.datapath.kernel();
    let kind = match kernel {
        Some(_) => "kernel",
        None => "userspace",
    };
    wire::Datapath {
        kind: kind.to_owned(),
        why_not: host.why_not_kernel.clone(),
        kernel: kernel.map(|k| programs(k, workers)).unwrap_or_default(),
    }
}

/// What the host counts beside its workers.
fn totals(host: &Host) -> std::collections::HashMap<String, u64> {
    let named = host.resolver.named().into_iter();
    let named = named.chain(host.mirrors.named());
    named.map(|(name, n)| (name.to_owned(), n)).collect()
}

fn counters(snapshot: &WorkerSnapshot) -> std::collections::HashMap<String, u64> {
    let (worker, sent, engine) = (&snapshot.worker, &snapshot.sent, &snapshot.engine);
    let named = [
        ("underlay_received", worker.received),
        ("underlay_received_bytes", worker.received_bytes),
        ("underlay_receives", worker.receives),
        ("underlay_receive_truncated", worker.receive_truncated),
        ("underlay_receive_errors", worker.receive_errors),
        ("underlay_sent", sent.packets),
        ("underlay_sent_bytes", sent.bytes),
        ("underlay_sends", sent.sends),
        ("underlay_send_too_big", sent.too_big),
        ("underlay_send_full", sent.full),
        ("underlay_send_refused", sent.refused),
        ("underlay_send_malformed", sent.malformed),
        ("tap_malformed", worker.tap_malformed),
        ("taps_lost", worker.taps_lost),
        ("tap_full", worker.tap_full),
        ("tap_refused", worker.tap_refused),
        ("handed_over", worker.handed_over),
        ("handover_full", worker.handover_full),
        ("outward", worker.outward),
        ("inward", worker.inward),
        ("made_full", worker.made_full),
        ("findings_lost", worker.findings_lost),
        ("dns_questions_lost", worker.questions_lost),
        ("busy_poll_ns", worker.busy_poll),
        ("icmp_errors", engine.icmp_errors),
        ("icmp_errors_suppressed", engine.icmp_errors_suppressed),
        ("answered", engine.answered),
        ("dns_forwarded", engine.dns_forwarded),
        ("fragmented", engine.fragmented),
        ("balancer_pins", engine.pins),
        ("balancer_pins_refused", engine.pins_refused),
        ("mirrored", engine.mirrored),
        ("mirror_limited", engine.mirror_limited),
        ("mirror_unreachable", engine.mirror_unreachable),
        ("mirror_file_full", worker.mirror_file_full),
    ];
    named.map(|(name, n)| (name.to_owned(), n)).into()
}

fn describe(
    port: &PortConfig,
    state: Option<&PortState>,
    worker: usize,
    snapshot: Option<&WorkerSnapshot>,
) -> wire::Port {
    let (state, reason) = match state {
        Some(PortState::Up) => (State::Up, ""),
        Some(PortState::Pending(reason)) => (State::Pending, reason.as_str()),
        Some(PortState::Failed(reason)) => (State::Failed, reason.as_str()),
        None => (State::Unspecified, ""),
    };
    let counters = snapshot
        .and_then(|snapshot| snapshot.engine.port(port.index))
        .cloned()
        .unwrap_or_default();
    let v4 = port.addresses4().map(|address| address.to_string());
    let v6 = port.ipv6.iter().map(ToString::to_string);
    wire::Port {
        interface: port.interface.to_string(),
        vpc: port.vpc.to_string(),
        subnet: port.subnet_id.to_string(),
        mac: port.mac.to_string(),
        addresses: v4.chain(v6).collect(),
        netns: port.netns.to_string(),
        device: port.device.to_string(),
        state: state.into(),
        reason: reason.to_owned(),
        egress: Some(tally(counters.egress)),
        ingress: Some(tally(counters.ingress)),
        drops: drops(&counters.drops),
        worker: worker as u32,
    }
}

fn tally(tally: Tally) -> wire::Tally {
    wire::Tally {
        packets: tally.packets,
        bytes: tally.bytes,
    }
}

fn drops(counts: &DropCounts) -> std::collections::HashMap<String, u64> {
    let named = counts
        .iter()
        .map(|(reason, n)| (reason.code().to_owned(), n));
    named.collect()
}
