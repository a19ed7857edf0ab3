//! The process itself, under the names that all of Prometheus' clients use.

use std::{
    fmt, fs, io,
    time::{SystemTime, UNIX_EPOCH},
};

use nix::unistd::{SysconfVar, sysconf};

use crate::page::{Page, Source};

/// This process.
#[derive(Debug)]
pub(crate) struct Process {
    role: &'static str,
    version: &'static str,
    /// Seconds since 1970.
    started: f64,
}

impl Process {
    pub(crate) fn new(role: &'static str, version: &'static str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let started = now.map_or(0.0, |since| since.as_secs_f64());
        Self {
            role,
            version,
            started,
        }
    }
}

impl Source for Process {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let built = [
            ("role", self.role.to_owned()),
            ("version", self.version.to_owned()),
        ];
        let help = "Which build this is; always 1.";
        page.gauges("weft_build_info", help, [(built, 1.0)])?;
        let help = "When the process began, in seconds since 1970.";
        page.gauge("process_start_time_seconds", help, self.started)?;
        // Where /proc can't be read there is nothing to tell.
        let usage = Usage::read().unwrap_or_default();
        let help = "Memory of the process that is in RAM.";
        page.gauge("process_resident_memory_bytes", help, usage.resident)?;
        let help = "Open file descriptors.";
        page.gauge("process_open_fds", help, usage.descriptors)?;
        let help = "Seconds of processor time, in whole.";
        page.counter("process_cpu_seconds", help, usage.seconds)
    }
}

#[derive(Default)]
struct Usage {
    resident: f64,
    descriptors: f64,
    seconds: u64,
}

impl Usage {
    fn read() -> io::Result<Self> {
        let memory = fs::read_to_string("/proc/self/statm")?;
        let times = fs::read_to_string("/proc/self/stat")?;
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
        let pages = number(memory.split(' ').nth(1)).unwrap_or(0);
        // The name before the last bracket may hold anything (proc(5)); utime and stime are words
        // 14 and 15, the state behind the bracket is word 3.
        let after = times.rsplit_once(')').map_or("", |(_, after)| after);
        let mut words = after.split_whitespace().skip(11);
        let ticks = number(words.next()).unwrap_or(0) + number(words.next()).unwrap_or(0);
        Ok(Self {
            resident: (pages * system(SysconfVar::PAGE_SIZE, 4096)) as f64,
            descriptors: fs::read_dir("/proc/self/fd")?.count() as f64,
            seconds: ticks / system(SysconfVar::CLK_TCK, 100),
        })
    }
}

fn system(variable: SysconfVar, usual: u64) -> u64 {
    let value = sysconf(variable).ok().flatten();
    value
        .and_then(|value| u64::try_from(value).ok())
        .filter(|value| *value > 0)
        .unwrap_or(usual)
}
