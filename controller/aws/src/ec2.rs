//! EC2: networks of instances.

use weft_model::{Block4, Cloud, RegionName, Vpc, VpcId};

use crate::{Action, Ask, Fault, fault};

mod address;
mod assignment;
mod dhcp_options;
mod flow_log;
mod interface;
mod internet_gateway;
mod nat_gateway;
mod network_acl;
mod peering;
mod permission;
mod prefix_list;
mod region;
mod route;
mod route_table;
mod rule;
mod security_group;
mod subnet;
mod tag;
mod vpc;

/// The actions, module by module.
pub const ACTIONS: &[&[Action]] = &[
    region::ACTIONS,
    vpc::ACTIONS,
    subnet::ACTIONS,
    internet_gateway::ACTIONS,
    route_table::ACTIONS,
    route::ACTIONS,
    security_group::ACTIONS,
    permission::ACTIONS,
    rule::ACTIONS,
    network_acl::ACTIONS,
    address::ACTIONS,
    nat_gateway::ACTIONS,
    interface::ACTIONS,
    assignment::ACTIONS,
    peering::ACTIONS,
    prefix_list::ACTIONS,
    dhcp_options::ACTIONS,
    flow_log::ACTIONS,
    tag::ACTIONS,
];

/// The VPC of this id in the region.
fn vpc_of<'a>(cloud: &'a Cloud, region: &RegionName, id: VpcId) -> Result<&'a Vpc, Fault> {
    let vpc = cloud.vpc(id).filter(|vpc| vpc.region == *region);
    vpc.ok_or_else(|| fault::not_found(&id.into()))
}

/// The VPC that a required parameter names.
fn vpc_named<'a>(ask: &Ask, cloud: &'a Cloud, name: &str) -> Result<&'a Vpc, Fault> {
    vpc_of(cloud, &ask.region, ask.args().needed_id(name)?)
}

/// An IPv4 block of a VPC or a subnet: any prefix is one to AWS, and then some are too long or short.
fn block4(parameter: &str, text: &str, range: &'static str) -> Result<Block4, Fault> {
    let Ok(net) = text.parse::<ipnet::Ipv4Net>() else {
        return Err(Fault::value(
            parameter,
            text,
            "This is not a valid CIDR block.",
        ));
    };
    let message = || format!("The CIDR '{text}' is invalid.");
    Block4::new(net).map_err(|_| Fault::new(range, message()))
}
