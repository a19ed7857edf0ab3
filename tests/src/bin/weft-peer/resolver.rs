//! A resolver of the internet: it knows a few names, and says what it was asked.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

use super::{Outcome, parse, say, when_stdin_ends};

const DNS: u16 = 53;
/// Of a query's header.
const HEADER: usize = 12;

/// Answers until stdin ends: `www.*` has an address, `big.*` more than fit a datagram, and `fails.*`
/// none of its servers' making; nothing else exists.
pub(crate) fn run(address: &str) -> Outcome {
    let address: IpAddr = parse(address)?;
    let socket = UdpSocket::bind((address, DNS))?;
    let listener = TcpListener::bind((address, DNS))?;
    when_stdin_ends(|| std::process::exit(0));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who goes away early is no fault.
            let _ = over_tcp(stream);
        }
    });
    say("ready")?;
    let mut query = [0; 1500];
    loop {
        let (length, client) = socket.recv_from(&mut query)?;
        if let Some(answer) = answer(&query[..length], false) {
            socket.send_to(&answer, client)?;
        }
    }
}

fn over_tcp(mut stream: TcpStream) -> Outcome {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut query = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut query)?;
    let answer = answer(&query, true).ok_or("no query")?;
    let length = u16::try_from(answer.len())?;
    Ok(stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat())?)
}

fn answer(query: &[u8], tcp: bool) -> Option<Vec<u8>> {
    let (name, end) = name(query)?;
    let question = query.get(HEADER..end + 4)?;
    let transport = if tcp { "tcp" } else { "udp" };
    say(format_args!("asked {name} {transport}")).ok()?;
    let (count, cut, code) = match name.split('.').next()? {
        "www" => (1, false, 0),
        "big" if tcp => (100, false, 0),
        "big" => (0, true, 0),
        "fails" => (0, false, 2),
        _ => (0, false, 3),
    };
    let mut answer = query.get(..2)?.to_vec();
    answer.extend([
        0x81 | u8::from(cut) << 1,
        0x80 | code,
        0,
        1,
        0,
        count,
        0,
        0,
        0,
        0,
    ]);
    answer.extend_from_slice(question);
    for n in 0..count {
        answer.extend([
            0xc0,
            HEADER as u8,
            0,
            1,
            0,
            1,
            0,
            0,
            0,
            60,
            0,
            4,
            192,
            0,
            2,
            n,
        ]);
    }
    Some(answer)
}

/// The name that is asked for, and where it ends.
fn name(query: &[u8]) -> Option<(String, usize)> {
    let (mut at, mut labels) = (HEADER, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).into_owned());
        at += length;
    }
}
