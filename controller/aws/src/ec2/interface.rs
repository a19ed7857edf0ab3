//! Network interfaces.

use std::net::{Ipv4Addr, Ipv6Addr};

use weft_model::{
    Cloud, Interface, InterfaceId, Label, SecurityGroupId,
    ops::interface::{self, Draft, Update},
};

use super::{address::association, security_group::group_of, subnet::subnet_named};
use crate::{
    Action, Answer, Ask, Fault, Listing, Stage, Xml,
    action::done,
    fault,
    filter::{Filter, filter},
    ids,
    listing::tag_set,
    shape::{
        CLIENT_TOKEN, FILTERS, MAX_RESULTS, NEXT_TOKEN, Shape, TAGS, boolean, group, int, lacks,
        list, only, text, texts,
    },
};

const PRIVATE: Shape = Shape::Struct(&[text("PrivateIpAddress"), boolean("Primary")]);
const IPV6: Shape = Shape::Struct(&[text("Ipv6Address"), only("IsPrimaryIpv6", &["false"])]);

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write(
        "CreateNetworkInterface",
        &[
            text("SubnetId").required(),
            text("Description"),
            text("PrivateIpAddress"),
            list("PrivateIpAddresses", &PRIVATE),
            int("SecondaryPrivateIpAddressCount"),
            texts("SecurityGroupId"),
            list("Ipv6Addresses", &IPV6),
            int("Ipv6AddressCount"),
            only("InterfaceType", &["interface"]),
            lacks("Ipv4Prefix"),
            lacks("Ipv4PrefixCount"),
            lacks("Ipv6Prefix"),
            lacks("Ipv6PrefixCount"),
            lacks("EnablePrimaryIpv6"),
            lacks("ConnectionTrackingSpecification"),
            lacks("Operator"),
            CLIENT_TOKEN,
            TAGS,
        ],
        create,
    ),
    Action::write(
        "DeleteNetworkInterface",
        &[text("NetworkInterfaceId").required()],
        delete,
    ),
    Action::read(
        "DescribeNetworkInterfaces",
        &[
            texts("NetworkInterfaceId"),
            FILTERS,
            MAX_RESULTS,
            NEXT_TOKEN,
        ],
        |ask, cloud, xml| LISTING.run(ask, cloud, xml),
    ),
    Action::write(
        "ModifyNetworkInterfaceAttribute",
        &[
            text("NetworkInterfaceId").required(),
            group("Description", &[text("Value")]),
            group("SourceDestCheck", &[boolean("Value")]),
            texts("SecurityGroupId"),
            lacks("Attachment"),
            lacks("EnaSrdSpecification"),
            lacks("EnablePrimaryIpv6"),
            lacks("ConnectionTrackingSpecification"),
            lacks("AssociatePublicIpAddress"),
            lacks("AssociatedSubnetId"),
        ],
        modify,
    ),
    Action::refused(
        "AttachNetworkInterface",
        "there are no instances; `weft interface attach` plugs it into a workload",
    ),
    Action::refused(
        "DetachNetworkInterface",
        "there are no instances; `weft interface detach` unplugs it",
    ),
];

static LISTING: Listing<Interface, InterfaceId> = Listing {
    ids: "NetworkInterfaceId",
    set: "networkInterfaceSet",
    key: |interface| interface.id,
    meta: |interface| &interface.meta,
    all: |cloud, region| {
        Box::new(cloud.interfaces().filter(|interface| {
            let vpc = cloud.vpc(interface.vpc);
            vpc.is_some_and(|vpc| vpc.region == *region)
        }))
    },
    one: |cloud, region, id| {
        let interface = cloud.interface(id)?;
        let vpc = cloud.vpc(interface.vpc)?;
        (vpc.region == *region).then_some(interface)
    },
    filters: FILTERED,
    show: fields,
};

const FILTERED: &[Filter<Interface>] = &[
    filter("network-interface-id", |_, i, is| is(&i.id.to_string())),
    filter("vpc-id", |_, i, is| is(&i.vpc.to_string())),
    filter("subnet-id", |_, i, is| is(&i.subnet.to_string())),
    filter("availability-zone", |cloud, i, is| {
        cloud
            .subnet(i.subnet)
            .iter()
            .for_each(|subnet| is(subnet.zone.as_str()));
    }),
    filter("status", |_, i, is| is(status(i))),
    filter("group-id", |_, i, is| {
        i.groups.iter().for_each(|group| is(&group.to_string()));
    }),
    filter("group-name", |cloud, i, is| {
        let groups = i.groups.iter().filter_map(|id| cloud.security_group(*id));
        groups.for_each(|group| is(group.group_name.as_str()));
    }),
    filter("description", |_, i, is| {
        is(i.meta.description.as_ref().map_or("", |text| text.as_str()));
    }),
    filter("mac-address", |_, i, is| is(&i.mac.to_string())),
    filter("private-ip-address", |_, i, is| is(&i.ipv4.to_string())),
    filter("addresses.private-ip-address", |_, i, is| {
        i.addresses4().for_each(|address| is(&address.to_string()));
    }),
    filter("addresses.primary", |_, i, is| {
        i.addresses4()
            .for_each(|address| is(&(address == i.ipv4).to_string()));
    }),
    filter("addresses.association.public-ip", |cloud, i, is| {
        cloud
            .public_pairs(i.id)
            .iter()
            .for_each(|(_, public)| is(&public.to_string()));
    }),
    filter("association.public-ip", |cloud, i, is| {
        cloud
            .public_pairs(i.id)
            .iter()
            .for_each(|(_, public)| is(&public.to_string()));
    }),
    filter("ipv6-addresses.ipv6-address", |_, i, is| {
        i.ipv6.iter().for_each(|address| is(&address.to_string()));
    }),
    filter("source-dest-check", |_, i, is| {
        is(&i.source_dest_check.to_string());
    }),
    filter("requester-managed", |_, _, is| is("false")),
    filter("interface-type", |_, _, is| is("interface")),
    filter("attachment.status", |_, i, is| {
        i.attachment.iter().for_each(|_| is("attached"));
    }),
    filter("attachment.instance-id", |_, _, _| {}),
];

