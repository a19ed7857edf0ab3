//! What runs inside the workloads of a test: servers, clients, floods and watchers on the kernel's
//! own sockets. It says what it saw on its standard output, a line at a time.
#![forbid(unsafe_code)]

mod ask;
mod balance;
mod beat;
mod copies;
mod dhcp;
mod echo;
mod flood;
mod https;
mod multitude;
mod reach;
mod resolver;
mod serve;
mod tcp;
mod watch;

use std::{
    error::Error,
    fmt::Display,
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    process::ExitCode,
    str::FromStr,
    thread,
};

type Outcome = Result<(), Box<dyn Error>>;

const USAGE: &str = "\
weft-peer serve PORT...                    TCP and UDP servers for the others
weft-peer transfer ADDRESS PORT UP DOWN    bytes both ways over TCP, compared
weft-peer chat ADDRESS PORT                one TCP connection; a word back for each line on stdin
weft-peer crowd ADDRESS PORT COUNT         many TCP connections; how many are alive for each line on stdin
weft-peer reach tcp|udp|icmp ADDRESS [PORT [BYTES]]
weft-peer hop ADDRESS                      who answers a packet whose TTL ends on the way
weft-peer await ADDRESS                    echo requests until one is answered; when that was
weft-peer beat ADDRESS PORT                UDP echoes until stdin ends; how many came back
weft-peer dhcp DEVICE                      what the DHCP server offers and acknowledges
weft-peer dns SERVER NAME TYPE [tcp]       what a resolver says: code and addresses
weft-peer resolver ADDRESS                 a resolver; what it was asked, line by line
weft-peer https PORT STATUS                a server that says the status to whatever is asked
weft-peer copies                           what mirror sessions copied for it, line by line
weft-peer http METHOD SERVER PATH [HEADER...]
weft-peer time SERVER                      whether an NTP server and this kernel agree
weft-peer burst ADDRESS PORT COUNT         so many datagrams, as fast as they go
weft-peer flood ID PROTOCOL:ADDRESS:PORT...
weft-peer named NAME PORT...               servers that say who they are, and whom they see
weft-peer spread tcp|udp ADDRESS PORT N    who answers N connections, how often
weft-peer hold ADDRESS PORT N              N connections; for each line on stdin, how many answer
weft-peer gather PORT                      keeps all connections; for each line on stdin, how many it has
weft-peer multitude ADDRESS PORT COUNT     so many connections, kept; for each line on stdin, one more
weft-peer watch alarm=PORTS control=PORTS  what arrives, policy's work done";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "weft-peer {}: {error}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[&str]) -> Outcome {
    match words {
        ["serve", ports @ ..] => serve::run(ports),
        ["transfer", address, port, up, down] => {
            tcp::transfer(place(address, port)?, parse(up)?, parse(down)?)
        }
        ["chat", address, port] => tcp::chat(place(address, port)?),
        ["crowd", address, port, count] => tcp::crowd(place(address, port)?, parse(count)?),
        ["reach", "icmp", address] => echo::reach(parse(address)?),
        ["reach", protocol, address, port] => reach::run(protocol, place(address, port)?, 32),
        ["reach", protocol, address, port, bytes] => {
            reach::run(protocol, place(address, port)?, parse(bytes)?)
        }
        ["hop", address] => echo::hop(parse(address)?),
        ["await", address] => echo::until_answered(parse(address)?),
        ["beat", address, port] => beat::run(place(address, port)?),
        ["dhcp", device] => dhcp::run(device),
        ["dns", server, name, kind] => ask::dns(server, name, kind, false),
        ["dns", server, name, kind, "tcp"] => ask::dns(server, name, kind, true),
        ["copies"] => copies::run(),
        ["resolver", address] => resolver::run(address),
        ["http", method, server, path, headers @ ..] => ask::http(method, server, path, headers),
        ["https", port, status] => https::run(port, status),
        ["time", server] => ask::time(server),
        ["burst", address, port, count] => ask::burst(place(address, port)?, parse(count)?),
        ["flood", id, targets @ ..] => flood::run(parse(id)?, targets),
        ["named", name, ports @ ..] => balance::named(name, ports),
        ["spread", protocol, address, port, times] => {
            balance::spread(protocol, place(address, port)?, parse(times)?)
        }
        ["hold", address, port, times] => balance::hold(place(address, port)?, parse(times)?),
        ["gather", port] => multitude::gather(parse(port)?),
        ["multitude", address, port, count] => {
            multitude::multitude(place(address, port)?, parse(count)?)
        }
        ["watch", alarm, control] => watch::run(alarm, control),
        _ => Err(USAGE.into()),
    }
}

/// A word as a value, or an error that names it.
fn parse<T: FromStr<Err: Display>>(word: &str) -> Result<T, Box<dyn Error>> {
    word.parse()
        .map_err(|error| format!("`{word}`: {error}").into())
}

/// Where a server listens.
fn place(address: &str, port: &str) -> Result<SocketAddr, Box<dyn Error>> {
    Ok(SocketAddr::new(parse(address)?, parse(port)?))
}

/// Prints a line at once: the test may be waiting for it.
fn say(line: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Calls `then` when the standard input ends, from another thread.
fn when_stdin_ends(then: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        // What is read doesn't matter, nor how it ends.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        then();
    });
}
