//! A run as Markdown, written into a page between two lines of its own.

mod plot;

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use nix::sys::utsname::uname;
use serde::Serialize;

use crate::{
    BenchError, io,
    report::{Measure, Outcome},
};

/// What the outcome stands between.
const BEGIN: &str = "<!-- weft bench --peers: begin -->";
const END: &str = "<!-- weft bench --peers: end -->";

/// A whole run: what was measured, and what one must know to read it.
#[derive(Debug, Serialize)]
pub struct Run {
    /// Processors and their name.
    pub machine: String,
    /// The kernel's release.
    pub kernel: String,
    /// The day, in UTC.
    pub date: String,
    /// Processes that wanted a processor when it began, as the load average of one minute.
    pub load: f64,
    /// The command line.
    pub command: String,
    /// What is not in it, and why.
    pub absent: Vec<String>,
    /// Medians and ratios.
    pub outcomes: Vec<Outcome>,
}

impl Run {
    /// This machine, and nothing measured.
    pub fn new(command: String) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(": "));
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split_whitespace().next().unwrap_or_default();
        Self {
            machine: format!(
                "{processors} processors ({})",
                model.map_or("unknown", |(_, name)| name.trim())
            ),
            kernel: uname()
                .map(|name| name.release().to_string_lossy().into_owned())
                .unwrap_or_default(),
            date: today(),
            load: load.parse().unwrap_or_default(),
            command,
            absent: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    /// The paths that were measured, in order.
    fn paths(&self) -> Vec<&'static str> {
        let mut paths = Vec::new();
        for outcome in &self.outcomes {
            if !paths.contains(&outcome.path) {
                paths.push(outcome.path);
            }
        }
        paths
    }

    fn find(&self, measure: Measure, path: &str) -> Option<&Outcome> {
        let mut outcomes = self.outcomes.iter();
        outcomes.find(|o| o.measure == measure && o.path == path)
    }

    /// The whole as Markdown, with a link to the plot where there is one.
    pub fn markdown(&self, plot: Option<&str>) -> String {
        let mut text = format!(
            "`{}` on {}, {}; Linux {}, {} processors' worth of other work when it began.\n\n",
            self.command, self.date, self.machine, self.kernel, self.load
        );
        self.table(&mut text);
        for absent in &self.absent {
            let _ = write!(text, "\nNot measured: {absent}.\n");
        }
        if let Some(plot) = plot {
            let _ = write!(
                text,
                "\n![Ratios to a bare veth, with their spread]({plot})\n"
            );
        }
        text
    }

    fn table(&self, text: &mut String) {
        let paths = self.paths();
        let _ = writeln!(text, "| measure | {} |", paths.join(" | "));
        let _ = writeln!(text, "|---|{}", "---:|".repeat(paths.len()));
        for measure in Measure::ALL {
            let cells: Vec<String> = paths
                .iter()
                .map(|path| self.find(measure, path).map_or_else(String::new, cell))
                .collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                let _ = writeln!(text, "| {} | {} |", measure.text(), cells.join(" | "));
            }
        }
    }

    /// Writes the run into the page, and beside it the plot and the numbers.
    ///
    /// # Errors
    /// When the page can't be read or written, or has no place for it.
    pub fn write(&self, page: &Path) -> Result<(), BenchError> {
        let text = fs::read_to_string(page).map_err(io("read the page"))?;
        let plot = page.with_extension("svg");
        let name = plot.file_name().map(|name| name.to_string_lossy());
        let text = replaced(&text, &self.markdown(name.as_deref())).ok_or_else(|| {
            BenchError::NoBlock {
                file: page.display().to_string(),
                begin: BEGIN,
                end: END,
            }
        })?;
        let json =
            serde_json::to_string_pretty(self).map_err(|e| BenchError::Lab(e.to_string()))?;
        fs::write(page.with_extension("json"), json + "\n").map_err(io("write the numbers"))?;
        fs::write(plot, plot::draw(self)).map_err(io("write the plot"))?;
        fs::write(page, text).map_err(io("write the page"))
    }
}

/// Whether the page has a place for an outcome, before hours are spent on one.
///
/// # Errors
/// When it hasn't.
pub fn accepts(page: &Path) -> Result<(), BenchError> {
    let text = fs::read_to_string(page).map_err(io("read the page"))?;
    let found = replaced(&text, "").map(drop);
    found.ok_or_else(|| BenchError::NoBlock {
        file: page.display().to_string(),
        begin: BEGIN,
        end: END,
    })
}

/// The page with another block.
fn replaced(page: &str, block: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!(
        "{before}{BEGIN}\n{}\n{END}{after}",
        block.trim_end()
    ))
}

fn cell(outcome: &Outcome) -> String {
    let value = number(outcome.median);
    match (outcome.ratio, outcome.spread) {
        (Some(ratio), Some((low, high))) if low < high || ratio != 1.0 => {
            format!("{value}: **{ratio:.2}** ({low:.2} to {high:.2})")
        }
        _ => value,
    }
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value {
        v if v >= 100.0 || v == 0.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// Today in UTC as `2026-01-31`.
fn today() -> String {
    const DAY: u64 = 86_400;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let (year, month, day) = civil(now.unwrap_or_default().as_secs() / DAY);
    format!("{year}-{month:02}-{day:02}")
}

/// The year, month and day of a day since 1970-01-01: counted in years that begin in March, so that
/// a leap day is their last.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (year + era * 400 + carry, month, day)
}

#[cfg(test)]
mod tests;
