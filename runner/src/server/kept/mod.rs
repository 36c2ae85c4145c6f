//! What runs keep for later ones, in the user's cache directory: data directories as initdb makes them, built extensions, and what
//! cargo has compiled.
//!
//! An entry is filled under another name, takes its place by rename(2), and is not written to again: servers and builds get copies. It
//! is taken for what it was as long as names, sizes, times and modes of its files are those that it was filled with. Who uses an
//! entry has a shared lock on it; who removes one, an exclusive lock.

mod digest;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use walkdir::WalkDir;

pub(super) use self::digest::{Digest, Key};
use super::account::Account;
use super::error::ServerError;
use super::left;
use super::process::remove_tree;
use crate::bounded;

/// What the entries are of. Those of another layout are nobody's.
const LAYOUT: &str = "1";

/// How much is kept: the entries that were used last.
const MOST_BYTES: u64 = 6 << 30;
const MOST_ENTRIES: usize = 200;

/// How long an entry is kept that nobody uses.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A kind of entries, each in a directory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Data directories.
    Data,
    /// The files that building an extension has installed.
    Built,
    /// The directories in which extensions were built.
    Tree,
    /// The directories that a build is about.
    Roots,
    /// Directories that runs hand on to each other. Who takes one has it alone, and it is no entry any more.
    Spare,
    /// What cargo compiles. Unlike the others, it is written to again, by cargo, which has locks of its own.
    Cargo,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Data, Self::Built, Self::Tree, Self::Roots, Self::Spare, Self::Cargo];

    fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Built => "built",
            Self::Tree => "tree",
            Self::Roots => "roots",
            Self::Spare => "spare",
            Self::Cargo => "cargo",
        }
    }
}

/// How many spare directories there are of one kind: as many as a small run uses.
const SPARES: usize = 2;

/// The files of an entry.
const CONTENT: &str = "content";
/// What they were like.
const LIST: &str = "list";

/// The directory of all entries.
#[derive(Debug, Clone)]
pub struct Kept {
    root: PathBuf,
}

/// An entry that is there. It stays as long as this does.
#[derive(Debug)]
pub(super) struct Entry {
    content: PathBuf,
    _lock: File,
}

impl Entry {
    /// The directory of its files, which are not to be written to.
    pub(super) fn content(&self) -> &Path {
        &self.content
    }
}

impl Kept {
    /// The directory of this user, made where it is not there yet. None where there cannot be one, or it is somebody else's: then
    /// every run makes all it needs.
    pub fn open() -> Option<Self> {
        Self::at(Self::directory()?)
    }

    /// The same for a directory of any name.
    pub(super) fn at(root: PathBuf) -> Option<Self> {
        let above = root.ancestors().find_map(|directory| fs::metadata(directory).ok())?;
        if above.uid() != geteuid().as_raw() {
            return None;
        }
        for kind in Kind::ALL {
            let directory = root.join(kind.name());
            if !directory.is_dir() {
                fs::create_dir_all(&directory).ok()?;
                fs::set_permissions(&root, PermissionsExt::from_mode(0o700)).ok()?;
            }
        }
        Some(Self { root })
    }

    /// `mcspec` in `XDG_CACHE_HOME` or `~/.cache`.
    pub fn directory() -> Option<PathBuf> {
        let configured = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let base =
            configured.or_else(|| Some(std::env::home_dir()?.join(".cache"))).filter(|path| path.is_absolute())?;
        Some(base.join("mcspec"))
    }

    fn place(&self, kind: Kind, key: &Key) -> PathBuf {
        self.root.join(kind.name()).join(format!("{LAYOUT}-{key}"))
    }

    /// The entry of that key, if it is there and is what it was.
    pub(super) fn find(&self, kind: Kind, key: &Key) -> Option<Entry> {
        let place = self.place(kind, key);
        let lock = locked(&place)?;
        let content = place.join(CONTENT);
        let list = bounded::text(&place.join(LIST), u64::from(u32::MAX)).ok()?;
        if listing(&content).ok()? != list {
            drop(lock);
            remove(&place);
            return None;
        }
        Some(Entry { content, _lock: lock })
    }

