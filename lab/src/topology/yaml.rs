//! YAML as a tree whose every node knows where it stands.
//!
//! Scalars stay text: `no`, `1e3` and `010` are what the user wrote, and each field parses its own.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle};

use super::source::{At, Diagnostic, Span};

/// Nodes in one file, aliases expanded: more than any real topology, few enough that nested
/// aliases can't exhaust memory.
const MAX_NODES: usize = 500_000;

/// One node.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(At<String>, Node)>),
}

impl Kind {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a plain value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// The tree of a file with one document.
pub(super) fn parse(text: &str) -> Result<Node, Diagnostic> {
    let mut builder = Builder::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|e| {
            let at = Span {
                line: e.marker().line(),
                column: e.marker().col() + 1,
                width: 1,
            };
            Diagnostic::new(at, format!("not YAML: {}", e.info()))
        })?;
        builder.event(event, place(span))?;
    }
    builder.root.ok_or_else(|| {
        Diagnostic::new(first(), "the file is empty")
            .help("`weft lab render quickstart` prints a whole one")
    })
}

const fn first() -> Span {
    Span {
        line: 1,
        column: 1,
        width: 1,
    }
}

fn place(span: granit_parser::Span) -> Span {
    let one_line = span.start.line() == span.end.line();
    Span {
        line: span.start.line(),
        column: span.start.col() + 1,
        width: if one_line {
            span.end.col().saturating_sub(span.start.col())
        } else {
            1
        },
    }
}

/// A collection whose end has not come yet.
enum Open {
    List(Vec<Node>),
    Map(Vec<(At<String>, Node)>, Option<At<String>>),
}

#[derive(Default)]
struct Builder {
    open: Vec<(Span, usize, Open)>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let kind = match text.as_ref() {
                    "" | "~" | "null" if plain => Kind::Null,
                    _ => Kind::Scalar(text.into_owned()),
                };
                self.finish(Node { span, kind }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push((span, anchor, Open::List(Vec::new())));
                Ok(())
            }
            Event::MappingStart(_, anchor, _) => {
                self.open.push((span, anchor, Open::Map(Vec::new(), None)));
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => self.alias(id, span),
            _ => Ok(()),
        }
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<(), Diagnostic> {
        let Some(node) = self.anchors.get(&id) else {
            let message = "this alias stands inside the node that it names";
            return Err(Diagnostic::new(span, message));
        };
        let copy = node.clone();
        self.nodes += count(&copy);
        self.finish(copy, 0)
    }

    fn close(&mut self) -> Result<(), Diagnostic> {
        let Some((span, anchor, open)) = self.open.pop() else {
            return Ok(());
        };
        let kind = match open {
            Open::List(items) => Kind::List(items),
            Open::Map(entries, _) => Kind::Map(entries),
        };
        self.finish(Node { span, kind }, anchor)
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Diagnostic> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Diagnostic::new(
                node.span,
                format!("the file has more than {MAX_NODES} values"),
            ));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None if self.root.is_some() => Err(Diagnostic::new(
                node.span,
                "a second document: a topology file holds one",
            )),
            None => {
                self.root = Some(node);
                Ok(())
            }
            Some((_, _, Open::List(items))) => {
                items.push(node);
                Ok(())
            }
            Some((_, _, Open::Map(entries, key))) => entry(entries, key, node),
        }
    }
}

fn entry(
    entries: &mut Vec<(At<String>, Node)>,
    key: &mut Option<At<String>>,
    node: Node,
) -> Result<(), Diagnostic> {
    if let Some(name) = key.take() {
        entries.push((name, node));
        return Ok(());
    }
    let Kind::Scalar(text) = node.kind else {
        let message = format!("a key is a word, not {}", node.kind.name());
        return Err(Diagnostic::new(node.span, message));
    };
    if let Some((before, _)) = entries.iter().find(|(k, _)| k.value == text) {
        let message = format!("`{text}` is there twice");
        return Err(Diagnostic::new(node.span, message)
            .help(format!("it was first given in line {}", before.span.line)));
    }
    *key = Some(At::new(text, node.span));
    Ok(())
}

fn count(node: &Node) -> usize {
    match &node.kind {
        Kind::Null | Kind::Scalar(_) => 1,
        Kind::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Kind::Map(entries) => 1 + entries.iter().map(|(_, n)| 1 + count(n)).sum::<usize>(),
    }
}
