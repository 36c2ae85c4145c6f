//! What there is to call.

use crate::init::calls::{Call, looks_dangerous};
use crate::init::catalog::{Function, Objects, Operator, Type};
use crate::init::harvest::Harvest;

/// Something that can be called, or a script that has to do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What it is, as PostgreSQL shows it: `hll_add(hll,hll_hashval)`, `operator ||(hll,hll)`. No two have the same.
    pub what: String,
    /// How it is named in a call: a function, or an operator.
    pub call: String,
    /// How a call is written.
    pub form: Form,
    /// Types of the arguments.
    pub arguments: Vec<Type>,
    /// How many of them there have to be.
    pub required: usize,
    /// Whether the last one is an array of as many as one likes.
    pub is_variadic: bool,
    /// What it says of its result.
    pub volatility: Volatility,
    /// What it returns; none of what returns nothing that can be an argument.
    pub returns: Option<Type>,
    /// What it needs to be there: statements that may be executed again where it is there already.
    pub prelude: Vec<String>,
}

/// How a call is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// An expression: a function, or an operator.
    Expression(Option<Notation>),
    /// A function that returns a set, or a record.
    Set {
        /// The list of columns behind it, with `AS`.
        columns: Option<String>,
    },
    /// A procedure.
    Call,
    /// An aggregate.
    Aggregate {
        /// Of an ordered-set aggregate: how many arguments are direct.
        direct: Option<usize>,
    },
    /// A window function.
    Window,
    /// A statement in which the arguments stand for `$1`, `$2`, ...
    Statement,
    /// Statements without arguments.
    Script {
        /// Before.
        setup: Vec<String>,
        /// Repeated.
        workload: Vec<String>,
        /// Behind.
        teardown: Vec<String>,
        /// The SQLSTATE that it fails with.
        error: Option<String>,
    },
}

/// How an expression is written that is no call of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// An operator.
    Operator,
    /// An expression in which the arguments stand for `$1`, `$2`, ...
    Written,
}

/// What a function says of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volatility {
    /// The same for the same arguments.
    Immutable,
    /// The same within a statement.
    Stable,
    /// Anything.
    Volatile,
}

/// Something that is not called, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// What it is.
    pub what: String,
    /// The reason.
    pub why: String,
}

/// A text with what stands for `$1`, `$2`, ... in it.
fn written(text: &str, values: &[String]) -> String {
    let (mut all, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        let behind = &rest[at + 1..];
        let digits = behind.len() - behind.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let value = behind[..digits].parse::<usize>().ok().and_then(|number| values.get(number.checked_sub(1)?));
        all += &rest[..at];
        match value {
            Some(value) => all += value,
            None => all += &rest[at..=at + digits],
        }
        rest = &behind[digits..];
    }
    all + rest
}

impl Subject {
    /// Something that takes no arguments, as yet.
    pub fn new(what: impl Into<String>, call: impl Into<String>, form: Form) -> Self {
        Subject {
            what: what.into(),
            call: call.into(),
            form,
            arguments: Vec::new(),
            required: 0,
            is_variadic: false,
            volatility: Volatility::Volatile,
            returns: None,
            prelude: Vec::new(),
        }
    }

    /// The same with these arguments.
    pub fn taking(self, arguments: &[Type]) -> Self {
        Subject { arguments: arguments.to_vec(), required: arguments.len(), ..self }
    }

    /// The same, of what has to be made before.
    pub fn made_by(self, prelude: &[String]) -> Self {
        Subject { prelude: prelude.to_vec(), ..self }
    }

    /// A call with these arguments.
    pub fn expression(&self, values: &[String]) -> String {
        let call = &self.call;
        match &self.form {
            Form::Expression(Some(Notation::Operator)) => match values {
                [left, right] => format!("{left} {call} {right}"),
                _ => format!("{call} {}", values.join(" ")),
            },
            Form::Expression(Some(Notation::Written)) | Form::Statement => written(call, values),
            Form::Aggregate { direct: Some(direct) } => {
                let (direct, ordered) = values.split_at((*direct).min(values.len()));
                format!("{call}({}) WITHIN GROUP (ORDER BY {})", direct.join(", "), ordered.join(", "))
            }
            Form::Aggregate { direct: None } if values.is_empty() => format!("{call}(*)"),
            _ => {
                let mut list = values.to_vec();
                if let Some(last) = list.last_mut().filter(|_| self.is_variadic && values.len() == self.arguments.len())
                {
                    *last = format!("VARIADIC {last}");
                }
                format!("{call}({})", list.join(", "))
            }
        }
    }

    /// Its name, without a schema.
    pub fn name(&self) -> &str {
        self.call.rsplit('.').next().unwrap_or(&self.call).trim_matches('"')
    }

    /// A record has the columns that somebody has written behind a call.
    pub fn takes_columns(&mut self, harvest: &Harvest) {
        let mut written = harvest.calls(self.name()).iter().filter_map(|(_, columns)| columns.clone());
        if let (Form::Set { columns: Some(columns) }, Some(written)) = (&mut self.form, written.next()) {
            *columns = written;
        }
    }

    /// Whether two calls with the same arguments have to return the same.
    pub fn is_repeatable(&self) -> bool {
        self.volatility == Volatility::Immutable && matches!(self.form, Form::Expression(_))
    }
}

