//! The attributes of RFC 7643 §4, §7 and §8.7, one a line: name, letters, sub-attributes.
//!
//! The letters: `b` boolean, `c` complex, `m` multi-valued, `r` read-only, `s` secret, `x` letter case matters. They are tables of the program: a call that
//! builds a map of them has built most of what it needs a map for.

use alloc::borrow::ToOwned;

use super::{Attribute, Attributes, Characteristics};

/// An attribute of RFC 7643.
#[derive(Debug)]
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) is: Characteristics,
    parts: &'static [BuiltIn],
}

impl BuiltIn {
    /// The sub-attribute of this name, in whatever letter case.
    pub(super) fn part(&self, name: &str) -> Option<&'static Self> {
        named(self.parts, name)
    }
}

/// What the schema of this URN says of an attribute; both in whatever letter case.
pub(super) fn find(urn: &str, name: &str) -> Option<&'static BuiltIn> {
    schema(urn)?.iter().find_map(|table| named(table, name))
}

/// Whether RFC 7643 has a schema of this URN.
pub(super) fn has(urn: &str) -> bool {
    schema(urn).is_some()
}

/// The attributes of a schema, to be added to.
pub(super) fn attributes(urn: &str) -> Option<Attributes> {
    let mut all = Attributes::new();
    schema(urn)?.iter().for_each(|table| add(&mut all, table));
    Some(all)
}

fn add(to: &mut Attributes, table: &[BuiltIn]) {
    for BuiltIn { name, is, parts } in table {
        let mut attribute =
            Attribute { name: (*name).to_owned(), is: *is, parts: Attributes::new() };
        add(&mut attribute.parts, parts);
        to.insert(name.to_ascii_lowercase(), attribute);
    }
}

fn schema(urn: &str) -> Option<&'static [&'static [BuiltIn]]> {
    let (_, tables) = SCHEMAS.iter().find(|(known, _)| known.eq_ignore_ascii_case(urn))?;
    Some(tables)
}

fn named(table: &'static [BuiltIn], name: &str) -> Option<&'static BuiltIn> {
    table.iter().find(|one| one.name.eq_ignore_ascii_case(name))
}

macro_rules! attributes {
    ($($name:literal $($letters:literal)? $([$($part:literal $($its:literal)?),*])?,)*) => {&[$(
        BuiltIn {
            name: $name,
            is: Characteristics::of(concat!($($letters)?)),
            parts: &[$($(BuiltIn { name: $part, is: Characteristics::of(concat!($($its)?)), parts: &[] }),*)?],
        },
    )*]};
}

pub(super) const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(super) const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const ENTERPRISE_URN: &str =
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The schemas, each with the tables of its attributes.
pub(super) const SCHEMAS: [(&str, &[&[BuiltIn]]); 3] =
    [(USER_URN, &[COMMON, USER]), (GROUP_URN, &[COMMON, GROUP]), (ENTERPRISE_URN, &[ENTERPRISE])];

/// RFC 7643 §3 and §3.1: every resource has these.
const COMMON: &[BuiltIn] = attributes! {
    "schemas" "m",
    "id" "rx",
    "externalId" "x",
    "meta" "cr" ["resourceType" "rx", "created" "r", "lastModified" "r", "location" "rx", "version" "rx"],
};

/// RFC 7643 §4.1.
const USER: &[BuiltIn] = attributes! {
    "userName",
    "name" "c" ["formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix"],
    "displayName",
    "nickName",
    "profileUrl" "x",
    "title",
    "userType",
    "preferredLanguage",
    "locale",
    "timezone",
    "active" "b",
    "password" "sx",
    "emails" "cm" ["value", "display", "type", "primary" "b"],
    "phoneNumbers" "cm" ["value", "display", "type", "primary" "b"],
    "ims" "cm" ["value", "display", "type", "primary" "b"],
    "photos" "cm" ["value" "x", "display", "type", "primary" "b"],
    "addresses" "cm" ["formatted", "streetAddress", "locality", "region", "postalCode", "country", "type", "primary" "b"],
    "groups" "cmr" ["value" "x", "$ref" "x", "display", "type"],
    "entitlements" "cm" ["value" "x", "display", "type", "primary" "b"],
    "roles" "cm" ["value" "x", "display", "type", "primary" "b"],
    "x509Certificates" "cm" ["value" "x", "display", "type", "primary" "b"],
};

/// RFC 7643 §4.2. A member's `value` is an id, and ids are exact.
const GROUP: &[BuiltIn] = attributes! {
    "displayName",
    "members" "cm" ["value" "x", "$ref" "x", "display", "type"],
};

/// RFC 7643 §4.3.
const ENTERPRISE: &[BuiltIn] = attributes! {
    "employeeNumber",
    "costCenter",
    "organization",
    "division",
    "department",
    "manager" "c" ["value" "x", "$ref" "x", "displayName" "r"],
};
