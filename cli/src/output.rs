//! Tables for people, JSON for programs.

use std::io::Write as _;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::error::CliError;

pub(crate) use weft_lab::Format;

/// What a table says of a thing.
pub(crate) trait Row {
    /// The column titles.
    const TITLES: &'static [&'static str];

    /// One cell per title.
    fn cells(&self) -> Vec<String>;
}

/// Prints many.
pub(crate) fn list<T: Row + Serialize>(format: Format, items: &[T]) -> Result<(), CliError> {
    match format {
        Format::Json => json(&items),
        Format::Table => lines(&table(items)),
    }
}

/// Prints one.
pub(crate) fn one<T: Row + Serialize>(format: Format, item: &T) -> Result<(), CliError> {
    match format {
        Format::Json => json(item),
        Format::Table => lines(&table(std::slice::from_ref(item))),
    }
}

/// Prints a value as JSON.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(CliError::Json)?;
    lines(&text)
}

/// Prints text and a line end. A reader that went away (`weft ... | head`) is no error.
pub(crate) fn lines(text: &str) -> Result<(), CliError> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::Output(error))
        }
        _ => Ok(()),
    }
}

/// A table without frames, as `kubectl` and `aws --output text` users expect to pipe it.
pub(crate) fn table<T: Row>(items: &[T]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(T::TITLES.iter().copied());
    for item in items {
        table.add_row(item.cells());
    }
    weft_lab::aligned(table)
}

/// The text, or a dash where there is none.
pub(crate) fn or_dash(text: &str) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text.to_owned()
    }
}

/// Texts with commas between, or a dash.
pub(crate) fn joined(texts: &[String]) -> String {
    or_dash(&texts.join(","))
}
