//! The private temporary directory of one run.

use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use super::account::Account;
use super::error::ServerError;
use super::kept::Kept;
use super::left;
use super::process;

/// The longest path of a unix socket, without the terminating zero (`sun_path` in unix(7)).
const MAX_SOCKET_PATH: usize = 107;

/// Where it is without a TMPDIR, or with one of which no program can make anything.
const USUAL: &str = "/tmp";

/// The port of the first server; it is only part of the name of a socket.
const FIRST_PORT: u16 = 5432;

/// The private temporary directory of one run: staged trees, data directories, sockets, logs. Below `TMPDIR` or `/tmp`.
///
/// A handle; the directory is removed when the last one is dropped, and by [`cleanup_all`](super::cleanup_all).
#[derive(Debug, Clone)]
pub struct RunDirectory(Arc<Directory>);

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    sockets: PathBuf,
    temporary: PathBuf,
    account: Account,
    /// Servers started so far.
    servers: AtomicU16,
    /// Sub-directories named so far.
    names: AtomicU16,
    kept: AtomicBool,
    /// What earlier runs have kept for this one.
    earlier: Option<Kept>,
    /// The directory that was asked for, where it is elsewhere.
    instead_of: Option<PathBuf>,
    /// Claims the directories as long as this process lives.
    _claims: Vec<File>,
}

impl RunDirectory {
    /// Creates the directory and decides who the servers in it run as.
    pub fn create() -> Result<Self, ServerError> {
        let parent = std::env::var_os("TMPDIR").filter(|parent| !parent.is_empty());
        Self::create_in(&parent.map_or_else(|| PathBuf::from(USUAL), PathBuf::from), Kept::open())
    }

    /// The same in another directory, with what earlier runs have kept.
    pub(super) fn create_in(wanted: &Path, earlier: Option<Kept>) -> Result<Self, ServerError> {
        let account = Account::for_server()?;
        let mut parent = wanted.canonicalize().map_err(ServerError::file("use", wanted))?;
        let instead_of = (!is_plain(&parent)).then(|| std::mem::replace(&mut parent, PathBuf::from(USUAL)));
        if let Some(closed) = account.closed_directory(&parent) {
            return Err(ServerError::Unreachable { path: parent, closed, account: account.name().to_owned() });
        }
        left::remove(&parent, &account);
        let (path, claim) = create_private(&parent, &account)?;
        let mut directory = Directory {
            sockets: path.join("s"),
            temporary: path.join("tmp"),
            path,
            account,
            servers: AtomicU16::new(0),
            names: AtomicU16::new(0),
            kept: AtomicBool::new(false),
            earlier,
            instead_of,
            _claims: vec![claim],
        };

        if socket(&directory.sockets, u16::MAX).as_os_str().as_bytes().len() > MAX_SOCKET_PATH {
            let elsewhere = Path::new(USUAL);
            left::remove(elsewhere, &directory.account);
            let (path, claim) = create_private(elsewhere, &directory.account)?;
            directory.sockets = path.join("s");
            directory._claims.push(claim);
        }
        create_for(&directory.sockets, 0o700, Some(&directory.account))?;
        create_for(&directory.temporary, 0o700, Some(&directory.account))?;
        Ok(Self(Arc::new(directory)))
    }

    /// The `TMPDIR` of all programs that are started: what they leave there goes with it.
    pub(super) fn temporary(&self) -> &Path {
        &self.0.temporary
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The directory in which it was to be, where that has a name with which nothing can be built.
    pub fn instead_of(&self) -> Option<&Path> {
        self.0.instead_of.as_deref()
    }

    /// What earlier runs have kept for this one.
    pub(super) fn kept(&self) -> Option<&Kept> {
        self.0.earlier.as_ref()
    }

    /// Who the servers run as.
    pub fn account(&self) -> &Account {
        &self.0.account
    }

    /// Leaves the directory where it is when the run is over, also when that is interrupted.
    pub fn keep(&self) {
        self.0.kept.store(true, Ordering::Relaxed);
        process::forget_directory(&self.0.path);
        left::keep(&self.0.path);
    }

    /// Whether it stays when the run is over.
    pub(super) fn stays(&self) -> bool {
        self.0.kept.load(Ordering::Relaxed)
    }

    /// Removes a sub-directory that is not needed any more, unless all are kept.
    pub(super) fn discard(&self, subdirectory: &Path) {
        if !self.stays() {
            // What cannot be removed now is removed with the whole directory.
            let _ = fs::remove_dir_all(subdirectory);
        }
    }

    /// Where the servers' sockets are: elsewhere, if the paths would be too long.
    pub fn sockets(&self) -> &Path {
        &self.0.sockets
    }

    /// A port that no other server of this run has.
    pub(super) fn next_port(&self) -> u16 {
        FIRST_PORT + self.0.servers.fetch_add(1, Ordering::Relaxed)
    }

    /// Creates a sub-directory `NAME-N` that everybody may read.
    pub(super) fn subdirectory(&self, name: &str) -> Result<PathBuf, ServerError> {
        let path = self.unused(name)?;
        create_for(&path, 0o755, None)?;
        Ok(path)
    }

    /// Creates a sub-directory `NAME-N` of the server's own, as a data directory has to be.
    pub(crate) fn server_subdirectory(&self, name: &str) -> Result<PathBuf, ServerError> {
        let path = self.unused(name)?;
        create_for(&path, 0o700, Some(&self.0.account))?;
        Ok(path)
    }

    /// A path `NAME-N` in the directory that does not exist yet.
    fn unused(&self, name: &str) -> Result<PathBuf, ServerError> {
        process::check_interrupts()?;
        Ok(self.0.path.join(format!("{name}-{}", self.0.names.fetch_add(1, Ordering::Relaxed))))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Some(apart) = self.sockets.parent().filter(|parent| *parent != self.path) {
            process::remove_directory(apart);
        }
        process::remove_directory(&self.path);
    }
}

/// Creates `mcspec-XXXXXX`. Another account than this process's may only pass through.
fn create_private(parent: &Path, account: &Account) -> Result<(PathBuf, File), ServerError> {
    let mode = if account.switch().is_some() { 0o711 } else { 0o700 };
    let mut claim = None;
    let path = process::register_directory(|| {
        let directory = tempfile::Builder::new()
            .prefix(left::PREFIX)
            .tempdir_in(parent)
            .map_err(ServerError::file("create a directory in", parent))?;
        set_mode(directory.path(), mode)?;
        claim = Some(left::claim(directory.path()).map_err(ServerError::file("lock", directory.path()))?);
        Ok(directory.keep())
    })?;
    Ok((path, claim.expect("it was made")))
}

fn create_for(path: &Path, mode: u32, account: Option<&Account>) -> Result<(), ServerError> {
    fs::create_dir(path).map_err(ServerError::file("create", path))?;
    set_mode(path, mode)?;
    account.map_or(Ok(()), |account| account.own(path))
}

/// Whether a path passes make, shells and lists of PostgreSQL as it is. PGXS quotes nothing: a blank ends a name in it.
fn is_plain(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.chars().all(|c| c.is_alphanumeric() || "/-_.+@".contains(c)))
}

