//! A connection to a backend, watched by a deadline, whose errors become failures.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, SimpleQueryMessage, SimpleQueryRow};

use super::client::{Client, Unanswered};
use super::deadline::Deadline;
use super::failure::{Cause, Failure, SqlError, Step, Stopped};
use super::outcome::Message;
use super::quote::quoted;
use crate::plan::{Place, Setting, Sql, Values};
use crate::server::{Crash, Server, ServerError};

/// How long a backend may take to end whose connection is gone: it may have to write a core file first.
pub(super) const END_DELAY: Duration = Duration::from_secs(20);

/// A backend can notice the end of its postmaster before the one who has started that can: its pipe is closed first.
const ORPHAN_DELAY: Duration = Duration::from_secs(1);

/// The hint of an error whose cause another process has logged (checkpointer.c, RequestCheckpoint).
const SEE_LOG: &str = "Consult recent messages in the server log for details.";

/// How many messages of a session are kept: a workload that raises one has said it all after a few iterations.
const MESSAGES: usize = 1000;

/// A session with a time limit.
pub(crate) struct Session<'a> {
    server: &'a Server,
    // Dropped before the client: what is no longer watched is not stopped.
    deadline: Deadline,
    client: Client,
    pid: i32,
    messages: Arc<Mutex<Vec<Message>>>,
    /// Where the server's log ended before.
    position: u64,
    /// The last statement of the spec that was sent.
    place: Option<Place>,
}

