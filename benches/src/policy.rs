//! The policy that every judging path has: established, three services, and nothing else.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{BenchError, Path, Target, io, netns::Netns};

/// The first service, in TCP and UDP: what is measured.
pub const SERVICE: u16 = 5001;
/// The second: behind the balancer's address, TCP.
pub const BALANCED: u16 = 5002;
/// The third, UDP: where live connections lead.
pub const CROWD: RangeInclusive<u16> = 5101..=5116;
/// Where Weft's health checks ask, past the policy: a target gets nothing before it is well.
pub const CHECKED: u16 = 5003;
/// A port of no service.
const CLOSED: u16 = 5009;

/// An opening connection is tried for so long: more than a SYN's first repetition.
const PATIENCE: Duration = Duration::from_millis(1500);
/// A balancer's target is well after the first check, which comes within its interval.
const WELL: Duration = Duration::from_secs(20);
/// What is dropped is waited for no longer.
const BRIEF: Duration = Duration::from_millis(400);

/// Accepts health checks while it lives.
#[derive(Debug)]
pub struct Well {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Well {
    /// Accepts them at the path's server, and waits until the balancer leads there.
    ///
    /// # Errors
    /// When the port is taken, or the balancer never does.
    pub fn of(path: &Path) -> Result<Self, BenchError> {
        let at = SocketAddr::new(path.address, CHECKED);
        let listener = path
            .server
            .run(|| TcpListener::bind(at).map_err(io("listen")))?;
        listener
            .set_nonblocking(true)
            .map_err(io("listen without waiting"))?;
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                // Whoever asked has its answer once the kernel accepted.
                while listener.accept().is_ok() {}
                thread::sleep(Duration::from_millis(100));
            }
        });
        let well = Self {
            over,
            thread: Some(thread),
        };
        let deadline = Instant::now() + WELL;
        while let Some(target) = path.balanced()
            && !reaches(path, target, BRIEF)?
        {
            if Instant::now() > deadline {
                break;
            }
        }
        Ok(well)
    }
}

impl Drop for Well {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It can't have panicked, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}

/// Tries what must pass, and what must not where the path judges.
///
/// # Errors
/// When the path does otherwise.
pub fn check(path: &Path) -> Result<(), BenchError> {
    let wrong = |wrong| BenchError::Policy {
        path: path.name,
        wrong,
    };
    if !reaches(path, path.direct(), PATIENCE)? {
        return Err(wrong("doesn't carry the service that its policy allows"));
    }
    if let Some(target) = path.balanced()
        && !reaches(path, target, PATIENCE)?
    {
        return Err(wrong("doesn't carry the service behind its balancer"));
    }
    let closed = SocketAddr::new(path.address, CLOSED);
    let closed = Target {
        to: closed,
        at: closed,
    };
    if path.judges && reaches(path, closed, BRIEF)? {
        return Err(wrong("passes a connection that its policy drops"));
    }
    let back = SocketAddr::new(path.source, SERVICE);
    if path.judges && opens(&path.server, &path.client, back, back, BRIEF)? {
        return Err(wrong("passes a connection from the server to the client"));
    }
    Ok(())
}

fn reaches(path: &Path, target: Target, patience: Duration) -> Result<bool, BenchError> {
    opens(&path.client, &path.server, target.to, target.at, patience)
}

/// Whether a connection opens between the namespaces, to one address and listened for at another.
fn opens(
    from: &Netns,
    at: &Netns,
    to: SocketAddr,
    listen: SocketAddr,
    patience: Duration,
) -> Result<bool, BenchError> {
    let (tell, told) = mpsc::channel::<()>();
    let (over, until) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let server = scope.spawn(move || {
            at.run(move || {
                let listener = TcpListener::bind(listen).map_err(io("listen"))?;
                let _ = tell.send(());
                // The kernel completes the handshake; nobody need accept.
                let _ = until.recv();
                drop(listener);
                Ok(())
            })
        });
        let opened = match told.recv() {
            Ok(()) => from.run(|| Ok(TcpStream::connect_timeout(&to, patience).is_ok())),
            Err(_) => Ok(false),
        };
        drop(over);
        server
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        opened
    })
}
