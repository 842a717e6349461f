//! What does a request mean: does it hold, what does it give and take, and is it the same as another?

use replaysafe_core::types::Method;
use serde_json::{Map, Value, json};

use super::{
    facts::{self, ENTERPRISE, Kind},
    server::{self, Members, Style, Wrong, is_unassigned, member},
};

/// Whether a request holds on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Nothing would change.
    Yes,
    /// Something would.
    No,
    /// It holds by what can be seen, and must be sent all the same: it states a secret (S3a).
    Secret,
    /// It is the target's affair: sent as it came (S25).
    Unclear,
}

/// Whether a request holds on a resource that was observed.
#[must_use]
pub fn holds(resource_type: &str, method: Method, body: &Value, observed: &Members) -> Holds {
    let stated_only = Style::STATED;
    let after = match method {
        Method::Create => stated(resource_type, body).and_then(|body| {
            let body = folded(Value::Object(present(resource_type, body, observed)), observed);
            server::apply(stated_only, resource_type, observed, Method::Replace, &body)
        }),
        // S26: a PUT is authoritative over what it leaves out.
        Method::Replace => {
            let whole = Style { put_keeps: false, ..stated_only };
            server::apply(whole, resource_type, observed, method, body)
        }
        _ => server::apply(stated_only, resource_type, observed, method, body),
    };
    let Ok(after) = after else { return Holds::Unclear };
    if server::shown(resource_type, &after) != server::shown(resource_type, observed) {
        return Holds::No;
    }
    let secret = method != Method::Create && states(resource_type, method, body, Kind::Secret);
    if secret { Holds::Secret } else { Holds::Yes }
}

/// S24: in a create unassigned is absent.
fn stated(resource_type: &str, body: &Value) -> Result<Members, Wrong> {
    let mut body = server::tidy(resource_type, body)?;
    body.retain(|_, value| !is_unassigned(value));
    for value in body.values_mut() {
        if let Value::Object(parts) = value {
            parts.retain(|_, value| !is_unassigned(value));
        }
    }
    Ok(body)
}

/// A create adds the edges that it states, and an `add` is satisfied by their presence (S27): what else is stated of one is not compared.
///
/// A target fills in `display` by itself; a retry must not be a conflict for it.
fn present(resource_type: &str, mut body: Members, observed: &Members) -> Members {
    for (name, kind) in facts::attributes(resource_type, None) {
        let (Kind::Edges, Some(Value::Array(items))) = (kind, body.get_mut(name)) else { continue };
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            let held = observed.get(name).and_then(Value::as_array).into_iter().flatten();
            let mut held = held.filter_map(Value::as_object);
            if held.any(|held| server::same_value(name, kind, item, held)) {
                item.retain(|part, _| part == "value" || part == "type" && name != "members");
            }
        }
    }
    body
}

/// S3: letter case of a user name does not count in a create.
fn folded(mut body: Value, observed: &Members) -> Value {
    let fold = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_lowercase);
    let name = fold(body.get("userName"));
    if name.is_some() && name == fold(observed.get("userName")) {
        body["userName"] = observed["userName"].clone();
    }
    body
}

/// Whether a request states an attribute of this kind.
#[must_use]
pub fn states(resource_type: &str, method: Method, body: &Value, wanted: Kind) -> bool {
    match method {
        Method::Patch => server::operations(resource_type, body).is_ok_and(|operations| {
            let of = |operation: &server::Operation| operation.path.attribute.map(|(_, kind)| kind);
            operations.iter().any(|operation| of(operation) == Some(wanted))
        }),
        _ => server::tidy(resource_type, body).is_ok_and(|body| {
            let kind =
                |name: &str| facts::attribute(resource_type, None, name).map(|(_, kind)| kind);
            body.keys().any(|name| kind(name) == Some(wanted))
        }),
    }
}

