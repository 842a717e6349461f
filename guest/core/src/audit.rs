//! Audits: `wit/audit.wit` in Rust.
//!
//! What is wrong with what is there, and what would mend it?

mod instant;

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::cmp::Reverse;

use replaysafe_json::{Value, sort_by};

use crate::{
    case::Ground,
    form::{names, record},
    frame::frame,
    ordered::{BTreeMap, BTreeSet},
    reading::is_false,
    reconciliation::{
        Change, Class, Resource,
        change::{Pair, REFERRING, elements, removal, value_of},
    },
    spelling,
    statement::{patch_op, patch_operation},
    types::{ContractError, Document, Settings},
};
use instant::Instant;

/// A resource that another one refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The attribute that refers.
    pub attribute: String,
    /// The id that it refers to.
    pub id: String,
}

/// By what a resource may be told to be another one, and to whom it refers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name for a person, and for order.
    pub name: String,
    /// Its external id.
    pub external_id: Option<String>,
    /// The target's id.
    pub id: Option<String>,
    /// Two resources that may be one have one in common.
    pub keys: Vec<String>,
    /// To whom it refers, each once, sorted.
    pub refers: Vec<Reference>,
    /// The version that was observed, where the target is known to compare it.
    pub version: Option<String>,
}

/// A resource that refers to another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Referrer {
    /// The name of its type.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// The attribute that refers.
    pub attribute: String,
    /// Its version.
    pub version: Option<String>,
}

/// A resource that is audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// As the target showed it.
    pub document: Document,
    /// Who refers to it, of whatever type, sorted.
    pub referred_by: Vec<Referrer>,
}

/// Resources of one type, with all that shares a key with any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name of the resource type.
    pub resource_type: String,
    /// What is there.
    pub subjects: Vec<Subject>,
    /// The ids that the subjects refer to and that nobody has.
    pub nowhere: Vec<String>,
    /// Policy, schema, profile.
    pub settings: Settings,
}

/// What is wrong, in order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// Several resources are one identity.
    DuplicateIdentity,
    /// It is switched off, and has privileges.
    OrphanedPrivilege,
    /// It is switched off, and has credentials.
    LiveCredential,
    /// It has one role or entitlement several times.
    StackedGrant,
    /// It has one member several times.
    RepeatedMember,
    /// It refers to what is nowhere.
    DanglingReference,
}

/// A change that mends something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend {
    /// The type of the resource that it changes.
    pub resource_type: String,
    /// The change.
    pub change: Change,
    /// The edges that it takes or gives.
    pub edges: Vec<String>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub flaw: Flaw,
    /// The name of the resource for a person, and for order.
    pub name: String,
    /// The positions in `Part::subjects` of what it is about: of duplicates the survivor first.
    pub subjects: Vec<u32>,
    /// The attributes that show it, sorted.
    pub attributes: Vec<String>,
    /// What there is too much of, each once, sorted.
    pub values: Vec<String>,
    /// The rule.
    pub rule: String,
    /// The controls that it matters to.
    pub controls: Vec<String>,
    /// Why, and what is not mended.
    pub detail: String,
    /// What mends it, in order.
    pub mends: Vec<Mend>,
}

/// See `audit.look`.
///
/// # Errors
///
/// Where the settings cannot be read.
pub fn look(
    resource_type: &str,
    resources: &[Document],
    settings: &Settings,
) -> Result<Vec<Option<Seen>>, ContractError> {
    let ground = Ground::read(settings)?;
    let identifying = identifying(resource_type, &ground);
    let look = |document: &Document| {
        let resource = Resource::read(document, resource_type, &ground)?;
        let pair = Pair { ground: &ground, resource_type, referred: &[] };
        let named = resource.statement.names(&identifying).into_iter();
        let named = named.filter(|named| !named.coarse.is_empty());
        Some(Seen {
            keys: named
                .map(|named| frame("key", &[resource_type, &named.attribute, &named.coarse]))
                .collect(),
            refers: references(&resource.value).into_iter().collect(),
            version: pair.version(&resource.value),
            name: resource.name,
            external_id: resource.external_id,
            id: resource.id,
        })
    };
    Ok(resources.iter().map(look).collect())
}

