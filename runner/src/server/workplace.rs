//! Copies of repositories in which programs of theirs are run.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use walkdir::DirEntry;

use super::error::ServerError;
use super::run_directory::RunDirectory;
use super::stage::Stage;
use super::tree::{self, Treatment};
use crate::config::ExtensionSource;

/// A copy of a repository that belongs to the account of the server, which may have to write there (`COPY .. TO`). The original
/// stays as it is, whatever is run.
#[derive(Debug, Clone)]
pub struct Workplace {
    path: PathBuf,
    run: RunDirectory,
}

impl Workplace {
    /// Copies the repository of an extension, over what it was built in.
    ///
    /// # Errors
    ///
    /// What cannot be copied.
    pub fn copy(source: &ExtensionSource, stage: &Stage) -> Result<Self, ServerError> {
        let run = stage.run().clone();
        let path = run.server_subdirectory(&format!("tests-{}", source.name))?;
        let account = Some(run.account());
        // What was made of the sources, such as a Makefile by configure, and then they themselves: a build does without some of them.
        if let Some(built) = stage.built(source)? {
            tree::copy(&built.path, &path, account, |_| Treatment::Each)?;
            let moved = [(built.was.as_path(), path.as_path()), (&built.staged, stage.top())];
            tree::rename_in_texts(&path, &moved)?;
        }
        // An empty path is the current directory.
        tree::copy(&Path::new(".").join(&source.path), &path, account, treatment)?;
        Ok(Self { path, run })
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

    /// Makes the directory in which something is to be made, for the account, where the copy has none: a build may have made it.
    ///
    /// # Errors
    ///
    /// What keeps it from being made.
    pub fn make_above(&self, file: &Path) -> io::Result<()> {
        let file = self.path.join(file);
        let is_here = file.starts_with(&self.path) && !file.components().any(|part| part == Component::ParentDir);
        let above = file.ancestors().skip(1).take_while(|directory| is_here && !directory.exists());
        let missing: Vec<&Path> = above.collect();
        for directory in missing.into_iter().rev() {
            fs::create_dir(directory)?;
            if let Some((uid, gid)) = self.run.account().switch() {
                chown(directory, Some(uid), Some(gid))?;
            }
        }
        Ok(())
    }

    /// Has a program run as the account, with what it leaves in places of the run.
    pub fn employ(&self, command: &mut Command) {
        command.env("TMPDIR", self.run.temporary());
        if let Some((uid, gid)) = self.run.account().switch() {
            command.uid(uid).gid(gid).env("HOME", &self.path);
        }
    }
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
