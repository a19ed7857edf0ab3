//! `docs/proofs.md` names tests that exist.

use std::{collections::BTreeSet, fs};

use syn::visit::{self, Visit};

use crate::source;

/// The names of functions that are tests, in a test macro too.
#[derive(Default)]
struct Tests(BTreeSet<String>);

impl<'ast> Visit<'ast> for Tests {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        // `#[test]` and `#[tokio::test]`.
        let is_test = |path: &syn::Path| path.segments.last().is_some_and(|s| s.ident == "test");
        if item.attrs.iter().any(|a| is_test(a.path())) {
            self.0.insert(item.sig.ident.to_string());
        }
        visit::visit_item_fn(self, item);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let text = item.tokens.to_string();
        // Its first word is the name of a test in all modes.
        if ["both_modes", "both_datapaths", "root_datapaths"]
            .iter()
            .any(|name| item.path.is_ident(name))
        {
            self.0
                .extend(text.split([' ', ',']).next().map(str::to_owned));
        }
        // Each of its names stands before its script's.
        if item.path.is_ident("scripts") {
            let names = text
                .split('"')
                .step_by(2)
                .filter_map(|before| before.split_whitespace().last());
            self.0.extend(names.map(str::to_owned));
        }
        // A property's body is a macro's tokens: `# [test] fn name`.
        for after in text.split("fn ").skip(1) {
            let name = after
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            self.0.extend(name.map(str::to_owned));
        }
    }
}

/// What stands in back-quotes in the tables and looks like a test's name.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.lines().filter(|line| line.starts_with('|'));
    let quoted = quoted.flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.filter(|word| word.matches('_').count() > 1)
}

#[test]
fn every_test_that_the_proofs_name_exists() {
    let mut tests = Tests::default();
    for (_, text) in source::rust() {
        tests.visit_file(&syn::parse_file(&text).unwrap());
    }
    let text = fs::read_to_string(source::root().join("docs/proofs.md")).unwrap();
    assert!(named(&text).count() > 50, "the tables name tests");
    let missing: Vec<String> = named(&text)
        .filter(|name| !tests.0.contains(*name))
        .map(str::to_owned)
        .collect();
    source::none("no such tests", &missing);
}

/// The rows of the table of promises: what is promised, and what proves it.
fn promises(text: &str) -> Vec<(String, String)> {
    let table = text.split("## Promises").nth(1).unwrap_or_default();
    let table = table.split("\n## ").next().unwrap_or_default();
    let rows = table.lines().filter_map(|line| {
        let cells = line.strip_prefix('|')?.strip_suffix('|')?;
        // A bar in back-quotes would be text, and no promise has one.
        let (promise, proof) = cells.split_once(" | ")?;
        Some((promise.trim().to_owned(), proof.trim().to_owned()))
    });
    rows.skip(1).collect()
}

/// Whether the words name a test: something in back-quotes with an underscore.
fn is_proven(proof: &str) -> bool {
    let quoted = proof.split('`').skip(1).step_by(2);
    quoted.into_iter().any(|word| word.contains('_'))
}

#[test]
fn every_promise_names_a_test_and_every_part_has_promises() {
    let text = fs::read_to_string(source::root().join("docs/proofs.md")).unwrap();
    let rows = promises(&text);
    assert!(rows.len() > 50, "the table has rows: {}", rows.len());
    let mut findings = Vec::new();
    for (n, (promise, proof)) in rows.iter().enumerate() {
        let is_part = promise.starts_with("**");
        let next_is_part = rows
            .get(n + 1)
            .is_none_or(|(next, _)| next.starts_with("**"));
        if is_part && next_is_part {
            findings.push(format!("{promise} promises nothing"));
        }
        if promise.is_empty() || !is_part && !is_proven(proof) {
            findings.push(format!("nothing proves {promise:?}"));
        }
    }
    source::none("name the tests, or build what they would prove", &findings);
}
