//! `replaysafe explain DECISION`: why was it decided so, and would it be decided so again?

use replaysafe::{
    contract::{EntryId, Evidence},
    ledger::{Ledger as _, RecordedStep},
};
use replaysafe_gateway::answer::{VERDICTS, controls, verdict_word};
use serde_json::{Value, json};

use crate::{
    command::{LedgerArguments, runtime},
    exit::{self, Exit},
    output::Output,
    wiring,
};

/// Tell why a decision was made, and make it again from its recorded inputs.
///
/// Runs the component on the inputs that the ledger recorded, with a limit of fuel, and compares what it gives byte by byte; ends with 1 if anything differs.
/// Tells for each step under which policy, by the SHA-256 of its canonical document, what was asked, what was seen in the ledger and at the target, what was decided, and how many units of fuel it took (about one for each instruction, the same on every machine).
/// Names attributes, ids and states; never a value. Recorded inputs are kept for 7 days, and those of what waits for a person for as long as it does. Reads only, and may run beside the gateway.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  $ curl -sD- -o/dev/null -X DELETE -H 'Authorization: Bearer …' \\
        http://127.0.0.1:8080/v2/Users/2819c223 | grep -i decision
  Replaysafe-Decision: 7f3c9a52d0b14e6c8a1f02b7c4d95e30
  $ replaysafe explain 7f3c9a52d0b14e6c8a1f02b7c4d95e30 \\
        --ledger sqlite:replaysafe.db")]
pub(super) struct Arguments {
    /// The decision, as an answer's `Replaysafe-Decision` names it
    #[arg(value_name = "DECISION")]
    decision: EntryId,
    #[command(flatten)]
    ledger: LedgerArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    arguments.ledger.must_exist()?;
    let steps = runtime()?.block_on(async {
        let ledger = wiring::open_ledger(&arguments.ledger.ledger.0, &arguments.ledger.key_file())?;
        anyhow::Ok(ledger.steps(&arguments.decision).await?)
    })?;
    if steps.is_empty() {
        return Err(exit::environment(format!(
            "the ledger has no recorded inputs of the decision `{}`: it is another ledger's, or more than 7 days old, or it was answered before anything was decided",
            arguments.decision
        ))
        .into());
    }
    let guest = wiring::guest_with_fuel()?;
    let mut told = Vec::new();
    for step in &steps {
        let before = guest.fuel_burned();
        let again = again(&guest, step);
        let (story, policy) = (story(step), step.policy.clone());
        told.push(Told { story, again, fuel: guest.fuel_burned() - before, policy });
    }
    let same = told.iter().all(|told| told.again == Again::Same);
    output.result(
        &text(&arguments.decision, &told),
        &json!({
            "decision": arguments.decision,
            "same": same,
            "component": wiring::COMPONENT_SHA256,
            "steps": told.iter().map(Told::json).collect::<Vec<_>>(),
        }),
    )?;
    Ok(if same { Exit::Good } else { Exit::Negative })
}

/// One step, told.
struct Told {
    story: Story,
    again: Again,
    /// Units that running it again has burned.
    fuel: u64,
    /// The SHA-256 of the policy.
    policy: String,
}

impl Told {
    fn json(&self) -> Value {
        let Story { function, asked, seen, decided, controls } = &self.story;
        json!({
            "function": function, "asked": asked, "seen": seen, "decided": decided, "controls": controls,
            "again": self.again.word(), "fuel": self.fuel, "policy": self.policy,
        })
    }
}

/// What came of running the component again.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Again {
    Same,
    Different,
    /// It was decided by another component, and this one gives something else.
    OtherComponent,
    /// It ran out of fuel, or trapped.
    Failed(String),
}

impl Again {
    fn word(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::OtherComponent => "other-component",
            Self::Failed(_) => "failed",
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Same => "the same, byte for byte".to_owned(),
            Self::Different => "DIFFERENT: the record or the component was changed".to_owned(),
            Self::OtherComponent => {
                "different, as another component decided then: use the release that has it"
                    .to_owned()
            }
            Self::Failed(why) => format!("FAILED, {why}"),
        }
    }
}

