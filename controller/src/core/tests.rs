//! The writer, over a store that the test holds up and breaks at will.

use std::sync::mpsc::{Receiver, Sender, channel};

use futures::poll;
use weft_model::{Kind, Label, RegionName, ops::region};
use weft_store::{MemoryStore, Receipt, Snapshot, Txn, Watch};

use super::*;

/// Commits when told to, and says how many transactions came at once.
struct Gate {
    store: MemoryStore,
    entered: Mutex<Sender<usize>>,
    verdicts: Mutex<Receiver<Verdict>>,
}

enum Verdict {
    Commit,
    Fail,
}

impl Store for Gate {
    fn load(&self) -> Result<Snapshot, StoreError> {
        self.store.load()
    }

    fn commit(&self, batch: Vec<Txn>) -> Result<Vec<Revision>, StoreError> {
        // A test that has ended doesn't listen any more.
        let _ = self.entered.lock().unwrap().send(batch.len());
        // A test that holds nothing up has dropped its end.
        match self.verdicts.lock().unwrap().recv() {
            Ok(Verdict::Fail) => Err(StoreError::Malformed("as the test wants".to_owned())),
            Ok(Verdict::Commit) | Err(_) => self.store.commit(batch),
        }
    }

    fn receipt(&self, request_id: &str) -> Result<Option<Receipt>, StoreError> {
        self.store.receipt(request_id)
    }

    fn watch(&self, after: Revision) -> Result<Watch, StoreError> {
        self.store.watch(after)
    }
}

/// What the hosts' side heard.
#[derive(Default)]
struct Heard(Mutex<Vec<Revision>>);

impl Downstream for Heard {
    fn commit(&self, revision: Revision, changes: &[Change]) {
        assert!(!changes.is_empty());
        self.0.lock().unwrap().push(revision);
    }
}

struct Bench {
    core: Core,
    failure: oneshot::Receiver<StoreError>,
    heard: Arc<Heard>,
    entered: Receiver<usize>,
    verdicts: Option<Sender<Verdict>>,
}

impl Bench {
    fn start() -> Self {
        let (entered_in, entered) = channel();
        let (verdicts, verdicts_out) = channel();
        let store = Gate {
            store: MemoryStore::new(),
            entered: Mutex::new(entered_in),
            verdicts: Mutex::new(verdicts_out),
        };
        let view = Arc::new(RwLock::new(load(&store).unwrap()));
        let heard = Arc::new(Heard::default());
        let downstream: Arc<dyn Downstream> = Arc::clone(&heard) as _;
        let (core, failure) =
            Core::start(view, Box::new(store), Settings::default(), downstream).unwrap();
        Self {
            core,
            failure,
            heard,
            entered,
            verdicts: Some(verdicts),
        }
    }

    /// A bench whose store commits at once.
    fn open() -> Self {
        let mut bench = Self::start();
        bench.verdicts = None;
        bench
    }

    fn decide(&self, verdict: Verdict) {
        self.verdicts.as_ref().unwrap().send(verdict).unwrap();
    }

    fn regions(&self) -> Vec<String> {
        let names = |view: &View| view.cloud.regions().map(|r| r.name.to_string()).collect();
        self.core.read(names)
    }
}

fn region(name: &str) -> region::Draft {
    region::Draft {
        name: name.parse().unwrap(),
        label: None,
    }
}

/// Makes a region and answers with the revision.
fn create(name: &str) -> Command {
    let draft = region(name);
    Command {
        operation: Box::new(|cloud, _, _| region::create(cloud, draft)),
        render: Box::new(|view, _| view.revision.to_string().into_bytes()),
    }
}

fn request(id: &str, digest: u64) -> Option<Request> {
    let id = id.parse().unwrap();
    Some(Request { id, digest })
}

fn answer(outcome: Result<Vec<u8>, WriteError>) -> String {
    String::from_utf8(outcome.unwrap()).unwrap()
}

#[tokio::test]
async fn a_write_is_seen_once_it_is_committed() {
    let bench = Bench::open();
    assert_eq!(answer(bench.core.write(None, create("north")).await), "1");
    assert_eq!(bench.regions(), ["north"]);
    assert_eq!(*bench.heard.0.lock().unwrap(), [Revision(1)]);
}

#[tokio::test]
async fn readers_see_nothing_that_is_not_yet_durable() {
    let bench = Bench::start();
    let mut write = Box::pin(bench.core.write(None, create("north")));
    assert!(poll!(&mut write).is_pending());
    bench.entered.recv().unwrap();
    assert_eq!(bench.regions(), Vec::<String>::new());
    bench.decide(Verdict::Commit);
    write.await.unwrap();
    assert_eq!(bench.regions(), ["north"]);
}

