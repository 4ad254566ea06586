// user/gates/main.rs: a program that calls another through gates: the server is
// the module /counter.wasm (user/counter), and this one serves a gate, too.

use sip::channel::{channel, FOREVER};
use sip::gate::{Door, Event, Gate, Window};
use sip::process::{Module, Process};
use sip::{println, thread, Arc};

const ADD: u32 = 0;
const TRAP: u32 = 1;
const ADD_WINDOW: u32 = 2;

fn request(what: u32, value: u32) -> Vec<u8> {
    [what.to_le_bytes(), value.to_le_bytes()].concat()
}

fn sum_of(reply: Vec<u8>) -> u64 {
    u64::from_le_bytes(reply.try_into().unwrap())
}

/// A server, and its two doors.
fn start(module: &Module) -> (Process, Vec<Door>) {
    let (ours, theirs) = channel().unwrap();
    let child = module
        .spawn("counter", &["counter"], &[1, 2], vec![theirs.into()])
        .unwrap();
    let message = ours.read(FOREVER).unwrap();
    (child, message.handles.into_iter().map(Door::from).collect())
}

/// Four threads, each by its own door, two at a time by the same.
fn add_from_threads(doors: &Arc<Vec<Door>>) {
    let threads: Vec<_> = (0..4)
        .map(|n: usize| {
            let doors = doors.clone();
            thread::spawn(move || {
                for i in 1..=500 {
                    doors[n % 2].call(&request(ADD, i), FOREVER).unwrap();
                }
            })
            .unwrap()
        })
        .collect();
    for t in threads {
        t.join().unwrap();
    }
}

/// The server reads numbers here and writes their sum there.
fn add_by_windows(door: &Door) {
    let numbers: Vec<u8> = (1..=1000u32).flat_map(|n| n.to_le_bytes()).collect();
    let mut sum = [0; 8];
    let mut windows = [Window::Read(&numbers), Window::Write(&mut sum)];
    door.call_with(&request(ADD_WINDOW, 1000), &mut windows, FOREVER)
        .unwrap();
    println!("by windows: {}", u64::from_le_bytes(sum));
}

fn serve_oneself() {
    let gate = Gate::new(16).unwrap();
    let door = gate.door(5).unwrap();
    let server = thread::spawn(move || {
        gate.serve(|event, reply| match event {
            Event::Call { badge, request } => {
                reply.extend(request.iter().rev());
                reply.push(badge as u8);
                true
            }
            Event::Closed { badge } => {
                println!("own door {} is closed", badge);
                false
            }
        })
    })
    .unwrap();
    println!("own gate: {:?}", door.call(&[1, 2, 3], FOREVER).unwrap());
    println!("too large: {}", door.call(&[0; 17], FOREVER).unwrap_err());
    drop(door);
    server.join().unwrap().unwrap();
}

fn main() {
    let bytes = std::fs::read("/counter.wasm").unwrap();
    let module = Module::compile(&bytes).unwrap();
    let (child, doors) = start(&module);
    let doors = Arc::new(doors);
    add_from_threads(&doors);
    for door in doors.iter() {
        println!("sum {}", sum_of(door.call(&request(ADD, 0), FOREVER).unwrap()));
    }
    add_by_windows(&doors[1]);
    let late = doors[0].call(&request(ADD, 1), 1);
    println!("too late: {:?}", late.unwrap_err().kind());
    drop(doors);
    println!("counter: {}", child.wait(FOREVER).unwrap());

    let (child, doors) = start(&module);
    let error = doors[0].call(&request(TRAP, 0), FOREVER).unwrap_err();
    println!("trap: {:?}", error.kind());
    let error = doors[1].call(&request(ADD, 1), FOREVER).unwrap_err();
    println!("later: {:?}", error.kind());
    println!("counter: {}", child.wait(FOREVER).unwrap());
    serve_oneself();
}
