//! `mcspec.toml`. Every key, its meaning and its default stand in `default.toml`, which is compiled in and read first.

mod allow;
mod checklist;
mod coverage;
mod engine;
mod error;
mod extension;
mod isolation;
mod profile;
mod project;
mod section;
mod syntax;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

pub use checklist::Checklist;
pub use coverage::Coverage;
pub use engine::Engine;
pub use error::ConfigError;
pub use extension::{Build, Crate, ExtensionSource};
pub use isolation::Isolation;
pub use profile::{Profile, SUPPORTED_MAJORS};
pub use project::Project;

use section::{Problems, Section};

use crate::bounded;
use crate::language::ast::Allowance;
use crate::language::{Diagnostic, SourceFile};

/// The name of the file.
pub const FILE_NAME: &str = "mcspec.toml";

/// The defaults, which are also the reference of the file.
pub const REFERENCE: &str = include_str!("default.toml");

/// The configuration in force. Its paths lead from the current directory and can be used as they are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// The file that was read; none means that the defaults are in force.
    pub file: Option<PathBuf>,
    /// The directory that its paths are relative to; empty when that is the current one.
    pub root: PathBuf,
    /// `[project]`
    pub project: Project,
    /// `[extension.NAME]` by name.
    pub extensions: BTreeMap<String, ExtensionSource>,
    /// `[isolation]`
    pub isolation: Isolation,
    /// `[engine]`
    pub engine: Engine,
    /// `[profile.default]`
    pub profile: Profile,
    /// `[coverage]`
    pub coverage: Coverage,
    /// `[checklist]`
    pub checklist: Checklist,
    /// `[[allow]]`, in order.
    pub allow: Vec<Allowance>,
    /// The text that their places are in.
    pub source: Arc<SourceFile>,
}

impl Config {
    /// Reads the `mcspec.toml` of the current directory or of the nearest parent that has one; without one, the defaults.
    pub fn load() -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Read { path: FILE_NAME.into(), source };
        let depth = std::env::current_dir().map_err(unreadable)?.ancestors().count();
        // The path as seen from here ("../../mcspec.toml"), so that messages show it, and the paths in it, that way.
        for up in 0..depth {
            let path: PathBuf = std::iter::repeat_n("..", up).chain([FILE_NAME]).collect();
            match bounded::text(&path, bounded::SPEC) {
                Ok(text) => return Self::parse(&text, &path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(ConfigError::Read { path, source }),
            }
        }
        Ok(Self::defaults(Path::new("")))
    }

    /// Reads `text` as the contents of `path`, whose directory the paths in it are relative to.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let root = path.parent().unwrap_or(Path::new(""));
        let mut config = Self::defaults(root);
        config.file = Some(path.to_owned());
        config.source = Arc::new(SourceFile::new(path, text));
        match config.apply(text, root) {
            problems if problems.is_empty() => Ok(config),
            problems => Err(ConfigError::Invalid { file: config.source, problems }),
        }
    }

    fn defaults(root: &Path) -> Self {
        let mut config = Self { root: root.to_owned(), ..Self::default() };
        let problems = config.apply(REFERENCE, root);
        debug_assert_eq!(problems, [], "the compiled-in defaults are valid");
        config.project.is_default();
        config
    }

    /// Overrides what `text` sets and returns what is wrong with it.
    fn apply(&mut self, text: &str, root: &Path) -> Vec<Diagnostic> {
        let mut problems = Problems::default();
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            syntax::add(errors, text, &mut problems);
            return problems.into_vec();
        }

        let mut file = Section::new("", document.get_ref(), root);
        if let Some(section) = file.table("project", &mut problems) {
            self.project.apply(section, &mut problems);
        }
        if let Some(section) = file.table("extension", &mut problems) {
            extension::apply(&mut self.extensions, &section, &mut problems);
        }
        if let Some(section) = file.table("isolation", &mut problems) {
            self.isolation.apply(section, &mut problems);
        }
        if let Some(section) = file.table("engine", &mut problems) {
            self.engine.apply(section, &mut problems);
        }
        if let Some(section) = file.table("coverage", &mut problems) {
            self.coverage.apply(section, &mut problems);
        }
        if let Some(mut profiles) = file.table("profile", &mut problems) {
            if let Some(section) = profiles.table("default", &mut problems) {
                self.profile.apply(section, &mut problems);
            }
            profiles.finish(&mut problems);
        }
        if let Some(section) = file.table("checklist", &mut problems) {
            self.checklist.apply(section, &mut problems);
        }
        for (section, span) in file.list("allow", &mut problems) {
            self.allow.extend(allow::read(section, span, &mut problems));
        }
        file.finish(&mut problems);
        problems.into_vec()
    }
}

