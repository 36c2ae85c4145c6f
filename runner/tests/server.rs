//! Private servers, on every installation of PostgreSQL that is found, without the engine.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use mcspec::config::{Build, Config, ExtensionSource, SUPPORTED_MAJORS};
use mcspec::server::{Installation, RunDirectory, Server, ServerError, ServerOptions, Stage, Template};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One installation of every supported version that is there. None at all is a failure.
fn installations() -> Vec<Installation> {
    let config = Config::load().expect("a valid mcspec.toml");
    let found: Vec<_> =
        SUPPORTED_MAJORS.filter_map(|major| Installation::find(&[major], &config).ok()).flatten().collect();
    if found.is_empty() {
        let error = Installation::find(&[], &config).expect_err("there is none");
        panic!("{error}\nHINT: {}", error.hint().unwrap_or_default());
    }
    found
}

struct Cluster {
    run: RunDirectory,
    stage: Stage,
    template: Template,
}

fn cluster(original: &Installation, extensions: &[ExtensionSource]) -> Cluster {
    let run = RunDirectory::create().expect("a run directory");
    let stage = Stage::build(original, &run, None, extensions).unwrap_or_else(|error| panic!("{error}"));
    let template = Template::create(&stage).unwrap_or_else(|error| panic!("{error}"));
    Cluster { run, stage, template }
}

impl Cluster {
    fn start(&self, conf: &[&str]) -> Result<Server, ServerError> {
        let conf = conf.iter().map(|line| (*line).to_owned()).collect();
        let options = ServerOptions { conf, name: "test".into(), ..ServerOptions::default() };
        Server::start(&self.stage, &self.template, &options)
    }
}

fn value(server: &Server, query: &str) -> String {
    let mut client = server.connect("postgres").expect("connected");
    client.query_one(query, &[]).unwrap_or_else(|error| panic!("{query}: {error}")).get(0)
}

/// The live processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|child| stat(*child).is_some_and(|(state, parent)| parent == pid && state != 'Z'))
        .collect()
}

/// State and parent of a process, as in proc(5).
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

fn pid_of(server: &Server) -> u32 {
    server.pid().expect("a server of our own")
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 60 s: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn send(signal: Signal, pid: u32) {
    kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), signal).expect("sent");
}

#[test]
fn runs_from_the_stage_with_fixed_settings_and_leaves_nothing() {
    for original in installations() {
        let cluster = cluster(&original, &[]);
        let server = cluster.start(&[]).unwrap_or_else(|error| panic!("{error}"));
        assert!(server.is_alive());
        for (name, expected) in [
            ("server_version_num", original.version.num.to_string().as_str()),
            ("listen_addresses", ""),
            ("fsync", "off"),
            ("autovacuum", "off"),
            ("jit", "off"),
            ("max_parallel_workers_per_gather", "0"),
            ("debug_discard_caches", "0"),
            ("shared_buffers", "32MB"),
            ("server_encoding", "UTF8"),
            ("shared_preload_libraries", ""),
        ] {
            let actual = value(&server, &format!("SELECT current_setting('{name}')"));
            assert_eq!(actual, expected, "{name} on {}", original.version.text);
        }
        assert_eq!(value(&server, "SELECT datcollate FROM pg_database WHERE datname = 'postgres'"), "C");

        let run = cluster.run.path().to_owned();
        for name in ["BINDIR", "PKGLIBDIR", "SHAREDIR", "INCLUDEDIR-SERVER", "DOCDIR"] {
            let directory = value(&server, &format!("SELECT setting FROM pg_config() WHERE name = '{name}'"));
            assert!(Path::new(&directory).starts_with(&run), "{name} is {directory}");
        }
        let process = fs::metadata(format!("/proc/{}", pid_of(&server))).expect("the postmaster");
        assert_ne!(process.uid(), 0, "the server runs as root");

        let pid = pid_of(&server);
        let backends = children(pid);
        assert!(!backends.is_empty());
        server.stop();
        assert!(!is_running(pid) && !backends.iter().any(|pid| is_running(*pid)));
        drop(cluster);
        assert!(!run.exists());
    }
}

