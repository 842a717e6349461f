//! The nouns of the contract, as plain data: `wit/types.wit` in Rust.
//!
//! Nothing here decides. No type is generated: a line of names for each says what it looks like outside.

use alloc::{string::String, vec::Vec};

use crate::form::{names, record, variant};

/// JSON text. One resource, one `PatchOp`, one policy: what it holds is said where it is used.
pub type Document = String;

/// A keyed digest made by the host, as lower-case hexadecimal text.
pub type Tag = String;

/// Milliseconds since 1970-01-01T00:00Z.
pub type UnixMillis = u64;

/// The id of an entry, 1 to 64 visible ASCII characters, made by the host. It is also the public name of the decision (`Replaysafe-Decision`).
pub type EntryId = String;

/// The id of an identity, 1 to 64 visible ASCII characters, made by the host.
pub type IdentityId = String;

/// A name with its value: room for growth, and what is known about a target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field {
    /// The name, in lower case.
    pub name: String,
    /// The value, as text.
    pub value: String,
}

/// What a request does, as in RFC 7644 section 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// POST on the endpoint of a resource type.
    Create,
    /// PUT on a resource.
    Replace,
    /// PATCH on a resource.
    Patch,
    /// DELETE on a resource.
    Delete,
}

/// Within what a name or key is unique (S1). Nothing crosses a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Whose data this is.
    pub tenant: String,
    /// The system that is provisioned into.
    pub target: String,
    /// Whose external ids these are: the "provisioning domain" of RFC 7643 section 3.1.
    pub source: String,
    /// Who earns receipts. It scopes given keys, and nothing else.
    pub principal: String,
}

/// One provisioning request, as its client sent it.
///
/// Secrets must have been lifted out of `body` first: see `lifecycle.secret-paths`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Within what its key and names are unique.
    pub scope: Scope,
    /// What it does.
    pub method: Method,
    /// The name of the resource type, for example `User` (RFC 7643 section 6).
    pub resource_type: String,
    /// The target's id of the resource; none for a create.
    pub id: Option<String>,
    /// The resource or the `PatchOp`; none for a delete. An invalid document is the outcome `malformed`, never a trap.
    pub body: Option<Document>,
    /// The `Idempotency-Key` that the client gave, unquoted, 1 to 255 visible ASCII characters (draft-ietf-httpapi-idempotency-key-header).
    pub key: Option<String>,
    /// The source's own order for this resource (S20): a sequence number or watermark that only grows. Never the target's `ETag`.
    pub version: Option<u64>,
    /// The client's own `If-Match`, as sent.
    pub if_match: Option<String>,
    /// When the host first saw the request.
    pub received_at: UnixMillis,
    /// Room for growth. Known in 0.1.0: `attributes` and `excluded-attributes` (the query parameters of RFC 7644 section 3.9, as sent).
    pub extra: Vec<Field>,
}

/// How a name is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameKind {
    /// The target's id: belongs to one identity only.
    TargetId,
    /// The source's external id: belongs to one identity only.
    ExternalId,
    /// A correlation value, such as a user name, in its coarsest form: identities may share it where the target allows it.
    Correlation,
    /// Nothing identifies the resource: the request itself does, within the replay window (S2).
    Weak,
}

/// What a resource may be known by. Names are leased, so that one request at a time works on each (S8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// How it is used.
    pub kind: NameKind,
    /// Framed text, to be turned into a tag by the host. It holds personal data: never store or log it.
    pub material: String,
}

/// What the host needs to know of a request before it looks into its ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identification {
    /// Framed text of the given key in its scope; none if the client gave none.
    pub key_material: Option<String>,
    /// Framed text of what is asked: operation, resource and fingerprint (S2, S3). Equal requests have equal material.
    pub statement_material: String,
    /// Names of the resource, in canonical order. All are leased before the ledger is read.
    pub names: Vec<Name>,
    /// The request takes access away, judged by its form (S14c): it does not wait for others.
    pub safe_way: bool,
    /// A look at the target which proves that the credential is accepted (S1).
    pub proof: Question,
    /// Room for growth.
    pub extra: Vec<Field>,
}

