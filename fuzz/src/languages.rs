//! What people write.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use mcspec::config::Config;
use mcspec::language::{SourceFile, format, format_include, parse, parse_include};
use mcspec::plan::schedule::read_by;
use mcspec::plan::{Defaults, Environment, Overrides, cases, load_source};

use crate::text;

/// A spec, or a file that specs include.
pub fn spec(data: &[u8]) {
    if let Some(text) = text(data) {
        whole("x.mcspec", text);
        included(text);
    }
}

/// A spec of isolationtester.
pub fn isolation(data: &[u8]) {
    if let Some(text) = text(data) {
        whole("x.spec", text);
    }
}

/// Most errors and warnings that are shown.
const SHOWN: usize = 10;

/// All that is done to a spec without a server.
fn whole(name: &str, text: &str) {
    // Nothing beside it can be included.
    let source = SourceFile::new(Path::new("/nonexistent/mcspec").join(name), text);
    match parse(&source) {
        Ok(_) => {
            let formatted = format(&source).expect("a spec without errors can be laid out");
            check_layout(&source, &formatted, |source| parse(source).ok(), |source| format(source).ok());
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "a refusal has a reason");
            for error in errors.iter().take(SHOWN) {
                error.render(&source, false);
            }
            let _ = format(&source);
        }
    }
    match load_source("x", source.clone()) {
        Ok(loaded) => {
            for warning in loaded.warnings(true).iter().take(SHOWN) {
                warning.diagnostic.render_warning(warning.code, &source, false);
            }
            let environment = Environment::nominal(180_000);
            match cases(&loaded, &environment, &Overrides::default(), Defaults::default()) {
                Ok(cases) => assert!(!cases.is_empty()),
                Err(problems) => problems.iter().take(SHOWN).for_each(|problem| drop(problem.render(false))),
            }
        }
        Err(problems) => problems.iter().take(SHOWN).for_each(|problem| drop(problem.render(false))),
    }
}

fn included(text: &str) {
    let source = SourceFile::new("x.mcspec.inc", text);
    match parse_include(&source) {
        Ok(_) => {
            let formatted = format_include(&source).expect("a file without errors can be laid out");
            let parsed = |source: &SourceFile| parse_include(source).ok();
            check_layout(&source, &formatted, parsed, |source| format_include(source).ok());
        }
        Err(errors) => errors.iter().take(SHOWN).for_each(|error| drop(error.render(&source, false))),
    }
}

/// A layout means the same, and laying it out changes nothing.
fn check_layout(
    source: &SourceFile,
    formatted: &str,
    parsed: impl Fn(&SourceFile) -> Option<mcspec::language::ast::Spec>,
    format: impl Fn(&SourceFile) -> Option<String>,
) {
    let laid_out = SourceFile::new(&source.path, formatted);
    let tree = |source: &SourceFile| parsed(source).map(|spec| without_spans(&format!("{spec:?}")));
    assert_eq!(tree(&laid_out), tree(source), "{:?} became {formatted:?}", source.text);
    assert_eq!(format(&laid_out).as_deref(), Some(formatted), "of {:?}", source.text);
}

/// A tree's text without where in the file things are.
fn without_spans(tree: &str) -> String {
    let mut parts = tree.split("span: ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    }
    text
}

/// Schedules: the one that is read and those that it may include, with their names `a`, `b`, ..., divided by null bytes.
pub fn schedule(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let files: BTreeMap<String, &str> =
        text.split('\0').zip('a'..='z').map(|(text, name)| (name.into(), text)).collect();
    let read = |path: &Path| {
        let text = path.to_str().and_then(|name| files.get(name));
        text.map(|text| (*text).to_owned()).ok_or(io::ErrorKind::NotFound.into())
    };
    let known = ["one", "two", "sub/three", "four"].map(str::to_owned);
    match read_by(read, Path::new("a"), &known) {
        Ok(groups) => {
            let mut names: Vec<&String> = groups.iter().flat_map(|group| &group.names).collect();
            assert!(names.iter().all(|name| known.contains(name)));
            names.sort();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        }
        Err(error) => drop((error.to_string(), error.hint())),
    }
}

/// `mcspec.toml`
pub fn config(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Err(error) = Config::parse(text, Path::new("mcspec.toml")) {
        assert!(!error.to_string().is_empty());
    }
}
