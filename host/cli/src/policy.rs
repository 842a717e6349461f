//! Policy files: TOML is the command line's spelling of the contract's JSON document (S45).
//!
//! What a member means is checked by the component; here a mistake gets its line and its rule.

use std::fmt;

use serde_json::{Map, Number, Value};
use toml::de::{DeTable, DeValue};

/// Gives the policy that `text` spells, as `check` gives it: the component's canonical form.
///
/// `check` takes a JSON document and refuses it with a sentence.
///
/// # Errors
///
/// [`Mistake`]: no TOML, a value that JSON does not have, or a member that `check` refuses.
pub(crate) fn read(
    text: &str,
    check: impl Fn(&Value) -> Result<String, String>,
) -> Result<String, Mistake> {
    let line_at = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let table = DeTable::parse(text).map_err(|refusal| Mistake {
        line: refusal.span().map(|span| line_at(span.start)),
        reason: format!("no TOML: {}", refusal.message()),
        ..Mistake::default()
    })?;
    let mut members = Vec::new();
    leaves(table.get_ref(), &[], &mut members);
    let located = |member: &Member, reason: &str| {
        let known = member.path.first().and_then(|name| KNOWN.iter().find(|known| known.0 == name));
        let reason = match known {
            Some((.., wanted)) => format!("{reason}; write {wanted}"),
            None => format!("there is no such member; there are {}", names()),
        };
        let rule = known.map_or("S45", |(_, rule, _)| *rule);
        let line = Some(line_at(member.at));
        Mistake { line, member: member.path.join("."), rule: Some(rule), reason }
    };
    let mut policy = Value::Object(Map::new());
    for member in &members {
        let value = member.value.clone().map_err(|kind| located(member, kind))?;
        put(&mut policy, &member.path, value);
    }
    check(&policy).map_err(|reason| {
        // Asked for each alone, the component tells which of them it does not take.
        let refused = members.iter().find_map(|member| {
            let mut alone = Value::Object(Map::new());
            put(&mut alone, &member.path, member.value.clone().ok()?);
            let reason = check(&alone).err()?;
            Some(located(member, of_one_member(&reason, &member.path)))
        });
        refused.unwrap_or(Mistake { reason, ..Mistake::default() })
    })
}

/// Whether a policy file names this member, whatever it says of it.
pub(crate) fn names_member(text: &str, member: &str) -> bool {
    DeTable::parse(text)
        .is_ok_and(|table| table.get_ref().keys().any(|name| name.get_ref() == member))
}

/// What is wrong with a policy file, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mistake {
    line: Option<usize>,
    member: String,
    rule: Option<&'static str>,
    reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(rule) = self.rule {
            write!(f, "`{}` ({rule} in docs/rules.md): ", self.member)?;
        }
        f.write_str(&self.reason)
    }
}

/// A member that is no table, or an empty table.
struct Member {
    path: Vec<String>,
    /// Where its name begins, in bytes.
    at: usize,
    /// Its value, or what JSON does not have.
    value: Result<Value, &'static str>,
}

fn leaves(table: &DeTable<'_>, above: &[String], members: &mut Vec<Member>) {
    for (name, held) in table {
        let mut path = above.to_vec();
        path.push(name.get_ref().to_string());
        if let DeValue::Table(table) = held.get_ref()
            && !table.is_empty()
        {
            leaves(table, &path, members);
        } else {
            members.push(Member { path, at: name.span().start, value: value(held.get_ref()) });
        }
    }
}

fn value(held: &DeValue<'_>) -> Result<Value, &'static str> {
    Ok(match held {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            Value::Number(Number::from(parsed.map_err(|_large| "a number that is too large")?))
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Array(elements) => {
            Value::Array(elements.iter().map(|one| value(one.get_ref())).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let mut members = Map::new();
            for (name, held) in table {
                members.insert(name.get_ref().to_string(), value(held.get_ref())?);
            }
            Value::Object(members)
        }
        DeValue::Float(_) => return Err("a fraction"),
        DeValue::Datetime(_) => return Err("a date"),
    })
}

/// Puts `value` at `path`, with the objects that lead there.
fn put(document: &mut Value, path: &[String], value: Value) {
    let Some(object) = document.as_object_mut() else { return };
    match path {
        [] => {}
        [name] => drop(object.insert(name.clone(), value)),
        [name, below @ ..] => {
            let inner = object.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            put(inner, below, value);
        }
    }
}

/// The component's sentence about one member, without what is said before it already.
fn of_one_member<'a>(reason: &'a str, path: &[String]) -> &'a str {
    let reason = reason.strip_prefix("the policy has a wrong member: ").unwrap_or(reason);
    path.iter()
        .fold(reason, |reason, name| reason.strip_prefix(&format!("`{name}`: ")).unwrap_or(reason))
}

/// The rule of a member, and what may stand there.
pub(crate) fn known(name: &str) -> Option<(&'static str, &'static str)> {
    KNOWN.iter().find(|known| known.0 == name).map(|(_, rule, wanted)| (*rule, *wanted))
}

