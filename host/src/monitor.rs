//! The reference monitor: may the host do what the component asks for (S43)?
//!
//! The component is not trusted. Whatever it says, the host writes only legal stages, touches only what
//! the request names, and sends only what can be built from typed parts. Nothing here decides what is
//! right, only what is allowed.

use replaysafe_json::{Limits, parse};
use thiserror::Error;

use crate::contract::{
    Action, Answer, Effect, EffectBody, Entry, Evidence, Method, Name, NameKind, Observation,
    Question, Sight, Situation, Stage, Step, Verdict, Write,
};

/// Checks a step before anything of it is done.
///
/// # Errors
///
/// The first rule that it breaks. The step must then be thrown away whole.
pub fn check(function: Function, situation: &Situation, step: &Step) -> Result<(), Violation> {
    if let Some(write) = &step.write {
        check_write(function, situation, write)?;
        hold(may_go_with(write.entry.stage, &step.action), Violation::Stage)?;
    }
    match &step.action {
        Action::Apply(effect) => {
            // INVARIANT: no effect without its record.
            let written = step.write.as_ref().map(|write| &write.entry);
            let entry = written.ok_or(Violation::Unrecorded)?;
            hold(entry.stage == Stage::Dispatched, Violation::Unrecorded)?;
            check_effect(function, situation, effect)
        }
        Action::Answer(answer) => {
            check_answer(answer)?;
            check_claim(function, situation, step.write.as_ref(), answer)
        }
        Action::Ask(questions) => check_questions(function, situation, questions),
        Action::Claim(_) | Action::Resolve(_) if function == Function::Settle => {
            Err(Violation::Action)
        }
        Action::Claim(names) => {
            let small = names.iter().all(is_small);
            let held = situation.extra.iter().filter(|field| field.name == "claimed").count();
            hold(!names.is_empty() && held + names.len() <= NAMES_MOST && small, Violation::Size)
        }
        Action::Resolve(id) => {
            let found = known_entries(situation).any(|entry| entry.id == *id);
            hold(found, Violation::Foreign)
        }
        Action::Wait(until) => {
            hold(*until <= situation.now.saturating_add(WAIT_MS_MOST), Violation::Wait)
        }
    }
}

/// The function of the component that a step came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `admit`
    Admit,
    /// `decide`
    Decide,
    /// `settle`
    Settle,
}

impl Function {
    /// Its name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Decide => "decide",
            Self::Settle => "settle",
        }
    }
}

/// Makes the words of an answer harmless: no control character, no text without end.
///
/// They are not refused: attribute names are the client's, and an entry whose answer is refused would
/// stay open for ever.
pub fn tidy(answer: &mut Answer) {
    let tidied = |text: &mut String, most: usize| {
        if most < text.len() || text.chars().any(char::is_control) {
            let plain = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
            let mut room = most;
            let fits = |letter: &char| {
                room = room.saturating_sub(letter.len_utf8());
                0 < room
            };
            *text = text.chars().map(plain).take_while(fits).collect();
        }
    };
    tidied(&mut answer.detail, DETAIL_BYTES_MOST);
    answer.attributes.truncate(ATTRIBUTES_MOST);
    answer.attributes.iter_mut().for_each(|name| tidied(name, ID_BYTES_MOST));
    answer.notes.truncate(ATTRIBUTES_MOST);
    for note in &mut answer.notes {
        tidied(&mut note.name, ID_BYTES_MOST);
        tidied(&mut note.value, DETAIL_BYTES_MOST);
    }
}

/// A rule that a step breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// An entry or identity that was neither found nor made for this request
    #[error("the step writes what it was not given")]
    Foreign,
    /// A stage that may not follow the one that was read
    #[error("the step moves a stage that may not move so")]
    Stage,
    /// A fence that is not the one that was read
    #[error("the step changes a fence")]
    Fence,
    /// An incarnation that shrinks or jumps
    #[error("the step changes an incarnation by more than one")]
    Incarnation,
    /// An effect without its record
    #[error("the step sends what it does not record")]
    Unrecorded,
    /// An effect on something that the request does not name
    #[error("the step's effect is not the request's")]
    Effect,
    /// Text that may not stand in a path, a header or an answer
    #[error("the step has text that may not be used where it stands")]
    Text,
    /// More of something than is allowed
    #[error("the step has more of something than is allowed")]
    Size,
    /// More steps than any request needs
    #[error("the steps come to no end")]
    Endless,
    /// A wait that is too long
    #[error("the step waits for longer than a day")]
    Wait,
    /// A question about something that the request is not about
    #[error("the step asks about another resource type")]
    Question,
    /// A success for which there is no evidence
    #[error("the step claims a success without evidence")]
    Evidence,
    /// An action that may not follow here
    #[error("the step's action may not follow here")]
    Action,
}

