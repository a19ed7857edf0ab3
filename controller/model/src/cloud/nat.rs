//! NAT gateways and who holds their ports.

use std::net::Ipv4Addr;

use super::Cloud;
use crate::{HostName, NatGateway, NatGatewayId, PortLease, VpcId};

impl Cloud {
    /// The VPC's NAT gateways, in the order of their ids.
    pub fn nat_gateways_in_vpc(&self, vpc: VpcId) -> impl Iterator<Item = &NatGateway> + use<'_> {
        let ids = self.indexes.nats_in_vpc.iter(&vpc);
        ids.filter_map(|&id| self.nat_gateway(id))
    }

    /// The NAT gateway that has this private address in the VPC.
    pub fn nat_gateway_by_address(&self, vpc: VpcId, address: Ipv4Addr) -> Option<&NatGateway> {
        let id = self.indexes.nat_by_address.get(&(vpc, address))?;
        self.nat_gateway(*id)
    }

    /// The gateway's leases, those that rest among them, in the order of their ports.
    pub fn leases_of_nat(&self, nat: NatGatewayId) -> impl Iterator<Item = &PortLease> + use<'_> {
        let keys = self.indexes.leases_of_nat.iter(&nat);
        keys.filter_map(|key| self.port_lease(key))
    }

    /// The leases that the host holds.
    pub fn leases_on_host(&self, host: &HostName) -> impl Iterator<Item = &PortLease> {
        let keys = self.indexes.leases_on_host.iter(host);
        keys.filter_map(|key| self.port_lease(key))
    }
}
