//! The install script of a crate, from what pgrx has left in its library.
//!
//! pgrx describes each SQL object where it is defined. Up to 0.17 the description is what a function of the library returns, whose
//! name begins with [`FUNCTIONS`]; a program of the crate's own, `pgrx_embed_NAME`, is compiled around a `main` that calls all of
//! them (command/schema.rs of cargo-pgrx). Since 0.18 it lies in a section of the library, which the crate `pgrx-sql-entity-graph` decodes.
//! Either way the script is made by the version of pgrx that the crate is built with.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Export, NameOrOrdinal, Object, ObjectSection};

use super::super::super::error::ServerError;
use super::super::unusable;
use super::control::Control;
use super::metadata::Version;
use super::{Job, plain};
use crate::bounded;

/// Since when the descriptions are in a section.
pub(super) const BY_SECTION: Version = (0, 18);

/// What the names of functions begin with that return a description.
const FUNCTIONS: &str = "__pgrx_internals";

/// What the names of functions begin with that tell the server of one that SQL may call (fmgr.h, PG_FUNCTION_INFO_V1).
const CALLABLE: &str = "pg_finfo_";

/// The script of an extension without SQL objects.
const NOTHING: &str = "/* no SQL objects */\n";

/// Sections with descriptions.
const SECTIONS: [&str; 2] = [".pgrxsc", ".pgrx_schema"];

/// Writes the install script of `library` to `script`.
pub(super) fn generate(job: &Job, library: &Path, control: &Control, script: &Path) -> Result<(), ServerError> {
    let bytes = fs::read(library).map_err(ServerError::file("read", library))?;
    let strange = |error: object::Error| unusable(job.source, format!("\"{}\": {error}", library.display()));
    let file = object::File::parse(&*bytes).map_err(strange)?;
    if let Some(section) = SECTIONS.iter().find_map(|name| file.section_by_name(name)) {
        let section = section.uncompressed_data().map_err(strange)?;
        return by_section(job, &section, control, script);
    }
    let exports: Vec<Export> = file.exports().map_err(strange)?.collect::<Result<_, _>>().map_err(strange)?;
    let names = || {
        exports.iter().filter_map(|export| match export.name() {
            NameOrOrdinal::Name(name) => std::str::from_utf8(name).ok(),
            NameOrOrdinal::Ordinal(_) => None,
        })
    };
    let functions: BTreeSet<&str> = names().filter(|name| name.starts_with(FUNCTIONS)).collect();
    if functions.is_empty() {
        let version = &job.metadata.pgrx_version;
        let reason = match version.as_str() {
            "" => "the crate does not depend on pgrx".to_owned(),
            // A library that has hooks only.
            _ if !names().any(|name| name.starts_with(CALLABLE)) => return write(script, NOTHING),
            version => format!("its library has no SQL objects that pgrx {version} has left a description of"),
        };
        return Err(unusable(job.source, reason));
    }
    by_functions(job, &functions, control, script)
}

/// Compiles the crate's program around calls of the functions, and runs it. In the profile of the library, so that nothing else has to
/// be compiled for it.
fn by_functions(job: &Job, functions: &BTreeSet<&str>, control: &Control, script: &Path) -> Result<(), ServerError> {
    let library = job.package.cdylib().map(|target| target.name.replace('-', "_")).unwrap_or_default();
    let names = [&job.package.name, &library].map(|name| format!("pgrx_embed_{name}"));
    let program = job.package.targets.iter().find(|target| names.contains(&target.name));
    let Some(program) = program.map(|target| target.name.as_str()) else {
        return Err(unusable(job.source, format!("package \"{}\" has no program \"{}\"", job.package.name, names[0])));
    };
    let control_file = job.target.join(format!("mcspec/{}.control", control.extension));
    write(&control_file, &control.text)?;
    let main = job.target.join("mcspec/embed.rs");
    write(&main, &main_of(job, functions, control, &control_file, script, &library))?;

    // Which of the two it takes is a matter of what the linker drops.
    let mut built = Err(ServerError::Interrupted);
    for profile in [job.wanted.profile.as_str(), "dev"] {
        let mut cargo = job.cargo("rustc", profile);
        cargo.args(["--bin", program, "--message-format", "json-render-diagnostics", "--", "--cfg", "pgrx_embed"]);
        cargo.env("PGRX_EMBED", &main);
        built = job.run(cargo, "cargo");
        if built.is_ok() || job.wanted.profile == "dev" {
            break;
        }
    }
    let program = executable(&built?, program)
        .ok_or_else(|| unusable(job.source, format!("cargo has not built \"{program}\"")))?;
    let mut program = Command::new(program);
    program.current_dir(&job.package.directory).env("CARGO_PKG_VERSION", &job.package.version);
    job.run(program, "pgrx_embed").map(|_| ())
}

