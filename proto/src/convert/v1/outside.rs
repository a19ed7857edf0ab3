//! Public addresses and gateways to the internet.

use weft_model::{
    Association, EgressGateway, ElasticAddress, InternetGateway, NatGateway, PublicPool,
};

use super::{text_or_empty, texts, wire};

impl From<&PublicPool> for wire::PublicPool {
    fn from(pool: &PublicPool) -> Self {
        Self {
            id: pool.id.to_string(),
            region: pool.region.to_string(),
            blocks: texts(&pool.blocks),
            meta: Some((&pool.meta).into()),
        }
    }
}

/// Without `region`, which the pool decides.
impl From<&ElasticAddress> for wire::ElasticAddress {
    fn from(elastic: &ElasticAddress) -> Self {
        Self {
            id: elastic.id.to_string(),
            region: String::new(),
            pool: elastic.pool.to_string(),
            address: elastic.address.to_string(),
            association: elastic.association.map(Into::into),
            meta: Some((&elastic.meta).into()),
        }
    }
}

impl From<Association> for wire::Association {
    fn from(association: Association) -> Self {
        use wire::association::Holder;
        let holder = match association {
            Association::Interface { interface, private } => {
                Holder::Interface(wire::InterfaceAddress {
                    interface: interface.to_string(),
                    private_address: private.to_string(),
                })
            }
            Association::Nat(nat) => Holder::NatGateway(nat.to_string()),
        };
        Self {
            holder: Some(holder),
        }
    }
}

impl From<&InternetGateway> for wire::InternetGateway {
    fn from(gateway: &InternetGateway) -> Self {
        Self {
            id: gateway.id.to_string(),
            vpc: text_or_empty(gateway.vpc.as_ref()),
            meta: Some((&gateway.meta).into()),
        }
    }
}

impl From<&EgressGateway> for wire::EgressGateway {
    fn from(gateway: &EgressGateway) -> Self {
        Self {
            id: gateway.id.to_string(),
            vpc: gateway.vpc.to_string(),
            meta: Some((&gateway.meta).into()),
        }
    }
}

/// Without `leases`, which others hold.
impl From<&NatGateway> for wire::NatGateway {
    fn from(nat: &NatGateway) -> Self {
        Self {
            id: nat.id.to_string(),
            vpc: nat.vpc.to_string(),
            subnet: nat.subnet.to_string(),
            elastic_address: nat.elastic.to_string(),
            public_ipv4: nat.public.to_string(),
            private_ipv4: nat.private.to_string(),
            meta: Some((&nat.meta).into()),
            leases: Vec::new(),
        }
    }
}
