//! The device of a port in the workload's namespace, with its addresses and routes: a TAP, or one end
//! of a veth pair where the kernel forwards.

mod edge;
mod hop;
mod link;
mod pair;
mod tap;
mod upcall;

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use weft_engine::config::{PortConfig, SubnetConfig};
use weft_model::{DeviceName, InterfaceId, Mac, Mtu};

use self::pair::{Names, Pair};
pub use self::{
    edge::EdgeDevice,
    link::{LinkError, mtu_of, name_of, networks_beside},
};
pub(crate) use self::{
    hop::{Hop, hops_to},
    upcall::UpcallDevice,
};
use crate::netns::{self, Identity, NetnsError};

/// Where a device is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file of the namespace that it is put in.
    pub netns: PathBuf,
    /// Its name there.
    pub device: DeviceName,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.device, self.netns.display())
    }
}

/// What joins a workload to the datapath.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wiring {
    /// A TAP in the workload's namespace, which a worker serves.
    Tap,
    /// A veth pair between the workload's namespace and the host's, where the kernel forwards, and a TAP
    /// on the host for what a worker has to do.
    Veth,
}

/// What a port's device has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSpec {
    /// What it is made of.
    pub wiring: Wiring,
    /// The interface: it names the devices on the host.
    pub interface: InterfaceId,
    /// Where it is.
    pub place: Place,
    /// Its MAC.
    pub mac: Mac,
    /// Its MTU.
    pub mtu: Mtu,
    /// Its IPv4 addresses, the primary first.
    pub ipv4: Vec<Ipv4Addr>,
    /// The IPv4 subnet's prefix length.
    pub prefix4: u8,
    /// The subnet's router: the IPv4 default route's gateway.
    pub gateway4: Ipv4Addr,
    /// The router's link-local address: the IPv6 default route's gateway.
    pub gateway6: Ipv6Addr,
    /// Its IPv6 addresses, each in a /64.
    pub ipv6: Vec<Ipv6Addr>,
}

impl DeviceSpec {
    /// The TAP of a configured port, below the directory of namespaces.
    pub fn new(port: &PortConfig, netns_dir: &Path) -> Self {
        Self {
            wiring: Wiring::Tap,
            interface: port.interface,
            place: Place {
                netns: netns_dir.join(port.netns.as_str()),
                device: port.device.clone(),
            },
            mac: port.mac,
            mtu: port.mtu,
            ipv4: port.addresses4().collect(),
            prefix4: port.subnet.ipv4.net().prefix_len(),
            gateway4: port.subnet.router4(),
            gateway6: SubnetConfig::router_link_local(),
            ipv6: port.ipv6.clone(),
        }
    }

    /// The same, made of this.
    #[must_use]
    pub fn wired(self, wiring: Wiring) -> Self {
        Self { wiring, ..self }
    }
}

/// Why a device could not be made or set up.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The namespace can't be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// `/dev/net/tun` is missing or closed to this user.
    #[error(
        "can't open /dev/net/tun: {0}; load the `tun` module (modprobe tun) and let this user \
         read and write the device"
    )]
    NoTun(io::Error),
    /// The name is taken by a device that is no free TAP.
    #[error("the name {place} is taken by another device or process: {source}")]
    Taken {
        /// Where.
        place: Place,
        /// The system's reason.
        source: io::Error,
    },
    /// The TAP can't be made or lacks a feature.
    #[error("can't {step} the TAP {place}: {source}{}", capability(.source))]
    Tap {
        /// What was tried.
        step: &'static str,
        /// Where.
        place: Place,
        /// The system's reason.
        source: io::Error,
    },
    /// Netlink refused a setting.
    #[error("the device {place}: {source}")]
    Link {
        /// Where.
        place: Place,
        /// What was refused.
        source: LinkError,
    },
}

impl DeviceError {
    /// Whether the namespace just isn't there yet.
    pub fn is_pending(&self) -> bool {
        match self {
            Self::Netns(NetnsError::Absent(_)) => true,
            // `ip netns add` makes the file first and mounts the namespace on it a moment later.
            Self::Netns(NetnsError::Enter { source, .. }) => *source == nix::Error::EINVAL,
            _ => false,
        }
    }
}

fn capability(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; CAP_NET_ADMIN is needed in the user namespace that owns it"
        }
        _ => "",
    }
}

