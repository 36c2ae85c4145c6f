//! The workload under guard pages.

use super::Description;
use crate::check::CheckKind;

pub(super) static DESCRIPTION: Description = Description {
    name: "use_after_reset",
    catches: "accesses to memory that was freed or never allocated",
    needs_trace: true,
    needs_pages: true,
    checks: &[CheckKind::UseAfterFree, CheckKind::UseAfterReset, CheckKind::BufferOverrun, CheckKind::DoubleFree],
    ..Description::COMMON
};
