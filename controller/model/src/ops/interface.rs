//! Network interfaces: their addresses, groups and attachment.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{
    Entropy, OpError, Settings, Violation, check_etag, check_quota, draw, elastic_address, found,
    refuse,
};
use crate::{
    Attachment, Change, Cloud, IdleTimeouts, Interface, InterfaceId, Kind, Label, LogScope, Mac,
    Meta, MetadataOptions, PortOptions, RateLimits, Revision, SecurityGroupId, Subnet, SubnetId,
    UserData, Vpc,
    cloud::{usable4, usable6},
};

/// What an interface is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The subnet its addresses come from.
    pub subnet: SubnetId,
    /// The primary address; `None` takes the lowest free one.
    pub ipv4: Option<Ipv4Addr>,
    /// More IPv4 addresses.
    pub secondary_ipv4: Vec<Ipv4Addr>,
    /// IPv6 addresses.
    pub ipv6: Vec<Ipv6Addr>,
    /// Whether to take the lowest free IPv6 address where `ipv6` is empty; `None` takes one if
    /// the subnet has an IPv6 block.
    pub assign_ipv6: Option<bool>,
    /// Whether to take a public address of the region's pools; `None` does as the subnet says.
    pub assign_public: Option<bool>,
    /// Its security groups; the VPC's default one where empty.
    pub groups: Vec<SecurityGroupId>,
    /// Whether it may send and receive only what is its own.
    pub source_dest_check: bool,
    /// Where it is plugged in.
    pub attachment: Option<Attachment>,
    /// Its limits, timeouts and metadata.
    pub options: PortOptions,
    /// The name that people see.
    pub label: Option<Label>,
}

impl Draft {
    /// An interface in the subnet with everything else by default: lowest free addresses, the
    /// default group, checked, not attached.
    pub fn new(subnet: SubnetId) -> Self {
        Self {
            subnet,
            ipv4: None,
            secondary_ipv4: Vec::new(),
            ipv6: Vec::new(),
            assign_ipv6: None,
            assign_public: None,
            groups: Vec::new(),
            source_dest_check: true,
            attachment: None,
            options: PortOptions::default(),
            label: None,
        }
    }
}

/// What to change; `None` leaves a field as it is. Lists are the whole list wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// More IPv4 addresses.
    pub secondary_ipv4: Option<Vec<Ipv4Addr>>,
    /// IPv6 addresses.
    pub ipv6: Option<Vec<Ipv6Addr>>,
    /// Its security groups; an empty list takes it out of all: nothing passes then.
    pub groups: Option<Vec<SecurityGroupId>>,
    /// Whether it may send and receive only what is its own.
    pub source_dest_check: Option<bool>,
    /// Where it is plugged in; `Some(None)` unplugs it.
    pub attachment: Option<Option<Attachment>>,
    /// How much it may do.
    pub limits: Option<RateLimits>,
    /// How long its idle connections are remembered.
    pub timeouts: Option<IdleTimeouts>,
    /// What its workload can read.
    pub user_data: Option<UserData>,
    /// How the metadata service answers it.
    pub metadata: Option<MetadataOptions>,
    /// The name that people see, or none.
    pub label: Option<Option<Label>>,
}

/// Makes an interface.
///
/// # Errors
/// When the subnet doesn't exist, an address can't be its or none is free, a group or the place
/// doesn't fit, or a quota is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    draft: Draft,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let subnet = cloud.subnet(draft.subnet).ok_or_else(|| {
        let reason = format!("subnet {} doesn't exist", draft.subnet);
        OpError::invalid("interface.subnet", reason)
    })?;
    let vpc = found(cloud.vpc(subnet.vpc), subnet.vpc)?;
    check_region_quota(cloud, settings, vpc)?;
    let id = draw(entropy, "id", InterfaceId::from_bits, |&id| {
        cloud.interface(id).is_none() && cloud.interface_by_mac(mac_of(id)).is_none()
    })?;
    let interface = Interface {
        id,
        vpc: vpc.id,
        subnet: subnet.id,
        mac: mac_of(id),
        ipv4: primary(cloud, subnet, &draft)?,
        ipv6: addresses6(cloud, subnet, &draft)?,
        public_ipv4: public(cloud, vpc, subnet, &draft)?,
        groups: if draft.groups.is_empty() {
            vec![vpc.default_group]
        } else {
            draft.groups
        },
        secondary_ipv4: draft.secondary_ipv4,
        source_dest_check: draft.source_dest_check,
        attachment: draft.attachment,
        options: draft.options,
        meta: Meta::named(draft.label),
    };
    check(cloud, settings, subnet, &interface)?;
    Ok(vec![Change::create(interface)])
}

