//! Ends the deregistration delays: a target that has drained for long enough is taken out.
//!
//! The time counts from when this process first saw it drain; after a restart it counts anew, so a
//! connection may get more than its delay and never less.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::{Instant, interval};
use weft_model::{Cloud, TargetGroupId, TargetName, ops};

use crate::core::{Command, Core};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(250);

/// A target of a group, on a port.
type Key = (TargetGroupId, TargetName, u16);

/// Looks for ever; whoever runs it ends it.
pub(crate) async fn end_when_due(core: Arc<Core>) {
    let mut since: BTreeMap<Key, Instant> = BTreeMap::new();
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        let draining = core.read(|view| draining(&view.cloud));
        since.retain(|key, _| draining.contains_key(key));
        for (key, delay) in draining {
            if since.entry(key).or_insert_with(Instant::now).elapsed() >= delay {
                end(&core, key).await;
            }
        }
    }
}

fn draining(cloud: &Cloud) -> BTreeMap<Key, Duration> {
    let targets = cloud.target_groups().flat_map(|group| {
        let delay = Duration::from_secs(group.deregistration_delay.into());
        let draining = group.targets.iter().filter(|target| target.draining);
        draining.map(move |target| ((group.id, target.name, target.port), delay))
    });
    targets.collect()
}

async fn end(core: &Core, (group, name, port): Key) {
    let command = Command {
        operation: Box::new(move |cloud, _, _| {
            ops::target_group::drained(cloud, group, (name, port))
        }),
        render: Box::new(|_, _| Vec::new()),
    };
    if let Err(error) = core.write(None, command).await {
        // It is looked at again; a group that is gone by then is no longer in the list.
        tracing::debug!(%group, %name, %error, "a drained target stays for now");
    }
}
