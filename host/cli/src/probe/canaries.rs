//! The canaries: what was made at the service to measure it, and is it gone again?

use std::{collections::BTreeSet, time::Duration};

use http::Method;
use replaysafe::target::{
    path::{has_dot_segment, percent_decode},
    scim::ID_MAX,
};
use serde_json::{Value, json};

use super::service::{Answer, Halt, Service};

/// A type of resource, and where the service has it.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) path: String,
    /// The attribute that names one.
    pub(super) named: &'static str,
}

impl Kind {
    pub(super) fn user() -> Self {
        Self { name: "User", path: "/Users".to_owned(), named: "userName" }
    }

    pub(super) fn group() -> Self {
        Self { name: "Group", path: "/Groups".to_owned(), named: "displayName" }
    }

    pub(super) fn at(&self, id: &str) -> String {
        format!("{}/{}", self.path, encoded(id))
    }

    pub(super) fn search(&self, attribute: &str, value: &str) -> String {
        let filter = format!("{attribute} eq {}", Value::String(value.to_owned()));
        format!("{}?filter={}", self.path, encoded(&filter))
    }
}

/// What was made.
#[derive(Default)]
pub(super) struct Canaries {
    made: Vec<Canary>,
}

struct Canary {
    kind: Kind,
    name: String,
    /// None as long as nobody knows whether it was made.
    id: Option<String>,
}

/// A canary that is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) resource_type: &'static str,
    /// None where nobody knows whether it was made.
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) why: String,
    /// The service has taken the deletion, and has switched it off.
    pub(crate) deactivated: bool,
}

impl Canaries {
    /// Makes one, and remembers it before it is asked for.
    pub(super) async fn make(
        &mut self,
        service: &Service,
        kind: &Kind,
        document: &Value,
    ) -> Result<Answer, Halt> {
        let name = document.get(kind.named).and_then(Value::as_str).unwrap_or_default().to_owned();
        self.made.push(Canary { kind: kind.clone(), name, id: None });
        let answer = service.ask(&Method::POST, &kind.path, Some(document), None).await?;
        if let Some(id) = id(&answer) {
            if let Some(canary) = self.made.last_mut() {
                canary.id = Some(id);
            }
        } else if answer.is_refusal() {
            self.made.pop();
        }
        Ok(answer)
    }

    /// Remembers what something else than a create of its own has made.
    pub(super) fn remember(&mut self, kind: &Kind, name: &str, id: Option<String>) {
        self.made.push(Canary { kind: kind.clone(), name: name.to_owned(), id });
    }

    /// Forgets what is known not to be there.
    pub(super) fn forget(&mut self, name: &str) {
        self.made.retain(|canary| canary.name != name);
    }

    /// Deletes all of them, groups first, and gives those that are still there.
    pub(super) async fn clear_away(self, service: &Service) -> Vec<Left> {
        service.clear_away();
        let mut left = Vec::new();
        let mut known: BTreeSet<(&str, String)> = BTreeSet::new();
        for canary in &self.made {
            known.extend(canary.id.clone().map(|id| (canary.kind.name, id)));
        }
        // Those in doubt first: as long as others are there, a search shows whether it can be relied on.
        let mut there = Vec::new();
        for canary in self.made.iter().filter(|canary| canary.id.is_none()) {
            match canary.look(service, &known).await {
                Ok(ids) => {
                    for id in ids {
                        known.insert((canary.kind.name, id.clone()));
                        there.push((canary, id));
                    }
                }
                Err(why) => left.push(canary.left(None, why, false)),
            }
        }
        there.extend(self.made.iter().filter_map(|canary| Some((canary, canary.id.clone()?))));
        // A service may answer two creates with one id.
        let mut deleted = BTreeSet::new();
        for (canary, id) in there.into_iter().rev() {
            if deleted.insert((canary.kind.name, id.clone())) {
                left.extend(canary.delete(service, &id).await);
            }
        }
        left
    }
}

