//! Populations: `wit/reconciliation.wit` in Rust.
//!
//! Which resource is which is told here; what leads from one to the other, in `change`.

pub(crate) mod change;
mod guard;

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use replaysafe_json::{Value, sort_by};

use crate::{
    case::{Ground, id_of, read_resource},
    form::{names, record},
    frame::frame,
    ordered::{BTreeMap, BTreeSet},
    path::{self, PatchPath},
    policy::{Adopt, Returns, SourceMissing},
    statement::{Match, NamedKind, Operation, Statement},
    types::{ContractError, Document, Settings},
};
use change::Pair;
pub use guard::{Excess, Past, Tally, guard};

/// By what a resource may be found, and on what it depends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trait {
    /// Its name for a person, and for order.
    pub name: String,
    /// Its external id.
    pub external_id: Option<String>,
    /// The target's id.
    pub id: Option<String>,
    /// Two resources that may be the same have one in common.
    pub keys: Vec<String>,
    /// The external ids that it refers to, each once.
    pub refers: Vec<String>,
    /// How many members, roles and entitlements it has.
    pub edges: u32,
}

/// Which resource of the target an external id stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The source's name for it.
    pub external_id: String,
    /// The target's id; none where it is desired and not there yet.
    pub id: Option<String>,
}

/// Resources of one type, with all that shares a key with any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name of the resource type.
    pub resource_type: String,
    /// What should be.
    pub desired: Vec<Document>,
    /// What is there.
    pub observed: Vec<Document>,
    /// What a ledger knows of these resources.
    pub links: Vec<Link>,
    /// What is known of the external ids that `desired` refers to.
    pub referred: Vec<Link>,
    /// The whole of the source was read, and it is not empty.
    pub complete: bool,
    /// Policy, schema, profile.
    pub settings: Settings,
}

/// How a desired and an observed resource stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// One is the other.
    Confirmed,
    /// One correlates with the other.
    Found,
    /// What it correlates with carries another external id.
    FoundAlreadyLinked,
    /// Nothing there is it.
    Absent,
    /// Several may be it.
    Ambiguous,
    /// A link leads to a resource that is not there.
    Missing,
    /// It is there, and the source has nothing to do with it.
    Unassigned,
    /// It is there, the source's, and not desired.
    SourceMissing,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Several may be meant.
    Ambiguous,
    /// A rule stands against what is to be done.
    Blocked,
    /// There is something to do.
    Planned,
    /// It is as it should be.
    Unchanged,
    /// It is not desired, and stays.
    Kept,
}

/// What an effect does, in the order of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Takes edges away.
    Revoke,
    /// Switches a resource off.
    Disable,
    /// Makes a resource.
    Create,
    /// Writes the external id on what was found.
    Adopt,
    /// Changes attributes.
    Update,
    /// Adds edges.
    Grant,
    /// Deletes a resource.
    Delete,
}

/// One request of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it does.
    pub class: Class,
    /// The target's id; none for a create, and for what follows on one.
    pub id: Option<String>,
    /// The resource or the `PatchOp`.
    pub body: Option<Document>,
    /// The version that was observed, where it may be a precondition.
    pub if_match: Option<String>,
    /// The external ids of resources that have to be there first.
    pub needs: Vec<String>,
    /// The attributes that it changes.
    pub attributes: Vec<String>,
    /// How much it is to the guard.
    pub count: u32,
    /// How many members, roles and entitlements go with what it deletes.
    pub takes: u32,
}

/// What was found of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How they stand to each other.
    pub relation: Relation,
    /// What follows.
    pub conclusion: Conclusion,
    /// Its name for a person, and for order.
    pub name: String,
    /// Its position in `Part::desired`.
    pub desired: Option<u32>,
    /// The positions in `Part::observed` of what it is, or may be.
    pub observed: Vec<u32>,
    /// What leads to what should be, in order.
    pub changes: Vec<Change>,
    /// The rule, or why.
    pub detail: String,
}

