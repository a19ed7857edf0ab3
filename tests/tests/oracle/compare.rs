//! What should have happened beside what did.

use crate::{
    judge::Outcome,
    underlay::{Crossing, Fate},
};

/// What differs, if anything does.
pub(crate) fn compare(expected: &Outcome, fate: &Fate) -> Result<(), String> {
    drops(expected, fate)?;
    crossings(expected, fate)?;
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
    let wanted: Vec<_> = expected
        .crossings
        .iter()
        .map(|&(from, to, vni)| Crossing { from, to, vni })
        .collect();
    if wanted == fate.crossings {
        return Ok(());
    }
    Err(format!(
        "should cross {wanted:?}, and crossed {:?}",
        fate.crossings
    ))
}
