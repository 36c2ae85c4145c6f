//! What a shell completes an argument to. The scripts of `mcspec completions` ask mcspec itself, so that specs, tags and words of the
//! project at hand are known; where something is wrong with the project, nothing is offered and nothing is said.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::{CompleteEnv, Shells};

use super::catalog::{Entry, catalog, is_spec_file};
use super::output::format_names;
use super::results::without_version;
use crate::config::{Config, SUPPORTED_MAJORS};
use crate::explain::Topic;
use crate::language::ast::Spec;
use crate::plan::{load, short_name};
use crate::report::hunt::HuntFormat;
use crate::results::schema::RunIndex;

/// By which a script asks.
const VARIABLE: &str = "MCSPEC_COMPLETE";

/// Whether this process was asked by a script; then it has answered.
pub(super) fn answer(command: fn() -> Command) -> bool {
    let directory = std::env::current_dir().ok();
    let asked = CompleteEnv::with_factory(command).var(VARIABLE);
    // A shell has nowhere to show an error while somebody types.
    asked.try_complete(std::env::args_os(), directory.as_deref()).unwrap_or(true)
}

/// The script for a shell; none for one that is not known.
pub(super) fn script(shell: &str) -> Option<std::io::Result<Vec<u8>>> {
    let mut script = Vec::new();
    let name = "mcspec";
    let written = Shells::builtins().completer(shell)?.write_registration(VARIABLE, name, name, name, &mut script);
    Some(written.map(|()| script))
}

/// Specs by name, behind a slash their scenarios, the schedule, or files.
pub(super) fn specs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let parts = Config::load().ok().and_then(|config| parts(current, &config));
        if let Some(parts) = parts {
            return parts;
        }
        let words = || {
            let config = Config::load().ok()?;
            let entries = catalog(&config.project.specs).ok()?;
            let schedule = config.project.schedule.is_file().then(|| ("schedule".to_owned(), None));
            let begin = current.to_string_lossy();
            let fitting = entries.iter().filter(|entry| entry.name.starts_with(&*begin));
            Some(
                schedule.into_iter().chain(fitting.map(|entry| (entry.name.clone(), title(entry)))).collect::<Vec<_>>(),
            )
        };
        let files = PathCompleter::file().filter(|path| is_spec_file(path.as_os_str()));
        let mut offered = matching(current, words().unwrap_or_default());
        offered.extend(files.complete(current));
        offered
    })
}

/// The names of specs, for a glob over them.
pub(super) fn names() -> ArgValueCompleter {
    of_project(|config| Some(catalog(&config.project.specs).ok()?.iter().map(|entry| entry.name.clone()).collect()))
}

/// The specs of the last run, behind a slash their scenarios.
pub(super) fn last_run() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Ok(config) = Config::load() else { return Vec::new() };
        let labels = RunIndex::read(&config.project.results).map(|index| index.cases).unwrap_or_default();
        let names = labels.iter().map(|label| (without_version(label).to_owned(), None));
        parts(current, &config).unwrap_or_else(|| matching(current, names.collect()))
    })
}

/// The scenarios of the spec that what is typed names before a slash; none where it names no spec.
fn parts(current: &OsStr, config: &Config) -> Option<Vec<CompletionCandidate>> {
    let typed = Typed::of(current.to_str()?);
    let catalog = catalog(&config.project.specs).ok()?;
    let slashes = typed.text.rmatch_indices('/').map(|(at, _)| &typed.text[..at]);
    let mut found = slashes.filter_map(|spec| {
        let is_file = is_spec_file(OsStr::new(spec)) && Path::new(spec).is_file();
        let named = catalog.iter().find(|entry| entry.name == spec).cloned();
        let entry = named.or_else(|| is_file.then(|| Entry { name: spec.to_owned(), path: spec.into() }))?;
        Some((spec, load(&entry.name, &entry.path).ok()?.titles()))
    });
    let (spec, titles) = found.next_back()?;
    let mut known = BTreeSet::new();
    let parts = titles.iter().map(|title| (format!("{spec}/{}", short_name(title)), title));
    let fitting = parts.filter(|(word, _)| word.starts_with(&typed.text) && known.insert(word.clone()));
    Some(fitting.map(|(word, title)| CompletionCandidate::new(typed.quoted(&word)).help(Some(title.into()))).collect())
}

