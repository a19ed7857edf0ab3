//! How calls went: by method and code, and how long they took.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;
use weft_telemetry::{Histogram, latencies};

/// gRPC has this many codes, from 0.
const CODES: usize = 17;

/// What paths are called that no service here has: callers can't make up names of series.
const UNKNOWN: &str = "unknown";

/// Counts since the start. Made whole before the first call, so that counting takes no lock.
#[derive(Debug)]
pub(crate) struct CallStats {
    /// By the path, as `/weft.v1.Vpcs/Create`.
    methods: HashMap<String, [AtomicU64; CODES]>,
    unknown: [AtomicU64; CODES],
    reads: Histogram,
    writes: Histogram,
    /// Calls that run now.
    pub(crate) running: AtomicU64,
}

/// How many calls of a method ended with a code.
pub(crate) struct Ended {
    /// As `Vpcs/Create`.
    pub(crate) method: String,
    pub(crate) code: Code,
    pub(crate) count: u64,
}

impl Default for CallStats {
    fn default() -> Self {
        let counts = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            methods: methods().map(|path| (path, counts())).collect(),
            unknown: counts(),
            reads: latencies(),
            writes: latencies(),
            running: AtomicU64::new(0),
        }
    }
}

/// The path of each method of the API.
pub(crate) fn methods() -> impl Iterator<Item = String> {
    // Compiled in, and a test reads them.
    let files = FileDescriptorSet::decode(weft_proto::DESCRIPTORS).unwrap_or_default();
    let files = files.file.into_iter();
    files
        .filter(|file| file.package() == "weft.v1")
        .flat_map(|file| file.service)
        .flat_map(|service| {
            let name = service.name().to_owned();
            let path = move |method: &str| format!("/weft.v1.{name}/{method}");
            let methods = service.method.into_iter();
            methods.map(move |method| path(method.name()))
        })
}

/// Whether the method changes nothing.
pub(crate) fn is_read(path: &str) -> bool {
    let method = path.rsplit('/').next().unwrap_or_default();
    ["Get", "List", "Query", "Explain", "Version", "Wait"]
        .iter()
        .any(|word| method.starts_with(word))
}

impl CallStats {
    /// A call ended. Waits take as long as hosts do, and aren't timed.
    pub(crate) fn ended(&self, path: &str, code: Code, took: Duration) {
        let counts = self.methods.get(path).unwrap_or(&self.unknown);
        counts[(code as usize).min(CODES - 1)].fetch_add(1, Relaxed);
        if path.ends_with("/Wait") {
            return;
        }
        let times = if is_read(path) {
            &self.reads
        } else {
            &self.writes
        };
        times.observe(took.as_secs_f64());
    }

    /// What was called at least once, in order.
    pub(crate) fn calls(&self) -> Vec<Ended> {
        let known = self.methods.iter();
        let named = known.map(|(path, counts)| (path.as_str(), counts));
        let mut all: Vec<_> = named.chain([(UNKNOWN, &self.unknown)]).collect();
        all.sort_unstable_by_key(|(path, _)| *path);
        let each = all.into_iter().flat_map(|(path, counts)| {
            let method = path.trim_start_matches("/weft.v1.");
            counts.iter().enumerate().map(move |(code, count)| Ended {
                method: method.to_owned(),
                code: Code::from(code as i32),
                count: count.load(Relaxed),
            })
        });
        each.filter(|ended| ended.count > 0).collect()
    }

    /// How long calls took that change nothing, and those that do.
    pub(crate) const fn times(&self) -> [(&'static str, &Histogram); 2] {
        [("read", &self.reads), ("write", &self.writes)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_nobody_serves_makes_no_series_of_its_own() {
        let stats = CallStats::default();
        stats.ended("/weft.v1.Vpcs/Create", Code::Ok, Duration::ZERO);
        for n in 0..10 {
            stats.ended(
                &format!("/made.up/{n}"),
                Code::Unimplemented,
                Duration::ZERO,
            );
        }
        let calls = stats.calls();
        let told: Vec<_> = calls.iter().map(|c| (c.method.as_str(), c.count)).collect();
        assert_eq!(told, [("Vpcs/Create", 1), (UNKNOWN, 10)]);
    }

    #[test]
    fn every_method_of_the_api_is_counted_by_its_name() {
        let paths: Vec<_> = methods().collect();
        assert!(paths.len() > 100, "{}", paths.len());
        assert!(paths.contains(&"/weft.v1.Vpcs/AssociateCidr".to_owned()));
        assert!(paths.contains(&"/weft.v1.Operations/Wait".to_owned()));
    }
}
