//! A private copy of an installation, with the engine and the extensions under test laid on top.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::{DirEntry, WalkDir};

use super::engine::{ENGINE, EngineFiles};
use super::error::ServerError;
use super::extension::{self, Before, Site, Tree, Trees};
use super::installation::Installation;
use super::run_directory::RunDirectory;
use super::spare::{Filled, Filling};
use super::tree::{self, Placement, Plan, Treatment};
use crate::config::{Build, ExtensionSource};

/// A private copy of an installation. Its programs are real copies, because PostgreSQL resolves symbolic links before it
/// looks for `lib` and `share` relative to its own place (`find_my_exec` in exec.c, `make_relative_path` in path.c); the
/// rest are links to the originals. Every directory that `make install` writes to is a real one with links in it, so that
/// it writes into the copy only.
#[derive(Debug)]
pub struct Stage {
    original: Installation,
    installation: Installation,
    engine: bool,
    /// Where libraries are that extensions have brought for themselves, besides those that the server loads.
    libraries: Vec<PathBuf>,
    run: RunDirectory,
    trees: Trees,
    tree: Filled,
    /// Where the engine finds what places in libraries are looked at.
    places: Option<PathBuf>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.tree.hand_on();
    }
}

impl Stage {
    /// Copies `original` into the run directory, builds `extensions` and installs them and the engine in the copy.
    pub fn build(
        original: &Installation,
        run: &RunDirectory,
        engine: Option<&EngineFiles>,
        extensions: &[ExtensionSource],
    ) -> Result<Self, ServerError> {
        let (stage, failed) = Self::build_each(original, run, engine, extensions)?;
        failed.into_iter().next().map_or(Ok(stage), |(_, error)| Err(error))
    }

    /// The same, and goes on after an extension that cannot be built. Returned are the names of those too, with the reasons.
    pub fn build_each(
        original: &Installation,
        run: &RunDirectory,
        engine: Option<&EngineFiles>,
        extensions: &[ExtensionSource],
    ) -> Result<(Self, Vec<(String, ServerError)>), ServerError> {
        let mut failed = Vec::new();
        let top = run.subdirectory(&format!("pg{}", original.version.major()))?;
        let filling = Arc::new(Filling::new(plan(original, run)?, None, None));
        let tree = Filled::make(&filling, top, run)?;
        let top = tree.path();
        let installation = relocated(original, top)?;
        if let Some(engine) = engine {
            install_engine(engine, &installation)?;
        }
        let (before, trees) = (Before::default(), Trees::default());
        let site = Site { original, staged: &installation, top, run, before: &before, trees: &trees };
        for source in extensions {
            match extension::install(source, site) {
                Err(error) if error.is_of_extension() => failed.push((source.name.clone(), error)),
                installed => installed?,
            }
        }
        if run.account().switch().is_some() {
            tree::open_to_all(top)?;
        }
        let brings_more =
            |source: &ExtensionSource| matches!(source.build, Build::Command { .. } | Build::Files { .. });
        let libraries = match extensions.iter().any(brings_more) {
            true => own_libraries(top),
            false => Vec::new(),
        };
        let (original, run) = (original.clone(), run.clone());
        let engine = engine.is_some();
        Ok((Self { original, installation, libraries, engine, run, trees, tree, places: None }, failed))
    }

    /// The directory in which an extension was built; none where nothing is left of that.
    ///
    /// # Errors
    ///
    /// Why it cannot be built again, where that has to be.
    pub fn built(&self, source: &ExtensionSource) -> Result<Option<Tree>, ServerError> {
        let before = Before::default();
        let Self { original, installation: staged, run, trees, .. } = self;
        let tree = extension::tree(source, Site { original, staged, top: self.top(), run, before: &before, trees })?;
        if run.account().switch().is_some() {
            tree::open_to_all(self.top())?;
        }
        Ok(tree)
    }

    /// Where libraries are that extensions have brought for themselves. The loader has to be told, since they were installed for
    /// another place.
    pub(super) fn libraries(&self) -> &[PathBuf] {
        &self.libraries
    }

    /// The directory that stands for the root of the file system.
    pub(super) fn top(&self) -> &Path {
        self.tree.path()
    }

    /// The copy, as its own `pg_config` describes it.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// What was copied.
    pub fn original(&self) -> &Installation {
        &self.original
    }

    /// Has servers that are started from now on look at the places in libraries for which that directory has plans.
    pub fn look_at(&mut self, places: &Path) {
        self.places = Some(places.to_owned());
    }

    /// The directory of those plans.
    pub(super) fn places(&self) -> Option<&Path> {
        self.places.as_deref()
    }

    /// The files of the libraries that extensions have brought, and of those of these names.
    pub fn libraries_of_extensions(&self, names: &[&str]) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.installation.pkglib_dir).into_iter().flatten().flatten();
        let is_wanted = |path: &PathBuf| {
            let is_library = path.extension().is_some_and(|extension| extension == "so");
            let (Some(name), Some(stem)) = (path.file_name(), path.file_stem().and_then(OsStr::to_str)) else {
                return false;
            };
            let is_original = || match fs::metadata(self.original.pkglib_dir.join(name)) {
                Ok(original) => fs::metadata(path).is_ok_and(|own| own.len() == original.len()),
                Err(_) => false,
            };
            is_library && stem != ENGINE && (names.contains(&stem) || !is_original())
        };
        let mut paths: Vec<PathBuf> = files.map(|file| file.path()).filter(is_wanted).collect();
        paths.sort();
        paths
    }

    /// Whether the engine is in it.
    pub fn has_engine(&self) -> bool {
        self.engine
    }

    pub(super) fn run(&self) -> &RunDirectory {
        &self.run
    }
}

