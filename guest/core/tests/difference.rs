//! What a request changes on an observed resource, and what of it goes out (S24 to S27).
//!
//! A case is: what is observed, what is asked, what is to be. Expected values are by hand, from RFC 7644 §3.5.

#![expect(clippy::expect_used, reason = "a test may fail")]

use replaysafe_core::ordered::BTreeSet;

use replaysafe_core::{
    schema::Schema,
    statement::{Allowance, Body, Operation, PathKey, Statement},
};
use replaysafe_json::{Limits, Value, parse};

const GROUP: &str =
    r#"{"id":"1","displayName":"G","members":[{"value":"a","display":"A"},{"value":"b"}]}"#;
const USER: &str = r#"{"id":"1","userName":"ann","active":true,"title":"T","name":{"givenName":"Ann","familyName":"X"},
    "emails":[{"value":"w@x","type":"work","primary":true},{"value":"h@x","type":"home"}],
    "roles":[{"value":"r1","type":"t"},{"value":"r2"}],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D","manager":{"value":"7","displayName":"Boss"}}}"#;

/// S25: no difference, no write.
#[test]
fn what_holds_is_satisfied() {
    patch(GROUP, r#"{"op":"add","path":"members","value":[{"value":"a"}]}"#, "satisfied");
    patch(GROUP, r#"{"op":"remove","path":"members[value eq \"c\"]"}"#, "satisfied");
    patch(GROUP, r#"{"op":"replace","path":"displayName","value":"G"}"#, "satisfied");
    patch(USER, r#"{"op":"add","path":"name.givenName","value":"Ann"}"#, "satisfied");
    patch(
        USER,
        r#"{"op":"replace","path":"emails[type eq \"work\"].value","value":"w@x"}"#,
        "satisfied",
    );
    patch(USER, r#"{"op":"remove","path":"nickName"}"#, "satisfied");
    patch(USER, r#"{"op":"remove","path":"roles[value eq \"r9\"]"}"#, "satisfied");
    patch(
        USER,
        r#"{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:Department","value":"D"}"#,
        "satisfied",
    );
}

/// S27: presence satisfies an add of a member, whatever `display` and `$ref`; a role's type counts where both have one.
#[test]
fn an_edge_is_known_by_its_value() {
    patch(
        GROUP,
        r#"{"op":"add","path":"members","value":[{"value":"a","display":"other","$ref":"x"}]}"#,
        "satisfied",
    );
    patch(USER, r#"{"op":"add","path":"roles","value":[{"value":"r2","type":"z"}]}"#, "satisfied");
    patch(USER, r#"{"op":"add","path":"roles","value":[{"value":"r1"}]}"#, "satisfied");
    patch(
        USER,
        r#"{"op":"add","path":"roles","value":[{"value":"r1","type":"z"}]}"#,
        "as sent +roles/r1",
    );
    patch(GROUP, r#"{"op":"add","path":"members","value":[{"value":"A"}]}"#, "as sent +members/A");
}

/// S27: elsewhere, and in a replace, each stated sub-attribute is compared.
#[test]
fn elsewhere_each_stated_part_is_compared() {
    patch(
        USER,
        r#"{"op":"add","path":"emails","value":[{"value":"w@x","type":"work","primary":true}]}"#,
        "satisfied",
    );
    patch(
        USER,
        r#"{"op":"add","path":"emails","value":[{"value":"w@x","type":"work","display":"d"}]}"#,
        "as sent",
    );
    patch(
        GROUP,
        r#"{"op":"replace","path":"members","value":[{"value":"b"},{"value":"a"}]}"#,
        "satisfied",
    );
    patch(
        GROUP,
        r#"{"op":"replace","path":"members","value":[{"value":"b"},{"value":"a","display":"Z"}]}"#,
        "as sent",
    );
}

/// S25: satisfied values and repeats go; one operation an edge.
#[test]
fn satisfied_values_and_repeats_do_not_go_out() {
    patch(
        GROUP,
        r#"{"op":"Add","path":"members","value":[{"value":"a"},{"value":"c","$ref":null},{"value":"d"}]}"#,
        r#"[{"op":"Add","path":"members","value":[{"$ref":null,"value":"c"}]},{"op":"Add","path":"members","value":[{"value":"d"}]}] +members/c +members/d"#,
    );
    patch(
        GROUP,
        r#"{"op":"add","path":"members","value":[{"value":"c"},{"value":"c"}]}"#,
        r#"[{"op":"add","path":"members","value":[{"value":"c"}]}] +members/c"#,
    );
    patch(
        USER,
        r#"{"op":"replace","path":"title","value":"T"},{"op":"replace","path":"nickName","value":"N"}"#,
        r#"[{"op":"replace","path":"nickName","value":"N"}]"#,
    );
    patch(
        USER,
        r#"{"op":"replace","value":{"title":"T","nickName":"N"}}"#,
        r#"[{"op":"replace","value":{"nickName":"N"}}]"#,
    );
}

/// S25: the client's own operations go out as they came.
#[test]
fn what_differs_goes_out_as_it_came() {
    patch(
        GROUP,
        r#"{"op":"add","path":"members","value":[{"value":"c"},{"value":"d"}]}"#,
        "as sent +members/c +members/d",
    );
    patch(
        GROUP,
        r#"{"op":"replace","path":"members","value":[{"value":"a"},{"value":"c"}]}"#,
        "as sent +members/c -members/b",
    );
    patch(GROUP, r#"{"op":"remove","path":"members"}"#, "as sent -members/a -members/b");
    patch(
        USER,
        r#"{"op":"replace","path":"name","value":{"givenName":"Ann","familyName":"Y"}}"#,
        "as sent",
    );
    patch(USER, r#"{"op":"remove","path":"emails[type eq \"work\"]"}"#, "as sent");
    patch(USER, r#"{"op":"remove","path":"roles[type pr]"}"#, "as sent -roles/r1");
}

/// RFC 7644 §3.5.2: operations are applied in order; what cancels out has no effect (peers.md §5, no 20: Okta).
#[test]
fn operations_that_cancel_out_do_not_go_out() {
    let member = r#"{"op":"remove","path":"members[value eq \"a\"]"},{"op":"add","path":"members","value":[{"value":"a"}]}"#;
    patch(GROUP, member, "satisfied");
    patch(
        r#"{"members":[]}"#,
        member,
        r#"[{"op":"add","path":"members","value":[{"value":"a"}]}] +members/a"#,
    );
    patch(
        GROUP,
        r#"{"op":"add","path":"members","value":[{"value":"c"}]},{"op":"remove","path":"members[value eq \"c\"]"}"#,
        "satisfied",
    );
    patch(
        USER,
        r#"{"op":"remove","path":"title"},{"op":"add","path":"title","value":"U"}"#,
        r#"[{"op":"add","path":"title","value":"U"}]"#,
    );
    patch(
        USER,
        r#"{"op":"replace","path":"active","value":false},{"op":"replace","path":"active","value":true}"#,
        "satisfied",
    );
}

/// S27: updates are compared exactly (S3), and adding a single value replaces it (RFC 7644 §3.5.2.1).
#[test]
fn updates_are_compared_exactly() {
    patch(USER, r#"{"op":"replace","path":"userName","value":"Ann"}"#, "as sent");
    patch(USER, r#"{"op":"add","path":"title","value":"t"}"#, "as sent");
}

#[test]
fn access_is_counted_as_given_and_taken() {
    patch(USER, r#"{"op":"replace","path":"active","value":false}"#, "as sent -active");
    patch(
        r#"{"active":false}"#,
        r#"{"op":"replace","path":"active","value":true}"#,
        "as sent +active",
    );
    patch("{}", r#"{"op":"replace","path":"active","value":false}"#, "as sent -active");
    put(
        USER,
        r#"{"userName":"ann","active":false,"roles":[{"value":"r2"},{"value":"r3"}]}"#,
        "as sent +roles/r3 -active -roles/r1",
    );
}

/// peers.md §5: nos 3 to 7, 16 to 18, 20 and 22.
#[test]
fn each_client_is_understood_in_its_own_spelling() {
    // 3 and 4: Entra
    patch(
        r#"{"active":false}"#,
        r#"{"op":"Replace","path":"active","value":"False"}"#,
        "satisfied",
    );
    patch(USER, r#"{"op":"Replace","path":"active","value":"False"}"#, "as sent -active");
    // 5: Entra
    patch(
        GROUP,
        r#"{"op":"Remove","path":"members","value":[{"value":"a"}]}"#,
        "as sent -members/a",
    );
    patch(GROUP, r#"{"op":"Remove","path":"members","value":[{"value":"c"}]}"#, "satisfied");
    patch(
        GROUP,
        r#"{"op":"Remove","path":"members","value":[{"value":"c"},{"value":"b"}]}"#,
        r#"[{"op":"Remove","path":"members","value":[{"value":"b"}]}] -members/b"#,
    );
    // 6: Entra
    patch(
        GROUP,
        r#"{"op":"Add","path":"members","value":[{"$ref":null,"value":"b"}]}"#,
        "satisfied",
    );
    create(USER, r#"{"userName":"ANN","meta":{"resourceType":"User"},"emails":[]}"#, "satisfied");
    // 7: Entra
    patch(
        USER,
        r#"{"op":"replace","value":{"name.givenName":"Ann","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"D"}}"#,
        "satisfied",
    );
    patch(
        USER,
        r#"{"op":"replace","value":{"name.givenName":"Bea","title":"T"}}"#,
        r#"[{"op":"replace","value":{"name.givenName":"Bea"}}]"#,
    );
    patch(
        USER,
        r#"{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"7"}"#,
        "satisfied",
    );
    // 16: Okta
    create(USER, r#"{"userName":"ann","groups":[],"password":{"$secret":"x"}}"#, "satisfied");
    // 17: Okta
    put(
        USER,
        r#"{"id":"1","meta":{"x":1},"groups":[{"value":"g"}],"userName":"ann"}"#,
        "satisfied",
    );
    // 18: Okta
    patch(USER, r#"{"op":"replace","value":{"active":false}}"#, "as sent -active");
    // 20: Okta
    patch(GROUP, r#"{"op":"replace","value":{"id":"1","displayName":"G"}}"#, "satisfied");
    patch(
        GROUP,
        r#"{"op":"replace","path":"members","value":[]}"#,
        "as sent -members/a -members/b",
    );
    // 22: OneLogin
    create(USER, r#"{"userName":"ann","emails":{"value":"w@x","type":"work"}}"#, "names emails");
    create(
        r#"{"userName":"ann","emails":[{"value":"w@x","type":"work"}]}"#,
        r#"{"userName":"ann","emails":{"value":"w@x"}}"#,
        "satisfied",
    );
}

/// S24: in an observed resource absent, null and empty are one.
#[test]
fn unassigned_is_one_thing_in_what_is_observed() {
    for observed in ["{}", r#"{"roles":null,"title":null}"#, r#"{"roles":[]}"#] {
        patch(observed, r#"{"op":"remove","path":"title"}"#, "satisfied");
        patch(observed, r#"{"op":"replace","path":"roles","value":[]}"#, "satisfied");
        put(observed, r#"{"roles":[],"title":null}"#, "satisfied");
    }
    put(USER, r#"{"roles":[]}"#, "as sent -roles/r1 -roles/r2");
}

/// S19, S24: what the request does not state is not compared.
#[test]
fn a_create_is_compared_in_what_it_states() {
    create(USER, r#"{"userName":"Ann","title":"T"}"#, "satisfied");
    create(USER, r#"{"userName":"ann","title":"t","name":{"givenName":"B"}}"#, "names name title");
    create(GROUP, r#"{"displayName":"G","members":[{"value":"b"},{"value":"a"}]}"#, "satisfied");
}

/// S25: what cannot be read is sent as it came.
#[test]
fn what_cannot_be_read_is_opaque_and_sent() {
    for operation in [
        r#"{"op":"add","path":"a b","value":1}"#,
        r#"{"op":"remove"}"#,
        r#"{"op":"remove","path":"members","value":[]}"#,
        r#"{"op":"remove","path":"members[value zz \"a\"]"}"#,
        r#"{"op":"add","value":7}"#,
        r#"{"op":"remove","path":"members[display gt 7]"}"#,
    ] {
        patch(GROUP, operation, "as sent opaque");
    }
    patch(
        GROUP,
        r#"{"op":"add","path":"a b","value":1},{"op":"add","path":"members","value":[{"value":"a"}]}"#,
        "as sent opaque",
    );
}

/// S3a: a secret cannot be observed.
#[test]
fn an_update_that_states_a_secret_is_never_satisfied() {
    patch(USER, r#"{"op":"replace","path":"password","value":{"$secret":"x"}}"#, "as sent secret");
    patch(
        USER,
        r#"{"op":"replace","value":{"title":"T","password":{"$secret":"x"}}}"#,
        r#"[{"op":"replace","value":{"password":{"$secret":"x"}}}] secret"#,
    );
    put(USER, r#"{"userName":"ann","password":{"$secret":"x"}}"#, "as sent secret");
}

/// S2a: parts that would give back are left out, parts that take away are sent.
#[test]
fn what_is_withheld_stays_as_it_is() {
    let lists = r#"{"op":"replace","path":"members","value":[{"value":"a"},{"value":"c"}]}"#;
    held(
        GROUP,
        Operation::Patch,
        lists,
        "members/c",
        r#"[{"op":"replace","path":"members","value":[{"value":"a"}]}] left members/c"#,
    );
    held(
        GROUP,
        Operation::Patch,
        lists,
        "members/b",
        r#"[{"op":"replace","path":"members","value":[{"value":"a"},{"value":"b"},{"value":"c"}]}] left members/b"#,
    );
    held(
        GROUP,
        Operation::Patch,
        r#"{"op":"add","path":"members","value":[{"value":"c"},{"value":"d"}]}"#,
        "members/c",
        r#"[{"op":"add","path":"members","value":[{"value":"d"}]}] left members/c"#,
    );
    held(
        GROUP,
        Operation::Patch,
        r#"{"op":"Remove","path":"members"}"#,
        "members/b",
        r#"[{"op":"Remove","path":"members[value eq \"a\"]"}] left members/b"#,
    );
    held(
        r#"{"active":false}"#,
        Operation::Patch,
        r#"{"op":"replace","value":{"active":true,"title":"X"}}"#,
        "active",
        r#"[{"op":"replace","value":{"title":"X"}}] left active"#,
    );
    held(
        r#"{"active":false}"#,
        Operation::Patch,
        r#"{"op":"replace","value":{"active":true}}"#,
        "active",
        "nothing left active",
    );
    held(
        USER,
        Operation::Replace,
        r#"{"userName":"bob","active":false,"roles":[]}"#,
        "roles/r2",
        r#"{"active":false,"roles":[{"value":"r2"}],"userName":"bob"} left roles/r2"#,
    );
}

#[test]
fn only_what_takes_away_may_be_asked_for() {
    held(
        USER,
        Operation::Patch,
        r#"{"op":"replace","value":{"active":false,"title":"X"}}"#,
        "taking",
        r#"[{"op":"replace","value":{"active":false}}] left title"#,
    );
    held(
        GROUP,
        Operation::Patch,
        r#"{"op":"replace","path":"members","value":[{"value":"c"}]}"#,
        "taking",
        r#"[{"op":"replace","path":"members","value":[]}] left members/c"#,
    );
    held(
        USER,
        Operation::Replace,
        r#"{"userName":"bob","active":false,"roles":[{"value":"r3"},{"value":"r2"}]}"#,
        "taking",
        r#"{"active":false,"roles":[{"value":"r2"}],"userName":"ann"} left roles/r3 username"#,
    );
    held(
        GROUP,
        Operation::Patch,
        r#"{"op":"add","path":"members","value":[{"value":"c"}]}"#,
        "taking",
        "nothing left members/c",
    );
}

/// S11: where the target has shown no edge, that one is absent proves nothing.
#[test]
fn a_removal_that_proves_nothing_is_sent() {
    let of = read(
        Operation::Patch,
        r#"{"Operations":[{"op":"remove","path":"members[value eq \"c\"]"}]}"#,
    );
    let allow = Allowance { unshown: BTreeSet::from(["members".into()]), ..Allowance::default() };
    let difference = of.against(&json(GROUP), &Schema::default(), &allow);
    assert_eq!((difference.satisfied, difference.body), (false, Body::AsSent));
}

#[test]
fn a_deletion_takes_the_whole() {
    let schema = Schema::default();
    let of =
        Statement::read(Operation::Delete, "User", Some("1"), None, None, &schema).expect("valid");
    let difference = of.against(&json(USER), &schema, &Allowance::default());
    assert!(!difference.satisfied);
    assert_eq!(difference.takes, BTreeSet::from([PathKey("*".into())]));
}

fn patch(observed: &str, operations: &str, expected: &str) {
    check(observed, Operation::Patch, operations, &Allowance::default(), expected);
}

fn put(observed: &str, body: &str, expected: &str) {
    check(observed, Operation::Replace, body, &Allowance::default(), expected);
}

fn create(observed: &str, body: &str, expected: &str) {
    let of = read(Operation::Create, body);
    let names = of.differs(&json(observed), &Schema::default());
    let shown =
        if names.is_empty() { "satisfied".into() } else { format!("names {}", names.join(" ")) };
    assert_eq!(shown, expected, "{body}");
}

fn held(observed: &str, operation: Operation, asked: &str, what: &str, expected: &str) {
    let mut allow = Allowance { only_taking: what == "taking", ..Allowance::default() };
    if what != "taking" {
        allow.withheld.insert(PathKey(what.into()));
    }
    check(observed, operation, asked, &allow, expected);
}

fn check(observed: &str, operation: Operation, asked: &str, allow: &Allowance, expected: &str) {
    let body = match operation {
        Operation::Patch => format!(r#"{{"Operations":[{asked}]}}"#),
        Operation::Create | Operation::Replace | Operation::Delete => asked.into(),
    };
    let of = read(operation, &body);
    let difference = of.against(&json(observed), &Schema::default(), allow);
    let mut words = vec![match &difference.body {
        _ if difference.satisfied => String::from("satisfied"),
        _ if difference.nothing_left => "nothing".into(),
        Body::AsSent => "as sent".into(),
        Body::Rewritten(body) => body.find("Operations").unwrap_or(body).to_string(),
    }];
    if *allow == Allowance::default() {
        words.extend(difference.gives.iter().map(|key| format!("+{}", key.0)));
        words.extend(difference.takes.iter().map(|key| format!("-{}", key.0)));
    } else {
        words.push("left".into());
        words.extend(difference.left_out.iter().map(|key| key.0.clone()));
    }
    if difference.opaque {
        words.push("opaque".into());
    }
    if difference.states_secret {
        words.push("secret".into());
    }
    assert_eq!(words.join(" "), expected, "{asked}");
}

fn read(operation: Operation, body: &str) -> Statement {
    let body = json(body);
    let kind = if body.find("displayName").is_some() { "Group" } else { "User" };
    Statement::read(operation, kind, Some("1"), Some(&body), None, &Schema::default())
        .expect("valid")
}

fn json(text: &str) -> Value {
    parse(text.as_bytes(), &Limits::default()).expect("valid")
}
