//! Files that are written for the user: whole or not at all.
//!
//! What is to be written goes into a temporary file beside the file, is on the disk before it takes its place by rename(2), and
//! so is the directory afterwards. Whatever happens in between, the file is the old one or the new one.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::unistd::{AccessFlags, access};

/// How many symbolic links in a row are followed (path_resolution(7)).
const LINKS: usize = 40;

/// How long somebody else who writes the same file is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where something is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A regular file, or none as yet: it is replaced. Symbolic links are resolved, so that they stay.
    File(PathBuf),
    /// What nothing can take the place of: a terminal, a pipe, a device, an open file of a process by its number.
    Stream,
}

/// Steps of writing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Created,
    Written,
    OnDisk,
    Renamed,
}

#[cfg(test)]
const STEPS: [Step; 4] = [Step::Created, Step::Written, Step::OnDisk, Step::Renamed];

/// Writes a file, with the mode of the one that it replaces.
///
/// # Errors
///
/// The file is as it was, or is not there, as before.
pub(crate) fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    match place(path)? {
        Place::Stream => stream(path)?.write_all(text),
        Place::File(file) => replace(&file, text, |_| {}),
    }
}

/// Writes a file that nobody reads before [`adopt`] has put it in its place, and makes the directories that it is in.
///
/// # Errors
///
/// It is not all there.
pub(crate) fn write_aside(path: &Path, text: &[u8]) -> io::Result<()> {
    fs::create_dir_all(directory(path))?;
    fs::write(path, text)
}

/// Puts a file that was written already in its place, and makes the directories that it is in. Its name is on the disk once
/// [`sync_directory`] has been called for it.
///
/// # Errors
///
/// As [`write`].
pub(crate) fn adopt(written: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(directory(path))?;
    let put = |path: &Path| {
        let file = File::open(written)?;
        resemble(&file, path)?;
        file.sync_all()?;
        fs::rename(written, path)
    };
    match place(path)? {
        Place::File(file) => match put(&file) {
            // By a symbolic link.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => write(path, &fs::read(written)?),
            done => done,
        },
        Place::Stream => write(path, &fs::read(written)?),
    }
}

/// Writes a file, and makes the directories that it is in.
///
/// # Errors
///
/// As [`write`].
pub(crate) fn write_below(path: &Path, text: &[u8]) -> io::Result<()> {
    fs::create_dir_all(directory(path))?;
    write(path, text)
}

/// A file whose text comes in pieces.
#[derive(Debug)]
pub(crate) enum Draft {
    /// It is written when it is complete.
    File {
        /// The file.
        path: PathBuf,
        /// What there is of it.
        text: Vec<u8>,
    },
    /// It goes where it is read.
    Stream(io::BufWriter<File>),
}

impl Draft {
    /// Begins a file, and makes the directories that it is in.
    ///
    /// # Errors
    ///
    /// It could not be written, as far as that can be known before.
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        if !directory(path).exists() {
            fs::create_dir_all(directory(path))?;
        }
        match place(path)? {
            Place::Stream => Ok(Draft::Stream(io::BufWriter::new(stream(path)?))),
            Place::File(path) => {
                let file = temporary(&path)?;
                let removed = fs::remove_file(temporary_path(&path));
                drop(file);
                removed?;
                Ok(Draft::File { path, text: Vec::new() })
            }
        }
    }

    /// Writes the file: all that was written into the draft.
    ///
    /// # Errors
    ///
    /// As [`write`].
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match self {
            Draft::File { path, text } => replace(path, text, |_| {}),
            Draft::Stream(out) => out.flush(),
        }
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Draft::File { text, .. } => text.write(bytes),
            Draft::Stream(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Draft::File { .. } => Ok(()),
            Draft::Stream(out) => out.flush(),
        }
    }
}

/// Where a path leads.
fn place(path: &Path) -> io::Result<Place> {
    let mut at = path.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = fs::read_link(&at) else { return of_file(at) };
        let directory = at.parent().filter(|directory| *directory != Path::new("")).unwrap_or(Path::new("."));
        // What stands for an open file is none that could be replaced: who has opened it goes on writing into the old one.
        if directory.canonicalize()?.starts_with("/proc") {
            return Ok(Place::Stream);
        }
        at = directory.join(target);
    }
    Err(Errno::ELOOP.into())
}

/// What a file is that is no symbolic link.
fn of_file(path: PathBuf) -> io::Result<Place> {
    match fs::metadata(&path) {
        Ok(file) if file.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(file) if !file.is_file() => Ok(Place::Stream),
        Ok(_) => {
            // It is not to be replaced by somebody who may not write it.
            access(&path, AccessFlags::W_OK)?;
            Ok(Place::File(path))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Place::File(path)),
        Err(error) => Err(error),
    }
}

/// Opens what is written into as it is.
fn stream(path: &Path) -> io::Result<File> {
    File::create(path)
}

/// Held by all who write, and by whoever ends this process.
static WRITING: RwLock<()> = RwLock::new(());

