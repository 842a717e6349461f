//! A plan is carried out: in order, once, and as far as it can be (S34).

use std::{
    path::Path,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use http::{HeaderValue, header::AUTHORIZATION};
use replaysafe::{
    applier::{
        Agenda, Applier, ApplyError, Counts, Item, NoPlan, Outcome, Pace, Report,
        guard::{self, PlanApproval},
    },
    contract::{
        self, Effect, Endpoint, Question, Settings, Sight, TargetAnswer, Verdict,
        reconciliation::Class,
    },
    guest::{GuestOptions, PLANNING_COMPONENT, PlanningGuest},
    ledger::{Ledger, PlanStage},
    planner::{Planner, Population},
    provisioner::Provisioner,
    target::{Body, Caller, Discovery, Target},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{Barrier, watch},
    time::{Instant, sleep},
};

use crate::{
    compiled::guest,
    service::Service,
    world::{Faults, World},
};

/// Everything that a plan may ask for: the order, the id of what was made, and the names of what was made in values.
#[tokio::test(start_paused = true)]
async fn a_plan_is_carried_out_in_its_order() {
    let world = there();
    let report = apply(&world, &Faults::default(), &everything(), Pace::default()).await;
    assert_eq!(
        report,
        Report { counts: Counts { done: 8, ..Counts::default() }, ..Report::default() }
    );
    is_as_planned(&world.service);
    let sent = world.service.sent();
    let at = |what: &str| sent.iter().position(|one| one == what).unwrap();
    assert_eq!(sent.len(), 8);
    // Side by side: a group that loses a member, and a user who is switched off.
    assert_eq!(at("PATCH u8").max(at("PATCH u7")), 1);
    assert_eq!(sent[2..4], ["POST", "POST"]);
    assert_eq!(sent[7], "DELETE u9");
}

/// What was carried out is not sent again; what another plan asks is another wish, however equal.
#[tokio::test(start_paused = true)]
async fn a_plan_that_is_carried_out_again_sends_nothing() {
    let world = there();
    apply(&world, &Faults::default(), &everything(), Pace::default()).await;
    let again = apply(&world, &Faults::default(), &everything(), Pace::default()).await;
    assert_eq!(again.counts, Counts { satisfied: 8, ..Counts::default() });
    assert_eq!(world.service.sent().len(), 8);
    // Also with a token that was renewed since: the plan is the same one.
    let process =
        world.open(Moody::before(&world.service), &Faults::default(), None, None).unwrap();
    let headers = vec![(AUTHORIZATION, HeaderValue::from_static("Bearer renewed"))];
    let renewed =
        Applier { caller: Caller { headers, query: None }, ..applier(process, Pace::default()) };
    let again = carry_out(renewed, &everything()).await;
    assert_eq!(again.counts, Counts { satisfied: 8, ..Counts::default() });
    assert_eq!(world.service.sent().len(), 8);
    // Somebody switches her on again, and the next plan is equal to the first one.
    let mut ada = user("a7", "ada");
    ada["id"] = json!("u7");
    world.service.set("u7", &ada);
    let off = [json!({
        "effect": 1, "op": "disable", "resourceType": "User", "externalId": "a7", "id": "u7",
        "operations": [{"op": "replace", "path": "active", "value": false}], "dependsOn": []
    })];
    for (at, done) in [(AT + 1, 1), (AT + 1, 0), (AT + 2, 0)] {
        let report = apply(&world, &Faults::default(), &plan_at(&off, at), Pace::default()).await;
        assert_eq!((report.counts.done, report.counts.is_good()), (done, true), "{at}");
    }
}

/// Killed at any step of it: the next run ends it, and everything is there once.
#[tokio::test(start_paused = true)]
async fn a_plan_that_was_killed_goes_on() {
    let mut step = 1;
    loop {
        let world = there();
        let faults = Faults::stop_at(step);
        let plan = everything();
        let ended = tokio::select! {
            report = apply(&world, &faults, &plan, ONE) => Some(report),
            () = faults.stopped() => None,
        };
        if let Some(report) = ended {
            assert!(report.counts.is_good() && 100 < step, "{step}: {report:?}");
            return;
        }
        // Its scan is that of the next process.
        sleep(Duration::from_millis(10)).await;
        let report = apply(&world, &Faults::default(), &plan, ONE).await;
        assert!(report.counts.is_good(), "killed at {step}: {report:?}");
        is_as_planned(&world.service);
        step += 3;
    }
}

/// What depends on what has failed is not sent; what takes access away is, and nobody else minds.
#[tokio::test(start_paused = true)]
async fn what_depends_on_a_failed_one_is_blocked() {
    let world = there();
    let wrong = json!("no operations");
    let right = json!([{"op": "replace", "path": "displayName", "value": "x"}]);
    let effects = [
        json!({"effect": 1, "op": "revoke", "resourceType": "User", "id": "u7", "operations": wrong, "dependsOn": []}),
        json!({"effect": 2, "op": "disable", "resourceType": "User", "id": "u7",
            "operations": [{"op": "replace", "path": "active", "value": false}], "dependsOn": [1]}),
        json!({"effect": 3, "op": "update", "resourceType": "User", "id": "u7", "operations": right, "dependsOn": [1, 2]}),
        json!({"effect": 4, "op": "update", "resourceType": "User", "id": "u9", "operations": right, "dependsOn": []}),
        json!({"effect": 5, "op": "grant", "resourceType": "User", "id": "u7", "operations": right, "dependsOn": [3]}),
    ];
    let report = apply(&world, &Faults::default(), &plan(&effects), Pace::default()).await;
    let troubles: Vec<_> =
        report.troubles.iter().map(|one| (one.item, one.outcome, one.verdict)).collect();
    assert_eq!(
        troubles,
        [
            (0, Outcome::Refused, Some(Verdict::Malformed)),
            (2, Outcome::Blocked, None),
            (4, Outcome::Blocked, None)
        ]
    );
    assert!(report.troubles[1].detail.contains("depends on effect 1"), "{report:?}");
    assert!(report.troubles[2].detail.contains("depends on effect 3"), "{report:?}");
    assert_eq!(report.counts, Counts { done: 2, refused: 1, blocked: 2, ..Counts::default() });
    assert_eq!(world.service.users("active")[0], ("u7".into(), json!(false)));
}

/// S25: a version that is no more is somebody else's change, but no reason to leave access where it is not to be.
#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_changed_is_told_as_such() {
    let world = there();
    let target = Moody { versions: true, ..Moody::before(&world.service) };
    let tagged = |op: &str, id: &str, path: &str, value: Value| {
        json!({"op": op, "resourceType": "User", "id": id, "ifMatch": "W/\"old\"", "dependsOn": [],
            "operations": [{"op": "replace", "path": path, "value": value}]})
    };
    let effects = [
        tagged("disable", "u7", "active", json!(false)),
        tagged("update", "u9", "displayName", json!("x")),
    ];
    let report = apply_to(&world, target, &plan(&effects), Pace::default()).await;
    assert_eq!(report.counts, Counts { done: 1, changed: 1, ..Counts::default() });
    let trouble = &report.troubles[0];
    assert_eq!((trouble.item, trouble.verdict), (1, Some(Verdict::PreconditionFailed)));
    assert_eq!(world.service.sent(), ["PATCH u7"]);
    // What takes access away is sent whatever version there is by now; what comes after it was not planned for that.
    let world = there();
    let target = Moody { versions: true, ..Moody::before(&world.service) };
    let after = json!({"op": "update", "resourceType": "User", "id": "u7", "dependsOn": [],
        "operations": [{"op": "replace", "path": "displayName", "value": "x"}]});
    let effects = [tagged("disable", "u7", "active", json!(false)), after];
    let report = apply_to(&world, target, &plan(&effects), Pace::default()).await;
    assert_eq!(report.counts, Counts { done: 1, changed: 1, ..Counts::default() });
    let trouble = &report.troubles[0];
    assert_eq!((trouble.item, trouble.outcome, trouble.verdict), (1, Outcome::Changed, None));
    assert_eq!(world.service.sent(), ["PATCH u7"]);
}

