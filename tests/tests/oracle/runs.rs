//! How many stories are told.

use std::panic::{AssertUnwindSafe, catch_unwind};

use weft_engine::{Mutation, wake};

use crate::story::{Story, Tally};

/// How much is told where nobody says otherwise: a few seconds.
const CLOUDS: usize = 300;
const PACKETS: usize = 150;

/// Seeds whose stories once ended badly: they always run, a line each.
const KEPT: &str = include_str!("seeds.txt");

pub(crate) fn setting(name: &str, otherwise: usize) -> usize {
    let given = std::env::var(name).ok();
    given.map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Tells the story of the seed; fails with the shortest bad one.
fn tell(seed: u64, packets: usize) -> Tally {
    let story = Story::random(seed, packets);
    story.run().unwrap_or_else(|failure| {
        let (story, failure) = story.shrink(failure);
        panic!("{}", story.tell(&failure));
    })
}

#[test]
fn what_the_judge_says_of_a_packet_happens_to_it() {
    let clouds = setting("WEFT_ORACLE_CLOUDS", CLOUDS);
    let packets = setting("WEFT_ORACLE_PACKETS", PACKETS);
    let first = setting("WEFT_ORACLE_SEED", 1);
    let mut all = Tally::default();
    for seed in first..first + clouds {
        all.add(tell(seed as u64, packets));
    }
    println!("{clouds} clouds, {all:?}: no mismatch");
}

#[test]
fn stories_that_once_ended_badly_end_well() {
    let lines = KEPT.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let mut words = line.split_whitespace().map(|word| word.parse().unwrap());
        let (seed, packets) = (words.next().unwrap(), words.next().unwrap());
        tell(seed, packets as usize);
    }
}

/// The first seed of the usual run whose story ends badly with this fault in the engines.
fn finder(mutation: Mutation) -> Option<u64> {
    wake(Some(mutation));
    // A fault may also trip over one of the engine's own assertions.
    let ends_badly = |seed: &u64| {
        let story = AssertUnwindSafe(Story::random(*seed, PACKETS));
        catch_unwind(|| story.run().is_err()).unwrap_or(true)
    };
    let found = (1..=CLOUDS as u64).find(ends_badly);
    wake(None);
    found
}

#[test]
fn the_usual_run_finds_every_fault_that_is_made_on_purpose() {
    for &mutation in Mutation::ALL {
        let found = finder(mutation);
        println!("{mutation:?}: found by seed {found:?}");
        assert!(found.is_some(), "no story of {CLOUDS} shows {mutation:?}");
    }
}
