//! Parameters of the query protocols: `Filter.1.Value.2=x` is a tree.

use std::collections::BTreeMap;

use crate::Fault;

/// Parameters of a request at most: a thousand ids and their filters.
const MOST: usize = 4_096;

/// Dots in a name at most: the deepest that an action has is five.
const DEEPEST: usize = 8;

/// The children of a node.
pub type Group = BTreeMap<String, Value>;

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A leaf's text.
    Text(String),
    /// Named or numbered children.
    Group(Group),
}

/// Reads `application/x-www-form-urlencoded` bytes.
///
/// # Errors
/// When there are too many, a text has control characters or isn't UTF-8, or a name is given twice.
pub fn parse(bytes: &[u8]) -> Result<Group, Fault> {
    let mut root = Group::new();
    for (count, (name, value)) in form_urlencoded::parse(bytes).enumerate() {
        if count >= MOST {
            let message = format!("A request has at most {MOST} parameters");
            return Err(Fault::new("RequestLimitExceeded", message));
        }
        check_text(&name, &name)?;
        check_text(&name, &value)?;
        put(&mut root, &name, value.into_owned())?;
    }
    Ok(root)
}

fn check_text(name: &str, text: &str) -> Result<(), Fault> {
    // The replacement character stands for bytes that are no UTF-8.
    let bad = |c: char| c.is_control() || matches!(c, '\u{fffd}' | '\u{fffe}' | '\u{ffff}');
    if !text.contains(bad) {
        return Ok(());
    }
    let name: String = name.chars().filter(|c| !bad(*c)).take(64).collect();
    let message = format!("The value of parameter {name} has characters that are not allowed");
    Err(Fault::new("InvalidParameterValue", message))
}

fn put(root: &mut Group, name: &str, text: String) -> Result<(), Fault> {
    let conflict = || {
        let message = format!("The parameter {name} is given more than once, or in two forms");
        Fault::new("InvalidParameterCombination", message)
    };
    let path: Vec<&str> = name.split('.').collect();
    let Some((last, parents)) = path.split_last().filter(|_| path.len() <= DEEPEST) else {
        return Err(unknown(name));
    };
    let mut group = root;
    for part in parents {
        let child = group.entry((*part).to_owned());
        match child.or_insert_with(|| Value::Group(Group::new())) {
            Value::Group(inner) => group = inner,
            Value::Text(_) => return Err(conflict()),
        }
    }
    match group.insert((*last).to_owned(), Value::Text(text)) {
        None => Ok(()),
        Some(_) => Err(conflict()),
    }
}

/// The services' words for a parameter that an action doesn't have.
pub fn unknown(name: &str) -> Fault {
    let name: String = name.chars().take(128).collect();
    let message = format!("The parameter {name} is not recognized");
    Fault::new("UnknownParameter", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_names_become_a_tree() {
        let tree =
            parse(b"Filter.1.Name=vpc-id&Filter.1.Value.2=b&Filter.1.Value.1=a+b%26").unwrap();
        let Some(Value::Group(filters)) = tree.get("Filter") else {
            panic!("{tree:?}");
        };
        let Some(Value::Group(first)) = filters.get("1") else {
            panic!("{tree:?}");
        };
        assert_eq!(first.get("Name"), Some(&Value::Text("vpc-id".to_owned())));
        let Some(Value::Group(values)) = first.get("Value") else {
            panic!("{tree:?}");
        };
        assert_eq!(values.get("1"), Some(&Value::Text("a b&".to_owned())));
    }

    #[test]
    fn what_is_given_twice_or_is_no_text_is_refused() {
        for bad in [
            "a=1&a=2",
            "a=1&a.b=2",
            "a.b=2&a=1",
            "a=%00",
            "a=%ff",
            "a%1b=x",
            "a=%0a",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let many = "a.b.c.d.e.f.g.h.i=1";
        assert_eq!(parse(many.as_bytes()).unwrap_err().code, "UnknownParameter");
    }
}
