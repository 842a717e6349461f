//! Settlement: what was proved about an effect?
//!
//! No error returned is no proof. What was not seen is unknown, and leads to looking, never to a blind repeat.

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use crate::ordered::BTreeSet;

use replaysafe_json::Value;

use crate::{
    absence::{self, Proof},
    admit::{UNRECORDED, gives_back, is_late},
    answers,
    case::{Case, failed, fits_path, id_name, id_of, read_resource, resource_in},
    decide::{
        EDGES, bury, commit_version, edges_shown, linked_names, located, new_person, only,
        precondition, privileges_beside, see, stated_takings, version_is_etag, written,
        written_over,
    },
    kept,
    policy::{CreateSecret, DeleteAbsent, OnUnknown},
    profile,
    reading::{contains, is_false},
    state::{Event, Life, Person, Record, know, precedes},
    statement::{Allowance, Holds, Match, NotKept, PathKey, Removal},
    types::{
        Action, Answer, ContractError, Effect, EffectBody, Evidence, Field, IdentityWrite, Method,
        Name, NameKind, Outcome, Question, Report, Sight, Stage, Step, TargetAnswer, UnixMillis,
        Verdict, Write,
    },
};

/// Settles an entry: see `lifecycle.settle`.
pub(crate) fn settle(mut case: Case<'_>, report: Option<&Report>) -> Result<Step, ContractError> {
    let id = &case.given.new_entry;
    let known = [case.by_key.as_ref(), case.by_statement.as_ref()];
    let mut records = known.into_iter().flatten().chain(&case.open);
    let Some(record) = records.find(|record| record.id == *id).cloned() else {
        return Err(ContractError {
            code: "state".into(),
            detail: "the entry to settle is not among what was found".into(),
        });
    };
    // Who asks the same may number it otherwise: what was sent has the number that it was sent under (S20).
    case.wish.version = record.progress.request.version;
    let case = &case;
    let person = case.person_of(&record).or_else(|| case.people.first());
    let person = person.cloned().unwrap_or_else(|| new_person(case));
    let mut work = Work { case, record, person, absorbed: None, learned: Vec::new() };
    match (case.says("approve"), case.says("resolve")) {
        (Some(until), _) => work.approve(until.parse().unwrap_or_default()),
        (None, Some(id)) => work.resolve(id),
        (None, None) => Ok(work.settle(report)),
    }
}

/// How S12 judges what was seen of a send.
enum Judgement {
    /// No byte was written.
    NotSent,
    /// The target said no, and that is that.
    Definite,
    /// It says no, and may have done it all the same: one look tells.
    LookInto,
    /// It says that it was done.
    Accepted,
    /// Nobody can tell.
    Unknown,
}

struct Work<'a> {
    case: &'a Case<'a>,
    record: Record,
    person: Person,
    /// The identity that turned out to be this one.
    absorbed: Option<Person>,
    /// What was learned about the target on the way.
    learned: Vec<(String, String)>,
}

