//! Update scripts: the install script over objects that are there, between what has to go before it and after it.

use std::fs;
use std::path::Path;

use crate::engine::parameter;
use crate::error::Error;

/// An update script for the extension of this name, whose sources have `update/before.sql` and `update/after.sql`, from its
/// control file and install script. What an object's users refer to and were granted stays, as far as the object does.
pub(crate) fn script(sources: &Path, control: &str, install: &str, extension: &str) -> Result<String, Error> {
    let read = |name: &str| {
        let path = sources.join("update").join(name);
        fs::read_to_string(&path).map_err(Error::file("read", &path))
    };
    let objects = over_objects(install);
    // The server sets it when the extension is created, and not when it is updated.
    let comment = format!("COMMENT ON EXTENSION {extension} IS '{}';\n", parameter(control, "comment")?);
    Ok([read("before.sql")?, objects, read("after.sql")?, comment].join("\n"))
}

/// The install script where there may be such functions and views already.
fn over_objects(install: &str) -> String {
    let statement = |line: &str| {
        for object in ["FUNCTION", "VIEW"] {
            let mut words = line.split_whitespace();
            if (words.next(), words.next()) == (Some("CREATE"), Some(object)) {
                return line.replacen("CREATE", "CREATE OR REPLACE", 1);
            }
        }
        line.to_owned()
    };
    install.lines().map(statement).collect::<Vec<_>>().join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_views_are_replaced() {
        let install = "CREATE SCHEMA IF NOT EXISTS s;\nCREATE  FUNCTION \"f\"() RETURNS INT\nCREATE VIEW v AS SELECT 1;\n-- CREATE VIEW w\n";
        assert_eq!(
            over_objects(install),
            "CREATE SCHEMA IF NOT EXISTS s;\nCREATE OR REPLACE  FUNCTION \"f\"() RETURNS INT\nCREATE OR REPLACE VIEW v AS \
             SELECT 1;\n-- CREATE VIEW w\n"
        );
    }
}
