//! What is looked at and written down is what really passed.

use std::time::Duration;

use serde_json::Value;
use weft_tests::{Lab, Running, User, both_datapaths, eventually};

both_datapaths!(what_is_watched_is_what_passed, watched);

/// Fields that the test reads by their place.
const FORMAT: &str = "${interface-id} ${srcaddr} ${dstaddr} ${dstport} ${protocol} ${packets} \
                      ${bytes} ${action} ${flow-direction} ${az-id} ${reject-reason} ${log-status}";

fn watched(user: User) {
    let pair = include_str!("../../topologies/pair.yaml");
    let logs = format!(
        "\nflow_logs:\n  all: {{vpc: net, interval: 60}}\n  \
         one: {{workload: client, interval: 60, format: \"{FORMAT}\"}}\n"
    );
    let lab = Lab::up(user, &format!("{pair}{logs}"));
    let _server = lab.serve("far", &["5000"]);
    records_count_what_passed(&lab);
    rejects_have_their_reason(&lab);
    events_name_the_rule(&lab);
    captures_are_pcapng_with_comments(&lab);
    meters_tell_zones_apart(&lab);
    a_log_that_left_the_file_is_gone(&lab, pair);
}

fn id(item: &Value) -> String {
    item["id"].as_str().unwrap().to_owned()
}

/// The lines of a flow log on all hosts, the present windows' too.
fn lines(lab: &Lab, log: &str) -> Vec<Vec<String>> {
    let log = id(&lab.named("flow-log", log));
    let answers = lab.json(&["flow-log", "tail", &log, "--flush", "--lines", "1000"]);
    let lines = answers.as_array().unwrap().iter();
    lines
        .flat_map(|answer| answer["lines"].as_array().unwrap())
        .map(|line| {
            line.as_str()
                .unwrap()
                .split(' ')
                .map(str::to_owned)
                .collect()
        })
        .collect()
}

/// Five datagrams and their echoes, counted in both directions, and nothing else.
fn records_count_what_passed(lab: &Lab) {
    let (far, _) = lab.addresses("far");
    let (client, _) = lab.addresses("client");
    for _ in 0..5 {
        assert_eq!(
            lab.peer("client", &["reach", "udp", &far, "5000", "100"]),
            "reached"
        );
    }
    let lines = lines(lab, "one");
    let sum = |src: &str, dst: &str, direction: &str| -> (u64, u64) {
        let mine = lines.iter().filter(|f| {
            f[1] == src && f[2] == dst && f[4] == "17" && f[8] == direction && f[7] == "ACCEPT"
        });
        mine.fold((0, 0), |(packets, bytes), f| {
            let number = |text: &str| text.parse::<u64>().unwrap();
            (packets + number(&f[5]), bytes + number(&f[6]))
        })
    };
    // 100 bytes and the headers of UDP and IPv4.
    assert_eq!(sum(&client, &far, "egress"), (5, 5 * 128), "{lines:#?}");
    assert_eq!(sum(&far, &client, "ingress"), (5, 5 * 128), "{lines:#?}");
    let fields = FORMAT.split(' ').count();
    assert!(lines.iter().all(|line| line.len() == fields), "{lines:#?}");
    assert!(lines.iter().all(|line| line[9] == "a"), "{lines:#?}");
    // The router is pinged, and nobody writes that down.
    assert_eq!(
        lab.peer("client", &["reach", "icmp", "10.20.1.1"]),
        "reached"
    );
    let router = |line: &Vec<String>| line.contains(&"10.20.1.1".to_owned());
    assert!(!self::lines(lab, "one").iter().any(router));
}

fn rejects_have_their_reason(lab: &Lab) {
    let (locked, _) = lab.addresses("locked");
    assert_eq!(
        lab.peer("client", &["reach", "udp", &locked, "5000"]),
        "timeout"
    );
    let interface = id(&lab.interface("locked"));
    let lines = lines(lab, "all");
    let rejected = lines
        .iter()
        .find(|f| f[2] == interface && f[12] == "REJECT");
    let rejected = rejected.unwrap_or_else(|| panic!("no reject of {interface}: {lines:#?}"));
    assert_eq!((rejected.len(), rejected[0].as_str()), (14, "2"));
    assert_eq!(
        (&rejected[4], &rejected[6], &rejected[7]),
        (&locked, &"5000".into(), &"17".into())
    );
}

