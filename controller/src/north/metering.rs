//! Metering: what interfaces used.

use tonic::{Request, Response, Status};
use weft_model::InterfaceId;

use super::{Service, methods::read, wire};
use crate::metering::HOURS;

/// Hours where the caller names none: a day.
const USUAL: u64 = 24;

pub(super) struct Meters;

#[tonic::async_trait]
impl wire::metering_server::Metering for Service<Meters> {
    async fn query(
        &self,
        request: Request<wire::MeterRequest>,
    ) -> Result<Response<wire::MeterResponse>, Status> {
        let request = request.into_inner();
        let (interface, hours) = read(|fields| {
            let interface = fields.optional::<InterfaceId>("interface", &request.interface);
            let hours = match u64::from(request.hours) {
                0 => Ok(USUAL),
                hours if hours <= HOURS => Ok(hours),
                hours => {
                    let reason = format!("{hours} is too many: {HOURS} hours are kept");
                    Err(fields.refuse("hours", reason))
                }
            };
            Ok((interface?, hours?))
        })?;
        let metering = self.north.hub.metering();
        let rows = metering.query(interface, hours, request.per_account);
        Ok(Response::new(wire::MeterResponse { rows }))
    }
}
