//! What a scenario or permutation came to.

use memcheck_core::golden::row::Observed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::Allowance;

/// What a scenario or permutation came to, in the form in which it is recorded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// The clause.
    pub title: String,
    /// What happened; nothing for a scenario.
    pub trace: Vec<String>,
    /// The violations.
    pub rows: Vec<Observed>,
    /// Those that are known and allowed, which are not recorded.
    pub allowed: Vec<Allowed>,
}

/// A violation that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowed {
    /// The violation.
    pub observed: Observed,
    /// What allows it.
    pub by: Known,
}

/// An `allow` clause that allows something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Known {
    /// Why.
    pub because: String,
    /// The day from which on it does not.
    pub until: Option<String>,
    /// The file that it stands in.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its column, from 1.
    pub column: usize,
}

impl From<&Allowance> for Known {
    fn from(allowance: &Allowance) -> Self {
        let (line, column) = allowance.place.source.line_column(allowance.place.offset);
        Known {
            because: allowance.because.clone(),
            until: allowance.until.map(|until| until.to_string()),
            file: allowance.place.source.path.to_string_lossy().into_owned(),
            line,
            column,
        }
    }
}
