//! The prober: how does a live SCIM service behave (S40)?
//!
//! It asks what the component goes by, and nothing about what a service says of itself. Whatever it makes is a canary: named
//! as such, remembered before it is asked for, and deleted at the end, whatever that end is.

mod canaries;
mod groups;
mod service;
mod users;

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::Duration,
};

use http::{HeaderValue, Method, StatusCode};
use replaysafe::target::upstream::Upstream;
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

pub(crate) use self::{canaries::Left, service::Halt};
use self::{
    canaries::{Canaries, Kind, id_in, resources},
    service::{Answer, Service},
};
use crate::profile::{Facts, Figures, SEARCH_LAG_LEAST_MS};

/// What came of it.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) facts: Facts,
    pub(crate) figures: Figures,
    /// What could not be deleted.
    pub(crate) left: Vec<Left>,
    pub(crate) requests: usize,
    /// Why it ended before all was measured.
    pub(crate) halt: Option<Halt>,
}

/// Measures the service, until all is known or `stop` is true, and deletes what it made for that.
///
/// `told` is told what is measured next, for a person who waits.
pub(crate) async fn measure(
    upstream: Upstream,
    credential: Option<HeaderValue>,
    stop: watch::Receiver<bool>,
    told: &dyn Fn(&str),
) -> Measured {
    let service = Service::new(upstream, credential, stop);
    let number = RandomState::new().build_hasher().finish();
    let mut probe = Probe {
        service: &service,
        told,
        // It has to differ from what others have made, and is no secret.
        prefix: format!("replaysafe-probe-{number:016x}"),
        named: 0,
        canaries: Canaries::default(),
        facts: Facts::new(),
        figures: Figures::new(),
    };
    let halt = probe.all().await.err();
    let Probe { canaries, facts, figures, .. } = probe;
    told("deleting what was made for this");
    let left = canaries.clear_away(&service).await;
    Measured { facts, figures, left, requests: service.asked(), halt }
}

struct Probe<'a> {
    service: &'a Service,
    told: &'a dyn Fn(&str),
    prefix: String,
    named: usize,
    canaries: Canaries,
    facts: Facts,
    figures: Figures,
}

/// A canary that was made.
struct Made {
    id: String,
    document: Value,
}

