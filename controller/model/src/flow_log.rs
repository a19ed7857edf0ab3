//! Flow logs: which interfaces' traffic is written down, and how a line looks.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    id::{FlowLogId, InterfaceId, SubnetId, VpcId},
    meta::Meta,
    name::RegionName,
};

/// Whose interfaces a flow log is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogScope {
    /// Every interface of a VPC.
    Vpc(VpcId),
    /// Every interface of a subnet.
    Subnet(SubnetId),
    /// One interface.
    Interface(InterfaceId),
}

impl fmt::Display for LogScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vpc(id) => id.fmt(f),
            Self::Subnet(id) => id.fmt(f),
            Self::Interface(id) => id.fmt(f),
        }
    }
}

/// Why a text names nothing that a flow log can be about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no id of a VPC (vpc-0...), a subnet (subnet-0...) or an interface (eni-0...)")]
pub struct LogScopeError(String);

impl FromStr for LogScope {
    type Err = LogScopeError;

    fn from_str(text: &str) -> Result<Self, LogScopeError> {
        let vpc = text.parse().map(Self::Vpc).ok();
        vpc.or_else(|| text.parse().map(Self::Subnet).ok())
            .or_else(|| text.parse().map(Self::Interface).ok())
            .ok_or_else(|| LogScopeError(crate::id::excerpt(text)))
    }
}

/// Which traffic is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LogTraffic {
    /// What passed.
    Accept,
    /// What was dropped.
    Reject,
    /// Both.
    All,
}

impl LogTraffic {
    /// Whether traffic that passed (`accepted`), or was dropped, is logged.
    pub const fn includes(self, accepted: bool) -> bool {
        match self {
            Self::Accept => accepted,
            Self::Reject => !accepted,
            Self::All => true,
        }
    }
}

impl fmt::Display for LogTraffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accept => "ACCEPT",
            Self::Reject => "REJECT",
            Self::All => "ALL",
        })
    }
}

/// Why a text is no traffic type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not ACCEPT, REJECT or ALL")]
pub struct LogTrafficError;

impl FromStr for LogTraffic {
    type Err = LogTrafficError;

    fn from_str(text: &str) -> Result<Self, LogTrafficError> {
        match text.to_ascii_uppercase().as_str() {
            "ACCEPT" => Ok(Self::Accept),
            "REJECT" => Ok(Self::Reject),
            "ALL" => Ok(Self::All),
            _ => Err(LogTrafficError),
        }
    }
}

/// How long a record gathers packets at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogInterval {
    /// 60 seconds.
    Minute,
    /// 600 seconds.
    TenMinutes,
}

impl LogInterval {
    /// Its length in seconds.
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Minute => 60,
            Self::TenMinutes => 600,
        }
    }
}

/// Why a number is no aggregation interval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is neither 60 nor 600 seconds")]
pub struct LogIntervalError;

impl TryFrom<u32> for LogInterval {
    type Error = LogIntervalError;

    fn try_from(seconds: u32) -> Result<Self, LogIntervalError> {
        match seconds {
            60 => Ok(Self::Minute),
            600 => Ok(Self::TenMinutes),
            _ => Err(LogIntervalError),
        }
    }
}

/// Who pays for what is logged: 12 digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

impl AccountId {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for AccountId {
    fn default() -> Self {
        Self("000000000001".to_owned())
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a text is no account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an account id is 12 digits")]
pub struct AccountIdError;

impl FromStr for AccountId {
    type Err = AccountIdError;

    fn from_str(text: &str) -> Result<Self, AccountIdError> {
        let digits = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| Self(text.to_owned())).ok_or(AccountIdError)
    }
}

impl TryFrom<String> for AccountId {
    type Error = AccountIdError;

