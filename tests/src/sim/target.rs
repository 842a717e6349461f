//! The target of a simulated world: what it keeps, what it shows, and how it may misbehave.
//!
//! It reads the JSON that reaches it and nothing else. Which fault strikes is the world's choice.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::Hash as _,
    rc::Rc,
};

use replaysafe_core::types::{Effect, Method, Question, Sight, TargetAnswer};
use serde_json::Value;

use super::{
    digest::Digester,
    workload::{Kind, Subject},
};

/// How entity tags are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Etag {
    /// There are none.
    None,
    /// A number that only grows.
    Monotonic,
    /// A digest of the content: the same content has the same tag again.
    Content,
}

/// How a target behaves as long as nothing fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Profile {
    /// It refuses a second resource with the same name (409), also where the first is switched off.
    pub unique: bool,
    /// It says that it does.
    pub unique_declared: bool,
    /// It switches off what it is told to delete.
    pub deactivates: bool,
    /// Its entity tags.
    pub etag: Etag,
    /// An added edge is stored again although it is there.
    pub stacks: bool,
    /// An `add` replaces the list.
    pub add_replaces: bool,
    /// It takes titles and does not keep them.
    pub drops_title: bool,
    /// It refuses removals by a filter (501).
    pub refuses_filters: bool,
    /// It refuses to list everything: absence cannot be proved.
    pub refuses_lists: bool,
    /// Its search lags behind by less than L.
    pub lags: bool,
    /// A call without an answer may take effect later, within D.
    pub late: bool,
    /// It keeps no bound: a call may take effect at any time.
    pub unbounded: bool,
}

/// D: how long after it was recorded as sent a call can take effect. What the core assumes of any target.
pub const APPLY_BOUND_MS: u64 = 15_000;

/// L: how long search lags behind at most, likewise.
pub const SEARCH_LAG_MS: u64 = 2_000;

/// One resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// Whose it is.
    pub subject: Subject,
    /// Whether it has the subject's external id.
    pub external: bool,
    /// Its title; 0: none.
    pub title: u8,
    /// Switched on; none: never said.
    pub active: Option<bool>,
    /// Roles or members, in order, with repeats.
    pub edges: Vec<u8>,
    /// How often it was changed.
    pub version: u32,
}

impl Resource {
    /// It gives access: it is not switched off.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.active != Some(false)
    }
}

/// What became of an effect at the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of which resource; none where it made none.
    pub id: Option<u32>,
    /// Before.
    pub before: Option<Resource>,
    /// After.
    pub after: Option<Resource>,
}

/// The target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// What it keeps, by number of the id.
    pub store: BTreeMap<u32, Resource>,
    /// What its search shows.
    index: BTreeMap<u32, Resource>,
    /// What its search does not show yet, and by when it must.
    behind: VecDeque<(u64, u32, Option<Resource>)>,
    /// The passwords that it shows, by id; none where it shows none.
    passwords: Option<BTreeMap<u32, Rc<str>>>,
    next: u32,
}

impl Target {
    /// With these resources, all of them shown.
    #[must_use]
    pub fn new(store: BTreeMap<u32, Resource>) -> Self {
        let next = store.keys().next_back().copied().unwrap_or_default();
        Self { index: store.clone(), store, behind: VecDeque::new(), passwords: None, next }
    }

    /// It shows passwords from now on.
    pub fn show_passwords(&mut self) {
        self.passwords = Some(BTreeMap::new());
    }

    /// When its search must have caught up with the oldest change.
    #[must_use]
    pub fn index_due(&self) -> Option<u64> {
        self.behind.front().map(|(due, ..)| *due)
    }

    /// Its search catches up with the oldest change.
    pub fn catch_up(&mut self) {
        if let Some((_, id, shown)) = self.behind.pop_front() {
            match shown {
                Some(resource) => self.index.insert(id, resource),
                None => self.index.remove(&id),
            };
        }
    }

