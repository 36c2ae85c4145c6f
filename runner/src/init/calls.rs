//! How each object of an extension is called, as far as that can be found out by trying.

use std::collections::BTreeMap;
use std::time::Duration;

use super::catalog::{Function, Objects, Operator, OperatorClass, Type};
use super::harvest::Harvest;
use super::literals::{POLYMORPHIC, combinations};
use super::trial::{How, Refused, Trial, Works};
use super::values::Values;

/// How many combinations of values are tried for one list of arguments.
const COMBINATIONS: usize = 24;

/// How many ways of calling something are kept.
const WAYS: usize = 2;

/// How many operators of a class are tried in searches.
const SEARCHES: usize = 8;

/// What takes longer is left out: it would be repeated for minutes.
const SLOWEST: Duration = Duration::from_secs(1);

/// What is repeated in a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// A name for it.
    pub name: String,
    /// What it is, for a comment.
    pub comment: String,
    /// Before it, once.
    pub setup: Vec<String>,
    /// Repeated.
    pub workload: Vec<String>,
    /// Behind it, once.
    pub teardown: Vec<String>,
    /// Whether it works only once unless it is rolled back.
    pub is_undone: bool,
    /// How long it takes once.
    pub took: Duration,
}

/// What could not be called, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCalled {
    /// Its name.
    pub what: String,
    /// The reason.
    pub why: String,
    /// Whether it took the server down when it was tried.
    pub crashed: bool,
    /// What was tried then, where it is more than a call.
    pub tried: Option<Box<Call>>,
}

/// What came of trying.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    /// What works.
    pub calls: Vec<Call>,
    /// What does not.
    pub not_called: Vec<NotCalled>,
    /// How many of each kind work, of how many.
    pub counts: BTreeMap<&'static str, (usize, usize)>,
    /// What the server said of `shared_preload_libraries`, where a library has to be there.
    pub wants_preload: Option<Refused>,
}

/// Words in names of functions that are better not called just to see.
const DANGEROUS: &[&str] = &[
    "terminate",
    "kill",
    "cancel",
    "sleep",
    "shutdown",
    "restart",
    "crash",
    "panic",
    "abort",
    "segfault",
    "unlink",
    "rmdir",
    "exec",
    "system",
    "shell",
    "reboot",
    "promote",
    "failover",
    "corrupt",
];

/// The same, of which one is only a part of a word.
const DANGEROUS_PARTS: &[&str] =
    &["file_write", "write_file", "file_unlink", "delete_file", "remove_file", "file_rename", "log_rotate"];

/// Why a function is not tried, by its name.
pub fn looks_dangerous(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let is_word = |word: &&&str| name.split(|c: char| !c.is_alphanumeric()).any(|part| part == **word);
    let word = DANGEROUS.iter().find(is_word).or_else(|| DANGEROUS_PARTS.iter().find(|part| name.contains(**part)));
    word.copied()
}

/// Pseudo-types of functions that only the server calls.
const HANDLERS: [&str; 6] =
    ["internal", "language_handler", "fdw_handler", "index_am_handler", "table_am_handler", "tsm_handler"];

