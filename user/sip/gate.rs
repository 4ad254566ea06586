//! user/sip/gate.rs: gates: threads of one program serve calls of others.

use crate::handle::{check, Handle};
use crate::kernel;
use std::io;

/// Where calls are served.
#[derive(Debug)]
pub struct Gate(Handle);

/// What calls a gate, with a badge that the server chose.
#[derive(Debug)]
pub struct Door(Handle);

/// What a server gets.
#[derive(Debug)]
pub enum Event<'a> {
    /// A call by the door with this badge.
    Call { badge: u64, request: &'a [u8] },
    /// That door was closed; nobody waits for a reply.
    Closed { badge: u64 },
}

impl Gate {
    /// A gate for requests of so many bytes at most.
    pub fn new(request_size: u32) -> io::Result<Gate> {
        let mut gate = 0;
        check("gate_create", unsafe {
            kernel::gate_create(request_size, &mut gate)
        })?;
        Ok(Gate(Handle::new(gate)))
    }

    /// Another door.
    pub fn door(&self, badge: u64) -> io::Result<Door> {
        let mut door = 0;
        check("gate_badge", unsafe {
            kernel::gate_badge(self.0.number(), badge, &mut door)
        })?;
        Ok(Door(Handle::new(door)))
    }

    /// Serve in this thread, until `act` returns false.  What it leaves in the
    /// vector, which is empty before, is the reply to a call.
    pub fn serve(&self, mut act: impl FnMut(Event, &mut Vec<u8>) -> bool) -> io::Result<()> {
        let mut room = vec![0; kernel::LIMIT_GATE_SIZE];
        let mut reply = Vec::new();
        let (mut badge, mut kind, mut size) = (0, 0, 0);
        loop {
            let call = kernel::GateServe {
                gate: self.0.number(),
                deadline_ns: u64::MAX,
                reply: reply.as_ptr(),
                reply_size: reply.len() as u32,
                request: room.as_mut_ptr(),
                request_size: room.len() as u32,
                badge: &mut badge,
                kind: &mut kind,
                size: &mut size,
            };
            check("gate_serve", unsafe { kernel::gate_serve(&call) })?;
            reply.clear();
            let is_call = kind == kernel::GATE_CALL;
            let event = if is_call {
                let request = &room[..size as usize];
                Event::Call { badge, request }
            } else {
                Event::Closed { badge }
            };
            let more = act(event, &mut reply);
            if !more && is_call {
                check("gate_reply", unsafe {
                    kernel::gate_reply(reply.as_ptr(), reply.len() as u32)
                })?;
            }
            if !more {
                return Ok(());
            }
            if !is_call {
                reply.clear();
            }
        }
    }
}

/// Memory that a call lends to the server until it has ended.
pub enum Window<'a> {
    Read(&'a [u8]),
    Write(&'a mut [u8]),
    /// Of a window that this program was lent by the call that it serves, so
    /// many bytes from an offset on, to be read or written as that may.
    Part { of: u32, offset: u32, size: u32, write: bool },
}

impl Window<'_> {
    fn offer(&mut self) -> kernel::CallWindow {
        let (kind, from, offset, size, access) = match self {
            Window::Read(b) => (
                kernel::WINDOW_OWN,
                0,
                b.as_ptr() as u32,
                b.len() as u32,
                kernel::WINDOW_READ,
            ),
            Window::Write(b) => (
                kernel::WINDOW_OWN,
                0,
                b.as_mut_ptr() as u32,
                b.len() as u32,
                kernel::WINDOW_WRITE,
            ),
            Window::Part { of, offset, size, write } => (
                kernel::WINDOW_PASSED,
                *of,
                *offset,
                *size,
                if *write { kernel::WINDOW_WRITE } else { kernel::WINDOW_READ },
            ),
        };
        kernel::CallWindow { kind, from, offset, size, access }
    }
}

/// Read of a window of the call that this thread serves.
pub fn window_read(window: u32, offset: u32, to: &mut [u8]) -> io::Result<()> {
    check("window_read", unsafe {
        kernel::window_read(window, offset, to.as_mut_ptr(), to.len() as u32)
    })
}

/// Write to one.
pub fn window_write(window: u32, offset: u32, from: &[u8]) -> io::Result<()> {
    check("window_write", unsafe {
        kernel::window_write(window, offset, from.as_ptr(), from.len() as u32)
    })
}

impl Door {
    /// Call; waits for the reply until the deadline (monotonic, in
    /// nanoseconds).  `BrokenPipe`: the server has ended.
    pub fn call(&self, request: &[u8], deadline_ns: u64) -> io::Result<Vec<u8>> {
        self.call_with(request, &mut [], deadline_ns)
    }

    /// The same, with memory that the server may touch meanwhile.
    pub fn call_with(
        &self,
        request: &[u8],
        windows: &mut [Window],
        deadline_ns: u64,
    ) -> io::Result<Vec<u8>> {
        let mut offers: Vec<_> = windows.iter_mut().map(|w| w.offer()).collect();
        let mut reply = vec![0; kernel::LIMIT_GATE_SIZE];
        let mut size = 0;
        let call = kernel::GateCall {
            door: self.0.number(),
            deadline_ns,
            request: request.as_ptr(),
            request_size: request.len() as u32,
            reply: reply.as_mut_ptr(),
            reply_size: reply.len() as u32,
            windows: offers.as_mut_ptr(),
            windows_count: offers.len() as u32,
            size: &mut size,
        };
        check("gate_call", unsafe { kernel::gate_call(&call) })?;
        reply.truncate(size as usize);
        Ok(reply)
    }
}

impl From<Door> for Handle {
    fn from(door: Door) -> Handle {
        door.0
    }
}

/// A handle that was received and is one of a door.
impl From<Handle> for Door {
    fn from(handle: Handle) -> Door {
        Door(handle)
    }
}
