//! `pg_ext_memcheck.fail_alloc`: what is made to fail in a session, by hand.

use std::cell::Cell;
use std::ffi::CStr;

use super::plan::Plan;
use crate::pg::ServerThread;
use crate::pg::parameters::Told;

/// What it says.
static PLAN: ServerThread<Cell<Plan>> = ServerThread::new(Cell::new(Plan::Nothing));
/// Whether it was assigned to since it was last taken.
static IS_ASSIGNED: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));

/// Whether it was assigned to since it was last taken: then what it says is counted anew, though it be the same.
#[inline(always)]
pub(super) fn is_assigned() -> bool {
    IS_ASSIGNED.get()
}

/// What it says.
pub(super) fn take() -> Plan {
    IS_ASSIGNED.set(false);
    PLAN.get()
}

/// The parameter.
pub(crate) struct FailAlloc;

impl Told for FailAlloc {
    const DETAIL: &CStr =
        c"It is the number of an allocation, from 1 on, or that with a + behind it for all from there on.";
    const HINT: &CStr = c"SET pg_ext_memcheck.fail_alloc = '7'; makes the seventh fail.";

    fn is_value(text: &str) -> bool {
        text.parse::<Plan>().is_ok()
    }

    fn assigned(text: &str) {
        PLAN.set(text.parse().unwrap_or_default());
        IS_ASSIGNED.set(true);
    }
}