/// See `audit.audit`.
///
/// # Errors
///
/// Where the settings cannot be read.
pub fn audit(part: &Part) -> Result<Vec<Finding>, ContractError> {
    let ground = Ground::read(&part.settings)?;
    let identifying = identifying(&part.resource_type, &ground);
    let read = |(position, subject)| Looked::read(position, subject, part, &identifying, &ground);
    let subjects: Vec<Looked<'_>> = part.subjects.iter().enumerate().filter_map(read).collect();
    let nowhere = part.nowhere.iter().map(String::as_str).collect();
    let auditor = Auditor { part, ground: &ground, nowhere };
    let mut findings = Vec::new();
    for subject in &subjects {
        findings.extend(auditor.look_at(subject).into_iter().map(|finding| (subject, finding)));
    }
    for same in duplicates(&subjects) {
        findings.push((same.survivor, auditor.duplicate(&same)));
    }
    sort_by(&mut findings, |(subject, one), (of, other)| {
        let order = |of: &Finding, subject: &Looked<'_>| {
            (of.flaw, of.name.clone(), subject.id.clone(), of.attributes.clone())
        };
        order(one, subject).cmp(&order(other, of))
    });
    Ok(findings.into_iter().map(|(_, finding)| finding).collect())
}

/// The attributes by which two resources are one: what policy correlates by, and what is unique.
fn identifying(resource_type: &str, ground: &Ground<'_>) -> Vec<String> {
    let mut named = ground.policy.correlation(resource_type).to_vec();
    named.extend(ground.profile.unique_attributes(resource_type));
    named
}

/// The references that a resource has, wherever they stand.
fn references(resource: &Value) -> BTreeSet<Reference> {
    let mut found = BTreeSet::default();
    for (name, value) in resource.as_object().into_iter().flat_map(replaysafe_json::Object::iter) {
        let refers = |name: &str| REFERRING.iter().any(|one| name.eq_ignore_ascii_case(one));
        let mut add = |attribute: &str, value: &Value| {
            found.extend(
                elements(value)
                    .into_iter()
                    .filter_map(value_of)
                    .filter(|id| !id.is_empty())
                    .map(|id| Reference { attribute: attribute.into(), id }),
            );
        };
        if refers(name) {
            add(name, value);
        } else if name.contains(':') {
            let inner = value.as_object().into_iter().flat_map(replaysafe_json::Object::iter);
            for (inner, value) in inner.filter(|(inner, _)| refers(inner)) {
                add(&[name, ":", inner].concat(), value);
            }
        }
    }
    found
}

/// A subject, read.
struct Looked<'a> {
    position: usize,
    subject: &'a Subject,
    resource: Resource,
    id: String,
    identities: BTreeSet<(String, String)>,
    off: bool,
    made: Option<Instant>,
}

impl<'a> Looked<'a> {
    fn read(
        position: usize,
        subject: &'a Subject,
        part: &Part,
        identifying: &[String],
        ground: &Ground<'_>,
    ) -> Option<Self> {
        let resource = Resource::read(&subject.document, &part.resource_type, ground)?;
        let id = resource.id.clone()?;
        let identities = resource.statement.identities(identifying);
        let off = resource.value.find("active").is_some_and(is_false);
        let made = resource.value.find("meta").and_then(|meta| meta.find("created"));
        let made = made.and_then(Value::as_str).and_then(Instant::read);
        Some(Self { position, subject, resource, id, identities, off, made })
    }

    /// The least survives (S35).
    fn rank(&self) -> (bool, bool, bool, Option<Instant>, Reverse<usize>, &str) {
        let external_id = self.resource.external_id.as_deref().unwrap_or_default();
        let references = Reverse(self.subject.referred_by.len());
        (external_id.is_empty(), self.off, self.made.is_none(), self.made, references, &self.id)
    }

    /// By what it survives, beside who comes next.
    fn survives(&self, next: &Self) -> &'static str {
        let (one, other) = (self.rank(), next.rank());
        if one.0 != other.0 {
            "it carries an external id, and the others none"
        } else if one.1 != other.1 {
            "it is switched on"
        } else if (one.2, one.3) != (other.2, other.3) {
            "it was made first"
        } else if one.4 != other.4 {
            "most others refer to it"
        } else {
            "nothing but its id tells it from the next"
        }
    }
}

