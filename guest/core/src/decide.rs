//! Decision: which effects, if any, does a request have on what was observed?

use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};

use crate::ordered::{BTreeMap, BTreeSet};

use replaysafe_json::{Object, Value, sort_by};

use crate::{
    absence,
    admit::{Admission, Standing, UNRECORDED, admit, gives_back, secret_differs, secret_left},
    answers,
    case::{Candidates, Case, failed, id_name, id_of, resource_in},
    kept,
    policy::{Adopt, DeleteAbsent, Disabled, Existing, Returns},
    profile,
    settle::WATCH_MS,
    state::{DEFAULT_SOURCE, Event, Life, Person, Record, Versioned, know},
    statement::{Allowance, Body, Difference, Match, PathKey},
    types::{
        Action, Answer, Divergence, Effect, EffectBody, Field, IdentityWrite, Method, Name,
        NameKind, Sight, Step, TargetAnswer, UnixMillis, Verdict, Write,
    },
};

/// Decides: see `lifecycle.decide`.
pub(crate) fn decide(case: &Case<'_>) -> Step {
    let standing = match admit(case) {
        Admission::Answered(answer) => return only(Action::Answer(answer)),
        Admission::First(action) => return only(action),
        Admission::Look(standing) => standing,
    };
    match case.request.id.clone() {
        Some(id) => on_member(case, standing, &id),
        None => create(case, standing),
    }
}

// ---- a resource by its id ---------------------------------------------------------------------

fn on_member(case: &Case<'_>, standing: Standing, id: &str) -> Step {
    let question = case.by_id(id);
    let Some(seen) = case.seen(&question) else { return only(Action::Ask(vec![question])) };
    let safe = case.wish.statement.safe_way();
    let answer = match &seen.sight {
        Sight::Answered(answer) | Sight::Refused(answer) => answer,
        // Nothing blocks a revocation, not even a target that cannot be read (S14c).
        Sight::Nothing | Sight::Listed(_) if safe => return blind(case, standing, id),
        Sight::Nothing | Sight::Listed(_) => {
            return only(Action::Answer(answers::of(Verdict::Unavailable, &standing.record.id)));
        }
    };
    if matches!(answer.status, 404 | 410) {
        return on_absent(case, standing, id, answer);
    }
    if let Some(resource) = resource_in(answer) {
        return on_present(case, standing, id, &resource, answer);
    }
    // For single values of a large resource it need not be read (S44).
    let unread = (200..300).contains(&answer.status) && case.wish.states_edges();
    if safe && answer.status != 401 || unread {
        return blind(case, standing, id);
    }
    only(Action::Answer(answers::unseen(&standing.record.id, answer)))
}

/// The target cannot be read: what takes access away is sent all the same (S14c), and nothing that may not be given.
fn blind(case: &Case<'_>, standing: Standing, id: &str) -> Step {
    let mut standing = standing;
    standing.record.progress.blind = true;
    let mut person = person_for(case, id);
    if let Some(answer) = stale(case, &standing, &person, None) {
        return only(Action::Answer(answer));
    }
    person.memory.target_id = Some(id.into());
    let mut body = as_sent(case);
    let nothing = Value::Object(Object::new());
    let held = standing.only_taking.is_some() || !standing.taken_since.is_empty();
    if held && let Some(difference) = difference(case, &standing, &nothing, true) {
        let left_out = left_out(&difference);
        // A resource that nobody sees is not replaced by a part of it.
        let whole = case.request.method == Method::Replace;
        if !left_out.is_empty() && (whole || difference.nothing_left) {
            let refusal = answers::of(left_out_verdict(&standing), &standing.record.id);
            let attributes = left_out.into_iter().collect();
            return only(Action::Answer(Answer { attributes, ..refusal }));
        }
        if !left_out.is_empty() {
            body = written(case, difference.body, &nothing);
        }
        standing.record.progress.left_out = left_out;
    }
    let effect = effect(case, Some(id), body, case.request.if_match.clone());
    let names = linked_names(case, &person, id, None);
    dispatch(case, standing, &person, names, effect)
}

/// What is told where nothing is left of a request but what may not be given.
fn left_out_verdict(standing: &Standing) -> Verdict {
    standing.only_taking.unwrap_or(Verdict::Superseded)
}

pub(crate) fn left_out(difference: &Difference) -> BTreeSet<String> {
    difference.left_out.iter().map(|path| path.0.clone()).collect()
}

/// Absence is proved by id (S23).
fn on_absent(case: &Case<'_>, mut standing: Standing, id: &str, answer: &TargetAnswer) -> Step {
    let person = case.person(NameKind::TargetId);
    let deleted_here = person.is_some_and(|person| {
        person.memory.life == Life::Deleted && person.memory.target_id.as_deref() == Some(id)
    });
    let deletes = case.request.method == Method::Delete;
    let choice = case.ground.policy.delete_absent;
    // Who is not shown what lives is told what they see, whatever policy says.
    let taken_for_gone = choice == DeleteAbsent::Success
        && person.is_none_or(|person| person.memory.life != Life::Live);
    // Or an equal one has just ended, of what nobody was ever shown.
    if deletes && (deleted_here || standing.earlier.is_some() || taken_for_gone) {
        let mut receipt = satisfied(&standing, 204, None);
        if choice == DeleteAbsent::NotFound {
            (receipt.status, receipt.target) = (Some(answer.status), Some(answer.clone()));
        }
        if let Some(told) = again(&mut standing) {
            return told;
        }
        let person = person.cloned().unwrap_or_else(|| person_for(case, id));
        let taken = gone_for(case, &standing);
        return close(case, standing, person, None, receipt, taken);
    }
    // Who was never shown it is told what they see, and others lose nothing by it (S14).
    let known =
        |person: &&Person| person.memory.life == Life::Live && case.knows_gone(&person.memory);
    let Some(person) = person.filter(known) else {
        return only(Action::Answer(answers::refused(&standing.record.id, answer)));
    };
    if let Some(step) = case.asks_again(id) {
        return step;
    }
    // Made through us a moment ago: the target's own replicas may lag behind.
    let visible_at = person.memory.seen_at.unwrap_or_default() + case.ground.profile.search_lag();
    if case.now() < visible_at {
        return only(Action::Wait(visible_at));
    }
    // Deleted behind our back: remembered, and the target's own answer is passed on.
    let mut person = person.clone();
    let told_as_deleted = deletes && choice == DeleteAbsent::Success;
    bury(case, &mut person, told_as_deleted.then_some(case.request.received_at));
    if told_as_deleted {
        let receipt = satisfied(&standing, 204, None);
        return close(case, standing, person, None, receipt, BTreeSet::new());
    }
    let mut record = standing.record;
    record.identity = Some(person.id.clone());
    record.progress.settled_at = Some(case.now());
    record.progress.seq = person.memory.seq;
    let receipt = answers::refused(&record.id, answer);
    let write = record.after(Event::Refuse, None).map(|entry| Write {
        entry,
        identities: vec![IdentityWrite { identity: person.identity(), names: None }],
        learned: Vec::new(),
    });
    Step { write, action: Action::Answer(receipt) }
}

