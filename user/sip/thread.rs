//! user/sip/thread.rs: threads of the kernel that share this program's memory.

use crate::kernel;
use std::alloc::{alloc, dealloc, Layout};
use std::io;

const STACK_SIZE: usize = 256 * 1024;

fn stack_layout() -> Layout {
    Layout::from_size_align(STACK_SIZE, 16).unwrap()
}

/// What a thread and its JoinHandle share: the function before it runs, the
/// result afterwards.
struct Packet<F, T> {
    function: Option<F>,
    result: Option<T>,
}

extern "C" fn start<F: FnOnce() -> T, T>(arg: usize) {
    let packet = unsafe { &mut *(arg as *mut Packet<F, T>) };

    if let Some(function) = packet.function.take() {
        packet.result = Some(function());
    }
}

/// A running thread.  Dropping it lets the thread run on; its stack is then
/// never given back.
pub struct JoinHandle<T> {
    handle: u32,
    stack: *mut u8,
    packet: usize,
    finish: fn(usize) -> Option<T>,
}

unsafe impl<T: Send> Send for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// Wait until the thread has ended; what its function returned.
    pub fn join(self) -> io::Result<T> {
        let status = unsafe { kernel::thread_join(self.handle) };
        if status != 0 {
            return Err(error("thread_join", status));
        }
        unsafe {
            kernel::handle_close(self.handle);
            dealloc(self.stack, stack_layout());
        }
        (self.finish)(self.packet).ok_or_else(|| error("thread_join", 0))
    }
}

fn error(call: &str, status: i32) -> io::Error {
    io::Error::new(io::ErrorKind::Other, format!("{}: status {}", call, status))
}

/// Run a function in a new thread.
pub fn spawn<F, T>(function: F) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    spawn_named("", function)
}

/// The same with a name of at most 32 bytes, which reports of traps show.
pub fn spawn_named<F, T>(name: &str, function: F) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let stack = unsafe { alloc(stack_layout()) };
    if stack.is_null() {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    let packet = Box::into_raw(Box::new(Packet::<F, T> {
        function: Some(function),
        result: None,
    })) as usize;
    let mut handle = 0;
    let status = unsafe {
        kernel::thread_create(&kernel::ThreadCreate {
            function: start::<F, T> as usize as u32,
            argument: packet as u32,
            stack_top: stack as u32 + STACK_SIZE as u32,
            flags: 0,
            name: name.as_ptr(),
            name_size: name.len() as u32,
            thread: &mut handle,
        })
    };
    let finish = |packet: usize| unsafe { Box::from_raw(packet as *mut Packet<F, T>) }.result;
    if status != 0 {
        finish(packet);
        unsafe { dealloc(stack, stack_layout()) };
        return Err(error("thread_create", status));
    }
    Ok(JoinHandle {
        handle,
        stack,
        packet,
        finish,
    })
}

/// Let other threads run.
pub fn yield_now() {
    unsafe { kernel::thread_yield() };
}
