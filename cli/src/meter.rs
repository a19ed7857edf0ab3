//! `weft meter`.

use clap::Args;
use weft_proto::v1::{MeterRequest, MeterRow, metering_client::MeteringClient};

use crate::{
    api::Api,
    error::CliError,
    output::{self, Row, or_dash},
};

/// Arguments of `weft meter`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  weft meter                             every interface, the last day\n  weft meter --account --hours 168       the whole account, a week\n  weft meter --interface eni-0... --hours 1"
)]
pub(crate) struct MeterArgs {
    /// Only this interface.
    #[arg(
        long,
        default_value_t,
        hide_default_value = true,
        value_name = "INTERFACE"
    )]
    interface: String,
    /// How many hours, the present one counted; a week is kept.
    #[arg(long, default_value_t = 24, value_name = "N")]
    hours: u32,
    /// Sums over all interfaces instead of each.
    #[arg(long)]
    account: bool,
}

impl Row for MeterRow {
    const TITLES: &'static [&'static str] = &[
        "HOUR",
        "ACCOUNT",
        "INTERFACE",
        "REACH",
        "SENT PACKETS / BYTES",
        "RECEIVED PACKETS / BYTES",
        "CONNECTIONS",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            crate::watch::moment::date_and_time(self.hour),
            self.account.clone(),
            or_dash(&self.interface),
            self.reach.clone(),
            format!("{} / {}", self.sent_packets, self.sent_bytes),
            format!("{} / {}", self.received_packets, self.received_bytes),
            self.connections.to_string(),
        ]
    }
}

/// Asks and prints.
pub(crate) async fn run(api: &Api, args: MeterArgs) -> Result<(), CliError> {
    let request = MeterRequest {
        interface: args.interface,
        hours: args.hours,
        per_account: args.account,
    };
    let answer = MeteringClient::new(api.channel.clone())
        .query(request)
        .await?;
    output::list(api.format, &answer.into_inner().rows)
}
