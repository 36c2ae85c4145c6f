//! `[extension.NAME]`: how the files of an extension under test get into the server.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::section::{Problems, Section};

/// `[extension.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionSource {
    /// The extension's name, as in `CREATE EXTENSION`.
    pub name: String,
    /// Its source directory.
    pub path: PathBuf,
    /// What else comes with it: further extensions, and libraries of other names.
    pub provides: Vec<String>,
    /// How it is built.
    pub build: Build,
}

impl ExtensionSource {
    /// Whether an extension or a library of that name comes with it.
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|other| other == name)
    }

    /// All that comes with it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.provides).map(String::as_str)
    }
}

/// How an extension is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Build {
    /// `make install` with PGXS, on a copy of the sources.
    Make {
        /// Further arguments of make.
        arguments: Vec<String>,
    },
    /// By lines for a shell, which runs them on a copy of the sources and installs below `DESTDIR`.
    Command {
        /// The lines, at least one.
        lines: Vec<String>,
    },
    /// A crate of pgrx, by cargo.
    Cargo(Crate),
    /// It is already built. File names below the source directory; `*` and `**` match, `{major}` is replaced.
    Files {
        /// Shared libraries.
        library: Vec<String>,
        /// The control file.
        control: Vec<String>,
        /// Install and update scripts.
        sql: Vec<String>,
        /// Directories in which something was installed as if each were the root of the file system.
        tree: Vec<String>,
    },
}

/// Which crate cargo builds, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crate {
    /// The package; without, the one that has the extension's name or control file.
    pub package: Option<String>,
    /// The profile.
    pub profile: String,
    /// Features besides that of the major version.
    pub features: Vec<String>,
}

/// Keys that only one way of building has.
const KEYS: [(&str, &[&str]); 4] = [
    ("make", &["make"]),
    ("files", &["library", "control", "sql", "tree"]),
    ("cargo", &["package", "profile", "features"]),
    ("command", &["command"]),
];

/// Reads all of `[extension]`.
pub(super) fn apply(extensions: &mut BTreeMap<String, ExtensionSource>, section: &Section, problems: &mut Problems) {
    for (name, table) in section.tables(problems) {
        if let Some(source) = read(name, table, problems) {
            extensions.insert(name.to_owned(), source);
        }
    }
}

