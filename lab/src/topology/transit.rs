//! Transit gateways of the file: the VPCs attached to them, and their tables.

use weft_model::Prefix;

use super::{
    ItemName, Topology, VpcSpec,
    link::unknown,
    read::{Fields, Reader},
    source::At,
    yaml::{Kind, Node},
};

/// The name of the table that a transit gateway comes with.
pub const DEFAULT_TRANSIT_TABLE: &str = "default";

/// A transit gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitSpec {
    /// Its name, unique in the file.
    pub name: At<ItemName>,
    /// What is attached to it.
    pub attachments: Vec<TransitAttachmentSpec>,
    /// Its tables; `default` is the one that it comes with.
    pub tables: Vec<TransitTableSpec>,
}

/// A VPC attached to a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitAttachmentSpec {
    /// The VPC.
    pub vpc: At<ItemName>,
    /// The table that routes what comes from it, if any.
    pub table: Option<At<ItemName>>,
    /// The tables that learn its blocks.
    pub propagations: Vec<At<ItemName>>,
}

/// A table of a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitTableSpec {
    /// Its name, unique in the gateway.
    pub name: At<ItemName>,
    /// Its static routes.
    pub routes: Vec<TransitRouteSpec>,
}

/// A static route of a transit gateway's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitRouteSpec {
    /// For which addresses.
    pub destination: At<Prefix>,
    /// To the attachment of this VPC; nowhere if `None`.
    pub target: Option<At<ItemName>>,
}

impl TransitSpec {
    /// The attachment of the VPC.
    pub fn attachment(&self, vpc: &ItemName) -> Option<&TransitAttachmentSpec> {
        self.attachments.iter().find(|a| a.vpc.value == *vpc)
    }

    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&TransitTableSpec> {
        self.tables.iter().find(|t| t.name.as_str() == name)
    }

    fn table_names(&self) -> impl Iterator<Item = &str> + Clone {
        let own = self.tables.iter().map(|t| t.name.as_str());
        own.chain([DEFAULT_TRANSIT_TABLE])
    }
}

pub(super) fn gateway(r: &mut Reader, key: &At<String>, node: &Node) -> Option<TransitSpec> {
    let known = ["attachments", "route_tables"];
    let fields = r.fields(node, key.span, "a transit gateway", &known);
    let name = r.parsed(key, "transit_gateways");
    let attachments = attachments(r, fields.get("attachments"));
    let tables = r.entries(fields.get("route_tables"), "route_tables");
    let tables = tables.iter().filter_map(|(key, node)| table(r, key, node));
    let tables = tables.collect();
    Some(TransitSpec {
        name: name?,
        attachments,
        tables,
    })
}

/// A list of VPCs, or a mapping from VPCs to their tables.
fn attachments(r: &mut Reader, node: Option<&Node>) -> Vec<TransitAttachmentSpec> {
    if let Some(Node {
        kind: Kind::Map(entries),
        ..
    }) = node
    {
        let each = entries.iter();
        return each
            .filter_map(|(key, node)| attachment(r, key, node))
            .collect();
    }
    let vpcs = Reader::list(node).iter();
    let vpcs = vpcs.filter_map(|node| r.value(node, "attachments"));
    vpcs.filter_map(|vpc: At<ItemName>| {
        let table = default_table(&vpc)?;
        Some(TransitAttachmentSpec {
            table: Some(table.clone()),
            propagations: vec![table],
            vpc,
        })
    })
    .collect()
}

fn default_table<T>(beside: &At<T>) -> Option<At<ItemName>> {
    let name = DEFAULT_TRANSIT_TABLE.parse().ok()?;
    Some(At::new(name, beside.span))
}

fn attachment(r: &mut Reader, key: &At<String>, node: &Node) -> Option<TransitAttachmentSpec> {
    let known = ["route_table", "propagate_to"];
    let fields = r.fields(node, key.span, "an attachment", &known);
    let vpc = r.parsed(key, "attachments");
    let table = match fields.get("route_table") {
        None => default_table(key),
        Some(_) => r
            .optional(&fields, "route_table")
            .filter(|name: &At<ItemName>| name.as_str() != "none"),
    };
    let propagations = match fields.get("propagate_to") {
        None => default_table(key).into_iter().collect(),
        node => Reader::list(node)
            .iter()
            .filter_map(|node| r.value(node, "propagate_to"))
            .collect(),
    };
    Some(TransitAttachmentSpec {
        vpc: vpc?,
        table,
        propagations,
    })
}

