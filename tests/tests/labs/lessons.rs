//! Every lesson's scenario works, its exercise is broken as it says, and its solution mends it.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use serde_json::Value;
use weft_tests::{Finished, Lab, Mode, User, both_modes, eventually, run, skip};

/// What a solution may take: it is a handful of commands.
const PATIENCE: Duration = Duration::from_secs(60);

/// Health checks come every five seconds, and two in a row decide.
const SETTLED: Duration = Duration::from_secs(30);

/// A lab with the exercise as it begins; none where the machine lacks what it runs.
fn begin(user: User, name: &str) -> Option<Lab> {
    let lab = Lab::new(user);
    let mut command = lab.up_command(name);
    command.arg("--broken");
    let ended = run(command, b"", PATIENCE);
    if ended.code() == 3 && ended.stderr.contains("apt-get install") {
        skip(ended.stderr.trim());
        return None;
    }
    ended.ok();
    Some(lab)
}

/// `weft lab grade`, and what it says.
fn grade(lab: &Lab, name: &str) -> (Finished, Value) {
    let ended = lab.weft(&["-o", "json", "lab", "grade", name]);
    let value = serde_json::from_str(&ended.stdout);
    let value = value.unwrap_or_else(|error| panic!("{error}: {ended:#?}"));
    (ended, value)
}

fn unmet(mark: &Value) -> BTreeSet<&str> {
    let criteria = mark["criteria"].as_array().unwrap().iter();
    let unmet = criteria.filter(|criterion| criterion["met"] == false);
    unmet.map(|c| c["name"].as_str().unwrap()).collect()
}

/// The text of a file beside the scenario.
fn beside(name: &str, file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = root.join("lab/scenarios").join(name).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs a learner's commands.
fn shell(lab: &Lab, script: &str) {
    let mut command = lab.user().program(Path::new("sh"));
    command
        .args(["-eu", "-c", script])
        .env("WEFT_LAB", &lab.name);
    run(command, b"", PATIENCE).ok();
}

/// Waits until the exercise is done.
fn met(lab: &Lab, name: &str) {
    eventually("the exercise is done", SETTLED, || {
        let (ended, mark) = grade(lab, name);
        let done = unmet(&mark).is_empty();
        assert_eq!(ended.code() == 0, done, "{ended:#?}");
        assert_eq!(mark["points"] == mark["of"], done, "{mark:#}");
        println!("{mark:#}");
        done.then_some(())
    });
}

/// Waits until the exercise fails in these criteria alone, each with a hint. Some break only after a while.
fn broken(lab: &Lab, name: &str, fails: &[&str]) {
    eventually("broken as it shall be", SETTLED, || {
        let (ended, mark) = grade(lab, name);
        println!("{mark:#}");
        let criteria = mark["criteria"].as_array().unwrap().iter();
        let mut failed = criteria.filter(|criterion| criterion["met"] == false);
        let hinted = failed.all(|criterion| criterion["hint"].is_string());
        let same = unmet(&mark) == fails.iter().copied().collect();
        (same && hinted && ended.code() == 1).then_some(())
    });
}

/// The exercise fails in these criteria alone, its solution meets all, and so does the scenario.
fn lesson(user: User, name: &str, fails: &[&str]) -> Option<Lab> {
    let lab = begin(user, name)?;
    broken(&lab, name, fails);
    shell(&lab, &beside(name, "solution.sh"));
    met(&lab, name);
    // What the exercise broke besides the file.
    lab.weft(&["lab", "fault", "clear"]).ok();
    lab.bring_up(name).ok();
    met(&lab, name);
    Some(lab)
}

both_modes!(a_shop_in_three_tiers_is_mended, three_tier);

fn three_tier(user: User) {
    let fails = [
        "Customers order",
        "Each tier reaches the next",
        "No tier is skipped",
        "The inner tiers let in groups, not ranges",
    ];
    let Some(lab) = lesson(user, "three-tier", &fails) else {
        return;
    };
    opening_everything_is_no_solution(&lab);
    taking_away_is_noticed(&lab);
}

fn opening_everything_is_no_solution(lab: &Lab) {
    let open = "eval \"$(weft lab env --ids)\"
        for group in $sg_app $sg_data; do
            weft security-group authorize $group --ingress all::0.0.0.0/0 --wait
        done";
    shell(lab, open);
    let (ended, mark) = grade(lab, "three-tier");
    assert_eq!(ended.code(), 1);
    let expected = [
        "No tier is skipped",
        "The inner tiers let in groups, not ranges",
    ];
    assert_eq!(unmet(&mark), expected.into(), "{mark:#}");
    let all = mark.to_string();
    assert!(all.contains("lets in all from 0.0.0.0/0"), "{mark:#}");
    assert!(all.contains("allows it"), "it says by which rule: {mark:#}");
}

fn taking_away_is_noticed(lab: &Lab) {
    let id = lab.interface("app-2")["id"].as_str().unwrap().to_owned();
    lab.weft(&["interface", "delete", &id, "--wait"]).ok();
    let (_, mark) = grade(lab, "three-tier");
    assert!(unmet(&mark).contains("Nothing was taken away"), "{mark:#}");
    assert!(
        mark.to_string().contains("missing: workload app-2"),
        "{mark:#}"
    );
}

/// Rootless is the harder case for daemons, and one user each is enough.
fn rootless(name: &str, fails: &[&str]) {
    if let Some(user) = User::new(Mode::Rootless) {
        lesson(user, name, fails);
    }
}

#[test]
fn an_acl_before_a_server_is_mended() {
    let fails = ["Guests get the page", "The pest does nothing"];
    rootless("groups-and-acls", &fails);
}

#[test]
fn servers_behind_a_balancer_become_well() {
    let fails = [
        "Customers get pages through the balancer",
        "Every server is well",
        "Who leaves keeps its connections for a while",
        "Customers alone get to the servers",
    ];
    rootless("balancing", &fails);
}

#[test]
fn two_teams_get_to_shared_services_and_not_to_each_other() {
    let fails = [
        "Dev gets packages",
        "Prod gets packages",
        "The mirror lets in teams, not ranges",
    ];
    rootless("peering", &fails);
}

#[test]
fn both_ways_lead_through_a_firewall() {
    let fails = [
        "The application reaches the database",
        "So does the way back",
    ];
    rootless("middlebox", &fails);
}

#[test]
fn a_service_outlives_a_zone() {
    rootless("zone-failure", &["Customers get pages", "Zone b serves"]);
}

#[test]
fn workers_go_out_through_a_nat_gateway() {
    let fails = [
        "Workers of zone a reach the internet",
        "Workers of zone b reach the internet",
    ];
    rootless("private-subnets", &fails);
}

#[test]
fn messages_come_through_gateways_of_both_zones() {
    let fails = [
        "Messages come through either gateway",
        "Phones reach gateways, and nothing behind them",
        "The queue lets in its gateways, by their group",
    ];
    rootless("messaging", &fails);
}

#[test]
fn caches_alone_reach_an_origin_in_a_peered_vpc() {
    let fails = [
        "So does the cache of zone b",
        "Caches alone reach the origin",
    ];
    rootless("streaming", &fails);
}

#[test]
fn a_search_finds_what_all_shards_have() {
    let fails = [
        "All shards answer",
        "The front reaches each shard",
        "Shards reach each other",
    ];
    rootless("search", &fails);
}

#[test]
fn an_audit_of_payments_is_answered() {
    let fails = [
        "The ledger alone reaches the vault",
        "Nobody tells what the vault knows",
        "What is refused is written down, and nothing was taken away",
    ];
    rootless("payments", &fails);
}

#[test]
fn clusters_meet_a_dispatcher_and_not_each_other() {
    let fails = ["The south gets rides", "Clusters don't reach each other"];
    rootless("ride-sharing", &fails);
}

#[test]
fn a_replicated_store_outlives_the_zone_of_its_primary() {
    let fails = [
        "Clients write to a primary that the sentinels name",
        "Stores reach each other",
    ];
    rootless("storage", &fails);
}

#[test]
fn what_has_no_exercise_says_so() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let lab = Lab::up(user, "quickstart");
    for (words, says) in [
        (vec!["lab", "grade"], "has no `exercise`"),
        (vec!["lab", "grade", "quickstart"], "has no `exercise`"),
        (vec!["lab", "grade", "no-such"], "weft lab scenarios"),
        (
            vec!["lab", "render", "quickstart", "--broken"],
            "has no exercise",
        ),
    ] {
        let ended = lab.weft(&words);
        assert_eq!(ended.code(), 2, "{ended:?}");
        assert!(ended.stderr.contains(says), "{ended:?}");
    }
}

