//! Traces reach a collector, and logs are what programs can read: real daemons, and a collector made
//! here of OpenTelemetry's own protocol.
// All of it is test code: a broken expectation is the message.
#![allow(clippy::unwrap_used, clippy::panic)]

mod collector;

use std::{net::TcpListener, process::Command, time::Duration};

use weft_tests::{Running, eventually, run, weft_program};

use crate::collector::{Collector, Seen};

/// What anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port of the loopback that nobody has now.
fn free() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A controller and a vswitch that tell one collector.
struct Daemons {
    api: String,
    collector: Collector,
    controller: Running,
    _vswitch: Option<Running>,
    _dir: tempfile::TempDir,
}

impl Daemons {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let collector = Collector::start();
        let address = format!("127.0.0.1:{}", free());
        let mut command = Command::new(weft_program());
        command
            .args(["controller", "--listen", &address, "--log-format", "json"])
            .args(["--log", "weft=debug", "--otlp", &collector.url, "--data"])
            .arg(dir.path().join("data"));
        let controller = Running::start(command);
        let mut daemons = Self {
            api: format!("http://{address}"),
            collector,
            controller,
            _vswitch: None,
            _dir: dir,
        };
        eventually("a controller that serves", PATIENCE, || {
            daemons.try_weft(&["wait"]).then_some(())
        });
        daemons.register();
        daemons._vswitch = Some(daemons.vswitch());
        daemons
    }

    fn register(&self) {
        for arguments in [
            &["region", "create", "r"][..],
            &["zone", "create", "a", "--region", "r"],
            &["host", "create", "h1", "--zone", "a", "--vtep", "127.0.0.1"],
        ] {
            assert!(self.try_weft(arguments), "{arguments:?}");
        }
        // A host without ports is told nothing.
        let vpc = self.made(&["vpc", "create", "--region", "r", "--cidr", "10.0.0.0/16"]);
        let subnet = ["subnet", "create", "--zone", "a", "--cidr", "10.0.1.0/24"];
        let subnet = self.made(&[&subnet[..], &["--vpc", &vpc]].concat());
        let interface = ["interface", "create", "--host", "h1", "--netns", "none"];
        self.made(&[&interface[..], &["--subnet", &subnet]].concat());
    }

    /// The id of what the command makes.
    fn made(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(weft_program());
        command
            .args(["-o", "json", "--api", &self.api])
            .args(arguments);
        let text = run(command, b"", PATIENCE).ok();
        let made: serde_json::Value = serde_json::from_str(&text).unwrap();
        made["id"].as_str().unwrap().to_owned()
    }

    fn vswitch(&self) -> Running {
        let mut command = Command::new(weft_program());
        command
            .args(["vswitch", "--host", "h1", "--vtep", "127.0.0.1"])
            .args(["--workers", "1", "--vxlan-port", &free().to_string()])
            .args(["--controller", &self.api, "--otlp", &self.collector.url])
            .arg("--run-dir")
            .arg(self._dir.path().join("run"))
            .arg("--netns-dir")
            .arg(self._dir.path());
        Running::start(command)
    }

    fn try_weft(&self, arguments: &[&str]) -> bool {
        let mut command = Command::new(weft_program());
        command.args(["--api", &self.api]).args(arguments);
        run(command, b"", PATIENCE).status.success()
    }
}

/// The span of that name for which this holds, once it has come.
fn awaited(daemons: &Daemons, name: &str, holds: impl Fn(&Seen) -> bool) -> Seen {
    let find = || {
        let seen = daemons.collector.seen();
        seen.into_iter().find(|s| s.name == name && holds(s))
    };
    eventually(&format!("span {name}"), PATIENCE, find).0
}

#[test]
fn a_write_is_one_trace_from_the_call_to_the_plan_and_hosts_tell_theirs() {
    let daemons = Daemons::start();
    let call = awaited(&daemons, "call", |seen| {
        seen.attributes["method"] == "/weft.v1.Hosts/Create"
    });
    assert_eq!(call.service, "weft-controller");
    assert!(!call.attributes["request_id"].is_empty());
    let child = |name: &str, parent: &Seen| {
        let (trace, id) = (parent.trace.clone(), parent.id.clone());
        awaited(&daemons, name, move |s| s.trace == trace && s.parent == id)
    };
    child("stage", &call);
    let commit = child("commit", &call);
    let plan = child("plan", &commit);
    assert!(plan.start >= commit.start && plan.end <= commit.end);
    // What the host is told first is one update, and its own word for it has the same nonce.
    let update = awaited(&daemons, "update", |seen| seen.attributes["host"] == "h1");
    let apply = awaited(&daemons, "apply", |seen| {
        seen.attributes["nonce"] == update.attributes["nonce"]
    });
    assert_eq!(
        (apply.service.as_str(), apply.instance.as_str()),
        ("weft-vswitch", "h1")
    );
    assert_eq!(apply.attributes["revision"], update.attributes["revision"]);
}

#[test]
fn a_line_of_a_json_log_names_the_call_and_its_request_id() {
    let daemons = Daemons::start();
    let mut said = Vec::new();
    let find = || {
        said.extend(daemons.controller.said());
        let lines = said.iter().filter_map(|line| line.strip_prefix("stderr: "));
        let mut read = lines.map(|line| {
            serde_json::from_str::<serde_json::Value>(line)
                .unwrap_or_else(|error| panic!("{error}: {line}"))
        });
        read.find(|line| {
            line["fields"]["message"] == "answered"
                && line["span"]["method"] == "/weft.v1.Hosts/Create"
        })
    };
    let (line, _) = eventually("a line of the call", PATIENCE, find);
    assert_eq!(line["level"], "DEBUG");
    assert!(line["timestamp"].is_string(), "{line:#}");
    assert!(line["span"]["request_id"].is_string(), "{line:#}");
}
