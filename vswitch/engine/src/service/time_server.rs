//! The time (RFC 5905): a server's answer to a client's question, from the host's clock.

use crate::time::Now;

/// Bytes of a packet without extensions.
const PACKET: usize = 48;
/// Seconds from 1900, NTP's start, to 1970.
const ERA: u64 = 2_208_988_800;
const CLIENT: u8 = 3;
const SERVER: u8 = 4;
/// As far from a reference clock as hosts that follow public servers usually are.
const STRATUM: u8 = 4;
/// The clock reads to about a millisecond: 2^-10 s.
const PRECISION: i8 = -10;

/// The wall clock, as the engine's own time and what the caller said to go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallClock {
    at: Now,
    unix: u64,
}

impl WallClock {
    /// At `at` it is `unix` nanoseconds after 1970.
    pub const fn new(at: Now, unix: u64) -> Self {
        Self { at, unix }
    }

    /// Nanoseconds after 1970.
    pub const fn unix(&self, now: Now) -> u64 {
        self.unix.saturating_add(now.since(self.at))
    }
}

/// Answers a client's packet; `None` where it is none.
pub(crate) fn answer(clock: &WallClock, now: Now, packet: &[u8]) -> Option<[u8; PACKET]> {
    let question = packet.first_chunk::<PACKET>()?;
    let (version, mode) = (question[0] >> 3 & 7, question[0] & 7);
    if !(1..=4).contains(&version) || mode != CLIENT {
        return None;
    }
    let time = timestamp(clock.unix(now));
    let mut answer = [0; PACKET];
    answer[0] = version << 3 | SERVER;
    answer[1] = STRATUM;
    answer[2] = question[2];
    answer[3] = PRECISION.to_be_bytes()[0];
    // Dispersion: a hundredth of a second, in 2^-16 s.
    answer[8..12].copy_from_slice(&655_u32.to_be_bytes());
    answer[12..16].copy_from_slice(b"LOCL");
    answer[16..24].copy_from_slice(&time);
    answer[24..32].copy_from_slice(&question[40..48]);
    answer[32..40].copy_from_slice(&time);
    answer[40..48].copy_from_slice(&time);
    Some(answer)
}

/// Seconds since 1900 and their fraction; the seconds wrap in 2036, as the format has it.
fn timestamp(unix: u64) -> [u8; 8] {
    let (seconds, rest) = (unix / Now::SECOND + ERA, unix % Now::SECOND);
    let fraction = (rest << 32) / Now::SECOND;
    ((seconds << 32) | fraction).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2020-01-01 and a half second.
    const CLOCK: WallClock = WallClock::new(Now(0), 1_577_836_800_500_000_000);

    fn question(version: u8, mode: u8) -> [u8; PACKET] {
        let mut packet = [0; PACKET];
        packet[0] = version << 3 | mode;
        packet[40..].copy_from_slice(b"mytime!!");
        packet
    }

    #[test]
    fn a_client_is_told_the_time_and_gets_its_own_back() {
        let answer = answer(&CLOCK, Now(Now::SECOND), &question(4, CLIENT)).unwrap();
        assert_eq!(answer[0], 4 << 3 | SERVER);
        assert_eq!(&answer[24..32], b"mytime!!");
        let seconds = u32::from_be_bytes(answer[40..44].try_into().unwrap());
        assert_eq!(u64::from(seconds), 1_577_836_801 + ERA);
        assert_eq!(answer[44], 0x80, "half a second");
    }

    #[test]
    fn what_is_no_question_has_no_answer() {
        for packet in [
            question(4, SERVER),
            question(0, CLIENT),
            question(7, CLIENT),
        ] {
            assert_eq!(answer(&CLOCK, Now(0), &packet), None);
        }
        assert_eq!(answer(&CLOCK, Now(0), &question(4, CLIENT)[..47]), None);
    }
}
