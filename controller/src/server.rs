//! The daemon: opens the store, serves people and hosts, and goes down in order.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::Duration,
};

use futures::stream::select_all;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
    task::JoinHandle,
};
use tonic::transport::server::TcpIncoming;
use tonic_health::{
    ServingStatus,
    server::{HealthReporter, health_reporter},
};
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};
use weft_model::{Change, Revision};
use weft_store::{RedbStore, StoreError};
use weft_telemetry::{ListenError, MetricsServer, Telemetry, TelemetryError};

use crate::{
    Options, aws,
    core::{Core, Downstream, load},
    drains,
    metrics::ControllerMetrics,
    north::{self, CallLayer},
    south::{Hub, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, Timings, leases},
};

/// Calls at once on one connection.
const STREAMS: u32 = 256;

/// How long calls may take to end once the daemon is told to stop. Streams to hosts and waits end
/// at once; what remains waits for a commit at most.
const GRACE: Duration = Duration::from_secs(3);

/// How far behind the meters on disk may be: what a crash makes hosts tell again.
const METERS_SAVED: Duration = Duration::from_secs(5);

/// Why the controller can't run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't say what it does.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// Metrics can't be served there.
    #[error(transparent)]
    Metrics(#[from] ListenError),
    /// The data directory can't be made.
    #[error(
        "the data directory {} can't be made: {source}; name another one with --data",
        .path.display()
    )]
    Data {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store can't be opened or read, or failed while running.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The writer's thread panicked: a defect, and what it was is in the log.
    #[error("the writer ended unexpectedly; the store holds what was answered: start again")]
    Writer,
    /// An address can't be listened on.
    #[error("can't listen on {address}: {source}; name another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The operating system refused a thread, a signal handler or the like.
    #[error("{what}: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The descriptors of the API can't be served.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The AWS-compatible API can't be served.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// Serving ended by itself.
    #[error("serving: {0}")]
    Serve(#[from] tonic::transport::Error),
}

impl Error {
    fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

/// Runs the controller until SIGTERM or SIGINT. Logs to standard error.
///
/// # Errors
/// When it can't start, or its store fails.
pub fn run(options: Options) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::system("starting the runtime"))?;
    let (ended, telemetry) = runtime.block_on(async {
        let telemetry = Telemetry::start(&options.telemetry, "weft-controller", "")?;
        let ended = async {
            let stop = stop_signal()?;
            Server::bind(&options)?.serve(stop).await
        };
        Ok::<_, Error>((ended.await, telemetry))
    })?;
    telemetry.end();
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

fn stop_signal() -> Result<impl Future<Output = ()>, Error> {
    let watch = |kind| signal(kind).map_err(Error::system("watching for signals"));
    let (mut terminate, mut interrupt) = (
        watch(SignalKind::terminate())?,
        watch(SignalKind::interrupt())?,
    );
    Ok(async move {
        let signal = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal, "stopping");
    })
}

impl Downstream for Hub {
    fn commit(&self, revision: Revision, changes: &[Change]) {
        Self::commit(self, revision, changes);
    }
}

/// A controller whose store is open and whose addresses are bound.
pub struct Server {
    listeners: Vec<TcpIncoming>,
    addresses: Vec<SocketAddr>,
    core: Arc<Core>,
    hub: Hub,
    failure: oneshot::Receiver<StoreError>,
    aws: Option<aws::Server>,
    metrics: Option<SocketAddr>,
    store: PathBuf,
}

impl Server {
    /// Opens the store and binds the addresses. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// When the store can't be opened or an address can't be bound.
    pub fn bind(options: &Options) -> Result<Self, Error> {
        let store = open_store(&options.data)?;
        let view = load(&store)?;
        let listeners = options
            .listen
            .iter()
            .map(|&address| listen(address))
            .collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<_> = listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect();
        tracing::info!(?addresses, revision = %view.revision, "serving");
        let aws = aws::Server::bind(options)?;
        let hub = Hub::new(&view.cloud, view.revision, Timings::default());
        hub.metering().keep_in(&options.data, &options.account);
        let (core, failure) = Core::start(
            Arc::new(RwLock::new(view)),
            Box::new(store),
            options.settings(),
            Arc::new(hub.clone()),
        )
        .map_err(Error::system("starting the writer"))?;
        Ok(Self {
            listeners,
            addresses,
            core: Arc::new(core),
            hub,
            failure,
            aws,
            metrics: options.telemetry.metrics_listen,
            store: store_file(&options.data),
        })
    }

    /// The addresses bound, in the order of the options.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address of the AWS-compatible API, where it is served.
    pub fn aws_address(&self) -> Option<SocketAddr> {
        self.aws.as_ref().map(aws::Server::address)
    }

