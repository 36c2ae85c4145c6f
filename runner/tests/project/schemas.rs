//! What is written for programs, held to the schemas of the manual.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

/// Those of `docs/schema`, by their names.
static SCHEMAS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let schema: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), jsonschema::validator_for(&schema).unwrap())
    };
    fs::read_dir(directory).unwrap().map(read).collect()
});

/// Panics where a text is not as a schema says; `name` is what it is.
pub(crate) fn validate(schema: &str, text: &str, name: &str) {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let wrong: Vec<String> =
        SCHEMAS[schema].iter_errors(&value).map(|error| format!("{}: {error}\n", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{name} is not as docs/schema/{schema}.json says:\n{}", wrong.concat());
}
