//! Files of resources: NDJSON, a JSON list, a SCIM `ListResponse`, or a table.
//!
//! Here it is told apart where a resource begins and of which type it is; what it means is the component's.

pub(crate) mod source;
mod table;

use std::{collections::BTreeMap, path::Path};

use replaysafe_json::{Limits, Value, parse};

use crate::exit::{self, Because};

/// Resources by the name of their type, as documents.
pub(crate) type Resources = BTreeMap<String, Vec<String>>;

/// Reads the resources of a file. `otherwise`: the type of a resource that does not say which it is.
///
/// # Errors
///
/// What cannot be read, with its line or place, and what to do.
pub(crate) fn read(name: &Path, text: &str, otherwise: Option<&str>) -> Result<Resources, Because> {
    let mut resources = Resources::new();
    let is_table = name.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    let name = name.display();
    if is_table {
        let rows = table::read(text).map_err(|what| exit::usage(format!("{name}: {what}")))?;
        for (line, row) in rows {
            let place = format!("{name}: line {line}");
            let text = row.to_string();
            let document = parse(text.as_bytes(), &Limits::group())
                .map_err(|error| exit::usage(format!("{place}: {error}")))?;
            put(&mut resources, &document, &text, otherwise, &place)?;
        }
        return Ok(resources);
    }
    if let Some(documents) = listed(text).map_err(|what| exit::usage(format!("{name}: {what}")))? {
        for (position, document) in (1..).zip(&documents) {
            let place = format!("{name}: resource {position}");
            let text = document.to_string();
            parse(text.as_bytes(), &Limits::group())
                .map_err(|error| exit::usage(format!("{place}: {error}")))?;
            put(&mut resources, document, &text, otherwise, &place)?;
        }
        return Ok(resources);
    }
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let place = format!("{name}: line {number}");
        let document = parse(line.as_bytes(), &Limits::group())
            .map_err(|error| exit::usage(format!("{place}: no JSON: {error}")))?;
        put(&mut resources, &document, line, otherwise, &place)?;
    }
    Ok(resources)
}

/// The resources of a file that is one JSON value; none where each line is one.
fn listed(text: &str) -> Result<Option<Vec<Value>>, String> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let Some(first) = lines.next() else { return Ok(Some(Vec::new())) };
    let is_alone = lines.next().is_none();
    let whole = |line: &str| parse(line.as_bytes(), &Limits::group()).ok();
    match whole(first) {
        // The first line is a whole object, and others follow.
        Some(Value::Object(_)) if !is_alone => return Ok(None),
        _ => {}
    }
    // As many as a file may have: the limits of a text are those of one message.
    let limits = Limits { bytes: usize::MAX, items: RESOURCES_MOST, ..Limits::group() };
    let value = parse(text.as_bytes(), &limits).map_err(|error| format!("no JSON: {error}"))?;
    match value {
        Value::Array(items) => Ok(Some(items)),
        Value::Object(_) if is_list(&value) => whole_list(&value).map(Some),
        Value::Object(_) => Ok(Some(vec![value])),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err("neither a resource nor a list of them".to_owned())
        }
    }
}

/// A `ListResponse` (RFC 7644 section 3.4.2).
fn is_list(value: &Value) -> bool {
    value.find("Resources").is_some() || value.find("totalResults").is_some()
}

/// The resources of a `ListResponse`, if it has all of them.
fn whole_list(value: &Value) -> Result<Vec<Value>, String> {
    let items = match value.find("Resources") {
        Some(Value::Array(items)) => items.as_slice(),
        Some(Value::Null) | None => &[],
        Some(_) => return Err("`Resources` is no list".to_owned()),
    };
    let total = match value.find("totalResults") {
        Some(total) => total
            .as_number()
            .and_then(replaysafe_json::Number::as_u64)
            .ok_or_else(|| "`totalResults` is no number".to_owned())?,
        None => u64::try_from(items.len()).unwrap_or(u64::MAX),
    };
    let more = value.find("nextCursor").is_some_and(|cursor| !cursor.is_null());
    if more || usize::try_from(total) != Ok(items.len()) {
        return Err(format!(
            "a page of {} of {total} resources; a plan needs all of them, in one file",
            items.len()
        ));
    }
    Ok(items.to_vec())
}

fn put(
    resources: &mut Resources,
    document: &Value,
    text: &str,
    otherwise: Option<&str>,
    place: &str,
) -> Result<(), Because> {
    if document.as_object().is_none() {
        return Err(exit::usage(format!("{place}: no resource: it is no JSON object")));
    }
    let schemas = document.find("schemas").and_then(Value::as_array).unwrap_or_default();
    let message = schemas.iter().filter_map(Value::as_str).any(|urn| {
        let start = urn.get(..MESSAGES.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(MESSAGES))
    });
    if message || is_list(document) {
        return Err(exit::usage(format!(
            "{place}: no resource, but a message about some (a list, an error, a PatchOp)"
        )));
    }
    let kind = kind(document).or(otherwise).filter(|kind| !kind.is_empty()).ok_or_else(|| {
        exit::usage(format!(
            "{place}: of which type is it? It has neither `meta.resourceType` nor a core schema in `schemas`; name the type with `--resource-type`"
        ))
    })?;
    // One type in whatever letter case.
    let known = resources.keys().map(String::as_str).chain(["User", "Group"]);
    let kind = known.into_iter().find(|known| known.eq_ignore_ascii_case(kind)).unwrap_or(kind);
    resources.entry(kind.to_owned()).or_default().push(text.to_owned());
    Ok(())
}

