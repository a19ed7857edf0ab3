//! What an interface is given beside addresses and policy: limits, timeouts and metadata.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} is out of range: use {least} to {most} {unit}")]
pub struct RangeError {
    given: u64,
    least: u64,
    most: u64,
    unit: &'static str,
}

macro_rules! ranged {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $least:literal..=$most:literal, $unit:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u64", into = "u64")]
        pub struct $name($inner);

        impl $name {
            /// The least that there is.
            pub const LEAST: Self = Self($least);
            /// The most.
            pub const MOST: Self = Self($most);

            /// The number.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl TryFrom<u64> for $name {
            type Error = RangeError;

            fn try_from(given: u64) -> Result<Self, RangeError> {
                match <$inner>::try_from(given) {
                    Ok(number) if ($least..=$most).contains(&number) => Ok(Self(number)),
                    _ => Err(RangeError { given, least: $least, most: $most, unit: $unit }),
                }
            }
        }

        impl From<$name> for u64 {
            fn from(value: $name) -> Self {
                Self::from(value.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = RangeError;

            /// Digits; anything else reads as a number that is too large.
            fn from_str(text: &str) -> Result<Self, RangeError> {
                text.parse().unwrap_or(u64::MAX).try_into()
            }
        }
    };
}

ranged!(
    /// Bits per second; of whole frames, as they cross the port.
    BitRate, u64, 64_000..=1_000_000_000_000, "bits per second"
);
ranged!(
    /// Packets per second; each segment of a super frame is one.
    PacketRate, u32, 1..=1_000_000_000, "packets per second"
);
ranged!(
    /// New connections per second.
    ConnectionRate, u32, 1..=10_000_000, "connections per second"
);
ranged!(
    /// Connections that there may be at once.
    ConnectionCount, u32, 1..=1_048_576, "connections"
);
ranged!(
    /// Seconds that an idle established TCP connection is remembered.
    TcpEstablishedTimeout, u32, 60..=432_000, "seconds"
);
ranged!(
    /// Seconds that UDP which was never answered is remembered.
    UdpOneWayTimeout, u32, 30..=60, "seconds"
);
ranged!(
    /// Seconds that idle UDP which went both ways is remembered.
    UdpStreamTimeout, u32, 60..=180, "seconds"
);
ranged!(
    /// Hops that an answer of the metadata service lives.
    HopLimit, u8, 1..=64, "hops"
);

/// How much an interface may do; `None` is as much as it can.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimits {
    /// Bits to the workload.
    pub ingress_bits: Option<BitRate>,
    /// Bits from the workload.
    pub egress_bits: Option<BitRate>,
    /// Packets to the workload.
    pub ingress_packets: Option<PacketRate>,
    /// Packets from the workload.
    pub egress_packets: Option<PacketRate>,
    /// New connections, whoever begins them.
    pub new_connections: Option<ConnectionRate>,
    /// Connections at once; the host's own bound where it is `None`.
    pub connections: Option<ConnectionCount>,
}

/// How long idle connections are remembered; `None` is the default of all interfaces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IdleTimeouts {
    /// TCP, established.
    pub tcp_established: Option<TcpEstablishedTimeout>,
    /// UDP that was never answered.
    pub udp_one_way: Option<UdpOneWayTimeout>,
    /// UDP that went both ways.
    pub udp_stream: Option<UdpStreamTimeout>,
}

/// Bytes that a workload reads from the metadata service.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserData(Vec<u8>);

/// More user data than an interface can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} bytes are too many: at most {} fit", UserData::MOST)]
pub struct UserDataError {
    given: usize,
}

impl UserData {
    /// Bytes at most.
    pub const MOST: usize = 16 << 10;

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<u8>> for UserData {
    type Error = UserDataError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, UserDataError> {
        if bytes.len() <= Self::MOST {
            return Ok(Self(bytes));
        }
        Err(UserDataError { given: bytes.len() })
    }
}

/// It may hold secrets: only its length is shown.
impl fmt::Debug for UserData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// How the metadata service answers an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetadataOptions {
    /// Whether it answers at all.
    pub enabled: bool,
    /// Whether it wants a token with every request.
    pub tokens_required: bool,
    /// How many hops an answer lives: 1 keeps tokens from what the workload forwards for.
    pub hop_limit: HopLimit,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            tokens_required: true,
            hop_limit: HopLimit::LEAST,
        }
    }
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortOptions {
    /// How much it may do.
    pub limits: RateLimits,
    /// How long its idle connections are remembered.
    pub timeouts: IdleTimeouts,
    /// What its workload can read.
    pub user_data: UserData,
    /// How the metadata service answers it.
    pub metadata: MetadataOptions,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_outside_its_range_is_refused_with_the_range() {
        let error = TcpEstablishedTimeout::try_from(59).unwrap_err();
        assert_eq!(
            error.to_string(),
            "59 is out of range: use 60 to 432000 seconds"
        );
        assert!(TcpEstablishedTimeout::try_from(60).is_ok());
        assert!(HopLimit::try_from(300).is_err() && "x".parse::<PacketRate>().is_err());
    }

    #[test]
    fn user_data_has_a_bound_and_is_not_shown() {
        assert!(UserData::try_from(vec![0; UserData::MOST + 1]).is_err());
        let data = UserData::try_from(b"secret".to_vec()).unwrap();
        assert_eq!(format!("{data:?}"), "6 bytes");
    }
}
