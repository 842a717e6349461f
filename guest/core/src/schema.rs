//! What is known about attributes?
//!
//! RFC 7643 is built in; a target's discovery answers add to it. They are claims: what RFC 7643 says of a core attribute stays.

mod built_in;
mod discovery;
mod document;
mod secrets;

use alloc::{borrow::ToOwned, string::String, sync::Arc, vec::Vec};

use crate::ordered::BTreeMap;

use replaysafe_json::{Path, Value, sort_by};

pub(crate) use built_in::ENTERPRISE_URN;
use built_in::{COMMON, ENTERPRISE, GROUP, GROUP_URN, USER, USER_URN};

use crate::spelling;

/// What is known about a target's attributes: RFC 7643, and what its discovery endpoints add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    types: Vec<ResourceType>,
    /// By URN in lower case; shared, since each statement has its schema.
    schemas: Arc<BTreeMap<String, Attributes>>,
    declared: BTreeMap<String, String>,
}

/// What is known about one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Characteristics {
    /// Some schema names it.
    pub known: bool,
    /// Its type is boolean.
    pub boolean: bool,
    /// It has sub-attributes.
    pub complex: bool,
    /// It holds a set of values.
    pub multi_valued: bool,
    /// A client cannot set it.
    pub read_only: bool,
    /// It is never shown: `returned: never`, or `mutability: writeOnly`.
    pub secret: bool,
    /// Letter case matters.
    pub case_exact: bool,
}

/// Attributes by name in lower case.
type Attributes = BTreeMap<String, Attribute>;

#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Attribute {
    name: String,
    is: Characteristics,
    parts: Attributes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ResourceType {
    name: String,
    path: String,
    urn: String,
    extensions: Vec<String>,
}

impl Schema {
    /// Reads the answers of `/ResourceTypes`, `/Schemas` and `/ServiceProviderConfig`.
    ///
    /// What is missing or cannot be read stays at RFC 7643.
    ///
    /// Source: RFC 7644 §4, RFC 7643 §5 to §7.
    #[must_use]
    pub fn read(
        resource_types: Option<&Value>,
        schemas: Option<&Value>,
        config: Option<&Value>,
    ) -> Self {
        discovery::read(resource_types, schemas, config)
    }

    /// Reads what [`Schema::to_document`] has written.
    ///
    /// # Errors
    ///
    /// Where the document has another shape; the text says where.
    pub fn from_document(document: &Value) -> Result<Self, String> {
        document::read(document)
    }

    /// What is known beyond RFC 7643, as a document; `{}` for nothing.
    #[must_use]
    pub fn to_document(&self) -> Value {
        document::write(self)
    }

    /// The resource types, each with its path without slash; `User` and `Group` first.
    #[must_use]
    pub fn endpoints(&self) -> Vec<(String, String)> {
        self.types.iter().map(|of| (of.name.clone(), of.path.clone())).collect()
    }

