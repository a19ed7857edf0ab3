//! Out by a NAT gateway: private workloads of two hosts share an address.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use weft_tests::{Lab, Mode, Running, User, both_datapaths, eventually};

const SERVER: &str = "198.51.100.1";
const CROWD: u32 = 100;
/// Connections of one address to one destination.
const MOST: usize = 55_000;
const SERVERS: usize = 5;
/// For so many to open, on a busy machine.
const MANY: Duration = Duration::from_secs(300);
const SOON: Duration = Duration::from_secs(20);

fn up(user: User) -> Lab {
    Lab::up(user, include_str!("../../topologies/nat.yaml"))
}

fn public(lab: &Lab) -> String {
    let nat = lab.named("nat-gateway", "way-out");
    nat["public_ipv4"].as_str().unwrap().to_owned()
}

both_datapaths!(private_workloads_share_an_address_on_the_way_out, passage);

fn passage(user: User) {
    let lab = up(user);
    lab.weft(&["lab", "check"]).ok();
    let mut seen = lab.start_peer("internet", &["gather", "5010"]);
    seen.expect("ready");
    let crowds = ["left-1", "right-1"].map(|from| {
        let crowd = lab.start_peer(from, &["multitude", SERVER, "5010", "300"]);
        crowd.expect("open 300");
        crowd
    });
    let all = format!("kept 600 from {}", public(&lab));
    eventually("all are taken", SOON, || {
        (seen.ask("all") == all).then_some(())
    });
    drop(crowds);
    explained(&lab);
    // Nobody comes in by it, and nobody inside gets there.
    let _inside = lab.serve("left-1", &["5000"]);
    for from in ["internet", "right-1"] {
        let tried = lab.peer(from, &["reach", "tcp", &public(&lab), "5000"]);
        assert_eq!(tried, "timeout", "{from}");
    }
    let drops = lab.weft(&["inspect", "h2", "drops"]).ok();
    assert!(drops.contains("nat_hairpin"), "{drops}");
    removed(&lab);
}

/// The explanation goes out by the gateway and back, and names it.
fn explained(lab: &Lab) {
    let told = lab.weft(&["explain", "right-1", SERVER, "--port", "5000"]);
    assert_eq!(told.code(), 0, "{told:?}");
    for word in [
        "front ingress 100 (line ",
        "way-out",
        "nat-gateway",
        "igw-",
        &public(lab),
        "leaves the cloud",
    ] {
        assert!(told.stdout.contains(word), "{word}: {}", told.stdout);
    }
    let blocked = lab.weft(&["explain", "left-1", SERVER, "--port", "6666", "--brief"]);
    assert_eq!(blocked.code(), 1, "{blocked:?}");
    assert!(blocked.stdout.contains("network ACL"), "{blocked:?}");
    let blocked = lab.weft(&["explain", "left-1", SERVER, "--port", "6666"]);
    let place = "front ingress 10 (line ";
    assert!(blocked.stdout.contains(place), "{blocked:?}");
}

/// Without the gateway its route drops; with another, connections go on as new ones.
fn removed(lab: &Lab) {
    let _outside = lab.serve("internet", &["5020"]);
    let id = lab.named("nat-gateway", "way-out")["id"].clone();
    lab.weft(&["nat-gateway", "delete", id.as_str().unwrap(), "--wait"])
        .ok();
    let out = ["reach", "tcp", SERVER, "5020"];
    assert_eq!(lab.peer("left-1", &out), "timeout");
    let again = lab.bring_up(include_str!("../../topologies/nat.yaml"));
    assert_eq!(again.code(), 0, "{again:?}");
    assert_eq!(lab.peer("left-1", &out), "reached");
}

/// How many ports each host holds.
fn leases_of(lab: &Lab) -> BTreeMap<String, u64> {
    let nat = lab.named("nat-gateway", "way-out");
    let leases = nat["leases"].as_array().unwrap().iter();
    let held = |lease: &Value| Some((lease["host"].as_str()?.to_owned(), lease["ports"].as_u64()?));
    leases.filter_map(held).collect()
}

both_datapaths!(connections_outlive_an_edge_and_the_controller, death);

