//! One question to resolvers outside, without its sockets: whom to ask next and how, and what of that
//! which comes back is an answer.

use std::{net::IpAddr, time::Duration};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};

use super::{HEADER, MOST, Outcome, Transport, encode, limit, read};
use crate::{hash::Map, port::PortIndex, verdict::DnsQuestion};

/// Attempts in all, over all servers.
const ATTEMPTS: usize = 3;
/// How long one attempt waits: with three of them a client that waits for five seconds hears of it.
const PATIENCE: Duration = Duration::from_millis(1200);

/// How to ask next: a new socket for each, so that every attempt has a source port of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Whom.
    pub server: IpAddr,
    /// How.
    pub transport: Transport,
    /// What; over TCP its length goes before it.
    pub message: Vec<u8>,
    /// How long to wait.
    pub patience: Duration,
}

/// What becomes of a message from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// This goes to the client.
    Answer(Vec<u8>),
    /// It isn't the answer to what was asked: the wait goes on.
    Foreign,
    /// This server has none: on with [`Exchange::next`].
    Failure,
}

/// One question on its way.
#[derive(Debug)]
pub struct Exchange {
    query: Message,
    transport: Transport,
    servers: Vec<IpAddr>,
    made: usize,
    /// The identifier in use.
    id: u16,
    /// Whether the last answer was cut, so that the same server is asked over TCP.
    cut: Option<IpAddr>,
    over: Transport,
    /// A failure that the client is told if nobody does better.
    failure: Option<Vec<u8>>,
}

impl Exchange {
    /// `None` where the question is none.
    pub fn new(question: &DnsQuestion) -> Option<Self> {
        let query = read(&question.query).ok()?;
        let whole = query.queries.len() == 1 && !question.servers.is_empty();
        whole.then(|| Self {
            query,
            transport: question.transport,
            servers: question.servers.clone(),
            made: 0,
            id: 0,
            cut: None,
            over: Transport::Udp,
            failure: None,
        })
    }

    /// The next attempt; `None` where it is time to give up. `id` is drawn at random by the caller,
    /// so that nobody can guess it.
    pub fn next(&mut self, id: u16) -> Option<Attempt> {
        let (server, transport) = match self.cut.take() {
            Some(server) => (server, Transport::Tcp),
            None if self.made >= ATTEMPTS => return None,
            None => {
                self.made += 1;
                let at = (self.made - 1) % self.servers.len();
                (*self.servers.get(at)?, Transport::Udp)
            }
        };
        (self.id, self.over) = (id, transport);
        Some(Attempt {
            server,
            transport,
            message: self.message()?,
            patience: PATIENCE,
        })
    }

    /// What the client is told where nobody answered: what a server said of its failure, if one did.
    pub fn give_up(self) -> Option<Vec<u8>> {
        self.failure
    }

    /// Takes a message from the server that was asked last.
    pub fn hear(&mut self, bytes: &[u8]) -> Heard {
        let Some(message) = self.reply(bytes) else {
            return Heard::Foreign;
        };
        let code = message.metadata.response_code;
        if message.metadata.truncation && self.over == Transport::Udp {
            let at = (self.made.max(1) - 1) % self.servers.len();
            self.cut = self.servers.get(at).copied();
            return Heard::Failure;
        }
        let Some(answer) = self.answer(message) else {
            return Heard::Failure;
        };
        let fails = [
            ResponseCode::ServFail,
            ResponseCode::Refused,
            ResponseCode::NotImp,
            ResponseCode::FormErr,
        ];
        if fails.contains(&code) {
            self.failure = Some(answer);
            return Heard::Failure;
        }
        Heard::Answer(answer)
    }

