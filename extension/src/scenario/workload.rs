//! SQL to be run again and again.

use std::ffi::CString;

use crate::pg::spi::{Failure, execute, rolled_back};

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

    /// Runs it once in a subtransaction and rolls that back.
    pub(super) fn execute_and_roll_back(&self) -> Result<(), Failure> {
        rolled_back(|| self.execute())
    }
}
