//! A hostile component: each step that it might try, and the rule that stops it (catalogue no 54).

use super::*;
use crate::contract::{
    ById, Divergence, Field, Found, Holder, Identity, IdentityWrite, Name, Observation, Request,
    Retry, Scope, Search, Settings, Tags, TargetAnswer,
};

#[test]
fn honest_steps_pass() {
    check(&update(), Function::Decide, |_| (), "");
    check(&create(), Function::Decide, |step| *step = created(), "");
    check(&sent(), Function::Settle, |step| *step = settled(Verdict::Done), "");
    check(&sent(), Function::Settle, |step| *step = settled(Verdict::Superseded), "");
    check(&sent(), Function::Settle, |step| *step = waits(Stage::Dispatched), "");
    check(&sent(), Function::Settle, |step| *step = waits(Stage::Parked), "");
    check(&update(), Function::Decide, |step| *step = satisfied(), "");
    check(&returning(), Function::Decide, |step| *step = returns("7"), "");
    check(&create(), Function::Admit, |step| *step = asks(search("userName")), "");
    check(&known(), Function::Admit, |step| *step = replays("e1"), "");
}

#[test]
fn an_effect_is_the_requests_own() {
    let refused = "the step's effect is not the request's";
    let effects: [fn(&mut Effect); 6] = [
        |effect| effect.id = Some("8".into()),
        |effect| effect.id = None,
        |effect| effect.method = Method::Delete,
        |effect| effect.method = Method::Create,
        |effect| effect.resource_type = "Group".into(),
        |effect| effect.body = EffectBody::Empty,
    ];
    for change in effects {
        check(&update(), Function::Decide, |step| change(effect_of(step)), refused);
    }
    // The client's bytes are gone: nothing can be sent as it came.
    let mut without_body = update();
    without_body.extra.clear();
    check(&without_body, Function::Decide, |_| (), refused);
    let crlf = |step: &mut Step| effect_of(step).if_match = Some("\"a\"\r\nX: y".into());
    check(&update(), Function::Decide, crlf, "text that may not be used");
}

