//! What is shown of a run. A reporter sees events, outcomes and verdicts and nothing else, and keeps no more of them than
//! the end of its report takes; verdicts come in the order of the schedule, whatever the order in which the cases ended.

mod allowed;
mod checkout;
pub(crate) mod document;
pub mod fault;
mod frame;
mod github;
pub mod hunt;
pub mod json;
pub mod junit;
mod line;
mod live;
mod markdown;
mod matrix;
mod not_run;
mod origin;
pub mod page;
mod pretty;
mod sarif;
mod tap;
pub mod tree;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::exec::outcome::Outcome;
use crate::judge::{Repeats, Status, Verdict};
use crate::plan::{Allowance, Case, Place};
use crate::results::schema::Shard;
use crate::run::Event;

pub use checkout::Checkout;
pub use github::Github;
pub use json::Json;
pub use junit::Junit;
pub(crate) use line::Tone;
pub use live::Live;
pub use markdown::Markdown;
pub use not_run::NotRun;
pub use page::Html;
pub use pretty::Pretty;
pub(crate) use pretty::tone;
pub use sarif::Sarif;
pub use tap::Tap;

/// Shows a run in one format.
pub trait Reporter {
    /// The run begins.
    fn begin(&mut self, _cases: &[Case]) -> io::Result<()> {
        Ok(())
    }

    /// A case is over: what it found, and what that means.
    fn verdict(&mut self, case: &Case, outcome: &Outcome, verdict: &Verdict) -> io::Result<()>;

    /// The run is over.
    fn end(&mut self, summary: &Summary) -> io::Result<()>;

    /// There is no run. Nothing else is told before or after it.
    fn not_run(&mut self, why: &NotRun) -> io::Result<()>;
}

/// How many cases ended how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// As they should.
    pub passed: usize,
    /// Not as they should.
    pub failed: usize,
    /// Badly, as an `xfail` says.
    pub expected_failures: usize,
    /// Not run, by a condition.
    pub skipped: usize,
    /// Not run, because they ask for what is not supported.
    pub unsupported: usize,
    /// Passed or failed, but not always.
    pub flaky: usize,
    /// Wall-clock time of the run.
    pub elapsed: Duration,
    /// Why allocations were not traced, of the first case that should have been.
    pub untraced: Option<String>,
    /// Violations that are known and allowed.
    pub allowed: u64,
    /// Clauses that allow nothing that was found.
    pub unused: Vec<Arc<Allowance>>,
    /// As what the command ended that was observed; 0 where there was none, or it ended well.
    pub command: u8,
    /// Which part of all specs was run.
    pub shard: Option<Shard>,
}

impl Summary {
    /// Counts one more case.
    pub fn count(&mut self, verdict: &Verdict) {
        if self.untraced.is_none() {
            self.untraced.clone_from(&verdict.untraced);
        }
        self.flaky += usize::from(verdict.flaky().is_some());
        self.allowed += allowed::groups(verdict).iter().map(allowed::Group::violations).sum::<u64>();
        *match verdict.status {
            Status::Passed => &mut self.passed,
            Status::Failed => &mut self.failed,
            Status::ExpectedFailure(_) => &mut self.expected_failures,
            Status::Skipped(_) | Status::Interrupted(_) => &mut self.skipped,
            Status::Unsupported => &mut self.unsupported,
        } += 1;
    }
}

impl Summary {
    /// The exit code of such a run, where it was not interrupted and everything could be written.
    pub fn exit_code(&self) -> i32 {
        match self {
            Summary { command: 1.., .. } => self.command.into(),
            Summary { unsupported: 1.., .. } => 2,
            Summary { failed: 1.., .. } => 1,
            _ => 0,
        }
    }
}

/// `3 passed, 1 failed, 2 skipped in 4.1 s`
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        let others = [
            (self.expected_failures, "failed as expected"),
            (self.skipped, "skipped"),
            (self.unsupported, "not supported"),
            (self.flaky, "flaky"),
        ];
        for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        match self.allowed {
            0 => {}
            1 => write!(f, ", 1 violation allowed")?,
            number => write!(f, ", {number} violations allowed")?,
        }
        write!(f, " in {}", duration(self.elapsed))?;
        match &self.untraced {
            Some(reason) => write!(f, "; allocations were not traced: {reason}"),
            None => Ok(()),
        }
    }
}

