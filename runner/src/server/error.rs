//! What can go wrong before a server runs, and while it does.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;
use thiserror::Error;

use super::connect::{Settings, Unreached};
use super::crash::{Crash, End};
use crate::hint::{self, Need};

/// The subcommands that work everywhere.
const SERVERLESS: &str = "mcspec check, fmt, list, explain, diff, review";

/// Why there is no server to run on. Where PostgreSQL, a compiler or make has said why, the message ends in their words.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A `pg_config` that does not answer as one.
    #[error("\"{}\" cannot be used: {reason}", path.display())]
    PgConfig {
        /// The program.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No installation of a wanted major version.
    #[error("{}", not_found(majors, rejected))]
    NotFound {
        /// The missing versions; none when any would have done.
        majors: Vec<u32>,
        /// What was found but is no use, and why.
        rejected: Vec<String>,
        /// How to get them.
        hint: String,
    },
    /// The engine has not been built for this major version.
    #[error("the engine for PostgreSQL {major} was not found in {}", list(looked_in))]
    NoEngine {
        /// The major version.
        major: u32,
        /// The server's `pg_config`.
        pg_config: PathBuf,
        /// The directories tried.
        looked_in: Vec<PathBuf>,
    },
    /// The engine has been built for another server.
    #[error("the engine \"{}\" cannot check this server: {reason}", library.display())]
    Misfit {
        /// Its library.
        library: PathBuf,
        /// Why.
        reason: String,
        /// The server's `pg_config`.
        pg_config: PathBuf,
    },
    /// There is no engine for such a machine.
    #[error("extensions are checked on Linux with glibc on x86_64 only, and this is mcspec for {name}")]
    Platform {
        /// What kind of machine it is.
        name: String,
    },
    /// Started as root, and there is no unprivileged account to run the server as.
    #[error("PostgreSQL refuses to run as root, and neither the user \"postgres\" nor \"nobody\" exists")]
    NoAccount,
    /// The account of the server cannot enter a directory.
    #[error("the server's user \"{account}\" cannot reach \"{}\": no permission to enter \"{}\"", path.display(), closed.display())]
    Unreachable {
        /// Where the server's files would be.
        path: PathBuf,
        /// The directory that is closed to it.
        closed: PathBuf,
        /// The account.
        account: String,
    },
    /// A file or directory could not be read or written.
    #[error("could not {action} \"{}\": {source}", path.display())]
    File {
        /// What was tried: `read`, `write`, ...
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("could not run \"{}\": {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A statement that makes the server ready fails.
    #[error("{sql}: {reason}")]
    Statement {
        /// The statement.
        sql: String,
        /// What the server says.
        reason: Unreached,
    },
    /// The copy of an installation would install files outside of itself.
    #[error("the staged {variable} of \"{}\" is \"{}\", outside of the staged tree", pg_config.display(), directory.display())]
    NotRelocatable {
        /// The installation's `pg_config`.
        pg_config: PathBuf,
        /// The variable of `pg_config`.
        variable: &'static str,
        /// Its value.
        directory: PathBuf,
    },
    /// An installation without the files that extensions are built with.
    #[error("PostgreSQL {major} of \"{}\" has no PGXS or no server headers, which extension \"{extension}\" is built with", pg_config.display())]
    NoPgxs {
        /// The major version.
        major: u32,
        /// The installation's `pg_config`.
        pg_config: PathBuf,
        /// The extension.
        extension: String,
    },
    /// An extension has no source directory, no Makefile or not the files that it should have.
    #[error("extension \"{extension}\": {reason}")]
    Source {
        /// The extension.
        extension: String,
        /// What is missing.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// An extension does not build.
    #[error("extension \"{extension}\" does not build: {program} failed with {status}\n{output}")]
    Build {
        /// The extension.
        extension: String,
        /// What builds it.
        program: &'static str,
        /// How that ended.
        status: ExitStatus,
        /// The end of what it and the compiler said.
        output: String,
    },
    /// initdb failed.
    #[error("initdb failed with {status}\n{output}")]
    Initdb {
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        output: String,
    },
    /// The postmaster ended instead of accepting connections.
    #[error("server \"{name}\" did not start{reason}\n{log}")]
    NotStarted {
        /// The server's name.
        name: String,
        /// How the postmaster ended, behind a colon, where the log does not say all.
        reason: String,
        /// What its log says.
        log: String,
        /// How it would start.
        hint: Option<String>,
    },
    /// The postmaster runs but does not accept connections.
    #[error("server \"{name}\" does not accept connections after {} s\n{log}", waited.as_secs())]
    NotReady {
        /// The server's name.
        name: String,
        /// How long it was given.
        waited: Duration,
        /// What its log says.
        log: String,
    },
    /// A connection was refused.
    #[error("could not connect to database \"{database}\": {source}")]
    Connect {
        /// The database.
        database: String,
        /// The server's or the system's reason.
        source: Unreached,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A connection needs what this process cannot get.
    #[error("could not open a connection: {source}")]
    Thread {
        /// The system's reason.
        source: io::Error,
    },
    /// A backend crashed while a session was opened.
    #[error("backend {} {} while a session was opened in database \"{database}\"{}", crash.pid, crash.end, indented(&crash.words))]
    Crashed {
        /// The database.
        database: String,
        /// The crash.
        crash: Box<Crash>,
    },
    /// The postmaster of a server is gone.
    #[error("the postmaster (PID {pid}) of server \"{name}\" {}{}", ended(*status), indented(words))]
    Gone {
        /// The server's name.
        name: String,
        /// The postmaster.
        pid: u32,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote about that.
        words: Vec<String>,
    },
    /// A connection string that cannot be used, or what it refers to.
    #[error("cannot connect: {reason}")]
    Settings {
        /// What is wrong.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A server that somebody else runs and that specs cannot be run on.
    #[error("server \"{server}\" cannot be used: {reason}")]
    Given {
        /// Where it is.
        server: String,
        /// What it lacks.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The run is being interrupted; nothing new is started.
    #[error("interrupted")]
    Interrupted,
}

impl ServerError {
    /// Wraps an I/O error on `path`; for `map_err`.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// No connection to a server that somebody else runs.
    pub(super) fn unreached(settings: &Settings, source: Unreached) -> Self {
        let hint = source.hint(settings);
        Self::Connect { database: settings.database().to_owned(), source, hint }
    }

    /// Whether it is one extension that is not as it should be, or cannot be built.
    pub(super) fn is_of_extension(&self) -> bool {
        matches!(self, Self::Source { .. } | Self::Build { .. } | Self::NoPgxs { .. })
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { hint, .. } => Some(hint.clone()),
            Self::Given { hint, .. }
            | Self::Source { hint, .. }
            | Self::NotStarted { hint, .. }
            | Self::Connect { hint, .. }
            | Self::Settings { hint, .. } => hint.clone(),
            Self::NoEngine { pg_config, .. } | Self::Misfit { pg_config, .. } => Some(hint::rebuild(pg_config)),
            Self::Platform { .. } => Some(format!("what needs no server works here: {SERVERLESS}")),
            Self::NoAccount => Some(hint::make_user()),
            Self::Unreachable { account, .. } => {
                Some(format!("set TMPDIR to a directory that \"{account}\" can enter, such as /tmp"))
            }
            Self::NoPgxs { major, pg_config, .. } => Some(hint::completed(Need::Headers(*major), pg_config)),
            Self::Build { output, .. } if lacks_compiler(output) => Some(hint::install(&[Need::Compiler])),
            Self::Spawn { program, source } if source.kind() == io::ErrorKind::PermissionDenied => Some(format!(
                "if \"{}\" is on a file system mounted noexec, set TMPDIR to a directory on another one",
                program.display()
            )),
            Self::Spawn { program, .. } if program == Path::new("cargo") => Some(hint::rust()),
            Self::Build { output, .. } if output.contains("libclang") => Some(hint::install(&[Need::Clang])),
            Self::Spawn { program, .. } if program == Path::new("make") => Some(hint::install(&[Need::Compiler])),
            _ => None,
        }
    }
}

/// Whether what make said is that there is no compiler, or one without the C library's headers.
fn lacks_compiler(output: &str) -> bool {
    let is_missing = |line: &str| ["not found", "No such file or directory"].iter().any(|end| line.ends_with(end));
    let program = |line: &str| ["gcc: ", "cc: ", "clang: ", "stdio.h: "].iter().any(|name| line.contains(name));
    output.lines().any(|line| is_missing(line.trim_end()) && program(line))
}

fn not_found(majors: &[u32], rejected: &[String]) -> String {
    let mut message = match majors {
        [] => "no PostgreSQL was found".to_owned(),
        majors => {
            let majors: Vec<_> = majors.iter().map(u32::to_string).collect();
            format!("PostgreSQL {} was not found", majors.join(", "))
        }
    };
    for reason in rejected {
        message.push_str("\n  ");
        message.push_str(reason);
    }
    message
}

/// `was terminated by signal 11 (SIGSEGV)`, `ended with exit code 1`
pub(super) fn ended(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(number), _) => {
            let name = Signal::try_from(number).map_or("", Signal::as_str);
            End::Signal { number, name: name.to_owned() }.to_string()
        }
        (None, Some(code)) => End::Code(code).to_string(),
        (None, None) => format!("ended with {status}"),
    }
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n{line}")).collect()
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| format!("\"{}\"", path.display())).collect();
    paths.join(", ")
}
