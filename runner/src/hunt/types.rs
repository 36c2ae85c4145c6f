//! What is done with values of a type besides calling functions with them: casts, arrays, domains and ranges over it, modifiers, the
//! binary format, sorting, hashing, statistics.

use super::members::{Cast, Members, Sort};
use super::pool::Pool;
use super::subject::{Form, Notation, Subject};
use crate::init::calls::plain;
use crate::init::catalog::{Objects, Type};

/// What is pasted into the parentheses behind the name of a type: good for one type or another, and for none.
pub const MODIFIERS: [&str; 16] = [
    "1",
    "0",
    "-1",
    "10",
    "'abc'",
    "2147483647",
    "1, 2",
    "4",
    "2",
    "100000",
    "-2147483648",
    "99999999999",
    "1, 2, 3",
    "'POINT', 4326",
    "''",
    "'\u{1f600}'",
];

/// How many rows a table has of what is stored.
const ROWS: usize = 20;

/// Of how many values images are made, and how many of each.
const VALUES: usize = 8;
const IMAGES: usize = 6;

/// A name for something that is made for a type.
fn made(what: &str, of: &Type) -> String {
    format!("mcspec_{what}_{}", plain(&of.name))
}

/// A block of PL/pgSQL in which a name is not defined twice.
fn unless(there_is: &str, sql: &str) -> String {
    format!("DO $do$ BEGIN IF {there_is} IS NULL THEN {sql}; END IF; END $do$")
}

fn expression(what: String, call: String, arguments: &[Type]) -> Subject {
    Subject::new(what, call, Form::Expression(Some(Notation::Written))).taking(arguments)
}

fn statement(what: String, call: String, arguments: &[Type]) -> Subject {
    Subject::new(what, call, Form::Statement).taking(arguments)
}

/// What can be done with the types and casts of an extension.
pub fn subjects(members: &Members) -> Vec<Subject> {
    let mut all: Vec<Subject> = members.casts.iter().flat_map(of_cast).collect();
    all.extend(members.sorts.iter().flat_map(of_type));
    all
}

fn of_cast(cast: &Cast) -> Vec<Subject> {
    let Cast { from, to, is_assigned } = cast;
    let what = format!("cast ({} AS {})", from.name, to.name);
    let arguments = std::slice::from_ref(from);
    let mut all = vec![
        expression(what.clone(), format!("($1)::{}", to.name), arguments),
        expression(format!("{what} of an array"), format!("(ARRAY[$1, NULL, $1]::{}[])", to.name), arguments),
    ];
    if *is_assigned {
        let table = format!("{}_{}", made("assigned", from), plain(&to.name));
        let prelude = [format!("CREATE TABLE IF NOT EXISTS {table} (v {})", to.name)];
        let call = format!("INSERT INTO {table} SELECT $1");
        all.push(statement(format!("{what} by assignment"), call, arguments).made_by(&prelude));
    }
    all
}

fn of_type(sort: &Sort) -> Vec<Subject> {
    let Sort { is, .. } = sort;
    let name = &is.name;
    let (one, two) = ([is.clone()], [is.clone(), is.clone()]);
    let mut all = Vec::new();
    if sort.array.is_some() {
        let call = format!("((ARRAY[$1, NULL, $2]::{name}[])::text::{name}[])::text");
        all.push(expression(format!("arrays of {name}"), call, &two));
    }
    if sort.letter != "c" {
        let domain = made("domain", is);
        let prelude = [unless(
            &format!("to_regtype('{domain}')"),
            &format!("CREATE DOMAIN {domain} AS {name} CHECK (VALUE::text <> 'x')"),
        )];
        let call = format!("(($1)::text::{domain})::text");
        all.push(expression(format!("a domain over {name}"), call, &one).made_by(&prelude));
    }
    if sort.send.is_some() {
        let image = Type { oid: String::new(), name: format!("image of {name}") };
        let function = made("receive", is);
        let call = format!("{function}($1)");
        all.push(expression(format!("binary format of {name}"), call, &[image]).made_by(&receiver(&function, is)));
    }
    if sort.has_modifiers {
        let modifier = Type { oid: String::new(), name: "modifier".to_owned() };
        let call = format!("SELECT (($1)::text::{name}($2))::text");
        all.push(statement(format!("modifiers of {name}"), call, &[is.clone(), modifier.clone()]));
        let table = made("modified", is);
        let call = format!("CREATE TEMPORARY TABLE {table} (v {name}($1)) ON COMMIT DROP");
        all.push(statement(format!("a column with modifiers of {name}"), call, &[modifier]));
    }
    let rows = format!("(VALUES ($1), ($2), (NULL)) AS t(v), generate_series(1, {ROWS})");
    if sort.is_sorted {
        let call = format!("SELECT v::text, rank() OVER (ORDER BY v) FROM {rows} ORDER BY v DESC");
        all.push(statement(format!("sorting of {name}"), call, &two));
        let range = made("range", is);
        let make = format!("CREATE TYPE {range} AS RANGE (subtype = {name})");
        let prelude = [unless(&format!("to_regtype('{range}')"), &make)];
        let call = format!("({range}($1, $2, '[]')::text::{range} * {range}($1, NULL))::text");
        all.push(expression(format!("ranges of {name}"), call, &two).made_by(&prelude));
    }
    if sort.is_sorted || sort.is_hashed {
        let call = format!("SELECT count(DISTINCT v) FROM {rows} GROUP BY v");
        all.push(statement(format!("grouping by {name}"), call, &two));
        let call =
            format!("SELECT count(*) FROM {rows} WHERE v IN (SELECT w FROM (VALUES ($2), ($1)) AS u(w) OFFSET 0)");
        all.push(statement(format!("joining by {name}"), call, &two));
    }
    all
}

