//! A suite as its own build runs it, and what comes of it.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::Programs;
use crate::observe::Frame;
use crate::server::Workplace;
use crate::suite::{Kind, Launch, Make, Suite, Verdict, verdicts};

/// The goal that is made where pgxs.mk has none, and where options are for another server. All of it is expanded when it is run.
const GOAL: &str = "mcspec-installcheck: ; \
    $(if $(strip $(REGRESS_PREP)),$(MAKE) $(REGRESS_PREP) && )\
    $(if $(strip $(REGRESS)),$(pg_regress_installcheck) $(REGRESS_OPTS) $(REGRESS) && )\
    $(if $(strip $(ISOLATION)),$(pg_isolation_regress_installcheck) $(ISOLATION_OPTS) $(ISOLATION) && ):";

/// The launcher of `cargo pgrx regress`: messages without what differs from one server to another.
const TERSE: &str = "#!/bin/sh\nexec \"$@\" -v VERBOSITY=terse\n";

/// What came of a suite.
#[derive(Debug)]
pub struct Ran {
    /// How its command ended.
    pub status: ExitStatus,
    /// What pg_regress says of its tests.
    pub verdicts: Vec<Verdict>,
    /// Everything that was written.
    pub output: String,
}

/// Runs a suite but for some of its parts; what it writes is handed to `tell` line by line.
///
/// # Errors
///
/// What cannot be started.
pub fn run(
    frame: &Frame,
    place: &Workplace,
    make: &Make,
    programs: &Programs,
    suite: &Suite,
    left_out: &[Kind],
    tell: impl FnMut(&str),
) -> io::Result<Ran> {
    let directory = place.path().join(&suite.directory);
    // pg_regress makes its output directory itself, but not those above.
    suite.parts.iter().try_for_each(|part| place.make_above(&part.output))?;
    let command = match &suite.launch {
        Launch::Make { has_goal } => by_make(make, &directory, suite, left_out, *has_goal),
        Launch::Crate { setup } => {
            make_database(frame, place, programs, suite)?;
            if let Some(setup) = setup {
                prepare_database(frame, place, programs, suite, &directory.join(setup))?;
            }
            let launcher = place.write_program("mcspec-launcher", TERSE)?;
            by_files(programs, &directory, suite, Some(&launcher))
        }
        Launch::Program { environment } => by_program(programs, &directory, suite, environment),
        Launch::Files { fixture } => {
            if let Some(fixture) = fixture {
                make_database(frame, place, programs, suite)?;
                prepare_database(frame, place, programs, suite, &directory.join(fixture))?;
            }
            by_files(programs, &directory, suite, None)
        }
    };
    watched(frame, place, command, tell)
}

fn by_make(make: &Make, directory: &Path, suite: &Suite, left_out: &[Kind], has_goal: bool) -> Command {
    let mut command = make.command(directory);
    for part in &suite.parts {
        let variable = match part.kind {
            Kind::Regress => "REGRESS",
            Kind::Isolation => "ISOLATION",
            Kind::Tap => continue,
        };
        match left_out.contains(&part.kind) {
            // One that is empty is none to pgxs.mk.
            true => command.arg(format!("{variable}=")),
            false => command.args(part.options.for_our_server().map(|options| format!("{variable}_OPTS={options}"))),
        };
    }
    if has_goal {
        command.arg("installcheck");
    } else {
        command.arg(format!("--eval={GOAL}")).arg("mcspec-installcheck");
    }
    command
}

fn by_files(programs: &Programs, directory: &Path, suite: &Suite, launcher: Option<&Path>) -> Command {
    let mut command = Command::new(&programs.regress);
    command.current_dir(directory).args(["--inputdir=.", "--outputdir=."]);
    command.args(programs.psql.parent().map(|bin| format!("--bindir={}", bin.display())));
    command.args(launcher.map(|launcher| format!("--launcher={}", launcher.display())));
    for part in &suite.parts {
        command.args(part.options.words()).args(part.tests());
    }
    command
}

fn by_program(programs: &Programs, directory: &Path, suite: &Suite, environment: &[(String, String)]) -> Command {
    let is_isolation = suite.parts.iter().any(|part| part.kind == Kind::Isolation);
    let mut command = Command::new(if is_isolation { &programs.isolation[0] } else { &programs.regress });
    command.current_dir(directory).envs(environment.iter().map(|(name, value)| (name, value)));
    for part in &suite.parts {
        command.args(part.options.words());
    }
    command
}

fn database(suite: &Suite) -> &str {
    let named = suite.parts.iter().find_map(|part| part.options.databases.first());
    named.map_or("contrib_regression", String::as_str)
}

fn make_database(frame: &Frame, place: &Workplace, programs: &Programs, suite: &Suite) -> io::Result<()> {
    let name = database(suite).replace('"', "\"\"");
    let mut psql = Command::new(&programs.psql);
    psql.args(["-X", "-q", "-d", "postgres", "-c"]).arg(format!("CREATE DATABASE \"{name}\" TEMPLATE template0"));
    quiet(frame, place, psql)
}

fn prepare_database(
    frame: &Frame,
    place: &Workplace,
    programs: &Programs,
    suite: &Suite,
    fixture: &Path,
) -> io::Result<()> {
    let mut psql = Command::new(&programs.psql);
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database(suite), "-f"]).arg(fixture);
    quiet(frame, place, psql)
}

/// Runs a program that is to succeed and say nothing.
fn quiet(frame: &Frame, place: &Workplace, mut command: Command) -> io::Result<()> {
    frame.prepare(&mut command);
    place.employ(&mut command);
    let output = command.stdin(Stdio::null()).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

/// Runs a command to its end and reads what it writes.
fn watched(frame: &Frame, place: &Workplace, mut command: Command, mut tell: impl FnMut(&str)) -> io::Result<Ran> {
    frame.prepare(&mut command);
    place.employ(&mut command);
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // The writing ends are the child's alone then.
    drop(command);
    let mut output = Vec::new();
    let mut lines = BufReader::new(reader);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        tell(String::from_utf8_lossy(&line).trim_end_matches('\n'));
        output.write_all(&line)?;
        line.clear();
    }
    let status = child.wait()?;
    let output = String::from_utf8_lossy(&output).into_owned();
    Ok(Ran { status, verdicts: verdicts(&output), output })
}

/// The files that tell how results differ, from the top of the repository, that are there now.
pub fn differences(place: &Workplace, suite: &Suite) -> Vec<PathBuf> {
    let files = suite.parts.iter().map(|part| part.output.join("regression.diffs"));
    files.filter(|file| place.path().join(file).is_file()).collect()
}
