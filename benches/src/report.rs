//! Runs the measures interleaved and compares them, with their spread.

use std::time::Duration;

use serde::Serialize;

use crate::{
    BenchError, Path,
    load::{connections, crowd, first, latency, packets, processor, stream},
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
    /// Connections that lie in the tables meanwhile.
    pub live: usize,
}

/// One thing that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Gigabits per second over one TCP stream.
    TcpOne,
    /// Milliseconds of processor time for a gigabit of that.
    ProcessorPerGigabit,
    /// Gigabits per second over four TCP streams.
    TcpFour,
    /// Packets lost of those sent at `MUST_PASS`.
    LossAtFloor,
    /// Microseconds of processor time for a packet of those.
    ProcessorPerPacket,
    /// Thousands of 64-byte packets per second with less than 1 % lost.
    Packets,
    /// Thousands of connections per second.
    Connections,
    /// Microseconds for one byte there and back: the median.
    RoundTripP50,
    /// Microseconds for one byte there and back: 99 of 100.
    RoundTripP99,
    /// Microseconds for a connection's first datagram there and back: the median.
    FirstPacket,
    /// Gigabits per second over one TCP stream to a balancer's address.
    BalancedTcp,
    /// Thousands of connections per second to a balancer's address.
    BalancedConnections,
}

impl Measure {
    /// All, in the order that they are shown.
    pub const ALL: [Self; 12] = [
        Self::TcpOne,
        Self::TcpFour,
        Self::Packets,
        Self::LossAtFloor,
        Self::Connections,
        Self::RoundTripP50,
        Self::RoundTripP99,
        Self::FirstPacket,
        Self::ProcessorPerPacket,
        Self::ProcessorPerGigabit,
        Self::BalancedTcp,
        Self::BalancedConnections,
    ];

