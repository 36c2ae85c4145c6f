//! `[coverage]`: how much of what allocates specs have to reach.

use super::section::{Problems, Section};

/// `[coverage]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Least percentage of places, with which a run that looks succeeds.
    pub least: Option<u32>,
}

impl Coverage {
    pub(super) fn apply(&mut self, mut section: Section, problems: &mut Problems) {
        if let Some(least) = section.integer("least", 0..=100, problems) {
            self.least = Some(least);
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
        let least = |text| Config::parse(text, Path::new("mcspec.toml")).map(|config| config.coverage.least);
        assert_eq!(least("[coverage]\nleast = 80").expect("valid"), Some(80));
        assert_eq!(least("").expect("valid"), None);
        assert!(least("[coverage]\nleast = 101").is_err());
    }
}
