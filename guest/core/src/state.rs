//! What is remembered of a request and of an identity, and how it may move on.
//!
//! The host keeps these records sealed and does not look inside: only this file knows their form.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use crate::ordered::{BTreeMap, BTreeSet};

use replaysafe_json::{Value, parse_ours};

use crate::form::{self, Form, names, record};
use crate::types::{
    Answer, ContractError, Effect, Entry, EntryId, Identity, IdentityId, IdentityWrite, Request,
    Stage, Tag, TargetAnswer, UnixMillis,
};

/// What may happen to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An effect is about to leave the host, for the first time or again.
    Dispatch,
    /// Neither presence nor absence can be proved.
    Park,
    /// It ends without an effect of its own.
    Refuse,
    /// It ends with its effect seen, or with nothing left to do.
    Settle,
}

/// The stage that follows, for every stage and every event; none where the event cannot happen.
///
/// A stage never moves back: `settled` is the end, and a refused entry may only be decided anew (S9).
#[must_use]
pub fn next(stage: Option<Stage>, event: Event) -> Option<Stage> {
    match (stage, event) {
        (
            None | Some(Stage::Claimed | Stage::Dispatched | Stage::Parked | Stage::Refused),
            Event::Dispatch,
        ) => Some(Stage::Dispatched),
        (Some(Stage::Dispatched | Stage::Parked), Event::Park) => Some(Stage::Parked),
        (
            None | Some(Stage::Claimed | Stage::Dispatched | Stage::Parked | Stage::Refused),
            Event::Refuse,
        ) => Some(Stage::Refused),
        (_, Event::Settle) => Some(Stage::Settled),
        (None | Some(Stage::Claimed | Stage::Refused | Stage::Settled), Event::Park)
        | (Some(Stage::Settled), Event::Dispatch | Event::Refuse) => None,
    }
}

/// Where a resource is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// A create is under way, or has come to nothing.
    Expected,
    /// It has been seen.
    Live,
    /// It was deleted: this is its tombstone (S21).
    Deleted,
}

/// What is remembered of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The form of this record.
    pub format: u8,
    /// The name of the resource type.
    pub resource_type: String,
    /// Whose external ids lead to it; none: the source `default` (S17).
    pub source: Option<String>,
    /// Where it is in its life.
    pub life: Life,
    /// The target's id of it: the link.
    pub target_id: Option<String>,
    /// What was asked when it was made, if we made it.
    pub made_by: Option<Tag>,
    /// Whether it was adopted (S18).
    pub adopted: bool,
    /// When it was first seen.
    pub seen_at: Option<UnixMillis>,
    /// It was seen when nobody had its names: another identity may be known by them, and be the same (S14c).
    pub unclaimed: bool,
    /// Who was shown it, by principal, the latest last: nobody else knows that it is gone (S14).
    pub shown_to: Vec<Tag>,
    /// Who has made it, or was listed it by a search: nobody else's search tells how long it takes to be listed (S40).
    pub listed_to: Vec<Tag>,
    /// What has settled under the source's versions, and is not overtaken on all its paths (S20).
    pub versions: Vec<Versioned>,
    /// The highest of the versions that are not remembered any more.
    pub version_before: Option<u64>,
    /// How many changes have settled on it.
    pub seq: u64,
    /// When it was deleted.
    pub deleted_at: Option<UnixMillis>,
    /// The identity that this one turned out to be, and has given its names to.
    pub became: Option<IdentityId>,
    /// How many changes that one had then: those of this one follow them there.
    pub became_after: u64,
    /// What has settled within the replay window, and what was taken away within the life of a receipt (S2a, S10).
    pub recent: Vec<Change>,
    /// The last change that took something away and is not remembered any more.
    pub taken_before: Option<u64>,
    /// Paths that this resource has been seen to keep (S11).
    pub kept: BTreeSet<String>,
    /// Paths that it did not keep: what was stated, and what it showed (S11).
    pub not_kept: BTreeMap<String, (String, String)>,
}

/// What has settled under a version of the source (S20).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The version.
    pub version: u64,
    /// What was asked under it.
    pub statement: Tag,
    /// Whether that went the safe way.
    pub safe: bool,
    /// The paths that it touched, but for those that a later version has stated since.
    pub touched: BTreeSet<String>,
}

/// One settled change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number on the identity.
    pub seq: u64,
    /// When it settled.
    pub at: UnixMillis,
    /// When the request that made it had come; none: it was made behind our back.
    pub received_at: Option<UnixMillis>,
    /// The source's version of that request, if it had one (S20).
    pub version: Option<u64>,
    /// The paths that it touched.
    pub touched: BTreeSet<String>,
    /// The paths on which it took access away.
    pub taken: BTreeSet<String>,
}

