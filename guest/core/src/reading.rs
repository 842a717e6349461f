//! Small readings that several decisions share.

use alloc::{string::String, vec::Vec};

use crate::ordered::BTreeSet;

use replaysafe_json::Value;

use crate::{
    case::{Case, Ground, name, read_resource},
    path::{self, PatchPath},
    spelling,
    statement::{NamedKind, Operation, Statement},
    types::{Name, NameKind, Request},
};

/// The names that a resource, as the target shows it, is known by: external id and correlation values.
pub(crate) fn names_of(case: &Case<'_>, resource: &Value) -> Vec<Name> {
    let kind = &case.request.resource_type;
    let schema = &case.ground.schema;
    let correlation = case.ground.policy.correlation(kind);
    // Only what may hold a name is read. Nobody is known by members, and a group has thousands.
    let mut holding: Vec<String> = ["externalId", "userName"].map(String::from).into();
    holding.extend(correlation.iter().filter_map(|text| match path::read(text, kind, schema) {
        PatchPath::Place(place) => Some(place.name),
        PatchPath::Opaque => None,
    }));
    let holds = |member: &str| {
        let named = holding.iter().any(|name| name.eq_ignore_ascii_case(member));
        member.contains(':') || named && !member.eq_ignore_ascii_case("members")
    };
    let members = resource.as_object().into_iter().flatten().filter(|(member, _)| holds(member));
    let shown = Value::Object(members.map(|(member, value)| (member, value.clone())).collect());
    let Ok(shown) = Statement::read(Operation::Create, kind, None, Some(&shown), None, schema)
    else {
        return Vec::new();
    };
    let named = shown.names(correlation);
    named
        .into_iter()
        .filter_map(|named| match named.kind {
            NamedKind::TargetId => None,
            NamedKind::ExternalId => {
                Some(name(case.request, NameKind::ExternalId, "external-id", &named.coarse))
            }
            NamedKind::Correlation => {
                Some(name(case.request, NameKind::Correlation, &named.attribute, &named.coarse))
            }
        })
        .collect()
}

/// The parameters of the query in which two requests differ (RFC 7644 §3.9).
pub(crate) fn queries_differing(earlier: &Request, later: &Request) -> Vec<String> {
    let of = |request: &Request, name: &str| {
        request.extra.iter().find(|field| field.name == name).cloned()
    };
    let differ = QUERY.into_iter();
    differ.filter(|name| of(earlier, name) != of(later, name)).map(String::from).collect()
}

/// Whether `part` stands in `text`. The search of the standard library is a KB of code.
pub(crate) fn contains(text: &str, part: &str) -> bool {
    part.is_empty() || text.as_bytes().windows(part.len()).any(|at| at == part.as_bytes())
}

/// Whether a request has no parameters of the query.
pub(crate) fn asks_for_all(request: &Request) -> bool {
    !request.extra.iter().any(|field| QUERY.contains(&field.name.as_str()))
}

/// The parameters of the query (RFC 7644 §3.9).
const QUERY: [&str; 2] = ["attributes", "excluded-attributes"];

/// The parameters of the query and the top-level attributes in which two requests differ, by name (S4).
pub(crate) fn differing(earlier: &Request, later: &Request, _: &Ground<'_>) -> Vec<String> {
    let mut differ = queries_differing(earlier, later);
    let read = |request: &Request| request.body.as_deref().and_then(read_resource);
    let (Some(Value::Object(earlier)), Some(Value::Object(later))) = (read(earlier), read(later))
    else {
        return differ;
    };
    let names: BTreeSet<String> =
        earlier.iter().chain(later.iter()).map(|(name, _)| String::from(name)).collect();
    differ.extend(names.into_iter().filter(|name| earlier.find(name) != later.find(name)));
    differ
}

/// `false`, in the spellings that clients and targets use.
pub(crate) fn is_false(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::String(text) => spelling::truth(text) == Some(false),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    }
}
