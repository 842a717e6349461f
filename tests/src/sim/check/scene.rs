//! The scenes: a few wishes, a target, and what may go wrong.

use std::collections::BTreeMap;

use crate::sim::{
    ablation::PLAIN,
    rule::Rule,
    target::{Etag, Profile, Resource, Target},
    workload::{Ask, Intent, Kind, Subject},
    world::{Budget, Numbering, Setup, World},
};

/// A small world that is looked into whole.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Its name.
    pub name: &'static str,
    /// The target.
    pub profile: Profile,
    /// What is there before.
    pub store: Vec<Resource>,
    /// What clients want.
    pub intents: Vec<Intent>,
    /// How many gateways share the ledger.
    pub gateways: usize,
    /// What may go wrong.
    pub budget: Budget,
    /// What may happen so often, that would never end.
    pub spare: Spare,
    /// With which statuses the target may refuse or break.
    pub statuses: &'static [u16],
    /// The policy document.
    pub policy: &'static str,
    /// Once everything is at rest an operator sees to what is parked.
    pub operated: bool,
    /// Without any of these rules a law breaks here.
    pub misses: &'static [Rule],
}

/// What may happen so often, that would never end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spare {
    /// A client repeats itself although it will be answered.
    pub repeats: u8,
    /// Time passes although somebody has something to do.
    pub pauses: u8,
    /// More time passes than the replay window has.
    pub passes: u8,
    /// What is parked is looked at, and nothing else is to be waited for.
    pub looks: u8,
}

impl Scene {
    /// The world before anything has happened.
    #[must_use]
    pub fn world(&self, off: Option<Rule>) -> World {
        let setup = Setup {
            profile: Profile { unbounded: off == Some(Rule::BoundedCalls), ..self.profile },
            policy: self.policy.into(),
            intents: self.intents.clone(),
            gateways: self.gateways,
            off,
            salt: 1,
            numbering: Numbering::Canonical,
            operated: self.operated,
            secrets: None,
        };
        let store: BTreeMap<u32, Resource> = (1..).zip(self.store.iter().cloned()).collect();
        World::new(setup, Target::new(store), self.budget)
    }

    fn new(name: &'static str, asks: &[(usize, Ask, Option<u8>)]) -> Self {
        let intent = |(client, ask, key): &(usize, Ask, Option<u8>)| Intent {
            subject: USER,
            ask: *ask,
            key: *key,
            version: None,
            password: None,
            client: *client,
        };
        Self {
            name,
            profile: PLAIN,
            store: Vec::new(),
            intents: asks.iter().map(intent).collect(),
            gateways: 1,
            budget: Budget::default(),
            spare: Spare::default(),
            statuses: &[400, 502],
            policy: "{}",
            operated: false,
            misses: &[],
        }
    }