/// The type that a resource says it is of: `meta.resourceType` (RFC 7643 section 3.1), else the last part of its core schema's URN.
fn kind(document: &Value) -> Option<&str> {
    let told = document.find("meta").and_then(|meta| meta.find("resourceType"));
    let schemas = document.find("schemas").and_then(Value::as_array).unwrap_or_default();
    let core = schemas.iter().filter_map(Value::as_str).find_map(|urn| {
        let (before, name) = urn.rsplit_once(':')?;
        before.contains(":core:").then_some(name)
    });
    told.and_then(Value::as_str).or(core)
}

/// What begins the URN of a message (RFC 7644 section 3).
const MESSAGES: &str = "urn:ietf:params:scim:api:messages:";

/// 2,000,000 resources of one JSON list: twice the largest population that is aimed at.
pub(crate) const RESOURCES_MOST: usize = 2_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: &str =
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann"}"#;
    const G: &str = r#"{"meta":{"resourceType":"Group"},"displayName":"g"}"#;

    #[test]
    fn each_way_of_writing_resources_is_read() {
        let list = |of: &str| format!("{{\"totalResults\":2,\n\"Resources\":[{of}]}}");
        for text in [
            format!("{ANN}\n\n{G}\n"),
            format!("[{ANN},\n{G}]"),
            format!("[{ANN},{G}]"),
            list(&format!("{ANN},{G}")),
        ] {
            let resources = read(Path::new("f"), &text, None).unwrap();
            let counts: Vec<_> =
                resources.iter().map(|(kind, of)| (kind.as_str(), of.len())).collect();
            assert_eq!(counts, [("Group", 1), ("User", 1)], "{text}");
        }
        assert_eq!(read(Path::new("f"), ANN, None).unwrap()["User"], [ANN]);
        assert_eq!(read(Path::new("f"), r#"{"userName":"a"}"#, Some("User")).unwrap().len(), 1);
        assert!(read(Path::new("f"), " \n", None).unwrap().is_empty());
        assert!(read(Path::new("f"), "[]", None).unwrap().is_empty());
        assert!(read(Path::new("f"), "{\"totalResults\":0}", None).unwrap().is_empty());
        let lower = r#"{"meta":{"resourceType":"user"}}"#;
        assert_eq!(
            read(Path::new("f"), &format!("{lower}\n{ANN}"), None).unwrap()["User"].len(),
            2
        );
    }

    /// Each row may say of which type it is.
    #[test]
    fn a_table_is_read_by_the_end_of_its_name() {
        let text = "meta.resourceType,userName,displayName,members[]\nuser,ann,,\nGroup,,G,externalId:1;externalId:2\n";
        let resources = read(Path::new("hr.CSV"), text, None).unwrap();
        assert_eq!(resources["User"], [r#"{"meta":{"resourceType":"user"},"userName":"ann"}"#]);
        let group = r#"{"displayName":"G","members":[{"value":"externalId:1"},{"value":"externalId:2"}],"meta":{"resourceType":"Group"}}"#;
        assert_eq!(resources["Group"], [group]);
        assert_eq!(
            read(Path::new("hr.csv"), "userName\nann\n", Some("User")).unwrap()["User"].len(),
            1
        );
        let refusal = |text: &str| read(Path::new("hr.csv"), text, None).unwrap_err().to_string();
        assert!(refusal("userName\nann\n").starts_with("hr.csv: line 2: of which type is it?"));
        assert!(refusal("a b\n").starts_with("hr.csv: line 1: `a b` names no attribute"));
        assert!(refusal("a,b\n1\n").starts_with("hr.csv: line 2: it has 1 cells"));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        check(&format!("{ANN}\n{{\"a\":1"), "f: line 2: no JSON: ");
        check(&format!("{ANN}\n7"), "f: line 2: no resource: it is no JSON object");
        check("{\"userName\":\"a\"}", "f: resource 1: of which type is it?");
        check("[7]", "f: resource 1: no resource");
        check("7", "f: neither a resource nor a list of them");
        let message =
            |of: &str| format!("{{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:{of}\"]}}");
        check(&message("Error"), "f: resource 1: no resource, but a message");
        check(
            &format!("{ANN}\n{{\"totalResults\":1,\"Resources\":[]}}"),
            "f: line 2: no resource, but a",
        );
        check("{\"totalResults\":7}", "f: a page of 0 of 7 resources");
        check("{\"totalResults\":\"7\",\"Resources\":[]}", "f: `totalResults` is no number");
        check(
            &format!("{{\"totalResults\":1,\"nextCursor\":\"x\",\"Resources\":[{ANN}]}}"),
            "f: a page of 1 of 1",
        );
        check(r#"{"meta":{"resourceType":""}}"#, "f: resource 1: of which type is it?");
        let many = vec!["0"; Limits::ITEMS + 1].join(",");
        check(&format!("[{{\"schemas\":[{many}]}}]"), "f: resource 1: ");
        check("{\"Resources\":7}", "f: `Resources` is no list");
        check(
            &format!("{{\"totalResults\":5,\"Resources\":[{ANN}]}}"),
            "f: a page of 1 of 5 resources; ",
        );
        check("[1,", "f: no JSON: ");
    }

    fn check(text: &str, expected: &str) {
        let refusal = read(Path::new("f"), text, None).unwrap_err().to_string();
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}
