//! The pure crates do no I/O, read no clock, spawn nothing.

use std::fs;

use crate::source;

const PURE: [&str; 5] = [
    "controller/model",
    "controller/aws",
    "controller/planner",
    "vswitch/packet",
    "vswitch/engine",
];

/// What would let the world in.
const FORBIDDEN: [&str; 17] = [
    "Instant::now",
    "SystemTime",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "std::fs",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "thread::sleep",
    "tokio",
    "async fn",
    "println!",
    "getrandom",
    "unsafe {",
];

#[test]
fn a_pure_crate_says_so_and_forbids_unsafe() {
    let mut findings = Vec::new();
    for krate in PURE {
        let text = fs::read_to_string(source::root().join(krate).join("src/lib.rs")).unwrap();
        if !text.starts_with("//! Pure: no I/O, no clock, no async.") {
            findings.push(format!("{krate}: the first line doesn't say `Pure: ...`"));
        }
        if !text.contains("#![forbid(unsafe_code)]") {
            findings.push(format!("{krate}: unsafe code isn't forbidden"));
        }
    }
    source::none("say it in src/lib.rs", &findings);
}

#[test]
fn a_pure_crate_touches_nothing_of_the_world() {
    let mut findings = Vec::new();
    for (file, text) in source::rust() {
        let pure = PURE
            .iter()
            .any(|krate| file.starts_with(format!("{krate}/src")));
        if !pure || source::is_test(&file) {
            continue;
        }
        let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in shipped.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in FORBIDDEN.iter().filter(|word| code.contains(**word)) {
                findings.push(format!("{}:{}: {word}", file.display(), number + 1));
            }
        }
    }
    source::none("move these to a shell", &findings);
}
