//! Prints how long durable commits take here: `cargo run --release -p weft-store --example
//! commit_rate [DIRECTORY]`. The directory says whose disk is measured; the default is the
//! system's temporary one.
#![allow(clippy::print_stdout)]

use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

use weft_model::{Change, Meta, Region};
use weft_store::{RedbStore, Store, Txn};

fn transaction(name: &str) -> Result<Txn, Box<dyn Error>> {
    let name = name.parse()?;
    let meta = Meta::default();
    Ok(Txn {
        changes: vec![Change::create(Region { name, meta })],
        receipt: None,
    })
}

fn measure(store: &RedbStore, batch: usize, rounds: usize) -> Result<(), Box<dyn Error>> {
    let mut took: Vec<Duration> = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let names = (0..batch).map(|i| format!("b{batch}-{round}-{i}"));
        let txns = names
            .map(|name| transaction(&name))
            .collect::<Result<_, _>>()?;
        let start = Instant::now();
        store.commit(txns)?;
        took.push(start.elapsed());
    }
    took.sort();
    let total: Duration = took.iter().sum();
    let rate = (batch * rounds) as f64 / total.as_secs_f64();
    let (median, p99) = (took[rounds / 2], took[rounds * 99 / 100]);
    println!("batch {batch:>3}: commit p50 {median:?}, p99 {p99:?}; {rate:.0} transactions/s");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let parent = env::args_os().nth(1).map_or_else(env::temp_dir, Into::into);
    let dir = tempfile::tempdir_in(parent)?;
    let path = dir.path().join("store");
    let store = RedbStore::open(&path)?;
    for batch in [1, 8, 64] {
        measure(&store, batch, 500)?;
    }
    drop(store);
    let mut start = Instant::now();
    let store = RedbStore::open(&path)?;
    println!(
        "open, with the check of the whole file: {:?}",
        start.elapsed()
    );
    start = Instant::now();
    let resources = store.load()?.resources.len();
    println!("load: {resources} resources in {:?}", start.elapsed());
    Ok(())
}
