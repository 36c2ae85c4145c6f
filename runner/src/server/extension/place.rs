//! Where in a staged copy that belongs which was installed below another root.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use super::super::error::ServerError;
use super::super::tree::{self, Placement};
use super::Site;

/// The directories of a server, by which files are known that were installed for it.
pub(super) struct Places<'a> {
    site: Site<'a>,
    /// The names that a directory goes by, and where it is in the copy; longer names first.
    known: Vec<(Vec<&'a OsStr>, &'a Path)>,
}

impl<'a> Places<'a> {
    pub(super) fn of(site: Site<'a>) -> Self {
        let pairs = site.original.directories().into_iter().zip(site.staged.directories());
        let mut known: Vec<_> = pairs
            .flat_map(|((_, original), (_, staged))| [(names(original), staged), (names(staged), staged)])
            .filter(|(names, _)| !names.is_empty())
            .collect();
        known.sort_by_key(|(names, _)| std::cmp::Reverse(names.len()));
        Self { site, known }
    }

    /// Where a file belongs, if a directory of the server is in its path: it may be below any other.
    pub(super) fn place(&self, file: &Path) -> Option<PathBuf> {
        let parts = names(file);
        self.known.iter().find_map(|(directory, staged)| {
            let start = parts.windows(directory.len()).position(|window| window == directory)?;
            let rest = &parts[start + directory.len()..];
            (!rest.is_empty()).then(|| rest.iter().fold(staged.to_path_buf(), |path, part| path.join(part)))
        })
    }

    /// Installs all files below `root` and returns how many those are. What lies in no directory of this server belongs to one that is
    /// elsewhere, whose directories are known by what is in them.
    pub(super) fn install(&self, root: &Path) -> Result<usize, ServerError> {
        let files = files_below(root)?;
        let all = files.iter().map(PathBuf::as_path);
        let (own, strange): (Vec<&Path>, Vec<&Path>) = all.partition(|file| self.place(file).is_some());
        let foreign = Foreign::of(&strange).besides(&own);
        let mut taken = BTreeSet::new();
        for file in &files {
            let to = self.place(file).or_else(|| foreign.place(file, self.site));
            let to = to.unwrap_or_else(|| self.site.top.join(file));
            put(&root.join(file), &to, self.site.top)?;
            taken.insert(to);
        }
        Ok(taken.len())
    }
}

/// Directories of another server: of libraries, and of data.
#[derive(Debug, Default, PartialEq, Eq)]
struct Foreign<'a> {
    libraries: Option<&'a Path>,
    share: Option<&'a Path>,
}

/// What directories of libraries are called.
const USUAL: [&str; 4] = ["lib", "lib64", "postgresql", "pgsql"];

impl<'a> Foreign<'a> {
    fn of(files: &[&'a Path]) -> Self {
        let directory_of = |suffix: &str| {
            let fits = |file: &&&Path| file.extension() == Some(OsStr::new(suffix));
            files
                .iter()
                .filter(fits)
                .filter_map(|file| file.parent())
                .min_by_key(|directory| directory.components().count())
        };
        // It may be a sub-folder.
        let is_usual =
            |directory: &&Path| directory.file_name().is_some_and(|name| USUAL.iter().any(|usual| name == *usual));
        let libraries = directory_of("so").map(|directory| directory.ancestors().find(is_usual).unwrap_or(directory));
        // Control files are in "extension" of the directory of data.
        let share = directory_of("control").and_then(|directory| directory.parent());
        Self { libraries, share }
    }

    /// What is of this server leaves the rest where it is: libraries that an extension has brought for itself, and the like.
    fn besides(self, own: &[&Path]) -> Self {
        let has = |suffix: &str| own.iter().any(|file| file.extension() == Some(OsStr::new(suffix)));
        Self { libraries: self.libraries.filter(|_| !has("so")), share: self.share.filter(|_| !has("control")) }
    }

    fn place(&self, file: &Path, site: Site) -> Option<PathBuf> {
        let below = |directory: Option<&Path>| directory.and_then(|directory| file.strip_prefix(directory).ok());
        let share = below(self.share).map(|rest| site.staged.share_dir.join(rest));
        // One may be within the other.
        let is_library = file.extension() == Some(OsStr::new("so"));
        let library = || below(self.libraries).map(|rest| site.staged.pkglib_dir.join(rest));
        if is_library { library().or(share) } else { share.or_else(library) }
    }
}

/// Copies a file to its place in the tree `top`.
pub(super) fn put(file: &Path, to: &Path, top: &Path) -> Result<(), ServerError> {
    if let Some(directory) = to.parent() {
        tree::make_directories(top, directory)?;
    }
    tree::place(file, to, Placement::Copy)
}

fn names(path: &Path) -> Vec<&OsStr> {
    let name = |part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    };
    path.components().filter_map(name).collect()
}

/// The files below `root`, by their paths in it. Links are followed, for they may lead to what is not staged.
fn files_below(root: &Path) -> Result<Vec<PathBuf>, ServerError> {
    let mut files = Vec::new();
    for entry in WalkDir::new(root).follow_links(true).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            // A link that leads nowhere.
            Err(error) if error.depth() > 0 && error.path().is_some_and(Path::is_symlink) => continue,
            Err(error) => return Err(ServerError::file("read", root)(error.into())),
        };
        if entry.file_type().is_file() {
            files.push(entry.path().strip_prefix(root).expect("it lies below").to_owned());
        }
    }
    Ok(files)
}
