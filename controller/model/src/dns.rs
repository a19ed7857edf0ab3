//! Names that a VPC's resolver answers for: private zones and their records.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    dns_forward::DnsForward,
    id::{IdError, PrivateZoneId, VpcId, excerpt},
    meta::Meta,
};

/// Characters of a name at most, the final dot left out (RFC 1035 section 2.3.4).
const LONGEST_NAME: usize = 253;
/// Bytes of a TXT value at most: four of the format's strings.
const LONGEST_TEXT: usize = 4 * 255;

/// What a VPC's resolver does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcDns {
    /// Whether it answers at all.
    pub support: bool,
    /// Whether interfaces have names.
    pub hostnames: bool,
    /// Where it asks for names that aren't its own.
    #[serde(default)]
    pub forwards: Vec<DnsForward>,
}

impl Default for VpcDns {
    fn default() -> Self {
        Self {
            support: true,
            hostnames: true,
            forwards: Vec::new(),
        }
    }
}

/// A domain name: lower case, without the final dot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(Arc<str>);

/// Why a text is not a domain name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a domain name: use labels of 1 to 63 letters, digits, dashes and \
     underscores with dots between, 253 characters at most; `*` may stand for the first label"
)]
pub struct DnsNameError {
    text: String,
}

impl DnsName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its labels, the most specific first.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether it is the domain itself or below it.
    pub fn is_in(&self, domain: &Self) -> bool {
        let above = self.0.strip_suffix(domain.as_str());
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    }

    /// The name one label shorter; `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, rest)| Self(rest.into()))
    }

    /// Whether its first label is `*`.
    pub fn is_wildcard(&self) -> bool {
        self.labels().next() == Some("*")
    }
}

fn is_label(label: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(fits)
}

impl FromStr for DnsName {
    type Err = DnsNameError;

    fn from_str(text: &str) -> Result<Self, DnsNameError> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let labels = name.strip_prefix("*.").unwrap_or(&name);
        if name.len() <= LONGEST_NAME && labels.split('.').all(is_label) {
            return Ok(Self(name.into()));
        }
        Err(DnsNameError {
            text: excerpt(text),
        })
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for DnsName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DnsName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

macro_rules! kinds {
    ($($variant:ident $text:literal),*) => {
        /// The types of records that a private zone can hold.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum RecordKind { $($variant),* }

        impl fmt::Display for RecordKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $text),* })
            }
        }

        impl FromStr for RecordKind {
            type Err = RecordError;

            fn from_str(text: &str) -> Result<Self, RecordError> {
                match text.to_ascii_uppercase().as_str() {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(RecordError {
                        text: excerpt(text),
                        wanted: concat!("a record type: use one of", $(" ", $text),*),
                    }),
                }
            }
        }
    };
}

kinds!(A "A", Aaaa "AAAA", Cname "CNAME", Mx "MX", Ptr "PTR", Srv "SRV", Txt "TXT");

/// Why a text is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct RecordError {
    text: String,
    wanted: &'static str,
}

/// What one record says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name that this one is another of.
    Cname(DnsName),
    /// A mail exchanger and its preference.
    Mx(u16, DnsName),
    /// The name of an address.
    Ptr(DnsName),
    /// Where a service is (RFC 2782).
    Srv {
        /// Lower ones are tried first.
        priority: u16,
        /// The share among those of one priority.
        weight: u16,
        /// The port.
        port: u16,
        /// The host.
        target: DnsName,
    },
    /// Text; no control characters.
    Txt(String),
}

impl RecordData {
    /// Reads the value of a record of this type, as a zone file writes it.
    ///
    /// # Errors
    /// When the text has another form.
    pub fn parse(kind: RecordKind, text: &str) -> Result<Self, RecordError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let parsed = match (kind, words.as_slice()) {
            (RecordKind::A, [address]) => address.parse().ok().map(Self::A),
            (RecordKind::Aaaa, [address]) => address.parse().ok().map(Self::Aaaa),
            (RecordKind::Cname, [name]) => name.parse().ok().map(Self::Cname),
            (RecordKind::Ptr, [name]) => name.parse().ok().map(Self::Ptr),
            (RecordKind::Mx, [preference, name]) => {
                let both = preference.parse().ok().zip(name.parse().ok());
                both.map(|(preference, name)| Self::Mx(preference, name))
            }
            (RecordKind::Srv, [priority, weight, port, target]) => {
                srv([priority, weight, port], target)
            }
            (RecordKind::Txt, _) => {
                let fits = text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control);
                fits.then(|| Self::Txt(text.to_owned()))
            }
            _ => None,
        };
        parsed.ok_or_else(|| RecordError {
            text: excerpt(text),
            wanted: form(kind),
        })
    }

    /// Its type.
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::A(_) => RecordKind::A,
            Self::Aaaa(_) => RecordKind::Aaaa,
            Self::Cname(_) => RecordKind::Cname,
            Self::Mx(..) => RecordKind::Mx,
            Self::Ptr(_) => RecordKind::Ptr,
            Self::Srv { .. } => RecordKind::Srv,
            Self::Txt(_) => RecordKind::Txt,
        }
    }
}