    /// Keeps what `fill` puts into the directory that it is given, and returns it as an entry. None where it could not be kept, which is
    /// no failure of anything.
    pub(super) fn keep(
        &self,
        kind: Kind,
        key: &Key,
        fill: impl FnOnce(&Path) -> Result<(), ServerError>,
    ) -> Option<Entry> {
        let new = self.begin(kind)?;
        let lock = left::claim(new.path()).ok()?;
        let content = new.path().join(CONTENT);
        fs::create_dir(&content).ok()?;
        fill(&content).ok()?;
        fs::write(new.path().join(LIST), listing(&content).ok()?).ok()?;
        let place = self.place(kind, key);
        let renamed = fs::rename(new.path(), &place);
        if renamed.is_err() {
            // Somebody else was faster.
            return self.find(kind, key);
        }
        // It is not there any more, to be removed.
        let _ = new.keep();
        lock.lock_shared().ok()?;
        self.make_room(MOST_BYTES, MOST_ENTRIES);
        Some(Entry { content: place.join(CONTENT), _lock: lock })
    }

    /// The same, in place of what is there.
    pub(super) fn replace(&self, kind: Kind, key: &Key, fill: impl FnOnce(&Path) -> Result<(), ServerError>) {
        remove(&self.place(kind, key));
        drop(self.keep(kind, key, fill));
    }

    /// A directory of that key, to be written to by whoever holds the entry. What it has from others is what they have left.
    pub(super) fn shared(&self, kind: Kind, key: &Key) -> Option<Entry> {
        let place = self.place(kind, key);
        let content = place.join(CONTENT);
        fs::create_dir_all(&content).ok()?;
        let lock = place.join(left::LOCK);
        File::options().write(true).create(true).truncate(false).mode(0o600).open(lock).ok()?;
        let lock = locked(&place)?;
        Some(Entry { content, _lock: lock })
    }

    /// The places of spare directories of that key.
    fn spares(&self, key: &Key) -> impl Iterator<Item = PathBuf> {
        let first = self.place(Kind::Spare, key);
        (0..SPARES).map(move |number| first.with_added_extension(number.to_string()))
    }

    /// Puts a spare directory of that key in place of the empty directory `to`, if there is one which `is_intact`, by its list, and
    /// returns what that says. One that is not intact goes.
    pub(super) fn take<T>(&self, key: &Key, to: &Path, is_intact: impl Fn(&Path, &str) -> Option<T>) -> Option<T> {
        let is_here = |place: &PathBuf| is_on_one_device(place, to);
        self.spares(key).filter(is_here).find_map(|place| {
            let _lock = owned(&place).ok()?;
            let content = place.join(CONTENT);
            let list = bounded::text(&place.join(LIST), u64::from(u32::MAX)).ok();
            let found = list.and_then(|list| is_intact(&content, &list));
            let taken = found.filter(|_| fs::rename(&content, to).is_ok());
            remove_tree(&place);
            taken
        })
    }

    /// Whether a directory can become a spare one of that key, and there are not enough of them.
    pub(super) fn wants(&self, key: &Key, directory: &Path) -> bool {
        is_on_one_device(&self.root, directory) && self.spares(key).any(|place| !place.exists())
    }

    /// Makes `directory`, which a list says what it is like of, a spare one of that key. It may stay where it is.
    pub(super) fn give(&self, key: &Key, directory: &Path, list: &str) {
        let keep = || {
            let new = self.begin(Kind::Spare)?;
            let _lock = left::claim(new.path()).ok()?;
            fs::write(new.path().join(LIST), list).ok()?;
            fs::rename(directory, new.path().join(CONTENT)).ok()?;
            let place = self.spares(key).find(|place| fs::rename(new.path(), place).is_ok());
            place.map(|_| new.keep())
        };
        keep();
    }

    /// A new directory for an entry. What was left by those that were killed while they filled one goes.
    fn begin(&self, kind: Kind) -> Option<tempfile::TempDir> {
        let directory = self.root.join(kind.name());
        left::remove(&directory, &Account::for_server().ok()?);
        tempfile::Builder::new().prefix(left::PREFIX).tempdir_in(&directory).ok()
    }

    /// Removes entries that nobody has used for long, and of the others those that were not used for longest, until the rest is not
    /// too much.
    fn make_room(&self, most_bytes: u64, most_entries: usize) {
        let now = SystemTime::now();
        let mut entries = self.entries();
        entries.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
        let mut bytes = 0;
        for (number, (place, used)) in entries.iter().enumerate() {
            bytes += size(place);
            let is_old = now.duration_since(*used).is_ok_and(|unused| unused > UNUSED);
            if is_old || bytes > most_bytes || number >= most_entries {
                remove(place);
            }
        }
    }

