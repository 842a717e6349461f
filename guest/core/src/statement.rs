//! The statement: what does a request state, and what would it change?

mod apply;
mod body;
mod difference;
mod fingerprint;
mod form;
mod group;
mod holds;
mod list;
mod names;
mod omitted;
mod read;
mod removal;
mod whole;

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use crate::ordered::BTreeSet;

use replaysafe_json::Value;
use thiserror::Error;

use crate::{
    path::{Place, attribute_key},
    schema::Schema,
};
pub(crate) use form::{patch_op, patch_operation};
use read::Op;
pub(crate) use read::holds_secret;
pub use removal::Removal;

/// What a request does to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// POST to an endpoint.
    Create,
    /// PUT on a resource.
    Replace,
    /// PATCH on a resource.
    Patch,
    /// DELETE on a resource.
    Delete,
}

/// What a request states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    operation: Operation,
    resource_type: String,
    id: Option<String>,
    if_match: Option<String>,
    schema: Schema,
    /// As sent.
    body: Option<Value>,
    // INVARIANT: in the order of the request; none for a deletion.
    ops: Vec<Op>,
}

/// A request that breaks a rule of form. Rules of the schema are the target's
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// There is no body
    #[error("the request has no body")]
    NoBody,
    /// The body is not an object
    #[error("the body is not an object")]
    NotAnObject,
    /// The `PatchOp` has no array `Operations`, or an empty one (RFC 7644 §3.5.2)
    #[error("the body has no array `Operations` of one operation or more")]
    NoOperations,
    /// An operation is not an object, or has no `op`
    #[error("operation {position} has no `op`")]
    NoOp {
        /// Its position, from 0
        position: usize,
    },
    /// An operation's `op` is not one of `add`, `replace` and `remove`
    #[error("operation {position} is none of `add`, `replace`, `remove`")]
    UnknownOp {
        /// Its position, from 0
        position: usize,
    },
}

/// A touched path: `*`, `active`, `members`, `members/<value>`, `name.givenname`, `urn:…:attr`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathKey(pub String);

/// How a name is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamedKind {
    /// The target's id.
    TargetId,
    /// The source's external id.
    ExternalId,
    /// A correlation value.
    Correlation,
}

/// A name that a request states.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// How it is used.
    pub kind: NamedKind,
    /// The attribute that holds it, as it is known to the schema, else as given.
    pub attribute: String,
    /// As stated.
    pub exact: String,
    /// As locked (S8): NFKC, case folded, without what is not seen; ids as they are.
    pub coarse: String,
}

/// Whether a resource is the one that a request means (S16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// It carries the external id.
    ExternalId,
    /// It carries the same value of this attribute.
    Correlation(String),
    /// It carries the same value of this attribute, but another external id.
    OtherExternalId(String),
    /// It does not match.
    No,
}

/// What may be sent.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Allowance {
    /// Paths that must not be given: they stay as they are observed, or are taken away where the request says so.
    pub withheld: BTreeSet<PathKey>,
    /// Only what takes access away may be sent.
    pub only_taking: bool,
    /// Edge attributes (`members`, …) under which the target has shown no edge by its value: that one is absent proves nothing, and its removal is sent (S11).
    pub unshown: BTreeSet<String>,
    /// Attributes whose list a `replace` did not replace, `*` for all: where values are only to go they are taken away one by one, else the list is stated with its path (S25, S27).
    pub appended: BTreeSet<String>,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The client's own body.
    AsSent,
    /// The net change, in the client's verbs.
    Rewritten(Value),
}

/// What a request would change on an observed resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Nothing is to be sent: what it states holds.
    pub satisfied: bool,
    /// Nothing of what may be sent is left: it is satisfied but for what is left out.
    pub nothing_left: bool,
    /// It holds something that cannot be interpreted.
    pub opaque: bool,
    /// What is sent.
    pub body: Body,
    /// What would be enabled or added: `active`, `members/x`, `roles/x`, `entitlements/x`.
    pub gives: BTreeSet<PathKey>,
    /// What would be disabled or removed by what it states; `*` for a deletion.
    pub takes: BTreeSet<PathKey>,
    /// Attributes that are not as stated.
    pub names: Vec<String>,
    /// Differences that the allowance kept out of `body`.
    pub left_out: BTreeSet<PathKey>,
    /// An update that states a secret is never satisfied.
    pub states_secret: bool,
}

/// Whether a resource, read back, is as stated (S11).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Holds {
    /// Everything is as stated.
    pub all: bool,
    /// What is not.
    pub not_kept: Vec<NotKept>,
    /// What was left out of a resource, sent whole, and reads all the same: the target has filled it in, or kept it (S26).
    pub filled: Vec<NotKept>,
    /// Edges observed before, that no operation removes, and that are gone.
    pub collateral: Vec<PathKey>,
    /// Edge attributes of which all these are gone at once: an `add` has replaced the list.
    pub swept: Vec<String>,
    /// Attributes whose list a `replace` has added to: all that was there is there.
    pub appended: Vec<String>,
    /// Attributes under which a stated edge was read back under its value.
    pub edges_shown: Vec<String>,
}

