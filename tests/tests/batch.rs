//! Laws of batches, on made-up ones (S31): what is referred to comes first, nothing is lost or said twice, and the component says what the core says.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::prelude::*;
use replaysafe::guest::PlanningGuest;
use replaysafe_core::{
    batch::{Item, Known, Operation, arrange, fill},
    door::{self, AUDIT, BATCH, RECONCILIATION},
    types::{Method, Settings},
};
use serde_json::{Value, json};

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever goes through the items in order has the id of all that an item refers to, and it says whose it needs.
    #[test]
    fn what_is_referred_to_comes_first(batch in batch()) {
        let mut made: BTreeMap<usize, Known> = BTreeMap::new();
        for item in items(&batch) {
            prop_assert_eq!(&item.refused, "", "{:?}", batch);
            let needs = item.needs.iter().map(|one| usize::try_from(*one).expect("a position"));
            let known: Option<Vec<Known>> = needs.map(|one| made.get(&one).cloned()).collect();
            let known = known.expect("all that it needs is made");
            let filled = item.body.as_deref().map(|body| fill(body, &known)).unwrap_or_default();
            prop_assert!(!filled.contains("bulkId:"), "{filled} of {batch:?}");
            prop_assert!(item.id.as_ref().is_none_or(|id| !id.starts_with("bulkId:") || known.iter().any(|one| one.name == *id)));
            if let (Method::Create, Some(name)) = (item.method, &batch[place(&item)].bulk_id) {
                made.insert(place(&item), Known { name: format!("bulkId:{name}"), id: format!("id-{name}") });
            }
        }
    }

    /// Carried out, the items state all that the operations state, once.
    #[test]
    fn nothing_is_lost_or_said_twice(batch in batch()) {
        let mut said: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for item in items(&batch) {
            said.entry(place(&item)).or_default().extend(edges(item.body.as_deref().unwrap_or("{}")));
        }
        for (position, operation) in batch.iter().enumerate() {
            let mut stated = edges(operation.body.as_deref().unwrap_or("{}"));
            let mut said = said.remove(&position).expect("an item for each operation");
            stated.sort();
            said.sort();
            prop_assert_eq!(said, stated);
        }
    }

    /// Nothing is done before what stands before it in the request, but where that has to wait: for what it refers to, or for
    /// its turn on its resource.
    #[test]
    fn nothing_is_done_before_its_time(batch in batch()) {
        let mut order: Vec<usize> = items(&batch).iter().map(place).collect();
        let mut seen = std::collections::BTreeSet::new();
        order.retain(|one| seen.insert(*one));
        for (at, later) in order.iter().enumerate() {
            for earlier in order[at..].iter().filter(|one| *one < later) {
                let waits = &batch[*earlier];
                let refers = waits.body.as_ref().is_some_and(|body| body.contains("bulkId:"));
                prop_assert!(refers || waits.id.is_some(), "{later} before {earlier} of {batch:?}");
            }
        }
    }

    /// What is about one resource is done in the order of the request.
    #[test]
    fn each_resource_has_its_order(batch in batch()) {
        let mut last: BTreeMap<String, usize> = BTreeMap::new();
        for item in items(&batch).iter().filter(|item| batch[place(item)].id.is_some()) {
            let before = last.insert(item.id.clone().unwrap_or_default(), place(item));
            prop_assert!(before.is_none_or(|before| before < place(item)), "{batch:?}");
        }
    }

    /// S31: an item is one request, under one key, however the batch is turned, and no other item has its key.
    #[test]
    fn a_key_is_an_items_own(batch in batch(), turn in 0_usize..12) {
        let requests = |batch: &[Operation]| -> Vec<(String, Option<Value>)> {
            let mut all: Vec<_> = items(batch).into_iter().map(|item| (item.key_material, item.body.as_deref().map(meant))).collect();
            all.sort_by(|one, other| one.0.cmp(&other.0));
            all
        };
        let all = requests(&batch);
        prop_assert!(all.windows(2).all(|two| two[0].0 != two[1].0), "{all:?}");
        let mut turned = batch.clone();
        turned.rotate_left(turn.min(batch.len()));
        prop_assert_eq!(requests(&turned), all);
    }

    #[test]
    fn the_component_says_what_the_core_says(batch in batch()) {
        let native = arrange(&batch, &settings()).expect("settings that can be read");
        let operations: Vec<Value> = batch.iter().map(as_json).collect();
        let given = json!({"operations": operations, "settings": {"policy": "{}", "schema": "{}", "profile": []}});
        let text = GUEST.call_json("arrange", &given.to_string()).expect("an answer");
        prop_assert_eq!(&text, &door::call(&[&RECONCILIATION, &AUDIT, &BATCH], "arrange", &given.to_string()));
        let told: Value = serde_json::from_str(&text).expect("JSON");
        let told: Vec<(u64, Option<&str>, Option<&str>, &str)> = told["ok"].as_array().expect("items").iter().map(|item| {
            (item["operation"].as_u64().expect("a number"), item["id"].as_str(), item["body"].as_str(), item["key-material"].as_str().expect("a text"))
        }).collect();
        let native: Vec<_> = native.iter().map(|item| {
            (u64::from(item.operation), item.id.as_deref(), item.body.as_deref(), item.key_material.as_str())
        }).collect();
        prop_assert_eq!(told, native);
    }
}

