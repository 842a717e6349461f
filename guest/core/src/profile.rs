//! The profile: how a target behaves, as far as it is known (S40).
//!
//! Nothing is assumed to its credit: what has not been declared, learned or measured does not hold.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use crate::{
    ordered::BTreeSet,
    statement::Removal,
    types::{Field, Settings, UnixMillis},
};

/// How a target behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile<'a>(&'a [Field]);

impl<'a> Profile<'a> {
    pub(crate) fn of(settings: &'a Settings) -> Self {
        Self(&settings.profile)
    }

    /// D: how long after it was sent a call can still take effect (S14). The HTTP deadline of 10 s and 5 s for the target to give up.
    pub(crate) fn apply_bound(self) -> UnixMillis {
        self.number("apply-bound-ms").unwrap_or(15_000)
    }

    /// L: how long the target's search may lag behind (S14). 2 s is assumed, measurement only raises it: of several the largest counts.
    pub(crate) fn search_lag(self) -> UnixMillis {
        let said = self.0.iter().filter(|field| field.name == SEARCH_LAG);
        said.filter_map(|field| field.value.parse().ok()).max().unwrap_or(2_000)
    }

    /// D + L: how long after it was sent a call can still come to be seen (S14).
    pub(crate) fn settled(self) -> UnixMillis {
        self.apply_bound() + self.search_lag()
    }

    /// Whether our own If-Match may be sent: entity tags are declared (S25).
    pub(crate) fn etags(self) -> bool {
        self.says("etag.supported", "true")
    }

    /// Whether the target is known, or says, to keep this attribute unique (S16).
    pub(crate) fn unique(self, resource_type: &str, attribute: &str) -> bool {
        let name = format!("unique/{resource_type}/{attribute}");
        self.says(&name, "server") || self.says(&name, "global")
    }

    /// The attributes of this type that are known, or said, to be unique.
    pub(crate) fn unique_attributes(self, resource_type: &str) -> Vec<String> {
        let prefix = format!("unique/{resource_type}/");
        let named = self.0.iter().filter_map(|field| field.name.strip_prefix(&prefix));
        named.filter(|name| self.unique(resource_type, name)).map(String::from).collect()
    }

    /// Whether anything of this type is known, or said, to be unique.
    pub(crate) fn knows_unique(self, resource_type: &str) -> bool {
        let prefix = format!("unique/{resource_type}/");
        self.0.iter().any(|field| field.name.starts_with(&prefix))
    }

    /// Whether this target switches a resource off when it is told to delete it (S11).
    pub(crate) fn deactivates(self, resource_type: &str) -> bool {
        self.says(&deactivates(resource_type), "true")
    }

    /// Whether an edge of this type, added under a value, was read back under that value (S11).
    pub(crate) fn shows_edges(self, resource_type: &str, attribute: &str) -> bool {
        self.says(&shows_edges(resource_type, attribute), "true")
    }

    /// The status that this target answers a first PATCH with (S37).
    pub(crate) fn patch_status(self, resource_type: &str) -> Option<u16> {
        self.get(&patch_status(resource_type))?.parse().ok()
    }

    /// How this target takes removals of edges, where one spelling was refused and the other was not (S25).
    pub(crate) fn removal(self, resource_type: &str) -> Option<Removal> {
        [Removal::Filter, Removal::Values]
            .into_iter()
            .find(|spelling| self.says(&removal(resource_type), removal_name(*spelling)))
    }

    /// Whether an `add` to an edge attribute of this type was seen to replace the list (S11).
    pub(crate) fn add_replaces(self, resource_type: &str, attribute: &str) -> bool {
        self.says(&add_replaces(resource_type, attribute), "true")
    }

    /// The attributes of this type whose list a `replace` was seen to add to (S27).
    pub(crate) fn appended(self, resource_type: &str) -> BTreeSet<String> {
        let all = replace_appends(resource_type, "");
        let known = self.0.iter().filter(|field| field.value == "true");
        known.filter_map(|field| field.name.strip_prefix(&all).map(String::from)).collect()
    }