/// Several resources that are one identity.
struct Duplicates<'s, 'a> {
    survivor: &'s Looked<'a>,
    /// In the order in which they would survive.
    others: Vec<&'s Looked<'a>>,
    /// The attributes of which several have one value.
    shared: BTreeSet<&'s str>,
}

/// What is one identity, directly or by way of others.
fn duplicates<'s, 'a>(subjects: &'s [Looked<'a>]) -> Vec<Duplicates<'s, 'a>> {
    let mut above: Vec<usize> = (0..subjects.len()).collect();
    let mut first: BTreeMap<&(String, String), usize> = BTreeMap::new();
    let mut shared: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for (at, subject) in subjects.iter().enumerate() {
        for identity in &subject.identities {
            let other = *first.entry(identity).or_insert_with(|| at);
            if other != at {
                shared.entry(other).or_default().insert(&identity.0);
                let (root, other) = (root(&mut above, at), root(&mut above, other));
                if let Some(above) = above.get_mut(root.max(other)) {
                    *above = root.min(other);
                }
            }
        }
    }
    let mut groups: BTreeMap<usize, (Vec<&Looked<'a>>, BTreeSet<&str>)> = BTreeMap::new();
    for (at, subject) in subjects.iter().enumerate() {
        let (members, names) = groups.entry(root(&mut above, at)).or_default();
        members.push(subject);
        names.extend(shared.get(&at).into_iter().flatten().copied());
    }
    let duplicates = groups.into_values().filter_map(|(mut same, shared)| {
        sort_by(&mut same, |one, other| one.rank().cmp(&other.rank()));
        let (survivor, others) = same.split_first()?;
        let others = others.to_vec();
        (!others.is_empty()).then_some(Duplicates { survivor, others, shared })
    });
    duplicates.collect()
}

/// The first of the group that a position is in.
fn root(above: &mut [usize], mut at: usize) -> usize {
    while let Some(next) = above.get(at).copied().filter(|next| *next != at) {
        // Halves the way for who comes next.
        let after = above.get(next).copied().unwrap_or(next);
        if let Some(slot) = above.get_mut(at) {
            *slot = after;
        }
        at = after;
    }
    at
}

struct Auditor<'a> {
    part: &'a Part,
    ground: &'a Ground<'a>,
    nowhere: BTreeSet<&'a str>,
}

