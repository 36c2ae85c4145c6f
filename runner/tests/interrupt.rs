//! What is left when a run is interrupted.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mcspec::config::Config;
use mcspec::server::{self, Installation, RunDirectory, Server, ServerError, ServerOptions, Stage, Template};

fn start(run: &RunDirectory) -> (Stage, Template, Server) {
    let config = Config::load().expect("a valid mcspec.toml");
    let installation = Installation::find(&[], &config)
        .unwrap_or_else(|error| panic!("{error}\nHINT: {}", error.hint().unwrap_or_default()))
        .remove(0);
    let stage = Stage::build(&installation, run, None, &[]).expect("a stage");
    let template = Template::create(&stage).expect("a template");
    let server = Server::start(&stage, &template, &ServerOptions::default()).expect("a server");
    (stage, template, server)
}

fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

/// Runs one of the ignored tests below as a process of its own and returns it with the server that it reports.
fn child(test: &str) -> (Child, u32, PathBuf) {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", test, "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawned");
    let output = BufReader::new(child.stdout.as_mut().expect("piped"));
    let report = output.lines().map_while(Result::ok).find_map(|line| Some(line.split_once("server:")?.1.to_owned()));
    let report = report.expect("the child reports its server");
    let (pid, path) = report.split_once(' ').expect("two words");
    (child, pid.parse().expect("a pid"), path.into())
}

fn report(server: &Server, run: &RunDirectory) {
    println!("server:{} {}", server.pid(), run.path().display());
    std::io::stdout().flush().expect("flushed");
}

#[test]
fn an_interrupted_run_leaves_no_process_and_no_directory() {
    let (mut child, pid, path) = child("is_interrupted");
    assert!(child.wait().expect("waited for").success());
    assert!(!is_running(pid));
    assert!(!path.exists());
}

#[test]
#[ignore = "run by an_interrupted_run_leaves_no_process_and_no_directory"]
fn is_interrupted() {
    let run = RunDirectory::create().expect("a run directory");
    let path = run.path().to_owned();
    let (stage, template, server) = start(&run);
    report(&server, &run);
    let mut client = server.connect("postgres").expect("connected");
    let busy = thread::spawn(move || client.batch_execute("SELECT pg_sleep(600)").is_err());
    let pid = server.pid();

    thread::spawn(server::cleanup_all).join().expect("no panic");
    assert!(!is_running(pid));
    assert!(!path.exists());
    assert!(busy.join().expect("no panic"), "the connection was lost");

    server::cleanup_all();
    let error = Server::start(&stage, &template, &ServerOptions::default()).expect_err("interrupted");
    assert!(matches!(error, ServerError::Interrupted), "{error}");
    assert!(matches!(RunDirectory::create(), Err(ServerError::Interrupted)));
    drop((server, template, stage, run));
    assert!(!path.exists());
}

#[test]
fn a_killed_run_leaves_no_process() {
    let (mut child, pid, path) = child("is_killed");
    assert!(is_running(pid));
    child.kill().expect("killed");
    child.wait().expect("waited for");

    let deadline = Instant::now() + Duration::from_secs(10);
    while is_running(pid) {
        assert!(Instant::now() < deadline, "the server has outlived the run");
        thread::sleep(Duration::from_millis(10));
    }
    // Nobody was left to do that.
    fs::remove_dir_all(path).expect("removed");
}

#[test]
#[ignore = "run by a_killed_run_leaves_no_process"]
fn is_killed() {
    let run = RunDirectory::create().expect("a run directory");
    let (_stage, _template, server) = start(&run);
    report(&server, &run);
    thread::sleep(Duration::from_secs(600));
}
