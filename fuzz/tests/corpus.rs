//! Every input that is kept, through the function that it is for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcspec_fuzz::TARGETS;
use nix::time::{ClockId, clock_gettime};

/// Files of a folder of this crate, in order.
fn files(folder: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

fn names(folder: &str) -> BTreeSet<String> {
    let name = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files(folder).iter().map(name).collect()
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock").into()
}

#[test]
fn every_target_has_its_program_and_its_inputs() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for folder in ["fuzz_targets", "corpus"] {
        assert_eq!(names(folder), targets, "{folder}");
    }
    for folder in ["dictionaries", "findings"] {
        assert!(names(folder).is_subset(&targets), "{folder}");
    }
}

#[test]
fn inputs_that_are_kept_are_read() {
    for (name, target) in TARGETS {
        let corpus = files(&format!("corpus/{name}"));
        assert!(!corpus.is_empty(), "{name}");
        let findings = format!("findings/{name}");
        let found = if names("findings").contains(*name) { files(&findings) } else { Vec::new() };
        for file in corpus.into_iter().chain(found) {
            // Shown where it is the one that panics.
            println!("{}", file.display());
            let started = processor_time();
            target(&fs::read(&file).expect("read"));
            let took = processor_time() - started;
            // A hundred times what the slowest of them takes.
            assert!(took < Duration::from_secs(20), "{} took {took:?}", file.display());
        }
    }
}
