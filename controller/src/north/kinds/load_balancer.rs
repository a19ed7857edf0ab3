//! Network load balancers.

use weft_model::{
    Balancer, BalancerId,
    ops::balancer::{Draft as Parts, PlacementDraft, Update},
};

use super::prelude::*;

/// Subnets in one request at most: one per zone.
const PLACEMENTS: usize = 64;

pub(in crate::north) struct LoadBalancers;

/// What to create, and the VPC that the caller takes it to be in.
pub(in crate::north) struct Draft {
    parts: Parts,
    vpc: Option<VpcId>,
}

impl Exposed for LoadBalancers {
    const KIND: Kind = Kind::Balancer;
    const FIELD: &'static str = "load_balancer";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["cross_zone", "meta.name"],
        fixed: &["id", "vpc", "scheme", "placements", "meta"],
    };

    type Key = BalancerId;
    type Model = Balancer;
    type Wire = wire::LoadBalancer;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreateLoadBalancerRequest;
    type UpdateRequest = wire::UpdateLoadBalancerRequest;
    type Answer = wire::LoadBalancerResponse;
    type Page = wire::ListLoadBalancersResponse;

    fn of(resource: &Resource) -> Option<&Balancer> {
        match resource {
            Resource::Balancer(balancer) => Some(balancer),
            _ => None,
        }
    }

    fn key(balancer: &Balancer) -> BalancerId {
        balancer.id
    }

    fn key_text(balancer: &wire::LoadBalancer) -> &str {
        &balancer.id
    }

    fn show(_cloud: &Cloud, balancer: &Balancer) -> wire::LoadBalancer {
        balancer.into()
    }

    fn in_vpc(cloud: &Cloud, vpc: VpcId) -> Option<impl Iterator<Item = &Balancer>> {
        Some(cloud.balancers_in_vpc(vpc))
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateLoadBalancerRequest,
        balancer: &wire::LoadBalancer,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &balancer.id);
        let vpc = fields.optional("vpc", &balancer.vpc);
        let placements = fields.each(
            "placements",
            PLACEMENTS,
            &balancer.placements,
            read_placement,
        );
        let scheme = fields.optional("scheme", &balancer.scheme);
        let label = label(fields, balancer.meta.as_ref());
        no_id?;
        let parts = Parts {
            scheme: scheme?.unwrap_or_default(),
            placements: placements?,
            cross_zone: balancer.cross_zone,
            label: label?,
        };
        Ok(Draft { parts, vpc: vpc? })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        balancer: &wire::LoadBalancer,
    ) -> Result<Update, Reported> {
        let cross_zone = mask.pick("cross_zone", || Ok(balancer.cross_zone));
        let label = mask.pick("meta.name", || label(fields, balancer.meta.as_ref()));
        Ok(Update {
            cross_zone: cross_zone?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        let first = draft.parts.placements.first();
        let subnet = first.and_then(|placement| cloud.subnet(placement.subnet));
        if let (Some(vpc), Some(subnet)) = (draft.vpc, subnet)
            && vpc != subnet.vpc
        {
            let reason = format!(
                "subnet {} is in VPC {}, not in {vpc}",
                subnet.id, subnet.vpc
            );
            return Err(OpError::invalid("load_balancer.vpc", reason));
        }
        ops::balancer::create(cloud, settings, draft.parts, entropy)
    }

    fn update(
        cloud: &Cloud,
        _: &Settings,
        id: BalancerId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::balancer::update(cloud, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: BalancerId, etag: Option<Revision>) -> Changes {
        ops::balancer::delete(cloud, id, etag)
    }
}

fn read_placement(
    fields: &mut Fields,
    placement: &wire::Placement,
) -> Result<PlacementDraft, Reported> {
    let subnet = fields.required("subnet", &placement.subnet);
    let ipv4 = fields.optional("ipv4", &placement.ipv4);
    let ipv6 = fields.optional("ipv6", &placement.ipv6);
    given_by_controller(fields, "public_ipv4", &placement.public_ipv4)?;
    Ok(PlacementDraft {
        subnet: subnet?,
        ipv4: ipv4?,
        ipv6: ipv6?,
    })
}

service!(
    LoadBalancers, load_balancers_server::LoadBalancers,
    LoadBalancer load_balancer load_balancers,
    CreateLoadBalancerRequest UpdateLoadBalancerRequest
    LoadBalancerResponse ListLoadBalancersResponse {}
);
