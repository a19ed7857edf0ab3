//! What this host holds of the cloud: the compiled tables and the version of each resource.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use weft_engine::{
    Config,
    config::{Tables, TablesOptions},
};
use weft_model::{
    Prefix,
    state::{Delta, StateKey, StateKind},
};
use weft_proto::{
    convert::sync::{Received, read_update},
    sync::v1 as wire,
};

/// An update, applied.
pub(crate) struct Applied {
    /// What it made of the tables.
    pub(crate) config: Arc<Config>,
    /// Whether a device may have to be made, changed or removed.
    pub(crate) concerns_ports: bool,
    /// What to answer.
    pub(crate) ack: wire::Ack,
}

/// Lost with the process: a new one gets everything again, since nothing passes before its policy
/// is here.
pub(crate) struct Holdings {
    tables: Tables,
    versions: HashMap<StateKey, u64>,
}

impl Holdings {
    pub(crate) fn new(options: TablesOptions) -> Self {
        Self {
            tables: Tables::new(options),
            versions: HashMap::new(),
        }
    }

    /// Where nobody may send through this host as an edge.
    pub(crate) fn deny_outside(&mut self, prefixes: Vec<Prefix>) {
        self.tables.deny_outside(prefixes);
    }

    /// The configuration as it is.
    pub(crate) fn publish(&mut self) -> Arc<Config> {
        self.tables.publish()
    }

    /// Applies an update; what is refused keeps its former state and version.
    pub(crate) fn apply(&mut self, update: &wire::Update) -> Applied {
        let Received {
            deltas,
            mut refused,
        } = read_update(update);
        let mut concerns_ports = false;
        for (delta, version) in deltas {
            let key = delta.key();
            concerns_ports |= matches!(key.kind(), StateKind::Port | StateKind::Subnet);
            if let Err(nack) = self.apply_one(delta, &key, version) {
                refused.push(nack);
            }
        }
        Applied {
            config: self.tables.publish(),
            concerns_ports,
            ack: wire::Ack {
                nonce: update.nonce,
                refused,
            },
        }
    }

    fn apply_one(&mut self, delta: Delta, key: &StateKey, version: u64) -> Result<(), wire::Nack> {
        let removal = matches!(delta, Delta::Remove(_));
        if let Err(error) = self.tables.apply(delta) {
            return Err(wire::Nack {
                key: Some(key.into()),
                version,
                reason: error.to_string(),
            });
        }
        if removal {
            self.versions.remove(key);
        } else {
            self.versions.insert(key.clone(), version);
        }
        Ok(())
    }

    /// Each resource held, with its version: what a hello says.
    pub(crate) fn held(&self) -> Vec<wire::Held> {
        let held = self.versions.iter().map(|(key, &version)| wire::Held {
            key: Some(key.into()),
            version,
        });
        held.collect()
    }

    /// How many resources of each kind.
    pub(crate) fn census(&self) -> BTreeMap<&'static str, u64> {
        let mut census = BTreeMap::new();
        for key in self.versions.keys() {
            *census.entry(key.kind().text()).or_default() += 1;
        }
        census
    }
}
