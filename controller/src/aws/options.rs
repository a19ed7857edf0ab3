//! What the command line says of the AWS-compatible API.

use std::{io, net::SocketAddr, path::PathBuf, str::FromStr};

use clap::Args;
use weft_aws::{AccessKey, Keys};
use weft_model::{PublicBlock4, RegionName, ZoneName};

/// How the AWS-compatible API is served.
#[derive(Debug, Clone, Default, Args)]
#[group(id = "aws")]
pub struct Options {
    /// Where to serve the AWS-compatible API; not at all unless given
    #[arg(id = "aws-listen", long = "aws-listen", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,

    /// An access key for it; can be given more than once
    #[arg(
        id = "aws-key",
        long = "aws-key",
        value_name = "ID:SECRET",
        env = "WEFT_AWS_KEY",
        hide_env_values = true
    )]
    pub key: Vec<AccessKey>,

    /// A file of access keys, one ID:SECRET a line
    #[arg(id = "aws-keys", long = "aws-keys", value_name = "FILE")]
    pub keys: Option<PathBuf>,

    /// A region to make with its zones (a to c unless said) and its default VPC, unless it is there;
    /// can be given more than once
    #[arg(id = "aws-region", long = "aws-region", value_name = "NAME[=LETTERS]")]
    pub region: Vec<BornRegion>,

    /// Public addresses of a region made so
    #[arg(id = "aws-public", long = "aws-public", value_name = "NAME=PREFIX")]
    pub public: Vec<BornPool>,
}

/// Why the AWS-compatible API can't be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody could call it.
    #[error(
        "--aws-listen needs an access key: give one with --aws-key ID:SECRET or --aws-keys FILE"
    )]
    NoKey,
    /// The file of keys can't be read.
    #[error("--aws-keys {}: {source}", .path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line of it is no key.
    #[error("--aws-keys {}, line {line}: {source}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// Why not.
        source: weft_aws::keys::AccessKeyError,
    },
    /// An address can't be listened on.
    #[error("can't listen on {address}: {source}; name another address with --aws-listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

impl Options {
    /// The keys that are given, in the file or by themselves.
    ///
    /// # Errors
    /// When there is none, or the file can't be read.
    pub(super) fn all_keys(&self) -> Result<Keys, Error> {
        let mut keys = self.key.clone();
        if let Some(path) = &self.keys {
            let text = std::fs::read_to_string(path).map_err(|source| Error::Keys {
                path: path.clone(),
                source,
            })?;
            for (at, line) in text.lines().enumerate() {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                keys.push(line.parse().map_err(|source| Error::Key {
                    path: path.clone(),
                    line: at + 1,
                    source,
                })?);
            }
        }
        let keys = Keys::new(keys);
        if keys.is_empty() {
            return Err(Error::NoKey);
        }
        Ok(keys)
    }
}

/// A region that is made where it isn't there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BornRegion {
    /// Its name.
    pub name: RegionName,
    /// Its zones: its name and a letter.
    pub zones: Vec<ZoneName>,
}

/// Why a text is no such region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BornError {
    /// Its name can't be one.
    #[error(transparent)]
    Name(#[from] weft_model::name::NameError),
    /// Its zones' letters can't be.
    #[error("give a region as NAME, or NAME=LETTERS with 1 to 6 different letters from a to z")]
    Letters,
    /// The addresses can't be.
    #[error("give public addresses as NAME=PREFIX: {0}")]
    Prefix(String),
}

impl FromStr for BornRegion {
    type Err = BornError;

    fn from_str(text: &str) -> Result<Self, BornError> {
        let (name, letters) = text.split_once('=').unwrap_or((text, "abc"));
        let name: RegionName = name.parse()?;
        let mut seen: Vec<char> = letters.chars().collect();
        seen.sort_unstable();
        seen.dedup();
        let fits = (1..=6).contains(&seen.len())
            && seen.len() == letters.chars().count()
            && seen.iter().all(char::is_ascii_lowercase);
        if !fits {
            return Err(BornError::Letters);
        }
        let zones = letters
            .chars()
            .map(|letter| format!("{name}{letter}").parse());
        let zones = zones.collect::<Result<_, _>>()?;
        Ok(Self { name, zones })
    }
}

/// Public addresses of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BornPool {
    /// The region.
    pub region: RegionName,
    /// The addresses.
    pub block: PublicBlock4,
}

impl FromStr for BornPool {
    type Err = BornError;

    fn from_str(text: &str) -> Result<Self, BornError> {
        let missing = || BornError::Prefix("there is no `=`".to_owned());
        let (region, block) = text.split_once('=').ok_or_else(missing)?;
        let region = region.parse()?;
        let block = block.parse::<PublicBlock4>();
        let block = block.map_err(|error| BornError::Prefix(error.to_string()))?;
        Ok(Self { region, block })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_three_zones_unless_said() {
        let zones = |text: &str| {
            let region: BornRegion = text.parse().unwrap();
            region
                .zones
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            zones("us-east-1"),
            ["us-east-1a", "us-east-1b", "us-east-1c"]
        );
        assert_eq!(zones("north=bd"), ["northb", "northd"]);
        for bad in ["", "x=", "x=aa", "x=abcdefg", "x=A", "x=1"] {
            assert!(bad.parse::<BornRegion>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_without_keys_does_not_start_and_a_bad_line_is_named() {
        assert!(matches!(Options::default().all_keys(), Err(Error::NoKey)));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        std::fs::write(&path, "# keys\nAKIDONE:secret-secret\n\nAKIDTWO\n").unwrap();
        let options = Options {
            keys: Some(path),
            ..Options::default()
        };
        assert!(matches!(
            options.all_keys(),
            Err(Error::Key { line: 4, .. })
        ));
    }
}
