//! Steps that a component must not give (catalogue no 54): the monitor refuses each whole, and nothing else suffers.
//!
//! Each is the shipped component's own step of a real request, but for what the table says. `src/monitor/hostile.rs`
//! has more of them, as values. No step can name another tenant or principal, a URL or a header: there is no place
//! for one in the contract.

use replaysafe::{call::Call, contract::Verdict, ledger::Ledger as _};
use serde_json::json;

use crate::{
    compiled::guest as honest,
    failures, note_failure,
    service::Strangers,
    tricks::{
        self, Act, Change,
        Change::{Case, Long, Many, Number, Text},
        Trick, guest,
    },
    world::{Faults, World, create, delete, insist, patch, with_credential, with_key},
};

/// A step that is refused.
pub(crate) struct Forged {
    pub(crate) trick: Trick,
    request: Request,
    refused: &'static str,
}

/// The request that the step belongs to.
#[derive(Clone, Copy)]
enum Request {
    Hire,
    Rename,
    /// A rename to the name that is there.
    Keep,
    Leave,
    /// A rename that the target refuses.
    Refused,
}

impl Request {
    fn call(self) -> Call {
        let rename = |name| patch("u1", "displayName", &json!(name));
        match self {
            Self::Hire => create("bob"),
            Self::Rename => rename("Ada L."),
            Self::Keep => rename("Ada"),
            Self::Leave => delete("u1"),
            Self::Refused => with_credential(rename("Ada L."), "Bearer reader"),
        }
    }

