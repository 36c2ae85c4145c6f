//! The text of what is written: `mcspec.toml` and the first specs, with comments for whoever goes on with them.

use std::fmt::Write;

use super::calls::{Call, Calls, plain};
use super::hooks;
use super::repository::{Source, Way};
use crate::hint;
use crate::language::{SourceFile, format};
use crate::plan::{Defaults, Environment, Overrides, cases, load_source};

/// What `mcspec.toml` is made from.
#[derive(Debug)]
pub struct Project<'a> {
    /// What is built.
    pub sources: &'a [Source],
    /// Sections that could not be built, with the reason.
    pub left_out: &'a [(String, String)],
    /// The directory of goldens.
    pub goldens: &'a str,
    /// The directory of results.
    pub results: &'a str,
    /// The schedule, where the usual name is taken.
    pub schedule: Option<&'a str>,
}

impl Project<'_> {
    /// The file.
    pub fn toml(&self) -> String {
        let Project { goldens, results, .. } = self;
        let mut text = format!(
            "# How mcspec finds and builds what is to be checked; \"mcspec help\" and docs/extensions.md say what else there is.\n\n\
             [project]\nspecs = \"specs\"             # the .mcspec files\n\
             expected = {goldens:?}        # what was accepted by \"mcspec bless\"; \"expected\" is pg_regress's\n\
             results = {results:?}    # what a run writes\n"
        );
        if let Some(schedule) = self.schedule {
            let _ = writeln!(text, "schedule = {schedule:?}  # \"schedule\" is another file here");
        }
        for source in self.sources {
            text += &section(source);
        }
        for (name, why) in self.left_out {
            let _ = writeln!(text, "\n# [extension.{name}] is left out, since it could not be built:");
            why.lines().for_each(|line| {
                let _ = writeln!(text, "#   {line}");
            });
        }
        text
    }
}

fn section(source: &Source) -> String {
    let Some(name) = source.name() else { return String::new() };
    let comment = source.extensions.first().map_or("", |control| control.comment.as_str());
    let mut text = "\n".to_owned();
    if !comment.is_empty() {
        let _ = writeln!(text, "# {}", comment.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    if source.extensions.is_empty() {
        text += "# A library without an extension\n";
    }
    let _ = writeln!(text, "[extension.{}]", key(name));
    if !source.directory.as_os_str().is_empty() {
        let _ = writeln!(text, "path = {:?}", source.directory.display().to_string());
    }
    match &source.build {
        Way::Make => {
            text += "# By make with PGXS, on a copy of the sources; further arguments: make = [\"WITH_X=1\"]\nbuild = \"make\"\n"
        }
        Way::Cargo => text += "# A crate of pgrx; the feature of the major version is added\nbuild = \"cargo\"\n",
        Way::Command(lines) => {
            text += "# Lines for a shell, on a copy of the sources, with PG_CONFIG and DESTDIR set\nbuild = \"command\"\ncommand = [\n";
            lines.iter().for_each(|line| {
                let _ = writeln!(text, "  {},", literal(line));
            });
            text += "]\n";
        }
    }
    let provides = source.provides();
    if !provides.is_empty() {
        let names: Vec<String> = provides.iter().map(|name| format!("{name:?}")).collect();
        let _ =
            writeln!(text, "provides = [{}]  # further extensions and libraries that come with it", names.join(", "));
    }
    text
}

/// A name as a key of TOML.
fn key(name: &str) -> String {
    let is_bare = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    if is_bare { name.to_owned() } else { format!("{name:?}") }
}

/// A text as TOML has it, with no backslashes where that is possible.
fn literal(text: &str) -> String {
    if text.contains('\'') { format!("{text:?}") } else { format!("'{text}'") }
}

/// What a spec is made from.
#[derive(Debug)]
pub struct Spec<'a> {
    /// Its name.
    pub name: &'a str,
    /// The extension; none for a library alone.
    pub extension: Option<&'a str>,
    /// Libraries to preload.
    pub preload: &'a [String],
    /// Lines for postgresql.conf.
    pub conf: &'a [String],
    /// The library that is charged, where there is no extension that says so.
    pub target: Option<&'a str>,
    /// A library with hooks: it is loaded, and then statements of every kind go through it.
    pub hooks: Option<&'a str>,
    /// What is called.
    pub calls: &'a Calls,
}

impl Spec<'_> {
    /// The file, laid out as `mcspec fmt` does. What cannot be written in a spec is left out, and said.
    pub fn text(&self) -> String {
        let mut header = self.header();
        if self.hooks.is_some() {
            header += &format!("\nsetup {{ {} }}\n", hooks::SETUP);
        }
        let mut body = String::new();
        let mut names: Vec<String> = Vec::new();
        let mut left_out = Vec::new();
        let is_preloaded = |library: &str| self.preload.iter().any(|one| one == library);
        let hooks = self.hooks.map(|library| hooks::calls(library, is_preloaded(library))).unwrap_or_default();
        for (call, kind) in self
            .calls
            .calls
            .iter()
            .map(|call| (call, "growth_benchmark"))
            .chain(hooks.iter().map(|(call, kind)| (call, *kind)))
        {
            let name = distinct(&call.name, &mut names);
            let written = [false, true].into_iter().map(|dollars| scenario(call, kind, &name, dollars));
            match written.into_iter().find(|text| is_read(&format!("{header}\n{text}"))) {
                Some(text) => body += &format!("\n{text}"),
                None => left_out.push(call.comment.clone()),
            }
        }
        let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
        for not in &self.calls.not_called {
            match reasons.iter_mut().find(|(why, _)| *why == not.why) {
                Some((_, all)) => all.push(&not.what),
                None => reasons.push((not.why.clone(), vec![&not.what])),
            }
        }
        if !left_out.is_empty() {
            reasons.push(("it cannot be written in a spec".to_owned(), left_out.iter().map(String::as_str).collect()));
        }
        let mut end = String::new();
        if !reasons.is_empty() {
            end += "\n# Not called:\n";
        }
        for (why, all) in reasons {
            let _ = writeln!(end, "#");
            why.lines().for_each(|line| {
                let _ = writeln!(end, "# {}", line.trim_end());
            });
            all.iter().for_each(|what| {
                let _ = writeln!(end, "#     {}", what.replace(['\n', '\r'], " "));
            });
        }
        let text = format!("{header}{body}{end}");
        format(&SourceFile::new(format!("{}.mcspec", self.name), &text)).unwrap_or(text)
    }

    fn header(&self) -> String {
        let name = self.name;
        let what = if self.extension.is_some() { "extension" } else { "library" };
        let (all, one) = (hint::mcspec(&["run", name]), hint::mcspec(&["run", &format!("{name}/SCENARIO")]));
        let mut text = format!(
            "# What {what} \"{name}\" has, each called again and again: a call that loses memory fails its scenario.\n\
             #\n\
             # \"{all}\" runs all of it, \"{one}\" one scenario. What a call is to lose, or what is known,\n\
             # stands in place of \"expect none\", or is accepted by \"mcspec bless\" where there is no \"expect\".\n\
             title 'calls of {name}'\n"
        );
        text += &needs(self.extension, self.preload, self.target, self.conf);
        text
    }
}

