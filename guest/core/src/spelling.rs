//! Client spellings: what does a request mean that says it its own way (S24)?
//!
//! The one place for them. Each is a row of peers.md §5, named by its number, with its case below. What is sent keeps the client's spelling.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use replaysafe_json::{Object, Value};

use crate::{
    path::{self, PatchPath, Place},
    schema::{self, Characteristics, ENTERPRISE_URN, Schema},
};

/// What a PATCH operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Add,
    Replace,
    Remove,
}

/// An attribute that an object states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The name of the extension's object that holds it, as sent.
    pub(crate) holder: Option<String>,
    /// Its name, as sent.
    pub(crate) name: String,
    /// What it means.
    pub(crate) place: Place,
    /// In one spelling.
    pub(crate) value: Value,
}

/// `Add`, `Replace`, `Remove`: letter case is ignored (no 3: Entra).
pub(crate) fn verb(text: &str) -> Option<Verb> {
    let verbs = [("add", Verb::Add), ("replace", Verb::Replace), ("remove", Verb::Remove)];
    verbs.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, verb)| verb)
}

/// `true` and `false` as a text, whatever the letter case (no 4: Entra).
pub(crate) fn truth(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    text.eq_ignore_ascii_case("false").then_some(false)
}

/// The digest in the host's mark for a secret.
pub(crate) fn secret(value: &Value) -> Option<&str> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.find("$secret").and_then(Value::as_str)
}

/// Whether a value is none at all: RFC 7643 §2.5 makes no difference between absent, null and an empty array.
pub(crate) fn unassigned(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.iter().all(|(_, member)| unassigned(member)),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// What stands behind a URN of SCIM 1.0, with the URN of today: none for the type's own (no 22: `OneLogin`'s older template).
///
/// A version of its own, `core:1.01`, is another URN.
pub(crate) fn of_today(path: &str) -> Option<(Option<&'static str>, &str)> {
    let urns = [(CORE_1_0, None), (ENTERPRISE_1_0, Some(ENTERPRISE_URN))];
    urns.into_iter().find_map(|(old, today)| Some((today, schema::behind(path, old)?)))
}

/// The URN of SCIM 1.0's core attributes: a secret may stand behind it too.
pub(crate) const CORE_1_0: &str = "urn:scim:schemas:core:1.0";

const ENTERPRISE_1_0: &str = "urn:scim:schemas:extension:enterprise:1.0";

/// Attributes that are echoed and never set: `id`, `meta`, `schemas`, and a user's `groups` (nos 6, 16, 17, 20: Entra, Okta).
pub(crate) fn echoed(place: &Place, resource_type: &str) -> bool {
    if place.urn.is_some() {
        return false;
    }
    let is = |name| place.name.eq_ignore_ascii_case(name);
    is("id")
        || is("meta")
        || is("schemas")
        || is("groups") && resource_type.eq_ignore_ascii_case("User")
}

/// Attributes whose elements are edges between resources, or grants: they are known by their value.
pub(crate) fn is_edge(place: &Place) -> bool {
    let edges = ["members", "groups", "roles", "entitlements"];
    place.urn.is_none() && edges.iter().any(|name| place.name.eq_ignore_ascii_case(name))
}

/// The attributes that a resource states.
pub(crate) fn members(object: &Object, resource_type: &str, schema: &Schema) -> Vec<Member> {
    Reader { resource_type, schema, paths: false }.members(object)
}

/// The attributes that the value of an operation without path states.
///
/// Its names may be paths: `name.givenName`, `emails[type eq "work"].value`, `urn:…:department` (no 7: Entra).
pub(crate) fn members_of_value(
    object: &Object,
    resource_type: &str,
    schema: &Schema,
) -> Vec<Member> {
    Reader { resource_type, schema, paths: true }.members(object)
}

/// The attributes of one extension's object.
pub(crate) fn members_of_extension(
    object: &Object,
    urn: &str,
    resource_type: &str,
    schema: &Schema,
) -> Vec<Member> {
    Reader { resource_type, schema, paths: true }.inside(None, urn, object)
}

/// A value in one spelling.
///
/// - a text for a boolean (no 4: Entra);
/// - one object or text for a set of values (no 22: `OneLogin`'s `emails`);
/// - a bare text for an object with `value` (no 5: `members`, and Entra's `manager`);
/// - `$ref` left out, null or not (no 6: Entra): it says where `value` is.
pub(crate) fn value(value: &Value, place: &Place, resource_type: &str, schema: &Schema) -> Value {
    let urn = place.urn.as_deref();
    let part = |sub: &str| schema.find(resource_type, urn, &place.name, Some(sub));
    if let Some(sub) = &place.sub {
        return scalar(value, part(sub));
    }
    let mut is = schema.find(resource_type, urn, &place.name, None);
    is.multi_valued |= is_edge(place);
    is.complex |= is_edge(place);
    // Whatever the type: a text must not hide a disable.
    is.boolean |= urn.is_none() && place.name.eq_ignore_ascii_case("active");
    if secret(value).is_some() {
        return value.clone();
    }
    let element = |value: &Value| match value {
        Value::Object(object) => Value::Object(complex(object, &part)),
        Value::String(_) if is.complex && (is.multi_valued || part("value").known) => {
            Value::Object([("value", value.clone())].into_iter().collect())
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            scalar(value, is)
        }
    };
    match value {
        Value::Array(items) => match (&place.filter, items.as_slice()) {
            (Some(_), [one]) => element(one),
            _ => Value::Array(items.iter().map(element).collect()),
        },
        Value::Object(_) | Value::String(_) if is.multi_valued && place.filter.is_none() => {
            Value::Array(alloc::vec![element(value)])
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            element(value)
        }
    }
}

fn complex(object: &Object, part: &dyn Fn(&str) -> Characteristics) -> Object {
    let mut read = object.clone();
    read.remove("$ref");
    for (name, value) in object {
        // The schema is asked where it matters: a group has thousands of members.
        if let Some(truth) = value.as_str().and_then(truth).filter(|_| part(name).boolean) {
            read.insert(name, truth);
        }
    }
    read
}

fn scalar(value: &Value, is: Characteristics) -> Value {
    let truth = value.as_str().filter(|_| is.boolean).and_then(truth);
    truth.map_or_else(|| value.clone(), Value::Bool)
}

struct Reader<'a> {
    resource_type: &'a str,
    schema: &'a Schema,
    /// Names may be paths.
    paths: bool,
}

