//! Ratios as bars with their spread, one panel for each measure, as SVG.

use std::fmt::Write as _;

use super::Run;
use crate::report::{Measure, Outcome};

/// Pixels: a panel's width, the room for names, a bar and the space between, a title.
const WIDTH: f64 = 760.0;
const NAMES: f64 = 210.0;
const BAR: f64 = 12.0;
const STEP: f64 = 18.0;
const TITLE: f64 = 24.0;
const GAP: f64 = 14.0;
/// Room for the number behind the longest bar.
const NUMBER: f64 = 90.0;
/// A bar that would be longer is cut: the number says how long.
const LONGEST: f64 = 4.0;

/// Draws the run.
pub(super) fn draw(run: &Run) -> String {
    let panels: Vec<(Measure, Vec<&Outcome>)> = Measure::ALL
        .into_iter()
        .map(|measure| (measure, compared(run, measure)))
        .filter(|(_, outcomes)| !outcomes.is_empty())
        .collect();
    let mut body = String::new();
    let mut top = GAP;
    for (measure, outcomes) in &panels {
        top = panel(&mut body, *measure, outcomes, top);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{top}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

/// What there is to compare: all but the first path, whose ratio is one.
fn compared(run: &Run, measure: Measure) -> Vec<&Outcome> {
    let bare = run.paths().first().copied();
    let outcomes = run.outcomes.iter().filter(|o| o.measure == measure);
    outcomes
        .filter(|o| o.ratio.is_some() && Some(o.path) != bare)
        .collect()
}

/// One measure; gives where the next begins.
fn panel(body: &mut String, measure: Measure, outcomes: &[&Outcome], top: f64) -> f64 {
    let better = if measure.is_cost() { "less" } else { "more" };
    let title = format!(
        "{}: ratio to a bare veth, {better} is better",
        measure.text()
    );
    text(body, 8.0, top + 12.0, "font-weight=\"bold\"", &title);
    let longest = outcomes.iter().filter_map(|o| o.spread).map(|s| s.1);
    let longest = longest.fold(1.0, f64::max).min(LONGEST);
    let scale = (WIDTH - NAMES - NUMBER) / longest;
    let x = |ratio: f64| NAMES + ratio.min(longest) * scale;
    let mut y = top + TITLE;
    let bottom = y + outcomes.len() as f64 * STEP;
    for outcome in outcomes {
        bar(body, outcome, y, &x);
        y += STEP;
    }
    let one = x(1.0);
    let _ = writeln!(
        body,
        "<line x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\" stroke=\"#c33\" \
         stroke-dasharray=\"3 2\"/>",
        top + TITLE - 4.0
    );
    bottom + GAP
}

fn bar(body: &mut String, outcome: &Outcome, y: f64, x: &impl Fn(f64) -> f64) {
    let (Some(ratio), Some((low, high))) = (outcome.ratio, outcome.spread) else {
        return;
    };
    let weft = outcome.path.starts_with("Weft");
    let fill = if weft { "#2a6fb0" } else { "#a9b4bf" };
    let end = "text-anchor=\"end\"";
    text(body, NAMES - 8.0, y + BAR - 2.0, end, outcome.path);
    let _ = writeln!(
        body,
        "<rect x=\"{NAMES}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{fill}\"/>\n\
         <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"#222\" \
         stroke-width=\"2\"/>",
        x(ratio) - NAMES,
        x(low),
        x(high),
        middle = y + BAR / 2.0,
    );
    let number = format!("{ratio:.2}");
    text(body, x(high) + 6.0, y + BAR - 2.0, "", &number);
}

fn text(body: &mut String, x: f64, y: f64, how: &str, what: &str) {
    let what = what.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" {how}>{what}</text>");
}