fn again(guest: &wiring::Guest, step: &RecordedStep) -> Again {
    match wiring::run_again(guest, step) {
        Err(failure) => Again::Failed(format!("{failure:#}")),
        Ok(output) if output == step.output => Again::Same,
        Ok(_) if step.component != wiring::COMPONENT_SHA256 => Again::OtherComponent,
        Ok(_) => Again::Different,
    }
}

/// A step in words, without a value.
#[derive(Debug, Default, PartialEq, Eq)]
struct Story {
    function: String,
    asked: String,
    seen: Vec<String>,
    decided: String,
    /// What the answer gives evidence for (S39).
    controls: &'static [&'static str],
}

fn text(decision: &str, told: &[Told]) -> String {
    let mut lines = vec![format!("decision {decision}")];
    for (at, Told { story, again, fuel, policy }) in told.iter().enumerate() {
        lines.push(String::new());
        lines.push(format!("{}. {}", at + 1, story.function));
        lines.push(format!("   asked    {}", story.asked));
        lines.extend(story.seen.iter().map(|seen| format!("   seen     {seen}")));
        lines.push(format!("   decided  {}", story.decided));
        if !story.controls.is_empty() {
            lines.push(format!("   evidence for {}", story.controls.join(", ")));
        }
        lines.push(format!("   policy   {policy}"));
        lines.push(format!("   again    {}, with {fuel} units of fuel", again.sentence()));
    }
    lines.join("\n")
}

fn story(step: &RecordedStep) -> Story {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let (input, output) = (read(&step.input), read(&step.output));
    let situation = input.get("situation").unwrap_or(&input);
    let request = member(situation, "request");
    let gave = output.get("ok").or_else(|| output.get("Ok")).unwrap_or(&output);
    Story {
        function: step.function.clone(),
        asked: asked(request),
        seen: seen(situation),
        decided: decided(gave),
        controls: evidence(gave),
    }
}

/// The controls that an answer gives evidence for; none of what is no answer.
fn evidence(step: &Value) -> &'static [&'static str] {
    let (case, payload) = variant(member(step, "action"));
    let told = word(member(payload, "verdict"));
    let verdict = VERDICTS.into_iter().find(|verdict| verdict_word(*verdict) == told);
    let evidence = match word(member(payload, "evidence")).as_str() {
        "read" => Evidence::Read,
        _ => Evidence::Response,
    };
    verdict.filter(|_| case == "answer").map_or(&[], |verdict| controls(verdict, evidence))
}

fn asked(request: &Value) -> String {
    let kind = member(request, "resource-type").as_str().unwrap_or("resource");
    let id = member(request, "id").as_str().map(|id| format!(" {id}")).unwrap_or_default();
    let key = if member(request, "key").is_string() { "with a key" } else { "without a key" };
    let body = member(request, "body").as_str().map(attributes).unwrap_or_default();
    format!("{} {kind}{id}, {key}{body}", word(member(request, "method")))
}

/// The names of what a body states.
fn attributes(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let paths: Vec<&str> = match body.get("Operations").and_then(Value::as_array) {
        Some(operations) => operations
            .iter()
            .filter_map(|operation| operation.get("path").and_then(Value::as_str))
            // A filter holds a value.
            .filter_map(|path| path.split('[').next())
            .collect(),
        None => {
            body.as_object().into_iter().flat_map(|body| body.keys()).map(String::as_str).collect()
        }
    };
    if paths.is_empty() { String::new() } else { format!(", states {}", paths.join(", ")) }
}

fn seen(situation: &Value) -> Vec<String> {
    let found = member(situation, "found");
    let mut seen = Vec::new();
    for (name, what) in
        [("by-key", "an entry with this key"), ("by-statement", "an earlier equal request")]
    {
        let entry = member(found, name);
        if entry.is_object() {
            seen.push(format!("in the ledger {what}, {}", word(member(entry, "stage"))));
        }
    }
    let count = |name| member(found, name).as_array().map_or(0, Vec::len);
    match (count("holders"), count("open")) {
        (0, 0) if seen.is_empty() => seen.push("in the ledger nothing".to_owned()),
        (0, 0) => {}
        (holders, open) => {
            seen.push(format!(
                "in the ledger {holders} identities under its names, {open} open entries"
            ));
        }
    }
    for observation in member(situation, "observed").as_array().into_iter().flatten() {
        seen.push(format!(
            "at the target, asked {}: {}",
            asked_of_target(member(observation, "question")),
            sight(member(observation, "sight"))
        ));
    }
    seen
}

