//! Transit gateways, what is attached to them, and their tables.

use std::collections::BTreeSet;

use super::*;
use crate::{
    RouteOrigin, RouteTarget, TransitAttachmentId, TransitGatewayId, TransitRoute, TransitTable,
    TransitTableId,
    ops::{route_table, transit_attachment, transit_gateway, transit_table},
};

impl World {
    fn transit(&mut self) -> TransitGatewayId {
        let draft = transit_gateway::Draft {
            associate: true,
            propagate: true,
            label: None,
        };
        match self.ok(|w, e| transit_gateway::create(&w.cloud, &w.settings, draft, e)) {
            Some(Resource::TransitGateway(gateway)) => gateway.id,
            other => panic!("{other:?}"),
        }
    }

    fn default_table(&self, gateway: TransitGatewayId) -> TransitTableId {
        let gateway = self.cloud.transit_gateway(gateway).unwrap();
        gateway.association_table.unwrap()
    }

    fn try_attach(&mut self, gateway: TransitGatewayId, vpc: VpcId) -> Answer {
        let draft = transit_attachment::Draft {
            gateway,
            vpc,
            table: None,
            propagations: BTreeSet::new(),
            label: None,
        };
        self.run(|w, e| transit_attachment::create(&w.cloud, &w.settings, draft, e))
    }

    fn attach(&mut self, gateway: TransitGatewayId, vpc: VpcId) -> TransitAttachmentId {
        let changes = self.try_attach(gateway, vpc).unwrap();
        match &changes[0].after {
            Some(Resource::TransitAttachment(attachment)) => attachment.id,
            other => panic!("{other:?}"),
        }
    }

    fn table(&mut self, gateway: TransitGatewayId) -> TransitTableId {
        let draft = transit_table::Draft {
            gateway,
            routes: Vec::new(),
            label: None,
        };
        match self.ok(|w, e| transit_table::create(&w.cloud, &w.settings, draft, e)) {
            Some(Resource::TransitTable(table)) => table.id,
            other => panic!("{other:?}"),
        }
    }

    fn put_transit(
        &mut self,
        table: TransitTableId,
        to: &str,
        target: Option<TransitAttachmentId>,
    ) -> Answer {
        let route = TransitRoute {
            destination: to.parse().unwrap(),
            target,
        };
        self.run(|w, _| transit_table::put_route(&w.cloud, &w.settings, table, route, None))
    }

    /// Where the table leads for the destination, and by whom.
    fn led(&self, table: TransitTableId, to: &str) -> Option<(Option<VpcId>, RouteOrigin)> {
        let table: &TransitTable = self.cloud.transit_table(table).unwrap();
        let destination: Prefix = to.parse().unwrap();
        let mut routes = self.cloud.transit_routes(table).into_iter();
        let route = routes.find(|route| route.destination == destination)?;
        Some((route.hop.map(|hop| hop.vpc), route.origin))
    }
}

#[test]
fn an_attachment_gets_the_gateway_s_default_tables_and_announces_every_block() {
    let mut world = World::new();
    let (gateway, vpc) = (world.transit(), world.vpc("10.0.0.0/16"));
    let attachment = world.attach(gateway, vpc);
    let table = world.default_table(gateway);
    assert_eq!(
        world.cloud.transit_attachment(attachment).unwrap().table,
        Some(table)
    );
    let blocks: Vec<_> = world.cloud.vpc(vpc).unwrap().blocks().collect();
    assert_eq!(blocks.len(), 2, "both families");
    for block in blocks {
        let led = world.led(table, &block.to_string());
        assert_eq!(led, Some((Some(vpc), RouteOrigin::Propagated)));
    }
    let draft = transit_gateway::Draft {
        associate: false,
        propagate: false,
        label: None,
    };
    let changes = world.run(|w, e| transit_gateway::create(&w.cloud, &w.settings, draft, e));
    assert_eq!(changes.unwrap().len(), 1, "no default, no table");
}

