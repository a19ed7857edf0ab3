//! A flow log's record and its line.

use std::{fmt::Write as _, net::IpAddr, sync::Arc};

use weft_model::{
    InterfaceId, LogField, LogScope, NetnsName, SubnetId, VpcId, ZoneName, state::FlowLogState,
};

use crate::{config::PortConfig, drop::DropReason, time::Now};

/// What a record says of the interface: kept with it, since the port may be gone by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFacts {
    /// The interface.
    pub interface: InterfaceId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its zone.
    pub zone: ZoneName,
    /// What it is plugged into.
    pub netns: NetnsName,
}

impl PortFacts {
    pub(crate) fn of(port: &PortConfig) -> Self {
        Self {
            interface: port.interface,
            vpc: port.vpc,
            subnet: port.subnet_id,
            zone: port.subnet.zone.clone(),
            netns: port.netns.clone(),
        }
    }

    /// Whether a flow log of this scope is about it.
    pub(crate) fn is_in(&self, scope: LogScope) -> bool {
        match scope {
            LogScope::Vpc(id) => self.vpc == id,
            LogScope::Subnet(id) => self.subnet == id,
            LogScope::Interface(id) => self.interface == id,
        }
    }
}

/// Packets of one sender to one receiver that met the same fate at an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// The protocol's number.
    pub protocol: u8,
    /// The sender, as the interface knows it.
    pub src: IpAddr,
    /// The receiver.
    pub dst: IpAddr,
    /// Their ports; 0 where the protocol has none.
    pub ports: (u16, u16),
    /// Whether the interface sent it.
    pub egress: bool,
    /// Why it was dropped; `None` where it passed.
    pub reject: Option<DropReason>,
    /// Frames.
    pub packets: u64,
    /// Bytes of IP.
    pub bytes: u64,
    /// The union of FIN 1, SYN 2, RST 4 and SYN-ACK 18.
    pub tcp_flags: u8,
    /// Sender and receiver on the wire.
    pub on_wire: (IpAddr, IpAddr),
    /// What carries it away: 1 the VPC, 4 a peer, 8 the internet gateway.
    pub path: Option<u8>,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogData {
    /// Some traffic.
    Traffic(Traffic),
    /// There was none.
    Nothing,
    /// There was more than is remembered.
    Skipped,
}

/// One line of a flow log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The log.
    pub log: Arc<FlowLogState>,
    /// The interface.
    pub port: Arc<PortFacts>,
    /// When the first packet came, or the window began.
    pub start: Now,
    /// When the last one came, or the window ended.
    pub end: Now,
    /// What happened.
    pub data: LogData,
}

impl LogRecord {
    /// The line, without its end; `epoch` is the Unix time of [`Now`]'s zero, in nanoseconds.
    pub fn line(&self, epoch: u64) -> String {
        let mut line = String::new();
        for &field in self.log.format.fields() {
            if !line.is_empty() {
                line.push(' ');
            }
            if self.put(&mut line, field, epoch).is_none() {
                line.push('-');
            }
        }
        line
    }

    fn traffic(&self) -> Option<&Traffic> {
        match &self.data {
            LogData::Traffic(traffic) => Some(traffic),
            LogData::Nothing | LogData::Skipped => None,
        }
    }

    /// Writes a field, where there is anything to write.
    fn put(&self, line: &mut String, field: LogField, epoch: u64) -> Option<()> {
        let seconds = |now: Now| (epoch + now.0) / Now::SECOND;
        let traffic = || self.traffic();
        let done = match field {
            LogField::Version => write!(line, "{}", self.version()),
            LogField::AccountId => write!(line, "{}", self.log.account),
            LogField::InterfaceId => write!(line, "{}", self.port.interface),
            LogField::VpcId => write!(line, "{}", self.port.vpc),
            LogField::SubnetId => write!(line, "{}", self.port.subnet),
            LogField::InstanceId => write!(line, "{}", self.port.netns),
            LogField::Region => write!(line, "{}", self.log.region),
            LogField::AzId => write!(line, "{}", self.port.zone),
            LogField::Start => write!(line, "{}", seconds(self.start)),
            LogField::End => write!(line, "{}", seconds(self.end)),
            LogField::LogStatus => write!(line, "{}", self.status()),
            LogField::SrcAddr => write!(line, "{}", traffic()?.src),
            LogField::DstAddr => write!(line, "{}", traffic()?.dst),
            LogField::SrcPort => write!(line, "{}", traffic()?.ports.0),
            LogField::DstPort => write!(line, "{}", traffic()?.ports.1),
            LogField::Protocol => write!(line, "{}", traffic()?.protocol),
            LogField::Packets => write!(line, "{}", traffic()?.packets),
            LogField::Bytes => write!(line, "{}", traffic()?.bytes),
            LogField::Action => write!(line, "{}", traffic()?.action()),
            LogField::TcpFlags => write!(line, "{}", traffic()?.tcp_flags),
            LogField::Type => write!(line, "{}", traffic()?.family()),
            LogField::PktSrcAddr => write!(line, "{}", traffic()?.on_wire.0),
            LogField::PktDstAddr => write!(line, "{}", traffic()?.on_wire.1),
            LogField::FlowDirection => write!(line, "{}", traffic()?.direction()),
            LogField::TrafficPath => write!(line, "{}", traffic()?.path?),
            LogField::RejectReason => write!(line, "{}", traffic()?.reject?.code()),
        };
        debug_assert!(done.is_ok(), "a string takes everything");
        Some(())
    }

    fn status(&self) -> &'static str {
        match self.data {
            LogData::Traffic(_) => "OK",
            LogData::Nothing => "NODATA",
            LogData::Skipped => "SKIPDATA",
        }
    }

    /// The newest version whose fields the line has.
    fn version(&self) -> u8 {
        let fields = self.log.format.fields().iter();
        fields.map(|&field| since(field)).max().unwrap_or(2)
    }
}

impl Traffic {
    const fn action(&self) -> &'static str {
        match self.reject {
            None => "ACCEPT",
            Some(_) => "REJECT",
        }
    }

    const fn family(&self) -> &'static str {
        if self.src.is_ipv4() { "IPv4" } else { "IPv6" }
    }

    const fn direction(&self) -> &'static str {
        if self.egress { "egress" } else { "ingress" }
    }
}

/// The version of the format that a field came with.
const fn since(field: LogField) -> u8 {
    match field {
        LogField::VpcId
        | LogField::SubnetId
        | LogField::InstanceId
        | LogField::TcpFlags
        | LogField::Type
        | LogField::PktSrcAddr
        | LogField::PktDstAddr => 3,
        LogField::Region | LogField::AzId => 4,
        LogField::FlowDirection | LogField::TrafficPath => 5,
        LogField::RejectReason => 8,
        _ => 2,
    }
}
