//! The engine's files.

use std::fs;
use std::path::{Path, PathBuf};

use memcheck_core::fit::{Build, misfit};

use super::error::ServerError;
use super::find::executable_directory;
use super::installation::Installation;
use crate::config::Config;

/// The engine's name: its library, its extension, its GUC prefix.
pub const ENGINE: &str = "pg_ext_memcheck";

/// The engine, built for one major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFiles {
    /// The shared library.
    pub library: PathBuf,
    /// The control file.
    pub control: PathBuf,
    /// Install and update scripts, at least one.
    pub scripts: Vec<PathBuf>,
}

impl EngineFiles {
    /// Looks for the engine for `major` in `path` of `[engine]`, or, without that, beside the executable: where xtask puts
    /// it for one in cargo's target directory, and in `lib/mcspec` for an installed one.
    pub fn find(major: u32, config: &Config) -> Result<Self, ServerError> {
        let bases: Vec<PathBuf> = match &config.engine.path {
            Some(path) => vec![path.clone()],
            None => executable_directory()
                .into_iter()
                .flat_map(|directory| [directory.join("../engine"), directory.join("../lib/mcspec")])
                .collect(),
        };
        let directories: Vec<_> = bases.into_iter().map(|base| base.join(major.to_string())).collect();
        let found = directories.iter().find_map(|directory| Self::in_directory(directory));
        found.ok_or(ServerError::NoEngine { major, looked_in: directories })
    }

    /// The server that it was built for; none where the library does not say.
    pub fn built_for(&self) -> Option<Build> {
        Build::marked(&fs::read(&self.library).ok()?)
    }

    /// Fails if it was not built for the server of an installation, which would not load it.
    ///
    /// # Errors
    ///
    /// What is in the way.
    pub fn check(&self, installation: &Installation) -> Result<(), ServerError> {
        let reason = self.built_for().and_then(|engine| misfit(&engine, &installation.build()));
        reason.map_or(Ok(()), |reason| {
            Err(ServerError::Misfit {
                library: self.library.clone(),
                reason,
                pg_config: installation.pg_config.clone(),
            })
        })
    }

    fn in_directory(directory: &Path) -> Option<Self> {
        let library = directory.join(format!("{ENGINE}.so"));
        let control = directory.join(format!("{ENGINE}.control"));
        let mut scripts: Vec<PathBuf> = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path()).collect();
        scripts.retain(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&format!("{ENGINE}--")) && name.ends_with(".sql")
        });
        scripts.sort();
        (library.is_file() && control.is_file() && !scripts.is_empty()).then_some(Self { library, control, scripts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_have_to_be_there() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let mut config = Config::default();
        config.engine.path = Some(directory.path().to_owned());
        let of_major = directory.path().join("15");
        fs::create_dir(&of_major).expect("directory");
        for name in ["pg_ext_memcheck.so", "pg_ext_memcheck.control", "pg_ext_memcheck--1.0.sql"] {
            let error = EngineFiles::find(15, &config).expect_err("incomplete");
            assert_eq!(
                error.to_string(),
                format!("the engine for PostgreSQL 15 was not found in \"{}\"", of_major.display())
            );
            fs::write(of_major.join(name), "").expect("file");
        }
        let engine = EngineFiles::find(15, &config).expect("complete");
        assert_eq!(engine.scripts, [of_major.join("pg_ext_memcheck--1.0.sql")]);
        assert!(EngineFiles::find(16, &config).is_err());
    }
}
