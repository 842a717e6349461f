//! `replaysafe audit`: what is wrong with what is there, whoever made it so?

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{ErrorKind, Write as _},
    iter,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use replaysafe::{
    auditor::{Audit, Auditor, Census, FLAWS, Flawed, Recalled, Unknown, flaw_name},
    clock::{Clock as _, SystemClock},
    contract::Settings,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    command::{LedgerAddress, LedgerArguments, gateway, plan, policy, runtime},
    exit::{self, Exit},
    output::{Output, Pictured, shown},
    page,
    profile::Profile,
    wiring::{self, Live, Shown},
};

/// Look through all that is there for what should not be: duplicates, what is left of those who have gone, what was given twice. Nothing is changed.
///
/// What is there is a file of SCIM resources, as for `replaysafe plan`, or the service itself.
/// Told are duplicate identities, with the one that would survive (S35); privileges and credentials of those who are switched off (S22, S30); roles, entitlements and members that are there several times (S27, S28); and references to what is nowhere (S14).
/// Each finding names the rule that it breaks and the controls that it matters to (S39).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  replaysafe audit --observed users.ndjson --complete
  replaysafe audit --observed https://scim.example.com/v2 --target-credential token.txt
  replaysafe audit --observed https://scim.example.com/v2 --fix plan.json --detailed-exitcode
  replaysafe audit --observed users.ndjson --complete --format html > audit.html
What `--fix` writes changes nothing yet: read it, then `replaysafe apply plan.json` carries it out.")]
pub(super) struct Arguments {
    /// What is there, as the target shows it; `-` is standard input, and a base URL such as `https://scim.example.com/v2` a service that is read now, all its types
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
    /// The policy, in TOML: by what resources correlate (`correlation`, S16) [default: every member's default]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// What is known of the service, as `replaysafe probe` writes it: which attributes it keeps unique, whether it compares versions
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// The type of resources that say neither in `meta.resourceType` nor in `schemas` which they are of
    #[arg(long, value_name = "NAME")]
    resource_type: Option<String>,
    /// The file has all that is there, of every type: a reference to what is not in it leads nowhere
    ///
    /// Of a service that is read now, each id that is referred to and was not shown is asked for.
    #[arg(long)]
    complete: bool,
    /// A ledger of the service: who was deleted through it and is there, and which revocations the target did not carry out; of duplicates whom it knows survives. It may be in use
    #[arg(long, value_name = "sqlite:PATH")]
    ledger: Option<LedgerAddress>,
    /// The file with the ledger's key [default: PATH of the ledger with `.key` added]
    #[arg(long, value_name = "FILE", requires = "ledger")]
    ledger_key: Option<PathBuf>,
    /// Whose data it is in the ledger
    #[arg(long, default_value = "default", value_name = "NAME", requires = "ledger")]
    tenant: String,
    /// Write what would mend the findings to a new file, as a plan; what needs a person's decision is not in it
    ///
    /// Duplicates take two rounds: the first plan gives the survivor what the others have, and the plan of the next audit takes it from them and switches them off.
    #[arg(long, value_name = "FILE")]
    fix: Option<PathBuf>,
    /// End with 0 if nothing is wrong, with 2 if something is, and with 1 on an error
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    _format: Pictured,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    let audited = audit(arguments, output).and_then(|audited| {
        fix(arguments, &audited)?;
        Ok(audited)
    });
    let audited = match audited {
        Ok(audited) => audited,
        Err(error) if arguments.detailed_exitcode => {
            return Err(exit::negative(format!("{error:#}")).into());
        }
        Err(error) => return Err(error),
    };
    output.pictured(
        || text(&audited, arguments),
        || {
            document(
                &audited,
                arguments,
                audited.audit.findings.iter().map(finding).collect::<Vec<_>>(),
            )
        },
        || lines(&audited, arguments),
        page::audit::page,
    )?;
    Ok(match arguments.detailed_exitcode && !audited.audit.findings.is_empty() {
        true => Exit::Usage,
        false => Exit::Good,
    })
}

struct Audited {
    audit: Audit,
    /// References were followed.
    followed: bool,
    /// How many ids are referred to that were not shown, and of which it is not known whether they are nowhere.
    open: usize,
    /// How many resources have no id that can stand in a path.
    left_out: usize,
}

