//! `[checklist]`: what `mcspec checklist` requires of a release.

use super::section::{Problems, Section};

/// `[checklist]`. What has no value is not required.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checklist {
    /// Major versions that specs have to have run on.
    pub pg: Vec<u32>,
    /// Whether each spec of the schedule has to have run.
    pub every_spec: bool,
    /// At most so many specs that fail as expected.
    pub xfail: Option<u32>,
    /// At most so many specs that were skipped.
    pub skipped: Option<u32>,
    /// At most so many kinds of violations that are allowed.
    pub allowed: Option<u32>,
    /// At most so many bytes for each iteration that a place may have grown by.
    pub growth: Option<u64>,
    /// At most so many goldens that have changed since `since`.
    pub goldens: Option<u32>,
    /// The tag of git that goldens are compared with; none means the last one before.
    pub since: Option<String>,
    /// Percent of the places that allocate which have to have been reached.
    pub coverage: Option<u32>,
    /// Percent of the dropped calls that free which have to have been caught.
    pub mutation: Option<u32>,
}

impl Checklist {
    pub(super) fn apply(&mut self, mut section: Section, problems: &mut Problems) {
        if let Some(pg) = section.integers("pg", super::SUPPORTED_MAJORS, problems) {
            self.pg = pg;
        }
        if let Some(every_spec) = section.boolean("every_spec", problems) {
            self.every_spec = every_spec;
        }
        for (key, field) in [
            ("xfail", &mut self.xfail),
            ("skipped", &mut self.skipped),
            ("allowed", &mut self.allowed),
            ("goldens", &mut self.goldens),
        ] {
            *field = section.integer(key, 0..=u32::MAX, problems).or(*field);
        }
        self.growth = section.size("growth", problems).or(self.growth);
        if let Some((since, _)) = section.string("since", problems) {
            self.since = Some(since.to_owned());
        }
        for (key, field) in [("coverage", &mut self.coverage), ("mutation", &mut self.mutation)] {
            *field = section.integer(key, 0..=100, problems).or(*field);
        }
        section.finish(problems);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Checklist;
    use crate::config::Config;

    #[test]
    fn keys() {
        let text = "[checklist]\npg = [15, 18]\nevery_spec = true\nxfail = 2\nskipped = 0\nallowed = 1\ngrowth = \"64kB\"\n\
                    goldens = 3\nsince = \"v1.0\"\ncoverage = 80\nmutation = 90";
        let expected = Checklist {
            pg: vec![15, 18],
            every_spec: true,
            xfail: Some(2),
            skipped: Some(0),
            allowed: Some(1),
            growth: Some(65_536),
            goldens: Some(3),
            since: Some("v1.0".to_owned()),
            coverage: Some(80),
            mutation: Some(90),
        };
        assert_eq!(Config::parse(text, Path::new("mcspec.toml")).expect("valid").checklist, expected);
        assert_eq!(Config::parse("", Path::new("mcspec.toml")).expect("valid").checklist, Checklist::default());
    }
}
