//! The rooms of the code: no file refers to itself by way of others, and what needs care stands in the rooms made for it.

mod circles;
mod references;
mod rooms;
mod tests;
mod tree;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
    read(&root.join(folder), "", &mut sources);
    sources
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