/// The original's directories, in the same places relative to each other.
fn plan(original: &Installation, run: &RunDirectory) -> Result<Plan, ServerError> {
    let root = root(original);
    let staged = |directory: &Path| below(directory, &root).to_owned();
    let mut plan = Plan::default();
    for (_, directory) in original.directories() {
        plan.add_directory(&staged(directory));
    }

    // What the server reads has to be within the reach of its account, which a checkout in root's home is not.
    let reachable = |directory: &Path| run.account().closed_directory(directory).is_none();
    let placement = |directory| if reachable(directory) { Placement::Link } else { Placement::Copy };
    let mut complete: Vec<&Path> = Vec::new();
    for (directory, placement) in [
        (&original.bin_dir, Placement::Copy),
        (&original.pkglib_dir, placement(&original.pkglib_dir)),
        (&original.share_dir, placement(&original.share_dir)),
        (&original.lib_dir, placement(&original.lib_dir)),
        (&original.include_server_dir, Placement::Link),
        (&original.pkginclude_dir, Placement::Link),
        (&original.include_dir, Placement::Link),
    ] {
        if !directory.is_dir() || complete.contains(&directory.as_path()) {
            continue;
        }
        let treatment = |entry: &DirEntry| treatment(entry, directory, original);
        plan.add_tree(directory, &staged(directory), placement, treatment)?;
        complete.push(directory);
    }

    let pg_config = staged(&original.bin_dir).join("pg_config");
    if !plan.has(&pg_config) {
        // Debian's libpq-dev and others put the program elsewhere than with the server.
        plan.add_file(&original.pg_config, pg_config, Placement::Copy);
    }
    Ok(plan)
}

/// The directory that all others of an installation are in.
fn root(original: &Installation) -> PathBuf {
    tree::common_ancestor(original.directories().map(|(_, directory)| directory))
}

fn below<'a>(directory: &'a Path, root: &Path) -> &'a Path {
    directory.strip_prefix(root).expect("the root is above every directory")
}

/// The copy in `top`, as its own `pg_config` describes it.
fn relocated(original: &Installation, top: &Path) -> Result<Installation, ServerError> {
    let copy = Installation::from_pg_config(&top.join(below(&original.bin_dir, &root(original))).join("pg_config"))?;
    let outside = copy.directories().into_iter().find(|(_, directory)| !directory.starts_with(top));
    if let Some((variable, directory)) = outside {
        let (pg_config, directory) = (original.pg_config.clone(), directory.to_owned());
        return Err(ServerError::NotRelocatable { pg_config, variable, directory });
    }
    Ok(copy)
}

/// What becomes of an entry of one of the original's directories. The fewer links the better: each is a file to create.
fn treatment(entry: &DirEntry, directory: &Path, original: &Installation) -> Treatment {
    let name = entry.file_name().to_string_lossy();
    if entry.depth() > 1 {
        return Treatment::Each;
    }
    if !is_private(directory, original) && !is_postgres(&name) {
        return Treatment::Skip;
    }
    // It has been or will be rebuilt in its own right.
    if original.directories().iter().any(|(_, other)| other.starts_with(entry.path())) {
        return Treatment::Skip;
    }
    // Only the inlining of the JIT reads it, and does without when it is not there.
    if name == "bitcode" {
        return Treatment::Skip;
    }
    let receives_files =
        if directory == original.share_dir { !name.starts_with("timezone") } else { name == "extension" };
    if receives_files { Treatment::Each } else { Treatment::Whole }
}

/// Whether a directory holds PostgreSQL's files only. The package's own library, data and header directories do by their
/// definition; the program, library and header directories may be the system's (`/usr/lib`), unless they are the same.
fn is_private(directory: &Path, original: &Installation) -> bool {
    [&original.pkglib_dir, &original.share_dir, &original.pkginclude_dir, &original.include_server_dir]
        .into_iter()
        .any(|private| private == directory)
}

/// Whether a file or directory of a shared directory belongs to PostgreSQL, by its name.
fn is_postgres(name: &str) -> bool {
    ["pg", "postgres", "psql", "initdb", "libpq", "libpg", "libecpg", "ecpg"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// The directories below `top` with a library of that kind that is no link to one of the original.
fn own_libraries(top: &Path) -> Vec<PathBuf> {
    let is_library = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.file_type().is_file() && name.starts_with("lib") && (name.ends_with(".so") || name.contains(".so."))
    };
    let found = WalkDir::new(top).into_iter().flatten().filter(is_library);
    let directories: BTreeSet<PathBuf> = found.filter_map(|entry| Some(entry.path().parent()?.to_owned())).collect();
    directories.into_iter().collect()
}

fn install_engine(engine: &EngineFiles, installation: &Installation) -> Result<(), ServerError> {
    extension::remove_installed(ENGINE, installation)?;
    tree::install(&engine.library, &installation.pkglib_dir, None)?;
    for file in engine.scripts.iter().chain([&engine.control]) {
        tree::install(file, &installation.extension_dir(), None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_shared_directories() {
        for (name, expected) in [
            ("postgres", true),
            ("pg_config", true),
            ("initdb", true),
            ("libpq.so.5", true),
            ("libpgcommon.a", true),
            ("libpq-fe.h", true),
            ("bash", false),
            ("libc.so.6", false),
            ("python3", false),
        ] {
            assert_eq!(is_postgres(name), expected, "{name}");
        }
    }
}
