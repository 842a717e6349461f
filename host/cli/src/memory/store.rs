//! What the in-memory service keeps, and what it answers when nothing goes wrong.
//!
//! Times are counted, one second for each write, so that two runs give the same bytes.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    behaviour::{Behaviour, Filtering, OnDelete},
    filter::{Filter, member},
    patch,
};

/// A change that the service told its listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeEvent {
    /// What became of the resource.
    pub change: Change,
    /// Its endpoint: `Users` or `Groups`.
    pub endpoint: String,
    /// Its id.
    pub id: String,
}

/// What became of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was created.
    Created,
    /// It was written, whether or not that changed anything.
    Updated,
    /// It was deleted.
    Deleted,
}

#[derive(Debug)]
pub(super) struct Store {
    pub(super) behaviour: Behaviour,
    pub(super) events: Vec<ChangeEvent>,
    /// By order of creation.
    resources: BTreeMap<u64, Stored>,
    created: u64,
    ticks: u64,
}

#[derive(Clone, Debug)]
struct Stored {
    endpoint: String,
    id: String,
    attributes: Map<String, Value>,
    created_at: Instant,
    created_tick: u64,
    written_tick: u64,
    version: u64,
}

impl Store {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        Self { behaviour, events: Vec::new(), resources: BTreeMap::new(), created: 0, ticks: 0 }
    }

    /// Endpoint and id of a path below the base, its query cut off.
    pub(super) fn split<'a>(&self, path: &'a str) -> (&'a str, Option<&'a str>) {
        let path = path.split('?').next().unwrap_or_default().trim_start_matches('/');
        path.split_once('/').map_or((path, None), |(endpoint, id)| (endpoint, Some(id)))
    }

    pub(super) fn serves(&self, endpoint: &str) -> bool {
        resource_type(endpoint).is_some()
    }

    pub(super) fn all(&self, endpoint: &str) -> Vec<Value> {
        self.resources
            .values()
            .filter(|held| held.endpoint == endpoint)
            .map(|held| self.show(held))
            .collect()
    }

    pub(super) fn get(&self, endpoint: &str, id: &str) -> Option<Value> {
        self.find(endpoint, id).map(|(_, held)| self.show(held))
    }

    pub(super) fn put_in(&mut self, endpoint: &str, resource: Value) -> Option<String> {
        let Value::Object(attributes) = resource else { return None };
        Some(self.insert(endpoint, attributes))
    }

    pub(super) fn create(&mut self, endpoint: &str, resource: Value) -> Result<Reply, Refusal> {
        let attributes = self.readable(endpoint, resource)?;
        if self.behaviour.unique_user_names && self.taken(endpoint, &attributes, None) {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                Some("uniqueness"),
                "the user name is taken",
            ));
        }
        let id = self.insert(endpoint, attributes);
        self.tell(Change::Created, endpoint, &id);
        self.reply(StatusCode::CREATED, endpoint, &id)
    }

    pub(super) fn read(&self, endpoint: &str, id: &str, query: &str) -> Result<Reply, Refusal> {
        let (_, held) = self.find(endpoint, id).ok_or_else(Refusal::not_found)?;
        if held.created_at.elapsed() < self.behaviour.read_lag {
            return Err(Refusal::not_found());
        }
        let shown = select(self.show(held), query);
        Ok(self.tagged(Reply::new(StatusCode::OK, shown), held))
    }

    pub(super) fn list(&self, endpoint: &str, query: &str) -> Result<Reply, Refusal> {
        let mut shown: Vec<&Stored> = self
            .resources
            .values()
            .filter(|held| held.endpoint == endpoint)
            .filter(|held| self.behaviour.index_lag <= held.created_at.elapsed())
            .collect();
        if let Some(text) = parameter(query, "filter") {
            let broken =
                || Refusal::new(StatusCode::BAD_REQUEST, Some("invalidFilter"), "no such filter");
            match self.behaviour.filtering {
                Filtering::Honoured => {
                    let filter = Filter::parse(&text).ok_or_else(broken)?;
                    shown.retain(|held| {
                        self.show(held).as_object().is_some_and(|object| filter.matches(object))
                    });
                }
                Filtering::Ignored => {}
                Filtering::Blind => shown.clear(),
                Filtering::Refused => return Err(broken()),
            }
        }
        let number = |name| parameter(query, name).and_then(|text| text.parse::<usize>().ok());
        let start = number("startIndex").unwrap_or(1).max(1);
        let most = number("count").unwrap_or(usize::MAX).min(self.behaviour.page_most);
        let page: Vec<Value> = shown
            .iter()
            .skip(start - 1)
            .take(most)
            .map(|held| select(self.show(held), query))
            .collect();
        Ok(Reply::new(
            StatusCode::OK,
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "totalResults": shown.len(),
                "startIndex": start,
                "itemsPerPage": page.len(),
                "Resources": page,
            }),
        ))
    }

    pub(super) fn replace(
        &mut self,
        endpoint: &str,
        id: &str,
        resource: Value,
        if_match: Option<&str>,
    ) -> Result<Reply, Refusal> {
        self.check_precondition(endpoint, id, if_match)?;
        let attributes = self.readable(endpoint, resource)?;
        if self.behaviour.unique_user_names && self.taken(endpoint, &attributes, Some(id)) {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                Some("uniqueness"),
                "the user name is taken",
            ));
        }
        self.write(endpoint, id, attributes)?;
        self.reply(StatusCode::OK, endpoint, id)
    }

    /// `stale`: what the service had read before others wrote.
    pub(super) fn patch(
        &mut self,
        endpoint: &str,
        id: &str,
        body: &Value,
        stale: Option<Value>,
    ) -> Result<Reply, Refusal> {
        let (_, held) = self.find(endpoint, id).ok_or_else(Refusal::not_found)?;
        let mut attributes = match stale {
            Some(Value::Object(stale)) => without_own(stale),
            _ => held.attributes.clone(),
        };
        patch::apply(&mut attributes, body, &self.behaviour)?;
        self.write(endpoint, id, attributes)?;
        if self.behaviour.patch_answers_no_content {
            return Ok(Reply::empty(StatusCode::NO_CONTENT));
        }
        self.reply(StatusCode::OK, endpoint, id)
    }

    pub(super) fn delete(
        &mut self,
        endpoint: &str,
        id: &str,
        if_match: Option<&str>,
    ) -> Result<Reply, Refusal> {
        self.check_precondition(endpoint, id, if_match)?;
        let (key, held) = self.find(endpoint, id).ok_or_else(Refusal::not_found)?;
        if self.behaviour.on_delete == OnDelete::Deactivate {
            let mut attributes = held.attributes.clone();
            attributes.insert("active".to_owned(), Value::Bool(false));
            self.write(endpoint, id, attributes)?;
            return Ok(Reply::empty(StatusCode::NO_CONTENT));
        }
        self.resources.remove(&key);
        self.tell(Change::Deleted, endpoint, id);
        Ok(Reply::empty(StatusCode::NO_CONTENT))
    }

    pub(super) fn check_precondition(
        &self,
        endpoint: &str,
        id: &str,
        if_match: Option<&str>,
    ) -> Result<(), Refusal> {
        let (_, held) = self.find(endpoint, id).ok_or_else(Refusal::not_found)?;
        match if_match {
            Some(tag) if self.behaviour.etags && tag != "*" && tag != etag(held) => {
                Err(Refusal::new(StatusCode::PRECONDITION_FAILED, None, "it has changed since"))
            }
            _ => Ok(()),
        }
    }

    fn find(&self, endpoint: &str, id: &str) -> Option<(u64, &Stored)> {
        self.resources
            .iter()
            .find(|(_, held)| held.endpoint == endpoint && held.id == id)
            .map(|(key, held)| (*key, held))
    }

    fn taken(&self, endpoint: &str, attributes: &Map<String, Value>, but: Option<&str>) -> bool {
        let Some(name) = member(attributes, "userName").and_then(Value::as_str) else {
            return false;
        };
        let filter = Filter::Equal("userName".to_owned(), Value::String(name.to_owned()));
        self.resources
            .values()
            .filter(|held| held.endpoint == endpoint && Some(held.id.as_str()) != but)
            .any(|held| filter.matches(&held.attributes))
    }

    fn readable(&self, endpoint: &str, resource: Value) -> Result<Map<String, Value>, Refusal> {
        let invalid = |detail| Refusal::new(StatusCode::BAD_REQUEST, Some("invalidValue"), detail);
        let Value::Object(attributes) = resource else {
            return Err(invalid("a resource is an object"));
        };
        let named = if endpoint == "Users" { "userName" } else { "displayName" };
        if member(&attributes, named).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(invalid("the attribute that names the resource is missing"));
        }
        Ok(without_own(attributes)
            .into_iter()
            .filter(|(name, value)| name != "password" && !value.is_null())
            .map(|(name, value)| {
                let value = patch::known_spelling(&name, value);
                (name, value)
            })
            .collect())
    }

    fn insert(&mut self, endpoint: &str, attributes: Map<String, Value>) -> String {
        self.created += 1;
        self.ticks += 1;
        let id = format!("{:08x}-0000-4000-8000-{:012x}", self.created, self.created);
        self.resources.insert(
            self.created,
            Stored {
                endpoint: endpoint.to_owned(),
                id: id.clone(),
                attributes,
                created_at: Instant::now(),
                created_tick: self.ticks,
                written_tick: self.ticks,
                version: 1,
            },
        );
        id
    }

    fn write(
        &mut self,
        endpoint: &str,
        id: &str,
        attributes: Map<String, Value>,
    ) -> Result<(), Refusal> {
        let (key, _) = self.find(endpoint, id).ok_or_else(Refusal::not_found)?;
        let held = self.resources.get_mut(&key).ok_or_else(Refusal::not_found)?;
        if held.attributes == attributes && !self.behaviour.touches_always {
            return Ok(());
        }
        self.ticks += 1;
        held.attributes = attributes;
        held.written_tick = self.ticks;
        held.version += 1;
        self.tell(Change::Updated, endpoint, id);
        Ok(())
    }

    fn tell(&mut self, change: Change, endpoint: &str, id: &str) {
        self.events.push(ChangeEvent { change, endpoint: endpoint.to_owned(), id: id.to_owned() });
    }

    fn reply(&self, status: StatusCode, endpoint: &str, id: &str) -> Result<Reply, Refusal> {
        let (_, held) = self.find(endpoint, id).ok_or_else(Refusal::not_found)?;
        Ok(self.tagged(Reply::new(status, self.show(held)), held))
    }

    fn tagged(&self, mut reply: Reply, held: &Stored) -> Reply {
        if self.behaviour.etags {
            reply.etag = Some(etag(held));
        }
        reply.location = Some(format!("/{}/{}", held.endpoint, held.id));
        reply
    }

    fn show(&self, held: &Stored) -> Value {
        let mut shown = held.attributes.clone();
        let kind = resource_type(&held.endpoint).unwrap_or_default();
        let mut meta = json!({
            "resourceType": kind,
            "created": time(held.created_tick),
            "lastModified": time(held.written_tick),
            "location": format!("/{}/{}", held.endpoint, held.id),
        });
        if let (true, Some(meta)) = (self.behaviour.etags, meta.as_object_mut()) {
            meta.insert("version".to_owned(), Value::String(etag(held)));
        }
        shown.insert("id".to_owned(), Value::String(held.id.clone()));
        shown.insert("meta".to_owned(), meta);
        if !shown.contains_key("schemas") {
            shown.insert(
                "schemas".to_owned(),
                json!([format!("urn:ietf:params:scim:schemas:core:2.0:{kind}")]),
            );
        }
        Value::Object(shown)
    }
}

