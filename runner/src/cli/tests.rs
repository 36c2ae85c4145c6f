//! Every command that is shown anywhere works: those of mcspec are read from the sources, the pages and the goldens of tests, and parsed
//! by the parser of the command line. Those of others are made in `hint/` alone, which has tests of its own.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use regex::Regex;
use walkdir::WalkDir;

use super::Arguments;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of the project below these directories that are called so, without what is built.
fn files(directories: &[&str], suffixes: &[&str]) -> Vec<(PathBuf, String)> {
    let walks = directories.iter().flat_map(|directory| {
        WalkDir::new(root().join(directory))
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| !["target", "corpus", "schemas"].iter().any(|name| entry.file_name() == *name))
    });
    let paths = walks.flatten().map(|entry| entry.into_path());
    let wanted = paths.filter(|path| suffixes.iter().any(|suffix| path.to_string_lossy().ends_with(suffix)));
    wanted.filter_map(|path| fs::read_to_string(&path).ok().map(|text| (path, text))).collect()
}

/// The lines of a source that are neither comments nor tests, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let tests = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..tests]
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(i, line)| (i + 1, line))
}

/// The words of a command, as a shell takes them apart.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for c in command.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.into_iter().chain(word).collect()
}

/// Fails where the command line does not take a command; then it says where it is shown.
fn assert_parses(command: &str, place: &str) {
    // One that is only named is there.
    if let [_, name] = words(command).as_slice()
        && Arguments::command().find_subcommand(name).is_some()
    {
        return;
    }
    let parsed = Arguments::try_parse_from(words(command));
    let error = parsed.err().filter(|error| error.use_stderr());
    assert!(error.is_none(), "{place}: \"{command}\"\n{}", error.expect("it is there"));
}

/// What stands for something in a format string.
fn filled(command: &str) -> String {
    let placeholder = Regex::new(r"\{(\w*)[^}]*\}").expect("valid");
    let value = |captures: &regex::Captures| match &captures[1] {
        "major" => "15",
        _ => "x",
    };
    placeholder.replace_all(command, value).into_owned()
}

#[test]
fn hints_of_the_runner_are_commands_of_it() {
    // In a message, or a message alone. What begins like a command and is none is the first line of a golden, or a sentence.
    let command = Regex::new(r#"\\?"(mcspec [a-z][^"\\]*)\\?""#).expect("valid");
    let no_commands = ["golden", "reaches", "makes", "reads", "knows", "sends", "check, fmt"];
    let mut found = 0;
    for (path, text) in files(&["runner/src", "extension/src", "extension/core/src"], &[".rs"]) {
        for (number, line) in code(&text) {
            for captures in command.captures_iter(line) {
                let line = captures[1].to_owned();
                if no_commands.iter().any(|word| line["mcspec ".len()..].starts_with(word)) {
                    continue;
                }
                found += 1;
                let place = format!("{}:{number}", path.display());
                assert_parses(&filled(&line), &place);
                // It is pasted, so it has the very word that is meant. That one is printed in a manual page.
                let is_of_page = path.ends_with("cli/man.rs");
                let stands_for =
                    line.split(' ').any(|word| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase()));
                assert!(is_of_page || !stands_for, "{place}: {line}");
            }
        }
    }
    assert!(found >= 15, "{found}");
}

#[test]
fn commands_of_others_are_made_in_one_place() {
    let foreign =
        Regex::new(r"apt-get |apt install|dnf |zypper |useradd|cargo run|\bmake (?:engine|run|build|setup|test|rust-corpus|install)\b").expect("valid");
    // No hints: what is done with the sources of a server, and what builds an extension.
    let prose = ["make install\\\" in the sources", "make install DESTDIR="];
    let mut made = 0;
    for (path, text) in files(&["runner/src", "extension/src", "extension/core/src"], &[".rs"]) {
        for (number, line) in code(&text) {
            let literal = line.split_once('"').map_or("", |(_, literal)| literal);
            if path.ends_with("cli/tests.rs")
                || !foreign.is_match(literal)
                || prose.iter().any(|prose| line.contains(prose))
            {
                continue;
            }
            let is_hint = path.components().any(|part| part.as_os_str() == "hint");
            assert!(is_hint, "{}:{number}: {}", path.display(), line.trim());
            made += 1;
        }
    }
    assert!(made >= 5, "{made}");
}