/// Something stated that does not read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotKept {
    /// Its path.
    pub path: PathKey,
    /// Its name, for people.
    pub name: String,
    /// Canonical text of what was stated; empty for unassigned.
    pub stated: String,
    /// Canonical text of what was read; empty for unassigned.
    pub observed: String,
    /// It takes access away.
    pub taking: bool,
    /// It is `active`.
    pub active: bool,
}

impl Statement {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// Where it breaks a rule of form.
    pub fn read(
        operation: Operation,
        resource_type: &str,
        id: Option<&str>,
        body: Option<&Value>,
        if_match: Option<&str>,
        schema: &Schema,
    ) -> Result<Self, Malformed> {
        let object = |body: Option<&Value>| {
            let body = body.ok_or(Malformed::NoBody)?;
            body.as_object().cloned().ok_or(Malformed::NotAnObject)
        };
        let mut ops = match operation {
            Operation::Create => read::resource(&object(body)?, resource_type, schema, true),
            Operation::Replace => read::resource(&object(body)?, resource_type, schema, false),
            Operation::Patch => read::patch(&object(body)?, resource_type, schema)?,
            Operation::Delete => Vec::new(),
        };
        ops.iter_mut().for_each(read::guard_active);
        Ok(Self {
            operation,
            resource_type: resource_type.to_owned(),
            id: id.map(str::to_owned),
            if_match: if_match.map(|text| text.trim().to_owned()),
            schema: schema.clone(),
            body: body.cloned(),
            ops,
        })
    }

    /// What it does.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The body, as sent.
    #[must_use]
    pub fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    /// Whether it holds an operation that cannot be read (S25).
    #[must_use]
    pub fn opaque(&self) -> bool {
        self.ops.iter().any(|op| op.place.is_none())
    }

    /// Whether it states a secret (S3a).
    #[must_use]
    pub fn states_secret(&self) -> bool {
        self.ops.iter().any(|op| op.is_secret(&self.resource_type, &self.schema))
    }

    /// The canonical text of what is asked (S3).
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint::fingerprint(self)
    }

    /// The names that it states, in canonical order (S8).
    #[must_use]
    pub fn names(&self, correlation: &[String]) -> Vec<Named> {
        names::names(self, correlation)
    }

    /// The values that identify it, each behind its attribute, in the form in which they are compared (S16).
    #[must_use]
    pub fn identities(&self, correlation: &[String]) -> BTreeSet<(String, String)> {
        names::identities(self, correlation)
    }

    /// The texts and numbers that it gives an attribute, named as in the path of a PATCH.
    #[must_use]
    pub fn stated_as(&self, attribute: &str) -> Vec<String> {
        names::stated_as(self, attribute)
    }

    /// Whether it takes access away, judged by form (§1).
    #[must_use]
    pub fn safe_way(&self) -> bool {
        form::safe_way(self)
    }

    /// The paths on which the request takes access away, by its form; a list that it states whole counts as a whole (S2a).
    #[must_use]
    pub fn takes(&self) -> BTreeSet<PathKey> {
        form::takes(self)
    }

    /// The paths that it states (§1).
    #[must_use]
    pub fn touched(&self) -> BTreeSet<PathKey> {
        form::touched(self)
    }

    /// The digests of the secrets that it states, sorted.
    #[must_use]
    pub fn secret_digests(&self) -> Vec<String> {
        form::secret_digests(self.body.as_ref())
    }

    /// The paths of the attributes in which it states secrets.
    #[must_use]
    pub fn secret_paths(&self) -> BTreeSet<String> {
        form::secret_paths(self.body.as_ref())
    }

    /// A `PatchOp` that writes the secrets that it states (S3a).
    #[must_use]
    pub fn secret_update(&self) -> Value {
        form::secret_update(self.body.as_ref())
    }

    /// The top-level attributes that it states, sorted.
    #[must_use]
    pub fn stated(&self) -> Vec<String> {
        form::stated(self)
    }

    /// Whether `resource` is the one that it means (S16).
    #[must_use]
    pub fn matches(&self, resource: &Value, correlation: &[String]) -> Match {
        names::matches(self, resource, correlation)
    }

    /// The names of the stated attributes that are not as stated (S19, S24).
    #[must_use]
    pub fn differs(&self, resource: &Value, schema: &Schema) -> Vec<String> {
        self.against(resource, schema, &Allowance::default()).names
    }

    /// What it would change on `resource` (S25, S27).
    ///
    /// `resource`: as the target showed it. The body never states more than the request does, and what it states as the client spelled it, secrets' marks in place.
    #[must_use]
    pub fn against(&self, resource: &Value, schema: &Schema, allow: &Allowance) -> Difference {
        difference::against(self, resource, schema, allow)
    }

    /// Whether `after`, read back, is as stated (S11).
    ///
    /// `before`: what was observed before the effect; without it, operations are applied to `after` and must find nothing to do. What cannot be read never holds.
    #[must_use]
    pub fn holds(&self, before: Option<&Value>, after: &Value, schema: &Schema) -> Holds {
        holds::holds(self, before, after, schema)
    }
}

