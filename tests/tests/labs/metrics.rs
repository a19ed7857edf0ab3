//! Metrics count what real packets did, in a form that Prometheus takes; what graphs and alerts
//! ask for is there.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command, time::Duration};

use weft_tests::{Exposition, Lab, User, both_modes, eventually, run, skip};

both_modes!(metrics_count_what_was_sent, counted);

/// How long a program of the machine may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn counted(user: User) {
    let pair = include_str!("../../topologies/pair.yaml");
    let lab = Lab::up(user, &format!("{pair}\nmetrics: {{interfaces: 2}}\n"));
    let _server = lab.serve("far", &["5000"]);
    packets_grow_by_what_was_sent(&lab);
    drops_grow_by_their_reason(&lab);
    interfaces_are_bounded_and_the_rest_is_counted(&lab);
    the_controller_counts_calls_and_writes(&lab);
    the_listener_takes_nothing_but_a_scrape(&lab);
    promtool_finds_nothing_to_say(&lab);
    what_graphs_and_alerts_ask_for_is_there(&lab);
    a_lab_without_the_key_listens_nowhere(&lab, pair);
}

/// Where the controller's page is, or a host's.
fn url(lab: &Lab, of: &str) -> String {
    let variable = match of {
        "controller" => "WEFT_METRICS".to_owned(),
        host => format!("WEFT_METRICS_{host}"),
    };
    let all = lab.json(&["lab", "env"]);
    let url = all[&variable].as_str();
    url.unwrap_or_else(|| panic!("no {variable}: {all:#}"))
        .to_owned()
}

fn text(lab: &Lab, of: &str) -> String {
    let url = url(lab, of);
    lab.exec("host:h1", &["curl", "--silent", "--fail", &url])
        .ok()
}

fn page(lab: &Lab, of: &str) -> Exposition {
    Exposition::parse(&text(lab, of)).unwrap_or_else(|why| panic!("{of}: {why}"))
}

fn packets_grow_by_what_was_sent(lab: &Lab) {
    let (far, _) = lab.addresses("far");
    // What ARP and neighbour discovery need is said before.
    lab.peer("client", &["reach", "udp", &far, "5000"]);
    let before = [page(lab, "h1"), page(lab, "h2")];
    for _ in 0..5 {
        let reached = lab.peer("client", &["reach", "udp", &far, "5000", "100"]);
        assert_eq!(reached, "reached");
    }
    let after = [page(lab, "h1"), page(lab, "h2")];
    let grew = |host: usize, name: &str, labels: &[(&str, &str)]| {
        after[host].sum(name, labels) - before[host].sum(name, labels)
    };
    for host in [0, 1] {
        for direction in ["egress", "ingress"] {
            let labels = [("direction", direction)];
            let packets = grew(host, "weft_vswitch_packets_total", &labels);
            let bytes = grew(host, "weft_vswitch_bytes_total", &labels);
            // Five datagrams or their echoes: 100 bytes, UDP, IPv4 and Ethernet. A workload's own
            // kernel may speak beside them.
            assert!(
                (5.0..20.0).contains(&packets),
                "{host} {direction} {packets}"
            );
            assert!(bytes >= 5.0 * 142.0, "{host} {direction} {bytes}");
        }
        for direction in ["sent", "received"] {
            let labels = [("direction", direction)];
            let packets = grew(host, "weft_vswitch_underlay_packets_total", &labels);
            assert!(packets >= 5.0, "{host} {direction} {packets}");
        }
        let created = grew(host, "weft_vswitch_flows_created_total", &[]);
        assert!(created >= 1.0, "{host} {created}");
    }
}

fn drops_grow_by_their_reason(lab: &Lab) {
    let (locked, _) = lab.addresses("locked");
    let reason = [("reason", "security_group_ingress")];
    let name = "weft_vswitch_drops_total";
    let before = page(lab, "h2").sum(name, &reason);
    let refused = lab.peer("client", &["reach", "udp", &locked, "5000"]);
    assert_eq!(refused, "timeout");
    assert!(page(lab, "h2").sum(name, &reason) > before);
    // A reason that never was is there too, so that its rate can be asked for.
    let page = page(lab, "h2");
    let never = page.samples.iter().find(|((n, labels), _)| {
        n == name && labels.get("reason").is_some_and(|r| r == "nat_exhausted")
    });
    assert_eq!(never.map(|(_, count)| *count), Some(0.0));
}

