//! Laws of audits, on made-up populations: each flaw is found and no other, by a reading that was written apart; what mends
//! it leaves nothing to mend, and gives nobody anything.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use proptest::prelude::*;
use replaysafe::{
    auditor::{Audit, Auditor, Census, Recalled, flaw_name},
    contract::{Settings, audit::Flaw},
    guest::{Guest, PlanningGuest},
};
use replaysafe_core::{
    door::{self, AUDIT},
    types::{Effect, EffectBody, Method, Outcome},
};
use replaysafe_tests::target::Target;
use serde_json::{Value, json};

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// What a naive reading finds is found, and nothing else (S35).
    #[test]
    fn each_flaw_is_found_and_no_other(world in world()) {
        let audit = world.audit();
        let found: BTreeSet<Told> = audit.findings.iter().map(|one| {
            let finding = &one.finding;
            let ids = one.ids.iter().cloned().collect();
            let attribute = finding.attributes.join(" ");
            let all = finding.values.iter().filter(|_| finding.flaw != Flaw::DuplicateIdentity);
            let values = all.cloned().collect::<BTreeSet<_>>();
            (flaw_name(finding.flaw), ids, attribute, values)
        }).collect();
        prop_assert_eq!(found.len(), audit.findings.len());
        prop_assert_eq!(found, world.expected(), "{:#?}", world);
    }

    /// Once it is mended, and mended again, nothing is left to mend, and each effect has changed something.
    #[test]
    fn mending_twice_is_a_fixpoint(world in world()) {
        let mended = world.mended().mended();
        let again = mended.audit();
        prop_assert!(again.mends.effects.is_empty(), "{:#?}\nof {:#?}", texts(&again), world);
        let left: BTreeSet<&str> = again.findings.iter().map(|one| flaw_name(one.finding.flaw)).collect();
        let told = BTreeSet::from(["duplicate-identity", "stacked-grant", "repeated-member"]);
        prop_assert!(left.is_subset(&told), "{left:?} of {world:#?}");
    }

    /// Nobody has more than before, but who survives what was merged: that one is where the others were, and has no role more.
    /// Nobody has less, but who is off, who was merged, and what is nowhere; and where those were the survivor is.
    #[test]
    fn mending_gives_and_takes_nothing_else(world in world()) {
        let audit = world.audit();
        let (before, after) = (world.edges(), world.mended().mended().edges());
        let survivor = |other: &str| audit.findings.iter().find_map(|one| {
            let is_other = one.finding.flaw == Flaw::DuplicateIdentity && one.ids.iter().skip(1).any(|id| id == other);
            is_other.then(|| one.ids[0].clone())
        });
        for (kind, of, value) in after.difference(&before) {
            prop_assert_eq!(kind.as_str(), "member");
            prop_assert!(
                before.iter().any(|(_, group, other)| group == of && survivor(other).as_ref() == Some(value)),
                "{value} is given {of} in {world:#?}"
            );
        }
        for (kind, of, value) in before.difference(&after) {
            let who = if kind == "role" { of } else { value };
            let is_user = world.users.contains_key(who);
            let off = is_user && world.is_off(who);
            let nowhere = kind == "member" && world.leads(world.groups[of]["members"].as_array(), value) == Leads::Nowhere;
            let merged = survivor(who).filter(|_| is_user);
            let moved = kind == "role"
                || merged.as_ref().is_some_and(|to| after.contains(&(kind.clone(), of.clone(), to.clone())));
            prop_assert!(off || nowhere || merged.is_some() && moved, "{kind} {value} of {of} is lost in {world:#?}");
        }
        let mended = world.mended().mended();
        for id in world.users.keys() {
            // Nobody is switched on, and nobody off but who was merged.
            let (was, is) = (world.is_off(id), mended.is_off(id));
            prop_assert!(was == is || is && survivor(id).is_some_and(|to| !mended.is_off(&to)), "{id} in {world:#?}");
        }
    }

    /// In whatever order what is there was shown.
    #[test]
    fn audit_ignores_order(world in world(), turn in 0_usize..7) {
        let audit = world.audit();
        let mut there = world.there();
        for (_, documents) in &mut there {
            documents.reverse();
            let by = turn.min(documents.len());
            documents.rotate_left(by);
        }
        there.reverse();
        let other = audit_of(there);
        prop_assert_eq!(texts(&audit), texts(&other));
        prop_assert_eq!(&audit.mends.digest, &other.mends.digest);
        let told = |audit: &Audit| -> Vec<_> {
            audit.findings.iter().map(|one| (one.ids.clone(), one.finding.detail.clone())).collect()
        };
        prop_assert_eq!(told(&audit), told(&other));
    }

    /// `native-equals-component`, byte for byte.
    #[test]
    fn native_equals_component(world in world()) {
        for (kind, documents) in world.there() {
            let settings = json!({"policy": "{}", "schema": "{}", "profile": []});
            let look = json!({"resource-type": kind, "resources": documents, "settings": settings});
            let subjects: Vec<Value> = documents.iter().map(|one| json!({
                "document": one,
                "referred-by": [{"resource-type": "Group", "id": "g", "attribute": "members"}],
                "dangling": [{"attribute": "members", "id": "u9"}],
                "may-be-referred": false,
            })).collect();
            let part = json!({"part": {"resource-type": kind, "subjects": subjects, "settings": settings}});
            for (function, input) in [("look", look), ("audit", part)] {
                let input = input.to_string();
                let native = door::call(&[&AUDIT], function, &input);
                let component = COMPONENT.call_json(function, &input).expect("an answer");
                prop_assert_eq!(&native, &component);
                prop_assert!(native.starts_with("{\"ok\":"), "{}", native);
            }
        }
    }
}

