//! What the files of a repository say besides its sources: the SQL of its tests, and what its server needs.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use walkdir::{DirEntry, WalkDir};

use super::harvest::Harvest;
use super::repository::read;
use super::rust;
use crate::language::SourceFile;
use crate::plan::conf_lines;

/// How many files with SQL are read, and how large each may be, in bytes.
const FILES: usize = 400;
const LARGEST: u64 = 1024 * 1024;

/// What is needed of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Libraries to preload.
    pub preload: Vec<String>,
    /// Lines for postgresql.conf.
    pub conf: Vec<String>,
}

/// Reads the SQL of tests below a directory.
pub fn harvest(top: &Path) -> Harvest {
    let mut harvest = Harvest::default();
    tests(top).iter().for_each(|text| harvest.read(text));
    harvest
}

/// The SQL of tests below a directory, of files and of tests in Rust, each as a file for psql: not the scripts of extensions, which are
/// recognized by their names.
pub fn tests(top: &Path) -> Vec<String> {
    let mut files: Vec<_> = files(top)
        .filter(|file| {
            let name = file.file_name().to_string_lossy();
            let is_read = |suffix: &OsStr| ["sql", "spec", "rs"].map(OsStr::new).contains(&suffix);
            file.path().extension().is_some_and(is_read) && !name.contains("--")
        })
        .filter(|file| file.metadata().is_ok_and(|meta| meta.len() <= LARGEST))
        .collect();
    // What lies among tests is what somebody has tried.
    let is_test = |file: &DirEntry| {
        let parts = file.path().strip_prefix(top).unwrap_or(file.path()).components();
        parts.into_iter().any(|part| {
            ["sql", "test", "tests", "specs", "regress", "pg_regress"].map(OsStr::new).contains(&part.as_os_str())
        })
    };
    let is_rust = |file: &DirEntry| file.path().extension().is_some_and(|suffix| suffix == "rs");
    files.sort_by_key(|file| (is_rust(file), !is_test(file), file.path().to_owned()));
    let text = |file: DirEntry| {
        // A script of the extension itself has declarations where others have calls.
        let is_script = |text: &String| text.contains("MODULE_PATHNAME") || text.contains("@extschema@");
        let text = read(file.path())?;
        match is_rust(&file) {
            true => Some(rust::statements(&text)),
            false => Some(text).filter(|text| !is_script(text)),
        }
    };
    files.into_iter().take(FILES).filter_map(text).collect()
}

/// What of a repository may say in passing which libraries are to be preloaded: its README, and the settings that tests of a crate ask
/// for.
const SAYING: [&str; 7] =
    ["README.md", "README", "README.rst", "README.adoc", "README.txt", "doc/README.md", "src/lib.rs"];

/// What the configuration of the repository's tests says, and what others of its files do of these libraries.
pub fn needs(top: &Path, libraries: &[String]) -> Needs {
    let mut needs = Needs::default();
    let has = |name: &str| libraries.iter().any(|library| library == name);
    let mut configurations: Vec<_> =
        files(top).filter(|file| file.path().extension().is_some_and(|suffix| suffix == "conf")).collect();
    configurations.sort_by_key(|file| file.path().to_owned());
    for file in configurations {
        let Some(text) = read(file.path()) else { continue };
        let preload = preloaded(&text);
        // That of a server of theirs, and of nothing else that is called so.
        if !preload.iter().any(|name| has(name)) {
            continue;
        }
        for line in conf_lines(&Arc::new(SourceFile::new(file.path(), &text))) {
            let is_known = needs
                .conf
                .iter()
                .any(|known: &String| known.split(['=', ' ']).next() == line.text.split(['=', ' ']).next());
            if line.reserved().is_none()
                && line.parameter() != "shared_preload_libraries"
                && !is_known
                && line.parameter().contains('.')
            {
                needs.conf.push(with_database(&line.text));
            }
        }
        needs.preload.extend(preload.into_iter().filter(|name| has(name)));
    }
    for name in SAYING {
        let text = read(&top.join(name)).unwrap_or_default();
        needs.preload.extend(preloaded(&text).into_iter().filter(|name| has(name)));
    }
    let mut known = std::collections::BTreeSet::new();
    needs.preload.retain(|name| known.insert(name.clone()));
    needs
}

