//! The scenes: a few wishes, a target, and what may go wrong.

use std::collections::BTreeMap;

use crate::sim::{
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
        };
        let store: BTreeMap<u32, Resource> = (1..).zip(self.store.iter().cloned()).collect();
        World::new(setup, Target::new(store), self.budget)
    }

    fn new(name: &'static str, asks: &[(usize, Ask, Option<u8>)]) -> Self {
        let subject = Subject { kind: Kind::User, number: 0 };
        let intent = |(client, ask, key): &(usize, Ask, Option<u8>)| Intent {
            subject,
            ask: *ask,
            key: *key,
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
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// All scenes of `make check`.
#[must_use]
pub fn scenes() -> Vec<Scene> {
    let create = Ask::Create { title: 0, external: true };
    let named = Ask::Create { title: 0, external: false };
    let titled = Ask::Create { title: 1, external: true };
    let lost = |s: &mut Scene| {
        s.budget.calls = 1;
        s.profile.late = true;
        s.profile.lags = true;
    };
    let there = |s: &mut Scene| s.store = vec![user()];
    vec![
        Scene::new("two-keys", &[(0, create, Some(1)), (1, create, Some(2))]),
        Scene::new("create-lost", &[(0, create, Some(1))]).with(lost),
        Scene::new("create-crash", &[(0, create, Some(1))]).with(|s| {
            s.budget.crashes = 1;
            s.profile.late = true;
            s.profile.lags = true;
            s.spare.repeats = 1;
        }),
        Scene::new("two-keys-lost", &[(0, create, Some(1)), (1, create, Some(2))]).with(lost),
        Scene::new("two-names-lost", &[(0, create, Some(1)), (1, named, Some(2))]).with(lost),
        Scene::new("two-names-crash", &[(0, create, Some(1)), (1, named, Some(2))]).with(|s| {
            s.budget.crashes = 1;
        }),
        Scene::new("unique-lost", &[(0, create, Some(1)), (1, titled, None)]).with(lost).with(|s| {
            s.profile.unique = true;
        }),
        Scene::new("create-refused", &[(0, create, Some(1)), (1, titled, Some(2))]).with(|s| {
            s.budget.refusals = 1;
            s.statuses = &[400, 503];
        }),
        Scene::new("create-lie", &[(0, create, Some(1)), (1, Ask::Delete, Some(2))]).with(|s| {
            s.budget.lies = 1;
        }),
        Scene::new("create-delete", &[(0, create, Some(1)), (0, Ask::Delete, Some(2))]).with(|s| {
            s.profile.lags = true;
        }),
        Scene::new("create-delete-lost", &[(0, create, Some(1)), (0, Ask::Delete, Some(2))]).with(lost),
        Scene::new("create-delete-crossing", &[(0, create, Some(1)), (1, Ask::Delete, Some(2))]).with(lost).with(|s| {
            s.profile.lags = false;
        }),
        Scene::new("grant-revoke-lost", &[(0, Ask::Grant(1), Some(1)), (1, Ask::Revoke(1), Some(2))]).with(there).with(lost),
        Scene::new("switch-lost", &[(0, Ask::Switch(true), None), (1, Ask::Switch(false), None)]).with(there).with(lost),
        Scene::new("grant-stacks", &[(0, Ask::Grant(1), Some(1)), (1, Ask::Grant(1), Some(2))]).with(there).with(lost).with(|s| s.profile.stacks = true),
        Scene::new("grant-delete-lost", &[(0, Ask::Grant(1), Some(1)), (1, Ask::Delete, None)]).with(there).with(lost),
        Scene::new("delete-create-lost", &[(0, Ask::Delete, Some(1)), (1, create, Some(2))]).with(there).with(lost),
        Scene::new("shared-create", &[(0, create, Some(1))]).with(|s| {
            s.gateways = 2;
            s.budget.expiries = 1;
            s.spare.repeats = 1;
        }),
        Scene::new("shared-two-keys", &[(0, create, Some(1)), (1, create, Some(2))]).with(|s| {
            s.gateways = 2;
            s.budget.expiries = 1;
        }),
        Scene::new("shared-two-names", &[(0, create, Some(1)), (1, named, Some(2))]).with(|s| {
            s.gateways = 2;
            s.budget.expiries = 1;
        }),
        Scene::new("duplicates", &[(0, create, None), (1, Ask::Delete, None)]).with(|s| {
            s.budget.network = 1;
        }),
        Scene::new("parked", &[(0, create, Some(1)), (1, Ask::Delete, Some(2))]).with(lost).with(|s| {
            s.profile.refuses_lists = true;
            s.spare.looks = 1;
        }),
    ]
}

/// The scenes of `make check-deep`: more goes wrong in each.
#[must_use]
pub fn deep() -> Vec<Scene> {
    let more = |mut scene: Scene| {
        scene.budget.calls += 1;
        scene.budget.crashes += 1;
        scene
    };
    scenes().into_iter().map(more).collect()
}

fn user() -> Resource {
    Resource {
        subject: Subject { kind: Kind::User, number: 0 },
        external: true,
        title: 0,
        active: Some(true),
        edges: Vec::new(),
        version: 1,
    }
}

/// A target without a fault or a gift.
const PLAIN: Profile = Profile {
    unique: false,
    unique_declared: false,
    deactivates: false,
    etag: Etag::None,
    stacks: false,
    add_replaces: false,
    drops_title: false,
    refuses_filters: false,
    refuses_lists: false,
    lags: false,
    late: false,
    unbounded: false,
};
