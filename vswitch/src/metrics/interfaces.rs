//! Interfaces one by one, where somebody asked for that: each is a handful of series for as long as
//! Prometheus remembers, so there is a bound, and what it leaves out is told.

use std::{collections::BTreeMap, fmt};

use weft_datapath::WorkerSnapshot;
use weft_engine::{
    Config,
    config::owner,
    counters::{PortCounters, Tally},
};
use weft_model::InterfaceId;
use weft_telemetry::{Label, Page};

/// A port's counters, by the interface.
type Told = BTreeMap<InterfaceId, PortCounters>;

pub(super) fn write(
    page: &mut Page<'_>,
    config: &Config,
    workers: &[WorkerSnapshot],
    most: usize,
) -> fmt::Result {
    let (told, omitted) = choose(config, workers, most);
    let help = "Ports without series of their own: --metrics-interfaces bounds how many have them.";
    page.gauge("weft_vswitch_interfaces_omitted", help, omitted as f64)?;
    page.counters(
        "weft_vswitch_interface_packets",
        "Frames that the interface sent and policy passed, and that it got.",
        tallies(&told, |tally| tally.packets),
    )?;
    page.counters(
        "weft_vswitch_interface_bytes",
        "Bytes of those frames, Ethernet headers included.",
        tallies(&told, |tally| tally.bytes),
    )?;
    let dropped = told.iter().map(|(id, counters)| {
        let label = [("interface", id.to_string())];
        (label, counters.drops.total())
    });
    let help = "Packets from and to the interface that were dropped, for whatever reason.";
    page.counters("weft_vswitch_interface_drops", help, dropped)
}

/// The first so many in the order of their ids, which stays the same between scrapes.
fn choose(config: &Config, workers: &[WorkerSnapshot], most: usize) -> (Told, usize) {
    let mut ports: Vec<_> = config.ports().map(|(_, port)| port).collect();
    ports.sort_unstable_by_key(|port| port.interface);
    let omitted = ports.len().saturating_sub(most);
    ports.truncate(most);
    let counters = |port: &weft_engine::config::PortConfig| {
        let worker = workers.get(owner(port.mac, workers.len()));
        let counted = worker.and_then(|worker| worker.engine.port(port.index));
        (port.interface, counted.cloned().unwrap_or_default())
    };
    (ports.into_iter().map(counters).collect(), omitted)
}

fn tallies(
    told: &Told,
    of: fn(&Tally) -> u64,
) -> impl Iterator<Item = ([Label; 2], u64)> + use<'_> {
    told.iter().flat_map(move |(id, counters)| {
        let ways = [("egress", &counters.egress), ("ingress", &counters.ingress)];
        ways.map(|(way, tally)| {
            let labels = [("interface", id.to_string()), ("direction", way.to_owned())];
            (labels, of(tally))
        })
    })
}
