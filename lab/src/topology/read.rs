//! Reading typed fields out of the tree, collecting every error instead of stopping at the first.

use std::{fmt::Display, str::FromStr};

use super::{
    source::{At, Diagnostic, Span},
    yaml::{Kind, Node},
};

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) errors: Vec<Diagnostic>,
}

/// The known keys of one mapping.
pub(super) struct Fields<'n> {
    pub(super) span: Span,
    entries: &'n [(At<String>, Node)],
}

impl<'n> Fields<'n> {
    /// The field's node, unless absent or null.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        let (_, node) = self.entries.iter().find(|(k, _)| k.value == key)?;
        (!matches!(node.kind, Kind::Null)).then_some(node)
    }

    /// Where the key itself stands, else the mapping.
    pub(super) fn key_span(&self, key: &str) -> Span {
        let found = self.entries.iter().find(|(k, _)| k.value == key);
        found.map_or(self.span, |(k, _)| k.span)
    }
}

impl Reader {
    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.errors.push(Diagnostic::new(span, message));
    }

    pub(super) fn error_help(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.errors.push(Diagnostic::new(span, message).help(help));
    }

    /// The node as a mapping of known keys; `what` names it in errors.
    pub(super) fn fields<'n>(
        &mut self,
        node: &'n Node,
        span: Span,
        what: &str,
        known: &[&str],
    ) -> Fields<'n> {
        let entries: &[(At<String>, Node)] = match &node.kind {
            Kind::Map(entries) => entries,
            Kind::Null => &[],
            other => {
                let message = format!("{what} is a mapping, not {}", other.name());
                self.error_help(
                    node.span,
                    message,
                    format!("its keys: {}", known.join(", ")),
                );
                &[]
            }
        };
        for (key, _) in entries {
            if !known.contains(&key.value.as_str()) {
                let message = format!("{what} has no key `{}`", key.value);
                let help = nearest(&key.value, known.iter().copied()).map_or_else(
                    || format!("its keys: {}", known.join(", ")),
                    |word| format!("did you mean `{word}`?"),
                );
                self.error_help(key.span, message, help);
            }
        }
        Fields { span, entries }
    }

    /// The node as a mapping from names to nodes.
    pub(super) fn entries<'n>(
        &mut self,
        node: Option<&'n Node>,
        what: &str,
    ) -> &'n [(At<String>, Node)] {
        match node.map(|n| (&n.kind, n.span)) {
            Some((Kind::Map(entries), _)) => entries,
            None | Some((Kind::Null, _)) => &[],
            Some((other, span)) => {
                self.error(
                    span,
                    format!(
                        "{what} is a mapping from name to body, not {}",
                        other.name()
                    ),
                );
                &[]
            }
        }
    }

    /// The node as a list; a single value is a list of one.
    pub(super) fn list(node: Option<&Node>) -> &[Node] {
        match node {
            None => &[],
            Some(Node {
                kind: Kind::List(items),
                ..
            }) => items,
            Some(one) => std::slice::from_ref(one),
        }
    }

    /// The node as text.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<At<String>> {
        if let Kind::Scalar(text) = &node.kind {
            return Some(At::new(text.clone(), node.span));
        }
        self.error(
            node.span,
            format!("{what} is a plain value, not {}", node.kind.name()),
        );
        None
    }

    /// The node parsed as a typed value.
    pub(super) fn value<T>(&mut self, node: &Node, what: &str) -> Option<At<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(node, what)?;
        self.parsed(&text, what)
    }

    /// Text parsed as a typed value.
    pub(super) fn parsed<T>(&mut self, text: &At<String>, what: &str) -> Option<At<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        match text.value.parse() {
            Ok(value) => Some(At::new(value, text.span)),
            Err(error) => {
                self.error(text.span, format!("{what}: {error}"));
                None
            }
        }
    }

    /// A field that must be there.
    pub(super) fn required<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        what: &str,
    ) -> Option<At<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        match fields.get(key) {
            Some(node) => self.value(node, key),
            None => {
                self.error(fields.span, format!("{what} needs `{key}`"));
                None
            }
        }
    }

    /// A field that may be there.
    pub(super) fn optional<T>(&mut self, fields: &Fields<'_>, key: &str) -> Option<At<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        fields.get(key).and_then(|node| self.value(node, key))
    }

    /// A yes or no.
    pub(super) fn flag(&mut self, fields: &Fields<'_>, key: &str, default: bool) -> bool {
        let Some(node) = fields.get(key) else {
            return default;
        };
        match self.text(node, key).as_ref().map(|t| t.value.as_str()) {
            Some("true" | "yes" | "on") => true,
            Some("false" | "no" | "off") => false,
            Some(other) => {
                self.error(
                    node.span,
                    format!("{key}: `{other}` is neither true nor false"),
                );
                default
            }
            None => default,
        }
    }
}

/// The known word that a mistyped one most likely meant.
pub(super) fn nearest<'w>(typed: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    // Two, so that letters swapped in a short word are found.
    let limit = (typed.chars().count() / 3).max(2);
    known
        .map(|word| (distance(typed, word), word))
        .filter(|(d, word)| *d <= limit && *d < word.chars().count())
        .min()
        .map(|(_, word)| word)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