/// Live: a connection with its rule, a drop with its reason.
fn events_name_the_rule(lab: &Lab) {
    let arguments = [
        "-o",
        "json",
        "observe",
        "--follow",
        "--protocol",
        "udp",
        "--count",
        "3",
    ];
    let watcher = Running::start(lab.command(&arguments));
    let (far, _) = lab.addresses("far");
    let (locked, _) = lab.addresses("locked");
    let mut said = Vec::new();
    eventually("three events", Duration::from_secs(30), || {
        lab.peer("client", &["reach", "udp", &far, "5000"]);
        lab.peer("client", &["reach", "udp", &locked, "5000"]);
        said.extend(watcher.said());
        (said.len() >= 3).then_some(())
    });
    let events: Vec<Value> = said
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let forwarded = |e: &&Value| e["verdict"] == "forwarded";
    let passed = events.iter().find(forwarded).unwrap();
    assert!(
        passed["rule"].as_str().unwrap().starts_with("sgr-"),
        "{passed:#}"
    );
    let now = lab
        .weft(&["observe", "--verdict", "dropped", "-w", "locked"])
        .ok();
    assert!(now.contains("security_group_ingress"), "{now}");
}

/// The blocks of a pcapng file: their type and body.
fn blocks(bytes: &[u8]) -> Vec<(u32, &[u8])> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = word(at + 4) as usize;
        blocks.push((word(at), &bytes[at + 8..at + length - 4]));
        at += length;
    }
    blocks
}

fn captures_are_pcapng_with_comments(lab: &Lab) {
    let (far, _) = lab.addresses("far");
    let file = lab.dir().join("client.pcapng");
    let arguments = [
        "capture",
        "client",
        "--where",
        "tap,overlay,underlay",
        "--protocol",
        "udp",
        "--count",
        "6",
        "--seconds",
        "30",
        "-w",
        file.to_str().unwrap(),
    ];
    let mut capture = Running::start(lab.command(&arguments));
    eventually("six packets", Duration::from_secs(30), || {
        lab.peer("client", &["reach", "udp", &far, "5000"]);
        capture.ended().then_some(())
    });
    let bytes = std::fs::read(&file).unwrap();
    let blocks = blocks(&bytes);
    let count = |kind| blocks.iter().filter(|(k, _)| *k == kind).count();
    assert_eq!((count(0x0a0d_0d0a), count(1), count(6)), (1, 3, 6));
    for (_, body) in blocks.iter().filter(|(kind, _)| *kind == 6) {
        let text = String::from_utf8_lossy(body);
        assert!(
            text.contains("forwarded") && text.contains("rule sgr-"),
            "{text}"
        );
    }
}

fn meters_tell_zones_apart(lab: &Lab) {
    let interface = id(&lab.interface("client"));
    let arguments = ["meter", "--interface", &interface, "--hours", "2"];
    let (row, _) = eventually("metered", Duration::from_secs(40), || {
        let rows = lab.json(&arguments);
        let across = |row: &&Value| row["reach"] == "across-zones";
        let sent = |row: &&Value| row["sent_packets"].as_u64().unwrap() >= 5;
        rows.as_array()
            .unwrap()
            .iter()
            .filter(across)
            .find(sent)
            .cloned()
    });
    assert_eq!(row["account"], "000000000001");
    assert!(
        row["received_bytes"].as_u64().unwrap() >= 5 * 128,
        "{row:#}"
    );
    lab.kill("controller");
    let (after, _) = eventually("metered again", Duration::from_secs(20), || {
        // It runs a moment before it serves.
        let told = lab.weft(&[&["-o", "json"][..], &arguments].concat());
        let rows = told.status.success().then_some(told.stdout)?;
        let rows: Value = serde_json::from_str(&rows).unwrap();
        let across = |row: &&Value| row["reach"] == "across-zones";
        rows.as_array().unwrap().iter().find(across).cloned()
    });
    assert!(
        after["sent_packets"].as_u64() >= row["sent_packets"].as_u64(),
        "{after:#}"
    );
}

fn a_log_that_left_the_file_is_gone(lab: &Lab, pair: &str) {
    lab.bring_up(pair).ok();
    assert_eq!(lab.json(&["flow-log", "list"]).as_array().unwrap().len(), 0);
}
