//! The schedule: which specs run, in what order, and which of them at the same time. The syntax is that of pg_regress
//! (pg_regress.c, run_schedule), except that `#` also begins a comment after a name, and that `include:` reads another
//! schedule.

use std::io;
use std::path::{Path, PathBuf};

use crate::bounded;
use crate::language::suggest::{closest, did_you_mean};

/// How many times a schedule may be read for another one.
const INCLUDED: usize = 1000;

/// The specs of one `test:` line; they may run at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The schedule it stands in.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// Names of specs, in order.
    pub names: Vec<String>,
}

/// A schedule that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The file cannot be read.
    #[error("could not read schedule \"{}\": {error}", file.display())]
    Unreadable {
        /// The schedule.
        file: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// A line is not understood.
    #[error("{}:{line}: {fault}", file.display())]
    Line {
        /// The schedule.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        fault: Fault,
    },
}

impl ScheduleError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            ScheduleError::Line { fault: Fault::UnknownName { near: Some(near), .. }, .. } => Some(did_you_mean(near)),
            ScheduleError::Line { fault: Fault::Syntax(_), .. } => {
                Some("a line is \"test: NAME ...\", \"include: FILE\" or a comment".to_owned())
            }
            ScheduleError::Unreadable { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                Some("\"mcspec run '*'\" runs all specs, without a schedule".to_owned())
            }
            _ => None,
        }
    }
}

/// What can be wrong with a line of a schedule.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Neither `test:` nor `include:`.
    #[error("syntax error in schedule: \"{0}\"")]
    Syntax(String),
    /// `test:` without a name.
    #[error("\"test:\" needs at least one spec")]
    NoName,
    /// A spec is named twice; its second run would overwrite the results of the first.
    #[error("spec \"{name}\" is already scheduled at {}:{line}", file.display())]
    Twice {
        /// The spec.
        name: String,
        /// Where it is named first.
        file: PathBuf,
        /// The line there.
        line: usize,
    },
    /// There is no spec of that name.
    #[error("spec \"{name}\" does not exist")]
    UnknownName {
        /// The name as written.
        name: String,
        /// The nearest name there is.
        near: Option<String>,
    },
    /// Schedules that include others twice, which include others twice.
    #[error("more than {INCLUDED} schedules are included")]
    TooMany,
    /// A schedule includes itself.
    #[error("schedule \"{0}\" includes itself")]
    Cycle(String),
}

/// Reads a schedule and those it includes.
///
/// # Errors
///
/// A file that cannot be read, a line that is not understood, a name that is not among `known` or is named twice.
pub fn read(file: &Path, known: &[String]) -> Result<Vec<Group>, ScheduleError> {
    read_by(|file| bounded::text(file, bounded::SPEC), file, known)
}

/// The same, of files that are read in this way.
///
/// # Errors
///
/// As above.
pub fn read_by(
    read: impl Fn(&Path) -> io::Result<String>,
    file: &Path,
    known: &[String],
) -> Result<Vec<Group>, ScheduleError> {
    let mut reader = Reader { read, known, open: Vec::new(), included: 0, groups: Vec::new() };
    reader.file(file)?;
    Ok(reader.groups)
}

struct Reader<'a, R> {
    read: R,
    known: &'a [String],
    /// The file being read and those that include it.
    open: Vec<PathBuf>,
    /// How many have been included.
    included: usize,
    groups: Vec<Group>,
}

