//! How an exercise begins: the scenario's text with some lines replaced.
//!
//! A file of changes: lines that begin with `-` stand in the scenario, once; those with `+` that
//! follow stand in the exercise instead. Everything else is for its readers.

use super::ScenarioError;

/// Lines and what replaces them.
#[derive(Default)]
struct Change {
    from: String,
    to: String,
}

/// The text with every change made.
pub(super) fn apply(
    name: &'static str,
    text: &str,
    changes: &str,
) -> Result<String, ScenarioError> {
    let mut text = text.to_owned();
    for Change { from, to } in parse(changes) {
        let times = text.matches(&from).count();
        if times != 1 {
            let line = from.lines().next().unwrap_or_default().to_owned();
            return Err(ScenarioError::Exercise { name, line, times });
        }
        text = text.replacen(&from, &to, 1);
    }
    Ok(text)
}

fn parse(changes: &str) -> Vec<Change> {
    let mut all: Vec<Change> = Vec::new();
    let mut before = "";
    for line in changes.lines() {
        let (sign, rest) = line.split_at(line.len().min(1));
        if sign == "-" && before != "-" {
            all.push(Change::default());
        }
        if let Some(change) = all.last_mut() {
            let into = match sign {
                "-" => &mut change.from,
                "+" => &mut change.to,
                _ => &mut String::new(),
            };
            into.push_str(rest);
            into.push('\n');
        }
        before = sign;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "one\ntwo\nthree\ntwo\n";

    #[test]
    fn lines_are_replaced_where_they_stand_once() {
        let changes = "why\n-one\n-two\n+1\n\n-three\n+3\n+4\n";
        assert_eq!(apply("x", TEXT, changes).unwrap(), "1\n3\n4\ntwo\n");
    }

    #[test]
    fn a_change_of_what_is_not_there_once_is_refused() {
        for (changes, times) in [("-five\n+5\n", 0), ("-two\n", 2)] {
            let refused = apply("x", TEXT, changes).unwrap_err().to_string();
            assert!(
                refused.contains(&format!("there {times} times")),
                "{refused}"
            );
        }
    }
}
