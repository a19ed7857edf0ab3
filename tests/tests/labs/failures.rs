//! Processes die; packets and their policy go on.

use std::time::Duration;

use weft_tests::{Lab, Mode, Running, User, both_datapaths, eventually};

const BACK: Duration = Duration::from_secs(20);

both_datapaths!(
    traffic_outlives_the_controller_and_nothing_is_sent_twice,
    controller
);

fn controller(user: User) {
    let lab = Lab::up(user, include_str!("../../topologies/pair.yaml"));
    let _server = lab.serve("far", &["5000"]);
    let (far4, far6) = lab.addresses("far");
    let (far6, mut beats) = (far6.unwrap(), Vec::new());
    for address in [&far4, &far6] {
        let beat = lab.start_peer("client", &["beat", address, "5000"]);
        beat.expect("beating");
        beats.push(beat);
    }
    // Each death makes the pause longer: there is time without any controller.
    for _ in 0..4 {
        lab.kill("controller");
    }
    assert_eq!(
        lab.peer("client", &["reach", "tcp", &far4, "5000"]),
        "reached"
    );
    all_connected(&lab);
    lab.weft(&["wait"]).ok();
    let hosts = lab.json(&["host", "list"]);
    for host in hosts.as_array().unwrap() {
        assert_eq!(
            host["status"]["sent"], 0,
            "what is held is not sent again: {host:#}"
        );
    }
    for beat in &mut beats {
        let (sent, received, gap) = tally(beat);
        println!("without a controller: {received} of {sent} echoes, longest gap {gap} ms");
        assert_eq!(sent, received, "not one is lost");
    }
    let group = lab.named("security-group", "open");
    let id = group["id"].as_str().unwrap();
    assert_eq!(
        lab.peer("client", &["reach", "tcp", &far4, "5500"]),
        "timeout"
    );
    lab.weft(&[
        "security-group",
        "authorize",
        id,
        "--ingress",
        "tcp:5500:0.0.0.0/0",
        "--wait",
    ])
    .ok();
    assert_eq!(
        lab.peer("client", &["reach", "tcp", &far4, "5500"]),
        "refused",
        "changes apply"
    );
    let sent = lab.json(&["host", "list"]);
    assert!(
        sent.as_array()
            .unwrap()
            .iter()
            .all(|h| h["status"]["sent"] == 1),
        "one group: {sent:#}"
    );
}

fn all_connected(lab: &Lab) {
    eventually("every host connected", BACK, || {
        // The controller may be starting.
        let hosts = lab.weft(&["-o", "json", "host", "list"]);
        let hosts: serde_json::Value = serde_json::from_str(&hosts.stdout).ok()?;
        hosts
            .as_array()?
            .iter()
            .all(|h| h["status"]["connected"] == true)
            .then_some(())
    });
}

/// Sent, received, and the longest gap in milliseconds.
fn tally(beat: &mut Running) -> (u64, u64, u64) {
    let said = beat.finish();
    let numbers: Vec<u64> = said
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    let [sent, received, gap] = numbers[..] else {
        panic!("{said}")
    };
    (sent, received, gap)
}

both_datapaths!(a_killed_vswitch_comes_back_with_its_ports, vswitch);

fn vswitch(user: User) {
    let lab = Lab::up(user, include_str!("../../topologies/pair.yaml"));
    let _server = lab.serve("far", &["5000"]);
    let (far, _) = lab.addresses("far");
    let device = || {
        let text = lab
            .exec("far", &["ip", "-o", "address", "show", "dev", "eth0"])
            .ok();
        let words = |line: &str| {
            line.split_whitespace()
                .take(4)
                .collect::<Vec<_>>()
                .join(" ")
        };
        text.lines().map(words).collect::<Vec<_>>()
    };
    let before = device();
    assert!(before.len() >= 3, "{before:?}");
    let mut chat = lab.start_peer("client", &["chat", &far, "5000"]);
    chat.expect("open");
    for host in ["vswitch-h1", "vswitch-h2"] {
        let mut beat = lab.start_peer("client", &["beat", &far, "5000"]);
        beat.expect("beating");
        lab.signal(host, "KILL");
        assert_eq!(
            device(),
            before,
            "the device outlives the process, with its addresses"
        );
        let ((), took) = eventually("reached again", BACK, || {
            (lab.peer("client", &["reach", "tcp", &far, "5000"]) == "reached").then_some(())
        });
        let (sent, received, gap) = tally(&mut beat);
        println!(
            "{host} killed: reached again within {took:?}; UDP gap {gap} ms ({received} of {sent})"
        );
        assert_eq!(device(), before);
        // The side that policy lets open a connection goes on with it.
        assert_eq!(chat.ask("still there?"), "echo");
    }
    all_connected(&lab);
    assert_eq!(lab.peer("near", &["reach", "icmp", &far]), "reached");
}

#[test]
fn a_device_whose_interface_went_while_the_vswitch_was_dead_goes_too() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let lab = Lab::up(user, include_str!("../../topologies/pair.yaml"));
    // Each death makes the pause longer: there is time to delete something in.
    for _ in 0..4 {
        lab.kill("vswitch-h2");
    }
    lab.signal("vswitch-h2", "KILL");
    let spare = lab.interface("spare");
    lab.weft(&["interface", "delete", spare["id"].as_str().unwrap()])
        .ok();
    let link = || {
        lab.exec("spare", &["ip", "link", "show", "eth0"])
            .status
            .success()
    };
    assert!(link(), "nobody is there to remove it");
    lab.weft(&["wait"]).ok();
    eventually("the device removed", BACK, || (!link()).then_some(()));
    let (far, _) = lab.addresses("far");
    assert_eq!(lab.peer("client", &["reach", "icmp", &far]), "reached");
}

#[test]
fn waiting_names_the_host_that_lags() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let lab = Lab::up(user, include_str!("../../topologies/pair.yaml"));
    lab.signal("vswitch-h2", "STOP");
    let group = lab.named("security-group", "open");
    let rule = ["security-group", "authorize", group["id"].as_str().unwrap()];
    lab.weft(&[&rule[..], &["--ingress", "tcp:7000:0.0.0.0/0"]].concat())
        .ok();
    let waited = lab.weft(&["wait", "--timeout", "1"]);
    assert_eq!(waited.code(), 1, "{waited:?}");
    assert!(
        waited.stderr.contains("h2") && !waited.stderr.contains("h1"),
        "{waited:?}"
    );
    lab.signal("vswitch-h2", "CONT");
    lab.weft(&["wait"]).ok();
}
