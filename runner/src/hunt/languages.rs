//! Procedural languages: functions in them, made from templates of the family that a language turns out to be of, and whatever functions
//! in it the database has besides; what transforms make of values.

use super::members::{Members, Transform};
use super::pool::Pool;
use super::subject::{Form, SetAside, Subject, of_call, of_function};
use crate::init::calls::{of_event_trigger, plain};
use crate::init::catalog::{Written, in_language};
use crate::init::literals::quoted;
use crate::init::trial::{Refused, Trial};
use crate::language::sql::split;

/// What functions of all families work with, which may be made again.
const COMMON: &str = include_str!("templates/common.sql");

/// Templates of functions, by families of languages. `plx` stands for the language. The first of each returns its argument with an x
/// behind it, in such a way as no other family does it.
const FAMILIES: [&str; 7] = [
    include_str!("templates/perl.sql"),
    include_str!("templates/python.sql"),
    include_str!("templates/tcl.sql"),
    include_str!("templates/javascript.sql"),
    include_str!("templates/lua.sql"),
    include_str!("templates/r.sql"),
    include_str!("templates/shell.sql"),
];

/// Bodies for a language of no family that is known: some of them may be something in it, and the rest is refused.
const UNKNOWN: &str = include_str!("templates/unknown.sql");

/// How many functions are made again in a loop.
const MADE_AGAIN: usize = 12;

/// Statements, without what stands before them.
fn statements(text: &str) -> Vec<String> {
    split(text).into_iter().map(|statement| statement.text.trim().to_owned()).collect()
}

/// The templates of a family, for a language.
fn templates(family: &str, language: &str) -> Vec<String> {
    statements(
        &family
            .replace("mcspec_plx", &format!("mcspec_{}", plain(language)))
            .replace(" plx ", &format!(" {language} ")),
    )
}

/// Makes what works of these statements. Which do.
fn lay(trial: &mut Trial, statements: &[String]) -> Vec<bool> {
    let mut works = vec![false; statements.len()];
    let mut begin = 0;
    while begin < statements.len() {
        let tries: Vec<Vec<String>> =
            statements[begin..].iter().map(|sql| vec![sql.clone(), "COMMIT".to_owned()]).collect();
        let (working, why) = trial.those_that_work(&tries, tries.len());
        working.iter().for_each(|&(position, _)| works[begin + position] = true);
        let last = working.last().map_or(begin, |&(position, _)| begin + position + 1);
        // What ended its session is not tried again; nothing tells which it was but that it comes behind the last that worked.
        match why {
            Some(why) if why.how != crate::init::trial::How::Error => begin = last + 1,
            _ => break,
        }
    }
    works
}

/// The family of a language: the one whose first template does what it says.
fn family(trial: &mut Trial, language: &str) -> Option<&'static str> {
    FAMILIES.into_iter().find(|family| {
        let probe = templates(family, language).into_iter().next().unwrap_or_default();
        let call = format!("SELECT 1 / (mcspec_{}_probe('q') = 'qx')::integer", plain(language));
        !trial.those_that_work(&[vec![probe, call]], 1).0.is_empty()
    })
}

