//! What has become of the goldens since a release.

use std::path::{Path, PathBuf};
use std::process::Command;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Goldens that differ from those of a tag.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Goldens {
    /// The tag.
    pub since: String,
    /// Those that are new.
    pub added: Vec<String>,
    /// Those that have other rows.
    pub changed: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
}

impl Goldens {
    /// How many there are of all three.
    pub fn count(&self) -> usize {
        self.added.len() + self.changed.len() + self.removed.len()
    }

    /// What differs below a directory, also what is not committed; none where there is neither a repository nor a tag.
    ///
    /// # Errors
    ///
    /// A tag that was asked for is not there; what git says.
    pub fn since(tag: Option<&str>, expected: &Path) -> Result<Option<Self>, String> {
        let directory = if expected.is_dir() { expected.to_owned() } else { PathBuf::from(".") };
        let since = match tag {
            Some(tag) => {
                let named = format!("{tag}^{{commit}}");
                git(&directory, &["rev-parse", "--verify", "--quiet", &named]).map_err(|said| {
                    if said.is_empty() {
                        format!("there is no tag \"{tag}\"")
                    } else {
                        format!("there is no tag \"{tag}\": {}", said.trim_start_matches("fatal: "))
                    }
                })?;
                tag.to_owned()
            }
            None => match git(&directory, &["describe", "--tags", "--abbrev=0"]) {
                Ok(tag) => tag.trim().to_owned(),
                Err(_) => return Ok(None),
            },
        };
        let list = git(&directory, &["diff", "--name-status", "--no-renames", "-z", "--relative", &since, "--", "."])?;
        let others = git(&directory, &["ls-files", "--others", "--exclude-standard", "-z"])?;
        let mut goldens = Goldens { since, ..Goldens::default() };
        goldens.take(&list);
        goldens.added.extend(others.split('\0').filter(|file| is_golden(file)).map(str::to_owned));
        goldens.added.sort();
        Ok(Some(goldens))
    }

    /// Takes the pairs of a letter and a file.
    fn take(&mut self, list: &str) {
        let mut words = list.split('\0');
        while let (Some(letter), Some(file)) = (words.next(), words.next()) {
            let files = match letter {
                "A" => &mut self.added,
                "D" => &mut self.removed,
                _ => &mut self.changed,
            };
            if is_golden(file) {
                files.push(file.to_owned());
            }
        }
    }
}

fn is_golden(file: &str) -> bool {
    file.ends_with(".out")
}

fn git(directory: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git").arg("-C").arg(directory).args(arguments).output();
    let output = output.map_err(|error| format!("could not run git: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_differs_from_a_tag_is_found() {
        let directory = tempfile::tempdir().expect("a directory");
        let (at, expected) = (directory.path(), directory.path().join("expected"));
        fs::create_dir(&expected).expect("made");
        assert_eq!(Goldens::since(None, &expected), Ok(None));
        let run = |arguments: &[&str]| {
            let own = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
            git(at, &[&own[..], arguments].concat()).unwrap_or_else(|said| panic!("{arguments:?}: {said}"))
        };
        run(&["init", "-q"]);
        for name in ["same.out", "other.out", "gone.out", "readme.md"] {
            fs::write(expected.join(name), name).expect("written");
        }
        run(&["add", "-A"]);
        run(&["commit", "-q", "-m", "a"]);
        assert_eq!(Goldens::since(None, &expected), Ok(None));
        run(&["tag", "v1"]);
        fs::write(expected.join("other.out"), "x").expect("written");
        fs::write(expected.join("readme.md"), "x").expect("written");
        fs::remove_file(expected.join("gone.out")).expect("removed");
        fs::write(expected.join("new.out"), "x").expect("written");
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let goldens = Goldens {
            since: "v1".to_owned(),
            added: names(&["new.out"]),
            changed: names(&["other.out"]),
            removed: names(&["gone.out"]),
        };
        assert_eq!(Goldens::since(None, &expected), Ok(Some(goldens.clone())));
        run(&["add", "-A"]);
        run(&["commit", "-q", "-m", "b"]);
        assert_eq!(Goldens::since(Some("v1"), &expected), Ok(Some(goldens)));
        assert_eq!(Goldens::since(Some("v2"), &expected), Err("there is no tag \"v2\"".to_owned()));
    }
}
