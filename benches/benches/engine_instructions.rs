//! Instructions of the engine in memory, under valgrind, the same on any machine:
//! `cargo install gungraun-runner --version 0.20.0` once, then
//! `cargo bench -p weft-benches --bench engine_instructions`.
#![allow(missing_docs)]

mod rig;

use gungraun::{library_benchmark, library_benchmark_group, main};
use rig::{Half, Rig};
use weft_engine::{Verdict, testing::Family};

#[library_benchmark]
#[bench::egress_v4_64(Rig::hit(Half::Egress, Family::V4, 64))]
#[bench::egress_v4_1400(Rig::hit(Half::Egress, Family::V4, 1400))]
#[bench::egress_v6_64(Rig::hit(Half::Egress, Family::V6, 64))]
#[bench::egress_v6_1400(Rig::hit(Half::Egress, Family::V6, 1400))]
#[bench::ingress_v4_64(Rig::hit(Half::Ingress, Family::V4, 64))]
#[bench::ingress_v4_1400(Rig::hit(Half::Ingress, Family::V4, 1400))]
#[bench::ingress_v6_64(Rig::hit(Half::Ingress, Family::V6, 64))]
#[bench::ingress_v6_1400(Rig::hit(Half::Ingress, Family::V6, 1400))]
fn flow_hit(mut rig: Rig) -> (Verdict, Rig) {
    // The rig goes back, so that taking it apart is not measured.
    (rig.run(), rig)
}

/// The first packet of a connection, its tables' pages touched before it is counted.
fn first(half: Half, family: Family) -> Rig {
    let mut rig = Rig::idle(half, family);
    rig.run();
    rig.another(2);
    rig
}

#[library_benchmark]
#[bench::egress_v4(first(Half::Egress, Family::V4))]
#[bench::egress_v6(first(Half::Egress, Family::V6))]
#[bench::ingress_v4(first(Half::Ingress, Family::V4))]
#[bench::ingress_v6(first(Half::Ingress, Family::V6))]
fn flow_setup_1000_rules(mut rig: Rig) -> (Verdict, Rig) {
    (rig.run(), rig)
}

library_benchmark_group!(
    name = engine,
    benchmarks = [flow_hit, flow_setup_1000_rules]
);
main!(library_benchmark_groups = engine);
