//! Which decisions are measured?
//!
//! Each is what a host asks for a request of an identity provider, recorded from a scripted world (`script.rs`): the documents are as large
//! as those of a workforce directory. Nothing is measured here.

use std::{cell::RefCell, rc::Rc};

use replaysafe_core::{
    lifecycle,
    types::{ContractError, Report, Situation, Step},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    script,
    subject::{Other, Subject},
    world::End,
};

/// A call of the contract, as the JSON door takes it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The function.
    pub function: String,
    /// Its parameters by name.
    pub input: Value,
}

/// A call of the core with its parameters in memory, as a host has them.
#[derive(Clone, Debug)]
pub enum Decision {
    /// `admit`
    Admit(Situation),
    /// `decide`
    Decide(Situation),
    /// `settle`
    Settle(Situation, Option<Report>),
}

impl Decision {
    /// Reads a call; none if it is of another function.
    ///
    /// # Panics
    ///
    /// If the parameters have another form than the contract's.
    #[must_use]
    pub fn of(call: &Call) -> Option<Self> {
        let situation = || read(call, "situation").expect("a situation");
        match call.function.as_str() {
            "admit" => Some(Self::Admit(situation())),
            "decide" => Some(Self::Decide(situation())),
            "settle" => Some(Self::Settle(situation(), read(call, "report").flatten())),
            _ => None,
        }
    }

    /// Makes it, in this process.
    ///
    /// # Errors
    ///
    /// As the function of the contract.
    pub fn make(&self) -> Result<Step, ContractError> {
        match self {
            Self::Admit(situation) => lifecycle::admit(situation),
            Self::Decide(situation) => lifecycle::decide(situation),
            Self::Settle(situation, report) => lifecycle::settle(situation, report.as_ref()),
        }
    }
}

fn read<T: DeserializeOwned>(call: &Call, name: &str) -> Option<T> {
    let value = call.input.get(name)?.clone();
    Some(serde_json::from_value(value).expect("the contract's form"))
}

/// A user is replaced: the title changes, and the target shows what it has by its id. All calls, from `identify` to the last `settle`.
#[must_use]
pub fn replacement() -> Vec<Call> {
    let made = format!("post User {}\n-> done changed\n", user(1, "Engineer"));
    request(&made, "put", &format!("User/user1 {}", user(1, "Principal")))
}

/// The `decide` of a create where the target lists `count` resources, whatever it is asked for, and none of them is the one.
#[must_use]
pub fn listed(count: usize) -> Call {
    let mut world =
        String::from("target ignores-filter userName\ntarget ignores-filter externalId\n");
    for number in 0..count {
        world.push_str(&format!("has other{number} User {}\n", user(number + 2, "Engineer")));
    }
    first("decide", request(&world, "post", &format!("User {}", user(1, "Engineer"))))
}

/// The `decide` of a new group with so many members: 75 bytes for each.
#[must_use]
pub fn group(members: usize) -> Call {
    let members: Vec<Value> = (0..members)
        .map(|number| json!({ "value": format!("00u{number:017}"), "display": format!("Person {number}"), "type": "User" }))
        .collect();
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Everyone",
        "externalId": "00g1", "members": members,
    });
    first("decide", request("", "post", &format!("Group {body}")))
}

/// The decisions whose instructions are counted, by name.
pub const NAMED: &[(&str, fn() -> Decision)] = &[
    ("admit", || decision("admit", replacement())),
    ("decide", || decision("decide", replacement())),
    ("settle", || decision("settle", replacement())),
    ("decide-100-listed", || decision("decide", vec![listed(100)])),
    ("decide-1000-members", || decision("decide", vec![group(1_000)])),
];

fn decision(function: &str, calls: Vec<Call>) -> Decision {
    Decision::of(&first(function, calls)).expect("a function that takes a situation")
}

/// The first call of a function.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn first(function: &str, calls: Vec<Call>) -> Call {
    calls.into_iter().find(|call| call.function == function).expect("the world asks for it")
}

/// A user as a workforce directory has it: 1.2 KB.
#[must_use]
pub fn user(number: usize, title: &str) -> Value {
    let name = format!("person{number}");
    let mail = format!("{name}@example.com");
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "externalId": format!("00u{number:017}"),
        "userName": mail,
        "name": { "familyName": "Lovelace", "givenName": "Augusta", "formatted": "Augusta Lovelace" },
        "displayName": format!("Augusta Lovelace {number}"),
        "title": title,
        "preferredLanguage": "en-GB",
        "active": true,
        "emails": [
            { "value": mail, "type": "work", "primary": true },
            { "value": format!("{name}@home.example"), "type": "home" },
        ],
        "phoneNumbers": [
            { "value": "+44 20 7946 0123", "type": "work" },
            { "value": "+44 7700 900123", "type": "mobile" },
        ],
        "addresses": [{
            "streetAddress": "12 St James's Square", "locality": "London", "postalCode": "SW1Y 4JH",
            "country": "GB", "type": "work", "formatted": "12 St James's Square\nLondon\nSW1Y 4JH",
        }],
        ENTERPRISE: {
            "employeeNumber": number.to_string(), "costCenter": "4130", "organization": "Analytical Engines",
            "division": "Research", "department": "Mathematics",
            "manager": { "value": "26118915-6090-4610-87e4-49d8ca9f808d" },
        },
    })
}

/// The calls of a request in the world that a script leaves.
fn request(script: &str, verb: &str, text: &str) -> Vec<Call> {
    let recorder = Recorder::default();
    let calls = Rc::clone(&recorder.0);
    let subject = Subject::beside(Box::new(recorder));
    let mut world = script::run(&format!("# S0: what is measured\n{SETTINGS}{script}"), subject)
        .expect("the script holds");
    calls.take();
    let (request, fault, killed) = script::request(verb, text, world.now).expect("a request");
    let end = world.request(&request, fault, killed);
    assert!(matches!(end, End::Told(_)), "{end:?}");
    calls.take()
}

#[derive(Debug, Default)]
struct Recorder(Rc<RefCell<Vec<Call>>>);

impl Other for Recorder {
    fn compare(&self, function: &str, input: &Value, _: &str) {
        let call = Call { function: function.into(), input: input.clone() };
        self.0.borrow_mut().push(call);
    }
}

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What is known of a usual target.
const SETTINGS: &str = "\
policy {}
profile patch.supported true
profile filter.supported true
profile unique/User/userName server
";