fn status(interface: &Interface) -> &'static str {
    if interface.attachment.is_some() {
        "in-use"
    } else {
        "available"
    }
}

/// The interface of this id in the region.
pub(super) fn interface_of<'a>(
    ask: &Ask,
    cloud: &'a Cloud,
    id: InterfaceId,
) -> Result<&'a Interface, Fault> {
    let interface = (LISTING.one)(cloud, &ask.region, id);
    interface.ok_or_else(|| fault::not_found(&id.into()))
}

/// The interface that a request names.
pub(super) fn interface_named<'a>(ask: &Ask, cloud: &'a Cloud) -> Result<&'a Interface, Fault> {
    interface_of(ask, cloud, ask.args().needed_id("NetworkInterfaceId")?)
}

fn fields(ask: &Ask, cloud: &Cloud, interface: &Interface, xml: &mut Xml) {
    xml.text("networkInterfaceId", interface.id);
    xml.text("subnetId", interface.subnet);
    xml.text("vpcId", interface.vpc);
    let subnet = cloud.subnet(interface.subnet);
    xml.maybe("availabilityZone", subnet.map(|subnet| &subnet.zone));
    let description = interface.meta.description.as_ref();
    xml.text("description", description.map_or("", |text| text.as_str()));
    xml.text("ownerId", &ask.account);
    xml.text("requesterManaged", false);
    xml.text("status", status(interface));
    xml.text("macAddress", interface.mac);
    xml.text("privateIpAddress", interface.ipv4);
    xml.text("privateDnsName", private_name(ask, interface.ipv4));
    xml.text("sourceDestCheck", interface.source_dest_check);
    xml.list("groupSet", &interface.groups, |xml, id| {
        xml.text("groupId", id);
        let group = cloud.security_group(*id);
        xml.maybe("groupName", group.map(|group| &group.group_name));
    });
    if let Some(place) = &interface.attachment {
        xml.nest("attachment", |xml| {
            let parts: [&dyn std::fmt::Display; 4] =
                [&interface.id, &place.host, &place.netns, &place.device];
            xml.text("attachmentId", ids::derived("eni-attach", &parts));
            xml.text("deviceIndex", 0);
            xml.text("status", "attached");
            xml.text("deleteOnTermination", false);
        });
    }
    addresses(ask, cloud, interface, xml);
    xml.text("interfaceType", "interface");
    tag_set(xml, &interface.meta);
}

fn private_name(ask: &Ask, address: Ipv4Addr) -> String {
    let dashed = address.to_string().replace('.', "-");
    format!("ip-{dashed}.{}.compute.internal", ask.region)
}

fn addresses(ask: &Ask, cloud: &Cloud, interface: &Interface, xml: &mut Xml) {
    let pairs = cloud.public_pairs(interface.id);
    let public = |private: Ipv4Addr| {
        let pair = pairs.iter().find(|(own, _)| *own == private);
        pair.map(|(_, public)| *public)
    };
    let on = |xml: &mut Xml, private: Ipv4Addr| {
        let Some(public) = public(private) else {
            return;
        };
        xml.nest("association", |xml| {
            xml.text("publicIp", public);
            let mut all = cloud.elastic_of_interface(interface.id);
            let elastic = all.find(|elastic| elastic.address == public);
            let owner = elastic.map_or("amazon", |_| ask.account.as_str());
            xml.text("ipOwnerId", owner);
            xml.maybe("allocationId", elastic.map(|elastic| elastic.id));
            xml.maybe("associationId", elastic.and_then(association));
        });
    };
    on(xml, interface.ipv4);
    xml.list(
        "privateIpAddressesSet",
        interface.addresses4(),
        |xml, address| {
            xml.text("privateIpAddress", address);
            xml.text("privateDnsName", private_name(ask, address));
            xml.text("primary", address == interface.ipv4);
            on(xml, address);
        },
    );
    xml.list("ipv6AddressesSet", &interface.ipv6, |xml, address| {
        xml.text("ipv6Address", address);
    });
}

