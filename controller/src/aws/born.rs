//! Regions that are there from the start: each a world of its own, as a new account finds it.

use weft_model::{
    Change, Cloud,
    ops::{Entropy, OpError, Settings, public_pool, region, zone},
};

use super::options::{BornPool, BornRegion};
use crate::core::{Command, Core, WriteError};

/// Makes what isn't there of these regions. A region that is there is left as it is.
pub(super) async fn make(core: &Core, regions: &[BornRegion], pools: &[BornPool]) {
    for born in regions {
        if core.read(|view| view.cloud.region(&born.name).is_some()) {
            continue;
        }
        if let Err(error) = one(core, born, pools).await {
            tracing::error!(region = %born.name, %error, "the region can't be made");
        }
    }
}

async fn one(core: &Core, born: &BornRegion, pools: &[BornPool]) -> Result<(), WriteError> {
    let (name, label) = (born.name.clone(), None);
    write(core, move |cloud, settings, entropy| {
        region::born(cloud, settings, region::Draft { name, label }, entropy)
    })
    .await?;
    for zone in &born.zones {
        let draft = zone::Draft {
            name: zone.clone(),
            region: born.name.clone(),
            label: None,
        };
        write(core, move |cloud, settings, entropy| {
            zone::born(cloud, settings, draft, entropy)
        })
        .await?;
    }
    let blocks = pools.iter().filter(|pool| pool.region == born.name);
    let blocks: Vec<_> = blocks.map(|pool| pool.block).collect();
    if blocks.is_empty() {
        return Ok(());
    }
    let draft = public_pool::Draft {
        region: born.name.clone(),
        blocks,
        label: None,
    };
    write(core, move |cloud, _, entropy| {
        public_pool::create(cloud, draft, entropy)
    })
    .await
}

async fn write(
    core: &Core,
    operation: impl FnOnce(&Cloud, &Settings, &mut dyn Entropy) -> Result<Vec<Change>, OpError>
    + Send
    + 'static,
) -> Result<(), WriteError> {
    let command = Command {
        operation: Box::new(operation),
        render: Box::new(|_, _| Vec::new()),
    };
    core.write(None, command).await.map(|_| ())
}
