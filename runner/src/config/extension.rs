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
    /// How it is built.
    pub build: Build,
}

/// How an extension is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Build {
    /// `make install` with PGXS, on a copy of the sources.
    Make {
        /// Further arguments of make.
        arguments: Vec<String>,
    },
    /// It is already built. File names below the source directory; `*` and `**` match.
    Files {
        /// Shared libraries.
        library: Vec<String>,
        /// The control file.
        control: Vec<String>,
        /// Install and update scripts.
        sql: Vec<String>,
    },
}

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
    let build = section.string("build", problems);
    let arguments = section.strings("make", problems);
    let library = section.strings("library", problems);
    let control = section.strings("control", problems);
    let sql = section.strings("sql", problems);
    section.finish(problems);

    let build = match build.as_ref().map_or("make", |(word, _)| word) {
        "make" => Build::Make { arguments: arguments.unwrap_or_default() },
        "files" => Build::Files {
            library: library.unwrap_or_default(),
            control: control.unwrap_or_else(|| vec![format!("{name}.control")]),
            sql: sql.unwrap_or_else(|| vec![format!("{name}--*.sql")]),
        },
        other => {
            let span = build.as_ref().map_or(0..0, |(_, span)| span.clone());
            let hint = "valid values are \"make\" and \"files\"; what cargo has built is \"files\"";
            problems.add(span, format!("unknown build \"{other}\""), Some(hint.to_owned()));
            return None;
        }
    };
    Some(ExtensionSource { name: name.to_owned(), path, build })
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
        };
        assert_eq!(extensions["a"].build, expected);
    }
}
