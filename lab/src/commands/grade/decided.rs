//! What decided of a packet: the rule, route, entry or missing thing, as `weft explain` finds it.

use std::net::IpAddr;

use weft_proto::v1::{ExplainRequest, ExplainStep, Explanation};

use crate::{
    api::{Api, ApiError},
    apply::{Places, View},
    commands::check::blame::{named, names},
    runtime::{dirs::LabDir, internet},
    topology::{Check, Destination, INTERNET, Topology},
};

/// Who can be asked.
pub(super) struct Deciders {
    api: Api,
    names: Vec<(String, String)>,
    places: Places,
}

impl Deciders {
    /// Asks what is called how, and where it is written.
    pub(super) async fn load(dir: &LabDir, running: &Topology) -> Result<Self, ApiError> {
        let api = Api::connect(dir).await?;
        let view = View::load(&api).await?;
        Ok(Self {
            names: names(&api).await?,
            places: Places::of(&view, running),
            api,
        })
    }

    /// What decided of the check's packet; nothing is known of packets from the internet.
    pub(super) async fn of(&self, check: &Check) -> Option<String> {
        if check.from.as_str() == INTERNET {
            return None;
        }
        let request = ExplainRequest {
            from: check.from.to_string(),
            to: receiver(check)?,
            protocol: check.transport.to_string(),
            port: check.port.into(),
            ipv6: check.ipv6,
        };
        let answer = self.api.explain().explain(request).await.ok()?.into_inner();
        let holds = answer.installed.or(answer.intended)?;
        Some(self.text(&holds))
    }

    fn text(&self, holds: &Explanation) -> String {
        let Some(step) = decisive(holds) else {
            return holds.verdict.clone();
        };
        let text = named(step.text.clone(), &self.names);
        match self.places.get(&step.object) {
            Some(place) => format!("{text} ({}, line {})", place.name, place.line),
            None => text,
        }
    }
}

fn receiver(check: &Check) -> Option<String> {
    match &check.to {
        Destination::Workload(name) if name.as_str() == INTERNET => {
            let servers = internet::servers();
            let of_family = |a: &&IpAddr| a.is_ipv6() == check.ipv6;
            servers.iter().find(of_family).map(ToString::to_string)
        }
        other => Some(other.to_string()),
    }
}

/// What dropped it, or what let it in at the far end, or the last that led it there.
fn decisive(holds: &Explanation) -> Option<&ExplainStep> {
    let steps = || holds.hops.iter().flat_map(|hop| &hop.steps);
    let there = holds.hops.iter().filter(|hop| !hop.back);
    let mut there = there.flat_map(|hop| hop.steps.iter().map(move |step| (hop, step)));
    let dropped = steps().find(|step| step.kind == "drop");
    let let_in = there.find(|(hop, s)| hop.half == "ingress" && s.kind == "security-group");
    let led = || steps().rfind(|step| step.kind == "route");
    dropped.or(let_in.map(|(_, step)| step)).or_else(led)
}

#[cfg(test)]
mod tests {
    use weft_proto::v1::ExplainHop;

    use super::*;

    fn hop(half: &str, kinds: &[&str]) -> ExplainHop {
        let steps = kinds.iter().map(|kind| ExplainStep {
            kind: (*kind).to_owned(),
            text: format!("{half} {kind}"),
            ..Default::default()
        });
        ExplainHop {
            half: half.to_owned(),
            steps: steps.collect(),
            ..Default::default()
        }
    }

    fn decides(hops: [ExplainHop; 2]) -> String {
        let holds = Explanation {
            hops: hops.into(),
            ..Default::default()
        };
        decisive(&holds).unwrap().text.clone()
    }

    #[test]
    fn a_drop_decides_before_what_allowed_it_and_the_receivers_rule_before_the_way() {
        let out = || hop("egress", &["security-group", "route"]);
        let taken = hop("ingress", &["security-group", "deliver"]);
        assert_eq!(decides([out(), taken]), "ingress security-group");
        assert_eq!(decides([out(), hop("ingress", &["drop"])]), "ingress drop");
        assert_eq!(
            decides([out(), hop("ingress", &["deliver"])]),
            "egress route"
        );
    }
}
