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

/// The texts of the files in a directory whose names end so.
fn texts(directory: &Path, end: &str) -> Result<Vec<String>, ServerError> {
    let failed = |error| ServerError::File { action: "read", path: directory.to_owned(), source: error };
    let mut texts = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == end) {
            // One that has just gone has been replaced.
            texts.extend(bounded::text(&path, bounded::RECORD).ok());
        }
    }
    Ok(texts)
}

/// The sessions that have registered themselves, and have handed over nothing yet.
pub(super) fn registered(directory: &Path) -> Result<Vec<Who>, ServerError> {
    // Killed while it wrote it, it has not said who it is.
    let who = |text: String| serde_json::from_str(&text).unwrap_or_default();
    let mut registered: Vec<Who> = texts(directory, REGISTERED)?.into_iter().map(who).collect();
    registered.retain(|who| !is_own(who));
    registered.sort_by_key(|who| (who.started, who.pid));
    Ok(registered)
}

/// Reads everything, when all sessions have ended.
pub(super) fn read(directory: &Path) -> Result<Records, ServerError> {
    let mut records = Records { unheard: registered(directory)?, ..Records::default() };
    for text in texts(directory, COMPLETE)? {
        match serde_json::from_str::<SessionRecord>(&text) {
            Ok(session) => records.sessions.push(session),
            Err(_) => records.unheard.push(Who::default()),
        }
    }
    records.sessions.retain(|session| !is_own(&session.who));
    records.sessions.sort_by_key(|session| (session.who.started, session.who.pid));
    Ok(records)
}

/// Whether it is none that the program has to do with.
fn is_own(who: &Who) -> bool {
    who.application == OWN || SERVERS.contains(&who.kind.as_str())
}
