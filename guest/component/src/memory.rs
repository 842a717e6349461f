//! The sandbox's memory: an allocator that costs next to nothing, and what happens at a panic.
//!
//! A call lives for microseconds in an instance of its own, so a block that is freed is not looked
//! for again: the arena starts over when no block is alive, and the instance's memory is thrown away
//! after the call. A long-lived embedder that never drops its last block would grow; ours does not.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use core::{
    alloc::{GlobalAlloc, Layout},
    arch::wasm32,
    cell::UnsafeCell,
    ptr,
};

#[global_allocator]
static ARENA: Arena = Arena(UnsafeCell::new(State { next: 0, end: 0, live: 0 }));

/// Memory from `__heap_base` upwards, handed out in order.
struct Arena(UnsafeCell<State>);

struct State {
    /// The first free byte; 0 before the first use.
    next: usize,
    /// One past the last byte that the memory has.
    end: usize,
    /// Blocks that are alive.
    live: usize,
}

// SAFETY: the module has one thread: threads are not enabled for it.
unsafe impl Sync for Arena {}

// SAFETY: blocks lie between `__heap_base` and the end of the memory, are aligned, and do not overlap:
// `next` only grows while a block is alive, except where the last block itself shrinks or ends.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and no reference to the state outlives a call.
        let state = unsafe { &mut *self.0.get() };
        let Some(start) = state.place(layout) else {
            return ptr::null_mut();
        };
        state.live += 1;
        start as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        let state = unsafe { &mut *self.0.get() };
        state.live -= 1;
        if state.live == 0 {
            state.next = heap_base();
            return;
        }
        let start = block as usize;
        if start + layout.size() == state.next {
            state.next = start;
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = block as usize;
        {
            // SAFETY: as above.
            let state = unsafe { &mut *self.0.get() };
            if start + layout.size() == state.next {
                return match start.checked_add(size) {
                    Some(next) if state.reach(next) => {
                        state.next = next;
                        block
                    }
                    Some(_) | None => ptr::null_mut(),
                };
            }
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the caller vouches that `size` is right for this alignment (contract of `realloc`).
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: both blocks are alive and apart, and the old one is the smaller.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size()) };
            // SAFETY: the block is the caller's and is not used again.
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }
}

impl State {
    /// Takes a block from the free end; none where the memory cannot grow enough.
    fn place(&mut self, layout: Layout) -> Option<usize> {
        if self.next == 0 {
            self.next = heap_base();
            self.end = wasm32::memory_size(0).saturating_mul(PAGE_BYTES);
        }
        // An alignment is a power of two.
        let mask = layout.align() - 1;
        let start = self.next.checked_add(mask)? & !mask;
        let next = start.checked_add(layout.size())?;
        if !self.reach(next) {
            return None;
        }
        self.next = next;
        Some(start)
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
