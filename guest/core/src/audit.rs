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

use replaysafe_json::{Object, Value, sort_by};

use crate::{
    case::Ground,
    form::{names, record},
    frame::frame,
    ordered::{BTreeMap, BTreeSet},
    reading::is_false,
    reconciliation::{
        Change, Class, Resource,
        change::{Pair, REFERRING, edges, elements, removal, value_of},
    },
    spelling,
    state::{Life, Memory, read_state},
    statement::{patch_op, patch_operation},
    types::{ContractError, Document, Identity, Settings},
};
use instant::Instant;

/// A resource that another one refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The attribute that refers.
    pub attribute: String,
    /// The id that it refers to.
    pub id: String,
    /// The type of the resource that it refers to, where that is told.
    pub resource_type: Option<String>,
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
    /// The ids that stand there and of which it cannot be told to whom they lead, each once, sorted.
    pub open: Vec<String>,
    /// The version that was observed, where the target is known to compare it.
    pub version: Option<String>,
    /// How many members, roles and entitlements it has.
    pub edges: u32,
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
    /// Of what it refers to what leads nowhere.
    pub dangling: Vec<Reference>,
    /// Others may refer to it of which that is not known.
    pub may_be_referred: bool,
    /// What a ledger has under its id and its external id.
    pub known: Vec<Identity>,
    /// The decisions of revocations on it that the target does not carry out.
    pub irrevocable: Vec<String>,
}

/// Resources of one type, with all that shares a key with any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name of the resource type.
    pub resource_type: String,
    /// What is there.
    pub subjects: Vec<Subject>,
    /// Policy, schema, profile.
    pub settings: Settings,
}

