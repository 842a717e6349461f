//! `replaysafe decide FILE`: what would the component do in this situation?

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use replaysafe_json::Limits;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    exit::{self, Exit},
    output::Output,
    wiring,
};

/// Ask the component for a decision, from a JSON file.
///
/// FILE holds a situation, or a request alone. What is left out of a situation is filled in: an empty ledger, nothing observed, the default policy, time 0, made-up tags.
/// Nothing is sent, nothing is written: the component computes an answer from its arguments. The result is JSON in either format.
/// Names are those of the contract (`wit/types.wit`), in kebab case. Ends with 1 where the decision is a refusal, or the input breaks the contract.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Input, a request (`body` may be an object or its text):
  {
    \"method\": \"create\",
    \"resource-type\": \"User\",
    \"body\": {\"userName\": \"ada@example.org\"}
  }

The same as a situation in which the target has been looked at:
  {
    \"request\": { … as above … },
    \"observed\": [{
      \"question\": {\"search\": {\"resource-type\": \"User\",
                              \"attribute\": \"userName\",
                              \"value\": \"ada@example.org\"}},
      \"asked-at\": 0, \"seen-at\": 1, \"sight\": {\"listed\": []}
    }]
  }

Any other function of the contract:
  {\"function\": \"check-policy\", \"input\": {\"policy\": \"{}\"}}

Example:
  echo '{\"method\": \"delete\", \"resource-type\": \"User\", \"id\": \"42\"}' \\
      | replaysafe decide -")]
pub(super) struct Arguments {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    let text = read(&arguments.file)?;
    let guest = wiring::guest()?;
    let answer = ask(&text, |function, input| wiring::call_json(&guest, function, input))
        .with_context(|| format!("reading `{}`", arguments.file.display()))?;
    // The JSON is the result in either format: a person gets it indented too.
    output.result(&format!("{:#}", answer.json), &answer.json)?;
    Ok(answer.exit)
}

/// What the component said.
struct Answered {
    json: Value,
    exit: Exit,
}

/// The text of a file; `-` is standard input.
pub(super) fn read(file: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).context("reading standard input")?;
    } else {
        bytes = std::fs::read(file).with_context(|| format!("reading `{}`", file.display()))?;
    }
    let text = String::from_utf8(bytes).map_err(|_no_text| exit::usage("no text in UTF-8"));
    text.with_context(|| format!("reading `{}`", file.display()))
}

/// Asks through `call`, the JSON door.
fn ask(
    text: &str,
    call: impl Fn(&str, &str) -> anyhow::Result<String>,
) -> anyhow::Result<Answered> {
    // What would be read in one way here and in another elsewhere is refused, as in a request.
    replaysafe_json::parse(text.as_bytes(), &Limits::answer())
        .map_err(|refusal| exit::usage(format!("no JSON: {refusal}")))?;
    let input: Value =
        serde_json::from_str(text).map_err(|refusal| exit::usage(format!("no JSON: {refusal}")))?;
    let Value::Object(mut input) = input else {
        return Err(exit::usage("no JSON object: see `replaysafe decide --help`").into());
    };
    let door = |function: &str, input: &Value| -> anyhow::Result<Value> {
        serde_json::from_str(&call(function, &input.to_string())?)
            .context("the component's answer is no JSON")
    };
    if let Some(Value::String(function)) = input.get("function") {
        let output = door(function, input.get("input").unwrap_or(&json!({})))?;
        let exit = exit_of(&output);
        return Ok(Answered { json: output, exit });
    }
    let mut situation = match input.remove("request") {
        Some(Value::Object(request)) => with(input, "request", completed(request)),
        Some(_) => return Err(exit::usage("`request` is no object").into()),
        None if input.contains_key("method") => with(Map::new(), "request", completed(input)),
        None => {
            return Err(exit::usage(
                "neither `request` nor `method` nor `function` is in it: see `replaysafe decide --help`",
            )
            .into());
        }
    };
    default(&mut situation, "settings", &json!({"policy": "{}", "schema": "{}", "profile": []}));
    let request = situation.get("request").cloned().unwrap_or_default();
    let settings = situation.get("settings").cloned().unwrap_or_default();
    let identified = door("identify", &json!({"request": request, "settings": settings}))?;
    let Some(identification) = identified.pointer("/ok/readable") else {
        return Ok(Answered { json: json!({ "identify": identified }), exit: Exit::Negative });
    };
    default(&mut situation, "tags", &made_up_tags(identification));
    default(&mut situation, "found", &json!({"holders": [], "open": []}));
    default(&mut situation, "observed", &json!([]));
    default(&mut situation, "now", &json!(0));
    default(&mut situation, "new-entry", &json!("entry-1"));
    default(&mut situation, "new-identity", &json!("identity-1"));
    default(&mut situation, "extra", &json!([]));
    let decided = door("decide", &json!({ "situation": situation }))?;
    let exit = exit_of(&decided);
    Ok(Answered { json: json!({"identify": identified, "decide": decided}), exit })
}

