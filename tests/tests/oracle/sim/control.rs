//! The streams between the controller and the hosts, and what breaks them.

use std::{collections::BTreeSet, rc::Rc};

use weft_model::HostName;
use weft_planner::queue::Hello;

use super::{Event, MILLISECOND, SECOND, Simulation, View, session};
use crate::{
    change::{Alter, Kind},
    controller::deltas,
    judge::Judge,
    theme::Theme,
};

impl Simulation {
    pub(super) fn change(&mut self) {
        let alter = self.alteration();
        let revision = self.town.controller.revision;
        if self.controller_runs {
            alter.apply(&mut self.town);
        }
        if self.town.controller.revision != revision {
            self.census.changes += 1;
            self.keys += 9;
            self.tell(self.cloud.lost.clone());
        }
        // People come and go with what they talk to.
        let old = self.random.below(self.sessions.len());
        self.sessions[old] = session(&mut self.random, &self.town);
        let pause = self.about(20 * MILLISECOND);
        self.after(pause, Event::Change);
    }

    /// The controller wants something else from now on.
    fn tell(&mut self, lost: BTreeSet<HostName>) {
        let cloud = self.town.controller.cloud.clone();
        self.cloud = Rc::new(View { cloud, lost });
        for host in 0..self.stations.len() {
            self.pump(host);
        }
    }

    /// A host's stream ended, or is there again.
    fn set_lost(&mut self, host: usize, is_lost: bool) {
        let name = self.town.hosts[host].name.clone();
        let mut lost = self.cloud.lost.clone();
        let changed = match is_lost {
            true => lost.insert(name.clone()),
            false => lost.remove(&name),
        };
        if self.controller_runs && changed {
            self.town.controller.set_lost(&name, is_lost);
            self.tell(lost);
        }
    }

    /// As in a story, but for a cloud that doesn't shrink: an interface goes where two came.
    fn alteration(&mut self) -> Alter {
        let themes = [Theme::Peered, Theme::Transit, Theme::Outside];
        let theme = *self.random.pick(&themes);
        let alter = Alter::random(&mut self.random, theme);
        let kind = match alter.kind {
            Kind::DeleteInterface if self.random.percent(50) => Kind::AddInterface,
            Kind::Unplug => Kind::Move,
            // Here streams end.
            Kind::Lose => Kind::Elastic,
            kind => kind,
        };
        let whom = self.random.below(self.town.interfaces.len());
        Alter {
            kind,
            whom,
            ..alter
        }
    }

    /// Sends the host the next update, if one may go.
    fn pump(&mut self, host: usize) {
        let name = &self.town.hosts[host].name;
        let queue = self.town.controller.queue(name);
        let pending = queue.pending();
        self.census.longest_queue = self.census.longest_queue.max(pending);
        assert!(
            pending <= self.keys,
            "{name}: {pending} wait, of {} keys",
            self.keys
        );
        let Some(update) = queue.next_update() else {
            return;
        };
        self.census.updates += 1;
        let station = &self.stations[host];
        let time = if station.slow { 400 } else { 2 };
        let connection = station.connection;
        let pause = self.about(time * MILLISECOND);
        let sent = Box::new((update, Rc::clone(&self.cloud)));
        self.after(pause, Event::Update(host, connection, sent));
    }

    fn hears(&self, host: usize, connection: u64) -> bool {
        let station = &self.stations[host];
        station.runs && station.connected && station.connection == connection
    }

    pub(super) fn update(
        &mut self,
        (host, connection): (usize, u64),
        (update, view): (
            weft_planner::queue::Update<weft_model::state::State>,
            Rc<View>,
        ),
    ) {
        if !self.hears(host, connection) {
            return;
        }
        assert!(!update.more, "the clouds here fit in one update");
        let refused = self.town.hosts[host].apply(deltas(&update));
        assert!(refused.is_empty(), "h{host}: {refused:?}");
        let station = &mut self.stations[host];
        station.judge.changed(&station.view, &view);
        station.judge.lost = view.lost.clone();
        station.view = view;
        let pause = self.about(2 * MILLISECOND);
        self.after(pause, Event::Ack(host, connection, update.nonce));
    }