/// The sources of an extension whose function returns 42, with what an earlier build of another version has left.
fn answer(directory: &Path) -> ExtensionSource {
    for (name, text) in [
        (
            "Makefile",
            "MODULES = answer\nEXTENSION = answer\nDATA = answer--1.0.sql\nDOCS = README\nPG_CONFIG = pg_config\n\
             PGXS := $(shell $(PG_CONFIG) --pgxs)\ninclude $(PGXS)\n",
        ),
        ("answer.control", "default_version = '1.0'\nmodule_pathname = '$libdir/answer'\n"),
        ("answer--1.0.sql", "CREATE FUNCTION answer() RETURNS int LANGUAGE c AS 'MODULE_PATHNAME';\n"),
        ("README", "The answer.\n"),
        ("answer.o", "stale"),
        (
            "answer.c",
            "#include \"postgres.h\"\n#include \"fmgr.h\"\nPG_MODULE_MAGIC;\nPG_FUNCTION_INFO_V1(answer);\n\
             Datum answer(PG_FUNCTION_ARGS) { PG_RETURN_INT32(42); }\n",
        ),
    ] {
        fs::write(directory.join(name), text).expect("written");
    }
    ExtensionSource {
        name: "answer".into(),
        path: directory.into(),
        provides: vec![],
        build: Build::Make { arguments: vec![] },
    }
}

#[test]
fn an_extension_is_built_into_the_stage_only() {
    for original in installations() {
        let sources = tempfile::tempdir().expect("temporary directory");
        let source = answer(sources.path());
        let cluster = cluster(&original, &[source]);
        let server = cluster.start(&[]).unwrap_or_else(|error| panic!("{error}"));
        let mut client = server.connect("postgres").expect("connected");
        client.batch_execute("CREATE EXTENSION answer").expect("created");
        assert_eq!(client.query_one("SELECT answer()", &[]).expect("called").get::<_, i32>(0), 42);

        let staged = cluster.stage.installation();
        let installed = |i: &Installation| -> [PathBuf; 2] {
            [i.pkglib_dir.join("answer.so"), i.extension_dir().join("answer.control")]
        };
        assert!(installed(staged).iter().all(|file| file.is_file()));
        assert!(!installed(&original).iter().any(|file| file.exists()), "installed in the system");
        assert_eq!(fs::read_to_string(sources.path().join("answer.o")).expect("untouched"), "stale");
        assert!(!sources.path().join("answer.so").exists(), "built in the checkout");

        // The same, already built.
        fs::copy(&installed(staged)[0], sources.path().join("libanswer.so")).expect("copied");
        let build = Build::Files {
            library: vec!["libanswer.so".into()],
            control: vec!["answer.control".into()],
            sql: vec!["answer--*.sql".into()],
            tree: vec![],
        };
        let source = ExtensionSource { name: "answer".into(), path: sources.path().into(), provides: vec![], build };
        let stage = Stage::build(&original, &cluster.run, None, &[source]).unwrap_or_else(|error| panic!("{error}"));
        assert!(installed(stage.installation()).iter().all(|file| file.is_file()));
    }
}

