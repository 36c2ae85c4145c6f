//! Extensions that PGXS builds.

use std::fs;
use std::path::Path;

use walkdir::DirEntry;

use super::super::error::ServerError;
use super::super::installation::Installation;
use super::super::tree::Treatment;
use super::{Site, again, shell, unusable};
use crate::config::ExtensionSource;

/// What a file for make is called.
const NAMES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// Whether there is a Makefile, and what it includes.
pub(super) fn is_ready(source: &ExtensionSource, path: &Path, installation: &Installation) -> Result<(), ServerError> {
    if !NAMES.iter().any(|name| path.join(name).is_file()) {
        return Err(unusable(source, format!("there is no Makefile in \"{}\"", path.display())));
    }
    if !installation.can_build_extensions() {
        return Err(ServerError::NoPgxs {
            major: installation.version.major(),
            pg_config: installation.pg_config.clone(),
            extension: source.name.clone(),
        });
    }
    Ok(())
}

/// Builds by `make install`.
pub(super) fn build(
    source: &ExtensionSource,
    path: &Path,
    arguments: &[String],
    site: Site,
) -> Result<(), ServerError> {
    again::of_copy(source, path, site, treatment, |copy| install(source, copy, arguments, site))
}

/// The same, in that copy of the sources.
pub(super) fn install(
    source: &ExtensionSource,
    copy: &Path,
    arguments: &[String],
    site: Site,
) -> Result<(), ServerError> {
    let mut make = shell::program("make", copy, site);
    // The copy is gone when an extension is used that an earlier run has built: its libraries are sought where the original has them.
    if !NAMES.iter().any(|name| fs::read_to_string(copy.join(name)).is_ok_and(|text| text.contains("rpathdir"))) {
        make.arg(format!("rpathdir={}", site.original.lib_dir.display()));
    }
    make.arg(format!("PG_CONFIG={}", site.staged.pg_config.display()))
        // The bitcode for the JIT would need the very clang that PostgreSQL was built with.
        .args(["USE_PGXS=1", "with_llvm=no"])
        .args(arguments)
        .arg("install")
        // With which PGXS compiles C; and C++, whatever flags for that the Makefile has.
        .env("COPT", shell::debug_flags("COPT", "", copy, source, site))
        .arg(format!("--eval=%.o: override CXXFLAGS += -g {}", shell::original_paths(copy, source, site)));
    shell::run(make, source, &copy.with_extension("log"), "make")
}

/// What make may have left from another build, and what is no source at all, stays behind.
pub(super) fn treatment(entry: &DirEntry) -> Treatment {
    let name = entry.file_name().to_string_lossy();
    let skipped = match entry.file_type().is_dir() {
        // What pg_regress expects is not installed.
        true => matches!(&*name, ".git" | "target" | "expected" | ".deps"),
        false => [".o", ".so", ".bc"].iter().any(|suffix| name.ends_with(suffix)),
    };
    if skipped || shell::is_of_mcspec(entry) { Treatment::Skip } else { Treatment::Each }
}
