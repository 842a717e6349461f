use std::collections::BTreeSet;

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::json;

use super::*;

#[test]
fn text_is_never_markup() {
    check("Ann", "<bdi>Ann</bdi>");
    check("<b>&amp;", "<bdi>&lt;b&gt;&amp;amp;</bdi>");
    check("a\"b'c", "<bdi>a&quot;b&#39;c</bdi>");
    check("]]>-->", "<bdi>]]&gt;--&gt;</bdi>");
    check("", "<bdi></bdi>");
    check("שלום 山田\u{3000}太郎 é", "<bdi>שלום 山田\u{3000}太郎 é</bdi>");
}

/// UAX #9 for what turns the direction of text; XML 1.0 section 2.2 for what no XML has.
#[test]
fn what_cannot_be_seen_is_shown_by_its_number() {
    for unseen in [
        '\0',
        '\t',
        '\n',
        '\r',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{9f}',
        '\u{a0}',
        '\u{ad}',
        '\u{61c}',
        '\u{200b}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202a}',
        '\u{202b}',
        '\u{202c}',
        '\u{202d}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{2067}',
        '\u{2068}',
        '\u{2069}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{fff9}',
        '\u{fffe}',
        '\u{ffff}',
        '\u{fdd0}',
        '\u{e0001}',
        '\u{e007f}',
        '\u{1ffff}',
        '\u{10ffff}',
    ] {
        let number = format!("{:04X}", u32::from(unseen));
        check(
            &format!("a{unseen}b"),
            &format!("<bdi>a<span class=\"unseen\">U+{number}</span>b</bdi>"),
        );
    }
}

#[test]
fn of_a_long_text_the_beginning_is_written() {
    check(&"x".repeat(300), &format!("<bdi>{}</bdi>", "x".repeat(300)));
    check(
        &"é".repeat(1_534),
        &format!(
            "<bdi>{}</bdi><span class=\"more\">… and 1,234 more characters</span>",
            "é".repeat(300)
        ),
    );
}

fn check(text: &str, expected: &str) {
    let mut page = fragment();
    page.text(text);
    assert_eq!(page.written, expected, "{text:?}");
}

#[test]
fn a_figure_has_its_thousands_apart() {
    for (number, expected) in
        [(0_u64, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")]
    {
        let mut page = fragment();
        page.figure(number);
        assert_eq!(page.written, expected);
    }
}

/// 10^12 ms is a time that is known by heart; the others are the ends of leap days, years and centuries.
#[test]
fn a_time_is_told_by_the_calendar() {
    for (millis, expected) in [
        (0, "1970-01-01T00:00:00Z"),
        (1_000_000_000_999, "2001-09-09T01:46:40Z"),
        (951_782_400_000, "2000-02-29T00:00:00Z"),
        (951_868_799_999, "2000-02-29T23:59:59Z"),
        (951_868_800_000, "2000-03-01T00:00:00Z"),
        (1_764_288_000_000, "2025-11-28T00:00:00Z"),
        (1_798_761_599_000, "2026-12-31T23:59:59Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00Z"),
    ] {
        assert_eq!(instant(millis), expected, "{millis}");
    }
}

/// RFC 4648 section 10.
#[test]
fn base64_is_that_of_the_rfc() {
    for (text, expected) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64(text.as_bytes()), expected);
    }
}

#[test]
fn a_page_loads_and_runs_nothing() {
    for page in pages(&PLAIN) {
        let read = read(&page);
        let of = |name: &str| {
            read.descendants().filter(|one| one.has_tag_name(name)).collect::<Vec<_>>()
        };
        assert_eq!(read.root_element().attribute("lang"), Some("en"));
        let [style] = of("style")[..] else { panic!("one style sheet") };
        let digest = base64(&Sha256::digest(style.text().unwrap()));
        let policy = of("meta").into_iter().find(|one| one.has_attribute("http-equiv")).unwrap();
        assert_eq!(policy.attribute("http-equiv"), Some("Content-Security-Policy"));
        assert_eq!(
            policy.attribute("content").unwrap(),
            format!(
                "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-{digest}'"
            )
        );
        assert!(policy.range().end < style.range().start, "a policy holds for what comes after it");
        for node in read.descendants().filter(Node::is_element) {
            let name = node.tag_name().name();
            assert!(!["script", "link", "img", "iframe", "object", "form", "base"].contains(&name));
            for attribute in node.attributes() {
                let (name, value) = (attribute.name(), attribute.value());
                assert!(!name.starts_with("on") && !["src", "style"].contains(&name), "{name}");
                assert!(name != "href" || value.starts_with('#'), "{value}");
            }
        }
    }
}