/// The tags that the host made of an identification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    /// Of `key-material`.
    pub key: Option<Tag>,
    /// Of `statement-material`.
    pub statement: Tag,
    /// Of `names`, in the same order.
    pub names: Vec<Tag>,
}

/// How far an entry has come. A stage never moves back; the host refuses a write that would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing has left the host: anyone may take over when the lease has lapsed.
    Claimed,
    /// The effect may have reached the target: its outcome is unknown until it is observed. An entry whose client was answered stays here while it is looked after (S11, S14c): settle it when `wake-at` has come.
    Dispatched,
    /// Absence cannot be proved, or proofs contradict: a person, a policy or a late proof decides.
    Parked,
    /// Ended without an effect of its own: refused.
    Refused,
    /// Ended as `done`, `already-satisfied` or `adopted`: the receipt stands.
    Settled,
}

/// The record of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// The identity that it is about; none until one is known.
    pub identity: Option<IdentityId>,
    /// The tag of its given key.
    pub key: Option<Tag>,
    /// The tag of what it asks.
    pub statement: Tag,
    /// How far it has come.
    pub stage: Stage,
    /// When the scan has to look at it next; none: never.
    pub wake_at: Option<UnixMillis>,
    /// The component's own record, format `entry`. The host stores it encrypted and does not look inside.
    pub state: Document,
}

/// Who a resource is, whatever it is called today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub id: IdentityId,
    /// How often its holder has changed: a write with an older fence is refused by the ledger.
    pub fence: u64,
    /// Which life of it this is: 1, then one more after each deletion and legitimate return.
    pub incarnation: u64,
    /// The component's own record, format `identity`. The host stores it encrypted and does not look inside.
    pub state: Document,
}

/// An identity that a name of the request led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The identity.
    pub identity: Identity,
    /// Which names led to it: positions in `identification.names`, ascending.
    pub by: Vec<u32>,
}

/// What the ledger holds that bears on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The entry with this given key.
    pub by_key: Option<Entry>,
    /// The latest entry that asked the same (equal statement tag).
    pub by_statement: Option<Entry>,
    /// The identities that the request's names lead to, and those of `by_key` and `by_statement`, whatever they are called by now: each once, ordered by id.
    pub holders: Vec<Holder>,
    /// Entries at stage `dispatched` or `parked` of these identities, oldest first.
    pub open: Vec<Entry>,
}

/// What is asked of the target, and read only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The resource with this id: `GET /{endpoint}/{id}`.
    ById(ById),
    /// The resources whose attribute equals a value: `GET /{endpoint}?filter={attribute} eq "{value}"`.
    Search(Search),
    /// All resources of a type, page by page, each page reduced by `lifecycle.matches`.
    All(String),
}

/// One resource, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ById {
    /// The name of the resource type.
    pub resource_type: String,
    /// The target's id.
    pub id: String,
}

/// Resources by an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The name of the resource type.
    pub resource_type: String,
    /// The attribute, as the schema spells it.
    pub attribute: String,
    /// The value, unquoted.
    pub value: String,
}

/// A complete answer of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetAnswer {
    /// The HTTP status, 100 to 599.
    pub status: u16,
    /// `Location`, as sent.
    pub location: Option<String>,
    /// `ETag`, as sent.
    pub etag: Option<String>,
    /// `Content-Type`, as sent.
    pub content_type: Option<String>,
    /// Seconds of `Retry-After`, at most 86400.
    pub retry_after: Option<u32>,
    /// The body, secrets lifted out; none if it was empty or no UTF-8 text.
    pub body: Option<String>,
    /// Room for growth.
    pub extra: Vec<Field>,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The target answered the question by id, whatever its status.
    Answered(TargetAnswer),
    /// The resources that came, complete: each once, as documents. A target may have ignored the filter: the component checks again.
    Listed(Vec<Document>),
    /// The target refused to list or search, with this answer.
    Refused(TargetAnswer),
    /// No complete answer came: nothing is known.
    Nothing,
}

