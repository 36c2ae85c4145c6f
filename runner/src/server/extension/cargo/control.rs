//! Control files of crates, with the marks that cargo-pgrx replaces.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::super::error::ServerError;
use super::super::unusable;
use super::metadata::Package;
use crate::config::ExtensionSource;

/// A control file.
#[derive(Debug)]
pub(super) struct Control {
    /// The name of the extension.
    pub(super) extension: String,
    /// Its default version.
    pub(super) version: String,
    /// The text as it is installed.
    pub(super) text: String,
}

impl Control {
    /// The one of the extension, or the only one, in the directory of the package.
    pub(super) fn of(source: &ExtensionSource, package: &Package) -> Result<Self, ServerError> {
        let directory = &package.directory;
        let file = files(directory, "control");
        let own = file.iter().find(|file| file.file_stem().is_some_and(|stem| stem == source.name.as_str()));
        let Some(file) = own.or(file.first()) else {
            return Err(unusable(source, format!("there is no control file in \"{}\"", directory.display())));
        };
        let text = fs::read_to_string(file).map_err(ServerError::file("read", file))?;
        let Some(version) = parameter(&text, "default_version") else {
            return Err(unusable(source, format!("\"{}\" has no default_version", file.display())));
        };
        let version = version.replace("@CARGO_VERSION@", &package.version);
        let extension = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = filtered(&text, &version, directory);
        Ok(Self { extension, version, text })
    }

    /// Whether the library has the version in its name, as `$libdir/NAME-VERSION`.
    pub(super) fn is_versioned(&self) -> bool {
        parameter(&self.text, "module_pathname").is_none()
    }

    /// The name of the library.
    pub(super) fn library(&self) -> String {
        if self.is_versioned() { format!("{}-{}", self.extension, self.version) } else { self.extension.clone() }
    }

    /// The update scripts of the package, as they are installed.
    pub(super) fn updates(&self, package: &Package) -> Result<Vec<(String, String)>, ServerError> {
        let is_update = |name: &str| {
            name.strip_prefix(&self.extension)
                .and_then(|rest| rest.strip_prefix("--"))
                .is_some_and(|rest| rest.contains("--"))
        };
        let scripts = files(&package.directory.join("sql"), "sql").into_iter();
        let named = scripts.filter_map(|file| {
            let name = file.file_name()?.to_str()?.to_owned();
            is_update(&name).then_some((name, file))
        });
        named
            .map(|(name, file)| {
                let text = fs::read_to_string(&file).map_err(ServerError::file("read", &file))?;
                Ok((name, filtered(&text, &self.version, &package.directory)))
            })
            .collect()
    }
}

/// Replaces what cargo-pgrx does (`filter_contents` in command/install.rs).
fn filtered(text: &str, version: &str, directory: &Path) -> String {
    const COMMIT: &str = "@GIT_HASH@";
    let mut text = text.replace("@CARGO_VERSION@", version);
    if text.contains(COMMIT) {
        let output = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(directory).output();
        if let Some(output) = output.ok().filter(|output| output.status.success()) {
            text = text.replace(COMMIT, String::from_utf8_lossy(&output.stdout).trim());
        }
    }
    text
}

/// A parameter of a control file, whose lines are those of postgresql.conf (`parse_extension_control_file` in extension.c).
fn parameter<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().rev().find_map(|line| {
        let rest = line.trim_start().strip_prefix(name)?;
        if !rest.starts_with([' ', '\t', '=', '\'']) {
            return None;
        }
        let value = rest.trim_start().trim_start_matches('=').trim_start();
        match value.strip_prefix('\'') {
            Some(quoted) => quoted.split('\'').next(),
            None => value.split(['#', ' ', '\t']).next().filter(|value| !value.is_empty()),
        }
    })
}

/// The files of a directory with that suffix, by name.
fn files(directory: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|other| other == suffix)).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        for (text, expected) in [
            ("default_version = '1.0'", Some("1.0")),
            ("comment = 'default_version'\ndefault_version='@CARGO_VERSION@' # x", Some("@CARGO_VERSION@")),
            ("default_version '1.1'\n", Some("1.1")),
            ("  default_version = 2", Some("2")),
            ("# default_version = '1.0'", None),
            ("default_version_x = '1.0'", None),
            ("", None),
        ] {
            assert_eq!(parameter(text, "default_version"), expected, "{text}");
        }
    }

    #[test]
    fn libraries_with_a_version() {
        let control = |text: &str| Control { extension: "x".into(), version: "1.2".into(), text: text.into() };
        assert_eq!(control("default_version = '1.2'\n").library(), "x-1.2");
        assert_eq!(control("module_pathname = '$libdir/x'\n").library(), "x");
        assert_eq!(control("#module_pathname = '$libdir/x'\n").library(), "x-1.2");
    }
}
