// user/hello-rust/main.rs: greet, show the arguments and the environment, exit
// with the status given as `--exit N`.

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut status = 0;

    println!("Hello from Rust!");
    for (i, arg) in args.iter().enumerate() {
        println!("argument {}: {}", i + 1, arg);
        if arg == "--exit" {
            status = args.get(i + 1).and_then(|n| n.parse().ok()).unwrap_or(0);
        }
    }
    for (key, value) in std::env::vars() {
        println!("environment: {}={}", key, value);
    }
    std::process::exit(status);
}
