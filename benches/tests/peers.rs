//! Peers do real work, or aren't measured.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::Command;

use nix::unistd::getuid;
use weft_benches::{BenchError, Path, policy, setup};

/// Set in the process that runs inside its own user namespace.
const INSIDE: &str = "WEFT_TEST_INSIDE";

/// Runs the test as root of this machine, or of a user namespace.
fn as_root(name: &str, test: impl FnOnce()) {
    if getuid().is_root() {
        return test();
    }
    assert!(std::env::var_os(INSIDE).is_none(), "not root inside either");
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["-Ur", "-n", "--"]);
        command
    };
    let able = unshare().arg("true").status();
    if !able.is_ok_and(|status| status.success()) {
        return weft_tests::skip("neither root nor user namespaces: unshare -Ur is refused");
    }
    let status = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(status.unwrap().success(), "{name} failed inside");
}

fn wrong(path: &Path) -> String {
    match policy::check(path) {
        Err(BenchError::Policy { wrong, .. }) => wrong.to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_peer_that_passes_what_its_policy_drops_is_not_measured() {
    as_root(
        "a_peer_that_passes_what_its_policy_drops_is_not_measured",
        || {
            let mut path = setup::bare_veth().unwrap();
            policy::check(&path).unwrap();
            path.judges = true;
            assert_eq!(wrong(&path), "passes a connection that its policy drops");
        },
    );
}

#[test]
fn a_peer_that_does_not_carry_what_it_must_is_not_measured() {
    as_root(
        "a_peer_that_does_not_carry_what_it_must_is_not_measured",
        || {
            let mut path = setup::bare_veth().unwrap();
            path.balancer = Some("192.0.2.99".parse().unwrap());
            assert!(wrong(&path).contains("behind its balancer"));
        },
    );
}

#[test]
fn the_kernels_own_overlay_carries_packets() {
    as_root("the_kernels_own_overlay_carries_packets", || {
        let path = setup::kernel_vxlan().unwrap();
        policy::check(&path).unwrap();
    });
}

/// With nftables and Open vSwitch where they are: `make peers` installs them, tests don't.
#[test]
fn peers_that_are_installed_pass_what_they_must_and_drop_the_rest() {
    as_root(
        "peers_that_are_installed_pass_what_they_must_and_drop_the_rest",
        || {
            for peer in [setup::conntrack(10), setup::userspace(10)] {
                match peer {
                    Ok(path) => policy::check(&path).unwrap(),
                    Err(BenchError::NoProgram(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        },
    );
}
