//! The tree holds text that speaks of the project alone.

use std::fs;

use crate::source;

/// Bytes of the head of a file in which a binary shows itself, as git judges.
const HEAD: usize = 8000;

#[test]
fn no_binary_is_kept() {
    let is_binary = |file: &std::path::PathBuf| {
        let bytes = fs::read(source::root().join(file)).unwrap();
        bytes[..bytes.len().min(HEAD)].contains(&0)
    };
    let findings: Vec<String> = source::files()
        .iter()
        .filter(|file| !file.starts_with("fuzz/corpus"))
        .filter(|file| is_binary(file))
        .map(|file| file.display().to_string())
        .collect();
    source::none("remove these binaries", &findings);
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() {
    // Written in two parts, so that this file doesn't find itself.
    let words = [
        concat!("#[ign", "ore"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("to", "do!("),
    ];
    let mut findings = Vec::new();
    for (file, text) in source::rust() {
        for (number, line) in text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                findings.push(format!("{}:{}: {word}", file.display(), number + 1));
            }
        }
    }
    source::none("finish or remove these", &findings);
}

#[test]
fn prose_has_no_trailing_spaces_or_tabs() {
    let is_prose = |file: &&std::path::PathBuf| {
        file.extension().is_some_and(|ext| {
            ["md", "rs", "toml", "proto", "yaml"]
                .iter()
                .any(|e| ext == *e)
        })
    };
    let mut findings = Vec::new();
    for file in source::files().iter().filter(is_prose) {
        let text = fs::read_to_string(source::root().join(file)).unwrap();
        for (number, line) in text.lines().enumerate() {
            if line != line.trim_end() {
                findings.push(format!("{}:{}", file.display(), number + 1));
            }
        }
    }
    source::none("trim these lines", &findings);
}
