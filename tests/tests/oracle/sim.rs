//! The whole system on virtual time, from a seed: a controller, hundreds of hosts, the streams between
//! them and the underlay, with everything that can go wrong going wrong.
//!
//! At every instant each host holds exactly what the planner wanted of it at some revision. So each
//! half of each packet's way is judged by the cloud of that revision, at its host, and whatever the
//! judge forbids must not pass: not while hosts disagree, not after a crash, not before the first
//! word. What the judge lets pass must pass too, but for what a host can't know: that a packet comes
//! from where the sender's address was, or will be, by another host's revision.

mod control;
mod outside;
mod packets;
mod run;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
    rc::Rc,
};

use weft_model::{Cloud, HostName, InterfaceId, VpcId, state::State};
use weft_planner::queue::Update;

use crate::{
    judge::{Judge, transit},
    random::Random,
    send::{Session, Via},
    theme::Theme,
    town::{Size, Town},
};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1000 * MILLISECOND;

/// What is going to happen.
enum Event {
    /// A person changes the cloud.
    Change,
    /// A workload sends.
    Packet,
    /// Something breaks.
    Fault,
    /// A packet comes out of the underlay.
    Tunnel(Tunnel),
    /// An update comes to a host, on that connection.
    Update(usize, u64, Box<(Update<State>, Rc<View>)>),
    /// An acknowledgement comes to the controller.
    Ack(usize, u64, u64),
    /// The host's introduction comes to the controller.
    Hello(usize, u64),
    /// The host tries to connect.
    Connect(usize),
    /// The host's process starts again.
    Start(usize),
    /// The host reaches the controller and the underlay again.
    Heal(usize),
    /// The controller's process starts again.
    ControllerStart,
}

/// What the controller wants at some revision.
#[derive(Default)]
struct View {
    cloud: Cloud,
    /// Hosts whose vswitch is lost.
    lost: BTreeSet<HostName>,
}

impl Deref for View {
    type Target = Cloud;

    fn deref(&self) -> &Cloud {
        &self.cloud
    }
}

/// A packet in the underlay.
#[derive(Clone)]
struct Tunnel {
    to: usize,
    source: std::net::IpAddr,
    payload: Vec<u8>,
    from: Sender,
    /// What the sender held.
    view: Rc<View>,
}

/// Who sent a packet, and from which host it comes.
#[derive(Debug, Clone, Copy)]
struct Sender {
    /// `None`: somebody outside, or behind a public address.
    interface: Option<InterfaceId>,
    host: usize,
}

/// What the simulation knows of a host beside its engines.
struct Station {
    /// The revision that it holds.
    view: Rc<View>,
    judge: Judge,
    runs: bool,
    reachable: bool,
    /// Takes its time for every update.
    slow: bool,
    /// Which connection this is; what comes on an older one is lost.
    connection: u64,
    connected: bool,
    /// Drawn at every start of its process.
    instance: u64,
}

/// What happened.
#[derive(Debug, Default, Clone)]
pub(crate) struct Census {
    pub(crate) packets: usize,
    pub(crate) delivered: usize,
    pub(crate) refused: usize,
    /// Dropped since a host couldn't know yet.
    pub(crate) early: usize,
    pub(crate) lost: usize,
    /// To the internet.
    pub(crate) outside: usize,
    pub(crate) changes: usize,
    pub(crate) updates: usize,
    pub(crate) crashes: usize,
    pub(crate) partitions: usize,
    pub(crate) longest_queue: usize,
}

pub(crate) struct Simulation {
    random: Random,
    town: Town,
    stations: Vec<Station>,
    sessions: Vec<Session>,
    cloud: Rc<View>,
    events: BTreeMap<(u64, u64), Event>,
    /// Tells events of one instant apart.
    count: u64,
    controller_runs: bool,
    /// No more faults: everything must come right.
    calm: bool,
    /// State keys that ever were, at the most: what a queue may hold.
    keys: usize,
    pub(crate) census: Census,
}

impl Simulation {
    pub(crate) fn new(seed: u64, size: Size) -> Self {
        let mut random = Random::new(seed ^ 0x51);
        let mut town = Town::new(seed, size);
        for host in &town.hosts {
            town.controller.queue(&host.name).disconnect();
        }
        let cloud = Rc::new(View {
            cloud: town.controller.cloud.clone(),
            lost: BTreeSet::new(),
        });
        let stations = (0..town.hosts.len()).map(|n| Station {
            view: Rc::default(),
            judge: Judge::default(),
            runs: true,
            reachable: true,
            slow: random.percent(10),
            connection: 0,
            connected: false,
            instance: n as u64,
        });
        let stations = stations.collect();
        let number = size.interfaces * 2;
        let sessions = (0..number).map(|_| session(&mut random, &town));
        let sessions = sessions.collect();
        Self {
            random,
            keys: town.controller.cloud.resources().count() * 3,
            town,
            stations,
            sessions,
            cloud,
            events: BTreeMap::new(),
            count: 0,
            controller_runs: true,
            calm: false,
            census: Census::default(),
        }
    }

    fn now(&self) -> u64 {
        self.town.now.0
    }

    fn after(&mut self, nanoseconds: u64, event: Event) {
        self.count += 1;
        self.events
            .insert((self.now() + nanoseconds, self.count), event);
    }

    /// A time about so long.
    fn about(&mut self, nanoseconds: u64) -> u64 {
        nanoseconds / 2 + self.random.below(nanoseconds as usize + 1) as u64
    }
}

/// Between two interfaces that are likely to be of one VPC or of joined ones: else nothing ever arrives.
fn session(random: &mut Random, town: &Town) -> Session {
    let cloud = &town.controller.cloud;
    let vpc = |n: usize| cloud.interface(town.interfaces[n]).map(|i| i.vpc);
    let theme = *random.pick(&[Theme::Peered, Theme::Outside]);
    let mut session = Session::random(random, town.interfaces.len(), theme);
    for _ in 0..64 {
        if session.via != Via::Itself {
            break;
        }
        if let (Some(a), Some(b)) = (vpc(session.a), vpc(session.b))
            && (may_send(cloud, a, b) || may_send(cloud, b, a))
        {
            break;
        }
        session = Session::random(random, town.interfaces.len(), theme);
    }
    session
}

/// Whether interfaces of the one VPC may send to those of the other.
fn may_send(cloud: &Cloud, from: VpcId, to: VpcId) -> bool {
    let mut active = cloud.peerings_of_vpc(from).filter(|p| p.is_active());
    from == to
        || active.any(|peering| peering.other(from) == Some(to))
        || transit::reached(cloud, from).contains(&to)
}