    /// Takes in what can still make a difference. `versions`: how often a resource was changed is one of it.
    pub(in crate::sim) fn matters(&self, versions: bool, to: &mut Digester) {
        let Self { store, index, behind, passwords, next } = self;
        let shown = store.iter().chain(index).map(|(id, resource)| (id, Some(resource)));
        let behind_ids = behind.iter().map(|(_, id, resource)| (id, resource.as_ref()));
        for (id, resource) in shown.chain(behind_ids) {
            id.hash(to);
            if let Some(Resource { subject, external, title, active, edges, version }) = resource {
                (subject, external, title, active, edges, version * u32::from(versions)).hash(to);
            }
        }
        (store.len(), index.len(), passwords, next).hash(to);
        for (due, ..) in behind {
            due.hash(to);
        }
    }

    /// Resources of a subject, whether switched on or off.
    pub fn of(&self, subject: Subject) -> impl Iterator<Item = (u32, &Resource)> {
        self.store
            .iter()
            .filter(move |(_, resource)| resource.subject == subject)
            .map(|(id, resource)| (*id, resource))
    }

    /// What the search shows of a subject.
    #[must_use]
    pub fn shown(&self, subject: Subject) -> Option<u32> {
        self.index.iter().find(|(_, resource)| resource.subject == subject).map(|(id, _)| *id)
    }

    /// Answers a question.
    #[must_use]
    pub fn look(&self, question: &Question, profile: &Profile) -> Sight {
        match question {
            Question::ById(by) => {
                let of_type = |(_, resource): &(u32, &Resource)| {
                    resource.subject.kind.name() == by.resource_type
                };
                let found = number(&by.id).and_then(|id| Some((id, self.store.get(&id)?)));
                let found = found.filter(of_type);
                Sight::Answered(match found {
                    Some((id, resource)) => self.shows(200, id, resource, profile),
                    None => answer(404, None, profile),
                })
            }
            Question::Search(search) => {
                let matches = |resource: &Resource| {
                    let Subject { kind, number } = resource.subject;
                    kind.name() == search.resource_type
                        && match search.attribute.as_str() {
                            "userName" => search.value == format!("u{number}"),
                            "externalId" => {
                                resource.external && search.value == format!("x{number}")
                            }
                            _ => false,
                        }
                };
                Sight::Listed(self.listed(matches, profile))
            }
            Question::All(_) if profile.refuses_lists => Sight::Refused(answer(403, None, profile)),
            Question::All(kind) => {
                Sight::Listed(self.listed(|resource| resource.subject.kind.name() == kind, profile))
            }
        }
    }

    fn listed(&self, matches: impl Fn(&Resource) -> bool, profile: &Profile) -> Vec<String> {
        let found = self.index.iter().filter(|(_, resource)| matches(resource));
        found
            .map(|(id, resource)| self.with_password(*id, render(*id, resource, profile)))
            .collect()
    }

    /// An answer that shows a resource.
    fn shows(&self, status: u16, id: u32, resource: &Resource, profile: &Profile) -> TargetAnswer {
        let answer = answer(status, Some((id, resource)), profile);
        TargetAnswer { body: answer.body.map(|body| self.with_password(id, body)), ..answer }
    }

    fn with_password(&self, id: u32, mut document: String) -> String {
        if let Some(password) = self.passwords.as_ref().and_then(|all| all.get(&id)) {
            document.pop();
            document = document + ",\"password\":\"" + password + "\"}";
        }
        document
    }

    /// What a request says of the password of a resource.
    fn take_password(&mut self, id: u32, body: &Value) {
        if let Some(of) = &mut self.passwords {
            let stated = passwords(body).filter_map(Value::as_str);
            of.extend(stated.map(|password| (id, password.into())));
        }
    }

