//! Questions to a host about packets, over the stream that brings its state.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};
use weft_engine::{
    Config,
    config::{Tables, TablesOptions},
    explain::{Input, Line, Outcome, Output},
};
use weft_model::{Host, Mtu};
use weft_proto::{
    convert::sync::read_update,
    sync::v1::{self as wire, probe_answer, probe_packet::Entrance},
    v1::ExplainStep,
};

use super::Hub;

/// Questions to one host that wait for their answers: a person asks one at a time.
const WAITING: usize = 64;
/// A vswitch answers between two updates.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a host said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProbeError {
    /// Its vswitch isn't on the stream.
    #[error("its vswitch isn't connected")]
    Disconnected,
    /// It has too many questions already.
    #[error("{WAITING} questions wait for it already")]
    Busy,
    /// It took too long, or went away.
    #[error("its vswitch doesn't answer")]
    Silent,
}

/// One stream's questions.
#[derive(Debug, Default)]
pub(super) struct Probes(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    to_send: Vec<wire::Probe>,
    answers: BTreeMap<u64, oneshot::Sender<wire::ProbeAnswer>>,
}

impl Probes {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(
        &self,
        before: &[Input],
        input: &Input,
    ) -> Result<oneshot::Receiver<wire::ProbeAnswer>, ProbeError> {
        let mut waiting = self.lock();
        waiting.answers.retain(|_, answer| !answer.is_closed());
        if waiting.answers.len() >= WAITING {
            return Err(ProbeError::Busy);
        }
        waiting.last += 1;
        let id = waiting.last;
        let (answer, receiver) = oneshot::channel();
        waiting.answers.insert(id, answer);
        waiting.to_send.push(wire::Probe {
            id,
            before: before.iter().map(packet).collect(),
            packet: Some(packet(input)),
        });
        Ok(receiver)
    }

    /// What the stream is to send.
    pub(super) fn take(&self) -> Vec<wire::Probe> {
        std::mem::take(&mut self.lock().to_send)
    }

    /// An answer came.
    pub(super) fn answered(&self, answer: wire::ProbeAnswer) {
        if let Some(waiter) = self.lock().answers.remove(&answer.id) {
            // Whoever asked may have stopped waiting.
            let _ = waiter.send(answer);
        }
    }
}

impl Hub {
    /// What the host would do with a packet by the state that it holds.
    ///
    /// # Errors
    /// When it doesn't say.
    pub(crate) async fn probe(
        &self,
        host: &weft_model::HostName,
        before: &[Input],
        input: &Input,
    ) -> Result<Output, ProbeError> {
        let session = self.session(host).ok_or(ProbeError::Disconnected)?;
        let link = session.link().ok_or(ProbeError::Disconnected)?;
        let answer = link.probes.ask(before, input)?;
        link.wake();
        let answer = timeout(PATIENCE, answer).await;
        let answer = answer.ok().and_then(Result::ok).ok_or(ProbeError::Silent)?;
        read(answer).ok_or(ProbeError::Silent)
    }

    /// What the host is meant to hold, compiled as it would compile it.
    pub(crate) fn intended(&self, host: &Host, mtu: Mtu) -> Arc<Config> {
        let mut tables = Tables::new(TablesOptions {
            host: host.name.clone(),
            vtep: host.vtep,
            mtu,
        });
        let update = wire::Update {
            resources: self.desired_bodies(&host.name),
            ..wire::Update::default()
        };
        for (delta, _) in read_update(&update).deltas {
            // What a host would refuse has no effect there either.
            let _ = tables.apply(delta);
        }
        tables.publish()
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

fn packet(input: &Input) -> wire::ProbePacket {
    let (entrance, bytes) = match input {
        Input::FromPort { interface, frame } => (Entrance::FromPort(interface.to_string()), frame),
        Input::ToPort { interface, frame } => (Entrance::ToPort(interface.to_string()), frame),
        Input::FromTunnel { source, payload } => (Entrance::FromTunnel(octets(*source)), payload),
        Input::FromOutside { frame } => (Entrance::FromOutside(true), frame),
    };
    wire::ProbePacket {
        entrance: Some(entrance),
        bytes: bytes.clone(),
    }
}

/// `None` where it makes no sense.
fn read(answer: wire::ProbeAnswer) -> Option<Output> {
    use probe_answer::Outcome as Wire;
    let bytes = answer.bytes;
    let outcome = match answer.outcome? {
        Wire::Delivered(interface) => Outcome::Delivered {
            interface: interface.parse().ok()?,
            frame: bytes,
        },
        Wire::Forwarder(interface) => Outcome::Forwarder {
            interface: interface.parse().ok()?,
            frame: bytes,
        },
        Wire::Local(interface) => Outcome::Local {
            interface: interface.parse().ok()?,
            frame: bytes,
        },
        Wire::Tunnel(vtep) => Outcome::Tunnel {
            vtep: address(&vtep)?,
            vni: answer.vni.try_into().ok()?,
            payload: bytes,
        },
        Wire::Outside(_) => Outcome::Outside { frame: bytes },
        Wire::Answered(_) => Outcome::Answered,
        Wire::Dropped(step) => Outcome::Dropped {
            reason: step.reason,
            object: step.object,
            text: step.text,
        },
        Wire::NoPort(interface) => Outcome::NoSuchPort(interface.parse().ok()?),
    };
    Some(Output {
        steps: answer.steps.into_iter().map(line).collect(),
        outcome,
    })
}

fn line(step: ExplainStep) -> Line {
    Line {
        kind: step.kind,
        object: step.object,
        text: step.text,
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(octets).map(IpAddr::from);
    v4.or(v6).ok()
}
