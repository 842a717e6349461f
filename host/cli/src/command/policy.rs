//! `replaysafe policy`: is this a policy, and what does each of its members mean?

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Subcommand;
use replaysafe::{guest::Guest, provisioner::policy_digest};
use serde_json::{Map, Value, json};

use crate::{
    exit::{self, Exit},
    output::Output,
    policy, wiring,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check a policy file, as the gateway does at its start
    ///
    /// Tells the SHA-256 of the policy in its canonical form: two gateways that decide by one policy show one digest, and `replaysafe explain` shows it beside each decision.
    /// A mistake is told with its line and its rule, and the exit code is 2.
    #[command(after_help = "Example:
  replaysafe policy check policy.toml")]
    Check {
        /// The policy, in TOML; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Tell each member of a policy: its value here, its default, its rule, and what it decides
    ///
    /// What it writes is a policy file itself: without FILE, one that has every default.
    #[command(after_help = "Examples:
  replaysafe policy explain > policy.toml
  replaysafe policy explain policy.toml | grep -v '^#'")]
    Explain {
        /// The policy, in TOML; `-` is standard input [default: every member's default]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

pub(super) fn run(command: &Command, output: Output) -> anyhow::Result<Exit> {
    let guest = wiring::guest()?;
    match command {
        Command::Check { file } => {
            let canonical = read(Some(file), &guest)?;
            let (name, sha256) = (file.display().to_string(), policy_digest(&canonical));
            output.result(
                &format!("{name}: a policy, sha256 {sha256}"),
                &json!({"file": name, "sha256": sha256, "policy": parsed(&canonical)?}),
            )?;
        }
        Command::Explain { file } => {
            let canonical = read(file.as_deref(), &guest)?;
            let policy = parsed(&canonical)?;
            let members = members(&policy)?;
            let text: Vec<String> = members.iter().map(Member::text).collect();
            output.result(
                &text.join("\n\n"),
                &json!({
                    "sha256": policy_digest(&canonical),
                    "policy": policy,
                    "members": members.iter().map(Member::json).collect::<Vec<_>>(),
                }),
            )?;
        }
    }
    Ok(Exit::Good)
}

/// The policy in the component's canonical form; that of `{}` where no file is named.
pub(super) fn read(path: Option<&Path>, guest: &Guest) -> anyhow::Result<String> {
    read_naming(path, guest, "").map(|(canonical, _)| canonical)
}

/// The same, and whether the file names `member`.
pub(super) fn read_naming(
    path: Option<&Path>,
    guest: &Guest,
    member: &str,
) -> anyhow::Result<(String, bool)> {
    let Some(path) = path else {
        return Ok((guest.check_policy("{}").context("the default policy")?, false));
    };
    let name = path.display();
    let bytes = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_count| bytes)
    } else {
        std::fs::read(path)
    };
    let bytes = bytes.with_context(|| format!("reading the policy `{name}`"))?;
    let text = String::from_utf8(bytes)
        .map_err(|_no_text| exit::usage(format!("the policy `{name}`: no text in UTF-8")))?;
    let policy = policy::read(&text, |policy| wiring::check_policy(guest, policy))
        .map_err(|mistake| exit::usage(format!("the policy `{name}`, {mistake}")))?;
    Ok((policy, policy::names_member(&text, member)))
}

/// What is said of a member.
struct Member {
    name: String,
    value: Value,
    default: Value,
    rule: &'static str,
    /// What may stand there.
    takes: &'static str,
    description: String,
}

impl Member {
    fn text(&self) -> String {
        let Self { name, value, default, rule, takes, description } = self;
        let default = toml_of(default);
        format!(
            "# {description}\n# {rule} in docs/rules.md. Takes {takes}; default {default}.\n{name} = {}",
            toml_of(value)
        )
    }

    fn json(&self) -> Value {
        let Self { name, value: _, default, rule, takes, description } = self;
        let default = toml_of(default);
        json!({"name": name, "takes": takes, "default": default, "rule": rule, "description": description})
    }
}

/// The members of a canonical policy, which has all of them, as the contract's schema describes them.
fn members(policy: &Map<String, Value>) -> anyhow::Result<Vec<Member>> {
    let schema: Value = serde_json::from_str(SCHEMA).context("reading the schema of policies")?;
    let described = |(name, value): (&String, &Value)| {
        let of = schema.pointer(&format!("/properties/{name}")).context("a member is described")?;
        let (rule, takes) = policy::known(name).context("a member has its rule")?;
        Ok(Member {
            name: name.clone(),
            value: value.clone(),
            default: of.get("default").cloned().unwrap_or_default(),
            rule,
            takes,
            description: of.get("description").and_then(Value::as_str).unwrap_or_default().into(),
        })
    };
    policy.iter().map(described).collect()
}

fn parsed(canonical: &str) -> anyhow::Result<Map<String, Value>> {
    serde_json::from_str(canonical).context("reading the policy's canonical form")
}

/// A value as TOML has it, on one line. There is no null in a policy.
fn toml_of(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml_of).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| format!("{} = {}", quoted(name), toml_of(value));
            format!("{{ {} }}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => quoted(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A text in the quotes of TOML, whatever is in it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The contract's schema of policies.
const SCHEMA: &str = include_str!("../../../../wit/policy.schema.json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_toml_reads_it() {
        for value in [
            json!({"a b": ["x\"y\n", 1, true], "c": {"d": {}}}),
            json!([]),
            json!("plain"),
            json!(8760),
            json!({"é": [["\u{1}"]]}),
        ] {
            let text = format!("value = {}", toml_of(&value));
            let read: toml::Table = toml::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(serde_json::to_value(&read["value"]).unwrap(), value, "{text}");
        }
    }
}
