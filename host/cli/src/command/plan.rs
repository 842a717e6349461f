//! `replaysafe plan`: what would be done so that what is there is what should be?

use std::{
    collections::BTreeMap,
    iter,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use replaysafe::{
    clock::{Clock as _, SystemClock},
    contract::{
        Settings,
        reconciliation::{Conclusion, Relation},
    },
    planner::{Found, Plan, Planner, Population},
};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::{
    command::{apply, decide, gateway, policy, runtime},
    exit::{self, Exit},
    output::{Output, Pictured, shown},
    page,
    population::{self, Resources},
    profile::Profile,
    wiring::{self, Live, Shown},
};

/// Compare what should be with what is there, and tell what would lead from one to the other. Nothing is changed.
///
/// Both sides are files of SCIM resources, or services that are read now. A file is: one JSON document on each line (NDJSON), a JSON list, a `ListResponse` that has all of them, or, where its name ends in `.csv`, a table whose columns are attributes (`userName`, `name.givenName`, `emails[work]`, `roles[]`).
/// What a service shows that has what should be is known to the other one by its `id` there, as `externalId`; members and managers are followed, and its own `externalId` is left out.
/// A resource is known again by the target's `id`, else by `externalId`, else by `userName` and what policy names (`correlation`, S16).
/// Each attribute that a desired resource states is to be as stated, lists of members, roles and entitlements exactly so; what it does not state stays as it is.
/// A member may be named by the `externalId` of the resource: `{"value": "externalId:4711"}`; it may be one that the plan makes.
/// The plan does not depend on the order of the resources, and once it is carried out there is nothing more to do, but for what is blocked or ambiguous (S34). It holds no secrets that the schema tells as such: passwords are left out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  replaysafe plan --desired hr.ndjson --observed users.json
  replaysafe plan --desired hr.ndjson --observed users.json --policy policy.toml \\
      --profile profile.toml --format json
  replaysafe plan --desired hr.ndjson --observed https://scim.example.com/v2 \\
      --target-credential token.txt --complete --detailed-exitcode
  replaysafe plan --desired https://idp.example.com/v2 --source-credential idp.txt \\
      --observed https://scim.example.com/v2 --target-credential token.txt
  replaysafe plan --desired hr.ndjson --observed users.json --format html > plan.html
What `--format json` or `--format ndjson` writes is carried out by `replaysafe apply`.")]
pub(super) struct Arguments {
    /// What should be; `-` is standard input, and a base URL a service that is read now: its ids are external ids at the other one
    #[arg(long, value_name = "FILE|URL")]
    desired: String,
    /// A file with the value of `Authorization` for the service that has what should be
    ///
    /// The variable `REPLAYSAFE_SOURCE_CREDENTIAL` may hold the value itself.
    #[arg(long, value_name = "FILE")]
    source_credential: Option<PathBuf>,
    /// Trust these certificates (PEM) for that service, if it is an https one, and no others [default: those of the system]
    #[arg(long, value_name = "FILE")]
    source_ca: Option<PathBuf>,
    /// What is there, as the target shows it; `-` is standard input, and a base URL such as `https://scim.example.com/v2` a service that is read now
    #[arg(long, value_name = "FILE|URL")]
    observed: String,
    /// A file with the value of `Authorization` for the service, for example `Bearer …`
    ///
    /// The variable `REPLAYSAFE_UPSTREAM_CREDENTIAL` may hold the value itself.
    #[arg(long, value_name = "FILE")]
    target_credential: Option<PathBuf>,
    /// Trust these certificates (PEM) for an https service, and no others [default: those of the system]
    #[arg(long, value_name = "FILE")]
    target_ca: Option<PathBuf>,
    /// The policy, in TOML [default: every member's default]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// What is known of the service, as `replaysafe probe` writes it: which attributes it keeps unique, whether it compares versions
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// The type of resources that say neither in `meta.resourceType` nor in `schemas` which they are of
    #[arg(long, value_name = "NAME")]
    resource_type: Option<String>,
    /// The file of what should be has all there is: who is not in it may be switched off or deleted, if policy says so (`source-missing`, S32)
    #[arg(long)]
    complete: bool,
    /// End with 0 if there is nothing to do, with 2 if there is something, or something waits for a person, and with 1 on an error
    #[arg(long)]
    detailed_exitcode: bool,
    /// Tell of every resource, also of those that are as they should be
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    _format: Pictured,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    let planned = plan(arguments, output);
    let plan = match planned {
        Ok(plan) => plan,
        Err(error) if arguments.detailed_exitcode => {
            return Err(exit::negative(format!("{error:#}")).into());
        }
        Err(error) => return Err(error),
    };
    // A page has all in its figures.
    let all = arguments.all || output.is_page();
    output.pictured(
        || text(&plan, arguments.all),
        || document(&plan, all),
        || lines(&plan, all),
        page::plan::page,
    )?;
    Ok(match arguments.detailed_exitcode && !plan.is_empty() {
        true => Exit::Usage,
        false => Exit::Good,
    })
}

fn plan(arguments: &Arguments, output: Output) -> anyhow::Result<Plan> {
    if arguments.desired == "-" && arguments.observed == "-" {
        return Err(exit::usage("standard input can be one of the two sides only").into());
    }
    let guest = wiring::guest()?;
    let policy = policy::read(arguments.policy.as_deref(), &guest)?;
    let profile = arguments.profile.as_deref().map(gateway::read_profile).transpose()?;
    let measured = profile.as_ref().map(Profile::fields).unwrap_or_default();
    let otherwise = arguments.resource_type.as_deref();
    let desired = if is_url(&arguments.desired) {
        let credential = gateway::credential(arguments.source_credential.as_deref(), SOURCE)?;
        let service = wiring::Service {
            url: &arguments.desired,
            ca: arguments.source_ca.as_deref(),
            credential: credential.as_deref(),
        };
        let shown = runtime()?.block_on(async {
            let live = Live::open(&guest, &service, "--desired").await?;
            live.read(&live.kinds(), output).await
        })?;
        population::source::desired(shown.resources)
    } else {
        resources(Path::new(&arguments.desired), otherwise)?
    };
    let observed = &arguments.observed;
    let shown = if is_url(observed) {
        let credential = gateway::read_credential(arguments.target_credential.as_deref())?;
        let service = wiring::Service {
            url: observed,
            ca: arguments.target_ca.as_deref(),
            credential: credential.as_deref(),
        };
        // Whoever is referred to is a user, as a rule.
        let kinds = desired.keys().cloned().chain(["User".to_owned()]).collect();
        runtime()?.block_on(async {
            Live::open(&guest, &service, "--observed").await?.read(&kinds, output).await
        })?
    } else {
        let resources = resources(Path::new(observed), otherwise)?;
        Shown { schema: "{}".to_owned(), declared: Vec::new(), resources, target: None }
    };
    let planner = Planner {
        planning: wiring::planning_guest()?,
        guest,
        settings: Settings {
            policy,
            schema: shown.schema,
            // Of several of one name the last counts (S40).
            profile: [shown.declared, measured].concat(),
        },
        complete: arguments.complete,
        target: shown.target,
    };
    planner.plan(&populations(desired, shown.resources)).context("planning")
}

/// Whether a side is read from a live service.
pub(super) fn is_url(side: &str) -> bool {
    side.starts_with("http://") || side.starts_with("https://")
}

/// The variable with the credential for the service that has what should be.
const SOURCE: &str = "REPLAYSAFE_SOURCE_CREDENTIAL";

pub(super) fn resources(file: &Path, otherwise: Option<&str>) -> anyhow::Result<Resources> {
    Ok(population::read(file, &decide::read(file)?, otherwise)?)
}

fn populations(mut desired: Resources, mut observed: Resources) -> Vec<Population> {
    let mut kinds: Vec<String> = desired.keys().chain(observed.keys()).cloned().collect();
    kinds.sort();
    kinds.dedup();
    let of = |kind: String| Population {
        desired: desired.remove(&kind).unwrap_or_default(),
        observed: observed.remove(&kind).unwrap_or_default(),
        resource_type: kind,
    };
    kinds.into_iter().map(of).collect()
}

/// A plan in JSON, as `apply` reads it. `all`: also what was found to be as it should be, which is most of a population.
pub(super) fn document(plan: &Plan, all: bool) -> impl Serialize {
    Document::of(plan, Effects(plan), Findings(plan, all))
}

/// The same, line by line.
fn lines(plan: &Plan, all: bool) -> impl Iterator<Item = impl Serialize> {
    let whole = Document::of(plan, plan.effects.len(), told(plan, all).count());
    let effects = (0..plan.effects.len()).map(|at| Line::Effect(plan.effect(at)));
    let findings = told(plan, all).map(|found| Line::Finding(finding(found)));
    iter::once(Line::Plan(whole)).chain(effects).chain(findings)
}

/// A line says what it has.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    /// The plan, with how many effects and findings follow.
    Plan(Document<'a, usize, usize>),
    Effect(replaysafe_json::Value),
    Finding(Value),
}

/// A plan, with its effects and findings or how many there are of them.
#[derive(Serialize)]
struct Document<'a, E, F> {
    at: u64,
    digest: &'a str,
    effects: E,
    findings: F,
    guard: Vec<Value>,
    summary: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    there: BTreeMap<&'a str, Value>,
}

