//! Routes of route tables.

use weft_model::{
    Cloud, Destination, EgressGatewayId, InterfaceId, InternetGatewayId, NatGatewayId, PeeringId,
    Prefix, PrefixListId, Route, RouteOrigin, RouteTable, RouteTarget, TransitGatewayId,
    ops::route_table,
};

use super::route_table::table_named;
use crate::{
    Action, Answer, Args, Ask, Fault, Stage, Xml,
    action::done,
    fault,
    shape::{Param, boolean, lacks, text},
};

const DESTINATIONS: [&str; 3] = [
    "DestinationCidrBlock",
    "DestinationIpv6CidrBlock",
    "DestinationPrefixListId",
];

const CREATE: &[Param] = &[
    text("RouteTableId").required(),
    text("DestinationCidrBlock"),
    text("DestinationIpv6CidrBlock"),
    text("DestinationPrefixListId"),
    text("GatewayId"),
    text("NatGatewayId"),
    text("NetworkInterfaceId"),
    text("VpcPeeringConnectionId"),
    text("TransitGatewayId"),
    text("EgressOnlyInternetGatewayId"),
    lacks("InstanceId"),
    lacks("VpcEndpointId"),
    lacks("LocalGatewayId"),
    lacks("CarrierGatewayId"),
    lacks("CoreNetworkArn"),
    lacks("OdbNetworkArn"),
];

const REPLACE: &[Param] = &[
    text("RouteTableId").required(),
    text("DestinationCidrBlock"),
    text("DestinationIpv6CidrBlock"),
    text("DestinationPrefixListId"),
    text("GatewayId"),
    text("NatGatewayId"),
    text("NetworkInterfaceId"),
    text("VpcPeeringConnectionId"),
    text("TransitGatewayId"),
    text("EgressOnlyInternetGatewayId"),
    boolean("LocalTarget"),
    lacks("InstanceId"),
    lacks("VpcEndpointId"),
    lacks("LocalGatewayId"),
    lacks("CarrierGatewayId"),
    lacks("CoreNetworkArn"),
    lacks("OdbNetworkArn"),
];

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write("CreateRoute", CREATE, create),
    Action::write("ReplaceRoute", REPLACE, replace),
    Action::write(
        "DeleteRoute",
        &[
            text("RouteTableId").required(),
            text("DestinationCidrBlock"),
            text("DestinationIpv6CidrBlock"),
            text("DestinationPrefixListId"),
        ],
        delete,
    ),
];

/// Writes a route.
pub(super) fn route_fields(cloud: &Cloud, table: &RouteTable, route: &Route, xml: &mut Xml) {
    let name = match route.destination {
        Destination::Prefix(prefix) if prefix.is_v6() => "destinationIpv6CidrBlock",
        Destination::Prefix(_) => "destinationCidrBlock",
        Destination::List(_) => "destinationPrefixListId",
    };
    xml.text(name, route.destination);
    if let Some((name, id)) = target_field(route.target) {
        xml.text(name, id);
    }
    xml.text("state", state_of(cloud, table, route));
    xml.text("origin", origin_of(route));
}

fn target_field(target: RouteTarget) -> Option<(&'static str, String)> {
    let name = match target {
        RouteTarget::Local | RouteTarget::InternetGateway(_) => "gatewayId",
        RouteTarget::Interface(_) => "networkInterfaceId",
        RouteTarget::EgressGateway(_) => "egressOnlyInternetGatewayId",
        RouteTarget::Peering(_) => "vpcPeeringConnectionId",
        RouteTarget::Nat(_) => "natGatewayId",
        RouteTarget::TransitGateway(_) => "transitGatewayId",
        RouteTarget::Blackhole => return None,
    };
    Some((name, target.to_string()))
}

