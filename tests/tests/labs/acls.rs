//! What stands at a subnet's boundary, what lists open, and what an interface has beside its primary
//! address.

use std::time::Duration;

use serde_json::Value;
use weft_tests::{Lab, User, both_datapaths, eventually};

both_datapaths!(boundaries_lists_and_addresses_hold, boundaries);

const TOPOLOGY: &str = include_str!("../../topologies/acls.yaml");

fn boundaries(user: User) {
    let lab = Lab::up(user, TOPOLOGY);
    let servers = ["server", "near", "third"];
    let _servers = servers.map(|workload| lab.serve(workload, &["5000", "5001"]));
    the_lowest_entry_decides(&lab);
    replies_need_an_entry(&lab);
    an_association_is_replaced(&lab);
    a_list_opens_what_it_holds(&lab);
    a_route_for_a_list_and_another_main_table(&lab);
    addresses_come_and_go(&lab);
    the_second_block_is_the_vpc_s(&lab);
    the_file_is_what_holds(&lab);
}

fn id(item: &Value) -> String {
    item["id"].as_str().unwrap().to_owned()
}

fn v4(lab: &Lab, workload: &str) -> String {
    lab.addresses(workload).0
}

fn reach(lab: &Lab, from: &str, to: &str, port: &str) -> String {
    lab.peer(from, &["reach", "tcp", to, port])
}

fn ping(lab: &Lab, from: &str, to: &str) -> String {
    lab.peer(from, &["reach", "icmp", to])
}

/// What a host dropped lately, with what is to blame.
fn recent(lab: &Lab, host: &str) -> String {
    let words = ["-o", "json", "inspect", host, "drops", "--recent"];
    lab.weft(&words).ok()
}

fn the_lowest_entry_decides(lab: &Lab) {
    let server = v4(lab, "server");
    let strict = id(&lab.named("network-acl", "strict"));
    assert_eq!(reach(lab, "client", &server, "5000"), "reached");
    assert_eq!(ping(lab, "client", &server), "reached");
    assert_eq!(reach(lab, "client", &server, "5001"), "timeout");
    let drops = recent(lab, "h2");
    assert!(drops.contains(&format!("{strict} 90")), "{drops}");
    // Nothing is said of IPv6, so `*` speaks.
    let server6 = lab.addresses("server").1.unwrap();
    assert_eq!(reach(lab, "client", &server6, "5000"), "timeout");
    let drops = recent(lab, "h2");
    assert!(drops.contains(&format!("{strict} *")), "{drops}");
    // Within the subnet nobody asks it.
    assert_eq!(reach(lab, "beside", &server, "5001"), "reached");
}

fn replies_need_an_entry(lab: &Lab) {
    let server = v4(lab, "server");
    let strict = id(&lab.named("network-acl", "strict"));
    let mut chat = lab.start_peer("client", &["chat", &server, "5000"]);
    chat.expect("open");
    let delete = ["network-acl", "delete-entry", &strict, "egress", "100"];
    lab.weft(&[&delete[..], &["--wait"]].concat()).ok();
    assert_eq!(reach(lab, "client", &server, "5000"), "timeout");
    let drops = recent(lab, "h2");
    let blamed = format!("no egress entry of {strict} allows it");
    assert!(drops.contains(&blamed), "{drops}");
    let put = [
        "network-acl",
        "put-entry",
        &strict,
        "egress",
        "100",
        "allow",
    ];
    let traffic = "tcp:1024-65535:10.20.1.0/24";
    lab.weft(&[&put[..], &[traffic, "--wait"]].concat()).ok();
    assert_eq!(reach(lab, "client", &server, "5000"), "reached");
    assert_eq!(chat.ask("again"), "echo", "no connection was ended");
}

fn an_association_is_replaced(lab: &Lab) {
    let server = v4(lab, "server");
    let strict = id(&lab.named("network-acl", "strict"));
    let right = id(&lab.named("subnet", "right"));
    let refused = lab.weft(&["network-acl", "delete", &strict]);
    assert!(refused.stderr.contains("in use"), "{refused:?}");
    let associate = |acl: &str| {
        lab.weft(&["subnet", "update", &right, "--network-acl", acl, "--wait"])
            .ok();
    };
    associate("");
    assert_eq!(reach(lab, "client", &server, "5001"), "reached");
    associate(&strict);
    assert_eq!(reach(lab, "client", &server, "5001"), "timeout");
}

fn a_list_opens_what_it_holds(lab: &Lab) {
    let near = v4(lab, "near");
    let list = id(&lab.named("prefix-list", "clients"));
    let change = |what: &str| {
        let words = [
            "prefix-list",
            "update",
            &list,
            what,
            "10.20.1.0/24",
            "--wait",
        ];
        lab.weft(&words).ok();
    };
    assert_eq!(reach(lab, "client", &near, "5000"), "reached");
    change("--remove");
    assert_eq!(reach(lab, "client", &near, "5000"), "timeout");
    change("--add");
    assert_eq!(reach(lab, "client", &near, "5000"), "reached");
    let refused = lab.weft(&["prefix-list", "delete", &list]);
    assert!(refused.stderr.contains("in use"), "{refused:?}");
}

