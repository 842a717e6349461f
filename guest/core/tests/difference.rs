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

/// S27: the net change goes out. What was not there before is what is added last; what was there is there again.
#[test]
fn an_edge_that_is_taken_away_and_added_again_is_the_last_one() {
    let again = |value: &str| {
        format!(
            r#"{{"op":"add","path":"members","value":[{{"value":"{value}","display":"X"}}]}},{{"op":"remove","path":"members","value":[{{"value":"{value}"}}]}},{{"op":"add","path":"members","value":[{{"value":"{value}"}}]}}"#
        )
    };
    patch(
        GROUP,
        &again("c"),
        r#"[{"op":"add","path":"members","value":[{"value":"c"}]}] +members/c"#,
    );
    patch(GROUP, &again("a"), "satisfied");
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

/// RFC 7644 §3.4.2.2: texts have an order, `not` turns a filter round, and what has no value is not equal to anything.
#[test]
fn a_filter_selects_what_it_says() {
    patch(USER, r#"{"op":"remove","path":"emails[value gt \"m\"]"}"#, "as sent");
    patch(USER, r#"{"op":"remove","path":"emails[value gt \"z\"]"}"#, "satisfied");
    patch(USER, r#"{"op":"remove","path":"roles[not (type eq \"t\")]"}"#, "as sent -roles/r2");
    patch(USER, r#"{"op":"remove","path":"roles[type ne \"t\"]"}"#, "as sent -roles/r2");
    patch(
        r#"{"emails":[{"value":"a","display":null},{"value":"b","display":[]}]}"#,
        r#"{"op":"remove","path":"emails[display pr]"}"#,
        "satisfied",
    );
}

/// RFC 7643 §2.4: an attribute that no schema names is a list where it is shown, stated or selected from as one.
#[test]
fn what_no_schema_names_is_a_list_where_it_is_used_as_one() {
    let one = r#"{"op":"add","path":"things","value":{"type":"a","value":"x"}}"#;
    patch(r#"{"things":[{"type":"a","value":"x"}]}"#, one, "satisfied");
    patch(
        r#"{"things":{"type":"a","value":"x"}}"#,
        r#"{"op":"replace","path":"things[type eq \"b\"].value","value":"x"}"#,
        "as sent",
    );
}

/// RFC 7643 §2.5, §2.4: within a value `null` and an empty list are absent, and what is not said to be primary is not; a list within it has no order.
#[test]
fn parts_of_a_value_are_compared_one_by_one() {
    patch(
        USER,
        r#"{"op":"replace","path":"name","value":{"givenName":"Ann","familyName":"X","middleName":null}}"#,
        "satisfied",
    );
    patch(
        r#"{"name":{"givenName":"A","middleName":[]}}"#,
        r#"{"op":"replace","path":"name","value":{"givenName":"A","middleName":null}}"#,
        "satisfied",
    );
    patch(
        USER,
        r#"{"op":"add","path":"emails","value":[{"value":"h@x","type":"home","primary":false}]}"#,
        "satisfied",
    );
    let things = r#"{"things":{"list":["b","a"]}}"#;
    let stated =
        |list: &str| format!(r#"{{"op":"replace","path":"things","value":{{"list":{list}}}}}"#);
    patch(things, &stated(r#"["a","b"]"#), "satisfied");
    patch(things, &stated(r#"["a"]"#), "as sent");
    patch(things, &stated(r#"["a","c"]"#), "as sent");
}

/// RFC 7644 §3.5.2, RFC 7643 §3.3: a path may be a URN, of the type itself, of an extension that is known, or of another.
#[test]
fn a_urn_is_a_path() {
    const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let own = format!(r#"{{"op":"replace","path":"{CORE}","value":{{"title":"T"}}}}"#);
    patch(USER, &own, "satisfied");
    let badge = r#"{"urn:acme:2.0:Badge":{"pin":"1"}}"#;
    let add = r#"{"op":"add","path":"urn:acme:2.0:Badge","value":{"pin":"1"}}"#;
    patch(badge, add, "satisfied");
    patch("{}", add, "as sent");
    patch(USER, &format!(r#"{{"op":"remove","path":"{ENTERPRISE}"}}"#), "as sent");
}

/// No 5 of peers.md §5: a removal takes a value as the members to be removed, where nothing else says which.
#[test]
fn a_removal_takes_a_value_only_where_nothing_else_says_which() {
    patch(
        GROUP,
        r#"{"op":"remove","path":"members","value":null}"#,
        "as sent -members/a -members/b",
    );
    patch(
        GROUP,
        r#"{"op":"remove","path":"members[value eq \"a\"]","value":[{"value":"b"}]}"#,
        "as sent -members/a",
    );
}

/// RFC 7644 §3.5.2.3: where a filter names one value, a list of one stands for it.
#[test]
fn a_list_of_one_is_what_a_filter_selects() {
    patch(
        USER,
        r#"{"op":"replace","path":"emails[type eq \"work\"]","value":[{"value":"w@x","type":"work","primary":true}]}"#,
        "satisfied",
    );
}

/// S24: an object of nulls takes these parts away, and nothing else.
#[test]
fn parts_that_are_null_are_taken_away() {
    let none = r#"{"op":"replace","path":"name","value":{"givenName":null}}"#;
    patch(USER, none, "as sent");
    patch(r#"{"name":{"familyName":"X"}}"#, none, "satisfied");
    patch("{}", none, "satisfied");
}

/// RFC 7644 §3.5.2.1: each value of one `add` is measured against what was there before all of them; what repeats another one is left out.
#[test]
fn what_is_added_together_is_added_as_a_whole() {
    patch(
        "{}",
        r#"{"op":"add","path":"emails","value":[{"value":"n","type":"other"},{"value":"n"}]}"#,
        "as sent",
    );
    patch(
        "{}",
        r#"{"op":"add","path":"emails","value":[{"value":"n"},{"value":"n"}]}"#,
        r#"[{"op":"add","path":"emails","value":[{"value":"n"}]}]"#,
    );
    patch(
        USER,
        r#"{"op":"add","path":"emails","value":[{"value":"w@x"},{"value":"n"}]}"#,
        r#"[{"op":"add","path":"emails","value":[{"value":"n"}]}]"#,
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
        r#"{"id":"1","meta":{"version":"1"},"groups":[{"value":"h"}],"userName":"ann","name":{"givenName":"A"}}"#,
        r#"{"id":"1","meta":{"x":1},"groups":[{"value":"g"}],"userName":"ann","name":{"givenName":"A"}}"#,
        "satisfied",
    );
    put(USER, USER, "satisfied");
    // 18: Okta
    patch(USER, r#"{"op":"replace","value":{"active":false}}"#, "as sent -active");
    // 20: Okta
    patch(GROUP, r#"{"op":"replace","value":{"id":"1","displayName":"G"}}"#, "satisfied");
    patch(
        GROUP,
        r#"{"op":"replace","path":"members","value":[]}"#,
        "as sent -members/a -members/b",
    );
    // 6: Entra's Group POST, with a second schema and no members yet
    create(
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"G","externalId":"e"}"#,
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "externalId":"e","displayName":"G","members":[],"meta":{"resourceType":"Group"}}"#,
        "satisfied",
    );
    // 22: OneLogin's URNs of SCIM 1.0
    create(
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D"}}"#,
        r#"{"schemas":["urn:scim:schemas:core:1.0","urn:scim:schemas:extension:enterprise:1.0"],"userName":"ann",
            "urn:scim:schemas:extension:enterprise:1.0":{"department":"D"}}"#,
        "satisfied",
    );
    patch(
        USER,
        r#"{"op":"replace","path":"urn:scim:schemas:core:1.0:title","value":"T"},{"op":"replace","value":{"urn:scim:schemas:extension:enterprise:1.0:department":"D"}}"#,
        "satisfied",
    );
    patch(
        USER,
        r#"{"op":"replace","path":"urn:scim:schemas:core:1.0:active","value":"False"}"#,
        "as sent -active",
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
        r#"{"op":"Remove","path":"members","value":[{"display":"A"}]}"#,
        r#"{"op":"Remove","path":"members","value":[{"value":{"x":1}}]}"#,
        r#"{"op":"Remove","path":"members","value":[7]}"#,
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
    // A part of a secret is one, and what was lifted is one under whatever name.
    patch(USER, r#"{"op":"replace","path":"password.value","value":"y"}"#, "as sent secret");
    patch(USER, r#"{"op":"replace","path":"token","value":{"$secret":"x"}}"#, "as sent secret");
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
    // Nothing holds back what takes away.
    held(GROUP, Operation::Patch, lists, "members/b", "as sent left");
    held(
        GROUP,
        Operation::Patch,
        r#"{"op":"Remove","path":"members"}"#,
        "members/b",
        "as sent left",
    );
    held(
        USER,
        Operation::Patch,
        r#"{"op":"replace","path":"active","value":"False"}"#,
        "*",
        "as sent left",
    );
    held(
        GROUP,
        Operation::Patch,
        r#"{"op":"add","path":"members","value":[{"value":"c"},{"value":"d"}]}"#,
        "members/c",
        r#"[{"op":"add","path":"members","value":[{"value":"d"}]}] left members/c"#,
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
        r#"{"userName":"bob","active":false,"roles":[{"value":"r3"},{"value":"r2"}]}"#,
        "roles/r3",
        r#"{"active":false,"roles":[{"value":"r2"}],"userName":"bob"} left roles/r3"#,
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
        r#"{"active":false,"roles":[{"value":"r2"}],"userName":"ann"} left emails name roles/r3 title urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:department urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager username"#,
    );
    held(
        GROUP,
        Operation::Patch,
        r#"{"op":"add","path":"members","value":[{"value":"c"}]}"#,
        "taking",
        "nothing left members/c",
    );
}

/// S2a, S14c: an edge that becomes another is taken where the other may not be given.
#[test]
fn of_an_exchange_the_taking_half_is_applied() {
    let exchange = r#"{"op":"Replace","path":"roles[value eq \"r1\"].value","value":"r9"}"#;
    patch(USER, exchange, "as sent +roles/r9 -roles/r1");
    let half = r#"[{"op":"remove","path":"roles[value eq \"r1\"]"}] left roles/r9"#;
    held(USER, Operation::Patch, exchange, "roles/r9", half);
    held(USER, Operation::Patch, exchange, "taking", half);
    held(
        USER,
        Operation::Patch,
        r#"{"op":"replace","path":"roles[value eq \"r1\"]","value":{"value":"r9"}},{"op":"Remove","path":"roles[value eq \"r2\"]"}"#,
        "roles",
        r#"[{"op":"Remove","path":"roles[value eq \"r2\"]"},{"op":"Remove","path":"roles[value eq \"r1\"]"}] left roles/r9"#,
    );
    // Two of one value: the other stays.
    held(
        r#"{"roles":[{"value":"r1","type":"t"},{"value":"r1","type":"u"}]}"#,
        Operation::Patch,
        r#"{"op":"replace","path":"roles[type eq \"t\"].value","value":"r9"}"#,
        "taking",
        r#"[{"op":"remove","path":"roles[value eq \"r1\" and type eq \"t\"]"}] left roles/r9"#,
    );
}

/// S2a, S14c: what it gives cannot be said of an operation that matches nothing; what takes away beside it goes out.
#[test]
fn what_cannot_be_interpreted_gives_nothing_back() {
    let guess = r#"{"op":"replace","path":"roles[primary eq \"True\"].value","value":"admin"}"#;
    patch(USER, guess, "as sent opaque");
    held(USER, Operation::Patch, guess, "roles/admin", "nothing left roles opaque");
    let mixed = format!(
        r#"{guess},{{"op":"remove","path":"roles[value eq \"r2\"]"}},{{"op":"replace","path":"active","value":false}}"#
    );
    let taken = r#"[{"op":"remove","path":"roles[value eq \"r2\"]"},{"op":"replace","path":"active","value":false}] left roles opaque"#;
    held(USER, Operation::Patch, &mixed, "roles/admin", taken);
    held(USER, Operation::Patch, &mixed, "taking", taken);
    // A removal gives nothing, whatever it means.
    held(
        GROUP,
        Operation::Patch,
        r#"{"op":"Remove","path":"members","value":[{"display":"x"}]}"#,
        "taking",
        "as sent left opaque",
    );
}

/// S11, S14c: a removal whose effect cannot be seen goes out beside what is held back.
#[test]
fn a_removal_that_cannot_be_seen_is_not_lost() {
    let empty = r#"{"displayName":"G"}"#;
    for (removal, sent) in [
        (
            r#"{"op":"remove","path":"members[value eq \"x\"]"}"#,
            r#"{"op":"remove","path":"members[value eq \"x\"]"}"#,
        ),
        (r#"{"op":"Remove","path":"members"}"#, r#"{"op":"Remove","path":"members"}"#),
        (
            r#"{"op":"replace","path":"members","value":[]}"#,
            r#"{"op":"replace","path":"members","value":[]}"#,
        ),
    ] {
        let add = r#"{"op":"add","path":"members","value":[{"value":"c"}]}"#;
        let of = read(Operation::Patch, &format!(r#"{{"Operations":[{removal},{add}]}}"#));
        let allow = Allowance {
            unshown: BTreeSet::from(["members".into()]),
            only_taking: true,
            ..Allowance::default()
        };
        let difference = of.against(&json(empty), &Schema::default(), &allow);
        assert!(!difference.nothing_left, "{removal}");
        let Body::Rewritten(body) = &difference.body else { panic!("{removal}: {difference:?}") };
        assert_eq!(body.find("Operations"), Some(&json(&format!("[{sent}]"))), "{removal}");
    }
}

/// RFC 7643 §8.7.1: letter case does not matter in `members.value`. A removal that the target may mean otherwise is no repeat; an add is known by its exact value (S27).
#[test]
fn a_removal_in_other_letter_case_is_sent() {
    let observed = r#"{"members":[{"value":"ABC"},{"value":"x"}],"roles":[{"value":"Admin"}]}"#;
    for operation in [
        r#"{"op":"remove","path":"members[value eq \"abc\"]"}"#,
        r#"{"op":"Remove","path":"members","value":[{"value":"abc"}]}"#,
        r#"{"op":"remove","path":"members[value eq \"abc\" and value pr]"}"#,
        r#"{"op":"remove","path":"roles[value eq \"ADMIN\"]"}"#,
    ] {
        patch(observed, operation, "as sent");
    }
    patch(observed, r#"{"op":"remove","path":"members[value eq \"abd\"]"}"#, "satisfied");
    patch(
        observed,
        r#"{"op":"add","path":"members","value":[{"value":"abc"}]}"#,
        "as sent +members/abc",
    );
    // A repeat of an exact removal in one request is one removal.
    patch(
        observed,
        r#"{"op":"remove","path":"members[value eq \"x\"]"},{"op":"remove","path":"members[value eq \"x\"]"}"#,
        r#"[{"op":"remove","path":"members[value eq \"x\"]"}] -members/x"#,
    );
}

/// S26: a PUT is authoritative over the read-write attributes that it leaves out.
#[test]
fn what_a_put_leaves_out_is_to_go() {
    let names = |observed: &str, body: &str| {
        let of = read(Operation::Replace, body);
        let difference = of.against(&json(observed), &Schema::default(), &Allowance::default());
        assert_eq!(
            (difference.satisfied, difference.body),
            (difference.names.is_empty(), Body::AsSent)
        );
        assert!(difference.gives.is_empty() && difference.takes.is_empty());
        difference.names.join(" ")
    };
    let left_out = "active emails name roles title urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:department urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager";
    assert_eq!(names(USER, r#"{"userName":"ann"}"#), left_out);
    // Never: read-only, echoed, secret, and what no schema knows.
    let shown = r#"{"id":"1","schemas":["s"],"meta":{"version":"1"},"userName":"ann","groups":[{"value":"g"}],"members":[{"value":"m"}],
        "roles":[{"value":"r"}],"entitlements":[{"value":"e"}],"password":"x","shoeSize":9,"urn:x:2.0:Y":{"z":1},"title":null,"emails":[]}"#;
    assert_eq!(names(shown, r#"{"userName":"ann"}"#), "entitlements roles");
    // Said to be none is said.
    let whole =
        r#"{"userName":"ann","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":null}"#;
    assert_eq!(
        names(
            r#"{"userName":"ann","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D"}}"#,
            whole
        ),
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user"
    );
    // A create states what it wants and no more.
    create(USER, r#"{"userName":"ann"}"#, "satisfied");
}

/// S14c: part of a PUT is held back; what is off must not come on because the PUT says nothing of it.
#[test]
fn a_put_of_which_part_is_held_keeps_the_account_off() {
    held(
        r#"{"userName":"ann","active":false,"roles":[{"value":"r1"}]}"#,
        Operation::Replace,
        r#"{"userName":"ann","roles":[]}"#,
        "taking",
        r#"{"active":false,"roles":[],"userName":"ann"} left active"#,
    );
    held(
        r#"{"userName":"ann","active":false,"roles":[{"value":"r1"}]}"#,
        Operation::Replace,
        r#"{"userName":"ann","roles":[{"value":"r2"}]}"#,
        "taking",
        r#"{"active":false,"roles":[],"userName":"ann"} left active roles/r2"#,
    );
}

/// RFC 7644 §3.5.2: at most one is primary. RFC 7643 §2.4: what is not said to be primary is not.
#[test]
fn a_primary_that_moves_comes_to_rest() {
    let moved = r#"{"op":"add","path":"emails","value":[{"value":"a","primary":true}]},{"op":"add","path":"emails","value":[{"value":"b","primary":true}]}"#;
    for after in [
        r#"{"emails":[{"value":"a","primary":false},{"value":"b","primary":true}]}"#,
        r#"{"emails":[{"value":"a"},{"value":"b","primary":true}]}"#,
    ] {
        patch(after, moved, "satisfied");
        put(
            after,
            r#"{"emails":[{"value":"a","primary":false},{"value":"b","primary":true}]}"#,
            "satisfied",
        );
        create(
            after,
            r#"{"emails":[{"value":"a","primary":false},{"value":"b","primary":"True"}]}"#,
            "satisfied",
        );
    }
    patch(
        r#"{"emails":[{"value":"a","primary":true}]}"#,
        moved,
        r#"[{"op":"add","path":"emails","value":[{"primary":true,"value":"b"}]}]"#,
    );
    patch(
        r#"{"emails":[{"value":"a","primary":true}]}"#,
        r#"{"op":"add","path":"emails","value":[{"value":"a","primary":false}]}"#,
        "as sent",
    );
    patch(
        r#"{"emails":[{"value":"a","type":"work"}]}"#,
        r#"{"op":"replace","path":"emails[type eq \"work\"].primary","value":false}"#,
        "satisfied",
    );
}

/// S25: what a filter described was changed by it: the repeat finds what it has made.
#[test]
fn a_replace_of_what_the_filter_names_comes_to_rest() {
    let renamed = r#"{"op":"replace","path":"emails[value eq \"old\"].value","value":"new"}"#;
    patch(r#"{"emails":[{"value":"old","type":"work"}]}"#, renamed, "as sent");
    patch(r#"{"emails":[{"value":"new","type":"work"}]}"#, renamed, "satisfied");
    let moved = r#"{"op":"replace","path":"emails[type eq \"work\"].type","value":"home"}"#;
    patch(r#"{"emails":[{"value":"a","type":"work"}]}"#, moved, "as sent");
    patch(r#"{"emails":[{"value":"a","type":"home"}]}"#, moved, "satisfied");
    let exchange = r#"{"op":"replace","path":"roles[value eq \"r1\"].value","value":"r9"}"#;
    patch(r#"{"roles":[{"value":"r9"}]}"#, exchange, "satisfied");
    patch(r#"{"roles":[{"value":"r2"}]}"#, exchange, "as sent opaque");
}

/// RFC 7643 §3.3: an extension that no schema knows is still one.
#[test]
fn an_unknown_extension_is_no_attribute() {
    let observed = r#"{"userName":"ann","urn:x:2.0:Y":{"z":1}}"#;
    patch(observed, r#"{"op":"remove","path":"urn:x:2.0:Y"}"#, "as sent");
    patch(r#"{"userName":"ann"}"#, r#"{"op":"remove","path":"urn:x:2.0:Y"}"#, "satisfied");
    patch(observed, r#"{"op":"add","path":"urn:x:2.0:Y","value":{"z":1}}"#, "satisfied");
    patch(observed, r#"{"op":"add","path":"urn:x:2.0:Y:z","value":1}"#, "satisfied");
    patch(observed, r#"{"op":"remove","path":"urn:x:2.0:Y:z"}"#, "as sent");
    put(observed, observed, "satisfied");
}

/// S25: that a filter makes what it describes is no rule of RFC 7644 (§3.5.2.3 has the target refuse): what the client made itself is not left to it.
#[test]
fn what_is_made_first_and_changed_by_a_filter_goes_out_as_both() {
    patch(
        "{}",
        r#"{"op":"replace","value":{"addresses":[{"locality":"Oslo"}]}},{"op":"add","path":"addresses[locality eq \"Oslo\"]","value":{"country":"NO"}}"#,
        "as sent",
    );
}

/// RFC 7643 §2.4: one value is primary. A filter that finds two does not say which (S25).
#[test]
fn two_that_are_to_be_primary_are_opaque() {
    patch(
        r#"{"roles":[{"value":"r","type":"a","primary":true},{"value":"r","type":"b"}]}"#,
        r#"{"op":"replace","path":"roles[value eq \"r\"].primary","value":true}"#,
        "as sent opaque",
    );
}

/// S3, S27: the values of one list have no order; what is stated twice is stated once.
#[test]
fn the_order_of_a_list_does_not_count() {
    let both = r#"{"emails":[{"value":"a@x"},{"value":"a@x","type":"work"}]}"#;
    for list in [
        r#"[{"value":"a@x"},{"value":"a@x","type":"work"}]"#,
        r#"[{"value":"a@x","type":"work"},{"value":"a@x"}]"#,
        r#"[{"value":"a@x","type":"work"},{"value":"a@x"},{"value":"a@x"}]"#,
    ] {
        let operation = |op: &str| format!(r#"{{"op":"{op}","path":"emails","value":{list}}}"#);
        patch(both, &operation("replace"), "satisfied");
        patch(both, &operation("add"), "satisfied");
        put(both, &format!(r#"{{"emails":{list}}}"#), "satisfied");
    }
}

/// S25, S27: a list that is replaced undoes what was done to it before.
#[test]
fn a_list_that_is_replaced_is_what_it_says() {
    patch(
        r#"{"displayName":"G","members":[{"value":"a"}]}"#,
        r#"{"op":"add","path":"members[value eq \"a\"].display","value":"X"},{"op":"replace","path":"members","value":[{"value":"a"}]}"#,
        "satisfied",
    );
    patch(
        GROUP,
        r#"{"op":"add","path":"members","value":[{"value":"c"}]},{"op":"replace","path":"members","value":[{"value":"a"}]}"#,
        r#"[{"op":"replace","path":"members","value":[{"value":"a"}]}] -members/b"#,
    );
}

/// S24, peers.md §5 no 4: `active` is a boolean of whatever type.
#[test]
fn a_group_may_be_switched_off_by_a_text() {
    let off = r#"{"displayName":"G","active":"False"}"#;
    assert!(read(Operation::Replace, off).safe_way());
    put(r#"{"displayName":"G","active":true}"#, off, "as sent -active");
    put(r#"{"displayName":"G","active":false}"#, off, "satisfied");
}

/// S27: members are known by `value`, in a create too.
#[test]
fn a_group_create_compares_members_by_value() {
    create(
        GROUP,
        r#"{"displayName":"G","members":[{"value":"b","display":"B","type":"User","$ref":"x"},{"value":"a"}]}"#,
        "satisfied",
    );
    create(GROUP, r#"{"displayName":"G","members":[{"value":"b"}]}"#, "names members");
    create(
        USER,
        r#"{"userName":"ann","roles":[{"value":"r1","type":"z"},{"value":"r2"}]}"#,
        "names roles",
    );
    create(
        USER,
        r#"{"userName":"ann","roles":[{"value":"r1","display":"z"},{"value":"r2"}]}"#,
        "satisfied",
    );
}

/// S11: members that are not shown may be there.
#[test]
fn a_list_that_is_to_be_empty_is_sent_where_none_is_shown() {
    let allow = Allowance { unshown: BTreeSet::from(["members".into()]), ..Allowance::default() };
    for (operation, body) in [
        (Operation::Patch, r#"{"Operations":[{"op":"replace","path":"members","value":[]}]}"#),
        (Operation::Patch, r#"{"Operations":[{"op":"remove","path":"members"}]}"#),
        (Operation::Replace, r#"{"displayName":"G","members":[]}"#),
        (Operation::Replace, r#"{"displayName":"G","members":null}"#),
    ] {
        let difference = read(operation, body).against(
            &json(r#"{"displayName":"G"}"#),
            &Schema::default(),
            &allow,
        );
        assert_eq!((difference.satisfied, difference.body), (false, Body::AsSent), "{body}");
    }
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
