//! The table, typed by hand from S37.

use super::*;

/// Verdict, status for a POST without key and without an answer of the target, scimType, retry.
const EXPECTED: &str = "
malformed 400 - fix-input
too-large 413 - fix-input
wrong-type 415 - fix-input
key-reused 422 - new-key
outside-window 412 - new-key
in-flight 503 - retry-after
parked 423 - person
blocked-by 424 - fix-input
staged 503 - person
weak-identity 400 invalidValue fix-input
contradiction 400 invalidValue fix-input
precondition-failed 412 - fix-input
stale 409 - none
version-conflict 409 - person
superseded 409 - new-key
superseded-by-deletion 409 - new-key
ambiguous 409 - person
found-already-linked 409 - person
conflict 409 uniqueness fix-input
would-widen 409 - new-key
held-by 409 - person
refused 502 - fix-input
irrevocable 503 - retry-after
unresolved 503 - retry-after
unavailable 503 - retry-after
already-satisfied 201 - none
adopted 201 - none
reactivated 200 - none
accepted-unverified 502 - none
opaque 502 - none
done 502 - none
";

#[test]
fn every_verdict_has_its_status() {
    let mut given = String::from("\n");
    for verdict in VERDICTS {
        let status = respond(&answer(verdict), &asked(Method::Create)).status();
        let line = line(verdict);
        let (word, retry) = (verdict_word(verdict), retry_word(line.retry));
        let scim_type = line.scim_type.unwrap_or("-");
        given.push_str(&format!("{word} {} {scim_type} {retry}\n", status.as_str()));
    }
    assert_eq!(given, EXPECTED);
    assert_eq!(table_markdown().lines().count(), 2 + VERDICTS.len());
}

/// S39: of those that the rules name, each once, none for what is not recorded, and a look is evidence for no less than a word.
#[test]
fn a_verdict_names_controls_that_there_are() {
    const KNOWN: &str = "NHI1:2025 NHI5:2025 NHI7:2025 NHI9:2025 PR.AA-01 PR.AA-05 PR.PS-04 AC-2 AC-2(1) AC-2(3) \
                         AC-2(4) AC-6 AC-6(7) AU-3 AU-10 AU-12 IA-4 IA-5 PS-4 PS-5";
    let known: Vec<&str> = KNOWN.split_whitespace().collect();
    for verdict in VERDICTS {
        let [read, word] = [Evidence::Read, Evidence::Response].map(|of| controls(verdict, of));
        assert!(read.iter().all(|control| known.contains(control)), "{read:?}");
        assert_eq!(read.is_empty(), !read.contains(&"AU-12"), "{read:?}");
        let mut distinct = read.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), read.len(), "{read:?}");
        assert!(word.iter().all(|control| read.contains(control)), "{verdict:?}");
    }
    // What nobody has looked at is not known to hold.
    assert!(controls(Verdict::Done, Evidence::Read).contains(&"IA-4"));
    assert!(!controls(Verdict::Done, Evidence::Response).contains(&"IA-4"));
}

/// `docs/answers.md` shows this table, and says what each verdict means.
#[test]
fn the_documentation_has_the_table() {
    let page = include_str!("../../../../docs/answers.md");
    assert!(page.contains(&table_markdown()), "docs/answers.md lacks:\n{}", table_markdown());
    let (_, meanings) = page.split_once("## What they mean").unwrap();
    let words = meanings.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let words: Vec<_> = words.map(|(word, _)| word).collect();
    assert_eq!(words, VERDICTS.map(verdict_word));
}

#[test]
fn the_targets_answer_is_repeated() {
    for verdict in [Verdict::Done, Verdict::Opaque, Verdict::AcceptedUnverified, Verdict::Refused] {
        for status in [200, 201, 204, 404, 409] {
            let answer = Answer { target: Some(target(status)), ..answer(verdict) };
            let response = respond(&answer, &asked(Method::Create));
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()["etag"], "W/\"1\"");
        }
    }
}

/// What the target says of when to come again, and of how to sign in, reaches the client (S9: neither is recorded).
#[test]
fn a_refusal_of_the_target_says_how_to_go_on() {
    let challenge = Field { name: "www-authenticate".into(), value: "Bearer realm=\"up\"".into() };
    for status in [401, 429] {
        let target =
            TargetAnswer { retry_after: Some(7), extra: vec![challenge.clone()], ..target(status) };
        let answer = Answer { target: Some(target), ..answer(Verdict::Refused) };
        let response = respond(&answer, &asked(Method::Create));
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"up\"");
    }
}