    /// What it is, with its unit.
    pub const fn text(self) -> &'static str {
        match self {
            Self::TcpOne => "TCP 1 stream, Gbit/s",
            Self::ProcessorPerGigabit => "CPU per gigabit of TCP, ms",
            Self::TcpFour => "TCP 4 streams, Gbit/s",
            Self::LossAtFloor => "UDP 64 B lost at 50,000/s",
            Self::ProcessorPerPacket => "CPU per packet at 50,000/s, us",
            Self::Packets => "UDP 64 B at < 1 % loss, 1000/s",
            Self::Connections => "TCP connections, 1000/s",
            Self::RoundTripP50 => "round trip p50, us",
            Self::RoundTripP99 => "round trip p99, us",
            Self::FirstPacket => "first packet and answer, us",
            Self::BalancedTcp => "balancer, TCP 1 stream, Gbit/s",
            Self::BalancedConnections => "balancer, connections, 1000/s",
        }
    }

    /// Whether more is worse.
    pub const fn is_cost(self) -> bool {
        matches!(
            self,
            Self::ProcessorPerGigabit
                | Self::LossAtFloor
                | Self::ProcessorPerPacket
                | Self::RoundTripP50
                | Self::RoundTripP99
                | Self::FirstPacket
        )
    }

    /// The first path's measure that a ratio is taken to: it has no balancer, so its own address's.
    const fn base(self) -> Self {
        match self {
            Self::BalancedTcp => Self::TcpOne,
            Self::BalancedConnections => Self::Connections,
            other => other,
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

/// A value of a round on a path.
#[derive(Debug, Clone, Copy)]
struct Sample {
    round: usize,
    path: usize,
    measure: Measure,
    value: f64,
}

/// What is done at one go, and gives one measure or two.
#[derive(Debug, Clone, Copy)]
enum Step {
    One,
    Four,
    Floor,
    Highest,
    Connections,
    RoundTrip,
    First,
    BalancedOne,
    BalancedConnections,
}

impl Step {
    const ALL: [Self; 9] = [
        Self::One,
        Self::Four,
        Self::Floor,
        Self::Highest,
        Self::Connections,
        Self::RoundTrip,
        Self::First,
        Self::BalancedOne,
        Self::BalancedConnections,
    ];

    fn take(self, path: &Path, each: Duration) -> Result<Vec<(Measure, f64)>, BenchError> {
        let short = each / 4;
        let direct = path.direct();
        Ok(match (self, path.balanced()) {
            (Self::One, _) => one_stream(path, each)?,
            (Self::Four, _) => {
                let rate = stream::run(path, direct, 4, each)?;
                vec![(Measure::TcpFour, rate / 1e9)]
            }
            (Self::Floor, _) => floor(path, each)?,
            (Self::Highest, _) => {
                let rate = packets::highest(path, MUST_PASS, short)?;
                vec![(Measure::Packets, rate / 1e3)]
            }
            (Self::Connections, _) => {
                let rate = connections::run(path, direct, each)?;
                vec![(Measure::Connections, rate / 1e3)]
            }
            (Self::RoundTrip, _) => {
                let times = latency::run(path, short)?;
                let p99 = (Measure::RoundTripP99, times.p99);
                vec![(Measure::RoundTripP50, times.p50), p99]
            }
            (Self::First, _) => vec![(Measure::FirstPacket, first::run(path, short)?)],
            (Self::BalancedOne, Some(target)) => {
                let rate = stream::run(path, target, 1, each)?;
                vec![(Measure::BalancedTcp, rate / 1e9)]
            }
            (Self::BalancedConnections, Some(target)) => {
                let rate = connections::run(path, target, each)?;
                vec![(Measure::BalancedConnections, rate / 1e3)]
            }
            (Self::BalancedOne | Self::BalancedConnections, None) => Vec::new(),
        })
    }
}

fn one_stream(path: &Path, each: Duration) -> Result<Vec<(Measure, f64)>, BenchError> {
    let before = processor::used()?;
    let rate = stream::run(path, path.direct(), 1, each)? / 1e9;
    let used = processor::used()?.saturating_sub(before).as_secs_f64();
    let gigabits = (rate * each.as_secs_f64()).max(f64::MIN_POSITIVE);
    let cost = (Measure::ProcessorPerGigabit, used * 1e3 / gigabits);
    Ok(vec![(Measure::TcpOne, rate), cost])
}

fn floor(path: &Path, each: Duration) -> Result<Vec<(Measure, f64)>, BenchError> {
    let before = processor::used()?;
    let trial = packets::trial(path, MUST_PASS, each)?;
    let used = processor::used()?.saturating_sub(before).as_secs_f64();
    let cost = used * 1e6 / trial.received.max(1) as f64;
    let lost = (Measure::LossAtFloor, trial.lost() as f64);
    Ok(vec![lost, (Measure::ProcessorPerPacket, cost)])
}

/// Takes every measure on every path; the first path is what the others are compared to.
/// `progress` is told each step, and what a path failed at: that path goes without the measure.
///
/// # Errors
/// When the first path doesn't carry the load: there is nothing to compare to.
pub fn run(
    paths: &[Path],
    plan: Plan,
    mut progress: impl FnMut(&str),
) -> Result<Vec<Outcome>, BenchError> {
    let mut samples = Vec::new();
    for round in 1..=plan.rounds {
        for step in Step::ALL {
            progress(&format!("round {round} of {}: {step:?}", plan.rounds));
            for (index, path) in paths.iter().enumerate() {
                let taken = crowd::refresh(&path.crowd, plan.live)
                    .and_then(|()| step.take(path, plan.each));
                let taken = match taken {
                    Err(error) if index > 0 => {
                        progress(&format!("{}: {error}", path.name));
                        continue;
                    }
                    other => other?,
                };
                samples.extend(taken.into_iter().map(|(measure, value)| Sample {
                    round,
                    path: index,
                    measure,
                    value,
                }));
            }
        }
    }
    Ok(outcomes(paths, &samples))
}

fn outcomes(paths: &[Path], samples: &[Sample]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for measure in Measure::ALL {
        for (index, path) in paths.iter().enumerate() {
            outcomes.extend(outcome(measure, path.name, index, samples));
        }
    }
    outcomes
}

fn outcome(
    measure: Measure,
    path: &'static str,
    index: usize,
    samples: &[Sample],
) -> Option<Outcome> {
    let of = |measure, path| {
        let samples = samples.iter();
        samples.filter(move |s: &&Sample| s.measure == measure && s.path == path)
    };
    let values: Vec<f64> = of(measure, index).map(|s| s.value).collect();
    let ratio = |sample: &Sample| {
        let base = of(measure.base(), 0).find(|s| s.round == sample.round)?;
        (base.value > 0.0).then(|| sample.value / base.value)
    };
    let mut ratios: Vec<f64> = match measure {
        Measure::LossAtFloor => Vec::new(),
        _ => of(measure, index).filter_map(ratio).collect(),
    };
    let mut sorted = values.clone();
    let median_of_values = median(&mut sorted)?;
    let ratio = median(&mut ratios);
    let spread = ratios.first().copied().zip(ratios.last().copied());
    Some(Outcome {
        measure,
        path,
        values,
        median: median_of_values,
        ratio,
        spread,
    })
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

    fn samples(measure: Measure, path: usize, values: &[f64]) -> Vec<Sample> {
        let values = values.iter().enumerate();
        let sample = |(round, value): (usize, &f64)| Sample {
            round,
            path,
            measure,
            value: *value,
        };
        values.map(sample).collect()
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let mut all = samples(Measure::TcpOne, 0, &[10.0, 1.0, 16.0]);
        all.extend(samples(Measure::TcpOne, 1, &[5.0, 1.0, 4.0]));
        let outcome = outcome(Measure::TcpOne, "x", 1, &all).unwrap();
        assert_eq!(outcome.median, 4.0);
        assert_eq!(outcome.ratio, Some(0.5));
        assert_eq!(outcome.spread, Some((0.25, 1.0)));
    }

    #[test]
    fn a_balancers_ratio_is_to_the_bare_address() {
        let mut all = samples(Measure::TcpOne, 0, &[10.0]);
        all.extend(samples(Measure::BalancedTcp, 1, &[5.0]));
        let outcome = outcome(Measure::BalancedTcp, "x", 1, &all).unwrap();
        assert_eq!(outcome.ratio, Some(0.5));
    }

    #[test]
    fn losses_have_no_ratio() {
        let all = samples(Measure::LossAtFloor, 0, &[0.0]);
        let outcome = outcome(Measure::LossAtFloor, "x", 0, &all).unwrap();
        assert_eq!(outcome.ratio, None);
    }

    #[test]
    fn what_a_path_did_not_do_has_no_outcome() {
        assert!(outcome(Measure::BalancedTcp, "x", 0, &[]).is_none());
    }
}