fn table(r: &mut Reader, key: &At<String>, node: &Node) -> Option<TransitTableSpec> {
    let fields = r.fields(node, key.span, "a transit gateway's table", &["routes"]);
    let name = r.parsed(key, "route_tables")?;
    let routes = Reader::list(fields.get("routes")).iter();
    let routes = routes.filter_map(|node| route(r, node)).collect();
    Some(TransitTableSpec { name, routes })
}

fn route(r: &mut Reader, node: &Node) -> Option<TransitRouteSpec> {
    let what = "a transit gateway's route";
    let known = ["destination", "attachment", "blackhole"];
    let fields = r.fields(node, node.span, what, &known);
    let destination = r.required(&fields, "destination", what);
    let target = target(r, node, &fields);
    Some(TransitRouteSpec {
        destination: destination?,
        target: target?,
    })
}

fn target(r: &mut Reader, node: &Node, fields: &Fields<'_>) -> Option<Option<At<ItemName>>> {
    let attachment = r.optional(fields, "attachment");
    let blackhole = r.flag(fields, "blackhole", false);
    match (attachment, blackhole) {
        (Some(vpc), false) => Some(Some(vpc)),
        (None, true) => Some(None),
        _ => {
            let message = "a transit gateway's route has one of `attachment` and `blackhole: true`";
            let help = "`attachment: VPC` sends to an attached VPC, `blackhole: true` drops";
            r.error_help(node.span, message, help);
            None
        }
    }
}

/// VPCs exist and are attached once, tables exist, and no destination is there twice.
pub(super) fn gateways(r: &mut Reader, topology: &Topology) {
    for gateway in &topology.transit_gateways {
        for (n, attachment) in gateway.attachments.iter().enumerate() {
            let vpc = &attachment.vpc;
            if topology.vpc(vpc).is_none() {
                let known = topology.vpcs.iter().map(|v| v.name.as_str());
                unknown(r, vpc.span, "VPC", vpc.as_str(), known);
            }
            let mut before = gateway.attachments[..n].iter();
            if before.any(|other| other.vpc.value == vpc.value) {
                r.error(vpc.span, format!("VPC `{}` is attached twice", vpc.value));
            }
            for table in attachment.table.iter().chain(&attachment.propagations) {
                table_exists(r, gateway, table);
            }
        }
        for table in &gateway.tables {
            routes(r, gateway, table);
        }
    }
}

fn table_exists(r: &mut Reader, gateway: &TransitSpec, table: &At<ItemName>) {
    let known = gateway.table_names();
    if !known.clone().any(|name| name == table.as_str()) {
        let what = format!("table of transit gateway `{}` named", gateway.name.value);
        unknown(r, table.span, &what, table.as_str(), known);
    }
}

fn routes(r: &mut Reader, gateway: &TransitSpec, table: &TransitTableSpec) {
    for (n, route) in table.routes.iter().enumerate() {
        let destination = &route.destination;
        let mut before = table.routes[..n].iter();
        if before.any(|other| other.destination.value == destination.value) {
            let message = format!("{} is routed twice", destination.value);
            r.error(destination.span, message);
        }
        if let Some(vpc) = &route.target {
            attached(r, gateway, vpc);
        }
    }
}

fn attached(r: &mut Reader, gateway: &TransitSpec, vpc: &At<ItemName>) {
    if gateway.attachment(vpc).is_none() {
        let known = gateway.attachments.iter().map(|a| a.vpc.as_str());
        let what = format!("VPC attached to `{}` named", gateway.name.value);
        unknown(r, vpc.span, &what, vpc.as_str(), known);
    }
}

