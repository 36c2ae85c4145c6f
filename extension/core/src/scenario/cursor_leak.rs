//! Portals and plans left behind.

use super::{Call, Description, Execution, Runs};
use crate::census::{Live, PathTable, Totals};
use crate::check::CheckKind;
use crate::finding::Finding;
use crate::judge::untraced::{fold, going_on};
use crate::judge::{Contexts, Evidence, Reading, cursor, judge};

pub(super) static DESCRIPTION: Description = Description {
    name: "cursor_leak",
    catches: "portals and plans that pile up",
    checks: &[CheckKind::ContextLeak, CheckKind::DsmLeak, CheckKind::MallocLeak, CheckKind::ResourceLeak],
    execution: Execution {
        judge: portals_and_plans,
        call: Some(Call {
            description: "portals and plans that pile up",
            runs: Runs::Repeated,
            judge_in_window: portals_and_plans,
        }),
    },
    ..Description::COMMON
};

fn portals_and_plans(evidence: &Evidence) -> Vec<Finding> {
    judge(&Objects, evidence)
}

/// Portals and plans, each counted once, whoever has made them.
struct Objects;

impl Reading for Objects {
    fn select(&self, paths: &PathTable, all: &mut Vec<Contexts<Totals>>) {
        all.retain(|contexts| contexts.curve.piles_up() && cursor::is_portal_or_plan(paths, contexts.path));
        fold(all, |piles, path| cursor::told_by(paths, piles, path));
    }

    fn totals(&self, evidence: &Evidence, contexts: &Contexts<Totals>) -> Vec<Finding> {
        if evidence.allows(contexts.path) {
            return Vec::new();
        }
        // A standing one that grows is somebody else's business.
        let found = going_on(evidence, contexts, CheckKind::CtxBloat);
        found.into_iter().filter(|found| found.check == CheckKind::ContextLeak).collect()
    }

    fn traced(&self, _: &Evidence, _: &Contexts<Live>, _: bool) -> Vec<Finding> {
        Vec::new()
    }

    fn counts_contexts(&self) -> bool {
        true
    }
}
