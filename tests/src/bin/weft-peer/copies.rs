//! Who gets mirrored copies: one line for each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use super::{Outcome, say, when_stdin_ends};

/// VXLAN's port and header.
const PORT: u16 = 4789;
const VXLAN: usize = 8;
const ETHERNET: usize = 14;

/// Prints `VNI SOURCE>DESTINATION PROTOCOL LENGTH` for each copy, until stdin ends; the length is the
/// copied frame's.
pub(crate) fn run() -> Outcome {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    when_stdin_ends(|| std::process::exit(0));
    say("ready")?;
    let mut bytes = [0; 65_536];
    loop {
        let (length, _) = socket.recv_from(&mut bytes)?;
        say(told(&bytes[..length]).unwrap_or_else(|| "no copy".to_owned()))?;
    }
}

fn told(payload: &[u8]) -> Option<String> {
    let vni = u32::from_be_bytes(payload.get(3..7)?.try_into().ok()?) & 0xff_ffff;
    let frame = payload.get(VXLAN..)?;
    let ip = frame.get(ETHERNET..)?;
    let (protocol, source, destination): (u8, IpAddr, IpAddr) = if ip.first()? >> 4 == 4 {
        let at = |from: usize| ip.get(from..from + 4)?.try_into().ok();
        let address = |bytes: [u8; 4]| Ipv4Addr::from(bytes).into();
        (*ip.get(9)?, address(at(12)?), address(at(16)?))
    } else {
        let at = |from: usize| ip.get(from..from + 16)?.try_into().ok();
        let address = |bytes: [u8; 16]| Ipv6Addr::from(bytes).into();
        (*ip.get(6)?, address(at(8)?), address(at(24)?))
    };
    let length = frame.len();
    Some(format!("{vni} {source}>{destination} {protocol} {length}"))
}
