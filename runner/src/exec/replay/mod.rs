//! The statements of a file for psql, one after the other in one session: each once as it is, and then again and again where that
//! is possible, with a window for each.
//!
//! The file is what counts: it is executed as far as psql would, with its variables, branches and data, by which the database
//! becomes what later statements and files expect.

mod player;
mod repeatable;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::player::Player;
pub use self::repeatable::Reason;
use super::failure::{Failure, Step};
use super::outcome::{Targets, Window};
use super::pool;
use super::session::Session;
use crate::language::SourceFile;
use crate::language::ast::Trace;
use crate::plan::Place;
use crate::server::Server;

/// What is replayed, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The database, which has the engine.
    pub database: String,
    /// Options of the server's command line for the session.
    pub options: String,
    /// The directory that psql would be started in.
    pub directory: PathBuf,
    /// Variables of the environment that files ask for (`\getenv`).
    pub environment: BTreeMap<String, String>,
    /// How the targets' allocations are traced.
    pub trace: Trace,
    /// The libraries that are charged.
    pub targets: Targets,
    /// How often a statement is repeated.
    pub iterations: u64,
    /// How long that may take for one statement.
    pub limit: Duration,
}

/// What came of a file.
#[derive(Debug, Default)]
pub struct Replayed {
    /// The statements that were repeated, in order.
    pub repeated: Vec<Repeated>,
    /// How many others there are, and why.
    pub left_out: BTreeMap<Reason, u64>,
    /// How many commands of psql's it has that were not done.
    pub commands: u64,
    /// Crashes and the like.
    pub failures: Vec<Failure>,
    /// The places, by library and offset, at which growth was found of which most was given back by a later statement.
    pub given_back: BTreeSet<(String, u64)>,
}

/// A statement that was repeated.
#[derive(Debug)]
pub struct Repeated {
    /// Where it begins.
    pub place: Place,
    /// Its text.
    pub text: String,
    /// How often.
    pub iterations: u64,
    /// What was found.
    pub window: Window,
}

/// Makes a database that has the engine and these extensions.
///
/// # Errors
///
/// Why there is none.
pub fn make_database(server: &Server, name: &str, extensions: &[String]) -> Result<(), Failure> {
    pool::make_database(server, name)?;
    let mut session = Session::open(server, name, "", pool::LIMIT)?;
    let created = extensions.iter().try_for_each(|extension| {
        let step = Step::Extension(extension.clone());
        let name = super::quote::quoted(extension, '"');
        // As pg_regress does it (pg_regress.c, create_database).
        session.simple(&format!("CREATE EXTENSION IF NOT EXISTS {name}"), &step, None)
    });
    session.end(created)
}

/// Replays a file.
pub fn replay(server: &Server, source: &Arc<SourceFile>, settings: &Settings) -> Replayed {
    let mut replayed = Replayed::default();
    match Player::open(server, settings, &mut replayed) {
        Ok(mut player) => player.play(source),
        Err(failure) => replayed.failures.push(failure),
    }
    replayed
}
