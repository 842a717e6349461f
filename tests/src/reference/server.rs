//! A naive SCIM server: what does a resource look like after a request?
//!
//! RFC 7644 §3.3, §3.5.1 and §3.5.2, with values known as S27 says and clients' spellings read as S24 says.
//! It validates nothing.

use replaysafe_core::types::Method;
use serde_json::{Map, Value, json};

use super::{
    facts::{self, ENTERPRISE, Kind},
    path::{self, Filter, Path},
};

/// What a resource is made of.
pub type Members = Map<String, Value>;

/// Where RFC 7644 leaves a choice, what this server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// A PUT leaves alone what it does not state (RFC 7644 §3.5.1 lets the server choose).
    pub put_keeps: bool,
    /// An `add` of a known value and type with other parts appends, where it could merge.
    pub stacks: bool,
    /// A filter that finds nothing makes a value of what it asks for, where the server could refuse.
    pub makes: bool,
    /// Of a value that is replaced nothing is left but what is stated (RFC 7644 §3.5.1, §3.5.2.3), where the server could change what is stated only.
    pub whole: bool,
}

impl Style {
    /// Compares what is stated, and nothing else (S26, S27).
    pub const STATED: Self = Self { put_keeps: true, stacks: false, makes: false, whole: false };

    /// Servers that read RFC 7644 differently.
    pub const ALL: [Self; 3] = [
        Self::STATED,
        Self { stacks: true, makes: true, ..Self::STATED },
        Self { put_keeps: false, stacks: true, ..Self::STATED },
    ];

    /// To the letter of RFC 7644: what a request states is there afterwards, and may be all that is.
    pub const LETTER: Self = Self { put_keeps: false, whole: true, ..Self::STATED };
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// RFC 7644 and the rules do not say what this means: it is the target's affair (S25, `opaque`).
    Unclear,
    /// The filter finds nothing: 400 `noTarget` (RFC 7644 §3.5.2.3).
    NoTarget,
}

/// One operation of a PATCH, with what it says spelled out.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// `add`, `remove` or `replace`.
    pub op: String,
    /// Where.
    pub path: Path,
    /// What.
    pub value: Option<Value>,
}

/// The resource after a request.
///
/// # Errors
///
/// Where the server would refuse, or nobody can say.
pub fn apply(
    style: Style,
    resource_type: &str,
    before: &Members,
    method: Method,
    body: &Value,
) -> Result<Members, Wrong> {
    let mut after = before.clone();
    match method {
        Method::Create => {
            after = Members::new();
            put(
                Style { put_keeps: false, ..Style::STATED },
                resource_type,
                &mut after,
                &tidy(resource_type, body)?,
            )?;
        }
        Method::Replace => put(style, resource_type, &mut after, &tidy(resource_type, body)?)?,
        Method::Patch => after = apply_all(style, before, &operations(resource_type, body)?)?,
        Method::Delete => after.clear(),
    }
    Ok(after)
}

/// The resource after these operations, in order.
///
/// # Errors
///
/// Where the server would refuse, or nobody can say.
pub fn apply_all(
    style: Style,
    before: &Members,
    operations: &[Operation],
) -> Result<Members, Wrong> {
    let mut after = before.clone();
    for operation in operations {
        patch(style, before, &mut after, operation)?;
    }
    Ok(after)
}

/// The operations of a PATCH that are understood, applied one by one, and those that are not, as they stand.
///
/// # Errors
///
/// Where there are no operations.
pub fn sift(
    style: Style,
    resource_type: &str,
    before: &Members,
    body: &Value,
) -> Result<(Members, Vec<Value>), Wrong> {
    let list = member(body, "Operations").and_then(Value::as_array).ok_or(Wrong::Unclear)?;
    let mut after = before.clone();
    let mut unclear = Vec::new();
    for operation in list {
        let one = json!({ "Operations": [operation] });
        match apply(style, resource_type, &after, Method::Patch, &one) {
            Ok(next) => after = next,
            Err(_) => unclear.push(operation.clone()),
        }
    }
    Ok((after, unclear))
}

