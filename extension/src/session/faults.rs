//! Faults of the targets in this session and in its parallel workers, as findings of the window in which they happened.

use memcheck_core::census::SiteId;
use memcheck_core::{CheckKind, ContextPath, Finding, Severity, Site, room};

use crate::guard::faults::{self, Outcome, Report, Surroundings};
use crate::pg::process::my_pid;
use crate::stack::Targets;
use crate::wrap;

/// What faults need to know of the rest.
pub(super) const SURROUNDINGS: Surroundings = Surroundings {
    targets: |show: &mut dyn FnMut(&Targets)| {
        wrap::with(|chain| show(&chain.stack.targets));
    },
    pause: |is_paused| wrap::switch(!is_paused),
    is_busy: || super::SESSION.try_borrow_mut().is_err(),
};

/// The faults behind that report which this session, or a worker of its, has come through: each once.
pub(super) fn since(number: u64) -> Vec<Finding> {
    let pid = my_pid();
    let is_own = |report: &Report| {
        let is_over = matches!(report.outcome(), Outcome::Error | Outcome::Fatal | Outcome::Served);
        (report.pid == pid || report.leader == pid) && report.is_of_target() && is_over
    };
    let mut findings: Vec<Finding> = Vec::new();
    for finding in faults::since(number).iter().filter(|report| is_own(report)).map(finding) {
        let place = |finding: &Finding| finding.site.as_ref().map(|site| site.frame.offset);
        let is_it = |other: &&mut Finding| other.is_about_the_same(&finding) && place(other) == place(&finding);
        match findings.iter_mut().find(is_it) {
            Some(known) => known.objects += 1,
            None => _ = room::push(&mut findings, finding),
        }
    }
    findings
}

fn finding(report: &Report) -> Finding {
    let (stack, charged) = report.stack();
    let site = charged.map(|number| Site { id: SiteId(0), frame: stack[number].clone(), stack: stack.clone() });
    let place = site.as_ref().map_or(String::new(), |site| format!(" in {}", site.frame.place()));
    Finding {
        check: CheckKind::Crash,
        severity: Severity::Error,
        path: ContextPath::new([report.what()]),
        bytes: 0,
        objects: 1,
        iterations: 0,
        bytes_per_iter: 0.0,
        objects_per_iter: 0.0,
        shape: None,
        phase: None,
        source_lib: site.as_ref().map_or(String::new(), |site| site.frame.library.clone()),
        site,
        marks: Vec::new(),
        access: None,
        detail: format!("{}{place}: {report}", report.what()),
    }
}
