//! The devices of a port in the vswitch's own namespace, where the kernel forwards for it: the host's
//! end of a veth pair whose other end is the workload's device, and a TAP by which a worker gets what
//! the kernel doesn't forward, and gives it back.
//!
//! Both are for programs only, so the host's own stack takes nothing from them and sends nothing to
//! them: they have no address, no ARP and no IPv6, and reject every source.

use std::{
    fmt, fs,
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
    path::PathBuf,
};

use futures::TryStreamExt as _;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage,
};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth};
use weft_model::{DeviceName, InterfaceId};

use super::{
    DeviceError, DeviceSpec, Place,
    link::{LinkError, QUEUE, converse, index_of, is_absent, refused},
    link_error, tap,
};
use crate::netns;

/// Hex digits of an interface's id that fit into a name beside two letters: the last ones, 52 of its 64
/// random bits.
const DIGITS: usize = 13;
const BITS: u64 = (1 << (4 * DIGITS)) - 1;

/// As large as a TAP's may be: a workload that sends more than its port's MTU gets an answer from the
/// engine, so nothing on the way there may drop it.
const MTU: u32 = 65_521;

/// The names of a port's devices on its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Names(InterfaceId);

impl Names {
    pub(super) const fn of(interface: InterfaceId) -> Self {
        Self(interface)
    }

    fn named(self, letters: impl fmt::Display) -> DeviceName {
        let digits = self.0.bits() & BITS;
        format!("{letters}{digits:0DIGITS$x}")
            .parse()
            .expect("two letters and 13 hex digits are a device's name")
    }

    pub(super) fn host_end(self) -> DeviceName {
        self.named("wv")
    }

    pub(super) fn upcall(self) -> DeviceName {
        self.named("wu")
    }

    fn upcall_place(self) -> Place {
        Place {
            netns: PathBuf::from("/proc/self/ns/net"),
            device: self.upcall(),
        }
    }
}

/// The devices on the host, by their indexes in the vswitch's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    host_end: u32,
    upcall: u32,
}

/// A link as netlink shows it.
struct Seen {
    index: u32,
    is_veth: bool,
    /// The index of a veth's other end, in whichever namespace.
    peer: Option<u32>,
}

/// Makes both devices or finds them again, down if they are new; the TAP's descriptor is the worker's.
/// The workload's end has no settings yet.
pub(super) fn open(spec: &DeviceSpec) -> Result<(OwnedFd, Pair), DeviceError> {
    let names = Names::of(spec.interface);
    let home = netns::open(&spec.place.netns)?;
    let inside = netns::within(&spec.place.netns, || make_way(spec))??;
    let upcall = names.upcall_place();
    let fd = tap::open(&upcall)?;
    let pair = converse(|handle| async move {
        let host_end = names.host_end();
        let host_end = match look(&handle, &host_end).await? {
            Some(seen) if inside.is_some_and(|end| end.joins(&seen)) => seen.index,
            Some(seen) => {
                delete(&handle, seen.index).await?;
                make(&handle, spec, &host_end, home.as_fd()).await?
            }
            None => make(&handle, spec, &host_end, home.as_fd()).await?,
        };
        let upcall = index_of(&handle, names.upcall().as_str()).await?;
        Ok(Pair { host_end, upcall })
    });
    let pair = pair.map_err(|source| link_error(spec, source))?;
    for device in [names.host_end(), names.upcall()] {
        shut(&device);
    }
    describe(spec, pair).map_err(|source| link_error(spec, source))?;
    Ok((fd, pair))
}

impl Seen {
    fn joins(&self, other: &Self) -> bool {
        let both = self.is_veth && other.is_veth;
        both && self.peer == Some(other.index) && other.peer == Some(self.index)
    }
}

/// Frees the name in the workload's namespace of a TAP that the userspace datapath kept; what else has
/// the name.
fn make_way(spec: &DeviceSpec) -> Result<Option<Seen>, DeviceError> {
    let name = &spec.place.device;
    let find = || {
        converse(|handle| async move { look(&handle, name).await })
            .map_err(|source| link_error(spec, source))
    };
    match find()? {
        Some(seen) if seen.is_veth => Ok(Some(seen)),
        Some(_) => {
            tap::end(&spec.place)?;
            Ok(None)
        }
        None => Ok(None),
    }
}

async fn look(handle: &Handle, name: &DeviceName) -> Result<Option<Seen>, LinkError> {
    let mut links = handle
        .link()
        .get()
        .match_name(name.as_str().to_owned())
        .execute();
    match links.try_next().await {
        Ok(link) => Ok(link.map(|message| seen(&message))),
        Err(error) if is_absent(&error) => Ok(None),
        Err(source) => Err(refused("look the device up")(source)),
    }
}

