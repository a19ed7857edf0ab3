//! `weft explain` in a lab.

use serde_json::Value;
use weft_tests::{Finished, Lab, User, both_modes};

const TOPOLOGY: &str = include_str!("../../topologies/pair.yaml");

both_modes!(explanations_agree_with_the_packets, explanations);

fn explanations(user: User) {
    let lab = Lab::up(user, TOPOLOGY);
    passes_and_names_the_lines(&lab);
    drops_and_names_the_reason(&lab);
    agrees_with_real_packets(&lab);
    refuses_what_makes_no_sense(&lab);
    tells_intent_where_a_host_is_silent(&lab);
}

fn explain(lab: &Lab, arguments: &[&str]) -> Finished {
    lab.weft(&[&["explain"], arguments].concat())
}

fn json(lab: &Lab, arguments: &[&str]) -> (i32, Value) {
    let ended = explain(lab, &[&["--output", "json"], arguments].concat());
    let value = serde_json::from_str(&ended.stdout);
    (
        ended.code(),
        value.unwrap_or_else(|e| panic!("{e}: {ended:?}")),
    )
}

/// The number of the topology's first line with this text.
fn line(text: &str) -> usize {
    1 + TOPOLOGY
        .lines()
        .position(|line| line.contains(text))
        .unwrap()
}

fn passes_and_names_the_lines(lab: &Lab) {
    let ended = explain(lab, &["client", "far", "--port", "5000"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let place = format!("open ingress (line {})", line("protocol: tcp"));
    assert!(ended.stdout.contains(&place), "{place}: {}", ended.stdout);
    assert!(ended.stdout.contains("client to far: reaches"), "{ended:?}");
    for family in [&[][..], &["--ipv6"]] {
        let (code, told) = json(
            lab,
            &[&["client", "far", "--port", "5000"], family].concat(),
        );
        assert_eq!(
            (code, &told["installed"]["reached"]),
            (0, &Value::Bool(true))
        );
        assert_eq!(told["differences"], Value::Array(vec![]), "{told:#}");
        assert_eq!(told["intended"], told["installed"]);
    }
}

fn drops_and_names_the_reason(lab: &Lab) {
    let (code, told) = json(lab, &["client", "locked", "--port", "5000"]);
    assert_eq!(code, 1, "{told:#}");
    let hop = told["installed"]["hops"]
        .as_array()
        .unwrap()
        .last()
        .unwrap();
    assert_eq!(hop["host"], "h2");
    let step = hop["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(step["reason"], "security_group_ingress");
    assert_eq!(step["object"], lab.interface("locked")["id"]);
    let brief = explain(lab, &["client", "locked", "--port", "5000", "--brief"]);
    assert_eq!(brief.stdout.trim_end().lines().count(), 1, "{brief:?}");
    assert!(brief.stdout.contains("blocked"), "{brief:?}");
}

fn agrees_with_real_packets(lab: &Lab) {
    let _servers = ["near", "far", "locked"].map(|w| lab.serve(w, &["5000", "5010"]));
    for to in ["near", "far", "locked"] {
        for port in ["5000", "5010"] {
            let (address, _) = lab.addresses(to);
            let (code, told) = json(lab, &["client", to, "--port", port]);
            let said = lab.peer("client", &["reach", "tcp", &address, port]);
            let arrived = said == "reached";
            assert_eq!(code == 0, arrived, "{to} {port}: {told:#} {said}");
        }
    }
}

fn refuses_what_makes_no_sense(lab: &Lab) {
    for (arguments, says) in [
        (
            &["nobody", "far", "--port", "1"][..],
            "`nobody` is no interface's id or name",
        ),
        (&["client", "far"], "port"),
        (
            &["client", "far", "--protocol", "icmp", "--port", "1"],
            "leave it out",
        ),
    ] {
        let ended = explain(lab, arguments);
        assert_eq!(ended.code(), 1, "{ended:?}");
        assert!(ended.stderr.contains(says), "{says}: {ended:?}");
    }
}

fn tells_intent_where_a_host_is_silent(lab: &Lab) {
    lab.signal("vswitch-h2", "STOP");
    let (code, told) = json(lab, &["client", "far", "--port", "5000"]);
    lab.signal("vswitch-h2", "CONT");
    assert_eq!((code, &told["installed"]), (0, &Value::Null), "{told:#}");
    assert!(
        told["unreachable"].as_str().unwrap().starts_with("h2: "),
        "{told:#}"
    );
}
