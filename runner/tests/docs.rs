//! What the manual says about the language is so.

// Outside of the test functions clippy does not see that this is a test.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mcspec::judge::GAPS;
use mcspec::language::lint::{Surroundings, lint};
use mcspec::language::{SourceFile, format, parse};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn reference() -> String {
    fs::read_to_string(root().join("docs/language.md")).unwrap()
}

/// The ```` ```mcspec ```` blocks of a text.
fn examples(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n```mcspec\n").skip(1).map(|rest| &rest[..rest.find("\n```").unwrap() + 1])
}

#[test]
fn examples_parse_are_formatted_and_give_no_warning() {
    let mut found = 0;
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        for example in examples(&fs::read_to_string(&path).unwrap()) {
            let source = SourceFile::new(&path, example);
            let spec = parse(&source).unwrap_or_else(|errors| panic!("{}", errors[0].render(&source, false)));
            let warnings = lint(example, &spec, Surroundings::default());
            assert!(warnings.is_empty(), "{}", warnings[0].diagnostic.render(&source, false));
            assert_eq!(format(&source).unwrap(), example);
            found += 1;
        }
    }
    assert!(found >= 5, "{found}");
}

#[test]
fn every_clause_is_documented() {
    let grammar = fs::read_to_string(root().join("runner/src/language/grammar.pest")).unwrap();
    let words = grammar.split("\nclause_word = _{").nth(1).unwrap();
    let words: Vec<&str> = words.split('"').skip(1).step_by(2).collect();
    assert!(words.len() > 40);
    let reference = reference();
    for word in words {
        let documented = [format!("`{word}`"), format!("`{word} "), format!("`{word}(")];
        assert!(documented.iter().any(|form| reference.contains(form)), "{word}");
    }
}

/// Both what the manual says of it and what the engine calls it.
#[test]
fn figures_that_make_a_window_incomplete_are_documented() {
    let reports = fs::read_to_string(root().join("docs/reports.md")).unwrap();
    let figures = fs::read_to_string(root().join("extension/src/session/figures.rs")).unwrap();
    for gap in &GAPS {
        assert!(reports.contains(&format!("\n| `{}` | ", gap.figure)), "{}", gap.figure);
        assert!(figures.contains(&format!("\n    {},\n", gap.figure)), "{}", gap.figure);
    }
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let output = Command::new(env!("CARGO_BIN_EXE_mcspec")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let codes: Vec<&str> = help.split("Exit codes:\n").nth(1).unwrap().lines().collect();
    let reference = reference();
    assert_eq!(codes.len(), 6);
    for line in codes {
        let (code, meaning) = line.trim().split_once("  ").unwrap();
        assert!(reference.contains(&format!("| {code} | {meaning} |")), "{line}");
    }
}

/// The page about `mcspec exec` has its options, and no others.
#[test]
fn options_of_exec_are_documented() {
    let page = fs::read_to_string(root().join("docs/exec.md")).unwrap();
    let options = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '-');
        words
            .filter(|word| word.starts_with("--") && word.ends_with(|c: char| c.is_ascii_lowercase()))
            .map(str::to_owned)
            .collect()
    };
    let help = |command: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_mcspec")).args([command, "--help"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let of_all = ["--color", "--help", "--quiet"];
    let (exec, shell) = (options(&help("exec")), options(&help("shell")));
    let documented = options(&page);
    let missing: Vec<_> =
        exec.iter().filter(|option| !of_all.contains(&option.as_str()) && !documented.contains(*option)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // The shell takes the same for the server, as it says.
    let (server, _) = page.split_once("| `--golden NAME`").unwrap();
    let (_, server) = server.split_once("| option | |").unwrap();
    for option in options(server) {
        assert!(exec.contains(&option), "{option}");
        assert!(shell.contains(&option) || option == "--min-bytes", "{option}");
    }
    // Those of others are said to be left out.
    let (left_out, of_others) =
        (page.split_once("`--temp-instance`").unwrap().1, ["--host", "--port", "--temp-instance"]);
    assert!(left_out.contains("are left out"));
    let unknown: Vec<_> =
        documented.iter().filter(|option| !exec.contains(*option) && !of_others.contains(&option.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