/// Whatever strangers write, the page has the same elements with the same attributes, and says it.
#[test]
fn strangers_change_no_structure() {
    let skeleton = |page: &str| -> Vec<String> {
        let read = read(page);
        let told = read
            .descendants()
            .filter(|one| one.is_element() && one.attribute("class") != Some("unseen"));
        told.map(|one| {
            let attributes = one.attributes().map(|one| format!(" {}={}", one.name(), one.value()));
            format!("{}{}", one.tag_name().name(), attributes.collect::<String>())
        })
        .collect()
    };
    for hostile in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</td></tr></table></bdi><h1>x",
        "</title></style><script>",
        "]]>-->&lt;&#x3c;&",
        "\u{202e}gpj.exe\u{2066}",
        "\0\u{1b}[2J\u{8}\u{ffff}\r\n",
    ] {
        let hostile = [hostile; 4];
        for (plain, page) in pages(&PLAIN).iter().zip(pages(&hostile)) {
            let without = |page: &str| {
                let (before, after) = page.rsplit_once("<footer>").unwrap();
                assert!(after.contains("runs no script"));
                format!("{before}</body></html>")
            };
            assert_eq!(skeleton(&without(plain)), skeleton(&without(&page)), "{hostile:?}");
            for one in page.chars().filter(|one| *one != '\n') {
                assert!(!is_unseen(one), "{one:?}");
            }
        }
    }
    let [plan, audit] = pages(&["<b>\u{202e}"; 4]);
    for page in [plan, audit] {
        assert!(said(read(&page).root_element()).contains("<b>U+202E"));
    }
}

#[test]
fn every_link_leads_to_one_place() {
    for page in pages(&PLAIN) {
        let read = read(&page);
        let ids: Vec<&str> = read.descendants().filter_map(|one| one.attribute("id")).collect();
        let places: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), places.len(), "{ids:?}");
        let links: Vec<&str> = read.descendants().filter_map(|one| one.attribute("href")).collect();
        assert!(3 < links.len());
        for link in links {
            assert!(places.contains(link.trim_start_matches('#')), "{link}");
        }
        for named in read.descendants().filter_map(|one| one.attribute("aria-labelledby")) {
            assert!(places.contains(named), "{named}");
        }
    }
}

/// Headings without a step left out, a caption for each table, and a scope for each heading of a row or column.
#[test]
fn whoever_hears_a_page_finds_the_way() {
    for page in pages(&PLAIN) {
        let read = read(&page);
        let mut before = 0;
        for head in read.descendants().filter_map(|one| one.tag_name().name().strip_prefix('h')) {
            let Ok(level) = head.parse::<u32>() else { continue };
            assert!(level <= before + 1, "h{level} behind h{before}");
            before = level;
        }
        let tables: Vec<_> = read.descendants().filter(|one| one.has_tag_name("table")).collect();
        assert!(!tables.is_empty());
        for table in tables {
            let caption = table.first_element_child().unwrap();
            assert!(caption.has_tag_name("caption") && !said(caption).is_empty());
            for head in table.descendants().filter(|one| one.has_tag_name("th")) {
                assert!(["row", "col"].contains(&head.attribute("scope").unwrap()));
            }
        }
    }
}

