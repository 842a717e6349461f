//! Audits of populations: what is wrong with what is there, whoever made it so (S35).
//!
//! The component says by which keys two resources may be one and to whom they refer, and what is wrong; here what shares
//! a key is put together, part by part, and who refers to whom. Nothing is changed: what mends it is a plan, which a
//! person reads and [`applier`](crate::applier) carries out.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    contract::{
        Document, EntryId, Identity, Method, Name, NameKind, Reading, Request, Scope, Settings,
        Tag,
        audit::{Finding, Flaw, Part, Reference, Referrer, Seen, Subject},
        reconciliation::{self, Change, Conclusion, Relation},
    },
    guest::{Guest, GuestError, PlanningGuest},
    keys::LedgerKey,
    ledger::Ledger,
    planner::{Found, Key, Plan, PlanError, Sets, assemble, key, portions, without_secrets},
    provisioner::{
        ProvisionError,
        operator::{self, Concern},
        secret_paths,
    },
};

/// Audits what is there.
#[derive(Clone, Debug)]
pub struct Auditor {
    /// The component that audits.
    pub planning: PlanningGuest,
    /// The component that says where secrets are.
    pub guest: Guest,
    /// Policy, schema, profile.
    pub settings: Settings,
    /// The service that what is there was read from, if it was: what mends it is for no other one.
    pub target: Option<String>,
}

/// What is there, looked at: the first half of an audit.
#[derive(Debug)]
pub struct Census {
    kinds: Vec<Kind>,
    /// How many resources were left out, as they have no id that can stand in a path.
    pub left_out: usize,
}

/// What a ledger knows of what is there, by type and id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recalled(BTreeMap<(String, String), Memory>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Memory {
    known: Vec<Identity>,
    irrevocable: Vec<EntryId>,
}

/// A reference to what was not shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    /// The type that it is said to be of; none: it may be of any.
    pub resource_type: Option<String>,
    /// The id.
    pub id: String,
}

/// What was found, and what would mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// What is wrong, by flaw, type and name.
    pub findings: Vec<Flawed>,
    /// What mends all of it that needs no person's decision. Its effects are in the order of a plan.
    pub mends: Plan,
    /// How many resources were audited, by type.
    pub audited: BTreeMap<String, usize>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flawed {
    /// The name of the resource type.
    pub resource_type: String,
    /// The ids of the resources that it is about: of duplicates the survivor first.
    pub ids: Vec<String>,
    /// What the component says of it. Its positions are those within a part, and mean nothing here.
    pub finding: Finding,
}

/// All resources of one type that have an id, each id once.
#[derive(Debug)]
struct Kind {
    resource_type: String,
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    document: Document,
    id: String,
    name: String,
    keys: Vec<Key>,
    refers: Vec<Reference>,
    open: Vec<String>,
    version: Option<String>,
    edges: u32,
}

impl Auditor {
    /// Looks at what is there: the name of each type, and its resources as the target showed them.
    ///
    /// # Errors
    ///
    /// Where the component fails, the settings break the contract, or a document cannot be read.
    pub fn look(
        &self,
        there: impl IntoIterator<Item = (String, Vec<Document>)>,
    ) -> Result<Census, PlanError> {
        let mut census = Census { kinds: Vec::new(), left_out: 0 };
        for (kind, documents) in there {
            let (kind, left_out) = self.look_at(kind, documents)?;
            census.kinds.push(kind);
            census.left_out += left_out;
        }
        census.kinds.sort_by(|one, other| one.resource_type.cmp(&other.resource_type));
        Ok(census)
    }

    /// Gives also how many have no id.
    fn look_at(
        &self,
        resource_type: String,
        documents: Vec<Document>,
    ) -> Result<(Kind, usize), PlanError> {
        let paths = secret_paths(self.guest.secret_paths(&resource_type, &self.settings)?);
        let unreadable = |number| PlanError::Unreadable {
            side: "observed",
            resource_type: resource_type.clone(),
            number,
        };
        let lifted = (1..)
            .zip(documents)
            .map(|(at, text)| without_secrets(&text, &paths).ok_or_else(|| unreadable(at)));
        let lifted: Vec<Document> = lifted.collect::<Result<_, _>>()?;
        let mut known: Vec<Known> = Vec::with_capacity(lifted.len());
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let (mut left_out, mut number) = (0, 0);
        for portion in portions(lifted, |document| document.len()) {
            let seen = self.planning.look(&resource_type, &portion, &self.settings)?;
            for (document, of) in portion.into_iter().zip(seen) {
                number += 1;
                let of = of.ok_or_else(|| unreadable(number))?;
                let Some(id) = of.id.clone() else {
                    left_out += 1;
                    continue;
                };
                // Pages that overlap show the same resource twice.
                if let Some(before) = places.get(&id).and_then(|at| known.get(*at)) {
                    if before.document != document {
                        return Err(PlanError::Twice { resource_type, number });
                    }
                    continue;
                }
                places.insert(id.clone(), known.len());
                let Seen { name, keys, refers, open, version, edges, .. } = of;
                let keys = keys.into_iter().map(key).collect();
                known.push(Known { document, id, name, keys, refers, open, version, edges });
            }
        }
        Ok((Kind { resource_type, known }, left_out))
    }

