//! Tests that a build by cmake or meson knows: those of them that run pg_regress.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use walkdir::WalkDir;

use super::{Kind, Launch, Options, Part, Suite, below, groups, settings};

/// How far below the top build directories are looked for, in directories.
const DEPTH: usize = 3;

/// What is known of the tests of a build.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Those that run pg_regress or its twin for isolation specs.
    pub(super) suites: Vec<Suite>,
    /// The names of all others.
    pub(super) others: Vec<String>,
}

/// A test: a program in a directory.
#[derive(Debug, Default, PartialEq, Eq)]
struct Test {
    name: String,
    words: Vec<String>,
    directory: PathBuf,
    environment: Vec<(String, String)>,
}

/// The tests of the builds at and below `top`, which are not run.
///
/// # Errors
///
/// What ctest says that cannot tell them.
pub(super) fn find(top: &Path) -> Result<Known, String> {
    let mut tests = Vec::new();
    for directory in directories(top) {
        if directory.join("CTestTestfile.cmake").is_file() {
            tests.extend(of_ctest(&ctest(&directory)?, &directory));
        }
        if let Ok(text) = std::fs::read_to_string(directory.join("meson-info/intro-tests.json")) {
            tests.extend(of_meson(&text, &directory));
        }
    }
    let mut known = Known::default();
    for test in tests {
        match suite(&test, top) {
            Some(suite) => known.suites.push(suite),
            None => known.others.push(test.name),
        }
    }
    // One alone needs no name.
    if let [only] = known.suites.as_mut_slice() {
        only.label = PathBuf::new();
    }
    Ok(known)
}

/// The build directories, without those of what is built within another build.
fn directories(top: &Path) -> Vec<PathBuf> {
    let is_build = |path: &Path| path.join("CMakeCache.txt").is_file() || path.join("meson-info").is_dir();
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in WalkDir::new(top).max_depth(DEPTH).sort_by_file_name().into_iter().flatten() {
        let path = entry.path();
        let is_within = |of: &PathBuf| path.starts_with(of);
        if entry.file_type().is_dir() && is_build(path) && !found.iter().any(is_within) {
            found.push(path.to_owned());
        }
    }
    found
}