/// Changes an interface.
///
/// # Errors
/// When it doesn't exist, has changed since the etag, or an address, a group or the place doesn't
/// fit.
pub fn update(
    cloud: &Cloud,
    settings: &Settings,
    id: InterfaceId,
    update: Update,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.interface(id), id)?;
    check_etag(id, &before.meta, etag)?;
    let subnet = found(cloud.subnet(before.subnet), before.subnet)?;
    let mut after = before.clone();
    after.secondary_ipv4 = update.secondary_ipv4.unwrap_or(after.secondary_ipv4);
    after.ipv6 = update.ipv6.unwrap_or(after.ipv6);
    after.groups = update.groups.unwrap_or(after.groups);
    after.source_dest_check = update.source_dest_check.unwrap_or(after.source_dest_check);
    after.attachment = update.attachment.unwrap_or(after.attachment);
    let options = &mut after.options;
    options.limits = update.limits.unwrap_or(options.limits);
    options.timeouts = update.timeouts.unwrap_or(options.timeouts);
    options.metadata = update.metadata.unwrap_or(options.metadata);
    if let Some(user_data) = update.user_data {
        options.user_data = user_data;
    }
    after.meta.rename(update.label);
    check(cloud, settings, subnet, &after)?;
    // An elastic address goes with the private one that it was put on.
    let kept = |private| after.addresses4().any(|own| own == private);
    let gone = elastic_address::take_off(cloud, id, kept);
    let change = Change::update(before.clone(), after);
    Ok(std::iter::once(change).chain(gone).collect())
}

/// Addresses to give an interface beside those it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignment {
    /// These.
    pub addresses: Vec<IpAddr>,
    /// And as many of the lowest free IPv4 ones.
    pub ipv4_count: u32,
    /// And as many of the lowest free IPv6 ones.
    pub ipv6_count: u32,
}

/// Gives an interface more addresses.
///
/// # Errors
/// When it doesn't exist or has changed since the etag, an address can't be its, or too few are
/// free.
pub fn assign(
    cloud: &Cloud,
    settings: &Settings,
    id: InterfaceId,
    assignment: &Assignment,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.interface(id), id)?;
    let subnet = found(cloud.subnet(before.subnet), before.subnet)?;
    let limit = settings.quotas.addresses_per_interface;
    let within = || format!("interface {id}");
    for count in [assignment.ipv4_count, assignment.ipv6_count] {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        check_quota(count, limit, "addresses of a family", within)?;
    }
    let (mut ipv4, mut ipv6) = (before.secondary_ipv4.clone(), before.ipv6.clone());
    let mut violations = Vec::new();
    for (i, address) in assignment.addresses.iter().enumerate() {
        if before.addresses().any(|own| own == *address) {
            let field = format!("addresses[{i}]");
            violations.push(Violation::new(
                field,
                format!("{address} is its own already"),
            ));
        }
        match address {
            IpAddr::V4(a) => ipv4.push(*a),
            IpAddr::V6(a) => ipv6.push(*a),
        }
    }
    refuse(violations)?;
    for _ in 0..assignment.ipv4_count {
        ipv4.push(next_free4(cloud, subnet, &ipv4)?);
    }
    for _ in 0..assignment.ipv6_count {
        ipv6.push(next_free6(cloud, subnet, &ipv6)?);
    }
    let update_with = Update {
        secondary_ipv4: Some(ipv4),
        ipv6: Some(ipv6),
        ..Update::default()
    };
    update(cloud, settings, id, update_with, etag)
}

/// The lowest free address that isn't among those already chosen.
fn next_free4(cloud: &Cloud, subnet: &Subnet, chosen: &[Ipv4Addr]) -> Result<Ipv4Addr, OpError> {
    let mut from = None;
    loop {
        let free = cloud.free_address4(subnet, from);
        let free = free.ok_or_else(|| OpError::Exhausted {
            what: "IPv4 address",
            within: format!("subnet {} ({})", subnet.id, subnet.ipv4),
        })?;
        if !chosen.contains(&free) {
            return Ok(free);
        }
        from = Some(Ipv4Addr::from_bits(free.to_bits().saturating_add(1)));
    }
}

/// The same for IPv6.
fn next_free6(cloud: &Cloud, subnet: &Subnet, chosen: &[Ipv6Addr]) -> Result<Ipv6Addr, OpError> {
    let mut from = None;
    loop {
        let free = cloud.free_address6(subnet, from);
        let free = free.ok_or_else(|| OpError::Exhausted {
            what: "IPv6 address",
            within: format!("subnet {}", subnet.id),
        })?;
        if !chosen.contains(&free) {
            return Ok(free);
        }
        from = Some(Ipv6Addr::from_bits(free.to_bits().saturating_add(1)));
    }
}