#[test]
fn a_static_transit_route_beats_a_propagated_one_and_stays_when_its_attachment_goes() {
    let mut world = World::new();
    let gateway = world.transit();
    let (one, two) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    world.attach(gateway, one);
    let second = world.attach(gateway, two);
    let table = world.default_table(gateway);
    world
        .put_transit(table, "10.0.0.0/16", Some(second))
        .unwrap();
    assert_eq!(
        world.led(table, "10.0.0.0/16"),
        Some((Some(two), RouteOrigin::Static))
    );
    world.ok(|w, _| transit_attachment::delete(&w.cloud, second, None));
    assert_eq!(
        world.led(table, "10.0.0.0/16"),
        Some((None, RouteOrigin::Static))
    );
    let prefix = "10.0.0.0/16".parse().unwrap();
    world.ok(|w, _| transit_table::delete_route(&w.cloud, table, prefix, None));
    assert_eq!(
        world.led(table, "10.0.0.0/16"),
        Some((Some(one), RouteOrigin::Propagated))
    );
    let gone = world.invalid(|w, _| transit_table::delete_route(&w.cloud, table, prefix, None));
    assert_eq!(
        gone.0, "destination",
        "a propagated one isn't anybody's to delete"
    );
}

#[test]
fn of_vpcs_with_the_same_block_the_one_attached_first_is_led_to() {
    let mut world = World::new();
    let gateway = world.transit();
    let (late, early) = (world.vpc("10.0.0.0/16"), world.vpc("10.0.0.0/16"));
    let first = world.attach(gateway, early);
    world.attach(gateway, late);
    let table = world.default_table(gateway);
    assert_eq!(world.led(table, "10.0.0.0/16").unwrap().0, Some(early));
    world.ok(|w, _| transit_attachment::delete(&w.cloud, first, None));
    assert_eq!(world.led(table, "10.0.0.0/16").unwrap().0, Some(late));
}

#[test]
fn a_vpc_is_attached_to_a_gateway_once_and_stays_while_it_is() {
    let mut world = World::new();
    let (gateway, vpc) = (world.transit(), world.vpc("10.0.0.0/16"));
    let attachment = world.attach(gateway, vpc);
    assert_eq!(
        world.try_attach(gateway, vpc),
        Err(OpError::AlreadyExists(attachment.into()))
    );
    let key = vpc.into();
    let by = attachment.into();
    assert_eq!(
        world.err(|w, _| vpc::delete(&w.cloud, vpc, None)),
        OpError::InUse { key, by }
    );
    let key = gateway.into();
    let by = attachment.into();
    assert_eq!(
        world.err(|w, _| transit_gateway::delete(&w.cloud, gateway, None)),
        OpError::InUse { key, by }
    );
    world.ok(|w, _| transit_attachment::delete(&w.cloud, attachment, None));
    world.ok(|w, _| transit_gateway::delete(&w.cloud, gateway, None));
    assert_eq!(
        world.cloud.transit_tables().count(),
        0,
        "its tables go with it"
    );
}

#[test]
fn a_transit_table_stays_while_it_is_used_or_given() {
    let mut world = World::new();
    let (gateway, vpc) = (world.transit(), world.vpc("10.0.0.0/16"));
    let attachment = world.attach(gateway, vpc);
    let (default, table) = (world.default_table(gateway), world.table(gateway));
    let protected = world.err(|w, _| transit_table::delete(&w.cloud, default, None));
    assert!(
        matches!(protected, OpError::Protected { .. }),
        "{protected}"
    );
    let mut set = |association, propagations: &[TransitTableId]| {
        let update = transit_attachment::Update {
            table: Some(association),
            propagations: Some(propagations.iter().copied().collect()),
            label: None,
        };
        world.ok(|w, _| transit_attachment::update(&w.cloud, attachment, update, None));
        world.run(|w, _| transit_table::delete(&w.cloud, table, None))
    };
    assert!(set(Some(table), &[]).is_err(), "something is routed by it");
    assert!(set(None, &[table]).is_err(), "something is announced to it");
    assert!(set(None, &[default]).is_ok());
}