/// What a deletion that found it done takes away: all, from those that it passed (S14c); from others it has taken nothing.
fn gone_for(case: &Case<'_>, standing: &Standing) -> BTreeSet<String> {
    if standing.watch_until.is_some() { case.touched() } else { BTreeSet::new() }
}

fn on_present(
    case: &Case<'_>,
    standing: Standing,
    id: &str,
    resource: &Value,
    answer: &TargetAnswer,
) -> Step {
    if id_of(resource).as_deref() != Some(id) {
        // It shows another id than it was asked for: not to be trusted, and not in the way of a revocation (S14c).
        if case.wish.statement.safe_way() {
            return blind(case, standing, id);
        }
        return only(Action::Answer(answers::of(Verdict::Unavailable, &standing.record.id)));
    }
    let versioned = version_is_etag(resource, answer);
    if let Some(wanted) = case.request.if_match.as_deref() {
        let current = answer.etag.as_deref().map(opaque_tag);
        let matches = wanted
            .split(',')
            .any(|tag| tag.trim() == "*" || Some(opaque_tag(tag.trim())) == current);
        if versioned && !matches {
            return refuse(&standing, Verdict::PreconditionFailed, Vec::new());
        }
    }
    let shown = crate::reading::names_of(case, resource);
    let known = case.holder_of(&id_name(case.request, id));
    let of_another =
        |name: &Name| case.holder_of(name).map(|one| &one.id) != known.map(|one| &one.id);
    let unseen = known.is_none_or(|one| one.memory.is_nameless());
    let moves = unseen || case.wish.names.iter().any(of_another);
    let unclaimed: Vec<Name> = shown.iter().filter(|name| !case.holds(name)).cloned().collect();
    if moves && !unclaimed.is_empty() {
        // Seen for the first time under its id: a create of it may be under way (S14a). Or it is to have another name: all are written anew.
        return only(Action::Claim(unclaimed));
    }
    let same = of_resource(case, &shown, id).filter(|_| unseen);
    let mut person = known.or(same).cloned().unwrap_or_else(|| person_for(case, id));
    let other = same.filter(|same| known.is_some_and(|known| may_be(case, known, same)));
    if unseen {
        person.memory.unclaimed = other.is_some();
    }
    let mut united = None;
    if let (Some(known), Some(other)) = (known, other)
        && may_unite(case, &standing, known, other)
    {
        person = other.clone();
        united = Some(person.unite(known));
    }
    let survivor = person.id.clone();
    let mut step = on_person(case, standing, id, person, resource, answer, versioned);
    // Where the one that it became is not written, nothing is given up yet.
    if let (Some(write), Some(united)) = (&mut step.write, united)
        && write.identities.iter().any(|one| one.identity.id == survivor)
    {
        write.identities.insert(0, united.given_up());
    }
    step
}

/// Whether what was known by its id alone may be what a create of `other` has made: it was not known before that was asked for (S14c).
fn may_be(case: &Case<'_>, known: &Person, other: &Person) -> bool {
    let made = |open: &Record| {
        let creates = open.progress.effect.as_ref().is_some_and(|effect| effect.id.is_none());
        creates && known.memory.seen_at.is_none_or(|at| open.progress.request.received_at <= at)
    };
    known.id != other.id && case.open_of(other).any(made)
}

/// Whether two identities can be one at once: both are of one source, and nothing else is under way on what was known.
fn may_unite(case: &Case<'_>, standing: &Standing, known: &Person, other: &Person) -> bool {
    known.memory.source() == other.memory.source()
        && case.open_of(known).all(|open| open.id == standing.record.id)
}

/// The resource is there, and it is known whose it is.
fn on_person(
    case: &Case<'_>,
    standing: Standing,
    id: &str,
    mut person: Person,
    resource: &Value,
    answer: &TargetAnswer,
    versioned: bool,
) -> Step {
    let buried = person.memory.life == Life::Deleted;
    if !buried {
        see(case, &mut person, id);
    }
    let names = linked_names(case, &person, id, Some(resource));
    let mut standing = standing;
    let mut difference = difference(case, &standing, resource, false);
    let returns = difference.as_ref().is_some_and(|one| returns(case, one, resource));
    if buried && returns {
        let free = case.ground.policy.returns == Returns::Allow;
        let held = if free { None } else { held_back(case, &standing, &person) };
        if let Some(step) = held {
            // Nothing blocks what takes access away beside it (S14c).
            standing.taken_since.insert("active".into());
            difference = self::difference(case, &standing, resource, false);
            if difference.as_ref().is_none_or(|one| one.nothing_left || one.left_out.is_empty()) {
                return step;
            }
        } else {
            person.incarnation += 1;
        }
    }
    if let Some(answer) = stale(case, &standing, &person, difference.as_ref()) {
        return only(Action::Answer(answer));
    }
    let Some(difference) = difference else {
        // DELETE: switched off is deleted where this target deactivates (S11).
        let off = case.ground.profile.deactivates(&case.request.resource_type)
            && resource.find("active").is_some_and(crate::reading::is_false);
        if off && buried {
            let receipt = satisfied(&standing, 204, None);
            if let Some(told) = again(&mut standing) {
                return told;
            }
            let taken = gone_for(case, &standing);
            return close(case, standing, person, names, receipt, taken);
        }
        standing.record.progress.before = keep_small(resource);
        let condition = precondition(case, versioned, answer);
        let effect = effect(case, Some(id), EffectBody::Empty, condition);
        return dispatch(case, standing, &person, names, effect);
    };
    let left_out = left_out(&difference);
    if difference.nothing_left && !left_out.is_empty() {
        return refuse(&standing, left_out_verdict(&standing), left_out.into_iter().collect());
    }
    if difference.satisfied || kept::satisfied(case, &person.memory, resource, &difference) {
        if let Some(told) = again(&mut standing) {
            return told;
        }
        let taken = stated_takings(case, resource);
        let shown = TargetAnswer { status: 200, ..answer.clone() };
        let mut receipt = satisfied(&standing, satisfied_status(case), Some(shown));
        if !difference.satisfied {
            answers::keeps_not(&mut receipt, kept::lacking(case, resource));
        }
        return close(case, standing, person, names, receipt, taken);
    }
    standing.record.progress.before = keep_small(resource);
    standing.record.progress.left_out = left_out;
    let body = written(case, difference.body, resource);
    let effect = effect(case, Some(id), body, precondition(case, versioned, answer));
    dispatch(case, standing, &person, names, effect)
}

