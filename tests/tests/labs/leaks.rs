//! What policy forbids never passes: not at the start, not while any process dies, not at the end.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use weft_tests::{Lab, Running, User, both_datapaths, eventually};

const BACK: Duration = Duration::from_secs(20);

/// Addresses of the tenants, alike in both.
const FIRST: [&str; 2] = ["10.30.0.11", "fd57:aaaa:aaaa:a00::4"];
const SECOND: [&str; 2] = ["10.30.0.12", "fd57:aaaa:aaaa:a00::5"];
const SHUT: [&str; 2] = ["10.30.0.13", "10.30.0.14"];

/// What each workload must never see, and what shows that its watch sees at all. Red's legitimate
/// traffic goes to 5000, blue's to 6500: where the other's arrives, tenants met. 5001 is open, and
/// only `mute-1` speaks to it, which may not speak. Nothing opens 6000 to 6099.
const WATCHES: [(&str, &str, &str); 7] = [
    ("open-1", "alarm=5001,6000-6999", "control=5000"),
    ("open-2", "alarm=5001,6000-6999", "control=5000"),
    ("shut-1", "alarm=5000-6999", "control="),
    ("shut-2", "alarm=5000-6999", "control="),
    ("mute-1", "alarm=5000-6999", "control="),
    ("blue-1", "alarm=5000-6099", "control=6500"),
    ("blue-2", "alarm=5000-6099", "control=6500"),
];

both_datapaths!(policy_never_leaks, never);

fn never(user: User) {
    let lab = Lab::new(user);
    let topology = include_str!("../../topologies/tenants.yaml");
    let mut up = Running::start(lab.up_command(topology));
    // The namespaces are there before any policy is; so are the packets.
    let mut watches = Watches::start(&lab);
    let mut floods = floods(&lab);
    assert!(up.wait(Duration::from_secs(60)), "{:?}", up.said());
    watches.controls_move();
    for round in 0..2 {
        for process in ["vswitch-h1", "controller", "vswitch-h2"] {
            lab.kill(process);
            watches.controls_move();
        }
        // All at once, so that the host starts with nobody to tell it anything.
        if round == 0 {
            for process in ["controller", "vswitch-h1", "vswitch-h2"] {
                lab.signal(process, "KILL");
            }
            watches.controls_move();
        }
    }
    starts_closed(&lab, &mut watches);
    policy_changes(&lab);
    watches.controls_move();
    let sent: u64 = floods
        .iter_mut()
        .map(|flood| last_count(&flood.said()))
        .sum();
    println!("{sent} packets tried");
    assert!(sent > 1000, "a flood: {sent}");
    lab.down().ok();
    watches.no_alarm();
}

/// A vswitch without a controller to tell it anything lets nothing through, not even what it may.
fn starts_closed(lab: &Lab, watches: &mut Watches) {
    lab.signal("controller", "STOP");
    lab.kill("vswitch-h2");
    let ours = "open-2";
    // What was said while it died tells nothing; what its predecessor let through has been counted by
    // then.
    watches.no_alarm();
    watches.hear(ours, 3);
    let before = last_count(&watches.said[ours]);
    watches.hear(ours, 10);
    assert_eq!(
        last_count(&watches.said[ours]),
        before,
        "it has no state and drops"
    );
    lab.signal("controller", "CONT");
    watches.controls_move();
}

/// A rule that comes and goes beside the flood opens nothing else.
fn policy_changes(lab: &Lab) {
    let group = lab.named("security-group", "shut");
    let id = group["id"].as_str().unwrap();
    let rule = "tcp:4000:0.0.0.0/0";
    let made = lab.json(&[
        "security-group",
        "authorize",
        id,
        "--ingress",
        rule,
        "--wait",
    ]);
    let rule = made["ingress"][0]["id"].as_str().unwrap();
    lab.weft(&["security-group", "revoke", id, rule, "--wait"])
        .ok();
}

struct Watches {
    all: BTreeMap<&'static str, Running>,
    said: BTreeMap<&'static str, Vec<String>>,
    control: [&'static str; 4],
}

impl Watches {
    fn start(lab: &Lab) -> Self {
        let start = |(workload, alarm, control)| {
            (
                workload,
                early(lab, workload, &["watch", alarm, control], "watching"),
            )
        };
        Self {
            all: WATCHES.into_iter().map(start).collect(),
            said: BTreeMap::new(),
            control: ["open-1", "open-2", "blue-1", "blue-2"],
        }
    }