    /// Serves until `stop`, then ends what runs and closes the store.
    ///
    /// # Errors
    /// When the store fails meanwhile.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let Self {
            listeners,
            core,
            hub,
            mut failure,
            aws,
            metrics,
            store,
            ..
        } = self;
        let (stopping, stopped) = watch::channel(false);
        let (health, health_service) = health_reporter();
        report(&health, ServingStatus::Serving).await;
        let calls = CallLayer::new(stopped.clone());
        let told = ControllerMetrics {
            core: Arc::downgrade(&core),
            hub: hub.clone(),
            calls: calls.stats(),
            store,
        };
        let metrics = watch_by(metrics, told).await?;
        let leases = hub.take_asks();
        let leases = leases.map(|asks| tokio::spawn(leases::serve(Arc::clone(&core), asks)));
        let watching = [
            tokio::spawn(hub.clone().watch_silence()),
            tokio::spawn(drains::end_when_due(Arc::clone(&core))),
        ];
        let saving = tokio::spawn(save_meters(hub.clone()));
        let aws = aws.map(|aws| tokio::spawn(aws.serve(Arc::clone(&core), stopped.clone())));
        let mut serving = Box::pin(
            tonic::transport::Server::builder()
                .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
                .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
                .max_concurrent_streams(STREAMS)
                .layer(calls)
                .add_routes(north::routes(Arc::clone(&core), hub.clone()))
                .add_service(hub.service())
                .add_service(health_service)
                .add_service(reflection()?)
                .serve_with_incoming_shutdown(select_all(listeners), async move {
                    // An error means that the sender is gone, and with it the server.
                    let _ = stopped.clone().wait_for(|stopping| *stopping).await;
                }),
        );
        let absent = hub.clone();
        tokio::spawn(async move { absent.give_up_absent().await });
        let failed = tokio::select! {
            ended = &mut serving => return ended.map_err(Error::Serve),
            error = &mut failure => Some(error.map_or(Error::Writer, Error::Store)),
            () = stop => None,
        };
        report(&health, ServingStatus::NotServing).await;
        hub.close();
        stopping.send_replace(true);
        if tokio::time::timeout(GRACE, serving).await.is_err() {
            tracing::warn!("calls that still ran after {GRACE:?} were cut off");
        }
        cut_off(aws).await;
        watching.iter().chain(&metrics).for_each(JoinHandle::abort);
        if let Some(leases) = leases {
            leases.abort();
        }
        close(core).await;
        saving.abort();
        hub.metering().save();
        failed.map_or(Ok(()), Err)
    }
}

/// Waits for the calls of the AWS-compatible API that still run, for a while.
async fn cut_off(aws: Option<JoinHandle<()>>) {
    if let Some(aws) = aws
        && tokio::time::timeout(GRACE, aws).await.is_err()
    {
        tracing::warn!("calls of the AWS-compatible API that still ran were cut off");
    }
}

/// Tells callers what the API looks like.
fn reflection() -> Result<ServerReflectionServer<impl ServerReflection>, Error> {
    let builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(weft_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    Ok(builder.build_v1()?)
}

/// Serves metrics, where somebody wants them.
async fn watch_by(
    address: Option<SocketAddr>,
    metrics: ControllerMetrics,
) -> Result<Option<JoinHandle<()>>, Error> {
    let Some(address) = address else {
        return Ok(None);
    };
    let build = ("controller", env!("CARGO_PKG_VERSION"));
    let server = MetricsServer::bind(address, build, vec![Box::new(metrics)]).await?;
    tracing::info!(address = ?server.address().ok(), "metrics are at /metrics");
    Ok(Some(tokio::spawn(server.serve())))
}

/// Keeps what was metered on disk, a little behind.
async fn save_meters(hub: Hub) {
    let mut beats = tokio::time::interval(METERS_SAVED);
    loop {
        beats.tick().await;
        let hub = hub.clone();
        // The file is small, and a stopping runtime may cut this off: what is there stays whole.
        let _ = tokio::task::spawn_blocking(move || hub.metering().save()).await;
    }
}

fn open_store(data: &Path) -> Result<RedbStore, Error> {
    // Whoever may write the store owns the cloud.
    let mut directory = std::fs::DirBuilder::new();
    let made = directory.recursive(true).mode(0o700).create(data);
    made.map_err(|source| Error::Data {
        path: data.to_owned(),
        source,
    })?;
    Ok(RedbStore::open(store_file(data))?)
}

fn store_file(data: &Path) -> PathBuf {
    data.join("cloud.redb")
}

fn listen(address: SocketAddr) -> Result<TcpIncoming, Error> {
    let listener =
        TcpIncoming::bind(address).map_err(|source| Error::Listen { address, source })?;
    // Small answers must not wait for more (Nagle); a peer that vanished must not stay for hours.
    Ok(listener
        .with_nodelay(Some(true))
        .with_keepalive(Some(Duration::from_secs(60))))
}

/// Of the server as a whole, and of each of its services.
async fn report(health: &HealthReporter, status: ServingStatus) {
    let files = FileDescriptorSet::decode(weft_proto::DESCRIPTORS).unwrap_or_default();
    health.set_service_status("", status).await;
    for file in files.file {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            health.set_service_status(name, status).await;
        }
    }
}

/// Waits on a thread that may block: the last group is flushed to disk.
async fn close(core: Arc<Core>) {
    if let Err(error) = tokio::task::spawn_blocking(move || core.close()).await {
        tracing::error!(%error, "closing the store");
    }
}