impl Change {
    /// Whether the request that made it came after `asked`; any, if that is none. None that the source has numbered lower.
    fn is_after(&self, asked: Option<UnixMillis>, version: Option<u64>) -> bool {
        (asked.is_none() || asked < self.received_at) && !precedes(self.version, version)
    }
}

/// Whether the source has asked for one thing before another: it numbers both, and this one lower (S20).
pub(crate) fn precedes(one: Option<u64>, other: Option<u64>) -> bool {
    one.is_some() && one < other
}

impl Memory {
    /// Of an identity that nothing is known of yet.
    #[must_use]
    pub fn new(resource_type: &str) -> Self {
        Self {
            format: FORMAT,
            resource_type: resource_type.into(),
            source: None,
            life: Life::Expected,
            target_id: None,
            made_by: None,
            adopted: false,
            seen_at: None,
            unclaimed: false,
            shown_to: Vec::new(),
            listed_to: Vec::new(),
            versions: Vec::new(),
            version_before: None,
            seq: 0,
            deleted_at: None,
            became: None,
            became_after: 0,
            recent: Vec::new(),
            taken_before: None,
            kept: BTreeSet::new(),
            not_kept: BTreeMap::new(),
        }
    }

    /// The source that it belongs to.
    pub(crate) fn source(&self) -> &str {
        self.source.as_deref().unwrap_or(DEFAULT_SOURCE)
    }

    /// Whether it is ours, made or adopted: what updates by id have made known is not (S17, S18).
    pub(crate) fn is_ours(&self) -> bool {
        self.adopted || self.made_by.is_some()
    }

    /// Records a change that has settled at `change.at`, and forgets what nothing reaches any more: after `window`, or after `life` what took something away.
    pub(crate) fn settle(&mut self, window: UnixMillis, life: UnixMillis, change: Change) {
        self.seq += 1;
        let now = change.at;
        let mut over = (self.recent.len() + 1).saturating_sub(RECENT_MOST);
        let forgotten = &mut self.taken_before;
        self.recent.retain(|old| {
            let few = (1..=TAKEN_MOST).contains(&old.taken.len());
            let reached = now < old.at.saturating_add(if few { life.max(window) } else { window });
            let kept = reached && over == 0;
            over = over.saturating_sub(1);
            if !kept && !old.taken.is_empty() {
                *forgotten = Some(old.seq);
            }
            kept
        });
        self.recent.push(Change { seq: self.seq, ..change });
    }

    /// Records what has settled under a version. What a later one has stated on each of its paths is forgotten; where
    /// there are too many, the lowest version is.
    pub(crate) fn order(&mut self, mut new: Versioned) {
        if VERSIONED_PATHS_MOST < new.touched.len() {
            new.touched = BTreeSet::from(["*".into()]);
        }
        for old in &mut self.versions {
            if old.version <= new.version {
                old.touched.retain(|path| !new.touched.iter().any(|whole| covers(whole, path)));
            }
        }
        self.versions.retain(|old| !old.touched.is_empty());
        self.versions.push(new);
        if VERSIONS_MOST < self.versions.len() {
            let lowest = self.versions.iter().map(|old| old.version).min();
            self.version_before = self.version_before.max(lowest);
            self.versions.retain(|old| Some(old.version) != lowest);
        }
    }

    /// The highest version that has settled.
    pub(crate) fn version(&self) -> Option<u64> {
        self.versions.iter().map(|one| one.version).max().max(self.version_before)
    }

    /// Whether a later version has settled on one of `paths` than `version`; of what is forgotten it has.
    pub(crate) fn is_overtaken(&self, version: u64, paths: &BTreeSet<String>) -> bool {
        let later = |one: &&Versioned| version < one.version;
        Some(version) <= self.version_before
            || self.versions.iter().filter(later).any(|one| one.touches(paths))
    }

    /// Whether it is known to have settled: it says nothing new (S20).
    pub(crate) fn has_settled(&self, version: u64, statement: &Tag) -> bool {
        self.versions.iter().any(|one| one.version == version && one.statement == *statement)
    }

    /// Takes in what is known of another identity that turns out to be this one: its changes follow all others, so that
    /// they count as later than what was asked of this one, and its resource is this one's.
    pub(crate) fn take_in(&mut self, other: &Self) {
        let before = self.seq;
        self.seq += other.seq;
        let changes = other.recent.iter().cloned();
        self.recent.extend(changes.map(|change| Change { seq: change.seq + before, ..change }));
        self.taken_before = other.taken_before.map(|seq| seq + before).or(self.taken_before);
        for one in &other.versions {
            self.order(one.clone());
        }
        self.version_before = self.version_before.max(other.version_before);
        self.life = other.life;
        self.deleted_at = other.deleted_at;
        self.target_id.clone_from(&other.target_id);
        self.made_by.clone_from(&other.made_by);
        self.adopted = other.adopted;
        self.seen_at = other.seen_at;
        self.unclaimed = false;
        self.shown_to.clone_from(&other.shown_to);
        self.listed_to.clone_from(&other.listed_to);
        self.kept.clone_from(&other.kept);
        self.not_kept.clone_from(&other.not_kept);
    }

