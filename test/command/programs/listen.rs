// test/command/programs/listen.rs: std::net at the listener that is open as
// descriptor 3: says to each of two who come what they said.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::wasi::io::FromRawFd;

fn main() {
    let listener = unsafe { TcpListener::from_raw_fd(3) };
    for stream in listener.incoming().take(2) {
        let mut stream = stream.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        write!(stream, "Rust has {text}").unwrap();
    }
}