#[tokio::test]
async fn what_queues_behind_a_commit_becomes_one_group_and_one_revision_each() {
    let bench = Bench::start();
    let mut first = Box::pin(bench.core.write(None, create("r0")));
    assert!(poll!(&mut first).is_pending());
    assert_eq!(bench.entered.recv().unwrap(), 1);
    let names = ["r1", "r2", "r3"];
    let mut queued: Vec<_> = names
        .iter()
        .map(|name| Box::pin(bench.core.write(None, create(name))))
        .collect();
    for write in &mut queued {
        assert!(poll!(write).is_pending());
    }
    bench.decide(Verdict::Commit);
    assert_eq!(bench.entered.recv().unwrap(), 3);
    bench.decide(Verdict::Commit);
    assert_eq!(answer(first.await), "1");
    let answers: Vec<_> = futures::future::join_all(queued).await;
    let answers: Vec<_> = answers.into_iter().map(answer).collect();
    assert_eq!(answers, ["2", "3", "4"]);
    let heard = bench.heard.0.lock().unwrap().clone();
    assert_eq!(heard, [1, 2, 3, 4].map(Revision));
}

#[tokio::test]
async fn a_refusal_in_a_group_harms_no_other_and_later_writes_see_earlier_ones() {
    let bench = Bench::start();
    let mut first = Box::pin(bench.core.write(None, create("r0")));
    assert!(poll!(&mut first).is_pending());
    bench.entered.recv().unwrap();
    let mut made = Box::pin(bench.core.write(None, create("r1")));
    let mut twice = Box::pin(bench.core.write(None, create("r1")));
    let mut other = Box::pin(bench.core.write(None, create("r2")));
    for write in [&mut made, &mut twice, &mut other] {
        assert!(poll!(write).is_pending());
    }
    bench.decide(Verdict::Commit);
    assert_eq!(
        bench.entered.recv().unwrap(),
        2,
        "the refused one commits nothing"
    );
    // Even the refusal waits: it rests on a write that is not committed.
    assert!(poll!(&mut twice).is_pending());
    bench.decide(Verdict::Commit);
    assert_eq!(answer(made.await), "2");
    let taken: RegionName = "r1".parse().unwrap();
    let refused = twice.await;
    assert!(
        matches!(&refused, Err(WriteError::Refused(OpError::AlreadyExists(key))) if *key == taken.into()),
        "{refused:?}"
    );
    assert_eq!(answer(other.await), "3");
    first.await.unwrap();
}

#[tokio::test]
async fn an_etag_of_before_the_group_is_stale_within_it() {
    let bench = Bench::start();
    let mut first = Box::pin(bench.core.write(None, create("r0")));
    assert!(poll!(&mut first).is_pending());
    bench.entered.recv().unwrap();
    bench.decide(Verdict::Commit);
    first.await.unwrap();

    let rename = |label: &str| {
        let label: Label = label.parse().unwrap();
        let update = region::Update {
            label: Some(Some(label)),
        };
        let name: RegionName = "r0".parse().unwrap();
        Command {
            operation: Box::new(move |cloud, _, _| {
                region::update(cloud, &name, update, Some(Revision(1)))
            }),
            render: Box::new(|view, _| view.revision.to_string().into_bytes()),
        }
    };
    let mut hold = Box::pin(bench.core.write(None, create("r1")));
    assert!(poll!(&mut hold).is_pending());
    bench.entered.recv().unwrap();
    let mut won = Box::pin(bench.core.write(None, rename("first")));
    let mut lost = Box::pin(bench.core.write(None, rename("second")));
    assert!(poll!(&mut won).is_pending() && poll!(&mut lost).is_pending());
    bench.decide(Verdict::Commit);
    bench.decide(Verdict::Commit);
    assert_eq!(answer(won.await), "3");
    let lost = lost.await;
    assert!(
        matches!(lost, Err(WriteError::Refused(OpError::Stale { .. }))),
        "{lost:?}"
    );
    hold.await.unwrap();
}

#[tokio::test]
async fn a_repeated_request_gets_its_first_answer_and_does_nothing() {
    let bench = Bench::open();
    let first = bench.core.write(request("a", 7), create("north")).await;
    bench.core.write(None, create("south")).await.unwrap();
    let again = bench.core.write(request("a", 7), create("north")).await;
    assert_eq!(answer(first), "1");
    assert_eq!(answer(again), "1");
    assert_eq!(bench.core.read(|view| view.revision), Revision(2));
}

#[tokio::test]
async fn a_request_id_of_another_request_is_refused() {
    let bench = Bench::open();
    bench
        .core
        .write(request("a", 7), create("north"))
        .await
        .unwrap();
    let other = bench.core.write(request("a", 8), create("south")).await;
    assert!(
        matches!(other, Err(WriteError::RequestIdReused(_))),
        "{other:?}"
    );
    assert_eq!(bench.regions(), ["north"]);
}

