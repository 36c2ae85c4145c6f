//! Text search: dictionaries, templates and parsers, called with texts and made with options.

use super::members::Members;
use super::subject::{Form, Notation, Subject};
use super::words::{NO_OPTION, that_work};
use crate::init::calls::plain;
use crate::init::catalog::Type;
use crate::init::literals::quoted;
use crate::init::trial::Trial;

/// What options are tried with.
const VALUES: [&str; 4] = ["1", "true", "abc", "english"];

/// Values of options, good and bad.
pub const OPTIONS: [&str; 10] =
    ["'1'", "'true'", "'off'", "'abc'", "''", "'english'", "'-1'", "'2147483648'", "'\u{1f600}'", "'/nosuch'"];

/// What can be called of them. `words` are those that may be options.
pub fn subjects(trial: &mut Trial, members: &Members, words: &[String]) -> Vec<Subject> {
    let text = [Type { oid: "25".to_owned(), name: "text".to_owned() }];
    let mut all = Vec::new();
    let statement = |what: String, sql: String| Subject::new(what, sql, Form::Statement);
    for name in &members.dictionaries {
        let call = format!("ts_lexize({}::regdictionary, $1)", quoted(name));
        all.push(
            Subject::new(format!("dictionary {name}"), call, Form::Expression(Some(Notation::Written))).taking(&text),
        );
    }
    for name in &members.parsers {
        let call = format!("SELECT * FROM ts_parse({}, $1)", quoted(name));
        all.push(statement(format!("parser {name}"), call).taking(&text));
        all.push(statement(
            format!("token types of parser {name}"),
            format!("SELECT * FROM ts_token_type({})", quoted(name)),
        ));
        let configuration = format!("mcspec_{}", plain(name));
        let make = format!(
            "DO $do$ BEGIN IF to_regconfig('{configuration}') IS NULL THEN CREATE TEXT SEARCH CONFIGURATION {configuration} (PARSER = {name}); \
             END IF; END $do$"
        );
        let headline =
            format!("SELECT ts_headline('{configuration}', $1, 'a | b'::tsquery), to_tsvector('{configuration}', $1)");
        all.push(statement(format!("headlines by parser {name}"), headline).taking(&text).made_by(&[make]));
    }
    for name in &members.templates {
        let create = |options: &str| format!("CREATE TEXT SEARCH DICTIONARY mcspec_made (TEMPLATE = {name}{options})");
        let drop = "DROP TEXT SEARCH DICTIONARY mcspec_made".to_owned();
        let made = |word: &str, value: &str| vec![create(&format!(", \"{word}\" = {}", quoted(value))), drop.clone()];
        // What one of its dictionaries is given is often called like it.
        let names = members.dictionaries.iter().map(String::as_str);
        let values: Vec<&str> = VALUES.into_iter().chain(names).collect();
        let mut options = that_work(trial, words, &values, made);
        options.push((NO_OPTION.to_owned(), String::new()));
        for (option, _) in &options {
            let sql = format!("DO $do$ BEGIN {}; {drop}; END $do$", create(&format!(", \"{option}\" = $1")));
            let value = Type { oid: String::new(), name: "value of an option".to_owned() };
            let subject = statement(format!("a dictionary by template {name}, with {option}"), sql);
            all.push(subject.taking(&[value]));
        }
        let given: String = options
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(word, value)| format!(", \"{word}\" = {}", quoted(value)))
            .collect();
        for (what, options) in [("without options", String::new()), ("with its options", given)] {
            let what = format!("a dictionary by template {name}, {what}");
            // It is not made and dropped again: of one that was dropped the server keeps what it had (ts_cache.c), whatever it is.
            let kept = format!("mcspec_{}_{}", plain(name), if options.is_empty() { "plain" } else { "given" });
            let make = format!("CREATE TEXT SEARCH DICTIONARY {kept} (TEMPLATE = {name}{options})");
            let prelude = [format!(
                "DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_ts_dict WHERE dictname = '{kept}') THEN {make}; END IF; END $do$"
            )];
            let changed = options.strip_prefix(", ").unwrap_or(NO_OPTION);
            let workload = vec![
                format!("ALTER TEXT SEARCH DICTIONARY {kept} ({changed})"),
                format!("SELECT ts_lexize('{kept}', 'abc')"),
            ];
            let works = !trial.those_that_work(&[[prelude.to_vec(), workload.clone()].concat()], 1).0.is_empty();
            all.push(match works {
                true => {
                    let form = Form::Script { setup: Vec::new(), workload, teardown: Vec::new(), error: None };
                    Subject::new(what, name, form).made_by(&prelude)
                }
                false => statement(what, create(&options)),
            });
        }
    }
    all
}
