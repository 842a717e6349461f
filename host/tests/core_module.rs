//! The core module by itself: the JSON door through linear memory, in an engine that is told nothing of components.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::sync::LazyLock;

use replaysafe::guest::{COMPONENT, CORE_MODULE, Guest};
use wasmtime::{Config, Engine, Instance, Memory, Module, OptLevel, Store, TypedFunc};

/// The exported name of the door, by the canonical ABI.
const CALL: &str = "replaysafe:provisioning/json@0.1.0#call";

#[test]
fn it_answers_as_the_component_does() {
    let guest = Guest::embedded().expect("the component loads");
    let mut door = Door::open();
    for (function, input) in [
        ("check-policy", "{\"policy\":\"{\\\"adopt\\\":\\\"equal\\\"}\"}".to_owned()),
        ("check-policy", "{\"policy\":\"no\"}".to_owned()),
        ("read-schema", "{}".to_owned()),
        ("read-schema", "{".repeat(1_000)),
        ("none", String::new()),
        ("identify", format!("{{\"request\":\"é\u{1f600}{}\"}}", "x".repeat(100_000))),
    ] {
        let other = guest.call_json(function, &input).expect("the component answers");
        assert_eq!(door.call(function, &input), other, "{function}");
        assert!(other.starts_with("{\"ok\":") || other.starts_with("{\"err\":"), "{other}");
    }
}

/// What was handed over is freed: an instance can be used for many calls.
#[test]
fn memory_does_not_grow_with_calls() {
    let mut door = Door::open();
    let input = format!("{{\"schemas\":\"{}\"}}", "x".repeat(1 << 20));
    door.call("read-schema", &input);
    let before = door.memory.data_size(&door.store);
    for _ in 0..20 {
        door.call("read-schema", &input);
    }
    assert_eq!(door.memory.data_size(&door.store), before);
}

#[test]
fn it_imports_nothing_and_exports_what_the_door_needs() {
    let module = module();
    assert_eq!(module.imports().len(), 0);
    let post = format!("cabi_post_{CALL}");
    for name in ["memory", "cabi_realloc", CALL, &post] {
        assert!(module.get_export(name).is_some(), "`{name}` is not exported");
    }
}

#[test]
fn no_folder_of_this_machine_is_in_what_ships() {
    let folders =
        [option_env!("CARGO_HOME"), option_env!("HOME"), Some(env!("CARGO_MANIFEST_DIR"))];
    for folder in folders.into_iter().flatten().filter(|folder| 1 < folder.len()) {
        for bytes in [COMPONENT, CORE_MODULE] {
            let found = bytes.windows(folder.len()).any(|window| window == folder.as_bytes());
            assert!(!found, "`{folder}` is in the component");
        }
    }
}

/// An instance of the core module.
struct Door {
    store: Store<()>,
    memory: Memory,
    realloc: TypedFunc<(u32, u32, u32, u32), u32>,
    call: TypedFunc<(u32, u32, u32, u32), u32>,
    post: TypedFunc<u32, ()>,
}

impl Door {
    fn open() -> Self {
        let module = module();
        let mut store = Store::new(module.engine(), ());
        let instance = Instance::new(&mut store, &module, &[]).expect("it needs nothing");
        let memory = instance.get_memory(&mut store, "memory").expect("a memory");
        let realloc = instance.get_typed_func(&mut store, "cabi_realloc").expect("`cabi_realloc`");
        let call = instance.get_typed_func(&mut store, CALL).expect("the door");
        let post = instance.get_typed_func(&mut store, &format!("cabi_post_{CALL}"));
        Self { memory, realloc, call, post: post.expect("`cabi_post_`"), store }
    }

    fn call(&mut self, function: &str, input: &str) -> String {
        // Ours until the call, then the module's: it frees both texts.
        let (name, name_bytes) = self.put(function);
        let (text, text_bytes) = self.put(input);
        let arguments = (name, name_bytes, text, text_bytes);
        let result = self.call.call(&mut self.store, arguments).expect("no trap");
        let (at, length) = (self.number(result), self.number(result + 4));
        let output = String::from_utf8(self.bytes(at, length)).expect("UTF-8");
        // The module's until this: then it frees what it gave.
        self.post.call(&mut self.store, result).expect("no trap");
        output
    }

    fn put(&mut self, text: &str) -> (u32, u32) {
        let length = u32::try_from(text.len()).expect("less than 4 GiB");
        let at = self.realloc.call(&mut self.store, (0, 0, 1, length)).expect("room");
        let start = usize::try_from(at).expect("an address");
        self.memory.write(&mut self.store, start, text.as_bytes()).expect("within the memory");
        (at, length)
    }

    fn number(&self, at: u32) -> u32 {
        let bytes = <[u8; 4]>::try_from(self.bytes(at, 4));
        bytes.map(u32::from_le_bytes).unwrap_or_else(|_| panic!("four bytes"))
    }

    fn bytes(&self, at: u32, length: u32) -> Vec<u8> {
        let start = usize::try_from(at).expect("an address");
        let end = start + usize::try_from(length).expect("a length");
        self.memory.data(&self.store).get(start..end).expect("within the memory").to_vec()
    }
}

/// Compiled once, and without optimising: compiling takes the time here.
fn module() -> Module {
    static MODULE: LazyLock<Module> = LazyLock::new(|| {
        let mut config = Config::new();
        config.cranelift_opt_level(OptLevel::None);
        let engine = Engine::new(&config).expect("an engine");
        Module::new(&engine, CORE_MODULE).expect("it is a module")
    });
    MODULE.clone()
}