impl<R: Fn(&Path) -> io::Result<String>> Reader<'_, R> {
    fn file(&mut self, file: &Path) -> Result<(), ScheduleError> {
        let text = (self.read)(file).map_err(|error| ScheduleError::Unreadable { file: file.to_owned(), error })?;
        self.open.push(file.to_owned());
        for (i, line) in text.lines().enumerate() {
            self.line(file, i + 1, line)?;
        }
        self.open.pop();
        Ok(())
    }

    fn line(&mut self, file: &Path, line: usize, text: &str) -> Result<(), ScheduleError> {
        let at = |fault| ScheduleError::Line { file: file.to_owned(), line, fault };
        let text = text.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(());
        }
        match text.split_once(':') {
            Some(("test", names)) => {
                let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
                if names.is_empty() {
                    return Err(at(Fault::NoName));
                }
                for (i, name) in names.iter().enumerate() {
                    self.check_name(file, line, name, &names[..i]).map_err(at)?;
                }
                self.groups.push(Group { file: file.to_owned(), line, names });
                Ok(())
            }
            Some(("include", other)) => {
                let other = other.trim();
                let path = file.parent().unwrap_or(Path::new("")).join(other);
                if self.open.contains(&path) {
                    return Err(at(Fault::Cycle(other.to_owned())));
                }
                self.included += 1;
                if self.included > INCLUDED {
                    return Err(at(Fault::TooMany));
                }
                self.file(&path)
            }
            _ => Err(at(Fault::Syntax(text.to_owned()))),
        }
    }

    fn check_name(&self, file: &Path, line: usize, name: &str, before: &[String]) -> Result<(), Fault> {
        if !self.known.iter().any(|known| known == name) {
            let near = closest(name, self.known.iter().map(String::as_str)).map(str::to_owned);
            return Err(Fault::UnknownName { name: name.to_owned(), near });
        }
        let twice = |file: &Path, line| Fault::Twice { name: name.to_owned(), file: file.to_owned(), line };
        if before.iter().any(|other| other == name) {
            return Err(twice(file, line));
        }
        match self.groups.iter().find(|group| group.names.iter().any(|other| other == name)) {
            Some(first) => Err(twice(&first.file, first.line)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Names and texts.
    type Files<'a> = &'a [(&'a str, &'a str)];

    /// Writes the files, reads the first one, and replaces the directory in messages.
    fn read_all(files: Files) -> Result<Vec<Vec<String>>, (String, Option<String>)> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let known = ["one", "two", "sub/three", "four"].map(str::to_owned);
        match read(&directory.path().join(files[0].0), &known) {
            Ok(groups) => Ok(groups.into_iter().map(|group| group.names).collect()),
            Err(error) => {
                let text = error.to_string().replace(&format!("{}/", directory.path().display()), "");
                Err((text, error.hint()))
            }
        }
    }

    #[test]
    fn groups_are_read_in_order() {
        let text = "# comment\n\ntest: one sub/three\n  test:two # also a comment\n";
        assert_eq!(read_all(&[("s", text)]).unwrap(), [vec!["one", "sub/three"], vec!["two"]]);
        let files = [("s", "test: one\ninclude: t\ntest: four\n"), ("t", "test: two\n")];
        assert_eq!(read_all(&files).unwrap(), [["one"], ["two"], ["four"]]);
        assert_eq!(read_all(&[("s", "")]).unwrap(), Vec::<Vec<String>>::new());
    }

    #[test]
    fn errors_name_file_and_line() {
        let table: &[(Files, &str, Option<&str>)] = &[
            (
                &[("s", "test: one\ntests: two\n")],
                "s:2: syntax error in schedule: \"tests: two\"",
                Some("a line is \"test: NAME ...\", \"include: FILE\" or a comment"),
            ),
            (&[("s", "test:\n")], "s:1: \"test:\" needs at least one spec", None),
            (&[("s", "test: fuor\n")], "s:1: spec \"fuor\" does not exist", Some("did you mean \"four\"?")),
            (&[("s", "test: xyzzy\n")], "s:1: spec \"xyzzy\" does not exist", None),
            (&[("s", "test: one one\n")], "s:1: spec \"one\" is already scheduled at s:1", None),
            (
                &[("s", "test: one\ninclude: t\n"), ("t", "\ntest: one\n")],
                "t:2: spec \"one\" is already scheduled at s:1",
                None,
            ),
            (&[("s", "include: t\n"), ("t", "include: s\n")], "t:1: schedule \"s\" includes itself", None),
            (
                &[("s", "include: t\ninclude: t"), ("t", "include: u\n".repeat(600).leak()), ("u", "")],
                "t:399: more than 1000 schedules are included",
                None,
            ),
            (
                &[("s", "include: t\n")],
                "could not read schedule \"t\": No such file or directory (os error 2)",
                Some("\"mcspec run '*'\" runs all specs, without a schedule"),
            ),
        ];
        for &(files, message, hint) in table {
            assert_eq!(read_all(files), Err((message.to_owned(), hint.map(str::to_owned))), "{files:?}");
        }
    }
}