impl<'a, E, F> Document<'a, E, F> {
    fn of(plan: &'a Plan, effects: E, findings: F) -> Self {
        let there = plan.there.iter().filter(|(_, there)| there.resources != 0);
        let there = there.map(|(kind, there)| {
            (kind.as_str(), json!({"edges": there.edges, "resources": there.resources}))
        });
        Self {
            at: SystemClock.now(),
            digest: &plan.digest,
            effects,
            findings,
            guard: plan.guard.iter().map(apply::excess).collect(),
            summary: json!(plan.summary),
            target: plan.target.as_deref(),
            there: there.collect(),
        }
    }
}

/// Written one by one: all of them at once would take more memory than the plan.
struct Effects<'a>(&'a Plan);

impl Serialize for Effects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(plan) = self;
        serializer.collect_seq((0..plan.effects.len()).map(|at| plan.effect(at)))
    }
}

struct Findings<'a>(&'a Plan, bool);

impl Serialize for Findings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(plan, all) = self;
        serializer.collect_seq(told(plan, *all).map(finding))
    }
}

/// What is told: most of a population is as it should be.
fn told(plan: &Plan, all: bool) -> impl Iterator<Item = &Found> {
    let told = move |found: &&Found| all || found.finding.conclusion != Conclusion::Unchanged;
    plan.findings.iter().filter(told)
}

