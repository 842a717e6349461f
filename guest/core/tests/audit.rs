//! Audits: what is wrong with what is there, and what would mend it (S35)?

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test may fail"
)]

use replaysafe_core::{
    audit::{Finding, Part, Reference, Referrer, Subject, audit, look},
    state::{Life, Memory},
    types::{Field, Identity, Settings},
};
use serde_json::{Value, json};

/// S16: in common is an external id, or what they correlate by as the schema compares it: of a user name letter case does
/// not count (RFC 7643 §4.1.1), of an external id it does. What is empty is nobody's.
#[test]
fn duplicates_have_something_in_common() {
    let user =
        |id, external_id, name| json!({"id": id, "externalId": external_id, "userName": name});
    let of = |users: &[Value]| told(&users.iter().cloned().map(alone).collect::<Vec<_>>(), &[]);
    assert_eq!(
        of(&[user("1", "a", "ann"), user("2", "a", "bea"), user("3", "A", "cyd")]),
        ["duplicate-identity a: 0 1; externalId [2]"]
    );
    assert_eq!(
        of(&[user("1", "a", "ann"), user("2", "", "Ann"), user("3", "", "anna")]),
        ["duplicate-identity a: 0 1; userName [2]"]
    );
    assert_eq!(of(&[user("1", "", "ann"), user("2", "", "bea")]), [""; 0]);
}

/// S21: what was deleted through the ledger and is there has come back; not so what is switched off, which is how some
/// targets delete, what a ledger has as living, and what was made one with another.
#[test]
fn what_was_deleted_and_is_there_is_told() {
    let there =
        |active: bool| json!({"id": "1", "externalId": "a", "userName": "ann", "active": active});
    let check = |document: Value, known: Vec<Identity>, expected: &[&str]| {
        assert_eq!(told(&[Subject { known, ..alone(document) }], &[]), expected);
    };
    let back = ["resurrected a: 0;  []"];
    check(there(true), vec![identity(Life::Deleted, Some("1"))], &back);
    // Under its external id: made anew by somebody else.
    check(there(true), vec![identity(Life::Deleted, Some("7"))], &back);
    check(there(true), vec![identity(Life::Deleted, None)], &back);
    check(there(false), vec![identity(Life::Deleted, Some("1"))], &[]);
    check(there(true), vec![identity(Life::Live, Some("1"))], &[]);
    check(there(true), vec![identity(Life::Expected, None)], &[]);
    // It came back through the ledger, under another identity than the tombstone's.
    let both = vec![identity(Life::Deleted, Some("7")), identity(Life::Live, Some("1"))];
    check(there(true), both, &[]);
    let other = vec![identity(Life::Deleted, Some("7")), identity(Life::Live, Some("2"))];
    check(there(true), other, &back);
    let became = Memory { life: Life::Deleted, became: Some("i-2".into()), ..Memory::new("User") };
    let state = serde_json::to_string(&became).expect("a record");
    check(there(true), vec![Identity { state, ..identity(Life::Deleted, None) }], &[]);
    check(there(true), vec![], &[]);
}

/// S29: what the target has accepted and not carried out, by the decisions.
#[test]
fn what_cannot_be_revoked_is_told() {
    let group = json!({"id": "7", "displayName": "g", "members": [{"value": "1"}]});
    let subject = Subject { irrevocable: vec!["d1".into(), "d2".into()], ..alone(group) };
    let found = run(&part("Group", &[subject], &[]));
    let told: Vec<_> = found
        .iter()
        .map(|one| (one.rule.as_str(), one.values.join(" "), one.mends.len()))
        .collect();
    assert_eq!(told, [("S29", "d1 d2".to_owned(), 0)]);
}