impl<'a> Session<'a> {
    /// Connects to a database with options of the server's command line. The session has that long from now on.
    pub(crate) fn open(server: &'a Server, database: &str, options: &str, limit: Duration) -> Result<Self, Failure> {
        let messages = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&messages);
        let collect = move |notice: DbError| {
            let message = Message { severity: notice.severity().to_owned(), text: notice.message().to_owned() };
            let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
            if collected.len() < MESSAGES {
                collected.push(message);
            }
        };
        let position = server.log_position();
        let settings = server.settings(database, options);
        let connected = server.when_ready(database, || {
            Client::open(&settings, collect.clone()).map_err(|source| server.unreached(database, source))
        });
        let mut client = connected.map_err(|error| no_server(&error))?;
        client.give_up_at(Instant::now() + limit);
        let pid = client.query_typed("SELECT pg_catalog.pg_backend_pid()", &[]).map_err(|unanswered| {
            let crash = server.crashes_since(position).into_iter().next();
            let cause = match (crash, unanswered) {
                (Some(crash), _) => Cause::Crash(Box::new(crash)),
                (None, Unanswered::Error(error)) => Cause::Protocol(error.to_string()),
                (None, Unanswered::Silent) => Cause::Timeout { limit, stopped: Stopped::Left },
            };
            Failure::new(Step::SessionStart, cause)
        })?;
        let pid = pid.first().map_or(0, |row| row.get(0));
        let deadline = Deadline::start(limit, client.canceller(), server.backend(pid));
        client.give_up_at(deadline.gives_up());
        Ok(Session { server, deadline, client, pid, messages, position, place: None })
    }

    /// Makes the session fit for more after something in it has failed, and gives it that long from now on.
    pub(crate) fn recover(&mut self, limit: Duration) -> Result<(), Failure> {
        self.give(limit);
        let messages = self.take_messages();
        self.simple("ROLLBACK", &Step::Teardown, None)?;
        // It warns where there is no transaction.
        *self.messages.lock().unwrap_or_else(PoisonError::into_inner) = messages;
        Ok(())
    }

    /// Gives it that long from now on, whatever it has used up.
    pub(super) fn give(&mut self, limit: Duration) {
        if !self.deadline.again(limit) {
            self.deadline = Deadline::start(limit, self.client.canceller(), self.server.backend(self.pid));
        }
        self.client.give_up_at(self.deadline.gives_up());
    }

    /// What COPY from standard input is given from now on.
    pub(super) fn supply(&self, data: Option<Arc<[u8]>>) {
        self.client.supply().set(data);
    }

    /// Ends the session after what was done in it, as [`Self::close`] does.
    pub(crate) fn end<T>(self, done: Result<T, Failure>) -> Result<T, Failure> {
        match done {
            Ok(done) => self.close().map(|()| done),
            Err(failure) if failure.all().any(Failure::lost_the_session) => Err(failure),
            Err(failure) => Err(failure.then(self.close().err())),
        }
    }

    /// Ends the session, and waits until its backend has ended as well, which runs callbacks of libraries on its way.
    fn close(self) -> Result<(), Failure> {
        let Session { server, deadline, client, pid, position, place, .. } = self;
        let failure = |cause| Err(Failure::at(Step::SessionEnd, place.as_ref(), cause));
        let before = deadline.passed();
        // Says so to the backend.
        drop(client);
        // Stopped when its time is up, and then it ends.
        server.wait_ended(pid, deadline.left() + END_DELAY);
        if let Some(cause) = deadline.passed().filter(|_| before.is_none()) {
            return failure(cause);
        }
        match server.crashes_since(position).into_iter().find(|crash| crash.pid == pid) {
            // What it ran last is over.
            Some(crash) => failure(Cause::Crash(Box::new(Crash { statement: None, ..crash }))),
            None => Ok(()),
        }
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
    pub(crate) fn simple(&mut self, sql: &str, step: &Step, place: Option<&Place>) -> Result<(), Failure> {
        self.run(step, place, |client| client.batch_execute(sql))
    }

    /// Sends Query messages without waiting for the answer to one before the next. What became of each, as far as the session went.
    pub(super) fn simple_all(&mut self, statements: &[&str], step: &Step) -> Result<Vec<Result<(), Failure>>, Failure> {
        let answers = self.run(step, None, |client| client.batch_execute_all(statements))?;
        let mut all = Vec::new();
        for answer in answers {
            let answer =
                answer.map_err(|refusal| Failure::at(step.clone(), None, self.cause(&Unanswered::Error(refusal))));
            let is_lost = answer.as_ref().is_err_and(Failure::lost_the_session);
            all.push(answer);
            if is_lost {
                break;
            }
        }
        Ok(all)
    }

    /// Sends one Query message. Gives the rows of its last result, with the names of the columns.
    pub(super) fn rows(&mut self, sql: &str, step: &Step, place: &Place) -> Result<Vec<SimpleQueryRow>, Failure> {
        let messages = self.run(step, Some(place), |client| client.simple_query(sql))?;
        let mut rows = Vec::new();
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(_) => rows.clear(),
                SimpleQueryMessage::Row(row) => rows.push(row),
                _ => {}
            }
        }
        Ok(rows)
    }

    /// Sends a query with text parameters, as an unnamed statement.
    pub(crate) fn query(
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

    /// Whether a transaction is open, failed or not.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.client.is_in_transaction()
    }

    /// Whether a transaction is open that has failed.
    pub(super) fn is_in_failed_transaction(&self) -> bool {
        self.client.is_in_failed_transaction()
    }

    /// Whether the session's role is a superuser, as it is at first.
    pub(super) fn is_superuser(&self) -> bool {
        self.client.is_superuser()
    }

    /// Does something that only the user who has connected may: what it calls of the engine is nobody else's, whatever role the
    /// spec has taken. The role is taken again afterwards.
    fn as_ourselves<T>(
        &mut self,
        step: &Step,
        act: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let roles = "SELECT pg_catalog.current_setting('session_authorization'), pg_catalog.current_setting('role')";
        let rows = self.call(step, None, |client| client.query_typed(roles, &[]))?;
        let own = "SET SESSION AUTHORIZATION DEFAULT";
        self.call(step, None, |client| client.batch_execute(own))?;
        let done = act(self)?;
        if let Some(row) = rows.first() {
            let (user, role) = (quoted(row.get(0), '"'), row.get::<_, &str>(1));
            let mut back = format!("SET SESSION AUTHORIZATION {user}");
            if role != "none" {
                back += &format!("; SET ROLE {}", quoted(role, '"'));
            }
            self.call(step, None, |client| client.batch_execute(&back))?;
        }
        Ok(done)
    }

    /// Lets the client do something and makes a failure of its error.
    pub(super) fn run<T>(
        &mut self,
        step: &Step,
        place: Option<&Place>,
        call: impl FnOnce(&mut Client) -> Result<T, Unanswered>,
    ) -> Result<T, Failure> {
        // What the server repeats is the spec's, and so is the role.
        let is_ours = matches!(step, Step::Engine(function) if *function != "run_scenario");
        if (is_ours || matches!(step, Step::Setting(_))) && !self.is_superuser() {
            return self.as_ourselves(step, |session| session.call(step, place, call));
        }
        self.call(step, place, call)
    }

    fn call<T>(
        &mut self,
        step: &Step,
        place: Option<&Place>,
        call: impl FnOnce(&mut Client) -> Result<T, Unanswered>,
    ) -> Result<T, Failure> {
        if place.is_some() {
            self.place = place.cloned();
        }
        if let Some(cause) = self.deadline.passed() {
            return Err(Failure::at(step.clone(), place, cause));
        }
        call(&mut self.client).map_err(|unanswered| {
            let cause = self.cause(&unanswered);
            let failure = Failure::at(step.clone(), place, cause);
            // The engine's own statements are of no place.
            if failure.lost_the_session() { Failure { place: self.place.clone(), ..failure } } else { failure }
        })
    }

    fn cause(&self, unanswered: &Unanswered) -> Cause {
        let error = match unanswered {
            Unanswered::Error(error) => error,
            Unanswered::Silent => return Cause::Timeout { limit: self.deadline.limit(), stopped: Stopped::Left },
        };
        if let Some(cause) = self.deadline.passed() {
            return cause;
        }
        // A backend says so itself where its postmaster is gone ("unexpected postmaster exit"), if it finds the time.
        let is_orphaned = error.code() == Some(&SqlState::ADMIN_SHUTDOWN) && self.server.ended_within(ORPHAN_DELAY);
        // A PANIC ends in SIGABRT.
        let is_panic = |error: &DbError| error.severity() == "PANIC";
        if let Some(error) = error.server().filter(|error| !is_orphaned && !is_panic(error)) {
            let mut error = SqlError::from(error);
            if error.hint.as_deref() == Some(SEE_LOG) {
                // The log goes with the server.
                error.detail = last_error(&self.server.log_tail(200), &error.message);
                error.hint = None;
            }
            error.backend = Some(self.pid).filter(|_| error.is_fatal());
            return Cause::Sql(Box::new(error));
        }
        if is_orphaned || error.server().is_some() || error.is_closed() || self.client.is_closed() {
            let words = error.server().map(SqlError::from);
            return lost(self.server, self.pid, self.position).unwrap_or_else(|log| match words {
                Some(error) => Cause::Sql(Box::new(SqlError { backend: Some(self.pid), ..error })),
                None => Cause::ConnectionLost { pid: self.pid, log },
            });
        }
        Cause::Protocol(error.to_string())
    }
}

