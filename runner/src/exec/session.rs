//! A connection to a backend, watched by a deadline, whose errors become failures.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::error::{DbError, SqlState};
use postgres::types::{ToSql, Type};
use postgres::{Client, Row};

use super::deadline::Deadline;
use super::failure::{Cause, Failure, SqlError, Step, sentence};
use super::outcome::Message;
use crate::plan::{Place, Setting, Sql, Values};
use crate::server::{Server, ServerError};

/// How long to wait for the postmaster to log why a backend ended.
const LOG_DELAY: Duration = Duration::from_secs(2);

/// The hint of an error whose cause another process has logged (checkpointer.c, RequestCheckpoint).
const SEE_LOG: &str = "Consult recent messages in the server log for details.";

/// How many messages of a session are kept: a workload that raises one has said it all after a few iterations.
const MESSAGES: usize = 1000;

/// A session with a time limit.
pub(super) struct Session<'a> {
    server: &'a Server,
    // Dropped before the client: what is no longer watched is not stopped.
    deadline: Deadline,
    client: Client,
    pid: i32,
    messages: Arc<Mutex<Vec<Message>>>,
}

impl<'a> Session<'a> {
    /// Connects to a database with options of the server's command line. The session has that long from now on.
    pub(super) fn open(server: &'a Server, database: &str, options: &str, limit: Duration) -> Result<Self, Failure> {
        let messages = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&messages);
        let collect = move |notice: DbError| {
            let message = Message { severity: notice.severity().to_owned(), text: notice.message().to_owned() };
            let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
            if collected.len() < MESSAGES {
                collected.push(message);
            }
        };
        let mut client = server.connect_with(database, options, collect).map_err(|error| no_server(&error))?;
        let pid = client
            .query_typed("SELECT pg_catalog.pg_backend_pid()", &[])
            .map_err(|error| Failure::new(Step::Server, Cause::Protocol(sentence(&error))))?;
        let pid = pid.first().map_or(0, |row| row.get(0));
        let deadline = Deadline::start(limit, client.cancel_token(), server.backend(pid));
        Ok(Session { server, deadline, client, pid, messages })
    }

    /// The time until it is stopped.
    pub(super) fn time_left(&self) -> Duration {
        self.deadline.left()
    }

    /// The messages that have come since the last call.
    pub(super) fn take_messages(&self) -> Vec<Message> {
        std::mem::take(&mut self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends one Query message and ignores its rows.
    pub(super) fn simple(&mut self, sql: &str, step: &Step, place: Option<&Place>) -> Result<(), Failure> {
        self.run(step, place, |client| client.batch_execute(sql))
    }

    /// Sends a query with text parameters, as an unnamed statement.
    pub(super) fn query(
        &mut self,
        sql: &str,
        parameters: &[&str],
        step: &Step,
        place: Option<&Place>,
    ) -> Result<Vec<Row>, Failure> {
        let typed: Vec<(&(dyn ToSql + Sync), Type)> =
            parameters.iter().map(|parameter| (parameter as &(dyn ToSql + Sync), Type::TEXT)).collect();
        self.run(step, place, |client| client.query_typed(sql, &typed))
    }

    /// Sends the statements of blocks one by one.
    pub(super) fn blocks(&mut self, blocks: &[Sql], step: &Step) -> Result<(), Failure> {
        for statement in blocks.iter().flat_map(|block| &block.statements) {
            self.simple(&statement.text(Values::default()), step, Some(&statement.place))?;
        }
        Ok(())
    }

    /// Applies `set` clauses.
    pub(super) fn settings<'s>(&mut self, settings: impl IntoIterator<Item = &'s Setting>) -> Result<(), Failure> {
        for Setting { name, value, place } in settings {
            self.set(name, value, Some(place))?;
        }
        Ok(())
    }

    /// Sets a parameter for the session. The value is what postgresql.conf would hold, so that a list stays a list.
    pub(super) fn set(&mut self, name: &str, value: &str, place: Option<&Place>) -> Result<(), Failure> {
        let sql = "SELECT pg_catalog.set_config($1, $2, false)";
        self.query(sql, &[name, value], &Step::Setting(name.to_owned()), place).map(drop)
    }

    /// Lets the client do something and makes a failure of its error.
    pub(super) fn run<T>(
        &mut self,
        step: &Step,
        place: Option<&Place>,
        call: impl FnOnce(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T, Failure> {
        let failure = |cause| Failure { step: step.clone(), place: place.cloned(), cause };
        if let Some((limit, stopped)) = self.deadline.passed() {
            return Err(failure(Cause::Timeout { limit, stopped }));
        }
        call(&mut self.client).map_err(|error| failure(self.cause(&error)))
    }

    fn cause(&self, error: &postgres::Error) -> Cause {
        if let Some((limit, stopped)) = self.deadline.passed() {
            return Cause::Timeout { limit, stopped };
        }
        // A backend says so itself where its postmaster is gone ("unexpected postmaster exit"), if it finds the time.
        let is_orphaned = error.code() == Some(&SqlState::ADMIN_SHUTDOWN) && self.server.ended().is_some();
        if let Some(error) = error.as_db_error().filter(|_| !is_orphaned) {
            let mut error = SqlError::from(error);
            if error.hint.as_deref() == Some(SEE_LOG) {
                // The log goes with the server.
                error.detail = last_error(&self.server.log_tail(200), &error.message);
                error.hint = None;
            }
            return Cause::Sql(Box::new(error));
        }
        if is_orphaned || error.is_closed() || self.client.is_closed() {
            return Cause::ConnectionLost { pid: self.pid, log: log_about(self.server, self.pid) };
        }
        Cause::Protocol(sentence(error))
    }
}

/// The failure of a server that cannot be started or connected to.
pub(super) fn no_server(error: &ServerError) -> Failure {
    Failure::new(Step::Server, Cause::Server { message: error.to_string(), hint: error.hint() })
}

/// What the server's log says about the end of a backend. The postmaster writes it when it has reaped the process, which
/// may be after the client has seen its connection closed.
fn log_about(server: &Server, pid: i32) -> Vec<String> {
    let until = Instant::now() + LOG_DELAY;
    loop {
        let log = server.log_tail(200);
        let lines = lines_about(&log, pid);
        if !lines.is_empty() {
            return lines;
        }
        if let Some(status) = server.ended() {
            return vec![format!("the postmaster ended with {status}")];
        }
        if Instant::now() >= until {
            return log.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev().map(str::to_owned).collect();
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The last words of a backend and the postmaster's report of its end (postmaster.c, LogChildExit) with its DETAIL, without
/// line prefixes. Nothing until there is such a report.
fn lines_about(log: &str, pid: i32) -> Vec<String> {
    let marker = format!("(PID {pid})");
    let message = |line: &str| {
        let levels = ["LOG:  ", "DETAIL:  ", "HINT:  "];
        levels.iter().find_map(|level| Some(line[line.find(level)?..].to_owned()))
    };
    // As log_line_prefix makes it.
    let own = format!("[{pid}] ");
    let last_word = log.lines().filter_map(|line| line.strip_prefix(&own)).rfind(|line| line.starts_with("PANIC"));
    let mut lines = log.lines().skip_while(|line| !line.contains(&marker));
    let Some(first) = lines.next() else { return Vec::new() };
    let first = message(first).unwrap_or_else(|| first.to_owned());
    let rest = lines.map_while(|line| message(line).filter(|line| !line.starts_with("LOG")));
    last_word.map(str::to_owned).into_iter().chain([first]).chain(rest).collect()
}

/// The last error in a log besides the one with that message.
fn last_error(log: &str, message: &str) -> Option<String> {
    let error = |line: &str| Some(format!("the server's log says: {}", &line[line.find("ERROR:  ")?..]));
    log.lines().rev().filter(|line| !line.ends_with(message)).find_map(error)
}

#[cfg(test)]
mod tests {
    use super::{last_error, lines_about};

    #[test]
    fn the_log_is_searched_for_the_cause() {
        let log = "[8] ERROR:  could not write to file \"x\": No space left on device\n[9] ERROR:  checkpoint request failed\n";
        let expected = "the server's log says: ERROR:  could not write to file \"x\": No space left on device";
        assert_eq!(last_error(log, "checkpoint request failed").as_deref(), Some(expected));
        assert_eq!(last_error("[8] LOG:  x\n", "y"), None);
    }

    #[test]
    fn the_log_is_searched_for_the_end_of_the_backend() {
        let log = "\
2026-01-01 00:00:00 UTC [7] LOG:  database system is ready to accept connections
2026-01-01 00:00:01 UTC [7] LOG:  server process (PID 42) was terminated by signal 9: Killed
2026-01-01 00:00:01 UTC [7] DETAIL:  Failed process was running: SELECT 1
2026-01-01 00:00:01 UTC [7] LOG:  terminating any other active server processes
";
        let expected = [
            "LOG:  server process (PID 42) was terminated by signal 9: Killed",
            "DETAIL:  Failed process was running: SELECT 1",
        ];
        assert_eq!(lines_about(log, 42), expected);
        let panic = format!("[42] PANIC:  no space\n{log}");
        assert_eq!(lines_about(&panic, 42)[0], "PANIC:  no space");
        assert_eq!(lines_about("[42] PANIC:  no space\n", 42), [""; 0]);
        assert_eq!(lines_about(log, 4), [""; 0]);
    }
}
