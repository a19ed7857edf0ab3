//! What holds for every call: a request id in the answer and in the log, a limit to how many run
//! at once, and a limit to how long one takes.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{HeaderName, HeaderValue, Request, Response};
use tokio::sync::{Semaphore, watch};
use tonic::{Status, body::Body};
use tower::{Layer, Service};
use tracing::Instrument as _;
use weft_telemetry::continue_trace;

use super::{CallStats, status};

/// Names a call in the answer's metadata and in the log; a caller may choose it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Unary calls that run at once, over all connections. One takes far less than a millisecond
/// beside its share of a commit, so this is a bound on memory, not on throughput.
const CALLS: usize = 1024;

/// Waits at once: each holds little but its place.
const WAITS: usize = 4096;

/// How long a unary call may take: it waits for a commit or two.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Limits shared by all connections.
#[derive(Clone)]
pub(crate) struct CallLayer {
    calls: Arc<Semaphore>,
    waits: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
    stats: Arc<CallStats>,
}

impl CallLayer {
    /// Limits of a server that stops when `stopping` says so.
    pub(crate) fn new(stopping: watch::Receiver<bool>) -> Self {
        Self {
            calls: Arc::new(Semaphore::new(CALLS)),
            waits: Arc::new(Semaphore::new(WAITS)),
            stopping,
            stats: Arc::default(),
        }
    }

    /// How calls went.
    pub(crate) fn stats(&self) -> Arc<CallStats> {
        Arc::clone(&self.stats)
    }

    fn limits(&self, path: &str) -> Limits {
        if path == "/weft.v1.Operations/Wait" {
            return Limits {
                places: Some(Arc::clone(&self.waits)),
                timeout: None,
                stopping: Some(self.stopping.clone()),
            };
        }
        if path.starts_with("/weft.v1.") {
            return Limits {
                places: Some(Arc::clone(&self.calls)),
                timeout: Some(TIMEOUT),
                stopping: None,
            };
        }
        // Streams, which bound themselves.
        Limits::default()
    }
}

#[derive(Default)]
struct Limits {
    places: Option<Arc<Semaphore>>,
    timeout: Option<Duration>,
    /// Cuts the call off when the server stops; other calls are short enough to end by themselves.
    stopping: Option<watch::Receiver<bool>>,
}

impl<S> Layer<S> for CallLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Calls<S> {
        let layer = self.clone();
        Calls { layer, inner }
    }
}

/// Watches over the calls to `inner`.
#[derive(Clone)]
pub(crate) struct Calls<S> {
    layer: CallLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for Calls<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let id = request_id(&request);
        let limits = self.layer.limits(request.uri().path());
        let path = request.uri().path().to_owned();
        let shown = id.to_str().unwrap_or_default();
        let span = tracing::info_span!("call", method = path, request_id = shown);
        continue_trace(&span, request.headers());
        let answer = self.inner.call(request);
        let running = Running::begin(&self.layer.stats);
        let call = async move {
            let started = Instant::now();
            let mut response = limits.run(answer).await?;
            response.headers_mut().insert(REQUEST_ID, id);
            let code = Status::from_header_map(response.headers())
                .map_or(tonic::Code::Ok, |status| status.code());
            let elapsed = started.elapsed();
            running.0.ended(&path, code, elapsed);
            tracing::debug!(?code, ?elapsed, "answered");
            Ok(response)
        };
        Box::pin(call.instrument(span))
    }
}

/// Counts a call among those that run, until it is dropped: a caller may go at any time.
struct Running(Arc<CallStats>);

impl Running {
    fn begin(stats: &Arc<CallStats>) -> Self {
        stats.running.fetch_add(1, Relaxed);
        Self(Arc::clone(stats))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
    }
}

impl Limits {
    async fn run<E>(
        self,
        answer: impl Future<Output = Result<Response<Body>, E>>,
    ) -> Result<Response<Body>, E> {
        let _place = match self.places.map(Semaphore::try_acquire_owned) {
            Some(Err(_)) => {
                let message = "too many calls run already: try again a little later";
                return Ok(status::overloaded(message.to_owned()).into_http());
            }
            Some(Ok(place)) => Some(place),
            None => None,
        };
        tokio::select! {
            answer = within(self.timeout, answer) => answer,
            () = stopped(self.stopping) => Ok(status::closing().into_http()),
        }
    }
}

async fn within<E>(
    timeout: Option<Duration>,
    answer: impl Future<Output = Result<Response<Body>, E>>,
) -> Result<Response<Body>, E> {
    let Some(timeout) = timeout else {
        return answer.await;
    };
    tokio::time::timeout(timeout, answer)
        .await
        .unwrap_or_else(|_| {
            let message = format!("the call took longer than {timeout:?}");
            Ok(status::late(message).into_http())
        })
}

/// Never, where nobody says when.
async fn stopped(stopping: Option<watch::Receiver<bool>>) {
    match stopping {
        // An error means that the sender is gone, and with it the server.
        Some(mut stopping) => drop(stopping.wait_for(|stopping| *stopping).await),
        None => std::future::pending().await,
    }
}

/// The caller's id for the call where it is short and printable, or else a new one.
fn request_id(request: &Request<Body>) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID);
    let fits = |id: &&HeaderValue| {
        (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    match given.filter(fits) {
        Some(id) => id.clone(),
        None => fresh_id(),
    }
}

fn fresh_id() -> HeaderValue {
    use std::hash::{BuildHasher as _, RandomState};
    let bits = RandomState::new().hash_one(0);
    HeaderValue::try_from(format!("{bits:016x}")).expect("hex digits are visible ASCII")
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future};

    use tonic::Code;

    use super::*;

    fn code(answer: Result<Response<Body>, Infallible>) -> Code {
        let Ok(response) = answer;
        Status::from_header_map(response.headers()).unwrap().code()
    }

    fn never() -> future::Pending<Result<Response<Body>, Infallible>> {
        future::pending()
    }

    #[tokio::test]
    async fn a_wait_ends_when_the_server_stops() {
        let (stop, stopping) = watch::channel(false);
        let limits = CallLayer::new(stopping).limits("/weft.v1.Operations/Wait");
        stop.send_replace(true);
        assert_eq!(code(limits.run(never()).await), Code::Unavailable);
    }

    #[tokio::test]
    async fn a_call_too_many_is_refused_at_once() {
        let limits = Limits {
            places: Some(Arc::new(Semaphore::new(0))),
            ..Limits::default()
        };
        assert_eq!(code(limits.run(never()).await), Code::Unavailable);
    }

    #[tokio::test]
    async fn a_call_that_never_ends_is_ended() {
        let limits = Limits {
            timeout: Some(Duration::ZERO),
            ..Limits::default()
        };
        assert_eq!(code(limits.run(never()).await), Code::DeadlineExceeded);
    }

    #[test]
    fn streams_have_no_limit_here() {
        let (_stop, stopping) = watch::channel(false);
        let limits = CallLayer::new(stopping).limits("/weft.sync.v1.Sync/Stream");
        assert!(limits.places.is_none() && limits.timeout.is_none() && limits.stopping.is_none());
    }
}
