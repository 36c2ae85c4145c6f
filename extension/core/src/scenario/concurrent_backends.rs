//! The workload in several sessions at once.

use super::{Clause, Description};
use crate::check::CheckKind;

pub(super) static DESCRIPTION: Description = Description {
    name: "concurrent_backends",
    catches: "what grows, or is overrun, where sessions work side by side",
    clauses: &[Clause::Workers, Clause::Probe, Clause::Workloads],
    checks: &[CheckKind::ContextLeak, CheckKind::CtxBloat, CheckKind::ShmemOverrun, CheckKind::DsmLeak],
    ..Description::COMMON
};
