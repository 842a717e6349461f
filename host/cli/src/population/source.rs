//! What a service shows, as what should be elsewhere.
//!
//! A resource is known to the target by who provisions it (RFC 7643 section 3.1): by its `id` at the source, which becomes
//! its `externalId`. Members and managers, which the source names by its ids, are named by that too.

use replaysafe_json::{Limits, Value, parse};

use super::Resources;

/// The same resources, as the target is to know them.
pub(crate) fn desired(resources: Resources) -> Resources {
    let of = |(kind, documents): (String, Vec<String>)| {
        (kind, documents.into_iter().map(|document| renamed(&document)).collect())
    };
    resources.into_iter().map(of).collect()
}

/// A resource under its external id; what is none stays as it is, and is told as such by the planner.
fn renamed(document: &str) -> String {
    let Ok(mut resource) = parse(document.as_bytes(), &Limits::answer()) else {
        return document.to_owned();
    };
    refer(&mut resource);
    if let Some(members) = resource.as_object_mut() {
        let id = members.iter().find(|(name, _)| name.eq_ignore_ascii_case("id"));
        let id = id.map(|(_, id)| id.clone());
        // What is the source's own: its id, its metadata, its word for itself elsewhere.
        for own in ["id", "meta", "externalId"] {
            let spelled = members.names().find(|name| name.eq_ignore_ascii_case(own));
            if let Some(spelled) = spelled.map(str::to_owned) {
                members.remove(&spelled);
            }
        }
        if let Some(id) = id {
            members.insert("externalId", id);
        }
    }
    resource.to_string()
}

/// Puts `externalId:` before the ids of members and managers, wherever these stand, and leaves out where they are at the
/// source.
fn refer(value: &mut Value) {
    let Some(object) = value.as_object_mut() else { return };
    for (name, value) in object.iter_mut() {
        if ["members", "manager"].iter().any(|one| name.eq_ignore_ascii_case(one)) {
            edges(value);
        } else if name.contains(':') {
            refer(value);
        }
    }
}

fn edges(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(edges),
        Value::Object(edge) => {
            edge.remove("$ref");
            if let Some(id) = edge.find_mut("value") {
                edges(id);
            }
        }
        Value::String(id) => *value = Value::from(format!("externalId:{id}")),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_shows_is_known_by_its_id_there() {
        let check = |shown: &str, expected: &str| assert_eq!(renamed(shown), expected);
        check(
            r#"{"schemas":["u"],"id":"7","externalId":"hr-1","userName":"ann","meta":{"version":"1"}}"#,
            r#"{"externalId":"7","schemas":["u"],"userName":"ann"}"#,
        );
        check(
            r#"{"id":"g","displayName":"G","members":[{"value":"7","$ref":"https://a/Users/7","type":"User"},"8"]}"#,
            r#"{"displayName":"G","externalId":"g","members":[{"type":"User","value":"externalId:7"},"externalId:8"]}"#,
        );
        check(
            r#"{"Id":"7","urn:x:2.0:User":{"manager":{"value":"9","displayName":"B"},"department":"d"}}"#,
            r#"{"externalId":"7","urn:x:2.0:User":{"department":"d","manager":{"displayName":"B","value":"externalId:9"}}}"#,
        );
        check(r#"{"userName":"ann"}"#, r#"{"userName":"ann"}"#);
        check("no JSON", "no JSON");
    }
}