fn interfaces_are_bounded_and_the_rest_is_counted(lab: &Lab) {
    let page = page(lab, "h1");
    let counted = page.samples.keys();
    let counted = counted.filter(|(name, _)| name == "weft_vswitch_interface_packets_total");
    let named = counted.map(|(_, labels)| labels["interface"].clone());
    let named: BTreeSet<String> = named.collect();
    assert_eq!(named.len(), 2, "{named:?}");
    // Client, near and box are on h1.
    assert_eq!(page.sum("weft_vswitch_interfaces_omitted", &[]), 1.0);
}

fn the_controller_counts_calls_and_writes(lab: &Lab) {
    let before = page(lab, "controller");
    lab.weft(&["vpc", "create", "--region", "lab", "--cidr", "10.77.0.0/16"])
        .ok();
    let after = page(lab, "controller");
    let grew =
        |name: &str, labels: &[(&str, &str)]| after.sum(name, labels) - before.sum(name, labels);
    let created = [("method", "Vpcs/Create"), ("code", "Ok")];
    assert_eq!(grew("weft_controller_calls_total", &created), 1.0);
    let committed = [("outcome", "committed")];
    assert_eq!(grew("weft_controller_writes_total", &committed), 1.0);
    let commits = "weft_controller_commit_duration_seconds_count";
    assert_eq!(grew(commits, &[]), 1.0);
    assert_eq!(grew("weft_controller_resources", &[("kind", "VPC")]), 1.0);
    let connected = [("state", "connected")];
    assert_eq!(after.sum("weft_controller_hosts", &connected), 2.0);
    assert!(after.sum("process_resident_memory_bytes", &[]) > 1e6);
}

fn the_listener_takes_nothing_but_a_scrape(lab: &Lab) {
    let url = url(lab, "h1");
    let code = |arguments: &[&str]| {
        let curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"];
        lab.exec("host:h1", &[&curl, arguments].concat()).ok()
    };
    assert_eq!(code(&[&url]), "200");
    assert_eq!(code(&[&url.replace("/metrics", "/other")]), "404");
    assert_eq!(code(&["-X", "POST", &url]), "405");
}

fn promtool() -> bool {
    let found = Command::new("promtool").arg("--version").output().is_ok();
    if !found {
        skip("promtool is missing: scripts/deps test installs the package prometheus");
    }
    found
}

fn promtool_finds_nothing_to_say(lab: &Lab) {
    if !promtool() {
        return;
    }
    for of in ["controller", "h1"] {
        let mut command = Command::new("promtool");
        command.args(["check", "metrics"]);
        let said = run(command, text(lab, of).as_bytes(), PATIENCE);
        assert!(said.status.success() && said.stderr.is_empty(), "{said:#?}");
    }
    let mut command = Command::new("promtool");
    command.args(["check", "rules"]).arg(doc("alerts.yaml"));
    let said = run(command, b"", PATIENCE).ok();
    assert!(said.contains("rules found"), "{said}");
}

fn doc(name: &str) -> PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/observability");
    PathBuf::from(root).join(name)
}

/// Names of ours in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = |word: &&str| word.starts_with("weft_") || word.starts_with("process_");
    words.filter(ours).map(str::to_owned).collect()
}

fn what_graphs_and_alerts_ask_for_is_there(lab: &Lab) {
    let pages = ["controller", "h1"].map(|of| page(lab, of));
    let there: BTreeSet<String> = pages.iter().flat_map(Exposition::names).collect();
    let families = pages.iter().flat_map(|page| page.families.keys().cloned());
    let known: BTreeSet<String> = families.chain(there.clone()).collect();
    for file in ["dashboard.json", "alerts.yaml", "README.md"] {
        let text = fs::read_to_string(doc(file)).unwrap();
        let wanted = named(&text);
        assert!(wanted.len() > 5, "{file} names metrics: {wanted:?}");
        // People are told of a histogram by its family's name, queries by its parts'.
        let there = if file == "README.md" { &known } else { &there };
        let missing: Vec<_> = wanted.difference(there).collect();
        assert!(missing.is_empty(), "{file} asks for {missing:?}");
    }
    let dashboard = fs::read_to_string(doc("dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "panels have ids of their own");
}

fn a_lab_without_the_key_listens_nowhere(lab: &Lab, pair: &str) {
    let url = url(lab, "h1");
    lab.bring_up(pair).ok();
    assert!(lab.json(&["lab", "env"])["WEFT_METRICS"].is_null());
    eventually("closed", Duration::from_secs(20), || {
        let asked = lab.exec("host:h1", &["curl", "--silent", "--fail", &url]);
        (!asked.status.success()).then_some(())
    });
}
