//! Looking at traffic: what all the commands that ask vswitches share.

pub(crate) mod capture;
mod frame;
pub(crate) mod moment;
pub(crate) mod observe;
pub(crate) mod tail;

use std::path::PathBuf;

use clap::Args;
use tonic::transport::Channel;
use weft_model::HostName;
use weft_proto::{
    host::v1::{WatchFilter, inspect_client::InspectClient},
    v1::Interface,
};

use crate::{
    api::{self, Api, Endpoint},
    error::{CliError, UsageError},
    output::Format,
    resource,
};

/// Which hosts to ask.
#[derive(Debug, Args)]
pub(crate) struct HostArgs {
    /// A host, on that host or in the lab; every host of the lab when left out.
    #[arg(long, value_name = "HOST")]
    host: Vec<HostName>,
    /// The vswitch's run directory; /run/weft/HOST when left out.
    #[arg(long, value_name = "DIR", conflicts_with = "host")]
    run_dir: Option<PathBuf>,
}

/// What of all traffic to show.
#[derive(Debug, Clone, Args)]
pub(crate) struct FilterArgs {
    /// tcp, udp, icmp, icmpv6 or a number.
    #[arg(long, default_value_t, hide_default_value = true)]
    pub(crate) protocol: String,
    /// From or to this port.
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// From or to this address, or such a prefix.
    #[arg(long, default_value_t, hide_default_value = true)]
    pub(crate) address: String,
    /// forwarded or dropped.
    #[arg(long, default_value_t, hide_default_value = true)]
    pub(crate) verdict: String,
}

impl FilterArgs {
    fn of(&self, interface: String) -> WatchFilter {
        WatchFilter {
            interface,
            protocol: self.protocol.clone(),
            port: self.port.unwrap_or_default().into(),
            prefix: self.address.clone(),
            verdict: self.verdict.clone(),
        }
    }
}

type Client = InspectClient<Channel>;

/// The vswitches to ask.
async fn clients(endpoint: &Endpoint, args: &HostArgs) -> Result<Vec<Client>, CliError> {
    let mut clients = Vec::new();
    for dir in run_dirs(endpoint, args)? {
        clients.push(client(dir).await?);
    }
    Ok(clients)
}

fn run_dirs(endpoint: &Endpoint, args: &HostArgs) -> Result<Vec<PathBuf>, CliError> {
    if let Some(dir) = &args.run_dir {
        return Ok(vec![dir.clone()]);
    }
    let Some(lab) = &endpoint.lab else {
        if args.host.is_empty() {
            return Err(CliError::Usage(UsageError {
                given: String::new(),
                wanted: "a host",
                hint: "Name this host with --host, or a lab with --lab.",
            }));
        }
        let own = |host: &HostName| PathBuf::from("/run/weft").join(host.as_str());
        return Ok(args.host.iter().map(own).collect());
    };
    if args.host.is_empty() {
        let all = weft_lab::run_dirs(lab).map_err(CliError::Lab)?;
        return Ok(all.into_iter().map(|(_, dir)| dir).collect());
    }
    let named = args.host.iter().map(|host| weft_lab::run_dir(lab, host));
    named.collect::<Result<_, _>>().map_err(CliError::Lab)
}

async fn client(dir: PathBuf) -> Result<Client, CliError> {
    let url = format!("unix://{}", dir.join("vswitch.sock").display());
    let channel = api::connect(&Endpoint { url, lab: None }).await?;
    Ok(InspectClient::new(channel))
}

/// The interface that is meant: by its id, or by its name.
async fn interface(endpoint: &Endpoint, named: &str) -> Result<Interface, CliError> {
    let api = Api {
        channel: api::connect(endpoint).await?,
        format: Format::Table,
    };
    let all = resource::all::<Interface>(&api, "").await?;
    let is_it = |interface: &&Interface| {
        let name = interface.meta.as_ref().map_or("", |meta| &meta.name);
        interface.id == named || name == named
    };
    let mut found = all.iter().filter(is_it);
    let wrong = |wanted, hint| UsageError {
        given: named.to_owned(),
        wanted,
        hint,
    };
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.clone()),
        (None, _) => {
            let hint = "`weft interface list` shows names and ids.";
            Err(wrong("a workload's name or an interface's id", hint).into())
        }
        (Some(_), Some(_)) => {
            let hint = "Several interfaces have it: give the id.";
            Err(wrong("the name of one interface", hint).into())
        }
    }
}

/// Until this process is told to end.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
