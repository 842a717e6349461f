//! The core and the component against a naive reference that was written apart from it, on random requests and resources.
//!
//! ```text
//! REPLAYSAFE_CASES=1000000   how many cases
//! REPLAYSAFE_FIRST=N         the first of them
//! REPLAYSAFE_SEED=N          this case alone
//! REPLAYSAFE_EVERY=N         every Nth case goes to the component, too
//! ```
//!
//! A difference is a bug of the core, a bug of the reference, or an unclear rule. None is known: a rule that could be
//! read in two ways is decided where the reference answers it, with its reason.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may fail, and says how much it tried"
)]

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use replaysafe::guest::Guest;
use replaysafe_core::{
    schema::Schema,
    statement::{Allowance, Operation, Statement},
    types::{EffectBody, Method, Verdict},
};
use replaysafe_json::{Limits, parse};
use replaysafe_tests::{
    figures,
    real::Beside,
    reference::{
        generate::{self, Case},
        host::{self, End, Host},
        oracle::{self, Holds},
        server::{self, Members, Style},
        shrink,
    },
    sim::decider::Decider,
};
use serde_json::Value;

/// A law that did not hold, with what came.
struct Broken {
    law: &'static str,
    came: String,
}

fn broken(law: &'static str, came: impl Into<String>) -> Result<(), Broken> {
    Err(Broken { law, came: came.into() })
}

#[test]
fn a_request_means_what_the_reference_says() {
    run("a_request_means_what_the_reference_says", CASES);
}

/// A minute on two cores, where the core is optimised: see the workspace's `profile.dev`. `REPLAYSAFE_FIRST` begins elsewhere.
const CASES: u64 = 120_000;

/// The component is asked through both doors, and the monitor checks each step: that takes longer.
const EVERY: u64 = 20;

/// What failed first: the seed, and the case made as small as it fails.
type Failed = BTreeMap<(&'static str, String), (u64, u64)>;

fn run(test: &str, cases: u64) {
    let number =
        |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("REPLAYSAFE_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("REPLAYSAFE_FIRST").unwrap_or(0);
            first..first + number("REPLAYSAFE_CASES").unwrap_or(cases)
        }
    };
    let every = number("REPLAYSAFE_EVERY").unwrap_or(EVERY);
    let component = Guest::embedded().expect("the component loads");
    let count = seeds.end - seeds.start;
    let started = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let failed: Mutex<Failed> = Mutex::default();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&next, seeds.end, every, component.clone(), &failed));
        }
    });
    let seconds = started.elapsed().as_secs_f64().max(0.001);
    let failed = failed.into_inner().expect("no thread has panicked");
    println!("{test}: {count} cases, {:.0} a second", count as f64 / seconds);
    let figures = [("cases", count), ("differences", failed.len() as u64)];
    figures::note("differential", seconds, &figures).expect("the figures are noted");
    assert!(failed.is_empty(), "{} differences:\n{}", failed.len(), report(test, &failed));
}

/// Works on one case after another until none is left, or enough have failed.
fn work(next: &AtomicU64, end: u64, every: u64, component: Guest, failed: &Mutex<Failed>) {
    let schema = Schema::default();
    let mut core = Decider::default();
    let mut both = Decider::watched(Box::new(Beside::new(component)));
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if end <= seed || ENOUGH <= failed.lock().expect("no thread has panicked").len() {
            return;
        }
        let case = generate::case(seed);
        let core = if seed.is_multiple_of(every) { &mut both } else { &mut core };
        let Err(first) = check(&case, &schema, seed, core) else { continue };
        let again = |case: &Case| check(case, &schema, seed, &mut Decider::default());
        let same = |case: &Case| again(case).is_err_and(|found| found.law == first.law);
        let case = shrink::shrink(case, smaller, same);
        let last = again(&case).expect_err("it failed before");
        let text = format!("{}\n  {}", told(&case), last.came);
        let mut failed = failed.lock().expect("no thread has panicked");
        failed.entry((first.law, text)).or_insert((seed, 0)).1 += 1;
    }
}

