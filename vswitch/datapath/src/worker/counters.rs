//! What a worker counts beside its engine.

/// Monotonic, so a reader takes differences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerCounters {
    /// VXLAN packets from the underlay.
    pub received: u64,
    /// Their bytes, VXLAN headers included.
    pub received_bytes: u64,
    /// Messages they came in: what GRO joined is one.
    pub receives: u64,
    /// Datagrams too large for any underlay, or without a sender.
    pub receive_truncated: u64,
    /// Failed receives.
    pub receive_errors: u64,
    /// Frames whose virtio header made no sense.
    pub tap_malformed: u64,
    /// TAPs that vanished with their namespace.
    pub taps_lost: u64,
    /// Frames that a workload's full queue refused.
    pub tap_full: u64,
    /// Frames that a TAP refused otherwise: it is down, or gone.
    pub tap_refused: u64,
    /// Frames handed to the worker that owns their port.
    pub handed_over: u64,
    /// Frames that found that worker's queue full.
    pub handover_full: u64,
    /// Frames that an edge gave to the internet.
    pub outward: u64,
    /// Frames that an edge had from the internet.
    pub inward: u64,
    /// Frames of the engine's own making that found no room.
    pub made_full: u64,
    /// Findings of health checks that nobody took in time.
    pub findings_lost: u64,
    /// Mirrored packets for files that came faster than they were written.
    pub mirror_file_full: u64,
    /// Halves of connections that the kernel carries on now.
    pub kernel_halves: u64,
    /// Halves that the kernel's tables had no room for.
    pub kernel_refused: u64,
    /// Frames of the kernel's programs that made no sense.
    pub upcalls_malformed: u64,
    /// Questions to resolvers outside that nobody took in time.
    pub questions_lost: u64,
    /// Nanoseconds spent looking for packets that didn't come.
    pub busy_poll: u64,
}
