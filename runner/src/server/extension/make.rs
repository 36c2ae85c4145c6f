//! Extensions that PGXS builds.

use std::path::Path;

use walkdir::DirEntry;

use super::super::error::ServerError;
use super::super::installation::Installation;
use super::super::tree::Treatment;
use super::{Site, shell, unusable};
use crate::config::ExtensionSource;

/// Whether there is a Makefile, and what it includes.
pub(super) fn is_ready(source: &ExtensionSource, path: &Path, installation: &Installation) -> Result<(), ServerError> {
    if !["GNUmakefile", "makefile", "Makefile"].iter().any(|name| path.join(name).is_file()) {
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
    let copy = shell::copy(source, path, site.run, treatment)?;
    let mut make = shell::program("make", &copy, site);
    make.arg(format!("PG_CONFIG={}", site.staged.pg_config.display()))
        // The bitcode for the JIT would need the very clang that PostgreSQL was built with.
        .args(["USE_PGXS=1", "with_llvm=no"])
        .args(arguments)
        .arg("install")
        // With which PGXS compiles.
        .env("COPT", shell::debug_flags("COPT", "", &copy, &source.path));
    shell::run(make, source, &copy.with_extension("log"), "make")
}

/// What make may have left from another build, and what is no source at all, stays behind.
fn treatment(entry: &DirEntry) -> Treatment {
    let name = entry.file_name().to_string_lossy();
    let skipped = match entry.file_type().is_dir() {
        true => matches!(&*name, ".git" | "target" | "results" | ".deps"),
        false => [".o", ".so", ".bc"].iter().any(|suffix| name.ends_with(suffix)),
    };
    if skipped { Treatment::Skip } else { Treatment::Each }
}
