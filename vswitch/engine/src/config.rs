//! What a host holds of the cloud, compiled for the packet path.
//!
//! [`Tables`] takes the controller's deltas one by one and publishes a [`Config`]: an immutable
//! value whose parts are shared with the one before it, so that a change costs what changed.

mod acl;
pub(crate) mod balancers;
mod dns;
mod edges;
mod error;
mod mapping;
pub(crate) mod nat;
mod policy;
mod port;
mod prefix_map;
mod route;
mod tables;
mod traffic;
pub(crate) mod transit;
mod tunnel;
mod vpc;

use std::{net::IpAddr, sync::Arc};

use weft_model::{
    FlowLogId, HostName, IdleTimeouts, InterfaceId, Mac, Mtu, PeeringId, TransitTableId, Vni,
    state::FlowLogState,
};

pub(crate) use self::dns::Zones;
use self::nat::Leases;
pub use self::{
    acl::{Acl, AclVerdict},
    dns::ZoneConfig,
    edges::{Edges, Front, Outside, PublicEntry},
    error::ApplyError,
    mapping::{HostSlot, MappingEntry},
    nat::{BlockUse, Demand, NatConfig},
    policy::{Direction, Policy, Traffic},
    port::{PortConfig, PortView},
    route::RouteEntry,
    tables::{Tables, TablesOptions},
    tunnel::Tunnels,
    vpc::{SubnetConfig, VpcConfig},
};
use crate::{
    hash::Map,
    port::PortIndex,
    trace::{Step, Trace},
};

/// The worker that owns the port with this MAC: its last byte, modulo the number of workers.
pub fn owner(mac: Mac, workers: usize) -> usize {
    usize::from(mac.octets()[5]) % workers.max(1)
}

/// The VPC's place in a configuration's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VpcSlot(pub(crate) u32);

/// One published configuration.
#[derive(Debug, Clone)]
pub struct Config {
    host: HostName,
    vtep: IpAddr,
    mtu: Mtu,
    ports: Arc<Vec<Option<Arc<PortConfig>>>>,
    by_interface: Arc<Map<InterfaceId, PortIndex>>,
    /// The local ports by what the tunnel's inner frame is addressed to.
    endpoints: Arc<Map<(Vni, Mac), PortIndex>>,
    vpcs: Arc<Vec<Option<Arc<VpcConfig>>>>,
    by_vni: Arc<Map<Vni, VpcSlot>>,
    tunnels: Arc<Tunnels>,
    /// Ports with timeouts of their own.
    timeouts: Arc<Map<PortIndex, IdleTimeouts>>,
    flow_logs: Arc<Map<FlowLogId, Arc<FlowLogState>>>,
    /// Only where a packet is being explained.
    trace: Option<Arc<Trace>>,
    edges: Arc<Edges>,
    outside: Outside,
    /// The tables that route VPCs with ports here.
    transit: Arc<Map<TransitTableId, Arc<transit::TransitRoutes>>>,
    pub(crate) leases: Arc<Leases>,
}

impl Config {
    pub(crate) fn empty(options: &TablesOptions) -> Self {
        Self {
            host: options.host.clone(),
            vtep: options.vtep,
            mtu: options.mtu,
            ports: Arc::default(),
            by_interface: Arc::default(),
            endpoints: Arc::default(),
            vpcs: Arc::default(),
            by_vni: Arc::default(),
            tunnels: Arc::default(),
            timeouts: Arc::default(),
            flow_logs: Arc::default(),
            trace: None,
            edges: Arc::default(),
            outside: Outside::default(),
            transit: Arc::default(),
            leases: Arc::default(),
        }
    }

    /// The same, recording what is looked at.
    #[must_use]
    pub fn traced(&self, trace: Arc<Trace>) -> Self {
        Self {
            trace: Some(trace),
            leases: Arc::new(self.leases.detached()),
            ..self.clone()
        }
    }

    /// Records a step, where steps are recorded.
    #[inline]
    pub(crate) fn note(&self, step: impl FnOnce() -> Step) {
        if let Some(trace) = &self.trace {
            trace.add(step());
        }
    }

    /// Whether it is there for an explanation.
    pub(crate) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// This host.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// This host's VTEP.
    pub fn vtep(&self) -> IpAddr {
        self.vtep
    }

    /// The MTU inside the tunnel.
    pub fn mtu(&self) -> Mtu {
        self.mtu
    }

    /// Every port, in slot order.
    pub fn ports(&self) -> impl Iterator<Item = (PortIndex, &PortConfig)> {
        self.ports
            .iter()
            .flatten()
            .map(|port| (port.index, port.as_ref()))
    }

    /// The port with this handle; `None` once it is gone.
    pub fn port(&self, index: PortIndex) -> Option<&PortConfig> {
        let port = self.ports.get(index.slot())?.as_deref()?;
        (port.index == index).then_some(port)
    }

    /// The port of this interface.
    pub fn port_of(&self, interface: InterfaceId) -> Option<&PortConfig> {
        self.port(*self.by_interface.get(&interface)?)
    }

    /// The port with what surrounds it.
    pub fn view(&self, index: PortIndex) -> Option<PortView<'_>> {
        let port = self.port(index)?;
        let vpc = self.vpc(port.vpc_slot)?;
        Some(PortView {
            config: self,
            port,
            vpc,
        })
    }

    /// The VPCs that have ports or mappings here.
    pub fn vpcs(&self) -> impl Iterator<Item = &VpcConfig> {
        self.vpcs.iter().flatten().map(Arc::as_ref)
    }

    /// The VPC with this VNI.
    pub fn vpc_by_vni(&self, vni: Vni) -> Option<&VpcConfig> {
        self.vpc(*self.by_vni.get(&vni)?)
    }

    /// The timeouts of the ports that have their own.
    pub(crate) fn timeouts(&self) -> &Arc<Map<PortIndex, IdleTimeouts>> {
        &self.timeouts
    }

    /// The known VTEPs.
    pub fn tunnels(&self) -> &Tunnels {
        &self.tunnels
    }

    /// The flow logs that may be about ports of this host, in no order.
    pub fn flow_logs(&self) -> impl Iterator<Item = &Arc<FlowLogState>> {
        self.flow_logs.values()
    }

    /// The live edges.
    pub fn edges(&self) -> &Edges {
        &self.edges
    }

    /// What this host knows as an edge.
    pub fn outside(&self) -> &Outside {
        &self.outside
    }

    pub(crate) fn vpc(&self, slot: VpcSlot) -> Option<&VpcConfig> {
        self.vpcs.get(slot.0 as usize)?.as_deref()
    }

    /// The VPCs that this one is peered with, in no order.
    pub(crate) fn peers<'a>(&'a self, vpc: &'a VpcConfig) -> impl Iterator<Item = &'a VpcConfig> {
        vpc.peers.values().filter_map(|&slot| self.vpc(slot))
    }

    /// The VPC on the other side of one of this one's peerings.
    pub(crate) fn peer(&self, vpc: &VpcConfig, peering: PeeringId) -> Option<&VpcConfig> {
        self.vpc(*vpc.peers.get(&peering)?)
    }

    /// The local port that an inner frame to this MAC is for.
    pub fn endpoint(&self, vni: Vni, mac: Mac) -> Option<PortIndex> {
        self.endpoints.get(&(vni, mac)).copied()
    }
}
