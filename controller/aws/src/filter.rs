//! Filters of listings: a name, and values of which one must match, `*` and `?` standing for any.

use weft_model::{Cloud, Meta};

use crate::{Args, Fault};

/// Values of all filters of a request at most: AWS's own.
const MOST_VALUES: usize = 200;

/// What a filter compares: a resource has any number of such values.
pub type Of<T> = fn(&Cloud, &T, &mut dyn FnMut(&str));

/// A filter of a listing.
pub struct Filter<T: 'static> {
    /// Its name.
    pub name: &'static str,
    /// What it compares.
    pub of: Of<T>,
}

/// A filter.
pub const fn filter<T>(name: &'static str, of: Of<T>) -> Filter<T> {
    Filter { name, of }
}

/// What a request leaves out.
pub struct Wanted<'a, T: 'static>(Vec<(Compare<'a, T>, Vec<&'a str>)>);

enum Compare<'a, T: 'static> {
    Own(Of<T>),
    TagKey,
    Tag(&'a str),
}

impl<'a, T> Wanted<'a, T> {
    /// Reads a request's filters.
    ///
    /// # Errors
    /// When there is no such filter, it has no value, or there are too many.
    pub fn read(args: Args<'a>, known: &'static [Filter<T>]) -> Result<Self, Fault> {
        let mut wanted = Vec::new();
        let mut count = 0;
        for given in args.groups("Filter") {
            let name = given.needed("Name")?;
            let values = given.texts("Value");
            count += values.len();
            if values.is_empty() {
                let message = format!("The filter '{name}' has no values");
                return Err(Fault::new("InvalidParameterValue", message));
            }
            let own = known.iter().find(|filter| filter.name == name);
            let compare = match (own, name.strip_prefix("tag:")) {
                (Some(own), _) => Compare::Own(own.of),
                (None, Some(key)) => Compare::Tag(key),
                (None, None) if name == "tag-key" => Compare::TagKey,
                (None, None) => {
                    let message = format!("The filter '{name}' is invalid");
                    return Err(Fault::new("InvalidParameterValue", message));
                }
            };
            wanted.push((compare, values));
        }
        if count > MOST_VALUES {
            let message = format!("The maximum number of filter values is {MOST_VALUES}");
            return Err(Fault::new("FilterLimitExceeded", message));
        }
        Ok(Self(wanted))
    }

    /// Whether the resource is wanted.
    pub fn fits(&self, cloud: &Cloud, resource: &T, meta: &Meta) -> bool {
        self.0.iter().all(|(compare, values)| {
            let matches = |text: &str| values.iter().any(|value| is_like(value, text));
            match compare {
                Compare::Own(of) => {
                    let mut any = false;
                    of(cloud, resource, &mut |text| any |= matches(text));
                    any
                }
                Compare::TagKey => meta.all_tags().any(|(key, _)| matches(key)),
                Compare::Tag(tag) => {
                    let mut tags = meta.all_tags();
                    tags.any(|(key, value)| key == *tag && matches(value))
                }
            }
        })
    }
}

/// Whether the text is as the pattern says: `*` is any run, `?` any character, `\` takes either as
/// it is.
pub fn is_like(pattern: &str, text: &str) -> bool {
    if !pattern.contains(['*', '?', '\\']) {
        return pattern == text;
    }
    let pattern = tokens(pattern);
    let text: Vec<char> = text.chars().collect();
    // The last star can take more at each mismatch; earlier ones needn't.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(Token::Any) => {
                star = Some((p, t));
                p += 1;
            }
            Some(Token::One) => (p, t) = (p + 1, t + 1),
            Some(Token::Char(c)) if *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|token| *token == Token::Any)
}

#[derive(PartialEq, Eq)]
enum Token {
    Any,
    One,
    Char(char),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut chars = pattern.chars();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Char(chars.next().unwrap_or('\\')),
            c => Token::Char(c),
        });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_any() {
        for (pattern, text, fits) in [
            ("web", "web", true),
            ("web", "web1", false),
            ("web*", "web", true),
            ("*b*1", "web-b-1", true),
            ("w?b", "wéb", true),
            ("w?b", "wb", false),
            ("*", "", true),
            ("", "", true),
            ("a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a\\", "a\\", true),
        ] {
            assert_eq!(is_like(pattern, text), fits, "{pattern} {text}");
        }
    }
}
