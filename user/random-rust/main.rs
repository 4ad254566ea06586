// user/random-rust/main.rs: user/random in Rust: a driver of virtio-rng, which
// prints what the device gives, BYTES of it, or until nobody reads any more.
//
//     random-rust [BYTES]

use sip::device::Device;
use std::io::{self, Write};

fn drive(mut left: u64) -> io::Result<()> {
    let device = Device::given("random")
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no such device"))?;
    let mut queue = device.start(0, 1)?;
    let mut buffer = [0; 4096];

    while left > 0 {
        let size = left.min(buffer.len() as u64) as usize;
        let count = queue.fill(&mut buffer[..size])?;
        if io::stdout().write_all(&buffer[..count]).is_err() {
            break; // nobody reads
        }
        left -= count as u64;
    }
    io::stdout().flush()
}

fn main() {
    let bytes = std::env::args().nth(1).and_then(|n| n.parse().ok());

    if let Err(error) = drive(bytes.unwrap_or(u64::MAX)) {
        eprintln!("random-rust: {}", error);
        std::process::exit(1);
    }
}
