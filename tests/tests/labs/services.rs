//! What a workload asks its own switch, and what it may do at the most.

use std::time::Duration;

use weft_tests::{Lab, User, both_modes, eventually};

both_modes!(
    workloads_ask_their_own_switch_and_keep_to_their_limits,
    services
);

fn services(user: User) {
    let lab = Lab::up(user, include_str!("../../topologies/services.yaml"));
    names(&lab);
    private_zones(&lab);
    names_from_elsewhere(&lab);
    metadata(&lab);
    time(&lab);
    packets_are_limited(&lab);
    connections_are_limited(&lab);
}

/// `asker` is in a group that lets nothing out.
fn names(lab: &Lab) {
    let (_, far6) = lab.addresses("far");
    let far6 = far6.expect("the subnets have IPv6");
    for server in ["10.20.0.2", "169.254.169.253", "fd00:ec2::253"] {
        let ask = |name: &str, kind: &str| lab.peer("asker", &["dns", server, name, kind]);
        assert_eq!(ask("far.lab.compute.internal", "A"), "NOERROR 10.20.2.20");
        assert_eq!(
            ask("ip-10-20-1-10.lab.compute.internal", "A"),
            "NOERROR 10.20.1.10"
        );
        let six = format!("NOERROR {far6}");
        assert_eq!(ask("far.lab.compute.internal", "AAAA"), six);
        assert_eq!(ask("nobody.lab.compute.internal", "A"), "NXDOMAIN");
        assert_eq!(ask("20.2.20.10.in-addr.arpa", "PTR"), "NOERROR");
    }
    let over_tcp = ["dns", "10.20.0.2", "far.lab.compute.internal", "A", "tcp"];
    assert_eq!(lab.peer("asker", &over_tcp), "NOERROR 10.20.2.20");
    let deaf = lab.try_peer(
        "lone",
        &["dns", "10.30.0.2", "lone.lab.compute.internal", "A"],
    );
    assert!(deaf.stderr.contains("no answer"), "{deaf:?}");
}

fn private_zones(lab: &Lab) {
    let ask = |name: &str| lab.peer("asker", &["dns", "10.20.0.2", name, "A"]);
    assert_eq!(ask("db.corp.internal"), "NOERROR 10.20.2.77 10.20.2.78");
    assert_eq!(ask("www.corp.internal"), "NOERROR 10.20.2.20");
    assert_eq!(ask("x.any.corp.internal"), "NOERROR 10.20.2.79");
    assert_eq!(ask("new.corp.internal"), "NXDOMAIN");
    let zones = lab.json(&["private-zone", "list"]);
    let zone = zones[0]["id"].as_str().unwrap();
    let put = ["private-zone", "put-record", zone, "new.corp.internal", "A"];
    lab.weft(&[&put[..], &["10.20.2.80", "--wait"]].concat())
        .ok();
    assert_eq!(ask("new.corp.internal"), "NOERROR 10.20.2.80");
    let delete = [
        "private-zone",
        "delete-record",
        zone,
        "new.corp.internal",
        "A",
        "--wait",
    ];
    lab.weft(&delete).ok();
    assert_eq!(ask("new.corp.internal"), "NXDOMAIN");
}

/// Forwarded by `h1`, from its own address under the tunnel.
fn names_from_elsewhere(lab: &Lab) {
    let mut resolver = lab.start_peer("host:h2", &["resolver", "10.99.0.2"]);
    resolver.expect("ready");
    let ask = |name: &str, how: &[&str]| {
        lab.peer("asker", &[&["dns", "10.20.0.2", name, "A"], how].concat())
    };
    assert_eq!(ask("www.example.org", &[]), "NOERROR 192.0.2.0");
    assert_eq!(ask("www.example.org", &["tcp"]), "NOERROR 192.0.2.0");
    assert_eq!(ask("nobody.example.org", &[]), "NXDOMAIN");
    assert_eq!(ask("fails.example.org", &[]), "2");
    assert_eq!(ask("www.half.example", &[]), "NOERROR 192.0.2.0");
    assert_eq!(ask("www.dead.example", &["tcp"]), "2");
    assert_eq!(ask("big.example.org", &[]), "NOERROR cut");
    let whole = ask("big.example.org", &["tcp"]);
    assert_eq!(whole.split(' ').count(), 101, "{whole}");
    for own in [
        "www.corp.internal",
        "gone.corp.internal",
        "gone.lab.compute.internal",
        "gone.internal",
        "single",
        "9.9.20.10.in-addr.arpa",
    ] {
        let code = ask(own, &[]);
        assert!(
            code.starts_with("NXDOMAIN") || own.starts_with("www"),
            "{own} {code}"
        );
    }
    resolver.finish();
    let asked = resolver.said().join("\n");
    assert!(asked.contains("asked big.example.org tcp"), "{asked}");
    for private in ["internal", "single", "arpa", "dead"] {
        assert!(!asked.contains(private), "{asked}");
    }
    let status = lab.json(&["inspect", "h1", "status"]);
    assert!(
        status["counters"]["dns_upstream_answered"].as_u64() > Some(5),
        "{status:#}"
    );
    stop_forwarding(lab);
}

