//! `[engine]`: where the engine is, and how it is used where a spec does not say.

use std::path::PathBuf;

use super::section::{Problems, Section};
use crate::language::ast::Guard;

/// `[engine]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Engine {
    /// A directory with the built engine in one sub-directory for each major version.
    pub path: Option<PathBuf>,
    /// Iterations before the checked ones.
    pub warmup: u32,
    /// How allocations are guarded.
    pub guard: Guard,
}

impl Engine {
    pub(super) fn apply(&mut self, mut section: Section, problems: &mut Problems) {
        if let Some(path) = section.path("path", problems) {
            self.path = Some(path);
        }
        if let Some(warmup) = section.integer("warmup", 0..=u32::MAX, problems) {
            self.warmup = warmup;
        }
        if let Some((word, span)) = section.string("guard", problems) {
            match Guard::ALL.into_iter().find(|guard| guard.as_str() == word) {
                Some(guard) => self.guard = guard,
                None => {
                    let hint = "valid values are \"off\", \"redzone\" and \"pages\"".to_owned();
                    problems.add(span, format!("unknown guard level \"{word}\""), Some(hint));
                }
            }
        }
        section.finish(problems);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Guard;
    use crate::config::Config;

    #[test]
    fn keys() {
        let text = "[engine]\npath = \"e\"\nwarmup = 3\nguard = \"off\"";
        let config = Config::parse(text, Path::new("p/mcspec.toml")).expect("valid");
        assert_eq!(config.engine.path.as_deref(), Some(Path::new("p/e")));
        assert_eq!((config.engine.warmup, config.engine.guard), (3, Guard::Off));
    }
}
