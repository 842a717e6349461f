//! What is to be done: a plan, read from what [`Plan::effect`] gives, and not believed.

use std::collections::BTreeMap;

use replaysafe_json::{JsonError, Limits, Number, Object, Value, parse};

use crate::{
    contract::{
        Document, Method,
        reconciliation::{Class, Tally},
    },
    planner::{self, Plan, There},
};

/// The effects of a plan, in its order, with what the request of each needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agenda {
    digest: String,
    at: Option<u64>,
    target: Option<String>,
    there: BTreeMap<String, There>,
    items: Vec<Item>,
}

/// One request of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it does.
    pub class: Class,
    /// The name of the resource type.
    pub resource_type: String,
    /// The external id of the resource, if it has one.
    pub external_id: Option<String>,
    /// The target's id; none for a create, and for what follows on one.
    pub id: Option<String>,
    /// The version that was observed when the plan was made.
    pub if_match: Option<String>,
    /// How much it is to the guard: one resource, or as many members, roles and entitlements as it gives or takes.
    pub count: u64,
    /// How many members, roles and entitlements go with what it deletes.
    pub takes: u64,
    /// The body, in which `externalId:` stands before the names of resources that the plan makes; none for a deletion.
    pub body: Option<Document>,
    /// The items that come first: positions, each before its own.
    pub depends_on: Vec<usize>,
    /// The position of the create that makes its resource; none where `id` says which it is.
    pub follows: Option<usize>,
}

/// Why something is no plan that can be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoPlan {
    /// It is no JSON, or larger than a plan may be
    #[error("no plan: {0}")]
    Json(#[from] JsonError),
    /// It is something else
    #[error(
        "no plan: it has no `{0}` of a plan; give what `replaysafe plan` has written with `--format json` or `--format ndjson`"
    )]
    Missing(&'static str),
    /// There are more effects than a plan may have
    #[error("a plan of {count} effects; carry out {EFFECTS_MOST} at most at once")]
    TooMany {
        /// How many it has
        count: usize,
    },
    /// It is spread over lines, and one is none of a plan
    #[error(
        "line {number} of the plan is no effect and no finding: it was changed since it was made, or cut; make it again"
    )]
    Line {
        /// Its number, from 1
        number: usize,
    },
    /// It is spread over lines, and there are not as many as it says
    #[error(
        "the plan has not as many effects and findings as it says: it was changed since it was made, or cut; make it again"
    )]
    Lines,
    /// It was changed since it was made
    #[error(
        "the effects are not those that the digest of the plan is of: it was changed since it was made, or cut; make it again"
    )]
    Digest,
    /// An effect cannot be carried out: whoever made the plan does not make plans as we do
    #[error("effect {number} {why}; make the plan again")]
    Effect {
        /// Its number, from 1
        number: usize,
        /// What is wrong with it
        why: &'static str,
    },
}

impl Agenda {
    /// What a plan says is to be done. `at` is when it was made, in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// Where the plan is larger than a plan may be.
    pub fn of(plan: &Plan, at: u64) -> Result<Self, NoPlan> {
        Self::new(plan.digest.clone(), Some(at), plan.digested())
    }

    /// Reads the JSON of a plan, with members `digest` and `effects`, and, if it has them, `there`, `target`, and `at`: when it was made.
    ///
    /// It may be spread over lines (NDJSON), where `type` says what each has: `plan`, the first one, with the numbers of effects and findings in their place, then `effect` and `finding`.
    ///
    /// # Errors
    ///
    /// What is no plan, was changed since it was made, or is larger than a plan may be.
    pub fn read(text: &[u8]) -> Result<Self, NoPlan> {
        let mut plan = whole(text)?;
        let digest = plan.find("digest").and_then(Value::as_str);
        let digest = digest.ok_or(NoPlan::Missing("digest"))?.to_owned();
        let at = plan.find("at").map(|at| at.as_number().and_then(Number::as_u64));
        let at = at.map(|at| at.ok_or(NoPlan::Missing("at"))).transpose()?;
        let mut take = |name| Some((name, plan.find_mut(name)?.take()));
        let digested = ["effects", "target", "there"].into_iter().filter_map(&mut take);
        Self::new(digest, at, digested.collect())
    }

