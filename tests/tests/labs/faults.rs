//! What goes wrong on purpose goes wrong, and is mended.

use std::time::{Duration, Instant};

use weft_tests::{Lab, User, both_modes, eventually};

const TOPOLOGY: &str = include_str!("../../topologies/pair.yaml");

both_modes!(cables_and_hosts_fail_and_are_mended, faults);

/// A mended cable carries within a second; a vswitch starts within some.
const PATIENCE: Duration = Duration::from_secs(30);

fn soon(what: &str, is_so: impl Fn() -> bool) {
    eventually(what, PATIENCE, || is_so().then_some(()));
}

fn faults(user: User) {
    let lab = Lab::up(user, TOPOLOGY);
    let _server = lab.serve("far", &["5000"]);
    cable_down(&lab);
    slow_cable(&lab);
    lossy_cable(&lab);
    partition(&lab);
    dead_host(&lab);
    nonsense(&lab);
    timed(&lab);
}

fn fault(lab: &Lab, arguments: &[&str]) {
    lab.weft(&[&["lab", "fault"], arguments].concat()).ok();
}

fn reaches(lab: &Lab) -> bool {
    let (far, _) = lab.addresses("far");
    let asked = lab.try_peer("client", &["transfer", &far, "5000", "20000", "20000"]);
    asked.stdout.starts_with("ok ")
}

/// Round trips of so many pings: how many came back, and the median in milliseconds.
fn pings(lab: &Lab, count: &str) -> (usize, f64) {
    let (far, _) = lab.addresses("far");
    let said = lab.exec(
        "client",
        &["ping", "-n", "-i", "0.02", "-W", "1", "-c", count, &far],
    );
    let mut times: Vec<f64> = said
        .stdout
        .lines()
        .filter_map(|line| line.split("time=").nth(1)?.split(' ').next()?.parse().ok())
        .collect();
    times.sort_by(f64::total_cmp);
    (
        times.len(),
        times.get(times.len() / 2).copied().unwrap_or(f64::MAX),
    )
}

fn cable_down(lab: &Lab) {
    assert!(reaches(lab));
    fault(lab, &["set", "h2", "--down"]);
    let graph = lab.weft(&["lab", "graph"]).ok();
    assert!(graph.contains("! h2: cable down"), "{graph}");
    assert_eq!(pings(lab, "3").0, 0);
    fault(lab, &["clear", "h2"]);
    soon("a mended cable carries", || reaches(lab));
}

/// A round trip crosses the cable of one host twice: both ways of it. Never less; more, if busy.
fn slow_cable(lab: &Lab) {
    fault(lab, &["set", "h2", "--delay", "30ms"]);
    let (count, median) = pings(lab, "10");
    assert!(count > 0 && median >= 60.0, "{count} {median}");
    assert!(reaches(lab), "segments of many packets cross it too");
    fault(lab, &["clear", "h2"]);
    soon("mended", || reaches(lab));
}

fn lossy_cable(lab: &Lab) {
    fault(lab, &["set", "h2", "--loss", "100%"]);
    assert_eq!(pings(lab, "3").0, 0);
    fault(lab, &["set", "h2", "--loss", "50%"]);
    let (count, _) = pings(lab, "60");
    // Both ways lose half: 15 of 60 come back; none or all would be one in millions.
    assert!((1..60).contains(&count), "{count}");
    fault(lab, &["clear"]);
    soon("mended", || reaches(lab));
}

fn partition(lab: &Lab) {
    fault(lab, &["set", "h2", "--partition"]);
    let connected = || lab.json(&["host", "show", "h2"])["status"]["connected"].clone();
    soon("lost by the controller", || connected() == false);
    assert!(reaches(lab), "traffic goes on by the last state");
    fault(lab, &["clear", "h2"]);
    soon("and it comes back", || connected() == true);
}

fn dead_host(lab: &Lab) {
    fault(lab, &["set", "h2", "--kill"]);
    assert_eq!(pings(lab, "3").0, 0);
    let status = lab.weft(&["lab", "status"]).ok();
    assert!(!status.contains("vswitch-h2"), "{status}");
    fault(lab, &["clear", "h2"]);
    soon("a host that is back carries", || reaches(lab));
}

fn nonsense(lab: &Lab) {
    for (arguments, says) in [
        (&["set", "h9", "--down"][..], "there is no host `h9`"),
        (&["set", "h1"], "say what is to be wrong"),
        (&["set", "h1", "--loss", "101%"], "0% to 100%"),
    ] {
        let ended = lab.weft(&[&["lab", "fault"], arguments].concat());
        assert_ne!(ended.code(), 0, "{ended:?}");
        assert!(ended.stderr.contains(says), "{says}: {ended:?}");
    }
}

fn timed(lab: &Lab) {
    let faults = "\nfaults:\n  - {host: h2, at: 1s, for: 2s, down: true}\n";
    lab.bring_up(&format!("{TOPOLOGY}{faults}")).ok();
    let begin = Instant::now();
    let listed = || lab.weft(&["lab", "fault", "list"]).ok();
    soon("it comes", || listed().contains("cable down"));
    soon("it goes", || !listed().contains("cable down"));
    assert!(
        begin.elapsed() >= Duration::from_secs(1),
        "not before its time"
    );
}