/// See `reconciliation.survey`.
///
/// # Errors
///
/// Where the settings cannot be read.
pub fn survey(
    resource_type: &str,
    resources: &[Document],
    settings: &Settings,
) -> Result<Vec<Option<Trait>>, ContractError> {
    let ground = Ground::read(settings)?;
    let holding = holding(resource_type, &ground);
    let look = |document: &Document| {
        let resource = Resource::named(document, resource_type, &holding, &ground)?;
        Some(Trait {
            name: resource.name,
            external_id: resource.external_id,
            id: resource.id,
            keys: resource.keys,
            refers: change::all_references(&resource.value).into_iter().collect(),
            edges: change::edges(&resource.value, resource_type),
        })
    };
    Ok(resources.iter().map(look).collect())
}

/// See `reconciliation.plan`.
///
/// # Errors
///
/// Where the settings cannot be read.
pub fn plan(part: &Part) -> Result<Vec<Finding>, ContractError> {
    let ground = Ground::read(&part.settings)?;
    let holding = holding(&part.resource_type, &ground);
    let read = |documents: &[Document]| -> Vec<Option<Resource>> {
        let read =
            |document: &Document| Resource::named(document, &part.resource_type, &holding, &ground);
        documents.iter().map(read).collect()
    };
    let (desired, observed) = (read(&part.desired), read(&part.observed));
    let mut referred: Vec<&Link> = part.referred.iter().collect();
    sort_by(&mut referred, |one, other| one.external_id.cmp(&other.external_id));
    let (desired, observed, referred) = (&desired, &observed, &referred);
    let plan = Plan { part, ground: &ground, desired, observed, referred };
    Ok(plan.findings())
}

/// A resource, read.
pub(crate) struct Resource {
    pub(crate) value: Value,
    pub(crate) statement: Statement,
    pub(crate) name: String,
    pub(crate) external_id: Option<String>,
    pub(crate) id: Option<String>,
    keys: Vec<String>,
}

impl Resource {
    pub(crate) fn read(document: &str, resource_type: &str, ground: &Ground<'_>) -> Option<Self> {
        let value = read_resource(document)?;
        let statement = stated(&value, resource_type, ground)?;
        Some(Self::of(value, statement, resource_type, ground))
    }

    /// The same, but that its statement has what may name it, which these attributes hold, and little else: nobody is known by the rest, and it is most of a resource.
    fn named(
        document: &str,
        resource_type: &str,
        holding: &[String],
        ground: &Ground<'_>,
    ) -> Option<Self> {
        let value = read_resource(document)?;
        let may_name = |name: &str| {
            name.contains(':') || holding.iter().any(|holding| holding.eq_ignore_ascii_case(name))
        };
        let members = value.as_object()?.iter().filter(|(name, _)| may_name(name));
        let naming = members.map(|(name, value)| (name, value.clone())).collect();
        let statement = stated(&Value::Object(naming), resource_type, ground)?;
        Some(Self::of(value, statement, resource_type, ground))
    }

    fn of(value: Value, statement: Statement, resource_type: &str, ground: &Ground<'_>) -> Self {
        let id = id_of(&value);
        let names = statement.names(ground.policy.correlation(resource_type));
        let of_kind = |kind| names.iter().find(|named| named.kind == kind);
        let external_id = of_kind(NamedKind::ExternalId).map(|named| named.exact.clone());
        let correlated = of_kind(NamedKind::Correlation).map(|named| named.exact.clone());
        let name = external_id.clone().or(correlated).or(id.clone()).unwrap_or_default();
        let key = |label: &str, value: &str| frame("key", &[resource_type, label, value]);
        let keys = names.iter().map(|named| key(&named.attribute, &named.coarse));
        let keys = keys.chain(id.as_deref().map(|id| key("id", id))).collect();
        Self { value, statement, name, external_id, id, keys }
    }
}

