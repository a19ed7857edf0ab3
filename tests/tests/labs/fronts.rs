//! Load balancers that face the internet: kernels' own connections, picked for by hosts that edges
//! choose, and answered straight.

use std::{collections::BTreeMap, time::Duration};

use weft_tests::{Lab, Running, User, both_modes, eventually};

const LISTENED: &str = "80";
const SERVED: &str = "6000";
const SERVERS: [&str; 3] = ["web-1", "web-2", "web-3"];

/// A few checks at the fastest pace, on a busy machine.
const DECIDED: Duration = Duration::from_secs(40);

struct Faced {
    lab: Lab,
    ipv4: String,
    ipv6: String,
    _servers: Vec<Running>,
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn counts(line: &str) -> BTreeMap<String, u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let pairs = words.chunks(2);
    pairs
        .map(|pair| (pair[0].to_owned(), pair[1].parse().unwrap()))
        .collect()
}

impl Faced {
    fn up(user: User) -> Self {
        Self::with(user, |lab, name| {
            let server = lab.start_peer(name, &["named", name, SERVED]);
            server.expect("ready");
            server
        })
    }

    fn with(user: User, serve: impl Fn(&Lab, &str) -> Running) -> Self {
        let lab = Lab::up(user, include_str!("../../topologies/fronts.yaml"));
        let servers = SERVERS.map(|name| serve(&lab, name));
        let balancer = lab.named("load-balancer", "entry");
        let place = &balancer["placements"][0];
        let faced = Self {
            ipv4: text(&place["public_ipv4"]),
            ipv6: text(&place["ipv6"]),
            lab,
            _servers: servers.into(),
        };
        for server in SERVERS {
            faced.becomes(server, "healthy");
        }
        faced.lab.weft(&["wait"]).ok();
        faced
    }

    fn becomes(&self, server: &str, wanted: &str) {
        let group = text(&self.lab.named("target-group", "web")["id"]);
        let interface = text(&self.lab.interface(server)["id"]);
        eventually(&format!("{server} {wanted}"), DECIDED, || {
            let targets = self.lab.json(&["target-group", "health", &group]);
            let mut targets = targets.as_array().unwrap().iter();
            let target = targets.find(|target| target["target"] == interface.as_str())?;
            (target["health"] == wanted).then_some(())
        });
    }

    fn spread(&self, protocol: &str, address: &str, times: &str) -> BTreeMap<String, u64> {
        let words = ["spread", protocol, address, LISTENED, times];
        counts(&self.lab.peer("internet", &words))
    }

    fn hold(&self, times: &str) -> (Running, BTreeMap<String, u64>) {
        let words = ["hold", &self.ipv4, LISTENED, times];
        let held = self.lab.start_peer("internet", &words);
        let counts = counts(&held.next());
        (held, counts)
    }
}

both_modes!(
    the_internets_connections_spread_over_targets_that_it_can_not_reach_otherwise,
    spread
);

fn spread(user: User) {
    let world = Faced::up(user);
    for (protocol, address) in [
        ("tcp", &world.ipv4),
        ("udp", &world.ipv4),
        ("tcp", &world.ipv6),
        ("udp", &world.ipv6),
    ] {
        let spread = world.spread(protocol, address, "300");
        assert_eq!(spread.len(), 3, "{protocol} {address}: {spread:?}");
        assert_eq!(spread.values().sum::<u64>(), 300, "{spread:?}");
    }
    let question = ["explain", "198.51.100.1", &world.ipv4, "--port", LISTENED];
    let told = world.lab.weft(&question);
    assert_eq!(told.code(), 0, "{told:?}");
    for word in ["entry (line ", "web ingress (line ", "reaches"] {
        assert!(told.stdout.contains(word), "{word}: {}", told.stdout);
    }
}

both_modes!(
    connections_through_a_balancer_outlive_edges_and_the_hosts_that_picked,
    survive
);

fn survive(user: User) {
    let world = Faced::up(user);
    let (mut held, with) = world.hold("150");
    assert_eq!(with.len(), 3, "{with:?}");
    // Each death makes the pause before the next start longer.
    for _ in 0..3 {
        world.lab.kill("vswitch-e1");
    }
    world.lab.signal("vswitch-e1", "KILL");
    assert_eq!(held.ask("?"), "alive 150 reset 0 silent 0");
    let fault = ["lab", "fault", "set", "h1", "--kill"];
    world.lab.weft(&fault).ok();
    world.becomes("web-1", "unhealthy");
    eventually("the others alone serve", DECIDED, || {
        let spread = world.spread("tcp", &world.ipv4, "30");
        let others = spread.keys().eq(&SERVERS[1..]);
        others.then_some(())
    });
    // Few are lost: those that h1 had picked for, and that today's targets would get others for.
    let kept = with["web-2"] + with["web-3"];
    let told = held.ask("?");
    println!("{with:?}: {told}");
    let alive: u64 = told.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(
        alive <= kept && kept - alive <= kept / 20,
        "{with:?}: {told}"
    );
}

both_modes!(a_smaller_path_is_found_through_a_balancer, path);

fn path(user: User) {
    let world = Faced::with(user, |lab, name| lab.serve(name, &[SERVED]));
    let bytes = (1 << 20).to_string();
    let both = || {
        for address in [&world.ipv4, &world.ipv6] {
            let transfer = ["transfer", address, LISTENED, &bytes, &bytes];
            let said = world.lab.peer("internet", &transfer);
            assert!(said.starts_with("ok"), "{address}: {said}");
        }
    };
    both();
    let mut kept = [&world.ipv4, &world.ipv6].map(|address| {
        let chat = world
            .lab
            .start_peer("internet", &["chat", address, LISTENED]);
        chat.expect("open");
        chat
    });
    let links = [
        ("host:e1", "uplink0"),
        ("host:e2", "uplink0"),
        ("internet", "isp0"),
    ];
    for (end, device) in links {
        let shrink = ["ip", "link", "set", device, "mtu", "1300"];
        world.lab.exec(end, &shrink).ok();
    }
    for chat in &mut kept {
        assert_eq!(chat.ask(&"x".repeat(8000)), "echo");
    }
    both();
}