#[test]
fn tables_and_attachments_of_other_gateways_are_refused_by_their_field() {
    let mut world = World::new();
    let (here, there) = (world.transit(), world.transit());
    let (one, two) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    let (own, foreign) = (world.attach(here, one), world.attach(there, two));
    let (table, other) = (world.default_table(here), world.default_table(there));
    let update = |table, propagations: &[TransitTableId]| transit_attachment::Update {
        table,
        propagations: Some(propagations.iter().copied().collect()),
        label: None,
    };
    let wrong = update(Some(Some(other)), &[]);
    let (field, _) = world.invalid(|w, _| transit_attachment::update(&w.cloud, own, wrong, None));
    assert_eq!(field, "transit_attachment.route_table");
    let wrong = update(None, &[other]);
    let (field, _) = world.invalid(|w, _| transit_attachment::update(&w.cloud, own, wrong, None));
    assert_eq!(field, "transit_attachment.propagations[0]");
    let field = |answer: Answer| match answer {
        Err(OpError::Invalid(violations)) => violations[0].field.clone(),
        other => panic!("{other:?}"),
    };
    let put = world.put_transit(table, "10.9.0.0/16", Some(foreign));
    assert_eq!(field(put), "route.attachment");
    assert_eq!(
        field(world.put_transit(table, "169.254.169.0/24", None)),
        "route.destination"
    );
    let update = transit_gateway::Update {
        association_table: Some(Some(other)),
        ..Default::default()
    };
    let (field, _) = world.invalid(|w, _| transit_gateway::update(&w.cloud, here, update, None));
    assert_eq!(field, "transit_gateway.association_table");
}

#[test]
fn a_vpc_s_route_to_a_transit_gateway_needs_an_attachment() {
    let mut world = World::new();
    let (gateway, vpc) = (world.transit(), world.vpc("10.0.0.0/16"));
    let table = world.cloud.vpc(vpc).unwrap().main_route_table;
    let to = RouteTarget::TransitGateway(gateway);
    let put = |world: &mut World, prefix: &str| {
        let route = (prefix.parse::<Prefix>().unwrap().into(), to);
        world.run(|w, _| route_table::put_route(&w.cloud, &w.settings, table, route, None))
    };
    match put(&mut world, "10.0.0.0/8") {
        Err(OpError::Invalid(violations)) => {
            assert_eq!(violations[0].field, "route.transit_gateway");
        }
        other => panic!("{other:?}"),
    }
    world.attach(gateway, vpc);
    assert!(put(&mut world, "10.0.0.0/8").is_ok());
    assert!(
        put(&mut world, "10.0.0.0/16").is_err(),
        "its own block stays local"
    );
}

#[test]
fn transit_gateways_and_what_is_theirs_are_limited() {
    let mut world = World::new();
    let quotas = &mut world.settings.quotas;
    quotas.transit_gateways = 2;
    quotas.transit_gateways_per_vpc = 1;
    quotas.attachments_per_transit_gateway = 1;
    quotas.tables_per_transit_gateway = 1;
    quotas.routes_per_transit_table = 1;
    let (one, two) = (world.transit(), world.transit());
    let quota =
        |answer: Answer| assert!(matches!(answer, Err(OpError::Quota { .. })), "{answer:?}");
    let draft = transit_gateway::Draft {
        associate: true,
        propagate: true,
        label: None,
    };
    quota(world.run(|w, e| transit_gateway::create(&w.cloud, &w.settings, draft, e)));
    let (vpc, other) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    world.attach(one, vpc);
    quota(world.try_attach(two, vpc));
    quota(world.try_attach(one, other));
    let draft = transit_table::Draft {
        gateway: one,
        routes: Vec::new(),
        label: None,
    };
    quota(world.run(|w, e| transit_table::create(&w.cloud, &w.settings, draft, e)));
    let table = world.default_table(one);
    world.put_transit(table, "10.8.0.0/16", None).unwrap();
    world.put_transit(table, "10.8.0.0/16", None).unwrap();
    quota(world.put_transit(table, "10.9.0.0/16", None));
}
