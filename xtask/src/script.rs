//! The engine's install script, from the metadata that pgrx leaves in a section of the built library.

use std::fs;
use std::path::Path;

use object::{Object, ObjectSection};
use pgrx_sql_entity_graph::section::{ELF_SECTION_NAME, decode_entities};
use pgrx_sql_entity_graph::{ControlFile, PgrxSql};

use crate::error::Error;

/// Returns the SQL that creates the objects of `library`, as `cargo pgrx schema` would write it.
pub(crate) fn generate(library: &Path, control: &str, extension: &str) -> Result<String, Error> {
    let bytes = fs::read(library).map_err(Error::file("read", library))?;
    let file = object::File::parse(&*bytes).map_err(|error| unusable(library, &error.to_string()))?;
    let section = file
        .section_by_name(ELF_SECTION_NAME)
        .ok_or_else(|| unusable(library, &format!("it has no section \"{ELF_SECTION_NAME}\"")))?;
    let metadata = section.uncompressed_data().map_err(|error| unusable(library, &error.to_string()))?;
    let entities = decode_entities(&metadata).map_err(|error| unusable(library, &error.to_string()))?;
    let control =
        ControlFile::from_str(control).map_err(|error| Error::new(format!("control file of {extension}: {error}")))?;

    PgrxSql::build(entities.into_iter().chain([control.into()]), extension.to_owned(), false)
        .and_then(|sql| sql.to_sql())
        .map_err(|error| unusable(library, &error.to_string()))
}

fn unusable(library: &Path, why: &str) -> Error {
    Error::new(format!("could not read the SQL metadata of \"{}\": {why}", library.display()))
}
