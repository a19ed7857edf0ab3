//! A story: a town, and what happens in it. One that ends badly is cut down to what it takes.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    change::Alter,
    compare::compare,
    judge::choices::Choices,
    random::Random,
    send::{Origin, Send, Session, What},
    theme::Theme,
    town::{Size, Town},
    underlay::{Fate, Host, Journey},
};

const SECOND: u64 = 1_000_000_000;
/// Worlds that are kept in mind while nothing tells which it is.
const POSSIBLE: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Send(Send),
    Alter(Alter),
    /// Nanoseconds go by.
    Pass(u64),
    /// The engines look at so many of their flows.
    Tick(usize),
}

#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) seed: u64,
    pub(crate) steps: Vec<Step>,
}

/// Where a story went wrong.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    at: usize,
    what: String,
}

/// What a story was.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) packets: usize,
    pub(crate) delivered: usize,
    pub(crate) dropped: usize,
    pub(crate) outside: usize,
    pub(crate) changes: usize,
    /// How often what dropped.
    pub(crate) reasons: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.delivered += other.delivered;
        self.dropped += other.dropped;
        self.outside += other.outside;
        self.changes += other.changes;
        for (reason, number) in other.reasons {
            *self.reasons.entry(reason).or_default() += number;
        }
    }
}

impl Story {
    pub(crate) fn random(seed: u64, packets: usize) -> Self {
        let mut random = Random::new(seed ^ 0x57);
        let theme = Theme::of(seed);
        let number = theme.sessions(&mut random);
        let sessions: Vec<_> = (0..number)
            .map(|_| Session::random(&mut random, 12, theme))
            .collect();
        let mut steps = Vec::new();
        let mut sent = 0;
        while sent < packets {
            let step = step(&mut random, &sessions, theme);
            let rest = rest(&mut random, &step, theme);
            for step in std::iter::once(step).chain(rest) {
                sent += usize::from(matches!(step, Step::Send(_)));
                steps.push(step);
            }
        }
        Self { seed, steps }
    }

    pub(crate) fn run(&self) -> Result<Tally, Failure> {
        let mut town = town(self.seed);
        let mut tally = Tally::default();
        for (at, step) in self.steps.iter().enumerate() {
            let done = take(&mut town, *step, &mut tally);
            done.map_err(|what| Failure { at, what })?;
        }
        Ok(tally)
    }

    /// The shortest story found that still ends badly, and how.
    pub(crate) fn shrink(self, failure: Failure) -> (Self, Failure) {
        let (mut best, mut failure) = (self, failure);
        best.steps.truncate(failure.at + 1);
        let mut size = best.steps.len() / 2;
        while size > 0 {
            let mut at = 0;
            while at < best.steps.len() {
                let mut shorter = best.clone();
                let end = (at + size).min(best.steps.len());
                shorter.steps.drain(at..end);
                match shorter.run() {
                    Err(other) => {
                        shorter.steps.truncate(other.at + 1);
                        (best, failure) = (shorter, other);
                    }
                    Ok(_) => at += size,
                }
            }
            size /= 2;
        }
        (best, failure)
    }

    pub(crate) fn tell(&self, failure: &Failure) -> String {
        let mut town = town(self.seed);
        let mut text = format!("seed {}\n", self.seed);
        for step in &self.steps {
            if let Step::Send(send) = step {
                let _ = writeln!(text, "  at {}: {send:?}", town.now.0 / SECOND);
                if let Some((from, frame)) = send.frame(&town) {
                    let headers = weft_packet::headers::Headers::parse(&frame);
                    let from = match from {
                        Origin::Port(from) => from.to_string(),
                        Origin::Internet(edge) => format!("the internet at {edge}"),
                    };
                    let _ = writeln!(text, "    from {from}: {headers:?}");
                }
            } else {
                let _ = writeln!(text, "  {step:?}");
            }
            let _ = take(&mut town, *step, &mut Tally::default());
        }
        let cloud = &town.controller.cloud;
        for resource in cloud.resources() {
            let resource = format!("{resource:?}");
            let told = resource.split(", meta: ").next().unwrap_or_default();
            let _ = writeln!(text, "  {told}");
        }
        let _ = writeln!(text, "  {}", failure.what);
        text
    }
}

fn town(seed: u64) -> Town {
    let mut town = Town::new(seed, Size::small(seed));
    town.sync();
    town
}

