//! What an interface is given beside addresses and policy, as arguments.

use std::path::PathBuf;

use clap::Args;
use weft_proto::v1::{IdleTimeouts, Interface, MetadataOptions, RateLimits};

use crate::error::{CliError, UsageError};

/// Limits, timeouts and metadata of an interface.
#[derive(Debug, Args)]
pub(crate) struct OptionArgs {
    /// A limit: ingress-bits, egress-bits, ingress-packets, egress-packets, new-connections (all
    /// per second) or connections; `none` takes it away.
    #[arg(long = "limit", value_name = "WHAT=NUMBER|none")]
    limits: Vec<String>,
    /// Seconds that idle connections are remembered: tcp-established, udp-one-way or udp-stream;
    /// `none` is the default again.
    #[arg(long = "timeout", value_name = "WHAT=SECONDS|none")]
    timeouts: Vec<String>,
    /// A file that the workload reads from the metadata service; at most 16 KiB.
    #[arg(long, value_name = "FILE")]
    user_data: Option<PathBuf>,
    /// Whether the metadata service answers, and whether it wants tokens.
    #[arg(long, value_name = "MODE", value_parser = ["required", "optional", "off"])]
    metadata: Option<String>,
    /// Hops that an answer of the metadata service lives, 1 to 64.
    #[arg(long, value_name = "HOPS")]
    metadata_hop_limit: Option<u32>,
}

/// What was given of them.
#[derive(Debug)]
pub(crate) struct Given {
    limits: Vec<(String, Option<u64>)>,
    timeouts: Vec<(String, Option<u64>)>,
    user_data: Option<Vec<u8>>,
    metadata: Option<String>,
    hop_limit: Option<u32>,
}

impl OptionArgs {
    /// Reads them, and the file.
    pub(crate) fn given(self) -> Result<Given, CliError> {
        let limits = self.limits.iter().map(|text| setting(text, &LIMITS));
        let timeouts = self.timeouts.iter().map(|text| setting(text, &TIMEOUTS));
        let user_data = self.user_data.map(|path| {
            std::fs::read(&path).map_err(|error| UsageError {
                given: path.display().to_string(),
                wanted: "a file that can be read",
                hint: reason(error.kind()),
            })
        });
        Ok(Given {
            limits: limits.collect::<Result<_, _>>()?,
            timeouts: timeouts.collect::<Result<_, _>>()?,
            user_data: user_data.transpose()?,
            metadata: self.metadata,
            hop_limit: self.metadata_hop_limit,
        })
    }
}

fn reason(kind: std::io::ErrorKind) -> &'static str {
    match kind {
        std::io::ErrorKind::NotFound => "There is no such file.",
        std::io::ErrorKind::PermissionDenied => "This user may not read it.",
        _ => "Is it a file?",
    }
}

const LIMITS: [&str; 6] = [
    "ingress-bits",
    "egress-bits",
    "ingress-packets",
    "egress-packets",
    "new-connections",
    "connections",
];
const TIMEOUTS: [&str; 3] = ["tcp-established", "udp-one-way", "udp-stream"];

/// `WHAT=NUMBER`, or `WHAT=none`.
fn setting(text: &str, known: &[&str]) -> Result<(String, Option<u64>), UsageError> {
    let wrong = || UsageError {
        given: text.to_owned(),
        wanted: "a setting",
        hint: "Write WHAT=NUMBER or WHAT=none; --help lists what there is.",
    };
    let (what, value) = text.split_once('=').ok_or_else(wrong)?;
    if !known.contains(&what) {
        return Err(wrong());
    }
    let number = match value {
        "none" => None,
        digits => Some(digits.parse().map_err(|_| wrong())?),
    };
    Ok((what.to_owned(), number))
}

/// A number that the wire carries narrower: one that doesn't fit is out of any range there too.
fn narrow(number: Option<u64>) -> Option<u32> {
    number.map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

impl Given {
    /// The fields that they change.
    pub(crate) fn fields(&self) -> [(&'static str, bool); 4] {
        [
            ("limits", !self.limits.is_empty()),
            ("timeouts", !self.timeouts.is_empty()),
            ("user_data", self.user_data.is_some()),
            ("metadata", self.changes_metadata()),
        ]
    }

    const fn changes_metadata(&self) -> bool {
        self.metadata.is_some() || self.hop_limit.is_some()
    }

    /// Whether they change parts of a field.
    pub(crate) fn is_partial(&self) -> bool {
        !self.limits.is_empty() || !self.timeouts.is_empty() || self.changes_metadata()
    }

    /// The interface with them.
    pub(crate) fn apply(self, mut interface: Interface) -> Interface {
        if self.changes_metadata() {
            let metadata = interface.metadata.get_or_insert_default();
            self.set_metadata(metadata);
        }
        for (what, number) in &self.limits {
            set_limit(interface.limits.get_or_insert_default(), what, *number);
        }
        for (what, number) in &self.timeouts {
            set_timeout(interface.timeouts.get_or_insert_default(), what, *number);
        }
        interface.user_data = self.user_data.unwrap_or(interface.user_data);
        interface
    }

    fn set_metadata(&self, metadata: &mut MetadataOptions) {
        if let Some(mode) = &self.metadata {
            metadata.disabled = mode == "off";
            metadata.tokens_optional = mode == "optional";
        }
        metadata.hop_limit = self.hop_limit.unwrap_or(metadata.hop_limit);
    }
}

fn set_limit(limits: &mut RateLimits, what: &str, number: Option<u64>) {
    match what {
        "ingress-bits" => limits.ingress_bits = number,
        "egress-bits" => limits.egress_bits = number,
        "ingress-packets" => limits.ingress_packets = narrow(number),
        "egress-packets" => limits.egress_packets = narrow(number),
        "new-connections" => limits.new_connections = narrow(number),
        _ => limits.connections = narrow(number),
    }
}

fn set_timeout(timeouts: &mut IdleTimeouts, what: &str, number: Option<u64>) {
    match what {
        "tcp-established" => timeouts.tcp_established = narrow(number),
        "udp-one-way" => timeouts.udp_one_way = narrow(number),
        _ => timeouts.udp_stream = narrow(number),
    }
}
