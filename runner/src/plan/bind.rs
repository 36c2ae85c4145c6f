//! SQL blocks split into statements with their variables bound.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Place, Problem};
use crate::spec::sql::{Variables, split, substitute};
use crate::spec::{Diagnostic, SourceFile};

/// The statements of a block.
#[derive(Debug, Clone, Default)]
pub struct Sql {
    /// In the order in which they are sent.
    pub statements: Vec<Statement>,
}

impl Sql {
    /// Whether a statement's text differs from one iteration to the next.
    pub fn varies(&self) -> bool {
        self.statements.iter().any(Statement::varies)
    }

    /// The statements as one text, for the server to repeat.
    pub fn joined(&self) -> String {
        self.statements.iter().map(|statement| statement.text(0)).collect::<Vec<_>>().join(";\n")
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
    /// Uses `:i`.
    PerIteration {
        template: Arc<str>,
        variables: Arc<Variables>,
    },
}

impl Statement {
    /// Whether the text depends on the iteration.
    pub fn varies(&self) -> bool {
        matches!(self.text, Text::PerIteration { .. })
    }

    /// The text to send in an iteration.
    pub fn text(&self, iteration: u64) -> Cow<'_, str> {
        match &self.text {
            Text::Fixed(text) => Cow::Borrowed(text),
            Text::PerIteration { template, variables } => {
                let mut variables = Variables::clone(variables);
                variables.set("i", iteration.to_string());
                substitute(template, &variables).expect("every variable was known when the statement was bound")
            }
        }
    }
}

/// Splits the text that stands at `offset` in `source` and binds its variables; `:i` only where it means something.
///
/// # Errors
///
/// Variables that are not defined.
pub(super) fn bind(
    source: &Arc<SourceFile>,
    text: &str,
    offset: usize,
    variables: &Arc<Variables>,
    iterated: bool,
) -> Result<Sql, Vec<Problem>> {
    let mut statements = Vec::new();
    let mut problems = Vec::new();
    let with_i = |i| {
        let mut variables = Variables::clone(variables);
        if iterated {
            variables.set("i", i);
        }
        variables
    };
    let (first, second) =
        if iterated { (with_i("0"), with_i("1")) } else { (Variables::clone(variables), Variables::clone(variables)) };
    for statement in split(text) {
        let place = Place { source: Arc::clone(source), offset: offset + statement.offset };
        match (substitute(&statement.text, &first), substitute(&statement.text, &second)) {
            (Ok(text), Ok(other)) => {
                let text = if text == other {
                    Text::Fixed(text.into())
                } else {
                    Text::PerIteration { template: statement.text.as_str().into(), variables: Arc::clone(variables) }
                };
                statements.push(Statement { text, place });
            }
            (Err(unknown), _) | (_, Err(unknown)) => {
                let start = place.offset + unknown.offset;
                let hint = if unknown.name == "i" {
                    "\":i\" is the iteration, which only a workload has".to_owned()
                } else {
                    format!("define it with \"var {} = ...\", or write \"-v {0}=...\"", unknown.name)
                };
                let span = start..start + unknown.name.len() + 1;
                let message = format!("variable \"{}\" is not defined", unknown.name);
                problems.push(Problem::new(source, Diagnostic::new(span, message).with_hint(hint)));
            }
        }
    }
    if problems.is_empty() { Ok(Sql { statements }) } else { Err(problems) }
}