    /// Asks a ledger what it knows of what is there. `tenant` and `target` are those that the ledger was written with:
    /// see [`Options`](crate::provisioner::Options). Reads only, and may run beside whoever writes it.
    ///
    /// # Errors
    ///
    /// Where ledger or component fail.
    pub async fn recall<L: Ledger>(
        &self,
        census: &Census,
        ledger: &L,
        key: &LedgerKey,
        scope: &Scope,
        now: u64,
    ) -> Result<Recalled, ProvisionError> {
        let mut recalled = Recalled::default();
        for kind in &census.kinds {
            for known in &kind.known {
                let names = self.names(kind, known, scope)?;
                let tags: Vec<Tag> = names
                    .iter()
                    .map(|name| key.tag(&scope.tenant, "name", &name.material))
                    .collect();
                let found = ledger.find(scope, None, &Tag::new(), &tags).await?;
                if !found.holders.is_empty() {
                    let of = (kind.resource_type.clone(), known.id.clone());
                    recalled.0.entry(of).or_default().known =
                        found.holders.into_iter().map(|holder| holder.identity).collect();
                }
            }
        }
        for matter in operator::matters(&self.guest, ledger, key, now).await? {
            let is_ours = matter.tenant == scope.tenant;
            if let (Concern::Irrevocable, Some(id), true) = (&matter.concern, matter.id, is_ours) {
                let of = recalled.0.entry((matter.resource_type, id)).or_default();
                of.irrevocable.push(matter.decision);
            }
        }
        Ok(recalled)
    }

    /// What a ledger has a resource under: its id, and its external id.
    fn names(&self, kind: &Kind, known: &Known, scope: &Scope) -> Result<Vec<Name>, GuestError> {
        let by_id = Request {
            scope: scope.clone(),
            method: Method::Delete,
            resource_type: kind.resource_type.clone(),
            id: Some(known.id.clone()),
            body: None,
            key: None,
            version: None,
            if_match: None,
            received_at: 0,
            extra: Vec::new(),
        };
        let (method, body) = (Method::Create, Some(known.document.clone()));
        let by_what_it_is = Request { method, body, id: None, ..by_id.clone() };
        let mut names = Vec::new();
        for request in [by_id, by_what_it_is] {
            if let Reading::Readable(identified) = self.guest.identify(&request, &self.settings)? {
                names.extend(identified.names);
            }
        }
        names.retain(|name| matches!(name.kind, NameKind::TargetId | NameKind::ExternalId));
        Ok(names)
    }

    /// Audits. `nowhere`: what is referred to, and was looked for and not found; [`Census::unknown`] says for what one has
    /// to look. None: not everything that may refer to others was read, so nothing is known to be nowhere. `recalled`: what a
    /// ledger knows, if there is one.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the settings break the contract.
    pub fn audit(
        &self,
        census: &Census,
        nowhere: Option<&BTreeSet<Unknown>>,
        recalled: &Recalled,
    ) -> Result<Audit, PlanError> {
        let ids = census.ids();
        let referred = census.referred(&ids);
        let open = census.open(&ids);
        let mut findings = Vec::new();
        for kind in &census.kinds {
            let bytes = |of: &Vec<&Known>| of.iter().map(|known| known.document.len()).sum();
            for clusters in portions(kind.clusters(), bytes) {
                let places: Vec<&Known> = clusters.into_iter().flatten().collect();
                let memory = |known: &Known| {
                    let of = (kind.resource_type.clone(), known.id.clone());
                    recalled.0.get(&of).cloned().unwrap_or_default()
                };
                let subject = |known: &&Known| Subject {
                    known: memory(known).known,
                    irrevocable: memory(known).irrevocable,
                    document: known.document.clone(),
                    referred_by: referred
                        .get(&(kind.resource_type.as_str(), known.id.as_str()))
                        .cloned()
                        .unwrap_or_default(),
                    dangling: known
                        .refers
                        .iter()
                        .filter(|to| {
                            let unknown = || Unknown {
                                resource_type: to.resource_type.clone(),
                                id: to.id.clone(),
                            };
                            matches!(leads(to, &ids), Leads::Nowhere)
                                && nowhere.is_some_and(|nowhere| nowhere.contains(&unknown()))
                        })
                        .cloned()
                        .collect(),
                    may_be_referred: nowhere.is_none() || open.contains(known.id.as_str()),
                };
                let part = Part {
                    resource_type: kind.resource_type.clone(),
                    subjects: places.iter().map(subject).collect(),
                    settings: self.settings.clone(),
                };
                for finding in self.planning.audit(&part)? {
                    let of = |at: &u32| Some(places.get(usize::try_from(*at).ok()?)?.id.clone());
                    let ids = finding.subjects.iter().filter_map(of).collect();
                    let resource_type = kind.resource_type.clone();
                    findings.push(Flawed { resource_type, ids, finding });
                }
            }
        }
        findings.sort_by(|one, other| one.order().cmp(&other.order()));
        let audited = census.kinds.iter();
        let audited = audited.map(|kind| (kind.resource_type.clone(), kind.known.len())).collect();
        let mut mends = census.plan(&findings, self.target.clone());
        mends.guard = self.planning.guard(&mends.tallies(), 0, &self.settings)?;
        Ok(Audit { mends, findings, audited })
    }
}

