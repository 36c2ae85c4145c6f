//! What an observed session hands over when it ends, as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::wire::{FindingRecord, SiteRecord};

/// What begins the name of each file of a session: its number is behind it.
pub const REGISTERED: &str = "open";
/// What the name of a file ends with that is complete.
pub const COMPLETE: &str = "json";

/// Who a session is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Who {
    /// Process id.
    pub pid: i32,
    /// When it began: microseconds since 2000.
    pub started: i64,
    /// What kind of process it is, in the server's words: `client backend`, `background worker "name"`.
    pub kind: String,
    /// `application_name`
    pub application: String,
    /// The database; empty where it is not known.
    pub database: String,
    /// The role that has logged in; empty where it is not known.
    pub role: String,
}

/// What a session hands over.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Who it is.
    pub who: Who,
    /// Statements that were executed, those that are the same but for their constants once.
    pub statements: u64,
    /// Executions of statements, at the top level.
    pub executions: u64,
    /// What single statements do.
    pub of_statements: Vec<StatementRecord>,
    /// What goes on over the statements of the session and can be charged to none of them alone.
    pub of_session: Vec<FindingRecord>,
    /// What the targets still held of memory that lives as long as the session, the most first.
    pub left: Vec<LeftRecord>,
    /// Figures that say how much was looked at.
    pub figures: BTreeMap<String, u64>,
    /// Targets and the libraries that they stand for.
    pub targets: Vec<(Option<String>, Option<String>)>,
}

/// What a statement does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementRecord {
    /// Its text without constants.
    pub text: String,
    /// How often it was executed.
    pub times: u64,
    /// Whether this is about what went on while it ran once, and the findings count looks at it.
    pub while_running: bool,
    /// What was found.
    pub findings: Vec<FindingRecord>,
}

/// What was held at a place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftRecord {
    /// Names from the root.
    pub context_path: Vec<String>,
    /// Where it was allocated.
    pub site: SiteRecord,
    /// Bytes as they were requested.
    pub bytes: u64,
    /// Allocations.
    pub allocations: u64,
    /// The statement that has done most of it, without constants.
    pub statement: String,
}