fn finding(found: &Found) -> Value {
    json!({
        "resourceType": found.resource_type,
        "name": found.finding.name,
        "situation": situation(found.finding.relation),
        "conclusion": conclusion(found.finding.conclusion),
        "ids": found.ids,
        "detail": found.finding.detail,
    })
}

fn text(plan: &Plan, all: bool) -> String {
    let summary = &plan.summary;
    let mut lines = Vec::new();
    let counts = [
        ("revoke", summary.revoke),
        ("disable", summary.disable),
        ("create", summary.create),
        ("adopt", summary.adopt),
        ("update", summary.update),
        ("grant", summary.grant),
        ("delete", summary.delete),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| 0 < *count)
        .map(|(class, count)| format!("{count} {class}"))
        .collect();
    lines.push(match counts.as_slice() {
        [] => "nothing to do".to_owned(),
        counts => format!("to do: {}", counts.join(", ")),
    });
    lines.push(format!(
        "{} unchanged, {} ambiguous, {} blocked, {} not desired and kept",
        summary.unchanged, summary.ambiguous, summary.blocked, summary.kept
    ));
    lines.extend(plan.guard.iter().map(apply::excess_line));
    if !plan.guard.is_empty() {
        lines.push("`replaysafe apply` stages it until a person approves it".to_owned());
    }
    if !plan.effects.is_empty() {
        lines.push(String::new());
    }
    for (number, effect) in (1..).zip(&plan.effects) {
        let Some(found) = plan.findings.get(effect.finding) else { continue };
        let class = replaysafe::planner::class_name(effect.change.class);
        let id = effect.change.id.as_deref().map(|id| format!(" ({id})")).unwrap_or_default();
        let attributes = effect.change.attributes.join(", ");
        let (kind, name) = (&found.resource_type, &found.finding.name);
        let line = format!("{number:>6}  {class:7}  {kind} {name}{id}  {attributes}");
        lines.push(line.trim_end().to_owned());
    }
    let told = plan.findings.iter().filter(|found| tells(found, all));
    let told: Vec<String> = told.map(line).collect();
    if !told.is_empty() {
        lines.push(String::new());
        lines.extend(told);
    }
    lines.iter().map(|line| shown(line)).collect::<Vec<_>>().join("\n")
}

