//! What a VPC's resolver answers from: its private zones, compiled for lookup by name.

use std::{collections::BTreeMap, sync::Arc};

use weft_model::{DnsName, PrivateZoneId, RecordSet, state::DnsZoneState};

use crate::hash::Map;

/// A private zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneConfig {
    /// Its id.
    pub id: PrivateZoneId,
    /// The domain.
    pub domain: DnsName,
    /// Every name that exists, those with nothing but names below them included.
    names: Map<DnsName, Vec<RecordSet>>,
}

impl ZoneConfig {
    pub(crate) fn compile(state: DnsZoneState) -> Self {
        let mut names: Map<DnsName, Vec<RecordSet>> = Map::default();
        names.entry(state.domain.clone()).or_default();
        for record in state.records {
            let mut above = record.name.parent();
            while let Some(name) = above.filter(|name| name.is_in(&state.domain)) {
                names.entry(name.clone()).or_default();
                above = name.parent();
            }
            names.entry(record.name.clone()).or_default().push(record);
        }
        Self {
            id: state.id.zone,
            domain: state.domain,
            names,
        }
    }

    /// The records of the name, or of the wildcard that stands for it (RFC 4592); `None` where the
    /// name doesn't exist.
    pub fn at(&self, name: &DnsName) -> Option<&[RecordSet]> {
        if let Some(records) = self.names.get(name) {
            return Some(records);
        }
        let mut above = name.parent();
        while let Some(encloser) = above.filter(|name| name.is_in(&self.domain)) {
            if self.names.contains_key(&encloser) {
                let wildcard: DnsName = format!("*.{encloser}").parse().ok()?;
                return self.names.get(&wildcard).map(Vec::as_slice);
            }
            above = encloser.parent();
        }
        None
    }
}

/// The private zones that a VPC sees, by domain.
#[derive(Debug, Clone, Default)]
pub(crate) struct Zones(BTreeMap<DnsName, Arc<ZoneConfig>>);

impl Zones {
    /// The zone with the longest domain that the name is in.
    pub(crate) fn of(&self, name: &DnsName) -> Option<&ZoneConfig> {
        let mut domain = Some(name.clone());
        while let Some(name) = domain {
            if let Some(zone) = self.0.get(&name) {
                return Some(zone);
            }
            domain = name.parent();
        }
        None
    }

    pub(crate) fn insert(&mut self, zone: ZoneConfig) {
        self.remove(zone.id);
        self.0.insert(zone.domain.clone(), Arc::new(zone));
    }

    pub(crate) fn remove(&mut self, id: PrivateZoneId) {
        self.0.retain(|_, zone| zone.id != id);
    }
}
