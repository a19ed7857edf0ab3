//! How wire types print as JSON where the derived form would hide a name behind a number.

use serde::Serializer;

use crate::v1::route::Origin;

/// A route's origin by name: `table`, `static`, `propagated`.
pub(crate) fn origin<S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    let name = match Origin::try_from(*value) {
        Ok(Origin::Table) => "table",
        Ok(Origin::Static) => "static",
        Ok(Origin::Propagated) => "propagated",
        Ok(Origin::Unspecified) | Err(_) => "unspecified",
    };
    serializer.serialize_str(name)
}

/// Bytes that are mostly text, as text.
pub(crate) fn text<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}
