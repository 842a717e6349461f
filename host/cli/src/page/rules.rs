//! The rules that a page cites: what does each say?
//!
//! They are those of docs/rules.md, as they stand there.

use std::{collections::BTreeSet, sync::LazyLock};

use super::Page;

/// Which rules are cited, by their places in [`RULES`].
pub(super) type Cited = BTreeSet<usize>;

/// A rule.
pub(super) struct Rule {
    /// For example `S16`.
    pub(super) name: &'static str,
    /// What it is about, or how its text begins.
    title: &'static str,
    /// How its text goes on: Markdown.
    text: Vec<&'static str>,
}

/// The rule of a name, with its place.
pub(super) fn named(name: &str) -> Option<(usize, &'static Rule)> {
    RULES.iter().enumerate().find(|(_, rule)| rule.name == name)
}

/// The first rule that a text cites, with what stands before it and behind it.
pub(super) fn first_cited(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find('S').map(|at| from + at) {
        let word = text.get(at..)?;
        let end = word.find(|one: char| !one.is_ascii_alphanumeric()).unwrap_or(word.len());
        let (word, after) = word.split_at_checked(end)?;
        let before = text.get(..at)?;
        if !before.ends_with(char::is_alphanumeric) && named(word).is_some() {
            return Some((before, word, after));
        }
        from = at + 1;
    }
    None
}

impl Page {
    /// Writes what the rules say that the page cites.
    pub(super) fn rules(&mut self) {
        let cited = std::mem::take(&mut self.cited);
        if cited.is_empty() {
            return;
        }
        self.markup("<section id=\"rules\" aria-labelledby=\"rules-head\">\n");
        self.markup("<h2 id=\"rules-head\">Rules that are cited here</h2>\n<dl class=\"rules\">\n");
        for rule in cited.into_iter().filter_map(|at| RULES.get(at)) {
            self.markup("<div><dt id=\"");
            self.markup(rule.name);
            self.markup("\">");
            self.markup(rule.name);
            self.markup("</dt><dd><b>");
            self.text(rule.title);
            self.markup("</b>");
            for line in &rule.text {
                self.markup(" ");
                self.markdown(line);
            }
            self.markup("</dd></div>\n");
        }
        self.markup("</dl>\n</section>\n");
    }

    /// Writes a line of docs/rules.md: code is code, and of a link its words are kept.
    fn markdown(&mut self, line: &str) {
        for (at, part) in line.split('`').enumerate() {
            if at % 2 == 1 {
                self.element("code", |page| page.text(part));
                continue;
            }
            for (at, part) in part.split("](").enumerate() {
                let words = if at == 0 {
                    part
                } else {
                    part.split_once(')').map_or(part, |(_, words)| words)
                };
                self.text(&words.replace(['[', '*'], ""));
            }
        }
    }
}

/// The rules, in their order.
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let mut rules: Vec<Rule> = Vec::new();
    let mut within = false;
    for line in PAGE.lines() {
        let head = line.strip_prefix("- **S").and_then(|_| line.strip_prefix("- **"));
        if let Some((head, rest)) = head.and_then(|head| head.split_once("**")) {
            let (name, title) = head.split_once(' ').unwrap_or((head, ""));
            let text = Some(rest.trim()).filter(|rest| !rest.is_empty()).into_iter().collect();
            rules.push(Rule { name, title, text });
            within = true;
            continue;
        }
        let text = line
            .strip_prefix("  ")
            .filter(|text| text.starts_with(char::is_alphanumeric) || text.starts_with(['"', '`']));
        // A list, a table or the next section ends what a rule says in plain sentences.
        within &= text.is_some_and(|text| !text.ends_with(':'));
        if let (true, Some(rule), Some(text)) = (within, rules.last_mut(), text)
            && rule.text.len() < LINES_MOST
        {
            rule.text.push(text);
        }
    }
    rules
});

const PAGE: &str = include_str!("../../../../docs/rules.md");

/// 2 lines of a rule: what it asks for. The page of the rules has the rest.
const LINES_MOST: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_name_and_a_text() {
        let names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
        for number in 1..=45 {
            assert!(names.contains(&format!("S{number}").as_str()), "S{number}: {names:?}");
        }
        for rule in RULES.iter() {
            assert!(!rule.text.is_empty() && !rule.text.concat().contains("**"), "{}", rule.name);
        }
        let (_, rule) = named("S16").unwrap();
        assert_eq!((rule.title, rule.text.len()), ("Correlation.", 2));
    }

    #[test]
    fn a_citation_is_a_word_of_its_own() {
        check("several may be it (S16): merge", Some(("several may be it (", "S16", "): merge")));
        check("S3a", Some(("", "S3a", "")));
        check("RS16 S160 S0 US S16x", None);
        check("AS, then S2.", Some(("AS, then ", "S2", ".")));
        check("ÄS16 é S16", Some(("ÄS16 é ", "S16", "")));
    }

    fn check(text: &str, expected: Option<(&str, &str, &str)>) {
        assert_eq!(first_cited(text), expected, "{text}");
    }
}
