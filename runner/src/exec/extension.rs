//! The extensions of a case, made in its database.

use std::time::Duration;

use super::failure::{Cause, Failure, Step};
use super::quote::quoted;
use super::session::Session;
use crate::language::ast::Extension;
use crate::plan::{Case, Place};
use crate::server::Server;

/// SQLSTATE of CREATE EXTENSION without a control file (extension.c, parse_extension_control_file).
const FEATURE_NOT_SUPPORTED: &str = "0A000";

/// Creates them in a session of their own.
///
/// # Errors
///
/// The first that fails.
pub fn create(server: &Server, database: &str, case: &Case, limit: Duration) -> Result<(), Failure> {
    let mut control = Session::open(server, database, "", limit)?;
    let created = create_all(&mut control, case);
    control.end(created)
}

/// Creates them in order.
pub(super) fn create_all(control: &mut Session, case: &Case) -> Result<(), Failure> {
    for extension in &case.extensions {
        create_one(control, extension, case.place_of(extension).as_ref())?;
    }
    Ok(())
}

fn create_one(control: &mut Session, extension: &Extension, place: Option<&Place>) -> Result<(), Failure> {
    let name = &extension.name.value;
    let step = Step::Extension(name.clone());
    let version = |word: &str, version: &Option<String>| match version {
        Some(version) => format!(" {word} {}", quoted(version, '\'')),
        None => String::new(),
    };
    let identifier = quoted(name, '"');
    let first = version("VERSION", extension.from.as_ref().map_or(&extension.version, |_| &extension.from));
    let cascade = if extension.cascade { " CASCADE" } else { "" };
    let created = control.simple(&format!("CREATE EXTENSION {identifier}{first}{cascade}"), &step, place);
    created.map_err(|failure| with_source_hint(failure, name))?;
    if extension.from.is_some() {
        let to = version("TO", &extension.version);
        control.simple(&format!("ALTER EXTENSION {identifier} UPDATE{to}"), &step, place)?;
    }
    Ok(())
}

/// Where the server would have its user install an extension that is not there, it is the configuration that lacks it.
fn with_source_hint(mut failure: Failure, name: &str) -> Failure {
    if let Cause::Sql(error) = &mut failure.cause
        && error.code == FEATURE_NOT_SUPPORTED
    {
        error.hint = Some(format!("\"[extension.{name}]\" in mcspec.toml says where the files of an extension are"));
    }
    failure
}
