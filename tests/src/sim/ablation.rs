//! Which targets need which rule? Random schedules with each rule switched off, on each kind of target.
//!
//! `protocol rule × target → the law that breaks` is one table, kept in `tests/ablation.txt`: a rule that no
//! target misses protects nothing, and a target that breaks a law with all rules on is not safe.

use std::collections::BTreeMap;

use super::{
    decider::Decider,
    rule::Rule,
    schedule::{self, Worlds},
    target::{Etag, Profile},
};

/// A row of the table: the worlds of which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The rule that is switched off.
    off: Option<Rule>,
    /// Several gateways share the ledger.
    shared: bool,
}

impl Row {
    /// With all rules, in one process and in several; then without each rule.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let whole = [false, true].map(|shared| Self { off: None, shared });
        let without = Rule::ALL.map(|rule| Self { off: Some(rule), shared: rule.needs_sharing() });
        whole.into_iter().chain(without).collect()
    }

    fn name(self) -> String {
        let rule = self.off.map_or("nothing", Rule::word);
        if self.shared { format!("{rule} (shared ledger)") } else { rule.to_owned() }
    }
}

/// A cell of the table: the law that broke most often among the first few breaks; none if none broke.
#[must_use]
pub fn cell(row: Row, profile: Profile, count: u64, core: &mut Decider) -> Option<&'static str> {
    let Row { off, shared } = row;
    let worlds = Worlds { about: off, off: off.is_some(), shared, profile: Some(profile) };
    let mut laws = BTreeMap::<&str, usize>::new();
    for seed in 0..count {
        if let Some(broken) = schedule::run(seed, worlds, core, &mut |_, _, _| {}).violation {
            *laws.entry(broken.law).or_default() += 1;
            if BREAKS <= laws.values().sum() {
                break;
            }
        }
    }
    laws.into_iter().max_by(|one, two| one.1.cmp(&two.1).then(two.0.cmp(one.0))).map(|one| one.0)
}

/// The kinds of target, by name.
#[must_use]
pub fn profiles() -> Vec<(&'static str, Profile)> {
    let slow = Profile { lags: true, late: true, ..PLAIN };
    vec![
        ("prompt", PLAIN),
        ("slow", slow),
        ("slow-stacks", Profile { stacks: true, ..slow }),
        ("unique", Profile { unique: true, unique_declared: true, ..slow }),
        ("unique-undeclared", Profile { unique: true, ..slow }),
        ("deactivates", Profile { deactivates: true, ..slow }),
        ("unique-deactivates", Profile { unique: true, deactivates: true, ..slow }),
        ("etag-monotonic", Profile { etag: Etag::Monotonic, ..slow }),
        ("etag-content", Profile { etag: Etag::Content, ..slow }),
        ("unlisted", Profile { refuses_lists: true, ..slow }),
    ]
}

/// The kind of target of this name.
#[must_use]
pub fn profile(name: &str) -> Option<Profile> {
    profiles().into_iter().find(|(known, _)| *known == name).map(|(_, profile)| profile)
}

/// The table as it is kept: a row for each rule, a column for each kind of target.
#[must_use]
pub fn table(count: u64, cells: &[(Row, Vec<Option<&'static str>>)]) -> String {
    let mut text = format!("without, in {count} schedules each");
    for (name, _) in profiles() {
        text = text + " | " + name;
    }
    text.push('\n');
    for (row, laws) in cells {
        text.push_str(&row.name());
        for law in laws {
            text = text + " | " + law.unwrap_or("-");
        }
        text.push('\n');
    }
    text
}

/// A target that does at once, and keeps, what it is asked.
pub const PLAIN: Profile = Profile {
    unique: false,
    unique_declared: false,
    deactivates: false,
    etag: Etag::None,
    stacks: false,
    add_replaces: false,
    drops_title: false,
    refuses_filters: false,
    refuses_lists: false,
    lags: false,
    late: false,
    unbounded: false,
};

/// So many breaks tell which law it is.
const BREAKS: usize = 5;