impl Probe<'_> {
    async fn all(&mut self) -> Result<(), Halt> {
        (self.told)("what the service says about itself");
        let (user, group) = self.discover().await?;
        let first = self.first_user(&user).await?;
        self.users(&user, &first).await?;
        self.groups(&group, &user, &first).await?;
        (self.told)("bulk");
        self.bulk(&user).await?;
        self.conclude();
        Ok(())
    }

    /// Reads what is declared of Bulk, and where the types are.
    async fn discover(&mut self) -> Result<(Kind, Kind), Halt> {
        let config = self.get("/ServiceProviderConfig").await?;
        match config.status {
            None => return Err(Halt::NoAnswer(config.reason)),
            Some(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => {
                return Err(Halt::NotAllowed(status, "GET /ServiceProviderConfig".to_owned()));
            }
            Some(_) => {}
        }
        if let Some(declared) = config.body.pointer("/bulk/supported").and_then(Value::as_bool) {
            self.fact("bulk.supported", declared);
        }
        let types = self.get("/ResourceTypes").await?;
        let (mut user, mut group) = (Kind::user(), Kind::group());
        for kind in [&mut user, &mut group] {
            let named = |one: &&&Value| one.get("name").and_then(Value::as_str) == Some(kind.name);
            let listed = resources(&types);
            let endpoint = listed.iter().find(named).and_then(|one| one.get("endpoint"));
            if let Some(path) = endpoint.and_then(Value::as_str).and_then(below_base) {
                kind.path = path;
            }
        }
        Ok((user, group))
    }

    /// What follows from all that was measured.
    fn conclude(&mut self) {
        let found = ["User", "Group"].map(|of| self.figures.get(&format!("found-after-ms/{of}")));
        if let Some(lag) = found.into_iter().flatten().max().copied() {
            // Measurement only raises it (S14).
            self.fact("search-lag-ms", lag.max(SEARCH_LAG_LEAST_MS));
        }
        let tried = ["User", "Group"]
            .into_iter()
            .filter(|of| self.facts.contains_key(&format!("if-match/{of}")));
        let tried: Vec<_> = tried.collect();
        let works = |of: &&&str| {
            let useful = self.facts.get(&format!("etag/{of}"));
            self.facts.get(&format!("if-match/{of}")).is_some_and(|how| how == "honoured")
                && useful.is_some_and(|tag| tag == "monotonic" || tag == "content")
        };
        if !tried.is_empty() {
            let all = tried.iter().filter(works).count() == tried.len();
            self.fact("etag.supported", all);
        }
    }

    // ---- what both types have in common ----------------------------------------------------------

    /// Reads by id until it is there.
    async fn reads(&mut self, kind: &Kind, id: &str) -> Result<(), Halt> {
        let began = Instant::now();
        let mut first = true;
        loop {
            if self.get(&kind.at(id)).await?.is_good() {
                self.fact(&format!("read-your-writes/{}", kind.name), first);
                if !first {
                    self.figure(&format!("read-after-ms/{}", kind.name), millis(began));
                }
                return Ok(());
            }
            first = false;
            if LAG_MAX <= began.elapsed() {
                self.fact(&format!("read-your-writes/{}", kind.name), false);
                return Ok(());
            }
            self.service.pause(pause(began)).await?;
        }
    }

    /// Searches and lists until it is found, and notes how long that took.
    async fn finds(&mut self, kind: &Kind, value: &str, id: &str) -> Result<(), Halt> {
        let began = Instant::now();
        let found = format!("found-after-ms/{}", kind.name);
        let mut listed: Option<Instant> = None;
        let mut list_due = began;
        loop {
            let search = self.get(&kind.search(kind.named, value)).await?;
            if has(&search, id) {
                self.figure(&found, millis(began));
                break;
            }
            if listed.is_none() && list_due <= Instant::now() {
                list_due = Instant::now() + LIST_EVERY;
                if self.lists(kind, id).await? == List::Whole {
                    self.figure(&found, millis(began));
                    listed = Some(Instant::now());
                }
            }
            // A list that shows it proves as much as a search does (S14): the search is given a while more.
            let refused = !search.is_good();
            let enough = listed.is_some_and(|at| refused || FILTER_GRACE <= at.elapsed());
            if enough || LAG_MAX <= began.elapsed() {
                break;
            }
            self.service.pause(pause(began)).await?;
        }
        let list = self.lists(kind, id).await?;
        let word = match list {
            List::Whole => "whole",
            List::Blind => "blind",
            List::Refused => "refused",
            List::Long => return Ok(()),
        };
        self.fact(&format!("list/{}", kind.name), word);
        Ok(())
    }

    /// Reads the list without a filter, page by page.
    async fn lists(&self, kind: &Kind, id: &str) -> Result<List, Halt> {
        let mut start = 1;
        for _ in 0..PAGES_MAX {
            let path = format!("{}?startIndex={start}&count={PAGE}", kind.path);
            let page = self.get(&path).await?;
            if !page.is_good() {
                return Ok(List::Refused);
            }
            if has(&page, id) {
                return Ok(List::Whole);
            }
            let shown = resources(&page).len();
            let total = page.body.get("totalResults").and_then(Value::as_u64).unwrap_or_default();
            start += shown;
            if shown == 0 || usize::try_from(total).is_ok_and(|total| total < start) {
                return Ok(List::Blind);
            }
        }
        Ok(List::Long)
    }

    /// Whether `attribute eq` finds `id`, which alone has `value`, and nothing for a made-up one.
    async fn filters(
        &mut self,
        kind: &Kind,
        attribute: &str,
        value: &str,
        id: &str,
    ) -> Result<bool, Halt> {
        let mut mine = self.get(&kind.search(attribute, value)).await?;
        if mine.is_good() && !has(&mine, id) {
            // An index of its own may be later than another.
            self.service.pause(SECOND_LOOK).await?;
            mine = self.get(&kind.search(attribute, value)).await?;
        }
        let nobody = self.name();
        let made_up = self.get(&kind.search(attribute, &nobody)).await?;
        let nothing = made_up.is_good() && resources(&made_up).is_empty();
        let alone = resources(&mine).iter().all(|one| id_in(one).as_deref() == Some(id));
        let word = match (mine.is_good(), has(&mine, id)) {
            (false, _) => "refused",
            (true, true) if alone && nothing => "eq",
            (true, true) => "ignored",
            (true, false) => "blind",
        };
        self.fact(&format!("filter/{}/{attribute}", kind.name), word);
        Ok(word == "eq")
    }

    /// Makes a second one of a value that is there, and counts how many there are.
    async fn twice(
        &mut self,
        kind: &Kind,
        attribute: &str,
        first: &str,
        second: &Value,
    ) -> Result<(), Halt> {
        let answer = self.canaries.make(self.service, kind, second).await?;
        let made = match canaries::id(&answer) {
            // The second create may be answered with the first one's resource.
            Some(id) if id == first => 1,
            Some(_) => 2,
            None if is_conflict(&answer) => 1,
            None => return Ok(()),
        };
        self.figure(&format!("made/{}/{attribute}", kind.name), made);
        let word = if made == 1 { "server" } else { "none" };
        self.fact(&format!("unique/{}/{attribute}", kind.name), word);
        Ok(())
    }

    /// Deletes one, reads what is left of it, deletes it again and makes it again.
    async fn deletes(&mut self, kind: &Kind, document: Value) -> Result<(), Halt> {
        let Some(made) = self.make(kind, document).await? else { return Ok(()) };
        let at = kind.at(&made.id);
        let deleted = self.service.ask(&Method::DELETE, &at, None, None).await?;
        if let Some(status) = deleted.number() {
            self.figure(&format!("delete-answer/{}", kind.name), status);
        }
        if !deleted.is_good() {
            return Ok(());
        }
        let began = Instant::now();
        let word = loop {
            let read = self.get(&at).await?;
            if read.is_gone() {
                break "gone";
            }
            if canaries::is_off(&read) {
                break "deactivates";
            }
            if FILTER_GRACE <= began.elapsed() {
                break "stays";
            }
            self.service.pause(pause(began)).await?;
        };
        self.fact(&format!("delete/{}", kind.name), word);
        self.fact(&format!("deactivates/{}", kind.name), word == "deactivates");
        let again = self.service.ask(&Method::DELETE, &at, None, None).await?;
        if let Some(status) = again.number() {
            self.figure(&format!("delete-again-answer/{}", kind.name), status);
        }
        let back = self.canaries.make(self.service, kind, &made.document).await?;
        let name = format!("name-after-delete/{}/{}", kind.name, kind.named);
        match canaries::id(&back) {
            Some(_) => self.fact(&name, "free"),
            None if is_conflict(&back) => self.fact(&name, "taken"),
            None => {}
        }
        Ok(())
    }

    /// Changes the display name by PATCH, and notes how that is answered.
    async fn patches(&mut self, kind: &Kind, made: &Made) -> Result<(), Halt> {
        let name = self.name();
        let mut answer = self.patch(kind, &made.id, &replace("displayName", &json!(name))).await?;
        let refused = answer.number();
        if !answer.is_good() && kind.name == "User" {
            // Some take a PATCH of `active` only.
            answer = self.patch(kind, &made.id, &replace("active", &json!(false))).await?;
        }
        let status = if answer.is_good() { answer.number() } else { refused };
        if let Some(status) = status {
            self.figure(&format!("patch-answer/{}", kind.name), status);
            if [200, 204].contains(&status) {
                self.fact(&format!("patch-status/{}", kind.name), status);
            }
        }
        Ok(())
    }

    /// Changes something there and back, and looks at the entity tags; then writes under an outdated one.
    async fn tags(&mut self, kind: &Kind, made: &Made) -> Result<(), Halt> {
        let of = kind.name;
        let (one, other) = (self.name(), self.name());
        let (Some(a), Some(b)) =
            (self.write(kind, made, &one).await?, self.write(kind, made, &other).await?)
        else {
            if self.get(&kind.at(&made.id)).await?.etag.is_none() {
                self.fact(&format!("etag/{of}"), "none");
            }
            return self.preconditions(kind, made, None).await;
        };
        let Some(again) = self.write(kind, made, &one).await? else { return Ok(()) };
        let reread = self.get(&kind.at(&made.id)).await?.etag;
        let word = match (&a.etag, &b.etag, &again.etag) {
            (None, None, None) => "none",
            (Some(a), Some(b), Some(again)) if reread.as_ref() == Some(again) && a != b => {
                if a == again { "content" } else { "monotonic" }
            }
            _ => "unstable",
        };
        self.fact(&format!("etag/{of}"), word);
        if let Some(tag) = &again.etag {
            let version = again.body.pointer("/meta/version").and_then(Value::as_str);
            self.fact(&format!("etag-is-version/{of}"), version.map(opaque) == Some(opaque(tag)));
        }
        self.preconditions(kind, made, b.etag).await
    }

    /// Writes under an outdated tag, and under the current one.
    async fn preconditions(
        &mut self,
        kind: &Kind,
        made: &Made,
        stale: Option<String>,
    ) -> Result<(), Halt> {
        let stale = stale.unwrap_or_else(|| NO_TAG.to_owned());
        let (one, other) = (self.name(), self.name());
        let Some(refused) = self.send(kind, made, &one, Some(&stale)).await? else { return Ok(()) };
        let Some(status) = refused.number() else { return Ok(()) };
        self.figure(&format!("stale-tag-answer/{}", kind.name), status);
        let name = format!("if-match/{}", kind.name);
        if refused.is_good() {
            self.fact(&name, "ignored");
            return Ok(());
        }
        let current = self.get(&kind.at(&made.id)).await?.etag;
        let current = current.unwrap_or_else(|| "*".to_owned());
        let taken = self.send(kind, made, &other, Some(&current)).await?;
        if status == 412 && taken.is_some_and(|answer| answer.is_good()) {
            self.fact(&name, "honoured");
        }
        Ok(())
    }

    /// Gives it another display name, and reads it; none where that is not kept.
    async fn write(
        &mut self,
        kind: &Kind,
        made: &Made,
        name: &str,
    ) -> Result<Option<Answer>, Halt> {
        let written = self.send(kind, made, name, None).await?;
        if !written.is_some_and(|answer| answer.is_good()) {
            return Ok(None);
        }
        let read = self.get(&kind.at(&made.id)).await?;
        let kept = read.body.get("displayName").and_then(Value::as_str) == Some(name);
        Ok(kept.then_some(read))
    }

    /// Writes the display name by PATCH where that is taken, else by PUT; none where neither was answered.
    async fn send(
        &mut self,
        kind: &Kind,
        made: &Made,
        name: &str,
        if_match: Option<&str>,
    ) -> Result<Option<Answer>, Halt> {
        let at = kind.at(&made.id);
        let patched = self.facts.contains_key(&format!("patch-status/{}", kind.name));
        if patched {
            let body = replace("displayName", &json!(name));
            let answer = self.service.ask(&Method::PATCH, &at, Some(&body), if_match).await?;
            let judged = answer.status == Some(StatusCode::PRECONDITION_FAILED);
            if answer.is_good() || judged {
                return Ok(Some(answer));
            }
        }
        let mut body = made.document.clone();
        if let Some(object) = body.as_object_mut() {
            object.insert("id".to_owned(), json!(made.id));
            object.insert("displayName".to_owned(), json!(name));
        }
        let answer = self.service.ask(&Method::PUT, &at, Some(&body), if_match).await?;
        Ok(answer.status.is_some().then_some(answer))
    }

    // ---- small things ------------------------------------------------------------------------------

    /// Makes a canary; none where it is refused.
    async fn make(&mut self, kind: &Kind, document: Value) -> Result<Option<Made>, Halt> {
        let answer = self.canaries.make(self.service, kind, &document).await?;
        Ok(canaries::id(&answer).map(|id| Made { id, document }))
    }

    async fn get(&self, path: &str) -> Result<Answer, Halt> {
        self.service.ask(&Method::GET, path, None, None).await
    }

    async fn patch(&self, kind: &Kind, id: &str, body: &Value) -> Result<Answer, Halt> {
        self.service.ask(&Method::PATCH, &kind.at(id), Some(body), None).await
    }

    /// A name that nobody has.
    fn name(&mut self) -> String {
        self.named += 1;
        format!("{}-{}", self.prefix, self.named)
    }

    fn fact(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        let word = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.facts.insert(name.to_owned(), word);
    }

    fn figure(&mut self, name: &str, count: u64) {
        self.figures.insert(name.to_owned(), count);
    }
}