    /// The query as it goes out: nothing of the client's but what it asks.
    fn message(&self) -> Option<Vec<u8>> {
        let mut message = Message::new(self.id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.metadata.checking_disabled = self.query.metadata.checking_disabled;
        message.add_queries(self.query.queries.iter().cloned());
        let mut edns = Edns::new();
        edns.set_max_payload(MOST);
        edns.set_dnssec_ok(self.wants_dnssec());
        message.set_edns(edns);
        message.to_vec().ok()
    }

    fn wants_dnssec(&self) -> bool {
        let edns = self.query.edns.as_ref();
        edns.is_some_and(|edns| edns.flags().dnssec_ok)
    }

    /// The message if it answers the question with the identifier in use.
    fn reply(&self, bytes: &[u8]) -> Option<Message> {
        let header = bytes.first_chunk::<HEADER>()?;
        let of = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        // Looked at before anything is allocated for it.
        if of(0) != self.id || header[2] & 0x80 == 0 || of(4) != 1 {
            return None;
        }
        let message = Message::from_vec(bytes).ok()?;
        let same = message.queries == self.query.queries;
        (same && message.metadata.op_code == OpCode::Query).then_some(message)
    }

    /// The reply as the client gets it.
    fn answer(&self, mut message: Message) -> Option<Vec<u8>> {
        message.metadata.id = self.query.metadata.id;
        message.metadata.recursion_desired = self.query.metadata.recursion_desired;
        message.metadata.recursion_available = true;
        message.metadata.authoritative = false;
        message.edns = None;
        if self.query.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(MOST);
            edns.set_dnssec_ok(self.wants_dnssec());
            message.set_edns(edns);
        }
        match encode(&message, limit(&self.query, self.transport)) {
            Outcome::Answer(bytes) => Some(bytes),
            Outcome::Forward(_) | Outcome::Nothing => None,
        }
    }
}

/// How many questions are on their way: bounded, and for each port too, so that none takes all.
#[derive(Debug, Default)]
pub struct Desk {
    ports: Map<PortIndex, usize>,
    total: usize,
}

impl Desk {
    /// Questions of one port.
    pub const PER_PORT: usize = 64;
    /// Questions of all.
    pub const TOTAL: usize = 512;

    /// Whether there is room for one more of the port, which is then taken.
    pub fn take(&mut self, port: PortIndex) -> bool {
        let own = self.ports.get(&port).copied().unwrap_or(0);
        let room = own < Self::PER_PORT && self.total < Self::TOTAL;
        if room {
            self.ports.insert(port, own + 1);
            self.total += 1;
        }
        room
    }

