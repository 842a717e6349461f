//! Random requests and resources from small pools, so that they often meet.
//!
//! Each case turns a random half of the habits on (swarm testing), so that rare ones meet rare ones.

use replaysafe_core::types::Method;
use serde_json::{Value, json};

use super::{
    facts::{ENTERPRISE, GROUP, USER},
    server::Members,
};

/// A small random generator: `SplitMix64`.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(1);
        usize::try_from(self.number() % end).unwrap_or(0)
    }

    /// True in `percent` of all cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Which habits a case has.
#[derive(Clone, Copy, Debug)]
struct Habits {
    nulls: bool,
    empties: bool,
    filters: bool,
    primary: bool,
    extension: bool,
    quirks: bool,
    parts: bool,
    twice: bool,
    secrets: bool,
    read_only: bool,
    types: bool,
    odd: bool,
}

impl Habits {
    fn draw(random: &mut Random) -> Self {
        let bits = random.number();
        let on = |bit: u32| bits >> bit & 1 == 1;
        Self {
            nulls: on(0),
            empties: on(1),
            filters: on(2),
            primary: on(3),
            extension: on(4),
            quirks: on(5),
            parts: on(6),
            twice: on(7) && on(12),
            secrets: on(8) && on(13),
            read_only: on(9) && on(14),
            types: on(10),
            odd: on(11) && on(15) && on(16),
        }
    }
}

/// One request on one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// `User` or `Group`.
    pub resource_type: String,
    /// What the target has.
    pub before: Members,
    /// What is done.
    pub method: Method,
    /// What is sent.
    pub body: Value,
    /// A second body, like the first.
    pub other: Value,
    /// How the body is written: 0 is plain.
    pub spelling: u64,
    /// Whether the target is known to show its edges (S11).
    pub shows_edges: bool,
}

/// Draws a case.
#[must_use]
pub fn case(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let habits = Habits::draw(&mut random);
    let mut draw = Draw { random, habits };
    let is_group = draw.random.chance(40);
    let resource_type = if is_group { "Group" } else { "User" };
    let before = draw.resource(is_group, false);
    let method = match draw.random.below(10) {
        0 | 1 => Method::Create,
        2 | 3 => Method::Replace,
        _ => Method::Patch,
    };
    let body = draw.body(is_group, method, &before);
    let other = match draw.random.below(3) {
        0 => draw.body(is_group, method, &before),
        _ => draw.mutated(&body),
    };
    Case {
        resource_type: resource_type.into(),
        before,
        method,
        body,
        other,
        spelling: if draw.random.chance(50) { draw.random.number() | 1 } else { 0 },
        shows_edges: draw.random.chance(85),
    }
}

/// Resources on which two requests may show a difference.
#[must_use]
pub fn samples(seed: u64, resource_type: &str) -> Vec<Members> {
    let mut random = Random::new(seed);
    let all = Habits {
        filters: true,
        primary: true,
        extension: true,
        parts: true,
        types: true,
        ..Habits::draw(&mut random)
    };
    let mut draw = Draw { random, habits: all };
    (0..6).map(|_| draw.resource(resource_type == "Group", false)).collect()
}

struct Draw {
    random: Random,
    habits: Habits,
}

impl Draw {
    fn text(&mut self, from: &[&str]) -> Value {
        json!(self.random.pick(from))
    }

