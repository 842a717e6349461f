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

/// S11: as the schema spells it, whoever reads the list.
#[test]
fn what_is_not_kept_is_named_as_the_schema_spells_it() {
    let of = read(Operation::Replace, r#"{"TITLE":"T","Name":{"FAMILYNAME":"B"}}"#);
    let holds = of.holds(Some(&json("{}")), &json("{}"), &Schema::default());
    let names: Vec<&str> = holds.not_kept.iter().map(|kept| kept.name.as_str()).collect();
    assert_eq!(names, ["name.familyName", "title"]);
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
        "all lost:members/a lost:members/b shown:members swept:members",
    );
    // What is gone beside a removal was not swept away by an `add`.
    patch(GROUP, r#"{"op":"remove","path":"members[value eq \"a\"]"}"#, "{}", "all lost:members/b");
    // Only access is looked after so.
    patch(
        r#"{"emails":[{"value":"x"}]}"#,
        r#"{"op":"add","path":"emails","value":[{"value":"y"}]}"#,
        r#"{"emails":[{"value":"y"}]}"#,
        "all",
    );
    patch(GROUP, r#"{"op":"remove","path":"members"}"#, "{}", "all");
}

/// S27: a list that was to be replaced, and has all that it had and what it was to have.
#[test]
fn a_list_that_was_added_to_is_noticed() {
    let replace = |list: &str| format!(r#"{{"op":"replace","path":"members","value":[{list}]}}"#);
    let (a, b, c) = (r#"{"value":"a"}"#, r#"{"value":"b"}"#, r#"{"value":"c"}"#);
    let shown = |list: &[&str]| format!(r#"{{"members":[{}]}}"#, list.join(","));
    let still = |name: &str| format!(r#"members/{name}(->{{"value":"{name}"}})taking"#);
    let both = format!("{} {} shown:members appended:members", still("a"), still("b"));
    patch(GROUP, &replace(c), &shown(&[a, b, c]), &both);
    // One of them is gone; nothing came; not all came; all is as stated; nothing was to be replaced.
    patch(GROUP, &replace(c), &shown(&[b, c]), &format!("{} shown:members", still("b")));
    patch(GROUP, &replace(a), GROUP, &format!("{} shown:members", still("b")));
    patch(
        GROUP,
        &replace(&[c, r#"{"value":"d"}"#].join(",")),
        &shown(&[a, b, c]),
        &format!(r#"members/d({{"value":"d"}}->) {} {} shown:members"#, still("a"), still("b")),
    );
    patch(GROUP, &replace(&[a, b, c].join(",")), &shown(&[a, b, c]), "all shown:members");
    let remove = r#"{"op":"remove","path":"members[value eq \"b\"]"}"#;
    patch(GROUP, remove, &shown(&[a, b, c]), &still("b"));
}

/// S27: presence satisfies an add and a create of an edge, whatever `display` says; a replacement states it, and so does an add of anything else.
#[test]
fn presence_satisfies_an_edge_that_is_added() {
    let (stated, shown) = (r#"{"value":"r","display":"D"}"#, r#"{"display":"E","value":"r"}"#);
    let list = |name: &str, of: &str| format!(r#"{{"{name}":[{of}]}}"#);
    create(&list("roles", stated), &list("roles", shown), "all shown:roles");
    put(
        &list("roles", stated),
        &list("roles", shown),
        r#"roles/r({"display":"D","value":"r"}->{"display":"E","value":"r"}) shown:roles"#,
    );
    patch(
        "{}",
        &format!(r#"{{"op":"add","path":"emails","value":[{stated}]}}"#),
        &list("emails", shown),
        r#"emails({"display":"D","value":"r"}->{"display":"E","value":"r"})"#,
    );
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
    words.extend(holds.swept.iter().map(|name| format!("swept:{name}")));
    words.extend(holds.appended.iter().map(|name| format!("appended:{name}")));
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
