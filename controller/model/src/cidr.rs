//! Address blocks, canonical from the moment they are parsed: host bits given are cleared.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{id::excerpt, net::RangeError};

macro_rules! block {
    ($(#[$doc:meta])* $name:ident, $net:ty, $addr:ty, $kind:literal, $lens:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($net);

        impl $name {
            /// The block that holds this network, its host bits cleared.
            ///
            /// # Errors
            /// When the prefix length is outside the type's range.
            pub fn new(net: $net) -> Result<Self, RangeError> {
                if ($lens).contains(&net.prefix_len()) {
                    return Ok(Self(net.trunc()));
                }
                Err(RangeError { value: net.to_string(), kind: $kind, rule: $rule })
            }

            /// The network, host bits clear.
            pub const fn net(self) -> $net {
                self.0
            }

            /// Whether the address is inside.
            pub fn contains_addr(self, addr: $addr) -> bool {
                self.0.contains(&addr)
            }

            /// Whether the other block is inside this one, or equal to it.
            pub fn contains(self, other: Self) -> bool {
                self.0.contains(&other.0)
            }

            /// Whether any address is in both.
            pub fn overlaps(self, other: Self) -> bool {
                self.contains(other) || other.contains(self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0.to_string())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = RangeError;

            fn from_str(text: &str) -> Result<Self, RangeError> {
                let net = text.parse::<$net>().map_err(|_| RangeError {
                    value: excerpt(text),
                    kind: $kind,
                    rule: $rule,
                })?;
                Self::new(net)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

block!(
    /// Any IPv4 or IPv6 prefix: a route's destination, a rule's peer.
    Prefix, IpNet, IpAddr, "prefix", 0..=128, "ADDRESS/LENGTH, as 10.0.0.0/16 or fd00::/56"
);
block!(
    /// The IPv4 block of a VPC or a subnet: /16 to /28.
    Block4, Ipv4Net, Ipv4Addr, "IPv4 block", 16..=28, "A.B.C.D/LENGTH, the length 16 to 28"
);
block!(
    /// The IPv6 block of a VPC: /56.
    VpcBlock6, Ipv6Net, Ipv6Addr, "VPC's IPv6 block", 56..=56, "an IPv6 prefix of length 56"
);
block!(
    /// The IPv6 block of a subnet: /64.
    SubnetBlock6, Ipv6Net, Ipv6Addr, "subnet's IPv6 block", 64..=64, "an IPv6 prefix of length 64"
);

block!(
    /// A block of public IPv4 addresses: /8 to /32.
    PublicBlock4, Ipv4Net, Ipv4Addr, "public IPv4 block", 8..=32, "A.B.C.D/LENGTH, the length 8 to 32"
);

impl Prefix {
    /// Whether it is IPv6's.
    pub const fn is_v6(self) -> bool {
        matches!(self.0, IpNet::V6(_))
    }

    /// Every IPv4 and every IPv6 address.
    pub fn everywhere() -> [Self; 2] {
        [
            Self(IpNet::V4(Ipv4Net::default())),
            Self(IpNet::V6(Ipv6Net::default())),
        ]
    }
}

impl From<Block4> for Prefix {
    fn from(block: Block4) -> Self {
        Self(IpNet::V4(block.0))
    }
}

impl From<PublicBlock4> for Prefix {
    fn from(block: PublicBlock4) -> Self {
        Self(IpNet::V4(block.0))
    }
}

impl From<VpcBlock6> for Prefix {
    fn from(block: VpcBlock6) -> Self {
        Self(IpNet::V6(block.0))
    }
}

impl From<SubnetBlock6> for Prefix {
    fn from(block: SubnetBlock6) -> Self {
        Self(IpNet::V6(block.0))
    }
}

impl PublicBlock4 {
    /// The first and the last address that can be given: of a block of four addresses and more
    /// without the network's and the broadcast address, which a router on the way may take for its own.
    pub fn usable(self) -> (Ipv4Addr, Ipv4Addr) {
        let (network, broadcast) = (self.0.network(), self.0.broadcast());
        if self.0.prefix_len() > 30 {
            return (network, broadcast);
        }
        let first = Ipv4Addr::from_bits(network.to_bits() + 1);
        (first, Ipv4Addr::from_bits(broadcast.to_bits() - 1))
    }
}

impl VpcBlock6 {
    /// Whether a subnet's block is inside.
    pub fn contains_subnet(self, subnet: SubnetBlock6) -> bool {
        self.0.contains(&subnet.0)
    }

    /// The 256 blocks that it can be cut into, lowest first.
    pub fn subnets(self) -> impl Iterator<Item = SubnetBlock6> {
        let first = self.0.network().to_bits();
        (0..256u128).filter_map(move |n| {
            let network = Ipv6Addr::from_bits(first | (n << 64));
            Ipv6Net::new(network, 64).ok().map(SubnetBlock6)
        })
    }
}