impl Reader<'_> {
    fn members(&self, object: &Object) -> Vec<Member> {
        object.iter().flat_map(|(name, value)| self.member(name, value)).collect()
    }

    fn member(&self, name: &str, value: &Value) -> Vec<Member> {
        let (urn, rest) = self.schema.split_urn(self.resource_type, name);
        match (urn, value.as_object()) {
            // The type's own URN as a name: its object is the resource.
            (Some(urn), Some(object))
                if rest.is_empty() && urn == self.schema.core_urn(self.resource_type) =>
            {
                let mut members = self.members(object);
                members.iter_mut().for_each(|member| member.holder = Some(name.to_owned()));
                members
            }
            (Some(urn), Some(object)) if rest.is_empty() => self.inside(Some(name), &urn, object),
            // No schema says so, but an object under a URN is an extension (RFC 7643 §3.3).
            (Some(urn), Some(object)) if !self.schema.is_extension(self.resource_type, &urn) => {
                self.inside(Some(name), &name.to_ascii_lowercase(), object)
            }
            (urn, _) => {
                let place = self.place(name, urn.as_deref(), rest);
                alloc::vec![self.stated(None, name, place, value)]
            }
        }
    }

    fn inside(&self, holder: Option<&str>, urn: &str, object: &Object) -> Vec<Member> {
        let members = object.iter().map(|(name, value)| {
            let mut place = Place::of(Some(urn), name);
            if let Some((name, sub)) = name.split_once('.').filter(|_| self.paths) {
                place.name = name.into();
                place.sub = Some(sub.into());
            }
            self.stated(holder, name, place, value)
        });
        members.collect()
    }

    fn place(&self, name: &str, urn: Option<&str>, rest: &str) -> Place {
        if self.paths
            && let PatchPath::Place(place) = path::read(name, self.resource_type, self.schema)
        {
            return place;
        }
        Place::of(urn, rest)
    }

    fn stated(&self, holder: Option<&str>, name: &str, place: Place, given: &Value) -> Member {
        let value = value(given, &place, self.resource_type, self.schema);
        Member { holder: holder.map(str::to_owned), name: name.into(), place, value }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use replaysafe_json::{Limits, parse};

    use super::*;

    #[test]
    fn the_letter_case_of_an_operation_is_ignored() {
        assert_eq!(verb("Replace"), Some(Verb::Replace));
        assert_eq!(verb("ADD"), Some(Verb::Add));
        assert_eq!(verb("move"), None);
    }

    /// No 4, Entra without `aadOptscim062020`.
    #[test]
    fn a_text_is_a_boolean_where_the_attribute_is_one() {
        check(r#"{"active":"False"}"#, "active=false");
        check(r#"{"title":"False"}"#, r#"title="False""#);
        check(
            r#"{"emails":[{"value":"a","primary":"True"}]}"#,
            r#"emails=[{"primary":true,"value":"a"}]"#,
        );
    }

    /// No 6, Entra.
    #[test]
    fn a_reference_is_left_out() {
        check(r#"{"members":[{"value":"a","$ref":null}]}"#, r#"members=[{"value":"a"}]"#);
    }

    /// No 22, `OneLogin`; no 5, bare texts.
    #[test]
    fn one_value_stands_for_a_set_of_one() {
        check(r#"{"emails":{"value":"a"}}"#, r#"emails=[{"value":"a"}]"#);
        check(r#"{"members":{"value":"a"}}"#, r#"members=[{"value":"a"}]"#);
        check(r#"{"members":["a"]}"#, r#"members=[{"value":"a"}]"#);
        check(r#"{"roles":"admin"}"#, r#"roles=[{"value":"admin"}]"#);
        // A name has no part `value`: a text for it stays one.
        check(r#"{"name":"Ann"}"#, r#"name="Ann""#);
        check(
            r#"{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":"7"}}"#,
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager={"value":"7"}"#,
        );
    }

    /// No 7, Entra with the flag.
    #[test]
    fn names_without_path_may_be_paths() {
        check(r#"{"name.givenName":"A"}"#, r#"name.givenname="A""#);
        check(r#"{"emails[type eq \"work\"].value":"a"}"#, r#"emails.value="a""#);
        check(
            r#"{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"D"}"#,
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:department="D""#,
        );
        check(r#"{"urn:ietf:params:scim:schemas:core:2.0:User:title":"T"}"#, r#"title="T""#);
        check(
            r#"{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager":{"value":"7"}}"#,
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager={"value":"7"}"#,
        );
        check(r#"{"urn:x:2.0:Y":{"z":1}}"#, "urn:x:2.0:y:z=1");
    }

    /// No 22, `OneLogin`'s older template.
    #[test]
    fn a_urn_of_scim_1_0_is_that_of_today() {
        check(r#"{"urn:scim:schemas:core:1.0:title":"T"}"#, r#"title="T""#);
        check(r#"{"URN:scim:schemas:core:1.0":{"title":"T"}}"#, r#"title="T""#);
        check(
            r#"{"urn:scim:schemas:extension:enterprise:1.0":{"department":"D"}}"#,
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:department="D""#,
        );
        check(r#"{"urn:scim:schemas:core:1.01":{"z":1}}"#, "urn:scim:schemas:core:1.01:z=1");
    }

    /// Nos 6, 16, 17, 20.
    #[test]
    fn what_is_echoed_is_known() {
        let is = |name, resource_type| echoed(&Place::of(None, name), resource_type);
        assert!(is("id", "Group") && is("META", "User") && is("groups", "user"));
        assert!(!is("groups", "Device") && !is("externalId", "User"));
    }

    /// S24, RFC 7643 §2.5.
    #[test]
    fn null_and_empty_are_unassigned() {
        let is = |text: &str| unassigned(&json(text));
        assert!(is("null") && is("[]") && is("{}") && is(r#"{"a":null}"#));
        assert!(!is("\"\"") && !is("false") && !is("[null]"));
    }

    fn check(given: &str, expected: &str) {
        let schema = Schema::default();
        let given = json(given);
        let members = members_of_value(given.as_object().expect("object"), "User", &schema);
        let shown: Vec<String> = members
            .iter()
            .map(|member| format!("{}={}", member.place.key(), member.value))
            .collect();
        assert_eq!(shown, [expected]);
    }

    fn json(text: &str) -> Value {
        parse(text.as_bytes(), &Limits::default()).expect("valid")
    }
}
