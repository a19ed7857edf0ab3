//! Reads Prometheus' text format (version 0.0.4) more strictly than Prometheus does: what a reader
//! would forgive is a defect of the writer.

use std::collections::{BTreeMap, BTreeSet};

/// A series: its name and its labels in the order of their names.
pub type Series = (String, BTreeMap<String, String>);

/// A family's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Comes and goes.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
}

/// A page of metrics that keeps every rule.
#[derive(Debug, Default)]
pub struct Exposition {
    /// Every family, with or without rows.
    pub families: BTreeMap<String, Kind>,
    /// Every sample.
    pub samples: BTreeMap<Series, f64>,
}

/// A family as it is read.
struct Family {
    name: String,
    help: bool,
    kind: Option<Kind>,
}

impl Exposition {
    /// Reads a whole page.
    ///
    /// # Errors
    /// The first line that breaks a rule, and which rule.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.ends_with('\n') {
            return Err("the last line has no end".into());
        }
        let mut page = Self::default();
        let mut family: Option<Family> = None;
        for (number, line) in text.lines().enumerate() {
            page.line(line, &mut family)
                .map_err(|why| format!("line {}: {why}: {line}", number + 1))?;
        }
        page.histograms_are_whole()?;
        Ok(page)
    }

    fn line(&mut self, line: &str, family: &mut Option<Family>) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("no help text")?;
            proper(name)?;
            if help.trim().is_empty() || !help.ends_with('.') {
                return Err("help is a sentence".into());
            }
            if self.families.contains_key(name) {
                return Err("the family was there before".into());
            }
            *family = Some(Family {
                name: name.to_owned(),
                help: true,
                kind: None,
            });
            return Ok(());
        }
        let family = family.as_mut().ok_or("before any HELP")?;
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            let kind = kind_of(kind)?;
            if name != family.name || !family.help || family.kind.is_some() {
                return Err("TYPE stands once, behind its HELP".into());
            }
            if (kind == Kind::Counter) != name.ends_with("_total") {
                return Err("counters end in _total, and nothing else does".into());
            }
            family.kind = Some(kind);
            self.families.insert(name.to_owned(), kind);
            return Ok(());
        }
        let kind = family.kind.ok_or("a sample before its TYPE")?;
        let (series, value) = sample(line)?;
        belongs(&series, &family.name, kind)?;
        if kind != Kind::Gauge && (value < 0.0 || value.is_nan()) {
            return Err("a count is never below nothing".into());
        }
        match self.samples.insert(series, value) {
            None => Ok(()),
            Some(_) => Err("the series was there before".into()),
        }
    }

    fn histograms_are_whole(&self) -> Result<(), String> {
        let histograms = self.families.iter().filter(|(_, k)| **k == Kind::Histogram);
        for (name, _) in histograms {
            let bucket = format!("{name}_bucket");
            let buckets = self.samples.iter().filter(|((n, _), _)| *n == bucket);
            let mut sets: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
            for ((_, labels), count) in buckets {
                let mut labels = labels.clone();
                let le = labels.remove("le").ok_or(format!("{bucket} without le"))?;
                let le = number(&le)?;
                sets.entry(labels).or_default().push((le, *count));
            }
            for (labels, mut buckets) in sets {
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                let grows = buckets.is_sorted_by(|a, b| a.1 <= b.1);
                let last = buckets.last().copied().unwrap_or_default();
                let count = self.samples.get(&(format!("{name}_count"), labels.clone()));
                let sum = self.samples.get(&(format!("{name}_sum"), labels));
                if !grows || last.0.is_finite() || count != Some(&last.1) || sum.is_none() {
                    return Err(format!("{name} isn't a whole histogram"));
                }
            }
        }
        Ok(())
    }

    /// The sum of a family's samples that have all of these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let matches = |series: &Series| {
            let has = |(key, value): &(&str, &str)| series.1.get(*key).is_some_and(|v| v == value);
            series.0 == name && labels.iter().all(has)
        };
        let matching = self.samples.iter().filter(|(series, _)| matches(series));
        matching.map(|(_, value)| value).sum()
    }

    /// Every name that a query may use.
    pub fn names(&self) -> BTreeSet<String> {
        let families = self.families.iter().flat_map(|(name, kind)| match kind {
            Kind::Histogram => ["_bucket", "_sum", "_count"]
                .map(|end| format!("{name}{end}"))
                .to_vec(),
            Kind::Counter | Kind::Gauge => vec![name.clone()],
        });
        families.collect()
    }
}

