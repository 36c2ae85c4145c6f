//! `--temp-config`: lines that pg_regress would append to the postgresql.conf of a server of its own.

use std::path::Path;
use std::sync::Arc;

use crate::language::SourceFile;
use crate::plan::{ConfLine, conf_lines};

/// What a suite needs of its server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Libraries to preload.
    pub preload: Vec<String>,
    /// Lines for postgresql.conf.
    pub lines: Vec<String>,
}

impl Settings {
    /// Adds those of a file. What is the runner's to set is left out: where the server listens, and what it writes where.
    pub fn add_file(&mut self, source: SourceFile) {
        for line in conf_lines(&Arc::new(source)) {
            self.add(&line);
        }
    }

    fn add(&mut self, line: &ConfLine) {
        if line.parameter() == "shared_preload_libraries" {
            // As in the file the last line counts.
            self.preload = libraries(&line.text);
        } else if line.reserved().is_none() {
            self.lines.push(line.text.clone());
        }
    }

    /// Adds what another suite needs that runs on the same server.
    pub fn merge(&mut self, other: Settings) {
        let new = |known: &Vec<String>, one: &String| !known.contains(one);
        for (known, more) in [(&mut self.preload, other.preload), (&mut self.lines, other.lines)] {
            let more: Vec<String> = more.into_iter().filter(|one| new(known, one)).collect();
            known.extend(more);
        }
    }
}

/// The libraries of a line that sets `shared_preload_libraries`, in whatever quotes (guc-file.l, SplitDirectoriesString).
fn libraries(line: &str) -> Vec<String> {
    let end_of_name = line.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(line.len());
    let value = line[end_of_name..].trim_start().trim_start_matches('=').trim();
    let value = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).unwrap_or(value);
    value.split(',').map(|name| name.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The file that an option names, as seen from the directory in which the suite runs. The file of an extension that is built
/// outside of PostgreSQL's sources, where its Makefile has it in `contrib/NAME`, is the one of that name beside the Makefile.
pub(super) fn find(directory: &Path, named: &str) -> std::path::PathBuf {
    let path = directory.join(named);
    let beside = path.file_name().map(|name| directory.join(name));
    match beside {
        Some(beside) if !path.is_file() && beside.is_file() => beside,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Settings {
        let mut settings = Settings::default();
        settings.add_file(SourceFile::new("x.conf", text));
        settings
    }

    #[test]
    fn libraries_are_told_from_other_lines() {
        let text = "# for tests\nshared_preload_libraries = pgaudit # last\ncron.database_name='contrib_regression'\n\
                    max_worker_processes 20\nport = 1\n";
        let expected = Settings {
            preload: vec!["pgaudit".into()],
            lines: vec!["cron.database_name='contrib_regression'".into(), "max_worker_processes 20".into()],
        };
        assert_eq!(read(text), expected);
        for (line, expected) in [
            ("shared_preload_libraries = 'a, \"b-1\",c'", vec!["a", "b-1", "c"]),
            ("Shared_Preload_Libraries 'pg_cron'", vec!["pg_cron"]),
            ("shared_preload_libraries=''", vec![]),
        ] {
            assert_eq!(read(line).preload, expected, "{line}");
        }
    }

    #[test]
    fn several_suites_have_one_server() {
        let mut settings = read("shared_preload_libraries = a\nx = 1\n");
        settings.merge(read("shared_preload_libraries = 'b,a'\nx = 1\ny = 2\n"));
        assert_eq!(settings.preload, ["a", "b"]);
        assert_eq!(settings.lines, ["x = 1", "y = 2"]);
    }
}