/// Why a backend is gone whose session has begun when the server's log ended there: its own crash, or another process's that
/// the server has ended all others for, or the postmaster's end. Otherwise what it has written about its end.
pub(super) fn lost(server: &Server, pid: i32, position: u64) -> Result<Cause, Vec<String>> {
    server.wait_ended(pid, END_DELAY);
    let mut crashes = server.crashes_since(position);
    let own = crashes.iter().position(|crash| crash.pid == pid).unwrap_or(0);
    if own < crashes.len() {
        return Ok(Cause::Crash(Box::new(crashes.swap_remove(own))));
    }
    match server.gone() {
        Some(gone) => Ok(Cause::PostmasterGone(gone.to_string())),
        None => Err(server.last_words(position, pid)),
    }
}

/// The failure of a server that cannot be started or connected to.
pub(super) fn no_server(error: &ServerError) -> Failure {
    match error {
        ServerError::Crashed { crash, .. } => Failure::new(Step::SessionStart, Cause::Crash(crash.clone())),
        ServerError::Gone { .. } => Failure::new(Step::SessionStart, Cause::PostmasterGone(error.to_string())),
        _ => Failure::new(Step::Server, Cause::Server { message: error.to_string(), hint: error.hint() }),
    }
}

/// The last error in a log besides the one with that message.
fn last_error(log: &str, message: &str) -> Option<String> {
    let error = |line: &str| Some(format!("the server's log says: {}", &line[line.find("ERROR:  ")?..]));
    log.lines().rev().filter(|line| !line.ends_with(message)).find_map(error)
}

#[cfg(test)]
mod tests {
    use super::last_error;

    #[test]
    fn the_log_is_searched_for_the_cause() {
        let log = "[8] ERROR:  could not write to file \"x\": No space left on device\n[9] ERROR:  checkpoint request failed\n";
        let expected = "the server's log says: ERROR:  could not write to file \"x\": No space left on device";
        assert_eq!(last_error(log, "checkpoint request failed").as_deref(), Some(expected));
        assert_eq!(last_error("[8] LOG:  x\n", "y"), None);
    }
}