/// A target that says when it wants to be asked again is asked then, and not without end.
#[tokio::test(start_paused = true)]
async fn what_is_turned_away_is_tried_again_when_it_is_let() {
    let effects = creates(3);
    // 7 s after each of the two: the others wait too.
    let world = World::new();
    let target = Moody::before(&world.service).turning_away(2);
    let began = Instant::now();
    let report = apply_to(&world, target.clone(), &plan(&effects), ONE).await;
    assert_eq!(report.counts, Counts { done: 3, ..Counts::default() });
    let times = target.times();
    assert_eq!(times.len(), 5);
    let gap = |at: usize| times[at].duration_since(times[at - 1]).as_secs();
    assert_eq!((gap(1), gap(2), gap(3)), (7, 7, 0), "since {began:?}: {times:?}");
    // 6 tries, and it is told what it was answered.
    let world = World::new();
    let target = Moody::before(&world.service).turning_away(usize::MAX);
    let report = apply_to(&world, target.clone(), &plan(&effects[..1]), ONE).await;
    assert_eq!(target.times().len(), 6);
    let trouble = &report.troubles[0];
    assert_eq!((trouble.outcome, trouble.verdict), (Outcome::Unresolved, Some(Verdict::Refused)));
}

/// A target that is away is not asked without end, but for what takes access away.
#[tokio::test(start_paused = true)]
async fn what_is_away_is_left_alone() {
    let world = there();
    let off = |id: &str| {
        json!({"op": "disable", "resourceType": "User", "id": id, "dependsOn": [],
            "operations": [{"op": "replace", "path": "active", "value": false}]})
    };
    let effects: Vec<Value> = (0..22).map(|at| off(&format!("n{at}"))).chain(creates(3)).collect();
    let faults = Faults::default();
    // It is there for the guard only.
    faults.ledger_goes_after_writes(1);
    let many = plan_of(&effects, AT, Some(json!({"User": {"resources": 1_000, "edges": 0}})));
    let report = apply(&world, &faults, &many, Pace::default()).await;
    assert_eq!(report.counts, Counts { unresolved: 22, blocked: 3, ..Counts::default() });
    let blocked = &report.troubles[24];
    assert!(blocked.detail.contains("has answered none of many"), "{blocked:?}");
}

