//! The VPC's resolver: names of interfaces, private zones and reverse names, answered from the
//! configuration; what else there is, a resolver outside is asked, where the VPC names one.

mod exchange;
mod forward;
mod lookup;
mod records;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use hickory_proto::{
    op::{Edns, Message, MessageType, Metadata, OpCode, ResponseCode},
    rr::{DNSClass, Record},
};

pub use self::exchange::{Attempt, Desk, Exchange, Heard};
pub(crate) use self::lookup::{domain, label_of};
use self::{forward::Elsewhere, lookup::Found};
use crate::config::VpcConfig;

/// Bytes of an answer over UDP to who doesn't say what fits (RFC 1035 section 2.3.4).
const LEAST: u16 = 512;
/// Bytes of any answer over UDP: fits the least MTU of IPv6 with its headers.
const MOST: u16 = 1232;
/// Bytes of a message's header.
const HEADER: usize = 12;

/// How a query came, which bounds its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// As a datagram.
    Udp,
    /// In a connection.
    Tcp,
}

/// What becomes of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This message goes back.
    Answer(Vec<u8>),
    /// It is for one of these resolvers outside.
    Forward(Vec<IpAddr>),
    /// It is no query.
    Nothing,
}

/// Answers a query of a port in the VPC.
pub(crate) fn answer(vpc: &VpcConfig, query: &[u8], transport: Transport) -> Outcome {
    let query = match read(query) {
        Ok(query) => query,
        Err(answer) => return answer,
    };
    let [question] = query.queries.as_slice() else {
        return refusal(&query, ResponseCode::FormErr);
    };
    if question.query_class() != DNSClass::IN {
        return refusal(&query, ResponseCode::Refused);
    }
    let found = match lookup::find(vpc, question.name(), question.query_type()) {
        Some(found) => found,
        None => match forward::find(vpc, question.name(), question.query_type()) {
            Elsewhere::Ask(servers) => return Outcome::Forward(servers.to_vec()),
            Elsewhere::Private => return refusal(&query, ResponseCode::NXDomain),
            Elsewhere::Nobody => return refusal(&query, ResponseCode::Refused),
        },
    };
    let mut answer = reply(&query);
    answer.metadata.recursion_available = true;
    fill(&mut answer, found);
    encode(&answer, limit(&query, transport))
}

/// What it looks like that no resolver outside answers.
pub(crate) fn failure(query: &[u8]) -> Outcome {
    match read(query) {
        Ok(query) => refusal(&query, ResponseCode::ServFail),
        Err(answer) => answer,
    }
}

/// A query with one question, or what to say of what isn't.
fn read(bytes: &[u8]) -> Result<Message, Outcome> {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Err(Outcome::Nothing);
    };
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let id = count(0);
    if header[2] & 0x80 != 0 {
        return Err(Outcome::Nothing);
    }
    let broken = |code| {
        let op_code = OpCode::from_u8(header[2] >> 3 & 0xf);
        let message = Message::error_msg(id, op_code, code);
        encode(&message, MOST)
    };
    if header[2] >> 3 & 0xf != 0 {
        return Err(broken(ResponseCode::NotImp));
    }
    // Looked at before anything is allocated for what they announce.
    if count(4) != 1 || count(6) != 0 || count(8) != 0 || count(10) > 2 {
        return Err(broken(ResponseCode::FormErr));
    }
    let message = Message::from_vec(bytes).map_err(|_| broken(ResponseCode::FormErr))?;
    match &message.edns {
        Some(edns) if edns.version() != 0 => Err(refusal(&message, ResponseCode::BADVERS)),
        _ => Ok(message),
    }
}

/// The frame of an answer.
fn reply(query: &Message) -> Message {
    let mut answer = Message::new(0, MessageType::Response, OpCode::Query);
    answer.metadata = Metadata::response_from_request(&query.metadata);
    answer.add_queries(query.queries.iter().cloned());
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(MOST);
        answer.set_edns(edns);
    }
    answer
}

fn refusal(query: &Message, code: ResponseCode) -> Outcome {
    let mut answer = reply(query);
    answer.metadata.response_code = code;
    encode(&answer, MOST)
}

fn fill(answer: &mut Message, found: Found) {
    answer.metadata.authoritative = true;
    if !found.exists {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    answer.add_answers(found.answers);
    answer.add_authorities(found.authority.into_iter().map(|soa: Record| soa));
}

fn limit(query: &Message, transport: Transport) -> u16 {
    match (transport, &query.edns) {
        (Transport::Tcp, _) => u16::MAX,
        (Transport::Udp, Some(edns)) => edns.max_payload().clamp(LEAST, MOST),
        (Transport::Udp, None) => LEAST,
    }
}

/// The message, or one that says that it doesn't fit: the client then asks over TCP.
fn encode(message: &Message, limit: u16) -> Outcome {
    let whole = message.to_vec();
    let fits = |bytes: &Vec<u8>| bytes.len() <= usize::from(limit);
    match whole {
        Ok(bytes) if fits(&bytes) => Outcome::Answer(bytes),
        _ => message
            .truncate()
            .to_vec()
            .map_or(Outcome::Nothing, Outcome::Answer),
    }
}