/// What this request repeats is seen to hold: its receipt again (S2a, S37), unless somebody was passed who has to be looked after (S14c).
fn again(standing: &mut Standing) -> Option<Step> {
    let told = standing.again.take_if(|_| standing.watch_until.is_none())?;
    Some(only(Action::Answer(told)))
}

/// What was read is as asked: nothing is sent, and the status is that of the first answer.
fn satisfied(standing: &Standing, usual: u16, target: Option<TargetAnswer>) -> Answer {
    let status = Some(first_status(standing, usual));
    answers::seen(Verdict::AlreadySatisfied, &standing.record.id, status, target)
}

/// What was read is in the way.
fn refuse(standing: &Standing, verdict: Verdict, attributes: Vec<String>) -> Step {
    let mut refusal = answers::seen(verdict, &standing.record.id, None, None);
    refusal.attributes = attributes;
    only(Action::Answer(refusal))
}

/// The identity that the names of a resource lead to, unless that is known to be another resource.
///
/// Where it shows an external id this one counts alone: two may share a correlation value.
fn of_resource<'a>(case: &'a Case<'_>, shown: &[Name], id: &str) -> Option<&'a Person> {
    let kind = shown.iter().map(|name| name.kind).min()?;
    for name in shown.iter().filter(|name| name.kind == kind) {
        let Some(at) = case.place_of(name) else { continue };
        let known = |known: &str| known == id;
        let person = case.people.iter().find(|person| {
            person.by.contains(&at) && person.memory.target_id.as_deref().is_none_or(known)
        });
        if person.is_some() {
            return person;
        }
    }
    None
}

/// What the request changes on the resource, the parts left out that may not be given; none for a delete. Of a resource that is `unread` nothing is known to hold.
fn difference(
    case: &Case<'_>,
    standing: &Standing,
    resource: &Value,
    unread: bool,
) -> Option<Difference> {
    if case.request.method == Method::Delete {
        return None;
    }
    let statement = &case.wish.statement;
    let schema = &case.ground.schema;
    let unshown = if unread { EDGES.map(String::from).into() } else { unshown(case) };
    let only_taking = standing.only_taking.is_some();
    let appended = case.ground.profile.appended(&case.request.resource_type);
    let plain = Allowance { only_taking, unshown, appended, ..Allowance::default() };
    let whole = statement.against(resource, schema, &plain);
    let mut withheld: BTreeSet<PathKey> = whole
        .gives
        .iter()
        .filter(|path| crate::state::overlaps_any(&path.0, &standing.taken_since))
        .cloned()
        .collect();
    if whole.opaque {
        // What cannot be interpreted may give back whatever was taken.
        withheld.extend(standing.taken_since.iter().cloned().map(PathKey));
    }
    if withheld.is_empty() {
        return Some(whole);
    }
    // The rest is as old as what would give back: but for what takes away, nothing of it is applied (S2a).
    let allowance = Allowance { withheld, only_taking: true, ..plain };
    Some(statement.against(resource, schema, &allowance))
}

/// Whether an update switches on what is off, or may: where a PUT says nothing of `active`, some targets switch it on.
fn returns(case: &Case<'_>, difference: &Difference, resource: &Value) -> bool {
    let body = case.wish.statement.body();
    let unsaid = case.request.method == Method::Replace
        && body.is_some_and(|body| body.find("active").is_none());
    let on = unsaid || difference.opaque || difference.gives.contains(&PathKey("active".into()));
    let off = resource.find("active").is_some_and(crate::reading::is_false);
    off && on && !difference.satisfied
}

/// Edges that this target has not shown under their value: that one is absent proves nothing (S11).
pub(crate) fn unshown(case: &Case<'_>) -> BTreeSet<String> {
    let kind = &case.request.resource_type;
    let unshown =
        EDGES.into_iter().filter(|attribute| !case.ground.profile.shows_edges(kind, attribute));
    unshown.map(String::from).collect()
}

/// A later version has settled on what it states, or it has settled itself (S20): no effect, unless it already is so.
fn stale(
    case: &Case<'_>,
    standing: &Standing,
    person: &Person,
    difference: Option<&Difference>,
) -> Option<Answer> {
    let version = case.wish.version?;
    let memory = &person.memory;
    let old = memory.has_settled(version, &case.given.tags.statement)
        || memory.is_overtaken(version, &case.touched());
    if !old || difference.is_some_and(|one| one.satisfied) {
        return None;
    }
    Some(answers::of(Verdict::Stale, &standing.record.id))
}

// ---- a create ---------------------------------------------------------------------------------