/// What a HINT of the server says is to be in postgresql.conf, with this database in place of the one that is named.
pub fn hinted(hint: &str) -> Option<String> {
    let rest = &hint[hint.find("Add ")? + 4..];
    let line = &rest[..rest.find(" in postgresql.conf")?];
    line.contains('=').then(|| with_database(line))
}

/// The libraries of every `shared_preload_libraries` in a text.
fn preloaded(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("#")) {
        let Some((_, rest)) = line.split_once("shared_preload_libraries") else { continue };
        let value =
            rest.trim_start().trim_start_matches(['=', ':']).trim_start().trim_start_matches("TO ").trim_start();
        let value = value.trim_start_matches(['\'', '"', '`']);
        let value = value.split(['\'', '`', '#']).next().unwrap_or_default();
        let names = value.split(',').map(|name| name.trim().trim_matches('"'));
        found.extend(
            names
                .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-./$".contains(c)))
                .map(|name| name.trim_start_matches("$libdir/").to_owned()),
        );
    }
    found
}

/// A line with this spec's database where it names one.
fn with_database(line: &str) -> String {
    let (name, value) = line.split_once('=').unwrap_or((line, ""));
    let name = name.trim();
    match name.ends_with("database_name") || name.ends_with(".database") {
        true => format!("{name} = :'database'"),
        false => format!("{name} = {}", value.trim()),
    }
}

fn files(top: &Path) -> impl Iterator<Item = DirEntry> {
    let is_searched = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || matches!(&*name, "target" | "node_modules" | "results"))
    };
    let walk = WalkDir::new(top).max_depth(6).sort_by_file_name().into_iter().filter_entry(is_searched);
    walk.flatten().filter(|entry| entry.file_type().is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preloaded_libraries_are_found_in_prose() {
        let table: &[(&str, &[&str])] = &[
            ("shared_preload_libraries = 'pg_cron'", &["pg_cron"]),
            ("  shared_preload_libraries='a, b' # x", &["a", "b"]),
            ("shared_preload_libraries = pgaudit", &["pgaudit"]),
            ("`shared_preload_libraries = '$libdir/x'`", &["x"]),
            ("# shared_preload_libraries = 'no'", &[]),
            ("Add it to shared_preload_libraries in postgresql.conf", &[]),
            ("        vec![\"shared_preload_libraries = 'walrus'\", \"wal_level = logical\"]", &["walrus"]),
            ("        error!(\"x must be in shared_preload_libraries\");", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(preloaded(text), *expected, "{text}");
        }
    }

    #[test]
    fn a_hint_becomes_a_line() {
        let hint = "Add cron.database_name = 'mine' in postgresql.conf to use the current database.";
        assert_eq!(hinted(hint).as_deref(), Some("cron.database_name = :'database'"));
        assert_eq!(hinted("Add x.y = '1' in postgresql.conf").as_deref(), Some("x.y = '1'"));
        assert_eq!(hinted("Try something else."), None);
    }

    #[test]
    fn only_what_is_about_these_libraries_counts() {
        let top = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(top.path().join(name), text).expect("written");
        write("mine.conf", "shared_preload_libraries = 'mine'\nmine.x = 1\nport = 1\nwork_mem = 1MB\n");
        write("other.conf", "shared_preload_libraries = 'other'\nother.y = 1\n");
        write("README.md", "    shared_preload_libraries = 'more, other'\n");
        let found = needs(top.path(), &["mine".to_owned(), "more".to_owned()]);
        assert_eq!(found, Needs { preload: vec!["mine".into(), "more".into()], conf: vec!["mine.x = 1".into()] });
    }
}
