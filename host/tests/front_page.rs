//! An embedder's whole use fits in twenty lines, as `docs/embedding.md` says; that it compiles is the page's own test.

#[test]
fn the_front_page_shows_the_whole_use_in_twenty_lines() {
    let page = include_str!("../src/lib.rs").lines().filter_map(|line| line.strip_prefix("//!"));
    let page = page.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let example = page.skip_while(|line| *line != "```no_run").skip(1);
    let shown = example.take_while(|line| *line != "```").filter(|line| !line.starts_with("# "));
    let lines: Vec<&str> = shown.filter(|line| !line.is_empty()).collect();
    for part in ["Provisioner::new(", ".recover_always()", "Call::create(", ".provision("] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}");
    }
    assert!(lines.len() <= 20, "{} lines", lines.len());
}
