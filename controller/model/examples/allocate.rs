//! Prints what it costs to make interfaces while there are more and more of them:
//! `cargo run --release -p weft-model --example allocate`.
#![allow(clippy::print_stdout)]

use std::{error::Error, time::Instant};

use weft_model::{
    Change, Cloud, Resource, Revision, SubnetId,
    ops::{Quotas, Settings, interface, region, subnet, vpc, zone},
};

const INTERFACES: usize = 100_000;
/// The largest subnet holds 65,531, so they are spread over two.
const SUBNETS: [&str; 2] = ["10.0.0.0/16", "10.1.0.0/16"];

fn apply(cloud: &mut Cloud, changes: &[Change]) -> Option<Resource> {
    cloud.apply(changes);
    changes.first().and_then(|change| change.after.clone())
}

fn subnets(
    cloud: &mut Cloud,
    settings: &Settings,
    bits: &mut impl FnMut() -> u64,
) -> Result<Vec<SubnetId>, Box<dyn Error>> {
    let (label, name) = (None, "r1".parse()?);
    apply(
        cloud,
        &region::create(cloud, region::Draft { name, label })?,
    );
    let (name, region, label) = ("z1".parse()?, "r1".parse()?, None);
    let draft = zone::Draft {
        name,
        region,
        label,
    };
    apply(cloud, &zone::create(cloud, draft)?);
    let draft = vpc::Draft {
        region: "r1".parse()?,
        primary: SUBNETS[0].parse()?,
        secondary: vec![SUBNETS[1].parse()?],
        ipv6: vec!["fd00::/56".parse()?],
        assign_ipv6: false,
        dns: Default::default(),
        label: None,
    };
    let made = apply(cloud, &vpc::create(cloud, settings, draft, bits)?);
    let Some(Resource::Vpc(vpc)) = made else {
        return Err("a VPC comes first in its own creation".into());
    };
    for ipv4 in SUBNETS {
        let draft = subnet::Draft {
            vpc: vpc.id,
            zone: "z1".parse()?,
            ipv4: ipv4.parse()?,
            ipv6: None,
            assign_ipv6: true,
            route_table: None,
            map_public_ip: false,
            acl: None,
            label: None,
        };
        apply(cloud, &subnet::create(cloud, settings, draft, bits)?);
    }
    Ok(cloud.subnets().map(|subnet| subnet.id).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut cloud = Cloud::new();
    let settings = Settings {
        quotas: Quotas::UNLIMITED,
        ipv6_pool: None,
        ..Settings::default()
    };
    let mut state = 1u64;
    let mut bits = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state ^ (state >> 29)
    };
    let subnets = subnets(&mut cloud, &settings, &mut bits)?;
    let mut start = Instant::now();
    for n in 1..=INTERFACES {
        let draft = interface::Draft::new(subnets[n % subnets.len()]);
        let mut changes = interface::create(&cloud, &settings, draft, &mut bits)?;
        changes.iter_mut().for_each(|c| c.stamp(Revision(n as u64)));
        cloud.apply(&changes);
        if n % (INTERFACES / 5) == 0 {
            let each = start.elapsed() / (INTERFACES / 5) as u32;
            println!("up to {n:>6} interfaces: {each:?} to check, place and apply one");
            start = Instant::now();
        }
    }
    start = Instant::now();
    let rebuilt = Cloud::from_resources(cloud.resources());
    println!(
        "rebuilt {} interfaces in {:?}",
        rebuilt.interfaces().count(),
        start.elapsed()
    );
    Ok(())
}
