//! The other hosts' VTEPs.

use std::net::IpAddr;

use weft_model::{HostName, ZoneName};

use super::HostSlot;
use crate::hash::Map;

/// Hosts and their VTEPs. A host keeps its slot for the life of the process, so that a flow can
/// point at the host and follow it when its VTEP changes.
#[derive(Debug, Clone, Default)]
pub struct Tunnels {
    vteps: Vec<Option<IpAddr>>,
    zones: Vec<Option<ZoneName>>,
    slots: Map<HostName, HostSlot>,
    by_vtep: Map<IpAddr, HostSlot>,
}

impl Tunnels {
    /// The host's slot; made where it is new (a mapping may come before its tunnel).
    pub(crate) fn slot(&mut self, host: &HostName) -> HostSlot {
        if let Some(&slot) = self.slots.get(host) {
            return slot;
        }
        let slot = HostSlot(self.vteps.len() as u32);
        self.vteps.push(None);
        self.zones.push(None);
        self.slots.insert(host.clone(), slot);
        slot
    }

    pub(crate) fn known(&self, host: &HostName) -> Option<HostSlot> {
        self.slots.get(host).copied()
    }

    pub(crate) fn set(&mut self, host: &HostName, vtep: IpAddr, zone: &ZoneName) {
        self.clear(host);
        let slot = self.slot(host);
        self.vteps[slot.0 as usize] = Some(vtep);
        self.zones[slot.0 as usize] = Some(zone.clone());
        self.by_vtep.insert(vtep, slot);
    }

    pub(crate) fn clear(&mut self, host: &HostName) {
        let Some(slot) = self.known(host) else {
            return;
        };
        let Some(vtep) = self.vteps[slot.0 as usize].take() else {
            return;
        };
        // The VTEP may have passed to another host already.
        if self.by_vtep.get(&vtep) == Some(&slot) {
            self.by_vtep.remove(&vtep);
        }
    }

    /// The host's VTEP, while it has one.
    pub fn vtep(&self, host: HostSlot) -> Option<IpAddr> {
        self.vteps.get(host.0 as usize).copied().flatten()
    }

    /// The host's zone; `None` for this host itself, and for one whose tunnel isn't known yet.
    pub fn zone(&self, host: HostSlot) -> Option<&ZoneName> {
        self.zones.get(host.0 as usize)?.as_ref()
    }

    /// The VTEP of every slot that was given out, in order.
    pub fn slots(&self) -> impl Iterator<Item = Option<IpAddr>> + '_ {
        self.vteps.iter().copied()
    }

    /// The host behind an underlay address.
    pub fn host(&self, vtep: IpAddr) -> Option<HostSlot> {
        self.by_vtep.get(&vtep).copied()
    }

    /// How many hosts have a VTEP.
    pub fn len(&self) -> usize {
        self.by_vtep.len()
    }

    /// Whether no host has one.
    pub fn is_empty(&self) -> bool {
        self.by_vtep.is_empty()
    }
}
