//! The documentation's table says what the actions' tables say.

use std::{fmt::Write as _, fs, path::Path};

use crate::{Service, Support, call};

const BEGIN: &str =
    "<!-- actions: written by the tables, `WEFT_DOCS=write cargo test -p weft-aws` -->\n";
const END: &str = "<!-- end of actions -->\n";

fn table() -> String {
    let mut text = String::new();
    for service in Service::ALL {
        let mut actions: Vec<_> = call::actions(service).collect();
        actions.sort_by_key(|action| action.name);
        if actions.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n### {} ({})\n", service.title(), service.version());
        text += "| action | | what is missing |\n|--------|---|-----|\n";
        for action in actions {
            let refused: Vec<String> = action.refused_params().map(|p| format!("`{p}`")).collect();
            let (support, missing) = match action.support() {
                Support::Full => ("supported", String::new()),
                Support::Refused(why) => ("refused", why.to_owned()),
                Support::Partly(missing) => {
                    let parts = [missing.to_owned(), refused.join(" ")];
                    let parts: Vec<String> = parts.into_iter().filter(|p| !p.is_empty()).collect();
                    ("partly", parts.join("; "))
                }
            };
            let _ = writeln!(text, "| `{}` | {support} | {missing} |", action.name);
        }
    }
    text + "\n"
}

#[test]
fn the_documentation_lists_every_action() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/aws.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{}{END}{after}", table());
    if option_env!("WEFT_DOCS") == Some("write") {
        fs::write(&path, &expected).unwrap();
        return;
    }
    assert!(
        text == expected,
        "docs/aws.md: WEFT_DOCS=write cargo test -p weft-aws brings it up to date"
    );
}

#[test]
fn no_action_is_there_twice() {
    for service in Service::ALL {
        let mut names: Vec<&str> = call::actions(service).map(|action| action.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{service:?}");
    }
}
