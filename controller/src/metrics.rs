//! What the controller counted, for Prometheus.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use weft_model::Kind;
use weft_telemetry::{Label, Page, Source};

use crate::{
    core::{Core, QUEUE},
    north::CallStats,
    south::{Hub, Summary},
};

/// The controller, for a page of metrics.
pub(crate) struct ControllerMetrics {
    /// The listener keeps no store open.
    pub(crate) core: Weak<Core>,
    pub(crate) hub: Hub,
    pub(crate) calls: Arc<CallStats>,
    pub(crate) store: PathBuf,
}

impl fmt::Debug for ControllerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControllerMetrics").finish_non_exhaustive()
    }
}

impl Source for ControllerMetrics {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let Some(core) = self.core.upgrade() else {
            return Ok(());
        };
        cloud(page, &core)?;
        writes(page, &core)?;
        let size = std::fs::metadata(&self.store).map_or(0, |file| file.len());
        let help = "Size of the store's file.";
        page.gauge("weft_controller_store_bytes", help, size as f64)?;
        calls(page, &self.calls)?;
        hosts(page, &self.hub.summary())?;
        streams(page, &self.hub)
    }
}

/// A row by one label.
fn by(label: &'static str, value: &str) -> [Label; 1] {
    [(label, value.to_owned())]
}

fn cloud(page: &mut Page<'_>, core: &Core) -> fmt::Result {
    let (revision, counts) = core.read(|view| {
        let count = |kind: &Kind| (kind.text(), view.cloud.count(*kind) as f64);
        (
            view.revision,
            Kind::ALL.iter().map(count).collect::<Vec<_>>(),
        )
    });
    let help = "The newest revision of the cloud.";
    page.gauge("weft_controller_revision", help, revision.0 as f64)?;
    let label = |kind: &str| by("kind", &kind.replace(' ', "_"));
    let help = "Resources of the cloud, by kind.";
    let rows = counts.into_iter().map(|(kind, n)| (label(kind), n));
    page.gauges("weft_controller_resources", help, rows)
}

fn writes(page: &mut Page<'_>, core: &Core) -> fmt::Result {
    let stats = core.stats();
    let get = |count: &AtomicU64| count.load(Relaxed);
    let outcomes = [
        ("committed", &stats.committed),
        ("refused", &stats.refused),
        ("repeated", &stats.repeated),
        ("busy", &stats.busy),
    ];
    page.counters(
        "weft_controller_writes",
        "Writes: committed, refused by their operation, repeated and answered from the store, or \
         turned away as too many waited.",
        outcomes.map(|(outcome, n)| (by("outcome", outcome), get(n))),
    )?;
    let help = "Writes that wait for the writer.";
    page.gauge(
        "weft_controller_write_queue",
        help,
        get(&stats.waiting) as f64,
    )?;
    let help = "Writes that may wait; one more is turned away.";
    page.gauge("weft_controller_write_queue_capacity", help, QUEUE as f64)?;
    page.histogram(
        "weft_controller_commit_duration_seconds",
        "How long a group of writes took to be on disk.",
        &stats.commit,
    )?;
    page.histogram(
        "weft_controller_plan_duration_seconds",
        "How long it took to plan a revision and leave each host's share in its queue.",
        &stats.plan,
    )
}

fn calls(page: &mut Page<'_>, calls: &CallStats) -> fmt::Result {
    let ended = calls.calls().into_iter().map(|ended| {
        let code = format!("{:?}", ended.code);
        ([("method", ended.method), ("code", code)], ended.count)
    });
    let help = "Calls of the API, by method and gRPC code.";
    page.counters("weft_controller_calls", help, ended)?;
    let help = "Calls of the API that run now, waits and hosts' streams among them.";
    let running = calls.running.load(Relaxed) as f64;
    page.gauge("weft_controller_calls_running", help, running)?;
    page.histograms(
        "weft_controller_call_duration_seconds",
        "How long calls took that change nothing, and those that do, their commit counted. Wait \
         isn't among them.",
        calls.times().map(|(kind, times)| (by("kind", kind), times)),
    )
}

fn hosts(page: &mut Page<'_>, summary: &Summary) -> fmt::Result {
    let absent = summary.hosts - summary.connected;
    page.gauges(
        "weft_controller_hosts",
        "Registered hosts, by whether their vswitch is on the stream.",
        [("connected", summary.connected), ("absent", absent)]
            .map(|(state, n)| (by("state", state), n as f64)),
    )?;
    page.gauge(
        "weft_controller_hosts_behind",
        "Hosts that haven't acknowledged everything.",
        summary.behind as f64,
    )?;
    page.gauge(
        "weft_controller_stream_pending",
        "Changes that wait in hosts' queues to be sent or acknowledged.",
        summary.pending as f64,
    )?;
    page.gauge(
        "weft_controller_refused_resources",
        "Resources that hosts refused and would still have to hold.",
        summary.refused as f64,
    )?;
    page.gauges(
        "weft_controller_port_troubles",
        "Ports that hosts told of as not up, by whether they can't come up as they are.",
        [("pending", summary.waiting), ("failed", summary.failed)]
            .map(|(state, n)| (by("state", state), n as f64)),
    )
}

fn streams(page: &mut Page<'_>, hub: &Hub) -> fmt::Result {
    let counters = hub.counters();
    let queues = counters.queues;
    let families = [
        ("updates", "Updates sent to hosts.", queues.updates),
        (
            "resources",
            "Resources and removals in those updates.",
            queues.resources,
        ),
        ("bytes", "Bytes of those updates, about.", queues.bytes),
        ("acks", "Updates that hosts acknowledged.", queues.acks),
        ("refusals", "Resources that hosts refused.", queues.nacks),
        ("connections", "Times that hosts connected.", queues.resyncs),
    ];
    for (name, help, count) in families {
        page.counter(&format!("weft_controller_stream_{name}"), help, count)?;
    }
    let ends = [
        ("displaced", counters.displaced),
        ("turned_away", counters.turned_away),
        ("silent", counters.silent),
    ];
    page.counters(
        "weft_controller_stream_endings",
        "Streams that the controller ended: another vswitch of the same host came, the hello made \
         no sense, or the host said nothing for too long.",
        ends.map(|(why, n)| (by("reason", why), n)),
    )
}