/// Tries everything that the extension has.
pub fn find(trial: &mut Trial, objects: &Objects, harvest: &Harvest) -> Calls {
    let mut found = Calls::default();
    let mut values = Values::new(harvest);
    for one in &objects.types {
        let call = of_type(trial, &mut values, one);
        found.add("types", &one.name, call);
    }
    // What a function returns may be what another one takes.
    let mut left: Vec<&Function> = objects.functions.iter().collect();
    let mut called: BTreeMap<&str, Result<Call, NotCalled>> = BTreeMap::new();
    loop {
        let mut has_learnt = false;
        let mut without = Vec::new();
        for function in left {
            let (result, value) = of_function(trial, &mut values, harvest, function);
            has_learnt |= value.is_some_and(|value| values.learn(&function.returns, &value));
            match result {
                Err(Reason::NoValue(why)) => {
                    called.insert(&function.signature, Err(not_called(&function.signature, why)));
                    without.push(function);
                }
                Err(Reason::Other(not_called)) => drop(called.insert(&function.signature, Err(not_called))),
                Err(Reason::WantsPreload(refused)) => {
                    found.wants_preload = Some(refused);
                    return found;
                }
                Ok(call) => drop(called.insert(&function.signature, Ok(call))),
            }
        }
        left = without;
        if !has_learnt || left.is_empty() {
            break;
        }
    }
    // Types of which there was no value as yet.
    for one in &objects.types {
        if found.not_called.iter().any(|not| not.what == one.name) && !values.of(trial, one).is_empty() {
            found.not_called.retain(|not| not.what != one.name);
            found.counts.entry("types").and_modify(|(_, all)| *all -= 1);
            let call = of_type(trial, &mut values, one);
            found.add("types", &one.name, call);
        }
    }
    let mut by_function: BTreeMap<&str, Vec<Call>> = BTreeMap::new();
    let mut alone = Vec::new();
    for operator in &objects.operators {
        let call = of_operator(trial, &mut values, operator);
        found.count("operators", call.is_ok());
        match call {
            Err(reason) => found.not_called.push(reason),
            Ok(call) => match called.get(operator.function.as_str()) {
                Some(Ok(_)) => by_function.entry(&operator.function).or_default().push(call),
                _ => alone.push(call),
            },
        }
    }
    for function in &objects.functions {
        let kind = match function.kind.as_str() {
            "a" => "aggregates",
            "p" => "procedures",
            _ => "functions",
        };
        let Some(result) = called.remove(function.signature.as_str()) else { continue };
        let result = result.map(|mut call| {
            for operator in by_function.remove(function.signature.as_str()).unwrap_or_default() {
                call.comment += &format!(", {}", operator.comment);
                call.is_undone |= operator.is_undone;
                call.workload.extend(operator.workload);
            }
            call
        });
        found.add(kind, &function.signature, result);
    }
    found.calls.extend(alone);
    for class in &objects.classes {
        let call = of_class(trial, &mut values, class);
        found.add("operator classes", &format!("{} for {}", class.name, class.method), call);
    }
    found
}

/// What is made, used and removed again: triggers, indexes of each class of operators.
pub fn made_of(trial: &mut Trial, objects: &Objects, harvest: &Harvest) -> (Vec<Call>, Vec<NotCalled>) {
    let mut values = Values::new(harvest);
    let mut found: Vec<Result<Call, NotCalled>> = Vec::new();
    for function in &objects.functions {
        match function.returns.name.as_str() {
            "trigger" => found.push(of_trigger(trial, function)),
            "event_trigger" => found.push(of_event_trigger(trial, function)),
            _ => {}
        }
    }
    found.extend(objects.classes.iter().map(|class| of_class(trial, &mut values, class)));
    let (made, not) = found.into_iter().partition::<Vec<_>, _>(Result::is_ok);
    (made.into_iter().flatten().collect(), not.into_iter().filter_map(Result::err).collect())
}

impl Calls {
    fn count(&mut self, kind: &'static str, works: bool) {
        let (working, all) = self.counts.entry(kind).or_default();
        *working += usize::from(works);
        *all += 1;
    }

    fn add(&mut self, kind: &'static str, what: &str, call: Result<Call, NotCalled>) {
        let call = match call {
            Ok(call) if call.took > SLOWEST => {
                Err(not_called(what, format!("it takes {} ms each time", call.took.as_millis())))
            }
            other => other,
        };
        self.count(kind, call.is_ok());
        match call {
            Ok(call) => self.calls.push(call),
            Err(reason) => self.not_called.push(reason),
        }
    }
}

enum Reason {
    /// There is no value for an argument, as yet.
    NoValue(String),
    /// A library has to be preloaded.
    WantsPreload(Refused),
    Other(NotCalled),
}

fn not_called(what: &str, why: impl Into<String>) -> NotCalled {
    NotCalled { what: what.to_owned(), why: why.into(), crashed: false, tried: None }
}

