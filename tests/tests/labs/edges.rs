//! Between workloads and the internet, through edges that keep no connection.

use std::time::Duration;

use weft_tests::{Lab, Running, User, both_datapaths, eventually};

const CROWD: u32 = 200;
const SOON: Duration = Duration::from_secs(20);

fn up(user: User) -> Lab {
    Lab::up(user, include_str!("../../topologies/edges.yaml"))
}

/// The elastic address of `web`.
fn public(lab: &Lab) -> String {
    let elastic = lab.named("elastic-address", "web");
    elastic["address"].as_str().unwrap().to_owned()
}

both_datapaths!(
    public_addresses_pass_both_ways_and_private_ones_do_not,
    passage
);

fn passage(user: User) {
    let lab = up(user);
    lab.weft(&["lab", "check"]).ok();
    // The next router is the VPC's, and the one after it the edge.
    let (web, _) = lab.addresses("web");
    assert!(web.starts_with("10.30.1."));
    let first = lab.peer("web", &["hop", "198.51.100.1"]);
    assert!(first.contains("10.30.1.1"), "{first}");
    explained(&lab);
}

/// From the internet by an edge and back, and the other way round.
fn explained(lab: &Lab) {
    let reaches = [
        (["198.51.100.1", "web", "--port", "5000"], "reaches"),
        (["web", "198.51.100.1", "--port", "5000"], "comes back"),
    ];
    for (question, says) in reaches {
        let told = lab.weft(&[&["explain"], &question[..]].concat());
        assert_eq!(told.code(), 0, "{told:?}");
        assert!(told.stdout.contains(says), "{told:?}");
        assert!(told.stdout.contains(&public(lab)), "{told:?}");
    }
    let blocked = lab.weft(&["explain", "198.51.100.1", "web", "--port", "22"]);
    assert_eq!(blocked.code(), 1, "{blocked:?}");
    assert!(
        blocked.stdout.contains("security_group_ingress"),
        "{blocked:?}"
    );
    let nowhere = lab.weft(&["explain", "198.51.100.1", "hidden", "--port", "5000"]);
    assert_eq!(nowhere.code(), 1, "{nowhere:?}");
    assert!(nowhere.stderr.contains("no public address"), "{nowhere:?}");
}

both_datapaths!(connections_outlive_an_edge_that_dies, death);

fn death(user: User) {
    survive(&up(user));
}

both_datapaths!(
    a_routing_daemon_takes_connections_off_a_dead_edge,
    announced
);

fn announced(user: User) {
    let text = include_str!("../../topologies/edges.yaml");
    let built_in = "internet: {pools: 203.0.113.0/24}";
    assert!(text.contains(built_in));
    let bird = "internet: {pools: 203.0.113.0/24, routing: bird}";
    let lab = Lab::up(user, &text.replace(built_in, bird));
    let processes = lab.json(&["lab", "status"]).to_string();
    for daemon in ["bird-e1", "bird-e2", "bird-internet"] {
        assert!(processes.contains(daemon), "{processes}");
    }
    let refused = lab.bring_up(text);
    assert_eq!(refused.code(), 2, "{refused:?}");
    assert!(
        refused.stderr.contains("routing can't change"),
        "{refused:?}"
    );
    survive(&lab);
}

/// All connections live on when one of two edges dies, whoever moves the routes.
fn survive(lab: &Lab) {
    let _inside = lab.serve("web", &["5000"]);
    let _outside = lab.serve("internet", &["5000"]);
    let count = CROWD.to_string();
    let address = public(lab);
    let mut inward = lab.start_peer("internet", &["crowd", &address, "5000", &count]);
    let mut outward = lab.start_peer("web", &["crowd", "198.51.100.1", "5000", &count]);
    for crowd in [&mut inward, &mut outward] {
        crowd.expect(&format!("open {count}"));
        assert_eq!(crowd.ask("before"), format!("alive {count}"));
    }
    let shares = ["e1", "e2"].map(|edge| carried(lab, edge));
    assert!(
        shares.iter().all(|&share| share > 0),
        "both edges: {shares:?}"
    );
    // Each death makes the pause before the next start longer.
    for _ in 0..3 {
        lab.kill("vswitch-e1");
    }
    lab.signal("vswitch-e1", "KILL");
    for crowd in [&mut inward, &mut outward] {
        assert_eq!(crowd.ask("after"), format!("alive {count}"));
    }
    eventually("the edge is back", SOON, || {
        let hosts = lab.json(&["host", "list"]);
        let hosts = hosts.as_array()?;
        hosts
            .iter()
            .all(|host| host["status"]["connected"] == true)
            .then_some(())
    });
    for crowd in [&mut inward, &mut outward] {
        assert_eq!(crowd.ask("again"), format!("alive {count}"));
    }
}

/// Frames that came to the edge from the internet.
fn carried(lab: &Lab, edge: &str) -> u64 {
    let host = format!("host:{edge}");
    let links = lab.exec(&host, &["ip", "-j", "-s", "link", "show", "uplink0"]);
    let links: serde_json::Value = serde_json::from_str(&links.ok()).unwrap();
    links[0]["stats64"]["rx"]["packets"].as_u64().unwrap()
}

both_datapaths!(a_smaller_path_is_found_in_mid_connection, path);

fn path(user: User) {
    let lab = up(user);
    let _inside = lab.serve("web", &["5000"]);
    let _outside = lab.serve("internet", &["5000"]);
    let address = public(&lab);
    let bytes = (1 << 20).to_string();
    let both = |lab: &Lab| {
        for (from, to) in [("internet", address.as_str()), ("web", "198.51.100.1")] {
            let done = lab.peer(from, &["transfer", to, "5000", &bytes, &bytes]);
            assert!(done.starts_with("ok"), "{done}");
        }
    };
    both(&lab);
    let mut kept: Running = lab.start_peer("web", &["chat", "198.51.100.1", "5000"]);
    kept.expect("open");
    let links = [
        ("host:e1", "uplink0"),
        ("host:e2", "uplink0"),
        ("internet", "isp0"),
    ];
    for (end, device) in links {
        let shrink = ["ip", "link", "set", device, "mtu", "1300"];
        lab.exec(end, &shrink).ok();
    }
    assert_eq!(kept.ask(&"x".repeat(8000)), "echo");
    both(&lab);
}
