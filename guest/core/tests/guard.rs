//! May a plan begin, or does a person have to see how much it does (S33)?

#![expect(clippy::expect_used, reason = "a test may fail")]

use replaysafe_core::{
    reconciliation::{Class, Part, Past, Tally, guard, plan, survey},
    types::{Field, Settings},
};

const NOW: u64 = 1_790_000_000_000;
const HOUR: u64 = 3_600_000;

/// S33: a share of what is there, and a number, whichever is less; up to ten are never too large a share.
#[test]
fn more_than_a_share_or_a_number_is_told() {
    let limits = r#"{"guard":{"delete":{"most":50,"percent":5},"disable":{"most":3},"update":{"percent":0},"revoke":{}}}"#;
    for (class, planned, there, expected) in [
        // 5 % of 800 are 40.
        (Class::Delete, 40, 800, None),
        (Class::Delete, 41, 800, Some(40)),
        // 5 % of 2,000 are 100, more than 50.
        (Class::Delete, 50, 2_000, None),
        (Class::Delete, 51, 2_000, Some(50)),
        // 5 % of 100 are few.
        (Class::Delete, 10, 100, None),
        (Class::Delete, 11, 100, Some(10)),
        // A share is rounded down: 5 % of 239 are 11.95.
        (Class::Delete, 11, 239, None),
        (Class::Delete, 12, 239, Some(11)),
        // A number holds for few, too.
        (Class::Disable, 3, 100_000, None),
        (Class::Disable, 4, 5, Some(3)),
        (Class::Update, 10, 1_000, None),
        (Class::Update, 11, 1_000, Some(10)),
        // What has neither, and what the default has no limit for, is as much as is wanted.
        (Class::Revoke, 1_000_000, 1_000_000, None),
        (Class::Create, 1_000_000, 0, None),
        (Class::Grant, 1_000_000, 0, None),
        (Class::Adopt, 1_000_000, 1_000_000, None),
    ] {
        let tally = Tally { planned, ..tally(class, there, there) };
        assert_eq!(limit(limits, tally), expected, "{class:?} {planned} of {there}");
    }
    // As large as a number can be: nothing overflows.
    let all = Tally { planned: u64::MAX, ..tally(Class::Delete, u64::MAX, 0) };
    let percent = r#"{"guard":{"delete":{"percent":100}}}"#;
    assert_eq!(limit(percent, all), None);
}

/// S33, S45: without a policy a fifth of all may go, and no more than 500, or of members, roles and entitlements 5,000.
#[test]
fn the_default_guards_what_takes_away() {
    for (class, planned, there, expected) in [
        (Class::Delete, 21, 100, Some(20)),
        (Class::Disable, 21, 100, Some(20)),
        (Class::Revoke, 21, 100, Some(20)),
        (Class::Delete, 501, 10_000, Some(500)),
        (Class::Disable, 501, 10_000, Some(500)),
        (Class::Revoke, 5_001, 100_000, Some(5_000)),
        (Class::Create, 100_000, 100, None),
        (Class::Adopt, 100, 100, None),
        (Class::Update, 100, 100, None),
        (Class::Grant, 100_000, 100, None),
    ] {
        let tally = Tally { planned, ..tally(class, there, there) };
        assert_eq!(limit("{}", tally), expected, "{class:?} {planned} of {there}");
    }
}

