//! Builds that an earlier run has made are not made again.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::DirEntry;

use super::super::error::ServerError;
use super::super::kept::{Digest, Entry, Kept, Key, Kind};
use super::super::tree::Treatment;
use super::overlay::{self, Snapshot};
use super::{Site, shell};
use crate::config::ExtensionSource;

/// What extensions may be built by that others have installed before them.
#[derive(Debug, Default)]
pub(in super::super) struct Before(RefCell<Known>);

#[derive(Debug, Default)]
struct Known {
    keys: Vec<String>,
    /// There is something whose key is not known.
    is_unknown: bool,
}

impl Before {
    /// Says that an extension has installed something that others may be built by.
    pub(super) fn add(&self, key: Option<&Key>) {
        let mut known = self.0.borrow_mut();
        match key {
            Some(key) => known.keys.push(key.to_string()),
            None => known.is_unknown = true,
        }
    }
}

/// Where builds are kept, and what their keys begin with; none where nothing can be kept.
fn base<'a>(source: &ExtensionSource, site: Site<'a>) -> Option<(&'a Kept, Digest)> {
    let kept = site.run.kept()?;
    let before = site.before.0.borrow();
    let mut digest = Digest::default();
    digest.mcspec();
    digest.installation(site.original);
    digest.surroundings();
    digest.add("section", format!("{source:?}").as_bytes());
    // What debug information says is relative to this.
    let here = std::env::current_dir().unwrap_or_default();
    digest.add("here", here.as_os_str().as_encoded_bytes());
    before.keys.iter().for_each(|key| digest.add("before", key.as_bytes()));
    (!before.is_unknown).then_some((kept, digest))
}

/// Lays what is kept under a key over the staged copy, if there is anything.
fn lay(kept: &Kept, key: &Key, site: Site) -> Result<bool, ServerError> {
    let Some(entry) = kept.find(Kind::Built, key) else { return Ok(false) };
    overlay::lay(entry.content(), site)?;
    if overlay::is_base(entry.content()) {
        site.before.add(Some(key));
    }
    Ok(true)
}

/// Runs `build`, which installs in the staged copy, and keeps what it has installed under the key that it returns.
fn build_and_keep(
    kept: Option<&Kept>,
    site: Site,
    build: impl FnOnce() -> Result<Option<Key>, ServerError>,
) -> Result<(), ServerError> {
    let before = Snapshot::of(site);
    let key = build()?;
    let files = before.since(site);
    let is_base = overlay::is_read_by_others(&files, site);
    let keep =
        |(kept, key): (&Kept, &Key)| kept.keep(Kind::Built, key, |content| overlay::store(&files, content, site));
    let entry = kept.zip(key.as_ref()).and_then(keep);
    if is_base {
        site.before.add(key.as_ref().filter(|_| entry.is_some()));
    }
    Ok(())
}

/// Installs what `build` makes of a copy of the sources, or has made in an earlier run.
pub(super) fn of_copy(
    source: &ExtensionSource,
    path: &Path,
    site: Site,
    treatment: fn(&DirEntry) -> Treatment,
    build: impl FnOnce(&Path) -> Result<(), ServerError>,
) -> Result<(), ServerError> {
    let base = base(source, site);
    let key = |root: &Path, digest: &Digest| {
        let mut digest = digest.clone();
        digest.tree(root, treatment).map(|()| digest.key())
    };
    if let Some((kept, digest)) = &base
        && lay(kept, &key(path, digest)?, site)?
    {
        return Ok(());
    }
    let copy = shell::copy(source, path, site.run, treatment)?;
    // Of what is built: the sources may have changed meanwhile.
    let key = base.as_ref().map(|(_, digest)| key(&copy, digest)).transpose()?;
    site.trees.add(source, &copy, site, treatment);
    build_and_keep(base.map(|(kept, _)| kept), site, || build(&copy).map(|()| key))
}

/// The file in which an entry lists directories.
const DIRECTORIES: &str = "directories";

/// Installs what cargo makes of the directories that `build` returns, or has made in an earlier run.
pub(super) fn of_cargo(
    source: &ExtensionSource,
    path: &Path,
    site: Site,
    build: impl FnOnce(&Path, &mut dyn FnMut(&[PathBuf])) -> Result<(), ServerError>,
) -> Result<(), ServerError> {
    let here = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let base = base(source, site).map(|(kept, mut digest)| {
        digest.add("path", here.as_os_str().as_encoded_bytes());
        digest.rust(&here);
        (kept, digest)
    });
    let key = |digest: &Digest, directories: &[PathBuf]| {
        let mut digest = digest.clone();
        for directory in directories {
            digest.add("directory", directory.as_os_str().as_encoded_bytes());
            digest.tree(directory, of_crates).ok()?;
        }
        Some(digest.key())
    };
    if let Some((kept, digest)) = &base
        && let Some(directories) = directories(kept, &digest.clone().key())
        && let Some(key) = key(digest, &directories)
        && lay(kept, &key, site)?
    {
        return Ok(());
    }

    let shared = site.run.kept().and_then(|kept| shared(kept, &here, site));
    let target = match &shared {
        Some(entry) => entry.content().to_owned(),
        None => site.run.subdirectory(&format!("cargo-{}", source.name))?,
    };
    build_and_keep(base.as_ref().map(|(kept, _)| *kept), site, || {
        let mut before: Option<(Vec<PathBuf>, Key)> = None;
        build(&target, &mut |directories| {
            let key = base.as_ref().and_then(|(_, digest)| key(digest, directories));
            before = key.map(|key| (directories.to_owned(), key));
        })?;
        let Some(((kept, digest), (directories, before))) = base.as_ref().zip(before) else { return Ok(None) };
        // They may have changed while cargo read them.
        let is_same = key(digest, &directories).is_some_and(|now| now == before);
        if is_same {
            let list: Vec<&str> = directories.iter().filter_map(|directory| directory.to_str()).collect();
            let write = |content: &Path| {
                let file = content.join(DIRECTORIES);
                fs::write(&file, list.join("\n")).map_err(ServerError::file("write", &file))
            };
            kept.replace(Kind::Roots, &digest.clone().key(), write);
        }
        Ok(is_same.then_some(before))
    })
}

/// The directories that an earlier run has found for a key.
fn directories(kept: &Kept, key: &Key) -> Option<Vec<PathBuf>> {
    let entry = kept.find(Kind::Roots, key)?;
    let text = fs::read_to_string(entry.content().join(DIRECTORIES)).ok()?;
    Some(text.lines().map(PathBuf::from).collect())
}

/// The directory for what cargo compiles for a server of that place.
fn shared(kept: &Kept, path: &Path, site: Site) -> Option<Entry> {
    let mut digest = Digest::default();
    digest.add("path", path.as_os_str().as_encoded_bytes());
    digest.add("server", site.original.pg_config.as_os_str().as_encoded_bytes());
    digest.add("version", site.original.version.text.as_bytes());
    kept.shared(Kind::Cargo, &digest.key())
}

/// What is no source of a crate.
fn of_crates(entry: &DirEntry) -> Treatment {
    let is_built =
        entry.file_type().is_dir() && (entry.file_name() == ".git" || entry.path().join("CACHEDIR.TAG").exists());
    if is_built || shell::is_of_mcspec(entry) { Treatment::Skip } else { Treatment::Each }
}
