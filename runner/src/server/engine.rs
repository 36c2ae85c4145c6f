//! The engine's files.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use memcheck_core::fit::{Build, misfit};

use super::error::ServerError;
use super::find::executable_directory;
use super::installation::Installation;
use super::platform::supported_platform;
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
    /// Looks for an engine that fits an installation: where [`Self::directories`] says, the first that does.
    ///
    /// # Errors
    ///
    /// There is none, or what is in the way of the first that there is.
    pub fn find(installation: &Installation, config: &Config) -> Result<Self, ServerError> {
        supported_platform()?;
        let looked_in = Self::directories(installation, config);
        let found: Vec<Self> = looked_in.iter().filter_map(|directory| Self::in_directory(directory)).collect();
        let mut first = None;
        for engine in found {
            match engine.check(installation) {
                Ok(()) => return Ok(engine),
                Err(misfit) => first = first.or(Some(misfit)),
            }
        }
        let (major, pg_config) = (installation.version.major(), installation.pg_config.clone());
        Err(first.unwrap_or(ServerError::NoEngine { major, pg_config, looked_in }))
    }

    /// All that there are for a major version, whether they fit any installation or not, and where they were looked for.
    pub fn all(major: u32, installations: &[Installation], config: &Config) -> (Vec<Self>, Vec<PathBuf>) {
        let mut directories: Vec<PathBuf> = Vec::new();
        for installation in installations {
            directories.extend(Self::directories(installation, config));
        }
        if installations.is_empty() {
            directories.extend(common(major, config));
        }
        let mut seen = BTreeSet::new();
        directories.retain(|directory| seen.insert(directory.clone()));
        (directories.iter().filter_map(|directory| Self::in_directory(directory)).collect(), directories)
    }

    /// Where an engine is looked for: in `path` of `[engine]`; without that, first among those that the user has built, the one
    /// for this very installation before others, then beside the executable: where xtask puts it for one in cargo's
    /// target directory, and in `lib/mcspec/engine` for an installed one.
    fn directories(installation: &Installation, config: &Config) -> Vec<PathBuf> {
        let major = installation.version.major();
        let own = config.engine.path.is_none().then(|| Self::built_in(installation, config)).flatten();
        let mut directories: Vec<PathBuf> = own.into_iter().collect();
        for directory in common(major, config) {
            if !directories.contains(&directory) {
                directories.push(directory);
            }
        }
        directories
    }

    /// Where the engine for an installation belongs that its user builds; none without a home directory.
    pub fn built_in(installation: &Installation, config: &Config) -> Option<PathBuf> {
        let major = installation.version.major();
        match &config.engine.path {
            Some(path) => Some(path.join(major.to_string())),
            None => Some(of_user()?.join(format!("{major}-{}", place_name(&installation.bin_dir)))),
        }
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

/// The directories that are common to all installations of a major version.
fn common(major: u32, config: &Config) -> Vec<PathBuf> {
    let name = major.to_string();
    if let Some(path) = &config.engine.path {
        return vec![path.join(name)];
    }
    let mut directories: Vec<PathBuf> = of_user().map(|base| built_by_user(&base, major)).unwrap_or_default();
    if let Some(prefix) = executable_directory().as_deref().and_then(Path::parent) {
        directories.extend(["engine", "lib/mcspec/engine"].map(|base| prefix.join(base).join(&name)));
    }
    directories
}

/// What the user has built for a major version, in `MAJOR-PLACE`.
fn built_by_user(base: &Path, major: u32) -> Vec<PathBuf> {
    let is_of_major = |name: &OsStr| name.to_string_lossy().starts_with(&format!("{major}-"));
    let mut found: Vec<PathBuf> =
        fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.file_name().is_some_and(is_of_major));
    found.sort();
    found
}

/// Where engines are that the user has built: `$XDG_DATA_HOME/mcspec/engine`, below it what is of the sources that this
/// program has with it. An engine of other sources is another program's.
fn of_user() -> Option<PathBuf> {
    let set = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set.or_else(|| Some(std::env::home_dir()?.join(".local/share")))?;
    Some(base.join("mcspec/engine").join(env!("MCSPEC_ENGINE_SOURCES")))
}

