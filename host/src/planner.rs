//! Plans for populations: what is there beside what should be (S34).
//!
//! The component says by which keys resources may be found, and what leads from one to the other; here what
//! shares a key is put together, part by part, so that a call's memory does not grow with the population, and the
//! changes are put in the order that the contract has for them. Nothing is sent: [`applier`](crate::applier) carries a
//! plan out.

use std::collections::{BTreeMap, BTreeSet};

use replaysafe_json::{Limits, Object, Value, canonical, lift, parse};
use sha2::{Digest as _, Sha256};

use crate::{
    contract::{
        Document, Settings,
        reconciliation::{
            Change, Class, Conclusion, Excess, Finding, Link, Part, Relation, Tally, Trait,
        },
    },
    guest::{Guest, GuestError, PlanningGuest},
    keys::hex,
    provisioner::secret_paths,
};

/// All resources of one type, on both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Population {
    /// The name of the resource type, for example `User`.
    pub resource_type: String,
    /// What should be, as JSON documents. Secrets in them are left out of the plan (S3a).
    pub desired: Vec<Document>,
    /// What is there, each as the target showed it.
    pub observed: Vec<Document>,
}

/// Makes plans.
#[derive(Clone, Debug)]
pub struct Planner {
    /// The component that plans.
    pub planning: PlanningGuest,
    /// The component that says where secrets are.
    pub guest: Guest,
    /// Policy, schema, profile.
    pub settings: Settings,
    /// The whole of the source was read, without an error: only then does it mean anything that a resource is not
    /// desired. Of a type of which nothing is desired it never does (S32).
    pub complete: bool,
    /// The service that what is there was read from, if it was: the plan is for no other one.
    pub target: Option<String>,
}

/// What leads from what is there to what should be. Equal populations give equal plans, in whatever order they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What was found of each resource, by type and name.
    pub findings: Vec<Found>,
    /// What is to be done, in its order.
    pub effects: Vec<Effect>,
    /// How many there are of each.
    pub summary: Summary,
    /// What the guard does not let go without approval, this plan alone (S33).
    pub guard: Vec<Excess>,
    /// How much was there, by type.
    pub there: BTreeMap<String, There>,
    /// The service that it is for, if what is there was read from one.
    pub target: Option<String>,
    /// The SHA-256 of what [`Plan::digested`] gives, in canonical JSON, in lower-case hexadecimal: an approval names it
    /// (S33).
    pub digest: String,
}

/// How much of a resource type was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct There {
    /// Resources.
    pub resources: u64,
    /// The members, roles and entitlements that they had.
    pub edges: u64,
}

/// What was found of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name of its resource type.
    pub resource_type: String,
    /// Its external id, if it has one.
    pub external_id: Option<String>,
    /// The target's ids of what it is, or may be, sorted.
    pub ids: Vec<String>,
    /// What the component says of it. Its positions are those within a part, and mean nothing here.
    pub finding: Finding,
    /// For what is told apart by nothing else.
    document: Document,
    /// It was planned with something that refers to others.
    refers: bool,
    /// It is there because something is wrong, which its detail tells, and not because anything else is desired.
    mends: bool,
}

/// One request of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Which finding it belongs to: a position in `Plan::findings`.
    pub finding: usize,
    /// What is to be done.
    pub change: Change,
    /// The effects that come first: positions in `Plan::effects`.
    pub depends_on: Vec<usize>,
}

/// How many effects of each class, and how many findings of each conclusion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Effects that make a resource.
    pub create: usize,
    /// Effects that write an external id on what was found.
    pub adopt: usize,
    /// Effects that change attributes.
    pub update: usize,
    /// Effects that switch a resource off.
    pub disable: usize,
    /// Effects that delete a resource.
    pub delete: usize,
    /// Effects that add members, roles or entitlements.
    pub grant: usize,
    /// Effects that take them away.
    pub revoke: usize,
    /// Resources that are as they should be.
    pub unchanged: usize,
    /// Resources of which nobody can tell what they are.
    pub ambiguous: usize,
    /// Resources that a rule stands against.
    pub blocked: usize,
    /// Resources that are not desired, and stay.
    pub kept: usize,
}