fn srv(numbers: [&&str; 3], target: &str) -> Option<RecordData> {
    let [priority, weight, port] = numbers.map(|number| number.parse().ok());
    Some(RecordData::Srv {
        priority: priority?,
        weight: weight?,
        port: port?,
        target: target.parse().ok()?,
    })
}

const fn form(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::A => "an A record: write an IPv4 address",
        RecordKind::Aaaa => "an AAAA record: write an IPv6 address",
        RecordKind::Cname => "a CNAME record: write a domain name",
        RecordKind::Mx => "an MX record: write PREFERENCE NAME",
        RecordKind::Ptr => "a PTR record: write a domain name",
        RecordKind::Srv => "an SRV record: write PRIORITY WEIGHT PORT NAME",
        RecordKind::Txt => "a TXT record: write at most 1020 bytes without control characters",
    }
}

impl fmt::Display for RecordData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => address.fmt(f),
            Self::Aaaa(address) => address.fmt(f),
            Self::Cname(name) | Self::Ptr(name) => name.fmt(f),
            Self::Mx(preference, name) => write!(f, "{preference} {name}"),
            Self::Srv {
                priority,
                weight,
                port,
                target,
            } => write!(f, "{priority} {weight} {port} {target}"),
            Self::Txt(text) => f.write_str(text),
        }
    }
}

/// Seconds that an answer may be kept: 0 to 2^31 - 1 (RFC 2181 section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ttl(u32);

impl Ttl {
    /// What is taken where nothing is said.
    pub const DEFAULT: Self = Self(300);

    /// In seconds.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Ttl {
    type Error = RecordError;

    fn try_from(seconds: u32) -> Result<Self, RecordError> {
        if seconds <= i32::MAX as u32 {
            return Ok(Self(seconds));
        }
        Err(RecordError {
            text: seconds.to_string(),
            wanted: "a TTL: use 0 to 2147483647 seconds",
        })
    }
}

/// All records of one name and type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    /// The whole name.
    pub name: DnsName,
    /// The type of every value.
    pub kind: RecordKind,
    /// How long an answer may be kept.
    pub ttl: Ttl,
    /// The values; never empty.
    pub values: Vec<RecordData>,
}

/// A domain that the resolvers of some VPCs, and nobody else, answer for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateZone {
    /// Its id.
    pub id: PrivateZoneId,
    /// The domain.
    pub domain: DnsName,
    /// The VPCs that see it.
    pub vpcs: Vec<VpcId>,
    /// Its records, in the order of name and type.
    pub records: Vec<RecordSet>,
    /// Bookkeeping.
    pub meta: Meta,
}

/// A private zone in one of its VPCs: what names it on a host. Written `hz-...@vpc-...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ZoneInVpc {
    /// The zone.
    pub zone: PrivateZoneId,
    /// The VPC.
    pub vpc: VpcId,
}

impl fmt::Display for ZoneInVpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.zone, self.vpc)
    }
}

impl FromStr for ZoneInVpc {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (zone, vpc) = text.split_once('@').unwrap_or((text, ""));
        Ok(Self {
            zone: zone.parse()?,
            vpc: vpc.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DnsName {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_lower_case_without_the_final_dot() {
        assert_eq!(name("Db.Internal.").as_str(), "db.internal");
        assert_eq!(name("*.db.internal").as_str(), "*.db.internal");
        for bad in [
            "",
            ".",
            "a..b",
            "a b",
            "a.*.b",
            "**",
            "ä.b",
            &"a".repeat(64),
        ] {
            assert!(bad.parse::<DnsName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_in_its_own_domain_and_those_above_only() {
        assert!(name("a.b.c").is_in(&name("b.c")) && name("b.c").is_in(&name("b.c")));
        assert!(!name("ab.c").is_in(&name("b.c")) && !name("c").is_in(&name("b.c")));
    }

    #[test]
    fn every_kind_reads_what_it_writes() {
        for (kind, text) in [
            ("A", "10.0.0.1"),
            ("AAAA", "fd00::1"),
            ("cname", "a.b"),
            ("MX", "10 mail.b"),
            ("PTR", "a.b"),
            ("SRV", "1 2 5432 db.b"),
            ("TXT", "v=1 and more"),
        ] {
            let kind: RecordKind = kind.parse().unwrap();
            let data = RecordData::parse(kind, text).unwrap();
            assert_eq!((data.kind(), data.to_string().as_str()), (kind, text));
            assert!(RecordData::parse(kind, "\n").is_err(), "{kind}");
        }
    }
}