fn check_write(function: Function, situation: &Situation, write: &Write) -> Result<(), Violation> {
    let entry = &write.entry;
    let known = known_entries(situation).find(|known| known.id == entry.id);
    // A new entry, the one to settle, or the one of an earlier try: never that of somebody else.
    let earlier = function != Function::Settle
        && known.is_some_and(|known| known.statement == situation.tags.statement);
    hold(entry.id == situation.new_entry || earlier, Violation::Foreign)?;
    hold(known.is_some() || function != Function::Settle, Violation::Foreign)?;
    hold(may_follow(known.map(|known| known.stage), entry.stage), Violation::Stage)?;
    let kept =
        known.is_none_or(|known| known.key == entry.key && known.statement == entry.statement);
    let own = known.is_some()
        || (entry.statement == situation.tags.statement && entry.key == situation.tags.key);
    hold(kept && own, Violation::Foreign)?;
    hold(entry.state.len() <= STATE_BYTES_MOST, Violation::Size)?;
    // What may have happened is looked at again, whatever becomes of this process.
    let due = entry.wake_at.is_some_and(|at| at <= situation.now.saturating_add(WAIT_MS_MOST));
    hold(due || entry.stage != Stage::Dispatched, Violation::Wait)?;
    if let Some(about) = &entry.identity {
        let held = situation.found.holders.iter().map(|holder| &holder.identity.id);
        let given = held.chain(write.identities.iter().map(|one| &one.identity.id));
        let as_before = known.and_then(|known| known.identity.as_ref()) == Some(about);
        hold(as_before || given.into_iter().any(|id| id == about), Violation::Foreign)?;
    }
    hold(write.identities.len() <= IDENTITIES_MOST, Violation::Size)?;
    for written in &write.identities {
        let identity = &written.identity;
        let read = situation.found.holders.iter().map(|holder| &holder.identity);
        let known = read.into_iter().find(|known| known.id == identity.id);
        let (fence, incarnation) = match known {
            Some(known) => (known.fence, known.incarnation),
            None if identity.id == situation.new_identity => (0, 0),
            None => return Err(Violation::Foreign),
        };
        hold(identity.fence == fence, Violation::Fence)?;
        let next = incarnation.saturating_add(1);
        let grows = (incarnation..=next).contains(&identity.incarnation);
        hold(0 < identity.incarnation && grows, Violation::Incarnation)?;
        hold(identity.state.len() <= STATE_BYTES_MOST, Violation::Size)?;
        let names = written.names.as_deref().unwrap_or_default();
        let small = names.iter().all(is_small);
        hold(names.len() <= NAMES_MOST && small, Violation::Size)?;
        let mut ids = names.iter().filter(|name| name.kind == NameKind::TargetId);
        hold(ids.clone().count() <= 1, Violation::Foreign)?;
        hold(ids.all(|name| is_of_an_asked_id(situation, &name.material)), Violation::Foreign)?;
    }
    let small = |text: &str| text.len() <= FACT_BYTES_MOST && !text.chars().any(char::is_control);
    let learned = write.learned.iter().all(|fact| small(&fact.name) && small(&fact.value));
    hold(write.learned.len() <= FACTS_MOST && learned, Violation::Size)
}

/// Whether a name is no longer than what can be searched for; a weak one is all that its request states.
fn is_small(name: &Name) -> bool {
    let most = if name.kind == NameKind::Weak { BODY_BYTES_MOST } else { MATERIAL_BYTES_MOST };
    name.material.len() <= most
}