fn kind_of(text: &str) -> Result<Kind, String> {
    match text {
        "counter" => Ok(Kind::Counter),
        "gauge" => Ok(Kind::Gauge),
        "histogram" => Ok(Kind::Histogram),
        _ => Err("no type of ours".into()),
    }
}

fn proper(name: &str) -> Result<(), String> {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if first && name.chars().all(rest) {
        return Ok(());
    }
    Err(format!("{name} is no proper name"))
}

/// Whether the sample is one of the family's.
fn belongs(series: &Series, family: &str, kind: Kind) -> Result<(), String> {
    let end = series.0.strip_prefix(family);
    let fits = match kind {
        Kind::Counter | Kind::Gauge => end == Some(""),
        Kind::Histogram => matches!(end, Some("_bucket" | "_sum" | "_count")),
    };
    if fits {
        return Ok(());
    }
    Err(format!("not a sample of {family}"))
}

fn sample(line: &str) -> Result<(Series, f64), String> {
    let (series, value) = line.rsplit_once(' ').ok_or("no value")?;
    let value = number(value)?;
    let Some((name, labels)) = series.split_once('{') else {
        proper(series)?;
        return Ok(((series.to_owned(), BTreeMap::new()), value));
    };
    proper(name)?;
    let labels = labels.strip_suffix('}').ok_or("labels without an end")?;
    Ok(((name.to_owned(), read_labels(labels)?), value))
}

fn read_labels(mut text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut labels = BTreeMap::new();
    loop {
        let (key, rest) = text.split_once("=\"").ok_or("no label")?;
        proper(key)?;
        let (value, rest) = quoted(rest)?;
        if labels.insert(key.to_owned(), value).is_some() {
            return Err("a label twice".into());
        }
        match rest.strip_prefix(',') {
            Some(more) => text = more,
            None if rest.is_empty() => return Ok(labels),
            None => return Err("no comma between labels".into()),
        }
    }
}

/// A value up to its closing quote, and what comes behind.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('"' | '\\'))) => value.push(c),
                _ => return Err("no such escape".into()),
            },
            c => value.push(c),
        }
    }
    Err("a label's value without an end".into())
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        _ => text.parse().map_err(|_| format!("{text} is no number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a_total Some.\n# TYPE a_total counter\na_total{x=\"1\\\"\"} 2\n\
                        # HELP b_seconds More.\n# TYPE b_seconds histogram\n\
                        b_seconds_bucket{le=\"1\"} 1\nb_seconds_bucket{le=\"+Inf\"} 2\n\
                        b_seconds_sum 3.5\nb_seconds_count 2\n";

    #[test]
    fn a_page_that_keeps_the_rules_is_read() {
        let page = Exposition::parse(GOOD).unwrap();
        assert_eq!(page.sum("a_total", &[("x", "1\"")]), 2.0);
        assert_eq!(page.names().len(), 4);
    }

    #[test]
    fn a_page_that_breaks_a_rule_is_refused() {
        for (from, to) in [
            ("a_total Some.", "a_total Some"),
            ("# TYPE a_total counter", "# TYPE a_total gauge"),
            ("a_total{x=\"1\\\"\"} 2", "a_total{x=\"1\\q\"} 2"),
            ("a_total{x=\"1\\\"\"} 2", "b_total 2"),
            ("le=\"1\"} 1", "le=\"1\"} 3"),
            ("b_seconds_count 2", "b_seconds_count 1"),
            ("b_seconds_sum 3.5\n", ""),
            ("b_seconds_count 2\n", "b_seconds_count 2"),
            ("# HELP b_seconds More.\n", ""),
        ] {
            let bad = GOOD.replacen(from, to, 1);
            assert!(Exposition::parse(&bad).is_err(), "{bad}");
        }
    }
}