impl Work<'_> {
    fn settle(&mut self, report: Option<&Report>) -> Step {
        if self.record.stage == Some(Stage::Settled) {
            return self.again();
        }
        if let Some(until) = self.record.progress.unheard_until {
            return self.unheard(until, report);
        }
        match self.record.receipt().map(|receipt| receipt.verdict) {
            Some(Verdict::AcceptedUnverified) => return self.second_look(),
            Some(_) => return self.watch(),
            None => {}
        }
        if let Some(step) = self.resolved() {
            return step;
        }
        let judgement = match report.map(|report| &report.outcome) {
            None => match &self.record.progress.answered {
                Some(answer) => judge(self.case.request.method, self.record.progress.sends, answer),
                None => Judgement::Unknown,
            },
            Some(Outcome::NotSent(_)) => Judgement::NotSent,
            Some(Outcome::Unknown(_)) => Judgement::Unknown,
            Some(Outcome::Answered(answer)) => {
                self.record.progress.answered = Some(answer.clone());
                self.record.progress.answered_at = report.map(|report| report.ended_at);
                judge(self.case.request.method, self.record.progress.sends, answer)
            }
        };
        match (judgement, self.case.request.method) {
            (Judgement::NotSent, _) if self.record.progress.unknown => self.unknown(),
            (Judgement::NotSent, _) => {
                self.refuse(answers::of(Verdict::Unavailable, &self.record.id))
            }
            (Judgement::Definite, Method::Delete) if self.says_gone() => {
                let progress = &self.record.progress;
                let deleted = self.person.memory.life == Life::Deleted;
                if progress.unknown {
                    return self.gone(Verdict::Done);
                }
                let memory = &self.person.memory;
                let taken_for_gone = self.case.ground.policy.delete_absent == DeleteAbsent::Success
                    && (memory.life != Life::Live || self.case.knows_gone(memory));
                // It was seen, or is known to be deleted by this source (S12, S23).
                if deleted || !progress.blind || taken_for_gone {
                    return self.gone(Verdict::AlreadySatisfied);
                }
                self.was_not_there()
            }
            // It says nothing of what was sent before and is in doubt.
            (Judgement::Definite, _) if self.record.progress.unknown => self.look_into(),
            (Judgement::Definite, _) => self.spelled_otherwise(),
            // A return on a target that deactivates went out as an update (S22).
            (Judgement::Accepted, Method::Create) if self.effect_id().is_some() => self.returned(),
            (Judgement::Accepted, Method::Create) => self.created(),
            (Judgement::Accepted, Method::Delete) => self.deleted(),
            (Judgement::Accepted, Method::Replace | Method::Patch) => self.updated(),
            (Judgement::LookInto, Method::Create) if self.effect_id().is_none() => {
                self.look_for_trace()
            }
            (Judgement::LookInto, _) => self.look_into(),
            (Judgement::Unknown, _) => self.unknown(),
        }
    }

    // ---- accepted -----------------------------------------------------------------------------

    /// The target says that it made a resource: it is read under the id that it gave (S11).
    fn created(&mut self) -> Step {
        let Some(id) = self.answered_id() else { return self.look_for_trace() };
        let question = self.case.by_id(&id);
        let Some(seen) = self.case.seen(&question) else {
            return only(Action::Ask(vec![question]));
        };
        if let Sight::Answered(answer) = &seen.sight {
            if let Some(resource) = resource_in(answer) {
                return self.made(Verdict::Done, &resource);
            }
            if matches!(answer.status, 404 | 410) {
                return self.gone_since(&id).unwrap_or_else(|| self.look_for_trace());
            }
        }
        if let Some(step) = self.unite(&id) {
            return step;
        }
        self.see_made(&id);
        self.unverified(self.with_own(None, &id))
    }

    /// A resource that was switched off by a delete is to be on again, and as the create states (S22).
    fn returned(&mut self) -> Step {
        let Some(id) = self.effect_id() else { return self.pass_on() };
        let question = self.case.by_id(&id);
        let Some(seen) = self.case.seen(&question) else {
            return only(Action::Ask(vec![question]));
        };
        let resource = match &seen.sight {
            Sight::Answered(answer) => resource_in(answer),
            Sight::Refused(_) | Sight::Listed(_) | Sight::Nothing => None,
        };
        let Some(resource) = resource else { return self.unverified(None) };
        if self.is_off(&resource) {
            return self.still_there();
        }
        self.made(self.return_verdict(), &resource)
    }

    /// A create that went out as an update is as asked: what it found was changed (S19, S22).
    fn has_returned(&self, resource: &Value) -> bool {
        let differs = self.case.wish.statement.differs(resource, &self.case.ground.schema);
        !self.is_off(resource) && differs.is_empty()
    }

    fn is_off(&self, resource: &Value) -> bool {
        !self.record.progress.updates && resource.find("active").is_some_and(is_false)
    }

    fn return_verdict(&self) -> Verdict {
        if self.record.progress.updates { Verdict::Adopted } else { Verdict::Reactivated }
    }

    fn deleted(&mut self) -> Step {
        let Some(id) = self.case.request.id.clone() else { return self.pass_on() };
        let question = self.case.by_id(&id);
        let Some(seen) = self.case.seen(&question) else {
            return only(Action::Ask(vec![question]));
        };
        match &seen.sight {
            Sight::Answered(answer) if matches!(answer.status, 404 | 410) => {
                if self.case.looks_for_another() {
                    return self.not_shown();
                }
                self.gone(Verdict::Done)
            }
            Sight::Answered(answer) => match resource_in(answer) {
                Some(resource) if resource.find("active").is_some_and(is_false) => {
                    self.switched_off()
                }
                Some(_) if self.is_overtaken(&self.case.touched()) => self.stale(),
                Some(_) => self.still_there(),
                None => self.by_response(),
            },
            Sight::Refused(_) | Sight::Listed(_) | Sight::Nothing => self.by_response(),
        }
    }

    /// What was deleted reads as switched off. Where it was so before, only the target's word says that it is deleted,
    /// and nothing is learned of how it deletes (S11).
    fn switched_off(&mut self) -> Step {
        let profile = self.case.ground.profile;
        let before = self.record.progress.before.as_ref();
        let was_on = before.is_some_and(|before| !before.find("active").is_some_and(is_false));
        if was_on || profile.deactivates(&self.case.request.resource_type) {
            return self.gone(Verdict::Done);
        }
        let accepted = self.record.progress.answered.as_ref();
        let later = accepted.is_some_and(|answer| answer.status == 202);
        let wait = if later { profile.settled() } else { profile.search_lag() };
        let until = self.record.progress.answered_at.unwrap_or_default().saturating_add(wait);
        if self.case.now() < until {
            return self.wait(until);
        }
        self.deleted_by_response()
    }

    fn updated(&mut self) -> Step {
        let Some(id) = self.case.request.id.clone().or_else(|| self.effect_id()) else {
            return self.pass_on();
        };
        let question = self.case.by_id(&id);
        let Some(seen) = self.case.seen(&question) else {
            return only(Action::Ask(vec![question]));
        };
        let Sight::Answered(answer) = &seen.sight else { return self.by_response() };
        let Some(resource) = resource_in(answer) else {
            // Deleted meanwhile, and with it whatever was to be taken away.
            let gone = matches!(answer.status, 404 | 410) && self.visible_at() <= seen.asked_at;
            let known = gone && !self.case.looks_for_another();
            if known && self.case.wish.statement.safe_way() {
                return self.done_by_response();
            }
            return self.by_response();
        };
        let before = self.record.progress.before.as_ref();
        let holds = self.case.wish.statement.holds(before, &resource, &self.case.ground.schema);
        let accepted = self.record.progress.answered.as_ref();
        let later = accepted.is_some_and(|answer| answer.status == 202);
        if later && !holds.not_kept.is_empty() && !self.case.wish.statement.safe_way() {
            // Accepted for later (RFC 9110 §15.3.3): that it is not so yet says nothing.
            return self.unverified(None);
        }
        if !self.shows(&resource, &holds) {
            return self.by_response();
        }
        self.judge_update(&id, &resource, holds)
    }

    /// Whether all that it asks would be shown to who looks: where they are somebody else, what is absent may be hidden from them (S14).
    fn shows(&self, resource: &Value, holds: &Holds) -> bool {
        if !self.case.looks_for_another() {
            return true;
        }
        let statement = &self.case.wish.statement;
        let nothing = Value::Object(replaysafe_json::Object::new());
        let of_nothing = statement.holds(None, &nothing, &self.case.ground.schema);
        let lacking = of_nothing.not_kept.into_iter().map(|one| one.path.0);
        let lacking: BTreeSet<String> = lacking.collect();
        // A list that is shown at all is shown whole.
        let is_shown = |path: &String| {
            let attribute = path.split_once('/').map(|(attribute, _)| attribute);
            crate::state::overlaps_any(path, &lacking)
                || attribute.is_some_and(|one| !edges_shown(resource, one).is_empty())
        };
        // What a PUT leaves out is to be absent.
        self.case.request.method == Method::Patch
            && holds.swept.is_empty()
            && self.case.touched().iter().all(is_shown)
    }

    fn judge_update(&mut self, id: &str, resource: &Value, holds: Holds) -> Step {
        let left_out = &self.record.progress.left_out;
        let all = holds.not_kept.iter();
        let missing = all.filter(|one| !crate::state::overlaps_any(&one.path.0, left_out));
        // Taken away by somebody who passed: given back by nobody (S14c, S15). Who takes it away as well goes on until it
        // is gone: the other may yet fail (S29).
        let passed = self.passed_by();
        let given_up = self.given_up();
        let is_due = |one: &&NotKept| {
            let taken = passed.iter().any(|path| crate::state::overlaps(path, &one.path.0));
            // A list that was stated since may have it again.
            let gone = one.active || passed.contains("*") || passed.contains(&one.path.0);
            // What this resource used to keep is sent once more, then it is said not to be kept (S11).
            let kept = self.person.memory.kept.contains(&one.path.0);
            let lapsed = kept && !kept::explains(&self.person.memory, one) && !given_up;
            one.taking && gone || !taken && (one.taking || one.active || lapsed)
        };
        let due: Vec<NotKept> = missing.filter(is_due).cloned().collect();
        for attribute in &holds.appended {
            let kind = &self.case.request.resource_type;
            self.learned.push((profile::replace_appends(kind, attribute), "true".into()));
        }
        if due.is_empty() {
            return self.conclude(id, resource, holds);
        }
        // What a later version has settled on is not asked for again; what takes access away and is due beside it is (S20, S29).
        let overtaken = |one: &NotKept| self.is_overtaken(&BTreeSet::from([one.path.0.clone()]));
        if due.iter().all(overtaken) || due.iter().any(|one| one.taking && overtaken(one)) {
            return self.stale();
        }
        self.still_there()
    }

    /// Nothing of an update is to be sent any more.
    fn conclude(&mut self, id: &str, resource: &Value, holds: Holds) -> Step {
        let passed = self.passed_by();
        let opaque = !holds.all && holds.not_kept.is_empty();
        let left_out = &self.record.progress.left_out;
        let missing = || {
            let all = holds.not_kept.iter();
            all.filter(move |one| !crate::state::overlaps_any(&one.path.0, left_out))
        };
        let names: Vec<String> = missing().map(|one| one.name.clone()).collect();
        let swept = !holds.swept.is_empty() && self.record.progress.restored.is_empty();
        if swept && passed.is_empty() && self.alone_on(&holds.swept) {
            return self.restore(holds.swept);
        }
        kept::remember(self.case, &mut self.person.memory, &holds, &self.record.progress.left_out);
        see_shown(self.case, &mut self.person, id, resource);
        let mut learned = Vec::new();
        let kind = self.case.request.resource_type.clone();
        learned.extend(self.shown_edges(&holds));
        let answered = self.record.progress.answered.clone();
        if let Some(answer) =
            answered.as_ref().filter(|_| self.case.request.method == Method::Patch)
            && crate::reading::asks_for_all(self.case.request)
            && matches!(answer.status, 200 | 204)
        {
            learned.push((profile::patch_status(&kind), answer.status.to_string()));
        }
        if self.record.progress.respelled {
            let spelling = self.removal_sent();
            learned.extend(spelling.map(|name| (profile::removal(&kind), name.into())));
        }
        for attribute in &self.record.progress.restored {
            if !holds.swept.contains(attribute) {
                learned.push((profile::add_replaces(&kind, attribute), "true".into()));
            }
        }
        let mut taken = stated_takings(self.case, resource);
        taken.extend(self.left_out_and_gone(resource));
        let undone = missing().any(|one| crate::state::overlaps_any(&one.path.0, &passed));
        let superseded = undone || !passed.is_empty() && self.gives_any_of(&passed);
        // Every send has failed by a precondition of our own: who made it so is somebody else.
        let changed = 0 < self.record.progress.sends || self.record.progress.unknown;
        let verdict = if !self.record.progress.left_out.is_empty() || superseded {
            self.partly()
        } else if opaque {
            Verdict::Opaque
        } else if changed {
            Verdict::Done
        } else {
            Verdict::AlreadySatisfied
        };
        // What could not be interpreted was not seen to hold: the target's answer is all there is (S25).
        let unseen = opaque || self.unseen_removal(&holds);
        let evidence = if unseen { Evidence::Response } else { Evidence::Read };
        let mut receipt = self.receipt(verdict, changed, evidence);
        if !answers::is_success(verdict) {
            receipt.target = None;
            receipt.attributes = self.record.progress.left_out.iter().cloned().collect();
        }
        answers::keeps_not(&mut receipt, names);
        if receipt.target.is_none() && answers::is_success(verdict) {
            receipt.target = Some(self.shown(id));
            receipt.status =
                Some(if self.case.request.method == Method::Patch && kind == "Group" {
                    204
                } else {
                    200
                });
        }
        let names = linked_names(self.case, &self.person, id, Some(resource));
        // Who passed it came later and looks after these paths: this is no later change of them (S14c).
        let mut touched = self.case.touched();
        touched.retain(|path| !crate::state::overlaps_any(path, &passed));
        self.close(receipt, names, touched, taken, learned)
    }

    /// What is told of a request of which a part was left out, or has not come to be.
    fn partly(&self) -> Verdict {
        match (self.case.says(UNRECORDED), self.parked_beside()) {
            (Some(_), _) => Verdict::Unresolved,
            (None, true) => Verdict::Parked,
            (None, false) => Verdict::Superseded,
        }
    }

    /// Edges that were given read back under their value: this target shows them (S11).
    fn shown_edges(&self, holds: &Holds) -> Vec<(String, String)> {
        let kind = &self.case.request.resource_type;
        let shown = holds.edges_shown.iter();
        shown.map(|attribute| (profile::shows_edges(kind, attribute), "true".into())).collect()
    }

    /// The edges that a PUT has taken away by leaving them out (S26).
    fn left_out_and_gone(&self, resource: &Value) -> BTreeSet<String> {
        let whole = self.case.request.method == Method::Replace;
        let before = self.record.progress.before.as_ref().filter(|_| whole);
        let gone = |before: &Value, attribute: &str| {
            let is = edges_shown(resource, attribute);
            let lost = edges_shown(before, attribute).into_iter().filter(|one| !is.contains(one));
            lost.map(|value| format!("{attribute}/{value}")).collect::<Vec<_>>()
        };
        let each = before.into_iter().flat_map(|one| EDGES.map(|attribute| gone(one, attribute)));
        each.flatten().collect()
    }

    /// This target's `add` has replaced the list: it is put back once, whole (S11).
    fn restore(&mut self, swept: Vec<String>) -> Step {
        let before = self.record.progress.before.as_ref();
        let whole = before.and_then(|before| self.case.wish.statement.restoring(before, &swept));
        let Some((effect, whole)) = self.record.progress.effect.as_mut().zip(whole) else {
            return self.unverified(None);
        };
        effect.body = EffectBody::Document(whole.to_string());
        self.record.progress.restored = swept;
        self.send_again()
    }

    /// What was to be changed still reads as before: looked at again, sent once more, then said aloud.
    fn still_there(&mut self) -> Step {
        if self.record.progress.looks == 0 {
            return self.wait(self.case.now() + self.case.ground.profile.search_lag() / 4);
        }
        if !self.given_up() {
            self.record.progress.looks = 0;
            return self.send_rest();
        }
        let verdict = if self.case.wish.statement.safe_way() {
            Verdict::Irrevocable
        } else {
            Verdict::Unresolved
        };
        let mut answer = answers::of(verdict, &self.record.id);
        answer.evidence = Evidence::Read;
        self.refuse(answer)
    }

    /// Whether a later version has settled on one of these paths (S20).
    fn is_overtaken(&self, paths: &BTreeSet<String>) -> bool {
        let version = self.case.wish.version;
        version.is_some_and(|version| self.person.memory.is_overtaken(version, paths))
    }

    /// A later version has settled on what is still to be done: it is not sent again (S20).
    fn stale(&mut self) -> Step {
        let mut answer = answers::of(Verdict::Stale, &self.record.id);
        answer.evidence = Evidence::Read;
        self.refuse(answer)
    }

    /// It was looked at twice and sent as often as it may be.
    fn given_up(&self) -> bool {
        let progress = &self.record.progress;
        0 < progress.looks && (SENDS_MOST <= progress.sends || progress.effect.is_none())
    }

    // ---- not accepted, and perhaps done -------------------------------------------------------

    /// A create that was refused, or whose resource cannot be read: is there a trace of it?
    fn look_for_trace(&mut self) -> Step {
        let questions = self.case.unasked(self.case.wish.searches.clone());
        if !questions.is_empty() {
            return only(Action::Ask(questions));
        }
        match self.trace() {
            Trace::One(id, resource, external) => {
                let refused = self.record.progress.answered.as_ref();
                let conflict = refused.is_some_and(|answer| answer.status == 409);
                // After a 409 it is ours only if we may have made it before, or it says so itself (S18).
                if conflict && !self.record.progress.unknown && !external {
                    return self.pass_on();
                }
                let equal = self.case.wish.statement.differs(&resource, &self.case.ground.schema);
                if conflict && !self.record.progress.unknown && !equal.is_empty() {
                    return self.pass_on();
                }
                self.adopt(&id)
            }
            Trace::Several(ids) => self.park(&ids),
            // A search that finds nothing is repeated after L (S12), whoever looked before.
            Trace::None | Trace::Taken if !self.searched_since(self.visible_at()) => {
                self.wait(self.visible_at().max(self.case.now()))
            }
            Trace::None | Trace::Taken => {
                let accepted = self.record.progress.answered.as_ref();
                if accepted.is_some_and(|answer| (200..300).contains(&answer.status)) {
                    self.record.progress.unknown = true;
                    return self.unknown();
                }
                if self.record.progress.unknown {
                    return self.unknown();
                }
                if self.case.looks_for_another() {
                    return self.not_shown();
                }
                if accepted.is_some_and(|answer| answer.status == 500) {
                    return self.broken_without_trace();
                }
                self.pass_on()
            }
        }
    }

    /// A complete 500 to a create of which searches show nothing: where they failed it is unknown; where nothing says that
    /// they were answered, the list is read, if there is one (S12, S14).
    fn broken_without_trace(&mut self) -> Step {
        let all = Question::All(self.case.request.resource_type.clone());
        let looks = || self.case.wish.searches.iter().chain([&all]);
        if looks().any(|look| self.case.seen(look).is_some_and(|seen| failed(&seen.sight))) {
            return self.unknown();
        }
        if !self.case.searches_answered() && self.case.seen(&all).is_none() {
            return only(Action::Ask(vec![all]));
        }
        self.pass_on()
    }

    /// From when on a search shows what an answered create has made.
    fn visible_at(&self) -> UnixMillis {
        let progress = &self.record.progress;
        let answered_at = progress.answered_at.or(progress.sent_at).unwrap_or_default();
        answered_at.saturating_add(self.case.ground.profile.search_lag())
    }

    /// Whether it is `time`, and every search was asked at that time or later.
    fn searched_since(&self, time: UnixMillis) -> bool {
        let mut searches = self.case.wish.searches.iter();
        time <= self.case.now()
            && searches.all(|search| self.case.seen(search).is_some_and(|one| time <= one.asked_at))
    }

    /// An update or delete that was refused: does it hold all the same?
    fn look_into(&mut self) -> Step {
        let Some(id) = self.case.request.id.clone().or_else(|| self.effect_id()) else {
            return self.pass_on();
        };
        let question = self.case.by_id(&id);
        let Some(seen) = self.case.seen(&question) else {
            return only(Action::Ask(vec![question]));
        };
        let progress = &self.record.progress;
        let broken = progress.answered.as_ref().is_some_and(|answer| answer.status == 500);
        if (broken || progress.unknown) && failed(&seen.sight) {
            // It says nothing by itself, or not of what was sent before, and nor does this look: what became of it is
            // unknown (S12).
            return self.unknown();
        }
        let Sight::Answered(answer) = &seen.sight else { return self.pass_on() };
        if self.case.request.method == Method::Delete && matches!(answer.status, 404 | 410) {
            if self.case.looks_for_another() {
                return self.not_shown();
            }
            return self.case.asks_again(&id).unwrap_or_else(|| self.gone(Verdict::Done));
        }
        let Some(resource) = resource_in(answer) else { return self.pass_on() };
        if self.record.progress.unknown && self.is_deactivated(&resource) {
            return self.gone(Verdict::Done);
        }
        if self.case.request.method == Method::Create {
            // A complete 500 may have taken effect all the same, where it is not as it was (S12).
            let progress = &self.record.progress;
            let changed = broken && progress.before.as_ref().is_some_and(|one| *one != resource);
            let contended = self.contended();
            let progress = &self.record.progress;
            return if (progress.unknown || changed || contended) && self.has_returned(&resource) {
                self.made(self.return_verdict(), &resource)
            } else if contended {
                self.send_rest()
            } else {
                self.pass_on()
            };
        }
        if self.case.request.method != Method::Delete {
            let before = self.record.progress.before.as_ref();
            let holds = self.case.wish.statement.holds(before, &resource, &self.case.ground.schema);
            if self.is_so(&resource, &holds)
                && self.record.progress.before.as_ref() != Some(&resource)
            {
                self.record.progress.answered = None;
                return self.judge_update(&id, &resource, holds);
            }
        }
        if self.record.progress.unknown {
            if self.case.looks_for_another() {
                return self.not_shown();
            }
            // It may have been written by what was sent before, and nobody is shown it.
            if self.case.wish.statement.states_secret() {
                return self.refuse(answers::unavailable(&self.record.id, SECRET_UNSEEN));
            }
        }
        if self.contended() {
            return self.send_rest();
        }
        self.spelled_otherwise()
    }

    /// Somebody else changed the resource between our look and our effect (S25). A failed precondition is a definite answer: this send does not count against the limit.
    fn contended(&mut self) -> bool {
        let progress = &mut self.record.progress;
        let status = progress.answered.as_ref().map(|answer| answer.status);
        let own = progress.effect.as_ref().is_some_and(|effect| {
            effect.if_match.is_some() && effect.if_match != self.case.request.if_match
        });
        let contended = status == Some(412) && own && progress.contentions < CONTENTIONS_MOST;
        if contended {
            progress.contentions += 1;
            progress.sends = progress.sends.saturating_sub(1);
        }
        contended
    }

    /// A deletion that the target carries out by switching off.
    fn is_deactivated(&self, resource: &Value) -> bool {
        self.case.request.method == Method::Delete
            && self.is_off(resource)
            && self.case.ground.profile.deactivates(&self.case.request.resource_type)
    }

    /// A removal of edges that is refused and still observed is sent once in the other spelling (S25).
    fn spelled_otherwise(&mut self) -> Step {
        let progress = &self.record.progress;
        let status = progress.answered.as_ref().map(|answer| answer.status);
        let refused = matches!(status, Some(400 | 500 | 501));
        let patch = self.case.request.method == Method::Patch;
        let (true, true, false, Some(id)) =
            (patch, refused, progress.respelled, self.case.request.id.clone())
        else {
            return self.pass_on();
        };
        let Some(document) = self.other_spelling() else { return self.pass_on() };
        let question = self.case.by_id(&id);
        let Some(seen) = self.case.seen(&question) else {
            return only(Action::Ask(vec![question]));
        };
        let Sight::Answered(answer) = &seen.sight else { return self.pass_on() };
        let Some(resource) = resource_in(answer) else { return self.pass_on() };
        let before = self.record.progress.before.as_ref();
        let holds = self.case.wish.statement.holds(before, &resource, &self.case.ground.schema);
        if !holds.not_kept.iter().any(|one| one.taking) {
            return self.pass_on();
        }
        let Some(effect) = &mut self.record.progress.effect else { return self.pass_on() };
        effect.body = EffectBody::Document(document);
        self.record.progress.respelled = true;
        self.send_again()
    }

    /// What was sent, with its removals of edges in the other spelling; none where it has none.
    fn other_spelling(&self) -> Option<String> {
        let effect = self.record.progress.effect.as_ref()?;
        let sent = match &effect.body {
            EffectBody::AsSent => self.case.request.body.as_deref()?,
            EffectBody::Document(document) => document,
            EffectBody::Empty => return None,
        };
        let sent = read_resource(sent)?;
        let spell = |to| self.case.wish.statement.spell_removals(&sent, to);
        let other = spell(Removal::Values).or_else(|| spell(Removal::Filter))?;
        Some(other.to_string())
    }

    /// What the resource lacks of an update goes out, and nothing else of it (S25): what holds by now is not sent again, what was left out stays out.
    fn send_rest(&mut self) -> Step {
        if self.case.looks_for_another() {
            return self.not_shown();
        }
        let progress = &self.record.progress;
        let respelled = progress.respelled || !progress.restored.is_empty();
        let update = matches!(self.case.request.method, Method::Replace | Method::Patch);
        let id = self.case.request.id.clone().filter(|_| update && !respelled).unwrap_or_default();
        // A create that writes over what is there does so to what is there by now (S19, S22).
        let creates = self.case.request.method == Method::Create;
        let shown = self.effect_id().filter(|_| creates).and_then(|id| Some(self.read(&id)?.0));
        let over = shown.and_then(|shown| written_over(self.case, &shown, progress.updates));
        if let (Some(effect), Some(body)) = (&mut self.record.progress.effect, over) {
            effect.body = body;
        }
        let progress = &self.record.progress;
        let Some((resource, _)) = self.read(&id) else { return self.send_again() };
        let statement = &self.case.wish.statement;
        let schema = &self.case.ground.schema;
        let kind = &self.case.request.resource_type;
        let touched = self.case.touched().into_iter();
        let overtaken = touched.filter(|path| self.is_overtaken(&BTreeSet::from([path.clone()])));
        let withheld = progress.left_out.iter().cloned().chain(self.passed_by()).chain(overtaken);
        // What is as old as what was left out stays out with it (S2a).
        let only_taking = !progress.left_out.is_empty()
            || self.parked_beside()
            || is_late(self.case, &progress.request)
            || self.case.says(UNRECORDED).is_some();
        let mut appended = self.case.ground.profile.appended(kind);
        appended.extend((0 < progress.sends).then(|| String::from("*")));
        let allowance = Allowance {
            withheld: withheld.map(PathKey).collect(),
            only_taking,
            unshown: crate::decide::unshown(self.case),
            appended,
        };
        let difference = statement.against(&resource, schema, &allowance);
        self.record.progress.left_out.extend(crate::decide::left_out(&difference));
        if difference.nothing_left {
            let holds = statement.holds(None, &resource, schema);
            if !holds.not_kept.iter().any(|one| one.taking || one.active) {
                let answered = &mut self.record.progress.answered;
                answered.take_if(|answer| !(200..300).contains(&answer.status));
                return self.conclude(&id, &resource, holds);
            }
        } else {
            let body = written(self.case, difference.body, &resource);
            if let Some(effect) = &mut self.record.progress.effect {
                effect.body = body;
            }
        }
        self.send_again()
    }

    // ---- unknown ------------------------------------------------------------------------------

    fn unknown(&mut self) -> Step {
        self.record.progress.unknown = true;
        if self.case.request.method == Method::Create && self.effect_id().is_none() {
            return self.unknown_create();
        }
        self.unknown_update()
    }

    /// A positive look is conclusive at once; a negative one once D + L has passed (S14).
    fn unknown_create(&mut self) -> Step {
        if let Some(id) = self.record.progress.trace.clone() {
            let question = self.case.by_id(&id);
            let Some(seen) = self.case.seen(&question) else {
                return only(Action::Ask(vec![question]));
            };
            let gone = matches!(&seen.sight, Sight::Answered(answer) if matches!(answer.status, 404 | 410));
            if gone && let Some(step) = self.gone_since(&id) {
                return step;
            }
        }
        let kind = &self.case.request.resource_type;
        let mut questions = self.case.wish.searches.clone();
        let now = self.case.now();
        let sent = self.record.progress.sent_at.unwrap_or_default();
        let conclusive_at = sent + self.case.ground.profile.settled();
        let conclusive = conclusive_at <= now;
        if questions.is_empty() {
            questions.push(Question::All(kind.clone()));
        }
        let questions = self.case.unasked(questions);
        if !questions.is_empty() {
            return only(Action::Ask(questions));
        }
        let taken = match self.trace() {
            Trace::One(id, _, _) => return self.adopt(&id),
            Trace::Several(ids) => return self.park(&ids),
            Trace::Taken => true,
            Trace::None => false,
        };
        if !conclusive {
            let backoff = LOOK_MS << self.record.progress.looks.min(4);
            return self.wait(conclusive_at.min(now + backoff));
        }
        let parked = self.record.stage == Some(Stage::Parked);
        let proved = match absence::by_search(self.case, conclusive_at, &mut self.learned) {
            Proof::Absent => true,
            Proof::Ask(questions) => return only(Action::Ask(questions)),
            // A search that finds nothing may not have searched: the list is read.
            Proof::Open => {
                let all = Question::All(kind.clone());
                let Some(seen) = self.case.seen(&all) else { return only(Action::Ask(vec![all])) };
                // A look that failed says nothing: it is no absence that cannot be proved.
                if failed(&seen.sight) && !parked && now < conclusive_at + READING_MS_MOST {
                    return self.wait(now + (LOOK_MS << 4));
                }
                matches!(seen.sight, Sight::Listed(_)) && conclusive_at <= seen.asked_at
            }
        };
        let converges = self.case.ground.policy.on_unknown == OnUnknown::RetryAndConverge;
        let again = proved || converges && !parked;
        // What is parked, another's view moves on no more than what is hidden from them.
        if !again || parked && self.case.looks_for_another() {
            return self.park(&[]);
        }
        if self.case.looks_for_another() {
            return self.not_shown();
        }
        if let Some(step) = self.deleted_since() {
            return step;
        }
        if taken {
            let mut answer = answers::of(Verdict::Conflict, &self.record.id);
            answer.evidence = Evidence::Read;
            return self.refuse(answer);
        }
        if CREATES_MOST <= self.record.progress.sends {
            return self.not_taken();
        }
        self.send_again()
    }

    /// Deleted since it was sent: it is of the life before, and nothing of it has come since (S21).
    fn deleted_since(&mut self) -> Option<Step> {
        // Something was deleted since of which nobody had the names: it may have been what this has made (S14c).
        let sent = self.record.progress.sent_at.unwrap_or_default();
        let nameless = self.case.ground.profile.deleted_nameless(&self.case.request.resource_type);
        if self.person.memory.life == Life::Expected && Some(sent) <= nameless {
            bury(self.case, &mut self.person, None);
        }
        let deleted = self.person.memory.life == Life::Deleted;
        deleted.then(|| self.refuse(answers::of(Verdict::SupersededByDeletion, &self.record.id)))
    }

    fn unknown_update(&mut self) -> Step {
        let Some(id) = self.case.request.id.clone().or_else(|| self.effect_id()) else {
            return self.pass_on();
        };
        let question = self.case.by_id(&id);
        let Some(seen) = self.case.seen(&question) else {
            return only(Action::Ask(vec![question]));
        };
        let delete = self.case.request.method == Method::Delete;
        let another = self.case.looks_for_another();
        if let Sight::Answered(answer) = &seen.sight {
            if delete && !another && matches!(answer.status, 404 | 410) {
                return self.case.asks_again(&id).unwrap_or_else(|| self.gone(Verdict::Done));
            }
            if let Some(resource) = resource_in(answer) {
                if self.is_deactivated(&resource) {
                    return self.gone(Verdict::Done);
                }
                let creates = self.case.request.method == Method::Create;
                if creates && self.has_returned(&resource) {
                    return self.made(self.return_verdict(), &resource);
                }
                if !delete && !creates {
                    let before = self.record.progress.before.as_ref();
                    let schema = &self.case.ground.schema;
                    let holds = self.case.wish.statement.holds(before, &resource, schema);
                    let may_send =
                        !self.secret_is_gone() && !self.is_overtaken(&self.case.touched());
                    if self.is_so(&resource, &holds)
                        || !may_send && self.has_come(&resource, &holds)
                    {
                        self.record.progress.answered = None;
                        return self.judge_update(&id, &resource, holds);
                    }
                }
            }
            if !delete && !another && matches!(answer.status, 404 | 410) {
                self.record.progress.answered = Some(answer.clone());
                return self.pass_on();
            }
        }
        if another {
            return self.not_shown();
        }
        let now = self.case.now();
        let sent = self.record.progress.sent_at.unwrap_or_default();
        let conclusive_at = sent + self.case.ground.profile.apply_bound();
        if now < conclusive_at {
            let backoff = LOOK_MS << self.record.progress.looks.min(4);
            return self.wait(conclusive_at.min(now + backoff));
        }
        // What takes access away is never given up because something else was taken away (S14c, S29). What gives is
        // open until it can take effect no more: whoever takes away until then passes it, and is looked after.
        if !self.case.wish.statement.safe_way() && !self.passed_by().is_empty() {
            let mut answer = answers::of(Verdict::Superseded, &self.record.id);
            answer.evidence = Evidence::Read;
            return self.refuse(answer);
        }
        if self.is_overtaken(&self.case.touched()) {
            return self.stale();
        }
        let shown = matches!(&seen.sight, Sight::Answered(answer) if resource_in(answer).is_some());
        let blind = !shown && !self.case.wish.statement.safe_way();
        // What gives is not sent again over a look that shows nothing, or that was too early to tell (S13).
        if blind && now < conclusive_at + READING_MS_MOST {
            return self.wait(now + (LOOK_MS << 4));
        }
        if !self.case.wish.statement.safe_way() && seen.asked_at < conclusive_at {
            return self.wait(now);
        }
        // Nor can it be sent again without its secret: that nobody was shown it says nothing.
        if !shown && self.secret_is_gone() && self.record.progress.looks < LOOKS_MOST {
            return self.wait(now + (LOOK_MS << 4));
        }
        if !blind && self.record.progress.sends <= RESENDS_MOST {
            return self.send_rest();
        }
        self.not_taken()
    }

    /// It was sent as often as it may be: what the target has said against it, if it said anything.
    fn not_taken(&mut self) -> Step {
        match &self.record.progress.answered {
            Some(answer) if 400 <= answer.status => self.pass_on(),
            Some(_) | None => self.refuse(answers::unavailable(&self.record.id, UNSEEN)),
        }
    }

    // ---- after the answer ---------------------------------------------------------------------

    /// A revocation that passed others is looked after until nothing can come after it (S14c).
    fn watch(&mut self) -> Step {
        let Some(id) = self.case.request.id.clone() else { return self.again() };
        let until = self.record.progress.watch_until.unwrap_or_default();
        let settled_seq = self.record.progress.settled_seq;
        let touched = self.case.touched();
        // The watch ends when a request on these paths that came later is dispatched, settled or not. What came within
        // the same millisecond was decided after it, or its entry would be older.
        let asked = self.record.progress.request.received_at.saturating_sub(1);
        let memory = &self.person.memory;
        // What the source numbers came later by its number (S20).
        let version = self.case.wish.version;
        let overtaken = version.is_some_and(|version| memory.is_overtaken(version, &touched));
        let moved = overtaken || memory.moved_since(settled_seq, Some(asked), version, &touched);
        let sent_since = self.case.open.iter().any(|open| {
            let request = &open.progress.request;
            let other = open.id != self.record.id
                && settled_seq <= open.progress.seq
                && asked < request.received_at
                && !precedes(request.version, version);
            let stated = self.case.statement_of(open).filter(|_| other);
            stated.is_some_and(|of| {
                of.touched().iter().any(|path| crate::state::overlaps_any(&path.0, &touched))
            })
        });
        let later = moved || sent_since;
        let question = self.case.by_id(&id);
        if !later {
            let Some(seen) = self.case.seen(&question) else {
                return only(Action::Ask(vec![question]));
            };
            let resource = match &seen.sight {
                Sight::Answered(answer) => resource_in(answer),
                Sight::Refused(_) | Sight::Listed(_) | Sight::Nothing => None,
            };
            let undone = resource.as_ref().is_some_and(|resource| match self.case.request.method {
                Method::Delete => !resource.find("active").is_some_and(is_false),
                Method::Create | Method::Replace | Method::Patch => {
                    let schema = &self.case.ground.schema;
                    let holds = self.case.wish.statement.holds(None, resource, schema);
                    holds.not_kept.iter().any(|one| one.taking || self.is_overwritten(one))
                }
            });
            // What is seen long after the last of those who were passed is somebody else's change (S14c).
            let in_time =
                seen.asked_at < until.saturating_add(self.case.ground.profile.apply_bound());
            // What its sender was told holds already was accepted from nobody (S41).
            if undone && in_time && self.may_send() && self.record.progress.sends < SENDS_MOST * 2 {
                // Whoever has changed it since: it was answered that it is taken away.
                let body = resource.map(|resource| self.asserted(&resource));
                if let Some(effect) = &mut self.record.progress.effect {
                    effect.if_match = None;
                    if let Some(body) = body.flatten() {
                        effect.body = body;
                    }
                }
                return self.send_again();
            }
        }
        let over = later || until <= self.case.now();
        let (event, wake) = if over {
            (Event::Settle, None)
        } else {
            (Event::Dispatch, Some(self.case.now() + WATCH_MS))
        };
        if over {
            self.record.progress.watch_until = None;
        }
        self.end(event, wake, self.fenced())
    }

    /// Whether what the source has numbered lower may have written over it (S20). What gives access is not given again.
    fn is_overwritten(&self, one: &NotKept) -> bool {
        let gives =
            one.active || EDGES.iter().any(|edge| crate::state::overlaps(edge, &one.path.0));
        self.case.wish.version.is_some() && !gives && !kept::explains(&self.person.memory, one)
    }

    /// What is sent again of an update that was undone: what it takes and, where the source numbers it, the rest too, but for what gives access.
    fn asserted(&self, resource: &Value) -> Option<EffectBody> {
        let progress = &self.record.progress;
        let respelled = progress.respelled || !progress.restored.is_empty();
        if self.case.request.method != Method::Patch || respelled {
            return None;
        }
        let (statement, schema) = (&self.case.wish.statement, &self.case.ground.schema);
        let plain = Allowance {
            only_taking: self.case.wish.version.is_none(),
            unshown: crate::decide::unshown(self.case),
            appended: self.case.ground.profile.appended(&self.case.request.resource_type),
            ..Allowance::default()
        };
        let withheld = statement.against(resource, schema, &plain).gives;
        let difference = statement.against(resource, schema, &Allowance { withheld, ..plain });
        Some(written(self.case, difference.body, resource))
    }

    /// Nobody was told of a create that states a secret: the secret of whoever asks again is written by one update (S3a).
    fn unheard(&mut self, until: UnixMillis, report: Option<&Report>) -> Step {
        let Some(mut receipt) = self.record.receipt().cloned() else { return self.again() };
        let mut ends = true;
        let sent = self.record.progress.effect.as_ref();
        // An update whose answer was lost may be in force or not: it is sent again.
        let lost = sent.is_some_and(|effect| effect.method == Method::Patch);
        // An update of nothing is none: RFC 7644 §3.5.2 wants an operation.
        let states = self.case.wish.statement.states_secret();
        match report.map(|report| &report.outcome) {
            None if self.case.says("body-held").is_none() => {
                let over = until <= self.case.now();
                self.record.progress.unheard_until = Some(until).filter(|_| !over);
                let (event, wake) =
                    if over { (Event::Settle, None) } else { (Event::Dispatch, Some(until)) };
                return self.end(event, wake, self.fenced());
            }
            None if states && (lost || self.states_another_secret()) => return self.write_secret(),
            None => {}
            Some(Outcome::Answered(answer)) => match judge(Method::Patch, 1, answer) {
                Judgement::Accepted => self.record.progress.request = self.case.numbered(),
                Judgement::NotSent | Judgement::Unknown => return self.secret_unknown(),
                // The first secret stays, and the answer says so. But for these two nothing is said of what this one is worth.
                Judgement::Definite | Judgement::LookInto => {
                    ends = matches!(answer.status, 400 | 422);
                    self.record.progress.answered = Some(answer.clone());
                }
            },
            Some(Outcome::NotSent(_) | Outcome::Unknown(_)) => return self.secret_unknown(),
        }
        let progress = &mut self.record.progress;
        // Whoever waits no longer is not told.
        progress.unheard_until.take_if(|_| ends && self.case.says(AWAITED).is_some());
        receipt.notes.extend(crate::admit::secret_differs(self.case, &self.record));
        let progress = &self.record.progress;
        let (event, wake) = match progress.unheard_until {
            Some(_) => (Event::Dispatch, progress.unheard_until),
            None => (Event::Settle, None),
        };
        let answer = match progress.answered.as_ref().filter(|_| !ends) {
            Some(answer) => crate::admit::secret_told(&self.record, answer, receipt),
            None => receipt,
        };
        let identities = self.fenced();
        let write = self.record.after(event, wake);
        let write = write.map(|entry| Write { entry, identities, learned: Vec::new() });
        Step { write, action: Action::Answer(answer) }
    }

    /// The same request again writes its secret again.
    fn secret_unknown(&self) -> Step {
        only(Action::Answer(answers::of(Verdict::Unresolved, &self.record.id)))
    }

    fn states_another_secret(&self) -> bool {
        crate::admit::secret_differs(self.case, &self.record).is_some()
    }

    fn write_secret(&mut self) -> Step {
        let id = self.person.memory.target_id.clone().unwrap_or_default();
        let question = self.case.by_id(&id);
        let Some(seen) = self.case.seen(&question) else {
            return only(Action::Ask(vec![question]));
        };
        let shown = matches!(&seen.sight, Sight::Answered(answer) if resource_in(answer).is_some());
        if !shown {
            return self.secret_unknown();
        }
        let effect = self.secret_effect(id);
        let identities = self.fenced();
        let write = self.record.after(Event::Dispatch, self.record.progress.unheard_until);
        let write = write.map(|entry| Write { entry, identities, learned: Vec::new() });
        Step { write, action: Action::Apply(effect) }
    }

    /// The update that writes the secrets of whoever asks; noted as what was sent last.
    fn secret_effect(&mut self, id: String) -> Effect {
        let effect = Effect {
            method: Method::Patch,
            resource_type: self.case.request.resource_type.clone(),
            id: Some(id),
            body: EffectBody::Document(self.case.wish.statement.secret_update().to_string()),
            if_match: None,
        };
        self.record.progress.effect = Some(effect.clone());
        self.record.progress.answered = None;
        effect
    }

    /// What was accepted and could not be read is looked at until it shows, or D and L are over (S11).
    ///
    /// The receipt stands as it was told; what shows is remembered of the resource.
    fn second_look(&mut self) -> Step {
        let made = || self.answered_id().or_else(|| self.person.memory.target_id.clone());
        let Some(id) = self.case.request.id.clone().or_else(made) else { return self.again() };
        let question = self.case.by_id(&id);
        let Some(seen) = self.case.seen(&question) else {
            return only(Action::Ask(vec![question]));
        };
        let resource = match &seen.sight {
            Sight::Answered(answer) => resource_in(answer),
            Sight::Refused(_) | Sight::Listed(_) | Sight::Nothing => None,
        };
        let creates = self.case.request.method == Method::Create;
        let schema = &self.case.ground.schema;
        let shown = resource.and_then(|resource| {
            let holds = self.case.wish.statement.holds(None, &resource, schema);
            (creates || holds.all).then_some((resource, holds))
        });
        let Some((resource, holds)) = shown else { return self.look_later() };
        see_shown(self.case, &mut self.person, &id, &resource);
        kept::remember(self.case, &mut self.person.memory, &holds, &self.record.progress.left_out);
        if creates {
            self.person.memory.made_by = Some(self.record.statement.clone());
        }
        let names = linked_names(self.case, &self.person, &id, Some(&resource));
        let names = if creates { self.with_own(names, &id) } else { names };
        let identities = self.identities(names);
        self.end(Event::Settle, None, identities)
    }

    fn look_later(&self) -> Step {
        let profile = self.case.ground.profile;
        let told = self.record.progress.settled_at.unwrap_or_default();
        let now = self.case.now();
        if told.saturating_add(profile.settled()) <= now {
            return self.again();
        }
        self.end(Event::Dispatch, Some(now + WATCH_MS), self.fenced())
    }

    /// The receipt again, and the entry as it is from now on.
    fn end(&self, event: Event, wake: Option<UnixMillis>, identities: Vec<IdentityWrite>) -> Step {
        let receipt = self.record.receipt().cloned();
        let receipt = receipt.unwrap_or_else(|| answers::of(Verdict::Unresolved, &self.record.id));
        let entry = self.record.after(event, wake);
        let write = entry.map(|entry| Write { entry, identities, learned: Vec::new() });
        Step { write, action: Action::Answer(Answer { replayed: true, ..receipt }) }
    }

    /// A settled entry is looked at again: only where its effect could not be read.
    fn again(&self) -> Step {
        self.end(Event::Settle, None, self.fenced())
    }

    /// A person lets this return go, until then: this request, after this deletion (S21). Approving twice is one approval.
    fn approve(&mut self, until: UnixMillis) -> Result<Step, ContractError> {
        let now = Some(self.case.now());
        let deleted_at = self.person.memory.deleted_at;
        let progress = &mut self.record.progress;
        let waits = progress.staged.is_some() && progress.staged == deleted_at;
        if !waits || self.record.stage != Some(Stage::Refused) || Some(until) <= now {
            return Err(ContractError {
                code: "state".into(),
                detail: "this decision does not wait for an approval, or the approval is over before it begins".into(),
            });
        }
        let known = now < progress.approved_until;
        if !known {
            progress.approved_until = Some(until);
        }
        let until = progress.approved_until.unwrap_or_default();
        let mut answer = answers::of(Verdict::Staged, &self.record.id);
        answer.notes.push(answers::note("approved-until", &until.to_string()));
        // The fence tells whoever decides at this moment that it was approved meanwhile.
        let identities = self.fenced();
        let entry = self.record.after(Event::Refuse, None).filter(|_| !known);
        let write = entry.map(|entry| Write { entry, identities, learned: Vec::new() });
        Ok(Step { write, action: Action::Answer(answer) })
    }

    /// A person says what a parked request has made: the resource with this id, or, where there is no id, none (S41).
    ///
    /// That there is none is believed: it ends, and its client asks again. The other is looked at first.
    fn resolve(&mut self, id: &str) -> Result<Step, ContractError> {
        let sent = self.record.progress.sent_at.unwrap_or_default();
        let may_land = self.case.now() < sent.saturating_add(self.case.ground.profile.settled());
        let fits = id.is_empty() || fits_path(id);
        if self.record.stage != Some(Stage::Parked) || may_land || !fits {
            return Err(ContractError {
                code: "state".into(),
                detail: "this decision is not parked, what was sent may still take effect, or the id cannot be one".into(),
            });
        }
        if id.is_empty() {
            if let Some(step) = self.deleted_since() {
                return Ok(step);
            }
            return Ok(self.refuse(answers::unavailable(&self.record.id, RESOLVED)));
        }
        self.record.progress.resolved = Some(id.into());
        let entry = self.record.after(Event::Park, Some(self.case.now()));
        let identities = self.fenced();
        let write = entry.map(|entry| Write { entry, identities, learned: Vec::new() });
        Ok(Step { write, action: Action::Answer(answers::of(Verdict::Parked, &self.record.id)) })
    }

    /// What a person says that it made is looked at: a resource that it could have made is its own; of any other that was
    /// a mistake, and it stays as it was.
    fn resolved(&mut self) -> Option<Step> {
        let id = self.record.progress.resolved.clone()?;
        let question = self.case.by_id(&id);
        let Some(seen) = self.case.seen(&question) else {
            return Some(only(Action::Ask(vec![question])));
        };
        let resource = match &seen.sight {
            Sight::Answered(answer) => resource_in(answer),
            Sight::Refused(_) | Sight::Listed(_) | Sight::Nothing => None,
        };
        let Some(resource) = resource else {
            if failed(&seen.sight) || self.case.looks_for_another() {
                // It may be there for others, or later.
                return Some(self.park(&[]));
            }
            if let Some(step) = self.case.asks_again(&id) {
                return Some(step);
            }
            return Some(self.mistaken());
        };
        let statement = &self.case.wish.statement;
        let correlation = self.case.ground.policy.correlation(&self.case.request.resource_type);
        let named = match statement.matches(&resource, correlation) {
            Match::ExternalId | Match::Correlation(_) => !self.was_known(&id),
            // Where nothing identifies it: it must be equal in all that is stated, and nobody else's.
            Match::No => {
                self.other_holder(&id).is_none()
                    && statement.differs(&resource, &self.case.ground.schema).is_empty()
            }
            Match::OtherExternalId(_) => false,
        };
        if named && !self.record.progress.alike.contains(&id) {
            return Some(self.adopt(&id));
        }
        Some(self.mistaken())
    }

    /// What a person said cannot be: nothing that was seen on the way is taken for a trace.
    fn mistaken(&mut self) -> Step {
        self.record.progress.resolved = None;
        self.park(&[])
    }

    // ---- ends ---------------------------------------------------------------------------------

    /// The resource exists, and this request made it.
    fn made(&mut self, verdict: Verdict, resource: &Value) -> Step {
        let Some(id) = id_of(resource) else { return self.unverified(None) };
        if let Some(step) = self.unite(&id) {
            return step;
        }
        self.see_made(&id);
        let schema = &self.case.ground.schema;
        let mut lost = self.case.wish.statement.differs(resource, schema);
        if let Some(stated) = self.case.wish.statement.body()
            && verdict == Verdict::Reactivated
        {
            lost.extend(privileges_beside(stated, resource).into_iter().map(String::from));
        }
        let kind = &self.case.request.resource_type;
        if self.case.ground.profile.witness(kind).is_none() {
            self.learned.push((profile::witness(kind), id.clone()));
        }
        let holds = self.case.wish.statement.holds(None, resource, schema);
        kept::remember(self.case, &mut self.person.memory, &holds, &self.record.progress.left_out);
        let shown = self.shown_edges(&holds);
        self.learned.extend(shown);
        // Where every send has failed by a precondition of our own, who made it so is somebody else.
        let changed = 0 < self.record.progress.sends || self.record.progress.unknown;
        let mut receipt = self.receipt(verdict, changed, Evidence::Read);
        if verdict == Verdict::Adopted {
            receipt.target = Some(located(&self.shown(&id)));
            receipt.status = Some(201);
        }
        if verdict == Verdict::Reactivated {
            receipt.target = Some(TargetAnswer { status: 200, ..self.shown(&id) });
            receipt.status = Some(200);
        }
        answers::keeps_not(&mut receipt, lost);
        if self.record.progress.unproved {
            receipt.notes.push(answers::note("absence", "unproved"));
        }
        let names = linked_names(self.case, &self.person, &id, Some(resource));
        let touched = BTreeSet::from([String::from("*")]);
        let latest = self.case.ground.policy.create_secret == CreateSecret::Latest;
        let heard = self.case.says(AWAITED).is_some();
        let differs = heard && self.states_another_secret();
        let unheard = latest && self.case.wish.statement.states_secret() && (differs || !heard);
        if unheard {
            self.record.progress.unheard_until = Some(self.case.now() + UNHEARD_MS);
        }
        let names = self.with_own(names, &id);
        let update = (unheard && differs).then(|| self.secret_effect(id));
        let step = self.close(receipt, names, touched, BTreeSet::new(), Vec::new());
        Step { action: update.map_or(step.action, Action::Apply), ..step }
    }

    /// The identity that has the id of what was made, if it is not the entry's own: somebody went on by that id while nobody
    /// knew what the create had made (S14c).
    fn other_holder(&self, id: &str) -> Option<&Person> {
        let united = self.absorbed.as_ref().map(|one| &one.id);
        let holder = self.case.holder_of(&id_name(self.case.request, id));
        holder.filter(|holder| holder.id != self.person.id && Some(&holder.id) != united)
    }

    /// Makes one identity of two, where what was made has one already (S14c, S16). A step where that cannot be yet, or never.
    fn unite(&mut self, id: &str) -> Option<Step> {
        let other = self.other_holder(id)?.clone();
        if other.memory.source() != self.person.memory.source() {
            let mut answer = answers::of(Verdict::FoundAlreadyLinked, &self.record.id);
            answer.evidence = Evidence::Read;
            return Some(self.refuse(answer));
        }
        if let Some(step) = self.wait_for_open(&other, id) {
            return Some(step);
        }
        self.absorbed = Some(self.person.unite(&other));
        None
    }

    /// What is under way on the other identity, and what it is watched for, comes to its end there (S14a).
    fn wait_for_open(&mut self, other: &Person, id: &str) -> Option<Step> {
        let mut open = self.case.open_of(other);
        if open.all(|one| one.progress.unheard_until.is_some()) {
            return None;
        }
        self.record.progress.trace = Some(id.into());
        let backoff = LOOK_MS << self.record.progress.looks.min(4);
        Some(self.wait(self.case.now() + backoff))
    }

    /// What the create has made is not there any more. Whoever has deleted it by its id has ended the life that the create
    /// began (S21); none where nobody has.
    fn gone_since(&mut self, id: &str) -> Option<Step> {
        let memory = &self.person.memory;
        let linked = memory.target_id.as_deref() == Some(id) || memory.life == Life::Live;
        if !linked && !self.case.holds(&id_name(self.case.request, id)) {
            // Whose it is, the ledger tells: the write takes the name, or is refused.
            self.person.memory.target_id = Some(id.into());
            let identities = self.identities(self.with_own(None, id));
            return Some(self.wait_with(self.case.now(), identities));
        }
        let other = self.other_holder(id)?.clone();
        if let Some(step) = self.wait_for_open(&other, id) {
            return Some(step);
        }
        if other.memory.life != Life::Deleted {
            return None;
        }
        if let Some(step) = self.unite(id) {
            return Some(step);
        }
        self.superseded_by_deletion(id)
    }

    /// The identity that was made one with the create's own is deleted: nothing is given back.
    fn superseded_by_deletion(&mut self, id: &str) -> Option<Step> {
        self.absorbed.as_ref().filter(|other| other.memory.life == Life::Deleted)?;
        let answer = answers::of(Verdict::SupersededByDeletion, &self.record.id);
        let identities = self.identities(self.with_own(None, id));
        Some(self.refuse_with(answer, identities))
    }

    /// This entry's client has made the resource, whoever looks.
    fn see_made(&mut self, id: &str) {
        let other = self.absorbed.as_ref().map(|other| &other.memory);
        // What was deleted by its id in the meantime stays deleted (S21).
        if other.is_none_or(|other| other.life != Life::Deleted) {
            see(self.case, &mut self.person, id);
        }
        let memory = &mut self.person.memory;
        if other.is_none_or(|other| other.made_by.is_none()) {
            memory.made_by = Some(self.record.statement.clone());
        }
        let client = &self.record.progress.request.scope.principal;
        know(&mut memory.shown_to, client);
        know(&mut memory.listed_to, client);
    }

    /// The trace of our own effect becomes the identity's resource (S18).
    fn adopt(&mut self, id: &str) -> Step {
        let question = self.case.by_id(id);
        let Some(seen) = self.case.seen(&question) else {
            return only(Action::Ask(vec![question]));
        };
        let Sight::Answered(answer) = &seen.sight else {
            return self.wait(self.case.now() + LOOK_MS);
        };
        let Some(resource) = resource_in(answer) else {
            return self.wait(self.case.now() + LOOK_MS);
        };
        if let Some(step) = self.unite(id) {
            return step;
        }
        let superseded = self.superseded_by_deletion(id);
        superseded.unwrap_or_else(|| self.made(Verdict::Adopted, &resource))
    }

    fn gone(&mut self, verdict: Verdict) -> Step {
        let mut learned = Vec::new();
        let id = self.case.request.id.clone().unwrap_or_default();
        let seen = self.case.seen(&self.case.by_id(&id));
        let off = seen.is_some_and(|seen| match &seen.sight {
            Sight::Answered(answer) => resource_in(answer).is_some(),
            Sight::Refused(_) | Sight::Listed(_) | Sight::Nothing => false,
        });
        if off {
            let kind = &self.case.request.resource_type;
            learned.push((profile::deactivates(kind), "true".into()));
        }
        if self.case.ground.profile.witness(&self.case.request.resource_type) == Some(&id) {
            let kind = &self.case.request.resource_type;
            learned.push((profile::witness(kind), String::new()));
        }
        self.person.memory.target_id = Some(id);
        let mut receipt = self.receipt(verdict, verdict == Verdict::Done, Evidence::Read);
        let accepted =
            receipt.target.as_ref().is_some_and(|answer| (200..300).contains(&answer.status));
        // Who was never shown it is told what they see, and others lose nothing by it (S14).
        if accepted || off || self.case.knows_gone(&self.person.memory) {
            bury(self.case, &mut self.person, Some(self.case.request.received_at));
        }
        let choice = self.case.ground.policy.delete_absent;
        if verdict == Verdict::AlreadySatisfied && choice == DeleteAbsent::NotFound {
            receipt.status = receipt.target.as_ref().map(|answer| answer.status);
        } else if !accepted {
            receipt.target = None;
            receipt.status = Some(204);
        }
        self.finish(receipt, None, learned)
    }

    /// Not seen, and not deleted by this source: the target's own answer is passed on (S23).
    fn was_not_there(&mut self) -> Step {
        let live = self.person.memory.life == Life::Live;
        if live && self.case.knows_gone(&self.person.memory) {
            bury(self.case, &mut self.person, None);
        }
        self.pass_on()
    }

    /// The target accepted, and cannot be read: its own answer is the evidence (S14c).
    fn by_response(&mut self) -> Step {
        if !self.case.wish.statement.safe_way() {
            return self.unverified(None);
        }
        if !self.record.progress.blind {
            if self.case.looks_for_another() {
                return self.not_shown();
            }
            // It could be read before: no success until it is seen (S11).
            let backoff = LOOK_MS << self.record.progress.looks.min(UNSEEN_BACKOFF_MOST);
            return self.wait(self.case.now() + backoff);
        }
        if self.case.request.method == Method::Delete {
            return self.deleted_by_response();
        }
        self.done_by_response()
    }

    fn deleted_by_response(&mut self) -> Step {
        bury(self.case, &mut self.person, Some(self.case.request.received_at));
        let receipt = self.receipt(Verdict::Done, true, Evidence::Response);
        self.finish(receipt, None, Vec::new())
    }

    /// What takes access away was accepted, and that is all there is to see.
    fn done_by_response(&mut self) -> Step {
        let taken = self.case.takes();
        let receipt = self.receipt_by_response(Verdict::Done, true);
        let touched = self.case.touched();
        self.close(receipt, None, touched, taken, Vec::new())
    }

    /// Accepted, and not seen: it closes, and claims no change (S11).
    fn unverified(&mut self, names: Option<Vec<Name>>) -> Step {
        let receipt = self.receipt_by_response(Verdict::AcceptedUnverified, false);
        let touched = self.case.touched();
        self.close(receipt, names, touched, BTreeSet::new(), Vec::new())
    }

    /// The receipt of what was not read back: of a request of which a part was left out it is no success.
    fn receipt_by_response(&self, verdict: Verdict, changed: bool) -> Answer {
        let left_out = &self.record.progress.left_out;
        if left_out.is_empty() {
            return self.receipt(verdict, changed, Evidence::Response);
        }
        let receipt = self.receipt(self.partly(), changed, Evidence::Response);
        Answer { target: None, attributes: left_out.iter().cloned().collect(), ..receipt }
    }

    /// The target's own answer ends it, and nothing has changed.
    fn pass_on(&mut self) -> Step {
        let answer = match &self.record.progress.answered {
            Some(answer) => answers::refused(&self.record.id, answer),
            None => answers::of(Verdict::Unavailable, &self.record.id),
        };
        self.refuse(answer)
    }

    fn refuse(&mut self, answer: Answer) -> Step {
        let own = IdentityWrite { identity: self.person.identity(), names: None };
        self.refuse_with(answer, vec![own])
    }

    fn refuse_with(&mut self, answer: Answer, identities: Vec<IdentityWrite>) -> Step {
        let learned = self.news();
        let entry = self.record.after(Event::Refuse, None);
        let write = entry.map(|entry| Write { entry, identities, learned });
        Step { write, action: Action::Answer(answer) }
    }

    /// Somebody else looks, and is not shown that it took effect: that proves nothing (S14).
    ///
    /// Once it can take effect no more an update ends unsent, for its own client to ask again and see for itself. A create may have been made unseen: it stays as it is until somebody is shown it, or its own client looks.
    fn not_shown(&mut self) -> Step {
        let now = self.case.now();
        let sent = self.record.progress.sent_at.unwrap_or_default();
        let over = sent.saturating_add(self.case.ground.profile.settled());
        if now < over {
            let backoff = LOOK_MS << self.record.progress.looks.min(4);
            return self.wait(over.min(now + backoff));
        }
        let answer = answers::unavailable(&self.record.id, NOT_OURS);
        if self.case.request.method == Method::Create && self.effect_id().is_none() {
            return only(Action::Answer(answer));
        }
        self.refuse(answer)
    }

    fn park(&mut self, ids: &[String]) -> Step {
        let mut answer = answers::of(Verdict::Parked, &self.record.id);
        answer.evidence = Evidence::None;
        if !ids.is_empty() {
            answer.notes.push(answers::note("candidates", &ids.join(",")));
        }
        let wake = Some(self.case.now() + PARKED_LOOK_MS);
        let write = self.record.after(Event::Park, wake).map(|entry| Write {
            entry,
            identities: self.fenced(),
            learned: self.news(),
        });
        Step { write, action: Action::Answer(answer) }
    }

    fn wait(&mut self, until: UnixMillis) -> Step {
        let identities = self.fenced();
        self.wait_with(until, identities)
    }

    fn wait_with(&mut self, until: UnixMillis, identities: Vec<IdentityWrite>) -> Step {
        self.record.progress.looks += 1;
        let event =
            if self.record.stage == Some(Stage::Parked) { Event::Park } else { Event::Dispatch };
        let entry = self.record.after(event, Some(until));
        let write = entry.map(|entry| Write { entry, identities, learned: Vec::new() });
        Step { write, action: Action::Wait(until) }
    }

    /// Whether the target has accepted it from its sender: what was told to hold already was never sent.
    fn was_accepted(&self) -> bool {
        self.record.receipt().is_some_and(|receipt| receipt.changed)
    }

    /// Whether the credential at hand may send it: that of its sender, and to look with also where the target has accepted it from them (S41).
    fn may_send(&self) -> bool {
        match self.case.says("credential") {
            None => true,
            Some("look") => self.was_accepted() || !self.record.progress.restored.is_empty(),
            Some(_) => false,
        }
    }

    fn send_again(&mut self) -> Step {
        let Some(mut effect) = self.record.progress.effect.clone() else { return self.pass_on() };
        // What somebody else has ended meanwhile is decided anew, behind what was begun since (S9, S14a).
        if !self.may_send() || self.record.stage == Some(Stage::Refused) {
            return self.refuse(answers::unavailable(&self.record.id, NOT_OURS));
        }
        if self.case.says("body-held").is_none() {
            // The client's bytes are gone with the process: the same document, unless a secret was in it.
            if effect.body == EffectBody::AsSent {
                let Some(body) = self.case.request.body.clone() else { return self.pass_on() };
                effect.body = EffectBody::Document(body);
            }
            if matches!(&effect.body, EffectBody::Document(body) if contains(body, "\"$secret\"")) {
                return self.refuse(answers::unavailable(&self.record.id, SECRET_GONE));
            }
        }
        // What is sent again goes under what was seen last.
        let id = effect.id.clone();
        if let Some((resource, answer)) = id.as_deref().and_then(|id| self.read(id)) {
            effect.if_match = precondition(self.case, version_is_etag(&resource, answer), answer);
            if let Some(own) = &mut self.record.progress.effect {
                own.if_match.clone_from(&effect.if_match);
            }
        }
        if effect.body == EffectBody::AsSent {
            // Whoever asks now may state another secret than the one before (S3a).
            self.record.progress.request = self.case.numbered();
        }
        self.record.progress.sends += 1;
        self.record.progress.sent_at = Some(self.case.now());
        self.record.progress.answered = None;
        self.record.progress.looks = 0;
        let wake = Some(self.case.now() + self.case.ground.profile.apply_bound());
        let write = self.record.after(Event::Dispatch, wake).map(|entry| Write {
            entry,
            identities: vec![IdentityWrite { identity: self.person.identity(), names: None }],
            learned: self.news(),
        });
        match write {
            Some(write) => Step { write: Some(write), action: Action::Apply(effect) },
            None => self.pass_on(),
        }
    }

    fn close(
        &mut self,
        receipt: Answer,
        names: Option<Vec<Name>>,
        touched: BTreeSet<String>,
        taken: BTreeSet<String>,
        learned: Vec<(String, String)>,
    ) -> Step {
        let received_at = Some(self.case.request.received_at);
        self.case.changed(&mut self.person.memory, received_at, touched, taken);
        self.finish(receipt, names, learned)
    }

    fn finish(
        &mut self,
        receipt: Answer,
        names: Option<Vec<Name>>,
        learned: Vec<(String, String)>,
    ) -> Step {
        let success = answers::is_success(receipt.verdict);
        if success {
            commit_version(self.case, &mut self.person, self.case.touched());
        } else if receipt.changed {
            commit_version(self.case, &mut self.person, self.case.takes());
        }
        self.record.identity = Some(self.person.id.clone());
        let progress = &mut self.record.progress;
        progress.settled_at = Some(self.case.now());
        progress.settled_seq = self.person.memory.seq;
        progress.receipt = Some(receipt.clone());
        progress.before = None;
        let watched = progress.watch_until.is_some_and(|until| self.case.now() < until)
            || receipt.verdict == Verdict::AcceptedUnverified;
        let (event, wake) = if progress.unheard_until.is_some() {
            (Event::Dispatch, progress.unheard_until)
        } else if watched {
            (Event::Dispatch, Some(self.case.now() + WATCH_MS))
        } else {
            (Event::Settle, None)
        };
        self.learned.extend(learned);
        let learned = self.news();
        let identities = self.identities(names);
        let write =
            self.record.after(event, wake).map(|entry| Write { entry, identities, learned });
        Step { write, action: Action::Answer(receipt) }
    }

    /// The identity with its names. One that turned out to be this one has none any more. An external id that another identity
    /// has of an earlier try, without a resource, is given up by that in the same write; one that has a resource keeps it.
    fn identities(&self, mut names: Option<Vec<Name>>) -> Vec<IdentityWrite> {
        let united = self.absorbed.as_ref();
        let mut all: Vec<IdentityWrite> = united.map(Person::given_up).into_iter().collect();
        let is_ours = |one: &&Person| {
            one.id == self.person.id || united.is_some_and(|united| united.id == one.id)
        };
        names.iter_mut().for_each(|names| {
            names.retain(|name| {
                let holder = self.case.holder_of(name).filter(|one| !is_ours(one));
                match holder.filter(|_| name.kind == NameKind::ExternalId) {
                    Some(other) if other.memory.target_id.is_some() => false,
                    Some(other) => {
                        if all.iter().all(|one| one.identity.id != other.id) {
                            all.push(other.given_up());
                        }
                        true
                    }
                    None => true,
                }
            });
        });
        all.push(IdentityWrite { identity: self.person.identity(), names });
        all
    }

    /// What was learned and is not known yet.
    fn news(&self) -> Vec<Field> {
        self.case.ground.profile.news(self.learned.clone())
    }

    /// The identity as it is: a write by a holder that was passed since is refused (S7).
    fn fenced(&self) -> Vec<IdentityWrite> {
        let person = self.case.person_of(&self.record);
        person
            .map(|one| IdentityWrite { identity: one.identity(), names: None })
            .into_iter()
            .collect()
    }

    // ---- readings -----------------------------------------------------------------------------

    fn receipt(&self, verdict: Verdict, changed: bool, evidence: Evidence) -> Answer {
        let target = self.record.progress.answered.clone();
        let mut receipt = answers::seen(verdict, &self.record.id, None, target);
        receipt.changed = changed;
        receipt.evidence = evidence;
        receipt
    }

    /// What the latest look by id showed, with the answer that showed it.
    fn read(&self, id: &str) -> Option<(Value, &TargetAnswer)> {
        let Sight::Answered(answer) = &self.case.seen(&self.case.by_id(id))?.sight else {
            return None;
        };
        Some((resource_in(answer)?, answer))
    }

    /// The read by id, as an answer to repeat.
    fn shown(&self, id: &str) -> TargetAnswer {
        let seen = self.case.seen(&self.case.by_id(id));
        match seen.map(|seen| &seen.sight) {
            Some(Sight::Answered(answer)) => answer.clone(),
            Some(Sight::Refused(_) | Sight::Listed(_) | Sight::Nothing) | None => TargetAnswer {
                status: 200,
                location: None,
                etag: None,
                content_type: None,
                retry_after: None,
                body: None,
                extra: Vec::new(),
            },
        }
    }

    fn answered_id(&self) -> Option<String> {
        let answer = self.record.progress.answered.as_ref()?;
        if let Some(id) = resource_in(answer).as_ref().and_then(id_of) {
            return Some(id);
        }
        let path = answer.location.as_deref()?.split(['?', '#']).next()?;
        let last = path.trim_end_matches('/').rsplit('/').next()?;
        let plain = last.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        (plain && last.bytes().any(|byte| byte.is_ascii_alphanumeric())).then(|| last.into())
    }

    fn effect_id(&self) -> Option<String> {
        self.record.progress.effect.as_ref().and_then(|effect| effect.id.clone())
    }

    fn says_gone(&self) -> bool {
        let answer = self.record.progress.answered.as_ref();
        answer.is_some_and(|answer| matches!(answer.status, 404 | 410))
    }

    /// What was taken away since the effect was decided, by requests that passed it.
    fn passed_by(&self) -> BTreeSet<String> {
        let version = self.case.wish.version;
        let mut taken = self.person.memory.taken_since(self.record.progress.seq, 0, None, version);
        // Who passes takes away from when it is sent, and may have told nobody yet.
        for open in &self.case.open {
            let after = self.record.progress.sent_at <= open.progress.sent_at
                && !precedes(open.progress.request.version, version);
            if after && open.id != self.record.id && open.receipt().is_none() {
                let takes = self.case.statement_of(open).into_iter().flat_map(|of| of.takes());
                taken.extend(takes.map(|path| path.0));
            }
        }
        let touched = self.case.touched();
        if gives_back(&touched, &taken) { taken } else { BTreeSet::new() }
    }

    /// Whether the request gives any of what was taken: what only takes away gives nothing back.
    fn gives_any_of(&self, taken: &BTreeSet<String>) -> bool {
        if !self.case.wish.statement.safe_way() {
            return true;
        }
        let nothing = Value::Object(replaysafe_json::Object::new());
        let before = self.record.progress.before.as_ref().unwrap_or(&nothing);
        let schema = &self.case.ground.schema;
        let difference = self.case.wish.statement.against(before, schema, &Allowance::default());
        let gives = difference.gives.into_iter().map(|path| path.0).collect();
        difference.opaque || gives_back(&gives, taken)
    }

    /// Nobody else has changed these edge attributes since the effect was decided, or may have.
    fn alone_on(&self, attributes: &[String]) -> bool {
        let paths: BTreeSet<String> = attributes.iter().cloned().collect();
        let ended = |open: &&Record| open.progress.unheard_until.is_some();
        let others = self.case.open.iter().filter(|open| open.id != self.record.id && !ended(open));
        let mut stated = others.filter_map(|open| self.case.statement_of(open));
        let beside = stated
            .any(|of| of.touched().iter().any(|path| crate::state::overlaps_any(&path.0, &paths)));
        !beside && !self.person.memory.moved_since(self.record.progress.seq, None, None, &paths)
    }

    /// Whether what is sent again would lack a secret: it went with the process that held it.
    fn secret_is_gone(&self) -> bool {
        self.case.says("body-held").is_none() && self.case.wish.statement.states_secret()
    }

    /// What is seen has become as stated since it was sent, and by nobody else that we know of: a request is carried out as a whole, so its secret came with it (S3a). Where it may be sent again that is surer.
    fn has_come(&self, resource: &Value, holds: &Holds) -> bool {
        let (statement, schema) = (&self.case.wish.statement, &self.case.ground.schema);
        let Some(before) = &self.record.progress.before else { return false };
        let lacks = |of: &Holds, path: &str| {
            of.not_kept.iter().any(|one| crate::state::overlaps(&one.path.0, path))
        };
        let lacked = statement.holds(None, before, schema).not_kept.into_iter();
        let mut come = lacked.filter(|one| !lacks(holds, &one.path.0));
        come.any(|one| self.alone_on(&[one.path.0])) && self.is_seen(resource, holds)
    }

    /// Everything was seen to be as stated; a secret is never seen (S3a).
    fn is_so(&self, resource: &Value, holds: &Holds) -> bool {
        !self.case.wish.statement.states_secret() && self.is_seen(resource, holds)
    }

    /// Everything but secrets was seen to be as stated, and what a PUT leaves out to be gone (S26), but for what this resource is known not to keep (S11).
    fn is_seen(&self, resource: &Value, holds: &Holds) -> bool {
        if !self.shows(resource, holds) {
            return false;
        }
        let statement = &self.case.wish.statement;
        let explained = || {
            let schema = &self.case.ground.schema;
            let opaque = statement.against(resource, schema, &Allowance::default()).opaque;
            !opaque && kept::all_explained(&self.person.memory, holds)
        };
        let before = self.record.progress.before.as_ref();
        let before = before.map(|before| statement.holds(None, before, &self.case.ground.schema));
        // What a PUT leaves out and reads otherwise than before the target has filled in itself (S26).
        let stands = |one: &NotKept| before.as_ref().is_none_or(|it| it.filled.contains(one));
        let is_gone = |one| kept::explains(&self.person.memory, one) || !stands(one);
        !self.unseen_removal(holds)
            && (holds.all || explained())
            && holds.filled.iter().all(is_gone)
    }

    /// Edges are taken away that this target has never shown under their value: that they are absent proves nothing (S11).
    fn unseen_removal(&self, holds: &Holds) -> bool {
        let mut unshown = crate::decide::unshown(self.case);
        unshown.retain(|attribute| !holds.edges_shown.contains(attribute));
        let before = self.record.progress.before.as_ref();
        self.case.takes().iter().any(|path| {
            let (attribute, value) = path.split_once('/').unwrap_or((path, ""));
            let shown = before.map(|before| edges_shown(before, attribute)).unwrap_or_default();
            let seen = shown.iter().any(|one| {
                let rest = value.strip_prefix(one);
                value.is_empty()
                    || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
            });
            unshown.contains(attribute) && !seen
        })
    }

    /// The spelling in which removals of edges were sent last.
    fn removal_sent(&self) -> Option<&'static str> {
        let EffectBody::Document(sent) = &self.record.progress.effect.as_ref()?.body else {
            return None;
        };
        let sent = read_resource(sent)?;
        let filters = self.case.wish.statement.spell_removals(&sent, Removal::Values).is_some();
        Some(profile::removal_name(if filters { Removal::Filter } else { Removal::Values }))
    }

    fn parked_beside(&self) -> bool {
        self.case
            .open
            .iter()
            .any(|open| open.stage == Some(Stage::Parked) && open.id != self.record.id)
    }

    /// The names of the request stay names of what it made.
    fn with_own(&self, names: Option<Vec<Name>>, id: &str) -> Option<Vec<Name>> {
        let mut names = names.unwrap_or_else(|| vec![id_name(self.case.request, id)]);
        let own = self.case.wish.names.iter().filter(|name| name.kind != NameKind::TargetId);
        names.extend(own.cloned());
        crate::case::sort_names(&mut names);
        Some(names)
    }

    fn trace(&self) -> Trace {
        let found = self.case.candidates();
        let mut taken = false;
        // What was there before is none, whatever it shows.
        let new = |mut some: Vec<(String, Value)>| {
            some.retain(|(id, _)| {
                let known = self.was_known(id);
                taken |= known && !self.case.wish.weak;
                !known && !self.record.progress.alike.contains(id)
            });
            some
        };
        let [mut all, by_correlation, alike] =
            [found.by_external_id, found.by_correlation, found.alike].map(new);
        let external = !all.is_empty();
        if all.is_empty() {
            all = by_correlation;
        }
        if all.is_empty() {
            all = alike;
        }
        if 1 < all.len() {
            // A search that lags still shows the life before (S14b).
            all.retain(|(id, _)| self.record.progress.former.as_ref() != Some(id));
        }
        if 1 < all.len() {
            return Trace::Several(all.into_iter().map(|(id, _)| id).collect());
        }
        match all.pop() {
            Some((id, resource)) => Trace::One(id, resource, external),
            None if taken => Trace::Taken,
            None => Trace::None,
        }
    }

    /// Another identity has this resource, and was shown it before this was asked for: it is no trace of it, whatever it is
    /// called by now (S18).
    fn was_known(&self, id: &str) -> bool {
        let seen_at = self.other_holder(id).and_then(|other| other.memory.seen_at);
        seen_at.is_some_and(|at| at < self.record.progress.request.received_at)
    }
}