/// What only the server calls.
const HANDLERS: [&str; 6] =
    ["internal", "language_handler", "fdw_handler", "index_am_handler", "table_am_handler", "tsm_handler"];

/// The subjects that are called with arguments, and what is set aside.
pub fn callable(objects: &Objects) -> (Vec<Subject>, Vec<SetAside>) {
    let (mut subjects, mut aside) = (Vec::new(), Vec::new());
    for one in &objects.types {
        let literal = Type { oid: String::new(), name: format!("literal of {}", one.name) };
        let call = format!("($1::{})::text", one.name);
        let subject = Subject::new(format!("type {}", one.name), call, Form::Expression(Some(Notation::Written)));
        subjects.push(Subject { volatility: Volatility::Immutable, ..subject.taking(&[literal]) });
    }
    for function in &objects.functions {
        match why_not(function) {
            None => subjects.push(of_function(function)),
            Some(why) if why.is_empty() => {}
            Some(why) => aside.push(SetAside { what: function.signature.clone(), why }),
        }
    }
    // What they do is done by functions; another path through the executor leads there.
    subjects.extend(objects.operators.iter().map(of_operator));
    (subjects, aside)
}

/// Something that is made, used and removed again.
pub fn of_call(call: &Call) -> Subject {
    let form = Form::Script {
        setup: call.setup.clone(),
        workload: call.workload.clone(),
        teardown: call.teardown.clone(),
        error: None,
    };
    Subject::new(call.comment.clone(), call.name.clone(), form)
}

/// Why a function is not called with arguments; nothing to be said of those that are reached otherwise.
fn why_not(function: &Function) -> Option<String> {
    if function.arguments.iter().any(|argument| argument.name == "internal") {
        return Some("the server calls it, with internal arguments".to_owned());
    }
    if HANDLERS.contains(&function.returns.name.as_str()) {
        return Some("the server calls it: it is a handler, or returns what only the server can use".to_owned());
    }
    if matches!(function.returns.name.as_str(), "trigger" | "event_trigger") {
        return Some(String::new());
    }
    looks_dangerous(&function.name).map(|word| format!("not called, because of \"{word}\" in its name"))
}

/// A function that is called with arguments.
pub fn of_function(function: &Function) -> Subject {
    let is_record = function.returns.name == "record" && !function.has_out;
    let form = match function.kind.as_str() {
        "p" => Form::Call,
        "a" => Form::Aggregate { direct: function.direct },
        "w" => Form::Window,
        _ if is_record => Form::Set { columns: Some("AS f(a text)".to_owned()) },
        _ if function.returns_set => Form::Set { columns: None },
        _ => Form::Expression(None),
    };
    let is_any = function.arguments.last().is_some_and(|last| last.name == "\"any\"");
    Subject {
        what: function.signature.clone(),
        call: function.call.clone(),
        form,
        arguments: function.arguments.clone(),
        required: function.arguments.len().saturating_sub(function.defaults),
        is_variadic: function.is_variadic && !is_any,
        volatility: match function.volatility.as_str() {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        },
        returns: (!function.returns_set && !function.has_out && function.kind == "f").then(|| function.returns.clone()),
        prelude: Vec::new(),
    }
}

fn of_operator(operator: &Operator) -> Subject {
    let arguments: Vec<Type> = operator.left.iter().chain([&operator.right]).cloned().collect();
    let form = Form::Expression(Some(Notation::Operator));
    Subject::new(format!("operator {}", operator.signature), operator.call.clone(), form).taking(&arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(form: Form, is_variadic: bool, arguments: usize) -> Subject {
        let integer = Type { oid: String::new(), name: "integer".to_owned() };
        Subject { is_variadic, ..Subject::new("", "f", form).taking(&vec![integer; arguments]) }
    }

    #[test]
    fn calls_are_written_as_their_kind_is() {
        let table: [(Subject, &[&str], &str); 8] = [
            (subject(Form::Expression(None), false, 2), &["1", "2"], "f(1, 2)"),
            (subject(Form::Expression(None), true, 2), &["1", "ARRAY[2]"], "f(1, VARIADIC ARRAY[2])"),
            (subject(Form::Expression(None), true, 2), &["1"], "f(1)"),
            (subject(Form::Expression(Some(Notation::Operator)), false, 2), &["1", "2"], "1 f 2"),
            (subject(Form::Expression(Some(Notation::Operator)), false, 1), &["2"], "f 2"),
            (subject(Form::Aggregate { direct: None }, false, 0), &[], "f(*)"),
            (subject(Form::Aggregate { direct: Some(1) }, false, 2), &["0.5", "x"], "f(0.5) WITHIN GROUP (ORDER BY x)"),
            (subject(Form::Call, false, 1), &["1"], "f(1)"),
        ];
        for (subject, values, expected) in table {
            let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
            assert_eq!(subject.expression(&values), expected);
        }
    }

    #[test]
    fn arguments_stand_where_they_are_written() {
        let table: [(&str, &[&str], &str); 5] = [
            ("($1::f)::text", &["'x'"], "('x'::f)::text"),
            ("SET a = $1", &["'$1'"], "SET a = '$1'"),
            ("f($2, $1, $12)", &["1", "'$2'"], "f('$2', 1, $12)"),
            ("DO $$x$$ $", &["1"], "DO $$x$$ $"),
            ("$0", &["1"], "$0"),
        ];
        for (call, values, expected) in table {
            let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
            assert_eq!(written(call, &values), expected);
        }
    }
}
