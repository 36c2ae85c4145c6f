//! What sessions have handed over, and which have not.

use std::fs;
use std::path::Path;

use memcheck_core::observed::{COMPLETE, REGISTERED, SessionRecord, Who};

use crate::bounded;
use crate::server::ServerError;

/// The name that sessions of mcspec's own have.
const OWN: &str = "mcspec";

/// What the server has for itself, and loads no extension: its kinds of processes.
const SERVERS: [&str; 2] = ["background worker \"logical replication launcher\"", "autovacuum launcher"];

/// What was found in the directory of a server.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The sessions that have ended, in the order in which they began.
    pub(super) sessions: Vec<SessionRecord>,
    /// Those that have registered themselves and were not heard of again.
    pub(super) unheard: Vec<Who>,
}

/// Reads all files of a directory.
pub(super) fn read(directory: &Path) -> Result<Records, ServerError> {
    let mut records = Records::default();
    let failed = |error| ServerError::File { action: "read", path: directory.to_owned(), source: error };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Ok(text) = bounded::text(&path, bounded::RECORD) else { continue };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some(COMPLETE) => match serde_json::from_str(&text) {
                Ok(session) => records.sessions.push(session),
                Err(_) => records.unheard.push(Who::default()),
            },
            // Killed while it wrote it, it has not said who it is.
            Some(REGISTERED) => records.unheard.push(serde_json::from_str(&text).unwrap_or_default()),
            _ => {}
        }
    }
    records.sessions.retain(|session| !is_own(&session.who));
    records.unheard.retain(|who| !is_own(who));
    records.sessions.sort_by_key(|session| (session.who.started, session.who.pid));
    records.unheard.sort_by_key(|who| (who.started, who.pid));
    Ok(records)
}

/// Whether it is none that the program has to do with.
fn is_own(who: &Who) -> bool {
    who.application == OWN || SERVERS.contains(&who.kind.as_str())
}