/// An answer that is not on the wire.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    body: Option<Value>,
    etag: Option<String>,
    location: Option<String>,
}

impl Reply {
    pub(super) fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body: Some(body), etag: None, location: None }
    }

    fn empty(status: StatusCode) -> Self {
        Self { status, body: None, etag: None, location: None }
    }

    /// Makes every location absolute.
    pub(super) fn located(mut self, base: &str) -> Self {
        let complete = |resource: &mut Value| {
            if let Some(Value::String(location)) = resource.pointer_mut("/meta/location") {
                *location = format!("{base}{location}");
            }
        };
        if let Some(body) = &mut self.body {
            complete(body);
            body.pointer_mut("/Resources")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
                .for_each(complete);
        }
        self.location = self.location.map(|location| format!("{base}{location}"));
        self
    }

    pub(super) fn into_parts(self) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut headers = HeaderMap::new();
        let mut set = |name, value: Option<String>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name, value);
            }
        };
        set(header::ETAG, self.etag);
        set(header::LOCATION, self.location.filter(|_| self.status == StatusCode::CREATED));
        set(header::CONTENT_TYPE, self.body.is_some().then(|| "application/scim+json".to_owned()));
        set(
            header::RETRY_AFTER,
            (self.status == StatusCode::SERVICE_UNAVAILABLE).then(|| "1".to_owned()),
        );
        (
            self.status,
            headers,
            self.body.map_or_else(Vec::new, |body| body.to_string().into_bytes()),
        )
    }
}