fn put(
    style: Style,
    resource_type: &str,
    resource: &mut Members,
    body: &Members,
) -> Result<(), Wrong> {
    if !style.put_keeps {
        // S26: it is authoritative over what it leaves out, members and roles like all others.
        let kept = |name: &str| ["id", "meta", "groups"].contains(&name);
        resource.retain(|name, _| kept(name) || body.contains_key(name));
    }
    for (name, value) in body {
        if name == ENTERPRISE {
            let mut inner = match style.put_keeps {
                true => part_of(resource, Some(ENTERPRISE)),
                false => Members::new(),
            };
            for (name, value) in value.as_object().into_iter().flatten() {
                let attribute = facts::attribute(resource_type, Some(ENTERPRISE), name);
                let attribute = attribute.ok_or(Wrong::Unclear)?;
                let there = inner.clone();
                set(style, &there, &mut inner, attribute, value, true);
            }
            put_part(resource, Some(ENTERPRISE), inner);
            continue;
        }
        let attribute = facts::attribute(resource_type, None, name).ok_or(Wrong::Unclear)?;
        // S24: what is stated as empty is unassigned afterwards. A part that is stated as null says nothing of the others (S27).
        let parts = value.as_object().map_or(0, Members::len);
        if is_unassigned(value) && parts == 0 && attribute.1 == Kind::Complex {
            resource.remove(attribute.0);
        }
        if style.whole && attribute.1 == Kind::Complex {
            resource.remove(attribute.0);
        }
        let there = resource.clone();
        set(style, &there, resource, attribute, value, true);
    }
    Ok(())
}

/// A body with names as RFC 7643 spells them and clients' spellings read (S24); null and empty stay.
///
/// # Errors
///
/// Where a name is known to no schema.
pub fn tidy(resource_type: &str, body: &Value) -> Result<Members, Wrong> {
    let mut tidied = Members::new();
    for (path, value) in keys(resource_type, body)? {
        let value = spelled(&path, value);
        let Some((name, _)) = path.attribute else { continue };
        let place = match path.urn {
            Some(urn) => object(tidied.entry(urn).or_insert_with(|| json!({}))),
            None => &mut tidied,
        };
        match path.part {
            Some(part) => {
                object(place.entry(name).or_insert_with(|| json!({}))).insert(part, value);
            }
            None => {
                place.insert(name.into(), value);
            }
        }
    }
    Ok(tidied)
}

fn object(value: &mut Value) -> &mut Members {
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("made an object")
}

/// Each member of an object as a path with its value: dotted names and URNs too (peers' quirk 7).
fn keys(resource_type: &str, body: &Value) -> Result<Vec<(Path, Value)>, Wrong> {
    let mut found = Vec::new();
    for (key, value) in body.as_object().ok_or(Wrong::Unclear)? {
        let path = path::read(resource_type, key);
        if let Some(Path { urn: Some(urn), attribute: None, .. }) = path {
            // An extension is a name space: an empty one states nothing.
            for (name, value) in value.as_object().ok_or(Wrong::Unclear)? {
                let path = path::read(resource_type, &format!("{urn}:{name}"));
                found.push((path.ok_or(Wrong::Unclear)?, value.clone()));
            }
            continue;
        }
        match path {
            Some(path) if path.filter.is_none() => found.push((path, value.clone())),
            _ => return Err(Wrong::Unclear),
        }
    }
    Ok(found)
}

/// A value as the schema would have it: booleans as text (quirk 4), one value for a list (quirk 22).
fn spelled(path: &Path, value: Value) -> Value {
    let Some((_, kind)) = path.attribute else { return value };
    if let Some(part) = &path.part {
        return part_spelled(part, value);
    }
    match kind {
        Kind::Boolean => boolean(value),
        Kind::Complex => parts_spelled(value),
        Kind::List | Kind::Edges if path.filter.is_some() => parts_spelled(value),
        Kind::List | Kind::Edges => match value {
            Value::Object(_) => json!([parts_spelled(value)]),
            Value::Array(items) => items.into_iter().map(parts_spelled).collect(),
            other => other,
        },
        Kind::Simple | Kind::ReadOnly | Kind::Secret | Kind::Schemas => value,
    }
}

