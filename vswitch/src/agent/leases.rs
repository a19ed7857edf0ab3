//! Ports of NAT gateways: asked for where workers run low, given back where they lie idle.

use std::collections::BTreeMap;

use tokio::time::{Duration, Instant};
use weft_engine::Config;
use weft_model::NatGatewayId;
use weft_proto::sync::v1::{LeaseRequest, LeaseReturn, from_host::Message};

/// How often it is looked whether ports run low.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// A request that brought nothing is repeated after this long: ports may have come free.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often idle blocks are looked for. A block is closed in one look and returned in the next, so
/// that no worker is just taking it up.
const TIDY: Duration = Duration::from_secs(30);

/// Blocks in one request at most: 2,048 ports at each look, and little that another host may need.
const MOST: usize = 8;

/// What was asked, on one connection.
#[derive(Debug)]
pub(super) struct Leases {
    /// When, and how many blocks the host held then.
    asked: BTreeMap<NatGatewayId, (Instant, usize)>,
    tidied: Instant,
}

impl Leases {
    pub(super) fn new() -> Self {
        Self {
            asked: BTreeMap::new(),
            tidied: Instant::now(),
        }
    }

    /// What to tell the controller now.
    pub(super) fn messages(&mut self, config: &Config, now: Instant) -> Vec<Message> {
        let mut messages = Vec::new();
        for (nat, held) in config.lacking_nats() {
            let before = self.asked.get(&nat);
            let waits = before.is_some_and(|(at, then)| *then == held && now - *at < PATIENCE);
            if waits {
                // Still lacking when the answer is late.
                config.remind(nat);
                continue;
            }
            self.asked.insert(nat, (now, held));
            messages.push(Message::LeaseRequest(LeaseRequest {
                nat: nat.to_string(),
                // As many as there are: a host that needs many gets them soon.
                blocks: held.clamp(1, MOST) as u32,
            }));
        }
        if now - self.tidied >= TIDY {
            self.tidied = now;
            let idle = config.idle_leases();
            if !idle.is_empty() {
                let leases = idle.iter().map(ToString::to_string).collect();
                messages.push(Message::LeaseReturn(LeaseReturn { leases }));
            }
        }
        messages
    }
}
