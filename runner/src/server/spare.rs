//! Directories that a run hands on to the next one instead of removing them: thousands of files are neither made nor removed.
//!
//! A directory is handed on as it was when it was new. What has been touched since goes and is made again, what has come since
//! goes: touched is what has another time of change (`st_ctime`), which nobody can set. It is the next run's alone, which takes it
//! out of where it is kept by rename(2); where that is another file system, nothing is handed on.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::WalkDir;

use super::account::Account;
use super::error::ServerError;
use super::kept::{Digest, Entry, Key};
use super::left;
use super::process;
use super::run_directory::RunDirectory;
use super::tree::{Placement, Plan};

/// What directories are filled with.
#[derive(Debug)]
pub(super) struct Filling {
    plan: Plan,
    owner: Option<Account>,
    key: Key,
    /// Where it comes from.
    _source: Option<Entry>,
}

impl Filling {
    /// By a plan, whose files come from an entry where there is one. With `owner`, they belong to that account.
    pub(super) fn new(plan: Plan, owner: Option<&Account>, source: Option<Entry>) -> Self {
        let mut digest = Digest::default();
        digest.add("owner", format!("{owner:?}").as_bytes());
        for (path, from) in plan.sources() {
            digest.add("path", path.as_os_str().as_encoded_bytes());
            match from {
                Some((from, Placement::Copy)) => digest.file(from),
                Some((from, Placement::Link)) => digest.add("link", from.as_os_str().as_encoded_bytes()),
                None => {}
            }
        }
        Self { plan, owner: owner.cloned(), key: digest.key(), _source: source }
    }
}

/// A directory of a run that was filled.
#[derive(Debug)]
pub(super) struct Filled {
    path: PathBuf,
    run: RunDirectory,
    filling: Arc<Filling>,
    /// What it was like then; none where it is not to be handed on.
    first: Option<State>,
}

