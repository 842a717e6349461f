//! What leads from an observed resource to a desired one?
//!
//! Compared as a PATCH would be that states all of it (S25): what a request is found to change, a plan changes, and nothing else.

mod standing;

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
    path::Place,
    schema::Characteristics,
    spelling::{self, Member},
    statement::{
        Allowance, Body, Difference, Operation, PathKey, Statement, holds_secret, patch_op,
        patch_operation,
    },
};

/// A desired resource beside an observed one of its type.
#[derive(Clone, Copy)]
pub(crate) struct Pair<'a> {
    pub(crate) ground: &'a Ground<'a>,
    pub(crate) resource_type: &'a str,
    /// By external id, in order.
    pub(crate) referred: &'a [&'a Link],
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
    /// What is to be changed on `observed`, and the attributes that are left as they are because they refer to what is nowhere. `adopts`: that its external id is written is told apart. `held`: an attribute that is left as it is.
    pub(super) fn changes(
        self,
        desired: &Value,
        observed: &Value,
        id: &str,
        adopts: bool,
        held: Option<&str>,
    ) -> (Vec<Change>, BTreeSet<String>) {
        let desired = self.resolved(desired);
        let left = self.left_of(&desired, observed);
        let (changes, unknown) = self.changes_of(&left, observed, id, adopts, held);
        if changes.is_empty() && unknown.is_empty() || left == desired {
            return (changes, unknown);
        }
        // What cannot be read takes with it all that is stated beside it.
        self.changes_of(&desired, observed, id, adopts, held)
    }

    /// The same, of a resource whose references are resolved.
    fn changes_of(
        self,
        desired: &Value,
        observed: &Value,
        id: &str,
        adopts: bool,
        held: Option<&str>,
    ) -> (Vec<Change>, BTreeSet<String>) {
        let (mut parts, unknown) = self.parts(desired, observed, held);
        if !adopts {
            parts.rest.append(&mut parts.external_id);
        }
        let mut changes = Vec::new();
        let (mut revoked, mut granted, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let desired_edges = core::mem::take(&mut parts.edges);
        for edges in &desired_edges {
            let whole =
                Vec::from([patch_operation("replace", &edges.path, Some(edges.list.clone()))]);
            let Some(difference) = self.difference(&whole, observed, id) else { continue };
            let there = edges.values(observed.find(&edges.path));
            let wanted = edges.values(Some(&edges.list));
            // One value may have several types: what is told apart by them only is stated with the whole list.
            let mut taken = edges.of(&difference.takes);
            taken.retain(|value| !wanted.contains(value));
            let mut given = edges.of(&difference.gives);
            given.retain(|value| !there.contains(value));
            revoked.extend(taken.iter().map(|value| removal(&edges.path, value)));
            let rest = self.difference(&whole, &edges.applied(observed, &taken, &given), id);
            if rest.is_some() {
                parts.rest.extend(whole);
                given.clear();
            }
            let additions = edges.addition(&given);
            if !taken.is_empty() || additions.is_some() {
                names.push((edges.path.clone(), !taken.is_empty(), additions.is_some()));
            }
            granted.extend(additions);
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
            let body = patch_op(operations);
            let needs = needs(&body).into_iter().collect();
            let if_match = if_match.clone().filter(|_| changes.is_empty());
            let (id, body, count) = (Some(id.into()), Some(body.to_string()), count(class, &body));
            let takes = 0;
            changes.push(Change { class, id, body, if_match, needs, attributes, count, takes });
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
        let desired = self.resolved(desired);
        let mut body = Object::new();
        let mut unknown = BTreeSet::new();
        let (mut updates, mut grants) = (Vec::new(), Vec::new());
        let (mut updated, mut granted) = (Vec::new(), Vec::new());
        for member in self.members(&desired) {
            let Some(value) = raw(&desired, &member) else { continue };
            let path = self.path(&member);
            let references = references(&member, value);
            if spelling::unassigned(value) || is_no_name(&member, value) {
                continue;
            }
            if references.iter().any(|name| !self.is_known(name)) {
                unknown.insert(path);
                continue;
            }
            // A list of edges, in which each can be told from the others.
            if spelling::is_edge(&member.place) {
                let (waiting, ready): (Vec<Value>, Vec<Value>) =
                    elements(value).into_iter().cloned().partition(|edge| {
                        reference(edge.find("value").unwrap_or(edge)).is_some()
                            && !references.is_empty()
                    });
                if !ready.is_empty() {
                    put(&mut body, &member, Value::Array(ready));
                }
                if !waiting.is_empty() {
                    grants.push(patch_operation("add", &path, Some(Value::Array(waiting))));
                    granted.push(path);
                }
            } else if references.is_empty() {
                put(&mut body, &member, value.clone());
            } else {
                updates.push(patch_operation("replace", &path, Some(value.clone())));
                updated.push(path);
            }
        }
        let schemas = desired.find("schemas").filter(|of| !spelling::unassigned(of)).cloned();
        if let Some(schemas) = schemas.or_else(|| self.schemas(&body)) {
            body.insert("schemas", schemas);
        }
        let mut changes = Vec::from([Change {
            class: Class::Create,
            id: None,
            body: Some(Value::Object(body).to_string()),
            if_match: None,
            needs: Vec::new(),
            attributes: Vec::new(),
            count: 1,
            takes: 0,
        }]);
        for (class, operations, attributes) in
            [(Class::Update, updates, updated), (Class::Grant, grants, granted)]
        {
            if operations.is_empty() {
                continue;
            }
            let body = patch_op(operations);
            let mut needs = needs(&body);
            needs.extend(external_id.map(String::from));
            let count = count(class, &body);
            let (needs, body) = (needs.into_iter().collect(), Some(body.to_string()));
            changes.push(Change {
                class,
                id: None,
                body,
                if_match: None,
                needs,
                attributes,
                count,
                takes: 0,
            });
        }
        (changes, unknown)
    }

    /// What switches a resource off that is not desired; none if it is off.
    pub(crate) fn disabling(self, observed: &Value, id: &str) -> Option<Change> {
        let off = Vec::from([patch_operation("replace", "active", Some(Value::Bool(false)))]);
        let difference = self.difference(&off, observed, id)?;
        Some(Change {
            class: Class::Disable,
            id: Some(id.into()),
            body: Some(patch_op(off).to_string()),
            if_match: self.version(observed),
            needs: Vec::new(),
            attributes: difference.names,
            count: 1,
            takes: 0,
        })
    }

    /// What deletes a resource that is not desired; none where the target only switches off what is deleted, and it is off (S11).
    pub(crate) fn deletion(self, observed: &Value, id: &str) -> Option<Change> {
        let deactivates = self.ground.profile.deactivates(self.resource_type);
        if deactivates && self.disabling(observed, id).is_none() {
            return None;
        }
        Some(Change {
            class: Class::Delete,
            id: Some(id.into()),
            body: None,
            if_match: self.version(observed),
            needs: Vec::new(),
            attributes: Vec::new(),
            count: 1,
            takes: if deactivates { 0 } else { edges(observed, self.resource_type) },
        })
    }

    /// Whether a resource of this type can be switched off.
    pub(crate) fn can_be_off(self) -> bool {
        self.ground.schema.find(self.resource_type, None, "active", None).known
    }

    /// Whether a resource states a secret: a plan has none (S3a).
    pub(super) fn leaves_secret(self, desired: &Value) -> bool {
        let Some(object) = desired.as_object() else { return false };
        let members = spelling::members(object, self.resource_type, &self.ground.schema);
        members.iter().any(|member| {
            let secret = self.is(&member.place).secret || holds_secret(&member.value);
            secret && !spelling::unassigned(&member.value)
        })
    }

    /// What a resource states that a client can set, but for secrets.
    fn members(self, resource: &Value) -> Vec<Member> {
        let Some(object) = resource.as_object() else { return Vec::new() };
        let schema = &self.ground.schema;
        let members = spelling::members(object, self.resource_type, schema).into_iter();
        let settable = |member: &Member| {
            let place = &member.place;
            let is = self.is(place);
            let secret = || is.secret || raw(resource, member).is_some_and(holds_secret);
            !is.read_only && !spelling::echoed(place, self.resource_type) && !secret()
        };
        members.filter(settable).collect()
    }

    /// What is known of an attribute.
    fn is(self, place: &Place) -> Characteristics {
        let schema = &self.ground.schema;
        schema.find(self.resource_type, place.urn.as_deref(), &place.name, None)
    }

    /// What a resource states, and the attributes that refer to what is nowhere.
    fn parts(
        self,
        desired: &Value,
        observed: &Value,
        held: Option<&str>,
    ) -> (Parts, BTreeSet<String>) {
        let mut parts = Parts::default();
        let mut unknown = BTreeSet::new();
        for member in self.members(desired) {
            let Some(value) = raw(desired, &member) else { continue };
            let path = self.path(&member);
            if held.is_some_and(|held| held.eq_ignore_ascii_case(&path))
                || is_no_name(&member, value)
            {
                continue;
            }
            if references(&member, value).iter().any(|name| !self.is_known(name)) {
                unknown.insert(path);
                continue;
            }
            let is = |name: &str| member.place.key() == name;
            if spelling::is_edge(&member.place) {
                let list = elements(value).into_iter().cloned().collect();
                let key = member.place.attribute_key();
                parts.edges.push(Edges { key, path, list: Value::Array(list) });
                continue;
            }
            let stated = match value.as_object().filter(|_| !member.place.name.is_empty()) {
                Some(stated) => self.complex(&member, &path, stated, observed),
                None if spelling::unassigned(value) => {
                    Vec::from([patch_operation("remove", &path, None)])
                }
                None => Vec::from([patch_operation("replace", &path, Some(value.clone()))]),
            };
            // Whatever does not switch on may switch off who is on, as each target reads it.
            let may_be_off = || {
                let is_off = observed.find("active").is_some_and(crate::reading::is_false);
                member.value != Value::Bool(true) && !is_off
            };
            if is("active") && (member.value == Value::Bool(false) || may_be_off()) {
                parts.off.extend(stated);
            } else if is("externalid") {
                parts.external_id.extend(stated);
            } else {
                parts.rest.extend(stated);
            }
        }
        (parts, unknown)
    }

    /// What sets the parts of an attribute that are stated: with those that are there, so that it is the same to a target that puts the new value in the place of the old one (RFC 7644 §3.5.2.3).
    fn complex(self, member: &Member, path: &str, stated: &Object, observed: &Value) -> Vec<Value> {
        let there = raw(observed, member).and_then(Value::as_object);
        let urn = member.place.urn.as_deref();
        let schema = &self.ground.schema;
        let mut whole = Object::new();
        for (name, value) in there.into_iter().flat_map(Object::iter) {
            let is = schema.find(self.resource_type, urn, &member.place.name, Some(name));
            // What the target makes of the others is not said again.
            let made = ["$ref", "formatted", "display", "displayName"];
            let made = made.iter().any(|made| name.eq_ignore_ascii_case(made));
            if !is.read_only && !made && !stated.contains(name) {
                whole.insert(name, value.clone());
            }
        }
        let mut operations = Vec::new();
        let mut sets = false;
        for (name, value) in stated.iter() {
            if spelling::unassigned(value) {
                operations.push(patch_operation("remove", &format!("{path}.{name}"), None));
            } else {
                whole.insert(name, value.clone());
                sets = true;
            }
        }
        if sets {
            operations.insert(0, patch_operation("replace", path, Some(Value::Object(whole))));
        }
        operations
    }

    /// What a PATCH would change; none where it would change nothing.
    fn difference(self, operations: &[Value], observed: &Value, id: &str) -> Option<Difference> {
        if operations.is_empty() {
            return None;
        }
        let body = patch_op(operations.to_vec());
        let schema = &self.ground.schema;
        let patch = Operation::Patch;
        let read = Statement::read(patch, self.resource_type, Some(id), Some(&body), None, schema);
        let difference = read.ok()?.against(observed, schema, &Allowance::default());
        (!difference.satisfied).then_some(difference)
    }

    /// The same resource, with ids in the place of external ids where they are known.
    fn resolved(self, desired: &Value) -> Value {
        let mut resolved = desired.clone();
        if self.referred.is_empty() {
            return resolved;
        }
        in_references(&mut resolved, &mut |value| {
            let id = reference(value).and_then(|name| self.link(name)?.id.clone());
            if let Some(id) = id {
                *value = Value::from(id);
            }
        });
        resolved
    }

    /// Whether an external id stands for a resource that is there, or is to be made.
    fn is_known(self, external_id: &str) -> bool {
        self.link(external_id).is_some()
    }

    fn link(&self, external_id: &str) -> Option<&Link> {
        let at = self.referred.partition_point(|link| link.external_id.as_str() < external_id);
        self.referred.get(at).copied().filter(|link| link.external_id == external_id)
    }

    /// The version that was observed, where our own If-Match may be sent (S25).
    pub(crate) fn version(self, observed: &Value) -> Option<String> {
        let version = observed.find("meta")?.find("version")?.as_str()?;
        self.ground.profile.etags().then(|| version.into())
    }

    /// An attribute's path, as the schema spells it.
    fn path(self, member: &Member) -> String {
        let place = &member.place;
        let urn = place.urn.as_deref();
        let name = self.ground.schema.spelled(self.resource_type, urn, &place.name);
        match member.holder.as_deref().or(urn) {
            // An extension as a whole.
            Some(_) if place.name.is_empty() => member.name.clone(),
            Some(urn) => format!("{urn}:{name}"),
            None => name,
        }
    }

    /// The schemas of a resource: its type's, and its extensions'; none of a type that nobody has described.
    fn schemas(self, body: &Object) -> Option<Value> {
        let core = self.ground.schema.urn(self.resource_type)?.into();
        let extensions = body.names().filter(|name| name.contains(':')).map(String::from);
        Some(Value::Array([core].into_iter().chain(extensions).map(Value::from).collect()))
    }
}

impl Edges {
    /// The values under this attribute.
    fn of(&self, paths: &BTreeSet<PathKey>) -> BTreeSet<String> {
        let value =
            |path: &PathKey| Some(path.0.strip_prefix(&self.key)?.strip_prefix('/')?.to_owned());
        paths.iter().filter_map(value).collect()
    }

    /// The values of a list.
    fn values(&self, list: Option<&Value>) -> BTreeSet<String> {
        list.map(elements).unwrap_or_default().into_iter().filter_map(value_of).collect()
    }

    /// Adds what is desired under these values.
    fn addition(&self, values: &BTreeSet<String>) -> Option<Value> {
        let edges = elements(&self.list).into_iter();
        let given =
            edges.filter(|edge| value_of(edge).is_some_and(|value| values.contains(&value)));
        let given: Vec<Value> = given.cloned().collect();
        (!given.is_empty()).then(|| patch_operation("add", &self.path, Some(Value::Array(given))))
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

/// Takes the edge of this value away.
pub(crate) fn removal(path: &str, value: &str) -> Value {
    patch_operation("remove", &format!("{path}[value eq {}]", Value::from(value)), None)
}

/// How much a change is to the guard (S33): one resource, or as many members, roles and entitlements as it gives or takes.
fn count(class: Class, body: &Value) -> u32 {
    let of = |operation: &Value| operation.find("value").map_or(1, |value| elements(value).len());
    match class {
        Class::Revoke | Class::Grant => {
            let operations = body.find("Operations").and_then(Value::as_array).unwrap_or_default();
            number(operations.iter().map(of).sum())
        }
        Class::Disable | Class::Create | Class::Adopt | Class::Update | Class::Delete => 1,
    }
}

/// How many members, roles and entitlements a resource has.
pub(crate) fn edges(resource: &Value, resource_type: &str) -> u32 {
    let is_edge = |name: &str| {
        let place = Place::of(None, name);
        spelling::is_edge(&place) && !spelling::echoed(&place, resource_type)
    };
    let members = resource.as_object().into_iter().flat_map(Object::iter);
    number(members.filter(|(name, _)| is_edge(name)).map(|(_, list)| elements(list).len()).sum())
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The external ids that a resource refers to.
pub(super) fn all_references(resource: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (name, value) in resource.as_object().into_iter().flatten() {
        if is_referring(name) {
            referred_in(value, &mut found);
        } else if name.contains(':') {
            found.extend(all_references(value));
        }
    }
    found
}

fn referred_in(edges: &Value, found: &mut BTreeSet<String>) {
    if let Value::Array(items) = edges {
        items.iter().for_each(|item| referred_in(item, found));
        return;
    }
    found.extend(reference(edges.find("value").unwrap_or(edges)).map(String::from));
}

/// The external ids that an attribute refers to.
fn references(member: &Member, value: &Value) -> BTreeSet<String> {
    let within: Object = [(member.name.as_str(), value.clone())].into_iter().collect();
    all_references(&Value::Object(within))
}

/// The external ids that are still referred to in a body.
fn needs(body: &Value) -> BTreeSet<String> {
    let mut needs = BTreeSet::new();
    let operations = body.find("Operations").and_then(Value::as_array).unwrap_or_default();
    for operation in operations {
        let path = operation.find("path").and_then(Value::as_str).unwrap_or_default();
        let name = path.rsplit(':').next().unwrap_or_default();
        if let Some(value) = operation.find("value") {
            let within: Object = [(name, value.clone())].into_iter().collect();
            needs.extend(all_references(&Value::Object(within)));
        }
    }
    needs
}

/// Visits what may refer to another resource: the values of `members` and of `manager`, wherever they stand.
fn in_references(resource: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    let Some(object) = resource.as_object_mut() else { return };
    for (name, value) in object.iter_mut() {
        if is_referring(name) {
            values_in(value, visit);
        } else if name.contains(':') {
            in_references(value, visit);
        }
    }
}

/// Whether the values of an attribute of this name are other resources.
fn is_referring(name: &str) -> bool {
    REFERRING.iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Visits the values of edges: a bare text is one.
fn values_in(edges: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    match edges {
        Value::Array(items) => items.iter_mut().for_each(|item| values_in(item, visit)),
        Value::Object(object) => {
            if let Some(value) = object.find_mut("value") {
                visit(value);
            }
        }
        Value::String(_) => visit(edges),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The external id that a value stands for.
fn reference(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix(REFERENCE)
}

/// An external id that is none: it is not taken off, and an empty one names nothing.
fn is_no_name(member: &Member, value: &Value) -> bool {
    let named = member.place.key() == "externalid";
    named && (spelling::unassigned(value) || value.as_str() == Some(""))
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
pub(crate) fn elements(list: &Value) -> Vec<&Value> {
    match list {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Vec::from([list])
        }
    }
}

/// What an edge is known by (S27); a bare text is its value.
pub(crate) fn value_of(edge: &Value) -> Option<String> {
    match edge.find("value").unwrap_or(edge) {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.as_str().into()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The attributes whose values are other resources.
pub(crate) const REFERRING: [&str; 2] = ["members", "manager"];

/// What stands before an external id in the place of an id.
const REFERENCE: &str = "externalId:";
