//! The cases of the demonstration: what the client does, and what must be true in the end.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{client::Got, side::Side};
use crate::memory::{Behaviour, Fault, Lost, Verb};

/// One case.
#[derive(Debug)]
pub(super) struct Case {
    /// Its name.
    pub(super) letter: char,
    /// What it is about, in a few words.
    pub(super) short: &'static str,
    /// What it is about, in a sentence.
    pub(super) title: &'static str,
    /// Why it ends as it does through the gateway, with the rule.
    pub(super) why: &'static str,
    /// How its gateway runs.
    pub(super) runs: Runs,
    script: Script,
}

/// How a gateway runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runs {
    /// In this process.
    Within,
    /// In a process of its own, which can be killed.
    Apart,
}

/// What came of a case on one side.
#[derive(Debug)]
pub(super) struct Told {
    /// What was done, a line each.
    pub(super) steps: Vec<String>,
    /// What is true in the end.
    pub(super) end: String,
    /// Whether that is right.
    pub(super) right: bool,
}

/// All cases, in order.
pub(super) const CASES: &[Case] = &[
    Case {
        letter: 'a',
        short: "create, answer lost",
        title: "A create is carried out, the service then answers 500, its search lags a second; the client repeats",
        why: "S12, S14: after a 500 the target is looked at, not asked twice",
        runs: Runs::Within,
        script: Script::LostCreate(Lost::Status(500)),
    },
    Case {
        letter: 'b',
        short: "create, connection cut",
        title: "A create is carried out and the connection is cut before the answer; the client repeats",
        why: "S7, S13, S18: recorded before it was sent, found, adopted",
        runs: Runs::Within,
        script: Script::LostCreate(Lost::Cut),
    },
    Case {
        letter: 'c',
        short: "member add replayed",
        title: "A member is added, the answer is lost; the add is repeated, then once more with a display name",
        why: "S27: members are known by `value`; presence satisfies an add",
        runs: Runs::Within,
        script: Script::Member,
    },
    Case {
        letter: 'd',
        short: "revoke, late grant",
        title: "A role is granted, revoked, revoked again; then the old grant arrives once more",
        why: "S2a, S29: what was taken away is not given back by a repeat",
        runs: Runs::Within,
        script: Script::Revoke,
    },
    Case {
        letter: 'e',
        short: "role given four times",
        title: "The same role is added four times, as clients do that cannot know",
        why: "S28: a grant is never stacked",
        runs: Runs::Within,
        script: Script::Stack,
    },
    Case {
        letter: 'f',
        short: "leaver, old create",
        title: "A user is created and deleted twice over; then the old create arrives once more",
        why: "S21, S23: deleted stays deleted; the repeated delete succeeds",
        runs: Runs::Within,
        script: Script::Leaver,
    },
    Case {
        letter: 'g',
        short: "20 creates at once",
        title: "The same create arrives twenty times at once",
        why: "S5, S8: one request works on a name, its equals wait for its answer",
        runs: Runs::Within,
        script: Script::Crowd,
    },
    Case {
        letter: 'h',
        short: "crash while sending",
        title: "The gateway is killed (kill -9) after the create was sent, before the answer; it starts again, the client repeats",
        why: "S7: what was sent is in the ledger, so it is looked for, not sent again",
        runs: Runs::Apart,
        script: Script::Crash,
    },
];

/// What the client does.
#[derive(Clone, Copy, Debug)]
enum Script {
    LostCreate(Lost),
    Member,
    Revoke,
    Stack,
    Leaver,
    Crowd,
    Crash,
}

impl Case {
    /// How the case's service behaves.
    pub(super) fn behaviour(&self) -> Behaviour {
        let lags = matches!(self.script, Script::LostCreate(Lost::Status(_)));
        let index_lag = if lags { Duration::from_secs(1) } else { Duration::ZERO };
        Behaviour { index_lag, ..Behaviour::lenient() }
    }

    /// Plays the client on one side.
    pub(super) async fn play(&self, side: &mut Side) -> anyhow::Result<Told> {
        let mut story = Story::of(Watch::Users);
        match self.script {
            Script::LostCreate(lost) => {
                side.target.strike(Fault::next(Verb::Post, "/Users", lost));
                let got = story.until_success(side, "create", Method::POST, "/Users", &ada()).await;
                Ok(story.counted(side, "Users", "user", got.is_success()))
            }
            Script::Member => member(side, story).await,
            Script::Revoke => revoke(side, story).await,
            Script::Stack => stack(side, story).await,
            Script::Leaver => leaver(side, story).await,
            Script::Crowd => crowd(side, story).await,
            Script::Crash => crash(side, story).await,
        }
    }
}

