//! `[project]`: where specs, goldens and results are.

use std::path::PathBuf;

use super::section::{Problems, Section};

/// `[project]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Project {
    /// The directory of the `.mcspec` files.
    pub specs: PathBuf,
    /// The directory of the goldens and of what isolationtester is expected to print.
    pub expected: PathBuf,
    /// Whether the file says so; the default gives way to files of others.
    pub says_expected: bool,
    /// Whether the file has the section.
    pub is_in_file: bool,
    /// The directory that a run writes to.
    pub results: PathBuf,
    /// The schedule that `mcspec run` runs without arguments, if there is one.
    pub schedule: PathBuf,
    /// Whether the file says which; that one has to be there.
    pub says_schedule: bool,
}

impl Project {
    pub(super) fn apply(&mut self, mut section: Section, problems: &mut Problems) {
        self.is_in_file = true;
        self.says_expected = section.has("expected");
        self.says_schedule = section.has("schedule");
        for (key, field) in [
            ("specs", &mut self.specs),
            ("expected", &mut self.expected),
            ("results", &mut self.results),
            ("schedule", &mut self.schedule),
        ] {
            if let Some(path) = section.path(key, problems) {
                *field = path;
            }
        }
        section.finish(problems);
    }

    /// Forgets that a section was read: it was that of the defaults.
    pub(super) fn is_default(&mut self) {
        (self.is_in_file, self.says_expected, self.says_schedule) = (false, false, false);
    }

    /// Whether there is a schedule. Without one, all specs run.
    pub fn has_schedule(&self) -> bool {
        self.says_schedule || self.schedule.exists()
    }

    /// What to write into the file to have the goldens in a directory of that name.
    pub fn hint(&self, name: &str) -> String {
        let place = match (self.is_in_file, self.says_expected) {
            (_, true) => "change \"expected\" in [project] of mcspec.toml:\n",
            (true, false) => "write into [project] of mcspec.toml:\n",
            (false, false) => "write into mcspec.toml:\n[project]\n",
        };
        format!("to keep goldens elsewhere, {place}expected = \"{name}\"")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn paths_are_relative_to_the_file() {
        let config =
            Config::parse("[project]\nspecs = \"t\"\nresults = \"/r\"", Path::new("a/mcspec.toml")).expect("valid");
        assert_eq!(config.project.specs, Path::new("a/t"));
        assert_eq!(config.project.results, Path::new("/r"));
        assert_eq!(config.project.expected, Path::new("a/expected"));
        assert_eq!(config.project.schedule, Path::new("a/schedule"));
    }

    #[test]
    fn a_hint_fits_into_the_file() {
        for (text, says_expected) in [
            ("", false),
            ("[engine]\nwarmup = 2\n", false),
            ("[project]\n", false),
            ("[project]\nspecs = \"t\"\n", false),
            ("[project]\nexpected = \"expected\"\n", true),
        ] {
            let parse = |text: &str| Config::parse(text, Path::new("mcspec.toml")).expect("valid").project;
            let project = parse(text);
            assert_eq!(project.says_expected, says_expected, "{text}");
            let hint = project.hint("goldens");
            let (_, lines) = hint.split_once(":\n").expect("lines to copy");
            let pasted = text.replace("expected = \"expected\"\n", "") + lines;
            assert_eq!(parse(&pasted).expected, Path::new("goldens"), "{pasted}");
        }
    }
}
