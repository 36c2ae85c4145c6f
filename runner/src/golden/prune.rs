//! Goldens that nothing is compared with, and variants that say nothing of their own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::variant::{Variant, most_specific};
use super::{Axes, Golden, GoldenError, Recorded, read};
use crate::config::SUPPORTED_MAJORS;

/// Processors that a golden can be for.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// Why a golden is superfluous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// No spec is compared with it.
    NoSpec,
    /// Another golden is more specific on every supported server, or it is for none.
    NoServer,
    /// Where it is used, the golden that would be used without it says the same.
    SameAsFallback,
}

impl Reason {
    /// The reason in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::NoSpec => "no spec uses it",
            Reason::NoServer => "it is for no supported server",
            Reason::SameAsFallback => "the golden that stands in for it is the same",
        }
    }
}

/// The superfluous goldens of a directory, when these cases have one each. What is not a golden, or not called as one, or
/// cannot be read, is left out.
pub fn superfluous(expected: &Path, cases: &[String]) -> Vec<(PathBuf, Reason)> {
    let mut superfluous = Vec::new();
    let mut used: Vec<Vec<Candidate>> = cases.iter().map(|_| Vec::new()).collect();
    let files = WalkDir::new(expected).sort_by_file_name().into_iter().filter_map(Result::ok);
    let files = files.filter(|file| file.file_type().is_file() && file.path().extension() == Some(OsStr::new("out")));
    for file in files.map(walkdir::DirEntry::into_path) {
        let Ok(Recorded { golden, .. }) = read(&file) else { continue };
        let name = file.strip_prefix(expected).unwrap_or(&file).with_extension("");
        let name = name.to_string_lossy();
        // Of "a" and "a.b", "a.b.pg15" belongs to the longer one.
        let owner = |case: &&(usize, &String)| {
            name.strip_prefix(case.1.as_str()).is_some_and(|axes| axes.is_empty() || axes.starts_with('.'))
        };
        match cases.iter().enumerate().filter(|case| owner(&case)).max_by_key(|(_, case)| case.len()) {
            None => superfluous.push((file, Reason::NoSpec)),
            Some((case, owner)) => {
                if let Ok(variant) = name[owner.len()..].parse() {
                    used[case].push(Candidate { file, variant, golden });
                }
            }
        }
    }
    superfluous.extend(used.into_iter().flat_map(of_case));
    superfluous.sort();
    superfluous
}

struct Candidate {
    file: PathBuf,
    variant: Variant,
    golden: Golden,
}

/// The superfluous goldens of one case. Each one that goes changes what others fall back to.
fn of_case(mut candidates: Vec<Candidate>) -> Vec<(PathBuf, Reason)> {
    let mut superfluous = Vec::new();
    while let Some((position, reason)) = (0..candidates.len()).find_map(|i| Some((i, reason(&candidates, i)?))) {
        superfluous.push((candidates.remove(position).file, reason));
    }
    superfluous
}

fn reason(candidates: &[Candidate], position: usize) -> Option<Reason> {
    // The base stands for servers to come.
    if candidates[position].variant == Variant::default() {
        return None;
    }
    let variants: Vec<Variant> = candidates.iter().map(|candidate| candidate.variant.clone()).collect();
    let mut others = variants.clone();
    others.remove(position);
    let mut is_used = false;
    for axes in servers() {
        // Where it cannot be told which one is meant, none of them is superfluous.
        let chosen = most_specific(&variants, &axes).ok()?;
        if chosen != Some(position) {
            continue;
        }
        is_used = true;
        let fallback = most_specific(&others, &axes).ok().flatten()?;
        let fallback = &candidates[fallback + usize::from(fallback >= position)];
        if fallback.golden.blocks != candidates[position].golden.blocks {
            return None;
        }
    }
    Some(if is_used { Reason::SameAsFallback } else { Reason::NoServer })
}

/// Every server that a golden can be for.
fn servers() -> impl Iterator<Item = Axes> {
    SUPPORTED_MAJORS.flat_map(|major| {
        [false, true].into_iter().flat_map(move |assertions| {
            ARCHITECTURES.into_iter().map(move |arch| Axes { major, assertions, arch: arch.to_owned() })
        })
    })
}

/// Removes a golden.
///
/// # Errors
///
/// The file cannot be removed.
pub fn remove(file: &Path) -> Result<(), GoldenError> {
    fs::remove_file(file).map_err(|error| GoldenError::File { doing: "remove", path: file.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::write;

    /// Names and the subject of the one row.
    type Files<'a> = &'a [(&'a str, &'a str)];

    /// What is superfluous among these goldens.
    fn pruned(cases: &[&str], files: Files) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        for (name, subject) in files {
            let row = format!("ctx_bloat|INFO|{subject}|-|-|-");
            let text = format!("mcspec golden 1\nspec x\n\nscenario window w\n{row}\n(1 violation)\n");
            write(&directory.path().join(format!("{name}.out")), &text).unwrap();
        }
        write(&directory.path().join("other.out"), "psql\n").unwrap();
        let cases: Vec<String> = cases.iter().map(|&case| case.to_owned()).collect();
        let found = superfluous(directory.path(), &cases);
        let name = |path: &Path| path.strip_prefix(directory.path()).unwrap().display().to_string();
        found.into_iter().map(|(path, reason)| format!("{}: {}", name(&path), reason.as_str())).collect()
    }

    #[test]
    fn goldens_without_a_spec_go() {
        let files = [("a", "1"), ("b", "1"), ("sub/a", "1"), ("k[x=0.5]", "1"), ("k[x=1]", "1"), ("ab", "1")];
        assert_eq!(
            pruned(&["a", "sub/a", "k[x=0.5]"], &files),
            ["ab.out: no spec uses it", "b.out: no spec uses it", "k[x=1].out: no spec uses it"]
        );
    }

    #[test]
    fn variants_that_say_nothing_of_their_own_go() {
        let table: &[(Files, &[&str])] = &[
            (&[("a", "1"), ("a.pg15", "1")], &["a.pg15.out"]),
            (&[("a", "1"), ("a.pg15", "2")], &[]),
            // Nothing stands in for it.
            (&[("a.pg15", "1")], &[]),
            (&[("a", "1"), ("a.pg14", "2")], &["a.pg14.out"]),
            // On 16 the narrower one falls back to the wider one, which differs from the base.
            (&[("a", "1"), ("a.pg16", "2"), ("a.pg15-17", "2")], &["a.pg16.out"]),
            // Without pg16 the wider one is the base's equal, and the other way round.
            (&[("a", "1"), ("a.pg16", "1"), ("a.pg15-17", "1")], &["a.pg15-17.out", "a.pg16.out"]),
            (&[("a", "1"), ("a.pg15", "1"), ("a.x86_64", "1")], &[]),
        ];
        for &(files, expected) in table {
            let found = pruned(&["a"], files);
            let names: Vec<&str> = found.iter().filter_map(|line| line.split(": ").next()).collect();
            assert_eq!(names, expected, "{files:?}");
        }
    }

    #[test]
    fn a_name_that_is_no_variant_is_left_alone() {
        assert_eq!(pruned(&["a"], &[("a", "1"), ("a.linux", "1")]), Vec::<String>::new());
    }
}
