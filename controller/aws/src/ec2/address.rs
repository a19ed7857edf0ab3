//! Elastic addresses.

use std::net::Ipv4Addr;

use weft_model::{
    Association, Cloud, ElasticAddress, ElasticAddressId, Interface, InterfaceId,
    ops::elastic_address::{self, Draft, Target, Update},
};

use super::interface::interface_of;
use crate::{
    Action, Answer, Ask, Fault, Listing, Stage, Xml,
    action::done,
    fault,
    filter::{Filter, Wanted, filter},
    ids,
    listing::tag_set,
    shape::{FILTERS, MAX_RESULTS, NEXT_TOKEN, TAGS, boolean, lacks, only, text, texts},
};

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write(
        "AllocateAddress",
        &[
            only("Domain", &["vpc"]),
            text("Address"),
            only("PublicIpv4Pool", &["amazon"]),
            lacks("NetworkBorderGroup"),
            lacks("CustomerOwnedIpv4Pool"),
            lacks("IpamPoolId"),
            TAGS,
        ],
        allocate,
    ),
    Action::write(
        "ReleaseAddress",
        &[
            text("AllocationId").required(),
            lacks("PublicIp"),
            lacks("NetworkBorderGroup"),
        ],
        release,
    ),
    Action::write(
        "AssociateAddress",
        &[
            text("AllocationId").required(),
            text("NetworkInterfaceId").required(),
            text("PrivateIpAddress"),
            boolean("AllowReassociation"),
            lacks("InstanceId"),
            lacks("PublicIp"),
        ],
        associate,
    ),
    Action::write(
        "DisassociateAddress",
        &[text("AssociationId").required(), lacks("PublicIp")],
        disassociate,
    ),
    Action::read(
        "DescribeAddresses",
        &[texts("AllocationId"), texts("PublicIp"), FILTERS],
        describe,
    ),
    Action::read(
        "DescribeAddressesAttribute",
        &[
            texts("AllocationId"),
            only("Attribute", &["domain-name"]),
            MAX_RESULTS,
            NEXT_TOKEN,
        ],
        |ask, cloud, xml| ATTRIBUTE.run(ask, cloud, xml),
    ),
];

/// How they are listed, in the two forms that AWS has.
macro_rules! listing {
    ($set:literal, $filters:expr, $show:expr) => {
        Listing {
            ids: "AllocationId",
            set: $set,
            key: |address| address.id,
            meta: |address| &address.meta,
            all: |cloud, region| {
                Box::new(cloud.elastic_addresses().filter(|address| {
                    let pool = cloud.public_pool(address.pool);
                    pool.is_some_and(|pool| pool.region == *region)
                }))
            },
            one: |cloud, region, id| {
                let address = cloud.elastic_address(id)?;
                let pool = cloud.public_pool(address.pool)?;
                (pool.region == *region).then_some(address)
            },
            filters: $filters,
            show: $show,
        }
    };
}

static LISTING: Listing<ElasticAddress, ElasticAddressId> =
    listing!("addressesSet", FILTERED, fields);

static ATTRIBUTE: Listing<ElasticAddress, ElasticAddressId> =
    listing!("addressSet", &[], |_, _, address, xml| {
        xml.text("publicIp", address.address);
        xml.text("allocationId", address.id);
    });

const FILTERED: &[Filter<ElasticAddress>] = &[
    filter("allocation-id", |_, a, is| is(&a.id.to_string())),
    filter("public-ip", |_, a, is| is(&a.address.to_string())),
    filter("domain", |_, _, is| is("vpc")),
    filter("association-id", |_, a, is| {
        association(a).iter().for_each(|id| is(id));
    }),
    filter("network-interface-id", |_, a, is| {
        if let Some(Association::Interface { interface, .. }) = a.association {
            is(&interface.to_string());
        }
    }),
    filter("private-ip-address", |cloud, a, is| {
        private(cloud, a)
            .iter()
            .for_each(|address| is(&address.to_string()));
    }),
];

