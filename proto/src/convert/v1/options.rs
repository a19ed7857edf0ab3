//! What an interface is given beside addresses and policy, both ways.

use std::fmt::Display;

use weft_model::{IdleTimeouts, MetadataOptions, RateLimits, UserData};

use super::{Fields, Reported, wire};

impl From<&RateLimits> for wire::RateLimits {
    fn from(limits: &RateLimits) -> Self {
        Self {
            ingress_bits: limits.ingress_bits.map(|n| n.get()),
            egress_bits: limits.egress_bits.map(|n| n.get()),
            ingress_packets: limits.ingress_packets.map(|n| n.get()),
            egress_packets: limits.egress_packets.map(|n| n.get()),
            new_connections: limits.new_connections.map(|n| n.get()),
            connections: limits.connections.map(|n| n.get()),
        }
    }
}

impl From<&IdleTimeouts> for wire::IdleTimeouts {
    fn from(timeouts: &IdleTimeouts) -> Self {
        Self {
            tcp_established: timeouts.tcp_established.map(|n| n.get()),
            udp_one_way: timeouts.udp_one_way.map(|n| n.get()),
            udp_stream: timeouts.udp_stream.map(|n| n.get()),
        }
    }
}

impl From<&MetadataOptions> for wire::MetadataOptions {
    fn from(options: &MetadataOptions) -> Self {
        Self {
            disabled: !options.enabled,
            tokens_optional: !options.tokens_required,
            hop_limit: options.hop_limit.get().into(),
        }
    }
}

/// A number that may be absent, in its range.
fn number<T: TryFrom<u64, Error: Display>>(
    fields: &mut Fields,
    field: &str,
    given: Option<impl Into<u64>>,
) -> Result<Option<T>, Reported> {
    let number = given.map(|number| T::try_from(number.into()));
    number
        .transpose()
        .map_err(|error| fields.refuse(field, error))
}

/// Reads limits; absent is none.
///
/// # Errors
/// When a field is at fault; `fields` says which.
pub fn read_limits(
    fields: &mut Fields,
    limits: Option<&wire::RateLimits>,
) -> Result<RateLimits, Reported> {
    let Some(limits) = limits else {
        return Ok(RateLimits::default());
    };
    fields.within("limits", |fields| {
        let ingress_bits = number(fields, "ingress_bits", limits.ingress_bits);
        let egress_bits = number(fields, "egress_bits", limits.egress_bits);
        let ingress_packets = number(fields, "ingress_packets", limits.ingress_packets);
        let egress_packets = number(fields, "egress_packets", limits.egress_packets);
        let new_connections = number(fields, "new_connections", limits.new_connections);
        let connections = number(fields, "connections", limits.connections);
        Ok(RateLimits {
            ingress_bits: ingress_bits?,
            egress_bits: egress_bits?,
            ingress_packets: ingress_packets?,
            egress_packets: egress_packets?,
            new_connections: new_connections?,
            connections: connections?,
        })
    })
}

/// Reads timeouts; absent is the default.
///
/// # Errors
/// When a field is at fault; `fields` says which.
pub fn read_timeouts(
    fields: &mut Fields,
    timeouts: Option<&wire::IdleTimeouts>,
) -> Result<IdleTimeouts, Reported> {
    let Some(timeouts) = timeouts else {
        return Ok(IdleTimeouts::default());
    };
    fields.within("timeouts", |fields| {
        let tcp_established = number(fields, "tcp_established", timeouts.tcp_established);
        let udp_one_way = number(fields, "udp_one_way", timeouts.udp_one_way);
        let udp_stream = number(fields, "udp_stream", timeouts.udp_stream);
        Ok(IdleTimeouts {
            tcp_established: tcp_established?,
            udp_one_way: udp_one_way?,
            udp_stream: udp_stream?,
        })
    })
}

/// Reads how the metadata service answers; absent is the default.
///
/// # Errors
/// When a field is at fault; `fields` says which.
pub fn read_metadata(
    fields: &mut Fields,
    options: Option<&wire::MetadataOptions>,
) -> Result<MetadataOptions, Reported> {
    let Some(options) = options else {
        return Ok(MetadataOptions::default());
    };
    fields.within("metadata", |fields| {
        let given = (options.hop_limit != 0).then_some(options.hop_limit);
        let hop_limit = number(fields, "hop_limit", given)?;
        Ok(MetadataOptions {
            enabled: !options.disabled,
            tokens_required: !options.tokens_optional,
            hop_limit: hop_limit.unwrap_or(MetadataOptions::default().hop_limit),
        })
    })
}

/// Reads user data.
///
/// # Errors
/// When there is too much of it.
pub fn read_user_data(fields: &mut Fields, bytes: &[u8]) -> Result<UserData, Reported> {
    let data = UserData::try_from(bytes.to_vec());
    data.map_err(|error| fields.refuse("user_data", error))
}
