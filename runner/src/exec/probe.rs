//! One workload after the other, each for a moment, in a session that stays: what looks for leaks asks this first.

use std::time::{Duration, Instant};

use memcheck_core::ScenarioKind;
use tokio_postgres::SimpleQueryMessage;

use super::engine;
use super::failure::{Cause, Failure, Step};
use super::outcome::{ScenarioOutcome, Targets, Window};
use super::scenario;
use super::session::Session;
use super::shown::values;
use super::workload::BARE;
use crate::language::ast::Trace;
use crate::plan::{Case, Values};
use crate::server::Server;

/// How long a statement may take, for the server.
const STATEMENT: &str = "1s";

/// The same for whoever waits for one that does not see to interrupts.
const LIMIT: Duration = Duration::from_secs(6);

/// So many statements are under way at a time.
const PIPELINED: usize = 16;

/// SQLSTATE of a statement that was cancelled (query_canceled).
const CANCELED: &str = "57014";

/// Two executions.
const ONE: Values = Values { i: 1, rows: 0 };
const OTHER: Values = Values { i: 2, rows: 0 };

/// How much of an answer is looked at, in bytes.
const ANSWER: usize = 1 << 16;

/// What came of a statement.
#[derive(Debug)]
pub enum Answer {
    /// Rows.
    Rows {
        /// How many.
        count: usize,
        /// The values, as text, as far as they are looked at.
        text: String,
        /// Whether there is nothing but NULL.
        is_null: bool,
        /// How long it took.
        took: Duration,
    },
    /// An error of the server's.
    Error {
        /// SQLSTATE
        code: String,
        /// Its words.
        message: String,
    },
    /// It took too long.
    Late,
    /// The session is gone.
    Lost(Box<Failure>),
}

impl Answer {
    /// What keeps a statement from its end.
    pub fn words(&self) -> String {
        match self {
            Answer::Rows { .. } => String::new(),
            Answer::Error { message, .. } => message.clone(),
            Answer::Late => "it takes too long".to_owned(),
            Answer::Lost(failure) => failure.headline(),
        }
    }
}

/// What a session holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Bytes of the targets, in contexts and from malloc.
    pub bytes: i64,
    /// Allocations.
    pub allocations: i64,
    /// Contexts of the session, whoever has made them.
    pub contexts: i64,
}

impl Held {
    /// Whether there is more than there was.
    pub fn is_more_than(self, before: Self) -> bool {
        self.bytes > before.bytes || self.allocations > before.allocations || self.contexts > before.contexts
    }
}

/// A session in which one thing after the other is tried, opened again where it is lost.
pub struct Prober<'a> {
    server: &'a Server,
    database: String,
    targets: Targets,
    session: Option<Session<'a>>,
    /// A database that is copied for what brings all that it needs.
    pattern: Option<&'static str>,
    /// The last place of which the session has told that it allocates; none where it cannot tell.
    last_site: Option<i32>,
}

/// The copy.
const COPY: &str = "mcspec_copy";

impl<'a> Prober<'a> {
    /// In a database that has the engine. The libraries that are charged are those of the targets.
    pub fn new(server: &'a Server, database: &str, targets: Targets) -> Self {
        Prober { server, database: database.to_owned(), targets, session: None, pattern: None, last_site: Some(0) }
    }

    /// The same, with a database of which a copy is made for what brings all that it needs.
    pub fn with_pattern(self, pattern: Option<&'static str>) -> Self {
        Prober { pattern, ..self }
    }

    /// Ends the session: the next statement has another one.
    pub fn renew(&mut self) {
        if let Some(session) = self.session.take() {
            // What it has to say about its end was looked at before, or comes again.
            let _ = session.end(Ok(()));
        }
    }

