//! `/Bulk`: each operation is done once, in an order in which it can be, and told again when the request is repeated (S31).

use http::Method;
use serde_json::{Value, json};

use crate::support::{ERROR, Gateway, Reply, Service, both};

/// RFC 7644 section 3.7.2, first example; the group stands before what it refers to.
#[tokio::test]
async fn what_refers_is_sent_with_the_id() {
    let (service, gateway) = both().await;
    let reply = bulk(&gateway, "", &json!([
        {"method": "POST", "path": "/Groups", "bulkId": "ytrewq",
            "data": {"displayName": "Tour Guides", "members": [{"type": "User", "value": "bulkId:qwerty"}]}},
        {"method": "post", "path": "Users", "bulkId": "qwerty", "data": {"userName": "Alice"}},
    ])).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/scim+json"));
    let body = reply.json();
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]));
    // As stated, the user's second; the user was made first.
    let told = json!([
        told("POST", "ytrewq", "http://me/scim/v2/Groups/id-2", "201"),
        told("POST", "qwerty", "http://me/scim/v2/Users/id-1", "201"),
    ]);
    assert_eq!(without_decisions(&body), told);
    let member = json!([{"type": "User", "value": "id-1"}]);
    assert_eq!(service.resources("Groups")[0]["members"], member);
}