    /// All entries, with when they were used last.
    fn entries(&self) -> Vec<(PathBuf, SystemTime)> {
        let directories = Kind::ALL.iter().flat_map(|kind| fs::read_dir(self.root.join(kind.name()))).flatten();
        let places = directories.flatten().map(|entry| entry.path());
        places
            .filter_map(|place| {
                let used = fs::symlink_metadata(place.join(left::LOCK)).and_then(|lock| lock.modified()).ok();
                Some((place, used?))
            })
            .collect()
    }

    /// Removes all entries, but those in use. Returns how many bytes that were, and how many entries are left.
    pub fn clean() -> (u64, usize) {
        let Some(kept) = Self::open() else { return (0, 0) };
        let (mut bytes, mut left) = (0, 0);
        for (place, _) in kept.entries() {
            let size = size(&place);
            match remove(&place) {
                true => bytes += size,
                false => left += 1,
            }
        }
        for kind in Kind::ALL {
            // What else is there is others'.
            let _ = fs::remove_dir(kept.root.join(kind.name()));
        }
        let _ = fs::remove_dir(&kept.root);
        (bytes, left)
    }
}

/// A shared lock on an entry, which is in use now. None of one that is not there, or is being removed.
fn locked(place: &Path) -> Option<File> {
    let path = place.join(left::LOCK);
    let lock = File::options().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(&path).ok()?;
    lock.try_lock_shared().ok()?;
    let (open, named) = (lock.metadata().ok()?, fs::symlink_metadata(&path).ok()?);
    if (open.dev(), open.ino()) != (named.dev(), named.ino()) || open.uid() != geteuid().as_raw() {
        return None;
    }
    // It is used all the same where nothing can be written.
    let _ = lock.set_modified(SystemTime::now());
    Some(lock)
}