/// Takes addresses away from an interface.
///
/// # Errors
/// When it doesn't exist or has changed since the etag, or an address isn't its, or is its primary
/// one.
pub fn unassign(
    cloud: &Cloud,
    settings: &Settings,
    id: InterfaceId,
    addresses: &[IpAddr],
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let before = found(cloud.interface(id), id)?;
    let reason = |address: IpAddr| {
        if address == IpAddr::V4(before.ipv4) {
            return Some(format!(
                "{address} is its primary address, which stays for life"
            ));
        }
        let own = before.addresses().any(|own| own == address);
        (!own).then(|| format!("{address} is none of {id}"))
    };
    let violations = addresses.iter().enumerate().filter_map(|(i, &address)| {
        Some(Violation::new(format!("addresses[{i}]"), reason(address)?))
    });
    refuse(violations.collect())?;
    let stays = |address: IpAddr| !addresses.contains(&address);
    let ipv4 = before.secondary_ipv4.iter().copied();
    let ipv6 = before.ipv6.iter().copied();
    let update_with = Update {
        secondary_ipv4: Some(ipv4.filter(|&a| stays(a.into())).collect()),
        ipv6: Some(ipv6.filter(|&a| stays(a.into())).collect()),
        ..Update::default()
    };
    update(cloud, settings, id, update_with, etag)
}

/// Deletes an interface, unplugging it. Routes to it stay and drop what they match; elastic
/// addresses on it come off; its flow logs and mirror sessions go.
///
/// # Errors
/// When it doesn't exist or has changed since the etag.
pub fn delete(
    cloud: &Cloud,
    id: InterfaceId,
    etag: Option<Revision>,
) -> Result<Vec<Change>, OpError> {
    let interface = found(cloud.interface(id), id)?;
    check_etag(id, &interface.meta, etag)?;
    let gone = elastic_address::take_off(cloud, id, |_| false);
    let logs = super::flow_log::end_with(cloud, LogScope::Interface(id));
    let mirrors = super::mirror::end_with(cloud, id);
    let change = Change::delete(interface.clone());
    let others = gone.into_iter().chain(logs).chain(mirrors);
    Ok(std::iter::once(change).chain(others).collect())
}

/// Stable, because the id is: its last 40 bits.
fn mac_of(id: InterfaceId) -> Mac {
    Mac::local(id.bits())
}

fn check_region_quota(cloud: &Cloud, settings: &Settings, vpc: &Vpc) -> Result<(), OpError> {
    let limit = settings.quotas.interfaces_per_region;
    // The whole cloud's count is at hand and bounds the region's.
    if cloud.count(Kind::Interface) < limit {
        return Ok(());
    }
    let vpcs = cloud.vpcs_in_region(&vpc.region);
    let count: usize = vpcs.map(|vpc| cloud.interface_count_in_vpc(vpc.id)).sum();
    let within = || format!("region {}", vpc.region);
    check_quota(count + 1, limit, "network interfaces", within)
}

fn primary(cloud: &Cloud, subnet: &Subnet, draft: &Draft) -> Result<Ipv4Addr, OpError> {
    if let Some(given) = draft.ipv4 {
        return Ok(given);
    }
    let wanted: BTreeSet<Ipv4Addr> = draft.secondary_ipv4.iter().copied().collect();
    let mut free = cloud.free_address4(subnet, None);
    while let Some(taken) = free.filter(|free| wanted.contains(free)) {
        free = cloud.free_address4(subnet, Some(Ipv4Addr::from_bits(taken.to_bits() + 1)));
    }
    free.ok_or_else(|| OpError::Exhausted {
        what: "IPv4 address",
        within: format!("subnet {} ({})", subnet.id, subnet.ipv4),
    })
}

fn addresses6(cloud: &Cloud, subnet: &Subnet, draft: &Draft) -> Result<Vec<Ipv6Addr>, OpError> {
    let assign = draft.assign_ipv6.unwrap_or(subnet.ipv6.is_some());
    if !draft.ipv6.is_empty() || !assign {
        return Ok(draft.ipv6.clone());
    }
    let Some(block) = subnet.ipv6 else {
        let reason = format!("subnet {} has no IPv6 block; give it one first", subnet.id);
        return Err(OpError::invalid("assign_ipv6", reason));
    };
    let free = cloud.free_address6(subnet, None);
    let free = free.ok_or_else(|| OpError::Exhausted {
        what: "IPv6 address",
        within: format!("subnet {} ({block})", subnet.id),
    })?;
    Ok(vec![free])
}

fn public(
    cloud: &Cloud,
    vpc: &Vpc,
    subnet: &Subnet,
    draft: &Draft,
) -> Result<Option<Ipv4Addr>, OpError> {
    let assign = draft.assign_public.unwrap_or(subnet.map_public_ip);
    assign
        .then(|| elastic_address::lowest_free(cloud, &vpc.region))
        .transpose()
}

