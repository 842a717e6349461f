//! Profile files: how does a service behave, as `replaysafe probe` has measured it or an operator knows it (S40)?
//!
//! A file holds facts, each a name and a word; figures, which are the counts behind them; and what follows from both. A file
//! whose facts or claims do not follow from its figures is refused: somebody has changed one without the other.

pub(crate) mod theorems;

use std::{collections::BTreeMap, fmt};

use replaysafe::contract::Field;
use toml::de::{DeTable, DeValue};

/// What is known of a service, each by its name.
pub(crate) type Facts = BTreeMap<String, String>;

/// What was counted of a service, each by its name.
pub(crate) type Figures = BTreeMap<String, u64>;

/// How a service behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Where the service is, without any credential.
    pub(crate) target: String,
    /// When it was measured, as RFC 3339 has it.
    pub(crate) measured_at: String,
    /// What was measured.
    pub(crate) measured: Facts,
    /// What an operator says beside it.
    pub(crate) declared: Facts,
    /// The counts that the facts follow from.
    pub(crate) figures: Figures,
}

impl Profile {
    /// Reads a profile file.
    ///
    /// # Errors
    ///
    /// [`Mistake`]: no TOML, a name or value that a profile does not have, or a claim that other lines contradict.
    pub(crate) fn read(text: &str) -> Result<Self, Mistake> {
        let file = File::read(text)?;
        let profile = file.profile;
        if let Some((name, reason)) = contradictions(&profile) {
            return Err(Mistake { line: file.lines.get(&name).copied(), name, reason });
        }
        for (name, claimed) in file.claimed {
            let follows = match name.as_str() {
                ROWS => profile.rows(),
                _ => profile.theorems(),
            };
            if claimed != follows {
                let reason = format!(
                    "the facts and figures of this file give [{}]; correct the line, or measure again with `replaysafe probe`",
                    quoted(&follows)
                );
                return Err(Mistake { line: file.lines.get(&name).copied(), name, reason });
            }
        }
        Ok(profile)
    }

    /// The file that [`read`](Self::read) reads.
    pub(crate) fn to_toml(&self) -> String {
        let line = |name: &str, value: &str| format!("{} = {value}", key(name));
        let list = |words: &[&str]| format!("[{}]", quoted(words));
        let mut lines = vec![
            HEAD.to_owned(),
            line(TARGET, &toml_text(&self.target)),
            line(MEASURED_AT, &toml_text(&self.measured_at)),
            line(ROWS, &list(&self.rows())),
            line(THEOREMS, &list(&self.theorems())),
        ];
        for (table, facts) in [(MEASURED, &self.measured), (DECLARED, &self.declared)] {
            if facts.is_empty() {
                continue;
            }
            lines.push(format!("\n[{table}]"));
            for (name, value) in facts {
                let bare = value == "true" || value == "false" || value.parse::<u64>().is_ok();
                lines.push(line(name, &if bare { value.clone() } else { toml_text(value) }));
            }
        }
        lines.push(format!("\n[{FIGURES}]"));
        lines.extend(self.figures.iter().map(|(name, count)| line(name, &count.to_string())));
        lines.join("\n") + "\n"
    }

    /// What is known of `name`.
    pub(crate) fn fact(&self, name: &str) -> Option<&str> {
        self.measured.get(name).or_else(|| self.declared.get(name)).map(String::as_str)
    }

    pub(crate) fn says(&self, name: &str, value: &str) -> bool {
        self.fact(name) == Some(value)
    }

    /// What decisions read: the facts under the contract's names.
    pub(crate) fn fields(&self) -> Vec<Field> {
        let known = self.declared.iter().chain(&self.measured);
        known
            .filter(|(name, _)| known_fact(name).is_some_and(|known| known.reader == Reader::Core))
            .map(|(name, value)| Field { name: name.clone(), value: value.clone() })
            .collect()
    }

