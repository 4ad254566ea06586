//! user/sip/handle.rs: handles: numbers that name objects of the kernel, with rights.

use crate::kernel;
use std::io;

pub(crate) fn check(call: &str, status: i32) -> io::Result<()> {
    let kind = match status {
        0 => return Ok(()),
        kernel::ERR_TIMED_OUT => io::ErrorKind::TimedOut,
        kernel::ERR_SHOULD_WAIT => io::ErrorKind::WouldBlock,
        kernel::ERR_PEER_CLOSED | kernel::ERR_PEER_TRAPPED => io::ErrorKind::BrokenPipe,
        kernel::ERR_NO_MEMORY => io::ErrorKind::OutOfMemory,
        kernel::ERR_NOT_FOUND => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    Err(io::Error::new(kind, format!("{}: status {}", call, status)))
}

/// A handle of this program, closed when it is dropped.
#[derive(Debug)]
pub struct Handle(u32);

impl Handle {
    pub(crate) fn new(number: u32) -> Handle {
        Handle(number)
    }

    pub(crate) fn number(&self) -> u32 {
        self.0
    }

    /// The number, which is the caller's to close.
    pub(crate) fn leave(self) -> u32 {
        let number = self.0;
        std::mem::forget(self);
        number
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        unsafe { kernel::handle_close(self.0) };
    }
}
