//! Where may a secret stand in a document (S3a)?
//!
//! Deliberately absent: a PATCH path with a value filter that names a secret sub-attribute. A step of a path compares whole texts only.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use replaysafe_json::{Path, Segment, sort_by};

use super::{Attribute, Schema};

pub(super) fn paths(schema: &Schema, resource_type: &str) -> Vec<Path> {
    let mut found = Vec::new();
    let own = schema.core_urn(resource_type);
    for (urn, attributes) in &schema.schemas {
        let core = *urn == own;
        for attribute in attributes.values() {
            for place in places(attribute) {
                add(&mut found, urn, core, &place);
            }
        }
    }
    // A password is a secret in whatever type it is sent to.
    let password = Place { name: "password".into(), each: false, sub: None };
    add(&mut found, &own, true, &password);
    sort_by(&mut found, Ord::cmp);
    found.dedup();
    found
}

/// A secret attribute, or one with a secret sub-attribute.
struct Place {
    name: String,
    each: bool,
    sub: Option<String>,
}

fn places(attribute: &Attribute) -> Vec<Place> {
    let place = |sub| Place { name: attribute.name.clone(), each: attribute.is.multi_valued, sub };
    if attribute.is.secret {
        return alloc::vec![place(None)];
    }
    let parts = attribute.parts.values().filter(|part| part.is.secret);
    parts.map(|part| place(Some(part.name.clone()))).collect()
}

fn add(found: &mut Vec<Path>, urn: &str, core: bool, place: &Place) {
    let member = |name: &str| Segment::Member(name.to_owned());
    let operation = |path: &str| {
        let path = Segment::Where { member: "path".into(), equals: path.to_owned() };
        alloc::vec![member("Operations"), path, member("value")]
    };
    let below = place.below();
    let prefixed = format!("{urn}:{}", place.name);
    let dotted = place.sub.as_ref().map(|sub| format!("{}.{sub}", place.name));

    // As members of a resource or of a path-less value.
    let mut ways: Vec<Vec<Segment>> = Vec::new();
    ways.push(join(&[member(&prefixed)], &below));
    if core {
        ways.push(join(&[member(&place.name)], &below));
    }
    ways.push(join(&[member(urn), member(&place.name)], &below));
    if let Some(dotted) = &dotted {
        ways.push(alloc::vec![member(&format!("{urn}:{dotted}"))]);
        if core {
            ways.push(alloc::vec![member(dotted)]);
        }
    }
    for way in &ways {
        found.push(Path(way.clone()));
        found.push(Path(join(&[member("Resources"), Segment::Each], way)));
        // Some clients put the one value of an operation into an array.
        let value = [member("Operations"), Segment::Each, member("value"), Segment::Each];
        found.push(Path(join(&value, way)));
    }

    // As the value of an operation that names it.
    let mut named = alloc::vec![(prefixed, below.clone())];
    if core {
        named.push((place.name.clone(), below.clone()));
    }
    if let Some(dotted) = &dotted {
        named.push((format!("{urn}:{dotted}"), Vec::new()));
        if core {
            named.push((dotted.clone(), Vec::new()));
        }
    }
    for (path, below) in named {
        found.push(Path(join(&operation(&path), &below)));
    }
    found.push(Path(join(&join(&operation(urn), &[member(&place.name)]), &below)));
}

impl Place {
    /// The way from the attribute's value to the secret.
    fn below(&self) -> Vec<Segment> {
        let Some(sub) = &self.sub else { return Vec::new() };
        let mut below = Vec::new();
        if self.each {
            below.push(Segment::Each);
        }
        below.push(Segment::Member(sub.clone()));
        below
    }
}

fn join(head: &[Segment], tail: &[Segment]) -> Vec<Segment> {
    head.iter().chain(tail).cloned().collect()
}

#[cfg(test)]
mod tests {
    use replaysafe_json::{Limits, Value, lift, parse};

    use super::*;

    /// S3a: a member, a URN key, a path-less value, a path, a URN path, a list.
    #[test]
    fn a_password_is_found_wherever_it_can_stand() {
        check(r#"{"password":"x"}"#, r##"{"password":"#"}"##);
        check(
            r#"{"urn:ietf:params:scim:schemas:core:2.0:User:password":"x"}"#,
            r##"{"urn:ietf:params:scim:schemas:core:2.0:User:password":"#"}"##,
        );
        check(
            r#"{"Operations":[{"op":"Replace","value":{"Password":"x"}}]}"#,
            r##"{"Operations":[{"op":"Replace","value":{"Password":"#"}}]}"##,
        );
        check(
            r#"{"Operations":[{"op":"add","path":"PASSWORD","value":"x"},{"path":"title","value":"x"}]}"#,
            r##"{"Operations":[{"op":"add","path":"PASSWORD","value":"#"},{"path":"title","value":"x"}]}"##,
        );
        check(
            r#"{"Operations":[{"path":"urn:ietf:params:scim:schemas:core:2.0:User:password","value":"x"}]}"#,
            r##"{"Operations":[{"path":"urn:ietf:params:scim:schemas:core:2.0:User:password","value":"#"}]}"##,
        );
        check(
            r#"{"Operations":[{"op":"add","value":[{"password":"x"}]}]}"#,
            r##"{"Operations":[{"op":"add","value":[{"password":"#"}]}]}"##,
        );
        check(r#"{"Resources":[{"password":"x"}]}"#, r##"{"Resources":[{"password":"#"}]}"##);
    }

    #[test]
    fn what_discovery_marks_as_never_returned_is_a_secret() {
        check(r#"{"urn:acme:2.0:Badge":{"pin":"x"}}"#, r##"{"urn:acme:2.0:Badge":{"pin":"#"}}"##);
        check(
            r#"{"Operations":[{"path":"urn:acme:2.0:Badge","value":{"pin":"x"}}]}"#,
            r##"{"Operations":[{"path":"urn:acme:2.0:Badge","value":{"pin":"#"}}]}"##,
        );
        check(
            r#"{"urn:acme:2.0:Badge":{"doors":[{"code":"x","no":"1"}]}}"#,
            r##"{"urn:acme:2.0:Badge":{"doors":[{"code":"#","no":"1"}]}}"##,
        );
        check(r#"{"pin":"x"}"#, r#"{"pin":"x"}"#);
    }

    fn check(given: &str, expected: &str) {
        let schemas = json(
            r#"[{"id":"urn:acme:2.0:Badge","attributes":[{"name":"pin","returned":"never"},
                {"name":"doors","type":"complex","multiValued":true,"subAttributes":[{"name":"code","mutability":"writeOnly"}]}]}]"#,
        );
        let schema = Schema::read(None, Some(&schemas), None);
        let mut document = json(given);
        lift(&mut document, &paths(&schema, "User"), &mut |_| Value::from("#"));
        assert_eq!(document, json(expected));
    }

    fn json(text: &str) -> Value {
        parse(text.as_bytes(), &Limits::default()).expect("valid")
    }
}
