//! Workers with a server each, which run specs and write down what happens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use super::text::Transcript;
use crate::exec::failure::{Cause, Failure, Step, Stopped};
use crate::exec::sessions::transcript;
use crate::exec::{Installed, extension};
use crate::language::ast::Extension;
use crate::panicked::caught;
use crate::plan::Case;
use crate::server::{Server, ServerError, ServerOptions, is_interrupted};

/// The database in which all specs run (isolation_main.c, isolation_init). They tidy up after themselves.
const DATABASE: &str = "isolation_regression";

/// Settings of the server that pg_regress starts for `make check` (pg_regress.c, regression_main), where mcspec's own
/// are others. Without autovacuum, CREATE INDEX leaves the table without statistics from 18 on, and plans are others
/// (index.c, index_update_stats).
const CONF: [&str; 3] = ["max_prepared_transactions = 2", "max_parallel_workers_per_gather = 2", "autovacuum = on"];

/// A spec that was run.
#[derive(Debug)]
pub struct Transcribed {
    /// Position of the case.
    pub case: usize,
    /// What happened; the error is why there was no server to run it on, or no database with its extensions.
    pub text: Result<String, Failure>,
    /// Wall-clock time.
    pub elapsed: Duration,
}

/// Runs the specs on so many servers at the same time. A step may take `limit` until it is cancelled.
pub fn run(cases: &[Case], installed: &[Installed], jobs: usize, limit: Duration, done: &Sender<Transcribed>) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, cases.len().max(1)) {
            let (next, done) = (&next, done.clone());
            scope.spawn(move || {
                let mut worker = Worker { server: None };
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(position) else { return };
                    let started = Instant::now();
                    let transcribe = || worker.transcribe(&installed[case.installation], case, limit);
                    let text = match is_interrupted() {
                        true => Err(not_begun()),
                        false => caught(transcribe).unwrap_or_else(|panicked| {
                            worker.server = None;
                            Err(Failure::new(Step::Spec, Cause::Panicked(panicked.into())))
                        }),
                    };
                    let finished = Transcribed { case: position, text, elapsed: started.elapsed() };
                    if done.send(finished).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// Why a spec was not run in a run that is interrupted.
fn not_begun() -> Failure {
    Failure::new(Step::Spec, Cause::Interrupted { stopped: Stopped::Cancelled })
}

/// A worker's server, for cases with the same preloaded libraries and configuration.
struct Worker {
    server: Option<Ready>,
}

struct Ready {
    server: Server,
    options: ServerOptions,
    installation: usize,
    /// The extensions in its database; none as long as that is not as a spec may expect it.
    extensions: Option<Vec<Extension>>,
}

impl Worker {
    fn transcribe(&mut self, installed: &Installed, case: &Case, limit: Duration) -> Result<String, Failure> {
        let ready = self.ready(installed, case, limit)?;
        let mut transcript = Transcript::new(&case.sessions);
        let mut tell = |happening| transcript.add(&happening);
        let name = &case.name;
        let ended = transcript::run(&ready.server, DATABASE, name, &case.sessions, limit, &mut tell);
        if let Err(halt) = ended {
            transcript.halt(&halt);
            // What it has left behind would be in the way of the next.
            ready.extensions = None;
        }
        if !ready.server.is_alive() {
            self.server = None;
        }
        Ok(transcript.text)
    }

    /// The server that runs, or a new one in its place, with a database that has the case's extensions.
    fn ready(&mut self, installed: &Installed, case: &Case, limit: Duration) -> Result<&mut Ready, Failure> {
        let options = ServerOptions {
            preload_first: case.preload_first.clone(),
            preload: case.preload.clone(),
            conf: CONF
                .iter()
                .map(|&line| line.to_owned())
                .chain(case.conf.iter().map(|line| line.text.clone()))
                .collect(),
            name: "transcript".to_owned(),
        };
        let fits = |ready: &Ready| ready.options == options && ready.installation == case.installation;
        let mut ready = match self.server.take() {
            Some(ready) if fits(&ready) => ready,
            other => {
                drop(other);
                let server = Server::start(&installed.stage, &installed.template, &options).map_err(no_server)?;
                Ready { server, options, installation: case.installation, extensions: None }
            }
        };
        if ready.extensions.as_ref() != Some(&case.extensions) {
            make_database(&ready.server).map_err(no_server)?;
            extension::create(&ready.server, DATABASE, case, limit)?;
            ready.extensions = Some(case.extensions.clone());
        }
        Ok(self.server.insert(ready))
    }
}

fn no_server(error: ServerError) -> Failure {
    Failure::new(Step::Server, Cause::Server { message: error.to_string(), hint: error.hint() })
}

fn make_database(server: &Server) -> Result<(), ServerError> {
    let query = |sql: &str| {
        let mut client = server.connect("postgres")?;
        let failed = |source| ServerError::Connect { database: DATABASE.to_owned(), source, hint: None };
        client.batch_execute(sql).map_err(|error| failed(error.into()))
    };
    query(&format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))?;
    query(&format!("CREATE DATABASE {DATABASE} TEMPLATE template0"))
}
