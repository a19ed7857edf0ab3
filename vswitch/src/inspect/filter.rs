//! Filters as they are asked for.

use std::{fmt::Display, str::FromStr};

use tonic::Status;
use weft_datapath::WatchFilter;
use weft_model::Prefix;
use weft_proto::host::v1 as wire;

/// Reads a filter.
///
/// # Errors
/// When a part of it is not of its form.
pub(super) fn read(filter: Option<&wire::WatchFilter>) -> Result<WatchFilter, Status> {
    let Some(filter) = filter else {
        return Ok(WatchFilter::default());
    };
    Ok(WatchFilter {
        interface: part("interface", &filter.interface)?,
        protocol: part("protocol", &filter.protocol)?,
        port: match filter.port {
            0 => None,
            port => Some(u16::try_from(port).map_err(|_| wrong("port", "is over 65535"))?),
        },
        prefix: prefix(&filter.prefix)?,
        dropped: match filter.verdict.as_str() {
            "" => None,
            "forwarded" => Some(false),
            "dropped" => Some(true),
            _ => return Err(wrong("verdict", "is neither `forwarded` nor `dropped`")),
        },
    })
}

fn part<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<Option<T>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| wrong(field, error))
}

/// A prefix, or an address as the prefix of it alone.
fn prefix(text: &str) -> Result<Option<Prefix>, Status> {
    match text.parse::<std::net::IpAddr>() {
        Ok(address) => {
            let length = if address.is_ipv4() { 32 } else { 128 };
            part("prefix", &format!("{address}/{length}"))
        }
        Err(_) => part("prefix", text),
    }
}

pub(super) fn wrong(field: &str, reason: impl Display) -> Status {
    Status::invalid_argument(format!("{field} {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_prefix_of_itself() {
        let filter = wire::WatchFilter {
            prefix: "10.0.0.7".into(),
            verdict: "dropped".into(),
            ..Default::default()
        };
        let read = read(Some(&filter)).unwrap();
        assert_eq!(read.prefix, Some("10.0.0.7/32".parse().unwrap()));
        assert_eq!(read.dropped, Some(true));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let filter = wire::WatchFilter {
            port: 70_000,
            ..Default::default()
        };
        let error = read(Some(&filter)).unwrap_err();
        assert!(error.message().contains("port"), "{error}");
    }
}
