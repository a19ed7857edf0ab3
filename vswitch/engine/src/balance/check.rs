//! Health checks of the targets on this host.
//!
//! They go from the router straight to the target's port, past every policy, and what comes back is
//! known by the port that it comes from: a tenant who imitates one reaches nobody. A check speaks
//! just enough TCP: what it said last is repeated until it is answered, and what it hears in its order
//! is acknowledged.

mod talk;

use std::net::IpAddr;

use weft_model::{
    HealthCheck, Mac, Probe,
    state::{TargetKey, TargetState},
};
use weft_packet::{
    build::{self, Addresses, Envelope, Segment},
    headers::{Ip, L4, tcp_flags},
};

use self::talk::{ANSWER, Talk};
use super::{maglev::mix, pool::Pool};
use crate::{
    config::{Config, PortConfig},
    hash::Map,
    port::PortIndex,
    time::Now,
    verdict::Sink,
};

/// How long an unanswered segment waits for its repetition: RFC 6298's initial timeout.
const REPEAT: u64 = Now::SECOND;
/// The lowest port that checks come from.
const FIRST_PORT: u16 = 1024;
/// Enough for the head of an answer, or a certificate at a time: no target sends much more than is
/// looked at.
const WINDOW: u16 = 16_384;

/// What checks have found of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which target.
    pub target: TargetKey,
    /// Whether it is healthy, or why it isn't; `None` where it is checked here no more.
    pub verdict: Option<Result<(), String>>,
}

/// Where a try stands.
#[derive(Debug)]
enum Stage {
    /// The SYN is out.
    Opening,
    /// The connection stands.
    Talking(Box<Talk>),
}

/// One try of a check.
#[derive(Debug)]
struct Try {
    from: u16,
    /// The sequence number of its SYN.
    first: u32,
    deadline: Now,
    repeat: Now,
    stage: Stage,
}

/// A target that is checked here.
#[derive(Debug)]
struct Check {
    port: PortIndex,
    mac: Mac,
    router: IpAddr,
    at: (IpAddr, u16),
    settings: HealthCheck,
    due: Now,
    current: Option<Try>,
    passed: u8,
    failed: u8,
    healthy: Option<bool>,
}

/// The checks of the ports that this engine's worker owns.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    checks: Map<TargetKey, Check>,
    /// Whose a try is that comes from this port of the router, at that port of the host.
    tries: Map<(PortIndex, u16), TargetKey>,
    findings: Vec<Finding>,
    last_port: u16,
    /// The configuration is another one than it was made by.
    pub(crate) stale: bool,
    frame: Vec<u8>,
}

/// What a segment of the target means for the try.
enum Heard {
    Nothing,
    Repeat,
    Passed,
    Failed(String),
}

impl Checker {
    /// Goes on with what is due.
    pub(crate) fn tick(
        &mut self,
        config: &Config,
        now: Now,
        mine: impl Fn(Mac) -> bool,
        sink: &mut impl Sink,
    ) {
        if std::mem::take(&mut self.stale) {
            self.follow(config, now, mine);
        }
        if self.checks.is_empty() {
            return;
        }
        let mut late = Vec::new();
        for (key, check) in &mut self.checks {
            match &mut check.current {
                Some(current) if now >= current.deadline => late.push(*key),
                Some(current) if now >= current.repeat => {
                    current.repeat = now.plus(REPEAT);
                    say(&mut self.frame, check, sink);
                }
                None if now >= check.due => {
                    self.last_port = self.last_port.checked_add(1).unwrap_or(FIRST_PORT);
                    self.last_port = self.last_port.max(FIRST_PORT);
                    check.begin(now, self.last_port);
                    self.tries.insert((check.port, self.last_port), *key);
                    say(&mut self.frame, check, sink);
                }
                _ => {}
            }
        }
        for key in late {
            let reason = "no answer in time".to_owned();
            self.end(key, Err(reason), sink);
        }
    }