impl Auditor<'_> {
    /// What is wrong with one resource, whoever else is there.
    fn look_at(&self, subject: &Looked<'_>) -> Vec<Finding> {
        let mut findings = self.dangling(subject);
        findings.extend(self.repeated(subject, MEMBERS, Flaw::RepeatedMember));
        for attribute in GRANTS {
            findings.extend(self.repeated(subject, attribute, Flaw::StackedGrant));
        }
        if subject.off {
            findings.extend(self.orphaned(subject));
            findings.extend(self.live_credential(subject));
        }
        findings
    }

    fn finding(&self, flaw: Flaw, subject: &Looked<'_>, detail: &str) -> Finding {
        let (rule, controls) = concerns(flaw);
        Finding {
            flaw,
            name: subject.resource.name.clone(),
            subjects: Vec::from([number(subject.position)]),
            attributes: Vec::new(),
            values: Vec::new(),
            rule: rule.into(),
            controls: controls.iter().copied().map(String::from).collect(),
            detail: detail.into(),
            mends: Vec::new(),
        }
    }

    /// One member or grant several times: each is taken away, and given again once.
    fn repeated(&self, subject: &Looked<'_>, attribute: &str, flaw: Flaw) -> Option<Finding> {
        let list = elements(subject.resource.value.find(attribute)?);
        let mut by_value: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for element in list {
            if let Some(value) = value_of(element) {
                by_value.entry(value).or_default().push(element);
            }
        }
        let path = self.spelled(attribute);
        let mut finding = self.finding(flaw, subject, "each is taken away, and given again once");
        for (value, elements) in &by_value {
            let kept = apart(elements, attribute);
            if kept.len() == elements.len() {
                continue;
            }
            finding.values.push(value.clone());
            finding.mends.push(self.take(subject, &path, &[value.as_str()]));
            let kept = kept.into_iter().map(without_ref).collect();
            finding.mends.push(give(&self.referrer(subject, &path), value, kept));
        }
        finding.attributes.push(path);
        (!finding.values.is_empty()).then_some(finding)
    }

    /// References to what is nowhere.
    fn dangling(&self, subject: &Looked<'_>) -> Vec<Finding> {
        let mut by_attribute: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for reference in references(&subject.resource.value) {
            if self.nowhere.contains(reference.id.as_str()) {
                by_attribute.entry(reference.attribute).or_default().push(reference.id);
            }
        }
        let told = by_attribute.into_iter().map(|(attribute, ids)| {
            let detail = "nothing that is there has this id";
            let mut finding = self.finding(Flaw::DanglingReference, subject, detail);
            finding.mends.push(if attribute.eq_ignore_ascii_case(MEMBERS) {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                self.take(subject, &attribute, &ids)
            } else {
                self.update(subject, patch_operation("remove", &attribute, None), &attribute)
            });
            finding.attributes.push(attribute);
            finding.values = ids;
            finding
        });
        told.collect()
    }

    /// What somebody holds who is switched off.
    fn orphaned(&self, subject: &Looked<'_>) -> Vec<Finding> {
        let told = self.held(subject).into_iter().map(|(attribute, values, mends)| {
            let detail = "it is switched off, and would have this as soon as it is switched on";
            let finding = self.finding(Flaw::OrphanedPrivilege, subject, detail);
            Finding { attributes: Vec::from([attribute]), values, mends, ..finding }
        });
        told.collect()
    }

    /// Roles, entitlements and memberships: the attribute, the values or the groups' ids, and what takes them away.
    fn held(&self, subject: &Looked<'_>) -> Vec<(String, Vec<String>, Vec<Mend>)> {
        let mut held = Vec::new();
        for attribute in GRANTS {
            let list = subject.resource.value.find(attribute).map(elements).unwrap_or_default();
            let values: BTreeSet<String> = list.into_iter().filter_map(value_of).collect();
            if !values.is_empty() {
                let path = self.spelled(attribute);
                let values: Vec<String> = values.into_iter().collect();
                let all: Vec<&str> = values.iter().map(String::as_str).collect();
                let mends = Vec::from([self.take(subject, &path, &all)]);
                held.push((path, values, mends));
            }
        }
        let groups: BTreeMap<&str, &Referrer> =
            memberships(subject).map(|referrer| (referrer.id.as_str(), referrer)).collect();
        if !groups.is_empty() {
            let mends = groups.values().map(|referrer| take_from(referrer, &subject.id)).collect();
            held.push((MEMBERS.into(), groups.keys().map(|id| (*id).into()).collect(), mends));
        }
        held
    }

    /// Credentials of somebody who is switched off.
    fn live_credential(&self, subject: &Looked<'_>) -> Vec<Finding> {
        let has = |name: &&str| {
            subject.resource.value.find(name).is_some_and(|value| !spelling::unassigned(value))
        };
        let told = CREDENTIALS.into_iter().filter(has).map(|name| {
            let path = self.spelled(name);
            let detail = "it is switched off; what accepts the credential by itself may not know";
            let mut finding = self.finding(Flaw::LiveCredential, subject, detail);
            let remove = patch_operation("remove", &path, None);
            finding.mends.push(self.update(subject, remove, &path));
            finding.attributes.push(path);
            finding
        });
        told.collect()
    }

    /// Several resources that are one identity: who refers to the others refers to the survivor instead, and the others are switched off.
    fn duplicate(&self, same: &Duplicates<'_, '_>) -> Finding {
        let Duplicates { survivor, others, shared } = same;
        let all = [*survivor].into_iter().chain(others.iter().copied());
        let next = others.first().map(|next| survivor.survives(next)).unwrap_or_default();
        let finding = self.finding(Flaw::DuplicateIdentity, survivor, "");
        let mut finding = Finding {
            subjects: all.clone().map(|one| number(one.position)).collect(),
            attributes: shared.iter().copied().map(String::from).collect(),
            values: others.iter().map(|one| one.id.clone()).collect(),
            ..finding
        };
        sort_by(&mut finding.values, Ord::cmp);
        let named = all.filter_map(|one| one.resource.external_id.as_deref());
        let named: BTreeSet<&str> = named.filter(|name| !name.is_empty()).collect();
        let by_name = !shared.contains(&"externalId");
        finding.detail = if 1 < named.len() {
            "they carry different external ids: a person decides which is which (S16)".into()
        } else if by_name && !self.ground.policy.links_by_name(&self.part.resource_type) {
            "of this type none is known by a name (S17): a person decides whether they are one"
                .into()
        } else if !self.pair().can_be_off() {
            "what is of this type cannot be switched off: a person merges them".into()
        } else {
            let active = || others.iter().filter(|other| !other.off);
            let mut referred = BTreeSet::default();
            for other in active() {
                self.merge(survivor, other, &mut referred, &mut finding.mends);
            }
            let lost = active().any(|other| has_grants(&other.resource.value));
            let lost = if lost {
                "; roles and entitlements are taken from the others, and not given to it"
            } else {
                ""
            };
            format!("the first survives: {next} (S35){lost}")
        };
        finding
    }

    /// Puts the survivor in the place of another one, and switches that off.
    fn merge<'s>(
        &self,
        survivor: &Looked<'s>,
        other: &Looked<'s>,
        referred: &mut BTreeSet<(&'s str, &'s str, &'s str)>,
        mends: &mut Vec<Mend>,
    ) {
        let key =
            |of: &'s Referrer| (of.resource_type.as_str(), of.id.as_str(), of.attribute.as_str());
        referred.extend(survivor.subject.referred_by.iter().map(key));
        for referrer in &other.subject.referred_by {
            if is_member(referrer) {
                mends.push(take_from(referrer, &other.id));
            }
            let itself = [&survivor.id, &other.id].contains(&&referrer.id);
            if !survivor.off && !itself && referred.insert(key(referrer)) {
                mends.push(refer(referrer, &survivor.id));
            }
        }
        let held = self.held(other).into_iter().filter(|(attribute, ..)| attribute != MEMBERS);
        mends.extend(held.flat_map(|(.., mends)| mends));
        mends.extend(self.live_credential(other).into_iter().flat_map(|finding| finding.mends));
        mends.extend(self.pair().disabling(&other.resource.value, &other.id).map(|change| Mend {
            resource_type: self.part.resource_type.clone(),
            change,
            edges: Vec::new(),
        }));
    }

    fn take(&self, subject: &Looked<'_>, path: &str, values: &[&str]) -> Mend {
        take(&self.referrer(subject, path), values)
    }

    fn update(&self, subject: &Looked<'_>, operation: Value, path: &str) -> Mend {
        mend(&self.referrer(subject, path), Class::Update, Vec::from([operation]), &[])
    }

    /// A subject as who refers to others.
    fn referrer(&self, subject: &Looked<'_>, path: &str) -> Referrer {
        Referrer {
            resource_type: self.part.resource_type.clone(),
            id: subject.id.clone(),
            attribute: path.into(),
            version: self.pair().version(&subject.resource.value),
        }
    }

    fn pair(&self) -> Pair<'_> {
        let resource_type = &self.part.resource_type;
        Pair { ground: self.ground, resource_type, referred: &[] }
    }

    fn spelled(&self, attribute: &str) -> String {
        self.ground.schema.spelled(&self.part.resource_type, None, attribute)
    }
}

