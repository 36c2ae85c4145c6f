//! `mcspec doctor`

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::catalog::catalog;
use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Stdout;
use crate::config::{Build, Config, ConfigError, ExtensionSource, SUPPORTED_MAJORS};
use crate::server::{EngineFiles, Installation, RunDirectory, ServerError};

/// What became of one thing.
struct Finding {
    what: String,
    /// What it is, or why it is not there.
    result: Result<String, Lack>,
    /// Whether nothing runs without it, as things are configured.
    is_needed: bool,
}

struct Lack {
    why: String,
    hint: Option<String>,
}

impl From<ServerError> for Lack {
    fn from(error: ServerError) -> Self {
        Lack { why: error.to_string(), hint: error.hint() }
    }
}

/// Runs the subcommand: one line for each thing, a hint below each that is missing.
pub(super) fn doctor(config: Result<Config, ConfigError>) -> Result<Exit, Complaint> {
    let findings = match &config {
        Ok(config) => findings(config),
        Err(error) => vec![needed("mcspec.toml", Err(Lack { why: error.to_string(), hint: None }))],
    };
    let mut out = Stdout::new();
    let mut print = |line: String| writeln!(out, "{line}").map_err(Complaint::stdout);
    for Finding { what, result, is_needed } in &findings {
        match result {
            Ok(text) => print(format!("ok       {what}: {text}"))?,
            Err(Lack { why, hint }) => {
                print(format!("{:7}  {what}: {why}", if *is_needed { "missing" } else { "-" }))?;
                if let Some(hint) = hint {
                    print(format!("         HINT: {hint}"))?;
                }
            }
        }
    }
    let lacks = |needed: bool| findings.iter().filter(|one| one.result.is_err() && one.is_needed == needed).count();
    match (lacks(true), lacks(false)) {
        (0, 0) => print("\n\"mcspec run\" has what it needs".to_owned())?,
        (0, _) => {
            print("\n\"mcspec run\" has what it needs; \"-\" is for versions that it would not run on".to_owned())?
        }
        (n, _) => print(format!("\n\"mcspec run\" lacks {n} of these"))?,
    }
    Ok(if lacks(true) == 0 { Exit::Ok } else { Exit::CouldNotRun })
}

fn needed(what: impl Into<String>, result: Result<String, Lack>) -> Finding {
    Finding { what: what.into(), result, is_needed: true }
}

fn findings(config: &Config) -> Vec<Finding> {
    let file = config.file.as_ref().map_or("there is none; the defaults are in force".to_owned(), shown);
    let mut findings = vec![needed("mcspec.toml", Ok(file))];
    // Without a configured version, the first installation that is found is the one that runs.
    let mut majors = config.profile.pg.clone();
    if majors.is_empty() {
        match Installation::find(&[], config) {
            Ok(found) => majors.extend(found.iter().map(|installation| installation.version.major())),
            Err(error) => findings.push(needed("PostgreSQL", Err(error.into()))),
        }
    }
    let builds = config.extensions.values().any(|source| matches!(source.build, Build::Make { .. }));
    for major in SUPPORTED_MAJORS {
        findings.extend(version(major, majors.contains(&major), builds, config));
    }
    if builds {
        findings.push(program("make"));
        findings.push(program("cc"));
    }
    findings.extend(config.extensions.values().filter_map(source));
    findings.extend(run_directory());
    findings.push(specs(config));
    findings
}

/// PostgreSQL, the files to build extensions with, and the engine.
fn version(major: u32, is_needed: bool, builds: bool, config: &Config) -> Vec<Finding> {
    let what = format!("PostgreSQL {major}");
    let installation = match Installation::find(&[major], config) {
        Ok(mut found) => found.remove(0),
        // Without the server its other files do not matter.
        Err(error) => return vec![Finding { what, result: Err(error.into()), is_needed }],
    };
    let server = format!("{} of {}", installation.version.text, shown(&installation.pg_config));
    let headers = installation.can_build_extensions().then(|| shown(&installation.pgxs)).ok_or_else(|| Lack {
        why: format!("not with {}", shown(&installation.pg_config)),
        hint: Some(format!("apt-get install postgresql-server-dev-{major}")),
    });
    let engine = EngineFiles::find(&installation, config).map(|engine| {
        let built = engine.built_for().map_or(String::new(), |build| format!(", built for {}", build.version));
        format!("{}{built}", shown(&engine.library))
    });
    let engine = engine.map_err(Lack::from);
    let part = |part: &str, result, is_needed| Finding { what: format!("{what}{part}"), result, is_needed };
    vec![
        part("", Ok(server), is_needed),
        part(", server headers and PGXS", headers, is_needed && builds),
        part(", engine", engine, is_needed),
    ]
}

/// A program that answers `--version`.
fn program(name: &str) -> Finding {
    let output = Command::new(name).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    let lack = |why| Lack { why, hint: Some("apt-get install make gcc libc6-dev".to_owned()) };
    needed(
        name,
        match output {
            Ok(output) if output.status.success() => {
                Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or(name).to_owned())
            }
            Ok(output) => Err(lack(format!("\"{name} --version\" failed with {}", output.status))),
            Err(source) => Err(lack(ServerError::Spawn { program: name.into(), source }.to_string())),
        },
    )
}

/// An extension whose sources are not where they should be.
fn source(source: &ExtensionSource) -> Option<Finding> {
    let path = Path::new(".").join(&source.path);
    let lack = || Lack {
        why: format!("there is no directory {}", shown(&source.path)),
        hint: Some("correct its \"path\" in mcspec.toml".to_owned()),
    };
    (!path.is_dir()).then(|| needed(format!("extension {}", source.name), Err(lack())))
}

/// The user that servers run as, the directory of a run, and the sockets in it.
fn run_directory() -> Vec<Finding> {
    match RunDirectory::create() {
        Ok(directory) => {
            let path = directory.path();
            let sockets = match directory.sockets().starts_with(path) {
                true => "sockets in it",
                false => "too long a path for sockets, which go to /tmp",
            };
            let below = format!("below {}, {sockets}", path.parent().map_or(String::new(), shown));
            vec![
                needed("user of the servers", Ok(directory.account().name().to_owned())),
                needed("directory of a run", Ok(below)),
            ]
        }
        Err(error @ ServerError::NoAccount) => vec![needed("user of the servers", Err(error.into()))],
        Err(error) => vec![needed("directory of a run", Err(error.into()))],
    }
}

fn specs(config: &Config) -> Finding {
    let directory = shown(&config.project.specs);
    needed(
        "specs",
        match catalog(&config.project.specs).map_or(0, |specs| specs.len()) {
            0 => Err(Lack {
                why: format!("none in {directory}"),
                hint: Some("write one, or correct \"specs\" in mcspec.toml".to_owned()),
            }),
            count => Ok(format!("{count} in {directory}")),
        },
    )
}

fn shown(path: impl AsRef<Path>) -> String {
    format!("\"{}\"", path.as_ref().display())
}