#[tokio::test(start_paused = true)]
async fn as_many_go_at_once_and_in_a_second_as_are_let() {
    let effects = creates(6);
    for (concurrency, most) in [(3, 3), (0, 1)] {
        let world = World::new();
        // None of them ends before as many are there.
        let target = Moody::before(&world.service).gathering(most);
        let pace = Pace { concurrency, ..Pace::default() };
        let report = apply_to(&world, target.clone(), &plan(&effects), pace).await;
        assert_eq!(report.counts, Counts { done: 6, ..Counts::default() });
        assert_eq!(target.state.lock().unwrap().most_at_once, most);
    }
    let world = World::new();
    let pace = Pace { concurrency: 6, rate: Some(2.try_into().unwrap()) };
    let began = Instant::now();
    let report = apply(&world, &Faults::default(), &plan(&effects), pace).await;
    assert_eq!(report.counts, Counts { done: 6, ..Counts::default() });
    // 6 at 2 a second: the last one begins 2.5 s after the first.
    assert!(2_500 <= began.elapsed().as_millis());
}

#[tokio::test(start_paused = true)]
async fn once_it_is_stopped_nothing_more_is_sent() {
    let world = World::new();
    let (stop, stopped) = watch::channel(false);
    let process = world.start(&Faults::default());
    let applier = applier(process, ONE);
    let after_two = |progress: replaysafe::applier::Progress| {
        if progress.counts.ended() == 2 {
            stop.send_replace(true);
        }
        assert_eq!(progress.total, 5);
    };
    let agenda = Agenda::read(plan(&creates(5)).as_bytes()).unwrap();
    let report = applier.apply(&agenda, &after_two, stopped).await.unwrap();
    assert_eq!(report.counts, Counts { done: 2, blocked: 3, ..Counts::default() });
    assert_eq!(world.service.sent().len(), 2);
    drop(applier);
    let again = apply(&world, &Faults::default(), &plan(&creates(5)), ONE).await;
    assert_eq!(again.counts, Counts { done: 3, satisfied: 2, ..Counts::default() });
}

/// S10: a plan that is older than receipts says nothing of what was done since.
#[tokio::test(start_paused = true)]
async fn a_plan_that_is_too_old_is_made_again() {
    let world = World::new();
    let old = plan_at(&creates(1), AT - 24 * 3_600_000);
    let report = apply(&world, &Faults::default(), &old, ONE).await;
    assert_eq!(report.troubles[0].verdict, Some(Verdict::OutsideWindow));
    assert_eq!(report.counts, Counts { changed: 1, ..Counts::default() });
    assert!(world.service.sent().is_empty());
}