    /// One of the port's is over.
    pub fn give_back(&mut self, port: PortIndex) {
        if let Some(own) = self.ports.get_mut(&port) {
            *own -= 1;
            self.total -= 1;
            if *own == 0 {
                self.ports.remove(&port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::{
        op::Query,
        rr::{Name, RData, Record, RecordType, rdata::A},
    };

    use super::*;

    fn query(name: &str) -> Message {
        let mut query = Message::new(77, MessageType::Query, OpCode::Query);
        let mut name = Name::from_ascii(name).unwrap();
        name.set_fqdn(true);
        query.add_query(Query::query(name, RecordType::A));
        query
    }

    fn question(servers: &[&str]) -> DnsQuestion {
        DnsQuestion {
            port: PortIndex(1),
            client: ("10.0.0.9".parse().unwrap(), 4000),
            server: "10.0.0.2".parse().unwrap(),
            transport: Transport::Udp,
            query: query("example.org").to_vec().unwrap(),
            servers: servers.iter().map(|s| s.parse().unwrap()).collect(),
        }
    }

    fn reply(attempt: &Attempt, answers: usize, code: ResponseCode) -> Vec<u8> {
        let asked = Message::from_vec(&attempt.message).unwrap();
        let name = asked.queries[0].name().clone();
        let mut reply = Message::new(asked.metadata.id, MessageType::Response, OpCode::Query);
        reply.metadata.response_code = code;
        reply.add_queries(asked.queries);
        for n in 0..answers {
            let data = RData::A(A::new(192, 0, 2, n as u8));
            reply.add_answer(Record::from_rdata(name.clone(), 60, data));
        }
        reply.to_vec().unwrap()
    }

    #[test]
    fn the_clients_identifier_and_options_stay_here() {
        let mut exchange = Exchange::new(&question(&["192.0.2.1"])).unwrap();
        let attempt = exchange.next(4711).unwrap();
        let asked = Message::from_vec(&attempt.message).unwrap();
        assert_eq!(asked.metadata.id, 4711);
        let Heard::Answer(answer) = exchange.hear(&reply(&attempt, 1, ResponseCode::NoError))
        else {
            panic!("no answer");
        };
        let answer = Message::from_vec(&answer).unwrap();
        assert_eq!((answer.metadata.id, answer.answers.len()), (77, 1));
        assert!(answer.edns.is_none(), "the client has none");
    }

    #[test]
    fn what_answers_another_question_is_no_answer() {
        let mut exchange = Exchange::new(&question(&["192.0.2.1"])).unwrap();
        let attempt = exchange.next(5).unwrap();
        let good = reply(&attempt, 1, ResponseCode::NoError);
        let mut forged = good.clone();
        forged[1] ^= 1;
        let mut query_again = good.clone();
        query_again[2] &= 0x7f;
        let mut other = good.clone();
        other[14] ^= 1;
        for wrong in [
            &forged,
            &query_again,
            &other,
            &good[..20].to_vec(),
            &Vec::new(),
        ] {
            assert_eq!(exchange.hear(wrong), Heard::Foreign);
        }
        assert!(matches!(exchange.hear(&good), Heard::Answer(_)));
    }

    #[test]
    fn servers_are_asked_in_turn_until_one_answers() {
        let mut exchange = Exchange::new(&question(&["192.0.2.1", "192.0.2.2"])).unwrap();
        let mut servers = Vec::new();
        while let Some(attempt) = exchange.next(1) {
            servers.push(attempt.server.to_string());
        }
        assert_eq!(servers, ["192.0.2.1", "192.0.2.2", "192.0.2.1"]);
        assert_eq!(exchange.give_up(), None);
    }

    #[test]
    fn a_failure_is_told_if_nobody_does_better() {
        let mut exchange = Exchange::new(&question(&["192.0.2.1", "192.0.2.2"])).unwrap();
        let attempt = exchange.next(1).unwrap();
        let failed = reply(&attempt, 0, ResponseCode::ServFail);
        assert_eq!(exchange.hear(&failed), Heard::Failure);
        while exchange.next(1).is_some() {}
        let told = Message::from_vec(&exchange.give_up().unwrap()).unwrap();
        assert_eq!(told.metadata.response_code, ResponseCode::ServFail);
        assert_eq!(told.metadata.id, 77);
    }

    #[test]
    fn a_cut_answer_is_asked_for_over_tcp_and_cut_again_for_the_client() {
        let mut exchange = Exchange::new(&question(&["192.0.2.1", "192.0.2.2"])).unwrap();
        let attempt = exchange.next(1).unwrap();
        let mut cut = reply(&attempt, 0, ResponseCode::NoError);
        cut[2] |= 2;
        assert_eq!(exchange.hear(&cut), Heard::Failure);
        let again = exchange.next(2).unwrap();
        assert_eq!(
            (again.transport, again.server),
            (Transport::Tcp, attempt.server)
        );
        let Heard::Answer(answer) = exchange.hear(&reply(&again, 60, ResponseCode::NoError)) else {
            panic!("no answer");
        };
        assert!(answer.len() <= 512);
        let answer = Message::from_vec(&answer).unwrap();
        assert!(answer.metadata.truncation && answer.answers.is_empty());
    }

    #[test]
    fn one_port_takes_no_more_than_its_share_of_the_desk() {
        let mut desk = Desk::default();
        let taken = (0..1000).filter(|_| desk.take(PortIndex(1))).count();
        assert_eq!(taken, Desk::PER_PORT);
        let others = (0..5000)
            .filter(|n| desk.take(PortIndex(2 + n % 50)))
            .count();
        assert_eq!(others, Desk::TOTAL - Desk::PER_PORT);
        desk.give_back(PortIndex(1));
        assert!(desk.take(PortIndex(60)) && !desk.take(PortIndex(61)));
    }
}
