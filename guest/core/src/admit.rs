//! Admission: is this request new, a retry, or another one under the same key?
//!
//! What the ledger alone can tell. The target is not asked here.

use alloc::{string::String, vec::Vec};

use crate::ordered::BTreeSet;

use crate::{
    answers,
    case::Case,
    state::{Life, Person, Progress, Record, overlaps_any},
    types::{
        Action, Answer, Divergence, EntryId, Field, Method, NameKind, Request, Stage, TargetAnswer,
        UnixMillis, Verdict,
    },
};

/// What the ledger alone can tell of a request.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one for each request, and taken apart at once")]
pub(crate) enum Admission {
    /// The request is at its end.
    Answered(Answer),
    /// Something earlier has to end first.
    First(Action),
    /// The target has to be looked at.
    Look(Standing),
}

/// With what a request goes to the target.
#[derive(Debug)]
pub(crate) struct Standing {
    /// The entry that it is decided under: its own from an earlier try, or a new one.
    pub(crate) record: Record,
    /// The receipt of the settled request that it equals, within reach of S2a.
    pub(crate) earlier: Option<Answer>,
    /// The answer, where the resource is seen to be as asked: who asks repeats what took access away, and has earned its receipt (S2a, S37).
    pub(crate) again: Option<Answer>,
    /// What was taken away since that request settled, since this one was refused, or by others that passed it.
    pub(crate) taken_since: BTreeSet<String>,
    /// It made the resource that still lives: its replay at any age, if it does live (S2a).
    pub(crate) replays_if_alive: bool,
    /// Only what takes access away may be applied (S14c); what is told where nothing does.
    pub(crate) only_taking: Option<Verdict>,
    /// It passes others, and is looked after until then (S14c).
    pub(crate) watch_until: Option<UnixMillis>,
    /// What was learned about the target on the way.
    pub(crate) learned: Vec<(String, String)>,
}

/// Admits a request: see `lifecycle.admit` for the order of precedence.
pub(crate) fn admit(case: &Case<'_>) -> Admission {
    if let Some(first) = unheard(case) {
        return first;
    }
    match (&case.request.key, &case.by_key) {
        (Some(_), Some(record)) => keyed(case, record),
        (Some(_), None) => late(case, case.fresh()),
        (None, _) => unkeyed(case),
    }
}

/// The key was seen before (S4, S9, S10).
fn keyed(case: &Case<'_>, record: &Record) -> Admission {
    // A source that numbers it otherwise means something else by it (S20).
    let versions = [case.wish.version, record.progress.request.version];
    let renumbered = versions[0] != versions[1] && versions.iter().all(Option::is_some);
    let differs = renumbered || record.statement != case.given.tags.statement;
    if differs || asks_other_parts(case, record) {
        let earlier = &record.progress.request;
        let mut answer = answers::of(Verdict::KeyReused, &record.id);
        answer.attributes = crate::reading::differing(earlier, case.request, &case.ground);
        return Admission::Answered(answer);
    }
    if let Some(receipt) = record.receipt() {
        let earned = record.progress.settled_at.unwrap_or_default();
        if earned.saturating_add(case.ground.policy.receipt_life()) <= case.now() {
            return Admission::Answered(answers::of(Verdict::OutsideWindow, &record.id));
        }
        return Admission::Answered(replay(case, record, receipt));
    }
    own(case, record)
}

