use super::*;
use crate::scenario;

const SMALL: &str = "\
name: small
hosts:
  h1: {zone: a}
  h2: {zone: b}
vpcs:
  v:
    cidr: 10.0.0.0/16
    ipv6: auto
    subnets:
      s: {cidr: 10.0.1.0/24, zone: a}
      t: {cidr: 10.0.2.0/24, zone: b, ipv6: none}
    security_groups:
      web:
        ingress:
          - {protocol: tcp, ports: [80, 8000-8010], from: [any, self]}
workloads:
  w1: {host: h1, vpc: v, subnet: s, groups: [web], run: [sleep, inf]}
  w2: {host: h2, vpc: v, subnet: t, run: sleep inf}
checks:
  - {from: w1, to: w2, port: 80, expect: reach}
";

fn parse(text: &str) -> Result<Topology, Rejected> {
    Topology::parse("lab.yaml", text)
}

/// `SMALL` with one text replaced, and the one error that this makes.
fn error_after(from: &str, to: &str) -> Diagnostic {
    assert!(SMALL.contains(from), "the text to replace is not there");
    let rejected = parse(&SMALL.replacen(from, to, 1)).unwrap_err();
    assert_eq!(rejected.diagnostics.len(), 1, "{rejected}");
    rejected.diagnostics[0].clone()
}

fn place(d: &Diagnostic) -> (usize, usize) {
    (d.span.line, d.span.column)
}

#[test]
fn a_small_file_means_what_it_says() {
    let t = parse(SMALL).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(t.hosts.len(), 2);
    assert_eq!(
        t.vpcs[0].groups[0].ingress.len(),
        6,
        "two ranges, three peers"
    );
    assert_eq!(t.workloads[1].run.argv, ["sh", "-c", "exec sleep inf"]);
    assert_eq!(t.checks.len(), 1, "w2 has no IPv6, so `both` is IPv4 alone");
    assert!(!t.checks[0].ipv6);
}

