//! The stream from the controller: hello, updates and their acknowledgements, port reports,
//! heartbeats; and coming back when it breaks.

mod backoff;
mod leases;
mod probe;
mod session;

use std::sync::Arc;

use tonic::transport::Uri;
use weft_datapath::WorkerError;
use weft_model::HostName;

use self::{backoff::Backoff, session::Session};
use crate::host::Host;

/// Who follows whom.
pub(crate) struct Agent {
    pub(crate) name: HostName,
    pub(crate) controllers: Vec<Uri>,
    /// Drawn at process start: tells this process from the one before it.
    pub(crate) instance: u64,
    pub(crate) host: Arc<Host>,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("can't connect: {0}")]
    Connect(#[source] tonic::transport::Error),
    #[error("the controller ended the stream: {}", .0.message())]
    Status(Box<tonic::Status>),
    #[error("the controller closed the stream")]
    Closed,
    #[error("no word from the controller for {0} s")]
    Silent(u64),
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

impl Agent {
    /// Follows the controllers in turn, for ever: what is applied stays whatever becomes of them.
    ///
    /// # Errors
    /// A worker hangs.
    pub(crate) async fn run(&self) -> Result<(), WorkerError> {
        let mut backoff = Backoff::new(self.instance);
        for controller in self.controllers.iter().cycle() {
            self.host
                .note(|link| link.endpoint = controller.to_string());
            let session = Session::new(self, controller.clone());
            let error = match session.run(&mut backoff).await {
                Err(SessionError::Worker(error)) => return Err(error),
                Err(error) => error,
                Ok(()) => SessionError::Closed,
            };
            let delay = backoff.next_delay();
            let text = describe(&error);
            let was = self.host.link();
            if was.connected || was.last_error != text {
                let meanwhile = if was.revision == 0 {
                    "no state yet, so everything drops"
                } else {
                    "forwarding goes on by the last state"
                };
                tracing::warn!(%controller, error = text, meanwhile, "not connected");
            }
            self.host.note(|link| {
                link.connected = false;
                link.last_error = text;
            });
            tokio::time::sleep(delay).await;
        }
        Ok(())
    }
}

/// With what lies below: tonic's own text stops at "transport error".
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(source) = below {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        below = source.source();
    }
    text
}
