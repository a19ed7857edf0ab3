//! More addresses of network interfaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weft_model::ops::interface::{self, Assignment};

use super::interface::{count, interface_named};
use crate::{
    Action, Answer, Ask, Fault, Stage,
    action::done,
    shape::{int, lacks, only, text, texts},
};

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write(
        "AssignPrivateIpAddresses",
        &[
            text("NetworkInterfaceId").required(),
            texts("PrivateIpAddress"),
            int("SecondaryPrivateIpAddressCount"),
            only("AllowReassignment", &["false"]),
            lacks("Ipv4Prefix"),
            lacks("Ipv4PrefixCount"),
        ],
        assign4,
    ),
    Action::write(
        "UnassignPrivateIpAddresses",
        &[
            text("NetworkInterfaceId").required(),
            texts("PrivateIpAddress").required(),
            lacks("Ipv4Prefix"),
        ],
        unassign4,
    ),
    Action::write(
        "AssignIpv6Addresses",
        &[
            text("NetworkInterfaceId").required(),
            texts("Ipv6Addresses"),
            int("Ipv6AddressCount"),
            lacks("Ipv6Prefix"),
            lacks("Ipv6PrefixCount"),
        ],
        assign6,
    ),
    Action::write(
        "UnassignIpv6Addresses",
        &[
            text("NetworkInterfaceId").required(),
            texts("Ipv6Addresses").required(),
            lacks("Ipv6Prefix"),
        ],
        unassign6,
    ),
];

fn parse<T: std::str::FromStr>(ask: &Ask, name: &str) -> Result<Vec<T>, Fault> {
    let one = |text: &str| {
        let why = "This is not a valid IP address.";
        text.parse().map_err(|_| Fault::value(name, text, why))
    };
    ask.args().texts(name).into_iter().map(one).collect()
}

fn assign4(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let interface = interface_named(ask, stage.cloud())?;
    let (id, before) = (interface.id, interface.secondary_ipv4.clone());
    let given: Vec<Ipv4Addr> = parse(ask, "PrivateIpAddress")?;
    let more = count(ask.args().int("SecondaryPrivateIpAddressCount"))?;
    check_some(given.len(), more, "privateIpAddresses")?;
    let assignment = Assignment {
        addresses: given.into_iter().map(IpAddr::V4).collect(),
        ipv4_count: more,
        ipv6_count: 0,
    };
    stage.run(|cloud, settings, _| interface::assign(cloud, settings, id, &assignment, None))?;
    Ok(Box::new(move |_, cloud, xml| {
        xml.text("networkInterfaceId", id);
        let interface = cloud.interface(id).into_iter();
        let all = interface.flat_map(|interface| &interface.secondary_ipv4);
        let new = all.filter(|address| !before.contains(address));
        xml.list("assignedPrivateIpAddressesSet", new, |xml, address| {
            xml.text("privateIpAddress", address);
        });
        xml.text("return", true);
    }))
}

fn check_some(given: usize, more: u32, name: &str) -> Result<(), Fault> {
    match (given, more) {
        (0, 0) => Err(Fault::missing(name)),
        (0, _) | (_, 0) => Ok(()),
        _ => Err(Fault::combination("Give addresses or how many, not both")),
    }
}

fn unassign4(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let interface = interface_named(ask, stage.cloud())?;
    let id = interface.id;
    let given: Vec<Ipv4Addr> = parse(ask, "PrivateIpAddress")?;
    if let Some(address) = given.iter().find(|a| !interface.secondary_ipv4.contains(a)) {
        let message = format!("Some of {address} are not assigned to interface {id}");
        return Err(Fault::new("InvalidParameterValue", message));
    }
    let given: Vec<IpAddr> = given.into_iter().map(IpAddr::V4).collect();
    stage.run(|cloud, settings, _| interface::unassign(cloud, settings, id, &given, None))?;
    Ok(done())
}

fn assign6(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let interface = interface_named(ask, stage.cloud())?;
    let (id, before) = (interface.id, interface.ipv6.clone());
    let given: Vec<Ipv6Addr> = parse(ask, "Ipv6Addresses")?;
    let more = count(ask.args().int("Ipv6AddressCount"))?;
    check_some(given.len(), more, "ipv6Addresses")?;
    let assignment = Assignment {
        addresses: given.into_iter().map(IpAddr::V6).collect(),
        ipv4_count: 0,
        ipv6_count: more,
    };
    stage.run(|cloud, settings, _| interface::assign(cloud, settings, id, &assignment, None))?;
    Ok(Box::new(move |_, cloud, xml| {
        xml.text("networkInterfaceId", id);
        let interface = cloud.interface(id).into_iter();
        let all = interface.flat_map(|interface| &interface.ipv6);
        let new = all.filter(|address| !before.contains(address));
        xml.texts("assignedIpv6Addresses", new);
    }))
}

fn unassign6(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let interface = interface_named(ask, stage.cloud())?;
    let id = interface.id;
    let given: Vec<Ipv6Addr> = parse(ask, "Ipv6Addresses")?;
    if let Some(address) = given.iter().find(|a| !interface.ipv6.contains(a)) {
        let message = format!("Some of {address} are not assigned to interface {id}");
        return Err(Fault::new("InvalidParameterValue", message));
    }
    let gone: Vec<IpAddr> = given.iter().copied().map(IpAddr::V6).collect();
    stage.run(|cloud, settings, _| interface::unassign(cloud, settings, id, &gone, None))?;
    Ok(Box::new(move |_, _, xml| {
        xml.text("networkInterfaceId", id);
        xml.texts("unassignedIpv6Addresses", given);
    }))
}
