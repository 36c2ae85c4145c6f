//! Builds the engine, or an extension that tests are about, for one PostgreSQL, and lays it out as the runner expects it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{self, Error};
use crate::workspace::Workspace;
use crate::{libclang, update};

/// An extension made with pgrx.
pub(crate) struct Package {
    /// The name of the crate and of the extension.
    name: &'static str,
    /// The crate's directory, which has the control file.
    sources: &'static str,
    /// Where it is laid out, in a sub-directory for each major version.
    layout: &'static str,
    /// The crate's features besides that of the major version.
    features: &'static [&'static str],
    /// The versions that can be updated to this one.
    updates_from: &'static [&'static str],
}

/// The engine. The versions before it are the reference implementation's.
pub(crate) const ENGINE: Package = Package {
    name: "pg_ext_memcheck",
    sources: "extension",
    layout: "target/engine",
    features: &[],
    updates_from: &["0.0.1", "0.1.0"],
};

/// The engine with the links that only tests ask for.
pub(crate) const ENGINE_WITH_TEST_LINKS: Package =
    Package { layout: "target/engine-links", features: &["test_links"], ..ENGINE };

/// Known memory bugs in Rust.
pub(crate) const RUST_CORPUS: Package = Package {
    name: "rust_corpus",
    sources: "tests/corpus/rust_corpus",
    layout: "target/rust_corpus",
    features: &[],
    updates_from: &[],
};

/// The crate that writes install scripts.
const INSTALL_SCRIPT: &str = "install_script";

/// How a package is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Without optimizations.
    Debug,
    /// With optimizations.
    Release,
    /// Without optimizations and with debug assertions, over crates that are the release's, which are there already.
    Checked,
}

impl Profile {
    /// Cargo's own profile, which is also the name of the directory.
    fn of_cargo(self) -> &'static str {
        match self {
            Profile::Debug => "dev",
            Profile::Release | Profile::Checked => "release",
        }
    }

    fn directory(self) -> &'static str {
        match self {
            Profile::Debug => "debug",
            Profile::Release | Profile::Checked => "release",
        }
    }

    /// The compiler's flags for the package itself.
    fn flags(self) -> &'static [&'static str] {
        match self {
            Profile::Debug | Profile::Release => &[],
            Profile::Checked => &["-C", "opt-level=0", "-C", "debug-assertions=yes"],
        }
    }
}

/// A frame pointer in every function. The walk over the stack starts by reading the engine's own, so that an engine without
/// would read anything. `.cargo/config.toml` says the same for whoever calls cargo himself; cargo drops what stands
/// there where flags come from elsewhere.
const FRAME_POINTERS: [&str; 2] = ["-C", "force-frame-pointers=yes"];

/// Between the flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\u{1f}";

/// Builds a package for the PostgreSQL of `pg_config` and writes library, control file and scripts to `output`, or to its
/// layout. Whether anything has to be compiled is cargo's decision; a file is written only when it differs.
pub(crate) fn build(
    workspace: &Workspace,
    package: &Package,
    pg_config: &Path,
    profile: Profile,
    output: Option<PathBuf>,
) -> Result<(), Error> {
    let name = package.name;
    let major = major_version(pg_config)?;
    let mut cargo = cargo(workspace, package, pg_config, major, "rustc")?;
    cargo.args(["--lib", "--profile", profile.of_cargo(), "--"]).args(FRAME_POINTERS).args(profile.flags());
    error::run(&mut cargo)?;

    let built = workspace.engine_target().join(profile.directory()).join(format!("lib{name}.so"));
    let control_file = workspace.root().join(package.sources).join(format!("{name}.control"));
    let control = fs::read_to_string(&control_file).map_err(Error::file("read", &control_file))?;
    let version = default_version(&control)?;
    let mut script = cargo_for(workspace, "run");
    script.args(["-q", "-p", INSTALL_SCRIPT, "--"]).arg(&built).arg(&control_file).arg(name);
    let sql = error::output(&mut script)?;
    let library = fs::read(&built).map_err(Error::file("read", &built))?;

    let layout = || workspace.root().join(package.layout).join(major.to_string());
    let directory = output.unwrap_or_else(layout);
    fs::create_dir_all(&directory).map_err(Error::file("create", &directory))?;
    write_if_different(&directory.join(format!("{name}.so")), &library)?;
    write_if_different(&directory.join(format!("{name}.control")), control.as_bytes())?;
    write_if_different(&directory.join(format!("{name}--{version}.sql")), sql.as_bytes())?;
    for old in package.updates_from {
        let update = update::script(&workspace.root().join(package.sources), &control, &sql, name)?;
        write_if_different(&directory.join(format!("{name}--{old}--{version}.sql")), update.as_bytes())?;
    }
    Ok(())
}

