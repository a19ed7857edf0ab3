//! Real kernels talk through the overlay.

use weft_tests::{Lab, User, both_datapaths};

/// Some hundred windows' worth.
const BULK: &str = "8388608";

both_datapaths!(kernels_talk_within_a_host_and_across_hosts, conversation);

fn conversation(user: User) {
    let lab = Lab::up(user, include_str!("../../topologies/pair.yaml"));
    let _servers = ["near", "far"].map(|workload| lab.serve(workload, &["5000", "5001"]));
    inside(&lab);
    transfers(&lab);
    datagrams(&lab);
    routers(&lab);
    path_mtu(&lab);
    dhcp(&lab);
    impostors(&lab);
}

/// Both families' addresses of a workload.
fn both(lab: &Lab, workload: &str) -> [String; 2] {
    let (v4, v6) = lab.addresses(workload);
    [v4, v6.expect("the subnets have IPv6")]
}

/// What the device has and how it routes.
fn inside(lab: &Lab) {
    let [v4, v6] = both(lab, "client");
    let ip = |arguments: &[&str]| lab.exec("client", &[&["ip"], arguments].concat()).ok();
    let device = ip(&["address", "show", "dev", "eth0"]);
    for wanted in ["mtu 1450", &format!("{v4}/24"), &format!("{v6}/64"), "UP"] {
        assert!(device.contains(wanted), "{wanted}: {device}");
    }
    let mac = lab.interface("client")["mac"].as_str().unwrap().to_owned();
    assert!(device.contains(&mac), "{mac}: {device}");
    let routes = ip(&["route"]);
    assert!(
        routes.contains("default via 10.20.1.1 dev eth0"),
        "{routes}"
    );
    let routes = ip(&["-6", "route"]);
    assert!(routes.contains("default via fe80::"), "{routes}");
}

fn transfers(lab: &Lab) {
    for workload in ["near", "far"] {
        for address in both(lab, workload) {
            let said = lab.peer("client", &["transfer", &address, "5000", BULK, BULK]);
            assert!(said.starts_with("ok "), "{workload} {address}: {said}");
            println!("{workload} {address}: {said}");
        }
    }
}

/// Small ones, and ones that the kernel must send in fragments.
fn datagrams(lab: &Lab) {
    for workload in ["near", "far"] {
        for address in both(lab, workload) {
            for bytes in ["1", "1400", "8000", "60000"] {
                let said = lab.peer("client", &["reach", "udp", &address, "5000", bytes]);
                assert_eq!(said, "reached", "{workload} {address}: {bytes} bytes");
            }
            assert_eq!(
                lab.peer("client", &["reach", "icmp", &address]),
                "reached",
                "{address}"
            );
            let closed = lab.peer("client", &["reach", "tcp", &address, "5005"]);
            assert_eq!(closed, "refused", "policy lets it pass and nobody listens");
        }
    }
}

fn routers(lab: &Lab) {
    let router6 = lab
        .exec("client", &["ip", "-6", "route", "show", "default"])
        .ok();
    let router6 = router6.split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(
        lab.peer("client", &["reach", "icmp", "10.20.1.1"]),
        "reached"
    );
    let ping = lab
        .exec(
            "client",
            &["ip", "-6", "neigh", "show", &router6, "dev", "eth0"],
        )
        .ok();
    assert!(
        ping.contains("router"),
        "it says that it is a router: {ping}"
    );
    let [far4, far6] = both(lab, "far");
    assert_eq!(
        lab.peer("client", &["hop", &far4]),
        "10.20.1.1",
        "the TTL ends between subnets"
    );
    let hop = lab.peer("client", &["hop", &far6]);
    assert!(hop == router6 || hop.starts_with("fd57:"), "{hop}");
    let [near4, _] = both(lab, "near");
    let direct = lab.try_peer("client", &["hop", &near4]);
    assert!(
        !direct.status.success(),
        "no router stands within a subnet: {direct:?}"
    );
}

/// Devices that believe in a larger MTU than the path has learn better, and nothing hangs.
fn path_mtu(lab: &Lab) {
    for workload in ["client", "near", "far"] {
        lab.exec(workload, &["ip", "link", "set", "eth0", "mtu", "1500"])
            .ok();
    }
    for workload in ["near", "far"] {
        for address in both(lab, workload) {
            let said = lab.peer("client", &["reach", "udp", &address, "5000", "1430"]);
            assert_eq!(said, "reached", "{workload} {address}");
            let route = lab.exec("client", &["ip", "route", "get", &address]).ok();
            assert!(route.contains("mtu 1450"), "{workload} {address}: {route}");
            let said = lab.peer("client", &["transfer", &address, "5001", BULK, BULK]);
            assert!(said.starts_with("ok "), "{workload} {address}: {said}");
        }
    }
}

fn dhcp(lab: &Lab) {
    let (address, _) = lab.addresses("spare");
    let ip = |arguments: &[&str]| lab.exec("spare", &[&["ip"], arguments].concat()).ok();
    // A client that begins has no address yet, and sends from 0.0.0.0.
    ip(&["-4", "address", "flush", "dev", "eth0"]);
    let given = lab.peer("spare", &["dhcp", "eth0"]);
    let wanted = format!("address {address} mask 255.255.255.0 router 10.20.2.1 dns ");
    assert!(given.starts_with(&wanted), "{given}");
    assert!(
        given.ends_with(" mtu 1450") && !given.contains("dns 0.0.0.0"),
        "{given}"
    );
    if lab
        .exec("spare", &["sh", "-c", "busybox --list | grep -q udhcpc"])
        .code()
        == 0
    {
        let client = "busybox udhcpc -i eth0 -n -q -f -t 3 -s /bin/true";
        let said = lab.exec("spare", &["sh", "-c", client]);
        assert!(
            said.stderr
                .contains(&format!("lease of {address} obtained")),
            "{said:?}"
        );
    }
    ip(&["address", "add", &format!("{address}/24"), "dev", "eth0"]);
    ip(&["route", "add", "default", "via", "10.20.2.1"]);
    assert_eq!(
        lab.peer("spare", &["reach", "icmp", &both(lab, "client")[0]]),
        "reached"
    );
}

/// Who takes another's address or MAC is heard by nobody, and the drop has its reason.
fn impostors(lab: &Lab) {
    let [far, _] = both(lab, "far");
    let ip = |arguments: &str| {
        let words: Vec<&str> = std::iter::once("ip").chain(arguments.split(' ')).collect();
        lab.exec("near", &words).ok()
    };
    let reach = || lab.peer("near", &["reach", "udp", &far, "5000"]);
    let drops = || lab.weft(&["inspect", "h1", "drops"]).ok();
    assert_eq!(reach(), "reached");
    ip("address add 10.20.1.99/24 dev eth0");
    ip("route replace default via 10.20.1.1 src 10.20.1.99");
    assert_eq!(reach(), "timeout", "its address is not its own");
    assert!(drops().contains("spoofed_address"), "{}", drops());
    ip("address del 10.20.1.99/24 dev eth0");
    ip("route replace default via 10.20.1.1");
    assert_eq!(reach(), "reached");
    let mac = lab.interface("near")["mac"].as_str().unwrap().to_owned();
    ip("link set eth0 address 02:00:00:00:00:99");
    assert_eq!(reach(), "timeout", "its MAC is not its own");
    assert!(drops().contains("spoofed_mac"), "{}", drops());
    ip(&format!("link set eth0 address {mac}"));
    assert_eq!(reach(), "reached");
}
