//! Which specs a command is about.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
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
use crate::plan::{Loaded, Part, load, short_name, splits};

#[derive(Debug, Default, Args)]
pub(super) struct Selection {
    /// Schedules, names of specs, globs over names, or spec files; NAME/SCENARIO for one scenario of a spec; without any, the
    /// schedule, or where there is none all specs
    #[arg(value_name = "SPEC", add = complete::specs())]
    specs: Vec<OsString>,

    /// Only specs with this tag, or with '!TAG' only those without it; repeatable
    #[arg(short, long, value_name = "TAG", add = complete::tags())]
    tag: Vec<String>,

    /// Leave out specs whose names match; repeatable
    #[arg(long, value_name = "GLOB", add = complete::names())]
    skip: Vec<String>,

    /// Only specs in these files, whatever else is selected
    #[arg(long, value_name = "FILE", hide = true)]
    only_file: Vec<PathBuf>,
}

/// How many scenarios are named where another one was asked for.
const NAMED: usize = 20;

/// What of a spec is wanted: these parts of it, or without any all of it.
type Parts = Vec<String>;

/// What is wanted, by the names of the specs.
#[derive(Debug, Default)]
struct Wanted(BTreeMap<String, Parts>);

impl Wanted {
    /// Wants a part of a spec, or all of it. Who wants all of it wants every part.
    fn add(&mut self, spec: &str, part: Option<&str>) {
        match (self.0.entry(spec.to_owned()), part) {
            (Slot::Vacant(entry), part) => drop(entry.insert(part.map(str::to_owned).into_iter().collect())),
            (Slot::Occupied(mut entry), None) => entry.get_mut().clear(),
            (Slot::Occupied(entry), Some(_)) if entry.get().is_empty() => {}
            (Slot::Occupied(mut entry), Some(part)) => entry.get_mut().push(part.to_owned()),
        }
    }
}

/// A spec that was selected, as it is.
struct Selected {
    entry: Entry,
    parts: Parts,
}

impl Selection {
    /// Whether it is what is run without a word about it.
    pub(super) fn is_default(&self) -> bool {
        self.specs.is_empty() && self.tag.is_empty() && self.skip.is_empty() && self.only_file.is_empty()
    }

