//! Tags: what people and programs file resources under, whatever their kind.

use super::{OpError, Settings, check_quota, found};
use crate::{Change, Cloud, Resource, ResourceKey, TagKey, TagValue, Tags};

/// Puts tags on resources; a key that is there gets the new value.
///
/// # Errors
/// When a resource doesn't exist, or would have too many.
pub fn put(
    cloud: &Cloud,
    settings: &Settings,
    keys: &[ResourceKey],
    tags: &Tags,
) -> Result<Vec<Change>, OpError> {
    let limit = settings.quotas.tags_per_resource;
    let change = |resource: &mut Resource| {
        let key = resource.key();
        let meta = resource.meta_mut();
        for (tag, value) in tags {
            meta.put_tag(tag.clone(), value.clone());
        }
        check_quota(meta.tag_count(), limit, "tags", || key.to_string())
    };
    each(cloud, keys, change)
}

/// Takes tags off resources: those with the value alone where one is given. What isn't there is
/// no error.
///
/// # Errors
/// When a resource doesn't exist.
pub fn remove(
    cloud: &Cloud,
    keys: &[ResourceKey],
    tags: &[(TagKey, Option<TagValue>)],
) -> Result<Vec<Change>, OpError> {
    each(cloud, keys, |resource| {
        for (key, value) in tags {
            resource.meta_mut().drop_tag(key, value.as_ref());
        }
        Ok(())
    })
}

fn each(
    cloud: &Cloud,
    keys: &[ResourceKey],
    change: impl Fn(&mut Resource) -> Result<(), OpError>,
) -> Result<Vec<Change>, OpError> {
    let mut keys = keys.to_vec();
    keys.sort();
    keys.dedup();
    let one = |key: ResourceKey| {
        let before = found(cloud.get(&key), key)?;
        let mut after = before.clone();
        change(&mut after)?;
        Ok(Change::update(before, after))
    };
    keys.into_iter().map(one).collect()
}