    /// Makes an effect.
    pub fn make(
        &mut self,
        effect: &Effect,
        body: &str,
        now: u64,
        profile: &Profile,
    ) -> (TargetAnswer, Change) {
        let nothing = Change { id: None, before: None, after: None };
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        if effect.method == Method::Create {
            let Some(resource) = read(&body, &effect.resource_type, profile) else {
                return (answer(400, None, profile), nothing);
            };
            let taken = || self.store.values().any(|other| other.subject == resource.subject);
            if profile.unique && taken() {
                return (answer(409, None, profile), nothing);
            }
            self.next += 1;
            let id = self.next;
            self.put(id, Some(resource.clone()), now, profile);
            self.take_password(id, &body);
            let told = self.shows(201, id, &resource, profile);
            return (told, Change { id: Some(id), before: None, after: Some(resource) });
        }
        let id = effect.id.as_deref().and_then(number);
        let Some((id, before)) = id.and_then(|id| Some((id, self.store.get(&id)?.clone()))) else {
            return (answer(404, None, profile), nothing);
        };
        if profile.etag != Etag::None
            && effect
                .if_match
                .as_ref()
                .is_some_and(|tag| Some(tag) != tag_of(&before, profile).as_ref())
        {
            return (answer(412, None, profile), nothing);
        }
        let mut after = before.clone();
        let status = match effect.method {
            Method::Delete if profile.deactivates => {
                after.active = Some(false);
                204
            }
            Method::Delete => {
                self.put(id, None, now, profile);
                let change = Change { id: Some(id), before: Some(before), after: None };
                return (answer(204, None, profile), change);
            }
            Method::Replace => {
                let Some(fresh) = read(&body, &effect.resource_type, profile) else {
                    return (answer(400, None, profile), nothing);
                };
                after = fresh;
                200
            }
            Method::Patch | Method::Create => {
                if profile.refuses_filters && filters(&body) {
                    return (answer(501, None, profile), nothing);
                }
                for operation in body["Operations"].as_array().into_iter().flatten() {
                    patch(&mut after, operation, profile);
                }
                200
            }
        };
        after.version = before.version;
        if after != before {
            after.version += 1;
            self.put(id, Some(after.clone()), now, profile);
        }
        self.take_password(id, &body);
        let told = match status {
            200 => self.shows(status, id, &after, profile),
            _ => answer(status, None, profile),
        };
        (told, Change { id: Some(id), before: Some(before), after: Some(after) })
    }

    fn put(&mut self, id: u32, resource: Option<Resource>, now: u64, profile: &Profile) {
        match &resource {
            Some(resource) => self.store.insert(id, resource.clone()),
            None => self.store.remove(&id),
        };
        self.behind.push_back((now + SEARCH_LAG_MS, id, resource));
        if !profile.lags {
            while !self.behind.is_empty() {
                self.catch_up();
            }
        }
    }
}

/// The passwords that a document states.
pub fn passwords(body: &Value) -> impl Iterator<Item = &Value> {
    let operations = body["Operations"].as_array().into_iter().flatten();
    let patched = operations.filter(|operation| operation["path"] == "password");
    patched.filter_map(|operation| operation.get("value")).chain(body.get("password"))
}

/// What an answer of 2xx says although nothing was done: the lie of a target.
///
/// An id that it tells is not given again.
#[must_use]
pub fn pretend(
    target: &mut Target,
    effect: &Effect,
    body: &str,
    profile: &Profile,
) -> TargetAnswer {
    let mut other = target.clone();
    let answer = other.make(effect, body, 0, profile).0;
    target.next = other.next;
    answer
}

/// An answer without a body.
#[must_use]
pub fn bare(status: u16, retry_after: Option<u32>) -> TargetAnswer {
    TargetAnswer {
        status,
        location: None,
        etag: None,
        content_type: None,
        retry_after,
        body: None,
        extra: Vec::new(),
    }
}

/// The number in an id: `7` of `r7`.
#[must_use]
pub fn number(id: &str) -> Option<u32> {
    id.strip_prefix('r')?.parse().ok()
}

fn answer(status: u16, resource: Option<(u32, &Resource)>, profile: &Profile) -> TargetAnswer {
    let (etag, body) = match resource {
        Some((id, resource)) => (tag_of(resource, profile), Some(render(id, resource, profile))),
        None => (None, None),
    };
    TargetAnswer { etag, body, ..bare(status, None) }
}

