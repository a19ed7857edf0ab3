//! Parameters as actions read them.

use std::{fmt::Display, str::FromStr};

use weft_model::{TagKey, Tags};

use crate::{
    Fault,
    form::{Group, Value},
    ids::{self, AwsId},
};

/// Some parameters, checked against their list.
#[derive(Debug, Clone, Copy)]
pub struct Args<'a>(&'a Group);

impl<'a> Args<'a> {
    /// These parameters.
    pub fn new(group: &'a Group) -> Self {
        Self(group)
    }

    /// A text; an empty one is as none.
    pub fn text(self, name: &str) -> Option<&'a str> {
        self.given(name).filter(|text| !text.is_empty())
    }

    /// A text as it is given, empty perhaps.
    pub fn given(self, name: &str) -> Option<&'a str> {
        match self.0.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// `MissingParameter`.
    pub fn needed(self, name: &str) -> Result<&'a str, Fault> {
        self.text(name).ok_or_else(|| Fault::missing(name))
    }

    /// A flag.
    pub fn flag(self, name: &str) -> Option<bool> {
        self.text(name)
            .map(|text| text.eq_ignore_ascii_case("true"))
    }

    /// The `Value` of an attribute that is a flag: `EnableDnsSupport.Value=true`.
    pub fn attribute(self, name: &str) -> Option<bool> {
        self.group(name)?.flag("Value")
    }

    /// A whole number.
    pub fn int(self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// A value of a type that reads texts.
    ///
    /// # Errors
    /// `InvalidParameterValue`.
    pub fn value<T: FromStr<Err: Display>>(self, name: &str) -> Result<Option<T>, Fault> {
        let parse = |text: &str| text.parse().map_err(|e| Fault::value(name, text, e));
        self.text(name).map(parse).transpose()
    }

    /// An id.
    ///
    /// # Errors
    /// As the service says of ids of the kind that are malformed.
    pub fn id<T: AwsId>(self, name: &str) -> Result<Option<T>, Fault> {
        self.text(name).map(ids::parse).transpose()
    }

    /// An id that must be there.
    ///
    /// # Errors
    /// The same, or `MissingParameter`.
    pub fn needed_id<T: AwsId>(self, name: &str) -> Result<T, Fault> {
        ids::parse(self.needed(name)?)
    }

    /// Named values.
    pub fn group(self, name: &str) -> Option<Self> {
        match self.0.get(name) {
            Some(Value::Group(group)) => Some(Self(group)),
            _ => None,
        }
    }

    /// The elements of a list, in the order of their numbers.
    fn items(self, name: &str) -> Vec<&'a Value> {
        let Some(Value::Group(group)) = self.0.get(name) else {
            return Vec::new();
        };
        let group = match group.get("member") {
            Some(Value::Group(members)) => members,
            _ => group,
        };
        let mut items: Vec<(u32, &Value)> = group
            .iter()
            .filter_map(|(index, value)| Some((index.parse().ok()?, value)))
            .collect();
        items.sort_by_key(|(index, _)| *index);
        items.into_iter().map(|(_, value)| value).collect()
    }

    /// A list of texts.
    pub fn texts(self, name: &str) -> Vec<&'a str> {
        let text = |value: &'a Value| match value {
            Value::Text(text) => Some(text.as_str()),
            Value::Group(_) => None,
        };
        self.items(name).into_iter().filter_map(text).collect()
    }

    /// A list of ids.
    ///
    /// # Errors
    /// When one is malformed.
    pub fn ids<T: AwsId>(self, name: &str) -> Result<Vec<T>, Fault> {
        self.texts(name).into_iter().map(ids::parse).collect()
    }

    /// A list of groups.
    pub fn groups(self, name: &str) -> Vec<Self> {
        let group = |value: &'a Value| match value {
            Value::Group(group) => Some(Self(group)),
            Value::Text(_) => None,
        };
        self.items(name).into_iter().filter_map(group).collect()
    }

    /// The tags to make a resource of the type with.
    ///
    /// # Errors
    /// When another type is meant, or a tag can't be.
    pub fn tags_for(self, kind: &str) -> Result<Tags, Fault> {
        let mut tags = Tags::new();
        for specification in self.groups("TagSpecification") {
            let given = specification.needed("ResourceType")?;
            if given != kind {
                let why = format!("Tags on create are for {kind} here.");
                return Err(Fault::value("ResourceType", given, why));
            }
            tags.extend(specification.tags("Tag")?);
        }
        Ok(tags)
    }

    /// A list of tags.
    ///
    /// # Errors
    /// When one can't be, or its key is given twice.
    pub fn tags(self, name: &str) -> Result<Tags, Fault> {
        let mut tags = Tags::new();
        for tag in self.groups(name) {
            let key: TagKey = tag_key(tag.needed("Key")?)?;
            let value = tag.given("Value").unwrap_or_default();
            let value = value.parse().map_err(|e| Fault::value("Tag", value, e))?;
            if tags.insert(key.clone(), value).is_some() {
                let message = format!("Duplicate tag key '{key}' specified.");
                return Err(Fault::new("InvalidParameterValue", message));
            }
        }
        Ok(tags)
    }
}

/// A tag's key.
///
/// # Errors
/// When it can't be one.
pub fn tag_key(text: &str) -> Result<TagKey, Fault> {
    text.parse().map_err(|e| {
        if text.to_ascii_lowercase().starts_with("aws:") {
            let message = "Tag keys starting with 'aws:' are reserved for internal use";
            return Fault::new("InvalidParameterValue", message);
        }
        Fault::value("Tag", text, e)
    })
}