#[test]
fn scenarios_are_valid_with_any_parameters() {
    for (name, set) in [
        ("quickstart", vec![]),
        ("scale", vec![]),
        ("scale", vec!["hosts=1", "workloads=1"]),
    ] {
        let settings: Vec<_> = set.iter().map(|s| s.parse().unwrap()).collect();
        let text = scenario::render(name, &settings, false).unwrap();
        Topology::parse(name, &text).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn every_exercise_begins_as_a_valid_topology() {
    for scenario in scenario::ALL.iter().filter(|s| s.has_exercise()) {
        let parse = |broken| {
            let text =
                scenario::render(scenario.name, &[], broken).unwrap_or_else(|e| panic!("{e}"));
            Topology::parse(scenario.name, &text).unwrap_or_else(|e| panic!("{e}"))
        };
        let (whole, broken) = (parse(false), parse(true));
        assert_eq!(whole.name.as_str(), scenario.name);
        assert_eq!(whole.exercise.is_some(), broken.exercise.is_some());
        assert_ne!(whole, broken);
    }
}

const EXERCISE: &str = "\
name: small
needs: {sh: dash}
hosts:
  h1: {zone: a}
vpcs:
  v:
    cidr: 10.0.0.0/16
    ipv6: auto
    subnets: {s: {cidr: 10.0.1.0/24, zone: a}}
    security_groups: {web: {}}
workloads:
  w1: {host: h1, vpc: v, subnet: s, groups: web, run: cat x, files: {x: text}}
  w2: {host: h1, vpc: v, subnet: s}
checks:
  - {from: w1, to: w2, port: 80, expect: reach}
exercise:
  task: Mend it.
  criteria:
    - name: one
      checks: {from: w1, to: w2, port: 81, expect: reach}
    - name: two
      points: 3
      hint: Think.
      checks: {from: w2, to: w1, port: 82, expect: blocked}
      try: {in: w1, run: cat x, prints: text}
      rules: {groups: web, widest: 24}
      intact: true
";

#[test]
fn a_criterion_has_checks_of_its_own_among_the_topologys() {
    let t = parse(EXERCISE).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(t.checks.len(), 6, "each over IPv4 and IPv6");
    let exercise = t.exercise.unwrap();
    let [one, two] = &exercise.criteria[..] else {
        panic!("{exercise:?}");
    };
    assert_eq!((one.checks.clone(), one.points), (2..4, 1));
    assert_eq!((two.checks.clone(), two.points), (4..6, 3));
    assert_eq!(two.tries[0].prints.as_deref(), Some("text"));
    assert_eq!(two.rules.as_ref().unwrap().groups.len(), 1);
    assert!(two.intact && !one.intact);
    assert_eq!(t.workloads[0].run.files["x"], "text");
}

#[test]
fn what_is_wrong_in_an_exercise_is_shown_where_it_stands() {
    for (from, to, says, line) in [
        ("port: 81", "port: 0", "0 is no port", 20),
        (
            "to: w2, port: 81",
            "to: w3, port: 81",
            "no workload `w3`",
            20,
        ),
        ("points: 3", "points: 300", "out of range", 22),
        ("in: w1", "in: w9", "no workload `w9`", 25),
        (
            "groups: web, w",
            "groups: wed, w",
            "no security group `wed`",
            26,
        ),
        ("widest: 24", "widest: 64", "0 to 32", 26),
        (
            "intact: true",
            "healthy: {target_group: g, targets: w1}",
            "no target group `g`",
            27,
        ),
        ("task: Mend it.", "say: Mend it.", "needs `task`", 17),
        ("files: {x:", "files: {../x:", "no file's name", 12),
        ("run: cat x,", "listens: 80,", "runs something", 12),
    ] {
        assert!(EXERCISE.contains(from), "{from}");
        let rejected = parse(&EXERCISE.replacen(from, to, 1)).unwrap_err();
        let found = rejected
            .diagnostics
            .iter()
            .find(|d| d.message.contains(says));
        assert_eq!(found.map(|d| d.span.line), Some(line), "{says}: {rejected}");
    }
}

#[test]
fn a_scenario_refuses_a_parameter_that_it_does_not_have() {
    let error = scenario::render("scale", &["host=4".parse().unwrap()], false).unwrap_err();
    assert!(
        error.to_string().contains("it takes hosts, workloads"),
        "{error}"
    );
}

#[test]
fn an_unknown_key_is_shown_with_its_line_and_the_likely_word() {
    let d = error_after("h1: {zone: a}", "h1: {zoen: a, zone: a}");
    assert_eq!(place(&d), (3, 8));
    assert_eq!(d.help.as_deref(), Some("did you mean `zone`?"));
}

#[test]
fn the_caret_stands_below_the_word() {
    let text = SMALL.replacen("host: h2", "host: h3", 1);
    let shown = parse(&text).unwrap_err().to_string();
    let lines: Vec<&str> = shown.lines().collect();
    let quoted = lines.iter().position(|l| l.contains("w2:")).unwrap();
    assert_eq!(
        lines[quoted].find("h3"),
        lines[quoted + 1].find("^^"),
        "{shown}"
    );
    assert!(shown.contains("lab.yaml:18:14"), "{shown}");
}

#[test]
fn several_errors_are_reported_at_once() {
    let text = SMALL
        .replace("host: h2", "host: h9")
        .replace("subnet: s", "subnet: x")
        .replace("to: w2", "to: nobody");
    assert_eq!(parse(&text).unwrap_err().diagnostics.len(), 3);
}

#[test]
fn a_workload_on_a_host_of_another_zone_is_refused() {
    let d = error_after("host: h2", "host: h1");
    assert_eq!(place(&d), (18, 14));
    assert!(d.message.contains("zone `b`"), "{}", d.message);
}

#[test]
fn overlapping_subnets_are_refused_at_the_second() {
    let d = error_after("10.0.2.0/24", "10.0.0.0/20");
    assert_eq!(place(&d), (11, 17));
}

#[test]
fn a_subnet_outside_its_vpc_is_refused() {
    let d = error_after("10.0.2.0/24", "10.1.2.0/24");
    assert!(d.message.contains("outside VPC `v`"), "{}", d.message);
}

#[test]
fn reserved_and_taken_addresses_are_refused() {
    let d = error_after("subnet: s,", "subnet: s, address: 10.0.1.3,");
    assert!(d.help.unwrap().contains("reserved"));
    let text = SMALL
        .replace("subnet: t,", "subnet: t, address: 10.0.2.9,")
        .replace(
            "checks:",
            "  w3: {host: h2, vpc: v, subnet: t, address: 10.0.2.9}\nchecks:",
        );
    let errors = parse(&text).unwrap_err();
    assert!(errors.to_string().contains("taken by `w2`"), "{errors}");
}

#[test]
fn ports_of_a_rule_for_all_protocols_are_refused_not_ignored() {
    let d = error_after("protocol: tcp, ports", "ports");
    assert_eq!(place(&d), (15, 14));
}

#[test]
fn a_rule_naming_no_group_of_its_vpc_is_refused() {
    let d = error_after("[any, self]", "[any, wbe]");
    assert_eq!(d.help.as_deref(), Some("did you mean `web`?"));
}

#[test]
fn a_key_given_twice_is_refused() {
    let d = error_after("  h2: {zone: b}", "  h1: {zone: b}");
    assert_eq!(place(&d), (4, 3));
    assert!(d.message.contains("twice"), "{}", d.message);
}

#[test]
fn ipv6_checks_need_ipv6_at_both_ends() {
    let d = error_after("port: 80, expect", "port: 80, family: v6, expect");
    assert!(d.message.contains("don't both have IPv6"), "{}", d.message);
}

#[test]
fn text_that_is_not_yaml_is_refused_with_its_place() {
    let d = error_after("hosts:", "hosts: [");
    assert!(d.message.starts_with("not YAML"), "{}", d.message);
    assert!(d.span.line >= 2);
}

#[test]
fn aliases_can_not_exhaust_memory() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let refs = vec![format!("*a{}", n - 1); 10].join(", ");
        text.push_str(&format!("a{n}: &a{n} [{refs}]\n"));
    }
    let errors = parse(&text).unwrap_err();
    assert!(errors.to_string().contains("more than 500000"), "{errors}");
}

