//! Names that people and kernels choose: each kind with its alphabet and length.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::id::excerpt;

/// Why a text is not a name of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}: use {rule}")]
pub struct NameError {
    /// What was given, cut to a printable length.
    pub text: String,
    /// The kind of name, in words.
    pub kind: &'static str,
    /// What such a name may be.
    pub rule: &'static str,
}

/// RFC 1123 label: what a host name, a zone and a metrics label all accept.
fn is_dns_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|&b| inner(b))
        && bytes[0] != b'-'
        && bytes[bytes.len() - 1] != b'-'
}

/// IFNAMSIZ is 16 with its NUL; the kernel refuses `/`, white space, `.` and `..` (dev_valid_name).
fn is_device(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && text != "."
        && text != ".."
}

/// A file name below the namespace directory, never a path.
fn is_netns(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && text != "."
        && text != ".."
}

/// Nothing that could end the request line that it is put in.
fn is_path(text: &str) -> bool {
    text.len() <= 1024 && text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Free text for people: printable, no control characters (they would reach terminals and logs).
fn is_label(text: &str) -> bool {
    text.chars().count() <= 256 && !text.chars().any(char::is_control)
}

/// A tag's key; those of AWS's own begin with `aws:`.
fn is_tag_key(text: &str) -> bool {
    (1..=128).contains(&text.chars().count())
        && !text.chars().any(char::is_control)
        && !text.to_ascii_lowercase().starts_with("aws:")
}

fn is_tag_value(text: &str) -> bool {
    text.chars().count() <= 256 && !text.chars().any(char::is_control)
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if $check(text) {
                    return Ok(Self(text.into()));
                }
                Err(NameError { text: excerpt(text), kind: $kind, rule: $rule })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

name!(
    /// A region.
    RegionName, "region name", is_dns_label,
    "1 to 63 lower-case letters, digits and inner dashes"
);
name!(
    /// A zone of a region.
    ZoneName, "zone name", is_dns_label,
    "1 to 63 lower-case letters, digits and inner dashes"
);
name!(
    /// A host: one machine (or namespace) that runs a vswitch.
    HostName, "host name", is_dns_label,
    "1 to 63 lower-case letters, digits and inner dashes"
);
name!(
    /// The part of an interface's domain name that is its own.
    DnsLabel, "DNS label", is_dns_label,
    "1 to 63 lower-case letters, digits and inner dashes"
);
name!(
    /// A network device inside a namespace.
    DeviceName, "device name", is_device,
    "1 to 15 letters, digits, dashes, dots and underscores"
);
name!(
    /// A network namespace below the vswitch's namespace directory.
    NetnsName, "namespace name", is_netns,
    "1 to 255 letters, digits, dashes, dots and underscores, never a path"
);
name!(
    /// Free text for people: a resource's name, description or tag.
    Label, "label", is_label,
    "at most 256 printable characters"
);
name!(
    /// A tag's key.
    TagKey, "tag key", is_tag_key,
    "1 to 128 printable characters, not beginning with `aws:`"
);
name!(
    /// A tag's value.
    TagValue, "tag value", is_tag_value,
    "at most 256 printable characters"
);

name!(
    /// What an HTTP health check asks for.
    HttpPath, "path", is_path,
    "a slash and at most 1023 visible ASCII characters after it"
);

impl HttpPath {
    /// The whole site's.
    pub fn root() -> Self {
        Self("/".into())
    }
}

impl From<TagValue> for Label {
    /// Both are free text of the same length.
    fn from(value: TagValue) -> Self {
        Self(value.0)
    }
}

impl Label {
    /// A label that the program itself writes; the caller keeps to the rule.
    pub(crate) fn fixed(text: &'static str) -> Self {
        debug_assert!(is_label(text));
        Self(text.into())
    }
}

impl DeviceName {
    /// A name that the program itself gives; the caller keeps to the rule.
    pub fn fixed(text: &'static str) -> Self {
        debug_assert!(is_device(text));
        Self(text.into())
    }
}
