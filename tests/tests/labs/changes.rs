//! What the API changes, packets obey.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use weft_tests::{Lab, Mode, User, both_datapaths, eventually};

both_datapaths!(packets_obey_what_the_api_changes, changes);

fn changes(user: User) {
    let lab = Lab::up(user, include_str!("../../topologies/pair.yaml"));
    a_rule_opens_and_its_removal_spares_tracked_connections(&lab);
    untracked_flows_end_with_their_rule(&lab);
    membership_takes_effect(&lab);
    a_blackhole_drops(&lab);
    a_new_interface_answers_at_once(&lab);
}

fn id(item: &Value) -> &str {
    item["id"].as_str().unwrap()
}

fn authorize(lab: &Lab, group: &str, rule: &str) -> String {
    let before = rules(lab, group);
    lab.weft(&[
        "security-group",
        "authorize",
        group,
        "--ingress",
        rule,
        "--wait",
    ])
    .ok();
    let new: Vec<String> = rules(lab, group)
        .into_iter()
        .filter(|r| !before.contains(r))
        .collect();
    let [rule] = new.as_slice() else {
        panic!("one rule is new: {new:?}")
    };
    rule.clone()
}

fn rules(lab: &Lab, group: &str) -> Vec<String> {
    let group = lab.json(&["security-group", "show", group]);
    group["ingress"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| id(rule).to_owned())
        .collect()
}

fn revoke(lab: &Lab, group: &str, rule: &str) {
    lab.weft(&["security-group", "revoke", group, rule, "--wait"])
        .ok();
}

fn a_rule_opens_and_its_removal_spares_tracked_connections(lab: &Lab) {
    let _server = lab.serve("locked", &["5000"]);
    let (v4, v6) = lab.addresses("locked");
    let group = lab.named("security-group", "narrow");
    let (client4, client6) = lab.addresses("client");
    for (address, peer) in [
        (v4, client4 + "/32"),
        (v6.unwrap(), client6.unwrap() + "/128"),
    ] {
        let reach = || lab.peer("client", &["reach", "tcp", &address, "5000"]);
        assert_eq!(reach(), "timeout", "an empty group lets nothing in");
        let rule = authorize(lab, id(&group), &format!("tcp:5000:{peer}"));
        assert_eq!(reach(), "reached");
        assert_eq!(
            lab.peer("near", &["reach", "tcp", &address, "5000"]),
            "timeout"
        );
        let mut chat = lab.start_peer("client", &["chat", &address, "5000"]);
        chat.expect("open");
        assert_eq!(chat.ask("before"), "echo");
        revoke(lab, id(&group), &rule);
        assert_eq!(
            chat.ask("after"),
            "echo",
            "a tracked connection survives its rule"
        );
        assert_eq!(reach(), "timeout", "a new one doesn't come to be");
        assert_eq!(chat.ask("still"), "echo");
    }
}

/// UDP allowed from everywhere, with all egress: nothing is remembered of it.
fn untracked_flows_end_with_their_rule(lab: &Lab) {
    let _server = lab.serve("locked", &["5002"]);
    let (address, _) = lab.addresses("locked");
    let group = lab.named("security-group", "narrow");
    let rule = authorize(lab, id(&group), "udp:5002:0.0.0.0/0");
    let mut beat = lab.start_peer("client", &["beat", &address, "5002"]);
    beat.expect("beating");
    revoke(lab, id(&group), &rule);
    assert_eq!(
        lab.peer("client", &["reach", "udp", &address, "5002"]),
        "timeout"
    );
    let cut = beat.finish();
    let numbers: Vec<u64> = cut
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    // The reach above alone takes longer than 200 of these beats.
    assert!(numbers[0] > numbers[1] + 100, "it stops at once: {cut}");
}

fn membership_takes_effect(lab: &Lab) {
    let _server = lab.serve("locked", &["5003"]);
    let (address, _) = lab.addresses("locked");
    let (open, narrow) = (
        lab.named("security-group", "open"),
        lab.named("security-group", "narrow"),
    );
    let interface = lab.interface("locked");
    let reach = || lab.peer("client", &["reach", "tcp", &address, "5003"]);
    let join = |groups: &[&str]| {
        let mut words = vec!["interface", "update", id(&interface), "--wait"];
        words.extend(groups.iter().flat_map(|group| ["--group", group]));
        lab.weft(&words).ok();
    };
    assert_eq!(reach(), "timeout");
    join(&[id(&open), id(&narrow)]);
    assert_eq!(
        reach(),
        "reached",
        "it is of the group that the rule is for"
    );
    join(&[id(&narrow)]);
    assert_eq!(reach(), "timeout");
    // The other end: the rule stays, its peer leaves the group that the rule names.
    let rule = authorize(lab, id(&narrow), &format!("tcp:5003:{}", id(&open)));
    assert_eq!(reach(), "reached");
    let client = lab.interface("client");
    lab.weft(&[
        "interface",
        "update",
        id(&client),
        "--group",
        id(&narrow),
        "--wait",
    ])
    .ok();
    assert_eq!(reach(), "timeout", "no member any more");
    lab.weft(&[
        "interface",
        "update",
        id(&client),
        "--group",
        id(&open),
        "--wait",
    ])
    .ok();
    assert_eq!(reach(), "reached");
    revoke(lab, id(&narrow), &rule);
}

