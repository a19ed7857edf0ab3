//! Prefix lists. A list that rules and routes name changes only so that all of them still can be.

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw_id, found, refuse,
    route_table, security_group,
};
use crate::{
    Change, Cloud, Destination, Family, Label, Meta, Prefix, PrefixList, PrefixListEntry,
    PrefixListId, RegionName, Revision, RouteTable,
};

/// What a prefix list is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The region whose VPCs may refer to it.
    pub region: RegionName,
    /// The family of all its prefixes.
    pub family: Family,
    /// How many entries it may have; as many as it is given where 0.
    pub max_entries: u32,
    /// The prefixes.
    pub entries: Vec<PrefixListEntry>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// What to change; `None` leaves a field as it is. Lists are the whole list wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// How many entries it may have.
    pub max_entries: Option<u32>,
    /// The prefixes.
    pub entries: Option<Vec<PrefixListEntry>>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes a prefix list.
///
/// # Errors
/// When the region doesn't exist, an entry can't be, or a quota is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    if cloud.region(&draft.region).is_none() {
        let reason = format!("region {} doesn't exist; create it first", draft.region);
        return Err(OpError::invalid("prefix_list.region", reason));
    }
    let lists = cloud.prefix_lists_in_region(&draft.region).count() + 1;
    let limit = settings.quotas.prefix_lists_per_region;
    let within = || format!("region {}", draft.region);
    check_quota(lists, limit, "prefix lists", within)?;
    let given = u32::try_from(draft.entries.len()).unwrap_or(u32::MAX);
    let mut list = PrefixList {
        id: draw_id(cloud, entropy, PrefixListId::from_bits)?,
        region: draft.region,
        family: draft.family,
        max_entries: match draft.max_entries {
            0 => given.max(1),
            max => max,
        },
        entries: draft.entries,
        meta: Meta::named(draft.label),
    };
    settle(&mut list, settings)?;
    Ok(vec![Change::create(list)])
}

/// Changes a prefix list.
///
/// # Errors
/// When it doesn't exist or has changed since the etag, an entry can't be, or with it a rule or a
/// route that names the list couldn't be, or a quota is reached.
pub fn update(
    cloud: &Cloud,
    settings: &Settings,
    id: PrefixListId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.prefix_list(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    after.max_entries = update.max_entries.unwrap_or(after.max_entries);
    after.entries = update.entries.unwrap_or(after.entries);
    after.meta.rename(update.label);
    settle(&mut after, settings)?;
    check_routes(cloud, before, &after)?;
    check_users_quota(cloud, settings, before, &after)?;
    Ok(vec![Change::update(before.clone(), after)])
}

/// Deletes a prefix list.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or a rule or a route names it.
pub fn delete(
    cloud: &Cloud,
    id: PrefixListId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let list = found(cloud.prefix_list(id), id)?;
    check_etag(id, &list.meta, etag)?;
    let group = cloud.groups_naming_list(id).next().map(|g| g.id.into());
    let table = cloud.route_tables_naming_list(id).next();
    if let Some(by) = group.or(table.map(|t| t.id.into())) {
        let key = id.into();
        return Err(OpError::InUse { key, by });
    }
    Ok(vec![Change::delete(list.clone())])
}

/// Why nothing of the region may refer to the list.
pub(super) fn referable<'a>(
    cloud: &'a Cloud,
    region: &RegionName,
    id: PrefixListId,
) -> Result<&'a PrefixList, String> {
    match cloud.prefix_list(id) {
        None => Err(format!("prefix list {id} doesn't exist")),
        Some(list) if list.region != *region => Err(format!(
            "prefix list {id} is in region {}, and this is in {region}",
            list.region
        )),
        Some(list) => Ok(list),
    }
}

/// How many entries a reference to the list counts for.
pub(super) fn weight(cloud: &Cloud, id: PrefixListId) -> usize {
    let max = cloud.prefix_list(id).map_or(1, |list| list.max_entries);
    usize::try_from(max).unwrap_or(usize::MAX)
}

/// Checks the list by itself, and puts its entries in their order.
fn settle(list: &mut PrefixList, settings: &Settings) -> Result<(), OpError> {
    let mut violations = Vec::new();
    if list.max_entries == 0 {
        let reason = "is at least 1";
        violations.push(Violation::new("prefix_list.max_entries", reason));
    }
    for (i, entry) in list.entries.iter().enumerate() {
        let prefix = entry.prefix;
        let reason = if Family::of(prefix) != list.family {
            format!("{prefix} is not of the list's family, {}", list.family)
        } else if list.entries[..i].iter().any(|e| e.prefix == prefix) {
            format!("{prefix} is listed twice")
        } else {
            continue;
        };
        let field = format!("prefix_list.entries[{i}].prefix");
        violations.push(Violation::new(field, reason));
    }
    refuse(violations)?;
    let within = || format!("prefix list {}", list.id);
    let max = usize::try_from(list.max_entries).unwrap_or(usize::MAX);
    if list.entries.len() > max {
        let reason = format!(
            "{} entries are more than max_entries, {max}: raise it, or list fewer",
            list.entries.len()
        );
        return Err(OpError::invalid("prefix_list.entries", reason));
    }
    let limit = settings.quotas.entries_per_prefix_list;
    check_quota(max, limit, "entries", within)?;
    list.entries.sort_by_key(|entry| entry.prefix);
    Ok(())
}

/// Routes for the list are routes for each of its prefixes.
fn check_routes(cloud: &Cloud, before: &PrefixList, after: &PrefixList) -> Result<(), OpError> {
    let new: Vec<Prefix> = after.prefixes().collect();
    let known: Vec<Prefix> = before.prefixes().collect();
    let mut violations = Vec::new();
    for table in cloud.route_tables_naming_list(after.id) {
        for prefix in new.iter().filter(|prefix| !known.contains(prefix)) {
            if let Some(reason) = refused_by(cloud, table, after.id, *prefix) {
                let reason = format!("a route of {} names the list: {reason}", table.id);
                violations.push(Violation::new("prefix_list.entries", reason));
            }
        }
    }
    refuse(violations)
}

fn refused_by(
    cloud: &Cloud,
    table: &RouteTable,
    list: PrefixListId,
    prefix: Prefix,
) -> Option<String> {
    let vpc = cloud.vpc(table.vpc)?;
    let mut routes = table.routes.iter();
    let route = routes.find(|route| route.destination == Destination::List(list))?;
    route_table::check_listed(cloud, vpc, prefix, route.target)
}

/// Whoever names the list may have no more than its own quota with the new size.
fn check_users_quota(
    cloud: &Cloud,
    settings: &Settings,
    before: &PrefixList,
    after: &PrefixList,
) -> Result<(), OpError> {
    if after.max_entries <= before.max_entries {
        return Ok(());
    }
    let weight = |id| {
        if id == after.id {
            usize::try_from(after.max_entries).unwrap_or(usize::MAX)
        } else {
            weight(cloud, id)
        }
    };
    for group in cloud.groups_naming_list(after.id) {
        let family = |id| cloud.prefix_list(id).map(|list| list.family);
        security_group::check_rule_quota(group, settings, family, weight)?;
    }
    for table in cloud.route_tables_naming_list(after.id) {
        route_table::check_route_quota(table, settings, weight)?;
    }
    Ok(())
}