fn create(case: &Case<'_>, standing: Standing) -> Step {
    let mut linked = linked(case, &standing).cloned();
    let link = linked.as_ref().and_then(|person| person.memory.target_id.clone());
    let mut questions = case.wish.searches.clone();
    questions.extend(link.as_deref().map(|id| case.by_id(id)));
    // By id first: what another create has made a moment ago is not listed yet (S14b).
    let known = case.people.iter().filter(|person| person.memory.life == Life::Live);
    let known = known.filter_map(|person| person.memory.target_id.as_deref());
    questions.extend(known.filter(|id| link.as_deref() != Some(id)).map(|id| case.by_id(id)));
    let unasked = case.unasked(questions);
    if !unasked.is_empty() {
        return only(Action::Ask(unasked));
    }
    if let Some(answer) = unreachable(case, &standing.record.id) {
        return only(Action::Answer(answer));
    }
    let seen = |id: &str| {
        let seen = case.seen(&case.by_id(id))?;
        let Sight::Answered(answer) = &seen.sight else { return None };
        Some((resource_in(answer)?, answer.clone()))
    };
    let mut alive = link.as_deref().and_then(seen);
    let live = case.people.iter().filter(|person| person.memory.life == Life::Live);
    let mut ids = live.filter_map(|person| person.memory.target_id.as_deref());
    if let Some(step) = ids.find_map(|id| case.asks_again(id)) {
        return step;
    }
    let correlation = case.ground.policy.correlation(&case.request.resource_type);
    let matches = |resource: &Value| case.wish.statement.matches(resource, correlation);
    // Names lock and do not match: what a name in its coarsest form leads to may be somebody else (S8, S16).
    let other = alive.as_ref().is_some_and(|(resource, _)| {
        let shown = crate::reading::names_of(case, resource).into_iter();
        let mut locked = shown.filter(|name| name.kind == NameKind::Correlation);
        matches(resource) == Match::No && locked.any(|name| case.wish.names.contains(&name))
    });
    if other {
        // It may lead to several; the one that is meant shows the name as it is compared.
        let mut people = case.people.iter().filter(|person| person.memory.life == Life::Live);
        let meant = people.find_map(|person| {
            let (resource, answer) = seen(person.memory.target_id.as_deref()?)?;
            let is_meant = matches!(matches(&resource), Match::ExternalId | Match::Correlation(_));
            is_meant.then(|| (person.clone(), (resource, answer)))
        });
        (linked, alive) = meant.map_or((None, None), |(person, seen)| (Some(person), Some(seen)));
    }
    let tombstone = linked.as_ref().is_some_and(|person| person.memory.life == Life::Deleted);
    if let (Some(person), Some((resource, answer))) = (&linked, &alive) {
        if tombstone {
            return come_back(case, standing, person.clone(), resource, answer);
        }
        // What is known by its id alone is judged as what was never seen before, while it is a match (S17, S18).
        if person.memory.is_ours() || matches(resource) == Match::No {
            return on_linked(case, standing, person.clone(), resource, answer);
        }
    }
    let found = case.candidates();
    on_found(case, standing, linked, found)
}

/// The identity that the request's names lead to: by external id first.
///
/// A correlation value alone leads to an identity only where the request states no external id that another one has.
///
/// What nothing identifies is found again through the request that made it, and within the window only (S2).
fn linked<'a>(case: &'a Case<'_>, standing: &Standing) -> Option<&'a Person> {
    // What it has made is it, whatever it is called by now (S2a).
    let made = case.by_statement.as_ref().filter(|_| standing.replays_if_alive);
    let made = made.and_then(|record| case.person_of(record));
    if case.wish.weak || made.is_some() {
        return made;
    }
    let linking = || case.people.iter().filter(|person| case.led_to(person));
    let by_external_id = |person: &&Person| case.is_led_to(person, NameKind::ExternalId);
    linking().find(by_external_id).or_else(|| linking().next())
}

/// A look failed: nothing is known, and nothing was sent.
fn unreachable(case: &Case<'_>, decision: &str) -> Option<Answer> {
    let failed = case.given.observed.iter().find(|seen| failed(&seen.sight))?;
    Some(match &failed.sight {
        Sight::Answered(answer) | Sight::Refused(answer) => answers::unseen(decision, answer),
        Sight::Nothing | Sight::Listed(_) => answers::of(Verdict::Unavailable, decision),
    })
}

/// The identity's resource lives.
fn on_linked(
    case: &Case<'_>,
    mut standing: Standing,
    mut person: Person,
    resource: &Value,
    answer: &TargetAnswer,
) -> Step {
    standing.learned.extend(absence::missed(case, &person.memory, resource));
    let names = kept::differing(case, Some(&person.memory), resource);
    if standing.replays_if_alive
        && let Some(receipt) = &standing.earlier
    {
        let diverged = if names.is_empty() { Divergence::No } else { Divergence::Changed };
        let mut told = answers::replay(receipt, diverged);
        let first = case.by_statement.as_ref();
        // What the first one was shown is theirs: others are told the same with what they have read themselves (S1).
        if first.is_some_and(|first| !case.earns(first)) {
            told.target = Some(located(answer));
        }
        told.notes.extend(first.and_then(|first| secret_differs(case, first)));
        return only(Action::Answer(told));
    }
    if person.memory.is_ours() && writes_over(case, resource, &names) {
        return write_over(case, standing, person, resource, answer);
    }
    if !names.is_empty() {
        return refuse(&standing, Verdict::Conflict, names);
    }
    let id = id_of(resource).unwrap_or_default();
    see(case, &mut person, &id);
    let mut receipt = satisfied(&standing, 201, Some(located(answer)));
    answers::keeps_not(&mut receipt, kept::lacking(case, resource));
    receipt.notes.extend(secret_left(case));
    let names = linked_names(case, &person, &id, Some(resource));
    close(case, standing, person, names, receipt, BTreeSet::new())
}

fn on_found(
    case: &Case<'_>,
    standing: Standing,
    linked: Option<Person>,
    found: Candidates,
) -> Step {
    let Candidates { by_external_id, by_correlation, taken, alike } = found;
    let ours = !by_external_id.is_empty();
    let mut all = if ours { by_external_id } else { by_correlation };
    if 1 < all.len() {
        let mut ids: Vec<String> = all.into_iter().map(|(id, _)| id).collect();
        sort_by(&mut ids, Ord::cmp);
        return only(Action::Answer(answers::ambiguous(&standing.record.id, &ids)));
    }
    if let Some((id, _)) = all.pop() {
        return on_existing(case, standing, linked, &id, ours);
    }
    if let Some(attribute) = taken {
        return refuse(&standing, Verdict::Conflict, vec![attribute]);
    }
    on_nothing(case, standing, linked, alike.into_iter().map(|(id, _)| id).collect())
}

