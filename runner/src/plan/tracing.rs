//! Whose allocations are traced.

use crate::language::ast::{self, Trace};

/// Whether and how allocations are traced, in a scenario or else in sessions: as they or the header say.
pub(super) fn trace(spec: &ast::Spec, scenario: Option<&ast::Scenario>) -> Trace {
    let said = scenario.and_then(|scenario| scenario.trace.as_ref()).or(spec.trace.as_ref());
    said.map(|trace| trace.value).unwrap_or_default()
}

/// The libraries that are charged with what they allocate.
pub(super) fn targets(spec: &ast::Spec) -> Vec<String> {
    if !spec.targets.is_empty() {
        return spec.targets.iter().map(|target| target.value.clone()).collect();
    }
    let extensions = spec.extensions.iter().map(|extension| &extension.name.value);
    let mut targets: Vec<String> = Vec::new();
    for name in extensions.chain(spec.preload.iter().map(|library| &library.value)) {
        if !targets.contains(name) {
            targets.push(name.clone());
        }
    }
    targets
}