/// What can be called of the languages and transforms of an extension, and what cannot.
///
/// # Errors
///
/// What the server says.
pub fn subjects(trial: &mut Trial, members: &Members) -> Result<(Vec<Subject>, Vec<SetAside>), Refused> {
    let (mut all, mut aside) = (Vec::new(), Vec::new());
    for language in &members.languages {
        let sent = templates(family(trial, language).unwrap_or(UNKNOWN), language);
        lay(trial, &statements(COMMON));
        let works = lay(trial, &sent);
        for (sql, _) in sent.iter().zip(&works).filter(|(_, works)| !**works) {
            all.push(fails(sql, language));
        }
        // What is refused when it is made is refused as well when it is called, if it can be made without being looked at.
        let unchecked: Vec<String> = sent
            .iter()
            .zip(&works)
            .filter(|(sql, works)| !**works && sql.starts_with("CREATE"))
            .map(|(sql, _)| format!("SET LOCAL check_function_bodies = off; {sql}"))
            .collect();
        lay(trial, &unchecked);
        let functions = in_language(trial, language)?;
        if functions.is_empty() {
            let why = "no function in it is known, and nothing that was tried works".to_owned();
            aside.push(SetAside { what: format!("language {language}"), why });
        }
        for function in &functions {
            let is_checked = !unchecked.iter().any(|sql| sql.contains(&format!(" {}(", function.is.name)));
            let prelude = prelude(function, &functions, is_checked);
            all.extend(of_written(trial, function, &prelude));
        }
        for (sql, works) in sent.iter().zip(&works).filter(|(sql, _)| sql.starts_with("DO")) {
            if *works {
                all.push(Subject::new(format!("DO in {language}: {}", short(sql)), sql, Form::Statement));
            }
        }
    }
    for transform in &members.transforms {
        match family(trial, &transform.language) {
            Some(family) => all.extend(of_transform(trial, transform, family)?),
            None => aside.push(SetAside {
                what: format!("transform for {} in {}", transform.of.name, transform.language),
                why: "nothing that was tried works in the language".to_owned(),
            }),
        }
    }
    Ok((all, aside))
}

/// The first words of a body, for people.
fn short(sql: &str) -> String {
    let body = sql.split("$f$").nth(1).unwrap_or(sql);
    body.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(40).collect()
}

/// A statement that fails, over and over.
fn fails(sql: &str, language: &str) -> Subject {
    let name = sql.split('(').next().unwrap_or_default().rsplit(' ').next().unwrap_or_default();
    let what = match sql.starts_with("DO") {
        true => format!("DO in {language}: {}", short(sql)),
        false => format!("CREATE FUNCTION {name} in {language}"),
    };
    Subject::new(what, sql, Form::Statement)
}

/// What has to be there for a function, and the function.
fn prelude(function: &Written, others: &[Written], is_checked: bool) -> Vec<String> {
    let definition = &function.definition;
    let mut prelude: Vec<String> = Vec::new();
    for (sql, name) in statements(COMMON).into_iter().zip(["mcspec_pair", "mcspec_short", "mcspec_pairs"]) {
        if definition.contains(name) {
            prelude.push(sql);
        }
    }
    for other in others.iter().filter(|other| other.is.signature != function.is.signature) {
        if definition.contains(&format!("{}(", other.is.name)) {
            prelude.push(other.definition.clone());
        }
    }
    prelude.push(match is_checked {
        true => definition.clone(),
        false => {
            format!("DO $do$ BEGIN SET LOCAL check_function_bodies = off; EXECUTE {}; END $do$", quoted(definition))
        }
    });
    prelude
}

/// What is called of a function in a language.
fn of_written(trial: &mut Trial, function: &Written, prelude: &[String]) -> Vec<Subject> {
    let Written { is, .. } = function;
    match is.returns.name.as_str() {
        "trigger" => {
            let table = format!("mcspec_of_{}", plain(&is.name));
            let mut prelude = prelude.to_vec();
            prelude.extend([
                format!("CREATE TABLE IF NOT EXISTS {table} AS SELECT i, 'a' AS t FROM generate_series(1, 3) AS i"),
                format!("DROP TRIGGER IF EXISTS {table} ON {table}"),
                format!("DROP TRIGGER IF EXISTS {table}_after ON {table}"),
                format!(
                    "CREATE TRIGGER {table} BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {}('a')",
                    is.call
                ),
                format!(
                    "CREATE TRIGGER {table}_after AFTER INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {}()",
                    is.call
                ),
            ]);
            let text = crate::init::catalog::Type { oid: "25".to_owned(), name: "text".to_owned() };
            let subject = |verb: &str, sql: String| {
                Subject::new(format!("{} on {verb}", is.signature), sql, Form::Statement).made_by(&prelude)
            };
            vec![
                subject("INSERT", format!("INSERT INTO {table} VALUES (5, $1)")).taking(std::slice::from_ref(&text)),
                subject("UPDATE", format!("UPDATE {table} SET t = $1 WHERE i = 1")).taking(&[text]),
                subject("DELETE", format!("DELETE FROM {table} WHERE i > 3")),
            ]
        }
        "event_trigger" => {
            let made = of_event_trigger(trial, is).map(|call| of_call(&call).made_by(prelude));
            made.into_iter().collect()
        }
        _ => vec![of_function(is).made_by(prelude)],
    }
}