/// Whether one list states a value twice and differently (S27): at most one of the two reads back, and which is nobody's to say.
#[must_use]
pub fn states_twice(resource_type: &str, method: Method, body: &Value) -> bool {
    let twice = |name: &str, kind: Kind, value: &Value| {
        let items: Vec<&Members> =
            value.as_array().into_iter().flatten().filter_map(Value::as_object).collect();
        items.iter().any(|one| {
            let mut others = items.iter().filter(|other| other != &one);
            others.any(|other| server::same_value(name, kind, one, other))
        })
    };
    if method == Method::Patch {
        let operations = server::operations(resource_type, body).unwrap_or_default();
        return operations.iter().any(|operation| {
            let told = operation.path.attribute.zip(operation.value.as_ref());
            told.is_some_and(|((name, kind), value)| twice(name, kind, value))
        });
    }
    let body = server::tidy(resource_type, body).unwrap_or_default();
    body.iter().any(|(name, value)| {
        let told = facts::attribute(resource_type, None, name);
        told.is_some_and(|(name, kind)| twice(name, kind, value))
    })
}

/// Whether a request takes access away, judged by its form (section 1, `safe way`); none where nobody can say.
#[must_use]
pub fn safe_way(resource_type: &str, method: Method, body: &Value) -> Option<bool> {
    let edges = |name: &str| {
        facts::attribute(resource_type, None, name).is_some_and(|(_, kind)| kind == Kind::Edges)
    };
    match method {
        Method::Delete => Some(true),
        Method::Create => Some(false),
        Method::Replace => {
            let body = server::tidy(resource_type, body).ok()?;
            let off = body.get("active") == Some(&json!(false));
            Some(off || body.keys().any(|name| edges(name)))
        }
        Method::Patch => {
            let mut safe = false;
            for operation in server::operations(resource_type, body).ok()? {
                let Some((name, kind)) = operation.path.attribute else { continue };
                if kind == Kind::Edges && operation.op != "add" {
                    if operation.path.part.is_some() {
                        return None;
                    }
                    safe = true;
                }
                let off = operation.value == Some(json!(false));
                safe |= name == "active" && off && operation.op != "remove";
            }
            Some(safe)
        }
    }
}

/// Whether two requests on one resource differ only in what S3 says does not count: then they have one fingerprint.
#[must_use]
pub fn has_one_form(resource_type: &str, method: Method, left: &Value, right: &Value) -> bool {
    let (left, right) = (form(resource_type, method, left), form(resource_type, method, right));
    left.is_some() && left == right
}

/// Whether two requests on one resource differ in meaning: then they have two fingerprints.
///
/// They do where one of `samples`, resources that may be there, ends as another. Where they are written differently and none shows it, the rules do not say.
#[must_use]
pub fn shows_difference(
    resource_type: &str,
    method: Method,
    left: &Value,
    right: &Value,
    samples: &[Members],
) -> bool {
    let is_readable = |body: &Value| form(resource_type, method, body).is_some();
    if !is_readable(left) || !is_readable(right) {
        return false;
    }
    if secrets(resource_type, method, left) != secrets(resource_type, method, right)
        && method != Method::Create
    {
        return true;
    }
    let shown = |body: &Value, sample: &Members| {
        let after = match method {
            Method::Patch => {
                let mut operations = server::operations(resource_type, body).ok()?;
                operations.iter_mut().for_each(bare_edges);
                server::apply_all(Style::STATED, sample, &operations)
            }
            _ => server::apply(Style::STATED, resource_type, sample, method, body),
        };
        let after = after.ok()?;
        let mut shown = server::shown(resource_type, &after);
        fold_user_name(&mut shown);
        Some(shown)
    };
    let shows = |sample: &Members| {
        let (left, right) = (shown(left, sample), shown(right, sample));
        left.is_some() && right.is_some() && left != right
    };
    samples.iter().any(shows)
}