/// The lines at the head of a spec that say what it is about, and what its server needs.
pub fn needs(extension: Option<&str>, preload: &[String], target: Option<&str>, conf: &[String]) -> String {
    let mut text = String::new();
    if let Some(extension) = extension {
        let _ = writeln!(text, "extension {} cascade", word(extension));
    }
    if !preload.is_empty() {
        let libraries: Vec<String> = preload.iter().map(|library| format!("'{library}'")).collect();
        let _ = writeln!(text, "preload {}", libraries.join(", "));
    }
    if let Some(target) = target {
        let _ = writeln!(text, "target '{target}'");
    }
    if !conf.is_empty() {
        let _ = writeln!(text, "conf {{\n  {}\n}}", conf.join("\n  "));
    }
    text
}

/// A name as a spec has it.
fn word(name: &str) -> String {
    let is_word =
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if is_word { name.to_owned() } else { format!("\"{name}\"") }
}

/// A name that no other scenario has.
fn distinct(name: &str, names: &mut Vec<String>) -> String {
    let mut free = plain(name);
    let mut number = 1;
    while names.contains(&free) {
        number += 1;
        free = format!("{}_{number}", plain(name));
    }
    names.push(free.clone());
    free
}

/// Whether a spec with that text would be read as it is meant.
fn is_read(text: &str) -> bool {
    let environment = Environment::nominal(180_000);
    let loaded = load_source("init", SourceFile::new("init.mcspec", text));
    let planned = loaded.and_then(|loaded| cases(&loaded, &environment, &Overrides::default(), Defaults::default()));
    planned.is_ok_and(|cases| cases.iter().all(|case| case.scenarios.len() == 1))
}

/// How often something is repeated that takes so long once.
fn iterations(milliseconds: u128) -> u64 {
    match milliseconds {
        0..5 => 200,
        5..50 => 50,
        50..300 => 20,
        _ => 10,
    }
}