/// Whether a plan may begin has to be told and recorded first.
#[tokio::test(start_paused = true)]
async fn without_a_ledger_no_plan_begins() {
    let world = there();
    let faults = Faults::default();
    faults.ledger_away(true);
    let applier = applier(world.start(&faults), Pace::default());
    let agenda = Agenda::read(everything().as_bytes()).unwrap();
    let (_stop, stopped) = watch::channel(false);
    let refused = applier.apply(&agenda, &|_| {}, stopped).await.unwrap_err();
    assert!(matches!(refused, ApplyError::Ledger(_)), "{refused:?}");
    assert!(world.service.sent().is_empty());
}

/// S33: a plan over the guard waits for a person, sends nothing, and begins once this very plan is approved.
#[tokio::test(start_paused = true)]
async fn a_plan_over_the_guard_waits_for_a_person() {
    let world = World::new();
    // A fifth of 20 are 4, and ten are few.
    let there = || Some(json!({"User": {"resources": 20, "edges": 0}}));
    let off = |from: usize, to: usize| -> Vec<Value> {
        (from..to)
            .map(|at| {
                json!({"op": "disable", "resourceType": "User", "id": format!("v{at}"), "dependsOn": [],
                    "operations": [{"op": "replace", "path": "active", "value": false}]})
            })
            .collect()
    };
    for at in 0..20 {
        let mut resource = user(&format!("x{at}"), &format!("user{at}"));
        resource["id"] = json!(format!("v{at}"));
        world.service.set(&format!("v{at}"), &resource);
    }
    let carry = async |plan: &str| apply(&world, &Faults::default(), plan, ONE).await;
    let eleven = plan_of(&off(0, 11), AT, there());
    let report = carry(&eleven).await;
    assert_eq!(report.counts, Counts { blocked: 11, ..Counts::default() });
    assert!(!report.counts.is_good() && world.service.sent().is_empty());
    let told: Vec<_> =
        report.staged.iter().map(|one| (one.class, one.count, one.there, one.limit)).collect();
    assert_eq!(told, [(Class::Disable, 11, 20, 10)]);

    // Whoever waits is told of, and an approval is of one digest.
    let ledger = world.ledger();
    let digest = Agenda::read(eleven.as_bytes()).unwrap().digest().to_owned();
    let waiting = guard::waiting(&ledger, world.now()).await.unwrap();
    assert_eq!(
        (waiting.len(), &waiting[0].digest, waiting[0].stage),
        (1, &digest, PlanStage::Staged)
    );
    let hour = 3_600_000;
    let unknown = guard::approve(&ledger, "0", world.now() + hour, world.now()).await.unwrap();
    assert_eq!(unknown, PlanApproval::Unknown);
    drop(ledger);
    assert_eq!(carry(&eleven).await.counts.blocked, 11);

    // What was approved for a time that is over is not approved; it is staged again.
    let approve = async |from_now: u64| {
        let (ledger, now) = (world.ledger(), world.now());
        guard::approve(&ledger, &digest, now + from_now, now).await.unwrap()
    };
    assert!(matches!(approve(0).await, PlanApproval::Until { .. }));
    assert_eq!(carry(&eleven).await.counts.blocked, 11);

    // Ten by another plan meanwhile: the approval was of eleven, and with them it would be 21.
    let first = approve(hour).await;
    assert!(matches!(first, PlanApproval::Until { until, .. } if until == world.now() + hour));
    // Approving twice is one approval.
    assert_eq!(approve(9 * hour).await, first);
    let ten = plan_of(&off(10, 20), AT, there());
    assert_eq!(carry(&ten).await.counts, Counts { done: 10, ..Counts::default() });
    let report = carry(&eleven).await;
    assert_eq!(report.staged[0].count, 21);
    assert_eq!(world.service.sent().len(), 10);
    // The other plan was let through, and may be carried out again.
    assert_eq!(carry(&ten).await.counts, Counts { satisfied: 10, ..Counts::default() });

    // Of all 21 it is approved now, begins, and needs no approval any more.
    let PlanApproval::Until { excess, .. } = approve(hour).await else { panic!() };
    assert_eq!(excess[0].count, 21);
    assert_eq!(carry(&eleven).await.counts, Counts { done: 10, satisfied: 1, ..Counts::default() });
    assert_eq!(approve(hour).await, PlanApproval::Begun);
    assert_eq!(carry(&eleven).await.counts, Counts { satisfied: 11, ..Counts::default() });
    let ledger = world.ledger();
    assert!(guard::waiting(&ledger, world.now()).await.unwrap().is_empty());
    assert!(ledger.audit().await.unwrap().is_empty());
    // An equal plan of another time is another plan.
    drop(ledger);
    let later = plan_of(&off(0, 11), AT + 1, there());
    assert_eq!(carry(&later).await.counts.blocked, 11);
}

