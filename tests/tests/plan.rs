//! Laws of plans, on made-up populations: planned by the component, applied to a target that was written apart from it.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use proptest::{prelude::*, sample::subsequence};
use replaysafe::{
    contract::{
        Settings,
        reconciliation::{Class, Link, Part},
    },
    guest::{Guest, PlanningGuest},
    planner::{Plan, Planner, Population},
};
use replaysafe_core::{
    door::{self, RECONCILIATION},
    types::{Effect, EffectBody, Method, Outcome},
};
use replaysafe_tests::target::Target;
use serde_json::{Map, Value, json};

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// `plan-is-a-fixpoint`: once a plan is carried out there is nothing to do; and whatever it does changes something (S34).
    #[test]
    fn plan_is_a_fixpoint(world in world()) {
        let mut target = world.target();
        let plan = world.plan(&target);
        apply(&plan, &mut target);
        let again = world.plan(&target);
        prop_assert!(again.effects.is_empty(), "{:#?}\nafter\n{:#?}", texts(&again), texts(&plan));
        // What waits for a person goes on waiting.
        prop_assert_eq!(again.summary.ambiguous, plan.summary.ambiguous);
    }

    /// `plan-ignores-order` (S34).
    #[test]
    fn plan_ignores_order(world in world(), turn in 0_usize..7) {
        let target = world.target();
        let plan = world.plan(&target);
        let mut turned = world.populations(&target);
        for one in &mut turned {
            for side in [&mut one.desired, &mut one.observed] {
                side.reverse();
                let by = turn.min(side.len());
                side.rotate_left(by);
            }
        }
        turned.reverse();
        let other = world.plan_of(&turned);
        prop_assert_eq!(texts(&plan), texts(&other));
        prop_assert_eq!(&plan.digest, &other.digest);
        prop_assert_eq!(plan.summary, other.summary);
    }

    /// What shares no key may be planned apart: the plan of both is the plans of each, put together (S34).
    #[test]
    fn a_part_is_planned_by_itself(world in world(), other in world()) {
        // That the source is complete is said of the whole.
        let policy = r#"{"adopt":"matching","correlation":{"Group":["displayName"]}}"#;
        let (world, other) = (World { policy, ..world }, World { policy, ..other });
        let target = world.target();
        let mut both = world.populations(&target);
        // No name of the other world is one of this.
        let other = other.renamed();
        let apart = other.populations(&other.target());
        let alone = bodies(&world.plan_of(&both)).into_iter().chain(bodies(&world.plan_of(&apart)));
        let mut alone: Vec<String> = alone.collect();
        for (one, more) in both.iter_mut().zip(apart) {
            one.desired.extend(more.desired);
            one.observed.extend(more.observed);
        }
        let mut together = bodies(&world.plan_of(&both));
        alone.sort();
        together.sort();
        prop_assert_eq!(alone, together);
    }

    /// What shares a key, directly or by way of others, is a shard: each is found by itself as it is found in the whole (S34).
    #[test]
    fn shards_planned_apart_are_the_plan_of_the_whole(world in world()) {
        let target = world.target();
        for population in world.populations(&target) {
            let whole = world.part(&population);
            let mut apart: Vec<String> = Vec::new();
            for shard in shards(&population, world.policy) {
                apart.extend(told(&shard.of(&whole)));
            }
            let mut whole = told(&whole);
            apart.sort();
            whole.sort();
            prop_assert_eq!(apart, whole);
        }
    }

    /// `native-equals-component`, byte for byte, and the typed function says the same.
    #[test]
    fn native_equals_component(world in world()) {
        let target = world.target();
        for one in world.populations(&target) {
            let settings = json!({"policy": world.policy, "schema": "{}", "profile": []});
            let survey = json!({
                "resource-type": one.resource_type, "resources": one.desired, "settings": settings,
            });
            let part = json!({"part": {
                "resource-type": one.resource_type, "desired": one.desired, "observed": one.observed,
                "referred": [{"external-id": "e0", "id": "x"}, {"external-id": "e1"}],
                "complete": true, "settings": settings,
            }});
            for (function, input) in [("survey", survey), ("plan", part)] {
                let input = input.to_string();
                let native = door::call(&[&RECONCILIATION], function, &input);
                let component = COMPONENT.call_json(function, &input).expect("an answer");
                prop_assert_eq!(&native, &component);
                prop_assert!(native.starts_with("{\"ok\":"), "{}", native);
            }
        }
    }
}

/// Positions of what shares keys, on both sides.
#[derive(Clone, Debug, Default)]
struct Shard {
    keys: BTreeSet<String>,
    desired: Vec<usize>,
    observed: Vec<usize>,
}

