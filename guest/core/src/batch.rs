//! Batches: `wit/batch.wit` in Rust.
//!
//! Which operation refers to which, in what order can they be carried out, and what tells each from the others?

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec::Vec,
};

use replaysafe_json::{Limits, Object, Value, canonical, parse};

use crate::{
    case::{Ground, method_name, operation},
    form::record,
    frame::frame,
    ordered::{BTreeMap, BTreeSet},
    statement::{Statement, patch_op, patch_operation},
    types::{ContractError, Document, Method, Settings},
};

/// One operation of a batch, as it was stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it does.
    pub method: Method,
    /// The name of the resource type.
    pub resource_type: String,
    /// The target's id, or `bulkId:` and a name; none for a create.
    pub id: Option<String>,
    /// The name that the batch gives to what it makes.
    pub bulk_id: Option<String>,
    /// The body; none for a deletion.
    pub body: Option<Document>,
}

/// One request of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The position of its operation.
    pub operation: u32,
    /// What it does.
    pub method: Method,
    /// The target's id, or `bulkId:` and a name; none for a create.
    pub id: Option<String>,
    /// The body, in which `bulkId:` stands before names.
    pub body: Option<Document>,
    /// Framed text that tells it from the batch's other items.
    pub key_material: String,
    /// The positions of the operations that have to have succeeded before it.
    pub needs: Vec<u32>,
    /// Why it cannot be carried out; empty: it can.
    pub refused: String,
}

/// A resource that has a name in a batch or plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// How it is referred to.
    pub name: String,
    /// The target's id.
    pub id: String,
}

/// See `batch.arrange`.
///
/// # Errors
///
/// Where the settings cannot be read.
pub fn arrange(operations: &[Operation], settings: &Settings) -> Result<Vec<Item>, ContractError> {
    let ground = Ground::read(settings)?;
    let makers = makers(operations);
    let mut equals = BTreeMap::new();
    let read = |one| Asked::read(one, &makers, &mut equals, &ground);
    let asked: Vec<Asked<'_>> = operations.iter().map(read).collect();
    Ok(order(&asked))
}

/// See `batch.fill`.
#[must_use]
pub fn fill(text: &str, resources: &[Known]) -> Document {
    let Ok(mut document) = parse(text.as_bytes(), &Limits::answer()) else { return text.into() };
    let ids: BTreeMap<&str, &str> =
        resources.iter().map(|known| (known.name.as_str(), known.id.as_str())).collect();
    let mut filled = false;
    in_names(&mut document, &mut |name| {
        let id = ids.get(name).copied()?;
        filled = true;
        Some(id.to_owned())
    });
    if filled { document.to_string() } else { text.into() }
}

/// Who makes what has a name: none where several operations have it.
type Makers<'a> = BTreeMap<&'a str, Option<(usize, Method)>>;

fn makers(operations: &[Operation]) -> Makers<'_> {
    let mut makers = Makers::default();
    for (position, operation) in operations.iter().enumerate() {
        let Some(name) = operation.bulk_id.as_deref() else { continue };
        let maker = (!makers.contains_key(name)).then_some((position, operation.method));
        makers.insert(name, maker);
    }
    makers
}

/// An operation, read.
struct Asked<'a> {
    given: &'a Operation,
    /// None where it has none, or one that cannot be read: that is told to whoever sent it when it is sent.
    body: Option<Value>,
    /// The positions of what it refers to.
    refers: BTreeSet<usize>,
    key_material: String,
    refused: &'static str,
}

impl<'a> Asked<'a> {
    fn read(
        given: &'a Operation,
        makers: &Makers<'_>,
        equals: &mut BTreeMap<String, u32>,
        ground: &Ground<'_>,
    ) -> Self {
        let parsed = |body: &Document| parse(body.as_bytes(), &Limits::group()).ok();
        let body = given.body.as_ref().and_then(parsed);
        let (mut refers, mut refused) = (BTreeSet::default(), "");
        let mut look = |name: &str| {
            let Some(name) = name.strip_prefix(REFERENCE) else { return };
            match makers.get(name) {
                Some(Some((position, Method::Create))) => {
                    refers.insert(*position);
                }
                Some(None) => refused = TWICE,
                Some(Some(_)) | None => refused = UNKNOWN,
            }
        };
        given.id.iter().for_each(|id| look(id));
        if let Some(body) = &body {
            each_name(body, &mut look);
        }
        match given.bulk_id.as_deref() {
            Some("") => refused = EMPTY,
            Some(name) if makers.get(name) == Some(&None) => refused = TWICE,
            Some(_) | None => {}
        }
        let key_material = key_material(given, body.as_ref(), equals, ground);
        Self { given, body, refers, key_material, refused }
    }

