//! A private server on which statements are tried: what works, what is refused and why, and what takes the server down.

use std::time::{Duration, Instant};

use tokio_postgres::Row;

use crate::exec::failure::{Cause, Failure, Step};
use crate::exec::{Installed, Session};
use crate::server::{Server, ServerOptions};

/// How long a statement may take, for the server.
const STATEMENT: &str = "3s";

/// The same for whoever waits for one that does not see to interrupts.
const LIMIT: Duration = Duration::from_secs(8);

/// Time for making a database, or an extension in it.
const PREPARE: Duration = Duration::from_secs(60);

/// SQLSTATE of a statement that was cancelled (query_canceled).
const CANCELED: &str = "57014";

/// Why something did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The server's words, or what became of it.
    pub message: String,
    /// Its HINT.
    pub hint: String,
    /// What it did.
    pub how: How,
}

/// What says that a library should have been preloaded: the name of the parameter, or what pgrx says of shared memory that was not there
/// to be asked for (lwlock.rs, atomics.rs).
const PRELOAD: [&str; 4] = [
    "shared_preload_libraries",
    "PgLwLock was not initialized",
    "PgLwLock is not initialized",
    "PgAtomic was not initialized",
];

impl Refused {
    /// Whether a library would have to be preloaded.
    pub fn wants_preload(&self) -> bool {
        PRELOAD.iter().any(|words| self.message.contains(words) || self.hint.contains(words))
    }
}

/// How a statement came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By an error.
    Error,
    /// It did not come back in time.
    Late,
    /// It ended its session.
    Session,
    /// A process crashed.
    Crash,
    /// There was no server to ask.
    NoServer,
}

/// A server and a session in a database of its own.
pub struct Trial<'a> {
    installed: &'a Installed,
    options: ServerOptions,
    /// The extensions that the database has.
    created: Vec<String>,
    /// What else it has.
    ground: Vec<String>,
    server: Option<Server>,
    /// Whether it is of use to know that a library should have been preloaded.
    pub hears_of_preload: bool,
}

/// The database in which everything is tried.
const DATABASE: &str = "mcspec_init";

/// A database that is copied, and in which nothing is tried.
const PATTERN: &str = "mcspec_pattern";

impl<'a> Trial<'a> {
    /// A trial on servers that preload these libraries and have these lines in their configuration. No server as yet.
    pub fn new(installed: &'a Installed, preload: &[String], conf: &[String]) -> Self {
        let conf = conf.iter().map(|line| line.replace(":'database'", &format!("'{DATABASE}'"))).collect();
        let options =
            ServerOptions { preload: preload.to_vec(), conf, name: "init".to_owned(), ..ServerOptions::default() };
        Trial { installed, options, created: Vec::new(), ground: Vec::new(), server: None, hears_of_preload: true }
    }

    /// Starts the server and makes the database, and an extension with all that it needs in it.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn create(&mut self, extensions: &[&str]) -> Result<(), Refused> {
        self.created = extensions.iter().map(|&name| name.to_owned()).collect();
        self.server = None;
        self.ready().map(drop)
    }

    /// Makes what the statements make that work, one by one, here and wherever the database is made again; at most for so long. Gives
    /// those that worked.
    ///
    /// # Errors
    ///
    /// Why there is no server.
    pub fn lay(&mut self, statements: &[String], time: Duration) -> Result<&[String], Refused> {
        let server = self.ready()?;
        let (laid, failure) = lay(server, statements, time);
        self.ground = laid;
        // One that takes the server down is not to do so again.
        if failure.is_some_and(|failure| failure.ended_all_sessions()) {
            self.server = None;
        }
        Ok(&self.ground)
    }

    /// Makes another database on the same server, with the same extensions and nothing else, and says how it is called.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn pattern(&mut self) -> Result<&'static str, Refused> {
        self.ready()?;
        let server = self.server.as_ref().expect("it lives");
        make(server, PATTERN, &self.created).map_err(|failure| refused(&failure))?;
        Ok(PATTERN)
    }

    /// The libraries that its servers preload.
    pub fn preload(&self) -> &[String] {
        &self.options.preload
    }

    /// The server, with the database in which everything is tried; started where there is none that lives.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn place(&mut self) -> Result<(&Server, &'static str), Refused> {
        Ok((self.ready()?, DATABASE))
    }

    /// The server, started where there is none that lives.
    fn ready(&mut self) -> Result<&Server, Refused> {
        if self.server.as_ref().is_some_and(Server::is_alive) {
            return Ok(self.server.as_ref().expect("it lives"));
        }
        let no_server = |error: crate::server::ServerError| Refused {
            message: error.to_string(),
            hint: error.hint().unwrap_or_default(),
            how: How::NoServer,
        };
        let server =
            Server::start(&self.installed.stage, &self.installed.template, &self.options).map_err(no_server)?;
        let server = self.server.insert(server);
        match make(server, DATABASE, &self.created) {
            Ok(()) => {
                lay(server, &self.ground, PREPARE);
                Ok(server)
            }
            Err(failure) => Err(refused(&failure)),
        }
    }

    /// Asks the catalogs, with a parameter.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn query(&mut self, sql: &str, parameter: &str) -> Result<Vec<Row>, Refused> {
        self.query_with("", sql, parameter)
    }

    /// The same in a session with options of the server's command line.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn query_with(&mut self, options: &str, sql: &str, parameter: &str) -> Result<Vec<Row>, Refused> {
        let server = self.ready()?;
        let mut session = Session::open(server, DATABASE, options, PREPARE).map_err(|failure| refused(&failure))?;
        let parameters = if sql.contains("$1") { vec![parameter] } else { Vec::new() };
        let rows = session.query(sql, &parameters, &Step::Database, None);
        session.end(rows).map_err(|failure| refused(&failure))
    }

    /// Tries what is sent one after the other, each in a transaction that is rolled back, until `enough` of it works; and what became
    /// of the last that did not. After what ends its session, nothing more is tried.
    pub fn those_that_work(&mut self, tries: &[Vec<String>], enough: usize) -> (Vec<(usize, Works)>, Option<Refused>) {
        let (mut found, mut why): (Vec<(usize, Works)>, Option<Refused>) = (Vec::new(), None);
        let opened = self
            .ready()
            .and_then(|server| Session::open(server, DATABASE, "", LIMIT).map_err(|failure| refused(&failure)));
        let mut session = match opened {
            Ok(session) => session,
            Err(refused) => return (found, Some(refused)),
        };
        let mut is_down = false;
        for (position, statements) in tries.iter().enumerate() {
            match attempt(&mut session, statements) {
                Ok(works) => found.push((position, works)),
                Err(failure) => {
                    is_down = failure.ended_all_sessions();
                    let refused = refused(&failure);
                    let is_over = refused.how != How::Error;
                    why = Some(refused);
                    if is_over {
                        break;
                    }
                }
            }
            if found.len() >= enough {
                break;
            }
        }
        drop(session);
        if is_down {
            // What is tried next is not to be ended by it.
            self.server = None;
        }
        (found, why)
    }
}

