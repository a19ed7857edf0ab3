//! HTTP, with a limit to everything that a client decides.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    body::{Body as _, Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};
use weft_aws::{Fault, Http, Keys, Service};
use weft_model::ops::Settings;

use super::{
    born,
    calls::{Answered, Calls, overloaded},
    options::{BornPool, BornRegion, Error},
    patient::Patient,
};
use crate::core::Core;

/// Connections at once: each holds a buffer or two.
const CONNECTIONS: usize = 1_024;

/// Calls at once, over all connections: a bound on memory.
const CALLS: usize = 512;

/// What a body may have: a thousand ids and their filters, or user data.
const LONGEST_BODY: usize = 256 << 10;

/// What a request's head may have.
const LONGEST_HEAD: usize = 32 << 10;

/// How long a head may take, the wait for it on an open connection counted.
const HEAD: Duration = Duration::from_secs(30);

/// How long a body may take.
const BODY: Duration = Duration::from_secs(10);

/// How long a client may take no bytes of an answer.
const STALL: Duration = Duration::from_secs(10);

/// How long to wait where the system has no more files for connections.
const BREATH: Duration = Duration::from_millis(50);

/// The API, bound to its address.
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    keys: Keys,
    settings: Settings,
    regions: Vec<BornRegion>,
    pools: Vec<BornPool>,
}

impl Server {
    /// Binds the address, if there is to be one.
    ///
    /// # Errors
    /// When there is no key, or the address can't be listened on.
    pub fn bind(options: &crate::Options) -> Result<Option<Self>, Error> {
        let Some(address) = options.aws.listen else {
            return Ok(None);
        };
        let keys = options.aws.all_keys()?;
        let listen = |source| Error::Listen { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        tracing::info!(%address, "serving the AWS-compatible API");
        Ok(Some(Self {
            listener,
            address,
            keys,
            settings: options.settings(),
            regions: options.aws.region.clone(),
            pools: options.aws.public.clone(),
        }))
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop; what runs then is carried out.
    pub(crate) async fn serve(self, core: Arc<Core>, stopping: watch::Receiver<bool>) {
        born::make(&core, &self.regions, &self.pools).await;
        let listener = match TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the AWS-compatible API can't be served");
                return;
            }
        };
        let front = Arc::new(Front {
            calls: Calls::new(core, self.keys, self.settings),
            places: Semaphore::new(CALLS),
        });
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        accept(&listener, &front, &connections, stopping).await;
        drop(listener);
        // All of them are there again once every connection has ended.
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        let _ = connections.acquire_many(all).await;
    }
}

async fn accept(
    listener: &TcpListener,
    front: &Arc<Front>,
    connections: &Arc<Semaphore>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut refused = 0u64;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => return,
        };
        let Ok((stream, _)) = accepted else {
            sleep(BREATH).await;
            continue;
        };
        match Arc::clone(connections).try_acquire_owned() {
            Ok(place) => {
                let connection = serve(stream, Arc::clone(front), place, stopping.clone());
                tokio::spawn(connection);
            }
            Err(_) => {
                // Closing it is the refusal: a client tries again.
                refused += 1;
                if refused.is_power_of_two() {
                    tracing::warn!(
                        count = refused,
                        "connections beyond {CONNECTIONS} were refused"
                    );
                }
            }
        }
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the server.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn serve(
    stream: TcpStream,
    front: Arc<Front>,
    _place: OwnedSemaphorePermit,
    mut stopping: watch::Receiver<bool>,
) {
    // An answer must not wait for more (Nagle); without it, it is slower and no less right.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Patient::new(stream, STALL));
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(front.respond(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopped(&mut stopping) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// What connections share.
struct Front {
    calls: Calls,
    places: Semaphore,
}

impl Front {
    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Ok(_place) = self.places.try_acquire() else {
            return response(Answered::fault(Service::Ec2, &overloaded()), true);
        };
        let (parts, body) = request.into_parts();
        let body = match read(body).await {
            Ok(body) => body,
            // What is left of it must not be taken for the next request.
            Err(fault) => return response(Answered::fault(Service::Ec2, &fault), true),
        };
        let text =
            |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = parts.headers.iter();
        let headers: Vec<(String, String)> = headers
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect();
        let http = Http {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &headers,
            body: &body,
        };
        response(self.calls.answer(&http).await, false)
    }
}

async fn read(body: Incoming) -> Result<Bytes, Fault> {
    let long = || {
        let message = format!("The request is longer than {LONGEST_BODY} bytes");
        Fault::new("RequestEntityTooLarge", message).with_status(413)
    };
    if body.size_hint().lower() > LONGEST_BODY as u64 {
        return Err(long());
    }
    let whole = timeout(BODY, Limited::new(body, LONGEST_BODY).collect()).await;
    let slow = |_| {
        let message = "The request's body did not come in time";
        Fault::new("RequestTimeout", message).with_status(408)
    };
    let whole = whole.map_err(slow)?.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return long();
        }
        Fault::new("IncompleteBody", "The request's body ended early")
    })?;
    Ok(whole.to_bytes())
}

fn response(answered: Answered, close: bool) -> Response<Full<Bytes>> {
    let mut response = Response::builder()
        .status(answered.status)
        .header(header::CONTENT_TYPE, "text/xml;charset=UTF-8")
        .header(header::CACHE_CONTROL, "no-cache, no-store")
        .header("x-amzn-requestid", answered.request_id);
    if close {
        response = response.header(header::CONNECTION, "close");
    }
    let body = Full::new(Bytes::from(answered.body));
    response
        .body(body)
        .expect("status and headers are the program's own")
}
