//! `weft target-group`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreateTargetGroupRequest, DeregisterTargetsRequest, GetRequest, HealthCheck,
    RegisterTargetsRequest, Target, TargetGroup, UpdateTargetGroupRequest,
    target_groups_client::TargetGroupsClient,
};

use super::{DeleteArgs, Kind as _, ListArgs, ShowArgs, WriteArgs};
use crate::{
    api::Api,
    error::CliError,
    output::{self, Row, or_dash},
};

/// Commands on target groups.
#[derive(Debug, Subcommand)]
pub(crate) enum TargetGroupCommand {
    /// Make a target group.
    #[command(
        after_help = "Examples:\n  weft target-group create --vpc vpc-0... --protocol tcp --port 8080 --name web\n  weft target-group create --vpc vpc-0... --protocol tcp --port 80 --check http --check-path /health"
    )]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Register targets; one that is registered gets the new weight, one that drains comes back.
    #[command(
        after_help = "Examples:\n  weft target-group register tg-0... eni-0... eni-0...\n  weft target-group register tg-0... eni-0...:8081      on another port than the group's\n  weft target-group register tg-0... 'eni-0...*3'       with three times the share"
    )]
    Register(TargetsArgs),
    /// Deregister targets: no new connections, and those present go on until the delay is over.
    Deregister(TargetsArgs),
    /// Say how each target is doing, and why.
    Health(ShowArgs),
    /// Change the health check or the deregistration delay.
    Update(UpdateArgs),
    /// Delete one that no listener sends to.
    Delete(DeleteArgs),
}

/// How targets' health is found out.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// How a check asks: tcp, http, or https, which takes any certificate.
    #[arg(long, value_name = "PROTOCOL")]
    check: Option<String>,
    /// The port that it asks on; each target's own without.
    #[arg(long, value_name = "PORT")]
    check_port: Option<u16>,
    /// What HTTP asks for.
    #[arg(long, value_name = "PATH")]
    check_path: Option<String>,
    /// The status codes that HTTP wants: CODE or FIRST-LAST.
    #[arg(long, value_name = "CODES")]
    check_codes: Option<String>,
    /// Seconds from one check to the next: 5 to 300.
    #[arg(long, value_name = "SECONDS")]
    interval: Option<u32>,
    /// Seconds until an unanswered check has failed: 2 to 120.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Checks passed in a row until a target is healthy: 2 to 10.
    #[arg(long, value_name = "CHECKS")]
    healthy: Option<u32>,
    /// Checks failed in a row until it is unhealthy: 2 to 10.
    #[arg(long, value_name = "CHECKS")]
    unhealthy: Option<u32>,
}

impl CheckArgs {
    /// What is given over what there was.
    fn over(self, check: HealthCheck) -> HealthCheck {
        let other = self.check.as_ref();
        // Another kind of check has other fields and another timeout.
        let check = match other.is_some_and(|other| *other != check.protocol) {
            true => HealthCheck {
                path: String::new(),
                codes: String::new(),
                timeout: 0,
                ..check
            },
            false => check,
        };
        HealthCheck {
            protocol: self.check.unwrap_or(check.protocol),
            port: self.check_port.map_or(check.port, u32::from),
            path: self.check_path.unwrap_or(check.path),
            codes: self.check_codes.unwrap_or(check.codes),
            interval: self.interval.unwrap_or(check.interval),
            timeout: self.timeout.unwrap_or(check.timeout),
            healthy_threshold: self.healthy.unwrap_or(check.healthy_threshold),
            unhealthy_threshold: self.unhealthy.unwrap_or(check.unhealthy_threshold),
        }
    }

    fn is_given(&self) -> bool {
        let texts = [&self.check, &self.check_path, &self.check_codes];
        let numbers = [self.interval, self.timeout, self.healthy, self.unhealthy];
        self.check_port.is_some()
            || texts.iter().any(|text| text.is_some())
            || numbers.iter().any(Option::is_some)
    }
}

