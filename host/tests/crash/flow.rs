//! The six flows of which every step is stopped: what was there, what a client asks, and what is so in the end (A7).

use replaysafe::{call::Call, contract::Method};
use serde_json::{Value, json};

use crate::{
    service::Service,
    world::{call, create, create_with, delete, patch, replace, with_key},
};

/// What a client asks, one after the other.
pub(crate) struct Flow {
    pub(crate) name: &'static str,
    /// What was asked and answered before.
    pub(crate) before: Vec<Call>,
    /// A call that is under way when the others come. It is lost on its way to the target, and not repeated.
    pub(crate) lost: Option<Call>,
    pub(crate) calls: Vec<Call>,
    /// Whether the service is as it has to be in the end.
    pub(crate) holds: fn(&Service) -> bool,
}

impl Flow {
    pub(crate) fn create() -> Self {
        Self {
            name: "create",
            before: Vec::new(),
            lost: None,
            calls: vec![with_key(create_with(&with_secret()), "hire")],
            holds: |service| is(service, "password", "u1", SECRET) && service.sent() == ["POST"],
        }
    }

    pub(crate) fn replace() -> Self {
        let whole = json!({"userName": "ada", "externalId": "x-ada", "displayName": "Ada"});
        Self {
            name: "replace",
            before: vec![with_key(create("ada"), "hire")],
            lost: None,
            calls: vec![with_key(replace("u1", &whole), "whole")],
            holds: |service| {
                is(service, "displayName", "u1", "Ada") && service.sent() == ["POST", "PUT u1"]
            },
        }
    }

    /// The service adds a member twice that it is told of twice.
    pub(crate) fn patch() -> Self {
        let group = json!({"displayName": "staff", "members": [{"value": "u8"}]});
        let add = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "path": "members", "value": [{"value": "u9"}]}]
        });
        let of_group =
            |call: Call, key| with_key(Call { resource_type: "Group".into(), ..call }, key);
        Self {
            name: "patch",
            before: vec![of_group(create_with(&group), "staff")],
            lost: None,
            calls: vec![of_group(call(Method::Patch, Some("u1"), Some(&add)), "join")],
            holds: |service| {
                let members = json!([{"value": "u8"}, {"value": "u9"}]);
                service.users("members") == [("u1".to_owned(), members)]
                    && service.sent() == ["POST", "PATCH u1"]
            },
        }
    }

    pub(crate) fn delete() -> Self {
        Self {
            name: "delete",
            before: vec![with_key(create("ada"), "hire")],
            lost: None,
            calls: vec![with_key(delete("u1"), "leave")],
            holds: |service| {
                service.users("userName").is_empty() && service.sent() == ["POST", "DELETE u1"]
            },
        }
    }

    /// S21: a return is a new life.
    pub(crate) fn rehire() -> Self {
        Self {
            name: "rehire",
            before: Vec::new(),
            lost: None,
            calls: vec![
                with_key(create_with(&with_secret()), "hire"),
                with_key(delete("u1"), "leave"),
                with_key(create_with(&with_secret()), "again"),
            ],
            holds: |service| {
                is(service, "userName", "u2", "ada")
                    && service.sent() == ["POST", "DELETE u1", "POST"]
            },
        }
    }

    /// S14c: a revocation passes a grant of which nobody knows whether it will land.
    pub(crate) fn revoke() -> Self {
        Self {
            name: "revoke",
            before: vec![
                with_key(create("ada"), "hire"),
                with_key(patch("u1", "active", &json!(false)), "suspend"),
            ],
            lost: Some(with_key(patch("u1", "active", &json!(true)), "grant")),
            calls: vec![with_key(patch("u1", "active", &json!(false)), "revoke")],
            holds: |service| {
                service.users("active") == [("u1".to_owned(), json!(false))]
                    && service.sent().iter().filter(|sent| *sent == "POST").count() == 1
            },
        }
    }

    pub(crate) fn all() -> [Self; 6] {
        [
            Self::create(),
            Self::replace(),
            Self::patch(),
            Self::delete(),
            Self::rehire(),
            Self::revoke(),
        ]
    }
}

/// What stands in no file and in no answer, whatever stops or fails (S3a, A14).
pub(crate) const SECRET: &str = "Qz9!canary/7f3e~R";

fn with_secret() -> Value {
    json!({"userName": "ada", "externalId": "x-ada", "active": true, "password": SECRET})
}

/// Whether there is one resource, this one, and its attribute is so.
fn is(service: &Service, attribute: &str, id: &str, value: &str) -> bool {
    service.users(attribute) == [(id.to_owned(), Value::from(value))]
}
