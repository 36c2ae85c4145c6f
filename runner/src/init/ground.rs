//! What the tests of a repository make before they call anything: types, tables with rows in them, functions. What is called by their
//! tests wants these by name.

use std::collections::BTreeSet;

use crate::language::sql::scan::{Kind, Tokens};
use crate::language::sql::{What, script};

/// How many statements are kept, and how long each may be, in bytes.
const STATEMENTS: usize = 500;
const LONGEST: usize = 20_000;

/// What is made, or changed, inside a database and concerns nothing outside of it.
const OBJECTS: &[&str] = &[
    "access",
    "aggregate",
    "cast",
    "collation",
    "conversion",
    "domain",
    "extension",
    "function",
    "index",
    "language",
    "materialized",
    "operator",
    "policy",
    "procedure",
    "publication",
    "rule",
    "schema",
    "sequence",
    "statistics",
    "table",
    "text",
    "transform",
    "trigger",
    "type",
    "view",
];

/// Words that may stand before them.
const BEFORE: &[&str] =
    &["or", "replace", "unlogged", "unique", "recursive", "constraint", "default", "trusted", "procedural"];

/// A table that lasts as long as its session is of no use to others.
const TEMPORARY: &[&str] = &["temp", "temporary", "local", "global"];

/// What has effects outside of its database, or takes its time.
const OUTSIDE: &[&str] = &[
    "program",
    "tablespace",
    "lo_import",
    "lo_export",
    "pg_sleep",
    "pg_sleep_for",
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_promote",
    "pg_switch_wal",
    "pg_read_file",
    "pg_read_binary_file",
    "pg_file_write",
    "pg_file_unlink",
    "pg_ls_dir",
];

/// The statements in these files for psql, in order, that make what later ones use. Those that drop it again are not among them.
pub fn statements<'t>(texts: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let (mut found, mut known) = (Vec::new(), BTreeSet::new());
    for item in texts.into_iter().flat_map(script) {
        let What::Statement { text, sent_by: None, data: None } = item.what else { continue };
        let Some(text) = lasting(&text).filter(|text| text.len() <= LONGEST) else { continue };
        if found.len() < STATEMENTS && known.insert(text.clone()) {
            found.push(text);
        }
    }
    found
}

/// The statement, if it makes something that lasts. What would end with the session is made to last.
fn lasting(text: &str) -> Option<String> {
    // What stands in the body of a function may be called, too.
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !(c.is_alphanumeric() || c == '_')).map(str::to_ascii_lowercase).collect()
    };
    if words(text).iter().any(|word| OUTSIDE.contains(&word.as_str())) {
        return None;
    }
    let mut kept = String::new();
    let mut tokens = Tokens::new(text, 0).filter(|token| !token.is_blank());
    let verb = tokens.next().filter(|token| token.kind == Kind::Word)?;
    let after = verb.span.end;
    kept.push_str(&text[verb.span.clone()]);
    let verb = text[verb.span].to_ascii_lowercase();
    if verb == "insert" {
        return Some(text.to_owned());
    }
    if !matches!(verb.as_str(), "create" | "alter") {
        return None;
    }
    let mut at = after;
    for token in tokens {
        let word = text[token.span.clone()].to_ascii_lowercase();
        if TEMPORARY.contains(&word.as_str()) {
            at = token.span.end;
        } else if BEFORE.contains(&word.as_str()) {
            kept.push_str(&text[at..token.span.end]);
            at = token.span.end;
        } else if OBJECTS.contains(&word.as_str()) {
            kept.push_str(&text[at..]);
            return Some(kept);
        } else {
            return None;
        }
    }
    None
}

/// Those of the statements that what is in `text` may have to do with: they make or change something that is named there, or in one of
/// them that is of use.
pub fn about(ground: &[String], text: &str) -> Vec<String> {
    let names = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect()
    };
    let mut wanted = names(text);
    let mut is_of_use = vec![false; ground.len()];
    // What one needs may be made by one before it, or be filled by one behind it.
    loop {
        let before = is_of_use.iter().filter(|is| **is).count();
        for (at, statement) in ground.iter().enumerate() {
            if !is_of_use[at] && subject(statement).is_some_and(|name| wanted.contains(&name)) {
                is_of_use[at] = true;
                wanted.extend(names(statement));
            }
        }
        if is_of_use.iter().filter(|is| **is).count() == before {
            break;
        }
    }
    ground.iter().zip(is_of_use).filter(|(_, is)| *is).map(|(statement, _)| statement.clone()).collect()
}

/// The name of what a statement makes, changes or fills, without a schema.
fn subject(statement: &str) -> Option<String> {
    let mut words = statement
        .split(|c: char| c.is_whitespace() || c == '(' || c == ';')
        .filter(|word| !word.is_empty())
        .skip(1)
        .skip_while(|word| {
            let word = word.to_ascii_lowercase();
            BEFORE.contains(&word.as_str())
                || OBJECTS.contains(&word.as_str())
                || ["into", "if", "not", "exists", "only", "concurrently"].contains(&word.as_str())
        });
    let name = words.next()?;
    Some(name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_ascii_lowercase())
}

/// The tables that are made, by name.
pub fn tables(ground: &[String]) -> Vec<String> {
    let is_table = |statement: &&String| {
        let words: Vec<String> = statement.split_whitespace().take(3).map(str::to_ascii_lowercase).collect();
        words.first().is_some_and(|word| word == "create") && words[1..].iter().any(|word| word == "table")
    };
    ground.iter().filter(is_table).filter_map(|statement| subject(statement)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_kept_and_nothing_else() {
        let text = "-- SETUP\nCREATE TABLE hypo (id integer);\\d hypo\nINSERT INTO hypo SELECT 1; SELECT f('x');\n\
                    create temp table t(a int); CREATE LOCAL TEMPORARY VIEW v AS SELECT 1;\nDROP TABLE hypo; CREATE ROLE r;\n\
                    CREATE DATABASE d; COPY t FROM PROGRAM 'x'; CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f();\n\
                    CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN COPY t TO PROGRAM 'rm'; END $$;\n\
                    CREATE UNIQUE INDEX i ON t (a); ALTER SYSTEM SET x = 1; ALTER TABLE t ADD b int; CREATE TABLE hypo (id integer);\n\
                    COPY t FROM stdin;\n1\n\\.\nCREATE TYPE e AS ENUM ('a')";
        assert_eq!(
            statements([text]),
            [
                "CREATE TABLE hypo (id integer)",
                "INSERT INTO hypo SELECT 1",
                "create table t(a int)",
                "CREATE VIEW v AS SELECT 1",
                "CREATE UNIQUE INDEX i ON t (a)",
                "ALTER TABLE t ADD b int",
                "CREATE TYPE e AS ENUM ('a')",
            ]
        );
    }

    #[test]
    fn what_it_has_to_do_with() {
        let ground = [
            "CREATE TYPE e AS ENUM ('a')",
            "CREATE TABLE s.t (x e)",
            "INSERT INTO t VALUES ('a')",
            "CREATE TABLE u ()",
        ]
        .map(str::to_owned);
        assert_eq!(about(&ground, "SELECT f('CREATE INDEX ON t(x)')"), ground[..3]);
        assert_eq!(about(&ground, "SELECT f(1)"), [""; 0]);
        assert_eq!(tables(&ground), ["t", "u"]);
    }
}
