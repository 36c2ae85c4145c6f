//! Building the engine for a server.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::EngineError;
use super::sources;
use crate::config::Config;
use crate::hint::{self, Need};
use crate::server::{EngineFiles, Installation, supported_platform};

/// What the engine is built by.
#[derive(Debug)]
pub struct Builder {
    sources: PathBuf,
}

impl Builder {
    /// Lays the sources out, and sees whether there are the programs that build them.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub fn prepare() -> Result<Self, EngineError> {
        supported_platform()?;
        let compiler = || hint::install(&[Need::Compiler]);
        for (program, hint) in [("cargo", &hint::rust as &dyn Fn() -> String), ("cc", &compiler)] {
            let mut command = Command::new(program);
            command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            // Which toolchain it is, and whether it is there, is known where the sources are.
            if command.status().is_err() {
                return Err(EngineError::NoProgram { program, hint: hint() });
            }
        }
        let cache = cache().ok_or(EngineError::NoHome)?;
        Ok(Self { sources: sources::directory(&cache)? })
    }

    /// Builds the engine for an installation and puts it where [`EngineFiles::find`] finds it. Cargo says on the standard error
    /// how it goes.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn build(&self, installation: &Installation, config: &Config) -> Result<EngineFiles, EngineError> {
        if !installation.has_headers() {
            let (major, pg_config) = (installation.version.major(), installation.pg_config.clone());
            return Err(EngineError::NoHeaders { major, pg_config });
        }
        let to = EngineFiles::built_in(installation, config).ok_or(EngineError::NoHome)?;
        // A name alone is one that was found in PATH.
        let named = &installation.pg_config;
        let pg_config = if named.is_file() { absolute(named)? } else { installation.bin_dir.join("pg_config") };
        let program = "cargo";
        let mut cargo = Command::new(program);
        cargo.args(["run", "-p", "xtask", "--", "engine", "--release", "--pg-config"]).arg(pg_config);
        cargo.arg("--output").arg(absolute(&to)?).current_dir(&self.sources).stdin(Stdio::null());
        // What was built is looked for where cargo puts it by itself.
        cargo.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET_DIR").env_remove("CARGO_BUILD_TARGET");
        let status = cargo.status().map_err(|source| EngineError::Spawn { program, source })?;
        if !status.success() {
            return Err(EngineError::Failed { status, directory: self.sources.clone() });
        }
        Ok(EngineFiles::find(installation, config)?)
    }
}

/// Where the sources are laid out: `$XDG_CACHE_HOME/mcspec/engine`.
fn cache() -> Option<PathBuf> {
    let set = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set.or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
    Some(base.join("mcspec/engine"))
}

fn absolute(path: &Path) -> Result<PathBuf, EngineError> {
    std::path::absolute(path).map_err(EngineError::file(path))
}