/// Everything that must hold of an interface before it is stored.
fn check(
    cloud: &Cloud,
    settings: &Settings,
    subnet: &Subnet,
    interface: &Interface,
) -> Result<(), OpError> {
    let within = || format!("interface {}", interface.id);
    let quotas = &settings.quotas;
    let (v4, v6) = (interface.secondary_ipv4.len() + 1, interface.ipv6.len());
    let groups = interface.groups.len();
    check_quota(v4, quotas.addresses_per_interface, "IPv4 addresses", within)?;
    check_quota(v6, quotas.addresses_per_interface, "IPv6 addresses", within)?;
    check_quota(
        groups,
        quotas.groups_per_interface,
        "security groups",
        within,
    )?;
    let mut violations = check_addresses(cloud, subnet, interface);
    violations.extend(check_groups(cloud, interface));
    violations.extend(check_attachment(cloud, subnet, interface));
    refuse(violations)
}

fn check_addresses(cloud: &Cloud, subnet: &Subnet, interface: &Interface) -> Vec<Violation> {
    let field = |i: usize| match i.checked_sub(1) {
        None => "interface.ipv4".to_owned(),
        Some(i) if i < interface.secondary_ipv4.len() => format!("interface.secondary_ipv4[{i}]"),
        Some(i) => format!("interface.ipv6[{}]", i - interface.secondary_ipv4.len()),
    };
    let mut seen = BTreeSet::new();
    let mut violations = Vec::new();
    for (i, address) in interface.addresses().enumerate() {
        let reason = if seen.insert(address) {
            let usable = check_usable(subnet, address);
            usable.or_else(|| check_unused(cloud, interface, address))
        } else {
            Some(format!("{address} is listed twice"))
        };
        violations.extend(reason.map(|reason| Violation::new(field(i), reason)));
    }
    violations
}

/// Why nobody in the subnet may have the address.
pub(super) fn check_usable(subnet: &Subnet, address: IpAddr) -> Option<String> {
    let (inside, usable, block) = match address {
        IpAddr::V4(a) => {
            let (first, last) = usable4(subnet.ipv4);
            let inside = subnet.ipv4.contains_addr(a);
            (inside, (first..=last).contains(&a), subnet.ipv4.to_string())
        }
        IpAddr::V6(a) => {
            let Some(block) = subnet.ipv6 else {
                return Some(format!("subnet {} has no IPv6 block", subnet.id));
            };
            let (first, last) = usable6(block);
            let inside = block.contains_addr(a);
            (inside, (first..=last).contains(&a), block.to_string())
        }
    };
    if !inside {
        return Some(format!(
            "{address} is outside {block}, the block of subnet {}",
            subnet.id
        ));
    }
    (!usable).then(|| {
        format!("{address} is reserved: the first four addresses of {block} and its last are")
    })
}

fn check_unused(cloud: &Cloud, interface: &Interface, address: IpAddr) -> Option<String> {
    let holder = cloud.address_holder(interface.vpc, address)?;
    (holder != interface.id.into()).then(|| format!("{address} is in use by {holder}"))
}

fn check_groups(cloud: &Cloud, interface: &Interface) -> Vec<Violation> {
    let reason = |i: usize, id: SecurityGroupId| match cloud.security_group(id) {
        None => Some(format!("security group {id} doesn't exist")),
        Some(group) if group.vpc != interface.vpc => Some(format!(
            "security group {id} is in VPC {}, and the interface is in {}",
            group.vpc, interface.vpc
        )),
        Some(_) => {
            let twice = interface.groups[..i].contains(&id);
            twice.then(|| format!("{id} is listed twice"))
        }
    };
    let groups = interface.groups.iter().enumerate();
    groups
        .filter_map(|(i, &id)| {
            let field = format!("interface.groups[{i}]");
            Some(Violation::new(field, reason(i, id)?))
        })
        .collect()
}

fn check_attachment(cloud: &Cloud, subnet: &Subnet, interface: &Interface) -> Option<Violation> {
    let place = interface.attachment.as_ref()?;
    let (field, reason) = match cloud.host(&place.host) {
        None => (
            "host",
            format!("host {} doesn't exist; create it first", place.host),
        ),
        Some(host) if host.zone != subnet.zone => (
            "host",
            format!(
                "host {} stands in zone {}, and subnet {} is in {}",
                host.name, host.zone, subnet.id, subnet.zone
            ),
        ),
        Some(_) => {
            let other = cloud.interface_by_device(place)?;
            if other.id == interface.id {
                return None;
            }
            let (netns, device) = (&place.netns, &place.device);
            let reason = format!(
                "{netns}/{device} on {} is the device of {}",
                place.host, other.id
            );
            ("device", reason)
        }
    };
    Some(Violation::new(
        format!("interface.attachment.{field}"),
        reason,
    ))
}
