//! The harness of the whole-system tests: labs of their own, as root and rootless, that go away
//! whatever happens, with the real binary and real packets. The tests are in `tests/`.
#![forbid(unsafe_code)]
// A test's harness: a broken expectation is the message.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod exposition;
mod lab;
mod program;
mod running;
mod skip;
mod trace;
mod user;

pub use exposition::{Exposition, Kind, Series};
pub use lab::Lab;
pub use program::{Finished, run, weft_program};
pub use running::Running;
pub use skip::skip;
pub use trace::Trace;
pub use user::{Mode, User};

use std::time::{Duration, Instant};

/// Makes two tests of one body, `as_root` and `rootless`, in a module of that name.
#[macro_export]
macro_rules! both_modes {
    ($name:ident, $body:ident) => {
        mod $name {
            #[test]
            fn as_root() {
                if let Some(user) = $crate::User::new($crate::Mode::Root) {
                    super::$body(user);
                }
            }

            #[test]
            fn rootless() {
                if let Some(user) = $crate::User::new($crate::Mode::Rootless) {
                    super::$body(user);
                }
            }
        }
    };
}

/// Makes three tests of one body: as [`both_modes`], and `in_the_kernel` as root, where the kernel
/// forwards.
#[macro_export]
macro_rules! both_datapaths {
    ($name:ident, $body:ident) => {
        $crate::root_datapaths!($name, $body, {
            #[test]
            fn rootless() {
                if let Some(user) = $crate::User::new($crate::Mode::Rootless) {
                    super::$body(user);
                }
            }
        });
    };
}

/// Makes two tests of one body as root: `as_root`, where the vswitch's own threads forward, and
/// `in_the_kernel`.
#[macro_export]
macro_rules! root_datapaths {
    ($name:ident, $body:ident $(, { $($more:tt)* })?) => {
        mod $name {
            #[test]
            fn as_root() {
                if let Some(user) = $crate::User::new($crate::Mode::Root) {
                    super::$body(user);
                }
            }

            #[test]
            fn in_the_kernel() {
                if let Some(user) = $crate::User::new($crate::Mode::Kernel) {
                    super::$body(user);
                }
            }

            $($($more)*)?
        }
    };
}

/// Between two looks at something awaited.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until there is something; how long that took.
///
/// # Panics
/// When `patience` is over, saying `what` was awaited.
pub fn eventually<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> (T, Duration) {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return (found, begin.elapsed());
        }
        assert!(begin.elapsed() < patience, "after {patience:?}: not {what}");
        std::thread::sleep(LOOK);
    }
}