/// A larger population in which every flaw is there a known number of times, put together by hand.
#[test]
fn a_population_with_known_flaws_has_these_and_no_others() {
    let (people, every) = (20_000_usize, 1_000_usize);
    let mut users: Vec<Value> = (0..people)
        .map(|at| json!({"id": format!("u{at}"), "externalId": format!("e{at}"), "userName": format!("user{at}"), "active": true, "roles": [{"value": "r"}]}))
        .collect();
    let mut groups: Vec<Value> = (0..people / 100)
        .map(|at| {
            let members: Vec<Value> =
                (at * 100..at * 100 + 100).map(|at| json!({"value": format!("u{at}")})).collect();
            json!({"id": format!("g{at}"), "displayName": format!("G{at}"), "members": members})
        })
        .collect();
    for at in (0..people).step_by(every) {
        // The same person once more, by another spelling, made later and in nothing.
        users.push(json!({"id": format!("twin{at}"), "userName": format!("USER{at}")}));
        users[at + 1]["active"] = json!(false);
        users[at + 2]["roles"] = json!([{"value": "r"}, {"value": "r"}]);
        let group = groups[(at + 3) / 100]["members"].as_array_mut().expect("members");
        group.push(json!({"value": format!("u{}", at + 3)}));
        group.push(json!({"value": format!("gone{at}")}));
    }
    let texts = |of: &[Value]| of.iter().map(Value::to_string).collect::<Vec<_>>();
    let audit = audit_of(vec![("User".into(), texts(&users)), ("Group".into(), texts(&groups))]);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &audit.findings {
        *counts.entry(flaw_name(one.finding.flaw)).or_default() += 1;
    }
    let expected = BTreeMap::from([
        ("duplicate-identity", 20),
        // Its role, and its group.
        ("orphaned-privilege", 40),
        ("stacked-grant", 20),
        ("repeated-member", 20),
        ("dangling-reference", 20),
    ]);
    assert_eq!(counts, expected);
    for one in audit.findings.iter().filter(|one| one.finding.flaw == Flaw::DuplicateIdentity) {
        let at = one.ids[0].strip_prefix('u').expect("the person survives");
        assert_eq!(one.ids, [format!("u{at}"), format!("twin{at}")]);
    }
}