/// The groups that a subject is a member of.
fn memberships<'s>(subject: &Looked<'s>) -> impl Iterator<Item = &'s Referrer> {
    subject.subject.referred_by.iter().filter(|referrer| is_member(referrer))
}

fn is_member(referrer: &Referrer) -> bool {
    referrer.attribute.eq_ignore_ascii_case(MEMBERS)
}

fn has_grants(resource: &Value) -> bool {
    GRANTS.iter().any(|name| resource.find(name).is_some_and(|value| !spelling::unassigned(value)))
}

/// Of the elements of one value those that differ (S27): members not at all, grants by their types, where both have one.
fn apart<'v>(elements: &[&'v Value], attribute: &str) -> Vec<&'v Value> {
    let kind = |element: &Value| {
        let kind = element.find("type").and_then(Value::as_str).filter(|_| attribute != MEMBERS);
        kind.map(str::to_ascii_lowercase)
    };
    let mut kept: BTreeMap<Option<String>, &Value> = BTreeMap::new();
    for element in elements {
        kept.entry(kind(element)).or_insert_with(|| element);
    }
    if 1 < kept.len() {
        kept.remove(&None);
    }
    kept.into_values().collect()
}

/// An element as it is stated: where its value is, the target says (RFC 7643 §2.4).
fn without_ref(element: &Value) -> Value {
    let mut element = element.clone();
    if let Some(element) = element.as_object_mut() {
        element.remove("$ref");
    }
    element
}