    /// What the target says about itself, sorted by name.
    ///
    /// `patch.supported`, `bulk.supported`, `filter.supported`, `etag.supported`: `true` or `false`; `unique/User/userName`: `server` or `global`. What it does not say is not there.
    #[must_use]
    pub fn declared(&self) -> Vec<(String, String)> {
        self.declared.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The paths that hold secrets in a document about a resource of this type (S3a).
    ///
    /// The document may be the resource, a `PatchOp`, or a list. Wherever the password can stand it is named, whatever the type.
    #[must_use]
    pub fn secret_paths(&self, resource_type: &str) -> Vec<Path> {
        secrets::paths(self, resource_type)
    }

    /// What is known about an attribute of a resource type.
    ///
    /// `path`: `name`, `name.sub`, or either behind a URN and a colon. Letter case is ignored.
    #[must_use]
    pub fn characteristics(&self, resource_type: &str, path: &str) -> Characteristics {
        let (urn, rest) = self.split_urn(resource_type, path);
        let (name, sub) =
            rest.split_once('.').map_or((rest, None), |(name, sub)| (name, Some(sub)));
        self.find(resource_type, urn.as_deref(), name, sub)
    }

    /// The same, by parts. `urn`: of the extension; none for a core attribute.
    pub(crate) fn find(
        &self,
        resource_type: &str,
        urn: Option<&str>,
        name: &str,
        sub: Option<&str>,
    ) -> Characteristics {
        let found = self.attribute(resource_type, urn, name);
        let found = match sub {
            None => found,
            Some(sub) => found.and_then(|of| of.parts.get(&sub.to_ascii_lowercase())),
        };
        found.map(|of| of.is).unwrap_or_default()
    }

    /// The name as the schema spells it; else as given.
    pub(crate) fn spelled(&self, resource_type: &str, urn: Option<&str>, name: &str) -> String {
        self.attribute(resource_type, urn, name)
            .map_or_else(|| name.to_owned(), |of| of.name.clone())
    }

    /// A sub-attribute's name as the schema spells it; else as given.
    pub(crate) fn part_spelled(
        &self,
        resource_type: &str,
        urn: Option<&str>,
        name: &str,
        sub: &str,
    ) -> String {
        let attribute = self.attribute(resource_type, urn, name);
        let part = attribute.and_then(|of| of.parts.get(&sub.to_ascii_lowercase()));
        part.map_or_else(|| sub.to_owned(), |of| of.name.clone())
    }

    /// Splits a path into the URN of an extension, if there is one, and what is behind it.
    ///
    /// The URNs of SCIM 1.0 are those of today. Known URNs are tried first: their version has a dot, and their last part may look like an attribute. The type's own URN is no extension's. Else the last colon splits (RFC 7644 §3.5.2).
    pub(crate) fn split_urn<'a>(
        &self,
        resource_type: &str,
        path: &'a str,
    ) -> (Option<String>, &'a str) {
        if !path.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) {
            return (None, path);
        }
        let own = self.core_urn(resource_type);
        if let Some(rest) = behind(path, &own) {
            return if rest.is_empty() { (Some(own), rest) } else { (None, rest) };
        }
        match spelling::of_today(path) {
            Some((Some(extension), rest)) => return (Some(extension.to_ascii_lowercase()), rest),
            Some((None, "")) => return (Some(own), ""),
            Some((None, rest)) => return (None, rest),
            None => {}
        }
        // The longest first: one URN may begin like another.
        let mut known: Vec<&String> = self.schemas.keys().collect();
        sort_by(&mut known, |one, other| other.len().cmp(&one.len()));
        for urn in known {
            if let Some(rest) = behind(path, urn) {
                return (Some(urn.clone()), rest);
            }
        }
        let head = path.split_once('[').map_or(path, |(head, _)| head);
        let Some((urn, _)) = head.rsplit_once(':') else { return (None, path) };
        let rest = path.get(urn.len() + 1..).unwrap_or_default();
        (Some(urn.to_ascii_lowercase()), rest)
    }

    /// Whether a member of this name holds an extension's attributes.
    pub(crate) fn is_extension(&self, resource_type: &str, name: &str) -> bool {
        name.contains(':') && {
            let lower = name.to_ascii_lowercase();
            lower != self.core_urn(resource_type) && self.schemas.contains_key(&lower)
        }
    }

    /// The URN of the type's own schema, in lower case.
    pub(crate) fn core_urn(&self, resource_type: &str) -> String {
        self.urn(resource_type).unwrap_or(USER_URN).to_ascii_lowercase()
    }

    /// The URN of the type's own schema, as the target spells it; none of a type that it does not have.
    pub(crate) fn urn(&self, resource_type: &str) -> Option<&str> {
        let found = self.types.iter().find(|of| of.name.eq_ignore_ascii_case(resource_type));
        found.map(|of| of.urn.as_str())
    }

    fn attribute(&self, resource_type: &str, urn: Option<&str>, name: &str) -> Option<&Attribute> {
        let urn = urn.map_or_else(|| self.core_urn(resource_type), str::to_ascii_lowercase);
        self.schemas.get(&urn)?.get(&name.to_ascii_lowercase())
    }
}

/// RFC 7643.
impl Default for Schema {
    fn default() -> Self {
        #[cfg(feature = "std")]
        {
            std::thread_local!(static RFC_7643: Schema = rfc_7643());
            RFC_7643.with(Clone::clone)
        }
        #[cfg(not(feature = "std"))]
        rfc_7643()
    }
}