/// The same batch under its key: the same answers, and nothing more is sent.
#[tokio::test]
async fn a_repeat_tells_the_same_and_changes_nothing() {
    let (service, gateway) = both().await;
    let id = service.put_in("Users", json!({"userName": "bob", "active": true}));
    let operations = json!([
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "ann", "password": "t0p-s3cret"}},
        {"method": "PATCH", "path": format!("/Users/{id}"), "data": {"Operations": [{"op": "replace", "path": "title", "value": "x"}]}},
        {"method": "PUT", "path": "/Users/bulkId:a", "data": {"userName": "ann", "title": "y"}},
        {"method": "DELETE", "path": format!("/Users/{id}")},
    ]);
    let first = bulk(&gateway, "Idempotency-Key: batch-1\r\n", &operations).await;
    let statuses = |reply: &Reply| -> Vec<Value> {
        let body = reply.json();
        body["Operations"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect()
    };
    assert_eq!(statuses(&first), ["201", "200", "200", "204"], "{}", first.text());
    let changes = service.changes().len();
    // Where each is, also of what was named by its bulkId: the two users are the first and the second that were made.
    let locations: Vec<Value> = ["id-2", "id-1", "id-2", "id-1"]
        .map(|id| json!(format!("http://me/scim/v2/Users/{id}")))
        .into();
    let body = first.json();
    let told: Vec<Value> =
        body["Operations"].as_array().unwrap().iter().map(|one| one["location"].clone()).collect();
    assert_eq!(told, locations);
    let again = bulk(&gateway, "Idempotency-Key: batch-1\r\n", &operations).await;
    assert_eq!(service.changes().len(), changes);
    let mut expected = first.json();
    for one in expected["Operations"].as_array_mut().unwrap() {
        one["replaysafe"]["replayed"] = json!(true);
    }
    let mut again = again.json();
    let diverged: Vec<Option<Value>> = again["Operations"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .map(|one| one["replaysafe"].as_object_mut().unwrap().remove("diverged"))
        .collect();
    // What a later one has changed since, or deleted.
    assert_eq!(diverged, [Some(json!("changed")), Some(json!("deleted")), None, None]);
    assert_eq!(again, expected);
    // S3a: what is secret reached the target, and is nowhere in the ledger.
    let sent = String::from_utf8(service.changes()[0].body.to_vec()).unwrap();
    assert!(sent.contains("t0p-s3cret"), "{sent}");
    let kept =
        gateway.files().into_values().any(|file| file.windows(10).any(|at| at == b"t0p-s3cret"));
    assert!(!kept);
}

/// Without a key each operation is known by what it asks (S2).
#[tokio::test]
async fn a_repeat_without_key_makes_nothing_twice() {
    let (service, gateway) = both().await;
    let operations =
        json!([{"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "ann"}}]);
    for _ in 0..2 {
        let reply = bulk(&gateway, "", &operations).await;
        assert_eq!(reply.json()["Operations"][0]["status"], "201", "{}", reply.text());
    }
    assert_eq!(service.resources("Users").len(), 1);
}

/// A part fails: what needs it is blocked, the rest is done, and a repeat does what is left.
#[tokio::test]
async fn a_repeat_does_what_is_left() {
    let (service, gateway) = both().await;
    let gone = "/Users/id-9";
    let operations = json!([
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "ann"}},
        {"method": "PATCH", "path": gone, "data": {"Operations": [{"op": "replace", "path": "title", "value": "x"}]}},
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"displayName": "g", "members": [{"value": "bulkId:a"}]}},
    ]);
    let key = "Idempotency-Key: batch-2\r\n";
    let reply = bulk(&gateway, key, &operations).await;
    let body = reply.json();
    let told: Vec<&Value> = body["Operations"].as_array().unwrap().iter().collect();
    assert_eq!(
        [&told[0]["status"], &told[1]["status"], &told[2]["status"]],
        ["201", "404", "201"],
        "{}",
        reply.text()
    );
    assert_eq!(told[1]["response"]["schemas"], json!([ERROR]));
    assert_eq!(told[1]["location"], format!("http://me/scim/v2{gone}"));
    let made = service.changes().iter().filter(|asked| asked.method == Method::POST).count();
    // It is there now: the same batch again does it, and nothing else.
    while service.put_in("Users", json!({"userName": "late"})) != "id-9" {}
    let reply = bulk(&gateway, key, &operations).await;
    let body = reply.json();
    let replayed: Vec<&Value> = body["Operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["replaysafe"]["replayed"])
        .collect();
    assert_eq!(replayed, [true, false, true], "{}", reply.text());
    assert_eq!(body["Operations"][1]["status"], "200", "{}", reply.text());
    assert_eq!(service.changes().iter().filter(|asked| asked.method == Method::POST).count(), made);
}

/// What refers to what has failed, directly or by way of others, is not sent: 424 (S31).
#[tokio::test]
async fn what_needs_what_failed_is_blocked() {
    let (service, gateway) = both().await;
    service.put_in("Users", json!({"userName": "ann", "title": "another"}));
    let reply = bulk(&gateway, "", &json!([
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "ann"}},
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"displayName": "g", "members": [{"value": "bulkId:a"}]}},
        {"method": "PATCH", "path": "/Groups/bulkId:g", "data": {"Operations": [{"op": "replace", "path": "displayName", "value": "h"}]}},
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "bob"}},
        {"method": "POST", "path": "/Groups", "bulkId": "h", "data": {"displayName": "h", "members": [{"value": "bulkId:nobody"}]}},
    ])).await;
    let body = reply.json();
    let of = |at: usize| {
        [&body["Operations"][at]["status"], &body["Operations"][at]["replaysafe"]["verdict"]]
    };
    assert_eq!(of(0), ["409", "conflict"], "{}", reply.text());
    assert_eq!(of(1), ["424", "blocked-by"], "{}", reply.text());
    assert_eq!(of(2), ["424", "blocked-by"], "{}", reply.text());
    assert_eq!(of(3), ["201", "done"], "{}", reply.text());
    assert_eq!(of(4), ["400", "malformed"], "{}", reply.text());
    let detail = body["Operations"][1]["response"]["detail"].as_str().unwrap();
    assert!(detail.starts_with("operation 1 of the batch"), "{detail}");
    // RFC 7644 section 3.7.3: where it is, is told of all but a create that failed.
    assert_eq!(body["Operations"][1].get("location"), None);
    assert!(service.resources("Groups").is_empty());
}

