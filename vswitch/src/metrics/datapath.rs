//! What the workers counted, all of them together.

use std::fmt;

use weft_datapath::WorkerSnapshot;
use weft_engine::{DropReason, counters::Tally};
use weft_telemetry::Page;

use super::by;

pub(super) fn write(page: &mut Page<'_>, workers: &[WorkerSnapshot]) -> fmt::Result {
    let help = "Worker threads.";
    page.gauge("weft_vswitch_workers", help, workers.len() as f64)?;
    traffic(page, workers)?;
    flows(page, workers)?;
    answers(page, workers)?;
    balancing(page, workers)?;
    underlay(page, workers)?;
    devices(page, workers)
}

/// A count of every worker.
fn sum(workers: &[WorkerSnapshot], count: impl Fn(&WorkerSnapshot) -> u64) -> u64 {
    workers.iter().map(count).sum()
}

/// Where a count is read from.
type Read = fn(&WorkerSnapshot) -> u64;

/// Counts of one family, by one label.
fn counts<const N: usize>(
    page: &mut Page<'_>,
    workers: &[WorkerSnapshot],
    (name, help): (&str, &str),
    label: &'static str,
    rows: [(&str, Read); N],
) -> fmt::Result {
    let rows = rows.map(|(value, read)| (by(label, value), sum(workers, read)));
    page.counters(name, help, rows)
}

fn traffic(page: &mut Page<'_>, workers: &[WorkerSnapshot]) -> fmt::Result {
    let [mut egress, mut ingress] = [Tally::default(); 2];
    for worker in workers {
        let [out, into] = worker.engine.totals();
        egress += out;
        ingress += into;
    }
    let ways = [("egress", egress), ("ingress", ingress)];
    page.counters(
        "weft_vswitch_packets",
        "Frames that workloads sent and policy passed (egress), and that reached workloads \
         (ingress). A segmented frame counts once.",
        ways.map(|(way, tally)| (by("direction", way), tally.packets)),
    )?;
    page.counters(
        "weft_vswitch_bytes",
        "Bytes of those frames, Ethernet headers included.",
        ways.map(|(way, tally)| (by("direction", way), tally.bytes)),
    )?;
    let reasons = DropReason::ALL.iter();
    page.counters(
        "weft_vswitch_drops",
        "Packets dropped, by reason; `weft inspect HOST drops --recent` names the object to blame.",
        reasons.map(|&reason| {
            let count = sum(workers, |worker| worker.engine.drops.get(reason));
            (by("reason", reason.code()), count)
        }),
    )
}

fn flows(page: &mut Page<'_>, workers: &[WorkerSnapshot]) -> fmt::Result {
    page.gauge(
        "weft_vswitch_flows",
        "Entries of the flow tables now.",
        sum(workers, |w| w.engine.flows.live) as f64,
    )?;
    let help = "Flow entries ever made.";
    let created = sum(workers, |w| w.engine.flows.created);
    page.counter("weft_vswitch_flows_created", help, created)?;
    let name = "weft_vswitch_flows_ended";
    let help = "Flow entries that ended: expired by idleness or with what they needed, evicted \
                unanswered to make room, refused because a bound was hit.";
    counts(
        page,
        workers,
        (name, help),
        "how",
        [
            ("expired", |w| w.engine.flows.expired),
            ("evicted", |w| w.engine.flows.evicted),
            ("refused", |w| w.engine.flows.refused),
        ],
    )
}

fn answers(page: &mut Page<'_>, workers: &[WorkerSnapshot]) -> fmt::Result {
    let name = "weft_vswitch_icmp_errors";
    let help = "ICMP errors of the router: sent, or held back by a port's rate limit.";
    let rows: [(&str, Read); 2] = [
        ("sent", |w| w.engine.icmp_errors),
        ("suppressed", |w| w.engine.icmp_errors_suppressed),
    ];
    counts(page, workers, (name, help), "outcome", rows)?;
    let answered = sum(workers, |w| w.engine.answered);
    let help = "Frames that services at the port answered: ARP, ND, DHCP, DNS, metadata, time.";
    page.counter("weft_vswitch_service_answers", help, answered)?;
    let forwarded = sum(workers, |w| w.engine.dns_forwarded);
    let help = "DNS questions that went to a resolver outside.";
    page.counter("weft_vswitch_dns_forwarded", help, forwarded)?;
    let fragmented = sum(workers, |w| w.engine.fragmented);
    let help = "Frames that were split into fragments.";
    page.counter("weft_vswitch_fragmented", help, fragmented)?;
    let name = "weft_vswitch_mirrored_packets";
    let help = "Copies of mirrored packets: made, more than an interface may cause, without a \
                target that is plugged in, or faster than their file was written.";
    let rows: [(&str, Read); 4] = [
        ("copied", |w| w.engine.mirrored),
        ("limited", |w| w.engine.mirror_limited),
        ("unreachable", |w| w.engine.mirror_unreachable),
        ("file_full", |w| w.worker.mirror_file_full),
    ];
    counts(page, workers, (name, help), "outcome", rows)
}

