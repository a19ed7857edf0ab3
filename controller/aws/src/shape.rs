//! What parameters an action takes: its list is checked before the action looks at any.

use crate::{
    Fault, Service,
    form::{self, Group, Value},
};

/// The form of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// Numbered values.
    List(&'static Self),
    /// Named values.
    Struct(&'static [Param]),
    /// AWS has it, Weft hasn't but for these values, which say what Weft does anyway.
    Only(&'static [&'static str]),
    /// AWS has it, Weft hasn't, whatever is below it.
    Lacks,
}

/// A parameter of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Its name in requests.
    pub name: &'static str,
    /// Its form.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
}

impl Param {
    const fn new(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            shape,
            required: false,
        }
    }

    /// The same, required.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// A text.
pub const fn text(name: &'static str) -> Param {
    Param::new(name, Shape::Text)
}

/// `true` or `false`.
pub const fn boolean(name: &'static str) -> Param {
    Param::new(name, Shape::Bool)
}

/// A whole number.
pub const fn int(name: &'static str) -> Param {
    Param::new(name, Shape::Int)
}

/// A list of texts.
pub const fn texts(name: &'static str) -> Param {
    Param::new(name, Shape::List(&Shape::Text))
}

/// Named values.
pub const fn group(name: &'static str, fields: &'static [Param]) -> Param {
    Param::new(name, Shape::Struct(fields))
}

/// A list; of groups mostly: `list("Tag", &Shape::Struct(TAG))`.
pub const fn list(name: &'static str, of: &'static Shape) -> Param {
    Param::new(name, Shape::List(of))
}

/// What Weft takes these values of alone.
pub const fn only(name: &'static str, values: &'static [&'static str]) -> Param {
    Param::new(name, Shape::Only(values))
}

/// What AWS has and Weft hasn't.
pub const fn lacks(name: &'static str) -> Param {
    Param::new(name, Shape::Lacks)
}

/// A tag.
pub const TAG: Shape = Shape::Struct(&[text("Key"), text("Value")]);

/// Tags on create.
pub const TAGS: Param = list(
    "TagSpecification",
    &Shape::Struct(&[text("ResourceType"), list("Tag", &TAG)]),
);

/// What a listing leaves out.
pub const FILTERS: Param = list("Filter", &Shape::Struct(&[text("Name"), texts("Value")]));

/// How many at a time.
pub const MAX_RESULTS: Param = int("MaxResults");

/// Where a listing goes on.
pub const NEXT_TOKEN: Param = text("NextToken");

/// Makes a write safe to repeat.
pub const CLIENT_TOKEN: Param = text("ClientToken");

/// Refuses what the action doesn't take.
///
/// # Errors
/// As the services say it.
pub fn check(service: Service, given: &Group, wanted: &[Param]) -> Result<(), Fault> {
    fields(service, "", given, wanted)
}

fn fields(service: Service, path: &str, given: &Group, wanted: &[Param]) -> Result<(), Fault> {
    for (name, value) in given {
        let full = join(path, name);
        let param = wanted.iter().find(|param| param.name == name);
        let param = param.ok_or_else(|| form::unknown(&full))?;
        one(service, &full, value, param.shape)?;
    }
    let absent = |param: &&Param| param.required && !given.contains_key(param.name);
    match wanted.iter().find(absent) {
        Some(param) => Err(Fault::missing(&join(path, param.name))),
        None => Ok(()),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        return name.to_owned();
    }
    format!("{path}.{name}")
}

fn one(service: Service, path: &str, value: &Value, shape: Shape) -> Result<(), Fault> {
    match (shape, value) {
        (Shape::Lacks, _) => Err(lacking(path, "")),
        (Shape::Text, Value::Text(_)) => Ok(()),
        (Shape::Only(values), Value::Text(text)) => {
            let fits = values.contains(&text.as_str());
            fits.then_some(()).ok_or_else(|| lacking(path, text))
        }
        (Shape::Bool, Value::Text(text)) => {
            let fits = text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
            let why = "Use true or false.";
            fits.then_some(())
                .ok_or_else(|| Fault::value(path, text, why))
        }
        (Shape::Int, Value::Text(text)) => {
            let fits = text.parse::<i64>().is_ok();
            let why = "Use a whole number.";
            fits.then_some(())
                .ok_or_else(|| Fault::value(path, text, why))
        }
        (Shape::Struct(wanted), Value::Group(given)) => fields(service, path, given, wanted),
        (Shape::List(of), Value::Group(given)) => items(service, path, given, *of),
        // How the query protocol writes a list without elements.
        (Shape::List(_), Value::Text(text)) if text.is_empty() => Ok(()),
        _ => Err(form::unknown(path)),
    }
}

fn items(service: Service, path: &str, given: &Group, of: Shape) -> Result<(), Fault> {
    if service != Service::Ec2
        && let Some(Value::Group(members)) = given.get("member")
        && given.len() == 1
    {
        return numbered(service, &join(path, "member"), members, of);
    }
    numbered(service, path, given, of)
}

fn numbered(service: Service, path: &str, given: &Group, of: Shape) -> Result<(), Fault> {
    for (index, value) in given {
        let full = join(path, index);
        if index.parse::<u32>().is_err() {
            return Err(form::unknown(&full));
        }
        one(service, &full, value, of)?;
    }
    Ok(())
}

fn lacking(path: &str, value: &str) -> Fault {
    let value = if value.is_empty() {
        String::new()
    } else {
        format!(" with the value {value}")
    };
    Fault::unsupported(format!("The parameter {path}{value} is not supported here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: &[Param] = &[
        text("VpcId").required(),
        FILTERS,
        boolean("Flag"),
        int("MaxResults"),
        only("Tenancy", &["default"]),
        lacks("Pool"),
    ];

    fn code(service: Service, query: &str) -> &'static str {
        let given = form::parse(query.as_bytes()).unwrap();
        check(service, &given, WANTED).map_or_else(|fault| fault.code, |()| "")
    }

    #[test]
    fn an_action_takes_what_its_list_says_and_nothing_else() {
        let ec2 = Service::Ec2;
        for (query, expected) in [
            ("VpcId=v&Filter.1.Name=a&Filter.1.Value.1=b&Flag=True", ""),
            ("Flag=true", "MissingParameter"),
            ("VpcId=v&Vpc=w", "UnknownParameter"),
            ("VpcId.1=v", "UnknownParameter"),
            ("VpcId=v&Filter.x.Name=a", "UnknownParameter"),
            ("VpcId=v&Filter.1.Nome=a", "UnknownParameter"),
            ("VpcId=v&Flag=1", "InvalidParameterValue"),
            ("VpcId=v&MaxResults=ten", "InvalidParameterValue"),
            ("VpcId=v&Tenancy=default", ""),
            ("VpcId=v&Tenancy=dedicated", "UnsupportedOperation"),
            ("VpcId=v&Pool.1.x=y", "UnsupportedOperation"),
            ("VpcId=v&Filter.member.1.Name=a", "UnknownParameter"),
        ] {
            assert_eq!(code(ec2, query), expected, "{query}");
        }
        assert_eq!(code(Service::Elbv2, "VpcId=v&Filter.member.1.Name=a"), "");
        assert_eq!(code(Service::Elbv2, "VpcId=v&Filter="), "");
    }
}
