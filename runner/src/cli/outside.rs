//! What isolation specs are given on the command line or by `[isolation]` of `mcspec.toml`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::complaint::Complaint;
use super::complete;
use crate::config::Config;
use crate::language::SourceFile;
use crate::plan::{Case, ConfLine, Outside, conf_lines, is_isolation_spec};

#[derive(Debug, Args)]
#[command(next_help_heading = "Isolation specs (NAME.spec)")]
pub(super) struct FromOutside {
    /// Create an extension in the database of every isolation spec that does not name one; repeatable
    #[arg(long, value_name = "NAME", visible_alias = "load-extension", add = complete::extensions())]
    extension: Vec<String>,

    /// Preload a library, after the engine, for every isolation spec that does not say so itself; repeatable
    #[arg(long, value_name = "LIBRARY", add = complete::extensions())]
    preload: Vec<String>,

    /// Preload a library before the engine; repeatable
    #[arg(long, value_name = "LIBRARY", add = complete::extensions())]
    preload_first: Vec<String>,

    /// Charge a library in every isolation spec that does not name one; repeatable
    #[arg(long, value_name = "LIBRARY", add = complete::extensions())]
    target: Vec<String>,

    /// Add the lines of a file to the postgresql.conf of every isolation spec that has none; repeatable
    #[arg(long, value_name = "FILE", visible_alias = "temp-config")]
    conf: Vec<PathBuf>,
}

impl FromOutside {
    /// What is given, with what the file of the project has where the command line says nothing of the kind.
    pub(super) fn read(&self, config: &Config) -> Result<Outside, Complaint> {
        let file = &config.isolation;
        let or = |given: &Vec<String>, configured: &Vec<String>| {
            if given.is_empty() { configured.clone() } else { given.clone() }
        };
        let says_preload = !self.preload.is_empty() || !self.preload_first.is_empty();
        let (preload_first, preload) = if says_preload {
            (self.preload_first.clone(), self.preload.clone())
        } else {
            (file.preload_first.clone(), file.preload.clone())
        };
        let files = if self.conf.is_empty() { &file.conf } else { &self.conf };
        let conf = files.iter().map(|file| lines(file)).collect::<Result<Vec<_>, _>>()?.concat();
        let extensions = or(&self.extension, &file.extensions);
        Ok(Outside { extensions, preload_first, preload, targets: or(&self.target, &file.targets), conf })
    }

    /// Fails if something is given and there is nobody to take it.
    pub(super) fn check(&self, cases: &[Case]) -> Result<(), Complaint> {
        let given = [
            ("extension", !self.extension.is_empty()),
            ("preload", !self.preload.is_empty()),
            ("preload-first", !self.preload_first.is_empty()),
            ("target", !self.target.is_empty()),
            ("conf", !self.conf.is_empty()),
        ];
        let Some((option, _)) = given.into_iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
        if cases.iter().any(is_isolation_spec) {
            return Ok(());
        }
        Err(Complaint::Argument {
            message: format!("\"--{option}\" is for isolation specs (NAME.spec), and none is selected"),
            hint: Some(format!("a .mcspec has a clause for it in its header: \"{}\"", option.replace('-', " "))),
        })
    }
}

/// The lines of a file for postgresql.conf.
pub(super) fn lines(file: &Path) -> Result<Vec<ConfLine>, Complaint> {
    let source = SourceFile::read(file).map_err(|error| Complaint::Argument {
        message: format!("could not read \"{}\": {error}", file.display()),
        hint: None,
    })?;
    let lines = conf_lines(&Arc::new(source));
    match lines.iter().find_map(ConfLine::reserved) {
        Some((message, hint)) => {
            let message = format!("\"{}\": {message}", file.display());
            Err(Complaint::Argument { message, hint: Some(hint.to_owned()) })
        }
        None => Ok(lines),
    }
}
