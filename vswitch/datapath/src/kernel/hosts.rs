//! The other hosts, as the programs know them: what is written before each packet, and how the
//! underlay leads there.
//!
//! A flow names its host by slot, so a host that moves is one write. Which device and neighbour lead
//! to it is asked of the host's routing every so often; until it is known, and where it leads nowhere,
//! packets go through the engine and its sockets.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use aya::maps::{Array, MapData};

use super::layout::{AF_INET, Host, family, octets};
use crate::{
    Vtep,
    device::{Hop, hops_to},
};

/// How long a changed route of the underlay goes unnoticed at the most.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// Every host's slot.
pub(super) struct Hosts {
    own: Vtep,
    map: Array<MapData, Host>,
    /// By slot: its VTEP, and what was written.
    known: Vec<Option<(IpAddr, Hop)>>,
}

impl Hosts {
    pub(super) fn new(own: Vtep, map: Array<MapData, Host>) -> Self {
        Self {
            own,
            map,
            known: Vec::new(),
        }
    }

    /// Takes the VTEPs by slot; whether any is new.
    pub(super) fn set(&mut self, vteps: impl Iterator<Item = Option<IpAddr>>) -> bool {
        let mut changed = false;
        for (slot, vtep) in vteps.take(self.map.len() as usize).enumerate() {
            if slot >= self.known.len() {
                self.known.push(None);
            }
            if self.known[slot].map(|(vtep, _)| vtep) == vtep {
                continue;
            }
            changed = true;
            self.known[slot] = vtep.map(|vtep| (vtep, Hop::NOWHERE));
            self.write(slot);
        }
        changed
    }

    /// Whether a way to each is known.
    pub(super) fn knows_ways(&self) -> bool {
        let mut known = self.known.iter().flatten();
        known.all(|(_, hop)| hop.device != 0)
    }

    fn vteps(&self) -> Vec<IpAddr> {
        self.known.iter().flatten().map(|(vtep, _)| *vtep).collect()
    }

    /// Takes how VTEPs are reached.
    fn lead(&mut self, hops: &[(IpAddr, Hop)]) {
        for slot in 0..self.known.len() {
            let Some((vtep, before)) = self.known[slot] else {
                continue;
            };
            let found = hops.iter().find(|(to, _)| *to == vtep);
            if let Some(&(_, hop)) = found.filter(|(_, hop)| *hop != before) {
                self.known[slot] = Some((vtep, hop));
                self.write(slot);
            }
        }
    }

    fn write(&mut self, slot: usize) {
        let host = match self.known[slot] {
            Some((vtep, hop)) => entry(self.own, vtep, hop),
            None => Host::NONE,
        };
        if let Err(error) = self.map.set(slot as u32, host, 0) {
            // It goes on as it was; the next look tries again.
            tracing::warn!(slot, %error, "can't write a host's slot");
            self.known[slot] = None;
        }
    }
}

fn entry(own: Vtep, vtep: IpAddr, hop: Hop) -> Host {
    let mut host = Host {
        ifindex: hop.device,
        outer: family(vtep),
        next_family: family(hop.next),
        next: octets(hop.next),
        vtep: octets(vtep),
        ..Host::NONE
    };
    let at = outer(&mut host, own.address, vtep);
    let port = own.port.to_be_bytes();
    // UDP without a checksum (RFC 6935 over IPv6), VXLAN with a VNI.
    host.header[at + 2..at + 4].copy_from_slice(&port);
    host.header[at + 8] = 0x08;
    host
}

/// The outer IP header: 64 hops, never fragmented. Where UDP's begins.
fn outer(host: &mut Host, from: IpAddr, to: IpAddr) -> usize {
    let header = &mut host.header;
    if host.outer == AF_INET {
        header[..12].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0]);
        header[12..16].copy_from_slice(&octets(from)[..4]);
        header[16..20].copy_from_slice(&octets(to)[..4]);
        let words = header[..20].as_chunks::<2>().0;
        let sum: u32 = words
            .iter()
            .map(|&w| u32::from(u16::from_ne_bytes(w)))
            .sum();
        host.sum = (sum & 0xffff) + (sum >> 16);
        return 20;
    }
    header[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 0, 17, 64]);
    header[8..24].copy_from_slice(&octets(from));
    header[24..40].copy_from_slice(&octets(to));
    40
}

/// Asks the host's routing how its peers are reached, on a thread of its own.
pub(super) struct Scout {
    wake: SyncSender<()>,
}

impl Scout {
    /// It ends when the hosts are gone. It looks from the namespace of the calling thread.
    pub(super) fn start(hosts: &Arc<Mutex<Hosts>>) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let hosts = Arc::downgrade(hosts);
        let thread = std::thread::Builder::new().name("weft-underlay".into());
        thread.spawn(move || scout(&hosts, &woken))?;
        Ok(Self { wake })
    }

    /// Looks at once.
    pub(super) fn hurry(&self) {
        // One that waits already will see all of it.
        let _ = self.wake.try_send(());
    }
}

fn scout(hosts: &Weak<Mutex<Hosts>>, woken: &Receiver<()>) {
    loop {
        match woken.recv_timeout(BETWEEN_LOOKS) {
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
        }
        let Some(hosts) = hosts.upgrade() else {
            return;
        };
        let lock = || hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let vteps = lock().vteps();
        if vteps.is_empty() {
            continue;
        }
        match hops_to(&vteps) {
            Ok(hops) => lock().lead(&hops),
            Err(error) => tracing::warn!(%error, "can't read the underlay's routes"),
        }
    }
}