#[test]
fn a_plan_says_what_is_done_in_its_order_and_why() {
    let [page, _] = pages(&PLAIN);
    let read = read(&page);
    let rows: Vec<_> = read
        .descendants()
        .filter(|one| one.attribute("id").is_some_and(|id| id.starts_with("effect-")))
        .collect();
    let told: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.children().filter(Node::is_element).map(said).collect())
        .collect();
    let expected = [
        [
            "1 revoke",
            "ann User · 1",
            "remove members[value eq \"6\"]",
            "more than is desired: members",
        ],
        [
            "2 create",
            "bob User · new",
            "name.givenName \"bob\" urn:x:User:manager.value \"7\" userName \"bob\" schemas \"s\"",
            "it is desired and not there",
        ],
        [
            "3 grant",
            "ann User · 1",
            "add members \"1\", \"externalId:e2\" if its version is W/\"1\"",
            "less than is desired: members after 1, 2",
        ],
        ["4 delete", "cyd User · 6", "a deletion", "it differs:"],
    ];
    assert_eq!(told, expected);
    let links: Vec<_> = rows[2].descendants().filter_map(|one| one.attribute("href")).collect();
    assert_eq!(links, ["#effect-1", "#effect-2"]);
    let text = said(read.root_element());
    for part in [
        "4 effects",
        "Made 2025-11-28 00:00:00 UTC",
        "Digest of its effects 2cd73a7f",
        "1 revoke 0 disable 1 create 0 adopt 0 update 1 grant 1 delete",
        "1 ambiguous 1 blocked 1 unchanged 0 kept",
        "Limits that this plan exceeds",
        "delete User 120 2,000 – more than it may be",
        "planned in part 1 These have effects",
        "ann User · 1 confirmed a remark",
        "eve User · 3, 4 ambiguous several resources may be it (S16)",
        "S16 Correlation. In order: link, target id, external id, correlation values.",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // Of who goes the effect tells why; a person has nothing to do.
    assert!(!text.contains("the source does not have it any more"), "{text}");
    let place = |part: &str| text.find(part).unwrap();
    assert!(place("Limits that this plan exceeds") < place("What waits for a person"));
    assert!(place("What waits for a person") < place("Effects, in their order"));
}