fn death(user: User) {
    let lab = up(user);
    let _outside = lab.serve("internet", &["5000"]);
    let count = CROWD.to_string();
    let mut crowds = ["left-1", "right-1"].map(|from| {
        let mut crowd: Running = lab.start_peer(from, &["crowd", SERVER, "5000", &count]);
        crowd.expect(&format!("open {count}"));
        assert_eq!(crowd.ask("before"), format!("alive {count}"));
        crowd
    });
    let leases = leases_of(&lab);
    for _ in 0..3 {
        lab.kill("vswitch-e1");
    }
    lab.kill("controller");
    for crowd in &mut crowds {
        assert_eq!(crowd.ask("after"), format!("alive {count}"));
    }
    eventually("all are back", SOON, || {
        let hosts = lab.weft(&["-o", "json", "host", "list"]);
        let hosts: Value = serde_json::from_str(&hosts.stdout).ok()?;
        let all = hosts.as_array()?;
        let back = |host: &Value| host["status"]["connected"] == true;
        all.iter().all(back).then_some(())
    });
    for crowd in &mut crowds {
        assert_eq!(crowd.ask("again"), format!("alive {count}"));
    }
    // Nobody's ports were given to somebody else.
    let kept = leases_of(&lab);
    for (host, ports) in leases {
        assert!(kept.get(&host) >= Some(&ports), "{host}: {kept:?}");
    }
    let new = lab.peer("left-2", &["reach", "tcp", SERVER, "5000"]);
    assert_eq!(new, "reached");
}

both_datapaths!(a_smaller_path_is_found_through_the_gateway, path);

fn path(user: User) {
    let lab = up(user);
    let _outside = lab.serve("internet", &["5000"]);
    let bytes = (1 << 20).to_string();
    let transfer = ["transfer", SERVER, "5000", &bytes, &bytes];
    let both = |lab: &Lab| {
        for from in ["left-1", "right-1"] {
            assert!(lab.peer(from, &transfer).starts_with("ok"));
        }
    };
    both(&lab);
    let mut kept: Running = lab.start_peer("left-1", &["chat", SERVER, "5000"]);
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
    // In pieces, both ways.
    for from in ["left-1", "right-1"] {
        let pieces = lab.peer(from, &["reach", "udp", SERVER, "5000", "4000"]);
        assert_eq!(pieces, "reached", "{from}");
    }
    let hop = lab.peer("left-1", &["hop", SERVER]);
    assert!(hop.contains("10.40.1.1"), "{hop}");
}

#[test]
fn an_address_has_55000_connections_to_a_destination_and_no_more() {
    let Some(user) = User::new(Mode::Root) else {
        return;
    };
    // One host and one worker, so that all ports are for whoever asks.
    let text = include_str!("../../topologies/nat.yaml");
    let text = text.split("checks:").next().unwrap();
    let text = text.replace("h1: {zone: a}", "h1: {zone: a, workers: 1}");
    let alone = text.lines().filter(|line| !line.contains("right-1"));
    let lab = Lab::up(user, &alone.collect::<Vec<_>>().join("\n"));
    // One process alone may not open so many files.
    let mut servers: Vec<Running> = (0..SERVERS)
        .map(|_| lab.start_peer("internet", &["gather", "5010"]))
        .collect();
    servers.iter().for_each(|server| server.expect("ready"));
    let parts = ["left-1", "left-2", "left-3", "left-4"];
    let part = (MOST / parts.len()).to_string();
    let mut crowds = parts.map(|from| lab.start_peer(from, &["multitude", SERVER, "5010", &part]));
    for crowd in &mut crowds {
        assert_eq!(crowd.next_within(MANY), format!("open {part}"));
    }
    eventually("all are taken", SOON, || {
        let kept = servers.iter_mut().map(|server| {
            let said = server.ask("all");
            let words: Vec<&str> = said.split(' ').collect();
            assert_eq!(words[2..], ["from", &public(&lab)], "{said}");
            words[1].parse::<usize>().unwrap()
        });
        (kept.sum::<usize>() == MOST).then_some(())
    });
    let refused = || {
        let drops = lab.json(&["inspect", "h1", "drops"]);
        drops.to_string().contains("nat_exhausted")
    };
    let before = refused();
    let more = crowds[0].ask("more");
    assert!(more.starts_with("no more"), "{more}");
    assert!(refused(), "counted; before: {before}");
    // Other destinations have room, once the burst of bytes to all of them is through.
    let _other = lab.serve("internet", &["5011"]);
    for other in [&["icmp", SERVER][..], &["tcp", SERVER, "5011"]] {
        eventually("others are reached", SOON, || {
            let said = lab.peer("left-1", &[&["reach"], other].concat());
            (said == "reached").then_some(())
        });
    }
}
