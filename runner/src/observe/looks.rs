//! Statements that do not end for long are looked at while they run.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use postgres::Client;

use crate::server::{ENGINE, Server};

/// How often to look.
const PERIOD: Duration = Duration::from_millis(200);

/// The database that has the engine's functions. The program's own is left as it is.
const DATABASE: &str = "mcspec_observer";

/// Those that have run for a second.
const LONG: &str = "\
    FROM pg_catalog.pg_stat_activity
    WHERE state = 'active' AND pid <> pg_catalog.pg_backend_pid() AND backend_type <> 'parallel worker'
      AND query_start < pg_catalog.clock_timestamp() - interval '1 second'";

/// A thread that looks at them, as long as this is there.
#[derive(Debug)]
pub(super) struct Looks {
    /// Closed to end it.
    goes_on: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Looks {
    /// Begins.
    pub(super) fn begin(server: Arc<Server>) -> Self {
        let (goes_on, ended) = channel();
        let thread = thread::spawn(move || {
            let mut observer = None;
            while ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                // A server that restarts after a crash is there again some time later.
                if look(&server, &mut observer).is_none() {
                    observer = None;
                }
            }
        });
        Looks { goes_on: Some(goes_on), thread: Some(thread) }
    }
}

/// Waits for it: it has the server as well, which is stopped by whoever lets go of it last.
impl Drop for Looks {
    fn drop(&mut self) {
        self.goes_on = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

/// Looks once; none where it cannot be done. The connection is kept, to the maintenance database until there is something to look at.
fn look(server: &Server, observer: &mut Option<(Client, bool)>) -> Option<()> {
    let (client, is_ready) = match observer {
        Some(observer) => observer,
        None => observer.insert((server.connect(server.maintenance_database()).ok()?, false)),
    };
    if *is_ready {
        client.simple_query(&format!("SELECT ext_memcheck.look_at(pid) {LONG}")).ok()?;
    } else if !client.query(&format!("SELECT pid {LONG}"), &[]).ok()?.is_empty() {
        // It may be there from before a crash.
        let _ = client.batch_execute(&format!("CREATE DATABASE {DATABASE}"));
        let mut other = server.connect(DATABASE).ok()?;
        other.batch_execute(&format!("CREATE EXTENSION IF NOT EXISTS {ENGINE}")).ok()?;
        *observer = Some((other, true));
    }
    Some(())
}
