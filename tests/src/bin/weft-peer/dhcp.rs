//! A DHCP client (RFC 2131) that only asks: it prints what it was given and configures nothing.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt::BindToDevice};

use super::{Outcome, say};

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;

/// Options (RFC 2132).
const MASK: u8 = 1;
const ROUTER: u8 = 3;
const DNS: u8 = 6;
const MTU: u8 = 26;
const REQUESTED: u8 = 50;
const KIND: u8 = 53;
const SERVER: u8 = 54;
const WANTED: u8 = 55;

const COOKIE: [u8; 4] = [99, 130, 83, 99];
const XID: [u8; 4] = *b"weft";

/// How often a lost message is sent anew, 300 ms apart.
const TRIES: usize = 5;

pub(crate) fn run(device: &str) -> Outcome {
    let mac = mac(&link_address(device)?)?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68))?;
    setsockopt(&socket, BindToDevice, &device.into())?;
    socket.set_broadcast(true)?;
    socket.set_read_timeout(Some(Duration::from_millis(300)))?;
    let offer = ask(&socket, &message(mac, DISCOVER, None), OFFER)?;
    let server = option(&offer, SERVER).ok_or("an offer names its server")?;
    let chosen = (yours(&offer), address(server));
    let ack = ask(&socket, &message(mac, REQUEST, Some(chosen)), ACK)?;
    let show = |code| {
        option(&ack, code)
            .map(address)
            .unwrap_or(Ipv4Addr::UNSPECIFIED)
    };
    let mtu = option(&ack, MTU).map_or(0, |o| u16::from_be_bytes([o[0], o[1]]));
    let given = yours(&ack);
    let (mask, router, dns) = (show(MASK), show(ROUTER), show(DNS));
    Ok(say(format_args!(
        "address {given} mask {mask} router {router} dns {dns} mtu {mtu}"
    ))?)
}

/// Not from /sys: that may be mounted for another namespace, with its devices of the same name.
fn link_address(device: &str) -> io::Result<String> {
    let output = std::process::Command::new("ip")
        .args(["-o", "link", "show", device])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = text
        .split_whitespace()
        .skip_while(|word| *word != "link/ether");
    words
        .nth(1)
        .map(str::to_owned)
        .ok_or_else(|| io::Error::other(format!("{device}: no MAC")))
}

fn mac(text: &str) -> Result<[u8; 6], String> {
    let bytes: Vec<u8> = text
        .split(':')
        .filter_map(|p| u8::from_str_radix(p, 16).ok())
        .collect();
    bytes.try_into().map_err(|_| format!("`{text}` is no MAC"))
}

/// A BOOTP message with the broadcast flag: the client has no address to be answered at.
fn message(mac: [u8; 6], kind: u8, chosen: Option<(Ipv4Addr, Ipv4Addr)>) -> Vec<u8> {
    let mut m = vec![0; 236];
    m[..4].copy_from_slice(&[1, 1, 6, 0]);
    m[4..8].copy_from_slice(&XID);
    m[10] = 0x80;
    m[28..34].copy_from_slice(&mac);
    m.extend_from_slice(&COOKIE);
    m.extend_from_slice(&[KIND, 1, kind]);
    if let Some((address, server)) = chosen {
        m.extend_from_slice(&[REQUESTED, 4]);
        m.extend_from_slice(&address.octets());
        m.extend_from_slice(&[SERVER, 4]);
        m.extend_from_slice(&server.octets());
    }
    m.extend_from_slice(&[WANTED, 4, MASK, ROUTER, DNS, MTU, 255]);
    m
}

fn ask(socket: &UdpSocket, message: &[u8], wanted: u8) -> Result<Vec<u8>, String> {
    for _ in 0..TRIES {
        let sent = socket.send_to(message, (Ipv4Addr::BROADCAST, 67));
        sent.map_err(|error| format!("sending: {error}"))?;
        let mut buffer = [0; 1500];
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            let answer = &buffer[..length];
            let fits = length > 240 && answer[4..8] == XID && answer[236..240] == COOKIE;
            if fits && option(answer, KIND) == Some(&[wanted]) {
                return Ok(answer.to_vec());
            }
        }
    }
    Err(format!("no answer of kind {wanted}"))
}

fn yours(message: &[u8]) -> Ipv4Addr {
    address(&message[16..20])
}

fn address(bytes: &[u8]) -> Ipv4Addr {
    match bytes {
        [a, b, c, d, ..] => Ipv4Addr::new(*a, *b, *c, *d),
        _ => Ipv4Addr::UNSPECIFIED,
    }
}

fn option(message: &[u8], code: u8) -> Option<&[u8]> {
    let mut rest = message.get(240..)?;
    while let [kind, length, tail @ ..] = rest {
        let length = usize::from(*length);
        if *kind == code {
            return tail.get(..length);
        }
        rest = tail.get(length..)?;
    }
    None
}