/// Flaw, ids, attribute, values.
type Told = (&'static str, BTreeSet<String>, String, BTreeSet<String>);

/// What is there, by id.
#[derive(Clone, Debug)]
struct World {
    users: BTreeMap<String, Value>,
    groups: BTreeMap<String, Value>,
}

fn world() -> impl Strategy<Value = World> {
    let users = prop::collection::vec(user(), 0..6);
    let groups = prop::collection::vec(group(), 0..4);
    (users, groups)
        .prop_map(|(users, groups)| World { users: named("u", users), groups: named("g", groups) })
}

fn named(letter: &str, all: Vec<Value>) -> BTreeMap<String, Value> {
    let ids = (0..).map(|at| format!("{letter}{at}"));
    ids.zip(all)
        .map(|(id, mut one)| {
            one["id"] = json!(id);
            (id, one)
        })
        .collect()
}

fn user() -> impl Strategy<Value = Value> {
    let roles = prop::collection::vec(prop::sample::select(vec!["a", "b"]), 0..4);
    let times = vec!["2020-01-01T00:00:00Z", "2019-12-31T23:59:59Z", "2020-01-01T01:00:00+02:00"];
    (
        prop::option::of(prop::sample::select(vec!["e0", "e1", "e2", ""])),
        prop::sample::select(vec!["ann", "Ann", "bob", "cat", "dan"]),
        prop::option::of(any::<bool>()),
        roles,
        prop::option::of(prop::sample::select(times)),
        prop::option::of(prop::sample::select(vec!["u0", "u1", "u9"])),
        any::<bool>(),
    )
        .prop_map(|(external_id, name, active, roles, created, manager, certificate)| {
            let mut user = json!({ "userName": name });
            if let Some(external_id) = external_id {
                user["externalId"] = json!(external_id);
            }
            if let Some(active) = active {
                user["active"] = json!(active);
            }
            if !roles.is_empty() {
                user["roles"] = roles.iter().map(|value| json!({ "value": value })).collect();
            }
            if let Some(created) = created {
                user["meta"] = json!({ "created": created });
            }
            if let Some(manager) = manager {
                user[ENTERPRISE] = json!({"manager": {"value": manager}});
            }
            if certificate {
                user["x509Certificates"] = json!([{"value": "MII"}]);
            }
            user
        })
}

fn group() -> impl Strategy<Value = Value> {
    let ids = vec!["u0", "u1", "u2", "u3", "u9", "g0", "g9"];
    let kinds = vec![None, None, Some("User"), Some("Group"), Some("Device")];
    let member = (prop::sample::select(ids), prop::sample::select(kinds));
    prop::collection::vec(member, 0..=5).prop_map(|members| {
        let member = |(value, kind): (&str, Option<&str>)| match kind {
            Some(kind) => json!({"value": value, "type": kind}),
            None => json!({ "value": value }),
        };
        json!({"displayName": "G", "members": members.into_iter().map(member).collect::<Vec<_>>()})
    })
}

/// Where a member of a list leads.
#[derive(Debug, PartialEq, Eq)]
enum Leads {
    User,
    Group,
    Nowhere,
    /// Nobody can tell.
    Open,
}

impl World {
    fn there(&self) -> Vec<(String, Vec<String>)> {
        let texts = |of: &BTreeMap<String, Value>| of.values().map(Value::to_string).collect();
        vec![("User".into(), texts(&self.users)), ("Group".into(), texts(&self.groups))]
    }

    fn audit(&self) -> Audit {
        audit_of(self.there())
    }

    fn is_off(&self, id: &str) -> bool {
        self.users[id]["active"] == json!(false)
    }

    /// Where the members of this value lead.
    fn leads(&self, list: Option<&Vec<Value>>, value: &str) -> Leads {
        let kinds = list.into_iter().flatten().filter(|one| one["value"] == *value);
        let kinds: BTreeSet<Option<&str>> = kinds.map(|one| one["type"].as_str()).collect();
        let (user, group) = (self.users.contains_key(value), self.groups.contains_key(value));
        // One that says nothing of its type may be of any.
        let kinds = match kinds.len() {
            2 if kinds.contains(&None) => BTreeSet::from([None]),
            _ => kinds,
        };
        match kinds.into_iter().collect::<Vec<_>>().as_slice() {
            [Some("User")] if user => Leads::User,
            [Some("Group")] if group => Leads::Group,
            [Some("User" | "Group")] => Leads::Nowhere,
            // Nothing of this type is here: it may tell something else.
            [Some(_)] if user != group => {
                if user {
                    Leads::User
                } else {
                    Leads::Group
                }
            }
            [Some(_)] => Leads::Open,
            [None] if user && group => Leads::Open,
            [None] if user => Leads::User,
            [None] if group => Leads::Group,
            [None] => Leads::Nowhere,
            _ => Leads::Open,
        }
    }

    fn members(&self, group: &str) -> Vec<&str> {
        strings(&self.groups[group], "members")
    }

    /// Who has what: roles of users, and members of groups.
    fn edges(&self) -> BTreeSet<(String, String, String)> {
        let mut edges = BTreeSet::new();
        for (kind, name, of) in
            [("role", "roles", &self.users), ("member", "members", &self.groups)]
        {
            for (id, one) in of {
                let values = strings(one, name).into_iter();
                edges.extend(values.map(|value| (kind.to_owned(), id.clone(), value.to_owned())));
            }
        }
        edges
    }

    /// A naive reading of what is wrong.
    fn expected(&self) -> BTreeSet<Told> {
        let mut told = BTreeSet::new();
        let mut tell = |flaw, ids: &[&str], attribute: &str, values: Vec<&str>| {
            let owned = |of: &[&str]| of.iter().map(|one| (*one).to_owned()).collect();
            told.insert((flaw, owned(ids), attribute.to_owned(), owned(&values)));
        };
        let leads =
            |group: &str, id: &str| self.leads(self.groups[group]["members"].as_array(), id);
        for group in self.groups.keys() {
            let all = self.groups[group]["members"].as_array().expect("members");
            let same = |one: &Value, other: &Value| {
                let kinds = [&one["type"], &other["type"]];
                one["value"] == other["value"]
                    && (kinds[0] == kinds[1] || kinds.contains(&&Value::Null))
            };
            let twice =
                (0..all.len()).flat_map(|one| (one + 1..all.len()).map(move |other| (one, other)));
            let twice = twice.filter(|(one, other)| same(&all[*one], &all[*other]));
            let twice: Vec<&str> =
                twice.filter_map(|(one, _)| all[one]["value"].as_str()).collect();
            if !twice.is_empty() {
                tell("repeated-member", &[group], "members", twice);
            }
            let members = self.members(group).into_iter();
            let gone: Vec<&str> = members.filter(|id| leads(group, id) == Leads::Nowhere).collect();
            if !gone.is_empty() {
                tell("dangling-reference", &[group], "members", gone);
            }
        }
        for (id, user) in &self.users {
            let roles = strings(user, "roles");
            let twice = repeated(&roles);
            if !twice.is_empty() {
                tell("stacked-grant", &[id], "roles", twice);
            }
            let manager = user[ENTERPRISE]["manager"]["value"].as_str();
            if let Some(manager) = manager.filter(|id| !self.users.contains_key(*id)) {
                let attribute = format!("{ENTERPRISE}:manager");
                tell("dangling-reference", &[id], &attribute, vec![manager]);
            }
            if self.is_off(id) {
                if !roles.is_empty() {
                    tell("orphaned-privilege", &[id], "roles", roles);
                }
                let groups = self.groups.keys().map(String::as_str);
                let is_in = |group: &&str| {
                    self.members(group).contains(&id.as_str()) && leads(group, id) == Leads::User
                };
                let groups: Vec<&str> = groups.filter(is_in).collect();
                if !groups.is_empty() {
                    tell("orphaned-privilege", &[id], "members", groups);
                }
                if !user["x509Certificates"].is_null() {
                    tell("live-credential", &[id], "x509Certificates", vec![]);
                }
            }
        }
        for same in self.same() {
            let mut attributes = Vec::new();
            for name in ["externalId", "userName"] {
                let values: Vec<String> =
                    same.iter().filter_map(|id| known_by(&self.users[*id], name)).collect();
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                if !repeated(&values).is_empty() {
                    attributes.push(name);
                }
            }
            tell("duplicate-identity", &same, &attributes.join(" "), vec![]);
        }
        told
    }

    /// Users that are one: put together until nothing changes.
    fn same(&self) -> Vec<Vec<&str>> {
        let mut groups: Vec<Vec<&str>> = self.users.keys().map(|id| vec![id.as_str()]).collect();
        let alike = |one: &&str, other: &&str| {
            ["externalId", "userName"].iter().any(|name| {
                let value = known_by(&self.users[*one], name);
                value.is_some() && value == known_by(&self.users[*other], name)
            })
        };
        'again: loop {
            for one in 0..groups.len() {
                for other in one + 1..groups.len() {
                    if groups[one].iter().any(|id| groups[other].iter().any(|of| alike(id, of))) {
                        let more = groups.remove(other);
                        groups[one].extend(more);
                        continue 'again;
                    }
                }
            }
            break;
        }
        groups.retain(|group| 1 < group.len());
        groups
    }

    /// What is there once the plan is carried out, by a target that was written apart.
    fn mended(&self) -> Self {
        let audit = self.audit();
        let mut target = Target::default();
        for (kind, all) in [("User", &self.users), ("Group", &self.groups)] {
            for (id, one) in all {
                let one = one.as_object().cloned().expect("an object");
                target.resources.insert((kind.to_owned(), id.clone()), one);
            }
        }
        let mut done = Vec::new();
        for (position, effect) in audit.mends.effects.iter().enumerate() {
            assert!(effect.depends_on.iter().all(|before| done.contains(before)), "{position}");
            let sent = Effect {
                method: Method::Patch,
                resource_type: audit.mends.findings[effect.finding].resource_type.clone(),
                id: effect.change.id.clone(),
                body: EffectBody::Document(effect.change.body.clone().expect("a body")),
                if_match: None,
            };
            let before = target.resources.clone();
            let outcome = target.apply(&sent, "", 0, None);
            let Outcome::Answered(answer) = &outcome else { panic!("{outcome:?}") };
            assert!((200..300).contains(&answer.status), "{sent:?}: {answer:?}");
            assert!(before != target.resources, "{sent:?} changes nothing of {before:?}");
            done.push(position);
        }
        let of = |kind: &str| {
            let all = target.resources.iter().filter(|((of, _), _)| of == kind);
            all.map(|((_, id), one)| (id.clone(), Value::Object(one.clone()))).collect()
        };
        Self { users: of("User"), groups: of("Group") }
    }
}

