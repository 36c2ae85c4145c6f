//! Every command that is shown anywhere works: those of mcspec are read from the sources, the pages and the goldens of tests, and parsed
//! by the parser of the command line. Those of others, and those in which something is filled in, are made in `hint/` alone, which has
//! tests of its own: `xtask/tests/house/hints.rs` finds those that are not.

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

/// The lines of a source that are neither comments nor tests; a text over several lines is on one.
fn code(text: &str) -> Vec<String> {
    let tests = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
    let goes_on = Regex::new(r"\\\n\s*").expect("valid");
    let joined = goes_on.replace_all(&text[..tests], "");
    joined.lines().filter(|line| !line.trim_start().starts_with("//")).map(str::to_owned).collect()
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

#[test]
fn hints_of_the_runner_are_commands_of_it() {
    // In a message, or a message alone. What begins like a command and is none is the first line of a golden, or a sentence.
    let command = Regex::new(r#"\\?"(mcspec [a-z][^"\\]*)\\?""#).expect("valid");
    let no_commands = ["golden", "reaches", "makes", "reads", "knows", "sends", "check, fmt"];
    let mut found = 0;
    for (path, text) in files(&["runner/src", "extension/src", "extension/core/src"], &[".rs"]) {
        for line in code(&text) {
            for captures in command.captures_iter(&line) {
                let line = captures[1].to_owned();
                if no_commands.iter().any(|word| line["mcspec ".len()..].starts_with(word)) {
                    continue;
                }
                found += 1;
                let place = path.display().to_string();
                assert_parses(&line, &place);
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

/// Words of which something is filled in, which the sources have one by one.
#[test]
fn commands_that_are_filled_in_are_commands_of_the_runner() {
    let call = Regex::new(r"mcspec\(&\[([^\]]*)\]\)").expect("valid");
    let mut found = 0;
    for (path, text) in files(&["runner/src", "extension/core/src"], &[".rs"]) {
        let text = &text[..text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len())];
        for captures in call.captures_iter(text) {
            let word = |word: &str| match word.trim().strip_prefix('"') {
                Some(literal) => literal.trim_end_matches('"').to_owned(),
                None if word.contains("major") => "15".to_owned(),
                None => "x".to_owned(),
            };
            let words: Vec<String> = captures[1].split(',').map(word).collect();
            found += 1;
            // The last one may be added behind.
            let command = match words.last().is_some_and(|last| last.starts_with("--")) {
                true => format!("mcspec {} x", words.join(" ")),
                false => format!("mcspec {}", words.join(" ")),
            };
            assert_parses(&command, &path.display().to_string());
        }
    }
    assert!(found >= 8, "{found}");
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

/// What is told to be made has a rule: in this checkout, in the Makefile of an extension that includes memcheck.mk, or by PGXS.
#[test]
fn what_is_told_to_be_made_is_made() {
    let told = Regex::new(r"(?:HINT:?|hint:?|`|^ *(?:\$ )?(?:sudo )?|&& )\W*make ([a-z][a-z-]+)").expect("valid");
    let rule = Regex::new(r"(?m)^([a-z][a-z .-]*):").expect("valid");
    let makefiles =
        ["Makefile", "contrib/memcheck.mk"].map(|name| fs::read_to_string(root().join(name)).expect("it is there"));
    let rules: Vec<&str> = makefiles
        .iter()
        .flat_map(|text| rule.captures_iter(text))
        .flat_map(|rule| rule.get(1).map_or("", |it| it.as_str()).split(' '))
        .collect();
    let of_pgxs = ["installcheck", "install", "check", "all"];
    let mut found = 0;
    let pages = [
        "docs",
        "README.md",
        "CHANGELOG.md",
        "contrib",
        "scripts",
        "tests",
        "bench",
        "fuzz",
        "xtask/src",
        "runner/src/explain",
    ];
    for (path, text) in files(&pages, &[".md", ".sh", ".py", ".rs", ".mk", "run", "check"]) {
        // In prose only what is quoted.
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        let prose = if is_page { text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n") } else { String::new() };
        let is_told = |line: &&str| !prose.contains(*line) || line.contains("`make ");
        for captures in text.lines().filter(is_told).flat_map(|line| told.captures_iter(line)) {
            let target = &captures[1];
            found += 1;
            assert!(rules.contains(&target) || of_pgxs.contains(&target), "{}: make {target}", path.display());
        }
    }
    assert!(found >= 20, "{found}");
}

/// Where this system has lists of packages: those that pages and scripts say are to be installed are in them.
#[test]
fn packages_that_are_told_are_there() {
    let told = Regex::new(r#"apt-get (?:-\S+ )*install ((?:-\S+ )*[a-z0-9][^\n`"'&|;,<$%)]*)"#).expect("valid");
    let mut packages = std::collections::BTreeSet::new();
    for (path, text) in files(
        &["docs", "README.md", "contrib", "xtask/src", "tests", "scripts"],
        &[".md", ".rs", ".yml", ".sh", "run", "check"],
    ) {
        for captures in told.captures_iter(&text) {
            let words = captures[1].split_whitespace().filter(|word| !word.starts_with('-'));
            packages.extend(words.map(|word| (word.trim_end_matches('.').to_owned(), path.clone())));
        }
    }
    assert!(packages.len() >= 8, "{packages:?}");
    let output = std::process::Command::new("apt-cache").arg("pkgnames").output();
    let output = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let known: std::collections::HashSet<&str> = output.lines().collect();
    if !known.contains("libclang-dev") {
        return;
    }
    // Others are the PostgreSQL project's, whose archive the pages add first.
    let of_project = Regex::new(r"^postgresql-(?:client-|server-dev-)?1[5-9]$").expect("valid");
    for (name, path) in packages.iter().filter(|(name, _)| !of_project.is_match(name)) {
        assert!(known.contains(name.as_str()), "{}: there is no package {name}", path.display());
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
