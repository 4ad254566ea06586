//! user/sip/mutex.rs: mutual exclusion over the kernel's pfex: a lock word in
//! linear memory.

use crate::kernel;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};

/// The lock word; zero is free.
pub(crate) struct Pfex(UnsafeCell<u32>);

// The kernel decides who has it.
unsafe impl Sync for Pfex {}

impl Pfex {
    pub(crate) const fn new() -> Pfex {
        Pfex(UnsafeCell::new(0))
    }

    pub(crate) fn acquire(&self) {
        let status = unsafe { kernel::pfex_acquire(self.0.get()) };
        if status != 0 {
            std::process::abort();
        }
    }

    pub(crate) fn release(&self) {
        let status = unsafe { kernel::pfex_release(self.0.get()) };
        if status != 0 {
            std::process::abort();
        }
    }
}

/// A value that one thread at a time can reach.
pub struct Mutex<T> {
    pfex: Pfex,
    value: UnsafeCell<T>,
}

unsafe impl<T: Send> Sync for Mutex<T> {}
unsafe impl<T: Send> Send for Mutex<T> {}

impl<T> Mutex<T> {
    pub const fn new(value: T) -> Mutex<T> {
        Mutex {
            pfex: Pfex::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Wait until nobody has the value, then have it until the guard drops.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.pfex.acquire();
        MutexGuard { mutex: self }
    }

    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.pfex.release();
    }
}
