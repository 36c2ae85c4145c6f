//! Every allocation of the target made to fail in turn.

use super::Description;
use crate::check::CheckKind;

pub(super) static DESCRIPTION: Description = Description {
    name: "oom_simulation",
    catches: "failed allocations that crash, leak, corrupt or wedge the session",
    checks: &[CheckKind::OomUnsafe, CheckKind::Crash],
    ..Description::COMMON
};