    /// The selected specs as they are, group by group in the order of the schedule.
    ///
    /// A name or glob that fits no spec selects nothing. Specs that the schedule groups stay in their groups, whichever
    /// way they were selected; others run one at a time. Without a schedule all run at the same time.
    fn groups(&self, config: &Config) -> Result<Vec<Vec<Selected>>, Complaint> {
        let mut catalog = catalog(&config.project.specs)?;
        let default = &config.project.schedule;
        let has_schedule = config.project.has_schedule();
        let mut scheduled: Vec<Group> = Vec::new();
        let mut wanted = Wanted::default();
        let mut files: Vec<(PathBuf, Option<String>)> = Vec::new();
        let mut are_named = false;
        if self.specs.is_empty() {
            match has_schedule {
                true => scheduled = read_schedule(default, &catalog)?,
                false if catalog.is_empty() => return Err(no_specs(config)),
                false => catalog.iter().for_each(|entry| wanted.add(&entry.name, None)),
            }
        }
        for argument in &self.specs {
            if is_schedule(argument, default, &catalog) {
                let path = if Path::new(argument).exists() { Path::new(argument) } else { default.as_path() };
                scheduled.extend(read_schedule(path, &catalog)?);
                continue;
            }
            are_named = true;
            let (path, part) = match file_and_part(argument) {
                Some(found) => found,
                None => {
                    let (names, part) = matching(&argument.to_string_lossy(), &catalog)?;
                    names.iter().for_each(|name| wanted.add(name, part.as_deref()));
                    continue;
                }
            };
            if !path.is_file() {
                let message = format!("spec file \"{}\" does not exist", path.display());
                return Err(Complaint::Argument { message, hint: None });
            }
            let is_it = |other: &Path| place(other) == place(&path);
            match catalog.iter().find(|entry| is_it(&entry.path)) {
                Some(entry) => wanted.add(&entry.name, part.as_deref()),
                None => files.push((path, part)),
            }
        }

        scheduled.iter().flat_map(|group| &group.names).for_each(|name| wanted.add(name, None));
        let selected: Vec<Entry> = catalog.iter().filter(|entry| wanted.0.contains_key(&entry.name)).cloned().collect();
        let mut paths: Vec<PathBuf> = Vec::new();
        for (path, _) in &files {
            if !paths.iter().any(|other| place(other) == place(path)) {
                paths.push(path.clone());
            }
        }
        let outside = named(config, &paths, &selected)?;
        // One of the project that is not to run gives its name away.
        catalog.retain(|entry| outside.iter().all(|file| file.name != entry.name));
        for (path, part) in &files {
            let entry = outside.iter().find(|entry| place(&entry.path) == place(path)).expect("it was named");
            wanted.add(&entry.name, part.as_deref());
        }
        catalog.extend(outside);
        if are_named && has_schedule {
            // For the order and the groups of what was named. If the schedule cannot be read, there are none.
            scheduled.extend(read_schedule(default, &catalog).unwrap_or_default());
        }
        let mut left = wanted.0;
        let mut groups: Vec<Vec<(String, Parts)>> = Vec::new();
        for group in scheduled {
            groups.push(group.names.into_iter().filter_map(|name| left.remove_entry(&name)).collect());
        }
        match has_schedule {
            true => groups.extend(left.into_iter().map(|named| vec![named])),
            false => groups.push(left.into_iter().collect()),
        }

        let skip: Vec<GlobMatcher> = self.skip.iter().map(|text| glob(text)).collect::<Result<_, _>>()?;
        let find = |name: &String| catalog.iter().find(|entry| entry.name == *name).cloned();
        let is_skipped = |name: &String| skip.iter().any(|glob| glob.is_match(name));
        let selected = |group: Vec<(String, Parts)>| {
            let left = group.into_iter().filter(|(name, _)| !is_skipped(name));
            left.filter_map(|(name, parts)| Some(Selected { entry: find(&name)?, parts })).collect()
        };
        Ok(groups.into_iter().map(selected).collect())
    }

    /// Specs that a run of everything leaves out, since the schedule does not have them; none where no run of everything is meant.
    pub(super) fn not_scheduled(&self, config: &Config) -> Result<Vec<String>, Complaint> {
        let default = &config.project.schedule;
        let catalog = catalog(&config.project.specs)?;
        let is_all = |arguments: &[OsString]| match arguments {
            [] => true,
            [one] => is_schedule(one, default, &catalog) && (one == "schedule" || Path::new(one) == default),
            _ => false,
        };
        if !is_all(&self.specs) || !config.project.has_schedule() {
            return Ok(Vec::new());
        }
        let scheduled: BTreeSet<String> =
            read_schedule(default, &catalog)?.into_iter().flat_map(|group| group.names).collect();
        Ok(catalog.into_iter().map(|entry| entry.name).filter(|name| !scheduled.contains(name)).collect())
    }

