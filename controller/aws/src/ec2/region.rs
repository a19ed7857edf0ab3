//! Regions, zones and the account.

use weft_model::{Cloud, RegionName, Zone, ops::default_vpc};

use crate::{
    Action, Ask, Fault, Xml,
    filter::{Filter, Wanted, filter},
    ids,
    shape::{FILTERS, boolean, texts},
};

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::read(
        "DescribeRegions",
        &[texts("RegionName"), FILTERS, boolean("AllRegions")],
        regions,
    ),
    Action::read(
        "DescribeAvailabilityZones",
        &[
            texts("ZoneName"),
            texts("ZoneId"),
            FILTERS,
            boolean("AllAvailabilityZones"),
        ],
        zones,
    ),
    Action::read(
        "DescribeAccountAttributes",
        &[texts("AttributeName")],
        account,
    ),
];

/// The id of a region's DHCP options: AWS's default ones, which every VPC has.
pub(super) fn dhcp_options(region: &RegionName) -> String {
    ids::derived("dopt", &[region])
}

fn endpoint(region: &RegionName) -> String {
    format!("ec2.{region}.amazonaws.com")
}

const REGIONS: &[Filter<weft_model::Region>] = &[
    filter("region-name", |_, region, is| is(region.name.as_str())),
    filter("endpoint", |_, region, is| is(&endpoint(&region.name))),
    filter("opt-in-status", |_, _, is| is("opt-in-not-required")),
];

fn regions(ask: &Ask, cloud: &Cloud, xml: &mut Xml) -> Result<(), Fault> {
    let args = ask.args();
    let wanted = Wanted::read(args, REGIONS)?;
    let names = args.texts("RegionName");
    for name in &names {
        if !cloud.regions().any(|region| region.name.as_str() == *name) {
            return Err(Fault::value(
                "region-name",
                name,
                "There is no such region.",
            ));
        }
    }
    let found = cloud.regions().filter(|region| {
        let named = names.is_empty() || names.contains(&region.name.as_str());
        named && wanted.fits(cloud, region, &region.meta)
    });
    xml.list("regionInfo", found, |xml, region| {
        xml.text("regionName", &region.name);
        xml.text("regionEndpoint", endpoint(&region.name));
        xml.text("optInStatus", "opt-in-not-required");
    });
    Ok(())
}

const ZONES: &[Filter<Zone>] = &[
    filter("zone-name", |_, zone, is| is(zone.name.as_str())),
    filter("zone-id", |_, zone, is| is(zone.name.as_str())),
    filter("region-name", |_, zone, is| is(zone.region.as_str())),
    filter("state", |_, _, is| is("available")),
    filter("zone-type", |_, _, is| is("availability-zone")),
    filter("group-name", |_, zone, is| is(zone.region.as_str())),
    filter("opt-in-status", |_, _, is| is("opt-in-not-required")),
];

fn zones(ask: &Ask, cloud: &Cloud, xml: &mut Xml) -> Result<(), Fault> {
    let args = ask.args();
    let wanted = Wanted::read(args, ZONES)?;
    let names = [args.texts("ZoneName"), args.texts("ZoneId")].concat();
    let own = || cloud.zones_in_region(&ask.region);
    for name in &names {
        if !own().any(|zone| zone.name.as_str() == *name) {
            let message = format!("Invalid availability zone: [{name}]");
            return Err(Fault::new("InvalidParameterValue", message));
        }
    }
    let found = own().filter(|zone| {
        let named = names.is_empty() || names.contains(&zone.name.as_str());
        named && wanted.fits(cloud, zone, &zone.meta)
    });
    xml.list("availabilityZoneInfo", found, |xml, zone| {
        xml.text("zoneName", &zone.name);
        // A zone is the same to everybody here, so its name is its id.
        xml.text("zoneId", &zone.name);
        xml.text("zoneState", "available");
        xml.text("regionName", &zone.region);
        xml.list("messageSet", [(); 0], |_, ()| {});
        xml.text("groupName", &zone.region);
        xml.text("networkBorderGroup", &zone.region);
        xml.text("zoneType", "availability-zone");
        xml.text("optInStatus", "opt-in-not-required");
    });
    Ok(())
}

fn account(ask: &Ask, cloud: &Cloud, xml: &mut Xml) -> Result<(), Fault> {
    let default = default_vpc::of(cloud, &ask.region);
    let default = default.map_or_else(|| "none".to_owned(), |vpc| vpc.id.to_string());
    let known = [
        ("supported-platforms", "VPC".to_owned()),
        ("default-vpc", default),
    ];
    let names = ask.args().texts("AttributeName");
    for name in &names {
        if !known.iter().any(|(known, _)| known == name) {
            return Err(Fault::value(
                "attributeName",
                name,
                "There is no such attribute.",
            ));
        }
    }
    let found = known
        .iter()
        .filter(|(name, _)| names.is_empty() || names.contains(name));
    xml.list("accountAttributeSet", found, |xml, (name, value)| {
        xml.text("attributeName", name);
        xml.list("attributeValueSet", [value], |xml, value| {
            xml.text("attributeValue", value);
        });
    });
    Ok(())
}
