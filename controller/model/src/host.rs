//! The substrate: regions, their zones, and the hosts that run vswitches.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    meta::Meta,
    name::{DeviceName, HostName, RegionName, ZoneName},
};

/// A set of zones; VPCs live in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Its name, unique in the cloud.
    pub name: RegionName,
    /// Bookkeeping.
    pub meta: Meta,
}

/// A failure domain of a region; a subnet lives in one zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Its name, unique in the cloud.
    pub name: ZoneName,
    /// The region that it is part of.
    pub region: RegionName,
    /// Bookkeeping.
    pub meta: Meta,
}

/// One machine that runs a vswitch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name, unique in the cloud: what `weft vswitch --host` says.
    pub name: HostName,
    /// The zone that it stands in.
    pub zone: ZoneName,
    /// The underlay address of its VTEP; unique in the cloud.
    pub vtep: IpAddr,
    /// The device that leads to the internet: with one, the host is an edge.
    #[serde(default)]
    pub uplink: Option<DeviceName>,
    /// Bookkeeping.
    pub meta: Meta,
}
