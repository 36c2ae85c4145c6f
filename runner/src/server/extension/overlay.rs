//! The files of a built extension, apart from the staged copy that it was built in.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use object::{Object, ObjectSection};
use walkdir::WalkDir;

use super::super::error::ServerError;
use super::super::installation::Installation;
use super::super::tree::{self, Placement};
use super::Site;

/// The directory of what lies in none of the server's.
const TOP: &str = "TOP";

/// Directories that are read when something else is built.
const READ_BY_OTHERS: [&str; 5] = ["INCLUDEDIR", "PKGINCLUDEDIR", "INCLUDEDIR-SERVER", "LIBDIR", "BINDIR"];

/// Which files are in a staged copy that are no links to the original.
pub(super) struct Snapshot(BTreeMap<PathBuf, (u64, u64, i64, i64)>);

impl Snapshot {
    pub(super) fn of(site: Site) -> Self {
        let entries = WalkDir::new(site.top).into_iter().flatten().filter(|entry| !entry.file_type().is_dir());
        let like = |file: Metadata| (file.ino(), file.len(), file.mtime(), file.mtime_nsec());
        Self(entries.filter_map(|entry| Some((entry.path().to_owned(), like(entry.metadata().ok()?)))).collect())
    }

    /// What has come since.
    pub(super) fn since(self, site: Site) -> Vec<PathBuf> {
        let now = Self::of(site).0;
        now.into_iter().filter(|(path, like)| self.0.get(path) != Some(like)).map(|(path, _)| path).collect()
    }
}

/// Whether others may be built by what is among these files.
pub(super) fn is_read_by_others(files: &[PathBuf], site: Site) -> bool {
    files
        .iter()
        .any(|file| READ_BY_OTHERS.iter().any(|name| place_in(site.staged, file).is_some_and(|(of, _)| of == *name)))
}

/// Whether that is so of stored files.
pub(super) fn is_base(content: &Path) -> bool {
    READ_BY_OTHERS.iter().any(|name| content.join(name).exists())
}

/// Copies the files into `content`, each into the directory with the name of the one that it is in. Fails where one of them knows
/// where it is now: it is of no use to another run.
pub(super) fn store(files: &[PathBuf], content: &Path, site: Site) -> Result<(), ServerError> {
    for file in files {
        let (name, rest) = place_in(site.staged, file)
            .or_else(|| Some((TOP, file.strip_prefix(site.top).ok()?)))
            .unwrap_or((TOP, file));
        let to = content.join(name).join(rest);
        if let Some(directory) = to.parent() {
            tree::make_directories(content, directory)?;
        }
        let is_link = fs::symlink_metadata(file).is_ok_and(|file| file.is_symlink());
        let lost = || ServerError::file("keep", file)(std::io::ErrorKind::Unsupported.into());
        if is_link {
            let target = fs::read_link(file).map_err(ServerError::file("read", file))?;
            if target.is_absolute() {
                return Err(lost());
            }
            symlink(target, &to).map_err(ServerError::file("create", &to))?;
        } else {
            if mentions(file, site.run.path())? {
                return Err(lost());
            }
            tree::place(file, &to, Placement::Copy)?;
        }
    }
    Ok(())
}

/// Lays stored files over a staged copy.
pub(super) fn lay(content: &Path, site: Site) -> Result<(), ServerError> {
    for entry in WalkDir::new(content).min_depth(2) {
        let entry = entry.map_err(|error| ServerError::file("read", content)(error.into()))?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = entry.path().strip_prefix(content).expect("it lies below");
        let name = path.iter().next().unwrap_or_default();
        let rest = path.strip_prefix(name).expect("it begins so");
        let directories = site.staged.directories();
        let directory =
            directories.iter().find(|(known, _)| name == *known).map_or(site.top, |(_, directory)| *directory);
        let to = directory.join(rest);
        if let Some(parent) = to.parent() {
            tree::make_directories(site.top, parent)?;
        }
        if entry.file_type().is_symlink() {
            tree::remove_if_there(&to)?;
            let target = fs::read_link(entry.path()).map_err(ServerError::file("read", entry.path()))?;
            symlink(target, &to).map_err(ServerError::file("create", &to))?;
        } else {
            tree::place(entry.path(), &to, Placement::Copy)?;
        }
    }
    Ok(())
}

/// The name of the innermost directory of the server that a file is in, and its place there.
fn place_in<'a>(staged: &Installation, file: &'a Path) -> Option<(&'static str, &'a Path)> {
    let directories = staged.directories().into_iter();
    let all = directories.filter_map(|(name, directory)| Some((name, directory, file.strip_prefix(directory).ok()?)));
    all.max_by_key(|(_, directory, _)| directory.components().count()).map(|(name, _, rest)| (name, rest))
}

/// Whether a path is in what is used of a file when it is loaded or read: not in debug information.
fn mentions(file: &Path, path: &Path) -> Result<bool, ServerError> {
    let bytes = fs::read(file).map_err(ServerError::file("read", file))?;
    let path = path.as_os_str().as_bytes();
    let has = |bytes: &[u8]| bytes.windows(path.len()).any(|window| window == path);
    let Ok(object) = object::File::parse(&*bytes) else { return Ok(has(&bytes)) };
    let is_loaded = |section: &object::Section| {
        !section.name().is_ok_and(|name| name.starts_with(".debug") || name.starts_with(".zdebug"))
    };
    let found = object.sections().filter(is_loaded).any(|section| section.data().is_ok_and(has));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_know_where_they_are() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let file = directory.path().join("file");
        fs::write(&file, "prefix=/tmp/mcspec-xy/pg15").expect("written");
        assert!(mentions(&file, Path::new("/tmp/mcspec-xy")).expect("read"));
        assert!(!mentions(&file, Path::new("/tmp/mcspec-zz")).expect("read"));
    }
}