/// Negative: the component refuses the input, or the decision is a refusal.
fn exit_of(output: &Value) -> Exit {
    let verdict = output.pointer("/ok/action/answer/verdict").and_then(Value::as_str);
    let refused = verdict.is_some_and(|verdict| !GOOD.contains(&verdict));
    if refused || output.get("err").is_some() { Exit::Negative } else { Exit::Good }
}

/// Verdicts after which what was asked holds.
const GOOD: &[&str] =
    &["already-satisfied", "adopted", "reactivated", "accepted-unverified", "opaque", "done"];

/// A request with what it leaves out filled in.
fn completed(mut request: Map<String, Value>) -> Value {
    default(
        &mut request,
        "scope",
        &json!({"tenant": "default", "target": "example", "source": "default", "principal": "example"}),
    );
    default(&mut request, "received-at", &json!(0));
    default(&mut request, "extra", &json!([]));
    if let Some(body) = request.get_mut("body").filter(|body| body.is_object()) {
        *body = Value::String(body.to_string());
    }
    Value::Object(request)
}

/// Tags as a host would make them, but without a key.
fn made_up_tags(identification: &Value) -> Value {
    let tag = |material: &Value| {
        let digest = Sha256::digest(material.as_str().unwrap_or_default());
        Value::String(wiring::hexadecimal(&digest))
    };
    let names = identification.get("names").and_then(Value::as_array).into_iter().flatten();
    let mut tags = json!({
        "statement": tag(identification.get("statement-material").unwrap_or(&Value::Null)),
        "names": names.filter_map(|name| name.get("material")).map(tag).collect::<Vec<_>>(),
    });
    if let (Some(material), Some(tags)) = (identification.get("key-material"), tags.as_object_mut())
    {
        tags.insert("key".to_owned(), tag(material));
    }
    tags
}

fn default(object: &mut Map<String, Value>, name: &str, value: &Value) {
    object.entry(name).or_insert_with(|| value.clone());
}

fn with(mut object: Map<String, Value>, name: &str, value: Value) -> Map<String, Value> {
    object.insert(name.to_owned(), value);
    object
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_request_alone_is_identified_and_decided_in_an_empty_world() {
        let calls = RefCell::new(Vec::new());
        let answer = ask(r#"{"method":"create","resource-type":"User","body":{"userName":"a"}}"#, |function, input| {
            let input: Value = serde_json::from_str(input)?;
            calls.borrow_mut().push((function.to_owned(), input));
            Ok(match function {
                "identify" => r#"{"ok":{"readable":{"statement-material":"s","names":[{"material":"n"}]}}}"#,
                _ => r#"{"ok":{"action":{"ask":[]}}}"#,
            }
            .to_owned())
        })
        .unwrap();
        assert_eq!(answer.exit, Exit::Good);
        let calls = calls.into_inner();
        assert_eq!(calls[0].1["request"]["body"], json!(r#"{"userName":"a"}"#));
        assert_eq!(calls[1].1["situation"]["tags"]["names"].as_array().unwrap().len(), 1);
        assert_eq!(calls[1].1["situation"]["found"], json!({"holders": [], "open": []}));
    }

    #[test]
    fn a_refusal_is_a_negative_result() {
        check(&json!({"ok": {"action": {"answer": {"verdict": "superseded"}}}}), Exit::Negative);
        check(&json!({"ok": {"action": {"answer": {"verdict": "done"}}}}), Exit::Good);
        check(&json!({"err": {"code": "json"}}), Exit::Negative);
        check(&json!({"ok": {"action": {"ask": []}}}), Exit::Good);
    }

    #[test]
    fn what_is_no_input_is_a_mistake_of_usage() {
        for text in ["", "[]", "{}", r#"{"request": 1}"#] {
            let refusal = ask(text, |_, _| Ok("{}".to_owned())).err().unwrap();
            assert_eq!(Exit::of(&refusal), Exit::Usage, "{text}");
        }
    }

    fn check(output: &Value, expected: Exit) {
        let text = r#"{"function": "decide", "input": {}}"#;
        let answer = ask(text, |_, _| Ok(output.to_string())).unwrap();
        assert_eq!(answer.exit, expected);
    }
}