fn scenario(call: &Call, kind: &str, name: &str, dollars: bool) -> String {
    let block = |statements: &[String]| {
        let text = statements.iter().map(|sql| format!("{sql};")).collect::<Vec<_>>();
        let is_long = text.len() > 1 || text.iter().map(String::len).sum::<usize>() > 90;
        let (open, close) = if dollars { ("$mcspec$", "$mcspec$") } else { ("{", "}") };
        match is_long {
            true => format!("{open}\n    {}\n  {close}", text.join("\n    ")),
            false => format!("{open} {} {close}", text.join(" ")),
        }
    };
    let mut text = String::new();
    call.comment.lines().for_each(|line| {
        let _ = writeln!(text, "# {line}");
    });
    let _ = writeln!(text, "scenario {kind} {name}");
    if !call.setup.is_empty() {
        let _ = writeln!(text, "  setup {}", block(&call.setup));
    }
    if !call.teardown.is_empty() {
        let _ = writeln!(text, "  teardown {}", block(&call.teardown));
    }
    let _ = writeln!(text, "  iterations {}", iterations(call.took.as_millis()));
    let mut workload = call.workload.clone();
    if call.is_undone {
        workload.insert(0, "BEGIN".to_owned());
        workload.push("ROLLBACK".to_owned());
    }
    let _ = writeln!(text, "  workload {}", block(&workload));
    text + "  expect none\n"
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::calls::NotCalled;
    use super::super::repository::Control;
    use super::*;
    use crate::config::Config;
    use crate::language::lint::Surroundings;

    fn call(name: &str, sql: &str) -> Call {
        Call {
            name: name.to_owned(),
            comment: format!("{name}(integer)"),
            setup: Vec::new(),
            workload: vec![sql.to_owned()],
            teardown: Vec::new(),
            is_undone: false,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_spec_is_read_has_no_warnings_and_needs_no_formatting() {
        let calls = Calls {
            calls: vec![
                call("f", "SELECT f(1)"),
                call("f", "SELECT f('{}'::text, E'a\\nb')"),
                call("window", "SELECT 1"),
                call("open", "SELECT '}' -- {"),
                call("variable", "SELECT ':x', a[1:2]::text FROM (SELECT ARRAY[1]) AS t(a)"),
                Call {
                    is_undone: true,
                    setup: vec!["CREATE TABLE t (i int)".to_owned()],
                    teardown: vec!["DROP TABLE t".to_owned()],
                    ..call("table", "INSERT INTO t VALUES (1)")
                },
            ],
            not_called: vec![NotCalled {
                what: "g(internal)".to_owned(),
                why: "the server calls it".to_owned(),
                crashed: false,
                tried: None,
            }],
            ..Calls::default()
        };
        let conf = ["cron.database_name = :'database'".to_owned()];
        for hooks in [None, Some("x")] {
            let spec = Spec {
                name: "x-y",
                extension: Some("x-y"),
                preload: &["x".to_owned()],
                conf: &conf,
                target: None,
                hooks,
                calls: &calls,
            };
            let text = spec.text();
            let source = SourceFile::new("x.mcspec", &text);
            assert_eq!(format(&source).expect("it is read"), text);
            let loaded = load_source("x", SourceFile::new("x.mcspec", &text)).unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(loaded.warnings(false), [], "{text}");
            assert_eq!(Surroundings::default().not_scheduled, None);
            let cases = cases(&loaded, &Environment::nominal(180_000), &Overrides::default(), Defaults::default());
            let scenarios = &cases.unwrap_or_else(|_| panic!("{text}"))[0].scenarios;
            assert!(scenarios.len() >= 6, "{text}");
            assert!(text.contains("scenario growth_benchmark f_2") && text.contains("#     g(internal)"), "{text}");
        }
    }

    #[test]
    fn a_project_is_valid() {
        let control =
            |name: &str| Control { name: name.to_owned(), comment: "it's one".to_owned(), ..Control::default() };
        let source = |directory: &str, build: Way, names: &[&str], libraries: &[&str]| Source {
            directory: directory.into(),
            build,
            extensions: names.iter().map(|name| control(name)).collect(),
            libraries: libraries.iter().map(|&name| name.to_owned()).collect(),
            title: String::new(),
        };
        let sources = [source("", Way::Make, &["a"], &["a"]), source("sub/b", Way::Make, &[], &["hook"])];
        let left_out = [("c".to_owned(), "two\nlines".to_owned())];
        let project = Project {
            sources: &sources,
            left_out: &left_out,
            goldens: "goldens",
            results: "mcspec-results",
            schedule: None,
        };
        let config = Config::parse(&project.toml(), Path::new("mcspec.toml")).expect("valid");
        assert_eq!(config.extensions.keys().collect::<Vec<_>>(), ["a", "hook"]);
        assert_eq!(config.extensions["hook"].path, Path::new("sub/b"));
        assert_eq!(literal("cmake -D\"$X\""), "'cmake -D\"$X\"'");
        assert_eq!(key("a.b"), "\"a.b\"");
    }
}
