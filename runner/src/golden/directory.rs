//! Where the goldens of a project are: not among files of others, unless the project says so. `expected/` is pg_regress's in
//! the repository of most extensions.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::owner::{Owner, owner};
use crate::config::Project;

/// The directory of goldens where `expected` has other files.
const ELSEWHERE: &str = "goldens";

/// The directory of a project's goldens.
#[derive(Debug, Clone)]
pub struct Directory {
    /// The directory, which need not exist.
    pub path: PathBuf,
    /// A file of others, for which it is not the usual directory.
    yields_to: Option<PathBuf>,
    /// How to have it elsewhere.
    pub(super) hint: String,
}

impl Directory {
    /// That of a project: what it says, or else the usual one, or else one that holds goldens alone.
    pub fn of(project: &Project) -> Self {
        let usual = project.expected.clone();
        let other = usual.with_file_name(ELSEWHERE);
        let is_usual = project.says_expected || has_goldens(&usual);
        let foreign = || files(&usual).find(|file| matches!(owner(file), Ok(Owner::Others(_))));
        let yields_to = if is_usual { None } else { foreign() };
        let path = if yields_to.is_some() || !is_usual && has_goldens(&other) { other } else { usual };
        let name = if path.file_name() == Some(OsStr::new(ELSEWHERE)) { "mcspec-goldens" } else { ELSEWHERE };
        Directory { path, yields_to, hint: project.hint(name) }
    }

    /// What somebody should know who finds the first golden there.
    pub fn note(&self) -> Option<String> {
        let foreign = self.yields_to.as_ref().filter(|_| !self.path.exists())?;
        let (path, other) = (self.path.display(), foreign.display());
        Some(format!("goldens are kept in \"{path}\", since \"{other}\" is not one\nHINT:  {}", self.hint))
    }
}

fn has_goldens(directory: &Path) -> bool {
    files(directory).any(|file| matches!(owner(&file), Ok(Owner::Ours { .. })))
}

/// What is called as goldens are, or as the files of pg_regress.
fn files(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let files = WalkDir::new(directory).sort_by_file_name().into_iter().filter_map(Result::ok);
    files.map(walkdir::DirEntry::into_path).filter(|file| file.extension() == Some(OsStr::new("out")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GOLDEN: &str = "mcspec golden 1\nspec x\n";

    /// Names and texts.
    type Files<'a> = &'a [(&'a str, &'a str)];

    #[test]
    fn goldens_are_kept_apart_from_other_files() {
        let usual = ("expected", false);
        let other = ("goldens", true);
        let table: &[(Files, bool, (&str, bool))] = &[
            (&[], false, usual),
            (&[("expected/.gitignore", "*\n"), ("expected/notes.txt", "?")], false, usual),
            (&[("expected/a.out", GOLDEN)], false, usual),
            (&[("expected/hypopg.out", "SELECT 1;\n")], false, other),
            (&[("expected/sub/hypopg.out", "")], false, other),
            // As the project says.
            (&[("expected/hypopg.out", "SELECT 1;\n")], true, usual),
            // Where they were before.
            (&[("expected/hypopg.out", "SELECT 1;\n"), ("expected/a.out", GOLDEN)], false, usual),
            (&[("expected/hypopg.out", "SELECT 1;\n"), ("goldens/a.out", GOLDEN)], false, ("goldens", false)),
            (&[("goldens/a.out", GOLDEN)], false, ("goldens", false)),
        ];
        for &(files, says_expected, (name, is_said)) in table {
            let root = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let path = root.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let project = Project { expected: root.path().join("expected"), says_expected, ..Project::default() };
            let directory = Directory::of(&project);
            assert_eq!(directory.path, root.path().join(name), "{files:?}");
            assert_eq!(directory.note().is_some(), is_said, "{files:?}");
        }
    }
}