    /// What was found since the last time.
    pub(crate) fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// Takes what a port sent if it answers a check of that port.
    pub(crate) fn hear(
        &mut self,
        now: Now,
        port: PortIndex,
        ip: &Ip,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> bool {
        let L4::Tcp { src, dst, .. } = ip.l4_kind else {
            return false;
        };
        let Some(&key) = self.tries.get(&(port, dst)) else {
            return false;
        };
        let Some(check) = self.checks.get_mut(&key) else {
            return false;
        };
        if (ip.src, src) != check.at || ip.dst != check.router {
            return false;
        }
        match check.hear(now, ip, bytes) {
            Heard::Nothing => {}
            Heard::Repeat => say(&mut self.frame, check, sink),
            Heard::Passed => self.end(key, Ok(()), sink),
            Heard::Failed(reason) => self.end(key, Err(reason), sink),
        }
        true
    }

    fn end(&mut self, key: TargetKey, result: Result<(), String>, sink: &mut impl Sink) {
        let Some(check) = self.checks.get_mut(&key) else {
            return;
        };
        if let Some(current) = check.current.take() {
            self.tries.remove(&(check.port, current.from));
            let seq = match &current.stage {
                Stage::Opening => current.first.wrapping_add(1),
                Stage::Talking(talk) => talk.end(),
            };
            send(
                &mut self.frame,
                check,
                &current,
                (seq, 0, tcp_flags::RST, &[]),
                sink,
            );
        }
        if let Some(verdict) = check.decide(result) {
            self.findings.push(Finding {
                target: key,
                verdict: Some(verdict),
            });
        }
    }

    /// Checks what the configuration says: targets that stay go on where they are.
    fn follow(&mut self, config: &Config, now: Now, mine: impl Fn(Mac) -> bool) {
        let mut old = std::mem::take(&mut self.checks);
        for pool in config.vpcs().flat_map(|vpc| vpc.balancers.pools()) {
            for target in &pool.state().targets {
                let port = config.port_of(target.interface);
                let port = port.filter(|port| mine(port.mac));
                let key = pool.state().key(target);
                let (Some(port), Some(key)) = (port, key) else {
                    continue;
                };
                let Some(mut check) = Check::new(port, pool, target, now) else {
                    continue;
                };
                match old.remove(&key) {
                    Some(old) if old.port == check.port => check = old.with(check),
                    Some(old) => self.abandon(&old),
                    None => {}
                }
                self.checks.insert(key, check);
            }
        }
        for (key, check) in old {
            self.abandon(&check);
            self.findings.push(Finding {
                target: key,
                verdict: None,
            });
        }
    }
}

impl Checker {
    fn abandon(&mut self, check: &Check) {
        if let Some(current) = &check.current {
            self.tries.remove(&(check.port, current.from));
        }
    }
}

impl Check {
    fn new(port: &PortConfig, pool: &Pool, target: &TargetState, now: Now) -> Option<Self> {
        let address = *target.addresses.first()?;
        let settings = pool.state().health_check.clone();
        let router = match address {
            IpAddr::V4(_) => IpAddr::V4(port.subnet.router4()),
            IpAddr::V6(_) => IpAddr::V6(port.subnet.router6()?),
        };
        Some(Self {
            port: port.index,
            mac: port.mac,
            router,
            at: (address, settings.port.unwrap_or(target.port)),
            settings,
            due: now,
            current: None,
            passed: 0,
            failed: 0,
            healthy: None,
        })
    }

    /// Goes on by newer settings.
    fn with(self, new: Self) -> Self {
        let same = self.at == new.at;
        Self {
            due: self.due.min(new.due.plus(new.interval())),
            // A try of another port is let go: its answers are nobody's.
            current: self.current.filter(|_| same),
            passed: self.passed,
            failed: self.failed,
            healthy: self.healthy,
            ..new
        }
    }

    fn interval(&self) -> u64 {
        u64::from(self.settings.interval) * Now::SECOND
    }

    fn begin(&mut self, now: Now, from: u16) {
        self.due = now.plus(self.interval());
        self.current = Some(Try {
            from,
            first: mix(now.0 ^ u64::from(from)) as u32,
            deadline: now.plus(u64::from(self.settings.timeout) * Now::SECOND),
            repeat: now.plus(REPEAT),
            stage: Stage::Opening,
        });
    }