/// S35: linked before active before oldest.
#[test]
fn whom_a_ledger_knows_survives() {
    let one = json!({"id": "1", "externalId": "a", "userName": "ann"});
    let linked = json!({"id": "2", "externalId": "a", "userName": "bea"});
    let known = vec![identity(Life::Live, Some("2"))];
    let same = |known: Vec<Identity>| {
        let subjects = [
            Subject { known: known.clone(), ..alone(one.clone()) },
            Subject { known, ..alone(linked.clone()) },
        ];
        run(&part("User", &subjects, &[])).remove(0)
    };
    let found = same(vec![]);
    assert_eq!(found.subjects, [0, 1]);
    let found = same(known);
    assert_eq!(found.subjects, [1, 0]);
    assert!(
        found.detail.contains("the ledger has it as the resource of its identity"),
        "{}",
        found.detail
    );
}

/// A record that no ledger has written is a broken contract, and no finding.
#[test]
fn a_record_that_cannot_be_read_is_refused() {
    let known = vec![Identity { state: "{}".into(), ..identity(Life::Live, None) }];
    let subject = Subject { known, ..alone(json!({"id": "1", "userName": "ann"})) };
    let refused = audit(&part("User", &[subject], &[])).expect_err("it cannot be read");
    assert_eq!(refused.code, "state");
}

/// By way of others, too: the first and the last have nothing in common.
#[test]
fn duplicates_are_one_by_way_of_others() {
    let users = [
        json!({"id": "1", "externalId": "a", "userName": "x"}),
        json!({"id": "2", "externalId": "a", "userName": "y"}),
        json!({"id": "3", "userName": "Y"}),
        json!({"id": "4", "userName": "z"}),
    ];
    let found = told(&users.map(alone), &[]);
    assert_eq!(found, ["duplicate-identity a: 0 1 2; externalId userName [2 3]"]);
}

/// What policy correlates by, and what the target is known to keep unique.
#[test]
fn what_identifies_is_told_by_policy_and_profile() {
    let users = [
        json!({"id": "1", "userName": "a", "emails": [{"value": "A@example.com"}]}),
        json!({"id": "2", "userName": "b", "emails": [{"value": "a@example.com"}]}),
    ];
    let mut part = part("User", &users.map(alone), &[]);
    assert_eq!(run(&part).len(), 0);
    let unique = Field { name: "unique/User/emails.value".into(), value: "server".into() };
    part.settings.profile.push(unique.clone());
    let found = run(&part);
    assert_eq!(found.first().map(|one| one.attributes.clone()), Some(vec!["emails.value".into()]));
    // What is said to be unique is not, where two have it: these may be two people.
    assert_eq!(found.first().map(|one| one.mends.len()), Some(0));
    part.settings.profile = vec![Field { value: "none".into(), ..unique }];
    assert_eq!(run(&part).len(), 0);
    part.settings.policy = r#"{"correlation":{"User":["emails.value"]}}"#.into();
    let found = run(&part);
    assert_eq!(found.first().map(|one| one.mends.len()), Some(1));
}

/// S35: each rule decides where those before it do not.
#[test]
fn who_survives_is_told_by_the_rules_in_their_order() {
    let all = json!({"userName": "a", "externalId": "x", "active": true, "meta": {"created": "2020-01-01T00:00:00Z"}});
    for (losing, why) in [
        (json!({"externalId": null}), "it carries an external id, and the others none"),
        (json!({"active": false}), "it is switched on"),
        (json!({"meta": {"created": "2020-01-01T00:30:00+00:15"}}), "it was made first"),
        (json!({"meta": null}), "it says when it was made, and the next does not"),
        (json!({"externalId": " "}), "it carries an external id, and the others none"),
        (json!({}), "most others refer to it"),
    ] {
        let mut loser = all.clone();
        merge(&mut loser, &losing);
        merge(&mut loser, &json!({"id": "1"}));
        let mut winner = all.clone();
        merge(&mut winner, &json!({"id": "2"}));
        let groups = if losing == json!({}) { vec!["g"] } else { vec![] };
        let subjects = [alone(loser), referred(winner, &groups)];
        let found = run(&part("User", &subjects, &[]));
        let told = found.iter().find(|one| one.values == ["1"]).expect("duplicates");
        assert_eq!(told.subjects, [1, 0], "{losing}");
        assert!(told.detail.contains(why), "{losing}: {}", told.detail);
    }
    let two = [json!({"id": "2", "userName": "a"}), json!({"id": "1", "userName": "a"})];
    let found = run(&part("User", &two.map(alone), &[]));
    assert_eq!(found.first().map(|one| one.subjects.clone()), Some(vec![1, 0]));
}

