//! Copies of repositories in which programs of theirs are run.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use walkdir::DirEntry;

use super::error::ServerError;
use super::run_directory::RunDirectory;
use super::tree::{self, Treatment};

/// A copy of a repository that belongs to the account of the server, which may have to write there (`COPY .. TO`). The original
/// stays as it is, whatever is run.
#[derive(Debug, Clone)]
pub struct Workplace {
    path: PathBuf,
    run: RunDirectory,
}

impl Workplace {
    /// Copies the repository at `from`, over what an extension of that name was built in.
    ///
    /// # Errors
    ///
    /// What cannot be copied.
    pub fn copy(from: &Path, name: &str, run: &RunDirectory) -> Result<Self, ServerError> {
        let path = run.server_subdirectory(&format!("tests-{name}"))?;
        let account = Some(run.account());
        // What was made of the sources, such as a Makefile by configure, and then they themselves: a build does without some of them.
        if let Some(built) = built(run, name) {
            tree::copy(&built, &path, account, |_| Treatment::Each)?;
        }
        // An empty path is the current directory.
        tree::copy(&Path::new(".").join(from), &path, account, treatment)?;
        Ok(Self { path, run: run.clone() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a program that is to be run there.
    ///
    /// # Errors
    ///
    /// What keeps it from being written.
    pub fn write_program(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path)
    }

    /// Has a program run as the account, with what it leaves in places of the run.
    pub fn employ(&self, command: &mut Command) {
        command.env("TMPDIR", self.run.temporary());
        if let Some((uid, gid)) = self.run.account().switch() {
            command.uid(uid).gid(gid).env("HOME", &self.path);
        }
    }
}

/// Where an extension was built in this run.
fn built(run: &RunDirectory, name: &str) -> Option<PathBuf> {
    let prefix = format!("build-{name}-");
    let is_it = |path: &PathBuf| {
        let rest = path.file_name().and_then(|name| name.to_str()?.strip_prefix(&prefix));
        path.is_dir() && rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
    };
    fs::read_dir(run.path()).ok()?.flatten().map(|entry| entry.path()).find(is_it)
}

/// What is no source stays behind.
fn treatment(entry: &DirEntry) -> Treatment {
    let name = entry.file_name().to_string_lossy();
    let skipped = match entry.file_type().is_dir() {
        true => matches!(&*name, ".git" | "target" | "results" | "tmp_check" | "output_iso"),
        false => [".o", ".so", ".bc"].iter().any(|suffix| name.ends_with(suffix)),
    };
    if skipped { Treatment::Skip } else { Treatment::Each }
}