    /// Whether it may be what another identity is known as: only its id has led to it so far (S14c).
    pub(crate) fn is_nameless(&self) -> bool {
        self.seen_at.is_none() || self.unclaimed && !self.is_ours()
    }

    /// The paths that were taken away after the change `seq`, by what settled after `since` and was asked for after `asked`: of
    /// what the source numbers, the number says which came later (S20).
    pub(crate) fn taken_since(
        &self,
        seq: u64,
        since: UnixMillis,
        asked: Option<UnixMillis>,
        version: Option<u64>,
    ) -> BTreeSet<String> {
        let is_meant = |change: &&Change| {
            seq < change.seq && since < change.at && change.is_after(asked, version)
        };
        let meant = self.recent.iter().filter(is_meant);
        let mut taken: BTreeSet<String> =
            meant.flat_map(|change| change.taken.iter().cloned()).collect();
        if since == 0 && asked.is_none() && Some(seq) < self.taken_before {
            // What was forgotten may have taken anything; what is under way is not as old as that.
            taken.insert("*".into());
        }
        taken
    }

    /// Whether anything has settled on one of `paths` after the change `seq` that was asked for after `asked`.
    pub(crate) fn moved_since(
        &self,
        seq: u64,
        asked: Option<UnixMillis>,
        version: Option<u64>,
        paths: &BTreeSet<String>,
    ) -> bool {
        let remembered = self.recent.iter().filter(|change| seq < change.seq);
        let mut count = 0;
        for change in remembered {
            count += 1;
            let after = change.is_after(asked, version);
            if after && change.touched.iter().any(|path| overlaps_any(path, paths)) {
                return true;
            }
        }
        // What was forgotten may have touched anything.
        seq + count < self.seq
    }
}

impl Versioned {
    /// Whether it shares a value with one of `paths`.
    pub(crate) fn touches(&self, paths: &BTreeSet<String>) -> bool {
        self.touched.iter().any(|path| overlaps_any(path, paths))
    }
}

/// Whether two paths share a value: equal, one the whole resource, or one the list of the other.
#[must_use]
pub fn overlaps(left: &str, right: &str) -> bool {
    covers(left, right) || covers(right, left)
}

/// Whether all of a path's value is in that of `whole`: equal, the whole resource, or its list.
fn covers(whole: &str, path: &str) -> bool {
    let rest = path.strip_prefix(whole);
    whole == "*" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
}

/// Whether a path shares a value with one of `paths`: it, what it is a part of, or a part of it, found in their order.
pub(crate) fn overlaps_any(path: &str, paths: &BTreeSet<String>) -> bool {
    if paths.is_empty() {
        return false;
    }
    if path == "*" || paths.contains("*") || paths.contains(path) {
        return true;
    }
    let ends = path.match_indices(['/', '.']).map(|(end, _)| end);
    let mut wholes = ends.filter_map(|end| path.get(..end));
    let has_part = |mark: char| {
        let start = format!("{path}{mark}");
        paths.starting_at(start.as_str()).next().is_some_and(|part| part.starts_with(&start))
    };
    wholes.any(|whole| paths.contains(whole)) || has_part('/') || has_part('.')
}