fn groups(ask: &Ask, cloud: &Cloud) -> Result<Vec<SecurityGroupId>, Fault> {
    let ids: Vec<SecurityGroupId> = ask.args().ids("SecurityGroupId")?;
    for id in &ids {
        group_of(ask, cloud, *id)?;
    }
    Ok(ids)
}

fn create(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let (cloud, args) = (stage.cloud(), ask.args());
    let subnet = subnet_named(ask, cloud, "SubnetId")?;
    let mut draft = Draft::new(subnet.id);
    draft.ipv4 = args.value("PrivateIpAddress")?;
    for address in args.groups("PrivateIpAddresses") {
        let given: Option<Ipv4Addr> = address.value("PrivateIpAddress")?;
        let given = given.ok_or_else(|| Fault::missing("PrivateIpAddress"))?;
        if address.flag("Primary") == Some(true) {
            draft.ipv4 = Some(given);
        } else {
            draft.secondary_ipv4.push(given);
        }
    }
    for address in args.groups("Ipv6Addresses") {
        let given: Option<Ipv6Addr> = address.value("Ipv6Address")?;
        draft.ipv6.extend(given);
    }
    let more6 = count(args.int("Ipv6AddressCount"))?;
    // As AWS does, none comes by itself.
    draft.assign_ipv6 = Some(false);
    draft.assign_public = Some(false);
    draft.groups = groups(ask, cloud)?;
    check_addresses(cloud, subnet, &draft)?;
    let more4 = count(args.int("SecondaryPrivateIpAddressCount"))?;
    let (tags, description) = (
        args.tags_for("network-interface")?,
        args.value::<Label>("Description")?,
    );
    let id: InterfaceId = stage
        .create(|cloud, settings, entropy| interface::create(cloud, settings, draft, entropy))?;
    stage.describe(id, description);
    stage.tag(id, tags)?;
    if more4 + more6 > 0 {
        let assignment = interface::Assignment {
            addresses: Vec::new(),
            ipv4_count: more4,
            ipv6_count: more6,
        };
        stage
            .run(|cloud, settings, _| interface::assign(cloud, settings, id, &assignment, None))?;
    }
    let token = args.text("ClientToken").map(str::to_owned);
    Ok(Box::new(move |ask, cloud, xml| {
        xml.nest("networkInterface", |xml| {
            if let Some(interface) = cloud.interface(id) {
                fields(ask, cloud, interface, xml);
            }
        });
        xml.maybe("clientToken", token);
    }))
}

/// A number of addresses.
pub(super) fn count(given: Option<i64>) -> Result<u32, Fault> {
    let given = given.unwrap_or(0);
    u32::try_from(given)
        .map_err(|_| Fault::value("count", &given.to_string(), "Use a number from 0."))
}

/// That addresses are of the subnet, and nobody else's.
fn check_addresses(cloud: &Cloud, subnet: &weft_model::Subnet, draft: &Draft) -> Result<(), Fault> {
    for address in draft.ipv4.iter().chain(&draft.secondary_ipv4) {
        if !subnet.ipv4.contains_addr(*address) {
            let message = "The specified address does not fall within the subnet's address range";
            return Err(Fault::new(
                "InvalidParameterValue",
                format!("{message}: {address}"),
            ));
        }
        let (first, last) = weft_model::cloud::usable4(subnet.ipv4);
        if !(first..=last).contains(address) {
            let message = format!("Address {address} is in subnet's reserved address range");
            return Err(Fault::new("InvalidParameterValue", message));
        }
        if cloud
            .address_holder(subnet.vpc, (*address).into())
            .is_some()
            || cloud
                .interface_by_address(subnet.vpc, (*address).into())
                .is_some()
        {
            let message = format!("Address {address} is in use.");
            return Err(Fault::new("InvalidIPAddress.InUse", message));
        }
    }
    Ok(())
}

fn delete(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let interface = interface_named(ask, stage.cloud())?;
    let id = interface.id;
    if interface.attachment.is_some() {
        let message = format!("Interface: [{id}] in use.");
        return Err(Fault::new("InvalidNetworkInterface.InUse", message));
    }
    stage.run(|cloud, _, _| interface::delete(cloud, id, None))?;
    Ok(done())
}

fn modify(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let (cloud, args) = (stage.cloud(), ask.args());
    let id = interface_named(ask, cloud)?.id;
    let groups = groups(ask, cloud)?;
    let described = args.group("Description");
    let checked = args.attribute("SourceDestCheck");
    let given = [described.is_some(), checked.is_some(), !groups.is_empty()];
    match given.iter().filter(|given| **given).count() {
        1 => {}
        0 => return Err(Fault::missing("attribute")),
        _ => return Err(Fault::combination("One attribute can be changed at a time")),
    }
    let update = Update {
        groups: (!groups.is_empty()).then_some(groups),
        source_dest_check: checked,
        ..Update::default()
    };
    let description = match described {
        Some(group) => Some(group.value::<Label>("Value")?),
        None => None,
    };
    stage.run(|cloud, settings, _| interface::update(cloud, settings, id, update, None))?;
    if let Some(description) = description {
        stage.describe(id, description);
    }
    Ok(done())
}