fn rfc_7643() -> Schema {
    let kinds = [
        ("User", "Users", USER_URN, alloc::vec![ENTERPRISE_URN.to_owned()]),
        ("Group", "Groups", GROUP_URN, Vec::new()),
    ];
    let types = kinds
        .into_iter()
        .map(|(name, path, urn, extensions)| ResourceType {
            name: name.into(),
            path: path.into(),
            urn: urn.into(),
            extensions,
        })
        .collect();
    let schemas = [
        (USER_URN, [COMMON, USER].as_slice()),
        (GROUP_URN, &[COMMON, GROUP]),
        (ENTERPRISE_URN, &[ENTERPRISE]),
    ]
    .into_iter()
    .map(|(urn, tables)| (urn.to_ascii_lowercase(), attributes(tables)))
    .collect();
    Schema { types, schemas: Arc::new(schemas), declared: BTreeMap::new() }
}

/// What stands behind `urn` and a colon in `path`; empty if the path is the URN alone.
pub(crate) fn behind<'a>(path: &'a str, urn: &str) -> Option<&'a str> {
    let head = path.get(..urn.len())?;
    if !head.eq_ignore_ascii_case(urn) {
        return None;
    }
    let rest = path.get(urn.len()..)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(':') }
}

/// The attributes that tables as in `built_in` name.
fn attributes(tables: &[&str]) -> Attributes {
    let lines = tables.iter().flat_map(|table| table.lines());
    let entries = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let mut attribute = word(words.next()?);
        attribute.parts.extend(words.map(word).map(keyed));
        Some(keyed(attribute))
    });
    // Not `collect`, which sorts first: a sort is 5 KB of code for each kind of map.
    let mut attributes = Attributes::new();
    attributes.extend(entries);
    attributes
}

fn word(text: &str) -> Attribute {
    let (name, letters) = text.split_once(':').unwrap_or((text, ""));
    Attribute { name: name.into(), is: Characteristics::of(letters), parts: Attributes::new() }
}

fn keyed(attribute: Attribute) -> (String, Attribute) {
    (attribute.name.to_ascii_lowercase(), attribute)
}

impl Characteristics {
    fn of(letters: &str) -> Self {
        let has = |letter| letters.contains(letter);
        Self {
            known: true,
            boolean: has('b'),
            complex: has('c'),
            multi_valued: has('m'),
            read_only: has('r'),
            secret: has('s'),
            case_exact: has('x'),
        }
    }

    fn letters(self) -> String {
        let all = [
            ('b', self.boolean),
            ('c', self.complex),
            ('m', self.multi_valued),
            ('r', self.read_only),
            ('s', self.secret),
            ('x', self.case_exact),
        ];
        all.into_iter().filter(|(_, is)| *is).map(|(letter, _)| letter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rfc_7643_says_is_built_in() {
        check("User", "userName", "");
        check("User", "ACTIVE", "b");
        check("User", "password", "sx");
        check("User", "emails", "cm");
        check("User", "emails.primary", "b");
        check("User", "groups", "cmr");
        check("Group", "members.value", "x");
        check("User", "urn:ietf:params:scim:schemas:core:2.0:User:active", "b");
        check("User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", "c");
        check(
            "User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager.displayName",
            "r",
        );
    }

    #[test]
    fn an_attribute_that_no_schema_names_is_unknown() {
        let schema = Schema::default();
        assert_eq!(schema.characteristics("User", "shoeSize"), Characteristics::default());
        assert_eq!(schema.characteristics("User", "urn:x:y:shoeSize"), Characteristics::default());
    }

    #[test]
    fn a_urn_is_split_at_the_known_schema_first() {
        let schema = Schema::default();
        let split = |path| schema.split_urn("User", path);
        let enterprise = Some(ENTERPRISE_URN.to_ascii_lowercase());
        assert_eq!(split("userName"), (None, "userName"));
        assert_eq!(split(ENTERPRISE_URN), (enterprise.clone(), ""));
        assert_eq!(
            split("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"),
            (enterprise, "manager.value")
        );
        assert_eq!(
            split("urn:x:2.0:Thing:a[b eq \"c:d\"].e"),
            (Some("urn:x:2.0:thing".into()), "a[b eq \"c:d\"].e")
        );
    }

    fn check(resource_type: &str, path: &str, letters: &str) {
        let found = Schema::default().characteristics(resource_type, path);
        assert_eq!((found.known, found.letters().as_str()), (true, letters), "{path}");
    }
}