/// A plan at hand and the text of it are the same.
#[test]
fn a_plan_is_taken_as_it_was_made() {
    let settings = Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() };
    let planner = Planner {
        planning: planning_guest(),
        guest: guest(),
        settings,
        complete: false,
        target: Some("http://scim.example:80/v2".into()),
    };
    let desired = vec![
        user("a1", "bob").to_string(),
        json!({"externalId": "a7", "userName": "ada", "active": false}).to_string(),
    ];
    let mut ada = user("a7", "ada");
    ada["id"] = json!("u7");
    let observed = vec![ada.to_string()];
    let plan =
        planner.plan(&[Population { resource_type: "User".into(), desired, observed }]).unwrap();
    let agenda = Agenda::of(&plan, AT).unwrap();
    let of = |item: &Item| (item.class, item.id.clone(), item.depends_on.len());
    let items: Vec<_> = agenda.items().iter().map(of).collect();
    assert_eq!(items, [(Class::Disable, Some("u7".into()), 0), (Class::Create, None, 0)]);
    let effects: Vec<Value> = (0..plan.effects.len())
        .map(|at| serde_json::from_str(&plan.effect(at).to_string()).unwrap())
        .collect();
    let text = json!({
        "digest": plan.digest, "at": AT, "effects": effects,
        "target": "http://scim.example:80/v2", "there": {"User": {"resources": 1, "edges": 0}},
    })
    .to_string();
    assert_eq!(Agenda::read(text.as_bytes()).unwrap(), agenda);
    // Visible ASCII, and no longer than a key may be (S3).
    let key = agenda.key(1);
    assert_eq!(key, format!("plan-{}-{AT}-2", plan.digest));
    assert!(key.len() <= 255 && key.bytes().all(|byte| byte.is_ascii_graphic()));
}