impl Statement {
    /// `body`, a `PatchOp` on this resource, with its removals of edges in this spelling; none where nothing is to be changed (S25).
    #[must_use]
    pub fn spell_removals(&self, body: &Value, to: Removal) -> Option<Value> {
        removal::spelled(body, to, &self.resource_type, &self.schema)
    }

    /// `body`, a `PatchOp` on `resource`, in which each `add` to these edge attributes carries the whole list as it will be; none where it has no such `add` (S11).
    #[must_use]
    pub fn whole_adds(&self, body: &Value, resource: &Value, edges: &[String]) -> Option<Value> {
        whole::adds(self, body, resource, edges)
    }

    /// A `PatchOp` that adds all edges that these attributes of `resource` have after the request (S11); none without a body.
    #[must_use]
    pub fn restoring(&self, resource: &Value, edges: &[String]) -> Option<Value> {
        whole::restoring(self, resource, edges)
    }

    fn rules<'a>(&'a self, schema: &'a Schema) -> apply::Rules<'a> {
        let folds = self.operation == Operation::Create;
        apply::Rules { resource_type: &self.resource_type, schema, folds }
    }

    /// The `op` of an operation, as sent.
    fn op_text(&self, wire: usize) -> Option<&str> {
        let operations = self.body.as_ref()?.find("Operations")?.as_array()?;
        operations.get(wire)?.find("op")?.as_str()
    }

    /// An attribute's name for people: as the schema spells it, behind the extension's URN.
    fn name_of(&self, place: &Place) -> String {
        let urn = place.urn.as_deref();
        if place.name.is_empty() {
            return attribute_key(urn, "");
        }
        let name = self.schema.spelled(&self.resource_type, urn, &place.name);
        match urn {
            Some(urn) => alloc::format!("{urn}:{name}"),
            None => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use replaysafe_json::{Limits, parse};

    use super::*;

    #[test]
    fn only_a_breach_of_form_is_malformed() {
        let read = |operation, body: Option<&str>| {
            let body = body.map(json);
            let schema = Schema::default();
            Statement::read(operation, "User", None, body.as_ref(), None, &schema).err()
        };
        assert_eq!(read(Operation::Create, None), Some(Malformed::NoBody));
        assert_eq!(read(Operation::Replace, Some("[]")), Some(Malformed::NotAnObject));
        assert_eq!(read(Operation::Patch, Some("{}")), Some(Malformed::NoOperations));
        let none = Some(r#"{"Operations":[]}"#);
        assert_eq!(read(Operation::Patch, none), Some(Malformed::NoOperations));
        assert_eq!(
            read(
                Operation::Patch,
                Some(r#"{"Operations":[{"op":"add","path":"a","value":1},{}]}"#)
            ),
            Some(Malformed::NoOp { position: 1 })
        );
        assert_eq!(
            read(Operation::Patch, Some(r#"{"Operations":[{"op":"move"}]}"#)),
            Some(Malformed::UnknownOp { position: 0 })
        );
        assert_eq!(read(Operation::Delete, None), None);
        assert_eq!(read(Operation::Create, Some(r#"{"shoeSize":{"a":[1]},"active":7}"#)), None);
        assert_eq!(
            read(
                Operation::Patch,
                Some(r#"{"operations":[{"OP":"Remove"},{"op":"add","path":7}]}"#)
            ),
            None
        );
    }

    pub(super) fn statement(
        operation: Operation,
        resource_type: &str,
        body: Option<&str>,
    ) -> Statement {
        let body = body.map(json);
        let id = (operation != Operation::Create).then_some("1");
        let schema = Schema::default();
        Statement::read(operation, resource_type, id, body.as_ref(), None, &schema)
            .expect("well-formed")
    }

    pub(super) fn patch(operations: &str) -> Statement {
        let body = format!("{{\"Operations\":[{operations}]}}");
        statement(Operation::Patch, "User", Some(&body))
    }

    pub(super) fn put(body: &str) -> Statement {
        statement(Operation::Replace, "User", Some(body))
    }

    pub(super) fn json(text: &str) -> Value {
        parse(text.as_bytes(), &Limits::default()).expect("valid")
    }
}