    /// How it ends, and what is sent for that.
    fn ends(self) -> (Verdict, Option<&'static str>) {
        match self {
            Self::Hire => (Verdict::Done, Some("POST")),
            Self::Rename => (Verdict::Done, Some("PATCH u1")),
            Self::Keep => (Verdict::AlreadySatisfied, None),
            Self::Leave => (Verdict::Done, Some("DELETE u1")),
            Self::Refused => (Verdict::Refused, None),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_forged_step_costs_one_answer() {
    for forged in FORGED {
        Box::pin(check(forged)).await;
    }
}

async fn check(forged: &Forged) {
    let Trick { name, function, .. } = forged.trick;
    let mut world = World::new().with_guest(guest());
    world.on_failure = note_failure;
    world.service.admit(&["Bearer token"], 403);
    world.service.show_strangers(Strangers::ShownAll);
    let process = world.start(&Faults::default());
    for call in [create("ada"), patch("u1", "displayName", &json!("Ada"))] {
        assert_eq!(insist(&process, &call).await.verdict, Verdict::Done);
    }
    let (verdict, effect) = forged.request.ends();
    let call = with_key(forged.request.call(), &"k".repeat(tricks::length(name)));

    let answer = process.provision(call.clone()).await;
    assert_eq!((answer.verdict, answer.changed), (Verdict::Unavailable, false), "{name}");
    assert_eq!(answer.target, None, "{name}");
    let said = format!("the component's step was refused: {}", forged.refused);
    assert_eq!(failures(), [said], "{name}");
    // Of what `settle` is refused, the effect is recorded and sent before; of the others nothing is.
    let sent = effect.filter(|_| function == "settle");
    let expected = [Some("POST"), Some("PATCH u1"), sent];
    assert_eq!(world.service.sent(), expected.into_iter().flatten().collect::<Vec<_>>(), "{name}");
    // The same process and component go on with what others ask.
    let other = insist(&process, &with_key(create("eve"), "other")).await;
    assert_eq!(other.verdict, Verdict::Done, "{name}");
    drop(process);

    let world = world.with_guest(honest());
    let process = world.start(&Faults::default());
    let answer = insist(&process, &call).await;
    assert_eq!(answer.verdict, verdict, "{name}: {}", answer.detail);
    let mut sent = world.service.sent();
    sent.sort_unstable();
    let mut expected: Vec<_> =
        ["POST", "PATCH u1", "POST"].into_iter().chain(effect).map(str::to_owned).collect();
    expected.sort_unstable();
    assert_eq!(sent, expected, "{name}");
    assert_eq!(process.ledger().audit().await.unwrap(), [], "{name}");
}

const fn forged(
    name: &'static str,
    (function, action): (&'static str, &'static str),
    request: Request,
    changes: &'static [Change],
    refused: &'static str,
) -> Forged {
    Forged { trick: Trick { name, function, act: Act::Forges(action, changes) }, request, refused }
}

/// Each step with the rule that refuses it.
pub(crate) const FORGED: &[Forged] = &[
    // ---- what is sent
    forged("another id", SENDS, Rename, &[Text("action.apply.id", "u2")], EFFECT),
    forged("a path", SENDS, Rename, &[Text("action.apply.id", "../Groups/1")], EFFECT),
    forged("no id to delete", SENDS, Leave, &[Case("action.apply.id", "none")], EFFECT),
    forged("a deletion", SENDS, Rename, &[Case("action.apply.method", "delete")], EFFECT),
    forged("a second one", SENDS, Rename, &[Case("action.apply.method", "create")], EFFECT),
    forged("another type", SENDS, Rename, &[Text("action.apply.resource-type", "Group")], EFFECT),
    forged("a URL", SENDS, Rename, &[Text("action.apply.resource-type", "http://x/")], EFFECT),
    forged("no body", SENDS, Rename, &[Case("action.apply.body", "empty")], EFFECT),
    forged("somebody else's user", SENDS, Hire, REPLACES_ADA, EFFECT),
    forged("a header", SENDS, Rename, &[Text("action.apply.if-match", "\"a\"\r\nX: y")], TEXT),
    forged("a large body", SENDS, Rename, LARGE_BODY, SIZE),
    // ---- what is written before
    forged("no record", SENDS, Rename, &[Case("write", "none")], UNRECORDED),
    forged("sent as settled", SENDS, Rename, &[Case("write.entry.stage", "settled")], STAGE),
    forged("sent as claimed", SENDS, Rename, &[Case("write.entry.stage", "claimed")], STAGE),
    forged("never looked at", SENDS, Rename, &[Case("write.entry.wake-at", "none")], WAIT),
    forged("another entry", SENDS, Rename, &[Text("write.entry.id", "e")], FOREIGN),
    forged("another statement", SENDS, Rename, &[Text("write.entry.statement", "s")], FOREIGN),
    forged("another key", SENDS, Rename, &[Text("write.entry.key", "k")], FOREIGN),
    forged("another identity", SENDS, Rename, &[Text("write.entry.identity", "i")], FOREIGN),
    forged(
        "their identity",
        SENDS,
        Rename,
        &[Text("write.identities.0.identity.id", "i")],
        FOREIGN,
    ),
    forged("a fence", SENDS, Rename, &[Number("write.identities.0.identity.fence", 99)], FENCE),
    forged("a life", SENDS, Rename, &[Number("write.identities.0.identity.incarnation", 9)], LIFE),
    forged("a stolen name", SENDS, Rename, &[Many("write.identities.0.names", 1)], FOREIGN),
    forged("10,000 names", SENDS, Rename, &[Many("write.identities.0.names", 10_000)], SIZE),
    forged("10,000 identities", SENDS, Rename, &[Many("write.identities", 10_000)], SIZE),
    forged("10,000 facts", SENDS, Rename, &[Many("write.learned", 10_000)], SIZE),
    // ---- what is asked
    forged("10,000 questions", ASKS, Rename, &[Many("action.ask", 10_000)], SIZE),
    forged("about a group", ASKS, Rename, &ask("Group", "u1"), QUESTION),
    forged("about somebody else", ASKS, Hire, &ask("User", "u1"), QUESTION),
    forged("about a folder", ASKS, Rename, &ask("User", ".."), TEXT),
    forged("a parameter", ASKS, Hire, PARAMETER, TEXT),
    forged("10,000 claims", ASKS, Hire, &[Case("action", "claim"), Many(CLAIMED, 10_000)], SIZE),
    forged("their end", ASKS, Hire, &[Case("action", "resolve"), Text(RESOLVED, "e")], FOREIGN),
    forged("for ever", ASKS, Hire, &[Case("action", "wait"), Number(AWAITED, i64::MAX)], WAIT),
    // ---- what is told
    forged("done unsent", TELLS, Keep, &[Case("action.answer.verdict", "done")], EVIDENCE),
    forged("changed unsent", TELLS, Keep, &[Number("action.answer.changed", 1)], EVIDENCE),
    forged("unseen", TELLS, Keep, &[Case("action.answer.evidence", "none")], EVIDENCE),
    forged("another decision", TELLS, Keep, &[Text("action.answer.decision", "e")], FOREIGN),
    forged(
        "a cookie",
        SETTLES,
        Rename,
        &[Text("action.answer.target.location", "x\r\nY: z")],
        TEXT,
    ),
    forged("a line", SETTLES, Rename, &[Text("action.answer.target.etag", "\"a\"\nY: z")], TEXT),
    forged("a type", SETTLES, Rename, &[Text("action.answer.target.content-type", "a\0")], TEXT),
    forged("status 99", SETTLES, Rename, &[Number("action.answer.target.status", 99)], TEXT),
    forged("come never", SETTLES, Rename, &[Number("action.answer.retry-after", 1 << 30)], WAIT),
    forged("done unwritten", SETTLES, Rename, &[Case("write", "none")], EVIDENCE),
    forged("moved back", SETTLES, Rename, &[Case("write.entry.stage", "claimed")], STAGE),
    forged("done as refused", SETTLES, Rename, &[Case("write.entry.stage", "refused")], STAGE),
    forged("refused as done", SETTLES, Refused, &[Case("action.answer.verdict", "done")], STAGE),
    forged("their settlement", SETTLES, Rename, &[Text("write.entry.id", "e")], FOREIGN),
    forged("a claim at the end", SETTLES, Rename, CLAIMS, ACTION),
];

use Request::{Hire, Keep, Leave, Refused, Rename};

const ASKS: (&str, &str) = ("admit", "ask");
const SENDS: (&str, &str) = ("decide", "apply");
const TELLS: (&str, &str) = ("decide", "answer");
const SETTLES: (&str, &str) = ("settle", "answer");

const EFFECT: &str = "the step's effect is not the request's";
const TEXT: &str = "the step has text that may not be used where it stands";
const SIZE: &str = "the step has more of something than is allowed";
const UNRECORDED: &str = "the step sends what it does not record";
const STAGE: &str = "the step moves a stage that may not move so";
const WAIT: &str = "the step waits for longer than a day";
const FOREIGN: &str = "the step writes what it was not given";
const FENCE: &str = "the step changes a fence";
const LIFE: &str = "the step changes an incarnation by more than one";
const QUESTION: &str = "the step asks about another resource type";
const EVIDENCE: &str = "the step claims a success without evidence";
const ACTION: &str = "the step's action may not follow here";

const CLAIMED: &str = "action.claim";
const RESOLVED: &str = "action.resolve";
const AWAITED: &str = "action.wait";

/// A create that becomes a PUT of a user that it has not been led to (S19, S22).
const REPLACES_ADA: &[Change] = &[
    Case("action.apply.method", "replace"),
    Text("action.apply.id", "u1"),
    Case("action.apply.body", "document"),
    Text("action.apply.body.document", "{}"),
];

/// 17 MiB: the largest body of a request has 16.
const LARGE_BODY: &[Change] =
    &[Case("action.apply.body", "document"), Long("action.apply.body.document", 17 << 20)];

const PARAMETER: &[Change] = &[
    Many("action.ask", 1),
    Case("action.ask.0", "search"),
    Text("action.ask.0.search.resource-type", "User"),
    Text("action.ask.0.search.attribute", "userName&count=0"),
];

const CLAIMS: &[Change] = &[Case("write", "none"), Case("action", "claim"), Many(CLAIMED, 1)];

/// One question, by id.
const fn ask(resource_type: &'static str, id: &'static str) -> [Change; 3] {
    [
        Many("action.ask", 1),
        Text("action.ask.0.by-id.resource-type", resource_type),
        Text("action.ask.0.by-id.id", id),
    ]
}
