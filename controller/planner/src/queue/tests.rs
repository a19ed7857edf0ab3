use proptest::prelude::*;
use weft_model::{InterfaceId, SubnetId, VpcId};

use super::*;

type Body = u32;
type Queue = HostQueue<Body>;
type Desired = BTreeMap<StateKey, Arc<Item<Body>>>;

fn item(key: StateKey, version: u64, size: usize) -> Arc<Item<Body>> {
    Arc::new(Item {
        key,
        version,
        size,
        body: 0,
    })
}

fn vpc(n: u64) -> StateKey {
    StateKey::Vpc(VpcId::from_bits(n))
}

fn mapping(n: u64) -> StateKey {
    StateKey::Mapping(InterfaceId::from_bits(n))
}

fn subnet(n: u64) -> StateKey {
    StateKey::Subnet(SubnetId::from_bits(n))
}

fn port(n: u64) -> StateKey {
    StateKey::Port(InterfaceId::from_bits(n))
}

fn upsert(key: StateKey, version: u64) -> (StateKey, Edit<Body>) {
    (key.clone(), Edit::Upsert(item(key, version, 100)))
}

fn remove(key: StateKey) -> (StateKey, Edit<Body>) {
    (key, Edit::Remove)
}

fn edits<const N: usize>(edits: [(StateKey, Edit<Body>); N]) -> Edits<Body> {
    edits.into_iter().collect()
}

fn connected() -> Queue {
    let mut queue = Queue::new(None);
    queue.connect(&Hello::default(), &[], Revision(0));
    queue
}

fn upserts(update: &Update<Body>) -> Vec<(StateKey, u64)> {
    let items = update.upserts.iter();
    items.map(|item| (item.key.clone(), item.version)).collect()
}

fn refusal(version: u64) -> Refusal {
    Refusal {
        version,
        reason: "no such namespace".to_owned(),
    }
}

/// Acknowledges all that is sent until nothing is.
fn drain(queue: &mut Queue) -> Vec<Update<Body>> {
    let mut updates = Vec::new();
    while let Some(update) = queue.next_update() {
        queue.ack(update.nonce, []).unwrap();
        updates.push(update);
    }
    updates
}

#[test]
fn what_is_referred_to_comes_first_and_goes_last() {
    let mut queue = connected();
    queue.enqueue(
        Revision(1),
        edits([
            upsert(port(1), 1),
            upsert(subnet(1), 1),
            upsert(mapping(1), 1),
            upsert(vpc(1), 1),
            remove(vpc(2)),
            remove(mapping(2)),
            remove(port(2)),
        ]),
    );
    let update = queue.next_update().unwrap();
    let sent: Vec<_> = upserts(&update).into_iter().map(|(key, _)| key).collect();
    assert_eq!(sent, [vpc(1), mapping(1), subnet(1), port(1)]);
    assert_eq!(update.removals, [port(2), mapping(2), vpc(2)]);
    assert!(!update.more);
}

#[test]
fn only_the_newest_of_a_key_is_sent() {
    let mut queue = connected();
    queue.enqueue(Revision(1), edits([upsert(vpc(1), 1), upsert(vpc(2), 1)]));
    queue.enqueue(Revision(2), edits([upsert(vpc(1), 2), remove(vpc(2))]));
    queue.enqueue(Revision(3), edits([upsert(vpc(2), 3)]));
    let update = queue.next_update().unwrap();
    assert_eq!(upserts(&update), [(vpc(1), 2), (vpc(2), 3)]);
    assert_eq!(update.removals, []);
    assert_eq!(update.revision, Revision(3));
}

#[test]
fn one_update_is_in_flight_and_the_next_waits_for_its_answer() {
    let mut queue = connected();
    queue.enqueue(Revision(1), edits([upsert(vpc(1), 1)]));
    let first = queue.next_update().unwrap();
    queue.enqueue(Revision(2), edits([upsert(vpc(2), 1)]));
    assert_eq!(queue.next_update(), None);
    queue.ack(first.nonce, []).unwrap();
    assert_eq!(upserts(&queue.next_update().unwrap()), [(vpc(2), 1)]);
}