async fn member(side: &mut Side, mut story: Story) -> anyhow::Result<Told> {
    let group = put_in(side, "Groups", json!({"displayName": "Engineers"}))?;
    story.watch = Watch::Members(group.clone());
    let path = format!("/Groups/{group}");
    side.target.strike(Fault::next(Verb::Patch, "/Groups", Lost::Cut));
    let add = |member| patch("add", "members", &json!([member]));
    let plain = add(json!({"value": "user-1"}));
    let got = story.until_success(side, "add", Method::PATCH, &path, &plain).await;
    let named = add(json!({"value": "user-1", "display": "Ada"}));
    let again =
        story.once(side, "add, with a display name", Method::PATCH, &path, Some(&named)).await;
    let count = elements(side, "Groups", &group, "members");
    let right = count == 1 && got.is_success() && again.is_success();
    Ok(story.end(format!("in the group {}", times(count)), right))
}

async fn revoke(side: &mut Side, mut story: Story) -> anyhow::Result<Told> {
    let path = format!("/Users/{}", put_in(side, "Users", ada())?);
    let id = path.trim_start_matches("/Users/").to_owned();
    story.watch = Watch::Roles(id.clone());
    let grant = patch("add", "roles", &json!([{"value": "admin"}]));
    let revoke = json!({
        "schemas": [PATCH_OP],
        "Operations": [{"op": "remove", "path": "roles[value eq \"admin\"]"}],
    });
    story.once(side, "grant", Method::PATCH, &path, Some(&grant)).await;
    let first = story.once(side, "revoke", Method::PATCH, &path, Some(&revoke)).await;
    let writes = side.target.events().len();
    let second = story.once(side, "revoke again", Method::PATCH, &path, Some(&revoke)).await;
    let silent = side.target.events().len() == writes;
    story.once(side, "the old grant, late", Method::PATCH, &path, Some(&grant)).await;
    let count = elements(side, "Users", &id, "roles");
    let right = count == 0 && first.is_success() && second.is_success() && silent;
    let repeat = if silent { "no second change" } else { "a second change event" };
    let role = if count == 0 { "role gone" } else { "role BACK" };
    Ok(story.end(format!("{role}, {repeat}"), right))
}

async fn stack(side: &mut Side, mut story: Story) -> anyhow::Result<Told> {
    let id = put_in(side, "Users", ada())?;
    story.watch = Watch::Roles(id.clone());
    let path = format!("/Users/{id}");
    let mut all = true;
    for display in [None, None, Some("Admin"), Some("Administrator")] {
        let mut role = json!({"value": "admin"});
        if let (Some(display), Some(role)) = (display, role.as_object_mut()) {
            role.insert("display".to_owned(), display.into());
        }
        let what = display.map_or("add the role".to_owned(), |name| format!("add it as “{name}”"));
        let body = patch("add", "roles", &json!([role]));
        all &= story.once(side, &what, Method::PATCH, &path, Some(&body)).await.is_success();
    }
    let count = elements(side, "Users", &id, "roles");
    Ok(story.end(format!("the role {}", times(count)), count == 1 && all))
}

async fn leaver(side: &mut Side, mut story: Story) -> anyhow::Result<Told> {
    let created = story.once(side, "create", Method::POST, "/Users", Some(&ada())).await;
    let path = format!("/Users/{}", created.id().unwrap_or("unknown"));
    let first = story.once(side, "delete", Method::DELETE, &path, None).await;
    let second = story.once(side, "delete again", Method::DELETE, &path, None).await;
    story.once(side, "the old create, late", Method::POST, "/Users", Some(&ada())).await;
    let count = side.target.resources("Users").len();
    let right = count == 0 && first.is_success() && second.is_success();
    let end = if count == 0 { "stays deleted" } else { "the leaver is BACK" };
    let Got::Answer { status, .. } = second else { return Ok(story.end(end.to_owned(), false)) };
    Ok(story.end(format!("{end}; second delete {}", status.as_u16()), right))
}

