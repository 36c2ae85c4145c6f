//! Extensions that are built already.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use globset::{Glob, GlobBuilder};
use walkdir::WalkDir;

use super::super::error::ServerError;
use super::super::installation::Installation;
use super::place::{Places, put};
use super::{Site, unusable};
use crate::config::ExtensionSource;

/// Which files they are.
pub(super) struct Patterns<'a> {
    pub(super) library: &'a [String],
    pub(super) control: &'a [String],
    pub(super) sql: &'a [String],
    pub(super) tree: &'a [String],
}

/// What a part of a pattern is that is no name.
const WILD: [char; 5] = ['*', '?', '[', '{', '\\'];

impl Patterns<'_> {
    /// With the major version in its place.
    fn expand(patterns: &[String], installation: &Installation) -> Vec<String> {
        let major = installation.version.major().to_string();
        patterns.iter().map(|pattern| pattern.replace("{major}", &major)).collect()
    }
}

/// Whether everything is there.
pub(super) fn is_ready(
    source: &ExtensionSource,
    path: &Path,
    patterns: &Patterns,
    installation: &Installation,
) -> Result<(), ServerError> {
    for tree in Patterns::expand(patterns.tree, installation) {
        if !path.join(&tree).is_dir() {
            return Err(unusable(source, format!("there is no directory \"{}\"", source.path.join(tree).display())));
        }
    }
    let files = [patterns.library, patterns.control, patterns.sql].concat();
    let files = Patterns::expand(&files, installation);
    files.iter().try_for_each(|pattern| matching(source, path, pattern).map(drop))
}

/// Copies the files to their places. A library that a directory was named for keeps its place in that.
pub(super) fn install(
    source: &ExtensionSource,
    path: &Path,
    patterns: &Patterns,
    site: Site,
) -> Result<(), ServerError> {
    let places = Places::of(site);
    let mut placed: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    let mut place = |file: PathBuf, to: PathBuf| match placed.insert(to.clone(), file.clone()) {
        Some(other) if other != file => {
            let (name, one, two) = (to.file_name().unwrap_or_default().display(), other.display(), file.display());
            Err(unusable(source, format!("\"{one}\" and \"{two}\" are both installed as \"{name}\"")))
        }
        _ => put(&file, &to, site.top),
    };
    let expand = |patterns: &[String]| Patterns::expand(patterns, site.staged);
    for tree in expand(patterns.tree) {
        let root = path.join(&tree);
        if places.install(&root)? == 0 {
            return Err(unusable(source, format!("no file in \"{}\"", source.path.join(tree).display())));
        }
    }
    for pattern in expand(patterns.library) {
        for file in matching(source, path, &pattern)? {
            let relative = file.strip_prefix(path).expect("it lies below");
            let to = places.place(relative).unwrap_or_else(|| site.staged.pkglib_dir.join(within(relative, &pattern)));
            place(file, without_prefix(&to, source))?;
        }
    }
    for pattern in [expand(patterns.control), expand(patterns.sql)].concat() {
        for file in matching(source, path, &pattern)? {
            let to = site.staged.extension_dir().join(file.file_name().unwrap_or_default());
            place(file, to)?;
        }
    }
    Ok(())
}

/// The place of a file within the directory that a pattern is about: the one before the first wildcard. Where the pattern names
/// the file, it does not matter where that was found.
fn within<'a>(file: &'a Path, pattern: &str) -> &'a Path {
    let mut parts: Vec<&str> = pattern.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let name = parts.pop().unwrap_or_default();
    let directory: PathBuf = parts.iter().take_while(|part| !part.contains(WILD)).collect();
    let only_name = || Path::new(file.file_name().unwrap_or_default());
    if name.contains(WILD) { file.strip_prefix(directory).unwrap_or_else(|_| only_name()) } else { only_name() }
}

/// Cargo calls the library `libNAME.so`, PostgreSQL wants `NAME.so`.
fn without_prefix(library: &Path, source: &ExtensionSource) -> PathBuf {
    let is_of = |name: &&str| library.file_name().is_some_and(|file| file == format!("lib{name}.so").as_str());
    source.names().find(is_of).map_or_else(|| library.to_owned(), |name| library.with_file_name(format!("{name}.so")))
}

