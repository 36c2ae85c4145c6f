//! A variable that no SQL refers to.

use std::collections::HashSet;

use super::Subject;
use crate::language::diagnostic::Diagnostic;
use crate::language::sql::referenced;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    let spec = subject.spec;
    let texts = subject.blocks().map(|block| block.text.as_str()).chain(subject.around.elsewhere.iter().copied());
    let used: HashSet<&str> = texts.flat_map(referenced).collect();
    let vars = spec.vars.iter().map(|var| (&var.name, false));
    let matrices = spec.matrix.iter().map(|matrix| (&matrix.name, true));
    for (name, is_matrix) in vars.chain(matrices).filter(|(name, _)| !used.contains(name.value.as_str())) {
        let mut diagnostic = Diagnostic::new(name.span.clone(), format!("variable \"{}\" is not used", name.value));
        if is_matrix {
            diagnostic = diagnostic.with_hint("every value of the matrix runs the same".to_owned());
        }
        found.push(diagnostic);
    }
}
