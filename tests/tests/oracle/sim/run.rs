//! How long a simulation runs, and what must be true at its end.

use std::rc::Rc;

use super::{Event, MILLISECOND, SECOND, Simulation};
use crate::{runs::setting, town::Size};

/// Packets of the last act, when all is calm.
const LAST: usize = 300;

impl Simulation {
    fn step(&mut self) {
        let ((at, _), event) = self.events.pop_first().expect("something always follows");
        self.town.now.0 = self.town.now.0.max(at);
        match event {
            Event::Change => self.change(),
            Event::Packet => self.packet(),
            Event::Fault => self.fault(),
            Event::Tunnel(tunnel) => self.tunnel(tunnel),
            Event::Update(host, connection, sent) => self.update((host, connection), *sent),
            Event::Ack(host, connection, nonce) => self.ack(host, connection, nonce),
            Event::Hello(host, connection) => self.hello(host, connection),
            Event::Connect(host) => self.connect(host),
            Event::Start(host) => self.start(host),
            Event::Heal(host) => self.heal(host),
            Event::ControllerStart => self.start_controller(),
        }
    }

    /// Runs for so many packets with faults, then lets everything come right.
    pub(crate) fn run(&mut self, packets: usize) {
        for host in 0..self.stations.len() {
            self.after(0, Event::Connect(host));
        }
        self.after(0, Event::Change);
        self.after(0, Event::Packet);
        self.after(SECOND, Event::Fault);
        while self.census.packets < packets {
            self.step();
            if self.random.percent(1) {
                let host = self.random.below(self.stations.len());
                let now = self.town.now;
                self.town.hosts[host].tick(now, 64);
            }
        }
        self.calm();
        self.last_act();
    }

    /// No more changes, no more faults: every host comes to hold exactly what it must.
    fn calm(&mut self) {
        self.calm = true;
        let goes_on =
            |event: &Event| !matches!(event, Event::Change | Event::Fault | Event::Packet);
        self.events.retain(|_, event| goes_on(event));
        while !self.events.is_empty() {
            self.step();
        }
        for (host, station) in self.town.hosts.iter().zip(&mut self.stations) {
            assert!(station.connected, "{} came back", host.name);
            assert_eq!(
                host.held,
                self.town.controller.desired(&host.name),
                "{}",
                host.name
            );
            // What changed since its last update was none of its business.
            station.view = Rc::clone(&self.cloud);
            station.judge.lost = self.cloud.lost.clone();
        }
    }

    /// All hosts agree, so nothing may be dropped for what one of them can't know.
    fn last_act(&mut self) {
        let end = self.census.packets + LAST;
        self.after(MILLISECOND, Event::Packet);
        while self.census.packets < end {
            self.step();
        }
    }
}

#[test]
fn nothing_forbidden_passes_and_nothing_tracked_breaks_while_everything_fails() {
    let hosts = setting("WEFT_SIM_HOSTS", 24);
    let packets = setting("WEFT_SIM_PACKETS", 4000);
    let first = setting("WEFT_SIM_SEED", 1);
    for seed in first..first + setting("WEFT_SIM_RUNS", 4) {
        println!(
            "simulation {seed}: {hosts} hosts (WEFT_SIM_SEED={seed} WEFT_SIM_RUNS=1 repeats it)"
        );
        let size = Size {
            hosts,
            vpcs: hosts.div_ceil(8),
            interfaces: hosts * 2,
            peered: true,
            transit: true,
            outside: true,
            balancers: false,
            nats: false,
            facing: false,
        };
        let mut simulation = Simulation::new(seed as u64, size);
        simulation.run(packets);
        println!("  {:?}", simulation.census);
    }
}
