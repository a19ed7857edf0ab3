//! Load between two namespaces, bounded in time and count.

pub mod connections;
pub mod latency;
pub mod packets;
pub mod stream;

use std::{io::ErrorKind, net::TcpListener, sync::mpsc, thread, time::Duration};

use crate::{BenchError, Path, io};

/// A peer that says nothing for so long is gone.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// Runs a TCP server in the server's namespace and a client in the client's, the client told the
/// port; gives what both return.
pub(crate) fn tcp<S: Send, C: Send>(
    path: &Path,
    serve: impl FnOnce(TcpListener) -> Result<S, BenchError> + Send,
    call: impl FnOnce(u16) -> Result<C, BenchError> + Send,
) -> Result<(S, C), BenchError> {
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let server = scope.spawn(move || {
            path.server.run(move || {
                let listener = TcpListener::bind((path.address, 0)).map_err(io("listen"))?;
                let port = listener.local_addr().map_err(io("listen"))?.port();
                tell.send(port)
                    .map_err(|_| io("start")(ErrorKind::BrokenPipe.into()))?;
                serve(listener)
            })
        });
        let client = match told.recv() {
            Ok(port) => path.client.run(move || call(port)),
            Err(_) => Err(io("start the server")(ErrorKind::NotConnected.into())),
        };
        let server = server
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // The server's error comes first: the client's is mostly its consequence.
        Ok((server?, client?))
    })
}
