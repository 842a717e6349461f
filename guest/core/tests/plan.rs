//! What leads from what is there to what should be (S16, S34)?

#![expect(clippy::expect_used, reason = "a test may fail")]

use replaysafe_core::{
    reconciliation::{Change, Class, Conclusion, Finding, Link, Part, Relation, plan, survey},
    types::{Field, Settings},
};

/// S34: what holds is not sent, and what differs is sent by itself; each class is a change of its own, revocations first.
#[test]
fn what_differs_is_changed_and_nothing_else() {
    let found = one(
        r#"{"externalId":"e1","userName":"ann","title":"boss","nickName":null,"active":false,
            "name":{"givenName":"Ann"},"roles":[{"value":"a"},{"value":"b"}]}"#,
        r#"{"id":"1","externalId":"e1","userName":"ann","title":"clerk","nickName":"x","active":true,
            "name":{"givenName":"Ann","familyName":"Lee"},"roles":[{"value":"b"},{"value":"c"}],"locale":"de"}"#,
    );
    assert_eq!((found.relation, found.conclusion), (Relation::Confirmed, Conclusion::Planned));
    check(
        &found,
        &[
            (Class::Revoke, r#"[{"op":"remove","path":"roles[value eq \"c\"]"}]"#),
            (Class::Disable, r#"[{"op":"replace","path":"active","value":false}]"#),
            (
                Class::Update,
                r#"[{"op":"remove","path":"nickName"},{"op":"replace","path":"title","value":"boss"}]"#,
            ),
            (Class::Grant, r#"[{"op":"add","path":"roles","value":[{"value":"a"}]}]"#),
        ],
    );
    assert!(found.changes.iter().all(|change| change.id.as_deref() == Some("1")));
}

/// S33: a person is told which attributes a change is about.
#[test]
fn a_change_tells_its_attributes() {
    let found = one(
        r#"{"externalId":"e1","title":"boss","roles":[{"value":"a"}],"entitlements":[{"value":"x"},{"value":"y"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"E"}}"#,
        r#"{"id":"1","externalId":"e1","title":"boss","roles":[{"value":"a"},{"value":"b"}],"entitlements":[{"value":"x"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D"}}"#,
    );
    let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    check(
        &found,
        &[
            (Class::Revoke, r#"[{"op":"remove","path":"roles[value eq \"b\"]"}]"#),
            (Class::Update, &format!(r#"[{{"op":"replace","path":"{department}","value":"E"}}]"#)),
            (Class::Grant, r#"[{"op":"add","path":"entitlements","value":[{"value":"y"}]}]"#),
        ],
    );
    // Letter case of names does not count (S3).
    let lower = |change: &Change| change.attributes.join(" ").to_ascii_lowercase();
    let told: Vec<String> = found.changes.iter().map(lower).collect();
    assert_eq!(told, ["roles", &department.to_ascii_lowercase(), "entitlements"]);
}

/// S34: an external id that is none takes nothing off.
#[test]
fn an_external_id_that_is_none_is_not_stated() {
    for none in ["null", r#""""#] {
        let desired = format!(r#"{{"id":"1","externalId":{none},"userName":"ann"}}"#);
        let there = r#"{"id":"1","externalId":"e1","userName":"ann"}"#;
        assert_eq!(one(&desired, there).conclusion, Conclusion::Unchanged, "{none}");
        let desired = format!(r#"{{"externalId":{none},"userName":"ann"}}"#);
        let found = one(&desired, r#"{"id":"2","externalId":"e2","userName":"bob"}"#);
        let [create] = found.changes.as_slice() else { panic!("one change: {found:?}") };
        same(
            create.body.as_deref().expect("a body"),
            r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann"}"#,
        );
    }
}

/// S3a, S34: neither a secret, whatever attribute holds it, nor what a client cannot set; schemas are those that are stated.
#[test]
fn what_a_plan_cannot_set_is_left_out_of_a_create() {
    for (stated, is_secret) in [
        (r#""password":"x""#, true),
        (r#""nickName":{"$secret":"x"}"#, true),
        (r#""urn:x:2.0:Y":{"badge":"7"}"#, false),
    ] {
        let desired =
            format!(r#"{{"schemas":["urn:own"],"externalId":"e1","userName":"ann",{stated}}}"#);
        let found = findings(&[&desired], &[], |part| {
            part.settings.schema = r#"{"schemas":{"urn:x:2.0:y":{"badge":"r"}}}"#.into();
        });
        assert_eq!(found[0].detail.contains("secret"), is_secret, "{stated}");
        let [create] = found[0].changes.as_slice() else { panic!("one change: {found:?}") };
        same(
            create.body.as_deref().expect("a body"),
            r#"{"schemas":["urn:own"],"externalId":"e1","userName":"ann"}"#,
        );
    }
}

/// S24, S27: spelling, order and what is empty are no differences.
#[test]
fn what_holds_in_another_spelling_is_unchanged() {
    let found = one(
        r#"{"externalId":"e1","UserName":"ann","active":"True","title":null,"emails":[],
            "roles":[{"value":"b"},{"value":"a"}]}"#,
        r#"{"id":"1","externalId":"e1","userName":"ann","active":true,"roles":[{"value":"a","display":"A"},{"value":"b"}]}"#,
    );
    assert_eq!(found.conclusion, Conclusion::Unchanged);
    check(&found, &[]);
}

/// S27: what an edge says beside its value is stated with its list.
#[test]
fn an_edge_that_says_something_else_is_stated() {
    let found = one(
        r#"{"externalId":"e1","roles":[{"value":"a","display":"New"}]}"#,
        r#"{"id":"1","externalId":"e1","roles":[{"value":"a","display":"Old"}]}"#,
    );
    check(
        &found,
        &[(
            Class::Update,
            r#"[{"op":"replace","path":"roles","value":[{"value":"a","display":"New"}]}]"#,
        )],
    );
}

/// S34, S3a: a create states what a client can set, and no secret.
#[test]
fn what_is_absent_is_created() {
    let found = one(
        r#"{"id":null,"externalId":"e1","userName":"ann","title":null,"password":{"$secret":"x"},"meta":{},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D"}}"#,
        r#"{"id":"1","externalId":"e2","userName":"bob"}"#,
    );
    assert_eq!((found.relation, found.conclusion), (Relation::Absent, Conclusion::Planned));
    assert!(found.detail.contains("secret"), "{}", found.detail);
    let [create] = found.changes.as_slice() else { panic!("one change: {found:?}") };
    assert_eq!((create.class, &create.id), (Class::Create, &None));
    same(
        create.body.as_deref().expect("a body"),
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
            "externalId":"e1","userName":"ann","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D"}}"#,
    );
}

/// S16: by link, else by the target's id, else by the external id, else by what it correlates by.
#[test]
fn a_resource_is_found_by_what_names_it_best() {
    let observed = [
        r#"{"id":"1","userName":"ann"}"#,
        r#"{"id":"2","userName":"bob","externalId":"e1"}"#,
        r#"{"id":"3","userName":"cat","externalId":"e3"}"#,
    ];
    let meant = |desired: &str, links: &[(&str, &str)]| {
        let found = findings(&[desired], &observed, |part| part.links = links_of(links));
        (found[0].relation, found[0].observed.clone())
    };
    let desired = r#"{"externalId":"e1","userName":"ANN"}"#;
    assert_eq!(meant(desired, &[("e1", "3")]), (Relation::Confirmed, vec![2]));
    assert_eq!(meant(desired, &[]), (Relation::Confirmed, vec![1]));
    assert_eq!(meant(r#"{"id":"3","userName":"ann"}"#, &[]), (Relation::Confirmed, vec![2]));
    assert_eq!(meant(r#"{"externalId":"e9","userName":"ANN"}"#, &[]), (Relation::Found, vec![0]));
    assert_eq!(meant(r#"{"externalId":"e9","userName":"bob"}"#, &[]), (Relation::Absent, vec![]));
    assert_eq!(meant(desired, &[("e1", "7")]), (Relation::Confirmed, vec![1]));
    let lost = r#"{"externalId":"e9","userName":"dan"}"#;
    assert_eq!(meant(lost, &[("e9", "7")]), (Relation::Missing, vec![]));
}

/// S34, S21: what a link leads to and is not there is made again where it may return.
#[test]
fn what_is_missing_is_made_again_by_policy() {
    for (policy, conclusion, expected) in [
        ("{}", Conclusion::Planned, &[Class::Create][..]),
        (r#"{"returns":"allow"}"#, Conclusion::Planned, &[Class::Create]),
        (r#"{"returns":"approve"}"#, Conclusion::Blocked, &[]),
        (r#"{"returns":"refuse"}"#, Conclusion::Blocked, &[]),
    ] {
        let found = findings(&[r#"{"externalId":"e1","userName":"ann"}"#], &[], |part| {
            part.links = links_of(&[("e1", "7")]);
            part.settings.policy = policy.into();
        });
        assert_eq!((found[0].relation, found[0].conclusion), (Relation::Missing, conclusion));
        assert_eq!(classes(&found[0]), expected, "{policy}");
    }
}

/// S18: what is found by a name is taken as policy says, and the external id is written on it.
#[test]
fn what_is_found_by_a_name_is_taken_by_policy() {
    let equal = r#"{"externalId":"e1","userName":"ann","title":"a"}"#;
    let differing = r#"{"externalId":"e1","userName":"ann","title":"b"}"#;
    let there = r#"{"id":"1","userName":"ann","title":"a"}"#;
    let taken = |desired: &str, policy: &str| {
        let found = findings(&[desired], &[there], |part| part.settings.policy = policy.into());
        let classes: Vec<Class> = found[0].changes.iter().map(|change| change.class).collect();
        (found[0].conclusion, classes)
    };
    let (blocked, planned) = (Conclusion::Blocked, Conclusion::Planned);
    assert_eq!(taken(equal, "{}"), (blocked, vec![]));
    assert_eq!(taken(equal, r#"{"adopt":"equal"}"#), (planned, vec![Class::Adopt]));
    assert_eq!(taken(differing, r#"{"adopt":"equal"}"#), (blocked, vec![]));
    assert_eq!(
        taken(differing, r#"{"adopt":"matching"}"#),
        (planned, vec![Class::Adopt, Class::Update])
    );
    assert_eq!(
        taken(equal, r#"{"adopt":"matching","privileged":["User"]}"#),
        (blocked, vec![]),
        "S17"
    );
    let nameless = r#"{"userName":"ann","title":"a"}"#;
    assert_eq!(taken(nameless, "{}"), (Conclusion::Unchanged, vec![]));
}

/// S16: what may be several is none.
#[test]
fn several_are_ambiguous() {
    let there = [
        r#"{"id":"1","externalId":"e1","userName":"ann"}"#,
        r#"{"id":"2","externalId":"e1","userName":"bob"}"#,
    ];
    let found = findings(&[r#"{"externalId":"e1","userName":"cat"}"#], &there, |_| {});
    assert_eq!((found.len(), found[0].conclusion), (1, Conclusion::Ambiguous));
    assert_eq!(found[0].observed, [0, 1]);
    let twice = [
        r#"{"externalId":"e1","userName":"ann","title":"a"}"#,
        r#"{"externalId":"e1","userName":"ann","title":"b"}"#,
    ];
    // By the external id, and by the id: the two have no name in common.
    let apart = [r#"{"externalId":"e1","title":"a"}"#, r#"{"id":"1","title":"b"}"#];
    for desired in [twice, apart] {
        let found = findings(&desired, &there[..1], |_| {});
        assert!(found.iter().all(|one| one.conclusion == Conclusion::Ambiguous), "{found:?}");
        assert_eq!(found.len(), 2);
    }
}

/// S16: what may be one is not made twice.
#[test]
fn what_is_desired_twice_is_not_made() {
    let conclusions = |one: &str, other: &str, unique: Option<&str>| {
        let found = findings(&[one, other], &[], |part| {
            let field =
                |name| Field { name: format!("unique/User/{name}"), value: "server".into() };
            part.settings.profile = unique.into_iter().map(field).collect();
        });
        found.iter().map(|one| one.conclusion).collect::<Vec<_>>()
    };
    let (ann, other) = (r#"{"userName":"ann"}"#, r#"{"userName":"ANN","title":"x"}"#);
    assert_eq!(conclusions(ann, other, None), [Conclusion::Ambiguous; 2]);
    let (one, two) =
        (r#"{"externalId":"e1","userName":"ann"}"#, r#"{"externalId":"e2","userName":"ann"}"#);
    assert_eq!(conclusions(one, ann, None), [Conclusion::Ambiguous; 2]);
    assert_eq!(conclusions(one, two, None), [Conclusion::Planned; 2]);
    assert_eq!(conclusions(one, two, Some("userName")), [Conclusion::Blocked; 2]);
    assert_eq!(conclusions(one, two, Some("nickName")), [Conclusion::Planned; 2]);
    let again = r#"{"externalId":"e1","userName":"bob"}"#;
    assert_eq!(conclusions(one, again, None), [Conclusion::Ambiguous; 2]);
    let (id, same_id) = (r#"{"id":"1","externalId":"e1"}"#, r#"{"id":"1","externalId":"e2"}"#);
    assert_eq!(conclusions(id, same_id, None), [Conclusion::Ambiguous; 2]);
}

/// S16: a value that the target keeps unique and another one has.
#[test]
fn a_unique_value_of_another_stands_against_it() {
    let there = [
        r#"{"id":"1","externalId":"e1","userName":"ann"}"#,
        r#"{"id":"2","externalId":"e2","userName":"bob"}"#,
    ];
    let (confirmed, linked) = (Relation::Confirmed, Relation::FoundAlreadyLinked);
    for (desired, relation, observed) in [
        (r#"{"externalId":"e1","userName":"bob"}"#, confirmed, [0]),
        (r#"{"externalId":"e3","userName":"bob"}"#, linked, [1]),
    ] {
        let with = |profile: &[&str]| {
            let field = |name: &&str| Field { name: (*name).into(), value: "server".into() };
            let profile = profile.iter().map(field).collect::<Vec<_>>();
            findings(&[desired], &there, |part| part.settings.profile.clone_from(&profile))
                .remove(0)
        };
        let found = with(&["unique/User/userName"]);
        assert_eq!(found.conclusion, Conclusion::Blocked, "{desired}");
        assert!(found.detail.contains("`userName`"), "{}", found.detail);
        // Who is told of is who is meant, else who has the value.
        assert_eq!((found.relation, found.observed.as_slice()), (relation, observed.as_slice()));
        assert_eq!(with(&[]).conclusion, Conclusion::Planned, "{desired}");
        assert_eq!(with(&["unique/User/nickName"]).conclusion, Conclusion::Planned, "{desired}");
    }
}

/// S32: that somebody is not in the source proves nothing unless it was read as a whole.
#[test]
fn what_is_not_desired_goes_by_policy_only() {
    let there = [
        r#"{"id":"1","externalId":"e1","userName":"ann","active":true,"meta":{"version":"W/\"7\""}}"#,
        r#"{"id":"2","userName":"admin","active":true}"#,
    ];
    let left = |policy: &str, complete| {
        let found = findings(&[], &there, |part| {
            part.settings.policy = policy.into();
            part.complete = complete;
        });
        assert_eq!(found[1].relation, Relation::Unassigned);
        assert_eq!((found[1].conclusion, found[1].changes.len()), (Conclusion::Kept, 0));
        assert_eq!(found[0].relation, Relation::SourceMissing);
        let classes: Vec<Class> = found[0].changes.iter().map(|change| change.class).collect();
        (found[0].conclusion, classes)
    };
    assert_eq!(left("{}", true), (Conclusion::Kept, vec![]));
    let (disable, delete) = (r#"{"source-missing":"disable"}"#, r#"{"source-missing":"delete"}"#);
    assert_eq!(left(disable, true), (Conclusion::Planned, vec![Class::Disable]));
    assert_eq!(left(delete, true), (Conclusion::Planned, vec![Class::Delete]));
    assert_eq!(left(delete, false), (Conclusion::Blocked, vec![]));
    assert_eq!(left(disable, false), (Conclusion::Blocked, vec![]));
}

/// S34: creates before members; who is not there yet is added once they are.
#[test]
fn members_are_named_by_their_external_ids() {
    let group = r#"{"externalId":"g","displayName":"G","members":[{"value":"externalId:e1"},{"value":"externalId:e2"},{"value":"7"}]}"#;
    let referred = |part: &mut Part| {
        part.resource_type = "Group".into();
        part.referred = links_of(&[("e1", "1"), ("e2", "")]);
    };
    let found = findings(&[group], &[], referred);
    let [create, grant] = found[0].changes.as_slice() else { panic!("two changes: {found:?}") };
    same(
        create.body.as_deref().expect("a body"),
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"externalId":"g","displayName":"G","members":[{"value":"1"},{"value":"7"}]}"#,
    );
    assert_eq!(create.needs, Vec::<String>::new());
    assert_eq!(grant.needs, ["e2", "g"]);
    let there =
        r#"{"id":"9","externalId":"g","displayName":"G","members":[{"value":"1"},{"value":"8"}]}"#;
    let found = findings(&[group], &[there], referred);
    check(
        &found[0],
        &[
            (Class::Revoke, r#"[{"op":"remove","path":"members[value eq \"8\"]"}]"#),
            (
                Class::Grant,
                r#"[{"op":"add","path":"members","value":[{"value":"externalId:e2"},{"value":"7"}]}]"#,
            ),
        ],
    );
    assert_eq!(found[0].changes[1].needs, ["e2"]);
    // Whoever is nowhere may be one of those who are there: the list is left as it is.
    let nowhere = findings(&[group], &[there], |part| part.resource_type = "Group".into());
    assert_eq!((nowhere[0].conclusion, nowhere[0].changes.len()), (Conclusion::Blocked, 0));
}

/// S16, S35: an id and an external id that lead to two are ambiguous, and a duplicate is not taken for what nobody wants.
#[test]
fn a_duplicate_of_what_is_desired_stays() {
    let there = [
        r#"{"id":"x","externalId":"1","userName":"a"}"#,
        r#"{"id":"y","externalId":"1","userName":"b"}"#,
    ];
    let delete = |part: &mut Part| part.settings.policy = r#"{"source-missing":"delete"}"#.into();
    let found = findings(&[r#"{"id":"x","externalId":"1"}"#], &there, delete);
    assert_eq!((found.len(), found[0].conclusion), (1, Conclusion::Ambiguous), "{found:?}");
    let linked = |part: &mut Part| {
        delete(part);
        part.links = links_of(&[("1", "x")]);
    };
    let found = findings(&[r#"{"externalId":"1","userName":"a"}"#], &there, linked);
    assert_eq!(found[0].conclusion, Conclusion::Unchanged);
    assert_eq!((found[1].conclusion, found[1].changes.len()), (Conclusion::Kept, 0), "{found:?}");
}

/// S14c: what a rule stands against is left as it is, and takes nothing else with it.
#[test]
fn a_leaver_is_switched_off_whatever_else_is_blocked() {
    let leaver = r#"{"externalId":"1","active":false,"roles":[],"userName":"taken",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"externalId:gone"}}}"#;
    let there = [
        r#"{"id":"x","externalId":"1","userName":"a","active":true,"roles":[{"value":"r"}]}"#,
        r#"{"id":"y","externalId":"2","userName":"taken"}"#,
    ];
    let unique = |part: &mut Part| {
        let (name, value) = ("unique/User/userName".into(), "server".into());
        part.settings.profile = vec![Field { name, value }];
    };
    let found = findings(&[leaver], &there, unique);
    assert_eq!(found[0].conclusion, Conclusion::Blocked);
    assert_eq!(classes(&found[0]), [Class::Revoke, Class::Disable]);
}

/// S34: what refers to what is nowhere is made without that.
#[test]
fn what_refers_to_nowhere_is_made_without() {
    let found = findings(
        &[r#"{"externalId":"1","userName":"a","manager":{"value":"externalId:gone"}}"#],
        &[],
        |_| {},
    );
    assert_eq!((found[0].relation, found[0].conclusion), (Relation::Absent, Conclusion::Blocked));
    let [create] = found[0].changes.as_slice() else { panic!("one change: {found:?}") };
    same(
        create.body.as_deref().expect("a body"),
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"externalId":"1","userName":"a"}"#,
    );
}

/// S27: of one value there may be several types; what is stated with the whole list is not added once more.
#[test]
fn edges_of_one_value_are_told_apart_by_their_type() {
    let update = |path: &str, list: &str| {
        format!("[{{\"op\":\"replace\",\"path\":\"{path}\",\"value\":{list}}}]")
    };
    let one_type = r#"[{"type":"x","value":"r"}]"#;
    let found = one(
        &format!("{{\"externalId\":\"1\",\"roles\":{one_type}}}"),
        r#"{"id":"x","externalId":"1","roles":[{"value":"r","type":"x"},{"value":"r","type":"y"}]}"#,
    );
    check(&found, &[(Class::Update, &update("roles", one_type))]);
    let both = r#"[{"display":"x","value":"r"},{"value":"q"}]"#;
    let found = one(
        &format!("{{\"externalId\":\"1\",\"roles\":{both}}}"),
        r#"{"id":"x","externalId":"1","roles":[{"value":"r","display":"y"}]}"#,
    );
    check(&found, &[(Class::Update, &update("roles", both))]);
}

/// S26: of an attribute with parts only those are touched that are stated, also where the target puts a whole in the place of a whole.
#[test]
fn parts_that_are_not_stated_stay() {
    let there = r#"{"id":"x","externalId":"1","name":{"givenName":"G","familyName":"L","formatted":"G L"}}"#;
    let name = |of: &str| one(&format!("{{\"externalId\":\"1\",\"name\":{of}}}"), there);
    check(
        &name(r#"{"givenName":"H"}"#),
        &[(
            Class::Update,
            r#"[{"op":"replace","path":"name","value":{"givenName":"H","familyName":"L"}}]"#,
        )],
    );
    check(
        &name(r#"{"givenName":null}"#),
        &[(Class::Update, r#"[{"op":"remove","path":"name.givenName"}]"#)],
    );
    check(&name("{}"), &[]);
    let extension = one(
        r#"{"externalId":"1","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":null}"#,
        r#"{"id":"x","externalId":"1","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D"}}"#,
    );
    check(
        &extension,
        &[(
            Class::Update,
            r#"[{"op":"remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"}]"#,
        )],
    );
}

/// A member may be named by a bare text; what only looks like a reference elsewhere is none.
#[test]
fn references_are_those_of_members_and_managers() {
    let found = one(
        r#"{"externalId":"1","emails":[{"value":"externalId:x"}]}"#,
        r#"{"id":"x","externalId":"1","emails":[{"value":"externalId:x"}]}"#,
    );
    assert_eq!(found.conclusion, Conclusion::Unchanged);
    let there = r#"{"id":"9","externalId":"g","members":[{"value":"1"}]}"#;
    let found =
        findings(&[r#"{"externalId":"g","members":["externalId:e1"]}"#], &[there], |part| {
            part.resource_type = "Group".into();
            part.referred = links_of(&[("e1", "1")]);
        });
    assert_eq!(found[0].conclusion, Conclusion::Unchanged, "{found:?}");
}

/// S11, S32: what a target only switches off is not deleted again, and what cannot be switched off is not.
#[test]
fn what_is_off_is_not_deleted_again() {
    let left = |kind: &str, there: &str, policy: &str| {
        let found = findings(&[], &[there], |part| {
            part.resource_type = kind.into();
            part.settings.policy = format!("{{\"source-missing\":\"{policy}\"}}");
            let (name, value) = (format!("deactivates/{kind}"), "true".into());
            part.settings.profile = vec![Field { name, value }];
        });
        (found[0].conclusion, found[0].changes.len())
    };
    let off = r#"{"id":"1","externalId":"e","active":false}"#;
    assert_eq!(left("User", off, "delete"), (Conclusion::Unchanged, 0));
    assert_eq!(left("User", off, "disable"), (Conclusion::Unchanged, 0));
    assert_eq!(left("User", &off.replace("false", "true"), "delete"), (Conclusion::Planned, 1));
    let group = r#"{"id":"1","externalId":"e","displayName":"G"}"#;
    assert_eq!(left("Group", group, "disable"), (Conclusion::Blocked, 0));
}

/// S25: a precondition where the target is known to compare it, and for the first change only.
#[test]
fn the_version_that_was_seen_is_a_precondition_of_the_first_change() {
    let desired = r#"{"externalId":"e1","title":"b","roles":[{"value":"a"}]}"#;
    let there = r#"{"id":"1","externalId":"e1","title":"a","meta":{"version":"W/\"7\""}}"#;
    let versions = |part: &dyn Fn(&mut Part)| {
        let found = findings(&[desired], &[there], part);
        let versions = found[0].changes.iter().map(|change| change.if_match.clone());
        versions.collect::<Vec<_>>()
    };
    assert_eq!(versions(&|_| {}), [None, None]);
    let etags = |part: &mut Part| {
        let (name, value) = ("etag.supported".into(), "true".into());
        part.settings.profile = vec![Field { name, value }];
    };
    assert_eq!(versions(&etags), [Some("W/\"7\"".into()), None]);
}

/// S2: what nothing identifies is not created: it could not be found again.
#[test]
fn what_nothing_identifies_is_not_created() {
    let group = r#"{"displayName":"G"}"#;
    let kind = |part: &mut Part| part.resource_type = "Group".into();
    let found = findings(&[group], &[], kind);
    assert_eq!((found[0].relation, found[0].conclusion), (Relation::Absent, Conclusion::Blocked));
    let found = findings(&[group], &[], |part| {
        kind(part);
        part.settings.policy = r#"{"correlation":{"Group":["displayName"]}}"#.into();
    });
    assert_eq!(found[0].conclusion, Conclusion::Planned);
}

/// S8, S16: whatever may be the same has a key in common, and what is no resource has none.
#[test]
fn what_may_be_the_same_shares_a_key() {
    let keys = |document: &str| {
        let settings = settings();
        let found = survey("User", &[document.to_owned()], &settings).expect("a survey");
        found[0].as_ref().map(|of| of.keys.clone())
    };
    let shared = |one: &str, other: &str| {
        let other = keys(other).expect("keys");
        keys(one).expect("keys").iter().any(|key| other.contains(key))
    };
    assert!(shared(r#"{"userName":"Ann"}"#, r#"{"id":"1","userName":"ann"}"#));
    assert!(shared(r#"{"externalId":"e"}"#, r#"{"externalId":"e","userName":"x"}"#));
    assert!(shared(r#"{"id":"1"}"#, r#"{"id":"1","userName":"x"}"#));
    assert!(!shared(r#"{"externalId":"1"}"#, r#"{"id":"1"}"#));
    assert!(!shared(r#"{"externalId":"e"}"#, r#"{"externalId":"E"}"#));
    assert_eq!(keys("[]"), None);
    assert_eq!(keys("{"), None);
}

fn one(desired: &str, observed: &str) -> Finding {
    findings(&[desired], &[observed], |_| {}).swap_remove(0)
}

fn findings(desired: &[&str], observed: &[&str], with: impl Fn(&mut Part)) -> Vec<Finding> {
    let texts = |of: &[&str]| of.iter().map(|text| (*text).to_owned()).collect();
    let mut part = Part {
        resource_type: "User".into(),
        desired: texts(desired),
        observed: texts(observed),
        links: Vec::new(),
        referred: Vec::new(),
        complete: true,
        settings: settings(),
    };
    with(&mut part);
    plan(&part).expect("a plan")
}

fn classes(found: &Finding) -> Vec<Class> {
    found.changes.iter().map(|change| change.class).collect()
}

fn settings() -> Settings {
    Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() }
}

/// An empty id is none.
fn links_of(of: &[(&str, &str)]) -> Vec<Link> {
    let link = |(external_id, id): &(&str, &str)| Link {
        external_id: (*external_id).into(),
        id: (!id.is_empty()).then(|| (*id).into()),
    };
    of.iter().map(link).collect()
}

fn check(found: &Finding, expected: &[(Class, &str)]) {
    assert_eq!(found.changes.len(), expected.len(), "{found:?}");
    for (change, (class, operations)) in found.changes.iter().zip(expected) {
        assert_eq!(change.class, *class);
        let body = change.body.as_deref().expect("a body");
        let schemas = r#""schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]"#;
        same(body, &format!("{{{schemas},\"Operations\":{operations}}}"));
    }
}

fn same(one: &str, other: &str) {
    let read = |text: &str| {
        let limits = replaysafe_json::Limits::default();
        let value = replaysafe_json::parse(text.as_bytes(), &limits).expect("JSON");
        replaysafe_json::canonical(&value)
    };
    assert_eq!(read(one), read(other));
}
