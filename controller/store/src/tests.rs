//! The contract, held against both stores, and what the file's store adds to it.

use std::{fs, path::Path, time::Duration};

use proptest::prelude::*;
use weft_model::{Change, Kind, Label, Meta, Region, Resource, ResourceKey, Revision};

use crate::{
    MemoryStore, Receipt, RedbStore, Store, StoreError, Txn, WatchError,
    redb::{Options, SCHEMA_VERSION},
};

const SOON: Duration = Duration::from_secs(10);

fn region(name: &str, label: &str) -> Region {
    Region {
        name: name.parse().unwrap(),
        meta: Meta {
            name: Some(label.parse::<Label>().unwrap()),
            ..Meta::default()
        },
    }
}

fn create(name: &str) -> Txn {
    Txn {
        changes: vec![Change::create(region(name, "new"))],
        receipt: None,
    }
}

fn receipt(request_id: &str) -> Txn {
    Txn {
        changes: Vec::new(),
        receipt: Some(Receipt {
            request_id: request_id.to_owned(),
            digest: 7,
            revision: Revision(0),
            answer: b"yes\0\xff".to_vec(),
        }),
    }
}

fn key(name: &str) -> ResourceKey {
    ResourceKey::Region(name.parse().unwrap())
}

/// Runs the test against each kind of store.
fn on_each(test: impl Fn(&dyn Store)) {
    let dir = tempfile::tempdir().unwrap();
    test(&RedbStore::open(dir.path().join("store")).unwrap());
    test(&MemoryStore::new());
}

#[test]
fn a_new_store_is_empty_at_revision_zero() {
    on_each(|store| {
        let snapshot = store.load().unwrap();
        assert_eq!(snapshot.revision, Revision(0));
        assert_eq!(snapshot.resources, []);
    });
}

#[test]
fn each_transaction_of_a_batch_has_the_next_revision_and_stamps_it() {
    on_each(|store| {
        let revisions = store.commit(vec![create("a"), create("b")]).unwrap();
        assert_eq!(revisions, [Revision(1), Revision(2)]);
        let b = Resource::from(region("b", "new"));
        let mut stored = store.load().unwrap().resources[1].clone();
        assert_eq!(stored.meta().created, Revision(2));
        let rename = Change::update(stored.clone(), region("b", "renamed"));
        let txn = Txn {
            changes: vec![rename],
            receipt: None,
        };
        assert_eq!(store.commit(vec![txn]).unwrap(), [Revision(3)]);
        stored = store.load().unwrap().resources[1].clone();
        assert_eq!(stored.key(), b.key());
        assert_eq!(stored.meta().created, Revision(2));
        assert_eq!(stored.meta().updated, Revision(3));
    });
}

#[test]
fn one_bad_transaction_undoes_its_whole_batch() {
    on_each(|store| {
        store.commit(vec![create("a")]).unwrap();
        let before = store.load().unwrap();
        let gone = Txn {
            changes: vec![Change::delete(region("nowhere", ""))],
            receipt: None,
        };
        let take_a = Txn {
            changes: vec![Change::delete(region("a", "new"))],
            receipt: None,
        };
        let error = store.commit(vec![create("b"), take_a, gone]).unwrap_err();
        let expected = key("nowhere");
        assert!(matches!(error, StoreError::Conflict { key, exists: false } if key == expected));
        assert_eq!(store.load().unwrap(), before);
        assert_eq!(store.commit(vec![create("c")]).unwrap(), [Revision(2)]);
    });
}

#[test]
fn creating_what_exists_is_refused_by_name() {
    on_each(|store| {
        store.commit(vec![create("a")]).unwrap();
        let error = store.commit(vec![create("a")]).unwrap_err();
        let text = error.to_string();
        assert_eq!(
            text,
            "the transaction doesn't fit the store: region a exists already"
        );
    });
}

#[test]
fn a_malformed_transaction_is_refused() {
    on_each(|store| {
        let nothing = Change {
            before: None,
            after: None,
        };
        let twice = Change::create(region("a", "1"));
        let moved = Change::update(region("a", ""), region("b", ""));
        for changes in [vec![nothing], vec![twice.clone(), twice], vec![moved]] {
            let txn = Txn {
                changes,
                receipt: None,
            };
            let error = store.commit(vec![txn]).unwrap_err();
            assert!(matches!(error, StoreError::Malformed(_)), "{error}");
        }
        for length in [0, 256] {
            let error = store
                .commit(vec![receipt(&"x".repeat(length))])
                .unwrap_err();
            assert!(matches!(error, StoreError::RequestId { length: l } if l == length));
        }
        assert_eq!(store.load().unwrap().revision, Revision(0));
    });
}