    /// All wishes are about this one.
    fn of(&mut self, subject: Subject) {
        for intent in &mut self.intents {
            intent.subject = subject;
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// All scenes of `make check`: each is complete in two minutes or less of one core.
#[must_use]
pub fn scenes() -> Vec<Scene> {
    let mut scenes = creates();
    scenes.extend(changes());
    scenes.extend(deletions());
    scenes.extend(shared());
    for scene in &mut scenes {
        scene.misses = misses(scene.name);
    }
    scenes
}

/// The rules without which a law must be seen to break in a scene: what shows that it can fail.
fn misses(name: &str) -> &'static [Rule] {
    use Rule as R;
    match name {
        "create-crash" | "delete-twice" | "parked" | "parked-resolved" => &[R::IntentFirst],
        "create-delete-crossing" => &[R::Fence, R::Arbitration],
        "create-forgotten" => &[R::NeverForget],
        "create-lie" => &[R::ReadBack, R::IntentFirst],
        "create-lost" => &[R::WaitForCalls, R::WaitForSearch, R::LookFirst, R::BoundedCalls],
        "create-lost-twice" | "key-reused" => &[R::WaitForSearch],
        "create-paused" => &[R::NoZombie],
        "create-refused" | "back-again" | "back-again-deactivated" | "delete-create-lost" => {
            &[R::LookFirst]
        }
        "duplicates" => &[R::IntentFirst, R::ReadBack],
        "switch-twice" => &[R::IntentFirst, R::Watch],
        "filters-refused" => &[R::IntentFirst, R::CommitFirst],
        "shared-grants" => &[R::CommitFirst, R::Scan],
        "grant-delete-lost" => &[R::WaitForCalls],
        "grant-revoke-lost" | "members-lost" | "create-delete" => &[R::CommitFirst],
        "grant-stacks" => &[R::PredecessorFirst, R::LookFirst],
        "shared-create" | "shared-two-keys" | "shared-delete" => &[R::Fence],
        "shared-two-names" => &[R::LeasedNew, R::Lease],
        "switch-lost" => &[R::CommitFirst, R::Watch, R::Scan],
        "numbered-titles" | "numbered-grants" => &[R::Versions],
        "put-grant-lost" => &[R::ReadBack],
        "two-keys" | "shared-create-twice" => &[R::Arbitration],
        "two-keys-lost" => &[R::RememberId, R::PredecessorFirst],
        "two-names-crash" | "create-blind" => &[R::Lease],
        "two-names-lost" => &[R::Lease, R::RememberId],
        "unique-lost" | "titles-monotonic" | "titles-content" | "titles-dropped"
        | "shared-names-lost" => &[R::PredecessorFirst],
        _ => &[],
    }
}

/// About how many states a scene has, in thousands, if it is one of the largest.
#[must_use]
pub fn states(name: &str) -> u32 {
    match name {
        "duplicates" => 1_891,
        "grant-revoke-lost" => 1_515,
        "create-delete-crossing" => 1_238,
        "parked" | "parked-resolved" => 1_163,
        "members-lost" => 998,
        "shared-create-twice" => 822,
        "filters-refused" => 761,
        "shared-names-lost" => 718,
        "create-lost-twice" => 428,
        _ => 0,
    }
}

/// The scenes of `make check-deep`: those that are too large for `make check`, and all of them once more with one more
/// call that is lost and a gateway that crashes.
#[must_use]
pub fn deep() -> Vec<Scene> {
    let more = |mut scene: Scene| {
        scene.budget.calls += 1;
        scene.budget.crashes += 1;
        scene
    };
    let mut deep = large();
    deep.extend(scenes().into_iter().map(more));
    deep
}

/// Somebody is to be there.
fn creates() -> Vec<Scene> {
    let two = |name| Scene::new(name, &[(0, CREATE, Some(1)), (1, CREATE, Some(2))]);
    let two_names = |name| Scene::new(name, &[(0, CREATE, Some(1)), (1, NAMED, Some(2))]);
    vec![
        two("two-keys"),
        Scene::new("create-lost", &[(0, CREATE, Some(1))]).with(lost),
        Scene::new("create-lost-twice", &[(0, CREATE, None)]).with(lost).with(|s| {
            s.budget.calls = 2;
            s.spare.repeats = 1;
        }),
        Scene::new("create-crash", &[(0, CREATE, Some(1))]).with(slow).with(|s| {
            s.budget.crashes = 1;
            s.spare.repeats = 1;
        }),
        Scene::new("create-paused", &[(0, CREATE, Some(1))]).with(lost).with(|s| {
            s.spare.pauses = 1;
        }),
        Scene::new("create-forgotten", &[(0, CREATE, Some(1))]).with(|s| {
            s.budget.forgets = 1;
            s.budget.network = 1;
            s.spare.repeats = 1;
        }),
        two("two-keys-lost").with(lost),
        two_names("two-names-lost").with(lost),
        two_names("two-names-crash").with(|s| s.budget.crashes = 1),
        Scene::new("unique-lost", &[(0, CREATE, Some(1)), (1, TITLED, None)]).with(lost).with(
            |s| {
                s.profile.unique = true;
                s.profile.unique_declared = true;
            },
        ),
        Scene::new("create-refused", &[(0, CREATE, Some(1)), (1, TITLED, Some(2))]).with(|s| {
            s.budget.refusals = 1;
            s.budget.calls = 1;
            s.statuses = &[400, 500, 503];
        }),
        Scene::new("create-blind", &[(0, CREATE, Some(1)), (1, NAMED, Some(2))]).with(|s| {
            s.budget.looks = 1;
            s.budget.calls = 1;
        }),
        Scene::new("key-reused", &[(0, CREATE, Some(1)), (1, TITLED, Some(1))]).with(lost),
    ]
}

/// Somebody is there, and something of him changes.
fn changes() -> Vec<Scene> {
    let grants = [(0, Ask::Grant(1), Some(1)), (1, Ask::Revoke(1), Some(2))];
    let there = |name, asks: &[(usize, Ask, Option<u8>)]| Scene::new(name, asks).with(there);
    let titles = [(0, Ask::Title(1), Some(1)), (1, Ask::Title(2), Some(2))];
    let put = Ask::Put { title: 1, active: false };
    vec![
        there("grant-revoke-lost", &grants).with(lost),
        there("grant-stacks", &[(0, Ask::Grant(1), Some(1)), (1, Ask::Grant(1), Some(2))])
            .with(lost)
            .with(|s| s.profile.stacks = true),
        there("switch-lost", &[(0, Ask::Switch(true), None), (1, Ask::Switch(false), None)])
            .with(lost)
            .with(|s| s.store = vec![Resource { active: Some(false), ..resource(USER) }]),
        // Without a pause: what nobody looks at in time is somebody else's change (S14c).
        there("switch-twice", &[(0, Ask::Switch(false), None), (1, Ask::Switch(true), None)])
            .with(|s| s.budget.network = 1),
        there("put-grant-lost", &[(0, put, Some(1)), (1, Ask::Grant(1), Some(2))]).with(|s| {
            s.budget.calls = 1;
        }),
        there("titles-monotonic", &titles).with(lost).with(|s| s.profile.etag = Etag::Monotonic),
        there("titles-content", &titles).with(lost).with(|s| s.profile.etag = Etag::Content),
        there("titles-dropped", &titles).with(|s| {
            s.budget.calls = 1;
            s.profile.drops_title = true;
        }),
        there("numbered-titles", &titles).with(lost).with(numbered),
        there("numbered-grants", &[(0, Ask::Revoke(1), Some(1)), (1, Ask::Grant(1), Some(2))])
            .with(lost)
            .with(numbered)
            .with(|s| s.store = vec![Resource { edges: vec![1], ..resource(USER) }]),
        there("members-lost", &grants).with(|s| {
            s.budget.calls = 1;
            s.of(GROUP);
            s.profile.add_replaces = true;
            s.store = vec![Resource { active: None, edges: vec![2], ..resource(GROUP) }];
        }),
        there("filters-refused", &grants).with(|s| {
            s.budget.calls = 1;
            s.profile.refuses_filters = true;
        }),
    ]
}

/// Somebody is to be there no more, or again.
fn deletions() -> Vec<Scene> {
    let later = [(0, CREATE, Some(1)), (0, Ask::Delete, Some(2))];
    let crossing = [(0, CREATE, Some(1)), (1, Ask::Delete, Some(2))];
    let back = [(0, CREATE, Some(1)), (0, Ask::Delete, Some(2)), (0, CREATE, Some(3))];
    vec![
        Scene::new("create-delete", &later).with(lost),
        Scene::new("create-lie", &crossing).with(|s| s.budget.lies = 1),
        Scene::new("back-again", &back).with(lost),
        Scene::new("back-again-deactivated", &back).with(lost).with(|s| {
            s.profile.deactivates = true;
            s.profile.unique = true;
        }),
        Scene::new("grant-delete-lost", &[(0, Ask::Grant(1), Some(1)), (1, Ask::Delete, None)])
            .with(there)
            .with(lost),
        Scene::new("delete-create-lost", &[(0, Ask::Delete, Some(1)), (1, CREATE, Some(2))])
            .with(there)
            .with(lost),
        Scene::new("delete-twice", &[(0, Ask::Delete, Some(1)), (1, Ask::Delete, Some(2))])
            .with(there)
            .with(slow)
            .with(|s| s.budget.crashes = 1),
        Scene::new("duplicates", &[(0, CREATE, None), (1, Ask::Delete, None)]).with(|s| {
            s.budget.network = 1;
        }),
        Scene::new("create-delete-crossing", &crossing).with(lost),
        Scene::new("parked", &crossing).with(lost).with(|s| {
            s.profile.refuses_lists = true;
            s.spare.looks = 1;
        }),
        Scene::new("parked-resolved", &crossing).with(lost).with(|s| {
            s.profile.refuses_lists = true;
            s.operated = true;
        }),
    ]
}

/// Gateways share a ledger, and leases lapse although their holders live.
fn shared() -> Vec<Scene> {
    let two = |s: &mut Scene| {
        s.gateways = 2;
        s.budget.expiries = 1;
    };
    let named = [(0, CREATE, Some(1)), (1, NAMED, Some(2))];
    let grants = [(0, Ask::Grant(1), Some(1)), (1, Ask::Revoke(1), Some(2))];
    vec![
        Scene::new("shared-create", &[(0, CREATE, Some(1))]).with(two).with(|s| {
            s.spare.repeats = 1;
        }),
        Scene::new("shared-create-twice", &[(0, CREATE, Some(1))]).with(two).with(|s| {
            s.budget.expiries = 2;
            s.budget.crashes = 1;
        }),
        Scene::new("shared-two-keys", &[(0, CREATE, Some(1)), (1, CREATE, Some(2))]).with(two),
        Scene::new("shared-two-names", &named).with(two),
        Scene::new("shared-names-lost", &named).with(two).with(|s| s.budget.calls = 1),
        Scene::new("shared-grants", &grants).with(there).with(two),
        Scene::new("shared-delete", &[(0, Ask::Delete, Some(1)), (1, CREATE, None)])
            .with(there)
            .with(two),
    ]
}

/// What is too large for `make check`: only `make check-deep` has it.
fn large() -> Vec<Scene> {
    let crossed = [(0, Ask::Delete, Some(1)), (0, CREATE, Some(2)), (1, Ask::Title(2), Some(3))];
    let twice = [(0, Ask::Delete, Some(1)), (1, Ask::Delete, Some(2))];
    vec![
        Scene::new("back-again-broken", &crossed).with(there).with(|s| {
            s.profile.deactivates = true;
            s.budget.calls = 1;
            s.statuses = &[500];
        }),
        Scene::new("delete-twice-lost", &twice)
            .with(there)
            .with(lost)
            .with(|s| s.budget.crashes = 1),
    ]
}

/// A call takes its time, and so does the search.
fn slow(scene: &mut Scene) {
    scene.profile.late = true;
    scene.profile.lags = true;
}

/// One call or its answer is lost, cut off or broken.
fn lost(scene: &mut Scene) {
    slow(scene);
    scene.budget.calls = 1;
}

/// One source asks it, in the order of the wishes; its clients deliver in one of their own.
fn numbered(scene: &mut Scene) {
    for (version, intent) in (1..).zip(&mut scene.intents) {
        intent.version = Some(version);
    }
}

fn there(scene: &mut Scene) {
    scene.store = vec![resource(USER)];
}

fn resource(subject: Subject) -> Resource {
    Resource {
        subject,
        external: true,
        title: 0,
        active: Some(true),
        edges: Vec::new(),
        version: 1,
    }
}

const USER: Subject = Subject { kind: Kind::User, number: 0 };
const GROUP: Subject = Subject { kind: Kind::Group, number: 0 };
const CREATE: Ask = Ask::Create { title: 0, external: true };
/// The same user, known by his user name alone.
const NAMED: Ask = Ask::Create { title: 0, external: false };
const TITLED: Ask = Ask::Create { title: 1, external: true };
