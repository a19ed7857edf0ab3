//! Whether a lab's controller and vswitches tell Prometheus what they count.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    read::{Fields, Reader},
    yaml::Kind,
};

/// The port where metrics are, on the controller's and on every host's underlay address.
pub const METRICS_PORT: u16 = 9400;

/// What is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricsSpec {
    /// Interfaces of each host that are told of one by one.
    pub interfaces: u16,
}

/// How many interfaces, at most 10000: what a vswitch takes.
struct Interfaces(u16);

/// Not a number of interfaces.
#[derive(Debug, thiserror::Error)]
#[error("a number up to {} is wanted", Interfaces::MOST)]
struct InterfacesError;

impl Interfaces {
    const MOST: u16 = 10_000;
}

impl FromStr for Interfaces {
    type Err = InterfacesError;

    fn from_str(text: &str) -> Result<Self, InterfacesError> {
        match text.parse() {
            Ok(count) if count <= Self::MOST => Ok(Self(count)),
            _ => Err(InterfacesError),
        }
    }
}

/// `true`, or a mapping that says more.
pub(super) fn metrics(r: &mut Reader, fields: &Fields<'_>) -> Option<MetricsSpec> {
    let node = fields.get("metrics")?;
    if matches!(node.kind, Kind::Scalar(_)) {
        let wanted = r.flag(fields, "metrics", false);
        return wanted.then(MetricsSpec::default);
    }
    let inside = r.fields(node, fields.key_span("metrics"), "metrics", &["interfaces"]);
    let interfaces = r.optional::<Interfaces>(&inside, "interfaces");
    Some(MetricsSpec {
        interfaces: interfaces.map_or(0, |count| count.value.0),
    })
}
