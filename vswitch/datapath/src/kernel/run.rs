//! The programs on single packets, by the kernel's test-run facility: nothing is sent. For the tests
//! that hold them against the engine.

use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions};

use super::{Kernel, KernelError, classifier, index_of};

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// At a port's veth.
    FromPort,
    /// At the underlay's device.
    FromUnderlay,
}

/// A fault to load the programs with. Where there is none the verifier takes all of this out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Fault {
    /// As they are meant to be.
    None,
    /// A packet whose hops are used up goes on.
    TtlMissed,
    /// The header's checksum stays as it was when the TTL falls.
    SumMissed,
    /// A port may send with any MAC.
    MacMissed,
    /// A FIN or a SYN doesn't go to the engine.
    FlagsMissed,
    /// What is larger than the MTU goes on.
    MtuMissed,
    /// A fragment is taken for a whole packet.
    PiecesMissed,
    /// The router's MAC isn't shown.
    RouterMissed,
    /// The outer length is one short.
    LengthMissed,
}

impl Fault {
    /// Every one but none.
    pub const ALL: [Self; 8] = [
        Self::TtlMissed,
        Self::SumMissed,
        Self::MacMissed,
        Self::FlagsMissed,
        Self::MtuMissed,
        Self::PiecesMissed,
        Self::RouterMissed,
        Self::LengthMissed,
    ];
}

/// What a program did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// What it returned.
    pub verdict: u32,
    /// The packet afterwards.
    pub bytes: Vec<u8>,
}

/// `TC_ACT_REDIRECT`.
const REDIRECT: u32 = 7;
/// Bytes of the kernel's `__sk_buff`, and where the device is in it.
const CONTEXT: usize = 192;
const IFINDEX: usize = 40;
/// Bytes that the tunnel adds at the most.
const GROWTH: usize = 70;

impl Ran {
    /// Whether the program carried the packet on itself: what it gives to the engine stays as it was.
    pub fn carried(&self, before: &[u8]) -> bool {
        self.verdict == REDIRECT && self.bytes != before
    }
}

impl Kernel {
    /// Runs a program on a packet as if it had come to the device, in the calling thread's namespace.
    ///
    /// # Errors
    /// There is no such device, or the kernel won't.
    pub fn run(&self, program: Program, packet: &[u8], device: &str) -> Result<Ran, KernelError> {
        let name = match program {
            Program::FromPort => "from_port",
            Program::FromUnderlay => "from_underlay",
        };
        let mut context = [0; CONTEXT];
        context[IFINDEX..IFINDEX + 4].copy_from_slice(&index_of(device)?.to_ne_bytes());
        let mut bytes = vec![0; packet.len() + GROWTH];
        let mut state = self.state();
        let program: &SchedClassifier = classifier(&mut state.programs, name)?;
        let ran = program.test_run(TestRunOptions {
            data_in: Some(packet),
            data_out: Some(&mut bytes),
            ctx_in: Some(&context),
            ..TestRunOptions::default()
        });
        let ran = ran.map_err(|error| KernelError::attach(device, error))?;
        bytes.truncate(ran.data_size_out as usize);
        Ok(Ran {
            verdict: ran.return_value,
            bytes,
        })
    }

    /// Whether a way to every other host is known.
    pub fn knows_ways(&self) -> bool {
        self.hosts().knows_ways()
    }
}