/// A route whose target is gone leads nowhere, and says so.
fn state_of(cloud: &Cloud, table: &RouteTable, route: &Route) -> &'static str {
    let vpc = table.vpc;
    let live = match route.target {
        RouteTarget::Local => true,
        RouteTarget::Interface(id) => {
            let interface = cloud.interface(id);
            interface.is_some_and(|interface| interface.attachment.is_some())
        }
        RouteTarget::InternetGateway(id) => cloud
            .internet_gateway(id)
            .is_some_and(|g| g.vpc == Some(vpc)),
        RouteTarget::EgressGateway(id) => cloud.egress_gateway(id).is_some(),
        RouteTarget::Peering(id) => cloud.peering(id).is_some_and(|p| p.is_active()),
        RouteTarget::Nat(id) => cloud.nat_gateway(id).is_some(),
        RouteTarget::TransitGateway(id) => cloud.attachment(id, vpc).is_some(),
        RouteTarget::Blackhole => false,
    };
    if live { "active" } else { "blackhole" }
}

fn origin_of(route: &Route) -> &'static str {
    match route.origin {
        RouteOrigin::Table => "CreateRouteTable",
        RouteOrigin::Static => "CreateRoute",
        RouteOrigin::Propagated => "EnableVgwRoutePropagation",
    }
}

/// What the listing's filters compare.
pub(super) mod filters {
    use super::{Cloud, Destination, RouteTable, RouteTarget, origin_of, state_of, target_field};

    type Is<'a> = &'a mut dyn FnMut(&str);

    fn destinations(table: &RouteTable, wanted: fn(&Destination) -> bool, is: Is<'_>) {
        let all = table.routes.iter().map(|route| route.destination);
        all.filter(wanted)
            .for_each(|destination| is(&destination.to_string()));
    }

    pub(in crate::ec2) fn destination4(_: &Cloud, table: &RouteTable, is: Is<'_>) {
        destinations(
            table,
            |d| matches!(d, Destination::Prefix(p) if !p.is_v6()),
            is,
        );
    }

    pub(in crate::ec2) fn destination6(_: &Cloud, table: &RouteTable, is: Is<'_>) {
        destinations(
            table,
            |d| matches!(d, Destination::Prefix(p) if p.is_v6()),
            is,
        );
    }

    pub(in crate::ec2) fn destination_list(_: &Cloud, table: &RouteTable, is: Is<'_>) {
        destinations(table, |d| matches!(d, Destination::List(_)), is);
    }

    fn targets(table: &RouteTable, wanted: fn(&RouteTarget) -> bool, is: Is<'_>) {
        let all = table.routes.iter().map(|route| route.target);
        let fields = all.filter(wanted).filter_map(target_field);
        fields.for_each(|(_, id)| is(&id));
    }

    pub(in crate::ec2) fn gateway(_: &Cloud, table: &RouteTable, is: Is<'_>) {
        let wanted =
            |t: &RouteTarget| matches!(t, RouteTarget::Local | RouteTarget::InternetGateway(_));
        targets(table, wanted, is);
    }

    pub(in crate::ec2) fn nat(_: &Cloud, table: &RouteTable, is: Is<'_>) {
        targets(table, |t| matches!(t, RouteTarget::Nat(_)), is);
    }

    pub(in crate::ec2) fn interface(_: &Cloud, table: &RouteTable, is: Is<'_>) {
        targets(table, |t| matches!(t, RouteTarget::Interface(_)), is);
    }

    pub(in crate::ec2) fn peering(_: &Cloud, table: &RouteTable, is: Is<'_>) {
        targets(table, |t| matches!(t, RouteTarget::Peering(_)), is);
    }

    pub(in crate::ec2) fn transit(_: &Cloud, table: &RouteTable, is: Is<'_>) {
        targets(table, |t| matches!(t, RouteTarget::TransitGateway(_)), is);
    }

    pub(in crate::ec2) fn egress(_: &Cloud, table: &RouteTable, is: Is<'_>) {
        targets(table, |t| matches!(t, RouteTarget::EgressGateway(_)), is);
    }

    pub(in crate::ec2) fn state(cloud: &Cloud, table: &RouteTable, is: Is<'_>) {
        let routes = table.routes.iter();
        routes.for_each(|route| is(state_of(cloud, table, route)));
    }