    fn new(digest: String, at: Option<u64>, digested: Object) -> Result<Self, NoPlan> {
        let digested = Value::Object(digested);
        let effects = digested.find("effects").and_then(Value::as_array);
        let list = effects.ok_or(NoPlan::Missing("effects"))?;
        if EFFECTS_MOST < list.len() {
            return Err(NoPlan::TooMany { count: list.len() });
        }
        if planner::digest(&digested) != digest {
            return Err(NoPlan::Digest);
        }
        let mut items: Vec<Item> = Vec::with_capacity(list.len());
        for effect in list {
            let number = items.len() + 1;
            let item = item(effect, &items).map_err(|why| NoPlan::Effect { number, why })?;
            items.push(item);
        }
        let target = digested.find("target").and_then(Value::as_str).map(str::to_owned);
        let there = digested.find("there").and_then(Value::as_object);
        let there = there.into_iter().flat_map(Object::iter);
        let there = there.map(|(kind, there)| (kind.to_owned(), how_much(there))).collect();
        Ok(Self { digest, at, target, there, items })
    }

    /// The digest of the plan.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// When the plan was made, in milliseconds since 1970, if it says so.
    #[must_use]
    pub fn at(&self) -> Option<u64> {
        self.at
    }

    /// The service that it is for, if it was made of one.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// How much it does, by type and class (S33).
    #[must_use]
    pub fn tallies(&self) -> Vec<Tally> {
        let items = self.items.iter();
        let effects =
            items.map(|item| (item.resource_type.as_str(), item.class, item.count, item.takes));
        planner::tallies(effects, &self.there)
    }

    /// What is to be done, in order.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The idempotency key of an item: the same whenever this plan is carried out, and no other plan's.
    ///
    /// An equal plan that was made at another time is another wish: what was done once may have been undone since.
    #[must_use]
    pub fn key(&self, position: usize) -> String {
        let at = self.at.unwrap_or_default();
        format!("plan-{}-{at}-{}", self.digest, position + 1)
    }
}

impl Item {
    /// What its request does.
    #[must_use]
    pub fn method(&self) -> Method {
        match self.class {
            Class::Create => Method::Create,
            Class::Delete => Method::Delete,
            Class::Revoke | Class::Disable | Class::Adopt | Class::Update | Class::Grant => {
                Method::Patch
            }
        }
    }

    /// It takes access away and can be taken back: nothing that fails stands in its way.
    #[must_use]
    pub fn takes_away(&self) -> bool {
        matches!(self.class, Class::Revoke | Class::Disable)
    }
}

/// A plan as one document, whether it is spread over lines or not.
fn whole(text: &[u8]) -> Result<Value, NoPlan> {
    if PLAN_BYTES_MOST < text.len() {
        return Err(JsonError::TooLarge { limit: PLAN_BYTES_MOST }.into());
    }
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    match parse(first, &limits(LEVELS)) {
        Ok(plan) if has_type(&plan, "plan") => joined(plan, rest),
        // Written without a break, it has been read.
        Ok(plan) if rest.trim_ascii().is_empty() => Ok(plan),
        Ok(_) | Err(_) => Ok(parse(text, &limits(LEVELS))?),
    }
}

/// Puts a plan together from its first line and what follows on it.
fn joined(mut plan: Value, rest: &[u8]) -> Result<Value, NoPlan> {
    let (mut effects, mut findings) = (Vec::new(), 0);
    let lines = (1..).zip(rest.split(|byte| *byte == b'\n'));
    for (number, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let mut one = parse(line, &limits(LINE_LEVELS)).map_err(|_cut| NoPlan::Line { number })?;
        if has_type(&one, "finding") {
            findings += 1;
            continue;
        }
        if !has_type(&one, "effect") {
            return Err(NoPlan::Line { number });
        }
        if EFFECTS_MOST <= effects.len() {
            return Err(NoPlan::TooMany { count: effects.len() + 1 });
        }
        // The digest is of the effect alone.
        one.as_object_mut().and_then(|effect| effect.remove("type"));
        effects.push(one);
    }
    let has = |name, count| {
        plan.find(name).and_then(Value::as_number).and_then(Number::as_u64)
            == u64::try_from(count).ok()
    };
    if !has("effects", effects.len()) || !has("findings", findings) {
        return Err(NoPlan::Lines);
    }
    if let Some(plan) = plan.as_object_mut() {
        plan.insert("effects", Value::Array(effects));
    }
    Ok(plan)
}

