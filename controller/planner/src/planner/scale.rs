//! A change's cost in a cloud of 1,000 hosts and 20,000 interfaces in 200 VPCs.

use std::collections::{BTreeMap, BTreeSet};

use weft_model::{HostName, Resource, cloud::Cloud, state::StateKey};

use crate::{Planner, plan::Edit, plan::Plan, testing::*};

const HOSTS: usize = 1_000;
const VPCS: u64 = 200;
const PER_VPC: u64 = 100;

/// Interface `i` of VPC `v` is on host `7v + 3i`, modulo the hosts: 100 hosts per VPC, 20 ports
/// per host.
fn host_of(v: u64, i: u64) -> usize {
    usize::try_from(7 * v + 3 * i).unwrap() % HOSTS
}

fn large_cloud() -> Cloud {
    let mut resources: Vec<Resource> = (0..HOSTS).map(|n| host(n).into()).collect();
    for v in 1..=VPCS {
        resources.extend(whole_vpc(v));
        for i in 0..PER_VPC {
            resources.push(interface(v * 1_000 + i, v, Some(host_of(v, i)), &[0]).into());
        }
    }
    Cloud::from_resources(resources)
}

fn hosts_of(v: u64) -> BTreeSet<HostName> {
    (0..PER_VPC).map(|i| host_name(host_of(v, i))).collect()
}

fn upserts(plan: &Plan<weft_model::state::State>, host: &HostName) -> Vec<StateKey> {
    let edits = plan.edits(host).into_iter().flatten();
    let keys = edits.map(|(key, edit)| {
        assert!(matches!(edit, Edit::Upsert(_)), "nothing is removed");
        key.clone()
    });
    keys.collect()
}

#[test]
fn adding_an_interface_tells_only_the_hosts_with_ports_in_its_vpc() {
    const V: u64 = 42;
    let mut cloud = large_cloud();
    assert_eq!(cloud.interfaces().count(), 20_000);
    let mut planner = Planner::new(&cloud, seal);
    let members = hosts_of(V);
    let added = (0..HOSTS)
        .find(|&n| !members.contains(&host_name(n)))
        .unwrap();
    let new = host_name(added);
    let known: BTreeMap<_, BTreeSet<_>> = (members.iter().chain([&new]))
        .map(|host| {
            let items = planner.desired(host);
            (
                host.clone(),
                items.into_iter().map(|item| item.key.clone()).collect(),
            )
        })
        .collect();

    let change = put(&cloud, interface(900_000, V, Some(added), &[0]));
    let plan = planner.apply(std::slice::from_ref(&change));
    cloud.apply(&[change]);

    let told: BTreeSet<_> = plan.hosts().cloned().collect();
    let concerned: BTreeSet<_> = members.iter().cloned().chain([new.clone()]).collect();
    assert_eq!((told.len(), told), (101, concerned));
    let mut tunnels = 0;
    for member in &members {
        // The mapping, and the way to its host where no other VPC had needed it.
        let mut expected = vec![StateKey::Mapping(eni(900_000))];
        let tunnel = StateKey::Tunnel(new.clone());
        if !known[member].contains(&tunnel) {
            expected.insert(0, tunnel);
            tunnels += 1;
        }
        assert_eq!(upserts(&plan, member), expected, "{member}");
    }
    let held = naive_desired(&cloud, &new).into_keys();
    let expected: Vec<_> = held.filter(|key| !known[&new].contains(key)).collect();
    assert_eq!(upserts(&plan, &new), expected);
    // VPC, subnet, ACL, table, group, its port, 101 mappings, and the tunnels that were missing.
    assert_eq!(expected.len(), 6 + 101 + tunnels);

    // A second port there is one mapping for everyone, and the port for its host.
    let change = put(&cloud, interface(900_001, V, Some(added), &[0]));
    let plan = planner.apply(&[change]);
    let total: usize = plan.into_iter().map(|(_, edits)| edits.len()).sum();
    assert_eq!(total, 102);
}
