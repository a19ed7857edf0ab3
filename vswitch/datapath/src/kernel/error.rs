//! Why the kernel datapath can't be had, and what to do.

use std::io;

use aya::{EbpfError, maps::MapError, programs::ProgramError};

/// Why the programs could not be loaded or attached.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Weft was built without them.
    #[error(
        "this weft was built without the kernel datapath's programs ({0}): install clang and build \
         it again, or use --datapath userspace"
    )]
    NotBuilt(&'static str),
    /// Not allowed.
    #[error(
        "can't {step}: {source}; the kernel datapath needs CAP_BPF and CAP_NET_ADMIN outside of any \
         user namespace: run as root, or use --datapath userspace"
    )]
    NotAllowed {
        /// What was tried.
        step: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The kernel has no TCX links.
    #[error(
        "can't {step}: {source}; the kernel datapath needs Linux 6.6 or newer with CONFIG_BPF_SYSCALL \
         and CONFIG_NET_XGRESS: use --datapath userspace here"
    )]
    TooOld {
        /// What was tried.
        step: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The verifier refused a program.
    #[error("the kernel refuses the program {program}: {source}")]
    Refused {
        /// Which.
        program: &'static str,
        /// With the verifier's log.
        source: Box<ProgramError>,
    },
    /// The programs aren't what this weft expects.
    #[error("the kernel datapath's programs lack {0}: build weft again")]
    Lacks(&'static str),
    /// Loading, otherwise.
    #[error("can't load the kernel datapath's programs: {0}")]
    Load(Box<EbpfError>),
    /// A map can't be written.
    #[error("can't write the kernel datapath's map {map}: {source}")]
    Map {
        /// Which.
        map: &'static str,
        /// The reason.
        source: Box<MapError>,
    },
    /// A program can't be attached.
    #[error("can't attach to the device {device}: {source}")]
    Attach {
        /// Which.
        device: String,
        /// The reason.
        source: Box<ProgramError>,
    },
    /// No thread or descriptor.
    #[error("no thread or descriptor for the kernel datapath: {0}; is a limit reached?")]
    Thread(io::Error),
    /// There is no such device.
    #[error("there is no device {0} in the vswitch's namespace")]
    NoDevice(String),
}

impl KernelError {
    pub(super) fn load(error: EbpfError) -> Self {
        match system(&error) {
            Some(io) => Self::of("load the kernel datapath", io, |_| {
                Self::Load(Box::new(error))
            }),
            None => Self::Load(Box::new(error)),
        }
    }

    pub(super) fn program(program: &'static str, error: ProgramError) -> Self {
        let io = match &error {
            ProgramError::LoadError { io_error, .. } => Some(copy(io_error)),
            other => system(other),
        };
        let refused = |error| Self::Refused {
            program,
            source: Box::new(error),
        };
        match io {
            Some(io) if io.raw_os_error() == Some(libc::EPERM) => Self::NotAllowed {
                step: "load the kernel datapath",
                source: io,
            },
            _ => refused(error),
        }
    }

    pub(super) fn attach(device: &str, error: ProgramError) -> Self {
        let device = device.to_owned();
        match system(&error) {
            Some(io) => Self::of("attach the kernel datapath", io, |_| Self::Attach {
                device,
                source: Box::new(error),
            }),
            None => Self::Attach {
                device,
                source: Box::new(error),
            },
        }
    }

    pub(super) fn map(map: &'static str) -> impl FnOnce(MapError) -> Self {
        move |source| Self::Map {
            map,
            source: Box::new(source),
        }
    }

    fn of(step: &'static str, source: io::Error, other: impl FnOnce(io::Error) -> Self) -> Self {
        match source.raw_os_error() {
            Some(libc::EPERM) => Self::NotAllowed { step, source },
            Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP) => Self::TooOld { step, source },
            _ => other(source),
        }
    }
}

/// Whether what was to be made is there already.
pub(super) fn is_there(error: &(dyn std::error::Error + 'static)) -> bool {
    system(error).is_some_and(|error| error.raw_os_error() == Some(libc::EEXIST))
}

/// The system's error at the bottom.
fn system(error: &(dyn std::error::Error + 'static)) -> Option<io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(copy(io));
        }
        next = error.source();
    }
    None
}

fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
