//! Flow logs as they were written.

use tonic::Status;
use weft_model::{FlowLogId, id::IdError};
use weft_proto::host::v1 as wire;

use crate::host::Host;

/// Lines in an answer that names no limit.
const USUAL: u32 = 100;

/// Reads the last lines, or those after one. Takes as long as a file's write.
pub(super) fn read(
    host: &Host,
    request: &wire::ReadFlowLogRequest,
) -> Result<wire::ReadFlowLogResponse, Status> {
    let id: FlowLogId = request
        .flow_log
        .parse()
        .map_err(|error: IdError| Status::invalid_argument(error.to_string()))?;
    let mut books = host.books();
    if request.flush {
        let kept = books.keep(&host.datapath, true);
        kept.map_err(|error| Status::unavailable(error.to_string()))?;
    }
    let limit = match request.limit {
        0 => USUAL,
        limit => limit,
    };
    let (lines, last) = books.lines(id, request.after, limit as usize);
    Ok(wire::ReadFlowLogResponse {
        lines,
        last,
        path: books.path(id).display().to_string(),
    })
}