/// The id of an address's being on something.
pub(super) fn association(address: &ElasticAddress) -> Option<String> {
    let on = address.association?;
    Some(match on {
        Association::Interface { interface, private } => {
            ids::derived("eipassoc", &[&address.id, &interface, &private])
        }
        Association::Nat(nat) => ids::derived("eipassoc", &[&address.id, &nat]),
    })
}

fn private(cloud: &Cloud, address: &ElasticAddress) -> Option<Ipv4Addr> {
    match address.association? {
        Association::Interface { private, .. } => Some(private),
        Association::Nat(nat) => cloud.nat_gateway(nat).map(|nat| nat.private),
    }
}

fn fields(ask: &Ask, cloud: &Cloud, address: &ElasticAddress, xml: &mut Xml) {
    xml.text("publicIp", address.address);
    xml.text("allocationId", address.id);
    xml.text("domain", "vpc");
    if let Some(id) = association(address) {
        xml.text("associationId", id);
        xml.text("networkInterfaceOwnerId", &ask.account);
    }
    if let Some(Association::Interface { interface, .. }) = address.association {
        xml.text("networkInterfaceId", interface);
    }
    xml.maybe("privateIpAddress", private(cloud, address));
    xml.text("publicIpv4Pool", "amazon");
    xml.text("networkBorderGroup", &ask.region);
    tag_set(xml, &address.meta);
}

fn describe(ask: &Ask, cloud: &Cloud, xml: &mut Xml) -> Result<(), Fault> {
    let named = ask.args().texts("PublicIp");
    if named.is_empty() {
        return LISTING.run(ask, cloud, xml);
    }
    let wanted = Wanted::read(ask.args(), FILTERED)?;
    let all: Vec<&ElasticAddress> = (LISTING.all)(cloud, &ask.region).collect();
    let one = |text: &&str| {
        let found = all
            .iter()
            .find(|address| address.address.to_string() == *text);
        found.copied().ok_or_else(|| {
            let message = format!("Address '{text}' not found.");
            Fault::new("InvalidAddress.NotFound", message)
        })
    };
    let found: Result<Vec<_>, Fault> = named.iter().map(one).collect();
    let found = found?
        .into_iter()
        .filter(|a| wanted.fits(cloud, a, &a.meta));
    xml.list("addressesSet", found, |xml, address| {
        fields(ask, cloud, address, xml);
    });
    Ok(())
}

/// The address of this id in the region.
pub(super) fn address_of<'a>(
    ask: &Ask,
    cloud: &'a Cloud,
    id: ElasticAddressId,
) -> Result<&'a ElasticAddress, Fault> {
    let address = (LISTING.one)(cloud, &ask.region, id);
    address.ok_or_else(|| fault::not_found(&id.into()))
}

fn allocate(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let args = ask.args();
    let draft = Draft {
        region: ask.region.clone(),
        pool: None,
        address: args.value("Address")?,
        label: None,
    };
    let tags = args.tags_for("elastic-ip")?;
    let id: ElasticAddressId = stage.create(|cloud, settings, entropy| {
        elastic_address::create(cloud, settings, draft, entropy)
    })?;
    stage.tag(id, tags)?;
    Ok(Box::new(move |ask, cloud, xml| {
        let Some(address) = cloud.elastic_address(id) else {
            return;
        };
        xml.text("publicIp", address.address);
        xml.text("allocationId", id);
        xml.text("publicIpv4Pool", "amazon");
        xml.text("networkBorderGroup", &ask.region);
        xml.text("domain", "vpc");
    }))
}

fn release(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let address = address_of(ask, stage.cloud(), ask.args().needed_id("AllocationId")?)?;
    let id = address.id;
    if address.association.is_some() {
        let message = format!("Address {} is in use.", address.address);
        return Err(Fault::new("InvalidIPAddress.InUse", message));
    }
    stage.run(|cloud, _, _| elastic_address::delete(cloud, id, None))?;
    Ok(done())
}

