//! The HTTP listener that Prometheus scrapes.

use std::{
    convert::Infallible,
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{encoding::prometheus_text, registry::Registry};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Mutex, Semaphore},
};

use crate::{
    page::{Adapter, Page, Source},
    process::Process,
    traces::SpanCounts,
};

/// What the text format calls itself (version 0.0.4).
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Bytes of a request's head; a scrape's has some hundred.
const HEAD: usize = 16 << 10;

/// After a failed accept, which means that descriptors are short.
const PAUSE: Duration = Duration::from_millis(100);

/// What bounds the listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once: a Prometheus pair, and some people. One more is closed at once.
    pub connections: usize,
    /// How long a client may take to say what it wants, between requests too.
    pub head: Duration,
    /// How long a connection may live: a client that doesn't read holds a page no longer.
    pub life: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16,
            head: Duration::from_secs(10),
            life: Duration::from_secs(120),
        }
    }
}

/// The address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("--metrics-listen: can't listen on {address}: {source}; name another address")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

#[derive(Debug, Default)]
struct Counts {
    scrapes: AtomicU64,
    refused: AtomicU64,
    cut: AtomicU64,
}

/// The listener itself is watched too.
#[derive(Debug)]
struct Own(Arc<Counts>);

impl Source for Own {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let counts = &self.0;
        let help = "Pages of metrics that were asked for, this one included.";
        page.counter("weft_scrapes", help, counts.scrapes.load(Relaxed))?;
        let help = "Connections to the metrics listener that were closed: too many, or too slow.";
        let rows = [("too_many", &counts.refused), ("too_slow", &counts.cut)];
        let rows = rows.map(|(why, n)| ([("reason", why.to_owned())], n.load(Relaxed)));
        page.counters("weft_scrape_connections_closed", help, rows)
    }
}

/// A bound address and what is told there.
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
    pages: Arc<Pages>,
    limits: Limits,
}

#[derive(Debug)]
struct Pages {
    registry: Arc<Registry>,
    counts: Arc<Counts>,
    /// One page is written at a time: workers are asked once, however many scrape.
    turn: Mutex<()>,
}

impl MetricsServer {
    /// Binds the address, for a process of this role and version.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn bind(
        address: SocketAddr,
        (role, version): (&'static str, &'static str),
        sources: Vec<Box<dyn Source>>,
    ) -> Result<Self, ListenError> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ListenError { address, source })?;
        let counts = Arc::<Counts>::default();
        let mut registry = Registry::default();
        let own: [Box<dyn Source>; 3] = [
            Box::new(Process::new(role, version)),
            Box::new(Own(Arc::clone(&counts))),
            Box::new(SpanCounts),
        ];
        for source in own.into_iter().chain(sources) {
            registry.register_collector(Box::new(Adapter(source)));
        }
        Ok(Self {
            listener,
            pages: Arc::new(Pages {
                registry: Arc::new(registry),
                counts,
                turn: Mutex::new(()),
            }),
            limits: Limits::default(),
        })
    }

    /// With other bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The address bound.
    ///
    /// # Errors
    /// When the system doesn't say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves for ever; whoever runs it ends it.
    pub async fn serve(self) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                self.pages.counts.refused.fetch_add(1, Relaxed);
                continue;
            };
            let (pages, limits) = (Arc::clone(&self.pages), self.limits);
            tokio::spawn(async move {
                pages.converse(stream, limits).await;
                drop(place);
            });
        }
    }
}

impl Pages {
    async fn converse(self: Arc<Self>, stream: TcpStream, limits: Limits) {
        let answer = |request| {
            let pages = Arc::clone(&self);
            async move { Ok::<_, Infallible>(pages.answer(&request).await) }
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(HEAD)
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        let slow = match tokio::time::timeout(limits.life, connection).await {
            Ok(Ok(())) => false,
            Ok(Err(error)) => error.is_timeout(),
            Err(_) => true,
        };
        self.counts.cut.fetch_add(u64::from(slow), Relaxed);
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != "/metrics" {
            return plain(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
        }
        if request.method() != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
        }
        match self.page().await {
            Some(page) => with(StatusCode::OK, TEXT, page),
            None => plain(StatusCode::INTERNAL_SERVER_ERROR, "no page could be made\n"),
        }
    }

    async fn page(&self) -> Option<String> {
        let _turn = self.turn.lock().await;
        self.counts.scrapes.fetch_add(1, Relaxed);
        let registry = Arc::clone(&self.registry);
        let write = move || {
            let mut page = String::new();
            prometheus_text::encode(&mut page, &registry)
                .ok()
                .map(|()| page)
        };
        tokio::task::spawn_blocking(write).await.ok().flatten()
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    with(status, "text/plain; charset=utf-8", text.to_owned())
}

fn with(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