/// The resource was seen; what was deleted and is off stays deleted, whatever else is changed of it (S22).
fn see_shown(case: &Case<'_>, person: &mut Person, id: &str, resource: &Value) {
    let off = resource.find("active").is_some_and(is_false);
    if person.memory.life != Life::Deleted || !off {
        person.memory.unclaimed |= person.memory.seen_at.is_none();
        see(case, person, id);
    }
}

enum Trace {
    None,
    /// Nothing but what was known before, and has a name of the request since.
    Taken,
    /// The id, what was seen, and whether it carries our external id.
    One(String, Value, bool),
    Several(Vec<String>),
}

/// S12: what a complete answer says about the effect.
fn judge(method: Method, sends: u32, answer: &TargetAnswer) -> Judgement {
    let by_id = method != Method::Create;
    match answer.status {
        200..=299 => Judgement::Accepted,
        300..=399 => Judgement::Definite,
        404 | 410 if by_id => Judgement::Definite,
        400 | 401 | 403 | 405 | 406 | 411 | 413..=417 | 421 | 422 | 426 | 428 | 429 | 431 => {
            Judgement::Definite
        }
        501 | 505 => Judgement::Definite,
        503 if answer.retry_after.is_some() && sends <= 1 => Judgement::Definite,
        // 404 on a create, 409, 412, and what no rule says means that nothing was done.
        400..=500 => Judgement::LookInto,
        _ => Judgement::Unknown,
    }
}

