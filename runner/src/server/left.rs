//! What a run has left behind that was killed: its directory, with servers and builds in it that outlived it. The next run removes it.
//!
//! A directory belongs to whoever has locked the file [`LOCK`] in it. The lock ends with its process, in whatever way that ends;
//! unlike a process id, it is nobody else's later. A directory without the file is kept, or is one of a release that had none.

use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use super::account::Account;
use super::children::{is_running, started, until};
use super::process::{KILL, remove_tree};
use super::shared_memory;

/// What the names of run directories begin with.
pub(super) const PREFIX: &str = "mcspec-";

/// The file that is locked as long as the run lives.
pub(super) const LOCK: &str = "lock";

/// Claims a new directory for this process, as long as what it returns is open.
pub(super) fn claim(directory: &Path) -> io::Result<File> {
    // Not under its name before it is locked, or it would look like one that was left behind.
    let new = directory.join("lock.new");
    let file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
    match file.try_lock() {
        Ok(()) => fs::rename(new, directory.join(LOCK))?,
        // The file system knows no locks: nobody can tell, and it stays.
        Err(_) => fs::remove_file(new)?,
    }
    Ok(file)
}

/// Has a directory stay when its process is gone.
pub(super) fn keep(directory: &Path) {
    // Where it has none, it stays as well.
    let _ = fs::remove_file(directory.join(LOCK));
}

/// Removes what runs of this user have left behind in `parent`, with what runs in it.
pub(super) fn remove(parent: &Path, account: &Account) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let directory = entry.path();
        if entry.file_name().as_bytes().starts_with(PREFIX.as_bytes())
            && let Some(_ours) = abandoned(&directory)
        {
            end_processes(&directory, account);
            shared_memory::remove_of(&directory, account);
            remove_tree(&directory);
        }
    }
}

/// The lock of a directory whose run is gone; none of one that is not this user's, or whose run lives, or that is kept.
fn abandoned(directory: &Path) -> Option<File> {
    let is_own = |file: &Metadata| file.uid() == geteuid().as_raw();
    fs::symlink_metadata(directory).ok().filter(|file| file.is_dir() && is_own(file))?;
    let lock = File::options().write(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(directory.join(LOCK)).ok()?;
    lock.metadata().ok().filter(is_own)?;
    match lock.try_lock() {
        Ok(()) => Some(lock),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
    }
}

/// Ends what still runs in a directory: a postmaster ends with its runner, but perhaps not a backend that is busy, nor what make
/// has started.
fn end_processes(directory: &Path, account: &Account) {
    let mut killed: Vec<i32> = Vec::new();
    until(KILL, || {
        for pid in processes(directory, account) {
            // It may be gone already.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            killed.push(pid);
        }
        killed.retain(|pid| is_running(*pid));
        killed.is_empty()
    });
}

/// Processes of this user or of the servers' that work in a directory, or whose title names a cluster of its.
fn processes(directory: &Path, account: &Account) -> Vec<i32> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let title = format!("postgres: {name}-");
    let is_here = |process: &PathBuf| {
        leads_to(&process.join("cwd"), directory)
            || fs::read(process.join("cmdline")).is_ok_and(|line| line.starts_with(title.as_bytes()))
    };
    let all = running(account).filter(|(_, process)| is_here(process));
    all.map(|(pid, _)| pid).collect()
}

/// Whether a process that is younger than this one works in a directory, runs a program of it or has a file in it open.
pub(super) fn is_used(directory: &Path, account: &Account) -> bool {
    let this = std::process::id().cast_signed();
    let since = started(this).unwrap_or_default();
    let opens = |process: &PathBuf| {
        let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        files.map(|file| file.path()).any(|file| leads_to(&file, directory))
    };
    running(account).filter(|(pid, _)| *pid != this && started(*pid).is_some_and(|then| then >= since)).any(
        |(_, process)| {
            leads_to(&process.join("cwd"), directory) || leads_to(&process.join("exe"), directory) || opens(&process)
        },
    )
}

/// Processes of this user and of the servers', with where proc(5) tells of them.
fn running(account: &Account) -> impl Iterator<Item = (i32, PathBuf)> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.map(|pid: i32| (pid, Path::new("/proc").join(pid.to_string()))).filter(|(pid, process)| {
        let owner = fs::metadata(process).map(|process| process.uid());
        owner.is_ok_and(|uid| uid == geteuid().as_raw() || account.is(uid)) && is_running(*pid)
    })
}

fn leads_to(link: &Path, directory: &Path) -> bool {
    fs::read_link(link).is_ok_and(|at| at.starts_with(directory))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn account() -> Account {
        Account::for_server().expect("an account")
    }

    #[test]
    fn what_is_left_behind_goes_and_nothing_else() {
        let parent = tempfile::tempdir().expect("temporary directory");
        let path = |name: &str| parent.path().join(name);
        let make = |name: &str| {
            fs::create_dir_all(path(name).join("data-1")).expect("created");
            claim(&path(name)).expect("claimed")
        };
        drop(make("mcspec-dead"));
        let living = make("mcspec-living");
        let kept = make("mcspec-kept");
        keep(&path("mcspec-kept"));
        drop(kept);
        drop(make("other"));
        fs::create_dir(path("mcspec-old")).expect("created");
        symlink("other", path("mcspec-link")).expect("linked");
        fs::write(path("mcspec-file"), "").expect("written");

        remove(parent.path(), &account());
        let mut names: Vec<_> = fs::read_dir(parent.path()).expect("read").flatten().map(|e| e.file_name()).collect();
        names.sort();
        assert_eq!(names, ["mcspec-file", "mcspec-kept", "mcspec-link", "mcspec-living", "mcspec-old", "other"]);
        assert!(path("mcspec-living/data-1").is_dir() && path("other/data-1").is_dir());
        drop(living);
        remove(parent.path(), &account());
        assert!(!path("mcspec-living").exists());
    }

    #[test]
    fn what_still_runs_there_is_ended() {
        let parent = tempfile::tempdir().expect("temporary directory");
        let directory = parent.path().canonicalize().expect("there").join("mcspec-dead");
        fs::create_dir(&directory).expect("created");
        drop(claim(&directory).expect("claimed"));
        let sleep = |at: &Path| Command::new("sleep").arg("600").current_dir(at).spawn().expect("started");
        let (mut there, mut elsewhere) = (sleep(&directory), sleep(parent.path()));
        remove(parent.path(), &account());
        there.wait().expect("ended");
        assert!(elsewhere.try_wait().expect("waited for").is_none());
        elsewhere.kill().expect("killed");
        elsewhere.wait().expect("ended");
        assert!(!directory.exists());
    }
}
