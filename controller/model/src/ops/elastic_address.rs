//! Elastic addresses: taken from a pool, put on something, given back.

use std::net::Ipv4Addr;

use super::{Entropy, OpError, Settings, check_etag, check_quota, draw_id, found};
use crate::{
    Association, Change, Cloud, ElasticAddress, ElasticAddressId, Interface, InterfaceId, Label,
    Meta, PublicPool, PublicPoolId, RegionName, Revision,
};

/// What an elastic address is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The region whose pools it is taken from.
    pub region: RegionName,
    /// The pool; `None` takes the first one of the region with a free address.
    pub pool: Option<PublicPoolId>,
    /// The address; `None` takes the lowest free one.
    pub address: Option<Ipv4Addr>,
    /// The name that people see.
    pub label: Option<Label>,
}

/// An interface to put an address on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The interface.
    pub interface: InterfaceId,
    /// One of its private addresses; `None` means the primary one.
    pub private: Option<Ipv4Addr>,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The interface it is put on; `Some(None)` takes it off.
    pub association: Option<Option<Target>>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Takes an address.
///
/// # Errors
/// When the region or the pool doesn't exist, the address can't be had, none is free, or the quota
/// is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    if cloud.region(&draft.region).is_none() {
        let reason = format!("region {} doesn't exist; create it first", draft.region);
        return Err(OpError::invalid("elastic_address.region", reason));
    }
    let count = cloud.elastic_count_in_region(&draft.region) + 1;
    let limit = settings.quotas.elastic_addresses_per_region;
    let within = || format!("region {}", draft.region);
    check_quota(count, limit, "elastic addresses", within)?;
    let (pool, address) = take(cloud, &draft)?;
    Ok(vec![Change::create(ElasticAddress {
        id: draw_id(cloud, entropy, ElasticAddressId::from_bits)?,
        pool,
        address,
        association: None,
        meta: Meta::named(draft.label),
    })])
}

/// Puts an address on an interface, takes it off, or names it.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or can't be put there.
pub fn update(
    cloud: &Cloud,
    id: ElasticAddressId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.elastic_address(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let mut after = before.clone();
    after.meta.rename(update.label);
    let Some(wanted) = update.association else {
        return Ok(vec![Change::update(before.clone(), after)]);
    };
    check_movable(before)?;
    let mut more = None;
    after.association = match wanted {
        None => None,
        Some(target) => {
            let (interface, private) = check_target(cloud, before, target)?;
            more = without_own(interface, private);
            let interface = interface.id;
            Some(Association::Interface { interface, private })
        }
    };
    let change = Change::update(before.clone(), after);
    Ok(std::iter::once(change).chain(more).collect())
}

/// Gives an address back.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or is put on something.
pub fn delete(
    cloud: &Cloud,
    id: ElasticAddressId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let elastic = found(cloud.elastic_address(id), id)?;
    check_etag(id, &elastic.meta, etag)?;
    if let Some(association) = elastic.association {
        let (key, by) = (id.into(), association.holder());
        return Err(OpError::InUse { key, by });
    }
    Ok(vec![Change::delete(elastic.clone())])
}

/// The changes that take elastic addresses off an interface: off those of its private addresses
/// that `keep` doesn't hold.
pub(super) fn take_off(
    cloud: &Cloud,
    interface: InterfaceId,
    keep: impl Fn(Ipv4Addr) -> bool,
) -> Vec<Change> {
    let on = cloud.elastic_of_interface(interface);
    let gone = on.filter(|elastic| match elastic.association {
        Some(Association::Interface { private, .. }) => !keep(private),
        Some(Association::Nat(_)) | None => false,
    });
    gone.map(|elastic| {
        let mut after = elastic.clone();
        after.association = None;
        Change::update(elastic.clone(), after)
    })
    .collect()
}

/// The lowest free address of the region's pools.
///
/// # Errors
/// When none is free.
pub(super) fn lowest_free(cloud: &Cloud, region: &RegionName) -> Result<Ipv4Addr, OpError> {
    let mut pools = cloud.pools_in_region(region);
    let free = pools.find_map(|pool| cloud.free_public4(&pool.blocks));
    free.ok_or_else(|| OpError::Exhausted {
        what: "public address",
        within: format!("the public pools of region {region}"),
    })
}

fn take(cloud: &Cloud, draft: &Draft) -> Result<(PublicPoolId, Ipv4Addr), OpError> {
    let pools: Vec<&PublicPool> = match draft.pool {
        Some(id) => vec![named_pool(cloud, &draft.region, id)?],
        None => cloud.pools_in_region(&draft.region).collect(),
    };
    if let Some(address) = draft.address {
        return asked_for(cloud, &pools, address);
    }
    let mut free = pools
        .iter()
        .filter_map(|pool| Some((pool.id, cloud.free_public4(&pool.blocks)?)));
    free.next().ok_or_else(|| OpError::Exhausted {
        what: "public address",
        within: match draft.pool {
            Some(id) => format!("pool {id}"),
            None => format!("the public pools of region {}", draft.region),
        },
    })
}

fn named_pool<'a>(
    cloud: &'a Cloud,
    region: &RegionName,
    id: PublicPoolId,
) -> Result<&'a PublicPool, OpError> {
    let reason = match cloud.public_pool(id) {
        Some(pool) if pool.region == *region => return Ok(pool),
        Some(pool) => format!("pool {id} serves region {}, not {region}", pool.region),
        None => format!("pool {id} doesn't exist"),
    };
    Err(OpError::invalid("elastic_address.pool", reason))
}