fn a_route_for_a_list_and_another_main_table(lab: &Lab) {
    let vpc = id(&lab.named("vpc", "net"));
    let plain = id(&lab.named("route-table", "plain"));
    let own = lab.json(&["vpc", "show", &vpc])["main_route_table"]
        .as_str()
        .unwrap()
        .to_owned();
    let main = |table: &str| {
        let words = ["vpc", "update", &vpc, "--main-route-table", table, "--wait"];
        lab.weft(&words).ok();
    };
    assert_eq!(ping(lab, "client", "192.168.61.9"), "timeout");
    let drops = recent(lab, "h1");
    assert!(drops.contains(&format!("{own} 192.168.61.0/24")), "{drops}");
    main(&plain);
    assert_eq!(ping(lab, "client", "192.168.61.9"), "timeout");
    let drops = recent(lab, "h1");
    assert!(drops.contains(&plain), "{drops}");
    let refused = lab.weft(&["route-table", "delete", &plain]);
    assert!(refused.stderr.contains("main table"), "{refused:?}");
    main(&own);
}

fn addresses_come_and_go(lab: &Lab) {
    let (near, interface) = (v4(lab, "near"), id(&lab.interface("near")));
    let has = |workload: &str, address: &str| {
        let device = lab.exec(workload, &["ip", "-4", "address", "show", "dev", "eth0"]);
        device.ok().contains(address)
    };
    assert!(has("client", "10.20.1.77/24"), "the file gave it one more");
    assert_eq!(
        ping(lab, "server", "10.20.1.77"),
        "timeout",
        "no echo request may leave"
    );
    assert_eq!(ping(lab, "third", "10.20.1.77"), "reached");
    lab.weft(&["interface", "assign", &interface, "10.20.1.88", "--wait"])
        .ok();
    eventually("the device has it", Duration::from_secs(10), || {
        has("near", "10.20.1.88/24").then_some(())
    });
    assert_eq!(reach(lab, "client", "10.20.1.88", "5000"), "reached");
    let refused = lab.weft(&["interface", "unassign", &interface, &near]);
    assert!(refused.stderr.contains("primary"), "{refused:?}");
    lab.weft(&["interface", "unassign", &interface, "10.20.1.88", "--wait"])
        .ok();
    eventually("the device lost it", Duration::from_secs(10), || {
        (!has("near", "10.20.1.88")).then_some(())
    });
    assert_ne!(reach(lab, "client", "10.20.1.88", "5000"), "reached");
    let assigned = lab.json(&["interface", "assign", &interface, "--ipv4-count", "2"]);
    assert_eq!(assigned["secondary_ipv4"].as_array().unwrap().len(), 2);
}

fn the_second_block_is_the_vpc_s(lab: &Lab) {
    let third = v4(lab, "third");
    assert!(third.starts_with("10.30.1."), "{third}");
    assert_eq!(reach(lab, "client", &third, "5000"), "reached");
    let vpc = id(&lab.named("vpc", "net"));
    let refused = lab.weft(&["vpc", "disassociate-cidr", &vpc, "10.30.0.0/16"]);
    assert!(refused.stderr.contains("in use"), "{refused:?}");
    let refused = lab.weft(&["vpc", "associate-cidr", &vpc, "192.168.60.0/24"]);
    assert!(
        refused.stderr.contains("destination of a route"),
        "{refused:?}"
    );
    lab.weft(&["vpc", "associate-cidr", &vpc, "10.40.0.0/16", "--wait"])
        .ok();
    let tables = lab.weft(&["route-table", "list"]).ok();
    assert!(tables.contains("10.40.0.0/16 -> local"), "{tables}");
    lab.weft(&["vpc", "disassociate-cidr", &vpc, "10.40.0.0/16"])
        .ok();
}

/// `up` again puts back what hands changed, and takes away what the file no longer has.
fn the_file_is_what_holds(lab: &Lab) {
    let strict = id(&lab.named("network-acl", "strict"));
    let words = [
        "network-acl",
        "put-entry",
        &strict,
        "ingress",
        "80",
        "allow",
    ];
    lab.weft(&[&words[..], &["tcp:5001:0.0.0.0/0", "--wait"]].concat())
        .ok();
    let server = v4(lab, "server");
    assert_eq!(reach(lab, "client", &server, "5001"), "reached");
    lab.bring_up(TOPOLOGY).ok();
    assert_eq!(reach(lab, "client", &server, "5001"), "timeout");
    let plain = TOPOLOGY.replace(", network_acl: strict", "");
    let (head, rest) = plain.split_once("    network_acls:\n").unwrap();
    let (_, tail) = rest.split_once("    security_groups:\n").unwrap();
    lab.bring_up(&format!("{head}    security_groups:\n{tail}"))
        .ok();
    assert_eq!(reach(lab, "client", &server, "5001"), "reached");
    let acls = lab.json(&["network-acl", "list"]);
    assert_eq!(
        acls.as_array().unwrap().len(),
        1,
        "only the default one: {acls:#}"
    );
}
