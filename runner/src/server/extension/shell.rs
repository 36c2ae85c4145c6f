//! What programs that build an extension are given, and the copy of the sources that they work on.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use walkdir::DirEntry;

use super::super::error::ServerError;
use super::super::run_directory::RunDirectory;
use super::super::tree::{self, Treatment};
use super::{OUTPUT_LINES, Site, log_tail, run_logged};
use crate::config::ExtensionSource;

/// What this run may have been started by, whose settings are not for a build of its own.
const OF_MAKE: [&str; 5] = ["MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "DESTDIR"];

/// A copy of the sources: the checkout gets no files of another user or another version, and two runs do not get in each
/// other's way.
pub(super) fn copy(
    source: &ExtensionSource,
    path: &Path,
    run: &RunDirectory,
    treatment: fn(&DirEntry) -> Treatment,
) -> Result<PathBuf, ServerError> {
    let copy = run.subdirectory(&format!("build-{}", source.name))?;
    tree::copy(path, &copy, None, treatment)?;
    Ok(copy)
}

/// What directories of ours are called that "mcspec init" makes, or that a project has without a word of it.
const OURS: [&str; 3] = ["results", "mcspec-results", "goldens"];

/// Whether a file or directory is one of mcspec's own, which changes when nothing has to be built.
pub(super) fn is_of_mcspec(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    match entry.file_type().is_dir() {
        true => OURS.contains(&&*name) || entry.path().join("run.json").exists(),
        false => name.ends_with(".mcspec") || name == "mcspec.toml",
    }
}

/// A program that builds an extension in `directory`.
pub(super) fn bare(program: impl AsRef<OsStr>, directory: &Path, site: Site) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).env("LC_ALL", "C").env("TMPDIR", site.run.temporary());
    for variable in OF_MAKE {
        command.env_remove(variable);
    }
    command
}

/// The same; it finds the staged programs of the server first.
pub(super) fn program(name: &str, directory: &Path, site: Site) -> Command {
    let mut command = bare(name, directory, site);
    let mut path = site.staged.bin_dir.clone().into_os_string();
    if let Some(others) = std::env::var_os("PATH") {
        path.push(":");
        path.push(others);
    }
    command.env("PATH", path);
    command
}

/// Runs what builds an extension. Its output is shown where it fails.
pub(super) fn run(
    command: Command,
    source: &ExtensionSource,
    log: &Path,
    what: &'static str,
) -> Result<(), ServerError> {
    let status = run_logged(command, None, log, None)?;
    if status.success() {
        return Ok(());
    }
    let output = log_tail(log, OUTPUT_LINES);
    Err(ServerError::Build { extension: source.name.clone(), program: what, status, output })
}

/// The caller's flags in that variable, or `usual` ones, and debug information that names the sources and the server's headers
/// instead of the copies.
pub(super) fn debug_flags(variable: &str, usual: &str, copy: &Path, source: &ExtensionSource, site: Site) -> OsString {
    let flags = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    format!("{flags} -g {}", original_paths(copy, source, site)).trim().into()
}

/// The flags by which a compiler names what was copied, instead of the copies.
pub(super) fn original_paths(copy: &Path, source: &ExtensionSource, site: Site) -> String {
    let Site { original, staged, .. } = site;
    maps(&[
        (copy, &source.path),
        (&staged.include_dir, &original.include_dir),
        (&staged.pkginclude_dir, &original.pkginclude_dir),
        (&staged.include_server_dir, &original.include_server_dir),
    ])
}

fn maps(pairs: &[(&Path, &Path)]) -> String {
    let map =
        |(copy, original): &(&Path, &Path)| format!("-ffile-prefix-map={}={}", copy.display(), original.display());
    // The shell of a recipe would take others apart.
    let is_plain = |map: &String| map.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.=+,".contains(c));
    pairs.iter().map(map).filter(is_plain).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_information_names_the_sources() {
        let copy = Path::new("/tmp/run/build-x");
        let headers = (Path::new("/tmp/run/pg18/include"), Path::new("/usr/include"));
        let expected = "-ffile-prefix-map=/tmp/run/build-x=src/x -ffile-prefix-map=/tmp/run/pg18/include=/usr/include";
        assert_eq!(maps(&[(copy, Path::new("src/x")), headers]), expected);
        // The shell of a recipe would take it apart.
        assert_eq!(maps(&[(copy, Path::new("my sources"))]), "");
    }
}