/// A resource that matches and is not linked (S16, S18, S19).
fn on_existing(
    case: &Case<'_>,
    mut standing: Standing,
    linked: Option<Person>,
    id: &str,
    ours: bool,
) -> Step {
    let question = case.by_id(id);
    let Some(seen) = case.seen(&question) else { return only(Action::Ask(vec![question])) };
    let Sight::Answered(answer) = &seen.sight else {
        return only(Action::Answer(answers::of(Verdict::Unavailable, &standing.record.id)));
    };
    // A search may still show what is gone: the look by id counts.
    let Some(current) = resource_in(answer) else {
        if let Some(step) = case.asks_again(id) {
            return step;
        }
        return on_nothing(case, standing, linked, vec![id.into()]);
    };
    let name = id_name(case.request, id);
    let mut unclaimed = crate::reading::names_of(case, &current);
    unclaimed.push(name.clone());
    unclaimed.retain(|name| !case.holds(name));
    if !unclaimed.is_empty() {
        return only(Action::Claim(unclaimed));
    }
    // The link comes first: whose resource this is, whatever the request's names led to (S16).
    let mut people = case.people.iter();
    let linked = people
        .find(|one| one.memory.target_id.as_deref() == Some(id))
        .or_else(|| case.holder_of(&name))
        .cloned()
        .or(linked);
    let link = linked.as_ref().filter(|one| one.memory.target_id.as_deref() == Some(id));
    if link.is_some_and(|one| one.memory.source() != case.request.scope.source) {
        return refuse(&standing, Verdict::FoundAlreadyLinked, Vec::new());
    }
    // What passed by its id, before any name of the request led to it, passed all the same (S14c).
    if let Some(person) = link {
        let asked = Some(case.request.received_at);
        standing.taken_since.extend(person.memory.taken_since(0, 0, asked, case.wish.version));
    }
    let tombstone = linked.as_ref().filter(|person| person.memory.life == Life::Deleted);
    if let Some(person) = tombstone
        && person.memory.target_id.as_deref() == Some(id)
    {
        return come_back(case, standing, person.clone(), &current, answer);
    }
    let memory = linked.as_ref().map(|person| &person.memory);
    let names = kept::differing(case, memory, &current);
    let equal = names.is_empty();
    let adopt = if ours || links(case, &current) { case.ground.policy.adopt } else { Adopt::Never };
    // What is ours, or may become ours although it differs, may be changed where policy says so.
    if (ours || adopt == Adopt::Matching) && writes_over(case, &current, &names) {
        let person = linked.unwrap_or_else(|| new_person(case));
        return write_over(case, standing, person, &current, answer);
    }
    let allowed = match adopt {
        Adopt::Never => ours && equal,
        Adopt::Equal => equal,
        Adopt::Matching => true,
    };
    if !allowed {
        return refuse(&standing, Verdict::Conflict, names);
    }
    let mut person = linked.unwrap_or_else(|| new_person(case));
    see(case, &mut person, id);
    person.memory.adopted = true;
    let target = Some(located(answer));
    let mut receipt = answers::seen(Verdict::Adopted, &standing.record.id, Some(201), target);
    receipt.notes.extend(secret_left(case));
    let names = linked_names(case, &person, id, Some(&current));
    close(case, standing, person, names, receipt, BTreeSet::new())
}

/// Whether what a resource is found by is enough to link it: what people are called by is so for users alone, and not where policy says that they are privileged (S17).
fn links(case: &Case<'_>, resource: &Value) -> bool {
    let kind = &case.request.resource_type;
    if case.ground.policy.links_by_name(kind) {
        return true;
    }
    let is_name = |attribute: &str| {
        let name = attribute.rsplit(':').next().and_then(|name| name.split('.').next());
        name.is_some_and(|name| NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)))
    };
    let mut correlation = case.ground.policy.correlation(kind).to_vec();
    correlation.retain(|attribute| !is_name(attribute));
    let found = case.wish.statement.matches(resource, &correlation);
    matches!(found, Match::Correlation(attribute) if !is_name(&attribute))
}

/// Nothing is there: the create goes out, unless it belongs to a life that has ended (S21).
fn on_nothing(
    case: &Case<'_>,
    mut standing: Standing,
    linked: Option<Person>,
    alike: Vec<String>,
) -> Step {
    let mut person = linked.unwrap_or_else(|| new_person(case));
    if let Some(step) = held_back(case, &standing, &person) {
        return step;
    }
    standing.record.progress.alike = alike;
    standing.record.progress.unproved = !case.searches_answered();
    let effect = effect(case, None, as_sent(case), None);
    // What others know to live stays theirs where who asks is only not shown it (S14).
    if person.memory.life == Life::Live && !case.knows_gone(&person.memory) {
        return dispatch(case, standing, &person, None, effect);
    }
    let former = person.memory.target_id.take();
    if person.memory.life == Life::Deleted {
        person.incarnation += 1;
        standing.record.progress.former = former;
    }
    person.memory.life = Life::Expected;
    person.memory.made_by = None;
    person.memory.adopted = false;
    let names = case.wish.names.clone();
    dispatch(case, standing, &person, Some(names), effect)
}

/// A create of the life before a deletion, or a return that nobody has approved (S21): nothing is sent.
fn held_back(case: &Case<'_>, standing: &Standing, person: &Person) -> Option<Step> {
    if let Some(answer) = former_life(case, standing, person) {
        return Some(only(Action::Answer(answer)));
    }
    if case.ground.policy.returns != Returns::Approve {
        return None;
    }
    // Until the return is proved: what the target refused is no return, and opens the door to no other.
    let deleted_at = person.memory.deleted_at?;
    let mut record = standing.record.clone();
    let waits = record.progress.staged == Some(deleted_at);
    // A person has seen whose request it is: nobody else's goes through by that.
    let of_another =
        case.by_statement.as_ref().is_some_and(|one| one.id == record.id && !case.earns(one));
    let approved = Some(case.now()) < record.progress.approved_until;
    if waits && approved && !of_another {
        return None;
    }
    let answer = Action::Answer(answers::of(Verdict::Staged, &record.id));
    // What was approved and not used is over: another's may wait in its place.
    let over = of_another && !approved && record.progress.approved_until.is_some();
    if waits && !over {
        return Some(only(answer));
    }
    record.identity = Some(person.id.clone());
    record.progress.staged = Some(deleted_at);
    record.progress.approved_until = None;
    record.progress.seq = person.memory.seq;
    let entry = record.after(Event::Refuse, None);
    let write = entry.map(|entry| Write { entry, identities: Vec::new(), learned: Vec::new() });
    Some(Step { write, action: answer })
}

