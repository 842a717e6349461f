//! Where small blocks of memory come from: a third of a schedule's time was the system's allocator.
//!
//! Each thread keeps the blocks that it frees, by size, and gives them out again: a few instructions, and no lock. What
//! is freed stays the program's, which needs as much again soon. Large blocks are the system's.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    ptr,
};

#[global_allocator]
static POOL: Pool = Pool;

struct Pool;

/// A block that is free knows the next one of its size.
struct Free {
    next: *mut Self,
}

/// What a thread has to give out.
struct Stock {
    /// The first free block of each size.
    free: [Cell<*mut Free>; SIZES],
    /// What was never given out: where it begins, and how many bytes it has.
    rest: Cell<(*mut u8, usize)>,
}

thread_local! {
    // Without a destructor: it is there as long as the thread allocates.
    static STOCK: Stock = const {
        Stock {
            free: [const { Cell::new(ptr::null_mut()) }; SIZES],
            rest: Cell::new((ptr::null_mut(), 0)),
        }
    };
}

// SAFETY: a block of a size is cut from the system's memory once, is of that size and aligned to `UNIT` for ever, and
// is either in one list or somebody's; lists are a thread's own. The rest is the system allocator's.
unsafe impl GlobalAlloc for Pool {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(size) = size(layout.size(), layout) else {
            // SAFETY: the caller's.
            return unsafe { System.alloc(layout) };
        };
        STOCK.with(|stock| stock.take(size))
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match size(layout.size(), layout) {
            // SAFETY: the caller's: the block is of this size, and nobody uses it any more.
            Some(size) => STOCK.with(|stock| unsafe { stock.put(size, block) }),
            // SAFETY: the caller's.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        let (before, after) = (size(layout.size(), layout), size(bytes, layout));
        match (before, after) {
            // SAFETY: the caller's.
            (None, None) => return unsafe { System.realloc(block, layout, bytes) },
            (Some(before), Some(after)) if before == after => return block,
            (Some(_), _) | (None, Some(_)) => {}
        }
        // SAFETY: the caller's: with this alignment `bytes` is a layout. Both blocks have what is copied, and are apart.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(bytes, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(bytes));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

impl Stock {
    fn take(&self, size: usize) -> *mut u8 {
        let Some(free) = self.free.get(size) else { return ptr::null_mut() };
        let block = free.get();
        if block.is_null() {
            return self.cut((size + 1) * UNIT);
        }
        // SAFETY: what is in a list is free, and was given its next by `put`.
        free.set(unsafe { (*block).next });
        block.cast()
    }

    /// # Safety
    ///
    /// The block is of this size, and nobody's.
    unsafe fn put(&self, size: usize, block: *mut u8) {
        let Some(free) = self.free.get(size) else { return };
        let block: *mut Free = block.cast();
        // SAFETY: the caller's; a block has room for an address, and is aligned for one.
        unsafe { block.write(Free { next: free.get() }) };
        free.set(block);
    }

    /// A block that was never given out.
    #[cold]
    fn cut(&self, bytes: usize) -> *mut u8 {
        let (mut start, mut left) = self.rest.get();
        if left < bytes {
            // SAFETY: the layout is not empty.
            start = unsafe { System.alloc(CHUNK) };
            left = CHUNK.size();
            if start.is_null() {
                return start;
            }
        }
        // SAFETY: the chunk has `left` bytes from `start`, which are not less.
        self.rest.set((unsafe { start.add(bytes) }, left - bytes));
        start
    }
}

/// Which size a block of so many bytes has; none where it is the system's.
fn size(bytes: usize, layout: Layout) -> Option<usize> {
    let size = bytes.saturating_sub(1) / UNIT;
    (size < SIZES && layout.align() <= UNIT).then_some(size)
}

/// Sizes are multiples of this, and blocks aligned to it.
const UNIT: usize = 16;

/// Up to 1 KiB: what is larger is seldom.
const SIZES: usize = 64;

/// What is cut into blocks.
const CHUNK: Layout = match Layout::from_size_align(1 << 20, UNIT) {
    Ok(layout) => layout,
    Err(_) => Layout::new::<u128>(),
};