/// No key was given: a request that equals an earlier one may be its retry (S2a).
fn unkeyed(case: &Case<'_>) -> Admission {
    let Some(record) = &case.by_statement else { return stand(case, case.fresh(), None) };
    // A key that was given makes another request of it, unless that one is still open.
    let Some(receipt) = record.receipt() else {
        // What another client has begun is theirs to end: this one sees for itself (S14). What waits for a person stays
        // one (S21).
        let of_another = !case.earns(record) && record.progress.staged.is_none();
        if of_another || is_over_unseen(case, record) {
            return with(stand(case, case.fresh(), None), taken_since_seen(case, record));
        }
        if record.key.is_some() && !record.is_open() {
            return with(stand(case, case.fresh(), None), taken_since_seen(case, record));
        }
        return own(case, record);
    };
    // What this very request has written came to its end while it waited: it has its answer.
    if record.id == case.given.new_entry {
        return Admission::Answered(replay(case, record, receipt));
    }
    let version = record.progress.request.version;
    // S20: the same request under the same version is the same, at any age.
    let same = case.wish.version.is_some() && case.wish.version == version;
    if same && case.earns(record) && !asks_other_parts(case, record) {
        return Admission::Answered(replay(case, record, receipt));
    }
    let newer = case.wish.version > version;
    let Some(person) = case.person_of(record).filter(|_| !newer) else {
        return stand(case, case.fresh(), None);
    };
    let window = case.ground.policy.window();
    let settled_at = record.progress.settled_at.unwrap_or_default();
    let recent = case.now() < settled_at.saturating_add(window);
    let moved = person.memory.moved_since(record.progress.settled_seq, None, None, &case.touched());
    // A receipt is told to who has earned it; others see for themselves what holds (S1).
    // A create would be answered with its receipt all the same.
    let told = case.request.method == Method::Create || !asks_other_parts(case, record);
    let safe_way = case.wish.statement.safe_way();
    // Who has waited for an equal request has its answer, whichever way it goes (S5).
    let waited = case.request.received_at < settled_at;
    let mut again = None;
    if (recent || waited) && case.earns(record) && told && !moved {
        // What is open may have taken away what the receipt tells of (S14a), and keeps nobody from taking away (S14c).
        match unended(case, record).next() {
            Some(open) if !safe_way => return first(case, open),
            None if !safe_way || waited => {
                return Admission::Answered(replay(case, record, receipt));
            }
            _ if answers::is_success(receipt.verdict) => {
                again = Some(replay(case, record, receipt));
            }
            _ => {}
        }
    }
    let since = case.now().saturating_sub(window);
    let taken_since =
        person.memory.taken_since(record.progress.settled_seq, since, None, case.wish.version);
    let made = person.memory.made_by.as_ref() == Some(&record.statement);
    let lives = person.memory.life == Life::Live;
    let replays_if_alive =
        case.request.method == Method::Create && made && lives && (recent || !case.wish.weak);
    let earlier = (recent || replays_if_alive || !taken_since.is_empty()).then(|| receipt.clone());
    let mut admission = with(stand(case, case.fresh(), earlier), taken_since);
    if let Admission::Look(standing) = &mut admission {
        standing.again = again;
        standing.replays_if_alive = replays_if_alive;
    }
    admission
}

/// Whether another part of the resource is asked for than then: the query is no part of the statement, and is of the request (RFC 7644 §3.9).
fn asks_other_parts(case: &Case<'_>, record: &Record) -> bool {
    !crate::reading::queries_differing(&record.progress.request, case.request).is_empty()
}

/// The request's own entry is known and has no receipt.
fn own(case: &Case<'_>, record: &Record) -> Admission {
    match record.stage {
        Some(Stage::Dispatched | Stage::Parked) if !is_over_unseen(case, record) => {
            first(case, record)
        }
        // Refused without an effect: decided anew under the same entry (S9).
        Some(_) | None => {
            let taken_since = taken_since_seen(case, record);
            let mut record = record.clone();
            let first_seq = Some(record.progress.began_after());
            let Progress { staged, approved_until, settled_seq, .. } = record.progress;
            let new = Progress::new(&case.numbered());
            record.progress = Progress { staged, approved_until, settled_seq, first_seq, ..new };
            with(late(case, record), taken_since)
        }
    }
}

/// A request that was first sent longer ago than receipts are kept, and has none: whether it was done, and what has come since, nobody knows (S10).
///
/// What takes access away is applied all the same (S14c), and what a person has let go (S21).
fn late(case: &Case<'_>, record: Record) -> Admission {
    if !is_late(case, case.request) || record.progress.staged.is_some() {
        return stand(case, record, None);
    }
    if !case.wish.statement.safe_way() || case.request.id.is_none() {
        let mut answer = answers::of(Verdict::OutsideWindow, &record.id);
        answer.detail = SENT_LONG_AGO.into();
        return Admission::Answered(answer);
    }
    let mut admission = stand(case, record, None);
    if let Admission::Look(standing) = &mut admission {
        standing.only_taking.get_or_insert(Verdict::OutsideWindow);
    }
    admission
}

/// Whether a request was first sent longer ago than receipts are kept, as its client says (S10).
pub(crate) fn is_late(case: &Case<'_>, request: &Request) -> bool {
    let sent = request.extra.iter().find(|field| field.name == FIRST_SENT);
    let sent: Option<UnixMillis> = sent.and_then(|field| field.value.parse().ok());
    let life = case.ground.policy.receipt_life();
    request.key.is_some()
        && sent.is_some_and(|sent| sent.saturating_add(life) <= request.received_at)
}

/// With what was taken away since.
fn with(mut admission: Admission, taken_since: BTreeSet<String>) -> Admission {
    if let Admission::Look(standing) = &mut admission {
        standing.taken_since.extend(taken_since);
    }
    admission
}

