//! A PatchOp on an observed resource: paths, filters, values, and what is left to send.

#![no_main]

use libfuzzer_sys::fuzz_target;
use replaysafe_core::{
    schema::Schema,
    statement::{Allowance, Body, Operation, Statement},
};
use replaysafe_json::{Limits, Value, parse};

const RESOURCE: &str = r#"{"id":"u1","userName":"ann","active":true,"title":"Chief",
  "name":{"givenName":"Ann","familyName":"B"},
  "emails":[{"type":"work","value":"a@x","primary":true},{"type":"home","value":"b@x"}],
  "roles":[{"value":"admin","type":"t"},{"value":"reader"}],
  "members":[{"value":"a"},{"value":"b","type":"User"}],
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"ops"}}"#;

// A body, or after a NUL byte a second one that is read as the resource.
fuzz_target!(|text: &[u8]| {
    let (body, resource) = match text.iter().position(|byte| *byte == 0) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, RESOURCE.as_bytes()),
    };
    let Ok(body) = parse(body, &Limits::request()) else { return };
    let Ok(resource) = parse(resource, &Limits::request()) else { return };
    if resource.as_object().is_none() {
        return;
    }
    let schema = Schema::default();
    for kind in ["User", "Group"] {
        let read = |body: &Value| {
            Statement::read(Operation::Patch, kind, Some("u1"), Some(body), None, &schema)
        };
        let Ok(statement) = read(&body) else { continue };
        let same = parse(body.to_string().as_bytes(), &Limits::request()).expect("canonical");
        let again = read(&same).expect("readable as before");
        assert_eq!(statement.fingerprint(), again.fingerprint(), "S3");
        let difference = statement.against(&resource, &schema, &Allowance::default());
        assert!(!(difference.satisfied && difference.opaque), "what is opaque is never satisfied");
        let taking = Allowance { only_taking: true, ..Allowance::default() };
        let only = statement.against(&resource, &schema, &taking);
        let Body::Rewritten(rest) = &only.body else { continue };
        if only.nothing_left {
            continue;
        }
        // Whatever is sent to a parked identity gives nothing (S14c).
        let rest = read(rest).expect("what is sent is readable");
        let given = rest.against(&resource, &schema, &Allowance::default());
        assert!(given.gives.is_empty(), "gives {:?}", given.gives);
    }
});