fn stated(value: &Value, resource_type: &str, ground: &Ground<'_>) -> Option<Statement> {
    let create = Operation::Create;
    Statement::read(create, resource_type, None, Some(value), None, &ground.schema).ok()
}

/// The attributes that may name a resource; one in an extension has a colon in its name.
fn holding(resource_type: &str, ground: &Ground<'_>) -> Vec<String> {
    let correlation = ground.policy.correlation(resource_type).iter();
    let named =
        correlation.filter_map(|text| match path::read(text, resource_type, &ground.schema) {
            PatchPath::Place(place) => Some(place.name),
            PatchPath::Opaque => None,
        });
    ["externalId", "userName"].map(String::from).into_iter().chain(named).collect()
}

struct Plan<'a> {
    part: &'a Part,
    ground: &'a Ground<'a>,
    desired: &'a [Option<Resource>],
    observed: &'a [Option<Resource>],
    /// By external id, in order.
    referred: &'a [&'a Link],
}

/// What a desired resource may be, by position in what is observed.
#[derive(Default)]
struct Candidates {
    /// By a link, by the target's id, or by the external id.
    own: Vec<usize>,
    by_correlation: Vec<usize>,
    /// It has the same value of this attribute, and another external id.
    of_others: Vec<(usize, String)>,
    /// A link leads to what is not there.
    missing: bool,
}

impl Candidates {
    /// What it is, if it is one; several are ambiguous.
    fn meant(&self) -> &[usize] {
        if self.own.is_empty() { &self.by_correlation } else { &self.own }
    }
}

