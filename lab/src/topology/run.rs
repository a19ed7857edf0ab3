//! What runs in workloads: programs, the files that they read, and the packages that have them.

use std::collections::BTreeMap;

use super::{
    read::{Fields, Reader},
    source::At,
    yaml::{Kind, Node},
};

/// A program and the files in the directory that it starts in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunSpec {
    /// The program and its arguments; nothing if empty.
    pub argv: Vec<String>,
    /// Texts by the files' names.
    pub files: BTreeMap<String, String>,
}

/// A program that the topology's commands call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedSpec {
    /// The program.
    pub program: String,
    /// The package that has it on Debian and Ubuntu.
    pub package: String,
}

/// What a workload runs.
pub(super) fn run(r: &mut Reader, fields: &Fields<'_>) -> RunSpec {
    let files = r.entries(fields.get("files"), "files");
    let files = files.iter().filter_map(|(name, node)| file(r, name, node));
    RunSpec {
        files: files.collect(),
        argv: argv(r, fields),
    }
}

/// A string is a shell's line, a list is a program and its arguments.
fn argv(r: &mut Reader, fields: &Fields<'_>) -> Vec<String> {
    match fields.get("run") {
        None => Vec::new(),
        Some(Node {
            kind: Kind::List(items),
            ..
        }) => items
            .iter()
            .filter_map(|item| r.text(item, "run").map(|t| t.value))
            .collect(),
        Some(node) => match r.text(node, "run") {
            Some(line) => vec!["sh".into(), "-c".into(), format!("exec {}", line.value)],
            None => Vec::new(),
        },
    }
}

/// A file lies in the workload's own directory and nowhere else.
fn file(r: &mut Reader, name: &At<String>, node: &Node) -> Option<(String, String)> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.value.starts_with('.') || !name.value.chars().all(plain) {
        let message = format!("`{}` is no file's name", name.value.escape_default());
        let help = "letters, digits, dots, dashes and underscores, no dot first: it lies in the \
                    directory that the program starts in";
        r.error_help(name.span, message, help);
        return None;
    }
    let text = r.text(node, "files")?;
    Some((name.value.clone(), text.value))
}

/// A program's name and its package's.
pub(super) fn need(r: &mut Reader, name: &At<String>, node: &Node) -> Option<NeedSpec> {
    let package = r.text(node, "needs")?;
    if name.value.contains('/') {
        r.error(
            name.span,
            "a program is looked for on the path: give its name",
        );
    }
    Some(NeedSpec {
        program: name.value.clone(),
        package: package.value,
    })
}