#[cfg(test)]
mod tests {
    use crate::language::ast::Guard;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_reference_sets_every_default() {
        let config = Config::parse("", Path::new("mcspec.toml")).expect("valid");
        assert_eq!(config.project.specs, Path::new("specs"));
        assert_eq!(config.project.expected, Path::new("expected"));
        assert_eq!(config.project.results, Path::new("results"));
        assert_eq!(config.project.schedule, Path::new("schedule"));
        assert_eq!(
            config.engine,
            Engine { path: None, warmup: memcheck_core::scenario::WARMUP, guard: Guard::Redzone }
        );
        assert_eq!(config.profile.timeout, Duration::from_secs(60));
        assert!(config.extensions.is_empty());
    }

    #[test]
    fn what_the_reference_comments_out_is_valid() {
        let key =
            |line: &&str| line.starts_with("# [") || line.split_once(" = ").is_some_and(|(k, _)| k.starts_with("# "));
        let text: Vec<_> = REFERENCE.lines().map(|line| if key(&line) { &line[2..] } else { line }).collect();
        let config = Config::parse(&text.join("\n"), Path::new("mcspec.toml")).expect("valid");
        assert_eq!(
            config.extensions.keys().collect::<Vec<_>>(),
            ["my_built_ext", "my_cmake_ext", "my_ext", "my_packaged_ext", "my_rust_ext"]
        );
        assert_eq!(config.profile.jobs, Some(4));
        assert_eq!(config.engine.path.as_deref(), Some(Path::new("engine")));
    }

    #[test]
    fn mistakes_have_a_place_and_a_hint() {
        for (text, expected) in [
            ("[project]\nspec = 1", "c.toml:2:1: unknown key \"spec\" in [project]\nHINT: did you mean \"specs\"?"),
            ("[projects]", "c.toml:1:2: unknown key \"projects\"\nHINT: did you mean \"project\"?"),
            ("[profile.ci]", "c.toml:1:10: unknown key \"ci\" in [profile]\nHINT: known keys are: default"),
            (
                "[extension.x]\nmke = []",
                "c.toml:2:1: unknown key \"mke\" in [extension.x]\nHINT: did you mean \"make\"?",
            ),
            (
                "[extension.x]\nbuild = \"cmake\"",
                "c.toml:2:9: unknown build \"cmake\"\nHINT: valid values are \"make\", \"cargo\", \"command\" and \"files\"",
            ),
            (
                "[project]\nspecs = 1",
                "c.toml:2:9: expected a string, found a whole number\nHINT: write it in quotes: \"1\"",
            ),
            ("project = 1", "c.toml:1:11: expected a table, found a whole number"),
            ("[extension]\nx = \"y\"", "c.toml:2:5: expected a table, found a string"),
            ("[profile.default]\npg = [15, \"x\"]", "c.toml:2:11: expected a whole number, found a string"),
            ("[profile.default]\npg = [14]", "c.toml:2:7: 14 is outside the valid range 15 .. 19"),
            ("[profile.default]\njobs = -1", "c.toml:2:8: -1 is outside the valid range 1 .. 1024"),
            (
                "[profile.default]\ntimeout = \"60\"",
                "c.toml:2:11: invalid unit of time: \"60\"\nHINT: write a whole number and a unit: \"500ms\", \"60s\", \"2min\", \"1h\"",
            ),
            (
                "[engine]\nx = 1\n[project]\ny = 1",
                "c.toml:2:1: unknown key \"x\" in [engine]\nHINT: known keys are: path, warmup, guard\n\
                 c.toml:4:1: unknown key \"y\" in [project]\nHINT: known keys are: specs, expected, results, schedule",
            ),
        ] {
            let error = Config::parse(text, Path::new("c.toml")).expect_err(text);
            assert_eq!(error.listing(), expected, "{text}");
        }
    }

    #[test]
    fn text_that_is_not_toml_has_a_place() {
        let error = Config::parse("[project]\nspecs = \n", Path::new("c.toml")).expect_err("invalid").listing();
        assert!(error.starts_with("c.toml:2:9: "), "{error}");
    }
}