/// Whether a name is that of an id that the request names, that was asked for, or that was shown instead.
///
/// The id is the last part of the framed text, with its length before it.
fn is_of_an_asked_id(situation: &Situation, material: &str) -> bool {
    let asked = situation.observed.iter().filter_map(|seen| match &seen.question {
        Question::ById(by) => Some(by.id.clone()),
        Question::Search(_) | Question::All(_) => None,
    });
    let shown = situation.observed.iter().filter_map(shown_id);
    let mut ids = asked.chain(situation.request.id.clone()).chain(shown);
    ids.any(|id| material.ends_with(&format!(":{}:{id}", id.len())))
}

/// The stages that may follow each stage: written apart from the component, which has its own table.
///
/// `claimed` is never written: it lives in memory (S7).
fn may_follow(from: Option<Stage>, to: Stage) -> bool {
    match from {
        None | Some(Stage::Claimed | Stage::Refused) => to != Stage::Parked && to != Stage::Claimed,
        Some(Stage::Dispatched | Stage::Parked) => to != Stage::Claimed,
        Some(Stage::Settled) => to == Stage::Settled,
    }
}

/// What may be done next after an entry was written at this stage.
fn may_go_with(stage: Stage, action: &Action) -> bool {
    let (answers, succeeds) = match action {
        Action::Answer(answer) => (true, is_success(answer.verdict)),
        Action::Ask(_)
        | Action::Claim(_)
        | Action::Resolve(_)
        | Action::Wait(_)
        | Action::Apply(_) => (false, false),
    };
    let waits = matches!(action, Action::Wait(_));
    match stage {
        Stage::Claimed => false,
        Stage::Dispatched => answers || waits || matches!(action, Action::Apply(_)),
        Stage::Parked => waits || (answers && !succeeds),
        Stage::Refused => answers && !succeeds,
        // What is settled has a receipt, and its client is told.
        Stage::Settled => answers,
    }
}

fn check_effect(
    function: Function,
    situation: &Situation,
    effect: &Effect,
) -> Result<(), Violation> {
    let request = &situation.request;
    hold(effect.resource_type == request.resource_type, Violation::Effect)?;
    let same = effect.method == request.method && effect.id == request.id;
    // A create that changes what is there (S19, S22), or writes its secret (S3a): only what the target
    // shows under this id at this moment, and to which an identity or a list has led.
    let changes = match effect.method {
        Method::Replace => true,
        Method::Patch => function == Function::Settle,
        Method::Create | Method::Delete => false,
    };
    let returns = request.method == Method::Create
        && changes
        && matches!(effect.body, EffectBody::Document(_))
        && effect.id.as_deref().is_some_and(|id| {
            let led = !situation.found.holders.is_empty() || is_listed(situation, id);
            led && is_shown(situation, id)
        });
    hold(same || returns, Violation::Effect)?;
    if let Some(id) = &effect.id {
        hold(is_path_segment(id), Violation::Text)?;
    }
    if let Some(tag) = &effect.if_match {
        hold(is_header(tag), Violation::Text)?;
    }
    match &effect.body {
        EffectBody::Document(document) => {
            hold(document.len() <= BODY_BYTES_MOST, Violation::Size)?;
            hold(effect.method != Method::Delete, Violation::Effect)
        }
        EffectBody::Empty => hold(effect.method == Method::Delete, Violation::Effect),
        EffectBody::AsSent => {
            let held = situation.extra.iter().any(|field| field.name == "body-held");
            hold(held && effect.method != Method::Delete, Violation::Effect)
        }
    }
}

/// Whether the target shows a resource with this id, asked for by id in this situation.
fn is_shown(situation: &Situation, id: &str) -> bool {
    situation.observed.iter().any(|seen| {
        let asked = matches!(&seen.question, Question::ById(by) if by.id == id);
        asked && shown_id(seen).as_deref() == Some(id)
    })
}

/// The id of the resource that a look by id has shown.
fn shown_id(seen: &Observation) -> Option<String> {
    let (Question::ById(_), Sight::Answered(answer)) = (&seen.question, &seen.sight) else {
        return None;
    };
    let body = answer.body.as_ref().filter(|_| (200..300).contains(&answer.status))?;
    id_in(body)
}

/// The id of a resource.
pub(crate) fn id_in(document: &str) -> Option<String> {
    let resource = parse(document.as_bytes(), &Limits::answer()).ok()?;
    resource.find("id")?.as_str().map(str::to_owned)
}