impl Plan {
    /// Nothing is to be done, and nothing waits for a person.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty() && self.summary.ambiguous == 0 && self.summary.blocked == 0
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The component failed, or the settings break the contract
    #[error("the component gives no plan")]
    Guest(#[from] GuestError),
    /// A document is no resource, or larger than one may be: a plan without it would be another one
    #[error("{side} {resource_type} number {number} is no resource that can be read")]
    Unreadable {
        /// `desired` or `observed`
        side: &'static str,
        /// The name of its resource type
        resource_type: String,
        /// Its place, from 1
        number: usize,
    },
    /// What was read while it changed, or put together of several exports: what is there is shown in two ways
    #[error(
        "observed {resource_type} number {number} has the id of one before it, and differs from it: read what is there again"
    )]
    Twice {
        /// The name of its resource type
        resource_type: String,
        /// Its place, from 1
        number: usize,
    },
}

impl Planner {
    /// Makes a plan.
    ///
    /// # Errors
    ///
    /// Where the component fails, the settings break the contract, or a document cannot be read.
    pub fn plan(&self, populations: &[Population]) -> Result<Plan, PlanError> {
        let sides: Vec<Sides> =
            populations.iter().map(|one| self.look_at(one)).collect::<Result<_, _>>()?;
        // Which resource is which does not depend on what they refer to: who is referred to is known from a first round.
        let mut found = self.round(&sides, &Ids::of(&sides, &[]), |_| true)?;
        let ids = Ids::of(&sides, &found);
        let refers = |one: &Cluster| one.refers;
        if sides.iter().any(|one| one.desired.iter().any(|known| !known.refers.is_empty())) {
            found.retain(|one| !one.refers);
            found.extend(self.round(&sides, &ids, refers)?);
        }
        found.sort_by(|one, other| one.order().cmp(&other.order()));
        let there = sides.iter().map(|one| (one.resource_type.clone(), one.there())).collect();
        let mut plan = assemble(found, there, self.target.clone());
        plan.guard = self.planning.guard(&plan.tallies(), 0, &self.settings)?;
        Ok(plan)
    }

    /// Plans the clusters that `wanted` picks, part by part.
    fn round(
        &self,
        sides: &[Sides],
        ids: &Ids,
        wanted: impl Fn(&Cluster) -> bool,
    ) -> Result<Vec<Found>, PlanError> {
        let mut found = Vec::new();
        for one in sides {
            let (refer, others): (Vec<_>, Vec<_>) =
                one.clusters().into_iter().filter(&wanted).partition(|of| of.refers);
            for (refers, clusters) in [(false, others), (true, refer)] {
                for clusters in portions(clusters, |cluster| cluster.bytes) {
                    let places = Places::of(&clusters);
                    let part = one.part(&places, ids, self.complete, &self.settings);
                    for finding in self.planning.plan(&part)? {
                        found.push(one.found(&places, finding, refers));
                    }
                }
            }
        }
        Ok(found)
    }

