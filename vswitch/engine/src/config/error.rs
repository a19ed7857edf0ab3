//! Why an object of the configuration was refused.

use weft_model::{
    InterfaceId, NatGatewayId, NetworkAclId, RouteTableId, SecurityGroupId, SubnetId, Vni, VpcId,
    ZoneInVpc,
};

/// One object that can't be applied. Whatever was held under its key stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A subnet of a VPC that isn't here.
    #[error("subnet {subnet} is in {vpc}, which this host doesn't hold: send the VPC first")]
    SubnetVpc {
        /// The subnet.
        subnet: SubnetId,
        /// The VPC that it names.
        vpc: VpcId,
    },
    /// A route table of a VPC that isn't here.
    #[error("route table {table} is in {vpc}, which this host doesn't hold: send the VPC first")]
    RouteTableVpc {
        /// The table.
        table: RouteTableId,
        /// The VPC that it names.
        vpc: VpcId,
    },
    /// A network ACL of a VPC that isn't here.
    #[error("network ACL {acl} is in {vpc}, which this host doesn't hold: send the VPC first")]
    AclVpc {
        /// The ACL.
        acl: NetworkAclId,
        /// The VPC that it names.
        vpc: VpcId,
    },
    /// A NAT gateway of a VPC that isn't here.
    #[error("NAT gateway {nat} is in {vpc}, which this host doesn't hold: send the VPC first")]
    NatVpc {
        /// The gateway.
        nat: NatGatewayId,
        /// The VPC that it names.
        vpc: VpcId,
    },
    /// A security group of a VPC that isn't here.
    #[error("security group {group} is in {vpc}, which this host doesn't hold: send the VPC first")]
    GroupVpc {
        /// The group.
        group: SecurityGroupId,
        /// The VPC that it names.
        vpc: VpcId,
    },
    /// A private zone of a VPC that isn't here.
    #[error("private zone {zone} names a VPC that this host doesn't hold: send the VPC first")]
    ZoneVpc {
        /// The zone and the VPC that it names.
        zone: ZoneInVpc,
    },
    /// A load balancer or a target group of a VPC that isn't here.
    #[error("{key} is in {vpc}, which this host doesn't hold: send the VPC first")]
    BalancingVpc {
        /// The load balancer or the target group.
        key: String,
        /// The VPC that it names.
        vpc: VpcId,
    },
    /// A mapping in a VPC that isn't here.
    #[error("mapping {interface} is in {vpc}, which this host doesn't hold: send the VPC first")]
    MappingVpc {
        /// The interface.
        interface: InterfaceId,
        /// The VPC that it names.
        vpc: VpcId,
    },
    /// A port in a VPC that isn't here.
    #[error("port {interface} is in {vpc}, which this host doesn't hold: send the VPC first")]
    PortVpc {
        /// The interface.
        interface: InterfaceId,
        /// The VPC that it names.
        vpc: VpcId,
    },
    /// A port in a subnet that isn't here, or that is another VPC's.
    #[error(
        "port {interface} is in {subnet}, which {vpc} doesn't have here: send the subnet first"
    )]
    PortSubnet {
        /// The interface.
        interface: InterfaceId,
        /// The subnet that it names.
        subnet: SubnetId,
        /// Its VPC.
        vpc: VpcId,
    },
    /// A MAC that another port of the same VPC has, or that no port may have.
    #[error("port {interface} has a MAC that is taken or reserved in {vpc}: give it its own")]
    PortMac {
        /// The interface.
        interface: InterfaceId,
        /// Its VPC.
        vpc: VpcId,
    },
    /// An object that was in another VPC before: ids never move.
    #[error("{key} was in another VPC before: remove it there first")]
    Moved {
        /// The object.
        key: String,
    },
    /// A VPC without an IPv4 block.
    #[error("{vpc} has no IPv4 block: a VPC has a primary one")]
    VpcWithoutBlock {
        /// The VPC.
        vpc: VpcId,
    },
    /// Two VPCs with one VNI would share their packets.
    #[error("{vpc} has VNI {vni}, which {other} has: VNIs are unique")]
    VniTaken {
        /// The VPC.
        vpc: VpcId,
        /// The VNI.
        vni: Vni,
        /// Who has it.
        other: VpcId,
    },
    /// The outside's VNI, which no VPC may have.
    #[error("{vpc} has VNI {vni}, which is the outside's: give it another")]
    VniReserved {
        /// The VPC.
        vpc: VpcId,
        /// The VNI.
        vni: Vni,
    },
    /// More ports than a host can hold.
    #[error("port {interface} is one too many: a host holds at most {max}")]
    TooManyPorts {
        /// The interface.
        interface: InterfaceId,
        /// The bound.
        max: usize,
    },
}
