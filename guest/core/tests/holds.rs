//! Whether a resource, read back, shows what was stated (S11).

#![expect(clippy::expect_used, reason = "a test may fail")]

use replaysafe_core::{
    schema::Schema,
    statement::{Operation, Statement},
};
use replaysafe_json::{Limits, Value, parse};

const GROUP: &str = r#"{"members":[{"value":"a"},{"value":"b"}]}"#;

#[test]
fn what_reads_as_stated_holds() {
    patch(GROUP, r#"{"op":"replace","path":"title","value":"T"}"#, r#"{"title":"T"}"#, "all");
    patch(
        GROUP,
        r#"{"op":"remove","path":"members[value eq \"a\"]"}"#,
        r#"{"members":[{"value":"b"}]}"#,
        "all",
    );
    create(r#"{"userName":"Ann","roles":[]}"#, r#"{"id":"1","userName":"ann","meta":{}}"#, "all");
    create(r#"{"userName":"ann","password":{"$secret":"x"}}"#, r#"{"userName":"ann"}"#, "all");
    put(
        r#"{"id":"9","name":{"givenName":"A"}}"#,
        r#"{"name":{"givenName":"A","formatted":"A"}}"#,
        "all",
    );
}

#[test]
fn an_edge_that_reads_back_is_shown() {
    patch(
        GROUP,
        r#"{"op":"add","path":"members","value":[{"value":"c","display":"C"}]}"#,
        r#"{"members":[{"value":"a"},{"value":"b"},{"value":"c","display":"other"}]}"#,
        "all shown:members",
    );
}

#[test]
fn what_does_not_read_back_is_not_kept() {
    create(r#"{"userName":"ann","nickName":"N"}"#, r#"{"userName":"ann"}"#, r#"nickname("N"->)"#);
    put(
        r#"{"name":{"givenName":"A","familyName":"B"}}"#,
        r#"{"name":{"givenName":"A","familyName":"C"}}"#,
        r#"name.familyname("B"->"C")"#,
    );
    patch(
        GROUP,
        r#"{"op":"add","path":"members","value":[{"value":"c"}]}"#,
        GROUP,
        r#"members/c({"value":"c"}->)"#,
    );
    put(
        r#"{"emails":[{"value":"a","type":"work"}]}"#,
        "{}",
        r#"emails({"type":"work","value":"a"}->)"#,
    );
}

/// S3: letter case of values counts, except for the `userName` of a create.
#[test]
fn letter_case_is_passed_over_in_the_user_name_of_a_create_only() {
    create(r#"{"userName":"Ann"}"#, r#"{"userName":"ann"}"#, "all");
    create(r#"{"title":"T"}"#, r#"{"title":"t"}"#, r#"title("T"->"t")"#);
    put(r#"{"userName":"Ann"}"#, r#"{"userName":"ann"}"#, r#"username("Ann"->"ann")"#);
}

/// S11: what takes access away is never passed over.
#[test]
fn what_is_still_there_after_a_removal_takes() {
    patch(
        GROUP,
        r#"{"op":"remove","path":"members[value eq \"a\"]"}"#,
        GROUP,
        r#"members/a(->{"value":"a"})taking"#,
    );
    patch(
        GROUP,
        r#"{"op":"Remove","path":"members","value":[{"value":"b"}]}"#,
        GROUP,
        r#"members/b(->{"value":"b"})taking"#,
    );
    patch(
        GROUP,
        r#"{"op":"replace","path":"members","value":[]}"#,
        r#"{"members":[{"value":"b"}]}"#,
        r#"members/b(->{"value":"b"})taking"#,
    );
    put(
        r#"{"roles":[{"value":"x"}]}"#,
        r#"{"roles":[{"value":"x"},{"value":"y"}]}"#,
        r#"roles/y(->{"value":"y"})taking shown:roles"#,
    );
    patch(
        GROUP,
        r#"{"op":"replace","path":"active","value":"False"}"#,
        r#"{"active":true}"#,
        "active(false->true)taking,active",
    );
    patch(GROUP, r#"{"op":"replace","path":"active","value":true}"#, "{}", "active(true->),active");
}

/// S11: edges that no operation removes, and that are gone.
#[test]
fn other_edges_that_are_gone_are_noticed() {
    patch(
        GROUP,
        r#"{"op":"add","path":"members","value":[{"value":"c"}]}"#,
        r#"{"members":[{"value":"c"}]}"#,
        "all lost:members/a lost:members/b shown:members",
    );
    patch(GROUP, r#"{"op":"remove","path":"members"}"#, "{}", "all");
}

/// RFC 7644 §3.5.2: applied in order; the last word counts.
#[test]
fn operations_are_read_back_as_a_whole() {
    let ops = r#"{"op":"remove","path":"members[value eq \"a\"]"},{"op":"add","path":"members","value":[{"value":"a"}]}"#;
    patch(GROUP, ops, GROUP, "all shown:members");
    patch(GROUP, ops, r#"{"members":[{"value":"b"}]}"#, r#"members/a({"value":"a"}->)"#);
}

#[test]
fn without_what_was_before_there_must_be_nothing_to_do() {
    let check = |operations: &str, after: &str, expected: bool| {
        let of = read(Operation::Patch, &format!(r#"{{"Operations":[{operations}]}}"#));
        assert_eq!(of.holds(None, &json(after), &Schema::default()).all, expected, "{operations}");
    };
    check(r#"{"op":"remove","path":"members[value eq \"c\"]"}"#, GROUP, true);
    check(r#"{"op":"remove","path":"members[value eq \"a\"]"}"#, GROUP, false);
    check(r#"{"op":"add","path":"members","value":[{"value":"a"}]}"#, GROUP, true);
    check(r#"{"op":"add","path":"members","value":[{"value":"z"}]}"#, GROUP, false);
    check(r#"{"op":"replace","path":"members","value":[{"value":"a"}]}"#, GROUP, false);
    check(
        r#"{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}"#,
        r#"{"emails":[{"type":"work","value":"x"}]}"#,
        true,
    );
    check(
        r#"{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}"#,
        r#"{"emails":[{"type":"work","value":"y"}]}"#,
        false,
    );
    check(r#"{"op":"replace","path":"title","value":"x"}"#, "{}", false);
}

#[test]
fn what_cannot_be_read_and_what_is_not_gone_never_hold() {
    patch(GROUP, r#"{"op":"add","path":"a b","value":1}"#, GROUP, "open");
    let schema = Schema::default();
    let of =
        Statement::read(Operation::Delete, "User", Some("1"), None, None, &schema).expect("valid");
    assert!(!of.holds(None, &json("{}"), &schema).all);
}

fn patch(before: &str, operations: &str, after: &str, expected: &str) {
    let body = format!(r#"{{"Operations":[{operations}]}}"#);
    check(Operation::Patch, Some(before), &body, after, expected);
}

fn put(body: &str, after: &str, expected: &str) {
    check(Operation::Replace, Some("{}"), body, after, expected);
}

fn create(body: &str, after: &str, expected: &str) {
    check(Operation::Create, None, body, after, expected);
}

fn check(operation: Operation, before: Option<&str>, body: &str, after: &str, expected: &str) {
    let of = read(operation, body);
    let before = before.map(json);
    let holds = of.holds(before.as_ref(), &json(after), &Schema::default());
    let mut words: Vec<String> = Vec::new();
    if holds.all {
        words.push("all".into());
    }
    words.extend(holds.not_kept.iter().map(|kept| {
        let (taking, active) =
            (if kept.taking { "taking" } else { "" }, if kept.active { ",active" } else { "" });
        format!("{}({}->{}){taking}{active}", kept.path.0, kept.stated, kept.observed)
    }));
    words.extend(holds.collateral.iter().map(|key| format!("lost:{}", key.0)));
    words.extend(holds.edges_shown.iter().map(|name| format!("shown:{name}")));
    if words.is_empty() {
        words.push("open".into());
    }
    assert_eq!(words.join(" "), expected, "{body}");
}

fn read(operation: Operation, body: &str) -> Statement {
    Statement::read(operation, "User", Some("1"), Some(&json(body)), None, &Schema::default())
        .expect("valid")
}

fn json(text: &str) -> Value {
    parse(text.as_bytes(), &Limits::default()).expect("valid")
}