    /// Looks at both sides, portion by portion.
    fn look_at(&self, population: &Population) -> Result<Sides, PlanError> {
        let kind = &population.resource_type;
        let paths = secret_paths(self.guest.secret_paths(kind, &self.settings)?);
        let survey = |side: &'static str, documents: &[Document]| {
            let unreadable =
                |number| PlanError::Unreadable { side, resource_type: kind.clone(), number };
            let mut known: Vec<Known> = Vec::with_capacity(documents.len());
            let lifted = documents.iter().map(|text| without_secrets(text, &paths));
            let lifted = (1..).zip(lifted).map(|(at, text)| text.ok_or_else(|| unreadable(at)));
            let lifted: Vec<Document> = lifted.collect::<Result<_, _>>()?;
            for portion in portions(lifted, |document| document.len()) {
                let traits = self.planning.survey(kind, &portion, &self.settings)?;
                for (document, of) in portion.into_iter().zip(traits) {
                    let of = of.ok_or_else(|| unreadable(known.len() + 1))?;
                    known.push(Known::new(document, of));
                }
            }
            Ok::<_, PlanError>(known)
        };
        let mut observed = survey("observed", &population.observed)?;
        // Pages that overlap show the same resource twice.
        let mut seen = BTreeSet::new();
        observed.retain(|one| one.id.is_none() || seen.insert(one.document.clone()));
        Ok(Sides {
            resource_type: kind.clone(),
            desired: survey("desired", &population.desired)?,
            observed,
        })
    }
}

/// A key by its digest: only equality counts.
pub(crate) type Key = [u8; 16];

pub(crate) fn key(text: String) -> Key {
    let mut short = [0; 16];
    let digest: [u8; 32] = Sha256::digest(text).into();
    short.copy_from_slice(&digest[..16]);
    short
}

/// A resource, and what was said of it.
struct Known {
    document: Document,
    external_id: Option<String>,
    id: Option<String>,
    keys: Vec<Key>,
    refers: Vec<String>,
    edges: u32,
}

impl Known {
    fn new(document: Document, of: Trait) -> Self {
        let Trait { external_id, id, keys, refers, edges, .. } = of;
        let keys = keys.into_iter().map(key).collect();
        Self { document, external_id, id, keys, refers, edges }
    }
}

/// Both sides of a population.
struct Sides {
    resource_type: String,
    desired: Vec<Known>,
    observed: Vec<Known>,
}

/// What shares keys, by position on each side.
struct Cluster {
    desired: Vec<usize>,
    observed: Vec<usize>,
    refers: bool,
    bytes: usize,
}

impl Sides {
    fn all(&self) -> impl Iterator<Item = &Known> {
        self.desired.iter().chain(&self.observed)
    }

    /// How much is there.
    fn there(&self) -> There {
        self.observed.iter().map(|known| known.edges).collect()
    }

    /// Puts together what shares a key, directly or by way of others.
    fn clusters(&self) -> Vec<Cluster> {
        let mut sets = Sets::of(self.desired.len() + self.observed.len());
        let mut first: BTreeMap<Key, usize> = BTreeMap::new();
        for (position, known) in self.all().enumerate() {
            for key in &known.keys {
                let other = *first.entry(*key).or_insert(position);
                sets.join(position, other);
            }
        }
        let mut clusters: BTreeMap<usize, Cluster> = BTreeMap::new();
        for (position, known) in self.all().enumerate() {
            let cluster = clusters.entry(sets.root(position)).or_insert_with(|| Cluster {
                desired: Vec::new(),
                observed: Vec::new(),
                refers: false,
                bytes: 0,
            });
            match position.checked_sub(self.desired.len()) {
                None => {
                    cluster.desired.push(position);
                    cluster.refers |= !known.refers.is_empty();
                }
                Some(position) => cluster.observed.push(position),
            }
            cluster.bytes += known.document.len();
        }
        clusters.into_values().collect()
    }

    fn part(&self, places: &Places, ids: &Ids, complete: bool, settings: &Settings) -> Part {
        let documents = |side: &[Known], places: &[usize]| {
            places.iter().filter_map(|at| Some(side.get(*at)?.document.clone())).collect()
        };
        let desired = places.desired.iter().filter_map(|at| self.desired.get(*at));
        let referred: BTreeSet<&String> = desired.flat_map(|one| &one.refers).collect();
        Part {
            resource_type: self.resource_type.clone(),
            desired: documents(&self.desired, &places.desired),
            observed: documents(&self.observed, &places.observed),
            links: Vec::new(),
            referred: referred.into_iter().filter_map(|name| ids.link(name)).collect(),
            // A source that has none of a type has nothing to say of it, and what nothing identifies may be any (S32).
            complete: complete
                && !self.desired.is_empty()
                && self.desired.iter().all(|known| !known.keys.is_empty()),
            settings: settings.clone(),
        }
    }

