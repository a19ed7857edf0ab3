//! What should have happened beside what did.

use crate::{
    judge::{self, Outcome},
    underlay::{Crossing, Fate},
};

/// What differs, if anything does.
pub(crate) fn compare(expected: &Outcome, fate: &Fate) -> Result<(), String> {
    drops(expected, fate)?;
    crossings(expected, fate)?;
    outside(expected, fate)?;
    let whom: Vec<_> = expected.delivered.iter().map(|(id, _)| *id).collect();
    let got: Vec<_> = fate.delivered.iter().map(|(id, _)| *id).collect();
    if whom != got {
        return Err(format!("should reach {whom:?}, and reached {got:?}"));
    }
    for ((id, expected), (_, got)) in expected.delivered.iter().zip(&fate.delivered) {
        let wrong = expected.check(got);
        wrong.map_err(|wrong| format!("{id} got the wrong bytes: {wrong}"))?;
    }
    Ok(())
}

fn drops(expected: &Outcome, fate: &Fate) -> Result<(), String> {
    let got: Vec<_> = fate
        .drops
        .iter()
        .map(|drop| {
            (
                drop.reason.code(),
                drop.object.map(|object| object.to_string()),
            )
        })
        .collect();
    let wanted: Vec<_> = expected
        .drops
        .iter()
        .map(|refusal| (refusal.code, refusal.blames.clone()))
        .collect();
    if got == wanted {
        return Ok(());
    }
    Err(format!("should drop as {wanted:?}, and dropped as {got:?}"))
}

fn crossings(expected: &Outcome, fate: &Fate) -> Result<(), String> {
    let (wanted, got) = (&expected.crossings, &fate.crossings);
    let fits = |(wanted, got): (&judge::Crossing, &Crossing)| {
        wanted.from.contains(&got.from) && wanted.to.contains(&got.to) && wanted.vni == got.vni
    };
    if wanted.len() == got.len() && wanted.iter().zip(got).all(fits) {
        return Ok(());
    }
    Err(format!("should cross {wanted:?}, and crossed {got:?}"))
}

fn outside(expected: &Outcome, fate: &Fate) -> Result<(), String> {
    let (wanted, got) = (&expected.outside, &fate.outside);
    if wanted.len() != got.len() {
        let wrong = "packets should go to the internet, and these did";
        return Err(format!("{} {wrong}: {got:02x?}", wanted.len()));
    }
    for (expected, got) in wanted.iter().zip(got) {
        let wrong = expected.check(got);
        wrong.map_err(|wrong| format!("the internet got the wrong bytes: {wrong}"))?;
    }
    Ok(())
}
