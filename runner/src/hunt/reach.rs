//! What there is to hunt besides functions and operators, of all kinds, and values for everything.

use std::fs;
use std::path::{Path, PathBuf};

use memcheck_core::targets::{is_servers_own, library_name};

use super::pool::Pool;
use super::subject::{SetAside, Subject, of_call};
use super::{decoding, foreign, languages, members, methods, ordinary, search, settings, types, words};
use crate::init::catalog::Objects;
use crate::init::harvest::Harvest;
use crate::init::hooks;
use crate::init::literals::quoted;
use crate::init::trial::{Refused, Trial};

/// What the variables of the server end in that libraries set which look on while others work, as the linker has it.
const HOOK: &[u8] = b"_hook\0";

/// A library that is hunted.
#[derive(Debug, Clone)]
pub struct Library {
    /// How it is loaded.
    pub name: String,
    /// Its file.
    file: PathBuf,
    /// Whether the server has it preloaded.
    pub is_preloaded: bool,
    /// Whether it does something when it is loaded.
    has_init: bool,
    /// Whether it looks on.
    has_hooks: bool,
    /// Whether it is an output plugin.
    is_plugin: bool,
}

impl Library {
    /// What is known of a library by its file; none where there is none.
    pub fn of(name: &str, directory: &Path, preload: &[String]) -> Option<Self> {
        let short = name.strip_prefix("$libdir/").unwrap_or(name);
        let file = directory.join(format!("{}.so", short.trim_end_matches(".so")));
        let bytes = fs::read(&file).ok()?;
        let has = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
        Some(Library {
            name: name.to_owned(),
            is_preloaded: preload.iter().any(|one| library_name(one) == library_name(name)),
            has_init: has(b"\0_PG_init"),
            has_hooks: has(HOOK),
            is_plugin: has(decoding::SYMBOL),
            file,
        })
    }

    /// Lines of postgresql.conf that it needs on a server of which this is the program.
    pub fn conf(&self, server: &Path) -> Vec<String> {
        if self.is_plugin { decoding::conf(library_name(&self.name), server) } else { Vec::new() }
    }
}

/// The libraries of an extension: those of its functions, and those that are known to be its own.
pub fn libraries(objects: &Objects, own: &[&String], directory: &Path, preload: &[String]) -> Vec<Library> {
    let mut found: Vec<Library> = Vec::new();
    for name in objects.libraries.iter().chain(own.iter().copied()) {
        let is_known = |one: &Library| library_name(&one.name) == library_name(name);
        if !is_servers_own(library_name(name)) && !found.iter().any(is_known) {
            found.extend(Library::of(name, directory, preload));
        }
    }
    found
}

/// What was found.
pub struct More {
    /// What there is to call.
    pub subjects: Vec<Subject>,
    /// What cannot be called, and why.
    pub aside: Vec<SetAside>,
    /// Values for these, and for those that there were.
    pub pool: Pool,
}

/// Finds it in the database of the trial, which has the extension; of a library without one, what the library does.
///
/// # Errors
///
/// What the server says.
pub fn more(
    trial: &mut Trial,
    extension: &str,
    libraries: &[Library],
    objects: &Objects,
    subjects: &[Subject],
    harvest: &Harvest,
    random: &mut fastrand::Rng,
) -> Result<More, Refused> {
    let members = members::read(trial, extension)?;
    let words: Vec<String> = libraries.iter().flat_map(|library| words::of_library(&library.file)).collect();
    let mut more = types::subjects(&members);
    let (written, mut aside) = languages::subjects(trial, &members)?;
    more.extend(written);
    more.extend(search::subjects(trial, &members, &words));
    let (wrapped, not) = foreign::subjects(trial, &members, &words);
    more.extend(wrapped);
    aside.extend(not);
    more.extend(methods::subjects(&members, objects));
    let load: Vec<String> = libraries
        .iter()
        .filter(|library| library.has_init && !library.is_preloaded)
        .map(|library| format!("LOAD {}", quoted(&library.name)))
        .collect();
    let names: Vec<String> = libraries.iter().filter(|one| one.has_init).map(|one| one.name.clone()).collect();
    let settings = if names.is_empty() { Vec::new() } else { settings::read(trial, &names)? };
    let (set, not) = settings::subjects(&settings, &load);
    more.extend(set);
    aside.extend(not);
    let mut looking_on = Vec::new();
    if let Some(library) = libraries.iter().find(|library| library.has_init) {
        let name = library_name(&library.name);
        looking_on.extend(hooks::calls(&library.name, library.is_preloaded).into_iter().map(|(mut call, _)| {
            call.setup.insert(0, format!("DROP TABLE IF EXISTS mcspec_rows; {}", hooks::SETUP.trim_end_matches(';')));
            call.comment = format!("{}: {}", call.comment, call.name);
            of_call(&call)
        }));
        if library.has_hooks {
            looking_on.extend(ordinary::subjects(name, &load));
        }
    }
    more.extend(settings::with_others(&settings, &looking_on));
    more.extend(looking_on);
    for library in libraries.iter().filter(|library| library.is_plugin) {
        more.extend(decoding::subjects(trial, library_name(&library.name), &words));
    }
    let all: Vec<Subject> = subjects.iter().chain(&more).cloned().collect();
    let mut pool = Pool::of(&all, trial, harvest, random);
    types::add_values(&mut pool, &members, random);
    settings::add_values(&mut pool, &settings);
    pool.add_special("value of an option", search::OPTIONS.map(str::to_owned).to_vec());
    pool.add_special("share", methods::shares());
    more.extend(types::stored(&members, objects, &pool));
    let again = languages::made_again(&more, &pool);
    more.extend(again);
    Ok(More { subjects: more, aside, pool })
}
