//! user/sip/shared.rs: a value with several owners in several threads.  The
//! standard library's Arc counts without atomic instructions on this target.

use crate::mutex::Mutex;
use std::ops::Deref;
use std::ptr::NonNull;

struct Shared<T> {
    owners: Mutex<usize>,
    value: T,
}

/// As `std::sync::Arc`, without weak references.
pub struct Arc<T> {
    shared: NonNull<Shared<T>>,
}

unsafe impl<T: Send + Sync> Send for Arc<T> {}
unsafe impl<T: Send + Sync> Sync for Arc<T> {}

impl<T> Arc<T> {
    pub fn new(value: T) -> Arc<T> {
        let shared = Box::new(Shared {
            owners: Mutex::new(1),
            value,
        });
        Arc {
            shared: NonNull::from(Box::leak(shared)),
        }
    }

    fn get(&self) -> &Shared<T> {
        unsafe { self.shared.as_ref() }
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Arc<T> {
        *self.get().owners.lock() += 1;
        Arc {
            shared: self.shared,
        }
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.get().value
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        let left = {
            let mut owners = self.get().owners.lock();
            *owners -= 1;
            *owners
        };
        if left == 0 {
            unsafe { drop(Box::from_raw(self.shared.as_ptr())) };
        }
    }
}