fn balancing(page: &mut Page<'_>, workers: &[WorkerSnapshot]) -> fmt::Result {
    page.gauge(
        "weft_vswitch_balancer_pins",
        "Connections from the internet to load balancers whose targets this host picked, now.",
        sum(workers, |w| w.engine.pins) as f64,
    )?;
    page.counter(
        "weft_vswitch_balancer_pins_refused",
        "Such connections that weren't remembered because a bound was hit: they go by hash alone.",
        sum(workers, |w| w.engine.pins_refused),
    )?;
    page.counter(
        "weft_vswitch_health_findings_lost",
        "Findings of health checks that nobody took in time.",
        sum(workers, |w| w.worker.findings_lost),
    )
}

fn underlay(page: &mut Page<'_>, workers: &[WorkerSnapshot]) -> fmt::Result {
    let name = "weft_vswitch_underlay_packets";
    let help = "VXLAN packets on the underlay.";
    let rows: [(&str, Read); 2] = [
        ("sent", |w| w.sent.packets),
        ("received", |w| w.worker.received),
    ];
    counts(page, workers, (name, help), "direction", rows)?;
    let name = "weft_vswitch_underlay_bytes";
    let help = "Bytes of those packets, VXLAN headers included.";
    let rows: [(&str, Read); 2] = [
        ("sent", |w| w.sent.bytes),
        ("received", |w| w.worker.received_bytes),
    ];
    counts(page, workers, (name, help), "direction", rows)?;
    let name = "weft_vswitch_underlay_messages";
    let help = "Messages they went in: what GSO sends and GRO receives together is one.";
    let rows: [(&str, Read); 2] = [
        ("sent", |w| w.sent.sends),
        ("received", |w| w.worker.receives),
    ];
    counts(page, workers, (name, help), "direction", rows)?;
    let name = "weft_vswitch_underlay_errors";
    let help = "Packets that the underlay didn't take or gave broken, by what was wrong.";
    let rows: [(&str, Read); 6] = [
        ("too_big", |w| w.sent.too_big),
        ("send_full", |w| w.sent.full),
        ("send_refused", |w| w.sent.refused),
        ("send_malformed", |w| w.sent.malformed),
        ("receive_truncated", |w| w.worker.receive_truncated),
        ("receive_failed", |w| w.worker.receive_errors),
    ];
    counts(page, workers, (name, help), "error", rows)
}

fn devices(page: &mut Page<'_>, workers: &[WorkerSnapshot]) -> fmt::Result {
    let name = "weft_vswitch_tap_errors";
    let help = "What went wrong at workloads' devices: frames whose offload header made no sense, \
                frames that a full or absent device refused, devices that vanished.";
    let rows: [(&str, Read); 4] = [
        ("malformed", |w| w.worker.tap_malformed),
        ("full", |w| w.worker.tap_full),
        ("refused", |w| w.worker.tap_refused),
        ("lost", |w| w.worker.taps_lost),
    ];
    counts(page, workers, (name, help), "error", rows)?;
    let name = "weft_vswitch_handovers";
    let help = "Frames for another worker's port: handed over, or dropped as its queue was full.";
    let rows: [(&str, Read); 2] = [
        ("done", |w| w.worker.handed_over),
        ("full", |w| w.worker.handover_full),
    ];
    counts(page, workers, (name, help), "outcome", rows)?;
    let name = "weft_vswitch_edge_packets";
    let help = "Frames that this edge gave to the internet (outward) and had from it (inward).";
    let rows: [(&str, Read); 2] = [
        ("outward", |w| w.worker.outward),
        ("inward", |w| w.worker.inward),
    ];
    counts(page, workers, (name, help), "direction", rows)?;
    let name = "weft_vswitch_queue_full";
    let help = "What found a full queue: frames of the engine's own making, and DNS questions.";
    let rows: [(&str, Read); 2] = [
        ("made_frames", |w| w.worker.made_full),
        ("dns_questions", |w| w.worker.questions_lost),
    ];
    counts(page, workers, (name, help), "queue", rows)
}
