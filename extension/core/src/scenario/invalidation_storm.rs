//! Cache invalidations between and inside calls.

use super::Description;
use crate::check::CheckKind;

pub(super) static DESCRIPTION: Description = Description {
    name: "invalidation_storm",
    catches: "pointers kept into the relation cache or a system cache",
    needs_trace: true,
    needs_pages: true,
    checks: &[CheckKind::UseAfterFree],
    ..Description::COMMON
};
