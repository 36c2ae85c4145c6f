//! Mutations for programs: `results/mutations.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Fate, Mutations, Release};

/// The format that this version writes.
const FORMAT: u32 = 1;

/// All that came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MutationRecord {
    /// Format of this record.
    pub format: u32,
    /// What the order began with.
    pub seed: u64,
    /// Calls whose absence a spec has noticed.
    pub caught: usize,
    /// Those, and those that should have been.
    pub of: usize,
    /// The calls, survivors first.
    pub calls: Vec<CallRecord>,
    /// Specs that fail as they are.
    pub failing: Vec<String>,
    /// Specs that were not run, or are expected to fail.
    #[serde(default)]
    pub untold: Vec<String>,
    /// What is not known of the libraries.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A call that gives something back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallRecord {
    /// `survived`, `freed anyway`, `not covered`, `not left out`, `not tried` or `caught`.
    pub fate: String,
    /// The library.
    pub library: String,
    /// The function that calls.
    pub function: String,
    /// The source file; none where that is not known.
    pub file: Option<String>,
    /// The line; none where that is not known.
    pub line: Option<u32>,
    /// The function that is called.
    pub callee: String,
    /// The specs that came by it; of one that was caught the one that failed.
    pub specs: Vec<String>,
    /// What that one says.
    pub says: Option<String>,
}

impl MutationRecord {
    /// The record of this.
    pub fn new(mutations: &Mutations, seed: u64) -> Self {
        let (caught, of) = mutations.score();
        let mut calls: Vec<(usize, CallRecord)> =
            mutations.fates.iter().map(|(release, fate)| record(release, fate)).collect();
        calls.sort_by_key(|(order, _)| *order);
        MutationRecord {
            format: FORMAT,
            seed,
            caught,
            of,
            calls: calls.into_iter().map(|(_, call)| call).collect(),
            failing: mutations.failing.clone(),
            untold: mutations.untold.clone(),
            notes: mutations.notes.clone(),
        }
    }
}

/// The record of a call, and how far in front it belongs.
fn record(release: &Release, fate: &Fate) -> (usize, CallRecord) {
    let (order, word, specs, says) = match fate {
        Fate::Survived { specs } => (0, "survived", specs.clone(), None),
        Fate::FreedAnyway { specs } => (1, "freed anyway", specs.clone(), None),
        Fate::NotCovered => (2, "not covered", Vec::new(), None),
        Fate::NotLeftOut => (3, "not left out", Vec::new(), None),
        Fate::NotTried => (4, "not tried", Vec::new(), None),
        Fate::Caught { spec, says } => (5, "caught", vec![spec.clone()], Some(says.clone())),
    };
    let place = &release.place;
    let call = CallRecord {
        fate: word.to_owned(),
        library: release.library.clone(),
        function: place.function.clone(),
        file: (!place.file.is_empty()).then(|| place.file.clone()),
        line: (place.line > 0).then_some(place.line),
        callee: place.callee.clone(),
        specs,
        says,
    };
    (order, call)
}
