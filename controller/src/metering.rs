//! What interfaces used, hour by hour.
//!
//! Hosts tell sums since their process began; the difference to what they told before goes to the
//! present hour. Hours and sums are saved in one file, so that a restart of either side counts
//! nothing twice, and a crash of this one nothing less: the hosts still have the sums. It isn't
//! configuration: no revision, no plan follows from it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use weft_model::{AccountId, HostName, InterfaceId};
use weft_proto::{sync::v1::Used, v1::MeterRow};

/// Hours that are kept: a week.
pub(crate) const HOURS: u64 = 7 * 24;
/// Lines that are kept, of every hour; past it the oldest hours go.
const MOST: usize = 200_000;
/// The file's name.
const FILE: &str = "meters.json";
const HOUR: u64 = 3_600;

/// How far away the other end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reach {
    Zone,
    AcrossZones,
    Internet,
}

impl Reach {
    const ALL: [Self; 3] = [Self::Zone, Self::AcrossZones, Self::Internet];

    const fn text(self) -> &'static str {
        match self {
            Self::Zone => "zone",
            Self::AcrossZones => "across-zones",
            Self::Internet => "internet",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reach| reach.text() == text)
    }
}

/// Packets and bytes sent, packets and bytes received, connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Usage([u64; 5]);

impl Usage {
    const fn of(used: &Used) -> Self {
        Self([
            used.sent_packets,
            used.sent_bytes,
            used.received_packets,
            used.received_bytes,
            used.connections,
        ])
    }

    fn add(&mut self, more: Self) {
        for (sum, more) in self.0.iter_mut().zip(more.0) {
            *sum = sum.saturating_add(more);
        }
    }

    /// What came on top of `before`; all of it where that can't be before.
    fn since(self, before: Self) -> Self {
        let grown = self.0.iter().zip(before.0).all(|(now, then)| *now >= then);
        if !grown {
            return self;
        }
        let mut more = self;
        for (now, then) in more.0.iter_mut().zip(before.0) {
            *now -= then;
        }
        more
    }
}

type Line = (InterfaceId, Reach);

/// What a host's process told last.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Told {
    instance: u64,
    sums: Vec<(Line, Usage)>,
}

/// The file's content.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    told: Vec<(HostName, Told)>,
    hours: Vec<(u64, Vec<(Line, Usage)>)>,
}

#[derive(Debug, Default)]
struct Inner {
    told: BTreeMap<HostName, (u64, BTreeMap<Line, Usage>)>,
    /// By the hour's number since 1970.
    hours: BTreeMap<u64, BTreeMap<Line, Usage>>,
    account: AccountId,
    file: Option<PathBuf>,
    unsaved: bool,
}

/// The meters of the whole cloud.
#[derive(Debug, Default)]
pub struct Metering(Mutex<Inner>);

impl Metering {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on from what was saved in the directory, and saves there. A file that can't be read is
    /// left behind under another name: metering never keeps a controller from starting.
    pub fn keep_in(&self, data: &Path, account: &AccountId) {
        let file = data.join(FILE);
        let mut inner = self.lock();
        match load(&file) {
            Ok(saved) => inner.take(saved),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "meters begin anew");
                // Where even that fails the next save overwrites it.
                let _ = fs::rename(&file, file.with_extension("json.unreadable"));
            }
        }
        inner.account = account.clone();
        inner.file = Some(file);
    }

    /// Takes a host's report.
    pub(crate) fn absorb(&self, host: &HostName, instance: u64, used: &[Used]) {
        self.lock().absorb(host, instance, used, hour_now());
    }

    /// What was used in the last hours, the present one counted; of one interface, or in all.
    pub(crate) fn query(
        &self,
        interface: Option<InterfaceId>,
        hours: u64,
        per_account: bool,
    ) -> Vec<MeterRow> {
        let inner = self.lock();
        let first = (hour_now() + 1).saturating_sub(hours);
        let mut rows = Vec::new();
        for (&hour, lines) in inner.hours.range(first..) {
            let mut sums: BTreeMap<(Option<InterfaceId>, Reach), Usage> = BTreeMap::new();
            for (&(id, reach), &usage) in lines {
                if interface.is_none_or(|wanted| wanted == id) {
                    let key = (Some(id).filter(|_| !per_account), reach);
                    sums.entry(key).or_default().add(usage);
                }
            }
            let row = |((id, reach), usage)| row(hour, &inner.account, id, reach, usage);
            rows.extend(sums.into_iter().map(row));
        }
        rows
    }

    /// Writes what changed since the last time.
    pub(crate) fn save(&self) {
        let (file, text) = {
            let mut inner = self.lock();
            let Some(file) = inner.file.clone().filter(|_| inner.unsaved) else {
                return;
            };
            inner.unsaved = false;
            (file, serde_json::to_vec(&inner.saved()))
        };
        let written = text
            .map_err(io::Error::other)
            .and_then(|text| replace(&file, &text));
        if let Err(error) = written {
            tracing::warn!(file = %file.display(), %error, "the meters can't be saved");
            self.lock().unsaved = true;
        }
    }
}

