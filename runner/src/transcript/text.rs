//! What happens in permutations, in the words of isolationtester (isolationtester.c).

use super::table;
use crate::exec::failure::SqlError;
use crate::exec::happening::{Halt, Happening, Outcome};
use crate::plan::Sessions;

/// What libpq says when the server is gone (fe-misc.c, pqReadData).
const LOST: &str = "server closed the connection unexpectedly
\tThis probably means the server terminated abnormally
\tbefore or while processing the request.
";

/// A transcript being written.
pub(super) struct Transcript<'a> {
    plan: &'a Sessions,
    /// The text so far.
    pub(super) text: String,
}

impl<'a> Transcript<'a> {
    /// Begins a transcript.
    pub(super) fn new(plan: &'a Sessions) -> Self {
        let mut text = String::new();
        for step in &plan.unused {
            text += &format!("unused step name: {step}\n");
        }
        text += &format!("Parsed test spec with {} sessions\n", plan.sessions.len());
        Transcript { plan, text }
    }

    /// Adds what happened.
    pub(super) fn add(&mut self, happening: &Happening) {
        match happening {
            Happening::Begins { permutation } => {
                self.text += "\nstarting permutation:";
                for launch in &self.plan.permutations[*permutation].launches {
                    self.text += &format!(" {}", self.plan.steps[launch.step].name);
                }
                self.text.push('\n');
            }
            Happening::Notice { session, notice } => {
                self.text += &format!("{}: {}", self.plan.sessions[*session].name, message(notice, None));
            }
            Happening::Waiting { step, .. } => {
                self.text += &format!("step {}: {} <waiting ...>\n", self.name(*step), self.sql(*step));
            }
            Happening::Completed { step, waited: true } => {
                self.text += &format!("step {}: <... completed>\n", self.name(*step));
            }
            Happening::Completed { step, waited: false } => {
                self.text += &format!("step {}: {}\n", self.name(*step), self.sql(*step));
            }
            Happening::Outcome(outcome) => self.outcome(outcome),
            Happening::Fixture(outcome) => self.outcome(outcome),
            Happening::Notified { session, notification, sender } => {
                let sender = match sender {
                    Some(sender) => self.plan.sessions[*sender].name.clone(),
                    None => format!("PID {}", notification.pid),
                };
                self.text += &format!(
                    "{}: NOTIFY \"{}\" with payload \"{}\" from {sender}\n",
                    self.plan.sessions[*session].name, notification.channel, notification.payload
                );
            }
            Happening::Cancelled { step, after } => {
                let step = self.name(*step);
                self.text += &format!("isolationtester: canceling step {step} after {} seconds\n", after.as_secs());
            }
            Happening::Forgiven(halt) => self.halt(halt),
        }
    }

    /// Adds why it was given up.
    pub(super) fn halt(&mut self, halt: &Halt) {
        self.text += &match halt {
            Halt::Connection { number, reason } => format!("Connection {number} failed: {reason}\n"),
            Halt::Fixture { what, session, batch, outcome } => {
                let owner = match session {
                    Some(session) => format!(" of session {}", self.plan.sessions[*session].name),
                    None => String::new(),
                };
                let reason = match outcome {
                    Outcome::Failed(error) => message(error, Some(&batch.sql)),
                    Outcome::Unexpected(reason) => format!("{reason}\n"),
                    Outcome::TimedOut { limit, stopped } => {
                        format!("not over after {} seconds: {stopped}\n", limit.as_secs())
                    }
                    Outcome::Lost | Outcome::Command | Outcome::Rows(_) => LOST.to_owned(),
                };
                format!("{what}{owner} failed: {reason}")
            }
            Halt::SessionLost { step } => {
                format!("failed to send query for step {}: no connection to the server\n\n", self.name(*step))
            }
            Halt::TimedOut { step, after, active } => {
                let mut text = format!("step {} timed out after {} seconds\n", self.name(*step), after.as_secs());
                if !active.is_empty() {
                    let active: Vec<String> = active.iter().map(|&step| format!(" {}", self.name(step))).collect();
                    text += &format!("active steps are:{}\n", active.concat());
                }
                text
            }
            Halt::MutuallyBlocking => "failed to complete permutation due to mutually-blocking steps\n".to_owned(),
            Halt::Unknown(reason) => format!("lock wait query failed: {reason}\n"),
        };
    }

    fn name(&self, step: usize) -> &str {
        &self.plan.steps[step].name
    }

    fn sql(&self, step: usize) -> &str {
        &self.plan.steps[step].batch.sql
    }

    fn outcome(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Command | Outcome::TimedOut { .. } => {}
            Outcome::Rows(table) => table::print(&mut self.text, table),
            Outcome::Failed(error) => self.text += &format!("{}:  {}\n", error.severity, error.message),
            Outcome::Lost => self.text += &format!("{LOST}\n"),
            Outcome::Unexpected(reason) => self.text += &format!("unexpected result status: {reason}\n"),
        }
    }
}

/// A message as libpq composes it by default (fe-protocol3.c, pqBuildErrorMessage3): with the text that was sent, its line
/// and the context, which are for errors only.
fn message(message: &SqlError, sent: Option<&str>) -> String {
    let mut text = format!("{}:  {}\n", message.severity, message.message);
    if let Some((sent, position)) = sent.zip(message.position) {
        text += &excerpt(sent, position as usize);
    }
    let context = message.context.as_ref().filter(|_| sent.is_some());
    for (label, part) in [("DETAIL", message.detail.as_ref()), ("HINT", message.hint.as_ref()), ("CONTEXT", context)] {
        if let Some(part) = part {
            text += &format!("{label}:  {part}\n");
        }
    }
    text
}

/// The line of a position, in characters from 1, with a caret below it (fe-protocol3.c, reportErrorPosition). A long line
/// is cut so that what surrounds the position is seen.
fn excerpt(sent: &str, position: usize) -> String {
    const WIDTH: usize = 60;
    const AFTER: usize = 10;
    let before: String = sent.chars().take(position.saturating_sub(1)).collect();
    let number = before.matches('\n').count() + 1;
    let at = before.rsplit('\n').next().unwrap_or_default().chars().count();
    let line = sent.split('\n').nth(number - 1).unwrap_or_default();
    let line: Vec<char> = line.trim_end_matches('\r').chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
    let (mut begin, mut end) = (0, line.len());
    if end > WIDTH {
        end = if WIDTH >= at + AFTER { WIDTH } else { end.min(at + AFTER) };
        begin = end.saturating_sub(WIDTH);
    }
    let dots = |is_cut: bool| if is_cut { "..." } else { "" };
    let head = format!("LINE {number}: {}", dots(begin > 0));
    let shown: String = line[begin..end].iter().collect();
    let blanks = head.chars().count() + at.saturating_sub(begin);
    format!("{head}{shown}{}\n{:blanks$}^\n", dots(end < line.len()), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_an_error_is_cut_around_its_position() {
        let long = format!("{}x{}", "a".repeat(100), "b".repeat(100));
        let cut = format!("LINE 1: ...{}x{}...\n{:61}^\n", "a".repeat(50), "b".repeat(9), "");
        let right = format!("LINE 1: {}...\n{:13}^\n", "a".repeat(60), "");
        for (sent, position, expected) in [
            ("SELECT x", 8, "LINE 1: SELECT x\n               ^\n"),
            ("\n\tSELECT x;\n", 10, "LINE 2:  SELECT x;\n                ^\n"),
            (&long, 101, &cut),
            (&long, 6, &right),
        ] {
            assert_eq!(excerpt(sent, position), expected, "{sent}");
        }
    }
}
