//! Load balancers: kernels' own connections through addresses that no machine has.

use std::{collections::BTreeMap, time::Duration};

use weft_tests::{Lab, Mode, Running, User, eventually, root_datapaths};

/// The servers' port, and the listener's.
const SERVED: &str = "6000";
const LISTENED: &str = "80";
const SERVERS: [&str; 3] = ["web-1", "web-2", "web-3"];

/// A few checks at the fastest pace, on a busy machine.
const DECIDED: Duration = Duration::from_secs(40);

/// A balancer in front of some servers.
struct Balanced {
    lab: Lab,
    group: String,
    ipv4: String,
    ipv6: String,
    _servers: Vec<Running>,
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Balanced {
    fn up(servers: &[&str], delay: &str) -> Option<Self> {
        Some(Self::with(User::new(Mode::Root)?, servers, delay, start))
    }

    fn with(
        user: User,
        servers: &[&str],
        delay: &str,
        start: impl Fn(&Lab, &str) -> Running,
    ) -> Self {
        let lab = Lab::up(user, include_str!("../../topologies/balanced.yaml"));
        let started = ["web-1", "web-2", "web-3", "web-4"];
        let started = started.map(|name| start(&lab, name));
        let vpc = text(&lab.named("vpc", "net")["id"]);
        let subnet = text(&lab.named("subnet", "front")["id"]);
        let create = ["target-group", "create", "--vpc", &vpc, "--port", SERVED];
        let checks = ["--interval", "5", "--timeout", "2", "--healthy", "2"];
        let more = ["--protocol", "tcp_udp", "--deregistration-delay", delay];
        let group = text(&lab.json(&[&create[..], &checks, &more].concat())["id"]);
        let balancer = lab.json(&["load-balancer", "create", "--subnet", &subnet]);
        let id = text(&balancer["id"]);
        let listener = [
            "listener",
            "create",
            "--load-balancer",
            &id,
            "--port",
            LISTENED,
        ];
        let to = ["--protocol", "tcp_udp", "--target-group", &group, "--wait"];
        lab.weft(&[&listener[..], &to].concat()).ok();
        let balanced = Self {
            group,
            ipv4: text(&balancer["placements"][0]["ipv4"]),
            ipv6: text(&balancer["placements"][0]["ipv6"]),
            lab,
            _servers: started.into(),
        };
        for server in servers {
            balanced.register(server);
        }
        for server in servers {
            balanced.becomes(server, "healthy");
        }
        balanced.lab.weft(&["wait"]).ok();
        balanced
    }

    fn interface(&self, server: &str) -> String {
        text(&self.lab.interface(server)["id"])
    }

    fn register(&self, server: &str) {
        self.register_with(server, 1);
    }

    fn register_with(&self, server: &str, weight: u32) {
        let interface = format!("{}*{weight}", self.interface(server));
        let command = [
            "target-group",
            "register",
            &self.group,
            &interface,
            "--wait",
        ];
        self.lab.weft(&command).ok();
    }

    fn deregister(&self, server: &str) {
        let interface = self.interface(server);
        let command = [
            "target-group",
            "deregister",
            &self.group,
            &interface,
            "--wait",
        ];
        self.lab.weft(&command).ok();
    }

    /// Waits for the target's health.
    fn becomes(&self, server: &str, wanted: &str) -> Duration {
        let interface = self.interface(server);
        let (_, time) = eventually(&format!("{server} {wanted}"), DECIDED, || {
            let targets = self.lab.json(&["target-group", "health", &self.group]);
            let mut targets = targets.as_array().unwrap().iter();
            let target = targets.find(|target| target["target"] == interface.as_str())?;
            (target["health"] == wanted).then_some(())
        });
        time
    }

    fn spread(&self, protocol: &str, address: &str, times: &str) -> BTreeMap<String, u64> {
        let words = ["spread", protocol, address, LISTENED, times];
        counts(&self.lab.peer("client", &words))
    }

    fn hold(&self, times: &str) -> (Running, BTreeMap<String, u64>) {
        let words = ["hold", &self.ipv4, LISTENED, times];
        let held = self.lab.start_peer("client", &words);
        let counts = counts(&held.next());
        (held, counts)
    }
}

fn start(lab: &Lab, name: &str) -> Running {
    let server = lab.start_peer(name, &["named", name, SERVED]);
    server.expect("ready");
    server
}

fn counts(line: &str) -> BTreeMap<String, u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let pairs = words.chunks(2);
    pairs
        .map(|pair| (pair[0].to_owned(), pair[1].parse().unwrap()))
        .collect()
}

