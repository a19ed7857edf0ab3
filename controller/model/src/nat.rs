//! NAT gateways, and the blocks of their public ports that hosts hold.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    id::{ElasticAddressId, NatGatewayId, SubnetId, VpcId},
    meta::Meta,
    name::HostName,
    net::PortRange,
};

/// The way out of a VPC for many: their connections share a public address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatGateway {
    /// Its id.
    pub id: NatGatewayId,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// The subnet it stands in, whose route table leads on from it.
    pub subnet: SubnetId,
    /// The elastic address that connections are seen from.
    pub elastic: ElasticAddressId,
    /// That address itself, which never changes.
    pub public: Ipv4Addr,
    /// Its own address in the subnet.
    pub private: Ipv4Addr,
    /// Bookkeeping.
    pub meta: Meta,
}

/// A block of a NAT gateway's public ports that one host translates to by itself.
///
/// Blocks have 256 ports: each last byte once, so that every worker of a host, whatever their
/// number, gets its part of each. A gateway has 55,000 ports and so 215 blocks. A port serves one
/// connection per destination, so no more than 55,000 connections ever share one destination,
/// without any host asking another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortLease {
    /// The address and the first port.
    pub key: LeaseKey,
    /// The gateway.
    pub nat: NatGatewayId,
    /// The host that holds it; `None` while it rests before it may be given again.
    pub host: Option<HostName>,
    /// Bookkeeping.
    pub meta: Meta,
}

/// What names a block: a public address and the block's first port, `203.0.113.5:1024`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseKey {
    address: Ipv4Addr,
    block: u8,
}

/// A text that names no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no block of ports: write ADDRESS:PORT, the port 1024 or 256 or more above it")]
pub struct LeaseKeyError(String);

impl LeaseKey {
    /// Ports of a block; the last one has fewer.
    pub const PORTS: u16 = 256;
    /// The first port that is ever leased: those below are services'.
    pub const FIRST: u16 = 1024;
    /// The last one: 55,000 in all.
    pub const LAST: u16 = Self::FIRST + (55_000 - 1);
    /// The blocks of an address.
    pub const BLOCKS: u8 = ((Self::LAST - Self::FIRST) / Self::PORTS + 1) as u8;

    /// The nth block of the address; `None` past the last one.
    pub fn new(address: Ipv4Addr, block: u8) -> Option<Self> {
        (block < Self::BLOCKS).then_some(Self { address, block })
    }

    /// The block that the port is in; `None` where it is never leased.
    pub fn of_port(address: Ipv4Addr, port: u16) -> Option<Self> {
        if !(Self::FIRST..=Self::LAST).contains(&port) {
            return None;
        }
        Self::new(address, ((port - Self::FIRST) / Self::PORTS) as u8)
    }

    /// All blocks of the address, in order.
    pub fn all(address: Ipv4Addr) -> impl Iterator<Item = Self> {
        (0..Self::BLOCKS).map(move |block| Self { address, block })
    }

    /// The public address.
    pub const fn address(self) -> Ipv4Addr {
        self.address
    }

    /// Which block of the address it is, from 0.
    pub const fn block(self) -> u8 {
        self.block
    }

    /// Its ports.
    pub fn ports(self) -> PortRange {
        let first = Self::FIRST + u16::from(self.block) * Self::PORTS;
        let last = first.saturating_add(Self::PORTS - 1).min(Self::LAST);
        PortRange::new(first, last).unwrap_or(PortRange::one(first))
    }
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address, self.ports().first())
    }
}

impl FromStr for LeaseKey {
    type Err = LeaseKeyError;

    fn from_str(text: &str) -> Result<Self, LeaseKeyError> {
        let parse = || {
            let (address, port) = text.split_once(':')?;
            let port: PortRange = port.parse().ok()?;
            let key = Self::of_port(address.parse().ok()?, port.first())?;
            (key.to_string() == text).then_some(key)
        };
        parse().ok_or_else(|| LeaseKeyError(crate::id::excerpt(text)))
    }
}

impl Serialize for LeaseKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LeaseKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);

    #[test]
    fn the_blocks_have_55000_ports_and_no_port_twice() {
        let ports: Vec<u16> = LeaseKey::all(ADDRESS)
            .flat_map(|key| key.ports().first()..=key.ports().last())
            .collect();
        assert_eq!(ports.len(), 55_000);
        assert!(ports.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_port_is_in_the_block_that_holds_it() {
        for port in 0..=u16::MAX {
            let key = LeaseKey::of_port(ADDRESS, port);
            assert_eq!(key.is_some(), (1024..=56_023).contains(&port));
            assert!(key.is_none_or(|key| key.ports().contains(port)));
        }
    }

    #[test]
    fn a_key_is_read_as_it_is_written_and_nothing_else_is() {
        for key in LeaseKey::all(ADDRESS) {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for text in [
            "",
            "203.0.113.5",
            "203.0.113.5:1025",
            "203.0.113.5:80",
            "x:1024",
        ] {
            assert!(text.parse::<LeaseKey>().is_err(), "{text}");
        }
    }
}
