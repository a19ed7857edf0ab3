//! Answers what would become of a packet here.

use std::net::IpAddr;

use weft_engine::{
    Config,
    explain::{self, Input, Line, Outcome, Output},
};
use weft_proto::{
    sync::v1::{self as wire, probe_answer, probe_packet::Entrance},
    v1::ExplainStep,
};

/// Runs the probe on the configuration that all workers judge by. `None` where it makes no sense:
/// only a broken controller sends such.
pub(super) fn answer(config: &Config, probe: &wire::Probe) -> Option<wire::ProbeAnswer> {
    let before: Option<Vec<Input>> = probe.before.iter().map(input).collect();
    let output = explain::run(config, &before?, &input(probe.packet.as_ref()?)?);
    Some(write(probe.id, output))
}

fn input(packet: &wire::ProbePacket) -> Option<Input> {
    let bytes = packet.bytes.clone();
    Some(match packet.entrance.as_ref()? {
        Entrance::FromPort(interface) => Input::FromPort {
            interface: interface.parse().ok()?,
            frame: bytes,
        },
        Entrance::ToPort(interface) => Input::ToPort {
            interface: interface.parse().ok()?,
            frame: bytes,
        },
        Entrance::FromTunnel(vtep) => Input::FromTunnel {
            source: address(vtep)?,
            payload: bytes,
        },
        Entrance::FromOutside(_) => Input::FromOutside { frame: bytes },
    })
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(octets).map(IpAddr::from);
    v4.or(v6).ok()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

fn write(id: u64, output: Output) -> wire::ProbeAnswer {
    use probe_answer::Outcome as Wire;
    let (outcome, bytes, vni) = match output.outcome {
        Outcome::Delivered { interface, frame } => {
            (Wire::Delivered(interface.to_string()), frame, 0)
        }
        Outcome::Forwarder { interface, frame } => {
            (Wire::Forwarder(interface.to_string()), frame, 0)
        }
        Outcome::Local { interface, frame } => (Wire::Local(interface.to_string()), frame, 0),
        Outcome::Tunnel { vtep, vni, payload } => (Wire::Tunnel(octets(vtep)), payload, vni.get()),
        Outcome::Outside { frame } => (Wire::Outside(true), frame, 0),
        Outcome::Answered => (Wire::Answered(true), Vec::new(), 0),
        Outcome::Dropped {
            reason,
            object,
            text,
        } => {
            let kind = "drop".to_owned();
            let step = ExplainStep {
                kind,
                object,
                text,
                reason,
            };
            (Wire::Dropped(step), Vec::new(), 0)
        }
        Outcome::NoSuchPort(interface) => (Wire::NoPort(interface.to_string()), Vec::new(), 0),
    };
    wire::ProbeAnswer {
        id,
        steps: output.steps.into_iter().map(step).collect(),
        outcome: Some(outcome),
        bytes,
        vni,
    }
}

fn step(line: Line) -> ExplainStep {
    ExplainStep {
        kind: line.kind,
        object: line.object,
        text: line.text,
        reason: String::new(),
    }
}