fn audit(arguments: &Arguments, output: Output) -> anyhow::Result<Audited> {
    let guest = wiring::guest()?;
    let policy = policy::read(arguments.policy.as_deref(), &guest)?;
    let profile = arguments.profile.as_deref().map(gateway::read_profile).transpose()?;
    let measured = profile.as_ref().map(Profile::fields).unwrap_or_default();
    let auditor = |shown: &mut Shown| {
        let schema = std::mem::take(&mut shown.schema);
        // Of several of one name the last counts (S40).
        let profile = [std::mem::take(&mut shown.declared), measured.clone()].concat();
        anyhow::Ok(Auditor {
            planning: wiring::planning_guest()?,
            guest: guest.clone(),
            settings: Settings { policy: policy.clone(), schema, profile },
            target: shown.target.clone(),
        })
    };
    let observed = &arguments.observed;
    if !plan::is_url(observed) {
        let resources = plan::resources(Path::new(observed), arguments.resource_type.as_deref())?;
        let schema = "{}".to_owned();
        let mut shown = Shown { schema, declared: Vec::new(), resources, target: None };
        let auditor = auditor(&mut shown)?;
        let census = auditor.look(shown.resources).context("auditing")?;
        // What was left out may be what is referred to.
        let followed = arguments.complete && census.left_out == 0;
        let nowhere = followed.then(|| census.unknown());
        return runtime()?.block_on(audited(arguments, &auditor, &census, nowhere.as_ref()));
    }
    let credential = gateway::read_credential(arguments.target_credential.as_deref())?;
    let service = wiring::Service {
        url: observed,
        ca: arguments.target_ca.as_deref(),
        credential: credential.as_deref(),
    };
    runtime()?.block_on(async {
        let live = Live::open(&guest, &service, "--observed").await?;
        let mut shown = live.read(&live.kinds(), output).await?;
        let auditor = auditor(&mut shown)?;
        let census = auditor.look(shown.resources).context("auditing")?;
        let followed = live.is_whole() && census.left_out == 0;
        let nowhere = if followed { Some(live.nowhere(&census, output).await) } else { None };
        audited(arguments, &auditor, &census, nowhere.as_ref()).await
    })
}

async fn audited(
    arguments: &Arguments,
    auditor: &Auditor,
    census: &Census,
    nowhere: Option<&BTreeSet<Unknown>>,
) -> anyhow::Result<Audited> {
    let recalled = match &arguments.ledger {
        None => Recalled::default(),
        Some(address) => {
            let (ledger, key) = (address.clone(), arguments.ledger_key.clone());
            let ledger = LedgerArguments { ledger, ledger_key: key };
            ledger.must_exist()?;
            let key = ledger.key_file();
            wiring::recall(auditor, census, &ledger.ledger.0, &key, &arguments.tenant).await?
        }
    };
    let audit = auditor.audit(census, nowhere, &recalled).context("auditing")?;
    let open = census.unknown().len() - nowhere.map_or(0, BTreeSet::len);
    Ok(Audited { audit, followed: nowhere.is_some(), open, left_out: census.left_out })
}

/// Writes a new file: what is there already may be what was audited, or a plan that is being read.
fn fix(arguments: &Arguments, audited: &Audited) -> anyhow::Result<()> {
    let Some(file) = &arguments.fix else { return Ok(()) };
    let plan = plan::document(&audited.audit.mends, true);
    let text = serde_json::to_string_pretty(&plan)? + "\n";
    let written = File::create_new(file).and_then(|mut new| new.write_all(text.as_bytes()));
    written.map_err(|error| {
        let there = error.kind() == ErrorKind::AlreadyExists;
        let what = if there {
            "it is there already: name a new file".to_owned()
        } else {
            error.to_string()
        };
        exit::environment(format!("writing {}: {what}", file.display()))
    })?;
    Ok(())
}

/// How many findings there are of each flaw, by weight.
fn counts(audit: &Audit) -> Vec<(&'static str, usize)> {
    let count = |flaw| audit.findings.iter().filter(|one| one.finding.flaw == flaw).count();
    FLAWS.into_iter().map(|flaw| (flaw_name(flaw), count(flaw))).collect()
}

/// A line says what it has.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    /// The audit, with how many findings follow.
    Audit(Document<'a, usize>),
    Finding(Value),
}

fn lines<'a>(audited: &'a Audited, arguments: &'a Arguments) -> impl Iterator<Item = Line<'a>> {
    let findings = &audited.audit.findings;
    let whole = document(audited, arguments, findings.len());
    iter::once(Line::Audit(whole)).chain(findings.iter().map(|of| Line::Finding(finding(of))))
}

fn finding(of: &Flawed) -> Value {
    let Flawed { resource_type, ids, finding } = of;
    json!({
        "flaw": flaw_name(finding.flaw),
        "resourceType": resource_type,
        "name": finding.name,
        "ids": ids,
        "attributes": finding.attributes,
        "values": finding.values,
        "rule": finding.rule,
        "controls": finding.controls,
        "detail": finding.detail,
        "effects": finding.mends.len(),
    })
}

