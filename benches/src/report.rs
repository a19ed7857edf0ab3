//! Runs the measures interleaved and prints ratios with their spread.

use std::time::Duration;

use serde::Serialize;

use crate::{
    BenchError, Path,
    load::{connections, latency, packets, stream},
};

/// The rate that must pass without a loss, in packets per second.
pub const MUST_PASS: u64 = 50_000;

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Times that each measure is taken on each path, interleaved.
    pub rounds: usize,
    /// How long each takes.
    pub each: Duration,
}

/// One thing that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Bits per second over one TCP stream.
    TcpOne,
    /// Bits per second over four TCP streams.
    TcpFour,
    /// Packets lost of those sent at `MUST_PASS`.
    LossAtFloor,
    /// 64-byte packets per second without a loss.
    Packets,
    /// Connections per second.
    Connections,
    /// Microseconds for one byte there and back: the median.
    RoundTripP50,
    /// Microseconds for one byte there and back: 99 of 100.
    RoundTripP99,
}

impl Measure {
    /// What it is, with its unit.
    pub const fn text(self) -> &'static str {
        match self {
            Self::TcpOne => "TCP 1 stream, Gbit/s",
            Self::TcpFour => "TCP 4 streams, Gbit/s",
            Self::LossAtFloor => "UDP 64 B lost at 50,000/s",
            Self::Packets => "UDP 64 B without loss, 1000/s",
            Self::Connections => "TCP connections, 1000/s",
            Self::RoundTripP50 => "round trip p50, us",
            Self::RoundTripP99 => "round trip p99, us",
        }
    }
}

/// What one measure gave on one path over all rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// What was measured.
    pub measure: Measure,
    /// On what.
    pub path: &'static str,
    /// Each round's value, in the measure's unit.
    pub values: Vec<f64>,
    /// The median.
    pub median: f64,
    /// The median of the ratios to the first path, round by round; `None` for a loss.
    pub ratio: Option<f64>,
    /// The lowest and highest such ratio.
    pub spread: Option<(f64, f64)>,
}

/// Takes every measure on every path; the first path is what the others are compared to.
/// `progress` is told each step.
///
/// # Errors
/// When a path doesn't carry the load at all.
pub fn run(
    paths: &[Path],
    plan: Plan,
    mut progress: impl FnMut(&str),
) -> Result<Vec<Outcome>, BenchError> {
    let mut samples: Vec<(Measure, usize, f64)> = Vec::new();
    for round in 1..=plan.rounds {
        for (index, path) in paths.iter().enumerate() {
            progress(&format!("round {round} of {}: {}", plan.rounds, path.name));
            for (measure, value) in sample(path, plan)? {
                samples.push((measure, index, value));
            }
        }
    }
    let measures: Vec<Measure> = samples.iter().filter(|s| s.1 == 0).map(|s| s.0).collect();
    let mut outcomes = Vec::new();
    for measure in measures
        .into_iter()
        .take(Measure::RoundTripP99 as usize + 1)
    {
        for (index, path) in paths.iter().enumerate() {
            let of = |which| values(&samples, measure, which);
            outcomes.push(outcome(measure, path.name, of(index), &of(0)));
        }
    }
    Ok(outcomes)
}

fn sample(path: &Path, plan: Plan) -> Result<Vec<(Measure, f64)>, BenchError> {
    let short = plan.each / 4;
    let floor = packets::trial(path, MUST_PASS, plan.each)?;
    let round_trip = latency::run(path, short)?;
    Ok(vec![
        (Measure::TcpOne, stream::run(path, 1, plan.each)? / 1e9),
        (Measure::TcpFour, stream::run(path, 4, plan.each)? / 1e9),
        (Measure::LossAtFloor, floor.lost() as f64),
        (
            Measure::Packets,
            packets::lossless(path, MUST_PASS, short)? / 1e3,
        ),
        (
            Measure::Connections,
            connections::run(path, plan.each)? / 1e3,
        ),
        (Measure::RoundTripP50, round_trip.p50),
        (Measure::RoundTripP99, round_trip.p99),
    ])
}

fn values(samples: &[(Measure, usize, f64)], measure: Measure, path: usize) -> Vec<f64> {
    samples
        .iter()
        .filter(|s| s.0 == measure && s.1 == path)
        .map(|s| s.2)
        .collect()
}

fn outcome(measure: Measure, path: &'static str, values: Vec<f64>, base: &[f64]) -> Outcome {
    let comparable = measure != Measure::LossAtFloor && base.iter().all(|value| *value > 0.0);
    let mut ratios: Vec<f64> = if comparable {
        values.iter().zip(base).map(|(v, b)| v / b).collect()
    } else {
        Vec::new()
    };
    let mut sorted = values.clone();
    let median_of_values = median(&mut sorted).unwrap_or(0.0);
    let ratio = median(&mut ratios);
    let spread = ratios.first().copied().zip(ratios.last().copied());
    Outcome {
        measure,
        path,
        values,
        median: median_of_values,
        ratio,
        spread,
    }
}

/// Sorts, and gives the middle.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        even if even % 2 == 0 => Some(values[middle - 1].midpoint(values[middle])),
        _ => Some(values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let outcome = outcome(
            Measure::TcpOne,
            "x",
            vec![5.0, 1.0, 4.0],
            &[10.0, 1.0, 16.0],
        );
        assert_eq!(outcome.median, 4.0);
        assert_eq!(outcome.ratio, Some(0.5));
        assert_eq!(outcome.spread, Some((0.25, 1.0)));
    }

    #[test]
    fn losses_have_no_ratio() {
        let outcome = outcome(Measure::LossAtFloor, "x", vec![0.0], &[0.0]);
        assert_eq!(outcome.ratio, None);
    }
}
