//! What do a target's discovery answers add to RFC 7643?

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

use replaysafe_json::Value;

use super::{Attribute, Attributes, Characteristics, ResourceType, Schema, built_in, keyed};

/// How deep sub-attributes may nest. RFC 7643 §2.3.8 allows one level; a second is room for those that do not.
const DEPTH: usize = 2;

pub(super) fn read(
    resource_types: Option<&Value>,
    schemas: Option<&Value>,
    config: Option<&Value>,
) -> Schema {
    let mut schema = Schema::default();
    for described in listed(schemas) {
        read_schema(&mut schema, described);
    }
    for described in listed(resource_types) {
        read_type(&mut schema, described);
    }
    let features = ["patch", "bulk", "filter", "etag"];
    for feature in features {
        let said = config.and_then(|config| config.find(feature)?.find("supported"));
        if let Some(said) = said.and_then(truth) {
            schema.declared.insert(format!("{feature}.supported"), said.to_string());
        }
    }
    for described in listed(schemas) {
        declare_unique(&mut schema, described);
    }
    let news = |urn: &String, attributes: &mut Attributes| {
        built_in::attributes(urn).as_ref() != Some(attributes)
    };
    Arc::make_mut(&mut schema.added).retain(news);
    schema
}

/// A list response's resources, an array's elements, or the one resource (RFC 7644 §4).
fn listed(answer: Option<&Value>) -> Vec<&Value> {
    let Some(answer) = answer else { return Vec::new() };
    if let Some(items) = answer.as_array() {
        return items.iter().collect();
    }
    match answer.find("Resources").and_then(Value::as_array) {
        Some(items) => items.iter().collect(),
        None => alloc::vec![answer],
    }
}

fn read_schema(schema: &mut Schema, described: &Value) {
    let Some(urn) = text(described, "id") else { return };
    merge(schema.attributes_mut(urn), &read_attributes(described, "attributes", DEPTH));
}

fn read_attributes(described: &Value, member: &str, depth: usize) -> Attributes {
    let items = described.find(member).and_then(Value::as_array).unwrap_or_default();
    let mut attributes = Attributes::new();
    attributes.extend(items.iter().filter_map(|item| read_attribute(item, depth)).map(keyed));
    attributes
}

fn read_attribute(described: &Value, depth: usize) -> Option<Attribute> {
    let name = text(described, "name")?;
    let says = |member, value: &str| {
        text(described, member).is_some_and(|said| said.eq_ignore_ascii_case(value))
    };
    let flag = |member| described.find(member).and_then(truth) == Some(true);
    let is = Characteristics {
        known: true,
        boolean: says("type", "boolean"),
        complex: says("type", "complex"),
        multi_valued: flag("multiValued"),
        read_only: says("mutability", "readOnly"),
        secret: says("returned", "never") || says("mutability", "writeOnly"),
        case_exact: flag("caseExact"),
    };
    let parts = match depth {
        0 => Attributes::new(),
        _ => read_attributes(described, "subAttributes", depth - 1),
    };
    Some(Attribute { name: name.into(), is, parts })
}

/// Adds what is new. Of an attribute that is there, only that it is secret is believed: a schema that calls `active` read-only must not make a disable look satisfied.
fn merge(into: &mut Attributes, from: &Attributes) {
    for (key, attribute) in from {
        match into.get_mut(key) {
            None => {
                into.insert(key.clone(), attribute.clone());
            }
            Some(known) => {
                known.is.secret |= attribute.is.secret;
                merge(&mut known.parts, &attribute.parts);
            }
        }
    }
}

fn read_type(schema: &mut Schema, described: &Value) {
    let Some(name) = text(described, "name") else { return };
    let Some(urn) = text(described, "schema") else { return };
    let Some(path) = text(described, "endpoint").and_then(last_segment) else { return };
    let extensions = described.find("schemaExtensions").and_then(Value::as_array);
    let extensions: Vec<String> = extensions
        .unwrap_or_default()
        .iter()
        .filter_map(|extension| text(extension, "schema"))
        .map(str::to_owned)
        .collect();
    for extension in &extensions {
        if !schema.has(extension) {
            schema.attributes_mut(extension);
        }
    }
    match schema.types.iter_mut().find(|of| of.name.eq_ignore_ascii_case(name)) {
        Some(known) => {
            known.path = path.into();
            for extension in extensions {
                if !known.extensions.iter().any(|urn| urn.eq_ignore_ascii_case(&extension)) {
                    known.extensions.push(extension);
                }
            }
        }
        None => schema.types.push(ResourceType {
            name: name.into(),
            path: path.into(),
            urn: urn.into(),
            extensions,
        }),
    }
}

/// `/Users`, `Users` or `https://host/scim/v2/Users`.
fn last_segment(endpoint: &str) -> Option<&str> {
    endpoint.rsplit('/').find(|segment| !segment.is_empty())
}

fn declare_unique(schema: &mut Schema, described: &Value) {
    let Some(urn) = text(described, "id") else { return };
    let types = schema.types.iter().filter(|of| of.urn.eq_ignore_ascii_case(urn));
    let types: Vec<String> = types.map(|of| of.name.clone()).collect();
    let attributes = described.find("attributes").and_then(Value::as_array).unwrap_or_default();
    for attribute in attributes {
        let Some(name) = text(attribute, "name") else { continue };
        let Some(said) = text(attribute, "uniqueness").map(str::to_ascii_lowercase) else {
            continue;
        };
        if said == "server" || said == "global" {
            for of in &types {
                schema.declared.insert(format!("unique/{of}/{name}"), said.clone());
            }
        }
    }
}

fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.find(member).and_then(Value::as_str)
}

fn truth(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| crate::spelling::truth(value.as_str()?))
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use replaysafe_json::{Limits, parse};

    use super::*;

    const SCHEMAS: &str = r#"{"Resources":[
      {"id":"urn:ietf:params:scim:schemas:core:2.0:User","attributes":[
        {"name":"userName","type":"string","uniqueness":"server","mutability":"readWrite"},
        {"name":"active","type":"string","mutability":"readOnly"},
        {"name":"password","type":"string","returned":"default"},
        {"name":"externalId","type":"string","uniqueness":"Global"},
        {"name":"title","type":"string","uniqueness":"none"}]},
      {"id":"urn:acme:2.0:Badge","attributes":[
        {"name":"pin","type":"string","mutability":"writeOnly"},
        {"name":"issued","type":"dateTime","mutability":"readOnly"},
        {"name":"doors","type":"complex","multiValued":true,"subAttributes":[{"name":"open","type":"boolean"}]}]}]}"#;

    #[test]
    fn an_extension_is_learned_from_discovery() {
        let schema = read(None, Some(&json(SCHEMAS)), None);
        let is = |path| schema.characteristics("User", path).letters();
        assert_eq!(is("urn:acme:2.0:Badge:pin"), "s");
        assert_eq!(is("urn:acme:2.0:Badge:issued"), "r");
        assert_eq!(is("urn:acme:2.0:Badge:doors"), "cm");
        assert_eq!(is("urn:acme:2.0:Badge:doors.open"), "b");
    }

    /// What was learned goes to each decision as a document.
    #[test]
    fn what_was_learned_is_written_and_read() {
        let schema = read(None, Some(&json(SCHEMAS)), None);
        let read = Schema::from_document(&schema.to_document());
        let pin = read.map(|of| of.characteristics("User", "urn:acme:2.0:Badge:pin").letters());
        assert_eq!(pin, Ok("s".into()));
    }

    /// A schema is a claim (S40): a disable must never look satisfied because of it.
    #[test]
    fn a_claim_about_a_core_attribute_is_not_believed() {
        let schema = read(None, Some(&json(SCHEMAS)), None);
        assert_eq!(schema.characteristics("User", "active").letters(), "b");
        // Nor is it that a secret is none (S3a).
        assert!(schema.characteristics("User", "password").letters().contains('s'));
    }

    #[test]
    fn what_the_target_declares_is_listed() {
        let config = json(r#"{"patch":{"supported":true},"etag":{"supported":"False"},"bulk":7}"#);
        let schema = read(None, Some(&json(SCHEMAS)), Some(&config));
        let expected = [
            ("etag.supported", "false"),
            ("patch.supported", "true"),
            ("unique/User/externalId", "global"),
            ("unique/User/userName", "server"),
        ];
        let expected = expected.map(|(name, value)| (String::from(name), String::from(value)));
        assert_eq!(schema.declared(), expected);
    }

    #[test]
    fn resource_types_give_the_endpoints_and_user_and_group_come_first() {
        let types = json(
            r#"[{"name":"Device","endpoint":"/Devices","schema":"urn:acme:2.0:Device"},
                {"name":"User","endpoint":"https://a/scim/v2/People/","schema":"urn:ietf:params:scim:schemas:core:2.0:User"},
                {"name":"Broken"}]"#,
        );
        let expected = vec![("User", "People"), ("Group", "Groups"), ("Device", "Devices")];
        let expected: Vec<(String, String)> =
            expected.into_iter().map(|(name, path)| (name.into(), path.into())).collect();
        assert_eq!(read(Some(&types), None, None).endpoints(), expected);
    }

    /// RFC 7643 §6: a type that is known gains what its description adds, once, in whatever letter case.
    #[test]
    fn a_known_type_gains_extensions() {
        let types = json(
            r#"[{"name":"User","endpoint":"/Users","schema":"urn:ietf:params:scim:schemas:core:2.0:User",
                "schemaExtensions":[{"schema":"urn:acme:2.0:Badge"},{"schema":"URN:ACME:2.0:badge"}]}]"#,
        );
        let schema = read(Some(&types), None, None);
        let user = schema.types.iter().find(|of| of.name == "User").map(|of| &of.extensions);
        let badges =
            user.into_iter().flatten().filter(|urn| urn.eq_ignore_ascii_case("urn:acme:2.0:badge"));
        assert_eq!(badges.count(), 1);
        assert!(schema.is_extension("User", "urn:acme:2.0:badge"));
    }

    /// One level more than RFC 7643 §2.3.8 allows; what is deeper is left out.
    #[test]
    fn sub_attributes_are_read_to_a_depth() {
        let nested = json(
            r#"[{"id":"urn:x","attributes":[{"name":"a","subAttributes":[{"name":"b",
                "subAttributes":[{"name":"c","subAttributes":[{"name":"d"}]}]}]}]}]"#,
        );
        let expected = json(r#"{"schemas":{"urn:x":{"a":["",{"b":["",{"c":""}]}]}}}"#);
        assert_eq!(read(None, Some(&nested), None).to_document(), expected);
    }

    #[test]
    fn what_cannot_be_read_stays_at_rfc_7643() {
        let odd = json(r#"{"Resources":[7,{"id":3},{"id":"urn:x","attributes":"none"}]}"#);
        assert_eq!(read(Some(&odd), None, Some(&odd)), Schema::default());
    }

    fn json(text: &str) -> Value {
        parse(text.as_bytes(), &Limits::default()).expect("valid")
    }
}