    /// A resource, or a body like one where `stated`: with nulls, empties and quirks.
    fn resource(&mut self, is_group: bool, stated: bool) -> Members {
        let mut made = Members::new();
        if is_group {
            if self.random.chance(90) {
                made.insert("displayName".into(), self.text(&["ops", "Ops", "dev"]));
            }
            if self.random.chance(25) {
                made.insert("externalId".into(), self.text(&["g1", "g2"]));
            }
            if self.random.chance(70) {
                made.insert("members".into(), self.list("members", stated));
            }
        } else {
            made.insert("userName".into(), self.text(&["ann", "ann", "bob", "Ann"]));
            for name in ["externalId", "title", "displayName", "nickName"] {
                if self.random.chance(30) {
                    let value = self.simple(name, stated);
                    made.insert(name.into(), value);
                }
            }
            if self.random.chance(60) {
                let value = self.active(stated);
                made.insert("active".into(), value);
            }
            if self.random.chance(35) {
                let value = self.complex(&["givenName", "familyName"], stated);
                made.insert("name".into(), value);
            }
            for name in ["emails", "phoneNumbers", "addresses", "roles", "entitlements"] {
                if self.random.chance(35) {
                    let value = self.list(name, stated);
                    made.insert(name.into(), value);
                }
            }
            if self.habits.extension && self.random.chance(60) {
                let value = self.extension(stated);
                made.insert(ENTERPRISE.into(), value);
            }
        }
        if !stated {
            made.retain(|_, value| !super::server::is_unassigned(value));
        }
        made
    }

    fn extension(&mut self, stated: bool) -> Value {
        let mut made = Members::new();
        if self.random.chance(70) {
            made.insert("department".into(), self.simple("department", stated));
        }
        if self.random.chance(40) {
            made.insert("costCenter".into(), self.simple("costCenter", stated));
        }
        if self.random.chance(40) {
            made.insert("manager".into(), json!({ "value": self.random.pick(&["m1", "m2"]) }));
        }
        Value::Object(made)
    }

    fn simple(&mut self, name: &str, stated: bool) -> Value {
        if stated && self.habits.nulls && self.random.chance(12) {
            return Value::Null;
        }
        match name {
            "externalId" => self.text(&["e1", "e1", "e2"]),
            "userName" => self.text(&["ann", "ann", "bob", "Ann"]),
            _ => self.text(&["Boss", "Boss", "boss", "Chief", "\u{e9}"]),
        }
    }

    fn active(&mut self, stated: bool) -> Value {
        let on = self.random.chance(55);
        if stated && self.habits.quirks && self.random.chance(40) {
            let spelled = if on { ["True", "true"] } else { ["False", "false"] };
            return json!(self.random.pick(&spelled));
        }
        if stated && self.habits.nulls && self.random.chance(5) {
            return Value::Null;
        }
        json!(on)
    }

    fn complex(&mut self, parts: &[&str], stated: bool) -> Value {
        let mut made = Members::new();
        for part in parts {
            if self.random.chance(65) {
                let null = stated && self.habits.nulls && self.random.chance(12);
                let value = if null { Value::Null } else { self.text(&["Ann", "ann", "Lee"]) };
                made.insert((*part).into(), value);
            }
        }
        if made.is_empty() {
            made.insert("givenName".into(), json!("Ann"));
        }
        Value::Object(made)
    }

    fn list(&mut self, name: &str, stated: bool) -> Value {
        if stated && self.habits.nulls && self.random.chance(6) {
            return Value::Null;
        }
        if stated && self.habits.empties && self.random.chance(15) {
            return json!([]);
        }
        let count = 1 + self.random.below(3);
        let mut items: Vec<Value> = Vec::new();
        for _ in 0..count {
            let item = self.item(name, stated);
            let same = |other: &Value| {
                let types = (&other["type"], &item["type"]);
                let apart = types.0 != types.1 && !types.0.is_null() && !types.1.is_null();
                let parts = ["value", "locality", "country"];
                let alike = parts.iter().all(|part| other[part] == item[part]);
                alike && !(apart || name == "emails" && types.0 != types.1)
            };
            let twice = stated && self.habits.twice;
            if twice && self.random.chance(30) {
                items.push(item.clone());
            }
            if twice || !items.iter().any(same) {
                items.push(item);
            }
        }
        let mut seen = false;
        for item in &mut items {
            if item["primary"] == json!(true) {
                if seen && let Some(parts) = item.as_object_mut() {
                    parts.remove("primary");
                }
                seen = true;
            }
        }
        if stated && self.habits.quirks && items.len() == 1 && self.random.chance(25) {
            return items.remove(0);
        }
        Value::Array(items)
    }

