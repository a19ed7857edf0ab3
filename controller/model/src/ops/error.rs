//! Why a command is refused.

use std::fmt;

use crate::{ResourceKey, Revision};

/// One field of a request that can't be as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path in the request, as the API writes it: `subnet.cidr_block`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub reason: String,
}

impl Violation {
    /// A violation of the field.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// Why a command is refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// What the command is about doesn't exist.
    #[error("{} {} doesn't exist", .0.kind().text(), .0)]
    NotFound(ResourceKey),
    /// The name is taken.
    #[error("{} {} exists already", .0.kind().text(), .0)]
    AlreadyExists(ResourceKey),
    /// Fields of the request can't be as they are; never empty.
    #[error("invalid request: {}", list(.0))]
    Invalid(Vec<Violation>),
    /// Another resource needs it.
    #[error("{} {key} is in use by {} {by}", .key.kind().text(), .by.kind().text())]
    InUse {
        /// What was to be deleted or changed.
        key: ResourceKey,
        /// One of those that need it.
        by: ResourceKey,
    },
    /// It belongs to another resource and lives as long.
    #[error("{} {key} can't be deleted: {reason}", .key.kind().text())]
    Protected {
        /// What was to be deleted.
        key: ResourceKey,
        /// Why it stays, and what to do instead.
        reason: &'static str,
    },
    /// Nothing of its kind is free.
    #[error("no {what} is free in {within}")]
    Exhausted {
        /// What was to be allocated.
        what: &'static str,
        /// The pool that is used up.
        within: String,
    },
    /// A limit that protects people from accidents; an operator can raise it.
    #[error("{within} may have at most {limit} {what}; raise the quota or delete one")]
    Quota {
        /// What is limited, in the plural.
        what: &'static str,
        /// Whose limit it is.
        within: String,
        /// The limit.
        limit: usize,
    },
    /// The resource has changed since the caller read it.
    #[error(
        "{} {key} has changed: its etag is {current}, not {given}; read it again",
        .key.kind().text()
    )]
    Stale {
        /// The resource.
        key: ResourceKey,
        /// The etag that the caller gave.
        given: Revision,
        /// The etag that it has.
        current: Revision,
    },
}

impl OpError {
    /// The error of a single field.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation::new(field, reason)])
    }
}

fn list(violations: &[Violation]) -> String {
    let each: Vec<String> = violations.iter().map(Violation::to_string).collect();
    each.join("; ")
}