/// Whether a list that came in this situation holds a resource with this id.
fn is_listed(situation: &Situation, id: &str) -> bool {
    let documents = situation.observed.iter().filter_map(|seen| match &seen.sight {
        Sight::Listed(documents) => Some(documents),
        Sight::Answered(_) | Sight::Refused(_) | Sight::Nothing => None,
    });
    documents.flatten().any(|document| id_in(document).as_deref() == Some(id))
}

fn is_path_segment(id: &str) -> bool {
    let dots = id.bytes().all(|byte| byte == b'.');
    !id.is_empty() && id.len() <= ID_BYTES_MOST && !dots && !id.chars().any(char::is_control)
}

fn check_questions(
    function: Function,
    situation: &Situation,
    questions: &[Question],
) -> Result<(), Violation> {
    hold((1..=QUESTIONS_MOST).contains(&questions.len()), Violation::Size)?;
    hold(situation.observed.len() <= OBSERVED_MOST, Violation::Endless)?;
    for question in questions {
        let (kind, fits) = match question {
            Question::ById(by) => (&by.resource_type, is_path_segment(&by.id)),
            Question::Search(search) => {
                let plain = search
                    .attribute
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".:_-$[]\" ".contains(&byte));
                (&search.resource_type, plain && search.value.len() <= MATERIAL_BYTES_MOST)
            }
            Question::All(kind) => (kind, true),
        };
        hold(*kind == situation.request.resource_type, Violation::Question)?;
        hold(fits, Violation::Text)?;
        if let Question::ById(by) = question {
            // The request's own, one that a list has shown, or the link of an identity that is known:
            // a component that makes up ids could read whatever the client may read.
            let known = !situation.found.holders.is_empty() || function == Function::Settle;
            let own = situation.request.id.as_ref() == Some(&by.id);
            hold(own || known || is_listed(situation, &by.id), Violation::Question)?;
        }
    }
    Ok(())
}

/// The form of an answer: whatever becomes a status, a header or a line must be one.
fn check_answer(answer: &Answer) -> Result<(), Violation> {
    let status = |status: u16| (100..600).contains(&status);
    hold(answer.status.is_none_or(status), Violation::Text)?;
    hold(is_plain(&answer.decision, ID_BYTES_MOST), Violation::Text)?;
    hold(answer.retry_after.is_none_or(|seconds| seconds <= RETRY_AFTER_MOST), Violation::Wait)?;
    let Some(target) = &answer.target else { return Ok(()) };
    let headers = [&target.location, &target.etag, &target.content_type];
    let fit = headers.into_iter().flatten().all(|header| is_header(header));
    hold(status(target.status) && fit, Violation::Text)?;
    hold(target.retry_after.is_none_or(|seconds| seconds <= RETRY_AFTER_MOST), Violation::Wait)?;
    hold(target.body.as_ref().is_none_or(|body| body.len() <= STATE_BYTES_MOST), Violation::Size)
}

/// What an answer claims: is there a record that it may rest on?
fn check_claim(
    function: Function,
    situation: &Situation,
    write: Option<&Write>,
    answer: &Answer,
) -> Result<(), Violation> {
    let known = known_entries(situation).find(|entry| entry.id == answer.decision);
    let own = answer.decision == situation.new_entry || answer.decision.is_empty();
    hold(own || known.is_some(), Violation::Foreign)?;
    let stage = known.map(|entry| entry.stage);
    if answer.replayed {
        // A receipt stands in the record of the decision that earned it.
        let told = matches!(stage, Some(Stage::Settled | Stage::Dispatched));
        return hold(told, Violation::Evidence);
    }
    // INVARIANT: nothing was sent that is not recorded, so without a record nothing was changed.
    let sent = matches!(stage, Some(Stage::Dispatched | Stage::Parked));
    hold(sent || !answer.changed, Violation::Evidence)?;
    let sends = matches!(
        answer.verdict,
        Verdict::Done | Verdict::Opaque | Verdict::Reactivated | Verdict::AcceptedUnverified
    );
    hold((sent && function == Function::Settle) || !sends, Violation::Evidence)?;
    // S37: nothing that has not happened is ever a 2xx.
    let kindly = answer.target.as_ref().is_some_and(|target| (200..300).contains(&target.status));
    hold(answer.verdict != Verdict::Refused || !kindly, Violation::Evidence)?;
    if !is_success(answer.verdict) {
        return Ok(());
    }
    let closed = write.is_some_and(|write| {
        write.entry.id == answer.decision
            && matches!(write.entry.stage, Stage::Settled | Stage::Dispatched)
    });
    let seen = function == Function::Settle
        || (answer.evidence == Evidence::Read && !situation.observed.is_empty());
    hold(closed && seen && answer.evidence != Evidence::None, Violation::Evidence)
}