fn parts_spelled(value: Value) -> Value {
    let Value::Object(parts) = value else { return value };
    let spell = |(name, value): (String, Value)| {
        let name = facts::part(&name);
        let value = part_spelled(&name, value);
        (name, value)
    };
    Value::Object(parts.into_iter().map(spell).collect())
}

fn part_spelled(name: &str, value: Value) -> Value {
    if name.eq_ignore_ascii_case("primary") { boolean(value) } else { value }
}

fn boolean(value: Value) -> Value {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("true") => json!(true),
        Some("false") => json!(false),
        _ => value,
    }
}

/// The operations of a PATCH, those without a path spelled out one by one.
///
/// # Errors
///
/// Where one cannot be understood.
pub fn operations(resource_type: &str, body: &Value) -> Result<Vec<Operation>, Wrong> {
    let list = member(body, "Operations").and_then(Value::as_array).ok_or(Wrong::Unclear)?;
    let mut found = Vec::new();
    for operation in list {
        let op = member(operation, "op").and_then(Value::as_str).ok_or(Wrong::Unclear)?;
        let op = op.to_ascii_lowercase();
        // It removes nothing, or all: servers differ (quirk 5).
        let lists_nothing = member(operation, "value").is_some_and(|value| *value == json!([]));
        if op == "remove" && lists_nothing {
            return Err(Wrong::Unclear);
        }
        if !["add", "remove", "replace"].contains(&op.as_str()) {
            return Err(Wrong::Unclear);
        }
        let value = member(operation, "value").cloned();
        match member(operation, "path").filter(|path| !path.is_null()) {
            Some(path) => {
                let path = path.as_str().and_then(|path| path::read(resource_type, path));
                let path = path.ok_or(Wrong::Unclear)?;
                if let Path { urn: Some(urn), attribute: None, .. } = path {
                    if op == "remove" {
                        found.push(Operation { op, path, value: None });
                        continue;
                    }
                    let whole = json!({ urn: value.ok_or(Wrong::Unclear)? });
                    for (path, value) in keys(resource_type, &whole)? {
                        let value = Some(spelled(&path, value));
                        found.push(Operation { op: op.clone(), path, value });
                    }
                    continue;
                }
                let value = value.map(|value| spelled(&path, value));
                found.push(Operation { op, path, value });
            }
            None if op == "remove" => return Err(Wrong::Unclear),
            None => {
                for (path, value) in keys(resource_type, &value.ok_or(Wrong::Unclear)?)? {
                    let value = Some(spelled(&path, value));
                    found.push(Operation { op: op.clone(), path, value });
                }
            }
        }
    }
    // S25: an extension that goes as a whole while parts of it are set is the target's affair.
    let of_one = |urn| 1 < found.iter().filter(|other| other.path.urn == Some(urn)).count();
    let whole =
        |operation: &&Operation| operation.op == "remove" && operation.path.attribute.is_none();
    if found.iter().filter(whole).filter_map(|operation| operation.path.urn).any(of_one) {
        return Err(Wrong::Unclear);
    }
    Ok(found)
}

/// A member whose name is spelled in any letter case (RFC 7643 §2.1).
#[must_use]
pub fn member<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let mut members = object.as_object()?.iter();
    members.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn part_of(resource: &Members, urn: Option<&str>) -> Members {
    match urn {
        None => resource.clone(),
        Some(urn) => resource.get(urn).and_then(Value::as_object).cloned().unwrap_or_default(),
    }
}

fn put_part(resource: &mut Members, urn: Option<&str>, part: Members) {
    match urn {
        None => *resource = part,
        Some(urn) if part.is_empty() => {
            resource.remove(urn);
        }
        Some(urn) => {
            resource.insert(urn.into(), Value::Object(part));
        }
    }
}

