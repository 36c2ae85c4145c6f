//! Whose allocations are traced.

use crate::language::ast::{self, Trace};

/// Whether and how allocations are traced, in a scenario or else in sessions: as they or the header say.
pub(super) fn trace(spec: &ast::Spec, scenario: Option<&ast::Scenario>) -> Trace {
    let said = scenario.and_then(|scenario| scenario.trace.as_ref()).or(spec.trace.as_ref());
    said.map(|trace| trace.value).unwrap_or_default()
}
