//! The spec files there are, and what they are called: specs, goldens and results go by these names.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::complaint::Complaint;
use crate::config::Config;

/// What every spec file is called.
const SUFFIX: &str = ".mcspec";

/// What the specs of isolationtester are called, which can be run too.
const ISOLATION_SUFFIX: &str = ".spec";

/// A spec's name and its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path below the directory of specs, without suffix.
    pub(super) name: String,
    /// The file.
    pub(super) path: PathBuf,
}

/// Whether an argument is the name of a file rather than that of a spec.
pub(super) fn is_spec_file(argument: &OsStr) -> bool {
    [SUFFIX, ISOLATION_SUFFIX].iter().any(|suffix| argument.as_bytes().ends_with(suffix.as_bytes()))
}

/// The specs of the project, by name.
pub(super) fn catalog(root: &Path) -> Result<Vec<Entry>, Complaint> {
    let files = files(root, &[SUFFIX])?.into_iter();
    distinct(files.map(|path| Entry { name: below(root, &path), path }).collect())
}

/// Results and goldens of specs of one name would be one.
fn distinct(entries: Vec<Entry>) -> Result<Vec<Entry>, Complaint> {
    let mut known: HashMap<&str, &Path> = HashMap::new();
    for Entry { name, path } in &entries {
        if let Some(other) = known.insert(name, path) {
            let message = format!("\"{}\" and \"{}\" are both called \"{name}\"", other.display(), path.display());
            return Err(Complaint::Argument { message, hint: Some("give one of them another name".to_owned()) });
        }
    }
    Ok(entries)
}

/// The files below a directory that are called so, in order. Symbolic links are followed; one that points nowhere is among the
/// files, since somebody meant it to be one. A directory that is not there has none.
pub(super) fn files(root: &Path, suffixes: &[&str]) -> Result<Vec<PathBuf>, Complaint> {
    let has_suffix = |name: &OsStr| suffixes.iter().any(|suffix| name.as_bytes().ends_with(suffix.as_bytes()));
    // Editors mark a file that is being edited by a link beside it that points nowhere.
    let is_meant =
        |path: &Path| path.file_name().is_some_and(|name| has_suffix(name) && !name.as_bytes().starts_with(b"."));
    let mut files = Vec::new();
    for found in WalkDir::new(root).follow_links(true).sort_by_file_name() {
        match found {
            Ok(file) if file.file_type().is_file() && has_suffix(file.file_name()) => {
                files.push(DirEntry::into_path(file))
            }
            Ok(_) => {}
            // What it leads back to is walked through already.
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) => match error.path() {
                Some(path) if path.is_symlink() && !path.exists() => {
                    files.extend(is_meant(path).then(|| path.to_owned()))
                }
                Some(path) if error.depth() == 0 && !path.exists() => {}
                _ => {
                    let path = error.path().unwrap_or(root).display().to_string();
                    let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                    let message = format!("could not read \"{path}\": {reason}");
                    return Err(Complaint::Argument { message, hint: None });
                }
            },
        }
    }
    Ok(files)
}

/// Spec files that were named one by one, with their names: below the directory of specs as the project's are, elsewhere by
/// the file alone. Where two of the selected specs would have the same name, by as much of the path in the project as tells
/// them apart. `selected` are those of the project that are to run too.
pub(super) fn named(config: &Config, files: &[PathBuf], selected: &[Entry]) -> Result<Vec<Entry>, Complaint> {
    let taken: BTreeSet<&str> = selected.iter().map(|entry| entry.name.as_str()).collect();
    let paths = files.iter().chain(selected.iter().map(|entry| &entry.path));
    let places: HashSet<PathBuf> = paths.map(|path| place(path)).collect();
    let count = |path: &Path| path.components().filter(|part| matches!(part, Component::Normal(_))).count();
    let below = |root: &Path, path: &Path| place(path).strip_prefix(canonical(root)).ok().map(count);
    // How many components of a path there are in a name, and how many there can be.
    let mut lengths: Vec<usize> = files.iter().map(|path| below(&config.project.specs, path).unwrap_or(1)).collect();
    let most = |path: &Path| below(&config.root, path).unwrap_or_else(|| count(&place(path)));
    loop {
        let name =
            |(path, length): (&PathBuf, &usize)| Entry { name: tail(path, *length, &places), path: path.clone() };
        let entries: Vec<Entry> = files.iter().zip(&lengths).map(name).collect();
        let is_again = |entry: &Entry| {
            taken.contains(entry.name.as_str()) || entries.iter().filter(|other| other.name == entry.name).count() > 1
        };
        let mut is_distinct = true;
        for ((entry, path), length) in entries.iter().zip(files).zip(&mut lengths) {
            if is_again(entry) && *length < most(path) {
                *length += 1;
                is_distinct = false;
            }
        }
        if is_distinct {
            return distinct(entries);
        }
    }
}

/// Where a file is, whatever way it was written: the same for two spellings, but not for a link and what it points at.
pub(super) fn place(path: &Path) -> PathBuf {
    canonical(path.parent().unwrap_or(Path::new(""))).join(path.file_name().unwrap_or_default())
}

fn canonical(directory: &Path) -> PathBuf {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    directory.canonicalize().unwrap_or_else(|_| directory.to_owned())
}

/// The last components of a path without the suffix. Of two files that differ in the suffix alone, isolationtester's has more.
fn tail(path: &Path, length: usize, places: &HashSet<PathBuf>) -> String {
    let place = place(path);
    let parts: Vec<&OsStr> =
        place.components().filter(|part| matches!(part, Component::Normal(_))).map(Component::as_os_str).collect();
    let name = spelled(parts[parts.len().saturating_sub(length)..].join(OsStr::new("/")).as_bytes());
    match name.strip_suffix(ISOLATION_SUFFIX) {
        Some(stem) if places.contains(&place.with_extension(&SUFFIX[1..])) => format!("{stem}-spec"),
        Some(stem) => stem.to_owned(),
        None => name.strip_suffix(SUFFIX).unwrap_or(&name).to_owned(),
    }
}

/// The name of a file of the project.
fn below(root: &Path, path: &Path) -> String {
    let name = spelled(path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes());
    name.strip_suffix(SUFFIX).unwrap_or(&name).to_owned()
}

/// A file's name as text: bytes that are none are written as URLs have them.
fn spelled(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text += chunk.valid();
        for byte in chunk.invalid() {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
