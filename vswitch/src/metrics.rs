//! What this host counted, for Prometheus: read from the workers when somebody asks.

mod datapath;
mod interfaces;

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use weft_telemetry::{Histogram, Label, Page, Source, latencies};

use crate::{
    host::{Host, Link},
    ports::PortState,
};

/// What is timed here; the datapath times nothing.
#[derive(Debug)]
pub(crate) struct Times {
    apply: Histogram,
}

impl Default for Times {
    fn default() -> Self {
        Self { apply: latencies() }
    }
}

impl Times {
    /// An update took so long to apply.
    pub(crate) fn applied(&self, took: Duration) {
        self.apply.observe(took.as_secs_f64());
    }
}

/// This host, for a page of metrics.
pub(crate) struct HostMetrics {
    /// The listener keeps no worker alive.
    host: Weak<Host>,
    /// Interfaces that are told of one by one.
    interfaces: usize,
}

impl HostMetrics {
    pub(crate) fn new(host: &Arc<Host>, interfaces: usize) -> Self {
        Self {
            host: Arc::downgrade(host),
            interfaces,
        }
    }
}

impl fmt::Debug for HostMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostMetrics").finish_non_exhaustive()
    }
}

impl Source for HostMetrics {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let Some(host) = self.host.upgrade() else {
            return Ok(());
        };
        controller(page, &host.link())?;
        held(page, &host)?;
        ports(page, &host)?;
        outside(page, &host)?;
        let workers = match host.datapath.snapshot() {
            Ok(workers) => workers,
            Err(error) => {
                // Without its numbers the page would look like a host at rest.
                tracing::warn!(%error, "no page of metrics");
                return Err(fmt::Error);
            }
        };
        datapath::write(page, &workers)?;
        interfaces::write(page, &host.config(), &workers, self.interfaces)
    }
}

/// A row by one label.
fn by(label: &'static str, value: &str) -> [Label; 1] {
    [(label, value.to_owned())]
}

fn controller(page: &mut Page<'_>, link: &Link) -> fmt::Result {
    page.gauge(
        "weft_vswitch_controller_connected",
        "Whether the controller is on the stream: 1 or 0. Without it the last state holds.",
        f64::from(u8::from(link.connected)),
    )?;
    page.gauge(
        "weft_vswitch_controller_revision",
        "The newest revision of the cloud that is applied here in whole.",
        link.revision as f64,
    )?;
    page.counter(
        "weft_vswitch_controller_connections",
        "Times that the stream to a controller was made.",
        link.connections,
    )?;
    page.counter(
        "weft_vswitch_updates",
        "Updates from the controller that were applied.",
        link.updates,
    )?;
    page.counter(
        "weft_vswitch_updated_resources",
        "Resources and removals in those updates.",
        link.resources,
    )
}

fn held(page: &mut Page<'_>, host: &Host) -> fmt::Result {
    let census = host.census().into_iter();
    page.gauges(
        "weft_vswitch_resources",
        "What the controller told this host to hold, by kind.",
        census.map(|(kind, n)| (by("kind", kind), n as f64)),
    )?;
    page.histogram(
        "weft_vswitch_apply_duration_seconds",
        "How long an update took until every worker judged by it.",
        &host.times.apply,
    )
}

fn ports(page: &mut Page<'_>, host: &Host) -> fmt::Result {
    let board = host.ports.board();
    let board = board.borrow();
    let count = |is: fn(&PortState) -> bool| board.values().filter(|s| is(s)).count() as f64;
    let up = count(|state| matches!(state, PortState::Up));
    let pending = count(|state| matches!(state, PortState::Pending(_)));
    let failed = count(|state| matches!(state, PortState::Failed(_)));
    page.gauges(
        "weft_vswitch_ports",
        "Ports by state: up, pending until their namespace is there, failed.",
        [("up", up), ("pending", pending), ("failed", failed)]
            .map(|(state, n)| (by("state", state), n)),
    )?;
    let findings = host.findings.borrow();
    let sick = findings.values().filter(|why| why.is_some()).count();
    page.gauges(
        "weft_vswitch_targets",
        "Load balancers' targets on this host, by what their health checks found.",
        [("healthy", findings.len() - sick), ("unhealthy", sick)]
            .map(|(health, n)| (by("health", health), n as f64)),
    )
}

/// What the host's threads count beside the workers.
fn outside(page: &mut Page<'_>, host: &Host) -> fmt::Result {
    let strip = |named: &'static str, prefix| named.strip_prefix(prefix).unwrap_or(named);
    let questions = host.resolver.named();
    page.counters(
        "weft_vswitch_dns_upstream_questions",
        "Questions to resolvers outside, by what became of them.",
        questions.map(|(name, n)| (by("outcome", strip(name, "dns_upstream_")), n)),
    )?;
    let copies = host.mirrors.named();
    page.counters(
        "weft_vswitch_mirror_file_packets",
        "Mirrored packets for files, by what became of them.",
        copies.map(|(name, n)| (by("outcome", strip(name, "mirror_file_")), n)),
    )
}
