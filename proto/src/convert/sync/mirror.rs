//! Mirror sessions.

use weft_model::state::MirrorState;

use super::{MOST_ITEMS, wire};
use crate::convert::{
    fields::{Fields, Reported},
    v1::{read_mirror_length, read_mirror_number, read_mirror_rule, read_mirror_vni},
};

pub(super) fn write_mirror(mirror: &MirrorState) -> wire::Mirror {
    wire::Mirror {
        id: mirror.id.to_string(),
        vpc: mirror.vpc.to_string(),
        source: mirror.source.to_string(),
        target: mirror.target.to_string(),
        filter: mirror.filter.to_string(),
        ingress: mirror.ingress.iter().map(Into::into).collect(),
        egress: mirror.egress.iter().map(Into::into).collect(),
        number: mirror.number.into(),
        packet_length: mirror.packet_length.map_or(0, Into::into),
        vni: mirror.vni.get(),
    }
}

pub(super) fn read_mirror(
    fields: &mut Fields,
    mirror: &wire::Mirror,
) -> Result<MirrorState, Reported> {
    let id = fields.required("id", &mirror.id);
    let vpc = fields.required("vpc", &mirror.vpc);
    let source = fields.required("source", &mirror.source);
    let target = fields.required("target", &mirror.target);
    let filter = fields.required("filter", &mirror.filter);
    let ingress = fields.each("ingress", MOST_ITEMS, &mirror.ingress, read_mirror_rule);
    let egress = fields.each("egress", MOST_ITEMS, &mirror.egress, read_mirror_rule);
    let number = read_mirror_number(fields, mirror.number);
    let packet_length = read_mirror_length(fields, mirror.packet_length);
    let vni = read_mirror_vni(fields, mirror.vni)
        .and_then(|vni| vni.ok_or_else(|| fields.refuse("vni", "is required")));
    Ok(MirrorState {
        id: id?,
        vpc: vpc?,
        source: source?,
        target: target?,
        filter: filter?,
        ingress: ingress?,
        egress: egress?,
        number: number?,
        packet_length: packet_length?,
        vni: vni?,
    })
}
