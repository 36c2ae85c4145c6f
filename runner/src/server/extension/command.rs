//! Extensions that are built by commands: those of cmake, meson, autoconf or anything else.

use std::path::Path;

use walkdir::DirEntry;

use super::super::error::ServerError;
use super::super::tree::Treatment;
use super::overlay::Snapshot;
use super::place::Places;
use super::{Site, again, shell, unusable};
use crate::config::ExtensionSource;

/// What compilers are told where the caller's environment says nothing: with flags of our own, autoconf would not add its.
const USUAL: &str = "-O2";

/// Runs the lines in one shell, which ends with the first that fails, and stages what is in `DESTDIR` then. What they install
/// by the staged `pg_config` without a word of `DESTDIR` is in its place already.
pub(super) fn build(source: &ExtensionSource, path: &Path, lines: &[String], site: Site) -> Result<(), ServerError> {
    again::of_copy(source, path, site, treatment, |copy| install(source, copy, lines, site))
}

/// The same, in that copy of the sources.
pub(super) fn install(source: &ExtensionSource, copy: &Path, lines: &[String], site: Site) -> Result<(), ServerError> {
    let destination = site.run.subdirectory(&format!("destination-{}", source.name))?;
    let before = Snapshot::of(site);
    let mut sh = shell::program("sh", copy, site);
    sh.args(["-e", "-x", "-c", &lines.join("\n")])
        .env("PG_CONFIG", &site.staged.pg_config)
        .env("DESTDIR", &destination)
        .env("COPT", shell::debug_flags("COPT", "", copy, source, site));
    for variable in ["CFLAGS", "CXXFLAGS"] {
        sh.env(variable, shell::debug_flags(variable, USUAL, copy, source, site));
    }
    shell::run(sh, source, &copy.with_extension("log"), "the command")?;
    if Places::of(site).install(&destination)? == 0 && before.since(site).is_empty() {
        return Err(unusable(
            source,
            "its command has installed nothing; what is to be staged has to be below $DESTDIR, in the directories that \
             $PG_CONFIG names"
                .to_owned(),
        ));
    }
    Ok(())
}

/// What another build has left, which may know where it was, and what is no source at all, stays behind.
pub(super) fn treatment(entry: &DirEntry) -> Treatment {
    let name = entry.file_name().to_string_lossy();
    let holds = |file: &str| entry.path().join(file).exists();
    let skipped = match entry.file_type().is_dir() {
        true => {
            matches!(&*name, ".git" | ".libs" | ".deps" | "CMakeFiles")
                || ["CACHEDIR.TAG", "CMakeCache.txt", "meson-private"].iter().any(|file| holds(file))
        }
        false => {
            matches!(&*name, "CMakeCache.txt" | "config.status" | "config.cache")
                || [".o", ".lo", ".la", ".bc"].iter().any(|suffix| name.ends_with(suffix))
        }
    };
    if skipped || shell::is_of_mcspec(entry) { Treatment::Skip } else { Treatment::Each }
}