fn step(random: &mut Random, sessions: &[Session], theme: Theme) -> Step {
    match random.below(100) {
        0..=9 => Step::Alter(Alter::random(random, theme)),
        10..=15 => {
            let seconds = *random.pick(&[
                1, 7, 11, 29, 31, 59, 61, 119, 121, 179, 181, 349, 351, 599, 601, 432_001,
            ]);
            Step::Pass(seconds * SECOND)
        }
        16..=18 => Step::Tick(*random.pick(&[1, 8, usize::MAX])),
        _ => Step::Send(Send::random(random, sessions)),
    }
}

/// The rest of a datagram whose first piece that is: as a rule it follows at once.
fn rest(random: &mut Random, step: &Step, theme: Theme) -> Vec<Step> {
    let Step::Send(send) = *step else {
        return Vec::new();
    };
    let piece = |what| Step::Send(Send { what, ..send });
    match send.what {
        What::Piece(id, 0) if random.percent(60) => {
            [1, 2].map(|n| piece(What::Piece(id, n))).to_vec()
        }
        // Sometimes so many others like it come at once that a worker's ports run out.
        What::Udp if theme == Theme::Natted && random.percent(4) => {
            let other = |n: u16| {
                let mut send = send;
                send.session.ports.0 = 20_000 + n;
                Step::Send(send)
            };
            (0..140).map(other).collect()
        }
        _ => Vec::new(),
    }
}

fn take(town: &mut Town, step: Step, tally: &mut Tally) -> Result<(), String> {
    match step {
        Step::Send(send) => return judge(town, &send, tally),
        Step::Alter(alter) => {
            alter.apply(town);
            town.sync();
            tally.changes += 1;
        }
        Step::Pass(nanoseconds) => town.now = town.now.plus(nanoseconds),
        Step::Tick(budget) => {
            let now = town.now;
            town.hosts
                .iter_mut()
                .for_each(|host| host.tick(now, budget));
        }
    }
    Ok(())
}

fn judge(town: &mut Town, send: &Send, tally: &mut Tally) -> Result<(), String> {
    let Some((from, frame)) = send.frame(town) else {
        return Ok(());
    };
    while town.is_on_edge() {
        town.now = town.now.plus(SECOND / 50);
    }
    town.now = town.now.plus(SECOND / 1000);
    let now = town.now;
    town.crowded |= town.judge.is_crowded();
    if town.crowded {
        // What is over must have been come by where it counts what is free.
        let all = |host: &mut Host| host.tick(now, usize::MAX);
        town.hosts.iter_mut().for_each(all);
    }
    let fate = match &from {
        Origin::Port(from) => {
            let host = town.host_of(*from).unwrap();
            Journey::send(&mut town.hosts, now, (host, *from), frame.clone())
        }
        Origin::Internet(edge) => {
            let host = town.hosts.iter().position(|h| h.name == *edge).unwrap();
            Journey::enter(&mut town.hosts, now, host, frame.clone())
        }
    };
    tally.packets += 1;
    tally.delivered += fate.delivered.len();
    tally.dropped += fate.drops.len();
    tally.outside += fate.outside.len();
    for drop in &fate.drops {
        *tally.reasons.entry(drop.reason.code()).or_default() += 1;
    }
    explain(town, (&from, &frame), &fate)
}

/// Whether what happened is what must, or one of what may.
fn explain(town: &mut Town, (from, frame): (&Origin, &[u8]), fate: &Fate) -> Result<(), String> {
    let (now, cloud) = (town.now.0, &town.controller.cloud);
    let mut wrong = None;
    let mut right = Vec::new();
    for before in std::iter::once(&town.judge).chain(&town.others) {
        let mut script = Some(Vec::new());
        while let Some(choices) = script {
            let mut judge = before.clone();
            judge.choices = Choices::new(choices);
            (judge.health, judge.lost) = (town.judge.health.clone(), town.judge.lost.clone());
            let first = fate.crossings.first();
            judge.seen = first.map(|crossing| (crossing.to, crossing.frame.clone()));
            let expected = match from {
                Origin::Port(from) => judge.send(cloud, now, *from, frame),
                Origin::Internet(edge) => judge.enter_edge(cloud, now, edge, frame),
            };
            script = judge.choices.next();
            match compare(&expected, fate) {
                Ok(()) => right.push(judge),
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
    }
    right.truncate(POSSIBLE);
    let mut right = right.into_iter();
    town.judge = right.next().ok_or_else(|| wrong.unwrap_or_default())?;
    town.others = right.collect();
    Ok(())
}
