//! Processor time of everything that is seen here: in a lab, of the lab's processes and no others.
//!
//! What the kernel does for a packet is done on the time of the process that sent it, so it is in.

use std::{fs, time::Duration};

use nix::unistd::{SysconfVar, sysconf};

use crate::{BenchError, io};

/// Fields of `/proc/PID/stat` after the name: user and system time are the 14th and 15th of all.
const USER: usize = 11;

/// Time used so far.
///
/// # Errors
/// When `/proc` can't be read.
pub fn used() -> Result<Duration, BenchError> {
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").map_err(io("list processes"))? {
        let entry = entry.map_err(io("list processes"))?;
        // One that ends in between, or is no process.
        if let Ok(stat) = fs::read_to_string(entry.path().join("stat")) {
            ticks += of(&stat);
        }
    }
    Ok(Duration::from_secs_f64(
        ticks as f64 / per_second.max(1) as f64,
    ))
}

/// User and system ticks of one process.
fn of(stat: &str) -> u64 {
    // The name may have anything in it, parentheses too.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let fields = after.split_whitespace().skip(USER).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_with_blanks_and_parentheses_is_stepped_over() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 10 0 0 0 120 34 0 0 20 0 1 0 99";
        assert_eq!(super::of(stat), 154);
    }
}
