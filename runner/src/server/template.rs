//! A data directory to make servers from.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use walkdir::WalkDir;

use super::error::ServerError;
use super::extension::{log_tail, run_logged};
use super::kept::{Digest, Entry, Key, Kind};
use super::run_directory::RunDirectory;
use super::stage::Stage;
use super::tree::{self, Placement, Treatment};

/// The superuser of every cluster.
pub const SUPERUSER: &str = "postgres";

/// What every server starts with, appended to the file that initdb writes.
const SETTINGS: &str = "
# Settings of every server that mcspec starts.
fsync = off
autovacuum = off
jit = off
max_parallel_workers_per_gather = 0
debug_discard_caches = 0
shared_buffers = 32MB
max_connections = 100
timezone = 'GMT'
log_timezone = 'GMT'
log_line_prefix = '[%p] '
log_checkpoints = off
";

/// What initdb is told.
const OPTIONS: [&str; 10] = [
    "--username",
    SUPERUSER,
    "--encoding=UTF8",
    "--no-locale",
    "--no-sync",
    "--no-instructions",
    "--auth-local",
    "trust",
    "--auth-host",
    "reject",
];

/// What the data directory is made from.
fn key(stage: &Stage) -> Key {
    let mut digest = Digest::default();
    digest.mcspec();
    digest.installation(stage.original());
    digest.add("options", format!("{OPTIONS:?} {SETTINGS}").as_bytes());
    digest.add("account", format!("{:?}", stage.run().account()).as_bytes());
    digest.key()
}

/// A data directory that initdb has made, to be copied for each server.
#[derive(Debug)]
pub struct Template {
    path: PathBuf,
    /// What it is kept as.
    _entry: Option<Entry>,
}

impl Template {
    /// Runs initdb: C locale, UTF8, no sync, everybody who gets at the socket is trusted.
    pub fn create(stage: &Stage) -> Result<Self, ServerError> {
        let run = stage.run();
        let key = key(stage);
        if let Some(entry) = run.kept().and_then(|kept| kept.find(Kind::Data, &key)) {
            return Ok(Self { path: entry.content().to_owned(), _entry: Some(entry) });
        }
        let path = run.server_subdirectory("template")?;
        let log = path.with_extension("log");
        let mut initdb = server_command(&stage.installation().bin_dir.join("initdb"), run);
        initdb.args(OPTIONS).arg("--pgdata").arg(&path);
        let status = run_logged(initdb, Some(run.account()), &log, None)?;
        if !status.success() {
            return Err(ServerError::Initdb { status, output: log_tail(&log, 10) });
        }
        let configuration = path.join("postgresql.conf");
        File::options()
            .append(true)
            .open(&configuration)
            .and_then(|mut file| file.write_all(SETTINGS.as_bytes()))
            .map_err(ServerError::file("write", &configuration))?;
        if let Some(kept) = run.kept() {
            let copy = |to: &Path| tree::rebuild(&path, to, Placement::Copy, None, |_| Treatment::Each);
            drop(kept.keep(Kind::Data, &key, copy));
        }
        Ok(Self { path, _entry: None })
    }

    /// Bytes in its files.
    pub fn size(&self) -> u64 {
        let files = WalkDir::new(&self.path).into_iter().flatten().filter(|entry| entry.file_type().is_file());
        files.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
    }

    /// Copies it into a new data directory.
    pub(super) fn copy(&self, run: &RunDirectory) -> Result<PathBuf, ServerError> {
        let path = run.server_subdirectory("data")?;
        let copied = tree::rebuild(&self.path, &path, Placement::Copy, Some(run.account()), |_| Treatment::Each);
        copied.inspect_err(|_| run.discard(&path))?;
        Ok(path)
    }
}

/// A program of the server, with an environment that says nothing about the user who runs it.
pub(super) fn server_command(program: &Path, run: &RunDirectory) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(run.path())
        .env_clear()
        .env("LC_ALL", "C")
        .env("HOME", run.path())
        .env("TMPDIR", run.temporary());
    for kept in ["PATH", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}
