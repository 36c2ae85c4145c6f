//! Says in words why a clause does not match its rule.

use super::clause;
use super::grammar::{Failure, Rule};
use super::lexeme::{lexeme, skip_blank};
use crate::language::ast::Span;
use crate::language::diagnostic::Diagnostic;
use crate::language::suggest;

/// What a rule stands for in a sentence.
enum Expected {
    /// This very word or sign.
    Literal(&'static str),
    /// One of a few words, which have a name together.
    OneOf(&'static str, &'static [&'static str]),
    /// Something of this kind.
    Thing(&'static str),
}

impl Expected {
    fn of(rule: Rule) -> Self {
        use Expected::{Literal, OneOf, Thing};
        match rule {
            Rule::ABOUT => Literal("about"),
            Rule::AT => Literal("at"),
            Rule::BECAUSE | Rule::because | Rule::known => Literal("because"),
            Rule::BY => Literal("by"),
            Rule::BYTES => Literal("bytes"),
            Rule::CASCADE => Literal("cascade"),
            Rule::COUNT => Literal("count"),
            Rule::DETAIL => Literal("detail"),
            Rule::ERROR => Literal("error"),
            Rule::EVERY => Literal("every"),
            Rule::EXTENSION => Literal("extension"),
            Rule::FEATURE => Literal("feature"),
            Rule::FILE => Literal("file"),
            Rule::FIRST => Literal("first"),
            Rule::FOR => Literal("for"),
            Rule::FROM => Literal("from"),
            Rule::IN => Literal("in"),
            Rule::ITERATION => Literal("iteration"),
            Rule::LIKE => Literal("like"),
            Rule::NO => Literal("no"),
            Rule::NONE => Literal("none"),
            Rule::NOT => Literal("not"),
            Rule::NOTICES => Literal("notices"),
            Rule::ON => Literal("on"),
            Rule::PER => Literal("per"),
            Rule::ROW => Literal("row"),
            Rule::SCENARIO => Literal("scenario"),
            Rule::SHAPE => Literal("shape"),
            Rule::SIZE => Literal("size"),
            Rule::TO => Literal("to"),
            Rule::UNTIL | Rule::until => Literal("until"),
            Rule::VERSION => Literal("version"),
            Rule::WHEN => Literal("when"),
            Rule::WITHIN => Literal("within"),
            Rule::arrow => Literal("=>"),
            Rule::equals => Literal("="),
            Rule::comma => Literal(","),
            Rule::open => Literal("("),
            Rule::close => Literal(")"),
            Rule::star => Literal("*"),
            Rule::dots => Literal(".."),
            Rule::semicolon => Literal(";"),
            Rule::severity | Rule::severity_name => OneOf("severity", &["info", "warning", "error"]),
            Rule::kind => Thing("a scenario kind"),
            Rule::check => Thing("a check"),
            Rule::policy => Thing("a golden policy"),
            Rule::growth_rate => Thing("a rate of growth"),
            Rule::abort_way => Thing("a way of aborting"),
            Rule::iterate_way => Thing("a way of iterating"),
            Rule::protocol_name => Thing("a protocol"),
            Rule::mode_name => Thing("a mode"),
            Rule::trace_level => Thing("a trace level"),
            Rule::guard_level => Thing("a guard level"),
            Rule::shape_name => Thing("a shape"),
            Rule::phase_name => Thing("a way of aborting"),
            Rule::block => Thing("a block in braces"),
            Rule::value | Rule::setting | Rule::reference => Thing("a value"),
            Rule::name => Thing("a name"),
            Rule::library | Rule::library_name => Thing("a library's name"),
            Rule::step_name => Thing("a step's name"),
            Rule::marker => Thing("a step's name or \"*\""),
            Rule::parameter => Thing("a parameter's name"),
            Rule::variable => Thing("a variable's name"),
            Rule::condition | Rule::subject => Thing("a condition"),
            Rule::operator => Thing("a comparison"),
            Rule::number => Thing("a number"),
            Rule::range => Thing("a number or a range of numbers"),
            Rule::duration => Thing("a duration such as 60s"),
            Rule::date => Thing("a date such as 2027-01-31"),
            Rule::percentage => Thing("a percentage"),
            Rule::string => Thing("a quoted string"),
            Rule::like | Rule::likes => Thing("a quoted LIKE pattern"),
            Rule::reason => Thing("a quoted reason"),
            Rule::regex => Thing("a quoted regular expression"),
            Rule::sqlstate => Thing("a quoted SQLSTATE"),
            // Rules that hold others fail at a place of their own only if all they begin with fails there.
            _ => Thing("something else"),
        }
    }

    fn words(&self) -> &[&'static str] {
        match self {
            Expected::Literal(word) => std::slice::from_ref(word),
            Expected::OneOf(_, words) => words,
            Expected::Thing(_) => &[],
        }
    }

    fn describe(&self) -> String {
        match self {
            Expected::Literal(word) => format!("\"{word}\""),
            Expected::OneOf(what, _) => format!("a {what}"),
            Expected::Thing(thing) => (*thing).to_owned(),
        }
    }
}

/// The error for a clause that begins at an offset.
pub(super) fn diagnose(text: &str, start: usize, failure: &Failure) -> Diagnostic {
    let found = lexeme(text, failure.at);
    let previous = previous(text, start, failure.at);
    let after = format!("after {}", shown(&text[previous.clone()], "the block"));
    let may_end = failure.expected.contains(&Rule::end);
    let expected: Vec<_> =
        failure.expected.iter().filter(|&&rule| rule != Rule::end).map(|&rule| Expected::of(rule)).collect();

    let word = clause::word_at(text, failure.at);
    let meant = closest(word, &failure.expected);
    let list = expected.iter().find_map(|expected| match expected {
        Expected::OneOf(what, words) => Some((what, words)),
        _ => None,
    });
    if let Some((what, words)) = list
        && !word.is_empty()
        && (expected.len() == 1 || meant.is_some_and(|meant| words.contains(&meant)))
    {
        let hint = suggest::hint(word, words);
        return Diagnostic::new(found, format!("unknown {what} \"{word}\"")).with_hint(hint);
    }
    let hint = meant.map(suggest::did_you_mean);
    if may_end || expected.is_empty() {
        let message = format!("unexpected {} {after}", shown(&text[found.clone()], "block"));
        return Diagnostic::new(found, message).with_hint(hint);
    }
    let mut choice: Vec<_> = expected.iter().map(Expected::describe).collect();
    choice.dedup();
    // Where the rest of the line is empty, what is missing is missing there, not at the next line's beginning.
    let span = if text[previous.end..found.start].contains('\n') || found.is_empty() { previous } else { found };
    Diagnostic::new(span, format!("expected {} {after}", suggest::join(&choice))).with_hint(hint)
}

/// The word that was probably meant, of those that rules stand for.
pub(super) fn closest(word: &str, rules: &[Rule]) -> Option<&'static str> {
    let expected: Vec<_> = rules.iter().map(|&rule| Expected::of(rule)).collect();
    suggest::closest(word, expected.iter().flat_map(Expected::words).copied())
}

/// Whether a clause can have this word inside, so that a line that begins with it goes on with the clause before.
pub(super) fn is_inner_word(word: &str) -> bool {
    Rule::all_rules().iter().any(|&rule| matches!(Expected::of(rule), Expected::Literal(inner) if inner == word))
}

/// How a piece of the text is called in a sentence, where a block has to be called something else.
pub(super) fn shown(text: &str, block: &str) -> String {
    match text.as_bytes() {
        [] => "end of file".to_owned(),
        [b'{', ..] => block.to_owned(),
        [b'"' | b'\'', ..] => text.to_owned(),
        _ => format!("\"{text}\""),
    }
}

/// The last thing before an offset that is neither blank nor comment.
fn previous(text: &str, start: usize, before: usize) -> Span {
    let (mut at, mut last) = (start, start..start);
    while at < before {
        at = skip_blank(text, at);
        if at < before {
            last = lexeme(text, at);
            at = last.end;
        }
    }
    last
}
