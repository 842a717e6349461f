//! Which operations does a request consist of?
//!
//! A resource is read as one `replace` of each attribute that it states: what a create or a PUT says of an attribute is what that operation says.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use replaysafe_json::{Object, Value};

use super::Malformed;
use crate::{
    path::{self, PatchPath, Place},
    schema::Schema,
    spelling::{self, Member, Verb},
};

/// One operation on one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Op {
    /// The position in `Operations`, from 0; 0 for a resource.
    pub(super) wire: usize,
    pub(super) verb: Verb,
    /// None where it cannot be read, or is not worked out.
    pub(super) place: Option<Place>,
    /// What is read and not worked out: it counts for the fingerprint (S3).
    pub(super) said: Option<Place>,
    /// In one spelling; none for a removal by path.
    pub(super) value: Option<Value>,
    /// As sent.
    pub(super) raw: Option<Value>,
    pub(super) source: Source,
    /// Echoed, or read-only in a resource: it is not compared.
    pub(super) ignored: bool,
}

/// Where in the request an operation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// In `path`, as sent; `head` is its attribute, as far as it can be read.
    Path { path: Option<Value>, head: String },
    /// It is a member of a resource or of a value without path.
    Member { holder: Option<String>, name: String },
}

impl Op {
    /// Whether the operation is about this core attribute.
    pub(super) fn is(&self, name: &str) -> bool {
        match &self.place {
            Some(place) => place.urn.is_none() && place.name.eq_ignore_ascii_case(name),
            None => match &self.source {
                Source::Path { head, .. } => head.eq_ignore_ascii_case(name),
                Source::Member { .. } => false,
            },
        }
    }

    /// Whether it is about an attribute as a whole.
    pub(super) fn is_whole(&self) -> bool {
        let place = self.place.as_ref();
        place.is_some_and(|place| place.filter.is_none() && place.sub.is_none())
    }

    /// Whether it states a list, or another attribute, as a whole.
    pub(super) fn states_all(&self) -> bool {
        self.verb == Verb::Replace && self.is_whole()
    }

    /// Whether it states a secret.
    pub(super) fn is_secret(&self, resource_type: &str, schema: &Schema) -> bool {
        let named = self.place.as_ref().is_some_and(|place| {
            let urn = place.urn.as_deref();
            schema.find(resource_type, urn, &place.name, place.sub.as_deref()).secret
                || schema.find(resource_type, urn, &place.name, None).secret
        });
        named || self.value.as_ref().or(self.raw.as_ref()).is_some_and(holds_secret)
    }
}