/// A route's transit gateway exists, and the table's VPC is attached to it.
pub(super) fn vpc_route(r: &mut Reader, topology: &Topology, vpc: &VpcSpec, name: &At<ItemName>) {
    let mut gateways = topology.transit_gateways.iter();
    let Some(gateway) = gateways.find(|g| g.name.value == name.value) else {
        let known = topology.transit_gateways.iter().map(|g| g.name.as_str());
        return unknown(r, name.span, "transit gateway", name.as_str(), known);
    };
    if gateway.attachment(&vpc.name).is_none() {
        let message = format!(
            "VPC `{}` is not attached to transit gateway `{}`",
            vpc.name.value, name.value
        );
        let help = format!("add it to the gateway's `attachments`: {}", vpc.name.value);
        r.error_help(name.span, message, help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Diagnostic;

    const FILE: &str = "\
name: small
hosts:
  h1: {zone: a}
vpcs:
  a:
    cidr: 10.1.0.0/16
    route_tables:
      main:
        routes:
          - {destination: 10.0.0.0/8, transit_gateway: core}
  b: {cidr: 10.2.0.0/16}
  c: {cidr: 10.3.0.0/16}
transit_gateways:
  core:
    attachments:
      a: {route_table: spokes, propagate_to: []}
      b: {route_table: none, propagate_to: [default, spokes]}
    route_tables:
      spokes:
        routes:
          - {destination: 10.9.0.0/16, attachment: b}
          - {destination: 10.8.0.0/16, blackhole: true}
  plain: {attachments: [b, c]}
";

    fn error_after(from: &str, to: &str) -> Diagnostic {
        assert!(FILE.contains(from), "the text to replace is not there");
        let text = FILE.replacen(from, to, 1);
        let rejected = Topology::parse("lab.yaml", &text).unwrap_err();
        assert_eq!(rejected.diagnostics.len(), 1, "{rejected}");
        rejected.diagnostics[0].clone()
    }

    #[test]
    fn attachments_are_a_list_or_say_more() {
        let topology = Topology::parse("lab.yaml", FILE).unwrap_or_else(|e| panic!("{e}"));
        let [core, plain] = &topology.transit_gateways[..] else {
            panic!("two gateways");
        };
        let of = |spec: &TransitSpec| -> Vec<_> {
            let each = spec.attachments.iter();
            each.map(|a| {
                let into: Vec<_> = a.propagations.iter().map(|t| t.to_string()).collect();
                let table = a.table.as_ref().map(|table| table.to_string());
                (a.vpc.to_string(), table, into.join(" "))
            })
            .collect()
        };
        let row = |vpc: &str, table: Option<&str>, into: &str| {
            (vpc.to_owned(), table.map(str::to_owned), into.to_owned())
        };
        assert_eq!(
            of(core),
            [
                row("a", Some("spokes"), ""),
                row("b", None, "default spokes")
            ]
        );
        assert_eq!(
            of(plain),
            [
                row("b", Some("default"), "default"),
                row("c", Some("default"), "default")
            ]
        );
    }

    #[test]
    fn what_does_not_fit_together_is_refused_where_it_stands() {
        for (from, to, place, what) in [
            ("[b, c]", "[b, d]", (23, 28), "there is no VPC `d`"),
            ("[b, c]", "[b, b]", (23, 28), "attached twice"),
            (
                "route_table: spokes",
                "route_table: spoke",
                (16, 24),
                "`spoke`",
            ),
            ("attachment: b", "attachment: c", (21, 52), "`c`"),
            ("10.8.0.0/16", "10.9.0.0/16", (22, 27), "routed twice"),
            (
                "transit_gateway: core",
                "transit_gateway: cord",
                (10, 56),
                "`cord`",
            ),
            (
                "transit_gateway: core",
                "transit_gateway: plain",
                (10, 56),
                "not attached",
            ),
            (", blackhole: true", "", (22, 13), "one of `attachment`"),
            ("propagate_to", "propagates_to", (16, 32), "no key"),
        ] {
            let error = error_after(from, to);
            assert!(error.message.contains(what), "{}", error.message);
            let span = error.span;
            assert_eq!((span.line, span.column), place, "{}", error.message);
        }
    }
}