    pub(in crate::ec2) fn origin(_: &Cloud, table: &RouteTable, is: Is<'_>) {
        table.routes.iter().for_each(|route| is(origin_of(route)));
    }
}

/// The one destination that is given.
fn destination(args: Args<'_>) -> Result<Destination, Fault> {
    let given: Vec<&str> = DESTINATIONS
        .into_iter()
        .filter(|n| args.text(n).is_some())
        .collect();
    let [name] = given[..] else {
        if given.is_empty() {
            return Err(Fault::missing("destinationCidrBlock"));
        }
        let message = "Only one of destinationCidrBlock, destinationIpv6CidrBlock and \
                       destinationPrefixListId may be given";
        return Err(Fault::combination(message));
    };
    if name == "DestinationPrefixListId" {
        let list: PrefixListId = args.needed_id(name)?;
        return Ok(Destination::List(list));
    }
    let text = args.needed(name)?;
    let prefix: Option<Prefix> = text.parse().ok();
    let six = name == "DestinationIpv6CidrBlock";
    let prefix = prefix.filter(|prefix| prefix.is_v6() == six);
    let why = "This is not a valid CIDR block.";
    let prefix = prefix.ok_or_else(|| Fault::value("destinationCidrBlock", text, why))?;
    Ok(prefix.into())
}

/// The one target that is given.
fn target(args: Args<'_>) -> Result<RouteTarget, Fault> {
    let mut given = Vec::new();
    if let Some(text) = args.text("GatewayId") {
        given.push(gateway(text)?);
    }
    let nat: Option<NatGatewayId> = args.id("NatGatewayId")?;
    given.extend(nat.map(RouteTarget::Nat));
    let interface: Option<InterfaceId> = args.id("NetworkInterfaceId")?;
    given.extend(interface.map(RouteTarget::Interface));
    let peering: Option<PeeringId> = args.id("VpcPeeringConnectionId")?;
    given.extend(peering.map(RouteTarget::Peering));
    let transit: Option<TransitGatewayId> = args.id("TransitGatewayId")?;
    given.extend(transit.map(RouteTarget::TransitGateway));
    let egress: Option<EgressGatewayId> = args.id("EgressOnlyInternetGatewayId")?;
    given.extend(egress.map(RouteTarget::EgressGateway));
    if args.flag("LocalTarget") == Some(true) {
        given.push(RouteTarget::Local);
    }
    match given[..] {
        [target] => Ok(target),
        [] => Err(Fault::missing("gatewayId")),
        _ => Err(Fault::combination(
            "Only one target of a route may be given",
        )),
    }
}

fn gateway(text: &str) -> Result<RouteTarget, Fault> {
    if text == "local" {
        return Ok(RouteTarget::Local);
    }
    if text.starts_with("vgw-") {
        return Err(Fault::unsupported("There are no virtual private gateways"));
    }
    let id: InternetGatewayId = crate::ids::parse(text).map_err(|fault| {
        if fault.code == "InvalidInternetGatewayID.NotFound" {
            let message = format!("The gateway ID '{text}' does not exist");
            return Fault::new("InvalidGatewayID.NotFound", message);
        }
        fault
    })?;
    Ok(RouteTarget::InternetGateway(id))
}

