//! Cases as people write them: what is given, what is done, what must come of it.
//!
//! One file is one case. Its first line is `# RULES: sentence`. Then a line each:
//!
//! ```text
//! policy {"adopt":"equal"}                       the policy
//! profile NAME VALUE                             what is known of the target
//! has user1 User {"userName":"a"}                the target has it, and nobody told us
//! meddle user1 User {"active":true}              somebody changes it behind our back
//! target QUIRK                                   deactivates, add-replaces, replace-appends [always],
//!                                                (a `replace` of a list, without path or any), refuses-parts (of what
//!                                                is not there, with 400), drops ATTRIBUTE,
//!                                                keeps ATTRIBUTE (that a PUT leaves out), fills ATTRIBUTE (by itself),
//!                                                refuses-filters, refuses-values (of removals, with 501),
//!                                                fails-looks STATUS [once] (0: no longer), flaps TIMES (of so many looks by id the first, from now on, finds nothing; 0: none), refuses-lists, muddles-lists (answers them, and tells nothing), refuses-reads, shows-reads, exact-filters,
//!                                                ignores-filter ATTRIBUTE, silent-filter ATTRIBUTE,
//!                                                etags, contends TIMES, overtaken {...} (by somebody
//!                                                who changes this, once),
//!                                                lists-after MILLIS (a search does not show it sooner)
//! gone user1 User                                somebody deletes it behind our back
//! pass 3000                                      milliseconds go by
//! approve e2 3600000                             an operator lets the entry `e2` go, for so many milliseconds
//! resolve e2 user1                               an operator says what the parked entry `e2` has made; `none`: nothing
//! scan                                           what is due is looked at
//! await e2                                       whoever waits for the entry `e2` has it looked at again
//! lend PRINCIPAL                                 whose credential is at hand from now on (it is that of who asked last; `gateway`: the host's own)
//! hides PRINCIPAL [ATTRIBUTE]                    the target shows this principal nothing, or no such attribute
//! post User {...} [key=K] [version=N] [FAULT]    a request; also put, patch, delete TYPE/ID, [attributes=A],
//!                                                [excluded-attributes=A], [waited=MILLIS] (since it had come), [sent=MILLIS] (since its client says to have sent it first)
//!   -> VERDICT [changed] [replayed] [status=N] [diverged=changed] [id=ID] [names=a,b] [evidence=read]
//!      [; WORDS] (of what a person is told)
//!      or NAME=VALUE of a note, body.NAME=VALUE of a text that the answer shows; `not-` before a word says that it must not come
//! count User 1                                   how many the target has
//! effects 2                                      how many effects it got
//! looks 0                                        how often it was asked since the last such line
//! shows user1 User {"active":true}               members that a resource must have
//! password user1 User b                          the digest of the password that it has
//! open 0                                         how many entries have not ended
//! leads User/user1 i1                            the identity that an id leads to; none: nobody
//! life i1 2                                      which life of this identity it is
//! knows NAME VALUE                               what was learned of the target; no VALUE: nothing
//! ```
//!
//! A FAULT is `lost`, `dropped`, `unsent`, `broken`, `made=408`, `hidden`, `refused=409`, `busy=503`, `late=2000`,
//! `accepted=2000` or `killed`.
//! `hung-up` as the last word says that its client does not wait for the answer.
//! `-> nothing to do` says that the entry does not wait for an approval, or is not parked.
//! `-> waits [MILLIS]` says that nothing can be said yet, and when it is looked at again; `-> killed` that the host died.

use replaysafe_core::types::{Answer, Divergence, Field, Method, Request, Scope};
use serde_json::Value;

use crate::{
    subject::Subject,
    target::{Appends, Fault, Target},
    world::{End, World},
};

/// Runs one case.
///
/// # Errors
///
/// What did not come as the case says, with the number of its line.
pub fn run(text: &str, subject: Subject) -> Result<World, String> {
    let mut world = World::new(subject);
    let mut end: Option<End> = None;
    let head = text.lines().next().unwrap_or_default();
    if !head.starts_with("# S") || !head.contains(": ") {
        return Err(
            "line 1: must be `# S1: sentence`, with the rules that the case is about".into()
        );
    }
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        act(&mut world, &mut end, line)
            .map_err(|error| format!("line {number}: `{line}`: {error}"))?;
    }
    Ok(world)
}

