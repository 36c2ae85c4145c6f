//! What cargo says about a workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::super::error::ServerError;
use super::super::{Site, unusable};
use super::{absolute, plain, run};
use crate::config::{Crate, ExtensionSource};

/// A version as far as ways of doing things depend on it.
pub(super) type Version = (u64, u64);

/// A workspace.
#[derive(Debug)]
pub(super) struct Metadata {
    /// Its packages.
    pub(super) members: Vec<Package>,
    /// All packages that are built from a directory, by their names: what may have changed.
    pub(super) local: BTreeSet<String>,
    /// Where those are that cargo builds from a directory.
    elsewhere: BTreeSet<PathBuf>,
    /// The version of pgrx.
    pub(super) pgrx: Version,
    /// The same in full.
    pub(super) pgrx_version: String,
    /// Where the sources of what makes scripts are.
    pub(super) sql_graph: Option<PathBuf>,
    /// Where its Cargo.lock is.
    pub(super) root: PathBuf,
}

/// A package of the workspace.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    id: String,
    manifest_path: PathBuf,
    source: Option<String>,
    pub(super) edition: String,
    #[serde(default)]
    pub(super) features: BTreeMap<String, Vec<String>>,
    pub(super) targets: Vec<Target>,
    #[serde(skip)]
    pub(super) directory: PathBuf,
}

/// What a package is built to.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) kind: Vec<String>,
}

#[derive(Deserialize)]
struct Output {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    workspace_root: PathBuf,
}

/// A message of a build.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The directory of the workspace, before cargo looks at what it depends on.
pub(super) fn root(source: &ExtensionSource, path: &Path, site: Site) -> Result<PathBuf, ServerError> {
    let mut cargo = plain(&absolute(path), site);
    cargo.args(["locate-project", "--workspace", "--message-format", "plain"]);
    let output = run(cargo, source, site, "cargo")?;
    let manifest = Path::new(output.trim_end_matches('\n'));
    Ok(manifest.parent().unwrap_or(path).to_owned())
}

impl Metadata {
    /// Asks cargo.
    pub(super) fn of(source: &ExtensionSource, path: &Path, target: &Path, site: Site) -> Result<Self, ServerError> {
        let mut cargo = plain(&absolute(path), site);
        cargo.args(["metadata", "--format-version", "1"]).env("CARGO_TARGET_DIR", target);
        let output = run(cargo, source, site, "cargo")?;
        let output: Output =
            serde_json::from_str(&output).map_err(|error| unusable(source, format!("metadata of cargo: {error}")))?;
        let packages: Vec<Package> = output
            .packages
            .into_iter()
            .map(|package| {
                let directory = package.manifest_path.parent().unwrap_or(Path::new("/")).to_owned();
                Package { directory, ..package }
            })
            .collect();
        let named = |name: &'static str| packages.iter().filter(move |package| package.name == name);
        let pgrx_version = named("pgrx").map(|pgrx| pgrx.version.clone()).next_back().unwrap_or_default();
        Ok(Self {
            local: packages.iter().filter(|one| one.source.is_none()).map(|one| one.name.clone()).collect(),
            elsewhere: packages.iter().filter(|one| one.source.is_none()).map(|one| one.directory.clone()).collect(),
            pgrx: version(&pgrx_version),
            sql_graph: named("pgrx-sql-entity-graph")
                .find(|package| package.version == pgrx_version)
                .map(|package| package.directory.clone()),
            pgrx_version,
            root: output.workspace_root,
            members: packages.iter().filter(|one| output.workspace_members.contains(&one.id)).cloned().collect(),
        })
    }

    /// The directories of all that may have changed: the workspace, and packages that are elsewhere.
    pub(super) fn directories(&self) -> Vec<PathBuf> {
        let elsewhere = self.elsewhere.iter().filter(|directory| !directory.starts_with(&self.root));
        std::iter::once(&self.root).chain(elsewhere).cloned().collect()
    }

