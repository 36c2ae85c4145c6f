//! Formatting keeps what a file means, whatever the file looks like, and is done after one time.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mcspec::language::{SourceFile, format, format_include, parse, parse_include};
use regex::Regex;
use walkdir::WalkDir;

static PLACES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"span: \d+\.\.\d+").unwrap());

/// The spec files below a directory of the project that are meant to be right.
fn specs(directory: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(directory);
    let files = WalkDir::new(root).sort_by_file_name().into_iter().map(|entry| entry.unwrap().into_path());
    let is_spec = |path: &PathBuf| [".mcspec", ".inc", ".spec"].iter().any(|end| path.to_str().unwrap().ends_with(end));
    let specs: Vec<_> = files.filter(is_spec).collect();
    assert!(!specs.is_empty(), "{directory}");
    specs
}

fn is_included(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix == "inc")
}

/// The tree without its places; none for a file with errors.
fn tree(path: &Path, text: &str) -> Option<String> {
    let source = SourceFile::new(path, text);
    let spec = if is_included(path) { parse_include(&source) } else { parse(&source) };
    spec.ok().map(|spec| PLACES.replace_all(&format!("{spec:?}"), "").into_owned())
}

fn formatted(path: &Path, text: &str) -> String {
    let source = SourceFile::new(path, text);
    let result = if is_included(path) { format_include(&source) } else { format(&source) };
    result.unwrap_or_else(|errors| panic!("{}\n{text}", errors[0].render(&source, false)))
}

/// Everything but blanks, which formatting adds and takes away.
fn ink(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn check(path: &Path, text: &str) -> bool {
    let Some(meaning) = tree(path, text) else { return false };
    let once = formatted(path, text);
    assert_eq!(
        tree(path, &once).as_ref(),
        Some(&meaning),
        "{} means something else:\n{text}\n---\n{once}",
        path.display()
    );
    assert_eq!(formatted(path, &once), once, "{} is formatted twice:\n{text}", path.display());
    assert_eq!(ink(&once), ink(text), "{} loses something:\n{text}", path.display());
    true
}

#[test]
fn formatting_changes_the_layout_only() {
    for path in [specs("specs"), specs("tests/ui/valid")].concat() {
        assert!(check(&path, &std::fs::read_to_string(&path).unwrap()), "{} has errors", path.display());
    }
}

#[test]
fn the_specs_of_the_project_are_formatted() {
    for path in specs("specs") {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(formatted(&path, &text), text, "{}", path.display());
    }
}

#[test]
fn whatever_parses_is_formatted() {
    let mut tried = 0;
    for path in specs("tests/ui/valid") {
        let text = std::fs::read_to_string(&path).unwrap();
        // A prime step meets all kinds of places.
        for (at, _) in text.char_indices().step_by(23) {
            let (before, after) = text.split_at(at);
            for disturbance in ["\n", "  ", "\t", "\r\n", " # x\n", "\n\n  # 'x\n\n", "\n# }\n", "}", "'", ","] {
                tried += usize::from(check(&path, &format!("{before}{disturbance}{after}")));
            }
            // Without one character.
            let rest: String = after.chars().skip(1).collect();
            tried += usize::from(check(&path, &format!("{before}{rest}")));
        }
    }
    assert!(tried > 500, "{tried}");
}
