//! Which addresses are the services', and what is kept for them beside the configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Site, endpoint::Endpoint, limit::TokenBucket, metadata::Tokens, site::DNS6};
use crate::{config::VpcConfig, per_port::PerPort, service::WallClock};

const DNS4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);
const METADATA4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const METADATA6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
const TIME4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 123);
const TIME6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x123);

/// What is at an address that is kept for services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reserved {
    Dns,
    Metadata,
    Time,
    /// Nothing: the rest of 169.254.168.0/22 and fd00:ec2::/32.
    Nobody,
}

impl Reserved {
    /// What is at the address in this VPC; `None` where it isn't kept for services.
    pub(crate) fn at(vpc: &VpcConfig, address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(DNS4) | IpAddr::V6(DNS6) => Some(Self::Dns),
            IpAddr::V4(METADATA4) | IpAddr::V6(METADATA6) => Some(Self::Metadata),
            IpAddr::V4(TIME4) | IpAddr::V6(TIME6) => Some(Self::Time),
            IpAddr::V4(a) if a == vpc.dns4() => Some(Self::Dns),
            IpAddr::V4(a) => {
                let [first, second, third, _] = a.octets();
                let kept = (first, second, third & 0xfc) == (169, 254, 168);
                kept.then_some(Self::Nobody)
            }
            IpAddr::V6(a) => (a.segments()[..2] == [0xfd00, 0xec2]).then_some(Self::Nobody),
        }
    }

    /// Whether the VPC and the port want it.
    pub(crate) fn is_on(self, site: &Site<'_>) -> bool {
        match self {
            Self::Dns => site.vpc.dns.support,
            Self::Metadata => site.port.options.metadata.enabled,
            Self::Time => true,
            Self::Nobody => false,
        }
    }

    /// Where it speaks TCP.
    pub(crate) const fn tcp_port(self) -> Option<u16> {
        match self {
            Self::Dns => Some(53),
            Self::Metadata => Some(80),
            Self::Time | Self::Nobody => None,
        }
    }
}

/// Where a port's TCP services answer.
pub(crate) fn addresses(vpc: &VpcConfig) -> [IpAddr; 5] {
    [
        vpc.dns4().into(),
        DNS4.into(),
        METADATA4.into(),
        DNS6.into(),
        METADATA6.into(),
    ]
}

/// The services' state.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) buckets: PerPort<TokenBucket>,
    pub(crate) endpoints: PerPort<Endpoint>,
    /// How many endpoints there are.
    pub(crate) live: usize,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Option<WallClock>,
    drawn: u64,
}

impl Services {
    /// `secret` must not be guessed by a tenant.
    pub(crate) fn new(secret: u64) -> Self {
        Self {
            buckets: PerPort::default(),
            endpoints: PerPort::default(),
            live: 0,
            tokens: Tokens::new(secret),
            clock: None,
            drawn: secret,
        }
    }

    /// Bits for a stack's sequence numbers: a Weyl sequence, mixed (splitmix64).
    pub(crate) fn draw(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.drawn;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }
}
