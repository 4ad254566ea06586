//! user/sip/process.rs: processes: a module runs as a program with what it is
//! given, and nothing else.

use crate::handle::{check, Handle};
use crate::kernel;
use std::io;

const TEXT_SIZE: usize = 256;

/// Words of the kernel about what was wrong, or a status.
fn explain(call: &str, status: i32, text: &[u8]) -> io::Result<()> {
    let end = text.iter().position(|&b| b == 0).unwrap_or(0);
    if status == 0 || end == 0 {
        return check(call, status);
    }
    let words = String::from_utf8_lossy(&text[..end]).into_owned();
    Err(io::Error::new(io::ErrorKind::InvalidData, words))
}

/// A compiled module.
#[derive(Debug)]
pub struct Module(Handle);

impl Module {
    pub fn compile(bytes: &[u8]) -> io::Result<Module> {
        let mut text = [0; TEXT_SIZE];
        let mut module = 0;
        let status = unsafe {
            kernel::module_create(
                bytes.as_ptr(),
                bytes.len() as u32,
                text.as_mut_ptr(),
                text.len() as u32,
                &mut module,
            )
        };
        explain("module_create", status, &text)?;
        Ok(Module(Handle::new(module)))
    }

    /// Run it as `name` with these arguments (the first is its own name),
    /// copies of this program's descriptors, and handles, which move; after an
    /// error they are closed.
    pub fn spawn(
        &self,
        name: &str,
        args: &[&str],
        descriptors: &[u32],
        handles: Vec<Handle>,
    ) -> io::Result<Process> {
        let mut text = [0; TEXT_SIZE];
        let mut process = 0;
        let args: Vec<u8> = args.iter().flat_map(|a| a.bytes().chain([0])).collect();
        let mut moved: Vec<_> = handles
            .iter()
            .map(|h| kernel::MessageHandle { handle: h.number() })
            .collect();
        let mut copied: Vec<_> = descriptors
            .iter()
            .map(|&fd| kernel::SpawnDescriptor {
                descriptor: fd,
                kind: kernel::SPAWN_COPY,
                from: fd,
            })
            .collect();
        let call = kernel::ProcessSpawn {
            module: self.0.number(),
            name: name.as_ptr(),
            name_size: name.len() as u32,
            args: args.as_ptr(),
            args_size: args.len() as u32,
            env: std::ptr::null(),
            env_size: 0,
            handles: moved.as_mut_ptr(),
            handles_count: moved.len() as u32,
            descriptors: copied.as_mut_ptr(),
            descriptors_count: copied.len() as u32,
            text: text.as_mut_ptr(),
            text_size: text.len() as u32,
            process: &mut process,
            group: 0,
        };
        let status = unsafe { kernel::process_spawn(&call) };
        explain("process_spawn", status, &text)?;
        for handle in handles {
            handle.leave();
        }
        Ok(Process(Handle::new(process)))
    }
}

/// A program that was spawned.  It lives on when this is dropped.
#[derive(Debug)]
pub struct Process(Handle);

impl Process {
    /// Its exit status, when it has ended; `TimedOut` after the deadline.
    pub fn wait(&self, deadline_ns: u64) -> io::Result<u32> {
        let mut status = 0;
        check("process_wait", unsafe {
            kernel::process_wait(self.0.number(), deadline_ns, &mut status)
        })?;
        Ok(status)
    }

    /// End it with this exit status.
    pub fn kill(&self, exit_status: u32) -> io::Result<()> {
        check("process_kill", unsafe {
            kernel::process_kill(self.0.number(), exit_status)
        })
    }
}

/// The handle that the parent gave at this place: to be taken once.
pub fn given(index: u32) -> Option<Handle> {
    let mut handle = 0;
    let status = unsafe { kernel::process_given(index, &mut handle) };
    (status == 0).then(|| Handle::new(handle))
}