    /// The item that carries it out as it is.
    fn item(&self, position: usize) -> Item {
        Item {
            operation: number(position),
            method: self.given.method,
            id: self.given.id.clone(),
            body: self.given.body.clone(),
            key_material: self.key_material.clone(),
            needs: self.refers.iter().copied().map(number).collect(),
            refused: self.refused.into(),
        }
    }

    /// The items that make it without what refers to its circle, by these names, and refer then.
    fn items(&self, position: usize, circle: &[usize], names: &BTreeSet<&str>) -> (Item, Item) {
        let (made, referring) = split(self.body.as_ref(), names);
        let outside = self.refers.iter().copied().filter(|at| circle.binary_search(at).is_err());
        let needs = outside.map(number).collect();
        let all: BTreeSet<usize> = self.refers.iter().copied().chain([position]).collect();
        let whole = self.item(position);
        let name = self.given.bulk_id.as_deref().unwrap_or_default();
        // Of another circle, one of another batch, these are other requests.
        let names: Vec<&str> = [name].into_iter().chain(names.iter().copied()).collect();
        let then = Item {
            method: Method::Patch,
            id: Some([REFERENCE, name].concat()),
            body: Some(referring.to_string()),
            key_material: frame("item-refers", &names),
            needs: all.into_iter().map(number).collect(),
            ..whole.clone()
        };
        let key_material = frame("item-made", &names);
        (Item { body: Some(made.to_string()), key_material, needs, ..whole }, then)
    }
}

