//! What can be wrong with a host and its cable, on purpose.

mod shaper;

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

pub(crate) use shaper::{Fate, Shaper};

/// Everything that is wrong with a host; nothing, by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fault {
    /// Its cable is unplugged.
    pub down: bool,
    /// Its vswitch is killed and not started again, and its cable unplugged: the host is dead.
    pub killed: bool,
    /// It can't reach the controller; other hosts it can.
    pub partitioned: bool,
    /// Packets that its cable loses, in ten thousandths, each way.
    pub loss: Loss,
    /// How long its cable takes, each way.
    pub delay: Delay,
    /// What its cable carries, each way.
    pub rate: Rate,
}

impl Fault {
    /// Whether the cable itself does something to packets.
    pub(crate) fn shapes(&self) -> bool {
        (self.loss, self.delay, self.rate) != Default::default()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        for (is_so, word) in [
            (self.killed, "killed"),
            (self.down, "cable down"),
            (self.partitioned, "no controller"),
        ] {
            if is_so {
                words.push(word.to_owned());
            }
        }
        if self.loss != Loss::default() {
            words.push(format!("loses {}", self.loss));
        }
        if self.delay != Delay::default() {
            words.push(format!("takes {}", self.delay));
        }
        if self.rate != Rate::default() {
            words.push(format!("carries {}", self.rate));
        }
        f.pad(&words.join(", "))
    }
}

/// Why a text is no amount of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {kind}: use {rule}")]
pub struct AmountError {
    text: String,
    kind: &'static str,
    rule: &'static str,
}

impl AmountError {
    fn new(text: &str, kind: &'static str, rule: &'static str) -> Self {
        let text = text.chars().take(32).flat_map(char::escape_default);
        Self {
            text: text.collect(),
            kind,
            rule,
        }
    }
}

/// A share of packets, in ten thousandths: 0 to all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss(u16);

impl Loss {
    const ALL: u16 = 10_000;

    /// Whether the packet with this random number is lost.
    pub(crate) fn takes(self, random: u64) -> bool {
        random % u64::from(Self::ALL) < u64::from(self.0)
    }
}

impl FromStr for Loss {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let error = || AmountError::new(text, "share", "0% to 100%, as in 2.5%");
        let number = text.strip_suffix('%').unwrap_or(text);
        let percent: f64 = number.parse().map_err(|_| error())?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(error());
        }
        Ok(Self((percent * 100.0).round() as u16))
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 100.0)
    }
}

/// A time in microseconds: at most ten seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Delay(u32);

impl Delay {
    const LONGEST: u64 = 10_000_000;

    pub(crate) fn get(self) -> Duration {
        Duration::from_micros(self.0.into())
    }
}

impl FromStr for Delay {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let error = || AmountError::new(text, "delay", "0us to 10s, as in 20ms");
        let micros = amount(text, &[("us", 1), ("ms", 1_000), ("s", 1_000_000)]);
        let micros = micros.filter(|m| *m <= Self::LONGEST).ok_or_else(error)?;
        Ok(Self(micros as u32))
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", f64::from(self.0) / 1000.0)
    }
}

/// Kilobits per second; 0 for no bound, at most 100 Gbit/s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate(u32);

impl Rate {
    const HIGHEST: u64 = 100_000_000;

    /// How long these bytes take.
    pub(crate) fn time_of(self, bytes: usize) -> Duration {
        match self.0 {
            0 => Duration::ZERO,
            rate => Duration::from_nanos(bytes as u64 * 8 * 1_000_000 / u64::from(rate)),
        }
    }
}

impl FromStr for Rate {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let error = || AmountError::new(text, "rate", "1kbit to 100gbit, as in 10mbit");
        let kilobits = amount(text, &[("kbit", 1), ("mbit", 1_000), ("gbit", 1_000_000)]);
        let kilobits = kilobits.filter(|k| (1..=Self::HIGHEST).contains(k));
        kilobits.map(|k| Self(k as u32)).ok_or_else(error)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}mbit", f64::from(self.0) / 1000.0)
    }
}

/// A whole number with a unit, in the smallest.
fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    // "ms" ends like "s": the first that leaves digits only is meant.
    units.iter().find_map(|(unit, factor)| {
        let digits = text.strip_suffix(unit)?;
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let number: u64 = is_number.then(|| digits.parse().ok())??;
        number.checked_mul(*factor)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_with_their_unit() {
        assert_eq!("2.5%".parse(), Ok(Loss(250)));
        assert_eq!("20ms".parse(), Ok(Delay(20_000)));
        assert_eq!("3s".parse(), Ok(Delay(3_000_000)));
        assert_eq!("10mbit".parse(), Ok(Rate(10_000)));
        for text in ["101%", "-1%", "x", "NaN%"] {
            assert!(text.parse::<Loss>().is_err(), "{text}");
        }
        for text in ["20", "ms", "11s", "-1ms", "99999999999999999999s"] {
            assert!(text.parse::<Delay>().is_err(), "{text}");
        }
        for text in ["0kbit", "10", "101gbit", "1.5mbit"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_amount_is_shown_as_it_is_written() {
        for text in ["2.5%", "100%"] {
            assert_eq!(text.parse::<Loss>().unwrap().to_string(), text);
        }
        assert_eq!("20ms".parse::<Delay>().unwrap().to_string(), "20ms");
        assert_eq!("10mbit".parse::<Rate>().unwrap().to_string(), "10mbit");
    }

    #[test]
    fn a_rate_says_how_long_bytes_take() {
        let rate: Rate = "8kbit".parse().unwrap();
        assert_eq!(rate.time_of(1000), Duration::from_secs(1));
        assert_eq!(Rate::default().time_of(1000), Duration::ZERO);
    }
}