    fn session(&mut self) -> Result<&mut Session<'a>, Failure> {
        if self.session.is_none() {
            let options = engine::tracing(Trace::On, &self.targets);
            let options = format!("{options} -c statement_timeout={STATEMENT}");
            self.session = Some(Session::open(self.server, &self.database, &options, LIMIT)?);
            self.last_site = self.last_site.map(|_| 0);
        }
        let session = self.session.as_mut().expect("it was opened");
        session.give(LIMIT);
        Ok(session)
    }

    /// Executes a statement once.
    pub fn ask(&mut self, sql: &str) -> Answer {
        let started = Instant::now();
        let asked =
            self.session().and_then(|session| session.run(&Step::WarmUp(1), None, |client| client.simple_query(sql)));
        match asked {
            Ok(messages) => rows(&messages, started.elapsed()),
            Err(failure) => self.not_answered(failure),
        }
    }

    fn not_answered(&mut self, failure: Failure) -> Answer {
        if failure.lost_the_session() {
            self.session = None;
            return Answer::Lost(Box::new(failure));
        }
        match failure.cause {
            Cause::Sql(error) if error.code == CANCELED => Answer::Late,
            Cause::Sql(error) => Answer::Error { code: error.code, message: error.message },
            Cause::Timeout { .. } => {
                self.session = None;
                Answer::Late
            }
            _ => {
                self.session = None;
                Answer::Lost(Box::new(failure))
            }
        }
    }

    /// Executes statements in order, behind whose errors the rest is executed all the same; and leaves no transaction open. None waits
    /// for the answer to the one before: on a machine that is busy, most of the time would be spent in waiting for a processor.
    ///
    /// # Errors
    ///
    /// The first that failed, or that lost the session.
    pub fn send<S: AsRef<str>>(&mut self, statements: impl IntoIterator<Item = S>) -> Result<(), Answer> {
        let statements: Vec<S> = statements.into_iter().collect();
        let statements: Vec<&str> = statements.iter().map(AsRef::as_ref).collect();
        // While it reads what is copied, the server understands no other statement.
        let is_copied = statements.iter().any(|sql| sql.to_ascii_lowercase().contains("copy"));
        let mut first = None;
        for some in statements.chunks(if is_copied { 1 } else { PIPELINED }) {
            let limit = LIMIT * some.len() as u32;
            let sent = self.session().and_then(|session| {
                session.give(limit);
                session.simple_all(some, &Step::WarmUp(1))
            });
            let answers = sent.unwrap_or_else(|failure| vec![Err(failure)]);
            for failure in answers.into_iter().filter_map(Result::err) {
                match self.not_answered(failure) {
                    answer @ Answer::Error { .. } => drop(first.get_or_insert(answer)),
                    answer => first = Some(answer),
                }
            }
            if matches!(first, Some(Answer::Late | Answer::Lost(_))) {
                break;
            }
        }
        if self.session.as_ref().is_some_and(Session::is_in_transaction) {
            self.ask("ROLLBACK");
        }
        first.map_or(Ok(()), Err)
    }

    /// The places in the targets that have allocated in this session since that was asked last: libraries and offsets.
    pub fn new_sites(&mut self) -> Vec<(String, i64)> {
        let Some(last) = self.last_site.filter(|_| self.session.is_some()) else { return Vec::new() };
        let sql = format!("SELECT number, source_lib, site_offset FROM ext_memcheck.sites_reached({last})");
        let asked = self.session().and_then(|session| session.query(&sql, &[], &Step::Engine("sites_reached"), None));
        match asked {
            Ok(rows) => {
                self.last_site = rows.iter().map(|row| row.get(0)).max().or(Some(last));
                rows.iter().map(|row| (row.get(1), row.get(2))).collect()
            }
            // An engine that is older does not know.
            Err(failure) => {
                if failure.lost_the_session() {
                    self.session = None;
                } else {
                    self.last_site = None;
                }
                Vec::new()
            }
        }
    }

    /// What the session holds now.
    pub fn held(&mut self) -> Option<Held> {
        let sql = "SELECT bytes, allocations, (SELECT count(*) FROM pg_catalog.pg_backend_memory_contexts) FROM ext_memcheck.live_totals()";
        let rows =
            self.session().and_then(|session| session.query(sql, &[], &Step::Engine("live_totals"), None)).ok()?;
        let row = rows.first()?;
        Some(Held { bytes: row.get(0), allocations: row.get(1), contexts: row.get(2) })
    }

    /// Looks at the first scenario of a case, in this session where it is repeated plainly and otherwise in one of its own.
    ///
    /// # Errors
    ///
    /// What kept it from its end.
    pub fn look(&mut self, case: &Case) -> Result<Vec<Window>, Box<Failure>> {
        let wanted = &case.scenarios[0];
        // In a session that has seen keys already they are not new.
        let has_keys = wanted.workload.statements.iter().any(|statement| statement.text(ONE) != statement.text(OTHER));
        if has_keys || wanted.kind != ScenarioKind::GrowthBenchmark {
            let outcome = self.look_afresh(case);
            return outcome.failure.map_or(Ok(outcome.windows), |failure| Err(Box::new(failure)));
        }
        let (server, timeout) = (self.server, wanted.timeout);
        let looked = self.session().and_then(|session| {
            session.give(timeout);
            session.blocks(&wanted.setup, &Step::Setup)?;
            let window = scenario::repeat_in(server, session, case, wanted, BARE)?;
            session.blocks(&wanted.teardown, &Step::Teardown)?;
            Ok(vec![window])
        });
        looked.map_err(|failure| {
            // What is open or left behind is not for the next.
            self.session = None;
            Box::new(failure)
        })
    }

    /// Looks at it where there is nothing that it has not made itself.
    pub fn look_alone(&mut self, case: &Case) -> ScenarioOutcome {
        let Some(pattern) = self.pattern else { return self.look_afresh(case) };
        let copied =
            Session::open(self.server, self.server.maintenance_database(), "", LIMIT).and_then(|mut session| {
                let drop = format!("DROP DATABASE IF EXISTS {COPY} WITH (FORCE)");
                let copy = format!("CREATE DATABASE {COPY} TEMPLATE {pattern}");
                let done = [drop, copy].iter().try_for_each(|sql| session.simple(sql, &Step::Database, None));
                session.end(done)
            });
        if copied.is_err() {
            return self.look_afresh(case);
        }
        scenario::run(self.server, COPY, case, 0, &self.targets, &mut |_, _| {})
    }

    /// Looks at it in a session of its own.
    pub fn look_afresh(&mut self, case: &Case) -> ScenarioOutcome {
        scenario::run(self.server, &self.database, case, 0, &self.targets, &mut |_, _| {})
    }
}

/// What rows say.
fn rows(messages: &[SimpleQueryMessage], took: Duration) -> Answer {
    let (mut count, mut text, mut is_null) = (0, String::new(), true);
    for message in messages {
        let SimpleQueryMessage::Row(row) = message else { continue };
        count += 1;
        for value in values(row) {
            is_null &= value.is_none();
            if text.len() < ANSWER {
                text += value.unwrap_or("\u{0}");
                text.push('\u{1}');
            }
        }
    }
    Answer::Rows { count, text, is_null, took }
}

/// The libraries that a case is about, found in a database that has its extensions.
///
/// # Errors
///
/// What the server says.
pub fn targets_of(server: &Server, database: &str, case: &Case) -> Result<Targets, Failure> {
    let mut session = Session::open(server, database, "", LIMIT)?;
    let found = super::targets::find(&mut session, case);
    session.end(found)
}

/// Why allocations cannot be traced on a server; none where they can.
///
/// # Errors
///
/// What the server says.
pub fn why_untraced(server: &Server, database: &str) -> Result<Option<String>, Failure> {
    let mut session = Session::open(server, database, "", LIMIT)?;
    let why = super::case::why_untraced(&mut session);
    session.end(why)
}