fn read(name: &str, mut section: Section, problems: &mut Problems) -> Option<ExtensionSource> {
    let path = section.path("path", problems).unwrap_or_else(|| section.root().to_owned());
    let provides = section.strings("provides", problems).unwrap_or_default();
    let build = section.string("build", problems);
    let arguments = section.strings("make", problems);
    let [library, control, sql, tree] = ["library", "control", "sql", "tree"].map(|key| section.strings(key, problems));
    let package = section.string("package", problems).map(|(package, _)| package.to_owned());
    let profile = section.string("profile", problems).map(|(profile, _)| profile.to_owned());
    let features = section.strings("features", problems);
    let command = section.string_or_strings("command", problems);

    let (word, span) = build.unwrap_or(("make", 0..0));
    if KEYS.iter().any(|(way, _)| *way == word) {
        for (way, keys) in KEYS.iter().filter(|(way, _)| *way != word) {
            for key in keys.iter() {
                if let Some(span) = section.span(key) {
                    let hint = format!("write build = \"{way}\", or leave it out");
                    problems.add(span, format!("\"{key}\" has no meaning with build = \"{word}\""), Some(hint));
                }
            }
        }
    }
    let build = match word {
        "make" => Build::Make { arguments: arguments.unwrap_or_default() },
        "command" => {
            let (lines, at) = command.unwrap_or((Vec::new(), span));
            if lines.iter().all(|line| line.trim().is_empty()) {
                let hint = "command = [\"cmake -S . -B build\", \"cmake --build build\", \"cmake --install build\"]";
                problems.add(at, "build = \"command\" without a command".to_owned(), Some(hint.to_owned()));
            }
            Build::Command { lines }
        }
        "cargo" => Build::Cargo(Crate {
            package,
            profile: profile.unwrap_or_else(|| "release".to_owned()),
            features: features.unwrap_or_default(),
        }),
        "files" => {
            let usual = |names: Option<Vec<String>>, name: String| {
                names.unwrap_or_else(|| if tree.is_some() { Vec::new() } else { vec![name] })
            };
            Build::Files {
                library: library.unwrap_or_default(),
                control: usual(control, format!("{name}.control")),
                sql: usual(sql, format!("{name}--*.sql")),
                tree: tree.unwrap_or_default(),
            }
        }
        other => {
            let hint = "valid values are \"make\", \"cargo\", \"command\" and \"files\"";
            problems.add(span, format!("unknown build \"{other}\""), Some(hint.to_owned()));
            section.finish(problems);
            return None;
        }
    };
    section.finish(problems);
    Some(ExtensionSource { name: name.to_owned(), path, provides, build })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> BTreeMap<String, ExtensionSource> {
        Config::parse(text, Path::new("mcspec.toml")).expect("valid").extensions
    }

    #[test]
    fn make_is_the_default() {
        let extensions = parse("[extension.a]\npath = \"x\"\nmake = [\"V=1\"]\n[extension.b]");
        assert_eq!(extensions["a"].path, Path::new("x"));
        assert_eq!(extensions["a"].build, Build::Make { arguments: vec!["V=1".into()] });
        assert_eq!(extensions["b"].path, Path::new(""));
        assert_eq!(extensions["b"].build, Build::Make { arguments: vec![] });
    }

    #[test]
    fn files_have_usual_names() {
        let extensions = parse("[extension.a]\nbuild = \"files\"\nlibrary = \"target/liba.so\"");
        let expected = Build::Files {
            library: vec!["target/liba.so".into()],
            control: vec!["a.control".into()],
            sql: vec!["a--*.sql".into()],
            tree: vec![],
        };
        assert_eq!(extensions["a"].build, expected);

        let extensions = parse("[extension.a]\nbuild = \"files\"\ntree = \"target/release/a-pg{major}\"");
        let tree = vec!["target/release/a-pg{major}".to_owned()];
        assert_eq!(extensions["a"].build, Build::Files { library: vec![], control: vec![], sql: vec![], tree });
    }

    #[test]
    fn a_crate_takes_two_lines() {
        let extensions = parse(
            "[extension.a]\nbuild = \"cargo\"\n[extension.b]\nbuild = \"cargo\"\npackage = \"p\"\nprofile = \"dev\"\nfeatures = \"f\"",
        );
        let plain = Crate { package: None, profile: "release".into(), features: vec![] };
        assert_eq!(extensions["a"].build, Build::Cargo(plain));
        let full = Crate { package: Some("p".into()), profile: "dev".into(), features: vec!["f".into()] };
        assert_eq!(extensions["b"].build, Build::Cargo(full));
    }

    #[test]
    fn commands_and_what_comes_with_an_extension() {
        let extensions =
            parse("[extension.a]\nbuild = \"command\"\ncommand = [\"x\", \"y\"]\nprovides = [\"b\", \"lib\"]");
        assert_eq!(extensions["a"].build, Build::Command { lines: vec!["x".into(), "y".into()] });
        assert!(["a", "b", "lib"].iter().all(|name| extensions["a"].has(name)) && !extensions["a"].has("c"));
    }

    #[test]
    fn keys_of_another_build_are_no_use() {
        let message = |text: &str| {
            let error = Config::parse(text, Path::new("mcspec.toml")).expect_err("a mistake");
            error.listing().lines().next().expect("a line").to_owned()
        };
        for (text, expected) in [
            ("build = \"cargo\"\nlibrary = \"x\"", "3:11: \"library\" has no meaning with build = \"cargo\""),
            (
                "make = \"V=1\"\nbuild = \"command\"\ncommand = \"x\"",
                "2:8: \"make\" has no meaning with build = \"command\"",
            ),
            ("profile = \"dev\"", "2:11: \"profile\" has no meaning with build = \"make\""),
            ("build = \"command\"", "2:9: build = \"command\" without a command"),
            ("build = \"command\"\ncommand = []", "3:11: build = \"command\" without a command"),
            ("build = \"cmake\"", "2:9: unknown build \"cmake\""),
        ] {
            assert_eq!(message(&format!("[extension.a]\n{text}")), format!("mcspec.toml:{expected}"), "{text}");
        }
    }
}