/// The situation of each row, what follows in each column, by hand from the findings below.
#[test]
fn a_matrix_counts_what_was_found() {
    let [page, _] = pages(&PLAIN);
    let read = read(&page);
    let [matrix] = read
        .descendants()
        .filter(|one| one.attribute("class") == Some("matrix"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("one type");
    };
    let rows: Vec<String> =
        matrix.descendants().filter(|one| one.has_tag_name("tr")).map(said).collect();
    let expected = [
        "Situation ambiguous blocked planned unchanged kept all",
        "confirmed 0 0 1 1 0 2",
        "found 0 0 0 0 0 0",
        "found-already-linked 0 0 0 0 0 0",
        "absent 0 1 1 0 0 2",
        "ambiguous 1 0 0 0 0 1",
        "missing 0 0 0 0 0 0",
        "unassigned 0 0 0 0 0 0",
        "source-missing 0 0 1 0 0 1",
        "all 1 1 3 1 0 6",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn an_audit_has_duplicates_as_groups_and_all_else_as_rows() {
    let [_, page] = pages(&PLAIN);
    let read = read(&page);
    let text = said(read.root_element());
    for part in [
        "2 findings",
        "Audited 2 of type Group, 1,000 of type User",
        "3 ids are referred to and not shown",
        "1 duplicate-identity 0 resurrected 0 irrevocable 1 orphaned-privilege 0 live-credential",
        "Called duplicate-identity Rule S35 Controls that it matters to PR.AA-01 AC-2",
        "ann User · 3 resources with the same userName Proposed survivor 1 Others 2, 3 the first survives (S35) 2 effects would mend it",
        "bob User · 4 members 9 it is switched off a person decides",
        "S35 Existing duplicates are reported with a proposed survivor, never merged automatically.",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_page_of_nothing_says_so() {
    let plan =
        plan::page(&json!({"summary": {}, "at": 0, "digest": "d", "effects": [], "findings": []}));
    let text = said(read(&plan).root_element());
    assert!(text.contains("Nothing to do") && text.contains("nothing is there"), "{text}");
    let none = json!({"audited": {}, "referencesFollowed": true, "findings": [], "fix": null});
    let text = said(read(&audit::page(&none)).root_element());
    assert!(text.contains("Nothing is wrong") && !text.contains("could not see"), "{text}");
}

/// 500 rows of each class and of each conclusion; who depends on what is not shown has its number.
#[test]
fn of_a_large_plan_the_first_rows_of_each_kind_are_shown() {
    let effect = |at: usize| {
        let op = if at <= 2_500 { "revoke" } else { "create" };
        json!({"effect": at, "op": op, "resourceType": "User", "externalId": format!("e{at}"), "dependsOn": [at - 1], "reason": "r"})
    };
    let finding = |at: usize| json!({"resourceType": format!("T{}", at % 50), "name": at.to_string(), "situation": "absent", "conclusion": "blocked", "ids": [], "detail": "d"});
    let effects: Vec<Value> = (1..=2_600).map(effect).collect();
    let findings: Vec<Value> = (0..1_001).map(finding).collect();
    let page = plan::page(&json!({"effects": effects, "findings": findings}));
    let read = read(&page);
    let rows = |prefix: &str| {
        let ids = read.descendants().filter_map(|one| one.attribute("id"));
        ids.filter(|id| id.starts_with(prefix)).count()
    };
    assert_eq!(rows("effect-"), 600);
    let text = said(read.root_element());
    let shown = ["500 of 2,500", "500 of 1,001", "20 of 50"];
    for part in
        shown.map(|part| format!("Shown are the first {part}; --format json has all of them."))
    {
        assert!(text.contains(&part), "{part}");
    }
    let link = |to: &str| read.descendants().any(|one| one.attribute("href") == Some(to));
    assert!(link("#effect-499") && !link("#effect-500"), "500 is named by 501 alone");
    assert!(!link("#effect-2500") && text.contains("after 2,500"));
}

/// However much each row carries, and however many types there are, it stays a page that a browser opens.
#[test]
fn a_page_has_a_bound() {
    let value = "\u{202e}".repeat(10_000);
    let members: Vec<Value> =
        (0..10_000).map(|_| json!({"value": "\u{202e}".repeat(300)})).collect();
    let operations: Vec<Value> = (0..41)
        .map(|_| json!({"op": "add", "path": "members", "value": members.get(..100)}))
        .collect();
    let row = json!({"effect": 1, "op": "grant", "resourceType": value, "externalId": value, "operations": operations, "dependsOn": vec![1; 5_000], "reason": value});
    let page =
        plan::page(&json!({"effects": vec![row.clone(); 40], "findings": [], "digest": value}));
    assert!(BYTES_MOST < page.len() && page.len() < BYTES_MOST + 16_000_000, "{}", page.len());
    assert!(page.contains("; <code>--format json</code> has all of them"));
    let one = plan::page(&json!({"effects": [row], "findings": []}));
    let text = said(read(&one).root_element());
    assert!(text.contains(", and 80 more") && text.contains("and 1 more value"), "too much of it");
}

const PLAIN: [&str; 4] = ["ann", "bob", "cyd", "eve"];

/// A plan and an audit in which strangers have chosen names, ids, types, attributes and values.
fn pages(names: &[&str; 4]) -> [String; 2] {
    let [ann, bob, cyd, eve] = names;
    let hostile = *names != PLAIN;
    // Where strangers choose it, else as it is.
    let by = |plain: &str| if hostile { format!("{plain}{ann}") } else { plain.to_owned() };
    let user = by("User");
    let plan = plan::page(&json!({
        "summary": {
            "create": 1, "adopt": 0, "update": 0, "disable": 0, "delete": 1, "grant": 1, "revoke": 1,
            "unchanged": 1, "ambiguous": 1, "blocked": 1, "kept": 0
        },
        "at": 1_764_288_000_000_u64,
        "digest": by("2cd73a7f"),
        "guard": [{"resourceType": user, "op": "delete", "count": 120, "there": 2_000, "limit": null, "detail": by("more than it may be")}],
        "effects": [
            {"effect": 1, "op": "revoke", "resourceType": user, "externalId": ann, "id": by("1"), "operations": [{"op": "remove", "path": by("members[value eq \"6\"]")}], "dependsOn": [], "reason": by("more than is desired: members")},
            {"effect": 2, "op": "create", "resourceType": user, "document": {"schemas": [by("s")], "userName": bob, "name": {"givenName": bob}, "urn:x:User": {"manager": {"value": by("7")}}}, "dependsOn": [], "reason": by("it is desired and not there")},
            {"effect": 3, "op": "grant", "resourceType": user, "externalId": ann, "id": by("1"), "ifMatch": by("W/\"1\""), "operations": [{"op": "add", "path": by("members"), "value": [{"value": by("1")}, {"value": by("externalId:e2")}]}], "dependsOn": [1, 2], "reason": by("less than is desired: members")},
            {"effect": 4, "op": "delete", "resourceType": user, "id": by("6"), "dependsOn": [], "reason": by("it differs: ")}
        ],
        "findings": [
            {"resourceType": user, "name": ann, "situation": "confirmed", "conclusion": "planned", "ids": [by("1")], "detail": by("a remark")},
            {"resourceType": user, "name": bob, "situation": "absent", "conclusion": "planned", "ids": [], "detail": ""},
            {"resourceType": user, "name": cyd, "situation": "source-missing", "conclusion": "planned", "ids": [by("6")], "detail": by("the source does not have it any more")},
            {"resourceType": user, "name": eve, "situation": "ambiguous", "conclusion": "ambiguous", "ids": [by("3"), by("4")], "detail": by("several resources may be it (S16)")},
            {"resourceType": user, "name": ann, "situation": "absent", "conclusion": "blocked", "ids": [], "detail": by("nothing identifies it (S2): `correlation`")},
            {"resourceType": user, "name": eve, "situation": "confirmed", "conclusion": "unchanged", "ids": [by("5")], "detail": ""}
        ],
    }));
    let audit = audit::page(&json!({
        "at": 1_764_288_000_000_u64,
        "audited": {by("Group"): 2, user.clone(): 1_000},
        "leftOut": 1,
        "referencesFollowed": true,
        "referencesOpen": 3,
        "summary": {"duplicate-identity": 1, "orphaned-privilege": 1},
        "findings": [
            {"flaw": "duplicate-identity", "resourceType": user, "name": ann, "ids": [by("1"), by("2"), by("3")], "attributes": [by("userName")], "values": [by("2"), by("3")], "rule": "S35", "controls": [by("PR.AA-01"), by("AC-2")], "detail": by("the first survives (S35)"), "effects": 2},
            {"flaw": "orphaned-privilege", "resourceType": user, "name": bob, "ids": [by("4")], "attributes": [by("members")], "values": [by("9")], "rule": "S22", "controls": [by("AC-6")], "detail": by("it is switched off"), "effects": 0}
        ],
        "effects": 2,
        "fix": by("fix.json"),
    }));
    [plan, audit]
}

fn fragment() -> Page {
    Page { written: String::new(), cited: Cited::default(), numbered: false }
}

/// A page as the XML that it is.
fn read(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options)
        .unwrap_or_else(|error| panic!("{error}: {page:.2000}"))
}

/// What a node says, in words.
fn said(node: Node<'_, '_>) -> String {
    // Text in a row of its own is apart for whoever reads it.
    let apart = |one: &Node<'_, '_>| {
        let inline = ["bdi", "code", "a", "b", "i", "span"].contains(&one.tag_name().name());
        let which = one
            .attribute("class")
            .is_some_and(|class| ["place", "which", "after", "name", "count"].contains(&class));
        one.is_element() && (!inline || which)
    };
    let mut text = String::new();
    for one in node.descendants() {
        if apart(&one) {
            text.push(' ');
        }
        if let Some(part) = one.text().filter(|_| one.is_text()) {
            text.push_str(part);
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