/// What the service refuses, and how.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    scim_type: Option<&'static str>,
    detail: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, scim_type: Option<&'static str>, detail: &str) -> Self {
        Self { status, scim_type, detail: detail.to_owned() }
    }

    fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, None, "there is no such resource")
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": refusal.status.as_str(),
            "detail": refusal.detail,
        });
        if let (Some(scim_type), Some(object)) = (refusal.scim_type, body.as_object_mut()) {
            object.insert("scimType".to_owned(), Value::String(scim_type.to_owned()));
        }
        Self::new(refusal.status, body)
    }
}

fn resource_type(endpoint: &str) -> Option<&'static str> {
    match endpoint {
        "Users" => Some("User"),
        "Groups" => Some("Group"),
        _ => None,
    }
}

fn etag(held: &Stored) -> String {
    format!("W/\"{}\"", held.version)
}

/// The `tick`th second of a day that never was.
fn time(tick: u64) -> String {
    let (hours, minutes, seconds) = (tick / 3600 % 24, tick / 60 % 60, tick % 60);
    format!("2026-01-01T{hours:02}:{minutes:02}:{seconds:02}Z")
}

/// Leaves out what the service says itself.
fn without_own(mut attributes: Map<String, Value>) -> Map<String, Value> {
    attributes.retain(|name, _| !OWN.iter().any(|own| own.eq_ignore_ascii_case(name)));
    attributes
}