/// In documents: code in backquotes, and lines of blocks.
#[test]
fn commands_of_documents_are_commands_of_the_runner() {
    let span = Regex::new(r"`(mcspec [a-z][^`]*)`").expect("valid");
    let line = Regex::new(r"(?m)^(?:\$ +|    )?(?:target/release/)?(mcspec [a-z][^|>#&;\n]*)").expect("valid");
    let pages = [".md", "default.toml"];
    let mut found = 0;
    for (path, text) in files(&["docs", "README.md", "runner/src", "extension/core/src", "CHANGELOG.md"], &pages) {
        let blocks = text.split("\n```").enumerate().filter(|(i, _)| i % 2 == 1).map(|(_, block)| block);
        let in_blocks = blocks.flat_map(|block| line.captures_iter(block).map(|captures| captures[1].to_owned()));
        let in_text = span.captures_iter(&text).map(|captures| captures[1].to_owned());
        for command in in_text.chain(in_blocks).collect::<Vec<_>>() {
            // What a shell puts in, and what stands for something, is no value that could be parsed.
            let command = command.replace('\n', " ").replace("N/M", "1/2").replace(" ..", "").replace(" …", "");
            let command = command
                .replace("FORMAT", "json")
                .replace("--pg NN", "--pg 15")
                .replace("--pg N", "--pg 15")
                .replace("\\ ", " ");
            let is_whole = !command.contains(['$', '[', '"', '\\', '<', '|']);
            if is_whole {
                found += 1;
                assert_parses(&command, &path.display().to_string());
            }
        }
    }
    assert!(found >= 20, "{found}");
}

#[test]
fn hints_of_goldens_are_commands_of_the_runner() {
    let command = Regex::new(r#""(mcspec [a-z][^"]*)""#).expect("valid");
    let mut found = 0;
    for (path, text) in files(&["tests", "runner/tests"], &[".stderr", ".txt", ".out", ".md"]) {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| line.to_lowercase().contains("hint:")) {
            for captures in command.captures_iter(line) {
                found += 1;
                assert_parses(&captures[1], &format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert!(found >= 3, "{found}");
}

#[test]
fn what_scripts_tell_to_make_is_made() {
    let target = Regex::new(r"(?:HINT|hint|run)\W+make ([a-z-]+)").expect("valid");
    let makefile = fs::read_to_string(root().join("Makefile")).expect("it is there");
    for (path, text) in files(&["scripts", "tests", "bench"], &[".sh", ".py", "run"]) {
        for captures in target.captures_iter(&text) {
            let rule = format!("\n{}:", &captures[1]);
            let rules = [rule.clone(), format!("{} ", rule.trim_end_matches(':'))];
            assert!(rules.iter().any(|rule| makefile.contains(rule.as_str())), "{}: {}", path.display(), &captures[1]);
        }
    }
}

#[test]
fn pages_that_are_named_are_there() {
    let page = Regex::new(r#"(docs/[a-z0-9/-]+\.md)(?:#([a-z0-9-]+)|, \\?"([^"\\]+)\\?")?"#).expect("valid");
    let anchor = |title: &str| {
        let kept = title.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect::<String>()
    };
    let mut found = 0;
    let sources = ["runner/src", "extension/src", "extension/core/src", "README.md", "CHANGELOG.md"];
    for (path, text) in files(&sources, &[".rs", ".md", ".toml"]) {
        for captures in page.captures_iter(&text) {
            found += 1;
            let document = fs::read_to_string(root().join(&captures[1]));
            let document = document.unwrap_or_else(|error| panic!("{}: {}: {error}", path.display(), &captures[1]));
            let titles: Vec<&str> = document
                .lines()
                .filter(|line| line.starts_with('#'))
                .map(|line| line.trim_start_matches(['#', ' ']))
                .collect();
            if let Some(wanted) = captures.get(2) {
                assert!(
                    titles.iter().any(|title| anchor(title) == wanted.as_str()),
                    "{}: {}",
                    path.display(),
                    &captures[0]
                );
            }
            if let Some(wanted) = captures.get(3) {
                assert!(titles.contains(&wanted.as_str()), "{}: {}", path.display(), &captures[0]);
            }
        }
    }
    assert!(found >= 10, "{found}");
}
