//! Health checks within TLS.

use std::{
    collections::VecDeque,
    io::{Read, Write},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use weft_engine::{
    Now,
    balance::Finding,
    testing::{Family, Seg, frames::Way},
};
use weft_model::{Mac, Probe};
use weft_packet::headers::{Body, Headers, L4, tcp_flags};

use crate::balancing::{SERVED, World, asked, ends, reply};

const CERTIFICATE: &[u8] = include_bytes!("../../../../tests/data/tls/cert.pem");
const KEY: &[u8] = include_bytes!("../../../../tests/data/tls/key.pem");

/// A target's TLS server, as its kernel would carry it.
struct Secure {
    tls: rustls::ServerConnection,
    /// What it says next, and expects.
    seq: u32,
    next: u32,
    asked: Vec<u8>,
}

impl Secure {
    fn new() -> Self {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
        let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
        let provider = rustls::crypto::ring::default_provider();
        let config = rustls::ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self {
            tls: rustls::ServerConnection::new(config.into()).unwrap(),
            seq: 501,
            next: 0,
            asked: Vec::new(),
        }
    }

    /// Hears a segment; what it says to it, in small pieces.
    fn hear(&mut self, frame: &[u8], answer: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let Body::Ip(ip) = Headers::parse(frame).unwrap().body else {
            panic!("no IP");
        };
        let L4::Tcp { seq, data, .. } = ip.l4_kind else {
            panic!("no TCP");
        };
        // What is repeated may have more behind it.
        let known = self.next.wrapping_sub(seq) as usize;
        let mut payload = frame[data..ip.end].get(known..).unwrap_or_default();
        self.next = self.next.wrapping_add(payload.len() as u32);
        // To read nothing would be the end.
        while !payload.is_empty() {
            self.tls.read_tls(&mut payload).unwrap();
            self.tls.process_new_packets().unwrap();
        }
        let _ = self.tls.reader().read_to_end(&mut self.asked);
        if self.asked.ends_with(b"\r\n\r\n") {
            self.tls.writer().write_all(answer).unwrap();
            self.asked.push(b'.');
        }
        let mut said = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut said).unwrap();
        }
        let mut pieces = Vec::new();
        for piece in said.chunks(200) {
            pieces.push((self.seq, piece.to_vec()));
            self.seq = self.seq.wrapping_add(piece.len() as u32);
        }
        pieces
    }
}

/// What came of a check that speaks TLS with the first target.
fn checked_by_https(answer: &[u8]) -> Option<Result<(), String>> {
    let mut world = World::new();
    world.probe = Probe::Https;
    world.publish();
    let target = world.targets[0].clone();
    let syn = asked(&mut world, 0);
    let mut server = Secure::new();
    let fate = world.net.send(&target, reply(&syn, Seg::SYN_ACK, b""));
    let mut waiting: VecDeque<Vec<u8>> = fate.at(&target).into_iter().map(<[u8]>::to_vec).collect();
    let Body::Ip(ip) = Headers::parse(&waiting[0]).unwrap().body else {
        panic!("no IP");
    };
    let L4::Tcp { seq, .. } = ip.l4_kind else {
        panic!("no TCP");
    };
    server.next = seq;
    while let Some(frame) = waiting.pop_front() {
        for (seq, piece) in server.hear(&frame, answer) {
            let way = Way {
                src_mac: target.mac,
                dst_mac: Mac::ROUTER,
                src: target.ipv4().into(),
                dst: target.router(Family::V4),
                ttl: 64,
                dont_fragment: true,
            };
            let seg = Seg {
                seq,
                ack_number: server.next,
                ..Seg::ACK
            };
            let (.., kind) = ends(&frame);
            let L4::Tcp { src, .. } = kind else {
                panic!("{kind:?}");
            };
            let fate = world.net.send(&target, way.tcp((SERVED, src), seg, &piece));
            let more = fate.at(&target).into_iter();
            let talk = more.filter(|frame| !is_rst(frame));
            waiting.extend(talk.map(<[u8]>::to_vec));
        }
    }
    let asked = String::from_utf8_lossy(&server.asked).into_owned();
    assert!(
        asked.starts_with("GET / HTTP/1.1\r\nHost: 10.0.1.20\r\n"),
        "{asked}"
    );
    world.net.findings(0).first()?.verdict.clone()
}

fn is_rst(frame: &[u8]) -> bool {
    let (.., kind) = ends(frame);
    matches!(kind, L4::Tcp { flags, .. } if flags & tcp_flags::RST != 0)
}

#[test]
fn https_is_judged_by_its_status_whatever_the_certificate() {
    let found = checked_by_https(b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(found, Some(Ok(())));
    // One failure alone decides nothing.
    assert_eq!(checked_by_https(b"HTTP/1.1 503 Busy\r\n\r\n"), None);
}

#[test]
fn a_target_that_speaks_no_tls_fails_https_checks() {
    let mut world = World::new();
    world.probe = Probe::Https;
    world.publish();
    let target = world.targets[0].clone();
    let mut found = Vec::new();
    for _ in 0..2 {
        let syn = asked(&mut world, 0);
        let fate = world.net.send(&target, reply(&syn, Seg::SYN_ACK, b""));
        let hello = fate.at(&target)[0].to_vec();
        world.net.send(
            &target,
            reply(&hello, Seg::ACK, b"HTTP/1.1 400 Bad Request\r\n"),
        );
        found.extend(world.net.findings(0));
        world.net.pass(30 * Now::SECOND);
    }
    let [
        Finding {
            verdict: Some(Err(reason)),
            ..
        },
    ] = found.as_slice()
    else {
        panic!("{found:?}");
    };
    assert!(reason.starts_with("TLS: "), "{reason}");
}