fn stop_forwarding(lab: &Lab) {
    let vpc = lab.named("vpc", "net");
    let id = vpc["id"].as_str().unwrap();
    lab.weft(&["vpc", "update", id, "--no-dns-forwards", "--wait"])
        .ok();
    let refused = lab.peer("asker", &["dns", "10.20.0.2", "www.example.org", "A"]);
    assert_eq!(refused, "5");
}

fn metadata(lab: &Lab) {
    for server in ["169.254.169.254", "fd00:ec2::254"] {
        let get = |path: &str, headers: &[&str]| {
            let words = ["http", "GET", server, path];
            lab.peer("asker", &[&words[..], headers].concat())
        };
        let path = "/latest/meta-data/local-ipv4";
        assert!(get(path, &[]).starts_with("401 "));
        let ttl = "X-aws-ec2-metadata-token-ttl-seconds: 60";
        let token = lab.peer("asker", &["http", "PUT", server, "/latest/api/token", ttl]);
        let token = token.strip_prefix("200 ").unwrap();
        let with = format!("X-aws-ec2-metadata-token: {token}");
        assert_eq!(get(path, &[&with]), "200 10.20.1.10");
        assert_eq!(
            get("/latest/user-data", &[&with]),
            "200 hello from the topology"
        );
        let name = get("/latest/meta-data/tags/instance/Name", &[&with]);
        assert_eq!(name, "200 asker");
        let document = get("/latest/dynamic/instance-identity/document", &[&with]);
        assert!(document.contains("\"region\" : \"lab\""), "{document}");
        assert!(get("/latest/nothing", &[&with]).starts_with("404 "));
    }
    let plain = ["http", "GET", "169.254.169.254", "/latest/meta-data/mac"];
    let mac = lab.interface("lone")["mac"].as_str().unwrap().to_owned();
    assert_eq!(lab.peer("lone", &plain), format!("200 {mac}"));
}

fn time(lab: &Lab) {
    for server in ["169.254.169.123", "fd00:ec2::123"] {
        assert_eq!(lab.peer("asker", &["time", server]), "agreed version 4");
    }
}

/// What was dropped at `slow` for this reason.
fn drops(lab: &Lab, reason: &str) -> u64 {
    let id = lab.interface("slow")["id"].as_str().unwrap().to_owned();
    let ports = lab.json(&["inspect", "h1", "ports"]);
    let ports = ports["ports"].as_array().or_else(|| ports.as_array());
    let port = ports
        .unwrap()
        .iter()
        .find(|port| port["interface"] == id.as_str());
    port.unwrap()["drops"][reason].as_u64().unwrap_or(0)
}

fn update(lab: &Lab, limit: &str) {
    let slow = lab.interface("slow");
    let id = slow["id"].as_str().unwrap();
    lab.weft(&["interface", "update", id, "--limit", limit, "--wait"])
        .ok();
}

/// Ten a second, and 128 at once: of a thousand, most are dropped however slow the machine is.
fn packets_are_limited(lab: &Lab) {
    assert_eq!(
        lab.peer("slow", &["burst", "10.20.2.20", "5005", "1000"]),
        "sent 1000"
    );
    eventually("the drops", Duration::from_secs(10), || {
        (drops(lab, "limit_packets") >= 500).then_some(())
    });
    update(lab, "egress-packets=none");
    let before = drops(lab, "limit_packets");
    assert_eq!(
        lab.peer("slow", &["burst", "10.20.2.20", "5005", "1000"]),
        "sent 1000"
    );
    assert_eq!(drops(lab, "limit_packets"), before, "no limit, no drop");
}

fn connections_are_limited(lab: &Lab) {
    let _server = lab.serve("far", &["5001"]);
    let mut chats: Vec<_> = (0..3)
        .map(|_| {
            let chat = lab.start_peer("slow", &["chat", "10.20.2.20", "5001"]);
            chat.expect("open");
            chat
        })
        .collect();
    let fourth = || lab.peer("slow", &["reach", "tcp", "10.20.2.20", "5001"]);
    assert_eq!(fourth(), "timeout");
    assert!(drops(lab, "flow_allowance_full") > 0);
    for chat in &mut chats {
        assert_eq!(chat.ask("still"), "echo", "those that are there stay");
    }
    update(lab, "connections=none");
    assert_eq!(fourth(), "reached");
}