/// How the host says that whoever asks still waits for the answer (S3a).
const AWAITED: &str = "awaited";

/// What a person reads where an update was sent as often as it may be and never seen.
const UNSEEN: &str = "the request was sent several times and was never seen to take effect";

/// What a person reads where only somebody else could send it again, or tell that it took effect.
const NOT_OURS: &str = "the request was sent and was not seen to take effect, and its sender was not at hand; send the request again";

/// What a client reads where nobody is shown whether a secret was written.
const SECRET_UNSEEN: &str = "the request was sent more than once, and whether the secret was written cannot be seen; send the request again";

/// What a client reads whose request a person has ended.
const RESOLVED: &str =
    "the request was sent, and a person has found that it took no effect; send the request again";

/// What a person reads where a secret went with the process that held it.
const SECRET_GONE: &str = "the request was sent and was not seen to take effect, and its secret was not kept; send the request again";

/// An update is sent twice before it is said to be lost.
const SENDS_MOST: u32 = 2;

/// S13: an unknown update or delete is sent again at most twice.
const RESENDS_MOST: u32 = 2;

/// S13: a create is sent at most twice for each decision.
const CREATES_MOST: u32 = 2;

/// S25: a failed precondition of our own is decided again three times.
const CONTENTIONS_MOST: u32 = 3;

/// 1 minute: a target that cannot be read for longer than that has no answer to wait for.
const READING_MS_MOST: UnixMillis = 60_000;

/// 20 looks, most of them 8 s apart: a target that shows nothing for so long has no answer to wait for.
const LOOKS_MOST: u32 = 20;

/// 500 ms between the first two looks for a trace; each wait is twice the one before.
const LOOK_MS: UnixMillis = 500;

/// 2^10: what takes access away and cannot be read is looked at every 8 minutes at last.
const UNSEEN_BACKOFF_MOST: u32 = 10;

/// 2 s: how often a revocation that passed others is looked after.
pub(crate) const WATCH_MS: UnixMillis = 2_000;

/// A day: as long as a step may wait, and longer than any client repeats a create.
const UNHEARD_MS: UnixMillis = 86_400_000;

/// 10 minutes: how often what is parked is looked at for a late proof.
const PARKED_LOOK_MS: UnixMillis = 600_000;
