//! What the judge knows of connections, and what follows from it for a packet.

use std::net::IpAddr;

use weft_packet::{headers::Ip, icmp};

use super::{
    Case, FRAGMENTS, Judge, Judged, Refusal,
    connection::{self, Connection, Ends, Mask, Name, asks, is_answer},
    policy::{Direction, Traffic, allows, holder, is_untracked},
};

/// Connections and rules.
impl Judge {
    pub(super) fn find(&mut self, name: &Name) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|c| c.name == *name)
    }

    pub(super) fn judge(&mut self, case: &Case<'_>) -> Result<Judged, Refusal> {
        let Some(name) = case.name() else {
            return self.judge_alone(case);
        };
        let with = case.with();
        // The address is another's now: the connection died with the interface that had it.
        self.connections
            .retain(|c| c.name != name || c.with == with);
        let Some(connection) = self.find(&name) else {
            return self.begin(case, name);
        };
        if case.direction == Direction::In && connection.mask.is_some() && !case.masked {
            // On the wire its packets look otherwise, so this one begins something, and can't.
            case.check_rules()?;
            let taken = Refusal::because("translation_taken", case.at.id);
            return if is_answer(case.ip) {
                Ok(Judged::Alone)
            } else {
                Err(taken)
            };
        }
        if case.flags().is_some_and(asks) {
            case.check_rules()?;
            if !connection.is_same_handshake(case.direction) {
                let tracked = case.is_tracked() || connection.mask.is_some();
                connection.begin(case.direction, tracked, case.flags());
            }
            return Ok(Judged::Part(name));
        }
        if connection.tracked {
            return Ok(Judged::Part(name));
        }
        judge_untracked(case, connection)
    }

    pub(super) fn begin(&mut self, case: &Case<'_>, name: Name) -> Result<Judged, Refusal> {
        case.check_rules()?;
        if is_answer(case.ip) {
            return Ok(Judged::Alone);
        }
        let mut connection = Connection {
            name,
            began: case.direction,
            tracked: true,
            stopped: false,
            replied: false,
            tcp: None,
            with: case.with(),
            last: case.now,
            mask: None,
            picked: false,
            idle: None,
        };
        connection.begin(case.direction, case.is_tracked(), case.flags());
        self.connections.push(connection);
        Ok(Judged::Part(name))
    }

    /// What belongs to no connection needs a rule, unless it is an error about one.
    fn judge_alone(&mut self, case: &Case<'_>) -> Result<Judged, Refusal> {
        if !self.is_about_connection(case) {
            case.check_rules()?;
        }
        Ok(Judged::Alone)
    }

    pub(super) fn is_about_connection(&self, case: &Case<'_>) -> bool {
        self.related(case).is_some()
    }

    /// The connection that an error is about, if it is about one that lets it pass.
    pub(super) fn related(&self, case: &Case<'_>) -> Option<&Connection> {
        let ends = quoted(case.frame, case.ip)?;
        let name = ends.name(case.at.id, case.direction.other())?;
        let held = holder(case.cloud, case.at, other_end(&ends, case)).map(|i| i.id);
        let found = self.connections.iter().find(|c| c.name == name);
        found.filter(|c| c.tracked && c.with == held)
    }

    pub(super) fn passed(&mut self, case: &Case<'_>, judged: &Judged) {
        if let Judged::Part(name) = judged
            && let Some(connection) = self.find(name)
        {
            connection.pass(case.now, case.direction, case.flags());
        }
    }

    pub(super) fn passed_first(&mut self, case: &Case<'_>) {
        let Some(first) = case.first() else {
            return;
        };
        let masked = case.name().and_then(|name| {
            let mask = self.find(&name)?.mask?;
            Some((name, mask))
        });
        let mut firsts = self.firsts.iter_mut();
        match firsts.find(|(known, ..)| *known == first) {
            // Identifications come again: the newest datagram counts.
            Some(known) => known.2 = masked,
            None => self.firsts.push((first, case.now + FRAGMENTS, masked)),
        }
    }

    /// How the connection of the first one looks on the wire, where that is otherwise.
    pub(super) fn follow(&self, case: &Case<'_>) -> Result<Option<(Name, Mask)>, Refusal> {
        let first = case.first();
        let mut firsts = self.firsts.iter();
        let found = firsts.find(|(known, ..)| Some(*known) == first);
        found
            .map(|(.., masked)| *masked)
            .ok_or_else(|| Refusal::bare("fragment_orphan"))
    }
}

/// The ends of the packet that an error quotes, if it went to whom the error goes.
pub(super) fn quoted(frame: &[u8], ip: &Ip) -> Option<Ends> {
    let quote = icmp::embedded(frame, ip).ok()?;
    let later = quote.fragment.is_some_and(|f| f.offset > 0);
    if later || quote.src != ip.dst {
        return None;
    }
    let bytes = &frame[quote.l4..];
    let is_icmp = quote.protocol == if quote.src.is_ipv4() { 1 } else { 58 };
    let id = u16::from_be_bytes([bytes[4], bytes[5]]);
    Some(Ends {
        src: quote.src,
        dst: quote.dst,
        protocol: quote.protocol,
        ports: quote.ports,
        icmp: is_icmp.then_some((bytes[0], bytes[1], echo_id(bytes[0], id))),
    })
}

/// An untracked connection goes by the rules of the day, as its first packet would.
fn judge_untracked(case: &Case<'_>, connection: &mut Connection) -> Result<Judged, Refusal> {
    let name = connection.name;
    let (began, remote) = (connection.began, name.remote);
    let connection::Kind::Ports {
        local,
        remote: there,
    } = name.kind
    else {
        panic!("only TCP and UDP are untracked: {connection:?}");
    };
    let port = match began {
        Direction::Out => there,
        Direction::In => local,
    };
    let traffic = match name.protocol {
        6 => Traffic::Tcp(port),
        _ => Traffic::Udp(port),
    };
    if allows(case.cloud, case.at, began, remote, traffic) {
        connection.stopped = false;
        connection.tracked = !is_untracked(case.cloud, case.at, began, remote, traffic);
        return Ok(Judged::Part(name));
    }
    connection.stopped = true;
    connection.last = case.now;
    if began == case.direction {
        return Err(case.denied());
    }
    // The other way may have a rule of its own, and opens nothing back.
    case.check_rules()?;
    Ok(Judged::Alone)
}

/// Only echoes have an identifier that counts.
fn echo_id(kind: u8, id: u16) -> u16 {
    if [0, 8, 128, 129].contains(&kind) {
        id
    } else {
        0
    }
}

fn other_end(ends: &Ends, case: &Case<'_>) -> IpAddr {
    match case.direction {
        Direction::In => ends.dst,
        Direction::Out => ends.src,
    }
}
