//! Cold, warm, and cold again after DISCARD ALL.

use super::Description;
use crate::check::CheckKind;

pub(super) static DESCRIPTION: Description = Description {
    name: "cold_warm_cold",
    catches: "memory that DISCARD ALL does not give back and that a second cold start takes once more",
    checks: &[CheckKind::CtxBloat],
    warms_up: false,
    ..Description::COMMON
};
