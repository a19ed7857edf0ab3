//! Prefix lists.

use weft_model::{
    PrefixList, PrefixListId,
    ops::prefix_list::{Draft, Update},
};
use weft_proto::convert::v1::read_prefix_list_entry;

use super::prelude::*;

/// Entries in one request at most: as many as an answer under 4 MiB holds with ease.
const ENTRIES: usize = 10_000;

pub(in crate::north) struct PrefixLists;

impl Exposed for PrefixLists {
    const KIND: Kind = Kind::PrefixList;
    const FIELD: &'static str = "prefix_list";
    const KEY: &'static str = "id";
    const PATHS: Paths = Paths {
        mutable: &["max_entries", "entries", "meta.name"],
        fixed: &["id", "region", "family", "meta"],
    };

    type Key = PrefixListId;
    type Model = PrefixList;
    type Wire = wire::PrefixList;
    type Draft = Draft;
    type Update = Update;
    type CreateRequest = wire::CreatePrefixListRequest;
    type UpdateRequest = wire::UpdatePrefixListRequest;
    type Answer = wire::PrefixListResponse;
    type Page = wire::ListPrefixListsResponse;

    fn of(resource: &Resource) -> Option<&PrefixList> {
        match resource {
            Resource::PrefixList(list) => Some(list),
            _ => None,
        }
    }

    fn key(list: &PrefixList) -> PrefixListId {
        list.id
    }

    fn key_text(list: &wire::PrefixList) -> &str {
        &list.id
    }

    fn show(_cloud: &Cloud, list: &PrefixList) -> wire::PrefixList {
        list.into()
    }

    fn read_draft(
        fields: &mut Fields,
        _request: &wire::CreatePrefixListRequest,
        list: &wire::PrefixList,
    ) -> Result<Draft, Reported> {
        let no_id = given_by_controller(fields, "id", &list.id);
        let region = fields.required("region", &list.region);
        let family = fields.required("family", &list.family);
        let entries = fields.each("entries", ENTRIES, &list.entries, read_prefix_list_entry);
        let label = label(fields, list.meta.as_ref());
        no_id?;
        Ok(Draft {
            region: region?,
            family: family?,
            max_entries: list.max_entries,
            entries: entries?,
            label: label?,
        })
    }

    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        list: &wire::PrefixList,
    ) -> Result<Update, Reported> {
        let max_entries = mask.pick("max_entries", || Ok(list.max_entries));
        let entries = mask.pick("entries", || {
            fields.each("entries", ENTRIES, &list.entries, read_prefix_list_entry)
        });
        let label = mask.pick("meta.name", || label(fields, list.meta.as_ref()));
        Ok(Update {
            max_entries: max_entries?,
            entries: entries?,
            label: label?,
        })
    }

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Draft,
        entropy: &mut dyn Entropy,
    ) -> Changes {
        ops::prefix_list::create(cloud, settings, draft, entropy)
    }

    fn update(
        cloud: &Cloud,
        settings: &Settings,
        id: PrefixListId,
        update: Update,
        etag: Option<Revision>,
    ) -> Changes {
        ops::prefix_list::update(cloud, settings, id, update, etag)
    }

    fn delete(cloud: &Cloud, id: PrefixListId, etag: Option<Revision>) -> Changes {
        ops::prefix_list::delete(cloud, id, etag)
    }
}

service!(
    PrefixLists, prefix_lists_server::PrefixLists, PrefixList prefix_list prefix_lists,
    CreatePrefixListRequest UpdatePrefixListRequest PrefixListResponse ListPrefixListsResponse {}
);
