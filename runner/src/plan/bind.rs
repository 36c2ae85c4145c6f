//! SQL blocks split into statements with their variables bound.

use std::borrow::Cow;
use std::sync::Arc;

use memcheck_core::ScenarioKind;
use memcheck_core::scenario::Clause;

use super::{Place, Problem};
use crate::language::sql::{UnknownVariable, Variables, split, substitute_by};
use crate::language::{Diagnostic, SourceFile, suggest};

/// The statements of a block.
#[derive(Debug, Clone, Default)]
pub struct Sql {
    /// In the order in which they are sent.
    pub statements: Vec<Statement>,
}

impl Sql {
    /// Whether a statement's text differs from one execution to the next.
    pub fn varies(&self) -> bool {
        self.statements.iter().any(Statement::varies)
    }

    /// Whether a statement's text depends on the number of rows.
    pub fn has_rows(&self) -> bool {
        self.statements.iter().any(|statement| matches!(statement.text, Text::Varying { rows: true, .. }))
    }

    /// The statements as one text, for the server to repeat.
    pub fn joined(&self) -> String {
        self.statements.iter().map(|statement| statement.text(Values::default())).collect::<Vec<_>>().join(";\n")
    }
}

/// The values of the variables that differ from one execution of a workload to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Values {
    /// `:i`
    pub i: u64,
    /// `:rows`; means nothing but on a ladder.
    pub rows: u64,
}

/// Which of them a block has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Varying {
    /// None: it is no workload.
    Nothing,
    /// `:i`
    Iteration,
    /// `:i` and `:rows`
    Ladder,
}

impl Varying {
    /// A text with the values of all its variables.
    fn substitute<'t>(
        self,
        text: &'t str,
        variables: &Variables,
        Values { i, rows }: Values,
    ) -> Result<Cow<'t, str>, UnknownVariable> {
        let (i, rows) = (i.to_string(), rows.to_string());
        substitute_by(text, |name| match name {
            "i" if self != Varying::Nothing => Some(i.as_str()),
            "rows" if self == Varying::Ladder => Some(rows.as_str()),
            name => variables.get(name),
        })
    }
}

/// One statement.
#[derive(Debug, Clone)]
pub struct Statement {
    text: Text,
    /// Where it begins.
    pub place: Place,
}

#[derive(Debug, Clone)]
enum Text {
    Fixed(Arc<str>),
    /// Uses `:i`, or `:rows`.
    Varying {
        template: Arc<str>,
        variables: Arc<Variables>,
        rows: bool,
    },
}

impl Statement {
    /// A statement whose text is always the same.
    pub fn fixed(text: &str, place: Place) -> Self {
        Statement { text: Text::Fixed(text.into()), place }
    }

    /// Whether the text differs from one execution to the next.
    pub fn varies(&self) -> bool {
        matches!(self.text, Text::Varying { .. })
    }

    /// The text to send.
    pub fn text(&self, values: Values) -> Cow<'_, str> {
        match &self.text {
            Text::Fixed(text) => Cow::Borrowed(text),
            Text::Varying { template, variables, rows } => {
                let varying = if *rows { Varying::Ladder } else { Varying::Iteration };
                let text = varying.substitute(template, variables, values);
                text.expect("every variable was known when the statement was bound")
            }
        }
    }
}

/// Splits the text that stands at `offset` in `source` and binds its variables; those that vary only where they mean something.
///
/// # Errors
///
/// Variables that are not defined.
pub(super) fn bind(
    source: &Arc<SourceFile>,
    text: &str,
    offset: usize,
    variables: &Arc<Variables>,
    varying: Varying,
) -> Result<Sql, Vec<Problem>> {
    let mut statements = Vec::new();
    let mut problems = Vec::new();
    for statement in split(text) {
        let place = Place { source: Arc::clone(source), offset: offset + statement.offset };
        let bound = |i, rows| varying.substitute(&statement.text, variables, Values { i, rows });
        match (bound(0, 0), bound(1, 0), bound(0, 1)) {
            (Ok(text), Ok(with_other_i), Ok(with_other_rows)) => {
                let rows = text != with_other_rows;
                let text = if text == with_other_i && !rows {
                    Text::Fixed(text.into())
                } else {
                    Text::Varying { template: statement.text.as_str().into(), variables: Arc::clone(variables), rows }
                };
                statements.push(Statement { text, place });
            }
            (Err(unknown), ..) | (_, Err(unknown), _) | (.., Err(unknown)) => {
                let start = place.offset + unknown.offset;
                let hint = match unknown.name.as_str() {
                    "i" => "\":i\" is the iteration, which only a workload has".to_owned(),
                    "rows" => {
                        let kinds: Vec<_> = ScenarioKind::with(Clause::Rows).map(|kind| kind.to_string()).collect();
                        let kinds = suggest::join(&kinds);
                        format!("\":rows\" is the number of rows, which only a workload of {kinds} has")
                    }
                    name => format!("define it with \"var {name} = ...\", or write \"-v {name}=...\""),
                };
                let span = start..start + unknown.name.len() + 1;
                let message = format!("variable \"{}\" is not defined", unknown.name);
                problems.push(Problem::new(source, Diagnostic::new(span, message).with_hint(hint)));
            }
        }
    }
    if problems.is_empty() { Ok(Sql { statements }) } else { Err(problems) }
}
