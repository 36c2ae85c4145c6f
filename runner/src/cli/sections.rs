//! Which sections of `mcspec.toml` specs need.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use memcheck_core::like::Like;
use walkdir::{DirEntry, WalkDir};

use crate::config::{Config, ExtensionSource};
use crate::init::repository::Control;
use crate::judge::without_running;
use crate::plan::Case;
use crate::server::Installation;

/// How far below the path of a section control files are looked for, in directories.
const DEPTH: usize = 4;

/// What a spec needs.
#[derive(Debug, Default)]
pub(super) struct Needed {
    /// The sections that it cannot do without.
    pub(super) sections: BTreeSet<String>,
    /// Whether it may need any of the others too: what an extension requires, where only its build knows that.
    pub(super) any: bool,
    /// The extensions that nobody is known to have.
    pub(super) unknown: BTreeSet<String>,
}

/// The sections of what a case names: its extensions, with "cascade" those that they require, and its libraries.
pub(super) fn needed(case: &Case, installation: &Installation, config: &Config) -> Needed {
    let mut needed = Needed::default();
    let mut open: Vec<(String, bool)> =
        case.extensions.iter().map(|extension| (extension.name.value.clone(), extension.cascade)).collect();
    let mut seen = BTreeSet::new();
    while let Some((name, cascade)) = open.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let section = provider(&name, config);
        if let Some(section) = section {
            needed.sections.insert(section.name.clone());
        } else if !installation.has(&name) {
            needed.unknown.insert(name.clone());
        }
        if !cascade {
            continue;
        }
        let text = match section {
            Some(section) => control_file(section, &name),
            None => fs::read_to_string(installation.extension_dir().join(format!("{name}.control"))).ok(),
        };
        match text {
            Some(text) => open.extend(Control::read(&name, &text).requires.into_iter().map(|name| (name, true))),
            None => needed.any = true,
        }
    }
    let targets: Vec<Like> = case.targets.iter().map(Like::new).collect();
    let libraries: Vec<&str> = case.preloaded().map(|name| name.strip_prefix("$libdir/").unwrap_or(name)).collect();
    let is_named = |name: &str| libraries.contains(&name) || targets.iter().any(|target| target.matches(name));
    let named = config.extensions.values().filter(|section| section.names().any(is_named));
    needed.sections.extend(named.map(|section| section.name.clone()));
    needed
}

/// The extensions that specs name on an installation and that neither it, with what was built for it, nor a section has.
pub(super) fn unknown<'a>(
    cases: impl Iterator<Item = &'a Case>,
    installation: &Installation,
    config: &Config,
) -> BTreeSet<String> {
    let unknown = cases.filter(|case| without_running(case).is_none());
    let names = unknown.flat_map(|case| needed(case, installation, config).unknown);
    names.filter(|name| !installation.has(name)).collect()
}

/// The section that an extension comes with: one that says so, or else one that has its control file.
fn provider<'a>(name: &str, config: &'a Config) -> Option<&'a ExtensionSource> {
    let mut sections = config.extensions.values();
    let says = sections.clone().find(|section| section.has(name));
    says.or_else(|| sections.find(|section| control_file(section, name).is_some()))
}

/// The control file of an extension among the sources of a section, or what it is made from.
fn control_file(section: &ExtensionSource, name: &str) -> Option<String> {
    let names = [format!("{name}.control"), format!("{name}.control.in")];
    let is_searched = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || matches!(&*name, "target" | "node_modules" | "results"))
    };
    let top = Path::new(".").join(&section.path);
    let walk = WalkDir::new(top).max_depth(DEPTH).sort_by_file_name().into_iter().filter_entry(is_searched);
    let found = walk.flatten().find(|entry| names.iter().any(|name| entry.file_name() == name.as_str()))?;
    fs::read(found.path()).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
