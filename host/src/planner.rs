//! Plans for populations: what is there beside what should be (S34).
//!
//! The component says by which keys resources may be found, and what leads from one to the other; here what
//! shares a key is put together, part by part, so that a call's memory does not grow with the population, and the
//! changes are put in the order that the contract has for them. Nothing is sent: [`applier`](crate::applier) carries a
//! plan out.

mod shards;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

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
pub(crate) use shards::{Key, Sets, key, portions};
use shards::{Shards, side_by_side};

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
        let sides: Vec<Sides<'_>> =
            populations.iter().map(|one| self.look_at(one)).collect::<Result<_, _>>()?;
        // Which resource is which does not depend on what they refer to: who is referred to is known from a first round.
        let mut found = self.round(&sides, &Ids::of(&sides, &[]), |_| true)?;
        if sides.iter().any(|one| one.desired().iter().any(|known| !known.refers.is_empty())) {
            let ids = Ids::of(&sides, &found);
            found.retain(|(one, _)| !one.refers);
            found.extend(self.round(&sides, &ids, |refers| refers)?);
        }
        let there = sides.iter().map(|one| (one.resource_type.clone(), one.there())).collect();
        let mut plan = assemble(ordered(found, &sides), there, self.target.clone());
        plan.guard = self.planning.guard(&plan.tallies(), 0, &self.settings)?;
        Ok(plan)
    }

    /// Plans the shards that `wanted` picks by whether they refer to others, part by part. Each finding with the resource that it is about.
    fn round(
        &self,
        sides: &[Sides<'_>],
        ids: &Ids,
        wanted: impl Fn(bool) -> bool,
    ) -> Result<Vec<(Found, About)>, PlanError> {
        let mut parts = Vec::new();
        for (population, one) in sides.iter().enumerate() {
            for refers in [false, true].into_iter().filter(|refers| wanted(*refers)) {
                let shards = one.shards.iter().filter(|shard| one.refers(shard) == refers);
                let portions = portions(shards, |shard| one.bytes(shard));
                parts.extend(portions.into_iter().map(|shards| (population, refers, shards)));
            }
        }
        // In one list, whoever comes first: they are put in order once all are there.
        let all = Mutex::new(Vec::new());
        side_by_side(&parts, |(population, refers, shards)| {
            let Some(one) = sides.get(*population) else { return Ok(()) };
            let places = one.places(shards);
            let part = one.part(&places, ids, self.complete, &self.settings);
            let findings = self.planning.plan(&part)?.into_iter();
            let found = findings.map(|finding| one.found(*population, &places, finding, *refers));
            let found: Vec<_> = found.collect();
            all.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
            Ok::<_, PlanError>(())
        })?;
        Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at both sides, portion by portion.
    fn look_at<'a>(&self, population: &'a Population) -> Result<Sides<'a>, PlanError> {
        let kind = &population.resource_type;
        let paths = secret_paths(self.guest.secret_paths(kind, &self.settings)?);
        let survey = |side: &'static str, documents: &'a [Document]| {
            let portions = portions(documents.iter().enumerate(), |(_, document)| document.len());
            side_by_side(&portions, |portion| {
                let unreadable = |at: usize| PlanError::Unreadable {
                    side,
                    resource_type: kind.clone(),
                    number: at + 1,
                };
                let lifted = portion
                    .iter()
                    .map(|(at, text)| without_secrets(text, &paths).ok_or_else(|| unreadable(*at)));
                let lifted: Vec<Document> = lifted.collect::<Result<_, _>>()?;
                let traits = self.planning.survey(kind, &lifted, &self.settings)?;
                let mut looked = Looked::default();
                for (((at, given), lifted), of) in portion.iter().zip(lifted).zip(traits) {
                    // What has no secret is there once, as it was given.
                    let document = match lifted == **given {
                        true => Cow::Borrowed(given.as_str()),
                        false => Cow::Owned(lifted),
                    };
                    looked.add(*at, document, of.ok_or_else(|| unreadable(*at))?);
                }
                Ok::<_, PlanError>(looked)
            })
        };
        let observed = survey("observed", &population.observed)?;
        let desired = survey("desired", &population.desired)?;
        Ok(Sides::of(kind.clone(), desired, observed))
    }
}