/// Arguments of `weft target-group create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The VPC that the targets are in.
    #[arg(long)]
    vpc: String,
    /// What the targets take: tcp, udp or tcp_udp.
    #[arg(long, default_value = "tcp")]
    protocol: String,
    /// The port of targets that name none.
    #[arg(long)]
    port: u16,
    /// What targets are named by: interface or ip.
    #[arg(long = "type", value_name = "TYPE", default_value = "interface")]
    target_type: String,
    #[command(flatten)]
    check: CheckArgs,
    /// Seconds that a deregistered target keeps its connections: 0 to 3600.
    #[arg(long, value_name = "SECONDS")]
    deregistration_delay: Option<u32>,
    /// Whether targets see the client's address, or the balancer's; off with tcp alone.
    #[arg(long, value_name = "BOOL")]
    preserve_client_address: Option<bool>,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft target-group update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    #[command(flatten)]
    check: CheckArgs,
    /// Seconds that a deregistered target keeps its connections: 0 to 3600.
    #[arg(long, value_name = "SECONDS")]
    deregistration_delay: Option<u32>,
    /// Whether targets see the client's address, or the balancer's; off with tcp alone.
    #[arg(long, value_name = "BOOL")]
    preserve_client_address: Option<bool>,
    /// A name for people; empty takes it away.
    #[arg(long)]
    name: Option<String>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft target-group register` and `deregister`.
#[derive(Debug, Args)]
pub(crate) struct TargetsArgs {
    /// The group's id.
    id: String,
    /// An interface's id or an address, with a port if it isn't the group's, and a weight if it
    /// isn't 1; an IPv6 address with a port in brackets.
    #[arg(value_name = "TARGET[:PORT][*WEIGHT]", required = true)]
    targets: Vec<String>,
    /// Refuse if the group has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Splits what is typed; the controller judges the parts.
fn target(text: &str) -> Target {
    let (text, weight) = text.rsplit_once('*').unwrap_or((text, "0"));
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (name, port) = match bracketed {
        Some((name, port)) => (name, port.trim_start_matches(':')),
        None if text.matches(':').count() == 1 => text.split_once(':').unwrap_or((text, "")),
        None => (text, ""),
    };
    let number = |text: &str| match text {
        "" => 0,
        text => text.parse().unwrap_or(u32::MAX),
    };
    Target {
        target: name.to_owned(),
        port: number(port),
        weight: number(weight),
        ..Target::default()
    }
}

impl Row for TargetGroup {
    const TITLES: &'static [&'static str] =
        &["ID", "NAME", "VPC", "PROTOCOL", "PORT", "CHECK", "TARGETS"];

    fn cells(&self) -> Vec<String> {
        let check = self.health_check.clone().unwrap_or_default();
        let line = |t: &Target| format!("{}:{} {}", t.target, t.port, t.health);
        let targets: Vec<String> = self.targets.iter().map(line).collect();
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.vpc.clone(),
            self.protocol.clone(),
            self.port.to_string(),
            format!("{}{} {} s", check.protocol, check.path, check.interval),
            or_dash(&targets.join("\n")),
        ]
    }
}

impl Row for Target {
    const TITLES: &'static [&'static str] = &["TARGET", "PORT", "WEIGHT", "HEALTH", "REASON"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.target.clone(),
            self.port.to_string(),
            self.weight.to_string(),
            self.health.clone(),
            or_dash(&self.reason),
        ]
    }
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: TargetGroupCommand) -> Result<(), CliError> {
    match command {
        TargetGroupCommand::Create(args) => create(api, args).await,
        TargetGroupCommand::Show(args) => super::show::<TargetGroup>(api, args).await,
        TargetGroupCommand::List(args) => super::list::<TargetGroup>(api, args).await,
        TargetGroupCommand::Register(args) => register(api, args).await,
        TargetGroupCommand::Deregister(args) => deregister(api, args).await,
        TargetGroupCommand::Health(args) => health(api, args).await,
        TargetGroupCommand::Update(args) => update(api, args).await,
        TargetGroupCommand::Delete(args) => super::delete::<TargetGroup>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let group = TargetGroup {
        vpc: args.vpc,
        protocol: args.protocol,
        port: args.port.into(),
        target_type: args.target_type,
        health_check: Some(args.check.over(HealthCheck::default())),
        deregistration_delay: args.deregistration_delay,
        preserve_client_address: args.preserve_client_address,
        meta: super::named(args.name),
        ..TargetGroup::default()
    };
    let request = CreateTargetGroupRequest {
        target_group: Some(group),
        request_id: args.write.request_id,
    };
    let mut client = TargetGroupsClient::new(api.channel.clone());
    let answer = client.create(request).await?.into_inner();
    super::written(api, args.write.wait, answer.target_group, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let update_mask = super::mask(&[
        ("meta.name", args.name.is_some()),
        ("health_check", args.check.is_given()),
        ("deregistration_delay", args.deregistration_delay.is_some()),
        (
            "preserve_client_address",
            args.preserve_client_address.is_some(),
        ),
    ]);
    let get = GetRequest {
        id: args.id.clone(),
    };
    let now = TargetGroup::get(api.channel.clone(), get).await?;
    let check = args.check.over(now.health_check.unwrap_or_default());
    let group = TargetGroup {
        id: args.id,
        health_check: Some(check),
        deregistration_delay: args.deregistration_delay,
        preserve_client_address: args.preserve_client_address,
        meta: super::named(args.name),
        ..TargetGroup::default()
    };
    let request = UpdateTargetGroupRequest {
        target_group: Some(group),
        update_mask,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = TargetGroupsClient::new(api.channel.clone());
    let answer = client.update(request).await?.into_inner();
    super::written(api, args.write.wait, answer.target_group, answer.revision).await
}

async fn register(api: &Api, args: TargetsArgs) -> Result<(), CliError> {
    let request = RegisterTargetsRequest {
        target_group: args.id,
        targets: args.targets.iter().map(|text| target(text)).collect(),
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = TargetGroupsClient::new(api.channel.clone());
    let answer = client.register(request).await?.into_inner();
    super::written(api, args.write.wait, answer.target_group, answer.revision).await
}

async fn deregister(api: &Api, args: TargetsArgs) -> Result<(), CliError> {
    let request = DeregisterTargetsRequest {
        target_group: args.id,
        targets: args.targets.iter().map(|text| target(text)).collect(),
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let mut client = TargetGroupsClient::new(api.channel.clone());
    let answer = client.deregister(request).await?.into_inner();
    super::written(api, args.write.wait, answer.target_group, answer.revision).await
}

async fn health(api: &Api, args: ShowArgs) -> Result<(), CliError> {
    let get = GetRequest { id: args.id };
    let group = TargetGroup::get(api.channel.clone(), get).await?;
    output::list(api.format, &group.targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_split_into_its_parts() {
        let parts = |text| {
            let target = target(text);
            (target.target, target.port, target.weight)
        };
        assert_eq!(parts("eni-01"), ("eni-01".to_owned(), 0, 0));
        assert_eq!(parts("eni-01:81"), ("eni-01".to_owned(), 81, 0));
        assert_eq!(parts("eni-01:81*3"), ("eni-01".to_owned(), 81, 3));
        assert_eq!(parts("10.0.0.4*2"), ("10.0.0.4".to_owned(), 0, 2));
        assert_eq!(parts("fd00::4"), ("fd00::4".to_owned(), 0, 0));
        assert_eq!(parts("[fd00::4]:81"), ("fd00::4".to_owned(), 81, 0));
        assert_eq!(
            parts("eni-01:x").1,
            u32::MAX,
            "the controller says what is wrong"
        );
    }
}
