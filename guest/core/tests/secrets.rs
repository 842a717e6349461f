//! No secret stays in a document, wherever the schema lets one stand (S3a).
//!
//! Documents are made up here by the rules of RFC 7643 and RFC 7644 and by what clients send; where secrets are lifted is not asked.

#![expect(clippy::expect_used, reason = "a test may fail")]

use proptest::{prelude::*, sample::select};
use replaysafe_core::schema::Schema;
use replaysafe_json::{Limits, Object, Value, lift, parse, put_back};

const CANARY: &str = "c4n4ry";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const BADGE: &str = "urn:acme:2.0:Badge";

/// Every secret of the schema below: its URN, then the names that lead to it.
const SECRETS: [(&str, &[&str]); 8] = [
    (USER, &["password"]),
    (USER, &["keys", "secret"]),
    (USER, &["tokens", "value"]),
    (USER, &["vault", "box", "code"]),
    (BADGE, &["pin"]),
    (BADGE, &["pins"]),
    (BADGE, &["doors", "code"]),
    (BADGE, &["credential"]),
];

fn schema() -> Schema {
    let schemas = json(
        r#"[{"id":"urn:ietf:params:scim:schemas:core:2.0:User","attributes":[
              {"name":"keys","type":"complex","multiValued":true,"subAttributes":[
                {"name":"type","type":"string"},{"name":"secret","returned":"never"}]},
              {"name":"tokens","type":"complex","multiValued":true,"subAttributes":[
                {"name":"value","mutability":"writeOnly"}]},
              {"name":"vault","type":"complex","subAttributes":[
                {"name":"box","type":"complex","subAttributes":[{"name":"code","returned":"never"}]}]}]},
            {"id":"urn:acme:2.0:Badge","attributes":[
              {"name":"pin","returned":"never"},
              {"name":"pins","multiValued":true,"mutability":"writeOnly"},
              {"name":"credential","type":"complex","mutability":"writeOnly","subAttributes":[{"name":"value"}]},
              {"name":"doors","type":"complex","multiValued":true,"subAttributes":[
                {"name":"no"},{"name":"code","mutability":"writeOnly"}]}]}]"#,
    );
    Schema::read(None, Some(&schemas), None)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_stays_and_each_is_put_back(document in document()) {
        prop_assert!(document.to_string().contains(CANARY));
        let mut lifted = Vec::new();
        let mut shown = document.clone();
        lift(&mut shown, &schema().secret_paths("User"), &mut |secret| {
            lifted.push(secret.clone());
            let digest = format!("{}", lifted.len() - 1);
            Value::Object(Object::from_iter([("$secret", digest)]))
        });
        prop_assert!(!shown.to_string().contains(CANARY), "{document} shows {shown}");
        put_back(&mut shown, &mut |value| {
            let digest = value.find("$secret")?.as_str()?.parse::<usize>().ok()?;
            lifted.get(digest).cloned()
        });
        prop_assert_eq!(shown.to_string(), document.to_string());
    }
}

/// What is no secret stays readable: lifting too much hides a request from the rules.
#[test]
fn what_is_no_secret_stays() {
    for text in [
        r#"{"userName":"a","keys":[{"type":"x"}],"pin":"x","code":"y","secret":"z"}"#,
        r#"{"Operations":[{"op":"remove","path":"keys[type eq \"secret \"]"}]}"#,
        r#"{"Operations":[{"op":"replace","path":"keys[type eq \"x\"].type","value":"y"}]}"#,
        r#"{"Operations":[{"op":"add","path":"members","value":[{"value":"a"}]}]}"#,
        r#"{"Operations":[{"op":"replace","path":"vault.box","value":{"label":"y"}}]}"#,
    ] {
        let mut document = json(text);
        let count = lift(&mut document, &schema().secret_paths("User"), &mut |_| Value::Null);
        assert_eq!((count, document), (0, json(text)), "{text}");
    }
}