fn quirk(target: &mut Target, quirk: &str) -> Result<(), String> {
    match quirk.split_once(' ').unwrap_or((quirk, "")) {
        ("deactivates", "") => target.deactivates = true,
        ("add-replaces", "") => target.add_replaces = true,
        ("replace-appends", "") => target.replace_appends = Appends::WithoutPath,
        ("replace-appends", "always") => target.replace_appends = Appends::Always,
        ("refuses-parts", "") => target.refuses_parts = true,
        ("refuses-filters", "") => target.refuses_filters = true,
        ("refuses-values", "") => target.refuses_values = true,
        ("fails-looks", text) => {
            let once = text.strip_suffix(" once");
            target.fails_once = once.is_some();
            target.failed_looks = Some(status(once.unwrap_or(text))?).filter(|one| *one != 0);
        }
        ("flaps", times) => {
            target.flaps = usize::try_from(number(times)?).map_err(|error| error.to_string())?;
            target.looks_by_id = 0;
        }
        ("refuses-lists", "") => target.refuses_lists = true,
        ("muddles-lists", "") => target.muddles_lists = true,
        ("refuses-reads", "") => target.refuses_reads = true,
        ("shows-reads", "") => target.refuses_reads = false,
        ("exact-filters", "") => target.exact_filters = true,
        ("etags", "") => target.etags = true,
        ("ignores-filter", attribute) => target.ignored_filters.push(attribute.into()),
        ("silent-filter", attribute) => target.silent_filters.push(attribute.into()),
        ("lists-after", millis) => target.search_lag_ms = number(millis)?,
        ("contends", times) => {
            target.contended = u32::try_from(number(times)?).map_err(|error| error.to_string())?;
        }
        ("overtaken", members) => {
            target.overtaken = serde_json::from_str(members).map_err(|error| error.to_string())?;
        }
        ("drops", attribute) => target.drops.push(attribute.into()),
        ("keeps", attribute) => target.keeps.push(attribute.into()),
        ("fills", attribute) => target.fills.push(attribute.into()),
        _ => return Err("is no quirk of a target".into()),
    }
    Ok(())
}

fn act(world: &mut World, end: &mut Option<End>, line: &str) -> Result<(), String> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    if verb == "->" {
        let end = end.take().ok_or("nothing was asked")?;
        return expect(&end, rest, world.now);
    }
    if let Some(end) = end {
        return Err(format!("what came of the request before is not said: {end:?}"));
    }
    match verb {
        "policy" => world.settings.policy = rest.into(),
        "profile" => {
            let (name, value) = rest.split_once(' ').ok_or("needs a name and a value")?;
            world.settings.profile.push(Field { name: name.into(), value: value.into() });
        }
        "pass" => world.pass(number(rest)?),
        "approve" => {
            let (id, millis) = rest.split_once(' ').ok_or("needs an entry and milliseconds")?;
            *end = Some(world.approve(id, number(millis)?));
        }
        "resolve" => {
            let (id, made) = rest.split_once(' ').ok_or("needs an entry and an id, or `none`")?;
            *end = Some(world.resolve(id, if made == "none" { "" } else { made }));
        }
        "scan" => world.scan(),
        "await" => *end = Some(world.look_again(rest)),
        "lend" => world.lend(rest),
        "hides" => {
            let (principal, attribute) = rest.split_once(' ').unwrap_or((rest, ""));
            world.target.hidden.push((principal.into(), attribute.into()));
        }
        "has" | "meddle" => {
            let (place, mut members) = placed(rest)?;
            if verb == "has" {
                members.insert("id".into(), place.1.clone().into());
            }
            world.target.resources.entry(place).or_default().extend(members);
        }
        "gone" => {
            let place = placed(rest)?.0;
            world.target.resources.remove(&place).ok_or("the target does not have it")?;
        }
        "target" => quirk(&mut world.target, rest)?,
        "count" => {
            let (kind, count) = rest.split_once(' ').ok_or("needs a type and a number")?;
            same(world.target.of(kind).count(), count)?;
        }
        "effects" => same(world.target.effects, rest)?,
        "looks" => same(std::mem::take(&mut world.target.looks), rest)?,
        "password" => {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let [id, kind, digest] = words.as_slice() else {
                return Err("needs an id, a type and a digest".into());
            };
            let place = ((*kind).to_owned(), (*id).to_owned());
            let kept = world.target.passwords.get(&place).cloned().unwrap_or_default();
            if kept["$secret"] != **digest {
                return Err(format!("has {kept}"));
            }
        }
        "open" => same(world.open(), rest)?,
        "leads" => {
            let (place, identity) = rest.split_once(' ').unwrap_or((rest, ""));
            let (kind, id) = place.split_once('/').ok_or("needs a type and an id")?;
            let led_to = world.led_to(kind, id);
            if led_to.unwrap_or_default() != identity {
                return Err(format!("leads to {led_to:?}"));
            }
        }
        "life" => {
            let (identity, life) = rest.split_once(' ').ok_or("needs an identity and a number")?;
            let is = world.life(identity).ok_or("is not known")?;
            same(usize::try_from(is).map_err(|error| error.to_string())?, life)?;
        }
        "knows" => {
            let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
            let known = world.settings.profile.iter().rev().find(|field| field.name == name);
            let known = known.map_or("", |field| field.value.as_str());
            if known != value {
                return Err(format!("knows `{known}`"));
            }
        }
        "shows" => {
            let (place, members) = placed(rest)?;
            let shown = world.target.resources.get(&place).ok_or("the target does not have it")?;
            for (name, member) in members {
                let found = shown.get(&name).cloned().unwrap_or_default();
                if found != member {
                    return Err(format!("shows `{name}`: {found}"));
                }
            }
        }
        "post" | "put" | "patch" | "delete" => {
            let heard = rest.strip_suffix(" hung-up");
            world.hung_up = heard.is_some();
            let (request, fault, killed) = request(verb, heard.unwrap_or(rest), world.now)?;
            *end = Some(world.request(&request, fault, killed));
        }
        _ => return Err("is no word of a case".into()),
    }
    Ok(())
}