fn take(from: &Referrer, values: &[&str]) -> Mend {
    let operations = values.iter().map(|value| removal(&from.attribute, value)).collect();
    mend(from, Class::Revoke, operations, values)
}

fn take_from(referrer: &Referrer, id: &str) -> Mend {
    take(referrer, &[id])
}

/// Gives elements of one value.
fn give(to: &Referrer, value: &str, elements: Vec<Value>) -> Mend {
    let add = patch_operation("add", &to.attribute, Some(Value::Array(elements)));
    mend(to, Class::Grant, Vec::from([add]), &[value])
}

/// Makes a resource refer to another one.
fn refer(referrer: &Referrer, id: &str) -> Mend {
    let reference = Value::Object([("value", Value::from(id))].into_iter().collect());
    if is_member(referrer) {
        return give(referrer, id, Vec::from([reference]));
    }
    let replace = patch_operation("replace", &referrer.attribute, Some(reference));
    mend(referrer, Class::Update, Vec::from([replace]), &[])
}

fn mend(of: &Referrer, class: Class, operations: Vec<Value>, values: &[&str]) -> Mend {
    let path = of.attribute.to_ascii_lowercase();
    let edge = |value: &&str| frame("edge", &[&of.resource_type, &of.id, &path, value]);
    Mend {
        resource_type: of.resource_type.clone(),
        change: Change {
            class,
            id: Some(of.id.clone()),
            body: Some(patch_op(operations).to_string()),
            if_match: of.version.clone(),
            needs: Vec::new(),
            attributes: Vec::from([of.attribute.clone()]),
        },
        edges: values.iter().map(edge).collect(),
    }
}

/// The rule that a flaw breaks, and the controls that it matters to (S39).
fn concerns(flaw: Flaw) -> (&'static str, &'static [&'static str]) {
    match flaw {
        Flaw::DuplicateIdentity => ("S35", &["PR.AA-01", "AC-2", "IA-4"]),
        Flaw::OrphanedPrivilege => ("S22", &["NHI1:2025", "PR.AA-05", "AC-2(3)", "AC-6", "PS-4"]),
        Flaw::LiveCredential => ("S30", &["NHI1:2025", "PR.AA-01", "AC-2(3)", "IA-5", "PS-4"]),
        Flaw::StackedGrant => ("S28", &["NHI5:2025", "PR.AA-05", "AC-6", "AC-6(7)"]),
        Flaw::RepeatedMember => ("S27", &["PR.AA-05", "AC-2"]),
        Flaw::DanglingReference => ("S14", &["NHI1:2025", "PR.AA-05", "AC-2", "PS-4"]),
    }
}

fn number(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

const MEMBERS: &str = "members";

/// The attributes that hold grants.
const GRANTS: [&str; 2] = ["roles", "entitlements"];

/// The attributes that hold credentials which are shown: a user's certificates (RFC 7643 §4.1.2), and what services call
/// those of accounts that are no person's.
const CREDENTIALS: [&str; 5] =
    ["x509Certificates", "credentials", "apiKeys", "clientSecrets", "certificates"];

record!(Reference { attribute, id });
record!(Seen { name, external_id, id, keys, refers: Empty, version });
record!(Referrer { resource_type, id, attribute, version });
record!(Subject { document, referred_by: Empty });
record!(Part { resource_type, subjects, nowhere: Empty, settings });
names!(Flaw {
    DuplicateIdentity,
    OrphanedPrivilege,
    LiveCredential,
    StackedGrant,
    RepeatedMember,
    DanglingReference,
});
record!(Mend { resource_type, change, edges: Empty });
record!(Finding {
    flaw,
    name,
    subjects,
    attributes: Empty,
    values: Empty,
    rule,
    controls: Empty,
    detail,
    mends: Empty
});