/// Makes a database with extensions and all that they need.
fn make(server: &Server, database: &str, extensions: &[String]) -> Result<(), Failure> {
    once(server, server.maintenance_database(), &format!("CREATE DATABASE {database} TEMPLATE template0"))?;
    extensions.iter().try_for_each(|name| {
        once(server, database, &format!("CREATE EXTENSION \"{}\" CASCADE", name.replace('"', "\"\"")))
    })
}

fn once(server: &Server, database: &str, sql: &str) -> Result<(), Failure> {
    let mut session = Session::open(server, database, "", PREPARE)?;
    let done = session.simple(sql, &Step::Database, None);
    session.end(done)
}

/// Executes statements in a session of their own. Gives those that worked, and what it ended with.
fn lay(server: &Server, statements: &[String], time: Duration) -> (Vec<String>, Option<Failure>) {
    let (started, mut laid) = (Instant::now(), Vec::new());
    let options = format!("-c statement_timeout={STATEMENT}");
    let mut session = match Session::open(server, DATABASE, &options, LIMIT) {
        Ok(session) => session,
        Err(failure) => return (laid, Some(failure)),
    };
    for sql in statements {
        if started.elapsed() >= time {
            break;
        }
        let done = session.recover(LIMIT).and_then(|()| session.simple(sql, &Step::Database, None));
        match done {
            Ok(()) => laid.push(sql.clone()),
            Err(failure) if failure.lost_the_session() => return (laid, Some(failure)),
            Err(_) => {}
        }
    }
    (laid, session.end(Ok(())).err())
}

/// How something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Works {
    /// Again and again.
    Repeatedly(Duration),
    /// Once; after that it has to be rolled back.
    Once(Duration),
}

/// Tries statements twice in a transaction that is rolled back.
fn attempt(session: &mut Session, statements: &[String]) -> Result<Works, Failure> {
    let step = Step::Spec;
    session.recover(LIMIT)?;
    session.simple(&format!("BEGIN; SET LOCAL statement_timeout = '{STATEMENT}'"), &step, None)?;
    let started = Instant::now();
    for sql in statements {
        session.simple(sql, &step, None)?;
    }
    let took = started.elapsed();
    for sql in statements {
        match session.simple(sql, &step, None) {
            Ok(()) => {}
            Err(failure) if failure.lost_the_session() => return Err(failure),
            Err(_) => return Ok(Works::Once(took)),
        }
    }
    Ok(Works::Repeatedly(took))
}

fn refused(failure: &Failure) -> Refused {
    let how = match &failure.cause {
        Cause::Sql(error) if error.is_fatal() => How::Session,
        Cause::Sql(error) if error.code == CANCELED => How::Late,
        Cause::Sql(_) => How::Error,
        Cause::Timeout { .. } => How::Late,
        Cause::Crash(_) | Cause::PostmasterGone(_) => How::Crash,
        Cause::ConnectionLost { .. } => How::Session,
        _ => How::Error,
    };
    let (message, hint) = match &failure.cause {
        Cause::Crash(crash) => (format!("its process {}", crash.end), String::new()),
        Cause::Sql(error) => (error.message.clone(), error.hint.clone().unwrap_or_default()),
        _ => (failure.headline(), String::new()),
    };
    Refused { message, hint, how }
}
