//! The answers, and what each says to a person (S37).

use alloc::{format, string::String, vec, vec::Vec};

use crate::types::{Answer, Divergence, EntryId, Evidence, Field, Retry, TargetAnswer, Verdict};

/// An answer with nothing in it but its verdict and what goes with every such verdict.
pub(crate) fn of(verdict: Verdict, decision: &str) -> Answer {
    Answer {
        verdict,
        decision: decision.into(),
        changed: false,
        replayed: false,
        diverged: Divergence::No,
        target: None,
        status: None,
        retry: retry(verdict),
        retry_after: match retry(verdict) {
            Retry::After => Some(RETRY_SECONDS),
            Retry::None | Retry::SameKey | Retry::NewKey | Retry::FixInput | Retry::Person => None,
        },
        evidence: Evidence::Ledger,
        detail: detail(verdict).into(),
        attributes: Vec::new(),
        notes: Vec::new(),
    }
}

/// An answer that rests on what was read.
pub(crate) fn seen(
    verdict: Verdict,
    decision: &str,
    status: Option<u16>,
    target: Option<TargetAnswer>,
) -> Answer {
    let mut answer = of(verdict, decision);
    answer.evidence = Evidence::Read;
    answer.status = status;
    answer.target = target;
    answer
}

/// Nothing is known to have happened, for a reason of its own.
pub(crate) fn unavailable(decision: &str, detail: &str) -> Answer {
    let mut answer = of(Verdict::Unavailable, decision);
    answer.detail = detail.into();
    answer
}

pub(crate) fn malformed(detail: &str, scim_type: &str) -> Answer {
    let notes = vec![note("scim-type", scim_type)];
    Answer { detail: detail.into(), notes, ..of(Verdict::Malformed, "") }
}

pub(crate) fn too_large(detail: &str) -> Answer {
    Answer { detail: detail.into(), ..of(Verdict::TooLarge, "") }
}

pub(crate) fn weak_identity() -> Answer {
    of(Verdict::WeakIdentity, "")
}

/// The target said no, with this answer.
pub(crate) fn refused(decision: &str, answer: &TargetAnswer) -> Answer {
    let status = answer.status;
    let passing = matches!(status, 401 | 403 | 429) || 500 <= status;
    Answer {
        target: Some(answer.clone()),
        evidence: Evidence::Response,
        retry: if passing { Retry::After } else { Retry::FixInput },
        retry_after: answer.retry_after.or((status == 503).then_some(RETRY_SECONDS)),
        detail: format!("the target refused with status {status}"),
        ..of(Verdict::Refused, decision)
    }
}

/// A look was answered with a status of its own failure, or with what is no resource: the target cannot be asked now, and
/// has refused nothing (S37).
pub(crate) fn unseen(decision: &str, answer: &TargetAnswer) -> Answer {
    let status = answer.status;
    if status == 501 || status != 429 && (300..500).contains(&status) {
        return refused(decision, answer);
    }
    Answer {
        evidence: Evidence::Response,
        retry_after: answer.retry_after.or(Some(RETRY_SECONDS)),
        detail: format!("the target answered a look with status {status}; nothing has happened"),
        ..of(Verdict::Unavailable, decision)
    }
}

/// Says what the resource did not keep (S11).
pub(crate) fn keeps_not(answer: &mut Answer, names: Vec<String>) {
    if names.is_empty() {
        return;
    }
    answer.notes.push(note("not-kept", &names.join(",")));
    answer.attributes.extend(names);
}

/// A receipt, told again.
pub(crate) fn replay(receipt: &Answer, diverged: Divergence) -> Answer {
    Answer { replayed: true, diverged, ..receipt.clone() }
}

pub(crate) fn ambiguous(decision: &EntryId, ids: &[String]) -> Answer {
    let notes = vec![note("candidates", &ids.join(","))];
    Answer { evidence: Evidence::Read, notes, ..of(Verdict::Ambiguous, decision) }
}