/// A resource, and what was said of it.
struct Known<'a> {
    document: Cow<'a, str>,
    external_id: Option<Box<str>>,
    id: Option<Box<str>>,
    refers: Box<[String]>,
    edges: u32,
}

/// A portion of one side.
#[derive(Default)]
struct Looked<'a> {
    known: Vec<Known<'a>>,
    /// With the position on this side.
    keys: Vec<(Key, usize)>,
    /// Something has no key.
    nameless: bool,
}

impl<'a> Looked<'a> {
    fn add(&mut self, at: usize, document: Cow<'a, str>, of: Trait) {
        self.nameless |= of.keys.is_empty();
        self.keys.extend(of.keys.into_iter().map(|text| (key(text), at)));
        let boxed = |text: Option<String>| text.map(String::into_boxed_str);
        let (external_id, id) = (boxed(of.external_id), boxed(of.id));
        let (refers, edges) = (of.refers.into(), of.edges);
        self.known.push(Known { document, external_id, id, refers, edges });
    }
}

/// Both sides of a population.
struct Sides<'a> {
    resource_type: String,
    /// What is desired, then what is observed.
    known: Vec<Known<'a>>,
    desired: usize,
    /// What shares keys, by position in `known`.
    shards: Shards,
    /// Something is desired, and each of it has a key.
    identified: bool,
}

/// Which resource a finding is about: a population, and a position in what is known of it.
type About = Option<(usize, usize)>;

impl<'a> Sides<'a> {
    /// Of what was said of each portion.
    fn of(resource_type: String, desired: Vec<Looked<'a>>, observed: Vec<Looked<'a>>) -> Self {
        let count = |of: &[Looked<'_>]| of.iter().map(|one| one.known.len()).sum::<usize>();
        let (first, all) = (count(&desired), count(&desired) + count(&observed));
        let identified = 0 < first && !desired.iter().any(|one| one.nameless);
        let mut known = Vec::with_capacity(all);
        let mut keys = Vec::new();
        for (one, before) in desired
            .into_iter()
            .map(|one| (one, 0))
            .chain(observed.into_iter().map(|one| (one, first)))
        {
            keys.extend(one.keys.into_iter().map(|(key, at)| (key, before + at)));
            known.extend(one.known);
        }
        let shards = Shards::of(all, keys, &repeated(&known, first));
        Self { resource_type, known, desired: first, shards, identified }
    }

    /// How much is there.
    fn there(&self) -> There {
        let observed = self.shards.iter().flatten().filter(|position| self.desired <= **position);
        observed.filter_map(|at| Some(self.known.get(*at)?.edges)).collect()
    }

    fn desired(&self) -> &[Known<'a>] {
        self.known.get(..self.desired).unwrap_or_default()
    }

    fn at(&self, positions: &[usize]) -> impl Iterator<Item = &Known<'a>> {
        positions.iter().filter_map(|position| self.known.get(*position))
    }

    fn bytes(&self, shard: &[usize]) -> usize {
        self.at(shard).map(|known| known.document.len()).sum()
    }

    /// Whether something that is desired refers to others.
    fn refers(&self, shard: &[usize]) -> bool {
        let desired = shard.iter().take_while(|position| **position < self.desired);
        desired.filter_map(|at| self.known.get(*at)).any(|known| !known.refers.is_empty())
    }

    fn places(&self, shards: &[&[usize]]) -> Places {
        let all = shards.iter().flat_map(|shard| shard.iter().copied());
        let (desired, observed) = all.partition(|position| *position < self.desired);
        Places { desired, observed }
    }

