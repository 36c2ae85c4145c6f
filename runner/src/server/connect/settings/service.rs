//! Service files (fe-connect.c, parseServiceInfo and parseServiceFile).

use std::path::{Path, PathBuf};

use super::surroundings::Surroundings;
use super::text::Values;
use super::{keywords::is_known, text::unknown};
use crate::server::connect::unusable::Unusable;

/// Where packages keep the system's file: Debian's, and that of a PostgreSQL built without options.
const SYSTEM: [&str; 2] = ["/etc/postgresql-common", "/usr/local/pgsql/etc"];

/// Adds what the service that is asked for says and the connection string does not.
pub(super) fn complete(values: &mut Values, around: &Surroundings) -> Result<(), Unusable> {
    let Some(service) = values.get("service").cloned().or_else(|| around.get("PGSERVICE")) else { return Ok(()) };
    let own = values.get("servicefile").cloned().or_else(|| around.get("PGSERVICEFILE")).map(PathBuf::from);
    let own = own.or_else(|| around.at_home(".pg_service.conf").filter(|file| file.exists()));
    let system = match around.get("PGSYSCONFDIR") {
        Some(directory) => vec![directory],
        None => SYSTEM.map(str::to_owned).to_vec(),
    };
    let system = system.into_iter().map(|directory| Path::new(&directory).join("pg_service.conf"));
    let files: Vec<PathBuf> = own.into_iter().chain(system.filter(|file| file.exists())).collect();
    for file in &files {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Unusable::new(format!("service file \"{}\" not found: {error}", file.display())))?;
        if let Some(found) = lines(&text, &service, file)? {
            for (keyword, value) in found {
                values.entry(keyword).or_insert(value);
            }
            return Ok(());
        }
    }
    let looked: Vec<String> = files.iter().map(|file| format!("\"{}\"", file.display())).collect();
    let looked = if looked.is_empty() {
        "there is no service file".to_owned()
    } else {
        format!("looked in {}", looked.join(", "))
    };
    Err(Unusable::new(format!("definition of service \"{service}\" not found: {looked}"))
        .hint(format!("add a section [{service}] to ~/.pg_service.conf, or name another file by PGSERVICEFILE")))
}

/// What a file says about a service; none if it does not have it.
fn lines(text: &str, service: &str, file: &Path) -> Result<Option<Vec<(String, String)>>, Unusable> {
    let mut found: Option<Vec<(String, String)>> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let at = || format!("service file \"{}\", line {number}", file.display());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            let is_it = section.strip_prefix(service).is_some_and(|behind| behind.starts_with(']'));
            found = is_it.then(Vec::new);
            continue;
        }
        let Some(values) = &mut found else { continue };
        if line.starts_with("ldap") {
            return Err(Unusable::new(format!("LDAP is not supported in {}", at())));
        }
        let (keyword, value) =
            line.split_once('=').ok_or_else(|| Unusable::new(format!("syntax error in {}", at())))?;
        if matches!(keyword, "service" | "servicefile") {
            return Err(Unusable::new(format!("nested \"{keyword}\" specifications not supported in {}", at())));
        }
        if !is_known(keyword) {
            let error = unknown(keyword);
            return Err(Unusable { reason: format!("{} in {}", error.reason, at()), ..error });
        }
        // The first one counts (parseServiceFile does not override).
        if !values.iter().any(|(known, _)| known == keyword) {
            values.push((keyword.to_owned(), value.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_as_libpq_reads_them() {
        let text = "# mine\n[other]\nhost=o\n\n[mine]\n host=h \nport=7\nhost=second\n# a comment\n[mine]\nuser=u\n[broken]\nhost\n[nested]\nservice=x\n[odd]\nhots=x\n[ldap]\nldap://x\n";
        let table = [
            ("mine", "host=h port=7"),
            ("other", "host=o"),
            ("nonesuch", "none"),
            ("broken", "syntax error in service file \"f\", line 13"),
            ("nested", "nested \"service\" specifications not supported in service file \"f\", line 15"),
            ("odd", "invalid connection option \"hots\" in service file \"f\", line 17"),
            ("ldap", "LDAP is not supported in service file \"f\", line 19"),
        ];
        for (service, expected) in table {
            let found = match lines(text, service, Path::new("f")) {
                Ok(Some(values)) => {
                    values.iter().map(|(keyword, value)| format!("{keyword}={value}")).collect::<Vec<_>>().join(" ")
                }
                Ok(None) => "none".to_owned(),
                Err(error) => error.reason,
            };
            assert_eq!(found, expected, "{service}");
        }
    }
}