    fn hear(&mut self, now: Now, ip: &Ip, bytes: &[u8]) -> Heard {
        let Some(current) = &mut self.current else {
            return Heard::Nothing;
        };
        let L4::Tcp {
            seq,
            ack,
            flags,
            data,
            ..
        } = ip.l4_kind
        else {
            return Heard::Nothing;
        };
        if flags & tcp_flags::RST != 0 {
            return Heard::Failed("it refused the connection".to_owned());
        }
        match &mut current.stage {
            Stage::Opening => {
                let both = tcp_flags::SYN | tcp_flags::ACK;
                if flags & both != both || ack != current.first.wrapping_add(1) {
                    return Heard::Nothing;
                }
                let numbers = (ack, seq.wrapping_add(1));
                let request = request(self.at.0, &self.settings);
                let talk = match self.settings.probe {
                    Probe::Tcp => return Heard::Passed,
                    Probe::Http => Ok(Talk::plain(numbers, request)),
                    Probe::Https => Talk::secret(numbers, self.at.0, request),
                };
                match talk {
                    Ok(talk) => current.stage = Stage::Talking(Box::new(talk)),
                    Err(reason) => return Heard::Failed(reason),
                }
                current.repeat = now.plus(REPEAT);
                Heard::Repeat
            }
            Stage::Talking(talk) => {
                let payload = bytes.get(data..ip.end).unwrap_or_default();
                let fin = flags & tcp_flags::FIN != 0;
                let says = match talk.hear((seq, ack), payload, fin) {
                    Ok(says) => says,
                    Err(reason) => return Heard::Failed(reason),
                };
                let (answer, ended) = talk.answer();
                match judge(answer, ended, &self.settings) {
                    Heard::Nothing if says => {
                        current.repeat = now.plus(REPEAT);
                        Heard::Repeat
                    }
                    judged => judged,
                }
            }
        }
    }

    /// What that makes of the target, where it is something new. One that was never judged is
    /// healthy at its first pass.
    fn decide(&mut self, result: Result<(), String>) -> Option<Result<(), String>> {
        let enough = match &result {
            Ok(()) => {
                (self.passed, self.failed) = (self.passed.saturating_add(1), 0);
                self.passed >= self.settings.healthy || self.healthy.is_none()
            }
            Err(_) => {
                (self.passed, self.failed) = (0, self.failed.saturating_add(1));
                self.failed >= self.settings.unhealthy
            }
        };
        if !enough || self.healthy == Some(result.is_ok()) {
            return None;
        }
        self.healthy = Some(result.is_ok());
        Some(result)
    }
}

/// What an answer's first bytes say (RFC 9112 section 4): `HTTP/1.1 200`.
fn judge(answer: &[u8], ended: bool, settings: &HealthCheck) -> Heard {
    let status = match answer {
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            _,
            b' ',
            a,
            b,
            c,
            ..,
        ] => {
            let digits = [a, b, c].map(|digit| u16::from(digit.wrapping_sub(b'0')));
            digits[0] * 100 + digits[1] * 10 + digits[2]
        }
        _ if ended || answer.len() >= ANSWER => {
            return Heard::Failed("its answer is no HTTP".to_owned());
        }
        _ => return Heard::Nothing,
    };
    if settings.codes.contains(status) {
        return Heard::Passed;
    }
    Heard::Failed(format!("it answered {status}"))
}

/// What HTTP asks.
fn request(host: IpAddr, settings: &HealthCheck) -> Vec<u8> {
    let host = match host {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let path = &settings.path;
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: weft-health-check\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

/// What a segment says beside its ports: sequence and acknowledgement numbers, flags, data.
type Said<'a> = (u32, u32, u8, &'a [u8]);

/// Sends, or repeats, what the check waits for an answer to.
fn say(frame: &mut Vec<u8>, check: &Check, sink: &mut impl Sink) {
    let Some(current) = &check.current else {
        return;
    };
    match &current.stage {
        Stage::Opening => {
            let said = (current.first, 0, tcp_flags::SYN, &[][..]);
            send(frame, check, current, said, sink);
        }
        Stage::Talking(talk) => {
            let (seq, next, words) = talk.to_say();
            let flags = match words {
                [] => tcp_flags::ACK,
                _ => tcp_flags::ACK | tcp_flags::PSH,
            };
            send(frame, check, current, (seq, next, flags, words), sink);
        }
    }
}

fn send(
    frame: &mut Vec<u8>,
    check: &Check,
    current: &Try,
    (seq, ack, flags, payload): Said<'_>,
    sink: &mut impl Sink,
) {
    let segment = Segment {
        src: current.from,
        dst: check.at.1,
        seq,
        ack,
        flags,
        window: WINDOW,
        payload,
    };
    let Some(addresses) = Addresses::new(check.router, check.at.0) else {
        return;
    };
    let envelope = Envelope {
        dst_mac: check.mac,
        src_mac: Mac::ROUTER,
        addresses,
        ttl: build::TTL,
    };
    if build::segment(frame, &envelope, &segment).is_ok() {
        sink.to_port(check.port, frame);
    }
}
