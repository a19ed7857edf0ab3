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
    /// TCP ports that it listens on when it is ready.
    pub listens: Vec<u16>,
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
        listens: listens(r, fields),
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

fn listens(r: &mut Reader, fields: &Fields<'_>) -> Vec<u16> {
    let Some(node) = fields.get("listens") else {
        return Vec::new();
    };
    if fields.get("run").is_none() {
        let message = "who listens runs something: give it `run`";
        r.error(fields.key_span("listens"), message);
    }
    let nodes = Reader::list(Some(node)).iter();
    let ports: Vec<At<u16>> = nodes.filter_map(|node| r.value(node, "listens")).collect();
    for port in ports.iter().filter(|port| port.value == 0) {
        r.error(port.span, "listens: 0 is no port; use 1 to 65535");
    }
    ports.into_iter().map(|port| port.value).collect()
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
