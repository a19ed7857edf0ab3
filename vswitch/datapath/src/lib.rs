//! The datapaths. Userspace: a TAP per port, UDP sockets to the underlay, and worker threads that
//! carry frames between them through the engine. Kernel: the same behind eBPF programs, which carry on
//! what the workers have judged.
//!
//! It works wherever `/dev/net/tun` does, inside an unprivileged user namespace too. A frame of a
//! workload is read from its TAP with its offloads undone, judged once, and sent to the other host
//! by UDP GSO; the other host joins the segments again and writes one super frame.

mod datapath;
pub mod device;
pub mod kernel;
pub mod netns;
mod underlay;
mod worker;

pub use datapath::{Datapath, DatapathOptions, MAX_WORKERS, StartError, WorkerError};
pub use underlay::{SendCounters, UnderlayError, Vtep};
pub use worker::{
    CapturedFrame, DropRecord, Ends, FlowEvent, Half, MirroredFrame, Point, Points, Question,
    RecentDrops, Seen, Watch, WatchFilter, WorkerCounters, WorkerSnapshot,
};