/// By what a user is known: an external id as it is, a user name in small letters.
fn known_by(user: &Value, name: &str) -> Option<String> {
    let value = user[name].as_str().filter(|value| !value.is_empty())?;
    Some(if name == "userName" { value.to_ascii_lowercase() } else { value.to_owned() })
}

fn strings<'v>(of: &'v Value, name: &str) -> Vec<&'v str> {
    let list = of.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|one| one["value"].as_str()).collect()
}

/// What is there more than once.
fn repeated<'v>(values: &[&'v str]) -> Vec<&'v str> {
    let count = |value: &&str| values.iter().filter(|other| *other == value).count();
    values.iter().copied().filter(|value| 1 < count(value)).collect()
}

/// Everything is there: what nobody has is nowhere.
fn audit_of(there: Vec<(String, Vec<String>)>) -> Audit {
    let auditor = Auditor {
        planning: COMPONENT.clone(),
        guest: Guest::embedded().expect("the component"),
        settings: Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() },
        target: None,
    };
    let census: Census = auditor.look(there).expect("documents that can be read");
    auditor.audit(&census, Some(&census.unknown()), &Recalled::default()).expect("an audit")
}

fn texts(audit: &Audit) -> Vec<String> {
    (0..audit.mends.effects.len()).map(|at| audit.mends.effect(at).to_string()).collect()
}

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Compiled once for all tests.
static COMPONENT: LazyLock<PlanningGuest> =
    LazyLock::new(|| PlanningGuest::embedded().expect("the component"));