/// What was taken away since a request was refused: under its key at any time, without one within the window (S2a, S21).
fn taken_since_seen(case: &Case<'_>, record: &Record) -> BTreeSet<String> {
    let Some(person) = case.person_of(record) else { return BTreeSet::new() };
    let window = case.ground.policy.window();
    let (seq, since) = match (&case.request.key, record.progress.settled_seq) {
        (Some(_), _) => (record.progress.began_after(), 0),
        (None, 0) => (record.progress.began_after(), case.now().saturating_sub(window)),
        // An equal one had settled before it.
        (None, settled) => (settled, case.now().saturating_sub(window)),
    };
    person.memory.taken_since(seq, since, None, case.wish.version)
}

/// What was taken away by requests that came after this one, and passed it (S14c).
fn overtaken(case: &Case<'_>) -> BTreeSet<String> {
    let is_meant = |person: &&Person| match &case.request.id {
        Some(id) => person.memory.target_id.as_ref() == Some(id),
        None => case.led_to(person),
    };
    let asked = Some(case.request.received_at);
    let people = case.people.iter().filter(is_meant);
    people.flat_map(|person| person.memory.taken_since(0, 0, asked, case.wish.version)).collect()
}

/// An open entry has to end before anything is said on its identity (S14a).
fn first(case: &Case<'_>, record: &Record) -> Admission {
    if record.stage == Some(Stage::Parked) && tried(case, &record.id) {
        return Admission::Answered(answers::of(Verdict::Parked, &record.id));
    }
    if tried(case, &record.id) {
        return Admission::First(Action::Wait(case.now() + LOOK_AGAIN_MS));
    }
    Admission::First(Action::Resolve(record.id.clone()))
}

/// Goes to the target, unless something earlier is in the way.
fn stand(case: &Case<'_>, record: Record, earlier: Option<Answer>) -> Admission {
    let passes = case.wish.statement.safe_way() && case.request.id.is_some();
    // Where nobody can tell what is under way, nothing is given (S36).
    let mut only_taking = case.says(UNRECORDED).map(|_| Verdict::Unavailable);
    let mut watch_until = None;
    let passed_holder = case.says("passed").is_some();
    if passed_holder {
        // Who was passed may have sent something this very moment.
        watch_until = Some(case.now() + case.ground.profile.apply_bound());
    }
    for open in unended(case, &record) {
        if !passes {
            return first(case, open);
        }
        if open.stage == Some(Stage::Parked) {
            only_taking.get_or_insert(Verdict::Parked);
        }
        let sent = open.progress.sent_at.unwrap_or_default();
        let until = sent.saturating_add(case.ground.profile.apply_bound());
        if case.now() < until {
            watch_until = watch_until.max(Some(until));
        }
    }
    if let Some(answer) = out_of_order(case, &record.id) {
        return Admission::Answered(answer);
    }
    Admission::Look(Standing {
        record,
        earlier,
        again: None,
        taken_since: overtaken(case),
        replays_if_alive: false,
        only_taking,
        watch_until,
        learned: Vec::new(),
    })
}

/// What others have begun on the identity and nobody knows the end of.
fn unended<'a>(case: &'a Case<'_>, record: &'a Record) -> impl Iterator<Item = &'a Record> {
    let others = case.open.iter().filter(|open| open.id != record.id);
    others.filter(|open| open.receipt().is_none() && !is_over_unseen(case, open))
}

/// A create that can take effect no more, and of which somebody else was shown nothing: it waits for its own client, and others go on (S14a).
fn is_over_unseen(case: &Case<'_>, open: &Record) -> bool {
    let progress = &open.progress;
    let creates = progress.effect.as_ref().is_some_and(|effect| effect.id.is_none());
    let over = progress.sent_at.unwrap_or_default().saturating_add(case.ground.profile.settled());
    creates && open.stage == Some(Stage::Dispatched) && tried(case, &open.id) && over <= case.now()
}

/// Another request with the same version asked for something else of the same paths (S20).
fn out_of_order(case: &Case<'_>, decision: &EntryId) -> Option<Answer> {
    let version = case.wish.version?;
    let led_to = || case.people.iter().find(|person| case.led_to(person));
    let person = case.person(NameKind::TargetId).or_else(led_to)?;
    let (safe, touched) = (case.wish.statement.safe_way(), case.touched());
    let conflicts = person.memory.versions.iter().any(|other| {
        let same = other.statement == case.given.tags.statement;
        let prevails = safe && !other.safe;
        other.version == version && !same && !prevails && other.touches(&touched)
    });
    conflicts.then(|| answers::of(Verdict::VersionConflict, decision))
}

