//! What the command line says.

use std::{net::IpAddr, path::PathBuf, str::FromStr};

use clap::Args;
use tonic::transport::Uri;
use weft_datapath::MAX_WORKERS;
use weft_model::{DatapathChoice, DeviceName, HostName, Mtu};
use weft_telemetry::TelemetryOptions;

/// Workers without `--workers`: more than this share one host's memory bandwidth anyway.
const DEFAULT_WORKERS: usize = 8;

/// Interfaces on the page of metrics: five series each are some megabytes a scrape.
const MOST_INTERFACES: usize = 10_000;

/// How the vswitch runs.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// This host's name, as the controller knows it
    #[arg(long, value_name = "NAME", env = "WEFT_HOST")]
    pub host: HostName,

    /// The underlay address of this host's tunnel: an address of this machine
    #[arg(long, value_name = "ADDRESS")]
    pub vtep: IpAddr,

    /// A controller to follow; when several are given, they are tried in turn
    #[arg(long, value_name = "URL", env = "WEFT_CONTROLLER", required = true, value_parser = endpoint)]
    pub controller: Vec<Uri>,

    /// Where the workloads' network namespaces are
    #[arg(long, value_name = "DIR", default_value = "/run/netns")]
    pub netns_dir: PathBuf,

    /// Where this vswitch keeps its lock and its socket [default: /run/weft/HOST]
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,

    /// Where flow logs are written [default: flow-logs in the run directory]
    #[arg(long, value_name = "DIR")]
    pub flow_log_dir: Option<PathBuf>,

    /// Where mirror sessions write their files [default: mirrors in the run directory]
    #[arg(long, value_name = "DIR")]
    pub mirror_dir: Option<PathBuf>,

    /// What forwards packets: threads of this process (`userspace`), or the kernel, where it can be
    /// (`auto`) or else not at all (`kernel`)
    #[arg(
        long,
        value_name = "auto|userspace|kernel",
        env = "WEFT_DATAPATH",
        default_value_t = DatapathChoice::default()
    )]
    pub datapath: DatapathChoice,

    /// Worker threads, 1 to 64 [default: one per core, at most 8]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub workers: Option<usize>,

    /// Percent of a core that each worker may spend looking for the next packet before it sleeps;
    /// without traffic it sleeps at once
    #[arg(long, value_name = "PERCENT", default_value_t = 50,
          value_parser = clap::value_parser!(u8).range(0..=100))]
    pub busy_poll: u8,

    /// The underlay's MTU in bytes; `auto` takes that of the VTEP's device
    #[arg(long, value_name = "auto|N", default_value = "auto")]
    pub underlay_mtu: UnderlayMtu,

    /// The UDP port of every VTEP
    #[arg(long, value_name = "PORT", default_value_t = 4789)]
    pub vxlan_port: u16,

    /// The device that leads to the internet: makes this host an edge, as `weft host --uplink` says
    #[arg(long, value_name = "DEVICE")]
    pub uplink: Option<DeviceName>,

    /// On SIGTERM, remove the ports' devices too: the default keeps them, with the workloads'
    /// connections, for the next vswitch
    #[arg(long)]
    pub remove_ports_on_exit: bool,

    /// Interfaces whose packets are counted one by one on the page of metrics, at most 10000
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = interfaces)]
    pub metrics_interfaces: usize,

    /// How it is watched
    #[command(flatten)]
    pub telemetry: TelemetryOptions,
}

impl Options {
    pub(crate) fn run_dir(&self) -> PathBuf {
        match &self.run_dir {
            Some(dir) => dir.clone(),
            None => PathBuf::from("/run/weft").join(self.host.as_str()),
        }
    }

    pub(crate) fn flow_log_dir(&self) -> PathBuf {
        let dir = self.flow_log_dir.clone();
        dir.unwrap_or_else(|| self.run_dir().join("flow-logs"))
    }

    pub(crate) fn mirror_dir(&self) -> PathBuf {
        let dir = self.mirror_dir.clone();
        dir.unwrap_or_else(|| self.run_dir().join("mirrors"))
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism();
            cores.map_or(1, usize::from).min(DEFAULT_WORKERS)
        })
    }
}

/// The underlay's MTU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnderlayMtu {
    /// That of the device which holds the VTEP.
    Auto,
    /// This.
    Bytes(Mtu),
}

impl FromStr for UnderlayMtu {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let bytes: u32 = text
            .parse()
            .map_err(|_| "`auto` or a number of bytes is wanted".to_owned())?;
        let mtu = Mtu::try_from(bytes).map_err(|error| error.to_string())?;
        Ok(Self::Bytes(mtu))
    }
}

fn endpoint(text: &str) -> Result<Uri, String> {
    let wanted = || "http://ADDRESS:PORT is wanted".to_owned();
    let uri: Uri = text.parse().map_err(|_| wanted())?;
    if uri.scheme_str() == Some("http") && uri.authority().is_some() {
        Ok(uri)
    } else {
        Err(wanted())
    }
}

fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MAX_WORKERS).contains(&count) => Ok(count),
        _ => Err(format!("a number from 1 to {MAX_WORKERS} is wanted")),
    }
}

fn interfaces(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count <= MOST_INTERFACES => Ok(count),
        _ => Err(format!("a number up to {MOST_INTERFACES} is wanted")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn parse(more: &[&str]) -> Result<Options, clap::Error> {
        let least = [
            "vswitch",
            "--host",
            "h1",
            "--vtep",
            "10.0.0.1",
            "--controller",
        ];
        let arguments = least.iter().chain(more);
        Cli::try_parse_from(arguments).map(|cli| cli.options)
    }

    #[test]
    fn the_least_command_line_has_sound_defaults() {
        let options = parse(&["http://10.0.0.9:7400"]).unwrap();
        assert_eq!(options.run_dir(), PathBuf::from("/run/weft/h1"));
        assert_eq!(options.underlay_mtu, UnderlayMtu::Auto);
        assert!((1..=8).contains(&options.workers()));
        assert_eq!(options.datapath, DatapathChoice::Userspace);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (more, named) in [
            (&["10.0.0.9:7400"][..], "--controller"),
            (&["http://c:1", "--workers", "0"], "--workers"),
            (&["http://c:1", "--workers", "65"], "--workers"),
            (&["http://c:1", "--busy-poll", "101"], "--busy-poll"),
            (
                &["http://c:1", "--metrics-interfaces", "10001"],
                "--metrics-interfaces",
            ),
            (&["http://c:1", "--datapath", "fast"], "--datapath"),
            (&["http://c:1", "--underlay-mtu", "1000"], "--underlay-mtu"),
        ] {
            let error = parse(more).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