pub(crate) fn note(name: &str, value: &str) -> Field {
    Field { name: name.into(), value: value.into() }
}

/// Whether the verdict says that what was asked is so.
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

fn retry(verdict: Verdict) -> Retry {
    match verdict {
        Verdict::Malformed
        | Verdict::TooLarge
        | Verdict::WrongType
        | Verdict::Contradiction
        | Verdict::WeakIdentity
        | Verdict::Conflict
        | Verdict::Refused
        | Verdict::PreconditionFailed
        | Verdict::BlockedBy => Retry::FixInput,
        Verdict::KeyReused
        | Verdict::OutsideWindow
        | Verdict::Superseded
        | Verdict::SupersededByDeletion
        | Verdict::WouldWiden => Retry::NewKey,
        Verdict::InFlight | Verdict::Unresolved | Verdict::Unavailable | Verdict::Irrevocable => {
            Retry::After
        }
        Verdict::Parked
        | Verdict::Staged
        | Verdict::Ambiguous
        | Verdict::FoundAlreadyLinked
        | Verdict::VersionConflict
        | Verdict::HeldBy => Retry::Person,
        Verdict::Stale
        | Verdict::AlreadySatisfied
        | Verdict::Adopted
        | Verdict::Reactivated
        | Verdict::AcceptedUnverified
        | Verdict::Opaque
        | Verdict::Done => Retry::None,
    }
}

fn detail(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Malformed => "the request breaks a rule of form",
        Verdict::TooLarge => "the body is too large; send less at once",
        Verdict::WrongType => "the body must be application/scim+json or application/json in UTF-8",
        Verdict::KeyReused => {
            "this idempotency key was used for another request; send a new key for a new request"
        }
        Verdict::OutsideWindow => {
            "the receipt of this key has expired; look at the resource, and send a new key for a new request"
        }
        Verdict::InFlight => "another request on this resource is under way; try again",
        Verdict::Parked => {
            "it cannot be told whether an earlier request took effect; a person has to decide"
        }
        Verdict::BlockedBy => "a request that this one depends on has failed",
        Verdict::Staged => {
            "nothing was sent: it waits for a person's approval; after that, the same request again goes through"
        }
        Verdict::WeakIdentity => {
            "the request names no external id and no value to find the resource by; send one"
        }
        Verdict::Contradiction => "the request asks for a thing and its opposite",
        Verdict::PreconditionFailed => {
            "the resource has changed since you read it; read it again and decide again"
        }
        Verdict::Stale => "a later version has settled, or this one has and does not hold any more",
        Verdict::VersionConflict => "another request with this version asked for something else",
        Verdict::Superseded => {
            "this would give back what was taken away since; if that is what you want, send an Idempotency-Key"
        }
        Verdict::SupersededByDeletion => {
            "the resource was deleted after this was first asked; if it is to return, send a new key"
        }
        Verdict::Ambiguous => "several resources match; none was touched",
        Verdict::FoundAlreadyLinked => "the resource belongs to another source",
        Verdict::Conflict => {
            "a resource with this name exists; it differs, or policy does not let it be adopted"
        }
        Verdict::WouldWiden => "a repeat cannot widen or extend what was granted; send a new key",
        Verdict::HeldBy => "another source still grants this",
        Verdict::Refused => "the target refused",
        Verdict::Irrevocable => {
            "the target accepted the revocation and still shows what was to be taken away; look at the target, and send the revocation again"
        }
        Verdict::Unresolved => {
            "it cannot be told yet whether the request took effect; the same request again attaches to it"
        }
        Verdict::Unavailable => "the target could not be reached; nothing has happened",
        Verdict::AlreadySatisfied => "it already was as asked; nothing was sent",
        Verdict::Adopted => "the resource exists; nothing was created",
        Verdict::Reactivated => "the resource was switched on again",
        Verdict::AcceptedUnverified => {
            "the target accepted, and what it did could not be read in time"
        }
        Verdict::Opaque => "sent as it came",
        Verdict::Done => "done",
    }
}

