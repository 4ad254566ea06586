//! user/sip/heap.rs: the program's allocator, for several threads: the system's
//! behind a lock.

use crate::mutex::Pfex;
use std::alloc::{GlobalAlloc, Layout, System};

struct Locked;

static HEAP: Pfex = Pfex::new();

fn with_lock<R>(action: impl FnOnce() -> R) -> R {
    HEAP.acquire();
    let result = action();
    HEAP.release();
    result
}

unsafe impl GlobalAlloc for Locked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        with_lock(|| System.alloc(layout))
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        with_lock(|| System.alloc_zeroed(layout))
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        with_lock(|| System.realloc(ptr, layout, size))
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        with_lock(|| System.dealloc(ptr, layout))
    }
}

#[global_allocator]
static ALLOCATOR: Locked = Locked;
