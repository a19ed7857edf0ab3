//! Transit gateways: what is attached to them, and where their tables lead.

use super::Cloud;
use crate::{
    TransitAttachment, TransitGatewayId, TransitRouteInUse, TransitTable, TransitTableId, VpcId,
    transit::resolve,
};

/// Each in the order of the ids.
impl Cloud {
    /// The gateway's tables.
    pub fn transit_tables_of(
        &self,
        gateway: TransitGatewayId,
    ) -> impl Iterator<Item = &TransitTable> + use<'_> {
        let ids = self.indexes.transit_tables_of.iter(&gateway);
        ids.filter_map(|&id| self.transit_table(id))
    }

    /// The gateway's attachments.
    pub fn attachments_of_gateway(
        &self,
        gateway: TransitGatewayId,
    ) -> impl Iterator<Item = &TransitAttachment> + use<'_> {
        let ids = self.indexes.attachments_of_gateway.iter(&gateway);
        ids.filter_map(|&id| self.transit_attachment(id))
    }

    /// How many attachments the gateway has.
    pub fn attachment_count(&self, gateway: TransitGatewayId) -> usize {
        self.indexes.attachments_of_gateway.count(&gateway)
    }

    /// The VPC's attachments, one for each gateway at the most.
    pub fn attachments_of_vpc(
        &self,
        vpc: VpcId,
    ) -> impl Iterator<Item = &TransitAttachment> + use<'_> {
        let ids = self.indexes.attachments_of_vpc.iter(&vpc);
        ids.filter_map(|&id| self.transit_attachment(id))
    }

    /// The VPC's attachment to the gateway.
    pub fn attachment(&self, gateway: TransitGatewayId, vpc: VpcId) -> Option<&TransitAttachment> {
        let mut attachments = self.attachments_of_vpc(vpc);
        attachments.find(|attachment| attachment.gateway == gateway)
    }

    /// The attachments that are routed by the table.
    pub fn attachments_with_table(
        &self,
        table: TransitTableId,
    ) -> impl Iterator<Item = &TransitAttachment> + use<'_> {
        let ids = self.indexes.attachments_with_table.iter(&table);
        ids.filter_map(|&id| self.transit_attachment(id))
    }

    /// The attachments that the table learns blocks from.
    pub fn attachments_into_table(
        &self,
        table: TransitTableId,
    ) -> impl Iterator<Item = &TransitAttachment> + use<'_> {
        let ids = self.indexes.attachments_into_table.iter(&table);
        ids.filter_map(|&id| self.transit_attachment(id))
    }

    /// Every route of the table, static or propagated, in the order of the destinations.
    pub fn transit_routes(&self, table: &TransitTable) -> Vec<TransitRouteInUse> {
        let claims = self.attachments_into_table(table.id).flat_map(|from| {
            let claim = (from.meta.created, from.id);
            let vpc = self.vpc(from.vpc).into_iter();
            vpc.flat_map(move |vpc| vpc.blocks().map(move |block| (block, claim)))
        });
        resolve(table, claims, |id| Some(self.transit_attachment(id)?.vpc))
    }
}