    /// A finding, with the names of what it is about.
    fn found(&self, places: &Places, finding: Finding, refers: bool) -> Found {
        let known = |side: &'_ [Known], places: &[usize], position: u32| {
            let place = places.get(usize::try_from(position).ok()?)?;
            let known = side.get(*place)?;
            Some((known.id.clone(), known.external_id.clone(), known.document.clone()))
        };
        let desired = finding.desired.and_then(|at| known(&self.desired, &places.desired, at));
        let observed: Vec<_> = finding
            .observed
            .iter()
            .filter_map(|at| known(&self.observed, &places.observed, *at))
            .collect();
        let about = desired.or_else(|| observed.first().cloned());
        let (_, external_id, document) = about.unwrap_or_default();
        let mut ids: Vec<String> = observed.into_iter().filter_map(|(id, ..)| id).collect();
        ids.sort();
        let resource_type = self.resource_type.clone();
        Found { resource_type, external_id, ids, finding, document, refers, mends: false }
    }
}

/// Where the resources of a part stand in their population.
struct Places {
    desired: Vec<usize>,
    observed: Vec<usize>,
}

impl Places {
    fn of(clusters: &[Cluster]) -> Self {
        Self {
            desired: clusters.iter().flat_map(|one| one.desired.iter().copied()).collect(),
            observed: clusters.iter().flat_map(|one| one.observed.iter().copied()).collect(),
        }
    }
}

impl Found {
    /// What is to be done with a resource because something is wrong.
    pub(crate) fn mending(resource_type: String, id: String, finding: Finding) -> Self {
        Self {
            resource_type,
            external_id: None,
            ids: vec![id],
            finding,
            document: Document::new(),
            refers: false,
            mends: true,
        }
    }

    fn order(&self) -> impl Ord + '_ {
        let beside = self.finding.desired.is_none();
        (&self.resource_type, &self.finding.name, beside, &self.ids, &self.document)
    }
}

/// Which resource an external id stands for, whatever its type. None: it is to be made; not there: nobody, or several.
struct Ids(BTreeMap<String, Option<String>>);

impl Ids {
    /// From what is there, and from what was found of it: which resource a desired one is, and which one goes.
    fn of(sides: &[Sides], found: &[Found]) -> Self {
        let mut going: BTreeSet<(&str, &str)> = BTreeSet::new();
        let mut told: BTreeMap<&str, Option<Option<&str>>> = BTreeMap::new();
        for one in found {
            let has = |class| one.finding.changes.iter().any(|change| change.class == class);
            let Some(name) = one.external_id.as_deref() else { continue };
            if one.finding.desired.is_none() {
                // Nobody is made a member who is to go, or has gone.
                let goes = has(Class::Delete) || has(Class::Disable);
                if goes || one.finding.conclusion == Conclusion::Unchanged {
                    going
                        .extend(one.ids.iter().map(|id| (one.resource_type.as_str(), id.as_str())));
                }
                continue;
            }
            let ready =
                matches!(one.finding.conclusion, Conclusion::Planned | Conclusion::Unchanged);
            let is_it = ready || one.finding.relation == Relation::Confirmed;
            let which = match one.ids.as_slice() {
                [id] if is_it => Some(Some(id.as_str())),
                [] if has(Class::Create) => Some(None),
                _ => None,
            };
            // Who is desired twice is nobody.
            told.entry(name).and_modify(|told| *told = None).or_insert(which);
        }
        let mut carried: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
        for one in sides {
            let kind = one.resource_type.as_str();
            for known in one.all() {
                let Some(name) = &known.external_id else { continue };
                let (ids, kinds) = carried.entry(name).or_default();
                kinds.insert(kind);
                ids.extend(known.id.as_deref().filter(|id| !going.contains(&(kind, *id))));
            }
            for known in one.desired.iter().filter(|_| found.is_empty()) {
                let name = known.external_id.as_deref();
                told.extend(name.map(|name| (name, Some(None))));
            }
        }
        let which = carried.into_iter().filter_map(|(name, (ids, kinds))| {
            let there = ids.first().filter(|_| ids.len() == 1).map(|id| Some((*id).to_owned()));
            let which = match told.get(name) {
                Some(told) if !found.is_empty() => told.map(|id| id.map(str::to_owned)),
                Some(_) => there.or(Some(None)),
                None => there,
            };
            which.filter(|_| kinds.len() == 1).map(|which| (name.to_owned(), which))
        });
        Self(which.collect())
    }