    fn item(&mut self, name: &str, stated: bool) -> Value {
        let mut made = Members::new();
        match name {
            "addresses" => {
                made.insert("locality".into(), self.text(&["Oslo", "Rome"]));
                if self.random.chance(40) {
                    made.insert("country".into(), self.text(&["NO", "IT"]));
                }
            }
            "emails" => {
                made.insert("value".into(), self.text(&["a@x", "b@x", "A@x"]));
            }
            "phoneNumbers" => {
                made.insert("value".into(), self.text(&["1", "2"]));
            }
            "members" => {
                made.insert("value".into(), self.text(&["u1", "u2", "u3"]));
            }
            _ => {
                made.insert("value".into(), self.text(&["r1", "r2", "r3"]));
            }
        }
        let typed = name == "emails" || name == "phoneNumbers" || name == "roles";
        if typed && self.habits.types && self.random.chance(60) {
            made.insert("type".into(), self.text(&["work", "home"]));
        }
        if self.habits.parts && self.random.chance(35) {
            made.insert("display".into(), self.text(&["X", "Y"]));
        }
        if self.habits.primary && name != "members" && self.random.chance(25) {
            let flag = self.random.chance(75);
            made.insert("primary".into(), json!(flag));
        }
        if stated && self.habits.quirks && name == "members" && self.random.chance(30) {
            made.insert("$ref".into(), Value::Null);
        }
        Value::Object(made)
    }

    fn body(&mut self, is_group: bool, method: Method, before: &Members) -> Value {
        match method {
            Method::Create | Method::Replace => self.whole(is_group, method, before),
            Method::Patch | Method::Delete => self.patch(is_group, before),
        }
    }

    fn whole(&mut self, is_group: bool, method: Method, before: &Members) -> Value {
        // Often what is there, with one thing changed: so that it often holds.
        let mut made = before.clone();
        let fresh = self.resource(is_group, true);
        match self.random.below(4) {
            0 => made = fresh,
            1 => {}
            _ => {
                for (name, value) in fresh {
                    if self.random.chance(25) {
                        made.insert(name, value);
                    }
                }
                if self.random.chance(30) {
                    let names: Vec<String> = made.keys().cloned().collect();
                    if !names.is_empty() {
                        made.remove(self.random.pick(&names));
                    }
                }
            }
        }
        let mut schemas = vec![json!(if is_group { GROUP } else { USER })];
        if made.contains_key(ENTERPRISE) {
            schemas.push(json!(ENTERPRISE));
        }
        if is_group && self.habits.quirks && self.random.chance(30) {
            schemas.push(json!(
                "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
            ));
        }
        made.insert("schemas".into(), Value::Array(schemas));
        if self.habits.quirks && !is_group && self.random.chance(20) {
            made.insert("groups".into(), json!([]));
            made.insert("meta".into(), json!({ "resourceType": "User" }));
        }
        if self.habits.read_only && method == Method::Replace && self.random.chance(40) {
            made.insert("id".into(), json!("x1"));
        }
        if self.habits.secrets && !is_group && self.random.chance(40) {
            made.insert("password".into(), json!({ "$secret": self.random.pick(&["d1", "d2"]) }));
        }
        Value::Object(made)
    }

