//! Which datapath this host gets.

use std::sync::Arc;

use weft_datapath::{
    device::{LinkError, name_of},
    kernel::{Kernel, KernelError, KernelOptions},
};
use weft_model::DatapathChoice;

/// Halves of connections that the kernel keeps, of each family: a million, half a gigabyte if all are
/// there. What comes beyond goes through the workers.
const FLOWS: u32 = 1 << 20;

/// Why the kernel datapath can't be had.
#[derive(Debug, thiserror::Error)]
pub enum NoKernel {
    /// Its programs.
    #[error(transparent)]
    Programs(#[from] KernelError),
    /// The underlay's device can't be found.
    #[error("the device of {vtep}: {source}; is it an address of this host?")]
    Underlay {
        /// The VTEP.
        vtep: std::net::IpAddr,
        /// Why not.
        source: LinkError,
    },
}

/// What was chosen, and why it isn't the kernel where that was left to the system.
#[derive(Default)]
pub(crate) struct Chosen {
    pub(crate) kernel: Option<Arc<Kernel>>,
    pub(crate) why_not: String,
}

/// Makes the choice, and loads what it needs.
pub(crate) fn choose(
    choice: DatapathChoice,
    vtep: weft_datapath::Vtep,
    workers: usize,
) -> Result<Chosen, NoKernel> {
    let loaded = match choice {
        DatapathChoice::Userspace => return Ok(Chosen::default()),
        DatapathChoice::Auto | DatapathChoice::Kernel => load(vtep, workers),
    };
    match loaded {
        Ok(kernel) => Ok(Chosen {
            kernel: Some(Arc::new(kernel)),
            why_not: String::new(),
        }),
        Err(error) if choice == DatapathChoice::Auto => {
            tracing::info!("the userspace datapath: {error}");
            Ok(Chosen {
                kernel: None,
                why_not: error.to_string(),
            })
        }
        Err(error) => Err(error),
    }
}

fn load(vtep: weft_datapath::Vtep, workers: usize) -> Result<Kernel, NoKernel> {
    let kernel = Kernel::load(&KernelOptions {
        vtep,
        workers,
        flows: FLOWS,
    })?;
    let device = name_of(vtep.address).map_err(|source| NoKernel::Underlay {
        vtep: vtep.address,
        source,
    })?;
    kernel.attach_underlay(&device)?;
    Ok(kernel)
}
