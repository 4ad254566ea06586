// user/philosophers-rust/main.rs: five philosophers at a table with five forks.
// Each needs the two forks beside the plate to eat; the last one takes them in
// the other order, so that they cannot all wait for each other.

use sip::{println, thread, Arc, Mutex};

const MEAL_YIELDS: u32 = 100;

struct Table {
    forks: [Mutex<()>; 5],
}

struct Philosopher {
    name: &'static str,
    first: usize,
    second: usize,
}

impl Philosopher {
    const fn new(name: &'static str, first: usize, second: usize) -> Philosopher {
        Philosopher {
            name,
            first,
            second,
        }
    }

    fn eat(&self, table: &Table) {
        let _first = table.forks[self.first].lock();
        let _second = table.forks[self.second].lock();

        println!("{} is eating.", self.name);
        for _ in 0..MEAL_YIELDS {
            thread::yield_now();
        }
        println!("{} is done eating.", self.name);
    }
}

fn main() {
    std::panic::set_hook(Box::new(|info| println!("philosophers: {}", info)));

    const FORK: Mutex<()> = Mutex::new(());
    let table = Arc::new(Table { forks: [FORK; 5] });
    let philosophers = [
        Philosopher::new("Judith Butler", 0, 1),
        Philosopher::new("Gilles Deleuze", 1, 2),
        Philosopher::new("Karl Marx", 2, 3),
        Philosopher::new("Emma Goldman", 3, 4),
        Philosopher::new("Michel Foucault", 0, 4),
    ];

    let threads: Vec<_> = philosophers
        .into_iter()
        .map(|p| {
            let table = table.clone();
            thread::spawn(move || p.eat(&table)).expect("no thread")
        })
        .collect();
    for t in threads {
        t.join().expect("a philosopher never came back");
    }
}
