//! Labs come, stay as they are, and go without a trace.

use std::{collections::BTreeSet, time::Duration};

use weft_tests::{Lab, Mode, Running, Trace, User, both_modes, eventually, run};

/// How long the kernel may take to end what a dead supervisor leaves.
const LAST_BREATH: Duration = Duration::from_secs(10);

fn nothing_runs(trace: &Trace) {
    // The kernel frees namespaces after the processes, in its own time.
    eventually("everything ended", LAST_BREATH, || {
        trace.left_running().is_empty().then_some(())
    });
}

both_modes!(
    the_quickstart_passes_its_checks_and_leaves_nothing,
    quickstart
);

fn quickstart(user: User) {
    let lab = Lab::up(user, "quickstart");
    let checks = lab.json(&["lab", "check"]);
    let checks = checks.as_array().unwrap();
    assert!(checks.len() >= 30, "{checks:#?}");
    assert!(
        checks.iter().all(|check| check["ok"] == true),
        "{checks:#?}"
    );
    for expected in ["reach", "blocked"] {
        assert!(checks.iter().any(|check| check["expect"] == expected));
    }
    for process in ["controller", "vswitch-h1", "vswitch-h2", "supervisor"] {
        let log = lab.weft(&["lab", "logs", process]).ok();
        assert!(
            !log.contains("WARN") && !log.contains("ERROR"),
            "all is well: {log}"
        );
    }
    let trace = Trace::of(&lab, &["web-1", "db-1", "gx-2"]);
    assert!(
        !trace.left_running().is_empty(),
        "what runs is seen, else nothing is shown below"
    );
    lab.down().ok();
    nothing_runs(&trace);
    assert_eq!(trace.left(), Vec::<String>::new());
    assert_eq!(
        lab.weft(&["lab", "status"]).code(),
        2,
        "there is no such lab any more"
    );
}

both_modes!(
    up_again_changes_nothing_and_down_again_is_refused,
    idempotence
);

fn idempotence(user: User) {
    let lab = Lab::up(user, "quickstart");
    let describe = || {
        let kinds = [
            "vpc",
            "subnet",
            "route-table",
            "security-group",
            "interface",
        ];
        kinds.map(|kind| lab.json(&[kind, "list"]))
    };
    let (before, processes) = (describe(), lab.json(&["lab", "status"]));
    lab.bring_up("quickstart").ok();
    assert_eq!(describe(), before, "not even a revision has moved");
    assert_eq!(
        lab.json(&["lab", "status"]),
        processes,
        "nothing was started again"
    );
    lab.down().ok();
    let twice = lab.down();
    assert_eq!(twice.code(), 2, "{twice:?}");
}

#[test]
fn an_edited_file_changes_the_running_lab() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let text = include_str!("../../topologies/pair.yaml");
    let lab = Lab::up(user, text);
    let _server = lab.serve("far", &["5000", "6000"]);
    let (far, _) = lab.addresses("far");
    let reach = |port| lab.peer("client", &["reach", "tcp", &far, port]);
    assert_eq!(
        (reach("5000").as_str(), reach("6000").as_str()),
        ("reached", "timeout")
    );
    let other = text.replace("5000-5009", "6000-6009");
    let extra = "  extra: {host: h1, vpc: net, subnet: left, groups: open}\n";
    lab.bring_up(
        &(other.replace(
            "  spare: {host: h2, vpc: net, subnet: right, groups: open}\n",
            extra,
        )),
    )
    .ok();
    assert_eq!(
        (reach("5000").as_str(), reach("6000").as_str()),
        ("timeout", "reached")
    );
    assert_eq!(
        lab.peer("extra", &["reach", "tcp", &far, "6000"]),
        "reached"
    );
    let gone = lab.exec("spare", &["true"]);
    assert!(gone.stderr.contains("no workload `spare`"), "{gone:?}");
    let names = lab.json(&["interface", "list"]);
    assert!(
        names
            .as_array()
            .unwrap()
            .iter()
            .all(|i| i["meta"]["name"] != "spare"),
        "{names:#}"
    );
}

both_modes!(labs_side_by_side_do_not_touch_each_other, side_by_side);

fn side_by_side(user: User) {
    let mode = user.mode;
    let one = Lab::up(user, "quickstart");
    let other = one.beside(User::new(mode).unwrap());
    other.bring_up("quickstart").ok();
    let before = one.json(&["lab", "status"]);
    let trace = Trace::of(&other, &["web-1"]);
    let all = one.json(&["lab", "check"]);
    assert!(
        all.as_array()
            .unwrap()
            .iter()
            .all(|check| check["ok"] == true),
        "{all:#}"
    );
    other.down().ok();
    nothing_runs(&trace);
    assert_eq!(one.json(&["lab", "status"]), before);
    assert_eq!(one.peer("web-1", &["reach", "icmp", "10.0.1.1"]), "reached");
}

#[test]
fn a_topology_with_errors_creates_nothing_and_says_where_they_are() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let lab = Lab::new(user);
    let text = include_str!("../../topologies/pair.yaml").replace(
        "host: h1, vpc: net, subnet: left, groups: open",
        "host: h7, vpc: net, subnet: left, groups: opne",
    );
    let refused = lab.bring_up(&text);
    assert_eq!(refused.code(), 2, "{refused:?}");
    let place = |what: &str| {
        let line = text.lines().position(|line| line.contains(what)).unwrap();
        let column = text.lines().nth(line).unwrap().find(what).unwrap();
        format!("{}.yaml:{}:{}", lab.name, line + 1, column + 1)
    };
    for what in ["h7", "opne"] {
        assert!(
            refused.stderr.contains(&place(what)),
            "{}\n{}",
            place(what),
            refused.stderr
        );
    }
    assert!(!lab.dir().exists(), "nothing was made");
    for (arguments, code) in [
        (&["lab", "up", "no-such-scenario"][..], 2),
        (&["lab", "up", "quickstart", "--set", "hosts=3"], 2),
        (&["lab", "validate", "/nowhere/x.yaml"], 1),
        (&["lab", "validate", "quickstart"], 0),
        (&["lab", "no-such-command"], 2),
        (&["lab", "check"], 2),
        (&["vpc", "list"], 2),
    ] {
        let ended = lab.weft(arguments);
        assert_eq!(ended.code(), code, "{ended:#?}");
    }
}