#[test]
fn a_route_needs_a_workload_that_forwards() {
    let table = "    route_tables:\n      main:\n        routes:\n          - {destination: 10.9.0.0/16, via: w1}\n    security_groups:";
    let d = error_after("    security_groups:", table);
    assert!(d.help.unwrap().contains("source_dest_check: false"));
}

#[test]
fn an_edge_has_another_name_than_the_internet() {
    let text = format!("internet: {{}}\n{SMALL}")
        .replace("h1: {zone: a}", "internet: {zone: a, edge: true}")
        .replace("host: h1", "host: internet");
    let refused = parse(&text).unwrap_err().to_string();
    assert!(
        refused.contains("`internet` is a name of the lab's own"),
        "{refused}"
    );
}

#[test]
fn routing_of_the_internet_is_built_in_or_by_bird() {
    let with = |routing: &str| parse(&format!("internet: {{routing: {routing}}}\n{SMALL}"));
    let found = with("bird").unwrap().internet.unwrap().routing;
    assert_eq!(found, Routing::Bird);
    let refused = with("ospf").unwrap_err().to_string();
    assert!(
        refused.contains("`ospf` is neither `built-in` nor `bird`"),
        "{refused}"
    );
}

#[test]
fn an_underlay_too_small_for_ipv6_inside_is_refused() {
    let d = error_after("hosts:", "underlay: {mtu: 1320}\nhosts:");
    assert_eq!(place(&d), (2, 17));
}

#[test]
fn the_hand_made_example_is_valid() {
    let text = include_str!("../../scenarios/three-hosts.yaml");
    let t = parse(text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(t.hosts.len(), 3);
}

#[test]
fn any_of_icmp_is_ipv4_and_an_ipv6_prefix_is_refused() {
    let d = error_after(
        "protocol: tcp, ports: [80, 8000-8010], from: [any, self]",
        "protocol: icmp, from: [any, \"fd00::/8\"]",
    );
    assert!(d.message.contains("use icmpv6"), "{}", d.message);
}

const BOUNDED: &str = "\
name: bounded
hosts:
  h1: {zone: a}
prefix_lists:
  offices: {max_entries: 5, entries: [192.0.2.0/24]}
vpcs:
  v:
    cidr: 10.0.0.0/16
    subnets:
      s: {cidr: 10.0.1.0/24, zone: a, network_acl: strict}
    route_tables:
      main:
        routes:
          - {prefix_list: offices, blackhole: true}
    network_acls:
      strict:
        ingress:
          - {number: 100, action: allow, protocol: tcp, ports: 80, from: any}
          - {number: 110, action: deny, protocol: icmp, from: any}
    security_groups:
      web:
        ingress:
          - {protocol: tcp, ports: 443, prefix_list: offices}
workloads:
  w: {host: h1, vpc: v, subnet: s, groups: web, address: 10.0.1.9, secondary_addresses: 10.0.1.10}
";

#[test]
fn an_entry_for_any_is_one_per_family_that_its_protocol_has() {
    let t = parse(BOUNDED).unwrap_or_else(|e| panic!("{e}"));
    let acl = &t.vpcs[0].acls[0];
    let entries: Vec<String> = acl
        .ingress
        .iter()
        .map(|e| format!("{} {}", e.number, e.prefix))
        .collect();
    assert_eq!(entries, ["100 0.0.0.0/0", "100 ::/0", "110 0.0.0.0/0"]);
    assert!(acl.egress.is_empty());
    assert_eq!(t.prefix_lists[0].max_entries, 5);
    assert_eq!(t.workloads[0].secondary.len(), 1);
}

#[test]
fn what_is_wrong_with_acls_and_lists_is_told_with_its_place() {
    for (from, to, message) in [
        (
            "network_acl: strict",
            "network_acl: strikt",
            "no network ACL `strikt`",
        ),
        (
            "{prefix_list: offices, b",
            "{prefix_list: office, b",
            "no prefix list `office`",
        ),
        (
            "443, prefix_list: offices",
            "443, prefix_list: home",
            "no prefix list `home`",
        ),
        ("number: 110", "number: 100", "has an entry 100 already"),
        ("number: 110", "number: 40000", "1 to 32766"),
        ("action: deny", "action: drop", "neither allow nor deny"),
        ("ports: 80", "ports: [80, 81]", "one range of ports"),
        ("[192.0.2.0/24]", "[192.0.2.0/24, '::/0']", "of one family"),
        ("max_entries: 5", "max_entries: 0", "has 1 entries"),
        ("10.0.1.10}", "10.0.1.9}", "is taken by"),
        ("10.0.1.10}", "10.0.2.9}", "not an address"),
        (
            "{prefix_list: offices, b",
            "{destination: 10.9.0.0/16, prefix_list: offices, b",
            "instead of",
        ),
    ] {
        assert!(BOUNDED.contains(from), "{from}");
        let rejected = parse(&BOUNDED.replacen(from, to, 1)).unwrap_err();
        let [only] = &rejected.diagnostics[..] else {
            panic!("{to}: {rejected}");
        };
        assert!(only.message.contains(message), "{to}: {}", only.message);
    }
}
