//! The reading of growth that goes on.

use crate::census::{Live, Totals};
use crate::check::CheckKind;
use crate::finding::Finding;
use crate::judge::curve::Contexts;
use crate::judge::evidence::Evidence;
use crate::judge::reading::Reading;
use crate::judge::{traced, untraced};

/// Reports growth that goes on from mark to mark. Contexts that may grow may do so.
pub struct GoingOn {
    /// What growth is called where contexts do not pile up.
    pub standing: CheckKind,
}

impl Reading for GoingOn {
    fn totals(&self, evidence: &Evidence, contexts: &Contexts<Totals>) -> Vec<Finding> {
        let found = || untraced::going_on(evidence, contexts, self.standing);
        if evidence.allows(contexts.path) { Vec::new() } else { found().into_iter().collect() }
    }

    fn traced(&self, evidence: &Evidence, contexts: &Contexts<Live>, piles_up: bool) -> Vec<Finding> {
        let found = || traced::going_on(evidence, contexts, piles_up, self.standing);
        if evidence.allows(contexts.path) { Vec::new() } else { found().into_iter().collect() }
    }
}