    /// The kinds of target, shown to be safe, that this one is.
    pub(crate) fn rows(&self) -> Vec<&'static str> {
        let traits = theorems::traits(self);
        theorems::rows(&traits).map(|row| row.name).collect()
    }

    /// The theorems that hold for it.
    pub(crate) fn theorems(&self) -> Vec<&'static str> {
        let traits = theorems::traits(self);
        let holds = |one: &&theorems::Theorem| one.way(&traits).is_some();
        theorems::THEOREMS.iter().filter(holds).map(|one| one.name).collect()
    }
}

/// What is wrong with a profile file, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mistake {
    line: Option<usize>,
    name: String,
    reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.name.is_empty() {
            write!(f, "`{}`: ", self.name)?;
        }
        f.write_str(&self.reason)
    }
}

/// A file that is read and not yet compared with itself.
#[derive(Default)]
struct File {
    profile: Profile,
    claimed: Vec<(String, Vec<String>)>,
    /// Where each name stands first.
    lines: BTreeMap<String, usize>,
}

impl File {
    fn read(text: &str) -> Result<Self, Mistake> {
        let line_at = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let table = DeTable::parse(text).map_err(|refusal| Mistake {
            line: refusal.span().map(|span| line_at(span.start)),
            reason: format!("no TOML: {}", refusal.message()),
            ..Mistake::default()
        })?;
        let mut file = Self::default();
        for (name, held) in table.get_ref() {
            let line = line_at(name.span().start);
            let name = name.get_ref().to_string();
            file.lines.insert(name.clone(), line);
            let DeValue::Table(members) = held.get_ref() else {
                file.member(&name, held.get_ref())
                    .map_err(|reason| located(line, &name, reason))?;
                continue;
            };
            for (member, value) in members {
                let line = line_at(member.span().start);
                let member = member.get_ref().to_string();
                file.lines.entry(member.clone()).or_insert(line);
                let taken = word(value.get_ref()).and_then(|word| file.entry(&name, &member, word));
                taken.map_err(|reason| located(line, &member, reason))?;
            }
        }
        if file.profile.target.is_empty() {
            let reason = "is missing: write the base URL of the service that was measured".into();
            return Err(Mistake { line: None, name: TARGET.to_owned(), reason });
        }
        Ok(file)
    }

    /// Takes a member that is no table.
    fn member(&mut self, name: &str, held: &DeValue<'_>) -> Result<(), String> {
        match (name, held) {
            (TARGET, DeValue::String(url)) => self.profile.target = url.to_string(),
            (MEASURED_AT, DeValue::String(time)) => self.profile.measured_at = time.to_string(),
            (ROWS | THEOREMS, DeValue::Array(names)) => {
                let words = names.iter().map(|one| one.get_ref().as_str().map(str::to_owned));
                let words: Option<Vec<String>> = words.collect();
                self.claimed.push((name.to_owned(), words.ok_or("write a list of texts")?));
            }
            (TARGET | MEASURED_AT, _) => return Err("write a text".to_owned()),
            (ROWS | THEOREMS, _) => return Err("write a list of texts".to_owned()),
            (MEASURED | DECLARED | FIGURES, _) => return Err("write a table".to_owned()),
            _ => return Err(no_such(&MEMBERS)),
        }
        Ok(())
    }

    /// Takes a line of a table.
    fn entry(&mut self, table: &str, name: &str, value: String) -> Result<(), String> {
        if table == FIGURES {
            if !FIGURE_NAMES.iter().any(|figure| fits(figure, name)) {
                return Err(no_such(FIGURE_NAMES));
            }
            let count = value.parse().map_err(|_no_number| "write a whole number".to_owned())?;
            self.profile.figures.insert(name.to_owned(), count);
            return Ok(());
        }
        let facts = match table {
            MEASURED => &mut self.profile.measured,
            DECLARED => &mut self.profile.declared,
            _ => return Err(format!("there is no table `{table}`; {}", no_such(&MEMBERS))),
        };
        let names = || FACTS.iter().map(|fact| fact.name).collect::<Vec<_>>();
        let fact = known_fact(name).ok_or_else(|| no_such(&names()))?;
        if !fact.takes.allows(&value) {
            return Err(format!("`{value}` is not known here; write {}", fact.takes));
        }
        facts.insert(name.to_owned(), value);
        Ok(())
    }
}

