//! A service in memory, as a target: it takes what it gets, knows its credentials, and counts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use http::header::AUTHORIZATION;
use replaysafe::{
    contract::{
        ById, Effect, EffectBody, Endpoint, Method, Outcome, Question, Search, Sight, TargetAnswer,
    },
    target::{Body, Caller, Discovery, Target},
};
use serde_json::{Map, Value, json};

/// The service. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Service(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    users: BTreeMap<String, Map<String, Value>>,
    made: u32,
    sent: Vec<String>,
    looks: usize,
    credentials: Vec<String>,
    stranger: Option<u16>,
    strangers: Strangers,
    /// How many of the next effects are lost on their way, and how many were.
    drops: usize,
    dropped: usize,
    /// The bodies of `/ResourceTypes` and `/Schemas`.
    schemas: Option<(String, String)>,
    discoveries: usize,
}

/// What those are told who look and are not let in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Strangers {
    /// The status that they are turned away with.
    #[default]
    Refused,
    /// That nothing is there.
    ShownNothing,
    /// What everybody is told.
    ShownAll,
}

impl Service {
    /// Says what strangers see; their effects are refused all the same.
    pub(crate) fn show_strangers(&self, strangers: Strangers) {
        self.state().strangers = strangers;
    }

    /// The next `count` effects are lost on their way.
    pub(crate) fn drop_next(&self, count: usize) {
        self.state().drops = count;
    }

    /// How many effects were lost.
    pub(crate) fn dropped(&self) -> usize {
        self.state().dropped
    }

    /// Lets everybody in who shows one of these; others get `stranger` as status.
    pub(crate) fn admit(&self, credentials: &[&str], stranger: u16) {
        let mut state = self.state();
        state.credentials = credentials.iter().map(|one| (*one).to_owned()).collect();
        state.stranger = Some(stranger);
    }

    /// The effects that were carried out: `POST`, `PATCH u1`.
    pub(crate) fn sent(&self) -> Vec<String> {
        self.state().sent.clone()
    }

    /// An attribute of each user, by id.
    pub(crate) fn users(&self, attribute: &str) -> Vec<(String, Value)> {
        let of = |user: &Map<String, Value>| user.get(attribute).cloned().unwrap_or_default();
        self.state().users.iter().map(|(id, user)| (id.clone(), of(user))).collect()
    }

    /// Somebody makes a user behind our back.
    pub(crate) fn set(&self, id: &str, user: &Value) {
        self.state().users.insert(id.into(), user.as_object().unwrap().clone());
    }

    /// Says of itself that users have a badge, which is never shown (RFC 7643 section 7).
    pub(crate) fn declare_badges(&self) {
        let types = json!({"Resources": [{
            "name": "User", "endpoint": "/Users", "schema": USER,
            "schemaExtensions": [{"schema": BADGE, "required": false}]
        }]});
        let badge = json!({
            "name": "badge", "type": "string", "multiValued": false, "mutability": "writeOnly",
            "returned": "never", "required": false, "caseExact": true, "uniqueness": "none"
        });
        let schemas = json!({"Resources": [{"id": BADGE, "name": "Badge", "attributes": [badge]}]});
        self.state().schemas = Some((types.to_string(), schemas.to_string()));
    }

    /// How often it was asked about itself.
    pub(crate) fn discoveries(&self) -> usize {
        self.state().discoveries
    }

    /// How many looks there were.
    pub(crate) fn looks(&self) -> usize {
        self.state().looks
    }

    /// Another service that is as this one is.
    pub(crate) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// The status that a caller is turned away with.
    fn turns_away(&self, caller: &Caller) -> Option<u16> {
        let stranger = self.stranger?;
        let shown = caller.headers.iter().find(|(name, _)| name == AUTHORIZATION);
        let known = shown.is_some_and(|(_, value)| self.credentials.iter().any(|one| value == one));
        (!known).then_some(stranger)
    }

    fn shown(&self, id: &str) -> TargetAnswer {
        match self.users.get(id) {
            Some(user) => answer(200, Some(&visible(user))),
            None => answer(404, Some(&json!({"status": "404"}))),
        }
    }

