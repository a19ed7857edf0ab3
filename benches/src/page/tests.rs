use super::*;

fn run() -> Run {
    let outcome = |path, median, ratio: f64| Outcome {
        measure: Measure::TcpOne,
        path,
        values: vec![median],
        median,
        ratio: Some(ratio),
        spread: Some((ratio, ratio)),
    };
    let mut run = Run::new("weft bench --peers".to_owned());
    run.outcomes = vec![outcome("bare veth", 12.0, 1.0), outcome("a & b", 6.0, 0.5)];
    run.absent = vec!["OVN: `ovn-controller` isn't installed".to_owned()];
    run
}

#[test]
fn a_row_has_a_cell_for_each_path() {
    let text = run().markdown(None);
    assert!(text.contains("| measure | bare veth | a & b |"), "{text}");
    let row = "| TCP 1 stream, Gbit/s | 12.0 | 6.00: **0.50** (0.50 to 0.50) |";
    assert!(text.contains(row), "{text}");
    assert!(text.contains("Not measured: OVN"), "{text}");
}

#[test]
fn only_the_block_of_a_page_is_replaced() {
    let page = format!("above\n{BEGIN}\nold\n{END}\nbelow\n");
    let expected = format!("above\n{BEGIN}\nnew\n{END}\nbelow\n");
    assert_eq!(replaced(&page, "new\n"), Some(expected));
    assert_eq!(replaced("no block", "new"), None);
}

#[test]
fn a_page_gets_its_plot_and_its_numbers_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("page.md");
    fs::write(&page, format!("{BEGIN}\n{END}\n")).unwrap();
    run().write(&page).unwrap();
    assert!(fs::read_to_string(&page).unwrap().contains("](page.svg)"));
    let plot = fs::read_to_string(dir.path().join("page.svg")).unwrap();
    assert!(
        plot.starts_with("<svg") && plot.contains("a &amp; b"),
        "{plot}"
    );
    let numbers = fs::read_to_string(dir.path().join("page.json")).unwrap();
    let numbers: serde_json::Value = serde_json::from_str(&numbers).unwrap();
    assert_eq!(numbers["outcomes"][1]["ratio"], 0.5);
}

#[test]
fn days_are_counted_over_leap_years() {
    assert_eq!(civil(0), (1970, 1, 1));
    assert_eq!(civil(11_016), (2000, 2, 29));
    assert_eq!(civil(20_513), (2026, 3, 1));
}
