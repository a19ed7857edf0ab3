//! What the documentation and the help tell to type works.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use weft_tests::{Lab, Mode, User, run, weft_program};

/// More than building a lab of three hosts takes.
const PATIENCE: Duration = Duration::from_secs(90);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The fenced blocks of that language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let inside = text.split(&fence).skip(1);
    inside
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// The commands of ours in lines of shell.
fn commands(lines: &str) -> Vec<Vec<String>> {
    let joined = lines.replace("\\\n", " ");
    let simple = joined.lines().flat_map(|line| {
        let code = line.split(" #").next().unwrap();
        code.split("&&")
            .map(str::trim)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    let words = |text: String| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    simple
        .map(words)
        .filter(|words| words.first().is_some_and(|w| w == "weft"))
        .collect()
}

/// Whether `weft` takes these words, as far as it can tell without doing anything.
fn parses(words: &[String]) -> Result<(), String> {
    // What follows the dashes is another program's.
    let own = words.iter().take_while(|word| *word != "--").skip(1);
    let mut command = Command::new(weft_program());
    command.args(own).arg("--help");
    let ended = run(command, b"", PATIENCE);
    if ended.status.success() {
        Ok(())
    } else {
        Err(format!("{}:\n{}", words.join(" "), ended.stderr))
    }
}

fn all_parse(found: &[Vec<String>]) {
    let refused: Vec<String> = found
        .iter()
        .filter_map(|words| parses(words).err())
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn every_command_in_the_documentation_parses() {
    let docs = ["docs", "docs/lessons"].into_iter();
    let docs = docs.flat_map(|folder| fs::read_dir(root().join(folder)).unwrap().flatten());
    let docs = docs.map(|entry| entry.path());
    let files = docs.chain([root().join("README.md"), root().join("CONTRIBUTING.md")]);
    let mut found = Vec::new();
    for file in files.filter(|file| file.extension().is_some_and(|ext| ext == "md")) {
        let text = fs::read_to_string(file).unwrap();
        found.extend(blocks(&text, "sh").iter().flat_map(|block| commands(block)));
    }
    assert!(found.len() >= 10, "{found:?}");
    all_parse(&found);
}

fn help(words: &[String]) -> String {
    let mut command = Command::new(weft_program());
    command.args(words).arg("--help");
    run(command, b"", PATIENCE).ok()
}

/// A section's lines: those that follow its title, up to an empty one.
fn section<'t>(text: &'t str, title: &str) -> impl Iterator<Item = &'t str> {
    let inside = text.lines().skip_while(move |line| *line != title).skip(1);
    inside.take_while(|line| !line.trim().is_empty())
}

#[test]
fn every_example_in_the_help_parses() {
    let mut found = Vec::new();
    let mut rest: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(words) = rest.pop() {
        let text = help(&words);
        for line in section(&text, "Commands:") {
            let name = line.split_whitespace().next().unwrap();
            // Names stand two spaces in, wrapped descriptions further.
            if line.starts_with("  ") && !line.starts_with("   ") && name != "help" {
                rest.push([&words[..], &[name.to_owned()]].concat());
            }
        }
        let examples = section(&text, "Examples:").chain(section(&text, "Example:"));
        // A description follows some spaces later.
        found.extend(examples.flat_map(|line| commands(line.trim().split("   ").next().unwrap())));
    }
    assert!(found.len() >= 20, "{found:?}");
    all_parse(&found);
}

#[test]
fn the_readmes_own_topology_works_as_it_says() {
    let Some(user) = User::new(Mode::Rootless) else {
        return;
    };
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let topology = &blocks(&readme, "yaml")[0];
    let shell = blocks(&readme, "sh");
    let script = shell
        .iter()
        .find(|block| block.contains("lab up three.yaml"))
        .unwrap();
    user.file("three.yaml", topology);
    let mut lab = Lab::new(user);
    lab.name = "three".to_owned();
    let mut command = lab.user().program(Path::new("sh"));
    command.args(["-e", "-x", "-c", script]);
    let said = run(command, b"", PATIENCE).ok();
    assert!(said.contains("10.7.1."), "{said}");
    assert!(!lab.dir().exists(), "the last command takes it away");
}