    fn part(&self, places: &Places, ids: &Ids, complete: bool, settings: &Settings) -> Part {
        let documents =
            |places| self.at(places).map(|known| known.document.clone().into_owned()).collect();
        let referred: BTreeSet<&String> =
            self.at(&places.desired).flat_map(|one| &one.refers).collect();
        Part {
            resource_type: self.resource_type.clone(),
            desired: documents(&places.desired),
            observed: documents(&places.observed),
            links: Vec::new(),
            referred: referred.into_iter().filter_map(|name| ids.link(name)).collect(),
            // A source that has none of a type has nothing to say of it, and what nothing identifies may be any (S32).
            complete: complete && self.identified,
            settings: settings.clone(),
        }
    }

    /// A finding, with the names of what it is about.
    fn found(
        &self,
        population: usize,
        places: &Places,
        finding: Finding,
        refers: bool,
    ) -> (Found, About) {
        let place =
            |places: &[usize], position: u32| places.get(usize::try_from(position).ok()?).copied();
        let desired = finding.desired.and_then(|at| place(&places.desired, at));
        let observed = finding.observed.iter().filter_map(|at| place(&places.observed, *at));
        let observed: Vec<usize> = observed.collect();
        let about = desired.or_else(|| observed.first().copied());
        let external_id = about.and_then(|at| self.known.get(at)?.external_id.as_deref());
        let ids = self.at(&observed).filter_map(|known| known.id.as_deref());
        let mut ids: Vec<String> = ids.map(str::to_owned).collect();
        ids.sort();
        let found = Found {
            resource_type: self.resource_type.clone(),
            external_id: external_id.map(str::to_owned),
            ids,
            finding,
            refers,
            mends: false,
        };
        (found, about.map(|at| (population, at)))
    }
}

