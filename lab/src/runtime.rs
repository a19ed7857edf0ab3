//! A running lab: one process tree in its own user, mount, network and pid namespaces.
//!
//! The supervisor is the first process of the pid namespace. When it ends, however it ends, the
//! kernel ends all others, and with the last of them go the mounts and the network namespaces: a
//! lab can't be left behind, only its directory can.

pub mod client;
pub mod dirs;
mod faults;
pub(crate) mod internet;
pub mod launch;
mod link;
pub(crate) mod netns;
mod process;
pub(crate) mod programs;
mod proxy;
pub(crate) mod relay;
pub(crate) mod routing;
mod sessions;
mod stage;
pub mod supervisor;
pub mod wire;
