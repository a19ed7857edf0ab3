//! How many stories are told.

use crate::story::{Story, Tally};

/// Seeds whose stories once ended badly: they always run, a line each.
const KEPT: &str = include_str!("seeds.txt");

fn setting(name: &str, otherwise: usize) -> usize {
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
    let clouds = setting("WEFT_ORACLE_CLOUDS", 150);
    let packets = setting("WEFT_ORACLE_PACKETS", 100);
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