/// Why nothing worked.
fn of_refused(what: &str, refused: Option<Refused>) -> NotCalled {
    let Some(refused) = refused else { return not_called(what, "nothing was found to call it with") };
    let why = match refused.how {
        How::Error => refused.message,
        How::Late => "it did not come back within 3 s".to_owned(),
        How::Session => format!("it ended its session: {}", refused.message),
        How::Crash => format!("it took the server down when it was tried: {}", refused.message),
        How::NoServer => format!("there was no server: {}", refused.message),
    };
    NotCalled { what: what.to_owned(), why, crashed: refused.how == How::Crash, tried: None }
}

/// A name as a spec has it: letters, digits and underscores.
pub fn plain(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let name = name.trim_matches('_');
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { format!("_{name}") } else { name.to_owned() }
}

/// Calls of what works, by what is sent for each try.
fn call(name: &str, comment: &str, tries: &[Vec<String>], working: &[(usize, Works)]) -> Call {
    let is_repeated = |(_, works): &&(usize, Works)| matches!(works, Works::Repeatedly(_));
    let repeated: Vec<&(usize, Works)> = working.iter().filter(is_repeated).collect();
    let (kept, is_undone) = if repeated.is_empty() { (vec![&working[0]], true) } else { (repeated, false) };
    let took = kept.iter().map(|(_, works)| match works {
        Works::Repeatedly(took) | Works::Once(took) => *took,
    });
    Call {
        name: plain(name),
        comment: comment.to_owned(),
        setup: Vec::new(),
        workload: kept.iter().flat_map(|(position, _)| tries[*position].clone()).collect(),
        teardown: Vec::new(),
        is_undone,
        took: took.sum(),
    }
}

/// In and out.
fn of_type(trial: &mut Trial, values: &mut Values, one: &Type) -> Result<Call, NotCalled> {
    let known = values.of(trial, one);
    let cast = known.iter().map(|value| vec![format!("SELECT {value}::text")]);
    // The composite ones that tables have, and those that cannot be shown.
    let tries: Vec<Vec<String>> = cast.chain(known.iter().map(|value| vec![format!("SELECT {value}")])).collect();
    let (working, why) = trial.those_that_work(&tries, WAYS);
    match working.is_empty() {
        true if known.is_empty() => Err(not_called(&one.name, "no value of it was found")),
        true => Err(of_refused(&one.name, why)),
        false => Ok(call(&format!("type {}", one.name), &format!("type {}", one.name), &tries, &working)),
    }
}

