//! Route tables: themselves and which subnets use them. Their routes are in `route.rs`.

use weft_model::{
    Cloud, RouteTable, RouteTableId, Subnet, SubnetId, Vpc, VpcId,
    ops::{
        route_table::{self, Draft},
        subnet, vpc,
    },
};

use super::{
    route::{filters as routes, route_fields},
    subnet::subnet_named,
    vpc_named,
};
use crate::{
    Action, Answer, Ask, Fault, Listing, Stage, Xml,
    action::done,
    fault,
    filter::{Filter, filter},
    ids,
    listing::tag_set,
    shape::{CLIENT_TOKEN, FILTERS, MAX_RESULTS, NEXT_TOKEN, TAGS, lacks, text, texts},
};

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write(
        "CreateRouteTable",
        &[text("VpcId").required(), CLIENT_TOKEN, TAGS],
        create,
    ),
    Action::write(
        "DeleteRouteTable",
        &[text("RouteTableId").required()],
        delete,
    ),
    Action::read(
        "DescribeRouteTables",
        &[texts("RouteTableId"), FILTERS, MAX_RESULTS, NEXT_TOKEN],
        |ask, cloud, xml| LISTING.run(ask, cloud, xml),
    ),
    Action::write(
        "AssociateRouteTable",
        &[
            text("RouteTableId").required(),
            text("SubnetId").required(),
            lacks("GatewayId"),
            lacks("PublicIpv4Pool"),
        ],
        associate,
    ),
    Action::write(
        "DisassociateRouteTable",
        &[text("AssociationId").required()],
        disassociate,
    ),
    Action::write(
        "ReplaceRouteTableAssociation",
        &[
            text("AssociationId").required(),
            text("RouteTableId").required(),
        ],
        replace,
    ),
    Action::refused(
        "EnableVgwRoutePropagation",
        "there are no virtual private gateways",
    ),
    Action::refused(
        "DisableVgwRoutePropagation",
        "there are no virtual private gateways",
    ),
];

static LISTING: Listing<RouteTable, RouteTableId> = Listing {
    ids: "RouteTableId",
    set: "routeTableSet",
    key: |table| table.id,
    meta: |table| &table.meta,
    all: |cloud, region| {
        Box::new(cloud.route_tables().filter(|table| {
            let vpc = cloud.vpc(table.vpc);
            vpc.is_some_and(|vpc| vpc.region == *region)
        }))
    },
    one: |cloud, region, id| {
        let table = cloud.route_table(id)?;
        let vpc = cloud.vpc(table.vpc)?;
        (vpc.region == *region).then_some(table)
    },
    filters: FILTERED,
    show: fields,
};

const FILTERED: &[Filter<RouteTable>] = &[
    filter("route-table-id", |_, t, is| is(&t.id.to_string())),
    filter("vpc-id", |_, t, is| is(&t.vpc.to_string())),
    filter("association.main", |cloud, t, is| {
        for user in users(cloud, t) {
            is(&matches!(user, User::Main(_)).to_string());
        }
    }),
    filter("association.subnet-id", |cloud, t, is| {
        for user in users(cloud, t) {
            if let User::Subnet(id) = user {
                is(&id.to_string());
            }
        }
    }),
    filter("association.route-table-association-id", |cloud, t, is| {
        users(cloud, t).iter().for_each(|user| is(&user.id(t.id)));
    }),
    filter("association.route-table-id", |cloud, t, is| {
        users(cloud, t).iter().for_each(|_| is(&t.id.to_string()));
    }),
    filter("association.gateway-id", |_, _, _| {}),
    filter("route.destination-cidr-block", routes::destination4),
    filter("route.destination-ipv6-cidr-block", routes::destination6),
    filter("route.destination-prefix-list-id", routes::destination_list),
    filter("route.gateway-id", routes::gateway),
    filter("route.nat-gateway-id", routes::nat),
    filter("route.network-interface-id", routes::interface),
    filter("route.vpc-peering-connection-id", routes::peering),
    filter("route.transit-gateway-id", routes::transit),
    filter("route.egress-only-internet-gateway-id", routes::egress),
    filter("route.state", routes::state),
    filter("route.origin", routes::origin),
];

/// What uses a table.
#[derive(Clone, Copy)]
enum User {
    /// The subnets of the VPC that name none.
    Main(VpcId),
    /// A subnet that names it.
    Subnet(SubnetId),
}

impl User {
    /// The id of its using the table.
    fn id(&self, table: RouteTableId) -> String {
        match self {
            Self::Main(vpc) => ids::derived("rtbassoc", &[vpc, &table]),
            Self::Subnet(subnet) => ids::derived("rtbassoc", &[subnet, &table]),
        }
    }
}

fn users(cloud: &Cloud, table: &RouteTable) -> Vec<User> {
    let vpc = cloud.vpc(table.vpc);
    let main = vpc.filter(|vpc| vpc.main_route_table == table.id);
    let main = main.map(|vpc| User::Main(vpc.id));
    let subnets = cloud.subnets_with_table(table.id);
    main.into_iter()
        .chain(subnets.map(|s| User::Subnet(s.id)))
        .collect()
}

/// The table of this id in the region.
pub(super) fn table_named<'a>(
    ask: &Ask,
    cloud: &'a Cloud,
    name: &str,
) -> Result<&'a RouteTable, Fault> {
    let id: RouteTableId = ask.args().needed_id(name)?;
    let table = (LISTING.one)(cloud, &ask.region, id);
    table.ok_or_else(|| fault::not_found(&id.into()))
}