/// The smallest of each law.
fn report(test: &str, failed: &Failed) -> String {
    let mut smallest: Vec<_> = failed.iter().collect();
    smallest.sort_by_key(|((_, text), _)| text.len());
    let mut report = String::new();
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    for ((law, text), (seed, times)) in smallest {
        let count = shown.entry(law).or_default();
        *count += 1;
        if SHOWN < *count {
            continue;
        }
        let again = format!(
            "REPLAYSAFE_SEED={seed} cargo test -p replaysafe-tests --test differential {test}"
        );
        writeln!(report, "{law} ({times} times)\n  {text}\n  again: {again}\n").expect("text");
    }
    report
}

/// Making one smaller takes a second: more would tell nothing new.
const ENOUGH: usize = 40;

/// Of each law.
const SHOWN: usize = 12;

fn told(case: &Case) -> String {
    format!(
        "{} {} before {} {:?} {} spelled {} other {}",
        case.resource_type,
        if case.shows_edges { "" } else { "(edges not shown)" },
        Value::Object(case.before.clone()),
        case.method,
        generate::write(&case.body, case.spelling),
        case.spelling,
        case.other,
    )
}

fn smaller(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    if case.spelling != 0 {
        found.push(Case { spelling: 0, ..case.clone() });
    }
    if case.other != case.body {
        found.push(Case { other: case.body.clone(), ..case.clone() });
    }
    if !case.shows_edges {
        found.push(Case { shows_edges: true, ..case.clone() });
    }
    let before = Value::Object(case.before.clone());
    let is_whole = |body: &Value| body.get("schemas").is_some();
    for before in shrink::smaller(&before) {
        let before = before.as_object().cloned().unwrap_or_default();
        found.push(Case { before, ..case.clone() });
    }
    for body in shrink::smaller(&case.body).into_iter().filter(is_whole) {
        let same = case.other == case.body;
        let other = if same { body.clone() } else { case.other.clone() };
        found.push(Case { body, other, ..case.clone() });
    }
    if case.other != case.body {
        for other in shrink::smaller(&case.other).into_iter().filter(is_whole) {
            found.push(Case { other, ..case.clone() });
        }
    }
    found
}

const ID: &str = "x1";

/// What the core reads.
fn statement(case: &Case, text: &str, schema: &Schema) -> Statement {
    let operation = match case.method {
        Method::Create => Operation::Create,
        Method::Replace => Operation::Replace,
        Method::Patch => Operation::Patch,
        Method::Delete => Operation::Delete,
    };
    let id = (case.method != Method::Create).then_some(ID);
    Statement::read(operation, &case.resource_type, id, Some(&json(text)), None, schema)
        .expect("it has its form")
}

fn json(text: &str) -> replaysafe_json::Value {
    parse(text.as_bytes(), &Limits::default()).expect("it was read before")
}

fn check(case: &Case, schema: &Schema, seed: u64, core: &mut Decider) -> Result<(), Broken> {
    let text = generate::write(&case.body, case.spelling);
    let read: Value = serde_json::from_str(&text).expect("what was written is JSON");
    let kind = case.resource_type.as_str();
    let id = (case.method != Method::Create).then_some(ID);
    let request = host::request(kind, case.method, id, Some(text.clone()));
    let mut host = Host::new(case.shows_edges);
    host.resources.insert(ID.into(), case.before.clone());
    let identified = match host.identify(&request, core) {
        Ok(identified) => identified,
        Err(answer) => {
            return broken("readable", format!("{:?}: {}", answer.verdict, answer.detail));
        }
    };
    if let Some(safe) = oracle::safe_way(kind, case.method, &read)
        && safe != identified.safe_way
    {
        return broken("safe-way", format!("by its form {safe}, came {}", identified.safe_way));
    }
    fingerprints(case, &text, &read, schema, seed)?;
    if case.method == Method::Create {
        return create(case, &read, &request, &host.request(&request, &identified, core));
    }
    update(case, schema, &read, &request, host.request(&request, &identified, core))
}