impl Shard {
    fn of(&self, whole: &Part) -> Part {
        let only = |side: &[String], at: &[usize]| at.iter().map(|at| side[*at].clone()).collect();
        Part {
            desired: only(&whole.desired, &self.desired),
            observed: only(&whole.observed, &self.observed),
            ..whole.clone()
        }
    }
}

/// As `wit/reconciliation.wit` has it: what has a key in common with a shard is of it, and joins those that it is of.
fn shards(population: &Population, policy: &str) -> Vec<Shard> {
    let mut shards: Vec<Shard> = Vec::new();
    for (is_desired, side) in [(true, &population.desired), (false, &population.observed)] {
        let traits = COMPONENT.survey(&population.resource_type, side, &settings(policy));
        for (at, of) in traits.expect("an answer").into_iter().enumerate() {
            let keys: BTreeSet<String> = of.expect("a resource").keys.into_iter().collect();
            let (of, mut apart): (Vec<Shard>, Vec<Shard>) =
                shards.into_iter().partition(|shard| !shard.keys.is_disjoint(&keys));
            let mut one = Shard { keys, ..Shard::default() };
            for other in of {
                one.keys.extend(other.keys);
                one.desired.extend(other.desired);
                one.observed.extend(other.observed);
            }
            if is_desired {
                one.desired.push(at);
            } else {
                one.observed.push(at);
            }
            one.desired.sort_unstable();
            one.observed.sort_unstable();
            apart.push(one);
            shards = apart;
        }
    }
    shards
}

/// What is found of a part, with documents in the place of positions.
fn told(part: &Part) -> Vec<String> {
    let findings = COMPONENT.plan(part).expect("a plan").into_iter();
    let at = |position: u32| usize::try_from(position).expect("a position");
    let told = findings.map(|finding| {
        let desired = finding.desired.map(|position| &part.desired[at(position)]);
        let observed = finding.observed.iter().map(|position| &part.observed[at(*position)]);
        let documents = (desired, observed.collect::<Vec<_>>());
        let said = (finding.relation, finding.conclusion, &finding.name, &finding.detail);
        format!("{documents:?} {said:?} {:?}", finding.changes)
    });
    told.collect()
}

