//! What leads from an observed resource to a desired one?
//!
//! Compared as a PATCH would be that states all of it (S25): what a request is found to change, a plan changes, and nothing else.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec::Vec,
};

use replaysafe_json::{Object, Value};

use super::{Change, Class, Link};
use crate::{
    case::Ground,
    ordered::BTreeSet,
    spelling::{self, Member},
    statement::{Allowance, Body, Difference, Operation, PathKey, Statement, holds_secret},
};

/// A desired resource beside an observed one of its type.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) resource_type: &'a str,
    pub(super) referred: &'a [Link],
}

/// The external ids that have to be there first, and those that are nowhere.
#[derive(Default)]
struct References {
    needs: BTreeSet<String>,
    unknown: BTreeSet<String>,
}

/// What a resource states, in the parts that a plan changes one after the other.
#[derive(Default)]
struct Parts {
    external_id: Vec<Value>,
    off: Vec<Value>,
    edges: Vec<Edges>,
    rest: Vec<Value>,
}

/// A list of members, roles or entitlements.
struct Edges {
    /// As it stands in paths: in lower case.
    key: String,
    /// As the schema spells it.
    path: String,
    list: Value,
}

impl Pair<'_> {
    /// What is to be changed on `observed`, and the external ids that `desired` refers to and that are nowhere. `adopts`: that its external id is written is told apart.
    pub(super) fn changes(
        self,
        desired: &Value,
        observed: &Value,
        id: &str,
        adopts: bool,
    ) -> (Vec<Change>, BTreeSet<String>) {
        let mut desired = desired.clone();
        let unknown = self.resolve(&mut desired).unknown;
        let mut parts = self.parts(&desired);
        if !adopts {
            parts.rest.append(&mut parts.external_id);
        }
        let mut changes = Vec::new();
        let (mut revoked, mut granted, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for edges in &parts.edges {
            let whole = Vec::from([operation("replace", &edges.path, Some(edges.list.clone()))]);
            let Some(difference) = self.difference(&whole, observed, id) else { continue };
            let taken = edges.of(&difference.takes);
            let given = edges.of(&difference.gives);
            let removals = taken.iter().map(|value| edges.removal(value));
            let removals: Vec<Value> = removals.collect();
            let additions = edges.addition(&given);
            let (some_taken, some_given) = (!removals.is_empty(), additions.is_some());
            revoked.extend(removals);
            granted.extend(additions);
            if some_taken || some_given {
                names.push((edges.path.clone(), some_taken, some_given));
            }
            // What an edge says beside its value is stated with the whole list.
            if self.difference(&whole, &edges.applied(observed, &taken, &given), id).is_some() {
                parts.rest.extend(whole);
            }
        }
        let named = |taken: bool| {
            let of = names.iter().filter(
                |(_, some_taken, some_given)| {
                    if taken { *some_taken } else { *some_given }
                },
            );
            of.map(|(path, ..)| path.clone()).collect()
        };
        let if_match = self.version(observed);
        let mut add = |class, operations: Vec<Value>, attributes: Vec<String>| {
            if operations.is_empty() {
                return;
            }
            let body = patch(operations);
            let needs = needs(&body).into_iter().collect();
            let if_match = if_match.clone().filter(|_| changes.is_empty());
            let (id, body) = (Some(id.into()), Some(body.to_string()));
            changes.push(Change { class, id, body, if_match, needs, attributes });
        };
        add(Class::Revoke, revoked, named(true));
        for (class, stated) in [
            (Class::Disable, &parts.off),
            (Class::Adopt, &parts.external_id),
            (Class::Update, &parts.rest),
        ] {
            if let Some(difference) = self.difference(stated, observed, id) {
                add(class, left(difference.body, stated), difference.names);
            }
        }
        add(Class::Grant, granted, named(false));
        (changes, unknown)
    }

    /// What makes `desired`: what refers to resources that are not there yet is said afterwards, so that no creation waits for another one (S31, S34).
    pub(super) fn creation(
        self,
        desired: &Value,
        external_id: Option<&str>,
    ) -> (Vec<Change>, BTreeSet<String>) {
        let mut desired = desired.clone();
        let unknown = self.resolve(&mut desired).unknown;
        let mut body = Object::new();
        let (mut updates, mut grants) = (Vec::new(), Vec::new());
        let (mut updated, mut granted) = (Vec::new(), Vec::new());
        for member in self.members(&desired) {
            let Some(value) = raw(&desired, &member) else { continue };
            if spelling::unassigned(value) {
                continue;
            }
            let path = self.path(&member);
            // A list of edges, in which each can be told from the others.
            if let Some(list) = value.as_array().filter(|_| spelling::is_edge(&member.place)) {
                let (waiting, ready): (Vec<Value>, Vec<Value>) =
                    list.iter().cloned().partition(|edge| !needs(edge).is_empty());
                if !ready.is_empty() {
                    put(&mut body, &member, Value::Array(ready));
                }
                if !waiting.is_empty() {
                    grants.push(operation("add", &path, Some(Value::Array(waiting))));
                    granted.push(path);
                }
            } else if needs(value).is_empty() {
                put(&mut body, &member, value.clone());
            } else {
                updates.push(operation("replace", &path, Some(value.clone())));
                updated.push(path);
            }
        }
        let schemas = desired.find("schemas").filter(|of| !spelling::unassigned(of)).cloned();
        let schemas = schemas.unwrap_or_else(|| self.schemas(&body));
        body.insert("schemas", schemas);
        let mut changes = Vec::from([Change {
            class: Class::Create,
            id: None,
            body: Some(Value::Object(body).to_string()),
            if_match: None,
            needs: Vec::new(),
            attributes: Vec::new(),
        }]);
        for (class, operations, attributes) in
            [(Class::Update, updates, updated), (Class::Grant, grants, granted)]
        {
            if operations.is_empty() {
                continue;
            }
            let body = patch(operations);
            let mut needs = needs(&body);
            needs.extend(external_id.map(String::from));
            let (needs, body) = (needs.into_iter().collect(), Some(body.to_string()));
            changes.push(Change { class, id: None, body, if_match: None, needs, attributes });
        }
        (changes, unknown)
    }

    /// What switches a resource off that is not desired; none if it is off.
    pub(super) fn disabling(self, observed: &Value, id: &str) -> Option<Change> {
        let off = Vec::from([operation("replace", "active", Some(Value::Bool(false)))]);
        let difference = self.difference(&off, observed, id)?;
        Some(Change {
            class: Class::Disable,
            id: Some(id.into()),
            body: Some(patch(off).to_string()),
            if_match: self.version(observed),
            needs: Vec::new(),
            attributes: difference.names,
        })
    }

    /// What deletes a resource that is not desired.
    pub(super) fn deletion(self, observed: &Value, id: &str) -> Change {
        Change {
            class: Class::Delete,
            id: Some(id.into()),
            body: None,
            if_match: self.version(observed),
            needs: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Whether a resource states a secret: a plan has none (S3a).
    pub(super) fn leaves_secret(self, desired: &Value) -> bool {
        let create = Operation::Create;
        let schema = &self.ground.schema;
        Statement::read(create, self.resource_type, None, Some(desired), None, schema)
            .is_ok_and(|statement| statement.states_secret())
    }

    /// What a resource states that a client can set, but for secrets.
    fn members(self, resource: &Value) -> Vec<Member> {
        let Some(object) = resource.as_object() else { return Vec::new() };
        let schema = &self.ground.schema;
        let members = spelling::members(object, self.resource_type, schema).into_iter();
        let settable = |member: &Member| {
            let place = &member.place;
            let is = schema.find(self.resource_type, place.urn.as_deref(), &place.name, None);
            let secret = || is.secret || raw(resource, member).is_some_and(holds_secret);
            !is.read_only && !spelling::echoed(place, self.resource_type) && !secret()
        };
        members.filter(settable).collect()
    }

    fn parts(self, desired: &Value) -> Parts {
        let mut parts = Parts::default();
        for member in self.members(desired) {
            let Some(value) = raw(desired, &member) else { continue };
            let path = self.path(&member);
            let is = |name: &str| member.place.key() == name;
            if spelling::is_edge(&member.place) {
                let list = if spelling::unassigned(value) {
                    Value::Array(Vec::new())
                } else {
                    value.clone()
                };
                parts.edges.push(Edges { key: member.place.attribute_key(), path, list });
                continue;
            }
            let stated = if spelling::unassigned(value) {
                operation("remove", &path, None)
            } else {
                operation("replace", &path, Some(value.clone()))
            };
            if is("active") && member.value == Value::Bool(false) {
                parts.off.push(stated);
            } else if is("externalid") {
                parts.external_id.push(stated);
            } else {
                parts.rest.push(stated);
            }
        }
        parts
    }

    /// What a PATCH would change; none where it would change nothing.
    fn difference(self, operations: &[Value], observed: &Value, id: &str) -> Option<Difference> {
        if operations.is_empty() {
            return None;
        }
        let body = patch(operations.to_vec());
        let schema = &self.ground.schema;
        let patch = Operation::Patch;
        let read = Statement::read(patch, self.resource_type, Some(id), Some(&body), None, schema);
        let difference = read.ok()?.against(observed, schema, &Allowance::default());
        (!difference.satisfied).then_some(difference)
    }

    /// Puts ids in the place of external ids.
    fn resolve(self, desired: &mut Value) -> References {
        let mut references = References::default();
        replace_references(desired, &mut |external_id| {
            let known = self.referred.iter().find(|link| link.external_id == external_id);
            match known {
                None => {
                    references.unknown.insert(external_id.into());
                    None
                }
                Some(Link { id: None, .. }) => {
                    references.needs.insert(external_id.into());
                    None
                }
                Some(Link { id: Some(id), .. }) => Some(id.clone()),
            }
        });
        references
    }

    /// The version that was observed, where our own If-Match may be sent (S25).
    fn version(self, observed: &Value) -> Option<String> {
        let version = observed.find("meta")?.find("version")?.as_str()?;
        self.ground.profile.etags().then(|| version.into())
    }

    /// An attribute's path, as the schema spells it.
    fn path(self, member: &Member) -> String {
        let place = &member.place;
        let urn = place.urn.as_deref();
        let name = self.ground.schema.spelled(self.resource_type, urn, &place.name);
        match member.holder.as_deref().or(urn) {
            Some(urn) => format!("{urn}:{name}"),
            None => name,
        }
    }

    /// The schemas of a resource: its type's, and its extensions'.
    fn schemas(self, body: &Object) -> Value {
        let core = self.ground.schema.urn(self.resource_type).into();
        let extensions = body.names().filter(|name| name.contains(':')).map(String::from);
        Value::Array([core].into_iter().chain(extensions).map(Value::from).collect())
    }
}

impl Edges {
    /// The values under this attribute.
    fn of(&self, paths: &BTreeSet<PathKey>) -> BTreeSet<String> {
        let value =
            |path: &PathKey| Some(path.0.strip_prefix(&self.key)?.strip_prefix('/')?.to_owned());
        paths.iter().filter_map(value).collect()
    }

    fn removal(&self, value: &str) -> Value {
        let path = format!("{}[value eq {}]", self.path, Value::from(value));
        operation("remove", &path, None)
    }

    /// Adds what is desired under these values.
    fn addition(&self, values: &BTreeSet<String>) -> Option<Value> {
        let edges = elements(&self.list).into_iter();
        let given =
            edges.filter(|edge| value_of(edge).is_some_and(|value| values.contains(&value)));
        let given: Vec<Value> = given.cloned().collect();
        (!given.is_empty()).then(|| operation("add", &self.path, Some(Value::Array(given))))
    }

    /// A resource after these edges were taken and given.
    fn applied(
        &self,
        observed: &Value,
        taken: &BTreeSet<String>,
        given: &BTreeSet<String>,
    ) -> Value {
        let kept = observed.find(&self.path).map(elements).unwrap_or_default().into_iter();
        let kept = kept.filter(|edge| value_of(edge).is_none_or(|value| !taken.contains(&value)));
        let added = elements(&self.list).into_iter();
        let added = added.filter(|edge| value_of(edge).is_some_and(|value| given.contains(&value)));
        let list: Vec<Value> = kept.chain(added).cloned().collect();
        let mut applied = observed.as_object().cloned().unwrap_or_default();
        applied.remove(&self.path);
        applied.insert(self.path.as_str(), Value::Array(list));
        Value::Object(applied)
    }
}

/// Tells each external id that a resource refers to.
pub(super) fn each_reference(resource: &Value, found: &mut dyn FnMut(&str)) {
    match resource {
        Value::Array(items) => items.iter().for_each(|item| each_reference(item, found)),
        Value::Object(object) => {
            for (name, value) in object.iter() {
                match reference(name, value) {
                    Some(external_id) => found(external_id),
                    None => each_reference(value, found),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The external ids that are still referred to.
fn needs(value: &Value) -> BTreeSet<String> {
    let mut needs = BTreeSet::new();
    each_reference(value, &mut |external_id| {
        needs.insert(external_id.into());
    });
    needs
}

fn replace_references(value: &mut Value, with: &mut dyn FnMut(&str) -> Option<String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace_references(item, with)),
        Value::Object(object) => {
            for (name, value) in object.iter_mut() {
                let replaced = reference(name, value).map(&mut *with);
                match replaced {
                    Some(Some(id)) => *value = Value::from(id),
                    Some(None) => {}
                    None => replace_references(value, with),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The external id that a `value` stands for.
fn reference<'v>(name: &str, value: &'v Value) -> Option<&'v str> {
    let text = value.as_str().filter(|_| name.eq_ignore_ascii_case("value"))?;
    text.strip_prefix(REFERENCE)
}

/// What is sent of the operations of which something is left to do.
fn left(body: Body, operations: &[Value]) -> Vec<Value> {
    match body {
        Body::AsSent => operations.to_vec(),
        Body::Rewritten(body) => {
            let left = body.find("Operations").and_then(Value::as_array);
            left.map(<[Value]>::to_vec).unwrap_or_default()
        }
    }
}

/// A member's value, as the resource has it.
fn raw<'v>(resource: &'v Value, member: &Member) -> Option<&'v Value> {
    let holder = match &member.holder {
        Some(holder) => resource.find(holder)?,
        None => resource,
    };
    holder.find(&member.name)
}

/// Puts a member where a resource has it.
fn put(body: &mut Object, member: &Member, value: Value) {
    let Some(holder) = &member.holder else {
        body.insert(member.name.as_str(), value);
        return;
    };
    if let Some(Value::Object(extension)) = body.find_mut(holder) {
        extension.insert(member.name.as_str(), value);
        return;
    }
    let extension: Object = [(member.name.as_str(), value)].into_iter().collect();
    body.insert(holder.as_str(), Value::Object(extension));
}

/// The elements of a list; a value that is none is the only one.
fn elements(list: &Value) -> Vec<&Value> {
    match list {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Vec::from([list])
        }
    }
}

/// What an edge is known by (S27); a bare text is its value.
fn value_of(edge: &Value) -> Option<String> {
    match edge.find("value").unwrap_or(edge) {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.as_str().into()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn operation(op: &str, path: &str, value: Option<Value>) -> Value {
    let mut operation: Object =
        [("op", Value::from(op)), ("path", Value::from(path))].into_iter().collect();
    if let Some(value) = value {
        operation.insert("value", value);
    }
    Value::Object(operation)
}

fn patch(operations: Vec<Value>) -> Value {
    let schema = Value::from("urn:ietf:params:scim:api:messages:2.0:PatchOp");
    let members =
        [("schemas", Value::Array([schema].into())), ("Operations", Value::Array(operations))];
    Value::Object(members.into_iter().collect())
}

/// What stands before an external id in the place of an id.
const REFERENCE: &str = "externalId:";