impl Filled {
    /// Fills an empty directory of a run, or puts one in its place that an earlier run has handed on.
    pub(super) fn make(filling: &Arc<Filling>, path: PathBuf, run: &RunDirectory) -> Result<Self, ServerError> {
        let taken = run.kept().and_then(|kept| kept.take(&filling.key, &path, State::is));
        let first = match taken {
            Some(state) => Some(state),
            None => {
                let made = filling.plan.make(&path, filling.owner.as_ref(), |_| true);
                made.inspect_err(|_| run.discard(&path))?;
                run.kept().and_then(|_| State::of(&path).ok())
            }
        };
        Ok(Self { path, run: run.clone(), filling: Arc::clone(filling), first })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Hands it on, if that can be. Nobody of this run uses it any more.
    pub(super) fn hand_on(&self) {
        if let Some((kept, first)) = self.run.kept().zip(self.first.as_ref())
            && !self.run.stays()
            && !process::is_interrupted()
            && kept.wants(&self.filling.key, &self.path)
            && !left::is_used(&self.path, self.run.account())
            && let Ok(list) = self.restore(first)
        {
            kept.give(&self.filling.key, &self.path, &list);
        }
    }

    /// The same; otherwise it is removed, unless all directories of the run stay.
    pub(super) fn hand_on_or_remove(&self) {
        self.hand_on();
        self.run.discard(&self.path);
    }

    /// Makes it what it was at first, and says what it is like now.
    fn restore(&self, first: &State) -> io::Result<String> {
        let now = State::of(&self.path)?;
        // What the directory itself is like is not part of the plan.
        if now.0.get(Path::new("")) != first.0.get(Path::new("")) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        for (path, like) in &now.0 {
            let path = self.path.join(path);
            if first.0.get(path.strip_prefix(&self.path).unwrap_or(&path)) != Some(like) {
                remove(&path)?;
            }
        }
        let is_missing = |path: &Path| fs::symlink_metadata(self.path.join(path)).is_err();
        let made = self.filling.plan.make(&self.path, self.filling.owner.as_ref(), is_missing);
        made.map_err(io::Error::other)?;
        let restored = State::of(&self.path)?;
        // What cannot be restored, such as a directory that somebody has put something below, shows here.
        match restored.0.keys().eq(first.0.keys()) {
            true => Ok(restored.to_string()),
            false => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Removes what is at a path, whatever it is, if it is still there.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(file) if file.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // The directory that it was in is a link or a file now.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(()),
        removed => removed,
    }
}

/// What the files of a directory are like.
#[derive(Debug)]
struct State(BTreeMap<PathBuf, String>);

impl State {
    fn of(directory: &Path) -> io::Result<Self> {
        let mut state = BTreeMap::new();
        for entry in WalkDir::new(directory) {
            let entry = entry?;
            let file = entry.metadata()?;
            let mut like = format!("{:o} {}:{}", file.mode(), file.uid(), file.gid());
            if !file.is_dir() {
                let (modified, changed) = ((file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec()));
                let _ = write!(like, " {} {} {} {modified:?} {changed:?}", file.ino(), file.nlink(), file.len());
            }
            state.insert(entry.path().strip_prefix(directory).unwrap_or(entry.path()).to_owned(), like);
        }
        Ok(Self(state))
    }

    /// What a directory is like, if that is what a list says.
    fn is(directory: &Path, list: &str) -> Option<Self> {
        Self::of(directory).ok().filter(|state| state.to_string() == list)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(path, like)| writeln!(f, "{path:?} {like}"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::Command;

    use super::super::kept::Kept;
    use super::super::tree::Treatment;
    use super::*;

    /// Sources, a cache and a place for runs, on one file system.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            let place = Self(tempfile::tempdir().expect("temporary directory"));
            sh(
                place.0.path(),
                "chmod 755 . && mkdir runs cache && mkdir -p from/a/b && echo one > from/a/file && echo two > from/a/b/file && ln -s file from/a/b/link && touch -d @1000000000 from/a/file",
            );
            place
        }

        fn run(&self) -> RunDirectory {
            let kept = Kept::at(self.0.path().join("cache/mcspec")).expect("made");
            RunDirectory::create_in(&self.0.path().join("runs"), Some(kept)).expect("created")
        }

        fn filling(&self) -> Arc<Filling> {
            let mut plan = Plan::default();
            plan.add_tree(&self.0.path().join("from"), Path::new(""), Placement::Copy, |_| Treatment::Each)
                .expect("read");
            plan.add_file(Path::new("/etc"), "link".into(), Placement::Link);
            Arc::new(Filling::new(plan, None, None))
        }

        /// A directory of a run, and the number of a file in it and its time of change, by which one that was handed on is known: a new
        /// file may have the number of one that is gone.
        fn filled(&self, run: &RunDirectory) -> (Filled, (u64, i64, i64)) {
            let filled = Filled::make(&self.filling(), run.subdirectory("x").expect("made"), run).expect("filled");
            assert_eq!(texts(filled.path()), texts(&self.0.path().join("from")));
            assert_eq!(fs::read_link(filled.path().join("link")).expect("a link"), Path::new("/etc"));
            let file = fs::symlink_metadata(filled.path().join("a/b/file")).expect("there");
            (filled, (file.ino(), file.ctime(), file.ctime_nsec()))
        }

        fn spares(&self) -> usize {
            fs::read_dir(self.0.path().join("cache/mcspec/spare")).expect("read").count()
        }
    }

    #[track_caller]
    fn sh(directory: &Path, script: &str) {
        let status = Command::new("sh").args(["-e", "-c", script]).current_dir(directory).status();
        assert!(status.expect("run").success(), "{script}");
    }

    /// The files of a tree, links followed, with what is in them.
    fn texts(directory: &Path) -> BTreeMap<PathBuf, (u32, std::time::SystemTime, String)> {
        let entries = WalkDir::new(directory).follow_links(true).into_iter();
        let entries = entries.filter_entry(|entry| entry.file_name() != "link" || entry.depth() > 1);
        let files = entries.map(|entry| entry.expect("read")).filter(|entry| entry.file_type().is_file());
        let like = |path: &Path| {
            let file = fs::metadata(path).expect("there");
            (file.mode(), file.modified().expect("known"), fs::read_to_string(path).expect("read"))
        };
        files.map(|file| (file.path().strip_prefix(directory).expect("below").to_owned(), like(file.path()))).collect()
    }

    #[test]
    fn whatever_was_done_to_it_it_is_handed_on_as_new() {
        for (done, is_touched) in [
            ("true", false),
            ("echo x >> a/file", false),
            // Neither size nor time tell.
            ("echo six > a/b/file; touch -r a/file a/b/file", true),
            ("cp -p a/file x; echo eno > a/file; touch -r x a/file", false),
            ("chmod 600 a/b/file", true),
            ("ln a/b/file other", true),
            ("rm a/b/file", true),
            ("mv a/b/file a/b/other; cp -p a/b/other a/b/file", true),
            ("mkdir -p new/x/y; echo x > new/x/y/z; ln -s / new/x/root", false),
            ("mv a/b c; ln -s ../c a/b", true),
            ("rm -r a; mkdir a", true),
            ("rm -r a; echo a > a", true),
            ("rm link; mkdir link; echo x > link/x", false),
            ("ln -sfn /usr link", false),
            ("chmod 700 a/b", true),
            ("mkfifo a/pipe", false),
        ] {
            let place = Place::new();
            let run = place.run();
            let (filled, number) = place.filled(&run);
            sh(filled.path(), done);
            filled.hand_on_or_remove();
            assert!(!filled.path().exists() && place.spares() == 1, "{done}");
            let (again, same) = place.filled(&place.run());
            assert!(is_touched || same == number, "{done}");
            assert!(place.spares() == 0 && again.first.is_some(), "{done}");
        }
    }

    #[test]
    fn what_the_directory_itself_has_become_is_not_handed_on() {
        let place = Place::new();
        let (filled, _) = place.filled(&place.run());
        sh(filled.path(), "chmod 711 .");
        filled.hand_on_or_remove();
        assert!(!filled.path().exists() && place.spares() == 0);
    }

    #[test]
    fn one_that_was_touched_where_it_is_kept_is_not_taken() {
        for damage in
            ["echo one > a/file", "rm a/b/file", "touch new", "chmod 600 a/b/file", "rm ../list", "rm ../lock"]
        {
            let place = Place::new();
            let (filled, number) = place.filled(&place.run());
            filled.hand_on();
            let kept = fs::read_dir(place.0.path().join("cache/mcspec/spare")).expect("read").flatten().next();
            sh(&kept.expect("one").path().join("content"), damage);
            assert_ne!(place.filled(&place.run()).1, number, "{damage}");
        }
    }

    #[test]
    fn other_sources_are_another_directory() {
        let place = Place::new();
        place.filled(&place.run()).0.hand_on();
        // Neither size nor time tell.
        sh(place.0.path(), "cp -p from/a/file x && echo eno > from/a/file && touch -r x from/a/file");
        let (_, number) = place.filled(&place.run());
        assert_eq!(place.spares(), 1);
        sh(place.0.path(), "rm from/a/b/link");
        assert_ne!(place.filled(&place.run()).1, number);
    }

    #[test]
    fn nobody_has_what_another_one_has() {
        let place = Place::new();
        place.filled(&place.run()).0.hand_on();
        let (one, other, third) = (place.run(), place.run(), place.run());
        let all = [place.filled(&one), place.filled(&other), place.filled(&third)];
        assert!(all[0].1 != all[1].1 && all[1].1 != all[2].1 && all[0].1 != all[2].1);
        all.iter().for_each(|(filled, _)| filled.hand_on_or_remove());
        // As many as there is room for.
        assert_eq!(place.spares(), 2);
        assert!(all.iter().all(|(filled, _)| !filled.path().exists()));
    }

    #[test]
    fn it_is_not_handed_on_while_somebody_uses_it() {
        let place = Place::new();
        let (filled, _) = place.filled(&place.run());
        let mut works_there =
            Command::new("sleep").arg("60").current_dir(filled.path().join("a")).spawn().expect("started");
        filled.hand_on();
        assert!(filled.path().exists() && place.spares() == 0);
        works_there.kill().and_then(|()| works_there.wait()).expect("ended");
        let file = File::open(filled.path().join("a/file")).expect("open");
        let mut has_open = Command::new("sleep").arg("60").stdin(file).spawn().expect("started");
        filled.hand_on();
        assert!(filled.path().exists() && place.spares() == 0);
        has_open.kill().and_then(|()| has_open.wait()).expect("ended");
        filled.hand_on();
        assert!(!filled.path().exists() && place.spares() == 1);
    }

    #[test]
    fn it_stays_where_the_run_is_kept_and_goes_where_nothing_can_be() {
        let place = Place::new();
        let run = place.run();
        let (filled, _) = place.filled(&run);
        run.keep();
        filled.hand_on_or_remove();
        assert!(filled.path().exists() && place.spares() == 0);

        let run = place.run();
        let (filled, _) = place.filled(&run);
        fs::remove_dir_all(place.0.path().join("cache")).expect("removed");
        filled.hand_on_or_remove();
        assert!(!filled.path().exists());
        let (filled, _) = place.filled(&run);
        assert!(filled.path().exists());
    }
}