/// The names of all members, for a person.
fn names() -> String {
    KNOWN.iter().map(|(name, ..)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What a policy may have: name, rule, and what may stand there.
const KNOWN: &[(&str, &str, &str)] = &[
    ("adopt", "S18", "`never`, `equal` or `matching`"),
    ("correlation", "S16", "attribute names by type, such as `Group = [\"displayName\"]`"),
    ("create-secret", "S3a", "`latest` or `first`"),
    (
        "credentials",
        "S1",
        "SHA-256 digests of header values by name, such as `hr = [\"0b84d71f…\"]`",
    ),
    ("delete-absent", "S23", "`as-known`, `success` or `not-found`"),
    ("disabled", "S22", "`refuse` or `reactivate`"),
    ("existing", "S19", "`refuse` or `update`"),
    ("guard", "S33", "limits by class, such as `delete = { most = 50, percent = 5 }`"),
    ("guard-window-hours", "S33", "a whole number from 1 to 720"),
    ("on-unknown", "S13", "`park` or `retry-and-converge`"),
    ("privileged", "S17", "names of resource types, such as `[\"User\"]`"),
    ("receipt-hours", "S10", "a whole number from 1 to 8760"),
    ("replay-window-seconds", "S2a", "a whole number from 0 to 86400"),
    ("returns", "S21", "`allow`, `approve` or `refuse`"),
    ("safe-direction-passes", "S36", "`true` or `false`"),
    ("source-missing", "S32", "`keep`, `disable` or `delete`"),
    (
        "version-attribute",
        "S20",
        "the name of an attribute, such as `urn:example:hr:2.0:User:sequence`",
    ),
    ("version-header", "S20", "the name of a header, such as `X-Sequence`"),
    ("weak-identity", "S2", "`allow` or `refuse`"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring;

    #[test]
    fn a_table_becomes_an_object() {
        let given = |text: &str| read(text, |policy| Ok(policy.to_string())).unwrap();
        assert_eq!(given(""), "{}");
        assert_eq!(
            given(
                "returns = \"refuse\"\nreceipt-hours = 4_8\n[correlation]\nGroup = [\"displayName\"]\n"
            ),
            r#"{"correlation":{"Group":["displayName"]},"receipt-hours":48,"returns":"refuse"}"#
        );
    }

    #[test]
    fn what_json_policies_do_not_have_is_refused_by_line_and_name() {
        check(
            "adopt = \"never\"\n\nreceipt-hours = 0.5",
            "line 3: `receipt-hours` (S10 in docs/rules.md): a fraction; write a whole number from 1 to 8760",
        );
        check(
            "returns = 2026-01-01",
            "line 1: `returns` (S21 in docs/rules.md): a date; write `allow`, `approve` or `refuse`",
        );
        check("a = 1\nb = = 2", "line 2: no TOML: extra `=`, expected nothing");
    }

    #[test]
    fn a_member_that_the_component_refuses_is_named_with_line_and_rule() {
        check(
            "# ours\nadopt = \"sometimes\"",
            "line 2: `adopt` (S18 in docs/rules.md): the case `sometimes` is unknown; write `never`, `equal` or `matching`",
        );
        begins("receipt-hours = 0", "line 1: `receipt-hours` (S10 in docs/rules.md): ");
        begins(
            "returns = \"allow\"\n[correlation]\nUser = []\nGroup = 5",
            "line 4: `correlation.Group` (S16 in docs/rules.md): ",
        );
        begins(
            "[credentials]\nhr = [\"Bearer abc\"]",
            "line 2: `credentials.hr` (S1 in docs/rules.md): a name has digests of 64 digits from 0 to f, ",
        );
        begins(
            "adoptt = \"never\"",
            "line 1: `adoptt` (S45 in docs/rules.md): there is no such member; there are `adopt`, ",
        );
    }

    /// The component's own canonical form of the default policy has every member.
    #[test]
    fn what_is_said_of_members_is_what_the_component_takes() {
        let canonical = by_component(&serde_json::json!({})).unwrap();
        let canonical: Map<String, Value> = serde_json::from_str(&canonical).unwrap();
        assert_eq!(
            canonical.keys().map(String::as_str).collect::<Vec<_>>(),
            KNOWN.iter().map(|(name, ..)| *name).collect::<Vec<_>>()
        );
        for (name, _, wanted) in KNOWN {
            let takes = |value: Value| {
                let mut policy = Map::new();
                policy.insert((*name).to_owned(), value);
                by_component(&Value::Object(policy)).is_ok()
            };
            if let Some((least, most)) = wanted
                .strip_prefix("a whole number from ")
                .and_then(|bounds| bounds.split_once(" to "))
            {
                let (least, most): (i64, i64) = (least.parse().unwrap(), most.parse().unwrap());
                assert!(takes(least.into()) && takes(most.into()), "{name}");
                assert!(!takes((least - 1).into()) && !takes((most + 1).into()), "{name}");
            } else if *name == "privileged" {
                assert!(takes(serde_json::json!(["User"])) && !takes("User".into()));
            } else if *name == "guard" {
                assert!(takes(serde_json::json!({"delete": {"most": 50, "percent": 5}})));
                assert!(!takes(serde_json::json!({"delete": {"percent": 101}})));
            } else if *name == "credentials" {
                let digest = "0123456789abcdef".repeat(4);
                assert!(takes(serde_json::json!({ "hr": [digest] })));
                assert!(!takes(serde_json::json!({ "hr": ["Bearer abc"] })));
            } else if *name != "correlation" {
                for word in wanted.split('`').skip(1).step_by(2) {
                    let truth = word.parse::<bool>().map_or_else(|_| word.into(), Value::Bool);
                    assert!(takes(truth), "{name} = {word}");
                }
            }
        }
    }

    fn check(policy: &str, expected: &str) {
        assert_eq!(read(policy, by_component).unwrap_err().to_string(), expected);
    }

    fn begins(policy: &str, expected: &str) {
        let mistake = read(policy, by_component).unwrap_err().to_string();
        assert!(mistake.starts_with(expected), "{mistake}");
    }

    fn by_component(policy: &Value) -> Result<String, String> {
        wiring::check_policy(&wiring::guest().unwrap(), policy)
    }
}