fn located(line: usize, name: &str, reason: String) -> Mistake {
    Mistake { line: Some(line), name: name.to_owned(), reason }
}

fn no_such(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("there is no such member; there are {}", names.join(", "))
}

/// A value as the contract spells it.
fn word(held: &DeValue<'_>) -> Result<String, String> {
    match held {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Boolean(flag) => Ok(flag.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string())
            .map_err(|_large| "write a smaller number".to_owned()),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err("write a text, a whole number, true or false".to_owned())
        }
    }
}

/// What does not follow from what else the profile has: the name, and why.
fn contradictions(profile: &Profile) -> Option<(String, String)> {
    let figure = |name: &str| profile.figures.get(name).copied();
    let against = |figure: &str, count: u64| format!("`{figure} = {count}` contradicts it");
    for (name, value) in &profile.declared {
        if let Some(measured) = profile.measured.get(name).filter(|measured| *measured != value) {
            return Some((name.clone(), format!("it was measured to be `{measured}`")));
        }
    }
    for (name, value) in profile.measured.iter().chain(&profile.declared) {
        let mut parts = name.split('/');
        let (kind, of) = (parts.next()?, parts.collect::<Vec<_>>().join("/"));
        let reason = match (kind, value.as_str()) {
            ("unique", "server" | "global") => {
                let made = format!("made/{of}");
                figure(&made).filter(|count| 1 < *count).map(|count| against(&made, count))
            }
            ("search-lag-ms", _) => ["User", "Group"].into_iter().find_map(|of| {
                let found = format!("found-after-ms/{of}");
                let lag = value.parse::<u64>().ok()?;
                figure(&found).filter(|after| lag < *after).map(|after| against(&found, after))
            }),
            ("etag.supported", "true") => ["User", "Group"].into_iter().find_map(|of| {
                let stale = format!("stale-tag-answer/{of}");
                let honoured = format!("if-match/{of}");
                let tag = format!("etag/{of}");
                let against_it = [(&honoured, "ignored"), (&tag, "none"), (&tag, "unstable")];
                let said = against_it.iter().find(|(name, what)| profile.says(name, what));
                let said = said.map(|(name, what)| format!("`{name} = \"{what}\"` contradicts it"));
                said.or_else(|| {
                    figure(&stale).filter(|status| *status != 412).map(|one| against(&stale, one))
                })
            }),
            ("patch-status", status) => {
                let answer = format!("patch-answer/{of}");
                let other = |answer: &u64| answer.to_string() != status;
                figure(&answer).filter(other).map(|status| against(&answer, status))
            }
            ("deactivates", said) => {
                let delete = format!("delete/{of}");
                let off = profile.fact(&delete).map(|what| (what == "deactivates").to_string());
                off.filter(|off| off != said).map(|_| format!("`{delete}` contradicts it"))
            }
            ("removal", "filter" | "values") => {
                let tried = format!("removal-{value}/{of}");
                let tried = profile.fact(&tried).filter(|what| *what != "removes");
                tried.map(|what| format!("`removal-{value}/{of} = \"{what}\"` contradicts it"))
            }
            _ => None,
        };
        if let Some(reason) = reason {
            return Some((name.clone(), reason));
        }
    }
    None
}

/// A name of a fact or figure, in which capitals stand for a type or an attribute.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), name.split('/').collect());
    let part = |(pattern, name): (&&str, &&str)| {
        pattern == name || (["TYPE", "ATTRIBUTE"].contains(pattern) && !name.is_empty())
    };
    pattern.len() == name.len() && pattern.iter().zip(&name).all(part)
}

