//! Security group rules as they are typed and printed: `PROTOCOL:PORTS:PEER`.

use weft_proto::v1::{IcmpMatch, PortRange, Rule, rule::Peer};

use crate::error::UsageError;

const HINT: &str = "Write PROTOCOL:PORTS:PEER, as tcp:80:0.0.0.0/0, tcp:8000-8099:sg-0..., tcp:443:pl-0..., \
                    udp::fd00::/8 (every port), icmp:8:10.0.0.0/8 (type 8), icmp:3/4:... \
                    (type/code) or all::10.0.0.0/8.";

fn error(given: &str) -> UsageError {
    UsageError {
        given: given.to_owned(),
        wanted: "a security group rule",
        hint: HINT,
    }
}

/// Parses a rule as it is typed; the controller judges the values.
pub(crate) fn parse(text: &str) -> Result<Rule, UsageError> {
    let mut parts = text.splitn(3, ':');
    let (Some(protocol), Some(ports), Some(peer)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(error(text));
    };
    let mut rule = Rule {
        protocol: protocol.to_owned(),
        ..Rule::default()
    };
    if !ports.is_empty() {
        match protocol {
            "icmp" | "icmpv6" => rule.icmp = Some(icmp(ports).ok_or_else(|| error(text))?),
            _ => rule.ports = Some(port_range(ports).ok_or_else(|| error(text))?),
        }
    }
    rule.peer = Some(match peer {
        group if group.starts_with("sg-") => Peer::Group(group.to_owned()),
        list if list.starts_with("pl-") => Peer::PrefixList(list.to_owned()),
        cidr => Peer::Cidr(cidr.to_owned()),
    });
    Ok(rule)
}

fn port_range(text: &str) -> Option<PortRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(PortRange {
        first: first.parse().ok()?,
        last: last.parse().ok()?,
    })
}

fn icmp(text: &str) -> Option<IcmpMatch> {
    let (kind, code) = match text.split_once('/') {
        Some((kind, code)) => (kind, Some(code.parse().ok()?)),
        None => (text, None),
    };
    Some(IcmpMatch {
        r#type: kind.parse().ok()?,
        code,
    })
}

/// The rule as it is typed.
pub(crate) fn text(rule: &Rule) -> String {
    let what = match (&rule.ports, &rule.icmp) {
        (Some(ports), _) if ports.first == ports.last => ports.first.to_string(),
        (Some(ports), _) => format!("{}-{}", ports.first, ports.last),
        (None, Some(icmp)) => match icmp.code {
            Some(code) => format!("{}/{code}", icmp.r#type),
            None => icmp.r#type.to_string(),
        },
        (None, None) => String::new(),
    };
    let peer = match &rule.peer {
        Some(Peer::Cidr(peer) | Peer::Group(peer) | Peer::PrefixList(peer)) => peer.as_str(),
        None => "-",
    };
    format!("{}:{what}:{peer}", rule.protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_prints_as_it_is_typed() {
        for typed in [
            "tcp:80:0.0.0.0/0",
            "tcp:8000-8099:sg-00000000000000001",
            "tcp:443:pl-00000000000000001",
            "udp::fd00::/8",
            "icmp:8:10.0.0.0/8",
            "icmpv6:1/4:::/0",
            "all::::/0",
        ] {
            assert_eq!(text(&parse(typed).unwrap()), typed);
        }
    }

    #[test]
    fn a_rule_that_lacks_a_part_says_how_to_write_one() {
        for typed in [
            "",
            "tcp",
            "tcp:80",
            "tcp:x:10.0.0.0/8",
            "icmp:8/:10.0.0.0/8",
        ] {
            let error = parse(typed).unwrap_err().to_string();
            assert!(error.contains("PROTOCOL:PORTS:PEER"), "{error}");
        }
    }
}