/// Why a create belongs to the life before a deletion (S21).
fn former_life(case: &Case<'_>, standing: &Standing, person: &Person) -> Option<Answer> {
    let by_version = case.wish.version.is_some() && case.wish.version <= person.memory.version();
    let refused = case.ground.policy.returns == Returns::Refuse;
    // Until a return is proved.
    let deleted = person.memory.deleted_at.is_some();
    if deleted && (by_version || refused) || deleted_since_its_key_was_seen(case) {
        return Some(answers::of(Verdict::SupersededByDeletion, &standing.record.id));
    }
    let all = BTreeSet::from([String::from("*")]);
    // No name may lead to what it made then.
    let made = case.by_statement.as_ref().and_then(|record| case.person_of(record));
    let gone = deleted || made.is_some_and(|person| person.memory.deleted_at.is_some());
    if gone && case.wish.version.is_none() && gives_back(&all, &standing.taken_since) {
        return Some(answers::of(Verdict::Superseded, &standing.record.id));
    }
    None
}

/// The given key was first seen in a life that has ended: what was refused then is not decided anew after it.
fn deleted_since_its_key_was_seen(case: &Case<'_>) -> bool {
    let Some(record) = &case.by_key else { return false };
    case.people.iter().any(|person| {
        let same = record.identity.as_ref() == Some(&person.id);
        if person.memory.deleted_at.is_none() || !same && !case.led_to(person) {
            return false;
        }
        let before = record.progress.sent_at <= person.memory.deleted_at;
        if same { record.progress.began_after() < person.memory.seq } else { before }
    })
}

/// The target deactivates on delete: a return switches the resource on again (S22).
fn come_back(
    case: &Case<'_>,
    standing: Standing,
    mut person: Person,
    resource: &Value,
    answer: &TargetAnswer,
) -> Step {
    if let Some(step) = held_back(case, &standing, &person) {
        return step;
    }
    person.incarnation += 1;
    replace_existing(case, standing, person, resource, answer, false)
}

/// Whether policy lets this create change what is there: switch it on, or update it (S19, S22).
fn writes_over(case: &Case<'_>, resource: &Value, differing: &[String]) -> bool {
    let updates = case.ground.policy.existing == Existing::Update;
    reactivates(case, resource) || updates && !differing.is_empty()
}

/// The create changes what is there, unless something was taken from it since (S2a).
fn write_over(
    case: &Case<'_>,
    standing: Standing,
    person: Person,
    resource: &Value,
    answer: &TargetAnswer,
) -> Step {
    if !standing.taken_since.is_empty() {
        return refuse(&standing, Verdict::Superseded, Vec::new());
    }
    let updates = !reactivates(case, resource);
    replace_existing(case, standing, person, resource, answer, updates)
}

/// The create goes out as a PUT under the id of what is there.
fn replace_existing(
    case: &Case<'_>,
    mut standing: Standing,
    mut person: Person,
    resource: &Value,
    answer: &TargetAnswer,
    updates: bool,
) -> Step {
    if let Some(answer) = stale(case, &standing, &person, None) {
        return only(Action::Answer(answer));
    }
    let Some(body) = written_over(case, resource, updates) else {
        return only(Action::Answer(answers::of(Verdict::Unavailable, &standing.record.id)));
    };
    let id = id_of(resource).unwrap_or_default();
    see(case, &mut person, &id);
    standing.record.progress.updates = updates;
    standing.record.progress.before = keep_small(resource);
    let versioned = version_is_etag(resource, answer);
    let effect = Effect {
        method: Method::Replace,
        resource_type: case.request.resource_type.clone(),
        id: Some(id.clone()),
        body,
        if_match: precondition(case, versioned, answer),
    };
    let names = linked_names(case, &person, &id, Some(resource));
    dispatch(case, standing, &person, names, effect)
}

/// Whether policy lets this create switch the resource on (S22).
fn reactivates(case: &Case<'_>, resource: &Value) -> bool {
    let off = |of: &Value| of.find("active").is_some_and(crate::reading::is_false);
    let allowed = case.ground.policy.disabled == Disabled::Reactivate;
    allowed && off(resource) && !case.wish.statement.body().is_some_and(off)
}

/// What a create writes over a resource that is there: by itself it switches that on, and gives no privilege back that it does not state (S22); or it changes what it states, and nothing else (S19).
pub(crate) fn written_over(case: &Case<'_>, resource: &Value, updates: bool) -> Option<EffectBody> {
    let wish = case.wish.statement.body()?;
    let stated = wish.as_object()?;
    let mut body = if updates { changed_in(stated, resource.as_object()?) } else { stated.clone() };
    if !updates {
        for attribute in privileges_beside(wish, resource) {
            body.insert(attribute, Value::Array(Vec::new()));
        }
        body.insert("active", true);
    }
    body.insert("id", id_of(resource).unwrap_or_default());
    Some(EffectBody::Document(Value::Object(body).to_string()))
}

/// The privileges that a resource shows and a request does not state.
pub(crate) fn privileges_beside(stated: &Value, resource: &Value) -> Vec<&'static str> {
    let shows = |attribute: &&&str| {
        let shown = resource.find(attribute).and_then(Value::as_array);
        shown.is_some_and(|items| !items.is_empty()) && stated.find(attribute).is_none()
    };
    PRIVILEGES.iter().filter(shows).copied().collect()
}

/// What is there, changed in what a create states.
fn changed_in(stated: &Object, shown: &Object) -> Object {
    let mut body = shown.clone();
    for name in READ_ONLY {
        body.remove(name);
    }
    for (name, value) in stated.iter().filter(|(name, _)| !is_read_only(name)) {
        let both = body.remove(name).filter(|_| name.eq_ignore_ascii_case("schemas"));
        let mut value = value.clone();
        if let (Value::Array(all), Some(Value::Array(shown))) = (&mut value, both) {
            let missing: Vec<Value> =
                shown.into_iter().filter(|schema| !all.contains(schema)).collect();
            all.extend(missing);
        }
        body.insert(name, value);
    }
    body
}

// ---- steps ------------------------------------------------------------------------------------

/// A step without a write.
pub(crate) fn only(action: Action) -> Step {
    Step { write: None, action }
}

