//! Crates of pgrx, built by cargo and installed as `cargo pgrx install` does (command/install.rs of cargo-pgrx).

mod checkout;
mod control;
mod metadata;
mod packaged;
mod schema;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::error::ServerError;
use super::super::installation::Installation;
use super::place::put;
use super::{Site, log_tail, run_logged, shell, unusable};
use crate::config::{Crate, ExtensionSource};
use checkout::Checkout;
use control::Control;
use metadata::{Metadata, Package};

/// What is built, and where cargo keeps what it builds.
pub(super) struct Job<'a> {
    source: &'a ExtensionSource,
    wanted: &'a Crate,
    package: &'a Package,
    metadata: &'a Metadata,
    /// The directory for all that cargo makes.
    target: &'a Path,
    site: Site<'a>,
}

/// Whether there are the headers that bindings are made from, and cargo.
pub(super) fn is_ready(source: &ExtensionSource, installation: &Installation) -> Result<(), ServerError> {
    if !installation.include_server_dir.join("postgres.h").is_file() {
        return Err(ServerError::NoPgxs {
            major: installation.version.major(),
            pg_config: installation.pg_config.clone(),
            extension: source.name.clone(),
        });
    }
    let mut cargo = Command::new("cargo");
    cargo.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    cargo.status().map(drop).map_err(|error| ServerError::Spawn { program: "cargo".into(), source: error })
}

/// Builds the crate in the place where it is, but with all that cargo makes in `target`, which may have some of it already.
/// `found` is told of the directories that it is built from.
pub(super) fn build(
    source: &ExtensionSource,
    path: &Path,
    wanted: &Crate,
    target: &Path,
    found: &mut dyn FnMut(&[PathBuf]),
    site: Site,
) -> Result<(), ServerError> {
    let root = metadata::root(source, path, site)?;
    let checkout = Checkout::enter(&root, target)?;
    let metadata = Metadata::of(source, path, target, site)?;
    let package = metadata.package(source, path, wanted)?;
    let job = Job { source, wanted, package, metadata: &metadata, target, site };
    checkout.as_it_was(|| found(&metadata.directories()))?;
    job.write_pgrx_home()?;
    job.forget_members()?;
    let library = job.library()?;
    let control = Control::of(source, package)?;

    // Made before anything is installed.
    let script = target.join("mcspec-install.sql");
    match schema::generate(&job, &library, &control, &script) {
        Ok(()) => {}
        Err(error) => return packaged::install(&job, error),
    }
    let staged = site.staged;
    let name = control.library();
    put(&library, &staged.pkglib_dir.join(format!("{name}.so")), site.top)?;
    let directory = staged.extension_dir();
    let write = |name: &str, text: &str| {
        let to = directory.join(name);
        fs::write(&to, text).map_err(ServerError::file("write", &to))
    };
    write(&format!("{}.control", control.extension), &control.text)?;
    put(&script, &directory.join(format!("{}--{}.sql", control.extension, control.version)), site.top)?;
    for (name, text) in control.updates(package)? {
        write(&name, &text)?;
    }
    Ok(())
}