/// A call of a function, and what it returns as an expression where that may be a value of a type of which there is none.
fn of_function(
    trial: &mut Trial,
    values: &mut Values,
    harvest: &Harvest,
    function: &Function,
) -> (Result<Call, Reason>, Option<String>) {
    let what = &function.signature;
    let other = |why: &str| (Err(Reason::Other(not_called(what, why))), None);
    let takes = |name: &str| function.arguments.iter().any(|argument| argument.name == name);
    if takes("internal") {
        return other("the server calls it, with internal arguments");
    }
    if HANDLERS.contains(&function.returns.name.as_str()) {
        return other("the server calls it: it is a handler, or returns what only the server can use");
    }
    if let Some(word) = looks_dangerous(&function.name) {
        return other(&format!("not tried, because of \"{word}\" in its name"));
    }
    match function.returns.name.as_str() {
        "trigger" => return (of_trigger(trial, function).map_err(Reason::Other), None),
        "event_trigger" => return (of_event_trigger(trial, function).map_err(Reason::Other), None),
        _ => {}
    }
    let mut lists: Vec<(String, Option<String>)> = harvested(trial, harvest, function);
    lists.extend(inputs(trial, values, function).into_iter().map(|list| (list, None)));
    let mut missing = None;
    for count in [function.arguments.len() - function.defaults.min(function.arguments.len()), function.arguments.len()]
    {
        for choice in POLYMORPHIC {
            let mut choices: Vec<Vec<String>> = Vec::new();
            for argument in &function.arguments[..count] {
                let found = match choice.value(&argument.name) {
                    Some(value) => vec![value.to_owned()],
                    None => values.of(trial, argument),
                };
                if found.is_empty() {
                    missing = Some(argument.name.clone());
                }
                choices.push(found);
            }
            let numbers: Vec<usize> = choices.iter().map(Vec::len).collect();
            for combination in combinations(&numbers, COMBINATIONS) {
                let mut list: Vec<String> =
                    combination.iter().zip(&choices).map(|(&place, values)| values[place].clone()).collect();
                let is_last_variadic = function.is_variadic && count == function.arguments.len();
                if let Some(last) = list.last_mut().filter(|_| is_last_variadic && !takes("\"any\"")) {
                    *last = format!("VARIADIC {last}");
                }
                let list = (list.join(", "), None);
                if !lists.contains(&list) {
                    lists.push(list);
                }
            }
        }
        if function.defaults == 0 {
            break;
        }
    }
    if lists.is_empty() {
        let missing = missing.unwrap_or_else(|| "an argument".to_owned());
        return (Err(Reason::NoValue(format!("no value of type {missing} was found"))), None);
    }
    let (mut tries, mut values_of) = (Vec::new(), Vec::new());
    for (list, columns) in &lists {
        for sql in statements(function, list, columns.as_deref()) {
            tries.push(vec![sql]);
            values_of.push(format!("{}({list})", function.call));
        }
    }
    let (working, why) = trial.those_that_work(&tries, WAYS);
    if working.is_empty() {
        let wants = trial.hears_of_preload && why.as_ref().is_some_and(Refused::wants_preload);
        return match why {
            Some(refused) if wants => (Err(Reason::WantsPreload(refused)), None),
            why => (Err(Reason::Other(of_refused(what, why))), None),
        };
    }
    let value =
        (function.kind == "f" && !function.returns_set && !function.has_out).then(|| values_of[working[0].0].clone());
    (Ok(call(&function.name, what, &tries, &working)), value)
}

/// Arguments for the input function of a type: what its literals are, and what the server hands over besides.
fn inputs(trial: &mut Trial, values: &mut Values, function: &Function) -> Vec<String> {
    let types: Vec<&str> = function.arguments.iter().map(|argument| argument.name.as_str()).collect();
    let rest = match types.as_slice() {
        ["cstring"] => "",
        ["cstring", "oid"] => ", 0",
        ["cstring", "oid", "integer"] => ", 0, -1",
        _ => return Vec::new(),
    };
    let literals = values.of(trial, &function.returns);
    let texts =
        literals.iter().filter_map(|value| Some(value.rsplit_once("::")?.0)).filter(|text| text.ends_with('\''));
    texts.map(|text| format!("{text}::cstring{rest}")).collect()
}

/// The arguments with which the extension's own tests call a function: this one, where several have its name.
fn harvested(trial: &mut Trial, harvest: &Harvest, function: &Function) -> Vec<(String, Option<String>)> {
    let calls = harvest.calls(&function.name);
    if !function.is_overloaded || calls.is_empty() {
        return calls.to_vec();
    }
    let name = super::literals::quoted(&function.signature);
    let check = |(list, _): &(String, Option<String>)| {
        vec![
            "DROP VIEW IF EXISTS mcspec_called".to_owned(),
            format!("CREATE TEMPORARY VIEW mcspec_called AS SELECT {}({list})", function.call),
            format!(
                "SELECT 1 / count(*) FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON d.objid = r.oid WHERE r.ev_class = \
                 'mcspec_called'::regclass AND d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid = {name}::regprocedure"
            ),
        ]
    };
    let tries: Vec<Vec<String>> = calls.iter().map(check).collect();
    let (working, _) = trial.those_that_work(&tries, WAYS);
    working.into_iter().map(|(position, _)| calls[position].clone()).collect()
}