/// Both doors say the same of one part, and the JSON door says what it does not know.
#[test]
fn the_doors_agree() {
    let user = |of: &str| of.to_owned();
    let part = Part {
        resource_type: "User".into(),
        desired: vec![user(r#"{"externalId":"e1","userName":"ann","title":"b"}"#)],
        observed: vec![user(r#"{"id":"1","externalId":"e1","userName":"ann","title":"a"}"#)],
        links: Vec::new(),
        referred: Vec::new(),
        complete: false,
        settings: settings("{}"),
    };
    let typed = COMPONENT.plan(&part).expect("a plan");
    let [finding] = typed.as_slice() else { panic!("one finding: {typed:?}") };
    let [change] = finding.changes.as_slice() else { panic!("one change: {finding:?}") };
    assert_eq!((change.class, change.id.as_deref()), (Class::Update, Some("1")));
    let input = json!({"part": {
        "resource-type": "User", "desired": part.desired, "observed": part.observed,
        "complete": false, "settings": {"policy": "{}", "schema": "{}", "profile": []},
    }});
    let said = COMPONENT.call_json("plan", &input.to_string()).expect("an answer");
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said.pointer("/ok/0/changes/0/class"), Some(&json!("update")));
    assert_eq!(said.pointer("/ok/0/changes/0/body"), Some(&json!(change.body)));
    let unknown = COMPONENT.call_json("decide", "{}").expect("an answer");
    assert!(unknown.contains("unknown-function") && unknown.contains("survey, plan"), "{unknown}");
}

/// A population, desired and there, with a policy.
#[derive(Clone, Debug)]
struct World {
    policy: &'static str,
    desired: Vec<Value>,
    groups: Vec<Value>,
    there: Vec<Value>,
    groups_there: Vec<Value>,
}

fn world() -> impl Strategy<Value = World> {
    let policy = prop::sample::select(vec![
        "{}",
        r#"{"adopt":"equal","source-missing":"disable"}"#,
        r#"{"adopt":"matching","source-missing":"delete","correlation":{"Group":["displayName"]}}"#,
    ]);
    let groups = || prop::collection::vec(group(), 0..3);
    (
        policy,
        prop::collection::vec(user(), 0..5),
        groups(),
        prop::collection::vec(user(), 0..5),
        groups(),
    )
        .prop_map(|(policy, desired, groups, there, groups_there)| World {
            policy,
            desired: apart(desired),
            groups: apart(groups),
            there,
            groups_there,
        })
}

/// Each external id once, as a source has it.
fn apart(mut of: Vec<Value>) -> Vec<Value> {
    let mut seen = Vec::new();
    of.retain(|one| {
        let id = one.get("externalId").cloned();
        let new = id.is_none() || !seen.contains(&id);
        seen.push(id);
        new
    });
    of
}

fn user() -> impl Strategy<Value = Value> {
    let some = |values: &[&str]| {
        let values: Vec<Value> = values.iter().map(|value| json!(value)).collect();
        prop::option::of(prop::sample::select(values))
    };
    let roles = subsequence(vec!["a", "b", "c"], 0..=3);
    (
        some(&["e0", "e1", "e2", "e3"]),
        prop::sample::select(vec!["ann", "Ann", "bob", "cat", "dan"]),
        prop::option::of(prop::sample::select(vec![json!("boss"), json!("clerk"), Value::Null])),
        prop::option::of(any::<bool>()),
        prop::option::of(roles),
        some(&["D1", "D2"]),
        prop::option::of(prop::sample::select(vec![
            json!({"givenName": "A"}),
            json!({"givenName": "A", "familyName": "B"}),
        ])),
        any::<bool>(),
    )
        .prop_map(|(external_id, name, title, active, roles, department, full, shown)| {
            let mut user = Map::new();
            user.insert("userName".into(), json!(name));
            let roles = roles.map(|roles| {
                let role = |value: &&str| match shown {
                    true => json!({"value": value, "display": format!("Role {value}")}),
                    false => json!({"value": value}),
                };
                roles.iter().map(role).collect::<Value>()
            });
            for (attribute, value) in [
                ("externalId", external_id),
                ("title", title),
                ("active", active.map(Value::Bool)),
                ("roles", roles),
                ("name", full),
                (ENTERPRISE, department.map(|department| json!({ "department": department }))),
            ] {
                user.extend(value.map(|value| (attribute.to_owned(), value)));
            }
            Value::Object(user)
        })
}

fn group() -> impl Strategy<Value = Value> {
    let names = vec!["externalId:e0", "externalId:e1", "externalId:e2", "User-1", "elsewhere"];
    (
        prop::option::of(prop::sample::select(vec!["g0", "g1"])),
        prop::sample::select(vec!["G", "H"]),
        prop::option::of(subsequence(names, 0..=5)),
    )
        .prop_map(|(external_id, name, members)| {
            let mut group = json!({ "displayName": name });
            if let Some(id) = external_id {
                group["externalId"] = json!(id);
            }
            if let Some(members) = members {
                let member = |value: &str| json!({ "value": value });
                group["members"] = members.into_iter().map(member).collect();
            }
            group
        })
}

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

impl World {
    /// A target that has what is there; its groups have members by id only.
    fn target(&self) -> Target {
        let mut target = Target::default();
        for (kind, all) in [("User", &self.there), ("Group", &self.groups_there)] {
            for (number, one) in (1..).zip(all) {
                let id = format!("{kind}-{number}");
                let mut one = one.as_object().cloned().expect("an object");
                one.insert("id".into(), json!(id));
                if let Some(Value::Array(members)) = one.get_mut("members") {
                    members.retain(|member| {
                        !member["value"].as_str().is_some_and(|value| value.contains(':'))
                    });
                }
                one.retain(|_, value| !value.is_null());
                target.resources.insert((kind.to_owned(), id), one);
            }
        }
        target
    }

    fn populations(&self, target: &Target) -> Vec<Population> {
        [("User", &self.desired), ("Group", &self.groups)]
            .into_iter()
            .map(|(kind, desired)| Population {
                resource_type: kind.into(),
                desired: desired.iter().map(Value::to_string).collect(),
                observed: target
                    .of(kind)
                    .map(|one| Value::Object(one.clone()).to_string())
                    .collect(),
            })
            .collect()
    }

    fn plan(&self, target: &Target) -> Plan {
        self.plan_of(&self.populations(target))
    }

    /// A population as one part; of those that are referred to some are known.
    fn part(&self, population: &Population) -> Part {
        let link = |name: &str, id: Option<&str>| Link {
            external_id: name.into(),
            id: id.map(str::to_owned),
        };
        Part {
            resource_type: population.resource_type.clone(),
            desired: population.desired.clone(),
            observed: population.observed.clone(),
            links: Vec::new(),
            referred: vec![link("e0", Some("User-1")), link("e1", None)],
            complete: true,
            settings: settings(self.policy),
        }
    }

    fn plan_of(&self, populations: &[Population]) -> Plan {
        let planner = Planner {
            planning: COMPONENT.clone(),
            guest: Guest::embedded().expect("the component"),
            settings: settings(self.policy),
            complete: true,
            target: None,
        };
        planner.plan(populations).expect("a plan")
    }

    /// The same with other names, ids and external ids.
    fn renamed(&self) -> Self {
        let rename = |of: &[Value]| -> Vec<Value> {
            let text = Value::Array(of.to_vec()).to_string();
            let text = text.replace("\"e", "\"z").replace("\"zxternalId", "\"externalId");
            let text = text.replace("\"zlsewhere", "\"elsewhere");
            let text = text.replace("externalId:e", "externalId:z");
            let text = text.replace("\"g0", "\"y0").replace("\"g1", "\"y1");
            let mut values: Vec<Value> = serde_json::from_str(&text).expect("JSON");
            for value in &mut values {
                for name in ["userName", "displayName"] {
                    if let Some(Value::String(text)) = value.get_mut(name) {
                        text.push_str("-other");
                    }
                }
            }
            values
        };
        let mut other = Self {
            policy: self.policy,
            desired: rename(&self.desired),
            groups: rename(&self.groups),
            there: rename(&self.there),
            groups_there: rename(&self.groups_there),
        };
        // Their ids at the target differ too: `User-1` would be one resource on both sides.
        for group in other.groups.iter_mut().chain(&mut other.groups_there) {
            if let Some(Value::Array(members)) = group.get_mut("members") {
                members.retain(|member| member["value"] != json!("User-1"));
            }
        }
        let filler = |attribute: &'static str| {
            (0..5).map(move |at| json!({ attribute: format!("filler{at}") }))
        };
        other.there.splice(0..0, filler("userName")).for_each(drop);
        other.groups_there.splice(0..0, filler("displayName")).for_each(drop);
        other
    }
}

/// Carries a plan out, effect by effect; each must change what it is about.
fn apply(plan: &Plan, target: &mut Target) {
    let mut made: BTreeMap<String, String> = BTreeMap::new();
    let mut done = Vec::new();
    for (position, effect) in plan.effects.iter().enumerate() {
        assert!(effect.depends_on.iter().all(|before| done.contains(before)), "{position}");
        let found = plan.findings.get(effect.finding).expect("the finding");
        let kind = &found.resource_type;
        let change = &effect.change;
        let own = found
            .external_id
            .as_ref()
            .and_then(|id| made.get(id))
            .or_else(|| made.get(&found.finding.name));
        let create = change.class == Class::Create;
        let id = change.id.clone().or_else(|| own.cloned()).filter(|_| !create);
        let mut body = change.body.clone();
        for (external_id, id) in &made {
            let from = format!("\"externalId:{external_id}\"");
            body = body.map(|body| body.replace(&from, &format!("\"{id}\"")));
        }
        assert!(body.as_ref().is_none_or(|body| !body.contains("\"externalId:")), "{body:?}");
        let method = match change.class {
            Class::Create => Method::Create,
            Class::Delete => Method::Delete,
            Class::Revoke | Class::Disable | Class::Adopt | Class::Update | Class::Grant => {
                Method::Patch
            }
        };
        let before = target.resources.clone();
        let sent = Effect {
            method,
            resource_type: kind.clone(),
            id,
            body: body.clone().map_or(EffectBody::Empty, EffectBody::Document),
            if_match: None,
        };
        let outcome = target.apply(&sent, "", 0, None);
        let Outcome::Answered(answer) = &outcome else { panic!("{outcome:?}") };
        assert!((200..300).contains(&answer.status), "{sent:?}: {answer:?}");
        assert!(before != target.resources, "{sent:?} changes nothing of {before:?}");
        if create {
            let new = target.resources.keys().find(|key| !before.contains_key(*key)).expect("it");
            let name = found.external_id.as_ref().unwrap_or(&found.finding.name);
            made.insert(name.clone(), new.1.clone());
        }
        done.push(position);
    }
}

fn texts(plan: &Plan) -> Vec<String> {
    (0..plan.effects.len()).map(|at| plan.effect(at).to_string()).collect()
}

/// The effects without their numbers.
fn bodies(plan: &Plan) -> Vec<String> {
    plan.effects.iter().map(|effect| format!("{:?}", effect.change)).collect()
}

fn settings(policy: &str) -> Settings {
    Settings { policy: policy.into(), schema: "{}".into(), profile: Vec::new() }
}

/// Compiled once for all tests.
static COMPONENT: LazyLock<PlanningGuest> =
    LazyLock::new(|| PlanningGuest::embedded().expect("the component"));