/// An audit, with its findings or how many there are.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a, F> {
    at: u64,
    audited: &'a BTreeMap<String, usize>,
    effects: usize,
    findings: F,
    fix: Option<&'a Path>,
    left_out: usize,
    references_followed: bool,
    references_open: usize,
    summary: BTreeMap<&'static str, usize>,
}

fn document<'a, F>(audited: &'a Audited, arguments: &'a Arguments, findings: F) -> Document<'a, F> {
    let Audited { audit, followed, open, left_out } = audited;
    Document {
        at: SystemClock.now(),
        audited: &audit.audited,
        effects: audit.mends.effects.len(),
        findings,
        fix: arguments.fix.as_deref(),
        left_out: *left_out,
        references_followed: *followed,
        references_open: *open,
        summary: counts(audit).into_iter().collect(),
    }
}

fn text(audited: &Audited, arguments: &Arguments) -> String {
    let Audited { audit, followed, open, left_out } = audited;
    let kinds: Vec<String> =
        audit.audited.iter().map(|(kind, count)| format!("{count} of type {kind}")).collect();
    let mut lines = Vec::from([match kinds.as_slice() {
        [] => "nothing is there".to_owned(),
        kinds => format!("audited: {}", kinds.join(", ")),
    }]);
    let counts: Vec<String> = counts(audit)
        .into_iter()
        .filter(|(_, count)| 0 < *count)
        .map(|(flaw, count)| format!("{count} {flaw}"))
        .collect();
    lines.push(match counts.as_slice() {
        [] => "nothing is wrong".to_owned(),
        counts => format!("found: {}", counts.join(", ")),
    });
    if 0 < *left_out {
        lines.push(format!("{left_out} without an id that can stand in a path were left out"));
    }
    let whole = arguments.complete || plan::is_url(&arguments.observed);
    lines.extend(match (followed, open) {
        (true, 0) => None,
        (true, open) => Some(format!(
            "{open} ids are referred to and were not shown; whether they are nowhere cannot be told"
        )),
        (false, _) if whole => Some(
            "references were not followed: not everything that may be referred to was shown"
                .to_owned(),
        ),
        (false, _) => Some(
            "references were not followed: `--complete` says that all is in the file".to_owned(),
        ),
    });
    if !audit.findings.is_empty() {
        lines.push(String::new());
    }
    lines.extend(audit.findings.iter().map(line));
    let effects = audit.mends.effects.len();
    if !audit.findings.is_empty() {
        lines.push(String::new());
        lines.push(match &arguments.fix {
            _ if effects == 0 => "nothing of this is mended without a person's decision".to_owned(),
            Some(file) => {
                let file = file.display();
                format!("{effects} effects that mend it are in {file}: read them, then `replaysafe apply {file}`")
            }
            None => format!("{effects} effects would mend it: `--fix FILE` writes them as a plan"),
        });
    }
    lines.iter().map(|line| shown(line)).collect::<Vec<_>>().join("\n")
}

fn line(of: &Flawed) -> String {
    let Flawed { resource_type, ids, finding } = of;
    let flaw = flaw_name(finding.flaw);
    let attributes = finding.attributes.join(", ");
    let values = match ids.len() {
        1 if !finding.values.is_empty() => format!(" [{}]", listed(&finding.values)),
        _ => String::new(),
    };
    let (name, rule, controls) = (&finding.name, &finding.rule, finding.controls.join(", "));
    let (ids, detail) = (listed(ids), &finding.detail);
    format!(
        "{flaw:18}  {resource_type} {name} ({ids})  {attributes}{values}: {detail} [{rule}; {controls}]"
    )
}

/// As many as a line has room for.
fn listed(values: &[String]) -> String {
    let first: Vec<&str> = values.iter().take(LISTED_MOST).map(String::as_str).collect();
    match values.len().checked_sub(LISTED_MOST) {
        Some(more @ 1..) => format!("{}, and {more} more", first.join(", ")),
        Some(0) | None => first.join(", "),
    }
}

/// 10 values in a line; the JSON form has all of them.
const LISTED_MOST: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// What a page had no place for would be left out of its figures.
    #[test]
    fn a_page_has_a_place_for_each_flaw() {
        assert_eq!(page::audit::flaws(), FLAWS.map(flaw_name));
    }

    #[test]
    fn a_line_has_as_many_values_as_it_has_room_for() {
        let values = |count: usize| (0..count).map(|at| at.to_string()).collect::<Vec<_>>();
        assert_eq!(listed(&values(0)), "");
        assert_eq!(listed(&values(10)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9");
        assert_eq!(listed(&values(12)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more");
    }
}
