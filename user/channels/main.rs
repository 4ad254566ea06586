// user/channels/main.rs: a program that runs itself as a server (its module is
// the file /channels.wasm), gives it one end of a channel and calls it, from
// several threads; then sends it the end of another channel.

use sip::channel::{channel, Channel, FOREVER};
use sip::process::{given, Module};
use sip::{println, thread, Arc, Mutex};

/// Answer each request with the double of its number, until nobody asks any
/// more; answer what comes without a number through the channel that it brings.
fn serve(requests: Channel) {
    while let Ok(mut message) = requests.read(FOREVER) {
        if let Some(handle) = message.handles.pop() {
            let reply = Channel::from(handle);
            reply.write(b"by another way", Vec::new()).unwrap();
            continue;
        }
        let number = u32::from_le_bytes(message.bytes[4..8].try_into().unwrap());
        message.bytes[4..8].copy_from_slice(&(2 * number).to_le_bytes());
        requests.write(&message.bytes, Vec::new()).unwrap();
    }
}

fn ask(server: &Channel, number: u32) -> u32 {
    let mut request = vec![0; 4];
    request.extend(number.to_le_bytes());
    let reply = server.call(&request, FOREVER).unwrap();
    u32::from_le_bytes(reply.bytes[4..8].try_into().unwrap())
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        serve(given(0).unwrap().into());
        std::process::exit(3);
    }
    let bytes = std::fs::read("/channels.wasm").unwrap();
    let module = Module::compile(&bytes).unwrap();
    let (ours, theirs) = channel().unwrap();
    let args = ["channels", "serve"];
    let child = module
        .spawn("server", &args, &[1, 2], vec![theirs.into()])
        .unwrap();

    let server = Arc::new(ours);
    let total = Arc::new(Mutex::new(0));
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let (server, total) = (server.clone(), total.clone());
            thread::spawn(move || {
                for i in 0..100 {
                    let answer = ask(&server, n * 100 + i);
                    assert_eq!(answer, 2 * (n * 100 + i));
                    *total.lock() += answer;
                }
            })
            .unwrap()
        })
        .collect();
    for t in threads {
        t.join().unwrap();
    }
    println!("sum of answers: {}", *total.lock());

    let (reply, way_back) = channel().unwrap();
    server.write(b"", vec![way_back.into()]).unwrap();
    let message = reply.read(FOREVER).unwrap();
    println!("{}", String::from_utf8(message.bytes).unwrap());

    assert!(child.wait(0).is_err());
    drop(server); // the last
    println!("server: {}", child.wait(FOREVER).unwrap());
    let error = Module::compile(b"no module").unwrap_err();
    println!("{}", error);
}
