//! Batches: each operation goes the way of a single request, under a key of its own (S31).
//!
//! Nothing of a batch is recorded as a whole. One that was cut off is sent again: what is done is told again, and the
//! rest goes on.

use std::num::NonZeroU64;

use crate::{
    call::Call,
    contract::{
        Answer, Retry, Verdict,
        batch::{Item, Known, Operation},
    },
    guest::{GuestError, PlanningGuest, aside},
    keys::frame,
    ledger::Ledger,
    monitor::{id_in, is_success},
    target::{Target, path::percent_decode},
};

use super::{ProvisionError, Provisioner, Secrets, causes, failed, plain};

/// Operations that may refer to one another, such as a bulk request (RFC 7644 section 3.7).
#[derive(Clone, Debug)]
pub struct Batch {
    /// The client's key for all of it, as [`Call::key`]; each operation gets one of its own from it. None: each is known by what it asks (S2).
    pub key: Option<String>,
    /// After so many operations that fail, no other is begun; none: all are.
    pub fail_on_errors: Option<NonZeroU64>,
    /// In the order in which they were stated.
    pub operations: Vec<BatchCall>,
}

/// An operation of a batch.
#[derive(Clone, Debug)]
pub struct BatchCall {
    /// The name that the batch gives to what it makes, without `bulkId:`.
    pub bulk_id: Option<String>,
    /// What it asks. Its id may be `bulkId:` and a name; its key is not looked at.
    pub call: Call,
}

/// What became of an operation of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchAnswer {
    /// Its answer. Of an operation that takes two requests the first that failed is told, else the first.
    pub answer: Answer,
    /// The target's id of the resource that it is about, as far as it is known: also of one that was made, and could not be made to refer.
    pub id: Option<String>,
}

impl<L: Ledger, T: Target> Provisioner<L, T> {
    /// Whether a batch can be provisioned: there is a component for it ([`Options::planning`](super::Options::planning)).
    #[must_use]
    pub fn takes_batches(&self) -> bool {
        self.0.options.planning.is_some()
    }

    /// Provisions a batch. Gives an answer for each operation, in their order; none where it was not begun, as too many others have failed.
    ///
    /// One operation at a time, what is referred to first. What refers to one that has failed is `blocked-by` it.
    /// Safe to repeat as each of its operations is: a batch that was cut off does what is left of it.
    ///
    /// Run it as a task of its own, as [`provision`](Self::provision).
    pub async fn provision_batch(&self, batch: &Batch) -> Vec<Option<BatchAnswer>> {
        let Some(planning) = &self.0.options.planning else {
            let detail = "this provisioner has no component for batches";
            let answer = plain(Verdict::Unavailable, detail);
            return vec![Some(BatchAnswer { answer, id: None }); batch.operations.len()];
        };
        let mut run = Run {
            batch,
            planning,
            secrets: Secrets::new(&self.0.key, &self.0.options.tenant),
            operations: Vec::with_capacity(batch.operations.len()),
            ends: vec![None; batch.operations.len()],
            left: vec![1; batch.operations.len()],
        };
        if let Err(error) = self.carry_batch(&mut run).await {
            (self.0.options.on_failure)(&causes(&error));
            // Nothing that has not happened is told as done: also not what was made and does not refer yet.
            let unended = run.ends.iter_mut().zip(&run.left).filter(|(_, left)| 0 < **left);
            for (end, _) in unended {
                let (id, changed) =
                    end.take().map_or((None, false), |end| (end.id, end.answer.changed));
                *end = Some(BatchAnswer { answer: Answer { changed, ..failed(&error) }, id });
            }
        }
        run.ends
    }

    async fn carry_batch(&self, run: &mut Run<'_>) -> Result<(), ProvisionError> {
        let Some(first) = run.batch.operations.first() else { return Ok(()) };
        let schema = self.schema(&first.call.caller).await?;
        let settings = self.settings(&schema.document, &schema.declared).await?;
        for stated in &run.batch.operations {
            let paths = self.0.guest.secret_paths(&stated.call.resource_type, &settings)?;
            run.secrets.look_at(paths);
            let operation = stated.lifted(&mut run.secrets);
            run.operations.push(operation);
        }
        let planning = run.planning;
        let items = aside(|| planning.arrange(&run.operations, &settings))?;
        run.count(&items);
        for item in items {
            let Ok(position) = usize::try_from(item.operation) else { continue };
            let Some(stated) = run.batch.operations.get(position) else { continue };
            // What is begun is brought to its end.
            let begun = run.ends.get(position).is_some_and(Option::is_some);
            let enough = run.batch.fail_on_errors.is_some_and(|most| most.get() <= run.failed());
            if enough && !begun {
                continue;
            }
            let (answer, id) = if !item.refused.is_empty() {
                (refusal(Verdict::Malformed, &item.refused), None)
            } else if let Some(needed) = run.missing(&item) {
                let detail = format!(
                    "operation {} of the batch has made nothing, and this one refers to it",
                    needed + 1
                );
                (refusal(Verdict::BlockedBy, &detail), None)
            } else {
                let key = run
                    .key(position, &item)
                    .map(|material| self.0.key.digest(&self.0.options.tenant, "item", &material));
                let call = Call { key, ..run.call(position, stated, &item)? };
                let id = call.id.clone();
                (self.provision(call).await, id)
            };
            run.note(position, answer, id);
        }
        Ok(())
    }
}

