//! Traffic mirroring, seen by who gets the copies.

use std::{cell::RefCell, time::Duration};

use weft_tests::{Lab, Running, User, both_modes, eventually};

const TOPOLOGY: &str = include_str!("../../topologies/mirrored.yaml");

both_modes!(who_mirrors_sees_what_passes_and_nothing_else, mirrors);

/// TCP's and UDP's numbers, as a line has them.
const TCP: &str = " 6 ";
const UDP: &str = " 17 ";

fn mirrors(user: User) {
    let lab = Lab::up(user, TOPOLOGY);
    let _servers = lab.serve("web", &["5000", "5009"]);
    let (near, far) = (Copies::of(&lab, "near"), Copies::of(&lab, "far"));
    tcp_is_copied_both_ways_on_the_same_host(&lab, &near);
    beginnings_of_udp_are_copied_across_hosts(&lab, &far);
    super_frames_are_copied_segment_by_segment(&lab, &near);
    the_rest_is_in_a_file(&lab);
    an_explanation_names_the_session(&lab);
    assert!(near.all().iter().all(|line| !line.contains(UDP)));
    assert!(far.all().iter().all(|line| !line.contains(TCP)));
    a_mirror_that_left_the_file_copies_nothing(&lab, &near);
}

/// A workload that gets copies, and what it said of them.
struct Copies {
    running: Running,
    lines: RefCell<Vec<String>>,
}

impl Copies {
    fn of(lab: &Lab, workload: &str) -> Self {
        let running = lab.start_peer(workload, &["copies"]);
        running.expect("ready");
        Self {
            running,
            lines: RefCell::default(),
        }
    }

    fn all(&self) -> Vec<String> {
        self.lines.borrow_mut().extend(self.running.said());
        self.lines.borrow().clone()
    }

    /// Waits until a copy of a packet between these was told.
    fn see(&self, from: &str, to: &str, rest: &str) {
        let wanted = format!(" {from}>{to}{rest}");
        let found = || self.all().iter().any(|line| line.contains(&wanted));
        eventually(&wanted, Duration::from_secs(10), || found().then_some(()));
    }
}

fn tcp_is_copied_both_ways_on_the_same_host(lab: &Lab, near: &Copies) {
    let (web4, web6) = lab.addresses("web");
    let (client4, client6) = lab.addresses("client");
    let pairs = [(web4, client4), (web6.unwrap(), client6.unwrap())];
    // The first comes before what is copied: had it been copied, it would be told by then.
    for (web, client) in &pairs {
        let reach = |port: &str| lab.peer("client", &["reach", "tcp", web, port]);
        assert_eq!(reach("5009"), "reached");
        assert_eq!(near.all().len(), 0);
        assert_eq!(reach("5000"), "reached");
        near.see(client, web, TCP);
        near.see(web, client, TCP);
        assert!(near.all().iter().all(|line| line.starts_with("101 ")));
        near.lines.borrow_mut().clear();
        // Whatever else of that connection is still to come.
        std::thread::sleep(Duration::from_millis(300));
        near.all();
        near.lines.borrow_mut().clear();
    }
}

fn beginnings_of_udp_are_copied_across_hosts(lab: &Lab, far: &Copies) {
    let (web, _) = lab.addresses("web");
    let (client, _) = lab.addresses("client");
    let long = ["reach", "udp", &web, "5000", "1000"];
    assert_eq!(lab.peer("client", &long), "reached");
    far.see(&client, &web, " 17 64");
    far.see(&web, &client, " 17 64");
    assert!(far.all().iter().all(|line| line.starts_with("102 ")));
}

fn super_frames_are_copied_segment_by_segment(lab: &Lab, near: &Copies) {
    let bytes = (1 << 20).to_string();
    let (web, _) = lab.addresses("web");
    let done = lab.peer("client", &["transfer", &web, "5000", &bytes, &bytes]);
    assert!(done.starts_with("ok"), "{done}");
    // The lab's MTU of 1450 less the copies' own headers.
    let (client, _) = lab.addresses("client");
    near.see(&web, &client, " 6 1414");
    let lengths = |line: &String| line.rsplit(' ').next()?.parse::<usize>().ok();
    let most = near.all().iter().filter_map(lengths).max();
    assert_eq!(most, Some(1450 + 14 - 50));
}

fn the_rest_is_in_a_file(lab: &Lab) {
    let (web, _) = lab.addresses("web");
    assert_eq!(lab.peer("client", &["reach", "icmp", &web]), "reached");
    let session = lab.named("mirror-session", "rest");
    let name = format!("{}.pcapng", session["id"].as_str().unwrap());
    let path = lab.dir().join("run/h1/mirrors").join(name);
    let path = path.to_str().unwrap();
    let size = || lab.exec("host:h1", &["stat", "-c", "%s", path]).stdout;
    // A section, an interface, and two packets of more than a hundred bytes with their blocks.
    eventually("two packets", Duration::from_secs(10), || {
        (size().trim().parse().unwrap_or(0) > 150).then_some(())
    });
    let start = lab.exec("host:h1", &["od", "-A", "n", "-t", "x1", "-N", "4", path]);
    assert_eq!(start.ok().trim(), "0a 0d 0d 0a", "pcapng's magic number");
}

fn an_explanation_names_the_session(lab: &Lab) {
    let explained = lab
        .weft(&["explain", "client", "web", "--port", "5000"])
        .ok();
    assert!(explained.contains("mirror"), "{explained}");
    let rejected = lab
        .weft(&["explain", "client", "web", "--port", "5009"])
        .ok();
    assert!(!rejected.contains("mirror"), "{rejected}");
}

fn a_mirror_that_left_the_file_copies_nothing(lab: &Lab, near: &Copies) {
    let start = TOPOLOGY.find("  tcp:\n    source").unwrap();
    let end = TOPOLOGY.find("  udp:\n    source").unwrap();
    let without = [&TOPOLOGY[..start], &TOPOLOGY[end..]].concat();
    lab.bring_up(&without).ok();
    near.all();
    near.lines.borrow_mut().clear();
    let (web, _) = lab.addresses("web");
    assert_eq!(
        lab.peer("client", &["reach", "tcp", &web, "5000"]),
        "reached"
    );
    assert_eq!(near.all().len(), 0);
    let filters = lab.json(&["mirror-filter", "list"]);
    assert_eq!(filters.as_array().unwrap().len(), 2, "{filters:#}");
}