    fn patch(&mut self, is_group: bool, before: &Members) -> Value {
        let count = match self.random.below(6) {
            0..=2 => 1,
            3 | 4 => 2,
            _ => 3,
        };
        let operations: Vec<Value> = (0..count).map(|_| self.operation(is_group, before)).collect();
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        })
    }

    fn op(&mut self, op: &str) -> Value {
        if self.habits.quirks && self.random.chance(40) {
            let mut spelled = op.to_owned();
            spelled.get_mut(..1).expect("a letter").make_ascii_uppercase();
            return json!(spelled);
        }
        json!(op)
    }

    fn operation(&mut self, is_group: bool, before: &Members) -> Value {
        let op = *self.random.pick(&["add", "add", "replace", "replace", "remove"]);
        if op != "remove" && self.random.chance(25) {
            return json!({ "op": self.op(op), "value": self.pathless(is_group, before) });
        }
        let mut made = Members::new();
        made.insert("op".into(), self.op(op));
        let attribute = if is_group {
            *self.random.pick(&["members", "members", "members", "displayName", "externalId"])
        } else {
            *self.random.pick(&[
                "active",
                "title",
                "userName",
                "displayName",
                "externalId",
                "name",
                "emails",
                "emails",
                "phoneNumbers",
                "addresses",
                "roles",
                "roles",
                "entitlements",
                "extension",
                "other",
            ])
        };
        let (path, value) = match attribute {
            "members" | "emails" | "phoneNumbers" | "addresses" | "roles" | "entitlements" => {
                self.on_list(attribute, op, before)
            }
            "active" => (attribute.into(), self.active(true)),
            "name" if self.random.chance(60) => {
                let part = *self.random.pick(&["givenName", "familyName"]);
                (format!("name.{part}"), self.text(&["Ann", "ann", "Lee"]))
            }
            "name" => (attribute.into(), self.complex(&["givenName", "familyName"], true)),
            "extension" => self.on_extension(),
            "other" => match self.random.below(4) {
                0 if self.habits.secrets => {
                    ("password".into(), json!({ "$secret": self.random.pick(&["d1", "d2"]) }))
                }
                1 if self.habits.odd => ("favouriteColour".into(), json!("red")),
                2 if self.habits.odd => ("emails[type eq".into(), json!("red")),
                _ => ("nickName".into(), self.simple("nickName", true)),
            },
            _ => (attribute.into(), self.simple(attribute, true)),
        };
        // What is there already, often.
        let value = match before.get(&path) {
            Some(held) if op != "remove" && self.random.chance(30) => held.clone(),
            _ => value,
        };
        let path = match path.split_once(['[', '.']) {
            None if self.habits.quirks && self.random.chance(10) && !path.contains(':') => {
                format!("{}:{path}", if is_group { GROUP } else { USER })
            }
            _ => path,
        };
        made.insert("path".into(), json!(path));
        let listed = op == "remove" && value.is_array();
        if op != "remove" || listed && self.habits.quirks && self.random.chance(50) {
            made.insert("value".into(), value);
        }
        Value::Object(made)
    }

    fn on_extension(&mut self) -> (String, Value) {
        match self.random.below(5) {
            0 => (ENTERPRISE.into(), self.extension(true)),
            1 => (
                format!("{ENTERPRISE}:manager"),
                json!({ "value": self.random.pick(&["m1", "m2"]) }),
            ),
            2 => (format!("{ENTERPRISE}:manager.value"), json!(self.random.pick(&["m1", "m2"]))),
            _ => (format!("{ENTERPRISE}:department"), self.simple("department", true)),
        }
    }

    fn on_list(&mut self, name: &str, op: &str, before: &Members) -> (String, Value) {
        if self.habits.filters && self.random.chance(60) {
            let mut item = self.item(name, false);
            if item["value"] == "A@x" {
                item["value"] = json!("a@x");
            }
            let filter = self.filter(name, &item);
            let is_edges = ["members", "roles", "entitlements"].contains(&name);
            let parts: &[&str] = match name {
                "members" => &["display"],
                "roles" | "entitlements" => &["display", "primary"],
                _ => &["value", "display", "type", "primary"],
            };
            let part = *self.random.pick(parts);
            let with_part = name != "addresses" && self.random.chance(40);
            if with_part {
                let value = match part {
                    "primary" => json!(true),
                    "display" => self.text(&["X", "Y"]),
                    "type" => self.text(&["work", "home"]),
                    _ => item["value"].clone(),
                };
                return (format!("{name}[{filter}].{part}"), value);
            }
            // An edge that becomes another one is no operation that a client sends.
            let mut whole = self.item(name, false);
            if name == "addresses" {
                whole["locality"] = item["locality"].clone();
            }
            if is_edges || op != "remove" && (filter.contains(" or ") || filter.starts_with("not"))
            {
                whole["value"] = item["value"].clone();
                return (format!("{name}[value eq {}]", item["value"]), whole);
            }
            return (format!("{name}[{filter}]"), whole);
        }
        let mut value = self.list(name, true);
        if op == "add" && self.random.chance(30) && before.contains_key(name) {
            value = before[name].clone();
        }
        (name.into(), value)
    }

    fn filter(&mut self, name: &str, item: &Value) -> String {
        if name == "addresses" {
            return format!("locality eq {}", item["locality"]);
        }
        let value = format!("value eq {}", item["value"]);
        if name == "members" {
            return match self.random.below(8) {
                0 => format!("{value} or value eq \"u1\""),
                1 => format!("not (value eq {})", item["value"]),
                2 => "value pr".into(),
                3 => "value sw \"u\"".into(),
                _ => value,
            };
        }
        match self.random.below(9) {
            0 | 1 => "type eq \"work\"".into(),
            2 => format!("type eq \"work\" and {value}"),
            3 => format!("{value} or type eq \"home\""),
            4 => "primary eq true".into(),
            5 => format!("not ({value})"),
            6 => "type pr".into(),
            _ => value,
        }
    }

    fn pathless(&mut self, is_group: bool, before: &Members) -> Value {
        let fresh = self.resource(is_group, true);
        let mut made = Members::new();
        for (name, value) in fresh {
            if self.random.chance(35) {
                let held = before.get(&name).filter(|_| self.random.chance(40));
                made.insert(name, held.cloned().unwrap_or(value));
            }
        }
        if self.habits.quirks && self.random.chance(40) {
            if let Some(Value::Object(parts)) = made.remove("name") {
                for (part, value) in parts {
                    made.insert(format!("name.{part}"), value);
                }
            }
            if let Some(Value::Object(parts)) = made.remove(ENTERPRISE) {
                for (part, value) in parts {
                    made.insert(format!("{ENTERPRISE}:{part}"), value);
                }
            }
        }
        if self.habits.read_only && self.random.chance(40) {
            made.insert("id".into(), json!("x1"));
        }
        if made.is_empty() {
            made.insert("displayName".into(), json!("ops"));
        }
        Value::Object(made)
    }

    /// The same body with one thing changed.
    fn mutated(&mut self, body: &Value) -> Value {
        let mut changed = body.clone();
        for _ in 0..=self.random.below(2) {
            self.mutate(&mut changed, 0);
        }
        changed
    }

    fn mutate(&mut self, value: &mut Value, depth: usize) {
        match value {
            Value::Object(members) => {
                let names: Vec<String> = members
                    .keys()
                    .filter(|name| {
                        !["schemas", "op", "Operations"].contains(&name.as_str()) || depth == 0
                    })
                    .filter(|name| *name != "schemas")
                    .cloned()
                    .collect();
                if names.is_empty() {
                    return;
                }
                let name = self.random.pick(&names).clone();
                if 0 < depth && name != "path" && self.random.chance(15) && name != "value" {
                    members.remove(&name);
                } else if let Some(inner) = members.get_mut(&name)
                    && name != "path"
                {
                    self.mutate(inner, depth + 1);
                }
            }
            Value::Array(items) => match self.random.below(4) {
                0 if 1 < items.len() => {
                    let at = self.random.below(items.len());
                    items.remove(at);
                }
                1 if 1 < items.len() => items.reverse(),
                _ => {
                    let at = self.random.below(items.len());
                    if let Some(item) = items.get_mut(at) {
                        self.mutate(item, depth + 1);
                    }
                }
            },
            Value::String(text) => {
                let other: &[&str] = match text.as_str() {
                    "ann" | "Ann" | "bob" => &["ann", "Ann", "bob"],
                    "u1" | "u2" | "u3" => &["u1", "u2", "u3"],
                    "r1" | "r2" | "r3" => &["r1", "r2", "r3"],
                    "e1" | "e2" => &["e1", "e2"],
                    "work" | "home" => &["work", "home", "Work"],
                    "True" | "true" | "False" | "false" => &["True", "true", "False"],
                    "d1" | "d2" => &["d1", "d2"],
                    _ => &["Boss", "boss", "X", "Y"],
                };
                *text = (*self.random.pick(other)).into();
            }
            Value::Bool(flag) => {
                *value =
                    if self.random.chance(50) { json!(!*flag) } else { json!(flag.to_string()) };
            }
            Value::Null | Value::Number(_) => {}
        }
    }
}

