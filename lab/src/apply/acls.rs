//! Network ACLs and prefix lists.

use weft_model::{AclAction, AclEntry, AclNumber, PortMatch, Prefix, acl::Direction};
use weft_proto::v1 as wire;

use super::view::{View, Where};
use crate::{
    api::{Api, ApiError, named, request_id},
    topology::{AclSpec, At, DEFAULT_ACL, Topology, VpcSpec},
};

/// Prefix lists, before anything that names them.
pub(super) async fn lists(api: &Api, view: &mut View, topology: &Topology) -> Result<(), ApiError> {
    for list in &topology.prefix_lists {
        let name = list.name.as_str();
        let what = || ApiError::of(format!("prefix list {name}"));
        let entry = |prefix: &Prefix| wire::PrefixListEntry {
            cidr: prefix.to_string(),
            description: String::new(),
        };
        let mut wanted = wire::PrefixList {
            region: crate::topology::REGION.into(),
            family: list.family.to_string(),
            max_entries: list.max_entries,
            entries: list.entries.iter().map(entry).collect(),
            meta: named(name),
            ..Default::default()
        };
        let Some(old) = view.prefix_lists.get(name) else {
            let request = wire::CreatePrefixListRequest {
                prefix_list: Some(wanted),
                request_id: request_id(),
            };
            let answer = api.prefix_lists().create(request).await.map_err(what())?;
            let made = answer.into_inner().prefix_list.unwrap_or_default();
            view.prefix_lists.insert(name.to_owned(), made);
            continue;
        };
        if same_list(old, &wanted) {
            continue;
        }
        wanted.id.clone_from(&old.id);
        let request = wire::UpdatePrefixListRequest {
            prefix_list: Some(wanted),
            update_mask: super::write::mask(&["max_entries", "entries"]),
            etag: String::new(),
            request_id: request_id(),
        };
        api.prefix_lists().update(request).await.map_err(what())?;
    }
    Ok(())
}

fn same_list(old: &wire::PrefixList, wanted: &wire::PrefixList) -> bool {
    let sorted = |list: &wire::PrefixList| {
        let mut all: Vec<String> = list.entries.iter().map(|e| e.cidr.clone()).collect();
        all.sort();
        all
    };
    old.max_entries == wanted.max_entries && sorted(old) == sorted(wanted)
}

/// A VPC's network ACLs, before the subnets that they stand before.
pub(super) async fn acls(api: &Api, view: &mut View, spec: &VpcSpec) -> Result<(), ApiError> {
    let vpc = spec.name.as_str();
    for acl in &spec.acls {
        let name = acl.name.as_str();
        let key = Where::new(vpc, name);
        if name != DEFAULT_ACL && !view.acls.contains_key(&key) {
            let request = wire::CreateNetworkAclRequest {
                network_acl: Some(wire::NetworkAcl {
                    vpc: view.vpc_id(vpc),
                    meta: named(name),
                    ..Default::default()
                }),
                request_id: request_id(),
            };
            let answer = api.network_acls().create(request).await;
            let answer = answer.map_err(ApiError::of(format!("network ACL {name}")))?;
            let made = answer.into_inner().network_acl.unwrap_or_default();
            view.acls.insert(key.clone(), made);
        }
        let old = view.acls.get(&key).cloned().unwrap_or_default();
        set_entries(api, acl, &old, Direction::Ingress).await?;
        set_entries(api, acl, &old, Direction::Egress).await?;
    }
    Ok(())
}

/// The default ACL as a VPC is made with it: everything passes.
pub(super) async fn reset(
    api: &Api,
    spec: &AclSpec,
    old: &wire::NetworkAcl,
) -> Result<(), ApiError> {
    let open = |prefix| AclEntry {
        number: AclNumber::DEFAULT,
        action: AclAction::Allow,
        traffic: PortMatch::All,
        prefix,
    };
    let all = Prefix::everywhere().map(open);
    let all = all.map(|open| At::new(open, spec.name.span)).to_vec();
    let open = AclSpec {
        name: spec.name.clone(),
        ingress: all.clone(),
        egress: all,
    };
    set_entries(api, &open, old, Direction::Ingress).await?;
    set_entries(api, &open, old, Direction::Egress).await
}

/// New entries come before old ones go.
async fn set_entries(
    api: &Api,
    spec: &AclSpec,
    old: &wire::NetworkAcl,
    direction: Direction,
) -> Result<(), ApiError> {
    let what = || ApiError::of(format!("network ACL {}", spec.name.value));
    let (wanted, old_entries) = match direction {
        Direction::Ingress => (&spec.ingress, &old.ingress),
        Direction::Egress => (&spec.egress, &old.egress),
    };
    let wanted: Vec<wire::AclEntry> = wanted.iter().map(|wanted| (&wanted.value).into()).collect();
    for entry in wanted.iter().filter(|entry| !old_entries.contains(entry)) {
        let request = wire::PutAclEntryRequest {
            network_acl: old.id.clone(),
            direction: direction.text().to_owned(),
            entry: Some(entry.clone()),
            etag: String::new(),
            request_id: request_id(),
        };
        api.network_acls()
            .put_entry(request)
            .await
            .map_err(what())?;
    }
    let place = |entry: &wire::AclEntry| (entry.cidr.contains(':'), entry.number);
    for gone in old_entries {
        if wanted.iter().any(|entry| place(entry) == place(gone)) {
            continue;
        }
        let request = wire::DeleteAclEntryRequest {
            network_acl: old.id.clone(),
            direction: direction.text().to_owned(),
            family: if place(gone).0 { "ipv6" } else { "ipv4" }.to_owned(),
            number: gone.number,
            etag: String::new(),
            request_id: request_id(),
        };
        api.network_acls()
            .delete_entry(request)
            .await
            .map_err(what())?;
    }
    Ok(())
}