#[test]
fn ten_thousand_connections_spread_within_three_percent_of_the_weights() {
    const ALL: f64 = 10_000.0;
    let Some(world) = Balanced::up(&["web-1", "web-2", "web-3"], "300") else {
        return;
    };
    // Equal ones first; a target that is registered again gets the new weight.
    for weights in [[1, 1, 1], [1, 2, 5]] {
        let total: u32 = weights.iter().sum();
        for (server, weight) in SERVERS.into_iter().zip(weights) {
            world.register_with(server, weight);
        }
        let spread = world.spread("tcp", &world.ipv4, "10000");
        println!("{weights:?}: {spread:?}");
        assert_eq!(
            spread.len(),
            3,
            "all came about, from the client's own address: {spread:?}"
        );
        for (server, weight) in SERVERS.into_iter().zip(weights) {
            let share = spread[server] as f64 / ALL;
            let wanted = f64::from(weight) / f64::from(total);
            assert!((share - wanted).abs() <= 0.03, "{spread:?}");
        }
    }
    for (protocol, address) in [
        ("udp", &world.ipv4),
        ("udp", &world.ipv6),
        ("tcp", &world.ipv6),
    ] {
        let spread = world.spread(protocol, address, "300");
        assert_eq!(spread.len(), 3, "{protocol} {address}: {spread:?}");
    }
}

root_datapaths!(
    no_connection_moves_when_targets_come_and_none_is_lost_while_they_drain,
    moves
);

fn moves(user: User) {
    let world = Balanced::with(user, &SERVERS, "3600", start);
    let (mut held, with) = world.hold("120");
    assert_eq!(with.len(), 3, "{with:?}");
    world.register("web-4");
    world.becomes("web-4", "healthy");
    world.lab.weft(&["wait"]).ok();
    assert_eq!(held.ask("?"), "alive 120 reset 0 silent 0");
    assert_eq!(world.spread("tcp", &world.ipv4, "200").len(), 4);
    world.deregister("web-1");
    world.becomes("web-1", "draining");
    assert_eq!(held.ask("?"), "alive 120 reset 0 silent 0");
    let spread = world.spread("tcp", &world.ipv4, "200");
    assert_eq!(spread.len(), 3, "{spread:?}");
    assert!(!spread.contains_key("web-1"), "{spread:?}");
}

#[test]
fn the_delay_ends_what_a_deregistered_target_still_has() {
    let Some(world) = Balanced::up(&["web-1", "web-2"], "1") else {
        return;
    };
    let (mut held, with) = world.hold("60");
    world.deregister("web-1");
    let gone = format!("alive {} reset {} silent 0", with["web-2"], with["web-1"]);
    std::thread::sleep(Duration::from_secs(3));
    world.lab.weft(&["wait"]).ok();
    assert_eq!(held.ask("?"), gone);
}

#[test]
fn a_target_that_stops_answering_is_left_and_its_connections_are_reset() {
    let Some(world) = Balanced::up(&["web-1", "web-2"], "300") else {
        return;
    };
    let (mut held, with) = world.hold("60");
    let down = ["ip", "link", "set", "eth0", "down"];
    world.lab.exec("web-1", &down).ok();
    let time = world.becomes("web-1", "unhealthy");
    println!("unhealthy after {time:?}");
    world.lab.weft(&["wait"]).ok();
    let spread = world.spread("tcp", &world.ipv4, "100");
    assert_eq!(spread.keys().collect::<Vec<_>>(), ["web-2"], "{spread:?}");
    let kept = format!("alive {} reset {} silent 0", with["web-2"], with["web-1"]);
    assert_eq!(held.ask("?"), kept);
}

root_datapaths!(
    devices_that_believe_in_more_than_the_path_has_learn_better_through_a_balancer,
    path
);

fn path(user: User) {
    let serve = |lab: &Lab, name: &str| lab.serve(name, &[SERVED]);
    let world = Balanced::with(user, &["web-1", "web-2"], "300", serve);
    let lab = &world.lab;
    for workload in ["client", "web-1", "web-2"] {
        let believe = ["ip", "link", "set", "eth0", "mtu", "1500"];
        lab.exec(workload, &believe).ok();
    }
    let bytes = (1 << 20).to_string();
    for address in [&world.ipv4, &world.ipv6] {
        let said = lab.peer("client", &["reach", "udp", address, LISTENED, "1430"]);
        assert_eq!(said, "reached", "{address}");
        for _ in 0..4 {
            let transfer = ["transfer", address, LISTENED, &bytes, &bytes];
            let said = lab.peer("client", &transfer);
            assert!(said.starts_with("ok "), "{address}: {said}");
        }
    }
}

