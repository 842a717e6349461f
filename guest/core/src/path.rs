//! PATCH paths: which values does an operation mean (RFC 7644 §3.5.2)?
//!
//! A path that cannot be read is [`PatchPath::Opaque`]: no error, and nothing is guessed.

mod filter;

use alloc::{borrow::ToOwned, format, string::String};

pub use filter::{Comparison, Filter};

use crate::schema::Schema;

/// What a path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchPath {
    /// These values.
    Place(Place),
    /// It cannot be read.
    Opaque,
}

/// An attribute, of it the elements that a filter chooses, of these a sub-attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The URN of the extension in lower case; none for a core attribute.
    pub urn: Option<String>,
    /// The attribute as given; empty for the extension as a whole.
    pub name: String,
    /// Which elements.
    pub filter: Option<Filter>,
    /// The sub-attribute as given.
    pub sub: Option<String>,
}

/// How long a path may be: a filter that lists 100 ids (AWS's limit of changes per PATCH) takes 5 KiB.
const LENGTH: usize = 16 << 10;

/// Reads a path of an operation on a resource of this type.
#[must_use]
pub fn read(path: &str, resource_type: &str, schema: &Schema) -> PatchPath {
    place(path.trim(), resource_type, schema).map_or(PatchPath::Opaque, PatchPath::Place)
}

fn place(path: &str, resource_type: &str, schema: &Schema) -> Option<Place> {
    if path.is_empty() || LENGTH < path.len() {
        return None;
    }
    let (urn, rest) = schema.split_urn(resource_type, path);
    if urn.is_some() && rest.is_empty() {
        return Some(Place { urn, name: String::new(), filter: None, sub: None });
    }
    let Some((name, tail)) = rest.split_once('[') else {
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(attribute_name(sub)?)),
            None => (rest, None),
        };
        return Some(Place { urn, name: attribute_name(name)?, filter: None, sub });
    };
    let (inside, behind) = replaysafe_json::split_filter(tail)?;
    let sub = match behind {
        "" => None,
        _ => Some(attribute_name(behind.strip_prefix('.')?)?),
    };
    let filter = Filter::read(inside)?;
    Some(Place { urn, name: attribute_name(name)?, filter: Some(filter), sub })
}

/// RFC 7643 §2.1: a letter, then letters, digits, `-` and `_`; `$ref` is the one exception.
fn attribute_name(text: &str) -> Option<String> {
    let bare = text.strip_prefix('$').unwrap_or(text);
    let begins = bare.chars().next()?.is_ascii_alphabetic();
    let goes_on = bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    (begins && goes_on).then(|| text.to_owned())
}

impl Place {
    /// A whole attribute.
    #[must_use]
    pub fn of(urn: Option<&str>, name: &str) -> Self {
        Self {
            urn: urn.map(str::to_ascii_lowercase),
            name: name.to_owned(),
            filter: None,
            sub: None,
        }
    }

    /// The attribute's key: its name, behind the extension's URN, in lower case.
    #[must_use]
    pub fn attribute_key(&self) -> String {
        attribute_key(self.urn.as_deref(), &self.name)
    }

    /// Whether it is about the same attribute as another: their keys are equal.
    pub(crate) fn is_of_attribute(&self, other: &Self) -> bool {
        let bytes = |place: &Self| key_parts(place.urn.as_deref(), &place.name).map(str::len);
        let [one, other] = [self, other];
        bytes(one).iter().sum::<usize>() == bytes(other).iter().sum::<usize>()
            && one.attribute_key() == other.attribute_key()
    }

    /// The key down to the sub-attribute, without the filter.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.sub {
            None => self.attribute_key(),
            Some(sub) => format!("{}.{}", self.attribute_key(), sub.to_ascii_lowercase()),
        }
    }
}

/// An attribute's key: its name, behind the extension's URN, in lower case.
pub(crate) fn attribute_key(urn: Option<&str>, name: &str) -> String {
    let mut key = key_parts(urn, name).concat();
    key.make_ascii_lowercase();
    key
}

/// What a key is made of, before its letters are lower case.
fn key_parts<'a>(urn: Option<&'a str>, name: &'a str) -> [&'a str; 3] {
    match urn {
        None => ["", "", name],
        Some(urn) if name.is_empty() => [urn, "", ""],
        Some(urn) => [urn, ":", name],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_an_attribute_a_filter_and_a_sub_attribute() {
        check("userName", "userName");
        check("name.givenName", "name / givenName");
        check("members[value eq \"a\"]", "members [value eq \"a\"]");
        check("emails[type eq \"work\"].value", "emails [type eq \"work\"] / value");
        check("members.$ref", "members / $ref");
    }

    /// RFC 7644 §3.5.2: a URN and a colon may stand before an attribute; a bare URN is the extension.
    #[test]
    fn a_urn_is_an_extension_unless_it_is_the_types_own() {
        check("urn:ietf:params:scim:schemas:core:2.0:User:active", "active");
        check(
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user: manager / value",
        );
        check(
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user: ",
        );
    }

    #[test]
    fn a_bracket_or_colon_in_quotes_is_text() {
        check("members[value eq \"a]:b\"]", "members [value eq \"a]:b\"]");
        check("members[value eq \"a\\\"]b\"]", "members [value eq \"a\\\"]b\"]");
    }

    #[test]
    fn what_cannot_be_read_is_opaque() {
        for path in [
            "",
            "[value eq 1]",
            "members[",
            "members[value]",
            "a.b.c",
            "a b",
            "members[x eq 1]y",
            "7",
        ] {
            check(path, "opaque");
        }
        let long = "a".repeat(LENGTH);
        check(&long, &long);
        check(&[&long, "a"].concat(), "opaque");
    }

    fn check(path: &str, expected: &str) {
        let shown = match read(path, "User", &Schema::default()) {
            PatchPath::Opaque => "opaque".into(),
            PatchPath::Place(place) => {
                let urn = place.urn.map(|urn| format!("{urn}: ")).unwrap_or_default();
                let filter = place.filter.map(|filter| format!(" [{filter}]")).unwrap_or_default();
                let sub = place.sub.map(|sub| format!(" / {sub}")).unwrap_or_default();
                format!("{urn}{}{filter}{sub}", place.name)
            }
        };
        assert_eq!(shown, expected, "{path}");
    }
}
