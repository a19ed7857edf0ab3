//! Errors as gRPC tells them: a code, a sentence, and details that a program can act on.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use weft_model::ops::{OpError, Violation};
use weft_proto::convert::Invalid;

use crate::{core::WriteError, south::Lagging};

/// Whose reasons `ErrorInfo` gives.
const DOMAIN: &str = "weft.v1";

/// Violations told at most. They travel in a header, and clients refuse long ones (16 KiB).
const TOLD: usize = 16;

/// How long a caller had better wait when the controller goes down: about what a restart takes.
const RESTART: Duration = Duration::from_secs(1);

/// How long a caller had better wait when the queue is full: some groups' commits.
const BACKOFF: Duration = Duration::from_millis(100);

fn status(code: Code, reason: &str, message: String, mut details: ErrorDetails) -> Status {
    details.set_error_info(reason, DOMAIN, std::collections::HashMap::new());
    Status::with_error_details(code, message, details)
}

/// Fields at fault.
pub(super) fn invalid(violations: Vec<Violation>) -> Status {
    let more = violations.len().saturating_sub(TOLD);
    let mut message = match &violations[..] {
        [only] => format!("{}: {}", only.field, only.reason),
        [first, ..] => format!(
            "{} fields are at fault; the first, {}: {}",
            violations.len(),
            first.field,
            first.reason
        ),
        [] => "the request is invalid".to_owned(),
    };
    if more > 0 {
        message += &format!(" ({more} more than the {TOLD} that the details tell)");
    }
    let mut details = ErrorDetails::new();
    for Violation { field, reason } in violations.into_iter().take(TOLD) {
        details.add_bad_request_violation(field, reason);
    }
    status(Code::InvalidArgument, "INVALID_FIELDS", message, details)
}

/// What was read from the wire has fields at fault.
pub(super) fn unreadable(invalid: Invalid) -> Status {
    self::invalid(invalid.0)
}

/// What an operation refused.
pub(super) fn refused(error: OpError) -> Status {
    let message = error.to_string();
    let mut details = ErrorDetails::new();
    let (code, reason) = match error {
        OpError::Invalid(violations) => return invalid(violations),
        OpError::NotFound(key) => {
            details.set_resource_info(key.kind().text(), key.to_string(), "", message.clone());
            (Code::NotFound, "NOT_FOUND")
        }
        OpError::AlreadyExists(key) => {
            details.set_resource_info(key.kind().text(), key.to_string(), "", message.clone());
            (Code::AlreadyExists, "ALREADY_EXISTS")
        }
        OpError::InUse { by, .. } => {
            let subject = format!("{} {by}", by.kind().text());
            details.add_precondition_failure_violation("IN_USE", subject, message.clone());
            (Code::FailedPrecondition, "IN_USE")
        }
        OpError::Protected { key, .. } => {
            let subject = format!("{} {key}", key.kind().text());
            details.add_precondition_failure_violation("PROTECTED", subject, message.clone());
            (Code::FailedPrecondition, "PROTECTED")
        }
        OpError::Exhausted { within, .. } => {
            details.add_quota_failure_violation(within, message.clone());
            (Code::ResourceExhausted, "POOL_EXHAUSTED")
        }
        OpError::Quota { within, .. } => {
            details.add_quota_failure_violation(within, message.clone());
            (Code::ResourceExhausted, "QUOTA_EXCEEDED")
        }
        OpError::Stale { key, .. } => {
            details.set_resource_info(key.kind().text(), key.to_string(), "", message.clone());
            (Code::Aborted, "STALE_ETAG")
        }
    };
    status(code, reason, message, details)
}

/// A write that was not carried out.
pub(super) fn unwritten(error: WriteError) -> Status {
    let message = error.to_string();
    match error {
        WriteError::Refused(error) => refused(error),
        // Never of a call of this API.
        WriteError::Service(_) => Status::internal(message),
        WriteError::RequestIdReused(_) => {
            let details = ErrorDetails::with_bad_request_violation("request_id", message.clone());
            status(Code::AlreadyExists, "REQUEST_ID_REUSED", message, details)
        }
        WriteError::Busy => overloaded(message),
        WriteError::Closed => unavailable(message),
    }
}

/// The server stops before the call is answered.
pub(super) fn closing() -> Status {
    unavailable("the controller is going down: call again in a moment".to_owned())
}

fn unavailable(message: String) -> Status {
    let details = ErrorDetails::with_retry_info(Some(RESTART));
    status(Code::Unavailable, "CLOSING", message, details)
}

/// Too much at once: nothing was begun, so it is safe to try again.
pub(super) fn overloaded(message: String) -> Status {
    let details = ErrorDetails::with_retry_info(Some(BACKOFF));
    status(Code::Unavailable, "OVERLOADED", message, details)
}

/// The call took longer than it may.
pub(super) fn late(message: String) -> Status {
    status(
        Code::DeadlineExceeded,
        "TOO_SLOW",
        message,
        ErrorDetails::new(),
    )
}

/// Hosts have not applied a revision in time.
pub(super) fn lagging(lagging: &Lagging) -> Status {
    let Lagging {
        revision, hosts, ..
    } = lagging;
    let told: Vec<_> = hosts.iter().take(TOLD).map(ToString::to_string).collect();
    let more = match hosts.len() - told.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let told = told.join(", ");
    late(format!(
        "revision {revision} is not applied everywhere yet: {told}{more}"
    ))
}
