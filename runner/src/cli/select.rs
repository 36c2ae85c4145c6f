//! Which specs a command is about.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args;
use globset::{Glob, GlobMatcher};

use super::catalog::{Entry, catalog, is_spec_file, named, place};
use super::complaint::{Complaint, guarded};
use super::complete;
use crate::config::Config;
use crate::language::suggest;
use crate::plan::schedule::{self, Group};
use crate::plan::{Loaded, load};

#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Schedules, names of specs, globs over names, or spec files; without any, the schedule
    #[arg(value_name = "SPEC", add = complete::specs())]
    specs: Vec<OsString>,

    /// Only specs with this tag, or with '!TAG' only those without it; repeatable
    #[arg(short, long, value_name = "TAG", add = complete::tags())]
    tag: Vec<String>,

    /// Leave out specs whose names match; repeatable
    #[arg(long, value_name = "GLOB", add = complete::names())]
    skip: Vec<String>,
}

impl Selection {
    /// The selected specs as they are, group by group in the order of the schedule.
    ///
    /// A name or glob that fits no spec selects nothing. Specs that the schedule groups stay in their groups, whichever
    /// way they were selected; others run one at a time.
    pub(super) fn groups(&self, config: &Config) -> Result<Vec<Vec<Entry>>, Complaint> {
        let mut catalog = catalog(&config.project.specs)?;
        let default = &config.project.schedule;
        let mut scheduled: Vec<Group> = Vec::new();
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut files: Vec<PathBuf> = Vec::new();
        let mut are_named = false;
        if self.specs.is_empty() {
            scheduled = read_schedule(default, &catalog)?;
        }
        for argument in &self.specs {
            if is_schedule(argument, default, &catalog) {
                let path = if Path::new(argument).exists() { Path::new(argument) } else { default.as_path() };
                scheduled.extend(read_schedule(path, &catalog)?);
                continue;
            }
            are_named = true;
            if !is_spec_file(argument) {
                names.extend(matching(&argument.to_string_lossy(), &catalog)?);
                continue;
            }
            let path = Path::new(argument);
            if !path.is_file() {
                let message = format!("spec file \"{}\" does not exist", path.display());
                return Err(Complaint::Argument { message, hint: None });
            }
            let is_it = |other: &Path| place(other) == place(path);
            match catalog.iter().find(|entry| is_it(&entry.path)) {
                Some(entry) => drop(names.insert(entry.name.clone())),
                None if files.iter().any(|file| is_it(file)) => {}
                None => files.push(path.to_owned()),
            }
        }

        let mut wanted: BTreeSet<String> =
            scheduled.iter().flat_map(|group| group.names.clone()).chain(names).collect();
        let selected: Vec<Entry> = catalog.iter().filter(|entry| wanted.contains(&entry.name)).cloned().collect();
        let files = named(config, &files, &selected)?;
        // One of the project that is not to run gives its name away.
        catalog.retain(|entry| files.iter().all(|file| file.name != entry.name));
        wanted.extend(files.iter().map(|file| file.name.clone()));
        catalog.extend(files);
        if are_named {
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
                match guarded(&entry.path, || load(&entry.name, &entry.path)) {
                    Some(Ok(spec)) => loaded.push(spec),
                    Some(Err(found)) => problems.extend(found),
                    None => {}
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

/// Whether an argument means a schedule: the word, or a file that is no spec and is not called as one.
fn is_schedule(argument: &OsStr, default: &Path, catalog: &[Entry]) -> bool {
    let is_name = || catalog.iter().any(|entry| *entry.name == *argument);
    argument == "schedule"
        || Path::new(argument) == default
        || !is_spec_file(argument) && Path::new(argument).is_file() && !is_name()
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