fn asked_of_target(question: &Value) -> String {
    let (case, payload) = variant(question);
    match case.as_str() {
        "by-id" => format!("by id {}", member(payload, "id").as_str().unwrap_or_default()),
        "search" => format!("by {}", member(payload, "attribute").as_str().unwrap_or_default()),
        _ => "for all".to_owned(),
    }
}

fn sight(sight: &Value) -> String {
    let (case, payload) = variant(sight);
    match case.as_str() {
        "answered" | "refused" => format!("{case} {}", member(payload, "status")),
        "listed" => format!("{} found", payload.as_array().map_or(0, Vec::len)),
        _ => "no complete answer".to_owned(),
    }
}

fn decided(step: &Value) -> String {
    let (case, payload) = variant(member(step, "action"));
    let decided = match case.as_str() {
        "answer" => format!(
            "answer `{}`: {}",
            word(member(payload, "verdict")),
            member(payload, "detail").as_str().unwrap_or_default()
        ),
        "ask" => "look at the target".to_owned(),
        "claim" => "hold more names".to_owned(),
        "resolve" => "finish an earlier request first".to_owned(),
        "wait" => "wait: nothing can be known yet".to_owned(),
        "apply" => format!("send one {} to the target", word(member(payload, "method"))),
        _ => case,
    };
    let entry = member(member(step, "write"), "entry");
    if entry.is_object() {
        return format!("{decided}; first write the entry at `{}`", word(member(entry, "stage")));
    }
    decided
}

/// The member of a record, spelled in kebab or in snake case.
fn member<'a>(record: &'a Value, name: &str) -> &'a Value {
    static NOTHING: Value = Value::Null;
    record.get(name).or_else(|| record.get(name.replace('-', "_"))).unwrap_or(&NOTHING)
}

/// Case and payload of a variant.
fn variant(value: &Value) -> (String, &Value) {
    value
        .as_object()
        .and_then(|object| object.iter().next())
        .map_or_else(|| (word(value), value), |(case, payload)| (kebab(case), payload))
}

fn word(value: &Value) -> String {
    kebab(value.as_str().unwrap_or("unknown"))
}

/// `AlreadySatisfied` → `already-satisfied`
fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_names_what_was_asked_seen_and_decided_and_no_value() {
        let step = RecordedStep {
            function: "decide".to_owned(),
            component: String::new(),
            policy: String::new(),
            at: 0,
            waits: None,
            input: json!({"situation": {
                "request": {
                    "method": "patch", "resource-type": "Group", "id": "g1",
                    "body": r#"{"Operations":[{"op":"remove","path":"members[value eq \"secret\"]"}]}"#
                },
                "found": {"by-statement": {"stage": "settled"}, "holders": [{}], "open": []},
                "observed": [{
                    "question": {"by-id": {"resource-type": "Group", "id": "g1"}},
                    "sight": {"answered": {"status": 200}}
                }]
            }})
            .to_string(),
            output: json!({"ok": {
                "write": {"entry": {"stage": "dispatched"}},
                "action": {"apply": {"method": "patch"}}
            }})
            .to_string(),
        };
        let story = story(&step);
        assert_eq!(story.asked, "patch Group g1, without a key, states members");
        assert_eq!(
            story.seen,
            [
                "in the ledger an earlier equal request, settled",
                "in the ledger 1 identities under its names, 0 open entries",
                "at the target, asked by id g1: answered 200",
            ]
        );
        assert_eq!(
            story.decided,
            "send one patch to the target; first write the entry at `dispatched`"
        );
        assert!(story.controls.is_empty());
        let answer = json!({"action": {"answer": {"verdict": "superseded", "detail": ""}}});
        assert_eq!(evidence(&answer), ["AC-2(4)", "AC-6", "AU-12", "PR.AA-05"]);
    }

    #[test]
    fn both_spellings_of_the_contract_are_read() {
        assert_eq!(member(&json!({"resource_type": 1}), "resource-type"), &json!(1));
        assert_eq!(kebab("AlreadySatisfied"), "already-satisfied");
        assert_eq!(kebab("by-id"), "by-id");
    }
}
