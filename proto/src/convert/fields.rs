//! Gathers what is wrong with a message, field by field, so that a caller mends it in one go.

use std::{fmt, str::FromStr};

use weft_model::ops::Violation;

/// A message with fields at fault; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", listed(.0))]
pub struct Invalid(pub Vec<Violation>);

fn listed(violations: &[Violation]) -> String {
    let texts: Vec<_> = violations.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// A violation has been noted in the [`Fields`]: nothing more to say here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported;

/// Violations noted while a message is read, and the path of the part being read.
#[derive(Debug, Default)]
pub struct Fields {
    path: String,
    found: Vec<Violation>,
}

impl Fields {
    /// Reads a message. Parse every field before the first `?`, so that all faults are found.
    ///
    /// # Errors
    /// When anything was noted, even if a value came out.
    pub fn read<T>(read: impl FnOnce(&mut Self) -> Result<T, Reported>) -> Result<T, Invalid> {
        let mut fields = Self::default();
        match read(&mut fields) {
            Ok(value) if fields.found.is_empty() => Ok(value),
            _ => Err(Invalid(fields.found)),
        }
    }

    /// Notes a fault of a field of the part being read.
    pub fn refuse(&mut self, field: &str, reason: impl fmt::Display) -> Reported {
        let field = joined(&self.path, field);
        self.found.push(Violation::new(field, reason.to_string()));
        Reported
    }

    /// Reads a part of the message, its fields' paths below `field`.
    ///
    /// # Errors
    /// When `read` noted a fault.
    pub fn within<T>(
        &mut self,
        field: &str,
        read: impl FnOnce(&mut Self) -> Result<T, Reported>,
    ) -> Result<T, Reported> {
        let outer = self.path.len();
        self.path = joined(&self.path, field);
        let value = read(self);
        self.path.truncate(outer);
        value
    }

    /// Reads each of a repeated field, up to `limit` of them.
    ///
    /// # Errors
    /// When `read` noted a fault of any of them, or there are too many.
    pub fn each<W, T>(
        &mut self,
        field: &str,
        limit: usize,
        items: &[W],
        mut read: impl FnMut(&mut Self, &W) -> Result<T, Reported>,
    ) -> Result<Vec<T>, Reported> {
        if items.len() > limit {
            let reason = format!("{} items are too many: at most {limit}", items.len());
            return Err(self.refuse(field, reason));
        }
        let values: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(i, item)| self.within(&format!("{field}[{i}]"), |fields| read(fields, item)))
            .collect();
        values.into_iter().collect()
    }

    /// A field that must be there.
    ///
    /// # Errors
    /// When it is empty or not of the type's form.
    pub fn required<T>(&mut self, field: &str, text: &str) -> Result<T, Reported>
    where
        T: FromStr<Err: fmt::Display>,
    {
        if text.is_empty() {
            return Err(self.refuse(field, "is required"));
        }
        self.text(field, text)
    }

    /// A field whose type has an empty form of its own.
    ///
    /// # Errors
    /// When it is not of the type's form.
    pub fn text<T>(&mut self, field: &str, text: &str) -> Result<T, Reported>
    where
        T: FromStr<Err: fmt::Display>,
    {
        text.parse().map_err(|error| self.refuse(field, error))
    }

    /// A field that may be empty, which is `None`.
    ///
    /// # Errors
    /// When it is given and not of the type's form.
    pub fn optional<T>(&mut self, field: &str, text: &str) -> Result<Option<T>, Reported>
    where
        T: FromStr<Err: fmt::Display>,
    {
        if text.is_empty() {
            return Ok(None);
        }
        self.required(field, text).map(Some)
    }

    /// A repeated field of texts, up to `limit` of them.
    ///
    /// # Errors
    /// When any is not of the type's form, or there are too many.
    pub fn all<T>(
        &mut self,
        field: &str,
        limit: usize,
        texts: &[String],
    ) -> Result<Vec<T>, Reported>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.each(field, limit, texts, |fields, text| {
            fields.required("", text)
        })
    }

    /// A message field that must be there.
    ///
    /// # Errors
    /// When it is absent.
    pub fn present<'a, T>(&mut self, field: &str, value: Option<&'a T>) -> Result<&'a T, Reported> {
        value.ok_or_else(|| self.refuse(field, "is required"))
    }

    /// A number that the wire carries wider than its type.
    ///
    /// # Errors
    /// When it is above the type's largest.
    pub fn narrow<T>(&mut self, field: &str, value: u32, largest: T) -> Result<T, Reported>
    where
        T: TryFrom<u32> + fmt::Display,
    {
        T::try_from(value)
            .map_err(|_| self.refuse(field, format!("{value} is too large: use 0 to {largest}")))
    }
}

fn joined(path: &str, field: &str) -> String {
    match (path, field) {
        ("", field) => field.to_owned(),
        (path, "") => path.to_owned(),
        (path, field) => format!("{path}.{field}"),
    }
}
