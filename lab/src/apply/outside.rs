//! Public pools, gateways and elastic addresses.

use weft_proto::v1::{self as wire, association::Holder};

use super::{removal::delete, view::View, write::mask};
use crate::{
    api::{Api, ApiError, name_of, named, request_id},
    topology::{REGION, Topology, VpcSpec},
};

/// What the lab's pool is called.
const POOL: &str = "lab";

/// The lab's pool, with the blocks that the file names.
pub(super) async fn pools(api: &Api, topology: &Topology) -> Result<(), ApiError> {
    let pools = topology
        .internet
        .iter()
        .flat_map(|internet| &internet.pools);
    let blocks: Vec<String> = pools.map(|block| block.value.to_string()).collect();
    let all = api.list_public_pools().await?;
    let mut all = all.into_iter();
    let old = all.find(|pool| name_of(pool.meta.as_ref()) == POOL);
    let what = || ApiError::of("the public pool");
    match old {
        _ if blocks.is_empty() => {}
        Some(old) if old.blocks == blocks => {}
        Some(old) => {
            let request = wire::UpdatePublicPoolRequest {
                public_pool: Some(wire::PublicPool { blocks, ..old }),
                update_mask: mask(&["blocks"]),
                etag: String::new(),
                request_id: request_id(),
            };
            api.public_pools().update(request).await.map_err(what())?;
        }
        None => {
            let pool = wire::PublicPool {
                region: REGION.into(),
                blocks,
                meta: named(POOL),
                ..Default::default()
            };
            let request = wire::CreatePublicPoolRequest {
                public_pool: Some(pool),
                request_id: request_id(),
            };
            api.public_pools().create(request).await.map_err(what())?;
        }
    }
    Ok(())
}

/// The id of the VPC's internet gateway; empty where it has none.
pub(super) async fn internet(api: &Api, vpc: &str) -> Result<String, ApiError> {
    let all = api.list_internet_gateways().await?;
    let own = all.into_iter().find(|gateway| gateway.vpc == vpc);
    Ok(own.map(|gateway| gateway.id).unwrap_or_default())
}

/// The id of the VPC's egress-only internet gateway; empty where it has none.
pub(super) async fn egress(api: &Api, vpc: &str) -> Result<String, ApiError> {
    let all = api.list_egress_gateways().await?;
    let own = all.into_iter().find(|gateway| gateway.vpc == vpc);
    Ok(own.map(|gateway| gateway.id).unwrap_or_default())
}

/// The gateways that the VPC shall have.
pub(super) async fn gateways(api: &Api, view: &View, spec: &VpcSpec) -> Result<(), ApiError> {
    let name = spec.name.as_str();
    let vpc = view.vpc_id(name);
    if spec.internet_gateway && internet(api, &vpc).await?.is_empty() {
        let request = wire::CreateInternetGatewayRequest {
            internet_gateway: Some(wire::InternetGateway {
                vpc: vpc.clone(),
                meta: named(name),
                ..Default::default()
            }),
            request_id: request_id(),
        };
        let made = api.internet_gateways().create(request).await;
        made.map_err(ApiError::of(format!("internet gateway of {name}")))?;
    }
    if spec.egress_gateway && egress(api, &vpc).await?.is_empty() {
        let request = wire::CreateEgressGatewayRequest {
            egress_gateway: Some(wire::EgressGateway {
                vpc,
                meta: named(name),
                ..Default::default()
            }),
            request_id: request_id(),
        };
        let made = api.egress_gateways().create(request).await;
        made.map_err(ApiError::of(format!("egress-only gateway of {name}")))?;
    }
    Ok(())
}

/// Takes away the gateways that the VPC shall not have, once no route of the file needs them.
pub(super) async fn drop_gateways(api: &Api, view: &View, spec: &VpcSpec) -> Result<(), ApiError> {
    let vpc = view.vpc_id(spec.name.as_str());
    if !spec.internet_gateway {
        drop_internet(api, &vpc).await?;
    }
    if !spec.egress_gateway {
        drop_egress(api, &vpc).await?;
    }
    Ok(())
}

/// Both gateways of a VPC that goes.
pub(super) async fn drop_all(api: &Api, vpc: &str) -> Result<(), ApiError> {
    drop_internet(api, vpc).await?;
    drop_egress(api, vpc).await
}

async fn drop_internet(api: &Api, vpc: &str) -> Result<(), ApiError> {
    let id = internet(api, vpc).await?;
    if id.is_empty() {
        return Ok(());
    }
    let what = || ApiError::of("an internet gateway that is gone");
    let request = wire::UpdateInternetGatewayRequest {
        internet_gateway: Some(wire::InternetGateway {
            id: id.clone(),
            ..Default::default()
        }),
        update_mask: mask(&["vpc"]),
        etag: String::new(),
        request_id: request_id(),
    };
    let detached = api.internet_gateways().update(request).await;
    detached.map_err(what())?;
    let gone = api.internet_gateways().delete(delete(&id)).await;
    gone.map(|_| ()).map_err(what())
}

