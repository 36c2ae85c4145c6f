//! Files as the repository has them that is checked out: what annotations name.

use std::path::{Component, Path, PathBuf};

use memcheck_core::{Frame, Site};

/// A checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    root: PathBuf,
    /// The current directory, which paths of specs are relative to.
    current: PathBuf,
}

/// A line of a file of the checkout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SourceLine {
    /// The file, from the root of the checkout on, with `/`.
    pub(super) file: String,
    /// Its number, from 1.
    pub(super) line: u32,
}

impl Checkout {
    /// The checkout that the current directory is in: the workspace of GitHub Actions, or else the repository of git; where there is
    /// none, the directory itself is taken for it.
    pub fn here() -> Self {
        let current = std::env::current_dir().unwrap_or_default();
        let workspace = std::env::var_os("GITHUB_WORKSPACE").and_then(|path| PathBuf::from(path).canonicalize().ok());
        let workspace = workspace.filter(|workspace| current.starts_with(workspace));
        let repository = || current.ancestors().find(|directory| directory.join(".git").exists()).map(Path::to_owned);
        let root = workspace.or_else(repository).unwrap_or_else(|| current.clone());
        Checkout { root, current }
    }

    /// A checkout with that root, seen from a directory in it.
    pub fn of(root: impl Into<PathBuf>, current: impl Into<PathBuf>) -> Self {
        Checkout { root: root.into(), current: current.into() }
    }

    /// The root.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The current directory.
    pub(super) fn current(&self) -> &Path {
        &self.current
    }

    /// A file from the root on; none where it is elsewhere.
    pub(super) fn file(&self, path: &Path) -> Option<String> {
        let whole = lexically(&self.current.join(path));
        let below = whole.strip_prefix(&self.root).ok()?;
        Some(below.to_string_lossy().into_owned())
    }

    /// The line of a frame, where it is one of the checkout. What was compiled from a copy of it somewhere else is found by the end of
    /// its path.
    pub(super) fn line(&self, frame: &Frame) -> Option<SourceLine> {
        let line = frame.line.as_ref()?;
        let path = lexically(&self.current.join(&line.file));
        let here = || self.file(&path).filter(|_| path.is_file());
        let copied = || {
            let mut rest = path.components();
            // What is left is relative.
            rest.next();
            while rest.next().is_some() {
                let end = rest.as_path();
                let found = [&self.current, &self.root].into_iter().map(|at| at.join(end)).find(|file| file.is_file());
                if let Some(file) = found.filter(|_| end != Path::new("")) {
                    return self.file(&file);
                }
            }
            None
        };
        Some(SourceLine { file: here().or_else(copied)?, line: line.number })
    }

    /// The line that is to blame for what a site allocates: that of the site, or else of the innermost of its callers in the same
    /// library that is in the checkout.
    pub(super) fn place(&self, site: &Site) -> Option<SourceLine> {
        let is_site = |frame: &Frame| frame.offset == site.frame.offset && frame.symbol == site.frame.symbol;
        let own = site.stack.iter().position(is_site).map_or(site.stack.len(), |position| position + 1);
        let callers = site.stack[own..].iter().filter(|frame| frame.library == site.frame.library);
        std::iter::once(&site.frame).chain(callers).find_map(|frame| self.line(frame))
    }
}

/// A path without `.` and `..`, whatever is on the disk.
fn lexically(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::fs;

    use memcheck_core::Line;
    use memcheck_core::census::SiteId;

    use super::*;

    #[test]
    fn files_are_named_from_the_root_on() {
        let checkout = Checkout::of("/repo", "/repo/ext");
        for (path, expected) in [
            ("specs/a.mcspec", Some("ext/specs/a.mcspec")),
            ("./specs/a.mcspec", Some("ext/specs/a.mcspec")),
            ("../mcspec.toml", Some("mcspec.toml")),
            ("/repo/src/a.c", Some("src/a.c")),
            ("/elsewhere/a.c", None),
            ("../../a.c", None),
        ] {
            assert_eq!(checkout.file(Path::new(path)).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn lines_are_those_of_the_checkout() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("ext/src")).unwrap();
        for file in ["ext/src/a.c", "ext/top.c", "b.c"] {
            fs::write(root.join(file), "").unwrap();
        }
        let checkout = Checkout::of(&root, root.join("ext"));
        let frame = |file: &str| {
            let line = Some(Line { file: file.to_owned(), number: 7 });
            Frame { library: "x".into(), line, ..Frame::default() }
        };
        for (file, expected) in [
            ("src/a.c", Some("ext/src/a.c")),
            ("src/../src/a.c", Some("ext/src/a.c")),
            (root.join("b.c").to_str().unwrap(), Some("b.c")),
            // Built from a copy.
            ("/tmp/mcspec-1/build-x/src/a.c", Some("ext/src/a.c")),
            ("/tmp/mcspec-1/build-x/top.c", Some("ext/top.c")),
            ("/usr/include/postgresql/15/server/lib/stringinfo.h", None),
            ("src/gone.c", None),
            ("", None),
        ] {
            let line = checkout.line(&frame(file));
            assert_eq!(line.map(|line| line.file).as_deref(), expected, "{file}");
        }
        // The helper of a library that is elsewhere is not where to look.
        let own = Frame { offset: 8, ..frame("/usr/include/helper.h") };
        let caller = Frame { offset: 16, ..frame("src/a.c") };
        let of_server = Frame { library: "postgres".into(), ..frame("b.c") };
        let stack = vec![of_server.clone(), own.clone(), of_server.clone(), caller];
        let site = Site { frame: own.clone(), stack, ..Site::numbered(SiteId(1)) };
        assert_eq!(checkout.place(&site).unwrap().file, "ext/src/a.c");
        let site = Site { stack: vec![own.clone(), of_server], frame: own, ..Site::numbered(SiteId(1)) };
        assert_eq!(checkout.place(&site), None);
    }
}
