//! SQL to be run again and again.

use std::ffi::CString;

use memcheck_core::Phase;

use crate::pg::spi::{Failure, execute, failed, rolled_back};

/// Any number of statements that SPI can run.
pub(super) struct Workload {
    sql: CString,
}

impl Workload {
    /// Takes the text of any number of statements.
    pub(super) fn new(sql: &str) -> Self {
        // A text value cannot contain a zero byte.
        Workload { sql: CString::new(sql).unwrap_or_default() }
    }

    /// Runs it once.
    pub(super) fn execute(&self) -> Result<(), Failure> {
        execute(&self.sql)
    }

    /// Runs it once in a subtransaction and undoes that.
    pub(super) fn execute_and_undo(&self, way: Phase) -> Result<(), Failure> {
        match way {
            Phase::Error => failed(|| self.execute()),
            Phase::Rollback | Phase::Savepoint => rolled_back(|| self.execute()),
        }
    }
}