fn patch(
    style: Style,
    first: &Members,
    resource: &mut Members,
    operation: &Operation,
) -> Result<(), Wrong> {
    let path = &operation.path;
    let Some(attribute) = path.attribute else {
        if let Some(urn) = path.urn
            && operation.op == "remove"
        {
            resource.remove(urn);
        }
        return Ok(());
    };
    if matches!(attribute.1, Kind::ReadOnly | Kind::Secret | Kind::Schemas) {
        return Ok(());
    }
    let mut part = part_of(resource, path.urn);
    if operation.op == "remove" {
        remove(&mut part, attribute, path, operation.value.as_ref())?;
    } else {
        let value = operation.value.clone().ok_or(Wrong::Unclear)?;
        let first = part_of(first, path.urn);
        write(style, &first, &mut part, attribute, path, &value, operation.op == "replace")?;
    }
    put_part(resource, path.urn, part);
    Ok(())
}

/// `add` and `replace`, RFC 7644 §3.5.2.1 and §3.5.2.3.
fn write(
    style: Style,
    first: &Members,
    resource: &mut Members,
    attribute: (&'static str, Kind),
    path: &Path,
    value: &Value,
    replaces: bool,
) -> Result<(), Wrong> {
    let (name, kind) = attribute;
    let is_list = matches!(kind, Kind::List | Kind::Edges);
    match (&path.filter, &path.part) {
        (None, None) => set(style, first, resource, attribute, value, replaces),
        (None, Some(part)) if kind == Kind::Complex => {
            let mut whole = part_of(resource, Some(name));
            assign(&mut whole, part, value);
            put_part(resource, Some(name), whole);
        }
        (Some(filter), part) if is_list => {
            let mut items = list(resource, name);
            let mut taken: Vec<usize> = (0..items.len())
                .filter(|at| items.get(*at).is_some_and(|item| filter.takes(item, is_exact(kind))))
                .collect();
            let stated: Members = match part {
                Some(part) => [(part.clone(), value.clone())].into_iter().collect(),
                None => value.as_object().cloned().ok_or(Wrong::Unclear)?,
            };
            // RFC 7643 §2.4: `primary` is true of one value. Of several nobody can say of which.
            if 1 < taken.len() && stated.get("primary") == Some(&json!(true)) {
                return Err(Wrong::Unclear);
            }
            if taken.is_empty() && is_done(name, kind, filter, &stated, &items) {
                return Ok(());
            }
            if taken.is_empty() {
                let Some(made) = wanted(filter).filter(|_| style.makes) else {
                    // RFC 7644 says what a `replace` does: it fails. Of an `add` it says nothing.
                    return Err(if replaces { Wrong::NoTarget } else { Wrong::Unclear });
                };
                taken.push(items.len());
                items.push(made);
            }
            for at in &taken {
                let Some(item) = items.get_mut(*at) else { continue };
                if style.whole && replaces && part.is_none() {
                    item.clear();
                }
                for (name, value) in &stated {
                    assign(item, name, value);
                }
            }
            if stated.get("primary") == Some(&json!(true)) {
                only_primary(&mut items, &taken);
            }
            store(resource, name, items);
        }
        _ => return Err(Wrong::Unclear),
    }
    Ok(())
}

/// Whether a filter finds nothing because the operation was carried out before: what it would make is there (S25: no difference, no write).
///
/// `replace emails[value eq "old"]` with a new value finds nothing when it is repeated. Of an edge this is said only where the filter names it (S27).
fn is_done(name: &str, kind: Kind, filter: &Filter, stated: &Members, items: &[Members]) -> bool {
    let Some(mut made) = wanted(filter) else { return false };
    if kind == Kind::Edges && !made.contains_key("value") {
        return false;
    }
    made.extend(stated.clone());
    let made = assigned(&made);
    let is_there = |item: &Members| is_in(&made, item) && same_value(name, kind, &made, item);
    !made.is_empty() && items.iter().any(is_there)
}

/// The value that a filter of equalities asks for.
fn wanted(filter: &Filter) -> Option<Members> {
    match filter {
        Filter::And(left, right) => {
            let mut both = wanted(left)?;
            both.extend(wanted(right)?);
            Some(both)
        }
        Filter::Compare(name, operator, value) if operator == "eq" => {
            Some([(name.clone(), value.clone())].into_iter().collect())
        }
        Filter::Or(..) | Filter::Not(..) | Filter::Present(_) | Filter::Compare(..) => None,
    }
}

fn is_exact(kind: Kind) -> bool {
    kind == Kind::Edges
}

/// `remove`, RFC 7644 §3.5.2.2; with a value it removes the values listed (quirk 5).
fn remove(
    resource: &mut Members,
    (name, kind): (&'static str, Kind),
    path: &Path,
    value: Option<&Value>,
) -> Result<(), Wrong> {
    let is_list = matches!(kind, Kind::List | Kind::Edges);
    let value = value.filter(|value| !value.is_null());
    match (&path.filter, &path.part, value) {
        (None, None, None) => {
            resource.remove(name);
        }
        // RFC 7644 §3.5.2.2 knows no value here; clients mean the values that they list (quirk 5).
        (None, None, Some(listed)) if is_list => {
            let gone: Vec<Members> =
                listed.as_array().into_iter().flatten().filter_map(as_object).collect();
            if gone.is_empty() {
                return Err(Wrong::Unclear);
            }
            let mut items = list(resource, name);
            items.retain(|item| !gone.iter().any(|gone| same_value(name, kind, gone, item)));
            store(resource, name, items);
        }
        (None, Some(part), None) if kind == Kind::Complex => {
            let mut whole = part_of(resource, Some(name));
            whole.remove(part);
            put_part(resource, Some(name), whole);
        }
        (Some(filter), part, None) if is_list => {
            let mut items = list(resource, name);
            match part {
                None => items.retain(|item| !filter.takes(item, is_exact(kind))),
                Some(part) => {
                    for item in &mut items {
                        if filter.takes(item, is_exact(kind)) {
                            item.remove(part);
                        }
                    }
                    items.retain(|item| !item.is_empty());
                }
            }
            store(resource, name, items);
        }
        _ => return Err(Wrong::Unclear),
    }
    Ok(())
}

fn as_object(value: &Value) -> Option<Members> {
    value.as_object().cloned()
}

fn list(resource: &Members, name: &str) -> Vec<Members> {
    resource
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(as_object)
        .collect()
}

fn store(resource: &mut Members, name: &str, items: Vec<Members>) {
    if items.is_empty() {
        resource.remove(name);
    } else {
        resource.insert(name.into(), items.into_iter().map(Value::Object).collect());
    }
}

/// RFC 7643 §2.5: what is null is unassigned.
fn assign(place: &mut Members, name: &str, value: &Value) {
    if is_unassigned(value) {
        place.remove(name);
    } else {
        place.insert(name.into(), value.clone());
    }
}

/// Null, an empty array, a complex value without parts (RFC 7643 §2.5).
#[must_use]
pub fn is_unassigned(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(parts) => parts.values().all(is_unassigned),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Sets a whole attribute.
fn set(
    style: Style,
    first: &Members,
    resource: &mut Members,
    (name, kind): (&'static str, Kind),
    value: &Value,
    replaces: bool,
) {
    match kind {
        Kind::ReadOnly | Kind::Secret | Kind::Schemas => {}
        Kind::Simple | Kind::Boolean => assign(resource, name, value),
        Kind::Complex => match value {
            // RFC 7644 §3.5.2.3: sub-attributes that are not specified are left unchanged.
            Value::Object(parts) => {
                let mut whole = part_of(resource, Some(name));
                for (part, value) in parts {
                    assign(&mut whole, part, value);
                }
                put_part(resource, Some(name), whole);
            }
            other => assign(resource, name, other),
        },
        Kind::List | Kind::Edges => {
            let stated: Vec<Members> = match value {
                Value::Array(items) => items.iter().filter_map(as_object).collect(),
                _ => Vec::new(),
            };
            let before = list(resource, name);
            let after = if replaces {
                replaced(style, name, kind, &stated, &list(first, name))
            } else {
                added(style, name, kind, before, &stated, &list(first, name))
            };
            store(resource, name, after);
        }
    }
}

/// A set of values has no order (S3): what states less is read first, and what is stated twice once.
///
/// What is never compared states nothing: `$ref` (S27), what is unassigned, a `primary` that is false (RFC 7643 §2.4, §2.5).
fn in_order(stated: &[Members]) -> Vec<Members> {
    let mut stated: Vec<Members> =
        stated.iter().filter(|item| !assigned(item).is_empty()).cloned().collect();
    stated.sort_by_key(|item| {
        let states = assigned(item);
        let text = Value::Object(states.clone()).to_string();
        (item.contains_key("type"), states.len(), text, item.len())
    });
    stated.dedup_by(|later, first| assigned(later) == assigned(first));
    stated
}

/// The whole list is stated: what operations before did to it is of no account, and it is measured against `first`, which was observed (S27).
///
/// What agrees in all is the one that is meant, then what agrees in what is stated, then what has the same identity; each once.
fn replaced(
    style: Style,
    name: &str,
    kind: Kind,
    stated: &[Members],
    first: &[Members],
) -> Vec<Members> {
    // What it was does not count where nothing of it is left.
    let first: &[Members] = if style.whole { &[] } else { first };
    let mut free = first.to_vec();
    let mut after: Vec<Members> = Vec::new();
    let mut primary = None;
    let mut left = in_order(stated);
    let same = |left: &Members, right: &Members| same_value(name, kind, left, right);
    let exactly =
        |item: &Members, known: &Members| same(item, known) && assigned(item) == assigned(known);
    let partly = |item: &Members, known: &Members| same(item, known) && is_in(item, known);
    for fits in [&exactly as &dyn Fn(&Members, &Members) -> bool, &partly] {
        left.retain(|item| {
            let at = free.iter().position(|known| fits(item, known));
            if let Some(at) = at {
                primary =
                    primary.or((item.get("primary") == Some(&json!(true))).then_some(after.len()));
                after.push(free.remove(at));
            }
            at.is_none()
        });
    }
    for item in left {
        let mut made = match free.iter().position(|known| same(&item, known)) {
            Some(at) => free.remove(at),
            None if after.iter().any(|known| partly(&item, known)) => continue,
            None => {
                let is_one = |known: &Members| {
                    same(&item, known)
                        && (kind == Kind::Edges || item.get("type") == known.get("type"))
                };
                match after.iter().position(is_one) {
                    Some(at) => {
                        merge(&mut after[at], &item);
                        continue;
                    }
                    None => Members::new(),
                }
            }
        };
        merge(&mut made, &item);
        primary = primary.or((item.get("primary") == Some(&json!(true))).then_some(after.len()));
        after.push(made);
    }
    if let Some(at) = primary {
        only_primary(&mut after, &[at]);
    }
    after
}

fn merge(known: &mut Members, stated: &Members) {
    for (part, value) in stated {
        assign(known, part, value);
    }
}

fn added(
    style: Style,
    name: &str,
    kind: Kind,
    mut items: Vec<Members>,
    stated: &[Members],
    first: &[Members],
) -> Vec<Members> {
    let same = |left: &Members, right: &Members| same_value(name, kind, left, right);
    for item in in_order(stated) {
        let exact = items.iter().position(|known| same(&item, known) && is_in(&item, known));
        let known = exact.or_else(|| items.iter().position(|known| same(&item, known)));
        let known = known.filter(|at| {
            // A value with another part is another value to a server that stacks.
            let held =
                items.get(*at).is_some_and(|known| is_in(&item, known) || !first.contains(known));
            kind == Kind::Edges || held || !style.stacks
        });
        let at = match known {
            // S27: presence satisfies.
            Some(_) if kind == Kind::Edges => continue,
            Some(at) => {
                if let Some(known) = items.get_mut(at) {
                    merge(known, &item);
                }
                at
            }
            None => {
                // S27: the net change is compared. An edge that was there first has none, whatever befell it between.
                let was = |old: &&Members| kind == Kind::Edges && same(&item, old);
                items.push(first.iter().find(was).cloned().unwrap_or_else(|| assigned(&item)));
                items.len() - 1
            }
        };
        if item.get("primary") == Some(&json!(true)) {
            only_primary(&mut items, &[at]);
        }
    }
    items
}

/// RFC 7644 §3.5.2: setting `primary` to true makes it false for any other value.
fn only_primary(items: &mut [Members], but: &[usize]) {
    for (at, item) in items.iter_mut().enumerate() {
        if !but.contains(&at) && item.get("primary") == Some(&json!(true)) {
            item.insert("primary".into(), json!(false));
        }
    }
}

/// The parts that have a value. RFC 7643 §2.4: no `primary` is `false`. `$ref` is never compared (S27).
fn assigned(item: &Members) -> Members {
    item.iter()
        .filter(|(name, value)| {
            !is_unassigned(value)
                && *name != "$ref"
                && !(*name == "primary" && **value == json!(false))
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn is_in(stated: &Members, known: &Members) -> bool {
    assigned(stated).iter().all(|(name, value)| known.get(name) == Some(value))
        && (stated.get("primary") != Some(&json!(false))
            || known.get("primary") != Some(&json!(true)))
}

/// S27: what identifies a value of a list: is `right`, which is known, the one that `left` states?
///
/// "Each stated sub-attribute is compared": of a value without type no type is, and of one without `value` only what it states is.
/// To the letter these two would be other values; then a target that fills in `type` or `formatted` would get one more with each repeat (S11, S25).
#[must_use]
pub fn same_value(name: &str, kind: Kind, left: &Members, right: &Members) -> bool {
    let (left_type, right_type) = (left.get("type"), right.get("type"));
    match (left.get("value"), right.get("value")) {
        (Some(left_value), Some(right_value)) => {
            let same_type = match (kind, name) {
                (Kind::Edges, "members" | "groups") => true,
                (Kind::Edges, _) => {
                    left_type.is_none() || right_type.is_none() || left_type == right_type
                }
                _ => left_type.is_none() || left_type == right_type,
            };
            left_value == right_value && same_type
        }
        (None, None) => is_in(left, right),
        _ => false,
    }
}

/// A resource reduced to what is compared: nothing unassigned, lists in one order, each edge once.
#[must_use]
pub fn shown(resource_type: &str, resource: &Members) -> Value {
    let mut reduced = Members::new();
    for (name, value) in resource {
        if name == ENTERPRISE {
            let inner: Members = value
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.clone(), as_shown(value)))
                .filter(|(_, value)| !is_unassigned(value))
                .collect();
            if !inner.is_empty() {
                reduced.insert(name.clone(), Value::Object(inner));
            }
            continue;
        }
        let kind = facts::attribute(resource_type, None, name).map(|(_, kind)| kind);
        let value = match kind {
            Some(Kind::ReadOnly | Kind::Secret | Kind::Schemas) => continue,
            Some(kind @ (Kind::List | Kind::Edges)) => {
                let mut items: Vec<Members> = Vec::new();
                for item in list(resource, name) {
                    let again = |known: &Members| {
                        kind == Kind::Edges && same_value(name, kind, &item, known)
                            || assigned(&item) == assigned(known)
                    };
                    if !items.iter().any(again) {
                        items.push(assigned(&item));
                    }
                }
                items.sort_by_key(|item| Value::Object(item.clone()).to_string());
                items.into_iter().map(Value::Object).collect()
            }
            _ => as_shown(value),
        };
        if !is_unassigned(&value) {
            reduced.insert(name.clone(), value);
        }
    }
    Value::Object(reduced)
}

fn as_shown(value: &Value) -> Value {
    match value {
        Value::Object(parts) => Value::Object(assigned(parts)),
        other => other.clone(),
    }
}