impl Inner {
    fn absorb(&mut self, host: &HostName, instance: u64, used: &[Used], hour: u64) {
        let told = self.told.entry(host.clone()).or_default();
        if told.0 != instance {
            *told = (instance, BTreeMap::new());
        }
        for used in used {
            let (Ok(interface), Some(reach)) = (used.interface.parse(), Reach::parse(&used.reach))
            else {
                continue;
            };
            let line = (interface, reach);
            let sum = Usage::of(used);
            let before = told.1.insert(line, sum).unwrap_or_default();
            let more = sum.since(before);
            if more != Usage::default() {
                let lines = self.hours.entry(hour).or_default();
                lines.entry(line).or_default().add(more);
                self.unsaved = true;
            }
        }
        self.forget(hour);
    }

    fn forget(&mut self, now: u64) {
        let count = |hours: &BTreeMap<u64, BTreeMap<Line, Usage>>| -> usize {
            hours.values().map(BTreeMap::len).sum()
        };
        while let Some((&oldest, _)) = self.hours.first_key_value() {
            let old = oldest + HOURS <= now;
            if !old && (oldest == now || count(&self.hours) <= MOST) {
                return;
            }
            self.hours.pop_first();
        }
    }

    fn saved(&self) -> Saved {
        let lines = |lines: &BTreeMap<Line, Usage>| lines.iter().map(|(l, u)| (*l, *u)).collect();
        let told = self.told.iter().map(|(host, (instance, sums))| {
            let told = Told {
                instance: *instance,
                sums: lines(sums),
            };
            (host.clone(), told)
        });
        let hours = self.hours.iter().map(|(hour, used)| (*hour, lines(used)));
        Saved {
            told: told.collect(),
            hours: hours.collect(),
        }
    }

    fn take(&mut self, saved: Saved) {
        let told = saved.told.into_iter();
        self.told = told
            .map(|(host, told)| (host, (told.instance, told.sums.into_iter().collect())))
            .collect();
        let hours = saved.hours.into_iter();
        self.hours = hours
            .map(|(hour, lines)| (hour, lines.into_iter().collect()))
            .collect();
    }
}

fn row(
    hour: u64,
    account: &AccountId,
    interface: Option<InterfaceId>,
    reach: Reach,
    usage: Usage,
) -> MeterRow {
    let [
        sent_packets,
        sent_bytes,
        received_packets,
        received_bytes,
        connections,
    ] = usage.0;
    MeterRow {
        hour: hour * HOUR,
        account: account.to_string(),
        interface: interface.map_or_else(String::new, |id| id.to_string()),
        reach: reach.text().to_owned(),
        sent_packets,
        sent_bytes,
        received_packets,
        received_bytes,
        connections,
    }
}

fn hour_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() / HOUR)
}

/// What is in the file; nothing where there is none.
fn load(file: &Path) -> io::Result<Saved> {
    match fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Saved::default()),
        Err(error) => Err(error),
    }
}

/// Whole or not at all.
fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let new = file.with_extension("json.new");
    fs::write(&new, text)?;
    fs::rename(new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENI: InterfaceId = InterfaceId::from_bits(1);

    fn used(sent: u64) -> Vec<Used> {
        vec![Used {
            interface: ENI.to_string(),
            reach: "zone".to_owned(),
            sent_packets: sent,
            ..Default::default()
        }]
    }

    fn host() -> HostName {
        "h1".parse().unwrap()
    }

    fn sent(metering: &Metering) -> u64 {
        let rows = metering.query(Some(ENI), 1, false);
        rows.iter().map(|row| row.sent_packets).sum()
    }

    #[test]
    fn a_sum_told_twice_counts_once() {
        let metering = Metering::default();
        metering.absorb(&host(), 7, &used(10));
        metering.absorb(&host(), 7, &used(10));
        metering.absorb(&host(), 7, &used(12));
        assert_eq!(sent(&metering), 12);
    }

    #[test]
    fn a_new_process_of_a_host_begins_from_nothing() {
        let metering = Metering::default();
        metering.absorb(&host(), 7, &used(10));
        metering.absorb(&host(), 8, &used(4));
        assert_eq!(sent(&metering), 14);
    }

    #[test]
    fn a_restart_counts_nothing_twice() {
        let dir = tempfile::tempdir().unwrap();
        let account = AccountId::default();
        let before = Metering::default();
        before.keep_in(dir.path(), &account);
        before.absorb(&host(), 7, &used(10));
        before.save();
        let after = Metering::default();
        after.keep_in(dir.path(), &account);
        assert_eq!(sent(&after), 10);
        after.absorb(&host(), 7, &used(11));
        assert_eq!(sent(&after), 11);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{").unwrap();
        let metering = Metering::default();
        metering.keep_in(dir.path(), &AccountId::default());
        assert_eq!(sent(&metering), 0);
        assert!(dir.path().join("meters.json.unreadable").exists());
    }

    #[test]
    fn hours_are_forgotten_after_a_week() {
        let metering = Metering::default();
        let mut inner = metering.lock();
        inner.absorb(&host(), 7, &used(1), 1_000);
        inner.absorb(&host(), 7, &used(2), 1_000 + HOURS);
        assert_eq!(
            inner.hours.keys().copied().collect::<Vec<_>>(),
            [1_000 + HOURS]
        );
    }
}
