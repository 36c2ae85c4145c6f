//! The results of a run that is under way. They are kept aside until it is over, and then take the place of the last run's, all
//! of them: of two runs at the same time the one that ends later is the last one.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::file::{INDEX, ResultsError, remove_index, unwritable};
use super::schema::RunIndex;
use crate::atomic;

/// What the names of directories begin with that hold results of runs that are under way.
const PREFIX: &str = ".mcspec-run-";

/// The results of a run that is under way; they go when this is dropped.
#[derive(Debug)]
pub struct Pending {
    directory: PathBuf,
    aside: PathBuf,
    /// Locked as long as the run lives: what nobody has locked was left behind.
    _alive: File,
}

impl Pending {
    /// Begins the results of a run, and removes what runs have left behind that were killed.
    ///
    /// # Errors
    ///
    /// Nothing can be written there.
    pub fn begin(directory: &Path) -> Result<Self, ResultsError> {
        let failed = |error| ResultsError::Unwritable { doing: "write to", path: directory.to_owned(), error };
        let made = || {
            let _all = lock(directory, File::lock)?;
            remove_left(directory)?;
            let aside = tempfile::Builder::new().prefix(PREFIX).tempdir_in(directory)?;
            let alive = File::open(aside.path())?;
            // Where the file system knows no locks, nobody removes it either.
            let _ = alive.try_lock();
            Ok(Pending { directory: directory.to_owned(), aside: aside.keep(), _alive: alive })
        };
        made().map_err(failed)
    }

    /// Where they are meanwhile.
    pub fn path(&self) -> &Path {
        &self.aside
    }

    /// Makes them the results of the last run.
    ///
    /// # Errors
    ///
    /// A file cannot be written. Then there are no results of a last run.
    pub fn publish(self, index: &RunIndex, differences: &str) -> Result<(), ResultsError> {
        index.write_aside(&self.aside, differences)?;
        let failed = |error| ResultsError::Unwritable { doing: "write to", path: self.directory.clone(), error };
        let _all = lock(&self.directory, File::lock).map_err(failed)?;
        remove_index(&self.directory)?;
        let files = WalkDir::new(&self.aside).sort_by_file_name().into_iter().flatten();
        let mut files: Vec<PathBuf> =
            files.filter(|file| file.file_type().is_file()).map(walkdir::DirEntry::into_path).collect();
        // It says what the others are, so it comes last.
        files.retain(|file| *file != self.aside.join(INDEX));
        let places = files.iter().map(|file| self.directory.join(file.strip_prefix(&self.aside).unwrap_or(file)));
        let places: Vec<PathBuf> = places.collect();
        for (file, place) in files.iter().zip(&places) {
            atomic::adopt(file, place).map_err(unwritable(place))?;
        }
        let directories: BTreeSet<&Path> = places.iter().filter_map(|place| place.parent()).collect();
        for directory in directories {
            let name = directory.join(INDEX);
            atomic::sync_directory(&name).map_err(unwritable(directory))?;
        }
        let index = self.directory.join(INDEX);
        let put = atomic::adopt(&self.aside.join(INDEX), &index).and_then(|()| atomic::sync_directory(&index));
        put.map_err(unwritable(&index))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // The next run removes what cannot be removed now.
        let _ = fs::remove_dir_all(&self.aside);
    }
}

/// Keeps the results as they are as long as what it returns is open.
///
/// # Errors
///
/// The directory cannot be opened.
pub fn reading(directory: &Path) -> io::Result<File> {
    lock(directory, File::lock_shared)
}

/// Keeps others from the results as long as what it returns is open.
fn lock(directory: &Path, lock: impl FnOnce(&File) -> io::Result<()>) -> io::Result<File> {
    let file = File::open(directory)?;
    // Where the file system knows no locks there are none.
    let _ = lock(&file);
    Ok(file)
}

fn remove_left(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && let Ok(left) = File::open(entry.path())
            && !matches!(left.try_lock(), Err(TryLockError::WouldBlock))
        {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::schema::CaseResult;
    use crate::results::write;

    fn index(cases: &[&str]) -> RunIndex {
        let cases = cases.iter().map(|&case| case.to_owned()).collect();
        RunIndex { format: CaseResult::FORMAT, ended: 0, cases, skipped: Vec::new(), shard: None }
    }

    #[test]
    fn of_two_runs_the_later_one_is_the_last_run() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let (one, two) = (Pending::begin(at).unwrap(), Pending::begin(at).unwrap());
        for name in ["a.json", "sub/b.json"] {
            write(&one.path().join(name), "one").unwrap();
            write(&two.path().join(name), "two").unwrap();
        }
        write(&one.path().join("c.json"), "one").unwrap();
        two.publish(&index(&["a", "sub/b"]), "").unwrap();
        assert_eq!(fs::read_to_string(at.join("a.json")).unwrap(), "two");
        assert_eq!(RunIndex::read(at).unwrap().cases, ["a", "sub/b"]);
        one.publish(&index(&["a", "c", "sub/b"]), "").unwrap();
        for name in ["a.json", "sub/b.json", "c.json"] {
            assert_eq!(fs::read_to_string(at.join(name)).unwrap(), "one");
        }
        assert_eq!(RunIndex::read(at).unwrap().cases, ["a", "c", "sub/b"]);
        assert!(
            fs::read_dir(at).unwrap().flatten().all(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        );
    }

    #[test]
    fn what_a_killed_run_has_left_goes_and_the_last_run_stays() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        Pending::begin(at).unwrap().publish(&index(&["a"]), "").unwrap();
        let killed = Pending::begin(at).unwrap();
        let left = killed.path().to_owned();
        write(&left.join("a.json"), "half").unwrap();
        let living = Pending::begin(at).unwrap();
        assert!(left.exists(), "its run lives");
        let Pending { _alive, .. } = &killed;
        _alive.unlock().unwrap();
        drop(Pending::begin(at).unwrap());
        assert!(!left.exists() && living.path().exists());
        assert_eq!(RunIndex::read(at).unwrap().cases, ["a"]);
    }
}