/// `user1 User {…}`
fn placed(text: &str) -> Result<((String, String), serde_json::Map<String, Value>), String> {
    let mut words = text.splitn(3, ' ');
    let id = words.next().ok_or("needs an id")?;
    let kind = words.next().ok_or("needs a type")?;
    let members = words.next().unwrap_or("{}");
    let members = serde_json::from_str(members).map_err(|error| error.to_string())?;
    Ok(((kind.into(), id.into()), members))
}

/// Reads a request as a case writes it, what is to happen to its effect, and whether the host dies of it.
///
/// # Errors
///
/// A word that is none of a request.
pub fn request(verb: &str, text: &str, now: u64) -> Result<(Request, Option<Fault>, bool), String> {
    let (head, body, tail) = match (text.find('{'), text.rfind('}')) {
        (Some(start), Some(last)) => (&text[..start], Some(&text[start..=last]), &text[last + 1..]),
        _ => {
            let (head, tail) = text.split_once(' ').unwrap_or((text, ""));
            (head, None, tail)
        }
    };
    let (resource_type, id) = match head.trim().split_once('/') {
        Some((kind, id)) => (kind, Some(id.to_owned())),
        None => (head.trim(), None),
    };
    let mut request = Request {
        scope: Scope {
            tenant: "t".into(),
            target: "x".into(),
            source: "default".into(),
            principal: "p".into(),
        },
        method: match verb {
            "post" => Method::Create,
            "put" => Method::Replace,
            "patch" => Method::Patch,
            _ => Method::Delete,
        },
        resource_type: resource_type.into(),
        id,
        body: body.map(str::to_owned),
        key: None,
        version: None,
        if_match: None,
        received_at: now,
        extra: Vec::new(),
    };
    let mut fault = None;
    let mut killed = false;
    for word in tail.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "key" => request.key = Some(value.into()),
            "source" => request.scope.source = value.into(),
            "principal" => request.scope.principal = value.into(),
            "version" => request.version = Some(number(value)?),
            "attributes" | "excluded-attributes" => {
                request.extra.push(Field { name: name.into(), value: value.into() });
            }
            "if-match" => request.if_match = Some(value.into()),
            "sent" => {
                let at = now.saturating_sub(number(value)?).to_string();
                request.extra.push(Field { name: "first-sent".into(), value: at });
            }
            "waited" => request.received_at = now.saturating_sub(number(value)?),
            "lost" => fault = Some(Fault::Lost),
            "dropped" => fault = Some(Fault::Dropped),
            "unsent" => fault = Some(Fault::Unsent),
            "broken" => fault = Some(Fault::Broken),
            "made" => fault = Some(Fault::Made(status(value)?)),
            "hidden" => fault = Some(Fault::Hidden),
            "refused" => fault = Some(Fault::Refused(status(value)?)),
            "busy" => fault = Some(Fault::Busy(status(value)?)),
            "late" => fault = Some(Fault::Late(number(value)?)),
            "accepted" => fault = Some(Fault::Accepted(number(value)?)),
            "killed" => killed = true,
            _ => return Err(format!("`{word}` is no word of a request")),
        }
    }
    Ok((request, fault, killed))
}