/// S27: an edge that is added is known by what identifies it; nothing else about it counts.
fn bare_edges(operation: &mut server::Operation) {
    let Some((name, Kind::Edges)) = operation.path.attribute else { return };
    if operation.op != "add" || operation.path.part.is_some() || operation.path.filter.is_some() {
        return;
    }
    for item in operation.value.iter_mut().filter_map(Value::as_array_mut).flatten() {
        if let Value::Object(parts) = item {
            parts.retain(|part, _| part == "value" || part == "type" && name != "members");
        }
    }
}

fn fold_user_name(resource: &mut Value) {
    if let Some(Value::String(name)) = resource.get_mut("userName") {
        *name = name.to_lowercase();
    }
}

fn secrets(resource_type: &str, method: Method, body: &Value) -> Vec<String> {
    match method {
        Method::Patch => {
            let all = server::operations(resource_type, body).unwrap_or_default();
            let is_secret = |operation: &&server::Operation| {
                operation.path.attribute.is_some_and(|(_, kind)| kind == Kind::Secret)
            };
            all.iter().filter(is_secret).map(|operation| format!("{:?}", operation.value)).collect()
        }
        _ => member(body, "password").map(Value::to_string).into_iter().collect(),
    }
}

/// The canonical form of S3, as its text says it; none where the request cannot be understood.
fn form(resource_type: &str, method: Method, body: &Value) -> Option<Value> {
    let sorted = |mut value: Value| {
        // S3: letter case is folded in the name of a create; updates are compared exactly.
        if method == Method::Create {
            fold_user_name(&mut value);
        }
        if let Value::Object(members) = &mut value {
            for value in members.values_mut() {
                sort(value);
            }
        }
        value
    };
    match method {
        Method::Create => {
            let mut body = stated(resource_type, body).ok()?;
            for name in ["id", "meta", "groups", "password"] {
                body.remove(name);
            }
            Some(sorted(Value::Object(body)))
        }
        Method::Replace => {
            let mut body = server::tidy(resource_type, body).ok()?;
            body.remove("meta");
            body.remove("groups");
            Some(sorted(Value::Object(body)))
        }
        Method::Patch => {
            let operations = server::operations(resource_type, body).ok()?;
            let written = |operation: server::Operation| {
                let path = &operation.path;
                let mut value = operation.value.unwrap_or(json!({ "absent": true }));
                sort(&mut value);
                let attribute = path.attribute.map(|(name, _)| name);
                let at = format!("{:?} {attribute:?} {:?} {:?}", path.urn, path.filter, path.part);
                json!([operation.op, at, value])
            };
            // Whether paths stand outside or inside the value is told apart here: S3 does not say that they are one.
            let list = member(body, "Operations")?.as_array()?;
            let without = list.iter().map(|one| json!(member(one, "path").is_none()));
            Some(json!([
                without.collect::<Vec<_>>(),
                operations.into_iter().map(written).collect::<Vec<_>>()
            ]))
        }
        Method::Delete => Some(Value::Null),
    }
}

/// Set values in one order; what is there twice, once.
fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort);
            items.sort_by_key(Value::to_string);
            items.dedup();
        }
        Value::Object(parts) => parts.values_mut().for_each(sort),
        _ => {}
    }
}

/// A resource with the target's own parts, for a 200.
#[must_use]
pub fn as_resource(resource_type: &str, id: &str, members: &Members) -> Map<String, Value> {
    let mut resource = members.clone();
    let urn = if resource_type == "Group" { facts::GROUP } else { facts::USER };
    let mut schemas = vec![urn];
    if members.contains_key(ENTERPRISE) {
        schemas.push(ENTERPRISE);
    }
    resource.insert("schemas".into(), json!(schemas));
    resource.insert("id".into(), json!(id));
    resource.insert(
        "meta".into(),
        json!({ "resourceType": resource_type, "location": format!("https://x/{resource_type}s/{id}") }),
    );
    resource
}