impl Flawed {
    /// Flaws are declared by their weight.
    fn order(&self) -> impl Ord + '_ {
        let Finding { flaw, name, attributes, .. } = &self.finding;
        (*flaw as u8, &self.resource_type, name, &self.ids, attributes)
    }
}

impl Census {
    /// What is referred to, and nothing here is. It may be there all the same: of a type that was not read, made meanwhile,
    /// or among what was left out.
    #[must_use]
    pub fn unknown(&self) -> BTreeSet<Unknown> {
        let ids = self.ids();
        let all = self.kinds.iter().flat_map(|kind| &kind.known).flat_map(|known| &known.refers);
        let unknown = all.filter(|to| matches!(leads(to, &ids), Leads::Nowhere));
        unknown
            .map(|to| Unknown { resource_type: to.resource_type.clone(), id: to.id.clone() })
            .collect()
    }

    /// Some resource of each type: what is asked for it tells whether an answer to an id means anything.
    pub fn witnesses(&self) -> impl Iterator<Item = (&str, &str)> {
        let kinds = self.kinds.iter();
        kinds
            .filter_map(|kind| Some((kind.resource_type.as_str(), kind.known.first()?.id.as_str())))
    }

    /// The ids that stand where it cannot be told to whom they lead.
    fn open<'a>(&'a self, ids: &Ids<'a>) -> BTreeSet<&'a str> {
        let all = self.kinds.iter().flat_map(|kind| &kind.known);
        let of = |known: &'a Known| {
            let refers = known.refers.iter().filter(|to| matches!(leads(to, ids), Leads::Open));
            refers.map(|to| to.id.as_str()).chain(known.open.iter().map(String::as_str))
        };
        all.flat_map(of).collect()
    }

    /// The types that have an id.
    fn ids(&self) -> Ids<'_> {
        let mut ids = Ids { kinds: BTreeSet::new(), of: BTreeMap::new() };
        for kind in &self.kinds {
            ids.kinds.insert(&kind.resource_type);
            for known in &kind.known {
                ids.of.entry(&known.id).or_default().push(&kind.resource_type);
            }
        }
        ids
    }

    /// Who refers to what, by type and id.
    fn referred<'a>(&'a self, ids: &Ids<'a>) -> BTreeMap<(&'a str, &'a str), Vec<Referrer>> {
        let mut referred: BTreeMap<(&str, &str), Vec<Referrer>> = BTreeMap::new();
        for kind in &self.kinds {
            for known in &kind.known {
                for to in &known.refers {
                    let Leads::To(of) = leads(to, ids) else { continue };
                    referred.entry((of, &to.id)).or_default().push(Referrer {
                        resource_type: kind.resource_type.clone(),
                        id: known.id.clone(),
                        attribute: to.attribute.clone(),
                        version: known.version.clone(),
                    });
                }
            }
        }
        let key = |of: &Referrer| (of.resource_type.clone(), of.id.clone(), of.attribute.clone());
        referred.values_mut().for_each(|of| of.sort_by_key(key));
        referred
    }

    /// A plan of all that mends something: for each resource what changes it, each change once.
    fn plan(&self, findings: &[Flawed], target: Option<String>) -> Plan {
        let mut of_resource: BTreeMap<(&str, &str), Changes> = BTreeMap::new();
        for one in findings {
            for mend in &one.finding.mends {
                let Some(id) = mend.change.id.as_deref() else { continue };
                let changes = of_resource.entry((&mend.resource_type, id)).or_default();
                if changes.said.insert(mend.change.body.clone()) {
                    changes.all.push(mend.change.clone());
                }
                changes.why.insert((one.finding.flaw as u8, flaw_name(one.finding.flaw)));
            }
        }
        let mut names: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        for kind in &self.kinds {
            let of = kind.known.iter();
            let of = of.map(|known| {
                ((kind.resource_type.as_str(), known.id.as_str()), known.name.as_str())
            });
            names.extend(of);
        }
        let found = of_resource.into_iter().map(|(resource, changes)| {
            let (kind, id) = resource;
            let name = names.get(&resource).copied().unwrap_or(id);
            changes.found(kind, id, name)
        });
        let there = self.kinds.iter().map(|kind| {
            (kind.resource_type.clone(), kind.known.iter().map(|known| known.edges).collect())
        });
        assemble(found.collect(), there.collect(), target)
    }
}

