//! A target in a few lines: what it keeps is what was asked of it, and it can lose an answer.
//!
//! Written apart from the core, on another JSON library: it is one side of every comparison.

use std::collections::BTreeMap;

use replaysafe_core::types::{Effect, EffectBody, Method, Outcome, Question, Sight, TargetAnswer};
use serde_json::{Map, Value, json};

/// What may happen to one effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is made, and its answer is lost.
    Lost,
    /// It is lost on the way, and so is any answer.
    Dropped,
    /// No byte of it is written.
    Unsent,
    /// It is made, and the answer says 500.
    Broken,
    /// It is made, and the answer says this.
    Made(u16),
    /// It is made and answered, and from then on nothing is shown by its id.
    Hidden,
    /// It is not made, and the answer says this.
    Refused(u16),
    /// It is not made, and the answer says this, with a Retry-After.
    Busy(u16),
    /// It is accepted with 202, and made when this many milliseconds have passed.
    Accepted(u64),
    /// It is made when this many milliseconds have passed; its answer is lost.
    Late(u64),
}

/// Which `replace` of a list appends to it, where it should replace it (RFC 7644 §3.5.2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Appends {
    /// None.
    #[default]
    Never,
    /// One without path.
    WithoutPath,
    /// Any.
    Always,
}

/// A target without uniqueness, that deletes for good and shows what it has at once.
#[derive(Debug, Default)]
pub struct Target {
    /// What it keeps, by type and id.
    pub resources: BTreeMap<(String, String), Map<String, Value>>,
    /// How many effects reached it.
    pub effects: usize,
    /// How many looks by id reached it.
    pub looks_by_id: usize,
    /// How many looks reached it.
    pub looks: usize,
    /// Whether it switches off what it is told to delete.
    pub deactivates: bool,
    /// Attributes that it takes and does not keep.
    pub drops: Vec<String>,
    /// Attributes that a PUT which leaves them out does not take away.
    pub keeps: Vec<String>,
    /// Attributes that it makes of `userName` where they are not stated.
    pub fills: Vec<String>,
    /// Whether an `add` replaces the list.
    pub add_replaces: bool,
    /// Whether a `replace` of a list appends to it: where it has no path as scimmy does, or always.
    pub replace_appends: Appends,
    /// Whether it refuses a part of a value that is not there (400, as scimmy does).
    pub refuses_parts: bool,
    /// Whether it refuses a removal by a filter on `value` (501).
    pub refuses_filters: bool,
    /// Whether it refuses a removal that lists values (501).
    pub refuses_values: bool,
    /// Whether it refuses to list all (403).
    pub refuses_lists: bool,
    /// What it answers to every look: a failure of its own.
    pub failed_looks: Option<u16>,
    /// Whether only the next look fails.
    pub fails_once: bool,
    /// Of how many looks by id, counted over all, the first finds nothing: one of its replicas has nothing. 0: of none.
    pub flaps: usize,
    /// Whether its lists and searches are answered and cannot be read to their end.
    pub muddles_lists: bool,
    /// Whether it refuses to show a resource by its id (403).
    pub refuses_reads: bool,
    /// Attributes whose filter it takes for none: it lists everything.
    pub ignored_filters: Vec<String>,
    /// Attributes whose filter it does not know: it lists nothing.
    pub silent_filters: Vec<String>,
    /// Whether its filters compare letter case.
    pub exact_filters: bool,
    /// For how many milliseconds a search does not list what was made.
    pub search_lag_ms: u64,
    /// Whether it has entity tags that move with every change.
    pub etags: bool,
    /// How many of the next preconditions find that somebody was faster.
    pub contended: u32,
    /// What the next precondition finds that somebody else has made of the resource.
    pub overtaken: Option<Map<String, Value>>,
    /// What is not shown to a principal: an attribute, or all (the empty text).
    pub hidden: Vec<(String, String)>,
    /// The principal whose credential it is called with.
    pub caller: String,
    /// The passwords, by type and id: never shown.
    pub passwords: BTreeMap<(String, String), Value>,
    now: u64,
    made_at: BTreeMap<(String, String), u64>,
    next: u64,
    late: Vec<(u64, Effect, String)>,
}

impl Target {
    /// Lets what was delayed happen.
    pub fn pass_time(&mut self, now: u64) {
        self.now = now;
        let (due, late) =
            std::mem::take(&mut self.late).into_iter().partition(|(at, ..)| *at <= now);
        self.late = late;
        let due: Vec<(u64, Effect, String)> = due;
        for (_, effect, body) in due {
            self.make(&effect, &body);
        }
    }

