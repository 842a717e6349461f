//! What is known about attributes?

use alloc::{string::String, vec::Vec};

use replaysafe_json::{Path, Value};

/// What is known about a target's attributes: RFC 7643, and what its discovery endpoints add.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Schema {}

impl Schema {
    /// Reads the answers of the discovery endpoints; what cannot be read stays at RFC 7643.
    #[must_use]
    pub fn read(
        _resource_types: Option<&Value>,
        _schemas: Option<&Value>,
        _config: Option<&Value>,
    ) -> Self {
        Self::default()
    }

    /// Reads what [`Schema::to_document`] has written.
    ///
    /// # Errors
    ///
    /// Where the document has another shape.
    pub fn from_document(_document: &Value) -> Result<Self, String> {
        Ok(Self::default())
    }

    /// What differs from RFC 7643, as a document.
    #[must_use]
    pub fn to_document(&self) -> Value {
        Value::Object(replaysafe_json::Object::new())
    }

    /// The resource types, with their path without slash; `User` and `Group` first.
    #[must_use]
    pub fn endpoints(&self) -> Vec<(String, String)> {
        alloc::vec![("User".into(), "Users".into()), ("Group".into(), "Groups".into())]
    }

    /// What the target says about itself, sorted by name.
    #[must_use]
    pub fn declared(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The paths that hold secrets in a document about this resource type (S3a).
    #[must_use]
    pub fn secret_paths(&self, _resource_type: &str) -> Vec<Path> {
        Vec::new()
    }
}
