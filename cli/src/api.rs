//! The client side of the controller's API.

use std::time::Duration;

use clap::Args;
use tonic::transport::{Channel, Endpoint as Transport};
use weft_proto::v1::operations_client::OperationsClient;

use crate::{error::CliError, output::Format};

/// How long a connection may take: a controller on the same continent answers well within.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where help lists what every command takes.
pub(crate) const FOR_ALL: &str = "Options of all commands";

/// Which controller to ask.
#[derive(Debug, Clone, Args)]
pub(crate) struct Endpoint {
    /// The controller: http://HOST:PORT or unix:///PATH.
    #[arg(
        long = "api",
        global = true,
        env = "WEFT_API",
        value_name = "URL",
        help_heading = FOR_ALL,
        default_value = "http://127.0.0.1:7400"
    )]
    pub(crate) url: String,

    /// The lab that is meant: its controller instead of --api.
    #[arg(
        long = "lab",
        global = true,
        env = "WEFT_LAB",
        value_name = "LAB",
        help_heading = FOR_ALL
    )]
    pub(crate) lab: Option<String>,
}

/// A runtime for one command.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)
}

/// An open connection and how to print what comes back.
pub(crate) struct Api {
    /// The connection; clones share it.
    pub(crate) channel: Channel,
    /// How to print.
    pub(crate) format: Format,
}

impl Api {
    /// A client of the operations service.
    pub(crate) fn operations(&self) -> OperationsClient<Channel> {
        OperationsClient::new(self.channel.clone())
    }
}

/// Connects to the controller, or to the lab's.
pub(crate) async fn connect(endpoint: &Endpoint) -> Result<Channel, CliError> {
    let url = match &endpoint.lab {
        Some(lab) => weft_lab::controller_url(lab).map_err(CliError::Lab)?,
        None => endpoint.url.clone(),
    };
    let transport = Transport::from_shared(url.clone())
        .map_err(|source| CliError::Url {
            url: url.clone(),
            source,
        })?
        .connect_timeout(CONNECT_TIMEOUT);
    transport
        .connect()
        .await
        .map_err(|source| CliError::Unreachable { url, source })
}
