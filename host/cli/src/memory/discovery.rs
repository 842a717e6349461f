//! What the in-memory service says about itself (RFC 7644 §4).

use serde_json::{Value, json};

use super::behaviour::{Behaviour, Filtering};

/// The discovery document at a path below the base; none if there is none.
pub(super) fn document(path: &str, behaviour: &Behaviour) -> Option<Value> {
    match path {
        "/ServiceProviderConfig" => Some(service_provider_config(behaviour)),
        "/ResourceTypes" => Some(list(&[
            resource_type("User", "/Users", &[ENTERPRISE]),
            resource_type("Group", "/Groups", &[]),
        ])),
        "/ResourceTypes/User" => Some(resource_type("User", "/Users", &[ENTERPRISE])),
        "/ResourceTypes/Group" => Some(resource_type("Group", "/Groups", &[])),
        "/Schemas" => Some(list(&schemas(behaviour))),
        _ => {
            let id = path.strip_prefix("/Schemas/")?;
            schemas(behaviour)
                .into_iter()
                .find(|schema| schema.get("id").is_some_and(|held| held == id))
        }
    }
}

fn service_provider_config(behaviour: &Behaviour) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {
            "supported": behaviour.filtering != Filtering::Refused,
            "maxResults": behaviour.page_most,
        },
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": behaviour.etags},
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "Bearer token", "description": "A fixed token",
        }],
    })
}

fn resource_type(name: &str, endpoint: &str, extensions: &[&str]) -> Value {
    let extensions: Vec<Value> =
        extensions.iter().map(|schema| json!({"schema": schema, "required": false})).collect();
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": name,
        "name": name,
        "endpoint": endpoint,
        "schema": format!("urn:ietf:params:scim:schemas:core:2.0:{name}"),
        "schemaExtensions": extensions,
    })
}

fn schemas(behaviour: &Behaviour) -> Vec<Value> {
    let unique = if behaviour.unique_user_names { "server" } else { "none" };
    let user_name = attribute("userName", "string", false);
    let user_name = with(with(user_name, "required", json!(true)), "uniqueness", json!(unique));
    let password = attribute("password", "string", false);
    let password = with(password, "mutability", json!("writeOnly"));
    let password = with(password, "returned", json!("never"));
    let groups = with(plural("groups"), "mutability", json!("readOnly"));
    let names = [
        "formatted",
        "familyName",
        "givenName",
        "middleName",
        "honorificPrefix",
        "honorificSuffix",
    ];
    let user = [
        user_name,
        complex("name", false, &names),
        attribute("displayName", "string", false),
        attribute("nickName", "string", false),
        attribute("profileUrl", "reference", false),
        attribute("title", "string", false),
        attribute("userType", "string", false),
        attribute("preferredLanguage", "string", false),
        attribute("locale", "string", false),
        attribute("timezone", "string", false),
        attribute("active", "boolean", false),
        password,
        plural("emails"),
        plural("phoneNumbers"),
        plural("ims"),
        plural("photos"),
        complex(
            "addresses",
            true,
            &["formatted", "streetAddress", "locality", "region", "postalCode", "country", "type"],
        ),
        groups,
        plural("entitlements"),
        plural("roles"),
        plural("x509Certificates"),
    ];
    let group = [attribute("displayName", "string", false), plural("members")];
    let enterprise = [
        attribute("employeeNumber", "string", false),
        attribute("costCenter", "string", false),
        attribute("organization", "string", false),
        attribute("division", "string", false),
        attribute("department", "string", false),
        complex("manager", false, &["value", "$ref", "displayName"]),
    ];
    vec![
        schema("urn:ietf:params:scim:schemas:core:2.0:User", "User", &user),
        schema("urn:ietf:params:scim:schemas:core:2.0:Group", "Group", &group),
        schema(ENTERPRISE, "EnterpriseUser", &enterprise),
    ]
}

fn schema(id: &str, name: &str, attributes: &[Value]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": id,
        "name": name,
        "attributes": attributes,
    })
}

fn attribute(name: &str, kind: &str, many: bool) -> Value {
    json!({
        "name": name,
        "type": kind,
        "multiValued": many,
        "required": false,
        "caseExact": false,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "none",
    })
}

fn complex(name: &str, many: bool, subs: &[&str]) -> Value {
    let subs = subs.iter().map(|sub| attribute(sub, "string", false)).collect();
    with(attribute(name, "complex", many), "subAttributes", Value::Array(subs))
}

fn plural(name: &str) -> Value {
    let mut subs: Vec<Value> = ["value", "display", "type", "$ref"]
        .iter()
        .map(|sub| attribute(sub, "string", false))
        .collect();
    subs.push(attribute("primary", "boolean", false));
    with(attribute(name, "complex", true), "subAttributes", Value::Array(subs))
}

/// The same object with this member.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
    object
}

fn list(resources: &[Value]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": resources.len(),
        "startIndex": 1,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