impl Plan<'_> {
    fn findings(&self) -> Vec<Finding> {
        let (index, twins) = (index(self.observed), index(self.desired));
        let links = self.part.links.iter();
        let links: BTreeMap<&str, Option<&str>> =
            links.map(|link| (link.external_id.as_str(), link.id.as_deref())).collect();
        let candidates = self.desired.iter().map(|desired| {
            let desired = desired.as_ref();
            desired.map_or_else(Candidates::default, |one| self.candidates(one, &index, &links))
        });
        let candidates: Vec<Candidates> = candidates.collect();
        // Who is meant by whom: what two mean is nobody's.
        let mut meant: BTreeMap<usize, usize> = BTreeMap::new();
        for candidates in &candidates {
            for position in candidates.meant() {
                *meant.entry(*position).or_default() += 1;
            }
        }
        let mut findings = Vec::new();
        for (position, candidates) in candidates.iter().enumerate() {
            if let Some(desired) = self.desired.get(position).and_then(Option::as_ref) {
                let twin = self.twin(position, desired, &twins);
                let mut finding = self.of_desired(desired, candidates, &meant, twin);
                finding.desired = u32::try_from(position).ok();
                findings.push(finding);
            }
        }
        let linked: BTreeSet<&str> = links.values().filter_map(|id| *id).collect();
        let named = self.desired.iter().flatten().filter_map(|one| one.external_id.as_deref());
        let named: BTreeSet<&str> = named.collect();
        for (position, observed) in self.observed.iter().enumerate() {
            if let Some(observed) = observed.as_ref().filter(|_| !meant.contains_key(&position)) {
                let mut finding = self.of_observed(observed, &linked, &named);
                finding.observed = positions(&[position]);
                findings.push(finding);
            }
        }
        findings
    }

    /// Whether another desired resource may be the same, or is to have a value that the target keeps unique (S16).
    fn twin(
        &self,
        position: usize,
        desired: &Resource,
        index: &BTreeMap<&str, Vec<usize>>,
    ) -> Option<Twin> {
        let correlation = self.ground.policy.correlation(&self.part.resource_type);
        let others = beside(desired, index).into_iter().filter(|other| *other != position);
        let mut rival = None;
        for other in others.filter_map(|other| self.desired.get(other)?.as_ref()) {
            if desired.id.is_some() && desired.id == other.id {
                return Some(Twin::Same);
            }
            if !self.concerns(desired, other) {
                continue;
            }
            match desired.statement.matches(&other.value, correlation) {
                Match::ExternalId | Match::Correlation(_) => return Some(Twin::Same),
                Match::OtherExternalId(attribute) if self.is_unique(&attribute) => {
                    rival = Some(Twin::Rival(attribute));
                }
                Match::OtherExternalId(_) | Match::No => {}
            }
        }
        rival
    }

    /// Whether a resource has anything to do with another one beside it: two with external ids of their own do not, but for a value that is unique.
    fn concerns(&self, one: &Resource, other: &Resource) -> bool {
        let apart = one.external_id.is_some()
            && other.external_id.is_some()
            && one.external_id != other.external_id;
        !apart || self.ground.profile.knows_unique(&self.part.resource_type)
    }

    fn is_unique(&self, attribute: &str) -> bool {
        self.ground.profile.unique(&self.part.resource_type, attribute)
    }

    fn candidates(
        &self,
        desired: &Resource,
        index: &BTreeMap<&str, Vec<usize>>,
        links: &BTreeMap<&str, Option<&str>>,
    ) -> Candidates {
        let mut found = Candidates::default();
        let by_id = |id: &str| {
            let key = frame("key", &[&self.part.resource_type, "id", id]);
            index.get(key.as_str()).cloned().unwrap_or_default()
        };
        let linked = desired.external_id.as_deref().and_then(|name| links.get(name).copied());
        let named = |position: &usize| {
            let other = self.at(*position).and_then(|one| one.external_id.as_ref());
            desired.external_id.is_some() && other == desired.external_id.as_ref()
        };
        if let Some(id) = linked.flatten().or(desired.id.as_deref()) {
            found.own = by_id(id);
            found.missing = found.own.is_empty();
        }
        // A link prevails over what is carried; an id and an external id that lead to two leave it open (S16).
        if linked.flatten().is_none() || found.missing {
            let others = beside(desired, index).into_iter().filter(named);
            found.own.extend(
                others.filter(|position| !found.own.contains(position)).collect::<Vec<_>>(),
            );
        }
        if !found.own.is_empty() {
            found.missing = false;
            found.of_others = self.holders(desired, &found.own, index);
            return found;
        }
        let correlation = self.ground.policy.correlation(&self.part.resource_type);
        for position in beside(desired, index) {
            // Where so many may be it nobody needs to know which of them are not.
            if CANDIDATES_MOST <= found.by_correlation.len() {
                found.by_correlation.push(position);
                continue;
            }
            let Some(observed) = self.at(position) else { continue };
            if !self.concerns(desired, observed) {
                continue;
            }
            match desired.statement.matches(&observed.value, correlation) {
                Match::ExternalId => found.own.push(position),
                Match::Correlation(_) => found.by_correlation.push(position),
                Match::OtherExternalId(attribute) => found.of_others.push((position, attribute)),
                Match::No => {}
            }
        }
        found
    }

    /// Who else has a value that a desired resource is to have.
    fn holders(
        &self,
        desired: &Resource,
        own: &[usize],
        index: &BTreeMap<&str, Vec<usize>>,
    ) -> Vec<(usize, String)> {
        let correlation = self.ground.policy.correlation(&self.part.resource_type);
        if !self.ground.profile.knows_unique(&self.part.resource_type) {
            return Vec::new();
        }
        let others = beside(desired, index).into_iter().filter(|position| !own.contains(position));
        let held = others.filter_map(|position| {
            match desired.statement.matches(&self.at(position)?.value, correlation) {
                Match::OtherExternalId(attribute) | Match::Correlation(attribute) => {
                    Some((position, attribute))
                }
                Match::ExternalId | Match::No => None,
            }
        });
        held.collect()
    }

    fn at(&self, position: usize) -> Option<&Resource> {
        self.observed.get(position)?.as_ref()
    }

    fn of_desired(
        &self,
        desired: &Resource,
        candidates: &Candidates,
        meant: &BTreeMap<usize, usize>,
        twin: Option<Twin>,
    ) -> Finding {
        let finding = |relation, conclusion, detail: &str| Finding {
            relation,
            conclusion,
            name: desired.name.clone(),
            desired: None,
            observed: positions(candidates.meant()),
            changes: Vec::new(),
            detail: detail.to_owned(),
        };
        let blocked = |relation, detail: &str| finding(relation, Conclusion::Blocked, detail);
        match twin {
            Some(Twin::Same) => {
                let detail = "several desired resources may be one (S16): state it once, or each with an external id of its own";
                return finding(Relation::Ambiguous, Conclusion::Ambiguous, detail);
            }
            Some(Twin::Rival(attribute)) => {
                let detail =
                    format!("`{attribute}` is unique, and several desired resources have it (S16)");
                return blocked(Relation::Ambiguous, &detail);
            }
            None => {}
        }
        let position = match candidates.meant() {
            [] => return self.of_absent(desired, candidates, &finding),
            [one] => *one,
            _ => {
                let detail = "several resources may be it (S16): merge them";
                return finding(Relation::Ambiguous, Conclusion::Ambiguous, detail);
            }
        };
        if meant.get(&position).is_some_and(|count| 1 < *count) {
            let detail = "several desired resources mean this one (S16): state one of them only, or an id or external id each";
            return finding(Relation::Ambiguous, Conclusion::Ambiguous, detail);
        }
        let confirmed = !candidates.own.is_empty();
        let relation = if confirmed { Relation::Confirmed } else { Relation::Found };
        let Some((observed, id)) = self.at(position).and_then(|one| Some((one, one.id.as_ref()?)))
        else {
            return blocked(relation, "it has no id that can stand in a path");
        };
        let held = self.held(candidates);
        let (changes, unknown) =
            self.pair().changes(&desired.value, &observed.value, id, !confirmed, held.as_deref());
        if !confirmed
            && !changes.is_empty()
            && let Some(detail) = self.stands_against(&changes)
        {
            return blocked(relation, detail);
        }
        // What a rule stands against is left as it is, and nothing else: it keeps nobody's access (S14c).
        let detail = match held {
            Some(attribute) => {
                Some(format!("`{attribute}` is another resource's, and unique (S16)"))
            }
            None => refers_nowhere(&unknown),
        };
        if let Some(detail) = detail {
            return Finding { changes, ..blocked(relation, &detail) };
        }
        let secret = if self.pair().leaves_secret(&desired.value) { SECRET } else { "" };
        if changes.is_empty() {
            return finding(relation, Conclusion::Unchanged, secret);
        }
        Finding { changes, ..finding(relation, Conclusion::Planned, secret) }
    }

    fn pair(&self) -> Pair<'_> {
        Pair {
            ground: self.ground,
            resource_type: &self.part.resource_type,
            referred: self.referred,
        }
    }

    /// Why what was found by what it is called is not taken, or is not changed (S17, S18).
    fn stands_against(&self, changes: &[Change]) -> Option<&'static str> {
        let policy = &self.ground.policy;
        if !policy.links_by_name(&self.part.resource_type) {
            return Some(
                "of this type none is known by a name (S17): state the id or external id that it has",
            );
        }
        let only_adopted = changes.iter().all(|change| change.class == Class::Adopt);
        match policy.adopt {
            Adopt::Matching => None,
            Adopt::Equal if only_adopted => None,
            Adopt::Equal => {
                Some("it differs, and only an equal one is taken (S18, policy `adopt`)")
            }
            Adopt::Never => Some("it is not the source's yet (S18, policy `adopt`)"),
        }
    }

    /// A value that another resource holds which the target keeps unique (S16).
    fn held(&self, candidates: &Candidates) -> Option<String> {
        let unique = |(_, attribute): &&(usize, String)| self.is_unique(attribute);
        candidates.of_others.iter().find(unique).map(|(_, attribute)| attribute.clone())
    }

    fn of_absent(
        &self,
        desired: &Resource,
        candidates: &Candidates,
        finding: &dyn Fn(Relation, Conclusion, &str) -> Finding,
    ) -> Finding {
        let relation = if candidates.missing { Relation::Missing } else { Relation::Absent };
        let blocked = |relation, detail: &str| finding(relation, Conclusion::Blocked, detail);
        if let Some(attribute) = self.held(candidates) {
            let of_others = candidates.of_others.iter().map(|(position, _)| *position);
            let detail = format!(
                "`{attribute}` is unique, and what has it carries another external id (S16)"
            );
            let observed = positions(&of_others.collect::<Vec<_>>());
            return Finding { observed, ..blocked(Relation::FoundAlreadyLinked, &detail) };
        }
        if desired.keys.is_empty() {
            return blocked(
                relation,
                "nothing identifies it (S2): give it an external id, or name what it correlates by (policy `correlation`)",
            );
        }
        if candidates.missing {
            if desired.external_id.is_none() {
                return blocked(relation, "there is no resource with this id");
            }
            if self.ground.policy.returns != Returns::Allow {
                return blocked(
                    relation,
                    "it was there and is not any more (S21, policy `returns`)",
                );
            }
        }
        let (changes, unknown) =
            self.pair().creation(&desired.value, desired.external_id.as_deref());
        if let Some(detail) = refers_nowhere(&unknown) {
            return Finding { changes, ..blocked(relation, &detail) };
        }
        let detail = if self.pair().leaves_secret(&desired.value) { SECRET } else { "" };
        Finding { changes, ..finding(relation, Conclusion::Planned, detail) }
    }

    fn of_observed(
        &self,
        observed: &Resource,
        linked: &BTreeSet<&str>,
        named: &BTreeSet<&str>,
    ) -> Finding {
        let ours = observed.external_id.is_some()
            || observed.id.as_deref().is_some_and(|id| linked.contains(id));
        let finding = |conclusion, detail: &str| Finding {
            relation: if ours { Relation::SourceMissing } else { Relation::Unassigned },
            conclusion,
            name: observed.name.clone(),
            desired: None,
            observed: Vec::new(),
            changes: Vec::new(),
            detail: detail.to_owned(),
        };
        // It is desired under this name, and another one is it: a duplicate, which no plan merges (S35).
        if observed.external_id.as_deref().is_some_and(|name| named.contains(name)) {
            return finding(
                Conclusion::Kept,
                "another resource is the desired one with its external id (S35)",
            );
        }
        let choice = self.ground.policy.source_missing;
        let Some(id) = observed.id.as_deref().filter(|_| ours && choice != SourceMissing::Keep)
        else {
            return finding(Conclusion::Kept, "");
        };
        if !self.part.complete {
            return finding(
                Conclusion::Blocked,
                "that the source does not have it proves nothing: it was not read as a whole, has none of the type, or has what nothing identifies (S32)",
            );
        }
        let pair = self.pair();
        let change = match choice {
            SourceMissing::Keep => None,
            SourceMissing::Disable if !pair.can_be_off() => {
                return finding(
                    Conclusion::Blocked,
                    "what is of this type cannot be switched off: it has no `active`",
                );
            }
            SourceMissing::Disable => pair.disabling(&observed.value, id),
            SourceMissing::Delete => pair.deletion(&observed.value, id),
        };
        match change {
            Some(change) => {
                let changes = Vec::from([change]);
                let detail = "the source does not have it any more (S32, policy `source-missing`)";
                Finding { changes, ..finding(Conclusion::Planned, detail) }
            }
            None => finding(Conclusion::Unchanged, ""),
        }
    }
}

