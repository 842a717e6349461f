//! Where may a secret stand in a document (S3a)?
//!
//! Deliberately absent: what a document says. A name is compared as text, as `replaysafe_json::lift` does.

use alloc::{format, vec::Vec};

use replaysafe_json::{Path, Segment, sort_by};

use super::{Attributes, Schema};
use crate::spelling::CORE_1_0;

pub(super) fn paths(schema: &Schema, resource_type: &str) -> Vec<Path> {
    let mut found = Vec::new();
    let own = schema.core_urn(resource_type);
    for (urn, attributes) in &schema.schemas() {
        let mut secrets = Vec::new();
        collect(attributes, &mut Vec::new(), &mut secrets);
        secrets.iter().for_each(|names| add(&mut found, urn, *urn == own, names));
        if *urn == own {
            secrets.iter().for_each(|names| add(&mut found, CORE_1_0, false, names));
        }
    }
    // A password is a secret in whatever type it is sent to.
    add(&mut found, &own, true, &["password"]);
    add(&mut found, CORE_1_0, false, &["password"]);
    sort_by(&mut found, Ord::cmp);
    found.dedup();
    found
}

/// The names that lead to each attribute that is secret.
fn collect<'a>(
    attributes: &'a Attributes,
    above: &mut Vec<&'a str>,
    secrets: &mut Vec<Vec<&'a str>>,
) {
    for attribute in attributes.values() {
        above.push(&attribute.name);
        if attribute.is.secret {
            secrets.push(above.clone());
            // A bare text stands for an object with `value`.
            if let [whole @ .., last] = above.as_slice()
                && last.eq_ignore_ascii_case("value")
                && !whole.is_empty()
            {
                secrets.push(whole.to_vec());
            }
        } else {
            collect(&attribute.parts, above, secrets);
        }
        above.pop();
    }
}

fn add(found: &mut Vec<Path>, urn: &str, core: bool, names: &[&str]) {
    let member = |name: &str| Segment::Member(name.into());
    let prefix = format!("{urn}:");
    let prefixes = if core { alloc::vec!["", &prefix] } else { alloc::vec![prefix.as_str()] };
    let operations = || alloc::vec![member("Operations")];
    let value = || alloc::vec![member("value"), Segment::Each];

    // As members of a resource, of a list of resources, or of an operation's value. Some clients put the one value of an operation into an array.
    let within = ways("", names).into_iter().map(|way| behind([member(urn), Segment::Each], way));
    let mut members: Vec<Vec<Segment>> = within.collect();
    members.extend(prefixes.iter().flat_map(|prefix| ways(prefix, names)));
    for way in members {
        found.push(Path(behind([member("Resources"), Segment::Each], way.clone())));
        found.push(Path(behind(
            [operations(), alloc::vec![Segment::Each], value()].concat(),
            way.clone(),
        )));
        found.push(Path(way));
    }

    // As the value of an operation whose path names it, or what it is a part of.
    let mut add = |path: &str, below: Vec<Segment>| {
        let operation = [operations(), alloc::vec![Segment::Path(path.into())]].concat();
        found.push(Path(behind(behind(operation, alloc::vec![member("value")]), below)));
    };
    for way in ways("", names) {
        add(urn, behind([Segment::Each], way));
    }
    for (prefix, split) in
        prefixes.iter().flat_map(|prefix| (1..=names.len()).map(move |at| (prefix, at)))
    {
        let (head, rest) = names.split_at(split);
        let name = format!("{prefix}{}", head.join("."));
        for way in ways("", rest) {
            add(&name, behind([Segment::Each], way));
        }
        if rest.is_empty() {
            add(&name, Vec::new());
        }
        // Of a path that cannot be read the whole value may be it.
        add(&format!("{name}["), Vec::new());
    }

    // In a filter: what is compared with it may be it.
    for prefix in prefixes {
        let filter = || alloc::vec![Segment::Filter(format!("{prefix}{}", names.join(".")))];
        let each = || behind(operations(), alloc::vec![Segment::Each]);
        found.push(Path(behind(behind(each(), alloc::vec![member("path")]), filter())));
        found.push(Path(behind(behind(each(), value()), filter())));
    }
}

/// The ways from an object to what these names lead to: each name may be a member of its own, or stand behind the one before it and a dot.
fn ways(prefix: &str, names: &[&str]) -> Vec<Vec<Segment>> {
    let mut found = Vec::new();
    for split in 1..=names.len() {
        let (head, rest) = names.split_at(split);
        let first = Segment::Member(format!("{prefix}{}", head.join(".")));
        if rest.is_empty() {
            found.push(alloc::vec![first]);
            continue;
        }
        let below = ways("", rest).into_iter();
        found.extend(below.map(|way| behind([first.clone(), Segment::Each], way)));
    }
    found
}

fn behind(head: impl Into<Vec<Segment>>, way: Vec<Segment>) -> Vec<Segment> {
    let mut whole = head.into();
    whole.extend(way);
    whole
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
        check(
            r#"{"Operations":[{"path":"urn:scim:schemas:core:1.0:password","value":"x"}]}"#,
            r##"{"Operations":[{"path":"urn:scim:schemas:core:1.0:password","value":"#"}]}"##,
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
        // A bare text stands for an object with `value`.
        check(
            r#"{"urn:acme:2.0:Badge":{"token":"x"}}"#,
            r##"{"urn:acme:2.0:Badge":{"token":"#"}}"##,
        );
        // The URN of SCIM 1.0 is that of a type's own attributes.
        check(
            r#"{"urn:scim:schemas:core:1.0:pin":"x"}"#,
            r#"{"urn:scim:schemas:core:1.0:pin":"x"}"#,
        );
        check(
            r#"{"urn:scim:schemas:core:1.0:answer":"x"}"#,
            r##"{"urn:scim:schemas:core:1.0:answer":"#"}"##,
        );
    }

    fn check(given: &str, expected: &str) {
        let schemas = json(
            r#"[{"id":"urn:ietf:params:scim:schemas:core:2.0:User","attributes":[{"name":"answer","returned":"never"}]},
                {"id":"urn:acme:2.0:Badge","attributes":[{"name":"pin","returned":"never"},
                {"name":"token","type":"complex","subAttributes":[{"name":"value","returned":"never"}]},
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