/// A directory as a name: `usr-lib-postgresql-15-bin`.
fn place_name(directory: &Path) -> String {
    let name = directory.to_string_lossy();
    name.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As its `pg_config` describes it; there is nothing in it.
    fn installation(version: &str, directory: &str) -> Installation {
        let keys =
            ["BINDIR", "PKGLIBDIR", "LIBDIR", "SHAREDIR", "INCLUDEDIR", "PKGINCLUDEDIR", "INCLUDEDIR-SERVER", "PGXS"];
        let mut output: String = keys.map(|key| format!("{key} = {directory}/{key}\n")).concat();
        output += &["DOCDIR", "MANDIR", "LOCALEDIR"].map(|key| format!("{key} = {directory}\n")).concat();
        let output = format!("{output}VERSION = PostgreSQL {version}\n");
        Installation::parse(&Path::new(directory).join("pg_config"), &output).expect("valid")
    }

    const FILES: [&str; 3] = ["pg_ext_memcheck.so", "pg_ext_memcheck.control", "pg_ext_memcheck--1.0.sql"];

    #[test]
    fn all_files_have_to_be_there() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let mut config = Config::default();
        config.engine.path = Some(directory.path().to_owned());
        let of_major = directory.path().join("15");
        fs::create_dir(&of_major).expect("directory");
        let server = installation("15.1", "/x");
        for name in FILES {
            let error = EngineFiles::find(&server, &config).expect_err("incomplete");
            assert_eq!(
                error.to_string(),
                format!("the engine for PostgreSQL 15 was not found in \"{}\"", of_major.display())
            );
            assert_eq!(error.hint().as_deref(), Some("mcspec engine build --pg-config /x/pg_config"));
            fs::write(of_major.join(name), "").expect("file");
        }
        let engine = EngineFiles::find(&server, &config).expect("complete");
        assert_eq!(engine.scripts, [of_major.join("pg_ext_memcheck--1.0.sql")]);
        assert!(EngineFiles::find(&installation("16.1", "/x"), &config).is_err());
    }

    #[test]
    fn what_the_user_has_built_comes_first() {
        let config = Config::default();
        let server = installation("15.1", "/opt/pg 15+/with-assertions");
        let directories = EngineFiles::directories(&server, &config);
        let own = EngineFiles::built_in(&server, &config).expect("there is a home directory");
        assert!(own.ends_with("15-opt-pg-15-with-assertions-BINDIR"), "{}", own.display());
        assert_eq!(directories.first(), Some(&own));
        let beside = directories.iter().filter(|path| path.ends_with("lib/mcspec/engine/15"));
        assert_eq!(beside.count(), 1, "{directories:?}");
    }

    #[test]
    fn those_of_one_major_version_are_told_apart_by_place() {
        let base = tempfile::tempdir().expect("temporary directory");
        for name in ["15-b", "15-a", "16-a", "15", "150-a"] {
            fs::create_dir(base.path().join(name)).expect("directory");
        }
        assert_eq!(built_by_user(base.path(), 15), ["15-a", "15-b"].map(|name| base.path().join(name)));
        assert_eq!(built_by_user(&base.path().join("nowhere"), 15), Vec::<PathBuf>::new());
    }

    #[test]
    fn one_that_fits_is_taken_before_one_that_does_not() {
        let base = tempfile::tempdir().expect("temporary directory");
        let mut config = Config::default();
        config.engine.path = Some(base.path().to_owned());
        let directory = base.path().join("15");
        fs::create_dir(&directory).expect("directory");
        for name in FILES {
            fs::write(directory.join(name), "pg_ext_memcheck was built for PostgreSQL+ 15.1\0").expect("file");
        }
        let error = EngineFiles::find(&installation("15.2", "/x"), &config).expect_err("it is for assertions");
        assert!(error.to_string().contains("assertions"), "{error}");
    }
}
