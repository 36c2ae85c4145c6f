//! The rooms of the code: no file refers to itself by way of others, and what needs care stands in the rooms made for it.

mod circles;
mod growth;
mod hints;
mod page;
mod references;
mod rooms;
mod tests;
mod tree;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use growth::Growth;
use hints::{Texts, strays};
use rooms::Care;
use tree::{Sources, Tree};

/// The crates of the project and the files that they begin with.
const CRATES: [(&str, &[&str]); 3] =
    [("extension/src", &["lib.rs"]), ("extension/core/src", &["lib.rs"]), ("runner/src", &["lib.rs", "main.rs"])];

/// All Rust files of a folder of this checkout.
fn sources(folder: &str) -> Sources {
    fn read(folder: &Path, before: &str, sources: &mut Sources) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let entry = entry.expect("a file");
            let name = format!("{before}{}", entry.file_name().to_str().expect("UTF-8"));
            if entry.path().is_dir() {
                read(&entry.path(), &format!("{name}/"), sources);
            } else if name.ends_with(".rs") {
                sources.insert(name, fs::read_to_string(entry.path()).expect("UTF-8"));
            }
        }
    }
    let mut sources = Sources::new();
    read(&checkout().join(folder), "", &mut sources);
    sources
}

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

#[test]
fn no_circle_between_files() {
    let mut report = String::new();
    let mut count = 0;
    for (folder, roots) in CRATES {
        let sources = sources(folder);
        for root in roots {
            let tree = Tree::read(&sources, root).unwrap_or_else(|error| panic!("{folder}: {error}"));
            let references = tree.references();
            for circle in references.circles() {
                count += 1;
                report += &format!("{folder}: a circle of {}\n{}", circle.len(), references.render(&circle));
            }
        }
    }
    assert!(count == 0, "{count} circles between files:\n{report}");
}

/// What the tree does not have would be looked at by no one.
#[test]
fn every_file_is_in_a_tree() {
    for (folder, roots) in CRATES {
        let sources = sources(folder);
        let trees = roots.iter().map(|root| Tree::read(&sources, root).expect("read"));
        let reached: BTreeSet<String> = trees.flat_map(|tree| tree.files()).collect();
        let missing: Vec<&String> = sources.keys().filter(|file| !reached.contains(*file)).collect();
        let is_for_tests = |file: &str| file.ends_with("/tests.rs") || file.contains("/tests/");
        assert!(missing.iter().all(|file| is_for_tests(file)), "{folder}: no module has {missing:?}");
    }
}

#[test]
fn unsafe_stands_in_its_rooms() {
    let mut report = String::new();
    let mut count = 0;
    for (file, text) in sources("extension/src") {
        if rooms::UNSAFE.iter().any(|room| file.starts_with(room)) {
            continue;
        }
        for (line, what) in Care::read(&text).unwrap_or_else(|error| panic!("{file}: {error}")).unsafes {
            count += 1;
            report += &format!("  {file}:{line}: unsafe {what}\n");
        }
    }
    assert!(count == 0, "{count} outside {}:\n{report}", rooms::UNSAFE.join(" "));
}

#[test]
fn every_static_is_in_the_list() {
    let mut report = String::new();
    let mut listed: BTreeSet<(String, String)> = rooms::STATICS
        .iter()
        .flat_map(|(file, names, _)| names.iter().map(|name| ((*file).to_owned(), (*name).to_owned())))
        .collect();
    for (file, text) in sources("extension/src") {
        for (line, name) in Care::read(&text).unwrap_or_else(|error| panic!("{file}: {error}")).statics {
            let place = format!("  {file}:{line}: {name} is not listed\n");
            if !listed.remove(&(file.clone(), name)) {
                report += &place;
            }
        }
    }
    report.extend(listed.iter().map(|(file, name)| format!("  {file} has no {name}\n")));
    assert!(report.is_empty(), "the list of statics in rooms.rs:\n{report}");
}

#[test]
fn files_are_written_whole() {
    let mut report = String::new();
    for (file, text) in sources("runner/src") {
        if file.ends_with("tests.rs") {
            continue;
        }
        let writes = Care::read(&text).unwrap_or_else(|error| panic!("{file}: {error}")).writes;
        if !rooms::WRITERS.iter().any(|(room, _)| file.starts_with(room)) {
            report.extend(writes.iter().map(|(line, what)| format!("  {file}:{line}: {what}\n")));
        }
    }
    assert!(report.is_empty(), "not by runner/src/atomic.rs:\n{report}");
}

#[test]
fn what_grows_in_the_engine_asks_for_room() {
    let mut report = String::new();
    let mut listed: BTreeSet<(String, String)> = growth::BOUNDED
        .iter()
        .flat_map(|(file, functions, _)| functions.iter().map(|name| ((*file).to_owned(), (*name).to_owned())))
        .collect();
    for (file, text) in sources("extension/src") {
        if !growth::ROOMS.iter().any(|room| file.starts_with(room)) {
            continue;
        }
        for function in Growth::read(&text).unwrap_or_else(|error| panic!("{file}: {error}")).functions {
            let place = format!("  {file}: {function} adds to a collection without room::push, make or is_there_for\n");
            if !listed.remove(&(file.clone(), function)) {
                report += &place;
            }
        }
    }
    report.extend(listed.iter().map(|(file, name)| format!("  {file}: {name} is listed, and needs not be\n")));
    assert!(report.is_empty(), "what grows, and the list of growth.rs:\n{report}");
}

