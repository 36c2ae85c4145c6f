//! `mcspec run --watch`: runs again what a change touches. Whoever writes a file - an editor that replaces it, a compiler, git - is not
//! asked for; what is looked at is how the files are. What a run itself writes is not among them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use walkdir::{DirEntry, WalkDir};

use super::complaint::Complaint;
use super::exit::Exit;
use super::run::note;
use super::select::Selection;
use super::signals;
use super::terminal::Keys;
use crate::config::{Build, Config, ExtensionSource, SUPPORTED_MAJORS};
use crate::golden::Directory;
use crate::plan::Loaded;
use crate::server::is_interrupted;

/// How often files are looked at. A change is taken up when it is over: when they have stayed as they are for as long.
const INTERVAL: Duration = Duration::from_millis(300);

/// How far below a directory files are looked for that are built already.
const DEPTH: usize = 6;

/// The option, which a run that is started does not get.
const OPTION: &str = "--watch";

/// By which a file is known to be the same: inode, size, and time of its last change.
type Stamp = (u64, u64, i64, i64);

/// What there is of files, and how they are.
type State = BTreeMap<PathBuf, Stamp>;

/// A spec, and what it depends on.
struct Subject {
    name: String,
    spec: PathBuf,
    /// The spec and what it refers to.
    files: BTreeSet<PathBuf>,
    /// The sources of its extensions.
    sources: Vec<PathBuf>,
    /// Its extensions, for what is built of them already.
    built: Vec<ExtensionSource>,
}

/// Why a run starts.
enum Why {
    /// All are to run.
    All,
    /// These files have changed.
    Changed(Vec<PathBuf>),
}

/// Runs, and runs again, until somebody has seen enough.
pub(super) fn watch(selection: &Selection, config: &Config) -> Result<Exit, Complaint> {
    let terminal = |error| Complaint::Output { what: "to the terminal".to_owned(), error };
    signals::handle()?;
    signals::begin();
    let mut keys = Keys::beside_signals().map_err(terminal)?;
    let mut subjects = Vec::new();
    let mut config = config.clone();
    let mut why = Why::All;
    loop {
        // What changes while a run is under way has not been seen by it.
        config = Config::load().unwrap_or(config);
        if let Ok(loaded) = selection.load(&config) {
            subjects = loaded.iter().flatten().map(|loaded| Subject::of(loaded, &config)).collect();
        }
        let before = state(&subjects, &config);
        let touched = touched(&why, &subjects, &config);
        if let Why::Changed(files) = &why {
            say(&format!("\nchanged: {}", names(files)));
        }
        // A change that no spec depends on, such as to a golden of another one, is none.
        if touched.as_ref().is_none_or(|specs| !specs.is_empty()) {
            start(touched.unwrap_or_default())?;
        }
        if is_interrupted() {
            return Ok(Exit::Ok);
        }
        let count = if subjects.len() == 1 { "1 spec".to_owned() } else { format!("{} specs", subjects.len()) };
        let how = if keys.is_some() { "; r runs all again, q ends" } else { "" };
        say(&format!("watching {count} and what they depend on{how}"));
        let Some(next) = wait(&before, &subjects, &config, &mut keys).map_err(terminal)? else { return Ok(Exit::Ok) };
        why = next;
    }
}

/// Runs the specs; with none, all that are selected.
fn start(specs: Vec<PathBuf>) -> Result<(), Complaint> {
    let failed = |error| Complaint::Output { what: "the run that is watched".to_owned(), error };
    let program = std::env::current_exe().map_err(failed)?;
    let arguments: Vec<OsString> = std::env::args_os().skip(1).filter(|argument| argument != OPTION).collect();
    let only = specs.into_iter().flat_map(|spec| [OsString::from("--only-file"), spec.into_os_string()]);
    let mut run = Command::new(program);
    // Keys are for this process.
    run.args(arguments).args(only).stdin(Stdio::null());
    run.status().map(drop).map_err(failed)
}

/// Waits for a change that is over, or a key; none to end.
fn wait(
    before: &State,
    subjects: &[Subject],
    config: &Config,
    keys: &mut Option<Keys>,
) -> std::io::Result<Option<Why>> {
    let mut last = before.clone();
    loop {
        match keys {
            Some(keys) => match keys.within(INTERVAL)? {
                Some(b'q' | 0x04) => return Ok(None),
                Some(b'r' | b'\n') => return Ok(Some(Why::All)),
                _ => {}
            },
            None => thread::sleep(INTERVAL),
        }
        if is_interrupted() {
            return Ok(None);
        }
        let now = state(subjects, config);
        if now != *before && now == last {
            let paths = before.keys().chain(now.keys()).collect::<BTreeSet<_>>();
            let changed = paths.into_iter().filter(|path| before.get(*path) != now.get(*path)).cloned();
            return Ok(Some(Why::Changed(changed.collect())));
        }
        last = now;
    }
}

/// The specs that a change touches; none stands for all.
fn touched(why: &Why, subjects: &[Subject], config: &Config) -> Option<Vec<PathBuf>> {
    let Why::Changed(files) = why else { return None };
    let known: BTreeSet<&Path> = subjects.iter().map(|subject| subject.spec.as_path()).collect();
    // A spec that is new or has errors may be any; so may be what the files of the project say.
    let is_for_all = |file: &PathBuf| {
        *file == project_file(config)
            || *file == absolute(&config.project.schedule)
            || file.starts_with(absolute(&config.project.specs))
                && file.extension().is_some_and(|suffix| suffix == "mcspec")
                && !known.contains(file.as_path())
    };
    if files.iter().any(is_for_all) {
        return None;
    }
    let goldens = absolute(&Directory::of(&config.project).path);
    let depends = |subject: &&Subject| files.iter().any(|file| subject.depends_on(file, &goldens));
    Some(subjects.iter().filter(depends).map(|subject| subject.spec.clone()).collect())
}