#[test]
fn a_host_that_dies_takes_its_targets_out_within_their_checks_time() {
    let Some(world) = Balanced::up(&["web-1", "web-2"], "300") else {
        return;
    };
    let lab = &world.lab;
    let fault = |words: &[&str]| lab.weft(&[&["lab", "fault"], words].concat()).ok();
    let out = |how| {
        // Checks take two intervals and a timeout: 12 s.
        let time = world.becomes("web-1", "unhealthy");
        println!("{how}: out after {time:?}");
        let spread = world.spread("tcp", &world.ipv4, "100");
        assert_eq!(spread.keys().collect::<Vec<_>>(), ["web-2"], "{spread:?}");
    };
    fault(&["set", "h1", "--kill"]);
    out("dead");
    fault(&["clear", "h1"]);
    world.becomes("web-1", "healthy");
    lab.signal("vswitch-h1", "STOP");
    out("hanging");
    lab.signal("vswitch-h1", "CONT");
    world.becomes("web-1", "healthy");
}

/// What a file says of balancing, with these targets behind that port.
fn file(targets: &str, port: &str) -> String {
    format!(
        "{}
target_groups:
  web: {{vpc: net, port: {SERVED}, targets: {targets}, interval: 5, timeout: 2, healthy: 2}}

load_balancers:
  entry:
    vpc: net
    subnets: front
    addresses: 10.30.1.200
    listeners:
      - {{port: {port}, target_group: web}}
",
        include_str!("../../topologies/balanced.yaml")
    )
}

root_datapaths!(a_check_within_tls_asks_a_real_server, tls);

fn tls(user: User) {
    let tls = "check: https, check_port: 6443, path: /ready, interval: 5";
    let topology = file("[web-1, web-2, web-3]", LISTENED).replace("interval: 5", tls);
    let lab = Lab::up(user, &topology);
    // The third speaks no TLS.
    let _plain = lab.start_peer("web-3", &["named", "web-3", "6443"]);
    let _servers = [("web-1", "200"), ("web-2", "503")].map(|(name, status)| {
        let server = lab.start_peer(name, &["https", "6443", status]);
        server.expect("ready");
        server
    });
    let group = text(&lab.named("target-group", "web")["id"]);
    for (server, wanted, reason) in [
        ("web-1", "healthy", ""),
        ("web-2", "unhealthy", "503"),
        ("web-3", "unhealthy", "TLS"),
    ] {
        let interface = text(&lab.interface(server)["id"]);
        eventually(&format!("{server} {wanted}"), DECIDED, || {
            let targets = lab.json(&["target-group", "health", &group]);
            let mut targets = targets.as_array().unwrap().iter();
            let target = targets.find(|target| target["target"] == interface.as_str())?;
            let because = target["reason"].as_str()?.contains(reason);
            (target["health"] == wanted && because).then_some(())
        });
    }
}

#[test]
fn a_balancer_is_what_the_file_says_and_goes_when_the_file_has_it_no_more() {
    const ADDRESS: &str = "10.30.1.200";
    let Some(user) = User::new(Mode::Root) else {
        return;
    };
    let lab = Lab::up(user, &file("[web-1, web-2]", LISTENED));
    let names = ["web-1", "web-2", "web-3"];
    let _servers = names.map(|name| start(&lab, name));
    let group = text(&lab.named("target-group", "web")["id"]);
    let serve = |wanted: &[&str]| {
        eventually(&format!("{wanted:?} healthy"), DECIDED, || {
            let targets = lab.json(&["target-group", "health", &group]);
            let targets = targets.as_array().unwrap().iter();
            let healthy = targets.filter(|target| target["health"] == "healthy");
            let ids: Vec<String> = healthy.map(|target| text(&target["target"])).collect();
            let wanted = wanted.iter().map(|name| text(&lab.interface(name)["id"]));
            wanted.into_iter().all(|id| ids.contains(&id)).then_some(())
        });
        lab.weft(&["wait"]).ok();
    };
    let who = |port| counts(&lab.peer("client", &["spread", "tcp", ADDRESS, port, "60"]));
    serve(&["web-1", "web-2"]);
    assert_eq!(who(LISTENED).into_keys().collect::<Vec<_>>(), names[..2]);
    lab.bring_up(&file("[web-2, web-3]", "81")).ok();
    serve(&["web-2", "web-3"]);
    assert_eq!(who("81").into_keys().collect::<Vec<_>>(), names[1..]);
    lab.bring_up(include_str!("../../topologies/balanced.yaml"))
        .ok();
    for kind in ["load-balancer", "listener", "target-group"] {
        assert_eq!(lab.json(&[kind, "list"]), serde_json::json!([]), "{kind}");
    }
}