/// The files that `pattern` matches, at least one.
fn matching(source: &ExtensionSource, path: &Path, pattern: &str) -> Result<Vec<PathBuf>, ServerError> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    let glob = glob.map_err(|error| unusable(source, error.to_string()))?;
    let files = matching_files(path, &glob);
    if files.is_empty() {
        return Err(unusable(source, format!("no file \"{pattern}\" in \"{}\"", source.path.display())));
    }
    Ok(files)
}

/// Only directories that lead to a match are entered, because a checkout may hold a large build directory.
fn matching_files(path: &Path, glob: &Glob) -> Vec<PathBuf> {
    let pattern = glob.glob();
    let fixed: PathBuf = pattern.split('/').take_while(|part| !part.contains(WILD)).collect();
    let start = path.join(&fixed);
    let depth = if pattern.contains("**") { usize::MAX } else { pattern.split('/').count() };
    let matcher = glob.compile_matcher();
    let mut files: Vec<_> = WalkDir::new(&start)
        .max_depth(depth)
        .follow_links(true)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.path().components().as_path().to_owned())
        .filter(|file| file.strip_prefix(path).is_ok_and(|relative| matcher.is_match(relative)))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::super::tree;
    use super::*;
    use crate::config::Build;

    #[test]
    fn patterns() {
        let top = tempfile::tempdir().expect("temporary directory");
        tree::make_directories(top.path(), &top.path().join("sql/old")).expect("created");
        for file in ["x.control", "sql/x--1.sql", "sql/x--1--2.sql", "sql/old/x--0.sql", "sql/y.txt"] {
            fs::write(top.path().join(file), "").expect("written");
        }
        for (pattern, expected) in [
            ("x.control", vec!["x.control"]),
            ("sql/x--*.sql", vec!["sql/x--1--2.sql", "sql/x--1.sql"]),
            ("sql/**/x--*.sql", vec!["sql/old/x--0.sql", "sql/x--1--2.sql", "sql/x--1.sql"]),
            ("*.sql", vec![]),
            ("*/*.txt", vec!["sql/y.txt"]),
            ("sql", vec![]),
        ] {
            let glob = GlobBuilder::new(pattern).literal_separator(true).build().expect("a pattern");
            let expected: Vec<_> = expected.iter().map(|file| top.path().join(file)).collect();
            assert_eq!(matching_files(top.path(), &glob), expected, "{pattern}");
        }
    }

    #[test]
    fn sub_folders_of_a_directory_are_kept() {
        for (file, pattern, expected) in [
            ("lib/x.so", "lib/**", "x.so"),
            ("lib/decoders/pgoutput.so", "lib/**", "decoders/pgoutput.so"),
            ("lib/decoders/pgoutput.so", "lib/**/*.so", "decoders/pgoutput.so"),
            ("lib/decoders/pgoutput.so", "./lib//*/*.so", "decoders/pgoutput.so"),
            ("lib/decoders/pgoutput.so", "lib/decoders/pgoutput.so", "pgoutput.so"),
            ("x-pg15/usr/lib/x.so", "x-pg15/**/x.so", "x.so"),
            ("target/release/libx.so", "target/*/libx.so", "libx.so"),
            ("a/x.so", "**", "a/x.so"),
            ("x.so", "*.so", "x.so"),
        ] {
            assert_eq!(within(Path::new(file), pattern), Path::new(expected), "{file} {pattern}");
        }
    }

    #[test]
    fn library_names() {
        let source = ExtensionSource {
            name: "x".into(),
            path: PathBuf::new(),
            provides: vec!["y".into()],
            build: Build::Make { arguments: vec![] },
        };
        for (file, expected) in [("a/libx.so", "a/x.so"), ("x.so", "x.so"), ("liby.so", "y.so"), ("libz.so", "libz.so")]
        {
            assert_eq!(without_prefix(Path::new(file), &source), Path::new(expected), "{file}");
        }
    }
}
