//! Update masks: which fields a caller wants changed.

use prost_types::FieldMask;
use weft_proto::convert::{Fields, Reported};

/// The fields of a kind of resource, by path.
pub(super) struct Paths {
    /// Those that an update can change.
    pub(super) mutable: &'static [&'static str],
    /// Those that it can't.
    pub(super) fixed: &'static [&'static str],
}

/// The fields to change, each of them mutable.
pub(super) struct Mask(Vec<&'static str>);

impl Mask {
    /// Reads a request's mask.
    pub(super) fn read(
        fields: &mut Fields,
        mask: Option<&FieldMask>,
        paths: &Paths,
    ) -> Result<Self, Reported> {
        let asked = mask.map_or(&[][..], |mask| &mask.paths);
        if asked.is_empty() {
            let reason = format!(
                "is required: name what to change of {}",
                listed(paths.mutable)
            );
            return Err(fields.refuse("update_mask", reason));
        }
        fields
            .each("update_mask.paths", 64, asked, |fields, path| {
                paths.find(fields, path)
            })
            .map(Self)
    }

    /// Reads a field where it is to change; where it isn't, nobody looks at it.
    pub(super) fn pick<T>(
        &self,
        path: &str,
        read: impl FnOnce() -> Result<T, Reported>,
    ) -> Result<Option<T>, Reported> {
        self.0.contains(&path).then(read).transpose()
    }
}

impl Paths {
    fn find(&self, fields: &mut Fields, path: &str) -> Result<&'static str, Reported> {
        if let Some(known) = self.mutable.iter().find(|known| **known == path) {
            return Ok(known);
        }
        let can = listed(self.mutable);
        let reason = if self.fixed.contains(&path) {
            format!("`{path}` can't change; what can is {can}")
        } else {
            let path: String = path.chars().take(64).collect();
            format!(
                "there is no field `{}`; what can change is {can}",
                path.escape_default()
            )
        };
        Err(fields.refuse("", reason))
    }
}

fn listed(paths: &[&str]) -> String {
    paths.join(", ")
}
