//! `[project]`: where specs, goldens and results are.

use std::path::PathBuf;

use super::section::{Problems, Section};

/// `[project]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Project {
    /// The directory of the `.mcspec` files.
    pub specs: PathBuf,
    /// The directory of the goldens.
    pub expected: PathBuf,
    /// The directory that a run writes to.
    pub results: PathBuf,
    /// The schedule that `mcspec run` runs without arguments.
    pub schedule: PathBuf,
}

impl Project {
    pub(super) fn apply(&mut self, mut section: Section, problems: &mut Problems) {
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
}
