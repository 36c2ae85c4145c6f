//! The workload cancelled at growing points in time.

use super::Description;
use crate::check::CheckKind;

pub(super) static DESCRIPTION: Description = Description {
    name: "cancel_storm",
    catches: "what a cancelled workload leaves, and sessions that do not answer any more",
    checks: &[CheckKind::ContextLeak, CheckKind::Timeout],
    ..Description::COMMON
};
