//! The lines of `conf`: what they set, with variables replaced, and what they must leave to the runner.

use std::sync::Arc;

use super::case::Planner;
use super::{Place, Problem};
use crate::language::ast::Block;
use crate::language::sql::substitute;
use crate::language::{Diagnostic, SourceFile};

/// A line for postgresql.conf.
#[derive(Debug, Clone)]
pub struct ConfLine {
    /// The line, without its comment.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl ConfLine {
    /// The parameter that it sets, in lower case (guc-file.l; names are compared by `guc_name_compare` of guc.c).
    pub fn parameter(&self) -> String {
        parameter(&self.text).to_ascii_lowercase()
    }

    /// Why it is the runner's to set what this line sets, and what to do instead; none if it is not.
    pub fn reserved(&self) -> Option<(String, &'static str)> {
        reserved(parameter(&self.text))
    }
}

fn reserved(name: &str) -> Option<(String, &'static str)> {
    let (reserved, hint) = RESERVED.iter().find(|(reserved, _)| reserved.eq_ignore_ascii_case(name))?;
    let message = match *hint {
        INCLUDED => "\"conf\" cannot take in other files".to_owned(),
        _ => format!("parameter \"{reserved}\" is set by mcspec"),
    };
    Some((message, hint))
}

/// How the server is reached, which is the runner's business (`Server::start`).
const REACHED: &str = "mcspec reaches its servers by a socket of its own";
/// Where the server has its files.
const FILES: &str = "mcspec makes the data directory and what is in it";
/// What the server says is read from its log.
const LOG: &str = "mcspec reads the server's log";
/// `include` and its like.
const INCLUDED: &str = "write its lines here";

/// What the runner sets, and what to do instead; of its own engine what it sets for each window.
const RESERVED: &[(&str, &str)] = &[
    ("shared_preload_libraries", "write \"preload NAME\" into the header: the libraries come after the engine"),
    ("pg_ext_memcheck.targets", "write \"target 'NAME'\" into the header"),
    ("pg_ext_memcheck.trace", "write \"trace on\", \"trace off\" or \"trace stacks\" into the header or a scenario"),
    ("pg_ext_memcheck.memcheck_mode", "write \"mode executor\" or \"mode all\" into a scenario"),
    ("pg_ext_memcheck.observe_directory", "\"mcspec exec\" has sessions observed"),
    ("pg_ext_memcheck.places_directory", "\"mcspec run --coverage\" has places in libraries looked at"),
    ("port", REACHED),
    ("listen_addresses", REACHED),
    ("unix_socket_directories", REACHED),
    ("unix_socket_group", REACHED),
    ("unix_socket_permissions", REACHED),
    ("cluster_name", "mcspec knows its servers by it"),
    ("data_directory", FILES),
    ("config_file", FILES),
    ("hba_file", FILES),
    ("ident_file", FILES),
    ("external_pid_file", FILES),
    ("logging_collector", LOG),
    ("log_destination", LOG),
    ("log_line_prefix", LOG),
    ("lc_messages", LOG),
    ("include", INCLUDED),
    ("include_dir", INCLUDED),
    ("include_if_exists", INCLUDED),
];

/// The lines of a file for postgresql.conf that say something.
pub fn conf_lines(source: &Arc<SourceFile>) -> Vec<ConfLine> {
    let mut lines = Vec::new();
    let mut offset = 0;
    for line in source.text.split('\n') {
        let text = without_comment(line).trim();
        if !text.is_empty() {
            lines.push(ConfLine { text: text.to_owned(), place: Place { source: Arc::clone(source), offset } });
        }
        offset += line.len() + 1;
    }
    lines
}

impl Planner<'_> {
    /// The lines of the spec's `conf` clauses that say something.
    pub(super) fn conf(&mut self, blocks: &[Block]) -> Vec<ConfLine> {
        let mut lines = Vec::new();
        for block in blocks {
            let mut offset = block.span.start;
            for line in block.text.split('\n') {
                lines.extend(self.conf_line(line, offset));
                offset += line.len() + 1;
            }
        }
        lines
    }

    fn conf_line(&mut self, line: &str, offset: usize) -> Option<ConfLine> {
        let code = without_comment(line);
        let text = code.trim();
        if text.is_empty() {
            return None;
        }
        let start = offset + (code.len() - code.trim_start().len());
        let name = parameter(text);
        if let Some((message, hint)) = reserved(name) {
            self.complain(start..start + name.len(), &message, Some(hint));
        }
        let source = &self.loaded.source;
        let place = Place { source: Arc::clone(source), offset: start };
        match substitute(text, &self.variables) {
            Ok(text) => Some(ConfLine { text: text.into_owned(), place }),
            Err(unknown) => {
                let start = start + unknown.offset;
                let diagnostic = Diagnostic::new(
                    start..start + unknown.name.len() + 1,
                    format!("variable \"{}\" is not defined", unknown.name),
                );
                let hint = format!("define it with \"var {} = ...\", or write the value in quotes", unknown.name);
                self.problems.push(Problem::new(source, diagnostic.with_hint(hint)));
                None
            }
        }
    }
}

/// What precedes `#`, unless that is in a string; a quote in a string is doubled or has a `\` before it.
fn without_comment(line: &str) -> &str {
    let (mut in_string, mut escaped) = (false, false);
    for (i, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '\'' => in_string = !in_string,
            '#' if !in_string => return &line[..i],
            _ => {}
        }
    }
    line
}

/// The name that a line begins with.
fn parameter(line: &str) -> &str {
    let line = line.trim_start_matches(['\'', '"']);
    let end = line.find(|c: char| !(c.is_alphanumeric() || "_.$-".contains(c))).unwrap_or(line.len());
    &line[..end]
}