/// In two rounds, so that nothing is lost where a change fails: first the survivor comes to be where the others are, each place once.
#[test]
fn duplicates_are_merged_once_the_survivor_has_what_they_have() {
    let survivor = json!({"id": "1", "externalId": "a", "userName": "ann"});
    let other = |id: &str| json!({"id": id, "userName": "Ann", "roles": [{"value": "admin"}], "x509Certificates": [{"value": "MII"}]});
    let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
    let mut loser = referred(other("2"), &["g1", "g2"]);
    loser.referred_by.push(referrer("User", "9", manager));
    // Those that are one refer to each other: that is nobody's business; a group that has the id of one is another.
    loser.referred_by.push(referrer("User", "3", manager));
    loser.referred_by.push(referrer("Group", "1", "members"));
    let subjects = [referred(survivor.clone(), &["g1"]), loser, referred(other("3"), &["g2"])];
    assert_eq!(
        mends(&subjects),
        [
            "grant Group g2: add members [{\"value\":\"1\"}]".to_owned(),
            format!("update User 9: replace {manager} {{\"value\":\"1\"}}"),
            "grant Group 1: add members [{\"value\":\"1\"}]".to_owned(),
        ]
    );
    let subjects = [referred(survivor, &["g1", "g2"]), referred(other("2"), &["g1", "g2"])];
    assert_eq!(
        mends(&subjects),
        [
            "revoke User 2: remove roles",
            "revoke Group g1: remove members[value eq \"2\"]",
            "revoke Group g2: remove members[value eq \"2\"]",
            "update User 2: remove x509Certificates",
            "disable User 2: replace active false",
        ]
    );
    let told = "roles and entitlements of the others are taken away, and not given to it";
    let detail = |subjects: &[Subject]| {
        let found = run(&part("User", subjects, &[]));
        found.first().expect("duplicates").detail.clone()
    };
    assert!(detail(&subjects).ends_with(told));
    // Who has none loses none.
    let none =
        [json!({"id": "1", "userName": "ann"}), json!({"id": "2", "userName": "Ann", "roles": []})];
    assert!(!detail(&none.map(alone)).contains(told));
}

/// What a person has to decide is not merged.
#[test]
fn duplicates_of_two_sources_or_without_a_switch_are_left_to_a_person() {
    let two = [
        json!({"id": "1", "externalId": "a", "userName": "x"}),
        json!({"id": "2", "externalId": "b", "userName": "X"}),
    ];
    let found = run(&part("User", &two.map(alone), &[]));
    let found = found.first().expect("duplicates");
    assert_eq!(
        (found.mends.len(), found.attributes.as_slice()),
        (0, ["userName".to_owned()].as_slice())
    );
    assert!(found.detail.contains("different external ids"), "{}", found.detail);
    let two = [json!({"id": "1", "externalId": "a"}), json!({"id": "2", "externalId": "a"})];
    let found = run(&part("Group", &two.map(alone), &[]));
    let found = found.first().expect("duplicates");
    assert!(
        found.mends.is_empty() && found.detail.contains("cannot be switched off"),
        "{}",
        found.detail
    );
}

/// Nobody loses by a merge what nobody knew of.
#[test]
fn duplicates_of_which_not_all_who_refer_are_known_are_left_to_a_person() {
    let users = [json!({"id": "1", "externalId": "a"}), json!({"id": "2", "externalId": "a"})];
    let mut part = part("User", &users.map(alone), &[]);
    assert_eq!(run(&part).iter().map(|one| one.mends.len()).sum::<usize>(), 1);
    for subject in &mut part.subjects[1..] {
        subject.may_be_referred = true;
    }
    let found = run(&part);
    assert!(
        found
            .iter()
            .all(|one| one.mends.is_empty() && one.detail.starts_with("others may refer to them"))
    );
}

