//! Cache invalidations between and inside calls.

use super::Description;
use crate::check::CheckKind;

pub(super) static DESCRIPTION: Description = Description {
    name: "invalidation_storm",
    catches: "pointers kept into the relation cache or a system cache",
    checks: &[CheckKind::UseAfterFree],
    ..Description::COMMON
};
