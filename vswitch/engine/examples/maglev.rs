//! Prints what it costs to build a load balancer's table, and what a change of targets moves:
//! `cargo run --release -p weft-engine --example maglev`.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use weft_engine::balance::maglev::{Backend, Maglev, SLOTS};

const ROUNDS: usize = 21;

fn backends(count: u64, weight: impl Fn(u64) -> u16) -> Vec<Backend> {
    let each = 0..count;
    each.map(|n| Backend {
        identity: n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        weight: weight(n),
    })
    .collect()
}

/// The median of some rounds, in microseconds, and the table.
fn build(backends: &[Backend]) -> Option<(u128, Maglev)> {
    let mut times = Vec::new();
    let mut table = None;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        table = Maglev::build(SLOTS, backends);
        times.push(start.elapsed().as_micros());
    }
    times.sort_unstable();
    Some((times[ROUNDS / 2], table?))
}

fn main() {
    println!("targets  equal weights  weights 1 to 10  moved beside its share when one leaves");
    for count in [3, 10, 100, 500] {
        let all = backends(count, |_| 1);
        let weighted = backends(count, |n| u16::try_from(n % 10).unwrap_or(0) + 1);
        let Some((equal, before)) = build(&all) else {
            continue;
        };
        let (Some((uneven, _)), Some((_, after))) = (build(&weighted), build(&all[1..])) else {
            continue;
        };
        let pairs = before.slots().iter().zip(after.slots());
        let moved = pairs.filter(|(old, new)| **old != 0 && **old != **new + 1);
        let share = moved.count() as f64 / SLOTS as f64 * 100.0;
        println!("{count:7}  {equal:10} us  {uneven:12} us  {share:.2} %");
    }
}
