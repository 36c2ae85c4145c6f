//! What is reported of all hunts of a command.

use serde::{Deserialize, Serialize};

use super::super::NotRun;
use super::super::json::ErrorRecord;
use crate::hunt::record::HuntRecord;

/// The version of the structure of the JSON report. A change that an existing reader would not survive raises it.
pub const FORMAT: u32 = 1;

/// All hunts of a command.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HuntReport {
    /// [`FORMAT`]
    pub format: u32,
    /// The version of mcspec that wrote it.
    pub mcspec: String,
    /// The hunts, in the order in which they were gone on.
    pub hunts: Vec<HuntRecord>,
    /// Why there was none, or not as many as there were to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
}

impl HuntReport {
    /// Hunts, and what kept others from being gone on.
    pub fn of(hunts: Vec<HuntRecord>, error: Option<&NotRun>) -> Self {
        let mcspec = env!("CARGO_PKG_VERSION").to_owned();
        HuntReport { format: FORMAT, mcspec, hunts, error: error.map(ErrorRecord::from) }
    }

    /// `3 new bugs and 1 known in 2 extensions`
    pub(in crate::report) fn headline(&self) -> String {
        let count = |number: usize, what: &str| match number {
            1 => format!("1 {what}"),
            number => format!("{number} {what}s"),
        };
        let new = self.hunts.iter().map(|hunt| hunt.bugs.len()).sum();
        let known: usize = self.hunts.iter().map(|hunt| hunt.known.len()).sum();
        let known = if known == 0 { String::new() } else { format!(" and {known} known") };
        format!("{}{known} in {}", count(new, "new bug"), count(self.hunts.len(), "extension"))
    }
}
