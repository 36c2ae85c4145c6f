//! The regression suites of an extension on a server whose sessions are observed: each as its own build runs it, and then its
//! files statement by statement.

mod counted;
mod launch;
mod libraries;
mod repeat;
mod told;

use std::path::{Path, PathBuf};

pub use counted::Counted;
pub use launch::{Ran, differences, run};
pub use libraries::wants_preload;
pub use repeat::{Repeats, Repetition, repeat};
pub use told::{Done, tell};

use crate::server::Installation;
use crate::suite::{Kind, Suite};

/// The programs of an installation that run tests.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `pg_regress`
    pub regress: PathBuf,
    /// `pg_isolation_regress`, and what it runs for each test.
    pub isolation: [PathBuf; 2],
    /// `psql`
    pub psql: PathBuf,
}

impl Programs {
    /// Where they would be.
    pub fn of(installation: &Installation) -> Self {
        // PGXS is .../src/makefiles/pgxs.mk.
        let sources = installation.pgxs.parent().and_then(|makefiles| makefiles.parent());
        let of = |program: &str| sources.map(|sources| sources.join("test").join(program)).unwrap_or_default();
        Programs {
            regress: of("regress/pg_regress"),
            isolation: ["pg_isolation_regress", "isolationtester"].map(|program| of(&format!("isolation/{program}"))),
            psql: installation.bin_dir.join("psql"),
        }
    }

    /// The parts of a suite that cannot be run, each with a program that is not there.
    pub fn missing<'a>(&'a self, suite: &Suite) -> Vec<(Kind, &'a Path)> {
        let missing = |kind| {
            let [isolation, tester] = &self.isolation;
            let programs = match kind {
                Kind::Regress => vec![&self.regress, &self.psql],
                // It makes its databases by psql, as pg_regress does.
                Kind::Isolation => vec![isolation, tester, &self.psql],
                Kind::Tap => Vec::new(),
            };
            programs.into_iter().find(|program| !program.is_file())
        };
        suite.parts.iter().filter_map(|part| Some((part.kind, missing(part.kind)?.as_path()))).collect()
    }
}
