//! Questions to the services at a port: names, metadata and the time.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::{Duration, SystemTime},
};

use super::{Outcome, parse, reach::connected, say};

/// A lost datagram is sent anew after this.
const AGAIN: Duration = Duration::from_millis(500);
const TRIES: usize = 6;
/// Longer than a few retransmissions.
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds from 1900 to 1970.
const ERA: u64 = 2_208_988_800;

/// `NOERROR`, `NXDOMAIN` or a number, then the addresses or whatever else was answered.
pub(crate) fn dns(server: &str, name: &str, kind: &str, tcp: bool) -> Outcome {
    let server = SocketAddr::new(parse(server)?, 53);
    let query = query(name, kind)?;
    let answer = if tcp {
        over_tcp(server, &query)?
    } else {
        over_udp(server, &query)?
    };
    let code = match answer.get(3).ok_or("short")? & 0xf {
        0 => "NOERROR".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        other => other.to_string(),
    };
    let cut = if answer[2] & 2 != 0 { " cut" } else { "" };
    let mut found = addresses(&answer).ok_or("the answer makes no sense")?;
    found.sort();
    let found: Vec<String> = found.iter().map(|address| format!(" {address}")).collect();
    Ok(say(format_args!("{code}{cut}{}", found.concat()))?)
}

fn query(name: &str, kind: &str) -> Result<Vec<u8>, String> {
    let number: u16 = match kind {
        "A" => 1,
        "PTR" => 12,
        "TXT" => 16,
        "AAAA" => 28,
        other => return Err(format!("`{other}` is no type that is asked for here")),
    };
    let mut message = vec![0x77, 0x66, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&number.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    Ok(message)
}

fn over_udp(server: SocketAddr, query: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let socket = connected(server)?;
    socket.set_read_timeout(Some(AGAIN))?;
    let mut buffer = [0; 4096];
    for _ in 0..TRIES {
        socket.send(query)?;
        if let Ok(length) = socket.recv(&mut buffer) {
            return Ok(buffer[..length].to_vec());
        }
    }
    Err("no answer".into())
}

fn over_tcp(server: SocketAddr, query: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = u16::try_from(query.len())?;
    stream.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// The addresses among the answers.
fn addresses(message: &[u8]) -> Option<Vec<IpAddr>> {
    let word = |at: usize| {
        let bytes = message.get(at..at + 2)?;
        Some(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    };
    let mut at = skip_name(message, 12)? + 4;
    let mut found = Vec::new();
    for _ in 0..word(6)? {
        at = skip_name(message, at)?;
        let (kind, length) = (word(at)?, word(at + 8)?);
        let data = message.get(at + 10..at + 10 + length)?;
        match kind {
            1 => found.push(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).into()),
            28 => found.push(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).into()),
            _ => {}
        }
        at += 10 + length;
    }
    Some(found)
}

fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length >= 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

/// The status, then the body.
pub(crate) fn http(method: &str, server: &str, path: &str, headers: &[&str]) -> Outcome {
    let server = SocketAddr::new(parse(server)?, 80);
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let headers: Vec<String> = headers.iter().map(|h| format!("{h}\r\n")).collect();
    let headers = headers.concat();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: metadata\r\n{headers}\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP")?;
    let status = head.split(' ').nth(1).ok_or("no status")?;
    Ok(say(format_args!("{status} {body}"))?)
}

/// Whether the time server and this kernel agree to a minute.
pub(crate) fn time(server: &str) -> Outcome {
    let mut question = [0; 48];
    question[0] = 4 << 3 | 3;
    let answer = over_udp(SocketAddr::new(parse(server)?, 123), &question)?;
    let seconds = answer.get(40..44).ok_or("a short answer")?;
    let theirs = u64::from(u32::from_be_bytes(seconds.try_into()?));
    let ours = SystemTime::UNIX_EPOCH.elapsed()?.as_secs() + ERA;
    let word = if theirs.abs_diff(ours) < 60 {
        "agreed"
    } else {
        "astray"
    };
    Ok(say(format_args!("{word} version {}", answer[0] >> 3 & 7))?)
}

/// Sends so many datagrams as fast as the kernel takes them, and waits for nothing.
pub(crate) fn burst(address: SocketAddr, count: usize) -> Outcome {
    let socket = connected(address)?;
    let mut sent = 0;
    while sent < count {
        match socket.send(b"burst") {
            Ok(_) => sent += 1,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(say(format_args!("sent {sent}"))?)
}
