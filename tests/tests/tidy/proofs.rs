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
        // Its first word is the name of a test in both modes.
        if item.path.is_ident("both_modes") {
            self.0
                .extend(text.split([' ', ',']).next().map(str::to_owned));
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