    /// The package to build: the one that is named, or that has the extension's control file, or its name, or that is alone.
    pub(super) fn package(
        &self,
        source: &ExtensionSource,
        path: &Path,
        wanted: &Crate,
    ) -> Result<&Package, ServerError> {
        let names = || self.members.iter().map(|package| package.name.as_str()).collect::<Vec<_>>().join(", ");
        let same = |name: &str, other: &str| name.replace('-', "_") == other.replace('-', "_");
        if let Some(name) = &wanted.package {
            let package = self.members.iter().find(|package| same(&package.name, name));
            return package.ok_or_else(|| {
                unusable(source, format!("there is no package \"{name}\" in the workspace, but {}", names()))
            });
        }
        let here = absolute(path).canonicalize().unwrap_or_else(|_| path.to_owned());
        let libraries: Vec<&Package> = self.members.iter().filter(|package| package.cdylib().is_some()).collect();
        let one = |fits: &dyn Fn(&&&Package) -> bool| libraries.iter().find(fits).copied();
        let has_control = |package: &Package| package.directory.join(format!("{}.control", source.name)).is_file();
        one(&|package| has_control(package))
            .or_else(|| one(&|package| same(&package.name, &source.name)))
            .or_else(|| one(&|package| package.directory.canonicalize().is_ok_and(|directory| directory == here)))
            .or_else(|| libraries.first().copied().filter(|_| libraries.len() == 1))
            // It is told of that what is missing.
            .or_else(|| self.members.iter().find(|package| has_control(package)))
            .ok_or_else(|| ServerError::Source {
                extension: source.name.clone(),
                reason: format!("no package of the workspace in \"{}\" has its name or control file", path.display()),
                hint: Some(format!("write package = \"NAME\" into [extension.{}], one of {}", source.name, names())),
            })
    }
}

impl Package {
    /// The library that PostgreSQL loads.
    pub(super) fn cdylib(&self) -> Option<&Target> {
        self.targets.iter().find(|target| target.kind.iter().any(|kind| kind == "cdylib"))
    }
}

/// The library in what a build says it has made.
pub(super) fn built_library(output: &str, package: &Package) -> Option<PathBuf> {
    let messages = output.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let library = messages.filter(|message| {
        let is_library = |target: &Target| target.kind.iter().any(|kind| kind == "cdylib");
        message.reason == "compiler-artifact"
            && message.package_id == package.id
            && message.target.as_ref().is_some_and(is_library)
    });
    library.flat_map(|message| message.filenames).find(|file| file.extension().is_some_and(|suffix| suffix == "so"))
}

/// `0.18.1` is (0, 18).
fn version(text: &str) -> Version {
    let mut numbers = text.split(['.', '-']).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, expected) in [("0.18.1", (0, 18)), ("0.12.0-beta.1", (0, 12)), ("1.0.0", (1, 0)), ("", (0, 0))] {
            assert_eq!(version(text), expected, "{text}");
        }
    }

    #[test]
    fn the_library_is_the_packages_own() {
        let package: Package = serde_json::from_str(
            r#"{"name":"x","version":"1.0.0","id":"path+file:///x#1.0.0","manifest_path":"/x/Cargo.toml","source":null,
                "edition":"2021","targets":[{"name":"x","kind":["cdylib","lib"]}]}"#,
        )
        .expect("a package");
        let output = r#"
{"reason":"compiler-artifact","package_id":"other","target":{"name":"y","kind":["cdylib"]},"filenames":["/t/liby.so"]}
{"reason":"compiler-artifact","package_id":"path+file:///x#1.0.0","target":{"name":"b","kind":["custom-build"]},"filenames":["/t/b"]}
{"reason":"build-script-executed","package_id":"path+file:///x#1.0.0","linked_libs":[]}
{"reason":"compiler-artifact","package_id":"path+file:///x#1.0.0","target":{"name":"x","kind":["cdylib","lib"]},"filenames":["/t/libx.rlib","/t/libx.so"]}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(built_library(output, &package), Some("/t/libx.so".into()));
        assert_eq!(package.cdylib().map(|target| target.name.as_str()), Some("x"));
    }
}