fn associate(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let (cloud, args) = (stage.cloud(), ask.args());
    let address = address_of(ask, cloud, args.needed_id("AllocationId")?)?;
    let interface = args.needed_id::<InterfaceId>("NetworkInterfaceId")?;
    let interface = interface_of(ask, cloud, interface)?;
    let private: Option<Ipv4Addr> = args.value("PrivateIpAddress")?;
    check_place(cloud, interface, private)?;
    let again = args.flag("AllowReassociation").unwrap_or(true);
    check_free(cloud, address, interface, private, again)?;
    let id = address.id;
    let target = Target {
        interface: interface.id,
        private,
    };
    let off = occupant(cloud, interface, private).filter(|other| *other != id);
    if let Some(off) = off {
        put(stage, off, None)?;
    }
    put(stage, id, Some(target))?;
    Ok(Box::new(move |_, cloud, xml| {
        xml.text("return", true);
        let address = cloud.elastic_address(id);
        xml.maybe("associationId", address.and_then(association));
    }))
}

fn put(stage: &mut Stage<'_>, id: ElasticAddressId, target: Option<Target>) -> Result<(), Fault> {
    let update = Update {
        association: Some(target),
        label: None,
    };
    stage.run(|cloud, _, _| elastic_address::update(cloud, id, update, None))?;
    Ok(())
}

fn check_place(
    cloud: &Cloud,
    interface: &Interface,
    private: Option<Ipv4Addr>,
) -> Result<(), Fault> {
    let own = |address: Ipv4Addr| interface.addresses4().any(|own| own == address);
    if let Some(address) = private.filter(|address| !own(*address)) {
        let message = format!(
            "The private IP address {address} is not assigned to network interface {}",
            interface.id
        );
        return Err(Fault::new("InvalidParameterValue", message));
    }
    if cloud.internet_gateway_of(interface.vpc).is_none() {
        let message = format!(
            "Network {} is not attached to any internet gateway",
            interface.vpc
        );
        return Err(Fault::new("Gateway.NotAttached", message));
    }
    Ok(())
}

/// The elastic address that is on the private one.
fn occupant(
    cloud: &Cloud,
    interface: &Interface,
    private: Option<Ipv4Addr>,
) -> Option<ElasticAddressId> {
    let wanted = private.unwrap_or(interface.ipv4);
    let mut all = cloud.elastic_addresses();
    let on = all.find(|address| {
        let there = Association::Interface {
            interface: interface.id,
            private: wanted,
        };
        address.association == Some(there)
    });
    on.map(|address| address.id)
}

fn check_free(
    cloud: &Cloud,
    address: &ElasticAddress,
    interface: &Interface,
    private: Option<Ipv4Addr>,
    again: bool,
) -> Result<(), Fault> {
    if let Some(Association::Nat(nat)) = address.association {
        let message = format!("resource {} is already associated with {nat}", address.id);
        return Err(Fault::new("Resource.AlreadyAssociated", message));
    }
    let occupied = occupant(cloud, interface, private).is_some_and(|other| other != address.id);
    if again || (address.association.is_none() && !occupied) {
        return Ok(());
    }
    let what = if address.association.is_some() {
        format!("resource {} is already associated", address.id)
    } else {
        format!("resource {} is already associated", interface.id)
    };
    let with =
        association(address).map_or_else(String::new, |id| format!(" with associate-id {id}"));
    Err(Fault::new(
        "Resource.AlreadyAssociated",
        format!("{what}{with}"),
    ))
}

fn disassociate(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let wanted = ask.args().needed("AssociationId")?;
    let mut all = (LISTING.all)(stage.cloud(), &ask.region);
    let found = all.find(|address| association(address).as_deref() == Some(wanted));
    let address = found.ok_or_else(|| {
        let message = format!("The association ID '{wanted}' does not exist");
        Fault::new("InvalidAssociationID.NotFound", message)
    })?;
    let (id, on) = (address.id, address.association);
    drop(all);
    if let Some(Association::Nat(_)) = on {
        let message = format!("You do not have permission to access the specified resource: {id}");
        return Err(Fault::new("AuthFailure", message));
    }
    put(stage, id, None)?;
    Ok(done())
}