    /// Answers a question.
    pub fn look(&mut self, question: &Question) -> Sight {
        self.looks += 1;
        if let Some(status) = self.failed_looks {
            self.failed_looks.take_if(|_| self.fails_once);
            return match question {
                Question::ById(_) => Sight::Answered(answer(status, None)),
                Question::Search(_) | Question::All(_) => Sight::Refused(answer(status, None)),
            };
        }
        match question {
            Question::ById(by) => {
                let found = self.resources.get(&(by.resource_type.clone(), by.id.clone()));
                let flaps = self.flaps != 0 && self.looks_by_id.is_multiple_of(self.flaps);
                self.looks_by_id += 1;
                Sight::Answered(match found.and_then(|resource| self.shown(resource)) {
                    _ if self.refuses_reads => answer(403, None),
                    _ if flaps => answer(404, None),
                    Some(resource) => answer(200, Some(&resource)),
                    None => answer(404, None),
                })
            }
            Question::Search(_) | Question::All(_) if self.muddles_lists => {
                Sight::Refused(answer(200, None))
            }
            Question::Search(search) => Sight::Listed(
                self.resources
                    .iter()
                    .filter(|(place, resource)| {
                        place.0 == search.resource_type
                            && self.is_indexed(place)
                            && self.selects(&search.attribute, &search.value, resource)
                    })
                    .filter_map(|(_, resource)| self.shown(resource))
                    .map(|resource| json!(resource).to_string())
                    .collect(),
            ),
            Question::All(_) if self.refuses_lists => Sight::Refused(answer(403, None)),
            Question::All(kind) => {
                let shown = self.of(kind).filter_map(|resource| self.shown(resource));
                Sight::Listed(shown.map(|resource| json!(resource).to_string()).collect())
            }
        }
    }

    /// What the caller is shown of a resource.
    fn shown(&self, resource: &Map<String, Value>) -> Option<Map<String, Value>> {
        let mut resource = resource.clone();
        for (_, attribute) in self.hidden.iter().filter(|(from, _)| *from == self.caller) {
            if attribute.is_empty() {
                return None;
            }
            resource.remove(attribute);
        }
        Some(resource)
    }

    /// What is not indexed yet is shown by its id only.
    fn is_indexed(&self, place: &(String, String)) -> bool {
        self.made_at.get(place).is_none_or(|made_at| made_at + self.search_lag_ms <= self.now)
    }

    fn selects(&self, attribute: &str, value: &str, resource: &Map<String, Value>) -> bool {
        let has = |attributes: &[String]| attributes.iter().any(|one| one == attribute);
        let shown = resource.get(attribute).and_then(Value::as_str);
        let equal = |shown: &str| match self.exact_filters {
            true => shown == value,
            false => shown.eq_ignore_ascii_case(value),
        };
        // `emails.value`: any of the values.
        let within = attribute.split_once('.').and_then(|(list, part)| {
            let items = resource.get(list).and_then(Value::as_array)?;
            items.iter().find_map(|item| item[part].as_str().filter(|shown| equal(shown)))
        });
        let shown = shown.or(within);
        has(&self.ignored_filters) || !has(&self.silent_filters) && shown.is_some_and(equal)
    }

    /// Makes an effect, or what the fault leaves of it.
    pub fn apply(
        &mut self,
        effect: &Effect,
        sent: &str,
        now: u64,
        fault: Option<Fault>,
    ) -> Outcome {
        self.now = now;
        let body = match &effect.body {
            EffectBody::Empty => "",
            EffectBody::AsSent => sent,
            EffectBody::Document(document) => document,
        };
        if fault != Some(Fault::Unsent) {
            self.effects += 1;
        }
        match fault {
            None => Outcome::Answered(self.make(effect, body)),
            Some(Fault::Lost) => {
                self.make(effect, body);
                Outcome::Unknown("no answer".into())
            }
            Some(Fault::Dropped) => Outcome::Unknown("no answer".into()),
            Some(Fault::Unsent) => Outcome::NotSent("connection refused".into()),
            Some(Fault::Broken) => {
                self.make(effect, body);
                Outcome::Answered(answer(500, None))
            }
            Some(Fault::Made(status)) => {
                self.make(effect, body);
                Outcome::Answered(answer(status, None))
            }
            Some(Fault::Hidden) => {
                self.refuses_reads = true;
                Outcome::Answered(self.make(effect, body))
            }
            Some(Fault::Busy(status)) => {
                Outcome::Answered(TargetAnswer { retry_after: Some(7), ..answer(status, None) })
            }
            Some(Fault::Refused(status)) => Outcome::Answered(answer(status, None)),
            Some(Fault::Late(delay) | Fault::Accepted(delay)) => {
                self.late.push((now + delay, effect.clone(), body.into()));
                match fault {
                    Some(Fault::Accepted(_)) => Outcome::Answered(answer(202, None)),
                    _ => Outcome::Unknown("no answer".into()),
                }
            }
        }
    }

