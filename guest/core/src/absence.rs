//! Does a search that finds nothing prove an absence (S14), and what does one tell that misses what is there (S40)?
//!
//! A target may ignore a filter and list everything, or not know it and list nothing. A filter is answered
//! where it lists a resource that is known to exist, its witness, by a value of the witness's, and does not
//! list the witness by another value.

use alloc::{borrow::ToOwned as _, string::String, vec, vec::Vec};

use replaysafe_json::Value;

use crate::{
    case::{Case, id_of, read_resource, resource_in},
    profile::{self, FILTER_ANSWERED},
    state::{Life, Memory},
    types::{Observation, Question, Search, Sight, UnixMillis},
};

/// What the searches of a request prove.
pub(crate) enum Proof {
    /// Each is answered and found nothing: the resource is not there.
    Absent,
    /// This has to be asked first.
    Ask(Vec<Question>),
    /// Nothing: the list has to be read.
    Open,
}

/// Whether the request's searches, asked at `since` or later, prove that nothing is there.
///
/// `learned` gains what shows on the way: which filters are answered, or that the witness is gone.
pub(crate) fn by_search(
    case: &Case<'_>,
    since: UnixMillis,
    learned: &mut Vec<(String, String)>,
) -> Proof {
    let kind = &case.request.resource_type;
    let profile = case.ground.profile;
    if case.wish.searches.is_empty() {
        return Proof::Open;
    }
    let late = |question| listed(case, question).is_some_and(|(_, seen, _)| since <= seen.asked_at);
    if !case.wish.searches.iter().all(late) {
        return Proof::Open;
    }
    let unknown = case.wish.searches.iter().filter_map(|question| match question {
        Question::Search(search) if !profile.answers_filter(kind, &search.attribute) => {
            Some(search)
        }
        Question::Search(_) | Question::ById(_) | Question::All(_) => None,
    });
    let unknown: Vec<&Search> = unknown.collect();
    if unknown.is_empty() {
        return Proof::Absent;
    }
    let Some(id) = profile.witness(kind) else { return Proof::Open };
    let question = case.by_id(id);
    let Some(seen) = case.seen(&question) else { return Proof::Ask(vec![question]) };
    let witness = match &seen.sight {
        Sight::Answered(answer) => resource_in(answer),
        Sight::Refused(_) | Sight::Listed(_) | Sight::Nothing => None,
    };
    let Some(witness) = witness else {
        if !case.looks_for_another() {
            learned.push((profile::witness(kind), String::new()));
        }
        return Proof::Open;
    };
    for search in unknown {
        match answered(case, search, id, &witness) {
            Proof::Absent => {
                learned
                    .push((profile::filter(kind, &search.attribute), FILTER_ANSWERED.to_owned()));
            }
            other @ (Proof::Ask(_) | Proof::Open) => return other,
        }
    }
    Proof::Absent
}

/// Whether this search is answered: the witness is listed by its own value, and then not by ours.
fn answered(case: &Case<'_>, search: &Search, id: &str, witness: &Value) -> Proof {
    let shown = witness.find(&search.attribute).and_then(Value::as_str);
    let Some(shown) = shown.filter(|shown| !shown.eq_ignore_ascii_case(&search.value)) else {
        return Proof::Open;
    };
    let value = if is_exact(case, &search.attribute) { shown.into() } else { other_case(shown) };
    let known = Question::Search(Search { value, ..search.clone() });
    let ours = Question::Search(search.clone());
    let Some((found_at, _, ids)) = listed(case, &known) else {
        let asked = case.seen(&known).is_some();
        return if asked { Proof::Open } else { Proof::Ask(vec![known]) };
    };
    if !ids.iter().any(|listed| listed == id) {
        return Proof::Open;
    }
    let Some((at, _, ids)) = listed(case, &ours) else { return Proof::Open };
    if at < found_at {
        // The index may have shown the witness only since: our value is asked again.
        return Proof::Ask(vec![ours]);
    }
    if ids.iter().any(|listed| listed == id) { Proof::Open } else { Proof::Absent }
}

/// The latest look for `question`, where the target listed something or nothing: its position, and the ids.
fn listed<'a>(
    case: &'a Case<'_>,
    question: &Question,
) -> Option<(usize, &'a Observation, Vec<String>)> {
    let observed = case.given.observed.iter().enumerate().rev();
    let (at, seen) = observed.into_iter().find(|(_, seen)| seen.question == *question)?;
    let Sight::Listed(documents) = &seen.sight else { return None };
    let ids = documents.iter().filter_map(|document| id_of(&read_resource(document)?)).collect();
    Some((at, seen, ids))
}

/// Whether a search of the request has listed this resource.
pub(crate) fn is_listed(case: &Case<'_>, id: &str) -> bool {
    let mut searches = case.wish.searches.iter();
    searches.any(|search| {
        listed(case, search).is_some_and(|(_, _, ids)| ids.iter().any(|one| one == id))
    })
}

/// What a search tells of the target's lag that did not list a resource which was made by us and has stayed as it was (S40).
pub(crate) fn missed(
    case: &Case<'_>,
    memory: &Memory,
    resource: &Value,
) -> Option<(String, String)> {
    let kind = &case.request.resource_type;
    // A search that never lists it to who asks tells of their rights, and not of a lag (S14).
    let known = memory.listed_to.contains(&case.request.scope.principal);
    let unchanged =
        known && memory.life == Life::Live && memory.made_by.is_some() && memory.seq <= 1;
    let (id, made_at) = (id_of(resource)?, memory.seen_at.filter(|_| unchanged)?);
    let oldest = case.wish.searches.iter().filter_map(|question| {
        let Question::Search(search) = question else { return None };
        let carried = resource.find(&search.attribute).and_then(Value::as_str);
        let carries = carried == Some(search.value.as_str());
        let (_, seen, ids) = listed(case, question)?;
        let missing = carries && !ids.contains(&id);
        let answered = case.ground.profile.answers_filter(kind, &search.attribute);
        (missing && answered).then(|| (seen.asked_at.saturating_sub(made_at), search))
    });
    let (age, search) = oldest.max_by_key(|(age, _)| *age)?;
    profile::missed(case.ground.profile, kind, &search.attribute, age)
}

/// Whether letter case matters in this attribute's values.
fn is_exact(case: &Case<'_>, attribute: &str) -> bool {
    let is = case.ground.schema.find(&case.request.resource_type, None, attribute, None);
    is.case_exact || !is.known
}

/// The same value in the other letter case: a filter that compares letter case would not find what differs in it only.
fn other_case(text: &str) -> String {
    let swap = |letter: char| {
        if letter.is_ascii_lowercase() {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        }
    };
    text.chars().map(swap).collect()
}
