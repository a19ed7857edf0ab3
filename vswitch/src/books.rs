//! What the datapath wrote down: flow logs go to files, meters wait for the controller.

mod file;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use weft_datapath::{Datapath, WorkerError};
use weft_engine::watch::Meter;
use weft_model::{FlowLogId, InterfaceId};

use self::file::LogFile;
use crate::host::Host;

/// How often the workers are asked.
const EVERY: Duration = Duration::from_secs(1);
/// Interfaces whose usage is remembered after they are gone: the newest ids are as good as any.
const MOST_METERS: usize = 100_000;

/// Flow logs' files, and what interfaces used since the start.
pub(crate) struct Books {
    dir: PathBuf,
    files: BTreeMap<FlowLogId, LogFile>,
    meters: BTreeMap<InterfaceId, Meter>,
}

impl Books {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            files: BTreeMap::new(),
            meters: BTreeMap::new(),
        }
    }

    /// Takes what the workers have.
    ///
    /// # Errors
    /// A worker hangs.
    pub(crate) fn keep(&mut self, datapath: &Datapath, flush: bool) -> Result<(), WorkerError> {
        let (records, lost) = datapath.take_records(flush)?;
        if lost > 0 {
            tracing::warn!(lost, "flow log records came faster than they were written");
        }
        let mut lines: BTreeMap<FlowLogId, Vec<String>> = BTreeMap::new();
        for record in records {
            let line = record.line(datapath.epoch());
            lines.entry(record.log.id).or_default().push(line);
        }
        for (id, lines) in lines {
            let path = self.path(id);
            let file = self.files.entry(id).or_insert_with(|| LogFile::new(path));
            if let Err(error) = file.append(lines) {
                tracing::warn!(flow_log = %id, %error, "a flow log can't be written");
            }
        }
        self.meter(datapath)
    }

    fn meter(&mut self, datapath: &Datapath) -> Result<(), WorkerError> {
        for (interface, used) in datapath.take_meters()? {
            if self.meters.len() >= MOST_METERS && !self.meters.contains_key(&interface) {
                self.meters.pop_first();
            }
            self.meters.entry(interface).or_default().add(&used);
        }
        Ok(())
    }

    /// The file of a log.
    pub(crate) fn path(&self, id: FlowLogId) -> PathBuf {
        self.dir.join(format!("{id}.log"))
    }

    /// The log's lines after the one with this number, at most `limit`, the newest where there are
    /// more; and the last line's number.
    pub(crate) fn lines(&self, id: FlowLogId, after: u64, limit: usize) -> (Vec<String>, u64) {
        let file = self.files.get(&id);
        file.map_or_else(|| (Vec::new(), 0), |file| file.lines(after, limit))
    }

    /// What every interface used since this process began.
    pub(crate) fn meters(&self) -> &BTreeMap<InterfaceId, Meter> {
        &self.meters
    }
}

/// Keeps the books, for ever.
///
/// # Errors
/// A worker hangs.
pub(crate) async fn keep(host: &Arc<Host>) -> Result<(), WorkerError> {
    let mut beats = tokio::time::interval(EVERY);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        tokio::task::block_in_place(|| host.books().keep(&host.datapath, false))?;
    }
}