/// The password is one of any type, and of the types that are no user.
#[test]
fn a_password_is_a_secret_of_every_type() {
    for kind in ["User", "Group", "Device"] {
        let mut document =
            json(r#"{"Operations":[{"op":"replace","path":" PassWord ","value":"c4n4ry"}]}"#);
        lift(&mut document, &Schema::default().secret_paths(kind), &mut |_| Value::Null);
        assert!(!document.to_string().contains(CANARY), "{kind}");
    }
}

fn document() -> impl Strategy<Value = Value> {
    (select(&SECRETS[..]), any::<u64>(), 0_u8..11).prop_map(|((urn, names), seed, form)| {
        let mut dice = Dice(seed);
        made(urn, names, form, &mut dice)
    })
}

/// A document with the canary at the secret, in one of the forms in which it can be sent or shown.
fn made(urn: &str, names: &[&str], form: u8, dice: &mut Dice) -> Value {
    let core = urn == USER;
    let prefix = if core && dice.toss() { String::new() } else { format!("{}:", dice.cased(urn)) };
    let resource = resource(urn, names, dice);
    let split = 1 + dice.below(names.len());
    let (head, rest) = names.split_at(split);
    let value = below(rest, dice);
    let path = dice.path(&format!("{prefix}{}", head.join(".")), &prefix);
    match form {
        0 => resource,
        1 => Value::Object(Object::from_iter([(
            "Resources",
            Value::from(vec![json("{}"), resource]),
        )])),
        2 => operation(None, resource, dice),
        3 => operation(None, Value::from(vec![resource]), dice),
        // The path of the attribute, or of what it is a part of.
        4..=6 => operation(Some(&path), value, dice),
        7 => operation(Some(&path), Value::from(vec![value]), dice),
        // The schema's URN as path.
        8 => {
            let within = members(names, "", dice);
            operation(Some(&dice.cased(urn)), within, dice)
        }
        // A filter that cannot be read.
        9 => operation(
            Some(&format!("{prefix}{}[type eq \"x", dice.cased(names.first().expect("a name")))),
            value,
            dice,
        ),
        // A filter that compares with it.
        _ => {
            let (last, above) = names.split_last().expect("a name");
            let filter = format!("{} eq \"{CANARY}\"", dice.cased(last));
            let path = match above {
                [] => format!("{prefix}{}[value eq \"{CANARY}\"]", dice.cased(last)),
                _ => format!("{prefix}{}[{filter}]", dice.cased(&above.join("."))),
            };
            let key = Value::Object(Object::from_iter([(format!("{path}.label"), "x")]));
            if dice.toss() {
                operation(Some(&path), "y".into(), dice)
            } else {
                operation(None, key, dice)
            }
        }
    }
}

/// A resource that states it: as a member, behind its URN, or in its URN's object.
fn resource(urn: &str, names: &[&str], dice: &mut Dice) -> Value {
    let core = urn == USER;
    if core && dice.toss() {
        return members(names, "", dice);
    }
    let urn = dice.cased(urn);
    if dice.toss() {
        return members(names, &format!("{urn}:"), dice);
    }
    let within = members(names, "", dice);
    Value::Object(Object::from_iter([(urn, within), ("title".into(), "T".into())]))
}

/// An object with the secret as a member, or below one; names may be dotted.
fn members(names: &[&str], prefix: &str, dice: &mut Dice) -> Value {
    let (head, rest) = names.split_at(1 + dice.below(names.len()));
    let name = format!("{prefix}{}", dice.cased(&head.join(".")));
    let value = below(rest, dice);
    Value::Object(Object::from_iter([(name, value), ("title".into(), "T".into())]))
}

/// What stands at a name on the way to the secret; the secret itself at its end.
fn below(names: &[&str], dice: &mut Dice) -> Value {
    if names.is_empty() {
        return match dice.below(4) {
            0 => Value::from(vec![CANARY, "other"]),
            1 => Value::Object(Object::from_iter([("value", CANARY)])),
            _ => CANARY.into(),
        };
    }
    // A bare text stands for an object with `value`.
    let object =
        if names == ["value"] && dice.toss() { CANARY.into() } else { members(names, "", dice) };
    match dice.below(3) {
        0 => object,
        1 => Value::from(vec![object]),
        _ => Value::from(vec![json(r#"{"type":"x"}"#), object]),
    }
}

fn operation(path: Option<&str>, value: Value, dice: &mut Dice) -> Value {
    let mut members =
        vec![(dice.cased("op"), Value::from("Replace")), (dice.cased("value"), value)];
    match path {
        Some(path) => members.push((dice.cased("path"), path.into())),
        None if dice.toss() => members.push(("path".into(), Value::Null)),
        None => {}
    }
    let other = json(r#"{"op":"add","path":"title","value":"T"}"#);
    let operations = vec![other, Value::Object(members.into_iter().collect())];
    Value::Object(Object::from_iter([(dice.cased("Operations"), operations)]))
}

const FILTERS: [&str; 5] = [
    "[type eq \"x\"]",
    " [ TYPE eq \"]\" ]",
    "[type eq \"a\\\"].secret\" and not (type pr)]",
    "[]",
    "[a eq 1 or b eq true]",
];

/// A source of choices that a seed repeats.
struct Dice(u64);

impl Dice {
    /// `SplitMix64`.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() >> 8).unwrap_or_default() % most
    }

    fn toss(&mut self) -> bool {
        self.below(2) == 0
    }

    fn cased(&mut self, text: &str) -> String {
        text.chars()
            .map(|letter| {
                if self.toss() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
            })
            .collect()
    }

    /// The path in odd letter case, with filters and white space between its names.
    fn path(&mut self, path: &str, prefix: &str) -> String {
        let names = path.strip_prefix(prefix).unwrap_or(path);
        let mut text = prefix.to_owned();
        for (position, name) in names.split('.').enumerate() {
            if 0 < position {
                text.push_str(if self.toss() { "." } else { " . " });
            }
            text.push_str(&self.cased(name));
            if self.toss() {
                let filter = FILTERS.get(self.below(FILTERS.len()));
                text.push_str(filter.expect("a filter"));
            }
        }
        if self.toss() { format!(" {text}\t") } else { text }
    }
}

fn json(text: &str) -> Value {
    parse(text.as_bytes(), &Limits::default()).expect("valid")
}
