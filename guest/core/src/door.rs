//! The functions of the contract as data: what each takes and gives, and how it is called with either.
//!
//! The component offers each by its name; the JSON door, [`call`], is for languages without typed bindings.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use replaysafe_json::{Value, parse_ours};

use crate::{
    audit::{self, Seen},
    batch::{self, Item, Known, Operation},
    form::{self, Form, name, write_case},
    lifecycle::{self, Reading, Schema, Segment},
    reconciliation::{self, Excess, Finding, Part, Tally, Trait},
    shape::{Absent, Kind, Member, Shape, Tree},
    types::{ContractError, Document, Report, Request, Settings, Situation, Step, UnixMillis},
};

/// A function of the contract.
#[derive(Debug)]
pub struct Function {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// Its parameters, as a record.
    pub takes: Shape,
    /// Its result.
    pub gives: Shape,
    run: fn(Tree) -> Tree,
}

impl Function {
    /// Calls it. `given` has the shape `takes`, and what it gives the shape `gives`.
    #[must_use]
    pub fn run(&self, given: Tree) -> Tree {
        (self.run)(given)
    }
}

/// A function: its name and parameters as the contract has them, its result, and who answers.
macro_rules! function {
    ($name:ident ($($parameter:ident: $type:ty),*) -> $gives:ty { $answer:expr }) => {
        Function {
            name: name!($name),
            takes: {
                const MEMBERS: &[Member] = &[$(Member {
                    name: name!($parameter),
                    shape: &<$type>::SHAPE,
                    absent: Absent::Fault,
                }),*];
                Shape::record(MEMBERS)
            },
            gives: <$gives>::SHAPE,
            run: |given| {
                let mut fields = given.fields();
                $(let $parameter = <$type>::of(fields.next());)*
                let gives: $gives = $answer;
                gives.tree()
            },
        }
    };
}

type Fallible<T> = Result<T, ContractError>;

/// The functions of `lifecycle`, in the contract's order.
pub static LIFECYCLE: [Function; 9] = [
    function!(secret_paths(resource_type: String, settings: Settings) -> Fallible<Vec<Vec<Segment>>> {
        lifecycle::secret_paths(&resource_type, &settings)
    }),
    function!(read_schema(resource_types: Option<Document>, schemas: Option<Document>, service_provider_config: Option<Document>) -> Schema {
        lifecycle::read_schema(resource_types.as_deref(), schemas.as_deref(), service_provider_config.as_deref())
    }),
    function!(check_policy(policy: Document) -> Fallible<Document> {
        lifecycle::check_policy(&policy)
    }),
    function!(identify(request: Request, settings: Settings) -> Fallible<Reading> {
        lifecycle::identify(&request, &settings)
    }),
    function!(matches(request: Request, page: Vec<Document>, settings: Settings) -> Fallible<Vec<u32>> {
        lifecycle::matches(&request, &page, &settings)
    }),
    function!(admit(situation: Situation) -> Fallible<Step> {
        lifecycle::admit(&situation)
    }),
    function!(decide(situation: Situation) -> Fallible<Step> {
        lifecycle::decide(&situation)
    }),
    function!(settle(situation: Situation, report: Option<Report>) -> Fallible<Step> {
        lifecycle::settle(&situation, report.as_ref())
    }),
    function!(entry_request(state: Document) -> Fallible<Request> {
        lifecycle::entry_request(&state)
    }),
];

/// The functions of `reconciliation`, in the contract's order.
pub static RECONCILIATION: [Function; 3] = [
    function!(survey(resource_type: String, resources: Vec<Document>, settings: Settings) -> Fallible<Vec<Option<Trait>>> {
        reconciliation::survey(&resource_type, &resources, &settings)
    }),
    function!(plan(part: Part) -> Fallible<Vec<Finding>> {
        reconciliation::plan(&part)
    }),
    function!(guard(tallies: Vec<Tally>, now: UnixMillis, settings: Settings) -> Fallible<Vec<Excess>> {
        reconciliation::guard(&tallies, now, &settings)
    }),
];

/// The functions of `audit`, in the contract's order.
pub static AUDIT: [Function; 2] = [
    function!(look(resource_type: String, resources: Vec<Document>, settings: Settings) -> Fallible<Vec<Option<Seen>>> {
        audit::look(&resource_type, &resources, &settings)
    }),
    function!(audit(part: audit::Part) -> Fallible<Vec<audit::Finding>> {
        audit::audit(&part)
    }),
];

/// The functions of `batch`, in the contract's order.
pub static BATCH: [Function; 2] = [
    function!(arrange(operations: Vec<Operation>, settings: Settings) -> Fallible<Vec<Item>> {
        batch::arrange(&operations, &settings)
    }),
    function!(fill(text: Document, resources: Vec<Known>) -> Document {
        batch::fill(&text, &resources)
    }),
];

/// The one function of `json`, as the world `provisioning` has it.
pub static CALL: Function = function!(call(function: String, input: String) -> String {
    call(&[&LIFECYCLE], &function, &input)
});

/// The function of `lifecycle` with this name.
///
/// # Panics
///
/// If there is none: for constants, which do not compile then.
#[must_use]
#[expect(clippy::indexing_slicing, clippy::panic, reason = "run by the compiler only")]
pub const fn lifecycle(name: &str) -> &'static Function {
    let mut at = 0;
    while at < LIFECYCLE.len() {
        if same(LIFECYCLE[at].name.as_bytes(), name.as_bytes()) {
            return &LIFECYCLE[at];
        }
        at += 1;
    }
    panic!("no such function")
}

#[expect(clippy::indexing_slicing, reason = "within the length")]
const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// See `json.call`: calls one of `functions` by its name. Gives canonical JSON; never panics.
#[must_use]
pub fn call(functions: &[&'static [Function]], function: &str, input: &str) -> String {
    let output = match answer(functions, function, input) {
        Ok(output) => output,
        Err(error) => write_case("err", form::write(&error)),
    };
    output.to_string()
}

fn answer(
    functions: &[&'static [Function]],
    function: &str,
    input: &str,
) -> Result<Value, ContractError> {
    let Some(function) = functions.iter().copied().flatten().find(|known| known.name == function)
    else {
        let names: Vec<&str> =
            functions.iter().copied().flatten().map(|known| known.name).collect();
        return Err(ContractError {
            code: "unknown-function".into(),
            detail: format!("the function is none of {}", names.join(", ")),
        });
    };
    let value = parse_ours(input).map_err(|error| error.to_string());
    let read = value.and_then(|value| form::read_tree(&function.takes, value));
    let given = read.map_err(|fault| ContractError {
        code: "json".into(),
        detail: format!("the input cannot be read: {fault}"),
    })?;
    let output = form::write_tree(&function.gives, function.run(given));
    // What cannot fail gives no `result`; the door says `ok` all the same.
    let fallible = matches!(function.gives.kind, Kind::Variant(_));
    Ok(if fallible { output } else { write_case("ok", output) })
}
