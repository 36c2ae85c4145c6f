//! `[profile.default]`: on which servers a run happens and how long it may take.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::section::{Problems, Section};

/// The major versions of PostgreSQL that the engine is built for.
pub const SUPPORTED_MAJORS: RangeInclusive<u32> = 15..=19;

/// `[profile.default]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// The major versions to run on; none means the first one found.
    pub pg: Vec<u32>,
    /// Where to look first for PostgreSQL.
    pub pg_config: Vec<PathBuf>,
    /// Servers at the same time; none means the number of processors.
    pub jobs: Option<u32>,
    /// For one scenario, where its spec does not say.
    pub timeout: Duration,
}

impl Profile {
    pub(super) fn apply(&mut self, mut section: Section, problems: &mut Problems) {
        if let Some(pg) = section.integers("pg", SUPPORTED_MAJORS, problems) {
            self.pg = pg;
        }
        if let Some(paths) = section.strings("pg_config", problems) {
            self.pg_config = paths.into_iter().map(|path| section.root().join(path)).collect();
        }
        if let Some(jobs) = section.integer("jobs", 1..=1024, problems) {
            self.jobs = Some(jobs);
        }
        if let Some(timeout) = section.duration("timeout", problems) {
            self.timeout = timeout;
        }
        section.finish(problems);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use crate::config::Config;

    #[test]
    fn keys() {
        let text = "[profile.default]\npg = [15, 18]\npg_config = [\"/a\", \"b\"]\njobs = 2\ntimeout = \"2min\"";
        let profile = Config::parse(text, Path::new("p/mcspec.toml")).expect("valid").profile;
        assert_eq!(profile.pg, [15, 18]);
        assert_eq!(profile.pg_config, [Path::new("/a"), Path::new("p/b")]);
        assert_eq!(profile.jobs, Some(2));
        assert_eq!(profile.timeout, Duration::from_secs(120));
    }
}