/// Records the intent, then sends (S7).
fn dispatch(
    case: &Case<'_>,
    standing: Standing,
    person: &Person,
    names: Option<Vec<Name>>,
    effect: Effect,
) -> Step {
    let mut record = standing.record;
    let waits = case.ground.profile.apply_bound();
    record.identity = Some(person.id.clone());
    let progress = &mut record.progress;
    progress.sends += 1;
    progress.sent_at = Some(case.now());
    progress.effect = Some(effect.clone());
    progress.seq = person.memory.seq;
    progress.watch_until = standing.watch_until;
    let Some(entry) = record.after(Event::Dispatch, Some(case.now() + waits)) else {
        return only(Action::Answer(answers::of(Verdict::Unresolved, &record.id)));
    };
    let identities = vec![IdentityWrite { identity: person.identity(), names }];
    let mut learned = Vec::new();
    if case.request.method == Method::Delete && person.memory.is_nameless() {
        // A create in doubt may have made what nobody has the names of (S14c).
        let name = profile::deleted_nameless(&case.request.resource_type);
        learned.push(Field { name, value: case.now().to_string() });
    }
    let write = Some(Write { entry, identities, learned });
    Step { write, action: Action::Apply(effect) }
}

/// Nothing is to be sent: the receipt is recorded and told.
fn close(
    case: &Case<'_>,
    standing: Standing,
    mut person: Person,
    names: Option<Vec<Name>>,
    receipt: Answer,
    taken: BTreeSet<String>,
) -> Step {
    let mut record = standing.record;
    record.identity = Some(person.id.clone());
    if !taken.is_empty() {
        let received_at = Some(case.request.received_at);
        case.changed(&mut person.memory, received_at, case.touched(), taken);
    }
    let touched = case.touched();
    commit_version(case, &mut person, touched);
    record.progress.receipt = Some(receipt.clone());
    record.progress.settled_at = Some(case.now());
    record.progress.settled_seq = person.memory.seq;
    let (mut event, mut wake) = (Event::Settle, None);
    let watched = case.wish.statement.safe_way() && standing.watch_until.is_some();
    if watched && case.says(UNRECORDED).is_none() {
        // Who was passed may give back yet what was found taken away: it is looked after like what was sent (S14c).
        // Not without a record (S36): nothing was sent that a journal would keep, and the client waits for the ledger.
        let id = case.request.id.as_deref();
        record.progress.effect =
            Some(effect(case, id, as_sent(case), case.request.if_match.clone()));
        record.progress.watch_until = standing.watch_until;
        (event, wake) = (Event::Dispatch, Some(case.now() + WATCH_MS));
    }
    let Some(entry) = record.after(event, wake) else {
        return only(Action::Answer(receipt));
    };
    let identities = vec![IdentityWrite { identity: person.identity(), names }];
    let learned = case.ground.profile.news(standing.learned);
    let write = Some(Write { entry, identities, learned });
    Step { write, action: Action::Answer(receipt) }
}

/// A version takes hold when its effect is committed (S19a).
pub(crate) fn commit_version(case: &Case<'_>, person: &mut Person, touched: BTreeSet<String>) {
    let Some(version) = case.wish.version else { return };
    let statement = case.given.tags.statement.clone();
    let safe = case.wish.statement.safe_way();
    person.memory.order(Versioned { version, statement, safe, touched });
}

/// The identity of a target id: known, or new.
pub(crate) fn person_for(case: &Case<'_>, id: &str) -> Person {
    let known = case.people.iter().find(|one| one.memory.target_id.as_deref() == Some(id));
    known.or_else(|| case.person(NameKind::TargetId)).cloned().unwrap_or_else(|| new_person(case))
}

pub(crate) fn new_person(case: &Case<'_>) -> Person {
    let mut person = Person::new(&case.given.new_identity, &case.request.resource_type);
    let source = &case.request.scope.source;
    person.memory.source = (source != DEFAULT_SOURCE).then(|| source.clone());
    person
}

/// The resource was seen under this id, by whoever asks (S14).
pub(crate) fn see(case: &Case<'_>, person: &mut Person, id: &str) {
    let memory = &mut person.memory;
    let other = memory.target_id.as_deref() != Some(id);
    if other {
        memory.shown_to.clear();
        memory.listed_to.clear();
    }
    if other || memory.life != Life::Live {
        memory.life = Life::Live;
        memory.deleted_at = None;
        memory.seen_at = Some(case.now());
    }
    memory.target_id = Some(id.into());
    if case.says("credential").is_none() {
        know(&mut memory.shown_to, &case.request.scope.principal);
        if absence::is_listed(case, id) {
            know(&mut memory.listed_to, &case.request.scope.principal);
        }
    }
}

/// The resource is gone (S21); `received_at`: when the request had come that deleted it, if it was one.
pub(crate) fn bury(case: &Case<'_>, person: &mut Person, received_at: Option<UnixMillis>) {
    person.memory.life = Life::Deleted;
    person.memory.deleted_at = Some(case.now());
    let all = BTreeSet::from([String::from("*")]);
    case.changed(&mut person.memory, received_at, all.clone(), all);
}

/// Every name that leads to a live identity: the id, and what the resource carries. An external id that leads to another identity stays with that one (S16).
///
/// None where the identity keeps the names that it has: nothing is shown of it, or an external id that is not leased, so that nobody can tell whose it is (S8).
pub(crate) fn linked_names(
    case: &Case<'_>,
    person: &Person,
    id: &str,
    resource: Option<&Value>,
) -> Option<Vec<Name>> {
    let mut names = vec![id_name(case.request, id)];
    if resource.is_none() && 0 < person.fence {
        return None;
    }
    for name in
        resource.map(|resource| crate::reading::names_of(case, resource)).unwrap_or_default()
    {
        let exclusive = name.kind == NameKind::ExternalId;
        if exclusive && !case.holds(&name) {
            return None;
        }
        if !exclusive || case.holder_of(&name).is_none_or(|holder| holder.id == person.id) {
            names.push(name);
        }
    }
    if person.by.iter().any(|at| {
        let name = usize::try_from(*at).ok().and_then(|at| case.wish.names.get(at));
        name.is_some_and(|name| name.kind == NameKind::Weak)
    }) || (case.wish.weak && case.request.id.is_none())
    {
        names.extend(case.wish.names.iter().filter(|name| name.kind == NameKind::Weak).cloned());
    }
    crate::case::sort_names(&mut names);
    Some(names)
}