/// One look at the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What was asked.
    pub question: Question,
    /// When the question was sent.
    pub asked_at: UnixMillis,
    /// When the answer was complete.
    pub seen_at: UnixMillis,
    /// What came.
    pub sight: Sight,
}

/// What the executor saw happen to an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A complete answer came, whatever its status.
    Answered(TargetAnswer),
    /// No byte of the request was written: name, connect or TLS failed. Nothing has happened.
    NotSent(String),
    /// Bytes were written and no complete answer came: it may have happened, may yet happen, or never.
    Unknown(String),
}

/// A report: what was sent when, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When sending began.
    pub sent_at: UnixMillis,
    /// When the answer was complete or given up.
    pub ended_at: UnixMillis,
    /// What was seen.
    pub outcome: Outcome,
}

/// What is known apart from request and ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The policy, format `policy` (S45); `{}` is the default policy.
    pub policy: Document,
    /// What `lifecycle.read-schema` made of the target's discovery answers; `{}`: the core schemas of RFC 7643.
    pub schema: Document,
    /// The profile of the target (S40): what was declared, learned or measured. An unknown name is ignored.
    pub profile: Vec<Field>,
}

/// All that a decision rests on. Equal situations give equal steps, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// The request.
    pub request: Request,
    /// Its tags.
    pub tags: Tags,
    /// What the ledger holds.
    pub found: Found,
    /// What was seen of the target since the names were leased, in order.
    pub observed: Vec<Observation>,
    /// Policy, schema, profile.
    pub settings: Settings,
    /// The time.
    pub now: UnixMillis,
    /// The id to use if a new entry is made. The same until the request is answered.
    pub new_entry: EntryId,
    /// The id to use if a new identity is made. The same until the request is answered.
    pub new_identity: IdentityId,
    /// Room for growth.
    pub extra: Vec<Field>,
}

/// The body of an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectBody {
    /// No body.
    Empty,
    /// The client's own body, byte for byte.
    AsSent,
    /// This document, into which the host puts the lifted secrets back.
    Document(Document),
}

/// One call to the target that changes it.
///
/// The host builds method, URL and headers from these parts and from nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The verb.
    pub method: Method,
    /// The name of the resource type: must be the request's.
    pub resource_type: String,
    /// The target's id; none for a create.
    pub id: Option<String>,
    /// The body.
    pub body: EffectBody,
    /// A precondition of our own, or the client's: an entity tag as the target spelled it.
    pub if_match: Option<String>,
}

/// An identity as it is to be written, with every name that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityWrite {
    /// The record; its fence is the one that was read, and the ledger adds one.
    pub identity: Identity,
    /// All names that lead to it from now on. None: as they are.
    pub names: Option<Vec<Name>>,
}

/// What is written in one transaction, or not at all (S7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The entry.
    pub entry: Entry,
    /// The identities.
    pub identities: Vec<IdentityWrite>,
    /// What was learned about the target: each replaces the value under its name.
    pub learned: Vec<Field>,
}

