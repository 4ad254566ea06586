//! user/sip/channel.rs: channels: two ends, each with a queue of messages that
//! the other end wrote.

use crate::handle::{check, Handle};
use crate::kernel;
use std::io;

/// One end.
#[derive(Debug)]
pub struct Channel(Handle);

/// What came: bytes, and handles, which are this program's now.
#[derive(Debug)]
pub struct Message {
    pub bytes: Vec<u8>,
    pub handles: Vec<Handle>,
}

/// Wait for ever.
pub const FOREVER: u64 = u64::MAX;

/// A new channel.
pub fn channel() -> io::Result<(Channel, Channel)> {
    let (mut first, mut second) = (0, 0);
    check("channel_create", unsafe {
        kernel::channel_create(&mut first, &mut second)
    })?;
    Ok((Channel(Handle::new(first)), Channel(Handle::new(second))))
}

/// The numbers of handles that are to move.
fn numbers(handles: &[Handle]) -> Vec<kernel::MessageHandle> {
    handles
        .iter()
        .map(|h| kernel::MessageHandle { handle: h.number() })
        .collect()
}

/// Room for any message.
struct Room {
    bytes: Vec<u8>,
    handles: Vec<kernel::MessageHandle>,
    size: u32,
    count: u32,
}

impl Room {
    fn new() -> Room {
        Room {
            bytes: vec![0; kernel::LIMIT_MESSAGE_SIZE],
            handles: vec![Default::default(); kernel::LIMIT_MESSAGE_HANDLES],
            size: 0,
            count: 0,
        }
    }

    fn message(mut self) -> Message {
        self.bytes.truncate(self.size as usize);
        self.handles.truncate(self.count as usize);
        Message {
            bytes: self.bytes,
            handles: self.handles.iter().map(|h| Handle::new(h.handle)).collect(),
        }
    }
}

impl Channel {
    /// Send a message; waits for no reader: a full queue is an error.  After
    /// an error the handles come back.
    pub fn write(
        &self,
        bytes: &[u8],
        handles: Vec<Handle>,
    ) -> Result<(), (io::Error, Vec<Handle>)> {
        let mut moved = numbers(&handles);
        let status = unsafe {
            kernel::channel_write(
                self.0.number(),
                bytes.as_ptr(),
                bytes.len() as u32,
                moved.as_mut_ptr(),
                moved.len() as u32,
            )
        };
        match check("channel_write", status) {
            Ok(()) => {
                handles.into_iter().for_each(|h| {
                    h.leave();
                });
                Ok(())
            }
            Err(error) => Err((error, handles)),
        }
    }

    /// The next message; waits for it until the deadline (monotonic, in
    /// nanoseconds; 0: not at all).
    pub fn read(&self, deadline_ns: u64) -> io::Result<Message> {
        let mut room = Room::new();
        let call = kernel::ChannelRead {
            channel: self.0.number(),
            deadline_ns,
            bytes: room.bytes.as_mut_ptr(),
            bytes_size: room.bytes.len() as u32,
            handles: room.handles.as_mut_ptr(),
            handles_count: room.handles.len() as u32,
            size: &mut room.size,
            count: &mut room.count,
        };
        check("channel_read", unsafe { kernel::channel_read(&call) })?;
        Ok(room.message())
    }

    /// Send a request, whose first four bytes the kernel writes, and wait for
    /// the message that begins with the same.
    pub fn call(&self, request: &[u8], deadline_ns: u64) -> io::Result<Message> {
        let mut room = Room::new();
        let call = kernel::ChannelCall {
            channel: self.0.number(),
            deadline_ns,
            request: request.as_ptr(),
            request_size: request.len() as u32,
            request_handles: std::ptr::null_mut(),
            request_handles_count: 0,
            reply: room.bytes.as_mut_ptr(),
            reply_size: room.bytes.len() as u32,
            reply_handles: room.handles.as_mut_ptr(),
            reply_handles_count: room.handles.len() as u32,
            size: &mut room.size,
            count: &mut room.count,
        };
        check("channel_call", unsafe { kernel::channel_call(&call) })?;
        Ok(room.message())
    }
}

impl From<Channel> for Handle {
    fn from(channel: Channel) -> Handle {
        channel.0
    }
}

/// A handle that was received and is one of a channel.
impl From<Handle> for Channel {
    fn from(handle: Handle) -> Channel {
        Channel(handle)
    }
}
