//! `weft private-zone`.

use clap::{Args, Subcommand};
use weft_proto::v1::{
    CreatePrivateZoneRequest, DeleteRecordRequest, DnsRecord, PrivateZone, PutRecordRequest,
    UpdatePrivateZoneRequest, private_zones_client::PrivateZonesClient,
};

use super::{DeleteArgs, ListArgs, ShowArgs, WriteArgs};
use crate::{
    api::Api,
    error::CliError,
    output::{Row, joined},
};

/// Commands on private zones.
#[derive(Debug, Subcommand)]
pub(crate) enum PrivateZoneCommand {
    /// Make a private zone, without records yet.
    #[command(after_help = "Example:\n  weft private-zone create corp.internal --vpc vpc-0...")]
    Create(CreateArgs),
    /// Show one.
    Show(ShowArgs),
    /// List all.
    List(ListArgs),
    /// Change its name or the VPCs that see it.
    Update(UpdateArgs),
    /// Add records, or replace all those of the same name and type.
    #[command(
        after_help = "Example:\n  weft private-zone put-record hz-0... db.corp.internal A 10.0.1.5 10.0.1.6"
    )]
    PutRecord(PutRecordArgs),
    /// Remove all records of a name and type.
    DeleteRecord(DeleteRecordArgs),
    /// Delete one with its records.
    Delete(DeleteArgs),
}

/// Arguments of `weft private-zone create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The domain.
    domain: String,
    /// A VPC that sees it; several by repeating.
    #[arg(long = "vpc", value_name = "VPC")]
    vpcs: Vec<String>,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft private-zone update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Its id.
    id: String,
    /// All VPCs that shall see it; several by repeating.
    #[arg(long = "vpc", value_name = "VPC")]
    vpcs: Vec<String>,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// Refuse if it has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft private-zone put-record`.
#[derive(Debug, Args)]
pub(crate) struct PutRecordArgs {
    /// The zone's id.
    id: String,
    /// The whole name, inside the zone's domain; `*` may stand for its first label.
    record: String,
    /// A, AAAA, CNAME, MX, PTR, SRV or TXT.
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The values, as a zone file writes them.
    #[arg(required = true)]
    values: Vec<String>,
    /// Seconds that an answer may be kept [default: 300].
    #[arg(long)]
    ttl: Option<u32>,
    /// Refuse if the zone has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Arguments of `weft private-zone delete-record`.
#[derive(Debug, Args)]
pub(crate) struct DeleteRecordArgs {
    /// The zone's id.
    id: String,
    /// The whole name.
    record: String,
    /// Its type.
    #[arg(value_name = "TYPE")]
    kind: String,
    /// Refuse if the zone has changed since this etag.
    #[arg(long, default_value_t, hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

impl Row for PrivateZone {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "DOMAIN", "VPCS", "RECORDS"];

    fn cells(&self) -> Vec<String> {
        let records: Vec<String> = self.records.iter().map(record_text).collect();
        vec![
            self.id.clone(),
            super::name(self.meta.as_ref()),
            self.domain.clone(),
            joined(&self.vpcs),
            records.join("\n"),
        ]
    }
}

fn record_text(record: &DnsRecord) -> String {
    let ttl = record.ttl.unwrap_or_default();
    let values = record.values.join(", ");
    format!("{} {ttl} {} {values}", record.name, record.r#type)
}

/// Runs one.
pub(crate) async fn run(api: &Api, command: PrivateZoneCommand) -> Result<(), CliError> {
    match command {
        PrivateZoneCommand::Create(args) => create(api, args).await,
        PrivateZoneCommand::Show(args) => super::show::<PrivateZone>(api, args).await,
        PrivateZoneCommand::List(args) => super::list::<PrivateZone>(api, args).await,
        PrivateZoneCommand::Update(args) => update(api, args).await,
        PrivateZoneCommand::PutRecord(args) => put_record(api, args).await,
        PrivateZoneCommand::DeleteRecord(args) => delete_record(api, args).await,
        PrivateZoneCommand::Delete(args) => super::delete::<PrivateZone>(api, args).await,
    }
}

async fn create(api: &Api, args: CreateArgs) -> Result<(), CliError> {
    let private_zone = PrivateZone {
        domain: args.domain,
        vpcs: args.vpcs,
        meta: super::named(args.name),
        ..PrivateZone::default()
    };
    let request = CreatePrivateZoneRequest {
        private_zone: Some(private_zone),
        request_id: args.write.request_id,
    };
    let answer = PrivateZonesClient::new(api.channel.clone())
        .create(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.private_zone, answer.revision).await
}

async fn update(api: &Api, args: UpdateArgs) -> Result<(), CliError> {
    let update_mask = super::mask(&[
        ("meta.name", args.name.is_some()),
        ("vpcs", !args.vpcs.is_empty()),
    ]);
    let private_zone = PrivateZone {
        id: args.id,
        vpcs: args.vpcs,
        meta: super::named(args.name),
        ..PrivateZone::default()
    };
    let request = UpdatePrivateZoneRequest {
        private_zone: Some(private_zone),
        update_mask,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let answer = PrivateZonesClient::new(api.channel.clone())
        .update(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.private_zone, answer.revision).await
}

async fn put_record(api: &Api, args: PutRecordArgs) -> Result<(), CliError> {
    let record = DnsRecord {
        name: args.record,
        r#type: args.kind,
        ttl: args.ttl,
        values: args.values,
    };
    let request = PutRecordRequest {
        private_zone: args.id,
        record: Some(record),
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let answer = PrivateZonesClient::new(api.channel.clone())
        .put_record(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.private_zone, answer.revision).await
}

async fn delete_record(api: &Api, args: DeleteRecordArgs) -> Result<(), CliError> {
    let request = DeleteRecordRequest {
        private_zone: args.id,
        name: args.record,
        r#type: args.kind,
        etag: args.etag,
        request_id: args.write.request_id,
    };
    let answer = PrivateZonesClient::new(api.channel.clone())
        .delete_record(request)
        .await?
        .into_inner();
    super::written(api, args.write.wait, answer.private_zone, answer.revision).await
}
