//! By which names is a resource known, and does a resource carry them (S8, S16)?

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use crate::ordered::BTreeSet;

use replaysafe_json::Value;

use super::{Match, Named, NamedKind, Operation, Statement, read::Op};
use crate::{
    path::{self, PatchPath, Place},
    spelling::Verb,
    unicode::{fold as folded, lower, nfc, nfkc, nfkd},
};

/// As two user names are compared: NFC, letter case ignored (RFC 7643 §4.1.1).
pub(super) fn fold(text: &str) -> String {
    nfc(&lower(&nfc(text)))
}

/// As two names are locked: coarser than any comparison (S8).
///
/// Full case folding of what was taken apart (Unicode 16 section 3.13, D146), put together again, and without what is not seen: white space at the ends, and what a
/// display ignores. Done twice, what a folding takes apart is in its last form.
fn coarse(text: &str) -> String {
    let mut once = folded(&nfkd(text));
    once.retain(|one| !is_ignored(one));
    let mut coarse = String::new();
    for one in nfkc(&folded(&nfkd(&once))).chars() {
        // The dot of a Turkish capital I, which is kept apart when it is folded.
        if !(is_ignored(one) || one == '\u{307}' && coarse.ends_with('i')) {
            coarse.push(one);
        }
    }
    // A letter that has lost its dot takes its other marks.
    nfkc(coarse.trim())
}

/// `Default_Ignorable_Code_Point` of Unicode 16: characters that a display does not show.
fn is_ignored(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

pub(super) fn names(of: &Statement, correlation: &[String]) -> Vec<Named> {
    let mut names = BTreeSet::new();
    let exact = |kind, attribute: &str, value: &str| Named {
        kind,
        attribute: attribute.into(),
        exact: value.into(),
        coarse: value.into(),
    };
    if let Some(id) = &of.id {
        names.insert(exact(NamedKind::TargetId, "id", id));
    }
    for value in of.sets(&Place::of(None, "externalId")) {
        names.insert(exact(NamedKind::ExternalId, "externalId", &value));
    }
    for (attribute, place) in of.correlating(correlation) {
        for value in of.sets(&place) {
            let coarse = coarse(&value);
            let kind = NamedKind::Correlation;
            names.insert(Named { kind, attribute: attribute.clone(), exact: value, coarse });
        }
    }
    names.into_iter().collect()
}

pub(super) fn identities(of: &Statement, correlation: &[String]) -> BTreeSet<(String, String)> {
    let external = Place::of(None, "externalId");
    let named = of.sets(&external).into_iter().map(|value| ("externalId".into(), value));
    let mut found: BTreeSet<(String, String)> = named.collect();
    for (attribute, place) in of.correlating(correlation) {
        let exact = of.is_exact(&place);
        let values = of.sets(&place).into_iter();
        let form = |value: String| if exact { value } else { fold(&value) };
        found.extend(values.map(|value| (attribute.clone(), form(value))));
    }
    found.retain(|(_, value)| !value.trim().is_empty());
    found
}

pub(super) fn stated_as(of: &Statement, attribute: &str) -> Vec<String> {
    let PatchPath::Place(place) = path::read(attribute, &of.resource_type, &of.schema) else {
        return Vec::new();
    };
    of.sets(&place)
}

pub(super) fn matches(of: &Statement, resource: &Value, correlation: &[String]) -> Match {
    let external = Place::of(None, "externalId");
    let stated = of.sets(&external);
    let carried = texts(resource, &external);
    if stated.iter().any(|value| carried.contains(value)) {
        return Match::ExternalId;
    }
    for (attribute, place) in of.correlating(correlation) {
        let exact = of.is_exact(&place);
        let form = |text: &String| if exact { text.clone() } else { fold(text) };
        let carried_here: Vec<String> = texts(resource, &place).iter().map(form).collect();
        if !of.sets(&place).iter().any(|value| carried_here.contains(&form(value))) {
            continue;
        }
        if stated.is_empty() || carried.is_empty() {
            return Match::Correlation(attribute);
        }
        return Match::OtherExternalId(attribute);
    }
    Match::No
}

impl Statement {
    /// The attributes to correlate by, with the name that the schema has for them: a user's `userName`, then what policy names.
    fn correlating(&self, correlation: &[String]) -> Vec<(String, Place)> {
        let user = self.resource_type.eq_ignore_ascii_case("User");
        let named =
            user.then_some("userName").into_iter().chain(correlation.iter().map(String::as_str));
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for text in named {
            let PatchPath::Place(place) = path::read(text, &self.resource_type, &self.schema)
            else {
                continue;
            };
            if place.key() != "externalid" && seen.insert(place.key()) {
                let name = self.name_of(&place);
                let name = match &place.sub {
                    Some(sub) => alloc::format!("{name}.{sub}"),
                    None => name,
                };
                found.push((name, place));
            }
        }
        found
    }

    /// Letter case matters. Of an attribute that no schema names it does: lock coarser, compare finer.
    fn is_exact(&self, place: &Place) -> bool {
        let urn = place.urn.as_deref();
        let is = self.schema.find(&self.resource_type, urn, &place.name, place.sub.as_deref());
        is.case_exact || !is.known
    }

    /// The texts that the request gives an attribute.
    fn sets(&self, place: &Place) -> Vec<String> {
        let mut values = Vec::new();
        for op in self.ops.iter().filter(|op| op.verb != Verb::Remove) {
            if self.operation == Operation::Delete {
                break;
            }
            for value in set_by(op, place) {
                values.extend(text(value));
            }
        }
        values
    }
}

fn set_by<'a>(op: &'a Op, place: &Place) -> Vec<&'a Value> {
    let (Some(of), Some(value)) = (&op.place, &op.value) else { return Vec::new() };
    if !of.is_of_attribute(place) {
        return Vec::new();
    }
    let same = |left: &str, right: &str| left.eq_ignore_ascii_case(right);
    match (&of.sub, &place.sub) {
        (Some(set), Some(wanted)) if same(set, wanted) => alloc::vec![value],
        (Some(set), None) if same(set, "value") => alloc::vec![value],
        (Some(_), _) => Vec::new(),
        (None, wanted) => parts(value, wanted.as_deref()),
    }
}