#[test]
fn a_receipt_is_found_again_with_its_revision() {
    on_each(|store| {
        store.commit(vec![create("a"), receipt("req-1")]).unwrap();
        let found = store.receipt("req-1").unwrap().unwrap();
        assert_eq!(found.revision, Revision(2));
        assert_eq!((found.digest, found.answer), (7, b"yes\0\xff".to_vec()));
        assert_eq!(store.receipt("req-2").unwrap(), None);
    });
}

#[test]
fn only_the_newest_receipts_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        receipts: 3,
        ..Options::default()
    };
    let store = RedbStore::open_with(dir.path().join("store"), &options).unwrap();
    let ids = ["a", "b", "c", "a", "d"];
    store
        .commit(ids.into_iter().map(receipt).collect())
        .unwrap();
    let revision = |id| store.receipt(id).unwrap().map(|receipt| receipt.revision.0);
    // The second `a` replaced the first, so `b` is the one that fell out.
    let kept = ["a", "b", "c", "d"].map(revision);
    assert_eq!(kept, [Some(4), None, Some(3), Some(5)]);
}

#[test]
fn a_watch_gives_each_later_commit_once_and_in_order() {
    on_each(|store| {
        store.commit(vec![create("a")]).unwrap();
        let early = store.watch(Revision(0)).unwrap();
        let late = store.watch(Revision(1)).unwrap();
        store.commit(vec![create("b"), create("c")]).unwrap();
        let seen = |watch: &crate::Watch, n| -> Vec<u64> {
            let next = || watch.next(SOON).unwrap().unwrap().revision.0;
            (0..n).map(|_| next()).collect()
        };
        assert_eq!(seen(&early, 3), [1, 2, 3]);
        assert_eq!(seen(&late, 2), [2, 3]);
        assert_eq!(late.next(Duration::ZERO).unwrap(), None);
    });
}

#[test]
fn a_watch_from_the_future_skips_what_it_knows() {
    on_each(|store| {
        let watch = store.watch(Revision(1)).unwrap();
        store.commit(vec![create("a"), create("b")]).unwrap();
        assert_eq!(watch.next(SOON).unwrap().unwrap().revision, Revision(2));
    });
}

#[test]
fn a_watch_that_lags_is_told_to_load_again() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        backlog: 2,
        ..Options::default()
    };
    let store = RedbStore::open_with(dir.path().join("store"), &options).unwrap();
    let slow = store.watch(Revision(0)).unwrap();
    store.commit(["a", "b", "c"].map(create).into()).unwrap();
    assert_eq!(slow.next(SOON), Err(WatchError::Lagged { limit: 2 }));
    let error = store.watch(Revision(0)).unwrap_err();
    let oldest = Revision(1);
    assert!(matches!(error, StoreError::Compacted { oldest: o, .. } if o == oldest));
    assert!(store.watch(oldest).is_ok());
}

#[test]
fn a_watch_ends_with_its_store_after_the_last_commit() {
    let store = MemoryStore::new();
    let watch = store.watch(Revision(0)).unwrap();
    store.commit(vec![create("a")]).unwrap();
    drop(store);
    assert!(watch.next(SOON).unwrap().is_some());
    assert_eq!(watch.next(SOON), Err(WatchError::Closed));
}

#[test]
fn a_reopened_store_has_everything_and_goes_on_counting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = RedbStore::open(&path).unwrap();
    store.commit(vec![create("a"), receipt("req-1")]).unwrap();
    let before = store.load().unwrap();
    drop(store);
    let store = RedbStore::open(&path).unwrap();
    assert_eq!(store.load().unwrap(), before);
    assert!(store.receipt("req-1").unwrap().is_some());
    assert!(matches!(
        store.watch(Revision(1)),
        Err(StoreError::Compacted { .. })
    ));
    assert_eq!(store.commit(vec![create("b")]).unwrap(), [Revision(3)]);
    let names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["store"], "one file, and no draft left");
}

