//! `dsm_lifecycle_check`: sessions that come and go, and what they leave of dynamic shared memory.
//!
//! A session is a background worker. What it has pinned it says at its end; when it is gone, the server's own table tells what of that
//! is still there. What another process has mapped then is in use, and one that was handed on may take a moment to unpin or to map
//! it: a segment that goes in that time was no leak, whatever the worker's window has found.

use std::time::{Duration, Instant};

use memcheck_core::judge::Rules;
use memcheck_core::judge::outlived::{self, Left};
use memcheck_core::{CheckKind, Finding, Site, room};

use super::Scenario;
use super::task::{Outcome, Pinned, Task};
use super::worker::{self, Ended, Found, NotRun};
use crate::pg::{dsm, process};

/// So many sessions tell what is made once from what each of them makes.
const SESSIONS: usize = 3;
/// How long a segment may stay without anybody who has it mapped.
const PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(20);

/// Runs the scenario.
pub(super) fn run(scenario: &Scenario, rules: &Rules) -> Result<Found, NotRun> {
    let task = Task {
        scenario: scenario.kind.to_string(),
        iterations: scenario.iterations,
        reset_every: scenario.reset_every,
        workload: scenario.workload.clone(),
        failing: None,
        seat: None,
    };
    let mut sessions: Vec<Ended> = Vec::new();
    while sessions.len() < SESSIONS && !sessions.iter().any(Ended::has_failed) {
        sessions.extend(worker::work(std::slice::from_ref(&task))?);
    }
    let pinned: Vec<Vec<Pinned>> = sessions.iter().map(pinned_by).collect();
    let left: Vec<Vec<Left>> = wait_for(&pinned);
    let mut found = worker::gathered(sessions, rules);
    let is_left = |site: &Site| left.iter().flatten().any(|left| left.site.is_at(site));
    let is_pinned = |site: &Site| pinned.iter().flatten().any(|pinned| pinned.left().site.is_at(site));
    found.findings.retain_mut(|finding| {
        let Some(site) = finding.site.as_ref().filter(|_| finding.check == CheckKind::DsmLeak) else { return true };
        if is_left(site) {
            finding.detail.push_str("; still there after the session has ended");
            return true;
        }
        !is_pinned(site)
    });
    let is_known = |finding: &Finding, known: &[Finding]| {
        known.iter().any(|other| other.site.as_ref().zip(finding.site.as_ref()).is_some_and(|(a, b)| a.is_at(b)))
    };
    for finding in outlived::judge(&left, scenario.iterations) {
        if !rules.without.contains(&finding.check) && !is_known(&finding, &found.findings) {
            room::push(&mut found.findings, finding);
        }
    }
    Ok(found)
}

fn pinned_by(session: &Ended) -> Vec<Pinned> {
    let mut all = Vec::new();
    for pinned in session.outcome.as_ref().map_or(&[][..], Outcome::pinned) {
        room::push(&mut all, pinned.clone());
    }
    all
}

/// Waits a while for what has been handed on, and gives what is left of each session.
fn wait_for(pinned: &[Vec<Pinned>]) -> Vec<Vec<Left>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let known = dsm::segments().unwrap_or_default();
        let is_left = |pinned: &&Pinned| match pinned.handle {
            None => true,
            Some(handle) => known.iter().any(|(other, keepers)| *other == handle && keepers.processes == 0),
        };
        let left: Vec<Vec<Left>> =
            pinned.iter().map(|all| all.iter().filter(is_left).map(Pinned::left).collect()).collect();
        if left.iter().all(Vec::is_empty) || Instant::now() >= deadline {
            return left;
        }
        process::wait(POLL);
    }
}
