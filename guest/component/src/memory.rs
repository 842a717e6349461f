//! The sandbox's memory: an allocator that costs next to nothing, and what happens at a panic.
//!
//! A call lives for microseconds and keeps nothing, so nothing is freed in it: freeing does nothing, and the
//! compiler leaves out all code that would only free, 17 KB of it. The arena starts over when the host makes room
//! for the next call's arguments: by then it has read the answer of the call before.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use core::{
    alloc::{GlobalAlloc, Layout},
    arch::wasm32,
    cell::UnsafeCell,
    ptr,
};

#[global_allocator]
static ARENA: Arena = Arena(UnsafeCell::new(State { next: 0, end: 0, has_run: false }));

/// Memory from `__heap_base` upwards, handed out in order.
struct Arena(UnsafeCell<State>);

struct State {
    /// The first free byte; 0 before the first use.
    next: usize,
    /// One past the last byte that the memory has.
    end: usize,
    /// Whether the component itself has asked for memory since the host last did: a call has begun.
    has_run: bool,
}

// SAFETY: the module has one thread: threads are not enabled for it.
unsafe impl Sync for Arena {}

// SAFETY: blocks lie between `__heap_base` and the end of the memory, are aligned, and do not overlap: `next` only
// grows from the first argument of a call to its end, except where the last block itself shrinks.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and no reference to the state outlives a call.
        let state = unsafe { &mut *self.0.get() };
        state.has_run = true;
        state.place(layout)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; of the block, the caller's.
        unsafe { (*self.0.get()).resize(block, layout, size) }
    }
}

/// Room for a call's arguments, by the canonical ABI: asked for by the host before a call, and never in one.
///
/// # Safety
///
/// `old` is a block of `old_size` bytes that this function gave for the same call, or `old_size` is 0.
#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_size: usize,
    align: usize,
    size: usize,
) -> *mut u8 {
    let (Ok(old_layout), Ok(layout)) =
        (Layout::from_size_align(old_size, align), Layout::from_size_align(size, align))
    else {
        wasm32::unreachable()
    };
    // SAFETY: one thread, and no reference to the state outlives a call.
    let state = unsafe { &mut *ARENA.0.get() };
    if state.has_run {
        state.has_run = false;
        state.next = heap_base();
    }
    // SAFETY: the caller's.
    let block = match old_size {
        0 => state.place(layout),
        _ => unsafe { state.resize(old, old_layout, size) },
    };
    if block.is_null() {
        wasm32::unreachable()
    }
    block
}

impl State {
    /// Takes a block from the free end; null where the memory cannot grow enough.
    fn place(&mut self, layout: Layout) -> *mut u8 {
        if self.next == 0 {
            self.next = heap_base();
            self.end = wasm32::memory_size(0).saturating_mul(PAGE_BYTES);
        }
        // An alignment is a power of two.
        let mask = layout.align() - 1;
        let start = self.next.saturating_add(mask) & !mask;
        match start.checked_add(layout.size()) {
            Some(next) if self.reach(next) => {
                self.next = next;
                start as *mut u8
            }
            Some(_) | None => ptr::null_mut(),
        }
    }

    /// Gives a block another size: in its place where it is the last one or shrinks, else in another.
    ///
    /// # Safety
    ///
    /// `block` has this layout and is the caller's, and `size` is right for its alignment.
    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = block as usize;
        if start + layout.size() == self.next {
            return match start.checked_add(size) {
                Some(next) if self.reach(next) => {
                    self.next = next;
                    block
                }
                Some(_) | None => ptr::null_mut(),
            };
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the caller's.
        let moved = self.place(unsafe { Layout::from_size_align_unchecked(size, layout.align()) });
        if !moved.is_null() {
            // SAFETY: both blocks are alive and apart, and the old one is the smaller.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size()) };
        }
        moved
    }

    /// Grows the memory until it reaches `next`, in big steps where it can.
    fn reach(&mut self, next: usize) -> bool {
        if next <= self.end {
            return true;
        }
        let pages = (next - self.end).div_ceil(PAGE_BYTES);
        for step in [pages.max(GROWTH_PAGES), pages] {
            if wasm32::memory_grow(0, step) != usize::MAX {
                self.end = self.end.saturating_add(step * PAGE_BYTES);
                return true;
            }
        }
        false
    }
}

/// Where the linker's data ends.
fn heap_base() -> usize {
    unsafe extern "C" {
        static __heap_base: u8;
    }
    (&raw const __heap_base) as usize
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    wasm32::unreachable()
}

/// What WebAssembly calls a page.
const PAGE_BYTES: usize = 65_536;

/// 4 MiB: growing is a system call for the host, so it is done seldom.
const GROWTH_PAGES: usize = 64;
