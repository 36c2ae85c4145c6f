//! `[engine]`: where the engine is, and how it is used where a spec does not say.

use std::path::PathBuf;

use super::section::{Problems, Section};

/// `[engine]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Engine {
    /// A directory with the built engine in one sub-directory for each major version.
    pub path: Option<PathBuf>,
    /// Iterations before the checked ones.
    pub warmup: u32,
}

impl Engine {
    pub(super) fn apply(&mut self, mut section: Section, problems: &mut Problems) {
        if let Some(path) = section.path("path", problems) {
            self.path = Some(path);
        }
        if let Some(warmup) = section.integer("warmup", 0..=u32::MAX, problems) {
            self.warmup = warmup;
        }
        section.finish(problems);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn keys() {
        let text = "[engine]\npath = \"e\"\nwarmup = 3";
        let config = Config::parse(text, Path::new("p/mcspec.toml")).expect("valid");
        assert_eq!(config.engine.path.as_deref(), Some(Path::new("p/e")));
        assert_eq!(config.engine.warmup, 3);
    }
}