/// Writes a body as clients do: other letter case of names, white space, escapes, other orders.
#[must_use]
pub fn write(body: &Value, spelling: u64) -> String {
    if spelling == 0 {
        return body.to_string();
    }
    let mut random = Random::new(spelling);
    let bits = random.number();
    let mut text = String::new();
    let pen = Pen {
        letters: bits & 1 == 1,
        spaces: bits & 2 == 2,
        escapes: bits & 4 == 4,
        orders: bits & 8 == 8,
    };
    pen.write(&mut random, body, &mut text, "");
    text
}

#[derive(Clone, Copy)]
struct Pen {
    letters: bool,
    spaces: bool,
    escapes: bool,
    orders: bool,
}

impl Pen {
    fn space(self, random: &mut Random, text: &mut String) {
        if self.spaces && random.chance(30) {
            text.push_str(random.pick::<&str>(&[" ", "\n", "\t ", "\r\n"]));
        }
    }

    fn string(self, random: &mut Random, value: &str, text: &mut String) {
        text.push('"');
        for letter in value.chars() {
            let code = u32::from(letter);
            if self.escapes && code < 0x1_0000 && random.chance(15) {
                text.push_str(&format!("\\u{code:04X}"));
            } else if letter == '"' || letter == '\\' {
                text.push('\\');
                text.push(letter);
            } else {
                text.push(letter);
            }
        }
        text.push('"');
    }

