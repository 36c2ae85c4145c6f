//! What the manual says is so, and it says something of all that a user can say or is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mcspec::judge::GAPS;
use mcspec::language::lint::{Surroundings, lint};
use mcspec::language::{SourceFile, format, parse};
use memcheck_core::{CheckKind, ScenarioKind};
use walkdir::WalkDir;

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

/// All that stands in code spans and in blocks of code, a line for each: the manual names things nowhere else.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            code += line;
        } else {
            code += &line.split('`').skip(1).step_by(2).collect::<Vec<_>>().join("\n");
        }
        code.push('\n');
    }
    code
}

/// The pages in `docs`, in code.
fn manual() -> String {
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    pages
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .map(|path| code(&fs::read_to_string(path).unwrap()))
        .collect()
}

/// Whether a word stands in a text, and not as a part of another one.
fn has_word(text: &str, word: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(goes_on) && !text[at + word.len()..].starts_with(goes_on))
}

/// Those of these words that the manual does not have.
pub(crate) fn undocumented<'w>(words: impl IntoIterator<Item = &'w str>) -> Vec<&'w str> {
    let manual = manual();
    words.into_iter().filter(|word| !has_word(&manual, word)).collect()
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mcspec")).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The options of every command, besides `--help`, which each of them has.
fn flags() -> BTreeSet<String> {
    let all = help(&["help"]);
    let (_, list) = all.split_once("\nCommands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let commands =
        list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|name| !name.is_empty());
    let options = commands.flat_map(|command| {
        let help = help(&[command, "--help"]);
        let lines = help.lines().filter(|line| line.trim_start().starts_with('-'));
        lines
            .filter_map(|line| line.split([' ', ',', '[']).find(|word| word.starts_with("--")))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    options.filter(|option| option != "--help").collect()
}

/// The keys of `mcspec.toml`, by its schema.
fn keys() -> BTreeSet<String> {
    fn collect(schema: &serde_json::Value, keys: &mut BTreeSet<String>) {
        if let Some(properties) = schema.get("properties").and_then(serde_json::Value::as_object) {
            keys.extend(properties.keys().cloned());
        }
        match schema {
            serde_json::Value::Object(map) => map.values().for_each(|value| collect(value, keys)),
            serde_json::Value::Array(list) => list.iter().for_each(|value| collect(value, keys)),
            _ => {}
        }
    }
    let schema = fs::read_to_string(root().join("docs/schema/config.json")).unwrap();
    let mut keys = BTreeSet::new();
    collect(&serde_json::from_str(&schema).unwrap(), &mut keys);
    keys
}

/// Exit codes with their meanings, as the help has them.
fn exit_codes() -> BTreeMap<String, String> {
    let help = help(&["--help"]);
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    let pairs = codes.lines().filter_map(|line| line.trim().split_once("  "));
    pairs.map(|(code, meaning)| (code.to_owned(), meaning.to_owned())).collect()
}

/// Each of them in the page that is about its kind: of the SQL interface `documented.rs` says the same.
#[test]
fn all_that_can_be_said_is_documented() {
    let flags = flags();
    assert!(flags.len() > 40, "{flags:?}");
    assert_eq!(undocumented(flags.iter().map(String::as_str)), Vec::<&str>::new(), "options");

    let reference = fs::read_to_string(root().join("runner/src/config/default.toml")).unwrap();
    let keys = keys();
    assert!(keys.len() > 40, "{keys:?}");
    // As a key, or as the head of a table, commented out or not.
    let words = reference.lines().filter_map(|line| line.trim_start_matches(['#', ' ', '[']).split(['=', ']']).next());
    let words: BTreeSet<&str> = words.flat_map(|head| head.split(['.', ' '])).collect();
    let missing: Vec<_> = keys.iter().filter(|key| !words.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "keys: {missing:?}");

    let codes = exit_codes();
    assert_eq!(codes.len(), 6);
    let reference = fs::read_to_string(root().join("docs/language.md")).unwrap();
    for (code, meaning) in codes {
        assert!(reference.contains(&format!("| {code} | {meaning} |")), "exit code {code}");
    }

    let scenarios = ScenarioKind::ALL.iter().map(|scenario| scenario.description().name);
    assert_eq!(undocumented(scenarios), Vec::<&str>::new(), "scenarios");
    assert_eq!(undocumented(CheckKind::ALL.iter().map(|kind| kind.as_str())), Vec::<&str>::new(), "kinds of finding");
    for kind in CheckKind::ALL {
        for part in ["\n## Typical cause\n", "\n## What is seen\n", "\n## What to do\n", "\n```"] {
            assert!(kind.page().contains(part), "{kind}: {part}");
        }
    }
}

/// What a page shows of a finding is a row of a golden, which a run of the specs compares, and a line of the code that it is of.
#[test]
fn findings_that_pages_show_are_those_of_specs() {
    let goldens = WalkDir::new(root().join("expected")).into_iter().map(|entry| entry.unwrap().into_path());
    let goldens = goldens.filter(|path| path.extension().is_some_and(|end| end == "out"));
    let rows: BTreeSet<String> = goldens
        .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let kinds = CheckKind::ALL.iter().map(|kind| (format!("{kind}|"), kind.page()));
    let scenarios = ScenarioKind::ALL.iter().map(|scenario| ("|".to_owned(), scenario.page()));
    for (head, page) in kinds.chain(scenarios) {
        let shown = code(page);
        // A kind's page shows one of the kind, that of a scenario any.
        let is_row = |line: &str| line.matches('|').count() > 4 && (head == "|" || line.starts_with(&head));
        let mut shown = shown.lines().skip_while(|line| !is_row(line));
        let row = shown.next().unwrap_or_else(|| panic!("there is no row in\n{page}"));
        assert!(rows.contains(row), "{row}");
        let Some(place) = shown.next().and_then(|line| line.strip_prefix("  at  ")) else { continue };
        let (function, place) = place.split_once("  ").unwrap();
        let (file, line) = place.rsplit_once(':').unwrap();
        let source = fs::read_to_string(root().join(file)).unwrap();
        let before: Vec<&str> = source.lines().take(line.parse().unwrap()).collect();
        assert!(!before[before.len() - 1].trim().is_empty(), "{place}");
        assert!(before.iter().rev().take(40).any(|line| has_word(line, function)), "{function} is not at {place}");
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
    let of_all = ["--color", "--help", "--quiet"];
    let (exec, shell) = (options(&help(&["exec", "--help"])), options(&help(&["shell", "--help"])));
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
