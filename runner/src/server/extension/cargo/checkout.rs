//! The workspace in the user's checkout, which cargo builds in its place: one run at a time, and Cargo.lock stays as it was.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::super::super::error::ServerError;
use super::super::super::process::check_interrupts;

/// How long to wait before another look at whether the other run is done.
const WAIT: Duration = Duration::from_millis(50);

/// A workspace that nobody else builds, as long as this is there.
#[derive(Debug)]
pub(super) struct Checkout {
    /// Its Cargo.lock.
    path: PathBuf,
    /// What was in that; none where it was not there.
    own: Option<Vec<u8>>,
    /// Where the one is kept that cargo has made.
    kept: PathBuf,
    _lock: Option<File>,
}

impl Checkout {
    /// Waits for others who build the workspace in `root`. Where it has no Cargo.lock, the one of an earlier build is there meanwhile, so that its
    /// versions stay the same.
    pub(super) fn enter(root: &Path, target: &Path) -> Result<Self, ServerError> {
        // Before anything is looked at. It is locked, not written to.
        let lock = lock(&root.join("Cargo.toml"))?;
        let path = root.join("Cargo.lock");
        let kept = target.join("mcspec/Cargo.lock");
        let checkout = Self { own: read(&path)?, path, kept, _lock: lock };
        if checkout.own.is_none() {
            checkout.use_kept()?;
        }
        Ok(checkout)
    }

    /// Runs something while Cargo.lock is as it was.
    pub(super) fn as_it_was(&self, look: impl FnOnce()) -> Result<(), ServerError> {
        let is_changed = self.restore()?;
        look();
        if is_changed { self.use_kept() } else { Ok(()) }
    }

    /// Keeps what cargo has made of Cargo.lock and puts back what was there. Returns whether that is something else.
    fn restore(&self) -> Result<bool, ServerError> {
        let now = read(&self.path)?;
        if now == self.own {
            return Ok(false);
        }
        if let Some(now) = now {
            if let Some(directory) = self.kept.parent() {
                fs::create_dir_all(directory).map_err(ServerError::file("create", directory))?;
            }
            fs::write(&self.kept, now).map_err(ServerError::file("write", &self.kept))?;
        }
        match &self.own {
            Some(own) => fs::write(&self.path, own).map_err(ServerError::file("write", &self.path))?,
            None => fs::remove_file(&self.path).map_err(ServerError::file("remove", &self.path))?,
        }
        Ok(true)
    }

    fn use_kept(&self) -> Result<(), ServerError> {
        match read(&self.kept)? {
            Some(text) => fs::write(&self.path, text).map_err(ServerError::file("write", &self.path)),
            None => Ok(()),
        }
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // Whatever is wrong with it is nothing that a verdict could depend on.
        let _ = self.restore();
    }
}

/// What is in a file, if it is there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, ServerError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ServerError::file("read", path)(error)),
    }
}

/// Locks a file, unless its file system knows no locks.
fn lock(path: &Path) -> Result<Option<File>, ServerError> {
    let file = File::open(path).map_err(ServerError::file("read", path))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(_)) => return Ok(None),
            Err(TryLockError::WouldBlock) => {
                check_interrupts()?;
                thread::sleep(WAIT);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in Cargo.lock.
    fn now(root: &Path) -> Option<String> {
        fs::read_to_string(root.join("Cargo.lock")).ok()
    }

    #[test]
    fn a_checkout_stays_as_it_was() {
        for own in [None, Some("own")] {
            let (root, target) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
            let (root, target) = (root.path(), target.path());
            fs::write(root.join("Cargo.toml"), "").expect("written");
            if let Some(own) = own {
                fs::write(root.join("Cargo.lock"), own).expect("written");
            }
            let checkout = Checkout::enter(root, target).expect("entered");
            fs::write(root.join("Cargo.lock"), "of cargo").expect("written");
            checkout.as_it_was(|| assert_eq!(now(root).as_deref(), own)).expect("put back");
            assert_eq!(now(root).as_deref(), Some("of cargo"));
            drop(checkout);
            assert_eq!(now(root).as_deref(), own);

            let checkout = Checkout::enter(root, target).expect("entered");
            assert_eq!(now(root).as_deref(), own.or(Some("of cargo")));
            drop(checkout);
            assert_eq!(now(root).as_deref(), own);
        }
    }

    #[test]
    fn one_builds_after_the_other() {
        let (root, target) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
        fs::write(root.path().join("Cargo.toml"), "").expect("written");
        let first = Checkout::enter(root.path(), target.path()).expect("entered");
        thread::scope(|scope| {
            let second = scope.spawn(|| Checkout::enter(root.path(), target.path()).map(|_| now(root.path())));
            fs::write(root.path().join("Cargo.lock"), "of cargo").expect("written");
            thread::sleep(2 * WAIT);
            assert!(!second.is_finished());
            drop(first);
            assert_eq!(second.join().expect("ended").expect("entered").as_deref(), Some("of cargo"));
        });
        assert_eq!(now(root.path()), None);
    }
}
