//! A process that writes is killed at any instant, again and again on the same file: every write
//! that it acknowledged is there afterwards, and none is there by half.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    collections::hash_map::RandomState,
    env,
    hash::BuildHasher,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use weft_model::{Change, Label, Meta, Region, Resource, Revision};
use weft_store::{Receipt, RedbStore, Snapshot, Store, Txn, redb::Options};

/// Where the writing process finds its store; not set in the process that kills.
const STORE: &str = "WEFT_TEST_KILL_STORE";
const TEST: &str = "a_kill_at_any_instant_loses_nothing_and_tears_nothing";
const ROUNDS: u64 = 60;
/// Regions that every transaction rewrites: where one differs, a transaction was torn.
const SHARED: [&str; 3] = ["a", "m", "z"];
/// Each transaction makes a region of its own and deletes the one made this many before.
const WINDOW: u64 = 20;
const RECEIPTS: u64 = 16;

fn open(path: &Path) -> RedbStore {
    let options = Options {
        receipts: RECEIPTS,
        ..Options::default()
    };
    RedbStore::open_with(path, &options).unwrap()
}

fn region(name: &str, label: u64, created: u64, updated: u64) -> Resource {
    let meta = Meta {
        name: Some(label.to_string().parse::<Label>().unwrap()),
        created: Revision(created),
        updated: Revision(updated),
        ..Meta::default()
    };
    let name = name.parse().unwrap();
    Resource::Region(Region { name, meta })
}

/// The transaction that makes revision `n`, after which [`expected`] is what is stored.
fn transaction(n: u64) -> Txn {
    let shared = SHARED.map(|name| Change {
        before: (n > 1).then(|| region(name, n - 1, 1, n - 1)),
        after: Some(region(name, n, 0, 0)),
    });
    let own = |n: u64| region(&format!("r-{n}"), n, n, n);
    let old = n.checked_sub(WINDOW).filter(|&old| old > 0);
    let mut changes = Vec::from(shared);
    changes.push(Change::create(own(n)));
    changes.extend(old.map(|old| Change::delete(own(old))));
    let receipt = Receipt {
        request_id: format!("request-{n}"),
        digest: n,
        revision: Revision(0),
        answer: n.to_be_bytes().to_vec(),
    };
    Txn {
        changes,
        receipt: Some(receipt),
    }
}

/// All that is stored at revision `n`.
fn expected(n: u64) -> Snapshot {
    let first = n.saturating_sub(WINDOW) + 1;
    let mut resources: Vec<Resource> = (first..=n)
        .map(|i| region(&format!("r-{i}"), i, i, i))
        .chain(
            SHARED
                .iter()
                .filter(|_| n > 0)
                .map(|name| region(name, n, 1, n)),
        )
        .collect();
    resources.sort_by_key(Resource::key);
    Snapshot {
        revision: Revision(n),
        resources,
    }
}

/// Writes until it is killed, batches of one to four transactions, and tells each acknowledged
/// revision.
fn write_for_ever(path: &Path) -> ! {
    let store = open(path);
    let mut last = store.load().unwrap().revision.0;
    let mut out = std::io::stdout().lock();
    loop {
        let batch = (last + 1..=last + 1 + last % 4).map(transaction).collect();
        for revision in store.commit(batch).unwrap() {
            last = revision.0;
        }
        writeln!(out, "acknowledged {last}").unwrap();
    }
}

fn spawn(path: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(STORE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills the writer at a random instant, and returns the last revision that it acknowledged.
fn write_and_kill(path: &Path, seed: u64) -> Option<u64> {
    let mut child = spawn(path);
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let number = |line: String| line.strip_prefix("acknowledged ")?.parse::<u64>().ok();
    let mut last = None;
    // Every third kill comes while the store is made or opened; the others while it is written.
    if !seed.is_multiple_of(3) {
        last = lines.by_ref().find_map(number);
        assert!(
            last.is_some(),
            "the writer gave up: {:?}",
            child.wait_with_output()
        );
    }
    // The random instant is what is tested here; nothing waits for it.
    thread::sleep(Duration::from_micros(seed / 3 % 12_000));
    child.kill().unwrap();
    child.wait().unwrap();
    lines.filter_map(number).last().or(last)
}

fn check(path: &Path, acknowledged: u64, context: &str) -> u64 {
    let store = open(path);
    let snapshot = store.load().unwrap();
    let n = snapshot.revision.0;
    assert!(
        n >= acknowledged,
        "lost: {acknowledged} was acknowledged, {n} is there, {context}"
    );
    assert_eq!(snapshot, expected(n), "torn, {context}");
    for i in 1..=n {
        let receipt = store.receipt(&format!("request-{i}")).unwrap();
        let kept = receipt.is_some_and(|r| r.revision.0 == i && r.answer == i.to_be_bytes());
        assert_eq!(kept, i + RECEIPTS > n, "receipt {i} of {n}, {context}");
    }
    n
}

#[test]
fn a_kill_at_any_instant_loses_nothing_and_tears_nothing() {
    if let Some(path) = env::var_os(STORE) {
        write_for_ever(Path::new(&path));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let (mut acknowledged, mut while_written) = (0, 0);
    for round in 0..ROUNDS {
        let seed = RandomState::new().hash_one(round);
        let told = write_and_kill(&path, seed);
        while_written += u64::from(told.is_some());
        acknowledged = acknowledged.max(told.unwrap_or(0));
        check(&path, acknowledged, &format!("round {round}, seed {seed}"));
    }
    assert!(
        while_written > ROUNDS / 3,
        "most kills hit a writer at work: {while_written}"
    );
}
