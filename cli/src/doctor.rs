//! `weft doctor`: what this system allows, what it lacks, and what to do about it.

use std::{
    fs::{self, OpenOptions},
    process::{Command, ExitCode, Stdio},
};

use serde::Serialize;

use crate::{
    error::CliError,
    output::{self, Format, Row},
};

/// The exit code for "the system lacks something that a lab needs".
const LACKS: u8 = 3;

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// There.
    Ok,
    /// Missing, but labs run without it.
    Limited,
    /// Missing, and labs need it.
    Missing,
}

#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    found: String,
    advice: &'static str,
}

impl Finding {
    fn new(
        what: &'static str,
        verdict: Verdict,
        found: impl Into<String>,
        advice: &'static str,
    ) -> Self {
        let advice = if verdict == Verdict::Ok { "" } else { advice };
        Self {
            what,
            verdict,
            found: found.into(),
            advice,
        }
    }
}

impl Row for Finding {
    const TITLES: &'static [&'static str] = &["WHAT", "VERDICT", "FOUND", "WHAT TO DO"];

    fn cells(&self) -> Vec<String> {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Limited => "limited",
            Verdict::Missing => "MISSING",
        };
        vec![
            self.what.to_owned(),
            verdict.to_owned(),
            self.found.clone(),
            self.advice.to_owned(),
        ]
    }
}

/// Prints every finding; fails where a lab can't run.
pub(crate) fn run(format: Format) -> Result<ExitCode, CliError> {
    let findings = [
        kernel(),
        cores(),
        tun(),
        namespaces(),
        ipv6(),
        buffers(),
        kernel_datapath(),
    ];
    output::list(format, &findings)?;
    let runs = findings
        .iter()
        .all(|finding| finding.verdict != Verdict::Missing);
    if format == Format::Table {
        output::lines(if runs {
            "\nA lab can run here: try `weft lab up quickstart`."
        } else {
            "\nA lab can't run here yet: see what is MISSING."
        })?;
    }
    Ok(if runs {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(LACKS)
    })
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// UDP GRO came with 5.0, what else we use is older.
const LEAST_KERNEL: (u32, u32) = (5, 0);

fn kernel() -> Finding {
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let verdict = if version >= LEAST_KERNEL {
        Verdict::Ok
    } else {
        Verdict::Missing
    };
    Finding::new(
        "kernel",
        verdict,
        release,
        "Boot Linux 5.0 or newer: it has UDP GRO.",
    )
}

fn cores() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let verdict = if cores > 1 {
        Verdict::Ok
    } else {
        Verdict::Limited
    };
    Finding::new(
        "cores",
        verdict,
        cores.to_string(),
        "Throughput on one core is a fraction.",
    )
}

fn tun() -> Finding {
    const ADVICE: &str = "Load the module (`modprobe tun`), or pass /dev/net/tun into the container, readable and writable.";
    match OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
    {
        Ok(_) => Finding::new("tap devices", Verdict::Ok, "/dev/net/tun opens", ADVICE),
        Err(error) => Finding::new(
            "tap devices",
            Verdict::Missing,
            format!("/dev/net/tun: {error}"),
            ADVICE,
        ),
    }
}

fn namespaces() -> Finding {
    let root = nix::unistd::Uid::effective().is_root();
    let flags: &[&str] = if root {
        &[]
    } else {
        &["--user", "--map-root-user"]
    };
    let mode = if root {
        "as root"
    } else {
        "rootless, in a user namespace"
    };
    let outcome = Command::new("unshare")
        .args(flags)
        .args(["--net", "--mount", "--pid", "--fork", "true"])
        .stdin(Stdio::null())
        .output();
    match outcome {
        Ok(output) if output.status.success() => Finding::new("namespaces", Verdict::Ok, mode, ""),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Finding::new("namespaces", Verdict::Missing, said, advice_on_namespaces())
        }
        Err(error) => Finding::new(
            "namespaces",
            Verdict::Limited,
            format!("can't try: unshare: {error}"),
            "Install util-linux, or just try `weft lab up`.",
        ),
    }
}

/// The setting that most likely stands in the way.
fn advice_on_namespaces() -> &'static str {
    let is = |path, value: &str| read(path).as_deref() == Some(value);
    if is(
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
    ) {
        "Run `sysctl kernel.apparmor_restrict_unprivileged_userns=0` as root, or run weft as root."
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "Run `sysctl kernel.unprivileged_userns_clone=1` as root, or run weft as root."
    } else if is("/proc/sys/user/max_user_namespaces", "0") {
        "Run `sysctl user.max_user_namespaces=10000` as root, or run weft as root."
    } else {
        "Run weft as root, or in a container with CAP_SYS_ADMIN and CAP_NET_ADMIN."
    }
}

fn ipv6() -> Finding {
    let off = read("/proc/sys/net/ipv6/conf/all/disable_ipv6");
    let (verdict, found) = match off.as_deref() {
        Some("0") => (Verdict::Ok, "on"),
        Some(_) => (Verdict::Limited, "off (disable_ipv6)"),
        None => (Verdict::Limited, "not in this kernel"),
    };
    Finding::new(
        "IPv6",
        verdict,
        found,
        "Checks over IPv6 fail; turn it on, or use IPv4 only.",
    )
}

/// What a worker asks for its underlay socket, in bytes: 64 full GRO batches.
const WANTED_BUFFER: u64 = 4 << 20;

fn buffers() -> Finding {
    let max = read("/proc/sys/net/core/rmem_max").and_then(|text| text.parse::<u64>().ok());
    let root = nix::unistd::Uid::effective().is_root();
    let (verdict, found) = match max {
        Some(bytes) if bytes >= WANTED_BUFFER => (Verdict::Ok, format!("rmem_max {bytes}")),
        _ if root => (Verdict::Ok, "root may exceed rmem_max".to_owned()),
        Some(bytes) => (Verdict::Limited, format!("rmem_max {bytes}")),
        None => (Verdict::Limited, "rmem_max unknown".to_owned()),
    };
    Finding::new(
        "socket buffers",
        verdict,
        found,
        "Bursts may drop; run `sysctl net.core.rmem_max=4194304 net.core.wmem_max=4194304`.",
    )
}

/// Loads its programs and lets them go: nothing else tells whether they load.
fn kernel_datapath() -> Finding {
    const ADVICE: &str = "Hosts forward in userspace, slower; the kernel needs root, Linux 6.6 and a weft built with clang.";
    match weft_datapath::kernel::probe() {
        Ok(()) => Finding::new("kernel datapath", Verdict::Ok, "its programs load", ADVICE),
        Err(error) => Finding::new(
            "kernel datapath",
            Verdict::Limited,
            error.to_string(),
            ADVICE,
        ),
    }
}