/// S3: requests that differ in what does not count have one fingerprint, others two.
fn fingerprints(
    case: &Case,
    text: &str,
    read: &Value,
    schema: &Schema,
    seed: u64,
) -> Result<(), Broken> {
    let kind = case.resource_type.as_str();
    let fingerprint = statement(case, text, schema).fingerprint();
    for other in [&case.body, &case.other].into_iter().filter(|other| *other != read) {
        let one = statement(case, &other.to_string(), schema).fingerprint() == fingerprint;
        let is_same = oracle::has_one_form(kind, case.method, read, other);
        if is_same && !one {
            return broken("one-fingerprint", format!("two for {read}\n  and {other}"));
        }
        if is_same || !one {
            continue;
        }
        let mut samples = generate::samples(seed, kind);
        samples.push(case.before.clone());
        if oracle::shows_difference(kind, case.method, read, other, &samples) {
            return broken("two-fingerprints", format!("one for {read}\n  and {other}"));
        }
    }
    Ok(())
}

/// S16, S18, S19: a create where there may be something already.
fn create(
    case: &Case,
    read: &Value,
    request: &replaysafe_core::types::Request,
    end: &End,
) -> Result<(), Broken> {
    let kind = case.resource_type.as_str();
    let Ok(body) = server::tidy(kind, read) else { return Ok(()) };
    let text = |members: &Members, name: &str| {
        members.get(name).and_then(Value::as_str).map(str::to_owned)
    };
    let (asked, held) = (text(&body, "externalId"), text(&case.before, "externalId"));
    let by_external_id = asked.is_some() && asked == held;
    let other_external_id = asked.is_some() && held.is_some() && asked != held;
    let fold = |members: &Members| text(members, "userName").map(|name| name.to_lowercase());
    let by_name = kind == "User" && fold(&body).is_some() && fold(&body) == fold(&case.before);
    let holds = oracle::holds(kind, Method::Create, read, &case.before);
    let expected = match (by_external_id, by_name && !other_external_id, holds) {
        (_, _, Holds::Unclear) => return Ok(()),
        (true, _, Holds::Yes) => Some(Verdict::Adopted),
        (true, _, _) | (_, true, _) => Some(Verdict::Conflict),
        (false, false, _) => None,
    };
    let came = match end {
        End::Answers(answer) => Some(answer.verdict),
        End::Sends(_) => None,
    };
    if came != expected {
        return broken("create", format!("expected {expected:?}, came {came:?}"));
    }
    if let End::Sends(effect) = end {
        let sent = host::effect_body(request, effect);
        let after = |body| {
            server::apply(Style::STATED, kind, &Members::new(), Method::Create, body)
                .map(|made| server::shown(kind, &made))
        };
        if after(&sent) != after(read) {
            return broken("effect", format!("sent {sent}"));
        }
    }
    Ok(())
}