/// A port's device, still down. Dropping it closes the descriptor; the device stays.
#[derive(Debug)]
pub struct Device {
    fd: OwnedFd,
    pair: Option<Pair>,
    spec: DeviceSpec,
    identity: Option<Identity>,
}

impl Device {
    /// Makes the device or finds it again, and gives it its MAC, MTU, addresses and routes, but
    /// leaves it as it was, up or down: a new one is down. One of the other wiring is replaced.
    ///
    /// The device is persistent, so it outlives this process with the workload's sockets on it;
    /// [`Device::remove`] ends it.
    ///
    /// # Errors
    /// The namespace is absent ([`DeviceError::is_pending`]) or a step is refused.
    pub fn open(spec: &DeviceSpec) -> Result<Self, DeviceError> {
        let identity = netns::identity(&spec.place.netns);
        let configure = || link::configure(spec).map_err(|source| link_error(spec, source));
        let (fd, pair) = match spec.wiring {
            Wiring::Tap => {
                pair::end(spec.interface)?;
                let fd = netns::within(&spec.place.netns, || {
                    let fd = tap::open(&spec.place)?;
                    configure()?;
                    Ok::<_, DeviceError>(fd)
                })??;
                (fd, None)
            }
            Wiring::Veth => {
                let (fd, pair) = pair::open(spec)?;
                netns::within(&spec.place.netns, configure)??;
                (fd, Some(pair))
            }
        };
        Ok(Self {
            fd,
            pair,
            spec: spec.clone(),
            identity,
        })
    }

    /// Sets the link up, with its routes: from now on the workload can send.
    ///
    /// # Errors
    /// Netlink refuses, or the namespace is gone.
    pub fn up(&self) -> Result<(), DeviceError> {
        let spec = &self.spec;
        if let Some(pair) = self.pair {
            pair::up(pair).map_err(|source| link_error(spec, source))?;
        }
        netns::within(&spec.place.netns, || link::up(spec))?
            .map_err(|source| link_error(spec, source))
    }

    /// Brings MTU and addresses to a newer wish for the same device.
    ///
    /// # Errors
    /// Netlink refuses, or the namespace is gone.
    pub fn reconfigure(&mut self, spec: &DeviceSpec) -> Result<(), DeviceError> {
        netns::within(&spec.place.netns, || {
            link::configure(spec)?;
            link::up(spec)
        })?
        .map_err(|source| link_error(spec, source))?;
        self.spec = spec.clone();
        Ok(())
    }

    /// What it was made to be.
    pub fn spec(&self) -> &DeviceSpec {
        &self.spec
    }

    /// The devices on the host, where the kernel forwards: the veth's end and the TAP.
    pub fn on_host(&self) -> Option<(DeviceName, DeviceName)> {
        let names = Names::of(self.spec.interface);
        self.pair.map(|_| (names.host_end(), names.upcall()))
    }

    /// Another descriptor of the TAP that a worker serves.
    ///
    /// # Errors
    /// No more descriptors.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.fd.try_clone()
    }

    /// Whether the namespace that it was made in is still the one at its path. An open TAP keeps
    /// a deleted namespace alive, so its owner asks this and lets go.
    pub fn is_home(&self) -> bool {
        netns::identity(&self.spec.place.netns) == self.identity
    }

    /// Ends the device: it disappears with its last descriptor.
    ///
    /// # Errors
    /// The kernel refuses to end its persistence, or to remove the pair.
    pub fn remove(self) -> Result<(), DeviceError> {
        let ended = tap::set_persistent(&self.fd, false);
        ended.map_err(|source| DeviceError::Tap {
            step: "end",
            place: self.spec.place.clone(),
            source,
        })?;
        drop(self.fd);
        if self.pair.is_some() {
            pair::end(self.spec.interface)?;
        }
        Ok(())
    }
}

/// Ends a TAP that a former process kept, wherever it came from.
///
/// # Errors
/// The namespace can't be entered, or another process holds the device.
pub fn discard(place: &Place) -> Result<(), DeviceError> {
    netns::within(&place.netns, || tap::end(place))?
}

/// Ends what a former process kept on the host for an interface, and so its end in the workload; whether
/// there was anything.
///
/// # Errors
/// Netlink refuses, or another process holds a device.
pub fn discard_pair(interface: InterfaceId) -> Result<bool, DeviceError> {
    pair::end(interface)
}

fn link_error(spec: &DeviceSpec, source: LinkError) -> DeviceError {
    DeviceError::Link {
        place: spec.place.clone(),
        source,
    }
}