/// Nobody is locked out: who is on is not switched off for one that is not.
#[test]
fn a_survivor_that_is_off_is_left_to_a_person() {
    let subjects = [
        alone(json!({"id": "1", "externalId": "a", "userName": "ann", "active": false})),
        referred(json!({"id": "2", "userName": "ann"}), &["g"]),
    ];
    assert_eq!(mends(&subjects), [""; 0]);
    let found = run(&part("User", &subjects, &[]));
    assert!(found.iter().any(|one| one.detail.contains("who would survive is switched off")));
}

/// S17: who is not known by a name is not merged by one, by way of others neither.
#[test]
fn who_is_not_known_by_names_is_not_merged_by_one() {
    let users = [
        json!({"id": "1", "externalId": "x", "userName": "a"}),
        json!({"id": "2", "externalId": "x", "userName": "b"}),
        json!({"id": "3", "userName": "B"}),
    ];
    let mut of = part("User", &users.clone().map(alone), &[]);
    // By way of the second, whose name is not the survivor's: a person decides for any type.
    assert!(run(&of).iter().all(|one| one.mends.is_empty() && one.subjects.len() == 3));
    of = part("User", &users[..2].iter().cloned().map(alone).collect::<Vec<_>>(), &[]);
    assert_eq!(run(&of).iter().map(|one| one.mends.len()).sum::<usize>(), 1);
    of.settings.policy = r#"{"privileged":["User"]}"#.into();
    assert_eq!(run(&of).iter().map(|one| one.mends.len()).sum::<usize>(), 1, "by an external id");
    let named = [json!({"id": "2", "externalId": "x", "userName": "b"}), users[2].clone()];
    of.subjects = part("User", &named.map(alone), &[]).subjects;
    assert!(run(&of).iter().all(|one| one.mends.is_empty() && one.detail.contains("S17")));
    of.settings.policy = "{}".into();
    assert_eq!(run(&of).iter().map(|one| one.mends.len()).sum::<usize>(), 1, "by a name");
}

/// S22: all that somebody holds who is switched off, in whatever spelling.
#[test]
fn who_is_off_holds_nothing() {
    let user = json!({
        "id": "1", "userName": "ann", "active": "False",
        "roles": [{"value": "b"}, {"value": "a"}], "entitlements": "e",
        "apiKeys": [{"id": "k"}], "x509Certificates": [],
    });
    let subjects = [referred(user.clone(), &["g2", "g1"])];
    assert_eq!(
        told(&subjects, &[]),
        [
            "orphaned-privilege ann: 0; entitlements [e]",
            "orphaned-privilege ann: 0; members [g1 g2]",
            "orphaned-privilege ann: 0; roles [a b]",
            "live-credential ann: 0; apiKeys []",
        ]
    );
    assert_eq!(
        mends(&subjects),
        [
            "revoke User 1: remove entitlements",
            "revoke Group g1: remove members[value eq \"1\"]",
            "revoke Group g2: remove members[value eq \"1\"]",
            "revoke User 1: remove roles",
            "update User 1: remove apiKeys",
        ]
    );
    for on in [json!(true), json!("True"), Value::Null] {
        let mut user = user.clone();
        merge(&mut user, &json!({"active": on}));
        assert_eq!(told(&[referred(user, &["g1"])], &[]), [""; 0]);
    }
}

/// Of each list that holds somebody, whatever ids those that have one share.
#[test]
fn who_is_off_is_taken_from_every_list() {
    let mut subject = referred(json!({"id": "1", "userName": "ann", "active": false}), &["7"]);
    subject.referred_by.push(referrer("Group", "7", "urn:x:members"));
    subject.referred_by.push(referrer("Team", "7", "members"));
    assert_eq!(
        told(std::slice::from_ref(&subject), &[]),
        ["orphaned-privilege ann: 0; members [7]"]
    );
    assert_eq!(
        mends(&[subject]),
        [
            "revoke Group 7: remove members[value eq \"1\"]",
            "revoke Group 7: remove urn:x:members[value eq \"1\"]",
            "revoke Team 7: remove members[value eq \"1\"]",
        ]
    );
}

