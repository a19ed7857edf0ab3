//! The thread that keeps the devices.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use weft_datapath::{
    Datapath,
    device::{Device, DeviceError, DeviceSpec, Wiring},
};
use weft_engine::{Config, PortIndex, config::PortConfig};
use weft_model::{InterfaceId, Mac};

use super::{
    Board, Command, PortState, PortsOptions,
    ledger::{Entry, Ledger},
};

/// How often an absent namespace is looked for: within the 50 ms or so that a workload takes to
/// start anyway.
const PENDING_RETRY: Duration = Duration::from_millis(25);
/// How often namespaces are checked to be the same as before.
const HOME_CHECK: Duration = Duration::from_millis(500);
/// A device that failed for another reason is tried again after this, then twice that, ...
const FAILED_RETRY: Duration = Duration::from_secs(1);
/// ... up to this.
const FAILED_RETRY_MAX: Duration = Duration::from_secs(30);

struct Kept {
    index: PortIndex,
    mac: Mac,
    spec: DeviceSpec,
    device: Option<Device>,
    state: PortState,
    failures: u32,
    retry: Instant,
}

pub(super) struct Keeper {
    netns_dir: PathBuf,
    wiring: Wiring,
    datapath: Arc<Datapath>,
    ports: BTreeMap<InterfaceId, Kept>,
    ledger: Ledger,
    news: watch::Sender<Board>,
    checked: Instant,
}

impl Keeper {
    pub(super) fn new(options: PortsOptions, news: watch::Sender<Board>) -> Self {
        Self {
            netns_dir: options.netns_dir,
            wiring: options.datapath.wiring(),
            datapath: options.datapath,
            ports: BTreeMap::new(),
            ledger: Ledger::open(&options.run_dir),
            news,
            checked: Instant::now(),
        }
    }

    pub(super) fn run(mut self, inbox: &mpsc::Receiver<Command>) {
        loop {
            match inbox.recv_timeout(self.patience()) {
                Ok(Command::Reconcile(config)) => self.reconcile(&config),
                Ok(Command::Settled) => self.discard_orphans(),
                Ok(Command::Stop { remove }) => return self.stop(remove),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return self.stop(false),
            }
            self.check_homes();
            self.retry();
            self.report();
        }
    }

    fn patience(&self) -> Duration {
        let waiting = self.ports.values().filter(|kept| kept.device.is_none());
        let next = waiting.map(|kept| kept.retry).min();
        let until = next.map(|at| at.saturating_duration_since(Instant::now()));
        until.unwrap_or(HOME_CHECK).min(HOME_CHECK)
    }

    fn reconcile(&mut self, config: &Config) {
        self.remove_unwanted(config);
        for (_, port) in config.ports() {
            let spec = DeviceSpec::new(port, &self.netns_dir).wired(self.wiring);
            match self.ports.get_mut(&port.interface) {
                Some(kept) if kept.spec == spec => {}
                Some(kept) => kept.change(spec),
                None => self.add(port, spec),
            }
        }
        let entries = self.ports.values().map(|kept| Entry::of(&kept.spec));
        self.ledger.keep(entries);
    }

    /// First, so that a new port can have the place of an old one.
    fn remove_unwanted(&mut self, config: &Config) {
        let gone = self.ports.extract_if(.., |interface, kept| {
            let wanted = config.port_of(*interface);
            wanted.is_none_or(|port| !kept.is(port, &self.netns_dir))
        });
        for (interface, mut kept) in gone {
            tracing::info!(%interface, place = %kept.spec.place, "removing a port's device");
            kept.close(&self.datapath, true);
        }
    }

    fn add(&mut self, port: &PortConfig, spec: DeviceSpec) {
        let mut kept = Kept {
            index: port.index,
            mac: port.mac,
            spec,
            device: None,
            state: PortState::Pending(String::new()),
            failures: 0,
            retry: Instant::now(),
        };
        kept.open(&self.datapath);
        self.ports.insert(port.interface, kept);
    }

