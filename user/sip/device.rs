//! user/sip/device.rs: a device of virtio that this program was given, with a
//! queue of requests (docs/drivers.md).

use crate::channel::FOREVER;
use crate::handle::{check, Handle};
use crate::{kernel, process};
use std::io;

/// A device; when it is dropped with its queue, the kernel stops it.
#[derive(Debug)]
pub struct Device(Handle);

/// A queue of a device that works.
#[derive(Debug)]
pub struct Queue {
    queue: Handle,
    device: Device,
}

impl Device {
    /// The one that was given under this name: GIVEN names all, in their order.
    pub fn given(name: &str) -> Option<Device> {
        let names = std::env::var("GIVEN").ok()?;
        let index = names.split(',').position(|given| given == name)?;
        process::given(index as u32).map(Device)
    }

    /// Reset it, agree on those of `features` that it has, and let it work with
    /// queue 0, for `size` requests at most.
    pub fn start(self, features: u64, size: u32) -> io::Result<Queue> {
        let (mut agreed, mut queue, mut room) = (0, 0, 0);
        check("device_features", unsafe {
            kernel::device_features(self.0.number(), features, &mut agreed)
        })?;
        check("queue_create", unsafe {
            kernel::queue_create(self.0.number(), 0, size, &mut queue, &mut room)
        })?;
        let queue = Handle::new(queue);
        check("device_start", unsafe {
            kernel::device_start(self.0.number())
        })?;
        Ok(Queue {
            queue,
            device: self,
        })
    }
}

impl Queue {
    /// Have the device write into `buffer`; wait until it has, and how much.
    pub fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut request = kernel::QueueRequest {
            token: 1,
            segments: 1,
            zero: 0,
        };
        let mut segment = kernel::CallWindow {
            kind: kernel::WINDOW_OWN,
            from: 0,
            offset: buffer.as_mut_ptr() as u32,
            size: buffer.len() as u32,
            access: kernel::WINDOW_WRITE,
        };
        let (mut done, mut count) = (kernel::QueueDone::default(), 0);
        check("queue_submit", unsafe {
            kernel::queue_submit(
                self.queue.number(),
                &mut request,
                1,
                &mut segment,
                1,
                &mut count,
            )
        })?;
        let status =
            unsafe { kernel::queue_reap(self.queue.number(), &mut done, 1, FOREVER, &mut count) };
        if status != 0 {
            // The buffer is the caller's again only when the device has stopped.
            unsafe { kernel::device_reset(self.device.0.number()) };
        }
        check("queue_reap", status)?;
        check("request", done.status as i32)?;
        Ok(done.size as usize)
    }
}
