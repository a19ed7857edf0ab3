//! What one kind of resource has to say, so that the standard methods can be written once.

use std::{fmt::Display, str::FromStr};

use prost::Message;
use prost_types::FieldMask;
use weft_model::{
    Change, Cloud, Kind, Label, Resource, ResourceKey, Revision, VpcId,
    ops::{Entropy, OpError, Settings},
};
use weft_proto::{
    convert::{Fields, Reported},
    v1 as wire,
};

use super::mask::{Mask, Paths};
use crate::north::North;

/// A kind of resource of the north API: how it is read, changed and shown.
pub(super) trait Exposed: Sized + 'static {
    /// The kind.
    const KIND: Kind;
    /// Its field in requests.
    const FIELD: &'static str;
    /// The field of its message that names it.
    const KEY: &'static str;
    /// Its message's fields.
    const PATHS: Paths;

    type Key: FromStr<Err: Display> + Into<ResourceKey> + Ord + Clone + Send + 'static;
    type Model;
    type Wire: Message;
    type Draft: Send + 'static;
    type Update: Send + 'static;
    type CreateRequest: CreateRequest<Wire = Self::Wire>;
    type UpdateRequest: UpdateRequest<Wire = Self::Wire>;
    type Answer: Answer<Wire = Self::Wire>;
    type Page: Page<Wire = Self::Wire>;

    /// The resource, where it is of this kind.
    fn of(resource: &Resource) -> Option<&Self::Model>;

    /// What names it.
    fn key(model: &Self::Model) -> Self::Key;

    /// What names it in a message.
    fn key_text(wire: &Self::Wire) -> &str;

    /// Its message.
    fn show(cloud: &Cloud, model: &Self::Model) -> Self::Wire;

    /// Adds to its message what isn't stored.
    fn complete(_north: &North, _wire: &mut Self::Wire) {}

    /// Those of a VPC in the order of their keys, where the kind has VPCs.
    fn in_vpc(_cloud: &Cloud, _vpc: VpcId) -> Option<impl Iterator<Item = &Self::Model>> {
        None::<std::iter::Empty<_>>
    }

    /// Reads what to create.
    fn read_draft(
        fields: &mut Fields,
        request: &Self::CreateRequest,
        wire: &Self::Wire,
    ) -> Result<Self::Draft, Reported>;

    /// Reads what to change.
    fn read_update(
        fields: &mut Fields,
        mask: &Mask,
        wire: &Self::Wire,
    ) -> Result<Self::Update, Reported>;

    fn create(
        cloud: &Cloud,
        settings: &Settings,
        draft: Self::Draft,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<Change>, OpError>;

    fn update(
        cloud: &Cloud,
        settings: &Settings,
        key: Self::Key,
        update: Self::Update,
        etag: Option<Revision>,
    ) -> Result<Vec<Change>, OpError>;

    fn delete(
        cloud: &Cloud,
        key: Self::Key,
        etag: Option<Revision>,
    ) -> Result<Vec<Change>, OpError>;
}

/// A request to create a resource.
pub(super) trait CreateRequest: Message {
    type Wire;
    fn resource(&self) -> Option<&Self::Wire>;
    fn request_id(&self) -> &str;
}

/// A request to update a resource.
pub(super) trait UpdateRequest: Message {
    type Wire;
    fn resource(&self) -> Option<&Self::Wire>;
    fn mask(&self) -> Option<&FieldMask>;
    fn etag(&self) -> &str;
    fn request_id(&self) -> &str;
}

/// An answer of one resource.
pub(super) trait Answer: Message + Default {
    type Wire;
    fn new(resource: Self::Wire, revision: Revision) -> Self;
    fn resource_mut(&mut self) -> Option<&mut Self::Wire>;
}

/// An answer of many resources.
pub(super) trait Page {
    type Wire;
    fn new(resources: Vec<Self::Wire>, next_page_token: String) -> Self;
}

/// Reads the name that a person gives a resource.
pub(super) fn label(
    fields: &mut Fields,
    meta: Option<&wire::Meta>,
) -> Result<Option<Label>, Reported> {
    let name = meta.map_or("", |meta| &meta.name);
    fields.optional("meta.name", name)
}