/// `239 ms`, `4.1 s`
pub(crate) fn duration(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// The line that says how a case ended, without color: pg_regress's, with the directives of TAP.
fn result_line(number: usize, case: &Case, verdict: &Verdict) -> String {
    let ok = if verdict.status.is_ok() { "ok" } else { "not ok" };
    let head = format!("{ok} {number} - {}", case.label);
    match &verdict.status {
        Status::Skipped(reason) | Status::Interrupted(reason) => format!("{head} # SKIP {reason}"),
        Status::ExpectedFailure(reason) => format!("{head} # TODO {reason}"),
        _ => {
            let line = format!("{head:<60} {:>8}", duration(verdict.elapsed));
            let notes = notes(case, verdict);
            if notes.is_empty() { line } else { format!("{line} ({})", notes.join("; ")) }
        }
    }
}

/// What is worth knowing about a case besides how it ended.
fn notes(case: &Case, verdict: &Verdict) -> Vec<String> {
    let mut notes = Vec::new();
    match (verdict.flaky(), verdict.repeats) {
        (Some(flaky), _) => notes.push(format!("flaky: {flaky}")),
        (None, Some(Repeats { runs, failed: 0 })) => notes.push(format!("{runs} runs")),
        (None, Some(Repeats { runs, .. })) => notes.push(format!("failed in all {runs} runs")),
        (None, None) => {}
    }
    notes.extend(verdict.untraced.as_ref().map(|_| "untraced".to_owned()));
    match (verdict.idle.as_slice(), verdict.seen.len()) {
        ([], _) => {}
        ([only], _) => notes.push(format!("no library under test was loaded in {only}")),
        (idle, all) => notes.push(format!("no library under test was loaded in {} of {all} scenarios", idle.len())),
    }
    notes.extend(unrecorded(verdict));
    notes.extend(allowed::over(verdict).map(|allowance| allowed::is_over(allowance)));
    notes.extend(verdict.notes.iter().cloned());
    notes.extend(variant(case, verdict).map(|file| format!("golden {file}")));
    notes
}

/// What is probably not meant in what was run, each at its place.
fn warnings(summary: &Summary) -> impl Iterator<Item = (&Place, String)> {
    summary.unused.iter().map(|allowance| (&allowance.place, allowed::is_unused(allowance)))
}

/// What has passed and stands in no golden, and what was found there.
fn unrecorded(verdict: &Verdict) -> Option<String> {
    let titles = &verdict.unrecorded;
    let what = match (titles.as_slice(), &verdict.golden) {
        ([], _) => return None,
        (_, None) => "no golden".to_owned(),
        ([only], Some(_)) => format!("{only} is not in the golden"),
        (several, Some(_)) => format!("{} of {} are not in the golden", several.len(), verdict.seen.len()),
    };
    let rows = verdict.seen.iter().filter(|seen| titles.contains(&seen.title)).flat_map(|seen| &seen.rows);
    Some(match rows.map(|observed| observed.row.times).sum::<u64>() {
        0 => format!("{what}: nothing is recorded"),
        1 => format!("{what}: 1 violation is not recorded"),
        number => format!("{what}: {number} violations are not recorded"),
    })
}

/// The name of the golden that was used, where it is not the one for all servers.
fn variant<'v>(case: &Case, verdict: &'v Verdict) -> Option<&'v str> {
    let file = verdict.golden.as_ref()?.file_name()?.to_str()?;
    let stem = case.name.rsplit('/').next().unwrap_or(&case.name);
    (file.strip_suffix(".out") != Some(stem)).then_some(file)
}

/// What was reported: how many cases ended how, and what could not be written.
pub type Reported = (Summary, Vec<io::Error>);

/// All reporters of a run. One that cannot write is left out from then on, and is no reason for the others to stop.
///
/// They begin with the first thing to say. A run that was interrupted before anything was run has nothing to say.
pub struct Reports<'c> {
    reporters: Vec<Box<dyn Reporter>>,
    cases: &'c [Case],
    state: State,
    summary: Summary,
    allowances: allowed::Allowances,
    /// Whether all specs are run, so that what is of no use is of none for any.
    is_whole: bool,
    failed: Vec<io::Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was said yet.
    Silent,
    Begun,
    /// The run was interrupted before.
    Withheld,
}