/// Whether a secret stands anywhere in a value.
pub(crate) fn holds_secret(value: &Value) -> bool {
    if spelling::secret(value).is_some() {
        return true;
    }
    match value {
        Value::Array(items) => items.iter().any(holds_secret),
        Value::Object(object) => object.iter().any(|(_, member)| holds_secret(member)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Reads a resource. `creates`: what is empty is absent (S24).
pub(super) fn resource(
    body: &Object,
    resource_type: &str,
    schema: &Schema,
    creates: bool,
) -> Vec<Op> {
    let members = spelling::members(body, resource_type, schema);
    let mut ops = Vec::new();
    for member in members {
        if creates && spelling::unassigned(&member.value) {
            continue;
        }
        let urn = member.place.urn.as_deref();
        let read_only = schema.find(resource_type, urn, &member.place.name, None).read_only;
        let mut op = of_member(0, Verb::Replace, member, body, resource_type);
        op.ignored |= read_only;
        ops.push(op);
    }
    ops
}

/// Reads a `PatchOp` (RFC 7644 §3.5.2).
pub(super) fn patch(
    body: &Object,
    resource_type: &str,
    schema: &Schema,
) -> Result<Vec<Op>, Malformed> {
    let operations = body.find("Operations").and_then(Value::as_array);
    let operations = operations.filter(|operations| !operations.is_empty());
    let operations = operations.ok_or(Malformed::NoOperations)?;
    let mut ops = Vec::new();
    for (position, operation) in operations.iter().enumerate() {
        let said = operation.find("op").and_then(Value::as_str);
        let said = said.ok_or(Malformed::NoOp { position })?;
        let verb = spelling::verb(said).ok_or(Malformed::UnknownOp { position })?;
        read_operation(&mut ops, position, verb, operation, resource_type, schema);
    }
    guard_extensions(&mut ops);
    Ok(ops)
}

fn read_operation(
    ops: &mut Vec<Op>,
    wire: usize,
    verb: Verb,
    operation: &Value,
    resource_type: &str,
    schema: &Schema,
) {
    let raw = operation.find("value");
    let (text, place) = match operation.find("path") {
        None | Some(Value::Null) => (None, None),
        Some(Value::String(text)) => match path::read(text, resource_type, schema) {
            PatchPath::Place(place) => (Some(text.as_str()), Some(place)),
            PatchPath::Opaque => (Some(text.as_str()), None),
        },
        Some(_) => (Some(""), None),
    };
    let head = text.map(|text| head(text, resource_type, schema)).unwrap_or_default();
    let source = Source::Path { path: operation.find("path").cloned(), head };
    let whole = place.as_ref().filter(|place| place.name.is_empty());
    let object = raw.filter(|raw| verb != Verb::Remove && spelling::secret(raw).is_none());
    let object = object.and_then(Value::as_object);

    // Without path, or with the URN of a schema as path, the value's members are what is set.
    if let Some(object) = object {
        let members = match (text, whole.and_then(|place| place.urn.as_deref())) {
            (None, _) => Some(spelling::members_of_value(object, resource_type, schema)),
            (Some(_), Some(urn)) if urn == schema.core_urn(resource_type) => {
                Some(spelling::members_of_value(object, resource_type, schema))
            }
            (Some(_), Some(urn)) => {
                Some(spelling::members_of_extension(object, urn, resource_type, schema))
            }
            (Some(text), None) => unknown_extension(text, place.as_ref(), resource_type, schema)
                .map(|urn| spelling::members_of_extension(object, &urn, resource_type, schema)),
        };
        if let Some(members) = members {
            let members = members.into_iter();
            ops.extend(members.map(|member| of_member(wire, verb, member, object, resource_type)));
            return;
        }
    }

    let place = place.filter(|place| readable(place, verb, raw, resource_type, schema));
    let value = match (&place, raw) {
        (Some(place), Some(raw)) if takes_value(place, verb, raw) => {
            Some(spelling::value(raw, place, resource_type, schema))
        }
        _ => None,
    };
    let raw = raw.cloned();
    ops.push(Op { wire, verb, place, said: None, value, raw, source, ignored: false });
}

/// The URN that a path is, where no schema knows it and its value is an object: an extension (RFC 7643 §3.3).
fn unknown_extension(
    text: &str,
    place: Option<&Place>,
    resource_type: &str,
    schema: &Schema,
) -> Option<String> {
    let place = place.filter(|place| place.filter.is_none() && place.sub.is_none())?;
    let urn = place.urn.as_deref()?;
    let known = schema.is_extension(resource_type, urn);
    (!known).then(|| text.trim().to_ascii_lowercase())
}

/// A removal takes a value only as the elements to be removed (no 5: Entra).
fn takes_value(place: &Place, verb: Verb, raw: &Value) -> bool {
    verb != Verb::Remove
        || place.filter.is_none() && place.sub.is_none() && !raw.is_null() && !place.name.is_empty()
}

/// Whether the operation, whose path can be read, means something.
fn readable(
    place: &Place,
    verb: Verb,
    raw: Option<&Value>,
    resource_type: &str,
    schema: &Schema,
) -> bool {
    match verb {
        Verb::Add | Verb::Replace => raw.is_some() && !place.name.is_empty(),
        Verb::Remove => {
            if place.name.is_empty() {
                return place.urn.as_deref() != Some(&schema.core_urn(resource_type));
            }
            // `remove members []`: none, or all? It is not guessed.
            !raw.is_some_and(|raw| takes_value(place, verb, raw) && spelling::unassigned(raw))
        }
    }
}

fn of_member(wire: usize, verb: Verb, member: Member, within: &Object, resource_type: &str) -> Op {
    let holder = member.holder.as_ref().and_then(|holder| within.find(holder)?.as_object());
    let raw = holder.unwrap_or(within).find(&member.name).cloned();
    let ignored = spelling::echoed(&member.place, resource_type);
    Op {
        wire,
        verb,
        place: Some(member.place),
        said: None,
        value: Some(member.value),
        raw,
        source: Source::Member { holder: member.holder, name: member.name },
        ignored,
    }
}

/// An extension that is removed as a whole, while parts of it are set, is more than is worked out here.
fn guard_extensions(ops: &mut [Op]) {
    let whole = |op: &Op| {
        let place = op.place.as_ref().filter(|place| place.name.is_empty())?;
        place.urn.clone()
    };
    let removed: Vec<String> = ops.iter().filter_map(whole).collect();
    for urn in removed {
        let about =
            |op: &&mut Op| op.place.as_ref().is_some_and(|place| place.urn.as_ref() == Some(&urn));
        let about: Vec<&mut Op> = ops.iter_mut().filter(about).collect();
        if 1 < about.len() {
            about.into_iter().for_each(|op| op.said = op.place.take());
        }
    }
}

/// What `active` is after a value that no known spelling makes a boolean, is the target's affair (S24, S25).
pub(super) fn guard_active(op: &mut Op) {
    let told = op.value.as_ref().filter(|_| op.is("active") && op.is_whole());
    let odd =
        told.is_some_and(|value| !matches!(value, Value::Bool(_)) && !spelling::unassigned(value));
    if odd {
        op.said = op.place.take();
    }
}

fn head(text: &str, resource_type: &str, schema: &Schema) -> String {
    let (_, rest) = schema.split_urn(resource_type, text.trim());
    rest.split(['[', '.', ' ']).next().unwrap_or_default().to_owned()
}
