//! The client side of the controller's API.

use std::{process::ExitCode, time::Duration};

use tonic::transport::{Channel, Endpoint as Transport};
use weft_proto::v1::operations_client::OperationsClient;

use crate::{
    args::{ApiCommand, Endpoint},
    error::CliError,
    output::Format,
    resource, system,
};

/// How long a connection may take: a controller on the same continent answers well within.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs one command against the controller.
pub(crate) fn block_on(
    endpoint: Endpoint,
    format: Format,
    command: ApiCommand,
) -> Result<ExitCode, CliError> {
    runtime()?.block_on(async move {
        if let ApiCommand::Version = command {
            return system::version(&endpoint, format).await;
        }
        let api = Api {
            channel: connect(&endpoint).await?,
            format,
        };
        run(&api, command).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// A runtime for one command.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)
}

async fn run(api: &Api, command: ApiCommand) -> Result<(), CliError> {
    match command {
        ApiCommand::Region(command) => resource::region::run(api, command).await,
        ApiCommand::Zone(command) => resource::zone::run(api, command).await,
        ApiCommand::Host(command) => resource::host::run(api, command).await,
        ApiCommand::Vpc(command) => resource::vpc::run(api, command).await,
        ApiCommand::Subnet(command) => resource::subnet::run(api, command).await,
        ApiCommand::RouteTable(command) => resource::route_table::run(api, command).await,
        ApiCommand::SecurityGroup(command) => resource::security_group::run(api, command).await,
        ApiCommand::Interface(command) => resource::interface::run(api, command).await,
        ApiCommand::Wait(args) => system::wait(api, args).await,
        ApiCommand::Version => Ok(()),
    }
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