fn fields(ask: &Ask, cloud: &Cloud, table: &RouteTable, xml: &mut Xml) {
    xml.text("routeTableId", table.id);
    xml.text("vpcId", table.vpc);
    xml.text("ownerId", &ask.account);
    xml.list("routeSet", &table.routes, |xml, route| {
        route_fields(cloud, table, route, xml);
    });
    xml.list("associationSet", users(cloud, table), |xml, user| {
        xml.text("routeTableAssociationId", user.id(table.id));
        xml.text("routeTableId", table.id);
        if let User::Subnet(subnet) = user {
            xml.text("subnetId", subnet);
        }
        xml.text("main", matches!(user, User::Main(_)));
        xml.nest("associationState", |xml| xml.text("state", "associated"));
    });
    xml.list("propagatingVgwSet", [(); 0], |_, ()| {});
    tag_set(xml, &table.meta);
}

fn create(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let tags = ask.args().tags_for("route-table")?;
    let draft = Draft {
        vpc: vpc_named(ask, stage.cloud(), "VpcId")?.id,
        routes: Vec::new(),
        label: None,
    };
    let id: RouteTableId = stage
        .create(|cloud, settings, entropy| route_table::create(cloud, settings, draft, entropy))?;
    stage.tag(id, tags)?;
    let token = ask.args().text("ClientToken").map(str::to_owned);
    Ok(Box::new(move |ask, cloud, xml| {
        xml.nest("routeTable", |xml| {
            if let Some(table) = cloud.route_table(id) {
                fields(ask, cloud, table, xml);
            }
        });
        xml.maybe("clientToken", token);
    }))
}

fn delete(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let table = table_named(ask, stage.cloud(), "RouteTableId")?;
    if !users(stage.cloud(), table).is_empty() {
        let message = format!(
            "The routeTable '{}' has dependencies and cannot be deleted.",
            table.id
        );
        return Err(Fault::new("DependencyViolation", message));
    }
    let id = table.id;
    stage.run(|cloud, _, _| route_table::delete(cloud, id, None))?;
    Ok(done())
}

/// Answers with the id of a table's being used.
fn associated(element: &'static str, id: String) -> Answer {
    Box::new(move |_, _, xml| {
        xml.text(element, id);
        xml.nest("associationState", |xml| xml.text("state", "associated"));
    })
}

fn use_table(
    stage: &mut Stage<'_>,
    subnet: SubnetId,
    table: Option<RouteTableId>,
) -> Result<(), Fault> {
    let update = subnet::Update {
        route_table: Some(table),
        ..subnet::Update::default()
    };
    stage.run(|cloud, _, _| subnet::update(cloud, subnet, update, None))?;
    Ok(())
}

fn check_same_vpc(table: &RouteTable, subnet: &Subnet) -> Result<(), Fault> {
    if table.vpc == subnet.vpc {
        return Ok(());
    }
    let message = format!(
        "Route table {} and subnet {} belong to different networks",
        table.id, subnet.id
    );
    Err(Fault::new("InvalidParameterValue", message))
}

fn associate(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let table = table_named(ask, stage.cloud(), "RouteTableId")?;
    let subnet = subnet_named(ask, stage.cloud(), "SubnetId")?;
    check_same_vpc(table, subnet)?;
    if subnet.route_table.is_some_and(|old| old != table.id) {
        let message = format!(
            "the specified association for route table {} conflicts with an existing association",
            table.id
        );
        return Err(Fault::new("Resource.AlreadyAssociated", message));
    }
    let (table, subnet) = (table.id, subnet.id);
    use_table(stage, subnet, Some(table))?;
    Ok(associated("associationId", User::Subnet(subnet).id(table)))
}

/// The table that is used by this id, and by what.
fn find(ask: &Ask, cloud: &Cloud) -> Result<(RouteTableId, User), Fault> {
    let id = ask.args().needed("AssociationId")?;
    let mut tables = (LISTING.all)(cloud, &ask.region);
    let found = tables.find_map(|table| {
        let users = users(cloud, table).into_iter();
        let user = users.into_iter().find(|user| user.id(table.id) == id)?;
        Some((table.id, user))
    });
    found.ok_or_else(|| {
        let message = format!("The association ID '{id}' does not exist");
        Fault::new("InvalidAssociationID.NotFound", message)
    })
}

fn disassociate(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let (_, user) = find(ask, stage.cloud())?;
    let User::Subnet(subnet) = user else {
        let id = ask.args().needed("AssociationId")?;
        let message = format!("cannot disassociate the main route table association {id}");
        return Err(Fault::new("InvalidParameterValue", message));
    };
    use_table(stage, subnet, None)?;
    Ok(done())
}

fn replace(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let cloud = stage.cloud();
    let (_, user) = find(ask, cloud)?;
    let table = table_named(ask, cloud, "RouteTableId")?;
    let id = table.id;
    match user {
        User::Subnet(subnet) => {
            let found = cloud.subnet(subnet);
            found.map_or(Ok(()), |subnet| check_same_vpc(table, subnet))?;
            use_table(stage, subnet, Some(id))?;
        }
        User::Main(vpc) => {
            check_main(table, cloud.vpc(vpc))?;
            let update = vpc::Update {
                main_route_table: Some(id),
                ..vpc::Update::default()
            };
            stage.run(|cloud, settings, _| vpc::update(cloud, settings, vpc, update, None))?;
        }
    }
    Ok(associated("newAssociationId", user.id(id)))
}

fn check_main(table: &RouteTable, vpc: Option<&Vpc>) -> Result<(), Fault> {
    if vpc.is_some_and(|vpc| vpc.id == table.vpc) {
        return Ok(());
    }
    let message = format!("Route table {} belongs to a different network", table.id);
    Err(Fault::new("InvalidParameterValue", message))
}
