//! What is known about attributes?
//!
//! RFC 7643 is built in; a target's discovery answers add to it. They are claims: what RFC 7643 says of a core attribute stays.

mod built_in;
mod discovery;
mod document;
mod secrets;

use alloc::{borrow::ToOwned, string::String, sync::Arc, vec::Vec};
use core::cmp::Ordering;

use crate::ordered::BTreeMap;

use replaysafe_json::{Path, Value, sort_by};

pub(crate) use built_in::ENTERPRISE_URN;
use built_in::{BuiltIn, GROUP_URN, USER_URN};

use crate::spelling;

/// What is known about a target's attributes: RFC 7643, and what its discovery endpoints add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    types: Vec<ResourceType>,
    /// Schemas that RFC 7643 does not have, or has otherwise, by URN in lower case; shared, since each statement has its schema.
    added: Arc<BTreeMap<String, Attributes>>,
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
            Some(sub) => found.and_then(|of| of.part(sub)),
        };
        found.map(Known::is).unwrap_or_default()
    }

    /// The name as the schema spells it; else as given.
    pub(crate) fn spelled(&self, resource_type: &str, urn: Option<&str>, name: &str) -> String {
        self.attribute(resource_type, urn, name).map_or(name, Known::name).to_owned()
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
        attribute.and_then(|of| of.part(sub)).map_or(sub, Known::name).to_owned()
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
        let built_in = built_in::SCHEMAS.iter().map(|(urn, _)| *urn);
        let mut known: Vec<&str> = self.added.keys().map(String::as_str).chain(built_in).collect();
        sort_by(&mut known, |one, other| other.len().cmp(&one.len()));
        for urn in known {
            if let Some(rest) = behind(path, urn) {
                return (Some(urn.to_ascii_lowercase()), rest);
            }
        }
        let head = path.split_once('[').map_or(path, |(head, _)| head);
        let Some((urn, _)) = head.rsplit_once(':') else { return (None, path) };
        let rest = path.get(urn.len() + 1..).unwrap_or_default();
        (Some(urn.to_ascii_lowercase()), rest)
    }

    /// Whether a member of this name holds an extension's attributes.
    pub(crate) fn is_extension(&self, resource_type: &str, name: &str) -> bool {
        let own = self.urn(resource_type).unwrap_or(USER_URN);
        name.contains(':') && !name.eq_ignore_ascii_case(own) && self.has(name)
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

    fn attribute(&self, resource_type: &str, urn: Option<&str>, name: &str) -> Option<Known<'_>> {
        let urn = urn.or_else(|| self.urn(resource_type)).unwrap_or(USER_URN);
        match self.added(urn) {
            Some(attributes) => attribute_in(attributes, name).map(Known::Added),
            None => built_in::find(urn, name).map(Known::BuiltIn),
        }
    }

    /// Whether there is a schema of this URN, in whatever letter case.
    fn has(&self, urn: &str) -> bool {
        self.added(urn).is_some() || built_in::has(urn)
    }

    fn added(&self, urn: &str) -> Option<&Attributes> {
        self.added.get_by(|known| compare_lower(known, urn))
    }

    /// The attributes of a schema, to be added to.
    fn attributes_mut(&mut self, urn: &str) -> &mut Attributes {
        let entry = Arc::make_mut(&mut self.added).entry(urn.to_ascii_lowercase());
        entry.or_insert_with(|| built_in::attributes(urn).unwrap_or_default())
    }

    /// Every schema, by URN in lower case.
    fn schemas(&self) -> BTreeMap<String, Attributes> {
        let built_in = built_in::SCHEMAS
            .iter()
            .filter_map(|(urn, _)| Some((urn.to_ascii_lowercase(), built_in::attributes(urn)?)));
        let mut all = BTreeMap::new();
        all.extend(built_in);
        all.extend(self.added.iter().map(|(urn, attributes)| (urn.clone(), attributes.clone())));
        all
    }
}

/// An attribute that some schema names.
#[derive(Clone, Copy)]
enum Known<'a> {
    BuiltIn(&'static BuiltIn),
    Added(&'a Attribute),
}

impl<'a> Known<'a> {
    fn is(self) -> Characteristics {
        match self {
            Self::BuiltIn(of) => of.is,
            Self::Added(of) => of.is,
        }
    }

    /// As the schema spells it.
    fn name(self) -> &'a str {
        match self {
            Self::BuiltIn(of) => of.name,
            Self::Added(of) => &of.name,
        }
    }

    fn part(self, name: &str) -> Option<Self> {
        match self {
            Self::BuiltIn(of) => of.part(name).map(Self::BuiltIn),
            Self::Added(of) => attribute_in(&of.parts, name).map(Self::Added),
        }
    }
}

fn attribute_in<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a Attribute> {
    attributes.get_by(|known| compare_lower(known, name))
}

/// Compares a text in lower case with another one as if it were, too.
fn compare_lower(lower: &str, other: &str) -> Ordering {
    lower.bytes().cmp(other.bytes().map(|byte| byte.to_ascii_lowercase()))
}

/// RFC 7643.
impl Default for Schema {
    fn default() -> Self {
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
        Self { types, added: Arc::default(), declared: BTreeMap::new() }
    }
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

fn keyed(attribute: Attribute) -> (String, Attribute) {
    (attribute.name.to_ascii_lowercase(), attribute)
}

impl Characteristics {
    const fn of(letters: &str) -> Self {
        let mut rest = letters.as_bytes();
        let mut is = Self {
            known: true,
            boolean: false,
            complex: false,
            multi_valued: false,
            read_only: false,
            secret: false,
            case_exact: false,
        };
        while let [letter, behind @ ..] = rest {
            match letter {
                b'b' => is.boolean = true,
                b'c' => is.complex = true,
                b'm' => is.multi_valued = true,
                b'r' => is.read_only = true,
                b's' => is.secret = true,
                b'x' => is.case_exact = true,
                _ => {}
            }
            rest = behind;
        }
        is
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
