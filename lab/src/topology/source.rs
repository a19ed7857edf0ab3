//! Where a thing stands in a topology file, and how an error there is shown.

use std::fmt;

/// A stretch of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// How many characters of the line it covers; at least 1 when shown.
    pub width: usize,
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T> At<T> {
    /// The value at that place.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At::new(change(self.value), self.span)
    }
}

impl<T> std::ops::Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// One thing wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub span: Span,
    /// What.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without advice.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            help: None,
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Everything wrong in a file, each with its line quoted.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// The file's name as the user gave it.
    pub file: String,
    /// Its text.
    pub text: String,
    /// What is wrong, in the order of the file; never empty.
    pub diagnostics: Vec<Diagnostic>,
}

/// Errors shown at once; what follows is usually a consequence.
const SHOWN: usize = 20;

impl Rejected {
    /// The errors in the order of the file, each once.
    pub fn new(file: &str, text: &str, mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|d| (d.span.line, d.span.column));
        diagnostics.dedup();
        Self {
            file: file.to_owned(),
            text: text.to_owned(),
            diagnostics,
        }
    }

    fn one(&self, d: &Diagnostic, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span {
            line,
            column,
            width,
        } = d.span;
        let quoted = self.text.lines().nth(line.saturating_sub(1)).unwrap_or("");
        let gutter = " ".repeat(line.to_string().len());
        // Tabs of the quoted line are kept in the padding, so the caret stays below its word.
        let padding: String = quoted
            .chars()
            .take(column.saturating_sub(1))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let carets = "^".repeat(width.max(1));
        writeln!(f, "error: {}", d.message)?;
        writeln!(f, "{gutter}--> {}:{line}:{column}", self.file)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{line} | {quoted}")?;
        writeln!(f, "{gutter} | {padding}{carets}")?;
        if let Some(help) = &d.help {
            writeln!(f, "{gutter} = help: {help}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, d) in self.diagnostics.iter().take(SHOWN).enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            self.one(d, f)?;
        }
        let count = self.diagnostics.len();
        if count > SHOWN {
            writeln!(f, "\n... and {} more", count - SHOWN)?;
        }
        let s = if count == 1 { "" } else { "s" };
        write!(f, "\n{}: {count} error{s}; nothing was created", self.file)
    }
}

impl std::error::Error for Rejected {}