const OWN: &[&str] = &["id", "meta", "groups"];

/// Applies `attributes` and `excludedAttributes`, whole attributes only.
fn select(mut shown: Value, query: &str) -> Value {
    let names =
        |text: String| text.split(',').map(|name| name.trim().to_lowercase()).collect::<Vec<_>>();
    let always = |name: &str| matches!(name, "id" | "schemas" | "meta");
    if let Some(object) = shown.as_object_mut() {
        if let Some(wanted) = parameter(query, "attributes").map(names) {
            object.retain(|name, _| always(name) || wanted.contains(&name.to_lowercase()));
        }
        if let Some(unwanted) = parameter(query, "excludedAttributes").map(names) {
            object.retain(|name, _| always(name) || !unwanted.contains(&name.to_lowercase()));
        }
    }
    shown
}

/// The value of a query parameter, decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pair = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pair.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_parameter_is_decoded() {
        assert_eq!(
            parameter("count=2&filter=userName%20eq+%22a%22", "filter").as_deref(),
            Some(r#"userName eq "a""#)
        );
        assert_eq!(parameter("count=2", "filter"), None);
        assert_eq!(parameter("filter=%4", "filter"), None);
    }

    #[test]
    fn a_lenient_service_creates_what_it_has() {
        let mut store = Store::new(Behaviour::lenient());
        for _ in 0..2 {
            store.create("Users", json!({"userName": "a"})).unwrap();
        }
        assert_eq!(store.all("Users").len(), 2);
    }

    #[test]
    fn a_strict_service_refuses_a_user_name_in_other_letter_case() {
        let mut store = Store::new(Behaviour::strict());
        store.create("Users", json!({"userName": "a"})).unwrap();
        assert!(store.create("Users", json!({"userName": "A"})).is_err());
    }

    #[test]
    fn a_write_without_a_change_is_an_event_only_where_the_service_makes_it_one() {
        for (behaviour, events) in [(Behaviour::lenient(), 2), (Behaviour::strict(), 1)] {
            let mut store = Store::new(behaviour);
            store.create("Users", json!({"userName": "a"})).unwrap();
            let id = store.all("Users")[0]["id"].as_str().unwrap().to_owned();
            store.replace("Users", &id, json!({"userName": "a"}), None).unwrap();
            assert_eq!(store.events.len(), events);
        }
    }
}