/// Functions through which values of the type pass.
fn of_transform(trial: &mut Trial, transform: &Transform, family: &str) -> Result<Vec<Subject>, Refused> {
    let Transform { of, language } = transform;
    let echo = templates(family, language).into_iter().nth(1).unwrap_or_default();
    let name = format!("mcspec_{}_echo", plain(language));
    let kinds = [
        ("there_and_back", of.name.as_str(), of.name.as_str()),
        ("there", of.name.as_str(), "text"),
        ("back", "text", of.name.as_str()),
        ("array_back", "integer[]", of.name.as_str()),
    ];
    let sent = kinds.map(|(kind, takes, returns)| {
        echo.replacen(
            &format!("{name}(a text) RETURNS text"),
            &format!("mcspec_{}_{kind}(a {takes}) RETURNS {returns} TRANSFORM FOR TYPE {}", plain(&of.name), of.name),
            1,
        )
    });
    lay(trial, &sent);
    let functions = in_language(trial, language)?;
    let prefix = format!("mcspec_{}_", plain(&of.name));
    let own = functions.iter().filter(|function| function.is.name.starts_with(&prefix));
    Ok(own.map(|function| of_function(&function.is).made_by(&prelude(function, &functions, true))).collect())
}

/// The functions made again and again, called in between, and dropped.
pub fn made_again(subjects: &[Subject], pool: &Pool) -> Vec<Subject> {
    let of_languages = subjects.iter().filter(|subject| {
        subject.prelude.last().is_some_and(|sql| sql.starts_with("CREATE OR REPLACE FUNCTION"))
            && matches!(subject.form, Form::Expression(None) | Form::Set { .. })
            && subject.call.starts_with("mcspec_")
    });
    let mut all = Vec::new();
    for subject in of_languages.take(MADE_AGAIN) {
        let Some(usual) = pool.tour(subject).into_iter().next() else { continue };
        let (prelude, Some(create)) = (subject.prelude.split_last().map(|(_, rest)| rest), subject.prelude.last())
        else {
            continue;
        };
        let prelude = prelude.unwrap_or_default();
        let call = subject.statement(&usual);
        let drop = format!("DROP FUNCTION {}", subject.what);
        let ways = [
            ("made again", vec![create.clone()]),
            ("made again and called", vec![create.clone(), call.clone()]),
            ("made, called and dropped", vec![create.clone(), call, drop]),
        ];
        for (how, workload) in ways {
            let form = Form::Script { setup: Vec::new(), workload, teardown: Vec::new(), error: None };
            all.push(Subject::new(format!("{} {how}", subject.what), &subject.call, form).made_by(prelude));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_statements_of_a_language() {
        for family in FAMILIES.into_iter().chain([UNKNOWN]) {
            let all = templates(family, "plany");
            assert!(all.len() > 5, "{all:?}");
            for sql in &all {
                assert!(!sql.contains("plx"), "{sql}");
                let is_made = sql.starts_with("CREATE OR REPLACE FUNCTION mcspec_plany_")
                    || sql.starts_with("CREATE OR REPLACE PROCEDURE mcspec_plany_");
                assert!(is_made || sql.starts_with("DO LANGUAGE plany "), "{sql}");
            }
            let is_known = all[0].contains("_probe(") && all[1].contains("_echo(a text) RETURNS text");
            assert!(is_known || family == UNKNOWN, "{all:?}");
        }
        assert_eq!(statements(COMMON).len(), 3);
    }
}
