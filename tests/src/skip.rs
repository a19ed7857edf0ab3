//! Tests that this machine can't run: named with the reason, or forbidden.

use std::{fs::File, io::Write as _};

/// Notes that the calling test can't run here: a line in the file that `WEFT_SKIPS` names.
///
/// # Panics
/// When `WEFT_FORBID_SKIPS` is set: that machine is one that can.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {reason}", thread.name().unwrap_or("a test"));
    assert!(
        std::env::var_os("WEFT_FORBID_SKIPS").is_none(),
        "skipped, which is forbidden: {line}"
    );
    let Some(path) = std::env::var_os("WEFT_SKIPS") else {
        eprintln!("skipped: {line}");
        return;
    };
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    writeln!(file, "{line}").unwrap();
}