fn seen(message: &LinkMessage) -> Seen {
    let attributes = &message.attributes;
    let is_veth = attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos.contains(&LinkInfo::Kind(InfoKind::Veth)),
        _ => false,
    });
    let peer = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Link(index) => Some(*index),
        _ => None,
    });
    Seen {
        index: message.header.index,
        is_veth,
        peer,
    }
}

/// Makes the pair with its other end in the workload's namespace at once, so that no name of a
/// workload's is ever seen on the host.
async fn make(
    handle: &Handle,
    spec: &DeviceSpec,
    host_end: &DeviceName,
    home: std::os::fd::BorrowedFd<'_>,
) -> Result<u32, LinkError> {
    let far = LinkMessageBuilder::<LinkUnspec>::new()
        .name(spec.place.device.as_str())
        .address(spec.mac.octets().to_vec())
        .mtu(spec.mtu.into())
        .setns_by_fd(home.as_raw_fd())
        .build();
    let pair = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
        .name(host_end.as_str())
        .set_info_data(InfoData::Veth(InfoVeth::Peer(far)))
        .build();
    let add = handle.link().add(pair).execute().await;
    add.map_err(refused("make the veth pair"))?;
    index_of(handle, host_end.as_str()).await
}

async fn delete(handle: &Handle, index: u32) -> Result<(), LinkError> {
    match handle.link().del(index).execute().await {
        Err(error) if !is_absent(&error) => Err(refused("remove the veth pair")(error)),
        _ => Ok(()),
    }
}

/// Closes the host's stack to a device. What can't be set is said: the programs take every packet
/// before the stack does, so this matters only where one is missing.
fn shut(device: &DeviceName) {
    for (setting, value) in [
        ("ipv6", "disable_ipv6", "1"),
        ("ipv4", "forwarding", "0"),
        // No route leads to it, so every source is a wrong one.
        ("ipv4", "rp_filter", "1"),
    ]
    .map(|(family, name, value)| (format!("{family}/conf/{device}/{name}"), value))
    {
        match fs::write(format!("/proc/sys/net/{setting}"), value) {
            Ok(()) => {}
            // A kernel without IPv6.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%setting, %error, "can't set"),
        }
    }
}

/// Sizes, and a name for people.
fn describe(spec: &DeviceSpec, pair: Pair) -> Result<(), LinkError> {
    let what = format!("{} of {}", spec.place, spec.interface);
    converse(|handle| async move {
        for index in [pair.host_end, pair.upcall] {
            let link = LinkUnspec::new_with_index(index)
                .mtu(MTU)
                .arp(false)
                .alias(what.clone());
            let link = if index == pair.upcall {
                link.txqueuelen(QUEUE)
            } else {
                link
            };
            let set = handle.link().set(link.build()).execute().await;
            set.map_err(refused("set the MTU on the host"))?;
        }
        Ok(())
    })
}

/// Sets both devices up, once programs take all that comes in by them.
pub(super) fn up(pair: Pair) -> Result<(), LinkError> {
    converse(|handle| async move {
        for index in [pair.upcall, pair.host_end] {
            let link = LinkUnspec::new_with_index(index).up().build();
            let set = handle.link().set(link).execute().await;
            set.map_err(refused("set the device up on the host"))?;
        }
        Ok(())
    })
}

/// Ends the devices that the port may have on the host, and so the workload's end; whether there were
/// any.
pub(super) fn end(interface: InterfaceId) -> Result<bool, DeviceError> {
    let names = Names::of(interface);
    let there = |name: &DeviceName| nix::net::if_::if_nametoindex(name.as_str()).is_ok();
    let (host_end, upcall) = (names.host_end(), names.upcall());
    let (veth, tap) = (there(&host_end), there(&upcall));
    if veth {
        let gone = converse(|handle| async move {
            match look(&handle, &host_end).await? {
                Some(seen) => delete(&handle, seen.index).await,
                None => Ok(()),
            }
        });
        gone.map_err(|source| DeviceError::Link {
            place: Place {
                device: names.host_end(),
                ..names.upcall_place()
            },
            source,
        })?;
    }
    if tap {
        tap::end(&names.upcall_place())?;
    }
    Ok(veth || tap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_a_device_and_show_the_interfaces_id() {
        let interface: InterfaceId = "eni-0a1b2c3d4e5f67890".parse().unwrap();
        let names = Names::of(interface);
        assert_eq!(names.host_end().as_str(), "wv2c3d4e5f67890");
        assert_eq!(names.upcall().as_str(), "wu2c3d4e5f67890");
    }
}
