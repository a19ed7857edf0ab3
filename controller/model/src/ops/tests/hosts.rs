//! Regions, zones and hosts.

use super::*;
use crate::ResourceKey;

#[test]
fn a_name_is_taken_once() {
    let mut world = World::new();
    let draft = host_draft("h1", "z1", "10.9.0.77");
    let error = world.err(|w, _| host::create(&w.cloud, draft));
    assert_eq!(error.to_string(), "host h1 exists already");
    let zone = zone::Draft {
        name: "z1".parse().unwrap(),
        region: "r9".parse().unwrap(),
        label: None,
    };
    let error = world.err(|w, _| zone::create(&w.cloud, zone));
    assert!(matches!(
        error,
        OpError::AlreadyExists(ResourceKey::Zone(_))
    ));
}

#[test]
fn two_hosts_never_share_a_vtep() {
    let mut world = World::new();
    let draft = host_draft("h4", "z1", "10.9.0.1");
    let (field, reason) = world.invalid(|w, _| host::create(&w.cloud, draft));
    assert_eq!(field, "host.vtep");
    assert!(reason.contains("host h1"), "{reason}");
    let name = "h2".parse().unwrap();
    let vtep = |vtep: &str| host::Update {
        vtep: Some(vtep.parse().unwrap()),
        uplink: None,
        label: None,
    };
    let (field, _) = world.invalid(|w, _| host::update(&w.cloud, &name, vtep("10.9.0.1"), None));
    assert_eq!(field, "host.vtep");
    world.ok(|w, _| host::update(&w.cloud, &name, vtep("10.9.0.2"), None));
}

#[test]
fn a_vtep_is_unicast() {
    let mut world = World::new();
    for vtep in ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"] {
        let draft = host_draft("h4", "z1", vtep);
        let (field, _) = world.invalid(|w, _| host::create(&w.cloud, draft));
        assert_eq!(field, "host.vtep");
    }
}

#[test]
fn every_wrong_field_is_named_at_once() {
    let mut world = World::new();
    let draft = host_draft("h4", "nowhere", "10.9.0.1");
    let OpError::Invalid(violations) = world.err(|w, _| host::create(&w.cloud, draft)) else {
        panic!("fields are wrong");
    };
    let fields: Vec<&str> = violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["host.zone", "host.vtep"]);
}

#[test]
fn a_host_stays_while_an_interface_is_attached() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(vpc, "10.0.1.0/24");
    let id = world.interface(interface::Draft {
        attachment: Some(attachment("h1", "w1")),
        ..interface::Draft::new(subnet)
    });
    let name = "h1".parse().unwrap();
    let error = world.err(|w, _| host::delete(&w.cloud, &name, None));
    assert_eq!(
        error.to_string(),
        format!("host h1 is in use by network interface {id}")
    );
    world.ok(|w, _| interface::delete(&w.cloud, id, None));
    world.ok(|w, _| host::delete(&w.cloud, &name, None));
    let error = world.err(|w, _| host::delete(&w.cloud, &name, None));
    assert_eq!(error.to_string(), "host h1 doesn't exist");
}

#[test]
fn regions_and_zones_stay_while_something_is_in_them() {
    let mut world = World::new();
    let (r9, z9) = ("r9".parse().unwrap(), "z9".parse().unwrap());
    let error = world.err(|w, _| region::delete(&w.cloud, &r9, None));
    assert!(matches!(
        error,
        OpError::InUse {
            by: ResourceKey::Zone(_),
            ..
        }
    ));
    world.ok(|w, _| zone::delete(&w.cloud, &z9, None));
    world.ok(|w, _| region::delete(&w.cloud, &r9, None));
    let z1 = "z1".parse().unwrap();
    let error = world.err(|w, _| zone::delete(&w.cloud, &z1, None));
    assert!(matches!(
        error,
        OpError::InUse {
            by: ResourceKey::Host(_),
            ..
        }
    ));
}

#[test]
fn an_old_etag_is_refused_and_the_present_one_accepted() {
    let mut world = World::new();
    let name = "h1".parse().unwrap();
    let read = world.cloud.host(&name).unwrap().meta.updated;
    let rename = |label: &str| host::Update {
        vtep: None,
        uplink: None,
        label: Some(Some(label.parse().unwrap())),
    };
    world.ok(|w, _| host::update(&w.cloud, &name, rename("mine"), Some(read)));
    let error = world.err(|w, _| host::update(&w.cloud, &name, rename("yours"), Some(read)));
    let current = world.cloud.host(&name).unwrap().meta.updated;
    assert!(
        matches!(error, OpError::Stale { given, current: c, .. } if given == read && c == current)
    );
    let error = world.err(|w, _| host::delete(&w.cloud, &name, Some(read)));
    assert!(matches!(error, OpError::Stale { .. }));
    world.ok(|w, _| host::delete(&w.cloud, &name, Some(current)));
}