async fn drop_egress(api: &Api, vpc: &str) -> Result<(), ApiError> {
    let id = egress(api, vpc).await?;
    if id.is_empty() {
        return Ok(());
    }
    let gone = api.egress_gateways().delete(delete(&id)).await;
    gone.map(|_| ())
        .map_err(ApiError::of("an egress-only gateway that is gone"))
}

/// Elastic addresses, by the names of the workloads that have them.
pub(super) async fn elastic(
    api: &Api,
    view: &View,
    before: Option<&Topology>,
    topology: &Topology,
) -> Result<(), ApiError> {
    let all = api.list_elastic_addresses().await?;
    let old = |name: &str| {
        let named = |elastic: &&wire::ElasticAddress| name_of(elastic.meta.as_ref()) == name;
        all.iter().find(named).cloned()
    };
    let had = before.into_iter().flat_map(|before| &before.workloads);
    for gone in had.filter(|w| w.elastic) {
        let stays = topology.workload(&gone.name).is_some_and(|w| w.elastic);
        if let (false, Some(old)) = (stays, old(gone.name.as_str())) {
            release(api, old).await?;
        }
    }
    for workload in topology.workloads.iter().filter(|w| w.elastic) {
        let name = workload.name.as_str();
        let elastic = match old(name) {
            Some(old) => old,
            None => allocate(api, name).await?,
        };
        put_on(api, elastic, &view.interface_id(name)).await?;
    }
    Ok(())
}

pub(super) async fn allocate(api: &Api, name: &str) -> Result<wire::ElasticAddress, ApiError> {
    let request = wire::CreateElasticAddressRequest {
        elastic_address: Some(wire::ElasticAddress {
            region: REGION.into(),
            meta: named(name),
            ..Default::default()
        }),
        request_id: request_id(),
    };
    let made = api.elastic_addresses().create(request).await;
    let made = made.map_err(ApiError::of(format!("elastic address of {name}")))?;
    Ok(made.into_inner().elastic_address.unwrap_or_default())
}

fn is_on(elastic: &wire::ElasticAddress, interface: &str) -> bool {
    let holder = elastic.association.as_ref().and_then(|a| a.holder.as_ref());
    matches!(holder, Some(Holder::Interface(on)) if on.interface == interface)
}

async fn put_on(api: &Api, elastic: wire::ElasticAddress, interface: &str) -> Result<(), ApiError> {
    if is_on(&elastic, interface) {
        return Ok(());
    }
    let on = wire::InterfaceAddress {
        interface: interface.to_owned(),
        private_address: String::new(),
    };
    let association = wire::Association {
        holder: Some(Holder::Interface(on)),
    };
    associate(api, elastic, Some(association)).await
}

async fn associate(
    api: &Api,
    elastic: wire::ElasticAddress,
    association: Option<wire::Association>,
) -> Result<(), ApiError> {
    let what = ApiError::of(format!("elastic address {}", elastic.address));
    let request = wire::UpdateElasticAddressRequest {
        elastic_address: Some(wire::ElasticAddress {
            association,
            ..elastic
        }),
        update_mask: mask(&["association"]),
        etag: String::new(),
        request_id: request_id(),
    };
    let done = api.elastic_addresses().update(request).await;
    done.map(|_| ()).map_err(what)
}

pub(super) async fn release(api: &Api, elastic: wire::ElasticAddress) -> Result<(), ApiError> {
    let (id, address) = (elastic.id.clone(), elastic.address.clone());
    associate(api, elastic, None).await?;
    let gone = api.elastic_addresses().delete(delete(&id)).await;
    gone.map(|_| ())
        .map_err(ApiError::of(format!("elastic address {address}")))
}

/// The public address of each interface that has one, by the interface's id.
pub(crate) async fn public(
    api: &Api,
    interfaces: impl Iterator<Item = &wire::Interface>,
) -> Result<std::collections::HashMap<String, std::net::IpAddr>, ApiError> {
    let all = api.list_elastic_addresses().await?;
    let public = interfaces.filter_map(|interface| {
        let own = Some(&interface.public_ipv4).filter(|own| !own.is_empty());
        let elastic = all.iter().find(|elastic| is_on(elastic, &interface.id));
        let address = own.or(elastic.map(|elastic| &elastic.address))?;
        Some((interface.id.clone(), address.parse().ok()?))
    });
    Ok(public.collect())
}