/// What became of a request: `answer.verdict`. Listed in order of precedence: where several apply, the first is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The request breaks a rule of form: `answer.detail` says which.
    Malformed,
    /// The body is larger than a limit.
    TooLarge,
    /// The media type is none that can be read.
    WrongType,
    /// The key was used for another request (S4).
    KeyReused,
    /// The key is known, its receipt has expired (S10).
    OutsideWindow,
    /// Another request on the same names was under way for the whole wait (S5).
    InFlight,
    /// The identity waits for a person, a policy or a late proof (S41).
    Parked,
    /// An item that this one depends on has failed (S31).
    BlockedBy,
    /// Over the guard: waits for an approval (S33).
    Staged,
    /// The policy refuses requests that identify nothing (S2).
    WeakIdentity,
    /// A delta that contradicts itself (S27).
    Contradiction,
    /// The client's own precondition failed (S25).
    PreconditionFailed,
    /// A later version has settled on what it states, or this very request has, and it does not hold any more (S20).
    Stale,
    /// Two requests carry one version and ask different things of one value (S20).
    VersionConflict,
    /// It would give back what was taken away since (S2a): send a key or a version.
    Superseded,
    /// It belongs to the life before a deletion (S21).
    SupersededByDeletion,
    /// Several resources match (S16): none was touched.
    Ambiguous,
    /// The resource belongs to another source (S17).
    FoundAlreadyLinked,
    /// A create on a resource that differs, or a value that another resource holds (S16, S19).
    Conflict,
    /// A repeat would widen or extend a grant (S28).
    WouldWiden,
    /// Another source still wants the grant (S28).
    HeldBy,
    /// The target refused: `answer.target` is its own answer.
    Refused,
    /// Taking access away could not be carried out (S29): listed, never dropped.
    Irrevocable,
    /// The outcome could not be seen in time: the same request again attaches to it.
    Unresolved,
    /// The target or the ledger could not be reached: nothing has happened.
    Unavailable,
    /// It already is as asked: nothing was sent.
    AlreadySatisfied,
    /// A resource that exists became this identity's: nothing was created (S18). It was changed where policy says so (S19): then `changed` is set.
    Adopted,
    /// A disabled resource was switched on again, for a return or by policy (S22).
    Reactivated,
    /// The target accepted, and what it did could not be read in time (S11).
    AcceptedUnverified,
    /// Sent as it came, uninterpreted (S25): schema validation is the target's.
    Opaque,
    /// The effect was made and seen.
    Done,
}

/// How a client should go on (S37).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Retry {
    /// Nothing is left to do.
    None,
    /// The same request, with the same key, at any time.
    SameKey,
    /// The same request after `answer.retry-after` seconds.
    After,
    /// A new key or a version says that this is a new wish.
    NewKey,
    /// The request must be changed first.
    FixInput,
    /// A person has to look.
    Person,
}

/// On what a verdict rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Nothing was needed: form, ledger or policy decided.
    Ledger,
    /// The target was read and shows it.
    Read,
    /// The target's own answer to the effect, not read back.
    Response,
    /// No evidence: nothing is claimed.
    None,
}

/// Whether the resource has moved on since the receipt was earned (S9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Divergence {
    /// Not that the ledger knows.
    No,
    /// Something else has settled on it since.
    Changed,
    /// It was deleted since.
    Deleted,
}

/// What the client is told; kept as the receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What became of it.
    pub verdict: Verdict,
    /// The decision that this answer belongs to: a replay names the first.
    pub decision: EntryId,
    /// The target was changed by this decision. Publish a change event once per decision.
    pub changed: bool,
    /// This answer was given before.
    pub replayed: bool,
    /// Whether the resource has moved on since.
    pub diverged: Divergence,
    /// The target's answer to repeat to the client: to the effect, or, for an adopted resource, to the read.
    pub target: Option<TargetAnswer>,
    /// The HTTP status that the first answer had, if it is to be repeated; else none.
    pub status: Option<u16>,
    /// How to go on.
    pub retry: Retry,
    /// Seconds to wait; set where `retry` is `after` or `same-key`.
    pub retry_after: Option<u32>,
    /// On what it rests.
    pub evidence: Evidence,
    /// One sentence for a person: what happened and what to do. Attribute names and resource ids only, never values.
    pub detail: String,
    /// Names of attributes that the verdict is about: differing, not kept, left out.
    pub attributes: Vec<String>,
    /// Room for growth. Known in 0.1.0: `not-kept` (names, comma separated), `absence` (`unproved`), `candidates` (ids), `scim-type`, `secret-differs` (`true`: the secret that this repeat of a create states was not written).
    pub notes: Vec<Field>,
}

