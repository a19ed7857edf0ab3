//! Peered VPCs talk, and only they.

use std::time::Duration;

use weft_tests::{Lab, User, both_modes, eventually};

/// Some hundred windows' worth.
const BULK: &str = "8388608";

/// A few checks at the fastest pace, on a busy machine.
const SOON: Duration = Duration::from_secs(40);

both_modes!(peered_vpcs_reach_each_other_and_nothing_behind, peered);

fn peered(user: User) {
    let lab = Lab::up(user, include_str!("../../topologies/peered.yaml"));
    // Both ways, a peered VPC's group in a rule, and nothing beyond the peer: all in the file.
    lab.weft(&["lab", "check"]).ok();
    let servers = ["blue-1", "blue-2"].map(|workload| lab.serve(workload, &["5000"]));
    transfers(&lab);
    the_router_is_the_sender_s(&lab);
    path_mtu(&lab);
    drop(servers);
    a_balancer_of_the_peer(&lab);
    the_end_of_a_peering_ends_traffic(&lab);
}

fn both(lab: &Lab, workload: &str) -> [String; 2] {
    let (v4, v6) = lab.addresses(workload);
    [v4, v6.expect("the subnets have IPv6")]
}

fn transfers(lab: &Lab) {
    for workload in ["blue-1", "blue-2"] {
        for address in both(lab, workload) {
            let said = lab.peer("red-1", &["transfer", &address, "5000", BULK, BULK]);
            assert!(said.starts_with("ok "), "{workload} {address}: {said}");
        }
    }
}

/// The targets' groups let in a group of the peered VPC, so they see the client itself.
fn a_balancer_of_the_peer(lab: &Lab) {
    let _servers = ["blue-1", "blue-2"].map(|name| {
        let server = lab.start_peer(name, &["named", name, "6000"]);
        server.expect("ready");
        server
    });
    for address in ["10.2.1.200", "10.2.2.200"] {
        eventually("both serve", SOON, || {
            let said = lab.peer("red-1", &["spread", "tcp", address, "80", "20"]);
            let served = said.contains("blue-1 ") && said.contains("blue-2 ");
            (served && said.split(' ').count() == 4).then_some(())
        });
        let said = lab.peer("red-2", &["reach", "tcp", address, "80", "1"]);
        assert_ne!(said, "reached", "{address}");
    }
}

fn the_router_is_the_sender_s(lab: &Lab) {
    for workload in ["blue-1", "blue-2"] {
        let [v4, _] = both(lab, workload);
        assert_eq!(lab.peer("red-1", &["hop", &v4]), "10.1.1.1", "{workload}");
    }
}

/// Devices that believe in a larger MTU than the path has learn better.
fn path_mtu(lab: &Lab) {
    for workload in ["red-1", "blue-1", "blue-2"] {
        lab.exec(workload, &["ip", "link", "set", "eth0", "mtu", "1500"])
            .ok();
    }
    for workload in ["blue-1", "blue-2"] {
        for address in both(lab, workload) {
            let said = lab.peer("red-1", &["reach", "udp", &address, "5000", "1430"]);
            assert_eq!(said, "reached", "{workload} {address}");
            let route = lab.exec("red-1", &["ip", "route", "get", &address]).ok();
            assert!(route.contains("mtu 1450"), "{workload} {address}: {route}");
            let said = lab.peer("red-1", &["transfer", &address, "5000", BULK, BULK]);
            assert!(said.starts_with("ok "), "{workload} {address}: {said}");
        }
    }
}

fn the_end_of_a_peering_ends_traffic(lab: &Lab) {
    let peering = lab.named("peering", "red-blue");
    let id = peering["id"].as_str().unwrap();
    lab.weft(&["peering", "delete", id, "--wait"]).ok();
    let check = lab.weft(&["lab", "check"]);
    assert!(!check.status.success(), "{check:?}");
    let drops = lab.weft(&["inspect", "h1", "drops", "--recent"]).ok();
    assert!(drops.contains("blackhole"), "{drops}");
}