    fn link(&self, name: &str) -> Option<Link> {
        Some(Link { external_id: name.to_owned(), id: self.0.get(name)?.clone() })
    }
}

/// Disjoint sets of positions, each known by its root.
pub(crate) struct Sets(Vec<usize>);

impl Sets {
    /// Each position by itself.
    pub(crate) fn of(count: usize) -> Self {
        Self((0..count).collect())
    }

    pub(crate) fn root(&mut self, mut at: usize) -> usize {
        while let Some(parent) = self.0.get(at).copied().filter(|parent| *parent != at) {
            // Halves the way for who comes next.
            let above = self.0.get(parent).copied().unwrap_or(parent);
            if let Some(slot) = self.0.get_mut(at) {
                *slot = above;
            }
            at = above;
        }
        at
    }

    pub(crate) fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if let Some(slot) = self.0.get_mut(one.max(other)) {
            *slot = one.min(other);
        }
    }
}

/// Puts the changes of all findings in their order.
pub(crate) fn assemble(
    findings: Vec<Found>,
    there: BTreeMap<String, There>,
    target: Option<String>,
) -> Plan {
    let mut order: Vec<(Class, usize, usize)> = Vec::new();
    let mut summary = Summary::default();
    for (position, found) in findings.iter().enumerate() {
        let changes = found.finding.changes.iter().enumerate();
        order.extend(changes.map(|(at, change)| (change.class, position, at)));
        match found.finding.conclusion {
            Conclusion::Ambiguous => summary.ambiguous += 1,
            Conclusion::Blocked => summary.blocked += 1,
            Conclusion::Unchanged => summary.unchanged += 1,
            Conclusion::Kept => summary.kept += 1,
            Conclusion::Planned => {}
        }
    }
    // Classes are declared in the order of a plan; findings are in theirs.
    order.sort_by_key(|(class, finding, at)| (*class as u8, *finding, *at));
    let mut creates: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut of_finding: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut effects = Vec::with_capacity(order.len());
    for (position, (class, finding, at)) in order.into_iter().enumerate() {
        let Some(found) = findings.get(finding) else { continue };
        let Some(change) = found.finding.changes.get(at) else { continue };
        let before = of_finding.entry(finding).or_default();
        // Its own creation comes before it anyway.
        let others = change.needs.iter().filter(|name| Some(*name) != found.external_id.as_ref());
        let needed = others.filter_map(|name| creates.get(name.as_str())).flatten();
        let depends_on: BTreeSet<usize> = before.iter().chain(needed).copied().collect();
        // What mends something needs nothing else of its resource.
        if !found.mends {
            before.push(position);
        }
        if let (Class::Create, Some(name)) = (class, &found.external_id) {
            creates.entry(name).or_default().push(position);
        }
        *summary.of(class) += 1;
        let depends_on = depends_on.into_iter().collect();
        effects.push(Effect { finding, change: change.clone(), depends_on });
    }
    let (guard, digest) = (Vec::new(), String::new());
    let mut plan = Plan { findings, effects, summary, guard, there, target, digest };
    plan.digest = self::digest(&Value::Object(plan.digested()));
    plan
}