/// Ways to write a call.
fn statements(function: &Function, list: &str, columns: Option<&str>) -> Vec<String> {
    let call = format!("{}({list})", function.call);
    let rows = "FROM generate_series(1, 3)";
    match function.kind.as_str() {
        "p" => vec![format!("CALL {call}")],
        "w" => vec![format!("SELECT {call} OVER () {rows}")],
        "a" => match function.direct {
            Some(direct) => {
                let arguments: Vec<&str> = list.split(", ").collect();
                let (direct, ordered) = arguments.split_at(direct.min(arguments.len()));
                let (direct, ordered) = (direct.join(", "), ordered.join(", "));
                vec![format!("SELECT {}({direct}) WITHIN GROUP (ORDER BY {ordered}) {rows}", function.call)]
            }
            None if function.arguments.is_empty() => vec![format!("SELECT {}(*) {rows}", function.call)],
            None => vec![format!("SELECT {call} {rows}")],
        },
        _ => match (function.returns.name.as_str(), columns) {
            ("record", Some(columns)) => vec![format!("SELECT * FROM {call} {columns}")],
            ("record", None) if !function.has_out => {
                vec![format!("SELECT {call}"), format!("SELECT * FROM {call} AS t(a text)")]
            }
            _ if function.returns_set || function.has_out => vec![format!("SELECT * FROM {call}")],
            _ => vec![format!("SELECT {call}")],
        },
    }
}

fn of_operator(trial: &mut Trial, values: &mut Values, operator: &Operator) -> Result<Call, NotCalled> {
    let what = format!("operator {}", operator.signature);
    let mut tries = Vec::new();
    for choice in POLYMORPHIC {
        let mut of = |one: &Type| match choice.value(&one.name) {
            Some(value) => vec![value.to_owned()],
            None => values.of(trial, one),
        };
        let left = operator.left.as_ref().map(&mut of);
        let right = of(&operator.right);
        let numbers: Vec<usize> = left.iter().chain([&right]).map(Vec::len).collect();
        for combination in combinations(&numbers, COMBINATIONS) {
            let right = &right[combination[combination.len() - 1]];
            let sql = match &left {
                Some(left) => format!("SELECT {} {} {right}", left[combination[0]], operator.call),
                None => format!("SELECT {} {right}", operator.call),
            };
            if !tries.contains(&vec![sql.clone()]) {
                tries.push(vec![sql]);
            }
        }
    }
    if tries.is_empty() {
        return Err(not_called(&what, "no value of one of its types was found"));
    }
    let (working, why) = trial.those_that_work(&tries, 1);
    match working.is_empty() {
        true => Err(of_refused(&what, why)),
        false => Ok(call(
            &format!("operator {}", operator.function.split('(').next().unwrap_or_default()),
            &what,
            &tries,
            &working,
        )),
    }
}

/// Something that is made, used and removed again.
fn made(
    trial: &mut Trial,
    name: &str,
    what: &str,
    setup: &[String],
    workload: &[String],
    teardown: &[String],
) -> Result<Call, NotCalled> {
    let whole = [setup, workload, workload, teardown].concat();
    let (working, why) = trial.those_that_work(&[whole], 1);
    let took = working.first().map(|(_, works)| match works {
        Works::Repeatedly(took) | Works::Once(took) => *took / 2,
    });
    let call = Call {
        name: plain(name),
        comment: what.to_owned(),
        setup: setup.to_vec(),
        workload: workload.to_vec(),
        teardown: teardown.to_vec(),
        is_undone: false,
        took: took.unwrap_or_default(),
    };
    match took {
        Some(_) => Ok(call),
        None => {
            let not = of_refused(what, why);
            Err(NotCalled { tried: not.crashed.then(|| Box::new(call)), ..not })
        }
    }
}

