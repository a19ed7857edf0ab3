//! VPCs joined by a transit gateway.

use weft_tests::{Lab, User, both_modes};

/// Some hundred windows' worth.
const BULK: &str = "8388608";

const TOPOLOGY: &str = include_str!("../../topologies/transit.yaml");

both_modes!(spokes_share_services_over_a_transit_gateway, shared);

fn shared(user: User) {
    let lab = Lab::up(user, TOPOLOGY);
    // Who reaches whom, both families, a blackhole among the routes: all in the file.
    lab.weft(&["lab", "check"]).ok();
    let servers = ["near-1", "far-1", "b-1"].map(|workload| lab.serve(workload, &["5000"]));
    transfers(&lab);
    the_router_is_the_sender_s(&lab);
    explanations_name_the_transit_route(&lab);
    a_route_goes_while_it_is_used(&lab);
    a_spoke_moves_to_another_table(&lab);
    drop(servers);
    an_edited_file_takes_a_spoke_off(&lab);
    without_the_gateway_nothing_is_left(&lab);
}

fn both(lab: &Lab, workload: &str) -> [String; 2] {
    let (v4, v6) = lab.addresses(workload);
    [v4, v6.expect("the subnets have IPv6")]
}

fn id(lab: &Lab, kind: &str, name: &str) -> String {
    lab.named(kind, name)["id"].as_str().unwrap().to_owned()
}

fn transfers(lab: &Lab) {
    for workload in ["near-1", "far-1"] {
        for address in both(lab, workload) {
            let said = lab.peer("a-1", &["transfer", &address, "5000", BULK, BULK]);
            assert!(said.starts_with("ok "), "{workload} {address}: {said}");
        }
    }
}

fn the_router_is_the_sender_s(lab: &Lab) {
    for workload in ["near-1", "far-1"] {
        let [v4, _] = both(lab, workload);
        assert_eq!(lab.peer("a-1", &["hop", &v4]), "10.1.1.1", "{workload}");
    }
}

/// The number of the topology's first line with this text.
fn line(text: &str) -> usize {
    let found = TOPOLOGY.lines().position(|line| line.contains(text));
    1 + found.unwrap()
}

fn explanations_name_the_transit_route(lab: &Lab) {
    let told = lab
        .weft(&["explain", "a-1", "far-1", "--port", "5000"])
        .ok();
    assert!(told.contains("a-1 to far-1: reaches"), "{told}");
    assert!(told.contains("core/spokes"), "{told}");
    let told = lab.weft(&["explain", "a-1", "b-1", "--port", "5000"]);
    assert_ne!(told.code(), 0, "{told:?}");
    assert!(told.stdout.contains("core/spokes"), "{told:?}");
    let told = lab.weft(&["explain", "a-1", "hidden-1", "--port", "5000"]);
    assert_ne!(told.code(), 0, "{told:?}");
    let place = format!("core/spokes 10.3.3.0/24 (line {})", line("blackhole: true"));
    assert!(told.stdout.contains(&place), "{place}: {told:?}");
}

/// A connection that is under way stops, and goes on when the route is back.
fn a_route_goes_while_it_is_used(lab: &Lab) {
    let table = id(lab, "transit-table", "spokes");
    for (workload, network) in [("near-1", "10.3.1.0/24"), ("far-1", "10.3.2.0/24")] {
        let [address, _] = both(lab, workload);
        let mut chat = lab.start_peer("a-1", &["chat", &address, "5000"]);
        chat.expect("open");
        assert_eq!(chat.ask("before"), "echo");
        let put = [
            "transit-table",
            "put-route",
            &table,
            network,
            "blackhole",
            "--wait",
        ];
        lab.weft(&put).ok();
        let reach = || lab.peer("a-1", &["reach", "tcp", &address, "5000"]);
        assert_eq!(reach(), "timeout", "{workload}");
        let drops = lab.weft(&["inspect", "h1", "drops", "--recent"]).ok();
        assert!(drops.contains("blackhole"), "{drops}");
        lab.weft(&["transit-table", "delete-route", &table, network, "--wait"])
            .ok();
        assert_eq!(reach(), "reached", "{workload}");
        assert_eq!(chat.ask("after"), "echo");
    }
}

/// In the default table the spokes know each other.
fn a_spoke_moves_to_another_table(lab: &Lab) {
    let [v4, v6] = both(lab, "b-1");
    let reach = || [&v4, &v6].map(|address| lab.peer("a-1", &["reach", "tcp", address, "5000"]));
    assert_eq!(reach(), ["timeout"; 2]);
    let (default, spokes) = (
        lab.named("transit-gateway", "core")["association_table"].clone(),
        id(lab, "transit-table", "spokes"),
    );
    let route = |spoke: &str, table: &str| {
        let attachment = id(lab, "transit-attachment", &format!("core-{spoke}"));
        let update = ["transit-attachment", "update", &attachment];
        lab.weft(&[&update[..], &["--route-table", table, "--wait"]].concat())
            .ok();
    };
    route("a", default.as_str().unwrap());
    assert_eq!(reach(), ["timeout"; 2], "the way back is not there yet");
    route("b", default.as_str().unwrap());
    assert_eq!(reach(), ["reached"; 2]);
    route("a", &spokes);
    route("b", &spokes);
    assert_eq!(reach(), ["timeout"; 2]);
}

fn an_edited_file_takes_a_spoke_off(lab: &Lab) {
    let without = TOPOLOGY
        .replace("      b: {route_table: spokes}\n", "")
        .replacen(
            "          - {destination: 10.0.0.0/8, transit_gateway: core}\n          - {destination: fd10::/16, transit_gateway: core}\n    security_groups:\n      open: {ingress: [{from: any}]}\n  shared:",
            "          - {destination: 10.0.0.0/8, blackhole: true}\n    security_groups:\n      open: {ingress: [{from: any}]}\n  shared:",
            1,
        )
        .replace(
            "  - {from: [a-1, b-1], to: [near-1, far-1], port: 5000, expect: reach}",
            "  - {from: b-1, to: [near-1, far-1], port: 5000, expect: blocked}",
        )
        .replace(
            "  - {from: [near-1, far-1], to: [a-1, b-1], port: 5000, expect: reach}",
            "  - {from: [near-1, far-1], to: a-1, port: 5000, expect: reach}",
        )
        .replace("from: [a-1, b-1], to", "from: a-1, to");
    lab.bring_up(&without).ok();
    lab.weft(&["lab", "check"]).ok();
    let attachments = lab.json(&["transit-attachment", "list"]);
    assert_eq!(attachments.as_array().unwrap().len(), 2, "{attachments:#}");
    lab.bring_up(TOPOLOGY).ok();
    lab.weft(&["lab", "check"]).ok();
}

fn without_the_gateway_nothing_is_left(lab: &Lab) {
    let gateway = TOPOLOGY.find("transit_gateways:").unwrap();
    let workloads = TOPOLOGY.find("workloads:").unwrap();
    let checks = TOPOLOGY.find("checks:").unwrap();
    let without = [
        &TOPOLOGY[..gateway].replace("transit_gateway: core", "blackhole: true"),
        &TOPOLOGY[workloads..checks],
        "checks:\n  - {from: [a-1, b-1], to: [near-1, far-1], port: 5000, expect: blocked}\n",
    ];
    lab.bring_up(&without.concat()).ok();
    lab.weft(&["lab", "check"]).ok();
    for kind in ["transit-gateway", "transit-attachment", "transit-table"] {
        let left = lab.json(&[kind, "list"]);
        assert_eq!(left.as_array().map(Vec::len), Some(0), "{kind}: {left:#}");
    }
}