#[test]
fn a_revision_is_done_when_all_up_to_it_is_acknowledged() {
    let mut queue = connected();
    assert_eq!(queue.oldest(), None);
    queue.enqueue(Revision(5), edits([upsert(vpc(1), 1)]));
    assert_eq!(queue.oldest(), Some(Revision(5)));
    let first = queue.next_update().unwrap();
    queue.enqueue(Revision(6), edits([upsert(vpc(1), 2)]));
    queue.enqueue(Revision(7), edits([upsert(vpc(2), 1)]));
    assert_eq!(queue.oldest(), Some(Revision(5)));
    queue.ack(first.nonce, []).unwrap();
    assert_eq!(queue.oldest(), Some(Revision(6)));
    drain(&mut queue);
    assert_eq!(queue.oldest(), None);
    assert_eq!(queue.pending(), 0);
}

#[test]
fn a_large_batch_is_cut_below_the_limit() {
    let mut queue = connected();
    let many: Edits<Body> = (0..10)
        .map(|n| (vpc(n), Edit::Upsert(item(vpc(n), 1, UPDATE_LIMIT / 4))))
        .chain([remove(port(1))])
        .collect();
    queue.enqueue(Revision(1), many);
    let updates = drain(&mut queue);
    assert_eq!(updates.len(), 4);
    for update in &updates {
        let size: usize = update.upserts.iter().map(|item| item.size).sum();
        assert!(size < UPDATE_LIMIT);
    }
    let more: Vec<_> = updates.iter().map(|update| update.more).collect();
    assert_eq!(more, [true, true, true, false]);
    assert_eq!(updates[3].removals, [port(1)]);
}

#[test]
fn what_changes_during_a_batch_waits_for_the_next() {
    let mut queue = connected();
    let large = |n| (vpc(n), Edit::Upsert(item(vpc(n), 1, UPDATE_LIMIT)));
    queue.enqueue(Revision(1), edits([large(2), large(3)]));
    let first = queue.next_update().unwrap();
    // A removal in the middle of it must not overtake what the batch still brings.
    queue.enqueue(Revision(2), edits([remove(vpc(3)), upsert(vpc(1), 1)]));
    queue.ack(first.nonce, []).unwrap();
    let second = queue.next_update().unwrap();
    assert_eq!(
        (upserts(&second), second.revision),
        (vec![(vpc(3), 1)], Revision(1))
    );
    assert!(!second.more);
    queue.ack(second.nonce, []).unwrap();
    let third = queue.next_update().unwrap();
    assert_eq!(
        (upserts(&third), third.revision),
        (vec![(vpc(1), 1)], Revision(2))
    );
    assert_eq!(third.removals, [vpc(3)]);
}

#[test]
fn a_resource_larger_than_the_limit_goes_alone() {
    let mut queue = connected();
    let large = Edit::Upsert(item(vpc(1), 1, 2 * UPDATE_LIMIT));
    queue.enqueue(Revision(1), edits([(vpc(1), large), upsert(vpc(2), 1)]));
    let sent: Vec<_> = drain(&mut queue).iter().map(|u| u.upserts.len()).collect();
    assert_eq!(sent, [1, 1]);
}

#[test]
fn a_refused_resource_is_not_retried_until_it_changes() {
    let mut queue = connected();
    queue.enqueue(Revision(1), edits([upsert(vpc(1), 1), upsert(port(1), 1)]));
    let update = queue.next_update().unwrap();
    queue.ack(update.nonce, [(port(1), refusal(1))]).unwrap();
    assert_eq!(queue.oldest(), None, "a refused change is not waited for");
    assert_eq!(queue.refused().keys().collect::<Vec<_>>(), [&port(1)]);
    let hello = Hello {
        instance: 0,
        held: BTreeMap::from([(vpc(1), 1)]),
    };
    queue.connect(
        &hello,
        &[item(vpc(1), 1, 9), item(port(1), 1, 9)],
        Revision(1),
    );
    assert_eq!(queue.next_update(), None);
    assert_eq!(queue.refused().len(), 1);
    queue.enqueue(Revision(2), edits([upsert(port(1), 2)]));
    let update = queue.next_update().unwrap();
    assert_eq!(upserts(&update), [(port(1), 2)]);
    queue.ack(update.nonce, []).unwrap();
    assert!(queue.refused().is_empty());
    assert_eq!(queue.counters().nacks, 1);
}