impl Canary {
    /// The ids under which it is found by its name beside those that are known, in search or list: one in doubt.
    ///
    /// Looks until a call that got no answer has landed. None where a search has shown others of its kind, and not it.
    async fn look(
        &self,
        service: &Service,
        known: &BTreeSet<(&'static str, String)>,
    ) -> Result<Vec<String>, String> {
        let ends = tokio::time::Instant::now() + LANDS_MAX;
        let mut shows = false;
        loop {
            for path in [self.kind.search(self.kind.named, &self.name), self.kind.path.clone()] {
                let answer = service.ask(&Method::GET, &path, None, None).await;
                let answer = answer.map_err(|halt| halt.to_string())?;
                let mut found = Vec::new();
                for resource in resources(&answer) {
                    let Some(id) = id_in(resource) else { continue };
                    let named = resource.get(self.kind.named).and_then(Value::as_str);
                    if known.contains(&(self.kind.name, id.clone())) {
                        shows = true;
                    } else if named == Some(self.name.as_str()) {
                        found.push(id);
                    }
                }
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            if ends <= tokio::time::Instant::now() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        let unknown = "no answer has told whether it was made, and no search shows it";
        if shows { Ok(Vec::new()) } else { Err(unknown.to_owned()) }
    }

    async fn delete(&self, service: &Service, id: &str) -> Option<Left> {
        let at = self.kind.at(id);
        let mut why = String::new();
        for turn in 0..DELETES_MAX {
            if 0 < turn {
                tokio::time::sleep(PAUSE).await;
            }
            let tried = async {
                let deleted = service.ask(&Method::DELETE, &at, None, None).await?;
                Ok((deleted, service.ask(&Method::GET, &at, None, None).await?))
            };
            let (deleted, read) = match tried.await {
                Ok(answers) => answers,
                Err(halt) => return Some(self.left(Some(id), Halt::to_string(&halt), false)),
            };
            if read.is_gone() {
                return None;
            }
            if (deleted.is_good() || deleted.is_gone()) && is_off(&read) {
                let why = "the service has switched it off, and keeps it".to_owned();
                return Some(self.left(Some(id), why, true));
            }
            why = format!("DELETE was answered by {}, a read by {}", deleted.words(), read.words());
        }
        Some(self.left(Some(id), why, false))
    }

    fn left(&self, id: Option<&str>, why: String, deactivated: bool) -> Left {
        let (resource_type, name) = (self.kind.name, self.name.clone());
        Left { resource_type, id: id.map(str::to_owned), name, why, deactivated }
    }
}

/// Read, and switched off.
pub(super) fn is_off(read: &Answer) -> bool {
    read.is_good() && read.body.get("active") == Some(&json!(false))
}

/// The id of what a create has made.
pub(super) fn id(answer: &Answer) -> Option<String> {
    if !answer.is_good() {
        return None;
    }
    id_in(&answer.body).or_else(|| id_of(answer.location.as_deref()?))
}

/// The id in a resource; none where it would lead elsewhere in a path, or be no text on a line.
pub(super) fn id_in(resource: &Value) -> Option<String> {
    let id = resource.get("id").and_then(Value::as_str)?;
    let good = !id.is_empty() && id.len() <= ID_MAX && !id.chars().any(char::is_control);
    (good && !has_dot_segment(&encoded(id))).then(|| id.to_owned())
}

/// The id at the end of a URL.
pub(super) fn id_of(url: &str) -> Option<String> {
    let id = percent_decode(url.rsplit('/').next()?)?;
    id_in(&json!({"id": id}))
}

/// The resources of a list.
pub(super) fn resources(answer: &Answer) -> Vec<&Value> {
    let list = answer.body.get("Resources").and_then(Value::as_array);
    if answer.is_good() { list.into_iter().flatten().collect() } else { Vec::new() }
}

/// All but what is unreserved in RFC 3986, percent-encoded.
fn encoded(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(letter).collect()
}

/// D: by then a create without an answer has landed, or never will (S14).
const LANDS_MAX: Duration = Duration::from_secs(15);
/// Between two looks, and between two deletions.
const PAUSE: Duration = Duration::from_millis(500);
/// What fails three times fails the fourth time too.
const DELETES_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn an_id_is_that_of_the_body_else_of_the_location() {
        let made = |body: Value, location: &str| {
            let (status, location) = (Some(StatusCode::CREATED), Some(location.to_owned()));
            id(&Answer { status, location, body, ..Answer::default() })
        };
        assert_eq!(made(json!({"id": "7"}), "http://x/Users/8").as_deref(), Some("7"));
        assert_eq!(made(json!({}), "http://x/Users/a%20b").as_deref(), Some("a b"));
        assert_eq!(made(json!({}), "http://x/Users/"), None);
        let refused = Answer { status: Some(StatusCode::CONFLICT), ..Answer::default() };
        assert_eq!(id(&Answer { body: json!({"id": "7"}), ..refused }), None);
    }

    /// A service must not have something else deleted, or write what it likes on a terminal.
    #[test]
    fn an_id_that_leads_elsewhere_is_none() {
        let given = |id: &str| id_in(&json!({ "id": id }));
        for id in ["7", "a/b", "é", "..."] {
            assert_eq!(given(id).as_deref(), Some(id));
        }
        for id in ["", ".", "..", "../../admin", "a/../b", "..;x", "a\u{1b}[2J", "a\r\nb"] {
            assert_eq!(given(id), None, "{id:?}");
        }
        assert_eq!(given(&"x".repeat(ID_MAX + 1)), None);
        assert_eq!(Kind::user().at("a/b é"), "/Users/a%2Fb%20%C3%A9");
    }

    #[test]
    fn a_search_quotes_what_is_searched_for() {
        // `userName eq "a\"b"`, its quote escaped as JSON has it (RFC 7644 §3.4.2.2).
        let path = Kind::user().search("userName", "a\"b");
        assert_eq!(path, "/Users?filter=userName%20eq%20%22a%5C%22b%22");
    }
}
