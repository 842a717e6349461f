//! The walls: what a component may use, and a fresh instance for each call.
//!
//! Nothing here knows a function of the contract.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use wasmtime::{
    Config, Enabled, Engine, Inlining, InstanceAllocationStrategy, PoolingAllocationConfig,
    ResourceLimiter, Store, Trap, UpdateDeadline,
    component::{
        Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Linker, Lower,
    },
};

use super::{
    aside::{aside, give_way},
    error::GuestError,
};

/// A compiled component, ready to be instantiated as often as it is called.
pub(super) struct Sandbox {
    code: InstancePre<Limits>,
    slots: Arc<Slots>,
    /// The one slot of calls that need much memory.
    large: Arc<Slots>,
    fuel: Option<u64>,
    burned: AtomicU64,
    pooled: bool,
}

impl Sandbox {
    /// Prepares compiled code; `fuel` must be that which `engine` was made with.
    pub(super) fn new(
        engine: &Roomy,
        code: &Component,
        fuel: Option<u64>,
    ) -> Result<Self, GuestError> {
        let Roomy { engine, pooled } = engine;
        if let Some((name, _)) = code.component_type().imports(engine).next() {
            return Err(GuestError::Import { name: name.into() });
        }
        // INVARIANT: the linker stays empty. Whatever a component asks for, it does not get.
        let code = Linker::new(engine).instantiate_pre(code).map_err(GuestError::Invalid)?;
        let burned = AtomicU64::new(0);
        let (slots, large) = (Slots::new(SLOTS), Slots::new(1));
        Ok(Self { code, slots, large, fuel, burned, pooled: *pooled })
    }

    /// The compiled code.
    pub(super) fn component(&self) -> &Component {
        self.code.component()
    }

    /// Memory comes from a pool, not from the system at each call.
    pub(super) fn is_pooled(&self) -> bool {
        self.pooled
    }

    /// How many units of fuel all calls together have burned; 0 where fuel is not counted.
    pub(super) fn burned(&self) -> u64 {
        self.burned.load(Ordering::Relaxed)
    }

    /// Whether the function `export` has this type.
    pub(super) fn check<P, R>(&self, export: &ComponentExportIndex) -> Result<(), GuestError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let _slot = self.slots.take();
        let mut store = self.store()?;
        let instance = self.code.instantiate(&mut store).map_err(GuestError::Invalid)?;
        instance.get_typed_func::<P, R>(&mut store, export).map_err(GuestError::Invalid)?;
        Ok(())
    }

    /// Calls a function in an instance of its own, which is thrown away whatever comes of it.
    pub(super) fn call<P, R>(
        &self,
        export: &ComponentExportIndex,
        parameters: P,
    ) -> Result<R, GuestError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift + 'static,
    {
        let _slot = self.slots.take();
        let mut store = self.store()?;
        let called = self.code.instantiate(&mut store).and_then(|instance| {
            let function = instance.get_typed_func::<P, R>(&mut store, export)?;
            function.call(&mut store, parameters)
        });
        if let (Some(fuel), Ok(left)) = (self.fuel, store.get_fuel()) {
            self.burned.fetch_add(fuel.saturating_sub(left), Ordering::Relaxed);
        }
        called.map_err(|error| self.failed(error, store.data()))
    }

    fn store(&self) -> Result<Store<Limits>, GuestError> {
        let large = Arc::clone(&self.large);
        let limits = Limits { exceeded: false, bytes: 0, ticks: 0, large, turn: None };
        let mut store = Store::new(self.code.engine(), limits);
        store.limiter(|limits| limits);
        store.set_hostcall_fuel(OUTPUT_BYTES_MOST);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().tick()));
        if let Some(fuel) = self.fuel {
            store.set_fuel(fuel).map_err(GuestError::Sandbox)?;
        }
        Ok(store)
    }

    fn failed(&self, error: wasmtime::Error, limits: &Limits) -> GuestError {
        let trap = error.downcast_ref::<Trap>().copied();
        match (trap, self.fuel) {
            (Some(Trap::Interrupt), _) => {
                GuestError::Deadline { limit: TICK * limits.ticks_most() }
            }
            (Some(Trap::OutOfFuel), Some(fuel)) => GuestError::Fuel { fuel },
            // The component is told that it gets no more, and gives up by trapping.
            _ if limits.exceeded => GuestError::Memory { bytes: MEMORY_BYTES_MOST },
            (Some(_), _) => GuestError::Trap(error),
            (None, _) => GuestError::Output(error),
        }
    }
}

