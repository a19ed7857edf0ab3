//! What the health checks of this host's targets have found, for the controller.

use std::{collections::BTreeMap, io, sync::mpsc::Receiver};

use tokio::sync::watch;
use weft_engine::balance::Finding;
use weft_model::state::TargetKey;

/// Every target that was judged: why it is unhealthy, if it is.
pub(crate) type Findings = BTreeMap<TargetKey, Option<String>>;

/// Gathers findings, on a thread that ends with the workers they come from.
pub(crate) fn gather(found: Receiver<Finding>) -> io::Result<watch::Receiver<Findings>> {
    let (news, findings) = watch::channel(Findings::new());
    std::thread::Builder::new()
        .name("weft-health".into())
        .spawn(move || {
            while let Ok(finding) = found.recv() {
                news.send_modify(|findings| note(findings, finding));
            }
        })?;
    Ok(findings)
}

fn note(findings: &mut Findings, Finding { target, verdict }: Finding) {
    match verdict {
        None => drop(findings.remove(&target)),
        Some(verdict) => {
            let (group, address, port) = target;
            match &verdict {
                Ok(()) => tracing::info!(%group, %address, port, "a target is healthy"),
                Err(reason) => {
                    tracing::warn!(%group, %address, port, reason, "a target is unhealthy");
                }
            }
            findings.insert(target, verdict.err());
        }
    }
}