/// The digest of a plan by what [`Plan::digested`] gives.
pub(crate) fn digest(digested: &Value) -> String {
    hex(&Sha256::digest(canonical(digested)))
}

/// What effects come to, by type and class: what each is of, and how much it is.
pub(crate) fn tallies(
    effects: impl IntoIterator<Item = (String, Class, u64)>,
    there: &BTreeMap<String, There>,
) -> Vec<Tally> {
    let mut tallies: BTreeMap<(String, u8), Tally> = BTreeMap::new();
    for (resource_type, class, count) in effects {
        let There { resources, edges } = there.get(&resource_type).copied().unwrap_or_default();
        let of = (resource_type.clone(), class as u8);
        let (recent, approved) = (Vec::new(), 0);
        let tally = tallies.entry(of).or_insert_with(|| Tally {
            resource_type,
            class,
            planned: 0,
            recent,
            resources,
            edges,
            approved,
        });
        tally.planned = tally.planned.saturating_add(count);
    }
    tallies.into_values().collect()
}

/// From how many members, roles and entitlements each resource has.
impl FromIterator<u32> for There {
    fn from_iter<I: IntoIterator<Item = u32>>(edges: I) -> Self {
        let add = |there: Self, edges: u32| Self {
            resources: there.resources + 1,
            edges: there.edges.saturating_add(edges.into()),
        };
        edges.into_iter().fold(Self::default(), add)
    }
}

impl Summary {
    fn of(&mut self, class: Class) -> &mut usize {
        match class {
            Class::Revoke => &mut self.revoke,
            Class::Disable => &mut self.disable,
            Class::Create => &mut self.create,
            Class::Adopt => &mut self.adopt,
            Class::Update => &mut self.update,
            Class::Grant => &mut self.grant,
            Class::Delete => &mut self.delete,
        }
    }
}

impl Plan {
    /// What the digest is of: all that is carried out, and what the guard judges it by.
    #[must_use]
    pub fn digested(&self) -> Object {
        let mut digested = Object::new();
        let effects = (0..self.effects.len()).map(|at| self.effect(at));
        digested.insert("effects", Value::Array(effects.collect()));
        if let Some(target) = &self.target {
            digested.insert("target", target.as_str());
        }
        let mut kinds = Object::new();
        for (kind, there) in self.there.iter().filter(|(_, there)| there.resources != 0) {
            let there = [("edges", there.edges), ("resources", there.resources)];
            let there = there.into_iter().map(|(name, number)| (name, Value::from(number)));
            kinds.insert(kind.as_str(), Value::Object(there.collect()));
        }
        digested.insert("there", Value::Object(kinds));
        digested
    }

    /// How much it does, by type and class (S33).
    #[must_use]
    pub fn tallies(&self) -> Vec<Tally> {
        let of = |effect: &Effect| {
            let kind = self.findings.get(effect.finding)?.resource_type.clone();
            Some((kind, effect.change.class, effect.change.count.into()))
        };
        tallies(self.effects.iter().filter_map(of), &self.there)
    }