#[test]
fn what_is_no_plan_or_was_changed_is_refused() {
    let refused = |text: &str| Agenda::read(text.as_bytes()).unwrap_err().to_string();
    // As `printf '{"effects":[]}' | sha256sum` tells.
    let empty = r#"{"digest":"662eafd4b2f10b5fd53ab7a429f97563d9c116c9b1f91300bb004c7dd315e49d","effects":[]}"#;
    assert!(Agenda::read(empty.as_bytes()).unwrap().items().is_empty());
    assert!(refused("{").starts_with("no plan: "));
    assert!(refused("[]").contains("no `digest` of a plan"));
    assert!(refused(r#"{"digest":"x"}"#).contains("no `effects` of a plan"));
    assert!(refused(r#"{"digest":"x","effects":7}"#).contains("no `effects` of a plan"));
    assert!(refused(&empty.replace("[]", "[{}]")).contains("changed since it was made"));
    // By what was there the guard judges, and a plan is for one service (S33).
    for more in [r#""there":{}"#, r#""target":"http://other""#] {
        let changed = empty.replace("[]", &format!("[],{more}"));
        assert!(refused(&changed).contains("changed since it was made"), "{more}");
    }
    let whole = plan(&creates(2));
    assert!(Agenda::read(whole.as_bytes()).is_ok());
    assert!(refused(&whole.replace("x-1", "x-2")).contains("changed since it was made"));
    assert!(refused(&whole.replace("\"at\":", "\"at\":-")).contains("no `at` of a plan"));
    let wrong = |effects: &[Value], why: &str| {
        let text = plan(effects);
        let error = Agenda::read(text.as_bytes()).unwrap_err();
        assert!(matches!(error, NoPlan::Effect { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error} must say {why}");
    };
    let delete = |more: Value| {
        let mut effect =
            json!({"op": "delete", "resourceType": "User", "id": "1", "dependsOn": []});
        effect.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        effect
    };
    wrong(&[delete(json!({"op": "burn"}))], "effect 1 has no `op` that is known");
    wrong(&[delete(json!({"resourceType": 7}))], "effect 1 has no text where");
    wrong(
        &[delete(json!({"dependsOn": [1]}))],
        "effect 1 depends on one that does not come before",
    );
    wrong(&[delete(json!({"dependsOn": [0]}))], "depends on one that does not come before");
    wrong(&[delete(json!({"dependsOn": 7}))], "no list `dependsOn`");
    wrong(&[delete(json!({"op": "create"}))], "is a create and has an id");
    wrong(&[delete(json!({"op": "grant"}))], "has no `operations`");
    wrong(
        &[delete(json!({})), creates(1)[0].clone()],
        "effect 2 stands behind what comes after it",
    );
    let follower =
        json!({"op": "grant", "resourceType": "User", "dependsOn": [1], "operations": []});
    wrong(&[creates(1)[0].clone(), follower], "has no `id`, and follows on no create");
}

/// Spread over lines it is the same plan; what was cut or changed is refused, and what the digest is not of, too.
#[test]
fn a_plan_may_be_spread_over_lines() {
    let whole = plan(&creates(2));
    let lines = lines_of(&whole);
    let refused = |lines: &[String], why: &str| {
        let refused = Agenda::read(lines.join("\n").as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused} must say {why}");
    };
    let read = Agenda::read((lines.join("\r\n\r\n") + "\n").as_bytes()).unwrap();
    assert_eq!(read, Agenda::read(whole.as_bytes()).unwrap());
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line.to_owned();
        lines
    };
    for cut in 1..lines.len() {
        refused(&lines[..cut], "not as many effects and findings as it says");
        let (half, _) = lines[cut].split_at(lines[cut].len() / 2);
        let mut lines = lines[..cut].to_vec();
        lines.push(half.to_owned());
        refused(&lines, &format!("line {} of the plan is no effect and no finding", cut + 1));
    }
    let (half, _) = lines[0].split_at(lines[0].len() / 2);
    refused(&[half.to_owned()], "no plan: text is not JSON");
    refused(&[lines.clone(), vec![lines[3].clone()]].concat(), "not as many");
    refused(&with(1, &lines[2]), "changed since it was made");
    refused(&with(1, &lines[1].replace("x-1", "x-3")), "changed since it was made");
    refused(&with(2, &lines[2].replace("effect", "wish")), "line 3 of the plan");
    refused(&with(0, &lines[0].replace("\"plan\"", "\"audit\"")), "no plan: ");
    let deep = format!("{{\"type\":\"effect\",\"document\":{}{}}}", "[".repeat(33), "]".repeat(33));
    refused(&with(1, &deep), "line 2 of the plan");
    let nothing = lines_of(&plan(&[]));
    assert!(
        Agenda::read(nothing[0].replace("\"findings\":1", "\"findings\":0").as_bytes()).is_ok()
    );
}

/// A plan and one finding, as NDJSON has them.
fn lines_of(plan: &str) -> Vec<String> {
    let mut plan: Value = serde_json::from_str(plan).unwrap();
    let effects = plan["effects"].take();
    let effects = effects.as_array().unwrap().iter().map(|effect| {
        let mut effect = effect.clone();
        effect["type"] = json!("effect");
        effect.to_string()
    });
    let effects: Vec<String> = effects.collect();
    plan["type"] = json!("plan");
    plan["effects"] = json!(effects.len());
    plan["findings"] = json!(1);
    let finding = json!({"type": "finding", "name": "x-9"}).to_string();
    [vec![plan.to_string()], effects, vec![finding]].concat()
}

/// One at a time: which step is which does not depend on who is faster.
const ONE: Pace = Pace { concurrency: 1, rate: None };

/// A minute before the world begins.
const AT: u64 = 1_767_225_540_000;

/// Two users, one of them to go, and a group with both.
fn there() -> World {
    let world = World::new();
    for (id, external_id, name) in [("u7", "a7", "ada"), ("u9", "a9", "eve")] {
        let mut user = user(external_id, name);
        user["id"] = json!(id);
        world.service.set(id, &user);
    }
    let members = json!([{"value": "u7"}, {"value": "u9"}]);
    let group = json!({"id": "u8", "externalId": "g8", "displayName": "G", "members": members});
    world.service.set("u8", &group);
    world
}

fn user(external_id: &str, name: &str) -> Value {
    json!({"externalId": external_id, "userName": name, "active": true})
}

/// A plan that has one of each but an adoption: what refers to what it makes is said after that.
fn everything() -> String {
    let operation =
        |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
    plan(&[
        json!({"effect": 1, "op": "revoke", "resourceType": "Group", "externalId": "g8", "id": "u8",
            "operations": operation("remove", "members", json!([{"value": "u9"}])), "dependsOn": []}),
        json!({"effect": 2, "op": "disable", "resourceType": "User", "externalId": "a7", "id": "u7",
            "operations": operation("replace", "active", json!(false)), "dependsOn": []}),
        json!({"effect": 3, "op": "create", "resourceType": "Group", "externalId": "g1",
            "document": {"externalId": "g1", "displayName": "New"}, "dependsOn": []}),
        json!({"effect": 4, "op": "create", "resourceType": "User", "externalId": "a1",
            "document": user("a1", "bob"), "dependsOn": []}),
        json!({"effect": 5, "op": "update", "resourceType": "User", "externalId": "a7", "id": "u7",
            "operations": operation("replace", "displayName", json!("Ada")), "dependsOn": [2]}),
        json!({"effect": 6, "op": "grant", "resourceType": "Group", "externalId": "g8", "id": "u8",
            "operations": operation("add", "members", json!([{"value": "externalId:a1"}])), "dependsOn": [1, 4]}),
        json!({"effect": 7, "op": "grant", "resourceType": "Group", "externalId": "g1",
            "operations": operation("add", "members", json!([{"value": "externalId:a1"}, {"value": "u7"}])),
            "dependsOn": [3, 4]}),
        json!({"effect": 8, "op": "delete", "resourceType": "User", "externalId": "a9", "id": "u9",
            "dependsOn": []}),
    ])
}

/// What that plan leads to: everything once, whatever ids the service gave.
fn is_as_planned(service: &Service) {
    let of = |attribute: &str| service.users(attribute);
    let id = |external_id: &str| {
        let all = of("externalId");
        let mut with = all.iter().filter(|(_, value)| value == external_id);
        let (id, _) = with.next().unwrap();
        assert!(with.next().is_none(), "{external_id} is there twice");
        id.clone()
    };
    assert_eq!(of("externalId").len(), 4);
    let attribute = |attribute: &str, owner: &str| {
        of(attribute).into_iter().find(|(id, _)| id == owner).unwrap().1
    };
    let (bob, new) = (id("a1"), id("g1"));
    assert_eq!(attribute("members", "u8"), json!([{"value": "u7"}, {"value": bob}]));
    assert_eq!(attribute("members", &new), json!([{"value": bob}, {"value": "u7"}]));
    assert_eq!(attribute("active", "u7"), json!(false));
    assert_eq!(attribute("displayName", "u7"), json!("Ada"));
}

fn creates(count: usize) -> Vec<Value> {
    let create = |at: usize| {
        json!({"op": "create", "resourceType": "User", "externalId": format!("x-{at}"), "dependsOn": [],
            "document": user(&format!("x-{at}"), &format!("user{at}"))})
    };
    (1..=count).map(create).collect()
}

fn plan(effects: &[Value]) -> String {
    plan_at(effects, AT)
}

/// The text of a plan, with its digest: SHA-256 of what it does and of what was there, in canonical JSON.
fn plan_at(effects: &[Value], at: u64) -> String {
    plan_of(effects, at, None)
}

fn plan_of(effects: &[Value], at: u64, there: Option<Value>) -> String {
    let mut plan = json!({ "effects": effects });
    if let Some(there) = there {
        plan["there"] = there;
    }
    let text = plan.to_string();
    let read = replaysafe_json::parse(text.as_bytes(), &replaysafe_json::Limits::answer()).unwrap();
    let digest = Sha256::digest(replaysafe_json::canonical(&read));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    plan["digest"] = json!(digest);
    plan["at"] = json!(at);
    plan.to_string()
}

/// Carries a plan out in a process of its own, which ends with it.
async fn apply(world: &World, faults: &Faults, plan: &str, pace: Pace) -> Report {
    carry_out(applier(world.start(faults), pace), plan).await
}

async fn apply_to(world: &World, target: Moody, plan: &str, pace: Pace) -> Report {
    let process = world.open(target, &Faults::default(), None, None).unwrap();
    carry_out(applier(process, pace), plan).await
}

async fn carry_out<L: Ledger, T: Target>(applier: Applier<L, T>, plan: &str) -> Report {
    let agenda = Agenda::read(plan.as_bytes()).unwrap();
    let (_stop, stopped) = watch::channel(false);
    applier.apply(&agenda, &|_| {}, stopped).await.unwrap()
}

fn applier<L: Ledger, T: Target>(provisioner: Provisioner<L, T>, pace: Pace) -> Applier<L, T> {
    let headers = vec![(AUTHORIZATION, HeaderValue::from_static("Bearer token"))];
    let caller = Caller { headers, query: None };
    Applier { provisioner, planning: planning_guest(), caller, pace }
}

/// The component that plans, compiled once for all test processes of a build.
fn planning_guest() -> PlanningGuest {
    static GUEST: LazyLock<PlanningGuest> = LazyLock::new(|| {
        let cache = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        let options = GuestOptions { cache, ..GuestOptions::default() };
        PlanningGuest::load(PLANNING_COMPONENT, &options).unwrap()
    });
    GUEST.clone()
}

/// The service behind a door: it turns some away, lets several in at once, and says which version a resource has.
#[derive(Clone, Debug)]
struct Moody {
    service: Service,
    gathers: Arc<Barrier>,
    versions: bool,
    state: Arc<Mutex<Mood>>,
}

#[derive(Debug, Default)]
struct Mood {
    turns_away: usize,
    times: Vec<Instant>,
    at_once: usize,
    most_at_once: usize,
}

impl Moody {
    fn before(service: &Service) -> Self {
        let (service, state) = (service.clone(), Arc::default());
        Self { service, gathers: Arc::new(Barrier::new(1)), versions: false, state }
    }

    /// Effects wait until `count` of them are there.
    fn gathering(self, count: usize) -> Self {
        Self { gathers: Arc::new(Barrier::new(count)), ..self }
    }

    /// The next `count` effects are answered with 429, and are to wait for 7 seconds.
    fn turning_away(self, count: usize) -> Self {
        self.state.lock().unwrap().turns_away = count;
        self
    }

    /// When effects came.
    fn times(&self) -> Vec<Instant> {
        self.state.lock().unwrap().times.clone()
    }

    /// An answer with the version of what it shows.
    fn versioned(&self, mut answer: TargetAnswer) -> TargetAnswer {
        let body = answer.body.as_deref().and_then(|body| serde_json::from_str::<Value>(body).ok());
        if let Some(mut body) = body.filter(|_| self.versions && answer.status == 200) {
            answer.etag = Some("W/\"new\"".into());
            body["meta"] = json!({"version": "W/\"new\""});
            answer.body = Some(body.to_string());
        }
        answer
    }
}

impl Target for Moody {
    async fn observe(
        &self,
        question: &Question,
        endpoints: &[Endpoint],
        caller: &Caller,
        keep: &(dyn Fn(Vec<String>) -> Vec<String> + Send + Sync),
    ) -> Sight {
        match self.service.observe(question, endpoints, caller, keep).await {
            Sight::Answered(answer) => Sight::Answered(self.versioned(answer)),
            other @ (Sight::Listed(_) | Sight::Refused(_) | Sight::Nothing) => other,
        }
    }

    async fn apply(
        &self,
        effect: &Effect,
        endpoints: &[Endpoint],
        body: Option<Body>,
        caller: &Caller,
    ) -> contract::Outcome {
        {
            let mut mood = self.state.lock().unwrap();
            mood.times.push(Instant::now());
            if let Some(left) = mood.turns_away.checked_sub(1) {
                mood.turns_away = left;
                return contract::Outcome::Answered(TargetAnswer {
                    status: 429,
                    location: None,
                    etag: None,
                    content_type: None,
                    retry_after: Some(7),
                    body: None,
                    extra: Vec::new(),
                });
            }
            mood.at_once += 1;
            mood.most_at_once = mood.most_at_once.max(mood.at_once);
        }
        self.gathers.wait().await;
        self.state.lock().unwrap().at_once -= 1;
        self.service.apply(effect, endpoints, body, caller).await
    }

    async fn discover(&self, caller: &Caller) -> Discovery {
        self.service.discover(caller).await
    }
}
