//! NAT gateways, each with an elastic address of its own.

use weft_proto::v1 as wire;

use super::{
    outside::{allocate, release},
    removal::delete,
    view::{View, Where},
};
use crate::{
    api::{Api, ApiError, name_of, named, request_id},
    topology::{NatSpec, Topology, VpcSpec},
};

/// What the gateway's elastic address is called; no workload can be called so.
fn address_name(vpc: &VpcSpec, nat: &NatSpec) -> String {
    format!("{}/{}", vpc.name.value, nat.name.value)
}

/// Those that are missing, and anew those that stand in another subnet now.
pub(super) async fn create(
    api: &Api,
    view: &mut View,
    topology: &Topology,
) -> Result<(), ApiError> {
    for vpc in &topology.vpcs {
        for nat in &vpc.nats {
            let key = Where::new(vpc.name.as_str(), nat.name.as_str());
            let subnet = view.subnet_id(vpc.name.as_str(), nat.subnet.as_str());
            match view.nats.get(&key) {
                Some(old) if old.subnet == subnet => continue,
                Some(old) => take(api, old).await?,
                None => {}
            }
            let made = make(api, (vpc, nat), subnet).await?;
            view.nats.insert(key, made);
        }
    }
    Ok(())
}

async fn make(
    api: &Api,
    (vpc, nat): (&VpcSpec, &NatSpec),
    subnet: String,
) -> Result<wire::NatGateway, ApiError> {
    let address = address_name(vpc, nat);
    // One that an interrupted run left.
    let all = api.list_elastic_addresses().await?;
    let old = all
        .into_iter()
        .find(|elastic| name_of(elastic.meta.as_ref()) == address);
    let elastic = match old {
        Some(old) => old,
        None => allocate(api, &address).await?,
    };
    let request = wire::CreateNatGatewayRequest {
        nat_gateway: Some(wire::NatGateway {
            subnet,
            elastic_address: elastic.id,
            meta: named(nat.name.as_str()),
            ..Default::default()
        }),
        request_id: request_id(),
    };
    let made = api.nat_gateways().create(request).await;
    let made = made.map_err(ApiError::of(format!("NAT gateway {address}")))?;
    Ok(made.into_inner().nat_gateway.unwrap_or_default())
}

/// Those that the file before had and this one has not.
pub(super) async fn remove(
    api: &Api,
    view: &View,
    before: &Topology,
    after: &Topology,
) -> Result<(), ApiError> {
    for vpc in &before.vpcs {
        for nat in &vpc.nats {
            let same = |n: &NatSpec| n.name.value == nat.name.value;
            let kept = after.vpc(&vpc.name);
            let stays = kept.is_some_and(|vpc| vpc.nats.iter().any(same));
            let key = Where::new(vpc.name.as_str(), nat.name.as_str());
            if let (false, Some(old)) = (stays, view.nats.get(&key)) {
                take(api, old).await?;
            }
        }
    }
    Ok(())
}

/// Takes the gateway away, and the address that it had.
async fn take(api: &Api, nat: &wire::NatGateway) -> Result<(), ApiError> {
    let what = format!("NAT gateway {}", name_of(nat.meta.as_ref()));
    let gone = api.nat_gateways().delete(delete(&nat.id)).await;
    gone.map_err(ApiError::of(what))?;
    let all = api.list_elastic_addresses().await?;
    match all.into_iter().find(|e| e.id == nat.elastic_address) {
        Some(elastic) => release(api, elastic).await,
        None => Ok(()),
    }
}
