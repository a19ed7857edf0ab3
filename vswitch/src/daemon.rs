//! Starting and ending.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
};
use weft_datapath::{
    Datapath, DatapathOptions, StartError, Vtep, WorkerError,
    device::{DeviceError, EdgeDevice, LinkError, mtu_of, networks_beside},
};
use weft_engine::{Limits, config::TablesOptions};
use weft_model::Mtu;
use weft_telemetry::{ListenError, MetricsServer, Telemetry, TelemetryError};

use crate::{
    agent::Agent,
    books::{self, Books},
    choice::{NoKernel, choose},
    edge::Edge,
    health,
    holdings::Holdings,
    host::Host,
    inspect::{self, Inspector},
    lock::{LockError, RunLock},
    metrics::HostMetrics,
    mirrors,
    options::{Options, UnderlayMtu},
    ports::{Ports, PortsOptions},
    resolver,
};

/// Why the vswitch could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't say what it does.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// Metrics can't be served there.
    #[error(transparent)]
    Metrics(#[from] ListenError),
    /// The run directory is held or can't be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No TAP can ever be made here.
    #[error(
        "can't open /dev/net/tun: {0}; load the `tun` module (modprobe tun) and let this user \
         read and write the device"
    )]
    NoTun(io::Error),
    /// The underlay's MTU can't be found out.
    #[error("--underlay-mtu auto: the device of {vtep}: {source}; is it an address of this host?")]
    MtuUnknown {
        /// The VTEP.
        vtep: IpAddr,
        /// Why not.
        source: LinkError,
    },
    /// The underlay can't carry what IPv6 needs at least.
    #[error(
        "the underlay's MTU of {underlay} bytes leaves less than 1280 inside the tunnel: raise it"
    )]
    MtuTooSmall {
        /// The underlay's MTU, in bytes.
        underlay: u32,
    },
    /// The datapath can't start.
    #[error(transparent)]
    Datapath(#[from] StartError),
    /// The kernel datapath was asked for.
    #[error("--datapath kernel: {0}")]
    Kernel(#[from] NoKernel),
    /// The uplink isn't there.
    #[error("--uplink: {0}")]
    Uplink(LinkError),
    /// The edge's device can't be had.
    #[error(transparent)]
    Edge(#[from] DeviceError),
    /// A worker hangs.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The operating system refused a thread, a signal handler or the like.
    #[error("{what}: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System { what, source }
}

/// Runs the vswitch until SIGTERM or SIGINT. Logs to standard error.
///
/// # Errors
/// When it can't start, or a worker hangs.
pub fn run(options: &Options) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(system("starting the runtime"))?;
    let telemetry = {
        let _inside = runtime.enter();
        Telemetry::start(&options.telemetry, "weft-vswitch", options.host.as_str())?
    };
    let run_dir = options.run_dir();
    let _lock = RunLock::take(&run_dir)?;
    let host = start(options)?;
    let ended = runtime.block_on(serve(options, &host));
    telemetry.end();
    // Sessions and inspections end with their runtime, so the ports are ours again.
    runtime.shutdown_timeout(Duration::from_secs(1));
    if let Ok(host) = Arc::try_unwrap(host) {
        host.ports.stop(options.remove_ports_on_exit);
    }
    ended
}

/// Everything that runs on threads of its own.
fn start(options: &Options) -> Result<Arc<Host>, Error> {
    open_tun().map_err(Error::NoTun)?;
    let mut holdings = Holdings::new(TablesOptions {
        host: options.host.clone(),
        vtep: options.vtep,
        mtu: inside_mtu(options)?,
    });
    let chosen = choose(options.datapath, vtep(options), options.workers())?;
    let datapath = DatapathOptions {
        vtep: vtep(options),
        workers: options.workers(),
        limits: Limits::default(),
        seed: random()?,
        kernel: chosen.kernel,
        busy_poll: options.busy_poll,
    };
    if let Some(uplink) = &options.uplink {
        holdings.deny_outside(networks_beside(uplink.as_str()).map_err(Error::Uplink)?);
    }
    let datapath = Arc::new(Datapath::start(&datapath, holdings.publish())?);
    let found = datapath.findings().unwrap_or_else(|| mpsc::channel().1);
    let findings = health::gather(found).map_err(system("starting the health thread"))?;
    let edge = edge(options, &datapath)?;
    let ports = Ports::start(PortsOptions {
        netns_dir: options.netns_dir.clone(),
        run_dir: options.run_dir(),
        datapath: Arc::clone(&datapath),
    })
    .map_err(system("starting the ports' thread"))?;
    let books = Books::new(options.flow_log_dir());
    let mut host = Host::new(holdings, datapath, ports, findings, books, edge);
    host.why_not_kernel = chosen.why_not;
    Ok(Arc::new(host))
}

/// The way to the internet, of a host that is an edge.
fn edge(options: &Options, datapath: &Datapath) -> Result<Option<Edge>, Error> {
    let Some(uplink) = &options.uplink else {
        return Ok(None);
    };
    let mtu = inside_mtu(options)?.min(Mtu::INTERNET);
    let device = EdgeDevice::open(uplink, mtu)?;
    datapath.attach_edge(&device)?;
    Ok(Some(Edge::new(device)))
}

async fn serve(options: &Options, host: &Arc<Host>) -> Result<(), Error> {
    let watch = |kind| signal(kind).map_err(system("watching for signals"));
    let mut terminate = watch(SignalKind::terminate())?;
    let mut interrupt = watch(SignalKind::interrupt())?;
    let asked = host.datapath.questions();
    let asked = asked.unwrap_or_else(|| mpsc::channel().1);
    let counters = Arc::clone(&host.resolver);
    resolver::start(&host.datapath, asked, Handle::current(), counters)
        .map_err(system("starting the resolver's thread"))?;
    let copies = host.datapath.mirrored();
    let copies = copies.unwrap_or_else(|| mpsc::channel().1);
    let epoch = host.datapath.epoch();
    let counters = Arc::clone(&host.mirrors);
    mirrors::start(options.mirror_dir(), epoch, copies, counters)
        .map_err(system("starting the mirrors' thread"))?;
    let agent = Agent {
        name: options.host.clone(),
        controllers: options.controller.clone(),
        instance: random()?,
        host: Arc::clone(host),
    };
    let inspector = Inspector {
        host: Arc::clone(host),
        vtep: vtep(options),
        started: Instant::now(),
    };
    let socket = options.run_dir().join(inspect::SOCKET);
    let metrics = metrics(options, host).await?;
    tracing::info!(host = %options.host, vtep = %options.vtep, "started");
    tokio::select! {
        () = watched(metrics) => Ok(()),
        ended = agent.run() => Ok(ended?),
        ended = books::keep(host) => Ok(ended?),
        served = inspect::serve(&socket, inspector) => {
            served.map_err(system("serving the inspection socket"))
        }
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// The listener for Prometheus, where one is wanted.
async fn metrics(options: &Options, host: &Arc<Host>) -> Result<Option<MetricsServer>, Error> {
    let Some(address) = options.telemetry.metrics_listen else {
        return Ok(None);
    };
    let build = ("vswitch", env!("CARGO_PKG_VERSION"));
    let metrics = HostMetrics::new(host, options.metrics_interfaces);
    let server = MetricsServer::bind(address, build, vec![Box::new(metrics)]).await?;
    tracing::info!(address = ?server.address().ok(), "metrics are at /metrics");
    Ok(Some(server))
}

/// Never ends.
async fn watched(metrics: Option<MetricsServer>) {
    match metrics {
        Some(metrics) => metrics.serve().await,
        None => std::future::pending().await,
    }
}

const fn vtep(options: &Options) -> Vtep {
    Vtep {
        address: options.vtep,
        port: options.vxlan_port,
    }
}

fn open_tun() -> io::Result<()> {
    let mut tun = std::fs::OpenOptions::new();
    tun.read(true).write(true).open("/dev/net/tun").map(drop)
}

fn inside_mtu(options: &Options) -> Result<Mtu, Error> {
    let underlay = match options.underlay_mtu {
        UnderlayMtu::Bytes(mtu) => u32::from(mtu),
        UnderlayMtu::Auto => mtu_of(options.vtep).map_err(|source| Error::MtuUnknown {
            vtep: options.vtep,
            source,
        })?,
    };
    // The loopback's is 65536, one more than IP can carry.
    Mtu::try_from(underlay.min(u16::MAX.into()))
        .ok()
        .and_then(|mtu| mtu.inside_vxlan(options.vtep.is_ipv6()))
        .ok_or(Error::MtuTooSmall { underlay })
}

fn random() -> Result<u64, Error> {
    getrandom::u64().map_err(|error| Error::System {
        what: "drawing random bits",
        source: io::Error::other(error),
    })
}
