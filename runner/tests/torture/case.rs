//! Cases, and the chance that is in them: all of it comes from a seed, so that a case can be run again.

use std::time::Duration;

/// Which cases are run: by `MCSPEC_TORTURE`, in which each may be left out, as `seed=7 part=killed case=3`.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) seed: u64,
    pub(crate) part: Option<String>,
    case: Option<u32>,
}

impl Choice {
    /// With this seed where none is named.
    pub(crate) fn from_environment(seed: u64) -> Self {
        let mut choice = Choice { seed, part: None, case: None };
        for word in std::env::var("MCSPEC_TORTURE").unwrap_or_default().split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            match name {
                "seed" => choice.seed = value.parse().expect("a number"),
                "part" => choice.part = Some(value.to_owned()),
                "case" => choice.case = Some(value.parse().expect("a number")),
                _ => panic!("MCSPEC_TORTURE takes seed=N, part=NAME and case=N, not \"{word}\""),
            }
        }
        choice
    }

    /// Whether a part is among those that are run.
    pub(crate) fn has(&self, part: &str) -> bool {
        self.part.as_ref().is_none_or(|chosen| chosen == part)
    }

    /// Runs `count` cases of a part, or the one that was chosen.
    pub(crate) fn each(&self, part: &'static str, major: u32, count: u32, mut run: impl FnMut(&mut Case)) {
        let numbers = self.case.map_or(1..count + 1, |case| case..case + 1);
        for number in numbers {
            run(&mut Case::new(self.seed, part, major, number));
        }
    }
}

/// One of the cases of a part, with its own random numbers. Says how to run it again where it fails.
pub(crate) struct Case {
    seed: u64,
    part: &'static str,
    major: u32,
    pub(crate) number: u32,
    state: u64,
}

impl Case {
    fn new(seed: u64, part: &'static str, major: u32, number: u32) -> Self {
        let letters = part.bytes().fold(seed, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let state = letters ^ (u64::from(major) << 40) ^ (u64::from(number) << 8);
        Case { seed, part, major, number, state }
    }

    /// The next number, by splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `limit`, which is not reached.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let length = u64::try_from(from.len()).expect("a length");
        &from[usize::try_from(self.below(length)).expect("below a length")]
    }

    /// A time of at most so many milliseconds, more often a short one.
    pub(crate) fn time(&mut self, most: u64) -> Duration {
        let part = self.below(1000) * self.below(1000);
        Duration::from_micros(most * part / 1000)
    }

    /// Says what is done.
    pub(crate) fn tell(&self, what: &str) {
        println!("{} {} {}: {what}", self.major, self.part, self.number);
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Case { seed, part, major, number, .. } = self;
            eprintln!(
                "to run the case again: make torture PG={major} TORTURE=\"seed={seed} part={part} case={number}\""
            );
        }
    }
}