    /// Fails when anything forbidden was seen.
    fn no_alarm(&mut self) {
        for (workload, watch) in &self.all {
            self.said.entry(workload).or_default().extend(watch.said());
        }
        let leaks: Vec<String> = self
            .said
            .iter()
            .flat_map(|(workload, said)| said.iter().map(move |line| format!("{workload}: {line}")))
            .filter(|line| line.contains("LEAK"))
            .collect();
        assert!(
            leaks.is_empty(),
            "{} leaks, as {:#?}",
            leaks.len(),
            &leaks[..leaks.len().min(9)]
        );
    }

    /// Waits for so many more of a watch's regular words.
    fn hear(&mut self, workload: &'static str, words: usize) {
        let said = self.said.entry(workload).or_default();
        let wanted = said.len() + words;
        while said.len() < wanted {
            said.push(self.all[workload].next());
        }
    }

    /// Waits until what is allowed arrives everywhere: the vswitches work, so a silence is policy's.
    fn controls_move(&mut self) {
        for workload in self.control {
            self.no_alarm();
            let before = last_count(&self.said[workload]);
            let watch = &self.all[workload];
            let said = self.said.get_mut(workload).unwrap();
            eventually(&format!("{workload} hears what it may"), BACK, || {
                said.extend(watch.said());
                // More than what was under way.
                (last_count(said) > before + 20).then_some(())
            });
        }
        self.no_alarm();
    }
}

/// The number in the last line that has one.
fn last_count(said: &[String]) -> u64 {
    let number = |line: &String| {
        line.strip_prefix("control ")
            .or_else(|| line.strip_prefix("sent "))?
            .parse()
            .ok()
    };
    said.iter().rev().find_map(number).unwrap_or(0)
}

/// A peer in a workload that may not exist yet.
fn early(lab: &Lab, workload: &str, arguments: &[&str], first: &str) -> Running {
    let begin = Instant::now();
    loop {
        let peer = lab.start_peer(workload, arguments);
        let line = peer.next();
        if line == first || (first.is_empty() && line.starts_with("sent ")) {
            return peer;
        }
        assert!(begin.elapsed() < BACK, "{workload}: {line}");
    }
}

fn floods(lab: &Lab) -> Vec<Running> {
    let first = |port: &str| everywhere(&FIRST, port);
    let second = |port: &str| everywhere(&SECOND, port);
    let shut = || [everywhere(&SHUT, "5000"), everywhere(&SHUT, "6001")].concat();
    let plans = [
        ("open-1", [second("5000"), second("6000"), shut()].concat()),
        ("open-2", [first("5000"), first("6002"), shut()].concat()),
        (
            "shut-1",
            [
                first("5000"),
                second("6003"),
                everywhere(&SHUT[1..], "6004"),
            ]
            .concat(),
        ),
        (
            "shut-2",
            [
                first("6005"),
                second("5000"),
                everywhere(&SHUT[..1], "6006"),
            ]
            .concat(),
        ),
        ("mute-1", [first("5001"), second("5001"), shut()].concat()),
        ("blue-1", [second("6500"), shut()].concat()),
        ("blue-2", [first("6500"), shut()].concat()),
    ];
    let start = |(workload, targets): &(&str, Vec<String>)| {
        // Echo requests carry this where others have a port; no rule lets them pass in red.
        let id = if workload.starts_with("blue") {
            "6500"
        } else {
            "6010"
        };
        let mut words = vec!["flood", id];
        words.extend(targets.iter().map(String::as_str));
        early(lab, workload, &words, "")
    };
    plans.iter().map(start).collect()
}

/// A datagram, a SYN and an echo request to each.
fn everywhere(addresses: &[&str], port: &str) -> Vec<String> {
    let each = |address: &&str| {
        let host = if address.contains(':') {
            format!("[{address}]")
        } else {
            (*address).into()
        };
        [
            format!("udp:{host}:{port}"),
            format!("tcp:{host}:{port}"),
            format!("icmp:{address}"),
        ]
    };
    addresses.iter().flat_map(each).collect()
}
