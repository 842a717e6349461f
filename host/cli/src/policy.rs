//! Policy files: TOML is the command line's spelling of the contract's JSON document (S45).

use serde_json::{Map, Number, Value};
use thiserror::Error;

/// Gives the JSON document that a policy in TOML stands for. What it means is checked by the component.
///
/// # Errors
///
/// [`PolicyError`]: no TOML, or a value that JSON does not have.
pub fn from_toml(text: &str) -> Result<Value, PolicyError> {
    let table: toml::Table = toml::from_str(text)?;
    object(table, "")
}

/// Why a policy file cannot be read
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It is no TOML
    #[error("the policy is no TOML: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A value has no counterpart: a date, a fraction
    #[error("the policy's `{path}` is {kind}: write a whole number, a text, true or false")]
    Value {
        /// Where, from the top
        path: String,
        /// What stands there
        kind: &'static str,
    },
}

fn object(table: toml::Table, at: &str) -> Result<Value, PolicyError> {
    let mut members = Map::new();
    for (name, held) in table {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        members.insert(name, value(held, &path)?);
    }
    Ok(Value::Object(members))
}

fn value(held: toml::Value, path: &str) -> Result<Value, PolicyError> {
    Ok(match held {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::Number(Number::from(number)),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Array(elements) => Value::Array(
            elements.into_iter().map(|element| value(element, path)).collect::<Result<_, _>>()?,
        ),
        toml::Value::Table(table) => object(table, path)?,
        toml::Value::Float(_) => return Err(unfit(path, "a fraction")),
        toml::Value::Datetime(_) => return Err(unfit(path, "a date")),
    })
}

fn unfit(path: &str, kind: &'static str) -> PolicyError {
    PolicyError::Value { path: path.to_owned(), kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_becomes_an_object() {
        let policy =
            "returns = \"refuse\"\nreceipt-hours = 48\n[correlation]\nGroup = [\"displayName\"]\n";
        assert_eq!(
            from_toml(policy).unwrap().to_string(),
            r#"{"correlation":{"Group":["displayName"]},"receipt-hours":48,"returns":"refuse"}"#
        );
        assert_eq!(from_toml("").unwrap().to_string(), "{}");
    }

    #[test]
    fn what_json_policies_do_not_have_is_refused_by_its_path() {
        check(
            "a.b = 0.5",
            "the policy's `a.b` is a fraction: write a whole number, a text, true or false",
        );
        check(
            "since = 2026-01-01",
            "the policy's `since` is a date: write a whole number, a text, true or false",
        );
    }

    fn check(policy: &str, expected: &str) {
        assert_eq!(from_toml(policy).unwrap_err().to_string(), expected);
    }
}
