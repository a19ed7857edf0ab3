//! Where in the topology file the controller's objects come from, and what they are called there.

use std::collections::HashMap;

use super::{
    groups,
    view::{View, Where},
};
use crate::topology::{DEFAULT_TRANSIT_TABLE, Span, Topology, TransitSpec, VpcSpec};

/// An object as its author knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it is called.
    pub name: String,
    /// The line of the file, from 1.
    pub line: usize,
}

/// Objects by id; routes by their table's id and their destination with a space between, entries of ACLs
/// likewise.
#[derive(Debug, Default)]
pub struct Places(HashMap<String, Place>);

impl Places {
    /// Of everything in the topology that the controller has.
    pub fn of(view: &View, topology: &Topology) -> Self {
        let mut places = Self::default();
        for workload in &topology.workloads {
            let id = view.interface_id(workload.name.as_str());
            places.add(id, workload.name.to_string(), workload.name.span);
        }
        for vpc in &topology.vpcs {
            places.add(
                view.vpc_id(vpc.name.as_str()),
                vpc.name.to_string(),
                vpc.name.span,
            );
            places.add_subnets(view, vpc);
            places.add_tables(view, vpc);
            places.add_groups(view, vpc);
            places.add_acls(view, vpc);
            for nat in &vpc.nats {
                let id = view.nat_id(vpc.name.as_str(), nat.name.as_str());
                places.add(id, nat.name.to_string(), nat.name.span);
            }
        }
        for gateway in &topology.transit_gateways {
            places.add_transit(view, gateway);
        }
        places.add_balancing(view, topology);
        places
    }

    /// The place of the object.
    pub fn get(&self, object: &str) -> Option<&Place> {
        self.0.get(object)
    }

    fn add(&mut self, id: String, name: String, span: Span) {
        if !id.is_empty() {
            let line = span.line;
            self.0.insert(id, Place { name, line });
        }
    }

    fn add_subnets(&mut self, view: &View, vpc: &VpcSpec) {
        for subnet in &vpc.subnets {
            let id = view.subnet_id(vpc.name.as_str(), subnet.name.as_str());
            self.add(id, subnet.name.to_string(), subnet.name.span);
        }
    }

    fn add_tables(&mut self, view: &View, vpc: &VpcSpec) {
        for table in &vpc.route_tables {
            let id = view.table_id(vpc.name.as_str(), table.name.as_str());
            for route in &table.routes {
                let destination = route.destination.to_string();
                let name = format!("{} {destination}", table.name.value);
                self.add(format!("{id} {destination}"), name, route.destination.span);
            }
            self.add(id, table.name.to_string(), table.name.span);
        }
    }

    fn add_transit(&mut self, view: &View, gateway: &TransitSpec) {
        let name = gateway.name.as_str();
        self.add(view.transit_id(name), name.to_owned(), gateway.name.span);
        for attachment in &gateway.attachments {
            let vpc = attachment.vpc.as_str();
            let id = view.attachment_id(name, vpc);
            self.add(id.clone(), format!("{name}/{vpc}"), attachment.vpc.span);
            for (table, destination) in view.announced(name, &id) {
                let called = format!("{name}/{} {destination}", table.1);
                let object = format!("{} {destination}", table.0);
                self.add(object, called, attachment.vpc.span);
            }
        }
        for table in &gateway.tables {
            let own = table.name.as_str();
            let id = view.transit_table_id(name, own);
            for route in &table.routes {
                let destination = route.destination.to_string();
                let called = format!("{name}/{own} {destination}");
                self.add(
                    format!("{id} {destination}"),
                    called,
                    route.destination.span,
                );
            }
            self.add(id, format!("{name}/{own}"), table.name.span);
        }
        if gateway.table(DEFAULT_TRANSIT_TABLE).is_none() {
            let id = view.transit_table_id(name, DEFAULT_TRANSIT_TABLE);
            let called = format!("{name}/{DEFAULT_TRANSIT_TABLE}");
            self.add(id, called, gateway.name.span);
        }
    }

    fn add_balancing(&mut self, view: &View, topology: &Topology) {
        for spec in &topology.balancers {
            if let Some(balancer) = view.balancers.get(spec.name.as_str()) {
                self.add(balancer.id.clone(), spec.name.to_string(), spec.name.span);
            }
        }
        for spec in &topology.target_groups {
            if let Some(group) = view.target_groups.get(spec.name.as_str()) {
                self.add(group.id.clone(), spec.name.to_string(), spec.name.span);
            }
        }
    }

    /// Entries by their ACL's id, the direction and the number; `*` is what comes after all.
    fn add_acls(&mut self, view: &View, vpc: &VpcSpec) {
        for acl in &vpc.acls {
            let id = view.acl_id(vpc.name.as_str(), acl.name.as_str());
            for (way, entries) in [("ingress", &acl.ingress), ("egress", &acl.egress)] {
                let all = entries.iter().map(|e| (e.number.to_string(), e.span));
                for (number, span) in all.chain([("*".to_owned(), acl.name.span)]) {
                    let name = format!("{} {way} {number}", acl.name.value);
                    self.add(format!("{id} {way} {number}"), name, span);
                }
            }
            self.add(id, acl.name.to_string(), acl.name.span);
        }
    }

    fn add_groups(&mut self, view: &View, vpc: &VpcSpec) {
        for group in &vpc.groups {
            let key = Where::new(vpc.name.as_str(), group.name.as_str());
            let Some(known) = view.groups.get(&key) else {
                continue;
            };
            for (way, specs, rules) in [
                ("ingress", Some(&group.ingress), &known.ingress),
                ("egress", group.egress.as_ref(), &known.egress),
            ] {
                for (id, span) in groups::origins(view, vpc, specs.into_iter().flatten(), rules) {
                    self.add(id, format!("{} {way}", group.name.value), span);
                }
            }
            self.add(known.id.clone(), group.name.to_string(), group.name.span);
        }
    }
}
