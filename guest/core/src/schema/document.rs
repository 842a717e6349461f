//! How is a schema written down? Only what RFC 7643 does not say is.

use alloc::{borrow::ToOwned, format, string::String, sync::Arc, vec::Vec};

use replaysafe_json::{Object, Value};

use super::{Attribute, Attributes, Characteristics, ResourceType, Schema, built_in};

pub(super) fn write(schema: &Schema) -> Value {
    let mut document = Object::new();
    if schema.types != Schema::default().types {
        let types: Vec<Value> = schema.types.iter().map(write_type).collect();
        document.insert("types", types);
    }
    let schemas: Object = schema
        .added
        .iter()
        .filter(|(urn, attributes)| built_in::attributes(urn).as_ref() != Some(*attributes))
        .map(|(urn, attributes)| (urn.clone(), write_attributes(attributes)))
        .collect();
    if !schemas.is_empty() {
        document.insert("schemas", schemas);
    }
    if !schema.declared.is_empty() {
        let declared: Object =
            schema.declared.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        document.insert("declared", declared);
    }
    Value::Object(document)
}

pub(super) fn read(document: &Value) -> Result<Schema, String> {
    let mut schema = Schema::default();
    let document = object(document, "schema")?;
    for (member, value) in document {
        match AsRef::<str>::as_ref(member) {
            "types" => {
                let items = value.as_array().ok_or("`types` is not an array")?;
                schema.types = items.iter().map(read_type).collect::<Result<_, _>>()?;
            }
            "schemas" => {
                for (urn, attributes) in object(value, "schemas")? {
                    Arc::make_mut(&mut schema.added)
                        .insert(urn.to_ascii_lowercase(), read_attributes(attributes)?);
                }
            }
            "declared" => {
                for (name, said) in object(value, "declared")? {
                    schema.declared.insert(name.to_owned(), text(Some(said), "declared")?);
                }
            }
            _ => return Err(format!("`{member}` is unknown")),
        }
    }
    Ok(schema)
}

fn write_type(of: &ResourceType) -> Value {
    let extensions: Vec<Value> =
        of.extensions.iter().map(|urn| Value::from(urn.as_str())).collect();
    let members: Object = [
        ("name", Value::from(of.name.as_str())),
        ("path", Value::from(of.path.as_str())),
        ("schema", Value::from(of.urn.as_str())),
        ("extensions", Value::from(extensions)),
    ]
    .into_iter()
    .collect();
    Value::Object(members)
}

fn read_type(value: &Value) -> Result<ResourceType, String> {
    let extensions = value.find("extensions").and_then(Value::as_array).unwrap_or_default();
    Ok(ResourceType {
        name: text(value.find("name"), "types")?,
        path: text(value.find("path"), "types")?,
        urn: text(value.find("schema"), "types")?,
        extensions: extensions
            .iter()
            .map(|urn| text(Some(urn), "extensions"))
            .collect::<Result<_, _>>()?,
    })
}

/// An attribute is its letters, or an array of its letters and its sub-attributes.
fn write_attributes(attributes: &Attributes) -> Value {
    let members: Object = attributes
        .values()
        .map(|attribute| {
            let letters = Value::String(attribute.is.letters());
            let value = if attribute.parts.is_empty() {
                letters
            } else {
                Value::from(alloc::vec![letters, write_attributes(&attribute.parts)])
            };
            (attribute.name.clone(), value)
        })
        .collect();
    Value::Object(members)
}

fn read_attributes(value: &Value) -> Result<Attributes, String> {
    let mut attributes = Attributes::new();
    for (name, value) in object(value, "attributes")? {
        let (letters, parts) = match value.as_array() {
            Some([letters, parts]) => (letters, read_attributes(parts)?),
            Some(_) => return Err(format!("`{name}` has not two elements")),
            None => (value, Attributes::new()),
        };
        let is = Characteristics::of(&text(Some(letters), name)?);
        let attribute = Attribute { name: name.to_owned(), is, parts };
        attributes.insert(name.to_ascii_lowercase(), attribute);
    }
    Ok(attributes)
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Object, String> {
    value.as_object().ok_or_else(|| format!("`{what}` is not an object"))
}

fn text(value: Option<&Value>, what: &str) -> Result<String, String> {
    let text = value.and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| format!("`{what}` has something that is not text"))
}

#[cfg(test)]
mod tests {
    use replaysafe_json::{Limits, parse};

    use super::*;

    #[test]
    fn the_core_schemas_are_an_empty_document() {
        assert_eq!(replaysafe_json::canonical(&write(&Schema::default())), "{}");
        assert_eq!(read(&json("{}")), Ok(Schema::default()));
    }

    #[test]
    fn a_schema_survives_being_written_and_read() {
        let schemas = json(
            r#"[{"id":"urn:acme:2.0:Badge","attributes":[{"name":"doors","multiValued":true,"type":"complex",
                "subAttributes":[{"name":"open","type":"boolean"}]},{"name":"pin","returned":"never"}]}]"#,
        );
        let types =
            json(r#"[{"name":"Badge","endpoint":"/Badges","schema":"urn:acme:2.0:Badge"}]"#);
        let schema = Schema::read(
            Some(&types),
            Some(&schemas),
            Some(&json(r#"{"etag":{"supported":true}}"#)),
        );
        assert_eq!(read(&write(&schema)), Ok(schema));
    }

    #[test]
    fn another_shape_is_an_error() {
        check("7", "`schema` is not an object");
        check(r#"{"colour":1}"#, "`colour` is unknown");
        check(r#"{"types":{}}"#, "`types` is not an array");
        check(r#"{"schemas":{"u":{"a":["x"]}}}"#, "`a` has not two elements");
        check(r#"{"declared":{"a":1}}"#, "`declared` has something that is not text");
    }

    fn check(given: &str, expected: &str) {
        assert_eq!(read(&json(given)), Err(expected.into()));
    }

    fn json(text: &str) -> Value {
        parse(text.as_bytes(), &Limits::default()).expect("valid")
    }
}