/// The order in which operations can be carried out: that of the request, but that what refers waits until all that it
/// refers to is made, and then goes at once. Nothing is done before its time: a create, for one, that comes after a
/// deletion stays behind it.
fn order(asked: &[Asked<'_>]) -> Vec<Item> {
    let circles = circles(asked);
    let mut of = Vec::from_iter(asked.iter().map(|_| 0));
    for (number, circle) in circles.iter().enumerate() {
        circle.iter().for_each(|at| set(&mut of, *at, number));
    }
    let circle_of = |at: usize| of.get(at).copied().unwrap_or_default();
    // What each waits for: its own operations, what these refer to, and what is before them on their resource.
    let mut waits: Vec<usize> = circles.iter().map(Vec::len).collect();
    let mut followers: Vec<Vec<usize>> = circles.iter().map(|_| Vec::new()).collect();
    let mut last: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (number, circle) in circles.iter().enumerate() {
        let mut before: BTreeSet<usize> = BTreeSet::default();
        for one in circle.iter().filter_map(|at| asked.get(*at)) {
            one.refers.iter().for_each(|to| {
                before.insert(circle_of(*to));
            });
        }
        before.remove(&number);
        for at in &before {
            if let Some(followers) = followers.get_mut(*at) {
                followers.push(number);
            }
        }
        add(&mut waits, number, before.len());
    }
    for (position, one) in asked.iter().enumerate() {
        let Some(id) = one.given.id.as_deref() else { continue };
        let about = (one.given.resource_type.as_str(), id);
        let Some(earlier) = last.insert(about, position) else { continue };
        if let Some(followers) = followers.get_mut(circle_of(earlier)) {
            followers.push(circle_of(position));
        }
        add(&mut waits, circle_of(position), 1);
    }
    // What is let go at once goes in the order of the request.
    let first = |number: &usize| circles.get(*number).and_then(|circle| circle.first().copied());
    followers.iter_mut().for_each(|followers| followers.sort_by_key(first));
    let mut items = Vec::new();
    for position in 0..asked.len() {
        let mut ended = Vec::from([circle_of(position)]);
        // The last is taken first: what comes first in the request is put in last.
        while let Some(number) = ended.pop() {
            let Some(left) = waits.get_mut(number) else { continue };
            *left -= 1;
            if *left == 0 {
                items.extend(
                    circles.get(number).into_iter().flat_map(|circle| carried_out(asked, circle)),
                );
                ended.extend(followers.get(number).into_iter().flatten().rev());
            }
        }
    }
    items
}

fn set(list: &mut [usize], at: usize, value: usize) {
    if let Some(item) = list.get_mut(at) {
        *item = value;
    }
}

fn add(list: &mut [usize], at: usize, more: usize) {
    if let Some(item) = list.get_mut(at) {
        *item += more;
    }
}

/// The items of an operation, or of all that are in a circle.
fn carried_out(asked: &[Asked<'_>], circle: &[usize]) -> Vec<Item> {
    let one = |at: &usize| Some((*at, asked.get(*at)?));
    let itself = |(at, one): (usize, &Asked<'_>)| one.refers.contains(&at);
    if let [at] = circle
        && !one(at).is_some_and(itself)
    {
        return one(at).map(|(at, one)| one.item(at)).into_iter().collect();
    }
    let named = |at: &usize| asked.get(*at)?.given.bulk_id.as_deref();
    let names: BTreeSet<&str> = circle.iter().filter_map(named).collect();
    let both = circle.iter().filter_map(one).map(|(at, one)| one.items(at, circle, &names));
    let (mut made, then): (Vec<Item>, Vec<Item>) = both.unzip();
    made.extend(then);
    made
}

/// The operations in groups that refer to each other, by way of others too, each in the order of the request; most are
/// alone (Kosaraju's algorithm). Without recursion: a chain may be as long as a batch.
fn circles(asked: &[Asked<'_>]) -> Vec<Vec<usize>> {
    let ahead: Vec<Vec<usize>> =
        asked.iter().map(|one| one.refers.iter().copied().collect()).collect();
    let mut back: Vec<Vec<usize>> = asked.iter().map(|_| Vec::new()).collect();
    for (position, refers) in ahead.iter().enumerate() {
        for to in refers {
            if let Some(back) = back.get_mut(*to) {
                back.push(position);
            }
        }
    }
    let (mut seen, mut ended) = (BTreeSet::default(), Vec::new());
    (0..asked.len()).for_each(|position| walk(position, &ahead, &mut seen, &mut ended));
    let mut seen = BTreeSet::default();
    let mut circles = Vec::new();
    for position in ended.into_iter().rev() {
        let mut circle = Vec::new();
        walk(position, &back, &mut seen, &mut circle);
        circle.sort_unstable();
        if !circle.is_empty() {
            circles.push(circle);
        }
    }
    circles
}

/// Goes from a position to all that it leads to and that was not seen; `ended` gets each once all behind it has ended.
fn walk(from: usize, ways: &[Vec<usize>], seen: &mut BTreeSet<usize>, ended: &mut Vec<usize>) {
    if !seen.insert(from) {
        return;
    }
    let mut way = Vec::from([(from, 0)]);
    while let Some((position, next)) = way.last_mut() {
        let to = ways.get(*position).and_then(|ways| ways.get(*next)).copied();
        *next += 1;
        match to {
            Some(to) if seen.insert(to) => way.push((to, 0)),
            Some(_) => {}
            None => {
                ended.push(*position);
                way.pop();
            }
        }
    }
}

/// What tells an item from the others of its batch: its name, else what it asks and which one it is of its equals.
fn key_material(
    given: &Operation,
    body: Option<&Value>,
    equals: &mut BTreeMap<String, u32>,
    ground: &Ground<'_>,
) -> String {
    let method = method_name(given.method);
    if let Some(name) = &given.bulk_id {
        return frame("item", &[method, name]);
    }
    let id = given.id.as_deref();
    let schema = &ground.schema;
    let statement =
        Statement::read(operation(given.method), &given.resource_type, id, body, None, schema);
    let asks = match (statement, body) {
        (Ok(statement), _) => statement.fingerprint(),
        (Err(_), Some(body)) => canonical(body),
        (Err(_), None) => given.body.clone().unwrap_or_default(),
    };
    let asks = frame("asks", &[method, &given.resource_type, id.unwrap_or_default(), &asks]);
    let which = equals.entry(asks.clone()).or_default();
    *which += 1;
    frame("item-equal", &[&asks, &which.to_string()])
}

/// A resource without what refers to the names of a circle, and the `PatchOp` that states it.
///
/// Of a list its elements are told apart, of an extension its attributes; any other attribute is stated later as a whole.
fn split(resource: Option<&Value>, circle: &BTreeSet<&str>) -> (Value, Value) {
    let mut made = Object::new();
    let mut operations = Vec::new();
    let empty = Object::new();
    for (name, value) in resource.and_then(Value::as_object).unwrap_or(&empty) {
        if let Value::Object(extension) = value
            && name.contains(':')
        {
            let mut left = Object::new();
            for (inner, value) in extension {
                let path = [name, ":", inner].concat();
                if let Some(value) = without((inner, &path), value, circle, &mut operations) {
                    left.insert(inner, value);
                }
            }
            made.insert(name, left);
        } else if let Some(value) = without((name, name), value, circle, &mut operations) {
            made.insert(name, value);
        }
    }
    (Value::Object(made), patch_op(operations))
}

/// What is left of an attribute; what refers to the names of a circle is added to the operations.
fn without(
    (name, path): (&str, &str),
    value: &Value,
    circle: &BTreeSet<&str>,
    operations: &mut Vec<Value>,
) -> Option<Value> {
    let refers = |value: &Value| {
        let mut refers = false;
        each_of(name, value, &mut |name| {
            refers |= name.strip_prefix(REFERENCE).is_some_and(|name| circle.contains(name));
        });
        refers
    };
    if !refers(value) {
        return Some(value.clone());
    }
    let Value::Array(elements) = value else {
        operations.push(patch_operation("replace", path, Some(value.clone())));
        return None;
    };
    let (late, left): (Vec<Value>, Vec<Value>) = elements.iter().cloned().partition(refers);
    operations.push(patch_operation("add", path, Some(Value::Array(late))));
    (!left.is_empty()).then_some(Value::Array(left))
}

/// Visits what may be the name of a resource: see [`in_names`].
fn each_name(document: &Value, look: &mut dyn FnMut(&str)) {
    in_names(&mut document.clone(), &mut |name| {
        look(name);
        None
    });
}

fn each_of(attribute: &str, value: &Value, look: &mut dyn FnMut(&str)) {
    in_attribute(attribute, &mut value.clone(), &mut |name| {
        look(name);
        None
    });
}

/// Visits what may be the name of a resource, and puts what is given for it in its place.
///
/// That is a text that stands as `value` in an attribute, or as `members` or `manager`; in the path of a PATCH each text in
/// quotes. Any other text is only a text, whatever it looks like.
fn in_names(document: &mut Value, given: &mut dyn FnMut(&str) -> Option<String>) {
    let Value::Object(object) = document else { return };
    for (name, value) in object.iter_mut() {
        if let Value::Array(operations) = value
            && name.eq_ignore_ascii_case("Operations")
        {
            operations.iter_mut().for_each(|one| in_operation(one, given));
        } else {
            in_attribute(name, value, given);
        }
    }
}

/// In an operation of a PATCH: its value is that of what its path names.
fn in_operation(operation: &mut Value, given: &mut dyn FnMut(&str) -> Option<String>) {
    let Value::Object(operation) = operation else { return };
    let mut named = String::new();
    if let Some(Value::String(path)) = operation.find_mut("path") {
        *path = in_quotes(path, given);
        let name = path.rsplit([':', '.']).next().unwrap_or_default();
        named = name.split('[').next().unwrap_or_default().trim().to_owned();
    }
    if let Some(value) = operation.find_mut("value") {
        in_attribute(&named, value, given);
    }
}

/// In an attribute of this name.
fn in_attribute(name: &str, value: &mut Value, given: &mut dyn FnMut(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            let refers =
                ["value", "members", "manager"].iter().any(|one| name.eq_ignore_ascii_case(one));
            if let Some(id) = refers.then(|| given(text)).flatten() {
                *text = id;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| in_attribute(name, item, given)),
        Value::Object(object) => {
            object.iter_mut().for_each(|(name, value)| in_attribute(name, value, given));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// In a path: each text in quotes, read and written as the filter has it (RFC 7644 §3.4.2.2: as JSON has it).
fn in_quotes(path: &str, given: &mut dyn FnMut(&str) -> Option<String>) -> String {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, quoted)) = rest.split_once('"') {
        let mut escaped = false;
        let end = quoted.char_indices().find(|(_, one)| {
            let ends = *one == '"' && !escaped;
            escaped = *one == '\\' && !escaped;
            ends
        });
        let Some((text, behind)) =
            end.and_then(|(at, _)| Some((quoted.get(..at)?, quoted.get(at + 1..)?)))
        else {
            break;
        };
        filled.push_str(before);
        match given(text) {
            Some(id) => filled.push_str(&Value::from(id).to_string()),
            None => filled.extend(["\"", text, "\""]),
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

fn number(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// What stands before the name of what another operation makes (RFC 7644 §3.7.2).
const REFERENCE: &str = "bulkId:";

const EMPTY: &str = "its bulkId is empty: name what it makes, or leave it out";
const TWICE: &str = "several operations of the batch have one bulkId: give each its own";
const UNKNOWN: &str =
    "it refers to a bulkId that no POST of the batch has: correct the name, or add the operation";

record!(Operation { method, resource_type, id, bulk_id, body });
record!(Item { operation, method, id, body, key_material, needs: Empty, refused });
record!(Known { name, id });
