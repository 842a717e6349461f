//! What RFC 7643 says about attributes, as far as the reference needs it.

/// The URN of the enterprise extension (RFC 7643 §4.3).
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The URN of User (RFC 7643 §4.1).
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The URN of Group (RFC 7643 §4.2).
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// What an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One value without parts.
    Simple,
    /// `true` or `false`.
    Boolean,
    /// One value with sub-attributes.
    Complex,
    /// A list of values with sub-attributes.
    List,
    /// A list whose values are members, groups, roles or entitlements (S27).
    Edges,
    /// A client cannot set it.
    ReadOnly,
    /// It is never shown (S3a).
    Secret,
    /// The resource's own list of schemas.
    Schemas,
}

const COMMON: &[(&str, Kind)] = &[
    ("schemas", Kind::Schemas),
    ("id", Kind::ReadOnly),
    ("meta", Kind::ReadOnly),
    ("externalId", Kind::Simple),
    // Known to no schema: a name is a name.
    ("favouriteColour", Kind::Simple),
];

const OF_USER: &[(&str, Kind)] = &[
    ("userName", Kind::Simple),
    ("name", Kind::Complex),
    ("displayName", Kind::Simple),
    ("nickName", Kind::Simple),
    ("title", Kind::Simple),
    ("userType", Kind::Simple),
    ("preferredLanguage", Kind::Simple),
    ("active", Kind::Boolean),
    ("password", Kind::Secret),
    ("emails", Kind::List),
    ("phoneNumbers", Kind::List),
    ("addresses", Kind::List),
    ("groups", Kind::ReadOnly),
    ("entitlements", Kind::Edges),
    ("roles", Kind::Edges),
];

const OF_GROUP: &[(&str, Kind)] = &[("displayName", Kind::Simple), ("members", Kind::Edges)];

const OF_ENTERPRISE: &[(&str, Kind)] = &[
    ("employeeNumber", Kind::Simple),
    ("costCenter", Kind::Simple),
    ("organization", Kind::Simple),
    ("division", Kind::Simple),
    ("department", Kind::Simple),
    ("manager", Kind::Complex),
];

const PARTS: &[&str] = &[
    "value",
    "$ref",
    "display",
    "type",
    "primary",
    "formatted",
    "familyName",
    "givenName",
    "middleName",
    "displayName",
    "streetAddress",
    "locality",
    "region",
    "postalCode",
    "country",
];

/// The attributes of a resource type, or of an extension where `urn` is one.
#[must_use]
pub fn attributes(resource_type: &str, urn: Option<&str>) -> Vec<(&'static str, Kind)> {
    let own = match (resource_type, urn) {
        (_, Some(_)) => return OF_ENTERPRISE.to_vec(),
        ("Group", None) => OF_GROUP,
        _ => OF_USER,
    };
    COMMON.iter().chain(own).copied().collect()
}

/// An attribute's name as RFC 7643 spells it, and what it is; letter case is ignored (RFC 7643 §2.1).
#[must_use]
pub fn attribute(
    resource_type: &str,
    urn: Option<&str>,
    name: &str,
) -> Option<(&'static str, Kind)> {
    let all = attributes(resource_type, urn);
    all.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// A sub-attribute's name as RFC 7643 spells it.
#[must_use]
pub fn part(name: &str) -> String {
    let known = PARTS.iter().find(|known| known.eq_ignore_ascii_case(name));
    known.map_or_else(|| name.to_owned(), |known| (*known).to_owned())
}

/// Splits a URN of a schema that is known for this type from what stands behind it.
///
/// Gives the extension's URN, or none for the core schema; and the rest, empty for a bare URN.
#[must_use]
pub fn split_urn<'a>(
    resource_type: &str,
    text: &'a str,
) -> Option<(Option<&'static str>, &'a str)> {
    let core = if resource_type == "Group" { GROUP } else { USER };
    let mut known = vec![(core, None)];
    if resource_type == "User" {
        known.push((ENTERPRISE, Some(ENTERPRISE)));
    }
    known.into_iter().find_map(|(urn, extension)| {
        let head = text.get(..urn.len())?;
        let rest = text.get(urn.len()..)?;
        let rest = if rest.is_empty() { rest } else { rest.strip_prefix(':')? };
        head.eq_ignore_ascii_case(urn).then_some((extension, rest))
    })
}
