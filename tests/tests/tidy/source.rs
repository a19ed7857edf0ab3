//! The files of the project, as git would keep them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every tracked or new file that git doesn't ignore, relative to the root.
pub(crate) fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ])
        .current_dir(root())
        .output()
        .expect("git is installed: the tests read the list of files from it");
    assert!(output.status.success(), "git ls-files failed: {output:?}");
    let names = String::from_utf8(output.stdout).unwrap();
    let mut files: Vec<PathBuf> = names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .collect();
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files.dedup();
    assert!(
        files.len() > 20,
        "a checkout has more files than {}",
        files.len()
    );
    files
}

/// Every Rust file and its text.
pub(crate) fn rust() -> Vec<(PathBuf, String)> {
    let is_rust = |file: &PathBuf| file.extension().is_some_and(|ext| ext == "rs");
    let read = |file: PathBuf| {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        (file, text)
    };
    files().into_iter().filter(is_rust).map(read).collect()
}

/// Whether a file holds tests only: their names are sentences, their bodies stories.
pub(crate) fn is_test(file: &Path) -> bool {
    file.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
        || file.file_name().is_some_and(|name| name == "tests.rs")
}

/// Fails with every finding on its own line.
pub(crate) fn none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}