#[test]
fn a_key_makes_an_attached_request_a_409() {
    let asked = Asked { with_key: true, ..asked(Method::Create) };
    let response = respond(&answer(Verdict::InFlight), &asked);
    assert_eq!(response.status(), 409);
    assert_eq!(response.headers()["retry-after"], "5");
}

/// S14c: what takes access away was applied beside what is parked.
#[test]
fn what_is_parked_may_have_changed_something() {
    let answer = Answer { changed: true, ..answer(Verdict::Parked) };
    let response = respond(&answer, &asked(Method::Replace));
    assert_eq!(response.status(), 423);
    assert_eq!(response.headers()["replaysafe-changed"], "true");
}

/// No 21 of the catalogue; S2.
#[test]
fn a_derived_key_is_told() {
    let told = |with_key| {
        let asked = Asked { with_key, ..asked(Method::Create) };
        respond(&answer(Verdict::Done), &asked).headers().get("replaysafe-key").cloned()
    };
    assert_eq!(told(false).unwrap(), "derived");
    assert_eq!(told(true), None);
}

#[test]
fn what_is_satisfied_has_the_first_answers_status() {
    let check = |asked: &Asked, status: Option<u16>, expected: u16| {
        let answer =
            Answer { status, target: Some(target(200)), ..answer(Verdict::AlreadySatisfied) };
        assert_eq!(respond(&answer, asked).status(), expected, "{asked:?} {status:?}");
    };
    check(&asked(Method::Create), None, 201);
    check(&asked(Method::Replace), None, 200);
    check(&asked(Method::Delete), None, 204);
    check(&asked(Method::Patch), None, 200);
    check(&asked(Method::Patch), Some(204), 204);
    let group = Asked { resource_type: "Group".into(), ..asked(Method::Patch) };
    check(&group, None, 204);
    check(&Asked { with_attributes: true, ..group }, None, 200);
}

#[test]
fn an_adopted_resource_has_its_location() {
    let answer = Answer { target: Some(target(200)), ..answer(Verdict::Adopted) };
    let response = respond(&answer, &asked(Method::Create));
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["location"], "http://me/v2/Users/7");
}

#[test]
fn headers_say_what_became_of_it() {
    let note = |name: &str, value: &str| Field { name: name.into(), value: value.into() };
    let answer = Answer {
        changed: true,
        replayed: true,
        diverged: Divergence::Deleted,
        notes: vec![
            note("not-kept", "title"),
            note("scim-type", "mutability"),
            note("secret-differs", "true"),
        ],
        ..answer(Verdict::Superseded)
    };
    let response = respond(&answer, &asked(Method::Create));
    let headers = response.headers();
    for (name, value) in [
        ("replaysafe-verdict", "superseded"),
        ("replaysafe-decision", "d1"),
        ("replaysafe-changed", "true"),
        ("replaysafe-diverged", "deleted"),
        ("replaysafe-not-kept", "title"),
        ("replaysafe-secret-differs", "true"),
        ("idempotency-replayed", "true"),
        ("content-type", "application/scim+json"),
    ] {
        assert_eq!(headers[name], value);
    }
}

fn answer(verdict: Verdict) -> Answer {
    Answer {
        verdict,
        decision: "d1".into(),
        changed: false,
        replayed: false,
        diverged: Divergence::No,
        target: None,
        status: None,
        retry: Retry::None,
        retry_after: None,
        evidence: Evidence::None,
        detail: "Said.".into(),
        attributes: Vec::new(),
        notes: Vec::new(),
    }
}

fn asked(method: Method) -> Asked {
    Asked {
        method,
        resource_type: "User".into(),
        with_key: false,
        with_attributes: false,
        collection: "http://me/v2/Users".into(),
    }
}

fn target(status: u16) -> TargetAnswer {
    TargetAnswer {
        status,
        location: None,
        etag: Some("W/\"1\"".into()),
        content_type: Some("application/scim+json".into()),
        retry_after: None,
        body: Some(r#"{"id":"7"}"#.into()),
        extra: Vec::new(),
    }
}
