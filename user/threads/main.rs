// user/threads/main.rs: sixteen threads share the heap, a counter and a map,
// and each starts and joins one more.  The numbers it prints are the same every
// time.

use sip::{println, thread, Arc, Mutex};
use std::collections::HashMap;

const THREADS: u64 = 16;
const TURNS: u64 = 4000;

type Names = Mutex<HashMap<u64, String>>;

/// Allocate blocks, check and drop some of them; how many are left.
fn work(n: u64, total: &Mutex<u64>, names: &Names) -> u64 {
    let mut blocks: Vec<Vec<u8>> = Vec::new();

    for turn in 0..TURNS {
        blocks.push(vec![n as u8; (turn * 37 % 900) as usize]);
        if turn % 3 == 0 {
            let victim = (turn * 7) as usize % blocks.len();
            let block = blocks.swap_remove(victim);
            assert!(block.iter().all(|&byte| byte == n as u8));
        }
        if turn % 50 == 0 {
            names.lock().insert(n * TURNS + turn, format!("{}-{}", n, turn));
        }
        *total.lock() += 1;
    }
    blocks.len() as u64
}

fn main() {
    let total = Arc::new(Mutex::new(0));
    let names: Arc<Names> = Arc::new(Mutex::new(HashMap::new()));

    let threads: Vec<_> = (0..THREADS)
        .map(|n| {
            let (total, names) = (total.clone(), names.clone());
            let body = move || {
                let inner = thread::spawn(|| "inner".to_string()).expect("no thread");
                let left = work(n, &total, &names);
                left + inner.join().expect("no result").len() as u64
            };
            thread::spawn(body).expect("no thread")
        })
        .collect();
    let left: u64 = threads
        .into_iter()
        .map(|t| t.join().expect("no result"))
        .sum();
    println!(
        "{} turns, {} names, {} left",
        *total.lock(),
        names.lock().len(),
        left
    );
}