/// Runs clippy on a package with the bindings of the PostgreSQL of `pg_config`; a warning is an error. It checks the
/// release profile, for which the bindings have been generated already.
pub(crate) fn lint(workspace: &Workspace, package: &Package, pg_config: &Path) -> Result<(), Error> {
    let major = major_version(pg_config)?;
    error::run(cargo(workspace, package, pg_config, major, "clippy")?.args([
        "--release",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

/// Runs clippy on what writes install scripts; a warning is an error.
pub(crate) fn lint_script(workspace: &Workspace) -> Result<(), Error> {
    error::run(cargo_for(workspace, "clippy").args(["-p", INSTALL_SCRIPT, "--all-targets", "--", "-D", "warnings"]))
}

/// Runs the engine's unit tests. They link as long as they reach no function of the server.
pub(crate) fn test(workspace: &Workspace, pg_config: &Path) -> Result<(), Error> {
    let major = major_version(pg_config)?;
    error::run(cargo(workspace, &ENGINE, pg_config, major, "test")?.args(["--release", "--lib"]))
}

/// `cargo SUBCOMMAND` on a package with the features and the environment that select one PostgreSQL.
fn cargo(
    workspace: &Workspace,
    package: &Package,
    pg_config: &Path,
    major: u32,
    subcommand: &str,
) -> Result<Command, Error> {
    // The build script runs in another directory.
    let pg_config = &std::path::absolute(pg_config).map_err(Error::file("find", pg_config))?;
    let mut cargo = cargo_for(workspace, subcommand);
    let features = [&[format!("pg{major}").as_str()], package.features].concat().join(",");
    cargo
        .args(["-p", package.name, "--no-default-features", "--features", &features])
        .env("PGRX_PG_CONFIG_PATH", pg_config)
        .envs(libclang::environment(workspace)?);
    // For what `cargo rustc` does not reach: the crates below, and tests.
    if let Some(flags) = flags_of_environment() {
        cargo.env("CARGO_ENCODED_RUSTFLAGS", with_frame_pointers(flags));
    }
    Ok(cargo)
}

/// `cargo SUBCOMMAND` for what is made with pgrx, which declares a newer compiler than the pinned one.
fn cargo_for(workspace: &Workspace, subcommand: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace.root()).args([subcommand, "--ignore-rust-version", "--target-dir"]);
    cargo.arg(workspace.engine_target());
    cargo
}

/// The compiler's flags in the environment, as cargo looks for them, encoded. None where it takes them from its files.
fn flags_of_environment() -> Option<OsString> {
    std::env::var_os("CARGO_ENCODED_RUSTFLAGS").or_else(|| {
        let flags = std::env::var_os("RUSTFLAGS")?.into_string().ok()?;
        Some(flags.split_whitespace().collect::<Vec<_>>().join(SEPARATOR).into())
    })
}

fn with_frame_pointers(mut flags: OsString) -> OsString {
    for flag in FRAME_POINTERS {
        if !flags.is_empty() {
            flags.push(SEPARATOR);
        }
        flags.push(flag);
    }
    flags
}

fn major_version(pg_config: &Path) -> Result<u32, Error> {
    let unusable = || Error::new(format!("\"{}\" is not a pg_config that can be run", pg_config.display()));
    let version = error::first_line(Command::new(pg_config).arg("--version")).ok_or_else(unusable)?;
    parse_major(&version).ok_or_else(unusable)
}

/// `PostgreSQL 15.20 (Debian 15.20-0+deb12u1)`, `PostgreSQL 19devel`.
fn parse_major(version: &str) -> Option<u32> {
    let number = version.strip_prefix("PostgreSQL ")?;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

fn default_version(control: &str) -> Result<&str, Error> {
    parameter(control, "default_version")
}

/// A parameter of a control file.
pub(crate) fn parameter<'a>(control: &'a str, name: &str) -> Result<&'a str, Error> {
    control
        .lines()
        .find_map(|line| line.strip_prefix(name)?.split('\'').nth(1))
        .ok_or_else(|| Error::new(format!("the control file has no {name}")))
}

/// Replaces `path` by rename, so that a server that has the old library mapped keeps it whole.
fn write_if_different(path: &Path, contents: &[u8]) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|present| present == contents) {
        return Ok(());
    }
    let new = path.with_extension("new");
    fs::write(&new, contents).map_err(Error::file("write", &new))?;
    fs::rename(&new, path).map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majors() {
        for (version, major) in [
            ("PostgreSQL 15.20 (Debian 15.20-0+deb12u1)", Some(15)),
            ("PostgreSQL 18.6", Some(18)),
            ("PostgreSQL 19devel", Some(19)),
            ("PostgreSQL", None),
            ("pg_config 1", None),
        ] {
            assert_eq!(parse_major(version), major, "{version}");
        }
    }

    #[test]
    fn frame_pointers_come_last() {
        assert_eq!(with_frame_pointers("".into()), "-C\u{1f}force-frame-pointers=yes");
        let flags = with_frame_pointers("-Cforce-frame-pointers=no".into());
        assert_eq!(flags, "-Cforce-frame-pointers=no\u{1f}-C\u{1f}force-frame-pointers=yes");
    }

    #[test]
    fn version_of_the_control_file() {
        assert_eq!(default_version("comment = 'x'\ndefault_version = '1.0'\n").expect("present"), "1.0");
        assert!(default_version("comment = 'default_version'\n").is_err());
    }
}