#[test]
fn a_mark_is_given_even_of_a_lab_that_lacks_what_is_tried() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let exercise = "name: y
hosts: {h1: {zone: a}}
vpcs: {v: {cidr: 10.0.0.0/16, subnets: {s: {cidr: 10.0.1.0/24, zone: a}}}}
workloads:
  one: {host: h1, vpc: v, subnet: s}
  two: {host: h1, vpc: v, subnet: s}
exercise:
  task: Be two.
  criteria:
    - {name: runs, try: {in: two, run: 'true'}}
    - {name: is alone, checks: {from: two, to: one, port: 80, expect: blocked}}
    - {name: is one, points: 2, try: {in: one, run: echo one, prints: one}}
";
    let file = user.file("exercise.yaml", exercise);
    let (cloud, _) = exercise.split_once("exercise:").unwrap();
    let less = cloud.replace("  two: {host: h1, vpc: v, subnet: s}\n", "");
    let lab = Lab::up(user, &less);
    let (ended, mark) = grade(&lab, file.to_str().unwrap());
    assert_eq!(ended.code(), 1, "{ended:#?}");
    assert_eq!(unmet(&mark), ["runs", "is alone"].into(), "{mark:#}");
    assert_eq!((&mark["points"], &mark["of"]), (&2.into(), &4.into()));
    assert!(
        mark.to_string().contains("there is no workload two"),
        "{mark:#}"
    );
}

#[test]
fn a_lab_is_up_when_its_programs_listen_and_says_which_does_not() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let lab = Lab::new(user);
    let topology = "name: x
hosts: {h1: {zone: a}}
vpcs: {v: {cidr: 10.0.0.0/16, subnets: {s: {cidr: 10.0.1.0/24, zone: a}}}}
workloads:
  idle: {host: h1, vpc: v, subnet: s, run: sleep infinity, listens: 80}
";
    let mut command = lab.up_command(topology);
    command.args(["--timeout", "2"]);
    let ended = run(command, b"", PATIENCE);
    assert_eq!(ended.code(), 1, "{ended:?}");
    let says = "workload-idle: nothing listens on port 80";
    assert!(ended.stderr.contains(says), "{ended:?}");
}

#[test]
fn a_program_that_is_missing_is_named_with_its_package() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let lab = Lab::new(user);
    let topology =
        "name: x\nneeds: {no-such-program: its-package, sh: dash}\nhosts: {h1: {zone: a}}\n";
    let ended = lab.bring_up(topology);
    assert_eq!(ended.code(), 3, "{ended:?}");
    let says =
        "topology `x` needs no-such-program: on Debian and Ubuntu, `apt-get install its-package`";
    assert!(ended.stderr.contains(says), "{ended:?}");
    assert!(!lab.dir().exists(), "nothing was made");
}
