//! Pools of public addresses.

use super::{Entropy, OpError, Violation, check_etag, draw_id, found, refuse};
use crate::{
    Change, Cloud, Label, Meta, PublicBlock4, PublicPool, PublicPoolId, RegionName, Revision,
};

/// What a pool is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The region it serves.
    pub region: RegionName,
    /// Its addresses.
    pub blocks: Vec<PublicBlock4>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is. Lists are the whole list wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// Its addresses; a block with addresses in use can't go.
    pub blocks: Option<Vec<PublicBlock4>>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a pool.
///
/// # Errors
/// When the region doesn't exist, or a block can't be public or overlaps another.
pub fn create(
    cloud: &Cloud,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    if cloud.region(&draft.region).is_none() {
        let reason = format!("region {} doesn't exist; create it first", draft.region);
        return Err(OpError::invalid("public_pool.region", reason));
    }
    let pool = PublicPool {
        id: draw_id(cloud, entropy, PublicPoolId::from_bits)?,
        region: draft.region,
        blocks: draft.blocks,
        meta: Meta::named(draft.label),
    };
    check_blocks(cloud, &pool)?;
    Ok(vec![Change::create(pool)])
}

/// Changes a pool.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, a block can't be its, or one that goes has
/// addresses in use.
pub fn update(
    cloud: &Cloud,
    id: PublicPoolId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.public_pool(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    if let Some(blocks) = update.blocks {
        after.blocks = blocks;
        check_blocks(cloud, &after)?;
        check_gone(cloud, before, &after)?;
    }
    after.meta.rename(update.label);
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a pool.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or an address of it is held.
pub fn delete(
    cloud: &Cloud,
    id: PublicPoolId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let pool = found(cloud.public_pool(id), id)?;
    check_etag(id, &pool.meta, etag)?;
    let mut holders = pool.blocks.iter().filter_map(|b| cloud.holder_in(*b));
    if let Some(by) = holders.next() {
        let (key, by) = (id.into(), by.into());
        return Err(OpError::InUse { key, by });
    }
    Ok(vec![Change::delete(pool.clone())])
}

fn check_blocks(cloud: &Cloud, pool: &PublicPool) -> Result<(), OpError> {
    if pool.blocks.is_empty() {
        let reason = "is required: a pool has at least one block";
        return Err(OpError::invalid("public_pool.blocks", reason));
    }
    let checked = (0..pool.blocks.len()).filter_map(|i| {
        let reason = check_block(cloud, pool, i)?;
        Some(Violation::new(format!("public_pool.blocks[{i}]"), reason))
    });
    refuse(checked.collect())
}

/// Why the pool can't have its block of this number.
fn check_block(cloud: &Cloud, pool: &PublicPool, i: usize) -> Option<String> {
    let block = pool.blocks[i];
    let network = block.net().network();
    let special = network.is_loopback()
        || network.is_link_local()
        || network.is_multicast()
        || network.octets()[0] == 0
        || network.octets()[0] >= 240;
    if special {
        return Some(format!(
            "{block} isn't for hosts (this-network, loopback, link-local, multicast or reserved)"
        ));
    }
    if let Some(other) = pool.blocks[..i].iter().find(|b| b.overlaps(block)) {
        return Some(format!("{block} overlaps {other} of the same pool"));
    }
    let mut others = cloud.public_pools().filter(|other| other.id != pool.id);
    let other = others.find(|other| other.blocks.iter().any(|b| b.overlaps(block)))?;
    Some(format!("{block} overlaps a block of pool {}", other.id))
}

/// Addresses in use must stay inside the pool.
fn check_gone(cloud: &Cloud, before: &PublicPool, after: &PublicPool) -> Result<(), OpError> {
    let kept = |block: &&PublicBlock4| after.blocks.iter().any(|b| b.contains(**block));
    let gone = before.blocks.iter().filter(|block| !kept(block));
    match gone.filter_map(|block| cloud.holder_in(*block)).next() {
        None => Ok(()),
        Some(by) => Err(OpError::InUse {
            key: before.id.into(),
            by: by.into(),
        }),
    }
}
