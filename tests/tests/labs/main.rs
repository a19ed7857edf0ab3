//! Labs with real packets: every sentence here is proven by kernels' own sockets.

mod changes;
mod failures;
mod leaks;
mod lifecycle;
mod prose;
mod traffic;
