//! Hosts ask for ports of NAT gateways and give them back; what is given back rests for a while.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};
use weft_model::{
    Change, HostName, LeaseKey, NatGatewayId,
    ops::{OpError, lease},
};

use crate::core::{Command, Core, WriteError};

/// Asks that wait to be written. Past it they are dropped: a host that still needs ports asks again.
pub(super) const ASKS: usize = 1024;

/// How long a block rests before another host may have it: as long as a connection may be idle, so
/// that nothing comes any more for the host that had it.
const REST: Duration = Duration::from_secs(350);

/// How often it is looked which blocks have rested.
const LOOK: Duration = Duration::from_secs(10);

/// What a host asks.
#[derive(Debug)]
pub(crate) enum Ask {
    /// More blocks of a gateway.
    More(HostName, NatGatewayId, usize),
    /// To be rid of these.
    Less(HostName, Vec<LeaseKey>),
}

/// Writes what hosts ask, until nobody can ask any more.
pub(crate) async fn serve(core: Arc<Core>, mut asks: mpsc::Receiver<Ask>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut resting = HashMap::new();
    loop {
        tokio::select! {
            ask = asks.recv() => match ask {
                Some(ask) => answer(&core, ask).await,
                None => return,
            },
            _ = looks.tick() => {
                let rested = rested(&core, &mut resting, Instant::now());
                if !rested.is_empty() {
                    write(&core, move |cloud| Ok(lease::free_rested(cloud, &rested))).await;
                }
            }
        }
    }
}

async fn answer(core: &Core, ask: Ask) {
    match ask {
        Ask::More(host, nat, blocks) => {
            write(core, move |cloud| lease::grant(cloud, nat, &host, blocks)).await;
        }
        Ask::Less(host, keys) => {
            write(core, move |cloud| Ok(lease::give_back(cloud, &host, &keys))).await;
        }
    }
}

async fn write(
    core: &Core,
    operation: impl FnOnce(&weft_model::Cloud) -> Result<Vec<Change>, OpError> + Send + 'static,
) {
    let nothing = |changes: Vec<Change>| match changes.is_empty() {
        // Nothing to write is nothing to commit.
        true => Err(OpError::Invalid(Vec::new())),
        false => Ok(changes),
    };
    let command = Command {
        operation: Box::new(move |cloud, _, _| operation(cloud).and_then(nothing)),
        render: Box::new(|_, _| Vec::new()),
    };
    match core.write(None, command).await {
        Ok(_) => {}
        Err(WriteError::Refused(OpError::Invalid(why))) if why.is_empty() => {}
        // The gateway may have gone meanwhile; or the host asks again.
        Err(error) => tracing::debug!(%error, "ports were not leased"),
    }
}

/// The blocks that rest since [`REST`], as far as this process saw. One that rested before it began
/// rests anew, which is safe.
fn rested(core: &Core, since: &mut HashMap<LeaseKey, Instant>, now: Instant) -> Vec<LeaseKey> {
    let resting: Vec<LeaseKey> = core.read(|view| {
        let leases = view.cloud.port_leases();
        let resting = leases.filter(|lease| lease.host.is_none());
        resting.map(|lease| lease.key).collect()
    });
    let before = std::mem::take(since);
    for key in resting {
        since.insert(key, before.get(&key).copied().unwrap_or(now));
    }
    let over = since.iter().filter(|(_, start)| now - **start >= REST);
    over.map(|(key, _)| *key).collect()
}