impl Subject {
    fn of(loaded: &Loaded, config: &Config) -> Self {
        let named = loaded.extensions();
        let used = config.extensions.values().filter(|source| named.iter().any(|name| source.has(name)));
        Self {
            name: loaded.name.clone(),
            spec: absolute(&loaded.source.path),
            files: loaded.files().map(absolute).collect(),
            built: used.clone().cloned().collect(),
            sources: used.map(|source| absolute(&source.path)).collect(),
        }
    }

    fn depends_on(&self, file: &Path, goldens: &Path) -> bool {
        let of_golden = file.strip_prefix(goldens).ok().and_then(Path::to_str);
        let is_golden = of_golden.and_then(|name| name.strip_prefix(self.name.as_str()));
        self.files.contains(file)
            || is_golden.is_some_and(|rest| rest.starts_with(['.', '[']))
            || self.sources.iter().any(|source| file.starts_with(source))
    }
}

/// All files that somebody depends on, and those that may become such.
fn state(subjects: &[Subject], config: &Config) -> State {
    let mut state = State::new();
    let mut add = |path: &Path| {
        if let Ok(found) = path.metadata()
            && found.is_file()
        {
            state.insert(path.to_owned(), (found.ino(), found.len(), found.mtime(), found.mtime_nsec()));
        }
    };
    add(&project_file(config));
    add(&absolute(&config.project.schedule));
    subjects.iter().flat_map(|subject| &subject.files).for_each(|file| add(file));
    let extensions: BTreeMap<&str, &ExtensionSource> =
        subjects.iter().flat_map(|subject| &subject.built).map(|source| (source.name.as_str(), source)).collect();
    extensions.values().flat_map(|source| built(source)).for_each(|file| add(&file));
    let own = [&config.project.specs, &Directory::of(&config.project).path].map(|directory| absolute(directory));
    let sources = subjects.iter().flat_map(|subject| subject.sources.iter().cloned());
    let results = absolute(&config.project.results);
    for directory in own.into_iter().chain(sources).collect::<BTreeSet<_>>() {
        let walk =
            WalkDir::new(directory).into_iter().filter_entry(|entry| is_source(entry) && entry.path() != results);
        walk.flatten().filter(|entry| entry.file_type().is_file()).for_each(|entry| add(entry.path()));
    }
    state
}

/// What others leave beside sources is none: what is built from them, repositories, and what editors keep for themselves.
fn is_source(entry: &DirEntry) -> bool {
    if entry.depth() == 0 {
        return true;
    }
    let name = entry.file_name().to_string_lossy();
    let is_passing = name.starts_with('.') || name.ends_with('~') || name == "4913" || name.starts_with('#');
    let is_built = match entry.file_type().is_dir() {
        true => {
            matches!(&*name, "node_modules" | "tmp_check" | "results")
                || name == "target" && entry.path().join("CACHEDIR.TAG").exists()
        }
        false => [".o", ".bc", ".d", ".tmp"].iter().any(|suffix| name.ends_with(suffix)),
    };
    !is_passing && !is_built
}

/// The files of an extension that is built already, which may lie where nobody looks for sources.
fn built(source: &ExtensionSource) -> Vec<PathBuf> {
    let Build::Files { library, control, sql, tree } = &source.build else { return Vec::new() };
    let patterns = library.iter().chain(control).chain(sql).chain(tree);
    let each =
        patterns.flat_map(|pattern| SUPPORTED_MAJORS.map(|major| pattern.replace("{major}", &major.to_string())));
    let mut files = BTreeSet::new();
    for pattern in each.collect::<BTreeSet<_>>() {
        let fixed: PathBuf = pattern.split('/').take_while(|part| !part.contains(['*', '?', '[', '{'])).collect();
        let walk = WalkDir::new(absolute(&source.path.join(fixed))).max_depth(DEPTH).into_iter().flatten();
        files.extend(walk.filter(|entry| entry.file_type().is_file()).map(DirEntry::into_path));
    }
    files.retain(|file| {
        file.extension().is_some_and(|suffix| ["so", "control", "sql"].iter().any(|own| suffix == *own))
    });
    files.into_iter().collect()
}

/// A path that is the same wherever it was written.
fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(Path::new(".").join(path)).unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().and_then(|directory| directory.canonicalize().ok());
    match (directory, path.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => path,
    }
}

fn project_file(config: &Config) -> PathBuf {
    absolute(config.file.as_deref().unwrap_or(Path::new(crate::config::FILE_NAME)))
}

/// The first few, as seen from here.
fn names(files: &[PathBuf]) -> String {
    const SHOWN: usize = 3;
    let here = std::env::current_dir().unwrap_or_default();
    let shown = files.iter().take(SHOWN).map(|file| file.strip_prefix(&here).unwrap_or(file).display().to_string());
    let more = match files.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    shown.collect::<Vec<_>>().join(", ") + &more
}

fn say(text: &str) {
    match text.strip_prefix('\n') {
        Some(text) => {
            let _ = writeln!(std::io::stderr());
            note(text);
        }
        None => note(text),
    }
}
