//! What a hunt says, and writes, as it goes on.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::super::complaint::Complaint;
use super::super::output::Stdout;
use crate::atomic;
use crate::hunt::corpus::Known;
use crate::hunt::found::{Bug, LeftOut, Shared};
use crate::hunt::script::Head;
use crate::hunt::subject::Subject;
use crate::hunt::writing;
use crate::status;

/// Where specs are written to.
const SPECS: &str = "specs/hunt";

/// Somebody who tells what a hunt for an extension finds.
pub(super) struct Teller<'a> {
    pub(super) extension: &'a str,
    pub(super) version: &'a str,
    /// The version of PostgreSQL.
    pub(super) server: &'a str,
    pub(super) head: &'a Head,
    /// The day it is.
    pub(super) day: String,
    /// Whether reports to maintainers are written.
    pub(super) issues: bool,
    /// How many new ones were told.
    pub(super) bugs: usize,
}

impl Teller<'_> {
    /// Says what is hunted.
    pub(super) fn begin(&self, subjects: &[Subject], shared: &Shared) -> Result<(), Complaint> {
        let aside = shared.lock().aside.len();
        let (name, version, server) = (self.extension, self.version, self.server);
        say(&[format!(
            "hunting    {name} {version} on PostgreSQL {server}: {} subjects, {aside} set aside",
            subjects.len()
        )])
    }

    /// Tells and writes down what was found since the last time.
    pub(super) fn tell_new(&mut self, shared: &Shared) -> Result<(), Complaint> {
        let new = std::mem::take(&mut shared.lock().bugs);
        new.iter().try_for_each(|bug| self.tell(bug, shared))
    }

    fn tell(&mut self, bug: &Bug, shared: &Shared) -> Result<(), Complaint> {
        let spec = {
            let mut state = shared.lock();
            let name = writing::name(self.extension, bug);
            let is_free = |name: &String| state.corpus.bugs.iter().all(|known| known.spec != *name);
            let numbered = (2..).map(|number| format!("{name}_{number}"));
            let spec = std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or_default();
            let (kind, place) = bug.wrong.key(&bug.what);
            state.corpus.bugs.push(Known { kind, place, spec: spec.clone() });
            spec
        };
        self.bugs += 1;
        let path = Path::new(SPECS).join(format!("{spec}.mcspec"));
        write(&path, &writing::spec(self.head, bug, &self.day))?;
        if self.issues {
            let server = format!("PostgreSQL {}", self.server);
            let text = writing::issue(self.extension, self.version, &server, self.head, bug);
            write(&path.with_extension("md"), &text)?;
        }
        let mut lines = vec![format!("found      {}", bug.wrong.words())];
        let place = bug.wrong.place();
        let place = (!place.is_empty()).then(|| format!("in {place}"));
        let more = place.into_iter().chain([bug.script.workload.join("; ")]).chain(writing::shown(bug));
        lines.extend(more.chain([path.display().to_string()]).map(|line| format!("           {line}")));
        say(&lines)
    }

    /// Says what there is to say at the end. Whether there are bugs, new or known.
    pub(super) fn end(&self, subjects: usize, shared: &Shared, elapsed: Duration) -> Result<bool, Complaint> {
        let state = shared.lock();
        let mut lines = Vec::new();
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for aside in &state.aside {
            match reasons.iter_mut().find(|(why, _)| *why == aside.why) {
                Some((_, all)) => all.push(&aside.what),
                None => reasons.push((&aside.why, vec![&aside.what])),
            }
        }
        for (why, all) in reasons {
            let what = match all.as_slice() {
                [one] => (*one).to_owned(),
                [first, rest @ ..] => format!("{first} and {} more", rest.len()),
                [] => continue,
            };
            lines.push(format!("set aside  {what}: {}", why.lines().next().unwrap_or_default()));
        }
        let never = state.not_understood.iter().filter(|(what, _)| !state.called.contains(*what));
        lines.extend(never.map(|(what, why)| format!("not called {what}: {}", why.lines().next().unwrap_or_default())));
        lines.extend(state.passing.iter().map(|words| format!("passing    {words}")));
        let is_seen = |bug: &&Known| state.seen_again.contains(&(bug.kind.clone(), bug.place.clone()));
        let known = state.corpus.bugs.iter().filter(is_seen);
        lines.extend(known.map(|bug| format!("known      {}: {SPECS}/{}.mcspec", bug.kind, bug.spec)));
        let LeftOut { slow, known, otherwise } = state.left_out;
        let left_out = [
            (slow, "calls that take too long to be repeated"),
            (known, "in ways in which a known bug was seen before"),
            (otherwise, "that did not work again, or not in that way"),
        ];
        let left_out = left_out.iter().filter(|(number, _)| *number > 0);
        lines.extend(left_out.map(|(number, what)| format!("left out   {number} {what}")));
        lines.push(format!(
            "{}: {} of {subjects} subjects, {} calls, {} executions in {:.0} s: {} new bugs, {} known",
            self.extension,
            state.called.len(),
            state.calls,
            state.executions,
            elapsed.as_secs_f64(),
            self.bugs,
            state.seen_again.len()
        ));
        say(&lines)?;
        Ok(self.bugs > 0 || !state.seen_again.is_empty())
    }
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
