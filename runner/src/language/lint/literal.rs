//! A variable in a string, where it is not replaced.

use std::collections::HashSet;

use super::{Subject, workloads};
use crate::language::ast::Block;
use crate::language::diagnostic::Diagnostic;
use crate::language::sql::scan::{Kind, Tokens};

/// Variables that a workload has besides those of the spec, and that somebody may want in a string.
const OF_WORKLOADS: [&str; 2] = ["i", "rows"];

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    let spec = subject.spec;
    let vars = spec.vars.iter().map(|var| var.name.value.as_str());
    let defined: HashSet<&str> = vars.chain(spec.matrix.iter().map(|matrix| matrix.name.value.as_str())).collect();
    for block in subject.blocks() {
        find_in(block, |name| defined.contains(name), found);
    }
    for block in spec.scenarios.iter().flat_map(workloads) {
        find_in(block, |name| OF_WORKLOADS.contains(&name), found);
    }
}

/// Reports the strings of a block that name one of these variables.
fn find_in(block: &Block, is_variable: impl Fn(&str) -> bool, found: &mut Vec<Diagnostic>) {
    for token in Tokens::new(&block.text, 0) {
        let hint = match token.kind {
            Kind::String => "write it outside of the string, as in 'key ' || :i",
            Kind::DollarString => "pass it in from outside, as an argument or a setting",
            _ => continue,
        };
        let string = &block.text[token.span.clone()];
        for (at, name) in references(string).filter(|(_, name)| is_variable(name)) {
            let start = block.span.start + token.span.start + at;
            let message = format!("\":{name}\" is not replaced in a string");
            let diagnostic = Diagnostic::new(start..start + 1 + name.len(), message);
            found.push(diagnostic.with_hint(hint.to_owned()));
        }
    }
}

/// What looks like a variable: a colon and a name that follow neither a word nor another colon nor a quoted key.
fn references(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(':').filter_map(move |(at, _)| {
        let follows = text[..at].ends_with(|c: char| is_letter(c) || matches!(c, ':' | '"' | ')' | ']'));
        let name = &text[at + 1..];
        let name = &name[..name.find(|c| !is_letter(c)).unwrap_or(name.len())];
        (!follows && !name.is_empty()).then_some((at, name))
    })
}

#[cfg(test)]
mod tests {
    use super::references;

    #[test]
    fn variables_are_told_from_times_casts_and_keys() {
        for (text, expected) in [
            ("':i'", "i"),
            ("'key :i and :rows.'", "i rows"),
            ("'12:30:ab'", ""),
            ("'{\"a\":i}'", ""),
            ("$$ a[1:i], f(x)::text, b := 1, x::i $$", ""),
            ("$$ f(:i) $$", "i"),
        ] {
            assert_eq!(references(text).map(|(_, name)| name).collect::<Vec<_>>().join(" "), expected, "{text}");
        }
    }
}