/// S33: what a plan takes of lists is compared with what is in lists, and all else with the resources.
#[test]
fn edges_are_compared_with_edges() {
    let check = |class, expected: Option<u64>| {
        let tally = Tally { planned: 30, ..tally(class, 100, 1_000) };
        assert_eq!(limit(r#"{"guard":{"grant":{"percent":1}}}"#, tally), expected, "{class:?}");
    };
    check(Class::Revoke, None);
    check(Class::Grant, Some(10));
    check(Class::Delete, Some(20));
}

/// S33: what other plans did within the window counts; it alone stops nothing.
#[test]
fn what_was_done_within_the_window_counts() {
    let check = |policy: &str, planned, recent: &[(u64, u64)], expected: Option<(u64, u64)>| {
        let recent = recent.iter().map(|(at, count)| Past { at: *at, count: *count }).collect();
        let tally = Tally { planned, recent, ..tally(Class::Delete, 100, 0) };
        let told = told(policy, tally);
        assert_eq!(told.map(|told| (told.count, told.limit)), expected);
    };
    check("{}", 15, &[(NOW - 24 * HOUR, 5)], None);
    check("{}", 15, &[(NOW - 24 * HOUR, 6)], Some((21, 20)));
    check("{}", 15, &[(NOW - 24 * HOUR - 1, 1_000)], None);
    check("{}", 15, &[(NOW - HOUR, 3), (NOW, 3)], Some((21, 20)));
    check(r#"{"guard-window-hours":1}"#, 15, &[(NOW - 2 * HOUR, 1_000)], None);
    check("{}", 0, &[(NOW, 1_000)], None);
    check("{}", 1, &[(NOW, u64::MAX), (NOW, 5)], Some((u64::MAX, 20)));
}

/// S33: what a person has approved goes, and no more than that.
#[test]
fn what_was_approved_goes_and_no_more() {
    let check = |approved, recent, expected| {
        let recent = vec![Past { at: NOW, count: recent }];
        let tally = Tally { planned: 30, approved, recent, ..tally(Class::Disable, 100, 0) };
        assert_eq!(limit("{}", tally), expected);
    };
    check(0, 0, Some(20));
    check(29, 0, Some(20));
    check(30, 0, None);
    // Meanwhile another plan has done something.
    check(30, 1, Some(20));
}

/// S33: a person is told how much of how many, and by which rule.
#[test]
fn the_detail_has_the_figures() {
    let tally = Tally { planned: 30, ..tally(Class::Disable, 100, 0) };
    let found = told("{}", tally.clone()).expect("it is over the limit");
    assert_eq!((found.resource_type.as_str(), found.there), ("User", 100));
    assert_eq!(found.detail, "30 of 100: policy `guard.disable` lets 20 go without approval (S33)");
    let recent = vec![Past { at: NOW, count: 4 }];
    let found = told("{}", Tally { recent, ..tally }).expect("it is over the limit");
    assert_eq!(
        found.detail,
        "30 of 100, and 4 that other plans did within 24 hours: policy `guard.disable` lets 20 go without approval (S33)"
    );
}

/// S45: what is no guard is refused, and named.
#[test]
fn a_wrong_guard_is_refused_by_name() {
    for (policy, named) in [
        (r#"{"guard":{"delte":{"most":1}}}"#, "delte"),
        (r#"{"guard":{"delete":{"mots":1}}}"#, "mots"),
        (r#"{"guard":{"delete":{"percent":101}}}"#, "`percent` must be 0 to 100"),
        (r#"{"guard":{"delete":5}}"#, "delete"),
        (r#"{"guard":{"delete":{"most":-1}}}"#, "most"),
        (r#"{"guard-window-hours":0}"#, "`guard-window-hours` must be 1 to 720"),
        (r#"{"guard-window-hours":721}"#, "`guard-window-hours` must be 1 to 720"),
    ] {
        let refused = guard(&[], NOW, &settings(policy)).expect_err(policy);
        assert!(refused.code == "policy" && refused.detail.contains(named), "{}", refused.detail);
    }
}

/// S33: how much a change is, and how much there is: counted by hand.
#[test]
fn a_plan_counts_what_it_gives_and_takes() {
    let desired = r#"{"externalId":"e1","userName":"ann","title":"x","roles":[{"value":"a"},{"value":"d"},{"value":"e"}],"entitlements":["f"]}"#;
    let observed = r#"{"id":"1","externalId":"e1","userName":"ann","roles":[{"value":"a"},{"value":"b"},{"value":"c"}],"Entitlements":[{"value":"g"}],"groups":[{"value":"9"}]}"#;
    let part = Part {
        resource_type: "User".into(),
        desired: vec![
            desired.into(),
            r#"{"externalId":"e2","userName":"bob","roles":["a","b"]}"#.into(),
        ],
        observed: vec![
            observed.into(),
            r#"{"id":"2","externalId":"e9","userName":"cat","roles":["a"]}"#.into(),
        ],
        links: Vec::new(),
        referred: Vec::new(),
        complete: true,
        settings: settings(r#"{"source-missing":"delete"}"#),
    };
    let found = plan(&part).expect("the settings are good");
    let changes = found.iter().flat_map(|found| &found.changes);
    let counts: Vec<_> = changes.map(|change| (change.class, change.count, change.takes)).collect();
    assert_eq!(
        counts,
        [
            // b, c and g.
            (Class::Revoke, 3, 0),
            (Class::Update, 1, 0),
            // d, e and f.
            (Class::Grant, 3, 0),
            (Class::Create, 1, 0),
            // With a.
            (Class::Delete, 1, 1),
        ]
    );
    let traits = survey("User", &part.observed, &part.settings).expect("the settings are good");
    let edges: Vec<_> = traits.iter().flatten().map(|one| one.edges).collect();
    // Of groups a user only shows that it is in them.
    assert_eq!(edges, [4, 1]);
    let group = r#"{"id":"7","displayName":"g","members":[{"value":"1"},{"value":"2"}]}"#;
    let traits = survey("Group", &[group.into()], &part.settings).expect("the settings are good");
    assert_eq!(traits.iter().flatten().map(|one| one.edges).collect::<Vec<_>>(), [2]);
}

/// S33: what is deleted takes its members along; where it is only switched off they stay.
#[test]
fn a_deletion_takes_its_members_along() {
    let group = r#"{"id":"7","externalId":"g7","displayName":"g","active":true,"members":[{"value":"1"},{"value":"2"}]}"#;
    let other = r#"{"externalId":"g8","displayName":"h"}"#;
    let deactivates = vec![Field { name: "deactivates/Group".into(), value: "true".into() }];
    for (profile, expected) in [(Vec::new(), 2), (deactivates, 0)] {
        let policy = r#"{"source-missing":"delete"}"#;
        let part = Part {
            resource_type: "Group".into(),
            desired: vec![other.into()],
            observed: vec![group.into()],
            links: Vec::new(),
            referred: Vec::new(),
            complete: true,
            settings: Settings { profile, ..settings(policy) },
        };
        let found = plan(&part).expect("the settings are good");
        let changes = found.iter().flat_map(|found| &found.changes);
        let mut deletes = changes.filter(|change| change.class == Class::Delete);
        let delete = deletes.next().expect("a deletion");
        assert_eq!((delete.count, delete.takes), (1, expected));
    }
}

/// S33: whatever does not say that a resource is active may switch it off if it is on, as each target reads it.
#[test]
fn what_does_not_say_active_switches_off() {
    for (observed, desired, expected) in [
        ("true", "false", Class::Disable),
        ("true", "\"False\"", Class::Disable),
        ("true", "null", Class::Disable),
        ("true", "0", Class::Disable),
        ("true", "\"\"", Class::Disable),
        ("\"yes\"", "0", Class::Disable),
        // It may switch on who is off.
        ("false", "true", Class::Update),
        ("false", "null", Class::Update),
        ("\"False\"", "1", Class::Update),
    ] {
        let resource = |active: &str| {
            format!(r#"{{"id":"1","externalId":"e1","userName":"a","active":{active}}}"#)
        };
        let part = Part {
            resource_type: "User".into(),
            desired: vec![resource(desired)],
            observed: vec![resource(observed)],
            links: Vec::new(),
            referred: Vec::new(),
            complete: false,
            settings: settings("{}"),
        };
        let found = plan(&part).expect("the settings are good");
        let classes: Vec<_> =
            found.iter().flat_map(|found| &found.changes).map(|change| change.class).collect();
        assert_eq!(classes, [expected], "{observed} to {desired}");
    }
}

fn tally(class: Class, resources: u64, edges: u64) -> Tally {
    let (resource_type, recent) = ("User".into(), Vec::new());
    Tally { resource_type, class, planned: 0, recent, resources, edges, approved: 0 }
}

fn told(policy: &str, tally: Tally) -> Option<replaysafe_core::reconciliation::Excess> {
    let found = guard(&[tally], NOW, &settings(policy)).expect("the policy is good");
    assert!(found.len() <= 1);
    found.into_iter().next()
}

fn limit(policy: &str, tally: Tally) -> Option<u64> {
    told(policy, tally).map(|told| told.limit)
}

fn settings(policy: &str) -> Settings {
    Settings { policy: policy.into(), schema: "{}".into(), profile: Vec::new() }
}
