//! Which specs a command is about.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use globset::{Glob, GlobMatcher};
use walkdir::{DirEntry, WalkDir};

use super::complaint::Complaint;
use crate::config::Config;
use crate::language::suggest;
use crate::plan::schedule::{self, Group};
use crate::plan::{Loaded, load};

/// What every spec file is called.
const SUFFIX: &str = ".mcspec";

/// What the specs of isolationtester are called, which can be run too.
const ISOLATION_SUFFIX: &str = ".spec";

#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Schedules, names of specs, globs over names, or spec files; without any, the schedule
    #[arg(value_name = "SPEC")]
    specs: Vec<String>,

    /// Only specs with this tag, or with '!TAG' only those without it; repeatable
    #[arg(short, long, value_name = "TAG")]
    tag: Vec<String>,

    /// Leave out specs whose names match; repeatable
    #[arg(long, value_name = "GLOB")]
    skip: Vec<String>,
}

/// A spec's name and its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path below the directory of specs, without suffix.
    pub(super) name: String,
    /// The file.
    pub(super) path: PathBuf,
}

/// The specs of the project, by name.
pub(super) fn catalog(config: &Config) -> Vec<Entry> {
    let root = &config.project.specs;
    let files = WalkDir::new(root).sort_by_file_name().into_iter().filter_map(Result::ok);
    let is_spec = |file: &DirEntry| file.file_type().is_file() && file.path().to_string_lossy().ends_with(SUFFIX);
    files.filter(is_spec).filter_map(|file| entry(root, file.path())).collect()
}

/// The entry of a spec file; files outside the directory of specs go by their own name.
fn entry(root: &Path, path: &Path) -> Option<Entry> {
    let below = path.strip_prefix(root).ok().or_else(|| path.file_name().map(Path::new))?;
    let name = below.to_str()?;
    let name = name.strip_suffix(SUFFIX).or_else(|| name.strip_suffix(ISOLATION_SUFFIX))?;
    Some(Entry { name: name.to_owned(), path: path.to_owned() })
}

impl Selection {
    /// The selected specs as they are, group by group in the order of the schedule.
    ///
    /// A name or glob that fits no spec selects nothing. Specs that the schedule groups stay in their groups, whichever
    /// way they were selected; others run one at a time.
    pub(super) fn groups(&self, config: &Config) -> Result<Vec<Vec<Entry>>, Complaint> {
        let mut catalog = catalog(config);
        let default = &config.project.schedule;
        let mut scheduled: Vec<Group> = Vec::new();
        let mut names: BTreeSet<String> = BTreeSet::new();
        let named = self.specs.iter().any(|argument| !is_schedule(argument, default));
        if self.specs.is_empty() {
            scheduled = read_schedule(default, &catalog)?;
        }
        for argument in &self.specs {
            if is_schedule(argument, default) {
                let path = if Path::new(argument).exists() { Path::new(argument) } else { default.as_path() };
                scheduled.extend(read_schedule(path, &catalog)?);
            } else if is_spec_file(argument) {
                let found = entry(&config.project.specs, Path::new(argument)).filter(|entry| entry.path.is_file());
                let found = found.ok_or_else(|| Complaint::Argument {
                    message: format!("spec file \"{argument}\" does not exist"),
                    hint: None,
                })?;
                names.insert(found.name.clone());
                catalog.retain(|entry| entry.name != found.name);
                catalog.push(found);
            } else {
                names.extend(matching(argument, &catalog)?);
            }
        }

        let wanted: BTreeSet<String> = scheduled.iter().flat_map(|group| group.names.clone()).chain(names).collect();
        if named {
            // For the order and the groups of what was named. If the schedule cannot be read, there are none.
            scheduled.extend(read_schedule(default, &catalog).unwrap_or_default());
        }
        let mut left = wanted;
        let mut groups: Vec<Vec<String>> = Vec::new();
        for group in scheduled {
            groups.push(group.names.into_iter().filter(|name| left.remove(name)).collect());
        }
        groups.extend(left.into_iter().map(|name| vec![name]));

        let skip: Vec<GlobMatcher> = self.skip.iter().map(|text| glob(text)).collect::<Result<_, _>>()?;
        let find = |name: String| catalog.iter().find(|entry| entry.name == name).cloned();
        let not_skipped = |name: &String| !skip.iter().any(|glob| glob.is_match(name));
        let entries = |names: Vec<String>| names.into_iter().filter(not_skipped).filter_map(find).collect();
        Ok(groups.into_iter().map(entries).collect())
    }