/// What a list without a filter shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    /// What was made is in it.
    Whole,
    /// It was read to its end, and what was made is not in it.
    Blind,
    /// It is not answered.
    Refused,
    /// It has more than is read here.
    Long,
}

/// Whether a list has the resource.
fn has(answer: &Answer, id: &str) -> bool {
    resources(answer).into_iter().any(|one| id_in(one).as_deref() == Some(id))
}

/// A refusal that comes of what is there already (RFC 7644 §3.3). Any other, and a mere 400, tells nothing of it.
fn is_conflict(answer: &Answer) -> bool {
    let said = answer.body.get("scimType").and_then(Value::as_str) == Some("uniqueness");
    answer.status == Some(StatusCode::CONFLICT) || (answer.is_refusal() && said)
}

/// An `op` of a PATCH.
fn operation(op: &str, path: &str, value: Option<&Value>) -> Value {
    let mut one = json!({"op": op, "path": path});
    if let (Some(object), Some(value)) = (one.as_object_mut(), value) {
        object.insert("value".to_owned(), value.clone());
    }
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [one]})
}

fn replace(path: &str, value: &Value) -> Value {
    operation("replace", path, Some(value))
}

/// The path of an endpoint that is a path: RFC 7643 §6 has it relative to the base.
fn below_base(endpoint: &str) -> Option<String> {
    let path = endpoint.trim_start_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (!path.is_empty() && path.bytes().all(plain)).then(|| format!("/{path}"))
}

/// An entity tag without what does not count here.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Between two looks: the longer it takes, the less a moment counts.
fn pause(began: Instant) -> Duration {
    (began.elapsed() / 4).clamp(Duration::from_millis(50), Duration::from_millis(500))
}

/// A tag that no resource has.
const NO_TAG: &str = "W/\"replaysafe-probe\"";
/// Thirty times the L that is assumed: a search that is later than that is waited for in vain.
const LAG_MAX: Duration = Duration::from_secs(60);
/// Twice the L that is assumed, and a little more: how long a filter may be later than the list.
const FILTER_GRACE: Duration = Duration::from_secs(5);
/// How often the list is read while a search is waited for.
const LIST_EVERY: Duration = Duration::from_secs(2);
/// Before a filter is said to find nothing.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// 2,000 resources, in pages that most services give: a longer list is left alone.
const PAGES_MAX: usize = 20;
const PAGE: usize = 100;
