//! A data directory to make servers from.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use walkdir::WalkDir;

use super::error::ServerError;
use super::extension::{log_tail, run_logged};
use super::kept::{Digest, Entry, Key, Kind};
use super::run_directory::RunDirectory;
use super::spare::{Filled, Filling};
use super::stage::Stage;
use super::tree::{self, Placement, Plan, Treatment};
use crate::status;

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
max_worker_processes = 32
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
    filling: Arc<Filling>,
}

impl Template {
    /// Runs initdb, unless what it makes is kept: C locale, UTF8, no sync, everybody who gets at the socket is trusted.
    pub fn create(stage: &Stage) -> Result<Self, ServerError> {
        let run = stage.run();
        let key = key(stage);
        if let Some(entry) = run.kept().and_then(|kept| kept.find(Kind::Data, &key)) {
            return Self::of(entry.content().to_owned(), run, Some(entry));
        }
        let major = stage.installation().version.major();
        let _making = status::phase(format!("making a data directory of PostgreSQL {major}"));
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
        let copy = |to: &Path| tree::copy(&path, to, None, |_| Treatment::Each);
        match run.kept().and_then(|kept| kept.keep(Kind::Data, &key, copy)) {
            Some(entry) => Self::of(entry.content().to_owned(), run, Some(entry)),
            None => Self::of(path, run, None),
        }
    }

    fn of(path: PathBuf, run: &RunDirectory, entry: Option<Entry>) -> Result<Self, ServerError> {
        let mut plan = Plan::default();
        plan.add_tree(&path, Path::new(""), Placement::Copy, |_| Treatment::Each)?;
        let filling = Arc::new(Filling::new(plan, Some(run.account()), entry));
        Ok(Self { path, filling })
    }

    /// Bytes in its files.
    pub fn size(&self) -> u64 {
        let files = WalkDir::new(&self.path).into_iter().flatten().filter(|entry| entry.file_type().is_file());
        files.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
    }

    /// A new data directory that is a copy of it.
    pub(super) fn copy(&self, run: &RunDirectory) -> Result<Filled, ServerError> {
        Filled::make(&self.filling, run.server_subdirectory("data")?, run)
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
