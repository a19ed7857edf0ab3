//! Asks resolvers outside what ports ask that isn't their VPC's to know: the sockets around
//! [`Exchange`], from the host's own network.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::Receiver,
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    runtime::Handle,
    time::timeout,
};
use weft_datapath::{Datapath, Question};
use weft_engine::dns::{Attempt, Desk, Exchange, Heard, Transport};

const DNS: u16 = 53;
/// The largest answer over UDP that is asked for is far below.
const DATAGRAM: usize = 4096;

/// What became of questions.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Answered.
    pub(crate) answered: AtomicU64,
    /// Nobody answered, or only that it failed.
    pub(crate) failed: AtomicU64,
    /// Too many were on their way.
    pub(crate) refused: AtomicU64,
    /// Messages that answered something else.
    pub(crate) foreign: AtomicU64,
    /// Answers that the port's worker had no time to take.
    pub(crate) lost: AtomicU64,
}

impl Counters {
    /// Each with its name.
    pub(crate) fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("dns_upstream_answered", self.answered.load(Relaxed)),
            ("dns_upstream_failed", self.failed.load(Relaxed)),
            ("dns_upstream_refused", self.refused.load(Relaxed)),
            ("dns_upstream_foreign", self.foreign.load(Relaxed)),
            ("dns_upstream_lost", self.lost.load(Relaxed)),
        ]
    }
}

/// Who asks.
struct Resolver {
    datapath: Arc<Datapath>,
    desk: Arc<Mutex<Desk>>,
    counters: Arc<Counters>,
}

/// Takes questions on a thread of its own, which ends with the workers; each is then a task of the
/// runtime.
///
/// # Errors
/// There is no thread left.
pub(crate) fn start(
    datapath: &Arc<Datapath>,
    questions: Receiver<Question>,
    runtime: Handle,
    counters: Arc<Counters>,
) -> io::Result<()> {
    // The thread holds no worker alive: they end first.
    let datapath = Arc::downgrade(datapath);
    let desk = Arc::new(Mutex::default());
    std::thread::Builder::new()
        .name("weft-resolver".into())
        .spawn(move || {
            while let Ok(question) = questions.recv() {
                let Some(datapath) = datapath.upgrade() else {
                    return;
                };
                let (desk, counters) = (Arc::clone(&desk), Arc::clone(&counters));
                take(datapath, desk, counters, question, &runtime);
            }
        })
        .map(drop)
}

fn take(
    datapath: Arc<Datapath>,
    desk: Arc<Mutex<Desk>>,
    counters: Arc<Counters>,
    question: Question,
    runtime: &Handle,
) {
    let resolver = Resolver {
        datapath,
        desk,
        counters,
    };
    let port = question.1.port;
    if !resolver.desk(|desk| desk.take(port)) {
        resolver.counters.refused.fetch_add(1, Relaxed);
        resolver.tell(question, None);
        return;
    }
    runtime.spawn(async move {
        let answer = resolver.resolve(&question).await;
        resolver.desk(|desk| desk.give_back(port));
        let counters = &resolver.counters;
        let outcome = match answer {
            Some(_) => &counters.answered,
            None => &counters.failed,
        };
        outcome.fetch_add(1, Relaxed);
        resolver.tell(question, answer);
    });
}

impl Resolver {
    fn desk<T>(&self, with: impl FnOnce(&mut Desk) -> T) -> T {
        with(&mut self.desk.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, question: Question, answer: Option<Vec<u8>>) {
        if !self.datapath.resolved(question, answer) {
            self.counters.lost.fetch_add(1, Relaxed);
        }
    }

    async fn resolve(&self, (_, question): &Question) -> Option<Vec<u8>> {
        let mut exchange = Exchange::new(question)?;
        while let Some(attempt) = exchange.next(random()?) {
            let patience = attempt.patience;
            let asked = self.ask(&attempt, &mut exchange);
            // Silence and a socket's error are the same: the next one is asked.
            if let Ok(Ok(Some(answer))) = timeout(patience, asked).await {
                return Some(answer);
            }
        }
        exchange.give_up()
    }

    async fn ask(&self, attempt: &Attempt, exchange: &mut Exchange) -> io::Result<Option<Vec<u8>>> {
        match attempt.transport {
            Transport::Udp => self.ask_udp(attempt, exchange).await,
            Transport::Tcp => self.ask_tcp(attempt, exchange).await,
        }
    }

    async fn ask_udp(
        &self,
        attempt: &Attempt,
        exchange: &mut Exchange,
    ) -> io::Result<Option<Vec<u8>>> {
        // The kernel draws the port at random, and lets through what the server sends alone.
        let socket = UdpSocket::bind(any(attempt.server)).await?;
        socket.connect((attempt.server, DNS)).await?;
        socket.send(&attempt.message).await?;
        let mut room = vec![0; DATAGRAM];
        loop {
            let length = socket.recv(&mut room).await?;
            match exchange.hear(&room[..length]) {
                Heard::Answer(answer) => return Ok(Some(answer)),
                Heard::Failure => return Ok(None),
                Heard::Foreign => self.counters.foreign.fetch_add(1, Relaxed),
            };
        }
    }

    async fn ask_tcp(
        &self,
        attempt: &Attempt,
        exchange: &mut Exchange,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut stream = TcpStream::connect((attempt.server, DNS)).await?;
        let length = u16::try_from(attempt.message.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes()[..], &attempt.message].concat();
        stream.write_all(&framed).await?;
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await?;
        match exchange.hear(&message) {
            Heard::Answer(answer) => Ok(Some(answer)),
            Heard::Failure | Heard::Foreign => Ok(None),
        }
    }
}

fn any(server: IpAddr) -> SocketAddr {
    let any = match server {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(any, 0)
}

/// Bits that nobody can guess; none where the system has none: then nobody is asked.
fn random() -> Option<u16> {
    Some((getrandom::u32().ok()? >> 16) as u16)
}
