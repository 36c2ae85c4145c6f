//! What reads the reports elsewhere, run over them: `prove` of Perl, `tap-parser` of npm, `xmllint` with the schema of Jenkins'
//! xUnit plugin.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Whether there is a program of that name; says so where there is none, since a test then does not see much.
pub(crate) fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no \"{program}\"");
    }
    found
}

/// A schema that is kept beside the tests.
pub(crate) fn schema(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/schemas").join(name)
}

/// What `prove -v` says of a test program.
pub(crate) struct Proved {
    pub(crate) is_ok: bool,
    pub(crate) said: String,
}

/// Has a small executable proved that writes `tap` and whose exit code tells nothing.
pub(crate) fn prove(tap: &str) -> Option<Proved> {
    if !is_there("prove") {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let (program, text) = (directory.path().join("memcheck"), directory.path().join("said"));
    fs::write(&text, tap).unwrap();
    fs::write(&program, format!("#!/bin/sh\nexec cat '{}'\n", text.display())).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let Output { status, stdout, stderr } =
        Command::new("prove").args(["-v", "--norc", "--exec", ""]).arg(&program).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(!said.contains("Parse errors"), "{said}");
    Some(Proved { is_ok: status.success(), said })
}

/// Panics where `xmllint` does not find a document to be as a schema says.
pub(crate) fn validate_xml(document: &str, schema_name: &str) {
    if !is_there("xmllint") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.xml");
    fs::write(&file, document).unwrap();
    let mut xmllint = Command::new("xmllint");
    let ended = xmllint.args(["--noout", "--nonet", "--schema"]).arg(schema(schema_name)).arg(&file).output().unwrap();
    assert!(ended.status.success(), "{}\n{document}", String::from_utf8_lossy(&ended.stderr));
}

/// The version of npm's `tap-parser`, which reads TAP 14 and what there was before.
const TAP_PARSER: &str = "18.3.4";

/// What `tap-parser` makes of a report: its events. None where npm has it not.
pub(crate) fn tap_parser(tap: &str) -> Option<Vec<serde_json::Value>> {
    if !is_there("npm") || !is_there("node") {
        return None;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tap-parser-{TAP_PARSER}"));
    let package = format!("tap-parser@{TAP_PARSER}");
    let program = directory.join("node_modules/.bin/tap-parser");
    if !program.exists() {
        let install = ["install", "--silent", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix"];
        let installed = Command::new("npm").args(install).arg(&directory).arg(&package).status().unwrap();
        if !installed.success() {
            eprintln!("skipped: npm cannot install {package}");
            return None;
        }
    }
    let text = tempfile::NamedTempFile::new().unwrap();
    fs::write(text.path(), tap).unwrap();
    let ended = Command::new(program).arg("--json").stdin(fs::File::open(text.path()).unwrap()).output().unwrap();
    Some(serde_json::from_slice(&ended.stdout).unwrap())
}

/// Panics where a document is not as a JSON schema says.
pub(crate) fn validate_json(document: &str, schema_name: &str) {
    let schema = serde_json::from_str(&fs::read_to_string(schema(schema_name)).unwrap()).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let document = serde_json::from_str(document).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}