/// How long files that are being written are waited for when this process ends.
const LAST: Duration = Duration::from_secs(2);

/// Ends this process, whatever other threads are doing, but not in the middle of a file.
pub(crate) fn exit(code: i32) -> ! {
    let until = Instant::now() + LAST;
    let mut all = WRITING.try_write();
    while all.is_err() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
        all = WRITING.try_write();
    }
    std::process::exit(code)
}

/// Puts a file with that text in a place. `at` is told of each step that is done.
fn replace(path: &Path, text: &[u8], mut at: impl FnMut(Step)) -> io::Result<()> {
    let _writing = WRITING.read().unwrap_or_else(PoisonError::into_inner);
    let _signals = SignalsLater::begin();
    let temporary_path = temporary_path(path);
    let mut file = temporary(path)?;
    at(Step::Created);
    let mut put = || {
        resemble(&file, path)?;
        file.write_all(text)?;
        at(Step::Written);
        file.sync_all()?;
        at(Step::OnDisk);
        fs::rename(&temporary_path, path)
    };
    if let Err(error) = put() {
        // There is nothing that could be done if that fails too.
        let _ = fs::remove_file(&temporary_path);
        return Err(error);
    }
    at(Step::Renamed);
    sync_directory(path)
}

/// Gives a file the mode and the owner of the one that it is going to replace, if there is one.
fn resemble(file: &File, path: &Path) -> io::Result<()> {
    let Ok(old) = fs::metadata(path) else { return Ok(()) };
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // Who may not do that owns what he writes.
        let _ = fchown(file, Some(old.uid()), Some(old.gid()));
    }
    // Behind the change of owner, which would clear some of it (chown(2)).
    file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))
}

/// Has the names in a file's directory on the disk.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    match File::open(directory(path))?.sync_all() {
        // Some file systems know no such thing for a directory.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// Makes the temporary file of a file, which is locked as long as it is open. One that somebody has left behind goes.