/// The values of an attribute: each element's sub-attribute, `value` where none is named.
fn parts<'a>(value: &'a Value, sub: Option<&str>) -> Vec<&'a Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(|item| parts(item, sub)).collect(),
        Value::Object(_) => value.find(sub.unwrap_or("value")).into_iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            if sub.is_none() {
                alloc::vec![value]
            } else {
                Vec::new()
            }
        }
    }
}

fn texts(resource: &Value, place: &Place) -> Vec<String> {
    let holder = match &place.urn {
        Some(urn) => resource.find(urn),
        None => Some(resource),
    };
    let Some(value) = holder.and_then(|holder| holder.find(&place.name)) else {
        return Vec::new();
    };
    parts(value, place.sub.as_deref()).into_iter().filter_map(text).collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Number(number) => Some(number.as_str().to_owned()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use unicode_normalization::UnicodeNormalization as _;

    use super::*;
    use crate::statement::tests::{json, patch, statement};

    #[test]
    fn a_user_is_named_by_its_external_id_and_its_user_name() {
        check(
            &create("User", r#"{"UserName":"Ann@X","externalID":"E1"}"#),
            &[],
            "ExternalId externalId E1 E1, Correlation userName Ann@X ann@x",
        );
    }

    /// S8: lock coarser. U+FB01 is the ligature fi; NFKC takes it apart.
    #[test]
    fn a_user_name_is_locked_in_its_coarsest_form() {
        check(&create("User", r#"{"userName":"ﬁX"}"#), &[], "Correlation userName ﬁX fix");
    }

    /// S8; protocol.md §7 nos 32 and 33. Each line is one name to some target: one lock.
    #[test]
    fn names_that_some_target_takes_for_one_are_one_lock() {
        for class in [
            &[
                "Alice",
                "alice",
                "ALICE",
                "ａlice",
                "ＡＬＩＣＥ",
                " alice",
                "alice ",
                "ali\u{200b}ce",
                "\u{feff}alice\u{a0}",
                "al\u{ad}ice",
            ][..],
            &["strasse", "STRASSE", "straße", "STRAẞE", "Strasſe"],
            &["σας", "σασ", "ΣΑΣ", "Σας"],
            &["iris", "IRIS", "İRİS", "ırıs", "i\u{307}ris", "I\u{307}ris"],
            &["café", "cafe\u{301}", "CAFÉ", "CAFE\u{301}"],
            &["fix", "ﬁx", "FIX", "fi\u{2060}x"],
            &["k1", "K1", "\u{212a}1", "ｋ１"],
            &["ͅα", "ια", "ΙΑ"],
        ] {
            let forms: BTreeSet<String> = class.iter().map(|name| coarse(name)).collect();
            assert_eq!(forms.len(), 1, "{class:?}: {forms:?}");
        }
    }

    /// Lock coarser, compare finer: what one lock holds need not be one name (S8, S16).
    #[test]
    fn names_of_one_lock_may_be_two_names() {
        let of = create("User", r#"{"userName":"straße"}"#);
        assert_eq!(of.matches(&json(r#"{"userName":"STRASSE"}"#), &[]), Match::No);
        // A Cyrillic а is another letter: another lock.
        assert_ne!(coarse("аlice"), coarse("alice"));
        assert_ne!(coarse("ann"), coarse("anne"));
    }

    #[test]
    fn a_group_is_named_by_its_external_id_only() {
        check(
            &create("Group", r#"{"displayName":"G","externalId":"E"}"#),
            &[],
            "ExternalId externalId E E",
        );
        check(
            &create("Group", r#"{"displayName":"G"}"#),
            &["displayName"],
            "Correlation displayName G g",
        );
    }

    #[test]
    fn policy_may_name_attributes_and_each_value_is_a_name() {
        check(
            &create("User", r#"{"emails":[{"value":"b"},{"value":"A"}]}"#),
            &["emails.value"],
            "Correlation emails.value A a, Correlation emails.value b b",
        );
    }

    #[test]
    fn an_update_is_named_by_its_id_and_by_what_it_sets() {
        check(
            &patch(
                r#"{"op":"replace","value":{"userName":"B"}},{"op":"remove","path":"externalId"}"#,
            ),
            &[],
            "TargetId id 1 1, Correlation userName B b",
        );
    }

    /// RFC 7644 §3.5.2: a path may lead to a part, and through a filter; of a list that is named whole `value` counts.
    #[test]
    fn an_update_is_named_by_the_part_that_it_sets() {
        check(
            &patch(r#"{"op":"replace","path":"name.familyName","value":"X"}"#),
            &["name.familyName", "name.givenName"],
            "TargetId id 1 1, Correlation name.familyName X x",
        );
        check(
            &patch(
                r#"{"op":"replace","path":"emails[type eq \"work\"].value","value":"A"},{"op":"replace","path":"emails[type eq \"work\"].display","value":"D"}"#,
            ),
            &["emails"],
            "TargetId id 1 1, Correlation emails A a",
        );
    }

    #[test]
    fn an_external_id_is_no_value_to_correlate_by() {
        check(
            &create("User", r#"{"userName":"Ann","externalId":"E"}"#),
            &["externalId", "userName"],
            "ExternalId externalId E E, Correlation userName Ann ann",
        );
    }

    /// S16: of an attribute that no schema names letter case matters.
    #[test]
    fn what_no_schema_names_matches_exactly() {
        let of = create("User", r#"{"urn:acme:2.0:X":{"badge":"B1"}}"#);
        let correlation = [String::from("urn:acme:2.0:X:badge")];
        let matched = |resource| of.matches(&json(resource), &correlation);
        assert_eq!(matched(r#"{"urn:acme:2.0:X":{"badge":"b1"}}"#), Match::No);
        assert!(matches!(matched(r#"{"urn:acme:2.0:X":{"badge":"B1"}}"#), Match::Correlation(_)));
    }

    #[test]
    fn an_external_id_matches_exactly_and_a_user_name_ignoring_case() {
        let of = create("User", r#"{"userName":"Ann","externalId":"E"}"#);
        let matched = |resource| of.matches(&json(resource), &[]);
        assert_eq!(matched(r#"{"userName":"x","externalId":"E"}"#), Match::ExternalId);
        assert_eq!(matched(r#"{"USERNAME":"aNN"}"#), Match::Correlation("userName".into()));
        assert_eq!(
            matched(r#"{"userName":"ann","externalId":"e"}"#),
            Match::OtherExternalId("userName".into())
        );
        assert_eq!(matched(r#"{"userName":"bob"}"#), Match::No);
    }

    proptest::proptest! {
        /// S8: whatever is compared as equal is one lock, and the coarsest form is its own.
        #[test]
        fn a_lock_is_coarser_than_every_comparison(text in "[ -~ßẞſςσΣİıIiéÉﬁＡｱ\u{301}\u{307}\u{345}\u{200b}\u{a0}ǅŉΐ]{0,8}|\\PC{0,8}") {
            let form = coarse(&text);
            // Unicode 16 section 3.13, D145: marks are put in order before letter case is changed, for U+0345.
            let ordered: String = text.nfd().collect();
            proptest::prop_assert_eq!(&coarse(&form), &form);
            for equal in [fold(&text), ordered.to_lowercase(), ordered.to_uppercase(), text.nfkc().collect(), ordered, alloc::format!(" {text}\u{200b}")] {
                proptest::prop_assert_eq!(&coarse(&equal), &form, "{:?}", equal);
            }
        }
    }

    fn create(resource_type: &str, body: &str) -> Statement {
        statement(Operation::Create, resource_type, Some(body))
    }

    fn check(of: &Statement, correlation: &[&str], expected: &str) {
        let correlation: Vec<String> = correlation.iter().map(|name| (*name).into()).collect();
        let names = of.names(&correlation);
        let shown: Vec<String> = names
            .iter()
            .map(|name| {
                format!("{:?} {} {} {}", name.kind, name.attribute, name.exact, name.coarse)
            })
            .collect();
        assert_eq!(shown.join(", "), expected);
    }
}
