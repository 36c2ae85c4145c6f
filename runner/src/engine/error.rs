//! Why the engine is not built.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use thiserror::Error;

use crate::hint::{self, Need};
use crate::server::ServerError;

/// Why the engine is not built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// There is no engine for such a machine, or not for such a server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// An installation without the server's headers.
    #[error("PostgreSQL {major} of \"{}\" has no server headers, which the engine is built with", pg_config.display())]
    NoHeaders {
        /// The major version.
        major: u32,
        /// The installation's `pg_config`.
        pg_config: PathBuf,
    },
    /// A program that a build takes.
    #[error("the engine is built by \"{program}\", which is not there")]
    NoProgram {
        /// Its name.
        program: &'static str,
        /// How to get it.
        hint: String,
    },
    /// There is nowhere to put it.
    #[error("there is no home directory to build the engine in")]
    NoHome,
    /// A file or directory could not be written.
    #[error("could not write \"{}\": {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("could not run \"{program}\": {source}")]
    Spawn {
        /// Its name.
        program: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The build has failed, and has said why.
    #[error("the engine was not built: cargo ended with {status} in \"{}\"", directory.display())]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// Where.
        directory: PathBuf,
    },
}

impl EngineError {
    /// Wraps an I/O error on `path`; for `map_err`.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Server(error) => error.hint(),
            Self::NoHeaders { major, pg_config } => Some(hint::completed(Need::Headers(*major), pg_config)),
            Self::NoProgram { hint, .. } => Some(hint.clone()),
            Self::NoHome => Some("set HOME, or XDG_CACHE_HOME and XDG_DATA_HOME".to_owned()),
            _ => None,
        }
    }
}
