//! Copies of directory trees.
//!
//! No directory is created together with its parents: when an interrupt has removed the run directory, a copy that is
//! still going on fails instead of bringing it back.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::account::Account;
use super::error::ServerError;

/// How a file gets into a copy of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement {
    /// A file of its own, with the original's permissions and time of modification.
    Copy,
    /// A symbolic link to the original.
    Link,
}

/// What becomes of an entry of a tree that is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// A file is placed. A directory is made, so that nothing that is put there later ends up in the original, and what
    /// is in it is treated.
    Each,
    /// A directory is placed in one piece where that can be, as a link.
    Whole,
    /// Left out, a directory with all that is in it.
    Skip,
}

/// What a tree is to consist of, by paths in it: what a directory is in comes before what is in the directory.
#[derive(Debug, Default)]
pub(super) struct Plan(BTreeMap<PathBuf, Part>);

/// What is at a path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Directory,
    File { from: PathBuf, placement: Placement },
}

impl Plan {
    /// Adds the tree of `from`, below `to`, which has to be in the plan or the top. Broken symbolic links and loops are left out.
    pub(super) fn add_tree(
        &mut self,
        from: &Path,
        to: &Path,
        placement: Placement,
        mut treatment: impl FnMut(&DirEntry) -> Treatment,
    ) -> Result<(), ServerError> {
        let mut entries = WalkDir::new(from).min_depth(1).follow_links(true).into_iter();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.loop_ancestor().is_some() || (error.depth() > 0 && is_missing(&error)) => continue,
                Err(error) => return Err(ServerError::file("read", from)(error.into())),
            };
            let is_directory = entry.file_type().is_dir();
            let target = to.join(entry.path().strip_prefix(from).expect("an entry lies below the start"));
            match treatment(&entry) {
                Treatment::Skip if is_directory => entries.skip_current_dir(),
                Treatment::Skip => {}
                Treatment::Whole if is_directory && placement == Placement::Link => {
                    self.add_file(entry.path(), target, placement);
                    entries.skip_current_dir();
                }
                _ if is_directory => {
                    self.0.insert(target, Part::Directory);
                }
                _ if entry.file_type().is_file() => self.add_file(entry.path(), target, placement),
                // A socket or the like.
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds a file, or a directory as a link to it, instead of what is planned for that place.
    pub(super) fn add_file(&mut self, from: &Path, to: PathBuf, placement: Placement) {
        self.0.insert(to, Part::File { from: from.to_owned(), placement });
    }

    /// Adds a directory, with those that it is in.
    pub(super) fn add_directory(&mut self, path: &Path) {
        let all = path.ancestors().filter(|path| *path != Path::new(""));
        self.0.extend(all.map(|path| (path.to_owned(), Part::Directory)));
    }

    /// Whether something is planned for a place.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    /// What decides how the tree turns out: paths in it, with files that are copied to them or paths that are linked.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&Path, Option<(&Path, Placement)>)> {
        self.0.iter().map(|(path, part)| match part {
            Part::Directory => (path.as_path(), None),
            Part::File { from, placement } => (path.as_path(), Some((from.as_path(), *placement))),
        })
    }

    /// Makes those parts of the tree in the existing directory `top` that are wanted. With `owner`, they belong to that account.
    pub(super) fn make(
        &self,
        top: &Path,
        owner: Option<&Account>,
        mut is_wanted: impl FnMut(&Path) -> bool,
    ) -> Result<(), ServerError> {
        for (path, part) in self.0.iter().filter(|(path, _)| is_wanted(path)) {
            let target = top.join(path);
            match part {
                Part::Directory => make_directory(&target)?,
                Part::File { from, placement } => place(from, &target, *placement)?,
            }
            if let Some(owner) = owner {
                owner.own(&target)?;
            }
        }
        Ok(())
    }
}

/// Copies the tree of `from` into the existing directory `to`. With `owner`, everything belongs to that account.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    owner: Option<&Account>,
    treatment: impl FnMut(&DirEntry) -> Treatment,
) -> Result<(), ServerError> {
    let mut plan = Plan::default();
    plan.add_tree(from, Path::new(""), Placement::Copy, treatment)?;
    plan.make(to, owner, |_| true)
}

