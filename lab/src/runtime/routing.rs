//! BIRD between the edges and the internet: each edge's announces what its vswitch routes to
//! `weft-edge`, and the internet's spreads connections over all that announce.
//!
//! BGP with a session for each family, as between real edges and their provider; BFD takes an edge
//! whose uplink is silent for half a second off the routes.

use std::{collections::BTreeMap, fmt::Write as _, fs, io, path::Path};

use nix::sys::signal::Signal;

use super::{
    dirs::LabDir,
    internet::{EDGE, NEAR4, NEAR6, SERVER6, SERVERS4, UPLINK, Uplink, WIRE},
    process::Spec,
    programs,
    supervisor::State,
    wire::{HostPlace, Stage},
};
use crate::topology::{INTERNET, Routing};

/// What the names of its processes begin with.
const PREFIX: &str = "bird-";
/// Private numbers of RFC 6996: the internet's, and the edges'.
const AS_INTERNET: u32 = 64_512;
const AS_EDGES: u32 = 64_513;

/// Runs the daemons that the stage wants, each with its configuration, and no others.
pub(super) fn keep(dir: &LabDir, state: &mut State, stage: &Stage) -> io::Result<()> {
    let mut wanted = BTreeMap::new();
    if stage.internet == Some(Routing::Bird) {
        let edges: Vec<&HostPlace> = stage.hosts.iter().filter(|host| host.edge).collect();
        let uplinks = edges.iter().map(|edge| Uplink::of(edge.vtep)).collect();
        wanted.insert(
            INTERNET.to_owned(),
            (INTERNET.to_owned(), internet(uplinks)),
        );
        for edge in edges {
            let place = format!("host:{}", edge.name);
            let text = configuration_of_edge(Uplink::of(edge.vtep));
            wanted.insert(edge.name.to_string(), (place, text));
        }
    }
    state.processes.retain(|name| {
        let daemon = name.strip_prefix(PREFIX);
        daemon.is_none_or(|name| wanted.contains_key(name))
    });
    for (name, (place, text)) in wanted {
        run(dir, state, &name, &place, &text)?;
    }
    Ok(())
}

fn run(dir: &LabDir, state: &mut State, name: &str, place: &str, text: &str) -> io::Result<()> {
    let file = dir.routing(name);
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    let process = format!("{PREFIX}{name}");
    let same = fs::read_to_string(&file).is_ok_and(|old| old == text);
    fs::write(&file, text)?;
    let program = programs::find(BIRD).ok_or_else(|| io::Error::other("bird is not installed"))?;
    let spec = Spec {
        argv: arguments(&program, &file),
        env: BTreeMap::new(),
        netns: state.staged.netns(place),
        log: dir.log(&process),
        home: None,
        keep: true,
    };
    if state.processes.runs(&process) && !same {
        // It reads its file anew. One that has only just started would die of it.
        state.processes.signal(&process, Signal::SIGHUP);
    }
    state.processes.ensure(&process, spec)
}

fn arguments(program: &str, file: &Path) -> Vec<String> {
    let path = |extension| file.with_extension(extension).display().to_string();
    [program, "-f", "-c", &path("conf"), "-s", &path("ctl")]
        .map(str::to_owned)
        .into()
}

/// The program.
pub(crate) const BIRD: &str = "bird";

const COMMON: &str = "\
log stderr all;
protocol device { scan time 1; }
";

fn bfd(text: &mut String, device: &str) {
    let _ = writeln!(
        text,
        "protocol bfd {{ interface \"{device}\" {{ interval 100 ms; multiplier 5; }}; }}"
    );
}

fn configuration_of_edge(uplink: Uplink) -> String {
    let mut text = format!("router id {};\n{COMMON}", uplink.v4);
    for family in ["ipv4", "ipv6"] {
        let _ = writeln!(
            text,
            "protocol kernel {{ learn; scan time 1; {family} {{ import where ifname = \"{EDGE}\"; \
             export none; }}; }}"
        );
    }
    bfd(&mut text, UPLINK);
    for (family, near, far) in [
        ("ipv4", uplink.v4.to_string(), NEAR4.to_string()),
        ("ipv6", uplink.v6.to_string(), NEAR6.to_string()),
    ] {
        let _ = writeln!(
            text,
            "protocol bgp {{ local {near} as {AS_EDGES}; neighbor {far} as {AS_INTERNET}; bfd on;\n  \
             connect delay time 1; connect retry time 1; error wait time 1, 2;\n  \
             {family} {{ import none; next hop self; export where source = RTS_INHERIT; }}; }}"
        );
    }
    text
}

fn internet(uplinks: Vec<Uplink>) -> String {
    let mut text = format!("router id {NEAR4};\n{COMMON}");
    for (family, source) in [
        ("ipv4", SERVERS4.0.to_string()),
        ("ipv6", SERVER6.to_string()),
    ] {
        let _ = writeln!(
            text,
            "protocol kernel {{ merge paths on; scan time 1; {family} {{ import none;\n  \
             export filter {{ krt_prefsrc = {source}; accept; }}; }}; }}"
        );
    }
    bfd(&mut text, WIRE);
    for uplink in uplinks {
        for (family, near, far) in [
            ("ipv4", NEAR4.to_string(), uplink.v4.to_string()),
            ("ipv6", NEAR6.to_string(), uplink.v6.to_string()),
        ] {
            let _ = writeln!(
                text,
                "protocol bgp {{ local {near} as {AS_INTERNET}; neighbor {far} as {AS_EDGES}; bfd on; passive;\n  \
                 {family} {{ import all; export none; }}; }}"
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_internet_has_a_session_of_each_family_with_every_edge() {
        let edges = ["10.99.0.3", "10.99.0.4"].map(|vtep| Uplink::of(vtep.parse().unwrap()));
        let text = internet(edges.to_vec());
        for edge in edges {
            for far in [edge.v4.to_string(), edge.v6.to_string()] {
                assert_eq!(text.matches(&format!("neighbor {far} as 64513")).count(), 1);
            }
        }
    }

    #[test]
    fn an_edge_announces_only_what_its_own_device_has() {
        let text = configuration_of_edge(Uplink::of("10.99.0.3".parse().unwrap()));
        assert_eq!(
            text.matches("import where ifname = \"weft-edge\"").count(),
            2
        );
        assert_eq!(text.matches("import none").count(), 2);
    }
}