/// As many as a target takes in one PATCH.
#[test]
fn much_that_dangles_is_taken_away_in_parts() {
    let ids: Vec<String> = (0..250).map(|at| format!("gone{at}")).collect();
    let members: Vec<Value> = ids.iter().map(|id| json!({ "value": id })).collect();
    let nowhere: Vec<&str> = ids.iter().map(String::as_str).collect();
    let part = part("Group", &[alone(json!({"id": "g", "members": members}))], &nowhere);
    let found = run(&part);
    let parts: Vec<usize> = found
        .iter()
        .flat_map(|one| &one.mends)
        .map(|one| mend(one).matches("remove").count())
        .collect();
    assert_eq!(parts, [100, 100, 50]);
}

/// S27, S28: a member by its value, a grant by value and type, where both have one. Nobody loses one for a moment to have it once.
#[test]
fn what_is_there_several_times_is_told_and_left() {
    let user = json!({"id": "1", "userName": "ann", "roles": [
        {"value": "a", "type": "X"}, {"value": "a", "type": "x", "primary": true},
        {"value": "b", "type": "x"}, {"value": "b", "type": "y"},
        {"value": "c"}, {"value": "c", "type": "x"}, {"value": "c", "type": "y"},
        {"value": "d"}, {"value": ""}, {"value": ""}, {"value": "e", "type": 1}, {"value": "e", "type": 2},
    ]});
    let subjects = [alone(user)];
    assert_eq!(told(&subjects, &[]), ["stacked-grant ann: 0; roles [a c]"]);
    assert_eq!(mends(&subjects), [""; 0]);
    let group = json!({"id": "g", "displayName": "G", "Members": [
        {"value": "1", "type": "User", "$ref": "https://x/Users/1"}, {"value": "2"}, {"value": "1", "display": "Ann"},
        {"value": "3", "type": "User"}, {"value": "3", "type": "Group"},
    ]});
    let part = part("Group", &[alone(group)], &[]);
    assert_eq!(texts(&run(&part), &part), ["repeated-member g: 0; members [1]"]);
}

/// S14: only what was looked for and not found is nowhere.
#[test]
fn references_to_what_is_nowhere_dangle() {
    let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let user = json!({"id": "1", "userName": "ann", manager: {"manager": {"value": "gone"}}});
    assert_eq!(told(&[alone(user.clone())], &[]), [""; 0]);
    assert_eq!(
        told(&[alone(user.clone())], &["gone"]),
        [format!("dangling-reference ann: 0; {manager}:manager [gone]")]
    );
    let found = run(&part("User", &[alone(user)], &["gone"]));
    let told: Vec<String> = found.iter().flat_map(|one| &one.mends).map(mend).collect();
    assert_eq!(told, [format!("update User 1: remove {manager}:manager")]);
    let group =
        json!({"id": "g", "members": [{"value": "b"}, {"value": "a"}, "c", {"value": "d"}]});
    let part = part("Group", &[alone(group)], &["a", "b", "c"]);
    let found = run(&part);
    assert_eq!(texts(&found, &part), ["dangling-reference g: 0; members [a b c]"]);
    let told: Vec<String> = found.iter().flat_map(|one| &one.mends).map(mend).collect();
    assert_eq!(
        told,
        [
            "revoke Group g: remove members[value eq \"a\"], remove members[value eq \"b\"], remove members[value eq \"c\"]"
        ]
    );
}

/// S25: a change has the version that was observed where the target compares it.
#[test]
fn a_version_is_a_precondition_where_the_target_compares_it() {
    let group = json!({"id": "g", "meta": {"version": "W/\"1\""}, "members": [{"value": "a"}]});
    let mut part = part("Group", &[alone(group.clone())], &["a"]);
    let if_match = |part: &Part| {
        let found = run(part);
        found.first().and_then(|one| one.mends.first()?.change.if_match.clone())
    };
    assert_eq!(if_match(&part), None);
    part.settings.profile.push(Field { name: "etag.supported".into(), value: "true".into() });
    assert_eq!(if_match(&part).as_deref(), Some("W/\"1\""));
    let seen = look("Group", &[group.to_string()], &part.settings).expect("settings");
    let version = seen.first().and_then(|one| one.as_ref()?.version.clone());
    assert_eq!(version.as_deref(), Some("W/\"1\""));
}