/// A create becomes an update only of what the target shows, and of an identity that is known (S22).
#[test]
fn a_create_touches_no_resource_that_was_not_shown() {
    let refused = "the step's effect is not the request's";
    check(&returning(), Function::Decide, |step| *step = returns("8"), refused);
    let mut unseen = returning();
    unseen.observed.clear();
    check(&unseen, Function::Decide, |step| *step = returns("7"), refused);
    // It shows another one than it was asked for.
    let mut other = returning();
    other.observed = vec![by_id("8", Sight::Answered(shows("7")))];
    check(&other, Function::Decide, |step| *step = returns("8"), refused);
    let mut bodiless = returning();
    bodiless.observed = vec![by_id("7", Sight::Answered(answered(200)))];
    check(&bodiless, Function::Decide, |step| *step = returns("7"), refused);
    let mut gone = returning();
    gone.observed = vec![by_id("7", Sight::Answered(answered(404)))];
    check(&gone, Function::Decide, |step| *step = returns("7"), refused);
    let mut stranger = returning();
    stranger.found.holders.clear();
    let made = |step: &mut Step| {
        *step = returns("7");
        let write = step.write.as_mut().unwrap();
        write.entry.identity = Some("i-new".into());
        write.identities = vec![identity("i-new", 0, 1)];
    };
    check(&stranger, Function::Decide, made, refused);
    // S19: a list has led to it.
    let listed = Sight::Listed(vec![r#"{"id":"7","x":{"id":"9"}}"#.into()]);
    stranger.observed.push(Observation { question: search("userName"), ..by_id("x", listed) });
    check(&stranger, Function::Decide, made, "");
    let patches = |step: &mut Step| {
        *step = returns("7");
        effect_of(step).method = Method::Patch;
    };
    check(&returning(), Function::Decide, patches, refused);
    let deletes = |step: &mut Step| {
        *step = returns("7");
        effect_of(step).method = Method::Delete;
    };
    check(&returning(), Function::Decide, deletes, refused);
    let as_sent = |step: &mut Step| {
        *step = returns("7");
        effect_of(step).body = EffectBody::AsSent;
    };
    check(&returning(), Function::Decide, as_sent, refused);
}

#[test]
fn nothing_is_sent_without_its_record() {
    let refused = "the step sends what it does not record";
    check(&update(), Function::Decide, |step| step.write = None, refused);
    for stage in [Stage::Settled, Stage::Refused, Stage::Claimed] {
        let change = |step: &mut Step| entry_of(step).stage = stage;
        check(&update(), Function::Decide, change, "moves a stage that may not move so");
    }
    let never = |step: &mut Step| entry_of(step).wake_at = None;
    check(&update(), Function::Decide, never, "waits for longer than a day");
    let late = |step: &mut Step| entry_of(step).wake_at = Some(u64::MAX);
    check(&update(), Function::Decide, late, "waits for longer than a day");
}

#[test]
fn nothing_is_written_that_was_not_given() {
    let refused = "the step writes what it was not given";
    let writes: [fn(&mut Step); 5] = [
        |step| entry_of(step).id = "e9".into(),
        |step| entry_of(step).statement = "other".into(),
        |step| entry_of(step).key = Some("other".into()),
        |step| entry_of(step).identity = Some("i9".into()),
        |step| step.write.as_mut().unwrap().identities[0].identity.id = "i9".into(),
    ];
    for change in writes {
        check(&update(), Function::Decide, change, refused);
    }
    // The open entry of another request on the same identity is not this request's to end.
    let mut beside = update();
    beside.found.open = vec![entry("e5", "another", Stage::Dispatched)];
    let ends = |step: &mut Step| {
        *step = settled(Verdict::Done);
        *entry_of(step) = entry("e5", "another", Stage::Settled);
        answer_of(step).decision = "e5".into();
    };
    check(&beside, Function::Decide, ends, refused);
    check(&beside, Function::Settle, ends, refused);
    // Nothing is settled that is not in the ledger.
    check(&update(), Function::Settle, |_| (), refused);
}

#[test]
fn fences_and_incarnations_are_those_that_were_read() {
    let fence = |step: &mut Step| step.write.as_mut().unwrap().identities[0].identity.fence = 5;
    check(&update(), Function::Decide, fence, "changes a fence");
    for incarnation in [0, 1, 4] {
        let change = |step: &mut Step| {
            step.write.as_mut().unwrap().identities[0].identity.incarnation = incarnation;
        };
        check(&update(), Function::Decide, change, "changes an incarnation");
    }
}

/// No 54: a name that is taken would keep its owner out.
#[test]
fn an_id_is_named_only_where_it_was_asked_for() {
    let named = |id: &'static str| {
        move |step: &mut Step| {
            let material =
                format!("replaysafe1:name:7:default:2:up:0::4:User:2:id:{}:{id}", id.len());
            let name = Name { kind: NameKind::TargetId, material };
            step.write.as_mut().unwrap().identities[0].names = Some(vec![name]);
        }
    };
    check(&update(), Function::Decide, named("7"), "");
    check(&update(), Function::Decide, named("8"), "writes what it was not given");
    check(&update(), Function::Decide, named("17"), "writes what it was not given");
    let mut asked = update();
    asked.observed.push(by_id("8", Sight::Nothing));
    check(&asked, Function::Decide, named("8"), "");
    let two = |step: &mut Step| {
        named("7")(step);
        let names = step.write.as_mut().unwrap().identities[0].names.as_mut().unwrap();
        names.push(Name { material: "x:1:7".into(), ..names[0].clone() });
    };
    check(&update(), Function::Decide, two, "writes what it was not given");
}

#[test]
fn a_success_rests_on_a_record_and_on_a_look() {
    let refused = "claims a success without evidence";
    // Nothing was sent: nothing was done and nothing was changed.
    for verdict in
        [Verdict::Done, Verdict::Opaque, Verdict::Reactivated, Verdict::AcceptedUnverified]
    {
        let claims = |step: &mut Step| {
            *step = satisfied();
            answer_of(step).verdict = verdict;
        };
        check(&update(), Function::Decide, claims, refused);
    }
    let claims: [fn(&mut Answer); 3] = [
        |answer| answer.changed = true,
        |answer| answer.evidence = Evidence::Ledger,
        |answer| answer.evidence = Evidence::None,
    ];
    for change in claims {
        let step = |step: &mut Step| {
            *step = satisfied();
            change(answer_of(step));
        };
        check(&update(), Function::Decide, step, refused);
    }
    let mut blind = update();
    blind.observed.clear();
    check(&blind, Function::Decide, |step| *step = satisfied(), refused);
    let unwritten = |step: &mut Step| {
        *step = settled(Verdict::Done);
        step.write = None;
    };
    check(&sent(), Function::Settle, unwritten, refused);
    let unproved = |step: &mut Step| {
        *step = settled(Verdict::Done);
        answer_of(step).evidence = Evidence::None;
    };
    check(&sent(), Function::Settle, unproved, refused);
    // S37: a refusal never looks like a success.
    let kindly = |step: &mut Step| {
        *step = settled(Verdict::Refused);
        entry_of(step).stage = Stage::Refused;
        answer_of(step).changed = false;
        answer_of(step).target = Some(answered(200));
    };
    check(&sent(), Function::Settle, kindly, refused);
}

#[test]
fn a_receipt_is_told_again_only_where_there_is_one() {
    check(&known(), Function::Admit, |step| *step = replays("e0"), "without evidence");
    check(&known(), Function::Admit, |step| *step = replays("e9"), "what it was not given");
    for stage in [Stage::Refused, Stage::Parked, Stage::Claimed] {
        let mut refused = known();
        refused.found.by_statement = Some(entry("e1", "s", stage));
        check(&refused, Function::Admit, |step| *step = replays("e1"), "without evidence");
    }
}

#[test]
fn a_stage_goes_with_its_action() {
    let refused = "moves a stage that may not move so";
    for stage in [Stage::Settled, Stage::Refused] {
        check(&sent(), Function::Settle, |step| *step = waits(stage), refused);
    }
    for stage in [Stage::Refused, Stage::Parked] {
        let succeeds = |step: &mut Step| {
            *step = settled(Verdict::Done);
            entry_of(step).stage = stage;
        };
        check(&sent(), Function::Settle, succeeds, refused);
    }
    let asks_on = |step: &mut Step| step.action = asks(search("userName")).action;
    check(&update(), Function::Decide, asks_on, refused);
}

#[test]
fn a_question_is_about_the_request() {
    let refused = "asks about another resource type";
    check(&create(), Function::Admit, |step| *step = asks(ask("7")), refused);
    let mut listed = create();
    let sight = Sight::Listed(vec![r#"{"id":"7","x":{"id":"9"}}"#.into()]);
    listed.observed = vec![Observation { question: search("userName"), ..by_id("x", sight) }];
    check(&listed, Function::Decide, |step| *step = asks(ask("7")), "");
    check(&listed, Function::Decide, |step| *step = asks(ask("9")), refused);
    let mut asked = known();
    asked.observed = vec![asked.observed[0].clone(); OBSERVED_MOST];
    check(&asked, Function::Decide, |step| *step = asks(ask("7")), "");
    asked.observed.push(asked.observed[0].clone());
    check(&asked, Function::Decide, |step| *step = asks(ask("7")), "come to no end");
    check(&known(), Function::Decide, |step| *step = asks(ask("8")), "");
    check(&create(), Function::Admit, |step| *step = asks(Question::All("Group".into())), refused);
    for attribute in ["userName eq \"a\" or id", "a\r\nb", "a&b=c", "a(b)"] {
        let odd = |step: &mut Step| *step = asks(search(attribute));
        let expected = if attribute.contains(['\r', '&', '(']) { "text" } else { "" };
        check(&create(), Function::Admit, odd, expected);
    }
    check(&known(), Function::Decide, |step| *step = asks(ask("../x\n")), "text that may not");
    let many = |step: &mut Step| {
        let questions = (0..=QUESTIONS_MOST).map(|n| search(&format!("a{n}"))).collect();
        *step = Step { write: None, action: Action::Ask(questions) };
    };
    check(&create(), Function::Admit, many, "more of something");
    let none = |step: &mut Step| *step = Step { write: None, action: Action::Ask(Vec::new()) };
    check(&create(), Function::Admit, none, "more of something");
}

#[test]
fn what_becomes_a_header_is_one() {
    let refused = "text that may not be used";
    let answers: [fn(&mut Answer); 6] = [
        |answer| answer.target.as_mut().unwrap().location = Some("x\r\nSet-Cookie: a".into()),
        |answer| answer.target.as_mut().unwrap().etag = Some("\"a\n\"".into()),
        |answer| answer.target.as_mut().unwrap().content_type = Some("a\0".into()),
        |answer| answer.target.as_mut().unwrap().status = 99,
        |answer| answer.status = Some(600),
        |answer| answer.target.as_mut().unwrap().location = Some("x".repeat(9_000)),
    ];
    for change in answers {
        let step = |step: &mut Step| {
            *step = settled(Verdict::Done);
            change(answer_of(step));
        };
        check(&sent(), Function::Settle, step, refused);
    }
    let late = |step: &mut Step| {
        *step = settled(Verdict::Done);
        answer_of(step).retry_after = Some(1_000_000_000);
    };
    check(&sent(), Function::Settle, late, "waits for longer than a day");
}

/// Attribute names are the client's: they must not hold an entry open.
#[test]
fn words_are_made_harmless_and_not_refused() {
    let Action::Answer(mut told) = settled(Verdict::Done).action else { panic!("no answer") };
    told.detail = "a\r\nb\u{1b}[2J".into();
    told.attributes = vec!["x\n".into(), "é".repeat(300)];
    told.notes = vec![Field { name: "not-kept".into(), value: "y".repeat(5_000) }];
    let step = Step { action: Action::Answer(told.clone()), ..settled(Verdict::Done) };
    check(&sent(), Function::Settle, |given| *given = step.clone(), "");
    tidy(&mut told);
    assert_eq!(told.detail, "a\u{fffd}\u{fffd}b\u{fffd}[2J");
    assert_eq!(told.attributes[0], "x\u{fffd}");
    assert!(told.attributes[1].len() <= ID_BYTES_MOST && told.attributes[1].ends_with('é'));
    assert!(told.notes[0].value.len() <= DETAIL_BYTES_MOST);
}

#[test]
fn everything_has_a_bound() {
    let large = "more of something";
    let claim = |count: usize| {
        let name = |n| Name { kind: NameKind::Correlation, material: format!("n{n}") };
        Step { write: None, action: Action::Claim((0..count).map(name).collect()) }
    };
    check(&create(), Function::Decide, |step| *step = claim(64), "");
    check(&create(), Function::Decide, |step| *step = claim(65), large);
    check(&create(), Function::Decide, |step| *step = claim(0), large);
    check(&sent(), Function::Settle, |step| *step = claim(1), "action may not follow here");
    let resolve = |step: &mut Step| step.action = Action::Resolve("e1".into());
    let only = |step: &mut Step| {
        step.write = None;
        resolve(step);
    };
    check(&known(), Function::Admit, only, "");
    check(&create(), Function::Admit, only, "what it was not given");
    check(&sent(), Function::Settle, only, "action may not follow here");
    let learns = |count: usize, value: &'static str| {
        move |step: &mut Step| {
            let fact = Field { name: "f".into(), value: value.into() };
            step.write.as_mut().unwrap().learned = vec![fact; count];
        }
    };
    check(&update(), Function::Decide, learns(64, "v"), "");
    check(&update(), Function::Decide, learns(65, "v"), large);
    check(&update(), Function::Decide, learns(1, "a\nb"), large);
    let crowd = |step: &mut Step| {
        step.write.as_mut().unwrap().identities = vec![identity("i1", 3, 2); 5];
    };
    check(&update(), Function::Decide, crowd, large);
    let body = |step: &mut Step| {
        effect_of(step).body = EffectBody::Document("x".repeat(BODY_BYTES_MOST + 1));
    };
    check(&update(), Function::Decide, body, large);
    let sleeps = |step: &mut Step| {
        *step = Step { write: None, action: Action::Wait(NOW + WAIT_MS_MOST + 1) };
    };
    check(&update(), Function::Admit, sleeps, "waits for longer than a day");
}

// ---- situations -------------------------------------------------------------------------------

const NOW: u64 = 1_000;

/// A PATCH of the resource 7, whose identity is known, looked at.
fn update() -> Situation {
    let known = Identity { id: "i1".into(), fence: 3, incarnation: 2, state: "{}".into() };
    Situation {
        request: Request {
            scope: Scope {
                tenant: "default".into(),
                target: "up".into(),
                source: "default".into(),
                principal: "p".into(),
            },
            method: Method::Patch,
            resource_type: "User".into(),
            id: Some("7".into()),
            body: Some("{}".into()),
            key: None,
            version: None,
            if_match: None,
            received_at: NOW,
            extra: Vec::new(),
        },
        tags: Tags { key: None, statement: "s".into(), names: Vec::new() },
        found: Found {
            by_key: None,
            by_statement: None,
            holders: vec![Holder { identity: known, by: vec![0] }],
            open: Vec::new(),
        },
        observed: vec![by_id("7", Sight::Answered(shows("7")))],
        settings: Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() },
        now: NOW,
        new_entry: "e0".into(),
        new_identity: "i-new".into(),
        extra: vec![Field { name: "body-held".into(), value: "true".into() }],
    }
}

/// A create of which nothing is known.
fn create() -> Situation {
    let mut situation = update();
    situation.request.method = Method::Create;
    situation.request.id = None;
    situation.found.holders.clear();
    situation.observed.clear();
    situation
}

/// A create whose identity was deleted, on a target that shows its resource.
fn returning() -> Situation {
    Situation { request: create().request, ..update() }
}

/// The same PATCH, sent under the entry `e0`.
fn sent() -> Situation {
    let mut situation = update();
    situation.found.by_statement = Some(entry("e0", "s", Stage::Dispatched));
    situation.found.open = vec![entry("e0", "s", Stage::Dispatched)];
    situation
}

/// The same PATCH, settled before under the entry `e1`.
fn known() -> Situation {
    let mut situation = update();
    situation.found.by_statement = Some(entry("e1", "s", Stage::Settled));
    situation
}

// ---- steps ------------------------------------------------------------------------------------

/// The honest step of [`update`]: it is recorded and sent.
fn sends() -> Step {
    let effect = Effect {
        method: Method::Patch,
        resource_type: "User".into(),
        id: Some("7".into()),
        body: EffectBody::AsSent,
        if_match: None,
    };
    let mut entry = entry("e0", "s", Stage::Dispatched);
    entry.identity = Some("i1".into());
    let identities = vec![identity("i1", 3, 2)];
    let write = Some(Write { entry, identities, learned: Vec::new() });
    Step { write, action: Action::Apply(effect) }
}

fn created() -> Step {
    let mut step = sends();
    let write = step.write.as_mut().unwrap();
    write.entry.identity = Some("i-new".into());
    write.identities = vec![identity("i-new", 0, 1)];
    let effect = effect_of(&mut step);
    (effect.method, effect.id) = (Method::Create, None);
    step
}

fn returns(id: &str) -> Step {
    let mut step = sends();
    step.write.as_mut().unwrap().identities = vec![identity("i1", 3, 3)];
    let effect = effect_of(&mut step);
    (effect.method, effect.id) = (Method::Replace, Some(id.into()));
    effect.body = EffectBody::Document("{}".into());
    step
}

fn settled(verdict: Verdict) -> Step {
    let mut step = sends();
    entry_of(&mut step).stage = Stage::Settled;
    step.action = Action::Answer(Answer {
        verdict,
        decision: "e0".into(),
        changed: true,
        replayed: false,
        diverged: Divergence::No,
        target: Some(answered(200)),
        status: None,
        retry: Retry::None,
        retry_after: None,
        evidence: Evidence::Read,
        detail: "done".into(),
        attributes: Vec::new(),
        notes: Vec::new(),
    });
    step
}

fn satisfied() -> Step {
    let mut step = settled(Verdict::AlreadySatisfied);
    answer_of(&mut step).changed = false;
    step
}

fn replays(decision: &str) -> Step {
    let mut step = satisfied();
    step.write = None;
    let answer = answer_of(&mut step);
    answer.replayed = true;
    answer.decision = decision.into();
    step
}

fn waits(stage: Stage) -> Step {
    let mut step = sends();
    entry_of(&mut step).stage = stage;
    step.action = Action::Wait(NOW + 500);
    step
}

fn asks(question: Question) -> Step {
    Step { write: None, action: Action::Ask(vec![question]) }
}

fn ask(id: &str) -> Question {
    Question::ById(ById { resource_type: "User".into(), id: id.into() })
}

fn search(attribute: &str) -> Question {
    let (resource_type, value) = ("User".into(), "v".into());
    Question::Search(Search { resource_type, attribute: attribute.into(), value })
}

fn by_id(id: &str, sight: Sight) -> Observation {
    Observation { question: ask(id), asked_at: NOW, seen_at: NOW, sight }
}

fn answered(status: u16) -> TargetAnswer {
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

fn shows(id: &str) -> TargetAnswer {
    TargetAnswer { body: Some(format!(r#"{{"id":"{id}"}}"#)), ..answered(200) }
}

fn entry(id: &str, statement: &str, stage: Stage) -> Entry {
    let wake_at = Some(NOW + 15_000);
    let (id, statement, state) = (id.into(), statement.into(), "{}".into());
    Entry { id, identity: None, key: None, statement, stage, wake_at, state }
}

fn identity(id: &str, fence: u64, incarnation: u64) -> IdentityWrite {
    let identity = Identity { id: id.into(), fence, incarnation, state: "{}".into() };
    IdentityWrite { identity, names: None }
}

fn effect_of(step: &mut Step) -> &mut Effect {
    let Action::Apply(effect) = &mut step.action else { panic!("no effect") };
    effect
}

fn entry_of(step: &mut Step) -> &mut Entry {
    &mut step.write.as_mut().unwrap().entry
}

fn answer_of(step: &mut Step) -> &mut Answer {
    let Action::Answer(answer) = &mut step.action else { panic!("no answer") };
    answer
}

/// Changes the honest step, and expects it to pass (`""`) or to be refused with such a text.
#[track_caller]
fn check(
    situation: &Situation,
    function: Function,
    change: impl FnOnce(&mut Step),
    expected: &str,
) {
    let mut step = sends();
    change(&mut step);
    let said = super::check(function, situation, &step).err();
    let said = said.map(|violation| violation.to_string()).unwrap_or_default();
    assert_eq!(said.is_empty(), expected.is_empty(), "{said}");
    assert!(said.contains(expected), "{said}");
}