/// Which of what is observed is there already: pages that overlap show the same resource twice.
fn repeated(known: &[Known<'_>], desired: usize) -> BTreeSet<usize> {
    let mut observed: Vec<(&str, usize)> = (0..)
        .zip(known)
        .skip(desired)
        .filter_map(|(at, known)| Some((known.id.as_deref()?, at)))
        .collect();
    observed.sort_unstable();
    let mut repeated = BTreeSet::new();
    for same in observed.chunk_by(|(one, _), (other, _)| one == other) {
        let mut seen = BTreeSet::new();
        for (_, at) in same {
            let new = known.get(*at).is_some_and(|known| seen.insert(&known.document));
            repeated.extend((!new).then_some(*at));
        }
    }
    repeated
}

/// Puts findings in their order, whatever that of the resources.
fn ordered(mut found: Vec<(Found, About)>, sides: &[Sides<'_>]) -> Vec<Found> {
    let document = |about: About| {
        let (population, at) = about?;
        Some(&*sides.get(population)?.known.get(at)?.document)
    };
    found.sort_unstable_by(|(one, about), (other, of)| {
        let by_document = || document(*about).cmp(&document(*of));
        one.order().cmp(&other.order()).then_with(by_document)
    });
    found.into_iter().map(|(found, _)| found).collect()
}

/// Where the resources of a part stand in their population.
struct Places {
    desired: Vec<usize>,
    observed: Vec<usize>,
}

impl Found {
    /// What is to be done with a resource because something is wrong.
    pub(crate) fn mending(resource_type: String, id: String, finding: Finding) -> Self {
        Self {
            resource_type,
            external_id: None,
            ids: vec![id],
            finding,
            refers: false,
            mends: true,
        }
    }

    fn order(&self) -> impl Ord + '_ {
        let beside = self.finding.desired.is_none();
        (&self.resource_type, &self.finding.name, beside, &self.ids)
    }
}

/// Which resource an external id stands for, whatever its type. None: it is to be made; not there: nobody, or several.
struct Ids(BTreeMap<String, Option<String>>);

impl Ids {
    /// From what is there, and from what was found of it: which resource a desired one is, and which one goes. Of those that are referred to.
    fn of(sides: &[Sides<'_>], found: &[(Found, About)]) -> Self {
        let referring = sides.iter().flat_map(Sides::desired);
        let wanted: BTreeSet<&str> =
            referring.flat_map(|known| &known.refers).map(String::as_str).collect();
        if wanted.is_empty() {
            return Self(BTreeMap::new());
        }
        let mut going: BTreeSet<(&str, &str)> = BTreeSet::new();
        let mut told: BTreeMap<&str, Option<Option<&str>>> = BTreeMap::new();
        for (one, _) in found {
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
        let mut carried: BTreeMap<&str, (Few<'_>, Few<'_>)> = BTreeMap::new();
        for one in sides {
            let kind = one.resource_type.as_str();
            for known in &one.known {
                let name = known.external_id.as_deref().filter(|name| wanted.contains(name));
                let Some(name) = name else { continue };
                let (ids, kinds) = carried.entry(name).or_default();
                kinds.add(kind);
                if let Some(id) = known.id.as_deref().filter(|id| !going.contains(&(kind, *id))) {
                    ids.add(id);
                }
            }
            for known in one.desired().iter().filter(|_| found.is_empty()) {
                let name = known.external_id.as_deref();
                told.extend(name.map(|name| (name, Some(None))));
            }
        }
        let which = carried.into_iter().filter_map(|(name, (ids, kinds))| {
            let there = ids.only().map(|id| Some(id.to_owned()));
            let which = match told.get(name) {
                Some(told) if !found.is_empty() => told.map(|id| id.map(str::to_owned)),
                Some(_) => there.or(Some(None)),
                None => there,
            };
            which.filter(|_| kinds.only().is_some()).map(|which| (name.to_owned(), which))
        });
        Self(which.collect())
    }

    fn link(&self, name: &str) -> Option<Link> {
        Some(Link { external_id: name.to_owned(), id: self.0.get(name)?.clone() })
    }
}

/// Texts, as far as it matters how many different ones there are.
#[derive(Clone, Copy, Default)]
enum Few<'a> {
    #[default]
    None,
    One(&'a str),
    Several,
}

impl<'a> Few<'a> {
    fn add(&mut self, text: &'a str) {
        *self = match *self {
            Self::None => Self::One(text),
            Self::One(one) if one == text => Self::One(one),
            Self::One(_) | Self::Several => Self::Several,
        };
    }

    fn only(self) -> Option<&'a str> {
        match self {
            Self::One(one) => Some(one),
            Self::None | Self::Several => None,
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

/// What effects come to, by type and class: of each its type and class, how much it is, and what it takes along.
pub(crate) fn tallies<'e>(
    effects: impl IntoIterator<Item = (&'e str, Class, u64, u64)>,
    there: &BTreeMap<String, There>,
) -> Vec<Tally> {
    let mut tallies: BTreeMap<(&str, u8), Tally> = BTreeMap::new();
    let mut add = |kind: &'e str, class: Class, count: u64| {
        let There { resources, edges } = there.get(kind).copied().unwrap_or_default();
        let tally = tallies.entry((kind, class as u8)).or_insert_with(|| Tally {
            resource_type: kind.to_owned(),
            class,
            planned: 0,
            recent: Vec::new(),
            resources,
            edges,
            approved: 0,
        });
        tally.planned = tally.planned.saturating_add(count);
    };
    for (kind, class, count, takes) in effects {
        add(kind, class, count);
        if takes != 0 {
            add(kind, Class::Revoke, takes);
        }
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
            let kind = self.findings.get(effect.finding)?.resource_type.as_str();
            let change = &effect.change;
            Some((kind, change.class, change.count.into(), change.takes.into()))
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
        if change.takes != 0 {
            json.insert("takes", u64::from(change.takes));
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

/// A document without its secrets: where one stood there is a mark. None where it is no JSON.
pub(crate) fn without_secrets(text: &str, paths: &[replaysafe_json::Path]) -> Option<Document> {
    let mut document = parse(text.as_bytes(), &Limits::answer()).ok()?;
    let mark = || Value::Object([("$secret", Value::from(""))].into_iter().collect());
    let lifted = lift(&mut document, paths, &mut |_| mark());
    Some(if lifted == 0 { text.to_owned() } else { document.to_string() })
}
