//! Which theorems hold for a target, by which rule, and of which kinds that are shown to be safe is it (S40)?
//!
//! Two tables over what a profile shows. The kinds are the columns of `tests/ablation.txt`, where each is simulated with all
//! rules and without each of them; a test here compares the two.

use super::Profile;

/// What a theorem or a kind of target asks of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trait {
    /// What was made is read by its id at once.
    Reads,
    /// What was made is found by search or list within L; D is what is assumed or declared.
    Bounded,
    /// A second user of one name is refused.
    Unique,
    /// A deleted user keeps its name, switched off.
    Occupied,
    /// A delete switches off.
    Deactivates,
    /// An outdated If-Match is refused, and no tag comes twice.
    TagsGrow,
    /// An outdated If-Match is refused; equal content has an equal tag.
    TagsOfContent,
    /// A member may be stored twice.
    Stacks,
    /// The list without a filter does not show what is there.
    Unlisted,
}

/// What a profile shows of its target.
pub(crate) fn traits(profile: &Profile) -> Vec<Trait> {
    let unique = profile.says("unique/User/userName", "server")
        || profile.says("unique/User/userName", "global");
    let deactivates = profile.says("deactivates/User", "true");
    let taken = profile.says("name-after-delete/User/userName", "taken");
    let found = profile.figures.contains_key("found-after-ms/User");
    let listed = profile.says("list/User", "whole");
    let searched = profile.says("filter/User/userName", "eq");
    let honoured = profile.says("etag.supported", "true");
    let stacks = ["display", "always"].iter().any(|how| profile.says("stacks/Group/members", how));
    let shown = [
        (Trait::Reads, profile.says("read-your-writes/User", "true")),
        (Trait::Bounded, found && (listed || searched)),
        (Trait::Unique, unique),
        (Trait::Occupied, unique && deactivates && taken),
        (Trait::Deactivates, deactivates),
        (Trait::TagsGrow, honoured && profile.says("etag/User", "monotonic")),
        (Trait::TagsOfContent, honoured && profile.says("etag/User", "content")),
        (Trait::Stacks, stacks),
        (Trait::Unlisted, !listed),
    ];
    shown.into_iter().filter(|(_, shows)| *shows).map(|(one, _)| one).collect()
}

/// A kind of target that is shown to be safe.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its column in `tests/ablation.txt`.
    pub(crate) name: &'static str,
    /// What makes a target one of this kind, beside what all of them have: [`Trait::Reads`] and [`Trait::Bounded`].
    pub(crate) has: &'static [Trait],
}

/// The kinds that a target with these traits is of; none: nothing shows that it is safe.
pub(crate) fn rows(traits: &[Trait]) -> impl Iterator<Item = &'static Row> {
    let base = [Trait::Reads, Trait::Bounded].iter().all(|one| traits.contains(one));
    ROWS.iter().filter(move |row| base && row.has.iter().all(|one| traits.contains(one)))
}

/// A theorem, and when it holds.
#[derive(Debug)]
pub(crate) struct Theorem {
    /// `T0` to `T8`.
    pub(crate) name: &'static str,
    /// What it says.
    pub(crate) says: &'static str,
    /// What it asks beside the target, if anything.
    pub(crate) also: &'static str,
    ways: &'static [Way],
}

impl Theorem {
    /// The first way in which it holds for a target with these traits.
    pub(crate) fn way(&self, traits: &[Trait]) -> Option<&'static Way> {
        self.ways.iter().find(|way| way.asks.iter().all(|one| traits.contains(one)))
    }

    /// What a target would need.
    pub(crate) fn needs(&self) -> String {
        let asks = |way: &Way| {
            let words: Vec<&str> = way.asks.iter().map(|one| one.words()).collect();
            words.join(" and ")
        };
        self.ways.iter().map(asks).collect::<Vec<_>>().join("; or ")
    }
}