/// Documents that are no resources, or without an id, are left out.
#[test]
fn what_is_no_resource_is_left_out() {
    let of = |document: &str| Subject {
        document: document.into(),
        referred_by: vec![],
        dangling: vec![],
        may_be_referred: false,
        known: vec![],
        irrevocable: vec![],
    };
    let subjects = [of("7"), of(r#"{"userName":"a"}"#), of(r#"{"id":"1","userName":"a"}"#)];
    assert_eq!(run(&part("User", &subjects, &[])).len(), 0);
    let documents: Vec<String> = subjects.into_iter().map(|one| one.document).collect();
    let seen = look("User", &documents, &settings()).expect("settings");
    assert_eq!(seen.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true]);
}

/// S8: keys are coarser than any comparison, and nothing is known by an empty text.
#[test]
fn a_key_is_shared_by_all_that_may_be_one() {
    let keys = |document: Value| {
        let seen = look("User", &[document.to_string()], &settings()).expect("settings");
        seen.into_iter().flatten().next().expect("a user").keys
    };
    let one = keys(json!({"id": "1", "externalId": "x", "userName": "Ann"}));
    assert_eq!(one.len(), 2);
    assert!(one.contains(&keys(json!({"id": "2", "userName": " ann"}))[0]));
    assert_eq!(keys(json!({"id": "3", "externalId": "", "userName": ""})).len(), 0);
}

#[test]
fn references_are_told_with_their_attribute() {
    let user = json!({
        "id": "1", "manager": "m", "members": [{"value": "b"}, {"value": "a"}, {"value": "a"}, {"value": ""}, {}],
        "urn:x": {"Manager": {"value": 7}}, "note": {"manager": {"value": "no"}},
    });
    let seen = look("User", &[user.to_string()], &settings()).expect("settings");
    let seen = seen.into_iter().flatten().next().expect("a user");
    assert_eq!(texts_of(&seen.refers), ["manager m", "members a", "members b", "urn:x:manager 7"]);
    assert_eq!(seen.open, [""; 0]);
    let group = json!({"id": "g", "members": [
        {"value": "1", "type": "user"}, {"value": "2", "$ref": "https://x/scim/v2/Groups/2"}, {"value": "3", "type": "Device"},
        {"value": "4", "$ref": "https://elsewhere/Users/5"}, {"value": "6", "$ref": "../Users/6/"},
        // One filter takes both away.
        {"value": "7", "type": "User"}, {"value": "7", "type": "Group"},
        {"value": "8", "type": "User"}, {"value": "8", "type": "User", "display": "again"},
        {"value": "9", "type": "User"}, {"value": "9"},
    ]});
    let seen = look("Group", &[group.to_string()], &settings()).expect("settings");
    let seen = seen.into_iter().flatten().next().expect("a group");
    assert_eq!(
        texts_of(&seen.refers),
        [
            "members 1 User",
            "members 2 Group",
            "members 3 Device",
            "members 6 User",
            "members 8 User",
            "members 9"
        ]
    );
    assert_eq!(seen.open, ["4", "7"]);
    let team = json!({"id": "t", "urn:x": {"members": [{"value": "1"}, {"value": "2", "type": "direct"}]}, "manager": [{"value": "3"}]});
    let seen = look("Team", &[team.to_string()], &settings()).expect("settings");
    let seen = seen.into_iter().flatten().next().expect("a team");
    assert_eq!(texts_of(&seen.refers), ["urn:x:members 1", "urn:x:members 2 direct"]);
    assert_eq!(seen.open, ["3"]);
    let part = part("Team", &[alone(team)], &["1"]);
    let mended: Vec<String> = run(&part).iter().flat_map(|one| &one.mends).map(mend).collect();
    assert_eq!(mended, ["revoke Team t: remove urn:x:members[value eq \"1\"]"]);
}

fn texts_of(refers: &[Reference]) -> Vec<String> {
    let text = |of: &Reference| {
        let kind = of.resource_type.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default();
        format!("{} {}{kind}", of.attribute, of.id)
    };
    refers.iter().map(text).collect()
}

fn run(part: &Part) -> Vec<Finding> {
    audit(part).expect("settings that can be read")
}

/// A part in which these ids are nowhere.
fn part(resource_type: &str, subjects: &[Subject], nowhere: &[&str]) -> Part {
    let mut subjects = subjects.to_vec();
    for subject in &mut subjects {
        let seen = look(resource_type, std::slice::from_ref(&subject.document), &settings())
            .expect("settings");
        let refers = seen.into_iter().flatten().flat_map(|seen| seen.refers);
        subject.dangling = refers.filter(|to| nowhere.contains(&to.id.as_str())).collect();
    }
    Part { resource_type: resource_type.into(), subjects, settings: settings() }
}

fn settings() -> Settings {
    Settings { policy: "{}".into(), schema: "{}".into(), profile: vec![] }
}

fn alone(document: Value) -> Subject {
    referred(document, &[])
}

fn referred(document: Value, groups: &[&str]) -> Subject {
    let referred_by = groups.iter().map(|id| referrer("Group", id, "members")).collect();
    Subject {
        document: document.to_string(),
        referred_by,
        dangling: vec![],
        may_be_referred: false,
        known: vec![],
        irrevocable: vec![],
    }
}

/// What a ledger has: whether the identity lives, and the resource that it is or was.
fn identity(life: Life, target_id: Option<&str>) -> Identity {
    let target_id = target_id.map(String::from);
    let memory = Memory { life, target_id, ..Memory::new("User") };
    let state = serde_json::to_string(&memory).expect("a record");
    Identity { id: "i-1".into(), fence: 3, incarnation: 1, state }
}

fn referrer(resource_type: &str, id: &str, attribute: &str) -> Referrer {
    Referrer {
        resource_type: resource_type.into(),
        id: id.into(),
        attribute: attribute.into(),
        version: None,
    }
}

/// What is found of users: flaw, name, subjects, attributes, values.
fn told(subjects: &[Subject], nowhere: &[&str]) -> Vec<String> {
    let part = part("User", subjects, nowhere);
    texts(&run(&part), &part)
}

fn texts(findings: &[Finding], part: &Part) -> Vec<String> {
    let told = findings.iter().map(|one| {
        assert!(
            one.subjects
                .iter()
                .all(|at| usize::try_from(*at).is_ok_and(|at| at < part.subjects.len()))
        );
        let flaw = serde_json::to_value(one.flaw).expect("a name");
        let subjects: Vec<String> = one.subjects.iter().map(u32::to_string).collect();
        format!(
            "{} {}: {}; {} [{}]",
            flaw.as_str().unwrap_or_default(),
            one.name,
            subjects.join(" "),
            one.attributes.join(" "),
            one.values.join(" ")
        )
    });
    told.collect()
}

fn mends(subjects: &[Subject]) -> Vec<String> {
    run(&part("User", subjects, &[])).iter().flat_map(|one| &one.mends).map(mend).collect()
}

/// A mend in words: what it does to which resource.
fn mend(of: &replaysafe_core::audit::Mend) -> String {
    let change = &of.change;
    let class = serde_json::to_value(change.class).expect("a name");
    let body: Value = serde_json::from_str(change.body.as_deref().unwrap_or("{}")).expect("JSON");
    let operations = body["Operations"].as_array().expect("operations").iter().map(|one| {
        let value = one.get("value").map(|value| format!(" {value}")).unwrap_or_default();
        format!(
            "{} {}{value}",
            one["op"].as_str().unwrap_or_default(),
            one["path"].as_str().unwrap_or_default()
        )
    });
    format!(
        "{} {} {}: {}",
        class.as_str().unwrap_or_default(),
        of.resource_type,
        change.id.as_deref().unwrap_or_default(),
        operations.collect::<Vec<_>>().join(", ")
    )
}

fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().into_iter().flatten() {
        into[name] = value.clone();
    }
}
