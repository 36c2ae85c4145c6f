//! The directories in which extensions were built, for what is run in them later: their regression suites.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use walkdir::DirEntry;

use super::super::error::ServerError;
use super::super::kept::{Digest, Entry, Key, Kind};
use super::super::tree::{self, Treatment};
use super::Site;
use crate::config::ExtensionSource;

/// A directory in which an extension was built, in this run or an earlier one.
#[derive(Debug)]
pub struct Tree {
    /// Where it is.
    pub(in super::super) path: PathBuf,
    /// Where it was, and the staged copy of the server, when it was built: files in it may name both.
    pub(in super::super) was: PathBuf,
    pub(in super::super) staged: PathBuf,
    /// It is kept as long as this is there.
    _entry: Option<Entry>,
}

/// Those of this run, by the names of extensions, and under which key each is kept for later runs.
#[derive(Debug, Default)]
pub(in super::super) struct Trees(Mutex<BTreeMap<String, (PathBuf, Option<Key>)>>);

/// The file in an entry that says where the tree was, and the directory that it is in.
const ORIGIN: &str = "origin";
const TREE: &str = "tree";

impl Trees {
    /// Takes note of a copy of the sources in which an extension is about to be built.
    pub(super) fn add(&self, source: &ExtensionSource, copy: &Path, site: Site, treatment: fn(&DirEntry) -> Treatment) {
        let key = key(source, copy, site, treatment);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(source.name.clone(), (copy.to_owned(), key));
    }

    /// The one of this run, which is kept for later ones now.
    pub(super) fn of_this_run(&self, source: &ExtensionSource, site: Site) -> Option<Tree> {
        let (path, key) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&source.name).cloned()?;
        if let Some((kept, key)) = site.run.kept().zip(key) {
            kept.keep(Kind::Tree, &key, |content| store(&path, content, site));
        }
        Some(Tree { was: path.clone(), path, staged: site.top.to_owned(), _entry: None })
    }
}

/// The one that an earlier run has kept.
pub(super) fn of_an_earlier_run(
    source: &ExtensionSource,
    path: &Path,
    site: Site,
    treatment: fn(&DirEntry) -> Treatment,
) -> Option<Tree> {
    let entry = site.run.kept()?.find(Kind::Tree, &key(source, path, site, treatment)?)?;
    let origin = fs::read_to_string(entry.content().join(ORIGIN)).ok()?;
    let (was, staged) = origin.split_once('\n')?;
    Some(Tree { path: entry.content().join(TREE), was: was.into(), staged: staged.into(), _entry: Some(entry) })
}

/// What the tree is kept under that is made of these sources. What was built before has no part in it: tests are not run by that.
fn key(source: &ExtensionSource, root: &Path, site: Site, treatment: fn(&DirEntry) -> Treatment) -> Option<Key> {
    let mut digest = Digest::default();
    digest.mcspec();
    digest.installation(site.original);
    digest.surroundings();
    digest.add("section", format!("{source:?}").as_bytes());
    digest.tree(root, treatment).ok()?;
    Some(digest.key())
}

fn store(tree: &Path, content: &Path, site: Site) -> Result<(), ServerError> {
    let to = content.join(TREE);
    tree::make_directories(content, &to)?;
    tree::copy(tree, &to, None, |_| Treatment::Each)?;
    let origin = content.join(ORIGIN);
    let text = format!("{}\n{}", tree.display(), site.top.display());
    fs::write(&origin, text).map_err(ServerError::file("write", &origin))
}
