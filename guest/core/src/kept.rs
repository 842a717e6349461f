//! What does a resource keep of what it is told, as far as it has been seen (S11)?
//!
//! A target may drop or rewrite what is stated, and fill in, or keep, what a PUT leaves out (S26). Once
//! that was seen, the same statement over the same observation is equal, so that a repeat sends nothing
//! and a create is recognised. Never for what takes access away, nor for `active` where it is stated:
//! these are sent again.

use alloc::{string::String, vec::Vec};

use crate::ordered::BTreeSet;

use replaysafe_json::Value;

use crate::{
    case::Case,
    state::{Memory, overlaps_any},
    statement::{Difference, Holds, NotKept},
};

/// Remembers which of the paths that a request states read back, and what the others showed instead. What was left out of it was not stated.
pub(crate) fn remember(
    case: &Case<'_>,
    memory: &mut Memory,
    holds: &Holds,
    left_out: &BTreeSet<String>,
) {
    let mut touched = case.touched();
    touched.retain(|path| !overlaps_any(path, left_out));
    memory.not_kept.retain(|path, _| !overlaps_any(path, &touched));
    let missing: BTreeSet<String> = holds.not_kept.iter().map(|one| one.path.0.clone()).collect();
    for path in touched {
        let lost = overlaps_any(&path, &missing);
        let whole = path == "*" || path.contains('/');
        if !lost && !whole && memory.kept.len() < PATHS_MOST {
            memory.kept.insert(path);
        }
    }
    for one in holds.not_kept.iter().chain(&holds.filled) {
        if overlaps_any(&one.path.0, left_out) {
            continue;
        }
        let fits = one.stated.len() + one.observed.len() <= NOT_KEPT_BYTES_MOST;
        if fits && memory.not_kept.len() < PATHS_MOST {
            let pair = (one.stated.clone(), one.observed.clone());
            memory.not_kept.insert(one.path.0.clone(), pair);
        }
    }
}

/// The stated attributes that are not as stated, but for what this resource is known not to keep (S19).
pub(crate) fn differing(case: &Case<'_>, memory: Option<&Memory>, resource: &Value) -> Vec<String> {
    let names = case.wish.statement.differs(resource, &case.ground.schema);
    match memory {
        Some(memory) => unexplained(case, memory, resource, names),
        None => names,
    }
}

/// What is stated and does not read as stated, by name: told again wherever it is taken for equal (S11).
pub(crate) fn lacking(case: &Case<'_>, resource: &Value) -> Vec<String> {
    let holds = case.wish.statement.holds(Some(resource), resource, &case.ground.schema);
    let mut names: Vec<String> = holds.not_kept.into_iter().map(|one| one.name).collect();
    names.dedup();
    names
}

/// All that an update would change is known not to be kept: sending it again changes nothing.
pub(crate) fn satisfied(
    case: &Case<'_>,
    memory: &Memory,
    resource: &Value,
    difference: &Difference,
) -> bool {
    let held = !difference.left_out.is_empty() || !difference.takes.is_empty();
    if held || difference.opaque || difference.states_secret || difference.names.is_empty() {
        return false;
    }
    unexplained(case, memory, resource, difference.names.clone()).is_empty()
}

fn unexplained(
    case: &Case<'_>,
    memory: &Memory,
    resource: &Value,
    mut names: Vec<String>,
) -> Vec<String> {
    if names.is_empty() || memory.not_kept.is_empty() {
        return names;
    }
    let holds = case.wish.statement.holds(Some(resource), resource, &case.ground.schema);
    names.retain(|name| {
        let all = holds.not_kept.iter().chain(&holds.filled);
        let mut of_name = all.filter(|one| is_part(&one.name, name)).peekable();
        of_name.peek().is_none() || !of_name.all(|one| explains(memory, one))
    });
    names
}

/// Something is not as stated, and all of that is known not to be kept.
pub(crate) fn all_explained(memory: &Memory, holds: &Holds) -> bool {
    !holds.not_kept.is_empty() && holds.not_kept.iter().all(|one| explains(memory, one))
}

/// The same was stated over the same observation, and was not kept.
pub(crate) fn explains(memory: &Memory, one: &NotKept) -> bool {
    let known = memory.not_kept.get(&one.path.0);
    let same = known.is_some_and(|(stated, shown)| *stated == one.stated && *shown == one.observed);
    same && !one.taking && !one.active
}

fn is_part(name: &str, of: &str) -> bool {
    name.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// 2 KiB for a statement that was not kept and what was shown for it.
const NOT_KEPT_BYTES_MOST: usize = 2 << 10;

/// 200 paths of one resource: more than a user has attributes.
const PATHS_MOST: usize = 200;