fn expect(end: &End, text: &str, now: u64) -> Result<(), String> {
    let (text, detail) = text.split_once("; ").unwrap_or((text, ""));
    let mut words = text.split_whitespace();
    let verdict = words.next().ok_or("needs a verdict")?;
    let answer = match end {
        End::Told(answer) => answer,
        End::NothingToDo => {
            let said = text == "nothing to do";
            return said.then_some(()).ok_or("does not wait for an approval".into());
        }
        End::Killed => return (verdict == "killed").then_some(()).ok_or("was killed".into()),
        End::Waits(until) => {
            let waits = until.saturating_sub(now).to_string();
            let said = verdict == "waits" && words.next().is_none_or(|millis| millis == waits);
            return said.then_some(()).ok_or(format!("waits {waits}"));
        }
    };
    let told = told(answer);
    if told.first().map(String::as_str) != Some(verdict) {
        return Err(format!("came: {}; {}", told.join(" "), answer.detail));
    }
    if !answer.detail.contains(detail) {
        return Err(format!("a person is told: {}", answer.detail));
    }
    for word in words {
        let wrong = match word.strip_prefix("not-") {
            Some(word) => told.iter().any(|said| said == word),
            None => !told.iter().any(|said| said == word),
        };
        if wrong {
            return Err(format!("`{word}` is wrong; came: {}", told.join(" ")));
        }
    }
    // What changes the target and who is told so is never left unsaid.
    let unsaid = |word: &str| {
        told.iter().any(|said| said == word) && !text.split_whitespace().any(|said| said == word)
    };
    for word in ["changed", "replayed"] {
        if unsaid(word) {
            return Err(format!("`{word}` came and is not expected; came: {}", told.join(" ")));
        }
    }
    Ok(())
}

/// An answer in the words of a case.
fn told(answer: &Answer) -> Vec<String> {
    let verdict = serde_json::to_value(answer.verdict).unwrap_or_default();
    let mut words = vec![verdict.as_str().unwrap_or_default().to_owned()];
    let status = answer.status.or(answer.target.as_ref().map(|target| target.status));
    words.extend(status.map(|status| format!("status={status}")));
    words.extend(answer.retry_after.map(|seconds| format!("retry-after={seconds}")));
    if answer.changed {
        words.push("changed".into());
    }
    if answer.replayed {
        words.push("replayed".into());
    }
    match answer.diverged {
        Divergence::No => {}
        Divergence::Changed => words.push("diverged=changed".into()),
        Divergence::Deleted => words.push("diverged=deleted".into()),
    }
    let body = answer.target.as_ref().and_then(|target| target.body.as_deref()).unwrap_or("null");
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    words.extend(body["id"].as_str().map(|id| format!("id={id}")));
    let shown = body.as_object().into_iter().flatten();
    words
        .extend(shown.filter_map(|(name, value)| Some(format!("body.{name}={}", value.as_str()?))));
    if !answer.attributes.is_empty() {
        words.push(format!("names={}", answer.attributes.join(",")));
    }
    let evidence = serde_json::to_value(answer.evidence).unwrap_or_default();
    words.push(format!("evidence={}", evidence.as_str().unwrap_or_default()));
    words.extend(answer.notes.iter().map(|note| format!("{}={}", note.name, note.value)));
    words
}

fn status(text: &str) -> Result<u16, String> {
    u16::try_from(number(text)?).map_err(|_| format!("`{text}` is no status"))
}

fn number(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is no number"))
}

fn same(found: usize, expected: &str) -> Result<(), String> {
    if number(expected)? == found as u64 { Ok(()) } else { Err(format!("found {found}")) }
}
