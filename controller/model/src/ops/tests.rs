//! The commands, by what a person would say of them.

mod acls;
mod balancers;
mod flow_logs;
mod hosts;
mod interfaces;
mod lists;
mod mirrors;
mod nat;
mod outside;
mod peerings;
mod private_zones;
mod properties;
mod regions;
mod routes;
mod rules;
mod transit;
mod vpcs;

use super::{
    OpError, Quotas, Settings, egress_gateway, elastic_address, host, interface, internet_gateway,
    public_pool, region, security_group, subnet, vpc, zone,
};
use crate::{
    Attachment, Change, Cloud, Destination, InterfaceId, Label, Prefix, Resource, Revision,
    SecurityGroupId, SubnetId, VpcId,
};

/// A cloud under test: commands are applied as the daemon does, one revision each.
struct World {
    cloud: Cloud,
    settings: Settings,
    drawn: u64,
    revision: u64,
}

type Answer = Result<Vec<Change>, OpError>;

impl World {
    /// Two zones of a region and one of another; hosts h1 and h2 in the first, h3 in the second.
    fn new() -> Self {
        let mut world = Self {
            cloud: Cloud::new(),
            settings: Settings {
                quotas: Quotas::default(),
                ipv6_pool: Some("fd57:6566:7400::/40".parse().unwrap()),
                account: Default::default(),
                default_vpcs: false,
            },
            drawn: 0,
            revision: 0,
        };
        for (zone_name, region_name) in [("z1", "r1"), ("z2", "r1"), ("z9", "r9")] {
            let name = region_name.parse().unwrap();
            let label = None;
            // The second zone finds its region there already.
            let _ = world.run(|w, _| region::create(&w.cloud, region::Draft { name, label }));
            let (name, region) = (zone_name.parse().unwrap(), region_name.parse().unwrap());
            let draft = zone::Draft {
                name,
                region,
                label: None,
            };
            world.ok(|w, _| zone::create(&w.cloud, draft));
        }
        for (name, zone, vtep) in [
            ("h1", "z1", "10.9.0.1"),
            ("h2", "z1", "10.9.0.2"),
            ("h3", "z2", "fd00::3"),
        ] {
            world.ok(|w, _| host::create(&w.cloud, host_draft(name, zone, vtep)));
        }
        world
    }

    fn run(&mut self, command: impl FnOnce(&Self, &mut dyn super::Entropy) -> Answer) -> Answer {
        let mut drawn = self.drawn;
        let mut entropy = || {
            drawn += 1;
            // Odd, so that every number below 2^64 comes once: distinct ids for sure.
            drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        let answer = command(self, &mut entropy);
        self.drawn = drawn;
        let mut changes = answer?;
        self.revision += 1;
        for change in &mut changes {
            change.stamp(Revision(self.revision));
        }
        self.cloud.apply(&changes);
        Ok(changes)
    }

    /// Runs a command that must succeed; the first resource that it leaves.
    fn ok(
        &mut self,
        command: impl FnOnce(&Self, &mut dyn super::Entropy) -> Answer,
    ) -> Option<Resource> {
        let changes = self.run(command).unwrap();
        changes.into_iter().find_map(|change| change.after)
    }

    /// Runs a command that must fail; the cloud must stay as it was.
    fn err(&mut self, command: impl FnOnce(&Self, &mut dyn super::Entropy) -> Answer) -> OpError {
        let before = self.cloud.clone();
        let error = self.run(command).unwrap_err();
        assert_eq!(self.cloud, before);
        error
    }

    /// Runs a command that must fail for one field; its path and why.
    fn invalid(
        &mut self,
        command: impl FnOnce(&Self, &mut dyn super::Entropy) -> Answer,
    ) -> (String, String) {
        match self.err(command) {
            OpError::Invalid(violations) => {
                let [one] = violations.as_slice() else {
                    panic!("one field is wrong, not {violations:?}");
                };
                (one.field.clone(), one.reason.clone())
            }
            other => panic!("a field is wrong, not: {other}"),
        }
    }

    fn vpc(&mut self, cidr: &str) -> VpcId {
        let made = self.ok(|w, e| vpc::create(&w.cloud, &w.settings, vpc_draft(cidr), e));
        match made {
            Some(Resource::Vpc(vpc)) => vpc.id,
            other => panic!("{other:?}"),
        }
    }

    fn subnet(&mut self, vpc: VpcId, cidr: &str) -> SubnetId {
        let draft = subnet_draft(vpc, cidr);
        match self.ok(|w, e| subnet::create(&w.cloud, &w.settings, draft, e)) {
            Some(Resource::Subnet(subnet)) => subnet.id,
            other => panic!("{other:?}"),
        }
    }

    fn interface(&mut self, draft: interface::Draft) -> InterfaceId {
        match self.ok(|w, e| interface::create(&w.cloud, &w.settings, draft, e)) {
            Some(Resource::Interface(interface)) => interface.id,
            other => panic!("{other:?}"),
        }
    }

    fn group(&mut self, vpc: VpcId, name: &str) -> SecurityGroupId {
        let draft = group_draft(vpc, name);
        match self.ok(|w, e| security_group::create(&w.cloud, &w.settings, draft, e)) {
            Some(Resource::SecurityGroup(group)) => group.id,
            other => panic!("{other:?}"),
        }
    }
}

fn host_draft(name: &str, zone: &str, vtep: &str) -> host::Draft {
    host::Draft {
        name: name.parse().unwrap(),
        zone: zone.parse().unwrap(),
        vtep: vtep.parse().unwrap(),
        uplink: None,
        label: None,
    }
}

fn vpc_draft(cidr: &str) -> vpc::Draft {
    vpc::Draft {
        region: "r1".parse().unwrap(),
        primary: cidr.parse().unwrap(),
        secondary: Vec::new(),
        ipv6: Vec::new(),
        assign_ipv6: true,
        dns: Default::default(),
        label: None,
    }
}

fn subnet_draft(vpc: VpcId, cidr: &str) -> subnet::Draft {
    subnet::Draft {
        vpc,
        zone: "z1".parse().unwrap(),
        ipv4: cidr.parse().unwrap(),
        ipv6: None,
        assign_ipv6: true,
        route_table: None,
        map_public_ip: false,
        acl: None,
        label: None,
    }
}

fn group_draft(vpc: VpcId, name: &str) -> security_group::Draft {
    security_group::Draft {
        vpc,
        group_name: name.parse::<Label>().unwrap(),
        description: "for a test".parse().unwrap(),
        ingress: Vec::new(),
        egress: Vec::new(),
        label: None,
    }
}

fn attachment(host: &str, netns: &str) -> Attachment {
    Attachment {
        host: host.parse().unwrap(),
        netns: netns.parse().unwrap(),
        device: "eth0".parse().unwrap(),
    }
}

fn destination(text: &str) -> Destination {
    text.parse().unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}