/// Another desired resource that stands against one.
enum Twin {
    /// It may be the same.
    Same,
    /// It is to have the same value of this attribute, which is unique.
    Rival(String),
}

/// Positions by key.
fn index(side: &[Option<Resource>]) -> BTreeMap<&str, Vec<usize>> {
    let mut index: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, resource) in side.iter().enumerate() {
        for key in resource.iter().flat_map(|resource| &resource.keys) {
            index.entry(key).or_default().push(position);
        }
    }
    index
}

/// The positions of what shares a key with a resource, ascending.
fn beside(desired: &Resource, index: &BTreeMap<&str, Vec<usize>>) -> Vec<usize> {
    let keys = desired.keys.iter().filter_map(|key| index.get(key.as_str()));
    let positions: BTreeSet<usize> = keys.flatten().copied().collect();
    positions.into_iter().collect()
}

fn positions(of: &[usize]) -> Vec<u32> {
    of.iter().filter_map(|position| u32::try_from(*position).ok()).collect()
}

/// Why attributes are left as they are.
fn refers_nowhere(unknown: &BTreeSet<String>) -> Option<String> {
    let names: Vec<&str> = unknown.iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| {
        let names = names.join(", ");
        format!("left as it is, as it refers to what is neither there nor to be: {names}")
    })
}