/// What is wrong, in order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// Several resources are one identity.
    DuplicateIdentity,
    /// It was deleted through us, and is there.
    Resurrected,
    /// Access that was to be taken away is not.
    Irrevocable,
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
        let (refers, open) = references(&resource.value, &ground);
        Some(Seen {
            refers,
            open: open.into_iter().collect(),
            keys: named
                .map(|named| frame("key", &[resource_type, &named.attribute, &named.coarse]))
                .collect(),
            version: pair.version(&resource.value),
            edges: edges(&resource.value, resource_type),
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
    let mut subjects = Vec::new();
    for (position, subject) in part.subjects.iter().enumerate() {
        subjects.extend(Looked::read(position, subject, part, &identifying, &ground)?);
    }
    let auditor = Auditor { part, ground: &ground };
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

/// The references that a resource has, wherever they stand, and the ids that lead to nobody can tell whom.
fn references(resource: &Value, ground: &Ground<'_>) -> (Vec<Reference>, BTreeSet<String>) {
    let mut by_id: BTreeMap<(String, String), BTreeSet<Option<String>>> = BTreeMap::new();
    let mut open = BTreeSet::default();
    let mut add = |attribute: &str, value: &Value| {
        // A manager is one (RFC 7643 §4.3): of several nobody can say which is meant.
        let single = !attribute.ends_with(MEMBERS) && matches!(value, Value::Array(_));
        for edge in elements(value) {
            let Some(id) = value_of(edge).filter(|id| !id.is_empty()) else { continue };
            match kind_of(edge, &id, ground).filter(|_| !single) {
                Some(kind) => {
                    by_id.entry((attribute.into(), id)).or_default().insert(kind);
                }
                None => {
                    open.insert(id);
                }
            }
        }
    };
    let referring = |name: &str| REFERRING.into_iter().find(|one| name.eq_ignore_ascii_case(one));
    for (name, value) in resource.as_object().into_iter().flat_map(Object::iter) {
        if let Some(attribute) = referring(name) {
            add(attribute, value);
        } else if name.contains(':') {
            for (inner, value) in value.as_object().into_iter().flat_map(Object::iter) {
                if let Some(attribute) = referring(inner) {
                    add(&[name, ":", attribute].concat(), value);
                }
            }
        }
    }
    let mut refers = Vec::new();
    for ((attribute, id), kinds) in &by_id {
        // An id under several types is told apart by no filter; one that stands there without a type, too, may be of any.
        let resource_type = kinds.iter().next().cloned().flatten();
        if kinds.iter().flatten().count() < 2 {
            refers.push(Reference { attribute: attribute.clone(), id: id.clone(), resource_type });
        } else {
            open.insert(id.clone());
        }
    }
    (refers, open)
}

/// The type that an edge says it leads to, which may be none; nothing where its `$ref` leads to another id.
fn kind_of(edge: &Value, id: &str, ground: &Ground<'_>) -> Option<Option<String>> {
    let text = |name| edge.find(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let endpoints = ground.schema.endpoints();
    let mut kind = text("type").map(String::from);
    if let Some(place) = text("$ref") {
        let (before, last) = place.trim_end_matches('/').rsplit_once('/').unwrap_or(("", place));
        if last != id && !last.contains('%') {
            return None;
        }
        let path = before.rsplit('/').next().unwrap_or_default();
        let at = endpoints.iter().find(|(_, endpoint)| endpoint.eq_ignore_ascii_case(path));
        // `type` may tell something else of a member: how it became one.
        let known =
            |kind: &String| endpoints.iter().any(|(known, _)| known.eq_ignore_ascii_case(kind));
        kind = kind.filter(known).or(at.map(|(kind, _)| kind.clone()));
    }
    // The type as it is spelled elsewhere.
    Some(kind.map(|kind| {
        let known = endpoints.iter().find(|(known, _)| known.eq_ignore_ascii_case(&kind));
        known.map_or(kind, |(known, _)| known.clone())
    }))
}

/// A subject, read.
struct Looked<'a> {
    position: usize,
    subject: &'a Subject,
    resource: Resource,
    id: String,
    identities: BTreeSet<(String, String)>,
    off: bool,
    /// A ledger has it as the resource of an identity that lives.
    linked: bool,
    /// A ledger has it as deleted.
    deleted: bool,
    made: Option<Instant>,
}

impl<'a> Looked<'a> {
    fn read(
        position: usize,
        subject: &'a Subject,
        part: &Part,
        identifying: &[String],
        ground: &Ground<'_>,
    ) -> Result<Option<Self>, ContractError> {
        let resource = Resource::read(&subject.document, &part.resource_type, ground);
        let Some((id, resource)) = resource.and_then(|one| Some((one.id.clone()?, one))) else {
            return Ok(None);
        };
        let mut known: Vec<Memory> = Vec::new();
        for identity in &subject.known {
            known.push(read_state(&identity.state)?);
        }
        let is = |memory: &Memory| memory.target_id.as_ref() == Some(&id);
        let linked = known.iter().any(|memory| memory.life == Life::Live && is(memory));
        // Who was made one with another has nothing to say any more.
        let gone = |memory: &Memory| memory.life == Life::Deleted && memory.became.is_none();
        let deleted = !linked && known.iter().any(gone);
        let identities = resource.statement.identities(identifying);
        let off = resource.value.find("active").is_some_and(is_false);
        let made = resource.value.find("meta").and_then(|meta| meta.find("created"));
        let made = made.and_then(Value::as_str).and_then(Instant::read);
        Ok(Some(Self { position, subject, resource, id, identities, off, linked, deleted, made }))
    }

    /// White space is none.
    fn external_id(&self) -> Option<&str> {
        self.resource.external_id.as_deref().filter(|text| !text.trim().is_empty())
    }

    /// The least survives (S35).
    fn rank(&self) -> (bool, bool, bool, bool, Option<Instant>, Reverse<usize>, &str) {
        let references = Reverse(self.subject.referred_by.len());
        (
            !self.linked,
            self.external_id().is_none(),
            self.off,
            self.made.is_none(),
            self.made,
            references,
            &self.id,
        )
    }

    /// By what it survives, beside who comes next.
    fn survives(&self, next: &Self) -> &'static str {
        let (one, other) = (self.rank(), next.rank());
        if one.0 != other.0 {
            "the ledger has it as the resource of its identity, and none of the others"
        } else if one.1 != other.1 {
            "it carries an external id, and the others none"
        } else if one.2 != other.2 {
            "it is switched on"
        } else if one.3 != other.3 {
            "it says when it was made, and the next does not"
        } else if one.4 != other.4 {
            "it was made first"
        } else if one.5 != other.5 {
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

impl<'a> Duplicates<'_, 'a> {
    /// All of them, the survivor first.
    fn iter(&self) -> impl Iterator<Item = &Looked<'a>> {
        [self.survivor].into_iter().chain(self.others.iter().copied())
    }
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
}

impl Auditor<'_> {
    /// What is wrong with one resource, whoever else is there.
    fn look_at(&self, subject: &Looked<'_>) -> Vec<Finding> {
        let mut findings = self.dangling(subject);
        findings.extend(self.repeated(subject, MEMBERS, Flaw::RepeatedMember));
        for attribute in GRANTS {
            findings.extend(self.repeated(subject, attribute, Flaw::StackedGrant));
        }
        // What a target only switches off is deleted when it is off (S11).
        if subject.deleted && !subject.off {
            let detail = "it was deleted through this ledger and is there: somebody has made it again, or the target has not kept the deletion; a person decides";
            findings.push(self.finding(Flaw::Resurrected, subject, detail));
        }
        if !subject.subject.irrevocable.is_empty() {
            let detail = "the target has accepted a revocation and not carried it out; `values` has the decisions";
            let finding = self.finding(Flaw::Irrevocable, subject, detail);
            findings.push(Finding { values: subject.subject.irrevocable.clone(), ..finding });
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

    /// One member or grant several times.
    fn repeated(&self, subject: &Looked<'_>, attribute: &str, flaw: Flaw) -> Option<Finding> {
        let list = elements(subject.resource.value.find(attribute)?);
        let mut by_value: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for element in list {
            if let Some(value) = value_of(element).filter(|value| !value.is_empty()) {
                by_value.entry(value).or_default().push(element);
            }
        }
        let detail = "it is one to whoever reads the list as a set, and no request makes it one without taking it away first";
        let mut finding = self.finding(flaw, subject, detail);
        let repeated = by_value.iter().filter(|(_, elements)| is_repeated(elements));
        finding.values = repeated.map(|(value, _)| value.clone()).collect();
        finding.attributes.push(self.spelled(attribute));
        (!finding.values.is_empty()).then_some(finding)
    }

    /// References to what is nowhere.
    fn dangling(&self, subject: &Looked<'_>) -> Vec<Finding> {
        let mut by_attribute: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for reference in &subject.subject.dangling {
            let of = by_attribute.entry(reference.attribute.clone()).or_default();
            of.insert(reference.id.clone());
        }
        let told = by_attribute.into_iter().map(|(attribute, ids)| {
            let detail = "nothing that is there has this id";
            let mut finding = self.finding(Flaw::DanglingReference, subject, detail);
            finding.values = ids.into_iter().collect();
            if attribute.ends_with(MEMBERS) {
                for some in finding.values.chunks(REMOVALS_MOST) {
                    let removals = some.iter().map(|id| removal(&attribute, id)).collect();
                    let own = self.own(subject, Class::Revoke, removals, &attribute, some.len());
                    finding.mends.push(own);
                }
            } else {
                let remove = Vec::from([patch_operation("remove", &attribute, None)]);
                finding.mends.push(self.own(subject, Class::Update, remove, &attribute, 1));
            }
            finding.attributes.push(attribute);
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
            let list = subject.resource.value.find(attribute);
            if let Some(list) = list.filter(|list| !spelling::unassigned(list)) {
                let values: BTreeSet<String> =
                    elements(list).into_iter().filter_map(value_of).collect();
                let path = self.spelled(attribute);
                let remove = Vec::from([patch_operation("remove", &path, None)]);
                let count = elements(list).len();
                let mends = Vec::from([self.own(subject, Class::Revoke, remove, &path, count)]);
                held.push((path, values.into_iter().collect(), mends));
            }
        }
        // Groups of two types may have one id, and one group two lists.
        let groups: BTreeSet<&Referrer> = memberships(subject).collect();
        if !groups.is_empty() {
            let values: BTreeSet<&String> = groups.iter().map(|referrer| &referrer.id).collect();
            let values = values.into_iter().cloned().collect();
            let taken = groups.iter().map(|referrer| take_from(referrer, &subject.id));
            held.push((MEMBERS.into(), values, taken.collect()));
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
            let remove = Vec::from([patch_operation("remove", &path, None)]);
            finding.mends.push(self.own(subject, Class::Update, remove, &path, 1));
            finding.attributes.push(path);
            finding
        });
        told.collect()
    }

    /// Several resources that are one identity: who refers to the others comes to refer to the survivor; then they lose what they have, and are switched off.
    fn duplicate(&self, same: &Duplicates<'_, '_>) -> Finding {
        let Duplicates { survivor, others, shared } = same;
        let finding = self.finding(Flaw::DuplicateIdentity, survivor, "");
        let mut finding = Finding {
            subjects: same.iter().map(|one| number(one.position)).collect(),
            attributes: shared.iter().copied().map(String::from).collect(),
            values: others.iter().map(|one| one.id.clone()).collect(),
            ..finding
        };
        sort_by(&mut finding.values, Ord::cmp);
        if let Some(why) = self.stands_against(same) {
            finding.detail = why.into();
            return finding;
        }
        let next = others.first().map(|next| survivor.survives(next)).unwrap_or_default();
        finding.detail = format!("the first survives: {next} (S35)");
        let active = || others.iter().filter(|other| !other.off);
        let ids: BTreeSet<&str> = same.iter().map(|one| one.id.as_str()).collect();
        let mut referred = BTreeSet::default();
        referred.extend(survivor.subject.referred_by.iter().map(edge));
        for referrer in active().flat_map(|other| &other.subject.referred_by) {
            let of_kind = referrer.resource_type == self.part.resource_type;
            let itself = of_kind && ids.contains(referrer.id.as_str());
            if !itself && referred.insert(edge(referrer)) {
                finding.mends.push(refer(referrer, &survivor.id));
            }
        }
        if !finding.mends.is_empty() {
            finding.detail.push_str(
                "; once it is seen to be where the others are, the next audit takes them away",
            );
            return finding;
        }
        for other in active() {
            self.retire(other, &mut finding.mends);
        }
        if active().any(|other| has_grants(&other.resource.value)) {
            let lost = "; roles and entitlements of the others are taken away, and not given to it";
            finding.detail.push_str(lost);
        }
        finding
    }

    /// Why a person has to say what is to be done.
    fn stands_against(&self, same: &Duplicates<'_, '_>) -> Option<&'static str> {
        let Duplicates { survivor, others, .. } = same;
        let named: BTreeSet<&str> = same.iter().filter_map(Looked::external_id).collect();
        if 1 < named.len() {
            return Some(
                "they carry different external ids: a person decides which is which (S16)",
            );
        }
        if !self.pair().can_be_off() {
            return Some("what is of this type cannot be switched off: a person merges them");
        }
        if survivor.off && others.iter().any(|other| !other.off) {
            return Some("who would survive is switched off, and another is not: a person decides");
        }
        if same.iter().any(|one| one.subject.may_be_referred) {
            return Some("others may refer to them of which that is not known: a person decides");
        }
        // What a service only declares to be unique is not, where two have it.
        let kind = &self.part.resource_type;
        let by_name = self.ground.policy.links_by_name(kind);
        let correlation: &[String] =
            if by_name { self.ground.policy.correlation(kind) } else { &[] };
        let of = |one: &Looked<'_>| {
            let mut identities = one.resource.statement.identities(correlation);
            identities.retain(|(attribute, _)| by_name || attribute == "externalId");
            identities
        };
        let own = of(survivor);
        let apart = others.iter().any(|other| of(other).is_disjoint(&own));
        apart.then_some("not all of them have an external id, or a name that they correlate by (S17), in common with who would survive: a person decides whether they are one")
    }

    /// Takes away all that somebody has, and switches them off.
    fn retire(&self, other: &Looked<'_>, mends: &mut Vec<Mend>) {
        mends.extend(self.held(other).into_iter().flat_map(|(.., mends)| mends));
        mends.extend(self.live_credential(other).into_iter().flat_map(|finding| finding.mends));
        mends.extend(
            self.pair()
                .disabling(&other.resource.value, &other.id)
                .map(|change| Mend { resource_type: self.part.resource_type.clone(), change }),
        );
    }

    /// A change of a subject itself, which is so much to the guard.
    fn own(
        &self,
        subject: &Looked<'_>,
        class: Class,
        operations: Vec<Value>,
        path: &str,
        count: usize,
    ) -> Mend {
        let of = Referrer {
            resource_type: self.part.resource_type.clone(),
            id: subject.id.clone(),
            attribute: path.into(),
            version: self.pair().version(&subject.resource.value),
        };
        mend(&of, class, operations, count)
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
    referrer.attribute.ends_with(MEMBERS)
}

fn has_grants(resource: &Value) -> bool {
    GRANTS.iter().any(|name| resource.find(name).is_some_and(|value| !spelling::unassigned(value)))
}

/// Whether one of the elements of one value is another one again (S27): members, and grants that do not both have types that differ.
fn is_repeated(elements: &[&Value]) -> bool {
    let kinds = || {
        elements
            .iter()
            .map(|element| element.find("type").filter(|kind| !spelling::unassigned(kind)))
    };
    let text =
        |kind: &Value| kind.as_str().map_or_else(|| kind.to_string(), str::to_ascii_lowercase);
    let apart: BTreeSet<String> = kinds().flatten().map(text).collect();
    apart.len().max(1) < elements.len()
}

fn edge(of: &Referrer) -> (&str, &str, &str) {
    (&of.resource_type, &of.id, &of.attribute)
}

/// Takes a member away.
fn take_from(referrer: &Referrer, id: &str) -> Mend {
    mend(referrer, Class::Revoke, Vec::from([removal(&referrer.attribute, id)]), 1)
}

/// Makes a resource refer to another one.
fn refer(referrer: &Referrer, id: &str) -> Mend {
    let reference = Value::Object([("value", Value::from(id))].into_iter().collect());
    let path = &referrer.attribute;
    if is_member(referrer) {
        let add = patch_operation("add", path, Some(Value::Array(Vec::from([reference]))));
        return mend(referrer, Class::Grant, Vec::from([add]), 1);
    }
    let replace = patch_operation("replace", path, Some(reference));
    mend(referrer, Class::Update, Vec::from([replace]), 1)
}

fn mend(of: &Referrer, class: Class, operations: Vec<Value>, count: usize) -> Mend {
    Mend {
        resource_type: of.resource_type.clone(),
        change: Change {
            class,
            id: Some(of.id.clone()),
            body: Some(patch_op(operations).to_string()),
            if_match: of.version.clone(),
            needs: Vec::new(),
            attributes: Vec::from([of.attribute.clone()]),
            count: number(count),
            takes: 0,
        },
    }
}

/// The rule that a flaw breaks, and the controls that it matters to (S39).
fn concerns(flaw: Flaw) -> (&'static str, &'static [&'static str]) {
    match flaw {
        Flaw::DuplicateIdentity => ("S35", &["PR.AA-01", "AC-2", "IA-4"]),
        Flaw::Resurrected => ("S21", &["NHI1:2025", "PR.AA-01", "AC-2(3)", "PS-4"]),
        Flaw::Irrevocable => ("S29", &["NHI1:2025", "PR.AA-05", "AC-2(3)", "AC-6", "PS-4"]),
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

/// Behind a URN, too.
const MEMBERS: &str = "members";

/// 100: as many changes as AWS takes in one PATCH.
const REMOVALS_MOST: usize = 100;

/// The attributes that hold grants.
const GRANTS: [&str; 2] = ["roles", "entitlements"];

/// The attributes that hold credentials which are shown: a user's certificates (RFC 7643 §4.1.2), and what services call
/// those of accounts that are no person's.
const CREDENTIALS: [&str; 5] =
    ["x509Certificates", "credentials", "apiKeys", "clientSecrets", "certificates"];

record!(Reference { attribute, id, resource_type });
record!(Seen { name, external_id, id, keys, refers: Empty, open: Empty, version, edges });
record!(Referrer { resource_type, id, attribute, version });
record!(Subject {
    document,
    referred_by: Empty,
    dangling: Empty,
    may_be_referred,
    known: Empty,
    irrevocable: Empty
});
record!(Part { resource_type, subjects, settings });
names!(Flaw {
    DuplicateIdentity,
    Resurrected,
    Irrevocable,
    OrphanedPrivilege,
    LiveCredential,
    StackedGrant,
    RepeatedMember,
    DanglingReference,
});
record!(Mend { resource_type, change });
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
