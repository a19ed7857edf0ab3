//! One call: from a request that was read whole to its answer.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use weft_aws::{Ask, Call, Fault, Http, Keys, Service, call, sign};
use weft_model::{
    Cloud,
    ops::{Entropy, Settings},
};

use super::seen::Seen;
use crate::core::{Core, Request, Work, Worked, WriteError};

/// What calls need.
pub(super) struct Calls {
    core: Arc<Core>,
    keys: Keys,
    settings: Settings,
    seen: Mutex<Seen>,
}

/// An answer: its status and its body.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) request_id: String,
    pub(super) body: Vec<u8>,
}

impl Answered {
    /// A refusal.
    pub(super) fn fault(service: Service, fault: &Fault) -> Self {
        let request_id = request_id();
        Self {
            status: fault.status,
            body: fault.body(service, &request_id),
            request_id,
        }
    }
}

impl Calls {
    pub(super) fn new(core: Arc<Core>, keys: Keys, settings: Settings) -> Self {
        Self {
            core,
            keys,
            settings,
            seen: Mutex::default(),
        }
    }

    /// Answers a request.
    pub(super) async fn answer(&self, http: &Http<'_>) -> Answered {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs().cast_signed());
        let call = match call::receive(http, &self.keys, &self.settings.account, now) {
            Ok(call) => call,
            Err((service, fault)) => {
                tracing::info!(service = service.scope(), %fault, "a request was refused");
                return Answered::fault(service, &fault);
            }
        };
        let (service, action) = (call.ask.service, call.action);
        let request_id = request_id();
        match self.carry_out(call).await {
            Ok(part) => Answered {
                status: 200,
                body: call::body(service, action, &request_id, &part),
                request_id,
            },
            Err(fault) => {
                tracing::debug!(action = action.name, %fault, "refused");
                Answered::fault(service, &fault)
            }
        }
    }

    fn admit(&self, call: &Call) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.admit(&call.signature, Instant::now())
    }

    async fn carry_out(&self, call: Call) -> Result<Vec<u8>, Fault> {
        let mut entropy = entropy();
        let mut look = |cloud: &Cloud| call.look(cloud, &self.settings, &mut entropy);
        if let Some(part) = self.core.read(|view| look(&view.cloud))? {
            return Ok(part);
        }
        if !self.admit(&call) {
            return Err(sign::expired());
        }
        let request = call.repeat.as_ref().and_then(|repeat| {
            let id = repeat.id.parse().ok()?;
            let digest = repeat.digest;
            Some(Request { id, digest })
        });
        let outcome = self.core.carry_out(request, Box::new(Job(call))).await;
        outcome.map_err(refusal)
    }
}

/// A write, on its way to the writer.
struct Job(Call);

impl Work for Job {
    fn work(
        self: Box<Self>,
        cloud: &Cloud,
        settings: &Settings,
        entropy: &mut dyn Entropy,
    ) -> Result<Worked, WriteError> {
        let (changes, answer) = self.0.work(cloud, settings, entropy)?;
        let ask: Ask = self.0.ask;
        let render = move |view: &crate::core::View, _: &[weft_model::Change]| {
            call::render(&ask, &view.cloud, answer)
        };
        Ok((changes, Box::new(render)))
    }
}

/// The services' words for what the writer refuses.
fn refusal(error: WriteError) -> Fault {
    match error {
        WriteError::Service(fault) => fault,
        WriteError::Refused(error) => error.into(),
        WriteError::RequestIdReused(_) => {
            let message = "Arguments on this idempotent request are inconsistent with arguments \
                           used in previous request(s).";
            Fault::new("IdempotentParameterMismatch", message)
        }
        WriteError::Busy => overloaded(),
        WriteError::Closed => {
            let message = "The service is going down: call again in a moment.";
            Fault::new("Unavailable", message).with_status(503)
        }
    }
}

/// The services' words for too much at once.
pub(super) fn overloaded() -> Fault {
    Fault::new("RequestLimitExceeded", "Request limit exceeded.").with_status(503)
}

/// Random bits for what is tried only.
fn entropy() -> impl FnMut() -> u64 {
    let keyed = RandomState::new();
    let mut calls = 0u64;
    move || {
        calls += 1;
        keyed.hash_one(calls)
    }
}

/// Names a call in its answer, as AWS does.
fn request_id() -> String {
    let mut bits = entropy();
    let (high, low) = (bits(), bits());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}
