//! Wall time of the engine in memory: `cargo bench -p weft-benches --bench engine_time`.
//!
//! Each pass resets the headers that it rewrites, a copy of 64 bytes that is part of the figure.
#![allow(missing_docs)]

mod rig;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rig::{Half, Rig};
use weft_engine::{Verdict, testing::Family};

const HALVES: [Half; 2] = [Half::Egress, Half::Ingress];

fn flow_hit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flow_hit");
    group.throughput(Throughput::Elements(1));
    for half in HALVES {
        for family in Family::BOTH {
            for length in [64, 1400] {
                let mut rig = Rig::hit(half, family, length);
                group.bench_function(format!("{half:?}/{family:?}/{length}"), |bencher| {
                    bencher.iter(|| rig.run());
                });
            }
        }
    }
    group.finish();
}

/// Connections opened in one world before a fresh one is made, outside the clock.
const BATCH: u64 = 60_000;

fn set_up(half: Half, family: Family, mut count: u64) -> Duration {
    let mut spent = Duration::ZERO;
    while count > 0 {
        let batch = count.min(BATCH);
        let mut rig = Rig::idle(half, family);
        let start = Instant::now();
        for n in 0..batch {
            rig.another(n as u16 + 2);
            let verdict = rig.run();
            assert!(!matches!(verdict, Verdict::Drop(_)), "{verdict:?}");
        }
        spent += start.elapsed();
        count -= batch;
    }
    spent
}

fn flow_setup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flow_setup_1000_rules");
    group.throughput(Throughput::Elements(1));
    for half in HALVES {
        for family in Family::BOTH {
            group.bench_function(format!("{half:?}/{family:?}"), |bencher| {
                bencher.iter_custom(|count| set_up(half, family, count));
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = engine;
    config = Criterion::default().sample_size(50).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = flow_hit, flow_setup
}
criterion_main!(engine);
