//! Writes to standard output the install script of a library that is made with pgrx, from the metadata that pgrx leaves in a section
//! of it.
//!
//! A program of its own, since what decodes them declares a newer compiler than the pinned one, as all of pgrx does. It is built with
//! what the engine is built with, by xtask, which is built with nothing of the kind.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use object::{Object, ObjectSection};
use pgrx_sql_entity_graph::section::{ELF_SECTION_NAME, decode_entities};
use pgrx_sql_entity_graph::{ControlFile, PgrxSql};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [library, control, extension] = &arguments[..] else {
        eprintln!("install_script: error: expected the library, the control file and the name of the extension");
        return ExitCode::FAILURE;
    };
    match generate(Path::new(library), Path::new(control), extension) {
        Ok(sql) => {
            print!("{sql}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("install_script: error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the SQL that creates the objects of `library`, as `cargo pgrx schema` would write it.
fn generate(library: &Path, control: &Path, extension: &str) -> Result<String, String> {
    let unusable = |why: &str| format!("could not read the SQL metadata of \"{}\": {why}", library.display());
    let bytes = fs::read(library).map_err(|error| unusable(&error.to_string()))?;
    let file = object::File::parse(&*bytes).map_err(|error| unusable(&error.to_string()))?;
    let section = file
        .section_by_name(ELF_SECTION_NAME)
        .ok_or_else(|| unusable(&format!("it has no section \"{ELF_SECTION_NAME}\"")))?;
    let metadata = section.uncompressed_data().map_err(|error| unusable(&error.to_string()))?;
    let entities = decode_entities(&metadata).map_err(|error| unusable(&error.to_string()))?;

    let wrong = |error: &dyn std::fmt::Display| format!("control file \"{}\": {error}", control.display());
    let control = fs::read_to_string(control).map_err(|error| wrong(&error))?;
    let control = ControlFile::from_str(&control).map_err(|error| wrong(&error))?;
    PgrxSql::build(entities.into_iter().chain([control.into()]), extension.to_owned(), false)
        .and_then(|sql| sql.to_sql())
        .map_err(|error| unusable(&error.to_string()))
}