    /// The selected specs, read.
    pub(super) fn load(&self, config: &Config) -> Result<Vec<Vec<Loaded>>, Complaint> {
        let mut problems = Vec::new();
        let mut groups: Vec<Vec<Loaded>> = Vec::new();
        for group in self.groups(config)? {
            let mut loaded = Vec::new();
            for entry in group {
                match load(&entry.name, &entry.path) {
                    Ok(spec) => loaded.push(spec),
                    Err(found) => problems.extend(found),
                }
            }
            groups.push(loaded);
        }
        if !problems.is_empty() {
            return Err(Complaint::Specs(problems));
        }
        for group in &mut groups {
            group.retain(|loaded| self.has_tags(loaded));
        }
        groups.retain(|group| !group.is_empty());
        if groups.is_empty() {
            let hint = "\"mcspec list\" shows the specs and their tags".to_owned();
            return Err(Complaint::Nothing { message: "no spec is selected".to_owned(), hint: Some(hint) });
        }
        Ok(groups)
    }

    fn has_tags(&self, loaded: &Loaded) -> bool {
        let has = |tag: &str| loaded.spec.tags.iter().any(|own| own.value == tag);
        let (unwanted, wanted): (Vec<&str>, Vec<&str>) =
            self.tag.iter().map(String::as_str).partition(|tag| tag.starts_with('!'));
        (wanted.is_empty() || wanted.iter().any(|tag| has(tag))) && !unwanted.iter().any(|tag| has(&tag[1..]))
    }
}

/// Whether an argument is the name of a file rather than that of a spec.
fn is_spec_file(argument: &str) -> bool {
    argument.ends_with(SUFFIX) || argument.ends_with(ISOLATION_SUFFIX)
}

/// Whether an argument means a schedule: the word, or a file that is no spec.
fn is_schedule(argument: &str, default: &Path) -> bool {
    argument == "schedule" || Path::new(argument) == default || !is_spec_file(argument) && Path::new(argument).is_file()
}

fn read_schedule(path: &Path, catalog: &[Entry]) -> Result<Vec<Group>, Complaint> {
    let known: Vec<String> = catalog.iter().map(|entry| entry.name.clone()).collect();
    Ok(schedule::read(path, &known)?)
}

fn glob(text: &str) -> Result<GlobMatcher, Complaint> {
    let invalid = |error: globset::Error| Complaint::Argument {
        message: format!("invalid glob \"{text}\": {}", error.kind()),
        hint: None,
    };
    Ok(Glob::new(text).map_err(invalid)?.compile_matcher())
}

/// The names that an argument stands for, at least one.
fn matching(argument: &str, catalog: &[Entry]) -> Result<Vec<String>, Complaint> {
    let glob = glob(argument)?;
    let fits = |entry: &&Entry| entry.name == argument || glob.is_match(&entry.name);
    let found: Vec<String> = catalog.iter().filter(fits).map(|entry| entry.name.clone()).collect();
    if found.is_empty() {
        let near = suggest::closest(argument, catalog.iter().map(|entry| entry.name.as_str()));
        return Err(Complaint::Nothing {
            message: format!("no spec matches \"{argument}\""),
            hint: near.map(suggest::did_you_mean),
        });
    }
    Ok(found)
}
