//! Which devices this host has, in a file: a vswitch that was killed leaves persistent devices, and
//! the next one removes those whose ports went away meanwhile.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use weft_datapath::device::{self, DeviceSpec, Place};
use weft_model::InterfaceId;

/// The ledger can't be written: the run directory is full or gone.
#[derive(Debug, thiserror::Error)]
#[error("can't write {}: {source}; devices of removed ports may stay behind after a crash", .path.display())]
pub(crate) struct LedgerError {
    path: PathBuf,
    source: io::Error,
}

/// A port's devices.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    place: Place,
    /// Names the devices on the host; of a file from before there were any it isn't known.
    interface: Option<InterfaceId>,
}

impl Entry {
    pub(super) fn of(spec: &DeviceSpec) -> Self {
        Self {
            place: spec.place.clone(),
            interface: Some(spec.interface),
        }
    }
}

pub(super) struct Ledger {
    path: PathBuf,
    /// What the file says.
    written: BTreeSet<Entry>,
    /// What a former process left.
    inherited: BTreeSet<Entry>,
}

impl Ledger {
    pub(super) fn open(run_dir: &Path) -> Self {
        let path = run_dir.join("devices");
        // No file, or one that can't be read, leaves nothing to clean up after.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let written: BTreeSet<Entry> = text.lines().filter_map(read_line).collect();
        Self {
            path,
            inherited: written.clone(),
            written,
        }
    }

    /// Writes down these devices, with what may still be left of a former process.
    pub(super) fn keep(&mut self, entries: impl Iterator<Item = Entry>) {
        let mut wanted = self.inherited.clone();
        wanted.extend(entries);
        if wanted == self.written {
            return;
        }
        match self.write(&wanted) {
            Ok(()) => self.written = wanted,
            Err(error) => tracing::warn!("{error}"),
        }
    }

    fn write(&self, entries: &BTreeSet<Entry>) -> Result<(), LedgerError> {
        let text: String = entries.iter().map(write_line).collect();
        let new = self.path.with_extension("new");
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, &self.path))
            .map_err(|source| LedgerError {
                path: self.path.clone(),
                source,
            })
    }

    /// Ends the devices of a former process that nobody wants any more; once.
    pub(super) fn discard_except(&mut self, wanted: impl Iterator<Item = Entry>) {
        let wanted: BTreeSet<Entry> = wanted.collect();
        let places: BTreeSet<&Place> = wanted.iter().map(|entry| &entry.place).collect();
        let interfaces: BTreeSet<_> = wanted.iter().filter_map(|entry| entry.interface).collect();
        for Entry { place, interface } in std::mem::take(&mut self.inherited) {
            let pair = interface.filter(|interface| !interfaces.contains(interface));
            let ended = pair.map_or(Ok(false), device::discard_pair);
            let ended = match ended {
                Ok(false) if !places.contains(&place) => device::discard(&place).map(|()| true),
                other => other,
            };
            match ended {
                Ok(true) => tracing::info!(%place, "removed a device that was left behind"),
                Ok(false) => {}
                Err(error) if error.is_pending() => {}
                Err(error) => tracing::warn!(%error, "a device stays behind"),
            }
        }
        self.keep(wanted.into_iter());
    }
}

/// `DEVICE/INTERFACE NETNS`: neither of the first two has a slash or white space; the path may.
fn write_line(Entry { place, interface }: &Entry) -> String {
    let Place { netns, device } = place;
    let interface = interface.map(|interface| format!("/{interface}"));
    let interface = interface.unwrap_or_default();
    format!("{device}{interface} {}\n", netns.display())
}

fn read_line(line: &str) -> Option<Entry> {
    let (device, netns) = line.split_once(' ')?;
    let (device, interface) = match device.split_once('/') {
        Some((device, interface)) => (device, Some(interface.parse().ok()?)),
        None => (device, None),
    };
    let place = Place {
        device: device.parse().ok()?,
        netns: netns.into(),
    };
    Some(Entry { place, interface })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(device: &str) -> Entry {
        Entry {
            place: Place {
                device: device.parse().unwrap(),
                netns: "/nowhere at all/x".into(),
            },
            interface: Some(InterfaceId::from_bits(7)),
        }
    }

    #[test]
    fn what_was_kept_is_inherited_by_the_next_and_dropped_once_unwanted() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (entry("eth0"), entry("eth1"));
        Ledger::open(dir.path()).keep([a.clone(), b.clone()].into_iter());
        let mut next = Ledger::open(dir.path());
        assert_eq!(next.inherited.len(), 2);
        next.keep([a.clone()].into_iter());
        assert_eq!(Ledger::open(dir.path()).written.len(), 2);
        next.discard_except([a.clone()].into_iter());
        assert_eq!(Ledger::open(dir.path()).written, BTreeSet::from([a]));
    }

    #[test]
    fn a_torn_file_is_read_as_far_as_it_makes_sense() {
        assert_eq!(read_line("eth0"), None);
        assert_eq!(read_line("a/b /run/netns/x"), None);
        assert_eq!(read_line("eth0/eni-0000000000000 /run/netns/x"), None);
        assert!(read_line("eth0 /run/netns/x y").is_some());
        let entry = entry("eth0");
        assert_eq!(read_line(write_line(&entry).trim_end()), Some(entry));
    }
}