/// That what a route leads to is there, and of the table's network.
fn check_target(cloud: &Cloud, table: &RouteTable, target: RouteTarget) -> Result<(), Fault> {
    let absent = |key: weft_model::ResourceKey| Err(fault::not_found(&key));
    let other = |noun: &str| {
        let message = format!(
            "route table {} and {noun} {target} belong to different networks",
            table.id
        );
        Err(Fault::new("InvalidParameterValue", message))
    };
    let (same, noun) = match target {
        RouteTarget::InternetGateway(id) => match cloud.internet_gateway(id) {
            None => {
                let message = format!("The gateway ID '{id}' does not exist");
                return Err(Fault::new("InvalidGatewayID.NotFound", message));
            }
            Some(gateway) => (gateway.vpc == Some(table.vpc), "network gateway"),
        },
        RouteTarget::Nat(id) => match cloud.nat_gateway(id) {
            None => return absent(id.into()),
            Some(nat) => (nat.vpc == table.vpc, "network gateway"),
        },
        RouteTarget::Interface(id) => match cloud.interface(id) {
            None => return absent(id.into()),
            Some(interface) => (interface.vpc == table.vpc, "interface"),
        },
        RouteTarget::Peering(id) => match cloud.peering(id) {
            None => return absent(id.into()),
            Some(peering) => {
                let same = peering.other(table.vpc).is_some();
                (same, "vpc peering connection")
            }
        },
        RouteTarget::EgressGateway(id) => match cloud.egress_gateway(id) {
            None => return absent(id.into()),
            Some(gateway) => (gateway.vpc == table.vpc, "network gateway"),
        },
        RouteTarget::TransitGateway(id) => {
            if cloud.transit_gateway(id).is_none() {
                return absent(id.into());
            }
            let same = cloud.attachment(id, table.vpc).is_some();
            (same, "transit gateway")
        }
        RouteTarget::Local | RouteTarget::Blackhole => (true, ""),
    };
    if same { Ok(()) } else { other(noun) }
}

fn put(
    stage: &mut Stage<'_>,
    table: weft_model::RouteTableId,
    route: (Destination, RouteTarget),
) -> Result<Answer, Fault> {
    stage.run(|cloud, settings, _| route_table::put_route(cloud, settings, table, route, None))?;
    Ok(done())
}

fn create(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let (cloud, args) = (stage.cloud(), ask.args());
    let table = table_named(ask, cloud, "RouteTableId")?;
    let destination = destination(args)?;
    let target = target(args)?;
    if target == RouteTarget::Local {
        let message = "cannot create a local route: replace it instead";
        return Err(Fault::new("InvalidParameterValue", message));
    }
    check_list(cloud, destination)?;
    check_target(cloud, table, target)?;
    let mut routes = table.routes.iter();
    let old = routes.find(|route| route.destination == destination);
    if old.is_some_and(|old| old.target != target || old.origin == RouteOrigin::Table) {
        let message = format!("The route identified by {destination} already exists.");
        return Err(Fault::new("RouteAlreadyExists", message));
    }
    let table = table.id;
    put(stage, table, (destination, target))
}

fn check_list(cloud: &Cloud, destination: Destination) -> Result<(), Fault> {
    match destination {
        Destination::List(id) if cloud.prefix_list(id).is_none() => {
            Err(fault::not_found(&id.into()))
        }
        _ => Ok(()),
    }
}

fn replace(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let (cloud, args) = (stage.cloud(), ask.args());
    let table = table_named(ask, cloud, "RouteTableId")?;
    let destination = destination(args)?;
    let target = target(args)?;
    if !table
        .routes
        .iter()
        .any(|route| route.destination == destination)
    {
        let message = format!(
            "There is no route defined for '{destination}' in the route table. Use CreateRoute \
             instead."
        );
        return Err(Fault::new("InvalidParameterValue", message));
    }
    check_target(cloud, table, target)?;
    let table = table.id;
    put(stage, table, (destination, target))
}

fn delete(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let table = table_named(ask, stage.cloud(), "RouteTableId")?;
    let destination = destination(ask.args())?;
    let id = table.id;
    let mut routes = table.routes.iter();
    match routes.find(|route| route.destination == destination) {
        None => {
            let message =
                format!("no route with destination-cidr-block {destination} in route table {id}");
            return Err(Fault::new("InvalidRoute.NotFound", message));
        }
        Some(route) if route.origin == RouteOrigin::Table => {
            let message = format!("cannot remove local route {destination} in route table {id}");
            return Err(Fault::new("InvalidParameterValue", message));
        }
        Some(_) => {}
    }
    stage.run(|cloud, _, _| route_table::delete_route(cloud, id, destination, None))?;
    Ok(done())
}