/// The receipt again. A secret that differs from the one that was sent is not written: the answer says so (S3a).
fn replay(case: &Case<'_>, record: &Record, receipt: &Answer) -> Answer {
    let mut answer = answers::replay(receipt, diverged(case, record));
    answer.notes.extend(secret_differs(case, record));
    answer
}

/// Says that a create states another secret than the one that it repeats (S3a).
pub(crate) fn secret_differs(case: &Case<'_>, record: &Record) -> Option<Field> {
    // Secrets stand in a document by their digests: where it is the same, so are they.
    if case.request.method != Method::Create || case.request.body == record.progress.request.body {
        return None;
    }
    let sent = case.statement_of(record)?.secret_digests();
    let differs = sent != case.wish.statement.secret_digests();
    differs.then(|| answers::note("secret-differs", "true"))
}

/// The note of a create that was not sent, of the secret that it states (S3a).
pub(crate) fn secret_left(case: &Case<'_>) -> Option<Field> {
    let sent = |record: &&Record| record.receipt().is_some() && record.progress.effect.is_some();
    match case.by_statement.as_ref().filter(sent) {
        Some(record) => secret_differs(case, record),
        None => {
            case.wish.statement.states_secret().then(|| answers::note("secret-differs", "true"))
        }
    }
}

/// A create that states a secret came to its end and nobody was told: its client, asking again, has its new secret written (S3a).
fn unheard(case: &Case<'_>) -> Option<Admission> {
    let record = match &case.request.key {
        Some(_) => &case.by_key,
        None => &case.by_statement,
    };
    let record = record.as_ref().filter(|record| record.progress.unheard_until.is_some())?;
    let tags = &case.given.tags;
    let memory = &case.person_of(record)?.memory;
    // A secret that was stated since is known to somebody, and stays (S2a).
    let moved = memory.moved_since(
        record.progress.settled_seq,
        None,
        None,
        &case.wish.statement.secret_paths(),
    );
    let same = record.statement == tags.statement && record.key == tags.key && case.earns(record);
    if memory.life != Life::Live || moved || !same {
        return None;
    }
    if tried(case, &record.id) {
        let sent = record.progress.effect.as_ref();
        let answered = record.progress.answered.as_ref();
        let answered = answered.filter(|_| sent.is_some_and(|sent| sent.method == Method::Patch));
        return Some(Admission::Answered(match (answered, record.receipt()) {
            (Some(answer), Some(receipt)) => {
                secret_told(record, answer, replay(case, record, receipt))
            }
            _ => answers::of(Verdict::Unresolved, &record.id),
        }));
    }
    Some(Admission::First(Action::Resolve(record.id.clone())))
}

/// What is told of a create whose secret was sent after it and answered so: a 401, a 429 and a 503 with Retry-After say nothing of the secret, and let it be sent again (S9, S3a).
pub(crate) fn secret_told(record: &Record, answer: &TargetAnswer, receipt: Answer) -> Answer {
    match answer.status {
        401 => answers::refused(&record.id, answer),
        429 | 503 => Answer { detail: SECRET_LATER.into(), ..answers::unseen(&record.id, answer) },
        _ => receipt,
    }
}

/// Whether the resource has moved on since the receipt was earned (S9).
fn diverged(case: &Case<'_>, record: &Record) -> Divergence {
    let Some(person) = case.person_of(record) else { return Divergence::No };
    if person.memory.seq <= record.progress.settled_seq {
        return Divergence::No;
    }
    if person.memory.life == Life::Deleted { Divergence::Deleted } else { Divergence::Changed }
}

fn tried(case: &Case<'_>, id: &str) -> bool {
    case.given.extra.iter().any(|field| field.name == "tried" && field.value == id)
}

/// Whether what is given lies on what was taken away since.
pub(crate) fn gives_back(gives: &BTreeSet<String>, taken_since: &BTreeSet<String>) -> bool {
    gives.iter().any(|path| overlaps_any(path, taken_since))
}

/// What a person reads whose secret the target was too busy to take.
const SECRET_LATER: &str =
    "the resource is made, and its secret could not be written yet; send the same request again";

/// What a person reads who sends again what nobody knows any more.
const SENT_LONG_AGO: &str = "this was first sent longer ago than receipts are kept, and has none here; look at the resource, and send a new key for a new request";

/// When the request was sent first, as its client says (S10).
pub(crate) const FIRST_SENT: &str = "first-sent";

/// The request has no record, because the ledger cannot be used: policy lets it go out once (S36).
pub(crate) const UNRECORDED: &str = "unrecorded";

/// 500 ms: half of what an impatient client waits between two tries.
const LOOK_AGAIN_MS: UnixMillis = 500;
