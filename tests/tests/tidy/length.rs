//! Short files, shorter functions.

use proc_macro2::Span;
use syn::{
    ImplItemFn, ItemFn, TraitItemFn,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::source;

/// A reader rather meets several rooms than a hall.
const FILE_LINES: usize = 600;
/// More than a screen is two functions.
const FUNCTION_LINES: usize = 70;
/// Half of all functions are shorter than this.
const MEDIAN_LINES: usize = 10;

#[test]
fn no_file_is_longer_than_its_limit() {
    let findings: Vec<String> = source::rust()
        .iter()
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .map(|(file, lines)| format!("{}: {lines} lines, at most {FILE_LINES}", file.display()))
        .collect();
    source::none("split these files", &findings);
}

#[derive(Default)]
struct Functions {
    found: Vec<(String, usize, usize)>,
}

impl Functions {
    fn add(&mut self, name: &syn::Ident, span: Span) {
        let (first, last) = (span.start().line, span.end().line);
        self.found.push((name.to_string(), first, last - first + 1));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.add(
            &item.sig.ident,
            item.sig.span().join(item.block.span()).unwrap(),
        );
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.add(
            &item.sig.ident,
            item.sig.span().join(item.block.span()).unwrap(),
        );
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig.ident, item.sig.span().join(block.span()).unwrap());
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[test]
fn no_function_is_longer_than_a_screen_and_half_are_short() {
    let mut findings = Vec::new();
    let mut lengths = Vec::new();
    for (file, text) in source::rust() {
        let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let mut functions = Functions::default();
        functions.visit_file(&parsed);
        for (name, line, lines) in functions.found {
            if !source::is_test(&file) {
                lengths.push(lines);
            }
            if lines > FUNCTION_LINES {
                findings.push(format!("{}:{line}: {name}: {lines} lines", file.display()));
            }
        }
    }
    source::none("split these functions", &findings);
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(
        median < MEDIAN_LINES,
        "the median function has {median} lines"
    );
}
