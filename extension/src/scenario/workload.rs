//! SQL to be run again and again.

use std::ffi::CString;

use pgrx::prelude::*;

use crate::pg::spi::{Refused, execute, rolled_back};
use crate::sql::raise;

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

    /// Runs it once. Errors of the statements are raised.
    pub(super) fn execute(&self) {
        if let Err(Refused(name)) = execute(&self.sql) {
            raise(
                PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("workload cannot be run inside a function: {name}"),
                Some(
                    "Transaction commands and COPY need a client: open a window with ext_memcheck.begin() and send them \
                     yourself.",
                ),
            )
        }
    }

    /// Runs it once in a subtransaction and rolls that back. Errors of the statements are raised behind it.
    pub(super) fn execute_and_roll_back(&self) {
        rolled_back(|| self.execute());
    }
}