/// What is typed of a word, without what quotes it for the shell.
struct Typed {
    text: String,
    /// Whether what is offered has to be quoted: bash, unlike others, takes it as it is, and sees to quotes that are open.
    is_bare: bool,
}

impl Typed {
    fn of(word: &str) -> Self {
        let unopened = word.strip_prefix(['\'', '"']);
        let is_bash = std::env::var_os(VARIABLE).is_some_and(|shell| shell == "bash");
        Typed { text: unopened.unwrap_or(word).replace('\\', ""), is_bare: is_bash && unopened.is_none() }
    }

    fn quoted(&self, word: &str) -> String {
        let is_plain = |c: char| c.is_alphanumeric() || "/._-,:@%+=".contains(c);
        let quoted = |c: char| if is_plain(c) { vec![c] } else { vec!['\\', c] };
        if self.is_bare { word.chars().flat_map(quoted).collect() } else { word.to_owned() }
    }
}

/// Tags, and those that are not wanted.
pub(super) fn tags() -> ArgValueCompleter {
    of_project(|config| {
        let entries = catalog(&config.project.specs).ok()?;
        let specs = entries.iter().filter_map(parsed);
        let tags = specs.flat_map(|spec| spec.tags.into_iter().map(|tag| tag.value).collect::<Vec<_>>());
        let tags: BTreeSet<String> = tags.collect();
        Some(tags.iter().cloned().chain(tags.iter().map(|tag| format!("!{tag}"))).collect())
    })
}

/// Extensions of `mcspec.toml`.
pub(super) fn extensions() -> ArgValueCompleter {
    of_project(|config| Some(config.extensions.keys().cloned().collect()))
}

/// Spec files and what they include.
pub(super) fn spec_files() -> ArgValueCompleter {
    ArgValueCompleter::new(
        PathCompleter::file().filter(|path| {
            is_spec_file(path.as_os_str()) || path.as_os_str().to_string_lossy().ends_with(".mcspec.inc")
        }),
    )
}

/// Formats of reports.
pub(super) fn formats() -> ArgValueCompleter {
    of_words(|| format_names().map(|name| (name.to_owned(), None)).collect())
}

/// Formats of reports of hunts.
pub(super) fn hunt_formats() -> ArgValueCompleter {
    of_words(|| HuntFormat::ALL.iter().map(|(name, _)| ((*name).to_owned(), None)).collect())
}

/// Versions of PostgreSQL.
pub(super) fn majors() -> ArgValueCompleter {
    of_words(|| SUPPORTED_MAJORS.map(|major| (major.to_string(), None)).collect())
}

/// What `explain` knows.
pub(super) fn topics() -> ArgValueCompleter {
    of_words(|| Topic::all().map(|topic| (topic.word().to_owned(), Some(topic.title().to_owned()))).collect())
}

/// Commands, and what `help` has a pointer for.
pub(super) fn commands() -> ArgValueCompleter {
    of_words(|| {
        let all = super::Arguments::command();
        let about = |command: &Command| command.get_about().map(|about| about.to_string());
        let shown = all.get_subcommands().filter(|command| !command.is_hide_set());
        shown.map(|command| (command.get_name().to_owned(), about(command))).collect()
    })
}

/// A word, and what it is.
type Word = (String, Option<String>);

fn of_words(words: fn() -> Vec<Word>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| matching(current, words()))
}

fn of_project(words: fn(&Config) -> Option<Vec<String>>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let words = Config::load().ok().and_then(|config| words(&config)).unwrap_or_default();
        matching(current, words.into_iter().map(|word| (word, None)).collect())
    })
}

/// The words that go on as what is typed begins.
fn matching(current: &OsStr, words: Vec<Word>) -> Vec<CompletionCandidate> {
    let begin = current.to_string_lossy();
    let fitting = words.into_iter().filter(|(word, _)| word.starts_with(&*begin));
    fitting.map(|(word, help)| CompletionCandidate::new(word).help(help.map(Into::into))).collect()
}

fn parsed(entry: &Entry) -> Option<Spec> {
    Some(load(&entry.name, &entry.path).ok()?.spec)
}

fn title(entry: &Entry) -> Option<String> {
    Some(parsed(entry)?.title?.value)
}