impl BatchCall {
    /// As the component sees it. What cannot be read is told when it is sent.
    fn lifted(&self, secrets: &mut Secrets) -> Operation {
        let call = &self.call;
        let body = call.body.as_ref();
        Operation {
            method: call.method,
            resource_type: call.resource_type.clone(),
            id: call.id.clone(),
            bulk_id: self.bulk_id.clone(),
            body: body.map(|body| secrets.lift_request(&body.bytes).unwrap_or_default()),
        }
    }
}

/// A batch under way.
struct Run<'a> {
    batch: &'a Batch,
    planning: &'a PlanningGuest,
    secrets: Secrets,
    operations: Vec<Operation>,
    /// What became of each operation so far.
    ends: Vec<Option<BatchAnswer>>,
    /// How many requests of each are to come.
    left: Vec<usize>,
}

impl Run<'_> {
    fn count(&mut self, items: &[Item]) {
        self.left.fill(0);
        for position in items.iter().filter_map(|item| usize::try_from(item.operation).ok()) {
            if let Some(left) = self.left.get_mut(position) {
                *left += 1;
            }
        }
    }

    fn failed(&self) -> u64 {
        let failed = self.ends.iter().flatten().filter(|end| !is_success(end.answer.verdict));
        u64::try_from(failed.count()).unwrap_or(u64::MAX)
    }

    /// The first operation that an item needs and that has made nothing.
    fn missing(&self, item: &Item) -> Option<u32> {
        item.needs.iter().copied().find(|needed| self.made(*needed).is_none())
    }

    /// What an operation has made, as others refer to it.
    fn made(&self, operation: u32) -> Option<Known> {
        let position = usize::try_from(operation).ok()?;
        let name = self.operations.get(position)?.bulk_id.as_ref()?;
        let id = self.ends.get(position)?.as_ref()?.id.clone()?;
        Some(Known { name: format!("bulkId:{name}"), id })
    }

    /// What makes the key of an item: the batch's key; without one, an operation that takes two requests is still one, and its second request is known by the decision of the first (S2a).
    fn key(&self, position: usize, item: &Item) -> Option<Vec<u8>> {
        let of = |key: &str| frame(&[key.as_bytes(), item.key_material.as_bytes()]);
        let first = || {
            let end = self.ends.get(position)?.as_ref()?;
            Some(of(&["decision ", &end.answer.decision].concat()))
        };
        self.batch.key.as_ref().map(|key| of(key)).or_else(first)
    }

    /// The request that carries an item out, with the ids of what it refers to.
    fn call(&self, position: usize, stated: &BatchCall, item: &Item) -> Result<Call, GuestError> {
        let known: Vec<Known> = item.needs.iter().filter_map(|one| self.made(*one)).collect();
        let id_of = |name: &String| known.iter().find(|known| known.name == *name);
        let filled = |id: &String| id_of(id).map_or_else(|| id.clone(), |known| known.id.clone());
        let mut call = Call {
            method: item.method,
            id: item.id.as_ref().map(filled),
            // A circle's second request is about what the first one has made.
            if_match: stated.call.if_match.clone().filter(|_| item.method == stated.call.method),
            ..stated.call.clone()
        };
        let as_stated = self.operations.get(position).is_some_and(|one| one.body == item.body);
        if let (Some(text), Some(body)) = (&item.body, &mut call.body)
            && !(as_stated && known.is_empty())
        {
            let filled = aside(|| self.planning.fill(text, &known))?;
            body.bytes = self.secrets.put_back(&filled);
        }
        Ok(call)
    }

    /// Keeps the answer to an item; `id` is what it was about.
    fn note(&mut self, position: usize, answer: Answer, id: Option<String>) {
        if let Some(left) = self.left.get_mut(position) {
            *left = left.saturating_sub(1);
        }
        let Some(end) = self.ends.get_mut(position) else { return };
        let made = || id_of(&answer).filter(|_| is_success(answer.verdict));
        let Some(BatchAnswer { answer: first, .. }) = end else {
            let id = id.or_else(made);
            *end = Some(BatchAnswer { answer, id });
            return;
        };
        let changed = first.changed || answer.changed;
        match (is_success(first.verdict), is_success(answer.verdict)) {
            // What was not sent, as it had failed before, says no more.
            (false, _) => {}
            (true, false) => *first = answer,
            (true, true) => {
                first.replayed &= answer.replayed;
                // Of what was made, the version is the one that it has now.
                if let (Some(first), Some(then)) = (&mut first.target, answer.target) {
                    first.etag = then.etag;
                }
            }
        }
        first.changed = changed;
    }
}

fn refusal(verdict: Verdict, detail: &str) -> Answer {
    Answer { retry: Retry::FixInput, retry_after: None, ..plain(verdict, detail) }
}

/// The id of a resource that was made, as the target told it: in the resource, else at the end of its URL.
pub(crate) fn id_of(answer: &Answer) -> Option<String> {
    let target = answer.target.as_ref()?;
    if let Some(id) = target.body.as_deref().and_then(id_in) {
        return Some(id);
    }
    let path = target.location.as_deref()?.split(['?', '#']).next()?;
    let (_, last) = path.rsplit_once('/')?;
    percent_decode(last).filter(|id| !id.is_empty())
}