    fn retry(&mut self) {
        let now = Instant::now();
        for kept in self.ports.values_mut() {
            if kept.device.is_none() && kept.retry <= now {
                kept.open(&self.datapath);
            }
        }
    }

    /// Lets go of devices whose namespace was deleted or replaced.
    fn check_homes(&mut self) {
        if self.checked.elapsed() < HOME_CHECK {
            return;
        }
        self.checked = Instant::now();
        for kept in self.ports.values_mut() {
            if kept.device.as_ref().is_some_and(|device| !device.is_home()) {
                tracing::info!(place = %kept.spec.place, "the namespace is gone");
                kept.close(&self.datapath, true);
                kept.state = PortState::Pending("the namespace is gone".to_owned());
                kept.retry = Instant::now();
            }
        }
    }

    fn discard_orphans(&mut self) {
        let wanted = self.ports.values().map(|kept| Entry::of(&kept.spec));
        self.ledger.discard_except(wanted);
    }

    fn report(&self) {
        let states = self.ports.iter();
        let board: Board = states.map(|(&id, kept)| (id, kept.state.clone())).collect();
        self.news.send_if_modified(|old| {
            let changed = *old != board;
            *old = board;
            changed
        });
    }

    fn stop(mut self, remove: bool) {
        for kept in self.ports.values_mut() {
            kept.close(&self.datapath, remove);
        }
        if remove {
            self.ledger.keep(std::iter::empty());
        }
    }
}

impl Kept {
    /// Whether the device can stay with this configuration of its interface.
    fn is(&self, port: &PortConfig, netns_dir: &std::path::Path) -> bool {
        self.index == port.index
            && self.mac == port.mac
            && self.spec.place == DeviceSpec::new(port, netns_dir).place
    }

    fn open(&mut self, datapath: &Datapath) {
        match self.try_open(datapath) {
            Ok(device) => {
                tracing::info!(place = %self.spec.place, "a port is up");
                self.device = Some(device);
                self.state = PortState::Up;
                self.failures = 0;
            }
            Err(error) if error.is_pending() => {
                self.state = PortState::Pending(error.to_string());
                self.retry = Instant::now() + PENDING_RETRY;
            }
            Err(error) => self.fail(&error.to_string()),
        }
    }

    fn try_open(&self, datapath: &Datapath) -> Result<Device, DeviceError> {
        let device = Device::open(&self.spec)?;
        let attached = datapath.attach(self.index, self.mac, &device);
        attached.map_err(|source| DeviceError::Tap {
            step: "serve",
            place: self.spec.place.clone(),
            source: std::io::Error::other(source),
        })?;
        device.up().inspect_err(|_| {
            // Else the next attempt would find its own device busy.
            let _ = datapath.detach(self.index, self.mac);
        })?;
        Ok(device)
    }

    fn fail(&mut self, reason: &str) {
        let delay = FAILED_RETRY * 2u32.saturating_pow(self.failures.min(5));
        self.failures += 1;
        self.retry = Instant::now() + delay.min(FAILED_RETRY_MAX);
        if self.state != PortState::Failed(reason.to_owned()) {
            tracing::warn!(place = %self.spec.place, reason, "a port's device can't be had");
        }
        self.state = PortState::Failed(reason.to_owned());
    }

    fn change(&mut self, spec: DeviceSpec) {
        self.spec = spec;
        let Some(device) = &mut self.device else {
            return;
        };
        if let Err(error) = device.reconfigure(&self.spec) {
            self.fail(&error.to_string());
        }
    }

    fn close(&mut self, datapath: &Datapath, remove: bool) {
        if let Err(error) = datapath.detach(self.index, self.mac) {
            tracing::error!(%error, "a port can't be detached");
        }
        let Some(device) = self.device.take() else {
            return;
        };
        if remove && let Err(error) = device.remove() {
            tracing::warn!(%error, place = %self.spec.place, "a port's device stays behind");
        }
    }
}
