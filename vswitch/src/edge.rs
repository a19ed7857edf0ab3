//! An edge's device: its routes follow what the controller says that the edge serves.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use weft_datapath::device::EdgeDevice;
use weft_engine::Config;
use weft_model::Prefix;

/// The device, and what is routed to it.
pub(crate) struct Edge {
    device: EdgeDevice,
    routed: Mutex<BTreeSet<Prefix>>,
}

impl Edge {
    pub(crate) fn new(device: EdgeDevice) -> Self {
        Self {
            device,
            routed: Mutex::default(),
        }
    }

    /// Brings the routes to what the configuration says. What fails is tried again with the next
    /// update.
    pub(crate) fn follow(&self, config: &Config) {
        let mut routed = self.routed.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = config.outside().served();
        if *wanted == *routed {
            return;
        }
        let gone: Vec<Prefix> = routed.difference(wanted).copied().collect();
        // Netlink has a runtime of its own, which must not start inside another.
        let set = std::thread::scope(|scope| {
            let work = scope.spawn(|| self.device.route(wanted, &gone));
            work.join().ok()
        });
        match set {
            Some(Ok(())) => *routed = wanted.clone(),
            Some(Err(error)) => tracing::warn!(%error, "can't set the public routes"),
            None => tracing::error!("setting the public routes panicked"),
        }
    }
}
