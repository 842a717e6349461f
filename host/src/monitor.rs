//! The reference monitor: may the host do what the component asks for (S43)?
//!
//! The component is not trusted. Whatever it says, the host writes only legal stages, touches only what
//! the request names, and sends only what can be built from typed parts. Nothing here decides what is
//! right, only what is allowed.

use thiserror::Error;

use crate::contract::{
    Action, Answer, Effect, EffectBody, Entry, Evidence, Method, NameKind, Question, Situation,
    Stage, Step, Verdict, Write,
};

/// Checks a step of `admit`, `decide` or `settle` before anything of it is done.
///
/// # Errors
///
/// The first rule that it breaks. The step must then be thrown away whole.
pub fn check(situation: &Situation, step: &Step) -> Result<(), Violation> {
    if let Some(write) = &step.write {
        check_write(situation, write)?;
    }
    match &step.action {
        Action::Apply(effect) => {
            // INVARIANT: no effect without its record.
            let written = step.write.as_ref().map(|write| &write.entry);
            let entry = written.ok_or(Violation::Unrecorded)?;
            if entry.stage != Stage::Dispatched {
                return Err(Violation::Unrecorded);
            }
            check_effect(situation, effect)
        }
        Action::Answer(answer) => check_answer(answer),
        Action::Ask(questions) => check_questions(situation, questions),
        Action::Claim(names) => {
            let small = names.iter().all(|name| name.material.len() <= MATERIAL_BYTES_MOST);
            hold(names.len() <= NAMES_MOST && small, Violation::Size)
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

fn check_write(situation: &Situation, write: &Write) -> Result<(), Violation> {
    let entry = &write.entry;
    let known = known_entries(situation).find(|known| known.id == entry.id);
    if known.is_none() && entry.id != situation.new_entry {
        return Err(Violation::Foreign);
    }
    hold(may_follow(known.map(|known| known.stage), entry.stage), Violation::Stage)?;
    let kept =
        known.is_none_or(|known| known.key == entry.key && known.statement == entry.statement);
    let own = known.is_some()
        || (entry.statement == situation.tags.statement && entry.key == situation.tags.key);
    hold(kept && own, Violation::Foreign)?;
    hold(entry.state.len() <= STATE_BYTES_MOST, Violation::Size)?;
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
        let small = names.iter().all(|name| name.material.len() <= MATERIAL_BYTES_MOST);
        hold(names.len() <= NAMES_MOST && small, Violation::Size)?;
        let ids = names.iter().filter(|name| name.kind == NameKind::TargetId).count();
        hold(ids <= 1, Violation::Foreign)?;
    }
    let small = |text: &str| text.len() <= FACT_BYTES_MOST;
    let learned = write.learned.iter().all(|fact| small(&fact.name) && small(&fact.value));
    hold(write.learned.len() <= FACTS_MOST && learned, Violation::Size)
}

/// The stages that may follow each stage: written apart from the component, which has its own table.
fn may_follow(from: Option<Stage>, to: Stage) -> bool {
    match from {
        None | Some(Stage::Claimed | Stage::Refused) => to != Stage::Parked,
        Some(Stage::Dispatched) => to != Stage::Claimed,
        Some(Stage::Parked) => to != Stage::Claimed,
        Some(Stage::Settled) => to == Stage::Settled,
    }
}

fn check_effect(situation: &Situation, effect: &Effect) -> Result<(), Violation> {
    let request = &situation.request;
    hold(effect.resource_type == request.resource_type, Violation::Effect)?;
    let same = effect.method == request.method && effect.id == request.id;
    // A return on a target that deactivates: a create goes out as an update of what was seen (S22).
    let returns = request.method == Method::Create
        && matches!(effect.method, Method::Replace | Method::Patch)
        && effect.id.as_deref().is_some_and(|id| was_seen(situation, id));
    hold(same || returns, Violation::Effect)?;
    if let Some(id) = &effect.id {
        hold(is_path_segment(id), Violation::Text)?;
    }
    if let Some(tag) = &effect.if_match {
        let visible = tag.bytes().all(|byte| (0x20..=0x7e).contains(&byte) || 0x80 <= byte);
        hold(visible && tag.len() <= HEADER_BYTES_MOST, Violation::Text)?;
    }
    match &effect.body {
        EffectBody::Document(document) => hold(document.len() <= BODY_BYTES_MOST, Violation::Size),
        EffectBody::Empty | EffectBody::AsSent => Ok(()),
    }
}

fn was_seen(situation: &Situation, id: &str) -> bool {
    situation.observed.iter().any(|seen| match &seen.question {
        Question::ById(by) => by.id == id,
        Question::Search(_) | Question::All(_) => false,
    }) || known_entries(situation).any(|entry| entry.id == situation.new_entry)
}

fn is_path_segment(id: &str) -> bool {
    let dots = id.bytes().all(|byte| byte == b'.');
    !id.is_empty() && id.len() <= ID_BYTES_MOST && !dots && !id.chars().any(char::is_control)
}

fn check_questions(situation: &Situation, questions: &[Question]) -> Result<(), Violation> {
    hold((1..=QUESTIONS_MOST).contains(&questions.len()), Violation::Size)?;
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
    }
    Ok(())
}

fn check_answer(answer: &Answer) -> Result<(), Violation> {
    let status = |status: u16| (100..600).contains(&status);
    let fits = answer.status.is_none_or(status)
        && answer.target.as_ref().is_none_or(|target| status(target.status));
    hold(fits, Violation::Text)?;
    let plain = |text: &str, most: usize| text.len() <= most && !text.chars().any(char::is_control);
    let notes = answer
        .notes
        .iter()
        .all(|note| plain(&note.name, HEADER_BYTES_MOST) && plain(&note.value, DETAIL_BYTES_MOST));
    let text = plain(&answer.detail, DETAIL_BYTES_MOST) && plain(&answer.decision, ID_BYTES_MOST);
    hold(text && notes, Violation::Text)?;
    let success = matches!(
        answer.verdict,
        Verdict::Done
            | Verdict::Opaque
            | Verdict::AlreadySatisfied
            | Verdict::Adopted
            | Verdict::Reactivated
    );
    hold(!success || answer.replayed || answer.evidence != Evidence::None, Violation::Evidence)
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

/// 16 questions: one for each name, and one by id.
const QUESTIONS_MOST: usize = 16;

/// 256 bytes: four times the longest id that was seen at a target.
const ID_BYTES_MOST: usize = 256;

/// 1 KiB: an entity tag.
const HEADER_BYTES_MOST: usize = 1 << 10;

/// 4 KiB: a sentence, and the names of attributes.
const DETAIL_BYTES_MOST: usize = 4 << 10;

/// A day: what waits for longer is looked at by the scan.
const WAIT_MS_MOST: u64 = 86_400_000;

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
    fn an_id_must_be_one_path_segment() {
        for wrong in ["", ".", "..", "a\r\nb", "a\0"] {
            assert!(!is_path_segment(wrong), "{wrong:?}");
        }
        assert!(is_path_segment("2819c223-7f76-453a-919d-413861904646"));
    }
}
