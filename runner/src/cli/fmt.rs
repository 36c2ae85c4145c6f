//! `mcspec fmt`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use similar::TextDiff;

use super::catalog::files;
use super::complaint::{Complaint, guarded};
use super::complete;
use super::exit::Exit;
use super::output::Stdout;
use crate::atomic;
use crate::config::Config;
use crate::language::{Diagnostic, SourceFile, format, format_include};
use crate::panicked;
use crate::plan::Problem;

/// What the names of specs and of the files that they include end in.
const SUFFIXES: [&str; 2] = [".mcspec", ".mcspec.inc"];

/// Lay spec files out in the one canonical way; comments, blank lines and SQL stay as they are
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Spec files, included files, isolationtester's .spec files; without any, all specs of the project
    #[arg(value_name = "FILE", add = complete::spec_files())]
    files: Vec<PathBuf>,

    /// Write nothing; show what would change, and exit with 1 if anything would
    #[arg(long)]
    check: bool,
}

/// Runs the subcommand.
pub(super) fn fmt(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    let files =
        if arguments.files.is_empty() { files(&config.project.specs, &SUFFIXES)? } else { arguments.files.clone() };
    if files.is_empty() {
        let message = format!("there are no specs in \"{}\"", config.project.specs.display());
        return Err(Complaint::Nothing { message, hint: None });
    }
    let mut problems = Vec::new();
    let mut changed = Vec::new();
    for file in files {
        match guarded(&file, || formatted(&file)) {
            Some(Ok((source, text))) if source.text != text => changed.push((source, text)),
            Some(Ok(_)) | None => {}
            Some(Err(found)) => problems.extend(found),
        }
    }
    // The files without errors are formatted nevertheless.
    let mut out = Stdout::new();
    let mut unwritten = Vec::new();
    for (source, text) in &changed {
        let path = source.path.display();
        if arguments.check {
            let diff = TextDiff::from_lines(&source.text, text);
            let diff = diff.unified_diff().header(&path.to_string(), "formatted").to_string();
            write!(out, "{diff}").map_err(Complaint::stdout)?;
        } else {
            match atomic::write(&source.path, text.as_bytes()) {
                Ok(()) => writeln!(out, "formatted  {path}").map_err(Complaint::stdout)?,
                Err(error) => unwritten.push(Complaint::file(&path.to_string(), error)),
            }
        }
    }
    unwritten.iter().for_each(Complaint::print);
    match problems.is_empty() {
        true if !unwritten.is_empty() => Ok(Exit::CouldNotRun),
        false => Err(Complaint::Specs(problems)),
        true if arguments.check && !changed.is_empty() => Ok(Exit::Failed),
        true => Ok(Exit::Ok),
    }
}

/// A file and how it should be.
fn formatted(file: &Path) -> Result<(SourceFile, String), Vec<Problem>> {
    let located = |source: SourceFile, found: Vec<Diagnostic>| {
        let source = source.into();
        found.into_iter().map(|diagnostic| Problem::new(&source, diagnostic)).collect::<Vec<_>>()
    };
    let source = match SourceFile::read(file) {
        Ok(source) => source,
        Err(error) => {
            let diagnostic = Diagnostic::new(0..0, format!("could not read the file: {error}"));
            return Err(located(SourceFile::new(file, ""), vec![diagnostic]));
        }
    };
    panicked::trial("fmt", &file.to_string_lossy());
    let is_included = file.extension().is_some_and(|suffix| suffix == "inc");
    match if is_included { format_include(&source) } else { format(&source) } {
        Ok(text) => Ok((source, text)),
        Err(found) => Err(located(source, found)),
    }
}