    /// An effect as the plan's JSON has it, effects numbered from 1; an empty object for one that is not there.
    #[must_use]
    pub fn effect(&self, at: usize) -> Value {
        let mut json = Object::new();
        let effect = self.effects.get(at);
        let Some((effect, found)) =
            effect.and_then(|effect| Some((effect, self.findings.get(effect.finding)?)))
        else {
            return Value::Object(json);
        };
        let change = &effect.change;
        // For people: from 1.
        let number = |at: usize| Value::from(u64::try_from(at).unwrap_or(u64::MAX - 1) + 1);
        json.insert("effect", number(at));
        json.insert("op", class_name(change.class));
        json.insert("resourceType", found.resource_type.as_str());
        for (name, value) in
            [("externalId", &found.external_id), ("id", &change.id), ("ifMatch", &change.if_match)]
        {
            if let Some(value) = value {
                json.insert(name, value.as_str());
            }
        }
        let body = change.body.as_deref();
        let body = body.and_then(|body| parse(body.as_bytes(), &Limits::answer()).ok());
        if let Some(body) = body {
            match body.find("Operations").filter(|_| change.class != Class::Create) {
                Some(operations) => json.insert("operations", operations.clone()),
                None => json.insert("document", body),
            };
        }
        if change.count != 1 {
            json.insert("count", u64::from(change.count));
        }
        let depends = effect.depends_on.iter().map(|at| number(*at));
        json.insert("dependsOn", Value::Array(depends.collect()));
        json.insert("reason", self.reason(effect, found));
        Value::Object(json)
    }

    /// Why an effect is there, for a person: names of attributes, no values.
    fn reason(&self, effect: &Effect, found: &Found) -> String {
        if found.mends {
            return found.finding.detail.clone();
        }
        let names = effect.change.attributes.join(", ");
        match effect.change.class {
            Class::Create => "it is desired and not there".to_owned(),
            Class::Adopt => format!("it was found by what it is called: {names}"),
            Class::Delete | Class::Disable if !found.finding.detail.is_empty() => {
                found.finding.detail.clone()
            }
            Class::Revoke => format!("more than is desired: {names}"),
            Class::Grant => format!("less than is desired: {names}"),
            Class::Disable | Class::Update | Class::Delete => format!("it differs: {names}"),
        }
    }
}

/// The name of a class in JSON.
#[must_use]
pub fn class_name(class: Class) -> &'static str {
    match class {
        Class::Revoke => "revoke",
        Class::Disable => "disable",
        Class::Create => "create",
        Class::Adopt => "adopt",
        Class::Update => "update",
        Class::Grant => "grant",
        Class::Delete => "delete",
    }
}

/// The class that has this name in JSON.
#[must_use]
pub fn class_named(name: &str) -> Option<Class> {
    CLASSES.into_iter().find(|class| class_name(*class) == name)
}

/// In the order of a plan.
const CLASSES: [Class; 7] = [
    Class::Revoke,
    Class::Disable,
    Class::Create,
    Class::Adopt,
    Class::Update,
    Class::Grant,
    Class::Delete,
];

/// Cuts a list into portions of bounded size; what is larger than one is a portion by itself.
pub(crate) fn portions<T>(
    items: impl IntoIterator<Item = T>,
    bytes: impl Fn(&T) -> usize,
) -> Vec<Vec<T>> {
    let mut portions: Vec<Vec<T>> = Vec::new();
    let mut size = 0;
    for item in items {
        size += bytes(&item);
        match portions.last_mut() {
            Some(portion) if size <= PORTION_BYTES && portion.len() < PORTION_ITEMS => {
                portion.push(item);
            }
            Some(_) | None => {
                size = bytes(&item);
                portions.push(Vec::from([item]));
            }
        }
    }
    portions
}

/// 512 KiB of documents in one call: a call's memory stays small, and its overhead is a thousandth.
const PORTION_BYTES: usize = 512 << 10;

/// 1,000 resources, or groups of resources that share keys, in one call.
const PORTION_ITEMS: usize = 1_000;

/// A document without its secrets: where one stood there is a mark. None where it is no JSON.
pub(crate) fn without_secrets(text: &str, paths: &[replaysafe_json::Path]) -> Option<Document> {
    let mut document = parse(text.as_bytes(), &Limits::answer()).ok()?;
    let mark = || Value::Object([("$secret", Value::from(""))].into_iter().collect());
    let lifted = lift(&mut document, paths, &mut |_| mark());
    Some(if lifted == 0 { text.to_owned() } else { document.to_string() })
}