pub(crate) fn known_fact(name: &str) -> Option<&'static Fact> {
    FACTS.iter().find(|fact| fits(fact.name, name))
}

/// What may be said of a target.
#[derive(Debug)]
pub(crate) struct Fact {
    /// Its name, with `TYPE` and `ATTRIBUTE` where those of a target stand.
    pub(crate) name: &'static str,
    takes: Takes,
    reader: Reader,
    /// What it says, for a person.
    pub(crate) says: &'static str,
}

/// Who goes by a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// The component, under this name.
    Core,
    /// A person, and the table of theorems.
    Person,
}

/// What may stand behind a name.
#[derive(Debug)]
enum Takes {
    Words(&'static [&'static str]),
    /// From the first number to the second.
    Number(u64, u64),
}

impl Takes {
    fn allows(&self, value: &str) -> bool {
        match self {
            Self::Words(words) => words.contains(&value),
            Self::Number(least, most) => {
                value.parse().is_ok_and(|number: u64| (*least..=*most).contains(&number))
            }
        }
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                f.write_str(&words.join(", "))
            }
            Self::Number(least, most) => write!(f, "a whole number from {least} to {most}"),
        }
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// A name as TOML has it: bare where that can be.
fn key(name: &str) -> String {
    let bare =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if bare { name.to_owned() } else { toml_text(name) }
}

/// A text in the quotes of TOML, whatever is in it.
fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

const TARGET: &str = "target";
const MEASURED_AT: &str = "measured-at";
const ROWS: &str = "rows";
const THEOREMS: &str = "theorems";
const MEASURED: &str = "measured";
const DECLARED: &str = "declared";
const FIGURES: &str = "figures";
const MEMBERS: [&str; 7] = [TARGET, MEASURED_AT, ROWS, THEOREMS, MEASURED, DECLARED, FIGURES];

const HEAD: &str = "\
# How a SCIM service behaves: `replaysafe gateway --profile` takes it, `replaysafe probe` has written it.
# Facts are in [measured]; what you know beside them goes into a table [declared], for example
# \"apply-bound-ms\" = 60000. `rows` and `theorems` follow from both, and are compared at each start.";

/// D is assumed to be 15 s (S14); what is declared can only be longer, and a day is as long as anything waits.
const APPLY_BOUND_MS: Takes = Takes::Number(15_000, 86_400_000);
/// L is assumed to be 2 s (S14) and only raised; the component believes 10 minutes at most.
const SEARCH_LAG_MS: Takes = Takes::Number(SEARCH_LAG_LEAST_MS, 600_000);
/// What is assumed of any search.
pub(crate) const SEARCH_LAG_LEAST_MS: u64 = 2_000;
const TRUTH: Takes = Takes::Words(&["true", "false"]);
const TRIED: Takes = Takes::Words(&["removes", "clears", "ignored", "refused"]);

const fn core(name: &'static str, takes: Takes, says: &'static str) -> Fact {
    Fact { name, takes, reader: Reader::Core, says }
}

const fn person(name: &'static str, takes: Takes, says: &'static str) -> Fact {
    Fact { name, takes, reader: Reader::Person, says }
}

