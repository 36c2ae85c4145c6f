//! Writes past the end of shared memory segments.

use super::{Clause, Description};
use crate::check::CheckKind;

pub(super) static DESCRIPTION: Description = Description {
    name: "shmem_sentinel_probe",
    catches: "writes past the end of shared memory segments",
    clauses: &[Clause::Probe],
    checks: &[CheckKind::ShmemOverrun],
    ..Description::COMMON
};