/// By the typed door: the same items.
#[test]
fn the_typed_door_gives_the_same() {
    let body = r#"{"displayName":"a","members":[{"value":"bulkId:a"},{"value":"bulkId:b"}]}"#;
    let operations = [created("Group", 0, body), created("Group", 1, r#"{"displayName":"b"}"#)];
    let native = arrange(&operations, &settings()).expect("settings that can be read");
    let typed: Vec<replaysafe::contract::batch::Operation> = operations
        .iter()
        .map(|one| serde_json::from_value(typed(one)).expect("the contract's own"))
        .collect();
    let of = replaysafe::contract::Settings {
        policy: "{}".into(),
        schema: "{}".into(),
        profile: Vec::new(),
    };
    let told = GUEST.arrange(&typed, &of).expect("an answer");
    assert_eq!(told.len(), native.len());
    for (told, native) in told.iter().zip(&native) {
        assert_eq!(
            (told.operation, &told.id, &told.body, &told.key_material, &told.needs, &told.refused),
            (
                native.operation,
                &native.id,
                &native.body,
                &native.key_material,
                &native.needs,
                &native.refused
            )
        );
    }
    let known = [replaysafe::contract::batch::Known { name: "bulkId:b".into(), id: "7".into() }];
    let filled = GUEST.fill(body, &known).expect("an answer");
    assert_eq!(filled, r#"{"displayName":"a","members":[{"value":"bulkId:a"},{"value":"7"}]}"#);
}

static GUEST: LazyLock<PlanningGuest> =
    LazyLock::new(|| PlanningGuest::embedded().expect("the component of this build"));

/// Up to ten operations that refer to one another, in circles too.
fn batch() -> impl Strategy<Value = Vec<Operation>> {
    let one = (0_u8..4, proptest::collection::vec(0_usize..10, 0..3), 0_usize..10);
    proptest::collection::vec(one, 1..10).prop_map(|drawn| {
        let creates: Vec<usize> =
            drawn.iter().enumerate().filter(|(_, (kind, ..))| *kind < 3).map(|(at, _)| at).collect();
        let reference = |number: usize| creates.get(number % creates.len().max(1)).copied();
        drawn
            .iter()
            .enumerate()
            .map(|(position, (kind, refers, about))| {
                let refers: Vec<usize> = refers.iter().filter_map(|one| reference(*one)).collect();
                let members: Vec<Value> = refers.iter().map(|one| json!({"value": format!("bulkId:{}", name(*one))})).collect();
                match kind {
                    0 => created("Group", position, &json!({"displayName": name(position), "members": members}).to_string()),
                    1 => {
                        let manager = refers.first().map(|one| json!({
                            "value": format!("bulkId:{}", name(*one)),
                            "deputy": refers.get(1).map(|one| json!({"value": format!("bulkId:{}", name(*one))})),
                        }));
                        created("User", position, &json!({"userName": name(position), "urn:x:2.0:User": {"manager": manager, "costCenter": "1"}}).to_string())
                    }
                    2 => created("User", position, &json!({"userName": name(position)}).to_string()),
                    _ => {
                        let id = reference(*about).map_or_else(|| "id-0".to_owned(), |one| format!("bulkId:{}", name(one)));
                        let body = json!({"Operations": [{"op": "add", "path": "members", "value": members}]});
                        Operation { method: Method::Patch, resource_type: "Group".into(), id: Some(id), bulk_id: None, body: Some(body.to_string()) }
                    }
                }
            })
            .collect()
    })
}

/// Of one letter, so that none begins another.
fn name(position: usize) -> String {
    char::from(b'a' + u8::try_from(position).expect("at most ten")).to_string()
}

fn created(resource_type: &str, position: usize, body: &str) -> Operation {
    Operation {
        method: Method::Create,
        resource_type: resource_type.into(),
        id: None,
        bulk_id: Some(name(position)),
        body: Some(body.into()),
    }
}

fn items(batch: &[Operation]) -> Vec<Item> {
    arrange(batch, &settings()).expect("settings that can be read")
}

fn place(item: &Item) -> usize {
    usize::try_from(item.operation).expect("a position")
}

fn settings() -> Settings {
    Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() }
}

/// The references that a resource or a `PatchOp` states.
fn edges(body: &str) -> Vec<String> {
    let body: Value = serde_json::from_str(body).expect("JSON");
    let mut found = Vec::new();
    look(&body, &mut found);
    found
}

fn look(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with("bulkId:") => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| look(item, found)),
        Value::Object(object) => object.values().for_each(|value| look(value, found)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A body without how it is spelled: a list of members is a set, whoever is told first, and however often (S3).
fn meant(body: &str) -> Value {
    let mut body = serde_json::from_str(body).expect("JSON");
    sort(&mut body);
    body
}

fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort);
            items.sort_by_key(Value::to_string);
            items.dedup();
        }
        Value::Object(object) => object.values_mut().for_each(sort),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// As the JSON door has it.
fn as_json(operation: &Operation) -> Value {
    let method = if operation.method == Method::Create { "create" } else { "patch" };
    let mut given = json!({"method": method, "resource-type": operation.resource_type});
    for (name, value) in
        [("id", &operation.id), ("bulk-id", &operation.bulk_id), ("body", &operation.body)]
    {
        if let Some(value) = value {
            given[name] = json!(value);
        }
    }
    given
}

/// As the host's own type is read.
fn typed(operation: &Operation) -> Value {
    json!({
        "method": "Create", "resource_type": operation.resource_type,
        "id": operation.id, "bulk_id": operation.bulk_id, "body": operation.body,
    })
}
