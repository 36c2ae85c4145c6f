//! Small projects in a temporary directory, and the `mcspec` binary run in them on a real server.

#![allow(dead_code, reason = "no test uses all of it")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mcspec::config::{Build, Config, SUPPORTED_MAJORS};
use mcspec::server::{EngineFiles, Installation, RunDirectory, SUPERUSER, Server, ServerOptions, Stage, Template};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use walkdir::{DirEntry, WalkDir};

pub(crate) mod schemas;

/// A project, and a directory of its own for what its runs need for a while.
pub(crate) struct Project {
    directory: TempDir,
    temporary: TempDir,
    pg_config: PathBuf,
    config: Config,
}

/// Exit code, standard output and standard error.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    /// A project with these files besides a `mcspec.toml` that names the engine and the subjects of this repository.
    ///
    /// It is for the first installation for which there is an engine, or for the first of the major versions in
    /// `MCSPEC_TEST_PG`, separated by spaces.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let config = Config::load().expect("a valid mcspec.toml");
        let wanted = std::env::var("MCSPEC_TEST_PG").ok();
        let is_wanted =
            |major: &u32| wanted.as_ref().is_none_or(|majors| majors.split(' ').any(|word| word == major.to_string()));
        let installation = SUPPORTED_MAJORS.filter(is_wanted).find_map(|major| {
            let installation = Installation::find(&[major], &config).ok()?.pop()?;
            EngineFiles::find(&installation, &config).ok().map(|_| installation)
        });
        Self::of(&installation.expect("the engine is built: run \"make engine\""), files)
    }

    /// The same for an installation.
    pub(crate) fn of(installation: &Installation, files: &[(&str, &str)]) -> Self {
        let config = Config::load().expect("a valid mcspec.toml");
        let root = config.root.canonicalize().expect("the repository");
        let directory = open_directory();
        let engine = root.join("target/engine");
        let mut toml = format!("[engine]\npath = {engine:?}\n");
        for (name, source) in &config.extensions {
            // Those that make builds, from nothing.
            if let Ok(path) = source.path.canonicalize()
                && matches!(source.build, Build::Make { .. })
            {
                toml += &format!("[extension.{name}]\npath = {path:?}\n");
            }
        }
        let pg_config = installation.pg_config.canonicalize().expect("pg_config");
        let project = Project { directory, temporary: open_directory(), pg_config, config };
        project.write("mcspec.toml", &toml);
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The `TMPDIR` of its runs.
    pub(crate) fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// All files but what runs have found, with what is in them.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files(self.directory.path())
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("has one")).expect("created");
        fs::write(path, text).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The installation that its runs are on.
    pub(crate) fn pg_config(&self) -> &Path {
        &self.pg_config
    }

    /// The major version that its runs are on.
    pub(crate) fn major(&self) -> u32 {
        Installation::from_pg_config(&self.pg_config).expect("an installation").version.major()
    }

    /// `mcspec run` on the project's installation, with these further arguments.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = self.mcspec("run");
        command.arg("--pg-config").arg(&self.pg_config).args(arguments.split_whitespace());
        command
    }

    /// The binary with these arguments.
    pub(crate) fn mcspec(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcspec"));
        command.current_dir(self.directory.path()).env("TMPDIR", self.temporary()).env_remove("GITHUB_STEP_SUMMARY");
        command.args(arguments.split_whitespace());
        command
    }

    /// Runs specs to the end of the run, after which nothing may be left behind.
    pub(crate) fn run(&self, arguments: &str) -> Ended {
        let ended = end(self.command(arguments));
        self.assert_nothing_left();
        self.assert_results_are_as_schemas_say(arguments);
        ended
    }

    /// What the last run has written for programs is as `docs/schema` says.
    fn assert_results_are_as_schemas_say(&self, arguments: &str) {
        let results = self.path("results");
        for entry in WalkDir::new(&results).into_iter().flatten() {
            let name = entry.path().strip_prefix(&results).expect("in it").display().to_string();
            let schema = match name.as_str() {
                "run.json" => "run",
                "coverage.json" => "coverage",
                "mutations.json" => "mutations",
                // Others may lie about there.
                result if result.ends_with(".json") && self.is_of_last_run(result) => "result",
                _ => continue,
            };
            schemas::validate(schema, &fs::read_to_string(entry.path()).expect("read"), &name);
        }
        for report in arguments.split_whitespace().filter_map(|word| word.strip_prefix("json=")) {
            // Not all may be written to, and a device may be read from without end.
            let file = self.path(report);
            if file.is_file()
                && let Ok(text) = fs::read_to_string(&file).map(|text| text.trim().to_owned())
                && !text.is_empty()
            {
                schemas::validate("report", &text, report);
            }
        }
    }

    fn is_of_last_run(&self, result: &str) -> bool {
        let index = fs::read_to_string(self.path("results/run.json")).unwrap_or_default();
        let index: serde_json::Value = serde_json::from_str(&index).unwrap_or_default();
        let cases = index["cases"].as_array().cloned().unwrap_or_default();
        let name = result.trim_end_matches(".json");
        cases.iter().any(|case| case.as_str() == Some(name))
    }

    /// A tree of the project's version with or without the engine, and the directory that it is in.
    pub(crate) fn stage(&self, with_engine: bool) -> (Stage, RunDirectory) {
        let installation = Installation::from_pg_config(&self.pg_config).expect("an installation");
        let run = RunDirectory::create().expect("a run directory");
        let engine = with_engine.then(|| EngineFiles::find(&installation, &self.config).expect("the engine"));
        let subject = self.config.extensions["leak_shapes"].clone();
        (Stage::build(&installation, &run, engine.as_ref(), &[subject]).expect("a stage"), run)
    }

    /// A server of the project's version that is not the runs' own, with or without the engine, and its URI.
    pub(crate) fn server(&self, with_engine: bool) -> (Server, String) {
        let (stage, _) = self.stage(with_engine);
        let template = Template::create(&stage).expect("a template");
        let server = Server::start(&stage, &template, &ServerOptions::default()).expect("a server");
        let (directory, port) = server.address().expect("our own");
        let uri = format!("host={} port={port} user={SUPERUSER}", directory.display());
        (server, uri)
    }

    /// `mcspec run` on that server.
    pub(crate) fn on(&self, uri: &str, arguments: &str) -> Command {
        let mut command = self.mcspec("run --server");
        command.arg(uri).args(arguments.split_whitespace());
        command
    }

    /// Starts a run and waits until the backend of a spec is at its workload, which is a DO: the only one in a run.
    pub(crate) fn start(&self, arguments: &str) -> Child {
        let child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        let is_at_it = |pid: i32| {
            let title = title(pid);
            title.contains("spec_") && title.trim_end().ends_with(" DO")
        };
        eventually("a backend is at its workload", || self.processes().into_iter().any(is_at_it));
        child
    }

    /// Processes whose current directory is the runs' temporary directory: servers.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let all = fs::read_dir("/proc").expect("/proc").flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_here = |pid: &i32| {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|directory| directory.starts_with(self.temporary()))
        };
        pids.filter(is_here).collect()
    }

    /// The postmasters among them.
    pub(crate) fn postmasters(&self) -> Vec<i32> {
        self.processes().into_iter().filter(|&pid| title(pid).contains("-D")).collect()
    }

    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(self.processes(), [0; 0], "processes are left");
        let left: Vec<PathBuf> = fs::read_dir(self.temporary()).expect("read").flatten().map(|e| e.path()).collect();
        assert!(left.is_empty(), "files are left: {left:?}");
    }
}

