//! The latest drops: which packet, where, and what is to blame.

use tonic::transport::Channel;
use weft_proto::host::v1::{RecentDrop, RecentDropsRequest, inspect_client::InspectClient};

use crate::{
    error::CliError,
    inspect::end,
    output::{self, Format, Row, or_dash},
};

impl Row for RecentDrop {
    const TITLES: &'static [&'static str] = &[
        "AGO",
        "HALF",
        "INTERFACE",
        "PROTOCOL",
        "FROM",
        "TO",
        "REASON",
        "WHAT",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            ago(self.age_milliseconds),
            self.half.clone(),
            or_dash(&self.interface),
            or_dash(&protocol(self)),
            or_dash(&end(&self.source, self.source_port)),
            or_dash(&end(&self.destination, self.destination_port)),
            self.reason.clone(),
            self.what.clone(),
        ]
    }
}

fn protocol(drop: &RecentDrop) -> String {
    match (drop.icmp_type, drop.icmp_code) {
        (Some(kind), Some(code)) => format!("{} {kind}/{code}", drop.protocol),
        _ => drop.protocol.clone(),
    }
}

fn ago(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..=99 => format!("{seconds} s"),
        100..=5_999 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// Asks and prints.
pub(super) async fn show(
    client: &mut InspectClient<Channel>,
    format: Format,
    request: RecentDropsRequest,
) -> Result<(), CliError> {
    let answer = client.recent_drops(request).await?.into_inner();
    if format == Format::Json {
        return output::json(&answer);
    }
    output::list(format, &answer.drops)?;
    if answer.unrecorded > 0 {
        let note = "more drops came too fast to be recorded: `drops` counts them";
        output::lines(&format!("... {} {note}", answer.unrecorded))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_shows_its_ends_and_its_blame() {
        let drop = RecentDrop {
            age_milliseconds: 1_500,
            half: "tunnel".into(),
            protocol: "tcp".into(),
            source: "10.0.0.1".into(),
            source_port: 4000,
            destination: "fd00::2".into(),
            destination_port: 22,
            reason: "security_group_ingress".into(),
            what: "no ingress rule of sg-1 allows it".into(),
            ..Default::default()
        };
        let shown = output::table(&[drop]);
        for part in [
            "1 s",
            "10.0.0.1:4000",
            "[fd00::2]:22",
            "no ingress rule of sg-1",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }

    #[test]
    fn a_drop_without_readable_headers_shows_dashes() {
        let drop = RecentDrop {
            reason: "malformed".into(),
            ..Default::default()
        };
        let cells = drop.cells();
        assert_eq!(cells[2..6], ["-", "-", "-", "-"]);
    }
}