fn is_missing(error: &walkdir::Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Puts one file at `to`, instead of what is there.
pub(super) fn place(from: &Path, to: &Path, placement: Placement) -> Result<(), ServerError> {
    let put = || match placement {
        Placement::Link => symlink(from, to).map_err(ServerError::file("create", to)),
        Placement::Copy => copy_file(from, to).map_err(ServerError::file("copy", from)),
    };
    match put() {
        Err(ServerError::File { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
            remove_if_there(to)?;
            put()
        }
        placed => placed,
    }
}

/// Copies `file` into `directory`, called `name` there or as it is.
pub(super) fn install(file: &Path, directory: &Path, name: Option<&str>) -> Result<(), ServerError> {
    let target = match name {
        Some(name) => directory.join(name),
        None => directory.join(file.file_name().unwrap_or_default()),
    };
    place(file, &target, Placement::Copy)
}

/// The time of modification counts: make would run bison again on a grammar that is newer than what was made from it.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let like = source.metadata()?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut source, &mut file)?;
    file.set_permissions(Permissions::from_mode(like.permissions().mode() & 0o7777))?;
    file.set_modified(like.modified()?)
}

/// Removes a file or a symbolic link, if there is one.
pub(super) fn remove_if_there(path: &Path) -> Result<(), ServerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ServerError::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Creates `path`, and those of its parents that are missing below `top`, which has to exist.
pub(super) fn make_directories(top: &Path, path: &Path) -> Result<(), ServerError> {
    let below = path.strip_prefix(top).expect("the path lies below the top");
    let mut directory = top.to_owned();
    for part in below {
        directory.push(part);
        make_directory(&directory)?;
    }
    Ok(())
}

fn make_directory(path: &Path) -> Result<(), ServerError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(ServerError::file("create", path)(error)),
        _ => Ok(()),
    }
}

/// Lets everybody read the real files and directories below `top`, whatever the umask was.
pub(super) fn open_to_all(top: &Path) -> Result<(), ServerError> {
    for entry in WalkDir::new(top) {
        let entry = entry.map_err(|error| ServerError::file("read", top)(error.into()))?;
        if entry.file_type().is_symlink() {
            continue;
        }
        let mode = entry.metadata().map_err(|error| ServerError::file("read", top)(error.into()))?.permissions().mode();
        let executable = entry.file_type().is_dir() || mode & 0o100 != 0;
        let wanted = mode | if executable { 0o555 } else { 0o444 };
        if mode != wanted {
            let permissions = Permissions::from_mode(wanted);
            fs::set_permissions(entry.path(), permissions)
                .map_err(ServerError::file("set the mode of", entry.path()))?;
        }
    }
    Ok(())
}

/// The largest file in which paths are sought, in bytes: what is made by configure or cmake is smaller.
const LARGEST_TEXT: u64 = 8 << 20;

/// Writes other paths in place of these into all text files below `top`, which keep their times: what was made from them is still new.
pub(super) fn rename_in_texts(top: &Path, moved: &[(&Path, &Path)]) -> Result<(), ServerError> {
    let moved: Vec<_> = moved.iter().filter(|(from, to)| from != to).collect();
    if moved.is_empty() {
        return Ok(());
    }
    for entry in WalkDir::new(top).into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
        let (path, like) = (entry.path(), entry.metadata().ok());
        let Some(like) = like.filter(|like| like.len() <= LARGEST_TEXT) else { continue };
        let old = fs::read(path).map_err(ServerError::file("read", path))?;
        if old.contains(&0) {
            continue;
        }
        let replaced = |text: &[u8], (from, to): &&(&Path, &Path)| renamed(text, from, to);
        let new =
            moved.iter().fold(None, |new: Option<Vec<u8>>, pair| replaced(new.as_ref().unwrap_or(&old), pair).or(new));
        let Some(new) = new else { continue };
        let write = || {
            // It may be one that nobody is to write to.
            fs::set_permissions(path, Permissions::from_mode(like.permissions().mode() | 0o200))?;
            fs::write(path, new)?;
            File::options().write(true).open(path)?.set_modified(like.modified()?)?;
            fs::set_permissions(path, like.permissions())
        };
        write().map_err(ServerError::file("write", path))?;
    }
    Ok(())
}

/// A text with a path in place of another one, and of what is below that; none where that is not in it.
fn renamed(text: &[u8], from: &Path, to: &Path) -> Option<Vec<u8>> {
    let (from, to) = (from.as_os_str().as_bytes(), to.as_os_str().as_bytes());
    let mut new = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.windows(from.len()).position(|window| window == from) {
        let end = start + from.len();
        let is_longer = rest.get(end).is_some_and(|c| c.is_ascii_alphanumeric() || b"-_.+".contains(c));
        new.extend_from_slice(&rest[..start]);
        new.extend_from_slice(if is_longer { from } else { to });
        rest = &rest[end..];
    }
    (rest.len() < text.len()).then(|| {
        new.extend_from_slice(rest);
        new
    })
}

