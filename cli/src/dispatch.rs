//! Runs a command that calls the controller.

use std::process::ExitCode;

use crate::{
    api::{self, Api, Endpoint},
    args::ApiCommand,
    error::CliError,
    meter,
    output::Format,
    resource::{self, flow_log::FlowLogCommand},
    system, watch,
};

/// Runs one command against the controller.
pub(crate) fn block_on(
    endpoint: Endpoint,
    format: Format,
    command: ApiCommand,
) -> Result<ExitCode, CliError> {
    api::runtime()?.block_on(async move {
        // What hosts wrote is with the hosts.
        if let ApiCommand::FlowLog(FlowLogCommand::Tail(args)) = command {
            return watch::tail::run(&endpoint, format, &args).await;
        }
        if let ApiCommand::Version = command {
            return system::version(&endpoint, format).await;
        }
        let api = Api {
            channel: api::connect(&endpoint).await?,
            format,
        };
        run(&api, command).await?;
        Ok(ExitCode::SUCCESS)
    })
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
        ApiCommand::NetworkAcl(command) => resource::network_acl::run(api, command).await,
        ApiCommand::PrefixList(command) => resource::prefix_list::run(api, command).await,
        ApiCommand::Interface(command) => resource::interface::run(api, command).await,
        ApiCommand::PublicPool(command) => resource::public_pool::run(api, command).await,
        ApiCommand::ElasticAddress(command) => resource::elastic_address::run(api, command).await,
        ApiCommand::TransitGateway(command) => resource::transit_gateway::run(api, command).await,
        ApiCommand::TransitAttachment(command) => {
            resource::transit_attachment::run(api, command).await
        }
        ApiCommand::TransitTable(command) => resource::transit_table::run(api, command).await,
        ApiCommand::Peering(command) => resource::peering::run(api, command).await,
        ApiCommand::InternetGateway(command) => resource::internet_gateway::run(api, command).await,
        ApiCommand::EgressGateway(command) => resource::egress_gateway::run(api, command).await,
        ApiCommand::FlowLog(command) => resource::flow_log::run(api, command).await,
        ApiCommand::MirrorFilter(command) => resource::mirror::run_filter(api, command).await,
        ApiCommand::MirrorSession(command) => resource::mirror::run(api, command).await,
        ApiCommand::PrivateZone(command) => resource::private_zone::run(api, command).await,
        ApiCommand::LoadBalancer(command) => resource::load_balancer::run(api, command).await,
        ApiCommand::Listener(command) => resource::listener::run(api, command).await,
        ApiCommand::TargetGroup(command) => resource::target_group::run(api, command).await,
        ApiCommand::Meter(args) => meter::run(api, args).await,
        ApiCommand::NatGateway(command) => resource::nat_gateway::run(api, command).await,
        ApiCommand::Wait(args) => system::wait(api, args).await,
        ApiCommand::Version => Ok(()),
    }
}