fn of_trigger(trial: &mut Trial, function: &Function) -> Result<Call, NotCalled> {
    let table = format!("mcspec_{}", plain(&function.name));
    let workload = [
        format!("INSERT INTO {table} VALUES (1, 'a')"),
        format!("UPDATE {table} SET t = 'b'"),
        format!("DELETE FROM {table}"),
    ];
    // Many are told the names of columns, sequences and tables.
    let keys = format!("'id', '{table}', 'id'");
    let (sequence, foreign) = (format!("'id', '{table}_id_seq'"), format!("1, 'cascade', {keys}"));
    let arguments = ["", "'t'", "'id'", "'at'", &sequence, &keys, &foreign];
    let events = ["BEFORE INSERT OR UPDATE OR DELETE", "AFTER INSERT OR UPDATE OR DELETE", "BEFORE INSERT OR UPDATE"];
    let mut why: Option<NotCalled> = None;
    for (event, arguments) in events.iter().flat_map(|event| arguments.iter().map(move |list| (event, list))) {
        let setup = [
            format!("CREATE TABLE {table} (id serial, t text, at timestamp)"),
            format!(
                "CREATE TRIGGER {table} {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {}({arguments})",
                function.call
            ),
        ];
        let teardown = [format!("DROP TABLE {table}")];
        match made(trial, &function.name, &function.signature, &setup, &workload, &teardown) {
            Ok(call) => return Ok(call),
            Err(not) if not.crashed => return Err(not),
            // What it said first is about what is usual.
            Err(not) => drop(why.get_or_insert(not)),
        }
    }
    Err(why.unwrap_or_else(|| not_called(&function.signature, "nothing was found to call it with")))
}

