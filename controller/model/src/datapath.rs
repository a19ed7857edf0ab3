//! What forwards a host's packets.

use std::{fmt, str::FromStr};

/// Which datapath a host is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum DatapathChoice {
    /// The kernel's where the system allows it, else userspace.
    Auto,
    /// Threads of the vswitch, which works everywhere.
    #[default]
    Userspace,
    /// Programs in the kernel, with the vswitch for what they don't know yet; or nothing at all.
    Kernel,
}

/// Why a text names no datapath.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of auto, userspace, kernel")]
pub struct DatapathChoiceError(String);

impl DatapathChoice {
    /// What people write.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Userspace => "userspace",
            Self::Kernel => "kernel",
        }
    }
}

impl fmt::Display for DatapathChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl FromStr for DatapathChoice {
    type Err = DatapathChoiceError;

    fn from_str(text: &str) -> Result<Self, DatapathChoiceError> {
        [Self::Auto, Self::Userspace, Self::Kernel]
            .into_iter()
            .find(|choice| choice.text() == text)
            .ok_or_else(|| DatapathChoiceError(crate::id::excerpt(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        for text in ["auto", "userspace", "kernel"] {
            let choice: DatapathChoice = text.parse().unwrap();
            assert_eq!(choice.to_string(), text);
        }
        let error = "fast".parse::<DatapathChoice>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`fast` is none of auto, userspace, kernel"
        );
    }
}