    fn name(self, random: &mut Random, name: &str) -> String {
        if !self.letters || !random.chance(40) || name.starts_with('$') {
            return name.to_owned();
        }
        match random.below(3) {
            0 => name.to_uppercase(),
            1 => name.to_lowercase(),
            _ => {
                let flip = |letter: char| {
                    if letter.is_ascii_uppercase() {
                        letter.to_ascii_lowercase()
                    } else {
                        letter.to_ascii_uppercase()
                    }
                };
                name.chars().map(flip).collect()
            }
        }
    }

    fn write(self, random: &mut Random, value: &Value, text: &mut String, under: &str) {
        self.space(random, text);
        match value {
            Value::String(string) if under == "path" => {
                // The attribute of a path, and nothing behind it: a filter's value must stay.
                let end = string.find('[').unwrap_or(string.len());
                let (head, tail) = string.split_at(end);
                let head = self.name(random, head);
                self.string(random, &format!("{head}{tail}"), text);
            }
            Value::String(string) => self.string(random, string, text),
            Value::Array(items) => {
                let mut items: Vec<&Value> = items.iter().collect();
                // Order counts between operations, and nowhere else.
                if self.orders && under != "Operations" {
                    shuffle(random, &mut items);
                }
                text.push('[');
                for (at, item) in items.into_iter().enumerate() {
                    if 0 < at {
                        text.push(',');
                    }
                    self.write(random, item, text, "");
                }
                text.push(']');
            }
            Value::Object(members) => {
                let mut members: Vec<(&String, &Value)> = members.iter().collect();
                if self.orders {
                    shuffle(random, &mut members);
                }
                text.push('{');
                for (at, (name, value)) in members.into_iter().enumerate() {
                    if 0 < at {
                        text.push(',');
                    }
                    self.space(random, text);
                    let spelled = self.name(random, name);
                    self.string(random, &spelled, text);
                    self.space(random, text);
                    text.push(':');
                    self.write(random, value, text, name);
                }
                text.push('}');
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
        }
        self.space(random, text);
    }
}

fn shuffle<T>(random: &mut Random, items: &mut [T]) {
    for at in (1..items.len()).rev() {
        items.swap(at, random.below(at + 1));
    }
}