/// An engine, and whether it has a pool.
pub(super) struct Roomy {
    /// The engine.
    pub(super) engine: Engine,
    pooled: bool,
}

/// Makes an engine whose clock ticks, with a pool where the machine grants its address space.
///
/// Without a pool each call asks the system for memory: an order of magnitude slower, and as safe.
pub(super) fn engine(fuel: Option<u64>) -> Result<Roomy, GuestError> {
    let pooled = Engine::new(&config(fuel, InstanceAllocationStrategy::Pooling(pool())));
    let (engine, pooled) = match pooled {
        Ok(engine) => (engine, true),
        Err(_) => {
            let config = config(fuel, InstanceAllocationStrategy::OnDemand);
            (Engine::new(&config).map_err(GuestError::Sandbox)?, false)
        }
    };
    tick(&engine)?;
    Ok(Roomy { engine, pooled })
}

fn config(fuel: Option<u64>, allocation: InstanceAllocationStrategy) -> Config {
    let mut config = Config::new();
    config
        .allocation_strategy(allocation)
        .epoch_interruption(true)
        .consume_fuel(fuel.is_some())
        .max_wasm_stack(STACK_BYTES_MOST)
        .compiler_inlining(Inlining::Yes)
        // Equal arguments give equal results on every machine.
        .wasm_relaxed_simd(false)
        .cranelift_nan_canonicalization(true)
        // A trap is answered, not debugged: the address map would double the compiled code.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false);
    config
}

fn pool() -> PoolingAllocationConfig {
    // Only pages that a call has written are cleared; without the kernel's help (Linux 6.7) every
    // page is given back instead, which costs a system call but not a walk over megabytes.
    let scans = PoolingAllocationConfig::is_pagemap_scan_available();
    let kept = if scans { RESIDENT_BYTES } else { 0 };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(SLOTS)
        .total_core_instances(SLOTS * INSTANCES_MOST)
        .total_memories(SLOTS)
        .total_tables(SLOTS * INSTANCES_MOST)
        .max_core_instances_per_component(INSTANCES_MOST)
        .max_memories_per_component(1)
        .max_tables_per_component(INSTANCES_MOST)
        .max_memory_size(MEMORY_BYTES_MOST)
        .table_elements(TABLE_ELEMENTS_MOST)
        .linear_memory_keep_resident(kept)
        .table_keep_resident(RESIDENT_TABLE_BYTES)
        .max_unused_warm_slots(SLOTS)
        .pagemap_scan(if scans { Enabled::Yes } else { Enabled::No });
    pool
}

/// Starts the clock by which a call's time is told; it ends when the engine is no longer used.
fn tick(engine: &Engine) -> Result<(), GuestError> {
    let engine = engine.weak();
    let clock = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    };
    let thread = thread::Builder::new().name("replaysafe-epoch".into()).spawn(clock);
    thread.map(drop).map_err(|error| GuestError::Sandbox(error.into()))
}

/// What an instance may have of this machine.
struct Limits {
    /// It asked for more.
    exceeded: bool,
    /// How much memory it has.
    bytes: usize,
    /// For how many ticks it has run.
    ticks: u32,
    large: Arc<Slots>,
    /// Held from when it has much memory.
    turn: Option<Slot>,
}

impl Limits {
    /// Another tick has passed. What is spent waiting for the slot of large calls counts as one.
    fn tick(&mut self) -> UpdateDeadline {
        // A usual call ends before: whoever shares its thread must not wait for one that does not.
        give_way();
        self.ticks += 1;
        if self.ticks < self.ticks_most() {
            UpdateDeadline::Continue(1)
        } else {
            UpdateDeadline::Interrupt
        }
    }

    /// Who reads much needs room for it, and may take as much longer.
    fn ticks_most(&self) -> u32 {
        let more = u32::try_from(self.bytes / BYTES_A_TICK).unwrap_or(0);
        DEADLINE_TICKS.saturating_add(more)
    }

    fn allows(&mut self, wanted: usize, most: usize) -> bool {
        self.exceeded |= most < wanted;
        wanted <= most
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        _: usize,
        wanted: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if !self.allows(wanted, MEMORY_BYTES_MOST) {
            return Ok(false);
        }
        if LARGE_BYTES < wanted && self.turn.is_none() {
            self.turn = Some(self.large.take());
        }
        self.bytes = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        wanted: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.allows(wanted, TABLE_ELEMENTS_MOST))
    }

    fn instances(&self) -> usize {
        INSTANCES_MOST as usize
    }

    fn tables(&self) -> usize {
        INSTANCES_MOST as usize
    }

    fn memories(&self) -> usize {
        1
    }
}