/// Says that what was asked is so.
pub(crate) fn is_success(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Done
            | Verdict::Opaque
            | Verdict::AlreadySatisfied
            | Verdict::Adopted
            | Verdict::Reactivated
            | Verdict::AcceptedUnverified
    )
}

fn is_plain(text: &str, most: usize) -> bool {
    text.len() <= most && !text.chars().any(char::is_control)
}

/// RFC 9110 section 5.5: visible text, spaces and tabs; no line ends in it.
fn is_header(text: &str) -> bool {
    let fits = |byte: u8| byte == b'\t' || (0x20..=0x7e).contains(&byte) || 0x80 <= byte;
    text.len() <= HEADER_BYTES_MOST && text.bytes().all(fits)
}

fn known_entries(situation: &Situation) -> impl Iterator<Item = &Entry> {
    let found = &situation.found;
    found.by_key.iter().chain(&found.by_statement).chain(&found.open)
}

fn hold(rule: bool, violation: Violation) -> Result<(), Violation> {
    if rule { Ok(()) } else { Err(violation) }
}

/// 64 names: a user has an id, an external id and a handful of correlation values.
const NAMES_MOST: usize = 64;

/// 16 KiB of framed text: a value of any attribute that can be searched for.
const MATERIAL_BYTES_MOST: usize = 16 << 10;

/// One request is about one identity; a rename may meet a second.
const IDENTITIES_MOST: usize = 4;

/// 64 MiB: a record holds the request, and the target's answer where it is kept.
const STATE_BYTES_MOST: usize = 64 << 20;

/// A step learns a handful of facts.
const FACTS_MOST: usize = 64;

/// A fact is a name and a word.
const FACT_BYTES_MOST: usize = 512;

/// 16 MiB: the largest body of a request.
const BODY_BYTES_MOST: usize = 16 << 20;

/// 32 questions: one for each name, and one by id.
const QUESTIONS_MOST: usize = 32;

/// 256 bytes: four times the longest id that was seen at a target.
const ID_BYTES_MOST: usize = 256;

/// 8 KiB: an entity tag, or a URL that is as long as servers take them.
const HEADER_BYTES_MOST: usize = 8 << 10;

/// 1,000 names of attributes: more than a person reads.
const ATTRIBUTES_MOST: usize = 1_000;

/// A day, as for what a target says.
const RETRY_AFTER_MOST: u32 = 86_400;

/// 64 looks before a decision: four times what may be asked at once.
const OBSERVED_MOST: usize = 64;

/// 4 KiB: a sentence, and the names of attributes.
const DETAIL_BYTES_MOST: usize = 4 << 10;

/// A day: what waits for longer is looked at by the scan.
const WAIT_MS_MOST: u64 = 86_400_000;

#[cfg(test)]
mod hostile;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Stage; 5] =
        [Stage::Claimed, Stage::Dispatched, Stage::Parked, Stage::Refused, Stage::Settled];

    /// The law `stage-never-moves-back`.
    #[test]
    fn what_is_settled_stays_settled() {
        for to in ALL {
            assert_eq!(may_follow(Some(Stage::Settled), to), to == Stage::Settled);
        }
    }

    #[test]
    fn what_was_sent_is_never_unsent() {
        assert!(!may_follow(Some(Stage::Dispatched), Stage::Claimed));
        assert!(!may_follow(Some(Stage::Parked), Stage::Claimed));
    }

    #[test]
    fn a_claim_is_never_written() {
        for from in [None].into_iter().chain(ALL.map(Some)) {
            assert!(!may_follow(from, Stage::Claimed));
        }
    }

    #[test]
    fn an_id_must_be_one_path_segment() {
        for wrong in ["", ".", "..", "a\r\nb", "a\0"] {
            assert!(!is_path_segment(wrong), "{wrong:?}");
        }
        assert!(is_path_segment("2819c223-7f76-453a-919d-413861904646"));
    }
}
