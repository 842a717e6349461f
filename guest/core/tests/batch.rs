//! Batches: what can be carried out when, and under which key (S31)?

#![expect(clippy::expect_used, reason = "a test may fail")]

use replaysafe_core::{
    batch::{Item, Known, Operation, arrange, fill},
    types::{Method, Settings},
};

/// RFC 7644 §3.7.2, its first example: the group refers to the user that is made before it.
#[test]
fn what_is_referred_to_is_made_first() {
    let user = create("User", "qwerty", r#"{"userName":"Alice"}"#);
    let group = create(
        "Group",
        "ytrewq",
        r#"{"displayName":"Tour Guides","members":[{"type":"User","value":"bulkId:qwerty"}]}"#,
    );
    check(&[user.clone(), group.clone()], &["0", "1 after 0"]);
    check(&[group, user], &["1", "0 after 1"]);
}

/// The order is that of the operations; only what refers waits, and nothing is done before its time (RFC 7644 §3.7: the
/// same stateful result).
#[test]
fn what_refers_waits_and_nothing_else_moves() {
    let operations = [
        delete("User", "u1"),
        create("User", "a", r#"{"userName":"a","manager":{"value":"bulkId:b"}}"#),
        delete("User", "u2"),
        create("User", "b", r#"{"userName":"b"}"#),
        patch(
            "User",
            "bulkId:b",
            r#"{"Operations":[{"op":"replace","path":"title","value":"x"}]}"#,
        ),
    ];
    check(&operations, &["0", "2", "3", "1 after 3", "4 after 3"]);
}

/// What waits for the same goes in the order of the request.
#[test]
fn what_is_let_go_at_once_keeps_its_order() {
    let add = r#"{"Operations":[{"op":"add","path":"members","value":[{"value":"bulkId:a"}]}]}"#;
    let refers = r#"{"members":[{"value":"bulkId:a"}]}"#;
    let operations = [
        patch("Group", "g2", add),
        create("Group", "z", refers),
        patch("Group", "g1", add),
        create("Group", "y", refers),
        create("User", "a", r#"{"userName":"a"}"#),
    ];
    check(&operations, &["4", "0 after 4", "1 after 4", "2 after 4", "3 after 4"]);
}

/// What is about one resource stays in its order: what was added late must not outlast what took it away.
#[test]
fn what_is_about_one_resource_stays_in_its_order() {
    let add = r#"{"Operations":[{"op":"add","path":"members","value":[{"value":"bulkId:a"}]}]}"#;
    let remove = r#"{"Operations":[{"op":"remove","path":"members"}]}"#;
    let operations = [
        patch("Group", "g1", add),
        patch("Group", "g1", remove),
        patch("Group", "g2", remove),
        create("User", "a", r#"{"userName":"a"}"#),
    ];
    check(&operations, &["2", "3", "0 after 3", "1"]);
}

/// RFC 7644 §3.7.1: two groups that are members of each other are made, and then refer; a third reference is filled too.
#[test]
fn a_circle_is_made_in_two_passes() {
    let a = r#"{"displayName":"A","members":[{"value":"u1"},{"value":"bulkId:b","$ref":"x"}]}"#;
    let b = r#"{"displayName":"B","members":[{"value":"bulkId:a"},{"value":"bulkId:c"}]}"#;
    let items = check(
        &[
            create("Group", "a", a),
            create("Group", "b", b),
            delete("User", "u9"),
            create("User", "c", "{}"),
        ],
        &["2", "3", "0", "1 after 3", "0 after 0 1 as bulkId:a", "1 after 0 1 3 as bulkId:b"],
    );
    let bodies: Vec<&str> = items.iter().filter_map(|item| item.body.as_deref()).collect();
    assert_eq!(
        bodies,
        [
            "{}",
            r#"{"displayName":"A","members":[{"value":"u1"}]}"#,
            r#"{"displayName":"B","members":[{"value":"bulkId:c"}]}"#,
            r#"{"Operations":[{"op":"add","path":"members","value":[{"$ref":"x","value":"bulkId:b"}]}],"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}"#,
            r#"{"Operations":[{"op":"add","path":"members","value":[{"value":"bulkId:a"}]}],"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}"#,
        ]
    );
}

/// One that refers to itself is a circle; an extension's attribute is stated later, and nothing else of it.
#[test]
fn what_refers_to_itself_is_made_first() {
    let body =
        r#"{"userName":"a","urn:x:2.0:User":{"manager":{"value":"bulkId:a"},"costCenter":"4"}}"#;
    let items = check(&[create("User", "a", body)], &["0", "0 after 0 as bulkId:a"]);
    let bodies: Vec<_> = items.iter().filter_map(|item| item.body.as_deref()).collect();
    assert_eq!(
        bodies,
        [
            r#"{"urn:x:2.0:User":{"costCenter":"4"},"userName":"a"}"#,
            r#"{"Operations":[{"op":"replace","path":"urn:x:2.0:User:manager","value":{"value":"bulkId:a"}}],"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}"#,
        ]
    );
}

/// What is in a circle is stated again before what comes after it in the batch: that may take it away.
#[test]
fn a_circle_is_closed_before_what_follows() {
    let a = r#"{"displayName":"A","members":[{"value":"bulkId:b"}]}"#;
    let b = r#"{"displayName":"B","members":[{"value":"bulkId:a"}]}"#;
    let empty = r#"{"Operations":[{"op":"remove","path":"members"}]}"#;
    let operations =
        [create("Group", "a", a), create("Group", "b", b), patch("Group", "bulkId:b", empty)];
    let expected = ["0", "1", "0 after 0 1 as bulkId:a", "1 after 0 1 as bulkId:b", "2 after 1"];
    check(&operations, &expected);
    // However it is turned, each of its items is the same request.
    let keys = |operations: &[Operation]| -> std::collections::BTreeSet<String> {
        let items = arranged(operations).into_iter();
        items.map(|item| format!("{} {:?}", item.key_material, item.body)).collect()
    };
    let [a, b, empty] = operations;
    assert_eq!(keys(&[a.clone(), b.clone(), empty.clone()]), keys(&[b, a, empty]));
}

/// As many as a batch may have, each of which refers to all.
#[test]
fn a_large_circle_is_arranged() {
    let members: Vec<String> = (0..300).map(|at| format!(r#"{{"value":"bulkId:{at}"}}"#)).collect();
    let body = format!(r#"{{"members":[{}]}}"#, members.join(","));
    let circle: Vec<Operation> =
        (0..300).map(|at| create("Group", &at.to_string(), &body)).collect();
    let items = arranged(&circle);
    assert_eq!(items.len(), 600);
    assert!(items.iter().take(300).all(|item| item.body.as_deref() == Some("{}")));
}

/// Only what refers to resources is read so: any other text may look as it likes.
#[test]
fn a_text_is_no_reference() {
    for body in [
        r#"{"displayName":"bulkId:a","externalId":"bulkId:a","title":"bulkId: how to"}"#,
        r#"{"Operations":[{"op":"replace","path":"title","value":"bulkId:x"}]}"#,
        r#"{"Operations":[{"op":"replace","path":"title[x eq \"say \\\"bulkId:x\\\"\"]","value":"y"}]}"#,
    ] {
        let item = check(&[create("User", "a", body)], &["0"]);
        assert_eq!(item.first().and_then(|item| item.body.as_deref()), Some(body));
    }
}

#[test]
fn what_cannot_be_carried_out_is_refused() {
    let refused = |operations: &[Operation]| -> Vec<bool> {
        arranged(operations).iter().map(|item| !item.refused.is_empty()).collect()
    };
    let user = |name: &str| create("User", name, r#"{"userName":"a"}"#);
    let refers = |name: &str| {
        create("Group", "g", &format!(r#"{{"members":[{{"value":"bulkId:{name}"}}]}}"#))
    };
    assert_eq!(refused(&[user("a"), refers("a")]), [false, false]);
    assert_eq!(refused(&[user("a"), refers("b")]), [false, true]);
    // Names are compared exactly.
    assert_eq!(refused(&[user("a"), refers("A")]), [false, true]);
    assert_eq!(refused(&[user("a"), user("a"), refers("a")]), [true, true, true]);
    assert_eq!(refused(&[user("")]), [true]);
    assert_eq!(refused(&[delete("User", "bulkId:x")]), [true]);
    // What is changed is known by its id.
    let named = Operation { bulk_id: Some("p".into()), ..patch("User", "u1", "{}") };
    assert_eq!(refused(&[named, refers("p")]), [false, true]);
}

/// S31: the same item of the same batch has the same key, whatever stands beside it.
#[test]
fn an_item_is_known_again() {
    let keys = |operations: &[Operation]| -> Vec<String> {
        arranged(operations).into_iter().map(|item| item.key_material).collect()
    };
    let title = |text: &str| {
        patch(
            "User",
            "u1",
            &format!(r#"{{"Operations":[{{"op":"replace","path":"title","value":"{text}"}}]}}"#),
        )
    };
    let [named, other] = ["a", "b"].map(|name| create("User", name, r#"{"userName":"a"}"#));
    let all =
        keys(&[named.clone(), other, title("x"), title("y"), title("x"), delete("User", "u1")]);
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "{all:?}");
    let some = keys(&[title("x"), delete("User", "u1"), named]);
    assert_eq!(some.iter().collect::<Vec<_>>(), [&all[2], &all[5], &all[0]]);
    // S3: what asks the same in other words is the same.
    let spelled =
        patch("User", "u1", r#"{ "operations": [{"value":"x", "op":"Replace", "path":"Title"}] }"#);
    assert_eq!(keys(&[spelled]), [all[2].clone()]);
    // A circle's two items have two, and those of another circle, or of none, are others.
    let refers = |name: &str, to: &str| {
        create("User", name, &format!(r#"{{"userName":"a","manager":{{"value":"bulkId:{to}"}}}}"#))
    };
    let circles = [
        keys(&[refers("a", "a")]),
        keys(&[refers("a", "b"), refers("b", "a")]),
        keys(&[refers("a", "c"), refers("c", "a")]),
        keys(&[create("User", "a", r#"{"userName":"a"}"#)]),
    ];
    let distinct: std::collections::BTreeSet<_> = circles.iter().flatten().collect();
    assert_eq!(distinct.len(), 2 + 4 + 4 + 1, "{circles:?}");
}

/// A chain as long as a batch may be takes no stack.
#[test]
fn a_long_chain_is_arranged() {
    let chain: Vec<Operation> = (0..1_000)
        .map(|at| {
            create(
                "User",
                &at.to_string(),
                &format!(r#"{{"manager":{{"value":"bulkId:{}"}}}}"#, at + 1),
            )
        })
        .chain([create("User", "1000", "{}")])
        .collect();
    let order: Vec<u32> = arranged(&chain).iter().map(|item| item.operation).collect();
    assert_eq!(order, (0..=1_000).rev().collect::<Vec<_>>());
}

#[test]
fn names_give_way_to_ids() {
    let known = [("bulkId:a", "1"), ("externalId:b", "2")]
        .map(|(name, id)| Known { name: name.into(), id: id.into() });
    let check = |text: &str, expected: &str| assert_eq!(fill(text, &known), expected);
    check(
        r#"{"members":[{"value":"bulkId:a"},{"value":"externalId:b"}]}"#,
        r#"{"members":[{"value":"1"},{"value":"2"}]}"#,
    );
    check(
        r#"{"Operations":[{"op":"remove","path":"members[value eq \"bulkId:a\"]"}]}"#,
        r#"{"Operations":[{"op":"remove","path":"members[value eq \"1\"]"}]}"#,
    );
    check(
        r#"{"Operations":[{"op":"add","path":"manager","value":"bulkId:a"},{"op":"add","value":{"members":["bulkId:a"]}}]}"#,
        r#"{"Operations":[{"op":"add","path":"manager","value":"1"},{"op":"add","value":{"members":["1"]}}]}"#,
    );
    // As the filter has it: an id may hold what ends a text.
    let odd = [Known { name: "bulkId:a".into(), id: r#"q"x\"#.into() }];
    let path = r#"{"Operations":[{"op":"remove","path":"members[value eq \"bulkId:a\"].x"}]}"#;
    let expected =
        r#"{"Operations":[{"op":"remove","path":"members[value eq \"q\\\"x\\\\\"].x"}]}"#;
    assert_eq!(fill(path, &odd), expected);
    // A quote inside a text does not end it.
    check(
        r#"{"Operations":[{"op":"remove","path":"members[display eq \"x\\\"y\" and value eq \"bulkId:a\"]"}]}"#,
        r#"{"Operations":[{"op":"remove","path":"members[display eq \"x\\\"y\" and value eq \"1\"]"}]}"#,
    );
    // Nothing to put in: the text stays as it came.
    check(
        r#"{ "a" : "bulkId:b", "b": "see bulkId:a" }"#,
        r#"{ "a" : "bulkId:b", "b": "see bulkId:a" }"#,
    );
    check("no JSON", "no JSON");
}

/// `expected`: each item's operation, what it needs, and what it is about where that is not as stated.
fn check(operations: &[Operation], expected: &[&str]) -> Vec<Item> {
    let items = arranged(operations);
    let told: Vec<String> = items
        .iter()
        .map(|item| {
            let mut text = item.operation.to_string();
            if !item.needs.is_empty() {
                let needs: Vec<String> = item.needs.iter().map(u32::to_string).collect();
                text += &format!(" after {}", needs.join(" "));
            }
            let stated =
                usize::try_from(item.operation).ok().and_then(|at| operations.get(at)?.id.clone());
            if item.id != stated {
                // What refers later is put into what was made.
                assert_eq!(item.method, Method::Patch);
                text += &format!(" as {}", item.id.clone().unwrap_or_default());
            }
            text
        })
        .collect();
    assert_eq!(told, expected);
    assert!(items.iter().all(|item| item.refused.is_empty()), "{items:?}");
    items
}

fn arranged(operations: &[Operation]) -> Vec<Item> {
    let settings = Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() };
    arrange(operations, &settings).expect("settings that can be read")
}

fn create(resource_type: &str, name: &str, body: &str) -> Operation {
    Operation {
        method: Method::Create,
        id: None,
        bulk_id: Some(name.into()),
        ..patch(resource_type, "", body)
    }
}

fn patch(resource_type: &str, id: &str, body: &str) -> Operation {
    Operation {
        method: Method::Patch,
        resource_type: resource_type.into(),
        id: Some(id.into()),
        bulk_id: None,
        body: Some(body.into()),
    }
}

fn delete(resource_type: &str, id: &str) -> Operation {
    Operation { method: Method::Delete, body: None, ..patch(resource_type, id, "") }
}
