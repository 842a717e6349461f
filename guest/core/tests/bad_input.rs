//! Bad and odd input at the level of the core: protocol.md §7, by number.
//!
//! Numbers 1 to 10 and 13 are the parser's: `guest/json/src/parse.rs`. Number 20 is `secrets.rs`.

#![expect(clippy::expect_used, reason = "a test may fail")]

use replaysafe_core::{
    lifecycle::{Reading, identify},
    schema::Schema,
    statement::{Allowance, Operation, Statement},
    types::{Method, Request, Scope, Settings, Verdict},
};
use replaysafe_json::{Limits, Value, parse};

/// Numbers 1, 4 to 10: a body that is no acceptable JSON is the client's mistake, before anything is looked up.
#[test]
fn numbers_1_to_10_a_body_that_cannot_be_read_is_malformed() {
    let deep = format!("{}{}", "{\"a\":".repeat(40), "1".to_owned() + &"}".repeat(40));
    for (body, code) in [
        (deep.as_str(), "too-deep"),
        (r#"{"active":true,"active":false}"#, "duplicate-member"),
        (r#"{"userName":"a","USERNAME":"b"}"#, "duplicate-member"),
        (r#"{"userName":"a","user\u004eame":"b"}"#, "duplicate-member"),
        (r#"{"userName":"\ud800"}"#, "lone-surrogate"),
        ("\u{feff}{\"userName\":\"a\"}", "byte-order-mark"),
        (r#"{"userName":"root\u0000x"}"#, "nul-character"),
        (r#"{"externalId":"e\u0000"}"#, "nul-character"),
        (r#"{"userName":"a","level":1e999}"#, "number-range"),
        (r#"{"userName":"a","level":1e-999}"#, "number-range"),
        (r#"{"userName":"a""#, "syntax"),
        (r#"{"userName":"a"} x"#, "syntax"),
        (r#"{"userName":"a"}{"userName":"b"}"#, "syntax"),
    ] {
        let answer = refusal(Some(body), None);
        assert_eq!(answer, (Verdict::Malformed, true), "{body:.60}");
        assert!(detail(body).contains(&format!("({code})")), "{}", detail(body));
    }
}

/// Number 2: the text is over its limit.
#[test]
fn number_2_a_body_over_its_limit_is_too_large() {
    let emails = vec!["{\"value\":\"a\"}"; 1_000_000].join(",");
    let body = format!("{{\"userName\":\"a\",\"emails\":[{emails}]}}");
    assert_eq!(refusal(Some(&body), None).0, Verdict::TooLarge);
}

/// Number 3: an object that is built to collide takes no longer than another.
#[test]
fn number_3_an_object_of_100_000_names_is_refused() {
    let names: Vec<String> = (0..60_000).map(|name| format!("\"k{name}\":0")).collect();
    assert_eq!(
        refusal(Some(&format!("{{{}}}", names.join(","))), None),
        (Verdict::Malformed, true)
    );
}

/// Number 8: in the key too.
#[test]
fn number_8_a_key_is_visible_ascii() {
    for key in ["a\0b", "", " ", "ä", &"k".repeat(256)] {
        assert_eq!(
            refusal(Some(r#"{"userName":"a"}"#), Some(key)),
            (Verdict::Malformed, true),
            "{key}"
        );
    }
    assert!(readable(r#"{"userName":"a"}"#, Some(&"k".repeat(255))).is_some());
}

/// Number 9: `1`, `1.0` and `1e0` are one number, `-0` is `0`; 2^53 and 2^53 + 1 are two, and so are
/// integers beyond `u64` and fractions that one double stands for.
#[test]
fn number_9_a_number_has_one_fingerprint() {
    let same = |left: &str, right: &str| material(&level(left)) == material(&level(right));
    assert!(same("1", "1.0") && same("1", "1e0") && same("-0", "0") && same("10", "1E+1"));
    assert!(!same("9007199254740992", "9007199254740993") && !same("1", "1.5"));
    assert!(!same("18446744073709551616", "18446744073709551617"));
    assert!(!same("0.1", "0.10000000000000001") && same("0.1", "1e-1"));
}

fn level(number: &str) -> String {
    format!("{{\"userName\":\"a\",\"level\":{number}}}")
}

/// Number 14.
#[test]
fn number_14_order_white_space_and_escapes_do_not_change_a_fingerprint() {
    let plain = r#"{"userName":"ann","name":{"givenName":"A","familyName":"B"},"active":true}"#;
    for other in [
        "{ \"active\" : true,\r\n\t\"name\":{\"familyName\":\"B\", \"givenName\":\"A\"},\"userName\":\"ann\" }",
        r#"{"user\u004eame":"\u0061nn","name":{"givenName":"\u0041","familyName":"B"},"active":true}"#,
        r#"{"USERNAME":"ann","NAME":{"GIVENNAME":"A","familyname":"B"},"ACTIVE":true}"#,
    ] {
        assert_eq!(material(plain), material(other), "{other}");
    }
}

/// Number 15: the other half is `corpus/create/key_reused.case`.
#[test]
fn number_15_a_flag_that_is_flipped_is_another_request() {
    assert_ne!(
        material(r#"{"userName":"a","active":true}"#),
        material(r#"{"userName":"a","active":false}"#)
    );
}

/// Number 16.
#[test]
fn number_16_an_unknown_extension_is_kept_and_counts() {
    let with = |value: &str| format!("{{\"userName\":\"a\",\"urn:x:2.0:Y\":{{\"z\":{value}}}}}");
    assert_ne!(material(&with("1")), material(&with("2")));
    assert_ne!(material(&with("1")), material(r#"{"userName":"a"}"#));
    let of = read(Operation::Replace, &with("1"));
    assert_eq!(of.stated(), ["urn:x:2.0:y:z", "userName"]);
    let sees = |resource: &str| {
        of.against(&json(resource), &Schema::default(), &Allowance::default()).satisfied
    };
    assert!(sees(&with("1")) && !sees(&with("2")) && !sees(r#"{"userName":"a"}"#));
}

/// Number 17.
#[test]
fn number_17_a_set_has_no_order_and_primary_counts() {
    let emails = |list: &str| material(&format!("{{\"userName\":\"a\",\"emails\":[{list}]}}"));
    let (one, two) = (r#"{"value":"x","primary":true}"#, r#"{"value":"y"}"#);
    assert_eq!(emails(&format!("{one},{two}")), emails(&format!("{two},{one}")));
    assert_eq!(emails(&format!("{one},{two},{two}")), emails(&format!("{one},{two}")));
    let moved = r#"{"value":"x"},{"value":"y","primary":true}"#;
    assert_ne!(emails(&format!("{one},{two}")), emails(moved));
}

/// Number 18: a path means what its grammar says, or nothing.
#[test]
fn number_18_a_filter_is_parsed_or_opaque() {
    let resource = json(
        r#"{"emails":[{"value":"x","type":"work"},{"value":"y"}],"members":[{"value":"a"},{"value":"b\" or value pr"}]}"#,
    );
    let decide = |operation: &str| {
        let of = read(Operation::Patch, &format!(r#"{{"Operations":[{operation}]}}"#));
        let difference = of.against(&resource, &Schema::default(), &Allowance::default());
        let takes: Vec<String> = difference.takes.into_iter().map(|path| path.0).collect();
        (difference.opaque, takes.join(" "))
    };
    let opaque = (true, String::new());
    for path in [
        r#"emails[value eq \"x\" or 1 eq 1]"#,
        r#"emails[value eq \"x\"] or emails[value pr]"#,
        r#"members[value eq \"a\"];members"#,
        r#"members[value eq \"a\"][value pr]"#,
        r#"members[value eq \"a\" --]"#,
        r#"members[(value eq \"a\"]"#,
        r#"../Groups"#,
    ] {
        assert_eq!(decide(&format!(r#"{{"op":"remove","path":"{path}"}}"#)), opaque, "{path}");
    }
    // What is quoted is text, whatever it says.
    let quoted = r#"{"op":"remove","path":"members[value eq \"b\\\" or value pr\"]"}"#;
    assert_eq!(decide(quoted), (false, "members/b\" or value pr".into()));
    let all = r#"{"op":"remove","path":"members[value eq \"a\" or value pr]"}"#;
    assert_eq!(decide(all), (false, "members/a members/b\" or value pr".into()));
}

/// Number 19.
#[test]
fn number_19_the_last_member_goes_and_one_that_is_not_there_changes_nothing() {
    let decide = |resource: &str, operation: &str| {
        let of = read(Operation::Patch, &format!(r#"{{"Operations":[{operation}]}}"#));
        let difference = of.against(&json(resource), &Schema::default(), &Allowance::default());
        (difference.satisfied, difference.takes.len())
    };
    let last = r#"{"members":[{"value":"a"}]}"#;
    for operation in [
        r#"{"op":"remove","path":"members[value eq \"a\"]"}"#,
        r#"{"op":"Remove","path":"members","value":[{"value":"a"}]}"#,
        r#"{"op":"remove","path":"members"}"#,
    ] {
        assert_eq!(decide(last, operation), (false, 1), "{operation}");
        for empty in ["{}", r#"{"members":[]}"#, r#"{"members":null}"#] {
            assert_eq!(decide(empty, operation), (true, 0), "{operation} on {empty}");
        }
    }
    let other = r#"{"op":"remove","path":"members[value eq \"b\"]"}"#;
    assert_eq!(decide(last, other), (true, 0));
}

fn material(body: &str) -> String {
    readable(body, None).expect("readable")
}

fn readable(body: &str, key: Option<&str>) -> Option<String> {
    match identify(&request(Some(body), key), &settings()).expect("the contract is kept") {
        Reading::Readable(identification) => Some(identification.statement_material),
        Reading::Unreadable(_) => None,
    }
}

/// The verdict, and whether nothing was changed.
fn refusal(body: Option<&str>, key: Option<&str>) -> (Verdict, bool) {
    match identify(&request(body, key), &settings()).expect("the contract is kept") {
        Reading::Readable(_) => (Verdict::Done, false),
        Reading::Unreadable(answer) => (answer.verdict, !answer.changed),
    }
}

fn detail(body: &str) -> String {
    match identify(&request(Some(body), None), &settings()).expect("the contract is kept") {
        Reading::Readable(_) => String::new(),
        Reading::Unreadable(answer) => answer.detail,
    }
}

fn request(body: Option<&str>, key: Option<&str>) -> Request {
    Request {
        scope: Scope {
            tenant: "t".into(),
            target: "x".into(),
            source: "s".into(),
            principal: "p".into(),
        },
        method: Method::Create,
        resource_type: "User".into(),
        id: None,
        body: body.map(ToOwned::to_owned),
        key: key.map(ToOwned::to_owned),
        version: None,
        if_match: None,
        received_at: 0,
        extra: Vec::new(),
    }
}

fn settings() -> Settings {
    Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() }
}

fn read(operation: Operation, body: &str) -> Statement {
    Statement::read(operation, "User", Some("1"), Some(&json(body)), None, &Schema::default())
        .expect("well-formed")
}

fn json(text: &str) -> Value {
    parse(text.as_bytes(), &Limits::default()).expect("valid")
}