/// Whether a person wants to see a finding that is no effect, or says more than its effects.
fn tells(found: &Found, all: bool) -> bool {
    match found.finding.conclusion {
        Conclusion::Ambiguous | Conclusion::Blocked => true,
        Conclusion::Planned => !found.finding.detail.is_empty(),
        Conclusion::Unchanged | Conclusion::Kept => all,
    }
}

fn line(found: &Found) -> String {
    let Found { resource_type, ids, finding, .. } = found;
    let ids = if ids.is_empty() { String::new() } else { format!(" ({})", ids.join(", ")) };
    let word = conclusion(finding.conclusion);
    let situation = situation(finding.relation);
    let detail =
        if finding.detail.is_empty() { String::new() } else { format!(": {}", finding.detail) };
    format!("{word:9}  {resource_type} {}{ids}  {situation}{detail}", finding.name)
}

/// The names that `OpenIDM` has for it.
fn situation(relation: Relation) -> &'static str {
    match relation {
        Relation::Confirmed => "confirmed",
        Relation::Found => "found",
        Relation::FoundAlreadyLinked => "found-already-linked",
        Relation::Absent => "absent",
        Relation::Ambiguous => "ambiguous",
        Relation::Missing => "missing",
        Relation::Unassigned => "unassigned",
        Relation::SourceMissing => "source-missing",
    }
}

fn conclusion(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Ambiguous => "ambiguous",
        Conclusion::Blocked => "blocked",
        Conclusion::Planned => "planned",
        Conclusion::Unchanged => "unchanged",
        Conclusion::Kept => "kept",
    }
}

#[cfg(test)]
mod tests {
    use replaysafe::{contract::reconciliation::Class, planner::class_name};

    use super::*;

    /// What a page had no place for would be left out of its figures.
    #[test]
    fn a_page_has_a_place_for_whatever_a_plan_says() {
        let situations = [
            Relation::Confirmed,
            Relation::Found,
            Relation::FoundAlreadyLinked,
            Relation::Absent,
            Relation::Ambiguous,
            Relation::Missing,
            Relation::Unassigned,
            Relation::SourceMissing,
        ];
        assert_eq!(page::plan::situations(), situations.map(situation));
        let conclusions = [
            Conclusion::Ambiguous,
            Conclusion::Blocked,
            Conclusion::Planned,
            Conclusion::Unchanged,
            Conclusion::Kept,
        ];
        assert_eq!(page::plan::conclusions(), conclusions.map(conclusion));
        let classes = [
            Class::Revoke,
            Class::Disable,
            Class::Create,
            Class::Adopt,
            Class::Update,
            Class::Grant,
            Class::Delete,
        ];
        assert_eq!(page::plan::classes(), classes.map(class_name));
    }
}
