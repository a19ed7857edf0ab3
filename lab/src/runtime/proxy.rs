//! A unix socket in the lab's directory that leads to the controller inside the lab.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Connections at once; each is two threads. A command line uses one for a moment.
const MOST: usize = 64;

/// Listens at `path` and copies bytes to and from `target`, until the process ends.
pub(super) fn start(path: &Path, target: SocketAddr) -> io::Result<()> {
    // A socket of a lab that is gone; the lock says that no other supervisor lives.
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    let live = Arc::new(AtomicUsize::new(0));
    thread::Builder::new().name("proxy".into()).spawn(move || {
        for client in listener.incoming().flatten() {
            if live.fetch_add(1, Ordering::Relaxed) >= MOST {
                live.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            serve(client, target, Arc::clone(&live));
        }
    })?;
    Ok(())
}

fn serve(client: UnixStream, target: SocketAddr, live: Arc<AtomicUsize>) {
    // Dropping the client, where no thread can be had, is the refusal.
    let _ = thread::Builder::new().spawn(move || {
        let _ = relay(&client, target);
        live.fetch_sub(1, Ordering::Relaxed);
    });
}

fn relay(client: &UnixStream, target: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    server.set_nodelay(true)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::copy(&mut &*client, &mut &server);
            let _ = server.shutdown(Shutdown::Write);
        });
        let copied = io::copy(&mut &server, &mut &*client);
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
        copied.map(|_| ())
    })
}