/// RFC 7644 section 3.7.3: after so many errors, nothing else is begun.
#[tokio::test]
async fn it_stops_after_so_many_errors() {
    let (service, gateway) = both().await;
    let missing = |id: &str| json!({"method": "PATCH", "path": format!("/Users/{id}"), "data": {"Operations": [{"op": "replace", "path": "title", "value": "x"}]}});
    let operations = json!([
        missing("1"),
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "ann"}},
        missing("2"),
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "bob"}},
    ]);
    let request = |most: u64| json!({"failOnErrors": most, "Operations": operations});
    for (most, begun) in [(1, 1), (2, 3), (3, 4)] {
        let reply = gateway.ask("POST /scim/v2/Bulk", "", request(most).to_string()).await;
        let told = reply.json()["Operations"].as_array().unwrap().len();
        assert_eq!(told, begun, "{most}: {}", reply.text());
    }
    assert_eq!(service.resources("Users").len(), 2);
}

/// RFC 7644 section 3.7.1: what refers to each other is made, and refers then.
#[tokio::test]
async fn a_circle_is_made_once() {
    let (service, gateway) = both().await;
    let operations = json!([group("a", &["b"]), group("b", &["a"])]);
    // In whatever order it is sent again.
    for operations in [&operations, &operations, &json!([operations[1], operations[0]])] {
        let reply = bulk(&gateway, "Idempotency-Key: circle\r\n", operations).await;
        let body = reply.json();
        let statuses = [&body["Operations"][0]["status"], &body["Operations"][1]["status"]];
        assert_eq!(statuses, ["201", "201"], "{}", reply.text());
    }
    assert_eq!(members(&service), [json!(["a", ["id-2"]]), json!(["b", ["id-1"]])]);
    assert_eq!(service.changes().len(), 4);
}