/// The types that are there, and those that have an id.
struct Ids<'a> {
    kinds: BTreeSet<&'a str>,
    of: BTreeMap<&'a str, Vec<&'a str>>,
}

/// Where a reference leads.
enum Leads<'a> {
    /// To the resource of this type.
    To(&'a str),
    /// To nothing that is here.
    Nowhere,
    /// Several types have the id, and it does not say which is meant; or it names a type of which nothing is here.
    Open,
}

fn leads<'a>(to: &Reference, ids: &Ids<'a>) -> Leads<'a> {
    let having = ids.of.get(to.id.as_str()).map(Vec::as_slice).unwrap_or_default();
    let said = to.resource_type.as_deref();
    // A manager is a user (RFC 7643 section 4.3).
    let said = said.or_else(|| to.attribute.ends_with("manager").then_some("User"));
    match (said.filter(|said| ids.kinds.contains(said)), having) {
        (Some(said), having) => {
            let of = having.iter().find(|kind| **kind == said);
            of.map_or(Leads::Nowhere, |kind| Leads::To(kind))
        }
        (None, [one]) => Leads::To(one),
        (None, []) if said.is_none() => Leads::Nowhere,
        (None, _) => Leads::Open,
    }
}

/// What is to be done with one resource.
#[derive(Default)]
struct Changes {
    all: Vec<Change>,
    said: BTreeSet<Option<Document>>,
    /// The flaws that it mends, by weight.
    why: BTreeSet<(u8, &'static str)>,
}

impl Changes {
    fn found(mut self, resource_type: &str, id: &str, name: &str) -> Found {
        self.all.sort_by_key(|change| change.class as u8);
        // Once it is changed it has another version.
        self.all.iter_mut().skip(1).for_each(|change| change.if_match = None);
        let why: Vec<&str> = self.why.into_iter().map(|(_, name)| name).collect();
        let finding = reconciliation::Finding {
            relation: Relation::Confirmed,
            conclusion: Conclusion::Planned,
            name: name.to_owned(),
            desired: None,
            observed: Vec::new(),
            changes: self.all,
            detail: format!("it mends {}", why.join(", ")),
        };
        Found::mending(resource_type.to_owned(), id.to_owned(), finding)
    }
}

impl Kind {
    /// What shares a key, directly or by way of others.
    fn clusters(&self) -> Vec<Vec<&Known>> {
        let mut sets = Sets::of(self.known.len());
        let mut first: BTreeMap<Key, usize> = BTreeMap::new();
        for (position, known) in self.known.iter().enumerate() {
            for key in &known.keys {
                sets.join(position, *first.entry(*key).or_insert(position));
            }
        }
        let mut clusters: BTreeMap<usize, Vec<&Known>> = BTreeMap::new();
        for (position, known) in self.known.iter().enumerate() {
            clusters.entry(sets.root(position)).or_default().push(known);
        }
        clusters.into_values().collect()
    }
}

/// The name of a flaw in JSON.
#[must_use]
pub fn flaw_name(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::DuplicateIdentity => "duplicate-identity",
        Flaw::Resurrected => "resurrected",
        Flaw::Irrevocable => "irrevocable",
        Flaw::OrphanedPrivilege => "orphaned-privilege",
        Flaw::LiveCredential => "live-credential",
        Flaw::StackedGrant => "stacked-grant",
        Flaw::RepeatedMember => "repeated-member",
        Flaw::DanglingReference => "dangling-reference",
    }
}

/// All flaws, by weight.
pub const FLAWS: [Flaw; 8] = [
    Flaw::DuplicateIdentity,
    Flaw::Resurrected,
    Flaw::Irrevocable,
    Flaw::OrphanedPrivilege,
    Flaw::LiveCredential,
    Flaw::StackedGrant,
    Flaw::RepeatedMember,
    Flaw::DanglingReference,
];