/// An exclusive lock on an entry that nobody uses.
fn owned(place: &Path) -> io::Result<File> {
    let path = place.join(left::LOCK);
    let lock = File::options().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(&path)?;
    lock.try_lock().map_err(|_| io::ErrorKind::ResourceBusy)?;
    let (open, named) = (lock.metadata()?, fs::symlink_metadata(&path)?);
    match (open.dev(), open.ino()) == (named.dev(), named.ino()) {
        true => Ok(lock),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Removes an entry, unless somebody uses it.
fn remove(place: &Path) -> bool {
    match owned(place) {
        Ok(_lock) => {
            remove_tree(place);
            !place.exists()
        }
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Whether a directory can be moved to where another one is.
fn is_on_one_device(one: &Path, other: &Path) -> bool {
    let device = |path: &Path| fs::symlink_metadata(path).map(|file| file.dev()).ok();
    device(one).is_some_and(|one| device(other) == Some(one))
}

fn size(place: &Path) -> u64 {
    let files = WalkDir::new(place).into_iter().flatten().filter_map(|entry| entry.metadata().ok());
    files.map(|file| file.blocks() * 512).sum()
}

/// What the files below a directory are like. Nobody can set when they were changed last.
fn listing(directory: &Path) -> io::Result<String> {
    use std::fmt::Write;

    let mut list = String::new();
    for entry in WalkDir::new(directory).sort_by_file_name() {
        let entry = entry?;
        let file = entry.metadata()?;
        let path = entry.path().strip_prefix(directory).unwrap_or(entry.path());
        let _ = write!(list, "{path:?} {:o}", file.mode());
        if !file.is_dir() {
            let (modified, changed) = ((file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec()));
            let _ = write!(list, " {} {modified:?} {changed:?}", file.len());
        }
        list.push('\n');
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;

    use super::*;

    fn kept() -> (tempfile::TempDir, Kept) {
        let directory = tempfile::tempdir().expect("temporary directory");
        let kept = Kept::at(directory.path().to_owned()).expect("made");
        (directory, kept)
    }

    fn key(text: &str) -> Key {
        let mut digest = Digest::default();
        digest.add("text", text.as_bytes());
        digest.key()
    }

    fn put(kept: &Kept, name: &str) -> Option<Entry> {
        kept.keep(Kind::Built, &key(name), |content| {
            fs::create_dir(content.join("d")).expect("created");
            fs::write(content.join("d/file"), name).map_err(ServerError::file("write", content))
        })
    }

    #[test]
    fn an_entry_is_found_by_its_key_and_stays_in_use() {
        let (_directory, kept) = kept();
        assert!(kept.find(Kind::Built, &key("a")).is_none());
        drop(put(&kept, "a"));
        let entry = kept.find(Kind::Built, &key("a")).expect("kept");
        assert_eq!(fs::read_to_string(entry.content().join("d/file")).expect("read"), "a");
        assert!(kept.find(Kind::Data, &key("a")).is_none() && kept.find(Kind::Built, &key("b")).is_none());
        let place = kept.place(Kind::Built, &key("a"));
        assert!(!remove(&place) && place.exists());
        drop(entry);
        assert!(remove(&place) && !place.exists());
    }

    #[test]
    fn a_damaged_entry_is_not_used() {
        let unseen = "touch -r d/file x; echo b > d/file; touch -r x d/file; rm x";
        for damage in [unseen, "echo x >> d/file", "rm d/file", "touch d/new", "chmod 600 d/file", "mkdir e"] {
            let (_directory, kept) = kept();
            let place = kept.place(Kind::Built, &key("a"));
            drop(put(&kept, "a").expect("kept"));
            let status = Command::new("sh").args(["-c", damage]).current_dir(place.join(CONTENT)).status();
            assert!(status.expect("run").success());
            assert!(kept.find(Kind::Built, &key("a")).is_none(), "{damage}");
            assert!(!place.exists(), "{damage}");
            assert!(put(&kept, "a").is_some());
        }
    }

    #[test]
    fn what_fails_or_is_killed_while_it_fills_leaves_nothing() {
        let (_directory, kept) = kept();
        let failing = kept.keep(Kind::Built, &key("a"), |_| Err(ServerError::Interrupted));
        assert!(failing.is_none() && kept.find(Kind::Built, &key("a")).is_none());
        let killed = kept.root.join("built/mcspec-killed");
        fs::create_dir(&killed).expect("created");
        drop(left::claim(&killed).expect("claimed"));
        fs::create_dir(killed.join(CONTENT)).expect("created");
        drop(put(&kept, "a").expect("kept"));
        assert!(!killed.exists());
        assert_eq!(fs::read_dir(kept.root.join("built")).expect("read").count(), 1);
    }

    #[test]
    fn several_who_fill_one_entry_all_have_it() {
        let (_directory, kept) = kept();
        thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| put(&kept, "a").is_some())).collect();
            assert!(all.into_iter().all(|one| one.join().expect("ended")));
        });
        assert_eq!(fs::read_dir(kept.root.join("built")).expect("read").count(), 1);
    }

    #[test]
    fn what_nobody_has_used_for_long_goes() {
        let (_directory, kept) = kept();
        for name in ["a", "b"] {
            drop(put(&kept, name).expect("kept"));
        }
        let lock = kept.place(Kind::Built, &key("a")).join(left::LOCK);
        let old = SystemTime::now() - UNUSED - Duration::from_secs(60);
        File::open(lock).expect("open").set_modified(old).expect("set");
        kept.make_room(MOST_BYTES, MOST_ENTRIES);
        assert!(kept.find(Kind::Built, &key("a")).is_none());
        assert!(kept.find(Kind::Built, &key("b")).is_some());
    }

    #[test]
    fn what_was_used_last_stays_within_the_bounds() {
        let (_directory, kept) = kept();
        for (number, name) in ["a", "b", "c", "d"].iter().enumerate() {
            drop(put(&kept, name).expect("kept"));
            let lock = kept.place(Kind::Built, &key(name)).join(left::LOCK);
            let used = SystemTime::now() - Duration::from_secs(1000 - number as u64);
            File::open(lock).expect("open").set_modified(used).expect("set");
        }
        let are_there = |names: &[&str]| {
            let there = |name: &&str| kept.place(Kind::Built, &key(name)).exists();
            ["a", "b", "c", "d"].iter().filter(|name| there(name)).eq(names)
        };
        kept.make_room(u64::MAX, 3);
        assert!(are_there(&["b", "c", "d"]));
        // What is in use stays, and counts.
        let used = kept.place(Kind::Built, &key("b"));
        let in_use = File::open(used.join(left::LOCK)).expect("open");
        in_use.lock_shared().expect("locked");
        kept.make_room(2 * size(&used), usize::MAX);
        assert!(are_there(&["b", "c", "d"]));
        kept.make_room(size(&used), usize::MAX);
        assert!(are_there(&["b", "d"]));
    }
}
