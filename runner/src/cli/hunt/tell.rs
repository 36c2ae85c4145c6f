//! What a hunt says, and writes, as it goes on.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::super::complaint::Complaint;
use super::super::output::Stdout;
use crate::atomic;
use crate::hunt::corpus::Known;
use crate::hunt::found::{Bug, Shared};
use crate::hunt::record::{BugRecord, HuntRecord, Hunted};
use crate::hunt::script::Head;
use crate::hunt::writing;
use crate::status;

/// Where specs are written to.
const SPECS: &str = "specs/hunt";

/// Somebody who tells what a hunt for an extension finds.
pub(super) struct Teller<'a> {
    pub(super) hunted: Hunted<'a>,
    pub(super) head: &'a Head,
    /// The day it is.
    pub(super) day: String,
    /// Whether reports to maintainers are written.
    pub(super) issues: bool,
    /// Whether it is told on the standard output.
    pub(super) is_told: bool,
    /// The new ones that were told.
    pub(super) bugs: Vec<BugRecord>,
}

impl Teller<'_> {
    /// Says what is hunted.
    pub(super) fn begin(&self, shared: &Shared) -> Result<(), Complaint> {
        let aside = shared.lock().aside.len();
        let Hunted { extension, version, server, subjects } = self.hunted;
        let what = format!("{extension} {version} on PostgreSQL {server}: {subjects} subjects, {aside} set aside");
        self.say(&[format!("hunting    {what}")])
    }

    /// Tells and writes down what was found since the last time.
    pub(super) fn tell_new(&mut self, shared: &Shared) -> Result<(), Complaint> {
        let new = std::mem::take(&mut shared.lock().bugs);
        new.iter().try_for_each(|bug| self.tell(bug, shared))
    }

    fn tell(&mut self, bug: &Bug, shared: &Shared) -> Result<(), Complaint> {
        let Hunted { extension, version, server, .. } = self.hunted;
        let spec = {
            let mut state = shared.lock();
            let name = writing::name(extension, bug);
            let is_free = |name: &String| state.corpus.bugs.iter().all(|known| known.spec != *name);
            let numbered = (2..).map(|number| format!("{name}_{number}"));
            let spec = std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or_default();
            let (kind, place) = bug.wrong.key(&bug.what);
            state.corpus.bugs.push(Known { kind, place, spec: spec.clone() });
            spec
        };
        let file = file_of(&spec);
        let path = Path::new(&file);
        let record = BugRecord::of(bug, file.clone());
        write(path, &writing::spec(self.head, bug, &self.day))?;
        if self.issues {
            let server = format!("PostgreSQL {server}");
            let text = writing::issue(extension, version, &server, self.head, bug);
            write(&path.with_extension("md"), &text)?;
        }
        let place = (!record.place.is_empty()).then(|| format!("in {}", record.place));
        let more = place.into_iter().chain([record.workload.join("; ")]).chain(record.shown.clone());
        let more = more.chain([file]).map(|line| format!("           {line}"));
        self.say(&std::iter::once(format!("found      {}", record.words)).chain(more).collect::<Vec<_>>())?;
        self.bugs.push(record);
        Ok(())
    }

    /// Says what there is to say at the end, which is what came of it.
    pub(super) fn end(self, shared: &Shared, elapsed: Duration) -> Result<HuntRecord, Complaint> {
        let (hunted, is_told) = (self.hunted, self.is_told);
        let record = HuntRecord::of(hunted, &shared.lock(), self.bugs, elapsed, file_of);
        if is_told {
            say(&lines(&record))?;
        }
        Ok(record)
    }

    fn say(&self, lines: &[String]) -> Result<(), Complaint> {
        if self.is_told { say(lines) } else { Ok(()) }
    }
}

/// The file of a spec.
fn file_of(spec: &str) -> String {
    format!("{SPECS}/{spec}.mcspec")
}

/// What there is to say when a hunt is over.
fn lines(hunt: &HuntRecord) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(hunt.set_aside.iter().map(|reason| format!("set aside  {}: {}", reason.title(), reason.why)));
    for reason in &hunt.not_called {
        lines.extend(reason.what.iter().map(|what| format!("not called {what}: {}", reason.why)));
    }
    lines.extend(hunt.passing.iter().map(|words| format!("passing    {words}")));
    lines.extend(hunt.known.iter().map(|bug| format!("known      {}: {}", bug.kind, bug.spec)));
    lines.extend(hunt.left_out.lines().iter().map(|line| format!("left out   {line}")));
    lines.push(format!(
        "{}: {} of {} subjects, {} calls, {} executions, {} sites reached in {} s: {} new bugs, {} known",
        hunt.extension,
        hunt.called,
        hunt.subjects,
        hunt.calls,
        hunt.executions,
        hunt.sites,
        (hunt.elapsed_ms + 500) / 1000,
        hunt.bugs.len(),
        hunt.known.len()
    ));
    lines
}

fn say(lines: &[String]) -> Result<(), Complaint> {
    let mut out = Stdout::new();
    status::aside(|| lines.iter().try_for_each(|line| writeln!(out, "{line}"))).map_err(Complaint::stdout)
}

/// Writes a file, unless it says so already.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Complaint> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    atomic::write_below(path, text.as_bytes()).map_err(|error| Complaint::file(&path.display().to_string(), error))
}