/// S2a: without a key, too, a circle that was made is told again at any age, and what was taken from it since stays taken.
#[tokio::test]
async fn what_was_taken_from_a_circle_stays_taken() {
    let (service, gateway) = both().await;
    let operations = json!([group("a", &["b"]), group("b", &["a"])]);
    bulk(&gateway, "", &operations).await;
    let remove = json!({"Operations": [{"op": "remove", "path": "members[value eq \"id-1\"]"}]});
    let reply = gateway.ask("PATCH /scim/v2/Groups/id-2", "", remove.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    gateway.clock.forward(600);
    let changes = service.changes().len();
    let reply = bulk(&gateway, "", &operations).await;
    let body = reply.json();
    let replayed = [0, 1].map(|at| &body["Operations"][at]["replaysafe"]["replayed"]);
    assert_eq!(replayed, [true, true], "{}", reply.text());
    assert_eq!(members(&service), [json!(["a", ["id-2"]]), json!(["b", []])]);
    assert_eq!(service.changes().len(), changes);
}

/// S37: an operation of which only the first half was done is not told as done, and is done by a repeat.
#[tokio::test]
async fn half_a_circle_is_no_success() {
    let (service, gateway) = both().await;
    let taken = service.put_in("Users", json!({"userName": "taken", "title": "another"}));
    let user = |name: &str, boss: &str| {
        json!({"method": "POST", "path": "/Users", "bulkId": name,
        "data": {"userName": name, "manager": {"value": format!("bulkId:{boss}")}}})
    };
    let operations = json!([user("n", "taken"), user("taken", "n")]);
    let request = json!({"failOnErrors": 1, "Operations": operations}).to_string();
    let ask = || gateway.ask("POST /scim/v2/Bulk", "Idempotency-Key: half\r\n", &request);
    let reply = ask().await;
    let body = reply.json();
    let statuses = [&body["Operations"][0]["status"], &body["Operations"][1]["status"]];
    assert_eq!(statuses, ["424", "409"], "{}", reply.text());
    // It was made all the same: whoever publishes changes is told, and where it is.
    assert_eq!(body["Operations"][0]["replaysafe"]["changed"], true, "{}", reply.text());
    assert_eq!(body["Operations"][0]["location"], "http://me/scim/v2/Users/id-2");
    assert_eq!(body["Operations"][1].get("location"), None);
    let reply = gateway.ask(&format!("DELETE /scim/v2/Users/{taken}"), "", "").await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    let reply = ask().await;
    let body = reply.json();
    let statuses = [&body["Operations"][0]["status"], &body["Operations"][1]["status"]];
    assert_eq!(statuses, ["201", "201"], "{}", reply.text());
    // Something was sent for it just now.
    assert_eq!(body["Operations"][0]["replaysafe"]["replayed"], false, "{}", reply.text());
    let managers: Vec<Value> =
        service.resources("Users").iter().map(|user| user["manager"]["value"].clone()).collect();
    assert_eq!(managers, ["id-3", "id-2"]);
}

/// RFC 7644 section 3.7: the same stateful result. Who is deleted before somebody of that name is made is another one.
#[tokio::test]
async fn nothing_is_made_before_its_time() {
    let (service, gateway) = both().await;
    let old = service.put_in("Users", json!({"userName": "bob", "externalId": "bob"}));
    let team = service.put_in("Groups", json!({"displayName": "team"}));
    let add = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": "bulkId:new"}]}]});
    let reply = bulk(&gateway, "", &json!([
        {"method": "PATCH", "path": format!("/Groups/{team}"), "data": add},
        {"method": "DELETE", "path": format!("/Users/{old}")},
        {"method": "POST", "path": "/Users", "bulkId": "new", "data": {"userName": "bob", "externalId": "bob"}},
    ])).await;
    let body = reply.json();
    let statuses = [0, 1, 2].map(|at| &body["Operations"][at]["status"]);
    assert_eq!(statuses, ["200", "204", "201"], "{}", reply.text());
    assert_eq!(service.resources("Users").len(), 1);
    assert_eq!(members(&service), [json!(["team", ["id-3"]])]);
}

/// S3a: who repeats a batch with other passwords is told that the first ones stay.
#[tokio::test]
async fn another_password_is_told() {
    let (service, gateway) = both().await;
    for (password, differs) in [("first-1", Value::Null), ("second-2", json!(true))] {
        let operations = json!([{"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "a", "password": password}}]);
        let reply = bulk(&gateway, "Idempotency-Key: secrets\r\n", &operations).await;
        let told = &reply.json()["Operations"][0];
        assert_eq!(
            (&told["status"], &told["replaysafe"]["secretDiffers"]),
            (&json!("201"), &differs),
            "{}",
            reply.text()
        );
    }
    assert_eq!(service.changes().len(), 1);
}

/// Nothing of a request that breaks a rule of form is done.
#[tokio::test]
async fn what_is_no_bulk_request_is_refused_whole() {
    let (service, gateway) = both().await;
    let good =
        json!({"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "ann"}});
    for (wrong, says) in [
        (json!({"method": "GET", "path": "/Users/1"}), "is no resource's"),
        (json!({"method": "POST", "path": "/Me", "data": {}}), "is no resource's"),
        (json!({"method": "POST", "path": "/Bulk", "data": {}}), "is no resource's"),
        (json!({"method": "PATCH", "path": "/Users/1?x=1", "data": {}}), "is no resource's"),
        (json!({"method": "PATCH", "path": "/Users/../Groups/1", "data": {}}), "is no resource's"),
        (json!({"path": "/Users", "data": {}}), "has no `method`"),
        (json!({"method": "POST", "data": {}}), "has no `path`"),
        (json!({"method": "POST", "path": "/Users"}), "has no `data`"),
        (
            json!({"method": "POST", "path": "/Users", "bulkId": 1, "data": {}}),
            "`bulkId` that is no text",
        ),
        (
            json!({"method": "POST", "path": "/Users", "data": {"title": "x".repeat(1 << 20)}}),
            "larger",
        ),
        (json!({"method": "DELETE", "path": "/Users/1", "version": "a\r\nb"}), "no entity tag"),
        (json!({"method": "DELETE", "path": "/Users/1", "version": ""}), "no entity tag"),
        (json!(1), "has no `method`"),
    ] {
        let reply = bulk(&gateway, "", &json!([good, wrong])).await;
        reply.is_error(400, Some("invalidSyntax"), says);
        reply.is_error(400, Some("invalidSyntax"), "Operation 2 ");
    }
    let many = json!(vec![good.clone(); 1_001]);
    bulk(&gateway, "", &many).await.is_error(413, None, "1000 operations");
    for (request, says) in [
        (json!({}), "`Operations`"),
        (json!({"Operations": {}}), "`Operations`"),
        (json!({"Operations": [good], "failOnErrors": 0}), "`failOnErrors`"),
        (json!({"Operations": [good], "failOnErrors": "1"}), "`failOnErrors`"),
    ] {
        let reply = gateway.ask("POST /scim/v2/Bulk", "", request.to_string()).await;
        reply.is_error(400, Some("invalidSyntax"), says);
    }
    let reply = gateway.ask("POST /scim/v2/Bulk", "", "{").await;
    reply.is_error(400, Some("invalidSyntax"), "cannot be read");
    let reply = bulk(&gateway, "If-Match: W/\"1\"\r\n", &json!([good])).await;
    reply.is_error(400, None, "no version as a whole");
    assert!(service.changes().is_empty());
    // Nothing to do is nothing done.
    let reply = bulk(&gateway, "", &json!([])).await;
    assert_eq!((reply.status, &reply.json()["Operations"]), (200, &json!([])));
}

/// What the target says of a credential is told, and nothing is done.
#[tokio::test]
async fn a_credential_that_is_refused_does_nothing() {
    let (service, gateway) = both().await;
    service.revoke("Bearer mallory");
    let operations =
        json!([{"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "ann"}}]);
    let reply = bulk(&gateway, "Authorization: Bearer mallory\r\n", &operations).await;
    assert_eq!(reply.json()["Operations"][0]["status"], "401", "{}", reply.text());
    assert!(service.resources("Users").is_empty());
}

/// A client that hangs up cancels nothing, and the same request again tells what was done.
#[tokio::test]
async fn who_hangs_up_is_told_later() {
    let service = Service::start().await;
    let gateway = Gateway::before(&service).await;
    let operations = json!([
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "ann"}},
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "bob"}},
    ]);
    service.held.send(true).unwrap();
    let key = "Idempotency-Key: hung-up\r\n";
    let gone =
        tokio::time::timeout(std::time::Duration::from_secs(1), bulk(&gateway, key, &operations))
            .await;
    assert!(gone.is_err());
    service.held.send(false).unwrap();
    let reply = bulk(&gateway, key, &operations).await;
    let body = reply.json();
    assert_eq!(
        [&body["Operations"][0]["status"], &body["Operations"][1]["status"]],
        ["201", "201"],
        "{}",
        reply.text()
    );
    assert_eq!(service.resources("Users").len(), 2);
    assert_eq!(service.changes().len(), 2);
}

async fn bulk(gateway: &Gateway, headers: &str, operations: &Value) -> Reply {
    let request = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations,
    });
    gateway.ask("POST /scim/v2/Bulk", headers, request.to_string()).await
}

/// A group that has these for members, by their bulkIds.
fn group(name: &str, others: &[&str]) -> Value {
    let members: Vec<Value> = others
        .iter()
        .map(|other| json!({"type": "Group", "value": format!("bulkId:{other}")}))
        .collect();
    json!({"method": "POST", "path": "/Groups", "bulkId": name, "data": {"displayName": name, "externalId": name, "members": members}})
}

/// The groups of a service, each with the ids of its members.
fn members(service: &Service) -> Vec<Value> {
    let ids = |group: &Value| -> Vec<Value> {
        group["members"].as_array().into_iter().flatten().map(|one| one["value"].clone()).collect()
    };
    service
        .resources("Groups")
        .iter()
        .map(|group| json!([group["displayName"], ids(group)]))
        .collect()
}

fn told(method: &str, name: &str, location: &str, status: &str) -> Value {
    json!({
        "method": method, "bulkId": name, "location": location, "status": status,
        "replaysafe": {
            "verdict": "done", "changed": true, "replayed": false, "evidence": "read", "key": "derived",
        },
    })
}

/// What was told of each operation; that each has a decision of its own is seen here.
fn without_decisions(body: &Value) -> Value {
    let mut operations = body["Operations"].as_array().unwrap().clone();
    let mut decisions = std::collections::BTreeSet::new();
    for one in &mut operations {
        let decision = one["replaysafe"].as_object_mut().unwrap().remove("decision");
        assert!(decisions.insert(decision.unwrap().to_string()));
    }
    json!(operations)
}