fn tag_of(resource: &Resource, profile: &Profile) -> Option<String> {
    match profile.etag {
        Etag::None => None,
        Etag::Monotonic => Some(format!("W/\"{}\"", resource.version)),
        Etag::Content => {
            let Resource { title, active, edges, .. } = resource;
            Some(
                format!("W/\"{title}-{active:?}-{edges:?}\"")
                    .replace(['(', ')', '[', ']', ' '], ""),
            )
        }
    }
}

fn render(id: u32, resource: &Resource, profile: &Profile) -> String {
    use std::fmt::Write as _;
    let Subject { kind, number } = resource.subject;
    let mut text = String::with_capacity(160);
    let name = match kind {
        Kind::User => "userName\":\"u",
        Kind::Group => "displayName\":\"g",
    };
    let _ = write!(text, "{{\"id\":\"r{id}\",\"{name}{number}\"");
    if resource.external {
        let _ = write!(text, ",\"externalId\":\"x{number}\"");
    }
    if let Some(active) = resource.active {
        let _ = write!(text, ",\"active\":{active}");
    }
    if resource.title != 0 {
        let _ = write!(text, ",\"title\":\"t{}\"", resource.title);
    }
    if !resource.edges.is_empty() {
        let _ = write!(text, ",\"{}\":[", kind.edges());
        for (position, edge) in resource.edges.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            let _ = write!(text, "{comma}{{\"value\":\"e{edge}\"}}");
        }
        text.push(']');
    }
    let _ = write!(text, ",\"meta\":{{\"location\":\"/{}s/r{id}\"", kind.name());
    if let Some(tag) = tag_of(resource, profile) {
        let _ = write!(text, ",\"version\":{}", Value::from(tag));
    }
    text.push_str("}}");
    text
}

fn small(text: &str) -> Option<u8> {
    text.get(1..)?.parse().ok()
}

fn read(body: &Value, kind: &str, profile: &Profile) -> Option<Resource> {
    let text = |name: &str| body[name].as_str();
    let (kind, name) = match kind {
        "User" => (Kind::User, text("userName")),
        _ => (Kind::Group, text("displayName")),
    };
    let edges = body[kind.edges()].as_array().into_iter().flatten();
    Some(Resource {
        subject: Subject { kind, number: small(name?)? },
        external: text("externalId").is_some(),
        title: if profile.drops_title { 0 } else { text("title").and_then(small).unwrap_or(0) },
        active: body["active"].as_bool(),
        edges: edges.filter_map(|edge| small(edge["value"].as_str()?)).collect(),
        version: 0,
    })
}

fn filters(body: &Value) -> bool {
    let operations = body["Operations"].as_array().into_iter().flatten();
    operations.filter_map(|operation| operation["path"].as_str()).any(|path| path.contains('['))
}

/// The part of RFC 7644 §3.5.2 that these clients use.
fn patch(resource: &mut Resource, operation: &Value, profile: &Profile) {
    let op = operation["op"].as_str().unwrap_or_default().to_ascii_lowercase();
    let path = operation["path"].as_str().unwrap_or_default();
    let value = &operation["value"];
    let edges = resource.subject.kind.edges();
    match path {
        "active" => resource.active = value.as_bool(),
        "password" => {}
        "title" if profile.drops_title => {}
        "title" => resource.title = value.as_str().and_then(small).unwrap_or(0),
        _ => {
            assert!(path.starts_with(edges), "the target does not know the path `{path}`");
            let listed = value.as_array().into_iter().flatten();
            let listed: Vec<u8> =
                listed.filter_map(|edge| small(edge["value"].as_str()?)).collect();
            let filtered = path.split('"').nth(1).and_then(small);
            match op.as_str() {
                "remove" => {
                    let all = listed.is_empty() && filtered.is_none();
                    resource
                        .edges
                        .retain(|edge| !(all || listed.contains(edge) || filtered == Some(*edge)));
                }
                "replace" => resource.edges = listed,
                _ if profile.add_replaces => resource.edges = listed,
                _ => {
                    for edge in listed {
                        if profile.stacks || !resource.edges.contains(&edge) {
                            resource.edges.push(edge);
                        }
                    }
                }
            }
        }
    }
}
