//! The regression suites of an extension on a server whose sessions are observed: each as its own build runs it, and then its
//! files statement by statement.

mod counted;
mod launch;
mod libraries;
mod repeat;
mod told;

use std::path::PathBuf;

pub use counted::Counted;
pub use launch::{Ran, differences, run};
pub use libraries::wants_preload;
pub use repeat::{Repeats, Repetition, repeat};
pub use told::{Done, tell};

use crate::server::Installation;

/// The programs of an installation that run tests.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `pg_regress`
    pub regress: PathBuf,
    /// `psql`
    pub psql: PathBuf,
}

impl Programs {
    /// Where they would be.
    pub fn of(installation: &Installation) -> Self {
        // PGXS is .../src/makefiles/pgxs.mk.
        let sources = installation.pgxs.parent().and_then(|makefiles| makefiles.parent());
        let regress = sources.map(|sources| sources.join("test/regress/pg_regress")).unwrap_or_default();
        Programs { regress, psql: installation.bin_dir.join("psql") }
    }

    /// The first that is not there.
    pub fn missing(&self) -> Option<&PathBuf> {
        [&self.regress, &self.psql].into_iter().find(|program| !program.is_file())
    }
}