/// What ctest tells of a build directory (cmake-3.14 and later; ctest(1), "Show as JSON Object Model").
fn ctest(directory: &Path) -> Result<String, String> {
    let mut ctest = Command::new("ctest");
    ctest.arg("--show-only=json-v1").current_dir(directory).env("LC_ALL", "C");
    let output = ctest.output().map_err(|error| format!("could not run ctest: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("ctest: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn of_ctest(text: &str, directory: &Path) -> Vec<Test> {
    let json: Value = serde_json::from_str(text).unwrap_or_default();
    let tests = json["tests"].as_array().into_iter().flatten();
    let test = |test: &Value| {
        let properties = test["properties"].as_array();
        let property = |name: &str| {
            let mut all = properties.into_iter().flatten();
            all.find(|property| property["name"] == name).map(|property| &property["value"])
        };
        let is_disabled = property("DISABLED").and_then(Value::as_bool).unwrap_or_default();
        let assignments = property("ENVIRONMENT").map(texts).unwrap_or_default();
        let test = Test {
            name: test["name"].as_str()?.to_owned(),
            // Without one, it is for another configuration than what was built.
            words: texts(test.get("command")?),
            directory: property("WORKING_DIRECTORY")
                .and_then(Value::as_str)
                .map_or(directory.to_owned(), PathBuf::from),
            environment: assignments.iter().filter_map(|text| assignment(text)).collect(),
        };
        (!is_disabled).then_some(test)
    };
    tests.filter_map(test).collect()
}

fn of_meson(text: &str, directory: &Path) -> Vec<Test> {
    let json: Value = serde_json::from_str(text).unwrap_or_default();
    let test = |test: &Value| {
        let environment = test["env"].as_object().into_iter().flatten();
        let value = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        Some(Test {
            name: test["name"].as_str()?.to_owned(),
            words: texts(&test["cmd"]),
            directory: test["workdir"].as_str().map_or(directory.to_owned(), PathBuf::from),
            environment: environment.filter_map(value).collect(),
        })
    };
    json.as_array().into_iter().flatten().filter_map(test).collect()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect()
}

fn assignment(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (name.to_owned(), value.to_owned()))
}

/// The suite that a test runs, if it runs one: by pg_regress itself, or by `cmake -E env` or `env` with it.
fn suite(test: &Test, top: &Path) -> Option<Suite> {
    let kind = |word: &String| match Path::new(word).file_name()?.to_str()? {
        "pg_regress" => Some(Kind::Regress),
        "pg_isolation_regress" => Some(Kind::Isolation),
        _ => None,
    };
    let (position, kind) = test.words.iter().enumerate().find_map(|(at, word)| Some((at, kind(word)?)))?;
    let mut environment = test.environment.clone();
    for word in &test.words[..position] {
        let is_env = ["cmake", "-E", "env", "--"].iter().any(|known| Path::new(word).ends_with(known));
        match assignment(word) {
            Some(assignment) => environment.push(assignment),
            None if is_env => {}
            // Something of their own, which may do more than that.
            None => return None,
        }
    }
    let options = Options::read(&test.words[position + 1..]);
    let place = |named: &Option<String>| below(top, &test.directory.join(named.as_deref().unwrap_or("")));
    let (input, output) = (place(&options.input), place(&options.output));
    let part = Part { kind, input, output, groups: groups(&test.directory, &options, &[]), options };
    Some(Suite {
        directory: below(top, &test.directory),
        label: PathBuf::from(test.name.replace('/', "_")),
        settings: settings(&test.directory, &part.options),
        launch: Launch::Program { environment },
        parts: vec![part],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctest_tells_commands() {
        let text = r#"{"kind": "ctestInfo", "tests": [
            {"name": "h3_regress", "command": ["/lib/pg_regress", "--temp-instance=/b/tmp", "--inputdir=/t/x", "--load-extension",
             "h3", "edge", "type"], "properties": [{"name": "WORKING_DIRECTORY", "value": "/t/build/x"},
             {"name": "ENVIRONMENT", "value": ["A=b=c"]}]},
            {"name": "races", "command": ["/usr/bin/cmake", "-E", "env", "B=1", "/lib/pg_isolation_regress", "race"]},
            {"name": "inlined", "command": ["sh", "-c", "! objdump"]},
            {"name": "wrapped", "command": ["sh", "run.sh", "/lib/pg_regress", "edge"]},
            {"name": "off", "command": ["pg_regress"], "properties": [{"name": "DISABLED", "value": true}]},
            {"name": "of_another_configuration"}]}"#;
        let tests = of_ctest(text, Path::new("/t/build"));
        assert_eq!(
            tests.iter().map(|test| test.name.as_str()).collect::<Vec<_>>(),
            ["h3_regress", "races", "inlined", "wrapped"]
        );
        let suites: Vec<Suite> = tests.iter().filter_map(|test| suite(test, Path::new("/t"))).collect();
        let [regress, races] = suites.as_slice() else { panic!("{suites:?}") };
        assert_eq!((&*regress.directory, &*regress.label), (Path::new("build/x"), Path::new("h3_regress")));
        let part = &regress.parts[0];
        assert_eq!((part.kind, part.file("edge")), (Kind::Regress, PathBuf::from("x/sql/edge.sql")));
        assert_eq!(part.output, Path::new("build/x"));
        assert_eq!(part.tests().collect::<Vec<_>>(), ["edge", "type"]);
        assert_eq!(part.options.words(), ["--inputdir=/t/x", "--load-extension", "h3", "edge", "type"]);
        assert_eq!(regress.settings.lines, ["max_prepared_transactions = 2"]);
        assert_eq!(regress.launch, Launch::Program { environment: vec![("A".into(), "b=c".into())] });
        assert_eq!(races.launch, Launch::Program { environment: vec![("B".into(), "1".into())] });
        assert_eq!(races.parts[0].kind, Kind::Isolation);
        assert_eq!(of_ctest("no JSON", Path::new("/t")), []);
    }

    #[test]
    fn meson_tells_commands() {
        let text = r#"[{"name": "regress", "workdir": null, "env": {"C": "d"}, "cmd": ["/lib/pg_regress", "--inputdir", "/t", "one"]}]"#;
        let tests = of_meson(text, Path::new("/t/build"));
        let suite = suite(&tests[0], Path::new("/t")).expect("one");
        assert_eq!(suite.directory, Path::new("build"));
        assert_eq!(suite.parts[0].file("one"), Path::new("sql/one.sql"));
        assert_eq!(suite.launch, Launch::Program { environment: vec![("C".into(), "d".into())] });
    }
}