    fn change(&mut self, effect: &Effect, body: Option<Body>) -> TargetAnswer {
        let said = body.map_or(Value::Null, |body| serde_json::from_slice(&body.bytes).unwrap());
        let id = effect.id.clone().unwrap_or_default();
        let verb = match effect.method {
            Method::Create => "POST",
            Method::Replace => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        };
        self.sent.push(format!("{verb} {id}").trim_end().to_owned());
        match effect.method {
            Method::Create => {
                self.made += 1;
                let id = format!("u{}", self.made);
                let mut user = said.as_object().unwrap().clone();
                user.insert("id".into(), id.clone().into());
                self.users.insert(id.clone(), user);
                TargetAnswer { status: 201, ..self.shown(&id) }
            }
            Method::Delete => match self.users.remove(&id) {
                Some(_) => answer(204, None),
                None => self.shown(&id),
            },
            Method::Replace => {
                let Some(user) = self.users.get_mut(&id) else { return self.shown(&id) };
                user.clone_from(said.as_object().unwrap());
                user.insert("id".into(), id.clone().into());
                self.shown(&id)
            }
            Method::Patch => {
                let Some(user) = self.users.get_mut(&id) else { return self.shown(&id) };
                for operation in said["Operations"].as_array().unwrap() {
                    let path = operation["path"].as_str().unwrap();
                    let (verb, value) = (operation["op"].as_str(), &operation["value"]);
                    match (verb, user.get_mut(path), value.as_array()) {
                        (Some("add"), Some(Value::Array(list)), Some(more)) => {
                            list.extend(more.iter().cloned());
                        }
                        (Some("remove"), Some(Value::Array(list)), Some(gone)) => {
                            list.retain(|one| !gone.contains(one));
                        }
                        _ => {
                            user.insert(path.into(), value.clone());
                        }
                    }
                }
                self.shown(&id)
            }
        }
    }
}

impl Target for Service {
    async fn observe(
        &self,
        question: &Question,
        _: &[Endpoint],
        caller: &Caller,
        keep: &(dyn Fn(Vec<String>) -> Vec<String> + Send + Sync),
    ) -> Sight {
        let mut state = self.state();
        state.looks += 1;
        match (state.turns_away(caller), state.strangers) {
            (Some(status), Strangers::Refused) => return Sight::Refused(answer(status, None)),
            (Some(_), Strangers::ShownNothing) => {
                return match question {
                    Question::ById(_) => Sight::Answered(answer(404, None)),
                    Question::Search(_) | Question::All(_) => Sight::Listed(Vec::new()),
                };
            }
            (Some(_), Strangers::ShownAll) | (None, _) => {}
        }
        let listed = |fits: &dyn Fn(&Map<String, Value>) -> bool| {
            let users = state.users.values().filter(|user| fits(user));
            users.map(|user| visible(user).to_string()).collect()
        };
        match question {
            Question::ById(ById { id, .. }) => Sight::Answered(state.shown(id)),
            Question::Search(Search { attribute, value, .. }) => Sight::Listed(listed(&|user| {
                user.get(attribute).and_then(Value::as_str) == Some(value)
            })),
            Question::All(_) => Sight::Listed(keep(listed(&|_| true))),
        }
    }

    async fn apply(
        &self,
        effect: &Effect,
        _: &[Endpoint],
        body: Option<Body>,
        caller: &Caller,
    ) -> Outcome {
        let mut state = self.state();
        if 0 < state.drops {
            state.drops -= 1;
            state.dropped += 1;
            return Outcome::Unknown("the connection broke".into());
        }
        if let Some(status) = state.turns_away(caller) {
            return Outcome::Answered(answer(status, None));
        }
        assert!((effect.body == EffectBody::Empty) == body.is_none());
        Outcome::Answered(state.change(effect, body))
    }

    async fn discover(&self, caller: &Caller) -> Discovery {
        // An answer takes its time: whoever comes meanwhile has to wait for it.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut state = self.state();
        state.discoveries += 1;
        match (state.turns_away(caller), &state.schemas) {
            // What is not there for a stranger may be there for others.
            (Some(404), _) | (None, None) => Discovery { complete: true, ..Discovery::default() },
            (Some(_), _) => Discovery::default(),
            (None, Some((types, schemas))) => Discovery {
                resource_types: Some(types.clone()),
                schemas: Some(schemas.clone()),
                complete: true,
                ..Discovery::default()
            },
        }
    }
}

/// What is shown of a user: a password never is (RFC 7643 section 7).
fn visible(user: &Map<String, Value>) -> Value {
    let mut user = user.clone();
    user.remove("password");
    Value::Object(user)
}

fn answer(status: u16, body: Option<&Value>) -> TargetAnswer {
    TargetAnswer {
        status,
        location: None,
        etag: None,
        content_type: Some("application/scim+json".into()),
        retry_after: None,
        body: body.map(Value::to_string),
        extra: Vec::new(),
    }
}

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// The extension that has badges.
pub(crate) const BADGE: &str = "urn:example:badge";
