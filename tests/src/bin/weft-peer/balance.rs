//! Behind a load balancer: servers that say who they are, and clients that count.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use super::{Outcome, parse, reach::connected, say, serve::everywhere};

/// How long an answer may take, a retransmission included.
const PATIENCE: Duration = Duration::from_secs(3);

/// TCP and UDP servers: to each connection, and each datagram, the server's name and the client's
/// address. What comes on a connection after that is echoed.
pub(crate) fn named(name: &str, ports: &[&str]) -> Outcome {
    for port in ports {
        let port = parse(port)?;
        let listener = everywhere(port, TcpListener::bind)?;
        let socket = everywhere(port, UdpSocket::bind)?;
        let (one, two) = (name.to_owned(), name.to_owned());
        thread::spawn(move || accept(&listener, &one));
        thread::spawn(move || answer(&socket, &two));
    }
    say("ready")?;
    loop {
        thread::park();
    }
}

fn accept(listener: &TcpListener, name: &str) {
    for mut stream in listener.incoming().flatten() {
        let name = name.to_owned();
        thread::spawn(move || {
            let peer = stream.peer_addr()?.ip().to_canonical();
            writeln!(stream, "{name} {peer}")?;
            io::copy(&mut stream.try_clone()?, &mut stream)
        });
    }
}

fn answer(socket: &UdpSocket, name: &str) {
    let mut buffer = [0; 64];
    while let Ok((_, from)) = socket.recv_from(&mut buffer) {
        let line = format!("{name} {}", from.ip().to_canonical());
        let _ = socket.send_to(line.as_bytes(), from);
    }
}

/// How often each name answered, `failed` for connections that didn't come about and `foreign` for
/// servers that saw another address than the client's.
#[derive(Default)]
struct Count(BTreeMap<String, u64>);

impl Count {
    fn note(&mut self, own: IpAddr, line: io::Result<String>) {
        let line = line.unwrap_or_default();
        let name = match line.trim().split_once(' ') {
            Some((name, peer)) if peer == own.to_string() => name,
            Some(_) => "foreign",
            None => "failed",
        };
        *self.0.entry(name.to_owned()).or_default() += 1;
    }

    fn say(&self) -> io::Result<()> {
        let mut line = String::new();
        for (name, count) in &self.0 {
            let _ = write!(line, "{name} {count} ");
        }
        say(line.trim_end())
    }
}

fn greeted(place: SocketAddr) -> io::Result<(TcpStream, String)> {
    let stream = TcpStream::connect_timeout(&place, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    Ok((stream, line))
}

fn own(place: SocketAddr) -> io::Result<IpAddr> {
    Ok(connected(place)?.local_addr()?.ip())
}

/// Many connections, one after another: who answered how often.
pub(crate) fn spread(protocol: &str, place: SocketAddr, times: u64) -> Outcome {
    let (own, mut count) = (own(place)?, Count::default());
    for _ in 0..times {
        let line = match protocol {
            "udp" => asked(place),
            _ => greeted(place).map(|(_, line)| line),
        };
        count.note(own, line);
    }
    Ok(count.say()?)
}

fn asked(place: SocketAddr) -> io::Result<String> {
    let socket = connected(place)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(b"who")?;
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// Connections that are kept: says with whom, then for each line of the standard input sends a word
/// on each and says how many still answer.
pub(crate) fn hold(place: SocketAddr, times: u64) -> Outcome {
    let (own, mut count) = (own(place)?, Count::default());
    let mut held = Vec::new();
    for _ in 0..times {
        match greeted(place) {
            Ok((stream, line)) => {
                count.note(own, Ok(line));
                held.push(stream);
            }
            Err(error) => count.note(own, Err(error)),
        }
    }
    count.say()?;
    for line in io::stdin().lines() {
        let _ = line?;
        let (mut alive, mut reset, mut silent) = (0, 0, 0);
        for stream in &mut held {
            match echoed(stream) {
                Ok(()) => alive += 1,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => reset += 1,
                Err(_) => silent += 1,
            }
        }
        say(format_args!("alive {alive} reset {reset} silent {silent}"))?;
    }
    Ok(())
}

fn echoed(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"word\n")?;
    let mut line = String::new();
    match BufReader::new(&*stream).read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