/// All that may be said of a target.
pub(crate) const FACTS: &[Fact] = &[
    core(
        "apply-bound-ms",
        APPLY_BOUND_MS,
        "D: how long after it was sent a call can still take effect",
    ),
    core("search-lag-ms", SEARCH_LAG_MS, "L: how long its search may lag behind"),
    core("etag.supported", TRUTH, "an outdated If-Match is refused, so our own may be sent"),
    core(
        "unique/TYPE/ATTRIBUTE",
        Takes::Words(&["server", "global", "none"]),
        "whether a second resource of the same value is refused",
    ),
    core(
        "filter/TYPE/ATTRIBUTE",
        Takes::Words(&["eq", "ignored", "blind", "refused"]),
        "eq: finds what carries the value and nothing else; ignored: lists everything; blind: finds nothing",
    ),
    core("deactivates/TYPE", TRUTH, "a delete switches it off"),
    core("patch-status/TYPE", Takes::Words(&["200", "204"]), "how a PATCH is answered"),
    core(
        "removal/TYPE",
        Takes::Words(&["filter", "values"]),
        "the one spelling in which members are removed",
    ),
    core("add-replaces/TYPE/ATTRIBUTE", TRUTH, "an add replaces the list"),
    core("replace-appends/TYPE/ATTRIBUTE", TRUTH, "a replace adds to the list"),
    core("shows-edges/TYPE/ATTRIBUTE", TRUTH, "a member is read back under its value"),
    person("read-your-writes/TYPE", TRUTH, "a resource is read by its id as soon as it is made"),
    person(
        "list/TYPE",
        Takes::Words(&["whole", "blind", "refused"]),
        "whether the list without a filter shows what is there",
    ),
    person(
        "unknown-filter/TYPE",
        Takes::Words(&["everything", "nothing", "refused"]),
        "what a filter on an attribute that nobody has gives",
    ),
    person("filter-case/TYPE/ATTRIBUTE", TRUTH, "a search in other letter case finds it"),
    person("case-equal/TYPE/ATTRIBUTE", TRUTH, "a second one in other letter case is refused"),
    person(
        "form-equal/TYPE/ATTRIBUTE",
        TRUTH,
        "a second one in another Unicode form (NFD) is refused",
    ),
    person(
        "delete/TYPE",
        Takes::Words(&["gone", "deactivates", "stays"]),
        "what is read after a delete that was accepted",
    ),
    person(
        "name-after-delete/TYPE/ATTRIBUTE",
        Takes::Words(&["free", "taken"]),
        "whether the name of a deleted one may be used again",
    ),
    person(
        "etag/TYPE",
        Takes::Words(&["none", "content", "monotonic", "unstable"]),
        "monotonic: no tag comes twice; content: equal content has an equal tag; unstable: neither",
    ),
    person("etag-is-version/TYPE", TRUTH, "the entity tag is meta.version"),
    person(
        "if-match/TYPE",
        Takes::Words(&["honoured", "ignored"]),
        "whether an outdated tag gives 412",
    ),
    person("removal-filter/TYPE", TRIED, "what a removal by `members[value eq …]` does"),
    person("removal-values/TYPE", TRIED, "what a removal that lists values does"),
    person(
        "stacks/TYPE/ATTRIBUTE",
        Takes::Words(&["never", "display", "always"]),
        "whether a member is stored again: display: under another display only",
    ),
    person("bulk.supported", TRUTH, "it says that it takes /Bulk"),
    person("bulk.answers", TRUTH, "/Bulk has made a user"),
];

/// What is counted.
const FIGURE_NAMES: &[&str] = &[
    "made/TYPE/ATTRIBUTE",
    "found-after-ms/TYPE",
    "read-after-ms/TYPE",
    "patch-answer/TYPE",
    "delete-answer/TYPE",
    "delete-again-answer/TYPE",
    "stale-tag-answer/TYPE",
];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A strict service, as somebody would write it by hand.
    const STRICT: &str = r#"target = "https://scim.example.com/v2"
measured-at = "2026-11-30T12:00:00Z"
rows = ["unique", "etag-monotonic", "slow"]
theorems = ["T0", "T1", "T2", "T3", "T4", "T4b", "T5", "T6", "T6b", "T7", "T8"]

[measured]
"unique/User/userName" = "server"
"filter/User/userName" = "eq"
"read-your-writes/User" = true
"list/User" = "whole"
"etag/User" = "monotonic"
"if-match/User" = "honoured"
"etag.supported" = true
"patch-status/User" = 204
"delete/User" = "gone"
"deactivates/User" = false
"removal-filter/Group" = "removes"
"removal/Group" = "filter"
search-lag-ms = 2000

[declared]
apply-bound-ms = 60_000