#[test]
fn an_extension_that_does_not_build_shows_the_compilers_words() {
    let original = installations().remove(0);
    let run = RunDirectory::create().expect("a run directory");
    let sources = tempfile::tempdir().expect("temporary directory");
    let source = answer(sources.path());
    fs::write(sources.path().join("answer.c"), "#error \"no answer\"\n").expect("written");
    let error = Stage::build(&original, &run, None, std::slice::from_ref(&source)).expect_err("does not compile");
    let message = error.to_string();
    assert!(message.starts_with("extension \"answer\" does not build: make failed with exit status: 2\n"), "{message}");
    assert!(message.contains("answer.c:1:2: error: #error \"no answer\""), "{message}");

    fs::remove_file(sources.path().join("Makefile")).expect("removed");
    let error = Stage::build(&original, &run, None, &[source]).expect_err("no Makefile");
    let expected = format!("extension \"answer\": there is no Makefile in \"{}\"", sources.path().display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_bad_line_of_conf_is_reported_in_the_servers_words() {
    let cluster = cluster(&installations()[0], &[]);
    for (conf, expected) in [
        (["work_mem = 4MB", "work_mom = 4MB"], "unrecognized configuration parameter \"work_mom\" in file \""),
        (["work_mem = 4MB", "this is no setting"], "syntax error in file \""),
    ] {
        let error = cluster.start(&conf).expect_err("a bad line");
        let message = error.to_string();
        assert!(message.starts_with("server \"test\" did not start\n"), "{message}");
        assert!(message.contains(expected) && message.contains("spec.conf\" line 2"), "{message}");
        assert!(message.contains("FATAL:  configuration file \""), "{message}");
    }
    let error = cluster.start(&["shared_buffers = '900TB'"]).expect_err("too much");
    assert!(error.to_string().contains("FATAL:"), "{error}");

    let server = cluster.start(&["work_mem = 5MB", "listen_addresses = '*'", "port = 1"]).expect("good lines");
    assert_eq!(value(&server, "SHOW work_mem"), "5MB");
    assert_eq!(value(&server, "SHOW listen_addresses"), "", "a spec must not open the server to the network");
}

#[test]
fn a_library_that_is_not_there_is_reported_in_the_servers_words() {
    let cluster = cluster(&installations()[0], &[]);
    let options = ServerOptions { preload: vec!["nonesuch".into()], name: "w1".into(), ..ServerOptions::default() };
    let error = Server::start(&cluster.stage, &cluster.template, &options).expect_err("no such library");
    let expected = "server \"w1\" did not start\nFATAL:  could not access file \"nonesuch\": No such file or directory";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_server_restarts_after_the_crash_of_a_backend() {
    let cluster = cluster(&installations()[0], &[]);
    let server = cluster.start(&[]).expect("started");
    let mut client = server.connect("postgres").expect("connected");
    let backend: i32 = client.query_one("SELECT pg_backend_pid()", &[]).expect("a pid").get(0);
    send(Signal::SIGSEGV, backend.unsigned_abs());
    eventually("the connection is lost", || client.simple_query("SELECT 1").is_err());
    server.wait_ready().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(value(&server, "SELECT 'ok'"), "ok");
    assert!(server.log_tail(100).contains("terminated by signal 11"));
    let error = server.connect("nonesuch").err().expect("no such database");
    let expected = "could not connect to database \"nonesuch\": FATAL: database \"nonesuch\" does not exist (3D000)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_killed_postmaster_leaves_no_child_and_no_directory() {
    let cluster = cluster(&installations()[0], &[]);
    let server = cluster.start(&[]).expect("started");
    // A backend that does not look whether its postmaster is alive.
    let mut client = server.connect("postgres").expect("connected");
    let busy = thread::spawn(move || client.batch_execute("DO 'BEGIN LOOP END LOOP; END'").is_err());
    let active = "SELECT count(*)::text FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DO%'";
    eventually("the backend is busy", || value(&server, active) == "1");
    let pid = pid_of(&server);
    let backends = children(pid);
    send(Signal::SIGKILL, pid);
    eventually("the postmaster is seen dead", || !server.is_alive());
    assert!(backends.iter().any(|pid| is_running(*pid)), "nothing is left to be killed");

    let run = cluster.run.path().to_owned();
    server.stop();
    assert!(!backends.iter().any(|pid| is_running(*pid)));
    assert!(busy.join().expect("no panic"), "the backend was killed");
    drop(cluster);
    assert!(!run.exists());
}

#[test]
fn a_killed_postmaster_leaves_no_shared_memory() {
    for installation in installations() {
        let cluster = cluster(&installation, &[]);
        let server = cluster.start(&[]).expect("started");
        let pid = pid_of(&server);
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("read");
        let control = maps.lines().find_map(|line| line.split_whitespace().find(|word| word.contains("/PostgreSQL.")));
        let control = PathBuf::from(control.expect("a control segment"));
        let segments = || {
            let list = fs::read_to_string("/proc/sysvipc/shm").expect("read");
            list.lines().filter(|line| line.split_whitespace().nth(4) == Some(&pid.to_string())).count()
        };
        assert!(control.exists() && segments() == 1);
        send(Signal::SIGKILL, pid);
        eventually("the postmaster is seen dead", || !server.is_alive());
        server.stop();
        assert!(!control.exists() && segments() == 0, "PostgreSQL {}", installation.version.major());
    }
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let cluster = cluster(&installations()[0], &[]);
    let server = thread::scope(|scope| scope.spawn(|| cluster.start(&[]).expect("started")).join().expect("no panic"));
    thread::sleep(Duration::from_millis(300));
    assert!(server.is_alive());
    assert_eq!(value(&server, "SELECT 'ok'"), "ok");
}