fn effect(case: &Case<'_>, id: Option<&str>, body: EffectBody, if_match: Option<String>) -> Effect {
    Effect {
        method: case.request.method,
        resource_type: case.request.resource_type.clone(),
        id: id.map(String::from),
        body,
        if_match,
    }
}

/// What is sent on this resource, in the spelling that this target is known to take (S11, S25).
pub(crate) fn written(case: &Case<'_>, body: Body, resource: &Value) -> EffectBody {
    let kind = &case.request.resource_type;
    let statement = &case.wish.statement;
    let rewritten = match body {
        Body::AsSent => None,
        Body::Rewritten(document) => Some(document),
    };
    let spell = |body: &Value| statement.spell_removals(body, case.ground.profile.removal(kind)?);
    let rewritten = rewritten.as_ref().or(statement.body()).and_then(spell).or(rewritten);
    let carry = |body: &Value| statement.whole_adds(body, resource, &replaced_by_adds(case));
    let document = rewritten.as_ref().or(statement.body()).and_then(carry).or(rewritten);
    match document {
        Some(document) => EffectBody::Document(document.to_string()),
        None => as_sent(case),
    }
}

/// The edge attributes whose list this target replaces when something is added.
fn replaced_by_adds(case: &Case<'_>) -> Vec<String> {
    let kind = &case.request.resource_type;
    let edges = EDGES.into_iter();
    let replaced = edges.filter(|attribute| case.ground.profile.add_replaces(kind, attribute));
    replaced.map(String::from).collect()
}

fn as_sent(case: &Case<'_>) -> EffectBody {
    if case.request.body.is_some() { EffectBody::AsSent } else { EffectBody::Empty }
}

/// Our own precondition where it works, else the client's (S25).
pub(crate) fn precondition(
    case: &Case<'_>,
    versioned: bool,
    answer: &TargetAnswer,
) -> Option<String> {
    if versioned && case.ground.profile.etags() {
        return answer.etag.clone();
    }
    case.request.if_match.clone()
}

/// The entity tag is the resource's version, so it moves when and only when the resource does (S40).
pub(crate) fn version_is_etag(resource: &Value, answer: &TargetAnswer) -> bool {
    let version = resource.find("meta").and_then(|meta| meta.find("version"));
    let version = version.and_then(Value::as_str).map(opaque_tag);
    version.is_some() && version == answer.etag.as_deref().map(opaque_tag)
}

/// The opaque part of an entity tag: `W/` and quotes stripped (RFC 9110 §8.8.3).
fn opaque_tag(tag: &str) -> &str {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag)
}

/// The status of the first answer, where this request repeats an earlier one.
fn first_status(standing: &Standing, otherwise: u16) -> u16 {
    let earlier = standing.earlier.as_ref();
    earlier
        .and_then(|receipt| receipt.status.or(receipt.target.as_ref().map(|target| target.status)))
        .unwrap_or(otherwise)
}

/// The status of an update that changes nothing (S37).
fn satisfied_status(case: &Case<'_>) -> u16 {
    if case.request.method == Method::Replace {
        return 200;
    }
    let kind = &case.request.resource_type;
    let asked = case.request.extra.iter().any(|field| field.name == "attributes");
    let usual = if asked || kind != "Group" { 200 } else { 204 };
    if asked { usual } else { case.ground.profile.patch_status(kind).unwrap_or(usual) }
}

/// What the request takes away, by its form, and the resource does not have: a late repeat of what gave it is recognised by these (S2a).
///
/// A list that is stated whole counts as a whole, also by PUT: what it does not state was taken away.
pub(crate) fn stated_takings(case: &Case<'_>, resource: &Value) -> BTreeSet<String> {
    let mut shown: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let holds = |path: &String| {
        if path == "active" {
            return resource.find("active").is_some_and(crate::reading::is_false);
        }
        let Some((attribute, value)) = path.split_once('/') else { return true };
        // A grant may have its type behind its value.
        let bare = value.match_indices('|').filter_map(|(end, _)| value.get(..end));
        let shown =
            shown.entry(attribute.into()).or_insert_with(|| edges_shown(resource, attribute));
        !shown.contains(value) && !bare.into_iter().any(|value| shown.contains(value))
    };
    case.takes().into_iter().filter(holds).collect()
}

/// The values under which a resource shows its edges.
pub(crate) fn edges_shown<'a>(resource: &'a Value, attribute: &str) -> BTreeSet<&'a str> {
    let items = resource.find(attribute).and_then(Value::as_array).unwrap_or_default();
    items.iter().filter_map(|item| item.find("value")?.as_str()).collect()
}

/// The read of a resource as the answer to a create: with its location.
pub(crate) fn located(answer: &TargetAnswer) -> TargetAnswer {
    let shown = answer.body.as_deref().and_then(crate::case::read_resource);
    let location = shown.as_ref().and_then(|resource| resource.find("meta")?.find("location"));
    let location = location.and_then(Value::as_str).map(String::from);
    TargetAnswer {
        status: 201,
        location: location.or_else(|| answer.location.clone()),
        ..answer.clone()
    }
}

/// The resource before the effect, where it is small enough to be kept in the ledger.
fn keep_small(resource: &Value) -> Option<Value> {
    (resource.to_string().len() <= BEFORE_BYTES_MOST).then(|| resource.clone())
}

fn is_read_only(name: &str) -> bool {
    READ_ONLY.iter().any(|other| other.eq_ignore_ascii_case(name))
}

/// What the target alone writes (RFC 7643 §3.1, §4.1.2).
const READ_ONLY: [&str; 3] = ["id", "meta", "groups"];

/// What an account may be allowed by (RFC 7643 §4.1.2); memberships are of groups, and stay as they are.
const PRIVILEGES: [&str; 2] = ["roles", "entitlements"];

/// What a resource can be given and lose, value by value (S27).
pub(crate) const EDGES: [&str; 3] = ["members", "roles", "entitlements"];

/// What people are called by, and whoever likes can call another (S17).
const NAMES: [&str; 3] = ["userName", "displayName", "emails"];

/// 64 KiB: any user, and a group of 500 members.
const BEFORE_BYTES_MOST: usize = 64 << 10;
