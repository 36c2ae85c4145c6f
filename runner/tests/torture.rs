//! A server and the runner under what must not harm them. `docs/torture.md` says how to run it, and one case of it again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "torture/case.rs"]
mod case;
mod cluster;
#[path = "torture/dropped.rs"]
mod dropped;
#[path = "torture/ended.rs"]
mod ended;
#[path = "torture/extension.rs"]
mod extension;
#[path = "torture/full_disk.rs"]
mod full_disk;
#[path = "torture/interrupted.rs"]
mod interrupted;
#[path = "torture/killed.rs"]
mod killed;
#[path = "torture/memory.rs"]
mod memory;
mod project;
#[path = "torture/ring.rs"]
mod ring;
#[path = "torture/sound.rs"]
mod sound;
#[path = "torture/standby.rs"]
mod standby;
#[path = "torture/traces.rs"]
mod traces;
#[path = "torture/workers.rs"]
mod workers;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use case::Choice;
use cluster::{Cluster, clusters};

/// Runs so many cases of a part.
type Part = fn(&Cluster, &Choice, &'static str, u32);

/// Each part, and how many cases of it there are in the short form and in the long one.
const PARTS: [(&str, Part, u32, u32); 10] = [
    ("interrupted", interrupted::part, 0, 16),
    ("full_disk", full_disk::part, 0, 12),
    ("killed", killed::part, 1, 20),
    ("ended", ended::part, 3, 60),
    ("workers", workers::part, 2, 20),
    ("ring", ring::part, 1, 10),
    ("standby", standby::part, 1, 3),
    ("dropped", dropped::part, 1, 20),
    ("extension", extension::part, 0, 4),
    ("memory", memory::part, 0, 40),
];

#[test]
fn short_form() {
    // The same every time, unless told otherwise.
    run(Choice::from_environment(1), |short, _| short);
}

#[test]
#[ignore = "takes ten minutes: make torture"]
fn long_form() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_secs();
    run(Choice::from_environment(now), |_, long| long);
}

fn run(choice: Choice, count: fn(u32, u32) -> u32) {
    println!("seed {}", choice.seed);
    for cluster in clusters(&["mem_corpus"]) {
        for (name, part, short, long) in PARTS.into_iter().filter(|(name, ..)| choice.has(name)) {
            let started = Instant::now();
            let count = count(short, long);
            if count == 0 {
                continue;
            }
            part(&cluster, &choice, name, count);
            let (major, seconds) = (cluster.installation.version.major(), started.elapsed().as_secs());
            println!("PostgreSQL {major}: {name}: {count} cases in {seconds} s");
        }
    }
}