/// How many calls may run at once. A call that finds no slot waits; each ends by its deadline.
struct Slots {
    count: Mutex<Count>,
    freed: Condvar,
}

struct Count {
    free: u32,
    /// How many calls wait: to wake somebody is a system call, which is made where there is somebody.
    waiting: u32,
}

impl Slots {
    fn new(free: u32) -> Arc<Self> {
        Arc::new(Self { count: Mutex::new(Count { free, waiting: 0 }), freed: Condvar::new() })
    }

    fn take(self: &Arc<Self>) -> Slot {
        // Nothing panics while the count is held; if it did, the count would still be right.
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if count.free == 0 {
            count.waiting += 1;
            let wait = || self.freed.wait_while(count, |count| count.free == 0);
            count = aside(wait).unwrap_or_else(PoisonError::into_inner);
            count.waiting -= 1;
        }
        count.free -= 1;
        Slot(Arc::clone(self))
    }
}

struct Slot(Arc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        let mut count = self.0.count.lock().unwrap_or_else(PoisonError::into_inner);
        count.free += 1;
        let is_wanted = 0 < count.waiting;
        drop(count);
        if is_wanted {
            self.0.freed.notify_one();
        }
    }
}

/// 100 ms: fine enough for a deadline of seconds, and too seldom to be felt.
const TICK: Duration = Duration::from_millis(100);

/// 2 s: a thousand times what a usual call takes.
const DEADLINE_TICKS: u32 = 20;

/// A tick more for each 4 MiB of memory: five times what a large group takes.
const BYTES_A_TICK: usize = 4 << 20;

/// 1536 MiB: a group of 16 MiB, created, with its counterpart of the target: 8 KB for each of its members.
const MEMORY_BYTES_MOST: usize = 1536 << 20;

/// Calls with more than 64 MiB run one at a time: one such group at once, whoever sends it.
const LARGE_BYTES: usize = 64 << 20;

/// The component has some hundred functions in its table.
const TABLE_ELEMENTS_MOST: usize = 10_000;

/// One core module, and room for one that a later packer may put around it.
const INSTANCES_MOST: u32 = 2;

/// 512 KiB of the calling thread's stack, which has 2 MiB in every runtime that we know.
const STACK_BYTES_MOST: usize = 512 << 10;

/// 64 MiB: what one call may give back, counted before room is made for it.
const OUTPUT_BYTES_MOST: usize = 64 << 20;

/// 64 calls at once: more than cores, as a call never waits for anything.
const SLOTS: u32 = 64;

/// 1 MiB of a slot's memory stays with it: more than a usual call writes.
const RESIDENT_BYTES: usize = 1 << 20;

/// 16 KiB of a slot's tables stay with it: more than the component has.
const RESIDENT_TABLE_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(large: &Arc<Slots>) -> Limits {
        Limits { exceeded: false, bytes: 0, ticks: 0, large: Arc::clone(large), turn: None }
    }

    /// 2 s, and a tick more for each 4 MiB.
    #[test]
    fn a_call_with_more_memory_may_take_longer() {
        for (bytes, most) in [(0, 20), (4 << 20, 21), (64 << 20, 36), (1536 << 20, 404)] {
            let mut limits = limits(&Slots::new(1));
            assert!(limits.memory_growing(0, bytes, None).unwrap());
            let ended = (1..).find(|_| matches!(limits.tick(), UpdateDeadline::Interrupt));
            assert_eq!(ended, Some(most), "{bytes}");
        }
    }

    #[test]
    fn one_call_at_a_time_has_much_memory() {
        let large = Slots::new(1);
        let free = || large.count.lock().unwrap().free;
        let mut usual = limits(&large);
        assert!(usual.memory_growing(0, 64 << 20, None).unwrap());
        assert_eq!(free(), 1);
        let mut much = limits(&large);
        for bytes in [65 << 20, 66 << 20] {
            assert!(much.memory_growing(0, bytes, None).unwrap());
            assert_eq!(free(), 0);
        }
        assert!(!much.memory_growing(0, (1536 << 20) + 1, None).unwrap());
        assert!(much.exceeded);
        drop(much);
        assert_eq!(free(), 1);
    }
}