/// How a theorem comes to hold.
#[derive(Debug)]
pub(crate) struct Way {
    asks: &'static [Trait],
    /// The rule of docs/rules.md by which it does.
    pub(crate) rule: &'static str,
}

impl Way {
    /// By what it holds, for a person.
    pub(crate) fn words(&self) -> String {
        if self.asks.is_empty() {
            return "whatever the target does".to_owned();
        }
        self.asks.iter().map(|one| one.words()).collect::<Vec<_>>().join(" and ")
    }
}

impl Trait {
    /// The trait, for a person.
    fn words(self) -> &'static str {
        match self {
            Self::Reads => "what was made is read at once",
            Self::Bounded => "what was made is found within L",
            Self::Unique => "userName is unique",
            Self::Occupied => "a deleted user keeps its name",
            Self::Deactivates => "a delete switches off",
            Self::TagsGrow => "an outdated If-Match is refused and no tag comes twice",
            Self::TagsOfContent => "an outdated If-Match is refused",
            Self::Stacks => "a member may be stored twice",
            Self::Unlisted => "the list does not show what is there",
        }
    }
}

/// The kinds of target that are simulated, most particular first; `slow` is any that keeps its bounds.
///
/// Two columns are no rows: `prompt`, as nobody can see that no call takes effect late, and `unique-undeclared`, as a profile says it.
pub(crate) const ROWS: &[Row] = &[
    Row { name: "unique-deactivates", has: &[Trait::Unique, Trait::Deactivates] },
    Row { name: "unique", has: &[Trait::Unique] },
    Row { name: "deactivates", has: &[Trait::Deactivates] },
    Row { name: "etag-monotonic", has: &[Trait::TagsGrow] },
    Row { name: "etag-content", has: &[Trait::TagsOfContent] },
    Row { name: "slow-stacks", has: &[Trait::Stacks] },
    Row { name: "unlisted", has: &[Trait::Unlisted] },
    Row { name: "slow", has: &[] },
];

const VERSIONS: &str =
    "where the source numbers its requests (policy `version-header`, `version-attribute`)";

const fn by(asks: &'static [Trait], rule: &'static str) -> Way {
    Way { asks, rule }
}

