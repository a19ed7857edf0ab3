//! Load balancers whose targets see them and not the clients.

use std::time::Duration;

use weft_tests::{Lab, Running, User, both_modes, eventually};

/// A few checks at the fastest pace, on a busy machine.
const DECIDED: Duration = Duration::from_secs(40);

/// Says what the server says of the client, and how much of a megabyte comes back.
const ASK: &str = "
import socket, sys, threading
conn = socket.create_connection((sys.argv[1], 80), 10)
lines = conn.makefile('rb')
print(lines.readline().split()[1].decode(), flush=True)
def fill():
    conn.sendall(bytes(1 << 20))
    conn.shutdown(socket.SHUT_WR)
threading.Thread(target=fill).start()
print(len(lines.read()))
";

struct World {
    lab: Lab,
    _servers: Vec<Running>,
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl World {
    fn up(user: User) -> Self {
        let lab = Lab::up(user, include_str!("../../topologies/hidden.yaml"));
        let servers = ["web-1", "web-2"].map(|name| {
            let server = lab.start_peer(name, &["named", name, "6000"]);
            server.expect("ready");
            server
        });
        let group = text(&lab.named("target-group", "web")["id"]);
        eventually("both are healthy", DECIDED, || {
            let targets = lab.json(&["target-group", "health", &group]);
            let mut targets = targets.as_array().unwrap().iter();
            targets.all(|t| t["health"] == "healthy").then_some(())
        });
        lab.weft(&["wait"]).ok();
        Self {
            lab,
            _servers: servers.into(),
        }
    }

    fn place(&self, balancer: &str) -> serde_json::Value {
        self.lab.named("load-balancer", balancer)["placements"][0].clone()
    }

    /// Whom the server saw; all that was sent came back.
    #[track_caller]
    fn ask(&self, from: &str, address: &str) -> String {
        let said = self.lab.exec(from, &["python3", "-c", ASK, address]);
        let said = said.ok();
        let (seen, bytes) = said.trim().split_once('\n').unwrap();
        assert_eq!(bytes, (1 << 20).to_string());
        seen.to_owned()
    }
}

both_modes!(
    servers_that_may_not_see_their_clients_see_the_balancer,
    seen
);

fn seen(user: User) {
    let world = World::up(user);
    let (inside, entry) = (world.place("inside"), world.place("entry"));
    for family in ["ipv4", "ipv6"] {
        let address = text(&inside[family]);
        for from in ["client", "web-1", "web-2"] {
            for _ in 0..4 {
                assert_eq!(world.ask(from, &address), address, "{from}");
            }
        }
    }
    for _ in 0..4 {
        let seen = world.ask("internet", &text(&entry["public_ipv4"]));
        assert_eq!(seen, text(&entry["ipv4"]));
        let address = text(&entry["ipv6"]);
        assert_eq!(world.ask("internet", &address), address);
    }
    let address = text(&inside["ipv4"]);
    let told = world
        .lab
        .weft(&["explain", "client", &address, "--port", "80"]);
    assert_eq!(told.code(), 0, "{told:?}");
    let group = text(&world.lab.named("target-group", "web")["id"]);
    let update = [
        "target-group",
        "update",
        &group,
        "--preserve-client-address",
        "true",
    ];
    world.lab.weft(&[&update[..], &["--wait"]].concat()).ok();
    // Now the group judges the client, which it doesn't let in.
    let code = world
        .lab
        .weft(&["explain", "client", &address, "--port", "80"])
        .code();
    assert_ne!(code, 0);
}