#[test]
fn a_restarted_vswitch_is_offered_what_its_predecessor_refused() {
    let mut queue = connected();
    queue.enqueue(Revision(1), edits([upsert(port(1), 1)]));
    let update = queue.next_update().unwrap();
    queue.ack(update.nonce, [(port(1), refusal(1))]).unwrap();
    let hello = Hello {
        instance: 1,
        held: BTreeMap::new(),
    };
    queue.connect(&hello, &[item(port(1), 1, 9)], Revision(1));
    assert!(queue.refused().is_empty());
    assert_eq!(upserts(&queue.next_update().unwrap()), [(port(1), 1)]);
}

#[test]
fn a_refusal_of_what_was_not_sent_is_ignored() {
    let mut queue = connected();
    queue.enqueue(Revision(1), edits([upsert(vpc(1), 1)]));
    let update = queue.next_update().unwrap();
    queue.ack(update.nonce, [(vpc(9), refusal(1))]).unwrap();
    assert!(queue.refused().is_empty());
}

#[test]
fn a_refusal_s_reason_is_kept_short_and_printable() {
    let mut queue = connected();
    queue.enqueue(Revision(1), edits([upsert(vpc(1), 1)]));
    let update = queue.next_update().unwrap();
    let refusal = Refusal {
        version: 1,
        reason: format!("\u{1b}[31mé{}", "é".repeat(REASON_LIMIT)),
    };
    queue.ack(update.nonce, [(vpc(1), refusal)]).unwrap();
    let kept = &queue.refused()[&vpc(1)].reason;
    assert!(kept.starts_with("[31mé") && kept.len() <= REASON_LIMIT);
}

#[test]
fn an_acknowledgement_of_another_nonce_is_an_error_and_changes_nothing() {
    let mut queue = connected();
    assert!(queue.ack(1, []).is_err());
    queue.enqueue(Revision(1), edits([upsert(vpc(1), 1)]));
    let update = queue.next_update().unwrap();
    let error = queue.ack(update.nonce + 1, []).unwrap_err();
    assert_eq!(error.in_flight, Some(update.nonce));
    assert_eq!(queue.oldest(), Some(Revision(1)));
    queue.ack(update.nonce, []).unwrap();
    assert!(queue.ack(update.nonce, []).is_err());
}

#[test]
fn a_reconnecting_host_gets_only_what_differs() {
    // A new queue, as after the controller's restart: versions are digests and still compare.
    let mut queue = Queue::new(Some(Revision(0)));
    let hello = Hello {
        instance: 7,
        held: BTreeMap::from([(vpc(1), 1), (vpc(2), 1), (port(9), 1), (vpc(9), 4)]),
    };
    let desired = [item(vpc(1), 1, 9), item(vpc(2), 2, 9), item(vpc(3), 1, 9)];
    queue.connect(&hello, &desired, Revision(40));
    let update = queue.next_update().unwrap();
    assert_eq!(upserts(&update), [(vpc(2), 2), (vpc(3), 1)]);
    assert_eq!(update.removals, [port(9), vpc(9)]);
    assert_eq!(queue.oldest(), Some(Revision(0)));
    queue.ack(update.nonce, []).unwrap();
    assert_eq!(queue.oldest(), None);
}

#[test]
fn a_host_that_holds_all_is_sent_nothing() {
    let mut queue = Queue::new(Some(Revision(0)));
    let hello = Hello {
        instance: 7,
        held: BTreeMap::from([(vpc(1), 1)]),
    };
    queue.connect(&hello, &[item(vpc(1), 1, 9)], Revision(40));
    assert_eq!(queue.next_update(), None);
    assert_eq!(queue.oldest(), None);
    assert_eq!(queue.counters().resources, 0);
}

#[test]
fn a_host_that_is_away_keeps_nothing_waiting_but_is_known_to_lag() {
    let mut queue = connected();
    queue.enqueue(Revision(1), edits([upsert(vpc(1), 1)]));
    queue.disconnect();
    assert_eq!((queue.pending(), queue.oldest()), (0, Some(Revision(1))));
    for n in 2..100 {
        queue.enqueue(Revision(n), edits([upsert(vpc(n), 1)]));
    }
    assert_eq!((queue.pending(), queue.oldest()), (0, Some(Revision(1))));
}

/// A host in the small, as a vswitch keeps it.
#[derive(Default)]
struct Fake {
    held: BTreeMap<StateKey, u64>,
    instance: u64,
    in_flight: Option<Update<Body>>,
}