/// What is remembered of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The form of this record.
    pub format: u8,
    /// The request, secrets lifted.
    pub request: Request,
    /// How often its effect was sent.
    pub sends: u32,
    /// When it was sent last.
    pub sent_at: Option<UnixMillis>,
    /// Whether an earlier send ended without an answer.
    pub unknown: bool,
    /// The last effect.
    pub effect: Option<Effect>,
    /// The target's last complete answer to it.
    pub answered: Option<TargetAnswer>,
    /// When that answer had come.
    pub answered_at: Option<UnixMillis>,
    /// The resource before the effect, where it is small enough to keep.
    pub before: Option<Value>,
    /// The ids that looked alike before a create: none of them can be its trace.
    pub alike: Vec<String>,
    /// The id of the life before, where a create begins another one.
    pub former: Option<String>,
    /// The id of what a create was seen to have made, while it waits for others who know it by that id.
    pub trace: Option<String>,
    /// Whether absence was proved before a create, or only not disproved (S14).
    pub unproved: bool,
    /// The parts that were left out, and why the answer is a refusal although something changed.
    pub left_out: BTreeSet<String>,
    /// The change on the identity after which it was decided.
    pub seq: u64,
    /// The same of its first attempt, where that was refused (S2a).
    pub first_seq: Option<u64>,
    /// How often it was looked at without an end.
    pub looks: u32,
    /// How often the precondition failed (S25).
    pub contentions: u32,
    /// Whether its removals of edges were sent in the other spelling (S25).
    pub respelled: bool,
    /// Edge attributes whose list an `add` has replaced, and that were put back (S11).
    pub restored: Vec<String>,
    /// Whether a create goes out as an update of a resource that exists (S19).
    pub updates: bool,
    /// Whether it was sent although the target could not be read (S14c).
    pub blind: bool,
    /// Until when a revocation that passed others is looked after (S14c).
    pub watch_until: Option<UnixMillis>,
    /// It waits for an approval of a return: when the identity was deleted that it would bring back (S21).
    pub staged: Option<UnixMillis>,
    /// Until when that return is approved (S21).
    pub approved_until: Option<UnixMillis>,
    /// The resource that a person says a parked create has made; it is not looked at yet (S41).
    pub resolved: Option<String>,
    /// Nobody was told of a create that states a secret: until then whoever asks again has its own written (S3a).
    pub unheard_until: Option<UnixMillis>,
    /// The receipt.
    pub receipt: Option<Answer>,
    /// When the receipt was earned.
    pub settled_at: Option<UnixMillis>,
    /// The change on the identity that it made or found; until then, that of the equal request that settled last.
    pub settled_seq: u64,
}

impl Progress {
    /// The change on the identity after which its first attempt was decided.
    pub(crate) fn began_after(&self) -> u64 {
        self.first_seq.unwrap_or(self.seq)
    }

    /// Of a request that nothing was done for yet.
    #[must_use]
    pub fn new(request: &Request) -> Self {
        Self {
            format: FORMAT,
            request: request.clone(),
            sends: 0,
            sent_at: None,
            unknown: false,
            effect: None,
            answered: None,
            answered_at: None,
            before: None,
            alike: Vec::new(),
            former: None,
            trace: None,
            unproved: false,
            left_out: BTreeSet::new(),
            seq: 0,
            first_seq: None,
            looks: 0,
            contentions: 0,
            respelled: false,
            restored: Vec::new(),
            updates: false,
            blind: false,
            watch_until: None,
            staged: None,
            approved_until: None,
            resolved: None,
            unheard_until: None,
            receipt: None,
            settled_at: None,
            settled_seq: 0,
        }
    }
}

/// An entry with its record read.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: EntryId,
    pub(crate) identity: Option<IdentityId>,
    pub(crate) key: Option<Tag>,
    pub(crate) statement: Tag,
    pub(crate) stage: Option<Stage>,
    pub(crate) progress: Progress,
}

impl Record {
    pub(crate) fn read(entry: &Entry) -> Result<Self, ContractError> {
        Ok(Self {
            id: entry.id.clone(),
            identity: entry.identity.clone(),
            key: entry.key.clone(),
            statement: entry.statement.clone(),
            stage: Some(entry.stage),
            progress: read_state(&entry.state)?,
        })
    }

    /// What is of an identity that turned out to be another is that one's.
    pub(crate) fn follow(&mut self, people: &[Person]) {
        for _ in people {
            let of = |id: &IdentityId| people.iter().find(|person| person.id == *id);
            let Some(own) = self.identity.as_ref().and_then(of) else { return };
            let Some(became) = own.memory.became.as_ref().and_then(of) else { return };
            self.identity = Some(became.id.clone());
            let after = own.memory.became_after;
            self.progress.seq += after;
            self.progress.first_seq = self.progress.first_seq.map(|seq| seq + after);
            // 0 says that nothing has settled.
            if 0 < self.progress.settled_seq {
                self.progress.settled_seq += after;
            }
        }
    }

    /// The entry after `event`; none where the event cannot happen.
    pub(crate) fn after(&self, event: Event, wake_at: Option<UnixMillis>) -> Option<Entry> {
        Some(Entry {
            id: self.id.clone(),
            identity: self.identity.clone(),
            key: self.key.clone(),
            statement: self.statement.clone(),
            stage: next(self.stage, event)?,
            wake_at,
            state: write_state(&self.progress),
        })
    }

    /// It has a receipt to repeat: settled, or watched after it settled (S14c).
    pub(crate) fn receipt(&self) -> Option<&Answer> {
        self.progress.receipt.as_ref()
    }

    /// Its effect may yet take hold, and nobody was told.
    pub(crate) fn is_open(&self) -> bool {
        self.stage == Some(Stage::Dispatched) && self.receipt().is_none()
    }
}

/// An identity with its record read.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: IdentityId,
    pub(crate) fence: u64,
    pub(crate) incarnation: u64,
    pub(crate) memory: Memory,
    /// Kinds and positions of the request's names that led to it.
    pub(crate) by: Vec<u32>,
}

