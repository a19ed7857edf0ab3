//! What the controller has, by the names that the topology uses.

use std::collections::HashMap;

use weft_proto::v1 as wire;

use crate::{
    api::{Api, ApiError, name_of},
    topology::{DEFAULT_ACL, DEFAULT_GROUP, DEFAULT_TRANSIT_TABLE, MAIN_TABLE},
};

/// A name inside a VPC's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Where {
    vpc: String,
    name: String,
}

impl Where {
    /// The item `name` of VPC `vpc`.
    pub fn new(vpc: &str, name: &str) -> Self {
        Self {
            vpc: vpc.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// Everything there is.
#[derive(Debug, Default)]
pub struct View {
    pub(super) prefix_lists: HashMap<String, wire::PrefixList>,
    pub(super) acls: HashMap<Where, wire::NetworkAcl>,
    pub(super) zones: HashMap<String, wire::Zone>,
    pub(super) hosts: HashMap<String, wire::Host>,
    pub(super) vpcs: HashMap<String, wire::Vpc>,
    pub(super) subnets: HashMap<Where, wire::Subnet>,
    pub(super) route_tables: HashMap<Where, wire::RouteTable>,
    pub(super) groups: HashMap<Where, wire::SecurityGroup>,
    pub(super) interfaces: HashMap<String, wire::Interface>,
    pub(super) peerings: HashMap<String, wire::Peering>,
    pub(super) nats: HashMap<Where, wire::NatGateway>,
    pub(super) balancers: HashMap<String, wire::LoadBalancer>,
    pub(super) target_groups: HashMap<String, wire::TargetGroup>,
    pub(super) transit_gateways: HashMap<String, wire::TransitGateway>,
    /// By gateway and table.
    pub(super) transit_tables: HashMap<Where, wire::TransitTable>,
    /// By gateway and VPC.
    pub(super) attachments: HashMap<Where, wire::TransitAttachment>,
}

impl View {
    /// Asks for everything.
    ///
    /// # Errors
    /// When the controller doesn't answer.
    pub async fn load(api: &Api) -> Result<Self, ApiError> {
        let mut view = Self {
            zones: by(api.list_zones().await?, |z| z.zone.clone()),
            hosts: by(api.list_hosts().await?, |h| h.host.clone()),
            vpcs: by(api.list_vpcs().await?, |v| {
                name_of(v.meta.as_ref()).to_owned()
            }),
            peerings: by(api.list_peerings().await?, |p| {
                name_of(p.meta.as_ref()).to_owned()
            }),
            balancers: by(api.list_load_balancers().await?, |b| {
                name_of(b.meta.as_ref()).to_owned()
            }),
            target_groups: by(api.list_target_groups().await?, |g| {
                name_of(g.meta.as_ref()).to_owned()
            }),
            interfaces: by(api.list_interfaces().await?, |i| {
                name_of(i.meta.as_ref()).to_owned()
            }),
            ..Self::default()
        };
        let vpcs: HashMap<String, String> = view
            .vpcs
            .iter()
            .map(|(name, v)| (v.id.clone(), name.clone()))
            .collect();
        let inside = |vpc: &str, name: &str| Where::new(vpcs.get(vpc).map_or("", |n| n), name);
        view.subnets = by(api.list_subnets().await?, |s| {
            inside(&s.vpc, name_of(s.meta.as_ref()))
        });
        view.route_tables = by(api.list_route_tables().await?, |t| {
            // One that was made the main one keeps its name.
            let own = name_of(t.meta.as_ref());
            let name = if own.is_empty() { MAIN_TABLE } else { own };
            inside(&t.vpc, name)
        });
        view.nats = by(api.list_nat_gateways().await?, |n| {
            inside(&n.vpc, name_of(n.meta.as_ref()))
        });
        view.prefix_lists = by(api.list_prefix_lists().await?, |l| {
            name_of(l.meta.as_ref()).to_owned()
        });
        view.acls = by(api.list_network_acls().await?, |a| {
            let name = if a.default {
                DEFAULT_ACL
            } else {
                name_of(a.meta.as_ref())
            };
            inside(&a.vpc, name)
        });
        view.groups = by(api.list_security_groups().await?, |g| {
            inside(&g.vpc, &g.group_name)
        });
        view.load_transit(api, &vpcs).await?;
        Ok(view)
    }

    /// `vpcs` are their names by id.
    async fn load_transit(
        &mut self,
        api: &Api,
        vpcs: &HashMap<String, String>,
    ) -> Result<(), ApiError> {
        self.transit_gateways = by(api.list_transit_gateways().await?, |g| {
            name_of(g.meta.as_ref()).to_owned()
        });
        let gateways = self.transit_gateways.iter();
        let gateways: HashMap<&str, &str> = gateways
            .map(|(name, g)| (g.id.as_str(), name.as_str()))
            .collect();
        let gateway = |id: &str| gateways.get(id).copied().unwrap_or_default();
        self.transit_tables = by(api.list_transit_tables().await?, |t| {
            let own = name_of(t.meta.as_ref());
            let name = if own.is_empty() {
                DEFAULT_TRANSIT_TABLE
            } else {
                own
            };
            Where::new(gateway(&t.transit_gateway), name)
        });
        self.attachments = by(api.list_transit_attachments().await?, |a| {
            let vpc = vpcs.get(&a.vpc).map_or("", String::as_str);
            Where::new(gateway(&a.transit_gateway), vpc)
        });
        Ok(())
    }

    /// Notes a new VPC with the table and the group that came with it.
    pub(super) async fn adopt_vpc(&mut self, api: &Api, vpc: wire::Vpc) -> Result<(), ApiError> {
        let name = name_of(vpc.meta.as_ref()).to_owned();
        let get = |id: &str| wire::GetRequest { id: id.to_owned() };
        let table = api.route_tables().get(get(&vpc.main_route_table)).await;
        let table = table.map_err(ApiError::of(format!("VPC {name}")))?;
        let group = api
            .security_groups()
            .get(get(&vpc.default_security_group))
            .await;
        let group = group.map_err(ApiError::of(format!("VPC {name}")))?;
        let acl = api.network_acls().get(get(&vpc.default_network_acl)).await;
        let acl = acl.map_err(ApiError::of(format!("VPC {name}")))?;
        if let Some(acl) = acl.into_inner().network_acl {
            self.acls.insert(Where::new(&name, DEFAULT_ACL), acl);
        }
        if let Some(table) = table.into_inner().route_table {
            self.route_tables
                .insert(Where::new(&name, MAIN_TABLE), table);
        }
        if let Some(group) = group.into_inner().security_group {
            self.groups.insert(Where::new(&name, DEFAULT_GROUP), group);
        }
        self.vpcs.insert(name, vpc);
        Ok(())
    }

    pub(super) fn vpc_id(&self, name: &str) -> String {
        self.vpcs
            .get(name)
            .map(|v| v.id.clone())
            .unwrap_or_default()
    }

    pub(super) fn acl_id(&self, vpc: &str, name: &str) -> String {
        let found = self.acls.get(&Where::new(vpc, name));
        found.map(|a| a.id.clone()).unwrap_or_default()
    }

    pub(super) fn list_id(&self, name: &str) -> String {
        let found = self.prefix_lists.get(name);
        found.map(|l| l.id.clone()).unwrap_or_default()
    }

    pub(super) fn table_id(&self, vpc: &str, name: &str) -> String {
        let found = self.route_tables.get(&Where::new(vpc, name));
        found.map(|t| t.id.clone()).unwrap_or_default()
    }

    pub(super) fn group_id(&self, vpc: &str, name: &str) -> String {
        let found = self.groups.get(&Where::new(vpc, name));
        found.map(|g| g.id.clone()).unwrap_or_default()
    }

    pub(super) fn subnet_id(&self, vpc: &str, name: &str) -> String {
        let found = self.subnets.get(&Where::new(vpc, name));
        found.map(|s| s.id.clone()).unwrap_or_default()
    }

    pub(super) fn peering_id(&self, name: &str) -> String {
        let found = self.peerings.get(name);
        found.map(|p| p.id.clone()).unwrap_or_default()
    }

    pub(super) fn nat_id(&self, vpc: &str, name: &str) -> String {
        let found = self.nats.get(&Where::new(vpc, name));
        found.map(|n| n.id.clone()).unwrap_or_default()
    }

    pub(super) fn transit_id(&self, name: &str) -> String {
        let found = self.transit_gateways.get(name);
        found.map(|g| g.id.clone()).unwrap_or_default()
    }

    pub(super) fn transit_table_id(&self, gateway: &str, name: &str) -> String {
        let found = self.transit_tables.get(&Where::new(gateway, name));
        found.map(|t| t.id.clone()).unwrap_or_default()
    }

    pub(super) fn attachment_id(&self, gateway: &str, vpc: &str) -> String {
        let found = self.attachments.get(&Where::new(gateway, vpc));
        found.map(|a| a.id.clone()).unwrap_or_default()
    }

    /// What the attachment announces, and to which tables of its gateway: their ids and names.
    pub(super) fn announced<'v>(
        &'v self,
        gateway: &'v str,
        attachment: &'v str,
    ) -> impl Iterator<Item = ((&'v str, &'v str), &'v str)> {
        let tables = self.transit_tables.iter();
        let own = tables.filter(move |(key, _)| key.vpc == gateway);
        let target = wire::transit_route::Target::Attachment(attachment.to_owned());
        own.flat_map(move |(key, table)| {
            let target = target.clone();
            let announced = table.routes.iter().filter(move |route| {
                route.origin == wire::route::Origin::Propagated as i32
                    && route.target.as_ref() == Some(&target)
            });
            announced.map(|route| {
                let table = (table.id.as_str(), key.name.as_str());
                (table, route.destination.as_str())
            })
        })
    }

    pub(super) fn interface_id(&self, workload: &str) -> String {
        let found = self.interfaces.get(workload);
        found.map(|i| i.id.clone()).unwrap_or_default()
    }
}

fn by<K: Eq + std::hash::Hash, T>(items: Vec<T>, key: impl Fn(&T) -> K) -> HashMap<K, T> {
    items.into_iter().map(|item| (key(&item), item)).collect()
}