/// The mode that mkdir(2) is given is subject to the umask.
fn set_mode(path: &Path, mode: u32) -> Result<(), ServerError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(ServerError::file("set the mode of", path))
}

/// The socket of the server on `port`.
fn socket(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_with_the_last_handle() {
        let run = RunDirectory::create().expect("created");
        let path = run.path().to_owned();
        let other = run.clone();
        let (a, b) = (run.subdirectory("x").expect("created"), run.server_subdirectory("x").expect("created"));
        assert_ne!(a, b);
        drop(run);
        assert!(a.is_dir() && b.is_dir());
        drop(other);
        assert!(!path.exists());
    }

    #[test]
    fn kept_on_request() {
        let run = RunDirectory::create().expect("created");
        run.keep();
        let path = run.path().to_owned();
        drop(run);
        assert!(path.is_dir());
        fs::remove_dir_all(path).expect("removed");
    }

    #[test]
    fn sockets_are_elsewhere_when_the_path_is_too_long() {
        let short = RunDirectory::create().expect("created");
        assert!(short.sockets().starts_with(short.path()));

        let parent = tempfile::tempdir().expect("temporary directory");
        set_mode(parent.path(), 0o755).expect("mode");
        let long = parent.path().join("x".repeat(100));
        create_for(&long, 0o755, None).expect("created");
        let run = RunDirectory::create_in(&long, None).expect("created");
        let sockets = run.sockets().to_owned();
        assert!(run.path().starts_with(&long));
        assert!(sockets.starts_with("/tmp") && sockets.is_dir(), "{sockets:?}");
        drop(run);
        assert!(!sockets.parent().expect("has one").exists());
    }

    #[test]
    fn a_name_that_make_would_take_apart_is_avoided() {
        let parent = tempfile::tempdir().expect("temporary directory");
        set_mode(parent.path(), 0o755).expect("mode");
        for name in ["my files", "it's", "$HOME", "50%", "a\nb", "a\\b", "a,b", "a\"b", "#1", "a:b", "-x y"] {
            let odd = parent.path().join(name);
            create_for(&odd, 0o755, None).expect("created");
            let run = RunDirectory::create_in(&odd, None).expect("created");
            assert!(run.path().starts_with(USUAL) && !run.path().starts_with(parent.path()), "{name}");
            assert_eq!(run.instead_of(), Some(odd.canonicalize().expect("there").as_path()));
        }
        let plain = parent.path().join("-Größe_1.2");
        create_for(&plain, 0o755, None).expect("created");
        let run = RunDirectory::create_in(&plain, None).expect("created");
        assert!(run.path().starts_with(&plain) && run.instead_of().is_none());
    }

    #[test]
    fn a_closed_parent_is_refused_with_a_hint() {
        let parent = tempfile::tempdir().expect("temporary directory");
        set_mode(parent.path(), 0o700).expect("mode");
        let result = RunDirectory::create_in(parent.path(), None);
        if Account::for_server().expect("an account").switch().is_none() {
            assert!(result.is_ok(), "the directory is our own");
            return;
        }
        let error = result.expect_err("mode 0700 and owned by root");
        assert!(matches!(&error, ServerError::Unreachable { closed, .. } if closed == parent.path()), "{error}");
        assert!(error.hint().expect("a hint").contains("TMPDIR"));
    }
}