    pub(super) fn ack(&mut self, host: usize, connection: u64, nonce: u64) {
        if !self.controller_runs || !self.hears(host, connection) {
            return;
        }
        let name = &self.town.hosts[host].name;
        self.town.controller.queue(name).ack(nonce, []).unwrap();
        // A network that says something twice changes nothing.
        if self.random.percent(5) {
            assert!(self.town.controller.queue(name).ack(nonce, []).is_err());
        }
        self.pump(host);
    }

    pub(super) fn connect(&mut self, host: usize) {
        let station = &mut self.stations[host];
        if station.connected || !station.runs {
            return;
        }
        if !station.reachable || !self.controller_runs {
            let pause = self.about(200 * MILLISECOND);
            self.after(pause, Event::Connect(host));
            return;
        }
        station.connection += 1;
        station.connected = true;
        let connection = station.connection;
        let pause = self.about(2 * MILLISECOND);
        self.after(pause, Event::Hello(host, connection));
    }

    pub(super) fn hello(&mut self, host: usize, connection: u64) {
        if !self.controller_runs || !self.hears(host, connection) {
            return;
        }
        self.set_lost(host, false);
        let found = &self.town.hosts[host];
        let hello = Hello {
            instance: self.stations[host].instance,
            held: found.held.clone(),
        };
        self.town.controller.connect(&found.name.clone(), &hello);
        self.pump(host);
    }

    /// The stream breaks; what is on its way is lost, and the host comes back.
    fn cut(&mut self, host: usize) {
        let station = &mut self.stations[host];
        station.connected = false;
        station.connection += 1;
        let name = &self.town.hosts[host].name;
        self.town.controller.queue(name).disconnect();
        self.set_lost(host, true);
        let pause = self.about(50 * MILLISECOND);
        self.after(pause, Event::Connect(host));
    }

    pub(super) fn fault(&mut self) {
        let host = self.random.below(self.stations.len());
        match self.random.below(8) {
            0..=2 => self.cut(host),
            3 => {
                self.census.partitions += 1;
                self.stations[host].reachable = false;
                self.cut(host);
                let pause = self.about(2 * SECOND);
                self.after(pause, Event::Heal(host));
            }
            4 => self.stations[host].slow ^= true,
            5 => self.crash_controller(),
            _ => self.crash(host),
        }
        let pause = self.about(100 * MILLISECOND);
        self.after(pause, Event::Fault);
    }

    fn crash(&mut self, host: usize) {
        if !self.stations[host].runs {
            return;
        }
        self.census.crashes += 1;
        self.cut(host);
        self.town.crash(host);
        let instance = self.random.bits();
        let station = &mut self.stations[host];
        station.runs = false;
        station.view = Rc::default();
        station.judge = Judge::default();
        station.instance = instance;
        let pause = self.about(100 * MILLISECOND);
        self.after(pause, Event::Start(host));
    }

    pub(super) fn start(&mut self, host: usize) {
        self.stations[host].runs = true;
        self.after(0, Event::Connect(host));
    }

    pub(super) fn heal(&mut self, host: usize) {
        self.stations[host].reachable = true;
    }

    /// All that a controller keeps is the cloud; its queues and its plans are made anew.
    fn crash_controller(&mut self) {
        if !self.controller_runs {
            return;
        }
        self.census.crashes += 1;
        self.controller_runs = false;
        for host in 0..self.stations.len() {
            self.cut(host);
        }
        // Whom it had lost it doesn't know either.
        self.town.controller.restart();
        self.tell(BTreeSet::new());
        let pause = self.about(100 * MILLISECOND);
        self.after(pause, Event::ControllerStart);
    }

    pub(super) fn start_controller(&mut self) {
        self.controller_runs = true;
    }
}
