//! Counts what the running test holds on the heap.
//!
//! Limits on memory are promises here, and only the allocator can tell whether they are kept. This is
//! the one place with unsafe code: a global allocator cannot be written without it. It hands every
//! call on to the system's and counts per thread, so that tests do not see each other.

#![expect(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
    static HIGHEST_BYTES: Cell<isize> = const { Cell::new(0) };
}

/// The most that `work` had on the heap at one time, in bytes, above what was there before it.
pub(crate) fn highest_during<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE_BYTES.get();
    HIGHEST_BYTES.set(before);
    let result = work();
    (result, HIGHEST_BYTES.get().saturating_sub(before).max(0) as usize)
}

/// What is on the heap after `work` above what was there before it, in bytes.
pub(crate) fn kept_after<T>(work: impl FnOnce() -> T) -> (T, isize) {
    let before = LIVE_BYTES.get();
    let result = work();
    (result, LIVE_BYTES.get() - before)
}

fn count(bytes: isize) {
    let live = LIVE_BYTES.get() + bytes;
    LIVE_BYTES.set(live);
    HIGHEST_BYTES.set(HIGHEST_BYTES.get().max(live));
}

// SAFETY: every call goes to the system's allocator with the caller's own arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[test]
fn the_heap_is_counted() {
    let ((), highest) = highest_during(|| drop(vec![0u8; 5000]));
    assert!((5000..6000).contains(&highest), "{highest} bytes were counted for 5000");
    let (bytes, kept) = kept_after(|| vec![0u8; 5000]);
    assert_eq!(kept, bytes.len() as isize);
}
