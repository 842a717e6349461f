//! Batches: each operation goes the way of a single request, under a key of its own (S31).
//!
//! Nothing of a batch is recorded as a whole. One that was cut off is sent again: what is done is told again, and the
//! rest goes on.

use crate::{
    call::Call,
    contract::{
        Answer, Retry, Verdict,
        batch::{Item, Known, Operation},
    },
    guest::{GuestError, PlanningGuest},
    keys::frame,
    ledger::Ledger,
    monitor::id_in,
    target::{Target, path::percent_decode},
};

use super::{ProvisionError, Provisioner, Secrets, causes, failed, plain};

/// Operations that may refer to one another, such as a bulk request (RFC 7644 section 3.7).
#[derive(Clone, Debug)]
pub struct Batch {
    /// The client's key for all of it, as [`Call::key`]; each operation gets one of its own from it. None: each is known by what it asks (S2).
    pub key: Option<String>,
    /// After so many operations that fail, no other is begun; none: all are.
    pub fail_on_errors: Option<u64>,
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

impl<L: Ledger, T: Target> Provisioner<L, T> {
    /// Whether a batch can be provisioned: there is a component for it ([`Options::planning`](super::Options::planning)).
    #[must_use]
    pub fn takes_batches(&self) -> bool {
        self.0.options.planning.is_some()
    }

    /// Provisions a batch. Gives an answer for each operation, in their order; none where it was not begun, as too many others have failed.
    ///
    /// One operation at a time, what is referred to first. What needs one that has failed is `blocked-by` it.
    /// Safe to repeat as each of its operations is: a batch that was cut off does what is left of it.
    ///
    /// Run it as a task of its own, as [`provision`](Self::provision).
    pub async fn provision_batch(&self, batch: &Batch) -> Vec<Option<Answer>> {
        let Some(planning) = &self.0.options.planning else {
            let detail = "this provisioner has no component for batches";
            return vec![Some(refusal(Verdict::Unavailable, detail)); batch.operations.len()];
        };
        let mut run = Run {
            batch,
            planning,
            secrets: Secrets::new(&self.0.key, &self.0.options.tenant),
            operations: Vec::with_capacity(batch.operations.len()),
            answers: vec![None; batch.operations.len()],
        };
        if let Err(error) = self.carry_batch(&mut run).await {
            (self.0.options.on_failure)(&causes(&error));
            for answer in run.answers.iter_mut().filter(|answer| answer.is_none()) {
                *answer = Some(failed(&error));
            }
        }
        run.answers
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
        for item in run.planning.arrange(&run.operations, &settings)? {
            if run.batch.fail_on_errors.is_some_and(|most| most <= run.failed()) {
                break;
            }
            let Ok(position) = usize::try_from(item.operation) else { continue };
            let Some(stated) = run.batch.operations.get(position) else { continue };
            let answer = if !item.refused.is_empty() {
                refusal(Verdict::Malformed, &item.refused)
            } else if let Some(needed) = run.missing(&item) {
                let detail = format!(
                    "operation {} of the batch has not succeeded, and this one refers to what it makes",
                    needed + 1
                );
                refusal(Verdict::BlockedBy, &detail)
            } else {
                let key = run.batch.key.as_ref().map(|key| {
                    let material = frame(&[key.as_bytes(), item.key_material.as_bytes()]);
                    self.0.key.digest(&self.0.options.tenant, "item", &material)
                });
                self.provision(Call { key, ..run.call(position, stated, &item)? }).await
            };
            run.note(position, answer);
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
    answers: Vec<Option<Answer>>,
}

impl Run<'_> {
    fn failed(&self) -> u64 {
        let failed = self.answers.iter().flatten().filter(|answer| !is_success(answer.verdict));
        u64::try_from(failed.count()).unwrap_or(u64::MAX)
    }

    /// The first operation that an item needs and that has not succeeded.
    fn missing(&self, item: &Item) -> Option<u32> {
        item.needs.iter().copied().find(|needed| self.made(*needed).is_none())
    }

    /// What an operation has made, as others refer to it.
    fn made(&self, operation: u32) -> Option<Known> {
        let position = usize::try_from(operation).ok()?;
        let name = self.operations.get(position)?.bulk_id.as_ref()?;
        let answer = self.answers.get(position)?.as_ref().filter(|one| is_success(one.verdict))?;
        Some(Known { name: format!("bulkId:{name}"), id: id_of(answer)? })
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
            body.bytes = self.secrets.put_back(&self.planning.fill(text, &known)?);
        }
        Ok(call)
    }

    /// Keeps the answer to an item. Of two items of one operation the first that fails counts, else the first: it has made the resource.
    fn note(&mut self, position: usize, answer: Answer) {
        let Some(noted) = self.answers.get_mut(position) else { return };
        match noted {
            Some(first) if !is_success(first.verdict) => {}
            Some(first) if is_success(answer.verdict) => first.changed |= answer.changed,
            Some(_) | None => *noted = Some(answer),
        }
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
    let (_, last) = target.location.as_deref()?.rsplit_once('/')?;
    percent_decode(last).filter(|id| !id.is_empty())
}

/// Whether what was asked holds.
fn is_success(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::AlreadySatisfied
            | Verdict::Adopted
            | Verdict::Reactivated
            | Verdict::AcceptedUnverified
            | Verdict::Opaque
            | Verdict::Done
    )
}
