//! What happens in permutations, in the words of isolationtester (isolationtester.c).

use super::table;
use crate::exec::failure::SqlError;
use crate::exec::sessions::connection::Outcome;
use crate::exec::sessions::performance::{Halt, Happening};
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
                self.text += &format!("{}: {}", self.plan.sessions[*session].name, message(notice, false));
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
            Halt::Fixture { what, session, outcome } => {
                let owner = match session {
                    Some(session) => format!(" of session {}", self.plan.sessions[*session].name),
                    None => String::new(),
                };
                let reason = match outcome {
                    Outcome::Failed(error) => message(error, true),
                    Outcome::Unexpected(reason) => format!("{reason}\n"),
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
            Outcome::Command => {}
            Outcome::Rows(table) => table::print(&mut self.text, table),
            Outcome::Failed(error) => self.text += &format!("{}:  {}\n", error.severity, error.message),
            Outcome::Lost => self.text += &format!("{LOST}\n"),
            Outcome::Unexpected(reason) => self.text += &format!("unexpected result status: {reason}\n"),
        }
    }
}

/// A message as libpq composes it by default (fe-protocol3.c, pqBuildErrorMessage3): the context of errors only.
fn message(message: &SqlError, with_context: bool) -> String {
    let mut text = format!("{}:  {}\n", message.severity, message.message);
    let context = message.context.as_ref().filter(|_| with_context);
    for (label, part) in
        [("DETAIL", message.detail.as_ref()), ("HINT", message.hint.as_ref()), ("CONTEXT", context)]
    {
        if let Some(part) = part {
            text += &format!("{label}:  {part}\n");
        }
    }
    text
}
