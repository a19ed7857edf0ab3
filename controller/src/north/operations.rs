//! Operations: waiting until the hosts have applied what was written.

use std::time::Duration;

use tonic::{Request, Response, Status};
use weft_model::Revision;

use super::{Service, methods::read, status, wire};

/// The longest that a caller can wait in one call, and the usual.
const LONGEST: u32 = 600_000;
const USUAL: u32 = 30_000;

pub(super) struct Operations;

#[tonic::async_trait]
impl wire::operations_server::Operations for Service<Operations> {
    async fn wait(
        &self,
        request: Request<wire::WaitRequest>,
    ) -> Result<Response<wire::WaitResponse>, Status> {
        let wire::WaitRequest {
            revision,
            timeout_ms,
        } = request.into_inner();
        let newest = self.north.core.read(|view| view.revision);
        let (revision, timeout) = read(|fields| {
            if revision > newest.0 {
                let reason = format!("{revision} isn't committed: the newest is {newest}");
                fields.refuse("revision", reason);
            }
            if timeout_ms > LONGEST {
                let reason = format!("{timeout_ms} is too long: use at most {LONGEST}");
                fields.refuse("timeout_ms", reason);
            }
            let revision = if revision == 0 {
                newest
            } else {
                Revision(revision)
            };
            let timeout = if timeout_ms == 0 { USUAL } else { timeout_ms };
            Ok((revision, Duration::from_millis(timeout.into())))
        })?;
        match self.north.hub.wait(revision, timeout).await {
            Ok(applied) => Ok(Response::new((&applied).into())),
            Err(lagging) => Err(status::lagging(&lagging)),
        }
    }

    async fn version(
        &self,
        _request: Request<wire::VersionRequest>,
    ) -> Result<Response<wire::VersionResponse>, Status> {
        let revision = self.north.core.read(|view| view.revision.0);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(Response::new(wire::VersionResponse { version, revision }))
    }
}
