//! Everything that can go wrong, said so that a person can mend it.

use std::{fmt::Write as _, io::Write as _, process::ExitCode};

use tonic::Code;
use tonic_types::StatusExt as _;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// What was typed doesn't parse, beyond what clap can see.
    #[error("{0}")]
    Usage(#[from] UsageError),
    /// No connection.
    #[error("can't reach {url}: {}\n  {}", root(source), mend(url))]
    Unreachable {
        /// Where it should have been.
        url: String,
        /// What the connection said.
        source: tonic::transport::Error,
    },
    /// The URL of the controller doesn't parse.
    #[error(
        "`{url}` is not a controller's URL: {source}\n  Write http://HOST:PORT or unix:///PATH."
    )]
    Url {
        /// What was given.
        url: String,
        /// Why not.
        source: tonic::transport::Error,
    },
    /// The lab isn't up.
    #[error("{0}")]
    Lab(#[source] weft_lab::LabError),
    /// The controller said no.
    #[error("{}", explain(.0))]
    Refused(Box<tonic::Status>),
    /// A daemon stopped with an error.
    #[error("{}", chain(&**.0))]
    Daemon(Box<dyn std::error::Error + Send + Sync>),
    /// A measure couldn't be taken.
    #[error(transparent)]
    Bench(#[from] weft_benches::BenchError),
    /// Output can't be written.
    #[error("can't write the output: {0}")]
    Output(std::io::Error),
    /// Output can't be made.
    #[error("can't print as JSON: {0}")]
    Json(serde_json::Error),
    /// No async runtime.
    #[error("can't start: {0}")]
    Runtime(std::io::Error),
}

/// A value that doesn't parse.
#[derive(Debug, thiserror::Error)]
#[error("`{given}` is not {wanted}\n  {hint}")]
pub(crate) struct UsageError {
    /// What was given.
    pub(crate) given: String,
    /// What it should have been.
    pub(crate) wanted: &'static str,
    /// How to write it.
    pub(crate) hint: &'static str,
}

impl From<tonic::Status> for CliError {
    fn from(status: tonic::Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl CliError {
    /// Prints the error and gives the exit code that it means.
    pub(crate) fn report(&self) -> ExitCode {
        // The last place that could tell of a failing stderr is stderr.
        let _ = writeln!(std::io::stderr().lock(), "error: {self}");
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Url { .. } => 2,
            Self::Lab(error) => error.exit_code(),
            Self::Unreachable { .. } => 4,
            Self::Refused(status) if status.code() == Code::Unavailable => 4,
            _ => 1,
        }
    }
}

/// The cause below all others: tonic's own text stops at "transport error".
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

/// What to do about a connection that doesn't come.
fn mend(url: &str) -> &'static str {
    if url.ends_with("/vswitch.sock") {
        "Is this host's vswitch running? Name a lab's with --lab, or its directory with --run-dir."
    } else {
        "Is the controller running? Start one with `weft controller`, name another with --api, or \
         a lab's with --lab."
    }
}

/// The error and what caused it, one line each.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            let _ = write!(text, "\n  because: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// A status with its details: fields, preconditions, quotas.
fn explain(status: &tonic::Status) -> String {
    let mut text = status.message().to_owned();
    if text.is_empty() {
        text = status.code().description().to_owned();
    }
    let details = status.get_error_details();
    for field in details
        .bad_request()
        .map(|b| b.field_violations.as_slice())
        .unwrap_or_default()
    {
        let _ = write!(text, "\n  {}: {}", field.field, field.description);
    }
    for cause in details
        .precondition_failure()
        .map(|p| p.violations.as_slice())
        .unwrap_or_default()
    {
        let _ = write!(text, "\n  {}: {}", cause.subject, cause.description);
    }
    for quota in details
        .quota_failure()
        .map(|q| q.violations.as_slice())
        .unwrap_or_default()
    {
        let _ = write!(text, "\n  {}: {}", quota.subject, quota.description);
    }
    text
}
