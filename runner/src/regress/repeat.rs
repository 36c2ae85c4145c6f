//! The files of a suite once more, statement by statement, each repeated where that is possible.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memcheck_core::Finding;

use crate::exec::failure::Failure;
use crate::exec::outcome::Targets;
use crate::exec::replay::{Replayed, Settings, make_database, replay};
use crate::language::SourceFile;
use crate::language::ast::Trace;
use crate::server::{Installation, Server, Workplace, is_interrupted};
use crate::suite::{Kind, Launch, Suite};

/// What pg_regress has its sessions begin with (pg_regress.c, initialize_environment).
const OPTIONS: &str = "-c TimeZone=PST8PDT -c DateStyle=Postgres,MDY -c IntervalStyle=postgres_verbose";

/// How statements are repeated.
#[derive(Debug, Clone)]
pub struct Repetition {
    /// How often.
    pub iterations: u64,
    /// How long that may take for one statement.
    pub limit: Duration,
    /// Names or patterns of the libraries that are charged; none for all that extensions have brought.
    pub targets: Vec<String>,
}

/// What has come of the files of a suite, by name and in order.
#[derive(Debug, Default)]
pub struct Repeats {
    /// Each.
    pub files: Vec<(String, Replayed)>,
}

impl Repeats {
    /// What has come of the file of a test.
    pub(super) fn of(&self, kind: Kind, test: &str) -> Option<&Replayed> {
        self.files.iter().find(|(name, _)| kind == Kind::Regress && name == test).map(|(_, replayed)| replayed)
    }

    /// The places at which growth was found of which most was given back by another statement. An extension may keep what it is told
    /// to keep, and has a function that gives it back: what is allocated there is no leak, in no file.
    pub(super) fn given_back(&self) -> BTreeSet<(String, u64)> {
        self.files.iter().flat_map(|(_, replayed)| replayed.given_back.iter().cloned()).collect()
    }
}

/// Where it was allocated.
pub(super) fn place(finding: &Finding) -> Option<(String, u64)> {
    finding.site.as_ref().map(|site| (site.frame.library.clone(), site.frame.offset))
}

/// Replays the files of a suite in order, in databases of their own. Each is handed to `done`, by its name and with the time it took.
///
/// # Errors
///
/// Why there is no database.
pub fn repeat(
    server: &Server,
    installation: &Installation,
    place: &Workplace,
    original: &std::path::Path,
    suite: &Suite,
    repetition: &Repetition,
    mut done: impl FnMut(&str, Replayed, Duration),
) -> Result<(), Failure> {
    for part in suite.parts.iter().filter(|part| part.kind == Kind::Regress) {
        let default = "contrib_regression".to_owned();
        let database = part.options.databases.first().unwrap_or(&default);
        make_database(server, database, &part.options.extensions)?;
        let at = |directory: &PathBuf| place.path().join(directory).display().to_string();
        let environment = BTreeMap::from([
            ("PG_ABS_SRCDIR".to_owned(), at(&part.input)),
            ("PG_ABS_BUILDDIR".to_owned(), at(&part.output)),
            ("PG_LIBDIR".to_owned(), installation.pkglib_dir.display().to_string()),
            ("PG_DLSUFFIX".to_owned(), ".so".to_owned()),
        ]);
        let names = repetition.targets.clone();
        let settings = Settings {
            database: database.clone(),
            options: OPTIONS.to_owned(),
            directory: place.path().join(&suite.directory),
            environment,
            trace: Trace::On,
            targets: Targets { are_named: !names.is_empty(), names, more: Vec::new() },
            iterations: repetition.iterations,
            limit: repetition.limit,
        };
        let fixture = match &suite.launch {
            Launch::Files { fixture: Some(fixture) } => Some(part.input.join(fixture)),
            _ => None,
        };
        let files = part.tests().map(|test| (test.to_owned(), part.file(test)));
        for (name, file) in fixture.map(|file| ("fixtures".to_owned(), file)).into_iter().chain(files) {
            if is_interrupted() || !server.is_alive() {
                break;
            }
            // As it is in the copy, called what the user calls it.
            let Ok(source) = SourceFile::read(place.path().join(&file)) else { continue };
            let source = Arc::new(SourceFile::new(original.join(&file), source.text));
            let started = Instant::now();
            let replayed = replay(server, &source, &settings);
            done(&name, replayed, started.elapsed());
        }
    }
    Ok(())
}