impl Person {
    pub(crate) fn read(identity: &Identity, by: &[u32]) -> Result<Self, ContractError> {
        Ok(Self {
            id: identity.id.clone(),
            fence: identity.fence,
            incarnation: identity.incarnation,
            memory: read_state(&identity.state)?,
            by: by.to_vec(),
        })
    }

    pub(crate) fn new(id: &str, resource_type: &str) -> Self {
        Self {
            id: id.into(),
            fence: 0,
            incarnation: 1,
            memory: Memory::new(resource_type),
            by: Vec::new(),
        }
    }

    /// Becomes one with another identity, which is given as it is from now on: it has nothing left but where it went (S16).
    pub(crate) fn unite(&mut self, other: &Self) -> Self {
        let mut other = other.clone();
        other.memory.became = Some(self.id.clone());
        other.memory.became_after = self.memory.seq;
        self.memory.take_in(&other.memory);
        // Where only this one is at hand, nobody can tell what has become of it since (S9).
        other.memory.seq += 1;
        other.memory.target_id = None;
        other
    }

    /// The write of an identity that has given its names to another.
    pub(crate) fn given_up(&self) -> IdentityWrite {
        IdentityWrite { identity: self.identity(), names: Some(Vec::new()) }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity {
            id: self.id.clone(),
            fence: self.fence,
            incarnation: self.incarnation,
            state: write_state(&self.memory),
        }
    }
}

pub(crate) fn read_state<T: Form>(document: &str) -> Result<T, ContractError> {
    let wrong = |fault: String| ContractError {
        code: "state".into(),
        detail: format!("a record of the ledger cannot be read: {fault}"),
    };
    let value = parse_ours(document).map_err(|error| wrong(error.to_string()))?;
    form::read(value).map_err(wrong)
}

fn write_state<T: Form>(state: &T) -> String {
    form::write(state).to_string()
}

names!(Life { Expected, Live, Deleted });
record!(Memory {
    format,
    resource_type,
    source,
    life,
    target_id,
    made_by,
    adopted: Default,
    seen_at,
    unclaimed: Default,
    shown_to,
    listed_to,
    versions,
    version_before,
    seq,
    deleted_at,
    became: Default,
    became_after: Default,
    recent,
    taken_before,
    kept,
    not_kept
});
record!(Versioned { version, statement, safe, touched });
record!(Change { seq, at, received_at, version, touched, taken });
record!(Progress {
    format,
    request,
    sends,
    sent_at,
    unknown,
    effect,
    answered,
    answered_at,
    before,
    alike,
    former: Default,
    trace: Default,
    unproved,
    left_out,
    seq,
    first_seq,
    looks,
    contentions,
    respelled,
    restored,
    updates,
    blind,
    watch_until,
    staged,
    approved_until,
    resolved: Default,
    unheard_until,
    receipt,
    settled_at,
    settled_seq
});

/// The source of whoever says nothing of it (S1).
pub(crate) const DEFAULT_SOURCE: &str = "default";

/// The form of the records in this version.
const FORMAT: u8 = 1;

/// Puts a principal last among those who know a resource; whoever was seen longest ago makes room.
pub(crate) fn know(known: &mut Vec<Tag>, principal: &Tag) {
    known.retain(|one| one != principal);
    known.push(principal.clone());
    if KNOWN_MOST < known.len() {
        known.remove(0);
    }
}

/// 8 principals: a resource has one or two clients, and each time a token changes there is another.
const KNOWN_MOST: usize = 8;

/// 32 versions: as far as a queue may be out of order on parts of one resource that are changed apart.
const VERSIONS_MOST: usize = 32;

/// 100 paths: a request that states more counts as one that states all.
const VERSIONED_PATHS_MOST: usize = 100;

/// 1,000: a group that changes eight times a second for the whole default window.
const RECENT_MOST: usize = 1_000;