/// The files of a project but what runs have found, with what is in them.
pub(crate) fn files(project: &Path) -> BTreeMap<String, Vec<u8>> {
    let is_kept = |entry: &DirEntry| entry.file_name() != "results";
    let entries = WalkDir::new(project).into_iter().filter_entry(is_kept).flatten();
    let name = |file: &DirEntry| file.path().strip_prefix(project).expect("in it").display().to_string();
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(|file| (name(&file), fs::read(file.path()).expect("read"))).collect()
}

/// Runs a command to its end.
pub(crate) fn end(mut command: Command) -> Ended {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    wait(child)
}

/// Waits for a process whose output is piped.
pub(crate) fn wait(child: Child) -> Ended {
    let output = child.wait_with_output().expect("waited for");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 60 s: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn send(signal: Signal, pid: i32) {
    kill(Pid::from_raw(pid), signal).expect("sent");
}

/// The command line of a process, as PostgreSQL's processes change it.
fn title(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// A directory that the server's user can enter.
pub(crate) fn open_directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("opened");
    directory
}

/// Compares a text with the file `tests/NAME`, or writes it under `MCSPEC_BLESS=1`.
#[track_caller]
pub(crate) fn assert_golden(name: impl AsRef<OsStr>, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name.as_ref());
    if std::env::var_os("MCSPEC_BLESS").is_some() {
        fs::write(&file, text).expect("written");
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, expected, "{} differs; MCSPEC_BLESS=1 writes it anew", file.display());
}