impl<'c> Reports<'c> {
    /// The reports of a run of these cases.
    pub fn new(reporters: Vec<Box<dyn Reporter>>, cases: &'c [Case]) -> Self {
        Reports {
            reporters,
            cases,
            state: State::Silent,
            summary: Summary::default(),
            allowances: allowed::Allowances::default(),
            is_whole: false,
            failed: Vec::new(),
        }
    }

    /// The same where these are the cases of all specs: what is allowed everywhere should be found somewhere.
    pub fn of_all_specs(self, is_whole: bool) -> Self {
        Reports { is_whole, ..self }
    }

    /// The same where these are the cases of one shard.
    pub fn of_shard(mut self, shard: Option<Shard>) -> Self {
        self.summary.shard = shard;
        self
    }

    /// The same where these were seen of a command, which ended with that status.
    pub fn of_command(mut self, status: u8) -> Self {
        self.summary.command = status;
        self
    }

    /// Takes note of an event: with the first scenario there is something to say.
    pub fn event(&mut self, event: &Event) {
        if matches!(event, Event::Progress { .. }) {
            self.begin();
        }
    }

    /// Passes on what a case found and the verdict on it. They have to come in the order of the schedule.
    pub fn verdict(&mut self, case: &Case, outcome: &Outcome, verdict: &Verdict) {
        self.summary.count(verdict);
        self.allowances.count(verdict);
        match verdict.status {
            Status::Interrupted(_) if self.state == State::Silent => self.state = State::Withheld,
            _ => self.begin(),
        }
        self.tell(|reporter| reporter.verdict(case, outcome, verdict));
    }

    /// Ends the reports. What could not be written comes with the summary; none where nothing was to be said.
    pub fn end(mut self, elapsed: Duration) -> Option<Reported> {
        self.summary.elapsed = elapsed;
        let of_spec = |place: &Place| self.cases.iter().any(|case| Arc::ptr_eq(&case.source, &place.source));
        let unused = self.allowances.unused().filter(|allowance| self.is_whole || of_spec(&allowance.place));
        self.summary.unused = unused.cloned().collect();
        self.begin();
        let summary = self.summary.clone();
        self.tell(|reporter| reporter.end(&summary));
        (self.state == State::Begun).then_some((summary, self.failed))
    }

    fn begin(&mut self) {
        if self.state == State::Silent {
            self.state = State::Begun;
            let cases = self.cases;
            self.tell(|reporter| reporter.begin(cases));
        }
    }

    fn tell(&mut self, mut tell: impl FnMut(&mut dyn Reporter) -> io::Result<()>) {
        let Reports { reporters, failed, state, .. } = self;
        if *state != State::Begun {
            return;
        }
        reporters.retain_mut(|reporter| tell(reporter.as_mut()).map_err(|error| failed.push(error)).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let table =
            [(0, "0 ms"), (239, "239 ms"), (999, "999 ms"), (1000, "1.0 s"), (4120, "4.1 s"), (61_000, "61.0 s")];
        for (ms, text) in table {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn the_summary_leaves_out_what_did_not_happen() {
        let mut summary = Summary { elapsed: Duration::from_secs(2), ..Summary::default() };
        assert_eq!(summary.to_string(), "0 passed, 0 failed in 2.0 s");
        let untraced = Summary { untraced: Some("another platform".to_owned()), ..summary.clone() };
        assert_eq!(untraced.to_string(), "0 passed, 0 failed in 2.0 s; allocations were not traced: another platform");
        let verdict = |status, attempts| Verdict {
            status,
            faults: vec![],
            seen: vec![],
            idle: vec![],
            untraced: None,
            golden: None,
            axes: None,
            attempts,
            repeats: None,
            unrecorded: Vec::new(),
            allowances: Vec::new(),
            notes: Vec::new(),
            elapsed: Duration::ZERO,
        };
        let endings =
            [(Status::Passed, 1), (Status::Skipped(String::new()), 0), (Status::Unsupported, 0), (Status::Passed, 2)];
        for (status, attempts) in endings {
            summary.count(&verdict(status, attempts));
        }
        assert_eq!(summary.to_string(), "2 passed, 0 failed, 1 skipped, 1 not supported, 1 flaky in 2.0 s");
    }
}