#[test]
fn exec_gives_the_programs_output_and_exit_code() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let lab = Lab::up(user, include_str!("../../topologies/pair.yaml"));
    let ended = lab.exec("client", &["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(
        (ended.code(), ended.stdout.as_str(), ended.stderr.as_str()),
        (7, "out\n", "err\n")
    );
    assert_eq!(lab.exec("nobody", &["true"]).code(), 2);
    let missing = lab.exec("client", &["/no/such/program"]);
    assert_eq!(missing.code(), 1, "{missing:?}");
    let failing = include_str!("../../topologies/pair.yaml").to_owned()
        + "\nchecks:\n  - {from: client, to: locked, port: 5000, family: v4, expect: reach}\n";
    lab.bring_up(&failing).ok();
    let check = lab.weft(&["lab", "check"]);
    assert_eq!(check.code(), 1, "a failed check fails: {check:?}");
    let refused = lab.weft(&["vpc", "show", "vpc-00000000000000000"]);
    assert_eq!(refused.code(), 1, "{refused:?}");
    let mut absent = lab.user().weft();
    absent.args(["vpc", "list", "--api", "http://127.0.0.1:1"]);
    assert_eq!(
        absent.output().unwrap().status.code(),
        Some(4),
        "nobody listens there"
    );
}

both_modes!(
    killing_everything_leaves_only_a_directory_that_gc_removes,
    killed
);

fn killed(user: User) {
    let lab = Lab::up(user, "quickstart");
    let trace = Trace::of(&lab, &["web-1", "gx-2"]);
    let addresses = lab.addresses("web-1").0;
    lab.kill_everything();
    nothing_runs(&trace);
    assert!(lab.dir().exists(), "the logs are there to be read");
    // What is dead may be brought up again without ado.
    lab.bring_up("quickstart").ok();
    assert_eq!(lab.addresses("web-1").0, addresses);
    let trace = Trace::of(&lab, &["web-1"]);
    lab.kill_everything();
    nothing_runs(&trace);
    lab.weft(&["lab", "gc"]).ok();
    assert_eq!(trace.left(), Vec::<String>::new());
    let left: BTreeSet<_> = std::fs::read_dir(lab.user().labs())
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_up_that_was_cut_short_can_be_repeated() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let lab = Lab::new(user);
    let topology = include_str!("../../topologies/pair.yaml");
    // After each of the things that it says it does.
    for steps in 1..=4 {
        let up = Running::start(lab.up_command(topology));
        for _ in 0..steps {
            up.next();
        }
        drop(up);
        lab.bring_up(topology).ok();
        let (far, _) = lab.addresses("far");
        assert_eq!(
            lab.peer("client", &["reach", "icmp", &far]),
            "reached",
            "after {steps} steps"
        );
        lab.down().ok();
    }
}

#[test]
fn a_lab_is_brought_up_by_one_command_at_a_time() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let lab = Lab::new(user);
    let mut first = Running::start(lab.up_command("quickstart"));
    first.next();
    let second = lab.bring_up("quickstart");
    assert_eq!(second.code(), 2, "{second:?}");
    assert!(second.stderr.contains("another command"), "{second:?}");
    assert!(first.wait(Duration::from_secs(60)), "{:?}", first.said());
}

fn all_as_expected(lab: &Lab) {
    let checks = lab.json(&["lab", "check"]);
    let checks = checks.as_array().unwrap();
    assert!(checks.len() >= 30, "{checks:#?}");
    assert!(
        checks.iter().all(|check| check["ok"] == true),
        "{checks:#?}"
    );
}

#[test]
fn the_underlay_may_be_ipv6_and_have_another_mtu() {
    for (underlay, inside) in [
        ("ipv6: true", "mtu 1430"),
        ("mtu: 9000", "mtu 8950"),
        ("mtu: 1350", "mtu 1300"),
    ] {
        let Some(user) = User::new(Mode::Rootless) else {
            return;
        };
        let lab = Lab::new(user);
        let quickstart = lab.weft(&["lab", "render", "quickstart"]).ok();
        lab.bring_up(&format!("underlay: {{{underlay}}}\n{quickstart}"))
            .ok();
        all_as_expected(&lab);
        let device = lab.exec("web-1", &["ip", "link", "show", "eth0"]).ok();
        assert!(device.contains(inside), "{underlay}: {device}");
        let _server = lab.serve("web-2", &["80"]);
        let (v4, v6) = lab.addresses("web-2");
        for address in [v4, v6.unwrap()] {
            let said = lab.peer("web-1", &["transfer", &address, "80", "4000000", "4000000"]);
            assert!(said.starts_with("ok "), "{underlay}: {address}: {said}");
        }
    }
}

#[test]
fn a_lab_of_many_hosts_comes_up() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let lab = Lab::new(user);
    let mut command = lab.up_command("scale");
    command.args(["--set", "hosts=12", "--set", "workloads=60"]);
    run(command, b"", Duration::from_secs(90)).ok();
    all_as_expected(&lab);
    let hosts = lab.json(&["host", "list"]);
    assert_eq!(hosts.as_array().unwrap().len(), 12);
}
