//! Hosts whose packets the kernel forwards: their devices, and what becomes of them.

use std::time::Duration;

use weft_tests::{Lab, Mode, User, eventually};

const PAIR: &str = include_str!("../../topologies/pair.yaml");
const BACK: Duration = Duration::from_secs(20);

/// What `weft vswitch` makes on a host for its ports: the names.
fn on_host(lab: &Lab, host: &str) -> Vec<String> {
    let place = format!("host:{host}");
    let text = lab.exec(&place, &["ip", "-o", "link"]).ok();
    let names = text.lines().filter_map(|line| line.split(": ").nth(1));
    names
        .filter_map(|name| name.split('@').next())
        .filter(|name| name.starts_with("wv") || name.starts_with("wu"))
        .map(str::to_owned)
        .collect()
}

fn kind(lab: &Lab, host: &str) -> String {
    let status = lab.json(&["inspect", host]);
    status["datapath"]["kind"].as_str().unwrap().to_owned()
}

fn all_reach(lab: &Lab) {
    let _servers = ["near", "far"].map(|workload| lab.serve(workload, &["5000"]));
    for workload in ["near", "far"] {
        let (v4, v6) = lab.addresses(workload);
        for address in [v4, v6.unwrap()] {
            let said = lab.peer(
                "client",
                &["transfer", &address, "5000", "100000", "100000"],
            );
            assert!(said.starts_with("ok "), "{workload} {address}: {said}");
        }
    }
}

#[test]
fn a_host_changes_its_datapath_and_its_devices_with_it() {
    let Some(user) = User::new(Mode::Kernel) else {
        return;
    };
    let lab = Lab::new(user);
    let device = |lab: &Lab| {
        // There is none for a moment, until the next attempt.
        let shown = lab.exec("client", &["ip", "-d", "link", "show", "eth0"]);
        let is = |kind| shown.stdout.contains(kind);
        (is("veth"), is("tun"))
    };
    for (datapath, veth) in [("kernel", true), ("userspace", false), ("kernel", true)] {
        let mut up = lab.up_command(PAIR);
        up.args(["--datapath", datapath]);
        weft_tests::run(up, b"", Duration::from_secs(90)).ok();
        assert_eq!(kind(&lab, "h1"), datapath);
        eventually("the device of that datapath", BACK, || {
            (device(&lab) == (veth, !veth)).then_some(())
        });
        assert_eq!(on_host(&lab, "h1").is_empty(), !veth);
        all_reach(&lab);
    }
}

#[test]
fn nothing_of_a_port_stays_on_the_host() {
    let Some(user) = User::new(Mode::Kernel) else {
        return;
    };
    let lab = Lab::up(user, PAIR);
    let before = on_host(&lab, "h2");
    let spare = lab.interface("spare");
    let id = spare["id"].as_str().unwrap();
    let own = |names: &[String]| {
        let digits = &id[id.len() - 13..];
        names.iter().filter(|name| name.ends_with(digits)).count()
    };
    assert_eq!(own(&before), 2, "{before:?}");
    lab.weft(&["interface", "delete", id, "--wait"]).ok();
    eventually("both devices gone", BACK, || {
        (own(&on_host(&lab, "h2")) == 0).then_some(())
    });
    let inside = lab.exec("spare", &["ip", "link", "show", "eth0"]);
    assert!(!inside.status.success(), "{inside:?}");
    assert_eq!(on_host(&lab, "h2").len(), before.len() - 2);
}

#[test]
fn what_a_dead_vswitch_left_is_taken_up_or_away() {
    let Some(user) = User::new(Mode::Kernel) else {
        return;
    };
    let lab = Lab::up(user, PAIR);
    let before = on_host(&lab, "h2");
    for _ in 0..4 {
        lab.kill("vswitch-h2");
    }
    assert_eq!(on_host(&lab, "h2"), before, "the same devices");
    lab.signal("vswitch-h2", "KILL");
    let spare = lab.interface("spare");
    let id = spare["id"].as_str().unwrap();
    lab.weft(&["interface", "delete", id]).ok();
    lab.weft(&["wait"]).ok();
    eventually("the removed port's devices gone", BACK, || {
        (on_host(&lab, "h2").len() == before.len() - 2).then_some(())
    });
    all_reach(&lab);
}

#[test]
fn the_hosts_own_stack_takes_no_part() {
    let Some(user) = User::new(Mode::Kernel) else {
        return;
    };
    let lab = Lab::up(user, PAIR);
    let names = on_host(&lab, "h1");
    assert!(!names.is_empty());
    for name in &names {
        let shown = lab
            .exec("host:h1", &["ip", "address", "show", "dev", name])
            .ok();
        assert!(shown.contains("NOARP"), "{shown}");
        assert!(!shown.contains("inet"), "no address: {shown}");
    }
    // An address of the host's, from a port of it: nobody there.
    let vtep = lab.json(&["host", "list"])[0]["vtep"].clone();
    let vtep = vtep.as_str().unwrap();
    assert_eq!(lab.peer("client", &["reach", "icmp", vtep]), "timeout");
    // And while no program is there, since the vswitch is dead.
    lab.signal("vswitch-h1", "KILL");
    assert_eq!(lab.peer("client", &["reach", "icmp", vtep]), "timeout");
}

#[test]
fn a_rootless_lab_says_why_it_has_no_kernel_datapath() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let lab = Lab::new(user);
    let mut up = lab.up_command(PAIR);
    up.args(["--datapath", "kernel"]);
    let done = weft_tests::run(up, b"", Duration::from_secs(90));
    assert_eq!(done.code(), 3, "{done:?}");
    assert!(done.stderr.contains("host h1"), "{done:?}");
    assert!(done.stderr.contains("rootless"), "{done:?}");
    let mut up = lab.up_command(PAIR);
    up.args(["--datapath", "auto"]);
    weft_tests::run(up, b"", Duration::from_secs(90)).ok();
    let status = lab.json(&["inspect", "h1"]);
    assert_eq!(status["datapath"]["kind"], "userspace", "{status:#}");
    let why = status["datapath"]["why_not"].as_str().unwrap();
    assert!(why.contains("CAP_BPF") || why.contains("clang"), "{why}");
}