/// Whether a line has what it is said to have.
fn has_type(line: &Value, name: &str) -> bool {
    line.find("type").and_then(Value::as_str) == Some(name)
}

/// What a plan may have, with so many levels around the document of an effect.
fn limits(levels: usize) -> Limits {
    let (depth, items) = (Limits::DEPTH + levels, EFFECTS_MOST);
    Limits { depth, items, bytes: PLAN_BYTES_MOST, ..Limits::answer() }
}

/// Reads an effect; the error says what is wrong with it.
fn item(effect: &Value, before: &[Item]) -> Result<Item, &'static str> {
    let text = |name: &str| match effect.find(name) {
        None => Ok(None),
        Some(value) => value
            .as_str()
            .map(|text| Some(text.to_owned()))
            .ok_or("has no text where there should be one"),
    };
    let class = text("op")?.and_then(|name| planner::class_named(&name));
    let class = class.ok_or("has no `op` that is known")?;
    if before.last().is_some_and(|last| (class as u8) < last.class as u8) {
        return Err("stands behind what comes after it");
    }
    let resource_type = text("resourceType")?.ok_or("has no `resourceType`")?;
    let position = |number: &Value| {
        let number = usize::try_from(number.as_number()?.as_u64()?).ok()?;
        number.checked_sub(1).filter(|at| *at < before.len())
    };
    let depends_on = effect.find("dependsOn").and_then(Value::as_array);
    let depends_on = depends_on.ok_or("has no list `dependsOn`")?;
    let depends_on = depends_on.iter().map(position).collect::<Option<Vec<usize>>>();
    let depends_on = depends_on.ok_or("depends on one that does not come before it")?;
    let (external_id, id, if_match) = (text("externalId")?, text("id")?, text("ifMatch")?);
    let follows = match (&id, class) {
        (Some(_), Class::Create) => return Err("is a create and has an id"),
        (Some(_), _) | (None, Class::Create) => None,
        (None, _) => {
            let own = |at: &&usize| {
                before.get(**at).is_some_and(|one| {
                    one.class == Class::Create
                        && one.resource_type == resource_type
                        && one.external_id == external_id
                })
            };
            Some(*depends_on.iter().find(own).ok_or("has no `id`, and follows on no create")?)
        }
    };
    let body = match class {
        Class::Create => Some(effect.find("document").ok_or("has no `document`")?.to_string()),
        Class::Delete => None,
        Class::Revoke | Class::Disable | Class::Adopt | Class::Update | Class::Grant => {
            let operations = effect.find("operations").ok_or("has no `operations`")?;
            Some(format!("{{\"schemas\":[\"{PATCH_OP}\"],\"Operations\":{operations}}}"))
        }
    };
    let number = |name: &str, absent: u64| {
        effect.find(name).map_or(Some(absent), |number| number.as_number()?.as_u64())
    };
    let count = number("count", 1).ok_or("has no number in `count`")?;
    let takes = number("takes", 0).ok_or("has no number in `takes`")?;
    Ok(Item {
        class,
        resource_type,
        external_id,
        id,
        if_match,
        count,
        takes,
        body,
        depends_on,
        follows,
    })
}

/// How much of a type was there: what does not say so had nothing.
fn how_much(there: &Value) -> There {
    let number = |name| there.find(name).and_then(Value::as_number).and_then(Number::as_u64);
    let of = |name| number(name).unwrap_or_default();
    There { resources: of("resources"), edges: of("edges") }
}

/// For each item, the last one before it on the same resource.
pub(super) fn predecessors(items: &[Item]) -> Vec<Option<usize>> {
    let mut last: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut before = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let kind = item.resource_type.as_str();
        before.push(item.id.as_deref().and_then(|id| last.insert((kind, id), position)));
    }
    before
}

/// What a change of a resource is (RFC 7644 section 3.5.2).
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// What stands around the document of an effect: the plan, the list, the effect.
const LEVELS: usize = 3;

/// The same on a line: the effect.
const LINE_LEVELS: usize = 1;

/// 4,000,000 effects: two for each resource of twice the largest population that is aimed at.
pub const EFFECTS_MOST: usize = 4_000_000;

/// 2 GiB: a plan that makes a million users with their groups has less than one.
pub const PLAN_BYTES_MOST: usize = 2 << 30;