    fn refuses(&self, body: &Value) -> bool {
        body["Operations"].as_array().into_iter().flatten().any(|operation| {
            let removes =
                operation["op"].as_str().is_some_and(|op| op.eq_ignore_ascii_case("remove"));
            let filtered = operation["path"].as_str().is_some_and(|path| path.contains('['));
            let listed = operation.get("value").is_some();
            removes && (filtered && self.refuses_filters || listed && self.refuses_values)
        })
    }

    /// What it keeps of a type.
    pub fn of(&self, kind: &str) -> impl Iterator<Item = &Map<String, Value>> {
        self.resources.iter().filter(move |((of, _), _)| of == kind).map(|(_, resource)| resource)
    }

    fn make(&mut self, effect: &Effect, body: &str) -> TargetAnswer {
        let kind = effect.resource_type.clone();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        if effect.method == Method::Create {
            self.next += 1;
            let id = format!("{}{}", kind.to_ascii_lowercase(), self.next);
            let mut resource = body.as_object().cloned().unwrap_or_default();
            let password = resource.remove("password");
            let place = (kind.clone(), id.clone());
            self.passwords.extend(password.map(|password| (place, password)));
            resource.retain(|name, _| !self.drops.contains(name));
            fill(&mut resource, &self.fills);
            resource.insert("id".into(), json!(id));
            resource.insert("meta".into(), json!({ "location": format!("/{kind}s/{id}") }));
            self.made_at.insert((kind.clone(), id.clone()), self.now);
            self.resources.insert((kind, id), resource.clone());
            return answer(201, Some(&resource));
        }
        let id = effect.id.clone().unwrap_or_default();
        let place = (kind, id.clone());
        if effect.method == Method::Patch && self.refuses(&body) {
            return answer(501, None);
        }
        let Some(resource) = self.resources.get_mut(&place) else { return answer(404, None) };
        if self.etags && effect.if_match.is_some() {
            if 0 < self.contended {
                self.contended -= 1;
                touch(resource);
            }
            if let Some(members) = self.overtaken.take() {
                resource.extend(members);
                touch(resource);
            }
            if effect.if_match != answer(200, Some(resource)).etag {
                return answer(412, None);
            }
        }
        if self.etags {
            touch(resource);
        }
        match effect.method {
            Method::Delete if self.deactivates => {
                resource.insert("active".into(), json!(false));
                answer(204, None)
            }
            Method::Delete => {
                self.resources.remove(&place);
                answer(204, None)
            }
            Method::Replace => {
                let mut fresh = body.as_object().cloned().unwrap_or_default();
                let password = fresh.remove("password");
                self.passwords.extend(password.map(|password| (place, password)));
                fresh.retain(|name, _| !self.drops.contains(name));
                fresh.insert("id".into(), json!(id));
                fresh.insert("meta".into(), resource.get("meta").cloned().unwrap_or_default());
                for name in &self.keeps {
                    let kept = resource.get(name).cloned().unwrap_or_default();
                    fresh.entry(name).or_insert(kept);
                }
                fill(&mut fresh, &self.fills);
                *resource = fresh;
                answer(200, Some(resource))
            }
            Method::Patch | Method::Create => {
                let quirks = (self.add_replaces, self.replace_appends);
                let mut patched = resource.clone();
                for operation in body["Operations"].as_array().into_iter().flatten() {
                    if self.refuses_parts && lacks_the_whole(&patched, operation) {
                        return answer(400, None);
                    }
                    patch(&mut patched, operation, quirks);
                }
                let password = patched.remove("password");
                self.passwords.extend(password.map(|password| (place, password)));
                patched.retain(|name, _| !self.drops.contains(name));
                *resource = patched;
                answer(200, Some(resource))
            }
        }
    }
}

