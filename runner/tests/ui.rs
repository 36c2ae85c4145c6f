//! The diagnostics of the language. Each `tests/ui/NAME.mcspec` (or `.mcspec.inc`, an included file) stands beside
//! `NAME.stderr`, what is said about it; the files in `tests/ui/valid` have nothing wrong with them, those in `tests/ui/lint`
//! what lints warn of, those in `tests/ui/config` are an `mcspec.toml` each.
//! `MCSPEC_BLESS=1` writes the outputs instead of comparing them.

use std::fs;
use std::path::{Path, PathBuf};

use mcspec::config::{Config, ConfigError};
use mcspec::language::lint::{LINTS, Lint, Surroundings, lint};
use mcspec::language::{SourceFile, parse, parse_include};
use similar::TextDiff;

/// A file in `tests/ui`.
fn ui(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/ui").join(name)
}

/// The spec files of a directory, or the configurations, sorted.
fn specs(directory: &Path) -> Vec<PathBuf> {
    let suffixes = ["mcspec", "inc", "toml"];
    let is_spec = |path: &PathBuf| path.extension().is_some_and(|suffix| suffixes.iter().any(|one| suffix == *one));
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(is_spec).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// What is said about a file, under its bare name.
fn diagnostics(path: &Path) -> String {
    let source = SourceFile::new(path.file_name().unwrap(), fs::read_to_string(path).unwrap());
    let is_included = path.extension().is_some_and(|suffix| suffix == "inc");
    let result = if is_included { parse_include(&source) } else { parse(&source) };
    let diagnostics = result.err().unwrap_or_default();
    diagnostics.iter().map(|diagnostic| diagnostic.render(&source, false) + "\n").collect::<Vec<_>>().join("\n")
}

/// The warnings about a file without errors, under its bare name.
fn warnings(path: &Path) -> String {
    let source = SourceFile::new(path.file_name().unwrap(), fs::read_to_string(path).unwrap());
    let spec = parse(&source).unwrap_or_else(|errors| panic!("{}", errors[0].render(&source, false)));
    // As if the schedule had all others.
    let name = path.file_stem().unwrap().to_str().filter(|&name| name == "W013");
    let warnings = lint(&source.text, &spec, Surroundings { not_scheduled: name, ..Surroundings::default() });
    let rendered = warnings.iter().map(|one| one.diagnostic.render_warning(one.code, &source, false) + "\n");
    rendered.collect::<Vec<_>>().join("\n")
}

/// What is said about a configuration, under its bare name.
fn mistakes(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    match Config::parse(&text, Path::new(path.file_name().unwrap())) {
        Ok(_) => String::new(),
        Err(ConfigError::Invalid { file, problems }) => {
            let rendered = problems.iter().map(|problem| problem.render(&file, false) + "\n");
            rendered.collect::<Vec<_>>().join("\n")
        }
        Err(error) => panic!("{error}"),
    }
}

/// Compares what is said about the files of a directory with what is recorded beside them.
fn compare(directory: &str, said: fn(&Path) -> String) {
    let bless = std::env::var_os("MCSPEC_BLESS").is_some();
    let mut differing = String::new();
    for path in specs(&ui(directory)) {
        let name = path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap();
        let recorded_at = ui(directory).join(format!("{name}.stderr"));
        let recorded = fs::read_to_string(&recorded_at).unwrap_or_default();
        let output = said(&path);
        assert!(!output.is_empty(), "nothing is said about {name}");
        if output != recorded && bless {
            fs::write(&recorded_at, &output).unwrap();
        } else if output != recorded {
            let diff = TextDiff::from_lines(&recorded, &output);
            differing += &diff.unified_diff().header(&format!("{name}.stderr"), "output").to_string();
        }
    }
    assert!(differing.is_empty(), "diagnostics differ (MCSPEC_BLESS=1 accepts them)\n{differing}");
}

#[test]
fn diagnostics_read_as_recorded() {
    compare("", diagnostics);
}

#[test]
fn warnings_read_as_recorded() {
    compare("lint", warnings);
}

#[test]
fn mistakes_in_a_configuration_read_as_recorded() {
    compare("config", mistakes);
}

#[test]
fn every_lint_has_a_spec_that_no_other_lint_warns_of() {
    for Lint { code, .. } in LINTS {
        let warnings = warnings(&ui("lint").join(format!("{code}.mcspec")));
        let codes: Vec<&str> = warnings.lines().filter_map(|line| line.strip_prefix("WARNING[")?.get(..4)).collect();
        assert!(!codes.is_empty() && codes.iter().all(|found| found == code), "{code}\n{warnings}");
    }
}

#[test]
fn valid_specs_have_no_errors() {
    for path in specs(&ui("valid")) {
        assert_eq!(diagnostics(&path), "", "{}", path.display());
    }
}
