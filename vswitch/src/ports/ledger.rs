//! Which devices this host has, in a file: a vswitch that was killed leaves persistent TAPs, and
//! the next one removes those whose ports went away meanwhile.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use weft_datapath::device::{self, Place};

/// The ledger can't be written: the run directory is full or gone.
#[derive(Debug, thiserror::Error)]
#[error("can't write {}: {source}; devices of removed ports may stay behind after a crash", .path.display())]
pub(crate) struct LedgerError {
    path: PathBuf,
    source: io::Error,
}

pub(super) struct Ledger {
    path: PathBuf,
    /// What the file says.
    written: BTreeSet<Place>,
    /// What a former process left.
    inherited: BTreeSet<Place>,
}

impl Ledger {
    pub(super) fn open(run_dir: &Path) -> Self {
        let path = run_dir.join("devices");
        // No file, or one that can't be read, leaves nothing to clean up after.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let written: BTreeSet<Place> = text.lines().filter_map(read_line).collect();
        Self {
            path,
            inherited: written.clone(),
            written,
        }
    }

    /// Writes down these devices, with what may still be left of a former process.
    pub(super) fn keep<'a>(&mut self, places: impl Iterator<Item = &'a Place>) {
        let mut wanted = self.inherited.clone();
        wanted.extend(places.cloned());
        if wanted == self.written {
            return;
        }
        match self.write(&wanted) {
            Ok(()) => self.written = wanted,
            Err(error) => tracing::warn!("{error}"),
        }
    }

    fn write(&self, places: &BTreeSet<Place>) -> Result<(), LedgerError> {
        let text: String = places.iter().map(write_line).collect();
        let new = self.path.with_extension("new");
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, &self.path))
            .map_err(|source| LedgerError {
                path: self.path.clone(),
                source,
            })
    }

    /// Ends the devices of a former process that nobody wants any more; once.
    pub(super) fn discard_except<'a>(&mut self, wanted: impl Iterator<Item = &'a Place>) {
        let wanted: BTreeSet<Place> = wanted.cloned().collect();
        for place in std::mem::take(&mut self.inherited) {
            if wanted.contains(&place) {
                continue;
            }
            match device::discard(&place) {
                Ok(()) => tracing::info!(%place, "removed a device that was left behind"),
                Err(error) if error.is_pending() => {}
                Err(error) => tracing::warn!(%error, "a device stays behind"),
            }
        }
        self.keep(wanted.iter());
    }
}

/// The device's name has no white space; the path may.
fn write_line(place: &Place) -> String {
    format!("{} {}\n", place.device, place.netns.display())
}

fn read_line(line: &str) -> Option<Place> {
    let (device, netns) = line.split_once(' ')?;
    Some(Place {
        device: device.parse().ok()?,
        netns: netns.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(device: &str) -> Place {
        Place {
            device: device.parse().unwrap(),
            netns: "/nowhere at all/x".into(),
        }
    }

    #[test]
    fn what_was_kept_is_inherited_by_the_next_and_dropped_once_unwanted() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (place("eth0"), place("eth1"));
        Ledger::open(dir.path()).keep([&a, &b].into_iter());
        let mut next = Ledger::open(dir.path());
        assert_eq!(next.inherited.len(), 2);
        next.keep([&a].into_iter());
        assert_eq!(Ledger::open(dir.path()).written.len(), 2);
        next.discard_except([&a].into_iter());
        assert_eq!(Ledger::open(dir.path()).written, BTreeSet::from([a]));
    }

    #[test]
    fn a_torn_file_is_read_as_far_as_it_makes_sense() {
        assert_eq!(read_line("eth0"), None);
        assert_eq!(read_line("a/b /run/netns/x"), None);
        assert!(read_line("eth0 /run/netns/x y").is_some());
    }
}
