//! `weft bench` measures what it says, in a lab of its own.

use std::time::Duration;

use serde_json::Value;
use weft_tests::{Mode, User, run};

/// Twenty seconds of measures, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn a_bench_has_every_measure_and_leaves_nothing() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let mut command = user.weft();
    command.args(["bench", "--rounds", "1", "--seconds", "1", "--no-kernel"]);
    command.args(["--output", "json"]);
    let said = run(command, b"", PATIENCE).ok();
    let run: Value = serde_json::from_str(&said).unwrap();
    let outcomes = run["outcomes"].as_array().unwrap();
    let of = |path: &str| {
        let values = outcomes.iter().filter(|o| o["path"] == path);
        values.filter(|o| o["median"].is_f64()).count()
    };
    // A bare veth has no balancer.
    assert_eq!(of("bare veth"), 10, "{said}");
    assert_eq!(of("Weft, userspace"), 12, "{said}");
    let left = std::fs::read_dir(user.labs()).map_or(0, Iterator::count);
    assert_eq!(left, 0, "the lab's directory is left");
}