/// 20: as many as a person looks through.
const CANDIDATES_MOST: usize = 20;

const SECRET: &str = "it states a secret, which no plan holds (S3a): set it by a request";

record!(Trait { name, external_id, id, keys, refers, edges });
record!(Link { external_id, id });
record!(Part {
    resource_type,
    desired,
    observed,
    links: Empty,
    referred: Empty,
    complete,
    settings
});
names!(Relation {
    Confirmed,
    Found,
    FoundAlreadyLinked,
    Absent,
    Ambiguous,
    Missing,
    Unassigned,
    SourceMissing,
});
names!(Conclusion { Ambiguous, Blocked, Planned, Unchanged, Kept });
names!(Class { Revoke, Disable, Create, Adopt, Update, Grant, Delete });
record!(Change { class, id, body, if_match, needs: Empty, attributes: Empty, count, takes });
record!(Finding { relation, conclusion, name, desired, observed: Empty, changes: Empty, detail });

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// Wherever a name may stand, in whatever spelling, what is read for names only has the names of the whole.
    #[test]
    fn a_resource_is_known_by_what_may_name_it() {
        let correlation = r#"{"correlation":{"User":["emails.value","name.familyName",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber","urn:acme:2.0:X:badge","nickName"],
            "Group":["displayName"]}}"#;
        let documents = [
            r#"{"id":"1","EXTERNALID":"e","USERNAME":"Ann","title":"t","nickName":"A","displayName":"D"}"#,
            r#"{"urn:ietf:params:scim:schemas:core:2.0:User":{"externalId":"e","userName":"ann"}}"#,
            r#"{"urn:ietf:params:scim:schemas:core:2.0:User:userName":"ann","urn:scim:schemas:core:1.0":{"externalId":"e"}}"#,
            r#"{"emails":[{"value":"a@x"},{"value":"B@x"}],"name":{"familyName":"Lee"},"userName":["x","y"]}"#,
            r#"{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"7"},"urn:acme:2.0:X":{"badge":"B1"}}"#,
            r#"{"userName":null,"externalId":7,"displayName":"","id":""}"#,
        ];
        let mut named = 0;
        for policy in ["{}", correlation] {
            let settings = Settings { policy: policy.into(), schema: "{}".into(), profile: vec![] };
            let ground = Ground::read(&settings).unwrap();
            for resource_type in ["User", "Group"] {
                let holding = holding(resource_type, &ground);
                for document in documents {
                    let known = |of: Resource| (of.name, of.external_id, of.id, of.keys);
                    let whole = Resource::read(document, resource_type, &ground).map(known);
                    let names = Resource::named(document, resource_type, &holding, &ground);
                    named += whole.iter().map(|(.., keys)| keys.len()).sum::<usize>();
                    assert_eq!(names.map(known), whole, "{document} {policy}");
                }
            }
        }
        assert!(10 < named, "the cases have names");
    }
}