/// What is promised, and what it takes of the target. All of them rest on a ledger that loses nothing that it has told.
pub(crate) const THEOREMS: &[Theorem] = &[
    Theorem {
        name: "T0",
        says: "a key has one outcome, told again byte for byte",
        also: "",
        ways: &[by(&[], "S9")],
    },
    Theorem {
        name: "T1",
        says: "no success is told that was not seen",
        also: "",
        ways: &[by(&[Trait::Reads], "S11")],
    },
    Theorem {
        name: "T2",
        says: "at most one user, at every moment, however late calls land",
        also: "",
        ways: &[by(&[Trait::Unique], "S16")],
    },
    Theorem {
        name: "T3",
        says: "at most one user, where no call lands later than D after it was recorded",
        also: "",
        ways: &[by(&[Trait::Bounded], "S14")],
    },
    Theorem {
        name: "T4",
        says: "an update happens once, a revocation stays, however late calls land",
        also: "",
        ways: &[by(&[Trait::TagsGrow], "S25")],
    },
    Theorem {
        name: "T4b",
        says: "the same, where calls land within D",
        also: "",
        ways: &[by(&[Trait::Bounded], "S14c")],
    },
    Theorem {
        name: "T5",
        says: "in the end the newest request holds",
        also: VERSIONS,
        ways: &[by(&[Trait::Unique], "S20"), by(&[Trait::Bounded], "S20")],
    },
    Theorem {
        name: "T6",
        says: "what was deleted stays deleted",
        also: VERSIONS,
        ways: &[by(&[Trait::Unique, Trait::Occupied], "S21"), by(&[Trait::Bounded], "S21")],
    },
    Theorem {
        name: "T6b",
        says: "repeats under keys that are known bring nothing back",
        also: "",
        ways: &[by(&[], "S10")],
    },
    Theorem {
        name: "T7",
        says: "every request gets an answer, parked ones too",
        also: "",
        ways: &[by(&[], "S41")],
    },
    Theorem {
        name: "T8",
        says: "creates make one user even if the ledger is lost",
        also: "",
        ways: &[by(&[Trait::Unique], "S16")],
    },
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::*;

    /// The columns of the table that simulation has made, each with the laws that broke without a rule.
    fn ablation() -> BTreeMap<String, BTreeMap<String, String>> {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/ablation.txt");
        let text = fs::read_to_string(file).unwrap();
        let mut lines = text.lines().map(|line| line.split(" | ").collect::<Vec<_>>());
        let head = lines.next().unwrap();
        let mut columns = BTreeMap::<String, BTreeMap<String, String>>::new();
        for line in lines {
            assert_eq!(line.len(), head.len(), "{line:?}");
            for (column, law) in head.iter().zip(&line).skip(1) {
                let column = columns.entry((*column).to_owned()).or_default();
                column.insert(line[0].to_owned(), (*law).to_owned());
            }
        }
        columns
    }

    #[test]
    fn the_kinds_are_those_that_are_simulated_and_break_no_law() {
        let columns = ablation();
        let safe = columns
            .iter()
            .filter(|(_, laws)| laws["nothing"] == "-" && laws["nothing (shared ledger)"] == "-");
        let mut safe: Vec<&str> = safe.map(|(name, _)| name.as_str()).collect();
        safe.retain(|name| !["prompt", "unique-undeclared"].contains(name));
        let mut rows: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        rows.sort_unstable();
        assert_eq!(rows, safe);
    }

    /// T2 holds without waiting for the search, T3 does not: the simulated target misses the rule, or does not.
    #[test]
    fn who_has_to_wait_for_the_search_misses_that_rule() {
        let columns = ablation();
        let unique = THEOREMS.iter().find(|one| one.name == "T2").unwrap();
        for row in ROWS {
            let waits = columns[row.name]["wait-for-search"] == "at-most-one";
            assert_eq!(unique.way(row.has).is_none(), waits, "{}", row.name);
        }
    }

    #[test]
    fn a_target_whose_search_finds_nothing_is_of_no_kind() {
        assert_eq!(rows(&[Trait::Reads, Trait::Unique, Trait::Deactivates]).count(), 0);
        assert_eq!(rows(&[Trait::Bounded, Trait::Unique]).count(), 0);
        let names = |traits: &[Trait]| rows(traits).map(|row| row.name).collect::<Vec<_>>();
        assert_eq!(names(&[Trait::Reads, Trait::Bounded]), ["slow"]);
        assert_eq!(
            names(&[Trait::Reads, Trait::Bounded, Trait::Unique, Trait::TagsGrow]),
            ["unique", "etag-monotonic", "slow"]
        );
    }

    #[test]
    fn a_theorem_holds_by_the_first_of_its_ways() {
        let check = |name: &str, traits: &[Trait], rule: Option<&str>| {
            let theorem = THEOREMS.iter().find(|one| one.name == name).unwrap();
            assert_eq!(theorem.way(traits).map(|way| way.rule), rule, "{name} {traits:?}");
        };
        check("T0", &[], Some("S9"));
        check("T1", &[Trait::Bounded], None);
        check("T1", &[Trait::Reads], Some("S11"));
        check("T2", &[Trait::Reads, Trait::Bounded], None);
        check("T3", &[Trait::Bounded], Some("S14"));
        check("T4", &[Trait::TagsOfContent], None);
        check("T4", &[Trait::TagsGrow], Some("S25"));
        // X2: uniqueness with a hard delete does not exclude a resurrection.
        check("T6", &[Trait::Unique], None);
        check("T6", &[Trait::Unique, Trait::Occupied], Some("S21"));
        check("T8", &[Trait::Bounded], None);
    }
}
