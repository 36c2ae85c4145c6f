//! Servers for tests of the engine.
//!
//! Every installation that the engine is built for is tried, or those whose major versions are in `MCSPEC_TEST_PG`, separated
//! by spaces. `make engine` builds it.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod shared;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use mcspec::config::{Build, Config, ExtensionSource, SUPPORTED_MAJORS};
use mcspec::server::{EngineFiles, Installation, RunDirectory, Server, ServerOptions, Stage, Template};
use postgres::error::DbError;
use postgres::{Client, SimpleQueryMessage};

/// A connection whose answers are texts: rows with `|` between the fields.
pub(crate) struct Session {
    pub(crate) client: Client,
}

impl Session {
    /// Connects to the database `postgres`.
    pub(crate) fn open(server: &Server) -> Self {
        Session { client: server.connect("postgres").expect("connected") }
    }

    /// The rows of a statement, or its error: SQLSTATE, message and hint.
    pub(crate) fn ask(&mut self, sql: &str) -> String {
        match self.client.simple_query(sql) {
            Ok(messages) => {
                let rows = messages.iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => {
                        Some((0..row.len()).map(|i| row.get(i).unwrap_or("")).collect::<Vec<_>>().join("|"))
                    }
                    _ => None,
                });
                rows.collect::<Vec<_>>().join("\n")
            }
            Err(error) => {
                let error = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error}"));
                let hint = error.hint().map(|hint| format!(" HINT: {hint}")).unwrap_or_default();
                format!("{} {}{hint}", error.code().code(), error.message())
            }
        }
    }

    /// Asks, and fails where the answer is another.
    #[track_caller]
    pub(crate) fn gives(&mut self, sql: &str, expected: &str) {
        assert_eq!(self.ask(sql), expected, "{sql}");
    }
}

/// An installation with the engine and the extensions under test.
pub(crate) struct Cluster {
    pub(crate) installation: Installation,
    pub(crate) engine: PathBuf,
    pub(crate) stage: Stage,
    pub(crate) template: Template,
    pub(crate) run: RunDirectory,
}

impl Cluster {
    /// A server with the engine's extension, these libraries preloaded and these lines in its postgresql.conf.
    pub(crate) fn start(&self, preload: &[&str], conf: &[&str]) -> Server {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let options = ServerOptions {
            preload: owned(preload),
            conf: owned(conf),
            name: "test".into(),
            ..ServerOptions::default()
        };
        let server = Server::start(&self.stage, &self.template, &options).unwrap_or_else(|error| panic!("{error}"));
        Session::open(&server).gives("CREATE EXTENSION pg_ext_memcheck", "");
        server
    }

    /// A server with the engine preloaded and the reference implementation's versions beside it, without any extension created.
    pub(crate) fn start_with_old_versions(&self, conf: &[&str]) -> Server {
        let files = tempfile::tempdir().expect("a directory");
        let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/reference");
        for directory in [&self.engine, &reference] {
            for file in fs::read_dir(directory).expect("a directory").flatten().map(|entry| entry.path()) {
                if file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pg_ext_memcheck")) {
                    fs::copy(&file, files.path().join(file.file_name().expect("a file"))).expect("a copy");
                }
            }
        }
        let engine = ExtensionSource {
            name: "pg_ext_memcheck".to_owned(),
            path: files.path().to_owned(),
            provides: vec![],
            build: Build::Files {
                library: vec!["*.so".to_owned()],
                control: vec!["*.control".to_owned()],
                sql: vec!["*.sql".to_owned()],
                tree: vec![],
            },
        };
        let stage =
            Stage::build(&self.installation, &self.run, None, &[engine]).unwrap_or_else(|error| panic!("{error}"));
        let options = ServerOptions {
            preload: vec!["pg_ext_memcheck".into()],
            conf: conf.iter().map(|line| (*line).to_owned()).collect(),
            name: "update".into(),
            ..Default::default()
        };
        Server::start(&stage, &self.template, &options).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A connection of a role that can log in, to the database `postgres`.
pub(crate) fn login(server: &Server, role: &str) -> Client {
    login_to(server, role, "postgres")
}

/// The same to another database.
pub(crate) fn login_to(server: &Server, role: &str, database: &str) -> Client {
    login_telling(server, role, database, |_| {})
}

/// The same, with what the server tells the client on its way.
pub(crate) fn login_telling(
    server: &Server,
    role: &str,
    database: &str,
    told: impl Fn(DbError) + Send + Sync + 'static,
) -> Client {
    let (directory, port) = server.address().expect("a server of its own");
    let mut config = postgres::Config::new();
    config.host_path(directory).port(port).user(role).dbname(database).notice_callback(told);
    config.connect(postgres::NoTls).expect("connected")
}

/// One cluster with these extensions for each installation for which there is an engine. None at all is a failure.
pub(crate) fn clusters(extensions: &[&str]) -> Vec<Cluster> {
    clusters_by(extensions, Config::load().expect("a valid mcspec.toml"), "make engine")
}

/// The same with the engine that has the links of the allocator chain that only tests ask for.
pub(crate) fn clusters_with_test_links(extensions: &[&str]) -> Vec<Cluster> {
    let mut config = Config::load().expect("a valid mcspec.toml");
    let engine = config.engine.path.as_mut().expect("in mcspec.toml");
    engine.set_file_name("engine-links");
    clusters_by(extensions, config, "make engine-links")
}

/// The engine is that of the configuration; `built_by` is told where there is none.
fn clusters_by(extensions: &[&str], config: Config, built_by: &str) -> Vec<Cluster> {
    let subjects: Vec<ExtensionSource> =
        extensions.iter().map(|&name| config.extensions.get(name).expect("in mcspec.toml").clone()).collect();
    let wanted = std::env::var("MCSPEC_TEST_PG").ok();
    let is_wanted =
        |major: &u32| wanted.as_ref().is_none_or(|majors| majors.split(' ').any(|word| word == major.to_string()));
    let built: Vec<(Installation, EngineFiles)> = SUPPORTED_MAJORS
        .filter(is_wanted)
        .filter_map(|major| {
            let installation = Installation::find(&[major], &config).ok()?.pop()?;
            let engine = EngineFiles::find(&installation, &config).ok()?;
            Some((installation, engine))
        })
        .collect();
    assert!(!built.is_empty(), "the engine is not built\nHINT: run \"{built_by}\"");
    built
        .into_iter()
        .map(|(installation, engine)| {
            let run = RunDirectory::create().expect("a run directory");
            let stage =
                Stage::build(&installation, &run, Some(&engine), &subjects).unwrap_or_else(|error| panic!("{error}"));
            let template = Template::create(&stage).unwrap_or_else(|error| panic!("{error}"));
            let engine = engine.library.parent().expect("a directory").to_owned();
            Cluster { installation, engine, stage, template, run }
        })
        .collect()
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 60 s: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