    fn try_from(text: String) -> Result<Self, AccountIdError> {
        text.parse()
    }
}

impl From<AccountId> for String {
    fn from(account: AccountId) -> Self {
        account.0
    }
}

macro_rules! fields {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// A field of a record.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum LogField { $($(#[doc = $doc])* $variant,)* }

        impl LogField {
            /// Every field.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in a format.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

fields! {
    /// Of the record's format: 2, or the newest version whose fields are used.
    Version = "version",
    /// The account.
    AccountId = "account-id",
    /// The interface.
    InterfaceId = "interface-id",
    /// Who sent.
    SrcAddr = "srcaddr",
    /// Who was sent to.
    DstAddr = "dstaddr",
    /// The sender's port, 0 where the protocol has none.
    SrcPort = "srcport",
    /// The receiver's port.
    DstPort = "dstport",
    /// The protocol's number.
    Protocol = "protocol",
    /// Packets.
    Packets = "packets",
    /// Their bytes.
    Bytes = "bytes",
    /// When the first came, in Unix seconds.
    Start = "start",
    /// When the last came, in Unix seconds.
    End = "end",
    /// `ACCEPT` or `REJECT`.
    Action = "action",
    /// `OK`, `NODATA` or `SKIPDATA`.
    LogStatus = "log-status",
    /// The VPC.
    VpcId = "vpc-id",
    /// The subnet.
    SubnetId = "subnet-id",
    /// What the interface is plugged into: the namespace.
    InstanceId = "instance-id",
    /// FIN 1, SYN 2, RST 4, SYN-ACK 18; the union over the record.
    TcpFlags = "tcp-flags",
    /// `IPv4` or `IPv6`.
    Type = "type",
    /// The packet's own source.
    PktSrcAddr = "pkt-srcaddr",
    /// The packet's own destination.
    PktDstAddr = "pkt-dstaddr",
    /// The region.
    Region = "region",
    /// The zone.
    AzId = "az-id",
    /// `ingress` or `egress`, as the interface sees it.
    FlowDirection = "flow-direction",
    /// What carries outgoing traffic away.
    TrafficPath = "traffic-path",
    /// Why it was dropped: the drop's code.
    RejectReason = "reject-reason",
}

/// The fields of a line, in order; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogFormat(Vec<LogField>);

impl LogFormat {
    /// Fields of one format at most: each could be there twice.
    pub const MOST: usize = 2 * LogField::ALL.len();

    /// The fields in order.
    pub fn fields(&self) -> &[LogField] {
        &self.0
    }
}

impl Default for LogFormat {
    /// Version 2's fields, which are the first of all, in their order.
    fn default() -> Self {
        Self(LogField::ALL[..14].to_vec())
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, field) in self.0.iter().enumerate() {
            let space = if n == 0 { "" } else { " " };
            write!(f, "{space}${{{}}}", field.text())?;
        }
        Ok(())
    }
}

/// Why a text is no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogFormatError {
    /// There is no such field.
    #[error("there is no field `{0}`: use {names}", names = names())]
    Unknown(String),
    /// No field at all.
    #[error("a format has at least one field")]
    Empty,
    /// More than make sense.
    #[error("a format has at most {} fields", LogFormat::MOST)]
    TooMany,
}

fn names() -> String {
    let names: Vec<&str> = LogField::ALL.iter().map(|field| field.text()).collect();
    names.join(", ")
}

impl FromStr for LogFormat {
    type Err = LogFormatError;

    /// `${version} ${srcaddr}` as in AWS, or the names alone.
    fn from_str(text: &str) -> Result<Self, LogFormatError> {
        let named = |word: &str| {
            let inner = word.strip_prefix("${").and_then(|w| w.strip_suffix('}'));
            let name = inner.unwrap_or(word);
            let found = LogField::ALL.iter().find(|field| field.text() == name);
            found
                .copied()
                .ok_or_else(|| LogFormatError::Unknown(crate::id::excerpt(word)))
        };
        let words = text.split([' ', ',']).filter(|word| !word.is_empty());
        let fields: Vec<_> = words
            .take(Self::MOST + 1)
            .map(named)
            .collect::<Result<_, _>>()?;
        match fields.len() {
            0 => Err(LogFormatError::Empty),
            n if n > Self::MOST => Err(LogFormatError::TooMany),
            _ => Ok(Self(fields)),
        }
    }
}

impl TryFrom<String> for LogFormat {
    type Error = LogFormatError;

    fn try_from(text: String) -> Result<Self, LogFormatError> {
        text.parse()
    }
}

impl From<LogFormat> for String {
    fn from(format: LogFormat) -> Self {
        format.to_string()
    }
}

/// What is written down of some interfaces' traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLog {
    /// Its id.
    pub id: FlowLogId,
    /// The VPC of what it is about.
    pub vpc: VpcId,
    /// That VPC's region.
    pub region: RegionName,
    /// Whose it is.
    pub account: AccountId,
    /// Whose interfaces.
    pub scope: LogScope,
    /// Which traffic.
    pub traffic: LogTraffic,
    /// How long a record gathers.
    pub interval: LogInterval,
    /// How a line looks.
    pub format: LogFormat,
    /// Bookkeeping.
    pub meta: Meta,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_format_is_version_2_in_its_order() {
        let wanted = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} \
                      ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} \
                      ${log-status}";
        assert_eq!(LogFormat::default().to_string(), wanted);
        assert_eq!(wanted.parse(), Ok(LogFormat::default()));
    }

    #[test]
    fn an_unknown_field_is_named_with_those_that_there_are() {
        let error = "${srcaddr} ${color}".parse::<LogFormat>().unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("${color}") && text.contains("reject-reason"),
            "{text}"
        );
        assert_eq!(" ".parse::<LogFormat>(), Err(LogFormatError::Empty));
        let long = "version ".repeat(LogFormat::MOST + 1);
        assert_eq!(long.parse::<LogFormat>(), Err(LogFormatError::TooMany));
    }

    #[test]
    fn a_scope_is_known_by_its_prefix() {
        let interface = InterfaceId::from_bits(7);
        let scope = LogScope::Interface(interface);
        assert_eq!(scope.to_string().parse(), Ok(scope));
        assert!("sg-00000000000000001".parse::<LogScope>().is_err());
    }

    #[test]
    fn an_account_is_twelve_digits() {
        assert!("123456789012".parse::<AccountId>().is_ok());
        for wrong in ["12345678901", "1234567890123", "12345678901a", ""] {
            assert!(wrong.parse::<AccountId>().is_err(), "{wrong}");
        }
    }
}