/// The longest path that all of `paths` lie in or below.
pub(super) fn common_ancestor<'a>(paths: impl IntoIterator<Item = &'a Path>) -> PathBuf {
    let mut paths = paths.into_iter();
    let mut common = paths.next().unwrap_or(Path::new("/")).to_owned();
    for path in paths {
        while !path.starts_with(&common) {
            common.pop();
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn ancestors() {
        for (paths, expected) in [
            (vec!["/usr/lib/postgresql/15/bin", "/usr/share/postgresql/15", "/usr/include"], "/usr"),
            (vec!["/opt/pg/bin", "/opt/pg/lib", "/opt/pg/share"], "/opt/pg"),
            (vec!["/opt/pg", "/opt/pg/lib"], "/opt/pg"),
            (vec!["/opt/pg1/lib", "/opt/pg2/lib"], "/opt"),
            (vec!["/a", "/b"], "/"),
        ] {
            assert_eq!(common_ancestor(paths.iter().map(Path::new)), Path::new(expected), "{paths:?}");
        }
    }

    #[test]
    fn rebuilt_by_links_and_by_copies() {
        let top = tempfile::tempdir().expect("temporary directory");
        let from = top.path().join("from");
        make_directories(top.path(), &from.join("a/b")).expect("created");
        fs::write(from.join("a/b/file"), "text").expect("written");
        make_directories(top.path(), &from.join("a/whole")).expect("created");
        make_directories(top.path(), &from.join("a/skipped/x")).expect("created");
        fs::write(from.join("a/whole/file"), "").expect("written");
        symlink("b/file", from.join("a/link")).expect("linked");
        symlink("nowhere", from.join("a/broken")).expect("linked");
        symlink("..", from.join("a/loop")).expect("linked");
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().write(true).open(from.join("a/b/file")).expect("open").set_modified(old).expect("set");

        for placement in [Placement::Link, Placement::Copy] {
            let to = top.path().join(format!("{placement:?}"));
            fs::create_dir(&to).expect("created");
            let treatment = |entry: &DirEntry| match entry.file_name().to_str() {
                Some("skipped") => Treatment::Skip,
                Some("whole") => Treatment::Whole,
                _ => Treatment::Each,
            };
            let mut plan = Plan::default();
            plan.add_tree(&from, Path::new(""), placement, treatment).expect("read");
            plan.make(&to, None, |_| true).expect("made");
            let mut names: Vec<_> =
                fs::read_dir(to.join("a")).expect("read").flatten().map(|e| e.file_name()).collect();
            names.sort();
            assert_eq!(names, ["b", "link", "whole"]);
            let is_link = |name: &str| to.join(name).symlink_metadata().expect("there").is_symlink();
            assert!(!is_link("a/b"));
            assert_eq!(is_link("a/whole"), placement == Placement::Link);
            assert_eq!(is_link("a/b/file"), placement == Placement::Link);
            assert!(to.join("a/whole/file").is_file());
            let file = to.join("a/b/file");
            assert_eq!(fs::read_to_string(&file).expect("read"), "text");
            assert_eq!(file.metadata().expect("there").modified().expect("known"), old);
        }
    }

    #[test]
    fn paths_in_texts_are_renamed() {
        for (text, expected) in [
            ("srcdir=/run/a-1\n/run/a-1/x:/run/a-12/x", Some("srcdir=/new\n/new/x:/run/a-12/x")),
            ("/run/a-1", Some("/new")),
            ("/run/a", None),
            ("", None),
        ] {
            let new = renamed(text.as_bytes(), Path::new("/run/a-1"), Path::new("/new"));
            assert_eq!(new.as_deref(), expected.map(str::as_bytes), "{text}");
        }
        let top = tempfile::tempdir().expect("temporary directory");
        let write = |name: &str, bytes: &[u8]| fs::write(top.path().join(name), bytes).expect("written");
        write("text", b"/one/x /two/y /three");
        write("binary", b"/one/x\0");
        let moved = [(Path::new("/one"), Path::new("/1")), (Path::new("/two"), Path::new("/2"))];
        rename_in_texts(top.path(), &moved).expect("renamed");
        assert_eq!(fs::read(top.path().join("text")).expect("read"), b"/1/x /2/y /three");
        assert_eq!(fs::read(top.path().join("binary")).expect("read"), b"/one/x\0");
    }

    #[test]
    fn readable_whatever_the_umask() {
        let top = tempfile::tempdir().expect("temporary directory");
        let file = top.path().join("file");
        fs::write(&file, "").expect("written");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("set");
        open_to_all(top.path()).expect("opened");
        assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o644);
        assert_eq!(top.path().metadata().expect("there").permissions().mode() & 0o777, 0o755);
    }
}