/// S25, S27: an update is sent where something would change, and changes what the client's own would.
fn update(
    case: &Case,
    schema: &Schema,
    read: &Value,
    request: &replaysafe_core::types::Request,
    end: End,
) -> Result<(), Broken> {
    let kind = case.resource_type.as_str();
    let holds = oracle::holds(kind, case.method, read, &case.before);
    let safe = oracle::safe_way(kind, case.method, read) != Some(false);
    let effect = match end {
        End::Sends(effect) => effect,
        End::Answers(answer) => {
            let verdict = answer.verdict;
            if verdict != Verdict::AlreadySatisfied {
                return broken("verdict", format!("{verdict:?}: {}", answer.detail));
            }
            return match holds {
                Holds::Yes => Ok(()),
                // Where a filter that finds nothing makes a value, later operations may take it away again.
                Holds::Unclear if would_hold(case, read) => Ok(()),
                Holds::No | Holds::Secret | Holds::Unclear => {
                    broken("nothing-sent", format!("the reference says {holds:?}"))
                }
            };
        }
    };
    let sent = host::effect_body(request, &effect);
    match holds {
        // S11: where edges are not shown their absence is no evidence.
        Holds::Yes if !safe || case.shows_edges => {
            return broken("sent", format!("nothing would change, sent {sent}"));
        }
        Holds::Unclear => return opaque(case, read, &effect, &sent),
        Holds::Yes | Holds::No | Holds::Secret => {}
    }
    let after = |style, body: &Value| {
        server::apply(style, kind, &case.before, case.method, body)
            .map(|after| server::shown(kind, &after))
    };
    for style in Style::ALL {
        let (ours, theirs) = (after(style, &sent), after(style, read));
        if ours != theirs {
            let came = format!(
                "sent {sent}\n  gives {ours:?}\n  the client's gives {theirs:?}\n  {style:?}"
            );
            return broken("effect", came);
        }
    }
    evidence(case, schema, request.body.as_deref().unwrap_or_default(), read, &sent)?;
    // The law `decide-is-a-fixpoint`.
    if let (Holds::No, true) = (holds, case.shows_edges)
        && !oracle::states(
            kind,
            case.method,
            read,
            replaysafe_tests::reference::facts::Kind::Secret,
        )
    {
        let of = statement(case, request.body.as_deref().unwrap_or_default(), schema);
        for style in Style::ALL {
            let Ok(after) = server::apply(style, kind, &case.before, case.method, &sent) else {
                continue;
            };
            if oracle::holds(kind, case.method, read, &after) != Holds::Yes {
                continue;
            }
            let after = Value::Object(oracle::as_resource(kind, ID, &after)).to_string();
            let again = of.against(&json(&after), schema, &Allowance::default());
            if !again.satisfied {
                return broken("fixpoint", format!("sent {sent}, then {:?}", again.body));
            }
        }
    }
    Ok(())
}

/// S11: what a server has done as it was asked is seen.
fn evidence(
    case: &Case,
    schema: &Schema,
    text: &str,
    read: &Value,
    sent: &Value,
) -> Result<(), Broken> {
    let kind = case.resource_type.as_str();
    let shown = |members: &Members| {
        json(&Value::Object(oracle::as_resource(kind, ID, members)).to_string())
    };
    let (of, before) = (statement(case, text, schema), shown(&case.before));
    if oracle::states_twice(kind, case.method, read) {
        return Ok(());
    }
    for style in Style::ALL.into_iter().chain([Style::LETTER]) {
        let Ok(after) = server::apply(style, kind, &case.before, case.method, sent) else {
            continue;
        };
        // A value that stands there as it began shows nothing of what was done to it.
        let (began, ended) = (server::shown(kind, &case.before), server::shown(kind, &after));
        let stands = |name: &str| {
            let items = |of: &Value| of.get(name).and_then(Value::as_array).cloned();
            let (began, ended) = (items(&began), items(&ended).unwrap_or_default());
            began.is_some_and(|began| ended.iter().all(|item| began.contains(item)))
        };
        let read_back = shown(&after);
        let seen = of.holds(Some(&before), &read_back, schema);
        if seen.not_kept.iter().any(|one| !one.observed.is_empty() || !stands(&one.name)) {
            return broken(
                "evidence",
                format!("{read_back} is not as stated: {:?}", seen.not_kept),
            );
        }
    }
    Ok(())
}

/// S25: what cannot be interpreted is sent as it came; beside it, what is satisfied may be left out.
fn opaque(
    case: &Case,
    read: &Value,
    effect: &replaysafe_core::types::Effect,
    sent: &Value,
) -> Result<(), Broken> {
    if effect.body == EffectBody::AsSent {
        return Ok(());
    }
    let sift = |style, body| {
        let (after, unclear) = server::sift(style, &case.resource_type, &case.before, body).ok()?;
        Some((server::shown(&case.resource_type, &after), unclear))
    };
    let stated = Style::STATED;
    let same = |style: Style| sift(style, sent) == sift(style, read);
    if case.method == Method::Patch && (same(stated) || same(Style { makes: true, ..stated })) {
        return Ok(());
    }
    broken("opaque", format!("not as it came: {sent}"))
}

fn would_hold(case: &Case, read: &Value) -> bool {
    let kind = case.resource_type.as_str();
    let style = Style { makes: true, ..Style::STATED };
    let after = server::apply(style, kind, &case.before, case.method, read);
    after.is_ok_and(|after| server::shown(kind, &after) == server::shown(kind, &case.before))
}
