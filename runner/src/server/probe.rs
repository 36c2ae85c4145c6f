//! An extension with nothing in it, to see whether one can be built: by the Makefile, the compiler and the headers that a real one
//! takes.

use std::fs;

use super::error::ServerError;
use super::run_directory::RunDirectory;
use crate::config::{Build, ExtensionSource};

/// Its name.
const NAME: &str = "mcspec_probe";

/// Its files.
const FILES: [(&str, &str); 4] = [
    (
        "Makefile",
        "MODULES = mcspec_probe\nEXTENSION = mcspec_probe\nDATA = mcspec_probe--1.sql\nPG_CONFIG = pg_config\nPGXS := $(shell $(PG_CONFIG) --pgxs)\ninclude $(PGXS)\n",
    ),
    ("mcspec_probe.c", "#include \"postgres.h\"\n#include \"fmgr.h\"\nPG_MODULE_MAGIC;\n"),
    ("mcspec_probe.control", "default_version = '1'\n"),
    ("mcspec_probe--1.sql", "SELECT 1;\n"),
];

/// The extension, in the directory of a run.
#[derive(Debug)]
pub struct Probe {
    /// Where it is built from.
    pub source: ExtensionSource,
}

impl Probe {
    /// Writes its files.
    ///
    /// # Errors
    ///
    /// The directory is full, or cannot be written to.
    pub fn write(run: &RunDirectory) -> Result<Self, ServerError> {
        let path = run.subdirectory(NAME)?;
        for (name, text) in FILES {
            let file = path.join(name);
            fs::write(&file, text).map_err(ServerError::file("write", &file))?;
        }
        let build = Build::Make { arguments: Vec::new() };
        Ok(Self { source: ExtensionSource { name: NAME.to_owned(), path, provides: Vec::new(), build } })
    }
}
