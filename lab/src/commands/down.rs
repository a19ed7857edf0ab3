//! `weft lab down` and `gc`.

use super::{Global, select};
use crate::{
    error::LabError,
    print,
    runtime::{
        client::stop,
        dirs::{LabDir, Labs},
    },
    topology::LabName,
};

pub(super) fn down(name: Option<LabName>, all: bool, global: &Global) -> Result<(), LabError> {
    let labs = Labs::open()?;
    let chosen = match (name, all) {
        (_, true) => labs.list()?,
        (Some(name), _) => vec![existing(&labs, &name)?],
        (None, _) => vec![select(global.lab.as_deref())?],
    };
    for dir in chosen {
        remove(&labs, &dir)?;
        print::progress(&format!("lab {}: gone", dir.name));
    }
    Ok(())
}

/// A lab that lives or has left something.
fn existing(labs: &Labs, name: &LabName) -> Result<LabDir, LabError> {
    let dir = labs.lab(name);
    if dir.path().exists() {
        return Ok(dir);
    }
    Err(LabError::Which(format!("there is no lab `{name}`")))
}

fn remove(labs: &Labs, dir: &LabDir) -> Result<(), LabError> {
    let _guard = labs.guard(&dir.name)?.ok_or_else(|| {
        let message = format!(
            "another command brings lab {} up or takes it down",
            dir.name
        );
        LabError::Which(message)
    })?;
    stop(dir)?;
    dir.remove()?;
    Ok(())
}

pub(super) fn gc(_: &Global) -> Result<(), LabError> {
    let labs = Labs::open()?;
    for dir in labs.list()?.into_iter().filter(|l| !l.alive()) {
        // One that is just coming up is guarded, and is not dead.
        let Some(_guard) = labs.guard(&dir.name)? else {
            continue;
        };
        if !dir.alive() {
            dir.remove()?;
            print::progress(&format!("lab {}: removed what it left", dir.name));
        }
    }
    Ok(())
}