/// The text of the program, as `compute_codegen` of cargo-pgrx makes it.
fn main_of(
    job: &Job,
    functions: &BTreeSet<&str>,
    control: &Control,
    control_file: &Path,
    script: &Path,
    library: &str,
) -> String {
    // Which the editions before do not ask for, and old compilers do not know.
    let keyword = if job.package.edition.as_str() >= "2024" { "unsafe " } else { "" };
    let graph = "::pgrx::pgrx_sql_entity_graph";
    let mut text = format!(
        "pub fn main() {{\n    {library}::__pgrx_marker();\n    let mut entities = Vec::new();\n    let control = \
         {graph}::ControlFile::try_from(::std::path::PathBuf::from({control_file:?})).expect(\"a control file\");\n    \
         entities.push({graph}::SqlGraphEntity::ExtensionRoot(control));\n"
    );
    for name in functions {
        let line = format!(
            "    {{ {keyword}extern \"Rust\" {{ fn {name}() -> {graph}::SqlGraphEntity; }} entities.push(unsafe {{ {name}() }}); }}"
        );
        let _ = writeln!(text, "{line}");
    }
    let is_versioned = control.is_versioned();
    let _ = write!(
        text,
        "    {graph}::PgrxSql::build(entities.into_iter(), {library:?}.to_string(), {is_versioned}).expect(\"SQL\")\
         .to_file({script:?}).expect(\"written\");\n}}\n"
    );
    text
}

/// Compiles a program that decodes the section, with the sources of the crate's own `pgrx-sql-entity-graph`, and runs it.
fn by_section(job: &Job, section: &[u8], control: &Control, script: &Path) -> Result<(), ServerError> {
    let Some(graph) = &job.metadata.sql_graph else {
        return Err(unusable(job.source, "the crate does not depend on pgrx-sql-entity-graph".to_owned()));
    };
    let directory = job.target.join(format!("mcspec/schema-{}", job.metadata.pgrx_version));
    let write_here = |name: &str, text: &str| write(&directory.join(name), text);
    write_here(
        "Cargo.toml",
        &format!(
            "[package]\nname = \"mcspec-schema\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n\n[dependencies]\n\
             pgrx-sql-entity-graph = {{ path = {} }}\n",
            toml::Value::String(graph.to_string_lossy().into_owned())
        ),
    )?;
    write_here("src/main.rs", DECODER)?;
    // The same versions, which are there already.
    let lock = job.metadata.root.join("Cargo.lock");
    let locked = bounded::text(&lock, bounded::SPEC).map_err(ServerError::file("read", &lock))?;
    write_here("Cargo.lock", &locked)?;

    let mut cargo = plain(&job.package.directory, job.site);
    cargo
        .args(["build", "--offline", "--message-format", "json-render-diagnostics", "--manifest-path"])
        .arg(directory.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(job.target)
        .env("CARGO_PROFILE_DEV_DEBUG", "none");
    let program = executable(&job.run(cargo, "cargo")?, "mcspec-schema")
        .ok_or_else(|| unusable(job.source, "cargo has not built \"mcspec-schema\"".to_owned()))?;

    let [data, control_file] = ["mcspec/section", "mcspec/control"].map(|name| job.target.join(name));
    fs::write(&data, section).map_err(ServerError::file("write", &data))?;
    write(&control_file, &control.text)?;
    let library = job.package.cdylib().map(|target| target.name.replace('-', "_")).unwrap_or_default();
    let mut program = Command::new(program);
    program.arg(data).arg(control_file).arg(library).arg(control.is_versioned().to_string()).arg(script);
    job.run(program, "mcspec-schema").map(|_| ())
}

/// Reads the section, the control file, the library's name and whether that has a version, and writes the script.
const DECODER: &str = r#"use pgrx_sql_entity_graph::section::decode_entities;
use pgrx_sql_entity_graph::{ControlFile, PgrxSql, SqlGraphEntity};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let section = std::fs::read(&arguments[0]).expect("the section");
    let control = std::fs::read_to_string(&arguments[1]).expect("the control file");
    let control = ControlFile::from_str(&control).expect("a control file");
    let entities = decode_entities(&section).expect("descriptions of SQL objects");
    let all = std::iter::once(SqlGraphEntity::ExtensionRoot(control)).chain(entities);
    let sql = PgrxSql::build(all, arguments[2].clone(), arguments[3] == "true").and_then(|sql| sql.to_sql());
    match sql {
        Ok(sql) => std::fs::write(&arguments[4], sql).expect("written"),
        Err(error) => {
            eprintln!("{error:?}");
            std::process::exit(1);
        }
    }
}
"#;

/// The program of that name in what a build says it has made.
fn executable(output: &str, name: &str) -> Option<PathBuf> {
    let messages = output.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    messages
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// Writes a file of the build, unless it is as it is to be: cargo goes by its time.
fn write(path: &Path, text: &str) -> Result<(), ServerError> {
    if fs::read_to_string(path).ok().as_deref() == Some(text) {
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(ServerError::file("create", directory))?;
    }
    fs::write(path, text).map_err(ServerError::file("write", path))
}
