//! Private zones.

use super::*;
use crate::{
    DnsName, PrivateZoneId, RecordData, RecordKind, RecordSet, Ttl,
    ops::private_zone::{self, Draft, Update},
};

fn record(name: &str, kind: &str, values: &[&str]) -> RecordSet {
    let kind: RecordKind = kind.parse().unwrap();
    let values = values.iter().map(|v| RecordData::parse(kind, v).unwrap());
    RecordSet {
        name: name.parse().unwrap(),
        kind,
        ttl: Ttl::DEFAULT,
        values: values.collect(),
    }
}

fn draft(vpcs: &[VpcId], records: Vec<RecordSet>) -> Draft {
    Draft {
        domain: "corp.internal".parse().unwrap(),
        vpcs: vpcs.to_vec(),
        records,
        label: None,
    }
}

fn zone(world: &mut World, draft: Draft) -> PrivateZoneId {
    match world.ok(|w, e| private_zone::create(&w.cloud, &w.settings, draft, e)) {
        Some(Resource::PrivateZone(zone)) => zone.id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_that_cannot_be_is_named_by_its_field() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let a = || record("db.corp.internal", "A", &["10.0.0.9"]);
    for (records, field) in [
        (vec![record("db.other", "A", &["10.0.0.9"])], "[0].name"),
        (vec![record("db.corp.internal", "A", &[])], "[0].values"),
        (
            vec![a(), record("db.corp.internal", "CNAME", &["x.y"])],
            "[1].type",
        ),
        (vec![record("corp.internal", "CNAME", &["x.y"])], "[0].type"),
        (
            vec![record("w.corp.internal", "CNAME", &["x.y", "y.z"])],
            "[0].values",
        ),
    ] {
        let draft = draft(&[vpc], records);
        let (path, _) = world.invalid(|w, e| private_zone::create(&w.cloud, &w.settings, draft, e));
        assert_eq!(path, format!("private_zone.records{field}"));
    }
}

#[test]
fn a_vpc_sees_one_zone_of_a_domain_and_stays_while_it_sees_any() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = zone(&mut world, draft(&[vpc], vec![]));
    let again = draft(&[vpc], vec![]);
    let (path, reason) =
        world.invalid(|w, e| private_zone::create(&w.cloud, &w.settings, again, e));
    assert_eq!(path, "private_zone.vpcs[0]");
    assert!(reason.contains(&id.to_string()), "{reason}");
    let error = world.err(|w, _| vpc::delete(&w.cloud, vpc, None));
    assert!(matches!(error, OpError::InUse { .. }), "{error}");
    let update = Update {
        vpcs: Some(vec![]),
        ..Update::default()
    };
    world.ok(|w, _| private_zone::update(&w.cloud, &w.settings, id, update, None));
    world.ok(|w, _| vpc::delete(&w.cloud, vpc, None));
}

#[test]
fn a_record_is_put_in_place_of_the_old_one_and_deleted_by_name_and_type() {
    let mut world = World::new();
    let id = zone(&mut world, draft(&[], vec![]));
    let put = |world: &mut World, record| {
        world.ok(|w, _| private_zone::put_record(&w.cloud, &w.settings, id, record, None));
        world.cloud.private_zone(id).unwrap().records.len()
    };
    assert_eq!(
        put(&mut world, record("a.corp.internal", "A", &["10.0.0.1"])),
        1
    );
    assert_eq!(
        put(&mut world, record("a.corp.internal", "A", &["10.0.0.2"])),
        1
    );
    assert_eq!(put(&mut world, record("a.corp.internal", "TXT", &["x"])), 2);
    let name: DnsName = "a.corp.internal".parse().unwrap();
    let kind = RecordKind::A;
    let delete =
        |w: &World| private_zone::delete_record(&w.cloud, &w.settings, id, (&name, kind), None);
    world.ok(|w, _| delete(w));
    let (path, _) = world.invalid(|w, _| delete(w));
    assert_eq!(path, "name");
}

#[test]
fn quotas_bound_zones_and_records() {
    let mut world = World::new();
    world.settings.quotas.records_per_private_zone = 1;
    let many = vec![
        record("a.corp.internal", "A", &["10.0.0.1"]),
        record("b.corp.internal", "A", &["10.0.0.1"]),
    ];
    let draft = draft(&[], many);
    let error = world.err(|w, e| private_zone::create(&w.cloud, &w.settings, draft, e));
    assert!(matches!(error, OpError::Quota { limit: 1, .. }), "{error}");
}
