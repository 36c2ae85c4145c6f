//! Pointers kept across resets of the calling context.

use super::{Clause, Description};
use crate::check::CheckKind;

pub(super) static DESCRIPTION: Description = Description {
    name: "context_reset_storm",
    catches: "pointers kept across resets of the calling context",
    clauses: &[Clause::ResetEvery],
    needs_trace: true,
    needs_pages: true,
    checks: &[CheckKind::UseAfterReset],
    ..Description::COMMON
};
