//! What a region is born with where the operator wants it: a VPC that takes whoever names none, with a
//! subnet in each zone and a way to the internet.

use std::net::Ipv4Addr;

use super::{Entropy, OpError, Settings, draw_id, vpc};
use crate::{
    Block4, Change, Cloud, InternetGateway, InternetGatewayId, Meta, Prefix, RegionName, Resource,
    Route, RouteOrigin, RouteTarget, Subnet, SubnetId, Vpc, VpcDns, Zone, ZoneName,
};

/// Its block.
const BLOCK: (Ipv4Addr, u8) = (Ipv4Addr::new(172, 31, 0, 0), 16);

/// The length of its subnets' blocks.
const SUBNET: u8 = 20;

/// The region's default VPC, if it has one.
pub fn of<'a>(cloud: &'a Cloud, region: &RegionName) -> Option<&'a Vpc> {
    cloud.vpcs_in_region(region).find(|vpc| vpc.meta.preset)
}

/// Makes the region's default VPC: 172.31.0.0/16, a /20 subnet in each zone, an internet gateway and
/// the route to it. The VPC's change is first.
///
/// # Errors
/// When the region has one, or a quota is reached.
pub fn create(
    cloud: &Cloud,
    settings: &Settings,
    region: &RegionName,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    if let Some(old) = of(cloud, region) {
        return Err(OpError::AlreadyExists(old.id.into()));
    }
    let draft = vpc::Draft {
        region: region.clone(),
        primary: block(BLOCK.0, BLOCK.1)?,
        secondary: Vec::new(),
        ipv6: Vec::new(),
        assign_ipv6: false,
        dns: VpcDns::default(),
        label: None,
    };
    let mut changes = vpc::assemble(cloud, settings, draft, entropy)?;
    let gateway = draw_id(cloud, entropy, InternetGatewayId::from_bits)?;
    let mut made = None;
    for change in &mut changes {
        match &mut change.after {
            Some(Resource::Vpc(vpc)) => {
                vpc.meta.preset = true;
                made = Some(vpc.clone());
            }
            Some(Resource::RouteTable(table)) => {
                table.routes.push(Route {
                    destination: Prefix::everywhere()[0].into(),
                    target: RouteTarget::InternetGateway(gateway),
                    origin: RouteOrigin::Static,
                });
                table.routes.sort_by_key(|route| route.destination);
            }
            _ => {}
        }
    }
    let vpc = made.expect("a VPC's creation has the VPC");
    changes.push(Change::create(InternetGateway {
        id: gateway,
        region: Some(region.clone()),
        vpc: Some(vpc.id),
        meta: Meta::default(),
    }));
    let mut taken = Vec::new();
    for zone in cloud.zones_in_region(region) {
        let subnet = subnet_of(cloud, &vpc, &taken, zone.name.clone(), entropy)?;
        taken.push(subnet.ipv4);
        changes.push(Change::create(subnet));
    }
    Ok(changes)
}

/// Makes the zone's default subnet in its region's default VPC, from the lowest free /20.
///
/// # Errors
/// When the region has no default VPC, the zone has its subnet, or no /20 is free.
pub fn create_subnet(
    cloud: &Cloud,
    zone: &Zone,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Change>, OpError> {
    let vpc = of(cloud, &zone.region).ok_or_else(|| {
        let reason = format!("region {} has no default VPC: create it first", zone.region);
        OpError::invalid("zone", reason)
    })?;
    if let Some(old) = of_zone(cloud, vpc, &zone.name) {
        return Err(OpError::AlreadyExists(old.id.into()));
    }
    let taken: Vec<Block4> = cloud.subnets_in_vpc(vpc.id).map(|s| s.ipv4).collect();
    let subnet = subnet_of(cloud, vpc, &taken, zone.name.clone(), entropy)?;
    Ok(vec![Change::create(subnet)])
}

/// The zone's default subnet in the VPC, if it has one.
fn of_zone<'a>(cloud: &'a Cloud, vpc: &Vpc, zone: &ZoneName) -> Option<&'a Subnet> {
    let mut subnets = cloud.subnets_in_vpc(vpc.id);
    subnets.find(|subnet| subnet.meta.preset && subnet.zone == *zone)
}

fn subnet_of(
    cloud: &Cloud,
    vpc: &Vpc,
    taken: &[Block4],
    zone: ZoneName,
    entropy: &mut dyn Entropy,
) -> Result<Subnet, OpError> {
    let mut blocks = (0..1u32 << (SUBNET - BLOCK.1)).map(|n| {
        let base = u32::from(BLOCK.0) + (n << (32 - SUBNET));
        block(Ipv4Addr::from(base), SUBNET)
    });
    let free = |b: &Result<Block4, OpError>| {
        let fits = |b: &Block4| taken.iter().all(|other| !other.overlaps(*b));
        b.as_ref().map_or(true, fits)
    };
    let ipv4 = blocks.find(free).ok_or_else(|| OpError::Exhausted {
        what: "/20 for a default subnet",
        within: format!("VPC {}", vpc.id),
    })??;
    Ok(Subnet {
        id: draw_id(cloud, entropy, SubnetId::from_bits)?,
        vpc: vpc.id,
        zone,
        ipv4,
        ipv6: None,
        route_table: None,
        map_public_ip: true,
        acl: None,
        meta: Meta {
            preset: true,
            ..Meta::default()
        },
    })
}

fn block(base: Ipv4Addr, length: u8) -> Result<Block4, OpError> {
    let net = ipnet::Ipv4Net::new(base, length).ok().map(Block4::new);
    net.and_then(Result::ok)
        .ok_or_else(|| OpError::invalid("vpc.cidr_block", "is no block of a VPC"))
}
