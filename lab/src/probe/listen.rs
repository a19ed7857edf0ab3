//! Listeners at the far ends, for as long as the process lives.

use std::{
    collections::BTreeSet,
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use super::{Listener, Plan, STACK};
use crate::runtime::netns;

/// How long one connection may hold up the next.
const HASTE: Duration = Duration::from_secs(1);

/// Starts all listeners, and marks the probes whose far end listens by itself.
pub(super) fn start(plan: &mut Plan) {
    let all: BTreeSet<Listener> = plan.listeners.drain(..).collect();
    let mut foreign = BTreeSet::new();
    for listener in all {
        match bind(&listener) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let address = listener.address;
                foreign.insert((listener.tcp, listener.id, address.is_ipv6(), address.port()));
            }
            // The probe will show it: nothing answers there.
            Err(error) => {
                let _ = writeln!(io::stderr(), "{}: {error}", listener.address);
            }
        }
    }
    for probe in &mut plan.probes {
        // From outside it goes to another address than the one that is listened on.
        let (ipv6, port) = (probe.address.is_ipv6(), probe.port);
        let tcp = probe.transport == "tcp";
        let taken = |id: u64| foreign.contains(&(tcp, id, ipv6, port));
        probe.listener = probe.listener.filter(|id| !taken(*id));
    }
}

fn bind(listener: &Listener) -> io::Result<()> {
    let netns = netns::open(&listener.netns)?;
    let thread = thread::Builder::new().stack_size(STACK);
    let address = listener.address;
    let answer = super::answer(listener.id);
    if listener.tcp {
        let socket = netns::inside(&netns, || TcpListener::bind(address))?;
        thread.spawn(move || {
            for stream in socket.incoming().flatten() {
                // The other side gave up: that is its result to tell.
                let _ = reply(stream, &answer);
            }
        })?;
    } else {
        let socket = netns::inside(&netns, || UdpSocket::bind(address))?;
        thread.spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((_, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&answer, from);
            }
        })?;
    }
    Ok(())
}

fn reply(mut stream: TcpStream, answer: &[u8]) -> io::Result<()> {
    stream.set_read_timeout(Some(HASTE))?;
    let mut buffer = [0; super::TOKEN.len()];
    stream.read_exact(&mut buffer)?;
    stream.write_all(answer)
}
