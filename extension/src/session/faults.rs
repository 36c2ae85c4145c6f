//! Faults of the targets in this session and in its parallel workers, as findings of the window in which they happened.

use memcheck_core::census::SiteId;
use memcheck_core::{Access, CheckKind, ContextPath, Finding, Frame, Site, room};

use crate::guard::faults::{self, Outcome, Report, Surroundings};
use crate::pg::process::my_pid;
use crate::shmem::canaries;
use crate::wrap;

/// What is missing where a call does not come back and cannot be cancelled.
pub(crate) const NO_LOOK: &str = "CHECK_FOR_INTERRUPTS";

/// What faults need to know of the rest.
pub(super) const SURROUNDINGS: Surroundings = Surroundings {
    targets: wrap::faults::targets,
    opens: wrap::faults::opens,
    catches: canaries::catches,
    is_caught: canaries::is_caught,
    touches: wrap::faults::touches,
    pause: |is_paused| wrap::switch(!is_paused),
    is_busy: || super::SESSION.try_borrow_mut().is_err(),
};

/// The faults behind that report which this session, or a worker of its, has come through, each once; none where there was none at
/// all. Accesses of this process to chunks that are guarded have been noted already.
pub(super) fn since(number: u64) -> Option<Vec<Finding>> {
    let pid = my_pid();
    let is_own = |report: &Report| {
        let is_over = matches!(report.outcome(), Outcome::Error | Outcome::Fatal | Outcome::Served);
        (report.pid == pid || report.leader == pid) && report.is_of_target() && is_over
    };
    let mut reports = faults::since(number);
    reports.retain(is_own);
    if reports.is_empty() {
        return None;
    }
    reports.retain(|report| report.pid != pid || report.touched().is_none());
    let mut findings: Vec<Finding> = Vec::new();
    for finding in reports.iter().map(finding) {
        let place = |finding: &Finding| finding.site.as_ref().map(|site| site.frame.offset);
        let is_it = |other: &&mut Finding| other.is_about_the_same(&finding) && place(other) == place(&finding);
        match findings.iter_mut().find(is_it) {
            Some(known) => known.objects += 1,
            None => _ = room::push(&mut findings, finding),
        }
    }
    Some(findings)
}

/// The place that is charged with it, with the stack.
pub(super) fn site(report: &Report) -> Option<Site> {
    let (stack, charged) = report.stack();
    charged.map(|number| Site { id: SiteId(0), frame: stack[number].clone(), stack })
}

fn finding(report: &Report) -> Finding {
    let site = site(report);
    if let Some((touched, allocated, released)) = report.touched() {
        let place = |frame: Frame| Site { id: SiteId(0), stack: vec![frame.clone()], frame };
        let access = Access {
            act: touched.act,
            offset: touched.offset as i64,
            size: None,
            requested: touched.requested as u64,
            is_mismatched: false,
            at: site,
            allocated: allocated.map(place),
            released: released.map(place),
        };
        let path = match touched.context {
            Some(names) => ContextPath::new(names.outermost_first()),
            None => ContextPath::heap(),
        };
        return Finding::of_access(touched.check, path, access, 1);
    }
    let place = site.as_ref().map_or(String::new(), |site| format!(" in {}", site.frame.place()));
    let (check, subject, detail) = if report.is_late() {
        let holding = report.holding().map_or(String::new(), |holding| format!(", {holding}"));
        (CheckKind::Timeout, NO_LOOK, format!("{report} and does not look for interrupts{place}{holding}"))
    } else {
        (CheckKind::Crash, report.what(), format!("{}{place}: {report}", report.what()))
    };
    Finding::of_event(check, subject, site, detail)
}