fn asked_for(
    cloud: &Cloud,
    pools: &[&PublicPool],
    address: Ipv4Addr,
) -> Result<(PublicPoolId, Ipv4Addr), OpError> {
    let refused = |reason| OpError::invalid("elastic_address.address", reason);
    if let Some(holder) = cloud.public_holder(address) {
        let holder = crate::ResourceKey::from(holder);
        return Err(refused(format!("{address} is in use by {holder}")));
    }
    let usable = |pool: &&&PublicPool| {
        let mut blocks = pool.blocks.iter().map(|block| block.usable());
        blocks.any(|(first, last)| (first..=last).contains(&address))
    };
    let pool = pools.iter().find(usable);
    pool.map(|pool| (pool.id, address))
        .ok_or_else(|| refused(format!("{address} is no address that these pools can give")))
}

/// What else holds the address decides when it may go.
fn check_movable(elastic: &ElasticAddress) -> Result<(), OpError> {
    match elastic.association {
        None | Some(Association::Interface { .. }) => Ok(()),
        Some(association @ Association::Nat(_)) => Err(OpError::InUse {
            key: elastic.id.into(),
            by: association.holder(),
        }),
    }
}

fn check_target<'a>(
    cloud: &'a Cloud,
    elastic: &ElasticAddress,
    target: Target,
) -> Result<(&'a Interface, Ipv4Addr), OpError> {
    let field = "elastic_address.association.interface";
    let id = target.interface;
    let interface = cloud.interface(id).ok_or_else(|| {
        let reason = format!("interface {id} doesn't exist");
        OpError::invalid(format!("{field}.interface"), reason)
    })?;
    let pool = found(cloud.public_pool(elastic.pool), elastic.pool)?;
    let vpc = found(cloud.vpc(interface.vpc), interface.vpc)?;
    let place = if vpc.region == pool.region {
        let gateway = cloud.internet_gateway_of(vpc.id);
        gateway.is_none().then(|| {
            let vpc = vpc.id;
            format!("{vpc}, the VPC of {id}, has no internet gateway: attach one first")
        })
    } else {
        let (theirs, ours) = (&vpc.region, &pool.region);
        Some(format!(
            "{id} is in region {theirs}, and the address is of {ours}"
        ))
    };
    if let Some(reason) = place {
        return Err(OpError::invalid(format!("{field}.interface"), reason));
    }
    let private = target.private.unwrap_or(interface.ipv4);
    check_private(cloud, elastic, interface, private)
        .map_err(|reason| OpError::invalid(format!("{field}.private_address"), reason))?;
    Ok((interface, private))
}

fn check_private(
    cloud: &Cloud,
    elastic: &ElasticAddress,
    interface: &Interface,
    private: Ipv4Addr,
) -> Result<(), String> {
    if !interface.addresses4().any(|own| own == private) {
        return Err(format!("{private} is no address of {}", interface.id));
    }
    let mut others = cloud.elastic_of_interface(interface.id);
    let taken = others.find(|other| {
        let on = matches!(
            other.association,
            Some(Association::Interface { private: theirs, .. }) if theirs == private
        );
        on && other.id != elastic.id
    });
    match taken {
        Some(other) => Err(format!(
            "{private} has {} already; take it off first",
            other.id
        )),
        None => Ok(()),
    }
}

/// An elastic address on the primary private one takes the place of the interface's own.
fn without_own(interface: &Interface, private: Ipv4Addr) -> Option<Change> {
    let own = interface.public_ipv4.is_some() && private == interface.ipv4;
    own.then(|| {
        let mut after = interface.clone();
        after.public_ipv4 = None;
        Change::update(interface.clone(), after)
    })
}
