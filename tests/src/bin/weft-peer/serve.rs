//! Servers: TCP that takes and gives known bytes or echoes lines, UDP that echoes.

use std::{
    io::{self, Read as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

use super::{Outcome, parse, say, tcp};

pub(crate) fn run(ports: &[&str]) -> Outcome {
    for port in ports {
        let port = parse(port)?;
        let listener = everywhere(port, TcpListener::bind)?;
        thread::spawn(move || accept(&listener));
        let socket = everywhere(port, UdpSocket::bind)?;
        thread::spawn(move || echo(&socket));
    }
    say("ready")?;
    loop {
        thread::park();
    }
}

/// On both families where the kernel has both.
pub(crate) fn everywhere<T>(
    port: u16,
    bind: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    bind((Ipv6Addr::UNSPECIFIED, port).into())
        .or_else(|_| bind((Ipv4Addr::UNSPECIFIED, port).into()))
}

fn accept(listener: &TcpListener) {
    for mut stream in listener.incoming().flatten() {
        thread::spawn(move || {
            // A client that goes away is its own test's matter.
            let _ = serve(&mut stream);
        });
    }
}

fn serve(stream: &mut TcpStream) -> io::Result<()> {
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    if kind == tcp::CHAT {
        return io::copy(&mut stream.try_clone()?, stream).map(|_| ());
    }
    tcp::serve_transfer(stream)
}

fn echo(socket: &UdpSocket) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        if let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..length], from);
        }
    }
}