#[test]
fn a_second_writer_is_told_that_the_store_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let _first = RedbStore::open(&path).unwrap();
    let error = RedbStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }));
    assert!(
        error.to_string().contains("one controller at a time"),
        "{error}"
    );
}

#[test]
fn another_schema_version_is_refused_with_both_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    drop(RedbStore::open(&path).unwrap());
    let database = ::redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = ::redb::TableDefinition::<&str, u64>::new("meta");
    transaction
        .open_table(meta)
        .unwrap()
        .insert("schema", 9)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = RedbStore::open(&path).unwrap_err();
    assert!(matches!(
        error,
        StoreError::Schema {
            found: 9,
            supported: SCHEMA_VERSION,
            ..
        }
    ));
    assert!(error.to_string().ends_with("run a newer weft"), "{error}");
}

fn damaged(path: &Path) -> bool {
    match RedbStore::open(path) {
        Err(StoreError::Damaged { .. }) => true,
        Err(other) => panic!("{other}"),
        Ok(_) => false,
    }
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text");
    fs::write(&text, "not a database, and longer than a magic number").unwrap();
    assert!(damaged(&text));
    let foreign = dir.path().join("foreign");
    drop(::redb::Database::create(&foreign).unwrap());
    assert!(damaged(&foreign));
    let empty = dir.path().join("empty");
    fs::write(&empty, "").unwrap();
    assert!(damaged(&empty));
}

/// A store with a few pages of content, as bytes.
fn sound_file(dir: &Path) -> Vec<u8> {
    let path = dir.join("sound");
    let store = RedbStore::open(&path).unwrap();
    let names: Vec<String> = (0..300).map(|n| format!("region-{n}")).collect();
    store
        .commit(names.iter().map(|name| create(name)).collect())
        .unwrap();
    drop(store);
    fs::read(&path).unwrap()
}

#[test]
fn a_truncated_file_is_refused_and_never_read_as_whole() {
    let dir = tempfile::tempdir().unwrap();
    let sound = sound_file(dir.path());
    let torn = dir.path().join("torn");
    let lengths = (0..sound.len())
        .step_by(sound.len() / 40)
        .chain([1, 9, 64, 319, 320, 4096]);
    for length in lengths {
        fs::write(&torn, &sound[..length]).unwrap();
        assert!(damaged(&torn), "cut to {length} of {} bytes", sound.len());
    }
}

#[test]
fn a_flipped_bit_is_found_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let sound = sound_file(dir.path());
    let path = dir.path().join("flipped");
    let whole = RedbStore::open(dir.path().join("sound"))
        .unwrap()
        .load()
        .unwrap();
    for at in (0..sound.len()).step_by(sound.len() / 60) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        if !damaged(&path) {
            assert_eq!(
                RedbStore::open(&path).unwrap().load().unwrap(),
                whole,
                "bit of byte {at}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn both_stores_hold_the_same_after_any_batches(
        batches in prop::collection::vec(prop::collection::vec((0u8..6, any::<bool>()), 0..4), 0..12)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let file = RedbStore::open(dir.path().join("store")).unwrap();
        let memory = MemoryStore::new();
        for batch in batches {
            let txn = |&(n, there): &(u8, bool)| {
                let resource = Resource::from(region(&format!("r{n}"), "x"));
                let change = if there { Change::delete(resource) } else { Change::create(resource) };
                Txn { changes: vec![change], receipt: None }
            };
            let txns: Vec<Txn> = batch.iter().map(txn).collect();
            let answers = (file.commit(txns.clone()).ok(), memory.commit(txns).ok());
            prop_assert_eq!(&answers.0, &answers.1);
            prop_assert_eq!(file.load().unwrap(), memory.load().unwrap());
        }
    }
}

#[test]
fn a_load_gives_kinds_in_the_order_that_references_point() {
    on_each(|store| {
        let zone = weft_model::Zone {
            name: "a".parse().unwrap(),
            region: "z".parse().unwrap(),
            meta: Meta::default(),
        };
        let txn = Txn {
            changes: vec![Change::create(zone), Change::create(region("z", ""))],
            receipt: None,
        };
        store.commit(vec![txn]).unwrap();
        let resources = store.load().unwrap().resources;
        let kinds: Vec<Kind> = resources.iter().map(|r| r.key().kind()).collect();
        assert_eq!(kinds, [Kind::Region, Kind::Zone]);
    });
}
