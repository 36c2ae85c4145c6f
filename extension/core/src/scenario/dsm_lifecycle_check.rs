//! DSM segments attached and not detached.

use super::Description;
use crate::check::CheckKind;

pub(super) static DESCRIPTION: Description = Description {
    name: "dsm_lifecycle_check",
    catches: "dynamic shared memory that stays attached",
    checks: &[CheckKind::DsmLeak],
    ..Description::COMMON
};