fn fill(resource: &mut Map<String, Value>, names: &[String]) {
    for name in names {
        let made = resource.get("userName").cloned().unwrap_or_default();
        resource.entry(name).or_insert(made);
    }
}

/// Moves the version on, as every change does.
fn touch(resource: &mut Map<String, Value>) {
    let version = resource.get("meta").and_then(|meta| meta["version"].as_str());
    let number: u64 = version.and_then(|text| text.trim_matches('"').parse().ok()).unwrap_or(0);
    let meta = resource.entry("meta").or_insert_with(|| json!({}));
    meta["version"] = json!(format!("\"{}\"", number + 1));
}

/// Whether an operation is about a part of a value that is not there.
fn lacks_the_whole(resource: &Map<String, Value>, operation: &Value) -> bool {
    let path = operation["path"].as_str().unwrap_or_default();
    path.split_once('.').is_some_and(|(whole, _)| !resource.contains_key(whole))
}

/// The part of RFC 7644 §3.5.2 that the corpus uses: whole attributes, parts, members by value, and values that a
/// filter selects.
fn patch(resource: &mut Map<String, Value>, operation: &Value, quirks: (bool, Appends)) {
    let (add_replaces, appends) = quirks;
    let op = operation["op"].as_str().unwrap_or_default().to_ascii_lowercase();
    let value = operation.get("value").cloned().unwrap_or_default();
    let adds = op == "add" && !add_replaces;
    let replaces = op == "replace";
    let Some(path) = operation["path"].as_str() else {
        for (name, member) in value.as_object().into_iter().flatten() {
            set(resource, name, member.clone(), adds || replaces && appends != Appends::Never);
        }
        return;
    };
    // RFC 7644 §3.10: what stands behind the URN of an extension is a part of its object.
    if let Some((urn, rest)) = path.rsplit_once(':').filter(|_| path.starts_with("urn:")) {
        let within = resource.remove(urn).and_then(|of| of.as_object().cloned());
        let mut within = within.unwrap_or_default();
        let mut operation = operation.clone();
        operation["path"] = json!(rest);
        patch(&mut within, &operation, quirks);
        if !within.is_empty() {
            resource.insert(urn.into(), Value::Object(within));
        }
        return;
    }
    if let (false, Some((attribute, filter))) = (op == "remove", path.split_once('[')) {
        let (filter, part) = filter.split_once(']').unwrap_or_default();
        let (sub, wanted) = filter.split_once(" eq ").unwrap_or_default();
        let items = resource.get_mut(attribute).and_then(Value::as_array_mut).into_iter().flatten();
        // RFC 7644 §3.5.2.3: all matching values are replaced.
        for item in items.filter(|item| item[sub] == json!(wanted.trim_matches('"'))) {
            match part.strip_prefix('.') {
                Some(part) => item[part] = value.clone(),
                None => *item = value.clone(),
            }
        }
        return;
    }
    if let (false, Some((whole, part))) = (op == "remove", path.split_once('.')) {
        let whole = resource.entry(whole).or_insert_with(|| json!({}));
        whole[part] = value;
        return;
    }
    if op != "remove" {
        set(resource, path, value, adds || replaces && appends == Appends::Always);
        return;
    }
    let (attribute, wanted) = match path.split_once('[') {
        Some((attribute, filter)) => (attribute, filter.split('"').nth(1).map(str::to_owned)),
        None => (path, None),
    };
    let listed: Vec<String> = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item["value"].as_str().map(str::to_owned))
        .chain(wanted)
        .collect();
    if listed.is_empty() {
        resource.remove(attribute);
        return;
    }
    if let Some(Value::Array(items)) = resource.get_mut(attribute) {
        items.retain(|item| !listed.iter().any(|gone| item["value"] == json!(gone)));
    }
}

/// An added value stacks: this target has never heard of sets.
fn set(resource: &mut Map<String, Value>, name: &str, value: Value, add: bool) {
    match (resource.get_mut(name), value) {
        (Some(Value::Array(items)), Value::Array(more)) if add => items.extend(more),
        (_, value) => {
            resource.insert(name.into(), value);
        }
    }
}

fn answer(status: u16, resource: Option<&Map<String, Value>>) -> TargetAnswer {
    TargetAnswer {
        status,
        location: None,
        etag: resource.and_then(|it| it.get("meta")?["version"].as_str()).map(str::to_owned),
        content_type: Some("application/scim+json".into()),
        retry_after: None,
        body: resource.map(|resource| json!(resource).to_string()),
        extra: Vec::new(),
    }
}
