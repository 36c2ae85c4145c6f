//! Workers with a server each, which run specs and write down what happens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use super::text::Transcript;
use crate::exec::Installed;
use crate::exec::sessions::transcript;
use crate::plan::Case;
use crate::server::{Server, ServerError, ServerOptions};

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
    /// What happened; the error is why there was no server to run it on.
    pub text: Result<String, ServerError>,
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
                    let text = worker.transcribe(&installed[case.installation], case, limit);
                    let finished = Transcribed { case: position, text, elapsed: started.elapsed() };
                    if done.send(finished).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// A worker's server, for cases with the same preloaded libraries and configuration.
struct Worker {
    server: Option<Ready>,
}

struct Ready {
    server: Server,
    options: ServerOptions,
    installation: usize,
    /// Whether the database is as a spec may expect it.
    is_clean: bool,
}

impl Worker {
    fn transcribe(&mut self, installed: &Installed, case: &Case, limit: Duration) -> Result<String, ServerError> {
        let ready = self.ready(installed, case)?;
        let mut transcript = Transcript::new(&case.sessions);
        let mut tell = |happening| transcript.add(&happening);
        let name = &case.name;
        let ended = transcript::run(&ready.server, DATABASE, name, &case.sessions, limit, &mut tell);
        if let Err(halt) = ended {
            transcript.halt(&halt);
            // What it has left behind would be in the way of the next.
            ready.is_clean = false;
        }
        if !ready.server.is_alive() {
            self.server = None;
        }
        Ok(transcript.text)
    }

    /// The server that runs, or a new one in its place.
    fn ready(&mut self, installed: &Installed, case: &Case) -> Result<&mut Ready, ServerError> {
        let conf = CONF.iter().map(|&line| line.to_owned()).chain(case.conf.iter().cloned()).collect();
        let options = ServerOptions { preload: case.preload.clone(), conf, name: "transcript".to_owned() };
        let fits = |ready: &Ready| ready.options == options && ready.installation == case.installation;
        let mut ready = match self.server.take() {
            Some(ready) if fits(&ready) => ready,
            other => {
                drop(other);
                let server = Server::start(&installed.stage, &installed.template, &options)?;
                Ready { server, options, installation: case.installation, is_clean: false }
            }
        };
        if !ready.is_clean {
            let query = |sql: &str| {
                let mut client = ready.server.connect("postgres")?;
                let failed = |error: tokio_postgres::Error| ServerError::Connect {
                    database: DATABASE.to_owned(),
                    source: error.into(),
                };
                client.batch_execute(sql).map_err(failed)
            };
            query(&format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))?;
            query(&format!("CREATE DATABASE {DATABASE} TEMPLATE template0"))?;
            ready.is_clean = true;
        }
        Ok(self.server.insert(ready))
    }
}
