//! What is reported of what was found.

use crate::check::CheckKind;
use crate::finding::Phase;
use crate::judge::thresholds::Thresholds;
use crate::like::Like;
use crate::path::ContextPath;

/// Which contexts are reported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only these; all where empty.
    pub watch: Vec<Like>,
    /// Contexts that may grow (`allowed_contexts` of `begin()`). A plain window still reports their `context_leak`, as
    /// documented, but no `wrong_ctx_alloc`; the other scenarios report nothing for them.
    pub allowed: Vec<Like>,
}

impl Filter {
    pub(crate) fn reports(&self, path: &ContextPath) -> bool {
        self.watch.is_empty() || self.asks_for(path)
    }

    /// Whether a pattern asks for contexts with this path.
    pub(crate) fn asks_for(&self, path: &ContextPath) -> bool {
        self.watch.iter().any(|pattern| path.matches(pattern))
    }

    /// Whether contexts with this path may grow.
    pub fn allows(&self, path: &ContextPath) -> bool {
        self.allowed.iter().any(|pattern| path.matches(pattern))
    }
}

/// How the marks of a window are to be read, whatever the scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Smallest growth reported.
    pub thresholds: Thresholds,
    /// Which contexts are reported.
    pub filter: Filter,
    /// On a ladder only what grows faster than the rows is reported.
    pub linear_is_fine: bool,
    /// How the workload was undone, in `tx_abort_loop`.
    pub phase: Option<Phase>,
    /// Kinds of violation that are not looked for.
    pub without: Vec<CheckKind>,
}