/// A function that has a value read from its binary format. Only COPY and the protocol call a receive function, and COPY reads what the
/// server has written (copyto.c: the signature, flags, the length of what follows; for each row the number of columns, and for each the
/// length).
fn receiver(function: &str, of: &Type) -> [String; 2] {
    let table = made("received", of);
    let body = format!(
        "DECLARE l oid := lo_from_bytea(0, '\\x5047434f50590aff0d0a0000000000000000000001'::bytea || int4send(length(image)) || image || \
         '\\xffff'::bytea); BEGIN PERFORM lo_export(l, '{table}'); PERFORM lo_unlink(l); \
         COPY {table} FROM '{table}' (FORMAT binary) WHERE v IS NULL; RETURN 1; END"
    );
    [
        format!("CREATE TABLE IF NOT EXISTS {table} (v {})", of.name),
        format!(
            "CREATE OR REPLACE FUNCTION {function}(image bytea) RETURNS integer LANGUAGE plpgsql AS $f$ {body} $f$"
        ),
    ]
}

/// Binary images: those of values, and what becomes of them when something in them is changed.
pub fn images(values: &[String], send: &str, random: &mut fastrand::Rng) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let values: Vec<&String> = values.iter().filter(|value| !value.starts_with("NULL::")).collect();
    all.extend(values.first().map(|value| format!("{send}({value})")));
    // What nobody sends: nothing, lengths and counts that are too large, or negative.
    let none = ["'\\x'", "'\\xffffffff'", "'\\x7fffffff'", "'\\x00000000'", "'\\x80000001'"];
    all.extend(none.map(|one| format!("{one}::bytea")));
    for value in values {
        let image = format!("{send}({value})");
        if !all.contains(&image) {
            all.push(image.clone());
        }
        for _ in 0..IMAGES {
            let place = random.u32(0..64);
            let byte = [0, 1, 127, 128, 255, random.u8(..)][random.usize(0..6)];
            all.push(match random.u8(0..4) {
                0 => format!("substring({image} FROM 1 FOR {place})"),
                1 => format!("({image} || '\\x00ff'::bytea)"),
                _ => format!("set_byte({image}, ({place} % greatest(length({image}), 1))::integer, {byte})"),
            });
        }
    }
    all.push("decode(repeat('ff', 2000), 'hex')".to_owned());
    all
}

/// A table of values of a type, with statistics, and what the planner makes of operators on it.
pub fn stored(members: &Members, objects: &Objects, pool: &Pool) -> Vec<Subject> {
    let mut all = Vec::new();
    for sort in &members.sorts {
        let name = &sort.is.name;
        let values: Vec<String> =
            pool.known(name).into_iter().filter(|value| !value.starts_with("NULL::")).take(ROWS).collect();
        if values.is_empty() || sort.letter == "d" {
            continue;
        }
        let table = made("stored", &sort.is);
        let rows: Vec<String> = values.iter().map(|value| format!("({value})")).collect();
        let fill = format!(
            "INSERT INTO {table} SELECT v FROM (VALUES {}) AS t(v), generate_series(1, {ROWS}) WHERE NOT EXISTS (SELECT FROM {table})",
            rows.join(", ")
        );
        let prelude = [format!("CREATE TABLE IF NOT EXISTS {table} (v {name})"), fill, format!("ANALYZE {table}")];
        let script = Form::Script {
            setup: Vec::new(),
            workload: vec![format!("ANALYZE {table}")],
            teardown: Vec::new(),
            error: None,
        };
        all.push(Subject::new(format!("statistics of {name}"), format!("ANALYZE {name}"), script).made_by(&prelude));
        all.push(
            statement(format!("stored values of {name}"), format!("SELECT v::text FROM {table}"), &[])
                .made_by(&prelude),
        );
        for operator in &objects.operators {
            if operator.left.as_ref() == Some(&sort.is) {
                let call =
                    format!("EXPLAIN SELECT FROM {table} WHERE (v {} $1) IS NOT NULL AND v {0} $1", operator.call);
                let what = format!("estimates of {}", operator.signature);
                all.push(statement(what, call, std::slice::from_ref(&operator.right)).made_by(&prelude));
            }
        }
    }
    all
}

/// Adds what these subjects take that are no values of types.
pub fn add_values(pool: &mut Pool, members: &Members, random: &mut fastrand::Rng) {
    pool.add_special("modifier", MODIFIERS.map(str::to_owned).to_vec());
    for sort in &members.sorts {
        let Some(send) = &sort.send else { continue };
        let mut values = pool.known(&sort.is.name);
        values.truncate(VALUES);
        pool.add_special(&format!("image of {}", sort.is.name), images(&values, send, random));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::literals::quoted;

    #[test]
    fn images_are_of_values() {
        let mut random = fastrand::Rng::with_seed(1);
        let values = [quoted("a"), "NULL::t".to_owned()];
        let images = images(&values, "t_send", &mut random);
        assert_eq!(images[0], "t_send('a')");
        assert!(!images.iter().any(|image| image.contains("NULL")), "{images:?}");
    }
}
