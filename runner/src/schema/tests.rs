//! The schemas are current, and what they are of is as they say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;
use walkdir::WalkDir;

use super::*;
use crate::config::{Config, REFERENCE};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn named(name: &str) -> &'static Named {
    SCHEMAS.iter().find(|schema| schema.name == name).expect("a schema")
}

fn value(name: &str) -> Value {
    serde_json::from_str(&named(name).text()).expect("JSON")
}

fn validator(name: &str) -> Validator {
    jsonschema::options().should_validate_formats(true).build(&value(name)).expect("a schema")
}

fn check(validator: &Validator, value: &Value, what: &str) {
    let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:?}");
}

/// TOML as JSON has it. A date is a text, as editors see it.
fn json(text: &str) -> Value {
    fn convert(value: toml::Value) -> Value {
        match value {
            toml::Value::Datetime(date) => Value::String(date.to_string()),
            toml::Value::Array(items) => items.into_iter().map(convert).collect(),
            toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, convert(value))).collect(),
            other => serde_json::to_value(other).expect("JSON"),
        }
    }
    convert(toml::Value::Table(text.parse().expect("TOML")))
}

/// `MCSPEC_BLESS=1` writes the files instead of comparing them.
#[test]
fn the_files_are_current() {
    for schema in &SCHEMAS {
        let file = root().join(format!("docs/schema/{}.json", schema.name));
        if std::env::var_os("MCSPEC_BLESS").is_some() {
            fs::write(&file, schema.text()).expect("written");
        }
        let is_current = fs::read_to_string(&file).is_ok_and(|text| text == schema.text());
        assert!(is_current, "docs/schema/{}.json is not current (MCSPEC_BLESS=1 writes it)", schema.name);
    }
}

#[test]
fn every_configuration_of_the_repository_is_as_the_schema_says() {
    let validator = validator("config");
    let mut found = 0;
    for directory in ["mcspec.toml", "tests", "contrib", "bench", "hunt", "docs"] {
        for entry in WalkDir::new(root().join(directory)).into_iter().filter_map(Result::ok) {
            if entry.file_name() == "mcspec.toml" {
                let text = fs::read_to_string(entry.path()).expect("read");
                Config::parse(&text, entry.path()).unwrap_or_else(|error| panic!("{}", error.listing()));
                check(&validator, &json(&text), &entry.path().display().to_string());
                found += 1;
            }
        }
    }
    assert!(found > 1, "{found}");
    let is_key =
        |line: &str| line.starts_with("# [") || line.split_once(" = ").is_some_and(|(key, _)| key.starts_with("# "));
    let whole: Vec<&str> = REFERENCE.lines().map(|line| if is_key(line) { &line[2..] } else { line }).collect();
    for text in [REFERENCE, &whole.join("\n")] {
        check(&validator, &json(text), "default.toml");
    }
}

/// What the schema refuses, mcspec refuses as well; those of tests/ui that TOML itself refuses are left out.
#[test]
fn wrong_configurations_are_refused_by_the_schema() {
    let validator = validator("config");
    let mut found = 0;
    for entry in fs::read_dir(root().join("tests/ui/config")).expect("read") {
        let path = entry.expect("a file").path();
        let text = fs::read_to_string(&path).expect("read");
        if path.extension().is_some_and(|suffix| suffix == "toml") && text.parse::<toml::Table>().is_ok() {
            // "0s", a time that is too long, and reasons are no matter of a schema.
            let is_meaning = ["time.toml", "time_range.toml"].iter().any(|name| path.ends_with(name));
            assert_eq!(validator.is_valid(&json(&text)), is_meaning, "{}", path.display());
            found += 1;
        }
    }
    assert!(found > 4, "{found}");
}

/// The keys of a table of the schema: by a reference, or where it stands.
fn keys(schema: &Value, path: &[&str]) -> BTreeSet<String> {
    fn resolve<'v>(schema: &'v Value, mut at: &'v Value) -> &'v Value {
        loop {
            let of_any = at.get("anyOf").and_then(Value::as_array).and_then(|any| any.first());
            let reference = of_any.unwrap_or(at).get("$ref").and_then(Value::as_str);
            match reference {
                Some(reference) => at = schema.pointer(reference.trim_start_matches('#')).expect("a definition"),
                None => return at,
            }
        }
    }
    let mut at = schema;
    for name in path {
        at = resolve(schema, at);
        at = match *name {
            "*" => at.get("additionalProperties").or_else(|| at.get("items")).expect("a table of tables"),
            name => {
                at.get("properties").and_then(|keys| keys.get(name)).unwrap_or_else(|| panic!("no {name} in {path:?}"))
            }
        };
    }
    let properties =
        resolve(schema, at).get("properties").and_then(Value::as_object).unwrap_or_else(|| panic!("{path:?}"));
    properties.keys().cloned().collect()
}

/// mcspec itself says which keys it knows.
#[test]
fn keys_are_those_that_are_read() {
    let schema = value("config");
    for (head, path) in [
        ("", vec![]),
        ("[project]", vec!["project"]),
        ("[extension.a]", vec!["extension", "*"]),
        ("[isolation]", vec!["isolation"]),
        ("[engine]", vec!["engine"]),
        ("[profile]", vec!["profile"]),
        ("[profile.default]", vec!["profile", "default"]),
        ("[coverage]", vec!["coverage"]),
        ("[checklist]", vec!["checklist"]),
        ("[[allow]]\nlike = \"x\"\nbecause = \"y\"", vec!["allow", "*"]),
    ] {
        let error =
            Config::parse(&format!("{head}\nno_key_at_all = 1\n"), Path::new("c.toml")).expect_err(head).listing();
        let (_, known) = error.split_once("known keys are: ").unwrap_or_else(|| panic!("{error}"));
        let known: BTreeSet<String> = known.lines().next().unwrap_or_default().split(", ").map(str::to_owned).collect();
        assert_eq!(keys(&schema, &path), known, "{head}");
    }
}

#[test]
fn what_is_written_is_as_the_schemas_say() {
    let report = fs::read_to_string(root().join("runner/tests/report/json.json")).expect("read");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    check(&validator("report"), &report, "json.json");
    let report = RunReport::parse(&report.to_string()).expect("a report");
    // A result has the parts of a case of the report.
    for case in report.cases.iter().filter(|case| case.server.is_some()) {
        let result = CaseResult {
            format: CaseResult::FORMAT,
            case: case.name.clone(),
            label: case.label.clone(),
            spec: case.spec.clone(),
            status: case.status.clone(),
            reason: case.reason.clone(),
            refusal: None,
            faults: Vec::new(),
            golden: case.golden.clone(),
            server: case.server.clone().unwrap_or_default(),
            elapsed_ms: case.elapsed_ms,
            scenarios: case.scenarios.clone(),
            not_run: case.not_run.clone(),
            left_out: case.left_out.clone(),
            not_selected: case.not_selected.clone(),
        };
        check(&validator("result"), &serde_json::to_value(result).expect("JSON"), &case.label);
    }
    let list = Checklist::of(&report, Default::default(), &Default::default());
    check(&validator("checklist"), &serde_json::to_value(list).expect("JSON"), "checklist");
    let index = RunIndex { format: 1, ended: 1, cases: vec!["a".to_owned()], skipped: Vec::new(), shard: None };
    check(&validator("run"), &serde_json::to_value(index).expect("JSON"), "run.json");
    // One that lacks what each has is refused.
    for schema in &SCHEMAS[1..] {
        assert!(!validator(schema.name).is_valid(&serde_json::json!({"format": 1})), "{}", schema.name);
    }
}
