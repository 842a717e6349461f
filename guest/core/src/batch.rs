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
    let mut order = Order {
        placed: asked.iter().map(|_| Placed::No).collect(),
        late: asked.iter().map(|_| BTreeSet::default()).collect(),
        waiting: Vec::new(),
        items: Vec::new(),
        asked,
    };
    (0..operations.len()).for_each(|position| order.place(position));
    Ok(order.items)
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
        let mut body = given.body.as_ref().and_then(parsed);
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
        if let Some(body) = &mut body {
            in_names(body, &mut |name| {
                look(name);
                None
            });
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

    /// The items that make it without what refers to `late`, and refer then.
    fn items(
        &self,
        position: usize,
        late: &BTreeSet<usize>,
        is_late: &dyn Fn(&str) -> bool,
    ) -> (Item, Item) {
        let (made, referring) = split(self.body.as_ref(), is_late);
        let whole = self.item(position);
        let name = self.given.bulk_id.as_deref().unwrap_or_default();
        let then = Item {
            method: Method::Patch,
            id: Some([REFERENCE, name].concat()),
            body: Some(referring.to_string()),
            key_material: frame("item-refers", &[name]),
            needs: late
                .iter()
                .copied()
                .chain([position])
                .collect::<BTreeSet<_>>()
                .into_iter()
                .map(number)
                .collect(),
            ..whole.clone()
        };
        let needs = self.refers.difference(late).copied().map(number).collect();
        (Item { body: Some(made.to_string()), needs, ..whole }, then)
    }
}

/// Whether an operation stands in the order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Placed {
    No,
    /// What it refers to comes first.
    Waits,
    Yes,
}

/// The order in which operations can be carried out.
struct Order<'a> {
    asked: Vec<Asked<'a>>,
    placed: Vec<Placed>,
    /// What each refers to that waits for it itself: a circle.
    late: Vec<BTreeSet<usize>>,
    /// What refers to what has no place yet.
    waiting: Vec<(BTreeSet<usize>, Item)>,
    items: Vec<Item>,
}

impl Order<'_> {
    /// Gives an operation its place, behind what it refers to. Without recursion: a chain may be as long as a batch.
    fn place(&mut self, position: usize) {
        let mut way = Vec::new();
        self.enter(position, &mut way);
        while let Some((position, rest)) = way.last_mut() {
            let position = *position;
            let Some(next) = rest.pop() else {
                way.pop();
                self.put(position);
                continue;
            };
            match self.placed.get(next) {
                Some(Placed::No) => self.enter(next, &mut way),
                Some(Placed::Waits) => {
                    if let Some(late) = self.late.get_mut(position) {
                        late.insert(next);
                    }
                }
                Some(Placed::Yes) | None => {}
            }
        }
    }

    fn enter(&mut self, position: usize, way: &mut Vec<(usize, Vec<usize>)>) {
        let (Some(placed @ Placed::No), Some(asked)) =
            (self.placed.get_mut(position), self.asked.get(position))
        else {
            return;
        };
        *placed = Placed::Waits;
        // The last is taken first.
        let mut refers: Vec<usize> = asked.refers.iter().copied().collect();
        refers.reverse();
        way.push((position, refers));
    }

    fn put(&mut self, position: usize) {
        let (Some(asked), Some(late)) = (self.asked.get(position), self.late.get(position)) else {
            return;
        };
        if late.is_empty() {
            self.items.push(asked.item(position));
        } else {
            let is_late = |name: &str| {
                let named =
                    |at: &usize| self.asked.get(*at).and_then(|one| one.given.bulk_id.as_deref());
                late.iter().filter_map(named).any(|one| name.strip_prefix(REFERENCE) == Some(one))
            };
            let (made, then) = asked.items(position, late, &is_late);
            self.items.push(made);
            self.waiting.push((late.clone(), then));
        }
        if let Some(placed) = self.placed.get_mut(position) {
            *placed = Placed::Yes;
        }
        // Before what comes later: it may undo what is added here.
        let placed = &self.placed;
        let is_ready =
            |late: &BTreeSet<usize>| late.iter().all(|at| placed.get(*at) == Some(&Placed::Yes));
        let (ready, waiting) =
            core::mem::take(&mut self.waiting).into_iter().partition(|(late, _)| is_ready(late));
        self.waiting = waiting;
        let ready: Vec<(BTreeSet<usize>, Item)> = ready;
        self.items.extend(ready.into_iter().map(|(_, item)| item));
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

/// A resource without what `is_late`, and the `PatchOp` that states it.
///
/// Of a list its elements are told apart, of an extension its attributes; any other attribute is stated later as a whole.
fn split(resource: Option<&Value>, is_late: &dyn Fn(&str) -> bool) -> (Value, Value) {
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
                if let Some(value) = without(&path, value, is_late, &mut operations) {
                    left.insert(inner, value);
                }
            }
            made.insert(name, left);
        } else if let Some(value) = without(name, value, is_late, &mut operations) {
            made.insert(name, value);
        }
    }
    (Value::Object(made), patch_op(operations))
}

/// What is left of an attribute; what `is_late` is added to the operations.
fn without(
    path: &str,
    value: &Value,
    is_late: &dyn Fn(&str) -> bool,
    operations: &mut Vec<Value>,
) -> Option<Value> {
    let refers = |value: &Value| {
        let mut refers = false;
        in_names(&mut value.clone(), &mut |name| {
            refers |= is_late(name);
            None
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

/// Visits what may be the name of a resource, and puts what is given for it in its place: a text, and in the path of a PATCH each text in quotes.
fn in_names(value: &mut Value, given: &mut dyn FnMut(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(id) = given(text) {
                *text = id;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| in_names(item, given)),
        Value::Object(object) => {
            for (name, value) in object.iter_mut() {
                if let Value::String(path) = value
                    && name.eq_ignore_ascii_case("path")
                {
                    *path = in_quotes(path, given);
                } else {
                    in_names(value, given);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn in_quotes(path: &str, given: &mut dyn FnMut(&str) -> Option<String>) -> String {
    let parts = path.split('"').enumerate().map(|(at, part)| {
        let id = if at % 2 == 1 { given(part) } else { None };
        id.unwrap_or_else(|| part.to_owned())
    });
    parts.collect::<Vec<_>>().join("\"")
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
