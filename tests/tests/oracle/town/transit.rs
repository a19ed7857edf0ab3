//! Transit gateways: who is attached, and where their tables lead.

use weft_model::{
    Destination, Prefix, RouteTarget, TransitGatewayId, TransitRoute, TransitTableId, VpcId,
    ops::{transit_attachment, transit_gateway, transit_table},
};

use super::{DESTINATIONS, Town};
use crate::random::Random;

/// Building.
impl Town {
    pub(super) fn build_transit(&mut self, random: &mut Random) {
        for _ in 0..random.between(1, 2) {
            self.add_transit(random);
        }
        for n in 0..self.vpcs.len() {
            let vpc = self.vpcs[n];
            for gateway in self.transits.clone() {
                if random.percent(80) {
                    self.attach_to(random, gateway, vpc);
                }
            }
            self.route_by_transit(random, vpc);
        }
        for _ in 0..random.below(3) {
            self.put_transit_route(random);
        }
    }

    /// A gateway, with a default table or without, and perhaps another table.
    fn add_transit(&mut self, random: &mut Random) {
        let draft = transit_gateway::Draft {
            associate: random.percent(85),
            propagate: random.percent(85),
            label: None,
        };
        let run =
            self.run(|w, e| transit_gateway::create(&w.controller.cloud, &w.settings, draft, e));
        run.unwrap();
        let gateway = *self.transits.last().unwrap();
        if random.percent(60) {
            let draft = transit_table::Draft {
                gateway,
                routes: vec![],
                label: None,
            };
            let run =
                self.run(|w, e| transit_table::create(&w.controller.cloud, &w.settings, draft, e));
            run.unwrap();
        }
    }

    fn attach_to(&mut self, random: &mut Random, gateway: TransitGatewayId, vpc: VpcId) {
        let given = random.percent(40);
        let draft = transit_attachment::Draft {
            gateway,
            vpc,
            table: self.table_in(random, gateway).filter(|_| given),
            propagations: self.table_in(random, gateway).into_iter().collect(),
            label: None,
        };
        let _ =
            self.run(|w, e| transit_attachment::create(&w.controller.cloud, &w.settings, draft, e));
    }

    /// Most of what is beyond the VPC goes to a gateway.
    fn route_by_transit(&mut self, random: &mut Random, vpc: VpcId) {
        for table in 0..self.tables.len() {
            let found = self.controller.cloud.route_table(self.tables[table]);
            if found.is_none_or(|found| found.vpc != vpc) {
                continue;
            }
            for destination in ["10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16", "fd00::/24"] {
                if random.percent(70) {
                    let to = Destination::Prefix(destination.parse().unwrap());
                    let target = RouteTarget::TransitGateway(*random.pick(&self.transits));
                    let _ = self.put_route(table, (to, target));
                }
            }
        }
    }

    fn table_in(&self, random: &mut Random, gateway: TransitGatewayId) -> Option<TransitTableId> {
        let tables = self.controller.cloud.transit_tables_of(gateway);
        let tables: Vec<_> = tables.map(|table| table.id).collect();
        (!tables.is_empty()).then(|| *random.pick(&tables))
    }
}

/// Changes.
impl Town {
    /// A VPC is attached, or no longer.
    pub(crate) fn flip_attachment(&mut self, random: &mut Random) {
        let (gateway, vpc) = (*random.pick(&self.transits), *random.pick(&self.vpcs));
        match self.controller.cloud.attachment(gateway, vpc).map(|a| a.id) {
            Some(id) => {
                let _ = self.run(|w, _| transit_attachment::delete(&w.controller.cloud, id, None));
            }
            None => self.attach_to(random, gateway, vpc),
        }
    }

    /// An attachment is routed by another table, or by none, or is announced elsewhere.
    pub(crate) fn reassociate(&mut self, random: &mut Random) {
        let cloud = &self.controller.cloud;
        let all: Vec<_> = cloud.transit_attachments().map(|a| a.id).collect();
        if all.is_empty() {
            return;
        }
        let id = *random.pick(&all);
        let gateway = cloud.transit_attachment(id).unwrap().gateway;
        let table = self.table_in(random, gateway);
        let update = match random.percent(50) {
            true => transit_attachment::Update {
                table: Some(table.filter(|_| random.percent(80))),
                ..transit_attachment::Update::default()
            },
            false => transit_attachment::Update {
                propagations: Some(table.filter(|_| random.percent(80)).into_iter().collect()),
                ..transit_attachment::Update::default()
            },
        };
        let _ = self.run(|w, _| transit_attachment::update(&w.controller.cloud, id, update, None));
    }

    /// A table gets a static route, to an attachment or nowhere.
    pub(crate) fn put_transit_route(&mut self, random: &mut Random) {
        let gateway = *random.pick(&self.transits);
        let Some(table) = self.table_in(random, gateway) else {
            return;
        };
        let all = self.controller.cloud.attachments_of_gateway(gateway);
        let all: Vec<_> = all.map(|a| a.id).collect();
        let leads = !all.is_empty() && random.percent(75);
        let route = TransitRoute {
            destination: destination(random),
            target: leads.then(|| *random.pick(&all)),
        };
        let _ = self.run(|w, _| {
            transit_table::put_route(&w.controller.cloud, &w.settings, table, route, None)
        });
    }

    pub(crate) fn delete_transit_route(&mut self, random: &mut Random) {
        let gateway = *random.pick(&self.transits);
        let Some(id) = self.table_in(random, gateway) else {
            return;
        };
        let table = self.controller.cloud.transit_table(id).unwrap();
        if table.routes.is_empty() {
            return;
        }
        let to = random.pick(&table.routes).destination;
        let _ = self.run(|w, _| transit_table::delete_route(&w.controller.cloud, id, to, None));
    }
}

fn destination(random: &mut Random) -> Prefix {
    random.pick(&DESTINATIONS).parse().unwrap()
}