fn temporary(path: &Path) -> io::Result<File> {
    let temporary = temporary_path(path);
    let until = Instant::now() + PATIENCE;
    let mut options = File::options();
    options.write(true).custom_flags(OFlag::O_NOFOLLOW.bits());
    loop {
        match options.clone().create_new(true).open(&temporary) {
            // Somebody may have taken it for one that was left behind.
            Ok(file) => match is_ours(&file) && is_at(&file, &temporary) {
                true => return Ok(file),
                false => continue,
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        match options.open(&temporary) {
            // Whoever has made it is gone.
            Ok(left) if is_ours(&left) => {
                if is_at(&left, &temporary) {
                    fs::remove_file(&temporary)?;
                }
            }
            Ok(_) if Instant::now() >= until => {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process is writing it"));
            }
            Ok(_) => thread::sleep(Duration::from_millis(5)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

/// Locks a file, unless another process has. Where the file system knows no locks, nobody has.
fn is_ours(file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Whether an open file is the one of that name.
fn is_at(file: &File, path: &Path) -> bool {
    let same = |file: fs::Metadata, named: fs::Metadata| (file.dev(), file.ino()) == (named.dev(), named.ino());
    file.metadata().ok().zip(fs::symlink_metadata(path).ok()).is_some_and(|(file, named)| same(file, named))
}

/// The temporary file of a file: of the same name whoever writes it, and never of too long a one.
fn temporary_path(path: &Path) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    path.file_name().map(OsStr::as_bytes).hash(&mut hasher);
    path.with_file_name(format!(".mcspec-{:016x}.new", hasher.finish()))
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|directory| *directory != Path::new("")).unwrap_or(Path::new("."))
}

/// Signals that end this process are kept back until this is dropped, from this thread: a file takes its place or goes.
struct SignalsLater(Option<SigSet>);

impl SignalsLater {
    fn begin() -> Self {
        let ending = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM].into_iter().collect::<SigSet>();
        SignalsLater(ending.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok())
    }
}

impl Drop for SignalsLater {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // It has been set before.
            let _ = before.thread_set_mask();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::symlink;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    const OLD: &str = "the old text\n";

    /// Long enough to be written in pieces.
    fn new() -> String {
        "the new text\n".repeat(100_000)
    }

    /// The names in a directory.
    fn names(directory: &Path) -> BTreeSet<String> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Where a copy of this test ends by SIGKILL, and what it writes: it runs itself.
    const DIES_AT: &str = "MCSPEC_TEST_DIES_AT";
    const WRITES: &str = "MCSPEC_TEST_WRITES";

    #[test]
    fn whoever_is_killed_leaves_the_old_file_or_the_new_one() {
        if let (Ok(step), Ok(file)) = (std::env::var(DIES_AT), std::env::var(WRITES)) {
            let kill = |at: Step| {
                if format!("{at:?}") == step {
                    nix::sys::signal::kill(nix::unistd::getpid(), Signal::SIGKILL).unwrap();
                }
            };
            replace(Path::new(&file), new().as_bytes(), kill).unwrap();
            return;
        }
        for old in [None, Some(OLD)] {
            for step in STEPS {
                let directory = tempfile::tempdir().unwrap();
                let file = directory.path().join("file");
                if let Some(old) = old {
                    fs::write(&file, old).unwrap();
                }
                let test = "atomic::tests::whoever_is_killed_leaves_the_old_file_or_the_new_one";
                let mut itself = Command::new(std::env::current_exe().unwrap());
                itself.args([test, "--exact"]).env(DIES_AT, format!("{step:?}")).env(WRITES, &file);
                let status = itself.output().unwrap().status;
                assert_eq!(status.signal(), Some(9), "{step:?}: {status}");

                let is_new = step == Step::Renamed;
                let text = fs::read_to_string(&file).ok();
                assert_eq!(text.as_deref(), if is_new { Some(new()) } else { old.map(str::to_owned) }.as_deref());
                // What it has left behind is not in the way, and goes.
                write(&file, b"newer").unwrap();
                assert_eq!(names(directory.path()), ["file".to_owned()].into());
                assert_eq!(fs::read(&file).unwrap(), b"newer");
            }
        }
    }

    #[test]
    fn a_file_stays_what_it_was_but_for_its_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("elsewhere")).unwrap();
        fs::write(path("elsewhere/file"), OLD).unwrap();
        fs::set_permissions(path("elsewhere/file"), Permissions::from_mode(0o640)).unwrap();
        symlink("elsewhere/file", path("near")).unwrap();
        symlink("near", path("far")).unwrap();
        symlink("elsewhere/none", path("dangling")).unwrap();
        for (name, file) in [("far", "elsewhere/file"), ("dangling", "elsewhere/none"), ("plain", "plain")] {
            write(&path(name), b"text").unwrap();
            assert_eq!(fs::read(path(file)).unwrap(), b"text", "{name}");
        }
        let is_link = |name: &str| fs::symlink_metadata(path(name)).unwrap().is_symlink();
        assert!(is_link("near") && is_link("far") && is_link("dangling") && !is_link("plain"));
        assert_eq!(fs::metadata(path("elsewhere/file")).unwrap().mode() & 0o7777, 0o640);
        // As open(2) makes files.
        fs::write(path("made"), "").unwrap();
        assert_eq!(fs::metadata(path("plain")).unwrap().mode(), fs::metadata(path("made")).unwrap().mode());
        assert_eq!(names(&path("elsewhere")), ["file", "none"].map(str::to_owned).into());
    }

    #[test]
    fn what_cannot_be_written_is_left_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("directory")).unwrap();
        fs::write(path("file"), OLD).unwrap();
        symlink("loop", path("loop")).unwrap();
        let long = "x".repeat(300);
        assert_eq!(write(&path("none/file"), b"").unwrap_err().kind(), io::ErrorKind::NotFound);
        for (name, kind) in [
            ("file/file", io::ErrorKind::NotADirectory),
            ("directory", io::ErrorKind::IsADirectory),
            (&long, io::ErrorKind::InvalidFilename),
        ] {
            assert_eq!(write(&path(name), b"").unwrap_err().kind(), kind, "{name}");
            assert_eq!(Draft::begin(&path(name)).unwrap_err().kind(), kind, "{name}");
        }
        assert_eq!(write(&path("loop"), b"").unwrap_err().raw_os_error(), Some(Errno::ELOOP as i32));
        assert_eq!(write(Path::new("/dev/full"), b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(names(directory.path()), ["directory", "file", "loop"].map(str::to_owned).into());
        assert_eq!(fs::read_to_string(path("file")).unwrap(), OLD);
        // A name may be as long as the file system lets it.
        write(&path(&"x".repeat(255)), b"x").unwrap();
    }

    #[test]
    fn a_draft_is_not_seen_before_it_is_finished() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("report");
        fs::write(&file, OLD).unwrap();
        let mut draft = Draft::begin(&file).unwrap();
        draft.write_all(b"new").unwrap();
        draft.flush().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), OLD);
        assert_eq!(names(directory.path()), ["report".to_owned()].into());
        draft.finish().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        // It is written into what is already open.
        for stream in ["/dev/stdout", "/dev/null", "/proc/self/fd/1"] {
            assert_eq!(place(Path::new(stream)).unwrap(), Place::Stream, "{stream}");
        }
    }

    #[test]
    fn several_who_write_one_file_do_not_mix() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        thread::scope(|scope| {
            for letter in [b'a', b'b', b'c', b'd'] {
                let file = &file;
                scope.spawn(move || (0..20).for_each(|_| write(file, &[letter].repeat(100_000)).unwrap()));
            }
        });
        let text = fs::read(&file).unwrap();
        assert_eq!(text.len(), 100_000);
        assert!(text.iter().all(|letter| *letter == text[0]));
        assert_eq!(names(directory.path()), ["file".to_owned()].into());
    }
}
