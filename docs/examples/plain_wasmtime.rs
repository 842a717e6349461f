//! A host in Rust without the library: the component through wasmtime's own typed bindings.
//!
//! Identifies a create, makes its tags, and asks what to do about it: look at the target first.

#[allow(warnings, clippy::all, clippy::pedantic, clippy::restriction, reason = "generated")]
mod generated {
    wasmtime::component::bindgen!({ path: "../wit", world: "provisioning" });
}

use generated::exports::replaysafe::provisioning::lifecycle::Reading;
use generated::{
    Provisioning,
    exports::replaysafe::provisioning::types::{
        Action, Found, Method, Question, Request, Scope, Settings, Situation, Tags,
    },
};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use wasmtime::{
    Config, Engine, Store, StoreLimits, StoreLimitsBuilder,
    component::{Component, Linker},
};

/// Runs one call in an instance of its own, within limits.
fn call<T>(
    engine: &Engine,
    component: &Component,
    call: impl FnOnce(&mut Store<StoreLimits>, &Provisioning) -> wasmtime::Result<T>,
) -> wasmtime::Result<T> {
    let limits = StoreLimitsBuilder::new().memory_size(256 << 20).build();
    let mut store = Store::new(engine, limits);
    store.limiter(|limits| limits);
    store.set_fuel(10_000_000_000)?;
    // Empty, and it stays so: a component that imports anything does not start.
    let linker = Linker::new(engine);
    let component = Provisioning::instantiate(&mut store, component, &linker)?;
    call(&mut store, &component)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::new();
    config.consume_fuel(true);
    let engine = Engine::new(&config)?;
    // A host of your own reads the file that `replaysafe component export` wrote, and pins its SHA-256.
    let component = Component::new(&engine, replaysafe::guest::COMPONENT)?;

    let settings = Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() };
    let request = Request {
        scope: Scope {
            tenant: "acme".into(),
            target: "https://scim.example.com/v2".into(),
            source: "default".into(),
            principal: "okta".into(),
        },
        method: Method::Create,
        resource_type: "User".into(),
        id: None,
        body: Some(r#"{"userName": "ada@example.com", "externalId": "hr-1815"}"#.into()),
        key: None,
        version: None,
        if_match: None,
        received_at: 1_700_000_000_000,
        extra: Vec::new(),
    };
    let reading = call(&engine, &component, |store, guest| {
        guest.replaysafe_provisioning_lifecycle().call_identify(store, &request, &settings)
    })??;
    let Reading::Readable(known) = reading else { return Err("the request has no form".into()) };
    assert!(!known.safe_way, "a create takes nothing away");

    let tags = Tags {
        key: None,
        statement: tag("statement", &known.statement_material)?,
        names: known
            .names
            .iter()
            .map(|name| tag("name", &name.material))
            .collect::<Result<_, _>>()?,
    };
    let found = Found { by_key: None, by_statement: None, holders: Vec::new(), open: Vec::new() };
    let situation = Situation {
        request,
        tags,
        found,
        observed: Vec::new(),
        settings,
        now: 1_700_000_000_001,
        new_entry: "entry-1".into(),
        new_identity: "identity-1".into(),
        extra: Vec::new(),
    };
    let step = call(&engine, &component, |store, guest| {
        guest.replaysafe_provisioning_lifecycle().call_decide(store, &situation)
    })??;
    assert!(step.write.is_none(), "nothing is written before the target was looked at");
    let Action::Ask(questions) = step.action else { return Err("it must look first".into()) };
    let asked: Vec<&str> = questions
        .iter()
        .map(|question| match question {
            Question::Search(search) => search.attribute.as_str(),
            Question::ById(_) | Question::All(_) => "",
        })
        .collect();
    assert_eq!(asked, ["externalId", "userName"]);
    Ok(())
}

/// Keyed, so that the ledger can compare what it must not be able to read.
fn tag(purpose: &str, material: &str) -> Result<String, String> {
    let key = b"32 bytes from a file that only the host may read";
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
    mac.update(format!("acme\0{purpose}\0{material}").as_bytes());
    Ok(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}