    /// Whether this target is known to answer an `eq` filter on this attribute: it lists what carries the value and nothing but (S14).
    pub(crate) fn answers_filter(self, resource_type: &str, attribute: &str) -> bool {
        self.says(&filter(resource_type, attribute), FILTER_ANSWERED)
    }

    /// A resource of this type that was read by its id: a filter can be tried on it (S14).
    pub(crate) fn witness(self, resource_type: &str) -> Option<&'a str> {
        self.get(&witness(resource_type)).filter(|id| !id.is_empty())
    }

    /// When a resource of this type was last to be deleted of which nobody knew but the id (S14c).
    pub(crate) fn deleted_nameless(self, resource_type: &str) -> Option<UnixMillis> {
        self.number(&deleted_nameless(resource_type))
    }

    /// The facts of `learned` that are not known yet.
    pub(crate) fn news(self, learned: Vec<(String, String)>) -> Vec<Field> {
        learned
            .into_iter()
            .filter(|(name, value)| !self.says(name, value))
            .map(|(name, value)| Field { name, value })
            .collect()
    }

    fn says(self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }

    fn number(self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    fn get(self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|field| field.name == name).map(|field| field.value.as_str())
    }
}

pub(crate) fn deleted_nameless(resource_type: &str) -> String {
    format!("deleted-nameless/{resource_type}")
}

pub(crate) fn deactivates(resource_type: &str) -> String {
    format!("deactivates/{resource_type}")
}

pub(crate) fn shows_edges(resource_type: &str, attribute: &str) -> String {
    format!("shows-edges/{resource_type}/{attribute}")
}

pub(crate) fn add_replaces(resource_type: &str, attribute: &str) -> String {
    format!("add-replaces/{resource_type}/{attribute}")
}

pub(crate) fn replace_appends(resource_type: &str, attribute: &str) -> String {
    format!("replace-appends/{resource_type}/{attribute}")
}

pub(crate) fn removal(resource_type: &str) -> String {
    format!("removal/{resource_type}")
}

pub(crate) fn removal_name(spelling: Removal) -> &'static str {
    match spelling {
        Removal::Filter => "filter",
        Removal::Values => "values",
    }
}

pub(crate) fn filter(resource_type: &str, attribute: &str) -> String {
    format!("filter/{resource_type}/{attribute}")
}

pub(crate) fn witness(resource_type: &str) -> String {
    format!("witness/{resource_type}")
}

/// What was learned of a resource of known age that a search did not list, though its filter is answered (S14, S40): the lag is at least that age.
///
/// A resource that is older than any lag is not late: this filter does not find what it should.
pub(crate) fn missed(
    profile: Profile<'_>,
    resource_type: &str,
    attribute: &str,
    age: UnixMillis,
) -> Option<(String, String)> {
    if SEARCH_LAG_MOST_MS < age {
        return Some((filter(resource_type, attribute), "unknown".into()));
    }
    (profile.search_lag() < age).then(|| (SEARCH_LAG.into(), age.to_string()))
}

/// The value of `filter/…` under which a search proves an absence.
pub(crate) const FILTER_ANSWERED: &str = "eq";

/// L, in milliseconds.
const SEARCH_LAG: &str = "search-lag-ms";

/// 10 minutes: twice the longest lag that services document ("several minutes").
const SEARCH_LAG_MOST_MS: UnixMillis = 600_000;

pub(crate) fn patch_status(resource_type: &str) -> String {
    format!("patch-status/{resource_type}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S14: what is measured or learned of the lag only raises it, in whatever order it is told; of all else the last counts.
    #[test]
    fn the_largest_lag_counts_and_the_last_of_all_else() {
        let lag = |values: &[&str]| {
            let name = String::from("search-lag-ms");
            let fields: Vec<Field> = values
                .iter()
                .map(|value| Field { name: name.clone(), value: (*value).into() })
                .collect();
            Profile(&fields).search_lag()
        };
        assert_eq!(lag(&[]), 2_000);
        assert_eq!(lag(&["8000", "3000"]), 8_000);
        assert_eq!(lag(&["3000", "8000"]), 8_000);
        let field = |value: &str| Field { name: "etag.supported".into(), value: value.into() };
        assert!(!Profile(&[field("true"), field("false")]).etags());
    }
}
