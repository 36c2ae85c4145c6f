//! Whether a server is as it was when it was started: what a spec has done to it beyond its own database, others would meet.
//! What it has added, such as roles, may stay.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What was there at the beginning of a server's life, as far as other specs may need it: parts of it by name, each with what it is
/// like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    files: BTreeMap<String, String>,
    rows: BTreeMap<String, String>,
}

/// How a server is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It lacks what it needs to run.
    Damaged(String),
    /// It is another one in some respect.
    Changed(String),
}

/// Files that say how the server is set up.
const SETTINGS: [&str; 5] =
    ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf", super::CONF_FILE];

/// Where the database is that others are made from: `Template0DbOid` of pg_database.dat, from 15 on.
const TEMPLATE: &str = "base/4";

/// Files without which there is no cluster.
const VITAL: [&str; 3] = ["PG_VERSION", "global/pg_control", "global/pg_filenode.map"];

/// What it was like: for [`Condition::of`]. The name of something, and all that is known of it. Objects that initdb has made have
/// object identifiers below 16384 (`FirstNormalObjectId` in transam.h).
pub const CONDITION: &str = "
SELECT 'role \"' || rolname || '\"', a::text FROM pg_catalog.pg_authid a WHERE oid < 16384
UNION ALL
SELECT 'database \"' || datname || '\"', pg_catalog.concat_ws(' ', oid, datdba, encoding, datistemplate, datallowconn, datconnlimit,
       dattablespace, datcollate, datctype, datacl) FROM pg_catalog.pg_database WHERE oid < 16384
UNION ALL
SELECT 'tablespace \"' || spcname || '\"', t::text FROM pg_catalog.pg_tablespace t WHERE oid < 16384
UNION ALL
SELECT 'the settings of roles and databases', coalesce(string_agg(s::text, ' ' ORDER BY s::text), '')
  FROM pg_catalog.pg_db_role_setting s WHERE setdatabase < 16384 AND setrole < 16384
UNION ALL
SELECT 'the privileges on parameters', coalesce(string_agg(p::text, ' ' ORDER BY p::text), '') FROM pg_catalog.pg_parameter_acl p
UNION ALL
SELECT 'the memberships of roles', coalesce(string_agg(pg_catalog.concat_ws(' ', roleid, member), ' ' ORDER BY roleid, member), '')
  FROM pg_catalog.pg_auth_members WHERE member < 16384
";

impl Condition {
    /// What a server is like that has its data there and answers [`CONDITION`] so.
    pub fn of(data: &Path, answer: impl IntoIterator<Item = (String, String)>) -> Self {
        Condition { files: files(data), rows: answer.into_iter().collect() }
    }

    /// How the server is not any more what it was: the worst that there is.
    pub fn change(&self, now: &Self) -> Option<Change> {
        let gone = self.files.iter().find(|(name, was)| !is_setting(name) && now.files.get(*name) != Some(was));
        if let Some((name, _)) = gone {
            let what = if now.files.contains_key(name) { "was damaged" } else { "is gone" };
            return Some(Change::Damaged(format!("\"{name}\" {what}")));
        }
        let settings = self.files.keys().chain(now.files.keys()).filter(|name| is_setting(name));
        let setting = settings.into_iter().find(|name| self.files.get(*name) != now.files.get(*name));
        let setting = setting.map(|name| format!("\"{name}\" was changed"));
        let row = || {
            let (name, _) = self.rows.iter().find(|(name, was)| now.rows.get(*name) != Some(was))?;
            let what = if now.rows.contains_key(name) { "changed" } else { "renamed or dropped" };
            Some(
                format!("{name} was {what}")
                    .replace("settings of roles and databases was", "settings of roles and databases were"),
            )
        };
        setting.or_else(row).map(Change::Changed)
    }
}

fn is_setting(name: &str) -> bool {
    SETTINGS.contains(&name)
}

/// The directories of a cluster, the files that it cannot do without, with their sizes where those do not change, and its settings.
fn files(data: &Path) -> BTreeMap<String, String> {
    let names = |below: &str| {
        let entries = fs::read_dir(data.join(below)).into_iter().flatten().flatten();
        let below = if below.is_empty() { String::new() } else { format!("{below}/") };
        entries
            .filter_map(move |entry| Some((format!("{below}{}", entry.file_name().to_str()?), entry.metadata().ok()?)))
    };
    let directories = names("").filter(|(_, file)| file.is_dir()).map(|(name, _)| (name, String::new()));
    // What is in it stays as it is, but for a file that a session in it writes, if there ever is one.
    let template = names(TEMPLATE).filter(|(name, _)| !name.ends_with("pg_internal.init"));
    let template = template.map(|(name, file)| (name, file.len().to_string()));
    let vital = VITAL.iter().filter(|name| data.join(name).is_file()).map(|&name| (name.to_owned(), String::new()));
    let settings = SETTINGS.iter().filter_map(|&name| {
        let text = fs::read(data.join(name)).ok()?;
        Some((name.to_owned(), String::from_utf8_lossy(&text).into_owned()))
    });
    directories.chain(template).chain(vital).chain(settings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(files: &[(&str, &str)], rows: &[(&str, &str)]) -> Condition {
        let owned =
            |pairs: &[(&str, &str)]| pairs.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
        Condition { files: owned(files), rows: owned(rows) }
    }

    #[test]
    fn what_is_not_as_it_was_is_named() {
        let files = [("base", ""), ("base/4/1259", "8192"), ("pg_hba.conf", "x")];
        let rows = [("role \"postgres\"", "a"), ("database \"template1\"", "b")];
        let was = condition(&files, &rows);
        let more = [("base", ""), ("base/4/1259", "8192"), ("mine", ""), ("pg_hba.conf", "x")];
        let damaged = |text: &str| Some(Change::Damaged(text.to_owned()));
        let changed = |text: &str| Some(Change::Changed(text.to_owned()));
        let table = [
            (was.clone(), None),
            (condition(&more, &[rows[0], rows[1], ("role \"new\"", "c")]), None),
            (condition(&files[..1], &rows), damaged("\"base/4/1259\" is gone")),
            (condition(&[files[0], ("base/4/1259", "0")], &rows[..1]), damaged("\"base/4/1259\" was damaged")),
            (condition(&files[..2], &rows), changed("\"pg_hba.conf\" was changed")),
            (
                condition(&[files[0], files[1], files[2], ("postgresql.auto.conf", "")], &rows),
                changed("\"postgresql.auto.conf\" was changed"),
            ),
            (condition(&files, &rows[..1]), changed("database \"template1\" was renamed or dropped")),
            (condition(&files, &[("role \"postgres\"", "b"), rows[1]]), changed("role \"postgres\" was changed")),
        ];
        for (now, expected) in table {
            assert_eq!(was.change(&now), expected, "{now:?}");
        }
    }
}