/// A function that is called at the ends of commands.
///
/// # Errors
///
/// Why none of them calls it.
pub fn of_event_trigger(trial: &mut Trial, function: &Function) -> Result<Call, NotCalled> {
    let name = format!("mcspec_{}", plain(&function.name));
    let mut why = not_called(&function.signature, "");
    for event in ["ddl_command_end", "sql_drop", "ddl_command_start"] {
        let setup = [format!("CREATE EVENT TRIGGER {name} ON {event} EXECUTE FUNCTION {}()", function.call)];
        let workload = [format!("CREATE TABLE {name} (id integer)"), format!("DROP TABLE {name}")];
        match made(
            trial,
            &function.name,
            &function.signature,
            &setup,
            &workload,
            &[format!("DROP EVENT TRIGGER {name}")],
        ) {
            Ok(call) => return Ok(call),
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

/// An index is built, searched and removed.
fn of_class(trial: &mut Trial, values: &mut Values, class: &OperatorClass) -> Result<Call, NotCalled> {
    let what = format!("operator class {} for {}", class.name, class.method);
    let polymorphic = || POLYMORPHIC.iter().filter_map(|choice| choice.value(&class.indexed.name)).map(str::to_owned);
    let mut known: Vec<String> = polymorphic().take(1).collect();
    if known.is_empty() {
        known = values.of(trial, &class.indexed);
    }
    let Some(first) = known.first() else {
        return Err(not_called(&what, format!("no value of type {} was found", class.indexed.name)));
    };
    let name = plain(&format!("index {} {}", class.method, class.name));
    let rows: Vec<String> = known.iter().map(|value| format!("({value})")).collect();
    let table = |column: &str, rows: &[String]| {
        vec![
            format!("CREATE TABLE mcspec_{name} (v {column})"),
            format!(
                "INSERT INTO mcspec_{name} SELECT v FROM (VALUES {}) AS t(v), generate_series(1, 100)",
                rows.join(", ")
            ),
            format!("CREATE INDEX mcspec_{name}_i ON mcspec_{name} USING {} (v {})", class.method, class.name),
        ]
    };
    let type_name = if class.indexed.name.starts_with("any") { "integer[]" } else { &class.indexed.name };
    // Some want to be told how long their values are.
    let lengths = (1..5).map(|length| table(&format!("{type_name}({length})"), &rows[..1]));
    let tries: Vec<Vec<String>> = std::iter::once(table(type_name, &rows)).chain(lengths).collect();
    let (working, why) = trial.those_that_work(&tries, 1);
    let Some(&(position, _)) = working.first() else { return Err(of_refused(&what, why)) };
    let mut setup = tries[position].clone();
    setup[2] = "SET enable_seqscan = off".to_owned();
    let build = vec![
        format!("CREATE INDEX mcspec_{name}_i ON mcspec_{name} USING {} (v {})", class.method, class.name),
        format!("INSERT INTO mcspec_{name} VALUES ({first})"),
    ];
    let end = vec![format!("DROP INDEX mcspec_{name}_i")];
    let teardown = [format!("DROP TABLE mcspec_{name}")];
    let mut searches: Vec<String> = Vec::new();
    for search in class.searches.iter().take(SEARCHES) {
        let value = if search.right == class.indexed {
            Some(first.clone())
        } else {
            values.of(trial, &search.right).into_iter().next()
        };
        let Some(value) = value else { continue };
        let operator = &search.operator;
        let sql = match search.orders {
            true => format!("SELECT * FROM mcspec_{name} ORDER BY v {operator} {value} LIMIT 3"),
            false => format!("SELECT count(*) FROM mcspec_{name} WHERE v {operator} {value}"),
        };
        // One that does not work does not keep the others from it.
        let workload = [build.clone(), vec![sql.clone()], end.clone()].concat();
        if made(trial, &name, &what, &setup, &workload, &teardown).is_ok() {
            searches.push(sql);
        }
    }
    made(trial, &name, &what, &setup, &[build, searches, end].concat(), &teardown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_dangerous() {
        let table = [
            ("pg_terminate_backend", Some("terminate")),
            ("my_sleep", Some("sleep")),
            ("pg_file_write", Some("file_write")),
            ("crash_now", Some("crash")),
            ("asleep_count", None),
            ("execute_query", None),
            ("cancellation_rate", None),
            ("hll_add", None),
        ];
        for (name, expected) in table {
            assert_eq!(looks_dangerous(name), expected, "{name}");
        }
    }

    #[test]
    fn names_of_scenarios_are_plain() {
        for (name, expected) in
            [("hll_add", "hll_add"), ("My Func", "my_func"), ("<->", "_"), ("2d", "_2d"), ("type a.b", "type_a_b")]
        {
            assert_eq!(plain(name), expected, "{name}");
        }
    }

    #[test]
    fn calls_are_written_as_their_kind_is() {
        let function = |kind: &str, returns: &str, returns_set: bool, has_out: bool, direct: Option<usize>| Function {
            name: "f".to_owned(),
            call: "s.f".to_owned(),
            signature: "s.f(integer)".to_owned(),
            kind: kind.to_owned(),
            arguments: vec![Type { oid: "23".to_owned(), name: "integer".to_owned() }],
            defaults: 0,
            is_variadic: false,
            returns: Type { oid: "0".to_owned(), name: returns.to_owned() },
            returns_set,
            has_out,
            direct,
            is_overloaded: false,
            volatility: "v".to_owned(),
        };
        let rows = "FROM generate_series(1, 3)";
        for (function, list, columns, expected) in [
            (function("f", "text", false, false, None), "1", None, "SELECT s.f(1)".to_owned()),
            (function("f", "text", true, false, None), "1", None, "SELECT * FROM s.f(1)".to_owned()),
            (function("f", "record", false, true, None), "1", None, "SELECT * FROM s.f(1)".to_owned()),
            (
                function("f", "record", true, false, None),
                "1",
                Some("AS t(a int)"),
                "SELECT * FROM s.f(1) AS t(a int)".to_owned(),
            ),
            (function("p", "void", false, false, None), "1", None, "CALL s.f(1)".to_owned()),
            (function("a", "text", false, false, None), "1", None, format!("SELECT s.f(1) {rows}")),
            (
                function("a", "text", false, false, Some(1)),
                "0.5, 1",
                None,
                format!("SELECT s.f(0.5) WITHIN GROUP (ORDER BY 1) {rows}"),
            ),
            (function("w", "text", false, false, None), "1", None, format!("SELECT s.f(1) OVER () {rows}")),
        ] {
            assert_eq!(statements(&function, list, columns)[0], expected);
        }
    }
}
