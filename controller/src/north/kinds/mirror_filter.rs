//! Mirror filters.

use weft_model::{
    MirrorFilter, MirrorFilterId,
    ops::mirror::{FilterDraft, FilterUpdate},
};
use weft_proto::convert::v1::read_mirror_rule;

use super::prelude::*;

/// Rules of one direction in one request at most; the quota is far below.
const RULES: usize = 1_000;

pub(in crate::north) struct MirrorFilters;

impl Exposed for MirrorFilters {
    const KIND: Kind = Kind::MirrorFilter;
    const FIELD: &'static str = "mirror_filter";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["ingress", "egress", "meta.name"],
        fixed: &["id", "region", "meta"],
    };

    type Key = MirrorFilterId;
    type Model = MirrorFilter;
    type Wire = wire::MirrorFilter;
    type Draft = FilterDraft;
    type Update = FilterUpdate;
    type CreateRequest = wire::CreateMirrorFilterRequest;
    type UpdateRequest = wire::UpdateMirrorFilterRequest;
    type Answer = wire::MirrorFilterResponse;
    type Page = wire::ListMirrorFiltersResponse;

    fn of(resource: &Resource) -> Option<&MirrorFilter> {
        match resource {
            Resource::MirrorFilter(filter) => Some(filter),
            _ => None,
        }
    }

    fn key(filter: &MirrorFilter) -> MirrorFilterId {
        filter.id
    }

    fn key_text(filter: &wire::MirrorFilter) -> &str {
        &filter.id
    }

    fn show(_: &Cloud, filter: &MirrorFilter) -> wire::MirrorFilter {
        filter.into()
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreateMirrorFilterRequest,
        filter: &wire::MirrorFilter,
    ) -> Result<FilterDraft, Reported> {
        let no_id = given_by_controller(fields, "id", &filter.id);
        let region = fields.required("region", &filter.region);
        let ingress = fields.each("ingress", RULES, &filter.ingress, read_mirror_rule);
        let egress = fields.each("egress", RULES, &filter.egress, read_mirror_rule);
        let label = label(fields, filter.meta.as_ref());
        no_id?;
        Ok(FilterDraft {
            region: region?,
            ingress: ingress?,
            egress: egress?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        filter: &wire::MirrorFilter,
    ) -> Result<FilterUpdate, Reported> {
        let ingress = mask.pick("ingress", || {
            fields.each("ingress", RULES, &filter.ingress, read_mirror_rule)
        });
        let egress = mask.pick("egress", || {
            fields.each("egress", RULES, &filter.egress, read_mirror_rule)
        });
        let label = mask.pick("meta.name", || label(fields, filter.meta.as_ref()));
        Ok(FilterUpdate {
            ingress: ingress?,
            egress: egress?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: FilterDraft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::mirror::create_filter(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        settings: &Settings,
        id: MirrorFilterId,
        update: FilterUpdate,
        etag: Option<Revision>,
    ) -> Changes {
        ops::mirror::update_filter(cloud, settings, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: MirrorFilterId, etag: Option<Revision>) -> Changes {
        ops::mirror::delete_filter(cloud, id, etag)
    }
}

service!(
    MirrorFilters, mirror_filters_server::MirrorFilters, MirrorFilter mirror_filter mirror_filters,
    CreateMirrorFilterRequest UpdateMirrorFilterRequest MirrorFilterResponse
    ListMirrorFiltersResponse {}
);