/// By itself an error of the client library says no more than "db error".
#[test]
fn errors_of_the_client_library_are_shown_in_one_room() {
    let mut report = String::new();
    for (file, text) in sources("runner/src") {
        if file.starts_with("server/connect/") {
            continue;
        }
        let names = |line: &str| {
            let imported = line
                .split("postgres::{")
                .nth(1)
                .is_some_and(|rest| rest.split(['}', ',']).any(|name| name.trim() == "Error"));
            imported || line.contains("postgres::Error") || line.contains("as_db_error")
        };
        let lines = (1..).zip(text.lines()).filter(|(_, line)| names(line));
        report.extend(lines.map(|(number, line)| format!("  {file}:{number}: {}\n", line.trim())));
    }
    assert!(report.is_empty(), "to be a Refusal of runner/src/server/connect/refusal.rs:\n{report}");
}

/// What is pasted works: a path is quoted, a package is one that the system has.
#[test]
fn commands_in_hints_are_made_in_one_room() {
    let (mut report, mut all) = (String::new(), Vec::new());
    for (folder, _) in CRATES {
        for (file, text) in sources(folder) {
            let is_room = hints::ROOMS.iter().any(|(of, room)| *of == folder && file.starts_with(room));
            if is_room || file.ends_with("tests.rs") || file.contains("/tests/") {
                continue;
            }
            for (line, text) in Texts::read(&text).unwrap_or_else(|error| panic!("{folder}/{file}: {error}")).0 {
                report.extend(strays(&text).iter().map(|command| format!("  {folder}/{file}:{line}: {command}\n")));
                all.push(text);
            }
        }
    }
    let unused = hints::PROSE.iter().filter(|(prose, _)| !all.iter().any(|text| text.contains(prose)));
    report.extend(unused.map(|(prose, _)| format!("  nothing has {prose:?}\n")));
    assert!(report.is_empty(), "not by runner/src/hint:\n{report}");
}

#[test]
fn stray_commands_are_found() {
    for (text, expected) in [
        ("chmod 600 {}", &["chmod 600 {}"][..]),
        ("move it out of the way, as by: mv {0} {0}.old", &["mv {0} {0}.old"]),
        ("\"mcspec run {name}\" runs it, or \"mcspec run\" all", &["mcspec run {name}"]),
        ("  HINT: mcspec engine build --pg-config {}", &["mcspec engine build --pg-config {}"]),
        ("install it: \"sudo apt-get install x\", then make engine", &["sudo apt-get install x", "make engine"]),
        ("mcspec {version} cannot make sense of {name}", &[]),
        ("mcspec: error: {error}", &[]),
        ("make a copy, or make \"copies\" smaller", &[]),
        ("\"psql\" is not there; the cargo of {name}", &[]),
    ] {
        assert_eq!(strays(text), expected, "{text}");
    }
}

/// The manual's page about the code.
const PAGE: &str = "docs/the-code.md";
/// The one about a new major version, which names code as well.
const NEW_MAJOR: &str = "docs/new-major.md";

fn page(name: &str) -> String {
    fs::read_to_string(checkout().join(name)).expect("UTF-8")
}

#[test]
fn the_page_has_the_rooms_as_they_are() {
    let mut report = String::new();
    let page = page(PAGE);
    for (folder, roots) in CRATES {
        let section =
            page.split("\n### ").find(|section| section.lines().next().is_some_and(|line| line.contains(folder)));
        let documented = page::of_table(section.unwrap_or_else(|| panic!("a section about {folder}")));
        let tree = Tree::read(&sources(folder), roots[0]).expect("read");
        let mut rooms = page::of_code(tree.files().iter(), &tree.references());
        if !documented.contains_key("lib.rs") {
            // It only names what is in the crate.
            rooms.remove("lib.rs");
        }
        for room in documented.keys().chain(rooms.keys()).collect::<BTreeSet<_>>() {
            let (documented, is) = (documented.get(room), rooms.get(room));
            if documented != is {
                report += &format!("  {folder}: {room} is {documented:?}, and should be {is:?}\n");
            }
        }
    }
    assert!(report.is_empty(), "the rooms in docs/the-code.md:\n{report}");
}

#[test]
fn the_pages_name_what_is_there() {
    let root = checkout();
    let places = ["", "extension/src", "extension/core/src", "runner/src"].map(|folder| root.join(folder));
    let code: Vec<String> = CRATES
        .iter()
        .map(|(folder, _)| *folder)
        .chain(["xtask"])
        .flat_map(|folder| sources(folder).into_values())
        .collect();
    let has = |name: &str| {
        code.iter().any(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name))
    };
    for name in [PAGE, NEW_MAJOR] {
        let page = page(name);
        let mut missing = Vec::new();
        for token in page::tokens(&page) {
            let is_there = match page::name(token) {
                _ if page::is_path(token) => places.iter().any(|place| place.join(token).exists()),
                Some(name) => has(name),
                None => true,
            };
            missing.extend((!is_there).then_some(token));
        }
        assert!(missing.is_empty(), "{name} names {missing:?}");
    }
}