/// What the host does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Answer the client. The request is at its end.
    Answer(Answer),
    /// Look at the target, add what was seen to `situation.observed`, and call the same function again.
    Ask(Vec<Question>),
    /// Lease these names too: release all, lease all together, read the ledger again, start over.
    Claim(Vec<Name>),
    /// Finish this open entry first (`settle` with its own request), then start over (S14a).
    Resolve(EntryId),
    /// Nothing can be known before this time: keep the names if it is near, else let them go; then call the same function again with nothing observed.
    Wait(UnixMillis),
    /// Send this effect once, never again on your own, and call `settle` with the report.
    Apply(Effect),
}

/// One step: write first, then act. If the write fails, nothing is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to write, in one transaction, before the action.
    pub write: Option<Write>,
    /// What to do.
    pub action: Action,
}

/// A broken contract: the host's mistake, not the client's. A refused request is no error but an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractError {
    /// A stable code in kebab case: `policy`, `schema`, `state`, `tags`, `id`, `unknown-function`, `json`.
    pub code: String,
    /// One sentence for a person.
    pub detail: String,
}

// The JSON form of each, in the same order.
record!(Field { name, value });
names!(Method { Create, Replace, Patch, Delete });
record!(Scope { tenant, target, source, principal });
record!(Request {
    scope,
    method,
    resource_type,
    id,
    body,
    key,
    version,
    if_match,
    received_at,
    extra: Empty
});
names!(NameKind { TargetId, ExternalId, Correlation, Weak });
record!(Name { kind, material });
record!(Identification { key_material, statement_material, names, safe_way, proof, extra: Empty });
record!(Tags { key, statement, names });
names!(Stage { Claimed, Dispatched, Parked, Refused, Settled });
record!(Entry { id, identity, key, statement, stage, wake_at, state });
record!(Identity { id, fence, incarnation, state });
record!(Holder { identity, by });
record!(Found { by_key, by_statement, holders, open });
variant!(Question { ById(by), Search(by), All(kind) });
record!(ById { resource_type, id });
record!(Search { resource_type, attribute, value });
record!(TargetAnswer { status, location, etag, content_type, retry_after, body, extra: Empty });
variant!(Sight { Answered(answer), Listed(documents), Refused(answer), Nothing });
record!(Observation { question, asked_at, seen_at, sight });
variant!(Outcome { Answered(answer), NotSent(why), Unknown(why) });
record!(Report { sent_at, ended_at, outcome });
record!(Settings { policy, schema, profile });
record!(Situation {
    request,
    tags,
    found,
    observed,
    settings,
    now,
    new_entry,
    new_identity,
    extra: Empty
});
variant!(EffectBody { Empty, AsSent, Document(document) });
record!(Effect { method, resource_type, id, body, if_match });
record!(IdentityWrite { identity, names });
record!(Write { entry, identities, learned: Empty });
names!(Verdict {
    Malformed,
    TooLarge,
    WrongType,
    KeyReused,
    OutsideWindow,
    InFlight,
    Parked,
    BlockedBy,
    Staged,
    WeakIdentity,
    Contradiction,
    PreconditionFailed,
    Stale,
    VersionConflict,
    Superseded,
    SupersededByDeletion,
    Ambiguous,
    FoundAlreadyLinked,
    Conflict,
    WouldWiden,
    HeldBy,
    Refused,
    Irrevocable,
    Unresolved,
    Unavailable,
    AlreadySatisfied,
    Adopted,
    Reactivated,
    AcceptedUnverified,
    Opaque,
    Done
});
names!(Retry { None, SameKey, After, NewKey, FixInput, Person });
names!(Evidence { Ledger, Read, Response, None });
names!(Divergence { No, Changed, Deleted });
record!(Answer {
    verdict,
    decision,
    changed,
    replayed,
    diverged,
    target,
    status,
    retry,
    retry_after,
    evidence,
    detail,
    attributes,
    notes: Empty
});
variant!(Action { Answer(answer), Ask(questions), Claim(names), Resolve(entry), Wait(until), Apply(effect) });
record!(Step { write, action });
record!(ContractError { code, detail });