/// 100 paths: a change that took more away is remembered for the window only, and after it counts as one that took all.
const TAKEN_MOST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: [Option<Stage>; 6] = [
        None,
        Some(Stage::Claimed),
        Some(Stage::Dispatched),
        Some(Stage::Parked),
        Some(Stage::Refused),
        Some(Stage::Settled),
    ];
    const EVENTS: [Event; 4] = [Event::Dispatch, Event::Park, Event::Refuse, Event::Settle];

    /// The law `stage-never-moves-back`; a refused request is decided anew under its own entry (S9).
    #[test]
    fn a_stage_never_moves_back() {
        for stage in STAGES {
            for event in EVENTS {
                let Some(after) = next(stage, event) else { continue };
                let anew = stage == Some(Stage::Refused);
                assert!(
                    anew || stage <= Some(after) || stage == Some(Stage::Parked),
                    "{stage:?} {event:?}"
                );
            }
        }
    }

    #[test]
    fn a_settled_entry_is_at_its_end() {
        for event in [Event::Dispatch, Event::Park, Event::Refuse] {
            assert_eq!(next(Some(Stage::Settled), event), None);
        }
    }

    #[test]
    fn only_what_may_have_happened_can_be_parked() {
        let parked = STAGES.into_iter().filter(|stage| next(*stage, Event::Park).is_some());
        assert_eq!(parked.collect::<Vec<_>>(), [Some(Stage::Dispatched), Some(Stage::Parked)]);
    }

    #[test]
    fn paths_overlap_where_they_share_a_value() {
        check("members/a", "members/a", true);
        check("members/a", "members/b", false);
        check("members", "members/b", true);
        check("member", "members/b", false);
        check("*", "active", true);
        check("name", "name.familyname", true);
        check("active", "name", false);
    }

    /// The quick search finds what comparing with each finds.
    #[test]
    fn one_of_many_overlaps_where_each_is_compared() {
        let all = [
            "*",
            "members",
            "members/a",
            "members/a.b",
            "members/a/b",
            "member",
            "name.x",
            "name",
            "urn:a:2.0:b:c",
            "urn:a:2",
            "members-x",
        ];
        for path in all {
            for seed in 0_u32..1 << all.len() {
                let some = all.iter().enumerate().filter(|(at, _)| seed >> at & 1 == 1);
                let some: BTreeSet<String> = some.map(|(_, path)| (*path).into()).collect();
                let each = some.iter().any(|other| overlaps(path, other));
                assert_eq!(overlaps_any(path, &some), each, "{path} {some:?}");
            }
        }
    }

    #[test]
    fn what_was_taken_is_remembered_for_the_window() {
        let mut memory = Memory::new("User");
        memory.settle(100, 1_000, change(1_000, &["active"], &[]));
        memory.settle(100, 1_000, change(1_050, &["active"], &["active"]));
        assert_eq!(memory.taken_since(1, 1_049, None, None), paths(&["active"]));
        assert_eq!(memory.taken_since(1, 1_050, None, None), paths(&[]));
        assert_eq!(memory.taken_since(2, 1_000, None, None), paths(&[]));
        // Who came after it was asked for has not been overtaken by it (S14c).
        assert_eq!(memory.taken_since(0, 0, Some(1_049), None), paths(&["active"]));
        assert_eq!(memory.taken_since(0, 0, Some(1_050), None), paths(&[]));
    }

    #[test]
    fn what_was_taken_and_forgotten_counts_as_all() {
        let many: Vec<String> =
            (0..=TAKEN_MOST).map(|number| format!("members/{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (takings, at, expected) in [
            (&["active"][..], 1_999, &["active"][..]),
            (&["active"], 2_000, &["*"]),
            (&[], 2_000, &[]),
            (&many, 1_100, &["*"]),
        ] {
            let mut memory = Memory::new("User");
            memory.settle(100, 1_000, change(1_000, takings, takings));
            memory.settle(100, 1_000, change(at, &["title"], &[]));
            assert_eq!(memory.taken_since(0, 0, None, None), paths(expected), "{at}");
            assert_eq!(memory.taken_since(1, 0, None, None), paths(&[]), "{at}");
        }
    }

    #[test]
    fn what_was_forgotten_counts_as_moved() {
        let mut memory = Memory::new("User");
        memory.settle(100, 1_000, change(1_000, &["title"], &[]));
        assert!(!memory.moved_since(0, None, None, &paths(&["active"])));
        assert!(memory.moved_since(0, Some(999), None, &paths(&["title"])));
        assert!(!memory.moved_since(0, Some(1_000), None, &paths(&["title"])));
        memory.settle(100, 1_000, change(2_000, &["title"], &[]));
        assert!(memory.moved_since(0, None, None, &paths(&["active"])));
        assert!(!memory.moved_since(1, None, None, &paths(&["active"])));
    }

    /// S2a, S16: nothing that was taken away on either of two identities is forgotten when they become one.
    #[test]
    fn what_was_known_of_both_is_known_of_one() {
        let mut own = Memory::new("User");
        own.settle(10_000, 10_000, change(500, &["roles"], &["roles"]));
        let mut other = Memory { life: Life::Deleted, ..Memory::new("User") };
        other.settle(10_000, 10_000, change(1_000, &["active"], &["active"]));
        other.settle(10_000, 10_000, change(1_100, &["title"], &[]));
        own.take_in(&other);
        assert_eq!((own.seq, own.life), (3, Life::Deleted));
        assert_eq!(own.taken_since(0, 0, None, None), paths(&["active", "roles"]));
        // Decided after its own first change: the other's came since.
        assert_eq!(own.taken_since(1, 0, None, None), paths(&["active"]));
        assert!(own.moved_since(1, None, None, &paths(&["active"])));
        assert!(own.moved_since(2, None, None, &paths(&["title"])));
        assert!(!own.moved_since(2, None, None, &paths(&["active", "roles"])));
        assert!(!own.moved_since(3, None, None, &paths(&["title"])));
    }

    /// S2a: what was forgotten of the other came later.
    #[test]
    fn what_was_forgotten_of_the_other_came_later() {
        let (mut own, mut other) = (Memory::new("User"), Memory::new("User"));
        for at in [500, 600] {
            own.settle(10_000, 10_000, change(at, &["title"], &[]));
        }
        other.settle(100, 100, change(1_000, &["active"], &["active"]));
        other.settle(100, 100, change(9_000, &["title"], &[]));
        own.take_in(&other);
        // The third of four changes took something, and is forgotten.
        assert_eq!(own.seq, 4);
        assert_eq!(own.taken_since(2, 0, None, None), paths(&["*"]));
        assert_eq!(own.taken_since(3, 0, None, None), paths(&[]));
    }

    /// S20: a version orders what is asked of each path, whichever came first.
    #[test]
    fn a_later_version_overtakes_what_it_states() {
        let mut memory = Memory::new("User");
        memory.order(versioned(7, &["title"]));
        memory.order(versioned(5, &["roles/a", "active"]));
        check_overtaken(&memory, 6, &["title"], true);
        check_overtaken(&memory, 7, &["title"], false);
        check_overtaken(&memory, 4, &["roles"], true);
        check_overtaken(&memory, 4, &["roles/b"], false);
        check_overtaken(&memory, 5, &["roles/a"], false);
        check_overtaken(&memory, 6, &["*"], true);
        assert_eq!(memory.version(), Some(7));
        // What is overtaken on all its paths is forgotten, and what is not stays.
        memory.order(versioned(6, &["roles", "active"]));
        let kept: Vec<u64> = memory.versions.iter().map(|one| one.version).collect();
        assert_eq!(kept, [7, 6]);
        memory.order(versioned(8, &["*"]));
        assert_eq!(memory.versions.len(), 1);
        check_overtaken(&memory, 7, &["roles/b"], true);
        // A part of a list leaves the rest of it as it is.
        memory.order(versioned(9, &["roles/a"]));
        assert_eq!(memory.versions.len(), 2);
        check_overtaken(&memory, 8, &["roles/b"], false);
    }

    /// S20: what had to make room counts as overtaken.
    #[test]
    fn thirty_two_versions_are_remembered() {
        let mut memory = Memory::new("Group");
        for version in 1..=32 {
            memory.order(versioned(version, &[&format!("members/{version}")]));
        }
        check_overtaken(&memory, 1, &["members/a"], false);
        assert_eq!(memory.versions.len(), 32);
        memory.order(versioned(33, &["members/33"]));
        assert_eq!((memory.versions.len(), memory.version_before), (32, Some(1)));
        check_overtaken(&memory, 1, &["members/a"], true);
        check_overtaken(&memory, 2, &["members/a"], false);
        memory.order(versioned(34, &["members/34"]));
        assert_eq!(memory.version_before, Some(2));
        memory.versions.clear();
        assert_eq!(memory.version(), Some(2));
    }

    /// S20: what is remembered is bounded in its paths, too.
    #[test]
    fn what_states_more_than_a_hundred_paths_states_all() {
        let many = |count: usize| -> Versioned {
            let members: Vec<String> = (0..count).map(|one| format!("members/{one}")).collect();
            versioned(5, &members.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let mut memory = Memory::new("Group");
        memory.order(many(100));
        check_overtaken(&memory, 4, &["members/99"], true);
        check_overtaken(&memory, 4, &["members/100"], false);
        memory.order(many(101));
        check_overtaken(&memory, 4, &["displayname"], true);
        assert_eq!(memory.versions.len(), 1);
    }

    /// S14c, S20: what is known of the versions of two identities is known of the one that they are.
    #[test]
    fn the_versions_of_both_are_those_of_one() {
        let (mut own, mut other) = (Memory::new("User"), Memory::new("User"));
        own.order(versioned(5, &["title"]));
        own.order(versioned(6, &["active"]));
        own.version_before = Some(2);
        other.order(versioned(7, &["title"]));
        other.version_before = Some(1);
        own.take_in(&other);
        let kept: Vec<u64> = own.versions.iter().map(|one| one.version).collect();
        assert_eq!((kept.as_slice(), own.version_before), ([6, 7].as_slice(), Some(2)));
    }

    fn versioned(version: u64, touched: &[&str]) -> Versioned {
        let statement = Tag::from(format!("asked {version}").as_str());
        Versioned { version, statement, safe: false, touched: paths(touched) }
    }

    fn check_overtaken(memory: &Memory, version: u64, touched: &[&str], expected: bool) {
        assert_eq!(
            memory.is_overtaken(version, &paths(touched)),
            expected,
            "{version} {touched:?}"
        );
    }

    /// S20: only numbers are in an order, and equal ones are not.
    #[test]
    fn a_lower_number_comes_before_a_higher_one() {
        for (one, other, expected) in [
            (Some(1), Some(2), true),
            (Some(2), Some(2), false),
            (Some(3), Some(2), false),
            (Some(1), None, false),
            (None, Some(1), false),
            (None, None, false),
        ] {
            assert_eq!(precedes(one, other), expected, "{one:?} {other:?}");
        }
    }

    /// S2a: what is remembered is bounded; what had to make room counts as what may have been anything.
    #[test]
    fn a_thousand_changes_are_remembered() {
        let mut memory = Memory::new("User");
        memory.settle(100, 100, change(1_000, &["active"], &["active"]));
        for _ in 1..RECENT_MOST {
            memory.settle(100, 100, change(1_000, &["title"], &[]));
        }
        assert_eq!(memory.taken_since(0, 0, None, None), paths(&["active"]));
        assert!(!memory.moved_since(0, None, None, &paths(&["roles"])));
        memory.settle(100, 100, change(1_000, &["title"], &[]));
        assert_eq!(memory.recent.len(), RECENT_MOST);
        assert_eq!(memory.taken_since(0, 0, None, None), paths(&["*"]));
        // A wish without a key is a new one by then.
        assert_eq!(memory.taken_since(0, 900, None, None), paths(&[]));
        assert!(memory.moved_since(0, None, None, &paths(&["roles"])));
    }

    #[test]
    fn whoever_was_seen_longest_ago_makes_room() {
        let mut known: Vec<Tag> = Vec::new();
        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "a"] {
            know(&mut known, &name.into());
        }
        assert_eq!(known.concat(), "bcdefgha");
        know(&mut known, &"i".into());
        assert_eq!(known.concat(), "cdefghai");
    }

    /// An entry of the other sees since it was decided what it saw before.
    #[test]
    fn what_was_asked_of_the_other_is_asked_of_the_one() {
        let mut own = Person::new("p1", "User");
        own.memory.settle(10_000, 10_000, change(500, &["roles"], &["roles"]));
        let mut other = Person::new("p2", "User");
        for taken in ["active", "title"] {
            other.memory.settle(10_000, 10_000, change(1_000, &[taken], &[taken]));
        }
        other.memory.became = Some("p1".into());
        other.memory.became_after = own.memory.seq;
        own.memory.take_in(&other.memory);
        let mut record = Record {
            id: "e".into(),
            identity: Some("p2".into()),
            key: None,
            statement: "s".into(),
            stage: Some(Stage::Settled),
            progress: Progress { seq: 1, settled_seq: 2, ..Progress::new(&request()) },
        };
        let own_person = own.clone();
        let own_memory = own.memory.clone();
        record.follow(&[own, other.clone()]);
        assert_eq!(record.identity.as_deref(), Some("p1"));
        assert_eq!(own_memory.taken_since(record.progress.seq, 0, None, None), paths(&["title"]));
        assert_eq!(own_memory.taken_since(record.progress.settled_seq, 0, None, None), paths(&[]));
        // Its first attempt was decided before all of the other's; that nothing has settled stays so.
        record.identity = Some("p2".into());
        record.progress =
            Progress { seq: 1, first_seq: Some(0), settled_seq: 0, ..record.progress.clone() };
        record.follow(&[own_person, other.clone()]);
        assert_eq!((record.progress.began_after(), record.progress.settled_seq), (1, 0));
        // Where the one is not at hand, the other stands for itself.
        record.identity = Some("p2".into());
        record.follow(&[other]);
        assert_eq!(record.identity.as_deref(), Some("p2"));
    }

    fn request() -> Request {
        Request {
            scope: crate::types::Scope {
                tenant: "t".into(),
                target: "u".into(),
                source: DEFAULT_SOURCE.into(),
                principal: "p".into(),
            },
            method: crate::types::Method::Delete,
            resource_type: "User".into(),
            id: Some("u1".into()),
            body: None,
            key: None,
            version: None,
            if_match: None,
            received_at: 0,
            extra: Vec::new(),
        }
    }

    /// A change that settled the moment it was asked for.
    fn change(at: UnixMillis, touched: &[&str], taken: &[&str]) -> Change {
        let (touched, taken) = (paths(touched), paths(taken));
        Change { seq: 0, at, received_at: Some(at), version: None, touched, taken }
    }

    fn check(left: &str, right: &str, expected: bool) {
        assert_eq!(overlaps(left, right), expected, "{left} {right}");
        assert_eq!(overlaps(right, left), expected, "{right} {left}");
    }

    fn paths(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }
}