impl Fake {
    fn hello(&self) -> Hello {
        Hello {
            instance: self.instance,
            held: self.held.clone(),
        }
    }

    fn apply(&mut self, update: &Update<Body>) {
        for item in &update.upserts {
            self.held.insert(item.key.clone(), item.version);
        }
        for key in &update.removals {
            self.held.remove(key);
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Edit(Vec<(u8, Option<u8>)>),
    Send,
    Ack,
    /// The stream breaks, the update in flight applied or not.
    Break {
        applied: bool,
    },
    RestartHost,
    RestartController,
}

fn step() -> impl Strategy<Value = Step> {
    let edit = (0..12_u8, proptest::option::weighted(0.7, 0..4_u8));
    prop_oneof![
        4 => proptest::collection::vec(edit, 1..6).prop_map(Step::Edit),
        4 => Just(Step::Send),
        4 => Just(Step::Ack),
        1 => any::<bool>().prop_map(|applied| Step::Break { applied }),
        1 => Just(Step::RestartHost),
        1 => Just(Step::RestartController),
    ]
}

fn key(n: u8) -> StateKey {
    let id = u64::from(n / 4);
    match n % 4 {
        0 => vpc(id),
        1 => mapping(id),
        2 => subnet(id),
        _ => port(id),
    }
}

struct Run {
    queue: Queue,
    desired: Desired,
    fake: Fake,
    revision: u64,
}

impl Run {
    fn connect(&mut self) {
        self.fake.in_flight = None;
        let desired: Vec<_> = self.desired.values().cloned().collect();
        let revision = Revision(self.revision);
        self.queue.connect(&self.fake.hello(), &desired, revision);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Edit(changes) => self.edit(changes),
            Step::Send => {
                if let Some(update) = self.queue.next_update() {
                    self.fake.in_flight = Some(update);
                }
            }
            Step::Ack => self.ack(),
            Step::Break { applied } => {
                let update = self.fake.in_flight.take();
                if let Some(update) = update.filter(|_| *applied) {
                    self.fake.apply(&update);
                }
                self.queue.disconnect();
                self.connect();
            }
            Step::RestartHost => {
                self.fake.held.clear();
                self.fake.instance += 1;
                self.connect();
            }
            Step::RestartController => {
                self.queue = Queue::new(Some(Revision(0)));
                self.connect();
            }
        }
    }

    fn edit(&mut self, changes: &[(u8, Option<u8>)]) {
        self.revision += 1;
        let mut edits = Edits::new();
        for (n, version) in changes {
            let key = key(*n);
            let Some(version) = version else {
                self.desired.remove(&key);
                edits.insert(key, Edit::Remove);
                continue;
            };
            // Large enough that a batch is cut.
            let item = item(key.clone(), u64::from(*version), UPDATE_LIMIT / 3);
            self.desired.insert(key.clone(), Arc::clone(&item));
            edits.insert(key, Edit::Upsert(item));
        }
        self.queue.enqueue(Revision(self.revision), edits);
    }

    fn ack(&mut self) {
        if let Some(update) = self.fake.in_flight.take() {
            self.fake.apply(&update);
            self.queue.ack(update.nonce, []).unwrap();
        }
    }

    fn wanted(&self) -> BTreeMap<StateKey, u64> {
        let desired = self.desired.values();
        desired
            .map(|item| (item.key.clone(), item.version))
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// However streams break and either side restarts, a host that is done holds what it must.
    #[test]
    fn a_host_that_is_done_holds_exactly_what_it_must(
        steps in proptest::collection::vec(step(), 1..80)
    ) {
        let mut run = Run {
            queue: Queue::new(None),
            desired: Desired::new(),
            fake: Fake::default(),
            revision: 0,
        };
        run.connect();
        for step in &steps {
            run.step(step);
            // Twelve keys: waiting, and in the batch once more.
            prop_assert!(run.queue.pending() <= 24);
            if run.queue.oldest().is_none() {
                prop_assert_eq!(&run.fake.held, &run.wanted());
            }
        }
        while run.queue.oldest().is_some() {
            run.step(&Step::Send);
            run.step(&Step::Ack);
        }
        prop_assert_eq!(&run.fake.held, &run.wanted());
        let sent = run.queue.counters().resources;
        run.step(&Step::RestartController);
        run.step(&Step::Send);
        prop_assert_eq!(run.queue.counters().resources, 0, "all was held, after {} sent", sent);
    }
}