impl Job<'_> {
    /// The feature of the server's version, those wanted, and the default ones but for other versions: what cargo-pgrx makes of them
    /// (`modify_features_for_version` in manifest.rs).
    fn features(&self) -> String {
        let major = format!("pg{}", self.site.original.version.major());
        let is_version = |name: &str| {
            name.strip_prefix("pg").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
        };
        let default = self.package.features.get("default").into_iter().flatten().filter(|name| !is_version(name));
        let mut features = vec![major];
        features.extend(default.chain(&self.wanted.features).cloned());
        features.join(",")
    }

    /// `cargo SUBCOMMAND` for the package.
    fn cargo(&self, subcommand: &str, profile: &str) -> Command {
        let mut cargo = plain(&self.package.directory, self.site);
        cargo
            .args([subcommand, "--package", &self.package.name, "--profile", profile, "--no-default-features"])
            .args(["--features", &self.features(), "--target-dir"])
            .arg(self.target);
        self.environment(&mut cargo, profile);
        cargo
    }

    /// Lines in the debug information of a profile, and how the build script of pgrx finds the server: by the variable, or by the
    /// file that `cargo pgrx init` would write. It is the one that was copied, whose place stays the same.
    fn environment(&self, command: &mut Command, profile: &str) {
        let of_profile = |what: &str| format!("CARGO_PROFILE_{}_{what}", profile.to_uppercase().replace('-', "_"));
        for (what, value) in [("DEBUG", "line-tables-only"), ("STRIP", "none"), ("SPLIT_DEBUGINFO", "off")] {
            command.env(of_profile(what), value);
        }
        command
            .env("PGRX_PG_CONFIG_PATH", absolute(&self.site.original.pg_config))
            .env("PGRX_HOME", self.pgrx_home())
            .env("CARGO_TARGET_DIR", self.target);
    }

    fn pgrx_home(&self) -> PathBuf {
        self.target.join("pgrx-home")
    }

    fn write_pgrx_home(&self) -> Result<(), ServerError> {
        let home = self.pgrx_home();
        fs::create_dir_all(&home).map_err(ServerError::file("create", &home))?;
        let file = home.join("config.toml");
        let pg_config = absolute(&self.site.original.pg_config).to_string_lossy().into_owned();
        let entry = toml::Table::from_iter([(
            format!("pg{}", self.site.original.version.major()),
            toml::Value::String(pg_config),
        )]);
        let text = toml::Table::from_iter([("configs".to_owned(), toml::Value::Table(entry))]).to_string();
        if fs::read_to_string(&file).ok().as_deref() == Some(&text) {
            return Ok(());
        }
        fs::write(&file, text).map_err(ServerError::file("write", &file))
    }

    /// Cargo takes a file for changed when it is newer than what was built. Who restores an older one with its time would get the
    /// library of the newer, so what is under test is compiled anew whenever anything has changed.
    fn forget_members(&self) -> Result<(), ServerError> {
        if !self.target.join("CACHEDIR.TAG").exists() {
            return Ok(());
        }
        let mut cargo = plain(&self.package.directory, self.site);
        cargo.args(["clean", "--target-dir"]).arg(self.target).args(["--profile", &self.wanted.profile]);
        for package in &self.metadata.local {
            cargo.args(["--package", package]);
        }
        self.run(cargo, "cargo").map(|_| ())
    }

    /// Builds the library, and returns where it is.
    fn library(&self) -> Result<PathBuf, ServerError> {
        let mut cargo = self.cargo("rustc", &self.wanted.profile);
        cargo.args(["--lib", "--message-format", "json-render-diagnostics"]);
        if self.metadata.pgrx >= schema::BY_SECTION {
            // As cargo-pgrx does, or the linker may drop what nothing refers to.
            cargo.args(["--", "-C", "link-arg=-Wl,--no-gc-sections"]);
        }
        let output = self.run(cargo, "cargo")?;
        metadata::built_library(&output, self.package).ok_or_else(|| {
            let name = &self.package.name;
            unusable(self.source, format!("package \"{name}\" builds no \"cdylib\", which is what PostgreSQL loads"))
        })
    }

    /// Runs a program and returns what it has written to its standard output.
    fn run(&self, command: Command, what: &'static str) -> Result<String, ServerError> {
        run(command, self.source, self.site, what)
    }
}

/// The directory in which cargo is run decides which toolchain and which of its files count.
fn plain(directory: &Path, site: Site) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = shell::bare(&program, directory, site);
    cargo.env("CARGO_TERM_COLOR", "never");
    cargo
}

/// Runs a program with its messages in a log, of which the end is shown where it fails.
fn run(command: Command, source: &ExtensionSource, site: Site, what: &'static str) -> Result<String, ServerError> {
    let directory = site.run.subdirectory(&format!("build-{}", source.name))?;
    let (log, output) = (directory.join("log"), directory.join("output"));
    let status = run_logged(command, None, &log, Some(&output))?;
    if !status.success() {
        let output = log_tail(&log, super::OUTPUT_LINES);
        return Err(ServerError::Build { extension: source.name.clone(), program: what, status, output });
    }
    fs::read_to_string(&output).map_err(ServerError::file("read", &output))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