async fn crowd(side: &mut Side, mut story: Story) -> anyhow::Result<Told> {
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..CROWD {
        let (client, base) = side.sender();
        requests.spawn(async move {
            client.send(Method::POST, &format!("{base}/Users"), Some(&ada())).await
        });
    }
    let answers = requests.join_all().await;
    let created = answers
        .iter()
        .filter(|got| matches!(got, Got::Answer { status, .. } if *status == StatusCode::CREATED))
        .count();
    let ids: std::collections::BTreeSet<_> = answers.iter().filter_map(Got::id).collect();
    story
        .steps
        .push(format!("{created} of {CROWD} answers are 201, with {} different ids", ids.len()));
    let users = side.target.resources("Users").len();
    let right = users == 1 && created == CROWD && ids.len() == 1;
    let end = match (users, ids.len()) {
        (1, 1) => format!("1 user, told {created} times"),
        _ => format!("{users} users under {} ids", ids.len()),
    };
    Ok(story.end(end, right))
}

async fn crash(side: &mut Side, mut story: Story) -> anyhow::Result<Told> {
    side.target.strike(Fault::next(Verb::Post, "/Users", Lost::Silence));
    let (client, base) = side.sender();
    let first = tokio::spawn(async move {
        client.send(Method::POST, &format!("{base}/Users"), Some(&ada())).await
    });
    // The answer never comes, so there is all the time in the world to see that the create arrived.
    let arrived = async {
        while side.target.resources("Users").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), arrived).await?;
    story.steps.push(format!("create: sent, and no answer comes → {}", story.watch.seen(side)));
    let killed = side.kill().await?;
    let killed = if killed { "the gateway is killed and started again; " } else { "" };
    story.steps.push(format!("{killed}the client got: {}", first.await?));
    let got = story.until_success(side, "create again", Method::POST, "/Users", &ada()).await;
    Ok(story.counted(side, "Users", "user", got.is_success()))
}

/// What is told of a case while it runs.
#[derive(Debug)]
struct Story {
    steps: Vec<String>,
    watch: Watch,
}

/// What a case is about at the service, looked at behind everybody's back after each step.
#[derive(Clone, Debug)]
enum Watch {
    Users,
    /// The members of a group.
    Members(String),
    /// The roles of a user.
    Roles(String),
}

impl Watch {
    fn seen(&self, side: &Side) -> String {
        match self {
            Self::Users => plural(side.target.resources("Users").len(), "user"),
            Self::Members(id) => plural(elements(side, "Groups", id, "members"), "member"),
            Self::Roles(id) => plural(elements(side, "Users", id, "roles"), "role"),
        }
    }
}

impl Story {
    fn of(watch: Watch) -> Self {
        Self { steps: Vec::new(), watch }
    }

    async fn once(
        &mut self,
        side: &Side,
        what: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Got {
        let got = side.send(method, path, body).await;
        self.steps.push(format!("{what}: {got} → {}", self.watch.seen(side)));
        got
    }

    /// Repeats as a client does: three times more, at once.
    async fn until_success(
        &mut self,
        side: &Side,
        what: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Got {
        let mut got = self.once(side, what, method.clone(), path, Some(body)).await;
        for _ in 0..3 {
            if got.is_success() {
                break;
            }
            got = self
                .once(side, &format!("{what}, repeated"), method.clone(), path, Some(body))
                .await;
        }
        got
    }

    fn end(self, end: String, right: bool) -> Told {
        Told { steps: self.steps, end, right }
    }

    /// Ends with the number of resources, of which there must be one.
    fn counted(self, side: &Side, endpoint: &str, what: &str, told_so: bool) -> Told {
        let count = side.target.resources(endpoint).len();
        let client = if told_so { "" } else { ", and the client does not know" };
        self.end(format!("{}{client}", plural(count, what)), count == 1 && told_so)
    }
}

fn put_in(side: &Side, endpoint: &str, resource: Value) -> anyhow::Result<String> {
    side.target.put_in(endpoint, resource).ok_or_else(|| anyhow::anyhow!("no such resource"))
}

fn elements(side: &Side, endpoint: &str, id: &str, attribute: &str) -> usize {
    side.target
        .resource(endpoint, id)
        .and_then(|resource| resource.get(attribute)?.as_array().map(Vec::len))
        .unwrap_or_default()
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        _ => format!("{count} times"),
    }
}

fn ada() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ada@example.org",
        "externalId": "hr-1815",
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "active": true,
    })
}

fn patch(op: &str, path: &str, value: &Value) -> Value {
    json!({"schemas": [PATCH_OP], "Operations": [{"op": op, "path": path, "value": value}]})
}

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// As many as a burst of retries from a pool of workers.
const CROWD: usize = 20;
