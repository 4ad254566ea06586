//! user/sip/lib.rs: Nebulet's threads, locks, channels, gates and processes
//! for Rust programs.
//!
//! The standard library is built for one thread on this target: its `Mutex`,
//! `Arc`, `thread` and `println!` do not know of others.  Use the ones of this
//! crate.  Memory allocation is safe: this crate brings a locked allocator.

pub mod channel;
pub mod device;
pub mod gate;
pub mod handle;
mod heap;
mod mutex;
pub mod process;
mod shared;
pub mod thread;

pub use mutex::{Mutex, MutexGuard};
pub use shared::Arc;

use std::io::Write;

/// The kernel's calls, made from abi/syscalls.def.
#[allow(dead_code)]
mod kernel {
    include!(env!("KERNEL_RUST"));
}

static OUTPUT: Mutex<()> = Mutex::new(());

#[doc(hidden)]
pub fn print_line(args: std::fmt::Arguments) {
    let line = format!("{}\n", args);
    let _one = OUTPUT.lock();
    let mut out = std::io::stdout();
    out.write_all(line.as_bytes())
        .and_then(|_| out.flush())
        .expect("standard output failed");
}

/// As `std::println!`, from any thread, one whole line at a time.
#[macro_export]
macro_rules! println {
    () => { $crate::print_line(format_args!("")) };
    ($($arg:tt)*) => { $crate::print_line(format_args!($($arg)*)) };
}