/// 1 second: a client that waits less asks a target that had no time to change.
const RETRY_SECONDS: u32 = 1;

#[cfg(test)]
mod tests {
    use crate::ordered::BTreeSet;

    use super::*;

    /// S9: what says nothing of the request itself may be tried again as it is.
    #[test]
    fn a_refusal_says_whether_it_may_be_tried_again() {
        for status in [401, 403, 429, 500, 502, 503, 599] {
            assert_eq!(refused("e1", &answer(status)).retry, Retry::After, "{status}");
        }
        for status in [400, 404, 409, 412, 422, 499] {
            assert_eq!(refused("e1", &answer(status)).retry, Retry::FixInput, "{status}");
        }
    }

    /// RFC 9110 §10.2.3: the target's own time counts; a 503 without one has ours, and no other refusal has any.
    #[test]
    fn only_a_503_is_given_a_time_to_wait() {
        let own = TargetAnswer { retry_after: Some(7), ..answer(503) };
        assert_eq!(refused("e1", &own).retry_after, Some(7));
        assert_eq!(refused("e1", &answer(503)).retry_after, Some(RETRY_SECONDS));
        assert_eq!(refused("e1", &answer(502)).retry_after, None);
        assert_eq!(refused("e1", &answer(404)).retry_after, None);
    }

    #[test]
    fn an_answer_of_the_target_is_named_by_its_status() {
        let said = refused("e1", &answer(404));
        assert_eq!((said.verdict, said.evidence), (Verdict::Refused, Evidence::Response));
        assert_eq!(said.detail, "the target refused with status 404");
        // A look that fails is no refusal of the request (S37).
        let said = unseen("e1", &answer(502));
        assert_eq!((said.verdict, said.evidence), (Verdict::Unavailable, Evidence::Response));
        assert_eq!(said.detail, "the target answered a look with status 502; nothing has happened");
        assert_eq!(too_large("3 MiB").detail, "3 MiB");
    }

    /// S16: the candidates were read.
    #[test]
    fn several_matches_are_named_and_were_read() {
        let said = ambiguous(&"e1".into(), &["u1".into(), "u2".into()]);
        assert_eq!((said.verdict, said.evidence), (Verdict::Ambiguous, Evidence::Read));
        assert_eq!(said.notes, [note("candidates", "u1,u2")]);
    }

    #[test]
    fn each_verdict_says_something_of_its_own() {
        let said: BTreeSet<&str> = VERDICTS.into_iter().map(detail).collect();
        assert_eq!(said.len(), VERDICTS.len());
        assert!(said.iter().all(|detail| !detail.is_empty()));
    }

    const VERDICTS: [Verdict; 31] = [
        Verdict::Malformed,
        Verdict::TooLarge,
        Verdict::WrongType,
        Verdict::KeyReused,
        Verdict::OutsideWindow,
        Verdict::InFlight,
        Verdict::Parked,
        Verdict::BlockedBy,
        Verdict::Staged,
        Verdict::WeakIdentity,
        Verdict::Contradiction,
        Verdict::PreconditionFailed,
        Verdict::Stale,
        Verdict::VersionConflict,
        Verdict::Superseded,
        Verdict::SupersededByDeletion,
        Verdict::Ambiguous,
        Verdict::FoundAlreadyLinked,
        Verdict::Conflict,
        Verdict::WouldWiden,
        Verdict::HeldBy,
        Verdict::Refused,
        Verdict::Irrevocable,
        Verdict::Unresolved,
        Verdict::Unavailable,
        Verdict::AlreadySatisfied,
        Verdict::Adopted,
        Verdict::Reactivated,
        Verdict::AcceptedUnverified,
        Verdict::Opaque,
        Verdict::Done,
    ];

    fn answer(status: u16) -> TargetAnswer {
        TargetAnswer {
            status,
            location: None,
            etag: None,
            content_type: None,
            retry_after: None,
            body: None,
            extra: Vec::new(),
        }
    }
}