#[tokio::test]
async fn a_refused_request_can_be_tried_again_under_its_id() {
    let bench = Bench::open();
    bench.core.write(None, create("north")).await.unwrap();
    let refused = bench.core.write(request("a", 7), create("north")).await;
    assert!(refused.is_err());
    let other = bench.core.write(request("a", 7), create("south")).await;
    assert_eq!(answer(other), "2");
}

#[tokio::test]
async fn a_request_twice_in_a_group_is_carried_out_once() {
    let bench = Bench::start();
    let mut first = Box::pin(bench.core.write(None, create("r0")));
    assert!(poll!(&mut first).is_pending());
    bench.entered.recv().unwrap();
    let mut one = Box::pin(bench.core.write(request("a", 7), create("r1")));
    let mut two = Box::pin(bench.core.write(request("a", 7), create("r1")));
    assert!(poll!(&mut one).is_pending() && poll!(&mut two).is_pending());
    bench.decide(Verdict::Commit);
    assert_eq!(bench.entered.recv().unwrap(), 1);
    bench.decide(Verdict::Commit);
    assert_eq!(answer(one.await), "2");
    assert_eq!(answer(two.await), "2");
    first.await.unwrap();
}

#[tokio::test]
async fn a_write_whose_caller_left_the_queue_is_not_begun() {
    let bench = Bench::start();
    let mut first = Box::pin(bench.core.write(None, create("r0")));
    assert!(poll!(&mut first).is_pending());
    bench.entered.recv().unwrap();
    let mut left = Box::pin(bench.core.write(None, create("r1")));
    assert!(poll!(&mut left).is_pending());
    drop(left);
    bench.decide(Verdict::Commit);
    bench.decide(Verdict::Commit);
    first.await.unwrap();
    assert_eq!(answer(bench.core.write(None, create("r2")).await), "2");
    assert_eq!(bench.regions(), ["r0", "r2"]);
}

#[tokio::test]
async fn a_full_queue_says_so_at_once() {
    let bench = Bench::start();
    let mut first = Box::pin(bench.core.write(None, create("r0")));
    assert!(poll!(&mut first).is_pending());
    bench.entered.recv().unwrap();
    let mut queued = Vec::new();
    for i in 0..QUEUE {
        let mut write = Box::pin(bench.core.write(None, create(&format!("q{i}"))));
        assert!(poll!(&mut write).is_pending());
        queued.push(write);
    }
    let one_more = bench.core.write(None, create("late")).await;
    assert!(matches!(one_more, Err(WriteError::Busy)), "{one_more:?}");
}

#[tokio::test]
async fn a_failing_store_ends_writing_and_shows_nothing_of_the_lost_group() {
    let bench = Bench::start();
    let mut lost = Box::pin(bench.core.write(None, create("north")));
    assert!(poll!(&mut lost).is_pending());
    bench.decide(Verdict::Fail);
    let lost = lost.await;
    assert!(matches!(lost, Err(WriteError::Closed)), "{lost:?}");
    assert!(matches!(bench.failure.await, Ok(StoreError::Malformed(_))));
    let later = bench.core.write(None, create("south")).await;
    assert!(matches!(later, Err(WriteError::Closed)), "{later:?}");
    assert_eq!(bench.core.read(|view| view.cloud.count(Kind::Region)), 0);
    assert!(bench.heard.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn closing_carries_out_what_is_queued() {
    let bench = Bench::open();
    let mut writes: Vec<_> = (0..10)
        .map(|i| Box::pin(bench.core.write(None, create(&format!("r{i}")))))
        .collect();
    for write in &mut writes {
        // Pending or, where the writer was quick, done.
        if let std::task::Poll::Ready(outcome) = poll!(write) {
            outcome.unwrap();
        }
    }
    bench.core.close();
    assert_eq!(bench.regions().len(), 10);
}

#[test]
fn request_ids_are_visible_and_short() {
    assert!(
        "0f8fad5b-d9cb-469f-a165-70867728950e"
            .parse::<RequestId>()
            .is_ok()
    );
    for bad in ["", "a b", "a\n", "é", &"x".repeat(256)] {
        assert!(bad.parse::<RequestId>().is_err(), "{bad:?}");
    }
}

#[test]
fn equal_content_of_another_method_is_another_request() {
    let id: RequestId = "a".parse().unwrap();
    let content = weft_proto::v1::GetRequest { id: "x".to_owned() };
    let one = Request::new(id.clone(), "vpc.delete", &content);
    let other = Request::new(id, "subnet.delete", &content);
    assert_ne!(one.digest, other.digest);
}

/// Keeps the digests of stored receipts good: a new build must know an old request.
#[test]
fn the_digest_is_fnv1a() {
    assert_eq!(fnv1a(&[b"foo", b"bar"]), 0x8594_4171_f739_67e8);
}
