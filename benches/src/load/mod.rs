//! Load between two namespaces, bounded in time and count.

pub mod connections;
pub mod crowd;
pub mod first;
pub mod latency;
pub mod packets;
pub mod processor;
pub mod stream;

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{BenchError, Path, Target, io};

/// A peer that says nothing for so long is gone.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// Runs a TCP server in the server's namespace and, once it listens, a client in the client's; gives
/// what both return.
pub(crate) fn tcp<S: Send, C: Send>(
    path: &Path,
    target: Target,
    serve: impl FnOnce(TcpListener) -> Result<S, BenchError> + Send,
    call: impl FnOnce() -> Result<C, BenchError> + Send,
) -> Result<(S, C), BenchError> {
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let server = scope.spawn(move || {
            path.server.run(move || {
                let listener = TcpListener::bind(target.at).map_err(io("listen"))?;
                tell.send(())
                    .map_err(|_| io("start")(ErrorKind::BrokenPipe.into()))?;
                serve(listener)
            })
        });
        let client = match told.recv() {
            Ok(()) => path.client.run(call),
            Err(_) => Err(io("start the server")(ErrorKind::NotConnected.into())),
        };
        let server = server
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // The server's error comes first: the client's is mostly its consequence.
        Ok((server?, client?))
    })
}

/// A datagram socket that talks to one address.
pub(crate) fn datagrams(to: SocketAddr) -> Result<UdpSocket, BenchError> {
    let socket = UdpSocket::bind(any(to)).map_err(io("bind"))?;
    socket.connect(to).map_err(io("connect"))?;
    Ok(socket)
}

/// No address in particular of the same family.
pub(crate) fn any(to: SocketAddr) -> SocketAddr {
    match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