[figures]
"made/User/userName" = 1
"found-after-ms/User" = 12
"patch-answer/User" = 204
"stale-tag-answer/User" = 412
"#;

    #[test]
    fn what_is_written_is_read_again() {
        let profile = Profile::read(STRICT).unwrap();
        assert_eq!(Profile::read(&profile.to_toml()).unwrap(), profile);
        assert_eq!(profile.target, "https://scim.example.com/v2");
        assert_eq!(profile.fact("apply-bound-ms"), Some("60000"));
        let odd = Profile { target: "http://x/\"\n\\".to_owned(), ..Profile::default() };
        assert_eq!(Profile::read(&odd.to_toml()).unwrap(), odd);
    }

    #[test]
    fn decisions_are_given_what_they_read_and_nothing_else() {
        let mut fields: Vec<String> = Profile::read(STRICT)
            .unwrap()
            .fields()
            .into_iter()
            .map(|field| format!("{} = {}", field.name, field.value))
            .collect();
        fields.sort_unstable();
        let expected = [
            "apply-bound-ms = 60000",
            "deactivates/User = false",
            "etag.supported = true",
            "filter/User/userName = eq",
            "patch-status/User = 204",
            "removal/Group = filter",
            "search-lag-ms = 2000",
            "unique/User/userName = server",
        ];
        assert_eq!(fields, expected);
    }

    /// The contract's list of what a profile has, but for what a gateway keeps there for itself.
    #[test]
    fn the_names_are_those_of_the_contract() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/CHANGELOG.md");
        let text = fs::read_to_string(file).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("| `settings.profile` |"));
        let names = rows.filter_map(|line| line.split('|').nth(2)).flat_map(|cell| {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        });
        let mut names: Vec<String> = names.collect();
        names.retain(|name| !["witness/TYPE", "deleted-nameless/TYPE"].contains(&name.as_str()));
        names.sort_unstable();
        let read = FACTS.iter().filter(|fact| fact.reader == Reader::Core).map(|fact| fact.name);
        let mut read: Vec<&str> = read.collect();
        read.sort_unstable();
        assert_eq!(read, names);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_with_its_line_and_name() {
        wrong("target = = 1", "line 1: no TOML: extra `=`, expected nothing");
        wrong(
            "measured-at = \"x\"",
            "`target`: is missing: write the base URL of the service that was measured",
        );
        wrong("target = 5", "line 1: `target`: write a text");
        wrong("\nrows = \"slow\"", "line 2: `rows`: write a list of texts");
        wrong("rows = [1]", "line 1: `rows`: write a list of texts");
        wrong("measured = 1", "line 1: `measured`: write a table");
        begins("adopt = 1", "line 1: `adopt`: there is no such member; there are `target`, ");
        begins("[learned]\nx = 1", "line 2: `x`: there is no table `learned`; ");
        begins(
            "[measured]\n\nx = 1",
            "line 3: `x`: there is no such member; there are `apply-bound-ms`, ",
        );
        begins(
            "[measured]\n\"unique/User\" = \"server\"",
            "line 2: `unique/User`: there is no such member; ",
        );
        begins(
            "[measured]\n\"witness/User\" = \"1\"",
            "line 2: `witness/User`: there is no such member; ",
        );
        begins(
            "[figures]\nx = 1",
            "line 2: `x`: there is no such member; there are `made/TYPE/ATTRIBUTE`, ",
        );
        wrong(
            "[figures]\n\"patch-answer/User\" = \"x\"",
            "line 2: `patch-answer/User`: write a whole number",
        );
        wrong(
            "[figures]\n\"patch-answer/User\" = 1.5",
            "line 2: `patch-answer/User`: write a text, a whole number, true or false",
        );
        wrong(
            "[measured]\n\"deactivates/User\" = \"yes\"",
            "line 2: `deactivates/User`: `yes` is not known here; write `true`, `false`",
        );
        // L and D are only raised (S14).
        wrong(
            "[measured]\nsearch-lag-ms = 1999",
            "line 2: `search-lag-ms`: `1999` is not known here; write a whole number from 2000 to 600000",
        );
        wrong(
            "[declared]\napply-bound-ms = 5000",
            "line 2: `apply-bound-ms`: `5000` is not known here; write a whole number from 15000 to 86400000",
        );
    }

    /// Each change of one line makes a file that contradicts itself, and is told at that line.
    #[test]
    fn a_file_that_contradicts_its_own_figures_is_told() {
        changed(
            "\"made/User/userName\" = 1",
            "\"made/User/userName\" = 2",
            "line 7: `unique/User/userName`: `made/User/userName = 2` contradicts it",
        );
        changed(
            "\"found-after-ms/User\" = 12",
            "\"found-after-ms/User\" = 2001",
            "line 19: `search-lag-ms`: `found-after-ms/User = 2001` contradicts it",
        );
        changed(
            "\"stale-tag-answer/User\" = 412",
            "\"stale-tag-answer/User\" = 200",
            "line 13: `etag.supported`: `stale-tag-answer/User = 200` contradicts it",
        );
        changed(
            "\"honoured\"",
            "\"ignored\"",
            "line 13: `etag.supported`: `if-match/User = \"ignored\"` contradicts it",
        );
        changed(
            "\"etag/User\" = \"monotonic\"",
            "\"etag/User\" = \"unstable\"",
            "line 13: `etag.supported`: `etag/User = \"unstable\"` contradicts it",
        );
        changed(
            "\"patch-answer/User\" = 204",
            "\"patch-answer/User\" = 200",
            "line 14: `patch-status/User`: `patch-answer/User = 200` contradicts it",
        );
        changed(
            "\"delete/User\" = \"gone\"",
            "\"delete/User\" = \"deactivates\"",
            "line 16: `deactivates/User`: `delete/User` contradicts it",
        );
        changed(
            "\"removal-filter/Group\" = \"removes\"",
            "\"removal-filter/Group\" = \"ignored\"",
            "line 18: `removal/Group`: `removal-filter/Group = \"ignored\"` contradicts it",
        );
        changed(
            "apply-bound-ms = 60_000",
            "search-lag-ms = 9000",
            "line 22: `search-lag-ms`: it was measured to be `2000`",
        );
    }

    /// What is claimed of rows and theorems has to follow from the facts.
    #[test]
    fn a_claim_that_does_not_follow_is_told() {
        for (from, to) in [
            ("rows = [\"unique\", ", "rows = [\"unique-deactivates\", \"unique\", "),
            ("\"unique/User/userName\" = \"server\"\n", ""),
            ("\"read-your-writes/User\" = true\n", ""),
            ("\"found-after-ms/User\" = 12\n", ""),
            ("\"etag/User\" = \"monotonic\"", "\"etag/User\" = \"content\""),
        ] {
            assert!(STRICT.contains(from), "{from}");
            let mistake = Profile::read(&STRICT.replace(from, to)).unwrap_err();
            let told = mistake.to_string();
            assert!(
                told.starts_with("line 3: `rows`: the facts and figures of this file give ["),
                "{told}"
            );
        }
        let told = Profile::read(&STRICT.replace("\"T7\", ", "")).unwrap_err().to_string();
        assert!(told.starts_with("line 4: `theorems`: "), "{told}");
        // Who claims nothing is not contradicted.
        let silent: String = STRICT
            .lines()
            .filter(|line| !line.starts_with("rows"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(Profile::read(&silent).is_ok());
    }

    #[track_caller]
    fn changed(from: &str, to: &str, expected: &str) {
        assert!(STRICT.contains(from), "{from}");
        wrong(&STRICT.replace(from, to), expected);
    }

    #[track_caller]
    fn wrong(text: &str, expected: &str) {
        assert_eq!(Profile::read(text).unwrap_err().to_string(), expected);
    }

    #[track_caller]
    fn begins(text: &str, expected: &str) {
        let told = Profile::read(text).unwrap_err().to_string();
        assert!(told.starts_with(expected), "{told}");
    }
}