    /// The selected specs, read.
    pub(super) fn load(&self, config: &Config) -> Result<Vec<Vec<Loaded>>, Complaint> {
        let mut problems = Vec::new();
        let mut groups: Vec<Vec<Loaded>> = Vec::new();
        let mut narrowing = Narrowing::default();
        for group in self.groups(config)? {
            let mut loaded = Vec::new();
            let is_meant = |selected: &Selected| {
                self.only_file.is_empty()
                    || self.only_file.iter().any(|file| place(file) == place(&selected.entry.path))
            };
            for Selected { entry, parts } in group.into_iter().filter(is_meant) {
                match guarded(&entry.path, || load(&entry.name, &entry.path)) {
                    Some(Ok(spec)) => loaded.extend(narrowing.narrow(spec, &parts)),
                    Some(Err(found)) => problems.extend(found),
                    None => {}
                }
            }
            groups.push(loaded);
        }
        if !problems.is_empty() {
            return Err(Complaint::Specs(problems));
        }
        narrowing.end()?;
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

/// A spec file that an argument names, with the part of it that is meant; none for the name of a spec.
fn file_and_part(argument: &OsStr) -> Option<(PathBuf, Option<String>)> {
    if is_spec_file(argument) {
        return Some((argument.into(), None));
    }
    let files = splits(argument.to_str()?).filter(|(file, _)| is_spec_file(OsStr::new(file)));
    files.map(|(file, part)| (file.into(), Some(part.to_owned()))).last()
}

/// The names that an argument stands for, at least one, and the part that is meant of each.
fn matching(argument: &str, catalog: &[Entry]) -> Result<(Vec<String>, Option<String>), Complaint> {
    let fitting = |argument: &str| -> Result<Vec<String>, Complaint> {
        let glob = glob(argument)?;
        let fits = |entry: &&Entry| entry.name == argument || glob.is_match(&entry.name);
        Ok(catalog.iter().filter(fits).map(|entry| entry.name.clone()).collect())
    };
    let found = fitting(argument)?;
    if !found.is_empty() {
        return Ok((found, None));
    }
    for (spec, part) in splits(argument) {
        let found = fitting(spec)?;
        if !found.is_empty() {
            return Ok((found, Some(part.to_owned())));
        }
    }
    let near = suggest::closest(argument, catalog.iter().map(|entry| entry.name.as_str()));
    Err(Complaint::Nothing {
        message: format!("no spec matches \"{argument}\""),
        hint: near.map(suggest::did_you_mean),
    })
}

/// Narrows specs to the parts that are wanted of them.
#[derive(Debug, Default)]
struct Narrowing {
    /// The parts that a spec had.
    had: BTreeSet<String>,
    /// Those that one did not have, with what to say if no other had it: one that fits a glob over specs need not.
    missed: Vec<(String, Complaint)>,
}

impl Narrowing {
    /// A spec without the rest; none where it has nothing of what is wanted.
    fn narrow(&mut self, mut loaded: Loaded, parts: &[String]) -> Option<Loaded> {
        if parts.is_empty() {
            return Some(loaded);
        }
        let titles = loaded.titles();
        let (had, missed): (Vec<&String>, Vec<&String>) =
            parts.iter().partition(|&name| titles.iter().any(|title| Part::of([name.as_str()]).has(title)));
        self.missed.extend(missed.into_iter().map(|name| (name.clone(), no_part(&loaded.name, name, &titles))));
        self.had.extend(had.iter().map(|&name| name.clone()));
        loaded.part = Part::of(had.into_iter().map(String::as_str));
        (!loaded.part.is_whole()).then_some(loaded)
    }

    /// Complains of the first part that no spec had.
    fn end(self) -> Result<(), Complaint> {
        match self.missed.into_iter().find(|(name, _)| !self.had.contains(name)) {
            Some((_, complaint)) => Err(complaint),
            None => Ok(()),
        }
    }
}

fn no_part(spec: &str, name: &str, titles: &[String]) -> Complaint {
    let known = || titles.iter().map(|title| short_name(title));
    let near = suggest::closest(name, known()).map(suggest::did_you_mean);
    let hint = near.unwrap_or_else(|| format!("it has {}", known().take(NAMED).collect::<Vec<_>>().join(", ")));
    Complaint::Nothing { message: format!("spec \"{spec}\" has no scenario \"{name}\""), hint: Some(hint) }
}

fn no_specs(config: &Config) -> Complaint {
    let message = format!("there are no specs in \"{}\"", config.project.specs.display());
    Complaint::Nothing {
        message,
        hint: Some("\"mcspec init\" writes first ones for the extensions of a repository".to_owned()),
    }
}