/// A middlebox stands in the way by a route; unplugged, its route is a blackhole.
fn a_blackhole_drops(lab: &Lab) {
    let (far, _) = lab.addresses("far");
    let vpc = lab.named("vpc", "net");
    let table = vpc["main_route_table"].as_str().unwrap();
    let middlebox = lab.interface("box");
    let ping = || lab.peer("client", &["reach", "icmp", &far]);
    let drops = || lab.weft(&["inspect", "h1", "drops"]).ok();
    assert_eq!(ping(), "reached");
    let block = "10.20.2.0/24";
    lab.weft(&[
        "route-table",
        "put-route",
        table,
        block,
        id(&middlebox),
        "--wait",
    ])
    .ok();
    assert_eq!(ping(), "reached", "the box forwards");
    assert!(!drops().contains("blackhole"), "{}", drops());
    lab.weft(&["interface", "detach", id(&middlebox), "--wait"])
        .ok();
    assert_eq!(
        ping(),
        "timeout",
        "it doesn't fall through to the local route"
    );
    assert!(drops().contains("blackhole"), "{}", drops());
    let (near, _) = lab.addresses("near");
    assert_eq!(
        lab.peer("client", &["reach", "icmp", &near]),
        "reached",
        "subnets don't route"
    );
    lab.weft(&["route-table", "delete-route", table, block, "--wait"])
        .ok();
    assert_eq!(ping(), "reached");
}

/// Also prints how long it took from the request to the first answered ping.
fn a_new_interface_answers_at_once(lab: &Lab) {
    let old = lab.interface("spare");
    lab.weft(&["interface", "delete", id(&old), "--wait"]).ok();
    eventually("its device goes with it", Duration::from_secs(10), || {
        let shown = lab.exec("spare", &["ip", "link", "show", "eth0"]);
        (!shown.status.success()).then_some(())
    });
    let (subnet, group) = (
        lab.named("subnet", "right"),
        lab.named("security-group", "open"),
    );
    let address = "10.20.2.77";
    let mut times = Vec::new();
    for _ in 0..3 {
        let pinger = lab.start_peer("client", &["await", address]);
        pinger.expect("trying");
        let begin = SystemTime::now();
        #[rustfmt::skip]
        let made = lab.json(&[
            "interface", "create", "--subnet", id(&subnet), "--group", id(&group), "--ipv4", address,
            "--host", "h2", "--netns", "spare", "--name", "new", "--wait",
        ]);
        let applied = begin.elapsed().unwrap();
        let answered = Duration::from_nanos(pinger.next().parse().unwrap());
        times.push((
            applied,
            answered.saturating_sub(begin.duration_since(UNIX_EPOCH).unwrap()),
        ));
        lab.weft(&["interface", "delete", id(&made), "--wait"]).ok();
        assert_eq!(lab.peer("client", &["reach", "icmp", address]), "timeout");
    }
    for (applied, answered) in times {
        println!(
            "a new interface: applied on all hosts after {applied:?}, first ping answered after {answered:?}"
        );
    }
}

#[test]
fn an_interface_moves_to_another_host_with_its_address() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let lab = Lab::up(user, include_str!("../../topologies/tenants.yaml"));
    let address = "10.30.0.12";
    let reach = |from: &str| lab.peer(from, &["reach", "udp", address, "5000"]);
    let _server = lab.serve("open-2", &["5000"]);
    let from = ["open-1", "shut-2"];
    assert_eq!(from.map(reach), ["reached"; 2]);
    let (moving, leaving) = (lab.interface("open-2"), lab.interface("shut-1"));
    lab.weft(&["interface", "delete", id(&leaving), "--wait"])
        .ok();
    lab.weft(&["interface", "detach", id(&moving), "--wait"])
        .ok();
    assert_eq!(from.map(reach), ["timeout"; 2], "unplugged, it is nowhere");
    let _server = lab.serve("shut-1", &["5000"]);
    let place = ["--host", "h1", "--netns", "shut-1", "--wait"];
    lab.weft(&[&["interface", "attach", id(&moving)], &place[..]].concat())
        .ok();
    assert_eq!(
        from.map(reach),
        ["reached"; 2],
        "it is found where it is now"
    );
    let inside = lab
        .exec("shut-1", &["ip", "address", "show", "dev", "eth0"])
        .ok();
    assert!(inside.contains(address), "{inside}");
    assert!(
        inside.contains(moving["mac"].as_str().unwrap()),
        "its MAC came along: {inside}"
    );
}

#[test]
fn a_connection_does_not_feel_changes_that_are_not_its_own() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let lab = Lab::up(user, include_str!("../../topologies/pair.yaml"));
    let _server = lab.serve("far", &["5000"]);
    let (far, _) = lab.addresses("far");
    let bytes = (150_u64 << 20).to_string();
    let mut beat = lab.start_peer("near", &["beat", &far, "5000"]);
    beat.expect("beating");
    let mut transfer = lab.start_peer("client", &["transfer", &far, "5000", &bytes, &bytes]);
    let groups = ["open", "narrow"].map(|name| lab.named("security-group", name));
    let mut changes = 0;
    while !transfer.ended() {
        let group = id(&groups[changes % 2]);
        let rule = authorize(&lab, group, "tcp:7000:198.51.100.0/24");
        revoke(&lab, group, &rule);
        changes += 1;
    }
    assert!(changes > 3, "the transfer was long enough: {changes}");
    let said = transfer.next();
    assert!(said.starts_with("ok "), "{said}");
    println!("{said}, with {changes} changes of its groups");
    let said = beat.finish();
    let numbers: Vec<u64> = said
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(numbers[0], numbers[1], "{said}");
}
